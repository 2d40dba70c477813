"""A process that outlives the program by a moment, to unlink what the program left behind.

Named semaphores and shared memory stay until the next reboot if nobody unlinks them, say because
their owner was killed. Whoever makes one tells the tracker, over a pipe; whoever unlinks it does
so again. The write end is inherited by every process of the program, so that one tracker serves
them all, and its end of file is the news that all of them have ended.

The tracker is started with its signals blocked: the Ctrl-C that ends the program must not end it.

Documentation: multiprocessing, "Contexts and start methods" (resource tracker).
"""

from __future__ import annotations

import os
import sys
from _thread import RLock
from select import poll

from ._undo import on_failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["ResourceTracker", "adopt", "ensure_running", "getfd", "main", "register", "unregister"]

RESOURCE_TYPES = ("semaphore", "shared_memory")
_LONGEST = 512  # POSIX writes as much to a pipe in one piece


class ResourceTracker:
    """The program's tracker, as this process knows it: the write end of its pipe.

    ``_pid`` is known to the process that started the tracker, and to those that it forked. It, ``_fd``
    and ``_check_alive()`` are for programs that look for them, as they do with CPython.
    """

    def __init__(self) -> None:
        self._lock = RLock()
        self._fd: int | None = None
        self._pid: int | None = None

    def ensure_running(self) -> None:
        """Start the tracker, unless the program has one that is alive."""
        self.getfd()

    def getfd(self) -> int:
        """Return the descriptor to pass to children; start the tracker if there is none."""
        # Reentrant: a signal handler may use the tracker while its own thread is here.
        with self._lock:
            fd = self._fd
            died = fd is not None and not self._check_alive()
            if fd is None or died:
                pid, new = _start()
                if self._fd is None or self._fd == fd:
                    self._pid, self._fd = pid, new
                    if fd is not None:
                        os.close(fd)
                else:
                    os.close(new)  # a handler was faster
                    new = self._fd
                fd = new
        if died:
            from .util import sub_warning

            sub_warning(
                "the resource tracker died: another one was started, what it knew may be leaked"
            )
        return fd

    def _check_alive(self) -> bool:
        """Tell whether there is a tracker that reads what is written to it."""
        if self._fd is None:
            return False
        ended = poll()
        ended.register(self._fd, 0)  # for what is always reported: that nobody has the other end
        return not ended.poll(0)

    def adopt(self, fd: int) -> None:
        """Use the tracker of the parent, whose pipe this process inherited as *fd*."""
        if self._fd is None:
            self._fd = fd
        elif self._fd != fd:
            os.close(fd)

    def register(self, name: str, rtype: str) -> None:
        """Have *name* unlinked when all processes of the program have ended.

        *rtype* is "semaphore" or "shared_memory" (ValueError otherwise). Again is not twice.
        """
        self._send("+", name, rtype)

    def unregister(self, name: str, rtype: str) -> None:
        """Forget *name*: it was unlinked. Nothing happens if it is not known."""
        self._send("-", name, rtype)

    def _send(self, sign: str, name: str, rtype: str) -> None:
        if rtype not in RESOURCE_TYPES:
            message = f"the resource tracker knows {' and '.join(RESOURCE_TYPES)}, not {rtype!r}"
            raise ValueError(message)
        # With a slash or without, to Linux it is the same name; programs forget the one that a SharedMemory tells.
        record = f"{sign}{rtype}:/{name.lstrip('/')}\0".encode()
        if len(record) > _LONGEST:
            message = f"the name of a tracked resource is too long: {name!r}"
            raise ValueError(message)
        try:
            os.write(self.getfd(), record)
        except BrokenPipeError:
            # It was killed since it was looked at; a new one can at least have this.
            os.write(self.getfd(), record)

    def _after_fork(self) -> None:
        self._lock = RLock()  # another thread of the parent may have held it


_resource_tracker = ResourceTracker()
adopt = _resource_tracker.adopt
ensure_running = _resource_tracker.ensure_running
getfd = _resource_tracker.getfd
register = _resource_tracker.register
unregister = _resource_tracker.unregister

os.register_at_fork(after_in_child=_resource_tracker._after_fork)  # noqa: SLF001 - of this module


def _start() -> tuple[int, int]:
    """Start a tracker; return its pid and the descriptor to write to."""
    from ._interpreter import above_standard, import_path, spawn_interpreter

    read_end, write_end = os.pipe()
    read_end = above_standard(read_end)
    write_end = above_standard(write_end)
    code = (
        f"import sys;sys.path[:]={import_path()!r};"
        f"from {__package__}.resource_tracker import main;main({read_end})"
    )
    try:
        with on_failure(os.close, write_end):
            # No site-packages: it needs nothing of them, and starts in half the time.
            pid = spawn_interpreter(
                ["-S", "-s", "-c", code],
                (read_end,),
                quiet=True,
                blocked_signals=(1, 2, 15),  # SIGHUP, SIGINT, SIGTERM
            )
    finally:
        os.close(read_end)
    return pid, write_end


# -- the tracker itself


def main(fd: int) -> None:
    """Run the tracker: read the pipe to its end, then unlink what is left."""
    from ._interpreter import close_inherited

    close_inherited((fd,))
    known: dict[str, dict[str, None]] = {rtype: {} for rtype in RESOURCE_TYPES}
    for record in _records(fd):
        rtype, _colon, name = record[1:].partition(":")
        if record[0] == "+":
            known[rtype][name] = None
        else:
            known[rtype].pop(name, None)
    for rtype, names in known.items():
        if names:
            _report(f"{len(names)} leaked {rtype} objects to clean up at shutdown: {list(names)}")
        for name in names:
            _unlink(rtype, name)


def _records(fd: int) -> Iterator[str]:
    """Yield what comes through the pipe; names may have every character but the one that ends a record."""
    rest = b""
    while chunk := os.read(fd, 1 << 16):
        *records, rest = (rest + chunk).split(b"\0")
        for record in records:
            yield record.decode()
    os.close(fd)


def _unlink(rtype: str, name: str) -> None:
    try:
        _CLEANUP_FUNCS[rtype](name)
    except FileNotFoundError:
        return  # its owner was killed between unlinking it and saying so
    except OSError as error:
        _report(f"can't unlink the {rtype} {name!r}: {error}")


def _unlink_semaphore(name: str) -> None:
    from _multiprocessing import sem_unlink

    sem_unlink(name)


def _unlink_memory(name: str) -> None:
    from _posixshmem import shm_unlink

    shm_unlink(name)


# Undocumented: programs that replace `register` take types out of it. The tracker itself has its own.
_CLEANUP_FUNCS: dict[str, Callable[[str], None]] = {
    "semaphore": _unlink_semaphore,
    "shared_memory": _unlink_memory,
}


def _report(text: str) -> None:
    try:
        sys.stderr.write(f"resource_tracker: {text}\n")
    except (AttributeError, OSError):
        return  # the program's stderr has gone with it
