"""How a process writes to a queue: at once where there is room, else through a thread.

The thread exists only while something waits: it starts with the first message that the pipe does
not take, and ends when all are written. So a queue that keeps up costs no switch of threads, and
leaves no thread behind for `fork` to trip over. Order is kept: while something waits, everything
queues up.

Documentation: multiprocessing.Queue (close, join_thread, cancel_join_thread).
"""

from __future__ import annotations

import errno
import sys
from _socket import MSG_DONTWAIT
from collections import deque
from threading import RLock, Thread
from weakref import ref

from ._transport import PACKET_MAX, LargeMessage
from ._undo import on_failure
from .reduction import Packed
from .util import Finalize, debug, info

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from ._transport import PacketTransport
    from .connection import Connection

__all__ = ["Feeder"]

# After the children were joined: they may be those that read what is still to be written.
_JOIN_PRIORITY = -5


class Feeder:
    """The writing side of one queue in one process.

    *pipe* is the connection over *transport*. *sent* is called when a message is in the pipe; *join_at_exit* waits for
    the thread at exit.
    """

    def __init__(
        self,
        pipe: Connection,
        transport: PacketTransport,
        sent: Callable[[], object] | None,
        *,
        join_at_exit: bool,
    ) -> None:
        # Kept for its own sake: dropped with the queue, it would close what the thread still writes to.
        self._pipe = pipe
        self._transport = transport
        self._sent = sent
        self._join_at_exit = join_at_exit
        self._join_cancelled = False
        self._closing = False
        # Reentrant: a signal handler or a destructor may put while its own thread is putting.
        self._lock = RLock()
        self._waiting: deque[Packed | LargeMessage] = deque()
        self._thread: Thread | None = None
        # Kept when it has written all: `join` waits for its end, which comes a moment later.
        self._last_thread: Thread | None = None
        self._current: Packed | LargeMessage | None = None
        self._finalizer: Finalize | None = None

    def put(self, item: bytes | Packed) -> None:
        """Write *item*, a pickle, or have it written; and close it then."""
        with self._lock:
            if self._thread is not None:
                self._waiting.append(Packed(item, ()) if isinstance(item, bytes) else item)
                return
            if isinstance(item, bytes):
                if len(item) <= PACKET_MAX and self._transport.offer(item):
                    if self._sent is not None:
                        self._sent()
                    return
                item = Packed(item, ())
            rest = self._begin(item)
            if rest is not None:
                self._waiting.append(rest)
                self._start()

    def _begin(self, packed: Packed) -> Packed | LargeMessage | None:
        """Write *packed* as far as there is room; return what is left to be written."""
        with on_failure(packed.close):
            try:
                rest = self._transport.start(packed.data, packed.fds)
            except BlockingIOError:
                return packed
        if self._sent is not None:
            self._sent()  # the message holds the slot now
        packed.close()
        return None if rest is None or rest.push(MSG_DONTWAIT) else rest

    def _start(self) -> None:
        if self._join_at_exit and self._finalizer is None:
            self._finalizer = Finalize(self, _join, (ref(self),), exitpriority=_JOIN_PRIORITY)
        debug("starting the thread that feeds a queue")
        self._thread = thread = Thread(target=self._run, name="QueueFeederThread", daemon=True)
        try:
            thread.start()
            self._last_thread = thread
        except RuntimeError:
            # The interpreter is shutting down, or there are too many threads: write it here.
            self._run()

    def _run(self) -> None:
        while True:
            with self._lock:
                if not self._waiting:
                    self._thread = self._current = None
                    if self._closing:
                        self._transport.close()
                    return
                self._current = item = self._waiting.popleft()
            try:
                self._write(item)
            except OSError as error:
                if error.errno in (errno.EPIPE, errno.EBADF):
                    # Nobody reads this queue any more, and nobody ever can.
                    info("dropping what waits for a queue that has no reader: %s", error)
                else:
                    sys.excepthook(*sys.exc_info())  # this message is lost; the next may not be

    def _write(self, item: Packed | LargeMessage) -> None:
        try:
            if isinstance(item, LargeMessage):
                item.push()
            else:
                rest = self._transport.start(item.data, item.fds, 0)
                if self._sent is not None:
                    self._sent()
                if rest is not None:
                    self._current = rest
                    rest.push()
        finally:
            item.close()

    def close(self) -> None:
        """Close the pipe once everything is written."""
        with self._lock:
            self._closing = True
            if self._thread is None:
                self._transport.close()

    def join(self) -> None:
        """Wait until everything is written, and the thread has ended, unless that was cancelled."""
        thread = self._last_thread
        if thread is not None and not self._join_cancelled:
            thread.join()

    def cancel_join(self) -> None:
        """Let the process exit without waiting for the thread; nobody else waits either."""
        self._join_cancelled = True

    def abandon(self) -> None:
        """Forget, in a forked child, what the parent's thread is going to write."""
        for item in (self._current, *self._waiting):
            if item is not None:
                item.close()


def _join(feeder: ref[Feeder]) -> None:
    alive = feeder()
    if alive is not None:
        alive.join()
