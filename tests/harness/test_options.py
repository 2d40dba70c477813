"""Options that can't be met are said to be so before anything runs: what, where, and what to do instead."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING

import pytest

from mpspec.registry import Registry
from mpspec.settings import current_edition
from tests.conftest import ROOT, verdicts

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conftest import Conformance

    Refused = Callable[..., str]

BEHAVES = "--backend=tests.misbehaving:behave"
ONE = "--requirement=process.pid.none-before-start"

MODULES = {
    "empty": "",
    "broken": "raise RuntimeError('out of order')",
    "ended": "raise SystemExit(3)",
    "garbled": "def nothing():\n(",
    "puzzling": "Process = int\ndef get_all_start_methods(): raise OSError('no idea')",
    "typo": "import missing_dependency",
}


@pytest.fixture
def refused(conformance: Conformance) -> Refused:
    def run(*arguments: str) -> str:
        status, output = conformance.run(*arguments)
        assert status == 2, output
        assert "Traceback" not in output
        assert "INTERNALERROR" not in output
        assert output.startswith("ERROR: ")
        return output

    return run


def test_unknown_backend_lists_the_known_and_the_nearest(refused: Refused) -> None:
    output = refused("--backend=stdlbi")
    assert "--backend=stdlbi: there is no module stdlbi." in output
    assert all(name in output for name in Registry.with_entry_points().backends())
    assert "Did you mean 'stdlib'?" in output


def test_backend_that_is_not_installed_says_what_to_install(
    conformance: Conformance, refused: Refused
) -> None:
    conformance.write(
        "conftest.py",
        """
        from mpspec.backends import Backend

        def mpspec_backends():
            return [Backend(name="absent", module="absent.multiprocessing", distribution="absent-dist")]
        """,
    )
    output = refused("--backend=absent")
    assert "--backend=absent: it is known, but not installed" in output
    assert "python -m pip install absent-dist" in output


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("empty", "the module empty offers no Process"),
        ("broken", "the module broken can't be imported: RuntimeError: out of order"),
        ("broken", "broken.py:1"),
        ("typo", "there is no module missing_dependency"),
        ("empty:nothing", "has no attribute 'nothing'; name a Backend object as module:attribute"),
        ("nowhere:thing", "there is no module nowhere; name a Backend object as module:attribute"),
        ("os:sep", "that is a str, not a mpspec.backends.Backend"),
        (":", "names no module"),
        ("ended", "the module ended can't be imported: SystemExit: 3"),
        ("garbled", "garbled.py:2). The registered backends"),
        ("puzzling", "puzzling.get_all_start_methods() fails: OSError: no idea; describe it by a"),
    ],
)
def test_backend_that_is_none(
    conformance: Conformance, refused: Refused, name: str, told: str
) -> None:
    for module, text in MODULES.items():
        conformance.write(f"{module}.py", text)
    output = refused(f"--backend={name}")
    assert f"--backend={name}: " in output
    assert told in output


def test_module_in_the_current_folder(conformance: Conformance) -> None:
    conformance.write("here/__init__.py", "from multiprocessing import *\n")
    conformance.environment["PYTHONPATH"] = str(ROOT)
    program = "import sys; sys.path.remove(''); import pytest; sys.exit(pytest.main())"
    done = conformance.command(sys.executable, "-c", program, "--backend=here")
    output = done.stdout + done.stderr
    assert done.returncode == 2, output
    assert "This folder has here: install it, or run python -m pytest, which imports" in output


def test_hook_that_gives_no_backends(conformance: Conformance, refused: Refused) -> None:
    conformance.write("conftest.py", "def mpspec_backends(): return ['yours']")
    output = refused("--backend=yours")
    assert "mpspec_backends gave 'yours': it gives a list of mpspec.backends.Backend" in output


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["-n-1"], "-n -1: give the number of workers, or 0 to run in this process"),
        (["-n2", "--pdb"], "--pdb is incompatible with distributing tests"),
        (["-n0", "no/such/path"], "file or directory not found: no/such/path"),
    ],
    ids=" ".join,
)
def test_what_pytest_can_not_use(conformance: Conformance, arguments: list[str], told: str) -> None:
    status, output = conformance.run(BEHAVES, *arguments)
    assert status == 2, output
    assert told in output


@pytest.mark.parametrize(
    "arguments", [["--dist=loadscope"], ["--dist=loadgroup", "-n1"]], ids=" ".join
)
def test_workers_get_their_tests_one_by_one(conformance: Conformance, arguments: list[str]) -> None:
    status, output = conformance.run(BEHAVES, ONE, *arguments, "-v")
    assert status == 0, output
    assert "LoadScheduling" in output


def test_report_that_can_not_be_written_in_the_end(conformance: Conformance) -> None:
    conformance.write(
        "conftest.py",
        """
        import shutil

        def mpspec_outcome(result):
            shutil.rmtree("reports")
        """,
    )
    conformance.write("reports/old.json", "{}")
    for workers in (0, 1):
        status, output = conformance.run(
            BEHAVES, ONE, f"-n{workers}", "--conformance-report=reports/new.json"
        )
        assert status == 2, output
        assert "reports/new.json can't be written: No such file or directory" in output
        assert "INTERNALERROR" not in output
        assert "behave conforms" in output
        conformance.write("reports/old.json", "{}")


@pytest.mark.parametrize(
    ("option", "told"),
    [
        ("--start-method=spawn", "backend behave offers fork"),
        ("--edition=2.7", "the editions are 3.11, 3.12, 3.13, 3.14, 3.15; without the option, "),
        ("--level=strict", "the levels are documented, implied, de-facto"),
        ("--patience=soon", "give a number above 0, such as 3"),
        ("--patience=0", "give a number above 0, such as 3"),
        ("--patience=inf", "give a number above 0, such as 3"),
        (
            "--requirement=process.strat",
            "no requirement has that id, or matches that pattern; see: mpspec list",
        ),
        (
            "--requirement=nothing.*",
            "no requirement has that id, or matches that pattern; see: mpspec list",
        ),
        ("--conformance-report=missing/report.json", "give a file in a folder that exists"),
        ("--conformance-report=.", "give a file in a folder that exists"),
        ("--conformance-report=", "that is no place for a file; give a file in a folder"),
        ("--conformance-report=/dev/null", "that is no place for a file; give a file in a folder"),
        ("--conformance-report=/proc/report.json", "give a file in a folder that exists"),
        ("--deviations=missing.toml", "No such file or directory"),
    ],
)
def test_bad_value(refused: Refused, option: str, told: str) -> None:
    output = refused(BEHAVES, option)
    name, _, value = option.partition("=")
    assert name.strip("-").split("-")[-1] in output
    assert value.rpartition("/")[2].strip(".") in output
    assert told in output


def test_backends_with_one_name_are_not_mixed_up(
    conformance: Conformance, refused: Refused
) -> None:
    conformance.write(
        "twin.py", "from tests.misbehaving import behave, _backend\nother = _backend('behave')\n"
    )
    output = refused(BEHAVES, "--backend=twin:other")
    assert "both are called 'behave'; test them one by one" in output


def test_each_backend_named_is_tested_once(conformance: Conformance) -> None:
    _, report, output = conformance.report(
        BEHAVES, "--backend=stdlib", "--backend=stdlib", "--start-method=fork", ONE, "-n0"
    )
    assert [record["variant"] for record in report["results"]] == ["behave-fork", "stdlib-fork"]
    assert (
        report["run"]["edition"]
        == current_edition()
        == f"{sys.version_info[0]}.{sys.version_info[1]}"
    )
    assert re.search(r"behave and stdlib conforms? to edition", output)


def test_levels_take_in_those_before_them(conformance: Conformance) -> None:
    found = {}
    for level in ("documented", "implied", "de-facto"):
        _, output = conformance.run(BEHAVES, f"--level={level}", "--collect-only", "-q")
        found[level] = {line for line in output.splitlines() if "::" in line}
    assert found["documented"] < found["implied"] <= found["de-facto"]
    _, output = conformance.run(BEHAVES, "--collect-only", "-q")
    assert {line for line in output.splitlines() if "::" in line} == found["implied"]


def test_edition_selects(conformance: Conformance) -> None:
    _, old, _ = conformance.report(
        "--backend=stdlib", "--start-method=fork", "--edition=3.11", ONE, "-n0"
    )
    assert old["run"]["edition"] == "3.11"
    assert verdicts(old) == {ONE.partition("=")[2]: "PASS"}


def test_options_without_a_backend_do_nothing(conformance: Conformance) -> None:
    conformance.write("test_own.py", "def test(): pass\n")
    status, output = conformance.run("--level=strict", "--patience=never")
    assert status == 0, output
    assert "mpspec:" not in output
