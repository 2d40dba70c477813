"""Files, written whole or not at all."""

from __future__ import annotations

import contextlib
import tempfile
from pathlib import Path

from mpspec.errors import UsageError


def replace(path: Path, text: str) -> None:
    """Put the text into the file, in one step for whoever reads it meanwhile.

    Raises:
        UsageError: it can't be written; what was there before still is, and nothing beside it.
    """
    written = None
    try:
        with tempfile.NamedTemporaryFile(
            "w", dir=path.parent, prefix=f".{path.name}.", delete=False, encoding="utf-8"
        ) as file:
            written = Path(file.name)
            file.write(text)
        written.chmod(0o644)
        written.replace(path)
    except OSError as error:
        if written is not None:
            with contextlib.suppress(OSError):
                written.unlink()
        message = f"{path} can't be written: {error.strerror}; name a file in a folder that exists and has room"
        raise UsageError(message) from error
