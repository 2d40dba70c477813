"""Shared memory for locks and for shared ctypes objects.

A program asks for blocks of a few bytes (a semaphore, a ``Value``) up to many megabytes (an
``Array``). They are cut from *arenas*: anonymous files (memfd) mapped into every process that uses
them. A child made by fork has the mapping already; any other child gets the descriptor with the
object, so that an arena has no name, needs nobody to clean up after it, and is gone with the last
process that maps it, however that process ends.

Blocks are never used twice. An allocation moves a mark forward; an arena goes away as a whole when
nothing refers to it any more. That has three reasons. The kernel hands out zeroed pages, so a block
is zeroed for free. Nobody can know whether another process still uses a block that this one has
dropped, and a second life would corrupt it there. And there are no free lists to search, to lock,
or to find broken after a kill. The price is that one living block keeps its arena of 4 MiB mapped,
of which only the pages in use take memory.
"""

from __future__ import annotations

import mmap
import os
import sys
from _thread import allocate_lock
from _weakref import ref

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Final

    from .reduction import SharedFd

ALIGNMENT: Final = 32
"""Bytes. It suits a semaphore (``sem_t`` has 32) and every ctypes type."""

ARENA_SIZE: Final = 1 << 22
"""Bytes of an arena that many blocks share. Pages that no block has touched take no memory."""

OWN_ARENA: Final = 1 << 17
"""Blocks of more bytes than this get an arena to themselves, which goes when they go."""

_known: dict[bytes, ref[Arena]] = {}
"""Every arena mapped here by its identity, so that none is mapped twice."""


class Arena:
    """A piece of memory that processes share.

    Attributes: ``memory``, the mapping; ``size``, its bytes; ``address``, where it lies in this
    process; ``descriptor``, the file behind it, which travels to other processes; ``identity``, the
    same in all of them.
    """

    __slots__ = ("__weakref__", "_address", "_anchor", "descriptor", "identity", "memory", "size")

    def __init__(self, size: int, descriptor: int | None = None, identity: bytes = b"") -> None:
        """Map a file of ``size`` bytes: ``descriptor``, which the arena owns now, or a new one."""
        self.size = size
        self.identity = identity or os.urandom(12)
        self.descriptor = _new_file(size) if descriptor is None else descriptor
        self.memory = _map(self.descriptor, size)
        self._address = 0
        self._anchor: object = None
        _known[self.identity] = ref(self)

    @property
    def address(self) -> int:
        """Where the memory begins in this process."""
        if not self._address:
            # Only semaphores need it; ctypes itself would take 2 ms of a child's start.
            from ._libc import address_of

            self._address, self._anchor = address_of(self.memory)
        return self._address

    def __reduce__(self) -> tuple[Callable[..., Arena], tuple[Any, ...]]:
        from .reduction import require_spawning, share_fd

        require_spawning(self)
        return _attach, (share_fd(self.descriptor), self.size, self.identity)

    # Bound here, for what still lives when the interpreter takes modules apart.
    def __del__(
        self,
        _close: Callable[[int], None] = os.close,
        _known: dict[bytes, ref[Arena]] = _known,
    ) -> None:
        # The mapping itself goes with the last ctypes object that lies in it.
        if not hasattr(self, "memory"):
            return
        _close(self.descriptor)
        reference = _known.get(self.identity)
        if reference is not None and reference() is self:
            del _known[self.identity]


class Block:
    """Some bytes of an arena. Pickled, it becomes the same bytes in another process."""

    __slots__ = ("arena", "offset", "size")

    def __init__(self, arena: Arena, offset: int, size: int) -> None:
        self.arena = arena
        self.offset = offset
        self.size = size

    def __reduce__(self) -> tuple[Any, ...]:
        return Block, (self.arena, self.offset, self.size)

    @property
    def address(self) -> int:
        """Where the block begins in this process."""
        return self.arena.address + self.offset

    def view(self, code: str = "B") -> memoryview:
        """Return the block as a flat array of items of one :mod:`struct` code."""
        view = memoryview(self.arena.memory)[self.offset : self.offset + self.size]
        return view.cast(code)  # type: ignore[call-overload, no-any-return]  # any code, not a literal


class Heap:
    """Cuts blocks from arenas. Safe for threads; a forked child begins with a heap of its own."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Leave the current arena: in a forked child, the parent goes on cutting from it."""
        self._lock = allocate_lock()
        self._arena: Arena | None = None
        self._mark = 0

    def allocate(self, size: int) -> Block:
        """Return ``size`` zeroed bytes, at a multiple of :data:`ALIGNMENT`.

        Raises OSError when the system has no memory or no descriptor left.
        """
        room = (max(size, 1) + ALIGNMENT - 1) & -ALIGNMENT
        if room > OWN_ARENA:
            return Block(Arena(room), 0, size)
        with self._lock:
            arena, offset = self._arena, self._mark
            if arena is None or offset + room > ARENA_SIZE:
                # First let go of the old one, which goes if no block of it lives.
                arena = self._arena = None
                arena = self._arena = Arena(ARENA_SIZE)
                offset = 0
            self._mark = offset + room
        return Block(arena, offset, size)


def _new_file(size: int) -> int:
    descriptor = os.memfd_create("multiprocessing", os.MFD_CLOEXEC)
    try:
        os.ftruncate(descriptor, size)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def _map(descriptor: int, size: int) -> mmap.mmap:
    try:
        if sys.version_info >= (3, 13):
            # Or the mapping would keep a second descriptor.
            return mmap.mmap(descriptor, size, trackfd=False)
        return mmap.mmap(descriptor, size)
    except (OSError, ValueError):
        os.close(descriptor)
        raise


def _attach(shared: SharedFd, size: int, identity: bytes) -> Arena:
    """Map an arena of another process, or find it when it is mapped here already."""
    reference = _known.get(identity)
    arena = reference() if reference is not None else None
    # A descriptor that nobody takes is closed with its SharedFd.
    return Arena(size, shared.take(), identity) if arena is None else arena


_heap: Final = Heap()
os.register_at_fork(after_in_child=_heap.forget)

allocate: Final = _heap.allocate
