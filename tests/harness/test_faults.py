"""The catalogue of faults: whole, and applicable to the reference as it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mpspec import specification
from tests.faults import catalogue, run

if TYPE_CHECKING:
    from pathlib import Path

FAULTS = catalogue.read()
IDS = [each.id for each in specification.load([specification.SPEC_DIR])]


def test_every_requirement_has_a_fault() -> None:
    assert {fault.requirement for fault in FAULTS} == set(IDS)


def test_every_fault_changes_one_place_and_leaves_a_program() -> None:
    for fault in FAULTS:
        text = (catalogue.REFERENCE / fault.file).read_text(encoding="utf-8")
        assert text.count(fault.old) == 1, fault
        assert fault.old != fault.new, fault
        compile(text.replace(fault.old, fault.new), fault.file, "exec")


def test_a_fault_that_does_not_apply_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "module.py").write_text("same = 1\nsame = 1\n")
    for old in ("same", "other"):
        with pytest.raises(catalogue.FaultError, match="it must be there once"):
            catalogue.Fault("process.start", "module.py", old, "new").apply(tmp_path)


def test_a_run_of_several_requirements_takes_them_all(capsys: pytest.CaptureFixture[str]) -> None:
    known = specification.load([specification.SPEC_DIR])
    patterns = ("process.start", "pipes.recv.*")
    assert run.wanted(known, patterns) == {"process.start"} | {
        each for each in IDS if each.startswith("pipes.recv.")
    }
    assert run.main([f"--requirement={patterns[0]}", "--requirement=no.such"]) == 2
    assert "--requirement=no.such: no requirement has that id" in capsys.readouterr().err
