"""Connections between threads: the API of `connection` on two in-process queues.

Each end holds the queue that it reads and the queue that it writes. Objects are handed over as
they are, never pickled: both ends see the same object. When an end was closed, ``recv`` at the
other one raises EOFError after the last object, as it does between processes.

A child that is started with a connection as argument has it to itself, as a process has its
descriptor: the program that closes its own copy then, as is right between processes, takes nothing
away from the thread.

Documentation: multiprocessing.dummy ("replicates the API of multiprocessing").
"""

from __future__ import annotations

import pickle
from queue import Queue
from threading import Condition
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

__all__ = ["Client", "Connection", "Listener", "Pipe", "families"]

families: Final[list[None]] = [None]


class _Stream:
    """One direction of a pipe: what was sent and not yet received, and whether both ends live."""

    def __init__(self) -> None:
        self.changed = Condition()
        self.messages: list[Any] = []
        self.writers = 1
        self.readers = 1

    def put(self, message: object) -> None:
        with self.changed:
            if not self.readers:
                raise BrokenPipeError(_GONE)
            self.messages.append(message)
            self.changed.notify()

    def get(self) -> Any:  # noqa: ANN401 - the user's own objects
        with self.changed:
            self.changed.wait_for(lambda: self.messages or not self.writers)
            if self.messages:
                return self.messages.pop(0)
            raise EOFError

    def wait(self, timeout: float | None) -> bool:
        with self.changed:
            return self.changed.wait_for(lambda: bool(self.messages) or not self.writers, timeout)

    def count(self, *, readers: int = 0, writers: int = 0) -> None:
        """Take note of ends that were copied, or closed."""
        with self.changed:
            self.readers += readers
            self.writers += writers
            self.changed.notify_all()


_GONE = "the other end of this connection was closed: nobody can receive what is sent"


class _Bytes(bytes):
    """A message that was sent as bytes: as between processes, it is the pickle of what `recv` gives."""

    __slots__ = ()


class Connection:
    """One end of a pipe between threads.

    Documentation: multiprocessing.connection.Connection.
    """

    def __init__(self, incoming: _Stream | None, outgoing: _Stream | None) -> None:
        self._incoming = incoming
        self._outgoing = outgoing
        self._closed = False

    @property
    def closed(self) -> bool:
        """Whether `close` was called."""
        return self._closed

    @property
    def readable(self) -> bool:
        """Whether objects can be received here."""
        return self._incoming is not None

    @property
    def writable(self) -> bool:
        """Whether objects can be sent from here."""
        return self._outgoing is not None

    def send(self, obj: object) -> None:
        """Hand *obj* itself to the other end; OSError when this end is closed or only receives."""
        self._end(self._outgoing, "send from").put(obj)

    def recv(self) -> Any:  # noqa: ANN401 - the user's own objects
        """Return the next object, waiting for it; EOFError when the other end was closed."""
        message = self._end(self._incoming, "receive at").get()
        if isinstance(message, _Bytes):
            return pickle.loads(message)  # noqa: S301 - as between processes
        return message

    def send_bytes(self, buf: bytes, offset: int = 0, size: int | None = None) -> None:
        """Send *size* bytes of a bytes-like object from *offset*; ValueError when out of range."""
        view = memoryview(buf).cast("B")
        end = len(view) if size is None else offset + size
        if offset < 0 or end < offset or end > len(view):
            message = f"bytes {offset} to {end} are not within the {len(view)} bytes of the buffer"
            raise ValueError(message)
        self.send(_Bytes(view[offset:end]))

    def _next_bytes(self) -> bytes:
        message = self._end(self._incoming, "receive at").get()
        return bytes(message) if isinstance(message, _Bytes) else pickle.dumps(message)

    def recv_bytes(self, maxlength: int | None = None) -> bytes:
        """Return the next message of bytes; OSError when it is longer than *maxlength* bytes."""
        data = self._next_bytes()
        if maxlength is not None and len(data) > maxlength:
            self.close()
            message = f"the message has {len(data)} bytes, more than maxlength={maxlength}"
            raise OSError(message)
        return data

    def recv_bytes_into(self, buf: bytearray | memoryview, offset: int = 0) -> int:
        """Write the next message into *buf* at *offset* bytes; BufferTooShort if it can't fit."""
        data = self._next_bytes()
        view = memoryview(buf).cast("B")
        if offset < 0 or offset > len(view):
            message = f"offset {offset} is outside the buffer of {len(view)} bytes"
            raise ValueError(message)
        if offset + len(data) > len(view):
            from ..errors import BufferTooShort

            raise BufferTooShort(data)
        view[offset : offset + len(data)] = data
        return len(data)

    def poll(self, timeout: float | None = 0.0) -> bool:
        """Return whether something can be received within *timeout* seconds (None: wait for it)."""
        return self._end(self._incoming, "poll").wait(timeout)

    def close(self) -> None:
        """Close this end; the other one then receives what was sent, and EOFError."""
        if not self._closed:
            self._closed = True
            self._count(-1)

    def copy(self) -> Connection:
        """Return the same end once more, which is closed by itself; OSError when this one was closed."""
        if self._closed:
            message = "can't copy this connection: it was closed here"
            raise OSError(message)
        self._count(+1)
        return Connection(self._incoming, self._outgoing)

    def _count(self, change: int) -> None:
        if self._incoming is not None:
            self._incoming.count(readers=change)
        if self._outgoing is not None:
            self._outgoing.count(writers=change)

    def _end(self, stream: _Stream | None, what: str) -> _Stream:
        if self._closed:
            message = f"can't {what} this connection: it was closed here"
            raise OSError(message)
        if stream is None:
            message = f"can't {what} this connection: it is the other end of a one-way pipe"
            raise OSError(message)
        return stream

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def Pipe(duplex: bool = True) -> tuple[Connection, Connection]:  # noqa: FBT001, FBT002, N802 - an outcome
    """Return the two ends of a pipe; with *duplex* false the first only receives, the second sends.

    Documentation: multiprocessing.Pipe.
    """
    forth, back = _Stream(), _Stream()
    if duplex:
        return Connection(back, forth), Connection(forth, back)
    return Connection(forth, None), Connection(None, forth)


class Listener:
    """Waits for `Client` in this process; its address is an object, not a name.

    Documentation: multiprocessing.connection.Listener.
    """

    def __init__(self, address: Any = None, family: None = None, backlog: int = 1) -> None:  # noqa: ANN401, ARG002 - the user's own objects
        self._backlog: Queue[Connection] | None = Queue(backlog)

    @property
    def address(self) -> Queue[Connection] | None:
        """What `Client` takes; None when the listener was closed."""
        return self._backlog

    @property
    def last_accepted(self) -> None:
        """Always None: a thread has no address."""
        return

    def accept(self) -> Connection:
        """Return a connection to the next `Client`; OSError when the listener is closed."""
        if self._backlog is None:
            message = "this listener is closed"
            raise OSError(message)
        return self._backlog.get()

    def close(self) -> None:
        """Take no further clients."""
        self._backlog = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def Client(address: Queue[Connection]) -> Connection:  # noqa: N802 - the documented name
    """Connect to the listener with this *address*.

    Documentation: multiprocessing.connection.Client.
    """
    near, far = Pipe()
    address.put(far)
    return near
