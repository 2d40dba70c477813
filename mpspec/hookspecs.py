"""The hooks of mpspec, for plugins and conftest.py files.

A hook is a function with one of these names; arguments that it does not need may be left out. Plugins are found by an
entry point in the group ``mpspec``, and in every ``conftest.py`` and plugin that pytest loads. What mpspec ships (its
backends, its reports) uses the same hooks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from mpspec.backends import Backend
    from mpspec.deviations import Deviation
    from mpspec.results import Report, Result
    from mpspec.settings import Settings

PROJECT = "mpspec"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def mpspec_backends() -> Sequence[Backend]:  # type: ignore[empty-body]
    """Backends to register under their names."""


@hookspec
def mpspec_requirements() -> Sequence[Path]:  # type: ignore[empty-body]
    """Specification files, or folders of them, with further requirements."""


@hookspec
def mpspec_suites() -> Sequence[Path]:  # type: ignore[empty-body]
    """Folders of further tests, as importable packages: each module named by its chapter.

    A test there is a function marked with ``mpspec.marks.requirement``; it takes the fixture ``mp``.
    """


@hookspec
def mpspec_deviations(backend: Backend) -> Sequence[Deviation]:  # type: ignore[empty-body]
    """Expected failures of a backend, besides those in its own file and in ``--deviations``."""


@hookspec
def mpspec_outcome(result: Result) -> None:
    """One test on one variant has ended. Called in the process that the user started, in order of ending.

    The verdict is the test's own: whether it is EXPECTED or BLOCKED is known when the run is over.
    """


@hookspec
def mpspec_report(report: Report, settings: Settings) -> None:
    """The run is over, or was interrupted, and this is all that is known."""
