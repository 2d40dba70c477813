"""Tests of maxsize, qsize(), empty() and full()."""

from mpspec.children import (
    AT_ONCE,
    CallerThread,
    ask,
    outcome_of,
    raises,
    run,
    within,
)
from mpspec.marks import requirement
from mpspec.suite.queues.helpers import (
    found_by_child,
    full_queue,
    get_many,
    put_all,
    put_amid_put,
    refuses,
    soon,
)


@requirement("queues.maxsize.unbounded-by-default")
def test_queue_without_maxsize_takes_any_number(mp):
    """A queue made without maxsize is not full after a thousand items that nobody gets."""
    queue = mp.Queue()
    for number in range(1000):
        queue.put_nowait(number)
    assert queue.full() is False
    assert get_many(queue, 1000) == list(range(1000))


@requirement("queues.maxsize.zero-or-less-is-unbounded")
def test_maxsize_of_zero_or_less_is_no_bound(mp):
    """A queue with a maxsize of 0 or -1 takes any number of items."""
    for maxsize in (0, -1):
        queue = mp.Queue(maxsize)
        for number in range(100):
            queue.put_nowait(number)
        assert queue.full() is False
        assert get_many(queue, 100) == list(range(100))


@requirement("queues.maxsize.bounds-the-items")
def test_maxsize_is_how_many_items_the_queue_takes(mp):
    """A queue takes as many items as its maxsize says, and no more."""
    for queue, maxsize in ((mp.Queue(3), 3), (mp.Queue(maxsize=300), 300)):
        for number in range(maxsize):
            queue.put_nowait(number)
        refuses(mp.Full, queue.put_nowait, "too many")
        assert get_many(queue, maxsize) == list(range(maxsize))


@requirement("queues.maxsize.bounds-the-items")
def test_maxsize_bounds_what_two_put_at_the_same_time(mp):
    """Of two threads that put on a queue of either kind with one free slot, at any step of the one, one is refused."""
    queues = mp.Queue(1), mp.JoinableQueue(1)
    for number in range(1, 41):
        for queue in queues:
            outcomes = put_amid_put(mp, queue, number, block=False)
            assert outcomes.count("returned") == 1
            assert set(outcomes) <= {"returned", "Full"}
            queue.get()


@requirement("queues.maxsize.get-frees-slot")
def test_each_get_frees_a_slot(mp):
    """After a get(), however it waits, one more item can be put, and only one."""
    for bound in (1, 2):
        queue = full_queue(mp, bound)
        for number, way in enumerate(((), (True, mp.timeout), (False,))):
            soon(mp, lambda queue=queue: not queue.empty(), "an item in the queue")
            assert queue.get(*way) == number
            queue.put_nowait(number + bound)
            with raises(mp.Full):
                queue.put_nowait("too many")
        assert get_many(queue, bound) == [3, 4][:bound]


@requirement("queues.maxsize.holds-for-all-processes")
def test_all_processes_share_the_bound(mp):
    """A child finds full what its parent has filled, and the slot that it frees is the parent's.

    However it puts; so it finds empty what is, of either kind.
    """
    pairs = [(kind(2), kind()) for kind in (mp.Queue, mp.JoinableQueue)]
    for queue, _ in pairs:
        put_all(queue, [0, 1])
    refusals = ["Full"] * 4 + ["Empty"] * 4
    assert ask(mp, _refusals_then_get, pairs) == [(refusals, 0)] * 2
    for queue, _ in pairs:
        queue.put_nowait("new")
        assert get_many(queue, 2) == [1, "new"]


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
    assert get_many(queue, 300) == list(range(300))


@requirement("queues.qsize-and-full-in-child")
def test_child_sees_how_much_there_is(mp):
    """qsize() and full() in a child count what its parent has put, and in the parent what the child has put or got."""
    queue, other, joinable = full_queue(mp, 2), full_queue(mp, 3), mp.JoinableQueue(2)
    assert other.get() == 0
    _put_two(joinable)
    assert ask(mp, _size_of_each, queue, other, joinable) == [(2, True), (2, False), (2, True)]
    assert get_many(queue, 2) == [0, 1]
    assert get_many(other, 2) == get_many(joinable, 2) == [1, 2]
    queue = mp.Queue(2)
    run(mp, _put_two, queue)
    assert _size_of_each(queue) == [(2, True)]
    assert ask(mp, get_many, queue, 1) == [1]
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
    soon(mp, lambda: queue.empty() is False, "empty() False")
    assert queue.get() == "item"


@requirement("queues.empty.in-child")
def test_child_asks_whether_a_queue_is_empty(mp):
    """empty() of a Queue tells a child what it tells the parent."""
    found = found_by_child(mp, mp.Queue())
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
        assert get_many(queue, maxsize - 1) == list(range(1, maxsize))


@requirement("queues.full.no-slot")
def test_full_is_true_when_no_slot_is_free(mp):
    """full() is True when the queue holds maxsize items."""
    for queue, items in ((mp.Queue(1), [0]), (mp.Queue(2), [0, 1]), (mp.JoinableQueue(2), [0, 1])):
        put_all(queue, items)
        soon(mp, lambda: queue.full() is True, "full() True")  # noqa: B023 - called at once
        assert get_many(queue, len(items)) == items
