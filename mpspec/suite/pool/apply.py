"""Tests of apply() and apply_async()."""

import functools
import os
import queue
import threading

from mpspec.children import equal, raises
from mpspec.marks import requirement
from mpspec.suite.pool.helpers import (
    LARGE,
    ODD,
    Refusal,
    add_up,
    assert_apply_takes_all,
    assert_called_alone,
    assert_called_back_once,
    give,
    in_thread,
    make_callbacks,
    make_gate,
    pass_gate,
    pass_gate_and_raise,
    pid_of_worker,
    refuse,
    refuse_falsely,
    square,
    touch,
    wait_until_blocked,
)


@requirement("pool.apply.result")
def test_apply_gives_the_result(pool):
    """``apply(func, args, kwds)`` gives ``func(*args, **kwds)``, be it an exception."""
    assert pool.apply(add_up, (1, 2), {"z": 3}) == 6
    assert pool.apply(add_up, [1, 2]) == 3
    assert pool.apply(add_up, (1,)) == 1
    assert pool.apply(functools.partial(add_up, 1, z=3), (2,)) == 6  # has no name
    assert pool.apply(dict) == {}
    assert pool.apply(dict, kwds={"z": None}) == {"z": None}
    assert type(pool.apply(give, (Refusal(),))) is Refusal
    assert equal(pool.apply(give, (LARGE,)), LARGE)


@requirement("pool.apply.blocks")
def test_apply_blocks(mp, pool, tmp_path):
    """``apply`` waits until the result is there."""
    gate = make_gate(tmp_path)
    thread, results = in_thread(pool.apply, pass_gate, (gate,))
    wait_until_blocked(mp, thread)
    assert results == []
    gate.write_text("open")
    thread.join()
    assert results == ["open"]


@requirement("pool.apply.once")
def test_apply_runs_in_one_worker(pool, tmp_path):
    """``apply`` and ``apply_async`` execute the function once, in one worker."""
    for function in (pool.apply, lambda *args: pool.apply_async(*args).get()):
        path = tmp_path / str(function)
        assert function(touch, (path,)) is None  # a second execution would raise
        assert path.exists()
    assert pool.map(square, range(4), 1) == [0, 1, 4, 9]


@requirement("pool.apply.exception")
def test_apply_raises(mp, pool):
    """``apply`` raises what the function raised, whatever it is."""
    with raises(Refusal) as raised:
        pool.apply(refuse, ("gear", 7))
    assert (raised.value.args, raised.value.detail) == (("gear", 7), "told")
    # Two that have a meaning of their own where results are waited for, or iterated over.
    for error in (StopIteration, mp.TimeoutError):
        with raises(error) as raised:
            pool.apply(pass_gate_and_raise, ((error("gear"), None),))
        assert raised.value.args == ("gear",)


@requirement("pool.apply-async.result")
def test_apply_async_gives_a_result_object(pool):
    """``apply_async`` gives a result object, whose ``get`` gives ``func(*args, **kwds)``."""
    assert pool.apply_async(add_up, (1, 2), {"z": 3}).get() == 6
    assert pool.apply_async(functools.partial(add_up, 1), (2,)).get() == 3
    assert pool.apply_async(dict, kwds={"z": None}).get() == {"z": None}


@requirement("pool.apply-async.does-not-block")
def test_apply_async_does_not_block(pool, tmp_path):
    """``apply_async`` returns before the function has."""
    gate = make_gate(tmp_path)
    result = pool.apply_async(pass_gate, (gate,))
    assert not result.ready()
    gate.write_text("open")
    assert result.get() == "open"


@requirement("pool.apply-async.several")
def test_apply_async_several(mp, pool, tmp_path):
    """Several calls may be outstanding, and each result is that of its own call, whenever others come and go."""
    results = [pool.apply_async(square, (number,)) for number in range(20)]
    assert [result.get() for result in reversed(results)] == [n * n for n in reversed(range(20))]
    gate = make_gate(tmp_path)
    first, held = pool.apply_async(square, (3,)), pool.apply_async(pass_gate, (gate,))
    assert first.get() == 9  # it ends while the other goes on
    results = [pool.apply_async(square, (number,)) for number in range(20)]
    assert [_outcome_in_time(mp, result) for result in results] == [n * n for n in range(20)]
    assert not held.ready()
    gate.write_text("open")
    assert _outcome_in_time(mp, held) == "open"


def _outcome_in_time(mp, result):
    """What ``get`` gives: an implementation that mixes results up may have it wait for ever."""
    return result.get(mp.timeout / 2)


@requirement("pool.apply-async.callback")
def test_apply_async_callback(mp, pool):
    """The callback is called with the result, be it an exception, and the error callback is not called."""
    results, errors, callbacks = make_callbacks()
    pool.apply_async(square, (3,), **callbacks).get()
    assert results.get(timeout=mp.timeout) == 9
    assert pool.apply_async(square, (3,), callback=str).get() == 9  # whatever that returns
    for value in ODD:
        pool.apply_async(give, (value,), **callbacks).get()
        assert results.get(timeout=mp.timeout) == value
    pool.apply_async(give, (Refusal(),), **callbacks).get()
    assert type(results.get(timeout=mp.timeout)) is Refusal
    pool.apply_async(add_up, (1, 2), {"z": 3}, results.put, errors.put)
    assert results.get(timeout=mp.timeout) == 6
    assert results.empty()
    assert errors.empty()


class _FalsePutter:
    """A callback that is false where a truth value is asked for, as a container of nothing is."""

    def __init__(self, results):
        self.put = results.put

    def __call__(self, value):
        self.put(value)

    def __len__(self):
        return 0


@requirement("pool.apply-async.callback-that-is-false")
def test_apply_async_with_a_callback_that_is_false(mp, pool):
    """A callback whose truth value is false is called: None alone stands for none."""
    results = queue.Queue()
    pool.apply_async(square, (3,), callback=_FalsePutter(results)).get()
    pool.apply_async(square, (2,), callback=results.put).get()
    assert results.get(timeout=mp.timeout) == 9


@requirement("pool.apply-async.callback-submits")
def test_callback_that_submits(mp, pool):
    """A callback may submit another task, whose callback is called."""
    results = queue.Queue()

    def submit(value):
        pool.apply_async(square, (value,), callback=results.put, error_callback=results.put)

    pool.apply_async(square, (3,), callback=submit)
    assert results.get(timeout=mp.timeout) == 81


@requirement("pool.apply-async.error-callback-called")
def test_apply_async_calls_the_error_callback(mp, pool):
    """The error callback is called once, by name, alone, and by position after ``kwds``; the callback is not.

    The exception's truth value does not matter.
    """
    submit = functools.partial(pool.apply_async, refuse_falsely, ("gear",))
    assert_called_back_once(mp, pool, submit, {})


@requirement("pool.apply-async.error-callback")
def test_apply_async_error_callback(mp, pool):
    """The error callback, if alone, is called with the exception, and the callback is not called, even if alone."""
    results, errors, callbacks = make_callbacks()
    pool.apply_async(refuse, ("gear",), **callbacks).wait()
    error = errors.get(timeout=mp.timeout)
    assert type(error) is Refusal
    assert error.args == ("gear",)
    pool.apply_async(refuse, ("gear",), {}, results.put, errors.put)
    assert errors.get(timeout=mp.timeout).args == ("gear",)
    assert errors.empty()
    assert results.empty()
    assert_called_alone(mp, functools.partial(pool.apply_async, refuse, ("gear",)))


@requirement("pool.apply-async.callback-in-creator")
def test_callbacks_run_in_the_creating_process(mp, pool):
    """Callbacks run in the process that created the pool."""
    pids = queue.SimpleQueue()
    pool.apply_async(pid_of_worker, callback=lambda pid: pids.put((pid, os.getpid())))
    worker, caller = pids.get(timeout=mp.timeout)
    assert caller == os.getpid() != worker


def _ready_in_callback(mp, submit, *args):
    """Whether a result is ready while its callback runs."""
    called, go_on = threading.Event(), threading.Event()

    def callback(_):
        called.set()
        go_on.wait(mp.timeout)

    result = submit(*args, callback=callback, error_callback=callback)
    assert called.wait(mp.timeout)
    ready = result.ready()
    go_on.set()
    result.wait()
    return ready


@requirement("pool.apply-async.callback-first")
def test_callback_comes_first(mp, pool):
    """A result is ready when its callback, or error callback, has returned, and not before."""
    for function in (square, refuse):
        assert _ready_in_callback(mp, pool.apply_async, function, (3,)) is False
        assert _ready_in_callback(mp, pool.map_async, function, [3]) is False


@requirement("pool.apply.keywords")
def test_apply_by_name(mp, pool):
    """``apply`` takes func, args and kwds; ``apply_async`` callback and error_callback as well."""
    assert_apply_takes_all(mp, pool)
