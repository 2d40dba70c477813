"""ShareableList: a list of fixed length in a block of shared memory.

The block holds, in this order: the number of items; the offset of every slot, and where the last
one ends; a byte for every item that tells its type; the slots. Each but the last is an array of
8-byte integers. Offsets never change; an item's type and value do. A slot has a multiple of 8
bytes, for text and bytes at least one more than they need, and unused bytes are null. That is why
trailing null bytes can't be told from unused ones: the documentation says that they are silently
stripped.
"""

# ruff: noqa: ANN401 - items are of several types

from __future__ import annotations

from functools import partial
from struct import pack, pack_into, unpack_from
from types import GenericAlias

from ._named_memory import SharedMemory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any, Final

    Item = int | float | bool | str | bytes | None

_INT, _FLOAT, _BOOL, _STR, _BYTES, _NONE = range(6)
_TAGS: Final[dict[type[Any], int]] = {
    int: _INT,
    float: _FLOAT,
    bool: _BOOL,
    str: _STR,
    bytes: _BYTES,
    type(None): _NONE,
}
_FORMATS: Final = {_INT: "q", _FLOAT: "d", _BOOL: "xxxxxxx?", _NONE: "xxxxxx?x"}
_WORD: Final = 8
_LONGEST: Final = 10_000_000


class UnsupportedItemError(TypeError, KeyError):
    """An item is of no type that a ShareableList can hold; KeyError is what CPython raises."""

    def __str__(self) -> str:
        return Exception.__str__(self)


class ShareableList:
    """A list, fixed in length, of ``int`` (64 bits), ``float``, ``bool``, ``str``, ``bytes``, None.

    ``sequence`` makes a new one (in a block called ``name``, if given); None attaches the one
    called ``name``. Documentation: multiprocessing.shared_memory.ShareableList.
    """

    __class_getitem__: Any = classmethod(GenericAlias)

    def __init__(self, sequence: Iterable[Item] | None = None, *, name: str | None = None) -> None:
        if name is not None and sequence is None:
            self.shm = SharedMemory(name)
            self._attach()
            return
        items = [_encode(item) for item in (() if sequence is None else sequence)]
        first = _slots_at(len(items))
        offsets = [first]
        for tag, data in items:
            offsets.append(offsets[-1] + _slot_size(tag, data))
        self.shm = SharedMemory(name, create=True, size=offsets[-1])
        buf = self._buffer()
        pack_into(f"={len(offsets) + 1}q", buf, 0, len(items), *offsets)
        self._attach()
        for position, (tag, data) in enumerate(items):
            self._store(position, tag, data)

    def _attach(self) -> None:
        """Read what never changes: the number of items and where they are."""
        buf = self._buffer()
        self._len: int = unpack_from("=q", buf, 0)[0]
        self._offsets: tuple[int, ...] = unpack_from(f"={self._len + 1}q", buf, _WORD)
        self._tags_at = (self._len + 2) * _WORD

    def _buffer(self) -> memoryview:
        buf = self.shm.buf
        if buf is None:
            msg = f"this ShareableList was closed; attach it again as {self.shm.name!r}"
            raise ValueError(msg)
        return buf

    def __reduce__(self) -> tuple[Any, ...]:
        return partial(type(self), name=self.shm.name), ()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({list(self)}, name={self.shm.name!r})"

    def __len__(self) -> int:
        return self._len

    def __getitem__(self, position: int) -> Any:
        """Return an item; IndexError outside the list."""
        position = self._checked(position, "index out of range")
        buf, offset = self._buffer(), self._offsets[position]
        tag = buf[self._tags_at + position]
        if tag == _INT:
            return unpack_from("=q", buf, offset)[0]
        if tag == _FLOAT:
            return unpack_from("=d", buf, offset)[0]
        if tag == _BOOL:
            return unpack_from("=q", buf, offset)[0] != 0
        if tag == _NONE:
            return None
        data = bytes(buf[offset : self._offsets[position + 1]]).rstrip(b"\0")
        return data.decode() if tag == _STR else data

    def __setitem__(self, position: int, value: Item) -> None:
        """Change an item, its type as well; ValueError for text or bytes larger than its slot."""
        position = self._checked(position, "assignment index out of range")
        tag, data = _encode(value)
        room = self._offsets[position + 1] - self._offsets[position]
        if len(data) > room:
            msg = (
                f"bytes/str item exceeds available storage: {len(data)} bytes, "
                f"where item {position} has room for {room}"
            )
            raise ValueError(msg)
        self._store(position, tag, data)

    def __iter__(self) -> Iterator[Any]:
        return map(self.__getitem__, range(self._len))

    @property
    def format(self) -> str:
        """The struct format of all values at present."""
        buf = self._buffer()
        tags = buf[self._tags_at : self._tags_at + self._len]
        sizes = [end - start for start, end in zip(self._offsets, self._offsets[1:], strict=False)]
        items = zip(tags, sizes, strict=True)
        return "".join(_FORMATS.get(tag) or f"{size}s" for tag, size in items)

    def count(self, value: object) -> int:
        """Return how many items equal ``value``."""
        return sum(value == item for item in self)

    def index(self, value: object) -> int:
        """Return the position of the first item that equals ``value``, or raise ValueError."""
        for position, item in enumerate(self):
            if value == item:
                return position
        msg = f"{value!r} not in this container"
        raise ValueError(msg)

    def _checked(self, position: int, message: str) -> int:
        if not isinstance(position, int):
            kind = type(position).__name__
            msg = f"ShareableList indices must be integers, not {kind}: it has no slices"
            raise TypeError(msg)
        if not -self._len <= position < self._len:
            raise IndexError(message)
        return position % self._len

    def _store(self, position: int, tag: int, data: bytes) -> None:
        """Write a value and its type."""
        buf, start, end = self._buffer(), self._offsets[position], self._offsets[position + 1]
        buf[start:end] = data.ljust(end - start, b"\0")
        buf[self._tags_at + position] = tag


def _slots_at(length: int) -> int:
    """Return where the slots of a list of ``length`` items begin: at a multiple of 8 bytes."""
    return (length + 2) * _WORD + (length + _WORD - 1) // _WORD * _WORD


def _encode(value: Item) -> tuple[int, bytes]:
    """Return an item's type, and its bytes; struct.error for an integer of more than 64 bits."""
    tag = _TAGS.get(type(value))
    if tag is None:
        kind = type(value).__name__
        msg = f"a ShareableList holds int, float, bool, str, bytes and None, not {kind}: {value!r}"
        raise UnsupportedItemError(msg)
    if not isinstance(value, (str, bytes)):
        number = 0 if value is None else value
        return tag, pack("=d" if tag == _FLOAT else "=q", number)
    data = value.encode() if isinstance(value, str) else value
    if len(data) >= _LONGEST:
        msg = (
            f"an item of {len(data)} bytes exceeds available storage: "
            f"text and bytes must have less than {_LONGEST}"
        )
        raise ValueError(msg)
    return tag, data


def _slot_size(tag: int, data: bytes) -> int:
    """Return a slot's bytes: text and bytes get up to 8 more than they need at first."""
    return (len(data) // _WORD + 1) * _WORD if tag in {_STR, _BYTES} else _WORD
