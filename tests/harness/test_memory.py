"""What a run holds until its end is held once."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.conftest import Conformance

CONFTEST = """
    from pathlib import Path

    reports = []

    def pytest_runtest_logreport(report):
        reports.append(report)

    def pytest_sessionfinish(session):
        if not hasattr(session.config, "workerinput"):
            texts = [text for report in reports for text in (*report.keywords, report.location[0])]
            told = f"{len(reports)} {len(set(texts))} {len({id(text) for text in texts})}"
            (Path(__file__).parent / "told.txt").write_text(told)
    """


def test_reports_of_workers_share_their_words(conformance: Conformance) -> None:
    """A text that many reports bear is one object, though each report came from a worker by itself."""
    conformance.write("conftest.py", CONFTEST)
    status, output = conformance.run(
        "--backend=stdlib", "--start-method=fork", "--requirement=process.name.*", "-n", "1"
    )
    assert status == 0, output
    reports, texts, objects = map(int, (conformance.folder / "told.txt").read_text().split())
    assert reports > 10
    assert objects == texts
