"""Who holds the slots of a bounded queue, so that those of a killed process come back.

A slot belongs to a process from when it may put until its message is in the pipe, and again while
it takes a message out. If the process is killed then, the slot would be lost, and in the end
nobody could put. So each process keeps the number of slots that it holds in a row of a shared
page, and a lock on that row that the kernel drops when the process ends, however it ends. Whoever
waits for a slot looks once a second (`PATIENCE`) for rows that have slots and no owner, and puts
these back.

A kill between a system call and the note about it can give back a slot too many; `Semaphore`
values above the bound are avoided, so the queue is at most that much longer for a while. Never
does it get stuck.
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
    from .reduction import SharedFd
    from .synchronize import Semaphore

__all__ = ["PATIENCE", "Ledger"]

PATIENCE = 1.0  # seconds between two looks for slots without an owner, while one waits for a slot
_ROWS = 1024
_ROW = Struct("=I")
_SIZE = _ROWS * _ROW.size
# An open file description's lock (linux/fcntl.h): unlike lockf's, not dropped by closing a
# duplicate.
_F_OFD_SETLK = 37
_F_WRLCK, _F_UNLCK = 1, 2
_FLOCK = Struct("hhqqi4x")  # type, whence, start, length, pid


class Ledger:
    """The shared page, of which each process owns one row; *maxsize* is the number of slots."""

    def __init__(self, maxsize: int, slots: Semaphore, fd: int | None = None) -> None:
        if fd is None:
            fd = os.memfd_create("queue-slots", os.MFD_CLOEXEC)
            os.ftruncate(fd, _SIZE)
        self._maxsize = maxsize
        self._slots = slots
        self._shared_fd = fd
        self._page = mmap.mmap(fd, _SIZE)
        self._begin()
        register_after_fork(self, Ledger._after_fork)

    def _begin(self) -> None:
        self._lock = RLock()
        self._held = 0
        self._row: int | None = None
        self._own_fd = -1

    def _after_fork(self) -> None:
        # The copy of the parent's descriptor would keep its row locked after its death.
        self._close_own()
        self._begin()

    def hold(self, change: int) -> None:
        """Note that this process holds *change* slots more (or, if negative, fewer)."""
        with self._lock:
            if self._row is None:
                self._row = self._claim_row()
            self._held += change
            _ROW.pack_into(self._page, self._row * _ROW.size, self._held)

    def _claim_row(self) -> int:
        self._own_fd = os.open(f"/proc/self/fd/{self._shared_fd}", os.O_RDWR | os.O_CLOEXEC)
        for row in range(_ROWS):
            if self._try_lock(row):
                self._settle(row)
                return row
        self._close_own()
        message = f"more than {_ROWS} processes use one bounded queue"
        raise OSError(message)

    def recover(self) -> None:
        """Give back the slots that ended processes held."""
        with self._lock:
            self.hold(0)
            for row in range(_ROWS):
                (held,) = _ROW.unpack_from(self._page, row * _ROW.size)
                if held and row != self._row and self._try_lock(row):
                    self._settle(row)
                    self._set_lock(row, _F_UNLCK)

    def _settle(self, row: int) -> None:
        (held,) = _ROW.unpack_from(self._page, row * _ROW.size)
        _ROW.pack_into(self._page, row * _ROW.size, 0)
        for _ in range(min(held, self._maxsize - self._slots.get_value())):
            self._slots.release()

    def _try_lock(self, row: int) -> bool:
        try:
            self._set_lock(row, _F_WRLCK)
        except BlockingIOError:
            return False
        return True

    def _set_lock(self, row: int, kind: int) -> None:
        fcntl(self._own_fd, _F_OFD_SETLK, _FLOCK.pack(kind, os.SEEK_SET, row, 1, 0))

    def _close_own(self) -> None:
        fd, self._own_fd = self._own_fd, -1
        if fd >= 0:
            os.close(fd)

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild, (self._maxsize, self._slots, share_fd(self._shared_fd))

    def __del__(self) -> None:
        self._close_own()
        os.close(self._shared_fd)


def _rebuild(maxsize: int, slots: Semaphore, shared: SharedFd) -> Ledger:
    return Ledger(maxsize, slots, shared.take())
