"""Pools of worker processes, or of worker threads, to which jobs are submitted.

`Pool` turns each call of a method into a job (`_results`) and gives it to its crew:
`_process_crew` for processes, `_thread_crew` for threads. Nothing refers back to the pool but
jobs that are not done yet, so a pool that is dropped is collected, and terminated with that.

Documentation: multiprocessing.pool.
"""

from __future__ import annotations

import functools
import os
import sys
import warnings
from typing import TYPE_CHECKING, Any

from ._failures import (
    BrokenPoolError,
    MaybeEncodingError,
    PoolTerminatedError,
    RemoteTraceback,
    WorkerLostError,
)
from ._jobs import CLOSE, RUN, TERMINATE, Crew, Task  # noqa: F401 - what programs compare `_state` with
from ._pool_insides import PoolInsides, mapstar, starmapstar  # noqa: F401 - for programs that add methods to Pool
from ._results import (
    ApplyResult,
    AsyncResult,
    IMapIterator,
    IMapUnorderedIterator,
    MapResult,
)
from ._supply import supply_of
from ._undo import on_failure
from ._worker import CALL, MAP, STARMAP
from .errors import TimeoutError  # noqa: A004 - the documented name

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from types import TracebackType
    from typing import Self, TypeVar

    from ._supply import Supply
    from .context import BaseContext

    _Iterator = TypeVar("_Iterator", bound=IMapIterator)
    Callback = Callable[[Any], object] | None
    ErrorCallback = Callable[[BaseException], object] | None

__all__ = [
    "ApplyResult",
    "AsyncResult",
    "BrokenPoolError",
    "IMapIterator",
    "IMapUnorderedIterator",
    "MapResult",
    "MaybeEncodingError",
    "Pool",
    "PoolTerminatedError",
    "RemoteTraceback",
    "ThreadPool",
    "TimeoutError",
    "WorkerLostError",
]

_process_cpu_count: Callable[[], int | None] = getattr(os, "process_cpu_count", os.cpu_count)


class Pool(PoolInsides):
    """A pool of worker processes.

    *processes* is their number (None: the processors that this process may use); each calls
    ``initializer(*initargs)`` when it starts, and is replaced after *maxtasksperchild* tasks (a
    chunk of a map is one task; None: never). ValueError for less than one process or task,
    TypeError for an initializer that can't be called. Only the process that made a pool may call
    its methods (RuntimeError).

    Documentation: multiprocessing.pool.Pool.
    """

    _crew: Crew | None = None

    def __init__(
        self,
        processes: int | None = None,
        initializer: Callable[..., object] | None = None,
        initargs: Iterable[Any] = (),
        maxtasksperchild: int | None = None,
        context: BaseContext | None = None,
    ) -> None:
        size = _check_size(processes, initializer)
        if maxtasksperchild is not None and (
            not isinstance(maxtasksperchild, int) or maxtasksperchild < 1
        ):
            message = f"maxtasksperchild must be a positive int or None, not {maxtasksperchild!r}"
            raise ValueError(message)
        if context is None:
            from . import get_context

            context = get_context()
        from ._process_crew import ProcessCrew

        self._pid = os.getpid()
        make = functools.partial(self.Process, context)
        self._crew = ProcessCrew(make, size, initializer, tuple(initargs), maxtasksperchild)

    def apply(
        self,
        func: Callable[..., Any],
        args: Iterable[Any] = (),
        kwds: Mapping[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401 - the user's own objects
        """Return ``func(*args, **kwds)``, called in one worker."""
        crew = self._own_crew()
        job = ApplyResult(crew, self)
        job.task = Task(job, 0, CALL, func, tuple(args), kwds or {})
        crew.run(job)
        return job.get()

    def apply_async(
        self,
        func: Callable[..., Any],
        args: Iterable[Any] = (),
        kwds: Mapping[str, Any] | None = None,
        callback: Callback = None,
        error_callback: ErrorCallback = None,
    ) -> ApplyResult:
        """Have ``func(*args, **kwds)`` called in a worker; return what will have the result."""
        crew = self._own_crew()
        job = ApplyResult(crew, self, callback, error_callback)
        job.task = Task(job, 0, CALL, func, tuple(args), kwds or {})
        crew.submit(job)
        return job

    def map(
        self, func: Callable[[Any], Any], iterable: Iterable[Any], chunksize: int | None = None
    ) -> list[Any]:
        """Return ``[func(item) for item in iterable]``, done in chunks; raise its first error."""
        return self._map(MAP, func, iterable, chunksize)

    def map_async(
        self,
        func: Callable[[Any], Any],
        iterable: Iterable[Any],
        chunksize: int | None = None,
        callback: Callback = None,
        error_callback: ErrorCallback = None,
    ) -> MapResult:
        """Begin a `map`; return what will have its list."""
        return self._map_async(MAP, func, iterable, chunksize, callback, error_callback)

    def starmap(
        self,
        func: Callable[..., Any],
        iterable: Iterable[Iterable[Any]],
        chunksize: int | None = None,
    ) -> list[Any]:
        """Return ``[func(*item) for item in iterable]``, done in chunks; raise its first error."""
        return self._map(STARMAP, func, iterable, chunksize)

    def starmap_async(
        self,
        func: Callable[..., Any],
        iterable: Iterable[Iterable[Any]],
        chunksize: int | None = None,
        callback: Callback = None,
        error_callback: ErrorCallback = None,
    ) -> MapResult:
        """Begin a `starmap`; return what will have its list."""
        return self._map_async(STARMAP, func, iterable, chunksize, callback, error_callback)

    def imap(
        self, func: Callable[[Any], Any], iterable: Iterable[Any], chunksize: int = 1
    ) -> IMapIterator:
        """Return an iterator over the results, in order; the workers' pace reads the input."""
        return self._imap(IMapIterator, func, iterable, chunksize)

    def imap_unordered(
        self, func: Callable[[Any], Any], iterable: Iterable[Any], chunksize: int = 1
    ) -> IMapUnorderedIterator:
        """Return an iterator over the results, in the order in which they come."""
        return self._imap(IMapUnorderedIterator, func, iterable, chunksize)

    def close(self) -> None:
        """Take no further tasks; the workers end when those that there are have been completed."""
        self._own_crew().close()

    def terminate(self) -> None:
        """End the workers at once; calls that are not completed fail."""
        self._own_crew().terminate()

    def join(self) -> None:
        """Wait for the workers to end; ValueError before `close` or `terminate`."""
        crew = self._own_crew()
        if crew.state == RUN:
            message = "Pool is still running: call close() or terminate() before join()"
            raise ValueError(message)
        crew.join()

    def _map(
        self, kind: int, func: Callable[..., Any], iterable: Iterable[Any], chunksize: int | None
    ) -> list[Any]:
        job = self._map_job(kind, func, iterable, chunksize)
        if job.empty:
            return []
        job.crew.run(job)
        result: list[Any] = job.get()
        return result

    def _map_async(  # noqa: PLR0913, PLR0917 - the documented parameters
        self,
        kind: int,
        func: Callable[..., Any],
        iterable: Iterable[Any],
        chunksize: int | None,
        callback: Callback,
        error_callback: ErrorCallback,
    ) -> MapResult:
        job = self._map_job(kind, func, iterable, chunksize, callback, error_callback)
        job.crew.submit(job)
        if job.empty:
            job.crew.conclude(job)
        return job

    def _map_job(  # noqa: PLR0913, PLR0917 - the documented parameters
        self,
        kind: int,
        func: Callable[..., Any],
        iterable: Iterable[Any],
        chunksize: int | None,
        callback: Callback = None,
        error_callback: ErrorCallback = None,
    ) -> MapResult:
        crew = self._own_crew()
        crew.check_running()
        items = iterable if isinstance(iterable, (range, tuple)) else list(iterable)
        if chunksize is None:
            # About four chunks for each worker: few messages, no long wait for the slowest.
            chunksize = max(1, -(-len(items) // (crew.size * 4)))
        _check_chunksize(chunksize)
        return MapResult(crew, self, kind, func, items, chunksize, callback, error_callback)

    def _imap(
        self,
        make: type[_Iterator],
        func: Callable[[Any], Any],
        iterable: Iterable[Any],
        chunksize: int,
    ) -> _Iterator:
        crew = self._own_crew()
        crew.check_running()
        _check_chunksize(chunksize)
        supply = supply_of(iterable, chunksize, max(8, 2 * crew.size))
        job = make(self)
        self._begin(job, func, supply)
        return job

    def _begin(self, job: IMapIterator, func: Callable[[Any], Any], supply: Supply) -> None:
        crew = self._own_crew()
        job.have(func, supply)
        crew.submit(job)
        with on_failure(crew.withdraw, job):
            supply.start(job)

    def _own_crew(self) -> Crew:
        if self._crew is None:
            message = "this pool was never set up: its __init__ failed or was not called"
            raise ValueError(message)
        if self._pid != os.getpid():
            message = (
                f"this pool belongs to process {self._pid}, only that one may call its methods: "
                f"create a pool in this process ({os.getpid()})"
            )
            raise RuntimeError(message)
        return self._crew

    def __enter__(self) -> Self:
        self._own_crew().check_running()
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._pid == os.getpid():  # a forked child leaves the block as well
            self.terminate()

    def __del__(self, _at_end: Callable[[], bool] = sys.is_finalizing) -> None:
        if _at_end():  # the workers have ended, and modules are empty already
            return
        crew = self._crew
        if crew is None or self._pid != os.getpid():
            return
        if crew.state == RUN:
            warnings.warn(
                f"unclosed running multiprocessing pool {self!r}",
                ResourceWarning,
                source=self,
                stacklevel=2,
            )
        crew.abandon()

    @property
    def _state(self) -> str | None:
        """RUN, CLOSE or TERMINATE; None if the pool could not be made."""
        return None if self._crew is None else self._crew.state

    @_state.setter
    def _state(self, state: str) -> None:
        self._own_crew().state = state

    def __reduce__(self) -> tuple[Any, ...]:
        message = "pool objects cannot be passed between processes or pickled"
        raise NotImplementedError(message)

    def __repr__(self) -> str:
        name = f"{type(self).__module__}.{type(self).__qualname__}"
        if self._crew is None:
            return f"<{name} not set up>"
        return f"<{name} state={self._crew.state} pool_size={self._crew.size}>"


class ThreadPool(Pool):
    """A pool of worker threads; the same methods, and nothing is pickled.

    Documentation: multiprocessing.pool.ThreadPool.
    """

    def __init__(
        self,
        processes: int | None = None,
        initializer: Callable[..., object] | None = None,
        initargs: Iterable[Any] = (),
    ) -> None:
        size = _check_size(processes, initializer)
        from ._thread_crew import ThreadCrew

        self._pid = os.getpid()
        self._crew = ThreadCrew(size, initializer, initargs)


def _check_size(processes: int | None, initializer: object) -> int:
    size = _process_cpu_count() or 1 if processes is None else processes
    if size < 1:
        message = f"Number of processes must be at least 1, not {size}"
        raise ValueError(message)
    if not isinstance(size, int):
        message = f"the number of processes must be an int, not {size!r}"
        raise TypeError(message)
    if initializer is not None and not callable(initializer):
        message = f"initializer must be a callable, not {initializer!r}"
        raise TypeError(message)
    return size


def _check_chunksize(chunksize: int) -> None:
    if chunksize < 1:
        message = f"Chunksize must be 1+, not {chunksize}"
        raise ValueError(message)
    if not isinstance(chunksize, int):
        message = f"chunksize must be an int, not {chunksize!r}"
        raise TypeError(message)
