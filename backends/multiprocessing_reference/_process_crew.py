"""The worker processes of a pool at work, and the two ways of waiting for them.

Every worker has a channel; what waits is in the parent, first come, first served. Whoever frees a
worker gives it the next task, so there is no dispatching thread. While all are busy, a worker gets
further tasks behind the one that it runs, so that it need not wait for this process to have its turn on
a processor, which may be long in coming when others want it too; the shorter the tasks, the more.
Nothing stays behind a long task: the worker's end of the channel is open here as well, and who needs
a task takes back the first that the worker has not read. Who reads a worker's reply:

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

from math import inf
from time import monotonic
from typing import TYPE_CHECKING, Any

from ._channel import QUICK, READY, SMALL
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


_AT_A_TIME = 256
"""Replies that are taken from one worker before it is asked whether what is waited for has come."""
_PATIENCE = 0.01
"""Seconds that a task waits behind another before the next free worker gets it."""


class ProcessCrew(Staff):
    """See the module."""

    _look = 0.0
    """When it is looked again, whether a task waits behind a long one."""

    # Jobs come in.

    def submit(self, job: Job) -> None:
        """Take in *job*, for the helper to wait for."""
        self._enlist(job)
        self._hand_out(None)

    def run(self, job: Job) -> None:
        """Take in *job*; this thread itself waits for the workers that get its tasks."""
        job.ahead = (
            not job.alone
        )  # this thread can't wait for a worker that has others' tasks first
        self._enlist(job)
        with on_failure(self._give_up_waiting, job):
            self._hand_out(job)
            self.wait(job, job.is_concluded, None)

    def _give_up_waiting(self, job: Job) -> None:
        reason = PoolTerminatedError("the call was interrupted before this task was completed")
        with self.lock:
            job.abort(reason)
            for seat in self.seats:
                while len(seat.tasks) > 1 and seat.tasks[0].job is job:
                    task = seat.take_back()
                    if task is None:
                        break
                    if task.job is not job:  # else nobody needs its outcome
                        self._returned.append(task)
        self.forget(job)
        self._hand_out(None)

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
        now = monotonic()
        if now > self._look:
            self._look = now + _PATIENCE
            task = self._take_back(now - _PATIENCE)
            if task is not None:
                return task
        while self._sources:
            job = self._sources[0]
            task = job.take()
            if task is not None:
                if job.fair:
                    self._sources.rotate(-1)
                return task
            self._sources.popleft()
            job.listed = False
        return self._take_back(inf)

    def _take_back(self, before: float) -> Task | None:
        """Return a task that waits behind one which was begun *before*. The lock is held."""
        for seat in self.seats:
            if len(seat.tasks) > 1 and seat.heard <= before:
                task = seat.take_back()
                if task is not None:
                    return task
        return None

    def _further_task(self, seat: Seat) -> Task | None:
        """Give *seat*, which has a task, another one if it may have more. The lock is held."""
        if not self._may_have_more(seat):
            return None
        job = self._sources[0]
        if job.alone:
            fitting = seat.driver is None
        else:
            fitting = len(self._sources) == 1 and seat.tasks[-1].job is job
        if not fitting or not job.ahead:
            return None
        task = job.take()
        if task is None:
            self._sources.popleft()
            job.listed = False
        else:
            seat.add(task)
        return task

    def _may_have_more(self, seat: Seat) -> bool:
        """Whether all workers are busy, and this one may have further tasks. The lock is held."""
        count = len(seat.tasks)
        if not 0 < count <= seat.depth or seat.single or seat.ending or not seat.ready:
            return False
        if self._idle or self._returned or self._starting or not self._sources:
            return False
        return self._maxtasks is None or seat.served + count < self._maxtasks

    def _assign(self, seat: Seat, driver: Job | None) -> Task | None:
        """Give *seat*, which has no task, the next one, or its rest. The lock is held."""
        task = self._next_task()
        if task is None:
            seat.driver = None
            self._idle.append(seat)
            return None
        seat.add(task)
        if task.job is driver:
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
                if not self._idle or not (self._sources or self._returned or self._ahead()):
                    return
                seat = self._idle.pop()
                task = self._assign(seat, driver)
            if task is None:
                return
            self._send(seat, task, driver)

    def _ahead(self) -> bool:
        """Whether a worker has a task behind the one that it runs. The lock is held."""
        return any(len(seat.tasks) > 1 for seat in self.seats)

    def _send(self, seat: Seat, task: Task | None, driver: Job | None) -> None:
        """Send *task*, or when it can't be pickled the next one."""
        while task is not None:
            seat.unsure = True
            try:
                packed = task.pack()
            except Exception as error:  # noqa: BLE001 - whatever the user's code raises
                seat.unsure = False
                with self.lock:
                    if not seat.drop(task):
                        return  # whoever buried the worker has taken it
                self._settle(task, ok=False, value=error)
                with self.lock:
                    task = self._assign(seat, driver)
                continue
            seat.single = len(packed.data) > SMALL or bool(packed.fds)
            seat.heard = monotonic()
            try:
                if seat.single:
                    seat.channel.send(packed)
                else:
                    seat.channel.send_numbered(packed.data, task.number)
            except (EOFError, OSError):  # the worker ended before it read the task
                seat.unsure = False
                self._bury(seat, unread=True)
                return
            self._send_ahead(seat)
            seat.unsure = False
            self._leave_to_helper(seat)
            return

    def _leave_to_helper(self, seat: Seat) -> None:
        """Have the helper wait for *seat*, unless somebody does already."""
        if seat.driver is None and not seat.armed and not self.helper.arm(seat):
            self._bury(seat)

    def _send_ahead(self, seat: Seat) -> None:
        """Send what *seat* is to do next, while it is busy."""
        with self.lock:
            task = self._further_task(seat)
        if task is None:
            return
        while task is not None:
            sent = self._offer(seat, task)
            with self.lock:
                if not sent and seat.drop(task):
                    self._returned.appendleft(task)
                task = self._further_task(seat)
        self._hand_out(None)  # another worker may have become idle meanwhile

    def _offer(self, seat: Seat, task: Task) -> bool:
        """Send a further task, if it is small and there is room; else, or if that fails, it will be sent by itself."""
        try:
            packed = task.pack()
        except Exception:  # noqa: BLE001 - whatever the user's code raises, it will do so again
            return False
        if len(packed.data) > SMALL or packed.fds:
            packed.close()
            task.job.ahead = False
            return False
        if seat.channel.offer_numbered(packed.data, task.number):
            return True
        task.keep(packed.data)
        return False

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
        going_on = False
        outstanding = len(seat.tasks)
        for heard in range(1, _AT_A_TIME + 1):
            try:
                data, fds = seat.channel.try_receive()
            except BlockingIOError:
                seat.unsure = False
                if not going_on and seat.dead():
                    self._bury(seat)
                return
            except (EOFError, OSError):
                seat.unsure = False
                self._bury(seat)
                return
            going_on = self._hear(seat, data, fds, driver)
            if heard == outstanding:
                seat.had_too_little()
            if not going_on:
                return
        seat.unsure = False

    def _hear(
        self, seat: Seat, data: bytes | bytearray, fds: list[int], driver: Job | None
    ) -> bool:
        """Take a reply; return whether the caller may go on with the worker's next one. Then it is unsure yet."""
        if not seat.ready:
            self._hear_start(seat, data, fds)
            return False
        with self.lock:
            task = seat.answer(quick=data[-1:] == QUICK)
            busy = bool(seat.tasks) and not seat.ending
            going_on = (
                busy and task is not None and _belong_together(task.job, seat.tasks[0].job, driver)
            )
            retired = seat.served == self._maxtasks and seat in self.seats
            following = None
            if retired or (busy and not going_on):
                seat.driver = None
            if retired:
                self.seats.remove(seat)
                self._retired.append(seat)
            elif not busy and not seat.ending:
                following = self._assign(seat, driver)
            seat.unsure = busy
        # Before all else: the worker must not wait.
        if busy:
            self._send_ahead(seat)
        else:
            self._send(seat, following, driver)
        if busy and not going_on:
            seat.unsure = False
            self._leave_to_helper(seat)
        if retired:
            self._retire(seat)
        if task is not None:
            self._settle(task, *_decode(data, fds, task))
        return going_on

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


def _belong_together(job: Job, following: Job, driver: Job | None) -> bool:
    """Whether who hears of a task of *job* may go on with one of *following*, before others can take the worker."""
    if following is job:
        return True
    quiet = job.alone and following.alone and not (job.has_callbacks or following.has_callbacks)
    return quiet and driver is None


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
