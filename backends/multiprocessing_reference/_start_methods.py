"""The start methods that this platform has, the default one, and the modules that carry them out.

Documentation: multiprocessing, "Contexts and start methods"; multiprocessing.get_all_start_methods.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ._base_process import BaseProcess
    from ._launch import Launched

__all__ = ["available", "default", "launcher"]


def available() -> list[str]:
    """Return the names of the start methods that this platform has."""
    from ._launch import have_pidfd

    # The fork server tells the end of its children by pidfds.
    return ["fork", "spawn", "forkserver"] if have_pidfd() else ["fork", "spawn"]


def default() -> str:
    """Return the start method that the documentation of the running Python names as the default."""
    if sys.platform == "darwin":
        return "spawn"
    if sys.version_info < (3, 14):
        return "fork"
    if "forkserver" not in available():
        return "spawn"
    if not _has_temporary_directory():
        return "spawn"
    return "forkserver"


def _has_temporary_directory() -> bool:
    # Our fork server needs none; the documentation promises this all the same.
    from tempfile import gettempdir

    try:
        return os.access(gettempdir(), os.W_OK | os.X_OK)
    except FileNotFoundError:
        return False


def launcher(method: str | None) -> Callable[[BaseProcess], Launched]:
    """Return the function that starts a process by *method*, None: by the default context's."""
    from . import util  # noqa: F401 - who has children needs its hook at exit, which ends them

    if method is None:
        from .context import default_context

        method = default_context.get_start_method()
        if method not in available():  # the name of a context that a program has added
            method = default_context.get_context().Process._start_method  # noqa: SLF001 - the package's own
    if method == "fork":
        from ._launch_fork import launch as launch_fork

        return launch_fork
    if method == "spawn":
        from ._launch_spawn import launch as launch_spawn

        return launch_spawn
    from ._launch_forkserver import launch as launch_forkserver

    return launch_forkserver
