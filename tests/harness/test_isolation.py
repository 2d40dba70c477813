"""A backend that misbehaves gets its verdict; what it left is gone before the next test; the run goes on."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import pytest

from mpspec import leaks
from mpspec.observing import wait_until_asleep
from tests.conftest import verdicts

if TYPE_CHECKING:
    from tests.conftest import Conformance

# One test that meets the misdeed, and others before and after it that do not.
MEETS = "process.is-alive.before-start"
SELECTION = [
    f"--requirement={each}"
    for each in ("process.start", "process.pid.none-before-start", "process.pid.of-child", MEETS)
]
QUICKLY = "--patience=0.1"

EXPECTED = {
    "hang": "HANG",
    "hang_uninterruptibly": "HANG",
    "hang_in_finalizer": "HANG",
    "hang_and_fail": "HANG",
    "exit": "CRASH",
    "exit_with_a_child": "CRASH",
    "die": "CRASH",
    "fail": "FAIL",
    "leave_child": "LEAK",
    "leave_orphan": "LEAK",
    "leave_thread": "LEAK",
    "leave_descriptor": "LEAK",
    "leave_segment": "LEAK",
    "leave_semaphore": "LEAK",
}


@pytest.mark.parametrize("misdeed", EXPECTED)
@pytest.mark.parametrize("workers", [1, 4])
def test_misdeed_gets_its_verdict(conformance: Conformance, misdeed: str, workers: int) -> None:
    status, report, output = conformance.report(
        f"--backend=tests.misbehaving:{misdeed}", QUICKLY, f"-n{workers}", *SELECTION
    )
    assert verdicts(report) == {
        "process.start": "PASS",
        "process.pid.none-before-start": "PASS",
        "process.pid.of-child": "PASS",
        MEETS: EXPECTED[misdeed],
    }, output
    assert status == 1
    assert f"{EXPECTED[misdeed]} {MEETS}" in output
    assert not [path for path in Path("/dev/shm").iterdir() if conformance.mark in path.name]


@pytest.mark.parametrize(
    "misdeed",
    [
        "hang",
        "hang_in_finalizer",
        "fail",
        "leave_child",
        "leave_thread",
        "leave_descriptor",
        "leave_segment",
    ],
)
def test_in_one_process_too(conformance: Conformance, misdeed: str) -> None:
    _, report, output = conformance.report(
        f"--backend=tests.misbehaving:{misdeed}", QUICKLY, "-n0", *SELECTION
    )
    found = verdicts(report)
    assert found.pop(MEETS) == EXPECTED[misdeed], output
    assert set(found.values()) == {"PASS"}


@pytest.mark.parametrize("misdeed", ["exit", "die"])
def test_crash_in_one_process_leaves_a_report(conformance: Conformance, misdeed: str) -> None:
    _, report, _ = conformance.report(f"--backend=tests.misbehaving:{misdeed}", "-n0", *SELECTION)
    assert report["results"][-1]["id"] == MEETS
    assert report["results"][-1]["verdict"] == "CRASH"
    assert report["run"]["interrupted"]
    assert {each["verdict"] for each in report["results"][:-1]} == {"PASS"}


@pytest.mark.parametrize(
    ("misdeed", "verdict", "status"),
    [("hang_at_exit", "PASS", 0), ("leave_lasting_thread", "LEAK", 1)],
)
@pytest.mark.parametrize("workers", ["-n0", "-n1"])
def test_process_that_would_not_end_is_ended(
    conformance: Conformance, misdeed: str, verdict: str, status: int, workers: str
) -> None:
    ended, report, output = conformance.report(
        f"--backend=tests.misbehaving:{misdeed}", QUICKLY, workers, *SELECTION
    )
    assert (ended, verdicts(report)[MEETS]) == (status, verdict)
    assert ("the interpreter did not end within 1 s" in output) == (workers == "-n0")
    assert conformance.survivors() == []


def test_hang_tells_where(conformance: Conformance) -> None:
    _, output = conformance.run(
        "--backend=tests.misbehaving:hang", QUICKLY, "--tb=short", *SELECTION
    )
    assert "all threads when the deadline was over" in output
    assert "in _hang" in output


def test_what_a_failed_test_held_goes_in_silence(conformance: Conformance) -> None:
    """Its semaphore outlives it in the traceback of its failure, also when another backend's turn came since."""
    status, output = conformance.run(
        "--backend=stdlib",
        "--backend=reference",
        "-n1",
        "--start-method=spawn",
        "--requirement=synchronization.semaphore.release.many",
    )
    assert "1 PASS, 1 EXPECTED" in output
    assert "Traceback" not in output
    assert status == 0


def test_interrupt_ends_a_run_at_once(conformance: Conformance) -> None:
    conformance.environment["PYTHONUNBUFFERED"] = "1"  # what it says is waited for
    process = conformance.start(
        "--backend=tests.misbehaving:hang",
        "--patience=100",  # whose deadline is far beyond what is waited for here
        "-n2",
        "-v",
        f"--requirement={MEETS}",
        "--requirement=process.start",
    )
    assert process.stdout is not None
    said = b""
    while not (b"test_not_alive_before_start[hang-fork]" in said and b"PASSED" in said):
        more = os.read(process.stdout.fileno(), 4096)  # no line ends before the next begins
        assert more, said
        said += more
    wait_until_asleep(process.pid, process.pid, 10)  # and has taken note of it
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 2, output
    assert "interrupted: 1 PASS" in output
    assert conformance.survivors() == []


def test_workers_hear_signals_that_the_run_was_told_to_ignore(conformance: Conformance) -> None:
    # As nohup and the background of a script have it.
    conformance.write(
        "noting.py",
        """
        import pathlib, signal

        def pytest_runtest_call():
            kept = [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGHUP)]
            pathlib.Path("heard").write_text(repr(kept == [signal.default_int_handler, signal.SIG_DFL]))
        """,
    )
    process = conformance.start(
        "--backend=tests.misbehaving:behave", "-n1", "-p", "noting", *SELECTION,
        ignored=(signal.SIGINT, signal.SIGHUP),
    )  # fmt: skip
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output
    assert (conformance.folder / "heard").read_text() == "True"


_LEADER = """
import subprocess, sys, time
cleans = "import pathlib, sys, time; sys.stdin.read(); time.sleep(0.1); pathlib.Path('cleaned').touch(); time.sleep(float(sys.argv[1]))"
helper = subprocess.Popen([sys.executable, "-c", cleans, sys.argv[1]], stdin=subprocess.PIPE)
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], pass_fds=[helper.stdin.fileno()])
print(helper.pid, flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("stays", [0, 600], ids=["helper-ends", "helper-stays"])
def test_helpers_clean_up_after_a_group(tmp_path: Path, stays: int) -> None:
    # The helper hears that the others are gone when nobody holds the other end of its pipe, as trackers do.
    with subprocess.Popen(
        [sys.executable, "-c", _LEADER, str(stays)],
        stdout=subprocess.PIPE,
        start_new_session=True,
        cwd=tmp_path,
    ) as leader:
        assert leader.stdout is not None
        helper = psutil.Process(int(leader.stdout.readline()))
        leaks.end_group(leader.pid, [helper.pid])
    assert (tmp_path / "cleaned").exists()
    deadline = time.monotonic() + 10
    while leaks.runs(helper) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not leaks.runs(helper)
    assert leader.returncode == -signal.SIGKILL
