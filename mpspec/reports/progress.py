"""What a person sees while a run goes on: what is tested, then a line when a chapter is through on a variant."""

from __future__ import annotations

import collections
import re
from pathlib import PurePath
from typing import TYPE_CHECKING

import pytest

from mpspec.collection import settings_key
from mpspec.verdicts import Verdict

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Sequence

    from mpspec.backends import Backend
    from mpspec.results import Report, Result
    from mpspec.settings import Settings

_VARIANT = re.compile(r"\[([^\]]+)\]$")


class Progress:
    """The terminal's side of a run; takes the place of pytest's dots, which know no variants."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._settings: Settings = config.stash[settings_key]
        self._chapters = frozenset(self._settings.specification.chapters)
        self._waiting: collections.Counter[tuple[str, str]] = collections.Counter()
        self._letters: dict[tuple[str, str], list[Verdict]] = collections.defaultdict(list)
        self._report: Report | None = None
        self._total = 0

    @property
    def _terminal(self) -> pytest.TerminalReporter | None:
        plugin: pytest.TerminalReporter | None = self._config.pluginmanager.get_plugin(
            "terminalreporter"
        )
        return plugin

    @property
    def _quiet(self) -> bool:
        return bool(self._config.option.verbose != 0)

    def pytest_report_header(self) -> list[str]:
        """Say what is tested, and what it is held to."""
        settings = self._settings
        subjects = [
            f"{backend.name} {backend.version} ({'/'.join(methods)})"
            for backend, methods in _methods(settings).items()
        ]
        held = f"documentation {settings.edition}, level {settings.level.label}"
        lines = [*subjects, f"{held}, {len(settings.deviations)} listed deviations"]
        return [
            f"{'        ' if number else 'mpspec: '}{line}" for number, line in enumerate(lines)
        ]

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Count what is to come (in one process)."""
        self._expect([item.nodeid for item in session.items])

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: Sequence[str]) -> None:
        """Count what is to come (from the first worker; all collect the same)."""
        if not self._total:
            self._expect(ids)

    def _expect(self, ids: Iterable[str]) -> None:
        for nodeid in ids:
            found = _VARIANT.search(nodeid)
            if found:
                self._total += 1
                self._waiting[self._chapter(nodeid), found[1]] += 1
        if self._terminal is not None and not self._quiet:
            self._terminal.showfspath = False

    def _chapter(self, nodeid: str) -> str:
        """The chapter of a test: its module, or the package that its module is in."""
        path = PurePath(nodeid.partition("::")[0])
        return path.parent.name if path.parent.name in self._chapters else path.stem

    def pytest_runtest_logstart(self) -> None:
        """Show what was written so far, also in a pipe or a file: the test that begins may take long."""
        if self._terminal is not None:
            self._terminal.flush()

    @pytest.hookimpl(wrapper=True)
    def pytest_report_teststatus(
        self, report: pytest.TestReport
    ) -> Generator[None, tuple[str, str, object], tuple[str, str, object]]:
        """Count as pytest does, but print nothing for a single test unless asked for more."""
        category, letter, word = yield
        if self._quiet or not _VARIANT.search(report.nodeid):
            return category, letter, word
        return category, "", ""

    def mpspec_outcome(self, result: Result) -> None:
        """Print a line when the last test of a chapter on a variant has ended."""
        found = _VARIANT.search(result.test)
        if found is None or self._quiet or self._terminal is None:
            return
        key = (self._chapter(result.test), found[1])
        listed = self._settings.deviation(result.id, result.variant)
        expected = listed is not None and result.verdict is listed.verdict
        self._letters[key].append(Verdict.EXPECTED if expected else result.verdict)
        self._waiting[key] -= 1
        if not self._waiting[key]:
            self._line(key)

    def _line(self, key: tuple[str, str]) -> None:
        terminal, verdicts = self._terminal, self._letters.pop(key)
        if terminal is None:
            return
        chapter, variant = key
        done = self._total - sum(self._waiting.values())
        # The eye looks for what is not a dot: the dots are told in a number. Worst first: the line may be cut.
        others = sorted(
            (verdict for verdict in verdicts if verdict is not Verdict.PASS), reverse=True
        )
        letters = "".join(verdict.letter for verdict in others)
        passed = sum(verdict is Verdict.PASS for verdict in verdicts)
        percent = f"[{done * 100 // max(self._total, 1):3d}%]"
        text = f"{variant:<20} {chapter:<16} {passed:>4} of {len(verdicts):<4} {letters}"
        room = max(terminal._tw.fullwidth - len(percent) - 1, 20)  # noqa: SLF001 - the width has no public name
        bad = any(verdict.fails_the_run for verdict in verdicts)
        terminal.write_line(f"{text[:room]:<{room}} {percent}", red=bad, green=not bad)
        terminal.flush()

    def mpspec_report(self, report: Report) -> None:
        """Keep the report for the summary."""
        self._report = report

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print the summary, when there is something to sum up."""
        if self._report is not None:
            from mpspec.reports import (
                terminal,
            )  # and with it rich, which workers and other runs do without

            terminal.summarize(
                terminalreporter, self._report, self._settings, self._config.option.deviations or ()
            )


def _methods(settings: Settings) -> dict[Backend, list[str]]:
    found: dict[Backend, list[str]] = {}
    for variant in settings.variants:
        found.setdefault(variant.backend, []).append(variant.start_method)
    return found
