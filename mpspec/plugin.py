"""The pytest plugin: what ``--backend`` sets in motion. Without that option it does nothing."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mpspec import fixtures, options, settings
from mpspec.collection import SUITE_DIR, Collection, settings_key
from mpspec.errors import MpspecError
from mpspec.journal import Journal
from mpspec.recorder import Recorder
from mpspec.registry import Registry
from mpspec.reports import json as json_report
from mpspec.reports import terminal
from mpspec.supervision import Supervisor, adopt_orphans
from mpspec.workers import INPUT, Workers

if TYPE_CHECKING:
    from collections.abc import Generator

USAGE_ERROR = 2
# Workers are replaced as often as it takes: each replacement is a verdict, never a reason to stop.
_UNLIMITED_RESTARTS = "1000000"

registry_key = pytest.StashKey[Registry]()

pytest.register_assert_rewrite("mpspec.suite", "mpspec.children")


def pytest_addoption(parser: pytest.Parser, pluginmanager: pytest.PytestPluginManager) -> None:
    """Add mpspec's options, and begin to gather its plugins."""
    options.add(parser)
    pluginmanager.register(_Gatherer(Registry.with_entry_points()), "mpspec-gatherer")


class _Gatherer:
    """Hands every plugin that pytest loads, conftest.py files among them, to mpspec's registry."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        self._errors: list[str] = []

    def pytest_plugin_registered(self, plugin: object) -> None:
        """A plugin may have hooks of ours."""
        self.registry.add(plugin)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> Generator[None, object, object]:
    """Make supervised workers the default, before pytest-xdist reads its options."""
    in_worker = hasattr(config, "workerinput")
    if config.getoption("--backend") and hasattr(config.option, "numprocesses") and not in_worker:
        alone = config.option.usepdb or config.option.collectonly or config.option.tx
        if config.option.numprocesses is None and not alone and config.option.dist == "no":
            config.option.numprocesses = len(os.sched_getaffinity(0))
        config.option.maxworkerrestart = _UNLIMITED_RESTARTS
    return (yield)


class _Start:
    """Checks the options before anything runs; registered late, so that every plugin has been gathered."""

    @pytest.hookimpl(tryfirst=True)
    def pytest_cmdline_main(self, config: pytest.Config) -> int | None:
        """Turn bad input into a message and exit status 2."""
        registry = config.pluginmanager.get_plugin("mpspec-gatherer").registry
        try:
            found = settings.from_options(config, registry)
            suites = registry.suites()
        except MpspecError as error:
            sys.stderr.write(f"ERROR: {error}\n")
            return USAGE_ERROR
        config.stash[settings_key] = found
        config.stash[registry_key] = registry
        _target(config, suites)
        config.pluginmanager.register(Collection(suites), "mpspec-collection")
        config.pluginmanager.register(fixtures, "mpspec-fixtures")
        return None


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    """Look at the options when all plugins are known."""
    if early_config.known_args_namespace.backend:
        early_config.pluginmanager.register(_Start(), "mpspec-start")


def _target(config: pytest.Config, suites: list[Path]) -> None:
    if config.args_source is not config.ArgsSource.ARGS:
        config.args = [str(path) for path in (SUITE_DIR, *suites)]
    if config.option.tbstyle == "auto":
        config.option.tbstyle = "no"  # the report at the end names what matters
    if config.option.reportchars == "fE":
        config.option.reportchars = "N"
    # What a backend lets slip in finalizers is no verdict; -v shows it.
    config.option.disable_warnings = config.option.disable_warnings or config.option.verbose < 1
    # Verdicts do not depend on how the user's project treats warnings.
    config.addinivalue_line("filterwarnings", "default")
    config.addinivalue_line("filterwarnings", "ignore:This process .* is multi-threaded:DeprecationWarning")


def pytest_configure(config: pytest.Config) -> None:
    """Supervise the tests here, or the workers that run them."""
    if settings_key not in config.stash:
        return
    worker_input = getattr(config, "workerinput", None)
    manager = config.pluginmanager
    if worker_input is not None:
        os.setpgid(0, 0)  # so that whatever it started can be found when it is gone
        _supervise(config, Path(worker_input[INPUT]), worker_input["workerid"], replaceable=True)
        return
    folder = Path(tempfile.mkdtemp(prefix="mpspec-"))
    config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))
    manager.register(terminal.Progress(config), "mpspec-progress")
    manager.register(json_report, "mpspec-json")
    manager.register(Recorder(config, config.stash[registry_key]), "mpspec-recorder")
    distributed = getattr(config.option, "dist", "no") != "no"
    if distributed and not config.option.collectonly:
        manager.register(Workers(config, folder), "mpspec-workers")
    elif not config.option.collectonly:
        _supervise(config, folder, "main", replaceable=False)
        if config.stash[settings_key].report:
            manager.register(json_report.Running(config), "mpspec-running")


def _supervise(config: pytest.Config, folder: Path, worker: str, *, replaceable: bool) -> None:
    adopt_orphans()
    journal = Journal(folder, worker)
    config.add_cleanup(journal.close)
    supervisor = Supervisor(config, journal, replaceable=replaceable)
    config.pluginmanager.register(supervisor, "mpspec-supervisor")
