"""The standard library's multiprocessing.dummy: the API on threads, without what threads can't do."""

from __future__ import annotations

from pathlib import Path

from mpspec.backends import Backend, Backing, Contexts

BACKEND = Backend(
    name="dummy",
    module="multiprocessing.dummy",
    start_methods=("thread",),
    backing=Backing.THREAD,
    contexts=Contexts.NONE,
    capabilities=frozenset(
        {"process", "pipes", "queues", "queues.joinable", "synchronization", "sharedctypes", "managers", "pool"}
    ),
    # The documentation keeps these in the package that dummy replicates.
    names={"TimeoutError": "multiprocessing:TimeoutError"},
    deviations=Path(__file__).with_suffix(".toml"),
)
