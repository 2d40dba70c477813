"""Tests of what all primitives share."""

import functools
import os
import pickle
import sys
import threading
import time

from mpspec.children import (
    AT_ONCE,
    Caller,
    CallerThread,
    among_signals,
    ask,
    fail_to_start,
    outcome_of,
    raises,
    until_all_blocked,
    within,
)
from mpspec.marks import requirement
from mpspec.suite.synchronization.helpers import (
    AGES,
    ENOUGH,
    MOMENT,
    NEARLY,
    Entering,
    Holding,
    barred,
    fail,
    free_for_others,
    takes,
    waiting,
)


def _end_waits(event, conditions, barriers):
    """End each wait of others for what was given, in one of the ways that there are."""
    event.set()
    notified, all_notified = conditions
    with notified:
        notified.notify()
        notified.notify()
    with all_notified:
        all_notified.notify_all()
    aborted, emptied, *others = barriers
    aborted.abort()
    emptied.reset()
    for barrier in others:  # one's time runs out, the other's action fails
        outcome_of(barrier.wait, MOMENT)


def _use_all_and_end_waits(primitives, others):
    _end_waits(*others)
    _use_all(primitives)


def _use_all(primitives):
    lock, semaphore, bounded, condition, event, barrier = primitives
    barrier.wait()
    lock.release()
    semaphore.release()
    bounded.acquire()
    event.set()
    with condition:
        condition.notify()


@requirement("synchronization.primitives.usable-in-children")
def test_children_use_the_primitives_of_their_parent(mp):
    """What a child does to a primitive that it was given, its parent finds done; two that wait in the parent go on."""
    others = (
        mp.Event(),
        [mp.Condition(), mp.Condition()],
        [mp.Barrier(3), mp.Barrier(3), mp.Barrier(4), mp.Barrier(3, fail)],
    )
    waiters = [CallerThread(mp, others[0], "wait", *args) for args in ((), (mp.timeout,))]
    until_all_blocked(waiters)
    for some in others[1]:
        waiters += waiting(mp, some, 2)
    for some in others[2]:
        waiters += barred(mp, some, 2)
    lock, rlock, semaphore, bounded = mp.Lock(), mp.RLock(), mp.Semaphore(0), mp.BoundedSemaphore(1)
    condition, event, barrier = mp.Condition(rlock), mp.Event(), mp.Barrier(2)
    lock.acquire()
    with rlock:
        primitives = (lock, semaphore, bounded, condition, event, barrier)
        child = mp.Process(target=_use_all_and_end_waits, args=(primitives, others))
        child.start()
        barrier.wait()
        assert condition.wait() is True
    child.join()
    assert event.is_set()
    assert [one.acquire(False) for one in (lock, semaphore, bounded)] == [True, True, False]
    assert [waiter.result() for waiter in waiters] == [True] * 6 + ["BrokenBarrierError"] * 8
    assert [one.broken for one in others[2]] == [True, False, True, True]


def _use_all_and_too_much(primitives):
    """Use all, and exit with 1 unless they refuse here, too, what they refuse elsewhere."""
    _use_all(primitives)
    lock, _, bounded, condition, *_ = primitives
    bounded.release()
    refused = [outcome_of(one.release)[0] != "returned" for one in (lock, bounded)]
    bounded.acquire()
    with condition:
        again = condition.acquire(False)
        if again:
            condition.release()
    if not all((*refused, again)):
        sys.exit(1)


def _hand_on(mp, primitives):
    grandchild = mp.Process(target=_use_all_and_too_much, args=(primitives,))
    grandchild.start()
    grandchild.join()
    sys.exit(grandchild.exitcode)


@requirement("synchronization.primitives.handed-on")
def test_children_hand_primitives_on(mp):
    """What a grandchild does to a primitive that a child was given and passed on, the child's parent finds done.

    There, too, a free lock and a full bounded semaphore refuse release(), and a condition's lock is recursive.
    """
    lock, semaphore, bounded = mp.Lock(), mp.Semaphore(0), mp.BoundedSemaphore(1)
    condition, event, barrier = mp.Condition(), mp.Event(), mp.Barrier(2)
    lock.acquire()
    with condition:
        primitives = (lock, semaphore, bounded, condition, event, barrier)
        child = mp.Process(target=_hand_on, args=(mp, primitives))
        child.start()
        barrier.wait(mp.timeout)
        assert condition.wait(mp.timeout) is True
    child.join()
    assert child.exitcode == 0
    assert event.is_set()
    assert [one.acquire(False) for one in (lock, semaphore, bounded)] == [True, True, False]


class _Writer:
    """Sends two messages that belong together, under a lock."""

    def __init__(self, lock, sender):
        self.lock = lock
        self.sender = sender

    def write(self):
        with self.lock:
            self.sender.send("child begins")
            self.sender.send("child ends")


@requirement("synchronization.primitives.lock-serializes-output")
def test_output_under_a_lock_is_not_mixed(mp):
    """Two messages that a process sends under a lock arrive in one piece, though another wants to send as well."""
    lock = mp.Lock()
    receiver, sender = mp.Pipe(duplex=False)
    with lock:
        sender.send("parent begins")
        child = Caller(mp, _Writer(lock, sender), "write")
        child.until_blocked()
        sender.send("parent ends")
    child.result()
    sent = ["parent begins", "parent ends", "child begins", "child ends"]
    assert [receiver.recv() for _ in sent] == sent


@requirement("synchronization.primitives.with-releases-after-error")
def test_with_releases_after_an_error(mp):
    """An exception leaves the with statement of any primitive, which can be taken again."""
    for primitive in (mp.RLock(), mp.Semaphore(), mp.BoundedSemaphore(), mp.Condition()):
        for error in (KeyError, KeyboardInterrupt):
            with raises(error), primitive:
                raise error
            assert free_for_others(mp, primitive)


@requirement("synchronization.primitives.with-blocks")
def test_with_blocks(mp):
    """A thread that enters the with statement of any primitive sleeps until another releases it."""
    for make in (mp.Lock, mp.RLock, mp.Semaphore, mp.BoundedSemaphore, mp.Condition):
        primitive = make()
        primitive.acquire()
        caller = CallerThread(mp, Entering(primitive), "enter")
        caller.until_blocked()
        primitive.release()
        caller.result()


@requirement("synchronization.primitives.with-value")
def test_value_of_with(mp):
    """``with primitive as value`` gives True."""
    makers = (mp.Lock, mp.RLock, mp.Semaphore, mp.BoundedSemaphore, mp.Condition)
    assert [Entering(make()).enter() for make in makers] == [True] * 5


def _timed_calls(mp):
    """Calls that run out of a timeout: of each primitive the one that has one."""
    exhausted = [mp.Lock(), mp.Semaphore(), mp.BoundedSemaphore()]
    for one in exhausted:
        one.acquire()
    owned, holding = (mp.RLock(), mp.Condition()), Holding(mp.Condition())
    for one in owned:
        one.acquire()
    yield from [functools.partial(one.acquire, True) for one in exhausted]
    for one in owned:
        yield functools.partial(_acquire_elsewhere, mp, one)
    yield holding.wait
    yield lambda timeout: holding.wait_for(lambda: False, timeout)
    yield mp.Event().wait


def _acquire_elsewhere(mp, lock, timeout):
    return CallerThread(mp, lock, "acquire", True, timeout).result()


@requirement("synchronization.primitives.timeout-any-number")
def test_timeouts_are_real_numbers(mp):
    """Whole numbers and fractions are timeouts, those of a barrier as well."""
    import fractions

    for call in _timed_calls(mp):
        for timeout in (0, 0.001, fractions.Fraction(1, 1000)):
            assert call(timeout) is False
    for timeout in (0, 0.001, fractions.Fraction(1, 1000)):
        for barrier, *given in ((mp.Barrier(2), timeout), (mp.Barrier(2, None, timeout),)):
            with raises(mp.BrokenBarrierError):
                barrier.wait(*given)
    assert mp.Lock().acquire(timeout=7) is True


@requirement("synchronization.primitives.timeout-any-number")
def test_timeouts_pass_whatever_signals_come(mp):
    """Signals that are handled meanwhile don't make a call with a timeout any longer."""
    for call in (*_timed_calls(mp), functools.partial(_try_barrier, mp)):
        timed = functools.partial(call, MOMENT)
        assert within(ENOUGH, functools.partial(among_signals, timed)) is False


def _try_barrier(mp, timeout):
    return outcome_of(mp.Barrier(2).wait, timeout)[0] != "BrokenBarrierError"


@requirement("synchronization.primitives.timeout-huge")
def test_huge_timeouts(mp):
    """Calls that may wait for threading.TIMEOUT_MAX seconds sleep until they get what they wait for."""
    locks = [mp.Lock(), mp.RLock(), mp.Semaphore(1), mp.BoundedSemaphore(1), mp.Condition()]
    condition, event, barrier = mp.Condition(), mp.Event(), mp.Barrier(2)
    for lock in locks:
        lock.acquire()
    callers = [CallerThread(mp, lock, "acquire", True, threading.TIMEOUT_MAX) for lock in locks]
    callers += [
        CallerThread(mp, Holding(condition), "wait", threading.TIMEOUT_MAX),
        CallerThread(mp, Holding(condition), "wait_for", event.is_set, threading.TIMEOUT_MAX),
        CallerThread(mp, event, "wait", threading.TIMEOUT_MAX),
    ]
    party = CallerThread(mp, barrier, "wait", threading.TIMEOUT_MAX)
    until_all_blocked([*callers, party])
    for lock in locks:
        lock.release()
    event.set()
    Holding(condition).notify_all()
    assert {barrier.wait(), party.result()} == {0, 1}
    assert [caller.result() for caller in callers] == [True] * 8


@requirement("synchronization.primitives.timeout-none")
def test_waiting_without_a_limit(mp):
    """wait() and wait_for() with None for the timeout sleep until they get what they wait for."""
    condition, event, barrier, state = mp.Condition(), mp.Event(), mp.Barrier(2), []
    callers = [
        CallerThread(mp, Holding(condition), "wait", None),
        CallerThread(mp, Holding(condition), "wait_for", lambda: state == ["word"], None),
        CallerThread(mp, event, "wait", None),
        CallerThread(mp, barrier, "wait", None),
    ]
    until_all_blocked(callers)
    state.append("word")
    with condition:
        condition.notify_all()
    event.set()
    passed = {barrier.wait(None), callers.pop().result()}
    assert (passed, [caller.result() for caller in callers]) == ({0, 1}, [True] * 3)


@requirement("synchronization.primitives.parameter-names")
def test_names_of_parameters(mp):
    """The parameters of the primitives' constructors, of wait() and of wait_for() may be given by name."""
    for semaphore in (mp.Semaphore(value=2), mp.BoundedSemaphore(value=2)):
        assert takes(semaphore, 3) == [True, True, False]
    called, condition = [], mp.Condition(lock=mp.Lock())
    barrier = mp.Barrier(parties=1, action=lambda: called.append("action"), timeout=None)
    assert (barrier.wait(timeout=None), called) == (0, ["action"])
    assert mp.Event().wait(timeout=0) is False
    with condition:
        assert condition.wait(timeout=0) is False
        assert condition.wait_for(predicate=lambda: "word", timeout=None) == "word"


@requirement("synchronization.primitives.return-nothing")
def test_calls_that_return_nothing(mp):
    """What only changes a primitive's state returns None."""
    semaphore, bounded = mp.Semaphore(), mp.BoundedSemaphore()
    condition, event, barrier = mp.Condition(), mp.Event(), mp.Barrier(2)
    bounded.acquire()
    event.set()
    (waiter,) = waiting(mp, condition, 1)
    found = [semaphore.release(), bounded.release(), Holding(condition).notify()]
    waiter.result()
    with condition:
        found += [condition.notify_all(), event.clear(), event.set()]
    assert [*found, barrier.abort(), barrier.reset()] == [None] * 8


@requirement("synchronization.primitives.classes")
def test_primitives_are_instances_of_classes_in_synchronize(mp):
    """``Event()`` is a ``synchronize.Event``, and likewise the others."""
    classes = mp.synchronize
    assert isinstance(mp.Semaphore(), classes.Semaphore)
    assert isinstance(mp.BoundedSemaphore(), classes.BoundedSemaphore)
    assert isinstance(mp.Condition(), classes.Condition)
    assert isinstance(mp.Event(), classes.Event)
    assert isinstance(mp.Barrier(1), classes.Barrier)


@requirement("synchronization.primitives.classes-take-context")
def test_classes_in_synchronize_take_a_context(mp):
    """``synchronize.Lock(ctx=context)`` is a new lock, and likewise the others, with their other parameters."""
    classes, context = mp.synchronize, mp.context
    for kind in (classes.Lock, classes.Semaphore, classes.BoundedSemaphore):
        assert takes(kind(ctx=context), 2) == [True, False]
    for kind in (classes.Semaphore, classes.BoundedSemaphore):
        assert takes(kind(value=2, ctx=context), 3) == [True, True, False]
    for one in (classes.RLock(ctx=context), classes.Condition(lock=None, ctx=context)):
        assert takes(one, 2) == [True, True]
    assert classes.Event(ctx=context).is_set() is False
    assert classes.Barrier(parties=1, action=None, timeout=None, ctx=context).wait() == 0


@requirement("synchronization.primitives.repr")
def test_representation_of_primitives(mp):
    """repr() names the class; of a lock its owner, of a semaphore its value, of an event whether it is set."""
    lock, rlock, event = mp.Lock(), mp.RLock(), mp.Event()
    others = (mp.Semaphore(7), mp.BoundedSemaphore(7), mp.Condition(), mp.Barrier(1))
    for primitive in (lock, rlock, *others):
        assert type(primitive).__name__ in repr(primitive)
    assert all("7" in repr(semaphore) for semaphore in others[:2])
    assert all("None" in repr(one) for one in (lock, rlock))
    with lock, rlock:
        name = mp.current_process().name
        assert all(name in repr(one) for one in (lock, rlock))
    repr(event)


def _wake(connection, event, condition, barrier):
    connection.send((os.getpid(), threading.get_native_id()))
    event.set()
    with condition:
        condition.notify_all()
    barrier.abort()
    connection.send("woke them")
    connection.recv()


def _wait_for_each(mp, sender, event, condition, barrier):
    for one in (event, barrier):
        waiter = CallerThread(mp, one, "wait")
        waiter.until_blocked()
    sender.send((os.getpid(), threading.get_native_id()))
    Holding(condition).wait()


@requirement("synchronization.primitives.waiter-killed")
def test_those_who_wait_may_be_killed(mp):
    """set(), notify_all() and abort() return, though a process that waited was killed."""
    from mpspec.observing import wait_until_asleep

    primitives = mp.Event(), mp.Condition(), mp.Barrier(3)
    receiver, sender = mp.Pipe(duplex=False)
    waiter = mp.Process(target=_wait_for_each, args=(mp, sender, *primitives))
    waiter.start()
    wait_until_asleep(*receiver.recv(), mp.timeout)
    waiter.kill()
    waiter.join()
    ours, theirs = mp.Pipe()
    waker = mp.Process(target=_wake, args=(theirs, *primitives))
    waker.start()
    # In the end it sleeps: in recv(), or for ever where it waits for the one that is gone.
    wait_until_asleep(*ours.recv(), mp.timeout)
    woke_them = ours.poll()
    waker.kill()
    waker.join()
    assert woke_them


def _release_too_often(lock, bounded, semaphore):
    semaphore.release()
    return [outcome_of(one.release)[0] for one in (lock, bounded)]


def _run_out(mp, exhausted, rlock, condition, event):
    """What calls with a timeout come to; only the recursive lock is free, also for how many others at each level."""
    calls = [functools.partial(one.acquire, True) for one in exhausted]
    found = [_after_a_moment(call) for call in calls]
    found += [call(0) for call in calls]
    found += [within(AT_ONCE, functools.partial(one.acquire, False)) for one in exhausted]
    found += [event.wait(timeout) for timeout in (0, MOMENT, -AGES)]
    with condition:
        found += [condition.wait(timeout) for timeout in (0, MOMENT, -AGES)]
        found.append(condition.wait_for(lambda: False, MOMENT))
    taken = [rlock.acquire(*args) for args in ((), (False,), (True, 0), (True, MOMENT))]
    free = []
    for _ in taken:
        free.append(free_for_others(mp, rlock))
        rlock.release()
    free.append(free_for_others(mp, rlock))
    return found, _for_less_than_no_time(mp, exhausted), taken, free, _in_time(mp, condition, event)


def _for_less_than_no_time(mp, exhausted):
    """What calls with a negative timeout come to, of locks that are not to be had."""
    return [outcome_of(_acquire_elsewhere, mp, one, -AGES) for one in exhausted]


def _after_a_moment(call):
    """What a call gives that has to wait until its timeout is over: not less, and not much longer."""
    began = time.monotonic()
    found = within(ENOUGH, functools.partial(call, MOMENT))
    assert time.monotonic() - began >= NEARLY
    return found


def _in_time(mp, condition, event):
    """What calls with a timeout come to when another thread ends them."""
    state = []
    with condition:
        changer = CallerThread(mp, Holding(condition), "change", state)
        found = [condition.wait(mp.timeout)]
        other = CallerThread(mp, Holding(condition), "change", state)
        found.append(condition.wait_for(lambda: state[1:] and state[1], mp.timeout))
    changer.result()
    other.result()
    waiter = CallerThread(mp, event, "wait", mp.timeout)
    waiter.until_blocked()
    event.set()
    return [*found, waiter.result()]


@requirement("synchronization.primitives.same-timeouts-in-child")
def test_timeouts_hold_in_a_child(mp):
    """In a child, too, calls run out of time, or do not, and a recursive lock is its owner's again and again.

    One that its parent owns stays the parent's.
    """
    owned = mp.RLock()
    exhausted = [mp.Lock(), mp.Semaphore(), mp.BoundedSemaphore(), mp.Condition(), owned, owned]
    for one in exhausted:
        one.acquire()
    given = (exhausted[:-1], mp.RLock(), mp.Condition(), mp.Event())
    found, negative, taken, free, in_time = ask(mp, _run_out, mp, *given)
    assert (found, taken) == ([False] * 22, [True] * 4)
    assert negative == _for_less_than_no_time(mp, exhausted[:-1])
    assert (free, in_time) == ([False] * 4 + [True], [True, "word", True])
    for is_free in (False, True):
        owned.release()
        assert free_for_others(mp, owned) is is_free


@requirement("synchronization.primitives.same-bounds-in-child")
def test_bounds_hold_in_a_child(mp):
    """In a child, too, a free lock and a full bounded semaphore refuse release()."""
    lock, bounded, semaphore = mp.Lock(), mp.BoundedSemaphore(2), mp.Semaphore(2)
    assert ask(mp, _release_too_often, lock, bounded, semaphore) == ["ValueError", "ValueError"]
    assert [takes(lock, 2), takes(bounded, 3)] == [[True, False], [True, True, False]]
    assert takes(semaphore, 4) == [True, True, True, False]


@requirement("synchronization.primitives.refuse-pickling")
def test_primitives_are_not_pickled(mp):
    """``pickle.dumps`` of any primitive raises RuntimeError, after a start() that failed as well."""
    fail_to_start(mp)
    makers = (mp.Lock, mp.RLock, mp.Semaphore, mp.BoundedSemaphore, mp.Condition, mp.Event)
    for primitive in [make() for make in makers] + [mp.Barrier(1)]:
        with raises(RuntimeError):
            pickle.dumps(primitive)
