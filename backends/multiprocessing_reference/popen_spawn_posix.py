"""The start method "spawn" by the name that CPython has for its module.

dask.distributed imports it, and asks nothing of it: the start method is chosen by name, as everywhere.
"""

from __future__ import annotations

from ._launch_spawn import launch

__all__ = ["launch"]
