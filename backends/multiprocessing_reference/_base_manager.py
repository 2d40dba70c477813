"""The base of managers: starts a server or connects to one, and creates shared objects there.

Documentation: multiprocessing.managers.BaseManager.
"""

# ruff: noqa: ANN401 - anything can be shared

# ruff: noqa: A002, FBT001, FBT002, PLR0913, PLR0917 - the documented signatures

from __future__ import annotations

import signal

from . import process, util
from ._address import private_directory
from ._manager_channel import ConnectionChannel
from ._manager_link import Link, new_session, open_link
from ._manager_wire import Token, wire_named
from ._proxy import proxy_for
from ._server import Server
from ._server_process import Plan, end_process, first_word, serve
from ._undo import on_failure
from .errors import ProcessError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import Any, ClassVar, Self

    from ._server import Registered
    from .connection import Connection

_INITIAL = "initial"
_STARTED = "started"
_SHUT_DOWN = "shut down"


class NotStartedError(ProcessError, AssertionError, ValueError):
    """A shared object was asked of a manager without a server.

    (Programs know an AssertionError here, and a ValueError of a SharedMemoryManager.)
    """


class BaseManager:
    """Starts a server of shared objects, or connects to one, and creates shared objects there.

    *address*: where the server listens (None: somewhere). *authkey*: the bytes both sides must
    know (None: those of the current process). *serializer*: 'pickle' or 'xmlrpclib'. *ctx*: the
    context that starts the server's process (None: the current one). *shutdown_timeout*: seconds
    that shutdown() gives the server to end, and once more to be terminated, before it is killed.

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
        if ctx is None:
            from .context import default_context

            ctx = default_context.get_context()
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
        """Connect to a server that runs already.

        OSError if there is none; AuthenticationError if the keys differ.
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
            directory = private_directory("manager")
            address = f"{directory}/socket"
        with theirs:
            plan = Plan(
                self._Server,
                self._registry,
                address,
                directory,
                bytes(self._authkey),
                self._serializer,
            )
            started = self._start_process(plan, theirs, link.session, initializer, tuple(initargs))
        with on_failure(end_process, started, None, self._shutdown_timeout, directory):
            address = first_word(ours, started)
            link.address = self._address = address
            link.greet()
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
        started = self._ctx.Process(target=serve, args=(plan, end, session, *init))
        started.name = f"{type(self).__name__}-{started.name.rpartition('-')[2]}"
        # A Ctrl-C before the server ignores SIGINT would end it, though it is none of the
        # server's business.
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
            msg = f"{type(self).__name__!r} object has no attribute 'shutdown' before its start()"
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
        """The address of the server.

        Documentation: multiprocessing.managers.BaseManager.address.
        """
        return self._address

    def __enter__(self) -> Self:
        if self._state == _INITIAL:
            self.start()
        if self._state == _SHUT_DOWN:
            msg = "Manager has shut down"
            raise ProcessError(msg)
        return self

    def __exit__(self, *exc_info: object) -> None:
        if self._finalizer is not None:
            self.shutdown()

    def __reduce__(self) -> Any:
        msg = (
            f"a {type(self).__name__} can't be pickled: pass the proxies that the other process "
            "needs, or the manager's address to a manager that connect()s there"
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
            state = (
                "has shut down"
                if self._state == _SHUT_DOWN
                else "isn't started: start() or connect() first"
            )
            msg = f"this {type(self).__name__} {state}"
            raise NotStartedError(msg)
        return self._link

    # Shared objects.

    @classmethod
    def register(
        cls,
        typeid: str,
        callable: Callable[..., Any] | None = None,
        proxytype: Any = None,
        exposed: Sequence[str] | None = None,
        method_to_typeid: Mapping[str, str] | None = None,
        create_method: bool = True,
    ) -> None:
        """Let servers of this class create shared objects by a type or another callable.

        Documentation: multiprocessing.managers.BaseManager.register.

        """
        if not isinstance(typeid, str):
            msg = f"typeid must be a str, not {type(typeid).__name__}"
            raise TypeError(msg)
        if "_registry" not in cls.__dict__:
            cls._registry = cls._registry.copy()
        if exposed is None:
            exposed = getattr(proxytype, "_exposed_", None)
        if method_to_typeid is None:
            method_to_typeid = getattr(proxytype, "_method_to_typeid_", None)
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
