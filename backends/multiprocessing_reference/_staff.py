"""The staff of a pool of processes: how its workers come, are replaced, and leave.

A worker that ends is buried by the thread that reads: what it had sent is heard, its task fails, or
is kept for another worker when it never started, and a fresh worker takes its place. When as many
workers as the pool has end one after the other before they are ready, the pool is broken, and
says so: to start workers for ever would help nobody.

`ProcessCrew` adds what the workers do.
"""

from __future__ import annotations

import threading
from collections import deque
from time import monotonic
from typing import TYPE_CHECKING, Any, NamedTuple

from ._failures import BrokenPoolError, PoolTerminatedError, WorkerLostError
from ._helper import Helper
from ._jobs import CLOSE, RUN, TERMINATE
from ._line import Line
from ._replies import Replies
from ._seat import GRACE, start_worker
from ._undo import on_failure
from .util import Finalize, is_exiting, sub_warning

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ._jobs import Job, Task
    from ._seat import Seat

__all__ = ["Staff"]


class Staff:
    """See the module; the methods that raise NotImplementedError are the crew's."""

    def __init__(
        self,
        make: Callable[..., Any],
        size: int,
        initializer: Callable[..., object] | None,
        initargs: Iterable[Any],
        maxtasks: int | None,
    ) -> None:
        self.size = size
        self.lock = threading.Lock()
        self.state = RUN
        self.seats: list[Seat] = []
        self.line = Line(size)
        self.replies = Replies(self)
        self.helper = Helper(self)
        self.doubt_ends: float | None = None
        """When to look for tasks again that were lost with their worker, perhaps."""
        self._doubts: deque[_Doubt] = deque()
        self._new_worker = (make, self.line.far, initializer, initargs, maxtasks)
        self._maxtasks = maxtasks
        self._starting = 0
        self._retired: list[Seat] = []
        self._sources: deque[Job] = deque()  # jobs with tasks to give
        self._returned: deque[Task] = deque()  # tasks that were taken out of the line
        self._jobs: set[Job] = set()
        self._all_done = threading.Condition(self.lock)
        self._false_starts = 0  # workers in a row that ended before they were ready
        self._broken: BrokenPoolError | None = None
        self._start_error: BaseException | None = None
        self._ended = False
        self._finalizer = Finalize(None, self.terminate, exitpriority=15)
        with on_failure(self.terminate):
            for _ in range(size):
                self._add(start_worker(*self._new_worker))

    def workers(self) -> list[Any]:
        """The processes that take tasks, or will soon, as they are now."""
        with self.lock:
            return [seat.process for seat in self.seats]

    def unfinished(self) -> list[Job]:
        """The jobs that are not concluded."""
        with self.lock:
            return list(self._jobs)

    def waiting(self) -> int:
        """How many jobs have tasks that no worker has got, counting each of them in the line."""
        return len(self._sources) + max(0, len(self.line) - self.size)

    def is_busy(self) -> bool:
        """Return whether tasks are under way. The lock is held."""
        return bool(self.line)

    def check_running(self) -> None:
        """Raise ValueError unless the pool takes tasks."""
        if self.state != RUN:
            message = f"Pool not running: its state is {self.state}, it takes no further tasks"
            raise ValueError(message)

    def forget(self, job: Job) -> None:
        """Hear that *job* is concluded."""
        with self.lock:
            self._jobs.discard(job)
            leaving = self._is_over()
        if leaving:
            self._dismiss()

    def reap(self, seat: Seat, *, ended: bool) -> int:
        """Take what *seat* sent, or bury it; return how many messages there were."""
        raise NotImplementedError

    def hand_out(self) -> None:
        """Fill up the line."""
        raise NotImplementedError

    def _hear(self, seat: Seat, data: bytes | bytearray, fds: list[int]) -> None:
        raise NotImplementedError

    def _settle(self, task: Task, ok: bool, value: object) -> None:  # noqa: FBT001 - an outcome
        raise NotImplementedError

    def has_waiting(self) -> bool:
        """Return whether tasks wait that may enter the line. The lock is held."""
        raise NotImplementedError

    def _lose(self, task: Task) -> None:
        raise NotImplementedError

    # Workers come and go.

    def _add(self, seat: Seat) -> None:
        with self.lock:
            stay = self.state == RUN or (self.state == CLOSE and bool(self._jobs))
            if stay:
                self.seats.append(seat)
                self.replies.watch(seat)
        if not stay:
            seat.process.kill()
            seat.release()

    def _retire(self, seat: Seat) -> None:
        """Let go of a worker that has had its tasks; a fresh one takes its place."""
        seat.channel.close()
        self._replace()
        with self.lock:
            ended = [old for old in self._retired if old.dead()]
            self._retired = [old for old in self._retired if old not in ended]
        for old in ended:
            old.release()

    def _bury(self, seat: Seat) -> None:
        """Clear up after a worker that has ended, whose last messages may be there yet."""
        with self.lock:
            self.replies.unwatch(seat)
            seat.ending = True
        while not seat.spoiled:
            try:
                data, fds = seat.channel.try_receive()
            except (EOFError, OSError):
                break
            self._hear(seat, data, fds)
        with self.lock:
            if seat.gone or seat not in self.seats:
                return
            seat.gone = True
            self.seats.remove(seat)
        seat.channel.close()
        code = seat.end()
        seat.release()
        with self.lock:
            number = seat.held()
            started = not self.line.is_announced(number)
            task = self.line.leave(number)
        if not seat.ready:
            self._count_false_start(seat, code)
        if task is not None:
            self._give_up(task, seat, code, started=started)
        elif seat.ready:
            with self.lock:
                self.doubt(seat, code)
        self._replace()
        self.hand_out()

    def _give_up(self, task: Task, seat: Seat, code: int | None, *, started: bool) -> None:
        """Fail the task of a dead worker, or keep it for another one when it never started."""
        with self.lock:
            if self.state == TERMINATE:
                return  # terminate() tells who waits
            if not started and self._broken is None:
                self._returned.append(task)
                return
        message = (
            f"the worker {seat.name} ended {_manner(code)} while "
            f"it ran {task.name}(); this task is lost, the worker is replaced. Look for os._exit(), a "
            "crash in native code, or a signal, perhaps for want of memory"
        )
        self._settle(task, ok=False, value=WorkerLostError(message))

    def doubt(self, seat: Seat | None, code: int | None) -> None:
        """Look for a task that was lost between the line and its worker, or on the way back. The lock is held.

        *seat* ended and may have taken one that it did not come to note; None: a reply was lost. What is
        neither in the line nor noted by a worker may be on its way, though: time will tell.
        """
        if self.state == TERMINATE:
            return
        self._returned.extendleft(reversed(self.line.take_back()))
        numbers = self.line.unaccounted(self._held())
        if numbers or (seat is None and self.line.has_announced()):
            self._doubts.append(_Doubt(monotonic() + GRACE, numbers, seat, code))
            self.doubt_ends = self._doubts[0].ends

    def settle_doubts(self) -> None:
        """Give up what is still neither answered nor held when its time has come."""
        while True:
            with self.lock:
                if not self._doubts or self._doubts[0].ends > monotonic():
                    return
                doubt = self._doubts.popleft()
                self.doubt_ends = self._doubts[0].ends if self._doubts else None
                held = self._held()
                lost = [self.line.leave(n) for n in doubt.numbers if n not in held]
                deaf = [s for s in self.seats if self.line.is_announced(s.held())]
            for seat in deaf:  # it has asked for the rest of its task long ago
                seat.process.kill()
            for task in filter(None, lost):
                if doubt.seat is None:
                    self._lose(task)
                else:
                    self._give_up(task, doubt.seat, doubt.code, started=False)
            self.hand_out()

    def _held(self) -> set[int]:
        """Return the numbers of the tasks that workers say they have. The lock is held."""
        return {seat.held() for seat in self.seats}

    def _count_false_start(self, seat: Seat, code: int | None) -> None:
        with self.lock:
            self._false_starts += 1
            if self.state == TERMINATE or self._false_starts < self.size:
                return
        why = "its initializer raised" if self._start_error else f"it ended {_manner(code)}"
        self._break(
            f"the pool's workers can't start: {self._false_starts} in a row ended before they were "
            f"ready, the last one, {seat.name}, because {why}",
            self._start_error,
        )

    def _break(self, message: str, cause: BaseException | None) -> None:
        error = BrokenPoolError(message)
        error.__cause__ = cause
        with self.lock:
            self._broken = error
            jobs = list(self._jobs)
            self._drop_waiting()
        for job in jobs:
            job.fail(error)

    def _drop_waiting(self) -> None:
        """Forget the tasks that no worker has; who waits for them is told by the caller. The lock is held."""
        self._sources.clear()
        for task in self._returned:
            task.discard()
        self._returned.clear()

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
            except Exception as error:  # noqa: BLE001 - this is nobody's call: it is told below
                sub_warning("a worker of the pool could not be replaced: %r", error)
                if not self.seats:
                    self._break("no worker of the pool is left, and none can be started", error)
                return
            finally:
                with self.lock:
                    self._starting -= 1
            self.hand_out()

    # The end.

    def close(self) -> None:
        """Take in no further jobs; the workers leave after the last one."""
        with self.lock:
            if self.state == RUN:
                self.state = CLOSE
            leaving = self._is_over()
        if leaving:
            self._dismiss()

    def _is_over(self) -> bool:
        """Return whether the workers may go now. The lock is held."""
        if self._jobs:
            return False
        self._all_done.notify_all()
        return self.state == CLOSE

    def _dismiss(self) -> None:
        self.line.end()
        with self.lock:
            seats = self.seats + self._retired
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
            self._returned.extend(self.line.take_back())
            self._drop_waiting()
        self.line.end()
        for seat in seats:
            seat.process.terminate()
        self.helper.stop()
        with self.lock:
            # At the end of a process only daemon threads can still wait: they end with it, and need no error to tell.
            for job in () if is_exiting() else jobs:
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
        self._dismiss()
        for seat in seats:
            seat.wait()
        self.helper.stop()
        self._clear(seats)

    def _clear(self, seats: list[Seat]) -> None:
        """Wait for the processes, and let go of all that was theirs."""
        until = monotonic() + GRACE  # for all of them, however many do not end
        for seat in seats:
            seat.end(until)
        self.replies.close(self._let_go)
        self._finalizer.cancel()

    def _let_go(self) -> None:
        for seat in self.seats + self._retired:
            seat.release()
        self.seats.clear()
        self._retired.clear()
        self.line.close()


class _Doubt(NamedTuple):
    """Tasks that were lost with a worker, perhaps."""

    ends: float
    numbers: list[int]
    seat: Seat | None
    code: int | None


def _manner(code: int | None) -> str:
    return f"by signal {-code}" if code is not None and code < 0 else f"with exit code {code}"
