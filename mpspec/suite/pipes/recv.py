"""Tests of recv()."""

import pickle

from mpspec.children import Caller, CallerThread, raises
from mpspec.marks import requirement
from mpspec.suite.pipes.helpers import ERRORS, woken_by_close


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
    for error in ERRORS:
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
    for caller in woken_by_close(mp, "recv"):
        with raises(EOFError):
            caller.result()


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
