"""Blocks of shared memory whose end a manager's server sees to.

Documentation: multiprocessing.managers.SharedMemoryManager.
"""

from __future__ import annotations

import threading
from contextlib import suppress


class Segments:
    """Names of blocks of shared memory, to be unlinked together."""

    def __init__(self) -> None:
        self._names: dict[str, None] = {}
        self._lock = threading.Lock()

    def add(self, name: str) -> None:
        """Take over the block *name*."""
        with self._lock:
            self._names[name] = None

    def names(self) -> list[str]:
        """The blocks taken over and not yet unlinked, in order."""
        with self._lock:
            return list(self._names)

    def unlink(self, name: str) -> None:
        """Unlink the block *name*.

        KeyError if it isn't here. A block that is gone already is no error.
        """
        from .shared_memory import SharedMemory

        with self._lock:
            del self._names[name]
        with suppress(FileNotFoundError):
            segment = SharedMemory(name)
            segment.close()
            segment.unlink()

    def unlink_all(self) -> None:
        """Unlink every block."""
        for name in self.names():
            with suppress(KeyError):
                self.unlink(name)
