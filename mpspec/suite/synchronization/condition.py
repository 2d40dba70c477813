"""Tests of Condition: its lock, notify() and notify_all()."""

import warnings

from mpspec.children import Caller, CallerThread, ask, raises, until_all_blocked
from mpspec.marks import requirement
from mpspec.suite.synchronization.helpers import (
    MOMENT,
    Entering,
    Holding,
    free_for_others,
    refused_to_a_child,
    unowned,
    until_returned,
    waiting,
)


@requirement("synchronization.condition.lock.recursive-by-default")
def test_condition_makes_a_recursive_lock(mp):
    """The owner of a condition without a given lock, or with None, may acquire it again."""
    for condition in (mp.Condition(), mp.Condition(None)):
        assert [condition.acquire(), condition.acquire(False)] == [True, True]
        condition.release()
        assert not free_for_others(mp, condition)


@requirement("synchronization.condition.lock.given-is-used")
def test_condition_uses_the_lock_given(mp):
    """What the condition acquires and releases is the lock, a Lock or an RLock, though it was locked already."""
    plain, recursive = mp.Lock(), mp.RLock()
    conditions = {mp.Condition(plain): plain, mp.Condition(lock=recursive): recursive}
    for condition, lock in conditions.items():
        condition.acquire()
        assert not free_for_others(mp, lock)
        condition.release()
        assert free_for_others(mp, lock)
        lock.acquire()
        assert not free_for_others(mp, mp.Condition(lock))
        lock.release()


@requirement("synchronization.condition.lock.shared-by-conditions")
def test_conditions_share_a_lock(mp):
    """Two conditions of one lock exclude each other, and notify their own waiters only."""
    lock = mp.RLock()
    one, other = mp.Condition(lock), mp.Condition(lock)
    (waiter,) = waiting(mp, other, 1)
    with one:
        assert not free_for_others(mp, other)
        one.notify_all()
    waiter.until_blocked()
    with other:
        other.notify()
    assert waiter.result() is True
    assert ask(mp, _use_conditions_of, lock, one, other) == [False, False]


def _use_conditions_of(lock, one, other):
    """In a child: use conditions while their lock, which came with them, is held."""
    with lock:
        one.notify()
        other.notify()
        with other:
            return [one.wait(0), other.wait(0)]


@requirement("synchronization.condition.lock.plain")
def test_condition_with_a_plain_lock(mp):
    """wait() and notify() work with a Lock."""
    condition = mp.Condition(mp.Lock())
    (waiter,) = waiting(mp, condition, 1)
    with condition:
        condition.notify()
    assert waiter.result() is True
    with condition:
        assert condition.wait(MOMENT) is False


@requirement("synchronization.condition.lock.of-another-kind-refused")
def test_condition_with_what_is_no_lock(mp):
    """``Condition("lock")`` raises AttributeError or TypeError."""
    with raises(AttributeError, TypeError):
        mp.Condition("lock")


@requirement("synchronization.condition.acquire.passes-arguments-and-result")
def test_condition_acquire_is_the_lock_s(mp):
    """acquire() takes block and timeout, and returns True or False, True also after it has waited."""
    condition = mp.Condition()
    assert condition.acquire(False) is True
    assert CallerThread(mp, condition, "acquire", False).result() is False
    for timeout in (MOMENT, 0):
        assert CallerThread(mp, condition, "acquire", True, timeout).result() is False
    caller = CallerThread(mp, condition, "acquire", True, mp.timeout)
    caller.until_blocked()
    condition.release()
    assert caller.result() is True


@requirement("synchronization.condition.acquire.parameters-named-block-and-timeout")
def test_condition_acquire_parameters(mp):
    """acquire() takes block and timeout by name."""
    condition = mp.Condition(mp.Lock())
    assert condition.acquire(block=True, timeout=None) is True
    assert condition.acquire(block=False) is False
    assert condition.acquire(timeout=0.0) is False


@requirement("synchronization.condition.release.free-raises-as-lock")
def test_release_of_free_condition(mp):
    """release(), or the end of ``with``, raises ValueError if the lock is a Lock, AssertionError if it is an RLock."""
    for condition, error in (
        (mp.Condition(mp.Lock()), ValueError),
        (mp.Condition(), AssertionError),
        (mp.Condition(mp.RLock()), AssertionError),
    ):
        with raises(error):
            condition.release()
        with raises(error), condition:
            condition.release()


@requirement("synchronization.condition.release.returns-nothing")
def test_condition_release_returns_none(mp):
    """release() returns None, and others can take the lock."""
    condition = mp.Condition()
    condition.acquire()
    assert condition.release() is None
    assert free_for_others(mp, condition)


@requirement("synchronization.condition.notify.wakes-one-by-default")
def test_notify_wakes_one(mp):
    """notify() ends one of two calls of wait()."""
    condition = mp.Condition()
    waiters = waiting(mp, condition, 2)
    with condition:
        condition.notify()
    until_returned(mp, waiters, 1)
    with condition:
        condition.notify_all()
    for waiter in waiters:
        waiter.result()


@requirement("synchronization.condition.notify.wakes-no-more-than-asked")
def test_notify_wakes_only_one(mp):
    """notify() leaves the other of two asleep, and notify(2) the other of three."""
    condition = mp.Condition()
    for count in (1, 2):
        waiters = waiting(mp, condition, count + 1)
        with condition:
            condition.notify(count)
        (other,) = until_returned(mp, waiters, count)
        other.until_blocked()
        with condition:
            condition.notify()
        assert [waiter.result() for waiter in waiters] == [True] * (count + 1)


@requirement("synchronization.condition.notify.wakes-n")
def test_notify_wakes_several(mp):
    """notify(3) ends three of four calls of wait(), notify(0) none, though others have timed out before."""
    condition = mp.Condition()
    for _ in range(
        10
    ):  # a race decides whether one is lost where those that timed out are taken for awake
        with condition:
            assert [condition.wait(0) for _ in range(3)] == [False] * 3
        waiters = waiting(mp, condition, 4)
        with condition:
            condition.notify(0)
        until_all_blocked(waiters)
        with condition:
            condition.notify(n=3)
        until_returned(mp, waiters, 3)
        with condition:
            condition.notify_all()
        for waiter in waiters:
            waiter.result()


@requirement("synchronization.condition.notify.wakes-fewer-when-fewer-wait")
def test_notify_more_than_wait(mp):
    """notify(n=5) wakes the one that waits; the next wait() times out."""
    condition = mp.Condition()
    (waiter,) = waiting(mp, condition, 1)
    with condition:
        condition.notify(n=5)
    assert waiter.result() is True
    with condition:
        assert condition.wait(MOMENT) is False


@requirement("synchronization.condition.notify.nothing-without-waiters")
def test_notify_nobody(mp):
    """A wait() after notify() and notify_all() times out."""
    condition = mp.Condition()
    with condition:
        condition.notify()
        condition.notify_all()
        assert condition.wait(MOMENT) is False


@requirement("synchronization.condition.notify.passes-over-timed-out")
def test_notify_after_timeouts(mp):
    """notify() wakes each of three that wait, though others timed out before and since."""
    condition = mp.Condition()
    for _ in range(3):
        with condition:
            assert [condition.wait(0), condition.wait(0)] == [False, False]
        waiters = waiting(mp, condition, 3)
        with condition:
            assert condition.wait(0) is False
            for _waiter in waiters:
                condition.notify()
        assert [waiter.result() for waiter in waiters] == [True, True, True]
    with condition:
        assert condition.wait(MOMENT) is False


@requirement("synchronization.condition.notify.unowned-raises")
def test_notify_without_the_lock(mp):
    """notify() raises RuntimeError (as documented) or AssertionError (as CPython does)."""
    for condition in unowned(mp):
        with raises(RuntimeError, AssertionError):
            condition.notify()
    assert refused_to_a_child(mp)["notify"] == [True, True]


@requirement("synchronization.condition.notify-all.wakes-all")
def test_notify_all_wakes_processes_and_threads(mp):
    """notify_all() ends wait() in another process, and in 40 threads; that of another thread ends three."""
    condition = mp.Condition()
    waiters = [Caller(mp, Holding(condition), "wait"), *waiting(mp, condition, 40)]
    waiters[0].until_blocked()
    with condition, condition:
        condition.notify_all()
    assert [waiter.result() for waiter in waiters] == [True] * 41
    waiters = waiting(mp, condition, 3)
    CallerThread(mp, Holding(condition), "notify_all").result()
    assert [waiter.result() for waiter in waiters] == [True] * 3


@requirement("synchronization.condition.notify-all.unowned-raises")
def test_notify_all_without_the_lock(mp):
    """notify_all() raises RuntimeError (as documented) or AssertionError (as CPython does)."""
    for condition in unowned(mp):
        with raises(RuntimeError, AssertionError):
            condition.notify_all()
    assert refused_to_a_child(mp)["notify_all"] == [True, True]


@requirement("synchronization.condition.notify-all.alias")
def test_notify_all_by_its_old_name(mp):
    """notifyAll() ends each of two calls of wait()."""
    condition = mp.Condition()
    old = condition.notifyAll  # before anybody waits whom it should wake
    waiters = waiting(mp, condition, 2)
    with condition, warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        old()
    assert [waiter.result() for waiter in waiters] == [True, True]


@requirement("synchronization.condition.locked")
def test_condition_locked(mp):
    """``locked()`` is True exactly while somebody holds the lock, in another thread and another process as well.

    How many wait for it makes no difference.
    """
    conditions = mp.Condition(), mp.Condition(mp.Lock())
    with conditions[0], conditions[1]:
        waiters = [CallerThread(mp, Entering(one), "enter") for one in conditions]
        until_all_blocked(waiters)
        held = [one.locked() for one in conditions]
        held += [CallerThread(mp, one, "locked").result() for one in conditions]
        held += ask(mp, _locked_each, *conditions)
    for waiter in waiters:
        waiter.result()
    for one in (*conditions, mp.Condition()):
        assert one.locked() is False
    assert [state is True for state in held] == [True] * 6


def _locked_each(*locks):
    return [lock.locked() for lock in locks]
