"""Tests of daemons, and of children that are none."""

import functools
import os
import signal
import sys

from mpspec.children import observed_once, outcome_of
from mpspec.marks import requirement
from mpspec.programs import call
from mpspec.suite.process.helpers import (
    EXCEPTIONS,
    do_nothing,
    ignore_sigterm,
    let_handlers_run,
    raise_type,
    raise_uncaught,
    redirected,
)
from mpspec.suite.process.observed import life, seen_of_kin, told_by_kin


@requirement("process.daemon.is-boolean")
def test_daemon_flag(mp):
    """The flag is False unless somebody asks for a daemon."""
    assert mp.Process().daemon is False


@requirement("process.daemon.set-before-start")
def test_daemon_set(mp):
    """A flag set before ``start()`` is what the child sees; it may be set to either value, and set again."""
    process = mp.Process(daemon=True)
    for flag in (False, True, False):
        process.daemon = flag
        assert process.daemon is flag
    assert told_by_kin(mp, "daemon", "itself")["daemon"] is True
    assert seen_of_kin(mp, "daemon", "daemon") is True


@requirement("process.daemon.not-after-start")
def test_daemon_set_too_late(mp):
    """Setting the flag after ``start()``, to either value, raises and leaves the flag alone; after the end as well."""
    facts = life(mp)
    kinds = {kind for kind, _ in (*facts["while running"]["daemon"], facts["daemon at end"])}
    assert kinds <= {"AssertionError", "RuntimeError", "ValueError"}
    assert facts["unharmed"]["daemon"] == ("returned", False)


@requirement("process.daemon.ended-at-parent-exit")
def test_daemons_end_with_their_parent(mp):
    """Three daemons that would wait for ever are gone when their parent has ended."""
    words, exitcode = _daemons_of_returning(mp)
    assert (words[-1], exitcode) == ("gone", 0)


@requirement("process.daemon.ended-after-failure")
def test_daemon_ends_with_a_failing_parent(mp, tmp_path):
    """A daemon is gone when its parent has ended by an exception, be it KeyboardInterrupt, or by ``sys.exit()``."""
    path = tmp_path / "stderr"
    fails = [functools.partial(redirected, raise_type, path, kind) for kind in EXCEPTIONS[:2]]
    ends = (*fails, functools.partial(sys.exit, 3))
    parents = [_start_parent_of_daemons(mp, end) for end in ends]
    found = [_end_parent_of_daemons(mp, *parent) for parent in parents]
    expected = [("gone", 1), ("gone", 1), ("gone", 3)]
    assert [(words[-1], exitcode) for words, exitcode in found] == expected


def _tell_sigterm(sender):
    """In a daemon: send the number of the signal that ends it."""

    def tell(number, _frame):
        sender.send(number)
        os._exit(0)

    signal.signal(signal.SIGTERM, tell)
    sender.send("the daemon runs")
    let_handlers_run()


def _be_parent_of_daemons(mp, number, sender, go, end):
    for _ in range(number):
        daemon = mp.Process(target=_tell_sigterm, args=(sender,))
        daemon.daemon = True
        daemon.start()
    go.recv()
    end()


def _start_parent_of_daemons(mp, end, number=1):
    receiver, sender = mp.Pipe(duplex=False)
    go, let_go = mp.Pipe(duplex=False)
    parent = mp.Process(target=_be_parent_of_daemons, args=(mp, number, sender, go, end))
    parent.start()
    sender.close()
    for _ in range(number):
        assert receiver.recv() == "the daemon runs"
    return parent, receiver, let_go


def _end_parent_of_daemons(mp, parent, receiver, let_go):
    """What daemons send after their parent has ended by some call, and the parent's exit code."""
    let_go.send("end")
    parent.join()
    words = []
    # Neither the parent nor a daemon lives, or one of them would hold the other end.
    while receiver.poll(mp.timeout / 5):
        try:
            words.append(receiver.recv())
        except EOFError:
            return [*words, "gone"], parent.exitcode
    return [*words, "lives"], parent.exitcode


@observed_once
def _daemons_of_returning(mp):
    return _end_parent_of_daemons(mp, *_start_parent_of_daemons(mp, do_nothing, 3))


@requirement("process.daemon.sigterm-at-parent-exit")
def test_daemons_are_ended_by_sigterm(mp):
    """The signal that each of three daemons gets at its parent's exit is SIGTERM."""
    assert _daemons_of_returning(mp)[0][:3] == [signal.SIGTERM] * 3


@requirement("process.daemon.no-children")
def test_daemon_has_no_children(mp):
    """``start()`` in a daemonic process raises, in any thread, be the new process daemonic, as by default, or not.

    By whatever context it was made.
    """
    outcomes = told_by_kin(mp, "daemon", "start")
    assert "returned" not in outcomes
    assert len(outcomes) == 6


@requirement("process.daemon.no-pool-nor-manager")
def test_daemon_has_no_pool_nor_manager(mp):
    """``Pool(1)`` and ``Manager()`` in a daemonic process raise."""
    outcomes = told_by_kin(mp, "daemon", "manager and pool")
    assert "returned" not in outcomes
    assert len(outcomes) == 2


def _start_daemon(mp, target, sender):
    mp.Process(target=target, args=(sender,), daemon=True).start()
    sender.recv()


@requirement("process.daemon.not-joined-by-child")
def test_child_does_not_join_its_daemon(mp):
    """A child has ended while its daemon, which ignores SIGTERM, goes on."""
    from mpspec.observing import join_unless_asleep

    ours, theirs = mp.Pipe()
    parent = mp.Process(target=_start_daemon, args=(mp, ignore_sigterm, theirs))
    parent.start()
    daemon = ours.recv()
    ours.send("end")
    join_unless_asleep(parent)
    exitcode = parent.exitcode
    os.kill(daemon, signal.SIGKILL)
    parent.join()
    assert exitcode == 0


def _send_pid_after_word(waiting, sender):
    waiting.recv()
    sender.send(os.getpid())


def _leave_children_behind(mp, waiting, sender, end):
    for each in waiting:
        mp.Process(target=_send_pid_after_word, args=(each, sender)).start()
    sender.send("run ends")
    end()


@requirement("process.non-daemonic.joined-at-parent-exit")
def test_children_are_joined_at_exit(mp, tmp_path):
    """A process that has returned from run() lives on until the last of its three children has ended.

    So does one whose run() ended by sys.exit(), or by an exception.
    """
    # In an order for which it is too little to wait for the first alone, the last alone, or every second one.
    assert _exit_code_after_children(mp, int, (2, 0, 1)) == 0
    assert _exit_code_after_children(mp, sys.exit, (0,)) == 0
    fail = functools.partial(redirected, raise_uncaught, tmp_path / "stderr")
    assert _exit_code_after_children(mp, fail, (0,)) == 1


def _exit_code_after_children(mp, end, order):
    """The exit code of a process that ends so, and whose children then are let end in that order."""
    from mpspec.observing import has_ended, wait_until, wait_until_asleep

    receiver, sender = mp.Pipe(duplex=False)
    waiting, tell = zip(*[mp.Pipe(duplex=False) for _ in order], strict=True)
    process = mp.Process(target=_leave_children_behind, args=(mp, waiting, sender, end))
    process.start()
    sender.close()
    assert receiver.recv() == "run ends"
    process.join(0.05)
    for each in (tell[number] for number in order):
        assert process.is_alive()
        # It waits: the interpreter's own end, which takes a while too, does not sleep.
        wait_until_asleep(process.pid, process.pid, mp.timeout / 5)
        each.send("end")
        child = receiver.recv()
        wait_until(lambda child=child: has_ended(child), mp.timeout, "a child ended")
    process.join()
    return process.exitcode


EXIT = """
import gc, os, signal
from mpspec.observing import has_ended, join_unless_asleep, wait_until

def say(*words):
    # In one piece: others speak at the same time.
    os.write(1, (" ".join(map(str, words)) + "\\n").encode())

def tell_end(number, frame):
    say("daemon: signal", number)
    os._exit(0)

def be_daemon(connection):
    signal.signal(signal.SIGTERM, tell_end)
    connection.send("ready")
    parent = mp.parent_process()
    while parent.is_alive():
        parent.join(0.02)
    say("daemon: left alone")

def stay(connection, gone):
    signal.signal(signal.SIGTERM, lambda number, frame: say("daemon: signal", number))
    connection.send("ready")
    parent = mp.parent_process()
    if gone.poll(mp.timeout):
        child = gone.recv()
        wait_until(lambda: has_ended(child), mp.timeout, "the child ended")
        # Nothing is left for the parent to do but to end: to sleep on is to wait.
        join_unless_asleep(parent)
        say("daemon: parent", "waits" if parent.is_alive() else "has ended")

def go_on(connection, going):
    connection.send("ready")
    connection.recv()
    parent = mp.parent_process()
    parent.join(0.15)
    say("child: parent alive", parent.is_alive())
    going.send(os.getpid())
    os._exit(0)

if __name__ == "__main__":
    getattr(mp, "get_logger", list)()  # to log is no reason to end otherwise
    ours, theirs = mp.Pipe()
    gone, going = mp.Pipe(duplex=False)
    processes = [
        mp.Process(target=be_daemon, args=(theirs,), daemon=True),
        mp.Process(target=stay, args=(theirs, gone), daemon=True),
        mp.Process(target=go_on, args=(theirs, going), daemon=True),
    ]
    processes[2].daemon = False
    for process in processes:
        process.start()
    for _ in processes:
        ours.recv()
    del process, processes  # that nothing refers to them is the package's matter
    gc.collect()
    ours.send("the program ends")
"""


# What its daemon says when it is ended, and its children of the program, which ends by an exception: the one waits for
# the daemon's end, the other for that of the one. The context of the quickest method has started daemon and other.
EXCEPTION = """
import os, signal

def be_daemon(connection, told):
    def tell_end(number, frame):
        os.write(1, b"daemon ended\\n")
        told.send("ended first")
        os._exit(0)

    signal.signal(signal.SIGTERM, tell_end)
    connection.send("ready")
    mp.parent_process().join()

def go_on(connection, hear, tell):
    connection.send("ready")
    connection.recv()
    try:
        word = hear.recv() if hear.poll(mp.timeout / 5) else "goes on"
    except EOFError:  # nobody has told it to end: it has found its parent gone
        word = "was left alone"
    os.write(1, f"daemon {word}\\n".encode())
    tell_of_parent()
    tell.send("the other ends")

def outlive(connection, hear):
    connection.send("ready")
    hear.poll(mp.timeout / 5)
    tell_of_parent()

def tell_of_parent():
    parent = mp.parent_process()
    parent.join(0.07)
    os.write(1, b"parent waits\\n" if parent.is_alive() else b"parent has ended\\n")

if __name__ == "__main__":
    ours, theirs = mp.Pipe()
    hear, told = mp.Pipe(duplex=False)
    hear_last, tell_last = mp.Pipe(duplex=False)
    quickest = "fork" if "fork" in mp.get_all_start_methods() else None
    processes = [
        mp.get_context(quickest).Process(target=be_daemon, args=(theirs, told)),
        mp.Process(target=go_on, args=(theirs, hear, tell_last)),
        mp.get_context(quickest).Process(target=outlive, args=(theirs, hear_last)),
    ]
    processes[0].daemon = True
    for process in processes:
        process.start()
    for _ in processes:
        ours.recv()
    ours.send("the program ends")
    raise LookupError
"""


@observed_once
def _lines_at_exit(mp):
    """What the children of a program tell that has come to its end, and those of one that an exception has ended."""
    from mpspec.programs import run_script

    return [run_script(mp, program).stdout.splitlines() for program in (EXIT, EXCEPTION)]


@requirement("process.non-daemonic.joined-at-program-exit")
def test_program_waits_for_its_children(mp):
    """The main process lives as long as its children do, which nobody has joined, be it ended by an exception.

    By whatever context they were started.
    """
    lines, by_exception = _lines_at_exit(mp)
    assert "child: parent alive True" in lines
    assert by_exception.count("parent waits") == 2


@requirement("process.daemon.ended-at-program-exit")
def test_program_ends_its_daemons(mp):
    """Both daemons of a program that has come to its end get SIGTERM, and so does that of one that fails."""
    lines, by_exception = _lines_at_exit(mp)
    assert lines.count(f"daemon: signal {int(signal.SIGTERM)}") == 2
    assert by_exception.count("daemon ended") == 1


@requirement("process.daemon.ended-before-others-are-joined")
def test_program_ends_its_daemons_first(mp):
    """A child of a program that has come to its end hears that its daemon gets SIGTERM, and only then ends."""
    assert "daemon ended first" in _lines_at_exit(mp)[1]


@requirement("process.daemon.not-joined-at-exit")
def test_program_does_not_join_its_daemons(mp):
    """A daemon that SIGTERM does not end sees the end of the program, whose child it has waited for."""
    assert "daemon: parent has ended" in _lines_at_exit(mp)[0]


def _errors_when_optimized(mp):
    """In an interpreter that leaves out assert statements: what is refused."""
    process = mp.Process(target=do_nothing)
    process.start()
    late = outcome_of(setattr, process, "daemon", True)[0]
    process.join()
    return [late != "returned", process.daemon]


@requirement("process.daemon.not-after-start-when-optimized")
def test_daemon_set_too_late_when_optimized(mp):
    """Setting the flag after ``start()`` raises with the interpreter's option -O, too."""
    assert call(_errors_when_optimized, mp, timeout=mp.timeout, options=("-O",)) == [True, False]
