"""What the reference's pickler makes of types in modules that are not imported yet."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import sys, types

from multiprocessing_reference.reduction import ForkingPickler

assert "socket" not in sys.modules, "this program does not show it"
sys.modules["socket"] = types.ModuleType("socket")  # as while another thread imports it
assert bytes(ForkingPickler.dumps("text"))
del sys.modules["socket"]
import socket

from multiprocessing_reference import Pipe

receiver, sender = Pipe(duplex=False)
with socket.socket() as mine:
    sender.send(mine)
    with receiver.recv() as yours:
        print(yours.fileno() != mine.fileno())
"""


def test_pickling_while_another_thread_imports_socket() -> None:
    """What is pickled then is pickled as ever, and sockets are when the module is there."""
    done = subprocess.run(
        [sys.executable, "-S", "-c", f"import sys; sys.path[:] = {sys.path!r}\n{PROGRAM}"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.stdout, done.returncode) == ("True\n", 0), done.stderr
