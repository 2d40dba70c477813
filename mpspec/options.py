"""The options that mpspec adds to pytest."""

from __future__ import annotations

import argparse
import math
from typing import TYPE_CHECKING

from mpspec.specification import EDITIONS, Level

if TYPE_CHECKING:
    import pytest


def add(parser: pytest.Parser) -> None:
    """Add the options, in a group of their own."""
    group = parser.getgroup("mpspec", "conformance with the documentation of multiprocessing (mpspec)")
    group.addoption(
        "--backend", action="append", metavar="NAME", default=[],
        help="test this implementation: a registered name, a module that offers the API, or module:attribute for a "
        "Backend object; may be repeated. Without it mpspec does nothing.",
    )  # fmt: skip
    group.addoption(
        "--start-method", action="append", metavar="METHOD",
        help="test under this start method only (fork, spawn, forkserver); may be repeated. Default: all that the backend claims.",
    )  # fmt: skip
    group.addoption(
        "--edition", choices=EDITIONS, metavar="EDITION",
        help=f"hold it to this edition of the documentation ({', '.join(EDITIONS)}). Default: the running interpreter's.",
    )  # fmt: skip
    group.addoption(
        "--level", choices=Level.labels(), default=Level.IMPLIED.label, metavar="LEVEL",
        help=f"test requirements of this level and those before it: {', '.join(Level.labels())}. Default: %(default)s.",
    )  # fmt: skip
    group.addoption(
        "--requirement", action="append", metavar="ID",
        help="test only this requirement, or those that match this pattern (* and ?); may be repeated.",
    )  # fmt: skip
    group.addoption(
        "--patience", type=_patience, default=1.0, metavar="FACTOR",
        help="multiply every deadline by this: more on a slow machine, less to find hangs sooner. Default: %(default)s.",
    )  # fmt: skip
    group.addoption(
        "--deviations", action="append", metavar="FILE",
        help="a TOML file of expected failures, besides the backend's own; strict both ways. May be repeated.",
    )  # fmt: skip
    group.addoption(
        "--conformance-report", metavar="FILE.json", help="write the results to this file, as JSON.",
    )  # fmt: skip


def _patience(text: str) -> float:
    try:
        factor = float(text)
    except ValueError:
        factor = math.nan
    if not 0 < factor < math.inf:
        message = f"{text!r} is no factor: give a number above 0, such as 3"
        raise argparse.ArgumentTypeError(message)
    return factor
