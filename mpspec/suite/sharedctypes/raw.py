"""Tests of RawValue() and RawArray()."""

import contextlib
import ctypes
import gc
import mmap
import pickle
import threading

from mpspec.children import (
    outcome_of,
    raises,
    switching,
)
from mpspec.marks import requirement
from mpspec.suite.sharedctypes.helpers import TYPES, Point, see_raw_objects


@requirement("sharedctypes.raw-value.ctypes-object")
def test_raw_value_of_a_ctypes_type(mp):
    """``RawValue(c_double, 2.4)`` is like ``c_double(2.4)``."""
    value = mp.sharedctypes.RawValue(ctypes.c_double, 2.4)
    assert (type(value), value.value) == (ctypes.c_double, 2.4)


@requirement("sharedctypes.raw-value.typecode")
def test_raw_value_of_a_typecode(mp):
    """``RawValue('d', 2.4)`` is like ``c_double(2.4)``, and so on."""
    value = mp.sharedctypes.RawValue("d", 2.4)
    assert (type(value), value.value) == (ctypes.c_double, 2.4)
    assert {code: type(mp.sharedctypes.RawValue(code)) for code in TYPES} == TYPES


@requirement("sharedctypes.raw-value.structure")
def test_raw_value_of_a_structure(mp):
    """``RawValue(MyStruct, 4, 6)`` is like ``MyStruct(4, 6)``."""
    point = mp.sharedctypes.RawValue(Point, 4, 6)
    assert (type(point), point.x, point.y) == (Point, 4.0, 6.0)


@requirement("sharedctypes.raw-value.zeroed-though-used-before")
def test_raw_value_where_another_was(mp, companion):
    """Without arguments, or with too few, the rest is zero though others, not zero, have come and gone."""
    make = mp.sharedctypes.RawValue
    for _ in range(5):
        value, point, other = make("l"), make(Point), make(Point, 4)
        large = make(ctypes.c_int * 500, 4)
        assert (value.value, point.x, point.y) == (0, 0.0, 0.0)
        assert (other.x, other.y) == (4.0, 0.0)
        assert large[:] == [4] + [0] * 499
        value.value = -1
        point.x = point.y = other.x = other.y = 1.0
        large[:] = [-1] * 500
        del value, point, other, large
    assert companion.ask(_values_not_zeroed, mp) == []


def _values_not_zeroed(mp):
    """The sizes of large values that were not zero, each of them full of ones in the end."""
    sizes = []
    for size in (10_000, 300_000) * 3:
        value = mp.sharedctypes.RawValue(ctypes.c_ubyte * size)
        if any(bytes(value)):
            sizes.append(size)
        ctypes.memset(value, 255, size)
        del value
    return sizes


@requirement("sharedctypes.raw.memory-of-its-own")
def test_shared_objects_do_not_overlap(mp):
    """Arrays of many sizes, of which some were dropped and replaced, keep what each was given."""

    def filled(size):
        array = mp.sharedctypes.RawArray("B", size)
        array[:] = [size % 256] * size
        return array

    sizes = [1, 2, 3, 7, 8, 9, 15, 17, 100, 1000, 5000]
    arrays = [filled(size) for size in sizes]
    arrays[1::2] = [filled(size + 1) for size in sizes[1::2]]
    arrays[::3] = [filled(size + 2) for size in sizes[::3]]
    arrays += [filled(size) for size in sizes]
    assert [set(array) for array in arrays] == [{len(array) % 256} for array in arrays]
    # What is kept of one keeps its memory.
    points = mp.sharedctypes.RawArray(Point, [(1, 2), (3, 4)])
    part, view = points[1], memoryview(points).cast("B")
    del points
    others = [filled(size) for size in (8, 16, 32) * 3]
    assert (part.x, part.y, len(others)) == (3.0, 4.0, 9)
    assert bytes(view) == bytes((Point * 2)((1, 2), (3, 4)))


def _make_many(mp, number, kept):
    """Arrays of one number, made and dropped in turn."""
    for turn in range(100):
        arrays = [mp.sharedctypes.RawArray("B", [number] * (8 * size)) for size in (1, 3, 2, 5)]
        kept.append(arrays[turn % 4])


@requirement("sharedctypes.raw.memory-of-its-own")
def test_objects_of_several_threads_do_not_overlap(mp):
    """Four threads that make arrays at once get them, and each has its own."""
    kept = [[] for _ in range(4)]
    threads = [
        threading.Thread(target=_make_many, args=(mp, number, arrays), daemon=True)
        for number, arrays in enumerate(kept)
    ]
    with switching(1e-6):
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(mp.timeout / 2)
    assert [len(arrays) for arrays in kept] == [100] * 4
    assert [{number for array in arrays for number in array} for arrays in kept] == [
        {0},
        {1},
        {2},
        {3},
    ]


def _make_after_a_failure(mp, made):
    kind, _ = outcome_of(mp.sharedctypes.RawArray, "b", 2**50)
    made.append(kind != "returned")
    made.append(mp.Value("i", 7).value)


@requirement("sharedctypes.raw.memory-of-its-own")
def test_objects_are_made_after_one_that_could_not_be(mp):
    """An array that is larger than any memory is refused, and the next object is made."""
    # In a thread: what a lock that was left locked holds up is none of this one's.
    made = []
    thread = threading.Thread(target=_make_after_a_failure, args=(mp, made), daemon=True)
    thread.start()
    thread.join(mp.timeout / 2)
    assert made == [True, 7]


@requirement("sharedctypes.raw.aligned")
def test_shared_objects_are_aligned(mp):
    """After objects of odd sizes, too, numbers lie where their types may."""
    make, kept = mp.sharedctypes, []
    for size in (1, 3, 5, 7):
        for kind in (ctypes.c_int16, ctypes.c_int32, ctypes.c_int64, ctypes.c_double, Point):
            kept += [make.RawArray("B", size), make.RawValue(kind), make.RawArray(kind, size)]
    offsets = [ctypes.addressof(each) % ctypes.alignment(each) for each in kept]
    assert set(offsets) == {0}


@requirement("sharedctypes.raw.freed-at-any-moment")
def test_objects_are_freed_while_others_are_made(mp):
    """Unreachable objects that the garbage collector finds while another is made hold up nothing."""
    # In a thread: what a deadline raises in a finalizer would be swallowed.
    made = []
    thread = threading.Thread(target=_make_garbage, args=(mp, made), daemon=True)
    with _eager_collector():
        thread.start()
        thread.join(mp.timeout)
    assert made == [*range(100), *_MOMENTS]


# How many objects later the garbage collector runs, on interpreters whose collector can be told to.
_MOMENTS = range(24) if hasattr(gc, "set_threshold") else ()


@contextlib.contextmanager
def _eager_collector():
    """Have the garbage collector run at every chance, where it can be told to."""
    if not _MOMENTS:
        yield
        return
    thresholds = gc.get_threshold()
    gc.set_threshold(1, 1, 1)
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)


def _make_garbage(mp, made):
    for number in range(100):
        value = mp.sharedctypes.RawValue("i", number)
        value.itself = value
        made.append(value.value)
    for later in _MOMENTS:
        gc.disable()
        # The second has memory of its own, which is given back as a whole.
        for garbage in (
            mp.sharedctypes.RawValue("i"),
            mp.sharedctypes.RawArray("b", 5 * 1024 * 1024),
        ):
            garbage.itself = garbage
        del garbage
        # What is larger than what was given back needs new memory: to make it takes several steps.
        gc.set_threshold(gc.get_count()[0] + later, 1, 1)
        gc.enable()
        made.append(len(mp.sharedctypes.RawArray("b", 5 * 1024 * 1024 + later)) and later)


@requirement("sharedctypes.raw.of-the-package")
def test_raw_objects_of_the_package(mp):
    """``RawValue`` and ``RawArray`` of the package itself take the same arguments."""
    point, number, array = mp.RawValue(Point, 4, 6), mp.RawValue("d", 2.4), mp.RawArray("h", 7)
    assert (type(point), point.x, point.y) == (Point, 4.0, 6.0)
    assert (type(number), number.value) == (ctypes.c_double, 2.4)
    assert isinstance(array, ctypes.c_short * 7)
    assert mp.RawArray(ctypes.c_int, (9, 2, 8))[:] == [9, 2, 8]


@requirement("sharedctypes.raw-value.shared-with-child")
def test_raw_value_in_a_child(mp):
    """A child changes a number, a structure and a union, and the parent reads them."""
    assert see_raw_objects(mp)["value"] == (8, 4.0, 12.0, [1, 1, 1, 2])


@requirement("sharedctypes.raw.pointer")
def test_pointer_in_shared_memory(mp):
    """A pointer leads to what it was made of, and an address is the same number in a child."""
    number = ctypes.c_int(7)
    pointer = mp.sharedctypes.RawValue(ctypes.POINTER(ctypes.c_int), number)
    pointer.contents.value += 1
    assert number.value == 8
    assert len(see_raw_objects(mp)["addresses"]) == 1


@requirement("sharedctypes.raw-array.size")
def test_raw_array_of_a_size(mp):
    """``RawArray(c_short, 7)`` is like ``(c_short * 7)()``."""
    array = mp.sharedctypes.RawArray(ctypes.c_short, 7)
    assert isinstance(array, ctypes.c_short * 7)
    assert array[:] == [0] * 7


@requirement("sharedctypes.raw-array.zeroed-though-used-before")
def test_raw_array_where_another_was(mp, companion):
    """An array is zero though others of its size, full of ones, have come and gone."""
    # In another process, because one may keep what it has taken from the system for the larger ones.
    assert companion.ask(_sizes_not_zeroed, mp) == []


def _sizes_not_zeroed(mp):
    """The sizes of new arrays that were not zero, each of them full of ones in the end."""
    sizes = []
    for size in (100, 10_000, 300_000) * 3:
        for kind, number in (("B", size), ("c", size), (Point, size // 16)):
            array = mp.sharedctypes.RawArray(kind, number)
            if any(bytes(array)):
                sizes.append(size)
            ctypes.memset(array, 255, ctypes.sizeof(array))
            del array
    return sizes


@requirement("sharedctypes.raw-array.initializer")
def test_raw_array_of_a_sequence(mp):
    """``RawArray(c_int, (9, 2, 8))`` is like ``(c_int * 3)(9, 2, 8)``."""
    array = mp.sharedctypes.RawArray(ctypes.c_int, (9, 2, 8))
    assert isinstance(array, ctypes.c_int * 3)
    assert array[:] == [9, 2, 8]


@requirement("sharedctypes.raw-array.typecode")
def test_raw_array_of_a_typecode(mp):
    """``RawArray('i', (9, 2, 8))`` is like ``(c_int * 3)(9, 2, 8)``, ``RawArray('h', 7)`` like ``(c_short * 7)()``."""
    array = mp.sharedctypes.RawArray("i", (9, 2, 8))
    assert isinstance(array, ctypes.c_int * 3)
    assert array[:] == [9, 2, 8]
    assert isinstance(mp.sharedctypes.RawArray("h", 7), ctypes.c_short * 7)
    found = {code: type(mp.sharedctypes.RawArray(code, 2))._type_ for code in TYPES}
    assert found == TYPES


@requirement("sharedctypes.raw-array.characters")
def test_raw_array_of_characters(mp):
    """``value`` ends before a null byte, raw does not; what is stored by one of them is read by both."""
    array = mp.sharedctypes.RawArray(ctypes.c_char, b"a\0b")
    assert (array.value, array.raw) == (b"a", b"a\0b")
    array.value = b"c"
    assert array.raw == b"c\0b"
    array.raw = b"d\0e"
    assert (array.value, array.raw) == (b"d", b"d\0e")


@requirement("sharedctypes.raw-array.shared-with-child")
def test_raw_array_in_a_child(mp):
    """A child negates the items, or assigns to one of an array of arrays, and the parent reads them."""
    assert see_raw_objects(mp)["array"] == ([-1, -2, -3], [[1, 2, 3], [7, 5, 6]])


@requirement("sharedctypes.raw.refuse-pickling")
def test_shared_objects_are_not_pickled(mp):
    """To pickle a wrapper, or to send it or a raw object, raises RuntimeError."""
    wrappers = [mp.Value("i", 7), mp.Value(Point), mp.Array("i", 7), mp.Array("c", 7)]
    for wrapper in wrappers:
        with raises(RuntimeError):
            pickle.dumps(wrapper)
    receiver, sender = mp.Pipe(duplex=False)
    for shared in (*wrappers, *(wrapper.get_obj() for wrapper in wrappers)):
        with raises(RuntimeError):
            sender.send(shared)
    assert not receiver.poll()


def _mapped_after_an_array(mp, size):
    """Bytes that are mapped in this process when an array was made and dropped."""
    mp.sharedctypes.RawArray("b", size)
    gc.collect()
    with open("/proc/self/statm") as file:
        return int(file.read().split()[0]) * mmap.PAGESIZE


@requirement("sharedctypes.raw.given-back")
def test_dropped_arrays_are_given_back(mp):
    """After six arrays of 5 MiB, or a little less, as little is mapped as after the first."""
    size = 5 * 2**20
    for less in (0, 8, 64, 4000):  # what is left of the last page is given back as well
        first, *_, last = [_mapped_after_an_array(mp, size - less) for _ in range(6)]
        assert last - first < 2 * size


@requirement("sharedctypes.raw.nameless")
def test_memory_without_a_name(mp):
    """What is mapped where a new array lies is no file, or one that was deleted."""
    array = mp.sharedctypes.RawArray("b", 5 * 2**20)
    address = ctypes.addressof(array)
    with open("/proc/self/maps") as file:
        for line in file:
            first, end = (int(number, 16) for number in line.split()[0].split("-"))
            if first <= address < end:
                break
    path = line.rstrip("\n").partition("/")[2]
    assert not path or path.endswith(" (deleted)")
