"""When a prerequisite fails, what rests on it is BLOCKED, and the summary names the root alone."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest

from mpspec import specification

if TYPE_CHECKING:
    from tests.conftest import Conformance

MODULE = """
    import multiprocessing
    import os

    fork = multiprocessing.get_context("fork")
    globals().update({name: getattr(fork, name) for name in dir(fork) if not name.startswith("_")})

    class Process(fork.Process):
        def start(self):
            START
    """
RAISES = "raise OSError('no more processes')"
DIES = "os._exit(9)"
SELECTION = [
    "--backend=lame",
    "--requirement=process.start",
    "--requirement=process.exitcode.*",
    "--requirement=process.name.*",
]


def run(conformance: Conformance, start: str, workers: int) -> tuple[dict[str, Any], str]:
    conformance.write("lame.py", MODULE.replace("START", start))
    status, report, output = conformance.report(*SELECTION, f"-n{workers}")
    assert status == 1, output
    return report, output


@pytest.fixture(scope="module")
def runs(shared: Conformance) -> dict[int, tuple[dict[str, Any], str]]:
    return {workers: run(shared, RAISES, workers) for workers in (0, 1, 2)}


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_what_rests_on_the_root_is_blocked(
    runs: dict[int, tuple[dict[str, Any], str]], workers: int
) -> None:
    report, output = runs[workers]
    known = specification.load([specification.SPEC_DIR])
    for record in report["results"]:
        expected = "BLOCKED" if "process.start" in known.prerequisites(record["id"]) else "PASS"
        if record["id"] == "process.start":
            expected = "FAIL"
        assert record["verdict"] == expected, (record, output)
    blocked = [record for record in report["results"] if record["verdict"] == "BLOCKED"]
    assert len(blocked) > 5
    assert {record["message"] for record in blocked} == {
        "rests on process.start, which came to FAIL"
    }


@pytest.mark.parametrize("workers", [0, 1, 2])
def test_roots_alone_are_named(runs: dict[int, tuple[dict[str, Any], str]], workers: int) -> None:
    _, output = runs[workers]
    assert re.findall(r"^[A-Z-]+ (process\.[\w.-]+) on", output, re.MULTILINE) == ["process.start"]
    assert " BLOCKED: rests on a requirement that is not met" in output
    assert not re.search(r"\d errors?", output)


def test_workers_change_no_verdict(runs: dict[int, tuple[dict[str, Any], str]]) -> None:
    told = [
        [(record["id"], record["verdict"], record["message"]) for record in report["results"]]
        for report, _ in runs.values()
    ]
    assert told[0] == told[1] == told[2]


@pytest.mark.parametrize("workers", [1, 2])
def test_root_that_ends_the_interpreter(conformance: Conformance, workers: int) -> None:
    report, output = run(conformance, DIES, workers)
    found = {record["id"]: record["verdict"] for record in report["results"]}
    known = specification.load([specification.SPEC_DIR])
    assert found.pop("process.start") == "CRASH", output
    for identifier, verdict in found.items():
        assert verdict == (
            "BLOCKED" if "process.start" in known.prerequisites(identifier) else "PASS"
        ), output
