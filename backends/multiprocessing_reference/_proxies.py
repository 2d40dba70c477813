"""The proxies of SyncManager's types.

Documentation: multiprocessing.managers.SyncManager, multiprocessing.managers.BaseProxy.
"""

# ruff: noqa: ANN401 - anything can be shared

# ruff: noqa: A003 - the names of the referents' methods

# ruff: noqa: FBT001, FBT002 - the signatures of the referents' methods

from __future__ import annotations

import time
from types import GenericAlias

from ._aliases import deprecated_alias
from ._proxy import BaseProxy, MakeProxyType

TYPE_CHECKING = False  # the module typing takes longer to import than all this
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any, ClassVar, Self


class IteratorProxy(BaseProxy):
    """A proxy for an iterator or generator: each step is one call."""

    _exposed_ = ("__next__", "send", "throw", "close")

    def __iter__(self) -> Self:
        return self

    def __next__(self, *args: Any) -> Any:
        return self._callmethod("__next__", args)

    def send(self, *args: Any) -> Any:
        """The generator's method."""
        return self._callmethod("send", args)

    def throw(self, *args: Any) -> Any:
        """The generator's method."""
        return self._callmethod("throw", args)

    def close(self, *args: Any) -> Any:
        """The generator's method."""
        return self._callmethod("close", args)


class AcquirerProxy(BaseProxy):
    """A proxy for a threading lock or semaphore.

    The owner is the calling thread of the calling process.
    """

    _exposed_: ClassVar[Sequence[str] | None] = ("acquire", "release", "locked")

    def acquire(self, blocking: bool = True, timeout: float | None = None) -> bool:
        """Acquire; wait *timeout* seconds at most, if given. False if it wasn't to be had."""
        args = (blocking,) if timeout is None else (blocking, timeout)
        return bool(self._callmethod("acquire", args))

    def release(self, *args: Any, **kwds: Any) -> Any:
        """Release; a semaphore several times, if so asked."""
        return self._callmethod("release", args, kwds)

    def locked(self) -> bool:
        """Whether an acquire would wait now."""
        return bool(self._callmethod("locked"))

    def __enter__(self) -> Any:
        return self._callmethod("acquire")

    def __exit__(self, *exc_info: object) -> Any:
        return self._callmethod("release")


class ConditionProxy(AcquirerProxy):
    """A proxy for a threading.Condition."""

    _exposed_ = ("acquire", "release", "locked", "wait", "notify", "notify_all")

    def wait(self, timeout: float | None = None) -> bool:
        """Wait to be notified; False after *timeout* seconds."""
        return bool(self._callmethod("wait", (timeout,)))

    def notify(self, n: int = 1) -> None:
        """Wake *n* waiters."""
        self._callmethod("notify", (n,))

    def notify_all(self) -> None:
        """Wake all waiters."""
        self._callmethod("notify_all")

    notifyAll = deprecated_alias("notifyAll", "notify_all")  # noqa: N815 - threading's

    def wait_for(self, predicate: Callable[[], Any], timeout: float | None = None) -> Any:
        """Wait until *predicate*, called here, returns something true.

        Its last result, after *timeout* seconds.
        """
        result = predicate()
        deadline = None if timeout is None else time.monotonic() + timeout
        while not result:
            left = None if deadline is None else deadline - time.monotonic()
            if left is not None and left <= 0:
                break
            self.wait(left)
            result = predicate()
        return result


class EventProxy(BaseProxy):
    """A proxy for a threading.Event."""

    _exposed_ = ("is_set", "set", "clear", "wait")

    def is_set(self) -> bool:
        """Whether the event is set."""
        return bool(self._callmethod("is_set"))

    isSet = deprecated_alias("isSet", "is_set")  # noqa: N815 - threading's

    def set(self) -> None:
        """Set the event."""
        self._callmethod("set")

    def clear(self) -> None:
        """Unset the event."""
        self._callmethod("clear")

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until the event is set; False after *timeout* seconds."""
        return bool(self._callmethod("wait", (timeout,)))


class BarrierProxy(BaseProxy):
    """A proxy for a threading.Barrier."""

    _exposed_ = ("__getattribute__", "wait", "abort", "reset")

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the other parties.

        The number of this one. threading.BrokenBarrierError after *timeout* seconds.
        """
        return int(self._callmethod("wait", (timeout,)))

    def abort(self) -> None:
        """Break the barrier."""
        self._callmethod("abort")

    def reset(self) -> None:
        """Return the barrier to its first state."""
        self._callmethod("reset")

    @property
    def parties(self) -> int:
        """How many must come."""
        return int(self._callmethod("__getattribute__", ("parties",)))

    @property
    def n_waiting(self) -> int:
        """How many have come."""
        return int(self._callmethod("__getattribute__", ("n_waiting",)))

    @property
    def broken(self) -> bool:
        """Whether the barrier is broken."""
        return bool(self._callmethod("__getattribute__", ("broken",)))


class NamespaceProxy(BaseProxy):
    """A proxy for a Namespace.

    Names beginning with '_' are the proxy's own; all others are the referent's.
    Documentation: multiprocessing.managers.Namespace.

    """

    _exposed_ = ("__getattribute__", "__setattr__", "__delattr__")

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            return object.__getattribute__(self, name)
        return self._callmethod("__getattribute__", (name,))

    def __setattr__(self, name: str, value: Any) -> None:
        if name.startswith("_"):
            object.__setattr__(self, name, value)
        else:
            self._callmethod("__setattr__", (name, value))

    def __delattr__(self, name: str) -> None:
        if name.startswith("_"):
            object.__delattr__(self, name)
        else:
            self._callmethod("__delattr__", (name,))


class ValueProxy(BaseProxy):
    """A proxy for a Value."""

    _exposed_ = ("get", "set")

    def get(self) -> Any:
        """The value."""
        return self._callmethod("get")

    def set(self, value: Any) -> None:
        """Replace the value."""
        self._callmethod("set", (value,))

    value = property(get, set)

    __class_getitem__: Any = classmethod(GenericAlias)


BaseListProxy = MakeProxyType(
    "BaseListProxy",
    (
        *("__add__", "__contains__", "__delitem__", "__getitem__", "__imul__", "__len__"),
        *("__mul__", "__reversed__", "__rmul__", "__setitem__", "append", "clear", "copy"),
        *("count", "extend", "index", "insert", "pop", "remove", "reverse", "sort"),
    ),
)


class ListProxy(BaseListProxy):  # type: ignore[misc, valid-type]
    """A proxy for a list."""

    def __getitem__(self, index: Any, /) -> Any:
        return self._callmethod("__getitem__", (index,))

    def __setitem__(self, index: Any, value: Any, /) -> None:
        self._callmethod("__setitem__", (index, value))

    def __iadd__(self, value: Any) -> Self:
        self._callmethod("extend", (value,))
        return self

    def __imul__(self, value: Any) -> Self:
        self._callmethod("__imul__", (value,))
        return self

    __class_getitem__: Any = classmethod(GenericAlias)


_BaseDictProxy = MakeProxyType(
    "_BaseDictProxy",
    (
        *("__contains__", "__delitem__", "__getitem__", "__ior__", "__iter__", "__len__"),
        *("__or__", "__reversed__", "__ror__", "__setitem__", "clear", "copy", "fromkeys"),
        *("get", "items", "keys", "pop", "popitem", "setdefault", "update", "values"),
    ),
)


class DictProxy(_BaseDictProxy):  # type: ignore[misc, valid-type]
    """A proxy for a dict.

    Keys(), values() and items() are lists; iter() is a proxy for the iterator.
    """

    _method_to_typeid_: ClassVar[Mapping[str, str] | None] = {"__iter__": "Iterator"}

    def __getitem__(self, key: Any, /) -> Any:
        return self._callmethod("__getitem__", (key,))

    def __setitem__(self, key: Any, value: Any, /) -> None:
        self._callmethod("__setitem__", (key, value))

    def __ior__(self, value: Any) -> Self:
        self._callmethod("__ior__", (value,))
        return self

    __class_getitem__: Any = classmethod(GenericAlias)


_BaseSetProxy = MakeProxyType(
    "_BaseSetProxy",
    (
        *("__and__", "__contains__", "__ge__", "__gt__", "__iand__", "__ior__", "__isub__"),
        *("__iter__", "__ixor__", "__le__", "__len__", "__lt__", "__or__", "__rand__", "__ror__"),
        *("__rsub__", "__rxor__", "__sub__", "__xor__", "add", "clear", "copy", "difference"),
        *("difference_update", "discard", "intersection", "intersection_update", "isdisjoint"),
        *("issubset", "issuperset", "pop", "remove", "symmetric_difference"),
        *("symmetric_difference_update", "union", "update"),
    ),
)


class SetProxy(_BaseSetProxy):  # type: ignore[misc, valid-type]
    """A proxy for a set."""

    def __ior__(self, value: Any) -> Self:
        self._callmethod("__ior__", (value,))
        return self

    def __iand__(self, value: Any) -> Self:
        self._callmethod("__iand__", (value,))
        return self

    def __ixor__(self, value: Any) -> Self:
        self._callmethod("__ixor__", (value,))
        return self

    def __isub__(self, value: Any) -> Self:
        self._callmethod("__isub__", (value,))
        return self

    __class_getitem__: Any = classmethod(GenericAlias)


ArrayProxy = MakeProxyType("ArrayProxy", ("__len__", "__getitem__", "__setitem__"))


BasePoolProxy = MakeProxyType(
    "BasePoolProxy",
    (
        *("apply", "apply_async", "close", "imap", "imap_unordered", "join", "map", "map_async"),
        *("starmap", "starmap_async", "terminate"),
    ),
)


class PoolProxy(BasePoolProxy):  # type: ignore[misc, valid-type]
    """A proxy for a Pool of the server. Leaving its context terminates the pool."""

    _method_to_typeid_: ClassVar[Mapping[str, str] | None] = {
        "apply_async": "AsyncResult",
        "map_async": "AsyncResult",
        "starmap_async": "AsyncResult",
        "imap": "Iterator",
        "imap_unordered": "Iterator",
    }

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.terminate()


# Pickles find these classes by name.
for _kind in (BaseListProxy, _BaseDictProxy, _BaseSetProxy, ArrayProxy, BasePoolProxy):
    _kind.__module__ = __name__
