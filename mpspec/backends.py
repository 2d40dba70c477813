"""Backends: implementations under test, with what they claim."""

from __future__ import annotations

import contextlib
import dataclasses
import enum
import importlib
import importlib.metadata
import importlib.util
import platform
import re
import traceback
from typing import TYPE_CHECKING

from mpspec.api import DOCUMENTED_NAMES, SUBMODULES, Api, Binding
from mpspec.capabilities import CAPABILITIES, NEEDS_PROCESSES
from mpspec.errors import UsageError
from mpspec.specification import EDITIONS, START_METHODS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from pathlib import Path
    from types import ModuleType


_ADAPTER = "describe it by a Backend object (mpspec new NAME starts one)"


class Backing(enum.Enum):
    """What carries an activity: it decides what a test may do to one."""

    PROCESS = "process"
    THREAD = "thread"
    REMOTE = "remote"


class Contexts(enum.Enum):
    """What ``get_context`` gives."""

    OWN = "own"
    NOMINAL = "nominal"
    NONE = "none"


class Pickler(enum.Enum):
    """What may be sent to a child: what pickle takes, or closures and lambdas too."""

    PICKLE = "pickle"
    BY_VALUE = "by-value"


# Compared by identity: a registered backend is one thing, however many fields another shares with it.
@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Backend:
    """An implementation under test, and what it claims.

    Attributes:
        name: what ``--backend`` calls it.
        module: the module that stands for ``multiprocessing``.
        start_methods: those that it claims to support on this machine; one word of its own where it has no such notion.
        capabilities: what it claims; None claims whatever the probe finds.
        backing: what carries an activity. On threads no test kills or exits a child.
        contexts: whether ``get_context`` gives contexts that differ.
        pickler: what it can send to a child.
        edition: the edition of the documentation that it follows, where that is not the interpreter's.
        submodules: where submodules stand that are not below ``module``, by documented name.
        names: where single names stand that are not where the documentation says, as ``module:attribute``.
        distribution: what to install to have it.
        extra: how to install it, where that is not the distribution's name.
        environment: variables that it needs, set before it is imported.
        launch_prefix: words that go before the command that runs the tests (``mpspec run`` puts them there, for
            backends that an entry point registers: it can't know what a conftest.py says).
        session: makes a context manager around the run of each worker: servers to set up and tear down.
        deviations: a file of its listed deviations.
    """

    name: str
    module: str
    start_methods: tuple[str, ...] = START_METHODS
    capabilities: frozenset[str] | None = None
    backing: Backing = Backing.PROCESS
    contexts: Contexts = Contexts.OWN
    pickler: Pickler = Pickler.PICKLE
    edition: str | None = None
    submodules: Mapping[str, str] = dataclasses.field(default_factory=dict)
    names: Mapping[str, str] = dataclasses.field(default_factory=dict)
    distribution: str | None = None
    extra: str | None = None
    environment: Mapping[str, str] = dataclasses.field(default_factory=dict)
    launch_prefix: tuple[str, ...] = ()
    session: Callable[[], contextlib.AbstractContextManager[object]] = contextlib.nullcontext
    deviations: Path | None = None

    def __post_init__(self) -> None:
        for complaint in self._complaints():
            message = f"backend {self.name!r} {complaint}"
            raise UsageError(message)

    def _complaints(self) -> Iterator[str]:
        claimed = self.capabilities or frozenset()
        if unknown := sorted(claimed - CAPABILITIES.keys()):
            yield f"claims unknown capabilities {unknown}; known are {sorted(CAPABILITIES)}"
        if self.backing is Backing.THREAD and (wrong := sorted(claimed & NEEDS_PROCESSES)):
            yield f"runs on threads and can't claim {wrong}: leave them out of its capabilities"
        if not self.start_methods:
            yield "names no start method: give at least one word, such as 'default'"
        for word in (self.name, *self.start_methods):
            # They are parts of the variants' names, which stand in node ids, patterns and names of files.
            if not re.fullmatch(r"\w[\w.-]*", word):
                yield f"can't be called {word!r}: in its name and its start methods use letters, digits, and _ . - between them"
        if self.edition not in {None, *EDITIONS}:
            yield f"follows edition {self.edition!r}; the editions are {', '.join(EDITIONS)}"
        if unknown := sorted(self.submodules.keys() - SUBMODULES):
            yield f"says where submodules {unknown} stand; documented are {sorted(SUBMODULES)}"
        if unknown := sorted(self.names.keys() - DOCUMENTED_NAMES):
            yield f"says where names {unknown} stand; documented are {sorted(DOCUMENTED_NAMES)}"
        if wrong := sorted(place for place in self.names.values() if ":" not in place):
            yield f"keeps names in {wrong}: write each place as module:attribute"

    @property
    def binding(self) -> Binding:
        """Where its names stand."""
        return Binding(
            self.module,
            tuple(self.submodules.items()),
            tuple(self.names.items()),
            own_contexts=self.contexts is Contexts.OWN,
        )

    def api(self, start_method: str, timeout: float) -> Api:
        """Its names under a start method; ``timeout`` as in Api."""
        return Api(self.binding, start_method, timeout)

    @property
    def version(self) -> str:
        """The version of its distribution; of the interpreter, where it comes with that."""
        if self.distribution is None:
            return platform.python_version()
        try:
            return importlib.metadata.version(self.distribution)
        except importlib.metadata.PackageNotFoundError:
            return "unknown"

    @property
    def is_installed(self) -> bool:
        """Whether its module can be found; nothing of it is imported but its parents."""
        try:
            return importlib.util.find_spec(self.module) is not None
        except ModuleNotFoundError:
            return False

    def claims(self) -> frozenset[str]:
        """The capabilities that it claims."""
        if self.capabilities is not None:
            return self.capabilities
        offered = frozenset(
            name
            for name, capability in CAPABILITIES.items()
            if all(map(self.has, capability.names))
        )
        return offered - NEEDS_PROCESSES if self.backing is Backing.THREAD else offered

    def unclaimed(self) -> list[str]:
        """Capabilities that it does not claim, though their names are there."""
        claims = self.claims()
        return [
            name
            for name, capability in CAPABILITIES.items()
            if capability.names and name not in claims and all(map(self.has, capability.names))
        ]

    def has(self, name: str) -> bool:
        """Whether a name of the API (``name`` or ``submodule:name``) is there."""
        submodule, _, attribute = name.rpartition(":")
        api = self.api(self.start_methods[0], 0)
        try:
            getattr(getattr(api, submodule) if submodule else api, attribute)
        except Exception:  # noqa: BLE001 - a backend may fail to import in any way; a test that needs it tells how
            return False
        return True


def from_module(name: str) -> Backend:
    """A backend made of an importable module that offers the API, without an adapter.

    Raises:
        UsageError: there is no such module, or it offers no Process.
    """
    module = imported(name)
    if not hasattr(module, "Process"):
        message = (
            f"the module {name} offers no Process, so it does not stand for multiprocessing: "
            f"name the right module, or {_ADAPTER}"
        )
        raise UsageError(message)
    try:
        methods = _start_methods(module)
    except Exception as error:
        message = (
            f"{name}.get_all_start_methods() fails: {type(error).__name__}: {error}; {_ADAPTER}"
        )
        raise UsageError(message) from error
    return Backend(
        name=name,
        module=name,
        start_methods=methods or ("default",),
        contexts=Contexts.OWN if methods else Contexts.NONE,
        distribution=_distribution(name),
    )


def imported(name: str) -> ModuleType:
    """The module of that name.

    Raises:
        UsageError: it can't be imported, for whatever reason.
    """
    if not name or name.startswith("."):
        message = f"{name!r} names no module"
        raise UsageError(message)
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        message = f"there is no module {error.name}"
        raise UsageError(message) from error
    except (Exception, SystemExit) as error:
        frame = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{frame.filename}:{frame.lineno}"
        if isinstance(error, SyntaxError):  # which is where it could not be compiled
            place = f"{error.filename}:{error.lineno}"
        message = f"the module {name} can't be imported: {type(error).__name__}: {error} ({place})"
        raise UsageError(message) from error


def _start_methods(module: ModuleType) -> tuple[str, ...]:
    known: Iterable[str] = getattr(module, "get_all_start_methods", tuple)()
    return tuple(method for method in START_METHODS if method in known)


def _distribution(module: str) -> str | None:
    found = importlib.metadata.packages_distributions().get(module.partition(".")[0])
    return found[0] if found else None
