"""The documented API of Python's `multiprocessing`, from scratch.

Use it in its place: ``import multiprocessing_reference as multiprocessing``. It needs POSIX, and
is at its best on Linux (pidfds, sequenced-packet sockets).

The functions and classes of the package are those of the default context; what they need beyond the
start of a process is imported when it is first used. The submodules have the documented names.

Documentation: https://docs.python.org/3/library/multiprocessing.html
"""

from __future__ import annotations

import sys

if sys.platform == "win32":
    message = (
        "multiprocessing_reference needs POSIX (fork, posix_spawn, Unix sockets): "
        "on Windows use the standard library's multiprocessing"
    )
    raise ImportError(message)

from . import context, errors, process  # noqa: F401 - submodules that programs use as attributes
from ._log import SUBDEBUG, SUBWARNING  # noqa: F401
from .context import Process
from .errors import AuthenticationError, BufferTooShort, ProcessError, TimeoutError  # noqa: A004

__all__ = [
    "Array",
    "AuthenticationError",
    "Barrier",
    "BoundedSemaphore",
    "BufferTooShort",
    "Condition",
    "Event",
    "JoinableQueue",
    "Lock",
    "Manager",
    "Pipe",
    "Pool",
    "Process",
    "ProcessError",
    "Queue",
    "RLock",
    "RawArray",
    "RawValue",
    "Semaphore",
    "SimpleQueue",
    "TimeoutError",
    "Value",
    "active_children",
    "allow_connection_pickling",
    "cpu_count",
    "current_process",
    "freeze_support",
    "get_all_start_methods",
    "get_context",
    "get_logger",
    "get_start_method",
    "log_to_stderr",
    "parent_process",
    "reducer",
    "set_executable",
    "set_forkserver_preload",
    "set_start_method",
]

Array = context.default_context.Array
Barrier = context.default_context.Barrier
BoundedSemaphore = context.default_context.BoundedSemaphore
Condition = context.default_context.Condition
Event = context.default_context.Event
JoinableQueue = context.default_context.JoinableQueue
Lock = context.default_context.Lock
Manager = context.default_context.Manager
Pipe = context.default_context.Pipe
Pool = context.default_context.Pool
Queue = context.default_context.Queue
RLock = context.default_context.RLock
RawArray = context.default_context.RawArray
RawValue = context.default_context.RawValue
Semaphore = context.default_context.Semaphore
SimpleQueue = context.default_context.SimpleQueue
Value = context.default_context.Value
active_children = context.default_context.active_children
allow_connection_pickling = context.default_context.allow_connection_pickling
cpu_count = context.default_context.cpu_count
current_process = context.default_context.current_process
freeze_support = context.default_context.freeze_support
get_all_start_methods = context.default_context.get_all_start_methods
get_context = context.default_context.get_context
get_logger = context.default_context.get_logger
get_start_method = context.default_context.get_start_method
log_to_stderr = context.default_context.log_to_stderr
parent_process = context.default_context.parent_process
set_executable = context.default_context.set_executable
set_forkserver_preload = context.default_context.set_forkserver_preload
set_start_method = context.default_context.set_start_method

# A child imports the main module under this name (see spawn); what it pickles must be found here.
if "__main__" in sys.modules:
    sys.modules["__mp_main__"] = sys.modules["__main__"]


def __getattr__(name: str) -> object:
    """Import `reducer` and the submodules when they are first asked for."""
    if name == "reducer":
        return context.default_context.reducer
    if name in _SUBMODULES:
        full_name = f"{__name__}.{name}"
        __import__(full_name)  # also asked for by each "from . import": importlib would cost more
        return sys.modules[full_name]
    message = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(message)


_SUBMODULES = frozenset(
    {
        "connection",
        "dummy",
        "forkserver",
        "heap",
        "managers",
        "pool",
        "queues",
        "reduction",
        "resource_tracker",
        "shared_memory",
        "sharedctypes",
        "spawn",
        "synchronize",
        "util",
    }
)
