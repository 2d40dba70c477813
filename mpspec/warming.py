"""What a worker does with a backend before its first test."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

from mpspec import companion, leaks
from mpspec.deadline import Hang

if TYPE_CHECKING:
    from mpspec.api import Api
    from mpspec.backends import Backend
    from mpspec.deadline import Deadline

_HEAP = 1 << 16
# Submodules that children come to import when they unpickle what they are given.
_SERVED = ("connection", "managers", "pool", "queues", "sharedctypes", "synchronize")


def warm_up(backend: Backend, method: str, deadline: Deadline, *, first: bool) -> None:
    """Make the backend start what it keeps for the life of the process: fork servers, trackers, threads of its own.

    Else the first test that happens to need it would be charged for leaving it behind. Whatever goes wrong here, goes
    wrong again in a test, where it gets its verdict.

    Args:
        backend: what is warmed up,
        method: by this start method.
        deadline: holds it to its time.
        first: whether no other start method of it has been warmed up here.
    """
    steps = [
        ("process", _start_child),
        ("synchronization", _make_lock),
        ("sharedctypes", _make_array),
        ("shared_memory", _make_block),
        ("pipes.bytes", _send_connection),
    ]
    if method == "forkserver":
        steps.insert(0, ("contexts", _preload))
    if first:
        # What a pool keeps is its own, by whatever method its workers are started.
        steps.append(("pool", _start_pool))
    claims = backend.claims()
    api = backend.api(method, 1)
    deadline.start(frozenset(leaks.descendants(os.getpid())))
    try:
        with deadline.phase():
            for capability, step in steps:
                if capability in claims:
                    # One that fails does not keep the others from being made. An unknown backend may fail in any way.
                    with contextlib.suppress(Exception):
                        step(api)
    except Hang:
        pass  # see above
    finally:
        deadline.stop()


def _preload(api: Api) -> None:
    """Let the fork server import once what most children of tests need; programs of their own go without.

    Else each child would import it again, which is half of what starting one under ``forkserver`` costs.
    """
    modules = [companion.__name__]
    for name in _SERVED:
        with contextlib.suppress(ImportError):
            modules.append(getattr(api, name).__name__)
    api.set_forkserver_preload(modules)


def _start_child(api: Api) -> None:
    process = api.Process(target=int)
    process.start()
    process.join()


def _make_lock(api: Api) -> None:
    api.Lock()


def _make_array(api: Api) -> None:
    # A heap of shared memory keeps what it has taken from the system: make it large enough for any test.
    api.Array("b", _HEAP)


def _make_block(api: Api) -> None:
    block = api.shared_memory.SharedMemory(create=True, size=1)
    block.close()
    block.unlink()


def _send_connection(api: Api) -> None:
    # What gives away the descriptors of this process may be a thread that stays.
    (receiver, sender), (travelling, other) = api.Pipe(duplex=False), api.Pipe()
    with receiver, sender, travelling, other:
        sender.send(travelling)
        receiver.recv().close()


def _start_pool(api: Api) -> None:
    pool = api.Pool(1)
    pool.apply(int)
    pool.terminate()
    pool.join()
