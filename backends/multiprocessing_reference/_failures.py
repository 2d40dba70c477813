"""The exceptions of pools: what stands for an error that happened in a worker, or to it.

An exception crosses from a worker with the text of its traceback, which becomes its ``__cause__``
in the caller (a traceback itself can't be pickled).

Documentation: multiprocessing.pool.
"""

from __future__ import annotations

from .errors import ProcessError

__all__ = [
    "BrokenPoolError",
    "MaybeEncodingError",
    "PoolTerminatedError",
    "RemoteTraceback",
    "WorkerLostError",
    "with_remote_cause",
]


class RemoteTraceback(Exception):  # noqa: N818 - the name that programs see today
    """The traceback of an exception as the worker would print it; the exception's cause."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.tb = text

    def __str__(self) -> str:
        return f'\n"""\n{self.tb}"""'


class MaybeEncodingError(Exception):
    """A result, or an exception, of a worker could not be pickled, or not be rebuilt in the caller.

    ``exc`` and ``value`` are the representations of the pickling error and of what was to be sent.
    """

    def __init__(self, exc: object, value: object) -> None:
        self.exc = _shown(exc)
        self.value = _shown(value)
        super().__init__(self.exc, self.value)

    def __str__(self) -> str:
        return f"Error sending result: '{self.value}'. Reason: '{self.exc}'"

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self}>"


class WorkerLostError(ProcessError):
    """A worker process ended (``os._exit``, a signal) while it ran this task; others go on."""


class BrokenPoolError(ProcessError):
    """The pool can't start workers: its initializer raises, or they die before they are ready."""


class PoolTerminatedError(ProcessError):
    """The pool was terminated before this task was completed."""


def _shown(value: object) -> str:
    """Return how *value* is shown, also when its own ``__repr__`` raises."""
    if isinstance(value, str):
        return value
    try:
        return repr(value)
    except Exception as error:  # noqa: BLE001 - whatever the user's code raises
        return f"<{type(value).__name__} object, whose repr() raised {type(error).__name__}>"


def with_remote_cause(error: BaseException, text: str | None) -> BaseException:
    """Return *error* with the printed traceback *text* of the worker as its cause."""
    if text is not None:
        error.__cause__ = RemoteTraceback(text)
    return error
