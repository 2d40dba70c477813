"""Supervision of the tests in one process: verdicts, what is left behind, and when the process must go.

Each worker of a run (and, with ``-n 0``, the one process) has a Supervisor. What it can't survive, the process that
started the workers deals with: see ``mpspec.workers``.
"""

from __future__ import annotations

import contextlib
import ctypes
import dataclasses
import gc
import os
import signal
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest

from mpspec import departure, leaks
from mpspec.collection import requirement_of, settings_key, variant_of
from mpspec.deadline import Deadline, Hang
from mpspec.errors import SuiteError
from mpspec.results import RESULT_ATTRIBUTE, Result, blocks
from mpspec.settings import TEST_DEADLINE
from mpspec.verdicts import Verdict
from mpspec.warming import warm_up

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable, Sequence

    from mpspec.backends import Backend
    from mpspec.journal import Journal
    from mpspec.settings import Settings, Variant

_SETTLE = 1.0
# The part of a deadline that is given to a test which is listed to hang: it has hung through a whole one before.
_LISTED = 0.25
_STDERR = 2
_RETIRED = 0
_PR_SET_CHILD_SUBREAPER = 36
_M_MMAP_THRESHOLD = -3
_LARGE_BLOCK = 1 << 18


class Leak(Exception):  # noqa: N818 - a verdict
    """A test has left something behind."""


@dataclasses.dataclass
class _Progress:
    """What is known of the test that runs."""

    verdict: Verdict = Verdict.PASS
    message: str = ""
    details: str = ""
    duration: float = 0.0


class Supervisor:
    """Runs the tests of the suite in this process, one after the other, so that none can harm the next."""

    def __init__(self, config: pytest.Config, journal: Journal, *, replaceable: bool) -> None:
        self._settings: Settings = config.stash[settings_key]
        self._journal = journal
        self._replaceable = replaceable
        self._keeper = leaks.Keeper(_SETTLE * self._settings.patience, journal.made_here)
        leaks.tell_names(journal.made)
        self._deadline = Deadline(
            TEST_DEADLINE * self._settings.patience, journal, replaceable=replaceable
        )
        self._progress = _Progress()
        self._warm: set[Backend] = set()
        self._sessions = contextlib.ExitStack()
        self._unusable: dict[Backend, Exception] = {}
        self._claims: dict[str, frozenset[str]] = {}
        self._must_go = False
        self._held: list[str] = []

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        """Journal the test, so that whoever finds this process dead knows what it was doing."""
        requirement = requirement_of(item)
        if requirement is None:
            self._keeper.forget()
            return (yield)
        self._progress = _Progress()
        self._journal.begin(item.nodeid, requirement.id, variant_of(item))
        self._prepare(variant_of(item).backend, item.session.items)
        self._keeper.begin()
        part = _LISTED if self._hangs(requirement.id, variant_of(item)) else 1
        self._deadline.start(self._keeper.spared, part)
        try:
            outcome = yield
        finally:
            self._deadline.stop()
            self._journal.end()
        if self._must_go and self._replaceable:
            # Not those that clean up after the others when this process is gone.
            leaks.kill(set(leaks.descendants(os.getpid())) - self._keeper.helpers)
            os._exit(_RETIRED)
        return outcome

    def _hangs(self, requirement: str, variant: Variant) -> bool:
        entry = self._settings.deviation(requirement, variant.name)
        return entry is not None and entry.verdict is Verdict.HANG

    def _prepare(self, backend: Backend, items: Sequence[pytest.Item]) -> None:
        if backend in self._warm:
            return
        self._warm.add(backend)
        os.environ.update(backend.environment)
        try:
            self._sessions.enter_context(backend.session())
        except Exception as error:  # noqa: BLE001 - whatever it is, each test of the backend tells it
            self._unusable[backend] = error
        self._claims[backend.name] = backend.claims()
        self._journal.tell_unclaimed(backend.name, backend.unclaimed())
        methods = _methods_needed(backend, items)
        for method in methods:
            variant = f"{backend.name}-{method}"
            if self._journal.bears_warming(variant):
                with self._journal.warming(variant), self._quiet():
                    warm_up(backend, method, self._deadline, first=method == methods[0])
        gc.collect()
        if hasattr(gc, "freeze"):
            # What pytest and the suite hold needs no looking at in every collection that a leak asks for.
            gc.freeze()
        self._keeper.know_helpers()
        self._journal.tell_helpers(self._keeper.helpers)

    @contextlib.contextmanager
    def _quiet(self) -> Generator[None, None, None]:
        """Keep what a backend's servers have to say, whenever they say it, out of a worker's share of the terminal."""
        if not self._replaceable:
            yield
            return
        kept, nowhere = os.dup(_STDERR), os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, _STDERR)
        os.close(nowhere)
        try:
            yield
        finally:
            os.dup2(kept, _STDERR)
            os.close(kept)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Leave out what the backend does not offer, and what rests on something that has failed.

        No wrapper: those of other plugins must have begun what they end when the test is torn down.
        """
        requirement = requirement_of(item)
        if requirement is None:
            return
        variant = variant_of(item)
        if (error := self._unusable.get(variant.backend)) is not None:
            message = f"the backend's session can't be entered: {type(error).__name__}: {error}"
            raise RuntimeError(message) from error
        lacking = sorted(requirement.capabilities - self._claims[variant.backend.name])
        if lacking:
            self._skip(Verdict.NOT_OFFERED, f"the backend does not claim {', '.join(lacking)}")
        for need in self._settings.specification.prerequisites(requirement.id):
            if self._journal.has_failed(need, variant):
                self._skip(Verdict.BLOCKED, f"rests on {need}, which has failed")

    def _skip(self, verdict: Verdict, message: str) -> None:
        self._progress.verdict = verdict
        self._progress.message = message
        pytest.skip(message)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, object, object]:
        """Hold the test to its deadline."""
        if requirement_of(item) is None:
            return (yield)
        with self._deadline.phase():
            return (yield)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> Generator[None, object, object]:
        """See what the test has left behind, and remove it."""
        if requirement_of(item) is None:
            return (yield)
        with self._deadline.phase():
            result = yield
        found = self._keeper.find(held=self._progress.verdict is not Verdict.PASS)
        self._journal.tell_helpers(self._keeper.helpers)
        if found:
            self._remove(found)
        return result

    def _remove(self, found: leaks.Leaks) -> None:
        message = f"left behind: {found.describe()}"
        passed = self._progress.verdict is Verdict.PASS
        leaks.kill(found.processes)
        if passed:
            leaks.unlink(found.segments)
        else:
            # The traceback of a failed test still holds its objects, and they their names and descriptors.
            self._held.extend(found.segments)
        self._must_go = self._must_go or bool(found.threads) or (passed and bool(found.descriptors))
        self._keeper.keep()
        if passed:
            raise Leak(message)

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(
        self, fixturedef: pytest.FixtureDef[Any]
    ) -> Generator[None, object, object]:
        """Hold fixtures to the deadline of the test, and know what those that outlive it hold."""
        with self._deadline.phase():
            result = yield
        if fixturedef.scope != "function":
            self._keeper.keep()
        return result

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Give the report its verdict, and pytest's outcome the meaning that the deviations give it."""
        report = yield
        requirement = requirement_of(item)
        if requirement is None:
            return report
        self._judge(call, report)
        result = self._result(item)
        if report.when == "teardown":
            setattr(report, RESULT_ATTRIBUTE, result.to_data())
            if blocks(result, self._settings):
                self._journal.fail(result)
        self._apply_deviation(report, result, item)
        return report

    def _judge(self, call: pytest.CallInfo[None], report: pytest.TestReport) -> None:
        progress = self._progress
        progress.duration += call.duration
        if call.excinfo is None or report.skipped:
            return
        verdict = verdict_of(call.excinfo.value)
        if verdict is Verdict.HANG:
            self._must_go = True
        if verdict > progress.verdict:
            progress.verdict = verdict
            progress.message = _message(call.excinfo)
            progress.details = report.longreprtext
            if verdict is Verdict.HANG:
                report.sections.append(
                    ("all threads when the deadline was over", self._deadline.dump)
                )
                progress.details += self._deadline.dump

    def _result(self, item: pytest.Item) -> Result:
        requirement, variant, progress = requirement_of(item), variant_of(item), self._progress
        if requirement is None:
            message = f"{item.nodeid} tests no requirement"
            raise SuiteError(message)
        return Result(
            id=requirement.id,
            backend=variant.backend.name,
            start_method=variant.start_method,
            verdict=progress.verdict,
            test=item.nodeid,
            duration=round(progress.duration, 4),
            message=progress.message,
            details=progress.details,
        )

    def _apply_deviation(
        self, report: pytest.TestReport, result: Result, item: pytest.Item
    ) -> None:
        entry = self._settings.deviation(result.id, result.variant)
        if entry is None or (result.verdict is Verdict.PASS and entry.intermittent):
            return
        # A requirement may have several tests. The worst counts; the run's report says whether it is the listed one.
        if report.failed and result.verdict <= entry.verdict:
            report.outcome = "skipped"
            report.wasxfail = entry.reason
        elif report.when == "teardown" and result.verdict is Verdict.PASS and _is_only_one(item):
            report.outcome = "failed"
            report.longrepr = (
                f"{result.id} is listed as {entry.verdict.value} in {entry.source}, but it passes"
            )

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Take down what backends needed, and remove what failed tests held."""
        self._deadline.close()
        self._sessions.close()
        for last in ("last_type", "last_value", "last_exc", "last_traceback"):
            # pytest keeps the last failure for a debugger, and with it the objects of its test, which would miss
            # their names at the interpreter's end.
            vars(sys).pop(last, None)
        if self._held and hasattr(gc, "unfreeze"):
            # What failed for one backend may have been frozen when the next one was prepared.
            gc.unfreeze()
        gc.collect()
        leaks.unlink(self._held)
        if not self._replaceable:
            departure.ensure(session, self._settings.patience)


def _is_only_one(item: pytest.Item) -> bool:
    """Whether no other test of this run is of the same requirement, on the same variant."""
    requirement, variant = requirement_of(item), variant_of(item)
    same = [
        other
        for other in item.session.items
        if requirement_of(other) is requirement and variant_of(other) is variant
    ]
    return len(same) == 1


def _methods_needed(backend: Backend, items: Iterable[pytest.Item]) -> list[str]:
    """The start methods of a backend that the tests of this run use; those about contexts may use any."""
    needed: set[str] = set()
    for item in items:
        requirement = requirement_of(item)
        if requirement is not None and variant_of(item).backend == backend:
            if "contexts" in requirement.capabilities:
                return list(backend.start_methods)
            needed.add(variant_of(item).start_method)
    return [method for method in backend.start_methods if method in needed]


def verdict_of(error: BaseException) -> Verdict:
    """The verdict that an exception stands for."""
    match error:
        case Hang():
            return Verdict.HANG
        case Leak():
            return Verdict.LEAK
        case SuiteError() | LookupError() if type(error) in {SuiteError, LookupError}:
            return Verdict.ERROR
        case pytest.FixtureLookupError():
            return Verdict.ERROR
        case _:
            return Verdict.FAIL


def adopt_orphans() -> None:
    """Become the parent of descendants whose own parent ends (Linux), so that none gets out of sight."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def hear_signals() -> None:
    """Undo that signals are ignored, as they are where nohup, or a script in its background, has started the run.

    Children inherit it, and what a signal does to them is for the backend to say.
    """
    for each in (signal.SIGINT, signal.SIGHUP, signal.SIGQUIT, signal.SIGTERM):
        if signal.getsignal(each) is signal.SIG_IGN:
            usual = signal.default_int_handler if each is signal.SIGINT else signal.SIG_DFL
            signal.signal(each, usual)


def give_memory_back() -> None:
    """Have large blocks of memory returned to the system as soon as they are free (glibc).

    Else its allocator learns from the first large message to keep what the next ones take: a worker doubles in size.
    """
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, _LARGE_BLOCK)


def unhook_children() -> None:
    """Give forked children the interpreter's own hooks.

    pytest's keep what threads and finalizers raised, and with it all objects that its frames refer to, until a test of
    this process ends: in a child, for ever. A manager's server would never be rid of what it deleted.
    """
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_reset_hooks)


def _reset_hooks() -> None:
    threading.excepthook = threading.__excepthook__
    sys.unraisablehook = sys.__unraisablehook__


def _message(excinfo: pytest.ExceptionInfo[BaseException]) -> str:
    text = excinfo.exconly(tryshort=True).strip()
    return (
        text.removeprefix("AssertionError: ")
        .removeprefix(f"{Hang.__module__}.Hang: ")
        .removeprefix(f"{__name__}.Leak: ")
    )
