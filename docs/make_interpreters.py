"""Make docs/interpreters.md: what one backend came to on several interpreters.

    python docs/make_interpreters.py --output=docs/interpreters.md REPORT.json... (or folders of them)

Each report is that of one run (``pytest --backend=stdlib --level=de-facto --conformance-report=REPORT.json``); all are
of the same backend and the same level. ``tox -m interpreters`` makes one with each interpreter, ``tox -e
interpreters`` the page. Why a departure is expected, and where it is discussed, is taken from the backend's list of
deviations, all else from the reports.
"""

from __future__ import annotations

import argparse
import collections
import dataclasses
import functools
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mpspec import deviations
from mpspec.registry import Registry
from mpspec.verdicts import Verdict, cell

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from mpspec.deviations import Deviation

Record = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Run:
    """One report."""

    run: Record
    records: tuple[Record, ...]

    @functools.cached_property
    def name(self) -> str:
        """The interpreter, by language version: ``PyPy 3.11.13``."""
        return f"{self.implementation} {self.version}"

    @property
    def implementation(self) -> str:
        """``CPython`` or ``PyPy``."""
        return str(self.run["interpreter"].split()[0])

    @property
    def version(self) -> str:
        """Of the language: ``3.14.0rc1``."""
        return str(self.run["interpreter"].split()[1])

    @property
    def order(self) -> tuple[object, ...]:
        """CPython before others, old before new."""
        numbers = "".join(each if each.isdigit() else " " for each in self.version)
        return self.implementation, [int(number) for number in numbers.split()]

    @property
    def methods(self) -> list[str]:
        """The start methods that were tested."""
        return list(dict.fromkeys(record["start_method"] for record in self.records))


def read(path: Path) -> Run:
    data = json.loads(path.read_text(encoding="utf-8"))
    (backend,) = data["run"]["backends"]
    return Run({**data["run"], "backend": backend}, tuple(data["results"]))


def page(runs: Sequence[Run], entries: Sequence[Deviation]) -> str:
    name, level = runs[0].run["backend"]["name"], runs[0].run["level"]
    parts = [
        f"# {name} on {len(runs)} interpreters",
        "Generated from the reports of the runs by `docs/make_interpreters.py`; do not edit.",
        (
            f"Every requirement up to the level *{level}* that the interpreter's edition of the documentation states, under each "
            "start method. Editions differ in what they state, so that the numbers of one row may differ."
        ),
        table(
            ["interpreter", "edition", "mpspec", "system", "run ended", "came to"], map(_run, runs)
        ),
        "## By chapter",
        _chapters(runs),
        _legend(runs),
        *_departures(runs, entries),
        *_failures(runs),
    ]
    return "\n\n".join(parts) + "\n"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(
        "| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines
    )


def _run(run: Run) -> list[str]:
    counts = collections.Counter(Verdict(record["verdict"]) for record in run.records)
    came_to = ", ".join(
        f"{counts[verdict]} {verdict.value}" for verdict in Verdict if counts[verdict]
    )
    sentence = "conforms" if run.run["conforms"] else "**does not conform**"
    when = run.run["written"].replace("T", " ").replace("+00:00", " UTC")
    facts = [run.run[name] for name in ("interpreter", "edition", "mpspec")]
    system, release, *_, library = run.run["platform"].split("-")
    return [*facts, f"{system} {release}, {library}", when, f"{sentence}: {came_to}"]


def _chapters(runs: Sequence[Run]) -> str:
    cells: dict[tuple[str, str, str], collections.Counter[Verdict]] = collections.defaultdict(
        collections.Counter
    )
    chapters: dict[str, None] = {}
    for run in runs:
        for record in run.records:
            chapters[record["chapter"]] = None
            for row in (record["chapter"], "total"):
                cells[row, run.name, record["start_method"]][Verdict(record["verdict"])] += 1
    columns = [(run.name, method) for run in runs for method in run.methods]
    head = ["chapter", *(f"{name}<br>{method}" for name, method in columns)]
    rows = [
        [row, *(cell(cells[row, *column]) for column in columns)] for row in (*chapters, "total")
    ]
    return table(head, rows)


def _legend(runs: Sequence[Run]) -> str:
    found = {Verdict(record["verdict"]) for run in runs for record in run.records}
    return "\n".join(
        [
            "A number alone counts PASS. Otherwise:",
            "",
            *(
                f"- `{each.letter}` {each.value}: {each.meaning}"
                for each in sorted(found - {Verdict.PASS})
            ),
        ]
    )


def _departures(runs: Sequence[Run], entries: Sequence[Deviation]) -> list[str]:
    """What is listed and was seen, one row for each requirement and reason."""

    def listed(run: Run, record: Record) -> Deviation | None:
        if record["verdict"] != Verdict.EXPECTED.value:
            return None
        here = (each for each in entries if each.applies_to(run.implementation, run.version))
        return deviations.find(here, record["id"], record["variant"])

    def told(run: Run, record: Record) -> tuple[str, ...] | None:
        entry = listed(run, record)
        if entry is None:
            return None
        link = f" [{_short(entry.link)}]({entry.link})" if entry.link else ""
        verdict = f"{entry.verdict.value}{', at times' if entry.intermittent else ''}"
        return f"`{record['id']}`", verdict, f"{entry.reason}{link}"

    rows = _where(runs, told)
    if not rows:
        return []
    return [
        "## Listed departures",
        "What happens instead of what is required, each expected by the backend's list of deviations, and where.",
        table(["requirement", "comes to", "because", "on"], rows),
    ]


def _failures(runs: Sequence[Run]) -> list[str]:
    """What no list expects."""

    def told(_run: Run, record: Record) -> tuple[str, ...] | None:
        if not Verdict(record["verdict"]).fails_the_run:
            return None
        return f"`{record['id']}`", record["verdict"], record["message"].split("\n")[0]

    rows = _where(runs, told)
    if not rows:
        return []
    return [
        "## Not as listed",
        table(["requirement", "comes to", "message", "on"], rows),
    ]


def _where(
    runs: Sequence[Run], told: Callable[[Run, Record], tuple[str, ...] | None]
) -> list[list[str]]:
    """What is told of records, and of which runs and start methods the same is told."""
    found: dict[tuple[str, ...], dict[str, list[str]]] = {}
    for run in runs:
        for record in run.records:
            words = told(run, record)
            if words is not None:
                places = found.setdefault(words, {})
                places.setdefault(run.name, []).append(record["start_method"])
    methods = {run.name: run.methods for run in runs}
    return [[*words, _places(places, methods)] for words, places in sorted(found.items())]


def _places(places: dict[str, list[str]], methods: dict[str, list[str]]) -> str:
    """Runs of the same start methods together: ``CPython 3.13.0, 3.14.1: fork, spawn``."""
    by_methods: dict[str, list[str]] = {}
    for name, found in places.items():
        text = "all start methods" if found == methods[name] else ", ".join(found)
        by_methods.setdefault(text, []).append(name)
    return "<br>".join(f"{', '.join(names)}: {text}" for text, names in by_methods.items())


def _short(link: str) -> str:
    words = link.rstrip("/").split("/")
    return f"{words[-3]}#{words[-1]}" if words[-2] in {"issues", "pull"} else "discussed"


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("reports", nargs="+", type=Path, metavar="REPORT.json")
    parser.add_argument("--output", type=Path, metavar="FILE", help="default: standard output")
    options = parser.parse_args()
    files = [
        file
        for path in options.reports
        for file in ([path] if path.is_file() else path.glob("*.json"))
    ]
    if not files:
        parser.error(f"there are no reports in {', '.join(map(str, options.reports))}")
    runs = sorted(map(read, files), key=lambda run: run.order)
    if len({(run.run["backend"]["name"], run.run["level"]) for run in runs}) > 1:
        parser.error("the reports are not of one backend and one level: give those that are")
    if len({run.name for run in runs}) < len(runs):
        parser.error("two reports are of the same interpreter: give one of them")
    backend = Registry.with_entry_points().resolve(runs[0].run["backend"]["name"])
    entries = deviations.read(backend.deviations) if backend.deviations else []
    if options.output:
        options.output.write_text(page(runs, entries), encoding="utf-8")
    else:
        sys.stdout.write(page(runs, entries))
    return 0


if __name__ == "__main__":
    sys.exit(main())
