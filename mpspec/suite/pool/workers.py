"""Tests of a pool's workers."""

import os

from mpspec.marks import requirement
from mpspec.suite.pool.helpers import left_running, make_gate, pass_gate, pid_of_worker, square
from mpspec.suite.pool.observed import (
    initialized_pool,
    outcomes_in_child,
    short_lived_pool,
    single_pool,
)


@requirement("pool.workers.replaced-when-killed")
def test_workers_killed_together_are_replaced(mp):
    """Two workers that are killed while the third is busy are both replaced, by one each."""
    assert initialized_pool(mp)["robbed"] == ("returned", (True, 5, 3))


def _is_daemon(mp):
    return mp.current_process().daemon


@requirement("pool.workers.daemonic")
def test_workers_are_daemonic(mp, pool):
    """Workers are daemonic processes, all of them."""
    assert pool.apply(_is_daemon, (mp,)) is True
    assert initialized_pool(mp)["are daemons"] == [True] * 3


@requirement("pool.workers.daemonic")
def test_replacements_are_daemonic(mp):
    """A worker that replaces another is daemonic as well."""
    *_, (is_daemon, _, _) = short_lived_pool(mp)
    assert is_daemon is True


@requirement("pool.workers.processes")
def test_tasks_run_in_other_processes(pool):
    """Tasks run in processes other than the pool's own, however they are submitted."""
    pids = [
        pool.apply(pid_of_worker),
        pool.apply_async(pid_of_worker).get(),
        *pool.map(pid_of_worker, range(3)),
        *pool.map_async(pid_of_worker, range(3)).get(),
        *pool.starmap(pid_of_worker, [()] * 3),
        *pool.starmap_async(pid_of_worker, [()] * 3).get(),
    ]
    for chunksize in (1, 2):
        pids += pool.imap(pid_of_worker, range(3), chunksize)
        pids += pool.imap_unordered(pid_of_worker, range(3), chunksize)
    assert os.getpid() not in pids


def _own_name(mp):
    return mp.current_process().name


@requirement("pool.workers.name")
def test_names_of_workers(mp, pool):
    """A worker is called PoolWorker, with a number, and something before it or not."""
    _, name, number = pool.apply(_own_name, (mp,)).rpartition("PoolWorker-")
    assert (name, number.isdigit()) == ("PoolWorker-", True)


@requirement("pool.workers.concurrent")
def test_workers_run_concurrently(pool, tmp_path):
    """While one worker is busy, another runs further tasks."""
    gate = make_gate(tmp_path)
    busy = pool.apply_async(pass_gate, (gate,))
    assert pool.map(square, range(3), 1) == [0, 1, 4]
    assert not busy.ready()
    gate.write_text("open")
    assert busy.get() == "open"


def _leave_a_pool(mp):
    """In a new interpreter: leave a pool as it is when the program ends; the pid of its worker."""
    pool = mp.Pool(1)
    left_running.append(pool)
    return pool.apply(pid_of_worker)


@requirement("pool.workers.end-with-program")
def test_pool_that_a_program_leaves_running(mp):
    """A program that neither closes nor terminates its pool ends, and so does the worker."""
    from mpspec.observing import has_ended, wait_until
    from mpspec.programs import call

    worker = call(_leave_a_pool, mp, timeout=mp.timeout)
    wait_until(lambda: has_ended(worker), mp.timeout, "the worker has ended")


@requirement("pool.workers.replaced-when-killed")
def test_killed_worker_is_replaced(mp):
    """A pool whose only worker was killed, or has exited in the midst of a task, runs the next task."""
    assert [outcomes_in_child(mp)[mishap][-1] for mishap in ("killed", "exited")] == [0, 0]


@requirement("pool.workers.killed-task-raises")
def test_task_of_a_killed_worker(mp):
    """The result of a task whose worker was killed does not stay away: ``get`` raises."""
    error = outcomes_in_child(mp)["killed"][0]
    assert error != "nothing came"
    assert isinstance(error, str)


@requirement("pool.workers.lets-go")
def test_workers_keep_nothing(mp):
    """When a task is over its worker has let go of the arguments and of the result."""
    assert single_pool(mp)["kept"] == ("returned", 0)
