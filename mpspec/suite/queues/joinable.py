"""Tests of JoinableQueue."""

from mpspec.children import (
    AT_ONCE,
    Caller,
    CallerThread,
    Interrupted,
    Interruption,
    observed_once,
    outcome_of,
    raises,
    until_all_blocked,
    waits,
    within,
)
from mpspec.marks import requirement
from mpspec.suite.queues.helpers import (
    AGES,
    MANY,
    ending,
    get_many,
    get_within,
    is_much,
    moved_by_several,
    put_all,
    put_much,
    refuses,
    soon,
)


@requirement("queues.joinable.counts-items-of-all-processes")
def test_tasks_of_several_processes_at_once(mp):
    """Each item, and each task_done(), counts that several processes put, or call, at the same time."""
    # All moved items are tasks of the second queue; of the first there are but the words that it was all.
    assert moved_by_several(mp)[2] == [2, 300]


@requirement("queues.joinable.is-queue")
def test_joinable_queue_is_a_queue(mp):
    """JoinableQueue is a subclass of Queue."""
    assert isinstance(mp.JoinableQueue(), type(mp.Queue()))


@requirement("queues.joinable.put-get")
def test_joinable_queue_gives_what_was_put(mp):
    """What a child puts on a JoinableQueue its parent gets, in order."""
    queue = mp.JoinableQueue()
    process = mp.Process(target=put_all, args=(queue, [[42, None, "hello"], "second"]))
    process.start()
    assert get_many(queue, 2) == [[42, None, "hello"], "second"]
    process.join()


def _put_on_three(queues):
    _, cancelled, late = queues
    cancelled.cancel_join_thread()
    for queue in queues:
        put_much(queue)
    late.cancel_join_thread()


@requirement("queues.joinable.exit")
def test_child_ends_when_its_joinable_queues_are_flushed(mp):
    """No item of a child that ends is lost, though it does not wait for JoinableQueues with cancel_join_thread()."""
    queues = [mp.JoinableQueue() for _ in range(3)]
    process = ending(mp, _put_on_three, queues)
    found = outcome_of(get_within, queues[0], mp.timeout, MANY + 2)
    assert found[0] == "returned"
    assert is_much(found[1])
    process.join()
    assert process.exitcode == 0


@requirement("queues.joinable.maxsize")
def test_joinable_queue_takes_a_maxsize(mp):
    """JoinableQueue(maxsize) takes that many items, JoinableQueue() any number, and so with a maxsize below 1."""
    for queue, maxsize in ((mp.JoinableQueue(1), 1), (mp.JoinableQueue(maxsize=300), 300)):
        for number in range(maxsize):
            queue.put_nowait(number)
        refuses(mp.Full, queue.put_nowait, "too many")
        assert get_many(queue, maxsize) == list(range(maxsize))
    for queue in (mp.JoinableQueue(), mp.JoinableQueue(0), mp.JoinableQueue(-1)):
        for number in range(400):
            queue.put_nowait(number)
        assert get_many(queue, 400) == list(range(400))


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
    waits(lambda timeout: refuses(mp.Full, queue.put, "refused", True, timeout))
    empty = mp.JoinableQueue()
    within(AT_ONCE, lambda: refuses(mp.Empty, empty.get, False))
    within(AT_ONCE, lambda: refuses(mp.Empty, empty.get_nowait))
    caller = CallerThread(mp, queue, "put", "second", 1, mp.timeout * 100)
    caller.until_blocked()
    for _ in range(2):
        queue.task_done()
    refuses(ValueError, queue.task_done)
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
    assert get_many(queue, 3) == ["by name", "in order", "at once"]


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
    assert get_many(queue, 6) == list(range(6))
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
    soon(mp, lambda: not queue.empty(), "an item in the queue")
    assert [*items, queue.get_nowait()] == [None, "at once", "in time", "without waiting"]
    for number in range(300):
        queue.put(number)
    for _ in range(304):
        queue.task_done()
    refuses(ValueError, queue.task_done)


def _consume(queue):
    queue.put("its own")
    for _item in iter(queue.get, "its own"):
        queue.task_done()
    queue.task_done()
    refuses(ValueError, queue.task_done)


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
    process = mp.Process(target=put_all, args=(queue, [1, 2]))
    process.start()
    assert get_many(queue, 2) == [1, 2]
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
    assert get_many(queue, 3) == ["item", "another", "last"]


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
    soon(mp, lambda: not full.empty(), "an item in the queue")
    for queue in (empty, full):
        queue.close()
        queue.join_thread()
        for arguments in ((), (False,), (True, 0.01)):
            refuses(ValueError, queue.put, "item", *arguments)
            refuses(ValueError, queue.get, *arguments)
        refuses(ValueError, queue.put_nowait, "item")
        refuses(ValueError, queue.get_nowait)
    assert empty.join() is None
    caller = CallerThread(mp, full, "join")
    caller.until_blocked()
    full.task_done()
    assert caller.result() is None
