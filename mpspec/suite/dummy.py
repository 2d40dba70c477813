"""Tests of the chapter dummy: the package's API on threads."""

import contextlib
import functools
import importlib
import os
import threading
import time

from mpspec.children import CallerThread, raises, waits
from mpspec.marks import requirement


@requirement("dummy.api.is-replicated")
def test_names_of_the_dummy_module(mp):
    """What creates activities, and what they communicate by, is there."""
    words = "Process Pipe Queue JoinableQueue Lock RLock Semaphore BoundedSemaphore Condition Event"
    words += " Value Array Manager Pool active_children current_process freeze_support"
    names = words.split()
    assert [name for name in names if not hasattr(mp.dummy, name)] == []


def _note(found):
    found.append((os.getpid(), threading.get_ident()))


@requirement("dummy.process.is-thread")
def test_dummy_process(mp):
    """The target runs in this process, in another thread."""
    found = []
    process = mp.dummy.Process(target=_note, args=(found,))
    process.start()
    process.join()
    ((pid, thread),) = found
    assert pid == os.getpid()
    assert thread != threading.get_ident()


@requirement("dummy.process.shares-memory")
def test_dummy_process_shares_memory(mp):
    """An object given as argument is the object itself."""
    given, seen = object(), []
    process = mp.dummy.Process(target=seen.append, args=(given,))
    process.start()
    process.join()
    assert seen[0] is given


def _work(lock, queue, connection, value):
    with lock:
        value.value += 1
    queue.put("through the queue")
    connection.send("through the pipe")


@requirement("dummy.objects.work-between-threads")
def test_dummy_objects(mp):
    """A thread's queue, pipe, lock and value do their work."""
    lock, queue, value = mp.dummy.Lock(), mp.dummy.Queue(), mp.dummy.Value("i", 1)
    ours, theirs = mp.dummy.Pipe()
    process = mp.dummy.Process(target=_work, args=(lock, queue, theirs, value))
    process.start()
    assert queue.get(timeout=mp.timeout) == "through the queue"
    assert ours.recv() == "through the pipe"
    process.join()
    assert value.value == 2


def _thread(_number):
    return os.getpid(), threading.get_ident()


@requirement("dummy.pool.is-thread-pool")
def test_dummy_pool(mp):
    """``dummy.Pool`` gives a ThreadPool, a kind of Pool, with threads for workers."""
    pool = mp.dummy.Pool(1)
    assert isinstance(pool, mp.pool.ThreadPool)
    assert issubclass(mp.pool.ThreadPool, mp.pool.Pool)
    pid, thread = pool.apply(_thread, (1,))
    pool.close()
    pool.join()
    assert pid == os.getpid()
    assert thread != threading.get_ident()


@requirement("dummy.pool.arguments")
def test_dummy_pool_arguments(mp):
    """``dummy.Pool`` takes the number of threads, by default a ThreadPool's, an initializer, and its arguments."""
    names = []
    pool = mp.dummy.Pool(2, names.insert, (0, "started"))
    barrier = threading.Barrier(2, timeout=mp.timeout)
    assert sorted(pool.map(lambda _: barrier.wait(), range(2), 1)) == [0, 1]
    pool.terminate()
    pool.join()
    assert names == ["started"] * 2
    pool = mp.dummy.Pool(processes=1, initializer=names.append, initargs=("by name",))
    assert pool.apply(names.count, ("by name",)) == 1
    pool.terminate()
    pool.join()
    for make in (mp.dummy.Pool, mp.pool.ThreadPool):
        pool = make(initializer=names.append, initargs=(make,))
        pool.close()
        pool.join()
    assert names.count(mp.dummy.Pool) == names.count(mp.pool.ThreadPool) > 0


# What a Process of the dummy module has


def _note_arguments(found, *args, **kwargs):
    found.append((threading.current_thread().name, args, kwargs))


@requirement("dummy.process.arguments")
def test_dummy_process_arguments(mp):
    """The target is called with ``args`` and ``kwargs``, in a thread of the name that was given, or one of its own.

    A group is refused.
    """
    found = []
    process = mp.dummy.Process(
        group=None, target=_note_arguments, name="worker", args=(found, 1), kwargs={"y": 2}
    )
    assert process.name == "worker"
    process.start()
    process.join()
    process = mp.dummy.Process(None, _note_arguments, "other", (found, 3), {"y": None})
    process.start()
    process.join()
    assert found == [("worker", (1,), {"y": 2}), ("other", (3,), {"y": None})]
    names = {mp.dummy.Process(target=int).name for _ in range(3)}
    assert len(names - {"", None}) == 3
    with raises(AssertionError, ValueError, TypeError):
        mp.dummy.Process("a group")


@requirement("dummy.process.run")
def test_dummy_process_run(mp):
    """A subclass may override ``run``, which is then executed in the thread; the standard one calls the target."""
    found = []

    class Noting(mp.dummy.Process):
        def run(self):
            _note(found)

    class Around(mp.dummy.Process):
        def run(self):
            super().run()

    for process in (Noting(), Around(target=found.append, args=("by the target",))):
        process.start()
        process.join()
    assert found[0][1] != threading.get_ident()
    assert found[1:] == ["by the target"]


@requirement("dummy.process.life")
def test_dummy_process_life(mp):
    """A process is alive from its start to its end; ``join`` waits for that, or for its timeout."""
    gate = threading.Event()
    process = mp.dummy.Process(target=gate.wait)
    assert process.is_alive() is False
    process.start()
    assert process.is_alive() is True
    assert process.join(0.01) is None
    assert process.is_alive() is True
    gate.set()
    process.join()
    assert process.is_alive() is False


@requirement("dummy.process.exitcode")
def test_dummy_process_exitcode(mp, monkeypatch):
    """``exitcode`` is None until the process has ended, and then 0; one that raised has ended as well.

    Nobody need have joined it; and it is started at most once.
    """
    from mpspec.observing import wait_until

    gate = threading.Event()
    process = mp.dummy.Process(target=gate.wait)
    assert process.exitcode is None
    process.start()
    assert process.exitcode is None
    gate.set()
    wait_until(lambda: not process.is_alive(), mp.timeout, "an end")
    assert process.exitcode == 0
    process.join()
    assert process.exitcode == 0
    with raises(Exception):
        process.start()
    process = mp.dummy.Process(target=int, args=("no number",))
    with monkeypatch.context() as patched:
        patched.setattr(threading, "excepthook", lambda _: None)
        process.start()
        process.join()
    assert process.exitcode is not None
    assert process.is_alive() is False


def _note_daemon_of_another(mp, found):
    found.append(mp.dummy.Process(target=int).daemon)


@requirement("dummy.process.daemon")
def test_dummy_process_daemon(mp):
    """``daemon`` is inherited, and can be set before the start."""
    process = mp.dummy.Process(target=int)
    assert process.daemon is False
    process.daemon = True
    process.start()
    process.join()
    assert process.daemon is True
    found = []
    creator = mp.dummy.Process(target=_note_daemon_of_another, args=(mp, found))
    creator.daemon = True
    creator.start()
    creator.join()
    assert found == [True]
    assert (creator.is_alive(), creator.exitcode) == (False, 0)


@requirement("dummy.active-children")
def test_dummy_active_children(mp):
    """``active_children`` gives all processes that run and were started here, for a process its own."""
    gate, seen_all, seen = threading.Event(), threading.Event(), []
    before = mp.dummy.active_children()

    def start_another():
        grandchild = mp.dummy.Process(target=gate.wait)
        seen.append(mp.dummy.active_children())
        grandchild.start()
        seen.append(mp.dummy.active_children() == [grandchild])
        seen_all.set()
        gate.wait()
        grandchild.join()

    process = mp.dummy.Process(target=start_another)
    assert mp.dummy.active_children() == before
    process.start()
    assert [child for child in mp.dummy.active_children() if child not in before] == [process]
    assert seen_all.wait(mp.timeout)
    gate.set()
    process.join()
    assert mp.dummy.active_children() == before
    assert seen == [[], True]
    gate.clear()
    several = [mp.dummy.Process(target=gate.wait) for _ in range(3)]
    several[-1].daemon = True
    for process in several:
        process.start()
    running = mp.dummy.active_children()
    gate.set()
    for process in several:
        process.join()
    assert [process for process in several if process not in running] == []
    assert mp.dummy.active_children() == before


@requirement("dummy.current-process")
def test_dummy_current_process(mp):
    """``current_process`` gives the process that calls it."""
    found = []
    process = mp.dummy.Process(target=lambda: found.append(mp.dummy.current_process()))
    process.start()
    process.join()
    assert found == [process]
    assert mp.dummy.current_process() is not process


@requirement("dummy.freeze-support")
def test_dummy_freeze_support(mp):
    """``freeze_support`` does nothing."""
    assert mp.dummy.freeze_support() is None


# What processes of the dummy module communicate by


@requirement("dummy.locks")
def test_dummy_locks(mp):
    """Locks and semaphores are what their names say: recursive, counted, bounded."""
    lock, rlock = mp.dummy.Lock(), mp.dummy.RLock()
    assert [lock.acquire(False), lock.acquire(False)] == [True, False]
    caller = CallerThread(mp, lock, "acquire")
    caller.until_blocked()
    lock.release()
    assert caller.result() is True
    assert lock.acquire(timeout=0.01) is False
    assert [rlock.acquire(False), rlock.acquire(False)] == [True, True]
    assert CallerThread(mp, rlock, "acquire", False).result() is False
    semaphore, bounded = mp.dummy.Semaphore(2), mp.dummy.BoundedSemaphore(2)
    for each in (semaphore, bounded):
        assert [each.acquire(False) for _ in range(3)] == [True, True, False]
    for _ in range(3):
        semaphore.release()
    for _ in range(2):
        bounded.release()
    with raises(ValueError):
        bounded.release()
    for each in (mp.dummy.Semaphore(), mp.dummy.BoundedSemaphore()):
        assert [each.acquire(False) for _ in range(2)] == [True, False]


def _take_part(event, condition, found):
    event.wait()
    with condition:
        found.append("notified")
        condition.notify()


def _wait(condition, waiting, woken):
    with condition:
        waiting.release()
        condition.wait()
        woken.append(True)


@requirement("dummy.signals")
def test_dummy_event_and_condition(mp):
    """Threads wait for an event, and at a condition, no longer than a timeout; it has the lock that it was given."""
    event, condition, found = mp.dummy.Event(), mp.dummy.Condition(), []
    waiter = CallerThread(mp, event, "wait")
    waiter.until_blocked()
    process = mp.dummy.Process(target=_take_part, args=(event, condition, found))
    process.start()
    with condition:
        assert (event.is_set(), found) == (False, [])
        event.set()
        assert condition.wait(mp.timeout)
    process.join()
    assert found == ["notified"]
    assert (waiter.result(), event.wait(0.01)) == (True, True)
    event.clear()
    assert (event.is_set(), waits(event.wait)) == (False, False)
    with condition:
        assert waits(condition.wait) is False
        assert condition.wait_for(lambda: 7) == 7
        assert condition.wait_for(lambda: False, 0.01) is False
    lock = mp.dummy.Lock()
    with mp.dummy.Condition(lock):
        assert lock.acquire(False) is False
    waiting, woken = mp.dummy.Semaphore(0), []
    processes = [mp.dummy.Process(target=_wait, args=(condition, waiting, woken)) for _ in range(2)]
    for process in processes:
        process.daemon = True
        process.start()
        assert waiting.acquire(timeout=mp.timeout)
    with condition:  # free, because they wait
        early = len(woken)
        condition.notify_all()
    for process in processes:
        process.join(mp.timeout)
    assert [process.is_alive() for process in processes] == [False, False]
    assert (early, len(woken)) == (0, 2)


@requirement("dummy.barrier")
def test_dummy_barrier(mp):
    """Two threads meet at a barrier, which has an action and a timeout, and can be aborted and reset."""
    barrier, found = mp.dummy.Barrier(2), []
    process = mp.dummy.Process(target=lambda: found.append(barrier.wait()))
    process.start()
    found.append(barrier.wait(mp.timeout))
    process.join()
    assert sorted(found) == [0, 1]
    barrier = mp.dummy.Barrier(1, lambda: found.append("action"))
    barrier.wait()
    assert found[2:] == ["action"]
    with raises(threading.BrokenBarrierError):
        mp.dummy.Barrier(2, timeout=0.01).wait()
    barrier = mp.dummy.Barrier(2)
    assert (barrier.parties, barrier.n_waiting, barrier.broken) == (2, 0, False)
    barrier.abort()
    with raises(threading.BrokenBarrierError):
        barrier.wait()
    assert barrier.broken is True
    barrier.reset()
    assert barrier.broken is False


def _assert_waits(mp, queue):
    """get() of an empty queue, and put() to one that is full at one item."""
    getter = CallerThread(mp, queue, "get")
    getter.until_blocked()
    queue.put(1)
    assert getter.result() == 1
    queue.put(2)
    putter = CallerThread(mp, queue, "put", 3)
    putter.until_blocked()
    assert queue.get() == 2
    putter.result()
    assert queue.get() == 3


@requirement("dummy.queues")
def test_dummy_queues(mp):
    """Queues are first in first out, bounded, wait, and raise Full and Empty; joinable ones are joined."""
    for kind in (mp.dummy.Queue, mp.dummy.JoinableQueue):
        _assert_waits(mp, kind(1))
        queue, unbounded = kind(2), kind()
        queue.put(2)
        queue.put(1, timeout=mp.timeout)
        with raises(mp.Full):
            queue.put_nowait(3)
        assert (queue.qsize(), queue.full(), queue.empty()) == (2, True, False)
        assert [queue.get(), queue.get_nowait()] == [2, 1]
        assert (queue.qsize(), queue.full(), queue.empty()) == (0, False, True)
        with raises(mp.Empty):
            queue.get(timeout=0.01)
        for number in range(100):
            unbounded.put(number, False)
    with raises(mp.Empty):
        queue.get(False)
    queue.task_done()
    caller = CallerThread(mp, queue, "join")
    caller.until_blocked()
    queue.task_done()
    assert caller.result() is None
    assert queue.join() is None
    with raises(ValueError):
        queue.task_done()


def _send_all(connection, items):
    for item in items:
        connection.send(item)


@requirement("dummy.pipes")
def test_dummy_pipes(mp):
    """Connections carry objects and bytes both ways, one way without ``duplex``, and tell what is there."""
    ours, theirs = mp.dummy.Pipe()
    ours.send([1])
    theirs.send((2,))
    assert [ours.poll(), theirs.poll(0)] == [True, True]
    assert [ours.recv(), theirs.recv()] == [(2,), [1]]
    assert [ours.poll(), theirs.poll(0.01)] == [False, False]
    ours.send(None)
    assert [theirs.poll(), theirs.recv(), theirs.poll()] == [True, None, False]
    ours.send_bytes(b"bytes")
    assert theirs.recv_bytes() == b"bytes"
    with raises(KeyError), ours as entered:
        assert entered is ours
        raise KeyError
    receiver, sender = mp.dummy.Pipe(duplex=False)
    # Though nobody receives them.
    CallerThread(mp, functools.partial(_send_all, sender, range(100)), "__call__").result()
    assert [receiver.recv() for _ in range(100)] == [*range(100)]
    sender.send("one way")
    assert receiver.recv() == "one way"


@requirement("dummy.pipes.poll-waits")
def test_dummy_poll_waits(mp):
    """``poll(timeout)`` and ``recv()`` wait for something; ``poll`` no less than its timeout when there is nothing."""
    ours, theirs = mp.dummy.Pipe()
    start = time.monotonic()
    assert ours.poll(0.03) is False
    assert time.monotonic() - start > 0.025
    caller = CallerThread(mp, ours, "poll", mp.timeout)
    caller.until_blocked()
    theirs.send("there")
    assert caller.result() is True
    assert ours.recv() == "there"
    caller = CallerThread(mp, ours, "recv")
    caller.until_blocked()
    theirs.send("there, too")
    assert caller.result() == "there, too"


@requirement("dummy.listeners")
def test_dummy_listener(mp):
    """A Listener of the dummy module's connection module waits for the Clients of its address, in turn."""
    connection = importlib.import_module(mp.dummy.__name__ + ".connection")
    with connection.Listener() as listener:
        caller = CallerThread(mp, listener, "accept")
        caller.until_blocked()
        client = connection.Client(listener.address)
        accepted = caller.result()
    client.send("to the listener")
    accepted.send("to the client")
    assert [accepted.recv(), client.recv()] == ["to the listener", "to the client"]
    with raises(LookupError), connection.Listener() as listener:
        raise LookupError
    for listener in (connection.Listener(backlog=2), connection.Listener(None, None, 2)):
        clients = [connection.Client(listener.address) for _ in range(2)]
        accepted = [listener.accept() for _ in clients]
        for number, client in enumerate(clients):
            for _ in range(2):
                client.send(number)
        assert [[each.recv(), each.recv()] for each in accepted] == [[0, 0], [1, 1]]
        listener.close()


@requirement("dummy.shared-objects")
def test_dummy_value_and_array(mp):
    """A Value has an attribute ``value``, an Array the items of its type that it was given; both take ``lock``."""
    unlocked = mp.dummy.Value("i", 1, lock=False), mp.dummy.Array("i", [2], lock=False)
    assert (unlocked[0].value, list(unlocked[1])) == (1, [2])
    value, array = mp.dummy.Value("i", 7), mp.dummy.Array("i", range(3))
    another = mp.dummy.Value("i", 1)
    assert (value.value, another.value, list(array)) == (7, 1, [0, 1, 2])
    another.value = 2
    assert (mp.dummy.Value("d", 0.5).value, list(mp.dummy.Array("d", [0.5]))) == (0.5, [0.5])
    value.value, array[1] = 8, -1
    assert (value.value, another.value, array[:].tolist()) == (8, 2, [0, -1, 2])
    value.value, array[2] = 0, 0
    assert (value.value, array[:].tolist()) == (0, [0, -1, 0])
    with raises(TypeError):
        array[0] = 1.5
    unsigned = mp.dummy.Array("B", [200])
    assert list(unsigned) == [200]
    with contextlib.suppress(OverflowError):
        unsigned[0] = -1
    assert unsigned[0] > 0


_MANAGED = (
    *("list", "dict", "Namespace", "Value", "Array", "Pool", "Queue", "JoinableQueue"),
    *("Lock", "RLock", "Semaphore", "BoundedSemaphore", "Condition", "Event", "Barrier"),
)


@requirement("dummy.manager")
def test_dummy_manager(mp):
    """``Manager`` gives what has lists, dicts, namespaces and all that the module has, and can be shut down."""
    manager = mp.dummy.Manager()
    assert (manager.list([1, 2]), manager.dict({"a": 1})) == ([1, 2], {"a": 1})
    namespace = manager.Namespace()
    namespace.y, namespace.x, namespace._z = "hello", 10, 12.3
    assert repr(namespace) == "Namespace(x=10, y='hello')"
    namespace.y = None
    assert repr(namespace) == "Namespace(x=10, y=None)"
    assert repr(manager.Namespace(x=10, y=None, z=0)) == "Namespace(x=10, y=None, z=0)"
    queue = manager.Queue()
    queue.put("item")
    assert queue.get() == "item"
    with manager.Lock() as held:
        assert held
    offered = [name for name in _MANAGED if hasattr(mp.dummy, name)]
    assert [name for name in offered if not hasattr(manager, name)] == []
    assert manager.Value("i", 7).value == 7
    assert manager.shutdown() is None


def _nothing():
    """In a thread: do nothing."""


@requirement("dummy.process.daemon-argument")
def test_dummy_process_takes_daemon(mp):
    """``daemon`` of the constructor sets the flag, as that of a process."""
    flags = [mp.dummy.Process(target=_nothing, daemon=daemon).daemon for daemon in (True, False)]
    assert flags == [True, False]


@requirement("dummy.api.cpu-count")
def test_dummy_cpu_count(mp):
    """``cpu_count()`` of the dummy module gives what the package's does."""
    assert mp.dummy.cpu_count() == mp.cpu_count()


def _use_dummy(mp, found):
    process = mp.dummy.Process(target=found.append, args=("process",))
    process.start()
    process.join()
    pool = mp.dummy.Pool(1)
    found.append(pool.apply(str, ("pool",)))
    pool.close()
    pool.join()


@requirement("dummy.process.from-thread")
def test_dummy_in_a_thread(mp):
    """A thread of the program uses processes and pools of the dummy module as the main thread does."""
    found = []
    thread = threading.Thread(target=_use_dummy, args=(mp, found))
    thread.start()
    thread.join()
    assert found == ["process", "pool"]


def _tell_of_dummy(mp, sender):
    found = []
    _use_dummy(mp, found)
    sender.send(found)


@requirement("dummy.process.in-child")
def test_dummy_in_a_child(mp):
    """A daemonic child, which may have no children of its own, uses processes and pools of the dummy module."""
    receiver, sender = mp.Pipe(duplex=False)
    process = mp.Process(target=_tell_of_dummy, args=(mp, sender), daemon=True)
    process.start()
    sender.close()
    found = receiver.recv()
    process.join()
    assert found == ["process", "pool"]
