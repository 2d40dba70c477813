"""Locks and semaphores: kernel semaphores in shared memory.

A class here *is* CPython's ``SemLock`` (by inheritance), so that ``with lock:`` runs no Python
code. From Python 3.12 on its methods are also bound when an object is made, as attributes, since
the interpreter calls those 5 to 20 % faster than methods inherited from C; before, it is the other
way round. The semaphore lies in a block of :mod:`.heap`, not under a name: making one takes a
microsecond or two instead of a file, nothing has to be unlinked, nothing remains of a process that
is killed, and no tracker has to be running.

The documentation leaves it open what becomes of a lock whose holder is killed. It stays locked, as
a semaphore must.
"""

# ruff: noqa: ARG004, FBT001, FBT002, SLF001 - the documented signatures, and SemLock's own names

from __future__ import annotations

import os
import sys
from _weakref import ref
from operator import index

from ._libc import SEMAPHORE_SIZE, keep, semaphore_image
from .heap import Block, allocate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Final, Protocol, Self

    class Acquire(Protocol):
        """The acquire method of every lock and semaphore."""

        def __call__(self, block: bool = True, timeout: float | None = None) -> bool:
            """Take the semaphore; see :class:`Lock`."""

    class SemLock:
        """What CPython's ``_multiprocessing.SemLock`` offers, apart from what is bound below."""

        SEM_VALUE_MAX: int
        kind: int
        maxvalue: int
        handle: int

        @classmethod
        def _rebuild(cls, handle: int, kind: int, maxvalue: int, name: None) -> Self: ...
        def __enter__(self) -> bool: ...
        def __exit__(self, *exc_info: object) -> None: ...
        def _count(self) -> int: ...
        def _is_mine(self) -> bool: ...
        def _is_zero(self) -> bool: ...
        def _get_value(self) -> int: ...
        def _after_fork(self) -> None: ...

    _bind_acquire: Callable[[Any], Acquire]
    _bind_release: Callable[[Any], Callable[[], None]]
else:
    from _multiprocessing import SemLock

    _bind_acquire = SemLock.acquire.__get__
    _bind_release = SemLock.release.__get__

RECURSIVE_MUTEX: Final = 0
SEMAPHORE: Final = 1
SEM_VALUE_MAX: Final = SemLock.SEM_VALUE_MAX

_BOUND = sys.version_info >= (3, 12)

_living: set[ref[KernelSemaphore]] = set()
_forget = _living.discard


class NegativeValueError(ValueError, OSError):
    """A semaphore can't begin below zero; ValueError as in threading, OSError as in CPython."""


class KernelSemaphore(SemLock):
    """What all locks and semaphores share: their memory, and the way to another process."""

    __slots__ = ("__weakref__", "_block", *(("acquire", "release") if _BOUND else ()))

    _block: Block
    acquire: Acquire
    release: Callable[[], None]

    @classmethod
    def _create(cls, kind: int, value: int, maxvalue: int) -> Self:
        block = allocate(SEMAPHORE_SIZE)
        block.arena.memory[block.offset : block.offset + SEMAPHORE_SIZE] = semaphore_image(value)
        return cls._over(block, kind, maxvalue)

    @classmethod
    def _over(cls, block: Block, kind: int, maxvalue: int) -> Self:
        """Return a new object for the semaphore that lies in ``block``."""
        self = cls._rebuild(block.address, kind, maxvalue, None)
        keep(self)
        self._block = block
        if _BOUND:
            self._bind()
        _living.add(ref(self, _forget))
        return self

    def _bind(self) -> None:
        self.acquire = _bind_acquire(self)
        self.release = _bind_release(self)

    def __reduce__(self) -> tuple[Any, ...]:
        from .reduction import require_spawning

        require_spawning(self)
        return _attach, (type(self), self._block, self.kind, self.maxvalue)

    if TYPE_CHECKING:

        def locked(self) -> bool: ...

    else:
        locked = SemLock._is_zero


def _attach(cls: type[KernelSemaphore], block: Block, kind: int, maxvalue: int) -> KernelSemaphore:
    return cls._over(block, kind, maxvalue)


def _after_fork_in_child() -> None:
    """Make every inherited lock somebody else's.

    SemLock would take it for the child's own: its only thread has the identifier of the parent's.
    """
    for reference in tuple(_living):
        lock = reference()
        if lock is not None:
            lock._after_fork()


os.register_at_fork(after_in_child=_after_fork_in_child)


class Lock(KernelSemaphore):
    """A non-recursive lock of processes and threads. Anybody may release it.

    ``acquire(block=True, timeout=None)`` returns whether the lock was taken; ``timeout`` is in
    seconds, None waits for ever, a negative one is zero, and without ``block`` it is ignored.
    ``release()`` raises ValueError when the lock is not locked. ``locked()`` tells its state.
    Documentation: multiprocessing.Lock.
    """

    __slots__ = ()

    def __new__(cls, *, ctx: object = None) -> Self:
        return cls._create(SEMAPHORE, 1, 1)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}(owner={_owner(self)})>"


class RLock(KernelSemaphore):
    """A recursive lock: who acquired it must release it, as often.

    ``acquire`` and ``locked`` are as for :class:`Lock`; ``release()`` raises AssertionError for
    everybody but the owner. Documentation: multiprocessing.RLock.
    """

    __slots__ = ()

    def __new__(cls, *, ctx: object = None) -> Self:
        return cls._create(RECURSIVE_MUTEX, 1, 1)

    def __repr__(self) -> str:
        owner = _owner(self)
        depth = str(self._count()) if self._is_mine() else "0" if owner == "None" else "nonzero"
        return f"<{type(self).__name__}({owner}, {depth})>"


class Semaphore(KernelSemaphore):
    """A counter: ``acquire`` takes one, waiting while it is zero; ``release(n=1)`` adds ``n``.

    Documentation: multiprocessing.Semaphore (``release(n)``: threading.Semaphore, its analog but
    for ``block``).
    """

    __slots__ = ("_release_one",) if _BOUND else ()

    if TYPE_CHECKING:
        _release_one: Callable[[], None]
    elif not _BOUND:
        _release_one = SemLock.release

    def __new__(cls, value: int = 1, *, ctx: object = None) -> Self:
        """Make a semaphore of ``value`` >= 0 (else ValueError; OverflowError: too large)."""
        return cls._create(SEMAPHORE, _checked(value), SEM_VALUE_MAX)

    def _bind(self) -> None:
        self.acquire = _bind_acquire(self)
        self._release_one = _bind_release(self)

    def release(self, n: int = 1) -> None:
        """Add ``n`` to the counter; ValueError if ``n`` < 1 or if it would pass the maximum."""
        if n == 1:
            self._release_one()
        else:
            self._release_many(n)

    def _release_many(self, n: int) -> None:
        if n < 1:
            msg = f"{type(self).__name__}.release(n) adds one or more, not {n}"
            raise ValueError(msg)
        if self._get_value() + n > self.maxvalue:
            most = self.maxvalue
            msg = f"semaphore or lock released too many times: {n} more would pass {most}"
            raise ValueError(msg)
        for _ in range(n):
            self._release_one()

    if TYPE_CHECKING:

        def get_value(self) -> int: ...

    else:
        get_value = SemLock._get_value

    def __repr__(self) -> str:
        return f"<{type(self).__name__}(value={self._get_value()})>"


class BoundedSemaphore(Semaphore):
    """A semaphore that refuses to pass the value it began with (ValueError).

    Documentation: multiprocessing.BoundedSemaphore.
    """

    __slots__ = ()

    def __new__(cls, value: int = 1, *, ctx: object = None) -> Self:
        """Make a semaphore of ``value``, which is its maximum as well."""
        value = _checked(value)
        return cls._create(SEMAPHORE, value, value)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}(value={self._get_value()}, maxvalue={self.maxvalue})>"


def _checked(value: int) -> int:
    value = index(value)
    if value < 0:
        msg = f"a semaphore's initial value must be 0 or more, not {value}"
        raise NegativeValueError(msg)
    if value > SEM_VALUE_MAX:
        msg = f"a semaphore's initial value must be at most {SEM_VALUE_MAX}, not {value}"
        raise OverflowError(msg)
    return value


def _owner(lock: KernelSemaphore) -> str:
    """Say who holds a lock, as far as this process can know."""
    if not lock._is_zero():
        return "None"
    if lock._is_mine():
        import threading

        from .process import current_process

        name = str(current_process().name)
        thread = threading.current_thread()
        return name if thread is threading.main_thread() else f"{name}|{thread.name}"
    return "SomeOtherThread" if lock._count() > 0 else "SomeOtherProcess"
