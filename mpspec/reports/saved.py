"""Reports that were written to files: read back, and compared with each other."""

from __future__ import annotations

import dataclasses
import json
from typing import TYPE_CHECKING, Any

from mpspec.errors import UsageError
from mpspec.results import Result
from mpspec.verdicts import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

SCHEMA_VERSION = 1
_SOURCE = "pytest --backend=NAME --conformance-report=FILE.json"
_FIELDS = ("id", "backend", "start_method", "test", "duration", "message")


@dataclasses.dataclass(frozen=True)
class Saved:
    """A report as it stands in a file.

    Attributes:
        file: where it stands.
        run: what the report says of the run, as in ``report.schema.json``.
        results: one per requirement and variant, in the order of the file.
        chapters: the chapter of each requirement, by its id.
    """

    file: Path
    run: dict[str, Any]
    results: tuple[Result, ...]
    chapters: dict[str, str]

    @property
    def backends(self) -> list[str]:
        """The names of the backends that were tested."""
        return [backend["name"] for backend in self.run["backends"]]

    @property
    def failing(self) -> list[Result]:
        """The results that make the run fail, worst first."""
        found = [result for result in self.results if result.verdict.fails_the_run]
        return sorted(found, key=lambda result: result.verdict, reverse=True)


def read(file: Path) -> Saved:
    """Read what ``--conformance-report`` has written.

    Raises:
        UsageError: it can't be read, or is no report.
    """
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        message = f"report {file}: {error.strerror}; give a file that {_SOURCE} has written"
        raise UsageError(message) from error
    except ValueError as error:
        message = f"report {file}: it is no JSON ({error}); give a file that {_SOURCE} has written"
        raise UsageError(message) from error
    schema = data.get("schema") if isinstance(data, dict) else None
    if schema != SCHEMA_VERSION:
        message = (
            f"report {file}: this is no report of mpspec with schema {SCHEMA_VERSION}; "
            f"give a file that {_SOURCE} has written"
        )
        raise UsageError(message)
    return _saved(file, data)


def _saved(file: Path, data: dict[str, Any]) -> Saved:
    try:
        results = tuple(
            Result(
                **{name: record[name] for name in _FIELDS},
                verdict=Verdict(record["verdict"]),
            )
            for record in data["results"]
        )
        chapters = {record["id"]: record["chapter"] for record in data["results"]}
        saved = Saved(file, data["run"], results, chapters)
        # What readers rely on.
        _ = saved.backends, saved.run["edition"], saved.run["interpreter"], saved.run["conforms"]
    except (KeyError, TypeError, ValueError) as error:
        message = (
            f"report {file}: it breaks the format ({type(error).__name__}: {error}); write it anew"
        )
        raise UsageError(message) from error
    return saved


@dataclasses.dataclass(frozen=True)
class Change:
    """One requirement on one variant, in two reports; None where a report does not have it."""

    id: str
    variant: str
    old: Result | None
    new: Result | None

    @property
    def kind(self) -> str:
        """``worse``, ``better``, ``new`` or ``gone``; empty where nothing changed."""
        if self.old is None:
            return "new"
        if self.new is None:
            return "gone"
        old, new = _rank(self.old.verdict), _rank(self.new.verdict)
        return "worse" if new > old else "better" if new < old else ""

    @property
    def is_regression(self) -> bool:
        """Whether it became worse, or is new and fails."""
        new_and_fails = self.old is None and self.new is not None and self.new.verdict.fails_the_run
        return self.kind == "worse" or new_and_fails

    def __str__(self) -> str:
        verdicts = [each.verdict.value for each in (self.old, self.new) if each is not None]
        return f"{self.kind:<7} {self.id} on {self.variant}: {' -> '.join(verdicts)}"


def _rank(verdict: Verdict) -> Verdict:
    # What passes unexpectedly behaves as well as what was expected to.
    return Verdict.PASS if verdict is Verdict.UNEXPECTED_PASS else verdict


def compare(old: Saved, new: Saved) -> list[Change]:
    """What changed, in the order of the newer report.

    Reports of different backends are compared start method by start method, when each holds one backend.

    Raises:
        UsageError: they have nothing in common to compare.
    """
    name = "variant"
    if not _named(old.results, name) & _named(new.results, name):
        name = "start_method"
        several = len(old.backends) > 1 or len(new.backends) > 1
        if several or not _named(old.results, name) & _named(new.results, name):
            message = (
                f"{old.file} and {new.file} have no variant in common: the one holds "
                f"{_told(old.results)}, the other {_told(new.results)}"
            )
            raise UsageError(message)
    before = {(each.id, getattr(each, name)): each for each in old.results}
    after = {(each.id, getattr(each, name)): each for each in new.results}
    changes = [
        Change(*key, before.get(key), after.get(key)) for key in dict.fromkeys([*after, *before])
    ]
    return [change for change in changes if change.kind]


def _named(results: Iterable[Result], name: str) -> set[str]:
    return {getattr(result, name) for result in results}


def _told(results: Iterable[Result]) -> str:
    return ", ".join(sorted(_named(results, "variant"))) or "no results"
