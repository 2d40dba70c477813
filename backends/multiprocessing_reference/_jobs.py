"""Jobs: what a call of a pool's method becomes, in the words of pool and crew.

A job gives out its tasks one by one (`take`), gets their outcomes (`settle`), and is concluded
once. Both are called with the crew's lock held, so they never run the user's code: callbacks run in
`conclude`, and a generator given to imap in a thread of its own (`_supply`).

A job keeps its pool alive until it is concluded, and no longer.
"""

from __future__ import annotations

import threading
from _pickle import dumps
from _thread import allocate_lock
from time import monotonic
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import TYPE_CHECKING, Any, Final, Protocol

from ._worker import plain
from .reduction import Packed, pack

if TYPE_CHECKING:
    from _thread import LockType
    from collections.abc import Callable


__all__ = ["CLOSE", "RUN", "TERMINATE", "Crew", "Job", "Task", "Waiter", "acquire"]

RUN: Final = "RUN"
CLOSE: Final = "CLOSE"
TERMINATE: Final = "TERMINATE"


class Waiter(Protocol):
    """What is released when a job has news: a lock, or what wakes a thread from its poll."""

    def release(self) -> None:
        """Wake up who waits."""


class Crew(Protocol):
    """The workers of a pool, processes or threads, and who hears of their results."""

    size: int
    lock: threading.Lock
    """Guards the crew's state and its jobs'; never held while the user's code runs."""
    state: str
    """RUN, CLOSE or TERMINATE."""

    def workers(self) -> list[Any]:
        """The processes or threads that take tasks, as they are now."""

    def unfinished(self) -> list[Job]:
        """The jobs that are not concluded."""

    def waiting(self) -> int:
        """How many jobs have tasks that no worker has got."""

    def check_running(self) -> None:
        """Raise ValueError unless the pool takes tasks."""

    def submit(self, job: Job) -> None:
        """Take in *job*; ValueError unless the pool runs."""

    def run(self, job: Job) -> None:
        """Take in *job* and return when it is concluded."""

    def wait(self, job: Job, satisfied: Callable[[], bool], timeout: float | None) -> bool:
        """Return once *satisfied* (called with the lock held), or False after *timeout* seconds."""

    def withdraw(self, job: Job) -> None:
        """Abort *job*: its caller will not have its results."""

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

    __slots__ = (
        "arguments",
        "function",
        "index",
        "job",
        "keywords",
        "kind",
        "number",
        "packed",
        "posted",
        "sender",
    )

    def __init__(  # noqa: PLR0913, PLR0917 - the documented parameters
        self,
        job: Job,
        index: int,
        kind: int,
        function: Callable[..., Any],
        arguments: Any,  # noqa: ANN401 - the user's own objects
        keywords: Any = None,  # noqa: ANN401 - the user's own objects
    ) -> None:
        self.job = job
        self.index = index
        self.kind = kind
        self.function = function
        self.arguments = arguments
        self.keywords = keywords
        self.number = 0  # in the line
        self.packed: Packed | None = None  # until it is sent
        self.posted = False  # whether it was sent
        self.sender = 0  # the thread that sends it

    @property
    def name(self) -> str:
        """The function's name, for messages."""
        name = getattr(self.function, "__qualname__", None)
        return name if isinstance(name, str) else type(self.function).__name__

    def discard(self) -> None:
        """Close the descriptors that it would have taken along."""
        if self.packed is not None:
            self.packed.close()

    def pack(self) -> Packed:
        """Return the task pickled; any exception of the user's classes comes through."""
        function = self.function
        message = (self.kind, function, self.arguments, self.keywords)
        if not self.keywords and plain(self.arguments) and _has_a_name(function):
            return Packed(dumps(message), ())
        return pack(message)


def _has_a_name(function: Callable[..., Any]) -> bool:
    """Return whether any pickler writes *function* by its name alone."""
    kind = type(function)
    return kind is FunctionType or (
        kind is BuiltinFunctionType and type(getattr(function, "__self__", None)) is ModuleType
    )


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

    def settle(self, task: Task, ok: bool, value: Any) -> bool:  # noqa: ANN401, FBT001 - the user's own objects
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
                woken = acquire(waiter, deadline)
            finally:
                if waiter in self.waiters:
                    with self.lock:
                        self.waiters = [other for other in self.waiters if other is not waiter]
            if not woken:
                with self.lock:
                    return satisfied()

    def __reduce__(self) -> tuple[Any, ...]:
        message = (
            "results of a pool cannot be passed between processes or pickled: send their values"
        )
        raise NotImplementedError(message)


def acquire(waiter: LockType, deadline: float | None) -> bool:
    """Acquire *waiter* before *deadline*, a time by `time.monotonic`; False when that has passed."""
    if deadline is None:
        return waiter.acquire()
    left = min(deadline - monotonic(), threading.TIMEOUT_MAX)
    return left > 0 and waiter.acquire(timeout=left)
