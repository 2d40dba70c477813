"""The key of a process, by which the processes of one program know each other.

Documentation: multiprocessing, "Authentication keys".
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

__all__ = ["AuthenticationString"]


class AuthenticationString(bytes):
    """The key of a process, which only travels to a process that inherits it.

    Documentation: multiprocessing, "Authentication keys".
    """

    __slots__ = ()

    def __reduce__(self) -> tuple[Any, ...]:
        from .reduction import spawning

        if not spawning():
            message = "Pickling an AuthenticationString object is disallowed for security reasons"
            raise TypeError(message)
        return AuthenticationString, (bytes(self),)
