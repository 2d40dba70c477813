"""The reference stands on its own: neither it, nor anything that it imports, imports multiprocessing."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING

import multiprocessing_reference
import pytest

if TYPE_CHECKING:
    from tests.reference.conftest import RunProgram

PACKAGE = Path(multiprocessing_reference.__file__).parent

# A program in which importing multiprocessing fails; it imports every module of the reference, then uses each part.
PROGRAM = """
import pkgutil, sys

sys.modules["multiprocessing"] = None  # any import of it, or below it, raises ImportError

import multiprocessing_reference as mp


def child(queue, value, names):
    with value.get_lock():
        value.value += 1
    names["child"] = "yes"
    loaded = [name for name, module in sys.modules.items() if module is not None]
    queue.put([name for name in loaded if name.partition(".")[0] == "multiprocessing"])


def square(number):
    return number * number


def use(context):
    with context.Manager() as manager, context.Pool(2) as pool:
        queue, value, names = context.Queue(), context.Value("i", 0), manager.dict()
        process = context.Process(target=child, args=(queue, value, names))
        process.start()
        found = queue.get()
        process.join()
        assert (value.value, names["child"], pool.map(square, range(3))) == (1, "yes", [0, 1, 4])
        assert found == []
        pool.close()
        pool.join()


if __name__ == "__main__":
    for module in pkgutil.walk_packages(mp.__path__, "multiprocessing_reference."):
        if not module.name.endswith("_main"):
            __import__(module.name)
    use(mp.get_context(sys.argv[1]))
    print("independent")
"""


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_runs_where_multiprocessing_cannot_be_imported(
    method: str, run_program: RunProgram
) -> None:
    done = run_program(PROGRAM, method, "-W", "error")
    assert (done.stdout, done.returncode) == ("independent\n", 0), done.stderr


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: path.name)
def test_source_has_no_import_and_no_assert(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        assert not isinstance(node, ast.Assert), f"{path}:{node.lineno}: vanishes under python -O"
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.level == 0:
            names = [node.module or ""]
        roots = {name.partition(".")[0] for name in names}
        assert "multiprocessing" not in roots, f"{path}: imports multiprocessing"
