"""Two facts that only C can tell: where a mapping lies, what an initialised semaphore looks like.

``_ctypes`` is the binding below :mod:`ctypes`; importing it takes a fifth of the time that ctypes
takes, which every spawned child that was given a lock would spend.
"""

from __future__ import annotations

import _ctypes
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    import mmap
    from ctypes import _SimpleCData
    from typing import Any

    _Simple = _SimpleCData[Any]

    # What the type checker's description of _ctypes leaves out.
    def _dlopen(name: None, flag: int) -> int: ...
else:
    _Simple = _ctypes._SimpleCData  # noqa: SLF001 - the base of ctypes.c_int and its kin
    _dlopen = _ctypes.dlopen

SEMAPHORE_SIZE = 32
"""Bytes of a ``sem_t`` on 64-bit Linux; 32-bit systems use 16 of them."""

_IMAGES_KEPT = 64
_images: dict[int, bytes] = {}


class _Byte(_Simple):
    _type_ = "b"


class _Pointer(_Simple):
    _type_ = "P"


def address_of(memory: mmap.mmap) -> tuple[int, object]:
    """Return where a mapping begins, and an anchor: while it lives the mapping can't be closed."""
    anchor = _Byte.from_buffer(memory)
    return _ctypes.addressof(anchor), anchor


def semaphore_image(value: int) -> bytes:
    """Return the bytes of a process-shared, unnamed semaphore with this value (``sem_init``).

    A semaphore is plain memory without pointers, so a copy in fresh memory is a semaphore; making
    one by copying takes a third of the time of a call through ctypes.
    """
    image = _images.get(value)
    if image is None:
        scratch = bytearray(SEMAPHORE_SIZE)
        anchor = _Byte.from_buffer(scratch)
        sem_init = _ctypes.dlsym(_dlopen(None, 0), "sem_init")
        pointer = _Pointer(_ctypes.addressof(anchor))
        if _ctypes.call_function(sem_init, (pointer, 1, value)):
            msg = f"sem_init() refused a semaphore of value {value} shared between processes"
            raise OSError(msg)
        image = bytes(scratch)
        if len(_images) < _IMAGES_KEPT:
            _images[value] = image
    return image


def _is_glibc() -> bool:
    try:
        return bool(os.confstr("CS_GNU_LIBC_VERSION"))
    except (ValueError, OSError):
        return False


# SemLock closes its semaphore when it goes. For one that no sem_open() has made, glibc answers
# EINVAL and touches nothing; another C library (musl) may look it up in a table without end. There
# such objects are kept for good.
if _is_glibc():

    def keep(lock: object) -> None:
        """Do nothing: this C library can tell an unnamed semaphore."""
else:

    def keep(lock: object) -> None:
        """Make an object immortal."""
        _ctypes.Py_INCREF(lock)
