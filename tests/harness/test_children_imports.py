"""What a child under spawn pays for: the modules that it imports to find its target."""

from __future__ import annotations

import pkgutil
import subprocess
import sys

import pytest

import mpspec.suite
from mpspec.specification import builtin_chapters

MODULES = [each.name for each in pkgutil.walk_packages(mpspec.suite.__path__, "mpspec.suite.")]
# Each costs a child 3 to 25 ms, hundreds of times in a run.
HEAVY = {
    "dataclasses",
    "decimal",
    "importlib.metadata",
    "inspect",
    "json",
    "pathlib",
    "psutil",
    "pytest",
    "subprocess",
    "typing",
}

PROGRAM = """
import sys
import multiprocessing.spawn, multiprocessing.connection, multiprocessing.synchronize, multiprocessing.queues
before = set(sys.modules)
import mpspec.api, importlib
for name in sys.argv[1:]:
    importlib.import_module(name)
print(*sorted(set(sys.modules) - before))
"""


@pytest.mark.parametrize("chapter", builtin_chapters())
def test_modules_of_the_suite_import_little(chapter: str) -> None:
    modules = [name for name in MODULES if name.split(".")[2] == chapter]
    command = [sys.executable, "-c", PROGRAM, *modules]
    imported = subprocess.run(command, capture_output=True, check=True, text=True).stdout.split()
    assert f"mpspec.suite.{chapter}" in imported
    assert HEAVY.isdisjoint(imported)
