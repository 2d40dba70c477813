"""Tests of close(), fileno() and the context manager."""

import functools
import gc
import os
import select

from mpspec.children import outcome_of, raises
from mpspec.marks import requirement
from mpspec.suite.pipes.helpers import forward, send_hello_and_close


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
    send_hello_and_close(connection)
    forward(source, target)


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
