"""Tests of ThreadPool."""

import os
import pickle
import queue
import threading

from mpspec.children import CallerThread, ask, outcome_of, raises, until_all_blocked, waits
from mpspec.marks import requirement
from mpspec.suite.pool.helpers import (
    Falsely,
    Refusal,
    add_up,
    all_of,
    assert_apply_takes_all,
    assert_callbacks_follow_chunksize,
    assert_chunk_is_one_task,
    assert_lazy,
    assert_maps_are_parallel,
    count_threads,
    end_pool,
    endless,
    invert,
    left_running,
    make_callbacks,
    make_gate,
    new_folder,
    new_threads,
    pass_gate_if_first,
    pass_gate_or_touch,
    pass_gate_or_touch_item,
    refuse,
    square,
    squares_of_two,
    submissions,
    usable_cpus,
    wait_until_blocked,
)
from mpspec.suite.pool.observed import defaults_of_program


def _leave_a_thread_pool(mp):
    """In a new interpreter: as above, of threads."""
    pool = mp.pool.ThreadPool(1)
    left_running.append(pool)
    return pool.apply(square, (3,))


@requirement("pool.thread-pool.end-with-program")
def test_thread_pool_that_a_program_leaves_running(mp):
    """A program that neither closes nor terminates its ThreadPool ends."""
    from mpspec.programs import call

    assert call(_leave_a_thread_pool, mp, timeout=mp.timeout) == 9


def _meet(barrier):
    barrier.wait()
    return os.getpid(), threading.get_ident()


@requirement("pool.thread-pool.threads")
def test_thread_pool_runs_tasks_in_threads(mp):
    """A ThreadPool's workers are threads of the process, as many as asked for; a child, too, has its own."""
    with mp.pool.ThreadPool(3) as pool:
        places = pool.map(_meet, [threading.Barrier(3, timeout=mp.timeout)] * 3, 1)
    pool.join()
    assert {pid for pid, _ in places} == {os.getpid()}
    assert len({ident for _, ident in places} - {threading.get_ident()}) == 3
    assert ask(mp, _use_threads, mp) == 1
    assert count_threads(mp, 3) == 3


def _use_threads(mp):
    with mp.pool.ThreadPool(1) as pool:
        result = pool.apply(abs, (-1,))
    pool.join()
    return result


@requirement("pool.thread-pool.is-a-pool")
def test_thread_pool_is_a_pool(mp):
    """ThreadPool is a subclass of Pool."""
    assert issubclass(mp.pool.ThreadPool, mp.pool.Pool)


def _default_threads(mp, cpus):
    """How many threads a ThreadPool has by default, whichever way, in a process that may use these CPUs alone."""
    usable = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cpus)
    try:
        expected = usable_cpus()
        counts = {count_threads(mp), count_threads(mp, None), count_threads(mp, processes=None)}
    finally:
        os.sched_setaffinity(0, usable)
    return counts, expected


@requirement("pool.thread-pool.default")
def test_thread_pool_default(mp):
    """Without a number, or with None, a ThreadPool has as many threads as ``os.cpu_count()`` says."""
    counts, _ = _default_threads(mp, {min(os.sched_getaffinity(0))})
    assert counts == {os.cpu_count()}


@requirement("pool.thread-pool.default-usable")
def test_thread_pool_default_usable(mp):
    """Without a number, or with None, a ThreadPool has as many threads as ``os.process_cpu_count()`` says."""
    usable = os.sched_getaffinity(0)
    for cpus in (usable, {min(usable)}):
        counts, expected = _default_threads(mp, cpus)
        assert counts == {expected}
    (_, threads), expected = defaults_of_program(mp)
    assert threads == expected


@requirement("pool.thread-pool.initializer")
def test_thread_pool_initializer(mp):
    """Each worker thread calls ``initializer(*initargs)`` when it starts, and nothing if that is None."""
    called = queue.SimpleQueue()

    def note(word):
        called.put((word, threading.get_ident()))

    with mp.pool.ThreadPool(6, note, ("started",)) as pool:
        calls = [called.get(timeout=mp.timeout) for _ in range(6)]
        assert [word for word, _ in calls] == ["started"] * 6
        idents = {ident for _, ident in calls}
        assert len(idents - {threading.get_ident()}) == 6
        assert pool.apply(threading.get_ident) in idents
        assert called.empty()  # not later: a thread that ends before its pool does may be replaced
    pool.join()
    pool = mp.pool.ThreadPool(initargs=("by name",), initializer=Falsely(called.put), processes=1)
    assert called.get(timeout=mp.timeout) == "by name"
    assert called.empty()
    end_pool(pool)
    with mp.pool.ThreadPool(1, None) as pool:
        assert pool.apply(square, (3,)) == 9
    pool.join()


@requirement("pool.thread-pool.interface")
def test_thread_pool_has_the_interface_of_a_pool(mp):
    """A ThreadPool's methods take and give what a Pool's do; what it runs need not be picklable."""
    made = mp.pool.ThreadPool(2)
    with made as pool:
        assert pool is made
        assert pool.apply(lambda: 1) == 1
        lock = threading.Lock()
        assert pool.apply(lambda: lock) is lock
        assert pool.map_async(lambda _: lock, [0]).get(mp.timeout) == [lock]
        assert pool.apply_async(square, (3,)).get() == 9
        assert pool.map(square, range(4)) == [0, 1, 4, 9]
        assert pool.map_async(square, range(4)).get() == [0, 1, 4, 9]
        assert list(pool.imap(square, range(4))) == [0, 1, 4, 9]
        assert sorted(pool.imap_unordered(square, range(4))) == [0, 1, 4, 9]
        assert pool.starmap(add_up, [(1, 2)]) == [3]
        assert pool.starmap_async(add_up, [(1, 2)]).get() == [3]
        _assert_nothing_of_nothing(mp, pool)
        _assert_threads_raise(pool)
        for done in (
            pool.apply_async(square, (3,)),
            pool.map_async(square, [3]),
            pool.starmap_async(add_up, [(1, 2)]),
        ):
            done.wait(mp.timeout)
            assert isinstance(done, mp.pool.AsyncResult)
            assert done.successful() is True
        results, errors, callbacks = make_callbacks()
        assert pool.apply(func=add_up, args=(1,), kwds={"z": 2}) == 3
        for chunksize in (1, 3):
            squares = {"func": square, "iterable": range(4), "chunksize": chunksize}
            for method in (pool.map, pool.imap):
                assert list(method(**squares)) == [0, 1, 4, 9]
            assert sorted(pool.imap_unordered(**squares)) == [0, 1, 4, 9]
            assert pool.map_async(**squares, **callbacks).get() == [0, 1, 4, 9]
            sums = {"func": add_up, "iterable": [(1, 2), (3, 4)], "chunksize": chunksize}
            assert pool.starmap(**sums) == [3, 7]
            assert pool.starmap_async(**sums, **callbacks).get() == [3, 7]
            assert [results.get(timeout=mp.timeout) for _ in range(2)] == [[0, 1, 4, 9], [3, 7]]
        pool.starmap_async(refuse, [("gear",)], **callbacks).wait()
        assert errors.get(timeout=mp.timeout).args == ("gear",)
        pool.apply_async(refuse, ("gear", 7), **callbacks).wait()
        assert errors.get(timeout=mp.timeout).args == ("gear", 7)
        result = pool.map_async(invert, [5], **callbacks)
        assert type(errors.get(timeout=mp.timeout)) is ZeroDivisionError
        result.wait()
        assert isinstance(result, mp.pool.AsyncResult)
        assert (result.ready(), result.successful()) == (True, False)
        assert pool.map(square, iter(range(12))) == [x * x for x in range(12)]
        assert_apply_takes_all(mp, pool)
        assert_callbacks_follow_chunksize(mp, pool)
        _assert_waits_in_threads(mp, pool)
        _assert_order_of_threads(mp, pool)
        _assert_chunks_of_threads(mp, pool)
        with raises(NotImplementedError):
            pickle.dumps(pool)
    pool.join()
    with raises(Exception):
        pool.apply(square, (3,))


def _assert_nothing_of_nothing(mp, pool):
    """Of an iterable without items each method gives no values."""
    for submit in (pool.map_async, pool.starmap_async):
        assert submit(square, []).get(mp.timeout) == []
    assert pool.map(square, []) == pool.starmap(square, []) == []
    assert [*pool.imap(square, []), *pool.imap_unordered(square, iter(()), 2)] == []


def _assert_threads_raise(pool):
    """What a task raises comes out of each method, or of the result's ``get``."""
    for fail in (
        lambda: pool.apply(refuse),
        lambda: pool.map(refuse, [7]),
        lambda: pool.starmap(refuse, [(7,)]),
        lambda: next(pool.imap(refuse, [7])),
        lambda: next(pool.imap_unordered(refuse, [7])),
        pool.apply_async(refuse, (7,)).get,
        pool.map_async(refuse, [7]).get,
        pool.starmap_async(refuse, [(7,)]).get,
    ):
        with raises(Refusal):
            fail()


def _assert_waits_in_threads(mp, pool):
    """Submitting waits for no task, ``get`` and ``next`` for as long as they are told, and imaps for no iterable."""
    gate = threading.Event()
    results = _waiting_for_event(pool, gate)
    items, unordered = pool.imap(gate.wait, [None]), pool.imap_unordered(gate.wait, [None])
    for late in (*(result.get for result in results), items.next, unordered.next):
        with raises(mp.TimeoutError):
            late(timeout=0.01)
    for result in results:
        waits(result.wait)
    assert [result.ready() for result in results] == [False] * 3
    together = [CallerThread(mp, result, way) for result in results for way in ("get", "wait")]
    until_all_blocked(together)
    gate.set()
    assert [result.get() for result in results] == [True, [True], [True]]
    assert [each.result() for each in together] == [True, None, [True], None, [True], None]
    assert (next(items), next(unordered)) == (True, True)
    for imap in (pool.imap, pool.imap_unordered):
        assert_lazy(mp, imap, 1)


def _assert_order_of_threads(mp, pool):
    """``imap`` gives the results in order, ``imap_unordered`` as they come."""
    with new_folder() as folder:
        gate = make_gate(folder)
        items = [(number, gate) for number in range(3)]
        ordered = pool.imap(pass_gate_if_first, items)
        with raises(mp.TimeoutError):
            ordered.next(0.02)
        gate.write_text("open")
        assert list(ordered) == [0, 1, 2]
        unordered = pool.imap_unordered(pass_gate_if_first, items)
        early = [outcome_of(unordered.next, mp.timeout / 2) for _ in range(2)]
        gate.write_text("open")
        assert early == [("returned", 1), ("returned", 2)]
        assert list(unordered) == [0]


def _assert_chunks_of_threads(mp, pool):
    """A chunk is one task, of whichever method; without a chunksize all threads have one."""
    with new_folder() as folder:
        assert_maps_are_parallel(mp, pool, make_gate(folder))
    for method in (pool.map, pool.imap, pool.imap_unordered, pool.map_async):
        assert_chunk_is_one_task(mp, pool, method, pass_gate_or_touch_item)
    for method in (pool.starmap, pool.starmap_async):
        assert_chunk_is_one_task(mp, pool, method, pass_gate_or_touch)


def _waiting_for_event(pool, event):
    """The results of three kinds that wait for an event, and then hold True."""
    return [
        pool.apply_async(event.wait),
        pool.map_async(event.wait, [None]),
        pool.starmap_async(event.wait, [()]),
    ]


@requirement("pool.thread-pool.refusals")
def test_thread_pool_refuses_what_a_pool_refuses(mp):
    """ValueError: ``successful`` too early, ``join`` of a running ThreadPool, any submission to a closed one."""
    pool = mp.pool.ThreadPool(1)
    gate = threading.Event()
    results = _waiting_for_event(pool, gate)
    for result in results:
        with raises(ValueError):
            result.successful()
    gate.set()
    assert [result.get() for result in results] == [True, [True], [True]]
    with raises(ValueError):
        pool.join()
    pool.close()
    assert [outcome_of(submit)[0] for submit in submissions(pool)] == ["ValueError"] * 10
    pool.join()


@requirement("pool.thread-pool.close")
def test_thread_pool_close(mp):
    """A closed ThreadPool completes its tasks, those that wait or will come too, takes no more; its threads end."""
    before = threading.active_count()
    pool = mp.pool.ThreadPool(1)
    gate = threading.Event()
    result = pool.apply_async(gate.wait)
    queued = [pool.apply_async(square, (number,)) for number in (3, 4)]
    pool.close()
    with raises(ValueError):
        pool.apply_async(square, (3,))
    gate.set()
    pool.join()
    assert result.get(0) is True
    assert [each.get(0) for each in queued] == [9, 16]
    assert threading.active_count() == before
    _assert_closed_threads_iterate(mp)
    _assert_idle_threads_end(mp)


def _assert_closed_threads_iterate(mp):
    """A closed and joined ThreadPool completes an ``imap``, and an ``imap_unordered``, whose iterable goes on."""
    resume = threading.Event()
    pool = mp.pool.ThreadPool(1)
    each, other = squares_of_two(mp, pool, resume)
    pool.close()
    assert each.next(mp.timeout) == 4
    joining = CallerThread(mp, pool, "join")
    joining.until_blocked()
    resume.set()
    assert (all_of(mp, each), all_of(mp, other)) == ([9], [4, 9])
    joining.result()


def _assert_idle_threads_end(mp):
    """The threads of an idle ThreadPool end after ``close`` by themselves, without ``join``."""
    from mpspec.observing import wait_until

    threads = threading.enumerate()
    pool = mp.pool.ThreadPool(2)
    assert pool.apply(square, (3,)) == 9
    for thread in new_threads(threads):
        wait_until_blocked(mp, thread)
    pool.close()
    wait_until(lambda: not new_threads(threads), mp.timeout, "its threads have ended")
    pool.join()


@requirement("pool.thread-pool.terminate")
def test_thread_pool_terminate(mp):
    """A ThreadPool that is terminated, or left, starts no further task, takes none, and its threads end."""
    before = threading.enumerate()
    with endless(mp) as numbers:
        pool = mp.pool.ThreadPool(1)
        pool.imap_unordered(square, numbers)
        for _ in range(2):  # which may be repeated
            end_pool(pool)
    for end in (mp.pool.ThreadPool.terminate, _leave, _close_and_leave, _leave_by_exception):
        pool = mp.pool.ThreadPool(1)
        begun, gate, done = threading.Event(), threading.Event(), []
        pool.apply_async(lambda begun=begun, gate=gate: (begun.set(), gate.wait(mp.timeout)))
        for number in range(3):
            pool.apply_async(done.append, (number,))
        begun.wait(mp.timeout)
        for thread in new_threads(before):
            wait_until_blocked(mp, thread)
        end(pool)
        joining = CallerThread(mp, pool, "join")
        joining.until_blocked()  # for the task that has begun
        gate.set()
        assert joining.result() is None
        assert done == []
        with raises(Exception):
            pool.apply_async(square, (3,))
        assert new_threads(before) == []


def _leave(pool):
    with pool:
        pass


def _close_and_leave(pool):
    with pool:
        pool.close()  # which waits for no task


def _leave_by_exception(pool):
    with raises(LookupError), pool:
        raise LookupError


@requirement("pool.thread-pool.terminate")
def test_thread_pool_is_left_by_terminate(mp):
    """Leaving a ThreadPool calls the method ``terminate`` that a subclass has, though there is nothing to do."""
    ends = []

    class Noting(mp.pool.ThreadPool):
        def terminate(self):
            ends.append("terminate")
            super().terminate()

    with Noting(1) as pool:
        pass
    pool.join()
    assert ends == ["terminate"]


@requirement("pool.thread-pool.no-maxtasksperchild")
def test_thread_pool_takes_no_maxtasksperchild(mp):
    """A ThreadPool takes neither ``maxtasksperchild``, be it by position, nor ``context``."""
    with raises(TypeError):
        mp.pool.ThreadPool(1, None, (), 1)
    with raises(TypeError):
        mp.pool.ThreadPool(1, maxtasksperchild=1)
    with raises(TypeError):
        mp.pool.ThreadPool(1, context=mp.context)
