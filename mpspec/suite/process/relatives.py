"""Tests of current_process(), parent_process() and active_children()."""

import itertools
import os
import signal
import sys
import threading

from mpspec.children import (
    CallerThread,
    observed_once,
    outcome_of,
    raises,
    start_to_end_together,
    waits,
)
from mpspec.marks import requirement
from mpspec.suite.process.helpers import (
    do_nothing,
    exit_after_word,
    is_gone,
    is_ready,
    ready_of,
    subclassed,
)
from mpspec.suite.process.observed import (
    facts_of_pair,
    seen_at_import,
    seen_of_kin,
    terminated,
    told_by_kin,
)


@requirement("process.current.in-main")
def test_current_process(mp):
    """``current_process()`` gives one object."""
    assert mp.current_process() is mp.current_process()
    assert mp.current_process().is_alive() is True


@requirement("process.current.pid-in-main")
def test_current_process_has_its_pid(mp):
    """``current_process().pid`` is ``os.getpid()``, in a process that no Process object started too, in any thread."""
    assert mp.current_process().pid == mp.current_process().ident == os.getpid()
    assert CallerThread(mp, mp, "current_process").result() is mp.current_process()


@requirement("process.current.is-own-object")
def test_current_process_is_the_object(mp):
    """In a child ``current_process()`` is the object whose run() is running, a subclass's too."""
    assert subclassed(mp)[2] is True


@requirement("process.current.in-child")
def test_current_process_in_a_child(mp):
    """A child finds itself as its parent knows it, and alive; a thread of it finds the same object, alive too."""
    itself = told_by_kin(mp, "plain", "itself")
    assert itself["ids"][:2] == [seen_of_kin(mp, "plain", "pid")] * 2
    assert itself["name"] == seen_of_kin(mp, "plain", "name")
    assert (itself["same"], itself["in a thread"]) == (True, True)
    assert itself["alive"] == [("returned", True)] * 2


@requirement("process.current.name-at-import")
def test_name_while_a_child_imports_the_main_module(mp):
    """``current_process().name`` is the name that the child was given."""
    assert seen_at_import(mp)[0] == "Ann"


@requirement("process.current.main-thread")
def test_main_thread_of_a_child(mp):
    """The thread that runs a child's target is ``threading.main_thread()``, and has the native id of its own."""
    assert told_by_kin(mp, "plain", "threads") == [True, True]


@requirement("process.parent.in-child")
def test_parent_process(mp):
    """A child finds its parent, alive, and no daemon though it is one itself; a thread of it finds the same object."""
    for kind in ("plain", "daemon"):
        found = told_by_kin(mp, kind, "parent")
        assert found[:3] == [os.getpid(), os.getpid(), True]
        assert found[4:] == [True, False]


@requirement("process.parent.name")
def test_name_of_the_parent(mp):
    """``parent_process().name`` is the name that the parent has."""
    assert told_by_kin(mp, "plain", "parent")[3] == mp.current_process().name


def _watch_parent(mp, connection):
    parent = mp.parent_process()
    connection.send([os.getpid(), parent.pid, parent.name])
    connection.recv()
    for timeout in (0, -1):
        parent.join(timeout=timeout)
    connection.send(outcome_of(waits, parent.join))
    connection.send([parent.is_alive(), outcome_of(ready_of, mp, [parent], 0)])
    parent.join()
    connection.send([parent.is_alive(), outcome_of(ready_of, mp, [parent], mp.timeout)])


def _have_watcher(mp, connection):
    mp.Process()  # whose parent's name does not tell that of another's
    mp.current_process().name = "renamed"
    mp.Process(target=_watch_parent, args=(mp, connection)).start()
    connection.close()
    signal.pause()


def _watched_parent(mp):
    """A process with a child, which speaks through the connection."""
    ours, theirs = mp.Pipe()
    process = mp.Process(target=_have_watcher, args=(mp, theirs), name="at first")
    process.start()
    theirs.close()
    return process, ours


def _kill_watched(mp, process, connection, watcher):
    """What the child's join() in vain gives; what it thinks of the parent's life, before and after that is killed."""
    from mpspec.observing import wait_until_asleep

    connection.send("join a while")
    joined, before = connection.recv(), connection.recv()
    wait_until_asleep(watcher, watcher, mp.timeout)
    assert not connection.poll(), "join() did not wait"
    process.kill()
    after = connection.recv()
    process.join()
    with raises(EOFError):  # the child has ended
        connection.recv()
    return joined, [before, after]


@observed_once
def _watch(mp):
    """What a child's child finds its parent to be, and the parent's pid."""
    process, connection = _watched_parent(mp)
    watcher, *found = connection.recv()
    return process.pid, found, *_kill_watched(mp, process, connection, watcher)


@requirement("process.parent.of-grandchild")
def test_parent_of_a_grandchild(mp):
    """A child's child finds the child, by its pid and the name that it has."""
    pid, found, *_ = _watch(mp)
    assert found == [pid, "renamed"]


@requirement("process.parent.end-is-seen")
def test_end_of_the_parent(mp):
    """A child joins its parent: a short timeout passes, then the end comes, and it is not alive."""
    _, _, joined, seen = _watch(mp)
    assert joined == ("returned", None)
    assert [alive for alive, _ in seen] == [True, False]


@requirement("process.parent.sentinel")
def test_sentinel_of_the_parent(mp):
    """The sentinel of the parent is ready when that has ended, and not before."""
    assert [ready for _, ready in _watch(mp)[3]] == [("returned", []), ("returned", [0])]


@requirement("process.active-children.lists-living")
def test_active_children(mp):
    """``active_children()`` lists two living children, and a child finds no sibling, a daemon or not, among its own."""
    facts = facts_of_pair(mp)
    assert facts["listed"]
    assert facts["listed after a timeout"]
    assert facts["listed after the end"] == [True, False]
    # What is found out of one, and closed, is of no matter for the other.
    assert [facts["listed when asked"], facts["listed after a close"]] == [True, True]
    # The second was started while the first and a daemon went on.
    assert [told_by_kin(mp, kind, "itself")["active"] for kind in ("plain", "named")] == [0, 0]


@requirement("process.active-children.of-all-threads")
def test_active_children_of_threads(mp):
    """A living child that a thread has started is active for the main thread, and for a third one.

    So is the child's child, alone, for the child.
    """
    assert terminated(mp)[4] == [True, True, True]


@requirement("process.active-children.is-a-list")
def test_active_children_gives_a_list(mp):
    """``active_children()`` gives a list, which may be emptied: the next has them all again."""
    facts = facts_of_pair(mp)
    assert (facts["emptied"], facts["listed after all"]) == (True, True)


@requirement("process.active-children.excludes-ended")
def test_active_children_without_the_ended(mp):
    """``active_children()`` leaves out a child that has ended, joined or not."""
    from mpspec.observing import wait_until

    process = mp.Process(target=do_nothing)
    process.start()
    wait_until(lambda: process not in mp.active_children(), mp.timeout, "the child not active")
    process.join()
    assert process not in mp.active_children()


def _ended_together(mp, count, code):
    """Children that have ended, and that nobody has asked whether they have."""
    from mpspec.observing import has_ended, wait_until

    processes = start_to_end_together(mp, count, code)
    for process in processes:
        assert is_ready(process.sentinel, mp.timeout)
        wait_until(lambda process=process: has_ended(process.pid), mp.timeout, "the child ended")
    return processes


@requirement("process.active-children.while-others-close")
def test_active_children_while_another_thread_closes(mp):
    """active_children() meets no error though another thread closes one that has ended at each third of its lines."""
    processes = _ended_together(mp, 4, code=0)
    left, lines, package = list(processes), itertools.count(1), mp.package.__name__
    closers = []

    def close_another(frame, event, _argument):
        if not frame.f_globals["__name__"].startswith(package):
            return None
        if left and event == "line" and next(lines) % 3 == 0:
            closer = threading.Thread(target=outcome_of, args=(left.pop().close,))
            closer.start()
            closer.join(mp.timeout / 10)
            if closer.is_alive():  # it has to wait until the call is over, and so would the others
                closers.append(closer)
                left.clear()
        return close_another

    before = sys.gettrace()
    sys.settrace(close_another)
    try:
        outcome = outcome_of(mp.active_children)
    finally:
        sys.settrace(before)
    for closer in closers:
        closer.join()
    for process in processes:
        outcome_of(process.join)  # unless it was closed
    assert outcome[0] == "returned"


@requirement("process.active-children.joins-finished")
def test_active_children_joins(mp):
    """An ended child, a daemon, that nobody joined is no zombie after ``active_children()``; its exit code is known."""
    from mpspec.observing import wait_until

    waiting, tell = mp.Pipe(duplex=False)
    process = mp.Process(target=exit_after_word, args=(waiting, 4), daemon=True)
    process.start()
    tell.send("end")
    wait_until(lambda: process not in mp.active_children(), mp.timeout, "the child not active")
    # A fork server, whose child it is, may be a moment behind.
    wait_until(lambda: is_gone(process.pid), mp.timeout / 5, "the child gone")
    assert process.exitcode == 4


@requirement("process.active-children.joins-finished")
def test_active_children_joins_all(mp):
    """One call leaves out, and joins, all of three children that have ended."""
    from mpspec.observing import wait_until

    processes = _ended_together(mp, 3, code=4)
    assert set(processes).isdisjoint(mp.active_children())
    wait_until(lambda: all(is_gone(each.pid) for each in processes), mp.timeout / 5, "all gone")
    assert [process.exitcode for process in processes] == [4, 4, 4]
