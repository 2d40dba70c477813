"""Tests of Pipe()."""

import contextlib
import functools
import gc
import signal

from mpspec.children import CallerThread, Interrupted, Interruption, equal, raises
from mpspec.marks import requirement
from mpspec.suite.pipes.helpers import LARGE, forward


@requirement("pipes.pipe.returns-pair")
def test_pipe_returns_a_pair_of_connections(mp):
    """Pipe(), of a two-way pipe as of a one-way pipe, gives a pair of ``connection.Connection`` objects."""
    for pair in (mp.Pipe(), mp.Pipe(duplex=False)):
        assert isinstance(pair, tuple)
        assert [isinstance(end, mp.connection.Connection) for end in pair] == [True, True]


@requirement("pipes.pipe.duplex-by-default")
def test_pipe_is_two_way_unless_told_otherwise(mp):
    """Without an argument, what one end sends the other receives, in both directions."""
    first, second = mp.Pipe()
    first.send("there")
    second.send("back")
    assert (second.recv(), first.recv()) == ("there", "back")


@requirement("pipes.pipe.duplex-true")
def test_pipe_with_duplex_true_is_two_way(mp):
    """With ``duplex=True``, by position or keyword, both ends send and receive."""
    for first, second in (mp.Pipe(True), mp.Pipe(duplex=True), mp.Pipe(1)):
        first.send("there")
        second.send("back")
        assert (second.recv(), first.recv()) == ("there", "back")


@requirement("pipes.pipe.one-way")
def test_pipe_without_duplex_leads_from_the_second_end_to_the_first(mp):
    """With ``duplex=False``, positional or not, the first end receives what the second sends."""
    for receiver, sender in (mp.Pipe(False), mp.Pipe(duplex=False), mp.Pipe(0)):
        sender.send("message")
        assert receiver.recv() == "message"


@requirement("pipes.one-way.receiver-refuses-to-send")
def test_receiving_end_refuses_to_send(mp):
    """The first end of a one-way pipe, made with False or 0, can't send, neither objects nor bytes."""
    for receiver, _sender in (mp.Pipe(duplex=False), mp.Pipe(0)):
        with raises(Exception):
            receiver.send("message")
        with raises(Exception):
            receiver.send_bytes(b"message")


@requirement("pipes.one-way.sender-refuses-to-receive")
def test_sending_end_refuses_to_receive(mp):
    """The second end of a one-way pipe can't receive, neither objects nor bytes."""
    receiver, sender = mp.Pipe(duplex=False)
    with contextlib.suppress(Exception):  # a receiving end may refuse, by whatever error
        receiver.send("where this can be sent, it must not be received")
    with raises(Exception):
        sender.recv()
    with raises(Exception):
        sender.recv_bytes()
    with raises(Exception):
        sender.recv_bytes_into(bytearray(8))


@requirement("pipes.one-way.refusal-is-oserror")
def test_refusal_is_an_oserror(mp):
    """Using an end of a one-way pipe in the wrong direction, or polling it, raises OSError."""
    receiver, sender = mp.Pipe(duplex=False)
    for call, *arguments in (
        (receiver.send, "message"),
        (receiver.send_bytes, b"message"),
        (sender.recv,),
        (sender.recv_bytes,),
        (sender.recv_bytes_into, bytearray(8)),
        (sender.poll,),
    ):
        with raises(OSError):
            call(*arguments)


@requirement("pipes.connection.attributes")
def test_attributes_of_a_connection(mp):
    """``readable`` and ``writable`` tell what a connection is good for, ``closed`` whether it was closed.

    One that was received tells what the one tells that was sent.
    """
    pairs = [mp.Pipe(), mp.Pipe(duplex=False)]
    (one, other), one_way = pairs
    one.send(one_way)
    pairs.append(other.recv())
    told = [(end.readable, end.writable, end.closed) for pair in pairs for end in pair]
    expected = [(True, True), (True, True), *[(True, False), (False, True)] * 2]
    assert told == [(*each, False) for each in expected]
    for pair in pairs:
        for end in pair:
            end.close()
            assert end.closed is True
    receiver, sender = mp.Pipe()
    sender.send_bytes(b"abcdef")
    with raises(OSError):
        receiver.recv_bytes(5)
    assert (receiver.readable, receiver.writable) == (False, True)


def _swap(connection, count):
    received = []
    for number in range(count):
        connection.send((number, "x" * 1000))
        received.append(connection.recv())
    return received


def _swap_and_tell(connection, count, teller):
    teller.send(_swap(connection, count))


@requirement("pipes.pipe.both-ends-at-the-same-time")
def test_both_ends_may_be_used_at_the_same_time(mp):
    """Two processes that send and receive at the two ends at once receive what was sent."""
    end, child_end = mp.Pipe()
    receiver, sender = mp.Pipe(duplex=False)
    process = mp.Process(target=_swap_and_tell, args=(child_end, 200, sender))
    process.start()
    expected = [(number, "x" * 1000) for number in range(200)]
    assert _swap(end, 200) == expected
    assert receiver.recv() == expected
    process.join()


@requirement("pipes.pipe.independent-of-others")
def test_pipes_do_not_mix(mp):
    """What is sent through one pipe arrives there, and nowhere else."""
    first, second = mp.Pipe(duplex=False), mp.Pipe(duplex=False)
    first[1].send("first")
    assert second[0].poll() is False
    second[1].send("second")
    assert (first[0].recv(), second[0].recv()) == ("first", "second")


@requirement("pipes.pipe.default-timeout")
def test_default_timeout_of_sockets_does_not_matter(mp):
    """A pipe made while new sockets are set not to block blocks all the same."""
    import socket

    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(0)
    try:
        first, second = mp.Pipe()
        caller = CallerThread(mp, first, "recv")
        caller.until_blocked()
    finally:
        socket.setdefaulttimeout(before)
    second.send("message")
    assert caller.result() == "message"


@requirement("pipes.signals.receiving-goes-on")
def test_receiving_goes_on_after_a_signal(mp):
    """Each way to receive, and poll(), go on waiting when a signal's handler has returned."""
    receiver, sender = mp.Pipe(duplex=False)
    with Interrupted(mp, functools.partial(sender.send, "message")) as handled:
        assert (receiver.poll(mp.timeout * 100), handled) == (True, [signal.SIGUSR1])
    assert receiver.recv() == "message"
    with Interrupted(mp, functools.partial(sender.send, "message")) as handled:
        assert (receiver.recv(), handled) == ("message", [signal.SIGUSR1])
    with Interrupted(mp, functools.partial(sender.send_bytes, b"bytes")) as handled:
        assert (receiver.recv_bytes(), handled) == (b"bytes", [signal.SIGUSR1])
    buffer = bytearray(5)
    with Interrupted(mp, functools.partial(sender.send_bytes, b"bytes")) as handled:
        assert (receiver.recv_bytes_into(buffer), handled) == (5, [signal.SIGUSR1])
    assert buffer == b"bytes"


@requirement("pipes.signals.sending-goes-on")
def test_sending_goes_on_after_a_signal(mp):
    """A send_bytes() that waits, a part being sent, goes on when a signal's handler has returned.

    Be it that of one large message, or of one of many that nobody has received.
    """
    message = bytes(range(256)) * (LARGE // 256)
    small = message[:10_000]
    for receiver, sender in (mp.Pipe(), mp.Pipe(duplex=False)):
        for messages in ([message], [small] * (LARGE // len(small))):
            received = []
            receive = functools.partial(_receive_all, receiver, len(messages), received)
            with Interrupted(mp, receive) as handled:
                for each in messages:
                    sender.send_bytes(each)
                assert handled == [signal.SIGUSR1]
            assert equal(received, messages)


def _receive_all(receiver, count, received):
    received.extend(receiver.recv_bytes() for _ in range(count))


@requirement("pipes.signals.exception-comes-out")
def test_exception_of_a_signal_handler_comes_out(mp):
    """What a signal's handler raises comes out of a call that waits to receive; the connection is as before."""
    for receiver, sender in (mp.Pipe(), mp.Pipe(duplex=False)):
        for method, *arguments in (
            ("recv",),
            ("recv_bytes",),
            ("recv_bytes_into", bytearray(8)),
            ("poll", mp.timeout * 100),
        ):
            with Interrupted(mp, raising=Interruption), raises(Interruption):
                getattr(receiver, method)(*arguments)
        sender.send("message")
        assert receiver.recv() == "message"


@requirement("pipes.argument.outlives-parents-reference")
def test_child_keeps_a_connection_that_its_parent_dropped(mp):
    """Connections passed to a child work there, for either direction, even if the parent drops its own references."""
    receiver, sender = mp.Pipe(duplex=False)
    source, feed = mp.Pipe(duplex=False)
    process = mp.Process(target=forward, args=(source, sender))
    process.start()
    del source, sender
    gc.collect()
    feed.send("greetings")
    assert receiver.recv() == "greetings"
    process.join()


@requirement("pipes.argument.nested")
def test_connection_may_be_part_of_an_argument(mp):
    """Connections reach the child inside another object, such as a dictionary of lists: a hundred of them."""
    receiver, sender = mp.Pipe(duplex=False)
    others = [end for _ in range(50) for end in mp.Pipe(duplex=False)]
    options = {"connections": [*others, sender]}
    process = mp.Process(target=_send_through, kwargs={"options": options})
    process.start()
    assert receiver.recv() == "nested"
    process.join()


def _send_through(options):
    options["connections"][-1].send("nested")
