"""Queues between processes.

Each kind has a module of its own, which alone is loaded by a process that is given such a queue.

Documentation: multiprocessing.Queue, multiprocessing.SimpleQueue, multiprocessing.JoinableQueue.
"""

from __future__ import annotations

from queue import Empty, Full

from ._joinable_queue import JoinableQueue
from ._queue import Queue
from ._simple_queue import SimpleQueue

__all__ = ["Empty", "Full", "JoinableQueue", "Queue", "SimpleQueue"]
