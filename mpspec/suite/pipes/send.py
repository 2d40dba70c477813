"""Tests of send()."""

import collections
import copyreg
import functools
import os
import pickle
import threading

from mpspec.children import (
    CallerThread,
    Unpicklable,
    equal,
    fail_to_start,
    outcome_of,
    raises,
    run,
)
from mpspec.marks import requirement
from mpspec.suite.pipes.helpers import ERRORS, LARGE, send_and_close, send_hello_and_close

# What it warns of.
VERY_LARGE = 33 * 1024 * 1024


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


@requirement("pipes.send.from-child")
def test_child_sends_to_its_parent(mp):
    """What a child sends at the end that it was given, the parent receives at the other."""
    parent_end, child_end = mp.Pipe()
    process = mp.Process(target=send_hello_and_close, args=(child_end,))
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


@requirement("pipes.send.keeps-state-of-the-moment")
def test_later_changes_are_not_sent(mp):
    """What is changed after send() arrives as it was."""
    receiver, sender = mp.Pipe(duplex=False)
    sent = ["before"]
    sender.send(sent)
    sent.append("after")
    assert receiver.recv() == ["before"]


@requirement("pipes.send.refuses-unpicklable")
def test_send_refuses_what_cannot_be_pickled(mp):
    """send() of an object that can't be pickled raises."""
    _receiver, sender = mp.Pipe(duplex=False)
    for error in ERRORS:
        with raises(error):
            sender.send(Unpicklable(error))


@requirement("pipes.send.refusal-sends-nothing")
def test_a_refused_object_leaves_no_trace(mp):
    """After a send() that was refused, early or late in its object, the next message received is the next one sent."""
    receiver, sender = mp.Pipe(duplex=False)
    for size in (1000, 70_000):  # pickle writes what has more than 64 KiB by itself
        with raises(Exception):
            sender.send([b"x" * size, Unpicklable()])
        assert not receiver.poll()
        sender.send("next")
        assert receiver.recv() == "next"


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


@requirement("pipes.send.very-large")
def test_very_large_message_arrives_whole_or_is_refused(mp):
    """33 MiB, as a string and as bytes, arrive whole; or there is a ValueError and no message."""
    # One after the other: what a run holds at its peak is decided here.
    for way, item, end in (("", "x", "end"), ("_bytes", b"x", b"end")):
        _assert_arrives_or_is_refused(mp, way, item * VERY_LARGE + end)


def _assert_arrives_or_is_refused(mp, way, message):
    receiver, sender = mp.Pipe(duplex=False)
    send = functools.partial(send_and_close, sender, "send" + way, message)
    caller = CallerThread(mp, send, "__call__")
    outcome = outcome_of(getattr(receiver, "recv" + way))
    if outcome[0] == "EOFError":
        with raises(ValueError):
            caller.result()
    else:
        caller.result()
        assert equal(outcome, ("returned", message))


@requirement("pipes.send.closed-other-end-is-oserror")
def test_send_to_a_closed_end_raises_oserror(mp):
    """send() and send_bytes() raise OSError (a broken pipe) when the other end was closed."""
    for receiver, sender in (mp.Pipe(), mp.Pipe(duplex=False)):
        receiver.close()
        with raises(OSError):
            sender.send("message")
        with raises(OSError):
            sender.send_bytes(b"message")


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
