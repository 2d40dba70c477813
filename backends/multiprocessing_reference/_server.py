"""The server of a manager: a thread per connection, a table of shared objects, sessions that hold references.

A shared object lives as long as something holds its Shared: a client's session, a proxy inside another shared object,
or a ticket (the reference that a pickled proxy carries while no process has it). All of them are ordinary
references within this process, so Python's own collector deletes shared objects, cycles of nested proxies included.

Connections are authenticated in their own thread, so a client that connects and says nothing holds up nobody.
Documentation: multiprocessing.managers.BaseManager.get_server.
"""

from __future__ import annotations

import errno
import os
import select
import threading
import time
import weakref
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from ._manager_wire import (
    NOTICE,
    PROXY,
    REMOTE,
    VALUE,
    RemoteError,
    error_reply,
    place_of,
    remote_reply,
    wire_named,
)
from ._referents import is_locked
from ._segments import Segments
from .errors import AuthenticationError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ._manager_wire import Reply, Wire
    from .connection import Connection

    Registered = tuple[
        Callable[..., Any] | None, Sequence[str] | None, Mapping[str, str] | None, Any
    ]
    Registry = Mapping[str, Registered]
    Description = tuple[str, int, tuple[str, ...], str]

_IN_TRANSIT: Final = 60.0
"""Seconds that the tickets of a session outlive it: what it has sent may still be on its way."""


_OUT_OF_RESOURCES: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})


@dataclass(eq=False, slots=True, weakref_slot=True)
class Shared:
    """An object shared by the server, and what clients may do with it."""

    obj: Any
    ident: int
    typeid: str
    exposed: frozenset[str]
    method_to_typeid: Mapping[str, str]


@dataclass(eq=False, slots=True)
class Session:
    """A client process: what it holds, while it has a connection."""

    name: str
    connections: int = 0
    held: dict[int, Shared] = field(default_factory=dict)
    counts: dict[int, int] = field(default_factory=dict)
    tickets: set[int] = field(default_factory=set)

    def hold(self, shared: Shared, count: int = 1) -> None:
        """Add references to *shared*."""
        self.counts[shared.ident] = self.counts.get(shared.ident, 0) + count
        self.held[shared.ident] = shared

    def release(self, ident: int) -> Shared | None:
        """Take back one reference; the object if it was the session's last."""
        left = self.counts.get(ident, 0) - 1
        if left > 0:
            self.counts[ident] = left
            return None
        self.counts.pop(ident, None)
        return self.held.pop(ident, None)


@dataclass(eq=False, slots=True)
class Served:
    """The connection that the current thread serves."""

    server: Server
    session: Session
    replying: bool = False


class _Here(threading.local):
    served: Served | None = None


here: Final = _Here()
"""Of the current thread: what it serves. Proxies ask it where they are being pickled and unpickled."""


class Server:
    """Serves the shared objects of a manager.

    Documentation: multiprocessing.managers.BaseManager.get_server.
    """

    def __init__(self, registry: Registry, address: Any, authkey: bytes, serializer: str) -> None:
        from .connection import Listener

        self.name = os.urandom(16).hex()
        self.registry = registry
        self.wire: Wire = wire_named(serializer)
        self.serializer = serializer
        self.authkey = bytes(authkey)
        # The greeting is left to the threads of the connections.
        self._listener = Listener(address=address, backlog=128)
        self.address: Any = self._listener.address
        """Where clients find the server."""
        self.stop_event = threading.Event()
        self._wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._lock = threading.Lock()
        self._idents = 0
        self._objects: weakref.WeakValueDictionary[int, Shared] = weakref.WeakValueDictionary()
        self._known: weakref.WeakValueDictionary[tuple[int, str], Shared] = (
            weakref.WeakValueDictionary()
        )
        self._sessions: dict[str, Session] = {}
        self._tickets: dict[int, Shared] = {}
        self._ticket_numbers = 0
        self._expiring: deque[tuple[float, set[int]]] = deque()
        self._connections: set[Connection] = set()
        self._segments = Segments()
        _servers.add(self)

    # Life.

    def serve_forever(self) -> None:
        """Serve until a client with the right key says stop, or Ctrl-C; then end the program or the thread.

        Documentation: multiprocessing.managers.BaseManager.get_server.
        """
        with suppress(KeyboardInterrupt, SystemExit):
            self.serve_until(())
        if threading.current_thread() is threading.main_thread():
            raise SystemExit(0)

    def serve_until(self, descriptors: Sequence[int]) -> None:
        """Serve until told to stop, or until one of *descriptors* (of processes) becomes readable."""
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
        self._listener.close()
        for connection in list(self._connections):
            _hang_up(connection)
        self._segments.unlink_all()
        with self._lock:
            wake, self._wake = self._wake, -1
        if wake >= 0:
            os.close(wake)

    def _accept(self) -> None:
        while not self.stop_event.is_set():
            try:
                connection = self._listener.accept()
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
            session = self.join_session(*args) if method == "hello" else None
        except (OSError, EOFError, AuthenticationError, ValueError, TypeError):
            session = None  # a stranger, or a client that has been killed
        if session is None:
            connection.close()
            return
        try:
            self.wire.send(connection, (VALUE, self.name))
        except OSError:
            pass  # serve() finds out too
        self.serve(connection, session)

    # Sessions.

    def join_session(self, name: str, clone_of: str = "") -> Session:
        """The session of that name with one more connection; a new one starts with a copy of *clone_of*'s references."""
        with self._lock:
            session = self._sessions.get(name)
            if session is None:
                session = self._sessions[name] = Session(name)
                source = self._sessions.get(clone_of)
                if source is not None:
                    session.held = dict(source.held)
                    session.counts = dict(source.counts)
            session.connections += 1
        return session

    def _leave_session(self, session: Session) -> None:
        with self._lock:
            session.connections -= 1
            if session.connections:
                return
            del self._sessions[session.name]
            gone = session.held  # released outside the lock: finalizers of objects may do anything
            session.held = {}
            session.counts = {}
            now = time.monotonic()
            if session.tickets:
                self._expiring.append((now + _IN_TRANSIT, session.tickets))
            expired = []
            while self._expiring and self._expiring[0][0] <= now:
                tickets = self._expiring.popleft()[1]
                expired += [self._tickets.pop(ticket, None) for ticket in tickets]
        del gone, expired

    def serve(self, connection: Connection, session: Session) -> None:
        """Answer the requests of one connection until it closes. Runs in a thread of its own."""
        here.served = served = Served(self, session)
        self._connections.add(connection)
        try:
            if not self.stop_event.is_set():
                self._converse(connection, served)
        finally:
            here.served = None
            self._connections.discard(connection)
            connection.close()
            self._leave_session(session)

    def _converse(self, connection: Connection, served: Served) -> None:
        wire, session = self.wire, served.session
        held = session.held
        while True:
            try:
                ident, method, args, kwds = wire.receive(connection)
            except (EOFError, OSError):
                return
            except Exception as error:  # noqa: BLE001 - unpickling runs anything and so raises anything
                reply = remote_reply(error)
            else:
                if ident > 0:
                    shared = held.get(ident)
                    if shared is None:
                        shared = self._objects.get(ident)
                    reply = self.perform(served, shared, method, args, kwds)
                else:
                    reply = self._serve_self(served, method, args, kwds)
                    if ident == NOTICE:
                        continue
                # Until the next request, this thread holds on to nothing of the client's.
                shared = args = kwds = None
            if not self._reply(connection, served, reply):
                return
            reply = (VALUE, None)

    def _reply(self, connection: Connection, served: Served, reply: Reply) -> bool:
        """Send *reply*; False if the client has gone."""
        served.replying = True
        try:
            self.wire.send(connection, reply)
        except OSError:
            return False
        except Exception as error:  # noqa: BLE001 - pickling runs anything and so raises anything
            text = remote_reply(error)[1]
            try:
                self.wire.send(connection, (REMOTE, f"Unserializable message: {text}"))
            except OSError:
                return False
        finally:
            served.replying = False
        return True

    # Calls.

    def perform(
        self,
        served: Served | None,
        shared: Shared | None,
        method: str,
        args: Sequence[Any],
        kwds: Mapping[str, Any],
    ) -> Reply:
        """Call a method of a shared object, and say how it went."""
        if shared is None:
            return REMOTE, "KeyError: the shared object has been deleted: no proxy referred to it any more\n"
        if method not in shared.exposed:
            return self._fallback(shared, method, args)
        try:
            function = getattr(shared.obj, method)
        except AttributeError as error:
            if method == "locked":
                return VALUE, is_locked(shared.obj)
            return error_reply(self.wire, error)
        try:
            result = function(*args, **kwds)
        except BaseException as error:  # noqa: BLE001 - whatever a method raises is the client's
            # Without the frame of this function, which is none of the method's business.
            error.__traceback__ = error.__traceback__ and error.__traceback__.tb_next
            return error_reply(self.wire, error)
        typeid = shared.method_to_typeid.get(method)
        if typeid is None:
            return VALUE, result
        try:
            if served is None:
                return PROXY, self.share(typeid, result, None)
            return PROXY, self.describe(self.share(typeid, result, served.session))
        except Exception as error:  # noqa: BLE001 - looks at attributes of any object
            return remote_reply(error)

    def _fallback(self, shared: Shared, method: str, args: Sequence[Any]) -> Reply:
        """What every shared object can do, exposed or not: be copied and be shown."""
        try:
            if method == "#GETVALUE":
                return VALUE, shared.obj
            if method == "__repr__":
                return VALUE, repr(shared.obj)
            if method == "__str__":
                return VALUE, str(shared.obj)
        except Exception as error:  # noqa: BLE001 - __repr__ runs anything and so raises anything
            return remote_reply(error)
        return REMOTE, (
            f"AttributeError: method {method!r} of {type(shared.obj)!r} object is not in "
            f"exposed={sorted(shared.exposed)}\n"
        )

    def _serve_self(
        self, served: Served, method: str, args: Sequence[Any], kwds: Mapping[str, Any]
    ) -> Reply:
        function = _OWN.get(method)
        if function is None:
            return REMOTE, f"AttributeError: the manager's server has no method {method!r}\n"
        try:
            return VALUE, function(self, served, *args, **kwds)
        except Exception as error:  # noqa: BLE001 - runs the callables that programs register
            return remote_reply(error)

    # The server's own methods.

    def hello(self, served: Served, session: str, clone_of: str = "") -> str:
        """A greeting on a connection that needed no challenge: the session has its name from now on."""
        if session != served.session.name:
            msg = "a connection can't change its session"
            raise RemoteError(msg)
        return self.name

    def attach(
        self, served: Served, connection: Connection, session: str, clone_of: str = ""
    ) -> None:
        """Serve another connection of the same client, or the first of its child."""
        joined = self.join_session(session, clone_of)
        threading.Thread(
            target=self.serve, args=(connection, joined), name="manager-serve", daemon=True
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
        names = frozenset(public_methods(obj) if exposed is None else exposed)
        with self._lock:
            shared = self._known.get((id(obj), typeid))
            if shared is None:
                self._idents += 1
                shared = Shared(obj, self._idents, typeid, names, dict(method_to_typeid or {}))
                self._objects[shared.ident] = shared
                self._known[id(obj), typeid] = shared
            if session is not None:
                session.hold(shared)
        return shared

    def describe(self, shared: Shared) -> Description:
        """What a client needs to make a proxy: typeid, number, exposed methods, place of the proxy's class."""
        place = place_of(self.registry[shared.typeid][3]) if self.wire.carries_descriptors else ""
        return shared.typeid, shared.ident, tuple(sorted(shared.exposed)), place

    def claim(self, served: Served, ident: int, ticket: int) -> None:
        """A reference for a proxy that the client has unpickled; uses up its ticket."""
        with self._lock:
            shared = self._objects.get(ident)
            if shared is None:
                msg = f"the shared object {ident} has been deleted: no proxy referred to it any more"
                raise KeyError(msg)
            served.session.hold(shared)
            # Last, when the session holds the object already.
            self._tickets.pop(ticket, None)

    def drop(self, served: Served, ident: int) -> None:
        """A proxy of the client has gone."""
        with self._lock:
            gone = served.session.release(ident)
        del gone  # outside the lock: the object's finalizer may do anything

    def ticket(self, served: Served, ident: int) -> int:
        """A reference for a proxy that the client has pickled."""
        with self._lock:
            shared = served.session.held.get(ident) or self._objects[ident]
            number = self._new_ticket(shared)
            served.session.tickets.add(number)
        return number

    def _new_ticket(self, shared: Shared) -> int:
        self._ticket_numbers += 1
        self._tickets[self._ticket_numbers] = shared
        return self._ticket_numbers

    def own_ticket(self, shared: Shared) -> int:
        """A reference for a proxy that the server itself has pickled, other than in a reply."""
        with self._lock:
            return self._new_ticket(shared)

    def use_up(self, ticket: int) -> None:
        """A pickled proxy has been loaded in the server itself."""
        with self._lock:
            self._tickets.pop(ticket, None)

    def grant(self, session: Session, shared: Shared) -> None:
        """A reference for a proxy in a reply."""
        with self._lock:
            session.hold(shared)

    def find(self, ident: int) -> Shared | None:
        """The shared object of that number."""
        return self._objects.get(ident)

    def get_methods(self, served: Served, ident: int) -> list[str]:
        """The names of the exposed methods of an object."""
        return sorted(self._objects[ident].exposed)

    def number_of_objects(self, served: Served) -> int:
        """How many objects are shared."""
        return len(self._objects)

    def debug_info(self, served: Served) -> str:
        """A text with every shared object and its count of references from clients."""
        with self._lock:
            objects = sorted(self._objects.items())
            sessions = list(self._sessions.values())
        lines = []
        for ident, shared in objects:
            count = sum(session.counts.get(ident, 0) for session in sessions)
            lines.append(f"  {ident}:       refcount={count}\n    {str(shared.obj)[:75]}")
        return "\n".join(lines)

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
        for connection in list(self._connections):
            connection.close()
        here.served = None


_OWN: Final[dict[str, Callable[..., Any]]] = {
    name: getattr(Server, name)
    for name in (
        *("hello", "attach", "create", "claim", "drop", "ticket", "get_methods", "shutdown"),
        *("number_of_objects", "debug_info", "track_segment", "release_segment", "list_segments"),
    )
}


def public_methods(obj: Any) -> list[str]:
    """The names of the attributes of *obj* that can be called and don't begin with '_'."""
    return [
        name for name in dir(obj) if not name.startswith("_") and callable(getattr(obj, name, None))
    ]


def _hang_up(connection: Connection) -> None:
    """End a conversation from another thread: close() alone wouldn't wake its reader."""
    import socket

    with suppress(OSError), socket.socket(fileno=os.dup(connection.fileno())) as peer:
        peer.shutdown(socket.SHUT_RDWR)


_servers: weakref.WeakSet[Server] = weakref.WeakSet()


def _after_fork_in_child() -> None:
    for server in list(_servers):
        server.after_fork_in_child()


os.register_at_fork(after_in_child=_after_fork_in_child)
