"""The report: one record for each requirement and variant, whatever became of the run, and by however many workers."""

from __future__ import annotations

import json
import re
import signal
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from mpspec.reports.json import SCHEMA
from tests.conftest import verdicts

if TYPE_CHECKING:
    from tests.conftest import Conformance

FIELDS = {
    "id",
    "chapter",
    "level",
    "backend",
    "start_method",
    "variant",
    "verdict",
    "test",
    "duration",
    "message",
}
IDS = ["process.start", "process.pid.none-before-start", "process.is-alive.before-start"]
SELECTION = [f"--requirement={each}" for each in IDS]


def valid(report: dict[str, Any]) -> dict[str, Any]:
    jsonschema.Draft202012Validator(json.loads(SCHEMA.read_text(encoding="utf-8"))).validate(report)
    return report


@pytest.fixture(scope="module")
def reports(shared: Conformance) -> dict[int, dict[str, Any]]:
    """The reports of runs that differ in the number of workers alone."""
    backends = ["--backend=tests.misbehaving:fail", "--backend=dummy", "--backend=stdlib"]
    return {
        workers: shared.report(*backends, *SELECTION, f"-n{workers}")[1] for workers in (0, 1, 2)
    }


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_report_is_valid(reports: dict[int, dict[str, Any]], workers: int) -> None:
    report = valid(reports[workers])
    assert report["run"]["conforms"] is False
    assert report["run"]["interrupted"] == ""
    assert f"-n{workers}" in report["run"]["command"]
    for record in report["results"]:
        assert set(record) == FIELDS
        assert record["variant"] == f"{record['backend']}-{record['start_method']}"
        assert record["id"].startswith(record["chapter"])
        assert record["test"].endswith(f"[{record['variant']}]")
        assert bool(record["message"]) is (record["verdict"] != "PASS")


def test_one_record_per_requirement_and_variant(reports: dict[int, dict[str, Any]]) -> None:
    variants = reports[0]["run"]["variants"]
    assert variants == [
        "fail-fork",
        "dummy-thread",
        "stdlib-fork",
        "stdlib-spawn",
        "stdlib-forkserver",
    ]
    found = [(record["id"], record["variant"]) for record in reports[0]["results"]]
    assert sorted(found) == sorted((each, variant) for each in IDS for variant in variants)


def test_workers_change_nothing(reports: dict[int, dict[str, Any]]) -> None:
    def told(report: dict[str, Any]) -> list[tuple[str, str, str, str]]:
        return [
            (each["id"], each["variant"], each["verdict"], each["message"])
            for each in report["results"]
        ]

    assert told(reports[0]) == told(reports[1]) == told(reports[2])
    assert {verdict for _, _, verdict, _ in told(reports[0])} == {"PASS", "FAIL", "NOT-OFFERED"}


def test_two_tests_of_one_requirement_make_one_record(conformance: Conformance) -> None:
    options = [
        "--backend=stdlib",
        "--start-method=fork",
        "--level=de-facto",
        "-n2",
        "--requirement=process.*",
    ]
    _, report, output = conformance.report(*options)
    ids = [record["id"] for record in valid(report)["results"]]
    assert len(ids) == len(set(ids)), output


@pytest.mark.parametrize("workers", [0, 2])
def test_stopped_at_the_first_failure(conformance: Conformance, workers: int) -> None:
    status, report, output = conformance.report(
        "--backend=tests.misbehaving:fail",
        "--requirement=process.is-alive.*",
        *SELECTION,
        f"-n{workers}",
        "-x",
    )
    assert status == 1, output
    assert valid(report)["run"]["interrupted"].startswith("stopping after ")
    assert re.search(r"^stopping after \d failures: ", output, re.MULTILINE)
    assert "FAIL" in verdicts(report).values()
    assert report["run"]["conforms"] is False


def _interrupted(
    conformance: Conformance, workers: int, number: signal.Signals
) -> tuple[str, dict[str, Any]]:
    """The output and the report of a run that a signal ended in the midst of a test, in order."""
    file = conformance.folder / "report.json"
    process = conformance.start(
        "--backend=tests.misbehaving:hang",
        f"-n{workers}",
        *SELECTION,
        f"--conformance-report={file}",
    )
    conformance.wait_for("hanging")
    process.send_signal(number)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 2, output
    assert conformance.survivors() == []
    return output, valid(json.loads(file.read_text(encoding="utf-8")))


@pytest.mark.parametrize(
    ("workers", "number", "why"),
    [
        (0, signal.SIGINT, "KeyboardInterrupt"),
        (2, signal.SIGINT, "KeyboardInterrupt"),
        (2, signal.SIGTERM, "ended by SIGTERM"),
        (2, signal.SIGHUP, "ended by SIGHUP"),
    ],
)
def test_interrupted(
    conformance: Conformance, workers: int, number: signal.Signals, why: str
) -> None:
    _, report = _interrupted(conformance, workers, number)
    assert report["run"]["interrupted"] == why
    assert set(verdicts(report)) < set(IDS)
    assert set(verdicts(report).values()) <= {"PASS"}
    assert [path.name for path in conformance.folder.glob(".report*")] == []


IMPATIENT = """
import os
import signal


def mpspec_report():
    os.kill(os.getpid(), signal.SIGINT)
"""


@pytest.mark.parametrize("workers", [0, 2])
def test_interrupted_again_while_it_reports(conformance: Conformance, workers: int) -> None:
    conformance.write("conftest.py", IMPATIENT)
    output, report = _interrupted(conformance, workers, signal.SIGINT)
    assert "Traceback" not in output
    assert report["run"]["interrupted"]


def test_report_replaces_an_older_one(conformance: Conformance) -> None:
    file = conformance.write("report.json", "the run before")
    status, output = conformance.run(
        "--backend=stdlib", "--level=none", f"--conformance-report={file}"
    )
    assert status == 2, output
    assert file.read_text(encoding="utf-8") == "the run before"
    _, report, _ = conformance.report("--backend=stdlib", "--start-method=fork", *SELECTION, "-n0")
    assert verdicts(valid(report)) == dict.fromkeys(IDS, "PASS")
