"""Tests of RLock."""

import time

from mpspec.children import Caller, CallerThread, ask, raises, until_all_blocked
from mpspec.marks import requirement
from mpspec.suite.synchronization.helpers import (
    AGES,
    MOMENT,
    NEARLY,
    Entering,
    Keeper,
    can_be_taken,
    free_for_others,
    run_out_in_a_thread,
    see_releases,
)


@requirement("synchronization.rlock.release.lets-one-process-proceed")
def test_last_release_lets_one_of_two_processes_proceed(mp):
    """Of two processes that wait, one within a timeout, for a lock acquired twice, one gets it at the last release."""
    assert see_releases(mp)["recursive"] == [0, 0, 1]


@requirement("synchronization.rlock.class")
def test_rlock_is_an_instance_of_the_class_in_synchronize(mp):
    """``RLock()`` is a ``synchronize.RLock``."""
    assert isinstance(mp.RLock(), mp.synchronize.RLock)


@requirement("synchronization.rlock.acquire.again-by-owner")
def test_owner_acquires_again(mp):
    """Each acquire() of the owner returns True, with a timeout as well, and however many there are."""
    lock = mp.RLock()
    assert [lock.acquire() for _ in range(300)] == [True] * 300
    assert [lock.acquire(True, timeout) for timeout in (-1, 0, 1, AGES)] == [True] * 4
    assert [lock.acquire(False) for _ in range(3)] == [True] * 3
    for _ in range(306):
        lock.release()
    assert not free_for_others(mp, lock)
    lock.release()
    assert free_for_others(mp, lock)


@requirement("synchronization.rlock.acquire.nonblocking-by-owner")
def test_owner_acquires_again_without_blocking(mp):
    """acquire(False) of the owner counts as one more."""
    lock = mp.RLock()
    lock.acquire()
    assert lock.acquire(False) is True
    lock.release()
    assert not free_for_others(mp, lock)
    lock.release()
    assert free_for_others(mp, lock)


@requirement("synchronization.rlock.acquire.blocks-other-processes")
def test_rlock_blocks_another_process(mp):
    """A child sleeps in acquire() until the owner releases."""
    lock = mp.RLock()
    lock.acquire()
    caller = Caller(mp, lock, "acquire")
    caller.until_blocked()
    lock.release()
    assert caller.result() is True


@requirement("synchronization.rlock.acquire.blocks-other-threads")
def test_rlock_blocks_another_thread(mp):
    """Another thread sleeps in acquire() until the owner releases, and then is the owner."""
    lock = mp.RLock()
    lock.acquire()
    caller = CallerThread(mp, lock, "acquire")
    caller.until_blocked()
    lock.release()
    assert caller.result() is True
    assert lock.acquire(False) is False


@requirement("synchronization.rlock.acquire.timeout-none-waits-for-ever")
def test_rlock_timeout_none(mp):
    """acquire(timeout=None) sleeps until the owner releases."""
    lock = mp.RLock()
    lock.acquire()
    caller = CallerThread(mp, lock, "acquire", True, None)
    caller.until_blocked()
    lock.release()
    assert caller.result() is True


@requirement("synchronization.rlock.acquire.nonblocking-returns-false")
def test_nonblocking_acquire_of_owned_rlock(mp):
    """acquire(False) gives False to another thread, and to another process."""
    lock = mp.RLock()
    lock.acquire()
    assert ask(mp, can_be_taken, lock) is False
    for block in (False, 0):
        assert CallerThread(mp, lock, "acquire", block).result() is False


@requirement("synchronization.rlock.acquire.failure-keeps-level")
def test_failed_acquire_changes_nothing(mp):
    """After vain calls of acquire() elsewhere, a release() for each of the owner's frees the lock."""
    lock = mp.RLock()
    lock.acquire()
    assert CallerThread(mp, lock, "acquire", False).result() is False
    assert CallerThread(mp, lock, "acquire", True, MOMENT).result() is False
    assert lock.acquire() is True
    lock.release()
    lock.release()
    assert free_for_others(mp, lock)


@requirement("synchronization.rlock.acquire.parameters-named-block-and-timeout")
def test_rlock_acquire_parameters(mp):
    """acquire() takes block and timeout, by name and by position."""
    lock = mp.RLock()
    assert lock.acquire(block=True, timeout=None) is True
    for position, name in (((), {"block": False}), ((), {"timeout": 0.0}), ((True, 0.0), {})):
        assert CallerThread(mp, lock, "acquire", *position, **name).result() is False


@requirement("synchronization.rlock.acquire.timeout-expires")
def test_rlock_timeout_expires(mp):
    """acquire() returns False after the timeout."""
    lock = mp.RLock()
    lock.acquire()
    began = time.monotonic()
    assert CallerThread(mp, lock, "acquire", True, MOMENT).result() is False
    assert time.monotonic() - began >= NEARLY
    run_out_in_a_thread(mp, lock, "acquire", True, MOMENT)


@requirement("synchronization.rlock.acquire.timeout-in-time")
def test_rlock_released_within_the_timeout(mp):
    """acquire() with a timeout sleeps, and returns True after the release."""
    lock = mp.RLock()
    assert lock.acquire(True, mp.timeout) is True
    caller = CallerThread(mp, lock, "acquire", True, mp.timeout)
    caller.until_blocked()
    lock.release()
    assert caller.result() is True


@requirement("synchronization.rlock.acquire.negative-timeout-is-zero")
def test_rlock_negative_timeout(mp):
    """acquire() with a timeout below zero does not wait, nor does that of a condition."""
    for lock in (mp.RLock(), mp.Condition()):
        for timeout in (0, -1):
            assert lock.acquire(True, timeout) is True
            lock.release()
        assert lock.acquire(True, -1) is True
        for timeout in (-AGES, -1):
            assert CallerThread(mp, lock, "acquire", True, timeout).result() is False


@requirement("synchronization.rlock.acquire.timeout-ignored-without-block")
def test_rlock_timeout_without_block(mp):
    """acquire(False, ...) returns at once, however long the timeout."""
    lock = mp.RLock()
    for timeout in (AGES, -1, None):
        assert lock.acquire(False, timeout) is True
        assert CallerThread(mp, lock, "acquire", False, timeout).result() is False


@requirement("synchronization.rlock.release.as-often-as-acquired")
def test_rlock_is_released_as_often_as_acquired(mp):
    """Others can take the lock after the third release() of three."""
    lock = mp.RLock()
    for _ in range(3):
        lock.acquire()
    free = []
    for _ in range(3):
        lock.release()
        free.append(free_for_others(mp, lock))
    assert free == [False, False, True]


@requirement("synchronization.rlock.release.returns-nothing")
def test_rlock_release_returns_none(mp):
    """release() returns None, the inner one and the outer one."""
    lock = mp.RLock()
    lock.acquire()
    lock.acquire()
    assert [lock.release(), lock.release()] == [None, None]


@requirement("synchronization.rlock.release.lets-one-proceed")
def test_last_release_lets_one_thread_proceed(mp):
    """Of two threads that wait, one gets the lock, and the other goes on waiting."""
    lock = mp.RLock()
    lock.acquire()
    keeper = Keeper(lock)
    callers = [CallerThread(mp, keeper, "keep") for _ in range(2)]
    until_all_blocked(callers)
    lock.release()
    assert keeper.inside.acquire(timeout=mp.timeout)
    until_all_blocked(callers)
    assert not keeper.inside.acquire(blocking=False)
    keeper.leave.release(2)
    for caller in callers:
        caller.result()


@requirement("synchronization.rlock.release.unowned-raises-assertion-error")
def test_release_of_unowned_rlock(mp):
    """release() raises AssertionError before the first acquire() and after the last release(); so does ``with``."""
    lock = mp.RLock()
    with raises(AssertionError):
        lock.release()
    with raises(AssertionError), lock:
        lock.release()
    lock.acquire()
    lock.release()
    with raises(AssertionError):
        lock.release()


@requirement("synchronization.rlock.release.by-another-process-raises")
def test_rlock_released_by_another_process(mp):
    """A child that did not acquire the lock can't release it, even when its parent owns it."""
    lock = mp.RLock()
    lock.acquire()
    assert ask(mp, _release_fails, lock) is True
    assert not free_for_others(mp, lock)
    assert ask(mp, _ask_release_fails, mp) is True


def _ask_release_fails(mp):
    """In a child: whether a child of its own can't release what it has acquired."""
    lock = mp.RLock()
    lock.acquire()
    return ask(mp, _release_fails, lock)


def _release_fails(lock):
    try:
        lock.release()
    except AssertionError:
        return True
    return False


@requirement("synchronization.rlock.release.by-another-thread-raises")
def test_rlock_released_by_another_thread(mp):
    """A thread that did not acquire the lock can't release it."""
    lock = mp.RLock()
    lock.acquire()
    with raises(AssertionError):
        CallerThread(mp, lock, "release").result()
    assert not free_for_others(mp, lock)


@requirement("synchronization.rlock.with.holds")
def test_with_rlock(mp):
    """A recursive lock is owned within nested with statements, and free after the outer one."""
    lock = mp.RLock()
    free = []
    with lock:
        with lock:
            free.append(free_for_others(mp, lock))
        free.append(free_for_others(mp, lock))
    assert [*free, free_for_others(mp, lock)] == [False, False, True]


@requirement("synchronization.rlock.locked")
def test_rlock_locked(mp):
    """``locked()`` follows acquire() and release(), for the owner and for others, and though somebody waits."""
    lock = mp.RLock()
    assert lock.locked() is False
    with lock:
        with lock:
            pass
        states = [lock.locked()]
        waiter = CallerThread(mp, Entering(lock), "enter")
        waiter.until_blocked()
        states += [lock.locked(), CallerThread(mp, lock, "locked").result(), ask(mp, _locked, lock)]
    waiter.result()
    assert [state is True for state in states] == [True] * 4
    assert lock.locked() is False


def _locked(lock):
    return lock.locked()


@requirement("synchronization.rlock.acquire.free-without-block")
def test_rlock_taken_without_blocking(mp):
    """A free RLock is taken by ``acquire(False)``: another thread does not get it."""
    lock = mp.RLock()
    assert lock.acquire(False) is True
    assert not free_for_others(mp, lock)
    lock.release()
    assert free_for_others(mp, lock)
