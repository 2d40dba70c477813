"""Tests of SimpleQueue."""

import contextlib
import threading

from mpspec.children import (
    AT_ONCE,
    Caller,
    CallerThread,
    Unpicklable,
    ask,
    equal,
    observed_once,
    outcome_of,
    raises,
    until_all_blocked,
    within,
)
from mpspec.marks import requirement
from mpspec.suite.queues.helpers import (
    ERRORS,
    LARGE,
    SIZES,
    EqualToAll,
    Unwelcome,
    check_get_is_interrupted,
    connections_got,
    found_by_child,
    get_many,
    get_much,
    gets_while_another_unpickles,
    is_much,
    move_by_threads,
    open_descriptors,
    put_all,
    put_and_move,
    put_much,
    refuses,
)


@requirement("queues.simple.not-sent-through-connection")
def test_simple_queue_is_shared_by_inheritance_alone(mp):
    """Sending a SimpleQueue through a connection raises RuntimeError."""
    _receiver, sender = mp.Pipe(duplex=False)
    with raises(RuntimeError):
        sender.send(mp.SimpleQueue())


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
    for each in (None, False, 0, "", b"", [], (), {}, EqualToAll()):
        queue.put(each)
        queue.put("next")
        assert [queue.get(), queue.get()] == [each, "next"]


@requirement("queues.simple.from-child")
def test_child_puts_on_a_simple_queue(mp):
    """What a child puts on a SimpleQueue, its parent gets, large objects included."""
    queue = mp.SimpleQueue()
    process = mp.Process(target=put_much, args=(queue,))
    process.start()
    assert is_much(get_much(queue))
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
    assert connections_got(mp)[1] == 42


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
    check_get_is_interrupted(mp, mp.SimpleQueue())


@requirement("queues.simple.many-producers-and-consumers")
def test_each_item_of_a_simple_queue_is_got_once(mp):
    """Of several processes, or threads, that get what several put on a SimpleQueue, one gets each item."""
    source, target = mp.SimpleQueue(), mp.SimpleQueue()
    process = mp.Process(target=put_and_move, args=([(source, target)], "child"))
    process.start()
    here = threading.Thread(target=put_and_move, args=([(source, target)], "parent"), daemon=True)
    here.start()
    items = get_many(target, 200)
    for _ in range(2):
        source.put(None)
    process.join()
    here.join()
    assert sorted(items) == [(who, number) for who in ("child", "parent") for number in range(100)]
    items = move_by_threads(mp.SimpleQueue(), mp.SimpleQueue())
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
    assert equal(sorted(get_many(queue, len(putting))), sorted([*items, *smaller]))
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
    for error in ERRORS:
        with raises(error):
            queue.put(Unpicklable(error))
        queue.put("next")
        assert queue.get() == "next"


@requirement("queues.simple.raises-what-unpickling-raises")
def test_get_of_a_simple_queue_raises_what_unpickling_raises(mp):
    """When an item can't be made again SimpleQueue.get() raises, and the next item can be got."""
    queue = mp.SimpleQueue()
    for error in ERRORS:
        queue.put(Unwelcome(error))
        queue.put("next")
        refuses(error, queue.get)
        assert queue.get() == "next"


@requirement("queues.simple.unpickles-unlocked")
def test_nobody_waits_for_another_to_unpickle_from_a_simple_queue(mp):
    """While one thread unpickles an item of a SimpleQueue, another puts and gets."""
    gets_while_another_unpickles(mp, mp.SimpleQueue())


@requirement("queues.simple.close-releases-resources")
def test_closing_a_simple_queue_releases_its_descriptors(mp):
    """After SimpleQueue.close() no descriptor of the queue is open; a child that was given it has fewer then."""
    kept = mp.SimpleQueue()  # whatever the first queue of a process starts is there now
    before = open_descriptors()
    queue = mp.SimpleQueue()
    queue.put("item")
    queue.get()
    assert open_descriptors() > before
    assert queue.close() is None
    assert open_descriptors() == before
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
    before = open_descriptors()
    queue.close()
    fewer = open_descriptors() < before
    calls = ((queue.empty,), (queue.get,), (queue.put, "item"))
    return fewer, [outcome_of(*call)[0] for call in calls]


@requirement("queues.simple.close-makes-empty-raise")
def test_empty_of_a_closed_simple_queue_raises_oserror(mp):
    """After close() of an unused SimpleQueue, a used one, and one with an item left, empty() raises OSError, twice.

    So it does in a child that has closed the queue that it was given.
    """
    for items, gets in (([], 0), ([1], 1), ([1, 2], 1), ([1], 0)):
        queue = mp.SimpleQueue()
        put_all(queue, items)
        get_many(queue, gets)
        queue.close()
        for _ in range(2):
            refuses(OSError, queue.empty)
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


@requirement("queues.simple.empty-in-child")
def test_child_asks_whether_a_simple_queue_is_empty(mp):
    """empty() of a SimpleQueue tells a child what it tells the parent."""
    assert _simple_queue_in_child(mp)[:2] == [("returned", True), ("returned", False)]


@observed_once
def _simple_queue_in_child(mp):
    """What a child finds of a SimpleQueue, which its parent closes before the child gets what is in it."""
    queue = mp.SimpleQueue()
    return found_by_child(mp, queue, queue.close)


@requirement("queues.simple.close-in-one-process-only")
def test_simple_queue_that_another_process_has_closed(mp):
    """A child gets what its parent has put on a SimpleQueue, and then closed it, and puts and gets more."""
    found = _simple_queue_in_child(mp)[2:]
    assert found == [("returned", each) for each in ("item", None, "its own")]
