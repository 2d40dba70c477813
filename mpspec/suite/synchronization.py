"""Tests of the chapter synchronization: locks, semaphores, conditions, events and barriers."""

import contextlib
import functools
import itertools
import os
import pickle
import signal
import sys
import threading
import time
import warnings

from mpspec.children import (
    AT_ONCE,
    Caller,
    CallerThread,
    PredicateError,
    RaisingAt,
    among_signals,
    ask,
    by_a_bad_clock,
    fail_to_start,
    observed_once,
    outcome_of,
    raises,
    run,
    until_all_blocked,
    within,
)
from mpspec.marks import requirement
from mpspec.stepwise import Stepwise, go_as_far_as_possible, slowly

# Long enough to be a hang when a call waits for so many seconds that should not wait at all.
_AGES = 100_000.0
# For a call that must time out: short.
_MOMENT = 0.02
# What waited for that long: the clocks differ a little.
_NEARLY = 0.015
# A call with that timeout is over by then.
_ENOUGH = 0.045


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

    def call(self, name, *args):
        return getattr(self, name)(*args)

    def wait(self, *args):
        with self.condition:
            return self.condition.wait(*args)

    def wait_for(self, *args):
        with self.condition:
            return self.condition.wait_for(*args)

    def notify(self, *args):
        with self.condition:
            return self.condition.notify(*args)

    def notify_all(self):
        with self.condition:
            return self.condition.notify_all()

    def change(self, state):
        with self.condition:
            state.append("word")
            self.condition.notify()


def _waiting(mp, condition, count):
    """So many threads, each asleep in the wait() of a condition."""
    waiters = [CallerThread(mp, _Holding(condition), "wait") for _ in range(count)]
    until_all_blocked(waiters)
    return waiters


class _Steps(Stepwise):
    """A Stepwise for the wait() of a condition as well, which is called with the lock held."""

    def call_holding(self, condition):
        with condition:
            return self.call(condition.wait)


def _woken_at_each_step(mp, method, argument, subject, waking):
    """What a call that waits and one that ends it give, when this is begun at each step of that one in turn.

    The call that waits is that of a _Steps's method.
    """
    wakers = []

    def wake():
        wakers.append(CallerThread(mp, subject, waking))
        return wakers[-1]

    for number in itertools.count(1):
        steps = _Steps(number, wake)
        waiter = CallerThread(mp, steps, method, argument)
        if not steps.begun.wait(0.05):
            with contextlib.suppress(AssertionError):  # it may have been woken after all
                waiter.until_blocked()
            if steps.cancel():
                # It has fewer steps.
                getattr(subject, waking)()
                waiter.result()
                return
        _until_returned(mp, [waiter], 1)
        yield waiter.result(), wakers.pop().result()


def _until_returned(mp, callers, count):
    """Wait until so many of the calls are over; gives those that are not."""
    from mpspec.observing import wait_until

    def enough():
        return sum(caller.has_returned for caller in callers) >= count

    wait_until(enough, mp.timeout, f"{count} of {len(callers)} calls over")
    return [caller for caller in callers if not caller.has_returned]


# All primitives


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
        outcome_of(barrier.wait, _MOMENT)


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
        [mp.Barrier(3), mp.Barrier(3), mp.Barrier(4), mp.Barrier(3, _fail)],
    )
    waiters = [CallerThread(mp, others[0], "wait", *args) for args in ((), (mp.timeout,))]
    until_all_blocked(waiters)
    for some in others[1]:
        waiters += _waiting(mp, some, 2)
    for some in others[2]:
        waiters += _barred(mp, some, 2)
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
            assert _free_for_others(mp, primitive)


class _Entering:
    """Enters a primitive's with statement."""

    def __init__(self, primitive):
        self.primitive = primitive

    def enter(self):
        with self.primitive as value:
            return value


@requirement("synchronization.primitives.with-blocks")
def test_with_blocks(mp):
    """A thread that enters the with statement of any primitive sleeps until another releases it."""
    for make in (mp.Lock, mp.RLock, mp.Semaphore, mp.BoundedSemaphore, mp.Condition):
        primitive = make()
        primitive.acquire()
        caller = CallerThread(mp, _Entering(primitive), "enter")
        caller.until_blocked()
        primitive.release()
        caller.result()


@requirement("synchronization.primitives.with-value")
def test_value_of_with(mp):
    """``with primitive as value`` gives True."""
    makers = (mp.Lock, mp.RLock, mp.Semaphore, mp.BoundedSemaphore, mp.Condition)
    assert [_Entering(make()).enter() for make in makers] == [True] * 5


def _timed_calls(mp):
    """Calls that run out of a timeout: of each primitive the one that has one."""
    exhausted = [mp.Lock(), mp.Semaphore(), mp.BoundedSemaphore()]
    for one in exhausted:
        one.acquire()
    owned, holding = (mp.RLock(), mp.Condition()), _Holding(mp.Condition())
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
        timed = functools.partial(call, _MOMENT)
        assert within(_ENOUGH, functools.partial(among_signals, timed)) is False


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
        CallerThread(mp, _Holding(condition), "wait", threading.TIMEOUT_MAX),
        CallerThread(mp, _Holding(condition), "wait_for", event.is_set, threading.TIMEOUT_MAX),
        CallerThread(mp, event, "wait", threading.TIMEOUT_MAX),
    ]
    party = CallerThread(mp, barrier, "wait", threading.TIMEOUT_MAX)
    until_all_blocked([*callers, party])
    for lock in locks:
        lock.release()
    event.set()
    _Holding(condition).notify_all()
    assert {barrier.wait(), party.result()} == {0, 1}
    assert [caller.result() for caller in callers] == [True] * 8


@requirement("synchronization.primitives.timeout-none")
def test_waiting_without_a_limit(mp):
    """wait() and wait_for() with None for the timeout sleep until they get what they wait for."""
    condition, event, barrier, state = mp.Condition(), mp.Event(), mp.Barrier(2), []
    callers = [
        CallerThread(mp, _Holding(condition), "wait", None),
        CallerThread(mp, _Holding(condition), "wait_for", lambda: state == ["word"], None),
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
        assert _takes(semaphore, 3) == [True, True, False]
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
    (waiter,) = _waiting(mp, condition, 1)
    found = [semaphore.release(), bounded.release(), _Holding(condition).notify()]
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
        assert _takes(kind(ctx=context), 2) == [True, False]
    for kind in (classes.Semaphore, classes.BoundedSemaphore):
        assert _takes(kind(value=2, ctx=context), 3) == [True, True, False]
    for one in (classes.RLock(ctx=context), classes.Condition(lock=None, ctx=context)):
        assert _takes(one, 2) == [True, True]
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
    _Holding(condition).wait()


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
    found += [event.wait(timeout) for timeout in (0, _MOMENT, -_AGES)]
    with condition:
        found += [condition.wait(timeout) for timeout in (0, _MOMENT, -_AGES)]
        found.append(condition.wait_for(lambda: False, _MOMENT))
    taken = [rlock.acquire(*args) for args in ((), (False,), (True, 0), (True, _MOMENT))]
    free = []
    for _ in taken:
        free.append(_free_for_others(mp, rlock))
        rlock.release()
    free.append(_free_for_others(mp, rlock))
    return found, _for_less_than_no_time(mp, exhausted), taken, free, _in_time(mp, condition, event)


def _for_less_than_no_time(mp, exhausted):
    """What calls with a negative timeout come to, of locks that are not to be had."""
    return [outcome_of(_acquire_elsewhere, mp, one, -_AGES) for one in exhausted]


def _after_a_moment(call):
    """What a call gives that has to wait until its timeout is over: not less, and not much longer."""
    began = time.monotonic()
    found = within(_ENOUGH, functools.partial(call, _MOMENT))
    assert time.monotonic() - began >= _NEARLY
    return found


def _in_time(mp, condition, event):
    """What calls with a timeout come to when another thread ends them."""
    state = []
    with condition:
        changer = CallerThread(mp, _Holding(condition), "change", state)
        found = [condition.wait(mp.timeout)]
        other = CallerThread(mp, _Holding(condition), "change", state)
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
        assert _free_for_others(mp, owned) is is_free


@requirement("synchronization.primitives.same-bounds-in-child")
def test_bounds_hold_in_a_child(mp):
    """In a child, too, a free lock and a full bounded semaphore refuse release()."""
    lock, bounded, semaphore = mp.Lock(), mp.BoundedSemaphore(2), mp.Semaphore(2)
    assert ask(mp, _release_too_often, lock, bounded, semaphore) == ["ValueError", "ValueError"]
    assert [_takes(lock, 2), _takes(bounded, 3)] == [[True, False], [True, True, False]]
    assert _takes(semaphore, 4) == [True, True, True, False]


@requirement("synchronization.primitives.refuse-pickling")
def test_primitives_are_not_pickled(mp):
    """``pickle.dumps`` of any primitive raises RuntimeError, after a start() that failed as well."""
    fail_to_start(mp)
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
    assert within(_ENOUGH, lambda: lock.acquire(timeout=_MOMENT)) is False
    _run_out_in_a_thread(mp, lock, "acquire", True, _MOMENT)
    _take_the_next(mp, lock)


def _run_out_in_a_thread(mp, subject, *call):
    late = functools.partial(CallerThread, mp, subject, *call)
    assert within(_ENOUGH, lambda: late().result()) is False


def _take_the_next(mp, exhausted):
    """What is released once goes to one who waits, whatever calls have been in vain before."""
    caller = CallerThread(mp, exhausted, "acquire")
    caller.until_blocked()
    exhausted.release()
    assert caller.result() is True
    assert exhausted.acquire(False) is False


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
    for timeout in (-_AGES, -1, -0.001):
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
    assert lock.acquire(False, _AGES) is True
    assert lock.acquire(False, _AGES) is False
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
    _assert_wakes_one(mp, lock)


def _assert_wakes_one(mp, lock):
    """Each release() of what nobody can acquire, a lock or a semaphore, lets one of two that wait go on."""
    callers = [CallerThread(mp, lock, "acquire") for _ in range(2)]
    until_all_blocked(callers)
    lock.release()
    (other,) = _until_returned(mp, callers, 1)
    other.until_blocked()
    lock.release()
    assert [caller.result() for caller in callers] == [True, True]


def _keep_in_turn(connection, locks, timeout):
    """Acquire each lock, perhaps with a timeout, say so, and keep it until told."""
    connection.send((os.getpid(), threading.get_native_id()))
    for lock in locks:
        connection.send("about to acquire")
        connection.send(lock.acquire(True, *timeout))
        connection.recv()
        lock.release()


class _KeeperProcess:
    """A child that keeps one lock after the other."""

    def __init__(self, mp, locks, timeout):
        self._timeout = mp.timeout
        self.connection, theirs = mp.Pipe()
        self.process = mp.Process(target=_keep_in_turn, args=(theirs, locks, timeout))
        self.process.start()
        theirs.close()
        self._thread = self.connection.recv()

    def until_asleep(self):
        from mpspec.observing import wait_until_asleep

        wait_until_asleep(*self._thread, self._timeout)

    def says(self):
        """Whether it has something to say: that it has acquired a lock."""
        return self.connection.poll()


def _see_release(mp, lock, keepers, times):
    """How many of two processes acquire a lock that is released so often: after each time, and after one's own."""
    from mpspec.observing import wait_until

    seen = []
    for keeper in keepers:
        assert keeper.connection.recv() == "about to acquire"
    for left in reversed(range(times)):
        for keeper in keepers:
            keeper.until_asleep()
        seen.append(sum(keeper.says() for keeper in keepers))
        lock.release()
        if not left:
            wait_until(lambda: any(keeper.says() for keeper in keepers), mp.timeout, "one proceeds")
    for keeper in keepers:
        keeper.until_asleep()
    inside = [keeper for keeper in keepers if keeper.says()]
    seen.append(len(inside))
    for keeper in inside + [keeper for keeper in keepers if keeper not in inside]:
        assert keeper.connection.recv() is True
        keeper.connection.send("leave")
    return seen


@observed_once
def _see_releases(mp):
    """Two processes wait for a lock, then for a recursive one that is held twice; each is released.

    One has a timeout.
    """
    lock, recursive = mp.Lock(), mp.RLock()
    lock.acquire()
    recursive.acquire()
    recursive.acquire()
    keepers = [_KeeperProcess(mp, [lock, recursive], timeout) for timeout in ((), (mp.timeout,))]
    seen = {
        "lock": _see_release(mp, lock, keepers, 1),
        "recursive": _see_release(mp, recursive, keepers, 2),
    }
    for keeper in keepers:
        keeper.process.join()
        keeper.connection.close()
    return seen


@requirement("synchronization.lock.release.lets-one-process-proceed")
def test_release_lets_one_of_two_processes_proceed(mp):
    """Of two processes that wait, one within a timeout, one gets the lock, and the other goes on waiting."""
    assert _see_releases(mp)["lock"] == [0, 1]


@requirement("synchronization.rlock.release.lets-one-process-proceed")
def test_last_release_lets_one_of_two_processes_proceed(mp):
    """Of two processes that wait, one within a timeout, for a lock acquired twice, one gets it at the last release."""
    assert _see_releases(mp)["recursive"] == [0, 0, 1]


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
        waiter = CallerThread(mp, _Entering(lock), "enter")
        waiter.until_blocked()
        states = [lock.locked(), ask(mp, lock.locked)]
    waiter.result()
    assert [state is True for state in states] == [True, True]


def _acquire(lock):
    lock.acquire()


# RLock


@requirement("synchronization.rlock.class")
def test_rlock_is_an_instance_of_the_class_in_synchronize(mp):
    """``RLock()`` is a ``synchronize.RLock``."""
    assert isinstance(mp.RLock(), mp.synchronize.RLock)


@requirement("synchronization.rlock.acquire.again-by-owner")
def test_owner_acquires_again(mp):
    """Each acquire() of the owner returns True, with a timeout as well, and however many there are."""
    lock = mp.RLock()
    assert [lock.acquire() for _ in range(300)] == [True] * 300
    assert [lock.acquire(True, timeout) for timeout in (-1, 0, 1, _AGES)] == [True] * 4
    assert [lock.acquire(False) for _ in range(3)] == [True] * 3
    for _ in range(306):
        lock.release()
    assert not _free_for_others(mp, lock)
    lock.release()
    assert _free_for_others(mp, lock)


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
    assert ask(mp, _can_take, lock) is False
    for block in (False, 0):
        assert CallerThread(mp, lock, "acquire", block).result() is False


@requirement("synchronization.rlock.acquire.failure-keeps-level")
def test_failed_acquire_changes_nothing(mp):
    """After vain calls of acquire() elsewhere, a release() for each of the owner's frees the lock."""
    lock = mp.RLock()
    lock.acquire()
    assert CallerThread(mp, lock, "acquire", False).result() is False
    assert CallerThread(mp, lock, "acquire", True, _MOMENT).result() is False
    assert lock.acquire() is True
    lock.release()
    lock.release()
    assert _free_for_others(mp, lock)


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
    assert CallerThread(mp, lock, "acquire", True, _MOMENT).result() is False
    assert time.monotonic() - began >= _NEARLY
    _run_out_in_a_thread(mp, lock, "acquire", True, _MOMENT)


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
        for timeout in (-_AGES, -1):
            assert CallerThread(mp, lock, "acquire", True, timeout).result() is False


@requirement("synchronization.rlock.acquire.timeout-ignored-without-block")
def test_rlock_timeout_without_block(mp):
    """acquire(False, ...) returns at once, however long the timeout."""
    lock = mp.RLock()
    for timeout in (_AGES, -1, None):
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
    keeper = _Keeper(lock)
    callers = [CallerThread(mp, keeper, "keep") for _ in range(2)]
    until_all_blocked(callers)
    lock.release()
    assert keeper.inside.acquire(timeout=mp.timeout)
    until_all_blocked(callers)
    assert not keeper.inside.acquire(blocking=False)
    keeper.leave.release(2)
    for caller in callers:
        caller.result()


class _Keeper:
    """Threads that acquire a lock, say so, and keep it until they are told to leave."""

    def __init__(self, lock):
        self.lock = lock
        self.inside = threading.Semaphore(0)
        self.leave = threading.Semaphore(0)
        self.is_inside = False

    def keep(self):
        with self.lock:
            self.is_inside = True
            self.inside.release()
            self.leave.acquire()
            self.is_inside = False


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
    assert not _free_for_others(mp, lock)
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
    assert not _free_for_others(mp, lock)


@requirement("synchronization.rlock.with.holds")
def test_with_rlock(mp):
    """A recursive lock is owned within nested with statements, and free after the outer one."""
    lock = mp.RLock()
    free = []
    with lock:
        with lock:
            free.append(_free_for_others(mp, lock))
        free.append(_free_for_others(mp, lock))
    assert [*free, _free_for_others(mp, lock)] == [False, False, True]


@requirement("synchronization.rlock.locked")
def test_rlock_locked(mp):
    """``locked()`` follows acquire() and release(), for the owner and for others, and though somebody waits."""
    lock = mp.RLock()
    assert lock.locked() is False
    with lock:
        with lock:
            pass
        states = [lock.locked()]
        waiter = CallerThread(mp, _Entering(lock), "enter")
        waiter.until_blocked()
        states += [lock.locked(), CallerThread(mp, lock, "locked").result(), ask(mp, _locked, lock)]
    waiter.result()
    assert [state is True for state in states] == [True] * 4
    assert lock.locked() is False


def _locked(lock):
    return lock.locked()


# Semaphore


def _takes(semaphore, times):
    """What so many calls of acquire(False) give."""
    return [semaphore.acquire(False) for _ in range(times)]


@requirement("synchronization.semaphore.value.one-by-default")
def test_semaphore_begins_at_one(mp):
    """``Semaphore()`` can be acquired once."""
    assert _takes(mp.Semaphore(), 2) == [True, False]


@requirement("synchronization.semaphore.value.initial")
def test_semaphore_begins_at_its_value(mp):
    """``Semaphore(3)`` can be acquired three times, ``Semaphore(value=0)`` not at all, 500 works as well."""
    assert _takes(mp.Semaphore(3), 4) == [True, True, True, False]
    assert sum(_takes(mp.Semaphore(500), 501)) == 500
    assert _takes(mp.Semaphore(value=0), 1) == [False]


@requirement("synchronization.semaphore.value.negative-refused")
def test_semaphore_below_zero(mp):
    """``Semaphore(-1)`` raises ValueError (as documented) or OSError (as CPython does)."""
    with raises(ValueError, OSError):
        mp.Semaphore(-1)


@requirement("synchronization.semaphore.acquire.blocks-at-zero")
def test_semaphore_blocks_at_zero(mp):
    """A child sleeps in acquire() until the parent releases."""
    semaphore = mp.Semaphore(0)
    caller = Caller(mp, semaphore, "acquire")
    caller.until_blocked()
    semaphore.release()
    assert caller.result() is True


@requirement("synchronization.semaphore.acquire.nonblocking-returns-false")
def test_nonblocking_acquire_of_exhausted_semaphore(mp):
    """acquire(False) returns False at zero, and does not wait; it returns True above."""
    semaphore = mp.Semaphore(0)
    for block in (False, 0):
        assert within(AT_ONCE, functools.partial(semaphore.acquire, block)) is False
    semaphore.release()
    assert semaphore.acquire(False) is True


@requirement("synchronization.semaphore.acquire.parameter-named-block")
def test_semaphore_acquire_parameters(mp):
    """acquire() takes block and timeout, by name and by position."""
    semaphore = mp.Semaphore(1)
    assert semaphore.acquire(block=True, timeout=None) is True
    assert semaphore.acquire(block=False) is False
    assert semaphore.acquire(True, 0.0) is False


@requirement("synchronization.semaphore.acquire.timeout-expires")
def test_semaphore_timeout_expires(mp):
    """acquire() returns False after the timeout, and not before."""
    semaphore = mp.Semaphore(0)
    began = time.monotonic()
    assert semaphore.acquire(timeout=_MOMENT) is False
    assert time.monotonic() - began >= _NEARLY
    assert within(_ENOUGH, lambda: semaphore.acquire(True, _MOMENT)) is False
    _run_out_in_a_thread(mp, semaphore, "acquire", True, _MOMENT)
    _take_the_next(mp, semaphore)


@requirement("synchronization.semaphore.acquire.timeout-in-time")
def test_semaphore_released_within_the_timeout(mp):
    """acquire() with a timeout takes one of two, and at zero sleeps, and returns True after the release.

    It does after another process's, too.
    """
    _take_within_the_timeout(mp, mp.Semaphore(2), mp.timeout)
    semaphore = mp.Semaphore(0)
    child = Caller(mp, semaphore, "acquire", True, mp.timeout)
    child.until_blocked()
    semaphore.release()
    assert child.result() is True


def _take_within_the_timeout(mp, semaphore, timeout):
    """Take both of two with a timeout, and a third one as soon as it is given back."""
    assert semaphore.acquire(True, timeout) is True
    assert _takes(semaphore, 2) == [True, False]
    caller = CallerThread(mp, semaphore, "acquire", True, timeout)
    caller.until_blocked()
    semaphore.release()
    assert caller.result() is True


@requirement("synchronization.semaphore.acquire.timeout-negative")
def test_semaphore_negative_timeout(mp):
    """acquire() with a timeout of zero or below does not wait, but takes what there is."""
    semaphore = mp.Semaphore(2)
    assert semaphore.acquire(True, 0) is True
    assert semaphore.acquire(True, -1) is True
    assert within(AT_ONCE, lambda: semaphore.acquire(True, -1)) is False
    assert within(AT_ONCE, lambda: semaphore.acquire(timeout=-_AGES)) is False


@requirement("synchronization.semaphore.acquire.timeout-none-waits-for-ever")
def test_semaphore_timeout_none(mp):
    """acquire(timeout=None) takes one of two, and at zero sleeps until the semaphore is released."""
    _take_within_the_timeout(mp, mp.Semaphore(2), None)


@requirement("synchronization.semaphore.acquire.timeout-ignored-without-block")
def test_semaphore_timeout_without_block(mp):
    """acquire(False, ...) of both kinds of semaphores returns at once, however long the timeout."""
    for semaphore in (mp.Semaphore(), mp.BoundedSemaphore()):
        assert semaphore.acquire(False, _AGES) is True
        assert [semaphore.acquire(False, timeout) for timeout in (_AGES, -1, None)] == [False] * 3


@requirement("synchronization.semaphore.release.beyond-initial-value")
def test_semaphore_has_no_bound(mp):
    """A thousand calls of release() make 1001 of one."""
    semaphore = mp.Semaphore(1)
    for _ in range(1000):
        semaphore.release()
    assert _takes(semaphore, 1002) == [True] * 1001 + [False]
    semaphore = mp.Semaphore(32_000)
    assert semaphore.release() is None
    assert semaphore.acquire(False) is True


@requirement("synchronization.semaphore.release.wakes-one")
def test_semaphore_release_wakes_one(mp):
    """Of two that wait, one gets what was released, and the other goes on waiting, be it bounded or not."""
    bounded = mp.BoundedSemaphore(2)
    assert _takes(bounded, 2) == [True, True]
    for semaphore in (mp.Semaphore(0), bounded):
        _assert_wakes_one(mp, semaphore)


@requirement("synchronization.semaphore.release.many")
def test_semaphore_release_many(mp):
    """release(3) can be acquired three times, release(n=2) by two that wait."""
    semaphore = mp.Semaphore(0)
    semaphore.release(3)
    assert _takes(semaphore, 4) == [True, True, True, False]
    _assert_wakes_both(mp, semaphore)


def _assert_wakes_both(mp, semaphore):
    """release(n=2) of a semaphore at zero lets both go on that wait."""
    callers = [CallerThread(mp, semaphore, "acquire") for _ in range(2)]
    until_all_blocked(callers)
    semaphore.release(n=2)
    assert [caller.result() for caller in callers] == [True, True]
    assert _takes(semaphore, 1) == [False]


@requirement("synchronization.semaphore.with.holds")
def test_with_semaphore(mp):
    """Within the with statement one is taken, after it there is one again."""
    semaphore = mp.Semaphore(1)
    with semaphore:
        assert semaphore.acquire(False) is False
    assert _takes(semaphore, 2) == [True, False]


@requirement("synchronization.semaphore.get-value")
def test_semaphore_get_value(mp):
    """get_value() follows acquire() and release(), also those of a child, and above the initial value.

    It is zero, no less, while some wait.
    """
    semaphore = mp.Semaphore(2)
    semaphore.release()
    values = [semaphore.get_value()]
    semaphore.acquire()
    semaphore.acquire()
    values.append(semaphore.get_value())
    assert ask(mp, _acquire_and_tell, semaphore, "get_value") == 0
    assert [*values, semaphore.get_value()] == [3, 1, 0]
    assert mp.Semaphore(500).get_value() == 500
    assert _told_while_two_wait(mp, mp.Semaphore(2), "get_value") == 0


def _told_while_two_wait(mp, semaphore, name):
    """What a method of a semaphore of two tells when two more want it."""
    assert _takes(semaphore, 2) == [True, True]
    waiters = [CallerThread(mp, semaphore, "acquire") for _ in range(2)]
    until_all_blocked(waiters)
    found = getattr(semaphore, name)()
    for _ in waiters:
        semaphore.release()
    assert [waiter.result() for waiter in waiters] == [True, True]
    return found


def _acquire_and_tell(semaphore, name):
    semaphore.acquire()
    return getattr(semaphore, name)()


@requirement("synchronization.semaphore.locked")
def test_semaphore_locked(mp):
    """``locked()`` is true at zero, in a child as well, and false above."""
    semaphore = mp.Semaphore(2)
    states = [semaphore.locked()]
    semaphore.acquire()
    states.append(semaphore.locked())
    assert [state is False for state in states] == [True, True]
    semaphore.acquire()
    assert semaphore.locked() is True
    assert mp.Semaphore(0).locked() is True
    assert _locked_by_a_child(mp, mp.Semaphore(1)) == [True, True, False]
    assert _told_while_two_wait(mp, mp.Semaphore(2), "locked") is True


def _locked_by_a_child(mp, semaphore):
    """Whether a semaphore is locked when a child has acquired it, for the child and here, and when it was released."""
    found = [ask(mp, _acquire_and_tell, semaphore, "locked"), semaphore.locked()]
    semaphore.release()
    return [*found, semaphore.locked()]


# BoundedSemaphore


@requirement("synchronization.bounded-semaphore.value.one-by-default")
def test_bounded_semaphore_begins_at_one(mp):
    """``BoundedSemaphore()`` can be acquired once."""
    assert _takes(mp.BoundedSemaphore(), 2) == [True, False]


@requirement("synchronization.bounded-semaphore.value.initial")
def test_bounded_semaphore_begins_at_its_value(mp):
    """``BoundedSemaphore(value=3)`` can be acquired three times, ``BoundedSemaphore(0)`` neither taken nor released."""
    assert _takes(mp.BoundedSemaphore(value=3), 4) == [True, True, True, False]
    assert sum(_takes(mp.BoundedSemaphore(500), 501)) == 500
    assert _takes(mp.BoundedSemaphore(0), 1) == [False]
    with raises(ValueError):
        mp.BoundedSemaphore(0).release()


@requirement("synchronization.bounded-semaphore.value.negative-refused")
def test_bounded_semaphore_below_zero(mp):
    """``BoundedSemaphore(-1)`` raises ValueError (as documented) or OSError (as CPython does)."""
    with raises(ValueError, OSError):
        mp.BoundedSemaphore(-1)


@requirement("synchronization.bounded-semaphore.acquire.blocks-at-zero")
def test_bounded_semaphore_blocks_at_zero(mp):
    """A thread sleeps in acquire() until another releases."""
    semaphore = mp.BoundedSemaphore(1)
    semaphore.acquire()
    caller = CallerThread(mp, semaphore, "acquire")
    caller.until_blocked()
    semaphore.release()
    assert caller.result() is True


@requirement("synchronization.bounded-semaphore.acquire.parameter-named-block")
def test_bounded_semaphore_acquire_parameters(mp):
    """acquire() takes block and timeout, by name and by position."""
    semaphore = mp.BoundedSemaphore(1)
    assert semaphore.acquire(block=True, timeout=None) is True
    assert semaphore.acquire(block=False) is False
    assert semaphore.acquire(True, 0.0) is False


@requirement("synchronization.bounded-semaphore.acquire.timeout-expires")
def test_bounded_semaphore_timeout_expires(mp):
    """acquire() returns False after the timeout, and not before."""
    semaphore = mp.BoundedSemaphore(1)
    semaphore.acquire()
    began = time.monotonic()
    assert semaphore.acquire(timeout=_MOMENT) is False
    assert time.monotonic() - began >= _NEARLY
    assert within(_ENOUGH, lambda: semaphore.acquire(True, _MOMENT)) is False
    _run_out_in_a_thread(mp, semaphore, "acquire", True, _MOMENT)
    _take_the_next(mp, semaphore)


@requirement("synchronization.bounded-semaphore.acquire.timeout-in-time")
def test_bounded_semaphore_released_within_the_timeout(mp):
    """acquire() with a timeout takes one of two, and at zero sleeps, and returns True after the release."""
    _take_within_the_timeout(mp, mp.BoundedSemaphore(2), mp.timeout)


@requirement("synchronization.bounded-semaphore.acquire.timeout-none-waits-for-ever")
def test_bounded_semaphore_timeout_none(mp):
    """acquire(timeout=None) takes one of two, and at zero sleeps until the semaphore is released."""
    _take_within_the_timeout(mp, mp.BoundedSemaphore(2), None)


@requirement("synchronization.bounded-semaphore.acquire.timeout-negative")
def test_bounded_semaphore_negative_timeout(mp):
    """acquire() with a timeout of zero or below does not wait, but takes what there is."""
    semaphore = mp.BoundedSemaphore(2)
    assert semaphore.acquire(True, 0) is True
    assert semaphore.acquire(True, -1) is True
    assert within(AT_ONCE, lambda: semaphore.acquire(True, 0)) is False
    assert within(AT_ONCE, lambda: semaphore.acquire(timeout=-_AGES)) is False


@requirement("synchronization.bounded-semaphore.acquire.nonblocking-returns-false")
def test_nonblocking_acquire_of_exhausted_bounded_semaphore(mp):
    """acquire(False) returns False at zero, and does not wait; it returns True above."""
    semaphore = mp.BoundedSemaphore(1)
    assert semaphore.acquire(False) is True
    for block in (False, 0):
        assert within(AT_ONCE, functools.partial(semaphore.acquire, block)) is False
    semaphore.release()
    assert semaphore.acquire(False) is True


@requirement("synchronization.bounded-semaphore.release.too-often-raises-value-error")
def test_bounded_semaphore_released_too_often(mp):
    """release() beyond the initial value, or the end of ``with``, raises ValueError and adds nothing."""
    semaphore = mp.BoundedSemaphore(2)
    semaphore.acquire()
    semaphore.release()
    with raises(ValueError):
        semaphore.release()
    with raises(ValueError), semaphore:
        semaphore.release()
    assert _takes(semaphore, 3) == [True, True, False]


@requirement("synchronization.bounded-semaphore.release.bound-counts-all-processes")
def test_bound_counts_all_processes(mp):
    """A child gets what the parent releases, and when it has released all, the parent's next is one too many."""
    for arguments in ((), (True, mp.timeout)):
        semaphore = mp.BoundedSemaphore(2)
        assert _takes(semaphore, 2) == [True, True]
        child = Caller(mp, _Freeing(semaphore), "acquire_and_release_two", *arguments)
        child.until_blocked()
        semaphore.release()
        assert child.result() is True
        with raises(ValueError):
            semaphore.release()


class _Freeing:
    """Releases what it has acquired, and one more."""

    def __init__(self, semaphore):
        self.semaphore = semaphore

    def acquire_and_release_two(self, *arguments):
        acquired = self.semaphore.acquire(*arguments)
        self.semaphore.release()
        self.semaphore.release()
        return acquired


@requirement("synchronization.bounded-semaphore.with.holds")
def test_with_bounded_semaphore(mp):
    """Within the with statement one is taken, after it there is one again."""
    semaphore = mp.BoundedSemaphore(1)
    with semaphore:
        assert semaphore.acquire(False) is False
    assert _takes(semaphore, 2) == [True, False]


@requirement("synchronization.bounded-semaphore.release.many")
def test_bounded_semaphore_release_many(mp):
    """release(2) gives back two; release(n=2) raises ValueError, and gives back none, when only one was taken.

    Those who wait get what is given back.
    """
    semaphore = mp.BoundedSemaphore(2)
    assert _takes(semaphore, 2) == [True, True]
    semaphore.release(2)
    assert _takes(semaphore, 3) == [True, True, False]
    _assert_wakes_both(mp, semaphore)
    semaphore.release()
    with raises(ValueError):
        semaphore.release(n=2)
    assert _takes(semaphore, 2) == [True, False]


@requirement("synchronization.bounded-semaphore.get-value")
def test_bounded_semaphore_get_value(mp):
    """get_value() follows acquire() and release(), also in a child and those of it; it is zero while some wait."""
    semaphore = mp.BoundedSemaphore(2)
    values = [semaphore.get_value()]
    semaphore.acquire()
    values.append(semaphore.get_value())
    semaphore.release()
    values += [semaphore.get_value(), ask(mp, _acquire_and_tell, semaphore, "get_value")]
    assert [*values, semaphore.get_value()] == [2, 1, 2, 1, 1]
    assert _told_while_two_wait(mp, mp.BoundedSemaphore(2), "get_value") == 0


@requirement("synchronization.bounded-semaphore.locked")
def test_bounded_semaphore_locked(mp):
    """``locked()`` is true at zero, in a child as well, and false above."""
    semaphore = mp.BoundedSemaphore(1)
    assert semaphore.locked() is False
    semaphore.acquire()
    assert semaphore.locked() is True
    assert _locked_by_a_child(mp, mp.BoundedSemaphore(1)) == [True, True, False]
    assert _told_while_two_wait(mp, mp.BoundedSemaphore(2), "locked") is True


# Condition


@requirement("synchronization.condition.lock.recursive-by-default")
def test_condition_makes_a_recursive_lock(mp):
    """The owner of a condition without a given lock, or with None, may acquire it again."""
    for condition in (mp.Condition(), mp.Condition(None)):
        assert [condition.acquire(), condition.acquire(False)] == [True, True]
        condition.release()
        assert not _free_for_others(mp, condition)


@requirement("synchronization.condition.lock.given-is-used")
def test_condition_uses_the_lock_given(mp):
    """What the condition acquires and releases is the lock, a Lock or an RLock, though it was locked already."""
    plain, recursive = mp.Lock(), mp.RLock()
    conditions = {mp.Condition(plain): plain, mp.Condition(lock=recursive): recursive}
    for condition, lock in conditions.items():
        condition.acquire()
        assert not _free_for_others(mp, lock)
        condition.release()
        assert _free_for_others(mp, lock)
        lock.acquire()
        assert not _free_for_others(mp, mp.Condition(lock))
        lock.release()


@requirement("synchronization.condition.lock.shared-by-conditions")
def test_conditions_share_a_lock(mp):
    """Two conditions of one lock exclude each other, and notify their own waiters only."""
    lock = mp.RLock()
    one, other = mp.Condition(lock), mp.Condition(lock)
    (waiter,) = _waiting(mp, other, 1)
    with one:
        assert not _free_for_others(mp, other)
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
    (waiter,) = _waiting(mp, condition, 1)
    with condition:
        condition.notify()
    assert waiter.result() is True
    with condition:
        assert condition.wait(_MOMENT) is False


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
    for timeout in (_MOMENT, 0):
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
    assert _free_for_others(mp, condition)


@requirement("synchronization.condition.with.holds")
def test_with_condition(mp):
    """The lock is held within the with statement, and free after it; also after one within, that ended by an error."""
    condition = mp.Condition()
    with condition:
        assert not _free_for_others(mp, condition)
    assert _free_for_others(mp, condition)
    with condition:
        with raises(KeyError), condition:
            raise KeyError
        assert not _free_for_others(mp, condition)
    assert _free_for_others(mp, condition)


@requirement("synchronization.condition.wait.releases-lock")
def test_waiting_releases_the_lock(mp):
    """While a thread waits, another can acquire the condition."""
    condition = mp.Condition()
    (waiter,) = _waiting(mp, condition, 1)
    assert condition.acquire(False) is True
    condition.notify()
    condition.release()
    waiter.result()


@requirement("synchronization.condition.wait.notified-returns-true")
def test_notified_wait_returns_true(mp):
    """A child sleeps in wait() until the parent notifies, and gets True."""
    condition = mp.Condition()
    waiter = Caller(mp, _Holding(condition), "wait")
    waiter.until_blocked()
    with condition:
        condition.notify()
    assert waiter.result() is True


@requirement("synchronization.condition.wait.notified-returns-true")
def test_wait_that_is_notified_as_it_begins(mp):
    """A notification is not lost, however early after the release of the lock it comes."""
    condition = mp.Condition()
    notifier = _Holding(condition)
    for found in _woken_at_each_step(mp, "call_holding", condition, notifier, "notify"):
        assert found == (True, None)


@requirement("synchronization.condition.wait.reacquires-lock")
def test_notified_wait_reacquires_the_lock(mp):
    """wait() goes on sleeping while the notifier keeps the lock, and holds it when it returns."""
    condition = mp.Condition()
    (waiter,) = _waiting(mp, condition, 1)
    with condition:
        condition.notify()
        waiter.until_blocked()
    assert waiter.result() is True
    with condition:
        notifier = CallerThread(mp, _Holding(condition), "notify")
        assert condition.wait() is True
        notifier.result()
        assert not _free_for_others(mp, condition)


@requirement("synchronization.condition.wait.timeout-returns-false")
def test_wait_timeout(mp):
    """wait() returns False after the timeout, and not before."""
    condition = mp.Condition()
    with condition:
        began = time.monotonic()
        assert condition.wait(timeout=_MOMENT) is False
        assert time.monotonic() - began >= _NEARLY
        assert within(_ENOUGH, lambda: condition.wait(_MOMENT)) is False
        assert within(AT_ONCE, lambda: condition.wait(0)) is False
        assert within(AT_ONCE, lambda: condition.wait(-1)) is False
    _run_out_in_a_thread(mp, _Holding(condition), "wait", _MOMENT)


@requirement("synchronization.condition.wait.timeout-reacquires-lock")
def test_timed_out_wait_reacquires_the_lock(mp):
    """After a wait() that timed out the lock is held, though another had it when the time was over."""
    condition = mp.Condition()
    with condition:
        condition.wait(_MOMENT)
        assert not _free_for_others(mp, condition)
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
        self.keeper = _Keeper(condition)

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
    waiter = CallerThread(mp, _Holding(condition), "wait", mp.timeout)
    waiter.until_blocked()
    with condition:
        condition.notify()
    assert waiter.result() is True


@requirement("synchronization.condition.wait.unowned-raises")
def test_wait_without_the_lock(mp):
    """wait() raises RuntimeError (as documented) or AssertionError (as CPython does)."""
    for condition in _unowned(mp):
        with raises(RuntimeError, AssertionError):
            condition.wait(_MOMENT)
    assert _refused_to_a_child(mp)["wait"] == [True, True]
    # A refusal leaves nothing behind that a notification would wait for.
    for condition in (mp.Condition(), mp.Condition(mp.Lock())):
        assert _is_refused(condition.wait, 0)
        assert _is_refused(condition.wait_for, lambda: False, _MOMENT)
        with condition:
            condition.notify()
            assert condition.wait(0) is False


@observed_once
def _refused_to_a_child(mp):
    """Whether a child's calls are refused, by name, of conditions whose locks its parent holds."""
    conditions = [mp.Condition(mp.Lock()), mp.Condition(mp.RLock())]
    for condition in conditions:
        condition.acquire()
    return ask(mp, _use_unowned, conditions)


def _use_unowned(conditions):
    return {
        name: [_is_refused(getattr(condition, name), *args) for condition in conditions]
        for name, *args in (("notify",), ("notify_all",), ("wait", 0))
    }


def _is_refused(call, *args):
    try:
        call(*args)
    except (RuntimeError, AssertionError):
        return True
    return False


def _unowned(mp):
    """Conditions whose locks nobody holds, and then ones whose locks another thread does."""
    yield mp.Condition()
    yield mp.Condition(mp.Lock())
    for lock in (mp.RLock(), mp.Lock()):
        CallerThread(mp, lock, "acquire").result()
        yield mp.Condition(lock)


@requirement("synchronization.condition.wait.really-releases-recursive-lock")
def test_wait_releases_all_levels(mp):
    """Another thread notifies while the waiter has acquired seven times; then the waiter owns as many levels again."""
    for condition in (mp.Condition(), mp.Condition(mp.RLock())):
        for _ in range(7):
            condition.acquire()
        notifier = CallerThread(mp, _Holding(condition), "notify")
        assert condition.wait(mp.timeout) is True
        notifier.result()
        assert condition.wait(0) is False
        free = []
        for _ in range(7):
            free.append(_free_for_others(mp, condition))
            condition.release()
        assert [*free, _free_for_others(mp, condition)] == [False] * 7 + [True]


@requirement("synchronization.condition.wait-for.returns-last-value")
def test_wait_for_returns_what_the_predicate_gave(mp):
    """wait_for() returns the first true value of the predicate."""
    condition, state = mp.Condition(), []
    with condition:
        changer = CallerThread(mp, _Holding(condition), "change", state)
        assert condition.wait_for(predicate=lambda: state and state[0]) == "word"
    changer.result()


@requirement("synchronization.condition.wait-for.true-at-first")
def test_wait_for_what_is_true(mp):
    """wait_for() returns at once when the predicate is true."""
    condition, calls = mp.Condition(), []
    with condition:
        assert condition.wait_for(lambda: calls.append("call") or "word", _AGES) == "word"
        assert condition.wait_for(lambda: "word", 0) == "word"
    assert calls == ["call"]


@requirement("synchronization.condition.wait-for.goes-on-while-false")
def test_wait_for_goes_on_waiting(mp):
    """A notification does not end wait_for() while the predicate is false."""
    condition, state = mp.Condition(), []
    waiter = CallerThread(mp, _Holding(condition), "wait_for", lambda: state)
    waiter.until_blocked()
    with condition:
        condition.notify()
    waiter.until_blocked()
    _Holding(condition).change(state)
    assert waiter.result() == ["word"]


@requirement("synchronization.condition.wait-for.timeout-returns-last-value")
def test_wait_for_timeout(mp):
    """After the timeout, wait_for() returns what the predicate gave: a false value."""
    condition = mp.Condition()
    with condition:
        began = time.monotonic()
        assert condition.wait_for(lambda: "", timeout=_MOMENT) == ""
        assert time.monotonic() - began >= _NEARLY
        assert within(_ENOUGH, lambda: condition.wait_for(lambda: "", _MOMENT)) == ""
        for timeout in (0, -1):
            call = functools.partial(condition.wait_for, lambda: 0, timeout)
            assert within(AT_ONCE, call) == 0
        assert condition.wait_for(lambda: None, 0) is None
        values = ["", 0]
        assert (
            condition.wait_for(lambda: values[0] if len(values) < 2 else values.pop(), _MOMENT)
            == ""
        )


@requirement("synchronization.condition.wait-for.looks-again-after-timeout")
def test_wait_for_looks_again(mp):
    """What became true without a notification is found when the timeout has passed."""
    condition, values = mp.Condition(), ["word", ""]
    with condition:
        assert condition.wait_for(values.pop, _MOMENT) == "word"


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
        assert condition.wait_for(lambda: False, 3 * _MOMENT) is False
        assert time.monotonic() - began >= 3 * _NEARLY
    done.set()
    notifier.join()
    # One that comes late does not leave as much time again.
    late = functools.partial(_wait_for_nothing, condition)
    assert within(_LATE * 2.6, functools.partial(by_a_bad_clock, late)) is False
    # What comes in time does end it.
    flags = []
    began = time.monotonic()
    with condition:
        threading.Timer(_MOMENT, _set_and_notify, (condition, flags)).start()
        assert condition.wait_for(lambda: flags, mp.timeout)
    assert time.monotonic() - began < mp.timeout / 2


_LATE = 0.05


def _wait_for_nothing(condition):
    timer = threading.Timer(_LATE, _Holding(condition).notify)
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
        held.append(not _free_for_others(mp, condition))
        return len(held) == 2

    with condition:
        notifier = CallerThread(mp, _Holding(condition), "notify")
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
            notifier = CallerThread(mp, _Holding(condition), "notify")
            with raises(PredicateError):
                condition.wait_for(RaisingAt(2), *timeout)
            notifier.result()
        assert not _free_for_others(mp, condition)


@requirement("synchronization.condition.wait-for.unowned-raises")
def test_wait_for_without_the_lock(mp):
    """wait_for() raises RuntimeError (as documented) or AssertionError (as CPython does)."""
    for condition in _unowned(mp):
        with raises(RuntimeError, AssertionError):
            condition.wait_for(lambda: False, _MOMENT)


@requirement("synchronization.condition.notify.wakes-one-by-default")
def test_notify_wakes_one(mp):
    """notify() ends one of two calls of wait()."""
    condition = mp.Condition()
    waiters = _waiting(mp, condition, 2)
    with condition:
        condition.notify()
    _until_returned(mp, waiters, 1)
    with condition:
        condition.notify_all()
    for waiter in waiters:
        waiter.result()


@requirement("synchronization.condition.notify.wakes-no-more-than-asked")
def test_notify_wakes_only_one(mp):
    """notify() leaves the other of two asleep, and notify(2) the other of three."""
    condition = mp.Condition()
    for count in (1, 2):
        waiters = _waiting(mp, condition, count + 1)
        with condition:
            condition.notify(count)
        (other,) = _until_returned(mp, waiters, count)
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
        waiters = _waiting(mp, condition, 4)
        with condition:
            condition.notify(0)
        until_all_blocked(waiters)
        with condition:
            condition.notify(n=3)
        _until_returned(mp, waiters, 3)
        with condition:
            condition.notify_all()
        for waiter in waiters:
            waiter.result()


@requirement("synchronization.condition.notify.wakes-fewer-when-fewer-wait")
def test_notify_more_than_wait(mp):
    """notify(n=5) wakes the one that waits; the next wait() times out."""
    condition = mp.Condition()
    (waiter,) = _waiting(mp, condition, 1)
    with condition:
        condition.notify(n=5)
    assert waiter.result() is True
    with condition:
        assert condition.wait(_MOMENT) is False


@requirement("synchronization.condition.notify.nothing-without-waiters")
def test_notify_nobody(mp):
    """A wait() after notify() and notify_all() times out."""
    condition = mp.Condition()
    with condition:
        condition.notify()
        condition.notify_all()
        assert condition.wait(_MOMENT) is False


@requirement("synchronization.condition.notify.passes-over-timed-out")
def test_notify_after_timeouts(mp):
    """notify() wakes each of three that wait, though others timed out before and since."""
    condition = mp.Condition()
    for _ in range(3):
        with condition:
            assert [condition.wait(0), condition.wait(0)] == [False, False]
        waiters = _waiting(mp, condition, 3)
        with condition:
            assert condition.wait(0) is False
            for _waiter in waiters:
                condition.notify()
        assert [waiter.result() for waiter in waiters] == [True, True, True]
    with condition:
        assert condition.wait(_MOMENT) is False


@requirement("synchronization.condition.notify.unowned-raises")
def test_notify_without_the_lock(mp):
    """notify() raises RuntimeError (as documented) or AssertionError (as CPython does)."""
    for condition in _unowned(mp):
        with raises(RuntimeError, AssertionError):
            condition.notify()
    assert _refused_to_a_child(mp)["notify"] == [True, True]


@requirement("synchronization.condition.notify-all.wakes-all")
def test_notify_all_wakes_processes_and_threads(mp):
    """notify_all() ends wait() in another process, and in 40 threads; that of another thread ends three."""
    condition = mp.Condition()
    waiters = [Caller(mp, _Holding(condition), "wait"), *_waiting(mp, condition, 40)]
    waiters[0].until_blocked()
    with condition, condition:
        condition.notify_all()
    assert [waiter.result() for waiter in waiters] == [True] * 41
    waiters = _waiting(mp, condition, 3)
    CallerThread(mp, _Holding(condition), "notify_all").result()
    assert [waiter.result() for waiter in waiters] == [True] * 3


@requirement("synchronization.condition.notify-all.unowned-raises")
def test_notify_all_without_the_lock(mp):
    """notify_all() raises RuntimeError (as documented) or AssertionError (as CPython does)."""
    for condition in _unowned(mp):
        with raises(RuntimeError, AssertionError):
            condition.notify_all()
    assert _refused_to_a_child(mp)["notify_all"] == [True, True]


@requirement("synchronization.condition.notify-all.alias")
def test_notify_all_by_its_old_name(mp):
    """notifyAll() ends each of two calls of wait()."""
    condition = mp.Condition()
    old = condition.notifyAll  # before anybody waits whom it should wake
    waiters = _waiting(mp, condition, 2)
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
        waiters = [CallerThread(mp, _Entering(one), "enter") for one in conditions]
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


# Event


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
    for found in _woken_at_each_step(mp, "call", event.wait, event, "set"):
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
    assert [event.wait(), event.wait(_AGES), event.wait(0)] == [True, True, True]


@requirement("synchronization.event.wait.timeout-returns-false")
def test_event_timeout(mp):
    """wait() returns False after the timeout, and not before."""
    event = mp.Event()
    began = time.monotonic()
    assert event.wait(timeout=_MOMENT) is False
    assert time.monotonic() - began >= _NEARLY
    assert within(_ENOUGH, lambda: event.wait(_MOMENT)) is False
    _run_out_in_a_thread(mp, event, "wait", _MOMENT)
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


# Barrier


@requirement("synchronization.barrier.wait.blocks-until-all-arrive")
def test_barrier_blocks_until_all_have_arrived(mp):
    """Two of three parties, a child and a thread, sleep until the third arrives."""
    assert len(_see_rounds(mp)[0]) == 3


@observed_once
def _see_rounds(mp):
    """The indexes that a child, a thread and this one get, ten times; at first two of them wait for the third."""
    rounds = _Rounds(mp.Barrier(3), mp.timeout)
    others = [Caller(mp, rounds, "run"), CallerThread(mp, rounds, "run")]
    until_all_blocked(others)
    indexes = [rounds.run(), *(other.result() for other in others)]
    return [{*those} for those in zip(*indexes, strict=True)]


class _Rounds:
    """A party that passes a barrier again and again."""

    def __init__(self, barrier, timeout):
        self.barrier = barrier
        self.timeout = timeout

    def run(self):
        return [_Barred(self.barrier).wait(self.timeout) for _ in range(10)]


@requirement("synchronization.barrier.wait.blocks-until-all-arrive")
def test_last_party_arrives_as_another_wait_begins(mp):
    """At whatever moment of a wait() that begins the last party arrives, both go on."""
    barrier = mp.Barrier(2)
    for found in _woken_at_each_step(mp, "call", barrier.wait, barrier, "wait"):
        assert sorted(found) == [0, 1]


@requirement("synchronization.barrier.wait.index")
def test_barrier_gives_each_an_index(mp):
    """Three parties get 0, 1 and 2, and twelve get 0 to 11."""
    for parties in (3, 12):
        barrier = mp.Barrier(parties)
        waiters = [CallerThread(mp, barrier, "wait") for _ in range(parties - 1)]
        indexes = [barrier.wait(), *(waiter.result() for waiter in waiters)]
        assert sorted(indexes) == [*range(parties)]
        assert {type(index) for index in indexes} == {int}


@requirement("synchronization.barrier.wait.one-party-passes-at-once")
def test_barrier_of_one(mp):
    """A barrier of one party stops nobody."""
    assert mp.Barrier(1).wait() == 0


@requirement("synchronization.barrier.reusable")
def test_barrier_is_used_again(mp):
    """Two parties pass the same barrier three times; each time it makes the first one wait."""
    barrier = mp.Barrier(2)
    for _ in range(3):
        waiter = CallerThread(mp, barrier, "wait")
        waiter.until_blocked()
        assert {barrier.wait(), waiter.result()} == {0, 1}


@requirement("synchronization.barrier.reusable-at-once")
def test_barrier_is_used_again_at_once(mp):
    """Three parties, one of them a child or none, pass ten times without a pause, each time with 0, 1 and 2."""
    assert _see_rounds(mp) == [{0, 1, 2}] * 10
    rounds = _Rounds(mp.Barrier(3), mp.timeout)
    callers = [CallerThread(mp, rounds, "run") for _ in range(2)]
    indexes = [rounds.run(), *(caller.result() for caller in callers)]
    assert [{*those} for those in zip(*indexes, strict=True)] == [{0, 1, 2}] * 10


@requirement("synchronization.barrier.reusable-at-once")
def test_who_comes_during_the_action_waits_for_the_next_round(mp):
    """Who comes to the barrier while the action of others runs goes on with the next round only."""
    late = []

    def act():
        if not late:
            late.append(CallerThread(mp, barrier, "wait"))
            late[0].until_blocked()

    barrier = mp.Barrier(2, act)
    waiter = CallerThread(mp, barrier, "wait")
    waiter.until_blocked()
    assert {barrier.wait(), waiter.result()} == {0, 1}
    late[0].until_blocked()
    assert {barrier.wait(), late[0].result()} == {0, 1}


@requirement("synchronization.barrier.action.called-once-before-release")
def test_barrier_action(mp):
    """The action, whatever can be called, is called once a round, by one of the parties, while the others wait."""
    waiters, calls = [], []

    def act():
        calls.append(threading.get_native_id())
        if calls[-1] != waiters[-1].thread[1]:
            waiters[-1].until_blocked()

    barrier = mp.Barrier(2, action=act)
    for _ in range(2):
        waiters.append(CallerThread(mp, barrier, "wait"))
        waiters[-1].until_blocked()
        barrier.wait()
        waiters[-1].result()
        assert calls[-1] in (threading.get_native_id(), waiters[-1].thread[1])
    assert len(calls) == 2
    mp.Barrier(1, functools.partial(calls.append, "partial")).wait()
    assert calls[2:] == ["partial"]


def _fail():
    raise KeyError


@requirement("synchronization.barrier.action.error-breaks")
def test_failing_action_breaks_the_barrier(mp):
    """After an error of the action the barrier is broken, and all who wait, or will, get BrokenBarrierError."""
    barrier = mp.Barrier(3, _fail)
    waiters = _barred(mp, barrier, 2)
    with raises(KeyError, mp.BrokenBarrierError):
        barrier.wait()
    assert [waiter.result() for waiter in waiters] == ["BrokenBarrierError"] * 2
    assert barrier.broken is True
    _nobody_passes(mp, barrier)


def _nobody_passes(mp, barrier):
    """See that as many as could pass a barrier all get BrokenBarrierError."""
    callers = [
        CallerThread(mp, _Barred(barrier), "wait", mp.timeout) for _ in range(barrier.parties)
    ]
    assert {caller.result() for caller in callers} == {"BrokenBarrierError"}


def _barred(mp, barrier, count, *timeout):
    """So many threads, each asleep in the wait() of a barrier."""
    waiters = [CallerThread(mp, _Barred(barrier), "wait", *timeout) for _ in range(count)]
    until_all_blocked(waiters)
    return waiters


@requirement("synchronization.barrier.action.interrupt-breaks")
def test_interrupted_action_breaks_the_barrier(mp):
    """After KeyboardInterrupt out of the action the barrier is broken, and refuses those who come."""
    barrier = mp.Barrier(1, _be_interrupted)
    with raises(KeyboardInterrupt):
        barrier.wait()
    assert barrier.broken is True
    with raises(mp.BrokenBarrierError, KeyboardInterrupt) as second:
        barrier.wait()
    assert second.type is mp.BrokenBarrierError


def _be_interrupted():
    raise KeyboardInterrupt


@requirement("synchronization.barrier.action.error-reaches-caller")
def test_error_of_the_action_is_raised(mp):
    """The party that called the action gets its error."""
    with raises(KeyError):
        mp.Barrier(1, _fail).wait()


@requirement("synchronization.barrier.timeout.breaks")
def test_timeout_breaks_the_barrier(mp):
    """The barrier is broken after a wait() that timed out: two who come then don't pass it."""
    barrier = mp.Barrier(2)
    with raises(Exception):
        barrier.wait(_MOMENT)
    assert barrier.broken is True
    _nobody_passes(mp, barrier)


@requirement("synchronization.barrier.timeout.raises")
def test_barrier_timeout_raises(mp):
    """wait() raises BrokenBarrierError after the timeout, and not before."""
    began = time.monotonic()
    with raises(mp.BrokenBarrierError):
        mp.Barrier(2).wait(timeout=_MOMENT)
    assert time.monotonic() - began >= _NEARLY
    broken = within(_ENOUGH, lambda: _Barred(mp.Barrier(2)).wait(_MOMENT))
    assert broken == "BrokenBarrierError"


@requirement("synchronization.barrier.timeout.breaks-for-others")
def test_timeout_of_one_party_ends_the_others(mp):
    """A thread that waits without limit, and one with, get BrokenBarrierError when another's wait() times out."""
    barrier = mp.Barrier(4)
    waiters = [*_barred(mp, barrier, 1), *_barred(mp, barrier, 1, _AGES)]
    with raises(mp.BrokenBarrierError):
        barrier.wait(_MOMENT)
    assert [waiter.result() for waiter in waiters] == ["BrokenBarrierError"] * 2


class _Barred:
    """Calls wait(), and tells the name of the error that it gets."""

    def __init__(self, barrier):
        self.barrier = barrier

    def wait(self, *args):
        try:
            return self.barrier.wait(*args)
        except threading.BrokenBarrierError:
            return "BrokenBarrierError"


@requirement("synchronization.barrier.timeout.default-from-constructor")
def test_default_timeout_of_a_barrier(mp):
    """wait() without a timeout runs out of the constructor's, and not before."""
    began = time.monotonic()
    with raises(mp.BrokenBarrierError):
        mp.Barrier(2, timeout=_MOMENT).wait()
    assert time.monotonic() - began >= _NEARLY
    broken = within(_ENOUGH, lambda: _Barred(mp.Barrier(2, None, _MOMENT)).wait())
    assert broken == "BrokenBarrierError"
    for timeout in (0, -1):
        barrier = mp.Barrier(2, timeout=timeout)
        broken = within(AT_ONCE, functools.partial(_Barred(barrier).wait, None))
        assert broken == "BrokenBarrierError"
    # Those who were in time leave it as it is.
    barrier = mp.Barrier(2, None, _MOMENT)
    waiter = CallerThread(mp, barrier, "wait", mp.timeout)
    assert {barrier.wait(mp.timeout), waiter.result()} == {0, 1}
    with raises(mp.BrokenBarrierError):
        barrier.wait()


@requirement("synchronization.barrier.timeout.own-before-default")
def test_own_timeout_before_the_default(mp):
    """wait() with a short timeout, or none at all, does not wait for the constructor's long one, nor the reverse."""
    for timeout in (_MOMENT, 0, -1):
        with raises(mp.BrokenBarrierError):
            mp.Barrier(2, None, _AGES).wait(timeout)
    barrier = mp.Barrier(2, None, 0)
    waiter = CallerThread(mp, barrier, "wait", mp.timeout)
    waiter.until_blocked()
    assert {barrier.wait(0), waiter.result()} == {0, 1}


@requirement("synchronization.barrier.abort.waiters-get-error")
def test_abort_ends_those_that_wait(mp):
    """A child and threads in wait(), with a timeout as well, get BrokenBarrierError when the parent aborts.

    The barrier is broken at once.
    """
    barrier = mp.Barrier(10)
    waiters = [Caller(mp, _Barred(barrier), "wait"), *_barred(mp, barrier, 4)]
    waiters[0].until_blocked()
    waiters += _barred(mp, barrier, 4, _AGES)
    barrier.abort()
    assert barrier.broken is True
    assert [waiter.result() for waiter in waiters] == ["BrokenBarrierError"] * 9


@requirement("synchronization.barrier.abort.later-calls-get-error")
def test_wait_after_abort(mp):
    """wait() raises BrokenBarrierError at once, again and again, in a child as well."""
    barrier = mp.Barrier(1)
    barrier.abort()
    for _ in range(2):
        with raises(mp.BrokenBarrierError):
            barrier.wait()
    assert ask(mp, _Barred(barrier).wait, mp.timeout) == "BrokenBarrierError"


@requirement("synchronization.barrier.reset.waiters-get-error")
def test_reset_ends_those_that_wait(mp):
    """Threads in wait(), with a timeout as well, get BrokenBarrierError when another resets the barrier.

    It is whole, though it was broken just before, and they had no time to leave it.
    """
    barrier = mp.Barrier(3)
    waiters = [*_barred(mp, barrier, 1), *_barred(mp, barrier, 1, _AGES)]
    barrier.reset()
    assert barrier.broken is False
    assert [waiter.result() for waiter in waiters] == ["BrokenBarrierError"] * 2
    barrier = mp.Barrier(9)
    waiters = _barred(mp, barrier, 8)
    barrier.abort()
    barrier.reset()
    assert [waiter.result() for waiter in waiters] == ["BrokenBarrierError"] * 8
    assert (barrier.n_waiting, barrier.broken) == (0, False)
    # And broken, though they had no time to leave it since it was reset.
    waiters = _barred(mp, barrier, 8)
    barrier.reset()
    barrier.abort()
    assert [waiter.result() for waiter in waiters] == ["BrokenBarrierError"] * 8
    assert barrier.broken is True


@requirement("synchronization.barrier.reset.empties")
def test_barrier_after_reset(mp):
    """After reset() nobody waits, and two parties pass."""
    barrier = mp.Barrier(2)
    waiter = CallerThread(mp, barrier, "wait")
    waiter.until_blocked()
    barrier.reset()
    with raises(mp.BrokenBarrierError):
        waiter.result()
    assert (barrier.n_waiting, barrier.broken) == (0, False)
    waiter = CallerThread(mp, barrier, "wait")
    assert {barrier.wait(), waiter.result()} == {0, 1}


@requirement("synchronization.barrier.reset.mends")
def test_reset_mends_a_broken_barrier(mp):
    """A barrier that was aborted, or ran out of time, can be passed by all its parties after reset()."""
    barrier = mp.Barrier(2)
    for use in (barrier.abort, lambda: _Barred(barrier).wait(0), lambda: None):
        use()
        barrier.reset()
        assert (barrier.n_waiting, barrier.broken) == (0, False)
        waiter = CallerThread(mp, barrier, "wait")
        waiter.until_blocked()
        assert {barrier.wait(), waiter.result()} == {0, 1}
    # By another process than the one that has found it broken.
    barrier.abort()
    assert barrier.broken is True
    run(mp, _reset, barrier)
    assert barrier.broken is False


def _reset(barrier):
    barrier.reset()


@requirement("synchronization.barrier.reset.mends")
def test_reset_leaves_action_and_timeout(mp):
    """After reset() a barrier still has its action, also one that has failed, and its timeout."""
    called = []

    def act():
        called.append("call")
        if len(called) == 1:
            raise KeyError

    barrier = mp.Barrier(1, act)
    for use in (barrier.wait, barrier.abort, lambda: None):
        outcome_of(use)
        barrier.reset()
        assert barrier.wait() == 0
    assert called == ["call"] * 4
    barrier = mp.Barrier(2, None, _MOMENT)
    for use in (barrier.wait, barrier.abort, lambda: None):
        outcome_of(use)
        barrier.reset()
        with raises(mp.BrokenBarrierError):
            barrier.wait()


@requirement("synchronization.barrier.parties")
def test_parties_of_a_barrier(mp):
    """``Barrier(3).parties`` is 3, so that of ``Barrier(parties=3)``, and it does not change while some wait."""
    barriers = (mp.Barrier(3), mp.Barrier(parties=3, action=None, timeout=None))
    assert [barrier.parties for barrier in barriers] == [3, 3]
    waiter = CallerThread(mp, _Barred(barriers[0]), "wait")
    waiter.until_blocked()
    assert barriers[0].parties == 3
    barriers[0].abort()
    waiter.result()


def _pass_and_break(calling, breaking, waited_for, emptied):
    index = calling.wait()
    try:
        breaking.wait()
    except threading.BrokenBarrierError:
        found = index, breaking.parties, breaking.broken
        return found, (waited_for.n_waiting, waited_for.broken), within(_ENOUGH, emptied.run_out)
    return None


class _Emptied:
    """A barrier that one runs out of time at, again and again."""

    def __init__(self, barrier):
        self.barrier = barrier

    def run_out(self):
        self.barrier.reset()
        return _Barred(self.barrier).wait(_MOMENT)


@requirement("synchronization.barrier.same-in-child")
def test_barrier_in_a_child(mp):
    """A child calls the action, runs out of the default timeout and its own, and sees who waits, of barriers it has."""
    called, waited_for = mp.Event(), mp.Barrier(3)
    calling, breaking = mp.Barrier(1, called.set), mp.Barrier(2, None, _MOMENT)
    waiters = _barred(mp, waited_for, 2)
    given = calling, breaking, waited_for, _Emptied(mp.Barrier(2, None, _AGES))
    found = ask(mp, _pass_and_break, *given)
    waited_for.abort()
    assert [waiter.result() for waiter in waiters] == ["BrokenBarrierError"] * 2
    assert found == ((0, 2, True), (2, False), "BrokenBarrierError")
    assert called.is_set()
    assert breaking.broken is True


@requirement("synchronization.barrier.whole-at-first")
def test_new_barrier_is_empty_and_whole(mp):
    """Nobody waits at a new barrier, and it is whole, though its memory may have been used."""
    for _ in range(3):
        used = [mp.sharedctypes.RawArray("l", [-1] * size) for size in (1, 2, 3, 8)]
        del used
        barrier = mp.Barrier(2)
        assert (barrier.n_waiting, barrier.broken) == (0, False)


@requirement("synchronization.barrier.n-waiting")
def test_n_waiting_of_a_barrier(mp):
    """n_waiting counts children and threads that wait, and is 0 before and after, and when the barrier was broken."""
    barrier = mp.Barrier(4)
    counts, waiters = [barrier.n_waiting], []
    for kind in (Caller, CallerThread, CallerThread):
        waiters.append(kind(mp, barrier, "wait"))
        waiters[-1].until_blocked()
        counts.append(barrier.n_waiting)
    barrier.wait()
    for waiter in waiters:
        waiter.result()
    counts.append(barrier.n_waiting)
    barrier.abort()
    assert [*counts, barrier.n_waiting] == [0, 1, 2, 3, 0, 0]


@requirement("synchronization.barrier.broken")
def test_broken_barrier_is_broken_for_all(mp):
    """``broken`` is False at first and while some wait, and True after abort(), in a child as well."""
    barrier = mp.Barrier(2)
    found = [barrier.broken]
    (waiter,) = _barred(mp, barrier, 1)
    found.append(barrier.broken)
    barrier.abort()
    waiter.result()
    assert found == [False, False]
    assert barrier.broken is True
    assert ask(mp, _broken, barrier) is True


def _broken(barrier):
    return barrier.broken


@requirement("synchronization.barrier.error-is-runtime-error")
def test_broken_barrier_error_is_a_runtime_error(mp):
    """wait() of a broken barrier raises a RuntimeError."""
    barrier = mp.Barrier(1)
    barrier.abort()
    with raises(RuntimeError):
        barrier.wait()


# SIGINT


def _call_and_tell(sender, subject, method, calls):
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for args in calls:
        try:
            sender.send((os.getpid(), threading.get_native_id()))
            getattr(subject, method)(*args)
            sender.send("returned")
        except KeyboardInterrupt:
            sender.send(("KeyboardInterrupt", method == "acquire" and subject.acquire(False)))


# What came of an interrupted call; and nothing was acquired by it.
_INTERRUPTED = ("KeyboardInterrupt", False)


def _interrupt(mp, subject, method="acquire", calls=((), (True, _AGES))):
    """What blocked calls in the main thread of a child come to when the child gets SIGINT during each.

    One for each of the tuples of arguments; if it is acquire() also whether the child, thereafter, acquires without
    waiting what it waited for.
    """
    from mpspec.observing import wait_until_asleep

    receiver, sender = mp.Pipe(duplex=False)
    process = mp.Process(target=_call_and_tell, args=(sender, subject, method, calls))
    process.start()
    sender.close()
    told = []
    for _ in calls:
        pid, thread = receiver.recv()
        wait_until_asleep(pid, thread, mp.timeout)
        os.kill(pid, signal.SIGINT)
        told.append(receiver.recv())
    process.join()
    return told


@requirement("synchronization.interrupt.lock-acquire")
def test_sigint_interrupts_lock_acquire(mp):
    """KeyboardInterrupt comes out of a blocked Lock.acquire(), with a timeout as well."""
    lock = mp.Lock()
    lock.acquire()
    assert _interrupt(mp, lock) == [_INTERRUPTED] * 2


@requirement("synchronization.interrupt.rlock-acquire")
def test_sigint_interrupts_rlock_acquire(mp):
    """KeyboardInterrupt comes out of a blocked RLock.acquire(), with a timeout as well."""
    lock = mp.RLock()
    lock.acquire()
    assert _interrupt(mp, lock) == [_INTERRUPTED] * 2


@requirement("synchronization.interrupt.semaphore-acquire")
def test_sigint_interrupts_semaphore_acquire(mp):
    """KeyboardInterrupt comes out of a blocked Semaphore.acquire(), with a timeout as well."""
    assert _interrupt(mp, mp.Semaphore(0)) == [_INTERRUPTED] * 2


@requirement("synchronization.interrupt.bounded-semaphore-acquire")
def test_sigint_interrupts_bounded_semaphore_acquire(mp):
    """KeyboardInterrupt comes out of a blocked BoundedSemaphore.acquire(), with a timeout as well."""
    semaphore = mp.BoundedSemaphore(1)
    semaphore.acquire()
    assert _interrupt(mp, semaphore) == [_INTERRUPTED] * 2


@requirement("synchronization.interrupt.condition-acquire")
def test_sigint_interrupts_condition_acquire(mp):
    """KeyboardInterrupt comes out of a blocked Condition.acquire(), with a timeout as well."""
    condition = mp.Condition()
    condition.acquire()
    assert _interrupt(mp, condition) == [_INTERRUPTED] * 2


@requirement("synchronization.interrupt.condition-wait")
def test_sigint_interrupts_condition_wait(mp):
    """KeyboardInterrupt comes out of a blocked Condition.wait() or wait_for(), with a timeout as well."""
    calls = [("wait",), ("wait", _AGES), ("wait_for", bool), ("wait_for", bool, _AGES)]
    assert _interrupt(mp, _Holding(mp.Condition()), "call", calls) == [_INTERRUPTED] * 4


@requirement("synchronization.interrupt.leaves-condition-whole")
def test_condition_after_an_interrupted_wait(mp):
    """After KeyboardInterrupt out of wait() the lock is held as often as before; then others wait, and are notified."""
    condition = mp.Condition()
    assert _interrupt(mp, _Interrupted(mp, condition), "wait", [()]) == [_INTERRUPTED]
    waiters = _waiting(mp, condition, 2)
    with condition:
        assert condition.wait(0) is False
        condition.notify_all()
    assert [waiter.result() for waiter in waiters] == [True, True]


@requirement("synchronization.interrupt.leaves-condition-whole")
def test_condition_whose_waiter_is_notified_and_interrupted_at_once(mp):
    """Whichever comes first to a waiter that is notified as it gets SIGINT, the condition then has no waiters."""
    import psutil

    from mpspec.observing import wait_until, wait_until_asleep

    condition = mp.Condition()
    receiver, sender = mp.Pipe(duplex=False)
    process = mp.Process(target=_call_and_tell, args=(sender, _Holding(condition), "wait", [()]))
    process.start()
    pid, thread = receiver.recv()
    wait_until_asleep(pid, thread, mp.timeout)
    child = psutil.Process(pid)
    child.suspend()
    wait_until(
        lambda: child.status() == psutil.STATUS_STOPPED, mp.timeout, "the child to stand still"
    )
    child.send_signal(signal.SIGINT)
    going_on = threading.Timer(0.1, child.resume)
    going_on.start()
    with condition:
        condition.notify()
    going_on.join()
    assert receiver.recv() in ("returned", _INTERRUPTED)
    process.join()
    with condition:
        condition.notify()
        assert condition.wait(0) is False


@requirement("synchronization.interrupt.leaves-condition-whole")
def test_event_after_an_interrupted_wait(mp):
    """An event that somebody waited for, and was interrupted, or with what is no timeout, can be set.

    Nobody waits at a barrier any more whose only waiter was interrupted.
    """
    event, barrier = mp.Event(), mp.Barrier(2)
    calls = [("event",), ("event", _AGES), ("barrier",), ("barrier", _AGES)]
    waits = _Waits(event=event, barrier=barrier)
    assert _interrupt(mp, waits, "wait", calls) == [_INTERRUPTED] * 4
    assert barrier.n_waiting == 0
    assert outcome_of(event.wait, "no timeout")[0] != "returned"
    event.set()
    assert event.is_set()
    assert event.wait(0) is True


class _Waits:
    """Waits for one of several."""

    def __init__(self, **subjects):
        self.subjects = subjects

    def wait(self, name, *args):
        return self.subjects[name].wait(*args)


class _Interrupted:
    """Waits for a condition whose lock it holds twice; the interrupt goes on when all is as it should be."""

    def __init__(self, mp, condition):
        self.mp = mp
        self.condition = condition

    def wait(self):
        with self.condition:
            self.condition.acquire()
            try:
                self.condition.wait()
            finally:
                self.condition.release()
                held = not _free_for_others(self.mp, self.condition)
                if not held:
                    raise AssertionError


def _acquire_among_signals(connection, lock, timeout):
    signal.signal(signal.SIGUSR1, lambda *_: connection.send("handled"))
    connection.send((os.getpid(), threading.get_native_id()))
    connection.send([lock.acquire(), lock.acquire(True, timeout)])


@requirement("synchronization.interrupt.acquire-goes-on-after-handler")
def test_acquire_goes_on_after_a_signal_handler(mp):
    """acquire() is asleep again after a handler has returned, with a timeout and without, and then gets the lock."""
    from mpspec.observing import wait_until_asleep

    lock = mp.Lock()
    lock.acquire()
    ours, theirs = mp.Pipe()
    process = mp.Process(target=_acquire_among_signals, args=(theirs, lock, mp.timeout))
    process.start()
    pid, thread = ours.recv()
    for _ in range(2):
        wait_until_asleep(pid, thread, mp.timeout)
        os.kill(pid, signal.SIGUSR1)
        assert ours.recv() == "handled"
        wait_until_asleep(pid, thread, mp.timeout)
        assert not ours.poll()
        lock.release()
    assert ours.recv() == [True, True]
    process.join()


@requirement("synchronization.rlock.acquire.free-without-block")
def test_rlock_taken_without_blocking(mp):
    """A free RLock is taken by ``acquire(False)``: another thread does not get it."""
    lock = mp.RLock()
    assert lock.acquire(False) is True
    assert not _free_for_others(mp, lock)
    lock.release()
    assert _free_for_others(mp, lock)


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
