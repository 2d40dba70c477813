"""Objects that the manager of synchronization shares and that have no type elsewhere.

Documentation: multiprocessing.managers.SyncManager, multiprocessing.managers.Namespace.
"""

# ruff: noqa: ANN401 - anything can be shared


# ruff: noqa: A003, ARG001, ARG002, FBT002, N802 - the documented names and signatures

# ruff: noqa: SLF001 - what locks and queues don't offer otherwise

from __future__ import annotations

import sys
import threading

from . import reduction

TYPE_CHECKING = False  # the module typing takes longer to import than all this
if TYPE_CHECKING:
    import array
    import queue
    from collections.abc import Iterable
    from typing import Any


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

    def __init__(self, typecode: Any, value: Any, lock: object = True) -> None:
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


def Array(
    typecode: str,
    sequence: Iterable[Any],
    lock: object = True,
) -> array.array[Any]:
    """An array.array with the items of *sequence*; *lock* is ignored.

    Documentation: multiprocessing.managers.SyncManager.Array.
    """
    import array

    return array.array(typecode, sequence)


def make_condition(lock: Any = None) -> threading.Condition:
    """A threading.Condition of the lock for which *lock* is a proxy.

    Of the lock itself: whether the caller holds a recursive lock can't be told from its proxy.
    """
    from ._proxy import referent_of

    return threading.Condition(referent_of(lock) or lock)


def make_queue(maxsize: int = 0) -> queue.Queue[Any]:
    """A queue.Queue; a function, so that only servers with a queue import that module."""
    import queue

    return queue.Queue(maxsize)


def make_pool(*args: Any, **kwds: Any) -> Any:
    """A pool of processes; a function, so that only servers with a pool import that module."""
    from .pool import Pool

    return Pool(*args, **kwds)


def is_locked(lock: Any) -> bool:
    """Whether someone holds *lock*, which has no method ``locked`` in this Python."""
    if isinstance(lock, threading.Semaphore):
        return lock._value == 0
    if isinstance(lock, threading.Condition):
        lock = lock._lock  # type: ignore[attr-defined]
    if hasattr(lock, "locked"):
        return bool(lock.locked())
    if hasattr(lock, "_is_owned") and lock._is_owned():
        return True
    if lock.acquire(blocking=False):
        lock.release()
        return False
    return True


def take_back(obj: Any, method: str, result: Any) -> None:
    """Undo a call whose client was killed while it waited: nobody else would release or process.

    A lock acquired for it is released; an item taken from a queue returns to its place.
    """
    if method == "acquire" and result is True:
        obj.release()
        return
    queue_module = sys.modules.get("queue")
    if queue_module is None or not isinstance(obj, queue_module.Queue):
        return
    if method in {"get", "get_nowait"}:
        with obj.mutex:
            if type(obj) is queue_module.Queue:
                obj.queue.appendleft(result)
            else:
                obj._put(result)
            obj.not_empty.notify()


def _reduce_view(view: Any) -> tuple[Any, ...]:
    return list, (list(view),)


# Views of dicts travel as lists, whoever sends them.
_VIEWS: tuple[type, ...] = (type({}.keys()), type({}.values()), type({}.items()))
for _view in _VIEWS:
    reduction.register(_view, _reduce_view)
