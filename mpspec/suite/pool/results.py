"""Tests of AsyncResult."""

import functools
import gc
import time
import weakref

from mpspec.children import (
    AT_ONCE,
    HUGE,
    CallerThread,
    outcome_of,
    raises,
    until_all_blocked,
    waits,
    within,
)
from mpspec.marks import requirement
from mpspec.suite.pool.helpers import (
    Refusal,
    add_up,
    give,
    in_thread,
    invert,
    make_callbacks,
    make_gate,
    pass_gate,
    pass_gate_and_raise,
    refuse,
    square,
    wait_until_blocked,
)


@requirement("pool.async-result.class")
def test_results_are_async_results(mp, pool):
    """What ``apply_async``, ``map_async`` and ``starmap_async`` return is an AsyncResult."""
    results = [
        pool.apply_async(add_up, (1, 2), {"z": 3}),
        pool.map_async(square, range(10), 3),
        pool.starmap_async(add_up, [(1, 2), (3, 4)], 1),
    ]
    for result in results:
        result.wait()
    assert [isinstance(result, mp.pool.AsyncResult) for result in results] == [True] * 3


@requirement("pool.async-result.get")
def test_get_waits_for_the_result(mp, pool, tmp_path):
    """``get`` waits for the result, and gives it as often as it is asked."""
    gate = make_gate(tmp_path)
    result = pool.apply_async(pass_gate, (gate,))
    thread, results = in_thread(result.get)
    wait_until_blocked(mp, thread)
    gate.write_text("open")
    thread.join()
    assert results == ["open"]
    assert result.get(mp.timeout) == "open"


@requirement("pool.async-result.get-timeout")
def test_get_timeout(mp, pool, tmp_path):
    """``get(timeout)`` raises TimeoutError when the result does not come in time."""
    gate = make_gate(tmp_path)
    result = pool.apply_async(pass_gate, (gate,))
    start = time.monotonic()
    with raises(mp.TimeoutError):
        result.get(timeout=0.05)
    assert time.monotonic() - start > 0.045
    assert waits(functools.partial(outcome_of, result.get))[0] == "TimeoutError"
    gates, others = _waiting_results(pool, tmp_path)
    for timeout in (0, -1):
        for each in (result, *others):
            with raises(mp.TimeoutError):
                each.get(timeout)
    for each in (gate, *gates):
        each.write_text("open")
    assert [each.get() for each in others] == ["open", ["open"], ["open"]]
    assert result.get(timeout=mp.timeout) == "open"
    assert within(AT_ONCE, functools.partial(result.get, mp.timeout)) == "open"
    assert result.get(0) == "open"


@requirement("pool.async-result.timeout-leaves-the-pool")
def test_pool_works_on_after_a_timeout(mp, pool, tmp_path):
    """After a timeout the pool takes further work; when the result comes its callback is called, or error callback."""
    results, errors, callbacks = make_callbacks()
    for submit, function, item, value in (
        (pool.apply_async, pass_gate, (make_gate(tmp_path),), "open"),
        (pool.map_async, pass_gate, [tmp_path / "gate"], ["open"]),
        (pool.apply_async, pass_gate_and_raise, ((Refusal(), tmp_path / "gate"),), None),
        (pool.map_async, pass_gate_and_raise, [(Refusal(), tmp_path / "gate")], None),
    ):
        result = submit(function, item, **callbacks)
        with raises(mp.TimeoutError):
            result.get(0.01)
        assert pool.apply(square, (3,)) == 9
        (tmp_path / "gate").write_text("open")
        if value:
            assert result.get() == value
            assert results.get(timeout=mp.timeout) == value
        else:
            with raises(Refusal):
                result.get()
            errors.get(timeout=mp.timeout)
    assert results.empty()
    assert errors.empty()


@requirement("pool.async-result.get-raises")
def test_get_raises(pool):
    """``get`` raises what the call raised, as often as it is asked."""
    for result in (
        pool.apply_async(refuse, ("gear", 7)),
        pool.map_async(functools.partial(refuse, "gear"), [7]),
        pool.starmap_async(refuse, [("gear", 7)]),
    ):
        for _ in range(2):
            with raises(Refusal) as raised:
                result.get()
            assert raised.value.args == ("gear", 7)


@requirement("pool.async-result.wait")
def test_wait(mp, pool, tmp_path):
    """``wait(timeout)`` returns when the timeout is over, ``wait()`` when the result is there."""
    gate = make_gate(tmp_path)
    result = pool.apply_async(pass_gate, (gate,))
    start = time.monotonic()
    result.wait(0.05)
    assert time.monotonic() - start > 0.045
    assert waits(result.wait) is None
    gates, others = _waiting_results(pool, tmp_path)
    for each in others:
        assert waits(each.wait) is None
    for timeout in (0, -1):
        for each in (result, *others):
            each.wait(timeout=timeout)
    assert [each.ready() for each in (result, *others)] == [False] * 4
    start = time.monotonic()
    thread, results = in_thread(result.wait)
    limited, _ = in_thread(result.wait, mp.timeout)
    wait_until_blocked(mp, thread)
    wait_until_blocked(mp, limited)
    together = [CallerThread(mp, others[1], "wait") for _ in range(2)]
    until_all_blocked(together)
    assert results == []
    for each in (gate, *gates):
        each.write_text("open")
    thread.join()
    limited.join()
    assert [each.result() for each in together] == [None, None]
    assert time.monotonic() - start < mp.timeout
    assert result.ready()
    assert [each.get() for each in others] == ["open", ["open"], ["open"]]


@requirement("pool.async-result.timeout-none")
def test_timeout_of_none(mp, pool, tmp_path):
    """``get``, ``wait`` and the iterators' ``next`` wait for the result when their timeout is None."""
    gates = [make_gate(tmp_path, name) for name in ("first", "second")]
    result, values = (
        pool.apply_async(pass_gate, (gates[0],)),
        pool.imap(pass_gate, gates[1:]),
    )
    callers = [
        CallerThread(mp, result, "get", None),
        CallerThread(mp, result, "wait", timeout=None),
        CallerThread(mp, values, "next", timeout=None),
    ]
    until_all_blocked(callers)
    for gate in gates:
        gate.write_text("open")
    assert [caller.result() for caller in callers] == ["open", None, "open"]
    values = pool.imap_unordered(pass_gate, gates[1:])
    caller = CallerThread(mp, values, "next", None)
    caller.until_blocked()
    gates[1].write_text("open")
    assert caller.result() == "open"


@requirement("pool.async-result.timeout-huge")
def test_huge_timeouts(mp, pool, tmp_path):
    """``get``, ``wait`` and the iterators' ``next`` wait for the result with timeouts that no poll() can count."""
    gates = [make_gate(tmp_path, name) for name in ("first", "second", "third")]
    result = pool.apply_async(pass_gate, gates[:1])
    callers = [CallerThread(mp, result, name, each) for each in HUGE for name in ("get", "wait")]
    for method, gate in ((pool.imap, gates[1]), (pool.imap_unordered, gates[2])):
        callers.append(CallerThread(mp, method(pass_gate, [gate]), "next", max(HUGE)))
    until_all_blocked(callers)
    for gate in gates:
        gate.write_text("open")
    found = [caller.result() for caller in callers]
    assert found == ["open", None, "open", None, "open", "open"]


@requirement("pool.async-result.wait-never-raises")
def test_wait_does_not_raise(mp, pool):
    """``wait`` does not raise what the call raised."""
    result = pool.apply_async(refuse)
    result.wait()
    result.wait(timeout=mp.timeout)
    assert result.ready() is True


@requirement("pool.async-result.ready")
def test_ready(pool, tmp_path):
    """``ready`` tells whether the call has completed."""
    gate = make_gate(tmp_path)
    result = pool.apply_async(pass_gate, (gate,))
    assert result.ready() is False
    gate.write_text("open")
    result.wait()
    assert result.ready() is True


@requirement("pool.async-result.successful")
def test_successful(pool):
    """``successful`` tells whether the call completed without an exception."""
    good, nothing = (pool.apply_async(give, (given,)) for given in (Refusal(), None))
    bad = pool.apply_async(refuse)
    for result in (good, nothing, bad):
        result.wait()
    assert good.successful() is True  # though its result is an exception
    assert nothing.successful() is True
    assert bad.successful() is False
    for items, successful in (
        (range(6, 9), True),
        (range(4, 9), False),
        (range(5, 9), False),
        (range(2, 6), False),
        ((), True),
    ):
        result = pool.map_async(invert, items, 1)
        result.wait()
        assert result.successful() is successful
    result = pool.starmap_async(divmod, [(1, 0)], 1)
    result.wait()
    assert result.successful() is False


@requirement("pool.async-result.successful-too-early")
def test_successful_too_early(pool, tmp_path):
    """``successful`` raises when the result is not there, of whatever kind it is, and does it no harm."""
    _assert_successful_raises(Exception, pool, tmp_path)


@requirement("pool.async-result.successful-not-ready")
def test_successful_too_early_is_a_value_error(pool, tmp_path):
    """``successful`` raises ValueError when the result is not there, of whatever kind it is."""
    _assert_successful_raises(ValueError, pool, tmp_path)


def _assert_successful_raises(error, pool, tmp_path):
    gates, results = _waiting_results(pool, tmp_path)
    try:
        for result in results:
            with raises(error):
                result.successful()
    finally:  # or the pool's workers would be blocked in the tests that come after
        for gate in gates:
            gate.write_text("open")
    assert [result.get() for result in results] == ["open", ["open"], ["open"]]
    assert [result.successful() for result in results] == [True] * 3


def _waiting_results(pool, tmp_path):
    """Three gates, and the results of three kinds that wait for them, in that order."""
    one, item, arguments = gates = [
        make_gate(tmp_path, name) for name in ("one", "item", "arguments")
    ]
    return gates, [
        pool.apply_async(pass_gate, (one,)),
        pool.map_async(pass_gate, [item]),
        pool.starmap_async(pass_gate, [(arguments,)]),
    ]


class _Load:
    pass


@requirement("pool.async-result.lets-go")
def test_pool_keeps_nothing(mp, pool):
    """When a call's result was taken, the pool refers neither to the arguments nor to the result."""
    from mpspec.observing import wait_until

    alive = []

    def is_gone():
        gc.collect()
        return not any(reference() for reference in alive)

    for method in (
        pool.apply_async,
        lambda function, args: pool.map_async(function, [*args]),
        lambda function, args: pool.imap(function, [*args]),
    ):
        load = _Load()
        result = method(give, (load,))
        value = result.next() if hasattr(result, "next") else result.get()
        alive += [weakref.ref(load), *map(weakref.ref, value if type(value) is list else [value])]
        del load, value, result
        # After each: what comes next may take the place of what is kept.
        wait_until(is_gone, mp.timeout / 4, "arguments and results are gone")
