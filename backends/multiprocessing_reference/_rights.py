"""What all transports share: descriptors that ride with a message, limits, exact reading."""

from __future__ import annotations

import errno
import os
from _socket import (
    CMSG_SPACE,
    MSG_CTRUNC,
    MSG_WAITALL,
    SCM_RIGHTS,
    SOL_SOCKET,
    getdefaulttimeout,
    socket,
)
from array import array

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import NoReturn

__all__ = [
    "ANCILLARY",
    "BORROWED_LEAST",
    "BORROWED_MOST",
    "DESCRIPTORS_MAX",
    "READ_MAX",
    "Borrowed",
    "CutOffError",
    "MessageTooLongError",
    "blocking",
    "close_all",
    "fill_from_stream",
    "read_stream",
    "refuse",
    "rights",
    "take_rights",
]

DESCRIPTORS_MAX = 250  # per message; the kernel takes 253, one is the channel's
ANCILLARY = CMSG_SPACE(253 * 4)
BORROWED_LEAST, BORROWED_MOST = 128 << 10, 2 << 20  # bytes; what malloc takes from the system
READ_MAX = 64 << 20  # bytes asked of the kernel at once when the length is another's claim


class MessageTooLongError(OSError):
    """The message is longer than the receiver allowed; what is left of it can't be skipped."""


class CutOffError(Exception):
    """The message's writer was killed in the middle of it; the next message may be whole."""


def rights(fds: Sequence[int]) -> list[tuple[int, int, array[int]]]:
    """Return the ancillary data that carries *fds*; ValueError for more than one message takes."""
    if len(fds) > DESCRIPTORS_MAX + 1:
        message = (
            f"one message can carry {DESCRIPTORS_MAX} descriptors and this one has {len(fds)}: "
            "send the objects that hold them in several messages"
        )
        raise ValueError(message)
    return [(SOL_SOCKET, SCM_RIGHTS, array("i", fds))]


def take_rights(ancillary: list[tuple[int, int, bytes]], flags: int) -> list[int]:
    """Return the descriptors that came along; OSError if some had no room in this process."""
    fds = array("i")
    for level, kind, data in ancillary:
        if level == SOL_SOCKET and kind == SCM_RIGHTS:
            fds.frombytes(data[: len(data) - len(data) % fds.itemsize])
    if flags & MSG_CTRUNC:
        for fd in fds:
            os.close(fd)
        raise OSError(
            errno.EMFILE,
            "no free file descriptors for those in a message: raise RLIMIT_NOFILE, or close some",
        )
    return fds.tolist()


def blocking(sock: socket) -> socket:
    """Return *sock*, made to wait whatever the program's default timeout is."""
    # socket.setdefaulttimeout() is meant for the program's own sockets, not for ours.
    if getdefaulttimeout() is not None:
        sock.settimeout(None)
    return sock


def read_stream(sock: socket, size: int) -> bytes | None:
    """Return exactly *size* bytes, or None when the stream ends before."""
    # One call that fills one object is what makes large messages fast; a signal can cut it short.
    chunks: list[bytes] = []
    while size:
        try:
            chunk = sock.recv(min(READ_MAX, size), MSG_WAITALL)
        except ConnectionResetError:
            return None
        if len(chunk) == size and not chunks:
            return chunk
        if not chunk:
            return None
        chunks.append(chunk)
        size -= len(chunk)
    return b"".join(chunks)


def fill_from_stream(sock: socket, room: memoryview) -> bool:
    """Fill *room*; return False when the stream ends before."""
    while room:
        try:
            got = sock.recv_into(room, 0, MSG_WAITALL)
        except ConnectionResetError:
            return False
        if not got:
            return False
        room = room[got:]
    return True


class Borrowed:
    """A buffer of *size* bytes for the time of a ``with`` statement.

    One is kept for the next time. Were it made for each message beside the object that is built
    from it, the allocator would return the memory of both to the system after each message, at
    1 ms for 1 MiB, or not, as luck would have it.
    """

    __slots__ = ("_buffer", "_size")

    def __init__(self, size: int) -> None:
        self._size = size

    def __enter__(self) -> memoryview:
        try:
            self._buffer = _kept.pop()
        except IndexError:
            self._buffer = memoryview(bytearray(BORROWED_MOST))
        return self._buffer[: self._size]

    def __exit__(self, *_exc_info: object) -> None:
        if not _kept:
            _kept.append(self._buffer)


_kept: list[memoryview] = []


def refuse(size: int, limit: int, fds: Sequence[int]) -> NoReturn:
    """Raise MessageTooLongError for a message of *size* bytes; its descriptors are closed."""
    close_all(fds)
    raise MessageTooLongError(
        errno.EMSGSIZE, f"a message of {size} bytes is longer than the {limit} allowed (maxlength)"
    )


def close_all(fds: Sequence[int]) -> None:
    """Close every descriptor."""
    for fd in fds:
        os.close(fd)
