"""The slots of a queue that always has one: they are only counted.

A bounded queue's are in `_bounds`, and offer the same; both are chosen from by `_queue`.

Documentation: multiprocessing.Queue (qsize).
"""

from __future__ import annotations

from .synchronize import SEM_VALUE_MAX, Semaphore

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Final, Protocol

    from .context import BaseContext

    class Slots(Protocol):
        """How many messages a queue holds, and may hold."""

        @property
        def limited(self) -> bool:
            """Whether there may be none."""

        @property
        def sent(self) -> Callable[[], None] | None:
            """What notes that a message holds the slot now that this process has acquired."""

        def acquire(self, block: bool, timeout: float | None) -> bool:  # noqa: FBT001
            """Take a slot within *timeout* seconds (None: whenever there is one), if *block*."""

        def release(self) -> None:
            """Give back a slot."""

        def hold(self, change: int) -> None:
            """Note that this process holds *change* slots more (or, if negative, fewer)."""

        def taken(self) -> int:
            """Return how many slots are taken, roughly."""

        def full(self) -> bool:
            """Return whether all slots are taken."""

        def close(self) -> None:
            """Release what this process need not have any more: it takes no slot from now on."""


__all__ = ["Unbounded"]


class Unbounded:
    """The slots of a queue that always has one."""

    limited: Final = False
    sent = None

    def __init__(self, ctx: BaseContext) -> None:
        self._begin(Semaphore(SEM_VALUE_MAX, ctx=ctx))

    def _begin(self, free: Semaphore) -> None:
        self._free = free
        self.acquire = free.acquire
        self.release = free.release

    def hold(self, change: int) -> None:
        """Do nothing: a slot that is lost is not missed."""

    def taken(self) -> int:
        """Return how many slots are taken, roughly."""
        return SEM_VALUE_MAX - self._free.get_value()

    def full(self) -> bool:
        """Return whether all slots are taken."""
        return not self._free.get_value()

    def close(self) -> None:
        """Do nothing: it has no descriptor, and its memory is released with the object."""

    def __getstate__(self) -> Semaphore:
        return self._free

    def __setstate__(self, state: Semaphore) -> None:
        self._begin(state)
