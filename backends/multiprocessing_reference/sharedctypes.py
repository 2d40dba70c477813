"""ctypes objects in shared memory, alone or wrapped with a lock.

A raw object lies in a block of :mod:`.heap` and remembers it, so that it can travel to another
process and be the same memory there. The wrappers take their lock around every access.
Documentation: "Shared ctypes Objects" and "The multiprocessing.sharedctypes module".
"""

# ruff: noqa: ANN401, FBT001, N802 - ctypes objects have no common type; the names are documented

from __future__ import annotations

import ctypes

from ._condition import LockTypeError
from ._synchronized import (
    Synchronized,
    SynchronizedArray,
    SynchronizedBase,
    SynchronizedString,
    new_lock,
    wrapper_class,
)
from .heap import Block, allocate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, Final, Literal

    from ._synchronized import AnyLock
    from .context import BaseContext

__all__ = [
    "Array",
    "RawArray",
    "RawValue",
    "Synchronized",
    "SynchronizedArray",
    "SynchronizedBase",
    "SynchronizedString",
    "Value",
    "copy",
    "synchronized",
]

for _public in (Synchronized, SynchronizedArray, SynchronizedBase, SynchronizedString):
    # The documentation knows one module only.
    _public.__module__ = __name__
del _public

_TYPES: Final[dict[str, type[Any]]] = {
    "c": ctypes.c_char,
    "u": ctypes.c_wchar,
    "b": ctypes.c_byte,
    "B": ctypes.c_ubyte,
    "h": ctypes.c_short,
    "H": ctypes.c_ushort,
    "i": ctypes.c_int,
    "I": ctypes.c_uint,
    "l": ctypes.c_long,
    "L": ctypes.c_ulong,
    "q": ctypes.c_longlong,
    "Q": ctypes.c_ulonglong,
    "f": ctypes.c_float,
    "d": ctypes.c_double,
}

_BLOCK: Final = "_multiprocessing_block"
"""The attribute in which a shared object keeps its block."""

_registered: set[type[Any]] = set()


def RawValue(typecode_or_type: str | type[Any], *args: Any) -> Any:
    """Return a ctypes object in shared memory, made with ``args``; without any it is zero.

    TypeError for a typecode that the array module or this package does not know. Documentation:
    multiprocessing.sharedctypes.RawValue.
    """
    obj = _place(*_reserve(_type_of(typecode_or_type)))
    if args:
        obj.__init__(*args)
    return obj


def RawArray(typecode_or_type: str | type[Any], size_or_initializer: int | Sequence[Any]) -> Any:
    """Return a ctypes array in shared memory: of a number of zeros, or of the items of a sequence.

    Documentation: multiprocessing.sharedctypes.RawArray.
    """
    item_type = _type_of(typecode_or_type)
    if isinstance(size_or_initializer, int):
        return _place(*_reserve(item_type * size_or_initializer))
    array = _place(*_reserve(item_type * len(size_or_initializer)))
    array.__init__(*size_or_initializer)
    return array


def Value(
    typecode_or_type: str | type[Any],
    *args: Any,
    lock: AnyLock | bool | None = True,
    ctx: BaseContext | None = None,
) -> Any:
    """Return a ctypes object in shared memory behind a lock.

    ``lock``: True makes an RLock, a Lock or RLock is used as it is, False returns the raw object;
    all else is a TypeError. Documentation: multiprocessing.Value.
    """
    return _guard(RawValue(typecode_or_type, *args), lock, ctx)


def Array(
    typecode_or_type: str | type[Any],
    size_or_initializer: int | Sequence[Any],
    *,
    lock: AnyLock | bool | None = True,
    ctx: BaseContext | None = None,
) -> Any:
    """Return a ctypes array in shared memory behind a lock; ``lock`` as for :func:`Value`.

    Documentation: multiprocessing.Array.
    """
    return _guard(RawArray(typecode_or_type, size_or_initializer), lock, ctx)


def copy(obj: Any) -> Any:
    """Return a copy of a ctypes object in shared memory.

    Documentation: multiprocessing.sharedctypes.copy.
    """
    type_ = type(obj)
    target = _place(*_reserve(type_))
    ctypes.memmove(ctypes.addressof(target), ctypes.addressof(obj), ctypes.sizeof(type_))
    return target


def synchronized(obj: Any, lock: AnyLock | None = None, ctx: BaseContext | None = None) -> Any:
    """Return a wrapper of a ctypes object that takes a lock around every access.

    ``lock`` is a new RLock unless given. Documentation: multiprocessing.sharedctypes.synchronized.
    """
    if isinstance(obj, SynchronizedBase):
        msg = f"object already synchronized: {obj!r}; use it, or wrap what its get_obj() returns"
        raise AlreadySynchronizedError(msg)
    return wrapper_class(type(obj))(obj, new_lock(ctx) if lock is None else _checked(lock))


class AlreadySynchronizedError(TypeError, AssertionError):
    """A wrapper can't be wrapped; AssertionError is what CPython raises."""


def _guard(obj: Any, lock: AnyLock | bool | None, ctx: BaseContext | None) -> Any:
    if lock is False:
        return obj
    if lock is True or lock is None:
        lock = new_lock(ctx)
    return wrapper_class(type(obj))(obj, _checked(lock))


def _checked(lock: AnyLock | Literal[True]) -> AnyLock:
    if lock is True or not hasattr(lock, "acquire") or not hasattr(lock, "release"):
        msg = f"lock must be True, False, or a Lock or RLock: {lock!r} has no method 'acquire'"
        raise LockTypeError(msg)
    return lock


def _type_of(typecode_or_type: str | type[Any]) -> type[Any]:
    if isinstance(typecode_or_type, str):
        type_ = _TYPES.get(typecode_or_type)
        if type_ is None:
            known = ", ".join(_TYPES)
            msg = f"bad typecode {typecode_or_type!r}: must be a ctypes type or one of {known}"
            raise TypeError(msg)
        return type_
    return typecode_or_type


def _reserve(type_: type[Any]) -> tuple[type[Any], Block]:
    try:
        return type_, allocate(ctypes.sizeof(type_))
    except TypeError:
        msg = f"{type_!r} is no ctypes type; give one, or a typecode out of {', '.join(_TYPES)}"
        raise TypeError(msg) from None


def _place(type_: type[Any], block: Block) -> Any:
    """Return the object of a type that lies in a block."""
    obj = type_.from_buffer(block.arena.memory, block.offset)
    setattr(obj, _BLOCK, block)
    if type_ not in _registered:
        from .reduction import register

        register(type_, _reduce)
        _registered.add(type_)
    return obj


def _reduce(obj: Any) -> tuple[Any, ...]:
    """Pickle an object of a type that occurs in shared memory (this one need not lie there)."""
    block: Block | None = getattr(obj, _BLOCK, None)
    if block is None or ctypes.addressof(obj) != block.address:
        plain: tuple[Any, ...] = obj.__reduce__()
        return plain
    from .reduction import require_spawning

    require_spawning(obj)
    return _rebuild, (_describe(type(obj)), block)


def _rebuild(description: Any, block: Block) -> Any:
    return _place(_described(description), block)


def _describe(type_: type[Any]) -> Any:
    """Name a type so that it can be pickled: array types belong to no module."""
    if issubclass(type_, ctypes.Array):
        item_type: type[Any] = type_._type_  # type: ignore[assignment]
        if item_type * type_._length_ is type_:
            return _describe(item_type), type_._length_
    return type_


def _described(description: Any) -> type[Any]:
    if isinstance(description, tuple):
        item_type, length = description
        array_type: type[Any] = _described(item_type) * length
        return array_type
    type_: type[Any] = description
    return type_
