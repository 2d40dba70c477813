"""How messages of managers move: over a socket pair of our own, or over any Connection.

A call through a proxy is two messages, most of them tiny, so what a message costs is what a
manager costs. A SocketChannel has one user at each end, which allows what a Connection can't do:
messages are received into a buffer that is made once. (Measured, an item of a list proxy: 21 µs
of the kernel's time per call went into fresh receive buffers of the size a packet may have.)

Descriptors in messages travel by way of the resource sharer there; those that open channels ride
on a Connection.
"""

# ruff: noqa: ANN401 - anything can be shared

# ruff: noqa: PLR2004 - the lengths of messages

# ruff: noqa: SIM105 - contextlib takes long to import

from __future__ import annotations

import os
import pickle
from _socket import (
    AF_UNIX,
    MSG_NOSIGNAL,
    SHUT_RDWR,
    SO_SNDBUF,
    SOCK_SEQPACKET,
    SOL_SOCKET,
    socket,
    socketpair,
)
from struct import Struct

from ._rights import blocking
from .reduction import ForkingPickler, share_fd

TYPE_CHECKING = False  # the module typing takes longer to import than all this
if TYPE_CHECKING:
    from typing import Any, Final, Protocol

    from ._manager_wire import Reply, Request, Wire
    from .connection import Connection
    from .reduction import SharedFd

_BUFFER: Final = 128 * 1024
"""Bytes of a packet at most; below what a socket takes by default."""
_SIZE: Final = Struct("=BQ")
_LARGE: Final = 0
"""The first byte of a packet that announces a message of several."""

_PLAIN: Final = frozenset({int, str, float, bool, type(None), bytes})
_PROTOCOL: Final = pickle.HIGHEST_PROTOCOL
_dumps = pickle.dumps
_loads = pickle.loads


def dumps(message: Request | Reply) -> bytes:
    """Pickle a message.

    For plain data without the reducers of this package, which is several times faster.
    """
    if len(message) == 2:
        plain = type(message[1]) in _PLAIN or _is_plain(message[1])
    else:
        plain = not message[3]
        for argument in message[2]:
            if type(argument) not in _PLAIN and not _is_plain(argument):
                plain = False
                break
    return _dumps(message, _PROTOCOL) if plain else ForkingPickler.dumps(message, _PROTOCOL)


def _is_plain(value: Any) -> bool:
    """Whether *value* is a small flat container of plain data."""
    return type(value) in (tuple, list) and len(value) <= 16 and _PLAIN.issuperset(map(type, value))


if TYPE_CHECKING:

    class Channel(Protocol):
        """Carries messages both ways, for one user at each end."""

        busy: bool
        """Whether a call is under way. (The client's note.)"""
        awaited: bool
        """Whether a message has gone out, in part at least, and the answer has not come in whole."""

        def send(self, message: Request | Reply) -> None:
            """Send one message; if it can't be sent, raises before a byte is written."""

        def receive(self) -> Any:
            """Wait for one message; EOFError or OSError when the peer has gone."""

        def close(self) -> None:
            """Close this end; again does nothing."""

        def hang_up(self) -> None:
            """End the conversation from another thread, whose receive() it wakes."""


class ConnectionChannel:
    """Messages over a Connection."""

    __slots__ = ("awaited", "busy", "connection", "wire")

    def __init__(self, connection: Connection, wire: Wire) -> None:
        self.connection = connection
        self.wire = wire
        self.busy = self.awaited = False

    def send(self, message: Request | Reply) -> None:
        self.wire.send(self.connection, message)
        self.awaited = True

    def receive(self) -> Any:
        message = self.wire.receive(self.connection)
        self.awaited = False
        return message

    def close(self) -> None:
        self.connection.close()

    def hang_up(self) -> None:
        try:
            sock = blocking(socket(fileno=os.dup(self.connection.fileno())))
        except OSError:
            return  # closed
        _shut_down(sock)
        sock.close()


class _QuietSocket(socket):
    """A socket that does not warn when the collector takes it, in a cycle of references, before its channel."""

    __slots__ = ()

    def __del__(self) -> None:
        self.close()


class SocketChannel:
    """Messages over one end of a pair of Unix sockets that keep packets apart.

    A message is a packet; one beyond _BUFFER bytes is a packet with its size, and then its parts.
    (A pickle never begins with the byte that marks the size.) An end can be sent over a
    Connection, to the process that is to have it.
    """

    __slots__ = ("_buffer", "_receive", "_sock", "awaited", "busy")

    def __init__(self, sock: socket) -> None:
        sock = _QuietSocket(AF_UNIX, SOCK_SEQPACKET, 0, sock.detach())
        sock.settimeout(None)  # whatever the program's default for its own sockets is
        sock.setsockopt(SOL_SOCKET, SO_SNDBUF, 2 * _BUFFER)
        self._sock = sock
        self._receive = sock.recv_into
        self._buffer = bytearray(_BUFFER)
        self.busy = self.awaited = False

    def send(self, message: Request | Reply) -> None:
        data = dumps(message)
        self.awaited = True
        if len(data) <= _BUFFER:
            self._sock.send(data, MSG_NOSIGNAL)
            return
        self._sock.send(_SIZE.pack(_LARGE, len(data)), MSG_NOSIGNAL)
        with memoryview(data) as view:
            for start in range(0, len(data), _BUFFER):
                self._sock.send(view[start : start + _BUFFER], MSG_NOSIGNAL)

    def receive(self) -> Any:
        buffer = self._buffer
        if not self._receive(buffer):
            raise EOFError
        message = buffer  # a pickle says itself where it ends
        if buffer[0] == _LARGE:
            message = self._receive_large(_SIZE.unpack_from(buffer)[1])
        self.awaited = False
        return _loads(message)

    def _receive_large(self, size: int) -> bytearray:
        data = bytearray(size)
        with memoryview(data) as view:
            got = 0
            while got < size:
                part = self._receive(view[got:])
                if not part:
                    raise EOFError
                got += part
        return data

    def close(self) -> None:
        self._sock.close()

    def hang_up(self) -> None:
        _shut_down(self._sock)

    def __del__(self) -> None:
        self._sock.close()

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (share_fd(self._sock.fileno()),)


def _shut_down(sock: socket) -> None:
    try:
        sock.shutdown(SHUT_RDWR)
    except OSError:
        pass  # the peer has gone, or the socket is closed


def _rebuild(shared: SharedFd) -> SocketChannel:
    return SocketChannel(socket(AF_UNIX, SOCK_SEQPACKET, 0, shared.take()))


def channel_pair() -> tuple[SocketChannel, SocketChannel]:
    """The two ends of a new channel."""
    one, other = socketpair(AF_UNIX, SOCK_SEQPACKET)
    return SocketChannel(one), SocketChannel(other)
