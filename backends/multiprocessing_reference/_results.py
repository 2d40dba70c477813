"""The results that a pool's methods return: one value, a list, or an iterator.

Each is a job (`_jobs`); the methods that callers use are on top.

Documentation: multiprocessing.pool.AsyncResult, Pool.imap.
"""

from __future__ import annotations

import sys
import threading
from collections import deque
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

from ._jobs import Crew, Job, Task
from ._worker import CALL, EACH
from .errors import TimeoutError  # noqa: A004 - the documented name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Self

    from ._supply import Supply

__all__ = [
    "ApplyResult",
    "AsyncResult",
    "IMapIterator",
    "IMapUnorderedIterator",
    "MapResult",
]


class ApplyResult(Job):
    """The result of one call that was submitted to a pool.

    Documentation: multiprocessing.pool.AsyncResult.
    """

    def __init__(
        self,
        crew: Crew,
        pool: object,
        callback: Callable[[Any], object] | None = None,
        error_callback: Callable[[BaseException], object] | None = None,
    ) -> None:
        super().__init__(crew, pool)
        self._callback = callback
        self._error_callback = error_callback
        self.has_callbacks = callback is not None or error_callback is not None
        self._ok = True
        self._value: Any = None
        self.task: Task | None = None

    def ready(self) -> bool:
        """Return whether the call has completed."""
        return self._concluded

    def successful(self) -> bool:
        """Return whether the call completed without an exception; ValueError when it runs yet."""
        if not self._concluded:
            message = f"{self!r} not ready: call wait() first"
            raise ValueError(message)
        return self._ok

    def get(self, timeout: float | None = None) -> Any:  # noqa: ANN401 - the user's own objects
        """Return the result, or raise what the call raised; TimeoutError after *timeout* s."""
        self.wait(timeout)
        if not self._concluded:
            message = f"no result within {timeout} seconds"
            raise TimeoutError(message)
        if self._ok:
            return self._value
        try:
            raise self._value
        finally:
            del self  # or the traceback, and with it the result, would hold itself

    def take(self) -> Task | None:
        """Return the one task, once."""
        task, self.task = self.task, None
        return task

    def settle(self, task: Task, ok: bool, value: Any) -> bool:  # noqa: ANN401, ARG002, FBT001 - the user's own objects
        """Store the outcome."""
        if self._sealed:
            return False
        self._sealed = True
        self._ok, self._value = ok, value
        return True

    def seal(self, error: BaseException) -> None:
        """Fail."""
        self._ok, self._value, self.task = False, error, None

    def conclude(self) -> None:
        """Call the callback, then let `get` return."""
        callback = self._callback if self._ok else self._error_callback
        self._callback = self._error_callback = None
        if callback is not None:
            try:
                callback(self._value)
            except BaseException:  # noqa: BLE001 - whatever the user's code raises
                threading.excepthook(
                    threading.ExceptHookArgs((*sys.exc_info(), threading.current_thread()))
                )
        super().conclude()


AsyncResult = ApplyResult


class MapResult(ApplyResult):
    """The result of a map: a list, or the error of the first item that failed.

    It is ready when every task has ended, failed ones or not.
    """

    def __init__(  # noqa: PLR0913, PLR0917 - the documented parameters
        self,
        crew: Crew,
        pool: object,
        kind: int,
        function: Callable[..., Any],
        items: Sequence[Any],
        chunksize: int,
        callback: Callable[[Any], object] | None = None,
        error_callback: Callable[[BaseException], object] | None = None,
    ) -> None:
        super().__init__(crew, pool, callback, error_callback)
        self._kind = kind
        self._function = function
        self._items = items
        self._chunksize = chunksize
        self._next = 0
        self._left = -(-len(items) // chunksize)
        self._failed = sys.maxsize  # the place of the first item that is known to have failed
        self._value = [None] * len(items)
        self.empty = len(items) == 0

    @property
    def _number_left(self) -> int:
        """How many chunks have not been completed: what programs show as progress."""
        return self._left

    def take(self) -> Task | None:
        """Return the next chunk."""
        start = self._next
        if start >= len(self._items):
            return None
        self._next = stop = start + self._chunksize
        return Task(self, start, self._kind, self._function, self._items[start:stop])

    def settle(self, task: Task, ok: bool, value: Any) -> bool:  # noqa: ANN401, FBT001 - the user's own objects
        """Store a chunk's results."""
        if self._sealed:
            return False
        self._left -= 1
        if not ok:
            if task.index < self._failed:
                self._failed, self._ok, self._value = task.index, False, value
        elif self._ok:
            self._value[task.index : task.index + len(value)] = value
        self._sealed = self._left == 0
        return self._sealed

    def seal(self, error: BaseException) -> None:
        """Fail, and give out no further chunks."""
        self._next = len(self._items)
        super().seal(error)


class _Pool(Protocol):
    def _own_crew(self) -> Crew: ...


class IMapIterator(Job):
    """The results of imap, in the order of the inputs; after one that raises the next ones follow.

    Documentation: multiprocessing.pool.Pool.imap.
    """

    _function: Callable[..., Any]
    _supply: Supply

    def __init__(self, pool: _Pool) -> None:
        super().__init__(pool._own_crew(), pool)  # noqa: SLF001 - programs give the pool itself
        self._taken = 0
        self._settled = 0
        self._length: int | None = None  # in tasks; None while the input goes on
        self._ready: deque[tuple[bool, Any]] = deque()
        self._error: BaseException | None = None
        self._early: dict[int, list[tuple[bool, Any]]] = {}  # chunks before whose turn it is
        self._due = 0

    def have(self, function: Callable[..., Any], supply: Supply) -> None:
        """Hear what is to be called, and with what."""
        self._function = function
        self._supply = supply
        self.fair = supply.endless

    # What programs ask of the one that they make themselves; see `_pool_insides`.

    @property
    def _job(self) -> Self:
        return self

    def _set_length(self, _length: int) -> None:
        """Do nothing: the supply tells it."""

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:  # noqa: ANN401 - the user's own objects
        return self.next()

    def next(self, timeout: float | None = None) -> Any:  # noqa: ANN401 - the user's own objects
        """Return the next result; TimeoutError when there is none within *timeout* seconds."""
        while True:
            try:
                ok, value = self._ready.popleft()
                break
            except IndexError:  # nothing there, or another thread was quicker
                if self._concluded and not self._ready:
                    self._raise_end()
            if not self.crew.wait(self, self._has_next, timeout):
                message = f"no result within {timeout} seconds"
                raise TimeoutError(message)
        if ok:
            return value
        raise value

    def _raise_end(self) -> NoReturn:
        if self._error is not None:
            raise self._error
        raise StopIteration from None

    def _has_next(self) -> bool:
        return bool(self._ready) or self._concluded

    def take(self) -> Task | None:
        """Return the next chunk, if it is there yet."""
        if self._sealed:
            return None
        chunk = self._supply.take()
        if chunk is None:
            return None
        self._taken += 1
        return Task(self, self._taken - 1, EACH, self._function, chunk)

    def settle(self, task: Task, ok: bool, value: Any) -> bool:  # noqa: ANN401, FBT001 - the user's own objects
        """Store a chunk's results."""
        if self._sealed:
            return False
        self._settled += 1
        self._store(task.index, value if ok else [(False, value)])
        if self._ready:
            self._wake()
        self._sealed = self._settled == self._length
        return self._sealed

    def _store(self, index: int, outcomes: list[tuple[bool, Any]]) -> None:
        self._early[index] = outcomes
        while self._due in self._early:
            self._ready.extend(self._early.pop(self._due))
            self._due += 1

    def end(self, count: int, error: BaseException | None) -> bool:
        """Hear that the input ended, or raised, after *count* chunks; return whether it is all."""
        self._length = count
        if error is None:
            self._sealed = self._sealed or self._settled == count
            return self._sealed
        self._length += 1
        return self.settle(Task(self, count, CALL, self._function, ()), ok=False, value=error)

    def seal(self, error: BaseException) -> None:
        """Give what is there, then raise."""
        self._error = error
        self._supply.stop()


class IMapUnorderedIterator(IMapIterator):
    """The results of imap_unordered, in the order in which they come.

    Documentation: multiprocessing.pool.Pool.imap_unordered.
    """

    def _store(self, index: int, outcomes: list[tuple[bool, Any]]) -> None:  # noqa: ARG002 - part of the interface
        self._ready.extend(outcomes)
