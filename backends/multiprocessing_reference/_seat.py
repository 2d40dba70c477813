"""A seat: one worker process of a pool as the parent sees it."""

from __future__ import annotations

import os
import threading
from _thread import allocate_lock, get_ident
from math import ceil
from select import POLLIN, poll
from time import monotonic
from typing import TYPE_CHECKING, Any

from ._channel import Channel, channel_pair, passing, spin
from ._undo import on_failure
from ._worker import work

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ._jobs import Job, Task

__all__ = ["Seat", "Watch", "start_worker"]

GRACE = 1.0
"""Seconds that a worker whose channel is closed has to end before it is killed."""


class Seat:
    """A worker, the task that it has, and who waits for its reply.

    ``driver`` is the job whose caller waits for this worker itself, None while the crew's helper
    does. The fields change under the crew's lock only.
    """

    __slots__ = (
        "_code",
        "_ending",
        "_released",
        "armed",
        "channel",
        "driver",
        "ending",
        "gone",
        "name",
        "process",
        "ready",
        "served",
        "task",
        "unsure",
    )  # fmt: skip

    def __init__(self, process: Any, channel: Channel) -> None:  # noqa: ANN401 - the user's own objects
        self.process = process
        self.channel = channel
        self.name = f"{process.name} (pid {process.pid})"
        self.task: Task | None = None
        self.driver: Job | None = None
        self.armed = False  # whether the helper's epoll reports its messages
        self.ready = False  # whether its initializer is known to have returned
        self.ending = False  # it gets no further tasks
        self.gone = False
        self._ending = allocate_lock()
        self._released = False
        self._code: int | None = None
        self.served = 0  # tasks completed
        self.unsure = False  # a message is being sent or received: an interruption here loses it

    def dead(self) -> bool:
        """Return whether the process has ended."""
        with self._ending:
            if self._released:
                return True
            sentinel = poll()
            sentinel.register(self.process.sentinel, POLLIN)
            return bool(sentinel.poll(0))

    def end(self, until: float | None = None) -> int | None:
        """Wait for the process, which was told to end, and return its exit code.

        *until*: the time, by `time.monotonic`, at which it is killed if it has not ended; None: after GRACE.
        """
        with self._ending:
            if not self._released:
                self.process.join(GRACE if until is None else max(0.0, until - monotonic()))
                if self.process.exitcode is None:
                    self.process.kill()
                    self.process.join()
                self._code = self.process.exitcode
            return self._code

    def wait(self) -> None:
        """Wait for the process, however long it takes to end by itself."""
        with self._ending:
            if not self._released:
                self.process.join()

    def release(self) -> None:
        """Let go of the channel and of the process, which has ended when this returns.

        The Process object is dropped, not closed: the program may be joining it, having got it from
        `active_children`.
        """
        self.channel.close()
        self.end()
        with self._ending:
            self._released = True


class _Bell:
    """What wakes a thread that waits for workers: in a list of waiters it stands beside locks."""

    def __init__(self) -> None:
        self.fd = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._owner = get_ident()

    def release(self) -> None:
        if get_ident() != self._owner:  # the owner knows, or will look before it sleeps
            os.eventfd_write(self.fd, 1)

    def __del__(self, _close: Callable[[int], None] = os.close) -> None:
        _close(self.fd)


class _Bells(threading.local):
    """One for each thread; a forked child must not ring its parent's."""

    bell: _Bell | None = None


_bells = _Bells()


def _forget_bell() -> None:
    _bells.bell = None


os.register_at_fork(after_in_child=_forget_bell)


class Watch:
    """Waits for some workers and for the bell of this thread, spinning first (see `_channel`)."""

    def __init__(self) -> None:
        bell = _bells.bell
        if bell is None:
            bell = _bells.bell = _Bell()
        self.bell = bell
        self._seats: list[Seat] = []
        self._poller = poll()

    def wait(self, seats: list[Seat], deadline: float | None) -> list[Seat] | None:
        """Return those of *seats* that have a message or ended; None when the time is up."""
        if seats != self._seats:
            self._seats, self._poller = seats, poll()
            self._poller.register(self.bell.fd, POLLIN)
            for seat in seats:
                self._poller.register(seat.channel.fileno(), POLLIN)
                self._poller.register(seat.process.sentinel, POLLIN)
        events = _spin_then_sleep(self._poller, deadline)
        if not events:
            return None
        fds = {fd for fd, _event in events}
        if self.bell.fd in fds:
            os.eventfd_read(self.bell.fd)
        return [s for s in seats if s.channel.fileno() in fds or s.process.sentinel in fds]


def _spin_then_sleep(poller: poll, deadline: float | None) -> list[tuple[int, int]]:
    events = spin(lambda: poller.poll(0) or None)
    if events is not None:
        return events
    if deadline is None:
        return poller.poll()
    # Rounded up: a wait that ends early would be repeated.
    return poller.poll(max(0, ceil((deadline - monotonic()) * 1000)))


def start_worker(
    make: Callable[..., Any],
    initializer: Callable[..., object] | None,
    initargs: Iterable[Any],
    maxtasks: int | None,
) -> Seat:
    """Start a worker process, which *make* makes, daemonic like all of them."""
    near, far = channel_pair()
    try:
        with on_failure(near.close):
            arguments = (far, initializer, initargs, maxtasks)
            process = make(target=work, args=arguments, daemon=True)
            process.name = process.name.replace("Process", "PoolWorker")
            with passing(far):
                process.start()
    finally:
        far.close()
    return Seat(process, near)
