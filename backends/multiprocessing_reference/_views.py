"""The parts of their arguments that `send_bytes` and `recv_bytes_into` read and write.

Documentation: multiprocessing.connection.Connection.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _typeshed import ReadableBuffer, WriteableBuffer

__all__ = ["part", "target"]


def part(buf: ReadableBuffer, offset: int, size: int | None) -> memoryview:
    """Return *size* bytes (all, by default) of *buf* from *offset* on; ValueError if it has less."""
    view = memoryview(buf)
    if view.ndim != 1 or view.itemsize != 1:
        view = (view if view.c_contiguous else memoryview(view.tobytes())).cast("B")
    elif not view.contiguous:
        view = memoryview(view.tobytes())
    length = len(view)
    if offset < 0:
        message = f"offset is negative: {offset}"
        raise ValueError(message)
    if offset > length:
        message = f"buffer length < offset: {length} < {offset}"
        raise ValueError(message)
    if size is None:
        return view[offset:]
    if size < 0:
        message = f"size is negative: {size}"
        raise ValueError(message)
    if offset + size > length:
        message = f"buffer length < offset + size: {length} < {offset} + {size}"
        raise ValueError(message)
    return view[offset : offset + size]


def target(buf: WriteableBuffer, offset: int) -> memoryview:
    """Return the bytes of *buf* from *offset* on; ValueError when that lies outside of it."""
    view = memoryview(buf).cast("B")
    if view.readonly:
        message = f"a writable buffer is needed, not {type(buf).__name__}"
        raise TypeError(message)
    if offset < 0:
        message = f"negative offset: {offset}"
        raise ValueError(message)
    if offset > len(view):
        message = f"offset too large: {offset}, in a buffer of {len(view)} bytes"
        raise ValueError(message)
    return view[offset:]
