"""Tests of Condition's wait() and wait_for()."""

import functools
import threading
import time

from mpspec.children import (
    AT_ONCE,
    Caller,
    CallerThread,
    PredicateError,
    RaisingAt,
    by_a_bad_clock,
    raises,
    within,
)
from mpspec.marks import requirement
from mpspec.stepwise import go_as_far_as_possible, slowly
from mpspec.suite.synchronization.helpers import (
    AGES,
    ENOUGH,
    MOMENT,
    NEARLY,
    Holding,
    Keeper,
    free_for_others,
    is_refused,
    refused_to_a_child,
    run_out_in_a_thread,
    unowned,
    waiting,
    woken_at_each_step,
)


@requirement("synchronization.condition.with.holds")
def test_with_condition(mp):
    """The lock is held within the with statement, and free after it; also after one within, that ended by an error."""
    condition = mp.Condition()
    with condition:
        assert not free_for_others(mp, condition)
    assert free_for_others(mp, condition)
    with condition:
        with raises(KeyError), condition:
            raise KeyError
        assert not free_for_others(mp, condition)
    assert free_for_others(mp, condition)


@requirement("synchronization.condition.wait.releases-lock")
def test_waiting_releases_the_lock(mp):
    """While a thread waits, another can acquire the condition."""
    condition = mp.Condition()
    (waiter,) = waiting(mp, condition, 1)
    assert condition.acquire(False) is True
    condition.notify()
    condition.release()
    waiter.result()


@requirement("synchronization.condition.wait.notified-returns-true")
def test_notified_wait_returns_true(mp):
    """A child sleeps in wait() until the parent notifies, and gets True."""
    condition = mp.Condition()
    waiter = Caller(mp, Holding(condition), "wait")
    waiter.until_blocked()
    with condition:
        condition.notify()
    assert waiter.result() is True


@requirement("synchronization.condition.wait.notified-returns-true")
def test_wait_that_is_notified_as_it_begins(mp):
    """A notification is not lost, however early after the release of the lock it comes."""
    condition = mp.Condition()
    notifier = Holding(condition)
    for found in woken_at_each_step(mp, "call_holding", condition, notifier, "notify"):
        assert found == (True, None)


@requirement("synchronization.condition.wait.reacquires-lock")
def test_notified_wait_reacquires_the_lock(mp):
    """wait() goes on sleeping while the notifier keeps the lock, and holds it when it returns."""
    condition = mp.Condition()
    (waiter,) = waiting(mp, condition, 1)
    with condition:
        condition.notify()
        waiter.until_blocked()
    assert waiter.result() is True
    with condition:
        notifier = CallerThread(mp, Holding(condition), "notify")
        assert condition.wait() is True
        notifier.result()
        assert not free_for_others(mp, condition)


@requirement("synchronization.condition.wait.timeout-returns-false")
def test_wait_timeout(mp):
    """wait() returns False after the timeout, and not before."""
    condition = mp.Condition()
    with condition:
        began = time.monotonic()
        assert condition.wait(timeout=MOMENT) is False
        assert time.monotonic() - began >= NEARLY
        assert within(ENOUGH, lambda: condition.wait(MOMENT)) is False
        assert within(AT_ONCE, lambda: condition.wait(0)) is False
        assert within(AT_ONCE, lambda: condition.wait(-1)) is False
    run_out_in_a_thread(mp, Holding(condition), "wait", MOMENT)


@requirement("synchronization.condition.wait.timeout-reacquires-lock")
def test_timed_out_wait_reacquires_the_lock(mp):
    """After a wait() that timed out the lock is held, though another had it when the time was over."""
    condition = mp.Condition()
    with condition:
        condition.wait(MOMENT)
        assert not free_for_others(mp, condition)
    overtaken = _Overtaken(mp, condition)
    waiter = CallerThread(mp, overtaken, "wait")
    assert overtaken.keeper.inside.acquire(timeout=mp.timeout)
    go_as_far_as_possible([waiter])
    overtaken.keeper.leave.release()
    assert waiter.result() == (False, False)


class _Overtaken:
    """Calls wait(0) of a condition, in the midst of which another thread gets the lock, and keeps it until told."""

    def __init__(self, mp, condition):
        self.mp = mp
        self.condition = condition
        self.keeper = Keeper(condition)

    def wait(self):
        """What the call gives, and whether the other has the lock nevertheless."""
        with self.condition:
            other = CallerThread(self.mp, self.keeper, "keep")
            other.until_blocked()
            found = slowly(functools.partial(self.condition.wait, 0), [other])
            return found, self.keeper.is_inside


@requirement("synchronization.condition.wait.timeout-in-time")
def test_wait_notified_within_the_timeout(mp):
    """wait() with a timeout returns True after notify()."""
    condition = mp.Condition()
    waiter = CallerThread(mp, Holding(condition), "wait", mp.timeout)
    waiter.until_blocked()
    with condition:
        condition.notify()
    assert waiter.result() is True


@requirement("synchronization.condition.wait.unowned-raises")
def test_wait_without_the_lock(mp):
    """wait() raises RuntimeError (as documented) or AssertionError (as CPython does)."""
    for condition in unowned(mp):
        with raises(RuntimeError, AssertionError):
            condition.wait(MOMENT)
    assert refused_to_a_child(mp)["wait"] == [True, True]
    # A refusal leaves nothing behind that a notification would wait for.
    for condition in (mp.Condition(), mp.Condition(mp.Lock())):
        assert is_refused(condition.wait, 0)
        assert is_refused(condition.wait_for, lambda: False, MOMENT)
        with condition:
            condition.notify()
            assert condition.wait(0) is False


@requirement("synchronization.condition.wait.really-releases-recursive-lock")
def test_wait_releases_all_levels(mp):
    """Another thread notifies while the waiter has acquired seven times; then the waiter owns as many levels again."""
    for condition in (mp.Condition(), mp.Condition(mp.RLock())):
        for _ in range(7):
            condition.acquire()
        notifier = CallerThread(mp, Holding(condition), "notify")
        assert condition.wait(mp.timeout) is True
        notifier.result()
        assert condition.wait(0) is False
        free = []
        for _ in range(7):
            free.append(free_for_others(mp, condition))
            condition.release()
        assert [*free, free_for_others(mp, condition)] == [False] * 7 + [True]


@requirement("synchronization.condition.wait-for.returns-last-value")
def test_wait_for_returns_what_the_predicate_gave(mp):
    """wait_for() returns the first true value of the predicate, and holds the lock then, as after its timeout."""
    condition, state = mp.Condition(), []
    with condition:
        changer = CallerThread(mp, Holding(condition), "change", state)
        assert condition.wait_for(predicate=lambda: state and state[0]) == "word"
        assert condition.wait_for(lambda: False, MOMENT) is False
        assert not free_for_others(mp, condition)
    changer.result()


@requirement("synchronization.condition.wait-for.true-at-first")
def test_wait_for_what_is_true(mp):
    """wait_for() returns at once when the predicate is true."""
    condition, calls = mp.Condition(), []
    with condition:
        assert condition.wait_for(lambda: calls.append("call") or "word", AGES) == "word"
        assert condition.wait_for(lambda: "word", 0) == "word"
    assert calls == ["call"]


@requirement("synchronization.condition.wait-for.goes-on-while-false")
def test_wait_for_goes_on_waiting(mp):
    """A notification does not end wait_for() while the predicate is false."""
    condition, state = mp.Condition(), []
    waiter = CallerThread(mp, Holding(condition), "wait_for", lambda: state)
    waiter.until_blocked()
    with condition:
        condition.notify()
    waiter.until_blocked()
    Holding(condition).change(state)
    assert waiter.result() == ["word"]


@requirement("synchronization.condition.wait-for.timeout-returns-last-value")
def test_wait_for_timeout(mp):
    """After the timeout, wait_for() returns what the predicate gave: a false value."""
    condition = mp.Condition()
    with condition:
        began = time.monotonic()
        assert condition.wait_for(lambda: "", timeout=MOMENT) == ""
        assert time.monotonic() - began >= NEARLY
        assert within(ENOUGH, lambda: condition.wait_for(lambda: "", MOMENT)) == ""
        for timeout in (0, -1):
            call = functools.partial(condition.wait_for, lambda: 0, timeout)
            assert within(AT_ONCE, call) == 0
        assert condition.wait_for(lambda: None, 0) is None
        values = ["", 0]
        assert (
            condition.wait_for(lambda: values[0] if len(values) < 2 else values.pop(), MOMENT) == ""
        )


@requirement("synchronization.condition.wait-for.looks-again-after-timeout")
def test_wait_for_looks_again(mp):
    """What became true without a notification is found when the timeout has passed."""
    condition, values = mp.Condition(), ["word", ""]
    with condition:
        assert condition.wait_for(values.pop, MOMENT) == "word"


def _notify_until(condition, done):
    while not done.wait(0.001):
        with condition:
            condition.notify()


@requirement("synchronization.condition.wait-for.timeout-is-total")
def test_wait_for_times_out_though_notified(mp):
    """Notifications that come all the time do not extend the timeout of wait_for().

    Nor does a clock that is set back.
    """
    condition, done = mp.Condition(), threading.Event()
    notifier = threading.Thread(target=_notify_until, args=(condition, done), daemon=True)
    notifier.start()
    with condition:
        began = time.monotonic()
        assert condition.wait_for(lambda: False, 3 * MOMENT) is False
        assert time.monotonic() - began >= 3 * NEARLY
    done.set()
    notifier.join()
    # One that comes late does not leave as much time again.
    late = functools.partial(_wait_for_nothing, condition)
    assert within(_LATE * 2.6, functools.partial(by_a_bad_clock, late)) is False
    # What comes in time does end it.
    flags = []
    began = time.monotonic()
    with condition:
        threading.Timer(MOMENT, _set_and_notify, (condition, flags)).start()
        assert condition.wait_for(lambda: flags, mp.timeout)
    assert time.monotonic() - began < mp.timeout / 2


_LATE = 0.05


def _wait_for_nothing(condition):
    timer = threading.Timer(_LATE, Holding(condition).notify)
    with condition:
        timer.start()
        found = condition.wait_for(lambda: False, 2 * _LATE)
    timer.join()
    return found


def _set_and_notify(condition, flags):
    with condition:
        flags.append("set")
        condition.notify()


@requirement("synchronization.condition.wait-for.predicate-holds-lock")
def test_predicate_is_called_with_the_lock(mp):
    """The lock is held at the predicate's first call, and at the one after a notification."""
    condition, held = mp.Condition(), []

    def predicate():
        held.append(not free_for_others(mp, condition))
        return len(held) == 2

    with condition:
        notifier = CallerThread(mp, Holding(condition), "notify")
        condition.wait_for(predicate)
    notifier.result()
    assert held == [True, True]


@requirement("synchronization.condition.wait-for.predicate-raises")
def test_predicate_that_raises(mp):
    """What the predicate raises comes out of wait_for(), at the first call and at a later one; the lock is held yet."""
    condition = mp.Condition()
    with condition:
        for timeout in ((), (mp.timeout,)):
            with raises(PredicateError):
                condition.wait_for(RaisingAt(1), *timeout)
            notifier = CallerThread(mp, Holding(condition), "notify")
            with raises(PredicateError):
                condition.wait_for(RaisingAt(2), *timeout)
            notifier.result()
        assert not free_for_others(mp, condition)


@requirement("synchronization.condition.wait-for.unowned-raises")
def test_wait_for_without_the_lock(mp):
    """wait_for() raises RuntimeError (as documented) or AssertionError (as CPython does)."""
    for condition in unowned(mp):
        with raises(RuntimeError, AssertionError):
            condition.wait_for(lambda: False, MOMENT)
