"""The client's side of a manager: a Link per server, a connection per calling thread.

A Link is a *session* with the server. The server counts references per session and forgets them
all when the session's last connection closes, so a client that is killed leaves nothing behind.
The connections of a session:

- the control connection, shared under a lock, for short business: attaching further connections,
  claiming and dropping references;
- one connection for each thread that calls methods; the server's thread behind it stands for the
  client's thread, which gives locks their owners. It goes back to a free list when the thread
  ends.

Where descriptors can travel, a further connection is one end of a pair handed over the control
connection: no connect, no challenge. Over TCP it is a Client of its own.

References are dropped when proxies are collected, at any moment and in any thread, so drop()
never waits for a lock: what can't be sent now is left in a deque for whoever holds the
connection.

A fork opens, beforehand, a session for the child with a copy of all references, whose only
connection the child inherits. Thus the child's copies count from the first moment, and no longer
than the child lives.
"""

# ruff: noqa: ANN401 - anything can be shared

from __future__ import annotations

import os
import threading
import weakref
from collections import deque

from ._manager_channel import ConnectionChannel, channel_pair
from ._manager_wire import (
    ERROR,
    NOTICE,
    REMOTE,
    SERVER,
    VALUE,
    RemoteError,
    wire_named,
)
from ._undo import on_failure

TYPE_CHECKING = False  # the module typing takes longer to import than all this
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from ._manager_channel import Channel
    from ._manager_wire import Reply, Request, Wire


class _Seat:
    """Gives a thread's channel back when the thread ends.

    It is in the thread's locals, and goes with them.
    """

    __slots__ = ("_channel", "_free")

    def __init__(self, channel: Channel, free: deque[Channel]) -> None:
        self._channel = channel
        self._free = free

    def __del__(self) -> None:
        self._free.append(self._channel)


class Link:
    """A session of this process with one manager server."""

    def __init__(
        self, control: Channel, wire: Wire, address: Any, authkey: bytes, session: str
    ) -> None:
        self.wire = wire
        self.address = address
        self.authkey = authkey
        self.session = session
        self.server = ""
        """The server's name; empty until it has answered."""
        self._control = control
        self._reset()
        _links.add(self)

    def _reset(self) -> None:
        self._lock = threading.Lock()
        self._local = threading.local()
        self._free: deque[Channel] = deque()
        self._channels: set[Channel] = set()
        self._abandoned: list[Channel] = []
        self._undropped: deque[int] = deque()
        self._out_of_step = False

    # Calls.

    def call(self, request: Request) -> Reply:
        """Send *request* on this thread's connection and return the reply."""
        try:
            channel: Channel = self._local.channel
        except AttributeError:
            channel = self._seat()
        if channel.busy:
            return self._call_within(request)
        return self._call_on(channel, request)

    def _call_on(self, channel: Channel, request: Request) -> Reply:
        channel.busy = True
        try:
            channel.send(request)
            reply: Reply = channel.receive()
        except BaseException as error:
            self._failed(channel, error)
            raise
        channel.busy = False
        if self._undropped:
            self._flush()
        return reply

    def _call_within(self, request: Request) -> Reply:
        """A call within a call of the same thread: by a signal handler, finalizer or pickling."""
        channel = self._spare()
        try:
            return self._call_on(channel, request)
        finally:
            if channel in self._channels:
                self._free.append(channel)

    def _failed(self, channel: Channel, error: BaseException) -> None:
        """After an error in a call: keep the channel if it is still in step with the server."""
        cut_off = (OSError, EOFError, MemoryError)
        if not channel.awaited and isinstance(error, Exception) and not isinstance(error, cut_off):
            # Either nothing has been written yet, or a whole reply has been read and can't be
            # unpickled here. (Not so when a signal's handler raised: it may in the midst of anything.)
            channel.busy = False
            return
        # A reply may still be to come, which the next call would take for its own. The connection
        # stays open until another has taken its place, since the session, and every reference in
        # it, ends with its last connection.
        self._channels.discard(channel)
        self._abandoned.append(channel)
        if getattr(self._local, "channel", None) is channel:
            del self._local.channel
            self._local.seat = None

    def in_call(self) -> bool:
        """Whether this thread is in a call: then what is pickled goes to this server."""
        channel = getattr(self._local, "channel", None)
        return channel is not None and channel.busy

    def _seat(self) -> Channel:
        channel = self._spare()
        self._local.channel = channel
        self._local.seat = _Seat(channel, self._free)
        return channel

    def _spare(self) -> Channel:
        while True:
            try:
                channel = self._free.popleft()
            except IndexError:
                break
            if channel in self._channels and not channel.busy:
                return channel
        channel = self._open(self.session, "")
        self._channels.add(channel)
        while self._abandoned:
            self._abandoned.pop().close()
        return channel

    # Connections.

    def _open(self, session: str, clone_of: str) -> Channel:
        """Another connection to the server, for *session*."""
        if not self.wire.carries_descriptors or _is_remote(self.address):
            return self._connect_again(session, clone_of)
        ours, theirs = channel_pair()
        try:
            with on_failure(ours.close):
                self.control("attach", theirs, session, clone_of)
        finally:
            theirs.close()
        return ours

    def _connect_again(self, session: str, clone_of: str) -> Channel:
        channel = _connect(self.address, self.authkey, self.wire)
        with on_failure(channel.close):
            self._same_server(_hello(channel, self.wire, session, clone_of))
        return channel

    def _same_server(self, name: str) -> None:
        if name != self.server:
            msg = f"another manager now serves {self.address!r}; the one of this proxy has gone"
            raise ConnectionRefusedError(msg)

    def control(self, method: str, *args: Any) -> Any:
        """Call one of the server's own methods on the control connection."""
        with self._lock:
            if self._out_of_step:
                self._renew_control()
            # Until its reply is there: one that still comes isn't the next call's.
            self._out_of_step = True
            self._control.send((SERVER, method, args, {}))
            reply = self._control.receive()
            self._out_of_step = False
        if self._undropped:
            self._flush()
        return result_of(reply, self.wire)

    def _renew_control(self) -> None:
        channel = self._connect_again(self.session, "")
        self._control.close()
        self._control = channel
        self._out_of_step = False

    def call_server(self, method: str, args: Sequence[Any], kwds: Mapping[str, Any]) -> Any:
        """Call one of the server's own methods on this thread's connection.

        For work of any length.
        """
        return result_of(self.call((SERVER, method, tuple(args), kwds)), self.wire)

    def notify(self, method: str, *args: Any) -> None:
        """Tell the server something on the control connection, without waiting for it."""
        with self._lock:
            self._control.send((NOTICE, method, args, {}))

    def greet(self) -> None:
        """Introduce the session on the control connection, and learn the server's name."""
        with self._lock:
            self.server = _hello(self._control, self.wire, self.session, "")

    def leads_to(self, server: str, serializer: str) -> bool:
        """Whether it is a session with the server of that name, in that language."""
        return self.server == server and self.wire.name == serializer

    def hang_up(self) -> None:
        """End the session, of which nobody has made use."""
        self._control.close()

    # References.

    def drop(self, ident: int) -> None:
        """A proxy has gone.

        May run in the middle of anything: waits for nothing, raises nothing.
        """
        channel = getattr(self._local, "channel", None)
        if channel is not None and not channel.busy:
            # On this thread's own connection it is in order with the thread's next call.
            channel.busy = True
            try:
                channel.send((NOTICE, "drop", (ident,), {}))
            except OSError:
                pass  # the server has gone, and every object with it
            finally:
                channel.busy = channel.awaited = False  # a notice has no answer
            return
        self._undropped.append(ident)
        self._flush()

    def _flush(self) -> None:
        while self._undropped and self._lock.acquire(blocking=False):
            try:
                while True:
                    ident = self._undropped.popleft()
                    self._control.send((NOTICE, "drop", (ident,), {}))
            except (IndexError, OSError):
                pass  # all done; or the server has gone
            finally:
                self._lock.release()

    # Forks.

    def before_fork(self) -> tuple[Channel, str] | None:
        """A connection and session for the child; None if the server doesn't answer any more."""
        if not self.server:
            return None
        self._flush()
        session = new_session()
        try:
            return self._open(session, self.session), session
        except (OSError, EOFError):
            return None

    def after_fork_in_child(self, inherited: tuple[Channel, str] | None) -> None:
        """Leave the parent's connections and go on with the inherited one."""
        theirs = [self._control, *list(self._channels), *self._abandoned]
        self._reset()
        for channel in theirs:
            channel.close()
        if inherited is not None:
            self._control, self.session = inherited
        else:
            _links.discard(self)


def result_of(reply: Reply, wire: Wire) -> Any:
    """The value in *reply*, or the exception in it raised."""
    kind, value = reply
    if kind == VALUE:
        return value
    if kind == ERROR:
        raise wire.unpack_error(value)
    if kind == REMOTE:
        raise RemoteError(value)
    msg = f"unknown reply {kind!r} from the manager's server; do both sides run the same version?"
    raise RemoteError(msg)


def new_session() -> str:
    """A name for a session that no other process has."""
    return os.urandom(16).hex()


def open_link(address: Any, authkey: bytes, serializer: str) -> Link:
    """This process's link to the server at *address*.

    OSError if nobody listens there; AuthenticationError if the keys differ.

    """
    wire = wire_named(serializer)
    link = Link(_connect(address, authkey, wire), wire, address, authkey, new_session())
    link.greet()
    return _first_of_its_kind(link)


def _first_of_its_kind(link: Link) -> Link:
    """The link that this process had already to the server of *link*, which then is closed.

    One that a reference was granted to must be the one that drops it: a proxy finds its link by
    the server's name.
    """
    with _choosing[0]:
        for other in list(_links):
            if other is not link and other.leads_to(link.server, link.wire.name):
                _links.discard(link)
                break
        else:
            return link
    link.hang_up()
    return other


def link_to(server: str, address: Any, authkey: bytes, serializer: str) -> Link:
    """This process's link to the server of that name.

    A new one to *address* if there is none yet.
    """
    found = None
    for link in list(_links):
        if link.leads_to(server, serializer):
            if link.in_call():
                return link  # the one whose reply is being read
            found = link
    return found or open_link(address, authkey, serializer)


def _connect(address: Any, authkey: bytes, wire: Wire) -> Channel:
    from .connection import Client

    return ConnectionChannel(Client(address, authkey=authkey), wire)


def _hello(channel: Channel, wire: Wire, session: str, clone_of: str) -> str:
    channel.send((SERVER, "hello", (session, clone_of), {}))
    return str(result_of(channel.receive(), wire))


def _is_remote(address: Any) -> bool:
    return not isinstance(address, (str, bytes))


_links: weakref.WeakSet[Link] = weakref.WeakSet()
_choosing = [threading.Lock()]
_forking = threading.local()


def _before_fork() -> None:
    _forking.links = [(link, link.before_fork()) for link in list(_links)]


def _after_fork_in_parent() -> None:
    for _, inherited in _forking.__dict__.pop("links", ()):
        if inherited is not None:
            inherited[0].close()


def _after_fork_in_child() -> None:
    _choosing[0] = threading.Lock()
    for link, inherited in _forking.__dict__.pop("links", ()):
        link.after_fork_in_child(inherited)


os.register_at_fork(
    before=_before_fork,
    after_in_parent=_after_fork_in_parent,
    after_in_child=_after_fork_in_child,
)
