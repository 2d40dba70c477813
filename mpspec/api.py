"""The API under test, as tests and their children see it.

A test never imports an implementation: it takes names from an ``Api``, which knows where the backend keeps each. An
``Api`` pickles as a few strings, so that a child, however it was started, reaches the same implementation.
"""

from __future__ import annotations

import importlib

# What a child pays for: ``typing`` and ``dataclasses`` (which brings ``inspect``) would cost it 20 ms.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

# Names that depend on the start method: taken from the context.
CONTEXT_NAMES = frozenset(
    [
        "Array",
        "Barrier",
        "BoundedSemaphore",
        "Condition",
        "Event",
        "JoinableQueue",
        "Lock",
        "Manager",
        "Pipe",
        "Pool",
        "Process",
        "Queue",
        "RLock",
        "RawArray",
        "RawValue",
        "Semaphore",
        "SimpleQueue",
        "Value",
    ]
)
# Names that are the package's own.
PACKAGE_NAMES = frozenset(
    [
        "AuthenticationError",
        "BufferTooShort",
        "ProcessError",
        "TimeoutError",
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
        "set_executable",
        "set_forkserver_preload",
        "set_start_method",
    ]
)
SUBMODULES = frozenset(
    [
        "connection",
        "dummy",
        "managers",
        "pool",
        "queues",
        "reduction",
        "shared_memory",
        "sharedctypes",
        "synchronize",
    ]
)
# Classes that the documentation borrows: from queue, and from threading.
BORROWED = {
    "Empty": "queue:Empty",
    "Full": "queue:Full",
    "BrokenBarrierError": "threading:BrokenBarrierError",
}
DOCUMENTED_NAMES = frozenset({*CONTEXT_NAMES, *PACKAGE_NAMES, *BORROWED})


class Binding:
    """Where a backend keeps the documented names; strings alone, so that it travels to any child.

    Attributes:
        package: the module that stands for ``multiprocessing``.
        submodules: module names of submodules that do not stand below the package, by documented name.
        names: single names that stand elsewhere, as ``module:attribute``, by documented name.
        own_contexts: whether ``get_context(method)`` gives contexts that differ.
    """

    __slots__ = ("names", "own_contexts", "package", "submodules")

    def __init__(
        self,
        package: str,
        submodules: tuple[tuple[str, str], ...] = (),
        names: tuple[tuple[str, str], ...] = (),
        *,
        own_contexts: bool = True,
    ) -> None:
        self.package = package
        self.submodules = submodules
        self.names = names
        self.own_contexts = own_contexts


class Api:
    """The documented names of one variant.

    Names of contexts (``Process``, ``Queue``, ...) come from the variant's context, names of the package
    (``current_process``, ``TimeoutError``, ...) from the package, submodules by their names. A name that the
    implementation lacks raises AttributeError, as it would in a program.

    Attributes:
        start_method: the variant's start method.
        timeout: seconds after which a test may conclude that what it waits for will not come.
    """

    def __init__(self, binding: Binding, start_method: str, timeout: float) -> None:
        self._binding = binding
        self.start_method = start_method
        self.timeout = timeout

    def __reduce__(self) -> tuple[type[Api], tuple[Binding, str, float]]:
        return (Api, (self._binding, self.start_method, self.timeout))

    def __repr__(self) -> str:
        return f"<{self._binding.package} with {self.start_method}>"

    @property
    def package(self) -> Any:  # noqa: ANN401 - the implementation's own module
        """The module that stands for ``multiprocessing``."""
        return importlib.import_module(self._binding.package)

    @property
    def context(self) -> Any:  # noqa: ANN401 - the implementation's own class
        """The variant's context; the package itself where the backend has no contexts of its own."""
        if not self._binding.own_contexts:
            return self.package
        return self.package.get_context(self.start_method)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the implementation has
        if name.startswith("__"):
            raise AttributeError(name)
        if name in {"package", "context"}:  # the property itself has raised AttributeError
            message = f"{self._binding.package} has no contexts: no get_context"
            raise AttributeError(message)
        value = self._find(name)
        setattr(self, name, value)
        return value

    def _find(self, name: str) -> Any:  # noqa: ANN401 - whatever the implementation has
        elsewhere = {**BORROWED, **dict(self._binding.names)}
        if name in elsewhere:
            module, _, attribute = elsewhere[name].partition(":")
            return getattr(importlib.import_module(module), attribute)
        if name in CONTEXT_NAMES:
            return getattr(self.context, name)
        if name in PACKAGE_NAMES:
            return getattr(self.package, name)
        if name in SUBMODULES:
            default = f"{self._binding.package}.{name}"
            return importlib.import_module(dict(self._binding.submodules).get(name, default))
        message = f"{name!r} is no documented name: tests use documented API alone"
        raise LookupError(message)
