"""The server of a manager: a thread per connection, which calls the shared objects.

Connections are authenticated in their own thread, so a client that connects and says nothing
holds up nobody. Documentation: multiprocessing.managers.BaseManager.get_server.
"""

# ruff: noqa: ANN401 - anything can be shared

# ruff: noqa: ARG002 - the server's own methods are all called alike

# ruff: noqa: SLF001 - a Listener has no public way to wake the thread that accepts

from __future__ import annotations

import errno
import os
import select
import threading
import weakref
from _socket import SHUT_RDWR
from contextlib import suppress

from ._calls import perform, public_methods
from ._manager_channel import ConnectionChannel
from ._manager_wire import (
    NOTICE,
    REMOTE,
    VALUE,
    RemoteError,
    place_of,
    remote_reply,
    wire_named,
)
from ._objects import SharedObjects, deleted
from ._referents import take_back
from ._segments import Segments
from .errors import AuthenticationError

TYPE_CHECKING = False  # the module typing takes longer to import than all this
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any, Final

    from ._manager_channel import Channel
    from ._manager_wire import Reply, Wire
    from ._objects import Session, Shared
    from .connection import Connection

    Registered = tuple[
        Callable[..., Any] | None, Sequence[str] | None, Mapping[str, str] | None, Any
    ]
    Registry = Mapping[str, Registered]
    Description = tuple[str, int, tuple[str, ...], str]

_OUT_OF_RESOURCES: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})


class Served:
    """The connection that the current thread serves."""

    __slots__ = ("replying", "server", "session")

    def __init__(self, server: Server, session: Session) -> None:
        self.server = server
        self.session = session
        self.replying = False
        """Whether what is being pickled is the reply."""


class _Here(threading.local):
    served: Served | None = None


here: Final = _Here()
"""Of the current thread.

What it serves. Proxies ask it where they are being pickled and unpickled.
"""


class Server:
    """Serves the shared objects of a manager.

    Documentation: multiprocessing.managers.BaseManager.get_server.
    """

    _wake = -1
    """The eventfd that ends `serve_until`, while there is one."""

    def __init__(self, registry: Registry, address: Any, authkey: bytes, serializer: str) -> None:
        from .connection import Listener

        self.name = os.urandom(16).hex()
        self.registry = registry
        self.wire: Wire = wire_named(serializer)
        self.serializer = serializer
        self.authkey = bytes(authkey)
        # The greeting is left to the threads of the connections.
        self.listener = Listener(address=address, backlog=128)
        self.address: Any = self.listener.address
        """Where clients find the server."""
        self.stop_event = threading.Event()
        self._wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self.objects = SharedObjects()
        self._channels: set[Channel] = set()
        self._segments = Segments()
        _servers.add(self)

    # Life.

    def serve_forever(self) -> None:
        """Serve until a client with the right key says stop, or Ctrl-C; then end the program.

        In a thread other than the main one, only the thread ends.

        Documentation: multiprocessing.managers.BaseManager.get_server.

        """
        with suppress(KeyboardInterrupt, SystemExit):
            self.serve_until(())
        if threading.current_thread() is threading.main_thread():
            raise SystemExit(0)

    def serve_until(self, descriptors: Sequence[int]) -> None:
        """Serve until told to stop, or until one of *descriptors* becomes readable."""
        self.accept_connections()
        poll = select.poll()
        for descriptor in (self._wake, *descriptors):
            poll.register(descriptor, select.POLLIN)
        try:
            poll.poll()
        finally:
            self.close()

    def accept_connections(self) -> None:
        """Start the thread that accepts connections."""
        threading.Thread(target=self._accept, name="manager-accept", daemon=True).start()

    def stop(self) -> None:
        """Make serve_forever return."""
        self.stop_event.set()
        with suppress(OSError):
            os.eventfd_write(self._wake, 1)

    def close(self) -> None:
        """Accept no more, end every conversation, release what the server holds."""
        self.stop_event.set()
        # Closing alone doesn't wake the thread that accepts.
        with suppress(OSError, AttributeError):
            self.listener._socket.shutdown(SHUT_RDWR)  # type: ignore[union-attr]
        self.listener.close()
        for channel in list(self._channels):
            channel.hang_up()
        self._segments.unlink_all()
        self._close_wake()

    def _close_wake(self, _close: Callable[[int], None] = os.close) -> None:
        wake, self._wake = self._wake, -1
        if wake >= 0:
            _close(wake)

    __del__ = _close_wake  # of one that never served

    def _accept(self) -> None:
        while not self.stop_event.is_set():
            try:
                connection = self.listener.accept()
            except OSError as error:
                if self.stop_event.is_set():
                    return
                if error.errno in _OUT_OF_RESOURCES:
                    # Wait for a conversation to end rather than turn in circles.
                    self.stop_event.wait(0.1)
                continue
            threading.Thread(
                target=self._greet, args=(connection,), name="manager-serve", daemon=True
            ).start()

    def _greet(self, connection: Connection) -> None:
        from .connection import answer_challenge, deliver_challenge

        try:
            deliver_challenge(connection, self.authkey)
            answer_challenge(connection, self.authkey)
            _, method, args, _ = self.wire.receive(connection)
            session = self.objects.join(*args) if method == "hello" else None
        except (OSError, EOFError, AuthenticationError, ValueError, TypeError):
            session = None  # a stranger, or a client that has been killed
        if session is None:
            connection.close()
            return
        with suppress(OSError):  # serve() finds out too
            self.wire.send(connection, (VALUE, self.name))
        self.serve(ConnectionChannel(connection, self.wire), session)

    # Conversations.

    def serve(self, channel: Channel, session: Session) -> None:
        """Answer the requests on one channel until it closes. Runs in a thread of its own."""
        here.served = served = Served(self, session)
        self._channels.add(channel)
        try:
            if not self.stop_event.is_set():
                self._converse(channel, served)
        finally:
            here.served = None
            self._channels.discard(channel)
            channel.close()
            self.objects.leave(session)

    def _converse(self, channel: Channel, served: Served) -> None:
        held = served.session.held
        receive, find = channel.receive, self.objects.find
        shared = None
        while True:
            try:
                ident, method, args, kwds = receive()
            except (EOFError, OSError):
                return
            except Exception as error:  # noqa: BLE001 - what unpickling raises is the client's to know
                reply = remote_reply(error)
            else:
                if ident > 0:
                    shared = held.get(ident) or find(ident)
                    reply = perform(self, served, shared, method, args, kwds)
                else:
                    reply = self._serve_self(served, method, args, kwds)
                    if ident == NOTICE:
                        continue
                # Until the next request, this thread holds on to nothing of the client's.
                args, kwds = (), None
            if not self._reply(channel, served, reply):
                if shared is not None and reply[0] == VALUE:
                    take_back(shared.obj, method, reply[1])
                return
            shared = None
            del reply

    def _reply(self, channel: Channel, served: Served, reply: Reply) -> bool:
        """Send *reply*; False if the client has gone."""
        served.replying = True
        try:
            channel.send(reply)
        except OSError:
            return False
        except Exception as error:  # noqa: BLE001 - what pickling raises is the client's to know
            text = remote_reply(error)[1]
            try:
                channel.send((REMOTE, f"Unserializable message: {text}"))
            except OSError:
                return False
        finally:
            served.replying = False
        return True

    # The server's own methods.

    def _serve_self(
        self, served: Served, method: str, args: Sequence[Any], kwds: Mapping[str, Any]
    ) -> Reply:
        function = _OWN.get(method)
        if function is None:
            return REMOTE, f"AttributeError: the manager's server has no method {method!r}\n"
        try:
            return VALUE, function(self, served, *args, **kwds)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is the client's to know
            return remote_reply(error)

    def hello(self, served: Served, session: str, clone_of: str = "") -> str:
        """A greeting on a connection that needed no challenge.

        The session has its name from now on.
        """
        if session != served.session.name:
            msg = "a connection can't change its session"
            raise RemoteError(msg)
        return self.name

    def attach(self, served: Served, channel: Channel, session: str, clone_of: str = "") -> None:
        """Serve another connection of the same client, or the first of its child."""
        joined = self.objects.join(session, clone_of)
        threading.Thread(
            target=self.serve, args=(channel, joined), name="manager-serve", daemon=True
        ).start()

    def create(self, served: Served, typeid: str, /, *args: Any, **kwds: Any) -> Description:
        """Create a shared object; it starts with one reference, the caller's."""
        function = self.registry[typeid][0]
        if function is not None:
            obj = function(*args, **kwds)
        elif len(args) == 1 and not kwds:
            obj = args[0]
        else:
            msg = f"{typeid!r} has no callable: give one positional argument, the object itself"
            raise ValueError(msg)
        return self.describe(self.share(typeid, obj, served.session))

    def share(self, typeid: str, obj: Any, session: Session | None) -> Shared:
        """Put *obj* into the table, or find it there, with a reference for *session*."""
        _, exposed, method_to_typeid, _ = self.registry[typeid]
        names = public_methods(obj) if exposed is None else exposed
        return self.objects.share(obj, typeid, names, method_to_typeid or {}, session)

    def describe(self, shared: Shared) -> Description:
        """What a client needs to make a proxy.

        Typeid, number, exposed methods, place of the proxy's class.
        """
        place = place_of(self.registry[shared.typeid][3]) if self.wire.carries_descriptors else ""
        return shared.typeid, shared.ident, tuple(sorted(shared.exposed)), place

    def claim(self, served: Served, ident: int, ticket: int) -> None:
        """A reference for a proxy that the client has unpickled."""
        self.objects.claim(served.session, ident, ticket)

    def drop(self, served: Served, ident: int) -> None:
        """A proxy of the client has gone."""
        self.objects.drop(served.session, ident)

    def ticket(self, served: Served, ident: int) -> int:
        """A reference for a proxy that the client has pickled."""
        return self.objects.ticket(served.session, ident)

    def get_methods(self, served: Served, ident: int) -> list[str]:
        """The names of the exposed methods of an object."""
        shared = self.objects.find(ident)
        if shared is None:
            raise KeyError(deleted(ident))
        return sorted(shared.exposed)

    def number_of_objects(self, served: Served) -> int:
        """How many objects are shared."""
        return len(self.objects)

    def debug_info(self, served: Served) -> str:
        """A text with every shared object and its count of references from clients."""
        return self.objects.describe()

    def shutdown(self, served: Served) -> None:
        """Make the server stop."""
        self.stop()

    def track_segment(self, served: Served, name: str) -> None:
        """Unlink that block of shared memory when the server stops."""
        self._segments.add(name)

    def release_segment(self, served: Served, name: str) -> None:
        """Unlink that block of shared memory now."""
        self._segments.unlink(name)

    def list_segments(self, served: Served) -> list[str]:
        """The names of the blocks of shared memory that the server will unlink."""
        return self._segments.names()

    def after_fork_in_child(self) -> None:
        """A process that an object of the server has forked has no part in its conversations."""
        for channel in list(self._channels):
            channel.close()
        with suppress(OSError, AttributeError):
            self.listener._socket.close()  # type: ignore[union-attr]
        here.served = None


_OWN: Final[dict[str, Callable[..., Any]]] = {
    name: getattr(Server, name)
    for name in (
        *("hello", "attach", "create", "claim", "drop", "ticket", "get_methods", "shutdown"),
        *("number_of_objects", "debug_info", "track_segment", "release_segment", "list_segments"),
    )
}


_servers: weakref.WeakSet[Server] = weakref.WeakSet()


def _after_fork_in_child() -> None:
    for server in list(_servers):
        server.after_fork_in_child()


os.register_at_fork(after_in_child=_after_fork_in_child)
