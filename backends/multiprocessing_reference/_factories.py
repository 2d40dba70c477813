"""What a context makes: each object of the API, for processes of the context's start method.

Each class is imported when its first object is made, so that importing the package stays light.

Documentation: multiprocessing, "Contexts and start methods" (get_context).
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from . import connection, managers, pool, queues, synchronize
    from .context import BaseContext

__all__ = ["Factories"]


class Factories:
    """The methods of contexts that make objects. Each is documented as a function of the package."""

    def get_context(self, method: str | None = None) -> BaseContext:
        """Return the context that the objects are made for: that of a start method."""
        raise NotImplementedError

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
