"""Where processes wait to be woken: the heart of Condition, Event and Barrier.

A lot is some semaphores (gates) and counters in shared memory, used under a lock that its owner
brings. A waiter enters (is counted at a gate), gives the lock up, and takes a token from the gate;
whoever wakes takes waiters off the count and puts as many tokens out. Nobody waits for a waiter, so
one that is killed at any moment can't make a notifier hang.

What has to be excluded is theft: a process that begins to wait after a notification must not take
the token of one that waited before it. Hence several gates: who enters chooses a gate without
tokens, so every token there ever is was put out after everybody at that gate had entered. One gate
is in use nearly always; the second one serves while woken waiters are still on their way out of the
first.

The token of a killed waiter is never taken, and its gate is avoided from then on. Only when all
gates have such tokens is the oldest cleared, once nobody can be on the way any more. Until then
there is no place, and :meth:`ParkingLot.enter` says so.

Alternatives: a handshake, in which the notifier waits until the woken have taken their tokens (it
hangs when one is killed); a semaphore per waiter (a notification sent to a dead one is lost, where
an anonymous token goes to the living).
"""

# ruff: noqa: FBT003, SLF001 - SemLock, written in C: block by keyword takes twice the time

from __future__ import annotations

from time import monotonic_ns

from ._libc import SEMAPHORE_SIZE, keep, semaphore_image
from ._semaphore import SEM_VALUE_MAX, SEMAPHORE, SemLock, _bind_acquire, _bind_release
from .heap import Block, allocate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

GATES: Final = 32
NO_PLACE: Final = -1
EVERYBODY: Final = SEM_VALUE_MAX

_STALE: Final = 10_000_000_000
"""Nanoseconds after which a token belongs to a killed waiter: the living take theirs within
microseconds."""

_COUNTERS: Final = 2 * GATES + 1
_TOP: Final = 2 * GATES
_GATES_SIZE: Final = GATES * SEMAPHORE_SIZE


class ParkingLot:
    """Waiters of all processes.

    Every method but :meth:`park` is to be called with the owner's lock held.
    """

    __slots__ = ("_block", "_gates", "_numbers")

    def __init__(self) -> None:
        block = allocate(_GATES_SIZE + 8 * _COUNTERS)
        block.arena.memory[block.offset : block.offset + _GATES_SIZE] = semaphore_image(0) * GATES
        self.__setstate__(block)

    def __getstate__(self) -> Block:
        return self._block

    def __setstate__(self, block: Block) -> None:
        self._block = block
        # The waiters at each gate, then when each gate was last opened, then how many gates have
        # ever been used.
        self._numbers = Block(block.arena, block.offset + _GATES_SIZE, 8 * _COUNTERS).view("q")
        self._gates: list[_Gate] = []

    def _gate(self, place: int) -> _Gate:
        gates = self._gates
        while len(gates) <= place:
            gates.append(_Gate(self._block.address + len(gates) * SEMAPHORE_SIZE))
        return gates[place]

    def enter(self) -> int:
        """Count the caller as a waiter; return its place, or :data:`NO_PLACE` for the moment."""
        numbers = self._numbers
        for place in range(GATES):
            if self._gate(place).is_shut():
                break
        else:
            place = self._clear_oldest()
            if place == NO_PLACE:
                return place
        numbers[place] += 1
        if place >= numbers[_TOP]:
            numbers[_TOP] = place + 1
        return place

    def park(self, place: int, timeout: float | None) -> bool:
        """Wait, without the lock, at most ``timeout`` seconds (None: for ever).

        Return whether somebody woke the caller. One that was not woken, or was interrupted, must
        :meth:`leave`.
        """
        if timeout is not None and timeout <= 0:
            # The kernel's timer would take 80 microseconds to run out.
            return self._gates[place].acquire(False)
        return self._gates[place].acquire(True, timeout)

    def leave(self, place: int, *, taking: bool = True) -> bool:
        """Stop waiting; return whether the caller was woken at the last moment.

        An interrupted waiter is not ``taking``: a token that another one can use is left to it.
        """
        gate, numbers = self._gates[place], self._numbers
        if taking and gate.acquire(False):
            return True
        if numbers[place] > 0:
            numbers[place] -= 1
            return False
        return gate.acquire(False)

    def wake(self, n: int) -> None:
        """Wake ``n`` waiters, or all when there are fewer."""
        numbers = self._numbers
        # From the last gate down: the first one is where new waiters go, and nobody must starve
        # behind them.
        place = numbers[_TOP]
        while place and n > 0:
            place -= 1
            waiting = numbers[place]
            if waiting <= 0:
                continue
            count = min(waiting, n)
            numbers[place] = waiting - count
            numbers[GATES + place] = monotonic_ns()
            release = self._gate(place).release
            for _ in range(count):
                release()
            n -= count

    def waiting(self) -> int:
        """Return how many wait and have not been woken."""
        return sum(self._numbers[:GATES])

    def _clear_oldest(self) -> int:
        opened = self._numbers[GATES:_TOP].tolist()
        place = opened.index(min(opened))
        if monotonic_ns() - opened[place] < _STALE:
            return NO_PLACE
        gate = self._gate(place)
        while gate.acquire(False):
            pass
        return place


class _Gate:
    """The methods of one semaphore, bound."""

    __slots__ = ("acquire", "is_shut", "release")

    def __init__(self, address: int) -> None:
        semaphore = SemLock._rebuild(address, SEMAPHORE, SEM_VALUE_MAX, None)
        keep(semaphore)
        self.acquire = _bind_acquire(semaphore)
        self.release = _bind_release(semaphore)
        self.is_shut = semaphore._is_zero
