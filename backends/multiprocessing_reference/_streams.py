"""Length-prefixed messages over stream sockets, pipes and the like."""

from __future__ import annotations

import os
from _socket import AF_UNIX, MSG_CMSG_CLOEXEC, MSG_CTRUNC, MSG_NOSIGNAL, socket
from struct import Struct

from ._rights import (
    ANCILLARY,
    BORROWED_LEAST,
    BORROWED_MOST,
    READ_MAX,
    Borrowed,
    close_all,
    fill_from_stream,
    read_stream,
    refuse,
    rights,
    take_rights,
)
from ._undo import on_failure
from .reduction import ForkingPickler, pack, plain_pickle, unpack

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from ._transport import Message

__all__ = ["FileTransport", "StreamTransport"]

_CONCATENATE_MAX = 8192  # bytes; beyond, a second buffer is cheaper than a copy
# Framing of streams: the length as a signed 32-bit number, or -1 and the length in 64 bits.
_HEADER, _LONG_HEADER = Struct("!i"), Struct("!Q")
_HEADER_SIZE = _HEADER.size
_HEADER_MAX = 0x7FFFFFFF
_CUT_OFF = "the other end closed the connection in the middle of a message"


class StreamTransport:
    """Length-prefixed messages over a connected stream socket; one reader, one writer at a time."""

    __slots__ = ("_local", "_sock")

    def __init__(self, sock: socket) -> None:
        self._sock = sock
        self._local = sock.family == AF_UNIX  # then it takes descriptors as well

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._sock.fileno()

    def close(self) -> None:
        """Close the descriptor."""
        self._sock.close()

    def send_object(self, obj: object) -> None:
        """Pickle and send one object, waiting for room."""
        data = plain_pickle(obj)
        if data is not None:
            self.send(data)
        elif self._local:
            with pack(obj) as packed:
                self.send(packed.data, packed.fds)
        else:
            self.send(ForkingPickler.dumps(obj))

    def send(self, data: bytes | memoryview, fds: Sequence[int] = ()) -> None:
        """Send one message, waiting for room."""
        header = _header(len(data))
        sock = self._sock
        if not fds and len(data) <= _CONCATENATE_MAX:
            sock.sendall(b"".join((header, data)), MSG_NOSIGNAL)
            return
        sent = sock.sendmsg((header, data), rights(fds) if fds else (), MSG_NOSIGNAL)
        if sent < len(header):
            sock.sendall(header[sent:], MSG_NOSIGNAL)
            sent = len(header)
        sent -= len(header)
        if sent < len(data):
            sock.sendall(memoryview(data)[sent:], MSG_NOSIGNAL)

    def receive_object(self) -> Any:  # noqa: ANN401 - whatever was sent
        """Receive and unpickle one object."""
        size, fds = self._begin()
        pending = list(fds)  # which unpack() takes charge of
        with on_failure(close_all, pending):
            if not BORROWED_LEAST <= size <= BORROWED_MOST:
                data = self._exactly(size)
            else:
                with Borrowed(size) as room:
                    self._fill(room)
                    pending.clear()
                    return unpack(room, fds)
        return unpack(data, fds)

    def receive(self, limit: int | None = None) -> Message:
        """Return one message; EOFError also when the stream ended in the middle of it."""
        size, fds = self._begin()
        with on_failure(close_all, fds):
            if limit is not None and size > limit:
                refuse(size, limit, ())
            return self._exactly(size), fds

    def _begin(self) -> tuple[int, Sequence[int]]:
        """Return the size in bytes of the next message, and its descriptors."""
        fds: Sequence[int] = ()
        try:
            if self._local:
                header, ancillary, got, _ = self._sock.recvmsg(
                    _HEADER_SIZE, ANCILLARY, MSG_CMSG_CLOEXEC
                )
                if ancillary or got & MSG_CTRUNC:
                    fds = take_rights(ancillary, got)
            else:
                header = self._sock.recv(_HEADER_SIZE)
        except ConnectionResetError:
            header = b""
        if not header:
            raise EOFError
        if len(header) == _HEADER_SIZE:
            (size,) = _HEADER.unpack(header)
            if size >= 0:
                return size, fds
        with on_failure(close_all, fds):
            return self._long_size(header), fds

    def _long_size(self, header: bytes) -> int:
        """Return the size that begins with *header*, which was cut off or tells a longer one."""
        header += self._exactly(_HEADER_SIZE - len(header))
        size: int
        (size,) = _HEADER.unpack(header)
        if size < 0:
            (size,) = _LONG_HEADER.unpack(self._exactly(_LONG_HEADER.size))
        return size

    def _exactly(self, size: int) -> bytes:
        data = read_stream(self._sock, size)
        if data is None:
            raise EOFError(_CUT_OFF)
        return data

    def _fill(self, room: memoryview) -> None:
        if not fill_from_stream(self._sock, room):
            raise EOFError(_CUT_OFF)


class FileTransport:
    """Length-prefixed messages over a pipe or another file; one reader, one writer at a time."""

    __slots__ = ("_fd",)

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._fd

    def close(self) -> None:
        """Close the descriptor."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def send_object(self, obj: object) -> None:
        """Pickle and send one object, waiting for room."""
        self.send(ForkingPickler.dumps(obj))

    def send(self, data: bytes | memoryview, fds: Sequence[int] = ()) -> None:
        """Send one message, waiting for room."""
        if fds:
            message = "this connection is not a Unix socket and can't carry file descriptors"
            raise ValueError(message)
        parts = [memoryview(_header(len(data))), memoryview(data)]
        while parts:
            sent = os.writev(self._fd, parts)
            while parts and sent >= len(parts[0]):
                sent -= len(parts.pop(0))
            if sent:
                parts[0] = parts[0][sent:]

    def receive_object(self) -> Any:  # noqa: ANN401 - whatever was sent
        """Receive and unpickle one object."""
        return unpack(*self.receive())

    def receive(self, limit: int | None = None) -> Message:
        """Return one message."""
        (size,) = _HEADER.unpack(self._exactly(_HEADER.size))
        if size < 0:
            (size,) = _LONG_HEADER.unpack(self._exactly(_LONG_HEADER.size))
        if limit is not None and size > limit:
            refuse(size, limit, ())
        return self._exactly(size), ()

    def _exactly(self, size: int) -> bytes:
        chunks: list[bytes] = []
        while size:
            chunk = os.read(self._fd, min(size, READ_MAX))
            if not chunk:
                raise EOFError
            chunks.append(chunk)
            size -= len(chunk)
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def _header(size: int) -> bytes:
    if size <= _HEADER_MAX:
        return _HEADER.pack(size)
    return _HEADER.pack(-1) + _LONG_HEADER.pack(size)
