"""Messages as packets, and large ones through channels; the design is in `_transport`.

What a small message costs is, on the way in, mostly the system call: 1.7 µs for ``recvmsg_into``,
which alone can bring descriptors, against 1.1 for ``recv_into`` and two times 0.4 for the reads
that a pipe takes. The rest is therefore kept short. A pickle ends with a dot, which serves as the
kind of its packet, so that nothing is appended to it and `loads` reads it where it arrived.
"""

from __future__ import annotations

import errno
from _pickle import loads
from _socket import (
    AF_UNIX,
    MSG_CMSG_CLOEXEC,
    MSG_CTRUNC,
    MSG_DONTWAIT,
    MSG_NOSIGNAL,
    SOCK_SEQPACKET,
    getdefaulttimeout,
    socket,
    socketpair,
)
from struct import Struct

from ._large import LargeMessage, grow, open_channel, read_channel
from ._rights import (
    ANCILLARY,
    blocking,
    close_all,
    refuse,
    rights,
    take_rights,
)
from ._undo import on_failure
from .reduction import pack, plain_pickle, unpack

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from ._transport import Message

__all__ = ["PACKET_MAX", "LargeMessage", "PacketTransport", "packet_pair"]

PACKET_MAX = 256 * 1024  # bytes; half of what an unprivileged socket buffer usually takes
# The buffers, in bytes. A small packet is charged some 800 bytes, so a pair holds about 5,000.
_PAIR_BUFFER = 2 << 20

# The kinds of packets, their last byte: a message without its end, the notice of a large one, and a
# message that ends like this by itself.
_INLINE, _LARGE, _WHOLE = b"\0", b"\1", b"."
_IS_LARGE, _IS_WHOLE = _LARGE[0], _WHOLE[0]
_COPIED_MAX = 8192  # bytes; beyond, a second buffer is cheaper than a copy
_NOTICE = Struct("=Q")
_PADDING = bytes(32 * 1024)
# Buffers to receive packets into, as many as there are threads that receive. A buffer made for each
# message would be mapped, zeroed and unmapped each time, at 15 µs.
_buffers: list[tuple[memoryview]] = []
# Errors that say "not as one packet": too large for the buffer, or no contiguous memory for it.
_TOO_LARGE = frozenset({errno.EMSGSIZE, errno.ENOBUFS, errno.ENOMEM})
# Errors that a larger buffer may mend.
_FULL = frozenset({errno.EAGAIN, errno.EMSGSIZE})
_AT_ONCE = MSG_NOSIGNAL | MSG_DONTWAIT


class PacketTransport:
    """Messages over a SOCK_SEQPACKET Unix socket; safe for any number of readers and writers."""

    __slots__ = ("_flags", "_sock")

    def __init__(self, sock: socket) -> None:
        self._sock = sock
        # The buffer grows when it is full for the first time, which most never are. Until then
        # nothing is sent that has to wait.
        self._flags = _AT_ONCE

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._sock.fileno()

    def close(self) -> None:
        """Close the descriptor."""
        self._sock.close()

    def send_object(self, obj: object) -> None:
        """Pickle and send one object, waiting for room."""
        data = plain_pickle(obj)
        if data is None:
            with pack(obj) as packed:
                self.send(packed.data, packed.fds)
        elif len(data) > PACKET_MAX or not self.offer(data, 0):
            self.send(data)

    def offer(self, packet: bytes | memoryview, flags: int = MSG_DONTWAIT) -> bool:
        """Send a pickle of at most `PACKET_MAX` bytes at once; False, whyever that failed."""
        try:
            self._sock.send(packet, flags | self._flags)
        except OSError:
            return False  # nothing was sent; who tries again will learn the reason
        return True

    def send(self, data: bytes | memoryview, fds: Sequence[int] = ()) -> None:
        """Send one message, waiting for room."""
        if not fds and len(data) <= _COPIED_MAX:  # the usual case, by the shortest way
            packet = data if data[-1:] == _WHOLE else b"".join((data, _INLINE))
            if self.offer(packet, 0):
                return
        rest = self.start(data, fds, 0)
        if rest is not None:
            try:
                rest.push()
            finally:
                rest.close()

    def start(
        self, data: bytes | memoryview, fds: Sequence[int] = (), flags: int = MSG_DONTWAIT
    ) -> LargeMessage | None:
        """Send one message, or of a large one the beginning, and return the rest.

        BlockingIOError, with MSG_DONTWAIT in *flags*, when there is no room: nothing was sent.
        """
        if len(data) <= PACKET_MAX:
            try:
                self._packet(data, _WHOLE if data[-1:] == _WHOLE else _INLINE, fds, flags)
            except OSError as error:
                if error.errno not in _TOO_LARGE:
                    raise
            else:
                return None
        return self._announce(data, fds, flags)

    def _packet(
        self, data: bytes | memoryview, kind: bytes, fds: Sequence[int], flags: int
    ) -> None:
        while True:
            try:
                self._sock.sendmsg(
                    (data,) if kind is _WHOLE else (data, kind),
                    rights(fds) if fds else (),
                    flags | self._flags,
                )
            except ConnectionResetError:
                # Reported once when the peer closed with messages unread; then it is EPIPE.
                continue
            except OSError as error:
                if self._flags != _AT_ONCE or error.errno not in _FULL:
                    raise
                self._flags = MSG_NOSIGNAL
                grow(self._sock, _PAIR_BUFFER)
                continue
            return

    def _announce(
        self, data: bytes | memoryview, fds: Sequence[int], flags: int
    ) -> LargeMessage | None:
        large, theirs = open_channel(data)
        try:
            with on_failure(large.close):
                notice = b"".join((_NOTICE.pack(len(data)), _PADDING))
                self._packet(notice, _LARGE, (theirs.fileno(), *fds), flags)
        finally:
            theirs.close()
        return large

    def receive_object(self, taken: Callable[[], object] | None = None, flags: int = 0) -> Any:  # noqa: ANN401 - whatever was sent
        """Receive and unpickle one object; *taken* is called between the two."""
        try:
            buffers = _buffers.pop()
        except IndexError:
            buffers = _new_buffer()
        try:
            flags |= MSG_CMSG_CLOEXEC
            try:
                length, ancillary, got, _ = self._sock.recvmsg_into(buffers, ANCILLARY, flags)
            except ConnectionResetError:
                # Reported once, before what is still to be read, when the peer left some unread.
                length, ancillary, got, _ = self._sock.recvmsg_into(buffers, ANCILLARY, flags)
            packet = buffers[0][:length]
            if length and packet[-1] == _IS_WHOLE and not (ancillary or got & MSG_CTRUNC):
                if taken is not None:
                    taken()
                return loads(packet)
            data, fds = self._message(packet, take_rights(ancillary, got), None)
        finally:
            _buffers.append(buffers)
        if taken is not None:
            taken()
        return unpack(data, fds)

    def receive(self, limit: int | None = None, flags: int = 0) -> Message:
        """Return one message; the errors are those of `Transport.receive`."""
        try:
            buffers = _buffers.pop()
        except IndexError:
            buffers = _new_buffer()
        try:
            flags |= MSG_CMSG_CLOEXEC
            try:
                length, ancillary, got, _ = self._sock.recvmsg_into(buffers, ANCILLARY, flags)
            except ConnectionResetError:
                # Reported once, before what is still to be read, when the peer left some unread.
                length, ancillary, got, _ = self._sock.recvmsg_into(buffers, ANCILLARY, flags)
            fds = take_rights(ancillary, got) if ancillary or got & MSG_CTRUNC else ()
            return self._message(buffers[0][:length], fds, limit)
        finally:
            _buffers.append(buffers)

    def _message(self, packet: memoryview, fds: Sequence[int], limit: int | None) -> Message:
        """Return the message that *packet* is or announces."""
        if not packet:
            raise EOFError
        kind = packet[-1]
        if kind == _IS_LARGE:
            return self._receive_large(packet, fds, limit)
        size = len(packet) if kind == _IS_WHOLE else len(packet) - 1
        if limit is not None and size > limit:
            refuse(size, limit, fds)
        return packet[:size].tobytes(), fds

    def _receive_large(self, notice: memoryview, fds: Sequence[int], limit: int | None) -> Message:
        (size,) = _NOTICE.unpack_from(notice)
        channel, *others = fds
        with on_failure(close_all, others):
            data = read_channel(channel, size, limit)
        return data, others


def _new_buffer() -> tuple[memoryview]:
    return (memoryview(bytearray(PACKET_MAX + 1)),)


def packet_pair() -> tuple[PacketTransport, PacketTransport]:
    """Return the two ends of a new pair."""
    one, other = socketpair(AF_UNIX, SOCK_SEQPACKET)
    if getdefaulttimeout() is not None:
        blocking(one)
        blocking(other)
    return PacketTransport(one), PacketTransport(other)
