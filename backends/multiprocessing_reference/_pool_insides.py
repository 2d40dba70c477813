"""Names of a pool that are private in the standard library, and that other people's programs use.

They look at the workers (`_pool`, `_processes`), at what is to be done (`_cache`, `_taskqueue`), make
workers of another kind (`Process`), or add a method of their own to `Pool`, in the manner of the one
that is passed around as ``istarmap``: it puts tasks on ``_taskqueue`` itself.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from ._supply import IteratorSupply

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from ._jobs import Crew
    from ._results import IMapIterator
    from ._supply import Supply
    from .context import BaseContext

__all__ = ["PoolInsides", "mapstar", "starmapstar"]


def mapstar(args: tuple[Callable[..., Any], Iterable[Any]]) -> list[Any]:
    """Call a function with each item, both given as one tuple."""
    return list(map(*args))


def starmapstar(args: tuple[Callable[..., Any], Iterable[Iterable[Any]]]) -> list[Any]:
    """Call a function with the items of each item, both given as one tuple."""
    function, items = args
    return [function(*item) for item in items]


class _Tasks(NamedTuple):
    job: IMapIterator
    function: Callable[[Any], Any]
    items: Iterable[Any]


class _TaskQueue:
    """The calls of a pool whose tasks wait for workers."""

    def __init__(self, crew: Crew, begin: Callable[[IMapIterator, Any, Supply], None]) -> None:
        self._crew = crew
        self._begin = begin

    def qsize(self) -> int:
        """How many they are."""
        return self._crew.waiting()

    def empty(self) -> bool:
        """Whether there is none."""
        return self.qsize() == 0

    def put(self, item: tuple[_Tasks, object]) -> None:
        """Begin what `_guarded_task_generation` has made; the second item is not needed."""
        job, function, items = item[0]
        self._begin(job, function, IteratorSupply(items, 1, 8))


class PoolInsides:
    """See the module."""

    def _own_crew(self) -> Crew:
        raise NotImplementedError

    def _begin(self, job: IMapIterator, func: Callable[[Any], Any], supply: Supply) -> None:
        raise NotImplementedError

    @staticmethod
    def Process(ctx: BaseContext, *args: Any, **kwds: Any) -> Any:  # noqa: N802, ANN401 - the Process of a context
        """Make a worker's process, not started yet."""
        return ctx.Process(*args, **kwds)

    @property
    def _cache(self) -> dict[int, object]:
        """The results that have not come, as many as there are."""
        return dict(enumerate(self._own_crew().unfinished()))

    @property
    def _taskqueue(self) -> _TaskQueue:
        return _TaskQueue(self._own_crew(), self._begin)

    @property
    def _pool(self) -> list[Any]:
        """The workers: processes, or those of a ThreadPool."""
        return self._own_crew().workers()

    @property
    def _processes(self) -> int:
        """How many workers the pool has when none is being replaced."""
        return self._own_crew().size

    def _check_running(self) -> None:
        self._own_crew().check_running()

    @staticmethod
    def _get_tasks(
        func: Callable[..., Any], items: Iterable[Any], size: int
    ) -> Iterator[tuple[Callable[..., Any], tuple[Any, ...]]]:
        """Yield a function with each *size* items in turn: what `mapstar` and `starmapstar` take."""
        iterator = iter(items)
        while chunk := tuple(islice(iterator, size)):
            yield func, chunk

    @staticmethod
    def _guarded_task_generation(
        job: IMapIterator, func: Callable[[Any], Any], items: Iterable[Any]
    ) -> _Tasks:
        """Have *func* called with each item, for *job*, once it is on the task queue."""
        return _Tasks(job, func, items)
