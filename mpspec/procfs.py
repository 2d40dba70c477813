"""The kernel's small files about processes (Linux): a few reads of /proc a test, so each must be cheap."""

from __future__ import annotations

import os


def content(file: str) -> bytes:
    """All that a file of /proc holds; in half the time of ``open()``.

    Raises:
        FileNotFoundError, ProcessLookupError: the process it tells of has ended.
    """
    descriptor = os.open(file, os.O_RDONLY)
    try:
        whole = b""
        while more := os.read(descriptor, 1 << 16):
            whole += more
        return whole
    finally:
        os.close(descriptor)
