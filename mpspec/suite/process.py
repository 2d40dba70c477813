"""Tests of the chapter process."""

import os
import signal

from mpspec.marks import requirement


def _send_args(connection, *args, **kwargs):
    connection.send((args, kwargs))


@requirement("process.start")
def test_start_runs_the_target_with_its_arguments(mp):
    """The child calls ``target(*args, **kwargs)``."""
    receiver, sender = mp.Pipe(duplex=False)
    process = mp.Process(target=_send_args, args=(sender, 1, "two"), kwargs={"three": 3})
    process.start()
    received = receiver.recv()
    process.join()
    assert received == ((1, "two"), {"three": 3})


def _kill_self(number):
    os.kill(os.getpid(), number)
    signal.pause()


@requirement("process.exitcode.killed-by-signal")
def test_exitcode_after_a_signal(mp):
    """``exitcode`` is -N after signal N."""
    process = mp.Process(target=_kill_self, args=(signal.SIGTERM,))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGTERM
