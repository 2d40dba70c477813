"""TOML files, parsed once: a parsed copy is kept in ``__pycache__``, as Python keeps compiled modules.

Every worker of every run reads the whole specification. ``tomllib`` takes 50 ms for it, the copy takes 2. As with
compiled modules the copy counts only for the file's size and time of modification, ``PYTHONDONTWRITEBYTECODE`` and
``PYTHONPYCACHEPREFIX`` are heeded, and a folder that can't be written to costs time, not the run.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Any


def toml(file: Path) -> dict[str, Any]:
    """What the file holds.

    Raises:
        OSError, UnicodeDecodeError, tomllib.TOMLDecodeError: it can't be read, or is no TOML.
    """
    status = file.stat()
    stamp = [status.st_size, status.st_mtime_ns]
    copy = Path(importlib.util.cache_from_source(str(file))).with_suffix(".json")
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        kept = json.loads(copy.read_bytes())
        if kept["of"] == stamp:
            data: dict[str, Any] = kept["data"]
            return data
    data = tomllib.loads(file.read_text(encoding="utf-8"))
    if not sys.dont_write_bytecode:
        _keep(copy, {"of": stamp, "data": data})
    return data


def _keep(copy: Path, content: dict[str, Any]) -> None:
    with contextlib.suppress(OSError, TypeError):  # TypeError: it holds dates, which JSON can't say
        text = json.dumps(content)
        copy.parent.mkdir(parents=True, exist_ok=True)
        # Beside the copy and then moved: another run never reads half of it.
        descriptor, name = tempfile.mkstemp(dir=copy.parent, prefix=copy.name)
        with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
            stream.write(text)
        Path(name).replace(copy)
