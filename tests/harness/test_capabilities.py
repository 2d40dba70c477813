"""What a backend claims it must have; what it does not claim is not asked of it, but reported where it is there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from mpspec.backends import Backend, Backing, Contexts
from mpspec.capabilities import CAPABILITIES, NEEDS_PROCESSES
from mpspec.errors import UsageError

if TYPE_CHECKING:
    from tests.conftest import Conformance

CONFTEST = """
    from mpspec.backends import Backend, Contexts

    def mpspec_backends():
        return [
            Backend(
                name="claimant",
                module="claimed",
                start_methods=("fork",),
                contexts=Contexts.NONE,
                capabilities=frozenset({"process", "pipes", "queues", "queues.simple"}),
            )
        ]
    """
MODULE = """
    import multiprocessing

    fork = multiprocessing.get_context("fork")
    globals().update({name: getattr(fork, name) for name in dir(fork) if not name.startswith("_")})
    del SimpleQueue, Pool
    """


@pytest.mark.parametrize("workers", [0, 2])
def test_claims_are_probed(conformance: Conformance, workers: int) -> None:
    conformance.write("conftest.py", CONFTEST)
    conformance.write("claimed.py", MODULE)
    status, report, output = conformance.report(
        "--backend=claimant",
        "--requirement=process.pid.*",
        "--requirement=queues.simple*",
        f"-n{workers}",
    )
    assert status == 1, output
    messages = {(record["verdict"], record["message"]) for record in report["results"]}
    assert any(
        verdict == "FAIL" and "no attribute 'SimpleQueue'" in message
        for verdict, message in messages
    ), output
    assert ("NOT-OFFERED", "the backend does not claim process.pid") in messages
    (backend,) = report["run"]["backends"]
    assert "synchronization" in backend["unclaimed"]
    assert not {"pool", "queues", "queues.simple", "process"} & set(backend["unclaimed"])
    assert "claimant has, but does not claim, so that it was not tested: " in " ".join(
        output.split()
    )


def test_missing_contexts_are_the_backends_fault(conformance: Conformance) -> None:
    conformance.write("conftest.py", CONFTEST.replace("contexts=Contexts.NONE,", ""))
    conformance.write("claimed.py", MODULE.rstrip() + ", get_context\n")
    _, report, output = conformance.report(
        "--backend=claimant", "--requirement=process.start", "-n0"
    )
    assert [record["verdict"] for record in report["results"]] == ["FAIL"], output
    assert "claimed has no contexts: no get_context" in report["results"][0]["message"]


@pytest.mark.parametrize(
    ("claim", "module", "told"),
    [
        ("session=lambda: 1 / 0,", "", "the backend's session can't be entered: ZeroDivisionError"),
        ("", "raise RuntimeError('out of order')", "RuntimeError: out of order"),
        ("", "no module", "SyntaxError"),
    ],
    ids=["session", "import", "syntax"],
)
def test_backend_that_can_not_be_used_fails_its_tests(
    conformance: Conformance, claim: str, module: str, told: str
) -> None:
    conformance.write(
        "conftest.py",
        CONFTEST.replace("contexts=Contexts.NONE,", f"contexts=Contexts.NONE, {claim}"),
    )
    conformance.write("claimed.py", module or MODULE)
    status, report, output = conformance.report(
        "--backend=claimant", "--requirement=process.start", "-n0"
    )
    assert status == 1, output
    assert [record["verdict"] for record in report["results"]] == ["FAIL"], output
    assert told in report["results"][0]["message"]


def test_nothing_is_said_of_a_backend_that_claims_what_it_has(conformance: Conformance) -> None:
    _, report, output = conformance.report(
        "--backend=stdlib", "--start-method=fork", "--requirement=process.start", "-n0"
    )
    assert report["run"]["backends"][0]["unclaimed"] == []
    assert "does not claim" not in output


def test_unknown_claim() -> None:
    with pytest.raises(
        UsageError, match=r"'mine' claims unknown capabilities \['pol'\]; known are"
    ):
        Backend(name="mine", module="mine", capabilities=frozenset({"pol"}))


def test_threads_can_not_claim_what_needs_processes() -> None:
    with pytest.raises(UsageError, match=r"runs on threads and can't claim \['process.signals'\]"):
        Backend(
            name="mine",
            module="mine",
            backing=Backing.THREAD,
            capabilities=frozenset({"process.signals"}),
        )


@pytest.mark.parametrize(
    ("claim", "complaint"),
    [
        ({"name": "mine/own"}, "'mine/own' can't be called 'mine/own': in its name and"),
        ({"start_methods": ("fork", "")}, "'mine' can't be called '': in its name and"),
        ({"edition": "3.9"}, "'mine' follows edition '3.9'; the editions are 3.11, "),
        ({"submodules": {"pol": "mine.pool"}}, r"submodules \['pol'\] stand; documented are"),
        ({"names": {"Timeout": "mine:Timeout"}}, r"names \['Timeout'\] stand; documented are"),
        (
            {"names": {"TimeoutError": "mine.Late"}},
            r"names in \['mine.Late'\]: write each .* as module:",
        ),
    ],
    ids=["name", "start method", "edition", "submodule", "name of the API", "place"],
)
def test_claim_that_makes_no_sense(claim: dict[str, Any], complaint: str) -> None:
    with pytest.raises(UsageError, match=complaint):
        Backend(**{"name": "mine", "module": "mine", **claim})


def test_backend_without_a_start_method() -> None:
    with pytest.raises(UsageError, match="names no start method"):
        Backend(name="mine", module="mine", start_methods=())


def test_threads_claim_by_probe_nothing_that_needs_processes() -> None:
    backend = Backend(
        name="mine",
        module="multiprocessing.dummy",
        backing=Backing.THREAD,
        contexts=Contexts.NONE,
        start_methods=("thread",),
    )
    claims = backend.claims()
    assert "process" in claims
    assert not claims & NEEDS_PROCESSES


def test_every_capability_has_a_meaning() -> None:
    assert all(capability.meaning for capability in CAPABILITIES.values())
    assert set(CAPABILITIES) >= NEEDS_PROCESSES
