"""Capabilities: parts of the API that a backend may leave out as a whole.

A backend claims capabilities; the names below are how a claim is probed. A capability without names can't be seen from
outside (whether a child may be killed shows only when it is), so it is taken at the backend's word.
"""

from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class Capability:
    """A part of the API.

    Attributes:
        meaning: what a backend says that claims it.
        names: what must be there, each ``name`` of the package itself or ``submodule:name``.
    """

    meaning: str
    names: tuple[str, ...] = ()


CAPABILITIES = {
    "process": Capability("activities run concurrently with their creator", ("Process", "current_process", "active_children")),
    "process.isolation": Capability("a child has memory of its own, shared with nobody unless asked for"),
    "process.exit": Capability("a child may end itself: sys.exit, os._exit, an exception, with its exit code told"),
    "process.signals": Capability("a child may be ended from outside: terminate, kill"),
    "process.pid": Capability("a child is a process of the operating system with an id of its own"),
    "process.sentinel": Capability("the end of a process can be waited for by a handle"),
    "process.daemon": Capability("daemonic processes: inherited, ended with the parent, without children"),
    "process.authkey": Capability("processes have an authentication key"),
    "process.close": Capability("a Process object's resources can be released by close()"),
    "contexts": Capability("start methods and contexts", ("get_context", "get_start_method", "set_start_method", "get_all_start_methods")),
    "pipes": Capability("Pipe and its connections", ("Pipe",)),
    "pipes.bytes": Capability("connections have file descriptors and carry bytes as well as objects"),
    "pipes.closing": Capability("close() of a connection takes effect: it can't be used any more, and the other end comes to an end"),
    "queues": Capability("Queue", ("Queue",)),
    "queues.joinable": Capability("JoinableQueue", ("JoinableQueue",)),
    "queues.simple": Capability("SimpleQueue", ("SimpleQueue",)),
    "synchronization": Capability("equivalents of threading's primitives", ("Lock", "RLock", "Semaphore", "BoundedSemaphore", "Condition", "Event", "Barrier")),
    "sharedctypes": Capability("Value and Array", ("Value", "Array")),
    "sharedctypes.ctypes": Capability("ctypes objects in shared memory, of any type, wrapped with a lock of their own", ("sharedctypes:RawValue", "sharedctypes:RawArray", "sharedctypes:copy")),
    "managers": Capability("Manager: objects in a server process, used through proxies", ("Manager",)),
    "managers.custom": Capability("managers of types that the program registers", ("managers:BaseManager", "managers:SyncManager")),
    "managers.remote": Capability("managers reached by address, from anywhere"),
    "pool": Capability("Pool", ("Pool",)),
    "wait": Capability("connection.wait", ("connection:wait",)),
    "listeners": Capability("Listener and Client", ("connection:Listener", "connection:Client")),
    "listeners.addresses": Capability("listeners are sockets of the operating system, with an address and a family"),
    "authentication": Capability("the ends of a connection prove that they hold the same key", ("connection:deliver_challenge", "connection:answer_challenge")),
    "logging": Capability("the package has a logger", ("get_logger", "log_to_stderr")),
    "dummy": Capability("the API on threads, as a submodule", ("dummy:Process", "dummy:Pool")),
    "shared_memory": Capability("shared_memory", ("shared_memory:SharedMemory", "shared_memory:ShareableList")),
    "shared_memory.managers": Capability("SharedMemoryManager", ("managers:SharedMemoryManager",)),
}  # fmt: skip

# What can't be done to activities that are threads of the test's own process.
NEEDS_PROCESSES = frozenset(
    {"process.isolation", "process.exit", "process.signals", "process.pid", "process.daemon"}
)
