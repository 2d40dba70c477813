"""To run the suite: ``mpspec run``."""

from __future__ import annotations

import os
import shlex
import sys
from typing import TYPE_CHECKING

from mpspec.errors import UsageError
from mpspec.registry import Registry

if TYPE_CHECKING:
    from collections.abc import Sequence

_UNUSABLE = 2
# pytest's own status for a command line that it does not understand.
_PYTEST_USAGE = 4
_OPTION = "--backend"


def run(words: Sequence[str]) -> int:
    """Run pytest with these words; without a backend, the standard library's implementation is tested.

    Raises:
        UsageError: the backend's launcher can't be started.
    """
    names = _backends(words)
    words = [*words] if names is not None else [f"{_OPTION}=stdlib", *words]
    prefix = _launch_prefix(names or [])
    if prefix:
        command = [*prefix, sys.executable, "-m", "pytest", *words]
        sys.stderr.write(f"mpspec: {shlex.join(command)}\n")
        try:
            os.execvp(command[0], command)  # noqa: S606 - the backend's own launcher
        except OSError as error:
            message = f"the backend's launch prefix {shlex.join(prefix)!r} can't be started: {error.strerror}"
            raise UsageError(message) from error
    import pytest

    status = int(pytest.main(words))
    return _UNUSABLE if status == _PYTEST_USAGE else status


def _backends(words: Sequence[str]) -> list[str] | None:
    """The names that follow ``--backend``; None without the option."""
    found = None
    for number, word in enumerate(words):
        option, equals, value = word.partition("=")
        if option == _OPTION:
            found = [*(found or []), value if equals else "".join(words[number + 1 : number + 2])]
    return found


def _launch_prefix(names: Sequence[str]) -> tuple[str, ...]:
    known = Registry.with_entry_points().backends()
    prefixes = {name: known[name].launch_prefix for name in names if name in known}
    wanted = set(prefixes.values())
    if len(wanted) > 1:
        message = f"the backends {', '.join(prefixes)} are launched in different ways; test them one by one"
        raise UsageError(message)
    return wanted.pop() if wanted else ()
