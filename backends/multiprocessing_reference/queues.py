"""Queues between processes: any number of producers and consumers, first in, first out.

A queue is one packet socket (see `_transport`) that all its processes share: a message is written and
read as a whole, so no lock guards either end, and a process that is killed takes at most its own message
with it. A `Queue` writes through a `Feeder`, so that `put` never waits for a reader; a `SimpleQueue`
writes directly, and waits when the pipe is full.

Objects are pickled by `put` itself: what can't be pickled raises there, before the queue changes, and
later changes of the object do not show on the other side.

Documentation: multiprocessing.Queue, multiprocessing.SimpleQueue, multiprocessing.JoinableQueue.
"""

from __future__ import annotations

import os
from _socket import MSG_DONTWAIT
from queue import Empty, Full
from time import monotonic
from types import GenericAlias

from ._feeder import Feeder
from ._wait import readable
from .connection import Connection, Pipe
from .reduction import pack, require_spawning, share_fd, unpack
from .synchronize import SEM_VALUE_MAX, Semaphore
from .util import register_after_fork

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .context import BaseContext

__all__ = ["Empty", "Full", "JoinableQueue", "Queue", "SimpleQueue"]


class _NotClosedError(ValueError, AssertionError):
    """`join_thread` came before `close`. (CPython raises the second, other misuse raises the first.)"""


class Queue:
    """A queue that holds at most *maxsize* objects; as many as there is memory for if that is not positive.

    Documentation: multiprocessing.Queue.
    """

    __class_getitem__ = classmethod(GenericAlias)

    def __init__(self, maxsize: int = 0, *, ctx: BaseContext) -> None:
        self._maxsize = SEM_VALUE_MAX if maxsize <= 0 else maxsize
        self._slots = Semaphore(self._maxsize, ctx=ctx)
        self._reader, self._writer = Pipe(duplex=False)
        self._creator = os.getpid()
        self._open()

    def _open(self) -> None:
        """Make what belongs to this process alone."""
        self._closed = False
        self._joins = self._creator != os.getpid()
        self._begin()
        register_after_fork(self, Queue._after_fork)

    def _begin(self) -> None:
        self._feeder = Feeder(self._writer._transport, join_at_exit=self._joins)  # noqa: SLF001
        self._receive = self._reader._transport.receive  # noqa: SLF001

    def _after_fork(self) -> None:
        if not self._closed:
            self._feeder.abandon()
            self._joins = True
            self._begin()

    def __getstate__(self) -> tuple[Any, ...]:
        require_spawning(self)
        return self._maxsize, self._slots, self._reader, self._writer, self._creator

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self._maxsize, self._slots, self._reader, self._writer, self._creator = state
        self._open()

    def put(self, obj: object, block: bool = True, timeout: float | None = None) -> None:  # noqa: FBT001, FBT002
        """Put *obj* into the queue, waiting for a free slot at most *timeout* seconds (None: forever).

        Full when there is none within that time, or at once if not *block*; ValueError when the queue
        is closed; what pickle raises when *obj* can't be pickled.
        Documentation: multiprocessing.Queue.put.
        """
        if self._closed:
            raise self._closed_error()
        packed = pack(obj)
        if not self._slots.acquire(block, timeout):
            packed.close()
            raise Full
        try:
            self._feeder.put(packed)
        except BaseException:
            self._slots.release()
            raise

    def put_nowait(self, obj: object) -> None:
        """Put *obj* into the queue, or raise Full at once.

        Documentation: multiprocessing.Queue.put_nowait.
        """
        self.put(obj, block=False)

    def get(self, block: bool = True, timeout: float | None = None) -> Any:  # noqa: ANN401, FBT001, FBT002
        """Return the next object, waiting for it at most *timeout* seconds (None: forever).

        Empty when there is none within that time, or at once if not *block*; ValueError when the queue
        is closed. Documentation: multiprocessing.Queue.get.
        """
        if self._closed:
            raise self._closed_error()
        if block and timeout is None:
            while (message := self._receive()) is None:
                self._slots.release()
        else:
            message = self._receive_within(timeout if block and timeout else 0)
        self._slots.release()
        return unpack(*message)

    def get_nowait(self) -> Any:  # noqa: ANN401 - whatever was put
        """Return the next object, or raise Empty at once.

        Documentation: multiprocessing.Queue.get_nowait.
        """
        return self.get(block=False)

    def _receive_within(self, timeout: float) -> tuple[Any, Any]:
        deadline = monotonic() + timeout if timeout > 0 else None
        while True:
            try:
                message = self._receive(None, MSG_DONTWAIT)
            except BlockingIOError:
                # Another consumer may be faster each time: the deadline is what ends this.
                remaining = 0.0 if deadline is None else deadline - monotonic()
                if remaining <= 0 or not readable(self._reader.fileno(), remaining):
                    raise Empty from None
                continue
            if message is not None:
                return message
            self._slots.release()  # of a message that was cut off when its writer was killed

    def qsize(self) -> int:
        """Return how many objects the queue holds, roughly.

        Documentation: multiprocessing.Queue.qsize.
        """
        return self._maxsize - self._slots.get_value()

    def empty(self) -> bool:
        """Return whether the queue holds nothing that could be got, roughly; OSError when closed.

        Documentation: multiprocessing.Queue.empty.
        """
        return not self._reader.poll()

    def full(self) -> bool:
        """Return whether all slots are taken, roughly.

        Documentation: multiprocessing.Queue.full.
        """
        return self._slots.get_value() == 0

    def close(self) -> None:
        """Say that this process puts and gets no more; what it has put is still written.

        Again does nothing. Documentation: multiprocessing.Queue.close.
        """
        self._closed = True
        self._reader.close()

    def join_thread(self) -> None:
        """Wait until what this process has put is written, unless `cancel_join_thread` was called.

        ValueError unless the queue is closed. Documentation: multiprocessing.Queue.join_thread.
        """
        if not self._closed:
            message = "the queue is not closed: call close() before join_thread()"
            raise _NotClosedError(message)
        self._feeder.join()

    def cancel_join_thread(self) -> None:
        """Let this process exit, and `join_thread` return, with data not written, which is lost then.

        Documentation: multiprocessing.Queue.cancel_join_thread.
        """
        self._joins = False
        self._feeder.cancel_join()

    def _closed_error(self) -> ValueError:
        return ValueError(f"Queue {self!r} is closed: this process closed it, and can't use it now")


class JoinableQueue(Queue):
    """A queue that knows how many of its objects are still being worked on.

    The count is a semaphore. An eventfd is readable while the count is zero, which any number of
    processes can wait for; there is no lock that a killed process could leave held.

    Documentation: multiprocessing.JoinableQueue.
    """

    def __init__(self, maxsize: int = 0, *, ctx: BaseContext) -> None:
        super().__init__(maxsize, ctx=ctx)
        self._unfinished = Semaphore(0, ctx=ctx)
        self._idle = _Flag(os.eventfd(1, os.EFD_CLOEXEC | os.EFD_NONBLOCK))

    def __getstate__(self) -> tuple[Any, ...]:
        return super().__getstate__(), self._unfinished, self._idle

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        inherited, self._unfinished, self._idle = state
        super().__setstate__(inherited)

    def put(self, obj: object, block: bool = True, timeout: float | None = None) -> None:  # noqa: FBT001, FBT002
        """Put *obj* into the queue, as `Queue.put` does, and count it as unfinished.

        Documentation: multiprocessing.JoinableQueue, multiprocessing.Queue.put.
        """
        if self._closed:
            raise self._closed_error()
        packed = pack(obj)
        if not self._slots.acquire(block, timeout):
            packed.close()
            raise Full
        # Counted before it can be got. While it is, the count can't reach zero, so the flag that is
        # lowered here can't be one raised for it.
        self._unfinished.release()
        self._idle.lower()
        try:
            self._feeder.put(packed)
        except BaseException:
            self._slots.release()
            self.task_done()
            raise

    def task_done(self) -> None:
        """Say that the work on one object got from the queue is done.

        ValueError when called more often than objects were put.
        Documentation: multiprocessing.JoinableQueue.task_done.
        """
        if not self._unfinished.acquire(block=False):
            message = "task_done() called too many times: once for each object put into the queue"
            raise ValueError(message)
        if self._unfinished.get_value() == 0:
            self._idle.raise_()

    def join(self) -> None:
        """Wait until `task_done` was called for every object put into the queue.

        Documentation: multiprocessing.JoinableQueue.join.
        """
        while self._unfinished.get_value():
            readable(self._idle.fd, None)
            # The flag may be older than a put that came after it; then lower it and wait for the next.
            # Looking again afterwards keeps a count that fell to zero meanwhile from being missed.
            if self._unfinished.get_value():
                self._idle.lower()
                if self._unfinished.get_value() == 0:
                    self._idle.raise_()


class _Flag:
    """A flag that processes raise, lower and wait for: an eventfd that is zero or not."""

    __slots__ = ("fd",)

    def __init__(self, fd: int) -> None:
        self.fd = fd

    def raise_(self) -> None:
        os.eventfd_write(self.fd, 1)

    def lower(self) -> None:
        try:
            os.eventfd_read(self.fd)
        except BlockingIOError:
            pass  # not raised

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild_flag, (share_fd(self.fd),)

    def __del__(self) -> None:
        os.close(self.fd)


def _rebuild_flag(shared: Any) -> _Flag:  # noqa: ANN401
    return _Flag(shared.take())


class SimpleQueue:
    """A queue without bounds, timeouts or threads: `put` waits while the pipe is full.

    Documentation: multiprocessing.SimpleQueue.
    """

    __class_getitem__ = classmethod(GenericAlias)

    def __init__(self, *, ctx: BaseContext) -> None:  # noqa: ARG002 - all contexts' queues are the same
        self._reader, self._writer = Pipe(duplex=False)

    def __getstate__(self) -> tuple[Connection, Connection]:
        require_spawning(self)
        return self._reader, self._writer

    def __setstate__(self, state: tuple[Connection, Connection]) -> None:
        self._reader, self._writer = state

    def empty(self) -> bool:
        """Return whether the queue is empty; OSError when it is closed.

        Documentation: multiprocessing.SimpleQueue.empty.
        """
        return not self._reader.poll()

    def get(self) -> Any:  # noqa: ANN401 - whatever was put
        """Return the next object, waiting for it; OSError when the queue is closed.

        Documentation: multiprocessing.SimpleQueue.get.
        """
        return self._reader.recv()

    def put(self, obj: object) -> None:
        """Put *obj* into the queue; OSError when it is closed.

        Documentation: multiprocessing.SimpleQueue.put.
        """
        self._writer.send(obj)

    def close(self) -> None:
        """Release what this process holds of the queue; again does nothing.

        Documentation: multiprocessing.SimpleQueue.close.
        """
        self._reader.close()
        self._writer.close()
