"""Interruptions of a run: SIGTERM and SIGHUP are taken as Ctrl-C, and a second Ctrl-C does not spoil the first."""

from __future__ import annotations

import functools
import signal
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Generator
    from types import FrameType

# Seconds that an interrupted run has for ending its workers and for its report; it takes less than two of them.
_TIME_TO_END = 5.0


class Interrupts:
    """The first interruption ends a run in order, report and all; others that follow it at once change nothing."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    @pytest.hookimpl(wrapper=True)
    def pytest_keyboard_interrupt(self) -> Generator[None, None, None]:
        """Let who presses Ctrl-C again wait until all is told; should that take long, interrupt it after all."""
        if threading.current_thread() is threading.main_thread():
            self._hold_off()
        yield

    def _hold_off(self) -> None:
        before = signal.getsignal(signal.SIGINT)
        ends = time.monotonic() + _TIME_TO_END

        def interrupt(number: int, frame: FrameType | None) -> None:
            if time.monotonic() > ends and callable(before):
                before(number, frame)

        signal.signal(signal.SIGINT, interrupt)
        self._config.add_cleanup(functools.partial(_set, signal.SIGINT, before))


def take_for_ctrl_c(config: pytest.Config) -> None:
    """Let SIGTERM and SIGHUP (a job is cancelled, a terminal is closed) do what Ctrl-C does, report and all, once.

    Not without workers (``-n 0``): a test's forked child would have the handler too, and not end of a signal.
    """
    if threading.current_thread() is not threading.main_thread():
        return
    for each in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(each) is signal.SIG_DFL:
            signal.signal(each, _interrupt)
            config.add_cleanup(functools.partial(_set, each, signal.SIG_DFL))


def _interrupt(number: int, _frame: FrameType | None) -> None:
    _set(number, signal.SIG_DFL)
    raise KeyboardInterrupt(f"ended by {signal.Signals(number).name}")


def _set(number: int, handler: Any) -> None:  # noqa: ANN401 - what signal.getsignal gave
    signal.signal(number, handler)
