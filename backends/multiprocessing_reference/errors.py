"""The exceptions that every part of the package raises.

Documentation: multiprocessing, "Process and exceptions".
"""

from __future__ import annotations

__all__ = ["AuthenticationError", "BufferTooShort", "ProcessError", "TimeoutError"]


class ProcessError(Exception):
    """The base class of all exceptions of this package."""


class BufferTooShort(ProcessError):  # noqa: N818 - the documented name
    """The buffer given to `Connection.recv_bytes_into` is too small for the message.

    The complete message is in ``args[0]``.
    """


class TimeoutError(ProcessError):  # noqa: A001 - the documented name
    """A method with a timeout gave up waiting."""


class AuthenticationError(ProcessError):
    """The two ends of a connection do not hold the same key."""
