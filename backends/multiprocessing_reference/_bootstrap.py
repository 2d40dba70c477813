"""A child process as it sees itself, from its first Python line to its exit code.

The end of a child is that of a Python program: non-daemonic threads are waited for, the functions
of `atexit` run, then the finalizers of this package, and the standard streams are flushed.

Documentation: multiprocessing.Process.exitcode; "Beware of replacing sys.stdin".
"""

from __future__ import annotations

import atexit
import os
import sys

from . import process as _process
from . import util

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from .process import BaseProcess, ParentProcess


def run_child(process: BaseProcess, parent: ParentProcess, *, forked: bool) -> int:
    """Become *process*, run it, clean up, and return the exit code, 0 to 255.

    *forked* says that this process is a copy of another one (fork, forkserver), which must be
    forgotten first, and whose end no interpreter will tidy up.
    """
    if forked:
        util.forget_finalizers()
        # What the parent registered is the parent's; our own exit is run below, explicitly.
        atexit._clear()  # noqa: SLF001 - not documented, without an alternative
        threading = sys.modules.get("threading")
        if threading is not None:
            if isinstance(threading.main_thread(), threading._DummyThread):  # noqa: SLF001
                # A thread that is none of threading's has started this process: what stands for
                # it, and is the main thread now, lacks what the end of a main thread takes.
                # Pythons from 3.12.2 on do so themselves.
                threading._main_thread = threading._MainThread()  # type: ignore[attr-defined] # noqa: SLF001
            # A fork leaves it the native_id of the parent's thread.
            threading.main_thread()._set_native_id()  # noqa: SLF001 - without an alternative
        futures = sys.modules.get("concurrent.futures.thread")
        if futures is not None:
            # Threads of the parent's executors: to join them at the end, as Python 3.11 does, fails
            # where one of them has started this process, whose main thread it is now.
            futures._threads_queues.clear()  # noqa: SLF001 - as newer Pythons do themselves
    _process.become(process, parent)
    if forked:
        _replace_stdin()
    util.info("child process calling self.run()")
    process._forked = forked  # noqa: SLF001 - private to the two of us
    return process._bootstrap()  # noqa: SLF001


def run_to_end(process: BaseProcess, *, forked: bool) -> int:
    """Run *process*, which is the current one, clean up, and return the exit code."""
    code = _guarded(process.run, process.name)
    code = _guarded(_wind_down, process.name) or code if forked else code
    util.info("process exiting with exitcode %d", code)
    util.flush_std_streams()
    return code


def _guarded(step: Callable[[], object], name: str) -> int:
    """Run *step* and return the exit code that its outcome asks for."""
    try:
        step()
    except SystemExit as error:
        return exit_code_of(error)
    except BaseException:  # noqa: BLE001 - the end of the line: whatever it is, it is reported
        import traceback

        try:
            sys.stderr.write(f"Process {name}:\n")
            traceback.print_exc()
        except (AttributeError, ValueError, OSError):
            return 1  # there is no stderr to report to
        return 1
    return 0


def exit_code_of(error: SystemExit) -> int:
    """Return the exit code that `sys.exit` asked for; what is not a number goes to stderr."""
    if error.code is None:
        return 0
    if isinstance(error.code, int):
        return error.code & 0xFF  # what the operating system keeps of it
    try:
        sys.stderr.write(f"{error.code}\n")
    except (AttributeError, ValueError, OSError):
        return 1
    return 1


def _wind_down() -> None:
    """Do what the interpreter does at its end, which os._exit leaves out."""
    threading = sys.modules.get("threading")
    if threading is not None:
        # Joins the threads, and first tells idle ones of concurrent.futures to end; there is no
        # documented way to have both.
        threading._shutdown()  # noqa: SLF001
    atexit._run_exitfuncs()  # noqa: SLF001 - not documented, without an alternative
    util.run_at_exit()


def _replace_stdin() -> None:
    """Give the child os.devnull as its standard input: only one process may read the real one."""
    if sys.stdin is None:
        return
    try:  # noqa: SIM105 - contextlib takes a millisecond to import
        sys.stdin.close()
    except (OSError, ValueError):
        pass  # it was closed, or is an object of the program that can't be
    # closefd=False: descriptor 0 must stay taken for the rest of this process's life.
    descriptor = os.open(os.devnull, os.O_RDONLY)
    sys.stdin = open(descriptor, encoding="utf-8", closefd=False)  # noqa: SIM115
