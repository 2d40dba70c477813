"""A run that has a backend to test: what ``--backend`` sets in motion."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mpspec import settings
from mpspec.collection import SUITE_DIR, Collection, settings_key
from mpspec.errors import MpspecError, UsageError
from mpspec.interrupts import Interrupts
from mpspec.journal import WORKER_INPUT, Journal
from mpspec.recorder import Recorder
from mpspec.registry import Registry
from mpspec.reports import json as json_report
from mpspec.reports import progress

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

USAGE_ERROR = 2
# Workers are replaced as often as it takes: each replacement is a verdict, never a reason to stop.
_UNLIMITED_RESTARTS = "1000000"

pytest.register_assert_rewrite("mpspec.suite", "mpspec.children")


def begin(config: pytest.Config) -> None:
    """Take part in a run, from before its ``conftest.py`` files are loaded."""
    try:
        session = _Session(Registry.with_entry_points())
    except MpspecError as error:
        session = _Session(Registry(), error)
    config.pluginmanager.register(session, "mpspec-session")


class _Session:
    """The hooks of the run as a whole."""

    def __init__(self, registry: Registry, error: MpspecError | None = None) -> None:
        self._registry = registry
        self._error = error

    def pytest_plugin_registered(self, plugin: object) -> None:
        """Hand every plugin of pytest's, conftest.py files among them, to mpspec's registry."""
        try:
            self._registry.add(plugin)
        except MpspecError as error:
            self._error = self._error or error

    @pytest.hookimpl(tryfirst=True)
    def pytest_cmdline_main(self, config: pytest.Config) -> int | None:
        """Check the options before anything runs; bad input becomes a message and exit status 2."""
        try:
            _distribute(config)
            found, suites = self._checked(config)
        except MpspecError as error:
            sys.stderr.write(f"ERROR: {error}\n")
            return USAGE_ERROR
        except Exception:  # noqa: BLE001 - a plugin's hook may fail in any way, which says nothing of a backend
            traceback.print_exc()
            sys.stderr.write("ERROR: a hook of mpspec's has failed, as told above; mend it\n")
            return USAGE_ERROR
        config.stash[settings_key] = found
        _target(config, suites)
        config.pluginmanager.register(Collection(suites), "mpspec-collection")
        return None

    def _checked(self, config: pytest.Config) -> tuple[settings.Settings, list[Path]]:
        if self._error is not None:
            raise self._error
        return settings.from_options(config, self._registry), self._registry.suites()

    @pytest.hookimpl(wrapper=True, specname="pytest_cmdline_main")
    def pytest_cmdline_main_status(self) -> Generator[None, int | None, int | None]:
        """What pytest and its plugins can't use becomes a message and exit status 2 as well, theirs being 4."""
        try:
            status = yield
        except (pytest.UsageError, MpspecError) as error:
            sys.stderr.write(f"ERROR: {error}\n")
            return USAGE_ERROR
        return USAGE_ERROR if status == pytest.ExitCode.USAGE_ERROR else status

    def pytest_configure(self, config: pytest.Config) -> None:
        """Supervise the tests here, or the workers that run them."""
        worker_input = getattr(config, "workerinput", None)
        manager = config.pluginmanager
        if worker_input is not None:
            os.setpgid(0, 0)  # so that whatever it started can be found when it is gone
            _supervise(
                config, Path(worker_input[WORKER_INPUT]), worker_input["workerid"], replaceable=True
            )
            return
        if _has_terminal(config):
            manager.register(progress.Progress(config), "mpspec-progress")
        if _only_shows(config):
            return
        folder = Path(tempfile.mkdtemp(prefix="mpspec-"))
        config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))
        manager.register(json_report, "mpspec-json")
        manager.register(Recorder(config, self._registry, folder), "mpspec-recorder")
        manager.register(Interrupts(config), "mpspec-interrupts")
        if _is_distributed(config):
            from mpspec.workers import Workers  # which needs psutil; a collection does not

            manager.register(Workers(config, folder), "mpspec-workers")
            return
        _supervise(config, folder, "main", replaceable=False)
        if config.stash[settings_key].report:
            manager.register(json_report.Running(config), "mpspec-running")


def _distribute(config: pytest.Config) -> None:
    """Make supervised workers the default, before pytest-xdist reads its options.

    Raises:
        UsageError: the number of workers is none.
    """
    option = config.option
    if not hasattr(option, "numprocesses") or hasattr(config, "workerinput"):
        return
    if isinstance(option.numprocesses, int) and option.numprocesses < 0:
        message = (
            f"-n {option.numprocesses}: give the number of workers, or 0 to run in this process"
        )
        raise UsageError(message)
    if _only_shows(config):
        option.numprocesses = 0
    alone = option.usepdb or option.tx
    if option.numprocesses is None and not alone:
        option.numprocesses = _cores()
    if option.dist != "no":
        # The others hang when a worker is replaced, or make an order that no test here needs.
        option.dist = "load"
    option.maxworkerrestart = _UNLIMITED_RESTARTS


def _only_shows(config: pytest.Config) -> bool:
    """Whether no test is to run: what there is (``--collect-only``, ``--fixtures``) is shown instead."""
    option = config.option
    return bool(option.collectonly or option.showfixtures or option.show_fixtures_per_test)


def _cores() -> int:
    affinity: Callable[[int], set[int]] | None = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity is not None else os.cpu_count() or 1


def _is_distributed(config: pytest.Config) -> bool:
    option = config.option
    return getattr(option, "dist", "no") != "no" and bool(option.tx)


def _target(config: pytest.Config, suites: list[Path]) -> None:
    if config.args_source is not config.ArgsSource.ARGS:
        config.args = [str(path) for path in (SUITE_DIR, *suites)]
    if _has_terminal(config):
        _quieten(config)
    # With workers a run goes on when a module can't be collected; so it does without them.
    config.option.continue_on_collection_errors = True
    # Verdicts do not depend on how the user's project treats warnings.
    config.addinivalue_line("filterwarnings", "default")
    config.addinivalue_line(
        "filterwarnings", "ignore:This process .* is multi-threaded:DeprecationWarning"
    )


def _has_terminal(config: pytest.Config) -> bool:
    return config.pluginmanager.hasplugin("terminal")


def _quieten(config: pytest.Config) -> None:
    """Leave the word to the report at the end, where the user has not asked for more."""
    if config.option.tbstyle == "auto":
        config.option.tbstyle = "no"
    if config.option.reportchars == "fE":
        config.option.reportchars = "N"
    # What a backend lets slip in finalizers is no verdict; -v shows it.
    config.option.disable_warnings = config.option.disable_warnings or config.option.verbose < 1


def _supervise(config: pytest.Config, folder: Path, worker: str, *, replaceable: bool) -> None:
    from mpspec.supervision import (
        Supervisor,
        adopt_orphans,
        give_memory_back,
        hear_signals,
        unhook_children,
    )

    if replaceable:
        hear_signals()
    adopt_orphans()
    give_memory_back()
    unhook_children()
    journal = Journal(folder, worker)
    config.add_cleanup(journal.close)
    supervisor = Supervisor(config, journal, replaceable=replaceable)
    config.pluginmanager.register(supervisor, "mpspec-supervisor")
