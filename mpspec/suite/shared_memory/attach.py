"""Tests of attaching to blocks."""

import pickle

from mpspec.children import raises, run
from mpspec.marks import requirement
from mpspec.suite.shared_memory.helpers import attached, free, new, novel_name, see_a_visit


@requirement("shared-memory.attach.no-copy")
def test_attached_instances_share_the_memory(mp):
    """What one instance writes all others of the same block read, in both directions."""
    block = new(mp)
    other = attached(mp, block.name)
    block.buf[0] = 1
    other.buf[1] = 2
    assert [*block.buf[:2]] == [*other.buf[:2]] == [1, 2]
    free(block, other)


@requirement("shared-memory.attach.missing")
def test_attaching_a_missing_block_is_refused(mp):
    """Attaching a name that no block has raises, and creates none."""
    name = novel_name()
    with raises(Exception):
        mp.shared_memory.SharedMemory(name, size=16)
    block = new(mp, name=name)
    free(block)


@requirement("shared-memory.attach.failed-leaves-block")
def test_failed_attachment_leaves_the_block(mp):
    """When there is no room for another look at a very large block, the block stays."""
    block = new(mp, 2**46)
    block.buf[0] = 17
    others = []
    with raises(OSError):
        for _ in range(100):
            others.append(attached(mp, block.name))  # noqa: PERF401 - those before the failure are kept
    for instance in (block, *others):
        instance.close()
    other = attached(mp, block.name)
    assert other.buf[0] == 17
    free(other)


@requirement("shared-memory.attach.missing-is-filenotfounderror")
def test_a_missing_block_is_a_filenotfounderror(mp):
    """Attaching a name that no block has raises FileNotFoundError."""
    with raises(FileNotFoundError):
        mp.shared_memory.SharedMemory(novel_name())


@requirement("shared-memory.attach.needs-name")
def test_attaching_needs_a_name(mp):
    """Without a name and without ``create`` the constructor raises ValueError."""
    with raises(ValueError):
        mp.shared_memory.SharedMemory()
    with raises(ValueError):
        mp.shared_memory.SharedMemory(size=16)


@requirement("shared-memory.attach.size-ignored")
def test_size_is_ignored_when_attaching(mp):
    """An attached block has its own size, whatever the argument says."""
    block = new(mp, 5000)
    block.buf[4999] = 17
    others = [attached(mp, block.name, size=size) for size in (0, 1, 100_000)]
    assert [other.size for other in others] == [_size_of(mp, block.name)] * 3
    assert [other.buf[4999] for other in others] == [17] * 3
    free(block, *others)


def _size_of(mp, name):
    block = attached(mp, name)
    block.close()
    return block.size


@requirement("shared-memory.attach.size")
def test_attached_instance_knows_the_size(mp):
    """The size of an attached instance is that of the block."""
    block = new(mp, 5000)
    other = attached(mp, block.name)
    assert 5000 <= other.size == len(other.buf)
    free(block, other)


@requirement("shared-memory.attach.child-reads")
def test_child_reads_what_its_parent_wrote(mp):
    """A child attaches a block by its name, and reads what its parent wrote."""
    assert see_a_visit(mp)["child reads"] == b"howdy"


@requirement("shared-memory.attach.child-writes")
def test_parent_reads_what_a_child_wrote(mp):
    """What a child writes to a block that it attached by its name, its parent reads."""
    assert see_a_visit(mp)["child wrote"] == b"you"


def _answer_in_memory(mp, name, connection):
    block = attached(mp, name)
    while connection.recv():
        block.buf[1] = block.buf[0] + 1
        connection.send("done")
    block.close()


@requirement("shared-memory.attach.while-child-runs")
def test_changes_are_seen_while_both_run(mp):
    """Parent and child see what the other writes to the block that both keep attached."""
    block = new(mp)
    connection, other_end = mp.Pipe()
    process = mp.Process(target=_answer_in_memory, args=(mp, block.name, other_end))
    process.start()
    answers = []
    for number in (10, 20):
        block.buf[0] = number
        connection.send(True)
        connection.recv()
        answers.append(block.buf[1])
    connection.send(False)
    process.join()
    assert answers == [11, 21]
    free(block)


def _create(mp, name):
    block = new(mp, name=name)
    block.buf[:5] = b"howdy"
    block.close()


@requirement("shared-memory.block.outlives-creator")
def test_block_outlives_the_process_that_created_it(mp):
    """A block that a child created has its content when the child has ended."""
    # The program uses shared memory already: its account of blocks is kept here, not in the child.
    free(new(mp))
    name = novel_name()
    run(mp, _create, mp, name)
    block = attached(mp, name)
    assert bytes(block.buf[:5]) == b"howdy"
    free(block)


@requirement("shared-memory.pickle.same-block")
def test_unpickled_instance_is_attached_to_the_same_block(mp):
    """A pickled and unpickled instance has the name, and shares the memory; when that is gone, there is none."""
    block = new(mp)
    block.buf[0] = 17
    other = pickle.loads(pickle.dumps(block))
    other.buf[1] = 18
    assert other.name == block.name
    assert [*other.buf[:2]] == [*block.buf[:2]] == [17, 18]
    data = pickle.dumps(block)
    free(block, other)
    with raises(Exception):
        pickle.loads(data)


def _write_into(block, data):
    block.buf[: len(data)] = data
    block.close()


@requirement("shared-memory.argument.child-writes")
def test_instance_is_passed_to_a_child(mp):
    """What a child writes to the instance that it was passed is seen by its parent."""
    block = new(mp)
    run(mp, _write_into, block, b"howdy")
    assert bytes(block.buf[:5]) == b"howdy"
    free(block)


@requirement("shared-memory.example.low-level")
def test_example_of_low_level_use(mp):
    """Ten bytes are shared by two instances, one of which fills an array from them."""
    import array

    first = mp.shared_memory.SharedMemory(create=True, size=10)
    view = first.buf
    view[:4] = bytes([22, 33, 44, 55])
    view[4] = 100
    second = mp.shared_memory.SharedMemory(first.name)
    copied = array.array("b", second.buf[:5])
    second.buf[:5] = b"howdy"
    assert copied.tolist() == [22, 33, 44, 55, 100]
    assert bytes(first.buf[:5]) == b"howdy"
    second.close()
    first.close()
    first.unlink()
