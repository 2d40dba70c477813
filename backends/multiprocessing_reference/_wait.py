"""Wait until one of many objects is ready to be read.

`select.poll` rather than `select.select`, which knows no descriptor beyond 1023.

Documentation: multiprocessing.connection.wait.
"""

from __future__ import annotations

import errno
import os
from select import POLLIN, POLLNVAL, POLLPRI, poll
from time import monotonic

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

__all__ = ["poll_for", "readable", "wait"]

_LONGEST = 2**31 - 1  # milliseconds that poll can wait at once, 24 days


def readable(fd: int, timeout: float | None) -> bool:
    """Return whether *fd* can be read, or has ended, within *timeout* seconds (None: forever)."""
    poller = poll()
    poller.register(fd, POLLIN)
    return bool(poll_for(poller, timeout))


def wait(object_list: Iterable[Any], timeout: float | None = None) -> list[Any]:
    """Return those objects that are ready, in the order given; wait until at least one is.

    *object_list* holds connections, connected sockets, sentinels of processes, or other
    descriptors and objects with a ``fileno()``. *timeout* is in seconds: None waits forever, zero
    or less not at all; the list is empty when it passed. Ready means readable, or the other end
    is closed.

    ValueError for what has no descriptor, OSError for a closed one.
    Documentation: multiprocessing.connection.wait.
    """
    objects = list(object_list)
    descriptors = [_descriptor(obj) for obj in objects]
    poller = poll()
    for fd in descriptors:
        poller.register(fd, POLLIN | POLLPRI)
    ready = dict(poll_for(poller, timeout))
    for fd, event in ready.items():
        if event & POLLNVAL:
            raise OSError(errno.EBADF, f"{os.strerror(errno.EBADF)}: {fd}")
    return [obj for obj, fd in zip(objects, descriptors, strict=True) if fd in ready]


def _descriptor(obj: Any) -> int:  # noqa: ANN401 - a descriptor or what has one
    if isinstance(obj, int):
        fd: object = obj
    else:
        fileno = getattr(obj, "fileno", None)
        fd = None if fileno is None else fileno()
    if not isinstance(fd, int) or fd < 0:
        message = (
            f"can't wait for {obj!r}: it must be a connection, a connected socket, the sentinel of "
            "a process, or another open descriptor or object with a fileno() method"
        )
        raise ValueError(message)
    return fd


def poll_for(poller: poll, timeout: float | None) -> list[tuple[int, int]]:
    """Poll within *timeout* seconds, however many (None: forever, negative: not at all)."""
    if timeout is None:
        return poller.poll()
    if timeout <= 0:
        return poller.poll(0)
    milliseconds = timeout * 1000
    if milliseconds < _LONGEST:
        # It goes on by itself after a signal, and takes no Fraction.
        return poller.poll(float(milliseconds))
    deadline = monotonic() + timeout
    while True:
        remaining = (deadline - monotonic()) * 1000
        found = poller.poll(max(0, min(remaining, _LONGEST)))
        if found or remaining < _LONGEST:
            return found
