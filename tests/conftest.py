"""What several of the harness's tests use."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from mpspec.cli import main

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

ROOT = Path(__file__).parents[1]
# Each run compiles the suite anew when it may not keep what it compiled.
_NOT_INHERITED = ("PYTEST_", "COV_", "TOX_", "PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED")
# What ends a run.
_SIGNALS = (signal.SIGINT, signal.SIGHUP, signal.SIGTERM)


class Conformance:
    """Runs pytest with the plugin, in a folder of its own, as a user would."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.mark = f"{os.getpid()}-{time.monotonic_ns()}"
        self.environment = {
            **{
                name: value
                for name, value in os.environ.items()
                if not name.startswith(_NOT_INHERITED)
            },
            "PYTHONPATH": os.pathsep.join([str(ROOT), str(folder)]),
            "MPSPEC_TESTS_MARK": self.mark,
            "COLUMNS": "80",
        }

    def write(self, name: str, text: str) -> Path:
        """Put a file into the folder."""
        file = self.folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(textwrap.dedent(text), encoding="utf-8")
        return file

    def command(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a command of its own there, ``mpspec`` with the interpreter of these tests among them."""
        if words[0] == "mpspec":
            words = (
                sys.executable,
                "-c",
                "import sys; from mpspec.cli import main; sys.exit(main())",
                *words[1:],
            )
        return subprocess.run(
            words,
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def start(
        self, *arguments: str, ignored: Collection[signal.Signals] = ()
    ) -> subprocess.Popen[str]:
        """Start a run, and leave it running; it hears all signals that are not to be ignored."""
        # Where these tests themselves run under nohup, or in the background of a script, some are.
        kept = {each: signal.getsignal(each) for each in _SIGNALS}
        for each, handler in kept.items():
            if each in ignored:
                signal.signal(each, signal.SIG_IGN)
            elif handler is signal.SIG_IGN:
                signal.signal(each, signal.SIG_DFL)
        try:
            return subprocess.Popen(
                [sys.executable, "-m", "pytest", *arguments],
                cwd=self.folder,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )
        finally:
            for each, handler in kept.items():
                signal.signal(each, handler)

    def run(self, *arguments: str) -> tuple[int, str]:
        """Run to the end; gives exit status and output, and checks that no process is left."""
        process = self.start(*arguments)
        output, _ = process.communicate(timeout=120)
        assert self.survivors() == []
        return process.returncode, output

    def report(self, *arguments: str) -> tuple[int, dict[str, Any], str]:
        """Run to the end with a report; gives exit status, report and output."""
        file = self.folder / "report.json"
        status, output = self.run(*arguments, f"--conformance-report={file}")
        return status, json.loads(file.read_text(encoding="utf-8")), output

    def wait_for(self, name: str) -> None:
        """Wait until a run has made a file in the folder."""
        deadline = time.monotonic() + 60
        while not (self.folder / name).exists():
            assert time.monotonic() < deadline, f"no {name}"
            time.sleep(0.05)

    def survivors(self) -> list[str]:
        """Processes of the runs that are still there, a moment later."""
        deadline = time.monotonic() + 2
        while (found := self._marked()) and time.monotonic() < deadline:
            time.sleep(0.05)
        return found

    def _marked(self) -> list[str]:
        found = []
        for process in psutil.process_iter():
            try:
                if (
                    process.environ().get("MPSPEC_TESTS_MARK") == self.mark
                    and process.status() != psutil.STATUS_ZOMBIE
                ):
                    found.append(" ".join(process.cmdline()))
            except psutil.Error:
                continue
        return found


@pytest.fixture
def conformance(tmp_path: Path) -> Conformance:
    """Runs of the suite in a folder of their own."""
    return Conformance(tmp_path)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Conformance:
    """The same, for runs that several tests of a module look at."""
    return Conformance(tmp_path_factory.mktemp("shared"))


def verdicts(report: dict[str, Any]) -> dict[str, str]:
    """Verdict by requirement, of a report with one variant."""
    return {record["id"]: record["verdict"] for record in report["results"]}


@pytest.fixture
def told(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Call the command ``mpspec`` here with some words; gives exit status, output and error output."""

    def call(*words: str) -> tuple[int, str, str]:
        status = main(words)
        output = capsys.readouterr()
        return status, output.out, output.err

    return call
