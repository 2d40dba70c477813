"""How one message, its bytes and its descriptors, crosses a file descriptor.

Three strategies behind one protocol, chosen by what the descriptor is (`open_transport`):

`PacketTransport`, a SOCK_SEQPACKET Unix socket, carries what `Pipe` and the queues send. One message
is one packet, so any number of processes may read and write without a lock, and one that is killed
at any moment leaves nothing half done. A packet ends with a byte that tells its kind, because an empty
packet could not be told from the end of the file (at the end, not the start: appending copies once).

A message beyond `PACKET_MAX` goes through a *channel*: a stream socket pair made for this one message,
whose reading end rides in a packet. Still no lock: the process that takes the packet owns the channel.
When its writer is killed, the reader sees the channel end early and drops the message; when its reader
is killed, the message is lost with it. Measured for round trips of 1 MiB (2 cores, Linux 6.18): one
packet up to 256 KiB beats every other road; beyond, a fresh stream pair read with MSG_WAITALL took
0.3 ms, a fresh 1 MiB pipe 0.6 ms, a fresh memfd 1.4 ms (page faults), the standard library 2.1 ms.
The packet that announces a channel is padded, so that unread large messages are charged to the socket
and their writers wait in the end.

`StreamTransport`, a connected stream socket (TCP, or Unix, which also takes descriptors), and
`FileTransport`, a pipe or the like, carry length-prefixed messages.
"""

from __future__ import annotations

import errno
import os
from _socket import (
    AF_UNIX,
    CMSG_SPACE,
    MSG_CMSG_CLOEXEC,
    MSG_CTRUNC,
    MSG_DONTWAIT,
    MSG_NOSIGNAL,
    MSG_WAITALL,
    SCM_RIGHTS,
    SO_SNDBUF,
    SOCK_SEQPACKET,
    SOCK_STREAM,
    SOL_SOCKET,
    getdefaulttimeout,
    socket,
    socketpair,
)
from array import array
from stat import S_ISSOCK
from struct import Struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Protocol, TypeAlias

    Message: TypeAlias = tuple[bytes | memoryview, Sequence[int]]

    class Transport(Protocol):
        """Sends and receives whole messages over one descriptor, which it owns."""

        carries_descriptors: bool

        def fileno(self) -> int:
            """Return the descriptor."""

        def close(self) -> None:
            """Close the descriptor; twice is once."""

        def send(self, data: bytes | memoryview, fds: Sequence[int] = ()) -> None:
            """Send one message, waiting for room; the caller keeps *fds*."""

        def receive(self, limit: int | None = None, flags: int = 0) -> Message | None:
            """Return one message, whose descriptors the caller owns.

            None when its writer died in the middle of it. EOFError at the end; MessageTooLongError
            beyond *limit* bytes; BlockingIOError with MSG_DONTWAIT when there is none.
            """


__all__ = [
    "DESCRIPTORS_MAX",
    "PACKET_MAX",
    "FileTransport",
    "LargeMessage",
    "MessageTooLongError",
    "PacketTransport",
    "StreamTransport",
    "open_transport",
    "packet_pair",
]

PACKET_MAX = 256 * 1024  # bytes; half of what an unprivileged socket buffer usually takes
DESCRIPTORS_MAX = 250  # per message; the kernel takes 253, one is the channel's
# The buffers, in bytes. A small packet is charged some 800 bytes, so a pair holds about 5,000.
_PAIR_BUFFER = 2 << 20
_CHANNEL_BUFFER = 1 << 20
_SO_SNDBUFFORCE = 32  # linux/socket.h; may exceed net.core.wmem_max, needs CAP_NET_ADMIN

_INLINE, _LARGE = b"\0", b"\1"
_CONCATENATE_MAX = 8192  # bytes; beyond, a second buffer is cheaper than a copy
_RECEIVE_SIZE = PACKET_MAX + 1
_ANCILLARY = CMSG_SPACE(253 * 4)
_NOTICE = Struct("=Q")
_PADDING = bytes(32 * 1024)
# Errors that say "not as one packet": too large for the buffer, or no contiguous memory for it.
_TOO_LARGE = frozenset({errno.EMSGSIZE, errno.ENOBUFS, errno.ENOMEM})

# Framing of streams: the length as a signed 32-bit number, or -1 and the length in 64 bits.
_HEADER, _LONG_HEADER = Struct("!i"), Struct("!Q")
_HEADER_MAX = 0x7FFFFFFF
_READ_MAX = 64 << 20  # bytes asked of the kernel at once when the length is another's claim


class MessageTooLongError(OSError):
    """The message is longer than the receiver allowed; what is left of it can't be skipped."""


def _rights(fds: Sequence[int]) -> list[tuple[int, int, array[int]]]:
    if len(fds) > DESCRIPTORS_MAX + 1:
        message = (
            f"one message can carry {DESCRIPTORS_MAX} file descriptors and this one has {len(fds)}: "
            "send the objects that hold them in several messages"
        )
        raise ValueError(message)
    return [(SOL_SOCKET, SCM_RIGHTS, array("i", fds))]


def _take_rights(ancillary: list[tuple[int, int, bytes]], flags: int) -> list[int]:
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


def _grow(sock: socket, size: int) -> None:
    """Raise the send buffer towards *size* bytes, as far as this process may."""
    try:
        sock.setsockopt(SOL_SOCKET, _SO_SNDBUFFORCE, size)
    except OSError:
        sock.setsockopt(SOL_SOCKET, SO_SNDBUF, size)


def _blocking(sock: socket) -> socket:
    # socket.setdefaulttimeout() is meant for the program's own sockets, not for ours.
    if getdefaulttimeout() is not None:
        sock.settimeout(None)
    return sock


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
        """Write what fits and return whether that was all; waits unless *flags* has MSG_DONTWAIT."""
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

    __slots__ = ("_recvmsg", "_sock", "close", "fileno")

    carries_descriptors = True

    def __init__(self, sock: socket) -> None:
        self._sock = sock
        self._recvmsg = sock.recvmsg
        self.close = sock.close
        self.fileno = sock.fileno

    def send(self, data: bytes | memoryview, fds: Sequence[int] = ()) -> None:
        """Send one message, waiting for room."""
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
                    self._sock.sendmsg((data, kind), _rights(fds) if fds else (), flags)
            except ConnectionResetError:
                # Reported once when the peer closed with messages unread; then it is EPIPE.
                continue
            return

    def _announce(
        self, data: bytes | memoryview, fds: Sequence[int], flags: int
    ) -> LargeMessage | None:
        ours, theirs = socketpair(AF_UNIX, SOCK_STREAM)
        try:
            _grow(_blocking(ours), _CHANNEL_BUFFER)
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
        while True:
            try:
                data, ancillary, got, _ = self._recvmsg(
                    _RECEIVE_SIZE, _ANCILLARY, flags | MSG_CMSG_CLOEXEC
                )
            except ConnectionResetError:
                # Reported once, before what is still to be read, when the peer left messages unread.
                continue
            break
        fds = _take_rights(ancillary, got) if ancillary or got & MSG_CTRUNC else ()
        if not data:
            raise EOFError
        if data[-1]:
            return self._receive_large(data, fds, limit)
        size = len(data) - 1
        if limit is not None and size > limit:
            _refuse(size, limit, fds)
        # Slicing copies; a view costs more to make, and little to use.
        return (data[:-1] if size <= _CONCATENATE_MAX else memoryview(data)[:-1]), fds

    def _receive_large(
        self, notice: bytes, fds: Sequence[int], limit: int | None
    ) -> Message | None:
        (size,) = _NOTICE.unpack_from(notice)
        channel = _blocking(socket(AF_UNIX, SOCK_STREAM, 0, fds[0]))
        fds = fds[1:]
        try:
            if limit is not None and size > limit:
                _refuse(size, limit, fds)
            data = _read_stream(channel, size)
        except BaseException:
            _close_all(fds)
            raise
        finally:
            channel.close()
        if data is None:
            _close_all(fds)
            return None
        return data, fds


class StreamTransport:
    """Length-prefixed messages over a connected stream socket; one reader, one writer at a time."""

    __slots__ = ("_sock", "carries_descriptors", "close", "fileno")

    def __init__(self, sock: socket) -> None:
        self._sock = sock
        self.carries_descriptors = sock.family == AF_UNIX
        self.close = sock.close
        self.fileno = sock.fileno

    def send(self, data: bytes | memoryview, fds: Sequence[int] = ()) -> None:
        """Send one message, waiting for room."""
        header = _header(len(data))
        sock = self._sock
        if not fds and len(data) <= _CONCATENATE_MAX:
            sock.sendall(b"".join((header, data)), MSG_NOSIGNAL)
            return
        sent = sock.sendmsg((header, data), _rights(fds) if fds else (), MSG_NOSIGNAL)
        if sent < len(header):
            sock.sendall(header[sent:], MSG_NOSIGNAL)
            sent = len(header)
        sent -= len(header)
        if sent < len(data):
            sock.sendall(memoryview(data)[sent:], MSG_NOSIGNAL)

    def receive(self, limit: int | None = None, flags: int = 0) -> Message | None:
        """Return one message; OSError when the stream ended in the middle of it."""
        fds: Sequence[int] = ()
        try:
            if self.carries_descriptors:
                header, ancillary, got, _ = self._sock.recvmsg(
                    _HEADER.size, _ANCILLARY, flags | MSG_CMSG_CLOEXEC
                )
                if ancillary or got & MSG_CTRUNC:
                    fds = _take_rights(ancillary, got)
            else:
                header = self._sock.recv(_HEADER.size, flags)
        except ConnectionResetError:
            header = b""
        if not header:
            raise EOFError
        try:
            return self._body(header, limit, fds), fds
        except BaseException:
            _close_all(fds)
            raise

    def _body(self, header: bytes, limit: int | None, fds: Sequence[int]) -> bytes:
        if len(header) < _HEADER.size:
            header += self._exactly(_HEADER.size - len(header))
        (size,) = _HEADER.unpack(header)
        if size < 0:
            (size,) = _LONG_HEADER.unpack(self._exactly(_LONG_HEADER.size))
        if limit is not None and size > limit:
            _refuse(size, limit, ())
        return self._exactly(size)

    def _exactly(self, size: int) -> bytes:
        data = _read_stream(self._sock, size)
        if data is None:
            message = "the other end closed the connection in the middle of a message"
            raise EOFError(message)
        return data


class FileTransport:
    """Length-prefixed messages over a pipe or another file; one reader, one writer at a time."""

    carries_descriptors = False

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

    def receive(self, limit: int | None = None, flags: int = 0) -> Message | None:  # noqa: ARG002 - only sockets take flags
        """Return one message."""
        (size,) = _HEADER.unpack(self._exactly(_HEADER.size))
        if size < 0:
            (size,) = _LONG_HEADER.unpack(self._exactly(_LONG_HEADER.size))
        if limit is not None and size > limit:
            _refuse(size, limit, ())
        return self._exactly(size), ()

    def _exactly(self, size: int) -> bytes:
        chunks: list[bytes] = []
        while size:
            chunk = os.read(self._fd, min(size, _READ_MAX))
            if not chunk:
                raise EOFError
            chunks.append(chunk)
            size -= len(chunk)
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def _header(size: int) -> bytes:
    if size <= _HEADER_MAX:
        return _HEADER.pack(size)
    return _HEADER.pack(-1) + _LONG_HEADER.pack(size)


def _read_stream(sock: socket, size: int) -> bytes | None:
    """Return exactly *size* bytes, or None when the stream ends before."""
    # One call that fills one object is what makes large messages fast; a signal can cut it short.
    chunks: list[bytes] = []
    while size:
        try:
            chunk = sock.recv(min(size, _READ_MAX), MSG_WAITALL)
        except ConnectionResetError:
            return None
        if not chunk:
            return None
        chunks.append(chunk)
        size -= len(chunk)
    return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def _refuse(size: int, limit: int, fds: Sequence[int]) -> None:
    _close_all(fds)
    raise MessageTooLongError(
        errno.EMSGSIZE, f"a message of {size} bytes is longer than the {limit} allowed (maxlength)"
    )


def _close_all(fds: Sequence[int]) -> None:
    for fd in fds:
        os.close(fd)


def packet_pair() -> tuple[PacketTransport, PacketTransport]:
    """Return the two ends of a new pair, whose buffers are as large as this process may have them."""
    one, other = socketpair(AF_UNIX, SOCK_SEQPACKET)
    _grow(_blocking(one), _PAIR_BUFFER)
    _grow(_blocking(other), _PAIR_BUFFER)
    return PacketTransport(one), PacketTransport(other)


def open_transport(fd: int) -> Transport:
    """Return the transport for *fd*, which it owns from now on; OSError for a closed one."""
    if not S_ISSOCK(os.fstat(fd).st_mode):
        return FileTransport(fd)
    sock = _blocking(socket(fileno=fd))
    if sock.type == SOCK_SEQPACKET and sock.family == AF_UNIX:
        return PacketTransport(sock)
    if sock.type == SOCK_STREAM:
        return StreamTransport(sock)
    sock.detach()
    message = f"descriptor {fd} is a datagram socket: connections need a stream or a packet socket"
    raise ValueError(message)
