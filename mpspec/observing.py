"""How a test sees what others do: waiting for a condition, and telling that a call blocks.

That a call blocks is not guessed from time. The caller says that it is about to call (a handshake); from then on its
thread is either on its way into the call or asleep in it, and the operating system tells which.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import psutil

from mpspec import procfs

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

_PAUSE = 0.002
# A thread that was seen asleep this often in a row, without having run in between, waits for somebody else.
_LOOKS = 4
# A process that was seen asleep this often in a row, a hundredth of a second apart, does not come to its end.
_LONG_SLEEP = 20


class Timeout(Exception):  # noqa: N818 - what it says
    """What a test waited for did not come."""


def wait_until(condition: Callable[[], object], timeout: float, what: str) -> None:
    """Wait until a condition holds.

    Args:
        condition: called until it gives something true.
        timeout: seconds; a test passes ``mp.timeout``.
        what: the condition in words, for the message.

    Raises:
        Timeout: it does not hold in time.
    """
    deadline = time.monotonic() + timeout
    pause = threading.Event()
    while not condition():
        if time.monotonic() > deadline:
            message = f"after {timeout:g} s, still not: {what}"
            raise Timeout(message)
        pause.wait(_PAUSE)


def is_zombie(pid: int) -> bool:
    """Whether a process has ended, and nobody has reaped it yet."""
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def is_stopped(pid: int) -> bool:
    """Whether a signal holds a process up."""
    return bool(psutil.Process(pid).status() == psutil.STATUS_STOPPED)


def has_ended(pid: int) -> bool:
    """Whether a process has ended, reaped or not."""
    return is_zombie(pid) or not psutil.pid_exists(pid)


def is_asleep(pid: int) -> bool:
    """Whether the main thread of a process waits for something."""
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_SLEEPING)
    except psutil.NoSuchProcess:
        return False


def join_unless_asleep(process: Any) -> None:  # noqa: ANN401 - the backend's
    """Wait for the end of a process that has nothing else to do: not for one that sleeps for long."""
    looks = 0
    while process.is_alive() and looks < _LONG_SLEEP:
        looks = looks + 1 if is_asleep(process.pid) else 0
        process.join(0.01)


def wait_until_asleep(pid: int, thread: int, timeout: float) -> None:
    """Wait until a thread sleeps, and goes on sleeping: it is in a call that waits for somebody else.

    Args:
        pid: its process.
        thread: its native id (``threading.get_native_id()``).
        timeout: seconds.

    Raises:
        Timeout: it goes on running.
    """
    wait_until_all_asleep([(pid, thread)], timeout)


def wait_until_all_asleep(
    threads: Sequence[tuple[int, int]], timeout: float, or_until: Callable[[], object] = bool
) -> None:
    """Wait until all of several threads, each given with its process, sleep as for `wait_until_asleep`.

    The wait ends, too, when ``or_until()`` gives something true.
    """
    seen: list[list[tuple[str, int]]] = []

    def sleep() -> bool:
        seen.append([_state(pid, thread) for pid, thread in threads])
        last = seen[-_LOOKS:]
        return len(last) == _LOOKS and all(
            len(set(each)) == 1 and each[0][0] == "S" for each in zip(*last, strict=True)
        )

    names = ", ".join(f"{thread} of process {pid}" for pid, thread in threads)
    wait_until(lambda: or_until() or sleep(), timeout, f"asleep: thread {names}")


def _state(pid: int, thread: int) -> tuple[str, int]:
    """The state of a thread, and how often it has run."""
    try:
        status = procfs.content(f"/proc/{pid}/task/{thread}/status").decode()
    except (FileNotFoundError, ProcessLookupError):  # no /proc here, or the thread has ended
        return ("S" if psutil.Process(pid).status() == psutil.STATUS_SLEEPING else "R", 0)
    fields = dict(line.split(":", 1) for line in status.splitlines())
    switches = int(fields["voluntary_ctxt_switches"]) + int(fields["nonvoluntary_ctxt_switches"])
    return fields["State"].strip()[0], switches
