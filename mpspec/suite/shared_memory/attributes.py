"""Tests of buf, name and size."""

from mpspec.children import raises
from mpspec.marks import requirement
from mpspec.suite.shared_memory.helpers import assert_read_only, attached, free, new


@requirement("shared-memory.buf.memoryview")
def test_buf_is_a_memoryview_of_bytes(mp):
    """``buf`` is a memoryview whose items are bytes."""
    block = new(mp)
    assert type(block.buf) is memoryview
    assert (block.buf.itemsize, block.buf.ndim, block.buf.readonly) == (1, 1, False)
    free(block)


@requirement("shared-memory.buf.whole-block")
def test_buf_reaches_over_the_whole_block(mp):
    """``buf`` has as many bytes as the block, down to the last."""
    block = new(mp, 5000)
    assert len(block.buf) == block.size
    block.buf[block.size - 1] = 17
    assert block.buf[-1] == 17
    with raises(IndexError):
        block.buf[block.size]
    free(block)


@requirement("shared-memory.buf.slices-and-bytes")
def test_bytes_and_slices_are_assigned(mp):
    """Slices and single bytes of ``buf`` are assigned to, and copied out of it."""
    block = new(mp, 10)
    buffer = block.buf
    buffer[:4] = bytearray([22, 33, 44, 55])
    buffer[4] = 100
    assert [*block.buf[:5]] == [22, 33, 44, 55, 100]
    assert block.buf[1:3].tobytes() == bytes([33, 44])
    del buffer
    free(block)


@requirement("shared-memory.buf.array-over-it")
def test_arrays_are_laid_over_the_memory(mp):
    """Two arrays of integers over the same block have the same items."""
    import ctypes

    block = new(mp, 48)
    other = attached(mp, block.name)
    numbers = (ctypes.c_int64 * 6).from_buffer(block.buf)
    numbers[:] = [1, 1, 2, 3, 5, 8]
    same = (ctypes.c_int64 * 6).from_buffer(other.buf)
    assert same[:] == [1, 1, 2, 3, 5, 8]
    same[-1] = 888
    assert numbers[:] == [1, 1, 2, 3, 5, 888]
    del numbers, same
    free(block, other)


@requirement("shared-memory.buf.read-only")
def test_buf_is_not_set(mp):
    """Setting ``buf`` raises AttributeError."""
    block = new(mp)
    assert_read_only(block, "buf")
    free(block)


@requirement("shared-memory.name.read-only")
def test_name_is_not_set(mp):
    """Setting ``name`` raises AttributeError, and leaves the name."""
    block = new(mp)
    assert_read_only(block, "name")
    free(block)


@requirement("shared-memory.size.read-only")
def test_size_is_not_set(mp):
    """Setting ``size`` raises AttributeError, and leaves the size."""
    block = new(mp)
    assert_read_only(block, "size")
    free(block)
