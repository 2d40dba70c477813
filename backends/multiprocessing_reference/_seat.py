"""A seat: one worker process of a pool as the parent sees it."""

from __future__ import annotations

from _thread import allocate_lock
from select import POLLIN, poll
from time import monotonic
from typing import TYPE_CHECKING, Any

from ._channel import channel_pair, passing
from ._line import NUMBER
from ._undo import on_failure
from ._worker import work
from .heap import allocate

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ._channel import Channel
    from .heap import Block

__all__ = ["Seat", "start_worker"]

GRACE = 1.0
"""Seconds that a worker whose channel is closed has to end before it is killed."""


class Seat:
    """A worker, and what the parent knows of it. The fields change under the crew's lock only."""

    __slots__ = (
        "_code",
        "_ending",
        "_held",
        "_released",
        "channel",
        "ending",
        "gone",
        "name",
        "process",
        "ready",
        "sentinel",
        "served",
        "spoiled",
    )  # fmt: skip

    def __init__(self, process: Any, channel: Channel, held: Block) -> None:  # noqa: ANN401 - the user's own objects
        self.process = process
        self.sentinel: int = process.sentinel
        self.channel = channel
        self.name = f"{process.name} (pid {process.pid})"
        self.ready = False  # whether its initializer is known to have returned
        self.ending = False  # it gets nothing more
        self.spoiled = False  # half of a message was lost: what it sent can't be read
        self.gone = False
        self.served = 0  # tasks completed
        self._held = held
        self._ending = allocate_lock()
        self._released = False
        self._code: int | None = None

    def held(self) -> int:
        """Return the number of the task that the worker has, 0: none."""
        number: int = NUMBER.unpack(self._held.view())[0]
        return number

    def dead(self) -> bool:
        """Return whether the process has ended."""
        with self._ending:
            if self._released:
                return True
            sentinel = poll()
            sentinel.register(self.sentinel, POLLIN)
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


def start_worker(
    make: Callable[..., Any],
    line: Channel,
    initializer: Callable[..., object] | None,
    initargs: Iterable[Any],
    maxtasks: int | None,
) -> Seat:
    """Start a worker process, which *make* makes, daemonic like all of them."""
    near, far = channel_pair()
    try:
        with on_failure(near.close):
            held = allocate(NUMBER.size)
            arguments = ((far, line, held), initializer, initargs, maxtasks)
            process = make(target=work, args=arguments, daemon=True)
            process.name = process.name.replace("Process", "PoolWorker")
            with passing(far, line):
                process.start()
            return Seat(process, near, held)
    finally:
        far.close()
