"""One resource tracker serves a program, whichever of its processes is the first that needs it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.reference.conftest import RunProgram

PROGRAM = """
import sys
from multiprocessing_reference import get_context, resource_tracker
from multiprocessing_reference.shared_memory import SharedMemory


def child(sender):
    sender.send((SharedMemory(create=True, size=1).name, resource_tracker.getfd()))


if __name__ == "__main__":
    context = get_context(sys.argv[1])
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=child, args=(sender,))
    process.start()
    process.join()
    name, descriptor = receiver.recv()
    assert descriptor == resource_tracker.getfd() or sys.argv[1] != "fork"
    SharedMemory(name).unlink()
"""


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_block_that_a_child_made_first_outlives_the_child(
    method: str, run_program: RunProgram
) -> None:
    ended = run_program(PROGRAM, method)
    assert (ended.returncode, ended.stderr) == (0, "")
