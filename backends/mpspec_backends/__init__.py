"""The implementations that mpspec knows, one module each: how mpspec reaches it, and its listed deviations."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mpspec_backends import billiard, dummy, reference, stdlib

if TYPE_CHECKING:
    from mpspec.backends import Backend


def mpspec_backends() -> list[Backend]:
    """Every backend of this package."""
    return [module.BACKEND for module in (billiard, dummy, reference, stdlib)]
