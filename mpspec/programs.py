"""Whole programs: a function called in an interpreter of its own, where nothing of the backend has been used yet.

Modules of the suite import this one, and so do their children, which start no programs: what it takes to start one is
imported when it is.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable
    from typing import Any

    from mpspec.api import Api

_PROGRAM = """\
import base64, json, pickle, sys
sys.path[:] = json.loads(sys.argv[1])
function, args = pickle.loads(base64.b64decode(sys.argv[2]))
print(json.dumps(function(*args)))
"""

_SCRIPT = """\
import base64, pickle
mp = pickle.loads(base64.b64decode("{mp}"))
{source}
"""


def call(
    function: Callable[..., object], *args: object, timeout: float, options: tuple[str, ...] = ()
) -> Any:  # noqa: ANN401 - whatever JSON gives
    """Call a function of an importable module in a new interpreter; gives what it returned, by way of JSON.

    Args:
        function: called with ``args``, which are pickled.
        *args: its arguments.
        timeout: seconds until the program is killed.
        options: options of the interpreter.

    Raises:
        subprocess.TimeoutExpired: it did not end.
        ProgramError: it ended with another status than 0.
    """
    import base64
    import json
    import pickle
    import subprocess

    data = base64.b64encode(pickle.dumps((function, args))).decode()
    command = [sys.executable, *options, "-c", _PROGRAM, json.dumps(sys.path), data]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    if done.returncode:
        message = (
            f"the program ended with status {done.returncode}; its error stream:\n{done.stderr}"
        )
        raise ProgramError(message)
    return json.loads(done.stdout)


def run_script(
    mp: Api,
    source: str,
    text: str = "",
    *,
    arguments: tuple[str, ...] = (),
    name: str = "program.py",
) -> subprocess.CompletedProcess[str]:
    """Run a program that stands in a file of its own, as its main module; the name ``mp`` is the API under test.

    Args:
        mp: the API under test.
        source: the program; children that do not fork import it once more.
        text: what it finds on its standard input.
        arguments: what the interpreter is given to run it, in the folder where its file is ``name``; the file's full
            path unless stated.
        name: the path of its file below that folder.

    Raises:
        subprocess.TimeoutExpired: it did not end.
    """
    import base64
    import pickle
    import subprocess
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder, name)
        script.parent.mkdir(exist_ok=True)
        pickled = base64.b64encode(pickle.dumps(mp)).decode()
        script.write_text(_SCRIPT.format(mp=pickled, source=source), encoding="utf-8")
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        command = [sys.executable, *(arguments or [str(script)])]
        return subprocess.run(
            command,
            input=text,
            capture_output=True,
            text=True,
            timeout=mp.timeout,
            check=False,
            env=environment,
            cwd=folder if arguments else None,
        )


class ProgramError(Exception):
    """A program did not end well."""
