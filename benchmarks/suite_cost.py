"""What a run of the whole suite costs, beside CPython's own tests of multiprocessing, in one go.

    python benchmarks/suite_cost.py                  the suite, then CPython's tests: 5 minutes
    python benchmarks/suite_cost.py --without-cpython

The suite runs at all levels against the standard library, under its three start methods, with two workers. Targets: at
most 90 seconds on two cores, and at most 350 MB at its peak. The peak is the sum over all processes of the memory that
is theirs, shared pages divided by those who share them (PSS), looked at ten times a second; the sum of what each has
mapped (RSS), which counts shared pages once for each, is printed as well.

CPython's tests are those of its test package, ``test._test_multiprocessing``, once for each start method, one after the
other; they must be installed with the interpreter. A run of theirs that hangs is ended after 400 seconds, and tells so
by its exit status, -9. Exit status 1 when a target is missed.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import importlib.util
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

MOST_SECONDS = 90.0
MOST_MEGABYTES = 350.0
GLANCE = 0.1
# Seconds after which a run is ended: a test of CPython's own has been seen to hang.
LIMIT = 400.0
SUITE = ("-m", "pytest", "--backend=stdlib", "--level=de-facto", "-n", "2", "-q")
START_METHODS = ("fork", "spawn", "forkserver")
# As CPython's own test_multiprocessing_fork.py and its kin, which not every installation has.
CPYTHON = """\
import unittest
import test._test_multiprocessing

test._test_multiprocessing.install_tests_in_module_dict(globals(), {method!r})

if __name__ == "__main__":
    unittest.main()
"""


@dataclasses.dataclass
class Cost:
    """Seconds on the wall and of the processor, and megabytes at the peak."""

    seconds: float
    processor: float
    pss: float
    rss: float
    status: int
    last_line: str


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--without-cpython", action="store_true", help="the suite alone")
    without = parser.parse_args().without_cpython
    print(f"{'':<32} {'wall':>7} {'cpu':>7} {'PSS':>7} {'RSS':>7}")
    ours = measure(*SUITE)
    show("the suite, three start methods", ours)
    if not without:
        beside(ours)
    return int(ours.status != 0 or ours.seconds > MOST_SECONDS or ours.pss > MOST_MEGABYTES)


def beside(ours: Cost) -> None:
    """Run CPython's own tests, and compare."""
    if importlib.util.find_spec("test._test_multiprocessing") is None:
        print("CPython's own tests are not installed with this interpreter")
        return
    total = 0.0
    with tempfile.TemporaryDirectory() as folder:
        for method in START_METHODS:
            # The method is part of its text: children import it again, when its arguments may be others.
            program = Path(folder, f"cpython_tests_{method}.py")
            program.write_text(CPYTHON.format(method=method), encoding="utf-8")
            cost = measure(str(program))
            show(f"CPython's own, {method}", cost)
            total += cost.seconds
    print(f"CPython's own take {total / ours.seconds:.1f} times as long, one after the other")


def measure(*command: str) -> Cost:
    """Run Python, and look at it and all its descendants meanwhile."""
    environment = {
        name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"
    }
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile("w+") as output:
        started, used = time.perf_counter(), processor_time()
        child = psutil.Popen(
            [sys.executable, *command],
            cwd=folder,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        pss = rss = 0.0
        while child.poll() is None:
            now = memory([child, *descendants(child)])
            pss, rss = max(pss, now[0]), max(rss, now[1])
            time.sleep(GLANCE)
            if time.perf_counter() - started > LIMIT:
                for each in (*descendants(child), child):
                    with contextlib.suppress(psutil.NoSuchProcess):
                        each.kill()
        seconds = time.perf_counter() - started
        output.seek(0)
        lines = output.read().splitlines() or [""]
    return Cost(seconds, processor_time() - used, pss, rss, child.returncode, lines[-1])


def descendants(process: psutil.Process) -> list[psutil.Process]:
    with contextlib.suppress(psutil.NoSuchProcess):
        return process.children(recursive=True)
    return []


def memory(processes: list[psutil.Process]) -> tuple[float, float]:
    """Megabytes of these processes: their own share, and what they have mapped."""
    pss = rss = 0
    for process in processes:
        with contextlib.suppress(psutil.Error, ProcessLookupError):
            info = process.memory_full_info()
            pss += info.pss
            rss += info.rss
    return pss / 1e6, rss / 1e6


def processor_time() -> float:
    times = os.times()
    return times.children_user + times.children_system


def show(name: str, cost: Cost) -> None:
    print(
        f"{name:<32} {cost.seconds:>6.1f}s {cost.processor:>6.1f}s {cost.pss:>4.0f} MB {cost.rss:>4.0f} MB"
        f"   exit {cost.status}: {cost.last_line.strip('= ')}",
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main())
