"""A child process as its parent sees it: its end, its exit code, signals to it.

Each start method is a module `_launch_*` with a function ``launch(process) -> Launched``. What they
share is here: `OwnChild`, a child that this process itself may reap.

A pidfd is the sentinel: ready when the process has ended, whatever pipes its descendants hold, and
it can't be mistaken for a later process with the same number. Where the kernel has none, the child
holds the write end of a pipe instead (and a descendant that inherits it then delays the notice).
"""

from __future__ import annotations

import os
import select
import time
from _thread import allocate_lock

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    class Launched(Protocol):
        """A started process; all methods may be called from any thread."""

        pid: int

        @property
        def sentinel(self) -> int:
            """A descriptor that becomes readable when the process ends."""

        def poll(self) -> int | None:
            """Return the exit code (-N: killed by signal N), None while the process lives."""

        def wait(self, timeout: float | None) -> int | None:
            """Wait at most *timeout* seconds (None: for ever), then do as `poll`."""

        def send_signal(self, signum: int) -> None:
            """Send a signal; nothing happens if the process has ended."""

        def close(self) -> None:
            """Close the descriptors; the exit code stays known."""


LOST = 255
"""The exit code of a child whose own one can't be known: other code has reaped it."""

_GET_INFO = 0xC040FF0B  # ioctl PIDFD_GET_INFO with the first edition of struct pidfd_info, 64 bytes
_INFO_EXIT = 1 << 3
_LONGEST_POLL = 2**31 - 1  # milliseconds, an int in C


def have_pidfd() -> bool:
    """Return whether this kernel and this Python know pidfds."""
    global _have_pidfd
    if _have_pidfd is None:
        try:
            os.close(os.pidfd_open(os.getpid()))
            _have_pidfd = True
        except (AttributeError, OSError):
            _have_pidfd = False
    return _have_pidfd


_have_pidfd: bool | None = None


def wait_ready(fd: int, timeout: float | None) -> bool:
    """Wait at most *timeout* seconds until *fd* is readable or hung up; return whether it is."""
    poller = select.poll()
    poller.register(fd, select.POLLIN)
    if timeout is None:
        return bool(poller.poll())
    deadline = time.monotonic() + timeout
    while True:
        left = max(0.0, deadline - time.monotonic())
        # A fraction of a millisecond is rounded up, so that the last turn does not spin.
        if poller.poll(min(int(left * 1000) + (left > 0), _LONGEST_POLL)):
            return True
        if time.monotonic() >= deadline:
            return False


def send_through_pidfd(pidfd: int, signum: int) -> None:
    """Send a signal to the process of *pidfd*, if it still lives."""
    from signal import pidfd_send_signal

    try:
        pidfd_send_signal(pidfd, signum)
    except ProcessLookupError:
        return


def exit_code_of_reaped(pidfd: int) -> int:
    """Return the exit code of a process that was reaped by others: Linux keeps it since 6.15."""
    import fcntl

    info = bytearray(64)
    info[:8] = _INFO_EXIT.to_bytes(8, "little")
    try:
        fcntl.ioctl(pidfd, _GET_INFO, info)
    except OSError:
        return LOST
    if not int.from_bytes(info[:8], "little") & _INFO_EXIT:
        return LOST
    return os.waitstatus_to_exitcode(int.from_bytes(info[60:], "little"))


def ended() -> int:
    """Return a descriptor that is readable at once and for ever."""
    read_end, write_end = os.pipe()
    os.close(write_end)
    return read_end


def reap(pidfd: int, options: int) -> int | None:
    """Reap the child of *pidfd* and return its exit code; with os.WNOHANG, None if it lives."""
    try:
        result = os.waitid(os.P_PIDFD, pidfd, os.WEXITED | options)
    except ChildProcessError:  # other code called os.waitpid(-1), or SIGCHLD is ignored
        return exit_code_of_reaped(pidfd)
    if result is None:
        return None
    return result.si_status if result.si_code == os.CLD_EXITED else -result.si_status


class Lifeline:
    """The stand-in for a pidfd: a pipe whose write end the child holds as long as it lives."""

    def __init__(self) -> None:
        self.read_end, self.write_end = os.pipe()

    def keep_read_end(self) -> int:
        """Close the child's end, and return the parent's."""
        os.close(self.write_end)
        return self.read_end

    def close(self) -> None:
        """Close both ends: no child was started."""
        os.close(self.read_end)
        os.close(self.write_end)


class OwnChild:
    """A child of this process itself, started by fork or spawn."""

    def __init__(self, pid: int, lifeline: Lifeline | None = None) -> None:
        self.pid = pid
        self._lock = allocate_lock()
        self._exitcode: int | None = None
        self._owner = os.getpid()
        self._has_pidfd = lifeline is None
        if lifeline is not None:
            self._fd = lifeline.keep_read_end()
            return
        try:
            self._fd = os.pidfd_open(pid)
        except ProcessLookupError:  # it has ended, and SIGCHLD is ignored: nobody will ever know
            self._exitcode = LOST
            self._fd = ended()

    @property
    def sentinel(self) -> int:
        """A descriptor that becomes readable when the process ends."""
        return self._fd

    def poll(self) -> int | None:
        """Return the exit code, None while the process lives (or if it is not our child)."""
        if self._exitcode is None and self._owner == os.getpid():
            with self._lock:
                if self._exitcode is None:
                    self._exitcode = self._collect()
        return self._exitcode

    def wait(self, timeout: float | None) -> int | None:
        """Wait at most *timeout* seconds (None: for ever) for the end, and return the exit code."""
        if self._exitcode is None:
            wait_ready(self._fd, timeout)
        return self.poll()

    def send_signal(self, signum: int) -> None:
        """Send a signal; nothing happens if the process has ended."""
        if self._exitcode is not None:
            return
        if self._has_pidfd:
            send_through_pidfd(self._fd, signum)
            return
        with self._lock:  # nobody reaps meanwhile, so the number is still that of our child
            if self._exitcode is None:
                try:
                    os.kill(self.pid, signum)
                except ProcessLookupError:
                    return

    def close(self, _close: Callable[[int], None] = os.close) -> None:
        """Close the sentinel."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            _close(fd)

    def __del__(self, _close: Callable[[int], None] = os.close) -> None:
        if hasattr(self, "_fd"):
            self.close(_close)

    def _collect(self) -> int | None:
        try:
            if not self._has_pidfd:
                pid, status = os.waitpid(self.pid, os.WNOHANG)
                return os.waitstatus_to_exitcode(status) if pid else None
            return reap(self._fd, os.WNOHANG)
        except ChildProcessError:
            return LOST  # other code called os.waitpid(-1), or SIGCHLD is ignored

    def __reduce__(self) -> str:
        message = "a started Process can't be pickled: its exit is its parent's to wait for"
        raise TypeError(message)
