"""Where imap gets its chunks from: a sequence, or an iterator that runs the user's code.

An iterator may take its time, block, raise or never end, so it runs in a thread of its own and
keeps a few chunks ahead of the workers, no more: the input is consumed as the workers get along,
which is what makes imap usable for inputs that don't fit into memory.

Documentation: multiprocessing.pool.Pool.imap ("a lazier version of map").
"""

from __future__ import annotations

import threading
from _thread import allocate_lock
from collections import deque
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from _thread import LockType
    from collections.abc import Iterable, Sequence

    from ._results import IMapIterator

__all__ = ["IteratorSupply", "SequenceSupply", "Supply", "supply_of"]

_AT_HAND = (list, tuple, range, str, bytes, dict, set, frozenset)


class Supply(Protocol):
    """Gives chunks; `take` and `stop` are called with the crew's lock held."""

    endless: bool
    """Whether it may go on for ever."""

    def start(self, job: IMapIterator) -> None:
        """Begin, once the job is taken in."""

    def take(self) -> Sequence[Any] | None:
        """Return the next chunk; None when there is none, or none yet."""

    def stop(self) -> None:
        """Give no more."""


def supply_of(iterable: Iterable[Any], chunksize: int, ahead: int) -> Supply:
    """Return the supply of chunks of *chunksize*; an iterator is read *ahead* chunks at most."""
    if type(iterable) in _AT_HAND:
        items = iterable if isinstance(iterable, range) else list(iterable)
        return SequenceSupply(items, chunksize)
    return IteratorSupply(iterable, chunksize, ahead)


class SequenceSupply:
    """Slices of a sequence."""

    endless = False

    def __init__(self, items: Sequence[Any], chunksize: int) -> None:
        self._items = items
        self._chunksize = chunksize
        self._next = 0

    def start(self, job: IMapIterator) -> None:
        """Tell the job how many chunks there are."""
        with job.lock:
            done = job.end(-(-len(self._items) // self._chunksize), None)
        if done:
            job.conclude()

    def take(self) -> Sequence[Any] | None:
        """Return the next slice."""
        start = self._next
        if start >= len(self._items):
            return None
        self._next = stop = start + self._chunksize
        return self._items[start:stop]

    def stop(self) -> None:
        """Skip the rest."""
        self._next = len(self._items)


class IteratorSupply:
    """A thread that reads an iterator, and what it has in stock."""

    endless = True

    def __init__(self, iterable: Iterable[Any], chunksize: int, ahead: int) -> None:
        self._iterable: Any = iterable
        self._chunksize = chunksize
        self._ahead = ahead
        self._stock: deque[Sequence[Any]] = deque()
        self._stopped = False
        self._asleep: LockType | None = None  # what the thread waits for while the stock is full

    def start(self, job: IMapIterator) -> None:
        """Begin to read."""
        threading.Thread(
            target=self._read, args=(job,), name="pool-imap-input", daemon=True
        ).start()

    def take(self) -> Sequence[Any] | None:
        """Return the oldest chunk in stock, and have it filled up when it runs low."""
        chunk = self._stock.popleft() if self._stock else None
        if len(self._stock) <= self._ahead // 2:
            self._rouse()
        return chunk

    def stop(self) -> None:
        """Drop the stock; the thread ends when the iterator next gives an item."""
        self._stopped = True
        self._stock.clear()
        self._rouse()

    def _rouse(self) -> None:
        asleep, self._asleep = self._asleep, None
        if asleep is not None:
            asleep.release()

    def _read(self, job: IMapIterator) -> None:
        count = 0
        error: BaseException | None = None
        chunk: list[Any] = []
        try:
            iterable, self._iterable = self._iterable, None
            for item in iterable:
                chunk.append(item)
                if len(chunk) == self._chunksize:
                    count += 1
                    if not self._put(job, chunk):
                        return
                    chunk = []
        except BaseException as caught:  # noqa: BLE001 - whatever the user's code raises
            error = caught
        if chunk and error is None:  # a chunk that was never full is no task, as everywhere
            count += 1
            self._put(job, chunk)
        with job.lock:
            done = job.end(count, error)
        if done:
            job.conclude()

    def _put(self, job: IMapIterator, chunk: Sequence[Any]) -> bool:
        """Store a chunk, then wait until there is room for another; return False when stopped."""
        asleep = None
        with job.lock:
            if self._stopped:
                return False
            self._stock.append(chunk)
            if len(self._stock) >= self._ahead:
                asleep = self._asleep = allocate_lock()
                asleep.acquire()
        job.crew.offer(job)
        if asleep is not None:
            asleep.acquire()
        return not self._stopped
