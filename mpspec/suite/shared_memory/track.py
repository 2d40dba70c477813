"""Tests of the tracking of blocks."""

import os
import signal
import sys
import tempfile

from mpspec.children import observed_once, raises, run
from mpspec.marks import requirement
from mpspec.suite.shared_memory.helpers import (
    assert_runs_without_a_word,
    attached,
    block_exists,
    free,
    new,
    novel_name,
    see_a_visit,
    unlink_block,
)


@requirement("shared-memory.track.keyword-only")
def test_track_is_not_given_by_position(mp):
    """A fourth positional argument is refused, with TypeError."""
    block = new(mp, track=True)
    with raises(TypeError):
        mp.shared_memory.SharedMemory(block.name, False, 16, True)
    free(block)


@requirement("shared-memory.track.accepted")
def test_blocks_work_with_and_without_tracking(mp):
    """With ``track=True`` and ``track=False`` blocks are created, attached, closed and unlinked, without a word."""
    for track in (True, False):
        block = new(mp, track=track)
        other = attached(mp, block.name, track=track)
        block.buf[0] = 17
        assert other.buf[0] == 17
        free(block, other)
        assert not block_exists(mp, block.name)
    assert_runs_without_a_word(mp, _USE_UNTRACKED)


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

    name = novel_name()
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

    name = novel_name()
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

    name = novel_name()
    call(_leave_behind, mp, name, {"track": False}, timeout=mp.timeout)
    block = mp.shared_memory.SharedMemory(name, track=False)
    free(block)


@requirement("shared-memory.track.child-leaves")
def test_block_stays_when_a_child_that_attached_it_ends(mp):
    """A child that attached a block and ended has not taken it away."""
    assert see_a_visit(mp)["attached again"] == b"Howdyyou"


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
    return block_exists(mp, name)


def _let_children_leave(mp, names, ends):
    """What is there when a child has left a block, before this program used any, when another has, and its child."""
    assert mp.shared_memory, "imported as yet, not used"
    first = _let_a_child_leave(mp, names[0], ends)
    if first:
        unlink_block(mp, names[0])
    free(new(mp))
    grandchilds = _let_a_child_leave(mp, names[2], ends, run, mp)
    if grandchilds:
        unlink_block(mp, names[2])
    return [first, _let_a_child_leave(mp, names[1], ends), grandchilds]


@observed_once
def _see_what_children_left(mp):
    """A program whose children leave blocks, and a child's child: which were there, and the name of one left."""
    from mpspec.programs import call

    names = [novel_name() for _ in range(3)]
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

    block = new(mp)
    block.buf[0] = 17
    assert call(_only_attach, mp, block.name, {"track": False}, timeout=mp.timeout) == 17
    other = attached(mp, block.name)
    assert other.buf[0] == 17
    free(block, other)


@requirement("shared-memory.track.left-is-destroyed")
def test_what_a_program_left_is_destroyed(mp):
    """A block and a list's that a program did not unlink vanish after its end, though all its processes got SIGTERM."""
    from mpspec.observing import wait_until

    for name in _end_by_signal(mp, signal.SIGTERM):
        wait_until(lambda name=name: not block_exists(mp, name), mp.timeout, f"{name} destroyed")
        free(new(mp, name=name))  # the account that was kept of it here is closed as well


@requirement("shared-memory.track.forked-child-outlives-program")
def test_program_does_not_wait_for_a_forked_child(mp):
    """A program ends, without a word, while a child that it forked lives on; so does the child, later."""
    assert_runs_without_a_word(mp, _FORK)


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


@requirement("shared-memory.track.name-with-colon")
def test_tracker_destroys_blocks_of_any_name(mp):
    """A block whose name has colons vanishes after the end of the program that left it, with lines between as well."""
    for name in (":with:colons", "\nwith:a:line\n"):
        _until_destroyed(mp, f"{novel_name()}{name}")


def _until_destroyed(mp, name):
    """Wait until a block is gone that a program has left behind."""
    from mpspec.observing import wait_until
    from mpspec.programs import call

    try:
        call(_leave_behind, mp, name, {}, timeout=mp.timeout)
        wait_until(lambda: not _there(mp, name), mp.timeout / 3, "destroyed")
    finally:
        if _there(mp, name):
            free(mp.shared_memory.SharedMemory(name, track=False))


@requirement("shared-memory.track.name-of-any-alphabet")
def test_tracker_destroys_blocks_of_any_alphabet(mp):
    """A block whose name has letters beyond ASCII vanishes after the end of the program that left it."""
    _until_destroyed(mp, f"{novel_name()}-größe-尺寸")
