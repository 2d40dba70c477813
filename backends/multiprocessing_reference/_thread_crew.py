"""The worker threads of a ThreadPool.

Every thread takes the next task from the jobs in the parent's memory, runs it and settles it: no
channel, no pickling, no helper. Callbacks run in the worker that completed the job.

Documentation: multiprocessing.pool.ThreadPool.
"""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING, Any

from ._failures import BrokenPoolError, PoolTerminatedError
from ._jobs import CLOSE, RUN, TERMINATE
from ._worker import perform
from .dummy import DummyProcess

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ._jobs import Job, Task

__all__ = ["ThreadCrew"]


class ThreadCrew:
    """See the module."""

    def __init__(
        self, size: int, initializer: Callable[..., object] | None, initargs: Iterable[Any]
    ) -> None:
        self.size = size
        self.lock = threading.Lock()
        self.state = RUN
        self._work = threading.Condition(self.lock)  # there is a task, or the end
        self._all_done = threading.Condition(self.lock)
        self._sources: deque[Job] = deque()
        self._jobs: set[Job] = set()
        self._false_starts = 0
        self._broken: BrokenPoolError | None = None
        self._threads = [
            DummyProcess(target=self._serve, args=(initializer, tuple(initargs)), daemon=True)
            for _ in range(size)
        ]
        for thread in self._threads:
            thread.start()

    def workers(self) -> list[DummyProcess]:
        """The threads, as they are now."""
        return [thread for thread in self._threads if thread.is_alive()]

    def unfinished(self) -> list[Job]:
        """The jobs that are not concluded."""
        with self.lock:
            return list(self._jobs)

    def waiting(self) -> int:
        """How many jobs have tasks that no worker has got."""
        return len(self._sources)

    def check_running(self) -> None:
        """Raise ValueError unless the pool takes tasks."""
        if self.state != RUN:
            message = f"Pool not running: its state is {self.state}, it takes no further tasks"
            raise ValueError(message)

    def submit(self, job: Job) -> None:
        """Take in *job*."""
        with self.lock:
            self.check_running()
            self._jobs.add(job)
            broken = self._broken
            if broken is None:
                job.listed = True
                self._sources.append(job)
                self._work.notify_all()
        if broken is not None:
            job.fail(broken)

    def run(self, job: Job) -> None:
        """Take in *job* and wait for it."""
        self.submit(job)
        job.sleep(job.is_concluded, None)

    def wait(self, job: Job, satisfied: Callable[[], bool], timeout: float | None) -> bool:
        """Return once *satisfied*, or False after *timeout* seconds."""
        return job.sleep(satisfied, timeout)

    def withdraw(self, job: Job) -> None:
        """Abort *job*, whose caller will not have its results."""
        reason = PoolTerminatedError("the call was interrupted before this task was completed")
        with self.lock:
            job.abort(reason)
        self.forget(job)

    def offer(self, job: Job) -> None:
        """Hear that *job* has further tasks."""
        with self.lock:
            if not job.listed and not job.is_concluded():
                job.listed = True
                self._sources.append(job)
            self._work.notify()

    def conclude(self, job: Job) -> None:
        """Conclude *job* here."""
        job.conclude()

    def forget(self, job: Job) -> None:
        """Hear that *job* is concluded."""
        with self.lock:
            self._jobs.discard(job)
            if not self._jobs:
                self._all_done.notify_all()
                self._work.notify_all()

    def _serve(self, initializer: Callable[..., object] | None, initargs: Iterable[Any]) -> None:
        if initializer is not None:
            try:
                initializer(*initargs)
            except BaseException as error:
                self._count_false_start(error)
                raise
        while True:
            with self.lock:
                task = self._next_task()
                while task is None:
                    if self.state == TERMINATE or (self.state == CLOSE and not self._jobs):
                        return
                    self._work.wait()
                    task = self._next_task()
            ok, value = perform(task.kind, task.function, task.arguments, task.keywords)
            with self.lock:
                last = task.job.settle(task, bool(ok), value)
            if last:
                task.job.conclude()
            del task, value  # may be large, and the next task may be long in coming

    def _next_task(self) -> Task | None:
        while self._sources and self.state != TERMINATE:
            job = self._sources[0]
            task = job.take()
            if task is not None:
                if job.fair:
                    self._sources.rotate(-1)
                return task
            self._sources.popleft()
            job.listed = False
        return None

    def _count_false_start(self, cause: BaseException) -> None:
        """Fail all jobs once no thread is left to do them."""
        with self.lock:
            self._false_starts += 1
            if self._false_starts < self.size:
                return
            error = BrokenPoolError(
                f"the pool's {self.size} worker threads can't start, because its initializer raised"
            )
            error.__cause__ = cause
            self._broken = error
            jobs = list(self._jobs)
            self._sources.clear()
        for job in jobs:
            job.fail(error)

    def close(self) -> None:
        """Take in no further jobs; the threads end after the last one."""
        with self.lock:
            if self.state == RUN:
                self.state = CLOSE
            self._work.notify_all()

    def terminate(self) -> None:
        """Fail what is not completed; a thread ends after the task that it runs."""
        error = PoolTerminatedError("the pool was terminated before this task was completed")
        with self.lock:
            self.state = TERMINATE
            for job in self._jobs:
                job.abort(error)
            self._jobs.clear()
            self._sources.clear()
            self._all_done.notify_all()
            self._work.notify_all()

    def abandon(self) -> None:
        """Terminate: the pool was collected."""
        self.terminate()

    def join(self) -> None:
        """Wait for the threads to end."""
        for thread in self._threads:
            thread.join()
