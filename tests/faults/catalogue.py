"""The catalogue of faults: one TOML file per chapter, each entry a one-place change of the reference."""

from __future__ import annotations

import compileall
import dataclasses
import os
import py_compile
import re
import shutil
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

FOLDER = Path(__file__).parent
REFERENCE = FOLDER.parents[1] / "backends" / "multiprocessing_reference"


_NEEDED = frozenset({"file", "old", "new"})
_OPTIONAL = frozenset({"start_methods", "python"})


class FaultError(Exception):
    """An entry of the catalogue can't be applied."""


@dataclasses.dataclass(frozen=True)
class Fault:
    """A one-place change of the reference that violates one requirement.

    Attributes:
        file: the module, below the reference's folder.
        old: text that occurs once in it.
        new: what stands there instead.
        start_methods: those that are run; empty for all.
        python: the Pythons that it is run on, ">=3.14" or "<3.14"; empty for all. For the few requirements of which
            the reference does what the running Python's documentation says.
    """

    requirement: str
    file: str
    old: str
    new: str
    start_methods: tuple[str, ...] = ()
    python: str = ""

    @property
    def runs_here(self) -> bool:
        """Whether this Python is one of those that it is run on."""
        if not self.python:
            return True
        version = tuple(int(number) for number in self.python.lstrip("<>=").split("."))
        return (sys.version_info >= version) is self.python.startswith(">=")

    def changed(self, package: Path) -> str:
        """The text of its file in the reference, changed.

        Raises:
            FaultError: the text to change does not occur exactly once.
        """
        path = package / self.file
        text = path.read_text(encoding="utf-8") if path.is_file() else ""
        if text.count(self.old) != 1:
            message = (
                f"fault of {self.requirement}: {self.file} holds {self.old!r} {text.count(self.old)} times; "
                f"it must be there once"
            )
            raise FaultError(message)
        return text.replace(self.old, self.new)

    def apply(self, package: Path) -> None:
        """Change a copy of the reference; FaultError as ``changed``."""
        path = package / self.file
        text = self.changed(package)
        path.unlink()  # other copies share the file
        path.write_text(text, encoding="utf-8")
        # Not left to a comparison of times: a change may take no longer than a file system's clock ticks.
        py_compile.compile(str(path), doraise=True)

    def __str__(self) -> str:
        return f"{self.file}: {_one_line(self.old)} -> {_one_line(self.new)}"


def _one_line(text: str) -> str:
    return " ".join(text.split()) or "(nothing)"


def read() -> list[Fault]:
    """Every fault of the catalogue."""
    faults: list[Fault] = []
    for file in sorted(FOLDER.glob("*.toml")):
        data = tomllib.loads(file.read_text(encoding="utf-8"))
        for requirement, entry in data.items():
            faults.extend(_faults(file, requirement, entry))
    return faults


def _faults(file: Path, requirement: str, entry: Any) -> Iterable[Fault]:  # noqa: ANN401 - whatever TOML gives
    for each in entry if isinstance(entry, list) else [entry]:
        if not isinstance(each, dict) or not _NEEDED <= each.keys() <= _NEEDED | _OPTIONAL:
            message = f"{file.name}: {requirement}: a fault has file, old, new and perhaps start_methods and python"
            raise FaultError(message)
        python = each.get("python", "")
        if not re.fullmatch(r"((>=|<)\d+\.\d+)?", python):
            message = f"{file.name}: {requirement}: python is written as '>=3.14' or '<3.14', not {python!r}"
            raise FaultError(message)
        yield Fault(
            requirement,
            each["file"],
            each["old"],
            each["new"],
            tuple(each.get("start_methods", ())),
            python,
        )


def compiled_reference(folder: Path) -> Path:
    """A copy of the reference in a folder, compiled; gives the package's own folder.

    Or else each process that imports a copy of it might compile it once more (PYTHONDONTWRITEBYTECODE).
    """
    ignore = shutil.ignore_patterns("__pycache__")
    package = Path(shutil.copytree(REFERENCE, folder / REFERENCE.name, ignore=ignore))
    compileall.compile_dir(package, quiet=1)
    return package


def copy_of(package: Path, folder: Path) -> Path:
    """A copy of a compiled package in another folder, where it counts as compiled; gives the package's own folder.

    Its files are links: a file is not to be written to, but replaced. To copy them all would cost a tenth of a second.
    """
    return Path(shutil.copytree(package, folder / package.name, copy_function=os.link))
