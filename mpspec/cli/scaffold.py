"""To begin with an implementation of one's own: ``mpspec new``."""

from __future__ import annotations

import importlib.util
import re
import sys
from typing import TYPE_CHECKING

from mpspec import files
from mpspec.errors import UsageError

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

_ADAPTER = '''\
"""How mpspec reaches {name}: pytest --backend={name}"""

from mpspec.backends import Backend


def mpspec_backends():
    return [
        Backend(
            name="{name}",
            module="{module}",
            # What it leaves out; mpspec/backends.py tells all that a backend can say.
            # start_methods=("spawn",),
            # capabilities=frozenset({{"process", "process.exit", "pipes", "queues"}}),
            # names={{"TimeoutError": "{module}.errors:TimeoutError"}},
        )
    ]
'''
_DEVIATIONS = """\
# Known failures, each with its reason. To list those of a report:
#   pytest --backend={name} --deviations=deviations.toml --conformance-report=report.json
#   mpspec deviations write report.json --output=deviations.toml
"""
_JOB = """\
name: conformance
on: [push, pull_request]
jobs:
  conformance:
    runs-on: ubuntu-latest
    strategy:
      fail-fast: false
      matrix:
        python: ["3.11", "3.14"]
    steps:
      - uses: actions/checkout@v4
      - uses: actions/setup-python@v5
        with:
          python-version: ${{{{ matrix.python }}}}
      # mpspec: its released name, or the address of its repository (git+https://...)
      - run: python -m pip install . mpspec
      - run: >-
          python -m pytest --backend={name} --deviations=deviations.toml
          --conformance-report=report.json
      - run: mpspec report report.json --markdown >> "$GITHUB_STEP_SUMMARY"
        if: always()
      - uses: actions/upload-artifact@v4
        if: always()
        with:
          name: conformance-${{{{ matrix.python }}}}
          path: report.json
"""
_FILES = {
    "conftest.py": _ADAPTER,
    "deviations.toml": _DEVIATIONS,
    ".github/workflows/conformance.yml": _JOB,
}


def new(options: argparse.Namespace) -> int:
    """Write the files; nothing is written when any of them exists."""
    name, module, folder = options.name, options.module or options.name, options.folder
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]*", name):
        message = f"{name!r} can't be a backend's name: use letters, digits, and _ . - between them"
        raise UsageError(message)
    if not all(part.isidentifier() for part in module.split(".")):
        message = f"--module={module}: that is no name of a module, such as yours.multiprocessing; give it by --module"
        raise UsageError(message)
    if not folder.is_dir():
        message = f"--folder={folder}: there is no such folder; make it first"
        raise UsageError(message)
    if there := [file for file in _FILES if (folder / file).exists()]:
        message = (
            f"{folder.absolute()} has {', '.join(there)} already, and nothing was written: "
            "use another --folder, and take from it what you need"
        )
        raise UsageError(message)
    for file, template in _FILES.items():
        _write(folder / file, template.format(name=name, module=module))
        print(folder / file)
    print(f"next: pytest --backend={name}")
    if not _is_importable(module):
        sys.stderr.write(
            f"mpspec: there is no module {module} here: install it in this environment\n"
        )
    return 0


def _write(file: Path, text: str) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        message = f"{file.parent} can't be made: {error.strerror}"
        raise UsageError(message) from error
    files.replace(file, text)


def _is_importable(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ImportError:
        return False
