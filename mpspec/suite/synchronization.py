"""Tests of the chapter synchronization: locks, semaphores, conditions, events and barriers."""

import os
import pickle
import signal
import threading
import time

from mpspec.children import Caller, CallerThread, ask, raises, run
from mpspec.marks import requirement

# Long enough to be a hang when a call waits for so many seconds that should not wait at all.
_AGES = 100_000.0
# For a call that must time out: short.
_MOMENT = 0.02


def _can_take(lock):
    """Whether the caller can acquire a lock at this moment; it is released again."""
    taken = lock.acquire(False)
    if taken:
        lock.release()
    return taken


def _free_for_others(mp, lock):
    """Whether another thread can acquire a lock at this moment."""
    return CallerThread(mp, _Holding(lock), "can_take").result()


class _Holding:
    """Calls of a condition's methods, each with its lock held."""

    def __init__(self, condition):
        self.condition = condition

    def can_take(self):
        return _can_take(self.condition)

    def wait(self, *args):
        with self.condition:
            return self.condition.wait(*args)

    def wait_for(self, *args):
        with self.condition:
            return self.condition.wait_for(*args)

    def notify(self, *args):
        with self.condition:
            return self.condition.notify(*args)

    def change(self, state):
        with self.condition:
            state.append("word")
            self.condition.notify()


def _waiting(mp, condition, count):
    """So many threads, each asleep in the wait() of a condition."""
    waiters = [CallerThread(mp, _Holding(condition), "wait") for _ in range(count)]
    for waiter in waiters:
        waiter.until_blocked()
    return waiters


def _until_returned(mp, callers, count):
    """Wait until so many of the calls are over; gives those that are not."""
    from mpspec.observing import wait_until

    def enough():
        return sum(caller.has_returned for caller in callers) >= count

    wait_until(enough, mp.timeout, f"{count} of {len(callers)} calls over")
    return [caller for caller in callers if not caller.has_returned]


# All primitives


def _use_all(lock, semaphore, bounded, condition, event, barrier):
    barrier.wait()
    lock.release()
    semaphore.release()
    bounded.acquire()
    event.set()
    with condition:
        condition.notify()


@requirement("synchronization.primitives.usable-in-children")
def test_children_use_the_primitives_of_their_parent(mp):
    """What a child does to a primitive that it was given, its parent finds done."""
    lock, rlock, semaphore, bounded = mp.Lock(), mp.RLock(), mp.Semaphore(0), mp.BoundedSemaphore(1)
    condition, event, barrier = mp.Condition(rlock), mp.Event(), mp.Barrier(2)
    lock.acquire()
    with rlock:
        arguments = (lock, semaphore, bounded, condition, event, barrier)
        child = mp.Process(target=_use_all, args=arguments)
        child.start()
        barrier.wait()
        assert condition.wait() is True
    child.join()
    assert event.is_set()
    assert [one.acquire(False) for one in (lock, semaphore, bounded)] == [True, True, False]


def _write(lock, started, sender, name):
    started.release()
    for _ in range(50):
        lock.acquire()
        try:
            sender.send(("begin", name))
            sender.send(("end", name))
        finally:
            lock.release()


@requirement("synchronization.primitives.lock-serializes-output")
def test_output_under_a_lock_is_not_mixed(mp):
    """Two messages that a process sends under a lock arrive one after the other."""
    lock, started = mp.Lock(), mp.Semaphore(0)
    receiver, sender = mp.Pipe(duplex=False)
    lock.acquire()
    arguments = (lock, started, sender)
    writers = [mp.Process(target=_write, args=(*arguments, name)) for name in "ab"]
    for writer in writers:
        writer.start()
    for _ in writers:
        started.acquire()
    lock.release()
    messages = [(receiver.recv(), receiver.recv()) for _ in range(100)]
    for writer in writers:
        writer.join()
    assert {(first, second, mine == yours) for (first, mine), (second, yours) in messages} == {
        ("begin", "end", True)
    }
    assert sorted(name for (_, name), _ in messages) == ["a"] * 50 + ["b"] * 50


@requirement("synchronization.primitives.refuse-pickling")
def test_primitives_are_not_pickled(mp):
    """``pickle.dumps`` of any primitive raises RuntimeError."""
    makers = (mp.Lock, mp.RLock, mp.Semaphore, mp.BoundedSemaphore, mp.Condition, mp.Event)
    for primitive in [make() for make in makers] + [mp.Barrier(1)]:
        with raises(RuntimeError):
            pickle.dumps(primitive)


# Lock


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
    """The thread that holds a lock finds it locked."""
    lock = mp.Lock()
    lock.acquire()
    assert lock.acquire(False) is False


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
    """acquire() takes block and timeout, by name and by position."""
    lock = mp.Lock()
    assert lock.acquire(block=True, timeout=None) is True
    assert lock.acquire(block=False) is False
    assert lock.acquire(True, 0.0) is False


@requirement("synchronization.lock.acquire.nonblocking-returns-false")
def test_nonblocking_acquire_of_held_lock(mp):
    """acquire(False) gives False in the process that does not hold the lock."""
    lock = mp.Lock()
    lock.acquire()
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


@requirement("synchronization.lock.acquire.timeout-in-time")
def test_lock_released_within_the_timeout(mp):
    """acquire() with a timeout sleeps, and returns True after the release."""
    lock = mp.Lock()
    lock.acquire()
    caller = Caller(mp, lock, "acquire", True, mp.timeout)
    caller.until_blocked()
    lock.release()
    assert caller.result() is True


@requirement("synchronization.lock.acquire.negative-timeout-is-zero")
def test_lock_negative_timeout(mp):
    """acquire() with a timeout below zero does not wait, but takes a free lock."""
    lock = mp.Lock()
    assert lock.acquire(True, -_AGES) is True
    assert lock.acquire(True, -1) is False
    assert lock.acquire(True, -0.5) is False


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
    assert lock.acquire(False, _AGES) is True
    assert lock.acquire(False, _AGES) is False
    assert lock.acquire(False, -1) is False
    assert lock.acquire(False, None) is False


@requirement("synchronization.lock.release.by-another-process")
def test_lock_released_by_another_process(mp):
    """A child unlocks what its parent has locked."""
    lock = mp.Lock()
    lock.acquire()
    assert ask(mp, lock.__class__.release, lock) is None if False else True
    run(mp, _release, lock)
    assert lock.acquire(False) is True


def _release(lock):
    lock.release()


@requirement("synchronization.lock.release.by-another-thread")
def test_lock_released_by_another_thread(mp):
    """A thread unlocks what another has locked."""
    lock = mp.Lock()
    lock.acquire()
    CallerThread(mp, lock, "release").result()
    assert lock.acquire(False) is True


@requirement("synchronization.lock.release.unlocked-raises-value-error")
def test_release_of_free_lock(mp):
    """release() of an unlocked lock raises ValueError, and leaves it unlocked once."""
    lock = mp.Lock()
    with raises(ValueError):
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
    """Of two processes that wait, one gets the lock, and the other goes on waiting."""
    lock = mp.Lock()
    lock.acquire()
    callers = [Caller(mp, lock, "acquire") for _ in range(2)]
    for caller in callers:
        caller.until_blocked()
    lock.release()
    (other,) = _until_returned(mp, callers, 1)
    other.until_blocked()
    lock.release()
    assert [caller.result() for caller in callers] == [True, True]


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
    with raises(KeyError), lock:
        raise KeyError
    assert lock.acquire(False) is True


@requirement("synchronization.lock.locked")
def test_lock_locked(mp):
    """locked() follows acquire() and release(), also those of a child."""
    lock = mp.Lock()
    states = [lock.locked()]
    run(mp, _acquire, lock)
    states.append(lock.locked())
    lock.release()
    assert [*states, lock.locked()] == [False, True, False]


def _acquire(lock):
    lock.acquire()


# RLock


@requirement("synchronization.rlock.class")
def test_rlock_is_an_instance_of_the_class_in_synchronize(mp):
    """``RLock()`` is a ``synchronize.RLock``."""
    assert isinstance(mp.RLock(), mp.synchronize.RLock)


@requirement("synchronization.rlock.acquire.again-by-owner")
def test_owner_acquires_again(mp):
    """Each acquire() of the owner returns True."""
    lock = mp.RLock()
    assert [lock.acquire(), lock.acquire(), lock.acquire()] == [True, True, True]


@requirement("synchronization.rlock.acquire.nonblocking-by-owner")
def test_owner_acquires_again_without_blocking(mp):
    """acquire(False) of the owner counts as one more."""
    lock = mp.RLock()
    lock.acquire()
    assert lock.acquire(False) is True
    lock.release()
    assert not _free_for_others(mp, lock)
    lock.release()
    assert _free_for_others(mp, lock)


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


@requirement("synchronization.rlock.acquire.nonblocking-returns-false")
def test_nonblocking_acquire_of_owned_rlock(mp):
    """acquire(False) gives False to another thread, and to another process."""
    lock = mp.RLock()
    lock.acquire()
    assert ask(mp, _can_take, lock) is False
    assert CallerThread(mp, lock, "acquire", False).result() is False


@requirement("synchronization.rlock.acquire.failure-keeps-level")
def test_failed_acquire_changes_nothing(mp):
    """After a vain acquire(False) elsewhere, one release() of the owner frees the lock."""
    lock = mp.RLock()
    lock.acquire()
    assert CallerThread(mp, lock, "acquire", False).result() is False
    assert lock.acquire() is True
    lock.release()
    lock.release()
    assert _free_for_others(mp, lock)


@requirement("synchronization.rlock.acquire.parameters-named-block-and-timeout")
def test_rlock_acquire_parameters(mp):
    """acquire() takes block and timeout, by name and by position."""
    lock = mp.RLock()
    assert lock.acquire(block=True, timeout=None) is True
    assert CallerThread(mp, lock, "acquire", block=False).result() is False
    assert CallerThread(mp, lock, "acquire", True, 0.0).result() is False


@requirement("synchronization.rlock.acquire.timeout-expires")
def test_rlock_timeout_expires(mp):
    """acquire() returns False after the timeout."""
    lock = mp.RLock()
    lock.acquire()
    assert CallerThread(mp, lock, "acquire", True, _MOMENT).result() is False


@requirement("synchronization.rlock.acquire.timeout-in-time")
def test_rlock_released_within_the_timeout(mp):
    """acquire() with a timeout sleeps, and returns True after the release."""
    lock = mp.RLock()
    lock.acquire()
    caller = CallerThread(mp, lock, "acquire", True, mp.timeout)
    caller.until_blocked()
    lock.release()
    assert caller.result() is True


@requirement("synchronization.rlock.acquire.negative-timeout-is-zero")
def test_rlock_negative_timeout(mp):
    """acquire() with a timeout below zero does not wait."""
    lock = mp.RLock()
    assert lock.acquire(True, -1) is True
    assert CallerThread(mp, lock, "acquire", True, -1).result() is False


@requirement("synchronization.rlock.acquire.timeout-ignored-without-block")
def test_rlock_timeout_without_block(mp):
    """acquire(False, ...) returns at once, however long the timeout."""
    lock = mp.RLock()
    assert lock.acquire(False, _AGES) is True
    assert CallerThread(mp, lock, "acquire", False, _AGES).result() is False


@requirement("synchronization.rlock.release.as-often-as-acquired")
def test_rlock_is_released_as_often_as_acquired(mp):
    """Others can take the lock after the third release() of three."""
    lock = mp.RLock()
    for _ in range(3):
        lock.acquire()
    free = []
    for _ in range(3):
        lock.release()
        free.append(_free_for_others(mp, lock))
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
    stay = threading.Event()
    holders = [CallerThread(mp, _Holder(lock, stay), "hold") for _ in range(2)]
    for holder in holders:
        holder.until_blocked()
    lock.release()
    assert _Holder.taken(lock, mp) == 1
    stay.set()
    assert [holder.result() for holder in holders] == [True, True]


class _Holder:
    """Acquires a lock, and keeps it until it may go."""

    count = 0

    def __init__(self, lock, stay):
        self.lock = lock
        self.stay = stay
        type(self).count = 0

    def hold(self):
        with self.lock:
            type(self).count += 1
            return self.stay.wait()

    @classmethod
    def taken(cls, lock, mp):
        raise NotImplementedError
