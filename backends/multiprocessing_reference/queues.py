"""Queues between processes: any number of producers and consumers, first in, first out.

A queue is one packet socket (see `_transport`) that all its processes share: a message is written
and read as a whole, so no lock guards either end, and a process that is killed takes at most its
own message with it. A `Queue` writes through a `Feeder`, so that `put` never waits for a reader;
a `SimpleQueue` writes directly, and waits when the pipe is full.

Objects are pickled by `put` itself: what can't be pickled raises there, before the queue changes,
and later changes of the object do not show on the other side.

Documentation: multiprocessing.Queue, multiprocessing.SimpleQueue, multiprocessing.JoinableQueue.
"""

from __future__ import annotations

import os
from _socket import MSG_DONTWAIT
from contextlib import suppress
from queue import Empty, Full
from time import monotonic
from types import GenericAlias

from ._feeder import Feeder
from ._ledger import PATIENCE, Ledger
from ._transport import PacketTransport
from ._wait import readable
from .connection import Connection, Pipe
from .reduction import pack, require_spawning, share_fd, unpack
from .synchronize import SEM_VALUE_MAX, Semaphore
from .util import register_after_fork

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ._transport import Message
    from .context import BaseContext

__all__ = ["Empty", "Full", "JoinableQueue", "Queue", "SimpleQueue"]


class _NotClosedError(ValueError, AssertionError):
    """`join_thread` came before `close`: CPython raises the second, other misuse the first."""


class Queue:
    """A queue of at most *maxsize* objects; of any number when that is not positive.

    Documentation: multiprocessing.Queue.
    """

    __class_getitem__: Any = classmethod(GenericAlias)

    def __init__(self, maxsize: int = 0, *, ctx: BaseContext) -> None:
        self._maxsize = SEM_VALUE_MAX if maxsize <= 0 else maxsize
        self._slots = Semaphore(self._maxsize, ctx=ctx)
        self._reader, self._writer = Pipe(duplex=False)
        self._ledger = Ledger(maxsize, self._slots) if maxsize > 0 else None
        self._creator = os.getpid()
        self._open()

    def _open(self) -> None:
        """Make what belongs to this process alone."""
        self._closed = False
        self._joins = self._creator != os.getpid()
        self._begin()
        register_after_fork(self, Queue._after_fork)

    def _begin(self) -> None:
        writer, reader = self._writer._transport, self._reader._transport  # noqa: SLF001
        if not (isinstance(writer, PacketTransport) and isinstance(reader, PacketTransport)):
            message = "a queue is a pair of packet sockets, and this is another kind of connection"
            raise TypeError(message)
        self._feeder = Feeder(writer, self._ledger, join_at_exit=self._joins)
        self._receive = reader.receive

    def _after_fork(self) -> None:
        if not self._closed:
            self._feeder.abandon()
            self._joins = True
            self._begin()

    def __getstate__(self) -> tuple[Any, ...]:
        require_spawning(self)
        return (self._maxsize, self._slots, self._ledger, self._reader, self._writer, self._creator)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        (self._maxsize, self._slots, self._ledger, self._reader, self._writer, self._creator) = (
            state
        )
        self._open()

    def put(self, obj: object, block: bool = True, timeout: float | None = None) -> None:  # noqa: FBT001, FBT002
        """Put *obj*, waiting for a free slot at most *timeout* seconds (None: forever).

        Full when there is none within that time, or at once if not *block*; ValueError when the
        queue is closed; what pickle raises when *obj* can't be pickled.
        Documentation: multiprocessing.Queue.put.
        """
        if self._closed:
            raise self._closed_error()
        packed = pack(obj)
        if not self._acquire(block, timeout):
            packed.close()
            raise Full
        try:
            self._feeder.put(packed)
        except BaseException:
            self._release()
            raise

    def _acquire(self, block: bool, timeout: float | None) -> bool:  # noqa: FBT001
        """Take a slot; while there is none, get back those of processes that were killed."""
        ledger = self._ledger
        if ledger is None:
            return self._slots.acquire(block, timeout)
        ledger.hold(1)
        if self._slots.acquire(False):  # noqa: FBT003
            return True
        ledger.hold(-1)
        deadline = None if timeout is None else monotonic() + timeout
        while True:
            ledger.recover()
            remaining = PATIENCE if deadline is None else deadline - monotonic()
            if not block or remaining <= 0:
                taken = self._slots.acquire(False)  # noqa: FBT003
            else:
                taken = self._slots.acquire(True, min(remaining, PATIENCE))  # noqa: FBT003
            if taken:
                ledger.hold(1)
                return True
            if not block or remaining <= 0:
                return False

    def _release(self) -> None:
        """Give back the slot of a message that this process took, or did not put."""
        self._slots.release()
        if self._ledger is not None:
            self._ledger.hold(-1)

    def _lost(self) -> None:
        """Account for a message that was cut off when its writer was killed."""
        self._release()

    def put_nowait(self, obj: object) -> None:
        """Put *obj* into the queue, or raise Full at once.

        Documentation: multiprocessing.Queue.put_nowait.
        """
        self.put(obj, block=False)

    def get(self, block: bool = True, timeout: float | None = None) -> Any:  # noqa: ANN401, FBT001, FBT002
        """Return the next object, waiting for it at most *timeout* seconds (None: forever).

        Empty when there is none within that time, or at once if not *block*; ValueError when the
        queue is closed. Documentation: multiprocessing.Queue.get.
        """
        if self._closed:
            raise self._closed_error()
        message: Message | None
        if self._ledger is not None or not block or timeout is not None:
            message = self._receive_within(timeout if block else 0)
        else:
            while (message := self._receive()) is None:
                self._lost()
        self._release()
        return unpack(*message)

    def get_nowait(self) -> Any:  # noqa: ANN401 - whatever was put
        """Return the next object, or raise Empty at once.

        Documentation: multiprocessing.Queue.get_nowait.
        """
        return self.get(block=False)

    def _receive_within(self, timeout: float | None) -> Message:
        deadline = None if timeout is None else monotonic() + timeout
        ledger = self._ledger
        while True:
            if ledger is not None:
                ledger.hold(1)  # only while it can't wait: a message that it takes brings a slot
            try:
                message = self._receive(None, MSG_DONTWAIT)
            except BaseException as error:
                if ledger is not None:
                    ledger.hold(-1)
                if not isinstance(error, BlockingIOError):
                    raise
                # Another consumer may be faster each time: the deadline is what ends this.
                remaining = None if deadline is None else deadline - monotonic()
                if remaining is not None and remaining <= 0:
                    raise Empty from None
                readable(self._reader.fileno(), remaining)
                continue
            if message is not None:
                return message
            self._lost()

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
        """Let this process exit, and `join_thread` return, with data unwritten, which is lost.

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
        if not self._acquire(block, timeout):
            packed.close()
            raise Full
        # Counted before it can be got. While it is, the count can't reach zero, so the flag that is
        # lowered here can't be one raised for it.
        self._unfinished.release()
        self._idle.lower()
        try:
            self._feeder.put(packed)
        except BaseException:
            self._release()
            self.task_done()
            raise

    def _lost(self) -> None:
        super()._lost()
        self.task_done()

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
            # The flag may be older than a put that came after it; then lower it and wait for the
            # next. Looking again afterwards keeps a count that fell to zero meanwhile from being
            # missed.
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
        with suppress(BlockingIOError):  # not raised
            os.eventfd_read(self.fd)

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

    __class_getitem__: Any = classmethod(GenericAlias)

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
