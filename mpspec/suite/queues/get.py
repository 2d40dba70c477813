"""Tests of get() and get_nowait(), and of timeouts."""

import contextlib
import functools
import threading
import time

from mpspec.children import (
    AT_ONCE,
    HUGE,
    Caller,
    CallerThread,
    among_signals,
    by_a_bad_clock,
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
    LARGE,
    SHORT,
    Unwelcome,
    check_get_is_interrupted,
    get_many,
    gets_while_another_unpickles,
    put_all,
    put_numbers,
    refuses,
    soon,
)


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
    assert get_many(answers, 2) == ["beforebefore", "afterafter"]
    process.join()


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


@requirement("queues.get.first-in-first-out")
def test_first_put_is_first_got(mp):
    """Items of one process are got in the order in which they were put."""
    queue = mp.Queue()
    for number in range(200):
        queue.put(number)
    assert get_many(queue, 200) == list(range(200))


@requirement("queues.get.order-of-each-producer")
def test_items_of_each_producer_stay_in_order(mp):
    """The items of each of several processes arrive in the order in which it put them, on a queue of either kind."""
    queues = [mp.Queue(), mp.JoinableQueue()]
    process = mp.Process(target=_put_numbers_on_each, args=(queues, 1, 100))
    process.start()
    for queue in queues:
        items = [queue.get()]  # the child is at it
        put_numbers(queue, 0, 100)
        items += get_many(queue, 199)
        for producer in range(2):
            assert [item for item in items if item[0] == producer] == [
                (producer, number) for number in range(100)
            ]
    process.join()


def _put_numbers_on_each(queues, producer, count):
    for queue in queues:
        put_numbers(queue, producer, count)


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
    refuse = functools.partial(refuses, mp.Empty, queue.get, timeout=SHORT)
    refuse = functools.partial(by_a_bad_clock, refuse)
    within(ENOUGH, lambda: among_signals(refuse))
    refuses(mp.Empty, queue.get, True, Fraction(1, 100))


@requirement("queues.get.timeout-of-zero")
def test_get_with_a_timeout_of_zero_does_not_wait(mp):
    """get(True, 0) gives an item that is there, else raises Empty at once."""
    queue = mp.Queue()
    for zero in (0, 0.0):
        within(AT_ONCE, functools.partial(refuses, mp.Empty, queue.get, timeout=zero))
    queue.put("item")
    soon(mp, lambda: not queue.empty(), "an item in the queue")
    assert queue.get(True, 0) == "item"


@requirement("queues.timeout.negative")
def test_negative_timeout_does_not_wait(mp):
    """With a negative timeout get() of an empty queue, and put() on a full one, raise at once."""
    queue = mp.Queue(1)
    for timeout in (-1, -0.5):
        within(
            AT_ONCE, functools.partial(refuses, (mp.Empty, ValueError), queue.get, True, timeout)
        )
    queue.put("item")
    for timeout in (-1, -0.5):
        refuse = functools.partial(
            refuses, (mp.Full, ValueError), queue.put, "refused", True, timeout
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
    refuses(mp.Empty, queue.get, True, 0.05)
    refuses(mp.Empty, caller.result)


@requirement("queues.get.timeouts-do-not-add-up")
def test_timeouts_of_two_readers_do_not_add_up(mp):
    """get() with a timeout raises Empty in time though another thread's timeout runs as well."""
    queue = mp.Queue()
    within(0.075, lambda: _get_while_another_gets(mp, queue))


@requirement("queues.get.empty-raises-at-once-without-block")
def test_get_without_block_raises_empty_at_once(mp):
    """get(False), or with 0 for False, raises Empty when there is no item, and does not wait."""
    queue = mp.Queue()
    within(AT_ONCE, lambda: refuses(mp.Empty, queue.get, 0))
    within(AT_ONCE, lambda: refuses(mp.Empty, queue.get, False))
    within(AT_ONCE, lambda: refuses(mp.Empty, queue.get, block=False))


@requirement("queues.get.without-block-ignores-timeout")
def test_get_without_block_ignores_the_timeout(mp):
    """get(False, timeout) gives an item or raises Empty, and does not wait, be the timeout long or negative."""
    queue = mp.Queue()
    for timeout in (AGES, -1):
        refuses(mp.Empty, queue.get, False, timeout)
        refuses(mp.Empty, queue.get, block=False, timeout=timeout)
        queue.put("item")
        soon(mp, lambda: not queue.empty(), "an item in the queue")
        assert queue.get(False, timeout) == "item"


@requirement("queues.get.without-block-returns-item")
def test_get_without_block_gives_an_item_that_is_there(mp):
    """get(False) gives an item that has reached the queue."""
    queue = mp.Queue()
    queue.put("first")
    queue.put("second")
    soon(mp, lambda: not queue.empty(), "an item in the queue")
    assert queue.get(False) == "first"
    soon(mp, lambda: not queue.empty(), "an item in the queue")
    assert queue.get(block=False) == "second"


@requirement("queues.get-nowait")
def test_get_nowait_is_get_without_block(mp):
    """get_nowait() gives an item that is there, else raises Empty."""
    queue = mp.Queue()
    within(AT_ONCE, lambda: refuses(mp.Empty, queue.get_nowait))
    queue.put("item")
    soon(mp, lambda: not queue.empty(), "an item in the queue")
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
    soon(mp, lambda: any(caller.has_returned for caller in callers), "one reader back")
    waiting = [caller for caller in callers if not caller.has_returned]
    assert len(waiting) == count - 1
    until_all_blocked(waiting)
    put_all(queue, range(1, count))
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


@requirement("queues.get.unpickles-unlocked")
def test_nobody_waits_for_another_to_unpickle(mp):
    """While one thread unpickles an item, which it has waited for in whatever way or not, another puts and gets."""
    queue = mp.Queue()
    for arguments in ((), (True, mp.timeout * 100), (False,)):
        gets_while_another_unpickles(mp, queue, *arguments)


@requirement("queues.get.raises-what-unpickling-raises")
def test_get_raises_what_unpickling_raises(mp):
    """When an item can't be made again get() of a queue of either kind raises; it is gone, and its slot is free."""
    for queue in (mp.Queue(1), mp.JoinableQueue(1)):
        for way, error in (((), LookupError), ((True, mp.timeout), LookupError), ((), ValueError)):
            queue.put(Unwelcome(error))
            refuses(error, queue.get, *way)
            queue.put("next")
            assert queue.get(*way) == "next"


@requirement("queues.get.exception-of-handler-comes-out")
def test_exception_of_a_signal_handler_comes_out_of_get(mp):
    """What a signal's handler raises comes out of a get() that waits; others get what is put then.

    One that returns does not end it.
    """
    queue = mp.Queue()
    for arguments in ((), (True, mp.timeout * 100)):
        check_get_is_interrupted(mp, queue, *arguments)
