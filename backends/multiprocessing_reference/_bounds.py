"""The slots of a bounded queue: how many messages it holds, and how many it may.

The free slots are an eventfd in semaphore mode, so that one can wait for a slot *and* for the death
of a process that holds one: an epoll watches the slots, a pidfd of every other process that uses
the queue, and a second eventfd to which each process writes once, when it begins to use the queue.
That one is watched edge-triggered and never read, so every watcher learns of every newcomer. What a
dead process held comes back (see `_ledger`); nobody has to look from time to time.

`close` releases all of it at once or, while a message of this process waits to be written or another
thread is in a call, as soon as that is over: until then no descriptor may go, whose number might get
another meaning. The slots that this process holds, which are noted anyway, tell of most such calls.

Documentation: multiprocessing.Queue (maxsize, qsize, full).
"""

from __future__ import annotations

import os
from select import EPOLLET, EPOLLIN, epoll
from time import monotonic

from ._ledger import Ledger
from ._undo import on_failure
from ._wait import readable
from .reduction import share_fd
from .util import register_after_fork

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Final

    from ._ledger import Owner
    from .reduction import SharedFd

__all__ = ["Bounds"]

_LONGEST = 1e6  # seconds; epoll takes about twice that
# Seconds until one looks again at the row of a process that has ended while a child that it was
# just forking still had its descriptor. Nothing tells when such a child lets go of it.
_LIMBO = 1.0


class Bounds:
    """The slots of a queue of at most *maxsize* messages."""

    limited: Final = True

    def __init__(self, maxsize: int) -> None:
        flags = os.EFD_SEMAPHORE | os.EFD_NONBLOCK | os.EFD_CLOEXEC
        self._begin(maxsize, Ledger(), os.eventfd(maxsize, flags), os.eventfd(0, flags))

    def _begin(self, maxsize: int, ledger: Ledger, slots: int, members: int) -> None:
        self._maxsize = maxsize
        self._ledger = ledger
        self._slots, self._members = slots, members
        self._watch: _Watch | None = None
        self._taken_at_close: int | None = None  # None: this process has not closed it
        self._users = 0  # the calls that use the descriptors without holding a slot
        register_after_fork(self, Bounds._after_fork)

    def _after_fork(self) -> None:
        if self._watch is not None:
            self._watch.close()
            self._watch = None
        self._users = 0
        self._release_if_over()

    def hold(self, change: int) -> None:
        """Note that this process holds *change* slots more (or, if negative, fewer)."""
        with self._ledger.lock:
            if change > 0:
                self._require_open()
                if self._ledger.row is None:
                    self._join()
            self._ledger.hold(change)
            self._release_if_over()

    def sent(self) -> None:
        """Note that a message holds the slot now that this process has acquired."""
        self.hold(-1)

    def release(self) -> None:
        """Give back a slot that this process holds."""
        os.eventfd_write(self._slots, 1)
        self.hold(-1)

    def acquire(self, block: bool, timeout: float | None) -> bool:  # noqa: FBT001
        """Take a slot within *timeout* seconds (None: whenever there is one), if *block*."""
        if self._try():
            return True
        with self._ledger.lock:
            self._require_open()
            self._users += 1
        try:
            return self._acquire(block and (timeout is None or timeout > 0), timeout)
        finally:
            with self._ledger.lock:
                self._users -= 1
                self._release_if_over()

    def _acquire(self, block: bool, timeout: float | None) -> bool:  # noqa: FBT001
        deadline = None if timeout is None else monotonic() + timeout
        if not block:
            self._restore(self._ledger.settle_all())
            return self._try()
        watch = self._watching()
        while True:
            remaining = _LONGEST if deadline is None else max(0.0, deadline - monotonic())
            self._restore(watch.wait(min(remaining, _LONGEST)))
            if self._try():
                return True
            if remaining == 0:
                return False

    def _try(self) -> bool:
        self.hold(1)
        try:
            with on_failure(self.hold, -1):
                os.eventfd_read(self._slots)
        except BlockingIOError:
            return False
        return True

    def _join(self) -> None:
        self._restore(self._ledger.claim())
        os.eventfd_write(self._members, 1)

    def _watching(self) -> _Watch:
        with self._ledger.lock:
            if self._watch is None:
                self._watch = _Watch(self._slots, self._members, self._ledger)
            return self._watch

    def _restore(self, slots: int) -> None:
        for _ in range(min(slots, self._taken()) if slots else 0):
            os.eventfd_write(self._slots, 1)

    def taken(self) -> int:
        """Return how many slots are taken, roughly; or were when this process closed it, for want of a later answer."""
        with self._ledger.lock:
            return self._taken() if self._taken_at_close is None else self._taken_at_close

    def _taken(self) -> int:
        with open(f"/proc/self/fdinfo/{self._slots}", encoding="ascii") as lines:  # noqa: PTH123 - pathlib is slow to load
            free = next(line for line in lines if line.startswith("eventfd-count:"))
        return self._maxsize - int(free.split()[1], 16)

    def full(self) -> bool:
        """Return whether all slots are taken, or were when this process closed it."""
        with self._ledger.lock:
            if self._taken_at_close is None:
                return not readable(self._slots, 0)
            return self._taken_at_close >= self._maxsize

    def close(self) -> None:
        """Release all that this process has of it, once no call needs it; ValueError for who wants a slot then."""
        with self._ledger.lock:
            if self._taken_at_close is None:
                self._taken_at_close = self._taken()
            self._release_if_over()

    def _require_open(self) -> None:
        if self._taken_at_close is not None:
            message = "the queue is closed: this process closed it, and can't use it now"
            raise ValueError(message)

    def _release_if_over(self) -> None:
        if self._taken_at_close is not None and not self._users and not self._ledger.held:
            self._release_all()

    def _release_all(self, _close: Any = os.close) -> None:  # noqa: ANN401 - os may be gone at exit
        watch, self._watch = self._watch, None
        if watch is not None:
            watch.close()
        self._ledger.close()
        for fd in (self._slots, self._members):
            if fd >= 0:
                _close(fd)
        self._slots = self._members = -1

    def __reduce__(self) -> tuple[object, ...]:
        descriptors = share_fd(self._slots), share_fd(self._members)
        return _rebuild, (self._maxsize, self._ledger, *descriptors)

    __del__ = _release_all


def _rebuild(maxsize: int, ledger: Ledger, slots: SharedFd, members: SharedFd) -> Bounds:
    self = Bounds.__new__(Bounds)
    self._begin(maxsize, ledger, slots.take(), members.take())
    return self


class _Watch:
    """Waits for a slot, and for the deaths of processes, for all threads of this process."""

    def __init__(self, slots: int, members: int, ledger: Ledger) -> None:
        self._ledger = ledger
        self._members = members
        self._owners: dict[int, Owner] = {}  # by pidfd
        self._limbo: set[Owner] = set()
        self._epoll = epoll()
        self._epoll.register(slots, EPOLLIN)
        # Always readable after the first has joined: registering it makes the first `wait` look.
        self._epoll.register(members, EPOLLIN | EPOLLET)

    def wait(self, timeout: float) -> int:
        """Wait until there may be a slot; return the number of slots that the dead held."""
        events = self._epoll.poll(min(timeout, _LIMBO) if self._limbo else timeout)
        left = 0
        with self._ledger.lock:
            for owner in tuple(self._limbo):
                left += self._settle(owner)
            for fd, _ in events:
                if fd == self._members:
                    left += self._watch_newcomers()
                elif fd in self._owners:
                    left += self._settle(self._forget(fd))
        return left

    def _watch_newcomers(self) -> int:
        left = 0
        watched = {*self._owners.values(), *self._limbo}
        for owner in self._ledger.others():
            if owner in watched:
                continue
            row, pid = owner
            try:
                fd = os.pidfd_open(pid)
            except ProcessLookupError:
                left += self._settle(owner)
                continue
            self._owners[fd] = owner
            self._epoll.register(fd, EPOLLIN)
            # If the owner still has its row now, it was its pidfd, not one of a later process.
            settled = self._ledger.settle(row)
            if settled is not None:
                self._forget(fd)
                left += settled
        return left

    def _settle(self, owner: Owner) -> int:
        """Return the number of slots that *owner*, which has ended, held."""
        self._limbo.discard(owner)
        left = self._ledger.settle(owner[0])
        if left is None and owner in self._ledger.others():
            self._limbo.add(owner)
        return left or 0

    def _forget(self, fd: int) -> Owner:
        self._epoll.unregister(fd)
        os.close(fd)
        return self._owners.pop(fd)

    def close(self) -> None:
        """Close what this process has of it."""
        for fd in self._owners:
            os.close(fd)
        self._owners.clear()
        self._epoll.close()
