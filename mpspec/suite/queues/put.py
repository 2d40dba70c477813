"""Tests of put() and put_nowait()."""

import contextlib
import functools
import io
import os
import sys
import threading
import time

from mpspec.children import (
    AT_ONCE,
    HUGE,
    Caller,
    CallerThread,
    Interrupted,
    Interruption,
    Unpicklable,
    among_signals,
    equal,
    raises,
    until_all_blocked,
    within,
)
from mpspec.marks import requirement
from mpspec.suite.queues.helpers import (
    AGES,
    CLOCKS,
    ENOUGH,
    ERRORS,
    LARGE,
    MANY,
    SHORT,
    SIZES,
    EqualToAll,
    connections_got,
    full_queue,
    get_many,
    get_much,
    is_much,
    put_all,
    put_large,
    put_much,
    put_on_each,
    refuses,
    soon,
)


@requirement("queues.put-get")
def test_what_is_put_is_got(mp):
    """get() gives an object equal to the one that was put."""
    queue = mp.Queue()
    queue.put([42, None, "hello"])
    assert queue.get() == [42, None, "hello"]


@requirement("queues.put.from-child")
def test_child_puts_for_its_parent(mp):
    """What a child puts on the queues that it was given, its parent gets, though it has put on them itself before.

    So it does what the child puts later, when nothing waits to be flushed any more.
    """
    queues = [mp.Queue(), mp.JoinableQueue()]
    for queue in queues:
        queue.put("the parent's own")
        assert queue.get() == "the parent's own"
    told, tell = mp.Pipe(duplex=False)
    process = mp.Process(target=_put_on_each_and_later, args=(queues, told))
    process.start()
    assert [queue.get() for queue in queues] == [[42, None, "hello"]] * 2
    tell.send("they were got")
    assert [queue.get() for queue in queues] == ["later"] * 2
    process.join()


def _put_on_each_and_later(queues, told):
    put_on_each(queues, [42, None, "hello"])
    told.recv()
    put_on_each(queues, "later")


@requirement("queues.put.returns-none")
def test_put_returns_none(mp):
    """put() and put_nowait() give None."""
    queue = mp.Queue()
    assert [queue.put(1), queue.put_nowait(2)] == [None, None]
    assert get_many(queue, 2) == [1, 2]


@requirement("queues.put.parameters")
def test_put_takes_its_arguments_by_name(mp):
    """put() takes obj, block and timeout, and put_nowait() obj, by these names and in this order."""
    queue = mp.Queue()
    queue.put(obj="by name", block=True, timeout=None)
    queue.put("in order", False, None)
    queue.put_nowait(obj="at once")
    assert get_many(queue, 3) == ["by name", "in order", "at once"]


@requirement("queues.put.keeps-state-of-the-moment")
def test_later_changes_are_not_put(mp):
    """What is changed after put() is got as it was, though it can't have left the process yet."""
    for queue in (mp.Queue(), mp.JoinableQueue()):
        queue.put("x" * LARGE)  # what comes after it waits until this is read
        item = ["before"]
        queue.put(item)
        item.append("after")
        queue.get()
        assert queue.get() == ["before"]


@requirement("queues.put.any-picklable-object")
def test_any_picklable_object_can_be_put(mp):
    """None, numbers, text, bytes, containers, classes and functions can be put, and what is equal to anything.

    They are got by get() in each of its forms. What is in one item twice, or in itself, is so in the one got.
    """
    from mpspec.observing import wait_until

    objects = [
        None,
        False,
        0,
        2.25,
        "",
        "junk",
        b"",
        [],
        (1, [2]),
        {"a": {1, 2}},
        float,
        len,
        os.getpid,
        EqualToAll(),
        "next",
    ]
    shared, recursive = [], []
    recursive.append(recursive)
    for queue in (mp.Queue(), mp.JoinableQueue()):
        queue.put([shared, shared, recursive])
        first, second, again = queue.get()
        assert first is second
        assert again[0] is again
        for each in objects:
            queue.put(each)
        got = get_many(queue, len(objects))
        assert got == objects
        assert type(got[-2]) is EqualToAll
        for each in objects:
            queue.put(each)
            assert queue.get(True, mp.timeout) == each
            queue.put(each)
            wait_until(lambda: not queue.empty(), mp.timeout, "an item is there")  # noqa: B023 - called at once
            assert queue.get(False) == each


@requirement("queues.put.connection")
def test_connection_can_be_put(mp):
    """A connection that a child has put on a Queue connects the two."""
    assert connections_got(mp)[0] == 42


@requirement("queues.put.unpicklable-leaves-queue-usable")
def test_unpicklable_object_leaves_the_queue_usable(mp):
    """An object that can't be pickled takes no slot, and what is put after it arrives."""
    for kind in (mp.Queue, mp.JoinableQueue):
        queue = kind(1)
        for _ in range(2):
            # Refusing it at once is as good as dropping it later.
            with contextlib.suppress(Exception):
                queue.put([b"x" * 1000, Unpicklable()])
        queue.put("next")
        assert queue.get() == "next"
        queue = kind()
        for number, error in enumerate(ERRORS):
            with contextlib.suppress(Exception):
                queue.put(Unpicklable(error))
            queue.put(number)
        assert get_many(queue, len(ERRORS)) == list(range(len(ERRORS)))
        assert queue.qsize() == 0


@requirement("queues.put.unpicklable-is-reported")
def test_unpicklable_object_is_reported(mp, monkeypatch):
    """Putting what can't be pickled raises, or writes a traceback soon."""
    for number, error in enumerate(ERRORS):
        queue = mp.JoinableQueue() if number % 2 else mp.Queue()
        written = io.StringIO()
        monkeypatch.setattr(sys, "stderr", written)
        try:
            queue.put(Unpicklable(error))
        except error:
            continue
        said = functools.partial(_says, written, f"{error.__name__}: this can't be pickled")
        soon(mp, said, "a traceback")


def _says(written, words):
    return words in written.getvalue()


@requirement("queues.put.large")
def test_large_object_can_be_put(mp):
    """An object of several MiB, put by a child, is got whole, and so is what follows."""
    queue = mp.Queue()
    process = mp.Process(target=put_large, args=(queue,))
    process.start()
    assert equal(get_many(queue, 2), [b"x" * LARGE, "end"])
    process.join()


def _put_items_when_told(queue, told, items):
    told.recv()
    put_all(queue, items)


def _items_of_all_sizes(letter):
    return [letter * LARGE, *[letter * size for size in SIZES] * 5]


@requirement("queues.put.large-by-several-at-once")
def test_several_processes_put_large_items_at_once(mp):
    """Of two processes that put large items, and smaller ones, at the same time, each item arrives whole."""
    queue = mp.Queue()
    told, tell = mp.Pipe(duplex=False)
    items, others = _items_of_all_sizes("a"), _items_of_all_sizes("b")
    process = mp.Process(target=_put_items_when_told, args=(queue, told, items))
    process.start()
    tell.send("now")
    put_all(queue, others)
    got = get_many(queue, len(items) + len(others))
    for letter, put in (("a", items), ("b", others)):
        assert equal([item for item in got if item[0] == letter], put)
    process.join()


@requirement("queues.put.no-thread-before")
def test_no_background_thread_before_the_first_put(mp):
    """A process that has put nothing on a queue, but got from it, has no thread for it."""
    kept = mp.Queue()  # whatever the first queue of a process starts is there now
    kept.put("item")
    kept.get()
    before = set(threading.enumerate())
    queue = mp.Queue()
    process = mp.Process(target=queue.put, args=("item",))
    process.start()
    assert queue.get() == "item"
    assert set(threading.enumerate()) <= before
    process.join()


@requirement("queues.put.does-not-wait-for-reader")
def test_put_does_not_wait_until_the_item_is_read(mp):
    """put() of more than a pipe buffers returns at once: a background thread hands it on."""
    queue = mp.Queue()
    put_much(queue)
    assert is_much(get_much(queue))


@requirement("queues.put.buffered-items-are-not-the-childs")
def test_child_does_not_put_what_its_parent_has_buffered(mp):
    """Items that wait to be flushed when a child is started, which puts too, are got once."""
    queue = mp.Queue()
    put_much(queue)
    process = mp.Process(target=queue.put, args=("the child's",))
    process.start()
    items = get_many(queue, MANY + 3)
    process.join()
    items.remove("the child's")
    assert is_much(items)
    assert queue.empty()


@requirement("queues.put.blocks-until-slot")
def test_put_blocks_until_a_slot_is_free(mp):
    """put() on a full queue waits until an item is taken; another that is not to wait raises Full meanwhile."""
    queue = full_queue(mp)
    caller = CallerThread(mp, queue, "put", "second")
    caller.until_blocked()
    for arguments in ((False,), (True, 0.01)):
        refuses(mp.Full, queue.put, "refused", *arguments)
    assert queue.get() == 0
    assert caller.result() is None
    assert queue.get() == "second"


@requirement("queues.put.blocks-until-slot-in-child")
def test_put_in_a_child_blocks_until_a_slot_is_free(mp):
    """put() in a child waits until another process takes an item."""
    queue = full_queue(mp)
    caller = Caller(mp, queue, "put", "second")
    caller.until_blocked()
    assert get_many(queue, 2) == [0, "second"]
    caller.result()


@requirement("queues.put.block-true-and-timeout-none")
def test_put_with_block_true_and_no_timeout_blocks(mp):
    """put(obj, True, None), or with 1 for True, is put(obj): it waits until a slot is free."""
    queue = full_queue(mp)
    callers = [
        CallerThread(mp, queue, "put", "item", block=True, timeout=None),
        CallerThread(mp, queue, "put", "item", 1),
    ]
    until_all_blocked(callers)
    assert get_many(queue, 3) == [0, "item", "item"]
    for caller in callers:
        caller.result()


@requirement("queues.put.waits-within-timeout")
def test_put_waits_for_a_slot_within_its_timeout(mp):
    """put(obj, True, timeout) waits, and succeeds when a slot is freed in time."""
    for block in (True, 1):
        queue = full_queue(mp)
        caller = CallerThread(mp, queue, "put", "second", block, mp.timeout * 100)
        caller.until_blocked()
        assert get_many(queue, 2) == [0, "second"]
        assert caller.result() is None


@requirement("queues.put.timeout-huge")
def test_put_takes_a_huge_timeout(mp):
    """put() with a timeout of many days, or of threading.TIMEOUT_MAX, waits until a slot is free."""
    queue = full_queue(mp)
    callers = [CallerThread(mp, queue, "put", "item", True, each) for each in HUGE]
    until_all_blocked(callers)
    assert get_many(queue, 3) == [0, "item", "item"]
    assert [caller.result() for caller in callers] == [None, None]


@requirement("queues.put.full-raises-after-timeout")
def test_put_raises_full_after_its_timeout(mp):
    """put() with a timeout raises Full when no slot is freed within that time, in any thread, and not before.

    The timeout may be a Fraction, and signals that are handled meanwhile change nothing.
    """
    from fractions import Fraction

    queue = full_queue(mp)
    start = time.monotonic()
    with raises(mp.Full):
        queue.put("second", True, SHORT)
    assert time.monotonic() - start > SHORT - CLOCKS
    refuse = functools.partial(refuses, mp.Full, queue.put, "second", timeout=SHORT)
    within(ENOUGH, lambda: among_signals(refuse))
    refuses(mp.Full, queue.put, "second", True, Fraction(1, 100))
    with raises(mp.Full):
        CallerThread(mp, queue, "put", "second", True, SHORT).result()
    assert queue.get() == 0


@requirement("queues.put.timeout-of-zero")
def test_put_with_a_timeout_of_zero_does_not_wait(mp):
    """put(obj, True, 0) puts the item when there is a slot, else raises Full at once."""
    queue = mp.Queue(1)
    queue.put("first", True, 0)
    for zero in (0, 0.0):
        refuse = functools.partial(refuses, mp.Full, queue.put, "second", timeout=zero)
        within(AT_ONCE, refuse)
    assert queue.get() == "first"


@requirement("queues.put.free-slot-with-timeout")
def test_put_with_timeout_uses_a_free_slot(mp):
    """put() with a timeout puts the item when there is a slot."""
    queue = mp.Queue(1)
    queue.put("item", timeout=0.01)
    assert queue.get() == "item"


@requirement("queues.put.full-raises-at-once-without-block")
def test_put_without_block_raises_full_at_once(mp):
    """put(obj, False), or with 0 for False, raises Full when no slot is free, and does not wait."""
    queue = full_queue(mp)
    within(AT_ONCE, lambda: refuses(mp.Full, queue.put, "second", 0))
    within(AT_ONCE, lambda: refuses(mp.Full, queue.put, None, False))
    within(AT_ONCE, lambda: refuses(mp.Full, queue.put, "second", block=False))
    assert queue.get() == 0


@requirement("queues.put.without-block-ignores-timeout")
def test_put_without_block_ignores_the_timeout(mp):
    """put(obj, False, timeout) puts the item or raises Full, and does not wait, be the timeout long or negative."""
    queue = mp.Queue(1)
    for timeout in (AGES, -1):
        queue.put("item", False, timeout)
        refuses(mp.Full, queue.put, "second", False, timeout)
        refuses(mp.Full, queue.put, "second", block=False, timeout=timeout)
        assert queue.get() == "item"


@requirement("queues.put.without-block-uses-free-slot")
def test_put_without_block_uses_a_free_slot(mp):
    """put(obj, False) puts the item when there is a slot."""
    queue = mp.Queue(2)
    queue.put("first", False)
    queue.put("second", block=False)
    assert get_many(queue, 2) == ["first", "second"]


@requirement("queues.put-nowait")
def test_put_nowait_is_put_without_block(mp):
    """put_nowait(obj) puts the item when there is a slot, else raises Full."""
    queue = mp.Queue(1)
    queue.put_nowait("first")
    within(AT_ONCE, lambda: refuses(mp.Full, queue.put_nowait, "second"))
    assert queue.get() == "first"


@requirement("queues.put.exception-of-handler-comes-out")
def test_exception_of_a_signal_handler_comes_out_of_put(mp):
    """What a signal's handler raises comes out of a put() that waits for a slot; nothing is put, and others can put."""
    for kind in (mp.Queue, mp.JoinableQueue):
        for arguments in ((), (True, mp.timeout * 100)):
            queue = kind(1)
            queue.put(0)
            with Interrupted(mp, raising=Interruption), raises(Interruption):
                queue.put("given up", *arguments)
            assert queue.get() == 0
            CallerThread(mp, queue, "put", "another's").result()
            assert queue.get() == "another's"
    for _ in range(2):
        queue.task_done()
    # What was given up is no task.
    refuses(ValueError, queue.task_done)


@requirement("queues.put.full-leaves-queue-unchanged")
def test_put_that_raised_full_has_put_nothing(mp):
    """After Full, the queue holds what it held."""
    queue = full_queue(mp)
    for arguments in ((True, 0.01), (False,)):
        with raises(mp.Full):
            queue.put("refused", *arguments)
    assert queue.get() == 0
    queue.put("next")
    assert queue.get() == "next"
