"""Tests of the chapter queues."""

import atexit
import contextlib
import functools
import gc
import io
import os
import pickle
import sys
import threading
import time

from mpspec.children import (
    AT_ONCE,
    HUGE,
    Caller,
    CallerThread,
    Gate,
    Interrupted,
    Interruption,
    Unpicklable,
    among_signals,
    ask,
    by_a_bad_clock,
    equal,
    observed_once,
    outcome_of,
    raises,
    run,
    until_all_blocked,
    waits,
    within,
)
from mpspec.marks import requirement
from mpspec.programs import call
from mpspec.stepwise import Stepwise

# Larger than what pipes and sockets buffer, whatever sizes an implementation sets: as one item, and as many.
LARGE = 4 * 1024 * 1024
MANY = 64
CHUNK = LARGE // MANY
# Sizes below that: what an implementation may write in one go, or add to its header.
SIZES = (1, 3000, 10_000, 30_000)
# A timeout that a call must not wait for.
AGES = 1_000_000
# Clocks differ a little: what waited for a time may find a little less on another clock.
CLOCKS = 0.005
# A short timeout, and how long a call with it may take.
SHORT, ENOUGH = 0.03, 0.055


def _descriptors():
    """The descriptors that are open here."""
    return set(os.listdir("/dev/fd"))


def _soon(mp, condition, what):
    """Wait out the moment that an item may take to its queue."""
    from mpspec.observing import wait_until

    wait_until(condition, mp.timeout, what)


def _refuses(error, method, *arguments, **keywords):
    """Check that a call raises the error, or one of several."""
    with raises(*(error if isinstance(error, tuple) else (error,))):
        method(*arguments, **keywords)


def _full(mp, maxsize=1):
    queue = mp.Queue(maxsize)
    for number in range(maxsize):
        queue.put(number)
    return queue


def _get_many(queue, count):
    return [queue.get() for _ in range(count)]


def _put_much(queue):
    """Put more than any pipe takes: the background thread has to wait for a reader."""
    for number in range(MANY):
        queue.put((number, "x" * CHUNK))
    queue.put("y" * LARGE)
    queue.put("last")


def _is_much(items):
    return items == [*((number, "x" * CHUNK) for number in range(MANY)), "y" * LARGE, "last"]


def _get_much(queue):
    return _get_many(queue, MANY + 2)


# What is put, and what is got


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
    _put_on_each(queues, [42, None, "hello"])
    told.recv()
    _put_on_each(queues, "later")


def _answer(questions, answers):
    for question in iter(questions.get, None):
        answers.put(question * 2)


@requirement("queues.get.in-child")
def test_child_gets_what_its_parent_puts(mp):
    """What the parent puts on a queue, its child gets, before and after the child was started."""
    questions, answers = mp.Queue(), mp.Queue()
    questions.put("before")
    process = mp.Process(target=_answer, args=(questions, answers))
    process.start()
    questions.put("after")
    questions.put(None)
    assert _get_many(answers, 2) == ["beforebefore", "afterafter"]
    process.join()


@requirement("queues.put.returns-none")
def test_put_returns_none(mp):
    """put() and put_nowait() give None."""
    queue = mp.Queue()
    assert [queue.put(1), queue.put_nowait(2)] == [None, None]
    assert _get_many(queue, 2) == [1, 2]


@requirement("queues.put.parameters")
def test_put_takes_its_arguments_by_name(mp):
    """put() takes obj, block and timeout, and put_nowait() obj, by these names and in this order."""
    queue = mp.Queue()
    queue.put(obj="by name", block=True, timeout=None)
    queue.put("in order", False, None)
    queue.put_nowait(obj="at once")
    assert _get_many(queue, 3) == ["by name", "in order", "at once"]


@requirement("queues.get.recreates-object")
def test_get_recreates_the_object(mp):
    """The object got is another one, equal to that put and sharing nothing with it, on a queue of either kind."""
    for queue in (mp.Queue(), mp.JoinableQueue()):
        put = [["inner"]]
        queue.put(put)
        got = queue.get()
        assert got == put
        assert got is not put
        assert got[0] is not put[0]


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


class _EqualToAll:
    """The oldest protocols of pickle refuse it: it has slots."""

    __slots__ = ("word",)

    def __eq__(self, other):
        return True

    __hash__ = None


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
        _EqualToAll(),
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
        got = _get_many(queue, len(objects))
        assert got == objects
        assert type(got[-2]) is _EqualToAll
        for each in objects:
            queue.put(each)
            assert queue.get(True, mp.timeout) == each
            queue.put(each)
            wait_until(lambda: not queue.empty(), mp.timeout, "an item is there")  # noqa: B023 - called at once
            assert queue.get(False) == each


def _put_ends(mp, queues):
    """In a child: put an end of a pipe on each queue, and answer what comes to the other."""
    ends = []
    for queue in queues:
        mine, yours = mp.Pipe()
        queue.put(yours)
        ends.append(mine)
    for mine in ends:
        mine.send(mine.recv() * 2)
        mine.recv()


@observed_once
def _connections_got(mp):
    """What is answered through the connections that a child has put on a Queue and on a SimpleQueue."""
    queues = [mp.Queue(), mp.SimpleQueue()]
    process = mp.Process(target=_put_ends, args=(mp, queues))
    process.start()
    answers = []
    for queue in queues:
        connection = queue.get()
        connection.send(21)
        answers.append(connection.recv())
        connection.send("end")
    process.join()
    return answers


@requirement("queues.put.connection")
def test_connection_can_be_put(mp):
    """A connection that a child has put on a Queue connects the two."""
    assert _connections_got(mp)[0] == 42


# What an object's own methods may raise when it is pickled, or made again.
_ERRORS = (TypeError, ValueError, LookupError, AttributeError, RecursionError, pickle.PicklingError)


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
        for number, error in enumerate(_ERRORS):
            with contextlib.suppress(Exception):
                queue.put(Unpicklable(error))
            queue.put(number)
        assert _get_many(queue, len(_ERRORS)) == list(range(len(_ERRORS)))
        assert queue.qsize() == 0


@requirement("queues.put.unpicklable-is-reported")
def test_unpicklable_object_is_reported(mp, monkeypatch):
    """Putting what can't be pickled raises, or writes a traceback soon."""
    for number, error in enumerate(_ERRORS):
        queue = mp.JoinableQueue() if number % 2 else mp.Queue()
        written = io.StringIO()
        monkeypatch.setattr(sys, "stderr", written)
        try:
            queue.put(Unpicklable(error))
        except error:
            continue
        said = functools.partial(_says, written, f"{error.__name__}: this can't be pickled")
        _soon(mp, said, "a traceback")


def _says(written, words):
    return words in written.getvalue()


@requirement("queues.get.first-in-first-out")
def test_first_put_is_first_got(mp):
    """Items of one process are got in the order in which they were put."""
    queue = mp.Queue()
    for number in range(200):
        queue.put(number)
    assert _get_many(queue, 200) == list(range(200))


def _put_numbers(queue, producer, count):
    for number in range(count):
        queue.put((producer, number))


@requirement("queues.get.order-of-each-producer")
def test_items_of_each_producer_stay_in_order(mp):
    """The items of each of several processes arrive in the order in which it put them, on a queue of either kind."""
    queues = [mp.Queue(), mp.JoinableQueue()]
    process = mp.Process(target=_put_numbers_on_each, args=(queues, 1, 100))
    process.start()
    for queue in queues:
        items = [queue.get()]  # the child is at it
        _put_numbers(queue, 0, 100)
        items += _get_many(queue, 199)
        for producer in range(2):
            assert [item for item in items if item[0] == producer] == [
                (producer, number) for number in range(100)
            ]
    process.join()


def _put_numbers_on_each(queues, producer, count):
    for queue in queues:
        _put_numbers(queue, producer, count)


def _move(source, target):
    """Put on a queue what another gives, whose tasks are done then if it counts them."""
    done = getattr(source, "task_done", int)
    for item in iter(source.get, None):
        target.put(item)
        with contextlib.suppress(ValueError):  # who counts the tasks finds it out
            done()


def _put_and_move(pairs, producer):
    """Put numbers on the first of each pair, while a thread does what _move does."""
    for source, target in pairs:
        mover = threading.Thread(target=_move, args=(source, target), daemon=True)
        mover.start()
        _put_numbers(source, producer, 100)
        mover.join()


@observed_once
def _moved_by_several(mp):
    """What several processes have moved from queue to queue: of both kinds the items, and whether none is left.

    The first of each two is bounded: they wait for slots as well as for items.
    Then how many tasks were not done of the queue that counts them, and of the one that they were moved to.
    """
    pairs = [(kind(2), kind()) for kind in (mp.Queue, mp.JoinableQueue)]
    processes = [mp.Process(target=_put_and_move, args=(pairs, who)) for who in ("first", "second")]
    for process in processes:
        process.start()
    items = []
    for source, target in pairs:
        _put_numbers(source, "parent", 100)
        items.append(sorted(_get_many(target, 300)))
        for _ in processes:
            source.put(None)
    for process in processes:
        process.join()
    return items, [target.empty() for _, target in pairs], [_tasks_of(queue) for queue in pairs[1]]


def _tasks_of(queue):
    """How many tasks of the queue were not done; they are now."""
    count = 0
    while outcome_of(queue.task_done)[0] == "returned":
        count += 1
    queue.join()
    return count


@requirement("queues.queue.many-producers-and-consumers")
def test_each_item_is_got_once(mp):
    """Of several processes that get what several put, exactly one gets each item, from a queue of either kind."""
    items, empty, _ = _moved_by_several(mp)
    producers = ("first", "parent", "second")
    assert items == [[(who, number) for who in producers for number in range(100)]] * 2
    assert empty == [True, True]


@requirement("queues.joinable.counts-items-of-all-processes")
def test_tasks_of_several_processes_at_once(mp):
    """Each item, and each task_done(), counts that several processes put, or call, at the same time."""
    # All moved items are tasks of the second queue; of the first there are but the words that it was all.
    assert _moved_by_several(mp)[2] == [2, 300]


def _move_by_threads(source, target):
    """What several threads move that others put."""
    consumers = [
        threading.Thread(target=_move, args=(source, target), daemon=True) for _ in range(3)
    ]
    producers = [
        threading.Thread(target=_put_numbers, args=(source, who, 50), daemon=True)
        for who in range(3)
    ]
    for thread in (*consumers, *producers):
        thread.start()
    items = _get_many(target, 150)
    for _ in consumers:
        source.put(None)
    for thread in (*consumers, *producers):
        thread.join()
    return sorted(items)


@requirement("queues.queue.thread-safe")
def test_threads_may_share_a_queue(mp):
    """Of several threads that get what several put, exactly one gets each item, from a queue of either kind."""
    for kind in (mp.Queue, mp.JoinableQueue):
        items = _move_by_threads(kind(2), kind())
        assert items == [(who, number) for who in range(3) for number in range(50)]


@requirement("queues.put.large")
def test_large_object_can_be_put(mp):
    """An object of several MiB, put by a child, is got whole, and so is what follows."""
    queue = mp.Queue()
    process = mp.Process(target=_put_large, args=(queue,))
    process.start()
    assert equal(_get_many(queue, 2), [b"x" * LARGE, "end"])
    process.join()


def _put_large(queue):
    queue.put(b"x" * LARGE)
    queue.put("end")


def _put_items_when_told(queue, told, items):
    told.recv()
    _put_all(queue, items)


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
    _put_all(queue, others)
    got = _get_many(queue, len(items) + len(others))
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


def _put_all(queue, items):
    for item in items:
        queue.put(item)


@requirement("queues.put.does-not-wait-for-reader")
def test_put_does_not_wait_until_the_item_is_read(mp):
    """put() of more than a pipe buffers returns at once: a background thread hands it on."""
    queue = mp.Queue()
    _put_much(queue)
    assert _is_much(_get_much(queue))


@requirement("queues.put.buffered-items-are-not-the-childs")
def test_child_does_not_put_what_its_parent_has_buffered(mp):
    """Items that wait to be flushed when a child is started, which puts too, are got once."""
    queue = mp.Queue()
    _put_much(queue)
    process = mp.Process(target=queue.put, args=("the child's",))
    process.start()
    items = _get_many(queue, MANY + 3)
    process.join()
    items.remove("the child's")
    assert _is_much(items)
    assert queue.empty()


# How many items a queue takes


@requirement("queues.maxsize.unbounded-by-default")
def test_queue_without_maxsize_takes_any_number(mp):
    """A queue made without maxsize is not full after a thousand items that nobody gets."""
    queue = mp.Queue()
    for number in range(1000):
        queue.put_nowait(number)
    assert queue.full() is False
    assert _get_many(queue, 1000) == list(range(1000))


@requirement("queues.maxsize.zero-or-less-is-unbounded")
def test_maxsize_of_zero_or_less_is_no_bound(mp):
    """A queue with a maxsize of 0 or -1 takes any number of items."""
    for maxsize in (0, -1):
        queue = mp.Queue(maxsize)
        for number in range(100):
            queue.put_nowait(number)
        assert queue.full() is False
        assert _get_many(queue, 100) == list(range(100))


@requirement("queues.maxsize.bounds-the-items")
def test_maxsize_is_how_many_items_the_queue_takes(mp):
    """A queue takes as many items as its maxsize says, and no more."""
    for queue, maxsize in ((mp.Queue(3), 3), (mp.Queue(maxsize=300), 300)):
        for number in range(maxsize):
            queue.put_nowait(number)
        _refuses(mp.Full, queue.put_nowait, "too many")
        assert _get_many(queue, maxsize) == list(range(maxsize))


@requirement("queues.maxsize.bounds-the-items")
def test_maxsize_bounds_what_two_put_at_the_same_time(mp):
    """Of two threads that put on a queue of either kind with one free slot, at any step of the one, one is refused."""
    queues = mp.Queue(1), mp.JoinableQueue(1)
    for number in range(1, 41):
        for queue in queues:
            outcomes = _put_amid_put(mp, queue, number, block=False)
            assert outcomes.count("returned") == 1
            assert set(outcomes) <= {"returned", "Full"}
            queue.get()


def _put_amid_put(mp, queue, number, *, block):
    """What becomes of a put(), and of another thread's at a step of that, if it has so many.

    A step is that it calls a function, or that one returns.
    """
    others = []

    def put_another():
        others.append(CallerThread(mp, queue, "put", "another's", block))
        return others[-1]

    put = functools.partial(queue.put, "item", block)
    first = outcome_of(Stepwise(number, put_another).call, put)[0]
    return [first, *(outcome_of(other.result)[0] for other in others)]


@requirement("queues.maxsize.get-frees-slot")
def test_each_get_frees_a_slot(mp):
    """After a get(), however it waits, one more item can be put, and only one."""
    for bound in (1, 2):
        queue = _full(mp, bound)
        for number, way in enumerate(((), (True, mp.timeout), (False,))):
            _soon(mp, lambda queue=queue: not queue.empty(), "an item in the queue")
            assert queue.get(*way) == number
            queue.put_nowait(number + bound)
            with raises(mp.Full):
                queue.put_nowait("too many")
        assert _get_many(queue, bound) == [3, 4][:bound]


@requirement("queues.maxsize.holds-for-all-processes")
def test_all_processes_share_the_bound(mp):
    """A child finds full what its parent has filled, and the slot that it frees is the parent's.

    However it puts; so it finds empty what is, of either kind.
    """
    pairs = [(kind(2), kind()) for kind in (mp.Queue, mp.JoinableQueue)]
    for queue, _ in pairs:
        _put_all(queue, [0, 1])
    refusals = ["Full"] * 4 + ["Empty"] * 4
    assert ask(mp, _refusals_then_get, pairs) == [(refusals, 0)] * 2
    for queue, _ in pairs:
        queue.put_nowait("new")
        assert _get_many(queue, 2) == [1, "new"]


def _refusals_then_get(pairs):
    """Of pairs of a full queue and an empty one: what refuses a put() and a get() that end, and one get()."""
    ways = ((False,), (True, 0.01), (True, 0))
    return [
        (
            [
                *(outcome_of(full.put, "too many", *way)[0] for way in ways),
                outcome_of(full.put_nowait, "too many")[0],
                *(outcome_of(empty.get, *way)[0] for way in ways),
                outcome_of(empty.get_nowait)[0],
            ],
            full.get(),
        )
        for full, empty in pairs
    ]


# Whether and how long a call waits


@requirement("queues.put.blocks-until-slot")
def test_put_blocks_until_a_slot_is_free(mp):
    """put() on a full queue waits until an item is taken; another that is not to wait raises Full meanwhile."""
    queue = _full(mp)
    caller = CallerThread(mp, queue, "put", "second")
    caller.until_blocked()
    for arguments in ((False,), (True, 0.01)):
        _refuses(mp.Full, queue.put, "refused", *arguments)
    assert queue.get() == 0
    assert caller.result() is None
    assert queue.get() == "second"


@requirement("queues.put.blocks-until-slot-in-child")
def test_put_in_a_child_blocks_until_a_slot_is_free(mp):
    """put() in a child waits until another process takes an item."""
    queue = _full(mp)
    caller = Caller(mp, queue, "put", "second")
    caller.until_blocked()
    assert _get_many(queue, 2) == [0, "second"]
    caller.result()


@requirement("queues.put.block-true-and-timeout-none")
def test_put_with_block_true_and_no_timeout_blocks(mp):
    """put(obj, True, None), or with 1 for True, is put(obj): it waits until a slot is free."""
    queue = _full(mp)
    callers = [
        CallerThread(mp, queue, "put", "item", block=True, timeout=None),
        CallerThread(mp, queue, "put", "item", 1),
    ]
    until_all_blocked(callers)
    assert _get_many(queue, 3) == [0, "item", "item"]
    for caller in callers:
        caller.result()


@requirement("queues.put.waits-within-timeout")
def test_put_waits_for_a_slot_within_its_timeout(mp):
    """put(obj, True, timeout) waits, and succeeds when a slot is freed in time."""
    for block in (True, 1):
        queue = _full(mp)
        caller = CallerThread(mp, queue, "put", "second", block, mp.timeout * 100)
        caller.until_blocked()
        assert _get_many(queue, 2) == [0, "second"]
        assert caller.result() is None


@requirement("queues.put.timeout-huge")
def test_put_takes_a_huge_timeout(mp):
    """put() with a timeout of many days, or of threading.TIMEOUT_MAX, waits until a slot is free."""
    queue = _full(mp)
    callers = [CallerThread(mp, queue, "put", "item", True, each) for each in HUGE]
    until_all_blocked(callers)
    assert _get_many(queue, 3) == [0, "item", "item"]
    assert [caller.result() for caller in callers] == [None, None]


@requirement("queues.put.full-raises-after-timeout")
def test_put_raises_full_after_its_timeout(mp):
    """put() with a timeout raises Full when no slot is freed within that time, in any thread, and not before.

    The timeout may be a Fraction, and signals that are handled meanwhile change nothing.
    """
    from fractions import Fraction

    queue = _full(mp)
    start = time.monotonic()
    with raises(mp.Full):
        queue.put("second", True, SHORT)
    assert time.monotonic() - start > SHORT - CLOCKS
    refuse = functools.partial(_refuses, mp.Full, queue.put, "second", timeout=SHORT)
    within(ENOUGH, lambda: among_signals(refuse))
    _refuses(mp.Full, queue.put, "second", True, Fraction(1, 100))
    with raises(mp.Full):
        CallerThread(mp, queue, "put", "second", True, SHORT).result()
    assert queue.get() == 0


@requirement("queues.put.timeout-of-zero")
def test_put_with_a_timeout_of_zero_does_not_wait(mp):
    """put(obj, True, 0) puts the item when there is a slot, else raises Full at once."""
    queue = mp.Queue(1)
    queue.put("first", True, 0)
    for zero in (0, 0.0):
        refuse = functools.partial(_refuses, mp.Full, queue.put, "second", timeout=zero)
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
    queue = _full(mp)
    within(AT_ONCE, lambda: _refuses(mp.Full, queue.put, "second", 0))
    within(AT_ONCE, lambda: _refuses(mp.Full, queue.put, None, False))
    within(AT_ONCE, lambda: _refuses(mp.Full, queue.put, "second", block=False))
    assert queue.get() == 0


@requirement("queues.put.without-block-ignores-timeout")
def test_put_without_block_ignores_the_timeout(mp):
    """put(obj, False, timeout) puts the item or raises Full, and does not wait, be the timeout long or negative."""
    queue = mp.Queue(1)
    for timeout in (AGES, -1):
        queue.put("item", False, timeout)
        _refuses(mp.Full, queue.put, "second", False, timeout)
        _refuses(mp.Full, queue.put, "second", block=False, timeout=timeout)
        assert queue.get() == "item"


@requirement("queues.put.without-block-uses-free-slot")
def test_put_without_block_uses_a_free_slot(mp):
    """put(obj, False) puts the item when there is a slot."""
    queue = mp.Queue(2)
    queue.put("first", False)
    queue.put("second", block=False)
    assert _get_many(queue, 2) == ["first", "second"]


@requirement("queues.put-nowait")
def test_put_nowait_is_put_without_block(mp):
    """put_nowait(obj) puts the item when there is a slot, else raises Full."""
    queue = mp.Queue(1)
    queue.put_nowait("first")
    within(AT_ONCE, lambda: _refuses(mp.Full, queue.put_nowait, "second"))
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
    _refuses(ValueError, queue.task_done)


@requirement("queues.put.full-leaves-queue-unchanged")
def test_put_that_raised_full_has_put_nothing(mp):
    """After Full, the queue holds what it held."""
    queue = _full(mp)
    for arguments in ((True, 0.01), (False,)):
        with raises(mp.Full):
            queue.put("refused", *arguments)
    assert queue.get() == 0
    queue.put("next")
    assert queue.get() == "next"


@requirement("queues.get.blocks-until-item")
def test_get_blocks_until_there_is_an_item(mp):
    """get() on an empty queue waits until an item is put."""
    queue = mp.Queue()
    caller = CallerThread(mp, queue, "get")
    caller.until_blocked()
    queue.put("item")
    assert caller.result() == "item"


@requirement("queues.get.blocks-until-item-in-child")
def test_get_in_a_child_blocks_until_there_is_an_item(mp):
    """get() in a child waits until another process puts an item."""
    queue = mp.Queue()
    caller = Caller(mp, queue, "get")
    caller.until_blocked()
    queue.put("item")
    assert caller.result() == "item"


@requirement("queues.get.block-true-and-timeout-none")
def test_get_with_block_true_and_no_timeout_blocks(mp):
    """get(True, None), or with 1 for True, is get(): it waits until there is an item."""
    queue = mp.Queue()
    callers = [
        CallerThread(mp, queue, "get", block=True, timeout=None),
        CallerThread(mp, queue, "get", 1),
    ]
    until_all_blocked(callers)
    for _ in callers:
        queue.put("item")
    assert [caller.result() for caller in callers] == ["item", "item"]


@requirement("queues.get.waits-within-timeout")
def test_get_waits_for_an_item_within_its_timeout(mp):
    """get(True, timeout) waits, and gives the item that is put in time."""
    queue = mp.Queue()
    for block in (True, 1):
        caller = CallerThread(mp, queue, "get", block, mp.timeout * 100)
        caller.until_blocked()
        queue.put("item")
        assert caller.result() == "item"


@requirement("queues.get.timeout-huge")
def test_get_takes_a_huge_timeout(mp):
    """get() with a timeout of many days, or of threading.TIMEOUT_MAX, waits until there is an item."""
    queue = mp.Queue()
    callers = [CallerThread(mp, queue, "get", True, each) for each in HUGE]
    until_all_blocked(callers)
    for _ in callers:
        queue.put("item")
    assert [caller.result() for caller in callers] == ["item", "item"]


@requirement("queues.get.empty-raises-after-timeout")
def test_get_raises_empty_after_its_timeout(mp):
    """get() with a timeout, be it a Fraction, raises Empty when nothing is put within that time, and not before.

    Signals that are handled meanwhile, and a clock that is set back, change nothing.
    """
    from fractions import Fraction

    queue = mp.Queue()
    start = time.monotonic()
    with raises(mp.Empty):
        queue.get(True, SHORT)
    assert time.monotonic() - start > SHORT - CLOCKS
    refuse = functools.partial(_refuses, mp.Empty, queue.get, timeout=SHORT)
    refuse = functools.partial(by_a_bad_clock, refuse)
    within(ENOUGH, lambda: among_signals(refuse))
    _refuses(mp.Empty, queue.get, True, Fraction(1, 100))


@requirement("queues.get.timeout-of-zero")
def test_get_with_a_timeout_of_zero_does_not_wait(mp):
    """get(True, 0) gives an item that is there, else raises Empty at once."""
    queue = mp.Queue()
    for zero in (0, 0.0):
        within(AT_ONCE, functools.partial(_refuses, mp.Empty, queue.get, timeout=zero))
    queue.put("item")
    _soon(mp, lambda: not queue.empty(), "an item in the queue")
    assert queue.get(True, 0) == "item"


@requirement("queues.timeout.negative")
def test_negative_timeout_does_not_wait(mp):
    """With a negative timeout get() of an empty queue, and put() on a full one, raise at once."""
    queue = mp.Queue(1)
    for timeout in (-1, -0.5):
        within(
            AT_ONCE, functools.partial(_refuses, (mp.Empty, ValueError), queue.get, True, timeout)
        )
    queue.put("item")
    for timeout in (-1, -0.5):
        refuse = functools.partial(
            _refuses, (mp.Full, ValueError), queue.put, "refused", True, timeout
        )
        within(AT_ONCE, refuse)
    assert queue.get() == "item"


@requirement("queues.get.empty-raises-though-others-wait")
def test_get_raises_empty_though_another_waits(mp):
    """get(False), and get() with a timeout, raise Empty while another thread waits in get()."""
    queue = mp.Queue()
    caller = CallerThread(mp, queue, "get")
    caller.until_blocked()
    with raises(mp.Empty):
        queue.get(False)
    with raises(mp.Empty):
        queue.get(timeout=0.01)
    queue.put("item")
    assert caller.result() == "item"


def _get_while_another_gets(mp, queue):
    """Call get() with a timeout while a thread does, whose time is over a little earlier."""
    caller = CallerThread(mp, queue, "get", True, 0.04)
    _refuses(mp.Empty, queue.get, True, 0.05)
    _refuses(mp.Empty, caller.result)


@requirement("queues.get.timeouts-do-not-add-up")
def test_timeouts_of_two_readers_do_not_add_up(mp):
    """get() with a timeout raises Empty in time though another thread's timeout runs as well."""
    queue = mp.Queue()
    within(0.075, lambda: _get_while_another_gets(mp, queue))


@requirement("queues.get.empty-raises-at-once-without-block")
def test_get_without_block_raises_empty_at_once(mp):
    """get(False), or with 0 for False, raises Empty when there is no item, and does not wait."""
    queue = mp.Queue()
    within(AT_ONCE, lambda: _refuses(mp.Empty, queue.get, 0))
    within(AT_ONCE, lambda: _refuses(mp.Empty, queue.get, False))
    within(AT_ONCE, lambda: _refuses(mp.Empty, queue.get, block=False))


@requirement("queues.get.without-block-ignores-timeout")
def test_get_without_block_ignores_the_timeout(mp):
    """get(False, timeout) gives an item or raises Empty, and does not wait, be the timeout long or negative."""
    queue = mp.Queue()
    for timeout in (AGES, -1):
        _refuses(mp.Empty, queue.get, False, timeout)
        _refuses(mp.Empty, queue.get, block=False, timeout=timeout)
        queue.put("item")
        _soon(mp, lambda: not queue.empty(), "an item in the queue")
        assert queue.get(False, timeout) == "item"


@requirement("queues.get.without-block-returns-item")
def test_get_without_block_gives_an_item_that_is_there(mp):
    """get(False) gives an item that has reached the queue."""
    queue = mp.Queue()
    queue.put("first")
    queue.put("second")
    _soon(mp, lambda: not queue.empty(), "an item in the queue")
    assert queue.get(False) == "first"
    _soon(mp, lambda: not queue.empty(), "an item in the queue")
    assert queue.get(block=False) == "second"


@requirement("queues.get-nowait")
def test_get_nowait_is_get_without_block(mp):
    """get_nowait() gives an item that is there, else raises Empty."""
    queue = mp.Queue()
    within(AT_ONCE, lambda: _refuses(mp.Empty, queue.get_nowait))
    queue.put("item")
    _soon(mp, lambda: not queue.empty(), "an item in the queue")
    assert queue.get_nowait() == "item"
    with raises(mp.Empty):
        queue.get_nowait()


@requirement("queues.get.removes-item")
def test_one_item_wakes_one_of_several_readers(mp):
    """Of several threads that wait in get(), one gets the item, the others go on waiting, with a timeout as well."""
    _check_one_wakes(mp, 2)
    for _ in range(2):  # now and then the first is too quick for the others to notice the item
        _check_one_wakes(mp, 4, True, mp.timeout * 100)


@contextlib.contextmanager
def _busy():
    """Keep the interpreter busy: who is woken meanwhile waits for it, so that all are awake before one goes on."""
    over = []

    def work():
        while not over:
            pass

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.append(True)
        thread.join()


def _check_one_wakes(mp, count, *arguments):
    queue = mp.Queue()
    callers = [CallerThread(mp, queue, "get", *arguments) for _ in range(count)]
    until_all_blocked(callers)
    with _busy() if arguments else contextlib.nullcontext():
        queue.put(0)
    _soon(mp, lambda: any(caller.has_returned for caller in callers), "one reader back")
    waiting = [caller for caller in callers if not caller.has_returned]
    assert len(waiting) == count - 1
    until_all_blocked(waiting)
    _put_all(queue, range(1, count))
    assert sorted(caller.result() for caller in callers) == list(range(count))


@requirement("queues.get.large-by-several-at-once")
def test_several_get_large_items_at_once(mp):
    """Three that wait in get(), with a timeout or without, each get one of three large items, whole.

    Be they threads, or children of which each has a copy of the queue.
    """
    queue = mp.Queue()
    for kinds, args in (
        ([CallerThread] * 3, ()),
        ([CallerThread, Caller, Caller], (True, mp.timeout * 100)),
    ):
        callers = [kind(mp, queue, "get", *args) for kind in kinds]
        until_all_blocked(callers)
        for letter in "abc":
            queue.put(letter * LARGE)
        got = sorted(caller.result() for caller in callers)
        assert equal(got, [letter * LARGE for letter in "abc"])


class _Unwelcome:
    """Can be pickled; raises where it is unpickled."""

    def __init__(self, error=LookupError):
        self._error = error

    def __reduce__(self):
        return (_refuse, (self._error,))


def _refuse(error):
    raise error


_unpickled = threading.Event()


class _Slow:
    """Is unpickled when the module's event was set."""

    def __reduce__(self):
        return (_unpickle_when_told, ())


def _unpickle_when_told():
    return _unpickled.wait()


@requirement("queues.get.unpickles-unlocked")
def test_nobody_waits_for_another_to_unpickle(mp):
    """While one thread unpickles an item, which it has waited for in whatever way or not, another puts and gets."""
    queue = mp.Queue()
    for arguments in ((), (True, mp.timeout * 100), (False,)):
        _gets_while_another_unpickles(mp, queue, *arguments)


def _gets_while_another_unpickles(mp, queue, *arguments):
    _unpickled.clear()
    queue.put(_Slow())
    if arguments:
        _soon(mp, lambda: not queue.empty(), "an item in the queue")
    caller = CallerThread(mp, queue, "get", *arguments)
    caller.until_blocked()
    queue.put("second")
    other = CallerThread(mp, queue, "get")
    try:
        _soon(mp, lambda: other.has_returned, "the other item")
    finally:
        _unpickled.set()
    assert sorted([caller.result(), other.result()], key=str) == [True, "second"]


@requirement("queues.get.raises-what-unpickling-raises")
def test_get_raises_what_unpickling_raises(mp):
    """When an item can't be made again get() of a queue of either kind raises; it is gone, and its slot is free."""
    for queue in (mp.Queue(1), mp.JoinableQueue(1)):
        for way, error in (((), LookupError), ((True, mp.timeout), LookupError), ((), ValueError)):
            queue.put(_Unwelcome(error))
            _refuses(error, queue.get, *way)
            queue.put("next")
            assert queue.get(*way) == "next"


def _check_get_is_interrupted(mp, queue, *arguments):
    """What a signal's handler raises comes out of get(); what is put then, another thread gets in the same way.

    A signal whose handler returns does not end it.
    """
    with Interrupted(mp, functools.partial(queue.put, "after the signal")) as handled:
        assert queue.get(*arguments) == "after the signal"
    assert handled
    with Interrupted(mp, raising=Interruption), raises(Interruption):
        queue.get(*arguments)
    queue.put("item")
    assert CallerThread(mp, queue, "get", *arguments).result() == "item"


@requirement("queues.get.exception-of-handler-comes-out")
def test_exception_of_a_signal_handler_comes_out_of_get(mp):
    """What a signal's handler raises comes out of a get() that waits; others get what is put then.

    One that returns does not end it.
    """
    queue = mp.Queue()
    for arguments in ((), (True, mp.timeout * 100)):
        _check_get_is_interrupted(mp, queue, *arguments)


# The size of a queue


@requirement("queues.qsize")
def test_qsize_is_the_number_of_items(mp):
    """While nobody else puts or gets an item, qsize() is how many were put and not got, though somebody waits."""
    for queue in (mp.Queue(), mp.Queue(5)):
        sizes = [queue.qsize()]
        for number in range(3):
            queue.put(number)
        sizes.append(queue.qsize())
        for _ in range(3):
            queue.get()
            sizes.append(queue.qsize())
        assert sizes == [0, 3, 2, 1, 0]
        caller = CallerThread(mp, queue, "get")
        caller.until_blocked()
        assert queue.qsize() == 0
        queue.put("item")
        assert caller.result() == "item"
    queue = mp.Queue()
    for number in range(300):
        queue.put(number)
    assert queue.qsize() == 300
    assert _get_many(queue, 300) == list(range(300))


@requirement("queues.qsize-and-full-in-child")
def test_child_sees_how_much_there_is(mp):
    """qsize() and full() in a child count what its parent has put, and in the parent what the child has put or got."""
    queue, other, joinable = _full(mp, 2), _full(mp, 3), mp.JoinableQueue(2)
    assert other.get() == 0
    _put_two(joinable)
    assert ask(mp, _size_of_each, queue, other, joinable) == [(2, True), (2, False), (2, True)]
    assert _get_many(queue, 2) == [0, 1]
    assert _get_many(other, 2) == _get_many(joinable, 2) == [1, 2]
    queue = mp.Queue(2)
    run(mp, _put_two, queue)
    assert _size_of_each(queue) == [(2, True)]
    assert ask(mp, _get_many, queue, 1) == [1]
    assert _size_of_each(queue) == [(1, False)]
    queue.get()


def _put_two(queue):
    queue.put(1)
    queue.put(2)


def _size_of_each(*queues):
    return [(queue.qsize(), queue.full()) for queue in queues]


@requirement("queues.empty.no-item")
def test_empty_is_true_while_there_is_no_item(mp):
    """empty() is True for a new queue, again when all items were got, and while somebody waits in get()."""
    queue = mp.Queue()
    assert within(AT_ONCE, queue.empty) is True
    queue.put("item")
    queue.get()
    assert queue.empty() is True
    caller = CallerThread(mp, queue, "get")
    caller.until_blocked()
    assert queue.empty() is True
    queue.put("next")
    assert caller.result() == "next"


@requirement("queues.empty.some-item")
def test_empty_is_false_once_an_item_has_arrived(mp):
    """empty() becomes False a moment after an item was put."""
    queue = mp.Queue()
    queue.put("item")
    _soon(mp, lambda: queue.empty() is False, "empty() False")
    assert queue.get() == "item"


def _tell_whether_empty_and_get(queue, told, report):
    put = functools.partial(queue.put, "its own")
    for call_it in (queue.empty, queue.empty, queue.get, put, queue.get):
        report.send(outcome_of(call_it))
        told.recv()


def _found_by_child(mp, queue, close=lambda: None):
    """Whether a child finds a queue empty, before an item is in it and then; and what get(), put() and get() come to.

    These it calls after something else was called here, and while the queue is empty no more.
    """
    told, tell = mp.Pipe(duplex=False)
    reporter, report = mp.Pipe(duplex=False)
    process = mp.Process(target=_tell_whether_empty_and_get, args=(queue, told, report))
    process.start()
    report.close()
    found = [reporter.recv()]
    queue.put("item")
    _soon(mp, lambda: not queue.empty(), "an item in the queue")
    tell.send("there is an item")
    found.append(reporter.recv())
    close()
    for _ in range(4):
        tell.send("go on")
    found += [reporter.recv() for _ in range(3)]
    process.join()
    return found


@requirement("queues.empty.in-child")
def test_child_asks_whether_a_queue_is_empty(mp):
    """empty() of a Queue tells a child what it tells the parent."""
    found = _found_by_child(mp, mp.Queue())
    assert found == [("returned", each) for each in (True, False, "item", None, "its own")]


@requirement("queues.full.free-slot")
def test_full_is_false_while_a_slot_is_free(mp):
    """full() is False while the queue takes another item, the ninth of nine too, and again when one was got."""
    for maxsize in (2, 9):
        queue = mp.Queue(maxsize)
        found = []
        for number in range(maxsize):
            found.append(queue.full())
            queue.put(number)
        queue.get()
        found.append(queue.full())
        assert found == [False] * (maxsize + 1)
        assert _get_many(queue, maxsize - 1) == list(range(1, maxsize))


@requirement("queues.full.no-slot")
def test_full_is_true_when_no_slot_is_free(mp):
    """full() is True when the queue holds maxsize items."""
    for queue, items in ((mp.Queue(1), [0]), (mp.Queue(2), [0, 1]), (mp.JoinableQueue(2), [0, 1])):
        _put_all(queue, items)
        _soon(mp, lambda: queue.full() is True, "full() True")  # noqa: B023 - called at once
        assert _get_many(queue, len(items)) == items


# The end of a queue


def _closed_queues(mp, kind):
    """Queues that were closed: one never used, one used up, one that still holds an item, and is full."""
    unused, used, left = kind(), kind(), kind(1)
    used.put("item")
    assert used.get() == "item"
    left.put("item")
    _soon(mp, lambda: not left.empty(), "an item in the queue")
    for queue in (unused, used, left):
        queue.close()
    return unused, used, left


@requirement("queues.close.put-raises-valueerror")
def test_put_on_a_closed_queue_raises_valueerror(mp):
    """After close(), put() and put_nowait() raise ValueError, whether the queue was used or not."""
    for queue in _closed_queues(mp, mp.Queue):
        _refuses(ValueError, queue.put, "item")
        _refuses(ValueError, queue.put, "item", False)
        _refuses(ValueError, queue.put, "item", timeout=0.01)
        _refuses(ValueError, queue.put_nowait, "item")


@requirement("queues.close.get-raises-valueerror")
def test_get_from_a_closed_queue_raises_valueerror(mp):
    """After close(), get() and get_nowait() raise ValueError, waiting or not, items left or not."""
    for queue in _closed_queues(mp, mp.Queue):
        _refuses(ValueError, queue.get)
        _refuses(ValueError, queue.get, True, 0.01)
        _refuses(ValueError, queue.get, False)
        _refuses(ValueError, queue.get_nowait)


@requirement("queues.close.empty-answers-or-raises-oserror")
def test_empty_of_a_closed_queue(mp):
    """After close(), empty() of a queue of either kind gives True or False, or raises OSError."""
    for queue in (*_closed_queues(mp, mp.Queue), *_closed_queues(mp, mp.JoinableQueue)):
        with contextlib.suppress(OSError):
            assert queue.empty() in (True, False)


@requirement("queues.close.unread-items-are-no-error")
def test_items_that_nobody_gets_are_no_error(mp, monkeypatch):
    """A queue that is closed with items on it, at once or when the one item has arrived, says nothing."""
    written = io.StringIO()
    monkeypatch.setattr(sys, "stderr", written)
    for arrived in (False, True):
        queue = mp.Queue()
        # Of many the background thread still has some to send.
        for number in range(1 if arrived else 200):
            queue.put(number)
        if arrived:
            _soon(mp, lambda: not queue.empty(), "an item in the queue")  # noqa: B023 - called at once
        queue.close()
        queue.join_thread()
    assert written.getvalue() == ""


@requirement("queues.close.more-than-once")
def test_close_may_be_called_again(mp):
    """close() of a closed queue does nothing: it stays closed, also when its thread was joined, twice."""
    queue = mp.Queue()
    queue.put("item")
    queue.get()
    queue.close()
    assert queue.close() is None
    for _ in range(2):
        queue.join_thread()
        _refuses(ValueError, queue.put, "item")
    assert queue.close() is None


def _get_when_told(queue, told, report):
    told.recv()
    report.send(_is_much(_get_much(queue)))


def _get_of_each_when_told(queues, told, report, timeout):
    report.send("ready")
    told.recv()
    report.send([outcome_of(_gets_much_within, queue, timeout) for queue in queues])


def _gets_much_within(queue, timeout):
    return _is_much([queue.get(timeout=timeout) for _ in range(MANY + 2)])


@observed_once
def _got_of_closed_and_dropped(mp):
    """What a child gets of a queue that its parent has closed, and of one that it has dropped, with much on them.

    The first is a bounded one, with slots enough.
    """
    closed, dropped = mp.Queue(2 * MANY), mp.Queue()
    told, tell = mp.Pipe(duplex=False)
    reporter, report = mp.Pipe(duplex=False)
    process = mp.Process(
        target=_get_of_each_when_told, args=((closed, dropped), told, report, mp.timeout)
    )
    process.start()
    reporter.recv()
    for queue in (closed, dropped):
        _put_much(queue)
    closed.close()
    del queue, dropped
    gc.collect()
    tell.send("get them")
    found = reporter.recv()
    closed.join_thread()
    process.join()
    return found


@requirement("queues.close.buffered-items-arrive")
def test_items_put_before_close_arrive(mp):
    """What was put before close() is flushed: another process gets all of it."""
    assert _got_of_closed_and_dropped(mp)[0] == ("returned", True)


@requirement("queues.close.in-one-process-only")
def test_close_concerns_the_calling_process_alone(mp):
    """After close() in the parent a child still puts and gets, until it calls close() itself."""
    queues = [mp.Queue(), mp.JoinableQueue()]
    reporter, report = mp.Pipe(duplex=False)
    process = mp.Process(target=_put_get_tell, args=(queues, report))
    process.start()
    for queue in queues:
        queue.close()
    assert [reporter.recv() for _ in queues] == [("item", ["ValueError"] * 3)] * 2
    process.join()


def _put_get_tell(queues, report):
    for queue in queues:
        queue.put("item")
        got = queue.get()
        queue.close()
        calls = ((queue.put, "item"), (queue.get, False), (queue.get, True, 0.01))
        report.send((got, [outcome_of(*call)[0] for call in calls]))


@requirement("queues.close.releases-descriptors")
def test_closed_and_flushed_queue_has_no_descriptors(mp):
    """When a queue, bounded or not, was closed, and all that was put on it is flushed, its descriptors go."""
    # Whatever the first queue of a process starts is there now.
    kept = [_used_up(mp, maxsize) for maxsize in (0, 2)]
    for maxsize in (0, 2):
        before = _descriptors()
        queue = _used_up(mp, maxsize)
        assert _descriptors() > before
        queue.close()
        _soon(mp, lambda: _descriptors() == before, "its descriptors closed")  # noqa: B023 - called at once
    assert [each.empty() for each in kept] == [True, True]


def _used_up(mp, maxsize):
    queue = mp.Queue(maxsize)
    queue.put("item")
    assert queue.get() == "item"
    return queue


@requirement("queues.close.releases-descriptors-unused")
def test_closed_queue_on_which_nothing_was_put_has_no_descriptors(mp):
    """The descriptors of a queue, bounded or not, on which this process has put nothing go when it is closed."""
    # Whatever the first queue of a process starts is there now.
    kept = [mp.Queue(maxsize) for maxsize in (0, 2)]
    for maxsize in (0, 2):
        before = _descriptors()
        queue = mp.Queue(maxsize)
        assert _descriptors() > before
        queue.close()
        queue.join_thread()
        # Nothing was put: there is nothing to be flushed first, and nobody to wait for.
        assert _descriptors() == before
    assert [each.empty() for each in kept] == [True, True]


@requirement("queues.close.ends-background-thread")
def test_background_thread_ends_after_close(mp):
    """Once the queue was closed and all items are flushed, no thread of it is left."""
    before = set(threading.enumerate())
    queue = mp.Queue()
    told, tell = mp.Pipe(duplex=False)
    reporter, report = mp.Pipe(duplex=False)
    process = mp.Process(target=_get_when_told, args=(queue, told, report))
    process.start()
    _put_much(queue)
    queue.close()
    tell.send("get them")
    assert reporter.recv() is True
    _soon(mp, lambda: set(threading.enumerate()) <= before, "the thread gone")
    process.join()


@requirement("queues.close.ends-background-thread")
def test_one_background_thread_though_two_threads_put_first(mp):
    """No thread is left of a queue of either kind, though another thread put, too, at a step of the first put().

    Both items are got. The first steps alone: what comes then is the start of the thread.
    """
    kept = mp.Queue()  # whatever the first queue of a process starts is there now
    kept.put("item")
    kept.get()
    before = set(threading.enumerate())
    for number in range(1, 13):
        for queue in (mp.Queue(), mp.JoinableQueue()):
            assert _put_amid_put(mp, queue, number, block=True) == ["returned"] * 2
            got = [queue.get(timeout=mp.timeout) for _ in range(2)]
            assert sorted(got) == ["another's", "item"]
            queue.close()
            queue.join_thread()
            _soon(mp, lambda: set(threading.enumerate()) <= before, "its threads gone")


@requirement("queues.close.when-garbage-collected")
def test_garbage_collection_closes(mp):
    """A queue that nobody refers to any more is flushed, ends its thread, and releases its descriptors.

    So does one of either kind that has nothing to flush, here and in a child that was given it.
    """
    assert _got_of_closed_and_dropped(mp)[1] == ("returned", True)
    kept = mp.Queue()  # whatever the first queue of a process starts is there now
    kept.put("item")
    kept.get()
    for kind in (mp.Queue, mp.JoinableQueue):
        _use_and_drop(mp, kind)
    ask(mp, _use_and_drop_each, mp, [mp.Queue(), mp.Queue(), mp.JoinableQueue()])


def _use_and_drop(mp, kind):
    """Check that nothing is left of a queue that nobody refers to any more."""
    threads, descriptors = set(threading.enumerate()), _descriptors()
    queue = kind()
    queue.put("item")
    assert queue.get() == "item"
    assert _descriptors() > descriptors
    del queue
    gc.collect()
    _soon(mp, lambda: set(threading.enumerate()) <= threads, "its thread gone")
    _soon(mp, lambda: _descriptors() <= descriptors, "its descriptors closed")


def _use_and_drop_each(mp, queues):
    """In a child that was given queues: check that nothing is left of each that it drops, all but the first."""
    queues[0].put("item")
    queues[0].get()
    threads = set(threading.enumerate())
    while len(queues) > 1:
        queues[-1].put("item")
        assert queues[-1].get() == "item"
        descriptors = _descriptors()
        queues.pop()
        gc.collect()
        _soon(mp, lambda: set(threading.enumerate()) <= threads, "its thread gone")
        _soon(mp, lambda: _descriptors() < descriptors, "its descriptors closed")  # noqa: B023 - called at once


def _put_join_and_vanish(queues):
    for queue in queues:
        _put_much(queue)
        queue.close()
        queue.join_thread()
    os._exit(0)  # with no more than the operating system does at the end of a process


@requirement("queues.join-thread.waits-until-flushed")
def test_all_is_flushed_when_join_thread_returns(mp):
    """After join_thread() of a queue of either kind all items are in the pipe, whatever becomes of the process."""
    queues = [mp.Queue(), mp.JoinableQueue()]
    process = mp.Process(target=_put_join_and_vanish, args=(queues,))
    process.start()
    for queue in queues:
        assert _is_much(_get_much(queue))
    process.join()


@requirement("queues.join-thread.waits-in-creator")
def test_join_thread_waits_in_the_creator_of_the_queue(mp):
    """join_thread() in the process that has made the queue waits until all is flushed, too, be it one large item.

    And until the thread that has done so has ended.
    """
    before = set(threading.enumerate())
    queue, other = mp.Queue(), mp.Queue()
    told, tell = mp.Pipe(duplex=False)
    reporter, report = mp.Pipe(duplex=False)
    process = mp.Process(target=_get_from_both_when_told, args=(queue, other, told, report))
    process.start()
    _put_much(queue)
    other.put("x" * LARGE)
    _soon(mp, lambda: not other.empty(), "a part of the item in the queue")
    queue.close()
    other.close()
    callers = [CallerThread(mp, each, "join_thread") for each in (queue, other)]
    until_all_blocked(callers)
    tell.send("get them")
    assert reporter.recv() is True
    assert [caller.result() for caller in callers] == [None, None]
    assert set(threading.enumerate()) <= before
    process.join()


def _get_from_both_when_told(queue, other, told, report):
    told.recv()
    report.send(_is_much(_get_much(queue)) and other.get() == "x" * LARGE)


@requirement("queues.join-thread.nothing-to-flush")
def test_join_thread_returns_when_nothing_was_put(mp):
    """join_thread() of a closed queue on which this process put nothing returns."""
    queue = mp.Queue()
    queue.close()
    assert queue.join_thread() is None


@requirement("queues.join-thread.only-after-close")
def test_join_thread_needs_close_first(mp):
    """join_thread() of a queue of either kind that is not closed raises."""
    for queue in (mp.Queue(), mp.JoinableQueue()):
        with raises(Exception):
            queue.join_thread()
        queue.put("still open")
        with raises(Exception):
            queue.join_thread()
        assert queue.get() == "still open"


def _put_and_end(put, queue, tell, error=None):
    put(queue)
    tell.send((os.getpid(), threading.get_native_id()))
    if error is not None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - left for the child's end to use
        raise error


def _ending(mp, put, queue, error=None, **kwargs):
    """A process that has put something and comes to its end: it waits there, or has ended already.

    If anything were got earlier, the pipe might be empty by chance before it ends.
    """
    told, tell = mp.Pipe(duplex=False)
    process = mp.Process(target=_put_and_end, args=(put, queue, tell, error), **kwargs)
    process.start()
    pid, thread = told.recv()
    if pid != os.getpid():
        _until_at_end(mp, pid, thread)
    return process


def _until_at_end(mp, pid, thread):
    """Wait until the main thread of a process waits at its end, or the process has ended."""
    from mpspec.observing import Timeout, has_ended, wait_until, wait_until_asleep

    def rests():
        with contextlib.suppress(Timeout):
            wait_until_asleep(pid, thread, SHORT)
            return True
        return has_ended(pid)

    wait_until(rests, mp.timeout, "the process at its end")


def _put_on_all(queues):
    first, *others = queues
    _put_much(first)
    for queue in others:
        _put_large(queue)


@requirement("queues.exit.waits-until-flushed")
def test_no_item_of_a_child_that_ends_is_lost(mp):
    """All that a child has put arrives, on each of four queues, without close() and join_thread(); then it ends."""
    queues = [mp.Queue() for _ in range(4)]
    process = _ending(mp, _put_on_all, queues)
    assert _is_much(_get_much(queues[0]))
    for queue in queues[1:]:
        found = outcome_of(_get_within, queue, mp.timeout)
        assert equal(found, ("returned", [b"x" * LARGE, "end"]))
    process.join()
    assert process.exitcode == 0


def _put_on_open_and_closed(queues):
    left_open, closed = queues
    _put_much(left_open)
    _put_large(closed)
    closed.close()


@requirement("queues.exit.flushes-at-sys-exit")
def test_items_are_flushed_at_sys_exit(mp):
    """What a child, a daemon, has put on queues, closed or not, arrives when it ends by sys.exit() as well."""
    queues = left_open, closed = mp.Queue(), mp.Queue()
    process = _ending(mp, _put_on_open_and_closed, queues, SystemExit(3), daemon=True)
    assert _is_much(_get_much(left_open))
    found = outcome_of(_get_within, closed, mp.timeout)
    assert equal(found, ("returned", [b"x" * LARGE, "end"]))
    process.join()
    assert process.exitcode == 3


def _telling(mp, target, queue):
    """A process that calls a function with a queue and an end to tell something by; and the other end."""
    told, tell = mp.Pipe(duplex=False)
    process = mp.Process(target=target, args=(queue, tell))
    process.start()
    tell.close()
    return process, told


def _put_by_exit_handler(queue, tell):
    atexit.register(tell.send, "all have run")  # the one registered last is called first
    atexit.register(queue.put, "late")


@requirement("queues.exit.flushes-after-handlers")
def test_items_of_exit_handlers_are_flushed(mp):
    """What a function puts that the child has registered with ``atexit`` arrives, and the child ends with 0."""
    queue = mp.Queue()
    process, told = _telling(mp, _put_by_exit_handler, queue)
    assert outcome_of(told.recv) == ("returned", "all have run")
    process.join(mp.timeout / 20)  # implementations are known whose child never ends
    found = outcome_of(queue.get, timeout=SHORT)
    if process.exitcode is None:
        process.kill()
        process.join()
    assert (found, process.exitcode) == (("returned", "late"), 0)


def _put_when_run_has_returned(queue, tell):
    main, thread = threading.main_thread(), threading.get_native_id()

    def put():
        main.join()
        _put_large(queue)
        tell.send((os.getpid(), thread, threading.get_native_id()))

    threading.Thread(target=put).start()


@requirement("queues.exit.flushes-after-threads")
def test_items_of_threads_are_flushed(mp):
    """What a thread of a child puts when run() has returned arrives; the child, which waits for that, ends with 0."""
    queue = mp.Queue()
    process, told = _telling(mp, _put_when_run_has_returned, queue)
    pid, main, late = told.recv()
    # Where there is no /proc it takes the main thread that waits for the other one for one that waits at its end.
    _soon(mp, lambda: not os.path.exists(f"/proc/{pid}/task/{late}"), "the end of the thread")
    _until_at_end(mp, pid, main)
    process.join(SHORT)
    assert process.exitcode is None
    getting = functools.partial(_get_within, queue, mp.timeout)
    caller = CallerThread(mp, getting, "__call__")
    # Of a child that is only about to end, half an item may come, and no timeout of get() ends the wait for the rest.
    _soon(mp, lambda: caller.has_returned, "all that was put")
    assert equal(caller.result(), [b"x" * LARGE, "end"])
    process.join()
    assert process.exitcode == 0


@requirement("queues.exit.flushes-after-exception")
def test_items_are_flushed_after_an_uncaught_exception(mp):
    """What a child has put arrives when its target raises as well."""
    queue = mp.Queue()
    process = _ending(mp, _put_much, queue, LookupError())
    assert _is_much(_get_much(queue))
    process.join()
    assert process.exitcode == 1


class _Late:
    """Can't be pickled, which is found out when somebody says so."""

    def __init__(self, told, report):
        self._told, self._report = told, report

    def __reduce_ex__(self, protocol):
        self._report.send("it is pickled")
        self._told.recv()
        message = "this can't be pickled"
        raise TypeError(message)


def _put_late_and_end(queue, told, report, path):
    """In a child: put what can't be pickled and what can, and come to the end."""
    sys.stderr = open(path, "w", encoding="utf-8")  # noqa: SIM115 - left for the child's end to flush
    try:
        queue.put(_Late(told, report))
    except TypeError as error:  # refusing it at once is as good as a traceback later
        sys.stderr.write(f"TypeError: {error}\n")
    queue.put("next")


@observed_once
def _ended_with_unpicklable(mp):
    """What comes of a child that ends while an object that it has put turns out to be unpicklable."""
    import pathlib
    import tempfile

    from mpspec.observing import wait_until_asleep

    queue = mp.Queue(2)
    told, tell = mp.Pipe(duplex=False)
    reporter, report = mp.Pipe(duplex=False)
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "stderr")
        process = mp.Process(target=_put_late_and_end, args=(queue, told, report, str(path)))
        process.start()
        reporter.recv()
        wait_until_asleep(
            process.pid, process.pid, mp.timeout
        )  # it has put all, or waits to be told
        tell.send("now")
        process.join()
        # All that was flushed is there when the child has ended.
        facts = {"next": outcome_of(queue.get, True, 0.1), "stderr": path.read_text("utf-8")}
    facts["slots"] = [outcome_of(queue.put_nowait, "item")[0] for _ in range(2)]
    queue.cancel_join_thread()
    return facts


@requirement("queues.exit.flushes-after-unpicklable")
def test_items_after_an_unpicklable_object_are_flushed_at_exit(mp):
    """What a child has put after an unpicklable object arrives, though it ends meanwhile."""
    assert _ended_with_unpicklable(mp)["next"] == ("returned", "next")


_kept = []


def _end_with_a_failure(mp, queue):
    """In a child: keep a listener whose file is gone, which can't be removed at the end; put, and come to the end."""
    sys.stderr = open(os.devnull, "w")  # noqa: SIM115 - for what is said of that, up to the end
    listener = mp.connection.Listener(family="AF_UNIX")
    os.unlink(listener.address)
    _kept.append(listener)
    _put_large(queue)


@requirement("queues.exit.flushes-though-cleanup-fails")
def test_items_are_flushed_though_something_else_fails_at_exit(mp):
    """What a child has put arrives, and it ends with 0, though a listener that it has kept has lost its file."""
    queue = mp.Queue()
    process = mp.Process(target=_end_with_a_failure, args=(mp, queue))
    process.start()
    found = outcome_of(_get_within, queue, mp.timeout / 2)
    assert equal(found, ("returned", [b"x" * LARGE, "end"]))
    process.join()
    assert process.exitcode == 0


@requirement("queues.exit.unpicklable-takes-no-slot")
def test_unpicklable_object_of_an_ended_child_keeps_no_slot(mp):
    """The slot of an unpicklable object that a child has put before its end is free."""
    assert _ended_with_unpicklable(mp)["slots"] == ["returned", "returned"]


@requirement("queues.exit.unpicklable-is-reported")
def test_unpicklable_object_of_an_ending_child_is_reported(mp):
    """An unpicklable object raises at once, or its traceback is written, though the child ends."""
    assert "TypeError: this can't be pickled" in _ended_with_unpicklable(mp)["stderr"]


def _put_and_cancel(mp, given):
    for queue in (given, mp.Queue()):
        _put_much(queue)
        queue.cancel_join_thread()


@requirement("queues.cancel-join-thread.exit-does-not-wait")
def test_child_ends_unflushed_after_cancel_join_thread(mp):
    """After cancel_join_thread() of a queue, given or its own, a child ends although nobody gets what it has put.

    So does a program.
    """
    queue = mp.Queue()
    process = mp.Process(target=_put_and_cancel, args=(mp, queue))
    process.start()
    process.join()
    assert process.exitcode == 0
    assert _ended_main_process(mp) == "at its end"


def _cancel_in_main_process(mp):
    """In a new interpreter: what children do, in the main process."""
    _put_and_cancel(mp, mp.JoinableQueue())
    _cancel_and_put(mp, mp.JoinableQueue())
    return "at its end"


@observed_once
def _ended_main_process(mp):
    return call(_cancel_in_main_process, mp, timeout=mp.timeout)


def _cancel_and_put(mp, given):
    for queue in (given, mp.Queue()):
        queue.cancel_join_thread()
        _put_much(queue)


@requirement("queues.cancel-join-thread.before-first-put")
def test_cancel_join_thread_may_come_before_the_first_put(mp):
    """cancel_join_thread() holds for what is put later, too, on a queue given or its own, and in a main process."""
    queue = mp.Queue()
    process = mp.Process(target=_cancel_and_put, args=(mp, queue))
    process.start()
    process.join()
    assert process.exitcode == 0
    assert _ended_main_process(mp) == "at its end"


def _put_cancel_join(queues, report, *methods):
    for queue in queues:
        _put_much(queue)
        for method in methods:
            getattr(queue, method)()
        queue.join_thread()
    report.send("joined")


@requirement("queues.cancel-join-thread.join-thread-does-not-block")
def test_join_thread_does_nothing_after_cancel_join_thread(mp):
    """After cancel_join_thread(), join_thread() returns although nothing was flushed, closed before or after it."""
    for methods in (("cancel_join_thread", "close"), ("close", "cancel_join_thread")):
        queues = (mp.Queue(), mp.JoinableQueue())
        reporter, report = mp.Pipe(duplex=False)
        process = mp.Process(target=_put_cancel_join, args=(queues, report, *methods))
        process.start()
        assert reporter.recv() == "joined"
        process.join()


@requirement("queues.cancel-join-thread.items-still-flushed")
def test_nothing_is_lost_while_the_process_goes_on(mp):
    """After cancel_join_thread(), what was put before and after arrives as long as the process lives."""
    queue = mp.Queue()
    queue.put("x" * LARGE)
    queue.put("second")
    assert queue.cancel_join_thread() is None
    queue.put("last")
    found = [queue.get(timeout=mp.timeout) for _ in range(3)]
    assert equal(found, ["x" * LARGE, "second", "last"])


@requirement("queues.cancel-join-thread.in-one-process-only")
def test_cancel_join_thread_concerns_the_calling_process_alone(mp):
    """After cancel_join_thread() in the parent a child still flushes all that it has put."""
    queue = mp.Queue()
    queue.cancel_join_thread()
    process = _ending(mp, _put_large, queue)
    found = outcome_of(_get_within, queue, mp.timeout)
    process.join()
    assert equal(found, ("returned", [b"x" * LARGE, "end"]))


def _get_within(queue, timeout, count=2):
    return [queue.get(timeout=timeout) for _ in range(count)]


@requirement("queues.queue.no-task-done-and-join")
def test_queue_has_no_task_done_and_join(mp):
    """Queue lacks task_done() and join() of ``queue.Queue``."""
    queue = mp.Queue()
    assert [hasattr(queue, name) for name in ("task_done", "join")] == [False, False]


@requirement("queues.queue.no-shutdown")
def test_queue_has_no_shutdown(mp):
    """Queue lacks shutdown() of ``queue.Queue``."""
    assert not hasattr(mp.Queue(), "shutdown")


@requirement("queues.queue.methods-of-queue-queue")
def test_queue_has_the_methods_of_queue_queue(mp):
    """Queue has each other method of ``queue.Queue``."""
    queue = mp.Queue()
    names = ("qsize", "empty", "full", "put", "put_nowait", "get", "get_nowait")
    assert [name for name in names if not callable(getattr(queue, name, None))] == []


@requirement("queues.queue.exceptions-not-in-package")
def test_package_has_no_empty_and_full(mp):
    """The package has no names Empty and Full: they are imported from ``queue``."""
    assert [name for name in ("Empty", "Full") if hasattr(mp.package, name)] == []


@requirement("queues.queue.not-sent-through-connection")
def test_queue_is_shared_by_inheritance_alone(mp):
    """Sending a queue through a connection raises RuntimeError."""
    _receiver, sender = mp.Pipe(duplex=False)
    with raises(RuntimeError):
        sender.send(mp.Queue())


@requirement("queues.simple.not-sent-through-connection")
def test_simple_queue_is_shared_by_inheritance_alone(mp):
    """Sending a SimpleQueue through a connection raises RuntimeError."""
    _receiver, sender = mp.Pipe(duplex=False)
    with raises(RuntimeError):
        sender.send(mp.SimpleQueue())


def _use(_gate, queues, report):
    _put_on_each(queues, "item")
    report.send([queue.get() for queue in queues])


@requirement("queues.argument.outlives-parents-reference")
def test_child_keeps_a_queue_that_its_parent_dropped(mp):
    """Queues of each kind passed to a child work there, even if the parent has no references of its own."""
    reporter, report = mp.Pipe(duplex=False)
    gate, opener = mp.Pipe(duplex=False)
    process = mp.Process(
        target=_use,
        args=(Gate(gate), [mp.Queue(), mp.JoinableQueue(), mp.SimpleQueue()], report),
    )
    process.start()
    report.close()
    gc.collect()
    opener.send("the queues were dropped")
    assert reporter.recv() == ["item"] * 3
    process.join()


def _start_grandchild(mp, queues):
    run(mp, _put_on_each, queues, "from the grandchild")


def _put_on_each(queues, item):
    for queue in queues:
        queue.put(item)


@requirement("queues.argument.passed-on-to-grandchild")
def test_queue_can_be_passed_on(mp):
    """A child may pass the queues of each kind that it was given to a child of its own."""
    queues = [mp.Queue(), mp.JoinableQueue()]
    if hasattr(mp.package, "SimpleQueue"):  # multiprocessing.dummy has none
        queues.append(mp.SimpleQueue())
    process = mp.Process(target=_start_grandchild, args=(mp, queues))
    process.start()
    for queue in queues:
        assert queue.get() == "from the grandchild"
    process.join()


def _work(tasks, done):
    for function, arguments in iter(tasks.get, "STOP"):
        done.put(function(*arguments))


@requirement("queues.example.workers")
def test_workers_are_fed_through_a_queue(mp):
    """Workers take functions and arguments from one queue, and put the results on another."""
    tasks, done = mp.Queue(), mp.Queue()
    for number in range(20):
        tasks.put((pow, (number, 2)))
    workers = [mp.Process(target=_work, args=(tasks, done)) for _ in range(2)]
    for worker in workers:
        worker.start()
    results = _get_many(done, 20)
    for _ in workers:
        tasks.put("STOP")
    for worker in workers:
        worker.join()
    assert sorted(results) == [number**2 for number in range(20)]


# SimpleQueue


@requirement("queues.simple.put-parameter")
def test_parameter_of_put_of_a_simple_queue(mp):
    """SimpleQueue.put() takes its object by the name ``item``."""
    queue = mp.SimpleQueue()
    queue.put(item="by name")
    assert queue.get() == "by name"


@requirement("queues.simple.put-get")
def test_simple_queue_gives_what_was_put(mp):
    """SimpleQueue.get() gives, and removes, an object equal to the one that was put first."""
    queue = mp.SimpleQueue()
    assert queue.put([42, None, "hello"]) is None
    queue.put("second")
    assert [queue.get(), queue.get()] == [[42, None, "hello"], "second"]
    for each in (None, False, 0, "", b"", [], (), {}, _EqualToAll()):
        queue.put(each)
        queue.put("next")
        assert [queue.get(), queue.get()] == [each, "next"]


@requirement("queues.simple.from-child")
def test_child_puts_on_a_simple_queue(mp):
    """What a child puts on a SimpleQueue, its parent gets, large objects included."""
    queue = mp.SimpleQueue()
    process = mp.Process(target=_put_much, args=(queue,))
    process.start()
    assert _is_much(_get_much(queue))
    process.join()


@requirement("queues.simple.recreates-object")
def test_simple_queue_recreates_the_object(mp):
    """The object got from a SimpleQueue is another one, equal to that put; what is in it twice is so in both."""
    queue = mp.SimpleQueue()
    put = [["inner"]] * 2
    queue.put(put)
    got = queue.get()
    assert got == put
    assert got is not put
    assert got[0] is got[1] is not put[0]


@requirement("queues.simple.connection")
def test_connection_can_be_put_on_a_simple_queue(mp):
    """A connection that a child has put on a SimpleQueue connects the two."""
    assert _connections_got(mp)[1] == 42


@requirement("queues.simple.empty")
def test_simple_queue_tells_whether_it_is_empty(mp):
    """SimpleQueue.empty() is True exactly while there is nothing to get, though somebody waits for it.

    What put() has refused is not there.
    """
    queue = mp.SimpleQueue()
    with raises(Exception):
        queue.put(Unpicklable())
    found = [within(AT_ONCE, queue.empty)]
    queue.put("item")
    found.append(queue.empty())
    queue.get()
    found.append(queue.empty())
    caller = CallerThread(mp, queue, "get")
    caller.until_blocked()
    found.append(queue.empty())
    queue.put("next")
    assert caller.result() == "next"
    assert found == [True, False, True, True]


@requirement("queues.simple.get-blocks")
def test_get_from_a_simple_queue_blocks(mp):
    """SimpleQueue.get() waits until there is an item."""
    queue = mp.SimpleQueue()
    caller = CallerThread(mp, queue, "get")
    caller.until_blocked()
    queue.put("item")
    assert caller.result() == "item"


@requirement("queues.simple.exception-of-handler-comes-out")
def test_exception_of_a_signal_handler_comes_out_of_get_of_a_simple_queue(mp):
    """What a signal's handler raises comes out of a SimpleQueue.get() that waits; others get what is put then.

    One that returns does not end it.
    """
    _check_get_is_interrupted(mp, mp.SimpleQueue())


@requirement("queues.simple.many-producers-and-consumers")
def test_each_item_of_a_simple_queue_is_got_once(mp):
    """Of several processes, or threads, that get what several put on a SimpleQueue, one gets each item."""
    source, target = mp.SimpleQueue(), mp.SimpleQueue()
    process = mp.Process(target=_put_and_move, args=([(source, target)], "child"))
    process.start()
    here = threading.Thread(target=_put_and_move, args=([(source, target)], "parent"), daemon=True)
    here.start()
    items = _get_many(target, 200)
    for _ in range(2):
        source.put(None)
    process.join()
    here.join()
    assert sorted(items) == [(who, number) for who in ("child", "parent") for number in range(100)]
    items = _move_by_threads(mp.SimpleQueue(), mp.SimpleQueue())
    assert items == [(who, number) for who in range(3) for number in range(50)]


@requirement("queues.simple.large-by-several-at-once")
def test_several_use_a_simple_queue_for_large_items_at_once(mp):
    """Children and threads that put large items at once, and such as get them, do not mix them up.

    Nor are smaller items mixed up with them that others put meanwhile.
    """
    queue = mp.SimpleQueue()
    items, smaller = ["a" * LARGE, "b" * LARGE], ["c" * size for size in SIZES]
    putting = [Caller(mp, queue, "put", items[0]), CallerThread(mp, queue, "put", items[1])]
    until_all_blocked(putting)
    for item in smaller:
        putting.append(CallerThread(mp, queue, "put", item))
        with contextlib.suppress(AssertionError):  # it need not wait for the large ones
            putting[-1].until_blocked()
    assert equal(sorted(_get_many(queue, len(putting))), sorted([*items, *smaller]))
    for kinds in ([CallerThread, CallerThread], [CallerThread, Caller]):
        getting = [kind(mp, queue, "get") for kind in kinds]
        until_all_blocked(getting)
        for item in items:
            queue.put(item)
        assert equal(sorted(caller.result() for caller in getting), items)
    for caller in putting:
        caller.result()


@requirement("queues.simple.unpicklable-raises")
def test_simple_queue_refuses_what_cannot_be_pickled(mp):
    """SimpleQueue.put() of an object that can't be pickled raises, and puts nothing."""
    queue = mp.SimpleQueue()
    for error in _ERRORS:
        with raises(error):
            queue.put(Unpicklable(error))
        queue.put("next")
        assert queue.get() == "next"


@requirement("queues.simple.raises-what-unpickling-raises")
def test_get_of_a_simple_queue_raises_what_unpickling_raises(mp):
    """When an item can't be made again SimpleQueue.get() raises, and the next item can be got."""
    queue = mp.SimpleQueue()
    for error in _ERRORS:
        queue.put(_Unwelcome(error))
        queue.put("next")
        _refuses(error, queue.get)
        assert queue.get() == "next"


@requirement("queues.simple.unpickles-unlocked")
def test_nobody_waits_for_another_to_unpickle_from_a_simple_queue(mp):
    """While one thread unpickles an item of a SimpleQueue, another puts and gets."""
    _gets_while_another_unpickles(mp, mp.SimpleQueue())


@requirement("queues.simple.close-releases-resources")
def test_closing_a_simple_queue_releases_its_descriptors(mp):
    """After SimpleQueue.close() no descriptor of the queue is open; a child that was given it has fewer then."""
    kept = mp.SimpleQueue()  # whatever the first queue of a process starts is there now
    before = _descriptors()
    queue = mp.SimpleQueue()
    queue.put("item")
    queue.get()
    assert _descriptors() > before
    assert queue.close() is None
    assert _descriptors() == before
    assert kept.empty()
    assert _closed_by_child(mp)[0] is True


@observed_once
def _closed_by_child(mp):
    """What a child finds that has closed a SimpleQueue: that it has fewer descriptors, and what calls come to."""
    return ask(mp, _close_and_use, mp.SimpleQueue())


def _close_and_use(queue):
    queue.put("used")
    queue.get()
    queue.put("left, for a get() that is not refused")
    before = _descriptors()
    queue.close()
    fewer = _descriptors() < before
    calls = ((queue.empty,), (queue.get,), (queue.put, "item"))
    return fewer, [outcome_of(*call)[0] for call in calls]


@requirement("queues.simple.close-makes-empty-raise")
def test_empty_of_a_closed_simple_queue_raises_oserror(mp):
    """After close() of an unused SimpleQueue, a used one, and one with an item left, empty() raises OSError, twice.

    So it does in a child that has closed the queue that it was given.
    """
    for items, gets in (([], 0), ([1], 1), ([1, 2], 1), ([1], 0)):
        queue = mp.SimpleQueue()
        _put_all(queue, items)
        _get_many(queue, gets)
        queue.close()
        for _ in range(2):
            _refuses(OSError, queue.empty)
    assert _closed_by_child(mp)[1][0] == "OSError"


@requirement("queues.simple.close-refuses-use")
def test_closed_simple_queue_cannot_be_used(mp):
    """After SimpleQueue.close(), get() and put() raise, in a child, too; close() may be called again."""
    queue = mp.SimpleQueue()
    queue.close()
    with raises(Exception):
        queue.get()
    with raises(Exception):
        queue.put("item")
    queue.close()
    assert "returned" not in _closed_by_child(mp)[1][1:]


# JoinableQueue


@requirement("queues.joinable.is-queue")
def test_joinable_queue_is_a_queue(mp):
    """JoinableQueue is a subclass of Queue."""
    assert isinstance(mp.JoinableQueue(), type(mp.Queue()))


@requirement("queues.joinable.put-get")
def test_joinable_queue_gives_what_was_put(mp):
    """What a child puts on a JoinableQueue its parent gets, in order."""
    queue = mp.JoinableQueue()
    process = mp.Process(target=_put_all, args=(queue, [[42, None, "hello"], "second"]))
    process.start()
    assert _get_many(queue, 2) == [[42, None, "hello"], "second"]
    process.join()


def _put_on_three(queues):
    _, cancelled, late = queues
    cancelled.cancel_join_thread()
    for queue in queues:
        _put_much(queue)
    late.cancel_join_thread()


@requirement("queues.joinable.exit")
def test_child_ends_when_its_joinable_queues_are_flushed(mp):
    """No item of a child that ends is lost, though it does not wait for JoinableQueues with cancel_join_thread()."""
    queues = [mp.JoinableQueue() for _ in range(3)]
    process = _ending(mp, _put_on_three, queues)
    found = outcome_of(_get_within, queues[0], mp.timeout, MANY + 2)
    assert found[0] == "returned"
    assert _is_much(found[1])
    process.join()
    assert process.exitcode == 0


@requirement("queues.joinable.maxsize")
def test_joinable_queue_takes_a_maxsize(mp):
    """JoinableQueue(maxsize) takes that many items, JoinableQueue() any number, and so with a maxsize below 1."""
    for queue, maxsize in ((mp.JoinableQueue(1), 1), (mp.JoinableQueue(maxsize=300), 300)):
        for number in range(maxsize):
            queue.put_nowait(number)
        _refuses(mp.Full, queue.put_nowait, "too many")
        assert _get_many(queue, maxsize) == list(range(maxsize))
    for queue in (mp.JoinableQueue(), mp.JoinableQueue(0), mp.JoinableQueue(-1)):
        for number in range(400):
            queue.put_nowait(number)
        assert _get_many(queue, 400) == list(range(400))


@requirement("queues.joinable.put-waits-as-told")
def test_put_on_a_full_joinable_queue_waits_as_told(mp):
    """put() on a full JoinableQueue raises Full at once, or after its timeout, or waits; task_done() does not then.

    What waits to be put is no task yet. get() of an empty one raises Empty likewise.
    """
    queue = mp.JoinableQueue(1)
    queue.put("got")
    queue.get()
    queue.put("first")
    for arguments in ((False,), (False, AGES), (False, -1), (True, 0.01), (True, 0)):
        with raises(mp.Full):
            queue.put("refused", *arguments)
        with raises(mp.Empty):
            mp.JoinableQueue().get(*arguments)
    waits(lambda timeout: _refuses(mp.Full, queue.put, "refused", True, timeout))
    empty = mp.JoinableQueue()
    within(AT_ONCE, lambda: _refuses(mp.Empty, empty.get, False))
    within(AT_ONCE, lambda: _refuses(mp.Empty, empty.get_nowait))
    caller = CallerThread(mp, queue, "put", "second", 1, mp.timeout * 100)
    caller.until_blocked()
    for _ in range(2):
        queue.task_done()
    _refuses(ValueError, queue.task_done)
    assert queue.get() == "first"
    caller.result()
    assert queue.get() == "second"
    queue.task_done()


@requirement("queues.joinable.put-parameters")
def test_put_on_a_joinable_queue_takes_its_arguments_by_name(mp):
    """put() of a JoinableQueue takes obj, block and timeout, and put_nowait() obj, by these names and in this order."""
    queue = mp.JoinableQueue(3)
    queue.put(obj="by name", block=True, timeout=None)
    queue.put("in order", False, None)
    queue.put_nowait(obj="at once")
    with raises(mp.Full):
        queue.put(timeout=AGES, block=False, obj="refused")
    assert _get_many(queue, 3) == ["by name", "in order", "at once"]


@requirement("queues.joinable.refused-put-is-no-task")
def test_put_that_raised_full_is_no_task(mp):
    """After Full, join() waits for the items that were put before, and for nothing else."""
    queue = mp.JoinableQueue(1)
    queue.put("first")
    for arguments in ((False,), (True, 0.01)):
        with raises(mp.Full):
            queue.put("refused", *arguments)
    queue.get()
    queue.task_done()
    assert queue.join() is None
    with raises(ValueError):
        queue.task_done()


@requirement("queues.joinable.join-nothing-put")
def test_join_returns_when_nothing_was_put(mp):
    """join() of a queue on which nothing was put returns at once, giving None."""
    assert mp.JoinableQueue().join() is None


@requirement("queues.joinable.join-blocks-until-all-done")
def test_join_blocks_until_each_item_is_done(mp):
    """join() waits until task_done() was called once for each of six items, put before join() and since."""
    queue = mp.JoinableQueue()
    queue.put(0)
    caller = CallerThread(mp, queue, "join")
    caller.until_blocked()
    for number in range(1, 6):
        queue.put(number)
    assert _get_many(queue, 6) == list(range(6))
    for _ in range(5):
        caller.until_blocked()
        queue.task_done()
    caller.until_blocked()
    assert queue.task_done() is None
    assert caller.result() is None


@requirement("queues.joinable.get-is-not-done")
def test_get_alone_finishes_no_task(mp):
    """join() goes on waiting when all items were got but task_done() was not called; the queue is empty then."""
    queue = mp.JoinableQueue(1)
    queue.put(1)
    queue.get()
    assert (queue.qsize(), queue.empty(), queue.full()) == (0, True, False)
    caller = CallerThread(mp, queue, "join")
    caller.until_blocked()
    queue.task_done()
    caller.result()


@requirement("queues.joinable.join-after-all-done")
def test_join_returns_when_all_is_done(mp):
    """join() returns at once when task_done() was called for each item before."""
    queue = mp.JoinableQueue()
    for number in range(3):
        queue.put(number)
        queue.get()
        queue.task_done()
    assert queue.join() is None


@requirement("queues.joinable.put-counts-up-again")
def test_put_after_join_counts_again(mp):
    """An item put after the count fell to zero must be done before join() returns again."""
    queue = mp.JoinableQueue()
    for _ in range(2):
        queue.put("item")
        caller = CallerThread(mp, queue, "join")
        caller.until_blocked()
        queue.get()
        queue.task_done()
        caller.result()


@requirement("queues.joinable.every-put-counts")
def test_each_item_counts_however_it_is_put(mp):
    """Items put by put() in all its forms and by put_nowait(), None too, are one task each; get() does none."""
    queue = mp.JoinableQueue()
    queue.put(None)
    queue.put("at once", False)
    queue.put("in time", True, mp.timeout)
    queue.put_nowait("without waiting")
    items = [queue.get(), queue.get(True, mp.timeout), queue.get(timeout=mp.timeout)]
    _soon(mp, lambda: not queue.empty(), "an item in the queue")
    assert [*items, queue.get_nowait()] == [None, "at once", "in time", "without waiting"]
    for number in range(300):
        queue.put(number)
    for _ in range(304):
        queue.task_done()
    _refuses(ValueError, queue.task_done)


def _consume(queue):
    queue.put("its own")
    for _item in iter(queue.get, "its own"):
        queue.task_done()
    queue.task_done()
    _refuses(ValueError, queue.task_done)


@requirement("queues.joinable.join-waits-for-other-process")
def test_join_waits_for_a_consumer_in_another_process(mp):
    """join() waits, in each thread, until the process that gets the items has called task_done() for each.

    That puts one, too, and can't call it again.
    """
    queue = mp.JoinableQueue()
    for item in (1, 2, None):
        queue.put(item)
    callers = [CallerThread(mp, queue, "join") for _ in range(3)]
    until_all_blocked(callers)
    process = mp.Process(target=_consume, args=(queue,))
    process.start()
    for caller in callers:
        caller.result()
    process.join()
    assert process.exitcode == 0
    assert queue.empty()


@observed_once
def _joined(mp):
    """What each join() gives that waits while the last task is done: a child's, then those of a dozen threads."""
    queue = mp.JoinableQueue()
    queue.put("item")
    callers = [Caller(mp, queue, "join"), *(CallerThread(mp, queue, "join") for _ in range(12))]
    until_all_blocked(callers)
    queue.get()
    queue.task_done()
    return [caller.result() for caller in callers]


@requirement("queues.joinable.join-in-child")
def test_join_in_a_child_waits_for_its_parent(mp):
    """A child's join() waits until its parent has done the tasks."""
    assert _joined(mp)[0] is None


@requirement("queues.joinable.counts-items-of-all-processes")
def test_items_put_by_a_child_count(mp):
    """What a child has put is unfinished for its parent's join()."""
    queue = mp.JoinableQueue()
    process = mp.Process(target=_put_all, args=(queue, [1, 2]))
    process.start()
    assert _get_many(queue, 2) == [1, 2]
    process.join()
    caller = CallerThread(mp, queue, "join")
    caller.until_blocked()
    queue.task_done()
    queue.task_done()
    caller.result()


@requirement("queues.joinable.all-joiners-resume")
def test_every_join_resumes(mp):
    """When the count drops to zero, every join() that waits returns, a child's and that of each of a dozen threads."""
    assert _joined(mp) == [None] * 13


@requirement("queues.joinable.exception-of-handler-comes-out")
def test_exception_of_a_signal_handler_comes_out_of_join(mp):
    """What a signal's handler raises comes out of a join() that waits; others put, and finish tasks, after it.

    One that returns does not end it.
    """
    queue = mp.JoinableQueue()
    queue.put("item")
    with Interrupted(mp, raising=Interruption), raises(Interruption):
        queue.join()
    for method, *arguments in (("put", "another"), ("task_done",), ("task_done",), ("join",)):
        assert CallerThread(mp, queue, method, *arguments).result() is None
    assert queue.join() is None
    queue.put("last")
    with Interrupted(mp, queue.task_done) as handled:
        assert queue.join() is None
    assert handled
    assert _get_many(queue, 3) == ["item", "another", "last"]


@requirement("queues.joinable.task-done-too-often")
def test_task_done_raises_valueerror_when_called_too_often(mp):
    """task_done() raises ValueError when it is called more often than items were put; the queue stays usable."""
    queue = mp.JoinableQueue()
    with raises(ValueError):
        queue.task_done()
    queue.put("item")
    queue.get()
    queue.task_done()
    with raises(ValueError):
        queue.task_done()
    assert CallerThread(mp, queue, "join").result() is None


@requirement("queues.joinable.queue-methods")
def test_joinable_queue_ends_as_a_queue_does(mp):
    """A closed JoinableQueue raises ValueError whoever puts or gets, and its thread and its tasks can be joined."""
    empty, full = mp.JoinableQueue(), mp.JoinableQueue(1)
    full.put("item")
    _soon(mp, lambda: not full.empty(), "an item in the queue")
    for queue in (empty, full):
        queue.close()
        queue.join_thread()
        for arguments in ((), (False,), (True, 0.01)):
            _refuses(ValueError, queue.put, "item", *arguments)
            _refuses(ValueError, queue.get, *arguments)
        _refuses(ValueError, queue.put_nowait, "item")
        _refuses(ValueError, queue.get_nowait)
    assert empty.join() is None
    caller = CallerThread(mp, full, "join")
    caller.until_blocked()
    full.task_done()
    assert caller.result() is None


@requirement("queues.simple.empty-in-child")
def test_child_asks_whether_a_simple_queue_is_empty(mp):
    """empty() of a SimpleQueue tells a child what it tells the parent."""
    assert _simple_queue_in_child(mp)[:2] == [("returned", True), ("returned", False)]


@observed_once
def _simple_queue_in_child(mp):
    """What a child finds of a SimpleQueue, which its parent closes before the child gets what is in it."""
    queue = mp.SimpleQueue()
    return _found_by_child(mp, queue, queue.close)


@requirement("queues.simple.close-in-one-process-only")
def test_simple_queue_that_another_process_has_closed(mp):
    """A child gets what its parent has put on a SimpleQueue, and then closed it, and puts and gets more."""
    found = _simple_queue_in_child(mp)[2:]
    assert found == [("returned", each) for each in ("item", None, "its own")]
