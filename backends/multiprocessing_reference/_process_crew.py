"""The worker processes of a pool, and the two ways of waiting for them.

Every worker has a channel and at most one task; what waits is in the parent, first come, first served. Whoever
frees a worker gives it the next task, so there is no dispatching thread. Who reads a worker's reply:

- the caller itself, when it waits anyway (`run`: apply, map, starmap). No other thread is woken; a pool used
  only so has no thread of its own.
- a helper thread, for all else. It starts with the first task that nobody waits for, and calls the callbacks.

``Seat.driver`` says which. A worker that ends is noticed by whoever watches it: its task fails (or is given to
another, when the worker died before it was ready for work), and it is replaced. When as many workers as the
pool has die one after the other before they are ready, the pool is broken, and says so.

Locking: ``lock`` guards all fields, and is never held while a message is sent, pickled or unpickled, a process
started or ended, or a callback runs.

Documentation: multiprocessing.pool.Pool.
"""

from __future__ import annotations

import threading
from collections import deque
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

from ._channel import READY
from ._failures import (
    BrokenPoolError,
    MaybeEncodingError,
    PoolTerminatedError,
    WorkerLostError,
    with_remote_cause,
)
from ._helper import Helper
from ._seat import Seat, Watch, start_worker
from ._worker import EACH
from .reduction import unpack
from .util import Finalize

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ._results import Job, Task
    from .context import BaseContext

__all__ = ["CLOSE", "RUN", "TERMINATE", "ProcessCrew"]

RUN: Final = "RUN"
CLOSE: Final = "CLOSE"
TERMINATE: Final = "TERMINATE"


class ProcessCrew:
    """See the module."""

    def __init__(
        self,
        context: BaseContext,
        size: int,
        initializer: Callable[..., object] | None,
        initargs: Iterable[Any],
        maxtasks: int | None,
    ) -> None:
        self.size = size
        self.lock = threading.Lock()
        self.state = RUN
        self.helper = Helper(self)
        self.seats: list[Seat] = []
        self._new_worker = (context, initializer, initargs, maxtasks)
        self._maxtasks = maxtasks
        self._starting = 0
        self._idle: list[Seat] = []
        self._retired: list[Seat] = []
        self._sources: deque[Job] = deque()  # jobs with tasks to give
        self._returned: deque[Task] = deque()  # tasks whose worker never came to work
        self._jobs: set[Job] = set()
        self._all_done = threading.Condition(self.lock)
        self._false_starts = 0  # workers in a row that ended before they were ready
        self._broken: BrokenPoolError | None = None
        self._start_error: BaseException | None = None
        self._ended = False
        self._finalizer = Finalize(None, self.terminate, exitpriority=15)
        try:
            for _ in range(size):
                self._add(start_worker(*self._new_worker))
        except BaseException:
            self.terminate()
            raise

    # Jobs come in.

    def submit(self, job: Job) -> None:
        """Take in *job*, for the helper to wait for."""
        self._enlist(job)
        self._hand_out(None)

    def run(self, job: Job) -> None:
        """Take in *job*; this thread itself waits for the workers that get its tasks."""
        self._enlist(job)
        try:
            self._hand_out(job)
            self.wait(job, job.is_concluded, None)
        except BaseException:
            with self.lock:
                job.abort(PoolTerminatedError("the call was interrupted before this task was completed"))
            self.forget(job)
            raise

    def offer(self, job: Job) -> None:
        """Hear that *job* has further tasks."""
        with self.lock:
            if not job.listed and not job.is_concluded():
                job.listed = True
                self._sources.append(job)
            idle = bool(self._idle)
        if idle:
            self._hand_out(None)

    def check_running(self) -> None:
        """Raise ValueError unless the pool takes tasks."""
        if self.state != RUN:
            message = f"Pool not running: its state is {self.state}, it takes no further tasks"
            raise ValueError(message)

    def _enlist(self, job: Job) -> None:
        with self.lock:
            self.check_running()
            self._jobs.add(job)
            broken = self._broken
            if broken is None:
                job.listed = True
                self._sources.append(job)
        if broken is not None:
            job.fail(broken)

    def forget(self, job: Job) -> None:
        """Hear that *job* is concluded."""
        with self.lock:
            self._jobs.discard(job)
            leave = self._leaving()
        self._dismiss(leave)

    # Tasks go out.

    def _next_task(self) -> Task | None:
        """Return the task whose turn it is. The lock is held."""
        if self._returned:
            return self._returned.popleft()
        while self._sources:
            job = self._sources[0]
            task = job.take()
            if task is not None:
                if job.fair:
                    self._sources.rotate(-1)
                return task
            self._sources.popleft()
            job.listed = False
        return None

    def _assign(self, seat: Seat, driver: Job | None) -> Task | None:
        """Give *seat* the next task, or its rest. The lock is held."""
        seat.task = task = self._next_task()
        if task is None:
            seat.driver = None
            self._idle.append(seat)
        elif task.job is driver:
            seat.driver = driver
            if seat.armed:
                self.helper.disarm(seat)
        else:
            seat.driver = None
        return task

    def _hand_out(self, driver: Job | None) -> None:
        """Give tasks to the idle workers; those of *driver* are its caller's to wait for."""
        while True:
            with self.lock:
                if not self._idle or not (self._sources or self._returned):
                    return
                seat = self._idle.pop()
                task = self._assign(seat, driver)
            if task is None:
                return
            self._send(seat, task, driver)

    def _send(self, seat: Seat, task: Task | None, driver: Job | None) -> None:
        """Send *task*, or when it can't be pickled the next one."""
        while task is not None:
            seat.unsure = True
            try:
                packed = task.pack()
            except Exception as error:  # noqa: BLE001 - whatever the user's classes raise
                seat.unsure = False
                self._settle(task, False, error)
                with self.lock:
                    task = self._assign(seat, driver)
                continue
            try:
                seat.channel.send(packed)
            except OSError:  # the worker ended before it read the task
                seat.unsure = False
                self._bury(seat, unread=True)
                return
            seat.unsure = False
            if seat.driver is None and not seat.armed:
                self.helper.arm(seat)
            return

    # Replies come in.

    def wait(self, job: Job, satisfied: Callable[[], bool], timeout: float | None) -> bool:
        """Serve the workers that have tasks of *job* until *satisfied*, for *timeout* seconds at most.

        The helper wakes this thread up when it, too, serves workers of the job.
        """
        if job.has_callbacks:
            return job.sleep(satisfied, timeout)
        deadline = None if timeout is None else monotonic() + timeout
        watch = Watch()
        try:
            while True:
                with self.lock:
                    if satisfied():
                        return True
                    mine = self._adopt(job)
                    if mine:
                        job.waiters.append(watch.bell)
                if not mine:
                    return job.sleep(satisfied, deadline and deadline - monotonic())
                talking = watch.wait(mine, deadline)
                with self.lock:
                    job.waiters = [other for other in job.waiters if other is not watch.bell]
                if talking is None:
                    return False
                for seat in talking:
                    self.reap(seat, job)
        finally:
            self._release(job, watch)

    def _adopt(self, job: Job) -> list[Seat]:
        """Return the workers that have tasks of *job*, for its caller to serve. The lock is held."""
        mine = []
        for seat in self.seats:
            if seat.task is not None and seat.task.job is job and not seat.unsure:
                if seat.driver is None:
                    seat.driver = job
                    if seat.armed:
                        self.helper.disarm(seat)
                if seat.driver is job:
                    mine.append(seat)
        return mine

    def reap(self, seat: Seat, driver: Job | None) -> None:
        """Take what *seat* sent; its process may have ended as well."""
        seat.unsure = True
        try:
            data, fds = seat.channel.try_receive()
        except BlockingIOError:
            seat.unsure = False
            if seat.dead():
                self._bury(seat)
            return
        except (EOFError, OSError):
            seat.unsure = False
            self._bury(seat)
            return
        self._hear(seat, data, fds, driver)
        seat.unsure = False

    def _hear(
        self, seat: Seat, data: bytes | bytearray, fds: list[int], driver: Job | None
    ) -> None:
        if not seat.ready:
            self._hear_start(seat, data, fds)
            return
        with self.lock:
            task, seat.task = seat.task, None
            seat.served += 1
            retired = seat.served == self._maxtasks and seat in self.seats
            following = None
            if retired:
                seat.driver = None
                self.seats.remove(seat)
                self._retired.append(seat)
            elif not seat.ending:
                following = self._assign(seat, driver)
        self._send(seat, following, driver)  # before all else: the worker must not wait
        if retired:
            self._retire(seat)
        if task is not None:
            self._settle(task, *_decode(data, fds, task))

    def _hear_start(self, seat: Seat, data: bytes | bytearray, fds: list[int]) -> None:
        if data == READY:
            with self.lock:
                seat.ready = True
                self._false_starts = 0
        else:
            self._start_error = _decode(data, fds, None)[1]

    def _settle(self, task: Task, ok: bool, value: object) -> None:  # noqa: FBT001
        with self.lock:
            last = task.job.settle(task, ok, value)
        if last:
            self.conclude(task.job)

    def conclude(self, job: Job) -> None:
        """Conclude *job*, in the helper's thread when there is something to call."""
        if not job.has_callbacks or not self.helper.takes(job):
            job.conclude()

    # Workers come and go.

    def _add(self, seat: Seat) -> None:
        with self.lock:
            stay = self.state == RUN or (self.state == CLOSE and bool(self._jobs))
            if stay:
                self.seats.append(seat)
                self._idle.append(seat)
                self.helper.watch(seat)
        if not stay:
            seat.process.kill()
            seat.channel.close()
            seat.end()

    def _retire(self, seat: Seat) -> None:
        """Let go of a worker that has had its tasks; a fresh one takes its place."""
        with self.lock:
            self.helper.unwatch(seat)
        seat.channel.close()
        self._replace()
        with self.lock:
            ended = [old for old in self._retired if old.dead()]
            self._retired = [old for old in self._retired if old not in ended]
        for old in ended:
            old.end()

    def _bury(self, seat: Seat, *, unread: bool = False) -> None:
        """Clear up after a worker that has ended, whose last messages may be there yet."""
        with self.lock:
            self.helper.unwatch(seat)
            seat.ending = True
            driver = seat.driver
        while not unread:
            try:
                data, fds = seat.channel.try_receive()
            except (EOFError, OSError):
                break
            self._hear(seat, data, fds, driver)
        with self.lock:
            if seat.gone or seat not in self.seats:
                return
            seat.gone = True
            self.seats.remove(seat)
            if seat in self._idle:
                self._idle.remove(seat)
            task, seat.task = seat.task, None
        seat.channel.close()
        code = seat.end()
        if not seat.ready:
            self._count_false_start(seat, code)
        if task is not None:
            self._give_up(task, seat, code, started=seat.ready and not unread)
        self._replace()

    def _give_up(self, task: Task, seat: Seat, code: int | None, *, started: bool) -> None:
        """Fail the task of a dead worker, or keep it for another one when it never started."""
        with self.lock:
            if not started and self._broken is None and self.state != TERMINATE:
                self._returned.append(task)
                return
        name = getattr(task.function, "__qualname__", repr(task.function))
        message = (
            f"the worker {seat.process.name} (pid {seat.process.pid}) ended {_manner(code)} while it ran "
            f"{name}(); this task is lost, the worker is replaced. Look there for os._exit(), a crash "
            "in native code, or a signal, perhaps for want of memory"
        )
        self._settle(task, False, WorkerLostError(message))

    def _count_false_start(self, seat: Seat, code: int | None) -> None:
        with self.lock:
            self._false_starts += 1
            if self.state == TERMINATE or self._false_starts < self.size:
                return
        why = "its initializer raised" if self._start_error else f"it ended {_manner(code)}"
        self._break(
            f"the pool's workers can't start: {self._false_starts} in a row ended before they were ready, "
            f"the last one, {seat.process.name}, because {why}",
            self._start_error,
        )

    def _break(self, message: str, cause: BaseException | None) -> None:
        error = BrokenPoolError(message)
        error.__cause__ = cause
        with self.lock:
            self._broken = error
            jobs = list(self._jobs)
            self._sources.clear()
            self._returned.clear()
        for job in jobs:
            job.fail(error)

    def _replace(self) -> None:
        """Start workers until there are as many as there should be."""
        while True:
            with self.lock:
                wanted = self.state == RUN or (self.state == CLOSE and self._jobs)
                if self._broken or not wanted or len(self.seats) + self._starting >= self.size:
                    return
                self._starting += 1
            seat: Seat | None = None
            try:
                seat = start_worker(*self._new_worker)
                self._add(seat)
            except Exception as error:  # noqa: BLE001 - no memory, no more processes allowed, ...
                if not self.seats:
                    self._break("no worker of the pool is left, and none can be started", error)
                return
            finally:
                with self.lock:
                    self._starting -= 1
            self._hand_out(None)

    def _release(self, job: Job, watch: Watch) -> None:
        """Let the helper wait for the workers that still have tasks of *job*."""
        with self.lock:
            job.waiters = [other for other in job.waiters if other is not watch.bell]
            mine = [seat for seat in self.seats if seat.driver is job]
            terminated = self.state == TERMINATE
            for seat in mine:
                seat.driver = None
        for seat in mine:
            if terminated:
                self._bury(seat, unread=True)
                continue
            if seat.unsure:  # half of a message may be lost: this worker can't be talked to any more
                seat.process.kill()
            self.helper.arm(seat)

    # The end.

    def close(self) -> None:
        """Take in no further jobs; the workers leave after the last one."""
        with self.lock:
            if self.state == RUN:
                self.state = CLOSE
            leave = self._leaving()
        self._dismiss(leave)

    def _leaving(self) -> list[Seat]:
        """Return the workers that may go now. The lock is held."""
        if self._jobs:
            return []
        self._all_done.notify_all()
        return list(self.seats) if self.state == CLOSE else []

    def _dismiss(self, seats: list[Seat]) -> None:
        for seat in seats:
            seat.channel.hang_up()

    def terminate(self) -> None:
        """End all workers; fail what they have not completed."""
        error = PoolTerminatedError("the pool was terminated before this task was completed")
        with self.lock:
            done, self.state = self.state == TERMINATE or self._ended, TERMINATE
            if done:
                return
            seats, jobs = self.seats + self._retired, list(self._jobs)
            self._sources.clear()
            self._returned.clear()
        for seat in seats:
            seat.process.terminate()
        self.helper.stop()
        with self.lock:
            for job in jobs:
                job.abort(error)
            self._jobs.clear()
            self._all_done.notify_all()
        self._clear(seats)

    def abandon(self) -> None:
        """Terminate, in the helper's thread if there is one: this one may hold the lock."""
        if not self.helper.abandon():
            self.terminate()

    def join(self) -> None:
        """Wait for the last job, then for the workers."""
        if self.helper.is_current():
            message = "join() was called in a callback of the pool, which it would wait for"
            raise RuntimeError(message)
        with self.lock:
            while self._jobs and self.state != TERMINATE:
                self._all_done.wait()
            seats = self.seats + self._retired
            if self.state == TERMINATE or self._ended:
                return
            self._ended = True
        self._dismiss(seats)
        for seat in seats:
            seat.process.join()
        self.helper.stop()
        self._clear(seats)

    def _clear(self, seats: list[Seat]) -> None:
        """Wait for the processes, and let go of all that was theirs."""
        for seat in seats:
            seat.end()
            with self.lock:
                ours = seat.driver is None and not seat.gone  # else its caller closes it
                seat.gone = seat.gone or ours
            if ours:
                seat.channel.close()
        with self.lock:
            self.seats = [seat for seat in self.seats if seat.driver is not None]
            self._retired.clear()
            self._idle.clear()
        self._finalizer.cancel()


def _manner(code: int | None) -> str:
    return f"by signal {-code}" if code is not None and code < 0 else f"with exit code {code}"


def _decode(data: bytes | bytearray, fds: list[int], task: Task | None) -> tuple[bool, Any]:
    """Return the outcome that a reply tells, remote tracebacks in their place."""
    try:
        ok, value = unpack(data, fds)
    except Exception as error:  # noqa: BLE001 - whatever the user's classes raise
        name = getattr(getattr(task, "function", None), "__qualname__", "a task")
        failure = MaybeEncodingError(error, f"<result of {name}()>")
        failure.__cause__ = error
        return False, failure
    if not ok:
        return False, with_remote_cause(*value)
    if task is not None and task.kind == EACH:
        value = [item if item[0] else (False, with_remote_cause(*item[1])) for item in value]
    return ok, value
