"""Connections: whole messages, objects or bytes, between two ends.

A `Connection` checks its arguments and its state; a transport (see `_transport`) moves the bytes.

Documentation: multiprocessing.connection.Connection, multiprocessing.Pipe,
multiprocessing.connection (Listeners and Clients).
"""

from __future__ import annotations

from ._rights import close_all
from ._transport import CutOffError, MessageTooLongError, open_transport, packet_pair
from ._views import part, target
from ._wait import readable as _readable
from ._wait import wait
from .errors import AuthenticationError, BufferTooShort
from .reduction import share_fd

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Any, Self

    from _typeshed import ReadableBuffer, WriteableBuffer

    from ._auth import answer_challenge, deliver_challenge
    from ._listener import Client, Listener
    from ._transport import Transport
    from .reduction import SharedFd

# Undocumented, and read by programs that try each: the families of addresses that there are.
families = ["AF_INET", "AF_UNIX"]

__all__ = [
    "AuthenticationError",
    "BufferTooShort",
    "Client",
    "Connection",
    "Listener",
    "Pipe",
    "answer_challenge",
    "deliver_challenge",
    "wait",
]

# What a process that only inherits a pipe does not need is imported when asked for.
_LAZY = {
    "Client": "_listener",
    "Listener": "_listener",
    "answer_challenge": "_auth",
    "deliver_challenge": "_auth",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - whatever the module offers
    if name not in _LAZY:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    from importlib import import_module

    value = getattr(import_module(f"{__package__}.{_LAZY[name]}"), name)
    globals()[name] = value
    return value


# The transports of open connections. When the collector finds a connection in a cycle, it would
# finalize the socket before it, and a socket then warns that it was not closed.
_transports: set[Transport] = set()


class _Use:
    """What somebody wanted of a connection, as error messages say it."""

    ANY, READ, WRITE = "used", "read", "written"


class Connection:
    """One end of a connection, over the open descriptor *handle*, which it owns.

    Without *readable* or *writable* the methods of that direction raise OSError, as all do once
    it is closed. It can be sent to another process, over a connection or at its start.

    Documentation: multiprocessing.connection.Connection.
    """

    __slots__ = ("__weakref__", "_readable", "_reader", "_transport", "_writable", "_writer")

    def __init__(self, handle: int, readable: bool = True, writable: bool = True) -> None:  # noqa: FBT001, FBT002 - documented so
        handle = handle.__index__()
        if handle < 0:
            message = f"invalid handle {handle!r}: it must be an open file descriptor"
            raise ValueError(message)
        if not readable and not writable:
            message = "at least one of readable and writable must be true"
            raise ValueError(message)
        self._open(open_transport(handle), readable, writable)

    def _open(self, transport: Transport, readable: bool, writable: bool) -> None:  # noqa: FBT001
        self._transport: Transport | None = transport
        _transports.add(transport)
        self._readable, self._writable = readable, writable
        # What the hot paths look at: None when the direction is not, or no longer, possible.
        self._reader = transport if readable else None
        self._writer = transport if writable else None

    @classmethod
    def _over(
        cls, transport: Transport, *, readable: bool = True, writable: bool = True
    ) -> Connection:
        self = cls.__new__(cls)
        self._open(transport, readable, writable)
        return self

    @property
    def closed(self) -> bool:
        """Whether the connection is closed."""
        return self._transport is None

    @property
    def readable(self) -> bool:
        """Whether the connection is made for receiving."""
        return self._readable

    @property
    def writable(self) -> bool:
        """Whether the connection is made for sending."""
        return self._writable

    def fileno(self) -> int:
        """Return the file descriptor; OSError when closed.

        Documentation: multiprocessing.connection.Connection.fileno.
        """
        if self._transport is None:
            raise self._unusable(_Use.ANY)
        return self._transport.fileno()

    def close(self) -> None:
        """Close the connection; again does nothing.

        Documentation: multiprocessing.connection.Connection.close.
        """
        transport, self._transport = self._transport, None
        self._reader = self._writer = None
        if transport is not None:
            _transports.discard(transport)
            transport.close()

    def send(self, obj: object) -> None:
        """Send an object that can be pickled; BrokenPipeError when the other end is closed.

        Documentation: multiprocessing.connection.Connection.send.
        """
        writer = self._writer
        if writer is None:
            raise self._unusable(_Use.WRITE)
        writer.send_object(obj)

    def recv(self) -> Any:  # noqa: ANN401 - whatever was sent
        """Return the next object, waiting for it; EOFError at the end.

        Documentation: multiprocessing.connection.Connection.recv.
        """
        reader = self._reader
        if reader is None:
            raise self._unusable(_Use.READ)
        while True:
            try:
                return reader.receive_object()
            except CutOffError:
                pass

    def send_bytes(self, buf: ReadableBuffer, offset: int = 0, size: int | None = None) -> None:
        """Send *size* bytes (all, by default) of *buf* from *offset* on, as one message.

        ValueError when they lie outside of it.
        Documentation: multiprocessing.connection.Connection.send_bytes.
        """
        writer = self._writer
        if writer is None:
            raise self._unusable(_Use.WRITE)
        if type(buf) is bytes and not offset and size is None:
            writer.send(buf)
        else:
            writer.send(part(buf, offset, size))

    def recv_bytes(self, maxlength: int | None = None) -> bytes:
        """Return the next message of bytes, waiting for it; EOFError at the end.

        OSError when it has more than *maxlength* bytes: the connection can't be read any more then.
        ValueError for a negative *maxlength*.
        Documentation: multiprocessing.connection.Connection.recv_bytes.
        """
        if maxlength is not None and maxlength < 0:
            message = f"negative maxlength: {maxlength}"
            raise ValueError(message)
        return self._receive(maxlength)

    def recv_bytes_into(self, buf: WriteableBuffer, offset: int = 0) -> int:
        """Write the next message into *buf* from *offset* (bytes) on; return its length in bytes.

        BufferTooShort when it does not fit, with the whole message in ``args[0]``; EOFError at
        the end; ValueError for an *offset* outside the buffer.
        Documentation: multiprocessing.connection.Connection.recv_bytes_into.
        """
        with target(buf, offset) as room:
            data = self._receive(None)
            if len(data) > len(room):
                raise BufferTooShort(data)
            room[: len(data)] = data
            return len(data)

    def poll(self, timeout: float | None = 0.0) -> bool:
        """Return whether there is something to read, or the end, within *timeout* seconds.

        None waits forever. Documentation: multiprocessing.connection.Connection.poll.
        """
        if self._reader is None:
            raise self._unusable(_Use.READ)
        return _readable(self._reader.fileno(), timeout)

    def _receive(self, limit: int | None) -> bytes:
        """Return the next message's bytes; descriptors that came with it are closed."""
        reader = self._reader
        if reader is None:
            raise self._unusable(_Use.READ)
        while True:
            try:
                data, fds = reader.receive(limit)
            except CutOffError:
                continue
            except MessageTooLongError:
                self._reader = None
                self._readable = False
                if self._writer is None:
                    self.close()
                raise
            if fds:
                close_all(fds)
            return data

    def _unusable(self, use: str) -> OSError:
        if self._transport is None:
            return OSError(f"handle is closed: this connection can't be {use} any more")
        if use == _Use.READ:
            return OSError(
                "connection is write-only: receive at its other end (or a message longer than "
                "maxlength has made it unreadable)"
            )
        return OSError("connection is read-only: send at its other end")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def __del__(self, _forget: Callable[[Transport], None] = _transports.discard) -> None:
        # The slots are unset when __init__ refused its arguments.
        transport = getattr(self, "_transport", None)
        if transport is not None:
            _forget(transport)
            transport.close()

    def __repr__(self) -> str:
        state = "closed" if self._transport is None else f"handle {self._transport.fileno()}"
        name = f"{type(self).__module__}.{type(self).__qualname__}"
        return f"<{name}, {state}, at {id(self):#x}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), share_fd(self.fileno()), self._readable, self._writable)


def _rebuild(
    cls: type[Connection],
    shared: SharedFd,
    readable: bool,  # noqa: FBT001
    writable: bool,  # noqa: FBT001
) -> Connection:
    return cls(shared.take(), readable, writable)


def Pipe(duplex: bool = True) -> tuple[Connection, Connection]:  # noqa: FBT001, FBT002, N802 - documented so
    """Return the two ends of a new connection, of which one only receives unless *duplex*.

    Documentation: multiprocessing.Pipe.
    """
    one, other = packet_pair()
    if duplex:
        return Connection._over(one), Connection._over(other)  # noqa: SLF001
    return (
        Connection._over(one, writable=False),  # noqa: SLF001
        Connection._over(other, readable=False),  # noqa: SLF001
    )
