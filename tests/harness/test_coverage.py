"""Ledgers: true in themselves, and held against documentation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from mpspec import documentation, ledger, specification
from mpspec.cli import main
from mpspec.documentation import Statement
from mpspec.ledger import Entry, Ledger

if TYPE_CHECKING:
    from pathlib import Path

KNOWN = specification.load([specification.SPEC_DIR])
PAGE = """\
<html><head><title>multiprocessing &mdash; Python {edition}.1 documentation</title></head><body><div role="main">
<section id="{anchor}"><h1>Nothing else<a class="headerlink" href="#">¶</a></h1>
<p>{text}</p>
<dl><dt class="sig" id="f">f<em>(x)</em><a class="headerlink" href="#">¶</a></dt><dd><p>Gives <code>x</code>.</p></dd></dl>
<table><tr><td>a cell</td></tr></table>
<pre>print(f(1))</pre>
</section></div></body></html>
"""


def docs(folder: Path, edition: str = "3.15", text: str = "One fact. Another fact.") -> Path:
    for page in documentation.PAGES:
        (folder / page).parent.mkdir(parents=True, exist_ok=True)
        anchor = page.replace("/", "-")
        (folder / page).write_text(PAGE.format(edition=edition, anchor=anchor, text=text))
    return folder


@pytest.fixture
def ledgers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder in the place of the shipped ledgers."""
    folder = tmp_path / "ledgers"
    monkeypatch.setattr(ledger, "LEDGER_DIR", folder)
    return folder


@pytest.mark.parametrize("edition", ["3.11", "3.14", "3.15"])
def test_the_shipped_ledgers_are_true_in_themselves(edition: str) -> None:
    account = ledger.read(edition)
    assert account.entries
    assert ledger.faults(account, KNOWN) == []
    for entry in account.entries:
        assert entry.ids or entry.account == ledger.EXPLAINS or len(entry.account) > 15, entry


def test_faults_of_a_ledger_are_told() -> None:
    gone = Entry("page#place", "123", "process.start.another-process, process.is-alife")
    newer = Entry("page#place", "456", "process.interrupt.keyboard-interrupt")
    told = ledger.faults(Ledger("3.11", (gone, newer)), KNOWN)
    assert "3.11: page#place 123: there is no requirement 'process.is-alife'" in told
    assert (
        "3.11: page#place 456: process.interrupt.keyboard-interrupt does not hold in this edition"
        in told
    )
    assert not [line for line in told if "cites process.start.another-process" in line]
    assert (
        "3.11: no statement cites process.is-alive.from-start, though it claims the edition" in told
    )


def test_documentation_is_cut_into_statements(tmp_path: Path) -> None:
    found = documentation.read(docs(tmp_path))
    assert found.edition == "3.15"
    page = documentation.PAGES[0]
    place = page.replace("/", "-")
    assert [each for each in found.statements if each.page == page] == [
        Statement(page, place, "sentence", "One fact."),
        Statement(page, place, "sentence", "Another fact."),
        Statement(page, "f", "signature", "f(x)"),
        Statement(page, "f", "sentence", "Gives x."),
        Statement(page, "f", "cell", "a cell"),
        Statement(page, "f", "example", "print(f(1))"),
    ]


def test_fingerprint_is_of_the_words_alone() -> None:
    plain = Statement("page", "place", "sentence", "It's a fact - or not.")
    set_otherwise = Statement("other", "there", "sentence", "It\u2019s a  fact \u2014 or not")
    assert plain.fingerprint == set_otherwise.fingerprint
    assert plain.fingerprint != Statement("page", "place", "sentence", "It's no fact.").fingerprint


def test_coverage_lists_what_is_unaccounted_for(
    tmp_path: Path, ledgers: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["coverage", f"--docs={docs(tmp_path)}"]) == 1
    output = capsys.readouterr().out
    assert "sentence: Another fact." in output
    assert "edition 3.15 has no ledger yet" in output
    assert "0 covered by requirements" in output
    assert not ledgers.exists()


def test_coverage_knows_a_complete_ledger(
    tmp_path: Path, ledgers: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    complete = account_for("3.15", tmp_path)
    main(["coverage", f"--docs={tmp_path}"])
    output = capsys.readouterr().out
    assert ledgers.exists()
    assert "unaccounted  " not in output
    assert f"{len(complete)} explain, 0 can't be tested, 0 unaccounted for, 0 gone;" in output


def test_coverage_of_a_new_edition_is_the_list_of_what_to_specify(
    tmp_path: Path, ledgers: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    account_for("3.15", tmp_path / "old")
    new = docs(tmp_path / "new", edition="3.16", text="One fact. A new fact.")
    assert main(["coverage", f"--docs={new}"]) == 1
    lines = capsys.readouterr().out.splitlines()
    pages = len(documentation.PAGES)
    assert [line for line in lines if line.startswith("new ")] == [
        line.replace("unaccounted ", "new         ") for line in lines if "unaccounted  " in line
    ]
    assert sum("sentence: A new fact." in line for line in lines) == 2 * pages
    assert sum(line.startswith("dropped ") for line in lines) == 1
    assert lines[-1].endswith(f"{pages} unaccounted for, 0 gone; {pages} new since 3.15, 1 dropped")
    assert not (ledgers / "3.16.toml").exists()


def test_coverage_tells_what_is_gone(
    tmp_path: Path, ledgers: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    account_for("3.15", tmp_path)
    docs(tmp_path, text="One fact.")
    assert main(["coverage", f"--docs={tmp_path}"]) == 1
    assert ledgers.exists()
    output = capsys.readouterr().out
    assert sum(line.startswith("gone ") for line in output.splitlines()) == len(documentation.PAGES)


def test_adopt_writes_what_is_known_and_invents_nothing(tmp_path: Path, ledgers: Path) -> None:
    account_for("3.14", tmp_path / "old")
    new = docs(tmp_path / "new", text="One fact. A new fact.")
    assert main(["coverage", f"--docs={new}", "--adopt"]) == 1
    assert ledgers.exists()
    adopted = {entry.fingerprint for entry in ledger.read("3.15").entries}
    stated = documentation.read(new).statements
    assert {each.text for each in stated if each.fingerprint not in adopted} == {"A new fact."}


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda page: page.unlink(), "give the folder of the HTML documentation"),
        (lambda page: page.write_text("<title>Python 3.15</title>"), "it is not made by Sphinx"),
        (lambda page: page.write_text("<title>Manual</title>"), "its title names no version"),
    ],
    ids=["missing", "no main part", "no version"],
)
def test_what_is_no_documentation_is_a_usage_error(
    tmp_path: Path,
    damage: object,
    told: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    docs(tmp_path)
    assert callable(damage)
    damage(tmp_path / documentation.PAGES[0])
    assert main(["coverage", f"--docs={tmp_path}"]) == 2
    assert told in capsys.readouterr().err


def account_for(edition: str, folder: Path) -> list[Entry]:
    """Make documentation and a ledger that accounts for all of it."""
    stated = documentation.read(docs(folder, edition)).statements
    keys = dict.fromkeys((ledger.place_of(each), each.fingerprint) for each in stated)
    entries = [Entry(*key, ledger.EXPLAINS) for key in keys]
    ledger.write(edition, entries)
    return entries
