"""The report as JSON (``--conformance-report``), described by ``report.schema.json`` beside this module."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import os
import platform
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import mpspec
from mpspec import files
from mpspec.collection import requirement_of, settings_key, variant_of
from mpspec.hookspecs import hookimpl
from mpspec.reports.saved import SCHEMA_VERSION
from mpspec.results import Report, Result, finish
from mpspec.verdicts import Verdict

if TYPE_CHECKING:
    from collections.abc import Generator

    from mpspec.backends import Backend
    from mpspec.settings import Settings

SCHEMA = Path(__file__).with_name("report.schema.json")


@hookimpl(trylast=True)
def mpspec_report(report: Report, settings: Settings) -> None:
    """Write the file, whole or not at all: last, so that the other reports come even if it can't be written."""
    if settings.report is not None:
        files.replace(settings.report, _text(to_data(report, settings)))


def _text(data: dict[str, Any]) -> str:
    return json.dumps(data, indent=1, ensure_ascii=False) + "\n"


def to_data(report: Report, settings: Settings) -> dict[str, Any]:
    """The report as plain data."""
    return {
        "schema": SCHEMA_VERSION,
        "run": _run(report, settings),
        "results": [_record(result, settings) for result in report.results],
    }


def _run(report: Report, settings: Settings) -> dict[str, Any]:
    return {
        "mpspec": mpspec.__version__,
        "backends": [_backend(backend, report) for backend in settings.backends],
        "variants": [variant.name for variant in settings.variants],
        "interpreter": _interpreter(),
        "platform": platform.platform(),
        "edition": settings.edition,
        "level": settings.level.label,
        "patience": settings.patience,
        "command": shlex.join(sys.argv),
        "written": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "conforms": report.conforms,
        "interrupted": report.interrupted,
        "stale_deviations": [str(entry) for entry in report.stale],
    }


def _interpreter() -> str:
    """Its name, the version of the language and, where it counts its own releases, the release."""
    name = f"{platform.python_implementation()} {platform.python_version()}"
    release = ".".join(map(str, sys.implementation.version[:3]))
    return name if sys.implementation.name == "cpython" else f"{name} (release {release})"


def _backend(backend: Backend, report: Report) -> dict[str, Any]:
    return {
        "name": backend.name,
        "version": backend.version,
        "module": backend.module,
        "unclaimed": [*report.unclaimed.get(backend.name, ())],
    }


def _record(result: Result, settings: Settings) -> dict[str, Any]:
    requirement = settings.specification[result.id]
    return {
        "id": result.id,
        "chapter": requirement.chapter,
        "level": requirement.level.label,
        "backend": result.backend,
        "start_method": result.start_method,
        "variant": result.variant,
        "verdict": result.verdict.value,
        "test": result.test,
        "duration": result.duration,
        "message": result.message,
    }


class Running:
    """Keeps the file complete at every moment of a run in one process (``-n 0``), which a test may end.

    The record of the running test stands last, as CRASH. It is written over when the test has ended, so that the file
    of a run that came to a sudden end names the test that ended it.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._settings: Settings = config.stash[settings_key]
        if self._settings.report is None:
            message = "there is no file to keep"
            raise ValueError(message)
        nothing_yet = Report((), interrupted="the run came to a sudden end")
        files.replace(self._settings.report, _text(to_data(nothing_yet, self._settings)))
        self._file = self._settings.report.open("r+b", buffering=0)
        config.add_cleanup(self._file.close)
        text = self._settings.report.read_bytes()
        self._end = text.rindex(b"[]") + 1
        self._first = True

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        """Name the test that begins."""
        requirement = requirement_of(item)
        if requirement is not None:
            variant = variant_of(item)
            self._put(
                Result(
                    id=requirement.id,
                    backend=variant.backend.name,
                    start_method=variant.start_method,
                    verdict=Verdict.CRASH,
                    test=item.nodeid,
                    duration=0.0,
                    message="ended the process that ran the test",
                ),
            )
        return (yield)

    def mpspec_outcome(self, result: Result) -> None:
        """Put its result in the place."""
        (final,) = finish([result], self._settings).results
        self._end += self._put(final)
        self._first = False

    def _put(self, result: Result) -> int:
        record = json.dumps(_record(result, self._settings), ensure_ascii=False).encode()
        entry = (b"\n " if self._first else b",\n ") + record
        # What does not fit (a full disk) is told at the end of the run, when the whole report does not fit either.
        with contextlib.suppress(OSError):
            os.pwrite(self._file.fileno(), entry + b"\n]\n}\n", self._end)
            os.ftruncate(self._file.fileno(), self._end + len(entry) + 5)
        return len(entry)
