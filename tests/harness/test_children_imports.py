"""What a child under spawn pays for: the modules that it imports to find its target."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import mpspec.suite

SUITE = sorted(file.stem for file in Path(mpspec.suite.__file__).parent.glob("[a-z]*.py"))
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
importlib.import_module(sys.argv[1])
print(*sorted(set(sys.modules) - before))
"""


@pytest.mark.parametrize("chapter", SUITE)
def test_modules_of_the_suite_import_little(chapter: str) -> None:
    command = [sys.executable, "-c", PROGRAM, f"mpspec.suite.{chapter}"]
    imported = subprocess.run(command, capture_output=True, check=True, text=True).stdout.split()
    assert f"mpspec.suite.{chapter}" in imported
    assert HEAVY.isdisjoint(imported)
