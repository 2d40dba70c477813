"""SharedMemory: a block of shared memory that any process can attach by name."""

# ruff: noqa: FBT001, FBT002 - the documented signature

from __future__ import annotations

import _posixshmem
import mmap
import os
import sys
from functools import partial
from operator import index

from . import resource_tracker  # here, since unlink() is called at the interpreter's end as well

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_MODE = 0o600


class SharedMemory:
    """A block of shared memory: a new one, or one attached by its name.

    ``create=True`` makes a block of ``size`` zero bytes, without ``name`` under a new name.
    ``track``: a tracker process unlinks the block when the program ends and nobody did.
    Raises FileExistsError, FileNotFoundError, ValueError for a size below 1 or a missing name.
    Documentation: multiprocessing.shared_memory.SharedMemory.
    """

    # For __del__ of an object whose __init__ failed.
    _mmap: mmap.mmap | None = None
    _buf: memoryview | None = None

    def __init__(
        self,
        name: str | None = None,
        create: bool = False,
        size: int = 0,
        *,
        track: bool = True,
    ) -> None:
        size = index(size)
        if size < 0:
            msg = f"'size' must be a positive integer, not {size}"
            raise ValueError(msg)
        if create and size == 0:
            msg = "'size' must be a positive number different from zero to create a block"
            raise ValueError(msg)
        if name is None and not create:
            msg = "'name' can only be None if create=True: give the name of the block to attach"
            raise ValueError(msg)
        if name is not None and "\0" in name:
            msg = f"embedded null character in the name of a shared memory block: {name!r}"
            raise ValueError(msg)
        self._track = track
        self._path, descriptor = _make(name, size) if create else _open(_path_of(name or ""))
        try:
            self._size = size if create else os.fstat(descriptor).st_size
            self._mmap = _map(descriptor, self._size)
        except (OSError, ValueError):
            if create:
                _posixshmem.shm_unlink(self._path)
            raise
        finally:
            os.close(descriptor)
        self._name = self._path[1:] if name is None else name
        self._buf = memoryview(self._mmap)
        if track:
            resource_tracker.register(self._path, "shared_memory")

    def __del__(self) -> None:
        # What still looks into the memory (an ndarray, say) keeps the mapping; there is nothing to
        # complain about.
        self._buf = self._mmap = None

    def __reduce__(self) -> tuple[Any, ...]:
        return partial(type(self), track=self._track), (self._name, False, self._size)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._name!r}, size={self._size})"

    @property
    def buf(self) -> memoryview | None:
        """The memory, byte by byte; None once closed."""
        return self._buf

    @property
    def name(self) -> str:
        """The name by which other processes attach the block."""
        return self._name

    @property
    def size(self) -> int:
        """Bytes."""
        return self._size

    def close(self) -> None:
        """Give up this object's access; the block itself stays.

        BufferError while something else looks into ``buf`` (a slice of it, an ndarray): nothing has
        changed then, and close() can be called again later.
        """
        if self._buf is None or self._mmap is None:
            return
        self._buf.release()
        try:
            self._mmap.close()
        except BufferError:
            self._buf = memoryview(self._mmap)
            raise
        self._buf = self._mmap = None

    def unlink(self) -> None:
        """Destroy the block: its name goes now, its memory with the last process that has it open.

        FileNotFoundError when it has been unlinked before.
        """
        _posixshmem.shm_unlink(self._path)
        if self._track:
            resource_tracker.unregister(self._path, "shared_memory")


def _path_of(name: str) -> str:
    return name if name.startswith("/") else "/" + name


def _make(name: str | None, size: int) -> tuple[str, int]:
    """Make a block that did not exist; without a name, under a new one."""
    flags = os.O_CREAT | os.O_EXCL | os.O_RDWR
    while True:
        # 14 characters are what every system allows.
        path = f"/psm_{os.urandom(4).hex()}" if name is None else _path_of(name)
        try:
            descriptor = _posixshmem.shm_open(path, flags, mode=_MODE)
        except FileExistsError:
            if name is None:
                continue
            raise
        break
    try:
        os.ftruncate(descriptor, size)
    except OSError:
        os.close(descriptor)
        _posixshmem.shm_unlink(path)
        raise
    return path, descriptor


def _open(path: str) -> tuple[str, int]:
    return path, _posixshmem.shm_open(path, os.O_RDWR, mode=_MODE)


def _map(descriptor: int, size: int) -> mmap.mmap:
    if sys.version_info >= (3, 13):
        # Or the mapping would keep a descriptor.
        return mmap.mmap(descriptor, size, trackfd=False)
    return mmap.mmap(descriptor, size)
