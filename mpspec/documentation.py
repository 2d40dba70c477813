"""The documentation, cut into statements: what a ledger has to account for.

Reads the HTML that Sphinx makes of Python's documentation, as distributions install it. A statement is a sentence, a
signature, a cell of a table or an example, under the anchor that it stands nearest to. What is kept of one is a
fingerprint of its normalised text: the text itself belongs to the documentation.
"""

from __future__ import annotations

import dataclasses
import hashlib
import re
import unicodedata
from typing import TYPE_CHECKING

from mpspec.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from bs4 import Tag

PAGES = ("library/multiprocessing.html", "library/multiprocessing.shared_memory.html")

# The end of a sentence: a stop, perhaps a closing bracket, then a new beginning. Abbreviations do not end one.
_SENTENCE_END = re.compile(
    r"(?<!e\.g\.)(?<!i\.e\.)(?<! vs\.)(?<! cf\.)(?:(?<=[.!?:])|(?<=[.!?]\)))\s+(?=[\"'(\[]?[A-Z_>*]|[a-z_]+\()"
)
_TITLE = re.compile(r"Python (\d+\.\d+)")


@dataclasses.dataclass(frozen=True)
class Statement:
    """One thing that the documentation says.

    Attributes:
        page: the page, as in ``Requirement.page``.
        anchor: the id of the place.
        kind: ``sentence``, ``signature``, ``cell`` or ``example``.
        text: its words, for the reader of a listing; kept nowhere.
    """

    page: str
    anchor: str
    kind: str
    text: str

    @property
    def fingerprint(self) -> str:
        """The same for the same words, however they are set."""
        text = unicodedata.normalize("NFKC", self.text).casefold()
        text = re.sub(r"[\u2018\u2019\u201c\u201d\"'`]", "", text)
        text = re.sub(r"[\u2013\u2014-]+", "-", text)
        words = re.sub(r"\s+", " ", text).strip(" .:;,")
        return hashlib.sha256(f"{self.kind} {words}".encode()).hexdigest()[:12]


@dataclasses.dataclass(frozen=True)
class Documentation:
    """One edition's statements, in the order of its pages."""

    edition: str
    statements: tuple[Statement, ...]


def read(folder: Path) -> Documentation:
    """Read the pages below a folder that holds ``library/multiprocessing.html``.

    Raises:
        UsageError: the pages are not there, or are no documentation of Python, or the parser is not installed.
    """
    try:
        import bs4
    except ImportError as error:
        message = "reading the documentation needs beautifulsoup4; run: python -m pip install beautifulsoup4"
        raise UsageError(message) from error
    statements: list[Statement] = []
    edition = ""
    for page in PAGES:
        try:
            soup = bs4.BeautifulSoup((folder / page).read_bytes(), "html.parser")
        except OSError as error:
            message = f"--docs={folder}: {error.strerror}: {page}; give the folder of the HTML documentation"
            raise UsageError(message) from error
        edition = edition or _edition(soup, folder / page)
        body = soup.select_one("[role=main]")
        if not isinstance(body, bs4.Tag):
            message = f"--docs={folder}: {page} has no main part: it is not made by Sphinx"
            raise UsageError(message)
        statements.extend(_cut(body, page))
    return Documentation(edition, tuple(statements))


def _edition(soup: Tag, path: Path) -> str:
    title = soup.find("title")
    found = _TITLE.search(title.get_text() if title else "")
    if found is None:
        message = f"{path}: its title names no version of Python"
        raise UsageError(message)
    return found[1]


def _cut(body: Tag, page: str) -> Iterator[Statement]:
    anchor = ""
    for element in body.find_all(name=True):
        anchor = _anchor(element) or anchor
        kind = _kind(element)
        if kind is None:
            continue
        for link in element.find_all("a", class_="headerlink"):
            link.extract()
        text = re.sub(r"\s+", " ", element.get_text()).strip()
        for part in _sentences(text) if kind == "sentence" else [text]:
            if part:
                yield Statement(page, _anchor(element) or anchor, kind, part)


def _anchor(element: Tag) -> str:
    identifier = element.get("id")
    return (
        identifier
        if isinstance(identifier, str) and element.name in {"section", "dt", "span"}
        else ""
    )


def _kind(element: Tag) -> str | None:
    """What kind of statement an element holds; None when it holds none, or only elements that do."""
    inside = {parent.name for parent in element.parents}
    match element.name:
        case "dt" if "sig" in _classes(element):
            return "signature"
        case "dt" | "dd" | "li" | "td" if not element.find(["p", "pre", "ul", "ol", "dl", "table"]):
            return "cell" if element.name == "td" else "sentence"
        case "p" if "td" not in inside:
            return None if "admonition-title" in _classes(element) else "sentence"
        case "td":
            return "cell"
        case "pre":
            return "example"
    return None


def _classes(element: Tag) -> list[str]:
    return [*(element.get("class") or ())]


def _sentences(text: str) -> list[str]:
    return [part.strip() for part in _SENTENCE_END.split(text)]
