"""Tests of the resource tracker, and of the temporary directory."""

import contextlib
import os
import signal
import threading

from mpspec.children import observed_once, outcome_of, run
from mpspec.marks import requirement
from mpspec.programs import call
from mpspec.suite.contexts.helpers import (
    default_facts,
    facts_of_program,
    make_and_destroy,
    nothing,
    pids_of_helpers,
    server_facts,
    what_is_left,
)


@requirement("contexts.tracker.ignores-signals")
def test_tracker_outlives_signals(mp):
    """The resource tracker is there after SIGINT and SIGTERM."""
    assert facts_of_program(mp, server_facts)["trackers"] == [1, True]


@requirement("contexts.tracker.started-anew")
def test_tracker_is_started_anew(mp):
    """After the resource tracker was killed a segment can be made and destroyed."""
    assert facts_of_program(mp, server_facts)["made"] == "returned"


@requirement("contexts.tracker.one-for-all")
def test_children_use_the_tracker_of_their_program(mp, companion):
    """A child that makes a segment starts no process for that."""
    import psutil

    pid = companion.ask(make_and_destroy, mp)
    assert psutil.Process(pid).children() == []


# Where the system keeps what has a name, and is shared.
_SHARED = "/dev/shm"  # noqa: S108


def _leave(mp):
    """Make the primitives, and a segment: gives them, the files that are their semaphores, if any, and its name."""
    primitives = [mp.Lock(), mp.RLock(), mp.Semaphore(2), mp.BoundedSemaphore(2)]
    primitives += [mp.Condition(), mp.Event(), mp.Barrier(2)]
    with open("/proc/self/maps") as file:
        inodes = {int(line.split()[4]) for line in file if _SHARED in line}
    files = [each.path for each in os.scandir(_SHARED) if each.inode() in inodes]
    kind, segment = outcome_of(lambda: mp.shared_memory.SharedMemory(create=True, size=16))
    return (primitives, segment), files, segment.name if kind == "returned" else None


def _outlive(mp, connection, files, name):
    """In a child: tell what it leaves, and what is there of the main process's when that was killed; be killed too."""
    import json

    _kept, *left = _leave(mp)
    connection.send(left)
    with contextlib.suppress(EOFError):
        connection.recv()
    threading.Event().wait(0.05)  # a tracker that goes by the main process acts now
    attached, _ = outcome_of(lambda: mp.shared_memory.SharedMemory(name))
    os.write(1, json.dumps([all(map(os.path.exists, files)), attached]).encode())
    os.kill(os.getpid(), signal.SIGKILL)


def leave_and_be_killed(mp):
    """In a program: tell what it and its child leave, and of its helpers' pids; be killed before the child is."""
    import json

    _kept, *left = _leave(mp)
    ours, theirs = mp.Pipe()
    process = mp.Process(target=_outlive, args=(mp, theirs, *left))
    process.start()
    theirs.close()
    (files, name), (childs_files, childs_name) = left, ours.recv()
    names, helpers = [name, childs_name], sorted(pids_of_helpers() - {process.pid})
    os.write(1, json.dumps([[*files, *childs_files], names, helpers]).encode() + b"\n")
    os.kill(os.getpid(), signal.SIGKILL)


@requirement("contexts.tracker.unlinks-leftovers")
def test_leftovers_are_unlinked(mp):
    """The segments of a killed program and its killed child are gone when both have ended; the child has attached one.

    That of the main process, after its end.
    """
    from mpspec.observing import wait_until

    _, names, *_, attached = what_is_left(mp)
    assert attached == "returned"
    paths = [f"{_SHARED}/{name}" for name in names]
    wait_until(
        lambda: not any(map(os.path.exists, paths)), mp.timeout / 2, f"segments {names} gone"
    )


@requirement("contexts.tracker.unlinks-semaphores")
def test_semaphores_of_a_killed_program_are_unlinked(mp):
    """The files of the semaphores that a killed program and its killed child had, if they are files, are gone.

    Those of the main process were there as long as the child went on.
    """
    from mpspec.observing import wait_until

    files, _, _, there, _ = what_is_left(mp)
    assert there
    wait_until(lambda: not any(map(os.path.exists, files)), mp.timeout / 2, f"{files} gone")


TIDY = """
import os

reader, writer = os.pipe()

def take(lock):
    lock.acquire()

if __name__ == "__main__":
    segment = mp.shared_memory.SharedMemory(create=True, size=8)
    lock = mp.Lock()
    process = mp.Process(target=take, args=(lock,))
    process.start()
    process.join()
    segment.close()
    segment.unlink()
    if os.fork() == 0:
        os.close(writer)
        os.read(reader, 1)  # until its parent has ended
    elif os.fork() > 0:
        os.wait()
"""


@observed_once
def _end_of_tidy_program(mp):
    """How a program ends that unlinks its segment, uses a lock, and forks children by itself."""
    from mpspec.programs import run_script

    done = run_script(mp, TIDY)
    return done.returncode, done.stderr


@requirement("contexts.tracker.nothing-left")
def test_tidy_program_leaves_nothing(mp):
    """A program that unlinks its segment, and has used a lock, ends with no word of leaks on its error stream."""
    status, text = _end_of_tidy_program(mp)
    assert (status, "leak" in text) == (0, False)


@requirement("contexts.tracker.children-of-os-fork")
def test_tracker_and_children_of_os_fork(mp):
    """A program ends without a word though one child that it forked lives on, and another has ended before."""
    assert _end_of_tidy_program(mp) == (0, "")


BUSY = """
import signal

def use_segment():
    segment = mp.shared_memory.SharedMemory(create=True, size=1)
    segment.close()
    segment.unlink()

def interrupt(number, frame):
    use_segment()
    locks.pop()
    if locks:
        signal.setitimer(signal.ITIMER_REAL, 0.0005)  # the next one when this has returned

if __name__ == "__main__":
    use_segment()
    locks = [mp.Lock() for _ in range(150)]
    signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.0005)
    while locks:
        use_segment()
        mp.Lock()
    print("done")
"""


@requirement("contexts.tracker.used-at-any-moment")
def test_tracker_is_used_amid_its_use(mp):
    """A signal's handler drops locks, makes segments and destroys them whenever it comes, while the program does so."""
    from mpspec.programs import run_script

    done = run_script(mp, BUSY)
    assert (done.returncode, done.stdout) == (0, "done\n")
    assert "Traceback" not in done.stderr


def _use_sockets(mp):
    """In a new interpreter: what needs the address of a socket, and the default start method."""
    code = run(mp, nothing).exitcode
    with mp.connection.Listener(family="AF_UNIX") as listener:
        mp.connection.Client(listener.address).close()
    with mp.Manager() as manager:
        return [code, manager.list([1])[:], mp.package.get_start_method()]


@requirement("contexts.temporary-directory.long")
def test_temporary_directory_with_a_long_path(mp, monkeypatch):
    """Children, listeners and managers work though TMPDIR's path nearly fills a socket's address, or is too long."""
    import tempfile

    default = facts_of_program(mp, default_facts)["default"]
    # Known limits were wrong by one (at 80), and by four (from 76 on).
    for length in (76, 78, 80, 120):
        # Beside the prefix there are a slash and eight random letters.
        prefix = "l" * max(1, length - len(tempfile.gettempdir()) - 9)
        with tempfile.TemporaryDirectory(prefix=prefix) as folder:
            monkeypatch.setenv("TMPDIR", folder)
            assert call(_use_sockets, mp, timeout=mp.timeout) == [0, [1], default]
