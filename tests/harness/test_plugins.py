"""Others add backends, requirements with their tests, deviations and listeners, without touching mpspec."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.conftest import verdicts

if TYPE_CHECKING:
    from tests.conftest import Conformance

CONFTEST = """
    from pathlib import Path

    from mpspec.backends import Backend
    from mpspec.deviations import Deviation
    from mpspec.verdicts import Verdict

    HERE = Path(__file__).parent

    def mpspec_backends():
        return [
            Backend(
                name="theirs",
                module="multiprocessing",
                start_methods=("fork", "spawn"),
                capabilities=frozenset({"process", "process.pid", "pipes"}),
            )
        ]

    def mpspec_requirements():
        return [HERE / "theirs" / "spec"]

    def mpspec_suites():
        return [HERE / "theirs" / "suite"]

    def mpspec_deviations(backend):
        if backend.name == "theirs":
            return [
                Deviation(requirement="greetings.wrong", verdict=Verdict.FAIL, reason="wrong on purpose", source="here")
            ]
        return []

    def mpspec_outcome(result):
        with (HERE / "outcomes.txt").open("a") as file:
            file.write(f"{result.id} {result.variant} {result.verdict.value}\\n")

    def mpspec_report(report, settings):
        conforms = "conforms" if report.conforms else "departs"
        told = f"{conforms} {settings.edition} {len(report.results)}"
        (HERE / "reports.txt").write_text(told)
    """
SPEC = """
    chapter = "greetings"
    title = "Greetings"
    capability = "process"
    page = "greetings.html"

    [[requirement]]
    id = "greetings.by-child"
    text = "A child greets."
    anchor = "child"
    needs = ["process.start"]

    [[requirement]]
    id = "greetings.wrong"
    text = "A child greets wrongly."
    anchor = "wrong"
    """
SUITE = """
    from mpspec.children import ask
    from mpspec.marks import requirement

    def greet(name):
        return f"hello {name}"

    @requirement("greetings.by-child")
    def test_greeting(mp):
        assert ask(mp, greet, "world") == "hello world"

    @requirement("greetings.wrong")
    def test_wrong_greeting(mp):
        assert ask(mp, greet, "world") == "goodbye world"
    """


@pytest.fixture
def theirs(conformance: Conformance) -> Conformance:
    conformance.environment["PYTHONPATH"] = conformance.environment["PYTHONPATH"].split(":")[0]
    conformance.write("conftest.py", CONFTEST)
    conformance.write("theirs/__init__.py", "")
    conformance.write("theirs/spec/greetings.toml", SPEC)
    conformance.write("theirs/suite/__init__.py", "")
    conformance.write("theirs/suite/greetings.py", SUITE)
    return conformance


@pytest.mark.parametrize("workers", [0, 2])
def test_third_party_adds_to_the_run(theirs: Conformance, workers: int) -> None:
    status, report, output = theirs.report(
        "--backend=theirs",
        "--requirement=greetings.*",
        "--requirement=process.start",
        f"-n{workers}",
    )
    assert status == 0, output
    found = {(record["id"], record["variant"]): record["verdict"] for record in report["results"]}
    assert found == {
        (identifier, f"theirs-{method}"): verdict
        for identifier, verdict in [
            ("process.start", "PASS"),
            ("greetings.by-child", "PASS"),
            ("greetings.wrong", "EXPECTED"),
        ]
        for method in ("fork", "spawn")
    }
    assert (theirs.folder / "reports.txt").read_text().startswith("conforms 3.")
    outcomes = (theirs.folder / "outcomes.txt").read_text().splitlines()
    assert len(outcomes) == 6
    assert "greetings.wrong theirs-spawn FAIL" in outcomes
    assert "greetings" in output


def test_their_suite_alone(theirs: Conformance) -> None:
    status, report, output = theirs.report(
        "--backend=theirs", "theirs/suite/greetings.py", "-n0", "-k", "by-child"
    )
    assert status == 0, output
    assert set(verdicts(report)) == {"greetings.by-child"}


def test_their_suite_against_other_backends(theirs: Conformance) -> None:
    status, report, output = theirs.report(
        "--backend=dummy", "--requirement=greetings.by-child", "-n0"
    )
    assert status == 0, output
    assert verdicts(report) == {"greetings.by-child": "PASS"}


def test_conftest_replaces_a_backend_of_that_name(conformance: Conformance) -> None:
    conformance.write(
        "conftest.py",
        """
        from mpspec.backends import Backend

        def mpspec_backends():
            return [Backend(name="stdlib", module="multiprocessing", start_methods=("spawn",), edition="3.11")]
        """,
    )
    _, report, _ = conformance.report("--backend=stdlib", "--requirement=process.start", "-n0")
    assert report["run"]["variants"] == ["stdlib-spawn"]


def test_module_named_on_the_command_line(conformance: Conformance) -> None:
    conformance.write(
        "mine.py",
        "from multiprocessing import *\nfrom multiprocessing import connection, process\n",
    )
    status, report, output = conformance.report("--backend=mine", "--requirement=process.start")
    assert status == 0, output
    assert report["run"]["variants"] == ["mine-fork", "mine-spawn", "mine-forkserver"]
    assert {record["verdict"] for record in report["results"]} == {"PASS"}


def test_plugins_named_with_p_have_hooks_too(conformance: Conformance) -> None:
    conformance.write(
        "plugged.py",
        """
        from mpspec.backends import Backend

        def mpspec_backends():
            return [Backend(name="plugged", module="multiprocessing", start_methods=("fork",))]
        """,
    )
    status, output = conformance.run(
        "-p", "plugged", "--backend=plugged", "--requirement=process.start", "-n1"
    )
    assert status == 0, output


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("def mpspec_outcomes(result): ...\n", "unknown hook 'mpspec_outcomes'"),
        ("def mpspec_outcome(reslt): ...\n", "mpspec_outcome"),
    ],
    ids=["name", "argument"],
)
def test_unknown_hook_is_an_error_that_names_it(
    conformance: Conformance, text: str, told: str
) -> None:
    conformance.write("conftest.py", text)
    status, output = conformance.run("--backend=stdlib", "--requirement=process.start")
    assert status == 2, output
    assert told in output
    assert str(conformance.folder / "conftest.py") in output
    assert "the hooks are mpspec_backends, " in output
    assert "Traceback" not in output


def test_unknown_hook_in_a_project_that_does_not_use_mpspec(conformance: Conformance) -> None:
    conformance.write("conftest.py", "def mpspec_outcomes(result): ...\n")
    conformance.write("test_own.py", "def test(): pass\n")
    status, output = conformance.run()
    assert status == 0, output


def test_hook_that_fails(conformance: Conformance) -> None:
    conformance.write("conftest.py", "def mpspec_backends(): return 1 / 0")
    status, output = conformance.run("--backend=stdlib", "-n0")
    assert status == 2, output
    assert 'conftest.py", line 1, in mpspec_backends' in output
    assert "ERROR: a hook of mpspec's has failed, as told above; mend it" in output


def test_installed_plugin_that_can_not_be_loaded(conformance: Conformance) -> None:
    conformance.write("theirs.py", "raise RuntimeError('out of order')")
    conformance.write("theirs-1.dist-info/METADATA", "Name: theirs\nVersion: 1\n")
    conformance.write("theirs-1.dist-info/entry_points.txt", "[mpspec]\ntheirs = theirs\n")
    status, output = conformance.run("--backend=stdlib", "-n0")
    done = conformance.command("mpspec", "list")
    assert (status, done.returncode) == (2, 2), output
    for text in (output, done.stderr):
        assert "an installed plugin (entry point group 'mpspec') can't be loaded: " in text
        assert "RuntimeError: out of order" in text
        assert "theirs.py:1); mend it, or uninstall it" in text


def test_two_conftest_files(conformance: Conformance) -> None:
    for folder in (".", "inner"):
        conformance.write(
            f"{folder}/conftest.py",
            f"""
            def mpspec_report(report):
                open("told.txt", "a").write("{folder} ")
            """,
        )
    conformance.write("inner/pytest.ini", "[pytest]\n")
    options = [
        "--backend=stdlib",
        "--requirement=process.start",
        "-n0",
        "--confcutdir=.",
        "--rootdir=.",
    ]
    status, output = conformance.run(*options, "--pyargs", "mpspec.suite.process", "inner")
    assert (conformance.folder / "told.txt").exists(), output
    assert set((conformance.folder / "told.txt").read_text().split()) == {".", "inner"}
    assert status == 0, output
