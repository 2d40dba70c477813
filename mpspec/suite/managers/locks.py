"""Tests of SyncManager's locks and semaphores."""

import functools
import threading

from mpspec.children import CallerThread, ChildError, outcome_of, raises, waits
from mpspec.marks import requirement
from mpspec.suite.managers.helpers import (
    acquire_at_once,
    call_in_threads,
    found_locked,
    is_locked,
    life_of_a_manager,
    tell_when_all_wait,
)


@requirement("managers.lock.excludes")
def test_lock_excludes_other_processes(mp, manager, companion):
    """A process that wants a lock, of any kind, waits until the one that has it releases it; one release is for one."""
    lock = manager.Lock()
    assert lock.acquire() is True
    companion.call(lock, "acquire").until_blocked()
    lock.release()
    assert companion.result() is True
    assert lock.acquire(False) is False
    assert _served_when_released(manager, companion, "acquire") == [True] * 5
    _assert_wakes_one(mp, lock, companion)


def _assert_wakes_one(mp, lock, companion):
    """Each release() of what nobody can acquire, a lock or a semaphore, lets one of two that wait go on."""
    companion.begin(call_in_threads, mp, lock, "acquire", 2)
    assert companion.receive() == "waiting"
    for _ in range(2):
        lock.release()
        assert companion.receive() is True
    companion.result()
    assert lock.acquire(False) is False


def _served_when_released(manager, companion, method, *args):
    """What another process gets that calls a method of each kind of lock, and waits until this one releases it."""
    results = []
    for kind in ("Lock", "RLock", "Semaphore", "BoundedSemaphore", "Condition"):
        lock = getattr(manager, kind)()
        lock.acquire()
        companion.call(lock, method, *args).until_blocked()
        lock.release()
        results.append(companion.result())
    return results


@requirement("managers.lock.acquire-timeout")
def test_lock_timeout(mp, manager, companion):
    """``acquire`` with a timeout gives False when the lock, or the semaphore, stays taken, True if it is released.

    With a timeout of -1 that of a lock waits as long as it takes.
    """
    for lock in (manager.Lock(), manager.Semaphore(1), manager.BoundedSemaphore(1)):
        assert lock.acquire(True, 0.01) is True
        assert waits(functools.partial(lock.acquire, True)) is False
        assert (lock.acquire(True, 0), lock.acquire(0)) == (False, False)
        with raises(ValueError):
            lock.acquire(False, 0.01)
        lock.release()
    for lock in (manager.Lock(), manager.RLock()):
        assert lock.acquire(True, -1) is True
    for lock in (manager.RLock(), manager.Condition()):
        lock.acquire()
        assert companion.ask(_acquire_in_time, lock) is False
    for lock in (manager.Lock(), manager.RLock(), manager.Condition()):
        lock.acquire()
        companion.call(lock, "acquire", True, -1).until_blocked()
        lock.release()
        assert companion.result() is True
    released = _served_when_released(manager, companion, "acquire", True, mp.timeout)
    assert released == [True] * 5


@requirement("managers.lock.context-manager")
def test_lock_in_with(manager, companion):
    """A lock or semaphore is waited for, and held within its ``with`` block, an RLock until the outermost is left."""
    assert len(_served_when_released(manager, companion, "__enter__")) == 5
    for lock in (manager.Lock(), manager.Semaphore(1), manager.BoundedSemaphore(1)):
        with lock:
            assert lock.acquire(False) is False
        assert lock.acquire(False) is True
        lock.release()
        for kind in (LookupError, KeyboardInterrupt):
            with raises(kind), lock:
                raise kind
        assert lock.acquire(False) is True
    for lock in (manager.RLock(), manager.Condition()):
        with lock:
            with lock:
                pass
            assert companion.ask(acquire_at_once, lock) is False
            with raises(LookupError), lock:
                raise LookupError
            assert companion.ask(acquire_at_once, lock) is False
        assert companion.ask(_acquire_and_release, lock) is True
        with raises(LookupError), lock:
            raise LookupError
        assert companion.ask(acquire_at_once, lock) is True


def _acquire_in_time(lock):
    return waits(functools.partial(lock.acquire, True))


def _acquire_and_release(lock):
    with lock:
        return True


def _release(lock):
    lock.release()


@requirement("managers.lock.released-by-another")
def test_lock_released_by_another_process(manager, companion):
    """Any process may release a lock."""
    lock = manager.Lock()
    lock.acquire()
    companion.ask(_release, lock)
    assert lock.acquire(False) is True


@requirement("managers.lock.release-returns-nothing")
def test_release_returns_nothing(manager):
    """``release()`` of a lock, of an RLock and of a condition returns None."""
    for lock in (manager.Lock(), manager.RLock(), manager.Condition()):
        lock.acquire()
        assert lock.release() is None


@requirement("managers.lock.release-unlocked")
def test_lock_release_when_free(manager):
    """Releasing a lock that nobody holds raises RuntimeError."""
    with raises(RuntimeError):
        manager.Lock().release()


@requirement("managers.synchronization.keywords")
def test_parameters_by_name(mp, manager, companion):
    """The parameters of ``acquire`` and ``wait`` have the names that threading gives; None for timeout is no limit."""
    event, condition = manager.Event(), manager.Condition()
    for lock in (manager.Lock(), manager.Semaphore(), manager.BoundedSemaphore()):
        assert lock.acquire(blocking=True, timeout=0.01) is True
        assert lock.acquire(blocking=False) is False
        assert lock.acquire(timeout=0.01) is False
    for lock in (manager.RLock(), condition):
        assert lock.acquire(blocking=False) is True
        assert lock.acquire(blocking=True, timeout=0.01) is True
        lock.release()
    assert event.wait(timeout=0.01) is False
    assert condition.wait(timeout=0.01) is False
    lock = manager.Lock()
    assert manager.Condition(lock=lock).acquire() is True
    assert lock.acquire(False) is False
    assert manager.Condition(None).acquire() is manager.Condition(lock=None).acquire() is True
    assert manager.Semaphore(value=0).acquire(False) is False
    assert manager.BoundedSemaphore(value=2).acquire(False) is True
    assert manager.BoundedSemaphore(value=0).acquire(False) is False
    assert manager.Barrier(parties=1, action=event.set, timeout=0.01).wait() == 0
    assert event.is_set() is True
    with raises(mp.BrokenBarrierError):
        manager.Barrier(parties=2, timeout=0.01).wait()
    bounded = manager.Queue(maxsize=1)
    bounded.put(1)
    assert bounded.full() is True
    for semaphore in (manager.Semaphore(0), manager.BoundedSemaphore(0)):
        assert semaphore.acquire(False, None) is False
    for semaphore in (manager.Semaphore(1), manager.BoundedSemaphore(1)):
        assert semaphore.acquire(timeout=None) is True
        companion.call(semaphore, "acquire", True, None).until_blocked()
        semaphore.release()
        assert companion.result() is True


@requirement("managers.rlock.reentrant")
def test_rlock_is_recursive(mp, manager, companion):
    """The owner of an RLock may acquire it again; it has released it as often when one of those who wait goes on."""
    lock = manager.RLock()
    assert lock.acquire() is True
    assert lock.acquire(False) is True
    lock.release()
    assert companion.ask(acquire_at_once, lock) is False
    lock.release()
    assert companion.ask(_acquire_and_release, lock) is True
    assert [lock.acquire(), lock.acquire()] == [True, True]
    leave = manager.Semaphore(0)
    companion.begin(_keep_in_threads, mp, lock, leave)
    assert companion.receive() == "waiting"
    for _ in range(2):
        lock.release()
        _give_time(leave)
    leave.release()
    leave.release()
    told = [companion.receive() for _ in range(6)]
    # The other one may come before the first can tell that it has released the lock.
    assert [word for word in told if word != "returned"] == ["in", "out"] * 2
    companion.result()


def _give_time(semaphore):
    """Let the manager be of use a few times: who goes on by mistake meanwhile has gone on."""
    for _ in range(5):
        semaphore.acquire(False)


def _keep_in_threads(sender, mp, lock, leave):
    """Have two threads wait for a lock, each of which has it until it may leave.

    Tell who comes and who goes, and what comes of the release.
    """

    def keep():
        lock.acquire()
        sender.send("in")
        leave.acquire()
        sender.send("out")
        sender.send(outcome_of(lock.release)[0])

    tell_when_all_wait(sender, mp, keep, 2)


@requirement("managers.rlock.owner-releases")
def test_rlock_released_by_its_owner(manager, companion):
    """A process that does not own an RLock can't release it."""
    lock = manager.RLock()
    lock.acquire()
    with raises(ChildError) as raised:
        companion.ask(_release, lock)
    assert raised.value.name == "RuntimeError"
    lock.release()


@requirement("managers.rlock.thread-owns")
def test_rlock_is_owned_by_a_thread(mp):
    """The thread that has acquired an RLock has it by any proxy, and releases it; no other thread does, nor nobody."""
    others = [False, RuntimeError] * 2
    found = [True, False, False, True, None, *others, RuntimeError]
    assert life_of_a_manager(mp)["owned"] == ("returned", found)


@requirement("managers.semaphore.counts")
def test_semaphore_counts(mp, manager, companion):
    """A Semaphore is acquired as often as its value says, by all processes together."""
    semaphore = manager.Semaphore(2)
    assert companion.ask(acquire_at_once, semaphore) is True
    assert semaphore.acquire(False) is True
    assert semaphore.acquire(False) is False
    companion.ask(_release, semaphore)
    assert semaphore.acquire(False) is True
    _assert_wakes_one(mp, semaphore, companion)


@requirement("managers.semaphore.default")
def test_semaphore_default(manager):
    """Without a value a Semaphore and a BoundedSemaphore begin with 1; none has a value below 0."""
    for kind in (manager.Semaphore, manager.BoundedSemaphore):
        semaphore = kind()
        assert semaphore.acquire(False) is True
        assert semaphore.acquire(False) is False
        with raises(Exception):
            kind(-1)


@requirement("managers.semaphore.unbounded")
def test_semaphore_grows(manager):
    """A Semaphore may be released more often than it was acquired."""
    semaphore = manager.Semaphore(0)
    semaphore.release()
    assert semaphore.acquire(False) is True


@requirement("managers.semaphore.release-many")
def test_semaphore_release_many(mp, manager, companion):
    """``release(n)`` lets n more acquire the Semaphore, those who wait as well."""
    semaphore = manager.Semaphore(0)
    semaphore.release(2)
    semaphore.release(n=1)
    assert [semaphore.acquire(False) for _ in range(4)] == [True, True, True, False]
    _assert_wakes_both(mp, semaphore, companion)


def _assert_wakes_both(mp, semaphore, companion):
    """release(2) of a semaphore at zero lets both go on that wait."""
    companion.begin(call_in_threads, mp, semaphore, "acquire", 2)
    assert companion.receive() == "waiting"
    semaphore.release(2)
    assert [companion.receive(), companion.receive()] == [True, True]
    companion.result()
    assert semaphore.acquire(False) is False


@requirement("managers.bounded-semaphore.bound")
def test_bounded_semaphore_has_a_bound(manager):
    """Releasing a BoundedSemaphore beyond its first value raises ValueError."""
    semaphore = manager.BoundedSemaphore(2)
    assert [semaphore.acquire(False) for _ in range(3)] == [True, True, False]
    semaphore.release()
    semaphore.release()
    with raises(ValueError):
        semaphore.release()
    assert [semaphore.acquire(False) for _ in range(3)] == [True, True, False]


@requirement("managers.bounded-semaphore.release-many")
def test_bounded_semaphore_release_many(mp, manager, companion):
    """``release(2)`` gives back two; when only one was taken it raises ValueError, and gives back none.

    Both go on who wait for one.
    """
    semaphore = manager.BoundedSemaphore(2)
    assert [semaphore.acquire(False), semaphore.acquire(False)] == [True, True]
    semaphore.release(2)
    assert [semaphore.acquire(False) for _ in range(3)] == [True, True, False]
    _assert_wakes_both(mp, semaphore, companion)
    semaphore.release()
    with raises(ValueError):
        semaphore.release(n=2)
    assert [semaphore.acquire(False), semaphore.acquire(False)] == [True, False]


@requirement("managers.synchronization.timeout-any-number")
def test_timeouts_are_real_numbers(mp, manager):
    """A fraction is a timeout of each method that takes one, and of a barrier."""
    import fractions

    moment, condition = fractions.Fraction(1, 100), manager.Condition()
    held = [manager.Lock(), manager.RLock(), manager.Condition()]
    for lock in held:
        assert lock.acquire(True, moment) is True
    for lock in (*held, manager.Semaphore(0), manager.BoundedSemaphore(0)):
        assert CallerThread(mp, lock, "acquire", True, moment).result() is False
    assert manager.Event().wait(moment) is False
    with condition:
        assert [condition.wait(moment), condition.wait_for(bool, moment)] == [False, False]
    for barrier, *timeout in ((manager.Barrier(2), moment), (manager.Barrier(2, None, moment),)):
        with raises(mp.BrokenBarrierError):
            barrier.wait(*timeout)


@requirement("managers.synchronization.timeout-too-large")
def test_timeouts_have_a_limit(manager):
    """A timeout beyond ``threading.TIMEOUT_MAX`` is refused by each method that takes one, and nothing is acquired."""
    too_long = 2 * threading.TIMEOUT_MAX
    lock, condition = manager.Lock(), manager.Condition()
    for held in (lock, manager.RLock(), manager.Semaphore(0), condition):
        with raises(OverflowError):
            held.acquire(True, too_long)
    assert lock.acquire(False) is True
    with raises(OverflowError):
        manager.Event().wait(too_long)
    with condition, raises(OverflowError):
        condition.wait(too_long)
    with raises(OverflowError):
        manager.Barrier(2).wait(too_long)


@requirement("managers.lock.locked")
def test_lock_tells_whether_it_is_locked(manager, companion):
    """``locked`` of a lock's proxy is True exactly while somebody holds the lock, whoever asks."""
    lock = manager.Lock()
    found = [lock.locked()]
    with lock:
        found += [lock.locked(), companion.ask(is_locked, lock)]
    assert [*found, lock.locked()] == [False, True, True, False]


@requirement("managers.rlock.locked")
def test_rlock_tells_whether_it_is_locked(manager, companion):
    """``locked`` of an RLock's proxy is True exactly while somebody holds the lock."""
    assert found_locked(manager, manager.RLock(), companion) == [False, True] * 2 + [False]
