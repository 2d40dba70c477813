"""What every part needs at the edges of a process's life: finalizers, after-fork hooks, the exit.

The order at exit: finalizers with a priority of 0 or more, highest first; then the daemonic
children are terminated and the others joined; then the finalizers with a negative priority. A
finalizer without a priority never runs at exit. A daemon is not joined: one that takes its time, or
that ignores SIGTERM, is left to itself.

A finalizer belongs to the process that made it. A fork copies the registry, so each entry remembers
its process, and a copy is dropped instead of run.

Documentation: multiprocessing, "Logging" and `Process.daemon`; the rest is internal.
"""

from __future__ import annotations

import atexit
import os
import sys
from _weakref import ref
from itertools import count

from ._log import (
    DEBUG,
    INFO,
    SUBDEBUG,
    SUBWARNING,
    debug,
    get_logger,
    info,
    log_to_stderr,
    sub_debug,
    sub_warning,
    warn,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any

__all__ = [
    "DEBUG",
    "INFO",
    "SUBDEBUG",
    "SUBWARNING",
    "Finalize",
    "debug",
    "flush_std_streams",
    "get_logger",
    "get_temp_dir",
    "info",
    "is_exiting",
    "log_to_stderr",
    "register_after_fork",
    "run_at_exit",
    "sub_debug",
    "sub_warning",
    "warn",
]

# Undocumented, and read by programs that choose addresses: Linux has sockets whose names are no files.
abstract_sockets_supported = True

_order = count()
_finalizers: dict[int, Finalize] = {}
_after_fork: dict[int, tuple[ref[Any], Callable[[Any], object]]] = {}
_after_fork_installed = False
_exiting_pid: int | None = None


class Finalize:
    """A callback that runs once: when called, when *obj* is collected, or when the process exits.

    *obj* may be None; then *exitpriority* is needed (ValueError otherwise). *exitpriority* orders
    the callbacks at exit, highest first, then last made first; None leaves the callback out.
    Only the process that made the object runs the callback.
    """

    __slots__ = (
        "__weakref__",
        "_args",
        "_callback",
        "_key",
        "_kwargs",
        "_pid",
        "_priority",
        "_ref",
    )

    def __init__(
        self,
        obj: object | None,
        callback: Callable[..., object],
        args: Iterable[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        exitpriority: int | None = None,
    ) -> None:
        if obj is None and exitpriority is None:
            message = "a Finalize without an object never runs: give it an exitpriority"
            raise ValueError(message)
        self._callback: Callable[..., object] | None = callback
        self._args = tuple(args)
        self._kwargs = dict(kwargs) if kwargs else {}
        self._priority = exitpriority
        self._pid = os.getpid()
        self._key = next(_order)
        self._ref = None if obj is None else ref(obj, self)
        _finalizers[self._key] = self

    def __call__(self, _dead: object = None) -> object:
        """Run the callback, unless it ran before, was cancelled or belongs to another process."""
        _finalizers.pop(self._key, None)
        callback, args, kwargs = self._callback, self._args, self._kwargs
        self._forget()
        if callback is None or self._pid != os.getpid():
            return None
        return callback(*args, **kwargs)

    def cancel(self) -> None:
        """Never run the callback."""
        _finalizers.pop(self._key, None)
        self._forget()

    def still_active(self) -> bool:
        """Return whether the callback still waits for its time."""
        return self._key in _finalizers

    def _forget(self) -> None:
        self._callback = self._ref = None
        self._args = ()
        self._kwargs = {}

    def __repr__(self) -> str:
        if self._callback is None:
            return "<Finalize object, dead>"
        name = getattr(self._callback, "__name__", self._callback)
        return f"<Finalize object, callback={name}, exitpriority={self._priority}>"


def register_after_fork(
    obj: Any,  # noqa: ANN401 - any object
    func: Callable[[Any], object],
) -> None:
    """Call ``func(obj)`` in each child that is forked while *obj* lives, oldest first."""
    global _after_fork_installed
    if not _after_fork_installed:
        # threading mends itself in a hook of its own; imported first, its hook runs before ours.
        import threading  # noqa: F401

        os.register_at_fork(after_in_child=_run_after_fork)
        _after_fork_installed = True
    key = next(_order)
    _after_fork[key] = (ref(obj, lambda _dead: _after_fork.pop(key, None)), func)


def _run_after_fork() -> None:
    for reference, func in list(_after_fork.values()):
        obj = reference()
        if obj is not None:
            try:
                func(obj)
            except Exception:  # noqa: BLE001 - the hooks of the other objects must still run
                sys.excepthook(*sys.exc_info())


def forget_finalizers() -> None:
    """Drop what a forked child inherited: those callbacks are its parent's."""
    for finalizer in list(_finalizers.values()):
        finalizer.cancel()


def is_exiting() -> bool:
    """Return whether this process has begun to run its finalizers."""
    return _exiting_pid == os.getpid()


def run_at_exit() -> None:
    """Run the finalizers and end the children, in the order of the module's docstring; once."""
    global _exiting_pid
    if is_exiting():
        return
    _exiting_pid = os.getpid()
    info("process shutting down")
    debug('running all "atexit" finalizers with priority >= 0')
    _run_finalizers(0)
    _end_children()
    debug('running the remaining "atexit" finalizers')
    _run_finalizers(None)


# Programs whose children end by os._exit, of their own choice, call it by the name that it has in CPython.
_exit_function = run_at_exit


def _run_finalizers(least: int | None = None) -> None:
    """Run those whose priority is at least *least* (None: all that have a priority)."""
    pid = os.getpid()
    while True:  # a callback may register further ones
        due = [
            (finalizer._priority, finalizer._key, finalizer)  # noqa: SLF001 - this module's own class
            # Not of items(): each pair is an allocation, at which the garbage collector may run,
            # and a dead object takes its finalizer out of the dictionary.
            for finalizer in list(_finalizers.values())
            if finalizer._priority is not None  # noqa: SLF001
            and (least is None or finalizer._priority >= least)  # noqa: SLF001
            and finalizer._pid == pid  # noqa: SLF001
        ]
        if not due:
            return
        for _priority, _key, finalizer in sorted(due, key=lambda entry: entry[:2], reverse=True):
            sub_debug("calling %s", finalizer)
            try:
                finalizer()
            except Exception:  # noqa: BLE001 - the hooks of the other objects must still run
                sys.excepthook(*sys.exc_info())


def _end_children() -> None:
    process = sys.modules.get(f"{__package__}.process")
    if process is None:
        return
    for child in process.active_children():
        if child.daemon:
            info("calling terminate() for daemon %s", child.name)
            child.terminate()
    for child in process.active_children():
        if not child.daemon:
            info("calling join() for process %s", child.name)
            child.join()


def flush_std_streams() -> None:
    """Write out what stdout and stderr hold; a stream that is missing, closed or broken is left."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (AttributeError, ValueError, OSError):
            continue


# Programs that fork by themselves call it by the name that it has in CPython.
_flush_std_streams = flush_std_streams


def get_temp_dir() -> str:
    """Return the path of a directory of this process, made at the first call, removed at exit."""
    global _temp_dir
    pid = os.getpid()
    if _temp_dir is None or _temp_dir[0] != pid:
        import shutil
        import tempfile

        path = tempfile.mkdtemp(prefix="pymp-")
        info("created temp directory %s", path)
        # Lowest of all: sockets and files of other finalizers may lie in it.
        Finalize(None, shutil.rmtree, (path,), {"ignore_errors": True}, exitpriority=-100)
        _temp_dir = (pid, path)
    return _temp_dir[1]


_temp_dir: tuple[int, str] | None = None


def _at_interpreter_exit() -> None:
    run_at_exit()
    process = sys.modules.get(f"{__package__}.process")
    if process is not None:
        # A spawned child lets go of its arguments while their modules are still whole.
        process.current_process()._release()  # noqa: SLF001


atexit.register(_at_interpreter_exit)
