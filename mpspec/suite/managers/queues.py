"""Tests of SyncManager's queues and pools."""

import functools
import queue
import time

from mpspec.children import ChildError, observed_once, outcome_of, raises, run, waits
from mpspec.marks import requirement
from mpspec.suite.managers.helpers import put_all


@requirement("managers.queue.fifo")
def test_queue_is_first_in_first_out(manager, companion):
    """Items that another process puts come out here in their order."""
    shared = manager.Queue()
    companion.ask(put_all, shared, 1, "two", None)
    assert [shared.get() for _ in range(3)] == [1, "two", None]


@requirement("managers.queue.get-blocks")
def test_queue_get_blocks(mp, manager, companion):
    """``get`` waits for an item, also within a timeout."""
    shared = manager.Queue()
    for arguments in ((), (True, mp.timeout * 100), (True, None)):
        companion.call(shared, "get", *arguments).until_blocked()
        shared.put("item")
        assert companion.result() == "item"


@requirement("managers.queue.put-blocks")
def test_queue_put_blocks(mp, manager, companion):
    """``put`` to a full queue waits until there is room, also within a timeout."""
    shared = manager.Queue(1)
    for arguments in ((), (True, mp.timeout * 100), (True, None)):
        shared.put("first")
        companion.call(shared, "put", "second", *arguments).until_blocked()
        assert shared.get() == "first"
        assert companion.result() is None
        assert shared.get_nowait() == "second"


@requirement("managers.queue.maxsize")
def test_queue_maxsize(mp, manager):
    """A queue of a given size takes no more items: ``put`` waits, or raises Full."""
    shared = manager.Queue(1)
    shared.put(1)
    assert shared.full() is True
    with raises(mp.Full):
        shared.put_nowait(2)
    for arguments in ((True, 0.01), (True, 0), (False,), (False, 0.01), (False, -1)):
        with raises(mp.Full):
            shared.put(2, *arguments)
    with raises(mp.Full):
        shared.put(item=2, block=True, timeout=0.01)
    assert waits(functools.partial(outcome_of, shared.put, 2, True))[0] == "Full"
    with raises(mp.Full):
        shared.put(2, block=False)
    with raises(ValueError):
        shared.put(2, True, -1)
    assert shared.get() == 1
    shared = manager.Queue(2)
    shared.put(1)
    shared.put_nowait(2)
    assert shared.full() is True


@requirement("managers.queue.unbounded")
def test_queue_without_maxsize(manager):
    """Without a size, or with one that is not positive, a queue takes any number of items."""
    for shared in (manager.Queue(), manager.Queue(0), manager.Queue(-1)):
        for number in range(50):
            shared.put_nowait(number)
        assert shared.full() is False
        assert shared.qsize() == 50


@requirement("managers.queue.empty")
def test_queue_empty(mp, manager):
    """Getting from an empty queue raises Empty: at once without blocking, and after the timeout."""
    shared = manager.Queue()
    with raises(mp.Empty):
        shared.get_nowait()
    for arguments in ((True, 0.01), (True, 0), (False,), (False, 0.01), (False, -1)):
        with raises(mp.Empty):
            shared.get(*arguments)
    with raises(mp.Empty):
        shared.get(block=True, timeout=0.01)
    assert waits(functools.partial(outcome_of, shared.get, True))[0] == "Empty"
    with raises(ValueError):
        shared.get(True, -1)


@requirement("managers.queue.put-visible-at-once")
def test_queue_put_is_visible_at_once(manager):
    """An item can be seen as soon as ``put`` has returned, until it is got."""
    shared = manager.Queue()
    assert shared.empty() is True
    for number in range(20):
        shared.put(number)
        assert shared.empty() is False
        assert shared.qsize() == 1
        assert shared.get_nowait() == number
        assert shared.empty() is True


@requirement("managers.queue.join")
def test_queue_join(manager, companion):
    """``join`` waits until ``task_done`` was called for every item."""
    shared = manager.Queue()
    for _ in range(2):
        shared.put("task")
    companion.call(shared, "join").until_blocked()
    for _ in range(2):
        assert shared.get() == "task"
        companion.until_blocked()
        shared.task_done()
    assert companion.result() is None
    with raises(ValueError):
        shared.task_done()
    # That is not counted, and there is something to wait for again.
    shared.put("task")
    companion.call(shared, "join").until_blocked()
    assert shared.get() == "task"
    shared.task_done()
    assert companion.result() is None


@requirement("managers.queue.shutdown")
def test_queue_shutdown(manager, companion):
    """A queue that was shut down takes no more, and gives what is left in it; at once, it gives nothing.

    Who waits to put or to get gets ShutDown, and who waits for the end of all tasks need not wait for what is lost.
    """
    shared, drained = manager.Queue(), manager.Queue()
    shared.put("left")
    drained.put("lost")
    shared.shutdown()
    with raises(queue.ShutDown):
        shared.put("late")
    assert shared.get() == "left"
    with raises(queue.ShutDown):
        shared.get()
    drained.shutdown(immediate=True)
    with raises(queue.ShutDown):
        drained.get()
    assert drained.qsize() == 0
    for size, method, args, immediate in (
        (1, "put", (2,), False),
        (0, "get", (), False),
        (0, "get", (), True),
    ):
        shared = manager.Queue(size)
        if size:
            shared.put(1)
        companion.call(shared, method, *args).until_blocked()
        shared.shutdown(immediate)
        with raises(ChildError) as raised:
            companion.result()
        assert raised.value.name == "ShutDown"
    shared = manager.Queue()
    shared.put("lost")
    companion.call(shared, "join").until_blocked()
    shared.shutdown(immediate=True)
    assert companion.result() is None


def _use_pool(pool):
    assert pool.apply(abs, (-3,)) == 3
    assert pool.apply(int, ("ff",), {"base": 16}) == 255
    assert pool.apply_async(int, ("ff",), {"base": 16}).get() == 255
    assert pool.map(abs, [-1, 2]) == [1, 2]
    assert pool.starmap(pow, [(2, 3)]) == [8]
    for method in (pool.imap, pool.imap_unordered):
        assert method(abs, [-1, 2]) is not None  # what goes on in the server stays there
    result = pool.apply_async(abs, (-3,))
    result.wait()
    assert (result.ready(), result.successful(), result.get()) == (True, True, 3)
    assert pool.map_async(abs, [-1]).get() == [1]
    assert pool.starmap_async(pow, [(2, 3)]).get() == [8]


_noted = []


def _note_in_worker(*args):
    _noted.append(args)


def _noted_in_worker():
    return _noted


def _use_closed_pool(pool):
    assert pool.apply(_noted_in_worker) == [("one", 2)]
    result = pool.apply_async(abs, (-3,))
    pool.close()
    pool.join()
    assert result.get() == 3
    pool.terminate()


@observed_once
def _pools_of_a_manager(mp):
    """What comes of a pool that is used in its with block, of a task after that, and of a pool that is closed."""
    manager = mp.Manager()  # of its own: a server that starts processes may keep a fork server
    with manager.Pool(1) as pool:
        used = outcome_of(_use_pool, pool)
    left = outcome_of(pool.apply, abs, (-3,))
    pool.join()
    closed = outcome_of(_use_closed_pool, manager.Pool(1, _note_in_worker, ("one", 2)))
    manager.shutdown()
    return used, left, closed


@requirement("managers.pool")
def test_pool(mp):
    """A Pool's proxy calls the methods of a pool in the server; what is to come is a proxy, too."""
    used, _, closed = _pools_of_a_manager(mp)
    assert (used, closed) == (("returned", None), ("returned", None))


@requirement("managers.pool.left")
def test_pool_after_its_block(mp):
    """A Pool's proxy takes no task after its with block."""
    _, (kind, _), _ = _pools_of_a_manager(mp)
    assert kind == "ValueError"


@requirement("managers.pool.terminated")
def test_pool_terminated(mp):
    """A task that would go on is stopped in the server, or join() would not return within the test's deadline."""
    manager = mp.Manager()  # of its own, as above
    first, second = manager.Pool(1), manager.Pool(1)
    with first:
        first.apply_async(time.sleep, (10 * mp.timeout,))
    with raises(LookupError), second:
        second.apply_async(time.sleep, (10 * mp.timeout,))
        raise LookupError
    first.join()
    second.join()
    manager.shutdown()


@requirement("managers.pool.iterators")
def test_iterators_of_a_pool(mp):
    """What a Pool's proxy gives for ``imap`` and ``imap_unordered`` is iterated over."""
    manager = mp.Manager()
    with manager.Pool(1) as pool:
        assert list(pool.imap(abs, [-1, 2])) == [1, 2]
        assert list(pool.imap_unordered(abs, [-1])) == [1]
    manager.shutdown()


@requirement("managers.queue.putter-may-exit")
def test_queue_does_not_hold_its_putters(mp, manager):
    """A process that has put many items can end before anybody gets them."""
    shared = manager.Queue()
    process = run(mp, put_all, shared, "x" * 100_000, "y" * 100_000)
    assert process.exitcode == 0
    assert shared.qsize() == 2
