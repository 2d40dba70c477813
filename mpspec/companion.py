"""A child that the tests of one variant share: another process, for what does not ask for a new one.

Starting a child costs an interpreter. Where a test needs nothing but *some* other process, it asks the companion.
Importable in children, as ``mpspec.children`` is.
"""

from __future__ import annotations

import os
import threading

from mpspec.children import outcome_of, value_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Self

    from mpspec.api import Api


class Companion:
    """Another process that does one thing after the other, as it is told.

    ::

        assert companion.ask(len, shared) == 3
        companion.call(lock, "acquire").until_blocked()  # it called, and sleeps in the call
        lock.release()
        assert companion.result() is True
    """

    def __init__(self, mp: Api) -> None:
        self._timeout = mp.timeout
        self._connection, theirs = mp.Pipe()
        self._process = mp.Process(target=_serve, args=(theirs,))
        self._process.start()
        theirs.close()
        self._thread = (0, 0)
        self.is_busy = False
        # Once it has answered, all that it needs is there.
        self.ask(int)

    def begin(self, function: Callable[..., object], *args: object) -> None:
        """Let it call ``function(connection, *args)``, whose messages ``receive`` gives."""
        self._connection.send((True, function, args))
        self.is_busy = True

    def receive(self) -> Any:  # noqa: ANN401 - the function's
        """The next message of the function that it calls."""
        return self._connection.recv()

    def result(self) -> Any:  # noqa: ANN401 - whatever the function gives
        """Wait for the call to end; gives what was returned, ChildError if it raised."""
        outcome = self._connection.recv()
        self.is_busy = False
        return value_of(outcome)

    def ask(self, function: Callable[..., object], *args: object) -> Any:  # noqa: ANN401 - whatever the function gives
        """What ``function(*args)`` gives there, ChildError if it raises."""
        self._connection.send((False, function, args))
        self.is_busy = True
        return self.result()

    def call(self, subject: object, method: str, *args: object) -> Self:
        """Let it call a method that may block."""
        self.begin(_call, subject, method, args)
        self._thread = self.receive()
        return self

    def until_blocked(self) -> None:
        """Wait until the call sleeps; AssertionError when it returns instead."""
        from mpspec.observing import wait_until_asleep

        wait_until_asleep(*self._thread, self._timeout)
        if self._connection.poll():
            message = f"the call did not block: {self._connection.recv()}"
            raise AssertionError(message)

    def end(self) -> None:
        """End it; one that a test has left in the middle of a call can only be killed."""
        if self.is_busy and hasattr(self._process, "kill"):
            self._process.kill()
            self._process.join()
        elif not self.is_busy:
            self._connection.send(None)
            self._process.join()
        self._connection.close()


def _serve(connection: Any) -> None:  # noqa: ANN401 - the backend's
    while _serve_once(connection):
        pass


def _serve_once(connection: Any) -> bool:  # noqa: ANN401 - the backend's
    """Do what is asked next, and keep nothing of it; gives whether more may follow."""
    try:
        request = connection.recv()
    except EOFError:
        return False
    if request is None:
        return False
    talks, function, args = request
    outcome = outcome_of(function, connection, *args) if talks else outcome_of(function, *args)
    # What the answer's receiver does next must not depend on what is forgotten here only later.
    del request, function, args
    connection.send(outcome)
    return True


def _call(
    connection: Any,  # noqa: ANN401 - the backend's
    subject: object,
    method: str,
    args: tuple[object, ...],
) -> object:
    connection.send((os.getpid(), threading.get_native_id()))
    return getattr(subject, method)(*args)
