"""Listed failures are expected, strictly: what is not listed, no longer fails, or matches nothing fails the run."""

from __future__ import annotations

import platform
import textwrap
from typing import TYPE_CHECKING

import pytest

from mpspec.deviations import read
from mpspec.errors import UsageError
from tests.conftest import verdicts

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Conformance

MEETS = "process.is-alive.before-start"
OTHER = "process.pid.none-before-start"
THIS = f"{platform.python_version_tuple()[0]}.{platform.python_version_tuple()[1]}"


def entry(**fields: str) -> str:
    given = {"requirement": MEETS, "verdict": "FAIL", "reason": "it does not look", **fields}
    return "\n[[deviation]]\n" + "".join(f"{name} = {value!r}\n" for name, value in given.items())


def outcome(
    conformance: Conformance, text: str, backend: str = "fail", *options: str
) -> tuple[int, str, str]:
    file = conformance.write("known.toml", text)
    status, report, output = conformance.report(
        f"--backend=tests.misbehaving:{backend}",
        f"--deviations={file}",
        f"--requirement={MEETS}",
        f"--requirement={OTHER}",
        *(options or ("-n0",)),
    )
    found = verdicts(report)
    assert found.pop(OTHER) == "PASS"
    return status, found[MEETS], output


@pytest.mark.parametrize("workers", ["-n0", "-n1"])
@pytest.mark.parametrize(("backend", "verdict"), [("fail", "FAIL"), ("leave_descriptor", "LEAK")])
def test_listed_failure_is_expected(
    conformance: Conformance, backend: str, verdict: str, workers: str
) -> None:
    status, found, output = outcome(conformance, entry(verdict=verdict), backend, workers)
    assert (status, found) == (0, "EXPECTED"), output
    assert "1 xfailed" in output
    assert "1 EXPECTED" in output


def test_listed_crash_is_expected(conformance: Conformance) -> None:
    status, found, output = outcome(conformance, entry(verdict="CRASH"), "die", "-n1")
    assert (status, found) == (0, "EXPECTED"), output


def test_listed_hang_is_given_less_time(conformance: Conformance) -> None:
    file = conformance.write("known.toml", entry(verdict="HANG"))
    status, report, output = conformance.report(
        "--backend=tests.misbehaving:hang",
        f"--deviations={file}",
        f"--requirement={MEETS}",
        "--patience=0.2",
        "-n0",
    )
    [record] = report["results"]
    assert (status, record["verdict"]) == (0, "EXPECTED"), output
    assert "did not end within 1 s" in record["message"]


@pytest.mark.parametrize(
    "fields",
    [
        {"requirement": "process.is-alive.*"},
        {"variant": "fail-fork"},
        {"variant": "*-fork"},
        {"python": f">={THIS}"},
        {"implementation": platform.python_implementation().lower()},
    ],
    ids=lambda fields: next(iter(fields)) + "=" + next(iter(fields.values())),
)
def test_entry_that_applies(conformance: Conformance, fields: dict[str, str]) -> None:
    assert outcome(conformance, entry(**fields))[:2] == (0, "EXPECTED")


@pytest.mark.parametrize("fields", [{"python": f"<{THIS}"}, {"implementation": "another"}], ids=str)
def test_entry_of_another_interpreter(conformance: Conformance, fields: dict[str, str]) -> None:
    status, found, output = outcome(conformance, entry(**fields))
    assert (status, found) == (1, "FAIL")
    assert "matches nothing" not in output


@pytest.mark.parametrize(
    ("backend", "status", "verdict"),
    [("fail", 0, "EXPECTED"), ("behave", 0, "EXPECTED"), ("leave_descriptor", 1, "LEAK")],
)
def test_intermittent_failure_is_expected_either_way(
    conformance: Conformance, backend: str, status: int, verdict: str
) -> None:
    text = entry() + "intermittent = true\n"
    assert outcome(conformance, text, backend)[:2] == (status, verdict)


def test_unlisted_failure_fails(conformance: Conformance) -> None:
    assert outcome(conformance, entry(requirement=OTHER.replace("none", "nine")))[:2] == (1, "FAIL")


@pytest.mark.parametrize("workers", ["-n0", "-n1"])
def test_unexpected_pass_fails(conformance: Conformance, workers: str) -> None:
    status, found, output = outcome(conformance, entry(), "behave", workers)
    assert (status, found) == (1, "UNEXPECTED-PASS")
    assert f"UNEXPECTED-PASS {MEETS}" in output
    assert "known.toml, entry 1" in " ".join(output.split())


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"requirement": "process.is-alife.*"}, "process.is-alife.* on *: FAIL"),
        ({"variant": "fail-spawn"}, f"{MEETS} on fail-spawn: FAIL"),
    ],
    ids=["requirement", "variant"],
)
def test_entry_that_matches_nothing_fails_and_is_named(
    conformance: Conformance, fields: dict[str, str], named: str
) -> None:
    status, found, output = outcome(conformance, entry() + entry(**fields))
    assert (status, found) == (1, "EXPECTED")
    assert f"deviation matches nothing: {named} (known.toml, entry 2)" in " ".join(output.split())


def test_listed_failure_that_hangs_fails(conformance: Conformance) -> None:
    status, found, output = outcome(conformance, entry(), "hang", "-n0", "--patience=0.05")
    assert (status, found) == (1, "HANG")
    assert "listed as FAIL in known.toml, entry 1; now: did not end" in " ".join(output.split())


def write_more(conformance: Conformance, requirements: str, tests: str) -> None:
    """A chapter "more" of a third party."""
    conformance.write(
        "conftest.py",
        """
        from pathlib import Path

        def mpspec_requirements():
            return [Path(__file__).parent / "more.toml"]

        def mpspec_suites():
            return [Path(__file__).parent / "more"]
        """,
    )
    chapter = """
        chapter = "more"
        title = "More"
        capability = "process"
        page = "more.html"
        """
    conformance.write("more.toml", textwrap.dedent(chapter) + textwrap.dedent(requirements))
    conformance.write("more/__init__.py", "")
    conformance.write(
        "more/more.py", "from mpspec.marks import requirement\n" + textwrap.dedent(tests)
    )


@pytest.mark.parametrize("workers", ["-n0", "-n1"])
@pytest.mark.parametrize(("second", "verdict"), [("fail", "EXPECTED"), ("pass", "UNEXPECTED-PASS")])
def test_one_of_two_tests_fails_as_listed(
    conformance: Conformance, second: str, verdict: str, workers: str
) -> None:
    write_more(
        conformance,
        """
        [[requirement]]
        id = "more.twice"
        text = "It has two tests."
        anchor = "it"
        """,
        f"""
        @requirement("more.twice")
        def test_first(mp):
            pass

        @requirement("more.twice")
        def test_second(mp):
            assert "{second}" == "pass"
        """,
    )
    file = conformance.write("known.toml", entry(requirement="more.twice"))
    status, report, output = conformance.report(
        "--backend=tests.misbehaving:behave",
        "--requirement=more.twice",
        f"--deviations={file}",
        "--start-method=fork",
        workers,
    )
    assert verdicts(report) == {"more.twice": verdict}
    assert status == (0 if verdict == "EXPECTED" else 1), output


def test_listed_failure_blocks_nothing(conformance: Conformance) -> None:
    root = "process.is-alive.from-start"
    write_more(
        conformance,
        f"""
        [[requirement]]
        id = "more.rests"
        text = "It rests on another."
        anchor = "it"
        needs = ["{root}"]
        """,
        """
        @requirement("more.rests")
        def test_it(mp):
            pass
        """,
    )
    selection = [
        f"--requirement={root}",
        "--requirement=more.rests",
        "--backend=tests.misbehaving:fail",
        "-n0",
    ]
    _, blocked, _ = conformance.report(*selection)
    assert verdicts(blocked) == {root: "FAIL", "more.rests": "BLOCKED"}
    file = conformance.write("known.toml", entry(requirement=root))
    _, listed, _ = conformance.report(*selection, f"--deviations={file}")
    assert verdicts(listed) == {root: "EXPECTED", "more.rests": "PASS"}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[[deviation]", "at line 1"),
        ("[[deviations]]", "holds [[deviation]] tables only, found ['deviations']"),
        ("deviation = 1", "deviation must be [[deviation]] tables"),
        (entry(why="it does not look"), "unknown fields ['why']; known are"),
        (entry(verdict="PASS"), "verdict 'PASS' is none of ['CRASH', 'FAIL', 'HANG', 'LEAK']"),
        (entry(reason=" "), "the reason is empty: say why the failure is expected"),
        (entry(python="3.12 and later"), "is no version specifier such as"),
        ("[[deviation]]\nrequirement = 'a.b'\nverdict = 'FAIL'", "lacks ['reason']"),
        (
            "[[deviation]]\nrequirement = 'a.b'\nverdict = 'FAIL'\nreason = 1",
            "['reason'] must be text",
        ),
        (entry(intermittent="yes"), "intermittent must be true or false"),
    ],
)
def test_bad_file_names_file_entry_and_fault(tmp_path: Path, text: str, told: str) -> None:
    file = tmp_path / "known.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(UsageError) as caught:
        read(file)
    assert f"deviations file {file}: " in str(caught.value)
    assert told in str(caught.value)
    if "[[deviation]]\n" in text:
        assert "entry 1 (" in str(caught.value)


def test_bad_file_is_a_usage_error(conformance: Conformance) -> None:
    file = conformance.write("known.toml", entry() + entry(verdict="DUNNO"))
    status, output = conformance.run("--backend=tests.misbehaving:fail", f"--deviations={file}")
    assert status == 2
    assert output.startswith(f"ERROR: deviations file {file}: entry 2 ({MEETS}): verdict 'DUNNO'")
