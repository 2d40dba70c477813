"""Pickling for messages between processes: bytes *and* descriptors.

An object that owns a file descriptor (a connection, a queue, a socket) can't travel as bytes alone.
`pack` pickles an object and collects duplicates of the descriptors that it calls `share_fd` for;
each road between two processes carries both (inheritance at start, SCM_RIGHTS over a Unix socket),
and `unpack` hands the descriptors to the rebuilt objects by their index.

Where there is only room for bytes (`ForkingPickler.dumps`, say over TCP to the same host), the
descriptor is left with a small service of this process, and the bytes carry a token for it.

Documentation: multiprocessing, "The spawn and forkserver start methods" (picklability).
"""

from __future__ import annotations

import copyreg
import os
import sys
from _pickle import Pickler, dumps, loads  # not pickle, which imports re as well
from _thread import _local
from io import BytesIO

from ._undo import on_failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import IO, Any, Self

    from _typeshed import ReadableBuffer

    from ._handles import recv_handle, recvfds, send_handle, sendfds

HIGHEST_PROTOCOL = 5
HAVE_SEND_HANDLE = True  # programs ask before they use send_handle

__all__ = [
    "HAVE_SEND_HANDLE",
    "HIGHEST_PROTOCOL",
    "DupFd",
    "ForkingPickler",
    "Packed",
    "SharedFd",
    "dump",
    "pack",
    "plain_pickle",
    "recv_handle",
    "recvfds",
    "register",
    "require_spawning",
    "send_handle",
    "sendfds",
    "share_fd",
    "spawning",
    "unpack",
]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - whatever the module offers
    """Import what sends bare descriptors when it is first asked for: few programs do."""
    if name not in {"recv_handle", "recvfds", "send_handle", "sendfds"}:
        message = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(message)
    from . import _handles

    return getattr(_handles, name)


_PLAIN = frozenset({int, float, str, bytes, bool, type(None)})
"""The types whose pickles hold nothing else, and need nothing of this module."""

_FEW = 16
"""Items; looking at the types of more costs a noticeable part of what pickling them does."""

_LARGE_BYTES = 64 * 1024
"""Bytes; the pickler would write more into a buffer half as large again, whose pages come fresh from
the system each time: three times slower at 1 MiB than a buffer of the right size."""
_BYTES_OPCODES = b"\x80\x04\x8e"  # PROTO 4, BINBYTES8

_SPARE_MAX = 64 * 1024
"""Bytes; a pickler that has written more is not kept: its memo has grown with them."""

_table: dict[type[Any], Callable[[Any], Any]] = {}
"""The reducers of all picklers: copyreg's, and over them our own."""

_own: dict[type[Any], Callable[[Any], Any]] = {}
_copied: dict[type[Any], Callable[[Any], Any]] = {}
_lazy: dict[tuple[str, str], Callable[[Any], Any]] = {}


class _State(_local):
    """What this thread does: its descriptors on the way out and in, whether it starts a child."""

    outgoing: list[int] | None = None
    incoming: list[int | None] | None = None
    spawning: bool = False
    spare: tuple[ForkingPickler, BytesIO] | None = None  # making one costs more than using it


_state = _State()


def _update_table() -> None:
    """Take in what was registered with copyreg, and types whose modules were imported, since."""
    global _copied
    if copyreg.dispatch_table != _copied:
        _copied = dict(copyreg.dispatch_table)
        _table.update(_copied)
        _table.update(_own)
    for (module, name), reducer in tuple(_lazy.items()):
        # Another thread may be importing it, and not have come as far as the type: nobody has an object of it.
        type_ = getattr(sys.modules.get(module), name, None)
        if type_ is not None:
            register(type_, reducer)
            _lazy.pop((module, name), None)  # another thread may have been faster


class ForkingPickler(Pickler):
    """A pickler that also knows how to send the objects of this package, and those registered."""

    dispatch_table = _table

    @classmethod
    def register(cls, type: type[Any], reduce: Callable[[Any], Any]) -> None:  # noqa: A002
        """Pickle objects of *type* (exactly) by calling *reduce*, as `copyreg.pickle` describes."""
        _own[type] = _table[type] = reduce

    @classmethod
    def dumps(cls, obj: object, protocol: int | None = None) -> bytes:
        """Return *obj* as bytes that mean something by themselves, wherever they are carried."""
        _update_table()
        outgoing, _state.outgoing = _state.outgoing, None
        try:
            buffer = BytesIO()
            cls(buffer, protocol).dump(obj)
            return buffer.getvalue()
        finally:
            _state.outgoing = outgoing

    @staticmethod
    def loads(data: ReadableBuffer) -> Any:  # noqa: ANN401 - whatever was pickled
        """Return the object that `dumps` wrote."""
        return loads(data)


register = ForkingPickler.register


def dump(obj: object, file: IO[bytes], protocol: int | None = None) -> None:
    """Pickle *obj* into *file*, as `ForkingPickler.dumps` does."""
    file.write(ForkingPickler.dumps(obj, protocol))


def _close_each(fds: Sequence[int]) -> None:
    for fd in fds:
        os.close(fd)


class Packed:
    """A pickled object: its bytes, and the descriptors that go with them, owned until `close`."""

    __slots__ = ("data", "fds")

    def __init__(self, data: bytes, fds: tuple[int, ...]) -> None:
        self.data = data
        self.fds = fds

    def close(self) -> None:
        """Close the descriptors: they were sent, or won't be."""
        fds, self.fds = self.fds, ()
        _close_each(fds)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc_info: object) -> None:
        self.close()


def plain_pickle(obj: object) -> bytes | None:
    """Return the pickle of *obj*, or None if it may need what `pack` does.

    Most messages are numbers, strings, and short tuples of them, which the plain pickler takes in
    a third of the time.
    """
    kind = type(obj)
    if kind in _PLAIN:
        if isinstance(obj, bytes) and len(obj) >= _LARGE_BYTES:
            return b"".join((_BYTES_OPCODES, len(obj).to_bytes(8, "little"), obj, b"."))
        return dumps(obj)
    if kind is tuple or kind is list:
        items: Sequence[object] = obj  # type: ignore[assignment]
        if len(items) <= _FEW and _PLAIN.issuperset(map(type, items)):
            return dumps(obj)
    return None


def pack(obj: object, *, for_start: bool = False) -> Packed:
    """Pickle *obj* for another process; the caller closes the result when it was sent.

    *for_start* is true while a Process object is pickled for its own start (see `spawning`).
    """
    plain = plain_pickle(obj)
    if plain is not None:
        return Packed(plain, ())
    _update_table()
    state = _state
    outer, was_spawning = state.outgoing, state.spawning
    fds: list[int] = []
    state.outgoing = fds
    if for_start:
        state.spawning = True
    # Taken, not borrowed: what is pickled may itself pack something.
    pickler, buffer = state.spare or _pickler()
    state.spare = None
    try:
        with on_failure(_close_each, fds):
            pickler.dump(obj)
    finally:
        state.outgoing, state.spawning = outer, was_spawning
    data = buffer.getvalue()
    if len(data) <= _SPARE_MAX:
        buffer.seek(0)
        buffer.truncate()
        pickler.clear_memo()
        state.spare = pickler, buffer
    return Packed(data, tuple(fds))


def _pickler() -> tuple[ForkingPickler, BytesIO]:
    buffer = BytesIO()
    return ForkingPickler(buffer), buffer


def unpack(data: ReadableBuffer, fds: Sequence[int] = ()) -> Any:  # noqa: ANN401 - whatever was packed
    """Return the object that `pack` pickled; descriptors that no object asked for are closed."""
    if not fds:
        return loads(data)
    outer = _state.incoming
    incoming: list[int | None] = list(fds)
    _state.incoming = incoming
    try:
        return loads(data)
    finally:
        _state.incoming = outer
        for fd in incoming:
            if fd is not None:
                os.close(fd)


class SharedFd:
    """A descriptor on its way to another process; `take` gives it to its new owner there."""

    __slots__ = ("_fd", "_index", "_token")

    def __init__(self, fd: int | None, index: int | None = None, token: Any = None) -> None:  # noqa: ANN401
        self._fd = fd
        self._index = index
        self._token = token

    def take(self) -> int:
        """Return the descriptor, which the caller owns from now on; ValueError at a second call."""
        fd, self._fd = self._fd, None
        if fd is not None:
            return fd
        token, self._token = self._token, None
        if token is None:
            message = "this descriptor was taken already, or was sent to another process"
            raise ValueError(message)
        from ._sharing import fetch

        return fetch(token)

    detach = take  # the name that programs know from DupFd

    def __reduce__(self) -> tuple[Any, ...]:
        if self._index is not None:
            return _arrived, (self._index,)
        return SharedFd, (None, None, self._token)

    def __del__(self, _close: Callable[[int], None] = os.close) -> None:
        if self._fd is not None:
            _close(self._fd)


def _arrived(index: int) -> SharedFd:
    incoming = _state.incoming
    fd = incoming[index] if incoming is not None and index < len(incoming) else None
    if incoming is None or fd is None:
        message = (
            f"descriptor {index} did not come with the message: an object that holds a descriptor "
            "was pickled by pack() and must be read by unpack() with the same descriptors"
        )
        raise ValueError(message)
    incoming[index] = None
    return SharedFd(fd)


def share_fd(fd: int) -> SharedFd:
    """Return what stands for *fd* in a pickle; to be called in `__reduce__` or `__getstate__`."""
    outgoing = _state.outgoing
    if outgoing is not None:
        outgoing.append(os.dup(fd))
        return SharedFd(None, index=len(outgoing) - 1)
    from ._sharing import offer

    return SharedFd(None, token=offer(fd))


DupFd = share_fd  # the name that programs know


def spawning() -> bool:
    """Return whether this thread pickles a Process object for its own start."""
    return _state.spawning


def require_spawning(obj: object) -> None:
    """Raise RuntimeError unless *obj* is pickled for the start of a process that inherits it."""
    if not _state.spawning:
        message = (
            f"{type(obj).__name__} objects should only be shared between processes through "
            "inheritance: pass it as an argument of the Process, or as an initarg of the Pool"
        )
        raise RuntimeError(message)


def _reduce_socket(sock: Any) -> tuple[Any, ...]:  # noqa: ANN401 - socket.socket, without importing it
    return _rebuild_socket, (share_fd(sock.fileno()), sock.family, sock.type, sock.proto)


def _rebuild_socket(shared: SharedFd, family: int, kind: int, proto: int) -> Any:  # noqa: ANN401
    import socket

    return socket.socket(family, kind, proto, fileno=shared.take())


# Known by name until the program itself imports the module.
_lazy["socket", "socket"] = _reduce_socket
