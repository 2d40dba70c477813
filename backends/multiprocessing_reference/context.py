"""Contexts: the whole API of the package, bound to one start method.

Every method here is also a function of the package: those of the default context, which has no
start method until the first need (or `set_start_method`) fixes it. A concrete context always has
its own. What a method makes is imported when it is first made, so that importing the package stays
light.

Documentation: multiprocessing, "Contexts and start methods" and "Global start method".
"""

from __future__ import annotations

import os
import sys

from . import errors, process

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from logging import Logger
    from types import ModuleType
    from typing import Any, Literal

    from . import connection, managers, pool, queues, synchronize
    from ._launch import Launched

__all__ = [
    "AuthenticationError",
    "BaseContext",
    "BufferTooShort",
    "DefaultContext",
    "ForkContext",
    "ForkServerContext",
    "Process",
    "ProcessError",
    "SpawnContext",
    "TimeoutError",
    "default_context",
]

AuthenticationError = errors.AuthenticationError
BufferTooShort = errors.BufferTooShort
ProcessError = errors.ProcessError
TimeoutError = errors.TimeoutError  # noqa: A001 - the documented name


class Process(process.BaseProcess):
    """A process started by the method of the default context."""


class ForkProcess(process.BaseProcess):
    """A process started by fork."""

    _start_method = "fork"


class SpawnProcess(process.BaseProcess):
    """A process started in a fresh interpreter."""

    _start_method = "spawn"


class ForkServerProcess(process.BaseProcess):
    """A process forked by the fork server."""

    _start_method = "forkserver"


class BaseContext:
    """What all contexts offer. Each method is documented as a function of the package."""

    ProcessError = errors.ProcessError
    BufferTooShort = errors.BufferTooShort
    TimeoutError = errors.TimeoutError
    AuthenticationError = errors.AuthenticationError

    Process: type[process.BaseProcess] = Process

    current_process = staticmethod(process.current_process)
    parent_process = staticmethod(process.parent_process)
    active_children = staticmethod(process.active_children)

    _name: str | None = None

    def __reduce__(self) -> tuple[Callable[..., BaseContext], tuple[str, ...]]:
        # There is one context of each kind in a process; in another one, it is that process's own.
        return (_the_default, ()) if self._name is None else (_concrete, (self._name,))

    # -- processes and start methods

    def cpu_count(self) -> int:
        """Return the number of CPUs of the system; NotImplementedError if nobody knows it."""
        number = os.cpu_count()
        if number is None:
            message = "cannot determine number of cpus"
            raise NotImplementedError(message)
        return number

    def get_context(self, method: str | None = None) -> BaseContext:
        """Return the context of *method*, None: this one; ValueError if there is no such method."""
        return self if method is None else _concrete(method)

    def get_start_method(self, allow_none: bool = False) -> str | None:  # noqa: ARG002, FBT001, FBT002
        """Return the name of the start method."""
        return self._name

    def set_start_method(self, method: str | None, force: bool = False) -> None:  # noqa: ARG002, FBT001, FBT002
        """Raise ValueError: a concrete context has its start method for good."""
        message = (
            f"cannot set start method of concrete context {self._name!r}: "
            "call the package's set_start_method, or get_context for another context"
        )
        raise ValueError(message)

    def get_all_start_methods(self) -> list[str]:
        """Return the names of the start methods that this platform has, the default first."""
        default = _default_method()
        return [default, *(name for name in _available() if name != default)]

    def set_executable(self, executable: str | bytes | os.PathLike[str]) -> None:
        """Set the path of the interpreter for the children of spawn and the fork server."""
        from .spawn import set_executable

        set_executable(executable)

    def set_forkserver_preload(
        self,
        module_names: Iterable[str],
        *,
        on_error: Literal["ignore", "warn", "fail"] = "ignore",
    ) -> None:
        """Set the names of the modules that the fork server imports before it forks."""
        from .forkserver import set_forkserver_preload

        set_forkserver_preload(module_names, on_error=on_error)

    def freeze_support(self) -> None:
        """Run the child and exit, if this is a frozen executable started for one by spawn."""
        if getattr(sys, "frozen", False):
            from .spawn import freeze_support

            freeze_support()

    def allow_connection_pickling(self) -> None:
        """Do nothing: connections and sockets can always be pickled."""

    @property
    def reducer(self) -> ModuleType:
        """The module that pickles what is sent to other processes."""
        from . import reduction

        return reduction

    # -- logging

    def get_logger(self) -> Logger:
        """Return the logger of the package."""
        from ._log import get_logger

        return get_logger()

    def log_to_stderr(self, level: int | str | None = None) -> Logger:
        """Return the logger, made to write to stderr, with *level* if given."""
        from ._log import log_to_stderr

        return log_to_stderr(level)

    # -- messages

    def Pipe(  # noqa: N802 - the documented name, as below
        self,
        duplex: bool = True,  # noqa: FBT001, FBT002 - the documented signature
    ) -> tuple[connection.Connection, connection.Connection]:
        """Return two connected ends; not *duplex*: the first receives, the second sends."""
        from .connection import Pipe

        return Pipe(duplex)

    def Queue(self, maxsize: int = 0) -> queues.Queue:  # noqa: N802
        """Return a queue between processes, of at most *maxsize* items if positive."""
        from .queues import Queue

        return Queue(maxsize, ctx=self.get_context())

    def JoinableQueue(self, maxsize: int = 0) -> queues.JoinableQueue:  # noqa: N802
        """Return a queue with `task_done` and `join`."""
        from .queues import JoinableQueue

        return JoinableQueue(maxsize, ctx=self.get_context())

    def SimpleQueue(self) -> queues.SimpleQueue:  # noqa: N802
        """Return a queue that writes and reads its pipe directly."""
        from .queues import SimpleQueue

        return SimpleQueue(ctx=self.get_context())

    # -- synchronization

    def Lock(self) -> synchronize.Lock:  # noqa: N802
        """Return a lock between processes."""
        from .synchronize import Lock

        return Lock(ctx=self.get_context())

    def RLock(self) -> synchronize.RLock:  # noqa: N802
        """Return a lock that its holder may acquire again."""
        from .synchronize import RLock

        return RLock(ctx=self.get_context())

    def Condition(  # noqa: N802
        self, lock: synchronize.Lock | synchronize.RLock | None = None
    ) -> synchronize.Condition:
        """Return a condition variable, with a lock of its own if none is given."""
        from .synchronize import Condition

        return Condition(lock, ctx=self.get_context())

    def Semaphore(self, value: int = 1) -> synchronize.Semaphore:  # noqa: N802
        """Return a semaphore between processes."""
        from .synchronize import Semaphore

        return Semaphore(value, ctx=self.get_context())

    def BoundedSemaphore(self, value: int = 1) -> synchronize.BoundedSemaphore:  # noqa: N802
        """Return a semaphore that is never released above its first value."""
        from .synchronize import BoundedSemaphore

        return BoundedSemaphore(value, ctx=self.get_context())

    def Event(self) -> synchronize.Event:  # noqa: N802
        """Return an event between processes."""
        from .synchronize import Event

        return Event(ctx=self.get_context())

    def Barrier(  # noqa: N802
        self,
        parties: int,
        action: Callable[[], object] | None = None,
        timeout: float | None = None,
    ) -> synchronize.Barrier:
        """Return a barrier that *parties* processes or threads pass together."""
        from .synchronize import Barrier

        return Barrier(parties, action, timeout, ctx=self.get_context())

    # -- shared state

    def RawValue(self, typecode_or_type: Any, *args: Any) -> Any:  # noqa: ANN401, N802
        """Return a ctypes object in shared memory."""
        from .sharedctypes import RawValue

        return RawValue(typecode_or_type, *args)

    def RawArray(self, typecode_or_type: Any, size_or_initializer: Any) -> Any:  # noqa: ANN401, N802
        """Return a ctypes array in shared memory."""
        from .sharedctypes import RawArray

        return RawArray(typecode_or_type, size_or_initializer)

    def Value(self, typecode_or_type: Any, *args: Any, lock: Any = True) -> Any:  # noqa: ANN401, N802
        """Return a ctypes object in shared memory, by default wrapped with a lock."""
        from .sharedctypes import Value

        return Value(typecode_or_type, *args, lock=lock, ctx=self.get_context())

    def Array(  # noqa: N802
        self,
        typecode_or_type: Any,  # noqa: ANN401
        size_or_initializer: Any,  # noqa: ANN401
        *,
        lock: Any = True,  # noqa: ANN401
    ) -> Any:  # noqa: ANN401
        """Return a ctypes array in shared memory, by default wrapped with a lock."""
        from .sharedctypes import Array

        return Array(typecode_or_type, size_or_initializer, lock=lock, ctx=self.get_context())

    # -- servers and pools

    def Manager(self) -> managers.SyncManager:  # noqa: N802
        """Return a started manager."""
        from .managers import SyncManager

        manager = SyncManager(ctx=self.get_context())
        manager.start()
        return manager

    def Pool(  # noqa: N802
        self,
        processes: int | None = None,
        initializer: Callable[..., object] | None = None,
        initargs: Iterable[Any] = (),
        maxtasksperchild: int | None = None,
    ) -> pool.Pool:
        """Return a pool of worker processes."""
        from .pool import Pool

        return Pool(processes, initializer, initargs, maxtasksperchild, context=self.get_context())


class ForkContext(BaseContext):
    """Children are copies of their parent."""

    _name = "fork"
    Process = ForkProcess


class SpawnContext(BaseContext):
    """Children are fresh interpreters."""

    _name = "spawn"
    Process = SpawnProcess


class ForkServerContext(BaseContext):
    """Children are copies of a server that has imported little more than it needs."""

    _name = "forkserver"
    Process = ForkServerProcess


class DefaultContext(BaseContext):
    """The context that the package's functions belong to; its start method is fixed at need."""

    Process = Process

    def __init__(self) -> None:
        self._actual: BaseContext | None = None

    def get_context(self, method: str | None = None) -> BaseContext:
        """Return the context of *method*; None: of the start method, fixed if it was not."""
        if method is not None:
            return _concrete(method)
        if self._actual is None:
            self._actual = _concrete(_default_method())
        return self._actual

    def get_start_method(self, allow_none: bool = False) -> str | None:  # noqa: FBT001, FBT002
        """Return the name of the start method, fixed if it was not; *allow_none*: or None."""
        if self._actual is None and allow_none:
            return None
        return self.get_context().get_start_method()

    def set_start_method(self, method: str | None, force: bool = False) -> None:  # noqa: FBT001, FBT002
        """Fix the start method.

        RuntimeError: it is fixed already, and *force* is not true; ValueError: there is no such
        method. *method* None: unfixed with *force*, else the platform's default.
        """
        if self._actual is not None and not force:
            message = (
                "context has already been set: call set_start_method once, before anything that "
                "needs a start method, or use get_context"
            )
            raise RuntimeError(message)
        self._actual = None if method is None else _concrete(method)
        if method is None and not force:
            self.get_context()


_contexts: dict[str, BaseContext] = {
    "fork": ForkContext(),
    "spawn": SpawnContext(),
    "forkserver": ForkServerContext(),
}
default_context = DefaultContext()


def _the_default() -> BaseContext:
    return default_context


def _available() -> list[str]:
    from ._launch import have_pidfd

    # The fork server tells the end of its children by pidfds.
    return ["fork", "spawn", "forkserver"] if have_pidfd() else ["fork", "spawn"]


def _concrete(method: str) -> BaseContext:
    names = _available()
    if method not in names:
        message = f"cannot find context for {method!r}: the start methods are {', '.join(names)}"
        raise ValueError(message)
    return _contexts[method]


def _default_method() -> str:
    """Return the start method that the documentation of the running Python names as the default."""
    if sys.platform == "darwin":
        return "spawn"
    if sys.version_info < (3, 14):
        return "fork"
    if "forkserver" not in _available():
        return "spawn"
    if sys.version_info >= (3, 15) and not _has_temporary_directory():
        return "spawn"
    return "forkserver"


def _has_temporary_directory() -> bool:
    # Our fork server needs none; the documentation of 3.15.1 promises this all the same.
    # The places where tempfile looks, without importing it.
    named = [os.environ.get(name) for name in ("TMPDIR", "TEMP", "TMP")]
    places = [*filter(None, named), "/tmp", "/var/tmp", "/usr/tmp", os.curdir]  # noqa: S108
    return any(os.path.isdir(place) and os.access(place, os.W_OK | os.X_OK) for place in places)  # noqa: PTH112


def launcher(method: str | None) -> Callable[[process.BaseProcess], Launched]:
    """Return the function that starts a process by *method*, None: by the default context's."""
    from . import util  # noqa: F401 - who has children needs its hook at exit, which ends them

    if method is None:
        method = default_context.get_start_method()
    if method == "fork":
        from ._launch_fork import launch as launch_fork

        return launch_fork
    if method == "spawn":
        from ._launch_spawn import launch as launch_spawn

        return launch_spawn
    from ._launch_forkserver import launch as launch_forkserver

    return launch_forkserver
