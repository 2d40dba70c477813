"""Taking back what was begun when the rest of it fails, whatever the reason; the reason goes on to the caller.

Instead of a clause for every exception at each such place: this swallows none, and it can't be forgotten to raise it
again. Not `contextlib.ExitStack`, whose import a child under spawn would pay for.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType


class on_failure:  # noqa: N801 - reads as a statement
    """Call ``undo(*args)`` when the block raises; the exception goes on."""

    __slots__ = ("_args", "_undo")

    def __init__(self, undo: Callable[..., object], *args: object) -> None:
        self._undo = undo
        self._args = args

    def __enter__(self) -> None:
        return

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if kind is not None:
            self._undo(*self._args)
