"""The worker processes of a pool at work.

What waits is in the parent, first come, first served, but for a few tasks for each worker that are
in the line (`_line`) already, more where the parent can't keep up. Whoever adds a task or hears of
the end of one fills the line up: there is no dispatching thread. `_replies` says who hears.

Locking: ``lock`` guards all fields of the crew, its staff, line, replies, helper and jobs, and is
never held while a message is sent, pickled or unpickled, a process started or ended, or a callback
runs.

Documentation: multiprocessing.pool.Pool.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._channel import READY, WANTED
from ._failures import (
    MaybeEncodingError,
    PoolTerminatedError,
    WorkerLostError,
    with_remote_cause,
)
from ._jobs import CLOSE
from ._line import NUMBER
from ._staff import Staff
from ._undo import on_failure
from ._worker import EACH
from .reduction import unpack

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._jobs import Job, Task
    from ._seat import Seat
    from .reduction import Packed

__all__ = ["ProcessCrew"]

_AT_A_TIME = 64  # replies of one worker, before the others' are read


class ProcessCrew(Staff):
    """See the module."""

    # Jobs come in.

    def submit(self, job: Job) -> None:
        """Take in *job*, for the helper to wait for."""
        self._enlist(job)
        with on_failure(self.withdraw, job):
            self._hand_out_unattended()

    def run(self, job: Job) -> None:
        """Take in *job*, and wait for it."""
        self._enlist(job)
        with on_failure(self.withdraw, job):
            self.replies.wait(job, job.is_concluded, None, self.hand_out)

    def wait(self, job: Job, satisfied: Callable[[], bool], timeout: float | None) -> bool:
        """Wait until *satisfied*, or *timeout* seconds; False when the time is up."""
        if job.has_callbacks:  # the helper concludes it, so reading would not do
            return job.sleep(satisfied, timeout)
        return self.replies.wait(job, satisfied, timeout)

    def withdraw(self, job: Job) -> None:
        """Abort *job*, whose caller will not have its results; nobody else has it."""
        reason = PoolTerminatedError("the call was interrupted before this task was completed")
        with self.lock:
            job.abort(reason)
            self._returned.extendleft(reversed(self.line.take_back()))
        self.forget(job)
        self._hand_out_unattended()

    def offer(self, job: Job) -> None:
        """Hear that *job* has further tasks."""
        with self.lock:
            if not job.listed and not job.is_concluded():
                job.listed = True
                self._sources.append(job)
        self._hand_out_unattended()

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

    def has_waiting(self) -> bool:
        """Return whether tasks wait that may enter the line. The lock is held."""
        return bool(self._returned or self._sources) and self.line.has_room()

    def _hand_out_unattended(self) -> None:
        """Fill up the line for nobody that waits: the helper shall."""
        self.hand_out()
        with self.lock:
            self.replies.attend()

    # Tasks go out.

    def _next_task(self) -> Task | None:
        """Return the task whose turn it is. The lock is held."""
        while self._returned:
            again = self._returned.popleft()
            if not again.job.is_concluded():
                return again
            again.discard()
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

    def hand_out(self) -> None:
        """Fill up the line."""
        with on_failure(self._put_back):
            while True:
                with self.lock:
                    task = self._next_task() if self.line.has_room() else None
                    if task is None:
                        return
                    self.line.enter(task)
                packed = task.packed or self._pack(task)
                if packed is not None and not self.line.post(task, packed):
                    self._put_back()
                    return

    def _pack(self, task: Task) -> Packed | None:
        try:
            return task.pack()
        except Exception as error:  # noqa: BLE001 - whatever the user's code raises
            self._settle(task, ok=False, value=error)
            return None

    def _put_back(self) -> None:
        """Keep for later what this thread has taken, and not sent."""
        with self.lock:
            self._returned.extendleft(reversed(self.line.unposted()))

    # Replies come in. One thread at a time does this.

    def reap(self, seat: Seat, *, ended: bool) -> int:
        """Take what *seat* sent, or bury it; return how many messages there were."""
        if ended:
            if seat.dead():
                self._bury(seat)
            return 0
        heard = 0
        while heard < _AT_A_TIME:
            self.replies.unsure = seat
            try:
                data, fds = seat.channel.try_receive()
            except BlockingIOError:
                self.replies.unsure = None
                break
            except (EOFError, OSError):
                self.replies.unsure = None
                self._hear_end(seat)
                break
            self._hear(seat, data, fds)
            heard += 1
            if seat not in self.seats or not self.line:
                break
        return heard

    def _hear_end(self, seat: Seat) -> None:
        """Bury who hung up, unless it was dismissed: it may take its time to end."""
        with self.lock:
            dismissed = self.state == CLOSE and not self._jobs
            if dismissed:
                self.replies.unwatch(seat, until_ended=True)
        if not dismissed:
            self._bury(seat)

    def _hear(self, seat: Seat, data: bytes | bytearray, fds: list[int]) -> None:
        if not seat.ready:
            self._hear_start(seat, data, fds)
            return
        (number,) = NUMBER.unpack(data[-NUMBER.size :])
        if data[:1] == WANTED:
            self._send_large(seat, number)
            return
        with self.lock:
            task = self.line.answered(number)
            seat.served += 1
            retired = seat.served == self._maxtasks and seat in self.seats
            if retired:
                self.seats.remove(seat)
                self._retired.append(seat)
                self.replies.unwatch(seat)
            low = self.line.is_low()
        if low:
            self.hand_out()  # before all else: the workers must not wait
        if retired:
            self._retire(seat)
        if task is not None:
            self._settle(task, *_decode(data, fds, task))
        self.replies.unsure = None

    def _hear_start(self, seat: Seat, data: bytes | bytearray, fds: list[int]) -> None:
        if data == READY:
            with self.lock:
                seat.ready = True
                self.replies.unsure = None
                self._false_starts = 0
        else:
            self.replies.unsure = None
            self._start_error = _decode(data, fds, None)[1]

    def _send_large(self, seat: Seat, number: int) -> None:
        if seat.ending:
            return  # the task is still announced, so it goes to another worker
        seat.channel.midway = True
        with self.lock:
            packed = self.line.large(number)
        if packed is not None:
            try:
                seat.channel.send(packed)
            except OSError:  # the worker ended before it had read all of it
                with self.lock:
                    task = self.line.leave(number)
                    if task is not None:
                        self._returned.appendleft(task)
        self.replies.unsure = None

    def _settle(self, task: Task, ok: bool, value: object) -> None:  # noqa: FBT001 - an outcome
        with self.lock:
            self.line.leave(task.number)
            last = task.job.settle(task, ok, value)
        if last:
            self.conclude(task.job)

    def _lose(self, task: Task) -> None:
        """Fail a task whose reply is lost, for the thread that received it was interrupted."""
        message = "the result was lost: the thread that was receiving it was interrupted"
        self._settle(task, ok=False, value=WorkerLostError(message))

    def conclude(self, job: Job) -> None:
        """Conclude *job*, in the helper's thread when there is something to call."""
        if not job.has_callbacks or not self.helper.takes(job):
            job.conclude()


def _decode(data: bytes | bytearray, fds: list[int], task: Task | None) -> tuple[bool, Any]:
    """Return the outcome that a reply tells, remote tracebacks in their place."""
    try:
        ok, value = unpack(data, fds)
    except Exception as error:  # noqa: BLE001 - whatever the user's code raises
        name = "initializer" if task is None else task.name
        failure = MaybeEncodingError(error, f"<result of {name}()>")
        failure.__cause__ = error
        return False, failure
    if not ok:
        return False, with_remote_cause(*value)
    if task is not None and task.kind == EACH:
        value = [item if item[0] else (False, with_remote_cause(*item[1])) for item in value]
    return ok, value
