"""Tests of close(), terminate() and join(), and of the context manager."""

import functools
import gc
import os
import signal
import threading

from mpspec.children import CallerThread, observed_once, outcome_of, raises
from mpspec.marks import requirement
from mpspec.suite.pool.helpers import (
    all_of,
    collect_until_stopped,
    endless,
    in_thread,
    make_callbacks,
    make_gate,
    new_folder,
    new_pool,
    new_threads,
    open_pipe,
    pass_gate,
    pid_of_worker,
    refuse,
    resource_warnings,
    square,
    squares_of_two,
    submissions,
    touch,
    until_begun,
    wait_until_blocked,
)
from mpspec.suite.pool.observed import (
    abandoned_pool,
    initialized_pool,
    short_lived_pool,
    single_pool,
)


@requirement("pool.terminate.stops-at-once")
def test_terminate_stops_all_workers(mp):
    """``terminate`` stops every worker that is in the middle of a task."""
    assert initialized_pool(mp)["left"] == [False] * 3


@observed_once
def _ended_pools(mp):
    """A pool that was closed, and one that was terminated: how the submission of tasks ends, and entering the pool.

    Also whether the worker stops before the pool is joined.
    """
    from mpspec.observing import wait_until

    facts = {}
    with resource_warnings() as warned:
        for end in ("close", "terminate"):
            pool, [worker] = new_pool(mp)
            getattr(pool, end)()
            facts[end] = [outcome_of(submit)[0] for submit in submissions(pool)]
            facts[f"stops after {end}"], _ = outcome_of(
                wait_until, lambda worker=worker: not worker.is_alive(), mp.timeout, "it stopped"
            )
            pool.join()
            facts[f"enter after {end}"] = outcome_of(pool.__enter__)[0]
            del pool
            gc.collect()
        facts["warned"] = [text for text in warned if "pool" in text.lower()]
    return facts


@requirement("pool.close.no-more-tasks")
def test_close_refuses_tasks(mp):
    """After ``close`` no method takes a task."""
    assert "returned" not in _ended_pools(mp)["close"]


@requirement("pool.close.no-more-tasks-error")
def test_close_refuses_tasks_with_value_error(mp):
    """What is submitted after ``close`` or ``terminate`` raises ValueError."""
    facts = _ended_pools(mp)
    assert {*facts["close"], *facts["terminate"]} == {"ValueError"}


def _hold_end(folder):
    """In a worker: a thread keeps the process from ending until a gate of its own is opened."""
    gate = os.path.join(folder, str(os.getpid()))
    os.mkfifo(gate)
    threading.Thread(target=_open_and_touch, args=(gate, f"{gate} open")).start()


def _open_and_touch(gate, path):
    open_pipe((gate, "r"))
    touch(path)


def _let_end(mp, caller, gates):
    """Let one worker after the other end, for which a call waits."""
    from mpspec.observing import has_ended, wait_until

    for pid, gate in sorted(gates.items()):
        caller.until_blocked()
        both = os.open(gate, os.O_RDWR)  # does not wait for a worker that has ended already
        try:
            wait_until(functools.partial(has_ended, pid), mp.timeout, "the worker has ended")
        finally:
            os.close(both)
        assert os.path.exists(f"{gate} open"), "the worker has ended before it was let"


@observed_once
def _closed_pool(mp):
    """A pool that is closed and joined while a worker has a task, others wait, and two iterables go on."""
    from mpspec.observing import wait_until

    resume = threading.Event()
    called, errors, callbacks = make_callbacks()
    with new_folder() as folder:
        gate = make_gate(folder)
        pool, workers = new_pool(mp, 2, _hold_end, (str(folder),))
        gates = {worker.pid: folder / str(worker.pid) for worker in workers}
        try:
            wait_until(lambda: all(each.exists() for each in gates.values()), mp.timeout, "held")
            results = [pool.apply_async(pass_gate, (gate,))]
            results += [pool.apply_async(square, (number,), **callbacks) for number in (3, 4)]
            results.append(pool.map_async(square, [5], **callbacks))
            failing = [
                pool.apply_async(refuse, **callbacks),
                pool.map_async(refuse, [7], **callbacks),
            ]
            iterated = squares_of_two(mp, pool, resume)
            pool.close()
            facts = {"closed": [worker.is_alive() for worker in workers]}
            caller = CallerThread(mp, pool, "join")
            caller.until_blocked()
            gate.write_text("open")
            resume.set()
            facts["results"] = [result.get(mp.timeout) for result in results]
            facts["iterated"] = [all_of(mp, each) for each in iterated]
            facts["failed"] = [outcome_of(each.get, mp.timeout)[0] for each in failing]
            facts["called back"] = [called.get(timeout=mp.timeout) for _ in range(3)]
            facts["errors"] = [outcome_of(errors.get, timeout=mp.timeout)[0] for _ in failing]
            facts["waited"], _ = outcome_of(_let_end, mp, caller, gates)
            if facts["waited"] != "returned":
                pool.terminate()
            facts["join"] = caller.result()
            facts["joined"] = [worker.is_alive() for worker in workers]
            facts["exit codes"] = [worker.exitcode for worker in workers]
        finally:
            pool.terminate()
    return facts


@requirement("pool.close.completes-tasks")
def test_close_lets_tasks_complete(mp):
    """Tasks that were submitted before ``close`` are completed, and all of an iterable; callbacks are called."""
    facts = _closed_pool(mp)
    assert facts["closed"] == [True, True]
    assert facts["results"] == ["open", 9, 16, [25]]
    assert facts["called back"] == [9, 16, [25]]
    assert facts["failed"] == ["Refusal"] * 2
    assert facts["errors"] == ["returned"] * 2
    assert facts["iterated"] == [[4, 9], [4, 9]]
    assert facts["joined"] == [False, False]


@requirement("pool.close.replaces-workers")
def test_closed_pool_replaces_workers(mp):
    """Tasks that were submitted before ``close`` are completed, if by new workers, as their worker's time is up."""
    _, chunks, _ = short_lived_pool(mp)
    assert [mark for _, mark in chunks] == ["by the initializer"] * 4


@requirement("pool.close.replaces-workers")
def test_closed_pool_replaces_workers_for_an_iterator(mp):
    """An iterator gives all of its results, be they of several workers, though the pool was closed before the first."""
    pool = mp.Pool(1, maxtasksperchild=1)
    pids = pool.imap(pid_of_worker, range(2))
    pool.close()
    seen = [outcome_of(pids.next, max(mp.timeout / 4, 2))[0] for _ in range(3)]
    pool.terminate()
    pool.join()
    assert seen == ["returned", "returned", "StopIteration"]


@requirement("pool.close.workers-exit")
def test_close_lets_workers_exit(mp):
    """After ``close`` the workers of an idle pool exit by themselves, all of them, and without ``join``."""
    assert single_pool(mp)["exit code"] == 0
    assert _closed_pool(mp)["exit codes"] == [0, 0]
    assert _ended_pools(mp)["stops after close"] == "returned"


def _arrive(start, gate, path):
    touch(start)
    pass_gate(gate)
    touch(path)


@observed_once
def _terminated_pool(mp):
    """A pool that is terminated in the middle of a task; another, too large for any buffer, waits for the worker."""
    from mpspec.observing import wait_until

    before = threading.enumerate()
    with new_folder() as folder:
        start, first, second = (folder / name for name in ("start", "first", "second"))
        pool, [worker] = new_pool(mp)
        result = pool.apply_async(_arrive, (start, make_gate(folder), first))
        waiting = pool.apply_async(touch, (second, bytes(1 << 20)))
        until_begun(mp, start)
        for thread in new_threads(before):
            wait_until_blocked(mp, thread)
        pool.terminate()
        stopped = outcome_of(wait_until, lambda: not worker.is_alive(), mp.timeout, "it stopped")
        pool.join()
        return {
            "stopped": stopped,
            "alive": worker.is_alive(),
            "succeeded": result.ready() and result.successful(),
            "got": {outcome_of(each.get, 0.01)[0] for each in (result, waiting)},
            "completed": [path.exists() for path in (first, second)],
        }


@requirement("pool.terminate.stops-at-once")
def test_terminate_does_not_wait_for_tasks(mp):
    """``terminate`` stops a worker in the middle of its task, and an idle one, without ``join``."""
    facts = _terminated_pool(mp)
    assert facts["stopped"] == ("returned", None)
    assert _ended_pools(mp)["stops after terminate"] == "returned"
    assert not facts["alive"]
    assert not facts["succeeded"]


@requirement("pool.terminate.signal-handled")
def test_terminate_of_a_program_that_handles_the_signal(mp):
    """A pool that was made while the program had a handler for SIGTERM is terminated in the middle of a task."""
    before = signal.signal(signal.SIGTERM, _nothing_on_signal)
    try:
        pool, [worker] = new_pool(mp)
    finally:
        signal.signal(signal.SIGTERM, before)
    with new_folder() as folder:
        gate, start = make_gate(folder), folder / "start"
        pool.apply_async(_arrive, (start, gate, folder / "end"))
        until_begun(mp, start)
        terminating, _ = in_thread(pool.terminate)
        # An implementation that departs costs the whole wait.
        terminating.join(max(mp.timeout / 6, 1.5))
        ended = not terminating.is_alive()
        worker.kill()
        terminating.join()
        pool.join()
    assert ended


def _nothing_on_signal(number, frame):
    pass


@requirement("pool.terminate.drops-tasks")
def test_terminate_drops_tasks(mp):
    """Work that is outstanding at ``terminate`` is not completed."""
    assert _terminated_pool(mp)["completed"] == [False, False]


@requirement("pool.terminate.results-raise")
def test_results_of_a_terminated_pool(mp):
    """``get`` of a result that was outstanding at ``terminate`` raises, and not for want of time."""
    assert _terminated_pool(mp)["got"].isdisjoint({"returned", "TimeoutError"})


@requirement("pool.terminate.garbage-collected")
def test_an_abandoned_pool_is_terminated(mp):
    """The workers of a pool that is garbage collected are stopped: processes, whatever they do, or threads."""
    stopped, *_ = abandoned_pool(mp)
    assert stopped == ("returned", None)
    with resource_warnings():
        threads = _abandoned_threads(mp)
        assert len(threads) >= 2
        for thread in threads:
            collect_until_stopped(mp, thread)


def _abandoned_threads(mp):
    """The threads of a ThreadPool that nobody refers to any more, and that was idle before."""
    before = threading.enumerate()
    pool = mp.pool.ThreadPool(2)
    assert pool.apply(square, (3,)) == 9
    threads = new_threads(before)
    for thread in threads:
        wait_until_blocked(mp, thread)
    return threads


@requirement("pool.terminate.garbage-collected-warning")
def test_an_abandoned_pool_is_warned_of(mp):
    """There is a ResourceWarning for a running pool that is garbage collected, and none for one that was ended."""
    _, warned, _ = abandoned_pool(mp)
    assert ["pool" in text.lower() for text in warned] == [True]
    with resource_warnings() as warned:
        for thread in _abandoned_threads(mp):
            collect_until_stopped(mp, thread)
    assert ["pool" in text.lower() for text in warned] == [True]
    assert _ended_pools(mp)["warned"] == []


@requirement("pool.terminate.repeated")
def test_terminate_after_close(mp, tmp_path):
    """``terminate`` may follow ``close``, whatever runs yet, and each of them and ``join`` may be repeated.

    A callback may call it, too.
    """
    pool, [worker] = new_pool(mp)
    pool.apply_async(pass_gate, (make_gate(tmp_path),))
    for end in (pool.close, pool.terminate, pool.join, pool.close):
        assert end() is None
        assert end() is None
    assert not worker.is_alive()
    pool, _ = new_pool(mp)
    result = pool.apply_async(square, (3,), callback=lambda _: pool.terminate())
    assert result.get(mp.timeout / 2) == 9
    pool.join()


@requirement("pool.join.needs-close")
def test_join_needs_close(pool):
    """``join`` before ``close`` or ``terminate`` raises, and does the pool no harm."""
    with raises(Exception):
        pool.join()
    assert pool.apply(square, (3,)) == 9


@requirement("pool.join.needs-close-error")
def test_join_needs_close_else_value_error(pool):
    """``join`` before ``close`` or ``terminate`` raises ValueError."""
    with raises(ValueError):
        pool.join()


@requirement("pool.join.waits")
def test_join_waits_for_the_workers(mp):
    """``join`` waits until all workers have exited."""
    facts = _closed_pool(mp)
    assert facts["waited"] == "returned"
    assert facts["join"] is None
    assert facts["joined"] == [False, False]


@requirement("pool.context-manager.enter")
def test_with_gives_the_pool(mp):
    """Entering a pool gives the pool."""
    pool = mp.Pool(1)
    with pool as entered:
        assert entered is pool
        assert entered.apply(square, (3,)) == 9
    pool.join()


@requirement("pool.context-manager.exit-terminates")
def test_with_terminates(mp):
    """Leaving a pool terminates it, by a subclass's method too, though it is busy, and an iterable has no end."""
    pool, [worker] = new_pool(mp)
    with new_folder() as folder, endless(mp) as numbers:
        with pool:
            result = pool.apply_async(pass_gate, (make_gate(folder),))
            pool.imap_unordered(square, numbers)
        pool.join()
    assert not worker.is_alive()
    assert not (result.ready() and result.successful())
    assert outcome_of(pool.apply, square, (3,))[0] != "returned"
    ends = []

    class Noting(mp.pool.Pool):
        def terminate(self):
            ends.append("terminate")
            super().terminate()

    with Noting(1, context=mp.context) as pool:
        pass
    pool.join()
    assert ends == ["terminate"]


@requirement("pool.context-manager.exit-after-close")
def test_with_terminates_a_closed_pool(mp):
    """Leaving a pool that was closed in its block terminates it, though its worker is busy."""
    pool, [worker] = new_pool(mp)
    with new_folder() as folder:
        with pool:
            result = pool.apply_async(pass_gate, (make_gate(folder),))
            pool.close()  # which waits for no task
        pool.join()
    assert not worker.is_alive()
    assert not (result.ready() and result.successful())


@requirement("pool.context-manager.closed-inside")
def test_with_lets_the_pool_be_closed(mp):
    """A pool may be closed and joined in its with block; leaving it changes nothing more."""
    assert single_pool(mp)["later"] == (False, 0)


@requirement("pool.context-manager.exit-by-exception")
def test_with_lets_exceptions_through(mp):
    """An exception that leaves the block of a pool terminates it, though its worker is busy, and goes on."""
    _assert_let_through(mp, LookupError, KeyboardInterrupt)


@requirement("pool.context-manager.exit-by-exception")
def test_with_lets_stop_iteration_through(mp):
    """StopIteration, which ends so much else, ends no block in silence."""
    _assert_let_through(mp, StopIteration)


def _assert_let_through(mp, *kinds):
    for kind in kinds:
        pool, [worker] = new_pool(mp)
        with new_folder() as folder:
            with raises(kind), pool:
                result = pool.apply_async(pass_gate, (make_gate(folder),))
                raise kind
            pool.join()
        assert not worker.is_alive()
        assert not (result.ready() and result.successful())


@requirement("pool.context-manager.only-running")
def test_with_needs_a_running_pool(mp):
    """Entering a pool that was closed or terminated raises ValueError."""
    facts = _ended_pools(mp)
    assert facts["enter after terminate"] == "ValueError"
    assert facts["enter after close"] == "ValueError"
    for end in ("close", "terminate"):
        pool = mp.pool.ThreadPool(1)
        getattr(pool, end)()
        pool.join()
        with raises(ValueError):
            pool.__enter__()
