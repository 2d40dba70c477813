"""What README.md tells to do for programs that import ``multiprocessing`` gives them the reference."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

README = Path(__file__).parents[2] / "README.md"
PROGRAM = """
import sys
import multiprocessing, multiprocessing.pool
from multiprocessing import connection
from concurrent.futures import ProcessPoolExecutor


def origins():
    return [multiprocessing.Process.__module__, multiprocessing.pool.__name__, connection.__name__]


if __name__ == "__main__":
    context = multiprocessing.get_context(sys.argv[1])
    with context.Pool(1) as pool:
        print(*pool.apply(origins))
    with ProcessPoolExecutor(1, mp_context=context) as executor:
        print(*executor.submit(origins).result())
"""


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_recipe_of_the_readme(method: str, tmp_path: Path) -> None:
    """With the recipe's file on the path a program and its children have the reference alone."""
    _, _, after = README.read_text(encoding="utf-8").partition("in a file `multiprocessing.py`")
    _, _, code = after.partition("```python\n")
    recipe, end, _ = code.partition("```")
    assert end
    folder = tmp_path / "alias"
    folder.mkdir()
    (folder / "multiprocessing.py").write_text(recipe, encoding="utf-8")
    program = tmp_path / "program.py"
    program.write_text(PROGRAM, encoding="utf-8")
    path = os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])])
    ended = subprocess.run(
        [sys.executable, program, method],
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.stderr == ""
    found = ended.stdout.split()
    assert len(found) == 6
    assert all(name.startswith("multiprocessing_reference") for name in found)
