"""Who reads what the workers of a pool send: one thread at a time, whosever tasks they are.

- A caller that waits (apply, map, get, the next of imap) reads itself, if nobody else does. No other
  thread is woken, and a pool used only so has no thread of its own.
- Further callers sleep. The reader settles their tasks as well, which wakes them up; when it leaves,
  one of them takes its turn.
- When no caller waits the helper thread does. It starts with the first task that nobody waits for.

Only the reader receives, and buries workers, so two threads never have the same worker. An
interrupted call (Ctrl-C) may lose the message that it was about to receive: a task that no worker has
any more fails after a while (see `_staff`), and a worker whose message was read in part is given up.
"""

from __future__ import annotations

import os
from _thread import allocate_lock, get_ident
from collections import deque
from select import EPOLLIN, POLLIN, epoll, poll
from time import monotonic
from typing import TYPE_CHECKING, Any

from ._bell import own_bell
from ._channel import spin
from ._jobs import acquire
from ._wait import poll_for

if TYPE_CHECKING:
    from _thread import LockType
    from collections.abc import Callable, MutableSequence

    from ._bell import Bell
    from ._jobs import Job
    from ._seat import Seat
    from ._staff import Staff

__all__ = ["Replies"]


class Replies:
    """See the module. `watch`, `unwatch` and `attend` need the crew's lock held."""

    def __init__(self, crew: Staff) -> None:
        self._crew = crew
        self._poller = epoll()
        self._seats: dict[int, Seat] = {}  # by channel and by sentinel
        self._reader = 0  # the thread that reads, 0: none
        self._sleepers: deque[tuple[Job, LockType]] = deque()
        self._at_last: Callable[[], None] | None = None
        self.unsure: Seat | None = None
        """The worker of which a message is being received: an interruption here loses it."""

    def fileno(self) -> int:
        """Return what is ready when a worker has sent something, or has ended."""
        return self._poller.fileno()

    def watch(self, seat: Seat) -> None:
        """Read what *seat* sends."""
        for fd in (seat.channel.fileno(), seat.sentinel):
            self._seats[fd] = seat
            self._poller.register(fd, EPOLLIN)

    def unwatch(self, seat: Seat, *, until_ended: bool = False) -> None:
        """Hear no more of *seat*, or only that its process has ended; before its descriptors are closed."""
        fds = (seat.channel.fileno(),) if until_ended else (seat.channel.fileno(), seat.sentinel)
        for fd in fds:
            if self._seats.get(fd) is seat:
                del self._seats[fd]
                self._poller.unregister(fd)

    def attend(self) -> None:
        """See to it that somebody reads."""
        if not self._reader:
            self._crew.helper.arm()

    def wait(
        self,
        job: Job,
        satisfied: Callable[[], bool],
        timeout: float | None,
        begin: Callable[[], None] | None = None,
    ) -> bool:
        """Wait until *satisfied*, or *timeout* seconds; read the while if nobody else does.

        *begin* is called once it is settled who reads: the helper shall not wake up for what this
        thread is about to wait for.
        """
        deadline = None if timeout is None else monotonic() + timeout
        bell = own_bell()
        nested = self._reader == get_ident()  # in the user's code that unpickles a reply
        sleeper = None
        try:
            while True:
                with self._crew.lock:
                    if satisfied():
                        return True
                    sleeper = self._take_part(job, bell)
                if begin is not None:
                    begin()
                    begin = None
                    if sleeper is None:
                        continue  # all may be settled: this thread does not ring its own bell
                if not self._read_or_sleep(job, bell, sleeper, deadline):
                    with self._crew.lock:
                        return satisfied()
        finally:
            self._get_up(job, sleeper)
            self._leave(job, bell, nested=nested)

    def _take_part(self, job: Job, bell: Bell) -> LockType | None:
        """Be the reader, who has news by his bell too, or return what to sleep on. The lock is held."""
        if self._reader not in {0, get_ident()}:
            sleeper = allocate_lock()
            sleeper.acquire()
            job.waiters.append(sleeper)
            self._sleepers.append((job, sleeper))
            return sleeper
        if not self._reader:
            self._reader = get_ident()
            self._crew.helper.disarm()
        if bell not in job.waiters:
            job.waiters.append(bell)
        return None

    def _read_or_sleep(
        self, job: Job, bell: Bell, sleeper: LockType | None, deadline: float | None
    ) -> bool:
        """Do what part this thread has; False when the time is up."""
        if sleeper is None:
            return self._read(bell, deadline)
        try:
            return acquire(sleeper, deadline)
        finally:
            self._get_up(job, sleeper)

    def _get_up(self, job: Job, sleeper: LockType | None) -> None:
        if sleeper is not None:
            with self._crew.lock:
                _remove(job.waiters, sleeper)
                _remove(self._sleepers, (job, sleeper))

    def _leave(self, job: Job | None, bell: Bell | None, *, nested: bool) -> None:
        """End this thread's turn, if it has it; see to it that another one reads."""
        with self._crew.lock:
            if job is not None:
                _remove(job.waiters, bell)
            unsure = at_last = None
            if self._reader == get_ident() and not nested:
                self._reader = 0
                unsure, self.unsure = self.unsure, None
                at_last, self._at_last = self._at_last, None
            if unsure is not None:
                unsure.spoiled = unsure.channel.midway
                self._crew.doubt(None, None)
            if not self._reader and at_last is None:
                self._pass_on()
            waiting = self._crew.has_waiting()
        if waiting:  # this thread was interrupted when it had taken a task, and put it back
            self._crew.hand_out()
        if unsure is not None and unsure.spoiled:
            unsure.process.kill()
        if at_last is not None:
            at_last()

    def _pass_on(self) -> None:
        if self._sleepers:
            # It takes its turn, or it is on its way already, and passes it on when it leaves.
            job, sleeper = self._sleepers.popleft()
            if _remove(job.waiters, sleeper):
                sleeper.release()
        elif self._crew.helper.running or self._crew.is_busy():
            self._crew.helper.arm()

    def _read(self, bell: Bell, deadline: float | None) -> bool:
        """Wait for something to read, and read it; False when the time is up. *bell* interrupts."""
        events = spin(self._look)
        slept = events is None
        if events is None:
            until = self._crew.doubt_ends
            if deadline is not None:
                until = deadline if until is None else min(until, deadline)
            sleeping = poll()
            sleeping.register(bell.fd, POLLIN)
            sleeping.register(self._poller.fileno(), POLLIN)
            awake = poll_for(sleeping, None if until is None else until - monotonic())
            if not awake and until == deadline:
                return False
            if any(fd == bell.fd for fd, _event in awake):
                os.eventfd_read(bell.fd)
            events = self._look() or []
        self._handle(events, slept=slept)
        return True

    def _look(self) -> list[tuple[int, int]] | None:
        return self._poller.poll(0) or None

    def _handle(self, events: list[tuple[int, int]], *, slept: bool) -> None:
        heard = 0
        for fd, _event in events:
            seat = self._seats.get(fd)
            if seat is not None:
                heard += self._crew.reap(seat, ended=fd == seat.sentinel)
        if not events:
            self._crew.settle_doubts()
        self._crew.line.adapt(heard, slept=slept)
        self._crew.hand_out()

    def serve(self) -> None:
        """Read what there is, in the helper's thread, until a caller wants to."""
        with self._crew.lock:
            if self._reader:
                return
            self._reader = get_ident()
        try:
            events, slept = self._look() or [], True
            while True:
                self._handle(events, slept=slept)
                found = None if self._sleepers or self._at_last else spin(self._look)
                if found is None or self._crew.helper.is_wanted():
                    return
                events, slept = found, False
        finally:
            self._leave(None, None, nested=False)

    def close(self, let_go: Callable[[], None]) -> None:
        """Stop, and call *let_go*, which closes what the reader uses; later, when there is one."""

        def at_last() -> None:
            self._poller.close()
            self._seats.clear()
            let_go()

        with self._crew.lock:
            if self._reader:
                self._at_last = at_last
                return
        at_last()


def _remove(items: MutableSequence[Any], item: object) -> bool:
    """Remove *item*; return whether it was there."""
    found = item in items
    if found:
        items.remove(item)
    return found
