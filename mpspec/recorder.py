"""The recorder: gathers the results in the process that the user started, and settles what the run came to."""

from __future__ import annotations

import dataclasses
import sys
from typing import TYPE_CHECKING

import pytest

from mpspec import journal
from mpspec.collection import settings_key
from mpspec.errors import MpspecError
from mpspec.results import RESULT_ATTRIBUTE, Report, Result, finish

if TYPE_CHECKING:
    from pathlib import Path

    from mpspec.registry import Registry
    from mpspec.settings import Settings

CONFORMS, DEPARTS, UNUSABLE = 0, 1, 2


class Recorder:
    """Listens to the tests' reports, tells mpspec's plugins, and sets the exit status."""

    def __init__(self, config: pytest.Config, registry: Registry, folder: Path) -> None:
        self._folder = folder
        self._settings: Settings = config.stash[settings_key]
        self._registry = registry
        self._results: list[Result] = []
        self._uncollected: list[str] = []
        self._interrupted = ""
        self._by_rule = False

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """One phase of a test has ended; its last report carries the result."""
        data = getattr(report, RESULT_ATTRIBUTE, None)
        if data is not None:
            result = Result.from_data(data)
            self._results.append(result)
            self._registry.hook.mpspec_outcome(result=result)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Remember what could not be collected."""
        text = report.longreprtext.strip()
        if report.failed and text not in self._uncollected:
            self._uncollected.append(text)

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        """Remember why the run ended early, and whether it was by a rule, such as ``-x``, that the user gave."""
        self._interrupted = str(excinfo.value) or excinfo.typename
        self._by_rule = excinfo.type is not KeyboardInterrupt and self._interrupted.startswith(
            "stopping after"
        )

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Settle the results, give them to the reports, and set the exit status."""
        if session.shouldfail:
            self._interrupted, self._by_rule = str(session.shouldfail), True
        report = self._finished()
        told = self._tell(report)
        if exitstatus == pytest.ExitCode.INTERRUPTED and self._by_rule:
            exitstatus = pytest.ExitCode.TESTS_FAILED  # as without workers
        if exitstatus in {
            pytest.ExitCode.OK,
            pytest.ExitCode.TESTS_FAILED,
            pytest.ExitCode.NO_TESTS_COLLECTED,
        }:
            session.exitstatus = _status(report, exitstatus) if told else UNUSABLE

    def _tell(self, report: Report) -> bool:
        """Give the report to all who want it; False if one of them can't do its part, such as write a file."""
        try:
            self._registry.hook.mpspec_report(report=report, settings=self._settings)
        except MpspecError as error:
            sys.stderr.write(f"\nERROR: {error}\n")
            return False
        return True

    def _finished(self) -> Report:
        unclaimed = {
            each.name: journal.unclaimed(self._folder, each.name)
            for each in self._settings.backends
        }
        report = finish(self._results, self._settings, self._interrupted)
        return dataclasses.replace(
            report, uncollected=tuple(self._uncollected), unclaimed=unclaimed
        )


def _status(report: Report, exitstatus: int) -> int:
    if report.conforms and exitstatus == pytest.ExitCode.OK:
        return CONFORMS
    # Besides departures: a module that can't be collected, or a failing test of the user's own in the same run.
    return DEPARTS if report.ran or exitstatus == pytest.ExitCode.TESTS_FAILED else UNUSABLE
