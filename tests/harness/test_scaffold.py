"""``mpspec new``: an adapter and a CI job to begin with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mpspec import deviations
from mpspec.cli import main

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Conformance

FILES = ["conftest.py", "deviations.toml", ".github/workflows/conformance.yml"]


def test_what_it_writes_runs(conformance: Conformance) -> None:
    conformance.write("mine/multi.py", "from multiprocessing import *\n")
    done = conformance.command("mpspec", "new", "mine", "--module=mine.multi")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [*FILES, "next: pytest --backend=mine"]
    status, output = conformance.run(
        "--backend=mine", "--requirement=process.is-alive.before-start", "-n0",
        "--start-method=fork", "--deviations=deviations.toml",
    )  # fmt: skip
    assert status == 0, output
    assert "mine conforms" in output


def test_the_job_names_the_backend(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["new", "absent", f"--folder={tmp_path}"]) == 0
    job = (tmp_path / FILES[-1]).read_text(encoding="utf-8")
    assert "pytest --backend=absent --deviations=deviations.toml" in job
    assert "${{ matrix.python }}" in job
    assert deviations.read(tmp_path / "deviations.toml") == []
    assert "there is no module absent here: install it" in capsys.readouterr().err


def test_nothing_is_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "conftest.py").write_text("mine", encoding="utf-8")
    assert main(["new", "yours", f"--folder={tmp_path}"]) == 2
    assert "has conftest.py already, and nothing was written" in capsys.readouterr().err
    assert [file.name for file in tmp_path.iterdir()] == ["conftest.py"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["../yours"], "'../yours' can't be a backend's name"),
        (["my-own"], "--module=my-own: that is no name of a module"),
        (["yours", "--module=a..b"], "--module=a..b: that is no name of a module"),
        (["yours", "--folder=missing"], "--folder=missing: there is no such folder"),
    ],
    ids=["name", "module of the name", "module", "folder"],
)
def test_bad_words(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    told: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["new", *words]) == 2
    assert told in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
