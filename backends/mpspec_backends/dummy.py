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
        [
            "process",
            "pipes",
            "listeners",
            "queues",
            "queues.joinable",
            "synchronization",
            "sharedctypes",
            "managers",
            "pool",
        ]
    ),
    # Its Pool is the ThreadPool of the package that it replicates, and raises that package's error.
    submodules={"pool": "multiprocessing.pool"},
    names={"TimeoutError": "multiprocessing:TimeoutError"},
    deviations=Path(__file__).with_suffix(".toml"),
)
