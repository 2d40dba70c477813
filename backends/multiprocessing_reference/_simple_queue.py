"""A queue without bounds, timeouts or threads, over one pipe.

Documentation: multiprocessing.SimpleQueue.
"""

from __future__ import annotations

from types import GenericAlias

from .connection import Connection, Pipe
from .reduction import require_spawning

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from .context import BaseContext

__all__ = ["SimpleQueue"]


class SimpleQueue:
    """A queue whose `put` waits while the pipe is full.

    Documentation: multiprocessing.SimpleQueue.
    """

    __class_getitem__: Any = classmethod(GenericAlias)

    def __init__(self, *, ctx: BaseContext) -> None:  # noqa: ARG002 - all contexts' queues are the same
        self._reader, self._writer = Pipe(duplex=False)

    def __getstate__(self) -> tuple[Connection, Connection]:
        require_spawning(self)
        return self._reader, self._writer

    def __setstate__(self, state: tuple[Connection, Connection]) -> None:
        self._reader, self._writer = state

    def empty(self) -> bool:
        """Return whether the queue is empty; OSError when it is closed.

        Documentation: multiprocessing.SimpleQueue.empty.
        """
        return not self._reader.poll()

    def get(self) -> Any:  # noqa: ANN401 - whatever was put
        """Return the next object, waiting for it; OSError when the queue is closed.

        Documentation: multiprocessing.SimpleQueue.get.
        """
        return self._reader.recv()

    def put(self, item: object) -> None:
        """Put *item* into the queue; OSError when it is closed.

        Documentation: multiprocessing.SimpleQueue.put.
        """
        self._writer.send(item)

    def close(self) -> None:
        """Release what this process holds of the queue; again does nothing.

        Documentation: multiprocessing.SimpleQueue.close.
        """
        self._reader.close()
        self._writer.close()
