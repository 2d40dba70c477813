"""Tests of SyncManager's Condition, Event and Barrier."""

import functools
import threading
import warnings

from mpspec.children import ChildError, PredicateError, RaisingAt, outcome_of, raises, waits
from mpspec.marks import requirement
from mpspec.suite.managers.helpers import acquire_at_once, call_in_threads, found_locked, hold_until
from mpspec.suite.managers.workshop import Broken, fail_broken
from mpspec.suite.synchronization.event import assert_set_by_old_name


def _is_free(lock):
    free = lock.acquire(False)
    if free:
        lock.release()
    return free


def _wait_for_notice(sender, condition, *timeout):
    with condition:
        sender.send("waiting")
        return condition.wait(*timeout)


@requirement("managers.condition.notify")
def test_condition_notify(mp, manager, companion):
    """``wait`` releases the condition, and returns True in the process that is notified, also within a timeout.

    It does not return before the condition is released that notified.
    """
    condition, shared = manager.Condition(), manager.Value("i", 0)
    for number, timeout in enumerate(((), (mp.timeout * 100,), (None,)), 1):
        companion.begin(_read_when_notified, condition, shared, *timeout)
        assert companion.receive() == "waiting"
        with condition:  # free, because the companion waits
            condition.notify()
            _change_late(shared, number)
        assert companion.result() == (True, number)


def _read_when_notified(sender, condition, shared, *timeout):
    with condition:
        sender.send("waiting")
        return condition.wait(*timeout), shared.value


def _change_late(shared, value):
    """Change a value after a while: who reads it too early gets the former one."""
    for _ in range(5):
        assert shared.value != value
    shared.value = value


def _wait_in_threads(sender, condition, shared, count):
    def wait():
        with condition:
            sender.send("waiting")
            condition.wait()
            sender.send(shared.value)

    threads = [threading.Thread(target=wait) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@requirement("managers.condition.notify-count")
def test_condition_notify_count(manager, companion):
    """``notify()`` wakes one of those who wait, ``notify(n)`` n, or all when they are fewer, none who come later."""
    condition, shared = manager.Condition(), manager.Value("i", -1)
    companion.begin(_wait_in_threads, condition, shared, 7)
    assert [companion.receive() for _ in range(7)] == ["waiting"] * 7
    with condition:
        condition.notify(0)
    woken = []
    for number, (position, name, count) in enumerate(
        [((), {}, 1), ((3,), {}, 3), ((), {"n": 2}, 2), ((9,), {}, 1)]
    ):
        with condition:
            shared.value = number
            condition.notify(*position, **name)
        woken.append([companion.receive() for _ in range(count)])
    assert woken == [[0], [1, 1, 1], [2, 2], [3]]
    companion.result()
    with condition:
        condition.notify(n=2)
        condition.notify_all()
        assert waits(condition.wait) is False


@requirement("managers.condition.notify-all")
def test_condition_notify_all(manager, companion):
    """``notify_all`` wakes all that wait, which go on when the condition has been released."""
    condition, shared = manager.Condition(), manager.Value("i", 0)
    companion.begin(_wait_in_threads, condition, shared, 8)
    assert [companion.receive() for _ in range(8)] == ["waiting"] * 8
    with condition:
        condition.notify_all()
        _change_late(shared, 7)
    assert [companion.receive() for _ in range(8)] == [7] * 8
    companion.result()


@requirement("managers.condition.notify-all-alias")
def test_condition_notify_all_by_its_old_name(manager, companion):
    """``notifyAll`` wakes both that wait."""
    condition, shared = manager.Condition(), manager.Value("i", 0)
    old = condition.notifyAll  # before anybody waits whom it should wake
    companion.begin(_wait_in_threads, condition, shared, 2)
    assert [companion.receive(), companion.receive()] == ["waiting"] * 2
    with condition, warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        old()
    assert [companion.receive(), companion.receive()] == [0, 0]
    companion.result()


def _wait_for_items(sender, condition, items, *timeout):
    with condition:
        sender.send("waiting")
        return condition.wait_for(lambda: len(items) == 2 and "both", *timeout)


@requirement("managers.condition.wait-for")
def test_condition_wait_for(mp, manager, companion):
    """``wait_for`` waits until the predicate holds, and gives its value, also within a timeout.

    With a timeout, too, it looks again before it gives up. The predicate is called with the lock held, and what it
    raises comes out.
    """
    condition, values, free = manager.Condition(), ["word", ""], []
    for timeout in ((), (mp.timeout * 100,), (None,)):
        items = manager.list()
        companion.begin(_wait_for_items, condition, items, *timeout)
        assert companion.receive() == "waiting"
        for item in range(2):
            with condition:
                items.append(item)
                condition.notify()
        assert companion.result() == "both"
    with condition:
        assert condition.wait_for(lambda: "at once") == "at once"
        for timeout in (0.01, 0, -1):
            assert condition.wait_for(lambda: False, timeout) is False
        assert condition.wait_for(predicate=lambda: 0, timeout=0.01) == 0
        assert condition.wait_for(list, timeout=0) == []
        assert condition.wait_for(values.pop, 0.01) == "word"
        values = ["", 0]  # the last one that it looked at is what it gives
        assert (
            condition.wait_for(lambda: values[0] if len(values) < 2 else values.pop(), 0.01) == ""
        )
        assert waits(functools.partial(condition.wait_for, list)) == []
        condition.wait_for(lambda: free.append(companion.ask(_is_free, condition)), 0.01)
        assert (len(free) > 1, set(free)) == (True, {False})
        for call in (1, 2):
            with raises(PredicateError):
                condition.wait_for(RaisingAt(call), 0.01)
        condition.notify()  # it is held yet


class _Late:
    """A predicate that asks for a notification each time, and the second time is as late as a wait can be."""

    def __init__(self, asked, event, timeout):
        self.asked, self.event, self.timeout = asked, event, timeout
        self.calls = 0

    def __call__(self):
        self.calls += 1
        self.asked.put(True)
        if self.calls == 2:
            self.event.wait(self.timeout)
        return self.calls > 2


def _notify_when_asked(_connection, condition, asked):
    while asked.get():
        with condition:
            condition.notify()


@requirement("managers.condition.wait-for-timeout-is-total")
def test_condition_wait_for_is_not_prolonged(manager, companion):
    """``wait_for`` that was notified in time, and found its predicate false when the time is up, waits no more."""
    condition, asked, timeout = manager.Condition(), manager.Queue(), 0.05
    companion.begin(_notify_when_asked, condition, asked)
    with condition:
        found = condition.wait_for(_Late(asked, manager.Event(), timeout), timeout)
    asked.put(False)
    companion.result()
    assert found is False


@requirement("managers.condition.wait-timeout")
def test_condition_timeout(manager):
    """``wait`` with a timeout gives False when no notice comes."""
    condition = manager.Condition()
    with condition:
        assert [condition.wait(timeout) for timeout in (0.01, 0, -1)] == [False] * 3
        assert waits(condition.wait) is False
        # It holds its lock again.
        condition.notify()


@requirement("managers.condition.needs-lock")
def test_condition_without_its_lock(manager, companion):
    """Who waits, notifies or releases gets RuntimeError when nobody holds the condition, and when another does."""
    condition, event = manager.Condition(), manager.Event()
    _use_without_lock(condition)
    companion.begin(hold_until, condition, event)
    assert companion.receive() == "held"
    _use_without_lock(condition)
    event.set()
    companion.result()


def _use_without_lock(condition):
    for call in (condition.notify, condition.notify_all, condition.release):
        with raises(RuntimeError):
            call()
    with raises(RuntimeError):
        condition.wait(0.01)
    with raises(RuntimeError):
        condition.wait_for(bool, 0.01)


def _acquire_each_at_once(*locks):
    return [lock.acquire(False) for lock in locks]


@requirement("managers.condition.lock")
def test_condition_of_a_lock(manager, companion):
    """A Condition uses the lock that it was given, a proxy for a Lock or an RLock, and works with a Lock.

    Who waits for it is woken by one who has acquired the Lock itself.
    """
    locks = manager.Lock(), manager.RLock()
    first, second = map(manager.Condition, locks)
    with first, second:
        assert companion.ask(_acquire_each_at_once, *locks) == [False, False]
    _wait_and_notify(first, locks[0])
    assert _is_free(locks[0]) is True
    companion.begin(_wait_for_notice, first)
    assert companion.receive() == "waiting"
    with locks[0]:  # free, because the companion waits
        first.notify()
    assert companion.result() is True
    assert locks[0].acquire(False) is True


@requirement("managers.condition.shared-lock")
def test_conditions_share_a_lock(manager, companion):
    """Two conditions of one lock exclude each other, and notify their own waiters only."""
    lock, shared = manager.Lock(), manager.Value("i", 0)
    one, other = manager.Condition(lock), manager.Condition(lock)
    companion.begin(_wait_in_threads, other, shared, 1)
    assert companion.receive() == "waiting"
    with one:
        free = _is_free(other)
        one.notify_all()
    for _ in range(5):  # who was woken by mistake has time to go on
        _is_free(lock)
    with other:
        shared.value = 1
        other.notify()
    assert (free, companion.receive()) == (False, 1)
    companion.result()


def _wait_and_notify(condition, lock):
    """Use a condition whose lock was acquired by it, and then by the lock's own proxy."""
    with condition:
        assert condition.wait(0.01) is False
        condition.notify()
    lock.acquire()
    assert condition.wait(0.01) is False
    condition.notify_all()
    condition.release()


@requirement("managers.condition.recursive-lock")
def test_condition_of_a_recursive_lock(mp, manager, companion):
    """Who has acquired a Condition of a given RLock, or the RLock, waits and notifies, and holds it as often.

    While it waits it does not hold it at all.
    """
    lock = manager.RLock()
    condition = manager.Condition(lock)
    _wait_and_notify(condition, lock)
    lock.acquire()
    _wait_and_notify(condition, lock)
    assert companion.ask(acquire_at_once, lock) is False
    lock.release()
    _assert_released_wholly(mp, condition, companion)
    assert companion.ask(acquire_at_once, lock) is True


def _assert_released_wholly(mp, condition, companion):
    """That another process that holds a condition twice, and waits, does not hold it at all."""
    companion.begin(_wait_for_notice_held_twice, condition)
    assert companion.receive() == "waiting"
    assert condition.acquire(True, mp.timeout) is True  # wait() has released it wholly
    condition.notify()
    condition.release()
    assert companion.result() is True


def _wait_for_notice_held_twice(sender, condition):
    with condition:
        return _wait_for_notice(sender, condition)


@requirement("managers.condition.default-lock")
def test_condition_without_a_lock(mp, manager, companion):
    """A Condition that was given no lock has an RLock: its owner may acquire it again, and waits without it."""
    condition = manager.Condition()
    with condition:
        assert condition.acquire(False) is True
        condition.release()
    _assert_released_wholly(mp, condition, companion)
    assert companion.ask(acquire_at_once, condition) is True


@requirement("managers.event.is-set-alias")
def test_event_flag_by_its_old_name(manager):
    """``isSet`` of an event is False at first, and True after ``set``."""
    assert_set_by_old_name(manager.Event())


@requirement("managers.event.flag")
def test_event_flag(manager):
    """An Event begins unset, and can be set and cleared."""
    event = manager.Event()
    assert event.is_set() is False
    event.set()
    assert event.is_set() is True
    event.clear()
    assert event.is_set() is False


@requirement("managers.event.wakes")
def test_event_wakes(mp, manager, companion):
    """All that wait for an Event go on when it is set, also within a timeout, and again after it was cleared."""
    event = manager.Event()
    for timeout in ((), (mp.timeout * 100,), (None,)):
        companion.call(event, "wait", *timeout).until_blocked()
        event.set()
        assert companion.result() is True
        assert event.wait() is True
        assert event.wait(0) is True
        event.clear()
    companion.begin(call_in_threads, mp, event, "wait", 3)
    assert companion.receive() == "waiting"
    event.set()
    assert [companion.receive() for _ in range(3)] == [True] * 3
    companion.result()


@requirement("managers.event.wait-timeout")
def test_event_timeout(manager):
    """``wait`` with a timeout gives False when the Event stays unset."""
    event = manager.Event()
    assert [event.wait(timeout) for timeout in (0.01, 0, -1)] == [False] * 3
    assert waits(event.wait) is False


@requirement("managers.barrier.releases")
def test_barrier_releases(mp, manager, companion):
    """Who waits at a Barrier goes on when all parties are there, each with a number of its own, and once more."""
    barrier = manager.Barrier(2)
    for timeout in ((), (None,)):
        companion.call(barrier, "wait", *timeout).until_blocked()
        own = barrier.wait()
        assert type(own) is int
        assert sorted([own, companion.result()]) == [0, 1]
    barrier = manager.Barrier(4)
    companion.begin(call_in_threads, mp, barrier, "wait", 3)
    assert companion.receive() == "waiting"
    own = barrier.wait()
    assert sorted([own, *(companion.receive() for _ in range(3))]) == [0, 1, 2, 3]
    companion.result()


@requirement("managers.barrier.attributes")
def test_barrier_attributes(manager):
    """A Barrier tells its parties, how many wait, and whether it is broken."""
    barrier = manager.Barrier(3)
    assert (barrier.parties, barrier.n_waiting, barrier.broken) == (3, 0, False)


@requirement("managers.barrier.n-waiting")
def test_barrier_tells_how_many_wait(mp, manager, companion):
    """``n_waiting`` is the number of those who wait."""
    from mpspec.observing import wait_until

    barrier = manager.Barrier(2)
    companion.call(barrier, "wait")
    wait_until(lambda: barrier.n_waiting == 1, mp.timeout, "one waits")
    barrier.wait()
    companion.result()
    assert barrier.n_waiting == 0


@requirement("managers.barrier.action")
def test_barrier_action(mp, manager, companion):
    """The action is called once, before the parties go on."""
    event = manager.Event()
    barrier = manager.Barrier(1, event.set)
    assert barrier.wait() == 0
    assert event.is_set() is True
    called, may_end = manager.Semaphore(0), manager.Semaphore(0)
    barrier = manager.Barrier(2, _Action(called, may_end))
    companion.begin(call_in_threads, mp, barrier, "wait", 2)
    assert companion.receive() == "waiting"
    assert called.acquire() is True
    may_end.release()
    assert sorted(companion.receive() for _ in range(2)) == [0, 1]
    companion.result()
    assert called.acquire(False) is False


class _Action:
    """Of a Barrier: tells that it was called, and returns when it is let."""

    def __init__(self, called, may_end):
        self.called, self.may_end = called, may_end

    def __call__(self):
        self.called.release()
        self.may_end.acquire()


@requirement("managers.barrier.timeout")
def test_barrier_timeout(mp, manager):
    """The timeout of a Barrier breaks it, and who waits gets BrokenBarrierError."""
    barrier = manager.Barrier(2, None, 0.01)
    with raises(mp.BrokenBarrierError):
        barrier.wait()
    assert barrier.broken is True


@requirement("managers.barrier.wait-timeout")
def test_barrier_wait_timeout(mp, manager, companion):
    """The timeout of ``wait`` breaks a Barrier, for the others too, whatever the Barrier's own timeout is."""
    barrier = manager.Barrier(2, timeout=mp.timeout * 100)
    with raises(mp.BrokenBarrierError):
        barrier.wait(0.01)
    assert barrier.broken is True
    for timeout in (0.01, 0):
        barrier.reset()
        with raises(mp.BrokenBarrierError):
            barrier.wait(timeout=timeout)

    def wait_anew(timeout):
        barrier.reset()
        return outcome_of(barrier.wait, timeout)

    assert waits(wait_anew)[0] == "BrokenBarrierError"
    barrier = manager.Barrier(3)
    _let_wait(mp, barrier, companion)
    with raises(mp.BrokenBarrierError):
        barrier.wait(0.01)
    with raises(ChildError) as raised:
        companion.result()
    assert raised.value.name == "BrokenBarrierError"
    # Who comes in time is let through.
    for own, timeout in ((0, mp.timeout), (mp.timeout, None), (None, mp.timeout)):
        barrier = manager.Barrier(2, None, own)
        _let_wait(mp, barrier, companion, timeout)
        assert {barrier.wait(), companion.result()} == {0, 1}


def _let_wait(mp, barrier, companion, *timeout):
    """Have the companion wait at a Barrier, and see it there.

    That its proxy waits for an answer does not tell that the server's thread has come to wait.
    """
    from mpspec.observing import wait_until

    companion.call(barrier, "wait", *timeout)
    wait_until(lambda: barrier.n_waiting == 1, mp.timeout, "one waits")


@requirement("managers.barrier.abort")
def test_barrier_abort(mp, manager, companion):
    """``abort`` breaks a Barrier for all who wait; ``reset`` mends it."""
    from mpspec.observing import wait_until

    barrier = manager.Barrier(3)
    companion.begin(call_in_threads, mp, barrier, "wait", 2)
    assert companion.receive() == "waiting"
    wait_until(lambda: barrier.n_waiting == 2, mp.timeout, "two wait")
    barrier.abort()
    assert [companion.receive() for _ in range(2)] == ["BrokenBarrierError"] * 2
    companion.result()
    barrier = manager.Barrier(2)
    _let_wait(mp, barrier, companion)
    barrier.abort()
    with raises(ChildError) as raised:
        companion.result()
    assert raised.value.name == "BrokenBarrierError"
    assert barrier.broken is True
    for _ in range(2):  # the second time there is nothing to mend
        barrier.reset()
        assert barrier.broken is False
    _let_wait(mp, barrier, companion)
    barrier.reset()
    with raises(ChildError) as raised:
        companion.result()
    assert raised.value.name == "BrokenBarrierError"
    assert barrier.broken is False


@requirement("managers.barrier.action-raises")
def test_barrier_action_raises(mp, manager, companion):
    """What the action raises is raised to the party that called it, and breaks the Barrier for all who wait."""
    barrier = manager.Barrier(1, fail_broken)
    with raises(Broken):
        barrier.wait()
    assert barrier.broken is True
    barrier = manager.Barrier(2, fail_broken)
    _let_wait(mp, barrier, companion)
    with raises(Broken):
        barrier.wait()
    with raises(ChildError) as raised:
        companion.result()
    assert raised.value.name == "BrokenBarrierError"


@requirement("managers.barrier.broken-later")
def test_barrier_stays_broken(mp, manager):
    """Who comes to a broken Barrier gets BrokenBarrierError, until it is reset."""
    barrier = manager.Barrier(1)
    barrier.abort()
    for _ in range(2):
        with raises(mp.BrokenBarrierError):
            barrier.wait()
    barrier.reset()
    assert barrier.wait() == 0


@requirement("managers.condition.locked")
def test_condition_tells_whether_it_is_locked(manager, companion):
    """``locked`` of a condition's proxy is True exactly while somebody holds its lock."""
    assert found_locked(manager, manager.Condition(), companion) == [False, True] * 2 + [False]
