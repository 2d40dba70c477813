"""What wakes a thread that sleeps in a poll."""

from __future__ import annotations

import os
import threading
from _thread import get_ident
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Bell", "own_bell"]


class Bell:
    """An eventfd; in a job's list of waiters it stands beside locks."""

    def __init__(self) -> None:
        self.fd = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._owner = get_ident()

    def release(self) -> None:
        """Wake up the owner, unless that is this thread: it knows, or will look before it sleeps."""
        if get_ident() != self._owner:
            os.eventfd_write(self.fd, 1)

    def __del__(self, _close: Callable[[int], None] = os.close) -> None:
        _close(self.fd)


class _Bells(threading.local):
    """One for each thread; a forked child must not ring its parent's."""

    bell: Bell | None = None


_bells = _Bells()


def own_bell() -> Bell:
    """Return the bell of this thread."""
    bell = _bells.bell
    if bell is None:
        bell = _bells.bell = Bell()
    return bell


def _forget_bell() -> None:
    _bells.bell = None


os.register_at_fork(after_in_child=_forget_bell)
