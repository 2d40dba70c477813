"""pytest's own options work as its users expect, and projects that do not ask for mpspec never meet it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest

from tests.conftest import verdicts

if TYPE_CHECKING:
    from tests.conftest import Conformance

BEHAVES = "--backend=tests.misbehaving:behave"
FAILS = "--backend=tests.misbehaving:fail"
NONE, OF_CHILD, ALIVE = (
    "process.pid.none-before-start",
    "process.pid.of-child",
    "process.is-alive.before-start",
)
THREE = [f"--requirement={each}" for each in (NONE, OF_CHILD, ALIVE)]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        (NONE, {NONE}),
        ("process.pid", {NONE, OF_CHILD}),
        ("test_not_alive_before_start", {ALIVE}),
        ("behave-fork and not pid", {ALIVE}),
    ],
)
def test_k(conformance: Conformance, expression: str, expected: set[str]) -> None:
    status, report, output = conformance.report(BEHAVES, *THREE, "-n0", "-k", expression)
    assert status == 0, output
    assert set(verdicts(report)) == expected


def test_m(conformance: Conformance) -> None:
    status, output = conformance.run(BEHAVES, *THREE, "-n0", "-m", "not slow")
    assert status == 0, output
    status, output = conformance.run(BEHAVES, *THREE, "-n0", "-m", "slow")
    assert status == 2, output


@pytest.mark.parametrize("workers", [0, 2])
def test_lf(conformance: Conformance, workers: int) -> None:
    conformance.run(FAILS, *THREE, f"-n{workers}")
    status, report, output = conformance.report(FAILS, *THREE, f"-n{workers}", "--lf")
    assert status == 1, output
    assert verdicts(report) == {ALIVE: "FAIL"}


@pytest.mark.parametrize("workers", [0, 2])
def test_junitxml(conformance: Conformance, workers: int) -> None:
    file = conformance.folder / "junit.xml"
    conformance.run(FAILS, *THREE, f"-n{workers}", f"--junitxml={file}")
    suite = ET.parse(file).getroot()[0]  # noqa: S314 - our own
    assert {name: suite.get(name) for name in ("tests", "failures", "errors", "skipped")} == {
        "tests": "3", "failures": "1", "errors": "0", "skipped": "0",
    }  # fmt: skip
    assert len(suite) == 3


@pytest.mark.parametrize("workers", [[], ["-n1"]], ids=["default", "-n1"])
@pytest.mark.parametrize("option", ["--fixtures", "--fixtures-per-test", "--collect-only"])
def test_only_shown(conformance: Conformance, option: str, workers: list[str]) -> None:
    status, output = conformance.run(BEHAVES, *THREE, option, *workers)
    assert status == 0, output
    assert "created: " not in output
    assert "conformance ==" not in output


def test_collect_only(conformance: Conformance) -> None:
    status, output = conformance.run(BEHAVES, *THREE, "--collect-only")
    assert status == 0, output
    assert "3 tests collected" in output
    assert "created: " not in output
    assert "conformance ==" not in output


def test_verbose_names_each_test(conformance: Conformance) -> None:
    _, output = conformance.run(BEHAVES, *THREE, "-v", "-n0")
    assert len(re.findall(r"process/\w+\.py::test_\w+\[behave-fork\] PASSED", output)) == 3


def test_verbose_counts_a_retired_workers_test_once(conformance: Conformance) -> None:
    _, output = conformance.run("--backend=tests.misbehaving:leave_thread", *THREE, "-v", "-n1")
    assert "3 passed, 1 error in" in output
    assert output.count("PASSED") == 3
    assert "gw0 has ended with its test, and is replaced" in output


def test_quiet(conformance: Conformance) -> None:
    status, output = conformance.run(BEHAVES, *THREE, "-q", "-n0")
    assert status == 0
    assert "behave conforms to edition" in output
    assert "test session starts" not in output


def test_without_the_cache(conformance: Conformance) -> None:
    status, output = conformance.run(BEHAVES, *THREE, "-p", "no:cacheprovider", "-n1")
    assert status == 0, output
    assert not (conformance.folder / ".pytest_cache").exists()


@pytest.mark.parametrize("options", [("-p", "no:xdist"), ("--pdb",)], ids=" ".join)
def test_in_one_process(conformance: Conformance, options: tuple[str, ...]) -> None:
    status, report, output = conformance.report(BEHAVES, *THREE, *options)
    assert status == 0, output
    assert set(verdicts(report).values()) == {"PASS"}
    assert "worker" not in output


def test_pdb_stops_where_a_test_fails(conformance: Conformance) -> None:
    _, output = conformance.run(FAILS, *THREE, "--pdb")
    assert "(Pdb)" in output
    assert "a backend that fails" in output


def test_without_the_terminal(conformance: Conformance) -> None:
    status, output = conformance.run(FAILS, *THREE, "-p", "no:terminal", "-n0")
    assert status == 1
    assert "Traceback" not in output


PROJECTS = {
    "plain": "[pytest]\n",
    "strict": "[pytest]\nfilterwarnings = error\naddopts = --strict-markers --strict-config -ra\nxfail_strict = true\n",
    "importlib": "[pytest]\naddopts = --import-mode=importlib\n",
    "renamed": "[pytest]\npython_files = check_*.py\npython_functions = check_*\ntestpaths = checks\n",
}


@pytest.fixture(params=PROJECTS)
def project(request: pytest.FixtureRequest, conformance: Conformance) -> Conformance:
    conformance.write("pytest.ini", PROJECTS[request.param])
    conformance.write(
        "conftest.py", "import pytest\n\n@pytest.fixture\ndef mp():\n    return 'theirs'\n"
    )
    name = "check" if request.param == "renamed" else "test"
    folder = "checks" if request.param == "renamed" else "."
    conformance.write(
        f"{folder}/{name}_own.py", f"def {name}_own(mp):\n    assert mp == 'theirs'\n"
    )
    return conformance


def test_project_without_backend_is_left_alone(project: Conformance) -> None:
    status, output = project.run()
    assert status == 0, output
    assert "1 passed" in output
    assert "mpspec:" not in output
    assert "conformance ==" not in output


def test_suite_runs_in_a_project_that_has_its_own_settings(project: Conformance) -> None:
    status, report, output = project.report(
        "--backend=stdlib", "--start-method=spawn", "--start-method=fork", "-n1",
        f"--requirement={OF_CHILD}", "--requirement=process.start",
    )  # fmt: skip
    assert status == 0, output
    assert len(report["results"]) == 4
    assert {record["verdict"] for record in report["results"]} == {"PASS"}


def test_nothing_of_mpspec_but_its_options_is_loaded_without_a_backend(
    conformance: Conformance,
) -> None:
    conformance.write(
        "test_own.py",
        """
        import sys

        def test_modules():
            loaded = {name for name in sys.modules if name.partition(".")[0] in {"mpspec", "mpspec_backends", "rich"}}
            assert "mpspec.session" not in loaded
            assert not {name for name in loaded if name.startswith(("mpspec_backends", "rich"))}
        """,
    )
    status, output = conformance.run("-p", "no:xdist")
    assert status == 0, output
