"""The fixtures that the suite's tests take."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from mpspec.collection import settings_key
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


@pytest.fixture(scope="session")
def manager(mp: Api) -> Iterator[Any]:
    """A manager that the tests of one variant share."""
    manager = mp.Manager()
    yield manager
    manager.shutdown()


@pytest.fixture(scope="session")
def pool(mp: Api) -> Iterator[Any]:
    """A pool of two workers that the tests of one variant share; it must be idle after each."""
    pool = mp.Pool(2)
    yield pool
    pool.terminate()
    pool.join()
