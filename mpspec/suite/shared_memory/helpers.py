"""What several modules of the chapter shared_memory use."""

import os

from mpspec.children import ask, observed_once, outcome_of, raises

INT64_MAX = 2**63 - 1


def new(mp, size=16, **keywords):
    return mp.shared_memory.SharedMemory(create=True, size=size, **keywords)


def attached(mp, name, **keywords):
    return mp.shared_memory.SharedMemory(name, **keywords)


def new_list(mp, sequence):
    return mp.shared_memory.ShareableList(sequence)


def free(block, *others):
    """Close all, and unlink the first."""
    for each in (block, *others):
        each.close()
    block.unlink()


def free_lists(made, *others):
    free(made.shm, *(other.shm for other in others))


def novel_name():
    return f"mpspec_{os.urandom(4).hex()}"


def block_exists(mp, name):
    """Whether there is a block of that name; asking leaves it as it is."""
    try:
        block = attached(mp, name)
    except FileNotFoundError:
        return False
    block.close()
    return True


def read_block(mp, name, length):
    block = attached(mp, name)
    data = bytes(block.buf[:length])
    block.close()
    return data


def _visit(mp, name):
    block = attached(mp, name)
    found = bytes(block.buf[:5])
    block.buf[5:8] = b"you"
    block.close()
    return found, outcome_of(_leave_a_new_one, mp)


def _leave_a_new_one(mp):
    block = new(mp)
    block.close()
    return block.name


@observed_once
def see_a_visit(mp):
    """A child reads, writes and closes a block that its parent has, and makes another; the parent goes on."""
    block = new(mp)
    block.buf[:5] = b"howdy"
    found, visitors = ask(mp, _visit, mp, block.name)
    seen = {"child reads": found, "child wrote": bytes(block.buf[5:8])}
    seen["names"] = [visitors, outcome_of(_leave_a_new_one, mp)]
    for name in {value for kind, value in seen["names"] if kind == "returned"}:
        unlink_block(mp, name)
    block.buf[0] = ord("H")
    seen["parent goes on"] = bytes(block.buf[:8])
    other = attached(mp, block.name)
    seen["attached again"] = bytes(other.buf[:8])
    free(block, other)
    return seen


def assert_runs_without_a_word(mp, source):
    from mpspec.programs import run_script

    done = run_script(mp, source)
    assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")


def unlink_block(mp, name):
    block = attached(mp, name)
    block.close()
    block.unlink()


def assert_read_only(subject, attribute):
    before = getattr(subject, attribute)
    with raises(AttributeError):
        setattr(subject, attribute, before)
    assert getattr(subject, attribute) == before
