"""What is dropped in a cycle of references is closed by the garbage collector, without a warning.

From Python 3.13 on the collector knows sockets, and finalizes one before the object that would have closed it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.reference.conftest import RunProgram

PROGRAM = """
import gc, os, sys
import multiprocessing_reference as mp


class Cycle:
    def __init__(self):
        self.itself = self


def fill(cycle, context):
    cycle.process = context.Process(target=os.getpid)
    cycle.process.start()
    cycle.process.join()
    cycle.queue, cycle.pipe, cycle.event = context.Queue(), context.Pipe(), context.Event()
    cycle.queue.put(1)
    cycle.queue.get()
    cycle.manager = context.Manager()
    cycle.proxy = cycle.manager.dict()
    cycle.manager.shutdown()
    cycle.pool = context.Pool(1)
    cycle.pool.close()
    cycle.pool.join()
    cycle.listener = mp.connection.Listener()
    cycle.client = mp.connection.Client(cycle.listener.address)


if __name__ == "__main__":
    fill(Cycle(), mp.get_context(sys.argv[1]))
    gc.collect()
"""


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_objects_in_a_cycle(method: str, run_program: RunProgram) -> None:
    """Processes, queues, pipes, managers, pools and listeners leave nothing to complain about."""
    ended = run_program(PROGRAM, method, "-W", "error")
    assert (ended.returncode, ended.stderr) == (0, "")
