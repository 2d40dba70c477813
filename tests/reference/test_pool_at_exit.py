"""Daemon threads that still wait for a pool when the program ends: they end with it, and print no traceback."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.reference.conftest import RunProgram

PROGRAM = """
import sys, threading, time
import multiprocessing_reference as mp



if __name__ == "__main__":
    pool = mp.get_context(sys.argv[1]).Pool(2)
    submitted = [pool.map_async(time.sleep, [60, 60]), pool.apply_async(time.sleep, [60])]
    calls = [result.get for result in submitted]
    calls.append(pool.imap(time.sleep, [60]).next)
    threads = [threading.Thread(target=call, daemon=True) for call in calls]
    for thread in threads:
        thread.start()
    print("ends")
"""


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_daemon_threads_that_wait_at_exit(method: str, run_program: RunProgram) -> None:
    """The program ends at once, in silence, with exit code 0."""
    ended = run_program(PROGRAM, method)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "ends\n", "")
