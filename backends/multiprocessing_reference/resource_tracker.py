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
from _thread import allocate_lock

from ._undo import on_failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["adopt", "ensure_running", "getfd", "main", "register", "unregister"]

RESOURCE_TYPES = ("semaphore", "shared_memory")
_LONGEST = 512  # POSIX writes as much to a pipe in one piece

_lock = allocate_lock()
_fd: int | None = None


def ensure_running() -> None:
    """Start the tracker, unless the program has one already."""
    global _fd
    with _lock:
        if _fd is None:
            _fd = _start()


def getfd() -> int:
    """Return the descriptor to pass to children; start the tracker if there is none."""
    ensure_running()
    if _fd is None:
        message = "the resource tracker could not be started"
        raise RuntimeError(message)
    return _fd


def adopt(fd: int) -> None:
    """Use the tracker of the parent, whose pipe this process inherited as *fd*."""
    global _fd
    if _fd is None:
        _fd = fd
    elif _fd != fd:
        os.close(fd)


def register(name: str, rtype: str) -> None:
    """Have *name* unlinked when all processes of the program have ended.

    *rtype* is "semaphore" or "shared_memory" (ValueError otherwise). Again is not twice.
    """
    _send("+", name, rtype)


def unregister(name: str, rtype: str) -> None:
    """Forget *name*: it was unlinked. Nothing happens if it is not known."""
    _send("-", name, rtype)


def _send(sign: str, name: str, rtype: str) -> None:
    if rtype not in RESOURCE_TYPES:
        message = f"the resource tracker knows {' and '.join(RESOURCE_TYPES)}, not {rtype!r}"
        raise ValueError(message)
    # With a slash or without, to Linux it is the same name; programs forget the one that a SharedMemory tells.
    record = f"{sign}{rtype}:/{name.lstrip('/')}\0".encode()
    if len(record) > _LONGEST:
        message = f"the name of a tracked resource is too long: {name!r}"
        raise ValueError(message)
    try:
        os.write(getfd(), record)
    except BrokenPipeError:
        # Somebody killed the tracker; a new one can at least have this.
        _restart()
        os.write(getfd(), record)


def _restart() -> None:
    global _fd
    from .util import sub_warning

    sub_warning("the resource tracker died: starting another one, what it knew may be leaked")
    with _lock:
        dead = _fd
        _fd = None
    if dead is not None:
        os.close(dead)


def _start() -> int:
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
            spawn_interpreter(
                ["-S", "-s", "-c", code],
                (read_end,),
                quiet=True,
                blocked_signals=(1, 2, 15),  # SIGHUP, SIGINT, SIGTERM
            )
    finally:
        os.close(read_end)
    return write_end


def _after_fork() -> None:
    global _lock
    _lock = allocate_lock()  # another thread of the parent may have held it


os.register_at_fork(after_in_child=_after_fork)


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
