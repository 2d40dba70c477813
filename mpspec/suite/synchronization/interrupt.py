"""Tests of signals that come in while a call waits."""

import os
import signal
import threading

from mpspec.children import outcome_of
from mpspec.marks import requirement
from mpspec.suite.synchronization.helpers import AGES, Holding, free_for_others, waiting


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


def _interrupt(mp, subject, method="acquire", calls=((), (True, AGES))):
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
    calls = [("wait",), ("wait", AGES), ("wait_for", bool), ("wait_for", bool, AGES)]
    assert _interrupt(mp, Holding(mp.Condition()), "call", calls) == [_INTERRUPTED] * 4


@requirement("synchronization.interrupt.leaves-condition-whole")
def test_condition_after_an_interrupted_wait(mp):
    """After KeyboardInterrupt out of wait() the lock is held as often as before; then others wait, and are notified."""
    condition = mp.Condition()
    assert _interrupt(mp, _Interrupted(mp, condition), "wait", [()]) == [_INTERRUPTED]
    waiters = waiting(mp, condition, 2)
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
    process = mp.Process(target=_call_and_tell, args=(sender, Holding(condition), "wait", [()]))
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
    calls = [("event",), ("event", AGES), ("barrier",), ("barrier", AGES)]
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
                held = not free_for_others(self.mp, self.condition)
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
