"""Tests of queues that are passed on, forgotten, or shown."""

import gc

from mpspec.children import Gate, raises, run
from mpspec.marks import requirement
from mpspec.suite.queues.helpers import get_many, move_by_threads, moved_by_several, put_on_each


@requirement("queues.queue.many-producers-and-consumers")
def test_each_item_is_got_once(mp):
    """Of several processes that get what several put, exactly one gets each item, from a queue of either kind."""
    items, empty, _ = moved_by_several(mp)
    producers = ("first", "parent", "second")
    assert items == [[(who, number) for who in producers for number in range(100)]] * 2
    assert empty == [True, True]


@requirement("queues.queue.thread-safe")
def test_threads_may_share_a_queue(mp):
    """Of several threads that get what several put, exactly one gets each item, from a queue of either kind."""
    for kind in (mp.Queue, mp.JoinableQueue):
        items = move_by_threads(kind(2), kind())
        assert items == [(who, number) for who in range(3) for number in range(50)]


@requirement("queues.queue.no-task-done-and-join")
def test_queue_has_no_task_done_and_join(mp):
    """Queue lacks task_done() and join() of ``queue.Queue``."""
    queue = mp.Queue()
    assert [hasattr(queue, name) for name in ("task_done", "join")] == [False, False]


@requirement("queues.queue.no-shutdown")
def test_queue_has_no_shutdown(mp):
    """Queue and JoinableQueue lack shutdown() of ``queue.Queue``."""
    assert not hasattr(mp.Queue(), "shutdown")
    assert not hasattr(mp.JoinableQueue(), "shutdown")


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


def _use(_gate, queues, report):
    put_on_each(queues, "item")
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
    run(mp, put_on_each, queues, "from the grandchild")


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
    results = get_many(done, 20)
    for _ in workers:
        tasks.put("STOP")
    for worker in workers:
        worker.join()
    assert sorted(results) == [number**2 for number in range(20)]
