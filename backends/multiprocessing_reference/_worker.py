"""What runs in a worker of a pool: the loop, and the four kinds of task.

A task is a tuple ``(kind, function, arguments, keywords)``; its reply is ``(True, value)`` or
``(False, (exception, text of its traceback))``. Behind both stands the number of the task (see
`_line`).

Every exception of the function goes to the caller, SystemExit included ("that exception will be
reraised"). What can't be pickled or unpickled fails its task, never the worker.
"""

from __future__ import annotations

from _pickle import dumps
from types import NoneType
from typing import TYPE_CHECKING, Any, Final

from ._channel import READY, WANTED
from ._failures import MaybeEncodingError
from ._line import ANNOUNCED, NUMBER
from .reduction import Packed, pack, unpack

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from ._channel import Channel
    from .heap import Block

__all__ = ["CALL", "EACH", "FAILED_TO_START", "MAP", "STARMAP", "Reply", "perform", "work"]

CALL: Final = 0
"""``function(*arguments, **keywords)``"""
MAP: Final = 1
"""``[function(item) for item in arguments]``"""
STARMAP: Final = 2
"""``[function(*item) for item in arguments]``"""
EACH: Final = 3
"""A reply of its own for each item of *arguments*, so that one error leaves the others."""
FAILED_TO_START: Final = None
"""In place of True or False: the initializer raised."""

if TYPE_CHECKING:
    Reply = tuple[bool | None, Any]
else:
    Reply = tuple


_NOTHING: Final = NUMBER.pack(0)
_PLAIN: Final = frozenset({int, float, str, bytes, bool, NoneType, complex})
_FEW: Final = 8


def plain(objects: Any) -> bool:  # noqa: ANN401 - any collection
    """Return whether *objects* are so few and simple that any pickler writes them alike.

    A plain `pickle.dumps` then does, which saves 2 us of a small task's 25.
    """
    if type(objects) not in _SEQUENCES or len(objects) > _FEW:
        return False
    return all(type(item) in _PLAIN for item in objects)


_SEQUENCES: Final = frozenset({tuple, list, range})


def perform(
    kind: int,
    function: Callable[..., Any],
    arguments: Iterable[Any],
    keywords: Mapping[str, Any],
) -> Reply:
    """Run one task and return its reply with the exception itself."""
    try:
        if kind == CALL:
            return True, function(*arguments, **keywords)
        if kind == MAP:
            return True, list(map(function, arguments))
        if kind == STARMAP:
            return True, [function(*item) for item in arguments]
    except BaseException as error:  # noqa: BLE001 - whatever the user's code raises
        return False, error
    return True, [perform(CALL, function, (item,), {}) for item in arguments]


def _described(error: BaseException) -> tuple[BaseException, str]:
    """Return *error* with the text of its traceback, less the frames of this module."""
    import traceback

    tb = error.__traceback__
    while tb is not None and tb.tb_frame.f_code.co_filename == __file__:
        tb = tb.tb_next
    text = "".join(traceback.format_exception(type(error), error, tb))
    try:
        with pack(error) as packed:
            if not packed.fds:
                unpack(packed.data)  # an exception whose __init__ takes other arguments fails here
    except Exception as reason:  # noqa: BLE001 - whatever the user's code raises
        return MaybeEncodingError(reason, error), text
    return error, text


def _sendable(kind: int, reply: Reply) -> Reply:
    ok, value = reply
    if not ok:
        return False, _described(value)
    if kind == EACH:
        return True, [item if item[0] else _sendable(CALL, item) for item in value]
    return reply


def _run(data: bytes | bytearray, fds: list[int]) -> tuple[int, Reply]:
    try:
        kind, function, arguments, keywords = unpack(data, fds)
    except Exception as error:  # noqa: BLE001 - whatever the user's code raises
        return CALL, (False, error)
    return kind, perform(kind, function, arguments, keywords)


def _answer(channel: Channel, kind: int, reply: Reply, number: bytes) -> None:
    if not reply[0] or kind == EACH:
        reply = _sendable(kind, reply)
    try:
        value = reply[1]
        if reply[0] and (type(value) in _PLAIN or plain(value)):
            packed = Packed(dumps(reply), ())
        else:
            packed = pack(reply)
    except Exception as error:  # noqa: BLE001 - whatever the user's code raises
        packed = pack(_unsendable(kind, reply, error))
    channel.send(packed, number)


def _unsendable(kind: int, reply: Reply, error: Exception) -> Reply:
    """Return what says that the reply can't be pickled; item by item where each has its own."""
    if kind != EACH:
        return False, (MaybeEncodingError(error, reply[1]), None)
    items: list[Reply] = []
    for item in reply[1]:
        try:
            pack(item).close()
        except Exception as reason:  # noqa: BLE001 - whatever the user's code raises
            items.append((False, (MaybeEncodingError(reason, item[1]), None)))
        else:
            items.append(item)
    return True, items


def work(
    ends: tuple[Channel, Channel, Block],
    initializer: Callable[..., object] | None,
    initargs: Iterable[Any],
    maxtasks: int | None,
) -> None:
    """Be a worker process: serve tasks until the pool hangs up, or for *maxtasks* of them.

    *ends*: its channel, the line, and where it writes the number of the task that it has, for the parent
    to know what is lost when it is killed.
    """
    channel, line, held = ends
    try:
        if initializer is not None:
            _initialize(channel, initializer, initargs)
        note = held.view()
        channel.send_packet(READY)
        left = -1 if maxtasks is None else maxtasks
        while left:
            data, fds = line.receive()
            note[:] = number = bytes(data[-NUMBER.size :])
            if data[:1] == ANNOUNCED:
                channel.send_packet(WANTED + number)
                data, fds = channel.receive()
            kind, reply = _run(data, fds)
            _answer(channel, kind, reply, number)
            note[:] = _NOTHING
            del data, reply  # may be large, and the next task may be long in coming
            left -= 1
    except (EOFError, ConnectionError):
        return  # the pool hung up, or is gone
    except KeyboardInterrupt:
        return  # between two tasks: the pool hears the same Ctrl-C and decides
    finally:
        channel.close()
        line.close()


def _initialize(
    channel: Channel, initializer: Callable[..., object], initargs: Iterable[Any]
) -> None:
    try:
        initializer(*initargs)
    except BaseException as error:
        channel.send(pack((FAILED_TO_START, _described(error))))
        raise
