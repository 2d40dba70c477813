"""The queue between processes: any number of producers and consumers, first in, first out.

A queue is one packet socket (see `_transport`) that all its processes share: a message is written
and read as a whole, so no lock guards either end, and a process that is killed takes at most its
own message with it. `put` writes through a `Feeder`, so that it never waits for a reader; a
bounded queue's waits for a slot of its `Bounds`.

Objects are pickled by `put` itself: what can't be pickled is reported there, before the queue
changes, and later changes of the object do not show on the other side.

Documentation: multiprocessing.Queue.
"""

from __future__ import annotations

import errno
import os
from _socket import MSG_DONTWAIT
from queue import Empty, Full
from time import monotonic
from types import GenericAlias

from ._feeder import Feeder
from ._slots import Unbounded
from ._transport import CutOffError, PacketTransport
from ._undo import on_failure
from ._wait import readable
from .connection import Pipe
from .reduction import Packed, pack, plain_pickle, require_spawning, unpack
from .util import register_after_fork

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from ._slots import Slots
    from ._transport import Message
    from .context import BaseContext

__all__ = ["Queue"]


def _slots(maxsize: int, ctx: BaseContext) -> Slots:
    if maxsize <= 0:
        return Unbounded(ctx)
    from ._bounds import Bounds

    return Bounds(maxsize)


class _NotClosedError(ValueError, AssertionError):
    """`join_thread` came before `close`: CPython raises the second, other misuse the first."""


class Queue:
    """A queue of at most *maxsize* objects; of any number when that is not positive.

    Documentation: multiprocessing.Queue.
    """

    __class_getitem__: Any = classmethod(GenericAlias)

    def __init__(self, maxsize: int = 0, *, ctx: BaseContext) -> None:
        self._slots: Slots = _slots(maxsize, ctx)
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
        writer, reader = self._writer._transport, self._reader._transport  # noqa: SLF001
        if not (isinstance(writer, PacketTransport) and isinstance(reader, PacketTransport)):
            message = "a queue is a pair of packet sockets, and this is another kind of connection"
            raise TypeError(message)
        self._feeder = Feeder(self._writer, writer, self._slots.sent, join_at_exit=self._joins)
        self._incoming = reader

    def _after_fork(self) -> None:
        if not self._closed:
            self._feeder.abandon()
            self._joins = True
            self._begin()

    def __getstate__(self) -> tuple[Any, ...]:
        require_spawning(self)
        return self._reader, self._writer, self._slots, self._creator

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self._reader, self._writer, self._slots, self._creator = state
        self._open()

    def put(self, obj: object, block: bool = True, timeout: float | None = None) -> None:  # noqa: FBT001, FBT002
        """Put *obj*, waiting for a free slot at most *timeout* seconds (None: forever).

        Full when there is none within that time, or at once if not *block*; ValueError when the
        queue is closed; what pickle raises when *obj* can't be pickled.
        Documentation: multiprocessing.Queue.put.
        """
        if self._closed:
            raise self._closed_error()
        try:
            item = plain_pickle(obj) or pack(obj)
        except Exception as error:  # noqa: BLE001 - whatever the object's own methods raise
            self._on_queue_feeder_error(error, obj)
            return
        if not self._slots.acquire(block, timeout):
            if isinstance(item, Packed):
                item.close()
            raise Full
        with on_failure(self._slots.release):
            self._feed(item)

    def _on_queue_feeder_error(self, e: Exception, obj: object) -> None:  # noqa: ARG002
        """Write the traceback of *e*, the reason why *obj* can't be pickled, to the error stream.

        It is not raised: no implementation does, and callers of `put` are not prepared for it. A hook: the queues of
        `concurrent.futures` replace it, to fail the task that *obj* is.
        """
        import traceback  # what it imports, few processes need

        traceback.print_exception(e)

    def _feed(self, item: bytes | Packed) -> None:
        self._feeder.put(item)

    def _lost(self) -> None:
        """Account for a message that nobody will get."""
        self._slots.release()

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
        if block and timeout is None and not self._slots.limited:
            return self._wait_and_get()
        data, fds = self._receive_within(timeout if block else 0)
        self._slots.release()
        return unpack(data, fds)

    def _wait_and_get(self) -> Any:  # noqa: ANN401 - whatever was put
        while True:
            try:
                return self._incoming.receive_object(self._slots.release)
            except CutOffError:
                self._lost()

    def get_nowait(self) -> Any:  # noqa: ANN401 - whatever was put
        """Return the next object, or raise Empty at once.

        Documentation: multiprocessing.Queue.get_nowait.
        """
        return self.get(block=False)

    def _receive_within(self, timeout: float | None) -> Message:
        deadline = None if timeout is None else monotonic() + timeout
        while True:
            # A slot is noted only while this process can't wait: with the message it takes a slot.
            self._slots.hold(1)
            taken = False
            try:
                message = self._incoming.receive(None, MSG_DONTWAIT)
            except CutOffError:
                taken = True
                self._lost()
                continue
            except BlockingIOError:
                pass
            except OSError as error:
                if error.errno == errno.EMFILE:  # the message is gone, for want of descriptors
                    taken = True
                    self._lost()
                raise
            else:
                taken = True
                return message
            finally:
                if not taken:
                    self._slots.hold(-1)
            # Another consumer may be faster each time: the deadline is what ends this.
            remaining = None if deadline is None else deadline - monotonic()
            if remaining is not None and remaining <= 0:
                raise Empty
            readable(self._reader.fileno(), remaining)

    def qsize(self) -> int:
        """Return how many objects the queue holds, roughly; of a bounded one that is closed: held then.

        Documentation: multiprocessing.Queue.qsize.
        """
        return self._slots.taken()

    def empty(self) -> bool:
        """Return whether the queue holds nothing that could be got, roughly; OSError when closed.

        Documentation: multiprocessing.Queue.empty.
        """
        return not self._reader.poll()

    def full(self) -> bool:
        """Return whether all slots are taken, roughly; of one that is closed: whether they were then.

        Documentation: multiprocessing.Queue.full.
        """
        return self._slots.full()

    def close(self) -> None:
        """Say that this process puts and gets no more; what it has put is still written.

        Again does nothing. Documentation: multiprocessing.Queue.close.
        """
        self._closed = True
        self._reader.close()
        self._feeder.close()
        self._slots.close()

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

    def _terminate_broken(self) -> None:
        """Close a queue whose readers are dead: nobody waits for what they did not read.

        The executor of `concurrent.futures` calls it when a worker was killed.
        """
        self.cancel_join_thread()
        self.close()

    def _closed_error(self) -> ValueError:
        return ValueError(f"Queue {self!r} is closed: this process closed it, and can't use it now")
