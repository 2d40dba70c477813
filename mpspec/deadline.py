"""The deadline of a test: what ends one that does not end by itself."""

from __future__ import annotations

import contextlib
import faulthandler
import os
import signal
import tempfile
import time
from typing import TYPE_CHECKING

from mpspec import leaks

if TYPE_CHECKING:
    from collections.abc import Generator
    from types import FrameType

    from mpspec.journal import Journal

# Seconds between two attempts to end a test; after five of them the process goes.
_AGAIN = 1.0
# The part of a deadline by which a process that is replaced may go later than that.
_SLACK = 0.25


class Hang(BaseException):
    """The deadline of a test is over. No ``except Exception`` of a test or a backend may swallow it."""


class Deadline:
    """Ends a test that does not end by itself.

    First by a signal, whose handler kills the test's children and raises Hang where the test stands, so that the run
    goes on with a traceback; if that does not help (a backend that holds the interpreter), by ending the process.

    Args:
        seconds: the deadline of a test.
        journal: which has the file for what the process says as it goes.
        replaceable: whether the process may go between two tests. Then its end is not put off for each of them, which
            takes the start and the end of a thread, as long as it does not come too early for the one at hand.
    """

    def __init__(self, seconds: float, journal: Journal, *, replaceable: bool) -> None:
        self._whole = self._seconds = seconds
        self._journal = journal
        self._slack = _SLACK * seconds if replaceable else 0.0
        self._goes_at = 0.0
        self._in_phase = False
        self._spared: frozenset[int] = frozenset()
        self.dump = ""

    def start(self, spared: frozenset[int], part: float = 1) -> None:
        """Begin to count; the test is given that part of the deadline. Its end ends no process that is spared."""
        self._seconds = part * self._whole
        self.dump = ""
        self._spared = spared
        self._put_off(self._seconds + _AGAIN * 5)
        signal.signal(signal.SIGALRM, self._expire)
        # Once over, again and again: the clean-up of a hanging test may hang as well.
        signal.setitimer(signal.ITIMER_REAL, self._seconds, _AGAIN)

    def stop(self) -> None:
        """The test has ended."""
        signal.setitimer(signal.ITIMER_REAL, 0)
        if not self._slack:
            self.close()

    def close(self) -> None:
        """No test will come; the process may stay as long as it likes."""
        faulthandler.cancel_dump_traceback_later()
        self._goes_at = 0.0

    def _put_off(self, least: float) -> None:
        now = time.monotonic()
        if not least <= self._goes_at - now <= least + self._slack:
            self._goes_at = now + least + self._slack
            faulthandler.dump_traceback_later(
                least + self._slack, exit=True, file=self._journal.dump_file
            )

    @contextlib.contextmanager
    def phase(self) -> Generator[None, None, None]:
        """While the test's own code runs, and Hang may be raised.

        It is raised again at the end, if it was not heard: in a finalizer, from which no exception gets out; in a
        thread's or a backend's clause that takes whatever comes; in one that raises something else on its way out.
        """
        outer, self._in_phase = self._in_phase, True
        before = self.dump
        try:
            yield
        except (Hang, KeyboardInterrupt):
            raise
        except BaseException as error:
            if self.dump != before:
                raise self._hang() from error
            raise
        finally:
            self._in_phase = outer
        if self.dump != before:
            raise self._hang()

    def _expire(self, _signum: int, _frame: FrameType | None) -> None:
        if not self._in_phase:
            return
        if not self.dump:
            self.dump = _stacks()
        leaks.kill(set(leaks.descendants(os.getpid())) - self._spared)
        raise self._hang()

    def _hang(self) -> Hang:
        return Hang(f"did not end within {self._seconds:g} s")


def _stacks() -> str:
    with tempfile.TemporaryFile("w+") as file:
        faulthandler.dump_traceback(file, all_threads=True)
        file.seek(0)
        return file.read()
