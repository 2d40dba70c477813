"""Tests of poll()."""

import contextlib
import functools
import os
import time

from mpspec.children import (
    AT_ONCE,
    HUGE,
    CallerThread,
    among_signals,
    by_a_bad_clock,
    raises,
    waits,
    within,
)
from mpspec.marks import requirement
from mpspec.suite.pipes.helpers import woken_by_close

# Clocks differ a little: what waited for a time may find a little less on another clock.
CLOCKS = 0.005
# A short timeout, and how long a call with it may take.
SHORT, ENOUGH = 0.03, 0.055


@requirement("pipes.poll.nothing-to-read")
def test_poll_is_false_at_once_when_there_is_nothing(mp):
    """poll() without a timeout does not wait: it gives False when there is nothing to read, at a writable end, too."""
    for receiver, _sender in (mp.Pipe(), mp.Pipe(duplex=False)):
        assert within(AT_ONCE, receiver.poll) is False
        assert within(AT_ONCE, functools.partial(receiver.poll, 0)) is False


@requirement("pipes.poll.something-to-read")
def test_poll_is_true_when_there_is_a_message(mp):
    """poll() gives True when an object or bytes can be read, whatever the timeout: for the second of two, too."""
    for way, message in (("", "message"), ("_bytes", b"message")):
        receiver, sender = mp.Pipe(duplex=False)
        for _ in range(2):
            getattr(sender, f"send{way}")(message)
        for _ in range(2):
            for timeout in ((), (0,), (mp.timeout,), (None,)):
                assert receiver.poll(*timeout) is True
            assert getattr(receiver, f"recv{way}")() == message


@requirement("pipes.poll.takes-nothing")
def test_poll_leaves_the_message_there(mp):
    """poll() takes nothing away: it stays True until the message is received, and is False then."""
    receiver, sender = mp.Pipe(duplex=False)
    sender.send("message")
    assert [receiver.poll(), receiver.poll(), receiver.recv(), receiver.poll()] == [
        True,
        True,
        "message",
        False,
    ]


@requirement("pipes.poll.timeout-expires")
def test_poll_gives_up_after_its_timeout(mp):
    """poll(timeout) gives False when nothing arrives in time, and not before, at a writable end, too.

    Signals that are handled meanwhile, and a clock that is set back, change nothing.
    """
    for receiver, _sender in (mp.Pipe(), mp.Pipe(duplex=False)):
        start = time.monotonic()
        assert receiver.poll(SHORT) is False
        assert time.monotonic() - start > SHORT - CLOCKS
        poll = functools.partial(receiver.poll, timeout=SHORT)
        assert within(ENOUGH, poll) is False
        poll = functools.partial(by_a_bad_clock, poll)
        assert within(ENOUGH, functools.partial(among_signals, poll)) is False


@requirement("pipes.poll.timeout-any-number")
def test_poll_takes_any_number(mp):
    """poll() with a Fraction waits for so long, and gives False when nothing arrives in time."""
    from fractions import Fraction

    receiver, _sender = mp.Pipe(duplex=False)
    assert waits(lambda timeout: receiver.poll(Fraction(timeout))) is False


@requirement("pipes.poll.negative-is-zero")
def test_poll_with_a_negative_timeout_does_not_wait(mp):
    """With a negative timeout poll() tells at once, as with a timeout of zero."""
    receiver, sender = mp.Pipe(duplex=False)
    for timeout in (-1, -0.5):
        assert within(AT_ONCE, functools.partial(receiver.poll, timeout)) is False
    sender.send("message")
    assert [receiver.poll(-1), receiver.poll(-0.5)] == [True, True]


@requirement("pipes.poll.high-descriptor")
def test_poll_with_many_open_files(mp):
    """A connection whose descriptor is above 1024, more than select() can take, is polled, and sent, as any other."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.ExitStack() as stack:
        if soft != resource.RLIM_INFINITY and soft < 2048:
            resource.setrlimit(resource.RLIMIT_NOFILE, (2048, hard))
            stack.callback(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        descriptor = os.open(os.devnull, os.O_RDONLY)
        stack.callback(os.close, descriptor)
        while descriptor < 1024:
            descriptor = os.dup(descriptor)
            stack.callback(os.close, descriptor)
        receiver, sender = mp.Pipe(duplex=False)
        assert receiver.fileno() > 1024
        assert receiver.poll() is False
        sender.send("message")
        assert [receiver.poll(), receiver.poll(mp.timeout)] == [True, True]
        assert receiver.recv() == "message"
        one, other = mp.Pipe()
        one.send(sender)
        with other.recv() as received:
            received.send("through the one received")
        assert receiver.recv() == "through the one received"
        for end in (receiver, sender, one, other):
            end.close()


@requirement("pipes.poll.waits-for-message")
def test_poll_waits_for_a_message(mp):
    """poll(timeout) waits, and gives True as soon as something can be read."""
    receiver, sender = mp.Pipe(duplex=False)
    caller = CallerThread(mp, receiver, "poll", mp.timeout * 100)
    caller.until_blocked()
    sender.send("message")
    assert caller.result() is True


@requirement("pipes.poll.none-waits-for-ever")
def test_poll_none_waits_without_limit(mp):
    """poll(None) waits until something can be read."""
    receiver, sender = mp.Pipe(duplex=False)
    caller = CallerThread(mp, receiver, "poll", None)
    caller.until_blocked()
    sender.send("message")
    assert caller.result() is True


@requirement("pipes.poll.timeout-huge")
def test_poll_takes_a_huge_timeout(mp):
    """poll() with a timeout of many days, or of threading.TIMEOUT_MAX, waits until something can be read."""
    for timeout in HUGE:
        receiver, sender = mp.Pipe(duplex=False)
        caller = CallerThread(mp, receiver, "poll", timeout)
        caller.until_blocked()
        sender.send("message")
        assert caller.result() is True


@requirement("pipes.poll.true-at-end-of-file")
def test_poll_is_true_when_the_other_end_was_closed(mp):
    """poll() gives True when recv() would raise EOFError at once, and after it did; so does one that has waited."""
    for receiver, sender in (mp.Pipe(), mp.Pipe(duplex=False)):
        sender.close()
        assert receiver.poll(mp.timeout) is True
        with raises(EOFError):
            receiver.recv()
        assert receiver.poll() is True
    assert [caller.result() for caller in woken_by_close(mp, "poll", None)] == [True, True]
