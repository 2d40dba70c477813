"""The child's side of *spawn*, and what a child that is no copy of its parent must be told.

`preparation_data` describes the parent: the path and arguments, the working directory, the main
module, the logger. `prepare` makes a fresh process like it; then the Process object can be
unpickled.

The main module is imported again in the child, as ``__mp_main__``, so that code guarded by
``if __name__ == "__main__"`` does not run twice, and stands in for ``__main__`` there.

Documentation: multiprocessing, "The spawn and forkserver start methods", "Safe importing of main
module".
"""

from __future__ import annotations

import os
import sys
from _pickle import loads

from . import _family, _log
from . import process as _process
from ._interpreter import close_inherited, get_executable, import_path, set_executable
from ._undo import on_failure

TYPE_CHECKING = False
if TYPE_CHECKING:
    from io import BufferedReader
    from types import CodeType, ModuleType
    from typing import Any, NoReturn

__all__ = [
    "freeze_support",
    "get_executable",
    "get_preparation_data",
    "import_main",
    "preparation_data",
    "prepare",
    "set_executable",
    "spawn_main",
]

MARKER = "--multiprocessing-fork"
"""The first argument of a spawned child: seen in a list of processes, and by `freeze_support`."""


def preparation_data(
    process: _process.BaseProcess, start_method: str, *, extended: bool = True
) -> dict[str, Any]:
    """Return what the child that is to run *process* must know before it can unpickle it.

    *start_method* is what it is started by, and its own default. *extended*: with what programs have added to
    `get_preparation_data`, which is meant for the children alone.

    RuntimeError: this process is itself a child that still imports its main module.
    """
    if _family.bootstrapping():
        message = (
            f"an attempt was made to start {process.name!r} before the current process has "
            "finished its bootstrapping phase: a child started by spawn or forkserver imports the "
            "main module of the program, which must not start processes then. Put the code that "
            "does under\n\n"
            "    if __name__ == '__main__':\n        freeze_support()\n        ...\n\n"
            "(freeze_support() is needed only for a program that is frozen to an executable)."
        )
        raise RuntimeError(message)
    from . import resource_tracker

    return {
        **(get_preparation_data if extended else _describe)(process.name),
        "authkey": bytes(process.authkey),
        "start_method": start_method,
        "tracker": resource_tracker.getfd(),
        "forkserver": _forkserver_fd(),
    }


def get_preparation_data(name: str) -> dict[str, Any]:
    """Return what any child that is called *name* must know of this process.

    Undocumented: profilers and coverage wrap it, to add objects that start them in the child when they are
    unpickled there.
    """
    return _describe(name)


def _describe(name: str) -> dict[str, Any]:
    from . import _interpreter

    current = _process.current_process()
    return {
        "name": name,
        "parent": (current.name, os.getpid()),
        "log": _log.settings(),
        "path": import_path(),
        "argv": sys.argv,
        "dir": _working_directory(),
        "orig_dir": _process.ORIGINAL_DIR,
        "executable": _interpreter._executable,  # noqa: SLF001 - None must stay None
        "main": main_module(),
    }


def _forkserver_fd() -> int | None:
    forkserver = sys.modules.get(f"{__package__}.forkserver")
    return None if forkserver is None else forkserver.getfd()


def _working_directory() -> str | None:
    try:
        return os.getcwd()  # noqa: PTH109 - pathlib is heavy
    except FileNotFoundError:
        return None


def main_module() -> tuple[str, str] | None:
    """Return how a child finds the main module: ("name", its name) or ("path", its file), or None.

    None: there is nothing to import (an interactive session, ``python -c``, a program on stdin).
    """
    main = sys.modules.get("__main__")
    spec = getattr(main, "__spec__", None)
    if spec is not None:
        return "name", spec.name
    path = getattr(main, "__file__", None)
    if path is None or path.startswith("<"):
        return None
    return "path", os.path.normpath(os.path.join(_process.ORIGINAL_DIR or "", path))  # noqa: PTH118


def prepare(data: dict[str, Any]) -> None:
    """Make this process like the one that `preparation_data` described."""
    from . import resource_tracker
    from .context import default_context

    current = _process.current_process()
    current.name = data["name"]
    current.authkey = data["authkey"]
    sys.path[:] = data["path"]
    sys.argv = data["argv"]
    _process.ORIGINAL_DIR = data["orig_dir"]
    if data["dir"] is not None:
        try:  # noqa: SIM105 - contextlib takes a millisecond to import
            os.chdir(data["dir"])
        except FileNotFoundError:
            pass  # removed meanwhile; the parent is in no better place
    if data["executable"] is not None:
        set_executable(data["executable"])
    default_context.set_start_method(data["start_method"], force=True)
    if data["tracker"] is not None:
        resource_tracker.adopt(data["tracker"])
    if data["forkserver"] is not None:
        from .forkserver import adopt

        adopt(data["forkserver"])
    _log.repeat(*data["log"])
    import_main(data["main"])


# -- the main module


def import_main(main: tuple[str, str] | None) -> None:
    """Import the main module of the parent in place of ours, unless this process has it."""
    if main is None:
        return
    kind, value = main
    current = sys.modules["__main__"]
    if kind == "name":
        spec = getattr(current, "__spec__", None)
        # A __main__.py (of a package, a folder, a zip file) is code to run, often without a guard.
        if value.rpartition(".")[2] != "__main__" and (spec is None or spec.name != value):
            _run_as_main(*_load_by_name(value))
    elif getattr(current, "__file__", None) != value:
        _run_as_main(*_load_by_path(value))


def _load_by_name(name: str) -> tuple[CodeType, dict[str, Any]]:
    from importlib.util import find_spec

    spec = find_spec(name)
    code = None
    if spec is not None and spec.loader is not None and hasattr(spec.loader, "get_code"):
        code = spec.loader.get_code(name)
    if spec is None or code is None:
        message = f"can't import the main module {name!r} of the parent process"
        raise ImportError(message, name=name)
    return code, {
        "__spec__": spec,
        "__loader__": spec.loader,
        "__file__": spec.origin,
        "__cached__": spec.cached,
        "__package__": spec.parent,
    }


def _load_by_path(path: str) -> tuple[CodeType, dict[str, Any]]:
    if path.endswith(".pyc"):
        from importlib.machinery import SourcelessFileLoader

        code = SourcelessFileLoader("__mp_main__", path).get_code("__mp_main__")
    else:
        from io import open_code

        with open_code(path) as file:
            code = compile(file.read(), path, "exec", dont_inherit=True)
    if code is None:
        message = f"can't import the main module {path!r} of the parent process"
        raise ImportError(message, path=path)
    return code, {"__file__": path, "__cached__": None, "__package__": ""}


def _run_as_main(code: CodeType, attributes: dict[str, Any]) -> None:
    previous = sys.modules["__main__"]
    module: ModuleType = type(sys)("__mp_main__")
    module.__dict__.update(attributes)
    _set_main(module)
    with on_failure(_set_main, previous):
        exec(code, module.__dict__)  # noqa: S102 - the program itself


def _set_main(module: ModuleType) -> None:
    sys.modules["__main__"] = sys.modules["__mp_main__"] = module


# -- the child


def spawn_main(file: BufferedReader) -> NoReturn:
    """Run a spawned child: *file* holds what `_launch_spawn` wrote, from behind sys.path on."""
    from marshal import load

    fds, others = load(file)  # noqa: S302 - our own parent wrote it, as below
    close_inherited((file.fileno(), *fds, *others))
    data = loads(load(file))  # noqa: S302
    pickled = file.read()
    file.close()

    from ._bootstrap import run_child
    from .reduction import unpack

    parent = _process.ParentProcess(*data["parent"])
    _family.set_parent(parent)
    _family.set_bootstrapping(True)
    prepare(data)
    process = unpack(pickled, fds)
    _family.set_bootstrapping(False)
    sys.exit(run_child(process, parent, forked=False))


def freeze_support() -> None:
    """Run the child and exit, if this frozen executable was started for one.

    Documentation: multiprocessing.freeze_support
    """
    if len(sys.argv) > 2 and sys.argv[1] == MARKER:  # noqa: PLR2004
        from marshal import load

        file = open(int(sys.argv[2]), "rb")  # noqa: SIM115, PTH123 - spawn_main closes it
        sys.path[:] = load(file)  # noqa: S302
        spawn_main(file)
