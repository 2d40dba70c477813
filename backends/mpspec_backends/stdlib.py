"""The standard library's multiprocessing: whatever ``import multiprocessing`` gives, PYTHONPATH included."""

from __future__ import annotations

from pathlib import Path

from mpspec.backends import Backend

BACKEND = Backend(
    name="stdlib",
    module="multiprocessing",
    deviations=Path(__file__).with_suffix(".toml"),
)
