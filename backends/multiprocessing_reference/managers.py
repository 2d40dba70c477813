"""Managers: objects shared between processes by a server process, and reached through proxies.

The parts: the server (_server.py, _objects.py) and its process (_server_process.py), the client's link to it (_manager_link.py), what they say (_manager_wire.py), the
proxies (_proxy.py, _proxies.py). Here are the managers themselves: they start a server or connect to one, and create
shared objects.

Documentation: multiprocessing, section "Managers"; multiprocessing.managers.
"""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING, Any, ClassVar

from . import process, util
from ._manager_channel import ConnectionChannel
from ._manager_link import Link, new_session, open_link
from ._manager_wire import RemoteError, Token, wire_named
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
from ._proxy import AutoProxy, BaseProxy, MakeProxyType, RebuildProxy, proxy_for
from ._referents import Array, Namespace, Value, make_pool, make_queue
from ._server import Server
from ._server_process import Plan, end_process, first_word, private_directory, serve
from .errors import ProcessError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import Self

    from ._server import Registered
    from .connection import Connection
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

_INITIAL = "initial"
_STARTED = "started"
_SHUT_DOWN = "shut down"


class NotStartedError(ProcessError, AssertionError):
    """A shared object was asked of a manager without a server. (Programs know an AssertionError here.)"""


class BaseManager:
    """Starts a server of shared objects, or connects to one, and creates shared objects there.

    *address*: where the server listens (None: somewhere). *authkey*: the bytes both sides must know (None: those of the
    current process). *serializer*: 'pickle' or 'xmlrpclib'. *ctx*: the context that starts the server's process
    (None: the current one). *shutdown_timeout*: seconds that shutdown() gives the server to end, and once more to be
    terminated, before it is killed.

    Documentation: multiprocessing.managers.BaseManager.
    """

    _registry: ClassVar[dict[str, Registered]] = {}
    _Server: ClassVar[type[Server]] = Server

    def __init__(
        self,
        address: Any = None,
        authkey: bytes | None = None,
        serializer: str = "pickle",
        ctx: Any = None,
        *,
        shutdown_timeout: float = 1.0,
    ) -> None:
        if authkey is None:
            authkey = process.current_process().authkey
        self._address = address
        self._authkey = process.AuthenticationString(authkey)
        wire_named(serializer)
        self._serializer = serializer
        self._ctx = ctx
        self._shutdown_timeout = shutdown_timeout
        self._state = _INITIAL
        self._link: Link | None = None
        self._process: Any = None
        self._finalizer: Any = None

    # The server.

    def get_server(self) -> Server:
        """The server itself, to be run in this process by its serve_forever().

        Documentation: multiprocessing.managers.BaseManager.get_server.
        """
        self._require_initial()
        return self._Server(self._registry, self._address, self._authkey, self._serializer)

    def connect(self) -> None:
        """Connect to a server that runs already. OSError if there is none; AuthenticationError if the keys differ.

        Documentation: multiprocessing.managers.BaseManager.connect.
        """
        self._link = open_link(self._address, self._authkey, self._serializer)
        self._state = _STARTED

    def start(
        self, initializer: Callable[..., object] | None = None, initargs: Iterable[Any] = ()
    ) -> None:
        """Start a process that runs the server; it calls initializer(*initargs) first.

        EOFError if the process ends before it serves (it prints why).
        Documentation: multiprocessing.managers.BaseManager.start.
        """
        self._require_initial()
        if initializer is not None and not callable(initializer):
            msg = "initializer must be a callable"
            raise TypeError(msg)
        from .connection import Pipe

        ours, theirs = Pipe()
        wire = wire_named(self._serializer)
        link = Link(ConnectionChannel(ours, wire), wire, None, self._authkey, new_session())
        address, directory = self._address, None
        if address is None:
            directory = private_directory()
            address = f"{directory}/socket"
        with theirs:
            plan = Plan(self._Server, self._registry, address, directory, bytes(self._authkey), self._serializer)
            started = self._start_process(plan, theirs, link.session, initializer, tuple(initargs))
        try:
            address = first_word(ours, started)
            link.address = self._address = address
            link.greet()
        except BaseException:
            end_process(started, None, self._shutdown_timeout, directory)
            raise
        self._process = started
        self._link = link
        self._state = _STARTED
        self._finalizer = util.Finalize(
            self,
            end_process,
            args=(started, link, self._shutdown_timeout, directory),
            exitpriority=0,
        )

    def _start_process(self, plan: Plan, end: Connection, session: str, *init: Any) -> Any:
        context = self._ctx
        if context is None:
            from .context import default_context

            context = default_context.get_context()
        started = context.Process(target=serve, args=(plan, end, session, *init))
        started.name = f"{type(self).__name__}-{started.name.rpartition('-')[2]}"
        # A Ctrl-C before the server ignores SIGINT would end it, though it is none of the server's business.
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            started.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        return started

    @property
    def shutdown(self) -> Callable[[], None]:
        """Stop the server's process. May be called several times; only after start().

        Documentation: multiprocessing.managers.BaseManager.shutdown.
        """
        if self._finalizer is None:
            msg = f"{type(self).__name__!r} object has no attribute 'shutdown' until start() has been called"
            raise AttributeError(msg, name="shutdown", obj=self)
        return self._shut_down

    def _shut_down(self) -> None:
        if self._finalizer.still_active():
            self._finalizer()
            self._state = _SHUT_DOWN

    def join(self, timeout: float | None = None) -> None:
        """Wait for the server's process to end, at most *timeout* seconds."""
        if self._process is not None:
            self._process.join(timeout)

    @property
    def address(self) -> Any:
        """The address of the server. Documentation: multiprocessing.managers.BaseManager.address."""
        return self._address

    def __enter__(self) -> Self:
        if self._state == _INITIAL:
            self.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self._finalizer is not None:
            self.shutdown()

    def __reduce__(self) -> Any:
        msg = (
            f"a {type(self).__name__} can't be pickled: pass the proxies that the other process needs, or the manager's "
            "address to a manager that connect()s there"
        )
        raise TypeError(msg)

    def _require_initial(self) -> None:
        if self._state == _STARTED:
            msg = "Already started server"
            raise ProcessError(msg)
        if self._state == _SHUT_DOWN:
            msg = "Manager has shut down"
            raise ProcessError(msg)

    def _started_link(self) -> Link:
        if self._state != _STARTED or self._link is None:
            state = "has shut down" if self._state == _SHUT_DOWN else "isn't started: start() or connect() first"
            msg = f"this {type(self).__name__} {state}"
            raise NotStartedError(msg)
        return self._link

    # Shared objects.

    @classmethod
    def register(
        cls,
        typeid: str,
        callable: Callable[..., Any] | None = None,  # noqa: A002 - the documented name
        proxytype: Any = None,
        exposed: Sequence[str] | None = None,
        method_to_typeid: Mapping[str, str] | None = None,
        create_method: bool = True,  # noqa: FBT001, FBT002 - the documented signature
    ) -> None:
        """Make a type, or any callable, known to the class, for its servers to create shared objects with.

        Documentation: multiprocessing.managers.BaseManager.register.
        """
        if not isinstance(typeid, str):
            msg = f"typeid must be a str, not {type(typeid).__name__}"
            raise TypeError(msg)
        if "_registry" not in cls.__dict__:
            cls._registry = cls._registry.copy()
        exposed = exposed or getattr(proxytype, "_exposed_", None)
        method_to_typeid = method_to_typeid or getattr(proxytype, "_method_to_typeid_", None)
        cls._registry[typeid] = (callable, exposed, method_to_typeid, proxytype)
        if create_method:
            setattr(cls, typeid, _creator(typeid))

    def _create(self, typeid: str, /, *args: Any, **kwds: Any) -> Any:
        link = self._started_link()
        made = link.call_server("create", (typeid, *args), kwds)
        beside = Token(typeid, link.address, 0, link.server)
        return proxy_for(made, beside, self._serializer, self)

    def _debug_info(self) -> str:
        """A text about the server's shared objects."""
        return str(self._started_link().call_server("debug_info", (), {}))

    def _number_of_objects(self) -> int:
        """How many objects the server shares."""
        return int(self._started_link().call_server("number_of_objects", (), {}))


def _creator(typeid: str) -> Callable[..., Any]:
    def create(self: BaseManager, /, *args: Any, **kwds: Any) -> Any:
        return self._create(typeid, *args, **kwds)

    create.__name__ = typeid
    create.__qualname__ = f"BaseManager.{typeid}"
    create.__doc__ = f"Create a shared object of type {typeid!r} and return a proxy for it."
    return create


class SyncManager(BaseManager):
    """A manager of the types used to synchronize processes, and of containers.

    Documentation: multiprocessing.managers.SyncManager.
    """

    if TYPE_CHECKING:
        # Made by register(), below.
        def Barrier(self, parties: int, action: Any = None, timeout: float | None = None) -> BarrierProxy: ...
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
SyncManager.register("Condition", threading.Condition, ConditionProxy)
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


class SharedMemoryManager(BaseManager):
    """A manager that unlinks all blocks of shared memory made through it when it shuts down.

    Documentation: multiprocessing.managers.SharedMemoryManager.
    """

    def SharedMemory(self, size: int) -> SharedMemory:  # noqa: N802 - the documented name
        """A new block of *size* bytes. Documentation: multiprocessing.managers.SharedMemoryManager.SharedMemory."""
        from .shared_memory import SharedMemory

        link = self._started_link()
        segment = SharedMemory(name=None, create=True, size=size)
        try:
            link.control("track_segment", segment.name)
        except BaseException:
            segment.close()
            segment.unlink()
            raise
        return segment

    def ShareableList(self, sequence: Iterable[Any]) -> ShareableList:  # noqa: N802 - the documented name
        """A new list. Documentation: multiprocessing.managers.SharedMemoryManager.ShareableList."""
        from .shared_memory import ShareableList

        link = self._started_link()
        made = ShareableList(sequence)
        try:
            link.control("track_segment", made.shm.name)
        except BaseException:
            made.shm.close()
            made.shm.unlink()
            raise
        return made
