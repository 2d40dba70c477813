"""What several modules of the chapter synchronization use."""

import contextlib
import functools
import itertools
import os
import threading

from mpspec.children import (
    CallerThread,
    ask,
    observed_once,
    until_all_blocked,
    within,
)
from mpspec.stepwise import Stepwise

# Long enough to be a hang when a call waits for so many seconds that should not wait at all.
AGES = 100_000.0
# For a call that must time out: short.
MOMENT = 0.02
# What waited for that long: the clocks differ a little.
NEARLY = 0.015
# A call with that timeout is over by then.
ENOUGH = 0.045


def can_be_taken(lock):
    """Whether the caller can acquire a lock at this moment; it is released again."""
    taken = lock.acquire(False)
    if taken:
        lock.release()
    return taken


def free_for_others(mp, lock):
    """Whether another thread can acquire a lock at this moment."""
    return CallerThread(mp, Holding(lock), "can_take").result()


class Holding:
    """Calls of a condition's methods, each with its lock held."""

    def __init__(self, condition):
        self.condition = condition

    def can_take(self):
        return can_be_taken(self.condition)

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


def waiting(mp, condition, count):
    """So many threads, each asleep in the wait() of a condition."""
    waiters = [CallerThread(mp, Holding(condition), "wait") for _ in range(count)]
    until_all_blocked(waiters)
    return waiters


class _Steps(Stepwise):
    """A Stepwise for the wait() of a condition as well, which is called with the lock held."""

    def call_holding(self, condition):
        with condition:
            return self.call(condition.wait)


def woken_at_each_step(mp, method, argument, subject, waking):
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
        until_returned(mp, [waiter], 1)
        yield waiter.result(), wakers.pop().result()


def until_returned(mp, callers, count):
    """Wait until so many of the calls are over; gives those that are not."""
    from mpspec.observing import wait_until

    def enough():
        return sum(caller.has_returned for caller in callers) >= count

    wait_until(enough, mp.timeout, f"{count} of {len(callers)} calls over")
    return [caller for caller in callers if not caller.has_returned]


class Entering:
    """Enters a primitive's with statement."""

    def __init__(self, primitive):
        self.primitive = primitive

    def enter(self):
        with self.primitive as value:
            return value


def run_out_in_a_thread(mp, subject, *call):
    late = functools.partial(CallerThread, mp, subject, *call)
    assert within(ENOUGH, lambda: late().result()) is False


def take_the_next(mp, exhausted):
    """What is released once goes to one who waits, whatever calls have been in vain before."""
    caller = CallerThread(mp, exhausted, "acquire")
    caller.until_blocked()
    exhausted.release()
    assert caller.result() is True
    assert exhausted.acquire(False) is False


def assert_wakes_one(mp, lock):
    """Each release() of what nobody can acquire, a lock or a semaphore, lets one of two that wait go on."""
    callers = [CallerThread(mp, lock, "acquire") for _ in range(2)]
    until_all_blocked(callers)
    lock.release()
    (other,) = until_returned(mp, callers, 1)
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
def see_releases(mp):
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


class Keeper:
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


def takes(semaphore, times):
    """What so many calls of acquire(False) give."""
    return [semaphore.acquire(False) for _ in range(times)]


@observed_once
def refused_to_a_child(mp):
    """Whether a child's calls are refused, by name, of conditions whose locks its parent holds."""
    conditions = [mp.Condition(mp.Lock()), mp.Condition(mp.RLock())]
    for condition in conditions:
        condition.acquire()
    return ask(mp, _use_unowned, conditions)


def _use_unowned(conditions):
    return {
        name: [is_refused(getattr(condition, name), *args) for condition in conditions]
        for name, *args in (("notify",), ("notify_all",), ("wait", 0))
    }


def is_refused(call, *args):
    try:
        call(*args)
    except (RuntimeError, AssertionError):
        return True
    return False


def unowned(mp):
    """Conditions whose locks nobody holds, and then ones whose locks another thread does."""
    yield mp.Condition()
    yield mp.Condition(mp.Lock())
    for lock in (mp.RLock(), mp.Lock()):
        CallerThread(mp, lock, "acquire").result()
        yield mp.Condition(lock)


def fail():
    raise KeyError


def barred(mp, barrier, count, *timeout):
    """So many threads, each asleep in the wait() of a barrier."""
    waiters = [CallerThread(mp, Barred(barrier), "wait", *timeout) for _ in range(count)]
    until_all_blocked(waiters)
    return waiters


class Barred:
    """Calls wait(), and tells the name of the error that it gets."""

    def __init__(self, barrier):
        self.barrier = barrier

    def wait(self, *args):
        try:
            return self.barrier.wait(*args)
        except threading.BrokenBarrierError:
            return "BrokenBarrierError"
