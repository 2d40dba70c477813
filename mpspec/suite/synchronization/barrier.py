"""Tests of Barrier."""

import functools
import threading
import time

from mpspec.children import (
    AT_ONCE,
    Caller,
    CallerThread,
    ask,
    observed_once,
    outcome_of,
    raises,
    run,
    until_all_blocked,
    within,
)
from mpspec.marks import requirement
from mpspec.suite.synchronization.helpers import (
    AGES,
    ENOUGH,
    MOMENT,
    NEARLY,
    Barred,
    barred,
    fail,
    woken_at_each_step,
)


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
        return [Barred(self.barrier).wait(self.timeout) for _ in range(10)]


@requirement("synchronization.barrier.wait.blocks-until-all-arrive")
def test_last_party_arrives_as_another_wait_begins(mp):
    """At whatever moment of a wait() that begins the last party arrives, both go on."""
    barrier = mp.Barrier(2)
    for found in woken_at_each_step(mp, "call", barrier.wait, barrier, "wait"):
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


@requirement("synchronization.barrier.action.error-breaks")
def test_failing_action_breaks_the_barrier(mp):
    """After an error of the action the barrier is broken, and all who wait, or will, get BrokenBarrierError."""
    barrier = mp.Barrier(3, fail)
    waiters = barred(mp, barrier, 2)
    with raises(KeyError, mp.BrokenBarrierError):
        barrier.wait()
    assert [waiter.result() for waiter in waiters] == ["BrokenBarrierError"] * 2
    assert barrier.broken is True
    _nobody_passes(mp, barrier)


def _nobody_passes(mp, barrier):
    """See that as many as could pass a barrier all get BrokenBarrierError."""
    callers = [
        CallerThread(mp, Barred(barrier), "wait", mp.timeout) for _ in range(barrier.parties)
    ]
    assert {caller.result() for caller in callers} == {"BrokenBarrierError"}


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
        mp.Barrier(1, fail).wait()


@requirement("synchronization.barrier.timeout.breaks")
def test_timeout_breaks_the_barrier(mp):
    """The barrier is broken after a wait() that timed out: two who come then don't pass it."""
    barrier = mp.Barrier(2)
    with raises(Exception):
        barrier.wait(MOMENT)
    assert barrier.broken is True
    _nobody_passes(mp, barrier)


@requirement("synchronization.barrier.timeout.raises")
def test_barrier_timeout_raises(mp):
    """wait() raises BrokenBarrierError after the timeout, and not before."""
    began = time.monotonic()
    with raises(mp.BrokenBarrierError):
        mp.Barrier(2).wait(timeout=MOMENT)
    assert time.monotonic() - began >= NEARLY
    broken = within(ENOUGH, lambda: Barred(mp.Barrier(2)).wait(MOMENT))
    assert broken == "BrokenBarrierError"


@requirement("synchronization.barrier.timeout.breaks-for-others")
def test_timeout_of_one_party_ends_the_others(mp):
    """A thread that waits without limit, and one with, get BrokenBarrierError when another's wait() times out."""
    barrier = mp.Barrier(4)
    waiters = [*barred(mp, barrier, 1), *barred(mp, barrier, 1, AGES)]
    with raises(mp.BrokenBarrierError):
        barrier.wait(MOMENT)
    assert [waiter.result() for waiter in waiters] == ["BrokenBarrierError"] * 2


@requirement("synchronization.barrier.timeout.default-from-constructor")
def test_default_timeout_of_a_barrier(mp):
    """wait() without a timeout runs out of the constructor's, and not before."""
    began = time.monotonic()
    with raises(mp.BrokenBarrierError):
        mp.Barrier(2, timeout=MOMENT).wait()
    assert time.monotonic() - began >= NEARLY
    broken = within(ENOUGH, lambda: Barred(mp.Barrier(2, None, MOMENT)).wait())
    assert broken == "BrokenBarrierError"
    for timeout in (0, -1):
        barrier = mp.Barrier(2, timeout=timeout)
        broken = within(AT_ONCE, functools.partial(Barred(barrier).wait, None))
        assert broken == "BrokenBarrierError"
    # Those who were in time leave it as it is.
    barrier = mp.Barrier(2, None, MOMENT)
    waiter = CallerThread(mp, barrier, "wait", mp.timeout)
    assert {barrier.wait(mp.timeout), waiter.result()} == {0, 1}
    with raises(mp.BrokenBarrierError):
        barrier.wait()


@requirement("synchronization.barrier.timeout.own-before-default")
def test_own_timeout_before_the_default(mp):
    """wait() with a short timeout, or none at all, does not wait for the constructor's long one, nor the reverse."""
    for timeout in (MOMENT, 0, -1):
        with raises(mp.BrokenBarrierError):
            mp.Barrier(2, None, AGES).wait(timeout)
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
    waiters = [Caller(mp, Barred(barrier), "wait"), *barred(mp, barrier, 4)]
    waiters[0].until_blocked()
    waiters += barred(mp, barrier, 4, AGES)
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
    assert ask(mp, Barred(barrier).wait, mp.timeout) == "BrokenBarrierError"


@requirement("synchronization.barrier.reset.waiters-get-error")
def test_reset_ends_those_that_wait(mp):
    """Threads in wait(), with a timeout as well, get BrokenBarrierError when another resets the barrier.

    It is whole, though it was broken just before, and they had no time to leave it.
    """
    barrier = mp.Barrier(3)
    waiters = [*barred(mp, barrier, 1), *barred(mp, barrier, 1, AGES)]
    barrier.reset()
    assert barrier.broken is False
    assert [waiter.result() for waiter in waiters] == ["BrokenBarrierError"] * 2
    barrier = mp.Barrier(9)
    waiters = barred(mp, barrier, 8)
    barrier.abort()
    barrier.reset()
    assert [waiter.result() for waiter in waiters] == ["BrokenBarrierError"] * 8
    assert (barrier.n_waiting, barrier.broken) == (0, False)
    # And broken, though they had no time to leave it since it was reset.
    waiters = barred(mp, barrier, 8)
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
    for use in (barrier.abort, lambda: Barred(barrier).wait(0), lambda: None):
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
    barrier = mp.Barrier(2, None, MOMENT)
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
    waiter = CallerThread(mp, Barred(barriers[0]), "wait")
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
        return found, (waited_for.n_waiting, waited_for.broken), within(ENOUGH, emptied.run_out)
    return None


class _Emptied:
    """A barrier that one runs out of time at, again and again."""

    def __init__(self, barrier):
        self.barrier = barrier

    def run_out(self):
        self.barrier.reset()
        return Barred(self.barrier).wait(MOMENT)


@requirement("synchronization.barrier.same-in-child")
def test_barrier_in_a_child(mp):
    """A child calls the action, runs out of the default timeout and its own, and sees who waits, of barriers it has."""
    called, waited_for = mp.Event(), mp.Barrier(3)
    calling, breaking = mp.Barrier(1, called.set), mp.Barrier(2, None, MOMENT)
    waiters = barred(mp, waited_for, 2)
    given = calling, breaking, waited_for, _Emptied(mp.Barrier(2, None, AGES))
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
    (waiter,) = barred(mp, barrier, 1)
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
