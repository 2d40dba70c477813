"""The command ``mpspec``."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

import mpspec
from mpspec import specification
from mpspec.cli import main

if TYPE_CHECKING:
    from collections.abc import Callable

    from mpspec.specification import Requirement
    from tests.conftest import Conformance

    Told = Callable[..., tuple[int, str, str]]

KNOWN = specification.load([specification.SPEC_DIR])
COMMANDS = ["run", "list", "explain", "coverage", "report", "diff", "deviations", "new"]


def test_list_prints_one_requirement_a_line(told: Told) -> None:
    status, output, _ = told("list")
    assert status == 0
    assert [line.split("  ")[0] for line in output.splitlines()] == [each.id for each in KNOWN]


def test_list_as_data(told: Told) -> None:
    status, output, _ = told("list", "--json")
    assert status == 0
    listed = json.loads(output)
    assert [each["id"] for each in listed] == [each.id for each in KNOWN]
    assert set(listed[0]) == {
        "id",
        "chapter",
        "text",
        "level",
        "first",
        "last",
        "start_methods",
        "capabilities",
        "needs",
        "disagreement",
        "url",
    }


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["process.pid.*"], lambda each: each.id.startswith("process.pid.")),
        (["--chapter=pipes"], lambda each: each.chapter == "pipes"),
        (["--edition=3.12"], lambda each: each.holds_in("3.12")),
        (["--level=documented"], lambda each: each.level.label == "documented"),
        (
            ["*.close.*", "--chapter=process"],
            lambda each: each.id.startswith("process.") and ".close." in each.id,
        ),
    ],
    ids=["pattern", "chapter", "edition", "level", "both"],
)
def test_list_selects(
    told: Told, words: list[str], expected: Callable[[Requirement], bool]
) -> None:
    status, output, _ = told("list", *words)
    assert status == 0
    assert [line.split("  ")[0] for line in output.splitlines()] == [
        each.id for each in KNOWN if expected(each)
    ]


def test_list_of_nothing(told: Told) -> None:
    status, output, error = told("list", "nothing.*")
    assert (status, output) == (1, "")
    assert error == "mpspec: no requirement is like that; all of them: mpspec list\n"


@pytest.mark.parametrize("chapter", ["proces", ""])
def test_unknown_chapter(told: Told, chapter: str) -> None:
    status, _, error = told("list", f"--chapter={chapter}")
    assert status == 2
    assert error.startswith(f"mpspec: --chapter={chapter}: the chapters are process, ")


def test_terminal_that_can_not_show_a_character(conformance: Conformance) -> None:
    conformance.environment["PYTHONIOENCODING"] = "ascii"
    done = conformance.command("mpspec", "explain", "process.p\xefd")
    assert done.returncode == 2
    assert r"no requirement has the id 'process.p\xefd'" in done.stderr


def test_explain(told: Told) -> None:
    status, output, _ = told("explain", "process.pid.of-child")
    assert status == 0
    assert output.startswith("process.pid.of-child\n")
    assert "https://docs.python.org/3." in output
    assert "pytest --backend=NAME --requirement=process.pid.of-child" in output


def test_explain_gives_the_nearest(told: Told) -> None:
    status, _, error = told("explain", "process.pid.of-chidl")
    assert status == 2
    assert (
        "no requirement has the id 'process.pid.of-chidl'. The nearest are: process.pid.of-child"
        in error
    )
    assert error.strip().endswith("mpspec list")


@pytest.mark.parametrize("command", [[], *([command] for command in COMMANDS)], ids=str)
def test_help_has_an_example(capsys: pytest.CaptureFixture[str], command: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([*command, "--help"])
    assert ended.value.code == 0
    assert "example: mpspec " in " ".join(capsys.readouterr().out.split())


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    output = capsys.readouterr().out
    assert all(f"\n    {command}" in output for command in COMMANDS)


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--version"])
    assert capsys.readouterr().out == f"mpspec {mpspec.__version__}\n"


@pytest.mark.parametrize("words", [[], ["lsit"], ["list", "--edition=2.7"]], ids=" ".join)
def test_unusable_words(capsys: pytest.CaptureFixture[str], words: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    assert "usage: mpspec" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (["--backend=tests.misbehaving:behave", "-k", "not_alive"], 0),
        (["--backend=tests.misbehaving:fail"], 1),
        (["--backend", "tests.misbehaving:behave"], 0),
        (["--backend=nobody"], 2),
        (["--backend=stdlib", "--no-such-option"], 2),
        (["--start-method=fork"], 0),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else str(value),
)
def test_run_is_pytest(conformance: Conformance, words: list[str], status: int) -> None:
    done = conformance.command(
        "mpspec", "run", *words, "--requirement=process.is-alive.before-start", "-n0", "-q"
    )
    assert done.returncode == status, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("words", "status", "told"),
    [
        (["--backend=wrapped", "-n0"], 0, "'pytest', '--backend=wrapped', '-n0']"),
        (["-n0", "--backend", "wrapped"], 0, "'pytest', '-n0', '--backend', 'wrapped']"),
        (["--backend=lost"], 2, "launch prefix 'no-such-launcher -n 2' can't be started: No such"),
        (["--backend=lost", "--backend=wrapped"], 2, "are launched in different ways"),
    ],
    ids=["joined", "apart", "absent", "several"],
)
def test_launch_prefix(conformance: Conformance, words: list[str], status: int, told: str) -> None:
    conformance.write(
        "launched/__init__.py",
        """
        import sys
        from mpspec.backends import Backend

        def mpspec_backends():
            return [
                Backend(name=name, module="multiprocessing", launch_prefix=prefix)
                for name, prefix in {
                    "wrapped": (sys.executable, "-c", "import sys; print(sys.argv[2:])"),
                    "lost": ("no-such-launcher", "-n", "2"),
                }.items()
            ]
        """,
    )
    conformance.write("launched-1.dist-info/METADATA", "Name: launched\nVersion: 1\n")
    conformance.write("launched-1.dist-info/entry_points.txt", "[mpspec]\nlaunched = launched\n")
    done = conformance.command("mpspec", "run", *words)
    assert done.returncode == status, done.stderr
    assert told in done.stdout + done.stderr


@pytest.mark.parametrize("words", [["list"], ["list", "--json"]], ids=" ".join)
def test_closed_pipe(conformance: Conformance, words: list[str]) -> None:
    program = "import sys; from mpspec.cli import main; sys.exit(main())"
    with subprocess.Popen(
        [sys.executable, "-c", program, *words],
        env=conformance.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == 0


def test_commands_that_do_not_run_tests_do_without_pytest(conformance: Conformance) -> None:
    program = (
        "import sys; from mpspec.cli import main; main(['list']); sys.exit('pytest' in sys.modules)"
    )
    assert conformance.command(sys.executable, "-c", program).returncode == 0
