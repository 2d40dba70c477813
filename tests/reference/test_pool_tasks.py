"""Tasks of a pool: none waits for another one that is long, or is lost with a worker that did not run it."""

from __future__ import annotations

import functools
import gc
import os
import signal
import time
import weakref
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from multiprocessing_reference import ProcessError, get_context
from multiprocessing_reference.pool import MaybeEncodingError
from multiprocessing_reference.util import Finalize

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


@pytest.mark.parametrize("method", METHODS)
def test_a_task_lost_on_its_way_is_done_by_another_worker(method: str) -> None:
    """A worker that is killed between taking a task and noting which takes none with it."""
    with get_context(method).Pool(2) as pool:
        crew = pool._crew  # noqa: SLF001 - a moment that only its own parts can show
        while not all(seat.ready for seat in crew.seats):
            pool.map(abs, range(20), chunksize=1)
        first, second = (seat.process.pid for seat in crew.seats)
        for pid in (first, second):
            os.kill(pid, signal.SIGSTOP)
        results = [pool.apply_async(abs, (-n,)) for n in range(3)]
        crew.line.far.try_receive()  # as if the first had taken it
        os.kill(first, signal.SIGKILL)
        os.kill(second, signal.SIGCONT)
        assert [result.get(SECONDS) for result in results] == [0, 1, 2]


def _interrupt(_signum: int, _frame: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize("method", METHODS)
def test_a_pool_goes_on_after_an_interrupted_call(method: str) -> None:
    """The call that was interrupted drops its tasks; those of others are done."""
    before = signal.signal(signal.SIGALRM, _interrupt)
    try:
        with get_context(method).Pool(2) as pool:
            others = [pool.apply_async(_nap, (0.01,)) for _ in range(20)]
            signal.setitimer(signal.ITIMER_REAL, 0.05)
            with pytest.raises(KeyboardInterrupt):
                pool.map(_nap, [0.05] * 2000, chunksize=1)
            assert pool.apply(abs, (-1,)) == 1
            assert [other.get(SECONDS) for other in others] == [0.01] * 20
            pool.close()
            pool.join()
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _square(number: int) -> int:
    return number * number


def test_each_of_many_threads_gets_its_own_results() -> None:
    """Whichever thread reads the replies."""
    numbers = range(30)
    squares = [number * number for number in numbers]
    with get_context("fork").Pool(3) as pool:
        calls = (
            lambda: pool.map(_square, numbers, chunksize=1),
            lambda: list(pool.imap(_square, iter(numbers))),
            lambda: sorted(pool.imap_unordered(_square, numbers, 4)),
            lambda: [pool.apply(_square, (number,)) for number in numbers],
            lambda: [r.get() for r in [pool.apply_async(_square, (n,)) for n in numbers]],
            lambda: pool.map(len, [bytes(n * 20_000) for n in numbers], chunksize=1),
        )
        wanted = [squares] * 5 + [[n * 20_000 for n in numbers]]
        with ThreadPoolExecutor(len(calls)) as threads:
            for _ in range(20):
                got = [future.result(SECONDS) for future in [threads.submit(c) for c in calls]]
                assert got == wanted


def _end_slowly() -> None:
    Finalize(None, time.sleep, (1.5,), exitpriority=5)


def test_workers_may_take_their_time_to_end() -> None:
    """Those that were let go are waited for, not killed."""
    pool = get_context("fork").Pool(2, _end_slowly)
    workers = pool._pool  # noqa: SLF001 - what programs use
    assert pool.apply_async(abs, (-1,)).get(SECONDS) == 1
    pool.close()
    pool.join()
    assert [worker.exitcode for worker in workers] == [0, 0]


@pytest.mark.parametrize("timeout", [9_999_999, 2**31 / 1000, 0xFFFFFFFF])
def test_timeouts_may_be_huge(timeout: float) -> None:
    """Programs that want Ctrl-C to be heard wait for months, which is more than the system's calls take."""
    with get_context("fork").Pool(2) as pool:
        assert pool.map_async(_nap, [0.1] * 2).get(timeout) == [0.1] * 2
        assert pool.imap(_nap, [0.1]).next(timeout) == 0.1
        result = pool.apply_async(_nap, (0.1,))
        result.wait(timeout)
        assert result.ready()


class _Unspeakable:
    """Can be neither pickled nor shown."""

    def __init__(self) -> None:
        self.unpicklable = lambda: None

    def __repr__(self) -> str:
        raise RuntimeError


def test_results_that_cannot_be_shown() -> None:
    """What can't be sent fails its task alone, also when not even the message can tell what it was."""
    with get_context("fork").Pool(1) as pool:
        for function in (_Unspeakable, _nested):
            worker = pool.apply(os.getpid)
            with pytest.raises(MaybeEncodingError, match="whose repr"):
                pool.apply(function)
            assert pool.apply(os.getpid) == worker


def _nested() -> list[object]:
    found: list[object] = []
    for _ in range(100_000):
        found = [found]
    return found


def test_a_terminated_pool_goes_with_its_results() -> None:
    """No collector is needed for one that had tasks under way."""
    pool = get_context("fork").Pool(1)
    result = pool.map_async(time.sleep, [SECONDS] * 3, chunksize=1)
    gone = weakref.ref(pool)
    gc.disable()
    try:
        pool.terminate()
        pool.join()
        del pool, result
        assert gone() is None
    finally:
        gc.enable()
