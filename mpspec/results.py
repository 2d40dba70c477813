"""Results: one per requirement and variant, made of what its tests came to."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from mpspec.verdicts import Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from mpspec.deviations import Deviation
    from mpspec.settings import Settings

# Where a report of pytest's carries the result, on its way from a worker.
RESULT_ATTRIBUTE = "mpspec_result"
# A failing prerequisite blocks; one that only leaks still did what others rest on.
_BLOCKING = frozenset({Verdict.FAIL, Verdict.HANG, Verdict.CRASH, Verdict.ERROR, Verdict.BLOCKED})


@dataclasses.dataclass(frozen=True, kw_only=True)
class Result:
    """What one requirement came to on one variant.

    Attributes:
        id: the requirement.
        backend: the backend's name.
        start_method: the start method.
        verdict: what it came to.
        test: the node id of the (worst) test.
        duration: seconds, set-up and clean-up included.
        message: what was expected and what was got, in a line or a few; empty for PASS.
        details: the traceback, output and dumps that go with it.
    """

    id: str
    backend: str
    start_method: str
    verdict: Verdict
    test: str
    duration: float
    message: str = ""
    details: str = ""

    @property
    def variant(self) -> str:
        """The variant's name."""
        return f"{self.backend}-{self.start_method}"

    def joined_with(self, other: Result) -> Result:
        """Both tests of one requirement on one variant: the worse verdict, the sum of their times."""
        worse = max(self, other, key=lambda result: result.verdict)
        return dataclasses.replace(worse, duration=self.duration + other.duration)

    def to_data(self) -> dict[str, Any]:
        """For transport between processes."""
        return {**dataclasses.asdict(self), "verdict": self.verdict.value}

    @classmethod
    def from_data(cls, data: dict[str, Any]) -> Result:
        """The reverse of to_data."""
        return cls(**{**data, "verdict": Verdict(data["verdict"])})


@dataclasses.dataclass(frozen=True)
class Report:
    """All that is known when a run ends.

    Attributes:
        results: final, in the order of the specification, then of the variants.
        stale: deviations that match nothing.
        interrupted: why the run ended early; empty when it did not.
        uncollected: the modules that could not be collected, with the reason.
        unclaimed: capabilities that a backend does not claim though their names are there, by the backend's name.
    """

    results: tuple[Result, ...]
    stale: tuple[Deviation, ...] = ()
    interrupted: str = ""
    uncollected: tuple[str, ...] = ()
    unclaimed: Mapping[str, Sequence[str]] = dataclasses.field(default_factory=dict)

    @property
    def roots(self) -> list[Result]:
        """The results that make the run fail, worst first; what they block is not among them."""
        failing = [result for result in self.results if result.verdict.fails_the_run]
        return sorted(failing, key=lambda result: result.verdict, reverse=True)

    @property
    def ran(self) -> bool:
        """Whether any test did run to a verdict."""
        return any(result.verdict is not Verdict.NOT_OFFERED for result in self.results)

    @property
    def conforms(self) -> bool:
        """Whether the backend did all that is required of it, its listed deviations aside."""
        return self.ran and not (self.roots or self.stale or self.interrupted or self.uncollected)


def finish(results: Iterable[Result], settings: Settings, interrupted: str = "") -> Report:
    """Join the results of tests, and settle what only the whole run can tell: EXPECTED, UNEXPECTED-PASS, BLOCKED."""
    joined: dict[tuple[str, str], Result] = {}
    for result in results:
        key = (result.id, result.variant)
        joined[key] = joined[key].joined_with(result) if key in joined else result
    settled = {key: _against_deviations(result, settings) for key, result in joined.items()}
    final = [_against_prerequisites(result, settled, settings) for result in settled.values()]
    order = {requirement.id: number for number, requirement in enumerate(settings.specification)}
    variants = {variant.name: number for number, variant in enumerate(settings.variants)}
    final.sort(key=lambda result: (order[result.id], variants[result.variant]))
    return Report(tuple(final), tuple(settings.stale_deviations()), interrupted)


def _against_deviations(result: Result, settings: Settings) -> Result:
    entry = settings.deviation(result.id, result.variant)
    if entry is None:
        return result
    if result.verdict is entry.verdict:
        return dataclasses.replace(
            result, verdict=Verdict.EXPECTED, message=f"{entry.reason} [{result.message}]"
        )
    if result.verdict is Verdict.PASS and entry.intermittent:
        # That a race went well once says nothing of the requirement; so runs of the same backend can be compared.
        message = f"{entry.reason} [a race decides; this time it went well]"
        return dataclasses.replace(result, verdict=Verdict.EXPECTED, message=message)
    if result.verdict is Verdict.PASS:
        message = (
            f"listed as {entry.verdict.value} in {entry.source}, but it passes: take the entry out"
        )
        return dataclasses.replace(result, verdict=Verdict.UNEXPECTED_PASS, message=message)
    if result.verdict.is_departure:
        message = f"listed as {entry.verdict.value} in {entry.source}; now: {result.message}"
        return dataclasses.replace(result, message=message)
    return result


def _against_prerequisites(
    result: Result, settled: dict[tuple[str, str], Result], settings: Settings
) -> Result:
    if result.verdict in {Verdict.NOT_OFFERED, Verdict.EXPECTED}:
        return result
    known = settings.specification
    failed: dict[str, Verdict] = {}
    for need in known.prerequisites(result.id):
        found = settled.get((need, result.variant))
        if found is not None and found.verdict in _BLOCKING - {Verdict.BLOCKED}:
            failed[need] = found.verdict
    for need, verdict in failed.items():
        # The root is named, also when a test that rests on it was begun before it had failed: in which order they ran
        # makes no difference. For the same reason the test is BLOCKED whatever it came to itself.
        if failed.keys().isdisjoint(known.prerequisites(need)):
            message = f"rests on {need}, which came to {verdict.value}"
            return dataclasses.replace(result, verdict=Verdict.BLOCKED, message=message, details="")
    return result


def blocks(result: Result, settings: Settings) -> bool:
    """Whether tests that rest on this result's requirement need not run any more."""
    return result.verdict in _BLOCKING and settings.deviation(result.id, result.variant) is None
