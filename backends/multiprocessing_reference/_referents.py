"""Objects that the manager of synchronization shares and that have no type elsewhere.

Documentation: multiprocessing.managers.SyncManager, multiprocessing.managers.Namespace.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from . import reduction

if TYPE_CHECKING:
    import array
    import queue
    from collections.abc import Iterable


class Namespace:
    """Has no public methods, but writable attributes, which its representation shows.

    Documentation: multiprocessing.managers.Namespace.
    """

    def __init__(self, /, **kwds: Any) -> None:
        self.__dict__.update(kwds)

    def __repr__(self) -> str:
        shown = sorted(
            f"{name}={value!r}" for name, value in self.__dict__.items() if not name.startswith("_")
        )
        return f"{type(self).__name__}({', '.join(shown)})"


class Value:
    """A writable attribute ``value``. The type code is only shown, and *lock* is ignored.

    Documentation: multiprocessing.managers.SyncManager.Value.
    """

    def __init__(self, typecode: Any, value: Any, lock: object = True) -> None:  # noqa: FBT002
        self._typecode = typecode
        self._value = value

    def get(self) -> Any:
        """The value."""
        return self._value

    def set(self, value: Any) -> None:
        """Replace the value."""
        self._value = value

    value = property(get, set)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._typecode!r}, {self._value!r})"


def Array(  # noqa: N802 - the documented name
    typecode: str, sequence: Iterable[Any], lock: object = True  # noqa: FBT002
) -> array.array[Any]:
    """An array.array with the items of *sequence*; *lock* is ignored.

    Documentation: multiprocessing.managers.SyncManager.Array.
    """
    import array

    return array.array(typecode, sequence)


def make_queue(maxsize: int = 0) -> queue.Queue[Any]:
    """A queue.Queue; a function, so that only servers with a queue import that module."""
    import queue

    return queue.Queue(maxsize)


def make_pool(*args: Any, **kwds: Any) -> Any:
    """A pool of processes; a function, so that only servers with a pool import that module."""
    from .pool import Pool

    return Pool(*args, **kwds)


def is_locked(lock: Any) -> bool:
    """Whether someone holds *lock*, for the types whose method ``locked`` came with later Pythons."""
    if isinstance(lock, threading.Semaphore):
        return lock._value == 0  # type: ignore[attr-defined,no-any-return]  # noqa: SLF001
    if isinstance(lock, threading.Condition):
        lock = lock._lock  # type: ignore[attr-defined]  # noqa: SLF001
    if hasattr(lock, "locked"):
        return bool(lock.locked())
    if hasattr(lock, "_is_owned") and lock._is_owned():  # noqa: SLF001
        return True
    if lock.acquire(blocking=False):
        lock.release()
        return False
    return True


def _reduce_view(view: Any) -> tuple[Any, ...]:
    return list, (list(view),)


# Views of dicts travel as lists, whoever sends them.
for _view in (type({}.keys()), type({}.values()), type({}.items())):
    reduction.register(_view, _reduce_view)
