"""Tests of send_bytes(), recv_bytes() and recv_bytes_into()."""

import array
import contextlib
import functools
import itertools
import threading

from mpspec.children import (
    CallerThread,
    Interrupted,
    Interruption,
    equal,
    outcome_of,
    raises,
)
from mpspec.marks import requirement
from mpspec.suite.pipes.helpers import LARGE, send_and_close, woken_by_close


@requirement("pipes.recv-bytes.end-of-file")
def test_recv_bytes_raises_eoferror_when_the_other_end_is_closed(mp):
    """recv_bytes() raises EOFError when nothing is left and the other end was closed, before or while it waits."""
    for receiver, sender in (mp.Pipe(), mp.Pipe(duplex=False)):
        sender.send_bytes(b"last")
        sender.close()
        assert receiver.recv_bytes() == b"last"
        for _ in range(2):
            with raises(EOFError):
                receiver.recv_bytes()
    for caller in woken_by_close(mp, "recv_bytes"):
        with raises(EOFError):
            caller.result()


@requirement("pipes.recv-bytes-into.end-of-file")
def test_recv_bytes_into_raises_eoferror_when_the_other_end_is_closed(mp):
    """recv_bytes_into() raises EOFError when nothing is left and the other end was closed, before or while it waits.

    So it does with an offset.
    """
    for receiver, sender in (mp.Pipe(), mp.Pipe(duplex=False)):
        sender.send_bytes(b"last")
        sender.close()
        buffer = bytearray(8)
        assert receiver.recv_bytes_into(buffer) == 4
        for _ in range(2):
            with raises(EOFError):
                receiver.recv_bytes_into(buffer)
            with raises(EOFError):
                receiver.recv_bytes_into(buffer, 2)
    for offset in ((), (2,)):
        for caller in woken_by_close(mp, "recv_bytes_into", bytearray(8), *offset):
            with raises(EOFError):
                caller.result()


@requirement("pipes.recv-bytes.no-part-of-message")
def test_part_of_a_message_is_not_received(mp):
    """recv_bytes() raises when the other end is closed in the middle of a message, and gives no part of it."""
    for receiver, sender in (mp.Pipe(), mp.Pipe(duplex=False)):
        with Interrupted(mp, raising=Interruption), raises(Interruption):
            sender.send_bytes(bytes(LARGE))
        sender.close()
        with raises(OSError, EOFError):
            receiver.recv_bytes()


@requirement("pipes.send-bytes.complete-message")
def test_bytes_arrive_as_one_message_each(mp):
    """Each send_bytes() is one message, received whole by one recv_bytes(), as bytes."""
    first, second = mp.Pipe()
    for message in (b"thank you", b"\0\xff\n", b"x"):
        first.send_bytes(message)
    received = [second.recv_bytes() for _ in range(3)]
    assert received == [b"thank you", b"\0\xff\n", b"x"]
    assert {type(message) for message in received} == {bytes}
    second.send_bytes(b"back")
    assert first.recv_bytes() == b"back"


@requirement("pipes.send-bytes.returns-none")
def test_send_bytes_returns_none(mp):
    """send_bytes() gives None."""
    _receiver, sender = mp.Pipe(duplex=False)
    assert sender.send_bytes(b"message") is None


@requirement("pipes.send-bytes.parameter")
def test_parameter_of_the_methods_for_bytes(mp):
    """send_bytes() and recv_bytes_into() take their buffers by the name ``buf``."""
    receiver, sender = mp.Pipe(duplex=False)
    sender.send_bytes(buf=b"message")
    buffer = bytearray(7)
    receiver.recv_bytes_into(buf=buffer)
    assert buffer == b"message"


@requirement("pipes.send-bytes.parameter-names")
def test_other_parameters_of_the_methods_for_bytes(mp):
    """What is not the buffer can be given by name as well; so can the timeout of poll()."""
    receiver, sender = mp.Pipe(duplex=False)
    sender.send_bytes(b"a message!", offset=2, size=7)
    buffer = bytearray(8)
    receiver.recv_bytes_into(buffer, offset=1)
    assert buffer == b"\0message"
    sender.send_bytes(b"message")
    assert receiver.poll(timeout=mp.timeout) is True
    assert receiver.recv_bytes(maxlength=7) == b"message"


@requirement("pipes.send-bytes.empty-message")
def test_an_empty_message_is_a_message(mp):
    """No bytes at all are a message too, which is neither lost nor taken for the end."""
    for receiver, sender in (mp.Pipe(), mp.Pipe(duplex=False)):
        sender.send_bytes(b"")
        sender.send_bytes(b"after")
        assert receiver.poll(mp.timeout) is True
        assert [receiver.recv_bytes(), receiver.recv_bytes()] == [b"", b"after"]


@requirement("pipes.send-bytes.bytes-like-objects")
def test_any_bytes_like_object_can_be_sent(mp):
    """Bytes, byte arrays, memory views, and arrays of wider items, those of ctypes as well, are sent as their bytes."""
    import ctypes

    arrays = [array.array(code, [1, 2, 3]) for code in "bBhiqd"]
    arrays.extend((kind * 3)(1, 2, 3) for kind in (ctypes.c_byte, ctypes.c_int, ctypes.c_double))
    receiver, sender = mp.Pipe(duplex=False)
    table = memoryview(bytes(range(24))).cast("i", (2, 3))
    for each in (b"bytes", bytearray(b"array"), memoryview(b"a view")[2:], table, *arrays):
        sender.send_bytes(each)
    received = [receiver.recv_bytes() for _ in range(4 + len(arrays))]
    expected = [bytes(each) for each in (table, *arrays)]
    assert received == [b"bytes", b"array", b"view", *expected]


@requirement("pipes.send-bytes.several-dimensions")
def test_buffers_of_several_dimensions_can_be_sent(mp):
    """All bytes of a buffer with rows and columns are sent, and are counted as those of a flat one."""
    receiver, sender = mp.Pipe(duplex=False)
    rows = memoryview(b"abcdef").cast("B", (2, 3))
    sender.send_bytes(rows)
    assert receiver.recv_bytes() == b"abcdef"
    sender.send_bytes(rows, 1, 4)
    assert receiver.recv_bytes() == b"bcde"


def _without_dimensions():
    """Objects of ctypes whose buffers have no dimensions: numbers, of a byte and of several, and structures of both."""
    import ctypes

    class One(ctypes.Structure):
        _fields_ = [("byte", ctypes.c_byte)]

    class Both(ctypes.Structure):
        _fields_ = [("number", ctypes.c_int), ("byte", ctypes.c_byte)]

    return [ctypes.c_byte(7), ctypes.c_int(7), One(7), Both(7, 8)]


@requirement("pipes.send-bytes.no-dimensions")
def test_buffers_without_dimensions_can_be_sent(mp):
    """A number or a structure of ctypes is sent as its bytes, or as those that offset and size tell."""
    receiver, sender = mp.Pipe(duplex=False)
    for each in _without_dimensions():
        sender.send_bytes(each)
        assert receiver.recv_bytes() == bytes(each)
        sender.send_bytes(each, len(bytes(each)) - 1, 1)
        assert receiver.recv_bytes() == bytes(each)[-1:]


@requirement("pipes.send-bytes.refuses-other-objects")
def test_what_has_no_bytes_is_refused(mp):
    """send_bytes() of text or a list raises, and sends nothing."""
    receiver, sender = mp.Pipe(duplex=False)
    for each in ("text", [1, 2]):
        with raises(Exception):
            sender.send_bytes(each)
    assert not receiver.poll()


@requirement("pipes.send-bytes.offset")
def test_offset_is_where_the_data_begins(mp):
    """send_bytes(buffer, offset) sends what follows that byte, nothing when it is the end."""
    receiver, sender = mp.Pipe(duplex=False)
    for offset in (0, 2, 6):
        sender.send_bytes(b"abcdef", offset)
    assert [receiver.recv_bytes() for _ in range(3)] == [b"abcdef", b"cdef", b""]
    numbers = array.array("i", [1, 2, 3])
    whole = numbers.tobytes()
    for offset in (4, len(whole)):
        sender.send_bytes(numbers, offset)
    assert [receiver.recv_bytes(), receiver.recv_bytes()] == [whole[4:], b""]


@requirement("pipes.send-bytes.size")
def test_size_is_how_many_bytes_are_sent(mp):
    """send_bytes(buffer, offset, size) sends that many bytes from that position, the beginning if none is given."""
    receiver, sender = mp.Pipe(duplex=False)
    for offset, size in ((0, 3), (2, 3), (2, 4), (2, 0)):
        sender.send_bytes(b"abcdef", offset, size)
    sender.send_bytes(b"abcdef", offset=1, size=2)
    sender.send_bytes(b"abcdef", size=2)
    expected = [b"abc", b"cde", b"cdef", b"", b"bc", b"ab"]
    assert [receiver.recv_bytes() for _ in expected] == expected
    many = bytes(range(250)) * 100
    for arguments in ((5,), (5, 20_000)):
        sender.send_bytes(many, *arguments)
    assert equal([receiver.recv_bytes(), receiver.recv_bytes()], [many[5:], many[5:20_005]])
    numbers = array.array("i", [1, 2, 3])
    whole = numbers.tobytes()
    sender.send_bytes(numbers, 4, 6)
    sender.send_bytes(numbers, 0, len(whole))
    assert [receiver.recv_bytes(), receiver.recv_bytes()] == [whole[4:10], whole]


@requirement("pipes.send-bytes.refuses-bad-offset-or-size")
def test_offset_and_size_must_fit_the_buffer(mp):
    """An offset or size that is negative or too large raises ValueError, and sends nothing."""
    receiver, sender = mp.Pipe(duplex=False)
    numbers = array.array("i", [1, 2, 3])
    for message, arguments in (
        *((b"abcdef", each) for each in ((-1,), (7,), (0, -1), (0, 7), (4, 3))),
        *((numbers, each) for each in ((13,), (0, 13), (4, 9))),
    ):
        with raises(ValueError):
            sender.send_bytes(message, *arguments)
    assert not receiver.poll()


@requirement("pipes.recv-bytes.blocks-until-message")
def test_recv_bytes_blocks_until_there_is_something(mp):
    """recv_bytes() waits for a message."""
    receiver, sender = mp.Pipe(duplex=False)
    caller = CallerThread(mp, receiver, "recv_bytes")
    caller.until_blocked()
    sender.send_bytes(b"message")
    assert caller.result() == b"message"


@requirement("pipes.recv-bytes.within-maxlength")
def test_message_no_longer_than_maxlength_is_received(mp):
    """recv_bytes(maxlength) gives a message that is shorter, or just as long, as bytes."""
    receiver, sender = mp.Pipe(duplex=False)
    sender.send_bytes(b"abc")
    sender.send_bytes(b"abcdef")
    sender.send_bytes(b"")
    received = [receiver.recv_bytes(6), receiver.recv_bytes(maxlength=6), receiver.recv_bytes(0)]
    assert received == [b"abc", b"abcdef", b""]
    many = bytes(range(250)) * 100
    for maxlength in (25_000, 1 << 40):
        sender.send_bytes(many)
        received.append(receiver.recv_bytes(maxlength))
        assert equal(received[-1], many)
    assert {type(message) for message in received} == {bytes}


@requirement("pipes.recv-bytes.beyond-maxlength")
def test_message_longer_than_maxlength_raises_oserror(mp):
    """recv_bytes(maxlength) raises OSError when the message is longer, by a byte or by some MiB."""
    for duplex in (True, False):
        for size, maxlength in ((6, 5), (6, 0), (2, 1), (1, 0), (6000, 10), (6000, 5999)):
            receiver, sender = mp.Pipe(duplex)
            sender.send_bytes(bytes(size))
            with raises(OSError):
                receiver.recv_bytes(maxlength)
        receiver, sender = mp.Pipe(duplex)
        caller = CallerThread(mp, sender, "send_bytes", bytes(LARGE))
        with raises(OSError):
            receiver.recv_bytes(10)
        receiver.close()
        with contextlib.suppress(OSError):  # nobody receives what it may still have to write
            caller.result()


@requirement("pipes.recv-bytes.unreadable-beyond-maxlength")
def test_connection_is_unreadable_after_a_message_longer_than_maxlength(mp):
    """After a message longer than maxlength nothing more can be received, nor is found, by the connection."""
    for duplex, size, maxlength in itertools.product((True, False), (6, 6000), (5, 0)):
        receiver, sender = mp.Pipe(duplex)
        sender.send_bytes(bytes(size))
        for _ in range(3):
            sender.send("next")
        with raises(OSError):
            receiver.recv_bytes(maxlength)
        assert outcome_of(receiver.poll) != ("returned", True)
        with raises(Exception):
            receiver.recv()
        with raises(Exception):
            receiver.recv_bytes()
        with raises(Exception):
            receiver.recv_bytes_into(bytearray(100))


@requirement("pipes.recv-bytes.writable-beyond-maxlength")
def test_two_way_connection_can_send_after_a_message_longer_than_maxlength(mp):
    """After a message longer than maxlength a two-way connection can still send."""
    receiver, sender = mp.Pipe()
    sender.send_bytes(b"abcdef")
    with raises(OSError):
        receiver.recv_bytes(5)
    receiver.send("too long")
    assert sender.recv() == "too long"


@requirement("pipes.recv-bytes.refuses-negative-maxlength")
def test_maxlength_must_not_be_negative(mp):
    """recv_bytes(-1) raises ValueError, and the message can still be received."""
    receiver, sender = mp.Pipe(duplex=False)
    sender.send_bytes(b"message")
    with raises(ValueError):
        receiver.recv_bytes(-1)
    assert receiver.recv_bytes() == b"message"


@requirement("pipes.recv-bytes-into.fills-buffer")
def test_recv_bytes_into_fills_the_buffer_from_its_start(mp):
    """recv_bytes_into(buffer) writes to the buffer's start, and leaves the rest as it was."""
    receiver, sender = mp.Pipe(duplex=False)
    buffer = bytearray(b"........")
    sender.send_bytes(b"abc")
    receiver.recv_bytes_into(buffer)
    assert buffer == b"abc....."
    sender.send_bytes(b"whole of")
    receiver.recv_bytes_into(buffer)
    assert buffer == b"whole of"


@requirement("pipes.recv-bytes-into.returns-count")
def test_recv_bytes_into_returns_the_number_of_bytes(mp):
    """recv_bytes_into() gives the number of bytes in the message."""
    receiver, sender = mp.Pipe(duplex=False)
    for message in (b"abc", b"", b"12345678"):
        sender.send_bytes(message)
    assert [receiver.recv_bytes_into(bytearray(8)) for _ in range(3)] == [3, 0, 8]
    for size, offset in ((0, 0), (8, 8)):
        sender.send_bytes(b"")
        assert receiver.recv_bytes_into(bytearray(size), offset) == 0


@requirement("pipes.recv-bytes-into.offset")
def test_offset_is_where_recv_bytes_into_writes(mp):
    """recv_bytes_into(buffer, offset) writes from that position, and nothing elsewhere."""
    receiver, sender = mp.Pipe(duplex=False)
    buffer = bytearray(b"........")
    sender.send_bytes(b"abc")
    assert receiver.recv_bytes_into(buffer, 2) == 3
    assert buffer == b"..abc..."
    sender.send_bytes(b"xyz")
    assert receiver.recv_bytes_into(buffer, offset=5) == 3
    assert buffer == b"..abcxyz"


@requirement("pipes.recv-bytes-into.wider-items")
def test_recv_bytes_into_counts_in_bytes(mp):
    """For a buffer of wider items, an array of ctypes as well, the count and the offset are in bytes."""
    import ctypes

    receiver, sender = mp.Pipe(duplex=False)
    numbers = array.array("i", range(5))
    target = array.array("i", [0] * 10)
    sender.send_bytes(numbers)
    assert receiver.recv_bytes_into(target) == len(numbers) * numbers.itemsize
    assert target.tolist() == [0, 1, 2, 3, 4, 0, 0, 0, 0, 0]
    sender.send_bytes(numbers)
    assert receiver.recv_bytes_into(target, 5 * numbers.itemsize) == 5 * numbers.itemsize
    assert target.tolist() == [0, 1, 2, 3, 4, 0, 1, 2, 3, 4]
    of_ctypes = (ctypes.c_int * 5)()
    sender.send_bytes(numbers)
    assert receiver.recv_bytes_into(of_ctypes) == ctypes.sizeof(of_ctypes)
    assert list(of_ctypes) == [0, 1, 2, 3, 4]


@requirement("pipes.recv-bytes-into.parts-of-items")
def test_recv_bytes_into_divides_items(mp):
    """Message and offset need not be whole items of the buffer: each byte goes where it belongs."""
    receiver, sender = mp.Pipe(duplex=False)
    for offset in (0, 2, 4, 5):
        target = array.array("i", [0] * 3)
        sender.send_bytes(b"abc")
        assert receiver.recv_bytes_into(target, offset) == 3
        assert target.tobytes() == (bytes(offset) + b"abc").ljust(12, b"\0")


@requirement("pipes.recv-bytes-into.several-dimensions")
def test_recv_bytes_into_fills_rows(mp):
    """A buffer with rows and columns takes a message as a flat one of as many bytes does."""
    receiver, sender = mp.Pipe(duplex=False)
    buffer = bytearray(b"........")
    rows = memoryview(buffer).cast("B", (2, 4))
    sender.send_bytes(b"abcdef")
    assert receiver.recv_bytes_into(rows, 1) == 6
    assert buffer == b".abcdef."


@requirement("pipes.recv-bytes-into.no-dimensions")
def test_recv_bytes_into_fills_buffers_without_dimensions(mp):
    """A number or a structure of ctypes takes a message as a flat buffer of as many bytes does."""
    receiver, sender = mp.Pipe(duplex=False)
    for each in _without_dimensions():
        message = bytes(range(1, 1 + len(bytes(each))))
        sender.send_bytes(message)
        assert receiver.recv_bytes_into(each) == len(message)
        assert bytes(each) == message
        sender.send_bytes(message + b"!")
        with raises(mp.BufferTooShort):
            receiver.recv_bytes_into(each)


@requirement("pipes.recv-bytes-into.blocks-until-message")
def test_recv_bytes_into_blocks_until_there_is_something(mp):
    """recv_bytes_into() waits for a message, with an offset as well."""
    receiver, sender = mp.Pipe(duplex=False)
    for offset in ((), (2,)):
        buffer = bytearray(9)
        caller = CallerThread(mp, receiver, "recv_bytes_into", buffer, *offset)
        caller.until_blocked()
        sender.send_bytes(b"message")
        assert caller.result() == 7
        assert buffer == (bytes(*offset) + b"message").ljust(9, b"\0")


@requirement("pipes.recv-bytes-into.refuses-read-only-buffer")
def test_buffer_must_be_writable(mp):
    """recv_bytes_into() of a read-only buffer, and of a list or a string, raises, and leaves it unchanged."""
    receiver, sender = mp.Pipe(duplex=False)
    for buffer in (bytes(8), memoryview(bytearray(8)).toreadonly(), [0] * 8, "12345678"):
        before = buffer[:]
        sender.send_bytes(b"message")
        with raises(Exception):
            receiver.recv_bytes_into(buffer)
        assert buffer == before


@requirement("pipes.recv-bytes-into.refuses-bad-offset")
def test_offset_must_lie_in_the_buffer(mp):
    """An offset that is negative or beyond the buffer makes the call raise, and take nothing."""
    receiver, sender = mp.Pipe(duplex=False)
    sender.send_bytes(b"abc")
    for offset in (-1, 9):
        with raises(Exception):
            receiver.recv_bytes_into(bytearray(8), offset)
    assert receiver.recv_bytes() == b"abc"


@requirement("pipes.recv-bytes-into.offset-is-integer")
def test_offset_must_be_an_integer(mp):
    """recv_bytes_into() with a fraction, a string or None for the offset raises."""
    receiver, sender = mp.Pipe(duplex=False)
    for offset in (1.5, "1", None):
        sender.send_bytes(b"abc")  # it may take one, or not
        with raises(Exception):
            receiver.recv_bytes_into(bytearray(8), offset)


@requirement("pipes.recv-bytes-into.bad-offset-is-valueerror")
def test_offset_outside_the_buffer_is_a_valueerror(mp):
    """The error of an offset that is negative or beyond the buffer is a ValueError."""
    receiver, sender = mp.Pipe(duplex=False)
    sender.send_bytes(b"abc")
    for offset in (-1, 9):
        with raises(ValueError):
            receiver.recv_bytes_into(bytearray(8), offset)


@requirement("pipes.recv-bytes-into.offset-at-end")
def test_offset_at_the_end_of_the_buffer(mp):
    """With an offset of the buffer's length recv_bytes_into() refuses a message, and leaves the buffer alone."""
    receiver, sender = mp.Pipe(duplex=False)
    buffer = bytearray(b"....")
    sender.send_bytes(b"a")
    with raises(ValueError, mp.BufferTooShort):
        receiver.recv_bytes_into(buffer, 4)
    assert buffer == b"...."


@requirement("pipes.recv-bytes-into.too-short")
def test_buffer_too_short_raises(mp):
    """BufferTooShort is raised when the message does not fit the buffer, or behind the offset."""
    receiver, sender = mp.Pipe(duplex=False)
    sender.send_bytes(b"abcdef")
    sender.send_bytes(b"abcdef")
    with raises(mp.BufferTooShort):
        receiver.recv_bytes_into(bytearray(5))
    with raises(mp.BufferTooShort):
        receiver.recv_bytes_into(bytearray(8), 3)
    for wide, offset in ((array.array("i", [0]), 0), (array.array("i", [0] * 4), 8)):
        sender.send_bytes(b"of twelve...")
        with raises(mp.BufferTooShort):
            receiver.recv_bytes_into(wide, offset)


@requirement("pipes.recv-bytes-into.too-short-keeps-message")
def test_buffer_too_short_holds_the_message(mp):
    """``args[0]`` of BufferTooShort is the whole message, as bytes, however long, and whatever the offset."""
    receiver, sender = mp.Pipe(duplex=False)
    for message, *offset in ((b"abcdef",), (b"abcdef", 3), (bytes(range(256)) * 16,)):
        sender.send_bytes(message)
        with raises(mp.BufferTooShort) as caught:
            receiver.recv_bytes_into(bytearray(5), *offset)
        assert caught.value.args[0] == message
        assert isinstance(caught.value.args[0], bytes)


@requirement("pipes.recv-bytes-into.readable-after-too-short")
def test_connection_is_readable_after_a_buffer_too_short(mp):
    """After BufferTooShort the next message is received as ever."""
    receiver, sender = mp.Pipe(duplex=False)
    sender.send_bytes(b"abcdef")
    sender.send_bytes(b"next")
    with raises(mp.BufferTooShort):
        receiver.recv_bytes_into(bytearray(5))
    assert receiver.recv_bytes() == b"next"


def _send_sizes(connection, sizes):
    for size in sizes:
        connection.send_bytes(bytes([size % 251]) * size)


@requirement("pipes.send-bytes.any-size")
def test_messages_of_any_size_arrive_whole(mp):
    """Messages from one byte to several MiB, in any sequence, arrive whole and in order, as bytes."""
    sizes = [
        1,
        LARGE,
        3,
        *(2**power + step for power in range(12, 20) for step in (-1, 0, 1)),
        0,
        LARGE + 1,
        2,
    ]
    receiver, sender = mp.Pipe()
    writer = threading.Thread(target=_send_sizes, args=(sender, sizes), daemon=True)
    writer.start()
    for size in sizes:
        received = receiver.recv_bytes()
        assert type(received) is bytes
        assert equal(received, bytes([size % 251]) * size)
    writer.join()


@requirement("pipes.send-bytes.very-large")
def test_more_than_two_gibibytes_are_a_message_or_refused(mp):
    """A message of more than 2 GiB is announced as what it is, or send_bytes() raises ValueError."""
    import mmap
    import resource

    # Memory that nobody touches takes no room: of all these bytes few are read, and none is received.
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | getattr(mmap, "MAP_NORESERVE", 0)
    message = mmap.mmap(-1, 2**31 + 1, flags=flags)
    receiver, sender = mp.Pipe(duplex=False)
    # There is room for no copy of it either: to make one fails, and does not exhaust the machine.
    with open("/proc/self/statm", encoding="ascii") as file:
        pages = int(file.read().split()[0])
    before = resource.getrlimit(resource.RLIMIT_AS)
    limit = pages * mmap.PAGESIZE + 2**30
    if before[1] == resource.RLIM_INFINITY or limit < before[1]:
        resource.setrlimit(resource.RLIMIT_AS, (limit, before[1]))
    try:
        send = functools.partial(send_and_close, sender, "send_bytes", message)
        caller = CallerThread(mp, send, "__call__")
        with raises(OSError, EOFError) as caught:
            receiver.recv_bytes(10)
        receiver.close()
        refused = isinstance(caught.value, EOFError)
        with raises(ValueError) if refused else contextlib.suppress(OSError):
            caller.result()
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


@requirement("pipes.recv-bytes-into.large")
def test_recv_bytes_into_takes_large_messages(mp):
    """A message of several MiB goes into a buffer, or whole into BufferTooShort."""
    receiver, sender = mp.Pipe()
    writer = threading.Thread(target=_send_sizes, args=(sender, [LARGE, LARGE]), daemon=True)
    writer.start()
    buffer = bytearray(LARGE + 2)
    assert receiver.recv_bytes_into(buffer, 1) == LARGE
    assert equal(buffer, b"\0" + bytes([LARGE % 251]) * LARGE + b"\0")
    with raises(mp.BufferTooShort) as caught:
        receiver.recv_bytes_into(bytearray(10))
    message = caught.value.args[0]
    assert isinstance(message, bytes)
    assert equal(message, bytes([LARGE % 251]) * LARGE)
    writer.join()
