"""Tests of Event."""

import os
import signal
import time
import warnings

from mpspec.children import AT_ONCE, Caller, CallerThread, run, until_all_blocked, within
from mpspec.marks import requirement
from mpspec.stepwise import slowly
from mpspec.suite.synchronization.helpers import (
    AGES,
    ENOUGH,
    MOMENT,
    NEARLY,
    run_out_in_a_thread,
    woken_at_each_step,
)


@requirement("synchronization.event.false-at-first")
def test_new_event_is_not_set(mp):
    """is_set() of a new event is False."""
    assert mp.Event().is_set() is False


@requirement("synchronization.event.is-set.alias")
def test_is_set_by_its_old_name(mp):
    """isSet() is False of a new event, and True after set()."""
    assert_set_by_old_name(mp.Event())


def assert_set_by_old_name(event):
    """What isSet() tells of a new event, before and after set()."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        before = event.isSet()
        event.set()
        assert (before, event.isSet()) == (False, True)


@requirement("synchronization.event.set.makes-true")
def test_set_event_is_set(mp):
    """is_set() is True, however often it is asked, after set(), and after a second one."""
    event = mp.Event()
    event.set()
    found = [event.is_set(), event.is_set()]
    event.set()
    assert [*found, event.is_set(), event.is_set()] == [True] * 4


@requirement("synchronization.event.set.seen-by-others")
def test_event_is_set_for_all_processes(mp):
    """A child finds set what its parent has set, and the parent what the child has set.

    When another child has cleared both, the two wait for each other.
    """
    asked, answered, not_asked = mp.Event(), mp.Event(), mp.Event()
    asked.set()
    run(mp, _answer, asked, answered, not_asked)
    assert answered.is_set()
    assert answered.wait(0) is True
    # Cleared by who has not looked, and set by another.
    not_asked.clear()
    assert not_asked.is_set() is False
    # It was cleared by another process than the one that has found it set, or has set it.
    child = Caller(mp, _Answering(asked, answered), "clear_and_answer")
    child.until_blocked()
    assert answered.is_set() is False
    assert answered.wait(0) is False
    waiter = CallerThread(mp, answered, "wait")
    waiter.until_blocked()
    asked.set()
    assert [asked.is_set(), child.result(), waiter.result()] == [True] * 3


class _Answering:
    """Clears events, and sets one when the other is set again."""

    def __init__(self, asked, answered):
        self.asked = asked
        self.answered = answered

    def clear_and_answer(self):
        self.answered.clear()
        self.asked.clear()
        found = self.asked.wait()
        self.answered.set()
        return found


def _answer(asked, answered, not_asked):
    not_asked.set()
    if asked.is_set() and asked.wait(0):
        answered.set()


@requirement("synchronization.event.set.wakes-all")
def test_set_wakes_processes_and_threads(mp):
    """set() ends wait() in another process, and in 40 threads, with True."""
    event = mp.Event()
    waiters = [Caller(mp, event, "wait")]
    waiters += [CallerThread(mp, event, "wait") for _ in range(40)]
    until_all_blocked(waiters)
    event.set()
    assert [waiter.result() for waiter in waiters] == [True] * 41
    assert event.is_set() is True


@requirement("synchronization.event.set.wakes-all")
def test_event_is_set_as_a_wait_begins(mp):
    """At whatever moment of a wait() that begins another thread sets the event, it returns True; if slowly, too."""
    event = mp.Event()
    for found in woken_at_each_step(mp, "call", event.wait, event, "set"):
        assert found == (True, None)
        event.clear()
    event.clear()
    waiters = [CallerThread(mp, event, "wait", *timeout) for timeout in ((), (mp.timeout,))]
    until_all_blocked(waiters)
    slowly(event.set, waiters)
    assert [waiter.result() for waiter in waiters] == [True, True]


@requirement("synchronization.event.clear.makes-false")
def test_cleared_event_is_not_set(mp):
    """is_set() is False after clear(), however often set() was called, and after a second one."""
    event = mp.Event()
    event.set()
    event.set()
    event.clear()
    first = event.is_set()
    event.clear()
    assert [first, event.is_set()] == [False, False]


@requirement("synchronization.event.clear.wait-blocks-again")
def test_wait_after_clear(mp):
    """wait() sleeps after clear() until the next set(), though clear() is called again."""
    event = mp.Event()
    event.set()
    event.clear()
    waiter = CallerThread(mp, event, "wait")
    waiter.until_blocked()
    event.clear()
    waiter.until_blocked()
    event.set()
    assert waiter.result() is True


@requirement("synchronization.event.wait.returns-at-once-when-set")
def test_wait_for_a_set_event(mp):
    """wait() returns True again and again while the event is set."""
    event = mp.Event()
    event.set()
    assert [event.wait(), event.wait(AGES), event.wait(0)] == [True, True, True]


@requirement("synchronization.event.wait.timeout-returns-false")
def test_event_timeout(mp):
    """wait() returns False after the timeout, and not before."""
    event = mp.Event()
    began = time.monotonic()
    assert event.wait(timeout=MOMENT) is False
    assert time.monotonic() - began >= NEARLY
    assert within(ENOUGH, lambda: event.wait(MOMENT)) is False
    run_out_in_a_thread(mp, event, "wait", MOMENT)
    assert within(AT_ONCE, lambda: event.wait(0)) is False
    assert within(AT_ONCE, lambda: event.wait(-1)) is False


@requirement("synchronization.event.wait.timeout-in-time")
def test_event_set_within_the_timeout(mp):
    """wait() with a timeout sleeps, and returns True after set(); the event stays set."""
    event = mp.Event()
    waiter = CallerThread(mp, event, "wait", mp.timeout)
    waiter.until_blocked()
    event.set()
    assert waiter.result() is True
    assert event.is_set() is True


@requirement("synchronization.event.wait.true-though-cleared-at-once")
def test_wait_for_an_event_that_is_cleared_at_once(mp):
    """Two that wait, one with a timeout, get True from set(), though clear() follows at once, each of 25 times."""
    event = mp.Event()
    for _ in range(
        25
    ):  # a race decides, which most implementations that lose it once do not lose every time
        waiters = [CallerThread(mp, event, "wait", timeout) for timeout in (None, mp.timeout)]
        until_all_blocked(waiters)
        event.set()
        event.clear()
        assert [waiter.result() for waiter in waiters] == [True, True]


def _set_on_signal(event, connection):
    def handle(*_):
        connection.send("handling")
        event.set()

    signal.signal(signal.SIGUSR1, handle)
    connection.send("ready")
    connection.send(event.wait())
    connection.recv()


@requirement("synchronization.event.set.in-signal-handler")
def test_event_is_set_in_a_signal_handler(mp):
    """set() in a signal handler ends the wait() that the signal has interrupted."""
    from mpspec.observing import wait_until_asleep

    event = mp.Event()
    ours, theirs = mp.Pipe()
    process = mp.Process(target=_set_on_signal, args=(event, theirs))
    process.start()
    assert ours.recv() == "ready"
    wait_until_asleep(process.pid, process.pid, mp.timeout)
    os.kill(process.pid, signal.SIGUSR1)
    assert ours.recv() == "handling"
    # In the end it sleeps: in recv(), or for ever in set().
    wait_until_asleep(process.pid, process.pid, mp.timeout)
    found = ours.recv() if ours.poll() else "nothing"
    os.kill(process.pid, signal.SIGKILL)
    process.join()
    assert found is True
