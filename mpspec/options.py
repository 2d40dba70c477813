"""The options that mpspec adds to pytest. Their values are checked in ``mpspec.settings``, when there is a backend."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mpspec.specification import EDITIONS, Level

if TYPE_CHECKING:
    import pytest


def add(parser: pytest.Parser) -> None:
    """Add the options, in a group of their own."""
    group = parser.getgroup(
        "mpspec", "conformance with the documentation of multiprocessing (mpspec)"
    )
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
        "--edition", metavar="EDITION",
        help=f"hold it to this edition of the documentation ({', '.join(EDITIONS)}). Default: the running interpreter's.",
    )  # fmt: skip
    group.addoption(
        "--level", default=Level.IMPLIED.label, metavar="LEVEL",
        help=f"test requirements of this level and those before it: {', '.join(Level.labels())}. Default: %(default)s.",
    )  # fmt: skip
    group.addoption(
        "--requirement", action="append", metavar="ID",
        help="test only this requirement, or those that match this pattern (* and ?); may be repeated.",
    )  # fmt: skip
    group.addoption(
        "--patience", default="1", metavar="FACTOR",
        help="multiply every deadline by this: more on a slow machine, less to find hangs sooner. Default: %(default)s.",
    )  # fmt: skip
    group.addoption(
        "--deviations", action="append", metavar="FILE",
        help="a TOML file of expected failures, besides the backend's own; strict both ways. May be repeated.",
    )  # fmt: skip
    group.addoption(
        "--conformance-report", metavar="FILE.json", help="write the results to this file, as JSON.",
    )  # fmt: skip
