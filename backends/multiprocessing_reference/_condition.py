"""Condition and Event."""

# ruff: noqa: SLF001 - a lock lends its private methods to the condition around it

from __future__ import annotations

import os
from time import monotonic

from ._aliases import deprecated_alias
from ._parking import EVERYBODY, NO_PLACE, ParkingLot
from ._semaphore import KernelSemaphore, Lock, RLock
from .heap import Block, allocate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    _T = TypeVar("_T")


class NotOwnedError(RuntimeError, AssertionError):
    """The caller does not hold the lock; AssertionError is what CPython raises."""


class LockTypeError(TypeError, AttributeError):
    """Something else was given where a lock is needed; AttributeError is what CPython raises."""


class Condition:
    """A condition variable of processes and threads, with the interface of threading.Condition.

    ``lock`` is a Lock or RLock of this package; without one the condition makes an RLock.
    ``acquire``, ``release`` and ``locked`` are the lock's. Documentation:
    multiprocessing.Condition, threading.Condition.
    """

    def __init__(self, lock: KernelSemaphore | None = None, *, ctx: object = None) -> None:
        if lock is None:
            lock = RLock(ctx=ctx)
        elif not isinstance(lock, KernelSemaphore):
            msg = (
                f"Condition(lock) takes a Lock or RLock of multiprocessing, not {lock!r}; "
                "leave it out to get an RLock"
            )
            raise LockTypeError(msg)
        self._bind(lock, ParkingLot())

    def _bind(self, lock: KernelSemaphore, lot: ParkingLot) -> None:
        self._lock = lock
        self._lot = lot
        self.acquire = lock.acquire
        self.release = lock.release
        self.locked = lock.locked
        self._is_owned = lock._is_mine

    def __getstate__(self) -> tuple[KernelSemaphore, ParkingLot]:
        _require_spawning(self)
        return self._lock, self._lot

    def __setstate__(self, state: tuple[KernelSemaphore, ParkingLot]) -> None:
        self._bind(*state)

    def __enter__(self) -> bool:
        return self.acquire()

    def __exit__(self, *exc_info: object) -> None:
        self.release()

    def __repr__(self) -> str:
        return f"<{type(self).__name__}({self._lock}, {self._lot.waiting()})>"

    def wait(self, timeout: float | None = None) -> bool:
        """Release the lock, wait for a notification or ``timeout`` seconds, take the lock again.

        Returns False when the time ran out, else True. NotOwnedError without the lock.
        """
        lock, lot = self._lock, self._lot
        if not self._is_owned():
            msg = "must acquire() condition before using wait(): use it within 'with condition:'"
            raise NotOwnedError(msg)
        depth = lock._count()
        place = lot.enter()
        woken = ended = place == NO_PLACE
        try:
            for _ in range(depth):
                lock.release()
            if not woken:
                woken = lot.park(place, timeout)
                ended = True
        finally:
            for _ in range(depth):
                lock.acquire()
            if not woken:
                woken = lot.leave(place, taking=ended)
        return woken

    def wait_for(self, predicate: Callable[[], _T], timeout: float | None = None) -> _T:
        """Wait until ``predicate()`` is true, at most ``timeout`` s; return its last value."""
        result = predicate()
        if result:
            return result
        if timeout is None:
            while not result:
                self.wait()
                result = predicate()
            return result
        deadline = monotonic() + timeout
        while not result:
            remaining = deadline - monotonic()
            if remaining <= 0:
                break
            self.wait(remaining)
            result = predicate()
        return result

    def notify(self, n: int = 1) -> None:
        """Wake ``n`` of those that wait, if so many do. NotOwnedError without the lock."""
        if not self._is_owned():
            msg = "lock is not owned: notify() is to be used within 'with condition:'"
            raise NotOwnedError(msg)
        self._lot.wake(n)

    def notify_all(self) -> None:
        """Wake all that wait. NotOwnedError without the lock."""
        self.notify(EVERYBODY)

    notifyAll = deprecated_alias("notifyAll", "notify_all")  # noqa: N815 - threading's


class Event:
    """A flag that processes and threads wait for, with the interface of threading.Event.

    The flag is a byte in shared memory: is_set(), clear() and a wait() for an event that is set
    take no lock. Documentation: multiprocessing.Event, threading.Event.
    """

    def __init__(self, *, ctx: object = None) -> None:
        self._bind(Lock(ctx=ctx), ParkingLot(), allocate(1))

    def _bind(self, lock: Lock, lot: ParkingLot, block: Block) -> None:
        self._lock = lock
        self._lot = lot
        self._block = block
        self._flag = block.view()

    def __getstate__(self) -> tuple[Lock, ParkingLot, Block]:
        _require_spawning(self)
        return self._lock, self._lot, self._block

    def __setstate__(self, state: tuple[Lock, ParkingLot, Block]) -> None:
        self._bind(*state)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} at {id(self):#x} {'set' if self._flag[0] else 'unset'}>"

    def is_set(self) -> bool:
        """Return whether the flag is true."""
        return self._flag[0] == 1

    isSet = deprecated_alias("isSet", "is_set")  # noqa: N815 - threading's

    def set(self) -> None:
        """Make the flag true and wake all that wait."""
        with self._lock:
            self._flag[0] = 1
            self._lot.wake(EVERYBODY)

    def clear(self) -> None:
        """Make the flag false."""
        self._flag[0] = 0

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the flag is true, at most ``timeout`` seconds; return whether it was.

        Who waits when another process sets the event returns True, even when the event is cleared
        again at once.
        """
        flag = self._flag
        if flag[0]:
            return True
        lot = self._lot
        place = self._enter()
        if place == NO_PLACE:
            return True
        woken = ended = False
        try:
            woken = lot.park(place, timeout)
            ended = True
        finally:
            if not woken:
                with self._lock:
                    woken = lot.leave(place, taking=ended)
        return woken or self.is_set()

    def _enter(self) -> int:
        """Become a waiter; NO_PLACE: not needed, the event is set."""
        while True:
            with self._lock:
                if self._flag[0]:
                    return NO_PLACE
                place = self._lot.enter()
            if place != NO_PLACE:
                return place
            # All gates are full of tokens: let those that they belong to run.
            os.sched_yield()


def _require_spawning(obj: object) -> None:
    from .reduction import require_spawning

    require_spawning(obj)
