"""Tests of Pool's parameters."""

import os

from mpspec.children import (
    observed_once,
    outcome_of,
    raises,
)
from mpspec.marks import requirement
from mpspec.suite.pool.helpers import end_pool, pid_of_worker, usable_cpus
from mpspec.suite.pool.observed import (
    abandoned_pool,
    defaults_of_program,
    initialized_pool,
    mark_as,
    pid_and_mark,
    read_mark,
    short_lived_pool,
    single_pool,
)


@requirement("pool.constructor.processes")
def test_pool_has_as_many_workers_as_asked_for(mp):
    """``Pool(n)`` starts n worker processes."""
    facts = initialized_pool(mp)
    assert len(facts["workers"]) == 3
    assert facts["busy"] <= facts["workers"]


def _default_workers(mp, cpus, **given):
    """How many workers a pool has by default in a process that may use these CPUs alone."""
    usable = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cpus)
    try:
        expected = usable_cpus()
        before = mp.active_children()
        pool = mp.Pool(**given)
    finally:
        os.sched_setaffinity(0, usable)
    workers = [child for child in mp.active_children() if child not in before]
    end_pool(pool)
    return len(workers), expected


@requirement("pool.constructor.processes-default")
def test_pool_has_a_worker_per_cpu(mp):
    """By default a pool has as many workers as ``os.cpu_count()`` says, however few CPUs the process may use."""
    for given in ({}, {"processes": None}):
        workers, _ = _default_workers(mp, {min(os.sched_getaffinity(0))}, **given)
        assert workers == os.cpu_count()


@requirement("pool.constructor.processes-default-usable")
def test_pool_has_a_worker_per_usable_cpu(mp):
    """By default a pool has as many workers as ``os.process_cpu_count()`` says: all CPUs, or the only usable one."""
    usable = os.sched_getaffinity(0)
    for cpus, given in ((usable, {}), ({min(usable)}, {"processes": None})):
        workers, expected = _default_workers(mp, cpus, **given)
        assert workers == expected
    (workers, _), expected = defaults_of_program(mp)
    assert workers == expected


@requirement("pool.constructor.processes-positive")
def test_pool_needs_a_worker(mp):
    """A pool of no workers, or of less than none, is refused, be it of processes or of threads."""
    for make in (mp.Pool, mp.pool.ThreadPool):
        for processes in (0, -1):
            with raises(ValueError):
                make(processes)


@requirement("pool.constructor.initializer")
def test_each_worker_calls_the_initializer(mp):
    """Each worker, if for one that was killed, calls ``initializer(*initargs)`` when it starts, and not again."""
    facts = initialized_pool(mp)
    assert facts["notes"] == dict.fromkeys(facts["workers"], "('one', 2)\n")
    replaced, found = facts["robbed"]
    # Whether killed workers are replaced is another test's matter. One too many may have been stopped while it wrote.
    begun = found[1] if replaced == "returned" else 3
    assert facts["all notes"].count("('one', 2)\n") >= begun


@requirement("pool.constructor.initializer-first")
def test_initializer_prepares_the_worker(mp):
    """What the initializer has set is there for the tasks; ``initargs`` are empty by default."""
    assert single_pool(mp)["mark"] == "by the initializer"


@requirement("pool.constructor.initializer-callable")
def test_initializer_must_be_callable(mp):
    """An initializer that can't be called is refused, by a ThreadPool too."""
    for make in (mp.Pool, mp.pool.ThreadPool):
        with raises(TypeError):
            make(1, "initializer")


@requirement("pool.constructor.maxtasksperchild")
def test_maxtasksperchild(mp):
    """A worker that has completed ``maxtasksperchild`` tasks, no less, is replaced by a new one.

    Be they an iterator's, or one that raised, or a chunk that failed, or one whose result could not be sent.
    """
    seen, *_ = short_lived_pool(mp)
    first, second, third, fourth, last, _ = [pid for pid, _ in seen]
    assert first == second != third == fourth != last
    assert len(_pool_by_name(mp)["pids"]) == 1


@requirement("pool.constructor.maxtasksperchild-chunks")
def test_maxtasksperchild_counts_chunks(mp):
    """A chunk counts as one task, of a map or a starmap: one worker does two of them, of two items each."""
    [*_, (before, _), (last, _)], chunks, _ = short_lived_pool(mp)
    assert before == last
    first, *others = (pid for pid, _ in chunks)
    assert last != first
    assert others == [first] * 3


@requirement("pool.constructor.maxtasksperchild-default")
def test_workers_live_as_long_as_the_pool(pool):
    """By default workers are not replaced."""
    pids = set(pool.map(pid_of_worker, range(50), 1)) | {
        pool.apply(pid_of_worker) for _ in range(10)
    }
    assert len(pids) <= 2


@requirement("pool.constructor.maxtasksperchild-initializer")
def test_replacements_call_the_initializer(mp):
    """A worker that replaces another calls the initializer as well, with all of its arguments, a lock among them."""
    [*_, (_, mark)], *_ = short_lived_pool(mp)
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
        context=mp.context, maxtasksperchild=9, initargs=["by name"], initializer=mark_as,
        processes=1,
    )  # fmt: skip
    workers = [child for child in mp.active_children() if child.pid not in before]
    facts = {
        "are processes": [isinstance(worker, mp.Process) for worker in workers],
        "mark": pool.apply(read_mark),
        # Together with the mark's the tasks of one worker.
        "pids": {pool.apply(pid_of_worker) for _ in range(8)},
    }
    end_pool(pool)
    return facts


@requirement("pool.constructor.context")
def test_context_starts_the_workers(mp):
    """The workers are processes of the context that was given, or whose method ``Pool`` was called."""
    assert _pool_by_name(mp)["are processes"] == [True]
    assert initialized_pool(mp)["are processes"]


@requirement("pool.constructor.context")
def test_context_starts_replacements(mp):
    """A worker that replaces another is a process of the same context."""
    *_, (_, is_process, _) = short_lived_pool(mp)
    assert is_process is True


@observed_once
def _pool_by_position(mp):
    """A pool of which every argument was given by position: whether its workers are processes, and what tasks see."""
    before = mp.active_children()
    pool = mp.pool.Pool(2, mark_as, ("by position",), 1, mp.context)
    workers = [child for child in mp.active_children() if child not in before]
    seen = pool.map(pid_and_mark, range(4), 1)  # by two workers, and those that replace them
    end_pool(pool)
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
    *_, pids = abandoned_pool(mp)
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
