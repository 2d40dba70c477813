"""Ledgers: the account, per edition, of every statement of the documentation.

A ledger is a TOML file, ``spec/ledger/<edition>.toml``: a table per place of the documentation, in it one line per
statement, by its fingerprint::

    ["library/multiprocessing.html#multiprocessing.Process.exitcode"]
    3fd04a7d2b11 = "process.exitcode.none-while-running, process.exitcode.none-before-start"
    90c1c8a0e5f2 = "explains"
    77aa01b2c3d4 = "untestable: Windows alone"

that is: covered by these requirements; explains and states nothing testable; can't be tested, and why.
"""

from __future__ import annotations

import dataclasses
import tomllib
from typing import TYPE_CHECKING

from mpspec.errors import SpecificationError
from mpspec.specification import EDITIONS, SPEC_DIR, edition_key

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from mpspec.documentation import Documentation, Statement
    from mpspec.specification import Specification

LEDGER_DIR = SPEC_DIR / "ledger"
EXPLAINS = "explains"
UNTESTABLE = "untestable: "


@dataclasses.dataclass(frozen=True)
class Entry:
    """What a ledger says of one statement.

    Attributes:
        place: page and anchor, joined by ``#``.
        account: the line's value.
    """

    place: str
    fingerprint: str
    account: str

    @property
    def ids(self) -> tuple[str, ...]:
        """The requirements that cover it; none when it explains, or can't be tested."""
        if self.account == EXPLAINS or self.account.startswith(UNTESTABLE):
            return ()
        return tuple(part.strip() for part in self.account.split(","))


@dataclasses.dataclass(frozen=True)
class Ledger:
    """One edition's account."""

    edition: str
    entries: tuple[Entry, ...]

    @property
    def by_key(self) -> dict[tuple[str, str], Entry]:
        """Entries by place and fingerprint."""
        return {(entry.place, entry.fingerprint): entry for entry in self.entries}

    @property
    def by_fingerprint(self) -> dict[str, Entry]:
        """Entries by fingerprint alone: a statement may move from one place to another."""
        return {entry.fingerprint: entry for entry in self.entries}


@dataclasses.dataclass(frozen=True)
class Changes:
    """What an edition states otherwise than the edition before that has a ledger.

    Attributes:
        since: that edition; empty when there is none.
        new: statements that it did not have.
        dropped: its entries whose statement is no more.
    """

    since: str = ""
    new: tuple[Statement, ...] = ()
    dropped: tuple[Entry, ...] = ()

    def __str__(self) -> str:
        if not self.since:
            return "no edition before it has a ledger"
        return f"{len(self.new)} new since {self.since}, {len(self.dropped)} dropped"


@dataclasses.dataclass(frozen=True)
class Comparison:
    """A ledger held against the documentation.

    Attributes:
        unaccounted: statements that the ledger does not mention.
        gone: entries whose statement is not in the documentation.
        changed: what is new since the edition before, and what was dropped.
        covered: how many statements requirements cover.
        explaining: how many state nothing testable.
        untestable: how many can't be tested.
    """

    unaccounted: tuple[Statement, ...]
    gone: tuple[Entry, ...]
    changed: Changes
    covered: int
    explaining: int
    untestable: int

    @property
    def is_complete(self) -> bool:
        """Whether ledger and documentation agree."""
        return not self.unaccounted and not self.gone


def path_of(edition: str) -> Path:
    """The file of an edition's ledger."""
    return LEDGER_DIR / f"{edition}.toml"


def read(edition: str) -> Ledger:
    """The ledger of an edition; empty when there is none yet.

    Raises:
        SpecificationError: the file breaks the format.
    """
    path = path_of(edition)
    if not path.exists():
        return Ledger(edition, ())
    try:
        data: Mapping[str, Mapping[str, str]] = tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        message = f"{path}: {error}"
        raise SpecificationError(message) from error
    entries = [
        Entry(place, key, value) for place, lines in data.items() for key, value in lines.items()
    ]
    return Ledger(edition, tuple(entries))


def write(edition: str, entries: Iterable[Entry]) -> None:
    """Write a ledger, in the order of its entries."""
    places: dict[str, dict[str, str]] = {}
    for entry in entries:
        places.setdefault(entry.place, {})[entry.fingerprint] = entry.account
    lines: list[str] = [
        f"# The account of every statement of the documentation of Python {edition}; see mpspec/ledger.py."
    ]
    for place, accounts in places.items():
        lines += [
            "",
            f'["{place}"]',
            *(f'{key} = "{account}"' for key, account in accounts.items()),
        ]
    path_of(edition).parent.mkdir(exist_ok=True)
    path_of(edition).write_text("\n".join(lines) + "\n", encoding="utf-8")


def place_of(statement: Statement) -> str:
    """Where a statement stands, as ledgers spell it."""
    return f"{statement.page}#{statement.anchor}"


def compare(ledger: Ledger, documentation: Documentation) -> Comparison:
    """Hold a ledger against the documentation, and against the edition before."""
    known = ledger.by_key
    stated = {
        (place_of(statement), statement.fingerprint) for statement in documentation.statements
    }
    accounts = [known[key] for key in stated if key in known]
    return Comparison(
        unaccounted=tuple(
            each
            for each in documentation.statements
            if (place_of(each), each.fingerprint) not in known
        ),
        gone=tuple(entry for key, entry in known.items() if key not in stated),
        changed=_changes(documentation),
        covered=sum(bool(entry.ids) for entry in accounts),
        explaining=sum(entry.account == EXPLAINS for entry in accounts),
        untestable=sum(entry.account.startswith(UNTESTABLE) for entry in accounts),
    )


def _changes(documentation: Documentation) -> Changes:
    before = [
        edition
        for edition in EDITIONS
        if edition_key(edition) < edition_key(documentation.edition) and path_of(edition).exists()
    ]
    if not before:
        return Changes()
    known = read(before[-1]).by_fingerprint  # a statement that only moved has not changed
    stated = {statement.fingerprint for statement in documentation.statements}
    return Changes(
        since=before[-1],
        new=tuple(each for each in documentation.statements if each.fingerprint not in known),
        dropped=tuple(entry for key, entry in known.items() if key not in stated),
    )


def adopt(documentation: Documentation) -> Ledger:
    """The edition's ledger, filled up from those of other editions, newest first, where they have the same words."""
    editions = (documentation.edition, *reversed(EDITIONS))
    ledgers = [read(edition) for edition in dict.fromkeys(editions)]
    known: dict[str, Entry] = {}
    exact: dict[tuple[str, str], Entry] = {}
    for ledger in ledgers:
        known = {**ledger.by_fingerprint, **known}
        exact = {**ledger.by_key, **exact}
    entries: dict[tuple[str, str], Entry] = {}
    for statement in documentation.statements:
        key = (place_of(statement), statement.fingerprint)
        entry = exact.get(key) or known.get(statement.fingerprint)
        if entry is not None:
            entries.setdefault(key, Entry(*key, entry.account))
    return Ledger(documentation.edition, tuple(entries.values()))


def faults(ledger: Ledger, specification: Specification) -> list[str]:
    """What is wrong inside a ledger: ids that do not exist or do not hold, and requirements that nothing cites."""
    found: list[str] = []
    cited: set[str] = set()
    for entry in ledger.entries:
        for identifier in entry.ids:
            requirement = specification.get(identifier)
            if requirement is None:
                found.append(
                    f"{ledger.edition}: {entry.place} {entry.fingerprint}: there is no requirement {identifier!r}"
                )
            elif not requirement.holds_in(ledger.edition):
                found.append(
                    f"{ledger.edition}: {entry.place} {entry.fingerprint}: {identifier} does not hold in this edition"
                )
            cited.add(identifier)
    found += [
        f"{ledger.edition}: no statement cites {requirement.id}, though it claims the edition"
        for requirement in specification
        if requirement.holds_in(ledger.edition) and requirement.id not in cited
    ]
    return found
