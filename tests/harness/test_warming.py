"""What a worker does with a backend before its first test."""

from __future__ import annotations

import contextlib
import types
from typing import TYPE_CHECKING, Any, cast

import pytest

from mpspec.warming import warm_up

if TYPE_CHECKING:
    from mpspec.backends import Backend
    from mpspec.deadline import Deadline


class FakeApi:
    """Notes what it is asked for, and fails at some of it."""

    def __init__(self, failing: str = "") -> None:
        self.asked: list[str] = []
        self.preloaded: list[str] = []
        self._failing = failing

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - any name of the API
        self.asked.append(name)
        if name == self._failing:
            raise ImportError(name)
        if name == "set_forkserver_preload":
            return self.preloaded.extend
        return types.SimpleNamespace(__name__=f"fake.{name}")


class FakeDeadline:
    """Never comes."""

    def start(self, spared: frozenset[int]) -> None:
        """Nothing is waited for."""

    def stop(self) -> None:
        """Nothing was."""

    def phase(self) -> contextlib.nullcontext[None]:
        """Nothing is watched."""
        return contextlib.nullcontext()


CLAIMS = frozenset(
    {
        "contexts",
        "process",
        "synchronization",
        "sharedctypes",
        "shared_memory",
        "pipes.bytes",
        "pool",
    }
)
KEPT = ["Process", "Lock", "Array", "shared_memory", "Pipe"]


def warmed(api: FakeApi, method: str, *, first: bool, claims: frozenset[str] = CLAIMS) -> FakeApi:
    backend = types.SimpleNamespace(claims=lambda: claims, api=lambda *_: api)
    warm_up(cast("Backend", backend), method, cast("Deadline", FakeDeadline()), first=first)
    return api


@pytest.mark.parametrize("failing", ["", *KEPT])
def test_a_step_that_fails_leaves_the_others_to_be_made(failing: str) -> None:
    assert warmed(FakeApi(failing), "fork", first=True).asked == [*KEPT, "Pool"]


def test_one_pool_for_all_start_methods() -> None:
    assert warmed(FakeApi(), "spawn", first=False).asked == KEPT


def test_what_is_not_claimed_is_left_alone() -> None:
    api = warmed(FakeApi(), "forkserver", first=True, claims=frozenset({"process", "pool"}))
    assert api.asked == ["Process", "Pool"]


def test_a_fork_server_preloads_what_children_import_and_is_there() -> None:
    api = warmed(FakeApi("managers"), "forkserver", first=False)
    assert api.preloaded == [
        "mpspec.companion",
        *(
            f"fake.{each}"
            for each in ("connection", "pool", "queues", "sharedctypes", "synchronize")
        ),
    ]
