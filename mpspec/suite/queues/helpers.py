"""What several modules of the chapter queues use."""

import contextlib
import functools
import os
import pickle
import sys
import threading

from mpspec.children import (
    CallerThread,
    Interrupted,
    Interruption,
    observed_once,
    outcome_of,
    raises,
)
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


def open_descriptors():
    """The descriptors that are open here."""
    return set(os.listdir("/dev/fd"))


def soon(mp, condition, what):
    """Wait out the moment that an item may take to its queue."""
    from mpspec.observing import wait_until

    wait_until(condition, mp.timeout, what)


def refuses(error, method, *arguments, **keywords):
    """Check that a call raises the error, or one of several."""
    with raises(*(error if isinstance(error, tuple) else (error,))):
        method(*arguments, **keywords)


def full_queue(mp, maxsize=1):
    queue = mp.Queue(maxsize)
    for number in range(maxsize):
        queue.put(number)
    return queue


def get_many(queue, count):
    return [queue.get() for _ in range(count)]


def put_much(queue):
    """Put more than any pipe takes: the background thread has to wait for a reader."""
    chunk = "x" * CHUNK  # once: what waits in several queues adds up
    for number in range(MANY):
        queue.put((number, chunk))
    queue.put("y" * LARGE)
    queue.put("last")


def is_much(items):
    chunk = "x" * CHUNK
    return items == [*((number, chunk) for number in range(MANY)), "y" * LARGE, "last"]


def get_much(queue):
    return get_many(queue, MANY + 2)


class EqualToAll:
    """The oldest protocols of pickle refuse it: it has slots."""

    __slots__ = ("word",)

    def __eq__(self, other):
        return True

    __hash__ = None


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
def connections_got(mp):
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


# What an object's own methods may raise when it is pickled, or made again.
ERRORS = (TypeError, ValueError, LookupError, AttributeError, RecursionError, pickle.PicklingError)


def put_numbers(queue, producer, count):
    for number in range(count):
        queue.put((producer, number))


def _move(source, target):
    """Put on a queue what another gives, whose tasks are done then if it counts them."""
    done = getattr(source, "task_done", int)
    for item in iter(source.get, None):
        target.put(item)
        with contextlib.suppress(ValueError):  # who counts the tasks finds it out
            done()


def put_and_move(pairs, producer):
    """Put numbers on the first of each pair, while a thread does what _move does."""
    for source, target in pairs:
        mover = threading.Thread(target=_move, args=(source, target), daemon=True)
        mover.start()
        put_numbers(source, producer, 100)
        mover.join()


@observed_once
def moved_by_several(mp):
    """What several processes have moved from queue to queue: of both kinds the items, and whether none is left.

    The first of each two is bounded: they wait for slots as well as for items.
    Then how many tasks were not done of the queue that counts them, and of the one that they were moved to.
    """
    pairs = [(kind(2), kind()) for kind in (mp.Queue, mp.JoinableQueue)]
    processes = [mp.Process(target=put_and_move, args=(pairs, who)) for who in ("first", "second")]
    for process in processes:
        process.start()
    items = []
    for source, target in pairs:
        put_numbers(source, "parent", 100)
        items.append(sorted(get_many(target, 300)))
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


def move_by_threads(source, target):
    """What several threads move that others put."""
    consumers = [
        threading.Thread(target=_move, args=(source, target), daemon=True) for _ in range(3)
    ]
    producers = [
        threading.Thread(target=put_numbers, args=(source, who, 50), daemon=True)
        for who in range(3)
    ]
    for thread in (*consumers, *producers):
        thread.start()
    items = get_many(target, 150)
    for _ in consumers:
        source.put(None)
    for thread in (*consumers, *producers):
        thread.join()
    return sorted(items)


def put_large(queue):
    queue.put(b"x" * LARGE)
    queue.put("end")


def put_all(queue, items):
    for item in items:
        queue.put(item)


def put_amid_put(mp, queue, number, *, block):
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


class Unwelcome:
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


def gets_while_another_unpickles(mp, queue, *arguments):
    _unpickled.clear()
    queue.put(_Slow())
    if arguments:
        soon(mp, lambda: not queue.empty(), "an item in the queue")
    caller = CallerThread(mp, queue, "get", *arguments)
    caller.until_blocked()
    queue.put("second")
    other = CallerThread(mp, queue, "get")
    try:
        soon(mp, lambda: other.has_returned, "the other item")
    finally:
        _unpickled.set()
    assert sorted([caller.result(), other.result()], key=str) == [True, "second"]


def check_get_is_interrupted(mp, queue, *arguments):
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


def _tell_whether_empty_and_get(queue, told, report):
    put = functools.partial(queue.put, "its own")
    for call_it in (queue.empty, queue.empty, queue.get, put, queue.get):
        report.send(outcome_of(call_it))
        told.recv()


def found_by_child(mp, queue, close=lambda: None):
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
    soon(mp, lambda: not queue.empty(), "an item in the queue")
    tell.send("there is an item")
    found.append(reporter.recv())
    close()
    for _ in range(4):
        tell.send("go on")
    found += [reporter.recv() for _ in range(3)]
    process.join()
    return found


def _put_and_end(put, queue, tell, error=None):
    put(queue)
    tell.send((os.getpid(), threading.get_native_id()))
    if error is not None:
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - left for the child's end to use
        raise error


def ending(mp, put, queue, error=None, **kwargs):
    """A process that has put something and comes to its end: it waits there, or has ended already.

    If anything were got earlier, the pipe might be empty by chance before it ends.
    """
    told, tell = mp.Pipe(duplex=False)
    process = mp.Process(target=_put_and_end, args=(put, queue, tell, error), **kwargs)
    process.start()
    pid, thread = told.recv()
    if pid != os.getpid():
        until_at_end(mp, pid, thread)
    return process


def until_at_end(mp, pid, thread):
    """Wait until the main thread of a process waits at its end, or the process has ended."""
    from mpspec.observing import Timeout, has_ended, wait_until, wait_until_asleep

    def rests():
        with contextlib.suppress(Timeout):
            wait_until_asleep(pid, thread, SHORT)
            return True
        return has_ended(pid)

    wait_until(rests, mp.timeout, "the process at its end")


def get_within(queue, timeout, count=2):
    return [queue.get(timeout=timeout) for _ in range(count)]


def put_on_each(queues, item):
    for queue in queues:
        queue.put(item)
