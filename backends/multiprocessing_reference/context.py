"""Contexts: the whole API of the package, bound to one start method.

Every method here is also a function of the package: those of the default context, which has no
start method until the first need (or `set_start_method`) fixes it. A concrete context always has
its own. In a child the default context has the start method that the child was started by.

What a context makes is in `_factories`, which methods there are in `_start_methods`.

Documentation: multiprocessing, "Contexts and start methods" and "Global start method".
"""

from __future__ import annotations

import os
import sys

from . import errors, process
from ._factories import Factories
from ._start_methods import available, default

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from logging import Logger
    from types import ModuleType
    from typing import Literal

__all__ = [
    "AuthenticationError",
    "BaseContext",
    "BufferTooShort",
    "DefaultContext",
    "ForkContext",
    "ForkServerContext",
    "Process",
    "ProcessError",
    "SpawnContext",
    "TimeoutError",
    "assert_spawning",
    "default_context",
]

AuthenticationError = errors.AuthenticationError
BufferTooShort = errors.BufferTooShort
ProcessError = errors.ProcessError
TimeoutError = errors.TimeoutError  # noqa: A001 - the documented name


class Process(process.BaseProcess):
    """A process started by the method of the default context."""


class ForkProcess(process.BaseProcess):
    """A process started by fork."""

    _start_method = "fork"


class SpawnProcess(process.BaseProcess):
    """A process started in a fresh interpreter."""

    _start_method = "spawn"


class ForkServerProcess(process.BaseProcess):
    """A process forked by the fork server."""

    _start_method = "forkserver"


class BaseContext(Factories):
    """What all contexts offer. Each method is documented as a function of the package."""

    ProcessError = errors.ProcessError
    BufferTooShort = errors.BufferTooShort
    TimeoutError = errors.TimeoutError
    AuthenticationError = errors.AuthenticationError

    Process: type[process.BaseProcess] = Process

    current_process = staticmethod(process.current_process)
    parent_process = staticmethod(process.parent_process)
    active_children = staticmethod(process.active_children)

    _name: str | None = None

    def __reduce__(self) -> tuple[Callable[..., BaseContext], tuple[str, ...]]:
        # There is one context of each kind in a process; in another one, it is that process's own.
        return (_the_default, ()) if self._name is None else (_concrete, (self._name,))

    # -- processes and start methods

    def cpu_count(self) -> int:
        """Return the number of CPUs of the system; NotImplementedError if nobody knows it."""
        number = os.cpu_count()
        if number is None:
            message = "cannot determine number of cpus"
            raise NotImplementedError(message)
        return number

    def get_context(self, method: str | None = None) -> BaseContext:
        """Return the context of *method*, None: this one; ValueError if there is no such method."""
        return self if method is None else _concrete(method)

    def get_start_method(self, allow_none: bool = False) -> str | None:  # noqa: ARG002, FBT001, FBT002
        """Return the name of the start method."""
        return self._name

    def set_start_method(self, method: str | None, force: bool = False) -> None:  # noqa: ARG002, FBT001, FBT002
        """Raise ValueError: a concrete context has its start method for good."""
        message = (
            f"cannot set start method of concrete context {self._name!r}: "
            "call the package's set_start_method, or get_context for another context"
        )
        raise ValueError(message)

    def get_all_start_methods(self) -> list[str]:
        """Return the names of the start methods that this platform has, the default first."""
        first = default()
        return [first, *(name for name in available() if name != first)]

    def set_executable(self, executable: str | bytes | os.PathLike[str]) -> None:
        """Set the path of the interpreter for the children of spawn and the fork server."""
        from .spawn import set_executable

        set_executable(executable)

    def set_forkserver_preload(
        self,
        module_names: Iterable[str],
        *,
        on_error: Literal["ignore", "warn", "fail"] = "ignore",
    ) -> None:
        """Set the names of the modules that the fork server imports before it forks."""
        from .forkserver import set_forkserver_preload

        set_forkserver_preload(module_names, on_error=on_error)

    def freeze_support(self) -> None:
        """Run the child and exit, if this is a frozen executable started for one by spawn.

        The documentation of 3.13 was the first to let it have an effect elsewhere than on Windows.
        """
        if not getattr(sys, "frozen", False) or sys.version_info < (3, 13):
            return
        # A child calls this before it has any start method.
        if self.get_start_method(allow_none=True) in (None, "spawn"):
            from .spawn import freeze_support

            freeze_support()

    def allow_connection_pickling(self) -> None:
        """Do nothing: connections and sockets can always be pickled."""

    @property
    def reducer(self) -> ModuleType:
        """The module that pickles what is sent to other processes."""
        from . import reduction

        return reduction

    # -- logging

    def get_logger(self) -> Logger:
        """Return the logger of the package."""
        from ._log import get_logger

        return get_logger()

    def log_to_stderr(self, level: int | str | None = None) -> Logger:
        """Return the logger, made to write to stderr, with *level* if given."""
        from ._log import log_to_stderr

        return log_to_stderr(level)


class ForkContext(BaseContext):
    """Children are copies of their parent."""

    _name = "fork"
    Process = ForkProcess


class SpawnContext(BaseContext):
    """Children are fresh interpreters."""

    _name = "spawn"
    Process = SpawnProcess


class ForkServerContext(BaseContext):
    """Children are copies of a server that has imported little more than it needs."""

    _name = "forkserver"
    Process = ForkServerProcess


class DefaultContext(BaseContext):
    """The context that the package's functions belong to; its start method is fixed at need."""

    Process = Process

    def __init__(self) -> None:
        self._actual: BaseContext | None = None

    def get_context(self, method: str | None = None) -> BaseContext:
        """Return the context of *method*; None: of the start method, fixed if it was not."""
        if method is not None:
            return _concrete(method)
        if self._actual is None:
            self._actual = _concrete(default())
        return self._actual

    def get_start_method(self, allow_none: bool = False) -> str | None:  # noqa: FBT001, FBT002
        """Return the name of the start method, fixed if it was not; *allow_none*: or None."""
        if self._actual is None and allow_none:
            return None
        return self.get_context().get_start_method()

    def set_start_method(self, method: str | None, force: bool = False) -> None:  # noqa: FBT001, FBT002
        """Fix the start method.

        RuntimeError: it is fixed already, and *force* is not true; ValueError: there is no such
        method. *method* None: unfixed with *force*, else the platform's default.
        """
        if self._actual is not None and not force:
            message = (
                "context has already been set: call set_start_method once, before anything that "
                "needs a start method, or use get_context"
            )
            raise RuntimeError(message)
        self._actual = None if method is None else _concrete(method)
        if method is None and not force:
            self.get_context()


_contexts: dict[str, BaseContext] = {
    "fork": ForkContext(),
    "spawn": SpawnContext(),
    "forkserver": ForkServerContext(),
}
_own = frozenset(_contexts)
# Undocumented: programs add contexts of their own under this name, or replace one.
_concrete_contexts = _contexts

default_context = DefaultContext()


def _the_default() -> BaseContext:
    return default_context


def _concrete(method: str) -> BaseContext:
    names = [*available(), *(name for name in _contexts if name not in _own)]
    if method not in names:
        message = f"cannot find context for {method!r}: the start methods are {', '.join(names)}"
        raise ValueError(message)
    return _contexts[method]


def assert_spawning(obj: object) -> None:
    """Raise RuntimeError unless *obj* is pickled for the start of a process, to be inherited."""
    from .reduction import require_spawning

    require_spawning(obj)


def __getattr__(name: str) -> object:
    """Give ``context.reduction``, a way to ForkingPickler that programs of others take."""
    if name == "reduction":
        from . import reduction

        return reduction
    message = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(message)
