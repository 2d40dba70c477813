"""Messages as packets, and large ones through channels; the design is in `_transport`."""

from __future__ import annotations

import errno
import os
from _socket import (
    AF_UNIX,
    MSG_CMSG_CLOEXEC,
    MSG_CTRUNC,
    MSG_DONTWAIT,
    MSG_NOSIGNAL,
    SO_SNDBUF,
    SOCK_SEQPACKET,
    SOCK_STREAM,
    SOL_SOCKET,
    socket,
    socketpair,
)
from struct import Struct

from ._rights import (
    ANCILLARY,
    blocking,
    close_all,
    read_stream,
    refuse,
    rights,
    take_rights,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from ._transport import Message

__all__ = ["PACKET_MAX", "LargeMessage", "PacketTransport", "packet_pair"]

PACKET_MAX = 256 * 1024  # bytes; half of what an unprivileged socket buffer usually takes
# The buffers, in bytes. A small packet is charged some 800 bytes, so a pair holds about 5,000.
_PAIR_BUFFER = 2 << 20
_CHANNEL_BUFFER = 1 << 20
_SO_SNDBUFFORCE = 32  # linux/socket.h; may exceed net.core.wmem_max, needs CAP_NET_ADMIN

_INLINE, _LARGE = b"\0", b"\1"
_CONCATENATE_MAX = 8192  # bytes; beyond, a second buffer is cheaper than a copy
_NOTICE = Struct("=Q")
_PADDING = bytes(32 * 1024)
# Buffers to receive packets into, as many as there are threads that receive. A buffer made for each
# message would be mapped, zeroed and unmapped each time, at 15 µs.
_buffers: list[memoryview] = []
# Errors that say "not as one packet": too large for the buffer, or no contiguous memory for it.
_TOO_LARGE = frozenset({errno.EMSGSIZE, errno.ENOBUFS, errno.ENOMEM})


def _grow(sock: socket, size: int) -> None:
    """Raise the send buffer towards *size* bytes, as far as this process may."""
    try:
        sock.setsockopt(SOL_SOCKET, _SO_SNDBUFFORCE, size)
    except OSError:
        sock.setsockopt(SOL_SOCKET, SO_SNDBUF, size)


# The writing ends of large messages under way. A forked child must not keep them open: the reader
# would wait for the rest of the message as long as the child lives.
_channels: set[socket] = set()


def _close_inherited_channels() -> None:
    while _channels:
        _channels.pop().close()


os.register_at_fork(after_in_child=_close_inherited_channels)


class LargeMessage:
    """The rest of a message whose channel the reader was told of; `push` and `close` it."""

    def __init__(self, channel: socket, data: bytes | memoryview) -> None:
        self._channel = channel
        self._rest = memoryview(data)
        _channels.add(channel)

    def push(self, flags: int = 0) -> bool:
        """Write what fits, return whether that was all; waits unless *flags* has MSG_DONTWAIT."""
        flags |= MSG_NOSIGNAL
        try:
            while self._rest:
                self._rest = self._rest[self._channel.send(self._rest, flags) :]
        except BlockingIOError:
            return False
        except (BrokenPipeError, ConnectionResetError):
            pass  # its reader ended: the message was taken, and is lost with it
        self.close()
        return True

    def close(self) -> None:
        """End the message; a reader drops it unless it is complete."""
        _channels.discard(self._channel)
        self._channel.close()


class PacketTransport:
    """Messages over a SOCK_SEQPACKET Unix socket; safe for any number of readers and writers."""

    __slots__ = ("_recvmsg_into", "_send", "_sock", "close", "fileno")

    carries_descriptors = True

    def __init__(self, sock: socket) -> None:
        self._sock = sock
        self._recvmsg_into = sock.recvmsg_into
        self._send = sock.send
        self.close = sock.close
        self.fileno = sock.fileno

    def send(self, data: bytes | memoryview, fds: Sequence[int] = ()) -> None:
        """Send one message, waiting for room."""
        if not fds and len(data) <= _CONCATENATE_MAX:  # the usual case, by the shortest way
            try:
                self._send(b"".join((data, _INLINE)), MSG_NOSIGNAL)
            except OSError as error:
                if error.errno != errno.ECONNRESET and error.errno not in _TOO_LARGE:
                    raise
            else:
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
                self._packet(data, _INLINE, fds, flags)
            except OSError as error:
                if error.errno not in _TOO_LARGE:
                    raise
            else:
                return None
        return self._announce(data, fds, flags)

    def _packet(
        self, data: bytes | memoryview, kind: bytes, fds: Sequence[int], flags: int
    ) -> None:
        flags |= MSG_NOSIGNAL
        while True:
            try:
                if not fds and len(data) <= _CONCATENATE_MAX:
                    self._sock.send(b"".join((data, kind)), flags)
                else:
                    self._sock.sendmsg((data, kind), rights(fds) if fds else (), flags)
            except ConnectionResetError:
                # Reported once when the peer closed with messages unread; then it is EPIPE.
                continue
            return

    def _announce(
        self, data: bytes | memoryview, fds: Sequence[int], flags: int
    ) -> LargeMessage | None:
        ours, theirs = socketpair(AF_UNIX, SOCK_STREAM)
        try:
            _grow(blocking(ours), _CHANNEL_BUFFER)
            notice = b"".join((_NOTICE.pack(len(data)), _PADDING))
            self._packet(notice, _LARGE, (theirs.fileno(), *fds), flags)
        except BaseException:
            ours.close()
            raise
        finally:
            theirs.close()
        return LargeMessage(ours, data)

    def receive(self, limit: int | None = None, flags: int = 0) -> Message | None:
        """Return one message, or None for one that was cut off."""
        try:
            buffer = _buffers.pop()
        except IndexError:
            buffer = memoryview(bytearray(PACKET_MAX + 1))
        try:
            while True:
                try:
                    length, ancillary, got, _ = self._recvmsg_into(
                        (buffer,), ANCILLARY, flags | MSG_CMSG_CLOEXEC
                    )
                except ConnectionResetError:
                    # Reported once, before what is still to be read, when the peer left some
                    # unread.
                    continue
                break
            fds = take_rights(ancillary, got) if ancillary or got & MSG_CTRUNC else ()
            if not length:
                raise EOFError
            size = length - 1
            kind = buffer[size]
            data = buffer[:size].tobytes()
        finally:
            _buffers.append(buffer)
        if kind:
            return self._receive_large(data, fds, limit)
        if limit is not None and size > limit:
            refuse(size, limit, fds)
        return data, fds

    def _receive_large(
        self, notice: bytes, fds: Sequence[int], limit: int | None
    ) -> Message | None:
        (size,) = _NOTICE.unpack_from(notice)
        channel = blocking(socket(AF_UNIX, SOCK_STREAM, 0, fds[0]))
        fds = fds[1:]
        try:
            if limit is not None and size > limit:
                refuse(size, limit, fds)
            data = read_stream(channel, size)
        except BaseException:
            close_all(fds)
            raise
        finally:
            channel.close()
        if data is None:
            close_all(fds)
            return None
        return data, fds


def packet_pair() -> tuple[PacketTransport, PacketTransport]:
    """Return the two ends of a new pair, with buffers as large as this process may have."""
    one, other = socketpair(AF_UNIX, SOCK_SEQPACKET)
    _grow(blocking(one), _PAIR_BUFFER)
    _grow(blocking(other), _PAIR_BUFFER)
    return PacketTransport(one), PacketTransport(other)
