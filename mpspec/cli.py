"""The command ``mpspec``: run the suite, list the requirements, explain one."""

from __future__ import annotations

import argparse
import difflib
import json
import os
import shlex
import sys
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mpspec
from mpspec.errors import MpspecError, UsageError
from mpspec.registry import Registry
from mpspec.settings import current_edition
from mpspec.specification import EDITIONS, Level

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mpspec.specification import Requirement

_USAGE = 2
# pytest's own status for a command line that it does not understand.
_PYTEST_USAGE = 4


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says; the exit status as for a run: 0, 1, or 2 for what can't be done."""
    words = sys.argv[1:] if arguments is None else list(arguments)
    try:
        if words[:1] == ["run"] and not {"-h", "--help"} & set(words):
            return run(words[1:])
        options = _parser().parse_args(words)
        return int(options.function(options))
    except MpspecError as error:
        sys.stderr.write(f"mpspec: {error}\n")
        return _USAGE
    except BrokenPipeError:
        # The reader (head, less) has seen enough; keep the interpreter from complaining when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="mpspec",
        description="An executable specification of Python's multiprocessing.",
        epilog="example: mpspec run --backend=stdlib",
    )
    parser.add_argument("--version", action="version", version=f"mpspec {mpspec.__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    command = _command(commands, "run", "run the suite: takes every option of pytest, without its defaults",
                       "mpspec run --backend=stdlib --start-method=spawn")  # fmt: skip
    command.set_defaults(function=lambda _: run([]))

    command = _command(
        commands,
        "list",
        "print one requirement a line, its id first",
        "mpspec list --chapter=queues --json",
    )
    command.add_argument(
        "pattern", nargs="?", default="*", help="only ids that match this pattern (* and ?)"
    )
    command.add_argument("--chapter", help="only this chapter")
    command.add_argument(
        "--edition", choices=EDITIONS, help="only what this edition of the documentation states"
    )
    command.add_argument(
        "--level",
        choices=Level.labels(),
        default=Level.labels()[-1],
        help="only this level and those before it",
    )
    command.add_argument("--json", action="store_true", help="print them as data")
    command.set_defaults(function=list_requirements)

    command = _command(
        commands,
        "explain",
        "tell all about one requirement",
        "mpspec explain process.exitcode.killed-by-signal",
    )
    command.add_argument("id", help="the requirement's id")
    command.set_defaults(function=explain)

    command = _command(commands, "coverage", "hold a ledger against the documentation of its edition",
                       "mpspec coverage --docs=/usr/share/doc/python3.11/html")  # fmt: skip
    command.add_argument(
        "--docs",
        required=True,
        type=Path,
        metavar="DIR",
        help="the HTML documentation: the folder that holds library/",
    )
    command.add_argument(
        "--adopt",
        action="store_true",
        help="write the edition's ledger: to it is added what the ledgers of other editions account for",
    )
    command.set_defaults(function=coverage)
    return parser


def _command(commands: Any, name: str, text: str, example: str) -> argparse.ArgumentParser:  # noqa: ANN401 - argparse's own type is private
    parser: argparse.ArgumentParser = commands.add_parser(
        name, help=text, description=f"{text[0].upper()}{text[1:]}.", epilog=f"example: {example}"
    )
    return parser


def run(words: Sequence[str]) -> int:
    """Run pytest with these words; without a backend, the standard library's implementation is tested."""
    import pytest

    given = [word for word in words if word.startswith("--backend")]
    words = [*words] if given else ["--backend=stdlib", *words]
    prefix = _launch_prefix(words)
    if prefix:
        command = [*prefix, sys.executable, "-m", "pytest", *words]
        sys.stderr.write(f"mpspec: {shlex.join(command)}\n")
        os.execvp(command[0], command)  # noqa: S606 - the backend's own launcher
    status = int(pytest.main(words))
    return _USAGE if status == _PYTEST_USAGE else status


def _launch_prefix(words: Sequence[str]) -> tuple[str, ...]:
    names = [word.partition("=")[2] for word in words if word.startswith("--backend=")]
    backends = Registry.with_entry_points().backends()
    return next(
        (
            backends[name].launch_prefix
            for name in names
            if name in backends and backends[name].launch_prefix
        ),
        (),
    )


def list_requirements(options: argparse.Namespace) -> int:
    """Print requirements."""
    import fnmatch

    level = Level.from_label(options.level)
    specification = Registry.with_entry_points().specification()
    if options.chapter and options.chapter not in specification.chapters:
        message = (
            f"--chapter={options.chapter}: the chapters are {', '.join(specification.chapters)}"
        )
        raise UsageError(message)
    selected = [
        requirement
        for requirement in specification
        if fnmatch.fnmatchcase(requirement.id, options.pattern)
        and (not options.chapter or requirement.chapter == options.chapter)
        and (not options.edition or requirement.holds_in(options.edition))
        and requirement.level <= level
    ]
    if options.json:
        print(
            json.dumps(
                [_data(requirement) for requirement in selected], indent=1, ensure_ascii=False
            )
        )
        return 0
    for requirement in selected:
        print(f"{requirement.id}  {requirement.text}")
    return 0 if selected else 1


def explain(options: argparse.Namespace) -> int:
    """Print one requirement."""
    specification = Registry.with_entry_points().specification()
    requirement = specification.get(options.id)
    if requirement is None:
        nearest = difflib.get_close_matches(
            options.id, [each.id for each in specification], n=3, cutoff=0.5
        )
        hint = f" The nearest are: {', '.join(nearest)}." if nearest else ""
        message = f"no requirement has the id {options.id!r}.{hint} All of them: mpspec list"
        raise UsageError(message)
    print(requirement.id)
    print(textwrap.fill(requirement.text, 78, initial_indent="  ", subsequent_indent="  "))
    for name, value in _facts(requirement):
        if value:
            print(f"  {name:<14} {value}")
    print(
        f"  {'to test it':<14} pytest --backend=NAME --requirement={requirement.id} --level={requirement.level.label}"
    )
    return 0


def coverage(options: argparse.Namespace) -> int:
    """Print what changed since the edition before, what a ledger accounts for that is gone, and what it lacks."""
    from mpspec import documentation, ledger

    docs = documentation.read(options.docs)
    adopted = ledger.adopt(docs)
    if options.adopt:
        ledger.write(docs.edition, adopted.entries)
    has_ledger = ledger.path_of(docs.edition).exists()
    account = ledger.read(docs.edition) if has_ledger else adopted
    found = ledger.compare(account, docs)
    for word, changed in (("new", found.changed.new), ("unaccounted", found.unaccounted)):
        for each in changed:
            place = ledger.place_of(each)
            print(f"{word:<12} {each.fingerprint}  {place}  {each.kind}: {each.text}")
        for entry in found.changed.dropped if word == "new" else found.gone:
            label = "dropped" if word == "new" else "gone"
            print(f"{label:<12} {entry.fingerprint}  {entry.place}  {entry.account}")
    wrong = ledger.faults(account, Registry.with_entry_points().specification())
    print(*wrong, sep="\n", end="\n" if wrong else "")
    if not has_ledger:
        print(
            f"edition {docs.edition} has no ledger yet: held against what those of other editions account for; "
            "--adopt writes that down"
        )
    print(
        f"edition {docs.edition}: {len(docs.statements)} statements; {found.covered} covered by requirements, "
        f"{found.explaining} explain, {found.untestable} can't be tested, {len(found.unaccounted)} unaccounted for, "
        f"{len(found.gone)} gone; {found.changed}"
    )
    return 0 if found.is_complete and not wrong else 1


def _facts(requirement: Requirement) -> list[tuple[str, str]]:
    return [
        ("chapter", requirement.chapter),
        ("level", requirement.level.label),
        ("editions", f"{requirement.first} to {requirement.last}"),
        ("start methods", ", ".join(requirement.start_methods) or "all"),
        ("capabilities", ", ".join(sorted(requirement.capabilities))),
        ("rests on", ", ".join(requirement.needs)),
        ("CPython", requirement.disagreement),
        ("stated", requirement.url(current_edition())),
    ]


def _data(requirement: Requirement) -> dict[str, Any]:
    return {
        "id": requirement.id,
        "chapter": requirement.chapter,
        "text": requirement.text,
        "level": requirement.level.label,
        "first": requirement.first,
        "last": requirement.last,
        "start_methods": list(requirement.start_methods),
        "capabilities": sorted(requirement.capabilities),
        "needs": list(requirement.needs),
        "disagreement": requirement.disagreement,
        "url": requirement.url(requirement.last),
    }
