"""The API of the package on threads: "no more than a wrapper around the threading module".

A process is a thread, a queue is `queue.Queue`, shared objects are plain objects, and nothing is
pickled. `Pool` gives a `ThreadPool`. Threads have no exit status, signals or process identity of
their own, so what needs those (``terminate``, ``kill``, start methods) is not here.

Documentation: multiprocessing.dummy.
"""

from __future__ import annotations

import array as _array
import builtins
import os
import sys
import threading
import weakref
from queue import Queue, SimpleQueue
from threading import Barrier, BoundedSemaphore, Condition, Event, Lock, RLock, Semaphore
from threading import current_thread as current_process
from typing import TYPE_CHECKING, Any

from ..errors import (
    AuthenticationError,
    BufferTooShort,
    ProcessError,
    TimeoutError,  # noqa: A004 - the documented name
)
from .connection import Connection, Pipe

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from types import ModuleType

    from ..pool import ThreadPool

__all__ = [
    "Array",
    "AuthenticationError",
    "Barrier",
    "BoundedSemaphore",
    "BufferTooShort",
    "Condition",
    "Event",
    "JoinableQueue",
    "Lock",
    "Manager",
    "Namespace",
    "Pipe",
    "Pool",
    "Process",
    "ProcessError",
    "Queue",
    "RLock",
    "Semaphore",
    "SimpleQueue",
    "TimeoutError",
    "Value",
    "active_children",
    "cpu_count",
    "current_process",
    "freeze_support",
]

JoinableQueue = Queue
dict = builtins.dict  # noqa: A001 - the documented name
list = builtins.list  # noqa: A001 - the documented name

_children: weakref.WeakKeyDictionary[threading.Thread, weakref.WeakSet[DummyProcess]] = (
    weakref.WeakKeyDictionary()
)
_children_lock = threading.Lock()


class DummyProcess(threading.Thread):
    """A thread with the API of a Process.

    Documentation: multiprocessing.Process.
    """

    def __init__(  # noqa: PLR0913 - the documented parameters
        self,
        group: None = None,
        target: Callable[..., object] | None = None,
        name: str | None = None,
        args: Iterable[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
        *,
        daemon: bool | None = None,
    ) -> None:
        if group is not None:
            message = "group must be None: it exists for the likeness with threading.Thread"
            raise ValueError(message)
        super().__init__(None, None, name, daemon=daemon)
        self._call = target
        self._positional = tuple(args)
        self._named = builtins.dict(kwargs or {})
        self._parent = current_process()
        self._exitcode = 0
        self._own: builtins.list[Connection] = []

    @property
    def exitcode(self) -> int | None:
        """None until the end; then 0, 1 after an exception, or what ``sys.exit`` was given."""
        return self._exitcode if self._started_and_ended() else None

    @property
    def pid(self) -> int | None:
        """The process that the thread runs in; None before the start."""
        return None if self.ident is None else os.getpid()

    def start(self) -> None:
        """Run the target in a thread of its own; RuntimeError when called twice."""
        if self.ident is None:
            self._take_connections()
        with _children_lock:
            _children.setdefault(self._parent, weakref.WeakSet()).add(self)
        super().start()

    def run(self) -> None:
        """Call the target; may be overridden."""
        self._exitcode = 1  # unless it comes to its end; nobody is told before
        try:
            if self._call is not None:
                self._call(*self._positional, **self._named)
            self._exitcode = 0
        except SystemExit as error:
            self._exitcode = _exit_status(error.code)
        finally:
            for connection in self._own:
                connection.close()
            self._own, self._call, self._positional, self._named = [], None, (), {}

    def _take_connections(self) -> None:
        """Give the child connections of its own in the place of those that are its arguments."""
        given = (*self._positional, *self._named.values())
        self._positional = tuple(map(_own, self._positional))
        self._named = {name: _own(value) for name, value in self._named.items()}
        taken = (*self._positional, *self._named.values())
        pairs = zip(taken, given, strict=True)
        self._own = [mine for mine, theirs in pairs if mine is not theirs]

    def close(self) -> None:
        """Do nothing: a thread holds no resources; ValueError while it runs."""
        if self.is_alive():
            message = f"{self.name} is still running: join() it before close()"
            raise ValueError(message)

    def _started_and_ended(self) -> bool:
        return self.ident is not None and not self.is_alive()


Process = DummyProcess


def _own(value: Any) -> Any:  # noqa: ANN401 - any argument
    return value.copy() if isinstance(value, Connection) and not value.closed else value


def _exit_status(code: object) -> int:
    if code is None:
        return 0
    if isinstance(code, int):
        return code
    sys.stderr.write(f"{code}\n")
    return 1


def active_children() -> builtins.list[DummyProcess]:
    """Return the processes that the calling one started and that still run."""
    with _children_lock:
        mine = builtins.list(_children.get(current_process(), ()))
    return [child for child in mine if child.is_alive()]


def cpu_count() -> int:
    """Return the number of processors of the machine; NotImplementedError when it is unknown."""
    count = os.cpu_count()
    if count is None:
        message = "the number of processors of this machine is unknown"
        raise NotImplementedError(message)
    return count


def freeze_support() -> None:
    """Do nothing: a thread needs no fresh interpreter."""


class Namespace:
    """An object with attributes, as a manager's Namespace."""

    def __init__(self, /, **attributes: object) -> None:
        self.__dict__.update(attributes)

    def __repr__(self) -> str:
        shown = sorted(f"{k}={v!r}" for k, v in self.__dict__.items() if not k.startswith("_"))
        return f"{type(self).__name__}({', '.join(shown)})"

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any: ...  # noqa: ANN401 - the user's own objects


class Value:
    """An object with a ``value``: threads share it as it is.

    Documentation: multiprocessing.Value.
    """

    def __init__(self, typecode: str | type, value: Any = 0, lock: object = True) -> None:  # noqa: ANN401, FBT002 - the user's own objects
        self._typecode = typecode
        self.value = value
        self._lock: Any = lock if hasattr(lock, "acquire") else threading.RLock()

    def get_lock(self) -> Any:  # noqa: ANN401 - the user's own objects
        """Return the lock that guards the value for those who ask for it."""
        return self._lock

    def __repr__(self) -> str:
        return f"<{type(self).__name__}({self._typecode!r}, {self.value!r})>"


def Array(  # noqa: N802 - the documented name
    typecode: str,
    size_or_initializer: int | Iterable[Any],
    lock: object = True,  # noqa: ARG001, FBT002 - part of the interface
) -> _array.array[Any]:
    """Return an array of a size (zeroes) or with the given items.

    Documentation: multiprocessing.Array.
    """
    if isinstance(size_or_initializer, int):
        return _array.array(typecode, [0]) * size_or_initializer
    return _array.array(typecode, size_or_initializer)


def Manager() -> ModuleType:  # noqa: N802 - the documented name
    """Return this module: it has all that a manager makes, and threads share it without one."""
    return sys.modules[__name__]


def shutdown() -> None:
    """Do nothing: there is no manager process."""


def Pool(  # noqa: N802 - the documented name
    processes: int | None = None,
    initializer: Callable[..., object] | None = None,
    initargs: Iterable[Any] = (),
) -> ThreadPool:
    """Return a `ThreadPool`.

    Documentation: multiprocessing.pool.ThreadPool.
    """
    from ..pool import ThreadPool

    return ThreadPool(processes, initializer, initargs)
