"""What is done with reports when the run is over: ``mpspec report``, ``diff`` and ``deviations write``."""

from __future__ import annotations

import json
import tomllib
from typing import TYPE_CHECKING, Any

import pytest

from mpspec import deviations
from mpspec.verdicts import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.conftest import Conformance

    Told = Callable[..., tuple[int, str, str]]
    Write = Callable[..., str]

FAILING = "process.is-alive.before-start"
START, PID = "process.start", "process.pid.of-child"


def record(identifier: str, verdict: str, variant: str = "yours-fork") -> dict[str, Any]:
    backend, _, method = variant.rpartition("-")
    return {
        "id": identifier,
        "chapter": identifier.partition(".")[0],
        "level": "documented",
        "backend": backend,
        "start_method": method,
        "variant": variant,
        "verdict": verdict,
        "test": f"process.py::test[{variant}]",
        "duration": 0.1,
        "message": "" if verdict == "PASS" else 'got "nothing"\nat all',
    }


def data(*records: dict[str, Any], **run: object) -> dict[str, Any]:
    names = dict.fromkeys(each["backend"] for each in records)
    facts = {
        "backends": [{"name": name, "version": "1.2"} for name in names],
        "edition": "3.13",
        "interpreter": "CPython 3.13.0",
        "conforms": all(each["verdict"] in {"PASS", "EXPECTED"} for each in records),
        "interrupted": "",
        "stale_deviations": [],
    }
    return {"schema": 1, "run": {**facts, **run}, "results": [*records]}


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def call(name: str, *records: dict[str, Any], **run: object) -> str:
        file = tmp_path / name
        file.write_text(json.dumps(data(*records, **run)), encoding="utf-8")
        return str(file)

    return call


def test_report_of_a_run(conformance: Conformance) -> None:
    _, report, _ = conformance.report(
        "--backend=tests.misbehaving:fail", f"--requirement={FAILING}", "-n0"
    )
    done = conformance.command("mpspec", "report", "report.json")
    assert done.returncode == 1, done.stderr
    assert f"FAIL {FAILING} on fail-fork\n    {report['results'][0]['message']}" in done.stdout
    assert "fail does not conform to edition " in done.stdout


def test_report_has_a_table(told: Told, write: Write) -> None:
    records = [record(START, "PASS"), record(PID, "EXPECTED"), record(START, "PASS", "yours-spawn")]
    status, output, _ = told("report", write("report.json", *records))
    assert status == 0
    assert output.splitlines() == [
        "yours 1.2",
        "",
        "chapter  fork  spawn",
        "process  1 1x  1",
        "total    1 1x  1",
        "",
        "yours conforms to edition 3.13 on CPython 3.13.0: 2 PASS, 1 EXPECTED",
    ]


def test_report_as_markdown(told: Told, write: Write) -> None:
    file = write("report.json", record(START, "FAIL"), stale_deviations=["old.* on *"])
    status, output, _ = told("report", file, "--markdown")
    assert status == 1
    assert "| chapter | fork |\n| --- | --- |\n| process | 0 1F |" in output
    assert f'- **FAIL** `{START}` on yours-fork: `got "nothing" at all`' in output
    assert "deviation matches nothing: old.* on *" in output


def test_several_reports(told: Told, write: Write) -> None:
    one = write("one.json", record(START, "PASS"))
    other = write("other.json", record(START, "CRASH", "theirs-fork"), interrupted="stopped")
    status, output, _ = told("report", one, other)
    assert status == 1
    assert "yours conforms to" in output
    assert "theirs does not conform to" in output
    assert "1 CRASH (the run ended early: stopped)" in output


def test_diff(told: Told, write: Write) -> None:
    old = write(
        "old.json",
        record("process.a", "PASS"), record("process.b", "FAIL"), record("process.c", "PASS"),
        record("process.d", "PASS"), record("process.e", "EXPECTED"),
    )  # fmt: skip
    new = write(
        "new.json",
        record("process.a", "HANG"), record("process.b", "PASS"), record("process.c", "PASS"),
        record("process.e", "UNEXPECTED-PASS"), record("process.f", "PASS"),
    )  # fmt: skip
    status, output, _ = told("diff", old, new)
    assert status == 1
    assert output.splitlines() == [
        "worse   process.a on yours-fork: PASS -> HANG",
        '        got "nothing" at all',
        "better  process.b on yours-fork: FAIL -> PASS",
        "better  process.e on yours-fork: EXPECTED -> UNEXPECTED-PASS",
        "new     process.f on yours-fork: PASS",
        "gone    process.d on yours-fork: PASS",
        "1 worse, 2 better, 1 new, 1 gone",
    ]
    assert told("diff", old, old) == (0, "0 worse, 0 better, 0 new, 0 gone\n", "")


def test_new_failure_is_a_regression(told: Told, write: Write) -> None:
    old = write("old.json", record(START, "PASS"))
    for verdict, expected in (("FAIL", 1), ("EXPECTED", 0)):
        new = write("new.json", record(START, "PASS"), record(PID, verdict))
        assert told("diff", old, new)[0] == expected


def test_diff_of_two_backends(told: Told, write: Write) -> None:
    old = write("old.json", record(START, "PASS"))
    new = write("new.json", record(START, "FAIL", "theirs-fork"))
    status, output, _ = told("diff", old, new)
    assert status == 1
    assert f"worse   {START} on fork: PASS -> FAIL" in output


def test_diff_of_what_can_not_be_compared(told: Told, write: Write) -> None:
    old = write("old.json", record(START, "PASS"))
    new = write("new.json", record(START, "PASS", "theirs-spawn"))
    status, _, error = told("diff", old, new)
    assert status == 2
    assert "have no variant in common: the one holds yours-fork, the other theirs-spawn" in error


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (None, "No such file or directory"),
        ("{", "it is no JSON ("),
        ("[]", "this is no report of mpspec with schema 1; give a file that pytest --back"),
        ('{"schema": 2}', "this is no report of mpspec with schema 1"),
        ('{"schema": 1}', "it breaks the format (KeyError: 'results'); write it anew"),
    ],
    ids=["absent", "malformed", "other", "newer", "broken"],
)
def test_file_that_is_no_report(told: Told, tmp_path: Path, text: str | None, what: str) -> None:
    file = tmp_path / "bad.json"
    if text is not None:
        file.write_text(text, encoding="utf-8")
    for words in (["report"], ["diff", str(file)], ["deviations", "write"]):
        status, _, error = told(*words, str(file))
        assert status == 2
        assert error.startswith(f"mpspec: report {file}: ")
        assert what in error


def test_deviations_of_a_run_make_it_conform(conformance: Conformance) -> None:
    run = ["--backend=tests.misbehaving:fail", f"--requirement={FAILING}", "-n0"]
    conformance.report(*run)
    words = ["mpspec", "deviations", "write", "report.json", "--output=deviations.toml"]
    done = conformance.command(*words)
    assert done.returncode == 0, done.stderr
    assert "1 failures were added to deviations.toml; give each its reason" in done.stderr
    status, report, output = conformance.report(*run, "--deviations=deviations.toml")
    assert status == 0, output
    assert [each["verdict"] for each in report["results"]] == ["EXPECTED"]
    before = (conformance.folder / "deviations.toml").read_bytes()
    assert conformance.command(*words).returncode == 0
    assert (conformance.folder / "deviations.toml").read_bytes() == before


def test_deviations_are_printed(told: Told, write: Write) -> None:
    file = write(
        "report.json",
        record(START, "FAIL"), record(START, "FAIL", "yours-spawn"),
        record(PID, "LEAK"), record(PID, "PASS", "yours-spawn"),
    )  # fmt: skip
    status, output, error = told("deviations", "write", file)
    assert (status, error) == (0, "")
    common = {"reason": 'not yet explained: got "nothing"'}
    assert tomllib.loads(output)["deviation"] == [
        {"requirement": START, "variant": "yours-*", "verdict": "FAIL", **common},
        {"requirement": PID, "variant": "yours-fork", "verdict": "LEAK", **common},
    ]


def test_reason_of_deviations(told: Told, write: Write) -> None:
    _, output, _ = told(
        "deviations", "write", write("report.json", record(START, "FAIL")), "--reason=a \\ b\n\x7f"
    )
    assert tomllib.loads(output)["deviation"][0]["reason"] == "a \\ b\n\x7f"


def test_deviations_are_added(told: Told, write: Write, tmp_path: Path) -> None:
    output = tmp_path / "deviations.toml"
    known = f'# why\n[[deviation]]\nrequirement = "{START}"\nverdict = "FAIL"\nreason = "known"\n'
    output.write_text(known, encoding="utf-8")
    file = write("report.json", record(START, "FAIL"), record(PID, "CRASH"))
    assert told("deviations", "write", file, f"--output={output}")[0] == 0
    assert output.read_text(encoding="utf-8").startswith(known)
    found = [(each.requirement, each.verdict) for each in deviations.read(output)]
    assert found == [(START, Verdict.FAIL), (PID, Verdict.CRASH)]


def test_what_can_not_be_listed_is_told(told: Told, write: Write, tmp_path: Path) -> None:
    output = tmp_path / "deviations.toml"
    output.write_text(
        f'[[deviation]]\nrequirement = "{START}"\nverdict = "FAIL"\nreason = "known"\n',
        encoding="utf-8",
    )
    file = write(
        "report.json",
        record(START, "HANG"), record(PID, "UNEXPECTED-PASS"), record("process.b", "BLOCKED"),
        stale_deviations=["old.* on *: FAIL"],
    )  # fmt: skip
    status, _, error = told("deviations", "write", file, f"--output={output}")
    assert status == 1
    assert f"{START} on *: FAIL (deviations.toml, entry 1) came to HANG: mend that entry" in error
    assert f"{PID} on yours-fork came to UNEXPECTED-PASS, which can't be listed" in error
    assert "old.* on *: FAIL matches nothing: take it out" in error
    assert "run again, and write again" in error


def test_deviations_that_can_not_be_written(told: Told, write: Write, tmp_path: Path) -> None:
    file = write("report.json", record(START, "FAIL"))
    output = tmp_path / "missing" / "deviations.toml"
    status, _, error = told("deviations", "write", file, f"--output={output}")
    assert status == 2
    assert f"{output} can't be written: No such file or directory" in error
    (tmp_path / "folder").mkdir()
    status, _, error = told("deviations", "write", file, f"--output={tmp_path / 'folder'}")
    assert status == 2
    assert "Is a directory" in error
    assert sorted(each.name for each in tmp_path.iterdir()) == ["folder", "report.json"]
