"""Which process this is: the current one, its parent and its children.

The object of a child is `BaseProcess`; here are those of the processes that this one did not start:
itself, if nobody else did, and its parent.

Documentation: multiprocessing, "Process and exceptions"; multiprocessing.current_process,
multiprocessing.parent_process, multiprocessing.active_children.
"""

# ruff: noqa: SLF001 - what is private is private to the process objects

from __future__ import annotations

import os

from . import _family
from ._authkey import AuthenticationString
from ._base_process import BaseProcess
from ._family import active_children, current_process, parent_process

__all__ = [
    "AuthenticationString",
    "BaseProcess",
    "MainProcess",
    "ParentProcess",
    "active_children",
    "become",
    "current_process",
    "parent_process",
]

_children = _family.children
"""For programs that take a child out of it, which is to outlive this process; it is private in the standard library."""

try:
    ORIGINAL_DIR: str | None = os.getcwd()  # noqa: PTH109 - pathlib is heavy
except FileNotFoundError:
    ORIGINAL_DIR = None


class MainProcess(BaseProcess):
    """The process that no Process object started."""

    def __init__(self) -> None:
        self._config = {}
        self._identity = ()
        self._name = "MainProcess"
        self._parent_pid = None
        self._launched = None
        self._claimed = True
        self._closed = False
        self._daemon = False
        self._authkey = AuthenticationString(os.urandom(32))
        self._target = None
        self._args = ()
        self._kwargs = {}

    def close(self) -> None:
        """Do nothing: the process holds nothing of itself."""


class ParentProcess(BaseProcess):
    """The parent of the current process: may be watched, not ruled.

    Documentation: multiprocessing.parent_process
    """

    def __init__(self, name: str, pid: int, pidfd: int | None = None) -> None:
        """*pidfd*: one of the parent, needed where the parent did not fork this process itself."""
        self._config = {}
        self._identity = ()
        self._name = name
        self._pid = pid
        self._pidfd = pidfd
        self._parent_pid = None
        self._launched = None
        self._claimed = True
        self._closed = False
        self._daemon = False
        self._authkey = current_process()._authkey
        self._child_pid = 0  # set by become()

    @property
    def pid(self) -> int:
        """The number of the parent."""
        return self._pid

    ident = pid

    @property
    def sentinel(self) -> int:
        """A descriptor that becomes readable when the parent ends."""
        if self._pidfd is None:
            self._pidfd = self._open()
        return self._pidfd

    def is_alive(self) -> bool:
        """Return whether the parent lives."""
        from ._launch import wait_ready

        return not wait_ready(self.sentinel, 0)

    def join(self, timeout: float | None = None) -> None:
        """Wait until the parent ends, at most *timeout* seconds if given."""
        from ._launch import wait_ready

        wait_ready(self.sentinel, timeout)

    def _open(self) -> int:
        """Open a pidfd of the parent that can't be one of a later process with its number.

        As long as getppid names it, it is our parent and lives, or is not reaped: asked *after* the
        descriptor was opened, that proves the descriptor.
        """
        from ._launch import ended

        try:
            pidfd = os.pidfd_open(self._pid)
        except ProcessLookupError:
            return ended()
        if os.getpid() == self._child_pid and os.getppid() != self._pid:
            os.close(pidfd)
            return ended()
        return pidfd


def become(process: BaseProcess, parent: ParentProcess) -> None:
    """Make *process* the current process: the first thing a child does."""
    _family.begin(process, parent)
    parent._authkey = process._authkey
    parent._child_pid = os.getpid()


_family.begin(MainProcess(), None)
