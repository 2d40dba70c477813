"""Tests of Value()."""

import contextlib
import ctypes

from mpspec.children import Caller, CallerThread, ask, raises, run, value_of
from mpspec.marks import requirement
from mpspec.suite.sharedctypes.helpers import (
    TYPES,
    Access,
    Interrupting,
    NamedPoint,
    Number,
    Point,
    Sample,
    Three,
    free_for_others,
    see_accesses_of_a_child,
    see_numbers,
    until_released,
)

# Those that the array module has had since Python 3.3.
_LONG_LONG = {"q": ctypes.c_longlong, "Q": ctypes.c_ulonglong}


class _Bits(ctypes.Structure):
    _fields_ = (("low", ctypes.c_int, 3), ("high", ctypes.c_int, 5))


class _Whole(ctypes.c_int):
    pass


def _other_point():
    """A type of the same name as another, with other fields."""

    class Point(ctypes.Structure):
        _fields_ = (("r", ctypes.c_int), ("phi", ctypes.c_int))

    return Point


@requirement("sharedctypes.value.shared-with-child")
def test_parent_reads_the_value_of_a_child(mp):
    """A child assigns a float, and the parent reads it."""
    assert see_numbers(mp)["changed by the child"][0] == 3.1415927


@requirement("sharedctypes.value.child-sees-parent")
def test_child_reads_the_value_of_its_parent(mp):
    """A running child reads what its parent has assigned before and after the start."""
    seen = see_numbers(mp)
    assert [seen["at first"][0], seen["changed by the parent"][0]] == [0.5, 0.25]


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
    assert {code: type(mp.Value(code).get_obj()) for code in TYPES} == TYPES


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
    number, three = mp.Value(_Whole, 7), mp.Value(Three, 1, 2, 3)
    assert (type(number.get_obj()), number.value) == (_Whole, 7)
    values = {ctypes.c_bool: True, ctypes.c_char: b"c", ctypes.c_wchar: "w", ctypes.c_void_p: 7}
    values |= {ctypes.c_longdouble: 0.5, ctypes.c_size_t: 8, ctypes.c_int8: -8}
    for kind, content in values.items():
        value, other = mp.Value(kind, content), mp.Value(kind)
        other.value = value.value
        assert (type(value.get_obj()), value.value, other.value) == (kind, content, content)
    assert (type(three.get_obj()), three[:]) == (Three, [1, 2, 3])


@requirement("sharedctypes.value.arguments-go-to-type")
def test_arguments_of_a_value(mp):
    """``Value(type, a, b)`` holds ``type(a, b)``."""
    point = mp.Value(Point, 4, 6).get_obj()
    assert (point.x, point.y) == (4.0, 6.0)
    assert mp.Value(ctypes.c_int * 3, 9, 2, 8)[:] == [9, 2, 8]


@requirement("sharedctypes.value.zero-without-arguments")
def test_value_without_arguments(mp):
    """``Value(type)`` is zero."""
    point = mp.Value(Point).get_obj()
    assert [mp.Value("i").value, mp.Value("d").value, point.x, point.y] == [0, 0.0, 0.0, 0.0]


@requirement("sharedctypes.value.wraps-by-default")
def test_value_is_a_wrapper(mp):
    """``Value('i', 7)`` has get_obj(), which is the object itself, and get_lock()."""
    value = mp.Value("i", 7)
    value.get_obj().value = 8
    assert [type(value.get_obj()), value.value] == [ctypes.c_int, 8]
    with value.get_lock():
        assert not free_for_others(mp, value)


@requirement("sharedctypes.value.default-lock-recursive")
def test_default_lock_of_a_value(mp):
    """The owner of the lock acquires it again, and increments the value; no other is locked."""
    other = mp.Value("i", 7)
    for value in (mp.Value("i", 7), mp.Value("i", 7, lock=True)):
        with value.get_lock():
            assert value.get_lock().acquire(False) is True
            value.value += 1
            value.get_lock().release()
            assert free_for_others(mp, other)
        assert value.value == 8


@requirement("sharedctypes.value.lock-given")
def test_lock_given_to_a_value(mp):
    """get_lock() is the lock given, a Lock or an RLock, and a thread that reads sleeps while it is held."""
    for lock in (mp.Lock(), mp.RLock()):
        with lock:
            value = mp.Value("i", 7, lock=lock)
        assert value.get_lock() is lock
        assert until_released(mp, value, ("read", "value")) == [7]


@requirement("sharedctypes.value.access-takes-lock")
def test_value_is_not_accessed_without_its_lock(mp):
    """A thread that reads the value, or writes it, sleeps while another holds the lock; so does a child."""
    value = mp.Value("i", 7)
    assert until_released(mp, value, ("read", "value"), ("write", "value", 8)) == [7, None]
    assert value.value == 8
    seen = see_accesses_of_a_child(mp)["value"]
    assert seen["waited"] == [True, True]
    assert [value_of(outcome) for outcome in seen["outcomes"]] == [7, None]
    assert seen["content"] == 8


@requirement("sharedctypes.value.lock-false")
def test_value_without_lock(mp):
    """``Value(type, lock=False)`` is an instance of the type."""
    value = mp.Value("i", 7, lock=False)
    assert type(value) is ctypes.c_int
    assert value.value == 7
    assert type(mp.Value(Point, 4, 6, lock=False)) is Point
    assert type(mp.Value(Three, 1, 2, 3, lock=False)) is Three


@requirement("sharedctypes.value.lock-keyword-only")
def test_lock_of_a_value_is_keyword_only(mp):
    """A lock by position goes to the type, which refuses it."""
    with raises(TypeError):
        mp.Value("i", 7, mp.Lock())
    assert mp.Value(Point, 4, False).y == 0.0


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
        assert not free_for_others(mp, wrapper)


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
        caller = Caller(mp, Access(value), "increment", 100)
        caller.until_blocked()
        value.value += 1
    Access(value).increment(100)
    caller.result()
    assert value.value == 201


class _Intruder:
    """A one; while it is added to a value, another thread assigns to that, if the lock is free."""

    def __init__(self, mp, value):
        self._mp, self._value = mp, value
        self.came = False

    def __radd__(self, number):
        self.came = free_for_others(self._mp, self._value)
        if self.came:
            CallerThread(self._mp, Access(self._value), "write", "value", 70).result()
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
    point = mp.Value(Point, 4, 6)
    point.x = 5
    assert (point.x, point.y, point.get_obj().x) == (5.0, 6.0, 5.0)
    sample, other = mp.Value(Sample, 1, 2), mp.Value(Sample)
    sample.value = 3
    assert (sample.y, sample.value, sample.get_obj().value) == (1, 3, 3)
    assert (other.y, other.value) == (0, 0)
    assert until_released(mp, point, ("read", "y"), ("write", "y", 7)) == [6.0, None]
    polar, number = mp.Value(_other_point(), 1, 2), mp.Value(Number, 0x01010101)
    polar.phi = 3
    assert (polar.r, polar.phi, number.whole, [*number.bytes]) == (1, 3, 0x01010101, [1] * 4)
    number.bytes[1] = 2
    assert ([*number.bytes], number.whole != 0x01010101) == ([1, 2, 1, 1], True)
    assert mp.Value(NamedPoint, 4, 6, b"P").name == b"P"
    bits = mp.Value(_Bits, 1, 2)
    bits.high = 3
    assert (bits.low, bits.high) == (1, 3)


@requirement("sharedctypes.value.failed-access-frees-lock")
def test_lock_is_free_after_a_failed_assignment(mp):
    """When an assignment to a value or a field raises, or reading what is no character, others can take the lock."""
    value, point, character = mp.Value("i", 7), mp.Value(Point, 4, 6), mp.Value("u", "a")
    ctypes.memset(ctypes.addressof(character.get_obj()), 255, ctypes.sizeof(ctypes.c_wchar))
    with raises(ValueError):
        repr(character.value)
    assert free_for_others(mp, character)
    with raises(TypeError):
        value.value = "text"
    with raises(TypeError):
        point.x = "text"
    real = mp.Value("d", 0.5)
    with raises(KeyboardInterrupt):
        real.value = Interrupting()
    assert [free_for_others(mp, each) for each in (value, point, real)] == [True] * 3
    with raises(KeyboardInterrupt):
        point.y = Interrupting()
    assert free_for_others(mp, point)
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
        mp.Value(Point, 4, 6, lock=mp.Lock()),
        mp.Array("i", [7], lock=mp.Lock()),
        mp.Array("c", b"seven", lock=mp.Lock()),
    ]
    defaults = [mp.Value("i", 7), mp.Value(Point, 4, 6), mp.Array("i", 1), mp.Array("c", 1)]
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
    points = mp.Array(Point, [(1.875, -6.25), (-5.75, 2.0), (2.375, 9.5)], lock=lock)
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


@requirement("sharedctypes.value.derived-structure")
def test_value_of_a_derived_structure(mp):
    """Inherited fields and the type's own are attributes of the wrapper, accessed under its lock."""
    point = mp.Value(NamedPoint, 4, 6, b"P")
    point.x = 5
    assert (point.x, point.y, point.name, point.get_obj().x) == (5.0, 6.0, b"P", 5.0)
    assert until_released(mp, point, ("read", "x"), ("write", "y", 7)) == [5.0, None]


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
        assert not free_for_others(mp, pointer)
    other = ctypes.c_int(5)
    calls = (("get", 1), ("put", 1, 8), ("read", "contents"), ("write", "contents", other))
    *found, contents, nothing = until_released(mp, pointer, *calls)
    assert (found, contents.value, nothing, pointer[0]) == ([9, None], 9, None, 5)
