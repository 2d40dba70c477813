"""Names that are documented nowhere, and that other people's programs read all the same."""

# ruff: noqa: SLF001 - that such names are private is the point

from __future__ import annotations

import os
import threading

from multiprocessing_reference import connection, get_context, pool, util


def test_workers_of_a_pool() -> None:
    """``Pool._pool`` has the worker processes, ``_processes`` says how many; dask asks for the length."""
    context = get_context("spawn")
    with context.Pool(2) as made:
        pids = {made.apply(_pid) for _ in range(20)}
        workers = made._pool
        assert pids <= {worker.pid for worker in workers}
        assert (len(workers), made._processes) == (2, 2)
    made.join()


def test_workers_of_a_thread_pool() -> None:
    """A ThreadPool's are its threads."""
    with pool.ThreadPool(3) as made:
        assert (len(made._pool), made._processes) == (3, 3)
        assert made.apply(_is_among, (made._pool,))
    made.join()


def test_families_of_addresses() -> None:
    """``connection.families`` names those that a Listener takes, and Linux has abstract names."""
    for family in connection.families:
        with connection.Listener(family=family) as listener:
            assert listener.address
    assert util.abstract_sockets_supported
    with connection.Listener("\0of no file"), connection.Client("\0of no file"):
        pass


def _pid() -> int:
    return os.getpid()


def _is_among(workers: list[object]) -> bool:
    return threading.current_thread() in workers
