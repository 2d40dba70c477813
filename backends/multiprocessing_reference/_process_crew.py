"""The worker processes of a pool at work, and the two ways of waiting for them.

Every worker has a channel and at most one task; what waits is in the parent, first come, first
served. Whoever frees a worker gives it the next task, so there is no dispatching thread. Who
reads a worker's reply:

- the caller itself, where one waits (apply, map, get, the next of imap). No other thread is
  woken, and a pool used only so has no thread of its own.
- a helper thread, for all else. It starts with the first task that nobody waits for, and calls
  the callbacks.

``Seat.driver`` says which. Locking: ``lock`` guards all fields of the crew, its staff, helper and
jobs, and is never held while a message is sent, pickled or unpickled, a process started or ended,
or a callback runs. ``Seat.unsure`` marks the moments in which a message is half sent or received:
nobody else takes the worker then, and if the caller is interrupted then, the worker is given up.

Documentation: multiprocessing.pool.Pool.
"""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Any

from ._channel import READY
from ._failures import MaybeEncodingError, PoolTerminatedError, with_remote_cause
from ._jobs import TERMINATE
from ._seat import Seat, Watch
from ._staff import Staff
from ._undo import on_failure
from ._worker import EACH
from .reduction import unpack

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._jobs import Job, Task

__all__ = ["ProcessCrew"]


class ProcessCrew(Staff):
    """See the module."""

    # Jobs come in.

    def submit(self, job: Job) -> None:
        """Take in *job*, for the helper to wait for."""
        self._enlist(job)
        self._hand_out(None)

    def run(self, job: Job) -> None:
        """Take in *job*; this thread itself waits for the workers that get its tasks."""
        self._enlist(job)
        with on_failure(self._give_up_waiting, job):
            self._hand_out(job)
            self.wait(job, job.is_concluded, None)

    def _give_up_waiting(self, job: Job) -> None:
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
            idle = bool(self._idle)
        if idle:
            self._hand_out(None)

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
            except Exception as error:  # noqa: BLE001 - whatever the user's code raises
                seat.unsure = False
                self._settle(task, ok=False, value=error)
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
        """Serve the workers that have tasks of *job* until *satisfied*, or *timeout* seconds.

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
                    if mine and watch.bell not in job.waiters:
                        job.waiters.append(watch.bell)
                if not mine:
                    return job.sleep(satisfied, deadline and deadline - monotonic())
                talking = watch.wait(mine, deadline)
                if talking is None:
                    return False
                for seat in talking:
                    self.reap(seat, job)
        finally:
            self._release(job, watch)

    def _adopt(self, job: Job) -> list[Seat]:
        """Return the workers that have tasks of *job*, for its caller. The lock is held."""
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

    def _release(self, job: Job, watch: Watch) -> None:
        """Let the helper wait for the workers that still have tasks of *job*."""
        with self.lock:
            if job.waiters:
                job.waiters = [other for other in job.waiters if other is not watch.bell]
            mine = [seat for seat in self.seats if seat.driver is job]
            terminated = self.state == TERMINATE
            for seat in mine:
                seat.driver = None
        for seat in mine:
            if seat.unsure:  # half of a message may be lost: it can't be talked to any more
                seat.process.kill()
            if terminated or not self.helper.arm(seat):
                self._bury(seat, unread=terminated)

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
            seat.unsure = False
        self._send(seat, following, driver)  # before all else: the worker must not wait
        if retired:
            self._retire(seat)
        if task is not None:
            self._settle(task, *_decode(data, fds, task))

    def _hear_start(self, seat: Seat, data: bytes | bytearray, fds: list[int]) -> None:
        if data == READY:
            with self.lock:
                seat.ready = True
                seat.unsure = False
                self._false_starts = 0
        else:
            seat.unsure = False
            self._start_error = _decode(data, fds, None)[1]

    def _settle(self, task: Task, ok: bool, value: object) -> None:  # noqa: FBT001 - an outcome
        with self.lock:
            last = task.job.settle(task, ok, value)
        if last:
            self.conclude(task.job)

    def conclude(self, job: Job) -> None:
        """Conclude *job*, in the helper's thread when there is something to call."""
        if not job.has_callbacks or not self.helper.takes(job):
            job.conclude()


def _decode(data: bytes | bytearray, fds: list[int], task: Task | None) -> tuple[bool, Any]:
    """Return the outcome that a reply tells, remote tracebacks in their place."""
    try:
        ok, value = unpack(data, fds)
    except Exception as error:  # noqa: BLE001 - whatever the user's code raises
        name = getattr(getattr(task, "function", None), "__qualname__", "a task")
        failure = MaybeEncodingError(error, f"<result of {name}()>")
        failure.__cause__ = error
        return False, failure
    if not ok:
        return False, with_remote_cause(*value)
    if task is not None and task.kind == EACH:
        value = [item if item[0] else (False, with_remote_cause(*item[1])) for item in value]
    return ok, value
