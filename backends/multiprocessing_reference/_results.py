"""Jobs: what a call of a pool's method becomes, and what it returns to the caller.

A job gives out its tasks one by one (`take`), gets their outcomes (`settle`), and is concluded once. Both are
called with the crew's lock held, so they never run the user's code: callbacks run in `conclude`, and a
generator given to imap in a thread of its own (`_supply`).

A job keeps its pool alive until it is concluded, and no longer.

Documentation: multiprocessing.pool.AsyncResult, Pool.imap.
"""

from __future__ import annotations

import sys
import threading
from _thread import allocate_lock
from collections import deque
from time import monotonic
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

from ._worker import CALL, EACH
from .errors import TimeoutError  # noqa: A004 - the documented name
from .reduction import pack

if TYPE_CHECKING:
    from _thread import LockType
    from collections.abc import Callable, Iterator, Sequence

    from ._supply import Supply
    from .reduction import Packed

__all__ = [
    "ApplyResult",
    "AsyncResult",
    "Crew",
    "IMapIterator",
    "IMapUnorderedIterator",
    "Job",
    "MapResult",
    "Task",
]


class Waiter(Protocol):
    """What is released when a job has news: a lock, or what wakes a thread from its poll."""

    def release(self) -> None:
        """Wake up who waits."""


class Crew(Protocol):
    """The workers of a pool, processes or threads, and the thread or threads that hear of results."""

    size: int
    lock: threading.Lock
    """Guards the crew's state and its jobs'; never held while the user's code runs."""
    state: str
    """RUN, CLOSE or TERMINATE."""

    def check_running(self) -> None:
        """Raise ValueError unless the pool takes tasks."""

    def submit(self, job: Job) -> None:
        """Take in *job*; ValueError unless the pool runs."""

    def run(self, job: Job) -> None:
        """Take in *job* and return when it is concluded."""

    def wait(self, job: Job, satisfied: Callable[[], bool], timeout: float | None) -> bool:
        """Return once *satisfied* (called with the lock held), or False after *timeout* seconds."""

    def offer(self, job: Job) -> None:
        """Hear that *job*, taken in before, has further tasks."""

    def conclude(self, job: Job) -> None:
        """Conclude *job* in the thread that calls callbacks."""

    def forget(self, job: Job) -> None:
        """Hear that *job* is concluded."""

    def close(self) -> None:
        """Take in no further jobs."""

    def terminate(self) -> None:
        """End the workers, whatever they do."""

    def abandon(self) -> None:
        """Terminate: the pool was collected, perhaps in a thread that holds the lock."""

    def join(self) -> None:
        """Wait for the workers to end."""


class Task:
    """One message to a worker: see `_worker` for the kinds."""

    __slots__ = ("arguments", "function", "index", "job", "keywords", "kind")

    def __init__(
        self,
        job: Job,
        index: int,
        kind: int,
        function: Callable[..., Any],
        arguments: Any,  # noqa: ANN401 - arguments, or items
        keywords: Any = None,  # noqa: ANN401
    ) -> None:
        self.job = job
        self.index = index
        self.kind = kind
        self.function = function
        self.arguments = arguments
        self.keywords = keywords

    def pack(self) -> Packed:
        """Return the task pickled; any exception of the user's classes comes through."""
        return pack((self.kind, self.function, self.arguments, self.keywords))


class Job:
    """What all results have: waiting, and the way to the crew."""

    fair = False
    """Whether other jobs get their turn after each of its tasks (its input may have no end)."""
    has_callbacks = False

    def __init__(self, crew: Crew, pool: object) -> None:
        self.crew = crew
        self._pool: object | None = pool
        self.lock = crew.lock
        self.waiters: list[Waiter] = []
        self._sealed = False  # the outcome is known
        self._concluded = False  # ... and the callbacks have returned
        self.listed = False  # whether the crew has it among those with tasks to give

    def take(self) -> Task | None:
        """Return the next task, None when there is none (now). The lock is held."""
        raise NotImplementedError

    def settle(self, task: Task, ok: bool, value: Any) -> bool:  # noqa: ANN401, FBT001
        """Store a task's outcome; return whether it was the last. The lock is held."""
        raise NotImplementedError

    def seal(self, error: BaseException) -> None:
        """Fail what is missing, and give no further tasks. The lock is held."""
        raise NotImplementedError

    def abort(self, error: BaseException) -> None:
        """Fail what is missing and conclude the job without callbacks. The lock is held."""
        if not self._sealed:
            self._sealed = True
            self.seal(error)
        self._concluded = True
        self._wake()

    def fail(self, error: BaseException) -> None:
        """Fail what is missing and conclude the job."""
        with self.lock:
            if self._sealed:
                return
            self._sealed = True
            self.seal(error)
        self.crew.conclude(self)

    def conclude(self) -> None:
        """Mark the job as done and wake up who waits for it."""
        with self.lock:
            self._concluded = True
            pool, self._pool = self._pool, None
            self._wake()
        self.crew.forget(self)
        del pool  # perhaps the last reference: its finalizer takes locks, so not under ours

    def wait(self, timeout: float | None = None) -> None:
        """Wait until nothing is missing, or *timeout* seconds have passed."""
        if not self._concluded:
            self.crew.wait(self, self.is_concluded, timeout)

    def is_concluded(self) -> bool:
        """Whether nothing is missing any more."""
        return self._concluded

    def _wake(self) -> None:
        for waiter in self.waiters:
            waiter.release()
        self.waiters.clear()

    def sleep(self, satisfied: Callable[[], bool], timeout: float | None) -> bool:
        """Wait until *satisfied* (called with the lock held), for *timeout* seconds at most."""
        deadline = None if timeout is None else monotonic() + timeout
        while True:
            with self.lock:
                if satisfied():
                    return True
                waiter = allocate_lock()
                waiter.acquire()
                self.waiters.append(waiter)
            try:
                woken = _acquire(waiter, deadline)
            finally:
                if waiter in self.waiters:
                    with self.lock:
                        self.waiters = [other for other in self.waiters if other is not waiter]
            if not woken:
                with self.lock:
                    return satisfied()

    def __reduce__(self) -> tuple[Any, ...]:
        message = "results of a pool cannot be passed between processes or pickled: send their values"
        raise NotImplementedError(message)


def _acquire(waiter: LockType, deadline: float | None) -> bool:
    if deadline is None:
        return waiter.acquire()
    left = min(deadline - monotonic(), threading.TIMEOUT_MAX)
    return left > 0 and waiter.acquire(timeout=left)


class ApplyResult(Job):
    """The result of one call that was submitted to a pool.

    Documentation: multiprocessing.pool.AsyncResult.
    """

    def __init__(
        self,
        crew: Crew,
        pool: object,
        callback: Callable[[Any], object] | None = None,
        error_callback: Callable[[BaseException], object] | None = None,
    ) -> None:
        super().__init__(crew, pool)
        self._callback = callback
        self._error_callback = error_callback
        self.has_callbacks = callback is not None or error_callback is not None
        self._ok = True
        self._value: Any = None
        self.task: Task | None = None

    def ready(self) -> bool:
        """Return whether the call has completed."""
        return self._concluded

    def successful(self) -> bool:
        """Return whether the call completed without an exception; ValueError when it runs yet."""
        if not self._concluded:
            message = f"{self!r} not ready: call wait() first"
            raise ValueError(message)
        return self._ok

    def get(self, timeout: float | None = None) -> Any:  # noqa: ANN401 - the call's result
        """Return the result, or raise what the call raised; TimeoutError after *timeout* seconds."""
        self.wait(timeout)
        if not self._concluded:
            message = f"no result within {timeout} seconds"
            raise TimeoutError(message)
        if self._ok:
            return self._value
        try:
            raise self._value
        finally:
            del self  # or the traceback, and with it the result, would hold itself

    def take(self) -> Task | None:
        """Return the one task, once."""
        task, self.task = self.task, None
        return task

    def settle(self, task: Task, ok: bool, value: Any) -> bool:  # noqa: ANN401, ARG002, FBT001
        """Store the outcome."""
        if self._sealed:
            return False
        self._sealed = True
        self._ok, self._value = ok, value
        return True

    def seal(self, error: BaseException) -> None:
        """Fail."""
        self._ok, self._value, self.task = False, error, None

    def conclude(self) -> None:
        """Call the callback, then let `get` return."""
        callback = self._callback if self._ok else self._error_callback
        self._callback = self._error_callback = None
        if callback is not None:
            try:
                callback(self._value)
            except BaseException:  # noqa: BLE001 - the thread must go on; the user must see it
                threading.excepthook(
                    threading.ExceptHookArgs((*sys.exc_info(), threading.current_thread()))
                )
        super().conclude()


AsyncResult = ApplyResult


class MapResult(ApplyResult):
    """The result of a map: a list, or the error of the first item that failed.

    It is ready when every task has ended, failed ones or not.
    """

    def __init__(  # noqa: PLR0913 - one per column of the job
        self,
        crew: Crew,
        pool: object,
        kind: int,
        function: Callable[..., Any],
        items: Sequence[Any],
        chunksize: int,
        callback: Callable[[Any], object] | None = None,
        error_callback: Callable[[BaseException], object] | None = None,
    ) -> None:
        super().__init__(crew, pool, callback, error_callback)
        self._kind = kind
        self._function = function
        self._items = items
        self._chunksize = chunksize
        self._next = 0
        self._left = -(-len(items) // chunksize)
        self._failed = sys.maxsize  # the place of the first item that is known to have failed
        self._value = [None] * len(items)
        self.empty = len(items) == 0

    def take(self) -> Task | None:
        """Return the next chunk."""
        start = self._next
        if start >= len(self._items):
            return None
        self._next = stop = start + self._chunksize
        return Task(self, start, self._kind, self._function, self._items[start:stop])

    def settle(self, task: Task, ok: bool, value: Any) -> bool:  # noqa: ANN401, FBT001
        """Store a chunk's results."""
        if self._sealed:
            return False
        self._left -= 1
        if not ok:
            if task.index < self._failed:
                self._failed, self._ok, self._value = task.index, False, value
        elif self._ok:
            self._value[task.index : task.index + len(value)] = value
        self._sealed = self._left == 0
        return self._sealed

    def seal(self, error: BaseException) -> None:
        """Fail, and give out no further chunks."""
        self._next = len(self._items)
        super().seal(error)


class IMapIterator(Job):
    """The results of imap, in the order of the inputs. An item that failed raises, and the next ones follow.

    Documentation: multiprocessing.pool.Pool.imap.
    """

    def __init__(
        self, crew: Crew, pool: object, function: Callable[..., Any], supply: Supply
    ) -> None:
        super().__init__(crew, pool)
        self._function = function
        self._supply = supply
        self.fair = supply.endless
        self._taken = 0
        self._settled = 0
        self._length: int | None = None  # in tasks; None while the input goes on
        self._ready: deque[tuple[bool, Any]] = deque()
        self._error: BaseException | None = None
        self._early: dict[int, list[tuple[bool, Any]]] = {}  # chunks before whose turn it is
        self._due = 0

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:  # noqa: ANN401 - a result
        return self.next()

    def next(self, timeout: float | None = None) -> Any:  # noqa: ANN401 - a result
        """Return the next result; TimeoutError when there is none within *timeout* seconds."""
        while True:
            try:
                ok, value = self._ready.popleft()
                break
            except IndexError:  # nothing there, or another thread was quicker
                if self._concluded and not self._ready:
                    self._raise_end()
            if not self.crew.wait(self, self._has_next, timeout):
                message = f"no result within {timeout} seconds"
                raise TimeoutError(message)
        if ok:
            return value
        raise value

    def _raise_end(self) -> NoReturn:
        if self._error is not None:
            raise self._error
        raise StopIteration from None

    def _has_next(self) -> bool:
        return bool(self._ready) or self._concluded

    def take(self) -> Task | None:
        """Return the next chunk, if it is there yet."""
        if self._sealed:
            return None
        chunk = self._supply.take()
        if chunk is None:
            return None
        self._taken += 1
        return Task(self, self._taken - 1, EACH, self._function, chunk)

    def settle(self, task: Task, ok: bool, value: Any) -> bool:  # noqa: ANN401, FBT001
        """Store a chunk's results."""
        if self._sealed:
            return False
        self._settled += 1
        self._store(task.index, value if ok else [(False, value)])
        if self._ready:
            self._wake()
        self._sealed = self._settled == self._length
        return self._sealed

    def _store(self, index: int, outcomes: list[tuple[bool, Any]]) -> None:
        self._early[index] = outcomes
        while self._due in self._early:
            self._ready.extend(self._early.pop(self._due))
            self._due += 1

    def end(self, count: int, error: BaseException | None) -> bool:
        """Hear that the input gave *count* chunks, then ended or raised; return whether all is done."""
        self._length = count
        if error is None:
            self._sealed = self._sealed or self._settled == count
            return self._sealed
        self._length += 1
        return self.settle(Task(self, count, CALL, self._function, ()), False, error)

    def seal(self, error: BaseException) -> None:
        """Give what is there, then raise."""
        self._error = error
        self._supply.stop()


class IMapUnorderedIterator(IMapIterator):
    """The results of imap_unordered, in the order in which they come.

    Documentation: multiprocessing.pool.Pool.imap_unordered.
    """

    def _store(self, index: int, outcomes: list[tuple[bool, Any]]) -> None:  # noqa: ARG002
        self._ready.extend(outcomes)
