"""Calls that are taken step by step: what becomes of them when something else is done at each moment of theirs.

A step is that the interpreter calls a function, or that one returns, as ``sys.setprofile`` tells.
"""

from __future__ import annotations

import contextlib
import sys
import threading

TYPE_CHECKING = False  # importing ``typing`` would cost each child some milliseconds
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    from mpspec.children import Caller, CallerThread


class Stepwise:
    """Calls a function, and begins another call at one step of it, which then goes as far as possible."""

    def __init__(self, number: int, begin: Callable[[], Caller | CallerThread]) -> None:
        self._left = number
        self._begin: Callable[[], Caller | CallerThread] | None = begin
        self._lock = threading.Lock()
        self.begun = threading.Event()

    def call(self, function: Callable[[], Any]) -> Any:  # noqa: ANN401 - whatever the function gives
        """Call the function; gives what it gives."""
        return _profiled(function, self._step)

    def _step(self, *_: object) -> None:
        self._left -= 1
        if self._left == 0:
            with self._lock:
                if self._begin is None:
                    return
                begun = self._begin()
                self.begun.set()
            go_as_far_as_possible([begun])

    def cancel(self) -> bool:
        """Begin nothing any more; whether nothing has been begun."""
        with self._lock:
            self._begin = None
            return not self.begun.is_set()


def slowly(function: Callable[[], Any], others: Iterable[Caller | CallerThread]) -> Any:  # noqa: ANN401 - as above
    """Call a function, and let other calls go as far as possible at each step of it."""
    return _profiled(function, lambda *_: go_as_far_as_possible(others))


def go_as_far_as_possible(callers: Iterable[Caller | CallerThread]) -> None:
    """Wait until each call is over or asleep."""
    for caller in callers:
        with contextlib.suppress(AssertionError):  # it is over
            caller.until_blocked()


def _profiled(function: Callable[[], Any], step: Callable[..., None]) -> Any:  # noqa: ANN401 - as above
    before = sys.getprofile()
    sys.setprofile(step)
    try:
        return function()
    finally:
        sys.setprofile(before)
