"""Tests of close() and join_thread()."""

import contextlib
import gc
import io
import os
import sys
import threading

from mpspec.children import (
    CallerThread,
    ask,
    observed_once,
    outcome_of,
    raises,
    until_all_blocked,
)
from mpspec.marks import requirement
from mpspec.suite.queues.helpers import (
    LARGE,
    MANY,
    get_much,
    is_much,
    open_descriptors,
    put_amid_put,
    put_much,
    refuses,
    soon,
)


def _closed_queues(mp, kind):
    """Queues that were closed: one never used, one used up, one that still holds an item, and is full."""
    unused, used, left = kind(), kind(), kind(1)
    used.put("item")
    assert used.get() == "item"
    left.put("item")
    soon(mp, lambda: not left.empty(), "an item in the queue")
    for queue in (unused, used, left):
        queue.close()
    return unused, used, left


@requirement("queues.close.put-raises-valueerror")
def test_put_on_a_closed_queue_raises_valueerror(mp):
    """After close(), put() and put_nowait() raise ValueError, whether the queue was used or not."""
    for queue in _closed_queues(mp, mp.Queue):
        refuses(ValueError, queue.put, "item")
        refuses(ValueError, queue.put, "item", False)
        refuses(ValueError, queue.put, "item", timeout=0.01)
        refuses(ValueError, queue.put_nowait, "item")


@requirement("queues.close.get-raises-valueerror")
def test_get_from_a_closed_queue_raises_valueerror(mp):
    """After close(), get() and get_nowait() raise ValueError, waiting or not, items left or not."""
    for queue in _closed_queues(mp, mp.Queue):
        refuses(ValueError, queue.get)
        refuses(ValueError, queue.get, True, 0.01)
        refuses(ValueError, queue.get, False)
        refuses(ValueError, queue.get_nowait)


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
            soon(mp, lambda: not queue.empty(), "an item in the queue")  # noqa: B023 - called at once
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
        refuses(ValueError, queue.put, "item")
    assert queue.close() is None


def _get_when_told(queue, told, report):
    told.recv()
    report.send(is_much(get_much(queue)))


def _get_of_each_when_told(queues, told, report, timeout):
    report.send("ready")
    told.recv()
    report.send([outcome_of(_gets_much_within, queue, timeout) for queue in queues])


def _gets_much_within(queue, timeout):
    return is_much([queue.get(timeout=timeout) for _ in range(MANY + 2)])


@observed_once
def _got_of_closed_and_dropped(mp):
    """What a child gets of a queue that its parent has closed, and of one that it has dropped, with much on them.

    The first is a bounded one, with slots enough. Then of a JoinableQueue that was closed.
    """
    closed, dropped, joinable = mp.Queue(2 * MANY), mp.Queue(), mp.JoinableQueue()
    told, tell = mp.Pipe(duplex=False)
    reporter, report = mp.Pipe(duplex=False)
    process = mp.Process(
        target=_get_of_each_when_told, args=((closed, dropped, joinable), told, report, mp.timeout)
    )
    process.start()
    reporter.recv()
    for queue in (closed, dropped, joinable):
        put_much(queue)
    for queue in (closed, joinable):
        queue.close()
    del queue, dropped
    gc.collect()
    tell.send("get them")
    found = reporter.recv()
    for queue in (closed, joinable):
        queue.join_thread()
    process.join()
    return found


@requirement("queues.close.buffered-items-arrive")
def test_items_put_before_close_arrive(mp):
    """What was put on a queue of either kind before close() is flushed: another process gets all of it."""
    closed, _, joinable = _got_of_closed_and_dropped(mp)
    assert [closed, joinable] == [("returned", True)] * 2


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
    """When a queue, bounded or not, was closed, and all that was put on it is flushed, its descriptors go.

    So do a JoinableQueue's, and so they do in a child that was given the queue.
    """
    # Whatever the first queue of a process starts is there now.
    kept = [_used_up(kind, maxsize) for kind in (mp.Queue, mp.JoinableQueue) for maxsize in (0, 2)]
    for maxsize in (0, 2):
        before = open_descriptors()
        queue = _used_up(mp.Queue, maxsize)
        count = len(open_descriptors()) - len(before)
        assert open_descriptors() > before
        queue.close()
        soon(mp, lambda: open_descriptors() == before, "its descriptors closed")  # noqa: B023 - called at once
        _close_joinable(mp, maxsize, count)
    _close_in_a_child(mp, use=True)
    assert [each.empty() for each in kept] == [True] * 4


def _used_up(kind, maxsize):
    queue = kind(maxsize)
    queue.put("item")
    assert queue.get() == "item"
    return queue


def _close_joinable(mp, maxsize, count):
    """Check that a closed JoinableQueue has no more descriptors than it had beyond a Queue's: it still counts tasks."""
    before = len(open_descriptors())
    queue = _used_up(mp.JoinableQueue, maxsize)
    more = max(len(open_descriptors()) - before - count, 0)
    queue.close()
    soon(mp, lambda: len(open_descriptors()) <= before + more, "its descriptors closed")


def _close_in_a_child(mp, *, use):
    """Check that a child which closes the queues that it was given, used there or not, has none of their files open."""
    before = _open_files()
    queues = [mp.Queue(maxsize) for maxsize in (0, 2)]
    ask(mp, _use_and_close, mp, queues, _open_files() - before, use)


def _use_and_close(mp, queues, files, use):
    assert _open_files() & files
    for queue in queues:
        if use:
            queue.put("item")
            assert queue.get() == "item"
        queue.close()
        queue.join_thread()
    soon(mp, lambda: not _open_files() & files, "their descriptors closed")


def _open_files():
    """What the open descriptors are of: tells those of a queue from others in each process that has it."""
    files = set()
    for each in open_descriptors():
        with contextlib.suppress(OSError):  # the listing's own descriptor is closed
            status = os.fstat(int(each))
            files.add((status.st_dev, status.st_ino))
    return files


@requirement("queues.close.releases-descriptors-unused")
def test_closed_queue_on_which_nothing_was_put_has_no_descriptors(mp):
    """The descriptors of a queue, bounded or not, on which this process has put nothing go when it is closed.

    So they do in a child that was given it.
    """
    # Whatever the first queue of a process starts is there now.
    kept = [mp.Queue(maxsize) for maxsize in (0, 2)]
    for maxsize in (0, 2):
        before = open_descriptors()
        queue = mp.Queue(maxsize)
        assert open_descriptors() > before
        queue.close()
        queue.join_thread()
        # Nothing was put: there is nothing to be flushed first, and nobody to wait for.
        assert open_descriptors() == before
    _close_in_a_child(mp, use=False)
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
    put_much(queue)
    queue.close()
    tell.send("get them")
    assert reporter.recv() is True
    soon(mp, lambda: set(threading.enumerate()) <= before, "the thread gone")
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
            assert put_amid_put(mp, queue, number, block=True) == ["returned"] * 2
            got = [queue.get(timeout=mp.timeout) for _ in range(2)]
            assert sorted(got) == ["another's", "item"]
            queue.close()
            queue.join_thread()
            soon(mp, lambda: set(threading.enumerate()) <= before, "its threads gone")


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
    threads, descriptors = set(threading.enumerate()), open_descriptors()
    queue = kind()
    queue.put("item")
    assert queue.get() == "item"
    assert open_descriptors() > descriptors
    del queue
    gc.collect()
    soon(mp, lambda: set(threading.enumerate()) <= threads, "its thread gone")
    soon(mp, lambda: open_descriptors() <= descriptors, "its descriptors closed")


def _use_and_drop_each(mp, queues):
    """In a child that was given queues: check that nothing is left of each that it drops, all but the first."""
    queues[0].put("item")
    queues[0].get()
    threads = set(threading.enumerate())
    while len(queues) > 1:
        queues[-1].put("item")
        assert queues[-1].get() == "item"
        descriptors = open_descriptors()
        queues.pop()
        gc.collect()
        soon(mp, lambda: set(threading.enumerate()) <= threads, "its thread gone")
        soon(mp, lambda: open_descriptors() < descriptors, "its descriptors closed")  # noqa: B023 - called at once


def _put_join_and_vanish(queues):
    for queue in queues:
        put_much(queue)
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
        assert is_much(get_much(queue))
    process.join()


@requirement("queues.join-thread.waits-in-creator")
def test_join_thread_waits_in_the_creator_of_the_queue(mp):
    """join_thread() in the process that has made the queue waits until all is flushed, too, be it one large item.

    And until the thread that has done so has ended. A queue of either kind.
    """
    before = set(threading.enumerate())
    queue, other = mp.Queue(), mp.JoinableQueue()
    told, tell = mp.Pipe(duplex=False)
    reporter, report = mp.Pipe(duplex=False)
    process = mp.Process(target=_get_from_both_when_told, args=(queue, other, told, report))
    process.start()
    put_much(queue)
    other.put("x" * LARGE)
    soon(mp, lambda: not other.empty(), "a part of the item in the queue")
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
    report.send(is_much(get_much(queue)) and other.get() == "x" * LARGE)


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
