"""Parsed copies of TOML files: as fresh as the files, and never in the way."""

from __future__ import annotations

import json
import os
import tomllib
from typing import TYPE_CHECKING

import pytest

from mpspec import parsed

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("sys.dont_write_bytecode", False)
    written = tmp_path / "chapter.toml"
    written.write_text("answer = 42\n")
    return written


def copies(folder: Path) -> list[Path]:
    return sorted((folder / "__pycache__").glob("*"))


def test_the_second_reading_is_of_the_copy(file: Path) -> None:
    assert parsed.toml(file) == {"answer": 42}
    (copy,) = copies(file.parent)
    kept = json.loads(copy.read_text())
    copy.write_text(json.dumps({**kept, "data": {"answer": "from the copy"}}))
    assert parsed.toml(file) == {"answer": "from the copy"}


def test_a_file_that_changed_is_parsed_anew(file: Path) -> None:
    parsed.toml(file)
    file.write_text("answer = 43\n")
    os.utime(file, ns=(1, 1))
    assert parsed.toml(file) == {"answer": 43}
    assert parsed.toml(file) == {"answer": 43}


@pytest.mark.parametrize("damage", ["", "[]", "{}", '{"of": 1}'])
def test_a_damaged_copy_is_replaced(file: Path, damage: str) -> None:
    parsed.toml(file)
    (copy,) = copies(file.parent)
    copy.write_text(damage)
    assert parsed.toml(file) == {"answer": 42}
    assert json.loads(copy.read_text())["data"] == {"answer": 42}


def test_no_copy_where_compiled_modules_are_unwanted(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.dont_write_bytecode", True)
    assert parsed.toml(file) == {"answer": 42}
    assert copies(file.parent) == []


def test_a_file_with_dates_has_no_copy(file: Path) -> None:
    file.write_text("day = 2024-02-29\n")
    assert parsed.toml(file)["day"].year == 2024
    assert copies(file.parent) == []


def test_a_folder_that_takes_no_copy(file: Path) -> None:
    (file.parent / "__pycache__").write_text("in the way")
    assert parsed.toml(file) == {"answer": 42}


def test_what_is_no_toml_is_an_error(file: Path) -> None:
    file.write_text("answer")
    with pytest.raises(tomllib.TOMLDecodeError):
        parsed.toml(file)
