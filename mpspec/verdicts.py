"""Verdicts: what one requirement came to on one variant."""

from __future__ import annotations

import enum
import functools
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


@functools.total_ordering
class Verdict(enum.Enum):
    """The outcome of one requirement on one variant, from the best to the worst.

    Members compare by that order, so ``max`` of several verdicts is what they come to together.
    """

    PASS = "PASS"  # noqa: S105 - a verdict, not a password
    EXPECTED = "EXPECTED"
    NOT_OFFERED = "NOT-OFFERED"
    BLOCKED = "BLOCKED"
    UNEXPECTED_PASS = "UNEXPECTED-PASS"  # noqa: S105 - a verdict, not a password
    LEAK = "LEAK"
    FAIL = "FAIL"
    HANG = "HANG"
    CRASH = "CRASH"
    ERROR = "ERROR"

    def __lt__(self, other: object) -> bool:
        if not isinstance(other, Verdict):
            return NotImplemented
        return _ORDER[self] < _ORDER[other]

    @property
    def letter(self) -> str:
        """One character for the progress lines."""
        return _LETTERS[self]

    @property
    def meaning(self) -> str:
        """What the verdict says, in a few words, for people who read a report."""
        return _MEANINGS[self]

    @property
    def is_departure(self) -> bool:
        """Whether the test showed the requirement violated; these are what a deviation may list."""
        return self in DEPARTURES

    @property
    def fails_the_run(self) -> bool:
        """Whether a run with this verdict in it does not conform.

        BLOCKED does not by itself: what blocks it is counted where it stands.
        """
        return self.is_departure or self in {Verdict.UNEXPECTED_PASS, Verdict.ERROR}


DEPARTURES = frozenset({Verdict.FAIL, Verdict.HANG, Verdict.CRASH, Verdict.LEAK})

_ORDER = {verdict: position for position, verdict in enumerate(Verdict)}
_LETTERS = {
    Verdict.PASS: ".",
    Verdict.EXPECTED: "x",
    Verdict.NOT_OFFERED: "-",
    Verdict.BLOCKED: "b",
    Verdict.UNEXPECTED_PASS: "X",
    Verdict.LEAK: "L",
    Verdict.FAIL: "F",
    Verdict.HANG: "H",
    Verdict.CRASH: "C",
    Verdict.ERROR: "E",
}
_MEANINGS = {
    Verdict.PASS: "behaves as required",
    Verdict.EXPECTED: "departs, as its deviations list",
    Verdict.NOT_OFFERED: "needs a capability that the backend does not claim",
    Verdict.BLOCKED: "rests on a requirement that is not met",
    Verdict.UNEXPECTED_PASS: "is listed as a deviation, but behaves as required",
    Verdict.LEAK: "behaves as required, but leaves something behind",
    Verdict.FAIL: "departs from the requirement",
    Verdict.HANG: "did not end before its deadline",
    Verdict.CRASH: "ended the interpreter that ran the test",
    Verdict.ERROR: "could not be judged: a fault of the suite",
}


def _plain(_verdict: Verdict, text: str) -> str:
    return text


def cell(counts: Mapping[Verdict, int], write: Callable[[Verdict, str], str] = _plain) -> str:
    """The counts as one cell of a table: how many PASS, then each other verdict's number with its letter.

    Args:
        counts: how many results have each verdict.
        write: what becomes of each part, say a colour.
    """
    parts = [
        write(verdict, f"{counts[verdict]}{verdict.letter}")
        for verdict in Verdict
        if verdict is not Verdict.PASS and counts[verdict]
    ]
    return " ".join([write(Verdict.PASS, str(counts[Verdict.PASS])), *parts])
