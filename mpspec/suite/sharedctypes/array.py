"""Tests of Array()."""

import collections
import ctypes
import threading
import time

from mpspec.children import (
    ask,
    raises,
    switching,
    value_of,
)
from mpspec.marks import requirement
from mpspec.suite.sharedctypes.helpers import (
    TYPES,
    Interrupting,
    Point,
    free_for_others,
    see_accesses_of_a_child,
    see_numbers,
    see_raw_objects,
    until_released,
)


class _Size(int):
    """An integer, as those of enumerations are."""


@requirement("sharedctypes.array.shared-with-child")
def test_parent_reads_the_items_of_a_child(mp):
    """A child negates the items of an array, and the parent reads them."""
    items = see_numbers(mp)["changed by the child"][1]
    assert items == [0, -1, -2, -3, -4, -5, -6, -7, -8, -90]


@requirement("sharedctypes.array.child-sees-parent")
def test_child_reads_the_items_of_its_parent(mp):
    """A running child reads what its parent has assigned before and after the start."""
    seen = see_numbers(mp)
    assert seen["at first"][1] == [*range(10)]
    assert seen["changed by the parent"][1] == [*range(9), 90]


@requirement("sharedctypes.array.initializer")
def test_array_of_a_sequence(mp):
    """``Array(type, sequence)`` holds the items of the sequence: a list, a tuple, a range, an array of any kind."""
    import array as plain

    arrays = [mp.Array("i", [3, 4, 5]), mp.Array("i", (3, 4, 5)), mp.Array("i", range(3, 6))]
    arrays += [mp.Array("i", plain.array("h", [3, 4, 5])), mp.Array("i", arrays[0])]
    arrays += [mp.Array("i", (ctypes.c_int * 3)(3, 4, 5)), mp.Array("B", b"\3\4\5")]
    arrays += [mp.Array("B", bytearray(b"\3\4\5")), mp.Array("B", memoryview(b"\3\4\5"))]
    arrays[0][0], arrays[4][1] = 1, 2
    assert [list(array) for array in arrays] == [
        *([1, 4, 5], [3, 4, 5], [3, 4, 5], [3, 4, 5], [3, 2, 5]),
        *([3, 4, 5], [3, 4, 5], [3, 4, 5], [3, 4, 5]),
    ]
    assert list(mp.Array("i", collections.deque([3, 4, 5]))) == [3, 4, 5]  # has no slices
    assert list(mp.Array("d", [0.5])) == [0.5]
    assert list(mp.Array("l", range(5000))) == [*range(5000)]


@requirement("sharedctypes.array.items")
def test_items_of_an_array(mp):
    """Items are read and assigned by index; len() is their number."""
    array = mp.Array("i", [3, 4, 5])
    array[1] = 7
    assert [len(array), array[0], array[1], array[2], array[-1]] == [3, 3, 7, 5, 5]
    array[-1] = 6
    assert list(array) == [3, 7, 6]


@requirement("sharedctypes.array.size")
def test_array_of_a_size(mp):
    """``Array(type, n)`` holds n zeros, also when n is of a class that derives from int."""
    for size in (5, _Size(5)):
        array = mp.Array("i", size)
        assert (len(array), list(array)) == (5, [0] * 5)
    with raises(ValueError):
        mp.Array("i", -1)


@requirement("sharedctypes.array.of-no-items")
def test_array_of_no_items(mp):
    """An array of size 0, or of an empty sequence, has no items."""
    arrays = [mp.Array("i", 0), mp.Array("i", []), mp.sharedctypes.RawArray("i", 0)]
    assert [(len(array), list(array)) for array in arrays] == [(0, [])] * 3
    assert ask(mp, _lengths, *arrays) == [0] * 3
    text = mp.Array("c", b"")
    assert (len(text), text.value, text.raw) == (0, b"", b"")


def _lengths(*arrays):
    return [len(array) for array in arrays]


@requirement("sharedctypes.array.large")
def test_array_of_several_mib(mp):
    """A child changes the first and the last item of an array of 5 MiB; the others stay zero."""
    assert see_raw_objects(mp)["large"] == (7, 7, 0, 5 * 2**20)


@requirement("sharedctypes.array.slices")
def test_slices_of_an_array(mp):
    """A slice gives a list, and takes a sequence."""
    array = mp.Array("i", range(5))
    array[1:3] = [7, 8]
    assert array[:] == [0, 7, 8, 3, 4]
    assert array[::2] == [0, 8, 4]
    assert array[::-1] == [4, 3, 8, 7, 0]
    array[::2] = [9, 6, 5]
    array[3:0:-2] = [1, 2]
    assert array[:] == [9, 2, 6, 1, 5]


@requirement("sharedctypes.array.iteration")
def test_iteration_over_an_array(mp):
    """A for statement gives the items in their order, and in the reverse; each is in the array."""
    array = mp.Array("i", [3, 4, 5])
    assert [2 * item for item in array] == [6, 8, 10]
    assert [*reversed(array)] == [5, 4, 3]
    assert [item in array for item in (3, 5, 6)] == [True, True, False]


@requirement("sharedctypes.array.index-out-of-range")
def test_index_out_of_range(mp):
    """Reading or writing item 3 of 3, or -4, raises IndexError."""
    array = mp.Array("i", [3, 4, 5])
    for index in (3, -4):
        with raises(IndexError):
            array[index]
        with raises(IndexError):
            array[index] = 0


@requirement("sharedctypes.array.failed-access-frees-lock")
def test_lock_is_free_after_a_failed_access(mp):
    """When reading or writing an item raises, others can take the lock."""
    array, text = mp.Array("i", [3, 4, 5]), mp.Array("c", b"abc")
    with raises(IndexError):
        array[3]
    assert free_for_others(mp, array)
    with raises(TypeError):
        array[0] = "text"
    assert free_for_others(mp, array)
    with raises(ValueError):
        array[:2] = [1]
    assert free_for_others(mp, array)
    with raises(ValueError):
        text.value = b"too long"
    assert free_for_others(mp, text)
    assert (array[:], text.value) == ([3, 4, 5], b"abc")
    reals = mp.Array("d", 1)
    with raises(KeyboardInterrupt):
        reals[0] = Interrupting()
    assert free_for_others(mp, reals)


@requirement("sharedctypes.array.typecodes")
def test_typecodes_of_an_array(mp):
    """Each typecode gives items of the ctypes type of the same name in C."""
    types = {code: mp.Array(code, 2).get_obj() for code in TYPES}
    assert {code: type(array)._type_ for code, array in types.items()} == TYPES
    assert {len(array) for array in types.values()} == {2}


@requirement("sharedctypes.array.ctypes-type")
def test_array_of_a_ctypes_type(mp):
    """``Array(c_short, n)`` holds a ctypes array of n c_short."""
    array = mp.Array(ctypes.c_short, 7).get_obj()
    assert isinstance(array, ctypes.c_short * 7)
    pairs = mp.Array(ctypes.c_int * 2, [(1, 2), (3, 4)])
    assert [pair[:] for pair in pairs] == [[1, 2], [3, 4]]
    assert mp.Array(ctypes.c_int * 2, 2)[1][:] == [0, 0]


@requirement("sharedctypes.array.typecode-w-refused")
def test_typecode_w(mp):
    """``Array('w', 1)`` raises an error of type or value."""
    with raises(TypeError, ValueError):
        mp.Array("w", 1)


@requirement("sharedctypes.array.typecode-c")
def test_typecode_c(mp):
    """``Array('c', bytes)`` is an array of c_char; its items are bytes of length one, slices are bytes."""
    assert mp.Array("c", [b"a", b"b"])[:] == b"ab"
    array = mp.Array("c", b"word")
    assert isinstance(array.get_obj(), ctypes.c_char * 4)
    assert [array[0], array[3], len(array), array[1:3]] == [b"w", b"d", 4, b"or"]
    array[1:3] = b"il"
    assert array.value == b"wild"
    array[1] = b"\0"
    assert (len(array), array[:], array[2:], [*array]) == (
        4,
        b"w\0ld",
        b"ld",
        [b"w", b"\0", b"l", b"d"],
    )


@requirement("sharedctypes.array.wraps-by-default")
def test_array_is_a_wrapper(mp):
    """``Array('i', 3)`` has get_obj(), which is the array itself, and get_lock()."""
    array = mp.Array("i", 3)
    array.get_obj()[1] = 8
    assert isinstance(array.get_obj(), ctypes.c_int * 3)
    assert array[1] == 8
    with array.get_lock():
        assert not free_for_others(mp, array)


@requirement("sharedctypes.array.default-lock-recursive")
def test_default_lock_of_an_array(mp):
    """The owner of the lock acquires it again, and changes an item; no other is locked."""
    other = mp.Array("i", 3)
    for array in (mp.Array("i", 3), mp.Array("i", 3, lock=True)):
        with array.get_lock():
            assert array.get_lock().acquire(False) is True
            array[0] += 1
            array.get_lock().release()
            assert free_for_others(mp, other)
        assert array[0] == 1


@requirement("sharedctypes.array.lock-given")
def test_lock_given_to_an_array(mp):
    """get_lock() is the lock given, a Lock or an RLock, and a thread that reads sleeps while it is held."""
    for lock in (mp.Lock(), mp.RLock()):
        with lock:
            array = mp.Array("i", [7], lock=lock)
        assert array.get_lock() is lock
        assert until_released(mp, array, ("get", 0)) == [7]


@requirement("sharedctypes.array.access-takes-lock")
def test_array_is_not_accessed_without_its_lock(mp):
    """A thread that reads or writes an item or a slice sleeps while another holds the lock; so does a child."""
    array = mp.Array("i", [3, 4, 5])
    whole = slice(None)
    calls = (("get", 0), ("put", 0, 7), ("get", whole), ("put", whole, [1, 2, 3]), ("items",))
    assert until_released(mp, array, *calls) == [3, None, [7, 4, 5], None, [1, 2, 3]]
    calls = (("get", -1), ("put", -3, 1), ("reversed",), ("has", 3), ("has", 4))
    assert until_released(mp, array, *calls) == [3, None, [3, 2, 1], True, False]
    assert array[:] == [1, 2, 3]
    seen = see_accesses_of_a_child(mp)["array"]
    assert seen["waited"] == [True] * 4
    assert [value_of(outcome) for outcome in seen["outcomes"]] == [3, None, [7, 4, 5], None]
    assert seen["content"] == [1, 2, 3]


@requirement("sharedctypes.array.access-takes-lock")
def test_slices_are_accessed_under_one_lock(mp):
    """Whoever reads a whole array while another assigns whole ones reads the items of one of them."""
    array, ended, found = mp.Array("i", 500), threading.Event(), set()

    def assign():
        number = 0
        while not ended.is_set():
            number += 1
            array[:] = [number] * 500

    thread = threading.Thread(target=assign, daemon=True)
    with switching(1e-6):
        try:
            thread.start()
            deadline = time.monotonic() + mp.timeout / 2
            while len(found) < 30 and time.monotonic() < deadline:
                items = set(array[:])
                assert len(items) == 1
                found |= items
        finally:
            ended.set()
            thread.join(mp.timeout)


@requirement("sharedctypes.array.lock-false")
def test_array_without_lock(mp):
    """``Array(type, n, lock=False)`` is a ctypes array."""
    array = mp.Array("i", [3, 4, 5], lock=False)
    assert isinstance(array, ctypes.c_int * 3)
    assert array[:] == [3, 4, 5]
    text, points = mp.Array("c", b"text", lock=False), mp.Array(Point, [(4, 6)], lock=False)
    assert isinstance(text, ctypes.c_char * 4)
    assert isinstance(points, Point * 1)


@requirement("sharedctypes.array.lock-keyword-only")
def test_lock_of_an_array_is_keyword_only(mp):
    """``Array('i', 3, lock)`` raises TypeError."""
    with raises(TypeError):
        mp.Array("i", [1, 2, 3], mp.Lock())


@requirement("sharedctypes.array.characters-value")
def test_value_of_characters(mp):
    """``value`` is the bytes before the first null byte; a shorter text ends with one."""
    for kind in ("c", ctypes.c_char):
        array = mp.Array(kind, b"hello world")
        values = [array.value]
        array.value = b" short\n "
        values.append(array.value)
        assert values == [b"hello world", b" short\n "]
        assert {type(value) for value in values} == {bytes}
        assert mp.Array(kind, 5).value == b""


@requirement("sharedctypes.array.characters-raw")
def test_raw_of_characters(mp):
    """``raw`` is all bytes of the array, those after a null byte too."""
    for kind in ("c", ctypes.c_char):
        array = mp.Array(kind, 5)
        raws = [array.raw]
        array.raw = b"a\0b\0c"
        raws.append(array.raw)
        assert [*raws, array.value] == [bytes(5), b"a\0b\0c", b"a"]
        assert {type(raw) for raw in raws} == {bytes}


@requirement("sharedctypes.array.characters-take-lock")
def test_characters_are_not_accessed_without_the_lock(mp):
    """A thread that reads or writes value or raw, an item or a slice, sleeps while another holds the lock."""
    array = mp.Array("c", b"abc")
    calls = (
        ("read", "value"),
        ("write", "value", b"abd"),
        ("read", "raw"),
        ("write", "raw", b"abe"),
        ("get", -1),
        ("put", 0, b"A"),
        ("get", slice(2)),
        ("put", slice(1, 3), b"BC"),
    )
    found = [b"abc", None, b"abd", None, b"e", None, b"Ab", None]
    assert until_released(mp, array, *calls) == found
    assert array.value == b"ABC"


@requirement("sharedctypes.array.structures")
def test_array_of_structures(mp):
    """Tuples fill the fields; a field of an item is changed in place."""
    array = mp.Array(Point, [(1.875, -6.25), (-5.75, 2.0)])
    array[1].x = 3.5
    assert [(point.x, point.y) for point in array] == [(1.875, -6.25), (3.5, 2.0)]


@requirement("sharedctypes.array.wide-characters")
def test_array_of_wide_characters(mp):
    """An array of c_wchar holds the characters of a text, which are read and written one by one, and by slices."""
    for kind in ("u", ctypes.c_wchar):
        array = mp.Array(kind, "häßlich")
        assert (len(array), array[1], array[:]) == (7, "ä", "häßlich")
        array[0], array[5:] = "H", "CH"
        assert ("".join(array), mp.Array(kind, ["a", "b"])[:]) == ("HäßliCH", "ab")
