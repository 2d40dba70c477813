"""Who holds the slots of a bounded queue, so that those of a killed process come back.

A slot belongs to a process from when it may put until its message is in the pipe, and again while
it takes a message out. If the process is killed then, the slot would be lost, and in the end
nobody could put. So each process keeps the number of slots that it holds in a row of a shared
page, and a lock on that row that the kernel drops when the process ends, however it ends. Whoever
gets the lock of a row that holds slots puts these back.

A kill between a system call and the note about it can give back a slot too many; values above the
bound are avoided, so the queue is at most that much longer. Never does it get stuck.
"""

from __future__ import annotations

import mmap
import os
from fcntl import fcntl
from struct import Struct
from threading import RLock

from .reduction import share_fd
from .util import register_after_fork

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, TypeAlias

    from .reduction import SharedFd

    # A process, by its row and its id.
    Owner: TypeAlias = tuple[int, int]

__all__ = ["Ledger"]

_ROWS = 1024
_SIZE = 2 * _ROWS * 4  # bytes: the numbers of slots held, then the processes' ids
# An open file description's lock (linux/fcntl.h): unlike lockf's, not dropped by closing a
# duplicate.
_F_OFD_SETLK = 37
_F_WRLCK, _F_UNLCK = 1, 2
_FLOCK = Struct("hhqqi4x")  # type, whence, start, length, pid


class Ledger:
    """The shared page, of which each process owns one row."""

    def __init__(self, fd: int | None = None) -> None:
        if fd is None:
            fd = os.memfd_create("queue-slots", os.MFD_CLOEXEC)
            os.ftruncate(fd, _SIZE)
        self._shared_fd = fd
        # Written to by every process for every message, whole words at a time.
        page = memoryview(mmap.mmap(fd, _SIZE)).cast("I")
        self._held, self._pids = page[:_ROWS], page[_ROWS:]
        self.lock = RLock()
        self.row: int | None = None
        self._own_fd = -1
        register_after_fork(self, Ledger._after_fork)

    def _after_fork(self) -> None:
        # The copy of the parent's descriptor would keep its row locked after its death.
        self._close_own()
        self.lock = RLock()
        self.row = None

    def hold(self, change: int) -> None:
        """Note that this process holds *change* slots more (or, if negative, fewer); with the lock."""
        self._held[self.row] += change  # type: ignore[index] # claimed before

    @property
    def held(self) -> int:
        """How many slots this process holds."""
        return 0 if self.row is None else self._held[self.row]

    def claim(self) -> int:
        """Make a row this process's own; return the number of slots that its last owner left.

        OSError when all 1024 have living owners.
        """
        self._own_fd = os.open(f"/proc/self/fd/{self._shared_fd}", os.O_RDWR | os.O_CLOEXEC)
        for row in range(_ROWS):
            if self._try_lock(row):
                left = self._take(row)
                self._pids[row] = os.getpid()
                self.row = row
                return left
        self._close_own()
        message = f"more than {_ROWS} processes use one bounded queue"
        raise OSError(message)

    def others(self) -> list[Owner]:
        """Return every other process that owns a row, or did last."""
        pids = enumerate(self._pids.tolist())
        return [(row, pid) for row, pid in pids if pid and row != self.row]

    def settle(self, row: int) -> int | None:
        """Return the number of slots that *row* holds for nobody; None while its owner lives."""
        if not self._try_lock(row):
            return None
        left = self._take(row)
        self._set_lock(row, _F_UNLCK)
        return left

    def settle_all(self) -> int:
        """Return the number of slots that all rows together hold for nobody."""
        held = enumerate(self._held.tolist())
        return sum(self.settle(row) or 0 for row, count in held if count and row != self.row)

    def _take(self, row: int) -> int:
        left, self._held[row] = self._held[row], 0
        return left

    def _try_lock(self, row: int) -> bool:
        try:
            self._set_lock(row, _F_WRLCK)
        except BlockingIOError:
            return False
        return True

    def _set_lock(self, row: int, kind: int) -> None:
        fcntl(self._own_fd, _F_OFD_SETLK, _FLOCK.pack(kind, os.SEEK_SET, row, 1, 0))

    def _close_own(self, _close: Any = os.close) -> None:  # noqa: ANN401 - os may be gone at exit
        fd, self._own_fd = self._own_fd, -1
        if fd >= 0:
            _close(fd)

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (share_fd(self._shared_fd),)

    def close(self, _close: Any = os.close) -> None:  # noqa: ANN401 - os may be gone at exit
        """Give back this process's row and its view of the page, which can't be used here any more."""
        self._close_own(_close)
        self.row = None
        self._held.release()
        self._pids.release()
        fd, self._shared_fd = self._shared_fd, -1
        if fd >= 0:
            _close(fd)

    __del__ = close


def _rebuild(shared: SharedFd) -> Ledger:
    return Ledger(shared.take())
