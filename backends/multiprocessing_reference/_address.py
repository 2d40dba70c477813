"""Which family an address belongs to, and default addresses.

Documentation: multiprocessing.connection, "Address Formats".
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["DEFAULT_FAMILY", "address_family", "check_family"]

DEFAULT_FAMILY = "AF_UNIX"  # the fastest
_FAMILIES = ("AF_INET", "AF_INET6", "AF_UNIX")


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
