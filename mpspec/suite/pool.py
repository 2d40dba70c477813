"""Tests of the chapter pool.

A task that must not end yet waits at a gate: a named pipe, which it opens for reading. Opening it for writing lets the
task go on, and waits until the task is there.

Workers are dear. What needs a pool of its own, but can be seen beside other facts, is seen in the life of one pool
(``@observed_once``), of which several tests take their facts.
"""

import contextlib
import functools
import gc
import os
import pickle
import queue
import signal
import sys
import tempfile
import threading
import time
import types
import warnings
import weakref

from mpspec.children import (
    AT_ONCE,
    HUGE,
    CallerThread,
    Unpicklable,
    ask,
    equal,
    observed_once,
    outcome_of,
    raises,
    switching,
    until_all_blocked,
    waits,
    within,
)
from mpspec.marks import requirement


def _square(x):
    return x * x


def _add(x, y=0, *, z=0):
    return x + y + z


def _pid(_=None):
    return os.getpid()


# More than pipes and sockets buffer: neither what is sent nor what comes back fits.
_LARGE = bytes(range(256)) * 16384
# Values that a program could take for something else.
_ODD = (None, 0, "", NotImplemented, ..., False, (), TimeoutError)


class _Refusal(Exception):
    pass


def _refuse(*args):
    refusal = _Refusal(*args)
    refusal.detail = "told"
    raise refusal


class _FalseRefusal(_Refusal):
    """What is taken for nothing by who asks for its truth value."""

    def __bool__(self):
        return False


def _refuse_falsely(*args):
    raise _FalseRefusal(*args)


def _invert(x):
    return 1 / (x - 5)


def _pass_gate(gate):
    with open(gate) as file:
        return file.read()


def _pass_gate_if_first(numbered):
    number, gate = numbered
    if number == 0:
        _pass_gate(gate)
    return number


def _pass_gate_and_raise(item):
    error, gate = item
    if gate:
        _pass_gate(gate)
    raise error


def _touch(path, *_):
    with open(path, "x"):
        pass


def _open(item):
    """Open a named pipe: two calls, one to read and one to write, end only together."""
    path, mode = item
    with open(path, mode):
        return mode


@contextlib.contextmanager
def _folder():
    from pathlib import Path  # which most workers have no need of

    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)


def _gate(tmp_path, name="gate"):
    gate = tmp_path / name
    os.mkfifo(gate)
    return gate


def _new_pool(mp, processes=1, *args, **kwargs):
    """A pool, and its worker processes."""
    before = mp.active_children()
    pool = mp.Pool(processes, *args, **kwargs)
    return pool, [child for child in mp.active_children() if child not in before]


def _end(pool):
    pool.terminate()
    pool.join()


def _in_thread(function, *args):
    """Call a function in a thread; gives the thread, and the list that gets the result."""
    results = []
    thread = threading.Thread(target=lambda: results.append(function(*args)))
    thread.start()
    return thread, results


def _new_threads(before):
    return [thread for thread in threading.enumerate() if thread not in before]


def _until_blocked(mp, thread):
    from mpspec.observing import wait_until_asleep

    wait_until_asleep(os.getpid(), thread.native_id, mp.timeout)


# Construction


def _note(folder, *args):
    with open(os.path.join(folder, str(os.getpid())), "a") as file:
        file.write(f"{args}\n")


class _Falsely:
    """A callable whose truth value is false."""

    def __init__(self, function):
        self._function = function

    def __bool__(self):
        return False

    def __call__(self, *args):
        self._function(*args)


@observed_once
def _initialized_pool(mp):
    """A pool of three workers whose initializer takes notes; its truth value is no matter."""
    from mpspec.observing import wait_until

    threads = threading.enumerate()
    with _folder() as folder:
        pool, workers = _new_pool(mp, 3, _Falsely(_note), (str(folder), "one", 2))

        def written():
            return sum(note.stat().st_size > 0 for note in folder.iterdir())

        wait_until(lambda: written() == 3, mp.timeout, "three workers initialized")
        facts = {
            "workers": {worker.pid for worker in workers},
            "are processes": all(isinstance(worker, mp.Process) for worker in workers),
            "are daemons": [worker.daemon for worker in workers],
            "busy": set(pool.map(_pid, range(6), 1)),
        }
        facts["notes"] = {int(note.name): note.read_text() for note in folder.iterdir()}
        facts["robbed"] = outcome_of(_rob, mp, pool, facts["workers"], threads)
        facts["left"] = [worker.is_alive() for worker in workers]
        facts["all notes"] = [note.read_text() for note in folder.iterdir()]
    return facts


def _rob(mp, pool, workers, threads):
    """Kill two of a pool's three busy workers, and terminate it when three are busy again.

    Gives whether all were busy before, how many tasks began in all, and how many workers there are in the end.
    """
    from mpspec.observing import wait_until

    others = {child.pid for child in mp.active_children()} - workers

    def staff():
        return [child for child in mp.active_children() if child.pid not in others]

    try:
        with _folder() as folder:
            gate, started = _gate(folder), folder / "started"
            started.mkdir()

            def begin(tasks):
                """Submit tasks that begin, and do not end; gives who has begun."""
                for _ in range(tasks):
                    pool.apply_async(_begin, (started, gate))
                count = tasks + len(begun)
                wait_until(lambda: len(os.listdir(started)) == count, mp.timeout, "all begun")
                return {int(name) for name in os.listdir(started)}

            begun = set()
            begun = begin(3)
            _kill_at_once(sorted(begun)[:2])
            tasks = len(begin(2))
            # The thread that starts workers lists one after it has begun, and may be about to start one too many.
            wait_until(lambda: len(staff()) >= len(workers), mp.timeout, "the workers listed")
            for thread in _new_threads(threads):
                _until_blocked(mp, thread)
            return begun == workers, tasks, len(staff())
    finally:
        _end(pool)


def _kill_at_once(pids):
    """Kill processes while no other thread of this one runs, so that who looks for ended ones finds all."""
    with switching(1):
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        killed = time.monotonic()
        while time.monotonic() < killed + 0.01:
            pass


def _begin(started, gate):
    _touch(started / str(os.getpid()))
    _pass_gate(gate)


@requirement("pool.constructor.processes")
def test_pool_has_as_many_workers_as_asked_for(mp):
    """``Pool(n)`` starts n worker processes."""
    facts = _initialized_pool(mp)
    assert len(facts["workers"]) == 3
    assert facts["busy"] <= facts["workers"]


def _default_workers(mp, cpus, **given):
    """How many workers a pool has by default in a process that may use these CPUs alone."""
    usable = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cpus)
    try:
        expected = _usable_cpus()
        before = mp.active_children()
        pool = mp.Pool(**given)
    finally:
        os.sched_setaffinity(0, usable)
    workers = [child for child in mp.active_children() if child not in before]
    _end(pool)
    return len(workers), expected


@requirement("pool.constructor.processes-default")
def test_pool_has_a_worker_per_cpu(mp):
    """By default a pool has as many workers as ``os.cpu_count()`` says, however few CPUs the process may use."""
    for given in ({}, {"processes": None}):
        workers, _ = _default_workers(mp, {min(os.sched_getaffinity(0))}, **given)
        assert workers == os.cpu_count()


def _usable_cpus():
    # An older interpreter can run a backend that follows a newer edition.
    return getattr(os, "process_cpu_count", os.cpu_count)()


@requirement("pool.constructor.processes-default-usable")
def test_pool_has_a_worker_per_usable_cpu(mp):
    """By default a pool has as many workers as ``os.process_cpu_count()`` says: all CPUs, or the only usable one."""
    usable = os.sched_getaffinity(0)
    for cpus, given in ((usable, {}), ({min(usable)}, {"processes": None})):
        workers, expected = _default_workers(mp, cpus, **given)
        assert workers == expected
    (workers, _), expected = _defaults_of_program(mp)
    assert workers == expected


def _count_by_default(mp):
    """In a new interpreter: how many workers a Pool has, and how many a ThreadPool, and how many CPUs are usable."""
    pool = mp.Pool()
    workers = len(mp.active_children())
    _end(pool)
    return (workers, _threads(mp)), _usable_cpus()


@observed_once
def _defaults_of_program(mp):
    """What a program counts that is told to have more CPUs than there are; an older interpreter does not listen."""
    from mpspec.programs import call

    option = f"cpu_count={len(os.sched_getaffinity(0)) + 1}"
    return call(_count_by_default, mp, timeout=mp.timeout, options=("-X", option))


@requirement("pool.constructor.processes-positive")
def test_pool_needs_a_worker(mp):
    """A pool of no workers, or of less than none, is refused, be it of processes or of threads."""
    for make in (mp.Pool, mp.pool.ThreadPool):
        for processes in (0, -1):
            with raises(ValueError):
                make(processes)


@requirement("pool.workers.replaced-when-killed")
def test_workers_killed_together_are_replaced(mp):
    """Two workers that are killed while the third is busy are both replaced, by one each."""
    assert _initialized_pool(mp)["robbed"] == ("returned", (True, 5, 3))


@requirement("pool.terminate.stops-at-once")
def test_terminate_stops_all_workers(mp):
    """``terminate`` stops every worker that is in the middle of a task."""
    assert _initialized_pool(mp)["left"] == [False] * 3


@requirement("pool.constructor.initializer")
def test_each_worker_calls_the_initializer(mp):
    """Each worker, if for one that was killed, calls ``initializer(*initargs)`` when it starts, and not again."""
    facts = _initialized_pool(mp)
    assert facts["notes"] == dict.fromkeys(facts["workers"], "('one', 2)\n")
    replaced, found = facts["robbed"]
    # Whether killed workers are replaced is another test's matter. One too many may have been stopped while it wrote.
    begun = found[1] if replaced == "returned" else 3
    assert facts["all notes"].count("('one', 2)\n") >= begun


def _mark():
    global marked
    marked = "by the initializer"


def _mark_as(*values):
    global marked
    marked = " ".join(values)


def _mark_if_held(lock, *values):
    """Mark it if the lock that came along is the one that the pool's process holds."""
    _mark_as(*(values if not lock.acquire(block=False) else ()))


def _read_mark():
    return marked


class _Counted:
    """What is known while it is alive, in the process where it was made or unpickled."""

    alive = weakref.WeakSet()

    def __init__(self):
        self.alive.add(self)

    def __reduce__(self):
        return (_Counted, ())


def _counted():
    gc.collect()
    return len(_Counted.alive)


@observed_once
def _single_pool(mp):
    """A pool of one worker, which is closed and joined in its with block when it is idle."""
    pool, [worker] = _new_pool(mp, initializer=_mark)
    with pool:
        facts = {"mark": pool.apply(_read_mark)}
        unordered = pool.imap_unordered(_square, range(20))
        outcome_of(pool.apply, _give, (_Counted(),))  # when it is over all of them are there
        facts["kept"] = outcome_of(pool.apply, _counted)
        facts["unordered"] = list(unordered)
        facts["unordered in chunks"] = list(pool.imap_unordered(_square, range(20), 3))
        outcome_of(pool.apply, _refuse)
        outcome_of(pool.map, _refuse, range(3), 1)
        for method in (pool.map_async, pool.starmap_async):
            method(_square, [])
        for method in (pool.imap, pool.imap_unordered):
            for items in ((), iter(()), _numbers_then_error()):
                # What they come to is another test's matter.
                outcome_of(method, _square, items)
                outcome_of(method, _square, items, 2)
            for chunksize in (0, -1):
                outcome_of(method, _square, range(3), chunksize)
        outcome_of(pool.map, _square, _numbers_then_error())
        pool.close()
        pool.join()
        facts["exit code"] = worker.exitcode
    facts["later"] = (worker.is_alive(), worker.exitcode)
    return facts


@requirement("pool.constructor.initializer-first")
def test_initializer_prepares_the_worker(mp):
    """What the initializer has set is there for the tasks; ``initargs`` are empty by default."""
    assert _single_pool(mp)["mark"] == "by the initializer"


@requirement("pool.constructor.initializer-callable")
def test_initializer_must_be_callable(mp):
    """An initializer that can't be called is refused, by a ThreadPool too."""
    for make in (mp.Pool, mp.pool.ThreadPool):
        with raises(TypeError):
            make(1, "initializer")


def _pid_and_mark(_=None):
    return os.getpid(), marked


def _refuse_with_pid(_=None):
    raise _Refusal(os.getpid())


def _has_come(mp, result):
    # An implementation that departs costs the whole wait.
    result.wait(max(mp.timeout / 4, 2))
    return result.ready()


def _listed(mp, pid):
    """The active children of that pid. A worker may have a result before the thread that started it has listed it."""
    from mpspec.observing import wait_until

    def listed():
        return [child for child in mp.active_children() if child.pid == pid]

    wait_until(listed, mp.timeout, f"the worker {pid} among the active children")
    return listed()


@observed_once
def _short_lived_pool(mp):
    """A pool whose only worker is replaced after two tasks: what tasks see, the last four of them in chunks of two.

    The first two are an iterator's. Of the second worker also whether it is daemonic, and a
    process of the context, and the traceback of an error there. Its second task is a chunk that fails; the second one
    of the third gives what can't be sent.
    """
    held = mp.Lock()
    held.acquire()
    pool = mp.Pool(
        maxtasksperchild=2, initargs=(held, "by the", "initializer"), initializer=_mark_if_held,
        processes=1,
    )  # fmt: skip
    seen = list(pool.imap(_pid_and_mark, range(2)))
    with raises(_Refusal) as raised:
        pool.apply(_refuse_with_pid)
    seen.append((raised.value.args[0], None))
    [second] = _listed(mp, seen[-1][0])
    kind = (second.daemon, isinstance(second, mp.Process), str(raised.value.__cause__))
    with raises(_Refusal) as raised:
        pool.map(_refuse_with_pid, range(2), 2)
    seen.append((raised.value.args[0], None))
    seen += pool.starmap(_pid_and_mark, [()] * 2, 2)
    with raises(Exception):
        pool.apply(_give_generator)
    chunks = pool.map_async(_pid_and_mark, range(4), 2)
    pool.close()
    pool.join()
    return seen, chunks.get(mp.timeout) if _has_come(mp, chunks) else [], kind


@requirement("pool.constructor.maxtasksperchild")
def test_maxtasksperchild(mp):
    """A worker that has completed ``maxtasksperchild`` tasks, no less, is replaced by a new one.

    Be they an iterator's, or one that raised, or a chunk that failed, or one whose result could not be sent.
    """
    seen, *_ = _short_lived_pool(mp)
    first, second, third, fourth, last, _ = [pid for pid, _ in seen]
    assert first == second != third == fourth != last
    assert len(_pool_by_name(mp)["pids"]) == 1


@requirement("pool.constructor.maxtasksperchild-chunks")
def test_maxtasksperchild_counts_chunks(mp):
    """A chunk counts as one task, of a map or a starmap: one worker does two of them, of two items each."""
    [*_, (before, _), (last, _)], chunks, _ = _short_lived_pool(mp)
    assert before == last
    first, *others = (pid for pid, _ in chunks)
    assert last != first
    assert others == [first] * 3


@requirement("pool.constructor.maxtasksperchild-default")
def test_workers_live_as_long_as_the_pool(pool):
    """By default workers are not replaced."""
    pids = set(pool.map(_pid, range(50), 1)) | {pool.apply(_pid) for _ in range(10)}
    assert len(pids) <= 2


@requirement("pool.constructor.maxtasksperchild-initializer")
def test_replacements_call_the_initializer(mp):
    """A worker that replaces another calls the initializer as well, with all of its arguments, a lock among them."""
    [*_, (_, mark)], *_ = _short_lived_pool(mp)
    assert mark == "by the initializer"


@requirement("pool.constructor.maxtasksperchild-positive")
def test_maxtasksperchild_must_be_positive(mp):
    """A ``maxtasksperchild`` of 0, of less, or that is no whole number is refused."""
    for number in (0, -1, 1.5):
        with raises(ValueError):
            mp.Pool(1, maxtasksperchild=number)


@observed_once
def _pool_by_name(mp):
    """A pool of which every argument was given by name."""
    before = {child.pid for child in mp.active_children()}
    pool = mp.pool.Pool(
        context=mp.context, maxtasksperchild=9, initargs=["by name"], initializer=_mark_as,
        processes=1,
    )  # fmt: skip
    workers = [child for child in mp.active_children() if child.pid not in before]
    facts = {
        "are processes": [isinstance(worker, mp.Process) for worker in workers],
        "mark": pool.apply(_read_mark),
        # Together with the mark's the tasks of one worker.
        "pids": {pool.apply(_pid) for _ in range(8)},
    }
    _end(pool)
    return facts


@requirement("pool.constructor.context")
def test_context_starts_the_workers(mp):
    """The workers are processes of the context that was given, or whose method ``Pool`` was called."""
    assert _pool_by_name(mp)["are processes"] == [True]
    assert _initialized_pool(mp)["are processes"]


@requirement("pool.constructor.context")
def test_context_starts_replacements(mp):
    """A worker that replaces another is a process of the same context."""
    *_, (_, is_process, _) = _short_lived_pool(mp)
    assert is_process is True


@observed_once
def _pool_by_position(mp):
    """A pool of which every argument was given by position: whether its workers are processes, and what tasks see."""
    before = mp.active_children()
    pool = mp.pool.Pool(2, _mark_as, ("by position",), 1, mp.context)
    workers = [child for child in mp.active_children() if child not in before]
    seen = pool.map(_pid_and_mark, range(4), 1)  # by two workers, and those that replace them
    _end(pool)
    return [isinstance(worker, mp.Process) for worker in workers], seen


@requirement("pool.constructor.positional-order")
def test_arguments_by_position(mp):
    """By position they are processes, initializer, initargs, maxtasksperchild and context."""
    are_processes, seen = _pool_by_position(mp)
    assert are_processes == [True] * 2
    assert [mark for _, mark in seen] == ["by position"] * 4
    assert len({pid for pid, _ in seen}) > 2


@requirement("pool.constructor.maxtasksperchild")
def test_maxtasksperchild_of_several_workers(mp):
    """Of several workers, too, each one, and each that replaces one, is replaced when its tasks are done."""
    _, seen = _pool_by_position(mp)
    assert len({pid for pid, _ in seen}) == 4


@requirement("pool.constructor.keywords")
def test_arguments_by_name(mp):
    """By name they are processes, initializer, initargs, maxtasksperchild and context."""
    assert _pool_by_name(mp)["mark"] == "by name"


class _Scarce:
    """A context that starts so many processes, and then no more."""

    def __init__(self, context, processes):
        self._context = context
        self._left = processes

    def __getattr__(self, name):
        return getattr(self._context, name)

    def Process(self, *args, **kwargs):  # noqa: N802 - the documented name
        if not self._left:
            raise BlockingIOError
        self._left -= 1
        return self._context.Process(*args, **kwargs)


@requirement("pool.constructor.none-is-default")
def test_arguments_of_none(mp):
    """With None for ``initializer`` and ``maxtasksperchild`` nothing prepares the workers, and they stay."""
    *_, pids = _abandoned_pool(mp)
    assert len(pids) == 1


@observed_once
def _pool_of_scarce_workers(mp):
    """A pool whose second worker can't be started: what it raises, and whether the first one ends."""
    from mpspec.observing import wait_until

    before = {child.pid for child in mp.active_children()}
    raised, kept = "returned", None
    try:
        mp.pool.Pool(3, context=_Scarce(mp.context, 1))
    except Exception as error:  # noqa: BLE001 - whatever it is, it is told
        raised, kept = type(error).__name__, error
    ended, _ = outcome_of(
        wait_until,
        lambda: {child.pid for child in mp.active_children()} <= before,
        mp.timeout / 2,
        "no worker is left",
    )
    del kept  # its traceback knows what there is of the pool: that was not collected so far
    return raised, ended


@requirement("pool.constructor.fails-halfway-error")
def test_pool_tells_why_a_worker_was_not_started(mp):
    """When a worker can't be started ``Pool`` raises why."""
    raised, _ = _pool_of_scarce_workers(mp)
    assert raised == "BlockingIOError"


@requirement("pool.constructor.fails-halfway")
def test_pool_that_cannot_start_all_workers(mp):
    """When a worker can't be started ``Pool`` raises, and those that were started before it end."""
    raised, ended = _pool_of_scarce_workers(mp)
    assert raised != "returned"
    assert ended == "returned"


@requirement("pool.constructor.type")
def test_pool_is_a_pool(mp, pool):
    """``Pool()`` gives a ``multiprocessing.pool.Pool``."""
    assert isinstance(pool, mp.pool.Pool)


def _is_daemon(mp):
    return mp.current_process().daemon


@requirement("pool.workers.daemonic")
def test_workers_are_daemonic(mp, pool):
    """Workers are daemonic processes, all of them."""
    assert pool.apply(_is_daemon, (mp,)) is True
    assert _initialized_pool(mp)["are daemons"] == [True] * 3


@requirement("pool.workers.daemonic")
def test_replacements_are_daemonic(mp):
    """A worker that replaces another is daemonic as well."""
    *_, (is_daemon, _, _) = _short_lived_pool(mp)
    assert is_daemon is True


@requirement("pool.workers.processes")
def test_tasks_run_in_other_processes(pool):
    """Tasks run in processes other than the pool's own."""
    assert pool.apply(_pid) != os.getpid()


@requirement("pool.workers.concurrent")
def test_workers_run_concurrently(pool, tmp_path):
    """While one worker is busy, another runs further tasks."""
    gate = _gate(tmp_path)
    busy = pool.apply_async(_pass_gate, (gate,))
    assert pool.map(_square, range(3), 1) == [0, 1, 4]
    assert not busy.ready()
    gate.write_text("open")
    assert busy.get() == "open"


# apply, apply_async


@requirement("pool.apply.result")
def test_apply_gives_the_result(pool):
    """``apply(func, args, kwds)`` gives ``func(*args, **kwds)``, be it an exception."""
    assert pool.apply(_add, (1, 2), {"z": 3}) == 6
    assert pool.apply(_add, [1, 2]) == 3
    assert pool.apply(_add, (1,)) == 1
    assert pool.apply(functools.partial(_add, 1, z=3), (2,)) == 6  # has no name
    assert pool.apply(dict) == {}
    assert pool.apply(dict, kwds={"z": None}) == {"z": None}
    assert type(pool.apply(_give, (_Refusal(),))) is _Refusal
    assert equal(pool.apply(_give, (_LARGE,)), _LARGE)


@requirement("pool.apply.blocks")
def test_apply_blocks(mp, pool, tmp_path):
    """``apply`` waits until the result is there."""
    gate = _gate(tmp_path)
    thread, results = _in_thread(pool.apply, _pass_gate, (gate,))
    _until_blocked(mp, thread)
    assert results == []
    gate.write_text("open")
    thread.join()
    assert results == ["open"]


@requirement("pool.apply.once")
def test_apply_runs_in_one_worker(pool, tmp_path):
    """``apply`` and ``apply_async`` execute the function once, in one worker."""
    for function in (pool.apply, lambda *args: pool.apply_async(*args).get()):
        path = tmp_path / str(function)
        assert function(_touch, (path,)) is None  # a second execution would raise
        assert path.exists()
    assert pool.map(_square, range(4), 1) == [0, 1, 4, 9]


@requirement("pool.apply.exception")
def test_apply_raises(mp, pool):
    """``apply`` raises what the function raised, whatever it is."""
    with raises(_Refusal) as raised:
        pool.apply(_refuse, ("gear", 7))
    assert (raised.value.args, raised.value.detail) == (("gear", 7), "told")
    # Two that have a meaning of their own where results are waited for, or iterated over.
    for error in (StopIteration, mp.TimeoutError):
        with raises(error) as raised:
            pool.apply(_pass_gate_and_raise, ((error("gear"), None),))
        assert raised.value.args == ("gear",)


@requirement("pool.apply-async.result")
def test_apply_async_gives_a_result_object(pool):
    """``apply_async`` gives a result object, whose ``get`` gives ``func(*args, **kwds)``."""
    assert pool.apply_async(_add, (1, 2), {"z": 3}).get() == 6
    assert pool.apply_async(functools.partial(_add, 1), (2,)).get() == 3
    assert pool.apply_async(dict, kwds={"z": None}).get() == {"z": None}


@requirement("pool.apply-async.does-not-block")
def test_apply_async_does_not_block(pool, tmp_path):
    """``apply_async`` returns before the function has."""
    gate = _gate(tmp_path)
    result = pool.apply_async(_pass_gate, (gate,))
    assert not result.ready()
    gate.write_text("open")
    assert result.get() == "open"


@requirement("pool.apply-async.several")
def test_apply_async_several(mp, pool, tmp_path):
    """Several calls may be outstanding, and each result is that of its own call, whenever others come and go."""
    results = [pool.apply_async(_square, (number,)) for number in range(20)]
    assert [result.get() for result in reversed(results)] == [n * n for n in reversed(range(20))]
    gate = _gate(tmp_path)
    first, held = pool.apply_async(_square, (3,)), pool.apply_async(_pass_gate, (gate,))
    assert first.get() == 9  # it ends while the other goes on
    results = [pool.apply_async(_square, (number,)) for number in range(20)]
    assert [_outcome_in_time(mp, result) for result in results] == [n * n for n in range(20)]
    assert not held.ready()
    gate.write_text("open")
    assert _outcome_in_time(mp, held) == "open"


def _outcome_in_time(mp, result):
    """What ``get`` gives: an implementation that mixes results up may have it wait for ever."""
    return result.get(mp.timeout / 2)


def _callbacks():
    """Queues for results and for errors, and the arguments that fill them."""
    results, errors = queue.SimpleQueue(), queue.SimpleQueue()
    return results, errors, {"callback": results.put, "error_callback": errors.put}


def _assert_called_alone(mp, submit):
    """A call that raises, submitted with an error callback alone, and with a callback alone."""
    results, errors, _ = _callbacks()
    submit(error_callback=errors.put)
    assert errors.get(timeout=mp.timeout).args == ("gear",)
    result = submit(callback=results.put)
    result.wait(mp.timeout / 2)
    assert result.ready()
    assert results.empty()


@requirement("pool.apply-async.callback")
def test_apply_async_callback(mp, pool):
    """The callback is called with the result, be it an exception, and the error callback is not called."""
    results, errors, callbacks = _callbacks()
    pool.apply_async(_square, (3,), **callbacks).get()
    assert results.get(timeout=mp.timeout) == 9
    assert pool.apply_async(_square, (3,), callback=str).get() == 9  # whatever that returns
    for value in _ODD:
        pool.apply_async(_give, (value,), **callbacks).get()
        assert results.get(timeout=mp.timeout) == value
    pool.apply_async(_give, (_Refusal(),), **callbacks).get()
    assert type(results.get(timeout=mp.timeout)) is _Refusal
    pool.apply_async(_add, (1, 2), {"z": 3}, results.put, errors.put)
    assert results.get(timeout=mp.timeout) == 6
    assert results.empty()
    assert errors.empty()


class _FalsePutter:
    """A callback that is false where a truth value is asked for, as a container of nothing is."""

    def __init__(self, results):
        self.put = results.put

    def __call__(self, value):
        self.put(value)

    def __len__(self):
        return 0


@requirement("pool.apply-async.callback-that-is-false")
def test_apply_async_with_a_callback_that_is_false(mp, pool):
    """A callback whose truth value is false is called: None alone stands for none."""
    results = queue.Queue()
    pool.apply_async(_square, (3,), callback=_FalsePutter(results)).get()
    pool.apply_async(_square, (2,), callback=results.put).get()
    assert results.get(timeout=mp.timeout) == 9


@requirement("pool.apply-async.callback-submits")
def test_callback_that_submits(mp, pool):
    """A callback may submit another task, whose callback is called."""
    results = queue.Queue()

    def submit(value):
        pool.apply_async(_square, (value,), callback=results.put, error_callback=results.put)

    pool.apply_async(_square, (3,), callback=submit)
    assert results.get(timeout=mp.timeout) == 81


def _assert_called_back_once(mp, pool, submit, third):
    """A call that raises calls the error callback once, whichever way that is given, and the callback not."""
    results, errors, callbacks = _callbacks()
    submit(**callbacks)
    submit(error_callback=errors.put)
    submit(callback=results.put)
    submit(third, results.put, errors.put)
    for _ in range(3):
        errors.get(timeout=mp.timeout)
    assert pool.apply(_square, (3,)) == 9  # the callbacks of what came before have been called
    assert results.empty()
    assert errors.empty()


@requirement("pool.apply-async.error-callback-called")
def test_apply_async_calls_the_error_callback(mp, pool):
    """The error callback is called once, by name, alone, and by position after ``kwds``; the callback is not.

    The exception's truth value does not matter.
    """
    submit = functools.partial(pool.apply_async, _refuse_falsely, ("gear",))
    _assert_called_back_once(mp, pool, submit, {})


@requirement("pool.apply-async.error-callback")
def test_apply_async_error_callback(mp, pool):
    """The error callback, if alone, is called with the exception, and the callback is not called, even if alone."""
    results, errors, callbacks = _callbacks()
    pool.apply_async(_refuse, ("gear",), **callbacks).wait()
    error = errors.get(timeout=mp.timeout)
    assert type(error) is _Refusal
    assert error.args == ("gear",)
    pool.apply_async(_refuse, ("gear",), {}, results.put, errors.put)
    assert errors.get(timeout=mp.timeout).args == ("gear",)
    assert errors.empty()
    assert results.empty()
    _assert_called_alone(mp, functools.partial(pool.apply_async, _refuse, ("gear",)))


@requirement("pool.apply-async.callback-in-creator")
def test_callbacks_run_in_the_creating_process(mp, pool):
    """Callbacks run in the process that created the pool."""
    pids = queue.SimpleQueue()
    pool.apply_async(_pid, callback=lambda pid: pids.put((pid, os.getpid())))
    worker, caller = pids.get(timeout=mp.timeout)
    assert caller == os.getpid() != worker


def _ready_in_callback(mp, submit, *args):
    """Whether a result is ready while its callback runs."""
    called, go_on = threading.Event(), threading.Event()

    def callback(_):
        called.set()
        go_on.wait(mp.timeout)

    result = submit(*args, callback=callback, error_callback=callback)
    assert called.wait(mp.timeout)
    ready = result.ready()
    go_on.set()
    result.wait()
    return ready


@requirement("pool.apply-async.callback-first")
def test_callback_comes_first(mp, pool):
    """A result is ready when its callback, or error callback, has returned, and not before."""
    for function in (_square, _refuse):
        assert _ready_in_callback(mp, pool.apply_async, function, (3,)) is False
        assert _ready_in_callback(mp, pool.map_async, function, [3]) is False


@requirement("pool.apply.keywords")
def test_apply_by_name(mp, pool):
    """``apply`` takes func, args and kwds; ``apply_async`` callback and error_callback as well."""
    _assert_apply_takes_all(mp, pool)


def _assert_apply_takes_all(mp, pool):
    """See what apply() and apply_async() of a pool, or of a ThreadPool, take, by name and by position."""
    arguments = {"func": _add, "args": (1, 2), "kwds": {"z": 3}}
    assert pool.apply(**arguments) == pool.apply(_add, (1, 2), {"z": 3}) == 6
    results, errors, callbacks = _callbacks()
    assert pool.apply_async(**arguments, **callbacks).get(timeout=mp.timeout) == 6
    assert results.get(timeout=mp.timeout) == 6
    by_position = (callbacks["callback"], callbacks["error_callback"])
    pool.apply_async(_add, (1, 2), {"z": 4}, *by_position)
    assert results.get(timeout=mp.timeout) == 7
    pool.apply_async(_refuse, ("gear",), {}, *by_position)
    errors.get(timeout=mp.timeout)


# map, map_async


@requirement("pool.map.result")
def test_map_gives_a_list_in_order(mp, pool):
    """``map`` gives the list of results in the order of the iterable."""
    assert pool.map(_square, range(30)) == [x * x for x in range(30)]
    assert pool.map(_square, []) == []
    assert pool.map(_square, (x for x in (3, 1, 2))) == [9, 1, 4]
    assert pool.map(_square, iter([3, 1, 3])) == [9, 1, 9]
    assert pool.map(_give, [None, *_ODD]) == [None, *_ODD]
    assert pool.map(_square, _Indexed()) == [*pool.imap(_square, _Indexed())] == [0, 1, 4]
    for items in _iterables():
        result = pool.map_async(_square, items)
        result.wait(mp.timeout / 2)
        assert result.get(0) == [x * x for x in items]


def _iterables():
    """Iterables that have a length, and that can't be sliced, or be asked for their truth value, or are no list."""
    mapping = {3: "", 1: "", 2: ""}
    proxy = types.MappingProxyType(mapping)
    return [mapping, proxy, {3, 1, 2}, _Truthless([3, 1, 2]), b"\3\1\2", (3, 1, 2)]


class _Truthless(list):
    """A sequence that has no truth value, as some arrays have none."""

    def __bool__(self):
        raise ValueError


class _Indexed:
    """An iterable that has its items by index, and neither a length nor an ``__iter__``."""

    def __getitem__(self, index):
        return range(3)[index]


def _assert_parallel(mp, gate, submit):
    """Two items that end only together, without a chunksize: both workers have one."""
    thread, results = _in_thread(submit, [(gate, "r"), (gate, "w")])
    thread.join(mp.timeout / 2)
    in_time = not thread.is_alive()
    if not in_time:
        both = os.open(gate, os.O_RDWR)  # whoever waits at the gate goes on
        thread.join()
        os.close(both)
    assert in_time
    assert results == [["r", "w"]]


@requirement("pool.map.parallel")
def test_map_is_parallel(mp, pool, tmp_path):
    """Without a chunksize the maps do two items at the same time, if two workers are idle."""
    _assert_maps_are_parallel(mp, pool, _gate(tmp_path))


def _assert_maps_are_parallel(mp, pool, gate):
    for submit in (pool.map, lambda *args: pool.map_async(*args).get()):
        _assert_parallel(mp, gate, functools.partial(submit, _open))
    for submit in (pool.starmap, lambda *args: pool.starmap_async(*args).get()):
        _assert_parallel(mp, gate, lambda items, submit=submit: submit(_open, [*zip(items)]))


@requirement("pool.map.blocks")
def test_map_blocks(mp, pool, tmp_path):
    """``map`` waits until all results are there."""
    gate = _gate(tmp_path)
    thread, results = _in_thread(pool.map, _pass_gate_if_first, [(0, gate), (1, gate)], 1)
    _until_blocked(mp, thread)
    assert results == []
    gate.write_text("open")
    thread.join()
    assert results == [[0, 1]]


@requirement("pool.map.chunksize-result")
def test_map_with_chunks(pool):
    """The chunksize does not change what ``map`` gives."""
    for chunksize in (1, 2, 3, 10, 100):
        assert pool.map(_square, range(10), chunksize) == [x * x for x in range(10)]
        assert pool.map(_square, iter(range(10)), chunksize) == [x * x for x in range(10)]
    assert pool.map(_square, [], 3) == []
    assert pool.map(_square, range(450), 200) == [x * x for x in range(450)]


@requirement("pool.map.chunks-are-tasks")
def test_map_chunks_are_tasks(mp, pool):
    """A chunk of ``chunksize`` items is one task, of which one worker does all."""
    _assert_chunk_is_one_task(mp, pool, pool.map, _pass_gate_or_touch_item)


@requirement("pool.map.keywords")
def test_map_by_name(mp, pool):
    """The maps take func, iterable and chunksize; the asynchronous ones callbacks as well."""
    squares = {"func": _square, "iterable": range(3), "chunksize": 2}
    sums = {"func": _add, "iterable": [(1, 2), (3, 4)], "chunksize": 1}
    assert pool.map(**squares) == [0, 1, 4]
    assert list(pool.imap(**squares)) == [0, 1, 4]
    assert sorted(pool.imap_unordered(**squares)) == [0, 1, 4]
    assert pool.starmap(**sums) == [3, 7]
    results, _, callbacks = _callbacks()
    assert pool.map_async(**squares, **callbacks).get(timeout=mp.timeout) == [0, 1, 4]
    assert results.get(timeout=mp.timeout) == [0, 1, 4]
    assert pool.starmap_async(**sums, **callbacks).get(timeout=mp.timeout) == [3, 7]
    assert results.get(timeout=mp.timeout) == [3, 7]


@requirement("pool.map-async.positional-order")
def test_callbacks_by_position(mp, pool):
    """By position the callbacks of ``map_async`` and ``starmap_async`` follow the chunksize."""
    _assert_callbacks_follow_chunksize(mp, pool)


def _assert_callbacks_follow_chunksize(mp, pool):
    results, errors, callbacks = _callbacks()
    by_position = (1, callbacks["callback"], callbacks["error_callback"])
    pool.map_async(_square, [3], *by_position)
    assert results.get(timeout=mp.timeout) == [9]
    pool.map_async(_invert, [5], *by_position)
    errors.get(timeout=mp.timeout)
    pool.starmap_async(_add, [(1, 2)], *by_position)
    assert results.get(timeout=mp.timeout) == [3]
    pool.starmap_async(_refuse, [("gear",)], *by_position)
    errors.get(timeout=mp.timeout)


def _pass_gate_or_touch(name, path, gate=None):
    _touch(path)
    if gate:
        _pass_gate(gate)
    return name


def _pass_gate_or_touch_item(item):
    return _pass_gate_or_touch(*item)


def _assert_chunk_is_one_task(mp, pool, method, function):
    """Three items in one chunk: the others wait for the first, though a worker is idle.

    The chunk's size is given by position, and by name.
    """
    for position, name in (((3,), {}), ((), {"chunksize": 3})):

        def submit(items, position=position, name=name):
            results = method(function, items, *position, **name)
            return results.get() if hasattr(results, "get") else list(results)

        with _folder() as folder:
            _assert_others_wait_for_the_first(mp, pool, folder, submit)


def _assert_others_wait_for_the_first(mp, pool, folder, submit):
    begun, gate, paths = folder / "begun", _gate(folder), [folder / "one", folder / "two"]
    items = [("gate", begun, gate), *(("touch", path) for path in paths)]
    thread, results = _in_thread(submit, items)
    _until_begun(mp, begun)
    assert pool.apply(_square, (3,)) == 9  # what was submitted before has begun, if it could
    overtaken = any(path.exists() for path in paths)
    gate.write_text("open")
    thread.join()
    assert not overtaken
    assert results == [["gate", "touch", "touch"]]


@requirement("pool.map-async.chunks-are-tasks")
def test_map_async_chunks_are_tasks(mp, pool):
    """A chunk of ``map_async`` is one task."""
    _assert_chunk_is_one_task(mp, pool, pool.map_async, _pass_gate_or_touch_item)


@requirement("pool.map.exception")
def test_map_raises(pool):
    """``map`` raises what the function raised for an item, be it the first or the last, whatever the chunks."""
    for items in (range(10), range(5, 10), range(6)):
        for chunksize in (None, 1, 2):
            with raises(ZeroDivisionError):
                pool.map(_invert, items, chunksize)


def _numbers_then_error(error=LookupError):
    yield from (2, 3)
    raise error


def _error_at_once():
    yield from ()
    raise LookupError


@requirement("pool.map.iterable-raises")
def test_maps_raise_what_the_iterable_raises(pool):
    """What the iterable raises is raised by the map itself, and the pool works on."""
    for method in (pool.map, pool.map_async, pool.starmap, pool.starmap_async):
        for items in (_numbers_then_error(), _error_at_once()):
            with raises(LookupError):
                method(_square, items)
    assert pool.apply(_square, (3,)) == 9


@requirement("pool.map.needs-iterable")
def test_maps_need_an_iterable(pool):
    """What is no iterable is a TypeError, and the pool works on."""
    for method in (pool.map, pool.map_async, pool.starmap, pool.starmap_async):
        with raises(TypeError):
            method(_square, 3)
    assert pool.apply(_square, (3,)) == 9


@requirement("pool.map-async.result")
def test_map_async_gives_a_result_object(pool):
    """``map_async`` gives a result object, whose ``get`` gives the list of results."""
    result = pool.map_async(_square, range(10), 3)
    for _ in range(2):
        assert result.get() == [x * x for x in range(10)]
    assert pool.map_async(_square, []).get() == []


@requirement("pool.map-async.does-not-block")
def test_map_async_does_not_block(pool, tmp_path):
    """``map_async`` returns before the function has."""
    gate = _gate(tmp_path)
    result = pool.map_async(_pass_gate, [gate])
    assert not result.ready()
    gate.write_text("open")
    assert result.get() == ["open"]


@requirement("pool.map-async.callback")
def test_map_async_callback(mp, pool):
    """The callback is called once, with the list of results; by position it follows the chunksize."""
    results, errors, callbacks = _callbacks()
    pool.map_async(_square, range(4), 1, **callbacks).get()
    assert results.get(timeout=mp.timeout) == [0, 1, 4, 9]
    assert pool.map_async(_square, range(6), callback=str).get() == [0, 1, 4, 9, 16, 25]
    pool.map_async(_square, range(6), callback=results.put).get()
    assert results.get(timeout=mp.timeout) == [0, 1, 4, 9, 16, 25]
    pool.map_async(_square, [3], 1, results.put, errors.put)
    assert results.get(timeout=mp.timeout) == [9]
    pool.starmap_async(_add, [(1, 2)], 1, results.put, errors.put)
    assert results.get(timeout=mp.timeout) == [3]
    pool.map_async(_give, [None, 0, None], callback=results.put)
    assert results.get(timeout=mp.timeout) == [None, 0, None]
    assert results.empty()
    assert errors.empty()


@requirement("pool.map-async.error-callback-called")
def test_map_async_calls_the_error_callback(mp, pool):
    """The error callback is called once, by name, alone, and by position after the chunksize; the callback is not.

    The exception's truth value does not matter.
    """
    submit = functools.partial(pool.map_async, _refuse_falsely, ["gear"])
    _assert_called_back_once(mp, pool, submit, 1)
    submit = functools.partial(pool.starmap_async, _refuse_falsely, [("gear",)])
    _assert_called_back_once(mp, pool, submit, 1)


@requirement("pool.map-async.error-callback")
def test_map_async_error_callback(mp, pool):
    """The error callback, if alone, is called with the exception, and the callback is not called, even if alone."""
    results, errors, callbacks = _callbacks()
    result = pool.map_async(_invert, [5], **callbacks)
    assert type(errors.get(timeout=mp.timeout)) is ZeroDivisionError
    with raises(ZeroDivisionError):
        result.get()
    pool.map_async(_invert, [5], 1, results.put, errors.put)
    assert type(errors.get(timeout=mp.timeout)) is ZeroDivisionError
    assert errors.empty()
    assert results.empty()
    _assert_called_alone(mp, functools.partial(pool.map_async, _refuse, ["gear"]))


@requirement("pool.map-async.error-callback-once")
def test_map_async_error_callback_is_called_once(mp, pool, tmp_path):
    """When several calls fail the error callback is called once, when all calls have ended."""
    gate = _gate(tmp_path)
    results, errors, callbacks = _callbacks()
    items = [(ZeroDivisionError, None), (ZeroDivisionError, None), (LookupError, gate)]
    result = pool.map_async(_pass_gate_and_raise, items, 1, **callbacks)
    assert pool.apply(_square, (3,)) == 9  # the first two have been executed
    early = (result.ready(), errors.qsize())
    gate.write_text("open")
    result.wait()
    assert early == (False, 0)
    error = errors.get(timeout=mp.timeout)
    assert type(error) is ZeroDivisionError
    assert errors.empty()
    assert results.empty()


@requirement("pool.map-async.callback-empty")
def test_map_async_callback_of_nothing(mp, pool):
    """The callback is called with an empty list when the iterable is empty."""
    results, _, callbacks = _callbacks()
    for submit in (pool.map_async, pool.starmap_async):
        assert submit(_square, [], **callbacks).get(timeout=mp.timeout) == []
        assert not results.empty()
        assert results.get() == []


# imap, imap_unordered


@requirement("pool.imap.result")
def test_imap_gives_an_iterator_in_order(pool):
    """``imap`` gives an iterator of the results, be they exceptions, in the order of the iterable."""
    results = pool.imap(_square, range(10))
    assert iter(results) is results
    assert (next(results), next(results)) == (0, 1)
    assert list(results) == [x * x for x in range(2, 10)]
    with raises(StopIteration):
        next(results)
    assert list(pool.imap(_square, iter([2, 1]))) == [4, 1]
    assert type(next(pool.imap(_give, [_Refusal()]))) is _Refusal
    assert list(pool.imap(_square, iter(()))) == []
    for items in _iterables():
        for chunksize in (1, 2):
            assert list(pool.imap(_square, items, chunksize)) == [x * x for x in items]
    for chunksize in (1, 3):
        assert list(pool.imap(_give, [None, *_ODD], chunksize)) == [None, *_ODD]
    results = pool.imap(_square, range(200))
    assert pool.map(_square, range(4), 1) == [0, 1, 4, 9]  # so many wait to be taken
    assert list(results) == [x * x for x in range(200)]
    assert [*map(len, pool.imap(_give, [_LARGE]))] == [len(_LARGE)]


@requirement("pool.imap.result")
def test_imap_results_of_several_calls(mp, pool, tmp_path):
    """Each of several iterators gives the results of its own call, whenever others come and go."""
    gate = _gate(tmp_path)
    for method in (pool.imap, pool.imap_unordered):
        first, held = method(_square, [3]), method(_pass_gate, [gate])
        assert list(first) == [9]  # it ends while the other goes on
        later = method(_square, range(20))
        seen = sorted(later.next(mp.timeout / 2) for _ in range(20))
        gate.write_text("open")
        assert held.next(mp.timeout / 2) == "open"
        assert seen == [x * x for x in range(20)]


@requirement("pool.imap.ordered-whatever-ends-first")
def test_imap_keeps_the_order(mp, pool, tmp_path):
    """``imap`` gives the results in order even when a later one is there first."""
    gate = _gate(tmp_path)
    items = [(number, gate) for number in range(4)]
    results = pool.imap(_pass_gate_if_first, items)
    with raises(mp.TimeoutError):
        results.next(0.02)
    gate.write_text("open")
    assert list(results) == [0, 1, 2, 3]
    results = pool.imap(_pass_gate_if_first, items, 2)
    assert pool.apply(_square, (3,)) == 9  # the second chunk has been executed
    gate.write_text("open")
    assert list(results) == [0, 1, 2, 3]


def _assert_lazy(mp, imap, chunksize):
    resume, resumed = threading.Event(), []

    def items():
        yield from range(chunksize)
        resumed.append(resume.wait(mp.timeout))
        yield from range(chunksize)

    results = imap(_square, items(), chunksize)
    squares = [x * x for x in range(chunksize)]
    assert sorted(next(results) for _ in squares) == squares
    resume.set()
    assert sorted(results) == squares
    assert resumed == [True]  # the iterable had not been read to its end


@requirement("pool.imap.lazy")
def test_imap_is_lazy(mp, pool, tmp_path):
    """``imap`` gives results before all tasks are done, and before the iterable has ended, whatever the chunksize."""
    gate = _gate(tmp_path)
    results = pool.imap(_pass_gate_if_first, [(1, gate), (0, gate)])
    assert next(results) == 1
    gate.write_text("open")
    assert next(results) == 0
    for method in (pool.imap, pool.imap_unordered):
        results = method(_pass_gate_if_first, [(0, gate), (1, gate)], 3)  # does not wait for them
        gate.write_text("open")
        assert list(results) == [0, 1]
    for chunksize in (1, 2):
        _assert_lazy(mp, pool.imap, chunksize)


@requirement("pool.imap-unordered.lazy")
def test_imap_unordered_is_lazy(mp, pool):
    """``imap_unordered`` gives results before the iterable has ended, whatever the chunksize."""
    for chunksize in (1, 2):
        _assert_lazy(mp, pool.imap_unordered, chunksize)


@requirement("pool.imap.exception-before-others")
def test_imap_does_not_end_by_an_exception(mp, pool, tmp_path):
    """While the call after one that has failed goes on ``next`` raises TimeoutError, then what that raises."""
    for method in (pool.imap, pool.imap_unordered):
        gate = _gate(tmp_path, method.__name__)
        items = [(_Refusal("early"), None), (_Refusal("late"), gate)]
        results = method(_pass_gate_and_raise, items)
        with raises(_Refusal, match="early"):
            results.next(mp.timeout / 2)
        with raises(mp.TimeoutError):
            results.next(0.01)
        gate.write_text("open")
        with raises(_Refusal, match="late"):
            results.next(mp.timeout / 2)


@requirement("pool.imap.end-wakes")
def test_end_of_the_iterable_ends_the_iterator(mp, pool):
    """A ``next`` that waits while the iterable turns out to have ended raises StopIteration."""
    for method in (pool.imap, pool.imap_unordered):
        resume = threading.Event()

        def items(resume=resume):
            yield 3
            resume.wait(mp.timeout)

        results = method(_square, items())
        assert next(results) == 9
        caller = CallerThread(mp, results, "__next__")
        caller.until_blocked()
        resume.set()
        with raises(StopIteration):
            caller.result()
        with raises(StopIteration):
            results.next(mp.timeout / 2)


@requirement("pool.imap.next-timeout")
def test_imap_next_timeout(mp, pool, tmp_path):
    """``next(timeout)`` raises TimeoutError when the result does not come in time, and the result is not lost."""
    gate, other = _gate(tmp_path), _gate(tmp_path, "other")
    results, explicit = pool.imap(_pass_gate, [gate]), pool.imap(_pass_gate, [other], 1)
    start = time.monotonic()
    with raises(mp.TimeoutError):
        results.next(0.05)
    assert time.monotonic() - start > 0.045
    assert waits(functools.partial(outcome_of, results.next))[0] == "TimeoutError"
    for timeout in (0, -1):
        for values in (results, explicit):
            with raises(mp.TimeoutError):
                values.next(timeout=timeout)
    for values, place in ((results, gate), (explicit, other)):
        place.write_text("open")
        assert values.next(timeout=mp.timeout) == "open"
        with raises(StopIteration):
            values.next(timeout=mp.timeout)
    assert _taken_without_waiting(mp, pool.imap(_square, [3, 4])) == [9, 16]


def _taken_without_waiting(mp, values):
    """Two results, taken by a next() that does not wait, as soon as they have come."""
    from mpspec.observing import wait_until

    found = []

    def takes(*position, **name):
        try:
            found.append(values.next(*position, **name))
        except mp.TimeoutError:
            return False
        return True

    wait_until(lambda: takes(0), mp.timeout, "a result that next(0) gives")
    wait_until(lambda: takes(timeout=0), mp.timeout, "another that next(timeout=0) gives")
    return found


@requirement("pool.imap.chunksize")
def test_imap_with_chunks(pool):
    """The chunksize does not change what ``imap`` gives."""
    for chunksize in (1, 2, 3, 100):
        squares = [x * x for x in range(10)]
        assert list(pool.imap(_square, range(10), chunksize)) == squares
        assert list(pool.imap(_square, iter(range(10)), chunksize)) == squares
    assert list(pool.imap(_square, [], 2)) == []
    assert list(pool.imap(_square, iter(()), 2)) == []


@requirement("pool.imap.chunksize-positive")
def test_chunksize_must_be_positive(pool):
    """A chunksize of 0, or of less, is refused."""
    for method in (pool.imap, pool.imap_unordered):
        for chunksize in (0, -1):
            with raises(ValueError):
                method(_square, range(3), chunksize)


@requirement("pool.imap.chunks-are-tasks")
def test_imap_chunks_are_tasks(mp, pool, tmp_path):
    """``imap`` and ``imap_unordered`` hand out one item a task by default, else ``chunksize`` items."""
    _assert_chunk_is_one_task(mp, pool, pool.imap, _pass_gate_or_touch_item)
    gate = _gate(tmp_path, "both")
    for method in (pool.imap, pool.imap_unordered):
        results = method(_open, [(gate, "r"), (gate, "w")])
        try:
            assert {results.next(mp.timeout / 2) for _ in range(2)} == {"r", "w"}
        finally:
            both = os.open(gate, os.O_RDWR)  # whoever waits at the gate goes on
            list(results)
            os.close(both)


@requirement("pool.imap.exception")
def test_imap_raises_in_its_turn(mp, pool):
    """An exception is raised in its turn, and the results after it come all the same; a chunk's is raised as well."""
    results = pool.imap(_invert, [6, 5, 7])
    assert next(results) == 1.0
    with raises(ZeroDivisionError):
        next(results)
    assert next(results) == 0.5
    for _ in range(2):
        with raises(StopIteration):
            results.next(mp.timeout / 2)
    with raises(mp.TimeoutError) as raised:
        next(pool.imap(_pass_gate_and_raise, [(mp.TimeoutError("gear"), None)]))
    assert raised.value.args == ("gear",)
    results = pool.imap(_invert, [6, 7, 8, 5], 2)
    assert (next(results), next(results)) == (1.0, 0.5)
    with raises(ZeroDivisionError):
        list(results)


@requirement("pool.imap.iterable-raises")
def test_iterable_raises(mp, pool):
    """What the iterable raises is raised, by ``imap``'s iterator in its turn; TypeError if it is none."""
    results = pool.imap(_square, _numbers_then_error())
    assert (next(results), next(results)) == (4, 9)
    with raises(LookupError):
        next(results)
    for method in (pool.imap, pool.imap_unordered):
        for chunksize in (1, 2):
            for error in (LookupError, OSError, _Refusal):
                with raises(error):
                    list(method(_square, _numbers_then_error(error), chunksize))
        with raises(LookupError):
            method(_square, _error_at_once()).next(mp.timeout / 2)
        with raises(LookupError):
            next(method(_square, _numbers_then_error(), 3))
        with raises(TypeError):
            list(method(_square, 3))
    assert pool.apply(_square, (3,)) == 9


@requirement("pool.imap-unordered.result")
def test_imap_unordered_gives_all_results(pool):
    """``imap_unordered`` gives an iterator of all results."""
    results = pool.imap_unordered(_square, range(20))
    assert iter(results) is results
    assert sorted(results) == [x * x for x in range(20)]
    assert sorted(pool.imap_unordered(_square, iter([2, 1]))) == [1, 4]
    assert list(pool.imap_unordered(_square, iter(()))) == []
    for items in _iterables():
        assert sorted(pool.imap_unordered(_square, items)) == [1, 4, 9]
    assert list(pool.imap_unordered(_give, [None, None])) == [None, None]


@requirement("pool.imap-unordered.chunksize")
def test_imap_unordered_with_chunks(pool):
    """The chunksize does not change what ``imap_unordered`` gives."""
    for chunksize in (2, 3, 100):
        squares = [x * x for x in range(10)]
        assert sorted(pool.imap_unordered(_square, range(10), chunksize)) == squares
        assert sorted(pool.imap_unordered(_square, iter(range(10)), chunksize)) == squares
    assert list(pool.imap_unordered(_square, [], 2)) == []
    assert list(pool.imap_unordered(_square, iter(()), 2)) == []


@requirement("pool.imap-unordered.chunks-are-tasks")
def test_imap_unordered_chunks_are_tasks(mp, pool):
    """A chunk of ``imap_unordered`` is one task."""
    _assert_chunk_is_one_task(mp, pool, pool.imap_unordered, _pass_gate_or_touch_item)


@requirement("pool.imap-unordered.first-done-first")
def test_imap_unordered_gives_what_is_done(mp, pool, tmp_path):
    """``imap_unordered`` gives a result as soon as it is there, though an earlier one is not."""
    gate = _gate(tmp_path)
    results = pool.imap_unordered(_pass_gate_if_first, [(0, gate), (1, gate)])
    assert next(results) == 1
    gate.write_text("open")
    assert next(results) == 0
    results = pool.imap_unordered(
        _pass_gate_if_first, [(number, gate) for number in range(4)], chunksize=2
    )
    thread, seen = _in_thread(next, results)
    thread.join(mp.timeout / 2)
    early = [*seen]
    gate.write_text("open")
    thread.join()
    assert early == [2]
    assert sorted(results) == [0, 1, 3]


@requirement("pool.imap-unordered.one-worker-in-order")
def test_imap_unordered_of_one_worker(mp):
    """With one worker ``imap_unordered`` gives the results in order, in chunks, too."""
    for kind in ("unordered", "unordered in chunks"):
        assert _single_pool(mp)[kind] == [x * x for x in range(20)]


@requirement("pool.imap-unordered.next-timeout")
def test_imap_unordered_next_timeout(mp, pool, tmp_path):
    """``next(timeout)`` raises TimeoutError when no result comes in time, which it waits for."""
    gate, other = _gate(tmp_path), _gate(tmp_path, "other")
    results = pool.imap_unordered(_pass_gate, [gate])
    explicit = pool.imap_unordered(_pass_gate, [other], chunksize=1)
    for timeout in (0.01, 0, -1):
        for values in (results, explicit):
            with raises(mp.TimeoutError):
                values.next(timeout=timeout)
    assert waits(functools.partial(outcome_of, results.next))[0] == "TimeoutError"
    for values, place in ((results, gate), (explicit, other)):
        place.write_text("open")
        assert values.next(timeout=mp.timeout) == "open"
    assert sorted(_taken_without_waiting(mp, pool.imap_unordered(_square, [3, 4]))) == [9, 16]


@requirement("pool.imap-unordered.exception")
def test_imap_unordered_raises(mp, pool):
    """An exception is raised by one ``next``, and the other results come all the same."""
    results = pool.imap_unordered(_invert, [6, 5, 7])
    seen = []
    for _ in range(3):
        try:
            seen.append(next(results))
        except ZeroDivisionError:
            seen.append(0)
    assert sorted(seen) == [0, 0.5, 1.0]
    for _ in range(2):
        with raises(StopIteration):
            results.next(mp.timeout / 2)
    results = pool.imap_unordered(_invert, [5] * 20)
    assert pool.map(_square, range(4), 1) == [0, 1, 4, 9]  # so many wait to be taken
    seen = [outcome_of(results.next, mp.timeout / 2)[0] for _ in range(21)]
    assert seen == ["ZeroDivisionError"] * 20 + ["StopIteration"]
    with raises(ZeroDivisionError):
        list(pool.imap_unordered(_invert, [6, 7, 8, 5], 2))


# starmap, starmap_async


@requirement("pool.starmap.result")
def test_starmap_unpacks(pool):
    """``starmap`` calls the function with each element unpacked, and gives the results in order."""
    assert pool.starmap(_add, [(1, 2), (3, 4)]) == [3, 7]
    assert pool.starmap(_add, ([x, x] for x in range(5))) == [0, 2, 4, 6, 8]
    assert pool.starmap(pow, [range(2, 4), iter([2, 5])]) == [8, 32]
    assert pool.starmap(os.path.join, ["ab"]) == ["a/b"]
    assert pool.starmap(os.path.join, [{"a": 1, "b": 2}]) == ["a/b"]
    assert pool.starmap(divmod, [b"\x07\x02"]) == [(3, 1)]
    assert pool.starmap(_add, []) == []


@requirement("pool.starmap.chunksize")
def test_starmap_with_chunks(pool):
    """The chunksize does not change what ``starmap`` gives."""
    for chunksize in (1, 3, 100):
        assert pool.starmap(_add, [(x, 1) for x in range(10)], chunksize) == list(range(1, 11))


@requirement("pool.starmap.chunks-are-tasks")
def test_starmap_chunks_are_tasks(mp, pool):
    """A chunk of ``starmap`` is one task."""
    _assert_chunk_is_one_task(mp, pool, pool.starmap, _pass_gate_or_touch)


@requirement("pool.starmap-async.chunks-are-tasks")
def test_starmap_async_chunks_are_tasks(mp, pool):
    """A chunk of ``starmap_async`` is one task."""
    _assert_chunk_is_one_task(mp, pool, pool.starmap_async, _pass_gate_or_touch)


@requirement("pool.starmap.exception")
def test_starmap_raises(pool):
    """``starmap`` raises what the function raised."""
    with raises(_Refusal) as raised:
        pool.starmap(_refuse, [("gear", 7)])
    assert raised.value.args == ("gear", 7)


@requirement("pool.starmap-async.result")
def test_starmap_async_gives_a_result_object(pool):
    """``starmap_async`` gives a result object, whose ``get`` gives the list of results."""
    assert pool.starmap_async(_add, [(1, 2), (3, 4)], 1).get() == [3, 7]
    assert pool.starmap_async(_add, (pair for pair in [(1, 2), (3, 4)])).get() == [3, 7]
    assert pool.starmap_async(_add, []).get() == []
    assert pool.starmap_async(pow, [range(2, 4), iter([2, 5])]).get() == [8, 32]


@requirement("pool.starmap-async.does-not-block")
def test_starmap_async_does_not_block(pool, tmp_path):
    """``starmap_async`` returns before the function has."""
    gate = _gate(tmp_path)
    result = pool.starmap_async(_pass_gate, [(gate,)])
    assert not result.ready()
    gate.write_text("open")
    assert result.get() == ["open"]


@requirement("pool.starmap-async.callbacks")
def test_starmap_async_callbacks(mp, pool):
    """The callback is called with the list of results, else the error callback; never both."""
    results, errors, callbacks = _callbacks()
    pool.starmap_async(_add, [(1, 2), (3, 4)], **callbacks)
    assert results.get(timeout=mp.timeout) == [3, 7]
    pool.starmap_async(_refuse, [("gear", 7)], **callbacks)
    errors.get(timeout=mp.timeout)
    assert results.empty()
    assert errors.empty()


@requirement("pool.starmap-async.error-callback")
def test_starmap_async_error_callback(mp, pool):
    """The error callback, if alone, is called with the exception, and the callback is not called, even if alone."""
    results, errors, callbacks = _callbacks()
    pool.starmap_async(_refuse, [("gear", 7)], **callbacks)
    assert errors.get(timeout=mp.timeout).args == ("gear", 7)
    pool.starmap_async(_refuse, [("gear",)], 1, results.put, errors.put)
    assert errors.get(timeout=mp.timeout).args == ("gear",)
    assert results.empty()
    assert errors.empty()
    _assert_called_alone(mp, functools.partial(pool.starmap_async, _refuse, [("gear",)]))


# What goes wrong


@requirement("pool.errors.remote-traceback")
def test_errors_tell_where_they_come_from(mp, pool):
    """The cause of a reraised exception shows the traceback in the worker, also in one that replaced another."""
    *_, (_, _, cause) = _short_lived_pool(mp)
    assert "in _refuse" in cause
    for submit in (
        pool.apply,
        pool.map,
        pool.starmap,
        lambda *args: next(pool.imap(*args)),
        lambda *args: next(pool.imap_unordered(*args)),
        lambda *args: next(pool.imap(*args, 2)),
    ):
        with raises(_Refusal) as raised:
            submit(_refuse, [(3,)])
        assert "in _refuse" in str(raised.value.__cause__)
    with raises(_Refusal) as raised:
        pool.apply(_refuse_while_handling)
    assert "ZeroDivisionError" in str(raised.value.__cause__)


def _refuse_while_handling():
    try:
        _invert(5)
    except ZeroDivisionError:
        _refuse()


def _give_generator():
    return (x for x in range(3))


def _give_unless_none(load):
    return Unpicklable() if load is None else load


def _refuse_by_what_cannot_be_sent():
    raise _Refusal(Unpicklable())


@requirement("pool.errors.unpicklable-result")
def test_result_that_cannot_be_sent(mp, pool):
    """A result that can't be pickled, or an exception, raises an exception in the caller, and the pool works on."""
    with raises(Exception):
        pool.apply(_give_generator)
    with raises(Exception):
        pool.starmap(_give_generator, [()])
    for result in (
        pool.apply_async(_refuse_by_what_cannot_be_sent),
        pool.starmap_async(_refuse_by_what_cannot_be_sent, [()]),
    ):
        result.wait(mp.timeout / 2)
        assert result.ready()
        with raises(Exception):
            result.get()
    for method in (pool.imap, pool.imap_unordered):
        results = method(_give_unless_none, ["box", None, "gear"])
        seen = [outcome_of(results.next, mp.timeout / 2) for _ in range(4)]
        kinds = [kind for kind, _ in seen]
        given = [value for kind, value in seen if kind == "returned"]
        assert sorted(given) == ["box", "gear"]
        assert "TimeoutError" not in kinds
        assert kinds[-1] == "StopIteration"
        assert method != pool.imap or kinds[::2] == ["returned"] * 2
    assert pool.apply(_square, (3,)) == 9


@requirement("pool.errors.unpicklable-result-error")
def test_error_of_a_result_that_cannot_be_sent(pool):
    """The error tells what the result was, and why it can't be pickled."""
    for submit, arguments in ((pool.apply, ()), (pool.starmap, [()])):
        with raises(Exception, match="this can't be pickled") as raised:
            submit(Unpicklable, arguments)
        assert "Unpicklable object at" in str(raised.value)


@requirement("pool.errors.unpicklable-result-class")
def test_class_of_the_error_of_a_result_that_cannot_be_sent(pool):
    """The error is a MaybeEncodingError."""
    for submit, arguments in ((pool.apply, ()), (pool.starmap, [()])):
        with raises(Exception) as raised:
            submit(Unpicklable, arguments)
        assert type(raised.value).__name__ == "MaybeEncodingError"


@requirement("pool.errors.unpicklable-task-error")
def test_error_of_a_task_that_cannot_be_sent(pool):
    """The error is the one that the pickling has raised."""
    with raises(TypeError, match="this can't be pickled"):
        pool.apply(len, (Unpicklable(),))
    with raises(TypeError, match="this can't be pickled"):
        pool.map(len, [Unpicklable()])


@requirement("pool.errors.unpicklable-task")
def test_task_that_cannot_be_sent(mp, pool):
    """A task that can't be pickled raises an exception in the caller, and the pool works on."""
    with raises(Exception):
        pool.apply(len, ((x for x in range(3)),))
    with raises(Exception):
        pool.map(len, [(x for x in range(3))])
    for method, items in (
        (pool.map_async, ["box", Unpicklable(), "gear"]),
        (pool.starmap_async, [("box",), (Unpicklable(),), ("gear",)]),
    ):
        result = method(len, items, 1)
        result.wait(mp.timeout / 2)
        assert result.ready()
        with raises(Exception):
            result.get()
    results = pool.imap(len, [(x for x in range(3)), "gear"])
    with raises(Exception):
        next(results)
    assert next(results) == 4
    results = pool.imap(len, ["box", Unpicklable(), "gear"])
    assert next(results) == 3
    with raises(Exception):
        next(results)
    assert next(results) == 4
    with raises(StopIteration):
        next(results)
    for method in (pool.imap, pool.imap_unordered):
        results = method(len, ["box", Unpicklable()])
        seen = [outcome_of(results.next, mp.timeout / 2) for _ in range(3)]
        assert ("returned", 3) in seen[:2]
        assert seen[2][0] == "StopIteration"
    assert pool.apply(_square, (3,)) == 9


@requirement("pool.errors.not-picklable")
def test_pool_cannot_be_pickled(pool):
    """A pool can't be passed to another process: pickling it raises NotImplementedError."""
    with raises(NotImplementedError):
        pickle.dumps(pool)


# close, terminate, join


def _submissions(pool):
    return [
        lambda: pool.apply(_square, (1,)),
        lambda: pool.apply_async(_square, (1,)),
        lambda: pool.map(_square, [1]),
        lambda: pool.map_async(_square, [1]),
        lambda: pool.imap(_square, [1]),
        lambda: pool.imap_unordered(_square, [1]),
        lambda: pool.imap(_square, [1, 2], 2),
        lambda: pool.imap_unordered(_square, [1, 2], 2),
        lambda: pool.starmap(_add, [(1, 2)]),
        lambda: pool.starmap_async(_add, [(1, 2)]),
    ]


@observed_once
def _ended_pools(mp):
    """A pool that was closed, and one that was terminated: how the submission of tasks ends, and entering the pool.

    Also whether the worker stops before the pool is joined.
    """
    from mpspec.observing import wait_until

    facts = {}
    with _resource_warnings() as warned:
        for end in ("close", "terminate"):
            pool, [worker] = _new_pool(mp)
            getattr(pool, end)()
            facts[end] = [outcome_of(submit)[0] for submit in _submissions(pool)]
            facts[f"stops after {end}"], _ = outcome_of(
                wait_until, lambda worker=worker: not worker.is_alive(), mp.timeout, "it stopped"
            )
            pool.join()
            facts[f"enter after {end}"] = outcome_of(pool.__enter__)[0]
            del pool
            gc.collect()
        facts["warned"] = [text for text in warned if "pool" in text.lower()]
    return facts


@requirement("pool.close.no-more-tasks")
def test_close_refuses_tasks(mp):
    """After ``close`` no method takes a task."""
    assert "returned" not in _ended_pools(mp)["close"]


@requirement("pool.close.no-more-tasks-error")
def test_close_refuses_tasks_with_value_error(mp):
    """What is submitted after ``close`` or ``terminate`` raises ValueError."""
    facts = _ended_pools(mp)
    assert {*facts["close"], *facts["terminate"]} == {"ValueError"}


def _hold_end(folder):
    """In a worker: a thread keeps the process from ending until a gate of its own is opened."""
    gate = os.path.join(folder, str(os.getpid()))
    os.mkfifo(gate)
    threading.Thread(target=_open_and_touch, args=(gate, f"{gate} open")).start()


def _open_and_touch(gate, path):
    _open((gate, "r"))
    _touch(path)


def _all_of(mp, results):
    """What an iterator of results gives until it ends, least first."""
    values = []
    with contextlib.suppress(StopIteration):
        while True:
            values.append(results.next(mp.timeout))
    return sorted(values)


def _let_end(mp, caller, gates):
    """Let one worker after the other end, for which a call waits."""
    from mpspec.observing import has_ended, wait_until

    for pid, gate in sorted(gates.items()):
        caller.until_blocked()
        both = os.open(gate, os.O_RDWR)  # does not wait for a worker that has ended already
        try:
            wait_until(functools.partial(has_ended, pid), mp.timeout, "the worker has ended")
        finally:
            os.close(both)
        assert os.path.exists(f"{gate} open"), "the worker has ended before it was let"


def _two_numbers(mp, resume):
    """An iterable that goes on when it is let."""
    yield 2
    resume.wait(mp.timeout)
    yield 3


def _squares_of_two(mp, pool, resume):
    """The results of both imaps for such an iterable."""
    return [
        method(_square, _two_numbers(mp, resume)) for method in (pool.imap, pool.imap_unordered)
    ]


@observed_once
def _closed_pool(mp):
    """A pool that is closed and joined while a worker has a task, others wait, and two iterables go on."""
    from mpspec.observing import wait_until

    resume = threading.Event()
    called, errors, callbacks = _callbacks()
    with _folder() as folder:
        gate = _gate(folder)
        pool, workers = _new_pool(mp, 2, _hold_end, (str(folder),))
        gates = {worker.pid: folder / str(worker.pid) for worker in workers}
        try:
            wait_until(lambda: all(each.exists() for each in gates.values()), mp.timeout, "held")
            results = [pool.apply_async(_pass_gate, (gate,))]
            results += [pool.apply_async(_square, (number,), **callbacks) for number in (3, 4)]
            results.append(pool.map_async(_square, [5], **callbacks))
            failing = [
                pool.apply_async(_refuse, **callbacks),
                pool.map_async(_refuse, [7], **callbacks),
            ]
            iterated = _squares_of_two(mp, pool, resume)
            pool.close()
            facts = {"closed": [worker.is_alive() for worker in workers]}
            caller = CallerThread(mp, pool, "join")
            caller.until_blocked()
            gate.write_text("open")
            resume.set()
            facts["results"] = [result.get(mp.timeout) for result in results]
            facts["iterated"] = [_all_of(mp, each) for each in iterated]
            facts["failed"] = [outcome_of(each.get, mp.timeout)[0] for each in failing]
            facts["called back"] = [called.get(timeout=mp.timeout) for _ in range(3)]
            facts["errors"] = [outcome_of(errors.get, timeout=mp.timeout)[0] for _ in failing]
            facts["waited"], _ = outcome_of(_let_end, mp, caller, gates)
            if facts["waited"] != "returned":
                pool.terminate()
            facts["join"] = caller.result()
            facts["joined"] = [worker.is_alive() for worker in workers]
            facts["exit codes"] = [worker.exitcode for worker in workers]
        finally:
            pool.terminate()
    return facts


@requirement("pool.close.completes-tasks")
def test_close_lets_tasks_complete(mp):
    """Tasks that were submitted before ``close`` are completed, and all of an iterable; callbacks are called."""
    facts = _closed_pool(mp)
    assert facts["closed"] == [True, True]
    assert facts["results"] == ["open", 9, 16, [25]]
    assert facts["called back"] == [9, 16, [25]]
    assert facts["failed"] == ["_Refusal"] * 2
    assert facts["errors"] == ["returned"] * 2
    assert facts["iterated"] == [[4, 9], [4, 9]]
    assert facts["joined"] == [False, False]


@requirement("pool.close.replaces-workers")
def test_closed_pool_replaces_workers(mp):
    """Tasks that were submitted before ``close`` are completed, if by new workers, as their worker's time is up."""
    _, chunks, _ = _short_lived_pool(mp)
    assert [mark for _, mark in chunks] == ["by the initializer"] * 4


@requirement("pool.close.replaces-workers")
def test_closed_pool_replaces_workers_for_an_iterator(mp):
    """An iterator gives all of its results, be they of several workers, though the pool was closed before the first."""
    pool = mp.Pool(1, maxtasksperchild=1)
    pids = pool.imap(_pid, range(2))
    pool.close()
    seen = [outcome_of(pids.next, max(mp.timeout / 4, 2))[0] for _ in range(3)]
    pool.terminate()
    pool.join()
    assert seen == ["returned", "returned", "StopIteration"]


@requirement("pool.close.workers-exit")
def test_close_lets_workers_exit(mp):
    """After ``close`` the workers of an idle pool exit by themselves, all of them, and without ``join``."""
    assert _single_pool(mp)["exit code"] == 0
    assert _closed_pool(mp)["exit codes"] == [0, 0]
    assert _ended_pools(mp)["stops after close"] == "returned"


def _arrive(start, gate, path):
    _touch(start)
    _pass_gate(gate)
    _touch(path)


def _until_begun(mp, start):
    from mpspec.observing import wait_until

    wait_until(start.exists, mp.timeout, "the task has begun")


@contextlib.contextmanager
def _endless(mp):
    """An iterator of numbers; it must not be read any more when the block is left, by threads that began in it."""
    from mpspec.observing import wait_until

    before, left = threading.enumerate(), []

    def numbers():
        while not left:
            yield 2

    try:
        yield numbers()
        wait_until(lambda: not _new_threads(before), mp.timeout, "nobody reads on")
    finally:
        left.append(True)


@observed_once
def _terminated_pool(mp):
    """A pool that is terminated in the middle of a task; another, too large for any buffer, waits for the worker."""
    from mpspec.observing import wait_until

    before = threading.enumerate()
    with _folder() as folder:
        start, first, second = (folder / name for name in ("start", "first", "second"))
        pool, [worker] = _new_pool(mp)
        result = pool.apply_async(_arrive, (start, _gate(folder), first))
        waiting = pool.apply_async(_touch, (second, bytes(1 << 20)))
        _until_begun(mp, start)
        for thread in _new_threads(before):
            _until_blocked(mp, thread)
        pool.terminate()
        stopped = outcome_of(wait_until, lambda: not worker.is_alive(), mp.timeout, "it stopped")
        pool.join()
        return {
            "stopped": stopped,
            "alive": worker.is_alive(),
            "succeeded": result.ready() and result.successful(),
            "got": {outcome_of(each.get, 0.01)[0] for each in (result, waiting)},
            "completed": [path.exists() for path in (first, second)],
        }


@requirement("pool.terminate.stops-at-once")
def test_terminate_does_not_wait_for_tasks(mp):
    """``terminate`` stops a worker in the middle of its task, and an idle one, without ``join``."""
    facts = _terminated_pool(mp)
    assert facts["stopped"] == ("returned", None)
    assert _ended_pools(mp)["stops after terminate"] == "returned"
    assert not facts["alive"]
    assert not facts["succeeded"]


@requirement("pool.terminate.signal-handled")
def test_terminate_of_a_program_that_handles_the_signal(mp):
    """A pool that was made while the program had a handler for SIGTERM is terminated in the middle of a task."""
    before = signal.signal(signal.SIGTERM, _nothing_on_signal)
    try:
        pool, [worker] = _new_pool(mp)
    finally:
        signal.signal(signal.SIGTERM, before)
    with _folder() as folder:
        gate, start = _gate(folder), folder / "start"
        pool.apply_async(_arrive, (start, gate, folder / "end"))
        _until_begun(mp, start)
        terminating, _ = _in_thread(pool.terminate)
        # An implementation that departs costs the whole wait.
        terminating.join(max(mp.timeout / 6, 1.5))
        ended = not terminating.is_alive()
        worker.kill()
        terminating.join()
        pool.join()
    assert ended


def _nothing_on_signal(number, frame):
    pass


@requirement("pool.terminate.drops-tasks")
def test_terminate_drops_tasks(mp):
    """Work that is outstanding at ``terminate`` is not completed."""
    assert _terminated_pool(mp)["completed"] == [False, False]


@requirement("pool.terminate.results-raise")
def test_results_of_a_terminated_pool(mp):
    """``get`` of a result that was outstanding at ``terminate`` raises, and not for want of time."""
    assert _terminated_pool(mp)["got"].isdisjoint({"returned", "TimeoutError"})


_left_running = []


def _leave_a_pool(mp):
    """In a new interpreter: leave a pool as it is when the program ends; the pid of its worker."""
    pool = mp.Pool(1)
    _left_running.append(pool)
    return pool.apply(_pid)


@requirement("pool.workers.end-with-program")
def test_pool_that_a_program_leaves_running(mp):
    """A program that neither closes nor terminates its pool ends, and so does the worker."""
    from mpspec.observing import has_ended, wait_until
    from mpspec.programs import call

    worker = call(_leave_a_pool, mp, timeout=mp.timeout)
    wait_until(lambda: has_ended(worker), mp.timeout, "the worker has ended")


def _leave_a_thread_pool(mp):
    """In a new interpreter: as above, of threads."""
    pool = mp.pool.ThreadPool(1)
    _left_running.append(pool)
    return pool.apply(_square, (3,))


@requirement("pool.thread-pool.end-with-program")
def test_thread_pool_that_a_program_leaves_running(mp):
    """A program that neither closes nor terminates its ThreadPool ends."""
    from mpspec.programs import call

    assert call(_leave_a_thread_pool, mp, timeout=mp.timeout) == 9


def _collect_until_stopped(mp, worker):
    from mpspec.observing import wait_until

    def has_stopped():
        gc.collect()
        return not worker.is_alive()

    wait_until(has_stopped, mp.timeout, "the worker stopped")


@contextlib.contextmanager
def _resource_warnings():
    """What ResourceWarnings say meanwhile; nothing keeps what they are about."""
    seen = []

    def show(message, category, *_, **__):
        if issubclass(category, ResourceWarning):
            seen.append(str(message))

    with warnings.catch_warnings():
        warnings.simplefilter("always", ResourceWarning)
        warnings.showwarning = show
        yield seen


@observed_once
def _abandoned_pool(mp):
    """A pool that nobody refers to any more: what its worker comes to, and what is said of it; who did its tasks.

    The worker would not end by itself, as it does when a pool is closed.
    """
    pool, [worker] = _new_pool(mp, 1, None, (), None)
    pids = {pool.apply(_pid) for _ in range(2)}
    with _folder() as folder, _resource_warnings() as warned:
        gate = _gate(folder)
        pool.apply(_stay, (gate,))
        del pool
        try:
            stopped = outcome_of(_collect_until_stopped, mp, worker)
        finally:
            os.close(os.open(gate, os.O_RDWR))  # a worker that was not stopped may end
    return stopped, warned, pids


def _stay(gate):
    """In a worker: a thread keeps the process from ending by itself until a gate is opened."""
    threading.Thread(target=_pass_gate, args=(gate,)).start()


@requirement("pool.terminate.garbage-collected")
def test_an_abandoned_pool_is_terminated(mp):
    """The workers of a pool that is garbage collected are stopped: processes, whatever they do, or threads."""
    stopped, *_ = _abandoned_pool(mp)
    assert stopped == ("returned", None)
    with _resource_warnings():
        threads = _abandoned_threads(mp)
        assert len(threads) >= 2
        for thread in threads:
            _collect_until_stopped(mp, thread)


def _abandoned_threads(mp):
    """The threads of a ThreadPool that nobody refers to any more, and that was idle before."""
    before = threading.enumerate()
    pool = mp.pool.ThreadPool(2)
    assert pool.apply(_square, (3,)) == 9
    threads = _new_threads(before)
    for thread in threads:
        _until_blocked(mp, thread)
    return threads


@requirement("pool.terminate.garbage-collected-warning")
def test_an_abandoned_pool_is_warned_of(mp):
    """There is a ResourceWarning for a running pool that is garbage collected, and none for one that was ended."""
    _, warned, _ = _abandoned_pool(mp)
    assert ["pool" in text.lower() for text in warned] == [True]
    with _resource_warnings() as warned:
        for thread in _abandoned_threads(mp):
            _collect_until_stopped(mp, thread)
    assert ["pool" in text.lower() for text in warned] == [True]
    assert _ended_pools(mp)["warned"] == []


@requirement("pool.terminate.repeated")
def test_terminate_after_close(mp, tmp_path):
    """``terminate`` may follow ``close``, whatever runs yet, and each of them and ``join`` may be repeated.

    A callback may call it, too.
    """
    pool, [worker] = _new_pool(mp)
    pool.apply_async(_pass_gate, (_gate(tmp_path),))
    for end in (pool.close, pool.terminate, pool.join, pool.close):
        assert end() is None
        assert end() is None
    assert not worker.is_alive()
    pool, _ = _new_pool(mp)
    result = pool.apply_async(_square, (3,), callback=lambda _: pool.terminate())
    assert result.get(mp.timeout / 2) == 9
    pool.join()


@requirement("pool.join.needs-close")
def test_join_needs_close(pool):
    """``join`` before ``close`` or ``terminate`` raises, and does the pool no harm."""
    with raises(Exception):
        pool.join()
    assert pool.apply(_square, (3,)) == 9


@requirement("pool.join.needs-close-error")
def test_join_needs_close_else_value_error(pool):
    """``join`` before ``close`` or ``terminate`` raises ValueError."""
    with raises(ValueError):
        pool.join()


@requirement("pool.join.waits")
def test_join_waits_for_the_workers(mp):
    """``join`` waits until all workers have exited."""
    facts = _closed_pool(mp)
    assert facts["waited"] == "returned"
    assert facts["join"] is None
    assert facts["joined"] == [False, False]


@requirement("pool.context-manager.enter")
def test_with_gives_the_pool(mp):
    """Entering a pool gives the pool."""
    pool = mp.Pool(1)
    with pool as entered:
        assert entered is pool
        assert entered.apply(_square, (3,)) == 9
    pool.join()


@requirement("pool.context-manager.exit-terminates")
def test_with_terminates(mp):
    """Leaving a pool terminates it, though its worker is busy, and an iterable has no end."""
    pool, [worker] = _new_pool(mp)
    with _folder() as folder, _endless(mp) as numbers:
        with pool:
            result = pool.apply_async(_pass_gate, (_gate(folder),))
            pool.imap_unordered(_square, numbers)
        pool.join()
    assert not worker.is_alive()
    assert not (result.ready() and result.successful())
    assert outcome_of(pool.apply, _square, (3,))[0] != "returned"


@requirement("pool.context-manager.exit-after-close")
def test_with_terminates_a_closed_pool(mp):
    """Leaving a pool that was closed in its block terminates it, though its worker is busy."""
    pool, [worker] = _new_pool(mp)
    with _folder() as folder:
        with pool:
            result = pool.apply_async(_pass_gate, (_gate(folder),))
            pool.close()  # which waits for no task
        pool.join()
    assert not worker.is_alive()
    assert not (result.ready() and result.successful())


@requirement("pool.context-manager.closed-inside")
def test_with_lets_the_pool_be_closed(mp):
    """A pool may be closed and joined in its with block; leaving it changes nothing more."""
    assert _single_pool(mp)["later"] == (False, 0)


@requirement("pool.context-manager.exit-by-exception")
def test_with_lets_exceptions_through(mp):
    """An exception that leaves the block of a pool terminates it, though its worker is busy, and goes on."""
    _assert_let_through(mp, LookupError, KeyboardInterrupt)


@requirement("pool.context-manager.exit-by-exception")
def test_with_lets_stop_iteration_through(mp):
    """StopIteration, which ends so much else, ends no block in silence."""
    _assert_let_through(mp, StopIteration)


def _assert_let_through(mp, *kinds):
    for kind in kinds:
        pool, [worker] = _new_pool(mp)
        with _folder() as folder:
            with raises(kind), pool:
                result = pool.apply_async(_pass_gate, (_gate(folder),))
                raise kind
            pool.join()
        assert not worker.is_alive()
        assert not (result.ready() and result.successful())


# AsyncResult


@requirement("pool.async-result.class")
def test_results_are_async_results(mp, pool):
    """What ``apply_async``, ``map_async`` and ``starmap_async`` return is an AsyncResult."""
    results = [
        pool.apply_async(_add, (1, 2), {"z": 3}),
        pool.map_async(_square, range(10), 3),
        pool.starmap_async(_add, [(1, 2), (3, 4)], 1),
    ]
    for result in results:
        result.wait()
    assert [isinstance(result, mp.pool.AsyncResult) for result in results] == [True] * 3


@requirement("pool.async-result.get")
def test_get_waits_for_the_result(mp, pool, tmp_path):
    """``get`` waits for the result, and gives it as often as it is asked."""
    gate = _gate(tmp_path)
    result = pool.apply_async(_pass_gate, (gate,))
    thread, results = _in_thread(result.get)
    _until_blocked(mp, thread)
    gate.write_text("open")
    thread.join()
    assert results == ["open"]
    assert result.get(mp.timeout) == "open"


@requirement("pool.async-result.get-timeout")
def test_get_timeout(mp, pool, tmp_path):
    """``get(timeout)`` raises TimeoutError when the result does not come in time."""
    gate = _gate(tmp_path)
    result = pool.apply_async(_pass_gate, (gate,))
    start = time.monotonic()
    with raises(mp.TimeoutError):
        result.get(timeout=0.05)
    assert time.monotonic() - start > 0.045
    assert waits(functools.partial(outcome_of, result.get))[0] == "TimeoutError"
    gates, others = _waiting_results(pool, tmp_path)
    for timeout in (0, -1):
        for each in (result, *others):
            with raises(mp.TimeoutError):
                each.get(timeout)
    for each in (gate, *gates):
        each.write_text("open")
    assert [each.get() for each in others] == ["open", ["open"], ["open"]]
    assert result.get(timeout=mp.timeout) == "open"
    assert within(AT_ONCE, functools.partial(result.get, mp.timeout)) == "open"
    assert result.get(0) == "open"


@requirement("pool.async-result.timeout-leaves-the-pool")
def test_pool_works_on_after_a_timeout(mp, pool, tmp_path):
    """After a timeout the pool takes further work; when the result comes its callback is called, or error callback."""
    results, errors, callbacks = _callbacks()
    for submit, function, item, value in (
        (pool.apply_async, _pass_gate, (_gate(tmp_path),), "open"),
        (pool.map_async, _pass_gate, [tmp_path / "gate"], ["open"]),
        (pool.apply_async, _pass_gate_and_raise, ((_Refusal(), tmp_path / "gate"),), None),
        (pool.map_async, _pass_gate_and_raise, [(_Refusal(), tmp_path / "gate")], None),
    ):
        result = submit(function, item, **callbacks)
        with raises(mp.TimeoutError):
            result.get(0.01)
        assert pool.apply(_square, (3,)) == 9
        (tmp_path / "gate").write_text("open")
        if value:
            assert result.get() == value
            assert results.get(timeout=mp.timeout) == value
        else:
            with raises(_Refusal):
                result.get()
            errors.get(timeout=mp.timeout)
    assert results.empty()
    assert errors.empty()


@requirement("pool.async-result.get-raises")
def test_get_raises(pool):
    """``get`` raises what the call raised, as often as it is asked."""
    for result in (
        pool.apply_async(_refuse, ("gear", 7)),
        pool.map_async(functools.partial(_refuse, "gear"), [7]),
        pool.starmap_async(_refuse, [("gear", 7)]),
    ):
        for _ in range(2):
            with raises(_Refusal) as raised:
                result.get()
            assert raised.value.args == ("gear", 7)


@requirement("pool.async-result.wait")
def test_wait(mp, pool, tmp_path):
    """``wait(timeout)`` returns when the timeout is over, ``wait()`` when the result is there."""
    gate = _gate(tmp_path)
    result = pool.apply_async(_pass_gate, (gate,))
    start = time.monotonic()
    result.wait(0.05)
    assert time.monotonic() - start > 0.045
    assert waits(result.wait) is None
    gates, others = _waiting_results(pool, tmp_path)
    for each in others:
        assert waits(each.wait) is None
    for timeout in (0, -1):
        for each in (result, *others):
            each.wait(timeout=timeout)
    assert [each.ready() for each in (result, *others)] == [False] * 4
    start = time.monotonic()
    thread, results = _in_thread(result.wait)
    limited, _ = _in_thread(result.wait, mp.timeout)
    _until_blocked(mp, thread)
    _until_blocked(mp, limited)
    together = [CallerThread(mp, others[1], "wait") for _ in range(2)]
    until_all_blocked(together)
    assert results == []
    for each in (gate, *gates):
        each.write_text("open")
    thread.join()
    limited.join()
    assert [each.result() for each in together] == [None, None]
    assert time.monotonic() - start < mp.timeout
    assert result.ready()
    assert [each.get() for each in others] == ["open", ["open"], ["open"]]


@requirement("pool.async-result.timeout-none")
def test_timeout_of_none(mp, pool, tmp_path):
    """``get``, ``wait`` and the iterators' ``next`` wait for the result when their timeout is None."""
    gates = [_gate(tmp_path, name) for name in ("first", "second")]
    result, values = (
        pool.apply_async(_pass_gate, (gates[0],)),
        pool.imap(_pass_gate, gates[1:]),
    )
    callers = [
        CallerThread(mp, result, "get", None),
        CallerThread(mp, result, "wait", timeout=None),
        CallerThread(mp, values, "next", timeout=None),
    ]
    until_all_blocked(callers)
    for gate in gates:
        gate.write_text("open")
    assert [caller.result() for caller in callers] == ["open", None, "open"]
    values = pool.imap_unordered(_pass_gate, gates[1:])
    caller = CallerThread(mp, values, "next", None)
    caller.until_blocked()
    gates[1].write_text("open")
    assert caller.result() == "open"


@requirement("pool.async-result.timeout-huge")
def test_huge_timeouts(mp, pool, tmp_path):
    """``get``, ``wait`` and the iterators' ``next`` wait for the result with timeouts that no poll() can count."""
    gates = [_gate(tmp_path, name) for name in ("first", "second", "third")]
    result = pool.apply_async(_pass_gate, gates[:1])
    callers = [CallerThread(mp, result, name, each) for each in HUGE for name in ("get", "wait")]
    for method, gate in ((pool.imap, gates[1]), (pool.imap_unordered, gates[2])):
        callers.append(CallerThread(mp, method(_pass_gate, [gate]), "next", max(HUGE)))
    until_all_blocked(callers)
    for gate in gates:
        gate.write_text("open")
    found = [caller.result() for caller in callers]
    assert found == ["open", None, "open", None, "open", "open"]


@requirement("pool.async-result.wait-never-raises")
def test_wait_does_not_raise(mp, pool):
    """``wait`` does not raise what the call raised."""
    result = pool.apply_async(_refuse)
    result.wait()
    result.wait(timeout=mp.timeout)
    assert result.ready() is True


@requirement("pool.async-result.ready")
def test_ready(pool, tmp_path):
    """``ready`` tells whether the call has completed."""
    gate = _gate(tmp_path)
    result = pool.apply_async(_pass_gate, (gate,))
    assert result.ready() is False
    gate.write_text("open")
    result.wait()
    assert result.ready() is True


@requirement("pool.async-result.successful")
def test_successful(pool):
    """``successful`` tells whether the call completed without an exception."""
    good, nothing = (pool.apply_async(_give, (given,)) for given in (_Refusal(), None))
    bad = pool.apply_async(_refuse)
    for result in (good, nothing, bad):
        result.wait()
    assert good.successful() is True  # though its result is an exception
    assert nothing.successful() is True
    assert bad.successful() is False
    for items, successful in (
        (range(6, 9), True),
        (range(4, 9), False),
        (range(5, 9), False),
        (range(2, 6), False),
        ((), True),
    ):
        result = pool.map_async(_invert, items, 1)
        result.wait()
        assert result.successful() is successful


@requirement("pool.async-result.successful-too-early")
def test_successful_too_early(pool, tmp_path):
    """``successful`` raises when the result is not there, of whatever kind it is, and does it no harm."""
    _assert_successful_raises(Exception, pool, tmp_path)


@requirement("pool.async-result.successful-not-ready")
def test_successful_too_early_is_a_value_error(pool, tmp_path):
    """``successful`` raises ValueError when the result is not there, of whatever kind it is."""
    _assert_successful_raises(ValueError, pool, tmp_path)


def _assert_successful_raises(error, pool, tmp_path):
    gates, results = _waiting_results(pool, tmp_path)
    for result in results:
        with raises(error):
            result.successful()
    for gate in gates:
        gate.write_text("open")
    assert [result.get() for result in results] == ["open", ["open"], ["open"]]
    assert [result.successful() for result in results] == [True] * 3


def _waiting_results(pool, tmp_path):
    """Three gates, and the results of three kinds that wait for them, in that order."""
    one, item, arguments = gates = [_gate(tmp_path, name) for name in ("one", "item", "arguments")]
    return gates, [
        pool.apply_async(_pass_gate, (one,)),
        pool.map_async(_pass_gate, [item]),
        pool.starmap_async(_pass_gate, [(arguments,)]),
    ]


# ThreadPool


def _meet(barrier):
    barrier.wait()
    return os.getpid(), threading.get_ident()


@requirement("pool.thread-pool.threads")
def test_thread_pool_runs_tasks_in_threads(mp):
    """A ThreadPool's workers are threads of the process, as many as asked for; a child, too, has its own."""
    with mp.pool.ThreadPool(3) as pool:
        places = pool.map(_meet, [threading.Barrier(3, timeout=mp.timeout)] * 3, 1)
    pool.join()
    assert {pid for pid, _ in places} == {os.getpid()}
    assert len({ident for _, ident in places} - {threading.get_ident()}) == 3
    assert ask(mp, _use_threads, mp) == 1
    assert _threads(mp, 3) == 3


def _use_threads(mp):
    with mp.pool.ThreadPool(1) as pool:
        result = pool.apply(abs, (-1,))
    pool.join()
    return result


def _threads(mp, *args, **kwargs):
    """How many threads a ThreadPool has: each calls the initializer."""
    called = []
    pool = mp.pool.ThreadPool(*args, initializer=lambda: called.append(None), **kwargs)
    pool.close()
    pool.join()
    return len(called)


@requirement("pool.thread-pool.is-a-pool")
def test_thread_pool_is_a_pool(mp):
    """ThreadPool is a subclass of Pool."""
    assert issubclass(mp.pool.ThreadPool, mp.pool.Pool)


def _default_threads(mp, cpus):
    """How many threads a ThreadPool has by default, whichever way, in a process that may use these CPUs alone."""
    usable = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cpus)
    try:
        expected = _usable_cpus()
        counts = {_threads(mp), _threads(mp, None), _threads(mp, processes=None)}
    finally:
        os.sched_setaffinity(0, usable)
    return counts, expected


@requirement("pool.thread-pool.default")
def test_thread_pool_default(mp):
    """Without a number, or with None, a ThreadPool has as many threads as ``os.cpu_count()`` says."""
    counts, _ = _default_threads(mp, {min(os.sched_getaffinity(0))})
    assert counts == {os.cpu_count()}


@requirement("pool.thread-pool.default-usable")
def test_thread_pool_default_usable(mp):
    """Without a number, or with None, a ThreadPool has as many threads as ``os.process_cpu_count()`` says."""
    usable = os.sched_getaffinity(0)
    for cpus in (usable, {min(usable)}):
        counts, expected = _default_threads(mp, cpus)
        assert counts == {expected}
    (_, threads), expected = _defaults_of_program(mp)
    assert threads == expected


@requirement("pool.thread-pool.initializer")
def test_thread_pool_initializer(mp):
    """Each worker thread calls ``initializer(*initargs)`` when it starts, and nothing if that is None."""
    called = queue.SimpleQueue()

    def note(word):
        called.put((word, threading.get_ident()))

    with mp.pool.ThreadPool(6, note, ("started",)) as pool:
        calls = [called.get(timeout=mp.timeout) for _ in range(6)]
        assert [word for word, _ in calls] == ["started"] * 6
        idents = {ident for _, ident in calls}
        assert len(idents - {threading.get_ident()}) == 6
        assert pool.apply(threading.get_ident) in idents
        assert called.empty()  # not later: a thread that ends before its pool does may be replaced
    pool.join()
    pool = mp.pool.ThreadPool(initargs=("by name",), initializer=_Falsely(called.put), processes=1)
    assert called.get(timeout=mp.timeout) == "by name"
    assert called.empty()
    _end(pool)
    with mp.pool.ThreadPool(1, None) as pool:
        assert pool.apply(_square, (3,)) == 9
    pool.join()


@requirement("pool.thread-pool.interface")
def test_thread_pool_has_the_interface_of_a_pool(mp):
    """A ThreadPool's methods take and give what a Pool's do; what it runs need not be picklable."""
    made = mp.pool.ThreadPool(2)
    with made as pool:
        assert pool is made
        assert pool.apply(lambda: 1) == 1
        lock = threading.Lock()
        assert pool.apply(lambda: lock) is lock
        assert pool.map_async(lambda _: lock, [0]).get(mp.timeout) == [lock]
        assert pool.apply_async(_square, (3,)).get() == 9
        assert pool.map(_square, range(4)) == [0, 1, 4, 9]
        assert pool.map_async(_square, range(4)).get() == [0, 1, 4, 9]
        assert list(pool.imap(_square, range(4))) == [0, 1, 4, 9]
        assert sorted(pool.imap_unordered(_square, range(4))) == [0, 1, 4, 9]
        assert pool.starmap(_add, [(1, 2)]) == [3]
        assert pool.starmap_async(_add, [(1, 2)]).get() == [3]
        _assert_nothing_of_nothing(mp, pool)
        _assert_threads_raise(pool)
        for done in (
            pool.apply_async(_square, (3,)),
            pool.map_async(_square, [3]),
            pool.starmap_async(_add, [(1, 2)]),
        ):
            done.wait(mp.timeout)
            assert isinstance(done, mp.pool.AsyncResult)
            assert done.successful() is True
        results, errors, callbacks = _callbacks()
        assert pool.apply(func=_add, args=(1,), kwds={"z": 2}) == 3
        for chunksize in (1, 3):
            squares = {"func": _square, "iterable": range(4), "chunksize": chunksize}
            for method in (pool.map, pool.imap):
                assert list(method(**squares)) == [0, 1, 4, 9]
            assert sorted(pool.imap_unordered(**squares)) == [0, 1, 4, 9]
            assert pool.map_async(**squares, **callbacks).get() == [0, 1, 4, 9]
            sums = {"func": _add, "iterable": [(1, 2), (3, 4)], "chunksize": chunksize}
            assert pool.starmap(**sums) == [3, 7]
            assert pool.starmap_async(**sums, **callbacks).get() == [3, 7]
            assert [results.get(timeout=mp.timeout) for _ in range(2)] == [[0, 1, 4, 9], [3, 7]]
        pool.starmap_async(_refuse, [("gear",)], **callbacks).wait()
        assert errors.get(timeout=mp.timeout).args == ("gear",)
        pool.apply_async(_refuse, ("gear", 7), **callbacks).wait()
        assert errors.get(timeout=mp.timeout).args == ("gear", 7)
        result = pool.map_async(_invert, [5], **callbacks)
        assert type(errors.get(timeout=mp.timeout)) is ZeroDivisionError
        result.wait()
        assert isinstance(result, mp.pool.AsyncResult)
        assert (result.ready(), result.successful()) == (True, False)
        assert pool.map(_square, iter(range(12))) == [x * x for x in range(12)]
        _assert_apply_takes_all(mp, pool)
        _assert_callbacks_follow_chunksize(mp, pool)
        _assert_waits_in_threads(mp, pool)
        _assert_order_of_threads(mp, pool)
        _assert_chunks_of_threads(mp, pool)
        with raises(NotImplementedError):
            pickle.dumps(pool)
    pool.join()
    with raises(Exception):
        pool.apply(_square, (3,))


def _assert_nothing_of_nothing(mp, pool):
    """Of an iterable without items each method gives no values."""
    for submit in (pool.map_async, pool.starmap_async):
        assert submit(_square, []).get(mp.timeout) == []
    assert pool.map(_square, []) == pool.starmap(_square, []) == []
    assert [*pool.imap(_square, []), *pool.imap_unordered(_square, iter(()), 2)] == []


def _assert_threads_raise(pool):
    """What a task raises comes out of each method, or of the result's ``get``."""
    for fail in (
        lambda: pool.apply(_refuse),
        lambda: pool.map(_refuse, [7]),
        lambda: pool.starmap(_refuse, [(7,)]),
        lambda: next(pool.imap(_refuse, [7])),
        lambda: next(pool.imap_unordered(_refuse, [7])),
        pool.apply_async(_refuse, (7,)).get,
        pool.map_async(_refuse, [7]).get,
        pool.starmap_async(_refuse, [(7,)]).get,
    ):
        with raises(_Refusal):
            fail()


def _assert_waits_in_threads(mp, pool):
    """Submitting waits for no task, ``get`` and ``next`` for as long as they are told, and imaps for no iterable."""
    gate = threading.Event()
    results = _waiting_for_event(pool, gate)
    items, unordered = pool.imap(gate.wait, [None]), pool.imap_unordered(gate.wait, [None])
    for late in (*(result.get for result in results), items.next, unordered.next):
        with raises(mp.TimeoutError):
            late(timeout=0.01)
    for result in results:
        waits(result.wait)
    assert [result.ready() for result in results] == [False] * 3
    together = [CallerThread(mp, result, way) for result in results for way in ("get", "wait")]
    until_all_blocked(together)
    gate.set()
    assert [result.get() for result in results] == [True, [True], [True]]
    assert [each.result() for each in together] == [True, None, [True], None, [True], None]
    assert (next(items), next(unordered)) == (True, True)
    for imap in (pool.imap, pool.imap_unordered):
        _assert_lazy(mp, imap, 1)


def _assert_order_of_threads(mp, pool):
    """``imap`` gives the results in order, ``imap_unordered`` as they come."""
    with _folder() as folder:
        gate = _gate(folder)
        items = [(number, gate) for number in range(3)]
        ordered = pool.imap(_pass_gate_if_first, items)
        with raises(mp.TimeoutError):
            ordered.next(0.02)
        gate.write_text("open")
        assert list(ordered) == [0, 1, 2]
        unordered = pool.imap_unordered(_pass_gate_if_first, items)
        early = [outcome_of(unordered.next, mp.timeout / 2) for _ in range(2)]
        gate.write_text("open")
        assert early == [("returned", 1), ("returned", 2)]
        assert list(unordered) == [0]


def _assert_chunks_of_threads(mp, pool):
    """A chunk is one task, of whichever method; without a chunksize all threads have one."""
    with _folder() as folder:
        _assert_maps_are_parallel(mp, pool, _gate(folder))
    for method in (pool.map, pool.imap, pool.imap_unordered, pool.map_async):
        _assert_chunk_is_one_task(mp, pool, method, _pass_gate_or_touch_item)
    for method in (pool.starmap, pool.starmap_async):
        _assert_chunk_is_one_task(mp, pool, method, _pass_gate_or_touch)


def _waiting_for_event(pool, event):
    """The results of three kinds that wait for an event, and then hold True."""
    return [
        pool.apply_async(event.wait),
        pool.map_async(event.wait, [None]),
        pool.starmap_async(event.wait, [()]),
    ]


@requirement("pool.thread-pool.refusals")
def test_thread_pool_refuses_what_a_pool_refuses(mp):
    """ValueError: ``successful`` too early, ``join`` of a running ThreadPool, any submission to a closed one."""
    pool = mp.pool.ThreadPool(1)
    gate = threading.Event()
    results = _waiting_for_event(pool, gate)
    for result in results:
        with raises(ValueError):
            result.successful()
    gate.set()
    assert [result.get() for result in results] == [True, [True], [True]]
    with raises(ValueError):
        pool.join()
    pool.close()
    assert [outcome_of(submit)[0] for submit in _submissions(pool)] == ["ValueError"] * 10
    pool.join()


@requirement("pool.thread-pool.close")
def test_thread_pool_close(mp):
    """A closed ThreadPool completes its tasks, those that wait or will come too, takes no more; its threads end."""
    before = threading.active_count()
    pool = mp.pool.ThreadPool(1)
    gate = threading.Event()
    result = pool.apply_async(gate.wait)
    queued = [pool.apply_async(_square, (number,)) for number in (3, 4)]
    pool.close()
    with raises(ValueError):
        pool.apply_async(_square, (3,))
    gate.set()
    pool.join()
    assert result.get(0) is True
    assert [each.get(0) for each in queued] == [9, 16]
    assert threading.active_count() == before
    _assert_closed_threads_iterate(mp)
    _assert_idle_threads_end(mp)


def _assert_closed_threads_iterate(mp):
    """A closed and joined ThreadPool completes an ``imap``, and an ``imap_unordered``, whose iterable goes on."""
    resume = threading.Event()
    pool = mp.pool.ThreadPool(1)
    each, other = _squares_of_two(mp, pool, resume)
    pool.close()
    assert each.next(mp.timeout) == 4
    joining = CallerThread(mp, pool, "join")
    joining.until_blocked()
    resume.set()
    assert (_all_of(mp, each), _all_of(mp, other)) == ([9], [4, 9])
    joining.result()


def _assert_idle_threads_end(mp):
    """The threads of an idle ThreadPool end after ``close`` by themselves, without ``join``."""
    from mpspec.observing import wait_until

    threads = threading.enumerate()
    pool = mp.pool.ThreadPool(2)
    assert pool.apply(_square, (3,)) == 9
    for thread in _new_threads(threads):
        _until_blocked(mp, thread)
    pool.close()
    wait_until(lambda: not _new_threads(threads), mp.timeout, "its threads have ended")
    pool.join()


@requirement("pool.thread-pool.terminate")
def test_thread_pool_terminate(mp):
    """A ThreadPool that is terminated, or left, starts no further task, takes none, and its threads end."""
    before = threading.enumerate()
    with _endless(mp) as numbers:
        pool = mp.pool.ThreadPool(1)
        pool.imap_unordered(_square, numbers)
        for _ in range(2):  # which may be repeated
            _end(pool)
    for end in (mp.pool.ThreadPool.terminate, _leave, _close_and_leave, _leave_by_exception):
        pool = mp.pool.ThreadPool(1)
        begun, gate, done = threading.Event(), threading.Event(), []
        pool.apply_async(lambda begun=begun, gate=gate: (begun.set(), gate.wait(mp.timeout)))
        for number in range(3):
            pool.apply_async(done.append, (number,))
        begun.wait(mp.timeout)
        for thread in _new_threads(before):
            _until_blocked(mp, thread)
        end(pool)
        joining = CallerThread(mp, pool, "join")
        joining.until_blocked()  # for the task that has begun
        gate.set()
        assert joining.result() is None
        assert done == []
        with raises(Exception):
            pool.apply_async(_square, (3,))
        assert _new_threads(before) == []


def _leave(pool):
    with pool:
        pass


def _close_and_leave(pool):
    with pool:
        pool.close()  # which waits for no task


def _leave_by_exception(pool):
    with raises(LookupError), pool:
        raise LookupError


@requirement("pool.thread-pool.terminate")
def test_thread_pool_is_left_by_terminate(mp):
    """Leaving a ThreadPool calls the method ``terminate`` that a subclass has, though there is nothing to do."""
    ends = []

    class Noting(mp.pool.ThreadPool):
        def terminate(self):
            ends.append("terminate")
            super().terminate()

    with Noting(1) as pool:
        pass
    pool.join()
    assert ends == ["terminate"]


@requirement("pool.thread-pool.no-maxtasksperchild")
def test_thread_pool_takes_no_maxtasksperchild(mp):
    """A ThreadPool takes neither ``maxtasksperchild``, be it by position, nor ``context``."""
    with raises(TypeError):
        mp.pool.ThreadPool(1, None, (), 1)
    with raises(TypeError):
        mp.pool.ThreadPool(1, maxtasksperchild=1)
    with raises(TypeError):
        mp.pool.ThreadPool(1, context=mp.context)


# What users have met


class _Unloadable(Exception):
    """What can be pickled, but not unpickled: its arguments are not those of its constructor."""

    def __init__(self, first, second):
        super().__init__(first)
        self.second = second


def _refuse_unloadably():
    raise _Unloadable(1, 2)


def _interrupt():
    raise KeyboardInterrupt


def _exit_worker():
    os._exit(3)


def _kill_worker():
    os.kill(os.getpid(), signal.SIGKILL)


# What a pool of its own, with one worker, is given; each ends with a task that succeeds.
_MISHAPS = {
    "callback": [(_pid, {"callback": _refuse}), (_refuse, {"error_callback": _refuse})],
    "unloadable": [(_refuse_unloadably, {})],
    "exits": [(sys.exit, {}), (_interrupt, {})],
    "killed": [(_kill_worker, {})],
    "exited": [(_exit_worker, {})],
}


# So many tasks, one after the other, take longer than one whose result is on its way.
_ROUNDS = 30


def _outcome(result, deadline):
    """What a result gives, or the name of the error that it raises."""
    result.wait(max(0, deadline - time.monotonic()))
    if not result.ready():
        return "nothing came"
    try:
        return result.get()
    except BaseException as error:  # noqa: BLE001 - what it is is the outcome
        return type(error).__name__


def _tell_outcomes(mp, sender):
    """In a process of its own, which can be killed when pools hang: what the mishaps come to."""
    os.setpgid(0, 0)
    pools = {mishap: mp.Pool(1) for mishap in _MISHAPS}
    for pool in pools.values():
        pool.apply(_pid)  # the worker is there
    results = {
        mishap: [
            pools[mishap].apply_async(task, **options) for task, options in (*tasks, (int, {}))
        ]
        for mishap, tasks in _MISHAPS.items()
    }
    # First another worker must be started.
    for mishap in ("killed", "exited"):
        results[mishap][-1].wait(mp.timeout / 2)
    # Tasks of a pool without a mishap are the clock: a result that takes longer than many of them is lost.
    with mp.Pool(1) as pool:
        for _ in range(_ROUNDS):
            pool.apply(_pid)
    deadline = time.monotonic() + mp.timeout * 0.03
    sender.send(
        {
            mishap: [_outcome(result, deadline) for result in outcomes]
            for mishap, outcomes in results.items()
        }
    )
    threading.Event().wait()


@observed_once
def _outcomes(mp):
    receiver, sender = mp.Pipe(duplex=False)
    process = mp.Process(target=_tell_outcomes, args=(mp, sender))
    process.start()
    sender.close()
    try:
        return receiver.recv()
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.join()
        receiver.close()


@requirement("pool.errors.callback-raises")
def test_callback_that_raises(mp):
    """After a callback, or an error callback, has raised, the pool gives the results of further tasks."""
    assert _outcomes(mp)["callback"][-1] == 0


@requirement("pool.errors.unloadable-error")
def test_error_that_cannot_be_unpickled(mp):
    """For an error that can't be unpickled the caller gets an error all the same, and the pool works on."""
    error, after = _outcomes(mp)["unloadable"]
    assert error != "nothing came"
    assert isinstance(error, str)
    assert after == 0


@requirement("pool.errors.system-exit")
def test_task_that_exits(mp):
    """SystemExit and KeyboardInterrupt of a task are raised by ``get``, and the pool works on."""
    assert _outcomes(mp)["exits"] == ["SystemExit", "KeyboardInterrupt", 0]


@requirement("pool.workers.replaced-when-killed")
def test_killed_worker_is_replaced(mp):
    """A pool whose only worker was killed, or has exited in the midst of a task, runs the next task."""
    assert [_outcomes(mp)[mishap][-1] for mishap in ("killed", "exited")] == [0, 0]


@requirement("pool.workers.killed-task-raises")
def test_task_of_a_killed_worker(mp):
    """The result of a task whose worker was killed does not stay away: ``get`` raises."""
    error = _outcomes(mp)["killed"][0]
    assert error != "nothing came"
    assert isinstance(error, str)


@requirement("pool.imap.keeps-pool")
def test_results_keep_their_pool(mp, tmp_path):
    """Results come although nothing else refers to the pool; then its workers end, though the results are kept."""
    threads, gate = threading.enumerate(), _gate(tmp_path)
    pool, [worker] = _new_pool(mp)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        pool.apply_async(_pass_gate, (gate,))  # all others wait for it
        called, mapped = pool.apply_async(_square, (3,)), pool.map_async(_square, range(3))
        failed = [pool.apply_async(_refuse), pool.map_async(_refuse, range(3))]
        results, unordered = pool.imap(_square, range(3)), pool.imap_unordered(_square, range(3))
        for thread in _new_threads(threads):
            _until_blocked(mp, thread)  # or one may be the last to hold the pool
        del pool
        gc.collect()
        gate.write_text("open")
        assert (called.get(mp.timeout), mapped.get(mp.timeout)) == (9, [0, 1, 4])
        assert [outcome_of(result.get, mp.timeout)[0] for result in failed] == ["_Refusal"] * 2
        for values in (results, unordered):
            assert [values.next(mp.timeout) for _ in range(3)] == [0, 1, 4]
        _collect_until_stopped(mp, worker)


@requirement("pool.imap.keeps-pool")
def test_a_result_alone_keeps_its_pool(mp, tmp_path):
    """A single result of apply_async() or map_async() comes although nothing else refers to the pool."""
    for name, wrapped in (("apply_async", tuple), ("map_async", list)):
        threads, gate = threading.enumerate(), _gate(tmp_path, name)
        pool, [worker] = _new_pool(mp)
        result = getattr(pool, name)(_pass_gate, wrapped([gate]))
        for thread in _new_threads(threads):
            _until_blocked(mp, thread)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            del pool
            gc.collect()
            gate.write_text("open")
            assert result.get(mp.timeout) in ("open", ["open"])
            del result
            _collect_until_stopped(mp, worker)


class _Load:
    pass


def _give(load):
    return load


@requirement("pool.async-result.lets-go")
def test_pool_keeps_nothing(mp, pool):
    """When a call's result was taken, the pool refers neither to the arguments nor to the result."""
    from mpspec.observing import wait_until

    alive = []

    def is_gone():
        gc.collect()
        return not any(reference() for reference in alive)

    for method in (
        pool.apply_async,
        lambda function, args: pool.map_async(function, [*args]),
        lambda function, args: pool.imap(function, [*args]),
    ):
        load = _Load()
        result = method(_give, (load,))
        value = result.next() if hasattr(result, "next") else result.get()
        alive += [weakref.ref(load), *map(weakref.ref, value if type(value) is list else [value])]
        del load, value, result
        # After each: what comes next may take the place of what is kept.
        wait_until(is_gone, mp.timeout / 2, "arguments and results are gone")


@requirement("pool.workers.lets-go")
def test_workers_keep_nothing(mp):
    """When a task is over its worker has let go of the arguments and of the result."""
    assert _single_pool(mp)["kept"] == ("returned", 0)


@requirement("pool.context-manager.only-running")
def test_with_needs_a_running_pool(mp):
    """Entering a pool that was closed or terminated raises ValueError."""
    facts = _ended_pools(mp)
    assert facts["enter after terminate"] == "ValueError"
    assert facts["enter after close"] == "ValueError"
    for end in ("close", "terminate"):
        pool = mp.pool.ThreadPool(1)
        getattr(pool, end)()
        pool.join()
        with raises(ValueError):
            pool.__enter__()


# The pool's standard error is read by the program itself: a worker that can't tell its caller tells it there.
_LATE_FUNCTION = """\
import os, select

if __name__ == "__main__":
    reader, writer = os.pipe()
    os.dup2(writer, 2)
    pool = mp.Pool(1)

    def late():
        return "done"

    result, told = pool.apply_async(late), b""
    while not result.ready() and b"AttributeError" not in told:
        if select.select([reader], [], [], 0.02)[0]:
            told += os.read(reader, 100000)
    if b"AttributeError" in told:
        print("AttributeError")
    else:
        try:
            print(result.get())
        except Exception as error:
            print(type(error).__name__)
    pool.terminate()
    pool.join()
    print("ended")
"""


@requirement("pool.errors.function-not-importable")
def test_function_that_workers_do_not_find(mp):
    """A function that was defined after the workers started is an AttributeError, told or raised; the pool is ended."""
    from mpspec.programs import run_script

    done = run_script(mp, _LATE_FUNCTION)
    assert done.returncode == 0
    # A pickler that sends the function itself lets them find it.
    assert done.stdout.split() in (["AttributeError", "ended"], ["done", "ended"])
