"""What several modules of the chapter pool use."""

import contextlib
import functools
import gc
import os
import queue
import tempfile
import threading
import types
import warnings


def square(x):
    return x * x


def add_up(x, y=0, *, z=0):
    return x + y + z


def pid_of_worker(_=None):
    return os.getpid()


# More than pipes and sockets buffer: neither what is sent nor what comes back fits.
LARGE = bytes(range(256)) * 16384
# Values that a program could take for something else.
ODD = (None, 0, "", NotImplemented, ..., False, (), TimeoutError)


class Refusal(Exception):
    pass


def refuse(*args):
    refusal = Refusal(*args)
    refusal.detail = "told"
    raise refusal


class _FalseRefusal(Refusal):
    """What is taken for nothing by who asks for its truth value."""

    def __bool__(self):
        return False


def refuse_falsely(*args):
    raise _FalseRefusal(*args)


def invert(x):
    return 1 / (x - 5)


def pass_gate(gate):
    with open(gate) as file:
        return file.read()


def pass_gate_if_first(numbered):
    number, gate = numbered
    if number == 0:
        pass_gate(gate)
    return number


def pass_gate_and_raise(item):
    error, gate = item
    if gate:
        pass_gate(gate)
    raise error


def touch(path, *_):
    with open(path, "x"):
        pass


def open_pipe(item):
    """Open a named pipe: two calls, one to read and one to write, end only together."""
    path, mode = item
    with open(path, mode):
        return mode


@contextlib.contextmanager
def new_folder():
    from pathlib import Path  # which most workers have no need of

    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def make_gate(tmp_path, name="gate"):
    gate = tmp_path / name
    os.mkfifo(gate)
    return gate


def new_pool(mp, processes=1, *args, **kwargs):
    """A pool, and its worker processes."""
    before = mp.active_children()
    pool = mp.Pool(processes, *args, **kwargs)
    return pool, [child for child in mp.active_children() if child not in before]


def end_pool(pool):
    pool.terminate()
    pool.join()


def in_thread(function, *args):
    """Call a function in a thread; gives the thread, and the list that gets the result."""
    results = []
    thread = threading.Thread(target=lambda: results.append(function(*args)))
    thread.start()
    return thread, results


def new_threads(before):
    return [thread for thread in threading.enumerate() if thread not in before]


def wait_until_blocked(mp, thread):
    from mpspec.observing import wait_until_asleep

    wait_until_asleep(os.getpid(), thread.native_id, mp.timeout)


class Falsely:
    """A callable whose truth value is false."""

    def __init__(self, function):
        self._function = function

    def __bool__(self):
        return False

    def __call__(self, *args):
        self._function(*args)


def usable_cpus():
    # An older interpreter can run a backend that follows a newer edition.
    return getattr(os, "process_cpu_count", os.cpu_count)()


def make_callbacks():
    """Queues for results and for errors, and the arguments that fill them."""
    results, errors = queue.SimpleQueue(), queue.SimpleQueue()
    return results, errors, {"callback": results.put, "error_callback": errors.put}


def assert_called_alone(mp, submit):
    """A call that raises, submitted with an error callback alone, and with a callback alone."""
    results, errors, _ = make_callbacks()
    submit(error_callback=errors.put)
    assert errors.get(timeout=mp.timeout).args == ("gear",)
    result = submit(callback=results.put)
    result.wait(mp.timeout / 2)
    assert result.ready()
    assert results.empty()


def assert_called_back_once(mp, pool, submit, third):
    """A call that raises calls the error callback once, whichever way that is given, and the callback not."""
    results, errors, callbacks = make_callbacks()
    submit(**callbacks)
    submit(error_callback=errors.put)
    submit(callback=results.put)
    submit(third, results.put, errors.put)
    for _ in range(3):
        errors.get(timeout=mp.timeout)
    assert pool.apply(square, (3,)) == 9  # the callbacks of what came before have been called
    assert results.empty()
    assert errors.empty()


def assert_apply_takes_all(mp, pool):
    """See what apply() and apply_async() of a pool, or of a ThreadPool, take, by name and by position."""
    arguments = {"func": add_up, "args": (1, 2), "kwds": {"z": 3}}
    assert pool.apply(**arguments) == pool.apply(add_up, (1, 2), {"z": 3}) == 6
    results, errors, callbacks = make_callbacks()
    assert pool.apply_async(**arguments, **callbacks).get(timeout=mp.timeout) == 6
    assert results.get(timeout=mp.timeout) == 6
    by_position = (callbacks["callback"], callbacks["error_callback"])
    pool.apply_async(add_up, (1, 2), {"z": 4}, *by_position)
    assert results.get(timeout=mp.timeout) == 7
    pool.apply_async(refuse, ("gear",), {}, *by_position)
    errors.get(timeout=mp.timeout)


def iterables():
    """Iterables that have a length, and that can't be sliced, or be asked for their truth value, or are no list."""
    mapping = {3: "", 1: "", 2: ""}
    proxy = types.MappingProxyType(mapping)
    return [mapping, proxy, {3, 1, 2}, _Truthless([3, 1, 2]), b"\3\1\2", (3, 1, 2)]


class _Truthless(list):
    """A sequence that has no truth value, as some arrays have none."""

    def __bool__(self):
        raise ValueError


def _assert_parallel(mp, gate, submit):
    """Two items that end only together, without a chunksize: both workers have one."""
    thread, results = in_thread(submit, [(gate, "r"), (gate, "w")])
    thread.join(mp.timeout / 2)
    in_time = not thread.is_alive()
    if not in_time:
        both = os.open(gate, os.O_RDWR)  # whoever waits at the gate goes on
        thread.join()
        os.close(both)
    assert in_time
    assert results == [["r", "w"]]


def assert_maps_are_parallel(mp, pool, gate):
    for submit in (pool.map, lambda *args: pool.map_async(*args).get()):
        _assert_parallel(mp, gate, functools.partial(submit, open_pipe))
    for submit in (pool.starmap, lambda *args: pool.starmap_async(*args).get()):
        _assert_parallel(mp, gate, lambda items, submit=submit: submit(open_pipe, [*zip(items)]))


def assert_callbacks_follow_chunksize(mp, pool):
    results, errors, callbacks = make_callbacks()
    by_position = (1, callbacks["callback"], callbacks["error_callback"])
    pool.map_async(square, [3], *by_position)
    assert results.get(timeout=mp.timeout) == [9]
    pool.map_async(invert, [5], *by_position)
    errors.get(timeout=mp.timeout)
    pool.starmap_async(add_up, [(1, 2)], *by_position)
    assert results.get(timeout=mp.timeout) == [3]
    pool.starmap_async(refuse, [("gear",)], *by_position)
    errors.get(timeout=mp.timeout)


def pass_gate_or_touch(name, path, gate=None):
    touch(path)
    if gate:
        pass_gate(gate)
    return name


def pass_gate_or_touch_item(item):
    return pass_gate_or_touch(*item)


def assert_chunk_is_one_task(mp, pool, method, function):
    """Three items in one chunk: the others wait for the first, though a worker is idle.

    The chunk's size is given by position, and by name.
    """
    for position, name in (((3,), {}), ((), {"chunksize": 3})):

        def submit(items, position=position, name=name):
            results = method(function, items, *position, **name)
            return results.get() if hasattr(results, "get") else list(results)

        with new_folder() as folder:
            _assert_others_wait_for_the_first(mp, pool, folder, submit)


def _assert_others_wait_for_the_first(mp, pool, folder, submit):
    begun, gate, paths = folder / "begun", make_gate(folder), [folder / "one", folder / "two"]
    items = [("gate", begun, gate), *(("touch", path) for path in paths)]
    thread, results = in_thread(submit, items)
    until_begun(mp, begun)
    assert pool.apply(square, (3,)) == 9  # what was submitted before has begun, if it could
    overtaken = any(path.exists() for path in paths)
    gate.write_text("open")
    thread.join()
    assert not overtaken
    assert results == [["gate", "touch", "touch"]]


def numbers_then_error(error=LookupError):
    yield from (2, 3)
    raise error


def error_at_once():
    yield from ()
    raise LookupError


def assert_lazy(mp, imap, chunksize):
    resume, resumed = threading.Event(), []

    def items():
        yield from range(chunksize)
        resumed.append(resume.wait(mp.timeout))
        yield from range(chunksize)

    results = imap(square, items(), chunksize)
    squares = [x * x for x in range(chunksize)]
    assert sorted(next(results) for _ in squares) == squares
    resume.set()
    assert sorted(results) == squares
    assert resumed == [True]  # the iterable had not been read to its end


def give_generator():
    return (x for x in range(3))


def submissions(pool):
    return [
        lambda: pool.apply(square, (1,)),
        lambda: pool.apply_async(square, (1,)),
        lambda: pool.map(square, [1]),
        lambda: pool.map_async(square, [1]),
        lambda: pool.imap(square, [1]),
        lambda: pool.imap_unordered(square, [1]),
        lambda: pool.imap(square, [1, 2], 2),
        lambda: pool.imap_unordered(square, [1, 2], 2),
        lambda: pool.starmap(add_up, [(1, 2)]),
        lambda: pool.starmap_async(add_up, [(1, 2)]),
    ]


def all_of(mp, results):
    """What an iterator of results gives until it ends, least first."""
    values = []
    with contextlib.suppress(StopIteration):
        while True:
            values.append(results.next(mp.timeout))
    return sorted(values)


def _two_numbers(mp, resume):
    """An iterable that goes on when it is let."""
    yield 2
    resume.wait(mp.timeout)
    yield 3


def squares_of_two(mp, pool, resume):
    """The results of both imaps for such an iterable."""
    return [method(square, _two_numbers(mp, resume)) for method in (pool.imap, pool.imap_unordered)]


def until_begun(mp, start):
    from mpspec.observing import wait_until

    wait_until(start.exists, mp.timeout, "the task has begun")


@contextlib.contextmanager
def endless(mp):
    """An iterator of numbers; it must not be read any more when the block is left, by threads that began in it."""
    from mpspec.observing import wait_until

    before, left = threading.enumerate(), []

    def numbers():
        while not left:
            yield 2

    try:
        yield numbers()
        wait_until(lambda: not new_threads(before), mp.timeout, "nobody reads on")
    finally:
        left.append(True)


left_running = []


def collect_until_stopped(mp, worker):
    from mpspec.observing import wait_until

    def has_stopped():
        gc.collect()
        return not worker.is_alive()

    wait_until(has_stopped, mp.timeout, "the worker stopped")


@contextlib.contextmanager
def resource_warnings():
    """What ResourceWarnings say meanwhile; nothing keeps what they are about."""
    seen = []

    def show(message, category, *_, **__):
        if issubclass(category, ResourceWarning):
            seen.append(str(message))

    with warnings.catch_warnings():
        warnings.simplefilter("always", ResourceWarning)
        warnings.showwarning = show
        yield seen


def count_threads(mp, *args, **kwargs):
    """How many threads a ThreadPool has: each calls the initializer."""
    called = []
    pool = mp.pool.ThreadPool(*args, initializer=lambda: called.append(None), **kwargs)
    pool.close()
    pool.join()
    return len(called)


def give(load):
    return load
