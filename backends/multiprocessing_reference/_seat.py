"""A seat: one worker process of a pool as the parent sees it."""

from __future__ import annotations

import os
import threading
from math import ceil
from os import sched_yield
from select import POLLIN, poll
from time import monotonic
from typing import TYPE_CHECKING, Any

from ._channel import SPIN, Channel, channel_pair, passing
from ._worker import work

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ._results import Job, Task
    from .context import BaseContext

__all__ = ["Seat", "Watch", "start_worker"]

_GRACE = 1.0
"""Seconds that a worker whose channel is closed has to end before it is killed."""


class Seat:
    """A worker, the task that it has, and who waits for its reply.

    ``driver`` is the job whose caller waits for this worker itself, None while the crew's helper does. The other
    fields change under the crew's lock only.
    """

    __slots__ = (
        "armed", "channel", "driver", "ending", "gone", "process", "ready", "served", "task", "unsure",
    )  # fmt: skip

    def __init__(self, process: Any, channel: Channel) -> None:  # noqa: ANN401 - a Process of any context
        self.process = process
        self.channel = channel
        self.task: Task | None = None
        self.driver: Job | None = None
        self.armed = False  # whether the helper's epoll reports its messages
        self.ready = False  # whether its initializer is known to have returned
        self.ending = False  # it gets no further tasks
        self.gone = False
        self.served = 0  # tasks completed
        self.unsure = False  # a message is being sent or received: an interruption here loses it

    def dead(self) -> bool:
        """Return whether the process has ended."""
        sentinel = poll()
        sentinel.register(self.process.sentinel, POLLIN)
        return bool(sentinel.poll(0))

    def end(self) -> int | None:
        """Wait for the process, which has no channel any more, and return its exit code."""
        self.process.join(_GRACE)
        if self.process.exitcode is None:
            self.process.kill()
            self.process.join()
        code: int | None = self.process.exitcode
        return code


class _Bell:
    """What wakes a thread that waits for workers: in a list of waiters it stands beside locks."""

    def __init__(self) -> None:
        self.fd = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self.pid = os.getpid()

    def release(self) -> None:
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
    end = monotonic() + SPIN
    while True:
        events = poller.poll(0)
        if events:
            return events
        now = monotonic()
        if deadline is not None and now >= deadline:
            return []
        if now > end:
            # Rounded up: a wait that ends early would be repeated.
            return poller.poll(None if deadline is None else ceil((deadline - now) * 1000))
        sched_yield()


def start_worker(
    context: BaseContext,
    initializer: Callable[..., object] | None,
    initargs: Iterable[Any],
    maxtasks: int | None,
) -> Seat:
    """Start a worker process, daemonic like all of them."""
    near, far = channel_pair()
    try:
        arguments = (far, initializer, initargs, maxtasks)
        process: Any = context.Process(target=work, args=arguments, daemon=True)  # type: ignore[attr-defined]
        process.name = process.name.replace("Process", "PoolWorker")
        with passing(far):
            process.start()
    except BaseException:
        near.close()
        raise
    finally:
        far.close()
    return Seat(process, near)
