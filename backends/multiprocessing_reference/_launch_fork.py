"""The start method *fork*: the child is a copy of this process.

Documentation: multiprocessing, "Contexts and start methods".
"""

from __future__ import annotations

import os
import sys

from . import process as _process
from ._bootstrap import run_child
from ._launch import Lifeline, OwnChild, have_pidfd
from .context import default_context

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .process import BaseProcess


def launch(process: BaseProcess) -> OwnChild:
    """Fork, run *process* in the child, and return the parent's view of it."""
    if f"{__package__}._named_memory" in sys.modules:
        # A tracker that the child started would end with the child, and unlink what it leaves to others.
        from . import resource_tracker

        resource_tracker.ensure_running()
    lifeline = None if have_pidfd() else Lifeline()
    parent = _process.ParentProcess(_process.current_process().name, os.getpid())
    pid = os.fork()
    if pid == 0:
        _live_as_child(process, parent, lifeline)
    return OwnChild(pid, lifeline)


def _live_as_child(
    process: BaseProcess, parent: _process.ParentProcess, lifeline: Lifeline | None
) -> None:
    """Run the child to its end; whatever happens, it must not return into its parent's code."""
    code = 1
    try:
        if lifeline is not None:
            os.close(lifeline.read_end)
        default_context.set_start_method("fork", force=True)
        code = run_child(process, parent, forked=True)
    except BaseException:  # noqa: BLE001 - such as a signal between two of run_child's own blocks
        sys.excepthook(*sys.exc_info())
    finally:
        os._exit(code)
