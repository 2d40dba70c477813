"""Tests of map(), starmap() and their asynchronous forms."""

import functools
import os

from mpspec.children import raises
from mpspec.marks import requirement
from mpspec.suite.pool.helpers import (
    ODD,
    Refusal,
    add_up,
    assert_callbacks_follow_chunksize,
    assert_called_alone,
    assert_called_back_once,
    assert_chunk_is_one_task,
    assert_maps_are_parallel,
    error_at_once,
    give,
    in_thread,
    invert,
    iterables,
    make_callbacks,
    make_gate,
    numbers_then_error,
    pass_gate,
    pass_gate_and_raise,
    pass_gate_if_first,
    pass_gate_or_touch,
    pass_gate_or_touch_item,
    refuse,
    refuse_falsely,
    square,
    wait_until_blocked,
)


@requirement("pool.map.result")
def test_map_gives_a_list_in_order(mp, pool):
    """``map`` gives the list of results in the order of the iterable."""
    assert pool.map(square, range(30)) == [x * x for x in range(30)]
    assert pool.map(square, []) == []
    assert pool.map(square, (x for x in (3, 1, 2))) == [9, 1, 4]
    assert pool.map(square, iter([3, 1, 3])) == [9, 1, 9]
    assert pool.map(give, [None, *ODD]) == [None, *ODD]
    assert pool.map(square, _Indexed()) == [*pool.imap(square, _Indexed())] == [0, 1, 4]
    for items in iterables():
        result = pool.map_async(square, items)
        result.wait(mp.timeout / 2)
        assert result.get(0) == [x * x for x in items]


class _Indexed:
    """An iterable that has its items by index, and neither a length nor an ``__iter__``."""

    def __getitem__(self, index):
        return range(3)[index]


@requirement("pool.map.parallel")
def test_map_is_parallel(mp, pool, tmp_path):
    """Without a chunksize the maps do two items at the same time, if two workers are idle."""
    assert_maps_are_parallel(mp, pool, make_gate(tmp_path))


@requirement("pool.map.blocks")
def test_map_blocks(mp, pool, tmp_path):
    """``map`` waits until all results are there."""
    gate = make_gate(tmp_path)
    thread, results = in_thread(pool.map, pass_gate_if_first, [(0, gate), (1, gate)], 1)
    wait_until_blocked(mp, thread)
    assert results == []
    gate.write_text("open")
    thread.join()
    assert results == [[0, 1]]


@requirement("pool.map.chunksize-result")
def test_map_with_chunks(pool):
    """The chunksize does not change what ``map`` gives."""
    for chunksize in (1, 2, 3, 10, 100):
        assert pool.map(square, range(10), chunksize) == [x * x for x in range(10)]
        assert pool.map(square, iter(range(10)), chunksize) == [x * x for x in range(10)]
    assert pool.map(square, [], 3) == []
    assert pool.map(square, range(450), 200) == [x * x for x in range(450)]


@requirement("pool.map.chunks-are-tasks")
def test_map_chunks_are_tasks(mp, pool):
    """A chunk of ``chunksize`` items is one task, of which one worker does all."""
    assert_chunk_is_one_task(mp, pool, pool.map, pass_gate_or_touch_item)


@requirement("pool.map.keywords")
def test_map_by_name(mp, pool):
    """The maps take func, iterable and chunksize; the asynchronous ones callbacks as well."""
    squares = {"func": square, "iterable": range(3), "chunksize": 2}
    sums = {"func": add_up, "iterable": [(1, 2), (3, 4)], "chunksize": 1}
    assert pool.map(**squares) == [0, 1, 4]
    assert list(pool.imap(**squares)) == [0, 1, 4]
    assert sorted(pool.imap_unordered(**squares)) == [0, 1, 4]
    assert pool.starmap(**sums) == [3, 7]
    results, _, callbacks = make_callbacks()
    assert pool.map_async(**squares, **callbacks).get(timeout=mp.timeout) == [0, 1, 4]
    assert results.get(timeout=mp.timeout) == [0, 1, 4]
    assert pool.starmap_async(**sums, **callbacks).get(timeout=mp.timeout) == [3, 7]
    assert results.get(timeout=mp.timeout) == [3, 7]


@requirement("pool.map-async.positional-order")
def test_callbacks_by_position(mp, pool):
    """By position the callbacks of ``map_async`` and ``starmap_async`` follow the chunksize."""
    assert_callbacks_follow_chunksize(mp, pool)


@requirement("pool.map-async.chunks-are-tasks")
def test_map_async_chunks_are_tasks(mp, pool):
    """A chunk of ``map_async`` is one task."""
    assert_chunk_is_one_task(mp, pool, pool.map_async, pass_gate_or_touch_item)


@requirement("pool.map.exception")
def test_map_raises(pool):
    """``map`` raises what the function raised for an item, be it the first or the last, whatever the chunks."""
    for items in (range(10), range(5, 10), range(6)):
        for chunksize in (None, 1, 2):
            with raises(ZeroDivisionError):
                pool.map(invert, items, chunksize)


@requirement("pool.map.iterable-raises")
def test_maps_raise_what_the_iterable_raises(pool):
    """What the iterable raises is raised by the map itself, and the pool works on."""
    for method in (pool.map, pool.map_async, pool.starmap, pool.starmap_async):
        for items in (numbers_then_error(), error_at_once()):
            with raises(LookupError):
                method(square, items)
    assert pool.apply(square, (3,)) == 9


@requirement("pool.map.needs-iterable")
def test_maps_need_an_iterable(pool):
    """What is no iterable is a TypeError, and the pool works on."""
    for method in (pool.map, pool.map_async, pool.starmap, pool.starmap_async):
        with raises(TypeError):
            method(square, 3)
    assert pool.apply(square, (3,)) == 9


@requirement("pool.map-async.result")
def test_map_async_gives_a_result_object(pool):
    """``map_async`` gives a result object, whose ``get`` gives the list of results."""
    result = pool.map_async(square, range(10), 3)
    for _ in range(2):
        assert result.get() == [x * x for x in range(10)]
    assert pool.map_async(square, []).get() == []


@requirement("pool.map-async.does-not-block")
def test_map_async_does_not_block(pool, tmp_path):
    """``map_async`` returns before the function has."""
    gate = make_gate(tmp_path)
    result = pool.map_async(pass_gate, [gate])
    assert not result.ready()
    gate.write_text("open")
    assert result.get() == ["open"]


@requirement("pool.map-async.callback")
def test_map_async_callback(mp, pool):
    """The callback is called once, with the list of results; by position it follows the chunksize."""
    results, errors, callbacks = make_callbacks()
    pool.map_async(square, range(4), 1, **callbacks).get()
    assert results.get(timeout=mp.timeout) == [0, 1, 4, 9]
    assert pool.map_async(square, range(6), callback=str).get() == [0, 1, 4, 9, 16, 25]
    pool.map_async(square, range(6), callback=results.put).get()
    assert results.get(timeout=mp.timeout) == [0, 1, 4, 9, 16, 25]
    pool.map_async(square, [3], 1, results.put, errors.put)
    assert results.get(timeout=mp.timeout) == [9]
    pool.starmap_async(add_up, [(1, 2)], 1, results.put, errors.put)
    assert results.get(timeout=mp.timeout) == [3]
    pool.map_async(give, [None, 0, None], callback=results.put)
    assert results.get(timeout=mp.timeout) == [None, 0, None]
    assert results.empty()
    assert errors.empty()


@requirement("pool.map-async.error-callback-called")
def test_map_async_calls_the_error_callback(mp, pool):
    """The error callback is called once, by name, alone, and by position after the chunksize; the callback is not.

    The exception's truth value does not matter.
    """
    submit = functools.partial(pool.map_async, refuse_falsely, ["gear"])
    assert_called_back_once(mp, pool, submit, 1)
    submit = functools.partial(pool.starmap_async, refuse_falsely, [("gear",)])
    assert_called_back_once(mp, pool, submit, 1)


@requirement("pool.map-async.error-callback")
def test_map_async_error_callback(mp, pool):
    """The error callback, if alone, is called with the exception, and the callback is not called, even if alone."""
    results, errors, callbacks = make_callbacks()
    result = pool.map_async(invert, [5], **callbacks)
    assert type(errors.get(timeout=mp.timeout)) is ZeroDivisionError
    with raises(ZeroDivisionError):
        result.get()
    pool.map_async(invert, [5], 1, results.put, errors.put)
    assert type(errors.get(timeout=mp.timeout)) is ZeroDivisionError
    assert errors.empty()
    assert results.empty()
    assert_called_alone(mp, functools.partial(pool.map_async, refuse, ["gear"]))


@requirement("pool.map-async.error-callback-once")
def test_map_async_error_callback_is_called_once(mp, pool, tmp_path):
    """When several calls fail the error callback is called once, when all calls have ended."""
    gate = make_gate(tmp_path)
    results, errors, callbacks = make_callbacks()
    items = [(ZeroDivisionError, None), (ZeroDivisionError, None), (LookupError, gate)]
    result = pool.map_async(pass_gate_and_raise, items, 1, **callbacks)
    assert pool.apply(square, (3,)) == 9  # the first two have been executed
    early = (result.ready(), errors.qsize())
    gate.write_text("open")
    result.wait()
    assert early == (False, 0)
    error = errors.get(timeout=mp.timeout)
    assert type(error) is ZeroDivisionError
    assert errors.empty()
    assert results.empty()


@requirement("pool.map-async.callback-empty")
def test_map_async_callback_of_nothing(mp, pool):
    """The callback is called with an empty list when the iterable is empty."""
    results, _, callbacks = make_callbacks()
    for submit in (pool.map_async, pool.starmap_async):
        assert submit(square, [], **callbacks).get(timeout=mp.timeout) == []
        assert not results.empty()
        assert results.get() == []


@requirement("pool.starmap.result")
def test_starmap_unpacks(pool):
    """``starmap`` calls the function with each element unpacked, and gives the results in order."""
    assert pool.starmap(add_up, [(1, 2), (3, 4)]) == [3, 7]
    assert pool.starmap(add_up, ([x, x] for x in range(5))) == [0, 2, 4, 6, 8]
    assert pool.starmap(pow, [range(2, 4), iter([2, 5])]) == [8, 32]
    assert pool.starmap(os.path.join, ["ab"]) == ["a/b"]
    assert pool.starmap(os.path.join, [{"a": 1, "b": 2}]) == ["a/b"]
    assert pool.starmap(divmod, [b"\x07\x02"]) == [(3, 1)]
    assert pool.starmap(add_up, []) == []


@requirement("pool.starmap.chunksize")
def test_starmap_with_chunks(pool):
    """The chunksize does not change what ``starmap`` gives."""
    for chunksize in (1, 3, 100):
        assert pool.starmap(add_up, [(x, 1) for x in range(10)], chunksize) == list(range(1, 11))


@requirement("pool.starmap.chunks-are-tasks")
def test_starmap_chunks_are_tasks(mp, pool):
    """A chunk of ``starmap`` is one task."""
    assert_chunk_is_one_task(mp, pool, pool.starmap, pass_gate_or_touch)


@requirement("pool.starmap-async.chunks-are-tasks")
def test_starmap_async_chunks_are_tasks(mp, pool):
    """A chunk of ``starmap_async`` is one task."""
    assert_chunk_is_one_task(mp, pool, pool.starmap_async, pass_gate_or_touch)


@requirement("pool.starmap.exception")
def test_starmap_raises(pool):
    """``starmap`` raises what the function raised."""
    with raises(Refusal) as raised:
        pool.starmap(refuse, [("gear", 7)])
    assert raised.value.args == ("gear", 7)


@requirement("pool.starmap-async.result")
def test_starmap_async_gives_a_result_object(pool):
    """``starmap_async`` gives a result object, whose ``get`` gives the list of results."""
    assert pool.starmap_async(add_up, [(1, 2), (3, 4)], 1).get() == [3, 7]
    assert pool.starmap_async(add_up, (pair for pair in [(1, 2), (3, 4)])).get() == [3, 7]
    assert pool.starmap_async(add_up, []).get() == []
    assert pool.starmap_async(pow, [range(2, 4), iter([2, 5])]).get() == [8, 32]


@requirement("pool.starmap-async.does-not-block")
def test_starmap_async_does_not_block(pool, tmp_path):
    """``starmap_async`` returns before the function has."""
    gate = make_gate(tmp_path)
    result = pool.starmap_async(pass_gate, [(gate,)])
    assert not result.ready()
    gate.write_text("open")
    assert result.get() == ["open"]


@requirement("pool.starmap-async.callbacks")
def test_starmap_async_callbacks(mp, pool):
    """The callback is called with the list of results, else the error callback; never both."""
    results, errors, callbacks = make_callbacks()
    pool.starmap_async(add_up, [(1, 2), (3, 4)], **callbacks)
    assert results.get(timeout=mp.timeout) == [3, 7]
    pool.starmap_async(refuse, [("gear", 7)], **callbacks)
    errors.get(timeout=mp.timeout)
    assert results.empty()
    assert errors.empty()


@requirement("pool.starmap-async.error-callback")
def test_starmap_async_error_callback(mp, pool):
    """The error callback, if alone, is called with the exception, and the callback is not called, even if alone."""
    results, errors, callbacks = make_callbacks()
    pool.starmap_async(refuse, [("gear", 7)], **callbacks)
    assert errors.get(timeout=mp.timeout).args == ("gear", 7)
    pool.starmap_async(refuse, [("gear",)], 1, results.put, errors.put)
    assert errors.get(timeout=mp.timeout).args == ("gear",)
    assert results.empty()
    assert errors.empty()
    assert_called_alone(mp, functools.partial(pool.starmap_async, refuse, [("gear",)]))
