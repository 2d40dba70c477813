"""The fixtures that the suite's tests take.

Processes that tests share live as long as a chapter's tests on one variant: each holds memory of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from mpspec.collection import settings_key
from mpspec.companion import Companion
from mpspec.settings import WAIT_TIMEOUT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mpspec.api import Api
    from mpspec.settings import Variant


@pytest.fixture(scope="session")
def mp(request: pytest.FixtureRequest) -> Api:
    """The API under test: the names of one variant."""
    variant: Variant = request.param
    patience = request.config.stash[settings_key].patience
    return variant.backend.api(variant.start_method, WAIT_TIMEOUT * patience)


@pytest.fixture(scope="module")
def manager(mp: Api) -> Iterator[Any]:
    """A manager that the tests of one variant share."""
    manager = mp.Manager()
    # What a manager opens when it is first used is the fixture's too, not the first test's.
    len(manager.list())
    yield manager
    manager.shutdown()


@pytest.fixture(scope="module")
def pool(mp: Api) -> Iterator[Any]:
    """A pool of two workers that the tests of one variant share; it must be idle after each."""
    pool = mp.Pool(2)
    # What a pool starts when it is first used is the fixture's too, not the first test's.
    pool.map_async(int, range(4), 1).get()
    pool.apply(int)
    yield pool
    pool.terminate()
    pool.join()


@pytest.fixture(scope="module")
def workshop(mp: Api) -> Iterator[Any]:
    """A manager of types that the chapter managers registers."""
    from mpspec.suite.managers.workshop import workshop_manager

    manager = workshop_manager(mp)(ctx=mp.context)
    manager.start()
    len(manager.list())
    yield manager
    manager.shutdown()


@pytest.fixture(scope="module")
def queue_server(mp: Api) -> Iterator[Any]:
    """The address of a server of one queue, which runs in a child, for managers that connect.

    Not over TCP: there each connection's handshake costs the standard library 40 ms of waiting for an acknowledgement.
    """
    from mpspec.suite.managers.workshop import serve_queue

    receiver, sender = mp.Pipe(duplex=False)
    process = mp.Process(target=serve_queue, args=(mp, sender))
    process.start()
    yield receiver.recv()
    process.terminate()
    process.join()


@pytest.fixture(scope="module")
def shared_companion(mp: Api) -> Iterator[Companion]:
    """The process that ``companion`` gives."""
    companion = Companion(mp)
    yield companion
    companion.end()


@pytest.fixture
def companion(mp: Api, shared_companion: Companion) -> Iterator[Companion]:
    """Another process, which the tests of one variant share; once a test has broken it, each has one of its own."""
    companion = Companion(mp) if shared_companion.is_busy else shared_companion
    yield companion
    if companion is not shared_companion:
        companion.end()


@pytest.fixture(scope="session")
def socket_path(mp: Api, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Where a server may listen: a path that is the same for the tests of one variant."""
    return str(tmp_path_factory.mktemp(mp.start_method) / "socket")
