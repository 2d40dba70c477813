"""What a person sees when a run is over: the table, the roots of what failed, and what it all comes to."""

from __future__ import annotations

import collections
import io
import shlex
import textwrap
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from mpspec.settings import current_edition
from mpspec.specification import Level
from mpspec.verdicts import Verdict, cell

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pytest

    from mpspec.backends import Backend
    from mpspec.results import Report, Result
    from mpspec.settings import Settings

_STYLES = {
    Verdict.PASS: "green",
    Verdict.EXPECTED: "yellow",
    Verdict.NOT_OFFERED: "dim",
    Verdict.BLOCKED: "magenta",
    Verdict.UNEXPECTED_PASS: "bold yellow",
}
_FAILURE_STYLE = "bold red"
_MOST_ROOTS = 25
_MOST_LINES = 6
_INDENT = 10


def summarize(
    terminal: pytest.TerminalReporter, report: Report, settings: Settings, lists: Sequence[str]
) -> None:
    """Print the table, the roots, and the sentence that says what it all comes to.

    Args:
        terminal: where to.
        report: what the run came to.
        settings: what was asked for.
        lists: the files of deviations that the user named.
    """
    writer = terminal._tw  # noqa: SLF001 - pytest's own terminal has no public name
    console = Console(
        file=_Lines(terminal),
        force_terminal=writer.hasmarkup,
        no_color=not writer.hasmarkup,
        color_system="standard" if writer.hasmarkup else None,
        width=writer.fullwidth,
        highlight=False,
        emoji=False,
    )
    terminal.section("conformance")
    for text in report.uncollected:
        console.print(
            f"[{_FAILURE_STYLE}]could not be collected:[/] {escape(text)}\n", soft_wrap=True
        )
    for backend in settings.backends:
        _print_table(console, backend, report, settings)
    _print_unclaimed(console, report)
    _print_roots(console, report, settings, lists)
    _print_stale(console, report)
    _print_sentence(console, report, settings)


class _Lines(io.StringIO):
    """A file for rich that writes to pytest's terminal."""

    def __init__(self, terminal: pytest.TerminalReporter) -> None:
        super().__init__()
        self._terminal = terminal

    def write(self, text: str) -> int:
        self._terminal.write(text)
        return len(text)

    def flush(self) -> None:
        self._terminal.flush()


def _print_table(console: Console, backend: Backend, report: Report, settings: Settings) -> None:
    results = [result for result in report.results if result.backend == backend.name]
    if not results:
        return
    methods = [variant.start_method for variant in settings.variants if variant.backend is backend]
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), title=None)
    table.add_column(f"{backend.name} {backend.version}", style="bold", no_wrap=True)
    for method in methods:
        table.add_column(method, justify="left", no_wrap=False)
    cells: dict[tuple[str, str], collections.Counter[Verdict]] = collections.defaultdict(
        collections.Counter
    )
    for result in results:
        chapter = settings.specification[result.id].chapter
        for row in (chapter, "total"):
            cells[row, result.start_method][result.verdict] += 1
    chapters = [
        name
        for name in settings.specification.chapters
        if any((name, method) in cells for method in methods)
    ]
    for row in chapters:
        table.add_row(row, *(cell(cells[row, method], _styled) for method in methods))
    table.add_section()
    table.add_row("total", *(cell(cells["total", method], _styled) for method in methods))
    console.print(table)
    occurring = sorted({result.verdict for result in results})
    for verdict in occurring:
        if verdict is not Verdict.PASS:
            console.print(
                f"  {_styled(verdict, verdict.letter)} {verdict.value}: {verdict.meaning}"
            )
    console.print()


def _styled(verdict: Verdict, text: str) -> str:
    return f"[{_STYLES.get(verdict, _FAILURE_STYLE)}]{escape(text)}[/]"


def _print_unclaimed(console: Console, report: Report) -> None:
    for name, capabilities in report.unclaimed.items():
        if capabilities:
            console.print(
                f"{escape(name)} has, but does not claim, so that it was not tested: {', '.join(capabilities)}\n"
            )


def _print_roots(
    console: Console, report: Report, settings: Settings, lists: Sequence[str]
) -> None:
    grouped: dict[tuple[str, Verdict], list[Result]] = {}
    for root in report.roots:
        grouped.setdefault((root.id, root.verdict), []).append(root)
    for (identifier, verdict), results in list(grouped.items())[:_MOST_ROOTS]:
        requirement = settings.specification[identifier]
        variants = ", ".join(result.variant for result in results)
        console.print(
            f"{_styled(verdict, verdict.value)} [bold]{identifier}[/] on {escape(variants)}"
        )
        _field(console, "required", requirement.text)
        _field(console, "got", _shortened(results[0].message))
        _field(console, "stated", requirement.url(settings.edition), wrapped=False)
        _field(console, "again", _command(results[0], settings, lists), wrapped=False)
        console.print()
    if len(grouped) > _MOST_ROOTS:
        console.print(
            f"... and {len(grouped) - _MOST_ROOTS} more; --conformance-report=FILE.json holds them all\n"
        )


def _field(console: Console, name: str, text: str, *, wrapped: bool = True) -> None:
    """Print a name and its text; what is to be copied (an address, a command) stays on one line however long."""
    lines = text.splitlines() or [""]
    if wrapped:
        width = max(console.width - _INDENT - 1, _INDENT)
        lines = [
            part
            for line in lines
            for part in textwrap.wrap(line, width, break_on_hyphens=False) or [""]
        ]
    for number, line in enumerate(lines):
        label = "" if number else name
        console.print(f"[dim]{label:>{_INDENT}}[/] {escape(line)}", soft_wrap=True)


def _shortened(message: str) -> str:
    lines = message.splitlines()
    return "\n".join(lines[:_MOST_LINES]) + ("\n..." if len(lines) > _MOST_LINES else "")


def _command(result: Result, settings: Settings, lists: Sequence[str]) -> str:
    """The command that runs the test of one result again, under the same conditions."""
    level = settings.specification[result.id].level
    words = [
        "pytest",
        f"--backend={settings.spellings[result.backend]}",
        f"--start-method={result.start_method}",
        f"--requirement={result.id}",
        *([f"--level={level.label}"] if level > Level.IMPLIED else []),
        *([f"--edition={settings.edition}"] if settings.edition != current_edition() else []),
        *([f"--patience={settings.patience:g}"] if settings.patience != 1 else []),
        *(f"--deviations={file}" for file in lists),
        # What ends its process would end the run.
        "-n1" if result.verdict is Verdict.CRASH else "-n0",
        "--tb=short",
    ]
    return shlex.join(words)


def _print_stale(console: Console, report: Report) -> None:
    for entry in report.stale:
        console.print(
            f"[{_FAILURE_STYLE}]deviation matches nothing:[/] {escape(str(entry))}; take it out, or mend its pattern"
        )


def _print_sentence(console: Console, report: Report, settings: Settings) -> None:
    counts = collections.Counter(result.verdict for result in report.results)
    told = (
        ", ".join(f"{counts[verdict]} {verdict.value}" for verdict in Verdict if counts[verdict])
        or "nothing ran"
    )
    names = " and ".join(backend.name for backend in settings.backends)
    if report.interrupted:
        why = (
            "interrupted"
            if report.interrupted == KeyboardInterrupt.__name__
            else report.interrupted
        )
        console.print(f"[{_FAILURE_STYLE}]{escape(why)}:[/] {told}")
    elif report.uncollected:
        console.print(f"[{_FAILURE_STYLE}]not all of the suite could be collected:[/] {told}")
    elif not report.ran:
        but = f" ({told})" if report.results else ""
        console.print(
            f"[{_FAILURE_STYLE}]nothing ran[/]: no requirement was selected that {escape(names)} offers{but}; "
            "look at --requirement, --level, --edition, -k and -m"
        )
    else:
        several = len(settings.backends) > 1
        if report.conforms:
            style, verb = "bold green", "conform" if several else "conforms"
        else:
            style, verb = _FAILURE_STYLE, f"{'do' if several else 'does'} not conform"
        console.print(f"[{style}]{escape(names)} {verb}[/] to edition {settings.edition}: {told}")
