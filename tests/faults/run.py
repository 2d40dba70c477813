"""Run the faults: ``python -m tests.faults.run``, from the project's folder.

Each fault is applied to a copy of the reference, and the tests of its requirement are run against the copy. A fault is
killed when they reject it; a requirement without a killed fault fails the check. The unchanged reference is run first,
under the same conditions: a test that rejects that one too would prove nothing.

A fault costs the run of its own tests: pytest and the suite's machinery are imported once, and each fault is run in
a fork of this process.
"""

from __future__ import annotations

import argparse
import dataclasses
import fnmatch
import gc
import importlib
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
import types
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from mpspec import specification
from mpspec.verdicts import Verdict
from tests.faults import catalogue

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.faults.catalogue import Fault

# What every run would import; its forks find it there.
_PRELOADED = (
    "mpspec_backends", "mpspec.cli", "mpspec.companion", "mpspec.fixtures", "mpspec.programs", "mpspec.session",
    "mpspec.supervision", "mpspec.warming", "mpspec.reports.terminal", "pdb", "unittest", "xml.etree.ElementTree",
)  # fmt: skip
_PLUGINS = [each.load() for each in entry_points(group="pytest11")]
# Faults that make a test hang are common: wait for them 5 s instead of 20.
_PATIENCE = 0.25
# What becomes of a fault that is not killed: the tests accept it, or could not be run (which proves nothing).
_SURVIVED = "survived"
_NOT_RUN = "not run"
_NOT_KILLED = frozenset({_SURVIVED, _NOT_RUN})
# A run that its own deadlines do not end is ended after so many seconds.
_LIMIT = 60.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what the command line names; 0 when every requirement has a killed fault."""
    options = _options(arguments)
    known = specification.load([specification.SPEC_DIR])
    try:
        ids = wanted(known, options.requirement or ["*"])
    except LookupError as error:
        sys.stderr.write(f"{error.args[0]}\n")
        return 2
    if options.sample:
        print(f"a sample of {options.sample}, drawn with --seed={options.seed}")
        size = min(options.sample, len(ids))
        ids = set(random.Random(options.seed).sample(sorted(ids), size))
    faults = [fault for fault in catalogue.read() if fault.requirement in ids]
    ids -= _for_other_pythons(faults)
    faults = [fault for fault in faults if fault.runs_here and fault.requirement in ids]
    _preload()
    with tempfile.TemporaryDirectory(prefix="mpspec-faults-") as folder:
        runner = Runner(Path(folder), known, options.jobs)
        try:
            runner.check(faults)
        except catalogue.FaultError as error:
            sys.stderr.write(f"{error}\n")
            return 2
        if not runner.baseline_holds(sorted(ids)):
            return 1
        started = time.monotonic()
        verdicts = runner.run(faults)
    _print_table(verdicts)
    return _print_verdict(ids, verdicts, time.monotonic() - started)


def _preload() -> None:
    for name in _PRELOADED:
        importlib.import_module(name)
    # What is here stays: the collector of a fork need not go through it.
    gc.collect()
    gc.freeze()


def wanted(known: specification.Specification, patterns: Sequence[str]) -> set[str]:
    """The ids that match any of the patterns; LookupError when one of them matches none."""
    ids: set[str] = set()
    for pattern in patterns:
        matching = fnmatch.filter([each.id for each in known], pattern)
        if not matching:
            message = f"--requirement={pattern}: no requirement has that id"
            raise LookupError(message)
        ids.update(matching)
    return ids


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.faults.run",
        description="Prove that each requirement's test can fail.",
    )
    parser.add_argument(
        "--requirement",
        action="append",
        metavar="ID",
        help="only those whose id matches this pattern; may be repeated",
    )
    parser.add_argument(
        "--sample", type=int, default=0, metavar="N", help="only N requirements, drawn at random"
    )
    parser.add_argument(
        "--seed", type=int, default=int(time.time()), help="draw the same sample again"
    )
    parser.add_argument(
        "--jobs",
        type=int,
        default=3 * (os.cpu_count() or 1),
        metavar="N",
        help="faults at a time (default: three a core, for more than half of a fault's time is waiting)",
    )
    return parser.parse_args(arguments)


def _for_other_pythons(faults: Sequence[Fault]) -> set[str]:
    """The requirements that only another Python can prove; says so."""
    here = {fault.requirement for fault in faults if fault.runs_here}
    others = {fault.requirement: fault.python for fault in faults if fault.requirement not in here}
    for requirement, python in others.items():
        print(f"needs Python {python}: {requirement}")
    return set(others)


@dataclasses.dataclass
class _Trial:
    """A fault that is tried, under some start methods first: most faults are killed by the first.

    Attributes:
        place: the folder of its copy of the reference.
        methods: the start methods that it is run under now.
        rest: those for afterwards, should it survive.
        started: when it began, by the monotonic clock.
    """

    fault: Fault
    place: Path
    methods: tuple[str, ...]
    rest: tuple[str, ...]
    started: float = 0.0


class Runner:
    """Runs faults in forks of this process, several at a time."""

    def __init__(self, folder: Path, known: specification.Specification, jobs: int) -> None:
        self._folder = folder
        self._known = known
        self._jobs = jobs
        self._reference = catalogue.compiled_reference(folder / "unchanged")

    def check(self, faults: Sequence[Fault]) -> None:
        """See that each fault can be applied, before any is run; FaultError for one that can't."""
        for fault in faults:
            fault.changed(self._reference)

    def baseline_holds(self, ids: Sequence[str]) -> bool:
        """Whether the unchanged reference passes the tests; prints what does not."""
        place = self._folder / "baseline"
        catalogue.copy_of(self._reference, place)
        holds = True
        for edition in sorted(
            {self._known[each].last for each in ids}, key=specification.edition_key
        ):
            some = [each for each in ids if self._known[each].last == edition]
            pid = self._start(place, some, edition, (), stop=False)
            os.waitpid(pid, 0)
            for each in _results(place):
                if each["verdict"] != "PASS":
                    holds = False
                    print(
                        f"the unchanged reference: {each['verdict']} {each['id']} on {each['variant']}: {each['message']}"
                    )
            (place / "report.json").unlink(missing_ok=True)
        return holds

    def run(self, faults: Sequence[Fault]) -> dict[Fault, str]:
        """What became of each fault: the verdict that killed it, or that it was not killed."""
        verdicts: dict[Fault, str] = {}
        running: dict[int, _Trial] = {}
        waiting = [self._trial(fault, number) for number, fault in enumerate(faults)][::-1]
        while waiting or running:
            while waiting and len(running) < self._jobs:
                trial = waiting.pop()
                running[self._begin(trial)] = trial
            trial = running.pop(_wait_for_one(running))
            verdict = _verdict(trial.place)
            if verdict == _SURVIVED and trial.rest:
                (trial.place / "report.json").unlink()
                waiting.append(dataclasses.replace(trial, methods=trial.rest, rest=()))
                continue
            verdicts[trial.fault] = verdict
            if verdict in _NOT_KILLED:
                output = (trial.place / "output").read_text()
                print(f"{verdict}: {trial.fault.requirement}\n  {trial.fault}\n{output[-2000:]}")
            shutil.rmtree(trial.place)
        return verdicts

    def _trial(self, fault: Fault, number: int) -> _Trial:
        requirement = self._known[fault.requirement]
        methods = fault.start_methods or tuple(
            filter(requirement.speaks_of, specification.START_METHODS)
        )
        return _Trial(fault, self._folder / f"fault-{number}", methods[:1], methods[1:])

    def _begin(self, trial: _Trial) -> int:
        fault = trial.fault
        if not trial.place.exists():
            fault.apply(catalogue.copy_of(self._reference, trial.place))
        trial.started = time.monotonic()
        edition = self._known[fault.requirement].last
        return self._start(trial.place, [fault.requirement], edition, trial.methods, stop=True)

    def _start(
        self, place: Path, ids: Sequence[str], edition: str, methods: Sequence[str], *, stop: bool
    ) -> int:
        arguments = [
            "--backend=reference", "-n0" if stop else "-nauto", f"--edition={edition}", "--level=de-facto",
            f"--patience={_PATIENCE}", f"--conformance-report={place / 'report.json'}", "-pno:cacheprovider", "--tb=short",
            *(f"--requirement={each}" for each in ids), *(f"--start-method={method}" for method in methods),
            *(["-x"] if stop else []),
        ]  # fmt: skip
        pid = os.fork()
        if pid:
            return pid
        os.setsid()
        output = os.open(place / "output", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.chdir(place)
        sys.path.insert(0, str(place))
        # Or each child under spawn would import this program, and pytest with it.
        sys.modules["__main__"] = types.ModuleType("__main__")
        os.environ["PYTHONPATH"] = str(place)
        sys.stdout.flush()
        os._exit(int(pytest.main(arguments)))


def _wait_for_one(running: Mapping[int, _Trial]) -> int:
    """Wait until one of the forks has ended; one that does not end by itself is ended."""
    while True:
        for pid, trial in running.items():
            if time.monotonic() - trial.started > _LIMIT:
                os.killpg(pid, signal.SIGKILL)
            if os.waitpid(pid, os.WNOHANG)[0]:
                _end_group(pid)
                return pid
        time.sleep(0.01)


def _end_group(pid: int) -> None:
    try:
        os.killpg(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def _results(place: Path) -> list[dict[str, str]]:
    report = place / "report.json"
    if not report.exists():
        message = f"the run left no report; it printed:\n{(place / 'output').read_text()}"
        raise catalogue.FaultError(message)
    results: list[dict[str, str]] = json.loads(report.read_text(encoding="utf-8"))["results"]
    return results


def _verdict(place: Path) -> str:
    """The verdict that killed a fault, or one of the two words for a fault that was not killed."""
    worst = max((Verdict(each["verdict"]) for each in _results(place)), default=Verdict.ERROR)
    if worst is Verdict.ERROR:
        return _NOT_RUN
    return worst.value if worst.is_departure else _SURVIVED


def _print_table(verdicts: dict[Fault, str]) -> None:
    table = Table(box=None, pad_edge=False, expand=True)
    table.add_column("requirement", no_wrap=True)
    table.add_column("verdict", no_wrap=True)
    table.add_column("fault", overflow="ellipsis", no_wrap=True, ratio=1)
    for fault, verdict in sorted(verdicts.items(), key=lambda pair: pair[0].requirement):
        style = "red" if verdict in _NOT_KILLED else "green"
        table.add_row(fault.requirement, f"[{style}]{verdict}[/]", escape(str(fault)))
    Console(width=None if sys.stdout.isatty() else 140).print(table)


def _print_verdict(ids: set[str], verdicts: dict[Fault, str], seconds: float) -> int:
    killed = {
        fault.requirement for fault, verdict in verdicts.items() if verdict not in _NOT_KILLED
    }
    for each in sorted(ids - killed):
        listed = any(fault.requirement == each for fault in verdicts)
        print(f"{'no killed fault' if listed else 'no fault'}: {each}")
    left = sum(verdict in _NOT_KILLED for verdict in verdicts.values())
    print(
        f"{len(killed)} of {len(ids)} requirements have a killed fault; {len(verdicts)} faults, {left} not killed, {seconds:.0f} s"
    )
    return 0 if killed == ids and not left else 1


if __name__ == "__main__":
    sys.exit(main())
