"""Tests of the module sharedctypes: its names, copy() and synchronized()."""

import contextlib
import ctypes

from mpspec.children import raises, run
from mpspec.marks import requirement
from mpspec.suite.sharedctypes.helpers import (
    NamedPoint,
    Number,
    Point,
    Sample,
    free_for_others,
    see_raw_objects,
    until_released,
)


@requirement("sharedctypes.module.value")
def test_value_of_the_module(mp):
    """``sharedctypes.Value`` takes type, arguments and lock, and uses it; without, and for True, each has a new one."""
    make = mp.sharedctypes.Value
    for lock in (mp.Lock(), mp.RLock()):
        value = make("i", 7, lock=lock)
        assert (type(value.get_obj()), value.get_lock()) == (ctypes.c_int, lock)
        assert until_released(mp, value, ("read", "value")) == [7]
    raw = make(ctypes.c_int, 7, lock=False)
    assert (raw.value, type(raw)) == (7, ctypes.c_int)
    values = [make("i", 7), make("i", 7, lock=True), make("i", 7)]
    assert [type(value.get_obj()) for value in values] == [ctypes.c_int] * 3
    lock = mp.Lock()
    points = [make(Point, 4, 6, lock=each) for each in (lock, False)]
    assert [(point.x, point.y) for point in points] == [(4, 6)] * 2
    assert points[0].get_lock() is lock
    _each_has_its_lock(mp, values)


def _each_has_its_lock(mp, wrappers):
    """See that while any of the wrappers is held the others are not."""
    for held in wrappers:
        with held.get_lock():
            free = [free_for_others(mp, wrapper) for wrapper in wrappers]
        assert free == [wrapper is not held for wrapper in wrappers]


@requirement("sharedctypes.module.array")
def test_array_of_the_module(mp):
    """``sharedctypes.Array`` takes type, size or items, and a lock to use; without, or for True, each has its own."""
    make = mp.sharedctypes.Array
    for lock in (mp.Lock(), mp.RLock()):
        array = make("i", [7], lock=lock)
        assert array.get_lock() is lock
        assert isinstance(array.get_obj(), ctypes.c_int * 1)
        assert until_released(mp, array, ("get", 0)) == [7]
    assert isinstance(make(ctypes.c_int, 1, lock=False), ctypes.c_int * 1)
    arrays = [make("i", [7]), make("i", [7], lock=True), make("i", [7])]
    assert [isinstance(each.get_obj(), ctypes.c_int * 1) for each in arrays] == [True] * 3
    assert make("i", 3)[:] == [0, 0, 0]
    assert make("c", b"ab", lock=mp.Lock()).value == b"ab"
    assert make(Point, [(4, 6)], lock=mp.Lock())[0].y == 6
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
    point = mp.sharedctypes.copy(mp.sharedctypes.RawValue(Point, 4, 6))
    array = mp.sharedctypes.copy(mp.sharedctypes.RawArray("i", [9, 2, 8]))
    assert (type(number), number.value) == (ctypes.c_int, 7)
    assert (type(point), point.x, point.y) == (Point, 4.0, 6.0)
    assert (isinstance(array, ctypes.c_int * 3), array[:]) == (True, [9, 2, 8])
    assert mp.sharedctypes.copy(mp.sharedctypes.RawArray("i", range(5000)))[:] == [*range(5000)]
    text = mp.sharedctypes.copy(mp.sharedctypes.RawArray("c", b"a\0b"))
    sample = mp.sharedctypes.copy(mp.sharedctypes.RawValue(Sample, 1, 2))
    assert (text.raw, sample.y, sample.value) == (b"a\0b", 1, 2)
    named = mp.sharedctypes.copy(mp.sharedctypes.RawValue(NamedPoint, 4, 6, b"P"))
    union = mp.sharedctypes.copy(mp.sharedctypes.RawValue(Number, 0x01020304))
    assert (named.x, named.y, named.name, union.whole) == (4.0, 6.0, b"P", 0x01020304)


@requirement("sharedctypes.copy.independent")
def test_copy_is_independent(mp):
    """A change of the original, be it shared or not, or of the copy, is not seen in the other."""
    for original in (mp.sharedctypes.RawArray("i", [9, 2, 8]), (ctypes.c_int * 3)(9, 2, 8)):
        copy = mp.sharedctypes.copy(original)
        original[0] = 1
        copy[1] = 3
        assert (original[:], copy[:]) == ([1, 2, 8], [9, 3, 8])
    for point in (mp.sharedctypes.RawValue(Point, 4, 6), Point(4, 6)):
        twin = mp.sharedctypes.copy(point)
        point.x, twin.y = 5, 7
        assert (point.x, point.y, twin.x, twin.y) == (5.0, 6.0, 4.0, 7.0)


@requirement("sharedctypes.copy.is-shared")
def test_copy_is_shared(mp):
    """A child changes copies of ordinary ctypes objects, and of a shared array, and the parent reads them."""
    seen = see_raw_objects(mp)
    assert (seen["copy"], seen["copies"]) == ((7, 8), (7, 7.0, 7))


@requirement("sharedctypes.synchronized.get-obj")
def test_get_obj(mp):
    """get_obj() is the object that synchronized() was given, of whatever kind."""
    make = mp.sharedctypes
    for raw in (
        make.RawValue("i", 7),
        make.RawValue(Point, 4, 6),
        make.RawArray("i", 1),
        make.RawArray("c", 1),
        ctypes.c_int(7),
        Point(4, 6),
        (ctypes.c_int * 2)(1, 2),
    ):
        assert make.synchronized(raw, mp.Lock()).get_obj() is raw


@requirement("sharedctypes.synchronized.lock-given")
def test_lock_given_to_synchronized(mp):
    """get_lock() is the lock given, a Lock or an RLock, and a thread that reads sleeps while it is held."""
    make = mp.sharedctypes
    others = (make.RawValue(Point), make.RawArray("i", 1), make.RawArray("c", 1))
    for lock in (mp.Lock(), mp.RLock()):
        with lock:
            wrapper = make.synchronized(make.RawValue("i", 7), lock)
        assert wrapper.get_lock() is lock
        assert until_released(mp, wrapper, ("read", "value")) == [7]
        given = [make.synchronized(raw, lock=lock).get_lock() for raw in others]
        assert [each is lock for each in given] == [True] * 3


@requirement("sharedctypes.synchronized.default-lock-recursive")
def test_default_lock_of_synchronized(mp):
    """Without a lock, or with None, it is an RLock of its own: its owner can acquire it twice, and nobody else."""
    make = mp.sharedctypes
    raw = make.RawValue("i", 7)
    others = [make.RawArray("i", 1), make.RawArray("c", 1), make.RawValue(Point)]
    for wrapper in (
        *map(make.synchronized, (raw, *others)),
        make.synchronized(raw, None),
        *(make.synchronized(other, ctx=mp.context) for other in others),
    ):
        lock = wrapper.get_lock()
        assert isinstance(lock, type(mp.RLock()))
        assert [lock.acquire(), lock.acquire(False)] == [True, True]
        assert not free_for_others(mp, wrapper)
    _each_has_its_lock(mp, [make.synchronized(raw), make.synchronized(others[0], None)])


@requirement("sharedctypes.synchronized.offers-what-it-wraps")
def test_wrapper_offers_what_it_wraps(mp):
    """A wrapper has the value of a number, fields of a structure, items of an array, and raw of a text."""
    make = mp.sharedctypes
    number = make.synchronized(make.RawValue("i", 7), mp.RLock())
    point = make.synchronized(make.RawValue(Point, 4, 6), mp.RLock())
    array = make.synchronized(make.RawArray("i", [9, 2, 8]), mp.RLock())
    text = make.synchronized(make.RawArray("c", b"a\0"), mp.RLock())
    assert (number.value, point.x, point.y) == (7, 4.0, 6.0)
    assert (len(array), array[1], array[1:]) == (3, 2, [2, 8])
    assert (text.value, text.raw) == (b"a", b"a\0")


@requirement("sharedctypes.synchronized.with-holds")
def test_with_a_wrapper(mp):
    """The lock is held within the with statement, and free after it, though it raise."""
    for wrapper in (mp.Value("i", 7), mp.Array("i", 7), mp.Array("c", 7), mp.Value(Point)):
        with wrapper:
            assert not free_for_others(mp, wrapper)
        assert free_for_others(mp, wrapper)
        assert until_released(mp, wrapper, ("enter",)) == ["entered"]
        for error in (KeyError, KeyboardInterrupt):
            with raises(error), wrapper:
                raise error
            assert free_for_others(mp, wrapper)


@requirement("sharedctypes.synchronized.acquire-release")
def test_acquire_and_release_of_a_wrapper(mp):
    """acquire() holds the lock, release() frees it; acquire() takes what the lock's takes."""
    for wrapper in (mp.Value("i", 7), mp.Array("i", 7)):
        assert wrapper.acquire() is True
        assert not free_for_others(mp, wrapper)
        wrapper.release()
        assert free_for_others(mp, wrapper)
    kinds = (mp.Value, "i"), (mp.Value, Point), (mp.Array, "i", 1), (mp.Array, "c", 1)
    for make, *args in kinds:
        wrapper = make(*args, lock=mp.Lock())
        assert wrapper.acquire(False) is True
        for arguments in ({"block": False}, {"timeout": 0.01}):
            assert wrapper.acquire(**arguments) is False
        assert [wrapper.acquire(False), wrapper.acquire(True, 0.01)] == [False, False]


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
    assert until_released(mp, vector, *calls)[1:] == [(2.0, 4.0), None]


class _Named(ctypes.Structure):
    _anonymous_ = ("number",)
    _fields_ = (("number", Number), ("name", ctypes.c_char))


@requirement("sharedctypes.synchronized.anonymous-fields")
def test_wrapper_of_a_structure_with_anonymous_fields(mp):
    """The fields of an anonymous field are attributes of the wrapper, accessed under its lock."""
    named = mp.Value(_Named)
    named.whole = 0x01010101
    assert (named.whole, [*named.bytes]) == (0x01010101, [1] * 4)
    assert named.get_obj().number.whole == 0x01010101
    calls = (("read", "whole"), ("write", "whole", 1))
    assert until_released(mp, named, *calls) == [0x01010101, None]


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
        assert until_released(mp, array, *calls) == ["schön", None]


@requirement("sharedctypes.synchronized.classes")
def test_classes_of_wrappers(mp):
    """A number, an array and a text are wrapped by the classes, each with a recursive lock of its own."""
    make = mp.sharedctypes
    number = make.Synchronized(make.RawValue("i", 7))
    array = make.SynchronizedArray(make.RawArray("i", [9, 2, 8]))
    text = make.SynchronizedString(make.RawArray("c", b"ab"))
    assert (number.value, array[:], text.value) == (7, [9, 2, 8], b"ab")
    _each_has_its_lock(mp, [number, array, text])
    for wrapper in (number, array, text):
        assert [wrapper.acquire(), wrapper.acquire(False)] == [True, True]
        assert not free_for_others(mp, wrapper)
