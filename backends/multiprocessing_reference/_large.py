"""Messages too large for a packet, through channels; the design is in `_transport`."""

from __future__ import annotations

import os
from _socket import (
    AF_UNIX,
    MSG_NOSIGNAL,
    SO_SNDBUF,
    SOCK_STREAM,
    SOL_SOCKET,
    socket,
    socketpair,
)

from ._rights import CutOffError, blocking, read_stream, refuse

__all__ = ["LargeMessage", "grow", "open_channel", "read_channel"]

_CHANNEL_BUFFER = 1 << 20  # bytes
_SO_SNDBUFFORCE = 32  # linux/socket.h; may exceed net.core.wmem_max, needs CAP_NET_ADMIN


def grow(sock: socket, size: int) -> None:
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


def open_channel(data: bytes | memoryview) -> tuple[LargeMessage, socket]:
    """Return *data* as a message that can be pushed, and the end of its channel for the reader."""
    ours, theirs = map(blocking, socketpair(AF_UNIX, SOCK_STREAM))
    grow(ours, _CHANNEL_BUFFER)
    return LargeMessage(ours, data), theirs


def read_channel(fd: int, size: int, limit: int | None) -> bytes:
    """Return the *size* bytes that come through the channel *fd*, which is closed.

    CutOffError when the writer ended before; MessageTooLongError beyond *limit* bytes.
    """
    channel = blocking(socket(AF_UNIX, SOCK_STREAM, 0, fd))
    try:
        if limit is not None and size > limit:
            refuse(size, limit, ())
        data = read_stream(channel, size)
    finally:
        channel.close()
    if data is None:
        raise CutOffError
    return data
