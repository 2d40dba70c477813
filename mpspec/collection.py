"""How pytest collects the suite: by marks rather than by names, whatever the user's configuration says.

The modules of the suite are imported by their installed names (never through pytest's import modes), because children
started with ``spawn`` import their targets by those names.
"""

from __future__ import annotations

import importlib
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from mpspec.errors import SuiteError
from mpspec.marks import ATTRIBUTE
from mpspec.specification import builtin_chapters

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mpspec.settings import Settings, Variant
    from mpspec.specification import Requirement

SUITE_DIR = Path(__file__).parent / "suite"

settings_key = pytest.StashKey["Settings"]()
suites_key = pytest.StashKey[list[Path]]()


class SuiteDirectory(pytest.Directory):
    """A folder of the suite: of chapters, in their order, or of the modules of one chapter."""

    def collect(self) -> Iterable[pytest.Collector]:
        """Give what holds tests; they see mpspec's fixtures before the project's own of the same names."""
        paths = sorted(path for path in self.path.iterdir() if _holds_tests(path))
        if not isinstance(self.parent, SuiteDirectory):
            self._offer_fixtures()
            order = {name: number for number, name in enumerate(builtin_chapters())}
            paths.sort(key=lambda path: order.get(path.stem, len(order)))
        if self.path == SUITE_DIR:
            # Importing the others is half of what a run of one requirement would cost.
            settings = self.config.stash[settings_key]
            paths = [path for path in paths if settings.asks_for(path.stem)]
        for path in paths:
            if path.is_dir():
                yield SuiteDirectory.from_parent(self, path=path)
            else:
                yield SuiteModule.of(self, path)

    def _offer_fixtures(self) -> None:
        from mpspec import fixtures  # which imports this module

        self.obj = fixtures
        self.session._fixturemanager.parsefactories(self)  # noqa: SLF001 - a plugin's would come after a conftest.py's


class SuiteModule(pytest.Module):
    """Tests of one chapter: the functions that are marked with a requirement."""

    @classmethod
    def of(cls, parent: pytest.Collector, file: Path) -> SuiteModule:
        """The module of a file."""
        node: SuiteModule = cls.from_parent(parent, path=file)
        return node

    def collect(self) -> Iterable[pytest.Item | pytest.Collector]:
        """Import the module by its package's name, and give its tests."""
        try:
            self.obj = importlib.import_module(_module_name(self.path))
        except Exception as error:
            message = (
                f"{self.path} can't be imported:\n{''.join(traceback.format_exception(error))}"
            )
            raise self.CollectError(message) from error
        return super().collect()

    def istestfunction(self, obj: object, name: str) -> bool:  # noqa: ARG002 - pytest's signature
        """Take the functions whose requirement is selected on any variant."""
        identifier = getattr(obj, ATTRIBUTE, None)
        return identifier is not None and bool(self.variants(identifier))

    def istestclass(self, obj: object, name: str) -> bool:  # noqa: ARG002 - pytest's signature
        """Take no class: they are helpers of the tests."""
        return False

    def variants(self, identifier: str) -> list[Variant]:
        """The variants on which a requirement is to be tested."""
        settings = self.config.stash[settings_key]
        requirement = _known(settings, identifier, self.path)
        return [variant for variant in settings.variants if settings.selects(requirement, variant)]


def _holds_tests(path: Path) -> bool:
    """Whether something in a folder of the suite is a module, or a chapter's package of modules."""
    is_module = path.suffix == ".py" or (path / "__init__.py").is_file()
    return is_module and not path.name.startswith("_")


def _known(settings: Settings, identifier: str, file: Path) -> Requirement:
    requirement = settings.specification.get(identifier)
    if requirement is None:
        message = f"{file} tests {identifier!r}, which no specification file defines: define it, or mend the id"
        raise SuiteError(message)
    return requirement


def _module_name(file: Path) -> str:
    parts = [file.stem]
    folder = file.parent
    while (folder / "__init__.py").exists():
        parts.insert(0, folder.name)
        folder = folder.parent
    if len(parts) == 1:
        message = f"{file} is in no package: put an __init__.py beside it, so that children can import it by name"
        raise SuiteError(message)
    if str(folder) not in sys.path:
        sys.path.append(str(folder))
    return ".".join(parts)


def requirement_of(item: pytest.Item) -> Requirement | None:
    """The requirement that an item tests; None for anybody else's test."""
    identifier = getattr(getattr(item, "function", None), ATTRIBUTE, None)
    if identifier is None or settings_key not in item.config.stash:
        return None
    return item.config.stash[settings_key].specification.get(identifier)


def variant_of(item: pytest.Item) -> Variant:
    """The variant that an item runs on."""
    variant: Variant = item.callspec.params["mp"]  # type: ignore[attr-defined]
    return variant


class Collection:
    """The hooks that collect the suite."""

    def __init__(self, suites: list[Path]) -> None:
        self._suites = [SUITE_DIR, *suites]

    def pytest_collect_directory(
        self, path: Path, parent: pytest.Collector
    ) -> pytest.Collector | None:
        """Take the folders of the suite."""
        return SuiteDirectory.from_parent(parent, path=path) if self._is_ours(path) else None

    def pytest_pycollect_makemodule(
        self, module_path: Path, parent: pytest.Collector
    ) -> pytest.Module | None:
        """Take the modules of the suite when they are named one by one."""
        return SuiteModule.of(parent, module_path) if self._is_ours(module_path.parent) else None

    def _is_ours(self, folder: Path) -> bool:
        return folder in self._suites or folder.parent in self._suites

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Give each test the variants on which its requirement is selected."""
        identifier = getattr(metafunc.function, ATTRIBUTE, None)
        module = metafunc.definition.getparent(SuiteModule)
        if identifier is None or module is None:
            return
        variants = module.variants(identifier)
        names = [variant.name for variant in variants]
        metafunc.parametrize("mp", variants, ids=names, indirect=True, scope="session")

    def pytest_itemcollected(self, item: pytest.Item) -> None:
        """Let ``-k`` find a test by its requirement."""
        requirement = requirement_of(item)
        if requirement is not None:
            item.extra_keyword_matches.add(requirement.id)
