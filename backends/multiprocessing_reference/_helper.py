"""The thread of a pool of processes that waits for what no caller waits for.

It holds the crew, never the pool, so that a pool can be collected; starts with the first task
that needs it; and sleeps in one epoll over the workers' channels and sentinels, and an eventfd
that wakes it. A channel is armed while its worker has a task for the helper; a sentinel always.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from select import EPOLLIN, epoll
from typing import TYPE_CHECKING

from ._channel import spin

if TYPE_CHECKING:
    from ._jobs import Job
    from ._seat import Seat
    from ._staff import Staff

__all__ = ["Helper"]


class Helper:
    """See the module. `arm` takes the crew's lock; `disarm`, `watch` and `unwatch` need it held."""

    def __init__(self, crew: Staff) -> None:
        self._crew = crew
        self._thread: threading.Thread | None = None
        self._epoll: epoll | None = None
        self._bell = -1
        self._stopped = False
        self._abandoned = False
        self._seats: dict[int, Seat] = {}  # by channel and by sentinel
        self._to_conclude: deque[Job] = deque()

    @property
    def running(self) -> bool:
        """Whether the thread has been started and not stopped."""
        return self._thread is not None and not self._stopped

    def is_current(self) -> bool:
        """Return whether this is the thread."""
        return self._thread is threading.current_thread()

    def arm(self, seat: Seat) -> bool:
        """Wait for the reply of *seat*, in the thread, started if need be; False: it has ended."""
        with self._crew.lock:
            self._start()
            if self._epoll is None:
                return True
            if seat.channel.fileno() not in self._seats:
                return False
            if not seat.armed:
                self._epoll.modify(seat.channel.fileno(), EPOLLIN)
                seat.armed = True
            return True

    def disarm(self, seat: Seat) -> None:
        """Leave the reply of *seat* to its driver."""
        if self._epoll is not None and seat.channel.fileno() in self._seats:
            self._epoll.modify(seat.channel.fileno(), 0)
        seat.armed = False

    def watch(self, seat: Seat) -> None:
        """Hear when *seat* ends, and when it speaks once it is armed."""
        if self._epoll is not None:
            channel, sentinel = seat.channel.fileno(), seat.process.sentinel
            self._seats[channel] = self._seats[sentinel] = seat
            self._epoll.register(channel, 0)
            self._epoll.register(sentinel, EPOLLIN)

    def unwatch(self, seat: Seat) -> None:
        """Hear no more of *seat*; before its descriptors are closed."""
        for fd in [fd for fd, other in self._seats.items() if other is seat]:
            del self._seats[fd]
            if self._epoll is not None:
                self._epoll.unregister(fd)
        seat.armed = False

    def takes(self, job: Job) -> bool:
        """Return whether the thread will conclude *job*: not when this is the thread."""
        with self._crew.lock:
            self._start()
            if self._stopped or threading.current_thread() is self._thread:
                return False
            self._to_conclude.append(job)
            self._ring()
            return True

    def abandon(self) -> bool:
        """Terminate the crew in the thread, soon; False without a thread. Takes no lock."""
        if not self.running:
            return False
        self._abandoned = True
        self._ring()
        return True

    def stop(self) -> None:
        """End the thread, and wait for that unless this is the thread."""
        with self._crew.lock:
            thread, self._stopped = self._thread, True
            if thread is None:
                return
            self._ring()
        if thread is not threading.current_thread():
            thread.join()

    def _ring(self) -> None:
        if self._bell >= 0:
            os.eventfd_write(self._bell, 1)

    def _start(self) -> None:
        if self._thread is not None or self._stopped:
            return
        self._epoll = epoll()
        self._bell = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._epoll.register(self._bell, EPOLLIN)
        for seat in self._crew.seats:
            self.watch(seat)
        self._thread = threading.Thread(target=self._run, name="pool-helper", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        waiting = self._epoll
        if waiting is None:
            return
        try:
            while not self._stopped:
                for fd, _event in _wait(waiting):
                    if fd == self._bell:
                        os.eventfd_read(self._bell)
                    else:
                        self._serve(fd)
                while self._to_conclude:
                    self._to_conclude.popleft().conclude()
                if self._abandoned:
                    self._crew.terminate()
        finally:
            with self._crew.lock:
                self._seats.clear()
                self._epoll = None
                bell, self._bell = self._bell, -1
            waiting.close()
            os.close(bell)

    def _serve(self, fd: int) -> None:
        with self._crew.lock:
            seat = self._seats.get(fd)
            if seat is None:
                return
            if seat.driver is not None:
                # It ended, or it spoke before it was disarmed: its driver's to hear.
                if fd == seat.process.sentinel:
                    self.unwatch(seat)
                return
            seat.unsure = True  # so that no caller takes it over in between
        self._crew.reap(seat, None)


def _wait(waiting: epoll) -> list[tuple[int, int]]:
    return spin(lambda: waiting.poll(0) or None) or waiting.poll()
