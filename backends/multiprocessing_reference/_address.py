"""Which family an address belongs to, and default addresses.

Documentation: multiprocessing.connection, "Address Formats".
"""

from __future__ import annotations

import os

from ._log import info

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["DEFAULT_FAMILY", "address_family", "check_family", "private_directory"]

DEFAULT_FAMILY = "AF_UNIX"  # the fastest
_FAMILIES = ("AF_INET", "AF_INET6", "AF_UNIX")
_PATH_MAX = 60
"""Bytes of a directory for sockets, whose whole names have about 100."""


def address_family(address: Any) -> str:  # noqa: ANN401 - its type is the question
    r"""Return the family that the form of *address* tells; ValueError for an unknown form.

    ``(hostname, port)`` is AF_INET, ``\\server\pipe\name`` AF_PIPE, another string AF_UNIX; bytes
    are a path too, or an abstract name when they begin with a zero.
    """
    if isinstance(address, tuple):
        return "AF_INET"
    if isinstance(address, str) and address.startswith("\\\\"):
        return "AF_PIPE"
    if isinstance(address, str | bytes):
        return "AF_UNIX"
    message = (
        f"can't tell the family of the address {address!r}: it must be a tuple (hostname, port) or "
        "the path of a socket"
    )
    raise ValueError(message)


def check_family(family: str) -> None:
    """Raise ValueError unless this platform has *family*."""
    if family not in _FAMILIES:
        known = ", ".join(_FAMILIES)
        message = f"family {family!r} is not available on this platform: use one of {known}"
        raise ValueError(message)


def private_directory(kind: str) -> str:
    """Return a new directory for a socket, which nobody else may enter; its name begins with *kind*.

    It is below the temporary directory, unless that has a name too long for the address of a socket, or can't be
    used. (The module tempfile takes as long to import as a manager's server to start.)
    """
    base = os.environ.get("TMPDIR") or "/tmp"  # noqa: S108 - the folder made in it is private
    if len(os.fsencode(base)) > _PATH_MAX or not os.access(base, os.W_OK | os.X_OK):
        base = "/tmp"  # noqa: S108
    directory = f"{base}/{kind}-{os.urandom(8).hex()}"
    os.mkdir(directory, 0o700)  # noqa: PTH102 - pathlib is heavy
    info("created temp directory %s", directory)
    return directory
