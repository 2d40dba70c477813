"""Deviations: listed, reasoned, expected failures of a backend.

A file of them looks like this; fields marked with * may be left out::

    [[deviation]]
    requirement = "queues.put.*"  # an id, or a pattern of ids with * and ?
    variant = "stdlib-fork"  # * a variant, or a pattern of variants
    verdict = "FAIL"  # FAIL, HANG, CRASH or LEAK
    reason = "feeder threads are lost in a forked child"
    link = "https://..."  # * where it is discussed
    python = ">=3.12"  # * the versions of Python that show it
    implementation = "cpython"  # * the implementation of Python that shows it
    intermittent = true  # * a race decides: EXPECTED, even when it passes

An entry that is not intermittent is held to: when the requirement passes, the run fails. A test that is listed as HANG
is given a quarter of the time before it counts as hanging, so that what is known to hang costs little.
"""

from __future__ import annotations

import dataclasses
import fnmatch
import platform
import tomllib
from typing import TYPE_CHECKING, Any

from mpspec.errors import UsageError
from mpspec.verdicts import DEPARTURES, Verdict

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from pathlib import Path

_PATTERN = frozenset("*?[")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Deviation:
    """One entry: requirements and variants that are known to fail, how, and why.

    Attributes:
        intermittent: whether the test may pass as well, which proves nothing: EXPECTED either way.
        source: the file and the entry's number in it.
        backend: the only backend that it speaks of; empty for all.
    """

    requirement: str
    verdict: Verdict
    reason: str
    variant: str = "*"
    link: str = ""
    python: str = ""
    implementation: str = ""
    intermittent: bool = False
    source: str = ""
    backend: str = ""

    def matches(self, requirement: str, variant: str) -> bool:
        """Whether it speaks of that requirement on that variant."""
        return bool(self.named([requirement])) and self.holds_on(variant)

    def named(self, known: Collection[str]) -> Collection[str]:
        """Those of the known requirements that it names."""
        if _PATTERN.isdisjoint(self.requirement):
            return [self.requirement] if self.requirement in known else []
        return fnmatch.filter(known, self.requirement)

    def holds_on(self, variant: str) -> bool:
        """Whether it speaks of that variant."""
        return variant.startswith(
            f"{self.backend}-" if self.backend else ""
        ) and fnmatch.fnmatchcase(variant, self.variant)

    @property
    def applies_here(self) -> bool:
        """Whether it speaks of the interpreter that runs the tests."""
        return self.applies_to(platform.python_implementation(), platform.python_version())

    def applies_to(self, implementation: str, version: str) -> bool:
        """Whether it speaks of an interpreter, such as "CPython", "3.13.0"."""
        return self.implementation in {"", implementation.lower()} and _is_python(
            version, self.python
        )

    def __str__(self) -> str:
        return f"{self.requirement} on {self.variant}: {self.verdict.value} ({self.source})"


def read(file: Path) -> list[Deviation]:
    """Read a file of deviations.

    Raises:
        UsageError: it can't be read, or an entry breaks the format.
    """
    try:
        data = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        what = error.strerror if isinstance(error, OSError) else error
        message = f"deviations file {file}: {what}; give a TOML file, such as mpspec deviations write makes"
        raise UsageError(message) from error
    if extra := sorted(data.keys() - {"deviation"}):
        message = f"deviations file {file}: holds [[deviation]] tables only, found {extra}"
        raise UsageError(message)
    entries = data.get("deviation", [])
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        message = f"deviations file {file}: deviation must be [[deviation]] tables"
        raise UsageError(message)
    return [_deviation(file, number, entry) for number, entry in enumerate(entries, 1)]


def _deviation(file: Path, number: int, entry: Mapping[str, Any]) -> Deviation:
    def refuse(what: str) -> UsageError:
        return UsageError(
            f"deviations file {file}: entry {number} ({entry.get('requirement', 'no requirement')}): {what}"
        )

    fields = {field.name for field in dataclasses.fields(Deviation)} - {"source", "backend"}
    if unknown := sorted(entry.keys() - fields):
        raise refuse(f"unknown fields {unknown}; known are {sorted(fields)}")
    if missing := sorted({"requirement", "verdict", "reason"} - entry.keys()):
        raise refuse(f"lacks {missing}")
    if wrong := sorted(
        key for key, value in entry.items() if key != "intermittent" and not isinstance(value, str)
    ):
        raise refuse(f"{wrong} must be text")
    if not isinstance(entry.get("intermittent", False), bool):
        raise refuse("intermittent must be true or false")
    if not entry["reason"].strip():
        raise refuse("the reason is empty: say why the failure is expected")
    listed = sorted(verdict.value for verdict in DEPARTURES)
    if entry["verdict"] not in listed:
        raise refuse(f"verdict {entry['verdict']!r} is none of {listed}")
    try:
        _is_python("3", entry.get("python", ""))
    except ValueError as error:
        raise refuse(
            f"python = {entry['python']!r} is no version specifier such as '>=3.12,<3.14'"
        ) from error
    return Deviation(
        **{**entry, "verdict": Verdict(entry["verdict"]), "source": f"{file.name}, entry {number}"}
    )


def _is_python(version: str, specifier: str) -> bool:
    """Whether that version of Python is one of those; ValueError for what is no specifier."""
    if not specifier:
        return True
    from packaging.specifiers import SpecifierSet  # 10 ms, which most runs have no need of

    return SpecifierSet(specifier).contains(version, prereleases=True)


def find(deviations: Iterable[Deviation], requirement: str, variant: str) -> Deviation | None:
    """The first entry that speaks of that requirement on that variant."""
    return next((entry for entry in deviations if entry.matches(requirement, variant)), None)
