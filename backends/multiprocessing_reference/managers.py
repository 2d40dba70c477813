"""Managers: objects shared between processes by a server process, and reached through proxies.

The parts: the server (_server.py, _objects.py) and its process (_server_process.py), the client's
link to it (_manager_link.py), what they say (_manager_wire.py), the proxies (_proxy.py,
_proxies.py), and the manager that starts a server or connects to one (_base_manager.py). Here are
the managers with something to share.

Documentation: multiprocessing, section "Managers"; multiprocessing.managers.
"""

# ruff: noqa: ANN401 - anything can be shared

# ruff: noqa: D102, N802 - the documented names; register() writes their docstrings

from __future__ import annotations

import threading

from ._base_manager import BaseManager
from ._calls import public_methods  # noqa: F401 - undocumented: programs import it to fill an `exposed`
from ._manager_wire import RemoteError, Token
from ._proxies import (
    AcquirerProxy,
    ArrayProxy,
    BarrierProxy,
    BaseListProxy,
    BasePoolProxy,
    ConditionProxy,
    DictProxy,
    EventProxy,
    IteratorProxy,
    ListProxy,
    NamespaceProxy,
    PoolProxy,
    SetProxy,
    ValueProxy,
)
from ._proxy import AutoProxy, BaseProxy, MakeProxyType, RebuildProxy
from ._referents import Array, Namespace, Value, make_condition, make_pool, make_queue
from ._server import Server
from ._undo import on_failure
from .errors import ProcessError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from ._manager_link import Link
    from .shared_memory import ShareableList, SharedMemory

__all__ = [
    "AcquirerProxy",
    "Array",
    "ArrayProxy",
    "AutoProxy",
    "BarrierProxy",
    "BaseListProxy",
    "BaseManager",
    "BasePoolProxy",
    "BaseProxy",
    "ConditionProxy",
    "DictProxy",
    "EventProxy",
    "IteratorProxy",
    "ListProxy",
    "MakeProxyType",
    "Namespace",
    "NamespaceProxy",
    "PoolProxy",
    "ProcessError",
    "RebuildProxy",
    "RemoteError",
    "Server",
    "SetProxy",
    "SharedMemoryManager",
    "SyncManager",
    "Token",
    "Value",
    "ValueProxy",
]


class SyncManager(BaseManager):
    """A manager of the types used to synchronize processes, and of containers.

    Documentation: multiprocessing.managers.SyncManager.
    """

    if TYPE_CHECKING:
        # Made by register(), below.
        def Barrier(
            self, parties: int, action: Any = None, timeout: float | None = None
        ) -> BarrierProxy: ...
        def BoundedSemaphore(self, value: int = 1) -> AcquirerProxy: ...
        def Condition(self, lock: AcquirerProxy | None = None) -> ConditionProxy: ...
        def Event(self) -> EventProxy: ...
        def JoinableQueue(self, maxsize: int = 0) -> Any: ...
        def Lock(self) -> AcquirerProxy: ...
        def Namespace(self, /, **kwds: Any) -> NamespaceProxy: ...
        def Pool(self, *args: Any, **kwds: Any) -> PoolProxy: ...
        def Queue(self, maxsize: int = 0) -> Any: ...
        def RLock(self) -> AcquirerProxy: ...
        def Semaphore(self, value: int = 1) -> AcquirerProxy: ...
        def Array(self, typecode: str, sequence: Iterable[Any]) -> Any: ...
        def Value(self, typecode: Any, value: Any) -> ValueProxy: ...
        def dict(self, *args: Any, **kwds: Any) -> DictProxy: ...
        def list(self, *args: Any) -> ListProxy: ...
        def set(self, *args: Any) -> SetProxy: ...


SyncManager.register("Queue", make_queue)
SyncManager.register("JoinableQueue", make_queue)
SyncManager.register("Event", threading.Event, EventProxy)
SyncManager.register("Lock", threading.Lock, AcquirerProxy)
SyncManager.register("RLock", threading.RLock, AcquirerProxy)
SyncManager.register("Semaphore", threading.Semaphore, AcquirerProxy)
SyncManager.register("BoundedSemaphore", threading.BoundedSemaphore, AcquirerProxy)
SyncManager.register("Condition", make_condition, ConditionProxy)
SyncManager.register("Barrier", threading.Barrier, BarrierProxy)
SyncManager.register("Pool", make_pool, PoolProxy)
SyncManager.register("list", list, ListProxy)
SyncManager.register("dict", dict, DictProxy)
SyncManager.register("set", set, SetProxy)
SyncManager.register("Value", Value, ValueProxy)
SyncManager.register("Array", Array, ArrayProxy)
SyncManager.register("Namespace", Namespace, NamespaceProxy)

# Returned by methods of other types.
SyncManager.register("Iterator", proxytype=IteratorProxy, create_method=False)
SyncManager.register("AsyncResult", create_method=False)


def _track(link: Link, segment: SharedMemory) -> None:
    """Have the server unlink a segment when it ends."""
    with on_failure(segment.unlink), on_failure(segment.close):
        link.control("track_segment", segment.name)


class SharedMemoryManager(BaseManager):
    """A manager that unlinks all blocks of shared memory made through it when it shuts down.

    Documentation: multiprocessing.managers.SharedMemoryManager.
    """

    def start(
        self, initializer: Callable[..., object] | None = None, initargs: Iterable[Any] = ()
    ) -> None:
        """Start a process that runs the server; see BaseManager.start."""
        from . import resource_tracker

        # A forked server would start a tracker of its own, and tell that one what it unlinks.
        resource_tracker.ensure_running()
        super().start(initializer, initargs)

    def SharedMemory(self, size: int) -> SharedMemory:
        """A new block of *size* bytes.

        Documentation: multiprocessing.managers.SharedMemoryManager.SharedMemory.
        """
        from .shared_memory import SharedMemory

        link = self._started_link()
        segment = SharedMemory(name=None, create=True, size=size)
        _track(link, segment)
        return segment

    def ShareableList(self, sequence: Iterable[Any]) -> ShareableList:
        """A new list. Documentation: multiprocessing.managers.SharedMemoryManager.ShareableList."""
        from .shared_memory import ShareableList

        link = self._started_link()
        made = ShareableList(sequence)
        _track(link, made.shm)
        return made
