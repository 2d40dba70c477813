"""The options of a run, checked once, before anything is collected."""

from __future__ import annotations

import dataclasses
import fnmatch
import functools
import math
import platform
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from mpspec import deviations
from mpspec.errors import UsageError
from mpspec.specification import EDITIONS, Level, Requirement, Specification, edition_key

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pytest

    from mpspec.backends import Backend
    from mpspec.deviations import Deviation
    from mpspec.registry import Registry

# Seconds that a test may take before it counts as hanging, and that a test waits for what should come, at patience 1.
TEST_DEADLINE = 20.0
WAIT_TIMEOUT = 10.0


@dataclasses.dataclass(frozen=True)
class Variant:
    """A backend under one start method."""

    backend: Backend
    start_method: str

    @property
    def name(self) -> str:
        """What reports and deviations call it, for instance ``stdlib-fork``."""
        return f"{self.backend.name}-{self.start_method}"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """What to run, against what, and how patiently.

    Attributes:
        variants: what is tested.
        specification: every requirement that is known, selected or not.
        deviations: the expected failures that apply to this interpreter.
        edition: the edition of the documentation that backends are held to.
        level: the last level that is tested.
        patience: the factor of every deadline.
        patterns: the ids to select, or patterns of them; none selects all.
        spellings: what the user called each backend, by its name.
        report: the file to write.
    """

    variants: tuple[Variant, ...]
    specification: Specification
    deviations: tuple[Deviation, ...]
    edition: str
    level: Level
    patience: float
    patterns: tuple[str, ...]
    spellings: Mapping[str, str]
    report: Path | None

    @property
    def backends(self) -> list[Backend]:
        """The backends under test."""
        return list(dict.fromkeys(variant.backend for variant in self.variants))

    def edition_for(self, backend: Backend) -> str:
        """The edition that a backend is held to: it may follow an older one than the run asks for."""
        return min(self.edition, backend.edition or self.edition, key=edition_key)

    def selects(self, requirement: Requirement, variant: Variant) -> bool:
        """Whether a requirement is to be tested on a variant."""
        return (
            requirement.level <= self.level
            and requirement.holds_in(self.edition_for(variant.backend))
            and requirement.speaks_of(variant.start_method)
            and self._is_asked_for(requirement)
        )

    def asks_for(self, chapter: str) -> bool:
        """Whether any requirement of a chapter may be selected."""
        return not self.patterns or any(
            self._is_asked_for(each) for each in self.specification if each.chapter == chapter
        )

    def _is_asked_for(self, requirement: Requirement) -> bool:
        return not self.patterns or any(
            fnmatch.fnmatchcase(requirement.id, pattern) for pattern in self.patterns
        )

    def deviation(self, requirement: str, variant: str) -> Deviation | None:
        """The entry that lists a failure as expected, if any."""
        pair = requirement, variant
        if pair not in self._found:
            listed = self._listed.get(requirement, ())
            self._found[pair] = deviations.find(listed, requirement, variant)
        return self._found[pair]

    @functools.cached_property
    def _found(self) -> dict[tuple[str, str], Deviation | None]:
        # Asked for several times a test.
        return {}

    @functools.cached_property
    def _listed(self) -> Mapping[str, Sequence[Deviation]]:
        """The entries that name each requirement: asking all of them of every pair would cost as much as some tests."""
        listed: dict[str, list[Deviation]] = {}
        for entry in self.deviations:
            for requirement in entry.named(self.specification.ids):
                listed.setdefault(requirement, []).append(entry)
        return listed

    def stale_deviations(self) -> list[Deviation]:
        """Entries that match no requirement on any variant under test: a slip of the pen, or a thing of the past."""
        variants = [
            (method, f"{backend.name}-{method}")
            for backend in self.backends
            for method in backend.start_methods
        ]
        return [
            entry
            for entry in self.deviations
            if not any(
                self.specification[requirement].speaks_of(method) and entry.holds_on(variant)
                for requirement in entry.named(self.specification.ids)
                for method, variant in variants
            )
        ]


def current_edition() -> str:
    """The edition of the running interpreter, or the nearest that is known."""
    running = ".".join(platform.python_version_tuple()[:2])
    known = [edition for edition in EDITIONS if edition_key(edition) <= edition_key(running)]
    return known[-1] if known else EDITIONS[0]


def from_options(options: pytest.Config, registry: Registry) -> Settings:
    """Settings from the command line.

    Raises:
        UsageError: an option can't be met.
    """
    option = options.getoption
    backends = _resolved(registry, option("--backend"))
    specification = registry.specification()
    patterns = tuple(option("--requirement") or ())
    for pattern in patterns:
        if not any(fnmatch.fnmatchcase(requirement.id, pattern) for requirement in specification):
            message = f"--requirement={pattern}: no requirement has that id, or matches that pattern; see: mpspec list"
            raise UsageError(message)
    report = option("--conformance-report")
    return Settings(
        variants=_variants([*backends.values()], option("--start-method") or []),
        specification=specification,
        deviations=tuple(_deviations(registry, [*backends.values()], option("--deviations") or [])),
        edition=_edition(option("--edition")),
        level=_level(option("--level")),
        patience=_patience(option("--patience")),
        patterns=patterns,
        spellings={backend.name: name for name, backend in backends.items()},
        report=None if report is None else _writable(report),
    )


def _resolved(registry: Registry, names: Sequence[str]) -> dict[str, Backend]:
    found: dict[str, Backend] = {}
    for name in dict.fromkeys(names):
        backend = registry.resolve(name)
        twin = next((other for other, each in found.items() if each.name == backend.name), None)
        if twin is not None:
            message = f"--backend={twin} --backend={name}: both are called {backend.name!r}; test them one by one"
            raise UsageError(message)
        found[name] = backend
    return found


def _edition(text: str | None) -> str:
    if text is None:
        return current_edition()
    if text not in EDITIONS:
        message = f"--edition={text}: the editions are {', '.join(EDITIONS)}; without the option, {current_edition()}"
        raise UsageError(message)
    return text


def _level(text: str) -> Level:
    if text not in Level.labels():
        message = f"--level={text}: the levels are {', '.join(Level.labels())}; each takes in those before it"
        raise UsageError(message)
    return Level.from_label(text)


def _patience(text: str) -> float:
    try:
        factor = float(text)
    except ValueError:
        factor = math.nan
    if not 0 < factor < math.inf:
        message = f"--patience={text}: give a number above 0, such as 3, by which deadlines are multiplied"
        raise UsageError(message)
    return factor


def _variants(backends: Sequence[Backend], wanted: Sequence[str]) -> tuple[Variant, ...]:
    variants: list[Variant] = []
    for backend in backends:
        for method in dict.fromkeys(wanted or backend.start_methods):
            if method not in backend.start_methods:
                message = f"--start-method={method}: backend {backend.name} offers {', '.join(backend.start_methods)}"
                raise UsageError(message)
            variants.append(Variant(backend, method))
    return tuple(variants)


def _deviations(
    registry: Registry, backends: Sequence[Backend], files: Sequence[str]
) -> list[Deviation]:
    found = [entry for file in files for entry in deviations.read(Path(file))]
    for backend in backends:
        own = [
            entry
            for offered in registry.hook.mpspec_deviations(backend=backend)
            for entry in offered
        ]
        if backend.deviations is not None:
            own += deviations.read(backend.deviations)
        # A backend's own list speaks of no other backend, however wide its patterns.
        found.extend(dataclasses.replace(entry, backend=backend.name) for entry in own)
    return [entry for entry in found if entry.applies_here]


def _writable(name: str) -> Path:
    # Found out before the run, not after it, when what it learned would be lost.
    path = Path(name).resolve()
    what = ""
    if not name or (path.exists() and not path.is_file()):
        what = "that is no place for a file"  # a folder, a device
    try:
        # Written beside its place and put into it, so that it is the folder which must be writable.
        with tempfile.TemporaryFile(dir=path.parent):
            pass
    except OSError as error:
        what = what or f"{path.parent}: {error.strerror}"
    if what:
        message = f"--conformance-report={name}: {what}; give a file in a folder that exists and that you may write to"
        raise UsageError(message)
    return path
