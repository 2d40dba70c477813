"""The exit status: 0 conforms, 1 does not, 2 usage or interrupted, and never 0 when nothing ran."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.conftest import Conformance

START = "--requirement=process.pid.none-before-start"
MEETS = "--requirement=process.is-alive.before-start"
BEHAVES = "--backend=tests.misbehaving:behave"
ENDED = """
    from mpspec.marks import requirement

    raise RuntimeError("no such luck")
    """


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize(("backend", "expected"), [("behave", 0), ("fail", 1)])
def test_conforms_or_not(
    conformance: Conformance, backend: str, expected: int, workers: int
) -> None:
    status, output = conformance.run(
        f"--backend=tests.misbehaving:{backend}", START, MEETS, f"-n{workers}"
    )
    assert status == expected, output


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize(
    "arguments",
    [
        (BEHAVES, START, "-k", "nothing_of_that_name"),
        (BEHAVES, "--requirement=managers.*"),
        (BEHAVES, "--edition=3.11", "--requirement=process.interrupt*"),
    ],
    ids=["deselected", "not offered", "of another edition"],
)
def test_nothing_ran(conformance: Conformance, arguments: tuple[str, ...], workers: int) -> None:
    status, output = conformance.run(*arguments, f"-n{workers}")
    assert status == 2, output
    told = " ".join(output.split())
    assert "nothing ran: no requirement was selected that behave offers" in told
    assert "look at --requirement, --level, --edition, -k and -m" in told


def suite_that_cannot_be_collected(conformance: Conformance) -> None:
    conformance.write(
        "conftest.py",
        """
        from pathlib import Path

        def mpspec_suites():
            return [Path(__file__).parent / "mine"]
        """,
    )
    conformance.write("mine/__init__.py", "")
    conformance.write("mine/broken.py", ENDED)


@pytest.mark.parametrize("workers", [0, 2])
def test_module_that_cannot_be_collected(conformance: Conformance, workers: int) -> None:
    suite_that_cannot_be_collected(conformance)
    status, output = conformance.run(BEHAVES, START, f"-n{workers}")
    assert status == 1, output
    assert "broken.py can't be imported" in output
    assert "no such luck" in output
    assert "not all of the suite could be collected: 1 PASS" in output
    assert "conforms" not in output


def test_test_of_an_unknown_requirement(conformance: Conformance) -> None:
    suite_that_cannot_be_collected(conformance)
    conformance.write(
        "mine/broken.py",
        "from mpspec.marks import requirement\n@requirement('a.b')\ndef test_it(mp): ...\n",
    )
    status, output = conformance.run(BEHAVES, START, "-n0")
    assert status == 1, output
    assert "tests 'a.b', which no specification file defines" in output
    assert "broken.py" in output


def test_unknown_option_of_pytest(conformance: Conformance) -> None:
    status, output = conformance.run(BEHAVES, "--no-such-option")
    assert status != 0
    assert "--no-such-option" in output
