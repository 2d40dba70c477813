"""The supervised workers, seen from the process that the user started.

pytest-xdist starts the workers, hands them tests and replaces one that died. This module gives a dead worker's test its
verdict, and sees to it that nothing of a worker outlives it.
"""

from __future__ import annotations

import collections
import contextlib
import functools
import os
import re
import select
import sys
import threading
import time
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from mpspec import interrupts, journal, leaks
from mpspec.collection import settings_key
from mpspec.results import RESULT_ATTRIBUTE, Result
from mpspec.verdicts import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from xdist.scheduler import Scheduling
    from xdist.workermanage import WorkerController

    from mpspec.settings import Settings

# So often a test is handed to another worker, when the one that should run it did not come to it.
_MOST_ATTEMPTS = 5
# Seconds between two looks at whether a worker runs, where the system can't tell when it ends.
_GLANCE = 0.05
# What pytest-xdist says of a worker that has ended.
_ALARM = re.compile(r"\[(\w+)\] node down: |replacing crashed worker (\w+)")


class Workers:
    """The hooks around pytest-xdist's workers."""

    def __init__(self, config: pytest.Config, folder: Path) -> None:
        self._config = config
        self._settings: Settings = config.stash[settings_key]
        self._folder = folder
        self._pids: dict[str, int] = {}
        self._again: collections.Counter[str] = collections.Counter()
        interrupts.take_for_ctrl_c(config)

    def pytest_sessionstart(self) -> None:
        """Keep pytest-xdist from raising the alarm over each worker that ends: its test's verdict tells it."""
        for name, method in (("terminaldistreporter", "write_line"), ("dsession", "report_line")):
            plugin = self._config.pluginmanager.get_plugin(name)
            if plugin is not None:
                setattr(plugin, method, self._calmed(getattr(plugin, method)))

    def _calmed(self, write: Callable[[str], None]) -> Callable[[str], None]:
        def write_unless_settled(line: str) -> None:
            found = _ALARM.search(line)
            worker = found and (found[1] or found[2])
            note = journal.read(self._folder, worker) if worker else None
            if (
                note is None or not note.test
            ):  # it never came to a test: there is no verdict that would tell
                write(line)
            elif found and found[2] and self._config.option.verbose > 0:
                write(f"{worker} has ended with its test, and is replaced")

        return write_unless_settled

    def pytest_configure_node(self, node: WorkerController) -> None:
        """Tell a worker where the journal is."""
        node.workerinput[journal.WORKER_INPUT] = str(self._folder)
        node.sendcommand = _undisturbed(node.sendcommand)

    def pytest_testnodeready(self, node: WorkerController) -> None:
        """Watch a worker: its children must not keep its pipe open when it dies, or its death would go unnoticed."""
        note = journal.read(self._folder, node.gateway.id)
        if note is not None:
            self._pids[node.gateway.id] = note.pid
            _when_ended(note.pid, functools.partial(self._end_group, node.gateway.id))

    @pytest.hookimpl(tryfirst=True)
    def pytest_report_from_serializable(self, data: dict[str, object]) -> None:
        """Let the reports share their words: pytest keeps thousands of them until the run is over."""
        data.update(_shared(data))

    def pytest_handlecrashitem(
        self, crashitem: str, report: pytest.TestReport, sched: Scheduling
    ) -> None:
        """Give the test that ended its worker a verdict.

        A worker that went on purpose has reported already; one that did not come to the test leaves it to another.
        """
        worker = report.node.gateway.id
        self._end_group(worker)
        note = journal.read(self._folder, worker)
        met = note is not None and note.test == crashitem
        if note is not None and note.warming:
            journal.avoid_warming(self._folder, note.warming)
        if note is None or not met or note.warming:
            self._again[crashitem] += 1
            if self._again[crashitem] > _MOST_ATTEMPTS:
                return
            sched.mark_test_pending(crashitem)
        if note is None or not (met and note.running) or note.warming:
            report.outcome, report.when = (
                "passed",
                "teardown",
            )  # which pytest counts as no test of its own
            return
        verdict = Verdict.HANG if note.dump else Verdict.CRASH
        message = "ended the process that ran the test"
        if verdict is Verdict.HANG:
            message = "did not end, and could not be interrupted: the process that ran it was ended"
        result = Result(
            id=note.id,
            backend=note.backend,
            start_method=note.start_method,
            verdict=verdict,
            test=note.test,
            duration=0.0,
            message=message,
            details=note.dump,
        )
        report.longrepr = f"{crashitem}: {message}\n{note.dump}"
        setattr(report, RESULT_ATTRIBUTE, result.to_data())
        entry = self._settings.deviation(result.id, result.variant)
        if entry is not None and entry.verdict is verdict:
            report.outcome = "skipped"
            report.wasxfail = entry.reason

    @pytest.hookimpl(tryfirst=True)
    def pytest_keyboard_interrupt(self) -> None:
        """Do not wait for tests that nobody waits for any more."""
        self._end()

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self) -> None:
        """Leave nothing behind."""
        self._end()

    def _end(self) -> None:
        for worker in self._pids:
            self._end_group(worker)
        # With a worker that did not end by itself went the tracker that would have cleaned up after it.
        leaks.unlink(journal.names(self._folder))

    def _end_group(self, worker: str) -> None:
        note = journal.read(self._folder, worker)
        leaks.end_group(self._pids[worker], note.helpers if note else ())


def _shared(value: Any) -> Any:  # noqa: ANN401 - whatever a report is made of
    """The same, each text that occurs in it being one object wherever it occurs."""
    if isinstance(value, str):
        return sys.intern(value)
    if isinstance(value, dict):
        return {_shared(key): _shared(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_shared(each) for each in value)
    return value


def _undisturbed(send: Callable[..., None]) -> Callable[..., None]:
    """Send to a worker that may have ended meanwhile: its end is about to be noticed, and its tests go to others."""

    def send_if_possible(name: str, **kwargs: object) -> None:
        with contextlib.suppress(OSError):
            send(name, **kwargs)

    return send_if_possible


def _when_ended(pid: int, callback: Callable[[], None]) -> None:
    process = psutil.Process(pid)
    descriptor = os.pidfd_open(pid) if hasattr(os, "pidfd_open") else None

    def watch() -> None:
        if descriptor is None:
            while leaks.runs(process):
                time.sleep(_GLANCE)
        else:
            poll = select.poll()
            poll.register(descriptor, select.POLLIN)
            poll.poll()
            os.close(descriptor)
        callback()

    threading.Thread(target=watch, name=f"watch-{pid}", daemon=True).start()
