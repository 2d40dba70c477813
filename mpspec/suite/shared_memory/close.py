"""Tests of close() and unlink()."""

import gc
import os
import sys

from mpspec.children import ask, outcome_of, raises
from mpspec.marks import requirement
from mpspec.suite.shared_memory.helpers import (
    assert_runs_without_a_word,
    attached,
    block_exists,
    free,
    new,
    novel_name,
    read_block,
    see_a_visit,
    unlink_block,
)


@requirement("shared-memory.unlink.without-warning")
def test_program_that_unlinks_is_not_warned(mp):
    """A program ends without a word that unlinked its blocks, one in a child, and the last in the course of its end."""
    assert_runs_without_a_word(mp, _UNLINK_ALL)


_UNLINK_ALL = """\
import pickle

class Keeper:
    def __init__(self):
        self.block = mp.shared_memory.SharedMemory(create=True, size=16)

    def __del__(self):
        self.block.close()
        self.block.unlink()

def unlink(name):
    block = mp.shared_memory.SharedMemory(name)
    block.close()
    block.unlink()

if __name__ == "__main__":
    block = mp.shared_memory.SharedMemory(create=True, size=16)
    other = pickle.loads(pickle.dumps(block))
    block.close()
    other.close()
    other.unlink()
    try:
        block.unlink()
    except FileNotFoundError:
        pass
    items = mp.shared_memory.ShareableList([1, "text"])
    items.shm.close()
    items.shm.unlink()
    block = mp.shared_memory.SharedMemory(create=True, size=16)
    block.close()
    process = mp.Process(target=unlink, args=(block.name,))
    process.start()
    process.join()
    keeper = Keeper()
    print("done")
"""


@requirement("shared-memory.close.ends-access")
def test_closed_instance_gives_no_access(mp):
    """After ``close()`` the memory can't be read or written through the instance."""
    block = new(mp)
    block.close()
    with raises(Exception):
        block.buf[0]
    with raises(Exception):
        block.buf[0] = 1
    block.unlink()


def _traces(name):
    """What this process has of a block, where blocks are files: descriptors, and mappings of their memory."""
    if not os.path.exists("/proc/self/maps"):
        return 0, 0
    files = [
        outcome_of(os.readlink, f"/proc/self/fd/{each}") for each in os.listdir("/proc/self/fd")
    ]
    with open("/proc/self/maps") as maps:
        return sum(name in str(path) for _, path in files), maps.read().count(name)


@requirement("shared-memory.close.gives-back")
def test_close_gives_back_descriptor_and_memory(mp):
    """After ``close()`` of both its instances the process has no descriptor of the block, and its memory nowhere."""
    block = new(mp)
    other = attached(mp, block.name)
    for instance in (other, block):
        instance.close()
    assert _traces(block.name) == (0, 0)
    block.unlink()


@requirement("shared-memory.close.releases-buffer")
def test_close_releases_the_memoryview(mp):
    """The memoryview that ``buf`` gave is released by ``close()``."""
    block = new(mp)
    view = block.buf
    block.close()
    with raises(ValueError):
        view[0]
    block.unlink()


@requirement("shared-memory.close.block-stays")
def test_close_leaves_the_block(mp):
    """A block that was closed can be attached again, with its content."""
    block = new(mp, 5000)
    block.buf[0], block.buf[-1] = 17, 18
    block.close()
    other = attached(mp, block.name)
    assert (other.buf[0], other.buf[-1]) == (17, 18)
    free(other)


@requirement("shared-memory.close.others-stay-open")
def test_close_speaks_for_one_instance(mp):
    """Instances that others closed the block through go on reading and writing."""
    block = new(mp)
    second, third = attached(mp, block.name), attached(mp, block.name)
    second.close()
    third.buf[0] = 17
    block.close()
    third.buf[1] = third.buf[0] + 1
    assert [*third.buf[:2]] == [17, 18]
    free(third)


@requirement("shared-memory.close.in-child")
def test_close_in_a_child_leaves_the_parent_its_access(mp):
    """After a child closed the block its parent goes on to write and to read."""
    assert see_a_visit(mp)["parent goes on"] == b"Howdyyou"


@requirement("shared-memory.close.dropped-instance")
def test_dropped_instance_is_closed(mp):
    """An instance that was dropped without ``close()`` leaves the block and its content, and nothing in the process."""
    block = new(mp)
    name = block.name
    block.buf[0] = 17
    del block
    gc.collect()
    assert _traces(name) == (0, 0)
    other = attached(mp, name)
    assert other.buf[0] == 17
    del other
    gc.collect()
    assert _traces(name) == (0, 0)
    assert read_block(mp, name, 1) == bytes([17])
    unlink_block(mp, name)


def _drop_while_in_use(mp, name):
    complaints = []
    sys.unraisablehook = lambda unraisable: complaints.append(repr(unraisable.exc_value))
    block = attached(mp, name)
    part = block.buf[:4]
    del block
    gc.collect()
    return bytes(part), complaints


@requirement("shared-memory.close.dropped-while-in-use")
def test_instance_is_dropped_while_its_memory_is_in_use(mp):
    """A slice of ``buf`` stays good when its instance is dropped, of which nobody complains."""
    block = new(mp)
    block.buf[:4] = b"word"
    assert ask(mp, _drop_while_in_use, mp, block.name) == (b"word", [])
    free(block)


@requirement("shared-memory.close.name-and-size-stay")
def test_name_and_size_outlast_close(mp):
    """A closed instance has its name and size."""
    block = new(mp)
    before = (block.name, block.size)
    block.close()
    assert (block.name, block.size) == before
    block.unlink()


@requirement("shared-memory.close.returns-none")
def test_close_and_unlink_return_none(mp):
    """``close()`` and ``unlink()`` give None."""
    block = new(mp)
    assert [block.close(), block.unlink()] == [None, None]


@requirement("shared-memory.close.more-than-once")
def test_close_may_be_called_again(mp):
    """``close()`` of a closed instance does nothing."""
    block = new(mp)
    block.close()
    assert block.close() is None
    block.unlink()


@requirement("shared-memory.close.buffer-in-use")
def test_close_refuses_while_the_memory_is_in_use(mp):
    """``close()`` raises BufferError while a slice of ``buf``, or an array over it, exists; they stay good."""
    import ctypes

    block = new(mp)
    with block.buf[:4] as part:
        part[:] = b"word"
        with raises(BufferError):
            block.close()
        assert bytes(part) == b"word"
    free(block)
    block = new(mp)
    numbers = (ctypes.c_int64 * 2).from_buffer(block.buf)
    numbers[1] = 17
    with raises(BufferError):
        block.close()
    assert numbers[1] == 17
    del numbers
    free(block)


@requirement("shared-memory.unlink.destroys")
def test_unlinked_block_is_gone(mp):
    """After ``unlink()`` the name can't be attached."""
    block = new(mp)
    block.unlink()
    with raises(Exception):
        attached(mp, block.name)
    block.close()


@requirement("shared-memory.unlink.after-close")
def test_unlink_after_close(mp):
    """``unlink()`` of a closed instance destroys the block."""
    block = new(mp)
    block.close()
    block.unlink()
    assert not block_exists(mp, block.name)


@requirement("shared-memory.unlink.before-close")
def test_unlink_before_close(mp):
    """``close()`` after ``unlink()`` succeeds, and ends the access."""
    block = new(mp)
    block.unlink()
    block.close()
    with raises(Exception):
        block.buf[0]
    assert not block_exists(mp, block.name)


@requirement("shared-memory.unlink.by-any-instance")
def test_unlink_through_an_attached_instance(mp):
    """An instance that has attached the block unlinks it as well as its creator."""
    block = new(mp)
    other = attached(mp, block.name)
    block.close()
    other.unlink()
    assert not block_exists(mp, block.name)
    other.close()


@requirement("shared-memory.unlink.by-another-process")
def test_unlink_in_a_child(mp):
    """A block that a child unlinked is gone for its parent, too."""
    block = new(mp)
    assert ask(mp, unlink_block, mp, block.name) is None
    assert not block_exists(mp, block.name)
    block.close()


@requirement("shared-memory.unlink.again-is-filenotfounderror")
def test_unlink_again_is_refused(mp):
    """A second ``unlink()`` raises FileNotFoundError, of a closed instance and of an open one, or of another."""
    block, open_one = new(mp), new(mp)
    other = attached(mp, open_one.name)
    block.close()
    for each in (block, open_one):
        each.unlink()
    for each in (block, open_one, other):
        with raises(FileNotFoundError):
            each.unlink()
        each.close()


@requirement("shared-memory.unlink.frees-name")
def test_name_of_an_unlinked_block_is_free(mp):
    """Another block can be created under the name of one that was unlinked."""
    name = novel_name()
    block = new(mp, name=name)
    block.buf[0] = 17
    free(block)
    block = new(mp, name=name)
    block.buf[0] = 18
    other = attached(mp, name)
    assert other.buf[0] == 18
    free(block, other)


@requirement("shared-memory.unlink.open-instances-keep-access")
def test_open_instances_outlast_unlink(mp):
    """Instances that are open when the block is unlinked read and write the same memory."""
    block = new(mp)
    other = attached(mp, block.name)
    block.unlink()
    block.buf[0] = 17
    assert other.buf[0] == 17
    block.close()
    other.close()
