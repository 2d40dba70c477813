"""The pair of sockets between a pool and one of its workers, and the waiting on it.

One end writes messages, the other reads them, one thread at each end, so that no lock is needed. A
message is one packet of a SOCK_SEQPACKET socket. A larger one, or one with descriptors, is announced
by a packet with `_LONG` and the sizes, followed by the descriptors and by the bytes in pieces. The
worker sends `READY` once, then replies, which are pickles and begin with the pickle's own opcode
(0x80), and before some of them `WANTED`; the parent sends what is wanted (see `_line`).

Waiting spins for a moment before it sleeps, giving way to every other process meanwhile: to wake
a sleeping processor costs 30 to 60 us here, four times the rest of a task's way to a worker and
back. Measured on two processors, one trivial task after the other: 88 us asleep, 12 us spinning.

Copies of these sockets that a forked child inherits are closed there: a child that outlives a
worker, or the pool, must not keep the channel open.
"""

from __future__ import annotations

import os
import threading
import weakref
from _socket import (
    AF_UNIX,
    SCM_RIGHTS,
    SHUT_RDWR,
    SO_SNDBUF,
    SOCK_CLOEXEC,
    SOCK_SEQPACKET,
    SOL_SOCKET,
)
from _socket import socket as _socket
from _socket import socketpair as _socketpair
from array import array
from os import sched_yield
from struct import Struct
from time import monotonic
from typing import TYPE_CHECKING, Any, Final, TypeVar

from ._rights import blocking, close_all
from ._undo import on_failure
from .reduction import Packed, share_fd

if TYPE_CHECKING:
    from collections.abc import Callable

    from .reduction import SharedFd

_Found = TypeVar("_Found")

__all__ = ["DONTWAIT", "READY", "WANTED", "Channel", "channel_pair", "passing", "spin"]

READY: Final = b"R"
"""What a worker sends when its initializer has returned."""
WANTED: Final = b"W"
"""What a worker sends, with a task's number, that has got but its announcement."""
_LONG: Final = b"L"
_HEADER: Final = Struct("=cQI")
_PACKET: Final = 1 << 16
_MOST_FDS: Final = 200  # in one packet; the kernel takes 253
DONTWAIT: Final = 0x40  # MSGDONTWAIT
_SPIN: Final = 60e-6  # seconds of spinning before a wait sleeps
_CROWD: Final = 300e-6  # a longer pause between two looks: other processes need the processors
_REST: Final = 20e-3  # seconds without spinning after that
_crowded_until = 0.0


def spin(look: Callable[[], _Found]) -> _Found | None:
    """Return what *look* finds within a moment, None if that is nothing; then sleep.

    Where more processes run than there are processors, who gives way waits longer for his turn than
    who sleeps; so after a long pause nobody spins for a while.
    """
    global _crowded_until
    found = look()
    if found is not None:
        return found
    now = monotonic()
    if now < _crowded_until:
        return None
    end = now + _SPIN
    while now < end:
        sched_yield()
        found = look()
        if found is not None:
            return found
        before, now = now, monotonic()
        if now - before > _CROWD:
            _crowded_until = now + _REST
    return None


class Channel:
    """One end; `send` and `receive` block. EOFError or OSError: the peer has ended.

    ``send_packet(data)`` sends a few bytes as they are. ``midway``: a long message was begun, and if no
    thread is at it any more, nothing further can be sent or received.
    """

    __slots__ = ("__weakref__", "_recv", "_sock", "midway", "send_packet")

    def __init__(self, sock: _socket) -> None:
        self._sock = blocking(sock)
        self._recv = sock.recv
        self.send_packet = sock.send
        self.midway = False
        _open.add(self)

    def fileno(self) -> int:
        """Return the descriptor to wait for; -1 when closed."""
        return self._sock.fileno()

    def send(self, packed: Packed, tail: bytes = b"") -> None:
        """Send a message, and *tail* behind it; its descriptors are closed with it."""
        if len(packed.data) + len(tail) <= _PACKET and not packed.fds:
            self.send_packet(packed.data + tail)
        else:
            with packed:
                self._send_long(packed, tail)

    def _send_long(self, packed: Packed, tail: bytes) -> None:
        view = memoryview(packed.data)
        self.midway = True
        self.send_packet(_HEADER.pack(_LONG, len(view), len(packed.fds)) + tail)
        for start in range(0, len(packed.fds), _MOST_FDS):
            fds = array("i", packed.fds[start : start + _MOST_FDS])
            self._sock.sendmsg([b"F"], [(SOL_SOCKET, SCM_RIGHTS, fds)])
        for start in range(0, len(view), _PACKET):
            self.send_packet(view[start : start + _PACKET])
        self.midway = False

    def receive(self) -> tuple[bytes | bytearray, list[int]]:
        """Return the next message and its descriptors, waiting for it."""
        message = spin(self._look)
        return self._complete(self._recv(_PACKET)) if message is None else message

    def _look(self) -> tuple[bytes | bytearray, list[int]] | None:
        try:
            return self.try_receive()
        except BlockingIOError:
            return None

    def try_receive(self) -> tuple[bytes | bytearray, list[int]]:
        """Return the next message and its descriptors; BlockingIOError when there is none."""
        return self._complete(self._recv(_PACKET, DONTWAIT))

    def _complete(self, packet: bytes) -> tuple[bytes | bytearray, list[int]]:
        if packet[:1] != _LONG:
            if not packet:
                raise EOFError
            return packet, []
        _kind, size, n_fds = _HEADER.unpack_from(packet)
        self.midway = True
        tail = packet[_HEADER.size :]
        fds = array("i")
        data = bytearray(size + len(tail))
        data[size:] = tail
        with on_failure(close_all, fds):
            while len(fds) < n_fds:
                self._receive_fds(fds)
            self._fill(memoryview(data)[:size])
        self.midway = False
        return data, list(fds)

    def _receive_fds(self, fds: array[int]) -> None:
        room = self._sock.recvmsg(1, _MOST_FDS * fds.itemsize + 64, 0x40000000)  # MSG_CMSG_CLOEXEC
        if not room[0]:
            raise EOFError
        for _level, _type, data in room[1]:
            fds.frombytes(data[: len(data) - len(data) % fds.itemsize])

    def _fill(self, view: memoryview) -> None:
        done = 0
        while done < len(view):
            count = self._sock.recv_into(view[done:])
            if not count:
                raise EOFError
            done += count

    def hang_up(self) -> None:
        """End the conversation for both ends, whoever still has a copy."""
        try:
            self._sock.shutdown(SHUT_RDWR)
        except OSError:
            return  # the peer was quicker

    def close(self) -> None:
        """Close this end; the peer reads EOF."""
        _open.discard(self)
        self._sock.close()

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (share_fd(self.fileno()),)


def _rebuild(shared: SharedFd) -> Channel:
    return Channel(_socket(AF_UNIX, SOCK_SEQPACKET, 0, shared.take()))


def channel_pair() -> tuple[Channel, Channel]:
    """Return the two connected ends."""
    near, far = _socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC)
    for sock in (near, far):
        sock.setsockopt(SOL_SOCKET, SO_SNDBUF, 4 * _PACKET)
    return Channel(near), Channel(far)


class passing:  # noqa: N801 - used like a function
    """While this thread starts a worker: the ends that the forked child keeps open."""

    def __init__(self, *channels: Channel) -> None:
        self._channels = channels

    def __enter__(self) -> None:
        _starting.channels = self._channels

    def __exit__(self, *_exc_info: object) -> None:
        _starting.channels = ()


class _Starting(threading.local):
    channels: tuple[Channel, ...] = ()


_starting = _Starting()
_open: weakref.WeakSet[Channel] = weakref.WeakSet()


def _close_inherited() -> None:
    kept = _starting.channels
    for channel in list(_open):
        if channel not in kept:
            channel.close()


os.register_at_fork(after_in_child=_close_inherited)
