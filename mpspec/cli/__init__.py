"""The command ``mpspec``: what its words mean. What each command does stands in a module of its own."""

from __future__ import annotations

import argparse
import io
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mpspec
from mpspec.cli import requirements, results, scaffold, start, statements
from mpspec.errors import MpspecError
from mpspec.specification import EDITIONS, Level

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_UNUSABLE = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line says; the exit status as for a run: 0, 1, or 2 for what can't be done."""
    words = sys.argv[1:] if arguments is None else list(arguments)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal that can't show a character is no reason to show nothing.
            stream.reconfigure(errors="backslashreplace")
    try:
        if words[:1] == ["run"] and not {"-h", "--help"} & set(words):
            return start.run(words[1:])
        options = _parser().parse_args(words)
        return int(options.function(options))
    except MpspecError as error:
        sys.stderr.write(f"mpspec: {error}\n")
        return _UNUSABLE
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
    _add_run(commands)
    _add_list(commands)
    _add_explain(commands)
    _add_coverage(commands)
    _add_report(commands)
    _add_diff(commands)
    _add_deviations(commands)
    _add_new(commands)
    return parser


def _command(
    commands: Any,  # noqa: ANN401 - argparse's own type is private
    name: str,
    text: str,
    example: str,
    function: Callable[[argparse.Namespace], int] | None = None,
) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(
        name, help=text, description=f"{text[0].upper()}{text[1:]}.", epilog=f"example: {example}"
    )
    if function is not None:
        parser.set_defaults(function=function)
    return parser


def _add_run(commands: Any) -> None:  # noqa: ANN401 - as above, and so below
    _command(
        commands,
        "run",
        "run the suite: takes every option of pytest; tests the standard library unless --backend names another",
        "mpspec run --backend=stdlib --start-method=spawn",
        lambda _: start.run([]),
    )


def _add_list(commands: Any) -> None:  # noqa: ANN401
    text, example = (
        "print one requirement a line, its id first",
        "mpspec list --chapter=queues --json",
    )
    command = _command(commands, "list", text, example, requirements.list_requirements)
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


def _add_explain(commands: Any) -> None:  # noqa: ANN401
    text, example = (
        "tell all about one requirement",
        "mpspec explain process.exitcode.killed-by-signal",
    )
    command = _command(commands, "explain", text, example, requirements.explain)
    command.add_argument("id", metavar="ID", help="the requirement's id")


def _add_coverage(commands: Any) -> None:  # noqa: ANN401
    text = "hold a ledger against the documentation of its edition"
    example = "mpspec coverage --docs=/usr/share/doc/python3.11/html"
    command = _command(commands, "coverage", text, example, statements.coverage)
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


def _add_report(commands: Any) -> None:  # noqa: ANN401
    text = "print a saved report: the table, what fails, what it comes to"
    command = _command(
        commands, "report", text, "mpspec report report.json --markdown", results.report
    )
    command.add_argument(
        "files",
        nargs="+",
        type=Path,
        metavar="FILE.json",
        help="what --conformance-report has written",
    )
    command.add_argument(
        "--markdown", action="store_true", help="as Markdown, for a page or a CI job's summary"
    )


def _add_diff(commands: Any) -> None:  # noqa: ANN401
    text = "print what changed from one report to another; exit status 1 if anything became worse"
    command = _command(commands, "diff", text, "mpspec diff before.json after.json", results.diff)
    command.add_argument("old", type=Path, metavar="OLD", help="the report to compare with")
    command.add_argument("new", type=Path, metavar="NEW", help="the report to look at")


def _add_deviations(commands: Any) -> None:  # noqa: ANN401
    parser = _command(
        commands,
        "deviations",
        "make a list of expected failures",
        "mpspec deviations write report.json --output=deviations.toml",
    )
    command = _command(
        parser.add_subparsers(required=True, metavar="COMMAND"),
        "write",
        "list what fails in a report as expected, for --deviations",
        "mpspec deviations write report.json --output=deviations.toml",
        results.write_deviations,
    )
    command.add_argument(
        "report", type=Path, metavar="REPORT.json", help="what --conformance-report has written"
    )
    command.add_argument(
        "--output",
        type=Path,
        metavar="FILE.toml",
        help="the file to make, or to add to if it exists; default: print them",
    )
    command.add_argument(
        "--reason",
        metavar="TEXT",
        help="why they are expected; default: what was got, for you to explain",
    )


def _add_new(commands: Any) -> None:  # noqa: ANN401
    text = "start the adapter of an implementation, and a CI job that holds it to the specification"
    command = _command(
        commands, "new", text, "mpspec new yours --module=yours.multiprocessing", scaffold.new
    )
    command.add_argument("name", metavar="NAME", help="what --backend shall call it")
    command.add_argument(
        "--module", help="the module that stands for multiprocessing; default: NAME"
    )
    command.add_argument(
        "--folder",
        type=Path,
        default=Path(),
        metavar="DIR",
        help="the project's folder; default: this one",
    )
