"""What a person sees: progress, a table, and each failure's root with the command that runs it again."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

import pytest

from mpspec import specification
from tests.conftest import verdicts

if TYPE_CHECKING:
    from tests.conftest import Conformance

ALIVE = "process.is-alive.before-start"
SELECTION = [
    f"--requirement={each}"
    for each in (ALIVE, "process.pid.none-before-start", "process.exitcode.*")
]
FAILS = "--backend=tests.misbehaving:fail"
ESCAPE = re.compile(r"\x1b\[[0-9;]*[mK]")


@pytest.fixture(scope="module")
def outputs(shared: Conformance) -> dict[str, str]:
    runs = {
        "no colour": ["-n0", "--color=no"],
        "colour": ["-n0", "--color=yes"],
        "workers": ["-n2", "--color=no"],
        "crash": ["-n2", "--color=no", "--backend=tests.misbehaving:die"],
        "several": ["-n0", "--color=no", "--backend=stdlib", "--backend=dummy"],
    }
    return {name: shared.run(FAILS, *SELECTION, *options)[1] for name, options in runs.items()}


@pytest.mark.parametrize("name", ["no colour", "colour", "workers", "crash", "several"])
def test_lines_are_no_longer_than_the_terminal(outputs: dict[str, str], name: str) -> None:
    lines = ESCAPE.sub("", outputs[name]).splitlines()
    lines = [line for line in lines if not line.startswith(("rootdir: ", "plugins: "))]
    long = [
        line
        for line in lines
        if len(line) > 80 and not re.match(r" +(stated https:|again pytest) ?", line)
    ]
    assert long == []


def test_colour_changes_nothing_else(outputs: dict[str, str]) -> None:
    def timeless(text: str) -> str:
        return re.sub(r"=+ (.*) in [\d.]+s =+", r"\1", re.sub(r" +$", "", text, flags=re.MULTILINE))

    assert "\x1b" not in outputs["no colour"]
    assert "\x1b" in outputs["colour"]
    plain = timeless(outputs["no colour"]).replace("--color=no", "--color=yes")
    assert timeless(ESCAPE.sub("", outputs["colour"])) == plain


@pytest.mark.parametrize("name", ["no colour", "workers"])
def test_progress_shows_variant_and_chapter(outputs: dict[str, str], name: str) -> None:
    count = len(
        re.findall(
            r"^fail-fork +process +\d+ of \d+ +[-FE]* +\[100%\]$", outputs[name], re.MULTILINE
        )
    )
    assert count == 1, outputs[name]


def test_header_says_what_is_held_to_what(outputs: dict[str, str]) -> None:
    assert re.search(r"^mpspec: fail 3\.\S+ \(fork\)$", outputs["several"], re.MULTILINE)
    assert re.search(
        r"^        stdlib 3\.\S+ \(fork/spawn/forkserver\)$", outputs["several"], re.MULTILINE
    )
    assert re.search(
        r"^        documentation 3\.\d+, level implied, \d+ listed deviations$",
        outputs["several"],
        re.MULTILINE,
    )


def test_table_counts_by_chapter_and_start_method(outputs: dict[str, str]) -> None:
    assert re.search(
        r"^stdlib 3\.\S+ +fork +spawn +forkserver *$", outputs["several"], re.MULTILINE
    )
    assert re.search(r"^process +\d+ \d+- 1F *$", outputs["no colour"], re.MULTILINE)
    assert re.search(r"^total +\d+ \d+- 1F *$", outputs["no colour"], re.MULTILINE)
    assert "  F FAIL: departs from the requirement" in outputs["no colour"]


def test_root_shows_all_that_one_needs(outputs: dict[str, str]) -> None:
    output = outputs["no colour"]
    requirement = specification.load([specification.SPEC_DIR])[ALIVE]
    assert f"FAIL {ALIVE} on fail-fork\n" in output
    assert f"  required {requirement.text}" in output
    assert "       got NotImplementedError: a backend that fails" in output
    assert re.search(
        rf"^    stated {re.escape('https://docs.python.org/3.')}\d+/\S+#\S+$", output, re.MULTILINE
    )


def test_last_line_counts_as_pytest_does(outputs: dict[str, str]) -> None:
    assert re.search(r"=+ 1 failed, \d+ passed, \d+ skipped in [\d.]+s =+\n$", outputs["no colour"])
    assert re.search(r"=+ 1 failed, \d+ passed, \d+ skipped in [\d.]+s =+\n$", outputs["workers"])


def test_no_alarm_over_a_worker_that_ended(outputs: dict[str, str]) -> None:
    assert f"CRASH {ALIVE}" in outputs["crash"]
    assert "node down" not in outputs["crash"]
    assert "crashed worker" not in outputs["crash"]


def again(output: str) -> list[str]:
    found = re.search(r"^ +again (pytest .*)$", output, re.MULTILINE)
    assert found is not None, output
    return shlex.split(found[1])[1:]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (["--backend=tests.misbehaving:fail"], "FAIL"),
        (["--backend=tests.misbehaving:die", "-n1"], "CRASH"),
        (["--backend=tests.misbehaving:hang", "--patience=0.05"], "HANG"),
        (["--backend=tests.misbehaving:leave_descriptor", "-n1"], "LEAK"),
        (["--backend=tests.misbehaving:behave", "--deviations=a list.toml"], "UNEXPECTED-PASS"),
        (["--backend=tests.misbehaving:fail", "--edition=3.15", "--level=de-facto"], "FAIL"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else value,
)
def test_printed_command_runs_that_one_again(
    conformance: Conformance, options: list[str], expected: str
) -> None:
    conformance.write(
        "a list.toml",
        f"[[deviation]]\nrequirement = '{ALIVE}'\nverdict = 'FAIL'\nreason = 'it was so once'\n",
    )
    _, output = conformance.run(*SELECTION, *(options if "-n1" in options else [*options, "-n0"]))
    status, report, second = conformance.report(*again(output))
    assert status == 1, second
    assert verdicts(report) == {ALIVE: expected}
    if expected == "FAIL":
        assert "NotImplementedError" in second
        assert "in is_alive" in second  # the traceback


def test_test_of_a_project_in_the_same_run(conformance: Conformance) -> None:
    conformance.write("test_own.py", "def test_own():\n    assert not 'theirs'\n")
    status, output = conformance.run(
        "--backend=stdlib", "--start-method=fork", "--requirement=process.start", "-n0", "--tb=short",
        "--pyargs", "mpspec.suite", "test_own.py",
    )  # fmt: skip
    assert status == 1, output
    assert "assert not 'theirs'" in output
