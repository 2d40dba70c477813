"""The specification: requirements, read from TOML files, one file per chapter.

A chapter's file looks like this; fields marked with * may be left out::

    chapter = "process"  # the file's own name
    title = "Process objects"
    capability = "process"  # what a backend must claim for the whole chapter
    page = "library/multiprocessing.html"  # below https://docs.python.org/<edition>/

    [[requirement]]
    id = "process.exitcode.killed-by-signal"
    text = "A process ended by signal N has the exit code -N."
    anchor = "multiprocessing.Process.exitcode"
    level = "documented"  # * documented, implied or de-facto
    first = "3.12"  # * first edition it holds for
    last = "3.13"  # * last edition it holds for
    capabilities = ["process.signals"]  # * besides the chapter's
    start_methods = ["fork"]  # * the only start methods that it speaks of
    needs = ["process.start"]  # * ids it rests on; when they fail, it is BLOCKED
    disagreement = "..."  # * where CPython departs from the text: both are accepted
    page = "library/threading.html"  # * where it is not the chapter's
"""

from __future__ import annotations

import dataclasses
import enum
import functools
import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mpspec import parsed
from mpspec.capabilities import CAPABILITIES
from mpspec.errors import SpecificationError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

EDITIONS = ("3.11", "3.12", "3.13", "3.14", "3.15")
START_METHODS = ("fork", "spawn", "forkserver")
SPEC_DIR = Path(__file__).parent / "spec"

_ID = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*(\.[a-z][a-z0-9]*(-[a-z0-9]+)*)+")
_LISTS = frozenset({"capabilities", "start_methods", "needs"})


class Level(enum.IntEnum):
    """How firmly the documentation states a requirement, from firm to loose."""

    DOCUMENTED = 1
    IMPLIED = 2
    DE_FACTO = 3

    @property
    def label(self) -> str:
        """The level as the specification files and the ``--level`` option spell it."""
        return self.name.lower().replace("_", "-")

    @classmethod
    def labels(cls) -> list[str]:
        """All levels, in their order."""
        return [level.label for level in cls]

    @classmethod
    def from_label(cls, label: str) -> Level:
        """The level of that name; KeyError when there is none."""
        return cls[label.upper().replace("-", "_")]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Requirement:
    """One observable fact that the documentation states."""

    id: str
    chapter: str
    text: str
    page: str
    anchor: str
    level: Level = Level.DOCUMENTED
    first: str = EDITIONS[0]
    last: str = EDITIONS[-1]
    capabilities: frozenset[str] = frozenset()
    start_methods: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    disagreement: str = ""

    def holds_in(self, edition: str) -> bool:
        """Whether that edition of the documentation states it."""
        return edition_key(self.first) <= edition_key(edition) <= edition_key(self.last)

    def speaks_of(self, start_method: str) -> bool:
        """Whether it holds for that start method; most hold for every one."""
        return not self.start_methods or start_method in self.start_methods

    def url(self, edition: str) -> str:
        """The place in the documentation that states it."""
        shown = edition if self.holds_in(edition) else self.last
        return f"https://docs.python.org/{shown}/{self.page}#{self.anchor}"


_FIELDS = frozenset(field.name for field in dataclasses.fields(Requirement)) - {"chapter"}


@functools.cache
def edition_key(edition: str) -> tuple[int, ...]:
    """Editions compare by this: 3.9 stands before 3.11."""
    return tuple(int(part) for part in edition.split("."))


class Specification:
    """All requirements of a run, by id, in the order of their files."""

    def __init__(self, requirements: Iterable[Requirement]) -> None:
        self._by_id: dict[str, Requirement] = {}
        for requirement in requirements:
            if requirement.id in self._by_id:
                message = (
                    f"requirement {requirement.id!r} is defined twice: ids are unique; rename one"
                )
                raise SpecificationError(message)
            self._by_id[requirement.id] = requirement
        for requirement in self:
            for need in requirement.needs:
                if need not in self._by_id:
                    message = f"requirement {requirement.id!r} needs {need!r}, which does not exist"
                    raise SpecificationError(message)
        self._prerequisites: dict[str, tuple[str, ...]] = {}
        for requirement in self:
            self.prerequisites(requirement.id)

    def __iter__(self) -> Iterator[Requirement]:
        return iter(self._by_id.values())

    def __len__(self) -> int:
        return len(self._by_id)

    def __contains__(self, identifier: object) -> bool:
        return identifier in self._by_id

    def __getitem__(self, identifier: str) -> Requirement:
        return self._by_id[identifier]

    def get(self, identifier: str) -> Requirement | None:
        """The requirement of that id, or None."""
        return self._by_id.get(identifier)

    @property
    def ids(self) -> Collection[str]:
        """The ids of all, in order."""
        return self._by_id.keys()

    @property
    def chapters(self) -> list[str]:
        """The chapters' names, in order."""
        return list(dict.fromkeys(requirement.chapter for requirement in self))

    def prerequisites(self, identifier: str) -> tuple[str, ...]:
        """Ids that a requirement rests on, directly or through others."""
        if identifier not in self._prerequisites:
            found: dict[str, None] = {}
            waiting = list(self[identifier].needs)
            while waiting:
                need = waiting.pop()
                if need not in found:
                    found[need] = None
                    waiting.extend(self[need].needs)
            if identifier in found:
                message = f"requirement {identifier!r} rests on itself: break the circle of 'needs'"
                raise SpecificationError(message)
            self._prerequisites[identifier] = tuple(found)
        return self._prerequisites[identifier]


def load(paths: Iterable[Path]) -> Specification:
    """Read specification files, or folders of them, into one specification."""
    requirements: list[Requirement] = []
    for path in paths:
        for file in sorted(path.glob("*.toml"), key=_file_order) if path.is_dir() else [path]:
            requirements.extend(read_chapter(file))
    return Specification(requirements)


@functools.cache
def builtin_chapters() -> list[str]:
    """The chapters that mpspec ships, in reading order (``spec/chapters.txt``)."""
    return (SPEC_DIR / "chapters.txt").read_text(encoding="utf-8").split()


def _file_order(file: Path) -> tuple[int, str]:
    order = builtin_chapters()
    return (order.index(file.stem) if file.stem in order else len(order), file.stem)


def read_chapter(file: Path) -> list[Requirement]:
    """Read one chapter's file; every breach of the format is an error that names file, id and field."""
    try:
        status = file.stat()
        return list(_requirements(file, status.st_size, status.st_mtime_ns))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        message = f"{file}: can't be read as a specification: {error}"
        raise SpecificationError(message) from error


@functools.lru_cache(maxsize=128)
def _requirements(file: Path, _size: int, _modified: int) -> tuple[Requirement, ...]:
    """Those of one state of a file, read once: runs inside one process, and forks of it, need not check it again."""
    data = parsed.toml(file)
    header = {key: value for key, value in data.items() if key != "requirement"}
    if (
        header.keys() != {"chapter", "title", "capability", "page"}
        or header["chapter"] != file.stem
    ):
        message = (
            f"{file}: a chapter's file has chapter = {file.stem!r} (its own name), title, capability and page, "
            f"then [[requirement]] tables; found {sorted(header)}"
        )
        raise SpecificationError(message)
    entries = data.get("requirement", [])
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        message = f"{file}: requirement must be [[requirement]] tables"
        raise SpecificationError(message)
    return tuple(_requirement(file, header, entry) for entry in entries)


def _requirement(file: Path, header: Mapping[str, Any], entry: Mapping[str, Any]) -> Requirement:
    def refuse(what: str) -> SpecificationError:
        return SpecificationError(
            f"{file}: requirement {entry.get('id', '(without id)')!r}: {what}"
        )

    if unknown := sorted(entry.keys() - _FIELDS):
        raise refuse(f"unknown fields {unknown}; known are {sorted(_FIELDS)}")
    if missing := sorted({"id", "text", "anchor"} - entry.keys()):
        raise refuse(f"lacks {missing}")
    _check_types(entry, refuse)
    if not _ID.fullmatch(entry["id"]):
        raise refuse(
            "an id is lower case words, dotted by subject: process.exitcode.killed-by-signal"
        )
    capabilities = {header["capability"], *entry.get("capabilities", [])}
    if unknown := sorted(capabilities - CAPABILITIES.keys()):
        raise refuse(f"unknown capabilities {unknown}; known are {sorted(CAPABILITIES)}")
    if unknown := sorted(
        {entry.get("first", EDITIONS[0]), entry.get("last", EDITIONS[-1])} - {*EDITIONS}
    ):
        raise refuse(f"unknown editions {unknown}; known are {list(EDITIONS)}")
    first, last = entry.get("first", EDITIONS[0]), entry.get("last", EDITIONS[-1])
    if edition_key(last) < edition_key(first):
        raise refuse(f"ends ({last}) before it begins ({first})")
    if entry.get("level", "documented") not in Level.labels():
        raise refuse(f"unknown level {entry['level']!r}; known are {Level.labels()}")
    if unknown := sorted({*entry.get("start_methods", ())} - {*START_METHODS}):
        raise refuse(f"unknown start methods {unknown}; known are {list(START_METHODS)}")
    return _made(header, entry)


def _check_types(entry: Mapping[str, Any], refuse: Callable[[str], SpecificationError]) -> None:
    if wrong := sorted(
        entry.keys() - _LISTS - {name for name, value in entry.items() if isinstance(value, str)}
    ):
        raise refuse(f"{wrong} must be text")
    if wrong := sorted(name for name in entry.keys() & _LISTS if not _is_list_of_text(entry[name])):
        raise refuse(f"{wrong} must be lists of text")


def _made(header: Mapping[str, Any], entry: Mapping[str, Any]) -> Requirement:
    given = dict(entry)
    given["capabilities"] = frozenset({header["capability"], *entry.get("capabilities", ())})
    given["level"] = Level.from_label(entry.get("level", "documented"))
    given["start_methods"] = tuple(entry.get("start_methods", ()))
    given["needs"] = tuple(entry.get("needs", ()))
    return Requirement(chapter=header["chapter"], **{"page": header["page"], **given})


def _is_list_of_text(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(part, str) for part in value)
