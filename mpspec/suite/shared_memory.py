"""Tests of the chapter shared_memory."""

import contextlib
import gc
import os
import pickle
import signal
import struct
import sys
import tempfile
import threading

from mpspec.children import ask, equal, observed_once, outcome_of, raises, remade, run, value_of
from mpspec.marks import requirement

INT64_MAX = 2**63 - 1
# What text and bytes in a list must be shorter than.
LIMIT = 10_000_000


def _new(mp, size=16, **keywords):
    return mp.shared_memory.SharedMemory(create=True, size=size, **keywords)


def _attached(mp, name, **keywords):
    return mp.shared_memory.SharedMemory(name, **keywords)


def _list(mp, sequence):
    return mp.shared_memory.ShareableList(sequence)


def _free(block, *others):
    """Close all, and unlink the first."""
    for each in (block, *others):
        each.close()
    block.unlink()


def _free_lists(made, *others):
    _free(made.shm, *(other.shm for other in others))


def _novel_name():
    return f"mpspec_{os.urandom(4).hex()}"


def _exists(mp, name):
    """Whether there is a block of that name; asking leaves it as it is."""
    try:
        block = _attached(mp, name)
    except FileNotFoundError:
        return False
    block.close()
    return True


# New blocks


@requirement("shared-memory.create.new-block")
def test_create_makes_a_block_of_memory(mp):
    """``SharedMemory(create=True, size=n)`` makes memory that is written and read through ``buf``."""
    block = mp.shared_memory.SharedMemory(create=True, size=4)
    block.buf[:4] = b"word"
    assert bytes(block.buf[:4]) == b"word"
    _free(block)


@requirement("shared-memory.create.name-generated")
def test_block_without_a_name_gets_a_novel_one(mp):
    """Blocks created without a name, or with ``name=None``, get a name each, though in two processes."""
    first, second = _new(mp), _new(mp, name=None)
    assert [type(first.name), type(second.name)] == [str, str]
    assert "" != first.name != second.name != ""
    _free(first)
    _free(second)
    visitors, next_one = map(value_of, _see_a_visit(mp)["names"])
    assert "" != visitors != next_one != ""


@requirement("shared-memory.create.name-given")
def test_block_has_the_name_that_it_was_given(mp):
    """A block created with a name has that name, and is attached by it, though it be long."""
    for name in (_novel_name(), f"/{_novel_name()}", f"{_novel_name()}-Of.MIXED case~{'x' * 180}"):
        block, longer = _new(mp, name=name), _new(mp, name=f"{name}_")
        block.buf[0] = 17
        other = _attached(mp, name)
        assert (block.name, other.name, other.buf[0]) == (name, name, 17)
        assert not _exists(mp, name.swapcase())
        _free(block, other)
        _free(longer)


@requirement("shared-memory.create.name-of-any-alphabet")
def test_name_of_any_alphabet(mp):
    """A name that is not written in ASCII is given and found like others."""
    name = f"{_novel_name()} größer ая 日本"
    block = _new(mp, name=name)
    block.buf[0] = 17
    other = _attached(mp, name)
    assert (block.name, other.name, other.buf[0]) == (name, name, 17)
    _free(block, other)
    assert not _exists(mp, name)


@requirement("shared-memory.create.for-its-user-alone")
def test_others_may_not_open_the_block(mp):
    """Where blocks are files, nobody but their owner may read or write them."""
    for name in (None, _novel_name()):
        block = _new(mp, name=name)
        file = f"/dev/shm/{block.name}"  # noqa: S108 - where Linux keeps them
        if os.path.exists(file):
            assert os.stat(file).st_mode & 0o777 == 0o600
        _free(block)


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
    return kind, _exists(mp, name)


@requirement("shared-memory.create.failed-leaves-none")
def test_failed_creation_leaves_no_block(mp):
    """A block that is larger than any memory is refused, and there is none of its name, given or not."""
    from mpspec.programs import call

    kind, exists = call(_try_to_create, mp, _novel_name(), _TOO_LARGE, timeout=mp.timeout)
    assert (kind != "returned", exists) == (True, False)
    assert call(_files_after_failure, mp, timeout=mp.timeout) == []


@requirement("shared-memory.create.name-taken")
def test_a_name_is_not_given_twice(mp):
    """Creating a block under a name that exists raises, and leaves the existing block alone."""
    block = _new(mp)
    block.buf[0] = 17
    with raises(Exception):
        _new(mp, name=block.name)
    other = _attached(mp, block.name)
    assert other.buf[0] == 17
    _free(block, other)


@requirement("shared-memory.create.name-taken-is-fileexistserror")
def test_a_taken_name_is_a_fileexistserror(mp):
    """Creating a block under a name that exists raises FileExistsError."""
    block = _new(mp)
    with raises(FileExistsError):
        _new(mp, name=block.name)
    _free(block)


@requirement("shared-memory.create.size")
def test_block_has_the_size_that_was_requested(mp):
    """A block is as large as requested, or larger; so is its memory."""
    for size in (1, 10, 4096, 100_000):
        block = _new(mp, size)
        assert size <= block.size <= len(block.buf)
        _free(block)


@requirement("shared-memory.create.zeroed")
def test_new_block_is_zeroed(mp):
    """The bytes of a new block are zero."""
    block = _new(mp, 5000)
    assert bytes(block.buf[:5000]) == bytes(5000)
    _free(block)


@requirement("shared-memory.create.size-positive")
def test_block_needs_a_positive_size(mp):
    """Without a size, or with one of zero or less, ``create=True`` raises ValueError."""
    for arguments in ({}, {"size": 0}, {"size": -1}):
        with raises(ValueError):
            mp.shared_memory.SharedMemory(create=True, **arguments)


@requirement("shared-memory.constructor.positional-order")
def test_arguments_by_position(mp):
    """By position the arguments are name, create and size; by name they are the same."""
    name = _novel_name()
    block = mp.shared_memory.SharedMemory(name, True, 33)
    assert (block.name, block.size >= 33) == (name, True)
    other = mp.shared_memory.SharedMemory(name, False)
    _free(block, other)
    block = mp.shared_memory.SharedMemory(name=name, create=True, size=33)
    assert (block.name, block.size >= 33) == (name, True)
    _free(block)


@requirement("shared-memory.constructor.attaches-by-default")
def test_existing_block_is_attached(mp):
    """Without ``create``, and with ``create=False``, the block of that name is attached."""
    block = _new(mp)
    block.buf[:5] = b"howdy"
    others = [
        mp.shared_memory.SharedMemory(block.name),
        mp.shared_memory.SharedMemory(name=block.name),
        mp.shared_memory.SharedMemory(name=block.name, create=False),
    ]
    assert [bytes(other.buf[:5]) for other in others] == [b"howdy"] * 3
    _free(block, *others)


# Attaching


@requirement("shared-memory.attach.no-copy")
def test_attached_instances_share_the_memory(mp):
    """What one instance writes all others of the same block read, in both directions."""
    block = _new(mp)
    other = _attached(mp, block.name)
    block.buf[0] = 1
    other.buf[1] = 2
    assert [*block.buf[:2]] == [*other.buf[:2]] == [1, 2]
    _free(block, other)


@requirement("shared-memory.attach.missing")
def test_attaching_a_missing_block_is_refused(mp):
    """Attaching a name that no block has raises, and creates none."""
    name = _novel_name()
    with raises(Exception):
        mp.shared_memory.SharedMemory(name, size=16)
    block = _new(mp, name=name)
    _free(block)


@requirement("shared-memory.attach.failed-leaves-block")
def test_failed_attachment_leaves_the_block(mp):
    """When there is no room for another look at a very large block, the block stays."""
    block = _new(mp, 2**46)
    block.buf[0] = 17
    others = []
    with raises(OSError):
        for _ in range(100):
            others.append(_attached(mp, block.name))  # noqa: PERF401 - those before the failure are kept
    for instance in (block, *others):
        instance.close()
    other = _attached(mp, block.name)
    assert other.buf[0] == 17
    _free(other)


@requirement("shared-memory.attach.missing-is-filenotfounderror")
def test_a_missing_block_is_a_filenotfounderror(mp):
    """Attaching a name that no block has raises FileNotFoundError."""
    with raises(FileNotFoundError):
        mp.shared_memory.SharedMemory(_novel_name())


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
    block = _new(mp, 5000)
    block.buf[4999] = 17
    others = [_attached(mp, block.name, size=size) for size in (0, 1, 100_000)]
    assert [other.size for other in others] == [_size_of(mp, block.name)] * 3
    assert [other.buf[4999] for other in others] == [17] * 3
    _free(block, *others)


def _size_of(mp, name):
    block = _attached(mp, name)
    block.close()
    return block.size


@requirement("shared-memory.attach.size")
def test_attached_instance_knows_the_size(mp):
    """The size of an attached instance is that of the block."""
    block = _new(mp, 5000)
    other = _attached(mp, block.name)
    assert 5000 <= other.size == len(other.buf)
    _free(block, other)


def _read(mp, name, length):
    block = _attached(mp, name)
    data = bytes(block.buf[:length])
    block.close()
    return data


def _visit(mp, name):
    block = _attached(mp, name)
    found = bytes(block.buf[:5])
    block.buf[5:8] = b"you"
    block.close()
    return found, outcome_of(_leave_a_new_one, mp)


def _leave_a_new_one(mp):
    block = _new(mp)
    block.close()
    return block.name


@observed_once
def _see_a_visit(mp):
    """A child reads, writes and closes a block that its parent has, and makes another; the parent goes on."""
    block = _new(mp)
    block.buf[:5] = b"howdy"
    found, visitors = ask(mp, _visit, mp, block.name)
    seen = {"child reads": found, "child wrote": bytes(block.buf[5:8])}
    seen["names"] = [visitors, outcome_of(_leave_a_new_one, mp)]
    for name in {value for kind, value in seen["names"] if kind == "returned"}:
        _unlink(mp, name)
    block.buf[0] = ord("H")
    seen["parent goes on"] = bytes(block.buf[:8])
    other = _attached(mp, block.name)
    seen["attached again"] = bytes(other.buf[:8])
    _free(block, other)
    return seen


@requirement("shared-memory.attach.child-reads")
def test_child_reads_what_its_parent_wrote(mp):
    """A child attaches a block by its name, and reads what its parent wrote."""
    assert _see_a_visit(mp)["child reads"] == b"howdy"


@requirement("shared-memory.attach.child-writes")
def test_parent_reads_what_a_child_wrote(mp):
    """What a child writes to a block that it attached by its name, its parent reads."""
    assert _see_a_visit(mp)["child wrote"] == b"you"


def _answer_in_memory(mp, name, connection):
    block = _attached(mp, name)
    while connection.recv():
        block.buf[1] = block.buf[0] + 1
        connection.send("done")
    block.close()


@requirement("shared-memory.attach.while-child-runs")
def test_changes_are_seen_while_both_run(mp):
    """Parent and child see what the other writes to the block that both keep attached."""
    block = _new(mp)
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
    _free(block)


def _create(mp, name):
    block = _new(mp, name=name)
    block.buf[:5] = b"howdy"
    block.close()


@requirement("shared-memory.block.outlives-creator")
def test_block_outlives_the_process_that_created_it(mp):
    """A block that a child created has its content when the child has ended."""
    # The program uses shared memory already: its account of blocks is kept here, not in the child.
    _free(_new(mp))
    name = _novel_name()
    run(mp, _create, mp, name)
    block = _attached(mp, name)
    assert bytes(block.buf[:5]) == b"howdy"
    _free(block)


# Tracking


@requirement("shared-memory.track.keyword-only")
def test_track_is_not_given_by_position(mp):
    """A fourth positional argument is refused, with TypeError."""
    block = _new(mp, track=True)
    with raises(TypeError):
        mp.shared_memory.SharedMemory(block.name, False, 16, True)
    _free(block)


@requirement("shared-memory.track.accepted")
def test_blocks_work_with_and_without_tracking(mp):
    """With ``track=True`` and ``track=False`` blocks are created, attached, closed and unlinked, without a word."""
    for track in (True, False):
        block = _new(mp, track=track)
        other = _attached(mp, block.name, track=track)
        block.buf[0] = 17
        assert other.buf[0] == 17
        _free(block, other)
        assert not _exists(mp, block.name)
    _assert_runs_without_a_word(mp, _USE_UNTRACKED)


_USE_UNTRACKED = """\
if __name__ == "__main__":
    block = mp.shared_memory.SharedMemory(create=True, size=16, track=False)
    other = mp.shared_memory.SharedMemory(block.name, track=False)
    other.close()
    block.close()
    block.unlink()
    print("done")
"""


def _leave_behind(mp, name, keywords):
    block = mp.shared_memory.SharedMemory(name, create=True, size=16, **keywords)
    block.close()


def _be_ended(mp, name, number):
    """Leave a block behind, and a list, by the end of all processes of the program at once; and more than these.

    Files of blocks, too, that are gone when somebody comes to destroy them, and what is no block.
    """
    os.setpgrp()
    _leave_behind(mp, name, {})
    mp.shared_memory.ShareableList([1, "x"], name=f"{name}_list").shm.close()
    for position in range(7):
        _leave_behind(mp, f"{name}_{position}", {})
        os.unlink(f"/dev/shm/{name}_{position}")  # noqa: S108 - where such blocks are
    _lock = mp.Lock()
    os.killpg(0, number)


def _end_by_signal(mp, number):
    """Names of blocks, one of them a list's, that a program has left whose processes all got a signal."""
    from mpspec.programs import ProgramError, call

    name = _novel_name()
    with raises(ProgramError):
        call(_be_ended, mp, name, number, timeout=mp.timeout)
    return name, f"{name}_list"


def _only_attach(mp, name, keywords):
    block = mp.shared_memory.SharedMemory(name, **keywords)
    found = block.buf[0]
    block.close()
    return found


@requirement("shared-memory.track.true-destroys")
def test_tracker_destroys_what_a_program_left(mp):
    """A block that a program did not unlink vanishes after its end, with ``track=True``."""
    from mpspec.observing import wait_until
    from mpspec.programs import call

    name = _novel_name()
    call(_leave_behind, mp, name, {"track": True}, timeout=mp.timeout)
    wait_until(lambda: not _there(mp, name), mp.timeout, "destroyed")


@requirement("shared-memory.track.true-destroys")
def test_tracker_outlasts_signals(mp):
    """Without ``track``, too, a block and a list's vanish when all processes of their program were ended by SIGTERM."""
    from mpspec.observing import wait_until

    for name in _end_by_signal(mp, signal.SIGTERM):
        wait_until(lambda name=name: not _there(mp, name), mp.timeout, f"{name} destroyed")


_LEAVE_BY_MANAGER = """
import os, signal

if __name__ == "__main__":
    manager = mp.managers.SharedMemoryManager(ctx=mp.context)
    manager.start()
    block, items = manager.SharedMemory(16), manager.ShareableList([1, "x"])
    print(block.name, items.shm.name, flush=True)
    (server,) = mp.active_children()
    for pid in (server.pid, os.getpid()):
        os.kill(pid, signal.SIGKILL)
"""


@requirement("shared-memory.track.made-by-manager")
def test_tracker_destroys_what_a_killed_manager_left(mp):
    """A block and a list's that a manager made vanish when its process was killed, and its program with it."""
    from mpspec.observing import wait_until
    from mpspec.programs import run_script

    names = run_script(mp, _LEAVE_BY_MANAGER).stdout.split()
    assert len(names) == 2
    for name in names:
        wait_until(lambda name=name: not _there(mp, name), mp.timeout, f"{name} destroyed")


def _there(mp, name):
    """Whether there is a block of that name; asking does not register it."""
    try:
        block = mp.shared_memory.SharedMemory(name, track=False)
    except FileNotFoundError:
        return False
    block.close()
    return True


@requirement("shared-memory.track.false-leaves")
def test_untracked_block_stays(mp):
    """A block that a program created with ``track=False`` is there when the program has ended."""
    from mpspec.programs import call

    name = _novel_name()
    call(_leave_behind, mp, name, {"track": False}, timeout=mp.timeout)
    block = mp.shared_memory.SharedMemory(name, track=False)
    _free(block)


@requirement("shared-memory.track.child-leaves")
def test_block_stays_when_a_child_that_attached_it_ends(mp):
    """A child that attached a block and ended has not taken it away."""
    assert _see_a_visit(mp)["attached again"] == b"Howdyyou"


def _leave_and_tell(mp, name, ends):
    """Leave a block behind; the end of the error stream that a tracker of one's own would have is seen at ``ends``."""
    stream = os.open(ends, os.O_WRONLY)
    os.dup2(stream, sys.stderr.fileno())
    os.close(stream)
    _leave_behind(mp, name, {})


def _let_a_child_leave(mp, name, ends, *through):
    """Whether a block that a child has left is there after the child, and after a tracker of its own, if it had any."""
    import select

    poll = select.poll()
    reader = os.open(ends, os.O_RDONLY | os.O_NONBLOCK)
    poll.register(reader, 0)
    run(mp, *through, _leave_and_tell, mp, name, ends)
    poll.poll(mp.timeout * 500)
    os.close(reader)
    return _exists(mp, name)


def _let_children_leave(mp, names, ends):
    """What is there when a child has left a block, before this program used any, when another has, and its child."""
    assert mp.shared_memory, "imported as yet, not used"
    first = _let_a_child_leave(mp, names[0], ends)
    if first:
        _unlink(mp, names[0])
    _free(_new(mp))
    grandchilds = _let_a_child_leave(mp, names[2], ends, run, mp)
    if grandchilds:
        _unlink(mp, names[2])
    return [first, _let_a_child_leave(mp, names[1], ends), grandchilds]


@observed_once
def _see_what_children_left(mp):
    """A program whose children leave blocks, and a child's child: which were there, and the name of one left."""
    import tempfile

    from mpspec.programs import call

    names = [_novel_name() for _ in range(3)]
    with tempfile.TemporaryDirectory() as folder:
        ends = os.path.join(folder, "ends")
        os.mkfifo(ends)
        found = call(_let_children_leave, mp, names, ends, timeout=mp.timeout)
    return found, names[1]


@requirement("shared-memory.track.child-uses-it-first")
def test_block_of_the_first_process_to_use_any(mp):
    """The first block of a program, which a child created, is there when the child has ended; so is a grandchild's."""
    [first, _, grandchilds], _ = _see_what_children_left(mp)
    assert first is True
    assert grandchilds is True


@requirement("shared-memory.track.childs-block-destroyed")
def test_tracker_destroys_what_a_child_left(mp):
    """A block that a child left is there until the program ends, and then vanishes."""
    from mpspec.observing import wait_until

    [_, second, _], name = _see_what_children_left(mp)
    assert second is True
    wait_until(lambda: not _there(mp, name), mp.timeout, "destroyed")


@requirement("shared-memory.track.other-program-destroys")
def test_other_program_takes_the_block_away(mp):
    """When another program that attached a block with tracking has ended, the block is destroyed."""
    from mpspec.observing import wait_until
    from mpspec.programs import call

    block = mp.shared_memory.SharedMemory(create=True, size=16, track=False)
    call(_only_attach, mp, block.name, {}, timeout=mp.timeout)
    wait_until(lambda: not _there(mp, block.name), mp.timeout, "destroyed")
    block.close()


@requirement("shared-memory.track.other-program-leaves")
def test_other_program_leaves_the_block(mp):
    """Another program that attached a block with ``track=False`` leaves it where it is."""
    from mpspec.programs import call

    block = _new(mp)
    block.buf[0] = 17
    assert call(_only_attach, mp, block.name, {"track": False}, timeout=mp.timeout) == 17
    other = _attached(mp, block.name)
    assert other.buf[0] == 17
    _free(block, other)


@requirement("shared-memory.track.left-is-destroyed")
def test_what_a_program_left_is_destroyed(mp):
    """A block and a list's that a program did not unlink vanish after its end, though all its processes got SIGTERM."""
    from mpspec.observing import wait_until

    for name in _end_by_signal(mp, signal.SIGTERM):
        wait_until(lambda name=name: not _exists(mp, name), mp.timeout, f"{name} destroyed")
        _free(_new(mp, name=name))  # the account that was kept of it here is closed as well


@requirement("shared-memory.unlink.without-warning")
def test_program_that_unlinks_is_not_warned(mp):
    """A program that has unlinked its blocks, the last one in the course of its end, ends without a word."""
    _assert_runs_without_a_word(mp, _UNLINK_ALL)


_UNLINK_ALL = """\
import pickle

class Keeper:
    def __init__(self):
        self.block = mp.shared_memory.SharedMemory(create=True, size=16)

    def __del__(self):
        self.block.close()
        self.block.unlink()

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
    keeper = Keeper()
    print("done")
"""


def _assert_runs_without_a_word(mp, source):
    from mpspec.programs import run_script

    done = run_script(mp, source)
    assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")


@requirement("shared-memory.track.forked-child-outlives-program")
def test_program_does_not_wait_for_a_forked_child(mp):
    """A program ends, without a word, while a child that it forked lives on; so does the child, later."""
    _assert_runs_without_a_word(mp, _FORK)


_FORK = """\
import os, sys

if __name__ == "__main__":
    block = mp.shared_memory.SharedMemory(create=True, size=16)
    reader, writer = os.pipe()
    if os.fork() == 0:
        os.close(writer)
        os.read(reader, 1)  # until the parent is no more
        sys.exit()
    block.close()
    block.unlink()
    print("done")
"""


# close


@requirement("shared-memory.close.ends-access")
def test_closed_instance_gives_no_access(mp):
    """After ``close()`` the memory can't be read or written through the instance."""
    block = _new(mp)
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
    block = _new(mp)
    other = _attached(mp, block.name)
    for instance in (other, block):
        instance.close()
    assert _traces(block.name) == (0, 0)
    block.unlink()


@requirement("shared-memory.close.releases-buffer")
def test_close_releases_the_memoryview(mp):
    """The memoryview that ``buf`` gave is released by ``close()``."""
    block = _new(mp)
    view = block.buf
    block.close()
    with raises(ValueError):
        view[0]
    block.unlink()


@requirement("shared-memory.close.block-stays")
def test_close_leaves_the_block(mp):
    """A block that was closed can be attached again, with its content."""
    block = _new(mp, 5000)
    block.buf[0], block.buf[-1] = 17, 18
    block.close()
    other = _attached(mp, block.name)
    assert (other.buf[0], other.buf[-1]) == (17, 18)
    _free(other)


@requirement("shared-memory.close.others-stay-open")
def test_close_speaks_for_one_instance(mp):
    """Instances that others closed the block through go on reading and writing."""
    block = _new(mp)
    second, third = _attached(mp, block.name), _attached(mp, block.name)
    second.close()
    third.buf[0] = 17
    block.close()
    third.buf[1] = third.buf[0] + 1
    assert [*third.buf[:2]] == [17, 18]
    _free(third)


@requirement("shared-memory.close.in-child")
def test_close_in_a_child_leaves_the_parent_its_access(mp):
    """After a child closed the block its parent goes on to write and to read."""
    assert _see_a_visit(mp)["parent goes on"] == b"Howdyyou"


@requirement("shared-memory.close.dropped-instance")
def test_dropped_instance_is_closed(mp):
    """An instance that was dropped without ``close()`` leaves the block and its content, and nothing in the process."""
    block = _new(mp)
    name = block.name
    block.buf[0] = 17
    del block
    gc.collect()
    assert _traces(name) == (0, 0)
    other = _attached(mp, name)
    assert other.buf[0] == 17
    del other
    gc.collect()
    assert _traces(name) == (0, 0)
    assert _read(mp, name, 1) == bytes([17])
    _unlink(mp, name)


def _drop_while_in_use(mp, name):
    complaints = []
    sys.unraisablehook = lambda unraisable: complaints.append(repr(unraisable.exc_value))
    block = _attached(mp, name)
    part = block.buf[:4]
    del block
    gc.collect()
    return bytes(part), complaints


@requirement("shared-memory.close.dropped-while-in-use")
def test_instance_is_dropped_while_its_memory_is_in_use(mp):
    """A slice of ``buf`` stays good when its instance is dropped, of which nobody complains."""
    block = _new(mp)
    block.buf[:4] = b"word"
    assert ask(mp, _drop_while_in_use, mp, block.name) == (b"word", [])
    _free(block)


@requirement("shared-memory.close.name-and-size-stay")
def test_name_and_size_outlast_close(mp):
    """A closed instance has its name and size."""
    block = _new(mp)
    before = (block.name, block.size)
    block.close()
    assert (block.name, block.size) == before
    block.unlink()


@requirement("shared-memory.close.returns-none")
def test_close_and_unlink_return_none(mp):
    """``close()`` and ``unlink()`` give None."""
    block = _new(mp)
    assert [block.close(), block.unlink()] == [None, None]


@requirement("shared-memory.close.more-than-once")
def test_close_may_be_called_again(mp):
    """``close()`` of a closed instance does nothing."""
    block = _new(mp)
    block.close()
    assert block.close() is None
    block.unlink()


@requirement("shared-memory.close.buffer-in-use")
def test_close_refuses_while_the_memory_is_in_use(mp):
    """``close()`` raises BufferError while a slice of ``buf``, or an array over it, exists; they stay good."""
    import ctypes

    block = _new(mp)
    with block.buf[:4] as part:
        part[:] = b"word"
        with raises(BufferError):
            block.close()
        assert bytes(part) == b"word"
    _free(block)
    block = _new(mp)
    numbers = (ctypes.c_int64 * 2).from_buffer(block.buf)
    numbers[1] = 17
    with raises(BufferError):
        block.close()
    assert numbers[1] == 17
    del numbers
    _free(block)


# unlink


@requirement("shared-memory.unlink.destroys")
def test_unlinked_block_is_gone(mp):
    """After ``unlink()`` the name can't be attached."""
    block = _new(mp)
    block.unlink()
    with raises(Exception):
        _attached(mp, block.name)
    block.close()


@requirement("shared-memory.unlink.after-close")
def test_unlink_after_close(mp):
    """``unlink()`` of a closed instance destroys the block."""
    block = _new(mp)
    block.close()
    block.unlink()
    assert not _exists(mp, block.name)


@requirement("shared-memory.unlink.before-close")
def test_unlink_before_close(mp):
    """``close()`` after ``unlink()`` succeeds, and ends the access."""
    block = _new(mp)
    block.unlink()
    block.close()
    with raises(Exception):
        block.buf[0]
    assert not _exists(mp, block.name)


@requirement("shared-memory.unlink.by-any-instance")
def test_unlink_through_an_attached_instance(mp):
    """An instance that has attached the block unlinks it as well as its creator."""
    block = _new(mp)
    other = _attached(mp, block.name)
    block.close()
    other.unlink()
    assert not _exists(mp, block.name)
    other.close()


def _unlink(mp, name):
    block = _attached(mp, name)
    block.close()
    block.unlink()


@requirement("shared-memory.unlink.by-another-process")
def test_unlink_in_a_child(mp):
    """A block that a child unlinked is gone for its parent, too."""
    block = _new(mp)
    assert ask(mp, _unlink, mp, block.name) is None
    assert not _exists(mp, block.name)
    block.close()


@requirement("shared-memory.unlink.again-is-filenotfounderror")
def test_unlink_again_is_refused(mp):
    """A second ``unlink()`` raises FileNotFoundError, of a closed instance and of an open one, or of another."""
    block, open_one = _new(mp), _new(mp)
    other = _attached(mp, open_one.name)
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
    name = _novel_name()
    block = _new(mp, name=name)
    block.buf[0] = 17
    _free(block)
    block = _new(mp, name=name)
    block.buf[0] = 18
    other = _attached(mp, name)
    assert other.buf[0] == 18
    _free(block, other)


@requirement("shared-memory.unlink.open-instances-keep-access")
def test_open_instances_outlast_unlink(mp):
    """Instances that are open when the block is unlinked read and write the same memory."""
    block = _new(mp)
    other = _attached(mp, block.name)
    block.unlink()
    block.buf[0] = 17
    assert other.buf[0] == 17
    block.close()
    other.close()


# buf, name, size


@requirement("shared-memory.buf.memoryview")
def test_buf_is_a_memoryview_of_bytes(mp):
    """``buf`` is a memoryview whose items are bytes."""
    block = _new(mp)
    assert type(block.buf) is memoryview
    assert (block.buf.itemsize, block.buf.ndim, block.buf.readonly) == (1, 1, False)
    _free(block)


@requirement("shared-memory.buf.whole-block")
def test_buf_reaches_over_the_whole_block(mp):
    """``buf`` has as many bytes as the block, down to the last."""
    block = _new(mp, 5000)
    assert len(block.buf) == block.size
    block.buf[block.size - 1] = 17
    assert block.buf[-1] == 17
    with raises(IndexError):
        block.buf[block.size]
    _free(block)


@requirement("shared-memory.buf.slices-and-bytes")
def test_bytes_and_slices_are_assigned(mp):
    """Slices and single bytes of ``buf`` are assigned to, and copied out of it."""
    block = _new(mp, 10)
    buffer = block.buf
    buffer[:4] = bytearray([22, 33, 44, 55])
    buffer[4] = 100
    assert [*block.buf[:5]] == [22, 33, 44, 55, 100]
    assert block.buf[1:3].tobytes() == bytes([33, 44])
    del buffer
    _free(block)


@requirement("shared-memory.buf.array-over-it")
def test_arrays_are_laid_over_the_memory(mp):
    """Two arrays of integers over the same block have the same items."""
    import ctypes

    block = _new(mp, 48)
    other = _attached(mp, block.name)
    numbers = (ctypes.c_int64 * 6).from_buffer(block.buf)
    numbers[:] = [1, 1, 2, 3, 5, 8]
    same = (ctypes.c_int64 * 6).from_buffer(other.buf)
    assert same[:] == [1, 1, 2, 3, 5, 8]
    same[-1] = 888
    assert numbers[:] == [1, 1, 2, 3, 5, 888]
    del numbers, same
    _free(block, other)


def _assert_read_only(subject, attribute):
    before = getattr(subject, attribute)
    with raises(AttributeError):
        setattr(subject, attribute, before)
    assert getattr(subject, attribute) == before


@requirement("shared-memory.buf.read-only")
def test_buf_is_not_set(mp):
    """Setting ``buf`` raises AttributeError."""
    block = _new(mp)
    _assert_read_only(block, "buf")
    _free(block)


@requirement("shared-memory.name.read-only")
def test_name_is_not_set(mp):
    """Setting ``name`` raises AttributeError, and leaves the name."""
    block = _new(mp)
    _assert_read_only(block, "name")
    _free(block)


@requirement("shared-memory.size.read-only")
def test_size_is_not_set(mp):
    """Setting ``size`` raises AttributeError, and leaves the size."""
    block = _new(mp)
    _assert_read_only(block, "size")
    _free(block)


# Pickling, and passing on


@requirement("shared-memory.pickle.same-block")
def test_unpickled_instance_is_attached_to_the_same_block(mp):
    """A pickled and unpickled instance has the name, and shares the memory; when that is gone, there is none."""
    block = _new(mp)
    block.buf[0] = 17
    other = pickle.loads(pickle.dumps(block))
    other.buf[1] = 18
    assert other.name == block.name
    assert [*other.buf[:2]] == [*block.buf[:2]] == [17, 18]
    data = pickle.dumps(block)
    _free(block, other)
    with raises(Exception):
        pickle.loads(data)


def _write_into(block, data):
    block.buf[: len(data)] = data
    block.close()


@requirement("shared-memory.argument.child-writes")
def test_instance_is_passed_to_a_child(mp):
    """What a child writes to the instance that it was passed is seen by its parent."""
    block = _new(mp)
    run(mp, _write_into, block, b"howdy")
    assert bytes(block.buf[:5]) == b"howdy"
    _free(block)


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


# SharedMemoryManager


def _manager(mp):
    return mp.managers.SharedMemoryManager(ctx=mp.context)


@requirement("shared-memory.manager.base-manager")
def test_manager_is_a_base_manager(mp):
    """SharedMemoryManager derives from BaseManager, and shares what is registered with a class derived from it."""
    assert issubclass(mp.managers.SharedMemoryManager, mp.managers.BaseManager)
    assert _see_products(mp)["registered"] == ("returned", (2, "[1]", "{'a': 1, 'b': 2}"))


@observed_once
def _see_a_program(mp):
    """A program ends whose first manager has been shut down, and whose second has not."""
    from mpspec.programs import run_script

    done = run_script(mp, _USE_MANAGERS)
    names = done.stdout.split()
    left = [name for name in names if _exists(mp, name)]
    for name in left:
        _unlink(mp, name)
    return {"ended": (done.returncode, done.stderr), "made": len(names), "left": left}


@requirement("shared-memory.manager.without-warning")
def test_program_with_a_manager_is_not_warned(mp):
    """A program whose manager was the first to use shared memory ends without a word, though another manager runs."""
    assert _see_a_program(mp)["ended"] == (0, "")


_USE_MANAGERS = """\
import atexit

def use():
    with mp.managers.SharedMemoryManager() as manager:
        items = manager.ShareableList(range(3))
        block = manager.SharedMemory(16)
        items.shm.close()
        block.close()

def leave():
    manager = mp.managers.SharedMemoryManager(ctx=mp.context)
    manager.start()
    blocks = manager.SharedMemory(16), manager.ShareableList(range(3)).shm
    atexit.register(len, (manager, *blocks))  # held at the program's end, and let go while its modules are whole
    print(*(block.name for block in blocks))

if __name__ == "__main__":
    mp.set_start_method(mp.start_method)
    use()
    leave()
"""


def _tell(sender, *args):
    sender.send(args)


def _made(make, argument):
    """Whether a call makes a block, or a list, which is destroyed at once."""
    kind, made = outcome_of(make, argument)
    if kind == "returned":
        _free(getattr(made, "shm", made))
    return kind == "returned"


@observed_once
def _see_a_life(mp):
    """A manager starts, makes a block and lists, and is shut down."""
    own = _new(mp, name=f"mpspec_{os.getpid()}_{os.urandom(4).hex()}")
    manager = _manager(mp)
    calls = (manager.SharedMemory, 16), (manager.ShareableList, [1])
    unmanaged = [_made(*call) for call in calls]
    before = {process.pid for process in mp.active_children()}
    manager.start()
    seen = {"started": {process.pid for process in mp.active_children()} - before}
    servers = [outcome_of(manager.get_server)[0]]
    blocks = [
        manager.ShareableList(range(4)).shm,
        manager.SharedMemory(size=128),
        manager.ShareableList("alpha").shm,
        manager.ShareableList([]).shm,
    ]
    seen["before"] = [_exists(mp, block.name) for block in blocks]
    manager.shutdown()
    seen["unmanaged"] = [*unmanaged, *(_made(*call) for call in calls)]
    seen["servers"] = [*servers, outcome_of(manager.get_server)[0]]
    seen["after"] = [_exists(mp, block.name) for block in blocks]
    seen["runs"] = [pid for pid in seen["started"] if outcome_of(os.kill, pid, 0)[0] == "returned"]
    seen["other"] = _exists(mp, own.name)
    _free(own)
    receiver, sender = mp.Pipe(duplex=False)
    dropped = _manager(mp)
    dropped.start(_tell, (sender, "one", 2))
    seen["told"] = receiver.recv() if receiver.poll(mp.timeout) else None
    last = [dropped.SharedMemory(size=16), dropped.ShareableList("beta").shm]
    blocks += last
    seen["held"] = [_exists(mp, block.name) for block in last]
    (server,) = (each for each in mp.active_children() if each.pid not in before)
    os.kill(server.pid, signal.SIGINT)
    server.join(0.05)
    seen["interrupted"] = server.is_alive()
    del dropped, server
    for _ in range(3):  # an interpreter may need several to call all finalizers
        gc.collect()
    seen["dropped"] = [_exists(mp, block.name) for block in last]
    for block in blocks:
        block.close()
    return seen


@requirement("shared-memory.manager.start-starts-a-process")
def test_start_starts_a_process(mp):
    """``start()`` of a manager starts one process, which calls the initializer; without it nothing is made."""
    seen = _see_a_life(mp)
    assert len(seen["started"]) == 1
    assert seen["told"] == ("one", 2)
    assert seen["unmanaged"] == [False] * 4


@requirement("shared-memory.manager.survives-interrupt")
def test_manager_survives_an_interrupt(mp):
    """SIGINT, as a Ctrl-C sends it to all processes of a terminal, does not end the manager's process."""
    assert _see_a_life(mp)["interrupted"] is True


@requirement("shared-memory.manager.shutdown-unlinks")
def test_shutdown_unlinks_all_blocks(mp):
    """After ``shutdown()`` no block that the manager created is there, a list of no items included."""
    seen = _see_a_life(mp)
    assert (seen["before"], seen["after"]) == ([True] * 4, [False] * 4)


@requirement("shared-memory.manager.shutdown-block-gone")
def test_shutdown_unlinks_what_is_left(mp):
    """When one of a manager's blocks has been unlinked, its shutdown unlinks the others."""
    assert _see_products(mp)["left"] == []


@requirement("shared-memory.manager.freed-without-shutdown")
def test_dropped_manager_unlinks_all_blocks(mp):
    """When nothing refers to a manager any more, or its program has ended, the blocks that it created are gone."""
    seen = _see_a_life(mp)
    assert (seen["held"], seen["dropped"]) == ([True] * 2, [False] * 2)
    assert (_see_a_program(mp)["made"], _see_a_program(mp)["left"]) == (2, [])


@requirement("shared-memory.manager.shutdown-stops-the-process")
def test_shutdown_stops_the_process(mp):
    """After ``shutdown()`` the process that ``start()`` had started is gone."""
    assert _see_a_life(mp)["runs"] == []


@requirement("shared-memory.manager.shutdown-leaves-other-blocks")
def test_shutdown_leaves_blocks_of_others(mp):
    """A block that was not created through the manager is there after ``shutdown()``."""
    assert _see_a_life(mp)["other"] is True


@remade
def _items_manager(mp):
    class ItemsManager(mp.managers.SharedMemoryManager):
        pass

    ItemsManager.register("Items", list)
    ItemsManager.register("Mapping", dict)
    return ItemsManager


def _pop_of_registered(manager):
    items = manager.Items([1, 2])
    return items.pop(), str(items), str(manager.Mapping([("a", 1)], b=2))


@observed_once
def _see_products(mp):
    """What a manager's methods give, and how the blocks are used; one is gone before the end."""
    kinds = (mp.shared_memory.SharedMemory, mp.shared_memory.ShareableList)
    manager = _items_manager(mp)(ctx=mp.context)
    with manager as entered:
        blocks = [manager.SharedMemory(128), manager.SharedMemory(size=5000)]
        seen = {
            "target": entered is manager,
            "blocks": [(isinstance(block, kinds[0]), block.size) for block in blocks],
            "empty": [outcome_of(manager.SharedMemory, size)[0] for size in (0, -1)],
            "written": [
                _write_last(mp, block, size)
                for block, size in zip(blocks, (128, 5000), strict=True)
            ],
        }
        made = [
            manager.ShareableList(range(2000)),
            manager.ShareableList("alpha"),
            manager.ShareableList(sequence=[1.5, None]),
            manager.ShareableList(()),
        ]
        seen["lists"] = [(isinstance(each, kinds[1]), list(each)) for each in made]
        seen["registered"] = outcome_of(_pop_of_registered, manager)
        blocks += [each.shm for each in made]
        for block in blocks:
            block.close()
        blocks[0].unlink()
    seen["left"] = [block.name for block in blocks if _exists(mp, block.name)]
    for name in seen["left"]:
        _unlink(mp, name)
    return seen


def _write_last(mp, block, size):
    """What an instance reads after another has written the last byte that was requested."""
    other = _attached(mp, block.name)
    other.buf[size - 1] = 17
    other.close()
    return block.buf[size - 1]


@requirement("shared-memory.manager.shared-memory.block")
def test_manager_creates_blocks(mp):
    """``SharedMemory(size)`` of a manager gives a new block, which others attach by its name; sizes are positive."""
    seen = _see_products(mp)
    assert [(is_block, size >= 128) for is_block, size in seen["blocks"]] == [(True, True)] * 2
    assert seen["blocks"][1][1] >= 5000
    assert seen["written"] == [17, 17]
    assert seen["empty"] == ["ValueError"] * 2


@requirement("shared-memory.manager.shareable-list.items")
def test_manager_creates_lists(mp):
    """``ShareableList(sequence)`` of a manager gives a new list of the sequence's values."""
    expected = [[*range(2000)], [*"alpha"], [1.5, None], []]
    assert _see_products(mp)["lists"] == [(True, items) for items in expected]


@requirement("shared-memory.manager.context-enter")
def test_with_starts_the_manager(mp):
    """``with manager as name`` binds the manager itself, which has been started."""
    assert _see_products(mp)["target"] is True


@requirement("shared-memory.manager.context-exit-unlinks")
def test_with_unlinks_all_blocks(mp):
    """When a with block has ended, by an exception too, the manager's blocks are gone."""
    names = []
    with raises(KeyboardInterrupt), _manager(mp) as manager:
        for block in (manager.SharedMemory(16), manager.ShareableList(range(3)).shm):
            names.append(block.name)
            block.close()
        assert [_exists(mp, name) for name in names] == [True, True]
        raise KeyboardInterrupt
    assert [_exists(mp, name) for name in names] == [False, False]


def _create_through(mp, address, authkey):
    manager = mp.managers.SharedMemoryManager(address=address, authkey=authkey)
    manager.connect()
    block = manager.SharedMemory(16)
    block.buf[:5] = b"howdy"
    block.close()
    items = manager.ShareableList([1]).shm
    items.close()
    return block.name, items.name


def _create_through_own(mp, authkey):
    """What is in a block that was created through a server of this process, and where that listens."""
    with tempfile.TemporaryDirectory() as folder:
        place = f"{folder}/socket"
        manager = mp.managers.SharedMemoryManager(address=place, authkey=authkey, ctx=mp.context)
        server = manager.get_server()
        is_there = server.address == place and os.path.exists(server.address)
        return is_there, _create_through_server(mp, server, authkey)


def _create_through_server(mp, server, authkey):
    threading.Thread(target=server.serve_forever, daemon=True).start()
    name, other = _create_through(mp, server.address, authkey)
    found = _read(mp, name, 5)
    _unlink(mp, name)
    _unlink(mp, other)
    return found


def _visit_managers(mp, address, authkey):
    return _create_through(mp, address, authkey), outcome_of(_create_through_own, mp, authkey)


@observed_once
def _see_connections(mp):
    """A child connects to its parent's manager, and to one of its own, whose key is not that of the processes."""
    manager = mp.managers.SharedMemoryManager(("127.0.0.1", 0), b"secret", ctx=mp.context)
    manager.start()
    names, own = ask(mp, _visit_managers, mp, manager.address, b"secret")
    seen = {"own": own, "found": _read(mp, names[0], 5)}
    with raises(mp.AuthenticationError):
        _create_through(mp, manager.address, bytes(mp.current_process().authkey))
    manager.shutdown()
    seen["left"] = [_exists(mp, name) for name in names]
    return seen


@requirement("shared-memory.manager.connect")
def test_another_process_connects_to_the_manager(mp):
    """What a child created through its parent's manager lives until the shutdown; another key is refused."""
    seen = _see_connections(mp)
    assert (seen["found"], seen["left"]) == (b"howdy", [False, False])


@requirement("shared-memory.manager.get-server-before-start")
def test_no_server_of_a_started_manager(mp):
    """``get_server()`` raises ProcessError once the manager was started, and when it was shut down."""
    assert _see_a_life(mp)["servers"] == ["ProcessError"] * 2


@requirement("shared-memory.manager.get-server")
def test_server_of_a_manager_in_this_process(mp):
    """The server that ``get_server()`` gives serves those who create blocks through it, at the manager's address."""
    assert _see_connections(mp)["own"] == ("returned", (True, b"howdy"))


def _store_squares(numbers, start, stop):
    for position in range(start, stop):
        numbers[position] = numbers[position] ** 2
    numbers.shm.close()


@requirement("shared-memory.manager.example.partial-results")
def test_example_of_partial_results(mp):
    """Two children store results in the halves of a manager's list; their parent sums them up."""
    with _manager(mp) as manager:
        numbers = manager.ShareableList(range(20))
        processes = [
            mp.Process(target=_store_squares, args=(numbers, start, start + 10))
            for start in (0, 10)
        ]
        for process in processes:
            process.start()
        for process in processes:
            process.join()
        assert sum(numbers) == sum(number**2 for number in range(20))
        numbers.shm.close()


# What lists hold

SAMPLES = ["howdy", b"HoWdY", -273.154, 100, None, True, 42]


@requirement("shared-memory.list.types")
def test_values_keep_type_and_value(mp):
    """Each of the six types comes out as it went in."""
    made = _list(mp, [*SAMPLES, False, 0, 0.0, "", b""])
    read = [made[position] for position in range(12)]
    assert read == [*SAMPLES, False, 0, 0.0, "", b""]
    assert [type(value) for value in read] == [
        *(str, bytes, float, int, type(None), bool, int),
        *(bool, int, float, str, bytes),
    ]
    _free_lists(made)
    values = [" text \t\n", b" bytes \t\n", "text ", b"bytes ", b"\x80\xff\xfe", 0.1, -1, "\\ '\""]
    values += [float("inf"), float("-inf"), float("nan"), -0.0]
    made = _list(mp, values)
    assert [*map(repr, made)] == [*map(repr, values)]
    _free_lists(made)
    made = _list(mp, SAMPLES * 50)
    made[300] = None  # the last one of the 43rd time
    assert list(made) == [*SAMPLES * 42, *SAMPLES[:6], None, *SAMPLES * 7]
    _free_lists(made)


@requirement("shared-memory.list.int-range")
def test_integers_of_64_bits(mp):
    """The least and the greatest integer of 64 bits are stored, at first and by assignment."""
    made = _list(mp, [INT64_MAX, -INT64_MAX - 1, 0])
    made[2] = -INT64_MAX - 1
    assert list(made) == [INT64_MAX, -INT64_MAX - 1, -INT64_MAX - 1]
    _free_lists(made)


@requirement("shared-memory.list.int-too-large")
def test_larger_integers_are_refused(mp):
    """An integer of more than 64 bits is refused when the list is made, and by assignment."""
    for value in (INT64_MAX + 1, -INT64_MAX - 2):
        made = _list(mp, [17])
        with raises(Exception):
            made[0] = value
        _free_lists(made)
    _assert_refused(mp, INT64_MAX + 1)


def _assert_refused(mp, value):
    """No list is made of a value."""
    name = _novel_name()
    with raises(Exception):
        mp.shared_memory.ShareableList([value], name=name)
    if _exists(mp, name):  # which the documentation leaves open
        _unlink(mp, name)


@requirement("shared-memory.list.text-of-any-alphabet")
def test_text_of_any_alphabet(mp):
    """Text of any characters comes out as it went in."""
    values = ["grüße", "ая", "日本", "🎈", "x" * 40 + "é", "\ufeffx", "e\u0301"]
    made = _list(mp, values)
    assert list(made) == values
    _free_lists(made)


@requirement("shared-memory.list.text-of-many-bytes")
def test_text_of_many_bytes(mp):
    """Text whose characters take several bytes each comes out whole; that of 10M bytes is refused."""
    values = ["日本語の文字列", "🎈" * 9]
    made = _list(mp, values)
    assert list(made) == values
    _free_lists(made)
    _assert_refused(mp, "é" * (LIMIT // 2))


@requirement("shared-memory.list.large-items")
def test_large_items(mp):
    """Text and bytes of nearly the limit come out whole."""
    values = [1, "x" * (LIMIT - 100), b"y" * (LIMIT - 100), 2]
    made = _list(mp, values)
    assert equal(list(made), values)
    _free_lists(made)


@requirement("shared-memory.list.largest-items")
def test_largest_items(mp):
    """Text and bytes of one byte less than the limit come out whole."""
    for value in ("x" * (LIMIT - 1), b"y" * (LIMIT - 1)):
        made = _list(mp, [value])
        assert equal(made[0], value)
        _free_lists(made)


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
    made = _list(mp, [17, "text"])
    for position in (0, 1):
        with raises(Exception):
            made[position] = [1]
    assert list(made) == [17, "text"]
    _free_lists(made)


@requirement("shared-memory.list.in-shared-memory")
def test_shm_is_where_the_values_are(mp):
    """``shm`` is a SharedMemory; its bytes are the list's: another list is made by copying them."""
    first, second = _list(mp, ["abcdef", 1]), _list(mp, ["uvwxyz", 2])
    assert isinstance(first.shm, mp.shared_memory.SharedMemory)
    assert b"abcdef" in bytes(first.shm.buf)
    first.shm.buf[:] = second.shm.buf[:]
    assert list(first) == ["uvwxyz", 2]
    _free_lists(first)
    _free_lists(second)


@requirement("shared-memory.list.fixed-length")
def test_length_is_fixed(mp):
    """A list has no method that changes its length, and its items can't be deleted."""
    made = _list(mp, [1, 2])
    methods = ("append", "insert", "extend", "pop", "remove", "clear")
    assert [name for name in methods if hasattr(made, name)] == []
    with raises(Exception):
        del made[0]
    with raises(TypeError):
        made += [3]
    with raises(TypeError):
        made *= 2
    assert list(made) == [1, 2]
    _free_lists(made)


@requirement("shared-memory.list.no-slices")
def test_slicing_is_refused(mp):
    """Reading a slice raises, and so does assigning one."""
    made = _list(mp, [1, 2, 3])
    with raises(Exception):
        made[:2]
    with raises(Exception):
        made[:2] = [3, 4]
    assert list(made) == [1, 2, 3]
    _free_lists(made)


# The construction of lists


@requirement("shared-memory.list.sequence")
def test_sequence_fills_the_list(mp):
    """A list has the values of the range, list, tuple, text or bytes that it was made of."""
    for values in (range(5), [3, 1, 2], (None, "x"), "alpha", b"ab", memoryview(b"ab")):
        made = mp.shared_memory.ShareableList(values)
        assert list(made) == list(values)
        _free_lists(made)
    made = mp.shared_memory.ShareableList(sequence=[1])
    assert list(made) == [1]
    _free_lists(made)


@requirement("shared-memory.list.independent")
def test_lists_are_independent(mp):
    """Two lists of the same sequence, or one of the other, have a block each, and leave the sequence alone."""
    values = [1, 2]
    first, second = _list(mp, values), _list(mp, values)
    third = _list(mp, second)
    first[0], third[1] = 17, 18
    assert (list(first), list(second), values) == ([17, 2], [1, 2], [1, 2])
    assert list(third) == [1, 18]
    assert len({each.shm.name for each in (first, second, third)}) == 3
    for each in (first, second, third):
        _free_lists(each)


@requirement("shared-memory.list.empty")
def test_empty_list(mp):
    """A list of no items, or of no sequence, has the length 0, attached and unpickled as well."""
    made = _list(mp, [])
    other = mp.shared_memory.ShareableList(name=made.shm.name)
    unpickled = pickle.loads(pickle.dumps(made))
    assert (len(made), list(made), len(other), len(unpickled)) == (0, [], 0, 0)
    assert unpickled.shm.name == made.shm.name
    assert [struct.calcsize(each.format) for each in (made, other)] == [0, 0]
    assert (made.count(0), 0 in made) == (0, False)
    _free_lists(made, other, unpickled)
    name = _novel_name()
    made = mp.shared_memory.ShareableList((), name=name)
    assert (len(made), made.shm.name) == (0, name)
    _free_lists(made)
    made = mp.shared_memory.ShareableList()
    assert list(made) == []
    _free_lists(made)


@requirement("shared-memory.list.name-given")
def test_list_is_made_under_a_name(mp):
    """With a sequence and a name the new list's block has that name; without, or with ``None``, a novel one."""
    name = _novel_name()
    make = mp.shared_memory.ShareableList
    lists = make([1, 2], name=name), make([3], name=None), make([4])
    names = [each.shm.name for each in lists]
    assert (len({*names, ""}), names[0]) == (4, name)
    assert [_exists(mp, each) for each in names] == [True] * 3
    assert [list(each) for each in lists] == [[1, 2], [3], [4]]
    for each in lists:
        _free_lists(each)


@requirement("shared-memory.list.name-taken")
def test_list_is_not_made_under_a_taken_name(mp):
    """A new list under the name of another raises FileExistsError, and leaves the other as it is."""
    made = _list(mp, [1, "text"])
    with raises(FileExistsError):
        mp.shared_memory.ShareableList([2, "more"], name=made.shm.name)
    other = mp.shared_memory.ShareableList(name=made.shm.name)
    assert list(other) == list(made) == [1, "text"]
    _free_lists(made, other)


@requirement("shared-memory.list.name-keyword-only")
def test_name_is_not_given_by_position(mp):
    """A second positional argument is refused, with TypeError."""
    with raises(TypeError):
        mp.shared_memory.ShareableList([1, 2], _novel_name())


@requirement("shared-memory.list.attach")
def test_list_is_attached_by_its_name(mp):
    """With a name, and no sequence or None, the existing list is attached."""
    made = _list(mp, SAMPLES)
    others = [
        mp.shared_memory.ShareableList(name=made.shm.name),
        mp.shared_memory.ShareableList(None, name=made.shm.name),
        mp.shared_memory.ShareableList(sequence=None, name=made.shm.name),
    ]
    assert [list(other) for other in others] == [SAMPLES] * 3
    assert {other.shm.name for other in others} == {made.shm.name}
    _free_lists(made, *others)
    made = _list(mp, range(3000))
    other = mp.shared_memory.ShareableList(name=made.shm.name)
    assert list(other) == list(range(3000))
    _free_lists(made, other)


@requirement("shared-memory.list.attach-no-copy")
def test_attached_lists_share_their_items(mp):
    """Changes through one of two attached lists are seen through the other, types included."""
    first = _list(mp, range(5))
    second = mp.shared_memory.ShareableList(name=first.shm.name)
    second[-1] = -999
    first[0] = "text"
    first[1] = 1.5
    assert list(first) == list(second) == ["text", 1.5, 2, 3, -999]
    _free_lists(first, second)


@requirement("shared-memory.list.attach-missing")
def test_attaching_a_missing_list_is_refused(mp):
    """Attaching a list by a name that no block has raises FileNotFoundError."""
    with raises(FileNotFoundError):
        mp.shared_memory.ShareableList(name=_novel_name())


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
    made = _list(mp, range(5))
    assert ask(mp, _reverse, mp, made.shm.name) == [0, 1, 2, 3, 4]
    assert list(made) == [4, 3, 2, 1, 0]
    _free_lists(made)


def _replace(items, value):
    for position in range(len(items)):
        items[position] = value
    items.shm.close()


@requirement("shared-memory.list.argument")
def test_list_is_passed_to_a_child(mp):
    """What a child does to the list that it was passed is seen by its parent."""
    made = _list(mp, ["text", 1, None])
    run(mp, _replace, made, 17)
    assert list(made) == [17, 17, 17]
    _free_lists(made)


# Items of lists


@requirement("shared-memory.list.trailing-nul")
def test_last_nuls_are_kept_or_stripped(mp):
    """Text and bytes with NULs at the end come out with or without them."""
    made = _list(mp, ["?\0", b"\3\2\1\0\0\0", "\0", b"in\0side\0"])
    assert [value.rstrip("\0") for value in (made[0], made[2])] == ["?", ""]
    assert [value.rstrip(b"\0") for value in (made[1], made[3])] == [b"\3\2\1", b"in\0side"]
    assert [len(value) <= most for value, most in zip(made, (2, 6, 1, 8), strict=True)] == [
        True
    ] * 4
    _free_lists(made)


@requirement("shared-memory.list.padded-nul")
def test_padded_nuls_are_kept(mp):
    """NULs before another byte are kept."""
    made = _list(mp, ["?\0\7", b"\3\2\1\0\0\0\7", "\0x", b"\0\0x"])
    assert list(made) == ["?\0\7", b"\3\2\1\0\0\0\7", "\0x", b"\0\0x"]
    assert (made[0][:-1], made[1][:-1]) == ("?\0", b"\3\2\1\0\0\0")
    _free_lists(made)


@requirement("shared-memory.list.set-item")
def test_items_are_assigned(mp):
    """Assigned values are read back, and the neighbours keep theirs."""
    made = _list(mp, [1, 2.5, None, True])
    for position, value in ((1, -78.5), (0, None), (2, 7), (3, -1.5), (1, False), (2, -0.0)):
        before = list(made)
        made[position] = value
        before[position] = value
        assert list(map(repr, made)) == list(map(repr, before))
    _free_lists(made)
    values = [1, 2.5, None, True, 0, 0.0, False]
    for first in values:
        made = _list(mp, [first, "neighbour"])
        for value in values:
            for each in (value, first):
                made[0] = each
                assert repr(list(made)) == repr([each, "neighbour"])
        _free_lists(made)


@requirement("shared-memory.list.set-other-type")
def test_items_change_their_type(mp):
    """A short text takes the place of a number, bytes that of text, a number that of bytes."""
    made = _list(mp, [1, -273.154, 3])
    for value in ("dry ice", b"dry", 4.5, "ice", None, 17):
        made[1] = value
        assert (made[1], type(made[1])) == (value, type(value))
    assert (made[0], made[2]) == (1, 3)
    _free_lists(made)
    made = _list(mp, ["", b"", "12345678", b"12345678", 5])
    for position in range(4):
        for value in (-INT64_MAX, 0.1, True, None):
            expected = list(made)
            made[position] = expected[position] = value
            assert list(made) == expected
    _free_lists(made)


@requirement("shared-memory.list.storage-of-a-number")
def test_storage_of_a_number(mp):
    """Eight bytes take the place of a number, a truth value or None; nine do not."""
    made = _list(mp, [17, 1.5, True, None, "neighbour"])
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
    _free_lists(made, *others)


@requirement("shared-memory.list.set-too-large")
def test_too_large_values_are_refused(mp):
    """Text and bytes that exceed the item's storage raise ValueError, and change nothing."""
    made = _list(mp, [1.5, "dry ice", b"ice", 4])
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
    _free_lists(made, *others)


def _others(mp, made):
    """A list that has been attached by name, and one that was pickled."""
    return mp.shared_memory.ShareableList(name=made.shm.name), pickle.loads(pickle.dumps(made))


@requirement("shared-memory.list.set-up-to-storage")
def test_storage_keeps_its_size(mp):
    """After a shorter text an item still takes one as long as the first, attached and unpickled as well."""
    made = _list(mp, ["first text of all", b"first bytes of all"])
    made[0], made[1] = "", 5
    made[0], made[1] = "other text of all", b"other bytes of all"
    assert list(made) == ["other text of all", b"other bytes of all"]
    made[0], made[1] = "", b""
    others = _others(mp, made)
    for other in others:
        other[0], other[1] = "third text of all", b"third bytes of all"
        assert list(made) == ["third text of all", b"third bytes of all"]
        other[0], other[1] = "", None
    _free_lists(made, *others)
    made = _list(mp, ["text that is long", b"bytes that are long", "neighbour"])
    made[0], made[1] = 5, None
    others = _others(mp, made)
    for other in others:
        assert list(other) == [5, None, "neighbour"]
        other[1] = b"other, also long"
        assert list(made) == [5, b"other, also long", "neighbour"]
        other[1] = None
    _free_lists(made, *others)


@requirement("shared-memory.list.negative-index")
def test_negative_indices(mp):
    """Negative indices count from the end."""
    made = _list(mp, ["a", 2, 3.5, None, b"e"])
    assert [made[-5], made[-4], made[-3], made[-1]] == ["a", 2, 3.5, b"e"]
    made[-1] = 17
    made[-5] = None
    assert list(made) == [None, 2, 3.5, None, 17]
    _free_lists(made)
    made = _list(mp, ["a", b"b", "c", b"d"])
    made[-1], made[-3], made[-4] = b"w", b"x", "y"
    assert list(made) == ["y", b"x", "c", b"w"]
    with raises(ValueError):
        made[-2] = "z" * 100
    _free_lists(made)


@requirement("shared-memory.list.index-out-of-range")
def test_indices_outside_the_list(mp):
    """An index outside the list raises IndexError, to read and to assign."""
    made = _list(mp, [1, 2])
    with raises(IndexError):
        made[2]
    with raises(IndexError):
        made[2] = 1
    assert list(made) == [1, 2]
    _free_lists(made)


@requirement("shared-memory.list.negative-index-out-of-range")
def test_indices_before_the_list(mp):
    """A negative index that is too low raises IndexError, to read and to assign."""
    made = _list(mp, [1, 2])
    for position in (-3, -4):
        with raises(IndexError):
            made[position]
        with raises(IndexError):
            made[position] = 1
    assert list(made) == [1, 2]
    _free_lists(made)


@requirement("shared-memory.list.iteration")
def test_iteration(mp):
    """A list is iterated over in order, any number of times."""
    made = _list(mp, [3, 1, 2])
    assert [list(made), [*made], sum(made)] == [[3, 1, 2], [3, 1, 2], 6]
    assert [value in made for value in (1, 2.0, 4, "1", None)] == [True, True, False, False, False]
    assert [*reversed(made)] == [2, 1, 3]
    _free_lists(made)


@requirement("shared-memory.list.len")
def test_length(mp):
    """``len()`` is the number of items."""
    for count in (1, 7, 100):
        made = _list(mp, range(count))
        other = mp.shared_memory.ShareableList(name=made.shm.name)
        assert (len(made), len(other), other[count - 1]) == (count, count, count - 1)
        _free_lists(made, other)


@requirement("shared-memory.list.count")
def test_count(mp):
    """``count()`` gives how many items equal a value."""
    made = _list(mp, [b"HoWdY", 7, "x", 7, 7.0, None])
    counts = [made.count(value) for value in (b"HoWdY", b"howdy", "HoWdY", 7, None, "x", 8)]
    assert counts == [1, 0, 0, 3, 1, 1, 0]
    assert made.count(value=7) == 3
    other = mp.shared_memory.ShareableList(name=made.shm.name)
    made[1], other[2] = 8, None
    assert [each.count(value) for each in (made, other) for value in (7, 8, None)] == [2, 1, 2] * 2
    _free_lists(made, other)


@requirement("shared-memory.list.index")
def test_index(mp):
    """``index()`` gives the first position of a value that is equal."""
    made = _list(mp, [5, "x", 42, "x", 42])
    assert [made.index(value) for value in (5, "x", 42)] == [0, 1, 2]
    assert made.index(value=42) == 2
    other = mp.shared_memory.ShareableList(name=made.shm.name)
    made[0], other[1] = 42, 5
    assert [each.index(value) for each in (made, other) for value in (5, "x", 42)] == [1, 3, 0] * 2
    _free_lists(made, other)
    made = _list(mp, [5, None, 0, "", 42.0])
    assert [made.index(value) for value in (5.0, None, False, "", 42)] == [0, 1, 2, 3, 4]
    _free_lists(made)


@requirement("shared-memory.list.index-missing")
def test_index_of_a_missing_value(mp):
    """``index()`` of a value that no item equals raises ValueError."""
    made = _list(mp, [5, "x"])
    for value in (6, "y", b"x", None):
        with raises(ValueError):
            made.index(value)
    _free_lists(made)


@requirement("shared-memory.list.format")
def test_format_describes_the_values(mp):
    """``format`` is a struct format that has a field of the right kind for every value."""
    for value, field in ((17, "q"), (1.5, "d"), ("text", "s"), (b"bytes", "s"), (True, "?")):
        made = _list(mp, [value])
        assert field in made.format
        assert len(struct.unpack(made.format, bytes(struct.calcsize(made.format)))) == 1
        _free_lists(made)
    made = _list(mp, ["longer text", 17, 2.5, b"", "grüße", b"and bytes", 4])
    other = mp.shared_memory.ShareableList(name=made.shm.name)
    letters = ["".join(filter(str.isalpha, each.format)) for each in (made, other)]
    assert letters == ["sqdsssq"] * 2
    # There is room for all of each text.
    stored = [each.encode() if isinstance(each, str) else each for each in made]
    values = struct.unpack(made.format, struct.pack(made.format, *stored))
    assert [each.rstrip(b"\0") if isinstance(each, bytes) else each for each in values] == stored
    _free_lists(made, other)
    made = _list(mp, [None, None, True])
    assert len(struct.unpack(made.format, bytes(struct.calcsize(made.format)))) == 3
    _free_lists(made)


@requirement("shared-memory.list.format-follows")
def test_format_follows_the_values(mp):
    """``format`` changes when an item gets a value of another type."""
    made = _list(mp, [17, 17])
    before = made.format
    other = mp.shared_memory.ShareableList(name=made.shm.name)
    assert other.format == before
    made[0] = 2.5
    assert "".join(filter(str.isalpha, made.format)) == "dq"
    assert other.format == made.format
    made[0] = 18
    assert made.format == before
    _free_lists(made, other)


@requirement("shared-memory.list.format-read-only")
def test_format_is_not_set(mp):
    """Setting ``format`` raises AttributeError, and leaves it."""
    made = _list(mp, [17])
    _assert_read_only(made, "format")
    _free_lists(made)


@requirement("shared-memory.list.repr")
def test_representation(mp):
    """The representation shows the values and the name."""
    made = _list(mp, [0, "x", None])
    assert repr(made) == f"ShareableList([0, 'x', None], name={made.shm.name!r})"
    made[0] = 1.5
    assert repr(made) == f"ShareableList([1.5, 'x', None], name={made.shm.name!r})"
    _free_lists(made)
    made = _list(mp, range(200))
    assert repr(made) == f"ShareableList({[*range(200)]}, name={made.shm.name!r})"
    _free_lists(made)


@requirement("shared-memory.list.pickle")
def test_unpickled_list_is_the_same_list(mp):
    """A pickled and unpickled list has the same items; changes of either are seen in both."""
    made = _list(mp, range(10))
    other = pickle.loads(pickle.dumps(made))
    assert list(other) == list(range(10))
    made[0], other[1] = -1, -2
    assert list(made) == list(other) == [-1, -2, *range(2, 10)]
    assert other.shm.name == made.shm.name
    _free_lists(made, other)


@requirement("shared-memory.list.pickle-by-name")
def test_pickled_list_is_found_by_its_name(mp):
    """Unpickling a list whose block is gone raises."""
    made = _list(mp, range(10))
    data = pickle.dumps(made)
    _free_lists(made)
    with raises(Exception):
        pickle.loads(data)


@requirement("shared-memory.list.close-ends-access")
def test_closed_list_gives_no_access(mp):
    """After ``shm.close()`` items can't be read or assigned."""
    made = _list(mp, [1, 2])
    made.shm.close()
    with raises(Exception):
        made[0]
    with raises(Exception):
        made[0] = 1
    made.shm.unlink()


@requirement("shared-memory.create.name-with-nul")
def test_name_is_not_cut_off_at_a_null_character(mp):
    """A name with a null character is refused; no block of the part before it is made."""
    name = _novel_name()
    try:
        made = _new(mp, name=name + "\0tail")
    except ValueError:
        made = None
    else:
        _free(made)
    assert made is None
    assert not _exists(mp, name)


@requirement("shared-memory.track.name-with-colon")
def test_tracker_destroys_blocks_of_any_name(mp):
    """A block whose name has colons vanishes after the end of the program that left it, with lines between as well."""
    for name in (":with:colons", "\nwith:a:line\n"):
        _until_destroyed(mp, f"{_novel_name()}{name}")


def _until_destroyed(mp, name):
    """Wait until a block is gone that a program has left behind."""
    from mpspec.observing import wait_until
    from mpspec.programs import call

    try:
        call(_leave_behind, mp, name, {}, timeout=mp.timeout)
        wait_until(lambda: not _there(mp, name), mp.timeout / 3, "destroyed")
    finally:
        if _there(mp, name):
            _free(mp.shared_memory.SharedMemory(name, track=False))


@requirement("shared-memory.track.name-of-any-alphabet")
def test_tracker_destroys_blocks_of_any_alphabet(mp):
    """A block whose name has letters beyond ASCII vanishes after the end of the program that left it."""
    _until_destroyed(mp, f"{_novel_name()}-größe-尺寸")


@requirement("shared-memory.list.set-too-large")
def test_text_is_measured_by_its_bytes(mp):
    """Text of as many characters as fit, whose bytes do not, raises ValueError, and changes nothing."""
    made = _list(mp, ["dry ice", 1, "neighbour"])
    for position in (0, 1):
        with raises(ValueError):
            made[position] = "🎈" * 7
    assert list(made) == ["dry ice", 1, "neighbour"]
    _free_lists(made)


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
    _assert_runs_without_a_word(mp, _FAIL_TO_CREATE)
