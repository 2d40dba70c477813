"""Tests of ShareableList: what lists hold, how they are made, shared and closed."""

import pickle
import struct

from mpspec.children import ask, equal, raises, run
from mpspec.marks import requirement
from mpspec.suite.shared_memory.helpers import (
    INT64_MAX,
    block_exists,
    free_lists,
    new_list,
    novel_name,
    unlink_block,
)

# What text and bytes in a list must be shorter than.
LIMIT = 10_000_000


SAMPLES = ["howdy", b"HoWdY", -273.154, 100, None, True, 42]


@requirement("shared-memory.list.types")
def test_values_keep_type_and_value(mp):
    """Each of the six types comes out as it went in."""
    made = new_list(mp, [*SAMPLES, False, 0, 0.0, "", b""])
    read = [made[position] for position in range(12)]
    assert read == [*SAMPLES, False, 0, 0.0, "", b""]
    assert [type(value) for value in read] == [
        *(str, bytes, float, int, type(None), bool, int),
        *(bool, int, float, str, bytes),
    ]
    free_lists(made)
    values = [" text \t\n", b" bytes \t\n", "text ", b"bytes ", b"\x80\xff\xfe", 0.1, -1, "\\ '\""]
    values += [float("inf"), float("-inf"), float("nan"), -0.0]
    made = new_list(mp, values)
    assert [*map(repr, made)] == [*map(repr, values)]
    free_lists(made)
    made = new_list(mp, SAMPLES * 50)
    made[300] = None  # the last one of the 43rd time
    assert list(made) == [*SAMPLES * 42, *SAMPLES[:6], None, *SAMPLES * 7]
    free_lists(made)


@requirement("shared-memory.list.int-range")
def test_integers_of_64_bits(mp):
    """The least and the greatest integer of 64 bits are stored, at first and by assignment."""
    made = new_list(mp, [INT64_MAX, -INT64_MAX - 1, 0])
    made[2] = -INT64_MAX - 1
    assert list(made) == [INT64_MAX, -INT64_MAX - 1, -INT64_MAX - 1]
    free_lists(made)


@requirement("shared-memory.list.int-too-large")
def test_larger_integers_are_refused(mp):
    """An integer of more than 64 bits is refused when the list is made, and by assignment."""
    for value in (INT64_MAX + 1, -INT64_MAX - 2):
        made = new_list(mp, [17])
        with raises(Exception):
            made[0] = value
        free_lists(made)
    _assert_refused(mp, INT64_MAX + 1)


def _assert_refused(mp, value):
    """No list is made of a value."""
    name = novel_name()
    with raises(Exception):
        mp.shared_memory.ShareableList([value], name=name)
    if block_exists(mp, name):  # which the documentation leaves open
        unlink_block(mp, name)


@requirement("shared-memory.list.text-of-any-alphabet")
def test_text_of_any_alphabet(mp):
    """Text of any characters comes out as it went in."""
    values = ["grüße", "ая", "日本", "🎈", "x" * 40 + "é", "\ufeffx", "e\u0301"]
    made = new_list(mp, values)
    assert list(made) == values
    free_lists(made)


@requirement("shared-memory.list.text-of-many-bytes")
def test_text_of_many_bytes(mp):
    """Text whose characters take several bytes each comes out whole; that of 10M bytes is refused."""
    values = ["日本語の文字列", "🎈" * 9]
    made = new_list(mp, values)
    assert list(made) == values
    free_lists(made)
    _assert_refused(mp, "é" * (LIMIT // 2))


@requirement("shared-memory.list.large-items")
def test_large_items(mp):
    """Text and bytes of nearly the limit come out whole."""
    values = [1, "x" * (LIMIT - 100), b"y" * (LIMIT - 100), 2]
    made = new_list(mp, values)
    assert equal(list(made), values)
    free_lists(made)


@requirement("shared-memory.list.largest-items")
def test_largest_items(mp):
    """Text and bytes of one byte less than the limit come out whole."""
    for value in ("x" * (LIMIT - 1), b"y" * (LIMIT - 1)):
        made = new_list(mp, [value])
        assert equal(made[0], value)
        free_lists(made)


@requirement("shared-memory.list.item-too-large")
def test_too_large_items_are_refused(mp):
    """Text and bytes of as many bytes as the limit are refused."""
    for value in ("x" * LIMIT, b"y" * LIMIT):
        _assert_refused(mp, value)


@requirement("shared-memory.list.other-types-refused")
def test_other_types_are_refused(mp):
    """A value of another type is refused when the list is made, and by assignment."""
    for value in ([1], {}, 1j, object()):
        _assert_refused(mp, value)
    made = new_list(mp, [17, "text"])
    for position in (0, 1):
        with raises(Exception):
            made[position] = [1]
    assert list(made) == [17, "text"]
    free_lists(made)


@requirement("shared-memory.list.in-shared-memory")
def test_shm_is_where_the_values_are(mp):
    """``shm`` is a SharedMemory; its bytes are the list's: another list is made by copying them."""
    first, second = new_list(mp, ["abcdef", 1]), new_list(mp, ["uvwxyz", 2])
    assert isinstance(first.shm, mp.shared_memory.SharedMemory)
    assert b"abcdef" in bytes(first.shm.buf)
    first.shm.buf[:] = second.shm.buf[:]
    assert list(first) == ["uvwxyz", 2]
    free_lists(first)
    free_lists(second)


@requirement("shared-memory.list.fixed-length")
def test_length_is_fixed(mp):
    """A list has no method that changes its length, and its items can't be deleted."""
    made = new_list(mp, [1, 2])
    methods = ("append", "insert", "extend", "pop", "remove", "clear")
    assert [name for name in methods if hasattr(made, name)] == []
    with raises(Exception):
        del made[0]
    with raises(TypeError):
        made += [3]
    with raises(TypeError):
        made *= 2
    assert list(made) == [1, 2]
    free_lists(made)


@requirement("shared-memory.list.no-slices")
def test_slicing_is_refused(mp):
    """Reading a slice raises, and so does assigning one."""
    made = new_list(mp, [1, 2, 3])
    with raises(Exception):
        made[:2]
    with raises(Exception):
        made[:2] = [3, 4]
    assert list(made) == [1, 2, 3]
    free_lists(made)


@requirement("shared-memory.list.sequence")
def test_sequence_fills_the_list(mp):
    """A list has the values of the range, list, tuple, text or bytes that it was made of."""
    for values in (range(5), [3, 1, 2], (None, "x"), "alpha", b"ab", memoryview(b"ab")):
        made = mp.shared_memory.ShareableList(values)
        assert list(made) == list(values)
        free_lists(made)
    made = mp.shared_memory.ShareableList(sequence=[1])
    assert list(made) == [1]
    free_lists(made)


@requirement("shared-memory.list.independent")
def test_lists_are_independent(mp):
    """Two lists of the same sequence, or one of the other, have a block each, and leave the sequence alone."""
    values = [1, 2]
    first, second = new_list(mp, values), new_list(mp, values)
    third = new_list(mp, second)
    first[0], third[1] = 17, 18
    assert (list(first), list(second), values) == ([17, 2], [1, 2], [1, 2])
    assert list(third) == [1, 18]
    assert len({each.shm.name for each in (first, second, third)}) == 3
    for each in (first, second, third):
        free_lists(each)


@requirement("shared-memory.list.empty")
def test_empty_list(mp):
    """A list of no items, or of no sequence, has the length 0, attached and unpickled as well."""
    made = new_list(mp, [])
    other = mp.shared_memory.ShareableList(name=made.shm.name)
    unpickled = pickle.loads(pickle.dumps(made))
    assert (len(made), list(made), len(other), len(unpickled)) == (0, [], 0, 0)
    assert unpickled.shm.name == made.shm.name
    assert [struct.calcsize(each.format) for each in (made, other)] == [0, 0]
    assert (made.count(0), 0 in made) == (0, False)
    free_lists(made, other, unpickled)
    name = novel_name()
    made = mp.shared_memory.ShareableList((), name=name)
    assert (len(made), made.shm.name) == (0, name)
    free_lists(made)
    made = mp.shared_memory.ShareableList()
    assert list(made) == []
    free_lists(made)


@requirement("shared-memory.list.name-given")
def test_list_is_made_under_a_name(mp):
    """With a sequence and a name the new list's block has that name; without, or with ``None``, a novel one."""
    name = novel_name()
    make = mp.shared_memory.ShareableList
    lists = make([1, 2], name=name), make([3], name=None), make([4])
    names = [each.shm.name for each in lists]
    assert (len({*names, ""}), names[0]) == (4, name)
    assert [block_exists(mp, each) for each in names] == [True] * 3
    assert [list(each) for each in lists] == [[1, 2], [3], [4]]
    for each in lists:
        free_lists(each)


@requirement("shared-memory.list.name-taken")
def test_list_is_not_made_under_a_taken_name(mp):
    """A new list under the name of another raises FileExistsError, and leaves the other as it is."""
    made = new_list(mp, [1, "text"])
    with raises(FileExistsError):
        mp.shared_memory.ShareableList([2, "more"], name=made.shm.name)
    other = mp.shared_memory.ShareableList(name=made.shm.name)
    assert list(other) == list(made) == [1, "text"]
    free_lists(made, other)


@requirement("shared-memory.list.name-keyword-only")
def test_name_is_not_given_by_position(mp):
    """A second positional argument is refused, with TypeError."""
    with raises(TypeError):
        mp.shared_memory.ShareableList([1, 2], novel_name())


@requirement("shared-memory.list.attach")
def test_list_is_attached_by_its_name(mp):
    """With a name, and no sequence or None, the existing list is attached, with values of the same types."""
    made = new_list(mp, SAMPLES)
    others = [
        mp.shared_memory.ShareableList(name=made.shm.name),
        mp.shared_memory.ShareableList(None, name=made.shm.name),
        mp.shared_memory.ShareableList(sequence=None, name=made.shm.name),
    ]
    assert [repr(list(other)) for other in others] == [repr(SAMPLES)] * 3
    assert {other.shm.name for other in others} == {made.shm.name}
    free_lists(made, *others)
    made = new_list(mp, range(3000))
    other = mp.shared_memory.ShareableList(name=made.shm.name)
    assert list(other) == list(range(3000))
    free_lists(made, other)


@requirement("shared-memory.list.attach-no-copy")
def test_attached_lists_share_their_items(mp):
    """Changes through one of two attached lists are seen through the other, types included."""
    first = new_list(mp, range(5))
    second = mp.shared_memory.ShareableList(name=first.shm.name)
    second[-1] = -999
    first[0] = "text"
    first[1] = 1.5
    assert list(first) == list(second) == ["text", 1.5, 2, 3, -999]
    free_lists(first, second)


@requirement("shared-memory.list.attach-missing")
def test_attaching_a_missing_list_is_refused(mp):
    """Attaching a list by a name that no block has raises FileNotFoundError."""
    with raises(FileNotFoundError):
        mp.shared_memory.ShareableList(name=novel_name())


def _reverse(mp, name):
    numbers = mp.shared_memory.ShareableList(name=name)
    values = list(numbers)
    for position, value in enumerate(reversed(values)):
        numbers[position] = value
    numbers.shm.close()
    return values


@requirement("shared-memory.list.attach-in-child")
def test_child_attaches_a_list(mp):
    """A child that attaches a list by its name reads the values, and changes them."""
    made = new_list(mp, range(5))
    assert ask(mp, _reverse, mp, made.shm.name) == [0, 1, 2, 3, 4]
    assert list(made) == [4, 3, 2, 1, 0]
    free_lists(made)


def _replace(items, value):
    for position in range(len(items)):
        items[position] = value
    items.shm.close()


@requirement("shared-memory.list.argument")
def test_list_is_passed_to_a_child(mp):
    """What a child does to the list that it was passed is seen by its parent."""
    made = new_list(mp, ["text", 1, None])
    run(mp, _replace, made, 17)
    assert list(made) == [17, 17, 17]
    free_lists(made)


@requirement("shared-memory.list.pickle")
def test_unpickled_list_is_the_same_list(mp):
    """A pickled and unpickled list has the same items, of the same types; changes of either are seen in both."""
    made = new_list(mp, SAMPLES)
    other = pickle.loads(pickle.dumps(made))
    assert repr(list(other)) == repr(SAMPLES)
    made[0], other[1] = -1, True
    assert repr(list(made)) == repr(list(other)) == repr([-1, True, *SAMPLES[2:]])
    assert other.shm.name == made.shm.name
    free_lists(made, other)


@requirement("shared-memory.list.pickle-by-name")
def test_pickled_list_is_found_by_its_name(mp):
    """Unpickling a list whose block is gone raises."""
    made = new_list(mp, range(10))
    data = pickle.dumps(made)
    free_lists(made)
    with raises(Exception):
        pickle.loads(data)


@requirement("shared-memory.list.close-ends-access")
def test_closed_list_gives_no_access(mp):
    """After ``shm.close()`` items can't be read or assigned."""
    made = new_list(mp, [1, 2])
    made.shm.close()
    with raises(Exception):
        made[0]
    with raises(Exception):
        made[0] = 1
    made.shm.unlink()
