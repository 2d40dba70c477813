"""Blocks of shared memory that any process can attach by name, and lists in them.

Documentation: multiprocessing.shared_memory.
"""

from __future__ import annotations

from ._named_memory import SharedMemory
from ._shareable_list import ShareableList

__all__ = ["ShareableList", "SharedMemory"]

for _public in (ShareableList, SharedMemory):
    # The documentation names them here; pickles should say so.
    _public.__module__ = __name__
del _public
