"""billiard, the fork of multiprocessing that Celery runs on."""

from __future__ import annotations

from pathlib import Path

from mpspec.backends import Backend

BACKEND = Backend(
    name="billiard",
    module="billiard",
    distribution="billiard",
    deviations=Path(__file__).with_suffix(".toml"),
)
