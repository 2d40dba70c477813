"""What several tests run in child processes. What one test runs stands beside it.

Everything here must be importable, quickly, in a child that was started with ``spawn``.
"""

from __future__ import annotations

import contextlib
import copyreg
import functools
import os
import sys
import threading
import time

TYPE_CHECKING = False  # importing ``typing`` would cost each child some milliseconds
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any

    from mpspec.api import Api

# How often a call that must be over in time is made before it is found too slow.
_TRIES = 10
# Seconds that a call may take which does not wait.
AT_ONCE = 0.01
# Timeouts of more milliseconds than poll() of the operating system can count, in seconds.
HUGE = (3_000_000, threading.TIMEOUT_MAX)


def run(mp: Api, target: Callable[..., object], *args: object, **kwargs: object) -> Any:  # noqa: ANN401 - the backend's
    """Start a child, and wait until it has ended; gives the process."""
    process = mp.Process(target=target, args=args, kwargs=kwargs)
    process.start()
    process.join()
    return process


def start_to_end_together(mp: Api, count: int, code: int) -> list[Any]:
    """Start children that exit with a code when all have started: each start joins those that have ended before."""
    waiting, holding = mp.Pipe(duplex=False)
    children = [
        mp.Process(target=_exit_when_let_go, args=(waiting, holding, code)) for _ in range(count)
    ]
    for child in children:
        child.start()
    waiting.close()
    holding.close()
    return children


def _exit_when_let_go(waiting: Any, holding: Any, code: int) -> None:  # noqa: ANN401 - the backend's
    holding.close()
    waiting.poll(None)
    raise SystemExit(code)


def fail_to_start(mp: Api) -> None:
    """Start a process whose argument can't be pickled: where that fails, it must leave no trace."""
    process = mp.Process(target=len, args=(Unpicklable(),))
    if outcome_of(process.start)[0] == "returned":  # by fork nothing is pickled
        process.join()


def ask(mp: Api, function: Callable[..., object], *args: object) -> Any:  # noqa: ANN401 - whatever the function gives
    """Call a function in a child; gives what it returned.

    An exception of the function is raised here as ChildError, with its type's name and its text.
    """
    receiver, sender = mp.Pipe(duplex=False)
    process = mp.Process(target=_answer, args=(sender, function, args))
    process.start()
    sender.close()
    outcome = receiver.recv()
    process.join()
    return value_of(outcome)


def _answer(sender: Any, function: Callable[..., object], args: tuple[object, ...]) -> None:  # noqa: ANN401 - the backend's
    sender.send(outcome_of(function, *args))


def observed_once(observe: Callable[..., Any]) -> Callable[..., Any]:
    """Let a function observe a variant once in this process; whoever asks later is told the same.

    One child, or one manager, shows several facts; each is the matter of a test of its own. What the function raises
    is not kept: it observes again for the next who asks.
    """
    return functools.cache(observe)


class ChildError(Exception):
    """A call made in a child raised.

    Attributes:
        name: the name of the exception's type.
    """

    def __init__(self, name: str, text: str) -> None:
        super().__init__(name, text)
        self.name = name


def outcome_of(
    function: Callable[..., object], *args: object, **kwargs: object
) -> tuple[str, object]:
    """What a call comes to, as something that any connection carries."""
    try:
        return "returned", function(*args, **kwargs)
    except Exception as error:  # noqa: BLE001 - whatever it is, it is told to the one who asked
        return type(error).__name__, str(error)


def value_of(outcome: tuple[str, Any]) -> Any:  # noqa: ANN401 - whatever was returned
    """The value of a call's outcome; ChildError if it raised."""
    kind, value = outcome
    if kind != "returned":
        raise ChildError(kind, value)
    return value


def equal(found: object, expected: object) -> bool:
    """Whether large values are equal: asserted themselves, pytest would work out and show how they differ."""
    return found == expected


class Caller:
    """A child that makes one call, tells that it is about to, and then what the call came to.

    ::

        caller = Caller(mp, lock, "acquire")
        caller.until_blocked()  # it called, and sleeps in the call
        lock.release()
        assert caller.result() is True
    """

    def __init__(
        self, mp: Api, subject: object, method: str, *args: object, **kwargs: object
    ) -> None:
        self.timeout = mp.timeout
        self._receiver, sender = mp.Pipe(duplex=False)
        self.process = mp.Process(target=_call, args=(sender, subject, method, args, kwargs))
        self.process.start()
        sender.close()
        self.pid, self._thread = self._receiver.recv()

    @property
    def thread(self) -> tuple[int, int]:
        """The thread that calls: its process, and its native id."""
        return self.pid, self._thread

    def until_blocked(self) -> None:
        """Wait until the call sleeps; AssertionError when it returns instead."""
        from mpspec.observing import wait_until_asleep

        wait_until_asleep(self.pid, self._thread, self.timeout)
        assert not self._receiver.poll(), f"the call did not block: {self._receiver.recv()}"

    @property
    def has_returned(self) -> bool:
        """Whether the call is over."""
        return bool(self._receiver.poll())

    def result(self) -> Any:  # noqa: ANN401 - whatever the call gives
        """Wait for the call to end, and for the child; gives what was returned, ChildError if it raised."""
        outcome = self._receiver.recv()
        self.process.join()
        self._receiver.close()
        return value_of(outcome)


def _call(
    sender: Any,  # noqa: ANN401 - the backend's
    subject: object,
    method: str,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> None:
    sender.send((os.getpid(), threading.get_native_id()))
    sender.send(outcome_of(getattr(subject, method), *args, **kwargs))


class CallerThread:
    """A thread of the test's own process that makes one call: ``Caller`` where nothing needs another process.

    ::

        caller = CallerThread(mp, receiver, "recv")
        caller.until_blocked()  # it called, and sleeps in the call
        sender.send("message")
        assert caller.result() == "message"
    """

    def __init__(
        self, mp: Api, subject: object, method: str, *args: object, **kwargs: object
    ) -> None:
        self.timeout = mp.timeout
        self._calls = threading.Event()
        self._value: object = None
        self._error: Exception | None = None
        self._thread = threading.Thread(
            target=self._call, args=(subject, method, args, kwargs), daemon=True
        )
        self._thread.start()
        self._calls.wait()

    @property
    def thread(self) -> tuple[int, int]:
        """The thread that calls: its process, and its native id."""
        return os.getpid(), self._thread.native_id or 0

    def _call(
        self, subject: object, method: str, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        self._calls.set()
        try:
            self._value = getattr(subject, method)(*args, **kwargs)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is told to the one who asked
            self._error = error

    def until_blocked(self) -> None:
        """Wait until the call sleeps; AssertionError when it returns instead."""
        until_all_blocked([self])

    @property
    def has_returned(self) -> bool:
        """Whether the call is over."""
        return not self._thread.is_alive()

    def result(self) -> Any:  # noqa: ANN401 - whatever the call gives
        """Wait for the call to end; gives what it returned, or raises what it raised."""
        self._thread.join()
        if self._error is not None:
            raise self._error
        return self._value


def until_all_blocked(callers: Iterable[Caller | CallerThread]) -> None:
    """Wait until the calls of several callers sleep, looked at all at once; AssertionError when one returns."""
    from mpspec.observing import wait_until_all_asleep

    callers = list(callers)

    def returned() -> int:
        return sum(caller.has_returned for caller in callers)

    # A call that returns is found out at once, not when the time is up.
    wait_until_all_asleep([each.thread for each in callers], callers[0].timeout, or_until=returned)
    assert not returned(), f"{returned()} of {len(callers)} calls did not block"


def within(limit: float, call: Callable[[], Any]) -> Any:  # noqa: ANN401 - whatever the call gives
    """What a call gives that must be over within so many seconds.

    One that took longer is made again, up to nine times: the load of the machine holds up some calls, and a call that
    waits when it must not takes too long each time.
    """
    for _ in range(_TRIES):
        began = time.monotonic()
        value = call()
        if time.monotonic() - began <= limit:
            return value
    message = f"each of {_TRIES} calls took longer than {limit:g} s"
    raise AssertionError(message)


def waits(call: Callable[[float], Any], timeout: float = 0.02) -> Any:  # noqa: ANN401 - whatever the call gives
    """What a call gives that takes a timeout, and has to wait for so many seconds: not less, and not much longer."""
    began = time.monotonic()
    value = call(timeout)
    assert time.monotonic() - began > 0.75 * timeout, f"it did not wait for {timeout:g} s"
    assert within(2.25 * timeout, functools.partial(call, timeout)) == value
    return value


class PredicateError(Exception):
    """What a predicate of RaisingAt raises."""


class RaisingAt:
    """A predicate that is false until the call of that number, which raises, and true when it is called after that."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.calls = 0

    def __call__(self) -> bool:
        """Raise PredicateError if this is the call; tell whether it is past."""
        self.calls += 1
        if self.calls == self.number:
            raise PredicateError
        return self.calls > self.number


class Interruption(Exception):  # noqa: N818 - what it is
    """What the handler of a signal raises."""


class Interrupted:
    """Sends this thread a signal when it sleeps in a call; when it sleeps again, does something else, if anything.

    ::

        with Interrupted(mp, then=functools.partial(sender.send, "message")) as handled:
            assert receiver.recv() == "message"  # it went on after the signal
        with Interrupted(mp, raising=Interruption), raises(Interruption):
            receiver.recv()

    Gives a list of the signals that were handled.
    """

    def __init__(
        self,
        mp: Api,
        then: Callable[[], object] | None = None,
        raising: type[Exception] | None = None,
    ) -> None:
        self._timeout = mp.timeout
        self._then = then
        self._raising = raising
        self._ident, self._native = threading.get_ident(), threading.get_native_id()
        self._handled: list[int] = []
        self._arrived = threading.Semaphore(0)
        self._thread = threading.Thread(target=self._interrupt, daemon=True)
        self._before: Any = None

    def __enter__(self) -> list[int]:
        """Set the handler; from now on the call may be made."""
        import signal

        self._before = signal.signal(signal.SIGUSR1, self._handle)
        self._thread.start()
        return self._handled

    def __exit__(self, *_: object) -> None:
        """Set the handler that was there before; a call that was over by itself is not for it to hide."""
        import signal

        self._raising = None
        self._thread.join()
        signal.signal(signal.SIGUSR1, self._before)

    def _handle(self, number: int, _frame: object) -> None:
        self._handled.append(number)
        self._arrived.release()
        if self._raising:
            raise self._raising

    def _interrupt(self) -> None:
        import signal

        from mpspec.observing import wait_until_asleep

        arrived, deadline = False, time.monotonic() + self._timeout
        # One that comes in the last moment before the call sleeps ends no sleep, and is not handled before its end.
        while not arrived and time.monotonic() < deadline:
            wait_until_asleep(os.getpid(), self._native, self._timeout)
            signal.pthread_kill(self._ident, signal.SIGUSR1)
            arrived = self._arrived.acquire(timeout=_AMPLE)
        if self._then:
            wait_until_asleep(os.getpid(), self._native, self._timeout)
            self._then()


# Seconds in which a signal that has ended a sleep is handled, even on a busy machine.
_AMPLE = 1

# How often among_signals() sends one, and the seconds between two.
_SIGNALS, _PAUSE = 100, 0.005


def by_a_bad_clock(call: Callable[[], Any]) -> Any:  # noqa: ANN401 - whatever the call gives
    """What a call gives during which the time of day is an hour less whenever Python code here reads it."""
    from unittest import mock

    with mock.patch("time.time", iter(range(10**9, 0, -3600)).__next__):
        return call()


@contextlib.contextmanager
def switching(interval: float) -> Iterator[None]:
    """Let the threads of this process take turns after so many seconds."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(interval)
    try:
        yield
    finally:
        sys.setswitchinterval(before)


def among_signals(call: Callable[[], Any]) -> Any:  # noqa: ANN401 - whatever the call gives
    """What a call gives during which this thread handles a signal every few milliseconds, for half a second at most."""
    import signal

    here, over = threading.get_ident(), threading.Event()

    def disturb() -> None:
        for _ in range(_SIGNALS):
            if over.wait(_PAUSE):
                return
            signal.pthread_kill(here, signal.SIGUSR1)

    before = signal.signal(signal.SIGUSR1, lambda *_: None)
    thread = threading.Thread(target=disturb, daemon=True)
    thread.start()
    try:
        return call()
    finally:
        over.set()
        thread.join()
        signal.signal(signal.SIGUSR1, before)


class Gate:
    """Holds up a child that unpickles it, and what comes after it, until its parent says so; at most for a second.

    ::

        gate, opener = mp.Pipe(duplex=False)
        process = mp.Process(target=_use, args=(Gate(gate), lock))
        process.start()
        opener.send("go on")
    """

    def __init__(self, connection: Any) -> None:  # noqa: ANN401 - the backend's
        self._connection = connection

    def __reduce__(self) -> tuple[Callable[[Any], object], tuple[Any]]:
        """Pickled as a call that waits."""
        return (_pass_gate, (self._connection,))


def _pass_gate(connection: Any) -> object:  # noqa: ANN401 - the backend's
    return connection.poll(1)


class Unpicklable:
    """What no pickler takes, not even one that carries functions by value; callable, as a lambda is."""

    def __init__(self, error: type[Exception] = TypeError) -> None:
        self._error = error

    def __call__(self) -> None:
        """Do nothing."""

    def __reduce_ex__(self, protocol: object) -> str:
        """Refuse to be pickled."""
        message = "this can't be pickled"
        raise self._error(message)


def raises(*types: type[BaseException], match: str | None = None) -> Any:  # noqa: ANN401 - pytest's context manager
    """As ``pytest.raises``, which modules of the suite can't import: their children would have to as well."""
    import pytest

    return pytest.raises(types, match=match)


def remade(make: Callable[[Api], type]) -> Callable[[Api], type]:
    """Let a function make a class that derives from one of the backend's, and that can be pickled.

    Children import classes by name. A class made for one backend has no name that they could import: it pickles as the
    call that makes it, and is made again in the child.
    """

    @functools.wraps(make)
    def call(mp: Api) -> type:
        base = make(mp)
        kind: Any = type("Remade", (type(base),), {})
        copyreg.pickle(kind, lambda _made: (call, (mp,)))
        made: type = kind(base.__name__, (base,), {"__doc__": base.__doc__})
        return made

    return call
