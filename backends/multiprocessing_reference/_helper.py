"""The thread of a pool of processes that waits for what no caller waits for.

It holds the crew, never the pool, so that a pool can be collected; starts with the first task that
needs it; and sleeps in an epoll over what the workers send (see `_replies`), if it is its turn, and an
eventfd that wakes it. It also calls the callbacks.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from select import EPOLLIN, EPOLLONESHOT, epoll
from time import monotonic
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._jobs import Job
    from ._staff import Staff

__all__ = ["Helper"]


class Helper:
    """See the module. `arm` and `disarm` need the crew's lock held; `takes` and `stop` take it."""

    def __init__(self, crew: Staff) -> None:
        self._crew = crew
        self._thread: threading.Thread | None = None
        self._epoll: epoll | None = None
        self._bell = -1
        self._armed = False
        self._stopped = False
        self._abandoned = False
        self._to_conclude: deque[Job] = deque()

    @property
    def running(self) -> bool:
        """Whether the thread has been started and not stopped."""
        return self._thread is not None and not self._stopped

    def is_current(self) -> bool:
        """Return whether this is the thread."""
        return self._thread is threading.current_thread()

    def is_wanted(self) -> bool:
        """Return whether the thread has something else to do than to read."""
        return bool(self._to_conclude) or self._stopped or self._abandoned

    def arm(self) -> None:
        """Wait for what the workers send, in the thread, started if need be, until it is served."""
        self._start()
        if self._epoll is not None and not self._armed:
            self._armed = True
            self._epoll.modify(self._crew.replies.fileno(), EPOLLIN | EPOLLONESHOT)
            if self._crew.doubt_ends is not None:
                self._ring()  # it may sleep for longer

    def disarm(self) -> None:
        """Leave what the workers send to a caller."""
        if self._epoll is not None and self._armed:
            self._armed = False
            self._epoll.modify(self._crew.replies.fileno(), 0)

    def takes(self, job: Job) -> bool:
        """Return whether the thread will conclude *job*: not when this is the thread."""
        with self._crew.lock:
            self._start()
            if self._stopped or self.is_current():
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
        self._epoll.register(self._crew.replies.fileno(), 0)
        self._thread = threading.Thread(target=self._run, name="pool-helper", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        waiting = self._epoll
        if waiting is None:
            return
        try:
            while not self._stopped:
                self._wait(waiting)
                while self._to_conclude:
                    self._to_conclude.popleft().conclude()
                if self._abandoned:
                    self._crew.terminate()
        finally:
            with self._crew.lock:
                self._epoll = None
                bell, self._bell = self._bell, -1
            waiting.close()
            os.close(bell)

    def _wait(self, waiting: epoll) -> None:
        ends = self._crew.doubt_ends if self._armed else None
        events = waiting.poll(None if ends is None else max(0.0, ends - monotonic()))
        if (self._bell, EPOLLIN) in events:
            os.eventfd_read(self._bell)
            events.remove((self._bell, EPOLLIN))
        if events or (self._armed and ends is not None):
            with self._crew.lock:
                self.disarm()
            self._crew.replies.serve()
