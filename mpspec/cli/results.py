"""What runs came to: ``mpspec report``, ``mpspec diff`` and ``mpspec deviations write``."""

from __future__ import annotations

import collections
import json
import sys
from typing import TYPE_CHECKING

from mpspec import deviations, files
from mpspec.reports import saved
from mpspec.verdicts import Verdict, cell

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Sequence

    from mpspec.deviations import Deviation
    from mpspec.reports.saved import Saved
    from mpspec.results import Result

Rows = list[list[str]]


def report(options: argparse.Namespace) -> int:
    """Print reports; exit status 0 if all of them conform."""
    found = [saved.read(file) for file in options.files]
    for each in found:
        for backend in each.run["backends"]:
            print(f"{'## ' if options.markdown else ''}{backend['name']} {backend['version']}\n")
            _print_rows(_matrix(each, backend["name"]), markdown=options.markdown)
            print()
        for result in each.failing:
            print(_failure(result, markdown=options.markdown))
        print(_sentence(each))
    return 0 if all(each.run["conforms"] for each in found) else 1


def _matrix(report: Saved, backend: str) -> Rows:
    results = [result for result in report.results if result.backend == backend]
    methods = list(dict.fromkeys(result.start_method for result in results))
    cells: dict[tuple[str, str], collections.Counter[Verdict]] = collections.defaultdict(
        collections.Counter
    )
    for result in results:
        for row in (report.chapters[result.id], "total"):
            cells[row, result.start_method][result.verdict] += 1
    chapters = dict.fromkeys(report.chapters[result.id] for result in results)
    body = [
        [row, *(cell(cells[row, method]) for method in methods)] for row in (*chapters, "total")
    ]
    return [["chapter", *methods], *body]


def _print_rows(rows: Rows, *, markdown: bool) -> None:
    if markdown:
        head, *body = ["| " + " | ".join(row) + " |" for row in rows]
        print(head, "|" + " --- |" * len(rows[0]), *body, sep="\n")
        return
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print(
            "  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip()
        )


def _failure(result: Result, *, markdown: bool) -> str:
    message = " ".join(result.message.split())
    if markdown:
        return f"- **{result.verdict.value}** `{result.id}` on {result.variant}: `{message}`\n"
    return f"{result.verdict.value} {result.id} on {result.variant}\n    {message}\n"


def _sentence(report: Saved) -> str:
    run = report.run
    counts = collections.Counter(result.verdict for result in report.results)
    told = ", ".join(f"{counts[verdict]} {verdict.value}" for verdict in Verdict if counts[verdict])
    several = len(report.backends) > 1
    if run["conforms"]:
        verb = "conform" if several else "conforms"
    else:
        verb = "do not conform" if several else "does not conform"
    early = f" (the run ended early: {run['interrupted']})" if run.get("interrupted") else ""
    stale = "".join(f"\ndeviation matches nothing: {entry}" for entry in run["stale_deviations"])
    return (
        f"{' and '.join(report.backends)} {verb} to edition {run['edition']} on {run['interpreter']}: "
        f"{told or 'nothing ran'}{early}{stale}"
    )


def diff(options: argparse.Namespace) -> int:
    """Print what changed; exit status 1 if anything became worse, or is new and fails."""
    changes = saved.compare(saved.read(options.old), saved.read(options.new))
    for change in changes:
        print(change)
        if change.is_regression and change.new is not None and change.new.message:
            print(f"        {' '.join(change.new.message.split())}")
    counts = collections.Counter(change.kind for change in changes)
    print(", ".join(f"{counts[kind]} {kind}" for kind in ("worse", "better", "new", "gone")))
    return 1 if any(change.is_regression for change in changes) else 0


def write_deviations(options: argparse.Namespace) -> int:
    """Print or write entries for what fails; exit status 1 if there are failures that no entry can list."""
    found = saved.read(options.report)
    exists = options.output is not None and options.output.exists()
    listed = deviations.read(options.output) if exists else []
    failing = [result for result in found.failing if result.verdict.is_departure]
    unlisted = [each for each in failing if deviations.find(listed, each.id, each.variant) is None]
    entries = _entries(unlisted, found, options.reason)
    if options.output is None:
        print("\n".join(entries), end="")
    else:
        if entries:
            kept = (
                [options.output.read_text(encoding="utf-8").rstrip("\n") + "\n"] if exists else []
            )
            files.replace(options.output, "\n".join([*kept, *entries]))
        _tell(f"{len(unlisted)} failures were added to {options.output}; give each its reason")
    notes = _notes(found, failing, listed)
    for note in notes:
        _tell(note)
    if any(result.verdict is Verdict.BLOCKED for result in found.results):
        _tell(
            "what was BLOCKED is judged when what it rests on is listed: run again, and write again"
        )
    return 1 if notes else 0


def _entries(results: Iterable[Result], report: Saved, reason: str | None) -> list[str]:
    """One entry for each requirement and verdict, where it is the same on all variants of a backend; else one each."""
    grouped: dict[tuple[str, Verdict, str], list[Result]] = collections.defaultdict(list)
    for result in results:
        grouped[result.id, result.verdict, result.backend].append(result)
    entries = []
    for (identifier, verdict, backend), group in grouped.items():
        tested = {each.variant for each in report.results if each.backend == backend}
        everywhere = len(tested) > 1 and tested == {each.variant for each in group}
        variants = [f"{backend}-*"] if everywhere else [each.variant for each in group]
        why = reason or f"not yet explained: {_first_line(group[0].message)}"
        entries += [_entry(identifier, variant, verdict, why) for variant in variants]
    return entries


def _first_line(message: str) -> str:
    return message.strip().partition("\n")[0]


def _entry(identifier: str, variant: str, verdict: Verdict, reason: str) -> str:
    # A string of JSON is one of TOML, but for DEL, which TOML wants escaped.
    quoted = json.dumps(reason, ensure_ascii=False).replace("\x7f", "\\u007f")
    return (
        f'[[deviation]]\nrequirement = "{identifier}"\nvariant = "{variant}"\n'
        f'verdict = "{verdict.value}"\nreason = {quoted}\n'
    )


def _notes(report: Saved, failing: Sequence[Result], listed: Sequence[Deviation]) -> list[str]:
    """What a person has to see to."""
    notes = []
    for result in failing:
        entry = deviations.find(listed, result.id, result.variant)
        if entry is not None and entry.verdict is not result.verdict:
            notes.append(f"{entry} came to {result.verdict.value}: mend that entry")
    for result in report.failing:
        if not result.verdict.is_departure:
            name = f"{result.id} on {result.variant}"
            notes.append(
                f"{name} came to {result.verdict.value}, which can't be listed: {result.message}"
            )
    return notes + [
        f"{entry} matches nothing: take it out" for entry in report.run["stale_deviations"]
    ]


def _tell(text: str) -> None:
    sys.stderr.write(f"mpspec: {text}\n")
