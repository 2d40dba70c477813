"""Tasks of a pool: none waits for another one that is long, or is lost with a worker that did not run it."""

from __future__ import annotations

import functools
import os
import signal
import time
from typing import TYPE_CHECKING

import pytest
from multiprocessing_reference import ProcessError, get_context

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

METHODS = ("fork", "spawn", "forkserver")
SECONDS = 30.0


def _nap(seconds: float) -> float:
    time.sleep(seconds)
    return seconds


def _end_at(number: int, fatal: int) -> int:
    if number == fatal:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


@pytest.mark.parametrize("method", METHODS)
def test_no_task_stays_behind_a_long_one(method: str) -> None:
    """While one worker is at a long task, the other does all that follows."""
    with get_context(method).Pool(2) as pool:
        release = SECONDS * 2
        results = pool.imap_unordered(_nap, [0] * 200 + [release] + [0.001] * 400)
        assert sum(results.next(SECONDS) for _ in range(600)) < 1


@pytest.mark.parametrize("method", METHODS)
def test_only_the_task_that_runs_is_lost_with_its_worker(method: str) -> None:
    """The others are done, be they of one call or of many."""
    with get_context(method).Pool(2) as pool:
        results = pool.imap(functools.partial(_end_at, fatal=150), range(300))
        assert _outcomes(lambda: results.next(SECONDS)) == [n for n in range(300) if n != 150]
        single = iter([pool.apply_async(_end_at, (n, 150)) for n in range(300)])
        assert _outcomes(lambda: next(single).get(SECONDS)) == [n for n in range(300) if n != 150]


def _outcomes(call: Callable[[], int]) -> list[int]:
    """What the calls return until StopIteration, one of which fails since its worker was lost."""
    found, lost = [], 0
    while True:
        try:
            found.append(call())
        except StopIteration:
            break
        except ProcessError:
            lost += 1
    assert lost == 1
    return found


def _ignore_terminate() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


def _note(path: Path) -> None:
    with path.open("a", encoding="ascii") as file:
        file.write(".")
    time.sleep(0.05)


def test_tasks_are_not_done_after_terminate(tmp_path: Path) -> None:
    """A worker that ignores the signal goes on with the task that it has, and with no other."""
    notes = tmp_path / "notes"
    pool = get_context("fork").Pool(1, _ignore_terminate)
    pool.map(abs, range(2000), chunksize=1)
    pool.map_async(_note, [notes] * 40, chunksize=1)
    while not notes.exists():
        time.sleep(0.01)
    begun = len(notes.read_text(encoding="ascii"))
    pool.terminate()
    # It may have come to the next one since they were counted.
    assert len(notes.read_text(encoding="ascii")) <= begun + 2
