"""When a prerequisite fails, what rests on it is BLOCKED, and the summary names the root alone."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from mpspec_backends.stdlib import BACKEND as STDLIB

from mpspec import specification
from mpspec.results import Result, finish
from mpspec.settings import Settings, Variant
from mpspec.specification import Level
from mpspec.verdicts import Verdict

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


def test_root_is_named_when_others_began_before_it_had_failed() -> None:
    known = specification.load([specification.SPEC_DIR])
    settings = Settings(
        variants=(Variant(STDLIB, "fork"),),
        specification=known,
        deviations=(),
        edition="3.11",
        level=Level.DOCUMENTED,
        patience=1.0,
        patterns=(),
        spellings={},
        report=None,
    )
    ids = ["process.start", "process.exitcode.zero-after-return", "process.exit.handlers-run"]
    assert known.prerequisites(ids[2]) == (ids[1], ids[0])
    failed = [
        Result(
            id=each,
            backend="stdlib",
            start_method="fork",
            verdict=Verdict.FAIL,
            test=each,
            duration=0.0,
        )
        for each in ids
    ]
    results = {each.id: each for each in finish(failed, settings).results}
    assert results.pop(ids[0]).verdict is Verdict.FAIL
    assert {each.verdict for each in results.values()} == {Verdict.BLOCKED}
    assert {each.message for each in results.values()} == {f"rests on {ids[0]}, which came to FAIL"}


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
