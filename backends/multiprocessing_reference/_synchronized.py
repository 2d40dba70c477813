"""The wrappers that take a lock around every access to a ctypes object."""

# ruff: noqa: ANN401, FBT001 - ctypes objects have no common type

from __future__ import annotations

import ctypes
from _ctypes import _Pointer, _SimpleCData
from functools import wraps
from types import FunctionType

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, Protocol

    from .context import BaseContext

    class AnyLock(Protocol):
        """What a wrapper needs of its lock: a Lock, an RLock, or a manager's proxy of one."""

        def acquire(self, block: bool = ..., timeout: float | None = ...) -> bool:
            """Take the lock."""

        def release(self) -> None:
            """Give it back."""

        def __enter__(self) -> Any: ...
        def __exit__(self, *exc_info: object) -> Any: ...


def new_lock(ctx: BaseContext | None) -> AnyLock:
    """Return a recursive lock, of a context; None: of the current one, which is fixed if it was not."""
    if ctx is None:
        from .context import default_context

        ctx = default_context.get_context()
    lock: AnyLock = ctx.RLock()
    return lock


class SynchronizedBase:
    """A ctypes object and its lock; ``with`` takes the lock, as ``acquire`` and ``release`` do.

    Without ``lock`` a new RLock is made, of ``ctx`` if that is given.
    Documentation: multiprocessing.sharedctypes.synchronized.
    """

    def __init__(
        self, obj: Any, lock: AnyLock | None = None, ctx: BaseContext | None = None
    ) -> None:
        if lock is None:
            lock = new_lock(ctx)
        self._obj = obj
        self._lock = lock
        self.acquire = lock.acquire
        self.release = lock.release

    def __enter__(self) -> Any:
        return self._lock.__enter__()

    def __exit__(self, *exc_info: object) -> Any:
        return self._lock.__exit__(*exc_info)

    def __reduce__(self) -> tuple[Any, ...]:
        from .reduction import require_spawning

        require_spawning(self)
        return _rebuild, (self._obj, self._lock)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} wrapper for {self._obj}>"

    def get_obj(self) -> Any:
        """Return the object itself."""
        return self._obj

    def get_lock(self) -> Any:
        """Return the lock."""
        return self._lock


class Synchronized(SynchronizedBase):
    """A number, a character or a pointer."""

    @property
    def value(self) -> Any:
        """What the object holds."""
        self.acquire()
        try:
            return self._obj.value
        finally:
            self.release()

    @value.setter
    def value(self, value: Any) -> None:
        self.acquire()
        try:
            self._obj.value = value
        finally:
            self.release()


class SynchronizedArray(SynchronizedBase):
    """An array. Slices are copied to and from lists, or strings."""

    def __len__(self) -> int:
        return len(self._obj)

    def __getitem__(self, index: int | slice) -> Any:
        self.acquire()
        try:
            return self._obj[index]
        finally:
            self.release()

    def __setitem__(self, index: int | slice, value: Any) -> None:
        self.acquire()
        try:
            self._obj[index] = value
        finally:
            self.release()

    def __iter__(self) -> Iterator[Any]:
        """Yield the items, each read under the lock; the lock is free between them."""
        for index in range(len(self._obj)):
            yield self[index]

    def __getslice__(self, start: int, stop: int) -> Any:
        return self[start:stop]

    def __setslice__(self, start: int, stop: int, values: Any) -> None:
        self[start:stop] = values


class SynchronizedText(SynchronizedArray):
    """An array of characters, be they bytes or wide ones."""

    @property
    def value(self) -> Any:
        """What stands before the first null."""
        self.acquire()
        try:
            return self._obj.value
        finally:
            self.release()

    @value.setter
    def value(self, value: Any) -> None:
        self.acquire()
        try:
            self._obj.value = value
        finally:
            self.release()


class SynchronizedString(SynchronizedText):
    """An array of bytes."""

    @property
    def raw(self) -> bytes:
        """All the bytes."""
        with self._lock:
            return self._obj.raw  # type: ignore[no-any-return]

    @raw.setter
    def raw(self, value: bytes) -> None:
        with self._lock:
            self._obj.raw = value


class SynchronizedPointer(SynchronizedBase):
    """A pointer. What it leads to lies elsewhere, and has no lock."""

    @property
    def contents(self) -> Any:
        """What the pointer leads to."""
        with self._lock:
            return self._obj.contents

    @contents.setter
    def contents(self, target: Any) -> None:
        with self._lock:
            self._obj.contents = target

    def __getitem__(self, place: int | slice) -> Any:
        with self._lock:
            return self._obj[place]

    def __setitem__(self, place: int, value: Any) -> None:
        with self._lock:
            self._obj[place] = value


_classes: dict[type[Any], type[SynchronizedBase]] = {}


def wrapper_class(type_: type[Any]) -> type[SynchronizedBase]:
    """Return the wrapper for objects of a ctypes type; it is made once for each type."""
    found = _classes.get(type_)
    if found is None:
        found = _classes[type_] = _choose(type_)
    return found


def _choose(type_: type[Any]) -> type[SynchronizedBase]:
    if issubclass(type_, _SimpleCData):
        return Synchronized
    if issubclass(type_, ctypes.Array):
        return _TEXTS.get(type_._type_, SynchronizedArray)
    if issubclass(type_, _Pointer):
        return SynchronizedPointer
    if issubclass(type_, (ctypes.Structure, ctypes.Union)):
        # What has a name that the wrapper itself needs is to be reached through get_obj().
        names = {name for name in dir(type_) if not name.startswith("__")} - _OWN - _LAYOUT
        members = {name: _member(name, type_) for name in names.difference(dir(SynchronizedBase))}
        return type(f"Synchronized{type_.__name__}", (SynchronizedBase,), members)
    msg = (
        f"{type_.__name__} can't be shared behind a lock: "
        "it is no simple type, pointer, array, structure or union of ctypes"
    )
    raise UnsupportedTypeError(msg)


class UnsupportedTypeError(TypeError, AttributeError):
    """There is no wrapper for a type; AttributeError is what CPython raises."""


_OWN = frozenset({"_obj", "_lock", "acquire", "release"})
_LAYOUT = {"_fields_", "_anonymous_", "_pack_", "_align_", "_layout_", "_swappedbytes_"}
_LAYOUT.update(dir(ctypes.Structure))
_TEXTS: dict[object, type[SynchronizedArray]] = {
    ctypes.c_char: SynchronizedString,
    ctypes.c_wchar: SynchronizedText,
}


def _field(name: str) -> property:
    """Return a property like ``Synchronized.value`` for another name.

    Its functions are those of ``value`` with the name exchanged in the code: going through
    getattr() takes half as long again.
    """
    value: property = vars(Synchronized)["value"]
    get, set_ = _renamed(value.fget, name), _renamed(value.fset, name)
    return property(get, set_, doc=f"The field {name}.")


def _member(name: str, type_: type[Any]) -> Any:
    """Return what a wrapper has for a field, a method or another attribute of a structure's class."""
    found = next(vars(base)[name] for base in type_.__mro__ if name in vars(base))
    return _method(found) if isinstance(found, FunctionType) else _field(name)


def _method(function: FunctionType) -> Any:
    """Return a method that calls a function with the object, under its lock."""

    @wraps(function)
    def method(self: SynchronizedBase, /, *args: Any, **kwds: Any) -> Any:
        with self._lock:
            return function(self._obj, *args, **kwds)

    return method


def _renamed(function: Any, name: str) -> FunctionType:
    code = function.__code__
    names = tuple(name if each == "value" else each for each in code.co_names)
    return FunctionType(code.replace(co_names=names), function.__globals__, name)


def _rebuild(obj: Any, lock: AnyLock) -> SynchronizedBase:
    return wrapper_class(type(obj))(obj, lock)
