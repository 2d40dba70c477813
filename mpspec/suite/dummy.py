"""Tests of the chapter dummy: the package's API on threads."""

import os
import threading

from mpspec.marks import requirement


@requirement("dummy.api.is-replicated")
def test_names_of_the_dummy_module(mp):
    """What creates activities, and what they communicate by, is there."""
    words = "Process Pipe Queue JoinableQueue Lock RLock Semaphore BoundedSemaphore Condition Event"
    words += " Barrier Value Array Manager Pool active_children current_process freeze_support"
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
