"""Synchronization primitives: locks, semaphores, conditions, events and barriers between processes.

They work alike under all start methods, and for threads as well. ``ctx`` is accepted for the
contexts' sake; nothing depends on it. Documentation: "Synchronization primitives".
"""

from __future__ import annotations

from threading import BrokenBarrierError

from ._barrier import Barrier
from ._condition import Condition, Event
from ._semaphore import SEM_VALUE_MAX, BoundedSemaphore, KernelSemaphore, Lock, RLock, Semaphore

for _public in (Barrier, BoundedSemaphore, Condition, Event, Lock, RLock, Semaphore):
    # The documentation names them here; type(lock).__module__ and pickles should say so.
    _public.__module__ = __name__
del _public

SemLock = KernelSemaphore
"""What locks and semaphores have in common, by the name that programs of others look for."""

__all__ = [
    "SEM_VALUE_MAX",
    "Barrier",
    "BoundedSemaphore",
    "BrokenBarrierError",
    "Condition",
    "Event",
    "Lock",
    "RLock",
    "Semaphore",
]
