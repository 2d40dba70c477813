"""Tests of Lock."""

import functools
import time

from mpspec.children import (
    AT_ONCE,
    Caller,
    CallerThread,
    ask,
    raises,
    run,
    within,
)
from mpspec.marks import requirement
from mpspec.suite.synchronization.helpers import (
    AGES,
    ENOUGH,
    MOMENT,
    Entering,
    assert_wakes_one,
    run_out_in_a_thread,
    see_releases,
    take_the_next,
)


@requirement("synchronization.lock.class")
def test_lock_is_an_instance_of_the_class_in_synchronize(mp):
    """``Lock()`` is a ``synchronize.Lock``."""
    assert isinstance(mp.Lock(), mp.synchronize.Lock)


@requirement("synchronization.lock.free-at-first")
def test_new_lock_is_free(mp):
    """The first acquire() returns True."""
    assert mp.Lock().acquire() is True


@requirement("synchronization.lock.not-recursive")
def test_holder_cannot_acquire_again(mp):
    """The thread that holds a lock finds it locked, and sleeps in acquire() until another releases it."""
    lock = mp.Lock()
    lock.acquire()
    assert lock.acquire(False) is False
    lock.release()
    holder = CallerThread(mp, _Again(lock), "acquire")
    holder.until_blocked()
    lock.release()
    assert holder.result() == [True, True]


class _Again:
    """Acquires a lock twice."""

    def __init__(self, lock):
        self.lock = lock

    def acquire(self):
        return [self.lock.acquire(), self.lock.acquire()]


@requirement("synchronization.lock.acquire.blocks-other-processes")
def test_lock_blocks_another_process(mp):
    """A child sleeps in acquire() until the parent releases."""
    lock = mp.Lock()
    lock.acquire()
    caller = Caller(mp, lock, "acquire")
    caller.until_blocked()
    lock.release()
    assert caller.result() is True


@requirement("synchronization.lock.acquire.blocks-other-threads")
def test_lock_blocks_another_thread(mp):
    """A thread sleeps in acquire() until another releases."""
    lock = mp.Lock()
    lock.acquire()
    caller = CallerThread(mp, lock, "acquire")
    caller.until_blocked()
    lock.release()
    assert caller.result() is True


@requirement("synchronization.lock.acquire.parameters-named-block-and-timeout")
def test_lock_acquire_parameters(mp):
    """acquire() takes block and timeout, by name and by position; for block 0 and 1 do as well."""
    lock = mp.Lock()
    assert lock.acquire(block=True, timeout=None) is True
    assert lock.acquire(block=False) is False
    assert lock.acquire(True, 0.0) is False
    assert lock.acquire(0) is False
    caller = CallerThread(mp, lock, "acquire", 1)
    caller.until_blocked()
    lock.release()
    assert caller.result() is True


@requirement("synchronization.lock.acquire.nonblocking-returns-false")
def test_nonblocking_acquire_of_held_lock(mp):
    """acquire(False) gives False to the thread that holds the lock, and to another, at once."""
    lock = mp.Lock()
    lock.acquire()
    assert within(AT_ONCE, lambda: lock.acquire(False)) is False
    assert CallerThread(mp, lock, "acquire", False).result() is False


@requirement("synchronization.lock.acquire.nonblocking-takes-free-lock")
def test_nonblocking_acquire_of_free_lock(mp):
    """acquire(False) gives True, and then the lock is locked."""
    lock = mp.Lock()
    assert lock.acquire(False) is True
    assert lock.acquire(False) is False


@requirement("synchronization.lock.acquire.timeout-expires")
def test_lock_timeout_expires(mp):
    """acquire() waits for the time given, then returns False."""
    lock = mp.Lock()
    lock.acquire()
    began = time.monotonic()
    assert lock.acquire(timeout=0.05) is False
    # The semaphore's clock is another one, and may be a tick behind.
    assert time.monotonic() - began >= 0.04
    assert within(ENOUGH, lambda: lock.acquire(timeout=MOMENT)) is False
    run_out_in_a_thread(mp, lock, "acquire", True, MOMENT)
    take_the_next(mp, lock)


@requirement("synchronization.lock.acquire.timeout-in-time")
def test_lock_released_within_the_timeout(mp):
    """acquire() with a timeout sleeps, and returns True after the release.

    A timeout of nearly a second ends in the second after this one, whatever the time is.
    """
    lock = mp.Lock()
    assert lock.acquire(True, mp.timeout) is True
    for timeout in (mp.timeout, 0.999):
        caller = CallerThread(mp, lock, "acquire", True, timeout)
        caller.until_blocked()
        lock.release()
        assert caller.result() is True


@requirement("synchronization.lock.acquire.negative-timeout-is-zero")
def test_lock_negative_timeout(mp):
    """acquire() with a timeout below zero does not wait, but takes a free lock."""
    lock = mp.Lock()
    assert lock.acquire(True, 0) is True
    lock.release()
    assert lock.acquire(True, -1) is True
    for timeout in (-AGES, -1, -0.001):
        assert within(AT_ONCE, functools.partial(lock.acquire, True, timeout)) is False


@requirement("synchronization.lock.acquire.timeout-none-waits-for-ever")
def test_lock_timeout_none(mp):
    """acquire(timeout=None) sleeps until the lock is released."""
    lock = mp.Lock()
    lock.acquire()
    caller = CallerThread(mp, lock, "acquire", True, None)
    caller.until_blocked()
    lock.release()
    assert caller.result() is True


@requirement("synchronization.lock.acquire.timeout-ignored-without-block")
def test_lock_timeout_without_block(mp):
    """acquire(False, ...) returns at once, however long the timeout."""
    lock = mp.Lock()
    assert lock.acquire(False, AGES) is True
    assert lock.acquire(False, AGES) is False
    assert lock.acquire(False, -1) is False
    assert lock.acquire(False, None) is False


@requirement("synchronization.lock.release.by-another-process")
def test_lock_released_by_another_process(mp):
    """A child, and a thread of it, unlock what its parent has locked, which unlocks what the child has locked."""
    lock, other, of_child = mp.Lock(), mp.Lock(), mp.Lock()
    lock.acquire()
    other.acquire()
    run(mp, _release_two, mp, lock, other, of_child)
    of_child.release()
    assert [each.acquire(False) for each in (lock, other, of_child)] == [True] * 3


def _release_two(mp, lock, other, third):
    lock.release()
    CallerThread(mp, other, "release").result()
    third.acquire()


@requirement("synchronization.lock.release.by-another-thread")
def test_lock_released_by_another_thread(mp):
    """A thread unlocks what another has locked."""
    lock = mp.Lock()
    lock.acquire()
    CallerThread(mp, lock, "release").result()
    assert lock.acquire(False) is True


@requirement("synchronization.lock.release.unlocked-raises-value-error")
def test_release_of_free_lock(mp):
    """release() of an unlocked lock raises ValueError, and leaves it unlocked once; so does the end of ``with``."""
    lock = mp.Lock()
    with raises(ValueError):
        lock.release()
    with raises(ValueError), lock:
        lock.release()
    assert [lock.acquire(False), lock.acquire(False)] == [True, False]


@requirement("synchronization.lock.release.returns-nothing")
def test_lock_release_returns_none(mp):
    """release() returns None, and the lock is free."""
    lock = mp.Lock()
    lock.acquire()
    assert lock.release() is None
    assert lock.acquire(False) is True


@requirement("synchronization.lock.release.lets-one-proceed")
def test_release_lets_one_process_proceed(mp):
    """Of two threads that wait, one gets the lock, and the other goes on waiting."""
    lock = mp.Lock()
    lock.acquire()
    assert_wakes_one(mp, lock)


@requirement("synchronization.lock.release.lets-one-process-proceed")
def test_release_lets_one_of_two_processes_proceed(mp):
    """Of two processes that wait, one within a timeout, one gets the lock, and the other goes on waiting."""
    assert see_releases(mp)["lock"] == [0, 1]


@requirement("synchronization.lock.with.holds")
def test_with_lock(mp):
    """A lock is locked within its with statement, and free after it."""
    lock = mp.Lock()
    with lock:
        assert lock.acquire(False) is False
    assert lock.acquire(False) is True


@requirement("synchronization.lock.with.releases-after-error")
def test_with_lock_after_an_error(mp):
    """An exception leaves the with statement, and the lock is free."""
    lock = mp.Lock()
    for error in (KeyError, KeyboardInterrupt):
        with raises(error), lock:
            raise error
        assert lock.acquire(False) is True
        lock.release()


@requirement("synchronization.lock.locked")
def test_lock_locked(mp):
    """``locked()`` follows acquire() and release(), also those of a child, and though somebody waits."""
    # One that no other process has had before.
    lock = mp.Lock()
    with lock:
        assert lock.locked() is True
    states = [lock.locked()]
    run(mp, _acquire, lock)
    states.append(lock.locked())
    assert states == [False, True]
    lock.release()
    assert lock.locked() is False
    with lock:
        waiter = CallerThread(mp, Entering(lock), "enter")
        waiter.until_blocked()
        states = [lock.locked(), ask(mp, lock.locked)]
    waiter.result()
    assert [state is True for state in states] == [True, True]


def _acquire(lock):
    lock.acquire()
