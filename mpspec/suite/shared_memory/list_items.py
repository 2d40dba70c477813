"""Tests of the items of a ShareableList."""

import pickle
import struct

from mpspec.children import outcome_of, raises
from mpspec.marks import requirement
from mpspec.suite.shared_memory.helpers import INT64_MAX, assert_read_only, free_lists, new_list


@requirement("shared-memory.list.trailing-nul")
def test_last_nuls_are_kept_or_stripped(mp):
    """Text and bytes with NULs at the end come out with or without them."""
    made = new_list(mp, ["?\0", b"\3\2\1\0\0\0", "\0", b"in\0side\0"])
    assert [value.rstrip("\0") for value in (made[0], made[2])] == ["?", ""]
    assert [value.rstrip(b"\0") for value in (made[1], made[3])] == [b"\3\2\1", b"in\0side"]
    assert [len(value) <= most for value, most in zip(made, (2, 6, 1, 8), strict=True)] == [
        True
    ] * 4
    free_lists(made)


@requirement("shared-memory.list.padded-nul")
def test_padded_nuls_are_kept(mp):
    """NULs before another byte are kept."""
    made = new_list(mp, ["?\0\7", b"\3\2\1\0\0\0\7", "\0x", b"\0\0x"])
    assert list(made) == ["?\0\7", b"\3\2\1\0\0\0\7", "\0x", b"\0\0x"]
    assert (made[0][:-1], made[1][:-1]) == ("?\0", b"\3\2\1\0\0\0")
    free_lists(made)


@requirement("shared-memory.list.set-item")
def test_items_are_assigned(mp):
    """Assigned values are read back, and the neighbours keep theirs."""
    made = new_list(mp, [1, 2.5, None, True])
    for position, value in ((1, -78.5), (0, None), (2, 7), (3, -1.5), (1, False), (2, -0.0)):
        before = list(made)
        made[position] = value
        before[position] = value
        assert list(map(repr, made)) == list(map(repr, before))
    free_lists(made)
    values = [1, 2.5, None, True, 0, 0.0, False]
    for first in values:
        made = new_list(mp, [first, "neighbour"])
        for value in values:
            for each in (value, first):
                made[0] = each
                assert repr(list(made)) == repr([each, "neighbour"])
        free_lists(made)


@requirement("shared-memory.list.set-other-type")
def test_items_change_their_type(mp):
    """A short text takes the place of a number, bytes that of text, a number that of bytes."""
    made = new_list(mp, [1, -273.154, 3])
    for value in ("dry ice", b"dry", 4.5, "ice", None, 17):
        made[1] = value
        assert (made[1], type(made[1])) == (value, type(value))
    assert (made[0], made[2]) == (1, 3)
    free_lists(made)
    made = new_list(mp, ["", b"", "12345678", b"12345678", 5])
    for position in range(4):
        for value in (-INT64_MAX, 0.1, True, None):
            expected = list(made)
            made[position] = expected[position] = value
            assert list(made) == expected
    free_lists(made)


@requirement("shared-memory.list.storage-of-a-number")
def test_storage_of_a_number(mp):
    """Eight bytes take the place of a number, a truth value or None; nine do not."""
    made = new_list(mp, [17, 1.5, True, None, "neighbour"])
    for position in range(4):
        for value in ("12345678", b"12345678", "grüße "):
            made[position] = value
            assert (made[position], made[4]) == (value, "neighbour")
            with raises(ValueError):
                made[position] = value + value[-1:]
            assert made[position] == value
    others = _others(mp, made)
    for other in others:
        for position in range(4):
            with raises(ValueError):
                other[position] = "123456789"
            other[position] = "12345678"
            assert (other[position], other[4]) == ("12345678", "neighbour")
            other[position] = None
    free_lists(made, *others)


@requirement("shared-memory.list.set-too-large")
def test_too_large_values_are_refused(mp):
    """Text and bytes that exceed the item's storage raise ValueError, and change nothing."""
    made = new_list(mp, [1.5, "dry ice", b"ice", 4])
    for position in range(4):
        with raises(ValueError):
            made[position] = "larger than previously allocated storage space"
        with raises(ValueError):
            made[position] = b"larger than previously allocated storage space"
    assert list(made) == [1.5, "dry ice", b"ice", 4]
    for length in range(25):
        for position, value in ((0, "x" * length), (0, "é" * length), (2, b"y" * length)):
            if outcome_of(made.__setitem__, position, value)[0] == "returned":
                assert made[position] == value  # whole, and at nobody's expense
            assert (made[1], made[3]) == ("dry ice", 4)
    made[1] = ""
    others = _others(mp, made)
    for other in others:
        for position in (1, 3):
            with raises(ValueError):
                other[position] = "larger than previously allocated storage space"
        assert list(other) == list(made)
    free_lists(made, *others)


def _others(mp, made):
    """A list that has been attached by name, and one that was pickled."""
    return mp.shared_memory.ShareableList(name=made.shm.name), pickle.loads(pickle.dumps(made))


@requirement("shared-memory.list.set-up-to-storage")
def test_storage_keeps_its_size(mp):
    """After a shorter text an item still takes one as long as the first, attached and unpickled as well."""
    made = new_list(mp, ["first text of all", b"first bytes of all"])
    made[0], made[1] = "", 5
    made[0], made[1] = "other text of all", b"other bytes of all"
    assert list(made) == ["other text of all", b"other bytes of all"]
    made[0], made[1] = "", b""
    others = _others(mp, made)
    for other in others:
        other[0], other[1] = "third text of all", b"third bytes of all"
        assert list(made) == ["third text of all", b"third bytes of all"]
        other[0], other[1] = "", None
    free_lists(made, *others)
    made = new_list(mp, ["text that is long", b"bytes that are long", "neighbour"])
    made[0], made[1] = 5, None
    others = _others(mp, made)
    for other in others:
        assert list(other) == [5, None, "neighbour"]
        other[1] = b"other, also long"
        assert list(made) == [5, b"other, also long", "neighbour"]
        other[1] = None
    free_lists(made, *others)


@requirement("shared-memory.list.negative-index")
def test_negative_indices(mp):
    """Negative indices count from the end."""
    made = new_list(mp, ["a", 2, 3.5, None, b"e"])
    assert [made[-5], made[-4], made[-3], made[-1]] == ["a", 2, 3.5, b"e"]
    made[-1] = 17
    made[-5] = None
    assert list(made) == [None, 2, 3.5, None, 17]
    free_lists(made)
    made = new_list(mp, ["a", b"b", "c", b"d"])
    made[-1], made[-3], made[-4] = b"w", b"x", "y"
    assert list(made) == ["y", b"x", "c", b"w"]
    with raises(ValueError):
        made[-2] = "z" * 100
    free_lists(made)


@requirement("shared-memory.list.index-out-of-range")
def test_indices_outside_the_list(mp):
    """An index outside the list raises IndexError, to read and to assign."""
    made = new_list(mp, [1, 2])
    with raises(IndexError):
        made[2]
    with raises(IndexError):
        made[2] = 1
    assert list(made) == [1, 2]
    free_lists(made)


@requirement("shared-memory.list.negative-index-out-of-range")
def test_indices_before_the_list(mp):
    """A negative index that is too low raises IndexError, to read and to assign."""
    made = new_list(mp, [1, 2])
    for position in (-3, -4):
        with raises(IndexError):
            made[position]
        with raises(IndexError):
            made[position] = 1
    assert list(made) == [1, 2]
    free_lists(made)


@requirement("shared-memory.list.iteration")
def test_iteration(mp):
    """A list is iterated over in order, any number of times."""
    made = new_list(mp, [3, 1, 2])
    assert [list(made), [*made], sum(made)] == [[3, 1, 2], [3, 1, 2], 6]
    assert [value in made for value in (1, 2.0, 4, "1", None)] == [True, True, False, False, False]
    assert [*reversed(made)] == [2, 1, 3]
    free_lists(made)


@requirement("shared-memory.list.len")
def test_length(mp):
    """``len()`` is the number of items."""
    for count in (1, 7, 100):
        made = new_list(mp, range(count))
        other = mp.shared_memory.ShareableList(name=made.shm.name)
        assert (len(made), len(other), other[count - 1]) == (count, count, count - 1)
        free_lists(made, other)


@requirement("shared-memory.list.count")
def test_count(mp):
    """``count()`` gives how many items equal a value."""
    made = new_list(mp, [b"HoWdY", 7, "x", 7, 7.0, None])
    counts = [made.count(value) for value in (b"HoWdY", b"howdy", "HoWdY", 7, None, "x", 8)]
    assert counts == [1, 0, 0, 3, 1, 1, 0]
    assert made.count(value=7) == 3
    other = mp.shared_memory.ShareableList(name=made.shm.name)
    made[1], other[2] = 8, None
    assert [each.count(value) for each in (made, other) for value in (7, 8, None)] == [2, 1, 2] * 2
    free_lists(made, other)


@requirement("shared-memory.list.index")
def test_index(mp):
    """``index()`` gives the first position of a value that is equal."""
    made = new_list(mp, [5, "x", 42, "x", 42])
    assert [made.index(value) for value in (5, "x", 42)] == [0, 1, 2]
    assert made.index(value=42) == 2
    other = mp.shared_memory.ShareableList(name=made.shm.name)
    made[0], other[1] = 42, 5
    assert [each.index(value) for each in (made, other) for value in (5, "x", 42)] == [1, 3, 0] * 2
    free_lists(made, other)
    made = new_list(mp, [5, None, 0, "", 42.0])
    assert [made.index(value) for value in (5.0, None, False, "", 42)] == [0, 1, 2, 3, 4]
    free_lists(made)


@requirement("shared-memory.list.index-missing")
def test_index_of_a_missing_value(mp):
    """``index()`` of a value that no item equals raises ValueError."""
    made = new_list(mp, [5, "x"])
    for value in (6, "y", b"x", None):
        with raises(ValueError):
            made.index(value)
    free_lists(made)


@requirement("shared-memory.list.format")
def test_format_describes_the_values(mp):
    """``format`` is a struct format that has a field of the right kind for every value."""
    for value, field in ((17, "q"), (1.5, "d"), ("text", "s"), (b"bytes", "s"), (True, "?")):
        made = new_list(mp, [value])
        assert field in made.format
        assert len(struct.unpack(made.format, bytes(struct.calcsize(made.format)))) == 1
        free_lists(made)
    made = new_list(mp, ["longer text", 17, 2.5, b"", "grüße", b"and bytes", 4])
    other = mp.shared_memory.ShareableList(name=made.shm.name)
    letters = ["".join(filter(str.isalpha, each.format)) for each in (made, other)]
    assert letters == ["sqdsssq"] * 2
    # There is room for all of each text.
    stored = [each.encode() if isinstance(each, str) else each for each in made]
    values = struct.unpack(made.format, struct.pack(made.format, *stored))
    assert [each.rstrip(b"\0") if isinstance(each, bytes) else each for each in values] == stored
    free_lists(made, other)
    made = new_list(mp, [None, None, True])
    assert len(struct.unpack(made.format, bytes(struct.calcsize(made.format)))) == 3
    free_lists(made)


@requirement("shared-memory.list.format-follows")
def test_format_follows_the_values(mp):
    """``format`` changes when an item gets a value of another type."""
    made = new_list(mp, [17, 17])
    before = made.format
    other = mp.shared_memory.ShareableList(name=made.shm.name)
    assert other.format == before
    made[0] = 2.5
    assert "".join(filter(str.isalpha, made.format)) == "dq"
    assert other.format == made.format
    made[0] = 18
    assert made.format == before
    free_lists(made, other)


@requirement("shared-memory.list.format-read-only")
def test_format_is_not_set(mp):
    """Setting ``format`` raises AttributeError, and leaves it."""
    made = new_list(mp, [17])
    assert_read_only(made, "format")
    free_lists(made)


@requirement("shared-memory.list.repr")
def test_representation(mp):
    """The representation shows the values and the name."""
    made = new_list(mp, [0, "x", None])
    assert repr(made) == f"ShareableList([0, 'x', None], name={made.shm.name!r})"
    made[0] = 1.5
    assert repr(made) == f"ShareableList([1.5, 'x', None], name={made.shm.name!r})"
    free_lists(made)
    made = new_list(mp, range(200))
    assert repr(made) == f"ShareableList({[*range(200)]}, name={made.shm.name!r})"
    free_lists(made)


@requirement("shared-memory.list.set-too-large")
def test_text_is_measured_by_its_bytes(mp):
    """Text of as many characters as fit, whose bytes do not, raises ValueError, and changes nothing."""
    made = new_list(mp, ["dry ice", 1, "neighbour"])
    for position in (0, 1):
        with raises(ValueError):
            made[position] = "🎈" * 7
    assert list(made) == ["dry ice", 1, "neighbour"]
    free_lists(made)
