"""A queue that knows how many of its objects are still being worked on.

The count is an eventfd in semaphore mode: `put` writes one, `task_done` reads one, and each of them
is one system call, which a kill can't cut in half. Every read also tells edge-triggered waiters
that the counter can be written again, which it always can; that event is what `join` waits for
before it looks whether the count is zero. (A semaphore and a flag that is raised at zero would be
two steps: a process killed between them would leave `join` waiting for ever.)

Documentation: multiprocessing.JoinableQueue.
"""

from __future__ import annotations

import os
from select import EPOLLET, EPOLLOUT, epoll

from ._queue import Queue
from ._undo import on_failure
from ._wait import readable
from .reduction import share_fd

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .context import BaseContext
    from .reduction import Packed, SharedFd

__all__ = ["JoinableQueue"]


class JoinableQueue(Queue):
    """A queue of which one can wait until everything put into it has been worked on.

    Documentation: multiprocessing.JoinableQueue.
    """

    def __init__(self, maxsize: int = 0, *, ctx: BaseContext) -> None:
        super().__init__(maxsize, ctx=ctx)
        self._unfinished = _Count()

    def __getstate__(self) -> tuple[Any, ...]:
        return super().__getstate__(), self._unfinished

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        inherited, self._unfinished = state
        super().__setstate__(inherited)

    def _feed(self, item: bytes | Packed) -> None:
        self._unfinished.increase()  # before it can be got
        with on_failure(self._unfinished.decrease):
            super()._feed(item)

    def _lost(self) -> None:
        super()._lost()
        self._unfinished.decrease()

    def task_done(self) -> None:
        """Say that the work on one object got from the queue is done.

        ValueError when called more often than objects were put.
        Documentation: multiprocessing.JoinableQueue.task_done.
        """
        if not self._unfinished.decrease():
            message = "task_done() called too many times: once for each object put into the queue"
            raise ValueError(message)

    def join(self) -> None:
        """Wait until `task_done` was called for every object put into the queue.

        Documentation: multiprocessing.JoinableQueue.join.
        """
        self._unfinished.wait_for_zero()


class _Count:
    """A number that processes increase, decrease, and wait for to be zero."""

    __slots__ = ("_fd",)

    def __init__(self, fd: int | None = None) -> None:
        if fd is None:
            fd = os.eventfd(0, os.EFD_SEMAPHORE | os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._fd = fd

    def increase(self) -> None:
        os.eventfd_write(self._fd, 1)

    def decrease(self) -> bool:
        """Return whether it could be: not when it is zero."""
        try:
            os.eventfd_read(self._fd)
        except BlockingIOError:
            return False
        return True

    def wait_for_zero(self) -> None:
        if not readable(self._fd, 0):
            return
        with epoll(1) as decreased:
            decreased.register(self._fd, EPOLLOUT | EPOLLET)
            while readable(self._fd, 0):
                decreased.poll()

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (share_fd(self._fd),)

    def __del__(self, _close: Any = os.close) -> None:  # noqa: ANN401 - os may be gone at exit
        _close(self._fd)


def _rebuild(shared: SharedFd) -> _Count:
    return _Count(shared.take())
