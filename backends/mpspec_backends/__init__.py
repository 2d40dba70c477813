"""The implementations that mpspec knows, one module each: how mpspec reaches it, and its listed deviations.

``multiprocess`` has no module: it offers the API under the documented names, so that nothing needs to be said of it
but what it is known to do otherwise (``multiprocess.toml``).
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mpspec import deviations
from mpspec_backends import billiard, dummy, reference, stdlib

if TYPE_CHECKING:
    from mpspec.backends import Backend
    from mpspec.deviations import Deviation

_WITHOUT_ADAPTER = frozenset({"multiprocess"})


def mpspec_backends() -> list[Backend]:
    """Every backend of this package."""
    return [module.BACKEND for module in (billiard, dummy, reference, stdlib)]


def mpspec_deviations(backend: Backend) -> list[Deviation]:
    """Expected failures of backends that need no adapter."""
    if backend.module not in _WITHOUT_ADAPTER:
        return []
    return deviations.read(Path(__file__).with_name(f"{backend.module}.toml"))
