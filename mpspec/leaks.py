"""What a test leaves behind: processes, threads, descriptors, shared memory segments, named semaphores.

A snapshot is taken before a test and compared after it. Both are cheap on Linux (a few reads of /proc); psutil stands
in elsewhere, and ends what must be ended.
"""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import gc
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Self

import psutil

from mpspec import procfs

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

_SHM = Path("/dev/shm")  # noqa: S108 - where Linux keeps shared memory and named semaphores
_OWN_TASKS = Path("/proc/self/task")
_OWN_DESCRIPTORS = "/proc/self/fd"
_SETTLE_PAUSE = 0.005
_STANDARD_ERROR = 2
# Where references are not counted, what ends by itself (a thread) is let go of in a collection after that.
_COUNTS_REFERENCES = hasattr(sys, "getrefcount")
# The part of the time to settle that is given to what a failed test has left.
_HASTE = 0.1
# Seconds that helpers of a worker that has ended get to clean up after it.
_CLEANING = 0.5


@dataclasses.dataclass(frozen=True)
class Snapshot:
    """What there is at one moment."""

    processes: frozenset[int]
    threads: frozenset[threading.Thread]
    descriptors: frozenset[tuple[int, str]]
    segments: frozenset[str]


@dataclasses.dataclass(frozen=True)
class Leaks:
    """What is there that was not there before."""

    processes: tuple[int, ...] = ()
    threads: tuple[threading.Thread, ...] = ()
    descriptors: tuple[tuple[int, str], ...] = ()
    segments: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return any(getattr(self, field.name) for field in dataclasses.fields(self))

    def describe(self) -> str:
        """One line that names each."""
        parts = [
            *(f"process {pid} ({_command(pid)})" for pid in self.processes),
            *(f"thread {thread.name}" for thread in self.threads),
            *(f"descriptor {number} ({target})" for number, target in self.descriptors),
            *(f"{_kind(name)} {name}" for name in self.segments),
        ]
        return ", ".join(parts)


def snapshot(ended: set[int]) -> Snapshot:
    """What there is now; for what it may pass over and adds to, see ``descendants``."""
    return Snapshot(
        frozenset(descendants(os.getpid(), ended)),
        frozenset(threading.enumerate()),
        _descriptors(),
        _segments(),
    )


class Keeper:
    """Compares before and after, and knows what belongs to the backend as a whole.

    Args:
        settle: seconds that things get to end by themselves: threads on their way out, processes being reaped.
        made_here: whether this process, or a forked child of it, has made a name in the space of shared memory.
            Nothing else is touched there: other programs of this machine use it too.

    Attributes:
        helpers: the processes that were seen to run for the backend as a whole.
    """

    def __init__(self, settle: float, made_here: Callable[[str], bool]) -> None:
        self._settle = settle
        self._made_here = made_here
        self._kept = Snapshot(frozenset(), frozenset(), frozenset(), frozenset())
        self._commands: set[str] = set()
        self.helpers: set[int] = set()
        self._ended: set[int] = set()
        self._before = self._look()
        self._last: Snapshot | None = None

    def _look(self) -> Snapshot:
        return snapshot(self._ended)

    @property
    def spared(self) -> frozenset[int]:
        """The processes that were there when the test that runs began."""
        return self._before.processes

    def begin(self) -> None:
        """A test begins: what the one before it was seen to end with, if nothing else came between, is there."""
        self._before = self._last or self._look()
        self._last = None

    def forget(self) -> None:
        """Something else than a test has run, or a test that nobody looked after."""
        self._last = None

    def keep(self) -> None:
        """What is there now may stay until the run ends: servers of the backend, fixtures that several tests share."""
        self._before = self._kept = self._look()
        self._last = None

    def know_helpers(self) -> None:
        """What runs now belongs to the backend, and so does what it starts by the same command later.

        A fork server that a test made end is restarted by the next test, which leaves no one behind.
        """
        own = _command(os.getpid())
        found = {pid: _command(pid) for pid in children(os.getpid())}
        self.helpers |= {pid for pid, command in found.items() if command != own}
        self._commands |= {*found.values()} - {own}
        self.keep()

    def find(self, *, held: bool) -> Leaks:
        """What the test that began last has left behind, once all that ends by itself has ended.

        Args:
            held: whether its objects are still there (the traceback of its failure holds them), and with them
                descriptors and names, for whose end it would be vain to wait.
        """
        leaks = self._compare()
        if not leaks:
            return leaks
        # What a test has made is young: the few oldest objects are looked at when that was not enough.
        gc.collect(1)
        if not (leaks := self._compare()):
            return leaks
        gc.collect()
        # When the test has failed, what it left has no say in the verdict: it is removed, not waited for.
        deadline = time.monotonic() + (self._settle * _HASTE if held else self._settle)
        while (leaks := self._compare()) and time.monotonic() < deadline:
            if held and not (leaks.processes or leaks.threads):
                break
            time.sleep(_SETTLE_PAUSE)
            if not _COUNTS_REFERENCES:
                gc.collect()
        return leaks

    def _compare(self) -> Leaks:
        now, before, kept = self._look(), self._before, self._kept
        self._last = now
        processes = [pid for pid in now.processes - before.processes if self._is_stray(pid)]
        threads = [thread for thread in now.threads - before.threads if thread.is_alive()]
        return Leaks(
            tuple(sorted(processes)),
            tuple(sorted(threads, key=lambda thread: thread.name)),
            tuple(sorted(now.descriptors - before.descriptors - kept.descriptors)),
            tuple(sorted(filter(self._made_here, now.segments - before.segments))),
        )

    def _is_stray(self, pid: int) -> bool:
        with contextlib.suppress(psutil.NoSuchProcess):
            process = psutil.Process(pid)
            if process.status() == psutil.STATUS_ZOMBIE:
                return False  # ended; whose turn it is to reap it is nobody's requirement
            if process.ppid() != os.getpid() or _command(pid) not in self._commands:
                return True
            self.helpers.add(pid)
        return False


def unlink(segments: Iterable[str]) -> None:
    """Remove names of shared memory segments and semaphores; those that are gone are gone."""
    for name in segments:
        with contextlib.suppress(
            FileNotFoundError, ValueError
        ):  # a name with a null byte was refused
            (_SHM / name).unlink()


def kill(pids: Iterable[int]) -> None:
    """Kill processes with all their descendants, and wait until they are gone or reaped."""
    doomed: list[psutil.Process] = []
    for pid in pids:
        with contextlib.suppress(psutil.NoSuchProcess):
            process = psutil.Process(pid)
            # Stopped first, so that none starts another while its descendants are being counted.
            process.suspend()
            doomed += [process, *process.children(recursive=True)]
    for process in doomed:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    deadline = time.monotonic() + 1
    while any(runs(process) for process in doomed) and time.monotonic() < deadline:
        time.sleep(_SETTLE_PAUSE)


def end_group(leader: int, helpers: Collection[int]) -> None:
    """Kill a process group that may be gone already.

    Args:
        leader: the group's id.
        helpers: those that may clean up when all others are gone, as trackers of resources do, before they are killed.
    """
    deadline = time.monotonic() + _CLEANING
    while left := _members(leader):
        late = time.monotonic() > deadline
        for pid in left if late else left - frozenset(helpers):
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        if late:
            break
        time.sleep(_SETTLE_PAUSE)


def _members(group: int) -> set[int]:
    """The processes of a group that have not ended yet."""
    found = set()
    for pid in psutil.pids():
        with contextlib.suppress(ProcessLookupError, psutil.NoSuchProcess):
            if os.getpgid(pid) == group and runs(psutil.Process(pid)):
                found.add(pid)
    return found


def runs(process: psutil.Process) -> bool:
    """Whether a process has not ended yet, reaped or not."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    return False


def children(pid: int) -> list[int]:
    """The direct children of a process."""
    found: list[int] = []
    tasks = f"/proc/{pid}/task"
    try:
        for task in os.listdir(tasks):
            found.extend(map(int, procfs.content(f"{tasks}/{task}/children").split()))
    except (FileNotFoundError, ProcessLookupError):
        with contextlib.suppress(psutil.NoSuchProcess):
            if not _OWN_TASKS.exists():
                return [child.pid for child in psutil.Process(pid).children()]
    return found


def descendants(pid: int, ended: set[int] | None = None) -> list[int]:
    """The children of a process, their children, and so on.

    Args:
        pid: the process.
        ended: descendants that have ended, but were not reaped: they have no children, and are not asked again. Orphans
            that this process has become the parent of stay among them until the run ends.
    """
    found = children(pid)
    for child in found:
        if ended is None or child not in ended:
            its = children(child)
            found.extend(its)
            if ended is not None and not its and _is_zombie(child):
                ended.add(child)
    if ended is not None:
        ended.intersection_update(found)
    return found


def _is_zombie(pid: int) -> bool:
    try:
        # After the name, which is in brackets and may hold any of them.
        return procfs.content(f"/proc/{pid}/stat").rpartition(b")")[2].split()[:1] == [b"Z"]
    except (FileNotFoundError, ProcessLookupError):
        return False


def _descriptors() -> frozenset[tuple[int, str]]:
    found: list[tuple[int, str]] = []
    with contextlib.suppress(FileNotFoundError):  # no /proc here
        for name in os.listdir(_OWN_DESCRIPTORS):
            with contextlib.suppress(FileNotFoundError):
                found.append((int(name), os.readlink(f"{_OWN_DESCRIPTORS}/{name}")))
    # Not the standard streams, which pytest redirects; nor the listing's own descriptor, which is gone by now.
    return frozenset(
        entry for entry in found if entry[0] > _STANDARD_ERROR and not entry[1].endswith("/fd")
    )


def _segments() -> frozenset[str]:
    try:
        return frozenset(os.listdir(_SHM))
    except FileNotFoundError:
        return frozenset()


def tell_names(tell: Callable[[str], None]) -> None:
    """Have the names of shared memory and semaphores that this process makes told to somebody.

    What lies in /dev/shm bears no mark of who made it. Only this way the right test is blamed, when several workers are
    at work, and nothing of another program is taken for a leak. Nothing changes for the backend: the interpreter's own
    functions are called as before. Children that are not forked are not seen.
    """
    try:
        import _multiprocessing
        import _posixshmem
    except ImportError:
        return
    original = _posixshmem.shm_open

    @functools.wraps(original)
    def shm_open(path: str, flags: int, *args: int, **kwargs: int) -> int:
        if flags & os.O_CREAT and "\0" not in path:  # there is nothing of such a name
            tell(path.lstrip("/"))
        descriptor: int = original(path, flags, *args, **kwargs)
        return descriptor

    class SemLock(_multiprocessing.SemLock):  # type: ignore[misc]
        """The interpreter's own, which tells its name."""

        __slots__ = ()
        __qualname__ = "SemLock"  # what an error message of the interpreter calls it

        def __new__(
            cls,
            kind: int,
            value: int,
            maxvalue: int,
            name: str,
            unlink: bool,  # noqa: FBT001 - the interpreter's signature
        ) -> Self:
            if not unlink and "\0" not in name:
                tell(f"sem.{name.lstrip('/')}")
            made: Self = super().__new__(cls, kind, value, maxvalue, name, unlink)
            return made

    _posixshmem.shm_open = shm_open
    _multiprocessing.SemLock = SemLock


def _command(pid: int) -> str:
    with contextlib.suppress(psutil.Error):
        return " ".join(psutil.Process(pid).cmdline())
    return "gone"


def _kind(name: str) -> str:
    return "named semaphore" if name.startswith("sem.") else "shared memory segment"
