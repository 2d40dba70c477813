"""What several tests of the reference share."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import TypeAlias

    RunProgram: TypeAlias = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def run_program(tmp_path: Path) -> RunProgram:
    """Run a program that stands in a file of its own: its source, its argument, options of the interpreter."""

    def run(source: str, argument: str, *options: str) -> subprocess.CompletedProcess[str]:
        program = tmp_path / "program.py"
        program.write_text(source, encoding="utf-8")
        return subprocess.run(
            [sys.executable, *options, str(program), argument],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    return run
