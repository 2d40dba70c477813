"""How one message, its bytes and its descriptors, crosses a file descriptor.

Three strategies behind one protocol, chosen by what the descriptor is (`open_transport`):

`PacketTransport`, a SOCK_SEQPACKET Unix socket, carries what `Pipe` and the queues send. One
message is one packet, so any number of processes may read and write without a lock, and one that
is killed at any moment leaves nothing half done. A packet ends with a byte that tells its kind,
because an empty packet could not be told from the end of the file (at the end, not the start:
appending copies once, and a pickle, which ends with a dot, needs nothing appended).

What does not win: the standard library's one-way pipe is a kernel pipe, whose write and two reads
take 1.1 µs where a packet takes 2.9, because it must be read by ``recvmsg``, which alone brings
descriptors. Objects make up for that (a shorter way to a pickle), bytes do not: one-way
``send_bytes`` of small messages takes up to twice the time. Making a socket pair takes twice that
of a pipe. Tried instead: packet-mode pipes (O_DIRECT) take 1.6 µs, but no descriptors, at most 256
messages, and a page for each; descriptors by a second socket would lose the order of messages.

A message beyond `PACKET_MAX` goes through a *channel*: a stream socket pair made for this one
message, whose reading end rides in a packet. Still no lock: the process that takes the packet
owns the channel. When its writer is killed, the reader sees the channel end early and drops the
message; when its reader is killed, the message is lost with it. Measured for round trips of 1 MiB
(2 cores, Linux 6.18): one packet up to 256 KiB beats every other road; beyond, a fresh stream
pair read with MSG_WAITALL took 0.3 ms, a fresh 1 MiB pipe 0.6 ms, a fresh memfd 1.4 ms (page
faults), the standard library 2.1 ms. The packet that announces a channel is padded, so that
unread large messages are charged to the socket and their writers wait in the end.

`StreamTransport`, a connected stream socket (TCP, or Unix, which also takes descriptors), and
`FileTransport`, a pipe or the like, carry length-prefixed messages.
"""

from __future__ import annotations

import os
from _socket import AF_UNIX, SOCK_SEQPACKET, SOCK_STREAM, socket
from stat import S_ISSOCK

from ._packets import PACKET_MAX, LargeMessage, PacketTransport, packet_pair
from ._rights import DESCRIPTORS_MAX, CutOffError, MessageTooLongError, blocking
from ._streams import FileTransport, StreamTransport

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, Protocol, TypeAlias

    Message: TypeAlias = tuple[bytes, Sequence[int]]

    class Transport(Protocol):
        """Sends and receives whole messages over one descriptor, which it owns."""

        def fileno(self) -> int:
            """Return the descriptor."""

        def close(self) -> None:
            """Close the descriptor; twice is once."""

        def send_object(self, obj: object) -> None:
            """Pickle and send one object, waiting for room."""

        def receive_object(self) -> Any:  # noqa: ANN401 - whatever was sent
            """Receive and unpickle one object; the errors are those of `receive`."""

        def send(self, data: bytes | memoryview, fds: Sequence[int] = ()) -> None:
            """Send one message, waiting for room; the caller keeps *fds*."""

        def receive(self, limit: int | None = None) -> Message:
            """Return one message, whose descriptors the caller owns.

            CutOffError when its writer died in the middle of it; EOFError at the end;
            MessageTooLongError beyond *limit* bytes.
            """


__all__ = [
    "DESCRIPTORS_MAX",
    "PACKET_MAX",
    "CutOffError",
    "FileTransport",
    "LargeMessage",
    "MessageTooLongError",
    "PacketTransport",
    "StreamTransport",
    "open_transport",
    "packet_pair",
]


def open_transport(fd: int) -> Transport:
    """Return the transport for *fd*, which it owns from now on; OSError for a closed one."""
    if not S_ISSOCK(os.fstat(fd).st_mode):
        return FileTransport(fd)
    sock = blocking(socket(fileno=fd))
    if sock.type == SOCK_SEQPACKET and sock.family == AF_UNIX:
        return PacketTransport(sock)
    if sock.type == SOCK_STREAM:
        return StreamTransport(sock)
    sock.detach()
    message = f"descriptor {fd} is a datagram socket: connections need a stream or a packet socket"
    raise ValueError(message)
