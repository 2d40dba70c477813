"""Tests of how a process waits for another: join(), is_alive(), sentinel."""

import functools
import os
import signal
import sys
import threading

from mpspec.children import (
    HUGE,
    CallerThread,
    Interrupted,
    Interruption,
    among_signals,
    ask,
    outcome_of,
    raises,
    until_all_blocked,
    value_of,
    within,
)
from mpspec.marks import requirement
from mpspec.suite.process.helpers import (
    ENOUGH,
    SHORT,
    Waiting,
    do_nothing,
    in_a_thread,
    is_ready,
    joined_in_time,
    send_after_word,
    send_arguments,
)
from mpspec.suite.process.observed import facts_of_pair, killed, life, reaped, terminated


@requirement("process.join.blocks-until-end")
def test_join_blocks(mp):
    """When ``join()`` returns, all that the child did has been done."""
    receiver, sender = mp.Pipe(duplex=False)
    waiting, tell = mp.Pipe(duplex=False)
    process = mp.Process(target=send_after_word, args=(waiting, sender))
    process.start()
    process.join(0.01)
    assert not receiver.poll()
    tell.send("end")
    process.join()
    assert receiver.poll()
    assert not process.is_alive()


@requirement("process.join.timeout-elapses")
def test_join_with_a_timeout_that_elapses(mp):
    """``join(timeout)`` comes back when the time is over, though the process goes on."""
    outcome, alive, exitcode = joined_in_time(mp)[SHORT]
    _, took = value_of(outcome)
    # The clocks of a timeout and of this test may tick differently.
    assert took > SHORT / 2
    assert alive is True
    assert exitcode is None


@requirement("process.join.timeout-zero")
def test_join_with_zero(mp):
    """``join(0)`` of a living process comes back at once, and leaves it alive."""
    outcome, alive, _ = joined_in_time(mp)[0]
    returned, _ = value_of(outcome)
    assert returned is None
    assert alive is True


@requirement("process.join.timeout-negative")
def test_join_with_a_negative_timeout(mp):
    """``join(-1)`` of a living process comes back at once, and leaves it alive."""
    outcome, alive, _ = joined_in_time(mp)[-1]
    returned, _ = value_of(outcome)
    assert returned is None
    assert alive is True


@requirement("process.join.timeout-any-number")
def test_join_with_a_fraction(mp):
    """``join()`` with a Fraction comes back when the time is over."""
    outcome, alive, _ = joined_in_time(mp)["fraction"]
    returned, took = value_of(outcome)
    assert took > SHORT / 2
    assert (returned, alive) == (None, True)


@requirement("process.join.timeout-huge")
def test_join_with_a_huge_timeout(mp):
    """``join()`` with five weeks, and with the longest timeout that ``threading`` takes, waits for the end."""
    child = Waiting(mp)
    callers = [CallerThread(mp, child.process, "join", timeout) for timeout in HUGE]
    blocked = [outcome_of(caller.until_blocked) for caller in callers]
    child.end()
    assert [outcome_of(caller.result) for caller in callers] == [("returned", None)] * 2
    assert blocked == [("returned", None)] * 2


@requirement("process.join.timeout-cut-short")
def test_join_with_a_timeout_that_is_not_needed(mp):
    """``join(timeout)`` of a process that ends comes back at its end."""
    process = mp.Process(target=do_nothing)
    process.start()
    # A timeout beyond the test's own deadline: waiting for all of it is a hang.
    process.join(1000 * mp.timeout)
    assert not process.is_alive()


@requirement("process.join.none-means-no-timeout")
def test_join_with_none(mp):
    """``join(None)`` waits for the end, given by position or as ``timeout``."""
    receiver, sender = mp.Pipe(duplex=False)
    for give in (lambda process: process.join(None), lambda process: process.join(timeout=None)):
        process = mp.Process(target=send_arguments, args=(sender, "done"))
        process.start()
        give(process)
        assert not process.is_alive()
        assert receiver.recv() == (("done",), {})


@requirement("process.join.returns-none")
def test_join_returns_none(mp):
    """``join`` gives None when the timeout is over, when the process has ended, and later."""
    facts = joined_in_time(mp)
    assert [value_of(facts[timeout][0])[0] for timeout in (0, SHORT)] == [None, None]
    assert facts["returned"] is None
    assert life(mp)["join"] == [None] * 4


@requirement("process.join.exitcode-tells")
def test_exitcode_after_join(mp):
    """``exitcode`` is None after a timeout, and the exit code after the end."""
    facts = joined_in_time(mp)
    assert (facts[SHORT][2], facts["exitcode"]) == (None, 3)


@requirement("process.join.signals")
def test_join_that_a_signal_interrupts(mp):
    """``join`` ends by what a signal's handler raises, and goes on when the handler returns, with a timeout or not.

    As long as the timeout says, and no longer.
    """
    for arguments in ((), (mp.timeout,)):
        child = Waiting(mp)
        with Interrupted(mp, raising=Interruption), raises(Interruption):
            child.process.join(*arguments)
        assert child.process.is_alive()
        join = functools.partial(child.process.join, SHORT)
        assert within(ENOUGH, functools.partial(among_signals, join)) is None
        assert child.process.is_alive()
        with Interrupted(mp, then=functools.partial(child.tell.send, "end")) as handled:
            assert child.process.join(*arguments) is None
        assert (handled, child.process.is_alive()) == ([signal.SIGUSR1], False)


@requirement("process.join.many-times")
def test_join_again(mp):
    """``join()`` of a joined process returns, with any timeout."""
    facts = life(mp)
    assert facts["join"] == [None] * 4
    assert facts["ended"]["is_alive"] == ("returned", False)


def _join_self(mp):
    mp.current_process().join()


@requirement("process.join.not-itself")
def test_join_itself(mp):
    """A child that joins itself gets an exception, and so does the main process."""
    with raises(Exception):
        ask(mp, _join_self, mp)
    with raises(Exception):
        _join_self(mp)


@requirement("process.join.not-itself-in-a-thread")
def test_join_itself_in_a_thread(mp):
    """A thread that joins the main process's own object gets an exception, as the main thread does."""
    with raises(Exception):
        CallerThread(mp, mp.current_process(), "join").result()


@requirement("process.join.not-before-start")
def test_join_before_start(mp):
    """``join()`` of a process that was not started raises."""
    with raises(AssertionError, RuntimeError, ValueError):
        mp.Process(target=do_nothing).join()


_foreign = None


def _try_foreign(method):
    value = getattr(_foreign, method)
    return value() if callable(value) else value


def _ask_about_foreign(mp, method):
    """What a method of a running process object comes to in a forked child that inherits it."""
    global _foreign
    child = Waiting(mp)
    _foreign = child.process
    receiver, sender = mp.Pipe(duplex=False)
    process = mp.Process(target=_send_outcome, args=(sender, method))
    process.start()
    outcome = receiver.recv()
    process.join()
    _foreign = None
    assert child.process.is_alive()
    child.end()
    return outcome[0]


def _send_outcome(sender, method):
    sender.send(outcome_of(_try_foreign, method))


@requirement("process.join.only-by-creator")
def test_join_in_another_process(mp):
    """A forked child can't join its sibling."""
    assert _ask_about_foreign(mp, "join") != "returned"


@requirement("process.is-alive.before-start")
def test_not_alive_before_start(mp):
    """``is_alive()`` is False for a process that was not started."""
    assert mp.Process(target=do_nothing).is_alive() is False


@requirement("process.is-alive.from-start")
def test_alive_after_start(mp):
    """``is_alive()`` is True while the child goes on."""
    facts = life(mp)
    assert facts["running"]["is_alive"] == facts["unharmed"]["is_alive"] == ("returned", True)


@requirement("process.is-alive.stopped")
def test_alive_while_stopped(mp):
    """A process that SIGSTOP holds up is alive and active, and has no exit code."""
    assert terminated(mp)[5] == (True, None, True)


@requirement("process.is-alive.after-end")
def test_not_alive_after_the_end(mp):
    """``is_alive()`` becomes False without a join, asked by another thread as well."""
    from mpspec.observing import wait_until

    child = Waiting(mp)
    child.tell.send("end")
    is_alive = functools.partial(in_a_thread, mp, child.process.is_alive)
    wait_until(lambda: is_alive() is False, mp.timeout, "the process not alive")
    child.process.join()
    assert child.process.is_alive() is False


@requirement("process.is-alive.only-by-creator")
def test_is_alive_in_another_process(mp):
    """A forked child can't ask whether its sibling is alive."""
    assert _ask_about_foreign(mp, "is_alive") != "returned"


@requirement("process.is-alive.reaped-elsewhere")
def test_is_alive_though_others_reaped_it(mp):
    """``is_alive()`` is False of a child that ``os.waitpid`` has reaped, and ``terminate()`` does nothing."""
    alive, active, signalled = reaped(mp)
    assert (alive, active) == (False, False)
    assert signalled[1:] == [("returned", None)] * 2


@requirement("process.sentinel.is-descriptor")
def test_sentinel_is_a_descriptor(mp):
    """``sentinel`` is an open descriptor."""
    facts = life(mp)
    kind, sentinel = facts["running"]["sentinel"]
    assert kind == "returned"
    assert isinstance(sentinel, int)
    assert facts["while running"]["sentinel"] == ("returned", True)


@requirement("process.sentinel.not-ready-while-running")
def test_sentinel_while_running(mp):
    """``select``, ``poll`` and ``epoll`` do not find the sentinel of a living process ready."""
    assert life(mp)["while running"]["ready"] == ("returned", [False] * 3)


@requirement("process.sentinel.ready-at-end")
def test_sentinel_at_the_end(mp):
    """``select``, ``poll`` and ``epoll`` find the sentinel ready when the process has ended."""
    assert life(mp)["ready at end"] == ("returned", [True] * 3)


@requirement("process.sentinel.with-connection-wait")
def test_sentinel_with_wait(mp):
    """``connection.wait`` gives the sentinel of the one process that has ended."""
    facts = facts_of_pair(mp)
    assert facts["none ready"] == ("returned", [])
    assert facts["ready"] == ("returned", [1])


@requirement("process.sentinel.stays-ready")
def test_sentinel_after_join(mp):
    """The sentinel of a joined process is still ready, after ``terminate()`` and ``kill()`` as well."""
    looks = [*life(mp)["ready after join"], terminated(mp)[7], killed(mp)[7]]
    assert looks == [("returned", [True] * 3)] * 4


def _fork_and_die(sender):
    if os.fork() == 0:
        # A plain child of the child's, which knows nothing of the backend, with all its descriptors.
        sender.send(os.getpid())
        signal.pause()
    signal.pause()


@requirement("process.sentinel.grandchild-does-not-delay")
def test_sentinel_with_a_living_grandchild(mp):
    """The sentinel is ready when the process was killed, before and after it is joined, though a descendant lives."""
    receiver, sender = mp.Pipe(duplex=False)
    process = mp.Process(target=_fork_and_die, args=(sender,))
    process.start()
    grandchild = receiver.recv()
    os.kill(process.pid, signal.SIGKILL)
    # Microseconds are enough; an implementation that departs costs the whole wait.
    ready = is_ready(process.sentinel, mp.timeout / 100)
    if ready:  # else join() may wait for the descendant's end
        process.join()
        ready = is_ready(process.sentinel, mp.timeout / 100)
    os.kill(grandchild, signal.SIGKILL)
    process.join()
    assert ready


def _become_another_program(sender):
    """In a child: go on as another program, which says that it is there, and sleeps."""
    descriptor = sender.fileno()
    os.set_inheritable(descriptor, True)
    program = f"import os, signal; os.write({descriptor}, b'here'); signal.pause()"
    arguments = [sys.executable, "-I", "-S", "-c", program]
    os.execv(sys.executable, arguments)  # noqa: S606 - the way of doing it that is meant


@requirement("process.sentinel.program-replaced")
def test_sentinel_of_a_process_that_runs_another_program(mp):
    """The sentinel is quiet, and join() with a timeout gives up, while a child goes on that has called ``os.exec``."""
    receiver, sender = mp.Pipe(duplex=False)
    process = mp.Process(target=_become_another_program, args=(sender,))
    process.start()
    try:
        assert is_ready(receiver.fileno(), mp.timeout)
        assert not is_ready(process.sentinel, 0)
        process.join(SHORT)
        assert process.exitcode is None
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.join()
    assert process.exitcode == -signal.SIGKILL


@requirement("process.sentinel.not-before-start")
def test_no_sentinel_before_start(mp):
    """``sentinel`` raises ValueError before ``start()``."""
    process = mp.Process(target=do_nothing)
    with raises(ValueError):
        process.sentinel  # noqa: B018 - reading it is the test


def _join_and_look(process, found):
    process.join()
    found.append((process.exitcode, process.is_alive()))


@requirement("process.join.by-several-threads")
def test_join_by_several_threads(mp):
    """Each of several threads that wait for a process finds its exit code."""
    from mpspec.observing import wait_until_asleep

    # Where a race decides, three of three go well now and then.
    for _ in range(10):
        child, found = Waiting(mp), []
        threads = [
            threading.Thread(target=_join_and_look, args=(child.process, found)) for _ in range(8)
        ]
        for thread in threads:
            thread.start()
            wait_until_asleep(os.getpid(), thread.native_id, mp.timeout)
        child.tell.send("end")
        for thread in threads:
            thread.join()
        assert found == [(0, False)] * 8


@requirement("process.join.several-threads-return")
def test_join_by_several_threads_returns(mp):
    """Each of several threads that wait for a process returns when it has ended, whatever they find then."""
    child = Waiting(mp)
    callers = [CallerThread(mp, child.process, "join") for _ in range(3)]
    until_all_blocked(callers)
    child.tell.send("end")
    assert [caller.result() for caller in callers] == [None] * 3
