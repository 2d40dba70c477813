"""Tests of new blocks."""

import contextlib
import os

from mpspec.children import outcome_of, raises, value_of
from mpspec.marks import requirement
from mpspec.suite.shared_memory.helpers import (
    assert_runs_without_a_word,
    attached,
    block_exists,
    free,
    new,
    novel_name,
    see_a_visit,
)


@requirement("shared-memory.create.new-block")
def test_create_makes_a_block_of_memory(mp):
    """``SharedMemory(create=True, size=n)`` makes memory that is written and read through ``buf``."""
    block = mp.shared_memory.SharedMemory(create=True, size=4)
    block.buf[:4] = b"word"
    assert bytes(block.buf[:4]) == b"word"
    free(block)


@requirement("shared-memory.create.name-generated")
def test_block_without_a_name_gets_a_novel_one(mp):
    """Blocks created without a name, or with ``name=None``, get a name each, though in two processes."""
    first, second = new(mp), new(mp, name=None)
    assert [type(first.name), type(second.name)] == [str, str]
    assert "" != first.name != second.name != ""
    free(first)
    free(second)
    visitors, next_one = map(value_of, see_a_visit(mp)["names"])
    assert "" != visitors != next_one != ""


@requirement("shared-memory.create.name-given")
def test_block_has_the_name_that_it_was_given(mp):
    """A block created with a name has that name, and is attached by it, though it be long."""
    for name in (novel_name(), f"/{novel_name()}", f"{novel_name()}-Of.MIXED case~{'x' * 180}"):
        block, longer = new(mp, name=name), new(mp, name=f"{name}_")
        block.buf[0] = 17
        other = attached(mp, name)
        assert (block.name, other.name, other.buf[0]) == (name, name, 17)
        assert not block_exists(mp, name.swapcase())
        free(block, other)
        free(longer)


@requirement("shared-memory.create.name-of-any-alphabet")
def test_name_of_any_alphabet(mp):
    """A name that is not written in ASCII is given and found like others."""
    name = f"{novel_name()} größer ая 日本"
    block = new(mp, name=name)
    block.buf[0] = 17
    other = attached(mp, name)
    assert (block.name, other.name, other.buf[0]) == (name, name, 17)
    free(block, other)
    assert not block_exists(mp, name)


@requirement("shared-memory.create.for-its-user-alone")
def test_others_may_not_open_the_block(mp):
    """Where blocks are files, nobody but their owner may read or write them."""
    for name in (None, novel_name()):
        block = new(mp, name=name)
        file = f"/dev/shm/{block.name}"  # noqa: S108 - where Linux keeps them
        if os.path.exists(file):
            assert os.stat(file).st_mode & 0o777 == 0o600
        free(block)


# More bytes than any memory has, and than others ask for.
_TOO_LARGE = 2**50 + 2**12


def _files_after_failure(mp):
    """The files of blocks, where they are files, that one which could not be created, without a name, has left."""
    before = _files_too_large()
    outcome_of(mp.shared_memory.SharedMemory, create=True, size=_TOO_LARGE)
    return sorted(_files_too_large() - before)


def _files_too_large():
    with contextlib.suppress(FileNotFoundError):
        return {file.name for file in os.scandir("/dev/shm") if _bytes_in(file) == _TOO_LARGE}  # noqa: S108
    return set()


def _bytes_in(file):
    try:
        return file.stat().st_size
    except FileNotFoundError:  # gone meanwhile
        return 0


def _try_to_create(mp, name, size):
    kind, _ = outcome_of(mp.shared_memory.SharedMemory, name, create=True, size=size)
    return kind, block_exists(mp, name)


@requirement("shared-memory.create.failed-leaves-none")
def test_failed_creation_leaves_no_block(mp):
    """A block that is larger than any memory is refused, and there is none of its name, given or not."""
    from mpspec.programs import call

    kind, exists = call(_try_to_create, mp, novel_name(), _TOO_LARGE, timeout=mp.timeout)
    assert (kind != "returned", exists) == (True, False)
    assert call(_files_after_failure, mp, timeout=mp.timeout) == []


def _fail_beside_a_block(mp):
    """In a new interpreter: what came of creating a block that is too large, and whether another is there still."""
    block = new(mp)
    kind, _ = outcome_of(mp.shared_memory.SharedMemory, create=True, size=_TOO_LARGE)
    # What keeps track of blocks may hear of the failure with delay, but before it hears of so many others.
    for _ in range(1500):
        free(new(mp))
    exists = block_exists(mp, block.name)
    free(block)
    return kind, exists


@requirement("shared-memory.create.failed-leaves-others")
def test_failed_creation_leaves_other_blocks(mp):
    """When a block is refused because it is larger than any memory, the program's other block stays."""
    from mpspec.programs import call

    kind, exists = call(_fail_beside_a_block, mp, timeout=mp.timeout)
    assert (kind != "returned", exists) == (True, True)


@requirement("shared-memory.create.name-taken")
def test_a_name_is_not_given_twice(mp):
    """Creating a block under a name that exists raises, and leaves the existing block alone."""
    block = new(mp)
    block.buf[0] = 17
    with raises(Exception):
        new(mp, name=block.name)
    other = attached(mp, block.name)
    assert other.buf[0] == 17
    free(block, other)


@requirement("shared-memory.create.name-taken-is-fileexistserror")
def test_a_taken_name_is_a_fileexistserror(mp):
    """Creating a block under a name that exists raises FileExistsError."""
    block = new(mp)
    with raises(FileExistsError):
        new(mp, name=block.name)
    free(block)


@requirement("shared-memory.create.size")
def test_block_has_the_size_that_was_requested(mp):
    """A block is as large as requested, or larger; so is its memory."""
    for size in (1, 10, 4096, 100_000):
        block = new(mp, size)
        assert size <= block.size <= len(block.buf)
        free(block)


@requirement("shared-memory.create.zeroed")
def test_new_block_is_zeroed(mp):
    """The bytes of a new block are zero."""
    block = new(mp, 5000)
    assert bytes(block.buf[:5000]) == bytes(5000)
    free(block)


@requirement("shared-memory.create.size-positive")
def test_block_needs_a_positive_size(mp):
    """Without a size, or with one of zero or less, ``create=True`` raises ValueError."""
    for arguments in ({}, {"size": 0}, {"size": -1}):
        with raises(ValueError):
            mp.shared_memory.SharedMemory(create=True, **arguments)


@requirement("shared-memory.constructor.positional-order")
def test_arguments_by_position(mp):
    """By position the arguments are name, create and size; by name they are the same."""
    name = novel_name()
    block = mp.shared_memory.SharedMemory(name, True, 33)
    assert (block.name, block.size >= 33) == (name, True)
    other = mp.shared_memory.SharedMemory(name, False)
    free(block, other)
    block = mp.shared_memory.SharedMemory(name=name, create=True, size=33)
    assert (block.name, block.size >= 33) == (name, True)
    free(block)


@requirement("shared-memory.constructor.attaches-by-default")
def test_existing_block_is_attached(mp):
    """Without ``create``, and with ``create=False``, the block of that name is attached."""
    block = new(mp)
    block.buf[:5] = b"howdy"
    others = [
        mp.shared_memory.SharedMemory(block.name),
        mp.shared_memory.SharedMemory(name=block.name),
        mp.shared_memory.SharedMemory(name=block.name, create=False),
    ]
    assert [bytes(other.buf[:5]) for other in others] == [b"howdy"] * 3
    free(block, *others)


@requirement("shared-memory.create.name-with-nul")
def test_name_is_not_cut_off_at_a_null_character(mp):
    """A name with a null character is refused; no block of the part before it is made."""
    name = novel_name()
    try:
        made = new(mp, name=name + "\0tail")
    except ValueError:
        made = None
    else:
        free(made)
    assert made is None
    assert not block_exists(mp, name)


@requirement("shared-memory.create.name-is-text")
def test_name_that_is_no_text_is_refused(mp):
    """A name of bytes, or a number as a name, raises; what the bytes name is not there."""
    name = novel_name()
    for wrong in (name.encode(), int.from_bytes(os.urandom(4), "big")):
        with raises(Exception):
            new(mp, name=wrong)
    assert not block_exists(mp, name)


_FAIL_TO_CREATE = """\
from mpspec.children import outcome_of

if __name__ == "__main__":
    block = mp.shared_memory.SharedMemory(create=True, size=16)
    kind, _ = outcome_of(mp.shared_memory.SharedMemory, create=True, size=2**50)
    assert kind != "returned"
    for wrong in ({"create": True, "size": 0}, {"name": "of no block"}):
        kind, _ = outcome_of(mp.shared_memory.SharedMemory, **wrong)
        assert kind != "returned"
    block.close()
    block.unlink()
    print("done")
"""


@requirement("shared-memory.create.failed-without-warning")
def test_program_that_fails_to_create_is_not_warned(mp):
    """A program that asks for more memory than there is, and uses another block, ends without a word."""
    assert_runs_without_a_word(mp, _FAIL_TO_CREATE)
