"""Tests of the chapter sharedctypes: values and arrays in shared memory."""

import collections
import contextlib
import ctypes
import gc
import mmap
import os
import pickle
import threading
import time

from mpspec.children import (
    Caller,
    CallerThread,
    ask,
    observed_once,
    outcome_of,
    raises,
    run,
    switching,
    value_of,
)
from mpspec.marks import requirement

# The C types that the documentation of the array module names, and their ctypes equivalents.
_TYPES = {
    "b": ctypes.c_byte,
    "B": ctypes.c_ubyte,
    "u": ctypes.c_wchar,
    "h": ctypes.c_short,
    "H": ctypes.c_ushort,
    "i": ctypes.c_int,
    "I": ctypes.c_uint,
    "l": ctypes.c_long,
    "L": ctypes.c_ulong,
    "f": ctypes.c_float,
    "d": ctypes.c_double,
}
# Those that the array module has had since Python 3.3.
_LONG_LONG = {"q": ctypes.c_longlong, "Q": ctypes.c_ulonglong}


class _Point(ctypes.Structure):
    _fields_ = (("x", ctypes.c_double), ("y", ctypes.c_double))


class _Sample(ctypes.Structure):
    _fields_ = (("y", ctypes.c_int), ("value", ctypes.c_short))


class _Bits(ctypes.Structure):
    _fields_ = (("low", ctypes.c_int, 3), ("high", ctypes.c_int, 5))


class _Whole(ctypes.c_int):
    pass


class _Three(ctypes.c_int * 3):
    pass


class _Interrupting:
    """A number, while the value of which is asked for Ctrl-C is pressed."""

    def __float__(self):
        raise KeyboardInterrupt


class _Size(int):
    """An integer, as those of enumerations are."""


def _other_point():
    """A type of the same name as another, with other fields."""

    class _Point(ctypes.Structure):
        _fields_ = (("r", ctypes.c_int), ("phi", ctypes.c_int))

    return _Point


class _Number(ctypes.Union):
    _fields_ = (("whole", ctypes.c_int), ("bytes", ctypes.c_ubyte * 4))


class _Access:
    """Ways to use a wrapper, each a call that a thread can make."""

    def __init__(self, wrapper):
        self.wrapper = wrapper

    def read(self, name):
        return getattr(self.wrapper, name)

    def write(self, name, value):
        setattr(self.wrapper, name, value)

    def get(self, index):
        return self.wrapper[index]

    def put(self, index, value):
        self.wrapper[index] = value

    def items(self):
        return list(self.wrapper)

    def enter(self):
        with self.wrapper:
            return "entered"

    def reversed(self):
        return [*reversed(self.wrapper)]

    def has(self, item):
        return item in self.wrapper

    def call(self, name, *args):
        return getattr(self.wrapper, name)(*args)

    def increment(self, times):
        for _ in range(times):
            with self.wrapper.get_lock():
                self.wrapper.value += 1

    def can_take(self):
        lock = self.wrapper.get_lock()
        taken = lock.acquire(False)
        if taken:
            lock.release()
        return taken


def _free_for_others(mp, wrapper):
    """Whether another thread can acquire the lock of a wrapper at this moment."""
    return CallerThread(mp, _Access(wrapper), "can_take").result()


def _until_released(mp, wrapper, *calls):
    """What calls come to that are made while the wrapper's lock is held: each must block until it is released."""
    results = []
    for call in calls:
        wrapper.get_lock().acquire()
        caller = CallerThread(mp, _Access(wrapper), *call)
        caller.until_blocked()
        wrapper.get_lock().release()
        results.append(caller.result())
    return results


def _access_when_told(connection, wrappers):
    """In a child: make the calls that the parent names, telling before each that it is about to be made."""
    accesses = {name: _Access(wrapper) for name, wrapper in wrappers.items()}
    for name, call, *args in iter(connection.recv, None):
        connection.send((os.getpid(), threading.get_native_id()))
        connection.send(outcome_of(getattr(accesses[name], call), *args))


@observed_once
def _see_accesses_of_a_child(mp):
    """A child reads and writes a value and an array while its parent holds the lock of each, and after its release."""
    from mpspec.observing import wait_until_asleep

    wrappers = {"value": mp.Value("i", 7), "array": mp.Array("i", [3, 4, 5])}
    whole = slice(None)
    calls = {
        "value": (("read", "value"), ("write", "value", 8)),
        "array": (("get", 0), ("put", 0, 7), ("get", whole), ("put", whole, [1, 2, 3])),
    }
    connection, other = mp.Pipe()
    child = mp.Process(target=_access_when_told, args=(other, wrappers))
    child.start()
    other.close()
    seen = {}
    for name, wrapper in wrappers.items():
        waited, outcomes = [], []
        for call in calls[name]:
            with wrapper.get_lock():
                connection.send((name, *call))
                wait_until_asleep(*connection.recv(), mp.timeout)
                # A child that did not wait sleeps as well, until it is told what is next; it has told what came of it.
                waited.append(not connection.poll())
            outcomes.append(connection.recv())
        seen[name] = {"waited": waited, "outcomes": outcomes}
    connection.send(None)
    child.join()
    seen["value"]["content"] = wrappers["value"].value
    seen["array"]["content"] = wrappers["array"][:]
    return seen


def _negate(array):
    for index in range(len(array)):
        array[index] = -array[index]


# Sharing state between processes


def _change_and_tell(connection, value, array):
    connection.send([value.value, list(array)])
    connection.recv()
    connection.send([value.value, list(array)])
    value.value = 3.1415927
    _negate(array)


@observed_once
def _see_numbers(mp):
    """A child and its parent change a value and an array in turn."""
    value, array = mp.Value("d", 0.5), mp.Array("i", range(10))
    connection, other = mp.Pipe()
    child = mp.Process(target=_change_and_tell, args=(other, value, array))
    child.start()
    seen = {"at first": connection.recv()}
    value.value, array[9] = 0.25, 90
    connection.send("changed")
    seen["changed by the parent"] = connection.recv()
    child.join()
    seen["changed by the child"] = [value.value, list(array)]
    return seen


@requirement("sharedctypes.value.shared-with-child")
def test_parent_reads_the_value_of_a_child(mp):
    """A child assigns a float, and the parent reads it."""
    assert _see_numbers(mp)["changed by the child"][0] == 3.1415927


@requirement("sharedctypes.value.child-sees-parent")
def test_child_reads_the_value_of_its_parent(mp):
    """A running child reads what its parent has assigned before and after the start."""
    seen = _see_numbers(mp)
    assert [seen["at first"][0], seen["changed by the parent"][0]] == [0.5, 0.25]


@requirement("sharedctypes.array.shared-with-child")
def test_parent_reads_the_items_of_a_child(mp):
    """A child negates the items of an array, and the parent reads them."""
    items = _see_numbers(mp)["changed by the child"][1]
    assert items == [0, -1, -2, -3, -4, -5, -6, -7, -8, -90]


@requirement("sharedctypes.array.child-sees-parent")
def test_child_reads_the_items_of_its_parent(mp):
    """A running child reads what its parent has assigned before and after the start."""
    seen = _see_numbers(mp)
    assert seen["at first"][1] == [*range(10)]
    assert seen["changed by the parent"][1] == [*range(9), 90]


# Value


@requirement("sharedctypes.value.value-attribute")
def test_value_attribute(mp):
    """``value`` is what the Value was made with, then what was assigned."""
    value = mp.Value("i", 7)
    first = value.value
    value.value = -8
    assert [first, value.value] == [7, -8]


@requirement("sharedctypes.value.typecodes")
def test_typecodes_of_a_value(mp):
    """Each typecode gives an object of the ctypes type of the same name in C."""
    assert {code: type(mp.Value(code).get_obj()) for code in _TYPES} == _TYPES


@requirement("sharedctypes.typecodes-of-long-long")
def test_typecodes_of_long_long(mp):
    """``'q'`` and ``'Q'`` are c_longlong and c_ulonglong, for values and arrays, raw or not."""
    module = mp.sharedctypes
    for code, kind in _LONG_LONG.items():
        assert [type(mp.Value(code).get_obj()), type(module.RawValue(code))] == [kind, kind]
        for array in (mp.Array(code, 2).get_obj(), module.RawArray(code, 2)):
            assert (type(array)._type_, len(array)) == (kind, 2)


@requirement("sharedctypes.value.typecode-w")
def test_typecode_w_but_for_array(mp):
    """To Value, RawValue and RawArray ``'w'`` is c_wchar, or refused with TypeError or ValueError."""
    module, types = mp.sharedctypes, set()
    with contextlib.suppress(TypeError, ValueError):
        types.add(type(mp.Value("w", lock=False)))
    with contextlib.suppress(TypeError, ValueError):
        types.add(type(module.RawValue("w")))
    with contextlib.suppress(TypeError, ValueError):
        types.add(type(module.RawArray("w", 1))._type_)
    assert types <= {ctypes.c_wchar}


@requirement("sharedctypes.typecode-e")
def test_typecode_e(mp):
    """Whatever takes ``'e'`` makes items of two bytes; the others refuse it with TypeError or ValueError."""
    module, sizes = mp.sharedctypes, set()
    for make in (mp.Value, module.RawValue):
        with contextlib.suppress(TypeError, ValueError):
            sizes.add(ctypes.sizeof(_raw(make("e"))))
    for make in (mp.Array, module.RawArray):
        with contextlib.suppress(TypeError, ValueError):
            sizes.add(ctypes.sizeof(_raw(make("e", 1))))
    assert sizes <= {2}


def _raw(shared):
    return shared.get_obj() if hasattr(shared, "get_obj") else shared


@requirement("sharedctypes.value.ctypes-type")
def test_value_of_a_ctypes_type(mp):
    """``Value(c_double, 1/3)`` holds a c_double of that value; types derived from those of ctypes do as well."""
    value = mp.Value(ctypes.c_double, 1 / 3)
    assert type(value.get_obj()) is ctypes.c_double
    assert value.value == 1 / 3
    number, three = mp.Value(_Whole, 7), mp.Value(_Three, 1, 2, 3)
    assert (type(number.get_obj()), number.value) == (_Whole, 7)
    values = {ctypes.c_bool: True, ctypes.c_char: b"c", ctypes.c_wchar: "w", ctypes.c_void_p: 7}
    values |= {ctypes.c_longdouble: 0.5, ctypes.c_size_t: 8, ctypes.c_int8: -8}
    for kind, content in values.items():
        value, other = mp.Value(kind, content), mp.Value(kind)
        other.value = value.value
        assert (type(value.get_obj()), value.value, other.value) == (kind, content, content)
    assert (type(three.get_obj()), three[:]) == (_Three, [1, 2, 3])


@requirement("sharedctypes.value.arguments-go-to-type")
def test_arguments_of_a_value(mp):
    """``Value(type, a, b)`` holds ``type(a, b)``."""
    point = mp.Value(_Point, 4, 6).get_obj()
    assert (point.x, point.y) == (4.0, 6.0)
    assert mp.Value(ctypes.c_int * 3, 9, 2, 8)[:] == [9, 2, 8]


@requirement("sharedctypes.value.zero-without-arguments")
def test_value_without_arguments(mp):
    """``Value(type)`` is zero."""
    point = mp.Value(_Point).get_obj()
    assert [mp.Value("i").value, mp.Value("d").value, point.x, point.y] == [0, 0.0, 0.0, 0.0]


@requirement("sharedctypes.value.wraps-by-default")
def test_value_is_a_wrapper(mp):
    """``Value('i', 7)`` has get_obj(), which is the object itself, and get_lock()."""
    value = mp.Value("i", 7)
    value.get_obj().value = 8
    assert [type(value.get_obj()), value.value] == [ctypes.c_int, 8]
    with value.get_lock():
        assert not _free_for_others(mp, value)


@requirement("sharedctypes.value.default-lock-recursive")
def test_default_lock_of_a_value(mp):
    """The owner of the lock acquires it again, and increments the value; no other is locked."""
    other = mp.Value("i", 7)
    for value in (mp.Value("i", 7), mp.Value("i", 7, lock=True)):
        with value.get_lock():
            assert value.get_lock().acquire(False) is True
            value.value += 1
            value.get_lock().release()
            assert _free_for_others(mp, other)
        assert value.value == 8


@requirement("sharedctypes.value.lock-given")
def test_lock_given_to_a_value(mp):
    """get_lock() is the lock given, a Lock or an RLock, and a thread that reads sleeps while it is held."""
    for lock in (mp.Lock(), mp.RLock()):
        with lock:
            value = mp.Value("i", 7, lock=lock)
        assert value.get_lock() is lock
        assert _until_released(mp, value, ("read", "value")) == [7]


@requirement("sharedctypes.value.access-takes-lock")
def test_value_is_not_accessed_without_its_lock(mp):
    """A thread that reads the value, or writes it, sleeps while another holds the lock; so does a child."""
    value = mp.Value("i", 7)
    assert _until_released(mp, value, ("read", "value"), ("write", "value", 8)) == [7, None]
    assert value.value == 8
    seen = _see_accesses_of_a_child(mp)["value"]
    assert seen["waited"] == [True, True]
    assert [value_of(outcome) for outcome in seen["outcomes"]] == [7, None]
    assert seen["content"] == 8


@requirement("sharedctypes.value.lock-false")
def test_value_without_lock(mp):
    """``Value(type, lock=False)`` is an instance of the type."""
    value = mp.Value("i", 7, lock=False)
    assert type(value) is ctypes.c_int
    assert value.value == 7
    assert type(mp.Value(_Point, 4, 6, lock=False)) is _Point
    assert type(mp.Value(_Three, 1, 2, 3, lock=False)) is _Three


@requirement("sharedctypes.value.lock-keyword-only")
def test_lock_of_a_value_is_keyword_only(mp):
    """A lock by position goes to the type, which refuses it."""
    with raises(TypeError):
        mp.Value("i", 7, mp.Lock())
    assert mp.Value(_Point, 4, False).y == 0.0


@requirement("sharedctypes.value.lock-of-another-kind-refused")
def test_lock_of_another_kind(mp):
    """``lock="lock"`` raises AttributeError or TypeError, for values and arrays."""
    with raises(AttributeError, TypeError):
        mp.Value("i", 7, lock="lock")
    with raises(AttributeError, TypeError):
        mp.Array("i", 7, lock="lock")


@requirement("sharedctypes.value.lock-none")
def test_lock_none(mp):
    """``lock=None`` makes a recursive lock, for values and arrays."""
    for wrapper in (mp.Value("i", 7, lock=None), mp.Array("i", [7], lock=None)):
        lock = wrapper.get_lock()
        assert [lock.acquire(), lock.acquire(False)] == [True, True]
        assert not _free_for_others(mp, wrapper)


@requirement("sharedctypes.value.unknown-typecode-refused")
def test_unknown_typecode(mp):
    """A character that is no typecode raises TypeError or ValueError, for values and arrays."""
    for typecode in ("x", "", "ii"):
        with raises(TypeError, ValueError):
            mp.Value(typecode)
        with raises(TypeError, ValueError):
            mp.Array(typecode, 1)


@requirement("sharedctypes.value.increment-with-lock")
def test_increments_under_the_lock(mp):
    """A child's increment waits for the end of its parent's, and none is lost."""
    value = mp.Value("i", 0)
    with value.get_lock():
        caller = Caller(mp, _Access(value), "increment", 100)
        caller.until_blocked()
        value.value += 1
    _Access(value).increment(100)
    caller.result()
    assert value.value == 201


class _Intruder:
    """A one; while it is added to a value, another thread assigns to that, if the lock is free."""

    def __init__(self, mp, value):
        self._mp, self._value = mp, value
        self.came = False

    def __radd__(self, number):
        self.came = _free_for_others(self._mp, self._value)
        if self.came:
            CallerThread(self._mp, _Access(self._value), "write", "value", 70).result()
        return number + 1


@requirement("sharedctypes.value.augmented-not-atomic")
def test_increment_without_the_lock(mp):
    """What another thread assigns in the middle of ``value.value += ...`` is lost."""
    value = mp.Value("i", 7)
    intruder = _Intruder(mp, value)
    value.value += intruder
    assert (intruder.came, value.value) == (True, 8)


@requirement("sharedctypes.value.structure")
def test_value_of_a_structure(mp):
    """The fields are attributes of the wrapper, which are read and written under its lock."""
    point = mp.Value(_Point, 4, 6)
    point.x = 5
    assert (point.x, point.y, point.get_obj().x) == (5.0, 6.0, 5.0)
    sample, other = mp.Value(_Sample, 1, 2), mp.Value(_Sample)
    sample.value = 3
    assert (sample.y, sample.value, sample.get_obj().value) == (1, 3, 3)
    assert (other.y, other.value) == (0, 0)
    assert _until_released(mp, point, ("read", "y"), ("write", "y", 7)) == [6.0, None]
    polar, number = mp.Value(_other_point(), 1, 2), mp.Value(_Number, 0x01010101)
    polar.phi = 3
    assert (polar.r, polar.phi, number.whole, [*number.bytes]) == (1, 3, 0x01010101, [1] * 4)
    number.bytes[1] = 2
    assert ([*number.bytes], number.whole != 0x01010101) == ([1, 2, 1, 1], True)
    assert mp.Value(_NamedPoint, 4, 6, b"P").name == b"P"
    bits = mp.Value(_Bits, 1, 2)
    bits.high = 3
    assert (bits.low, bits.high) == (1, 3)


@requirement("sharedctypes.value.failed-access-frees-lock")
def test_lock_is_free_after_a_failed_assignment(mp):
    """When an assignment to a value or a field raises, or reading what is no character, others can take the lock."""
    value, point, character = mp.Value("i", 7), mp.Value(_Point, 4, 6), mp.Value("u", "a")
    ctypes.memset(ctypes.addressof(character.get_obj()), 255, ctypes.sizeof(ctypes.c_wchar))
    with raises(ValueError):
        repr(character.value)
    assert _free_for_others(mp, character)
    with raises(TypeError):
        value.value = "text"
    with raises(TypeError):
        point.x = "text"
    real = mp.Value("d", 0.5)
    with raises(KeyboardInterrupt):
        real.value = _Interrupting()
    assert [_free_for_others(mp, each) for each in (value, point, real)] == [True] * 3
    with raises(KeyboardInterrupt):
        point.y = _Interrupting()
    assert _free_for_others(mp, point)
    assert (value.value, point.x, point.y, real.value) == (7, 4.0, 6.0, 0.5)


def _make_and_change(mp, connection):
    values = [mp.Value("l", 0) for _ in range(3)]
    for value in values:
        value.value = -1
    connection.send("changed")
    connection.recv()
    connection.send([value.value for value in values])


@requirement("sharedctypes.value.made-in-child-is-its-own")
def test_what_a_child_makes_is_its_own(mp):
    """A Value that a child makes, and one that its parent makes afterwards, are two."""
    _see_made_in_child(mp, _make_and_change)


def _see_made_in_child(mp, target, *objects):
    """See that what a child makes, and what is made here afterwards, are two."""
    first = mp.Value("l", 1)
    connection, other = mp.Pipe()
    child = mp.Process(target=target, args=(mp, other, *objects))
    child.start()
    assert connection.recv() == "changed"
    values = [mp.Value("l", 2) for _ in range(3)]
    connection.send("made")
    assert connection.recv() == [-1, -1, -1]
    assert [value.value for value in (first, *values)] == [1, 2, 2, 2]
    child.join()


@requirement("sharedctypes.value.same-lock-in-child")
def test_child_uses_the_lock_of_its_parent(mp):
    """After a child has acquired the lock of a number, structure, array or text, the parent can't.

    The objects that get_obj() gives to the child, which is free to use them now, are those of its parent.
    """
    wrappers = [
        mp.Value("i", 7, lock=mp.Lock()),
        mp.Value(_Point, 4, 6, lock=mp.Lock()),
        mp.Array("i", [7], lock=mp.Lock()),
        mp.Array("c", b"seven", lock=mp.Lock()),
    ]
    defaults = [mp.Value("i", 7), mp.Value(_Point, 4, 6), mp.Array("i", 1), mp.Array("c", 1)]
    assert ask(mp, _acquire_twice, wrappers, defaults) == [[True, False]] * 4 + [[True, True]] * 4
    assert [each.get_lock().acquire(False) for each in (*wrappers, *defaults)] == [False] * 8
    number, point, array, text = [wrapper.get_obj() for wrapper in wrappers]
    assert (number.value, point.x, array[0], text.value) == (8, 8.0, 8, b"eight")


def _acquire_twice(wrappers, defaults):
    locks = [wrapper.get_lock() for wrapper in (*wrappers, *defaults)]
    number, point, array, text = [wrapper.get_obj() for wrapper in wrappers]
    number.value = point.x = array[0] = 8
    text.value = b"eight"
    return [[lock.acquire(False), lock.acquire(False)] for lock in locks]


# Array


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
    assert _see_raw_objects(mp)["large"] == (7, 7, 0, 5 * 2**20)


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
    assert _free_for_others(mp, array)
    with raises(TypeError):
        array[0] = "text"
    assert _free_for_others(mp, array)
    with raises(ValueError):
        array[:2] = [1]
    assert _free_for_others(mp, array)
    with raises(ValueError):
        text.value = b"too long"
    assert _free_for_others(mp, text)
    assert (array[:], text.value) == ([3, 4, 5], b"abc")
    reals = mp.Array("d", 1)
    with raises(KeyboardInterrupt):
        reals[0] = _Interrupting()
    assert _free_for_others(mp, reals)


@requirement("sharedctypes.array.typecodes")
def test_typecodes_of_an_array(mp):
    """Each typecode gives items of the ctypes type of the same name in C."""
    types = {code: mp.Array(code, 2).get_obj() for code in _TYPES}
    assert {code: type(array)._type_ for code, array in types.items()} == _TYPES
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
        assert not _free_for_others(mp, array)


@requirement("sharedctypes.array.default-lock-recursive")
def test_default_lock_of_an_array(mp):
    """The owner of the lock acquires it again, and changes an item; no other is locked."""
    other = mp.Array("i", 3)
    for array in (mp.Array("i", 3), mp.Array("i", 3, lock=True)):
        with array.get_lock():
            assert array.get_lock().acquire(False) is True
            array[0] += 1
            array.get_lock().release()
            assert _free_for_others(mp, other)
        assert array[0] == 1


@requirement("sharedctypes.array.lock-given")
def test_lock_given_to_an_array(mp):
    """get_lock() is the lock given, a Lock or an RLock, and a thread that reads sleeps while it is held."""
    for lock in (mp.Lock(), mp.RLock()):
        with lock:
            array = mp.Array("i", [7], lock=lock)
        assert array.get_lock() is lock
        assert _until_released(mp, array, ("get", 0)) == [7]


@requirement("sharedctypes.array.access-takes-lock")
def test_array_is_not_accessed_without_its_lock(mp):
    """A thread that reads or writes an item or a slice sleeps while another holds the lock; so does a child."""
    array = mp.Array("i", [3, 4, 5])
    whole = slice(None)
    calls = (("get", 0), ("put", 0, 7), ("get", whole), ("put", whole, [1, 2, 3]), ("items",))
    assert _until_released(mp, array, *calls) == [3, None, [7, 4, 5], None, [1, 2, 3]]
    calls = (("get", -1), ("put", -3, 1), ("reversed",), ("has", 3), ("has", 4))
    assert _until_released(mp, array, *calls) == [3, None, [3, 2, 1], True, False]
    assert array[:] == [1, 2, 3]
    seen = _see_accesses_of_a_child(mp)["array"]
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
    text, points = mp.Array("c", b"text", lock=False), mp.Array(_Point, [(4, 6)], lock=False)
    assert isinstance(text, ctypes.c_char * 4)
    assert isinstance(points, _Point * 1)


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
    assert _until_released(mp, array, *calls) == found
    assert array.value == b"ABC"


@requirement("sharedctypes.array.structures")
def test_array_of_structures(mp):
    """Tuples fill the fields; a field of an item is changed in place."""
    array = mp.Array(_Point, [(1.875, -6.25), (-5.75, 2.0)])
    array[1].x = 3.5
    assert [(point.x, point.y) for point in array] == [(1.875, -6.25), (3.5, 2.0)]


# The module multiprocessing.sharedctypes


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
    assert {code: type(mp.sharedctypes.RawValue(code)) for code in _TYPES} == _TYPES


@requirement("sharedctypes.raw-value.structure")
def test_raw_value_of_a_structure(mp):
    """``RawValue(MyStruct, 4, 6)`` is like ``MyStruct(4, 6)``."""
    point = mp.sharedctypes.RawValue(_Point, 4, 6)
    assert (type(point), point.x, point.y) == (_Point, 4.0, 6.0)


def _modify_raw(numbers, copies, point, arrays, addresses):
    value, copy, union, threes = numbers
    pair, twin, again = copies
    array, large = arrays
    pair[0] = twin.x = again[1] = 7
    value.value += 1
    threes[1][0] = 7
    union.bytes[3] += 1
    point.y *= 2
    _negate(array)
    large[0] = large[-1] = 7
    copy.value = 8
    addresses[1] = addresses[0]


@observed_once
def _see_raw_objects(mp):
    """What a child makes of objects without locks."""
    facts = _change_raw_objects(mp)
    gc.collect()
    # Where many objects are freed at once, some may have to wait for the next that is made.
    mp.sharedctypes.RawValue("i")
    return facts


def _change_raw_objects(mp):
    make = mp.sharedctypes
    value, point = make.RawValue("i", 7), make.RawValue(_Point, 4, 6)
    array, large = make.RawArray("i", [1, 2, 3]), mp.Array("B", 5 * 2**20, lock=False)
    original = ctypes.c_int(7)
    copy, union = make.copy(original), make.RawValue(_Number, 0x01010101)
    threes = make.RawArray(_Three, [(1, 2, 3), (4, 5, 6)])
    ordinary = (ctypes.c_int * 2)(1, 2), _Point(4, 6)
    pair, twin, again = map(make.copy, (*ordinary, make.RawArray("i", [1, 2])))
    addresses = make.RawArray(ctypes.c_void_p, [ctypes.addressof(original), None])
    numbers = (value, copy, union, threes)
    copies, arrays = (pair, twin, again), (array, large)
    run(mp, _modify_raw, numbers, copies, point, arrays, addresses)
    return {
        "value": (value.value, point.x, point.y, [*union.bytes]),
        "array": (array[:], [three[:] for three in threes]),
        "large": (large[0], large[-1], sum(large[1:-1:4096]), len(large)),
        "copy": (original.value, copy.value),
        "copies": (pair[0], twin.x, again[1]),
        "addresses": {ctypes.addressof(original), *addresses},
    }


@requirement("sharedctypes.raw-value.zeroed-though-used-before")
def test_raw_value_where_another_was(mp, companion):
    """Without arguments, or with too few, the rest is zero though others, not zero, have come and gone."""
    make = mp.sharedctypes.RawValue
    for _ in range(5):
        value, point, other = make("l"), make(_Point), make(_Point, 4)
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
    points = mp.sharedctypes.RawArray(_Point, [(1, 2), (3, 4)])
    part, view = points[1], memoryview(points).cast("B")
    del points
    others = [filled(size) for size in (8, 16, 32) * 3]
    assert (part.x, part.y, len(others)) == (3.0, 4.0, 9)
    assert bytes(view) == bytes((_Point * 2)((1, 2), (3, 4)))


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
        for kind in (ctypes.c_int16, ctypes.c_int32, ctypes.c_int64, ctypes.c_double, _Point):
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
    point, number, array = mp.RawValue(_Point, 4, 6), mp.RawValue("d", 2.4), mp.RawArray("h", 7)
    assert (type(point), point.x, point.y) == (_Point, 4.0, 6.0)
    assert (type(number), number.value) == (ctypes.c_double, 2.4)
    assert isinstance(array, ctypes.c_short * 7)
    assert mp.RawArray(ctypes.c_int, (9, 2, 8))[:] == [9, 2, 8]


@requirement("sharedctypes.raw-value.shared-with-child")
def test_raw_value_in_a_child(mp):
    """A child changes a number, a structure and a union, and the parent reads them."""
    assert _see_raw_objects(mp)["value"] == (8, 4.0, 12.0, [1, 1, 1, 2])


@requirement("sharedctypes.raw.pointer")
def test_pointer_in_shared_memory(mp):
    """A pointer leads to what it was made of, and an address is the same number in a child."""
    number = ctypes.c_int(7)
    pointer = mp.sharedctypes.RawValue(ctypes.POINTER(ctypes.c_int), number)
    pointer.contents.value += 1
    assert number.value == 8
    assert len(_see_raw_objects(mp)["addresses"]) == 1


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
        for kind, number in (("B", size), ("c", size), (_Point, size // 16)):
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
    found = {code: type(mp.sharedctypes.RawArray(code, 2))._type_ for code in _TYPES}
    assert found == _TYPES


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
    assert _see_raw_objects(mp)["array"] == ([-1, -2, -3], [[1, 2, 3], [7, 5, 6]])


@requirement("sharedctypes.raw.refuse-pickling")
def test_shared_objects_are_not_pickled(mp):
    """To pickle a wrapper, or to send it or a raw object, raises RuntimeError."""
    wrappers = [mp.Value("i", 7), mp.Value(_Point), mp.Array("i", 7), mp.Array("c", 7)]
    for wrapper in wrappers:
        with raises(RuntimeError):
            pickle.dumps(wrapper)
    receiver, sender = mp.Pipe(duplex=False)
    for shared in (*wrappers, *(wrapper.get_obj() for wrapper in wrappers)):
        with raises(RuntimeError):
            sender.send(shared)
    assert not receiver.poll()


@requirement("sharedctypes.module.value")
def test_value_of_the_module(mp):
    """``sharedctypes.Value`` takes type, arguments and lock, and uses it; without, and for True, each has a new one."""
    make = mp.sharedctypes.Value
    for lock in (mp.Lock(), mp.RLock()):
        value = make("i", 7, lock=lock)
        assert (type(value.get_obj()), value.get_lock()) == (ctypes.c_int, lock)
        assert _until_released(mp, value, ("read", "value")) == [7]
    raw = make(ctypes.c_int, 7, lock=False)
    assert (raw.value, type(raw)) == (7, ctypes.c_int)
    values = [make("i", 7), make("i", 7, lock=True), make("i", 7)]
    assert [type(value.get_obj()) for value in values] == [ctypes.c_int] * 3
    lock = mp.Lock()
    points = [make(_Point, 4, 6, lock=each) for each in (lock, False)]
    assert [(point.x, point.y) for point in points] == [(4, 6)] * 2
    assert points[0].get_lock() is lock
    _each_has_its_lock(mp, values)


def _each_has_its_lock(mp, wrappers):
    """See that while any of the wrappers is held the others are not."""
    for held in wrappers:
        with held.get_lock():
            free = [_free_for_others(mp, wrapper) for wrapper in wrappers]
        assert free == [wrapper is not held for wrapper in wrappers]


@requirement("sharedctypes.module.array")
def test_array_of_the_module(mp):
    """``sharedctypes.Array`` takes type, size or items, and a lock to use; without, or for True, each has its own."""
    make = mp.sharedctypes.Array
    for lock in (mp.Lock(), mp.RLock()):
        array = make("i", [7], lock=lock)
        assert array.get_lock() is lock
        assert isinstance(array.get_obj(), ctypes.c_int * 1)
        assert _until_released(mp, array, ("get", 0)) == [7]
    assert isinstance(make(ctypes.c_int, 1, lock=False), ctypes.c_int * 1)
    arrays = [make("i", [7]), make("i", [7], lock=True), make("i", [7])]
    assert [isinstance(each.get_obj(), ctypes.c_int * 1) for each in arrays] == [True] * 3
    assert make("i", 3)[:] == [0, 0, 0]
    assert make("c", b"ab", lock=mp.Lock()).value == b"ab"
    assert make(_Point, [(4, 6)], lock=mp.Lock())[0].y == 6
    _each_has_its_lock(mp, arrays)


def _increment_all(*wrappers):
    for wrapper in wrappers:
        with wrapper.get_lock():
            wrapper.get_obj().value += 1


@contextlib.contextmanager
def _own_start_method(mp, method):
    """While the program itself has this start method."""
    before = mp.package.get_start_method(allow_none=True)
    mp.package.set_start_method(method, force=True)
    try:
        yield
    finally:
        mp.package.set_start_method(before, force=True)


def _changed_by_context(mp):
    """What a process of a context changes through wrappers that have its locks."""
    context = mp.get_context(mp.start_method)
    raw = mp.sharedctypes.RawValue("i", 7)
    value = mp.sharedctypes.Value("i", 7, ctx=context)
    array = mp.sharedctypes.Array("c", b"a", ctx=context)
    wrapped = mp.sharedctypes.synchronized(raw, ctx=context)
    by_position = mp.sharedctypes.synchronized(raw, None, context)
    run(mp, _increment_all, value, wrapped, by_position)
    run(mp, _upper, array)
    return value.value, raw.value, array.value


@requirement("sharedctypes.module.context")
def test_locks_of_a_context(mp):
    """What was made with ctx can be given to a process of that context, whatever the program's own method is."""
    # The other methods refuse a lock that fork has made.
    with _own_start_method(mp, "fork"):
        assert _changed_by_context(mp) == (8, 9, b"A")


def _upper(array):
    array.get_obj().value = array.value.upper()


@requirement("sharedctypes.copy.equal")
def test_copy_is_equal(mp):
    """Copies of a number, a structure and an array have the type and the content of the originals."""
    number = mp.sharedctypes.copy(mp.sharedctypes.RawValue("i", 7))
    point = mp.sharedctypes.copy(mp.sharedctypes.RawValue(_Point, 4, 6))
    array = mp.sharedctypes.copy(mp.sharedctypes.RawArray("i", [9, 2, 8]))
    assert (type(number), number.value) == (ctypes.c_int, 7)
    assert (type(point), point.x, point.y) == (_Point, 4.0, 6.0)
    assert (isinstance(array, ctypes.c_int * 3), array[:]) == (True, [9, 2, 8])
    assert mp.sharedctypes.copy(mp.sharedctypes.RawArray("i", range(5000)))[:] == [*range(5000)]
    text = mp.sharedctypes.copy(mp.sharedctypes.RawArray("c", b"a\0b"))
    sample = mp.sharedctypes.copy(mp.sharedctypes.RawValue(_Sample, 1, 2))
    assert (text.raw, sample.y, sample.value) == (b"a\0b", 1, 2)
    named = mp.sharedctypes.copy(mp.sharedctypes.RawValue(_NamedPoint, 4, 6, b"P"))
    union = mp.sharedctypes.copy(mp.sharedctypes.RawValue(_Number, 0x01020304))
    assert (named.x, named.y, named.name, union.whole) == (4.0, 6.0, b"P", 0x01020304)


@requirement("sharedctypes.copy.independent")
def test_copy_is_independent(mp):
    """A change of the original, be it shared or not, or of the copy, is not seen in the other."""
    for original in (mp.sharedctypes.RawArray("i", [9, 2, 8]), (ctypes.c_int * 3)(9, 2, 8)):
        copy = mp.sharedctypes.copy(original)
        original[0] = 1
        copy[1] = 3
        assert (original[:], copy[:]) == ([1, 2, 8], [9, 3, 8])
    for point in (mp.sharedctypes.RawValue(_Point, 4, 6), _Point(4, 6)):
        twin = mp.sharedctypes.copy(point)
        point.x, twin.y = 5, 7
        assert (point.x, point.y, twin.x, twin.y) == (5.0, 6.0, 4.0, 7.0)


@requirement("sharedctypes.copy.is-shared")
def test_copy_is_shared(mp):
    """A child changes copies of ordinary ctypes objects, and of a shared array, and the parent reads them."""
    seen = _see_raw_objects(mp)
    assert (seen["copy"], seen["copies"]) == ((7, 8), (7, 7.0, 7))


@requirement("sharedctypes.synchronized.get-obj")
def test_get_obj(mp):
    """get_obj() is the object that synchronized() was given, of whatever kind."""
    make = mp.sharedctypes
    for raw in (
        make.RawValue("i", 7),
        make.RawValue(_Point, 4, 6),
        make.RawArray("i", 1),
        make.RawArray("c", 1),
        ctypes.c_int(7),
        _Point(4, 6),
        (ctypes.c_int * 2)(1, 2),
    ):
        assert make.synchronized(raw, mp.Lock()).get_obj() is raw


@requirement("sharedctypes.synchronized.lock-given")
def test_lock_given_to_synchronized(mp):
    """get_lock() is the lock given, a Lock or an RLock, and a thread that reads sleeps while it is held."""
    make = mp.sharedctypes
    others = (make.RawValue(_Point), make.RawArray("i", 1), make.RawArray("c", 1))
    for lock in (mp.Lock(), mp.RLock()):
        with lock:
            wrapper = make.synchronized(make.RawValue("i", 7), lock)
        assert wrapper.get_lock() is lock
        assert _until_released(mp, wrapper, ("read", "value")) == [7]
        given = [make.synchronized(raw, lock=lock).get_lock() for raw in others]
        assert [each is lock for each in given] == [True] * 3


@requirement("sharedctypes.synchronized.default-lock-recursive")
def test_default_lock_of_synchronized(mp):
    """Without a lock, or with None, it is an RLock: its owner can acquire it twice, and nobody else."""
    make = mp.sharedctypes
    raw = make.RawValue("i", 7)
    others = [make.RawArray("i", 1), make.RawArray("c", 1), make.RawValue(_Point)]
    for wrapper in (
        *map(make.synchronized, (raw, *others)),
        make.synchronized(raw, None),
        *(make.synchronized(other, ctx=mp.context) for other in others),
    ):
        lock = wrapper.get_lock()
        assert isinstance(lock, type(mp.RLock()))
        assert [lock.acquire(), lock.acquire(False)] == [True, True]
        assert not _free_for_others(mp, wrapper)


@requirement("sharedctypes.synchronized.offers-what-it-wraps")
def test_wrapper_offers_what_it_wraps(mp):
    """A wrapper has the value of a number, fields of a structure, items of an array, and raw of a text."""
    make = mp.sharedctypes
    number = make.synchronized(make.RawValue("i", 7), mp.RLock())
    point = make.synchronized(make.RawValue(_Point, 4, 6), mp.RLock())
    array = make.synchronized(make.RawArray("i", [9, 2, 8]), mp.RLock())
    text = make.synchronized(make.RawArray("c", b"a\0"), mp.RLock())
    assert (number.value, point.x, point.y) == (7, 4.0, 6.0)
    assert (len(array), array[1], array[1:]) == (3, 2, [2, 8])
    assert (text.value, text.raw) == (b"a", b"a\0")


@requirement("sharedctypes.synchronized.with-holds")
def test_with_a_wrapper(mp):
    """The lock is held within the with statement, and free after it, though it raise."""
    for wrapper in (mp.Value("i", 7), mp.Array("i", 7), mp.Array("c", 7), mp.Value(_Point)):
        with wrapper:
            assert not _free_for_others(mp, wrapper)
        assert _free_for_others(mp, wrapper)
        assert _until_released(mp, wrapper, ("enter",)) == ["entered"]
        for error in (KeyError, KeyboardInterrupt):
            with raises(error), wrapper:
                raise error
            assert _free_for_others(mp, wrapper)


@requirement("sharedctypes.synchronized.acquire-release")
def test_acquire_and_release_of_a_wrapper(mp):
    """acquire() holds the lock, release() frees it; acquire() takes what the lock's takes."""
    for wrapper in (mp.Value("i", 7), mp.Array("i", 7)):
        assert wrapper.acquire() is True
        assert not _free_for_others(mp, wrapper)
        wrapper.release()
        assert _free_for_others(mp, wrapper)
    kinds = (mp.Value, "i"), (mp.Value, _Point), (mp.Array, "i", 1), (mp.Array, "c", 1)
    for make, *args in kinds:
        wrapper = make(*args, lock=mp.Lock())
        assert wrapper.acquire(False) is True
        for arguments in ({"block": False}, {"timeout": 0.01}):
            assert wrapper.acquire(**arguments) is False
        assert [wrapper.acquire(False), wrapper.acquire(True, 0.01)] == [False, False]


def _modify(number, unlocked, text, points):
    number.value **= 2
    unlocked.value **= 2
    text.value = text.value.upper()
    for point in points:
        point.x **= 2
        point.y **= 2


def _modify_and_make(mp, connection, *objects):
    _modify(*objects)
    _make_and_change(mp, connection)


def _hand_on(mp, *objects):
    """Have a child modify objects, and see that what it makes is its own here, too."""
    _see_made_in_child(mp, _modify_and_make, *objects)


@requirement("sharedctypes.example.modified-by-child")
def test_objects_modified_by_a_child(mp):
    """A child squares numbers and fields, and turns a text into capitals; the parent reads it all.

    A child of a child, too, to which the first one gave the objects.
    """
    lock = mp.Lock()
    number = mp.Value("i", 7)
    unlocked = mp.Value(ctypes.c_double, 1.0 / 3.0, lock=False)
    text = mp.Array("c", b"hello world", lock=lock)
    points = mp.Array(_Point, [(1.875, -6.25), (-5.75, 2.0), (2.375, 9.5)], lock=lock)
    assert text.get_lock() is points.get_lock() is lock
    run(mp, _modify, number, unlocked, text, points)
    assert (number.value, unlocked.value, text.value) == (49, (1.0 / 3.0) ** 2, b"HELLO WORLD")
    pairs = [(point.x, point.y) for point in points]
    assert pairs == [(3.515625, 39.0625), (33.0625, 4.0), (5.640625, 90.25)]
    assert run(mp, _hand_on, mp, number, unlocked, text, points).exitcode == 0
    assert (number.value, unlocked.value, points[1].y) == (49**2, ((1.0 / 3.0) ** 2) ** 2, 16.0)


STRUCTURE_OF_MAIN_MODULE = """
import ctypes

class Point(ctypes.Structure):
    _fields_ = [("x", ctypes.c_double), ("y", ctypes.c_double)]

def square(points, unlocked, point):
    for each in (*points, *unlocked, point):
        each.x, each.y = each.x ** 2, each.y ** 2

if __name__ == "__main__":
    objects = mp.Array(Point, [(2, 3)]), mp.Array(Point, [(4, 5)], lock=False), mp.Value(Point, 6, 7)
    process = mp.Process(target=square, args=objects)
    process.start()
    process.join()
    for each in (objects[0][0], objects[1][0], objects[2]):
        print(type(each.x) is float, each.x, each.y)
"""


@requirement("sharedctypes.example.main-module")
def test_structures_of_the_main_module(mp):
    """A child changes fields of an Array, an unlocked one and a Value whose type its main module defines."""
    from mpspec.programs import run_script

    lines = run_script(mp, STRUCTURE_OF_MAIN_MODULE).stdout.splitlines()
    assert lines == ["True 4.0 9.0", "True 16.0 25.0", "True 36.0 49.0"]


@requirement("sharedctypes.module.lock-keyword-only")
def test_lock_by_position(mp):
    """A third argument of Array raises TypeError; of Value it is one more argument of the type."""
    with raises(TypeError):
        mp.sharedctypes.Array("i", 3, False)
    with raises(TypeError):
        mp.sharedctypes.Value("i", 3, False)


@requirement("sharedctypes.module.ctx-keyword-only")
def test_context_by_position(mp):
    """A third or fourth argument of Array raises TypeError; of Value they are arguments of the type."""
    for arguments in ((mp.context,), (True, mp.context)):
        with raises(TypeError):
            mp.sharedctypes.Array("i", 3, *arguments)
        with raises(TypeError):
            mp.sharedctypes.Value("i", 3, *arguments)


@requirement("sharedctypes.module.parameter-names")
def test_names_of_parameters(mp):
    """What is made with arguments given by name is what they say."""
    module, lock = mp.sharedctypes, mp.Lock()
    makers = mp.Value, module.Value, module.RawValue
    assert [make(typecode_or_type="i").value for make in makers] == [0] * 3
    for make in (mp.Array, module.Array, module.RawArray):
        assert make(typecode_or_type="i", size_or_initializer=[9, 2, 8])[:] == [9, 2, 8]
    raw = module.copy(obj=ctypes.c_int(7))
    wrapper = module.synchronized(obj=raw, lock=lock)
    assert (wrapper.value, wrapper.get_obj(), wrapper.get_lock()) == (7, raw, lock)


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


class _NamedPoint(_Point):
    _fields_ = (("name", ctypes.c_char),)


@requirement("sharedctypes.value.derived-structure")
def test_value_of_a_derived_structure(mp):
    """Inherited fields and the type's own are attributes of the wrapper, accessed under its lock."""
    point = mp.Value(_NamedPoint, 4, 6, b"P")
    point.x = 5
    assert (point.x, point.y, point.name, point.get_obj().x) == (5.0, 6.0, b"P", 5.0)
    assert _until_released(mp, point, ("read", "x"), ("write", "y", 7)) == [5.0, None]


@requirement("sharedctypes.value.pointer")
def test_value_of_a_pointer(mp):
    """A wrapped pointer leads, by ``contents`` and by index, to what it was made of, or led to since.

    It is accessed under the wrapper's lock.
    """
    numbers = (ctypes.c_int * 2)(7, 8)
    pointer = mp.Value(ctypes.POINTER(ctypes.c_int), numbers)
    pointer.contents.value = 9
    pointer[1] += 1
    assert (numbers[:], pointer[0]) == ([9, 9], 9)
    assert isinstance(pointer.get_obj(), ctypes.POINTER(ctypes.c_int))
    with pointer.get_lock():
        assert not _free_for_others(mp, pointer)
    other = ctypes.c_int(5)
    calls = (("get", 1), ("put", 1, 8), ("read", "contents"), ("write", "contents", other))
    *found, contents, nothing = _until_released(mp, pointer, *calls)
    assert (found, contents.value, nothing, pointer[0]) == ([9, None], 9, None, 5)


class _Vector(ctypes.Structure):
    _fields_ = (("x", ctypes.c_double), ("y", ctypes.c_double))

    def scale(self, factor, *, shift=0):
        self.x, self.y = factor * self.x + shift, factor * self.y + shift
        return self

    @property
    def both(self):
        return self.x, self.y

    @both.setter
    def both(self, both):
        self.x, self.y = both


@requirement("sharedctypes.synchronized.methods")
def test_wrapper_of_a_structure_with_methods(mp):
    """The methods and properties of a structure's class are the wrapper's as well, and act on the structure.

    They wait while its lock is held.
    """
    vector = mp.Value(_Vector, 4, 6)
    vector.scale(2, shift=1)
    assert vector.both == (9.0, 13.0)
    vector.both = (1, 2)
    assert (vector.get_obj().x, vector.get_obj().y) == (1.0, 2.0)
    calls = (("call", "scale", 2), ("read", "both"), ("write", "both", (3, 4)))
    assert _until_released(mp, vector, *calls)[1:] == [(2.0, 4.0), None]


class _Named(ctypes.Structure):
    _anonymous_ = ("number",)
    _fields_ = (("number", _Number), ("name", ctypes.c_char))


@requirement("sharedctypes.synchronized.anonymous-fields")
def test_wrapper_of_a_structure_with_anonymous_fields(mp):
    """The fields of an anonymous field are attributes of the wrapper, accessed under its lock."""
    named = mp.Value(_Named)
    named.whole = 0x01010101
    assert (named.whole, [*named.bytes]) == (0x01010101, [1] * 4)
    assert named.get_obj().number.whole == 0x01010101
    calls = (("read", "whole"), ("write", "whole", 1))
    assert _until_released(mp, named, *calls) == [0x01010101, None]


@requirement("sharedctypes.array.wide-characters")
def test_array_of_wide_characters(mp):
    """An array of c_wchar holds the characters of a text, which are read and written one by one, and by slices."""
    for kind in ("u", ctypes.c_wchar):
        array = mp.Array(kind, "häßlich")
        assert (len(array), array[1], array[:]) == (7, "ä", "häßlich")
        array[0], array[5:] = "H", "CH"
        assert ("".join(array), mp.Array(kind, ["a", "b"])[:]) == ("HäßliCH", "ab")


@requirement("sharedctypes.synchronized.wide-text")
def test_value_of_wide_characters(mp):
    """``value`` of an array of c_wchar is the text before the first null; a shorter one ends with it.

    It is accessed under the array's lock.
    """
    for kind in ("u", ctypes.c_wchar):
        array = mp.Array(kind, "häßlich")
        values = [array.value]
        array.value = "schön"
        assert [*values, array.value, array[6]] == ["häßlich", "schön", "h"]
        calls = (("read", "value"), ("write", "value", "gut"))
        assert _until_released(mp, array, *calls) == ["schön", None]


@requirement("sharedctypes.synchronized.classes")
def test_classes_of_wrappers(mp):
    """A number, an array and a text are wrapped by the classes, each with a recursive lock of its own."""
    make = mp.sharedctypes
    number = make.Synchronized(make.RawValue("i", 7))
    array = make.SynchronizedArray(make.RawArray("i", [9, 2, 8]))
    text = make.SynchronizedString(make.RawArray("c", b"ab"))
    assert (number.value, array[:], text.value) == (7, [9, 2, 8], b"ab")
    for wrapper in (number, array, text):
        assert [wrapper.acquire(), wrapper.acquire(False)] == [True, True]
        assert not _free_for_others(mp, wrapper)


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
