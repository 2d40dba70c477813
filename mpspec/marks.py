"""How a test says which requirement it checks.

Kept apart from the plugin, and free of pytest, because children started with ``spawn`` import the suite's modules.
"""

from __future__ import annotations

TYPE_CHECKING = False  # importing ``typing`` would cost each child some milliseconds
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    _Test = TypeVar("_Test", bound=Callable[..., object])

ATTRIBUTE = "mpspec_requirement"


def requirement(identifier: str) -> Callable[[_Test], _Test]:
    """Tie a test to the requirement that it checks.

    Args:
        identifier: the requirement's id, for instance ``process.exitcode.killed-by-signal``.
            A requirement may have several tests; its verdict is the worst of theirs.
    """

    def mark(test: _Test) -> _Test:
        setattr(test, ATTRIBUTE, identifier)
        return test

    return mark
