"""The reference implementation of this project."""

from __future__ import annotations

from mpspec.backends import Backend
from mpspec.capabilities import CAPABILITIES

BACKEND = Backend(
    name="reference",
    module="multiprocessing_reference",
    # All of the API, so that nothing can go missing unnoticed.
    capabilities=frozenset(CAPABILITIES),
    distribution="mpspec",
)
