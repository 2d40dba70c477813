"""Tests of the chapter pipes."""

import array
import collections
import contextlib
import copyreg
import functools
import gc
import itertools
import os
import pickle
import select
import signal
import threading
import time

from mpspec.children import (
    AT_ONCE,
    HUGE,
    Caller,
    CallerThread,
    Interrupted,
    Interruption,
    Unpicklable,
    among_signals,
    by_a_bad_clock,
    equal,
    fail_to_start,
    outcome_of,
    raises,
    run,
    until_all_blocked,
    waits,
    within,
)
from mpspec.marks import requirement

# More than any pipe or socket buffers, less than what the documentation warns of.
LARGE = 4 * 1024 * 1024
# What it warns of.
VERY_LARGE = 33 * 1024 * 1024
# Clocks differ a little: what waited for a time may find a little less on another clock.
CLOCKS = 0.005
# A short timeout, and how long a call with it may take.
SHORT, ENOUGH = 0.03, 0.055


# Pipe


@requirement("pipes.pipe.returns-pair")
def test_pipe_returns_a_pair_of_connections(mp):
    """Pipe() gives a pair of ``connection.Connection`` objects."""
    pair = mp.Pipe()
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


# Objects


@requirement("pipes.send-recv")
def test_what_is_sent_is_received(mp):
    """recv() gives an object equal to the one that was sent at the other end."""
    receiver, sender = mp.Pipe(duplex=False)
    sender.send([42, None, "hello"])
    assert receiver.recv() == [42, None, "hello"]


@requirement("pipes.send.returns-none")
def test_send_returns_none(mp):
    """send() gives None."""
    _receiver, sender = mp.Pipe(duplex=False)
    assert sender.send("message") is None


@requirement("pipes.send.parameter")
def test_parameter_of_send(mp):
    """send() takes its object by the name ``obj``."""
    receiver, sender = mp.Pipe(duplex=False)
    sender.send(obj="message")
    assert receiver.recv() == "message"


@requirement("pipes.send.pickle")
def test_messages_are_pickles(mp):
    """What send() sends recv_bytes() gives as a pickle, and of a pickle sent as bytes recv() makes an object."""
    first, second = mp.Pipe()
    first.send([1, "two", None])
    assert pickle.loads(second.recv_bytes()) == [1, "two", None]
    second.send_bytes(pickle.dumps([1, "two", None]))
    assert first.recv() == [1, "two", None]


class _Registered:
    """Is pickled by a function that copyreg knows, and in no other way."""

    def __reduce_ex__(self, protocol):
        raise TypeError


def _make_registered(*_):
    return _Registered()


class _Slotted:
    """What the oldest protocols of pickle refuse: it has slots, and is made by a keyword argument."""

    __slots__ = ("word",)

    def __new__(cls, *, word):
        made = super().__new__(cls)
        made.word = word
        return made

    def __getnewargs_ex__(self):
        return (), {"word": self.word}


@requirement("pipes.send.any-picklable-object")
def test_any_picklable_object_can_be_sent(mp):
    """None, numbers, text, bytes, containers, classes, functions, exceptions, and what copyreg knows arrive.

    So does what needs a later protocol of pickle, and what is in one message twice, or in itself.
    """
    copyreg.pickle(_Registered, lambda _: (_make_registered, ()))
    objects = [
        None,
        False,
        0,
        2.25,
        1j,
        "",
        "junk",
        b"",
        b"\0",
        [],
        (1, [2]),
        {"a": {1, 2}},
        float,
        len,
        os.getpid,
        str.upper,
        range(1, 9, 2),
    ]
    receiver, sender = mp.Pipe(duplex=False)
    for each in objects:
        sender.send(each)
    assert [receiver.recv() for _ in objects] == objects
    shared, recursive = [], []
    recursive.append(recursive)
    sender.send([shared, shared, recursive])
    first, second, again = receiver.recv()
    assert first is second
    assert again[0] is again
    counter = collections.Counter("aab")
    for call in (functools.partial(pow, 2, 5, mod=7), "word".upper, counter.most_common):
        sender.send(call)
        assert receiver.recv()() == call()
    sender.send(KeyError("missing"))
    assert repr(receiver.recv()) == "KeyError('missing')"
    sender.send(_Registered())
    assert type(receiver.recv()) is _Registered
    sender.send(_Slotted(word="kept"))
    assert receiver.recv().word == "kept"


def _send_hello_and_close(connection):
    connection.send([42, None, "hello"])
    connection.close()


@requirement("pipes.send.from-child")
def test_child_sends_to_its_parent(mp):
    """What a child sends at the end that it was given, the parent receives at the other."""
    parent_end, child_end = mp.Pipe()
    process = mp.Process(target=_send_hello_and_close, args=(child_end,))
    process.start()
    assert parent_end.recv() == [42, None, "hello"]
    process.join()


def _double(connection):
    for number in iter(connection.recv, None):
        connection.send(number * 2)


@requirement("pipes.send.to-child-and-back")
def test_parent_and_child_converse(mp):
    """Over a two-way pipe parent and child exchange messages in turn."""
    parent_end, child_end = mp.Pipe()
    process = mp.Process(target=_double, args=(child_end,))
    process.start()
    answers = []
    for number in range(5):
        parent_end.send(number)
        answers.append(parent_end.recv())
    parent_end.send(None)
    process.join()
    assert answers == [0, 2, 4, 6, 8]


@requirement("pipes.recv.recreates-object")
def test_recv_recreates_the_object(mp):
    """The object received is another one, equal to that sent and sharing nothing with it."""
    receiver, sender = mp.Pipe(duplex=False)
    sent = [["inner"]]
    sender.send(sent)
    received = receiver.recv()
    assert received == sent
    assert received is not sent
    assert received[0] is not sent[0]


@requirement("pipes.send.keeps-state-of-the-moment")
def test_later_changes_are_not_sent(mp):
    """What is changed after send() arrives as it was."""
    receiver, sender = mp.Pipe(duplex=False)
    sent = ["before"]
    sender.send(sent)
    sent.append("after")
    assert receiver.recv() == ["before"]


# What an object's own methods may raise when it is pickled, or made again.
_ERRORS = (TypeError, ValueError, LookupError, AttributeError, RecursionError, pickle.PicklingError)


@requirement("pipes.send.refuses-unpicklable")
def test_send_refuses_what_cannot_be_pickled(mp):
    """send() of an object that can't be pickled raises."""
    _receiver, sender = mp.Pipe(duplex=False)
    for error in _ERRORS:
        with raises(error):
            sender.send(Unpicklable(error))


@requirement("pipes.send.refusal-sends-nothing")
def test_a_refused_object_leaves_no_trace(mp):
    """After a send() that was refused, the next message received is the next one sent."""
    receiver, sender = mp.Pipe(duplex=False)
    with raises(Exception):
        sender.send([b"x" * 1000, Unpicklable()])
    assert not receiver.poll()
    sender.send("next")
    assert receiver.recv() == "next"


def _refuse(error):
    raise error


class _Unwelcome:
    """Can be pickled; raises where it is unpickled."""

    def __init__(self, error):
        self._error = error

    def __reduce__(self):
        return (_refuse, (self._error,))


@requirement("pipes.recv.raises-what-unpickling-raises")
def test_recv_raises_what_unpickling_raises(mp):
    """When an object can't be made again recv() raises, and the next message can be received."""
    receiver, sender = mp.Pipe(duplex=False)
    for error in _ERRORS:
        sender.send(_Unwelcome(error))
        sender.send("next")
        with raises(error):
            receiver.recv()
        assert receiver.recv() == "next"


@requirement("pipes.recv.in-order")
def test_messages_arrive_in_the_order_sent(mp):
    """Objects and byte messages arrive in the order in which they were sent."""
    receiver, sender = mp.Pipe(duplex=False)
    for number in range(10):
        sender.send(number)
        sender.send_bytes(b"%d" % number)
    received = [(receiver.recv(), receiver.recv_bytes()) for _ in range(10)]
    assert received == [(number, b"%d" % number) for number in range(10)]


@requirement("pipes.recv.blocks-until-message")
def test_recv_blocks_until_there_is_something(mp):
    """recv() waits for a message."""
    receiver, sender = mp.Pipe(duplex=False)
    caller = CallerThread(mp, receiver, "recv")
    caller.until_blocked()
    sender.send("message")
    assert caller.result() == "message"


@requirement("pipes.recv.blocks-in-child")
def test_recv_in_a_child_blocks_until_there_is_something(mp):
    """recv() in a child waits for what its parent sends."""
    receiver, sender = mp.Pipe(duplex=False)
    caller = Caller(mp, receiver, "recv")
    caller.until_blocked()
    sender.send("message")
    assert caller.result() == "message"


def _send_large(connection):
    connection.send(["x" * LARGE, "end"])


@requirement("pipes.send.large")
def test_large_object_arrives_whole(mp):
    """An object of several MiB, far more than a pipe buffers, arrives whole from a child."""
    receiver, sender = mp.Pipe(duplex=False)
    process = mp.Process(target=_send_large, args=(sender,))
    process.start()
    received = receiver.recv()
    process.join()
    assert equal(received, ["x" * LARGE, "end"])


@requirement("pipes.send.large")
def test_objects_about_as_large_as_a_buffer_arrive_whole(mp):
    """Objects whose pickles have a power of two of bytes, or a few bytes less or more, arrive whole and in order."""
    receiver, sender = mp.Pipe(duplex=False)
    # A pickle is a little longer than the bytes in it.
    sizes = [2**power - step for power in (16, 18) for step in range(40)]
    writer = threading.Thread(target=_send_objects, args=(sender, sizes), daemon=True)
    writer.start()
    for size in sizes:
        assert equal(receiver.recv(), bytes([size % 251]) * size)
    writer.join()


def _send_objects(connection, sizes):
    for size in sizes:
        connection.send(bytes([size % 251]) * size)


def _send_and_close(connection, method, message):
    with connection:
        getattr(connection, method)(message)


@requirement("pipes.send.very-large")
def test_very_large_message_arrives_whole_or_is_refused(mp):
    """33 MiB, as a string and as bytes, arrive whole; or there is a ValueError and no message."""
    for way, message in (("", "x" * VERY_LARGE + "end"), ("_bytes", b"x" * VERY_LARGE + b"end")):
        receiver, sender = mp.Pipe(duplex=False)
        send = functools.partial(_send_and_close, sender, "send" + way, message)
        caller = CallerThread(mp, send, "__call__")
        outcome = outcome_of(getattr(receiver, "recv" + way))
        if outcome[0] == "EOFError":
            with raises(ValueError):
                caller.result()
        else:
            caller.result()
            assert equal(outcome, ("returned", message))


# The end of a connection


@requirement("pipes.recv.end-of-file")
def test_recv_raises_eoferror_when_the_other_end_is_closed(mp):
    """recv() raises EOFError when nothing is left to receive and the other end was closed."""
    for receiver, sender in (mp.Pipe(), mp.Pipe(duplex=False)):
        sender.close()
        for _ in range(2):
            with raises(EOFError):
                receiver.recv()


@requirement("pipes.recv.messages-before-end-of-file")
def test_messages_sent_before_the_close_are_received(mp):
    """What was sent before the other end was closed is received first, then comes EOFError."""
    for receiver, sender in (mp.Pipe(), mp.Pipe(duplex=False)):
        sender.send("first")
        sender.send("last")
        sender.close()
        assert [receiver.recv(), receiver.recv()] == ["first", "last"]
        with raises(EOFError):
            receiver.recv()


@requirement("pipes.recv.close-wakes-receiver")
def test_closing_an_end_wakes_the_receiver_at_the_other(mp):
    """A recv() that waits raises EOFError when the other end is closed, of a two-way and of a one-way pipe."""
    for caller in _woken_by_close(mp, "recv"):
        with raises(EOFError):
            caller.result()


def _woken_by_close(mp, method, *arguments):
    """Who made a call that waits, at an end of a two-way pipe and of a one-way one, while the other end was closed."""
    pipes = [mp.Pipe(), mp.Pipe(duplex=False)]
    callers = [CallerThread(mp, receiver, method, *arguments) for receiver, _ in pipes]
    until_all_blocked(callers)
    for _, sender in pipes:
        sender.close()
    return callers


@requirement("pipes.recv.end-of-file-when-child-ends")
def test_child_that_ends_closes_its_end(mp):
    """When the only process that holds the other end ends, recv() raises EOFError."""
    receiver, sender = mp.Pipe(duplex=False)
    process = mp.Process(target=sender.send, args=("last words",))
    process.start()
    sender.close()
    assert receiver.recv() == "last words"
    with raises(EOFError):
        receiver.recv()
    process.join()


@requirement("pipes.recv-bytes.end-of-file")
def test_recv_bytes_raises_eoferror_when_the_other_end_is_closed(mp):
    """recv_bytes() raises EOFError when nothing is left and the other end was closed, before or while it waits."""
    for receiver, sender in (mp.Pipe(), mp.Pipe(duplex=False)):
        sender.send_bytes(b"last")
        sender.close()
        assert receiver.recv_bytes() == b"last"
        for _ in range(2):
            with raises(EOFError):
                receiver.recv_bytes()
    for caller in _woken_by_close(mp, "recv_bytes"):
        with raises(EOFError):
            caller.result()


@requirement("pipes.recv-bytes-into.end-of-file")
def test_recv_bytes_into_raises_eoferror_when_the_other_end_is_closed(mp):
    """recv_bytes_into() raises EOFError when nothing is left and the other end was closed, before or while it waits.

    So it does with an offset.
    """
    for receiver, sender in (mp.Pipe(), mp.Pipe(duplex=False)):
        sender.send_bytes(b"last")
        sender.close()
        buffer = bytearray(8)
        assert receiver.recv_bytes_into(buffer) == 4
        for _ in range(2):
            with raises(EOFError):
                receiver.recv_bytes_into(buffer)
            with raises(EOFError):
                receiver.recv_bytes_into(buffer, 2)
    for offset in ((), (2,)):
        for caller in _woken_by_close(mp, "recv_bytes_into", bytearray(8), *offset):
            with raises(EOFError):
                caller.result()


@requirement("pipes.recv-bytes.no-part-of-message")
def test_part_of_a_message_is_not_received(mp):
    """recv_bytes() raises when the other end is closed in the middle of a message, and gives no part of it."""
    for receiver, sender in (mp.Pipe(), mp.Pipe(duplex=False)):
        with Interrupted(mp, raising=Interruption), raises(Interruption):
            sender.send_bytes(bytes(LARGE))
        sender.close()
        with raises(OSError, EOFError):
            receiver.recv_bytes()


@requirement("pipes.recv.end-of-file-though-unread")
def test_end_of_file_though_the_other_end_has_not_read_all(mp):
    """Each way to receive gives what is left, then raises EOFError, though messages to the closed end were unread."""
    for method, arguments, expected in (
        ("recv", (), "last"),
        ("recv_bytes", (), pickle.dumps("last")),
        ("recv_bytes_into", (bytearray(100),), len(pickle.dumps("last"))),
    ):
        receiver, sender = mp.Pipe()
        receiver.send("never read")
        sender.send_bytes(pickle.dumps("last"))
        sender.close()
        assert getattr(receiver, method)(*arguments) == expected
        with raises(EOFError):
            getattr(receiver, method)(*arguments)


@requirement("pipes.send.closed-other-end-is-oserror")
def test_send_to_a_closed_end_raises_oserror(mp):
    """send() and send_bytes() raise OSError (a broken pipe) when the other end was closed."""
    for receiver, sender in (mp.Pipe(), mp.Pipe(duplex=False)):
        receiver.close()
        with raises(OSError):
            sender.send("message")
        with raises(OSError):
            sender.send_bytes(b"message")


@requirement("pipes.close.refuses-use")
def test_closed_connection_cannot_be_used(mp):
    """After close() a connection neither sends, receives, polls, nor has a descriptor."""
    connection, _other = mp.Pipe()
    connection.close()
    for method, arguments in (
        ("send", (1,)),
        ("recv", ()),
        ("send_bytes", (b"1",)),
        ("recv_bytes", ()),
        ("recv_bytes_into", (bytearray(8),)),
        ("poll", ()),
    ):
        with raises(Exception):
            getattr(connection, method)(*arguments)
    with raises(Exception):
        connection.fileno()


@requirement("pipes.close.refusal-is-oserror")
def test_using_a_closed_connection_raises_oserror(mp):
    """Whatever is done with a closed connection, of any pipe, other than closing it, raises OSError."""
    for connection in (*mp.Pipe(), *mp.Pipe(duplex=False)):
        connection.close()
        for call, *arguments in (
            (connection.send, 1),
            (connection.send_bytes, b"1"),
            (connection.recv,),
            (connection.recv_bytes,),
            (connection.recv_bytes_into, bytearray(8)),
            (connection.poll,),
            (connection.fileno,),
        ):
            with raises(OSError):
                call(*arguments)


@requirement("pipes.close.releases-descriptor")
def test_close_releases_the_descriptor(mp):
    """After close() the connection's file descriptor is not open any more."""
    connection, _other = mp.Pipe()
    descriptor = connection.fileno()
    os.fstat(descriptor)
    connection.close()
    with raises(OSError):
        os.fstat(descriptor)


@requirement("pipes.close.more-than-once")
def test_close_may_be_called_again(mp):
    """close() of a closed connection, of any pipe, does nothing."""
    for connection in (*mp.Pipe(), *mp.Pipe(duplex=False)):
        connection.close()
        assert connection.close() is None


@requirement("pipes.close.other-process-keeps-its-own")
def test_closing_in_the_parent_leaves_the_childs_copy_open(mp):
    """A parent may close its copies of ends, of whatever kind, as soon as the child that uses them was started."""
    receiver, sender = mp.Pipe(duplex=False)
    source, feed = mp.Pipe(duplex=False)
    near, far = mp.Pipe()
    process = mp.Process(target=_say_hello_and_forward, args=(sender, source, far))
    process.start()
    for end in (sender, source, far):
        end.close()
    assert receiver.recv() == [42, None, "hello"]
    feed.send("on")
    assert near.recv() == "on"
    process.join()


def _say_hello_and_forward(connection, source, target):
    _send_hello_and_close(connection)
    _forward(source, target)


def _forward(source, target):
    target.send(source.recv())


@requirement("pipes.close.when-garbage-collected")
def test_garbage_collection_closes(mp):
    """A connection that nobody refers to any more is closed, of a two-way pipe and of a one-way one.

    So it is in a child that was given it.
    """
    for duplex in (True, False):
        # No loop over the pipes themselves: what it goes through would refer to both ends.
        receiver, sender = mp.Pipe(duplex)
        descriptor = sender.fileno()
        del sender
        gc.collect()
        with raises(EOFError):
            receiver.recv()
        with raises(OSError):
            os.fstat(descriptor)
        receiver, sender = mp.Pipe(duplex)
        descriptor = receiver.fileno()
        del receiver
        gc.collect()
        with raises(OSError):
            os.fstat(descriptor)
        with raises(Exception):
            sender.send("message")
    receivers, ends = map(list, zip(mp.Pipe(), mp.Pipe(duplex=False), strict=True))
    told, tell = mp.Pipe(duplex=False)
    process = mp.Process(target=_drop_and_wait, args=(ends, told))
    process.start()
    for end in ends:
        end.close()
    for receiver in receivers:
        assert receiver.poll(mp.timeout)
        with raises(EOFError):
            receiver.recv()
    tell.send("end")
    process.join()


def _drop_and_wait(ends, told):
    ends.clear()
    gc.collect()
    told.recv()


def _status_of_fork(call):
    """The exit status of a forked copy of this process that makes a call: 0 when what it gives is true."""
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            status = 0 if call() else 1
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def _is_closed_when_dropped(ends, number):
    descriptor = ends[number].fileno()
    del ends[number]
    gc.collect()
    return outcome_of(os.fstat, descriptor)[0] == "OSError"


@requirement("pipes.close.forked")
def test_garbage_collection_closes_in_a_fork(mp):
    """A connection that was inherited by a forked process, and is dropped there, is closed there alone."""
    for duplex in (True, False):
        ends = [*mp.Pipe(duplex)]
        for number in (0, 1):
            dropped = functools.partial(_is_closed_when_dropped, ends, number)
            assert _status_of_fork(dropped) == 0
        ends[1].send("message")
        assert ends[0].recv() == "message"


@requirement("pipes.context-manager.enter-returns-connection")
def test_with_gives_the_connection_itself(mp):
    """``with connection as name`` binds the connection itself, still open."""
    for second, first in (mp.Pipe(), mp.Pipe(duplex=False)):
        with second as receiver, first as entered:
            assert (receiver, entered) == (second, first)
            entered.send("open")
            assert receiver.recv() == "open"


@requirement("pipes.context-manager.exit-closes")
def test_with_closes_the_connection(mp):
    """Leaving the with block, in whichever way, closes the connection, and lets an error out."""
    first, second = mp.Pipe()
    with second:
        pass
    with second:
        second.close()
    with raises(EOFError):
        first.recv()
    with raises(Exception):
        second.recv()
    receiver, sender = mp.Pipe(duplex=False)
    errors = LookupError, EOFError, OSError, KeyboardInterrupt, SystemExit
    for end, error in zip((first, sender, receiver, *mp.Pipe()), errors, strict=True):
        with raises(error), end:
            raise error
        with raises(Exception):
            end.fileno()


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


@requirement("pipes.fileno")
def test_fileno_is_the_descriptor_of_the_connection(mp):
    """fileno() gives an open descriptor, which select() finds readable when there is a message."""
    receiver, sender = mp.Pipe(duplex=False)
    os.fstat(receiver.fileno())
    assert sender.fileno() != receiver.fileno()
    assert select.select([receiver.fileno()], [], [], 0)[0] == []
    sender.send("message")
    assert select.select([receiver.fileno()], [], [], mp.timeout)[0] == [receiver.fileno()]


@requirement("pipes.fileno.not-inheritable")
def test_descriptor_is_not_inheritable(mp):
    """Programs that this process starts do not inherit the descriptor of a connection."""
    ends = [*mp.Pipe(), *mp.Pipe(duplex=False)]
    assert [os.get_inheritable(end.fileno()) for end in ends] == [False] * 4


# poll


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
    assert [caller.result() for caller in _woken_by_close(mp, "poll", None)] == [True, True]


# Bytes


@requirement("pipes.send-bytes.complete-message")
def test_bytes_arrive_as_one_message_each(mp):
    """Each send_bytes() is one message, received whole by one recv_bytes(), as bytes."""
    first, second = mp.Pipe()
    for message in (b"thank you", b"\0\xff\n", b"x"):
        first.send_bytes(message)
    received = [second.recv_bytes() for _ in range(3)]
    assert received == [b"thank you", b"\0\xff\n", b"x"]
    assert {type(message) for message in received} == {bytes}
    second.send_bytes(b"back")
    assert first.recv_bytes() == b"back"


@requirement("pipes.send-bytes.returns-none")
def test_send_bytes_returns_none(mp):
    """send_bytes() gives None."""
    _receiver, sender = mp.Pipe(duplex=False)
    assert sender.send_bytes(b"message") is None


@requirement("pipes.send-bytes.parameter")
def test_parameter_of_the_methods_for_bytes(mp):
    """send_bytes() and recv_bytes_into() take their buffers by the name ``buf``."""
    receiver, sender = mp.Pipe(duplex=False)
    sender.send_bytes(buf=b"message")
    buffer = bytearray(7)
    receiver.recv_bytes_into(buf=buffer)
    assert buffer == b"message"


@requirement("pipes.send-bytes.empty-message")
def test_an_empty_message_is_a_message(mp):
    """No bytes at all are a message too, which is neither lost nor taken for the end."""
    for receiver, sender in (mp.Pipe(), mp.Pipe(duplex=False)):
        sender.send_bytes(b"")
        sender.send_bytes(b"after")
        assert receiver.poll(mp.timeout) is True
        assert [receiver.recv_bytes(), receiver.recv_bytes()] == [b"", b"after"]


@requirement("pipes.send-bytes.bytes-like-objects")
def test_any_bytes_like_object_can_be_sent(mp):
    """Bytes, byte arrays, memory views and arrays of wider items are sent as their bytes."""
    arrays = [array.array(code, [1, 2, 3]) for code in "bBhiqd"]
    receiver, sender = mp.Pipe(duplex=False)
    table = memoryview(bytes(range(24))).cast("i", (2, 3))
    for each in (b"bytes", bytearray(b"array"), memoryview(b"a view")[2:], table, *arrays):
        sender.send_bytes(each)
    received = [receiver.recv_bytes() for _ in range(4 + len(arrays))]
    expected = [each.tobytes() for each in (table, *arrays)]
    assert received == [b"bytes", b"array", b"view", *expected]


@requirement("pipes.send-bytes.several-dimensions")
def test_buffers_of_several_dimensions_can_be_sent(mp):
    """All bytes of a buffer with rows and columns are sent, and are counted as those of a flat one."""
    receiver, sender = mp.Pipe(duplex=False)
    rows = memoryview(b"abcdef").cast("B", (2, 3))
    sender.send_bytes(rows)
    assert receiver.recv_bytes() == b"abcdef"
    sender.send_bytes(rows, 1, 4)
    assert receiver.recv_bytes() == b"bcde"


@requirement("pipes.send-bytes.refuses-other-objects")
def test_what_has_no_bytes_is_refused(mp):
    """send_bytes() of text or a list raises, and sends nothing."""
    receiver, sender = mp.Pipe(duplex=False)
    for each in ("text", [1, 2]):
        with raises(Exception):
            sender.send_bytes(each)
    assert not receiver.poll()


@requirement("pipes.send-bytes.offset")
def test_offset_is_where_the_data_begins(mp):
    """send_bytes(buffer, offset) sends what follows that byte, nothing when it is the end."""
    receiver, sender = mp.Pipe(duplex=False)
    for offset in (0, 2, 6):
        sender.send_bytes(b"abcdef", offset)
    assert [receiver.recv_bytes() for _ in range(3)] == [b"abcdef", b"cdef", b""]
    numbers = array.array("i", [1, 2, 3])
    whole = numbers.tobytes()
    for offset in (4, len(whole)):
        sender.send_bytes(numbers, offset)
    assert [receiver.recv_bytes(), receiver.recv_bytes()] == [whole[4:], b""]


@requirement("pipes.send-bytes.size")
def test_size_is_how_many_bytes_are_sent(mp):
    """send_bytes(buffer, offset, size) sends that many bytes from that position, the beginning if none is given."""
    receiver, sender = mp.Pipe(duplex=False)
    for offset, size in ((0, 3), (2, 3), (2, 4), (2, 0)):
        sender.send_bytes(b"abcdef", offset, size)
    sender.send_bytes(b"abcdef", offset=1, size=2)
    sender.send_bytes(b"abcdef", size=2)
    expected = [b"abc", b"cde", b"cdef", b"", b"bc", b"ab"]
    assert [receiver.recv_bytes() for _ in expected] == expected
    many = bytes(range(250)) * 100
    for arguments in ((5,), (5, 20_000)):
        sender.send_bytes(many, *arguments)
    assert equal([receiver.recv_bytes(), receiver.recv_bytes()], [many[5:], many[5:20_005]])
    numbers = array.array("i", [1, 2, 3])
    whole = numbers.tobytes()
    sender.send_bytes(numbers, 4, 6)
    sender.send_bytes(numbers, 0, len(whole))
    assert [receiver.recv_bytes(), receiver.recv_bytes()] == [whole[4:10], whole]


@requirement("pipes.send-bytes.refuses-bad-offset-or-size")
def test_offset_and_size_must_fit_the_buffer(mp):
    """An offset or size that is negative or too large raises ValueError, and sends nothing."""
    receiver, sender = mp.Pipe(duplex=False)
    numbers = array.array("i", [1, 2, 3])
    for message, arguments in (
        *((b"abcdef", each) for each in ((-1,), (7,), (0, -1), (0, 7), (4, 3))),
        *((numbers, each) for each in ((13,), (0, 13), (4, 9))),
    ):
        with raises(ValueError):
            sender.send_bytes(message, *arguments)
    assert not receiver.poll()


@requirement("pipes.recv-bytes.blocks-until-message")
def test_recv_bytes_blocks_until_there_is_something(mp):
    """recv_bytes() waits for a message."""
    receiver, sender = mp.Pipe(duplex=False)
    caller = CallerThread(mp, receiver, "recv_bytes")
    caller.until_blocked()
    sender.send_bytes(b"message")
    assert caller.result() == b"message"


@requirement("pipes.recv-bytes.within-maxlength")
def test_message_no_longer_than_maxlength_is_received(mp):
    """recv_bytes(maxlength) gives a message that is shorter, or just as long."""
    receiver, sender = mp.Pipe(duplex=False)
    sender.send_bytes(b"abc")
    sender.send_bytes(b"abcdef")
    sender.send_bytes(b"")
    assert receiver.recv_bytes(6) == b"abc"
    assert receiver.recv_bytes(maxlength=6) == b"abcdef"
    assert receiver.recv_bytes(0) == b""
    many = bytes(range(250)) * 100
    for maxlength in (25_000, 1 << 40):
        sender.send_bytes(many)
        assert equal(receiver.recv_bytes(maxlength), many)


@requirement("pipes.recv-bytes.beyond-maxlength")
def test_message_longer_than_maxlength_raises_oserror(mp):
    """recv_bytes(maxlength) raises OSError when the message is longer."""
    for duplex in (True, False):
        for message, maxlength in ((b"abcdef", 5), (b"abcdef", 0), (b"ab", 1), (b"a", 0)):
            receiver, sender = mp.Pipe(duplex)
            sender.send_bytes(message)
            with raises(OSError):
                receiver.recv_bytes(maxlength)


@requirement("pipes.recv-bytes.unreadable-beyond-maxlength")
def test_connection_is_unreadable_after_a_message_longer_than_maxlength(mp):
    """After a message longer than maxlength nothing more can be received, nor is found, by the connection."""
    for duplex, maxlength in itertools.product((True, False), (5, 0)):
        receiver, sender = mp.Pipe(duplex)
        sender.send_bytes(b"abcdef")
        for _ in range(3):
            sender.send("next")
        with raises(OSError):
            receiver.recv_bytes(maxlength)
        assert outcome_of(receiver.poll) != ("returned", True)
        with raises(Exception):
            receiver.recv()
        with raises(Exception):
            receiver.recv_bytes()
        with raises(Exception):
            receiver.recv_bytes_into(bytearray(100))


@requirement("pipes.recv-bytes.writable-beyond-maxlength")
def test_two_way_connection_can_send_after_a_message_longer_than_maxlength(mp):
    """After a message longer than maxlength a two-way connection can still send."""
    receiver, sender = mp.Pipe()
    sender.send_bytes(b"abcdef")
    with raises(OSError):
        receiver.recv_bytes(5)
    receiver.send("too long")
    assert sender.recv() == "too long"


@requirement("pipes.recv-bytes.refuses-negative-maxlength")
def test_maxlength_must_not_be_negative(mp):
    """recv_bytes(-1) raises ValueError, and the message can still be received."""
    receiver, sender = mp.Pipe(duplex=False)
    sender.send_bytes(b"message")
    with raises(ValueError):
        receiver.recv_bytes(-1)
    assert receiver.recv_bytes() == b"message"


@requirement("pipes.recv-bytes-into.fills-buffer")
def test_recv_bytes_into_fills_the_buffer_from_its_start(mp):
    """recv_bytes_into(buffer) writes to the buffer's start, and leaves the rest as it was."""
    receiver, sender = mp.Pipe(duplex=False)
    buffer = bytearray(b"........")
    sender.send_bytes(b"abc")
    receiver.recv_bytes_into(buffer)
    assert buffer == b"abc....."
    sender.send_bytes(b"whole of")
    receiver.recv_bytes_into(buffer)
    assert buffer == b"whole of"


@requirement("pipes.recv-bytes-into.returns-count")
def test_recv_bytes_into_returns_the_number_of_bytes(mp):
    """recv_bytes_into() gives the number of bytes in the message."""
    receiver, sender = mp.Pipe(duplex=False)
    for message in (b"abc", b"", b"12345678"):
        sender.send_bytes(message)
    assert [receiver.recv_bytes_into(bytearray(8)) for _ in range(3)] == [3, 0, 8]
    for size, offset in ((0, 0), (8, 8)):
        sender.send_bytes(b"")
        assert receiver.recv_bytes_into(bytearray(size), offset) == 0


@requirement("pipes.recv-bytes-into.offset")
def test_offset_is_where_recv_bytes_into_writes(mp):
    """recv_bytes_into(buffer, offset) writes from that position, and nothing elsewhere."""
    receiver, sender = mp.Pipe(duplex=False)
    buffer = bytearray(b"........")
    sender.send_bytes(b"abc")
    assert receiver.recv_bytes_into(buffer, 2) == 3
    assert buffer == b"..abc..."
    sender.send_bytes(b"xyz")
    assert receiver.recv_bytes_into(buffer, offset=5) == 3
    assert buffer == b"..abcxyz"


@requirement("pipes.recv-bytes-into.wider-items")
def test_recv_bytes_into_counts_in_bytes(mp):
    """For a buffer of wider items the count and the offset are in bytes."""
    receiver, sender = mp.Pipe(duplex=False)
    numbers = array.array("i", range(5))
    target = array.array("i", [0] * 10)
    sender.send_bytes(numbers)
    assert receiver.recv_bytes_into(target) == len(numbers) * numbers.itemsize
    assert target.tolist() == [0, 1, 2, 3, 4, 0, 0, 0, 0, 0]
    sender.send_bytes(numbers)
    assert receiver.recv_bytes_into(target, 5 * numbers.itemsize) == 5 * numbers.itemsize
    assert target.tolist() == [0, 1, 2, 3, 4, 0, 1, 2, 3, 4]


@requirement("pipes.recv-bytes-into.parts-of-items")
def test_recv_bytes_into_divides_items(mp):
    """Message and offset need not be whole items of the buffer: each byte goes where it belongs."""
    receiver, sender = mp.Pipe(duplex=False)
    for offset in (0, 2, 4, 5):
        target = array.array("i", [0] * 3)
        sender.send_bytes(b"abc")
        assert receiver.recv_bytes_into(target, offset) == 3
        assert target.tobytes() == (bytes(offset) + b"abc").ljust(12, b"\0")


@requirement("pipes.recv-bytes-into.several-dimensions")
def test_recv_bytes_into_fills_rows(mp):
    """A buffer with rows and columns takes a message as a flat one of as many bytes does."""
    receiver, sender = mp.Pipe(duplex=False)
    buffer = bytearray(b"........")
    rows = memoryview(buffer).cast("B", (2, 4))
    sender.send_bytes(b"abcdef")
    assert receiver.recv_bytes_into(rows, 1) == 6
    assert buffer == b".abcdef."


@requirement("pipes.recv-bytes-into.blocks-until-message")
def test_recv_bytes_into_blocks_until_there_is_something(mp):
    """recv_bytes_into() waits for a message, with an offset as well."""
    receiver, sender = mp.Pipe(duplex=False)
    for offset in ((), (2,)):
        buffer = bytearray(9)
        caller = CallerThread(mp, receiver, "recv_bytes_into", buffer, *offset)
        caller.until_blocked()
        sender.send_bytes(b"message")
        assert caller.result() == 7
        assert buffer == (bytes(*offset) + b"message").ljust(9, b"\0")


@requirement("pipes.recv-bytes-into.refuses-read-only-buffer")
def test_buffer_must_be_writable(mp):
    """recv_bytes_into() of a read-only buffer, and of a list or a string, raises, and leaves it unchanged."""
    receiver, sender = mp.Pipe(duplex=False)
    for buffer in (bytes(8), memoryview(bytearray(8)).toreadonly(), [0] * 8, "12345678"):
        before = buffer[:]
        sender.send_bytes(b"message")
        with raises(Exception):
            receiver.recv_bytes_into(buffer)
        assert buffer == before


@requirement("pipes.recv-bytes-into.refuses-bad-offset")
def test_offset_must_lie_in_the_buffer(mp):
    """An offset that is negative or beyond the buffer makes the call raise, and take nothing."""
    receiver, sender = mp.Pipe(duplex=False)
    sender.send_bytes(b"abc")
    for offset in (-1, 9):
        with raises(Exception):
            receiver.recv_bytes_into(bytearray(8), offset)
    assert receiver.recv_bytes() == b"abc"


@requirement("pipes.recv-bytes-into.offset-is-integer")
def test_offset_must_be_an_integer(mp):
    """recv_bytes_into() with a fraction, a string or None for the offset raises."""
    receiver, sender = mp.Pipe(duplex=False)
    for offset in (1.5, "1", None):
        sender.send_bytes(b"abc")  # it may take one, or not
        with raises(Exception):
            receiver.recv_bytes_into(bytearray(8), offset)


@requirement("pipes.recv-bytes-into.bad-offset-is-valueerror")
def test_offset_outside_the_buffer_is_a_valueerror(mp):
    """The error of an offset that is negative or beyond the buffer is a ValueError."""
    receiver, sender = mp.Pipe(duplex=False)
    sender.send_bytes(b"abc")
    for offset in (-1, 9):
        with raises(ValueError):
            receiver.recv_bytes_into(bytearray(8), offset)


@requirement("pipes.recv-bytes-into.offset-at-end")
def test_offset_at_the_end_of_the_buffer(mp):
    """With an offset of the buffer's length recv_bytes_into() refuses a message, and leaves the buffer alone."""
    receiver, sender = mp.Pipe(duplex=False)
    buffer = bytearray(b"....")
    sender.send_bytes(b"a")
    with raises(ValueError, mp.BufferTooShort):
        receiver.recv_bytes_into(buffer, 4)
    assert buffer == b"...."


@requirement("pipes.recv-bytes-into.too-short")
def test_buffer_too_short_raises(mp):
    """BufferTooShort is raised when the message does not fit the buffer, or behind the offset."""
    receiver, sender = mp.Pipe(duplex=False)
    sender.send_bytes(b"abcdef")
    sender.send_bytes(b"abcdef")
    with raises(mp.BufferTooShort):
        receiver.recv_bytes_into(bytearray(5))
    with raises(mp.BufferTooShort):
        receiver.recv_bytes_into(bytearray(8), 3)
    for wide, offset in ((array.array("i", [0]), 0), (array.array("i", [0] * 4), 8)):
        sender.send_bytes(b"of twelve...")
        with raises(mp.BufferTooShort):
            receiver.recv_bytes_into(wide, offset)


@requirement("pipes.recv-bytes-into.too-short-keeps-message")
def test_buffer_too_short_holds_the_message(mp):
    """``args[0]`` of BufferTooShort is the whole message, as bytes, however long, and whatever the offset."""
    receiver, sender = mp.Pipe(duplex=False)
    for message, *offset in ((b"abcdef",), (b"abcdef", 3), (bytes(range(256)) * 16,)):
        sender.send_bytes(message)
        with raises(mp.BufferTooShort) as caught:
            receiver.recv_bytes_into(bytearray(5), *offset)
        assert caught.value.args[0] == message
        assert isinstance(caught.value.args[0], bytes)


@requirement("pipes.recv-bytes-into.readable-after-too-short")
def test_connection_is_readable_after_a_buffer_too_short(mp):
    """After BufferTooShort the next message is received as ever."""
    receiver, sender = mp.Pipe(duplex=False)
    sender.send_bytes(b"abcdef")
    sender.send_bytes(b"next")
    with raises(mp.BufferTooShort):
        receiver.recv_bytes_into(bytearray(5))
    assert receiver.recv_bytes() == b"next"


def _send_sizes(connection, sizes):
    for size in sizes:
        connection.send_bytes(bytes([size % 251]) * size)


@requirement("pipes.send-bytes.any-size")
def test_messages_of_any_size_arrive_whole(mp):
    """Messages from one byte to several MiB, in any sequence, arrive whole and in order."""
    sizes = [
        1,
        LARGE,
        3,
        *(2**power + step for power in range(12, 20) for step in (-1, 0, 1)),
        0,
        LARGE + 1,
        2,
    ]
    receiver, sender = mp.Pipe()
    writer = threading.Thread(target=_send_sizes, args=(sender, sizes), daemon=True)
    writer.start()
    for size in sizes:
        assert equal(receiver.recv_bytes(), bytes([size % 251]) * size)
    writer.join()


@requirement("pipes.send-bytes.very-large")
def test_more_than_two_gibibytes_are_a_message_or_refused(mp):
    """A message of more than 2 GiB is announced as what it is, or send_bytes() raises ValueError."""
    import mmap
    import resource

    # Memory that nobody touches takes no room: of all these bytes few are read, and none is received.
    flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | getattr(mmap, "MAP_NORESERVE", 0)
    message = mmap.mmap(-1, 2**31 + 1, flags=flags)
    receiver, sender = mp.Pipe(duplex=False)
    # There is room for no copy of it either: to make one fails, and does not exhaust the machine.
    with open("/proc/self/statm", encoding="ascii") as file:
        pages = int(file.read().split()[0])
    before = resource.getrlimit(resource.RLIMIT_AS)
    limit = pages * mmap.PAGESIZE + 2**30
    if before[1] == resource.RLIM_INFINITY or limit < before[1]:
        resource.setrlimit(resource.RLIMIT_AS, (limit, before[1]))
    try:
        send = functools.partial(_send_and_close, sender, "send_bytes", message)
        caller = CallerThread(mp, send, "__call__")
        with raises(OSError, EOFError) as caught:
            receiver.recv_bytes(10)
        receiver.close()
        refused = isinstance(caught.value, EOFError)
        with raises(ValueError) if refused else contextlib.suppress(OSError):
            caller.result()
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


@requirement("pipes.recv-bytes-into.large")
def test_recv_bytes_into_takes_large_messages(mp):
    """A message of several MiB goes into a buffer, or whole into BufferTooShort."""
    receiver, sender = mp.Pipe()
    writer = threading.Thread(target=_send_sizes, args=(sender, [LARGE, LARGE]), daemon=True)
    writer.start()
    buffer = bytearray(LARGE + 2)
    assert receiver.recv_bytes_into(buffer, 1) == LARGE
    assert equal(buffer, b"\0" + bytes([LARGE % 251]) * LARGE + b"\0")
    with raises(mp.BufferTooShort) as caught:
        receiver.recv_bytes_into(bytearray(10))
    assert equal(caught.value.args[0], bytes([LARGE % 251]) * LARGE)
    writer.join()


# Several at a time


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


# Signals


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


# Connections as messages


def _offer_end(mp, connection, teller):
    mine, yours = mp.Pipe()
    connection.send(yours)
    yours.close()
    teller.send("sent and closed")
    mine.send("from the child")
    mine.send(mine.recv())
    # The sender may keep what it has sent until it is received, and for a moment longer.
    teller.send(outcome_of(mine.recv)[0] if mine.poll(mp.timeout) else "goes on")


@requirement("pipes.send.connection")
def test_connection_travels_through_a_connection(mp):
    """A connection that a child makes and sends to its parent connects the two, though the child closes it at once.

    When its receiver closes it, too, the other end meets the end of file.
    """
    parent_end, child_end = mp.Pipe()
    told, teller = mp.Pipe(duplex=False)
    process = mp.Process(target=_offer_end, args=(mp, child_end, teller))
    process.start()
    assert told.recv() == "sent and closed"
    received = parent_end.recv()
    assert received.recv() == "from the child"
    received.send("from the parent")
    assert received.recv() == "from the parent"
    received.close()
    assert told.recv() == "EOFError"
    process.join()


@requirement("pipes.send.connection")
def test_sent_connection_is_open_nowhere_else(mp):
    """A child that is started while a sent connection has not come does not keep it from its end."""
    receiver, sender = mp.Pipe(duplex=False)
    mine, yours = mp.Pipe()
    sender.send(yours)
    yours.close()
    waiting, tell = mp.Pipe(duplex=False)
    process = mp.Process(target=waiting.recv)
    process.start()
    receiver.recv().close()
    assert mine.poll(mp.timeout / 2)
    with raises(EOFError):
        mine.recv()
    tell.send("end")
    process.join()


@requirement("pipes.send.connection")
def test_several_connections_travel_at_once(mp):
    """Of connections that are under way at the same time, each is connected to its own other end."""
    receiver, sender = mp.Pipe(duplex=False)
    pairs = [mp.Pipe() for _ in range(9)]
    sender.send([far for _, far in pairs])
    received = receiver.recv()
    for number, (near, _) in enumerate(pairs):
        near.send(number)
    assert [end.recv() for end in received if end.poll(mp.timeout)] == list(range(9))


def _answer_over(_, connection):
    with connection:
        connection.send(["answer to", connection.recv()])


@requirement("pipes.send.connection-to-running-child")
def test_connection_travels_to_a_running_child(mp, companion):
    """A child that runs already is sent a connection, and answers over it, though the parent has closed its own."""
    fail_to_start(mp)
    mine, yours = mp.Pipe()
    companion.begin(_answer_over, yours)
    yours.close()
    mine.send("a question")
    assert mine.recv() == ["answer to", "a question"]
    companion.result()
    assert outcome_of(mine.recv)[0] == "EOFError"


def _pass_on(connection, own):
    own.send("by the child")
    connection.send(own)
    connection.recv()
    own.send("by the child again")


@requirement("pipes.send.connection-leaves-own-open")
def test_connection_that_was_sent_stays_open_at_its_sender(mp):
    """An end that was given to a child, and sent back by it, is open in both processes.

    So is a one-way end that was sent here.
    """
    parent_end, child_end = mp.Pipe()
    receiver, sender = mp.Pipe(duplex=False)
    process = mp.Process(target=_pass_on, args=(child_end, sender))
    process.start()
    sender.send("by the parent")
    received = parent_end.recv()
    received.send("by the one received")
    parent_end.send("go on")
    near, far = mp.Pipe()
    near.send(receiver)
    # Both are open: what comes now, either may receive.
    far.recv()
    messages = {receiver.recv() for _ in range(4)}
    process.join()
    assert messages == {
        "by the child",
        "by the parent",
        "by the one received",
        "by the child again",
    }


def _offer_one_way(mp, connection):
    receiver, sender = mp.Pipe(duplex=False)
    sender.send("already under way")
    connection.send([receiver, sender])
    connection.recv()


@requirement("pipes.send.one-way-connection")
def test_connection_that_was_sent_keeps_its_direction(mp):
    """Ends that were sent keep their direction; one finds what was sent to it before."""
    parent_end, child_end = mp.Pipe()
    process = mp.Process(target=_offer_one_way, args=(mp, child_end))
    process.start()
    receiver, sender = parent_end.recv()
    assert receiver.recv() == "already under way"
    with raises(Exception):
        receiver.send("back")
    for receive in (sender.recv, sender.poll):
        with raises(Exception):
            receive()
    sender.send("on")
    assert receiver.recv() == "on"
    parent_end.send("done")
    process.join()


def _send_each_way(mp, *ways):
    """In a child: send an end of a pipe in each of these ways, with a message for it, and end."""
    for send in ways:
        mine, yours = mp.Pipe()
        mine.send("sent before the end")
        send(yours)


@requirement("pipes.send.connection-outlives-sender")
def test_connection_of_a_process_that_has_ended(mp):
    """Connections that an ended child has sent, and put on a Queue and a SimpleQueue, give the child's message."""
    receiver, sender = mp.Pipe(duplex=False)
    queue, simple = mp.Queue(), mp.SimpleQueue()
    run(mp, _send_each_way, mp, sender.send, queue.put, simple.put)
    for get in (receiver.recv, queue.get, simple.get):
        assert get().recv() == "sent before the end"


def _send_two_ends(mp, connection):
    pairs = [mp.Pipe() for _ in range(2)]
    for mine, yours in pairs:
        mine.send("from the child")
        connection.send(yours)
    connection.recv()


@requirement("pipes.send.connection-after-refusal")
def test_connection_comes_after_one_that_was_refused(mp):
    """Of two connections sent here, one may be refused to this process while its key is another; the second comes."""
    parent_end, child_end = mp.Pipe()
    process = mp.Process(target=_send_two_ends, args=(mp, child_end))
    process.start()
    here = mp.current_process()
    key, here.authkey = here.authkey, b"another key"
    try:
        outcome_of(parent_end.recv)
    finally:
        here.authkey = key
    assert parent_end.recv().recv() == "from the child"
    parent_end.send("received")
    process.join()


@requirement("pipes.argument.outlives-parents-reference")
def test_child_keeps_a_connection_that_its_parent_dropped(mp):
    """Connections passed to a child work there, for either direction, even if the parent drops its own references."""
    receiver, sender = mp.Pipe(duplex=False)
    source, feed = mp.Pipe(duplex=False)
    process = mp.Process(target=_forward, args=(source, sender))
    process.start()
    del source, sender
    gc.collect()
    feed.send("greetings")
    assert receiver.recv() == "greetings"
    process.join()


@requirement("pipes.argument.nested")
def test_connection_may_be_part_of_an_argument(mp):
    """Connections reach the child inside another object, such as a dictionary of lists: a dozen and more."""
    receiver, sender = mp.Pipe(duplex=False)
    others = [end for _ in range(7) for end in mp.Pipe(duplex=False)]
    options = {"connections": [*others, sender]}
    process = mp.Process(target=_send_through, kwargs={"options": options})
    process.start()
    assert receiver.recv() == "nested"
    process.join()


def _send_through(options):
    options["connections"][-1].send("nested")
