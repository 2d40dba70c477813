"""Plugins of mpspec, and the backends that they register."""

from __future__ import annotations

import difflib
import traceback
from pathlib import Path
from typing import Any

import pluggy

from mpspec import hookspecs, specification
from mpspec.backends import Backend, from_module, imported
from mpspec.errors import MpspecError, UsageError


class Registry(pluggy.PluginManager):
    """Knows every plugin; a function called ``mpspec_...`` is a hook without further marking, as in pytest."""

    def __init__(self) -> None:
        super().__init__(hookspecs.PROJECT)
        self.add_hookspecs(hookspecs)

    def parse_hookimpl_opts(self, plugin: object, name: str) -> Any:  # noqa: ANN401 - pluggy's own options
        """Take every function with mpspec's prefix for a hook."""
        if not name.startswith("mpspec_"):
            return None
        options = super().parse_hookimpl_opts(plugin, name)
        if options is None and callable(getattr(plugin, name)):
            flags = ("wrapper", "hookwrapper", "optionalhook", "tryfirst", "trylast")
            return {**dict.fromkeys(flags, False), "specname": None}
        return options

    @classmethod
    def with_entry_points(cls) -> Registry:
        """A registry with everything that is installed.

        Raises:
            UsageError: a plugin that is installed can't be loaded.
        """
        registry = cls()
        try:
            registry.load_setuptools_entrypoints(hookspecs.PROJECT)
        except MpspecError:
            raise
        except Exception as error:
            frame = traceback.extract_tb(error.__traceback__)[-1]
            message = (
                f"an installed plugin (entry point group {hookspecs.PROJECT!r}) can't be loaded: "
                f"{type(error).__name__}: {error} ({frame.filename}:{frame.lineno}); mend it, or uninstall it"
            )
            raise UsageError(message) from error
        return registry

    def add(self, plugin: object) -> None:
        """Register a plugin of pytest's, if it has hooks of ours.

        Raises:
            UsageError: it has a function ``mpspec_...`` that is no hook, or one that takes what the hook does not give.
        """
        if any(name.startswith("mpspec_") for name in dir(plugin)) and not self.is_registered(
            plugin
        ):
            # By a name of its own: two conftest.py files may both be called "conftest".
            self.register(
                plugin, f"{getattr(plugin, '__name__', type(plugin).__name__)}-{id(plugin)}"
            )
            self._check()

    def register(self, plugin: object, name: str | None = None) -> str | None:
        """As pluggy's, with mpspec's error."""
        try:
            return super().register(plugin, name)
        except pluggy.PluginValidationError as error:
            raise _refused(error) from error

    def _check(self) -> None:
        try:
            self.check_pending()
        except pluggy.PluginValidationError as error:
            raise _refused(error) from error

    def backends(self) -> dict[str, Backend]:
        """The registered backends by name."""
        found: dict[str, Backend] = {}
        for offered in self.hook.mpspec_backends():
            for backend in offered:
                if not isinstance(backend, Backend):
                    message = f"mpspec_backends gave {backend!r}: it gives a list of mpspec.backends.Backend objects"
                    raise UsageError(message)
                # The plugin registered last is asked first: a conftest.py may replace a backend of ours.
                found.setdefault(backend.name, backend)
        return dict(sorted(found.items()))

    def specification(self) -> specification.Specification:
        """Every requirement: those that mpspec ships, then those of plugins."""
        further = [path for paths in self.hook.mpspec_requirements() for path in paths]
        return specification.load([specification.SPEC_DIR, *further])

    def suites(self) -> list[Path]:
        """Folders of tests that plugins add."""
        return [path for paths in self.hook.mpspec_suites() for path in paths]

    def resolve(self, name: str) -> Backend:
        """The backend that ``--backend=name`` means.

        Raises:
            UsageError: there is none, or it is not installed.
        """
        known = self.backends()
        if name in known:
            return _installed(known[name])
        if ":" in name:
            return _from_attribute(name)
        try:
            return from_module(name)
        except UsageError as error:
            nearest = difflib.get_close_matches(name.lower(), known, n=1)
            hint = f" Did you mean {nearest[0]!r}?" if nearest else _where_it_is(name, error)
            message = (
                f"--backend={name}: {error}. The registered backends are {', '.join(known)}.{hint}"
            )
            raise UsageError(message) from error


def _where_it_is(name: str, error: UsageError) -> str:
    """What to do about a module that stands in the current folder, where pytest does not look."""
    top = name.partition(".")[0]
    cause = error.__cause__
    if not isinstance(cause, ModuleNotFoundError) or cause.name != top:
        return ""
    found = next((file for file in (f"{top}.py", top) if Path(file).exists()), None)
    if found is None:
        return ""
    return (
        f" This folder has {found}: install it, or run python -m pytest, which imports from here."
    )


def _refused(error: pluggy.PluginValidationError) -> UsageError:
    known = [name for name in vars(hookspecs) if name.startswith("mpspec_")]
    place = getattr(error.plugin, "__file__", None) or repr(error.plugin)
    return UsageError(
        f"{place}: {error}; the hooks are {', '.join(known)} (see mpspec/hookspecs.py)"
    )


def _installed(backend: Backend) -> Backend:
    if not backend.is_installed:
        install = backend.extra or backend.distribution or backend.module
        message = f"--backend={backend.name}: it is known, but not installed here; run: python -m pip install {install}"
        raise UsageError(message)
    return backend


def _from_attribute(name: str) -> Backend:
    module, _, attribute = name.partition(":")
    try:
        found: object = imported(module)
        for part in attribute.split("."):
            found = getattr(found, part)
    except (UsageError, AttributeError) as error:
        message = f"--backend={name}: {error}; name a Backend object as module:attribute"
        raise UsageError(message) from error
    if not isinstance(found, Backend):
        message = f"--backend={name}: that is a {type(found).__name__}, not a mpspec.backends.Backend; name one"
        raise UsageError(message)
    return found
