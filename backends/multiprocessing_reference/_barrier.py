"""Barrier: a number of processes or threads wait for each other.

A barrier lives in generations. One ends when the last party arrives, or when it fails (reset,
abort, a timeout). Who ends it wakes the others and opens the next at once, with no need to wait
until the others are gone: a process that is killed on its way out, or while it waits, can't block
the next round. Those who wake read what became of *their* generation, for which the last few
failures are on record.
"""

from __future__ import annotations

import os
from operator import index
from threading import BrokenBarrierError

from ._parking import EVERYBODY, NO_PLACE, ParkingLot
from ._semaphore import RLock
from .heap import Block, allocate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Final

_ARRIVED, _GENERATION, _BROKEN, _FAILED = range(4)
_RECORD: Final = 60
"""So many generations can a woken process lag behind before it takes a failed one for a passed
one."""


class Barrier:
    """A barrier for ``parties`` processes or threads, with the interface of threading.Barrier.

    ``action()`` is called by one of them before they go on; ``timeout`` (seconds) is the default
    for :meth:`wait`. Documentation: multiprocessing.Barrier, threading.Barrier.
    """

    def __init__(
        self,
        parties: int,
        action: Callable[[], object] | None = None,
        timeout: float | None = None,
        *,
        ctx: object = None,
    ) -> None:
        parties = index(parties)
        if parties < 1:
            msg = f"a barrier needs at least 1 party, not {parties}"
            raise ValueError(msg)
        block = allocate(8 * (_FAILED + _RECORD))
        block.view("q")[_GENERATION] = 1
        self.__setstate__((parties, action, timeout, RLock(ctx=ctx), ParkingLot(), block))

    def __getstate__(self) -> _State:
        from .reduction import require_spawning

        require_spawning(self)
        return self._parties, self._action, self._timeout, self._lock, self._lot, self._block

    def __setstate__(self, state: _State) -> None:
        self._parties, self._action, self._timeout, self._lock, self._lot, self._block = state
        self._numbers = self._block.view("q")

    def __repr__(self) -> str:
        state = "broken" if self.broken else f"waiters={self.n_waiting}/{self.parties}"
        return f"<{type(self).__module__}.{type(self).__qualname__} at {id(self):#x}: {state}>"

    @property
    def parties(self) -> int:
        """How many have to arrive."""
        return self._parties

    @property
    def n_waiting(self) -> int:
        """How many wait now."""
        return self._numbers[_ARRIVED]

    @property
    def broken(self) -> bool:
        """Whether the barrier is broken."""
        return self._numbers[_BROKEN] == 1

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the other parties, at most ``timeout`` seconds (None: the barrier's timeout).

        Returns 0 to parties - 1, different for each. Raises BrokenBarrierError when the barrier is
        broken, breaks, or is reset meanwhile; running out of time breaks it. An error of the action
        breaks it and is raised.
        """
        if timeout is None:
            timeout = self._timeout
        numbers, lot = self._numbers, self._lot
        place = NO_PLACE
        while place == NO_PLACE:
            with self._lock:
                if numbers[_BROKEN]:
                    raise BrokenBarrierError
                arrived, generation = numbers[_ARRIVED], numbers[_GENERATION]
                if arrived + 1 >= self._parties:
                    self._pass(generation)
                    return arrived
                place = lot.enter()
                if place != NO_PLACE:
                    numbers[_ARRIVED] = arrived + 1
                    break
            # All gates are full of tokens: let those that they belong to run.
            os.sched_yield()
        self._park(place, timeout, generation)
        if numbers[_FAILED + generation % _RECORD] == generation:
            raise BrokenBarrierError
        return arrived

    def _park(self, place: int, timeout: float | None, generation: int) -> None:
        """Wait for the end of a generation.

        Running out of time breaks the barrier, an interrupt takes the caller off it.
        """
        lot, numbers = self._lot, self._numbers
        woken = ended = False
        try:
            woken = lot.park(place, timeout)
            ended = True
        finally:
            if not woken:
                with self._lock:
                    if not lot.leave(place, taking=ended) and numbers[_GENERATION] == generation:
                        if ended:
                            self._break()
                        else:
                            numbers[_ARRIVED] -= 1

    def _pass(self, generation: int) -> None:
        """End a generation in which all have arrived (lock held)."""
        numbers = self._numbers
        if self._action is not None:
            numbers[_ARRIVED] += 1
            done = False
            try:
                self._action()
                done = True
            finally:
                if not done:
                    self._break()
            if numbers[_GENERATION] != generation:
                # The action itself has called abort() or reset().
                raise BrokenBarrierError
        self._next_generation()

    def _next_generation(self) -> None:
        numbers = self._numbers
        numbers[_ARRIVED] = 0
        numbers[_GENERATION] += 1
        self._lot.wake(EVERYBODY)

    def _fail(self) -> None:
        numbers = self._numbers
        generation = numbers[_GENERATION]
        numbers[_FAILED + generation % _RECORD] = generation
        self._next_generation()

    def _break(self) -> None:
        self._numbers[_BROKEN] = 1
        self._fail()

    def reset(self) -> None:
        """Make the barrier empty and whole. Those that wait get BrokenBarrierError."""
        with self._lock:
            self._numbers[_BROKEN] = 0
            self._fail()

    def abort(self) -> None:
        """Break the barrier until it is reset: all that wait, or will, get BrokenBarrierError."""
        with self._lock:
            self._break()


if TYPE_CHECKING:
    _State = tuple[int, Callable[[], object] | None, float | None, RLock, ParkingLot, Block]
