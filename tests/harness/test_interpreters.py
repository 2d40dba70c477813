"""docs/make_interpreters.py: the page that tells what several interpreters came to."""

from __future__ import annotations

import json
import platform
import sys
from typing import TYPE_CHECKING

import pytest

from tests.conftest import ROOT

if TYPE_CHECKING:
    from tests.conftest import Conformance

MEETS = "process.pid.none-before-start"
DEPARTS = "contexts.get-context.has-get-all-start-methods"
MAKE = [sys.executable, str(ROOT / "docs" / "make_interpreters.py")]


@pytest.fixture(scope="module")
def reports(shared: Conformance) -> Conformance:
    """Two reports in a folder: this interpreter's, and one that says it is of another, where a requirement failed."""
    selection = [f"--requirement={each}" for each in (MEETS, DEPARTS)]
    methods = ["--start-method=fork", "--start-method=spawn"]
    status, report, output = shared.report("--backend=stdlib", *selection, *methods, "-n0")
    assert status == 0, output
    shared.write("all/one.json", json.dumps(report))
    report["run"] |= {"interpreter": "Zython 3.11.2 (release 9.1.0)", "conforms": False}
    report["results"][0] |= {"verdict": "FAIL", "message": "got a|b"}
    shared.write("all/two.json", json.dumps(report))
    return shared


def test_page(reports: Conformance) -> None:
    assert reports.command(*MAKE, "--output=page.md", "all").returncode == 0
    page = (reports.folder / "page.md").read_text(encoding="utf-8")
    this = f"{platform.python_implementation()} {platform.python_version()}"
    assert f"| chapter | {this}<br>fork | {this}<br>spawn | Zython 3.11.2<br>fork |" in page
    assert "| process | 1 | 1 | 0 1F | 1 |" in page
    assert "| contexts | 0 1x | 0 1x | 0 1x | 0 1x |" in page
    assert "| total | 1 1x | 1 1x | 0 1x 1F | 1 1x |" in page
    assert "conforms: 2 PASS, 2 EXPECTED |" in page
    assert "Zython 3.11.2 (release 9.1.0)" in page
    assert "**does not conform**: 1 PASS, 2 EXPECTED, 1 FAIL |" in page
    assert f"| `{MEETS}` | FAIL | got a\\|b | Zython 3.11.2: fork |" in page
    assert f"| {this}, Zython 3.11.2: all start methods |" in page


def test_reports_must_go_together(reports: Conformance) -> None:
    done = reports.command(*MAKE, "all", "all/one.json")
    assert (done.returncode, done.stdout) == (2, "")
    assert "two reports are of the same interpreter" in done.stderr


def test_no_reports(reports: Conformance) -> None:
    (reports.folder / "empty").mkdir()
    done = reports.command(*MAKE, "empty")
    assert done.returncode == 2
    assert "no reports" in done.stderr
