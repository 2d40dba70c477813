"""Tests of Semaphore and BoundedSemaphore."""

import functools
import time

from mpspec.children import (
    AT_ONCE,
    Caller,
    CallerThread,
    ask,
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
    assert_wakes_one,
    run_out_in_a_thread,
    take_the_next,
    takes,
)


@requirement("synchronization.semaphore.value.one-by-default")
def test_semaphore_begins_at_one(mp):
    """``Semaphore()`` can be acquired once."""
    assert takes(mp.Semaphore(), 2) == [True, False]


@requirement("synchronization.semaphore.value.initial")
def test_semaphore_begins_at_its_value(mp):
    """``Semaphore(3)`` can be acquired three times, ``Semaphore(value=0)`` not at all, 500 works as well."""
    assert takes(mp.Semaphore(3), 4) == [True, True, True, False]
    assert sum(takes(mp.Semaphore(500), 501)) == 500
    assert takes(mp.Semaphore(value=0), 1) == [False]


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
    semaphore.release()
    assert within(AT_ONCE, functools.partial(semaphore.acquire, True, AGES)) is True


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
    assert semaphore.acquire(timeout=MOMENT) is False
    assert time.monotonic() - began >= NEARLY
    assert within(ENOUGH, lambda: semaphore.acquire(True, MOMENT)) is False
    run_out_in_a_thread(mp, semaphore, "acquire", True, MOMENT)
    take_the_next(mp, semaphore)


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
    assert takes(semaphore, 2) == [True, False]
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
    assert within(AT_ONCE, lambda: semaphore.acquire(timeout=-AGES)) is False


@requirement("synchronization.semaphore.acquire.timeout-none-waits-for-ever")
def test_semaphore_timeout_none(mp):
    """acquire(timeout=None) takes one of two, and at zero sleeps until the semaphore is released."""
    _take_within_the_timeout(mp, mp.Semaphore(2), None)


@requirement("synchronization.semaphore.acquire.timeout-ignored-without-block")
def test_semaphore_timeout_without_block(mp):
    """acquire(False, ...) of both kinds of semaphores returns at once, however long the timeout."""
    for semaphore in (mp.Semaphore(), mp.BoundedSemaphore()):
        assert semaphore.acquire(False, AGES) is True
        assert [semaphore.acquire(False, timeout) for timeout in (AGES, -1, None)] == [False] * 3


@requirement("synchronization.semaphore.release.beyond-initial-value")
def test_semaphore_has_no_bound(mp):
    """A thousand calls of release() make 1001 of one."""
    semaphore = mp.Semaphore(1)
    for _ in range(1000):
        semaphore.release()
    assert takes(semaphore, 1002) == [True] * 1001 + [False]
    semaphore = mp.Semaphore(32_000)
    assert semaphore.release() is None
    assert semaphore.acquire(False) is True


@requirement("synchronization.semaphore.release.wakes-one")
def test_semaphore_release_wakes_one(mp):
    """Of two that wait, one gets what was released, and the other goes on waiting, be it bounded or not."""
    bounded = mp.BoundedSemaphore(2)
    assert takes(bounded, 2) == [True, True]
    for semaphore in (mp.Semaphore(0), bounded):
        assert_wakes_one(mp, semaphore)


@requirement("synchronization.semaphore.release.many")
def test_semaphore_release_many(mp):
    """release(3) can be acquired three times, release(n=2) by two that wait."""
    semaphore = mp.Semaphore(0)
    semaphore.release(3)
    assert takes(semaphore, 4) == [True, True, True, False]
    _assert_wakes_both(mp, semaphore)


def _assert_wakes_both(mp, semaphore):
    """release(n=2) of a semaphore at zero lets both go on that wait."""
    callers = [CallerThread(mp, semaphore, "acquire") for _ in range(2)]
    until_all_blocked(callers)
    semaphore.release(n=2)
    assert [caller.result() for caller in callers] == [True, True]
    assert takes(semaphore, 1) == [False]


@requirement("synchronization.semaphore.with.holds")
def test_with_semaphore(mp):
    """Within the with statement one is taken, after it there is one again."""
    semaphore = mp.Semaphore(1)
    with semaphore:
        assert semaphore.acquire(False) is False
    assert takes(semaphore, 2) == [True, False]


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
    assert takes(semaphore, 2) == [True, True]
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


@requirement("synchronization.bounded-semaphore.value.one-by-default")
def test_bounded_semaphore_begins_at_one(mp):
    """``BoundedSemaphore()`` can be acquired once."""
    assert takes(mp.BoundedSemaphore(), 2) == [True, False]


@requirement("synchronization.bounded-semaphore.value.initial")
def test_bounded_semaphore_begins_at_its_value(mp):
    """``BoundedSemaphore(value=3)`` can be acquired three times, ``BoundedSemaphore(0)`` neither taken nor released."""
    assert takes(mp.BoundedSemaphore(value=3), 4) == [True, True, True, False]
    assert sum(takes(mp.BoundedSemaphore(500), 501)) == 500
    assert takes(mp.BoundedSemaphore(0), 1) == [False]
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
    semaphore.release()
    assert within(AT_ONCE, functools.partial(semaphore.acquire, True, AGES)) is True


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
    assert semaphore.acquire(timeout=MOMENT) is False
    assert time.monotonic() - began >= NEARLY
    assert within(ENOUGH, lambda: semaphore.acquire(True, MOMENT)) is False
    run_out_in_a_thread(mp, semaphore, "acquire", True, MOMENT)
    take_the_next(mp, semaphore)


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
    assert within(AT_ONCE, lambda: semaphore.acquire(timeout=-AGES)) is False


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
    assert takes(semaphore, 3) == [True, True, False]


@requirement("synchronization.bounded-semaphore.release.bound-counts-all-processes")
def test_bound_counts_all_processes(mp):
    """A child gets what the parent releases, and when it has released all, the parent's next is one too many."""
    for arguments in ((), (True, mp.timeout)):
        semaphore = mp.BoundedSemaphore(2)
        assert takes(semaphore, 2) == [True, True]
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
    assert takes(semaphore, 2) == [True, False]


@requirement("synchronization.bounded-semaphore.release.many")
def test_bounded_semaphore_release_many(mp):
    """release(2) gives back two; release(n=2) raises ValueError, and gives back none, when only one was taken.

    Those who wait get what is given back.
    """
    semaphore = mp.BoundedSemaphore(2)
    assert takes(semaphore, 2) == [True, True]
    semaphore.release(2)
    assert takes(semaphore, 3) == [True, True, False]
    _assert_wakes_both(mp, semaphore)
    semaphore.release()
    with raises(ValueError):
        semaphore.release(n=2)
    assert takes(semaphore, 2) == [True, False]


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
