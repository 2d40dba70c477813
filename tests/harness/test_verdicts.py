"""Verdicts are ordered from the best to the worst, and results are settled by what the whole run tells."""

from __future__ import annotations

import itertools
import json

import pytest

from mpspec.reports.json import SCHEMA
from mpspec.results import Result
from mpspec.verdicts import DEPARTURES, Verdict


def result(verdict: Verdict, duration: float = 1.0) -> Result:
    return Result(
        id="a.b",
        backend="x",
        start_method="fork",
        verdict=verdict,
        test=f"t-{verdict.value}",
        duration=duration,
    )


def test_order_is_that_of_their_definition() -> None:
    assert sorted({*Verdict}) == [*Verdict]
    assert max(Verdict) is Verdict.ERROR
    assert min(Verdict) is Verdict.PASS


def test_a_verdict_compares_to_verdicts_alone() -> None:
    with pytest.raises(TypeError):
        assert Verdict.PASS < "FAIL"  # noqa: S105 - a verdict, not a password


def test_letters_differ_and_meanings_are_given() -> None:
    assert len({verdict.letter for verdict in Verdict}) == len(Verdict)
    assert all(verdict.meaning for verdict in Verdict)


def test_what_fails_a_run() -> None:
    assert {verdict for verdict in Verdict if verdict.fails_the_run} == DEPARTURES | {
        Verdict.UNEXPECTED_PASS,
        Verdict.ERROR,
    }
    assert {verdict for verdict in Verdict if verdict.is_departure} == DEPARTURES


def test_schema_knows_every_verdict() -> None:
    schema = json.loads(SCHEMA.read_text(encoding="utf-8"))
    assert schema["properties"]["results"]["items"]["properties"]["verdict"]["enum"] == [
        each.value for each in Verdict
    ]


@pytest.mark.parametrize(("one", "other"), [*itertools.permutations(Verdict, 2)])
def test_two_tests_of_a_requirement_come_to_the_worse(one: Verdict, other: Verdict) -> None:
    joined = result(one).joined_with(result(other))
    assert joined.verdict is max(one, other)
    assert joined.test == f"t-{max(one, other).value}"
    assert joined.duration == 2.0


def test_a_result_survives_transport() -> None:
    assert Result.from_data(json.loads(json.dumps(result(Verdict.HANG).to_data()))) == result(
        Verdict.HANG
    )
