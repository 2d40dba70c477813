"""Tests of imap() and imap_unordered()."""

import functools
import gc
import os
import threading
import time
import warnings

from mpspec.children import (
    CallerThread,
    outcome_of,
    raises,
    waits,
)
from mpspec.marks import requirement
from mpspec.suite.pool.helpers import (
    LARGE,
    ODD,
    Refusal,
    assert_chunk_is_one_task,
    assert_lazy,
    collect_until_stopped,
    error_at_once,
    give,
    in_thread,
    invert,
    iterables,
    make_gate,
    new_pool,
    new_threads,
    numbers_then_error,
    open_pipe,
    pass_gate,
    pass_gate_and_raise,
    pass_gate_if_first,
    pass_gate_or_touch_item,
    refuse,
    square,
    wait_until_blocked,
)
from mpspec.suite.pool.observed import single_pool


@requirement("pool.imap.result")
def test_imap_gives_an_iterator_in_order(pool):
    """``imap`` gives an iterator of the results, be they exceptions, in the order of the iterable."""
    results = pool.imap(square, range(10))
    assert iter(results) is results
    assert (next(results), next(results)) == (0, 1)
    assert list(results) == [x * x for x in range(2, 10)]
    with raises(StopIteration):
        next(results)
    assert list(pool.imap(square, iter([2, 1]))) == [4, 1]
    assert type(next(pool.imap(give, [Refusal()]))) is Refusal
    assert list(pool.imap(square, iter(()))) == []
    for items in iterables():
        for chunksize in (1, 2):
            assert list(pool.imap(square, items, chunksize)) == [x * x for x in items]
    for chunksize in (1, 3):
        assert list(pool.imap(give, [None, *ODD], chunksize)) == [None, *ODD]
    results = pool.imap(square, range(200))
    assert pool.map(square, range(4), 1) == [0, 1, 4, 9]  # so many wait to be taken
    assert list(results) == [x * x for x in range(200)]
    assert [*map(len, pool.imap(give, [LARGE]))] == [len(LARGE)]


@requirement("pool.imap.result")
def test_imap_results_of_several_calls(mp, pool, tmp_path):
    """Each of several iterators gives the results of its own call, whenever others come and go."""
    gate = make_gate(tmp_path)
    for method in (pool.imap, pool.imap_unordered):
        first, held = method(square, [3]), method(pass_gate, [gate])
        assert list(first) == [9]  # it ends while the other goes on
        later = method(square, range(20))
        seen = sorted(later.next(mp.timeout / 2) for _ in range(20))
        gate.write_text("open")
        assert held.next(mp.timeout / 2) == "open"
        assert seen == [x * x for x in range(20)]


@requirement("pool.imap.ordered-whatever-ends-first")
def test_imap_keeps_the_order(mp, pool, tmp_path):
    """``imap`` gives the results in order even when a later one is there first."""
    gate = make_gate(tmp_path)
    items = [(number, gate) for number in range(4)]
    results = pool.imap(pass_gate_if_first, items)
    with raises(mp.TimeoutError):
        results.next(0.02)
    gate.write_text("open")
    assert list(results) == [0, 1, 2, 3]
    results = pool.imap(pass_gate_if_first, items, 2)
    assert pool.apply(square, (3,)) == 9  # the second chunk has been executed
    gate.write_text("open")
    assert list(results) == [0, 1, 2, 3]


@requirement("pool.imap.lazy")
def test_imap_is_lazy(mp, pool, tmp_path):
    """``imap`` gives results before all tasks are done, and before the iterable has ended, whatever the chunksize."""
    gate = make_gate(tmp_path)
    results = pool.imap(pass_gate_if_first, [(1, gate), (0, gate)])
    assert next(results) == 1
    gate.write_text("open")
    assert next(results) == 0
    for method in (pool.imap, pool.imap_unordered):
        results = method(pass_gate_if_first, [(0, gate), (1, gate)], 3)  # does not wait for them
        gate.write_text("open")
        assert list(results) == [0, 1]
    for chunksize in (1, 2):
        assert_lazy(mp, pool.imap, chunksize)


@requirement("pool.imap-unordered.lazy")
def test_imap_unordered_is_lazy(mp, pool):
    """``imap_unordered`` gives results before the iterable has ended, whatever the chunksize."""
    for chunksize in (1, 2):
        assert_lazy(mp, pool.imap_unordered, chunksize)


@requirement("pool.imap.exception-before-others")
def test_imap_does_not_end_by_an_exception(mp, pool, tmp_path):
    """While the call after one that has failed goes on ``next`` raises TimeoutError, then what that raises."""
    for method in (pool.imap, pool.imap_unordered):
        gate = make_gate(tmp_path, method.__name__)
        items = [(Refusal("early"), None), (Refusal("late"), gate)]
        results = method(pass_gate_and_raise, items)
        with raises(Refusal, match="early"):
            results.next(mp.timeout / 2)
        with raises(mp.TimeoutError):
            results.next(0.01)
        gate.write_text("open")
        with raises(Refusal, match="late"):
            results.next(mp.timeout / 2)


@requirement("pool.imap.end-wakes")
def test_end_of_the_iterable_ends_the_iterator(mp, pool):
    """A ``next`` that waits while the iterable turns out to have ended raises StopIteration."""
    for method in (pool.imap, pool.imap_unordered):
        resume = threading.Event()

        def items(resume=resume):
            yield 3
            resume.wait(mp.timeout)

        results = method(square, items())
        assert next(results) == 9
        caller = CallerThread(mp, results, "__next__")
        caller.until_blocked()
        resume.set()
        with raises(StopIteration):
            caller.result()
        with raises(StopIteration):
            results.next(mp.timeout / 2)


@requirement("pool.imap.next-timeout")
def test_imap_next_timeout(mp, pool, tmp_path):
    """``next(timeout)`` raises TimeoutError when the result does not come in time; without a timeout it waits."""
    gate, other = make_gate(tmp_path), make_gate(tmp_path, "other")
    results, explicit = pool.imap(pass_gate, [gate]), pool.imap(pass_gate, [other], 1)
    start = time.monotonic()
    with raises(mp.TimeoutError):
        results.next(0.05)
    assert time.monotonic() - start > 0.045
    assert waits(functools.partial(outcome_of, results.next))[0] == "TimeoutError"
    for timeout in (0, -1):
        for values in (results, explicit):
            with raises(mp.TimeoutError):
                values.next(timeout=timeout)
    for values, place in ((results, gate), (explicit, other)):
        place.write_text("open")
        assert values.next(timeout=mp.timeout) == "open"
        with raises(StopIteration):
            values.next(timeout=mp.timeout)
    assert _taken_without_waiting(mp, pool.imap(square, [3, 4])) == [9, 16]
    assert pool.imap(square, [5]).next() == 25


def _taken_without_waiting(mp, values):
    """Two results, taken by a next() that does not wait, as soon as they have come."""
    from mpspec.observing import wait_until

    found = []

    def takes(*position, **name):
        try:
            found.append(values.next(*position, **name))
        except mp.TimeoutError:
            return False
        return True

    wait_until(lambda: takes(0), mp.timeout, "a result that next(0) gives")
    wait_until(lambda: takes(timeout=0), mp.timeout, "another that next(timeout=0) gives")
    return found


@requirement("pool.imap.chunksize")
def test_imap_with_chunks(pool):
    """The chunksize does not change what ``imap`` gives."""
    for chunksize in (1, 2, 3, 100):
        squares = [x * x for x in range(10)]
        assert list(pool.imap(square, range(10), chunksize)) == squares
        assert list(pool.imap(square, iter(range(10)), chunksize)) == squares
    assert list(pool.imap(square, [], 2)) == []
    assert list(pool.imap(square, iter(()), 2)) == []


@requirement("pool.imap.chunksize-positive")
def test_chunksize_must_be_positive(pool):
    """A chunksize of 0, or of less, is refused."""
    for method in (pool.imap, pool.imap_unordered):
        for chunksize in (0, -1):
            with raises(ValueError):
                method(square, range(3), chunksize)


@requirement("pool.imap.chunks-are-tasks")
def test_imap_chunks_are_tasks(mp, pool, tmp_path):
    """``imap`` and ``imap_unordered`` hand out one item a task by default, else ``chunksize`` items."""
    assert_chunk_is_one_task(mp, pool, pool.imap, pass_gate_or_touch_item)
    gate = make_gate(tmp_path, "both")
    for method in (pool.imap, pool.imap_unordered):
        results = method(open_pipe, [(gate, "r"), (gate, "w")])
        try:
            assert {results.next(mp.timeout / 2) for _ in range(2)} == {"r", "w"}
        finally:
            both = os.open(gate, os.O_RDWR)  # whoever waits at the gate goes on
            list(results)
            os.close(both)


@requirement("pool.imap.exception")
def test_imap_raises_in_its_turn(mp, pool):
    """An exception is raised in its turn, and the results after it come all the same; a chunk's is raised as well."""
    results = pool.imap(invert, [6, 5, 7])
    assert next(results) == 1.0
    with raises(ZeroDivisionError):
        next(results)
    assert next(results) == 0.5
    for _ in range(2):
        with raises(StopIteration):
            results.next(mp.timeout / 2)
    with raises(mp.TimeoutError) as raised:
        next(pool.imap(pass_gate_and_raise, [(mp.TimeoutError("gear"), None)]))
    assert raised.value.args == ("gear",)
    results = pool.imap(invert, [6, 7, 8, 5], 2)
    assert (next(results), next(results)) == (1.0, 0.5)
    with raises(ZeroDivisionError):
        list(results)


@requirement("pool.imap.iterable-raises")
def test_iterable_raises(mp, pool):
    """What the iterable raises is raised, by ``imap``'s iterator in its turn; TypeError if it is none."""
    results = pool.imap(square, numbers_then_error())
    assert (next(results), next(results)) == (4, 9)
    with raises(LookupError):
        next(results)
    for method in (pool.imap, pool.imap_unordered):
        for chunksize in (1, 2):
            for error in (LookupError, OSError, Refusal):
                with raises(error):
                    list(method(square, numbers_then_error(error), chunksize))
        with raises(LookupError):
            method(square, error_at_once()).next(mp.timeout / 2)
        with raises(LookupError):
            next(method(square, numbers_then_error(), 3))
        with raises(TypeError):
            list(method(square, 3))
    assert pool.apply(square, (3,)) == 9


@requirement("pool.imap-unordered.result")
def test_imap_unordered_gives_all_results(pool):
    """``imap_unordered`` gives an iterator of all results."""
    results = pool.imap_unordered(square, range(20))
    assert iter(results) is results
    assert sorted(results) == [x * x for x in range(20)]
    assert sorted(pool.imap_unordered(square, iter([2, 1]))) == [1, 4]
    assert list(pool.imap_unordered(square, iter(()))) == []
    for items in iterables():
        assert sorted(pool.imap_unordered(square, items)) == [1, 4, 9]
    assert list(pool.imap_unordered(give, [None, None])) == [None, None]


@requirement("pool.imap-unordered.chunksize")
def test_imap_unordered_with_chunks(pool):
    """The chunksize does not change what ``imap_unordered`` gives."""
    for chunksize in (2, 3, 100):
        squares = [x * x for x in range(10)]
        assert sorted(pool.imap_unordered(square, range(10), chunksize)) == squares
        assert sorted(pool.imap_unordered(square, iter(range(10)), chunksize)) == squares
    assert list(pool.imap_unordered(square, [], 2)) == []
    assert list(pool.imap_unordered(square, iter(()), 2)) == []


@requirement("pool.imap-unordered.chunks-are-tasks")
def test_imap_unordered_chunks_are_tasks(mp, pool):
    """A chunk of ``imap_unordered`` is one task."""
    assert_chunk_is_one_task(mp, pool, pool.imap_unordered, pass_gate_or_touch_item)


@requirement("pool.imap-unordered.first-done-first")
def test_imap_unordered_gives_what_is_done(mp, pool, tmp_path):
    """``imap_unordered`` gives a result as soon as it is there, though an earlier one is not."""
    gate = make_gate(tmp_path)
    results = pool.imap_unordered(pass_gate_if_first, [(0, gate), (1, gate)])
    assert next(results) == 1
    gate.write_text("open")
    assert next(results) == 0
    results = pool.imap_unordered(
        pass_gate_if_first, [(number, gate) for number in range(4)], chunksize=2
    )
    thread, seen = in_thread(next, results)
    thread.join(mp.timeout / 2)
    early = [*seen]
    gate.write_text("open")
    thread.join()
    assert early == [2]
    assert sorted(results) == [0, 1, 3]


@requirement("pool.imap-unordered.one-worker-in-order")
def test_imap_unordered_of_one_worker(mp):
    """With one worker ``imap_unordered`` gives the results in order, in chunks, too."""
    for kind in ("unordered", "unordered in chunks"):
        assert single_pool(mp)[kind] == [x * x for x in range(20)]


@requirement("pool.imap-unordered.next-timeout")
def test_imap_unordered_next_timeout(mp, pool, tmp_path):
    """``next(timeout)`` raises TimeoutError when no result comes in time, which it waits for."""
    gate, other = make_gate(tmp_path), make_gate(tmp_path, "other")
    results = pool.imap_unordered(pass_gate, [gate])
    explicit = pool.imap_unordered(pass_gate, [other], chunksize=1)
    for timeout in (0.01, 0, -1):
        for values in (results, explicit):
            with raises(mp.TimeoutError):
                values.next(timeout=timeout)
    assert waits(functools.partial(outcome_of, results.next))[0] == "TimeoutError"
    for values, place in ((results, gate), (explicit, other)):
        place.write_text("open")
        assert values.next(timeout=mp.timeout) == "open"
    assert sorted(_taken_without_waiting(mp, pool.imap_unordered(square, [3, 4]))) == [9, 16]


@requirement("pool.imap-unordered.exception")
def test_imap_unordered_raises(mp, pool):
    """An exception is raised by one ``next``, and the other results come all the same."""
    results = pool.imap_unordered(invert, [6, 5, 7])
    seen = []
    for _ in range(3):
        try:
            seen.append(next(results))
        except ZeroDivisionError:
            seen.append(0)
    assert sorted(seen) == [0, 0.5, 1.0]
    for _ in range(2):
        with raises(StopIteration):
            results.next(mp.timeout / 2)
    results = pool.imap_unordered(invert, [5] * 20)
    assert pool.map(square, range(4), 1) == [0, 1, 4, 9]  # so many wait to be taken
    seen = [outcome_of(results.next, mp.timeout / 2)[0] for _ in range(21)]
    assert seen == ["ZeroDivisionError"] * 20 + ["StopIteration"]
    with raises(ZeroDivisionError):
        list(pool.imap_unordered(invert, [6, 7, 8, 5], 2))


@requirement("pool.imap.keeps-pool")
def test_results_keep_their_pool(mp, tmp_path):
    """Results come although nothing else refers to the pool; then its workers end, though the results are kept."""
    threads, gate = threading.enumerate(), make_gate(tmp_path)
    pool, [worker] = new_pool(mp)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        pool.apply_async(pass_gate, (gate,))  # all others wait for it
        called, mapped = pool.apply_async(square, (3,)), pool.map_async(square, range(3))
        failed = [pool.apply_async(refuse), pool.map_async(refuse, range(3))]
        results, unordered = pool.imap(square, range(3)), pool.imap_unordered(square, range(3))
        for thread in new_threads(threads):
            wait_until_blocked(mp, thread)  # or one may be the last to hold the pool
        del pool
        gc.collect()
        gate.write_text("open")
        assert (called.get(mp.timeout), mapped.get(mp.timeout)) == (9, [0, 1, 4])
        assert [outcome_of(result.get, mp.timeout)[0] for result in failed] == ["Refusal"] * 2
        for values in (results, unordered):
            assert [values.next(mp.timeout) for _ in range(3)] == [0, 1, 4]
        collect_until_stopped(mp, worker)


@requirement("pool.imap.keeps-pool")
def test_a_result_alone_keeps_its_pool(mp, tmp_path):
    """A single result of apply_async() or map_async() comes although nothing else refers to the pool."""
    for name, wrapped in (("apply_async", tuple), ("map_async", list)):
        threads, gate = threading.enumerate(), make_gate(tmp_path, name)
        pool, [worker] = new_pool(mp)
        result = getattr(pool, name)(pass_gate, wrapped([gate]))
        for thread in new_threads(threads):
            wait_until_blocked(mp, thread)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            del pool
            gc.collect()
            gate.write_text("open")
            assert result.get(mp.timeout) in ("open", ["open"])
            del result
            collect_until_stopped(mp, worker)
