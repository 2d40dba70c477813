"""Tests of the chapter wait."""

import fcntl
import functools
import os
import resource
import signal
import socket
import tempfile
import threading
import time

from mpspec.children import (
    AT_ONCE,
    HUGE,
    CallerThread,
    Interrupted,
    Interruption,
    among_signals,
    by_a_bad_clock,
    raises,
    until_all_blocked,
    within,
)
from mpspec.marks import requirement

# Clocks differ a little: what waited for a time may find a little less on another clock.
CLOCKS = 0.005
# A short timeout, and how long a call with it may take.
SHORT, ENOUGH = 0.03, 0.055


@requirement("wait.connection.with-data")
def test_connection_with_data_is_ready(mp):
    """A connection from which a message can be read is ready, be it an object or bytes: the second of two, too."""
    for way, message in (("", "message"), ("_bytes", b"message")):
        receiver, sender = mp.Pipe(duplex=False)
        for _ in range(2):
            getattr(sender, f"send{way}")(message)
        for _ in range(2):
            assert mp.connection.wait([receiver], 0) == [receiver]
            assert receiver.poll() is True
            assert mp.connection.wait([receiver]) == [receiver]
            assert getattr(receiver, f"recv{way}")() == message


@requirement("wait.connection.without-data")
def test_connection_without_data_is_not_ready(mp):
    """A connection from which nothing can be read is not ready, even if it can be written to."""
    first, second = mp.Pipe()
    assert mp.connection.wait([first, second], 0) == []
    first.send("message")
    assert second.recv() == "message"
    assert mp.connection.wait([first, second], 0) == []


@requirement("wait.connection.other-end-closed")
def test_connection_whose_other_end_was_closed_is_ready(mp):
    """A connection is ready when the other end has been closed."""
    for receiver, sender in (mp.Pipe(), mp.Pipe()[::-1], mp.Pipe(duplex=False)):
        sender.close()
        assert mp.connection.wait([receiver], mp.timeout) == [receiver]


@requirement("wait.connection.message-stays")
def test_wait_takes_no_message(mp):
    """A message that made its connection ready is still there to be received."""
    receiver, sender = mp.Pipe(duplex=False)
    sender.send("message")
    assert mp.connection.wait([receiver]) == mp.connection.wait([receiver]) == [receiver]
    assert receiver.recv() == "message"


@requirement("wait.connection.of-listeners")
def test_connection_of_a_listener_is_ready(mp):
    """Of either family, and at either end, a connection is ready for each of two messages, and at the end.

    And poll() finds what wait() finds.
    """
    for family in ("AF_INET", "AF_UNIX"):
        with mp.connection.Listener(family=family) as listener:
            client, accepted = _connected(mp, listener)
            another, its_end = _connected(mp, listener)
        for sender, receiver in ((client, accepted), (its_end, another)):
            _assert_ready_for_each_message(mp, receiver, sender)
            _assert_ready_for_each_message(mp, sender, receiver)
            sender.close()
            assert mp.connection.wait([receiver], mp.timeout) == [receiver]
            assert receiver.poll() is True


def _connected(mp, listener):
    client = mp.connection.Client(listener.address)
    return client, listener.accept()


def _assert_ready_for_each_message(mp, sender, receiver):
    """Two messages are there at once: a connection that reads ahead must remember what it has."""
    for way, message in (("", "message"), ("_bytes", b"message")):
        for _ in range(2):
            getattr(sender, f"send{way}")(message)
        for _ in range(2):
            assert mp.connection.wait([receiver], mp.timeout) == [receiver]
            assert receiver.poll() is True
            assert getattr(receiver, f"recv{way}")() == message
        assert mp.connection.wait([receiver], 0) == []
        assert receiver.poll() is False


@requirement("wait.result.ready-objects-alone")
def test_wait_gives_those_that_are_ready(mp):
    """The result is a list of the very objects that are ready: all of them, however many, and no other."""
    pipes = [mp.Pipe(duplex=False) for _ in range(70)]
    receivers = [receiver for receiver, _sender in pipes]
    for numbers, timeout in (
        ((69,), mp.timeout),
        ((1, 3, 69), 0),
        (range(70), None),
        (range(70), -1),
    ):
        for number in numbers:
            pipes[number][1].send(number)
        ready = mp.connection.wait(receivers, timeout)
        assert isinstance(ready, list)
        assert sorted(map(id, ready)) == sorted(id(receivers[number]) for number in numbers)
        assert sorted(receiver.recv() for receiver in ready) == [*numbers]


@requirement("wait.result.nothing-to-wait-for")
def test_wait_for_nothing_gives_nothing(mp):
    """For an empty list the result is an empty list, once the timeout has passed."""
    assert mp.connection.wait([], 0) == []
    start = time.monotonic()
    assert mp.connection.wait([], timeout=SHORT) == []
    assert time.monotonic() - start > SHORT - CLOCKS


@requirement("wait.socket.with-data")
def test_socket_with_data_is_ready(mp):
    """A connected socket is ready when there is data to be read from it, and not before."""
    first, second = socket.socketpair()
    with first, second:
        assert mp.connection.wait([first], 0) == []
        second.sendall(b"data")
        assert mp.connection.wait([first], mp.timeout) == [first]
        assert first.recv(10) == b"data"


@requirement("wait.socket.other-end-closed")
def test_socket_whose_other_end_was_closed_is_ready(mp):
    """A connected socket is ready when the other end has been closed."""
    first, second = socket.socketpair()
    with first:
        second.close()
        assert mp.connection.wait([first], mp.timeout) == [first]


def _await_word(connection):
    connection.recv()


def _wait_for_word(mp, connection):
    assert mp.connection.wait([connection], mp.timeout) == [connection]
    _await_word(connection)


@requirement("wait.sentinel.process-ended")
def test_sentinel_is_ready_when_the_process_has_ended(mp):
    """A process's sentinel is ready once the process has ended, and not while it runs, and waits itself."""
    receiver, sender = mp.Pipe(duplex=False)
    process = mp.Process(target=_wait_for_word, args=(mp, receiver))
    # Whatever wait() keeps for later calls is there when the child begins.
    assert mp.connection.wait([receiver], 0) == []
    process.start()
    assert mp.connection.wait([process.sentinel], 0) == []
    sender.send("end")
    assert mp.connection.wait([process.sentinel]) == [process.sentinel]
    assert mp.connection.wait([process.sentinel], 0) == [process.sentinel]
    process.join()
    assert process.exitcode == 0


@requirement("wait.sentinel.those-that-ended")
def test_sentinels_tell_which_process_has_ended(mp):
    """Of several processes the sentinels of those that have ended are ready."""
    pipes = [mp.Pipe(duplex=False) for _ in range(2)]
    processes = [mp.Process(target=_await_word, args=(receiver,)) for receiver, _sender in pipes]
    for process in processes:
        process.start()
    sentinels = [process.sentinel for process in processes]
    pipes[1][1].send("end")
    assert mp.connection.wait(sentinels) == [sentinels[1]]
    pipes[0][1].send("end")
    assert mp.connection.wait([sentinels[0]]) == [sentinels[0]]
    assert sorted(mp.connection.wait(sentinels)) == sorted(sentinels)
    for process in processes:
        process.join()


@requirement("wait.objects.descriptors")
def test_wait_takes_what_select_takes(mp):
    """File descriptors, and objects with a fileno() method, can be waited for, as by select()."""
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as reader:
        for each in (reading, reader):
            assert mp.connection.wait([each], 0) == []
        os.write(writing, b"data")
        for each in (reading, reader):
            assert mp.connection.wait([each], mp.timeout) == [each]
    os.close(writing)
    with tempfile.TemporaryFile() as file:  # which select() always finds ready
        assert mp.connection.wait([file], mp.timeout) == [file]


@requirement("wait.objects.high-descriptors")
def test_descriptors_above_1023_can_be_waited_for(mp):
    """Of descriptors that select() could not take the ready one is given."""
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limits[1], limits[1]))
    first, second = socket.socketpair()
    with first, second:
        high = [fcntl.fcntl(each, fcntl.F_DUPFD_CLOEXEC, 1024) for each in (first, second)]
        try:
            assert mp.connection.wait(high, 0) == []
            second.sendall(b"data")
            assert mp.connection.wait(high) == [high[0]]
        finally:
            for each in high:
                os.close(each)
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)


@requirement("wait.objects.any-iterable")
def test_wait_takes_any_iterable(mp):
    """A tuple, a view of a dict and a generator do as well as a list; the list given stays as it is."""
    receiver, sender = mp.Pipe(duplex=False)
    silent, _mute = mp.Pipe(duplex=False)
    sender.send("message")
    objects = [silent, receiver]
    named = dict.fromkeys(objects)
    for each in (objects, tuple(objects), named, named.keys(), iter(objects)):
        assert mp.connection.wait(each) == [receiver]
    assert objects == [silent, receiver]


@requirement("wait.objects.of-several-kinds")
def test_objects_of_several_kinds_are_waited_for_together(mp):
    """Connections, sockets and sentinels can stand in one list; those that are ready are given."""
    receiver, sender = mp.Pipe(duplex=False)
    silent, _mute = mp.Pipe(duplex=False)
    first, second = socket.socketpair()
    process = mp.Process(target=_await_word, args=(receiver,))
    process.start()
    with first, second:
        everything = [first, silent, process.sentinel]
        assert mp.connection.wait(everything, 0) == []
        second.sendall(b"data")
        assert mp.connection.wait(everything) == [first]
        sender.send("end")
        mp.connection.wait([process.sentinel])
        ready = mp.connection.wait(everything)
    process.join()
    assert sorted(everything.index(each) for each in ready) == [0, 2]


@requirement("wait.timeout.expires")
def test_wait_gives_an_empty_list_after_its_timeout(mp):
    """When nothing gets ready within the timeout the result is an empty list, not before.

    Signals that are handled meanwhile, and a clock that is set back, change nothing.
    """
    receiver, _sender = mp.Pipe(duplex=False)
    start = time.monotonic()
    assert mp.connection.wait([receiver], SHORT) == []
    assert time.monotonic() - start > SHORT - CLOCKS
    wait = functools.partial(mp.connection.wait, object_list=[receiver], timeout=SHORT)
    assert within(ENOUGH, wait) == []
    wait = functools.partial(by_a_bad_clock, wait)
    assert within(ENOUGH, functools.partial(among_signals, wait)) == []


@requirement("wait.timeout.ready-in-time")
def test_wait_gives_what_gets_ready_within_the_timeout(mp):
    """wait() with a timeout blocks until an object is ready."""
    receiver, sender = mp.Pipe(duplex=False)
    caller = CallerThread(mp, mp.connection, "wait", [receiver], mp.timeout * 100)
    caller.until_blocked()
    sender.send("message")
    assert caller.result() == [receiver]


@requirement("wait.timeout.huge")
def test_wait_takes_a_huge_timeout(mp):
    """wait() with a timeout of many days, or of threading.TIMEOUT_MAX, blocks until an object is ready."""
    receiver, sender = mp.Pipe(duplex=False)
    callers = [CallerThread(mp, mp.connection, "wait", [receiver], each) for each in HUGE]
    until_all_blocked(callers)
    sender.send("message")
    assert [caller.result() for caller in callers] == [[receiver], [receiver]]


@requirement("wait.timeout.none")
def test_wait_without_timeout_blocks(mp):
    """With no timeout, or None, wait() blocks until an object is ready."""
    for arguments in ((), (None,)):
        receiver, sender = mp.Pipe(duplex=False)
        caller = CallerThread(mp, mp.connection, "wait", [receiver], *arguments)
        caller.until_blocked()
        sender.send("message")
        assert caller.result() == [receiver]


@requirement("wait.timeout.negative-is-zero")
def test_negative_timeout_does_not_block(mp):
    """With a negative timeout wait() gives what is ready at once, as with a timeout of zero."""
    receiver, sender = mp.Pipe(duplex=False)
    for timeout in (-1, -0.5, 0):
        wait = functools.partial(mp.connection.wait, [receiver], timeout)
        assert within(AT_ONCE, wait) == []
    sender.send("message")
    for timeout in (-1, -0.5, 0):
        assert mp.connection.wait([receiver], timeout) == [receiver]


def _interrupt(mp, thread, noted, sender):
    """Send a signal to a thread that sleeps, and another one; then a message."""
    from mpspec.observing import wait_until_asleep

    for _ in range(2):
        wait_until_asleep(os.getpid(), thread.native_id, mp.timeout)
        noted.clear()
        signal.pthread_kill(thread.ident, signal.SIGUSR1)
        noted.wait(mp.timeout)
    wait_until_asleep(os.getpid(), thread.native_id, mp.timeout)
    sender.send("message")


@requirement("wait.signal.goes-on")
def test_wait_goes_on_after_a_signal(mp):
    """A signal whose handler returns neither ends wait() nor makes it fail."""
    receiver, sender = mp.Pipe(duplex=False)
    noted, signals = threading.Event(), []

    def note(number, _frame):
        signals.append(number)
        noted.set()

    before = signal.signal(signal.SIGUSR1, note)
    interrupter = threading.Thread(
        target=_interrupt, args=(mp, threading.main_thread(), noted, sender), daemon=True
    )
    interrupter.start()
    try:
        ready = mp.connection.wait([receiver], mp.timeout * 100)
    finally:
        interrupter.join()
        signal.signal(signal.SIGUSR1, before)
    assert (ready, signals) == ([receiver], [signal.SIGUSR1] * 2)


def _send_some(sender, name):
    for number in range(10):
        sender.send((name, number))
    sender.close()


@requirement("wait.signal.goes-on")
def test_exception_of_a_signal_handler_comes_out_of_wait(mp):
    """What a signal's handler raises comes out of wait(), with a timeout or without."""
    receiver, sender = mp.Pipe(duplex=False)
    for arguments in ((), (mp.timeout * 100,)):
        with Interrupted(mp, raising=Interruption), raises(Interruption):
            mp.connection.wait([receiver], *arguments)
    sender.send("message")
    assert mp.connection.wait([receiver], 0) == [receiver]


@requirement("wait.example.many-readers")
def test_wait_serves_many_senders(mp):
    """A loop around wait() reads all messages of several processes, and the end of each."""
    readers, processes = [], []
    for name in ("first", "second"):
        receiver, sender = mp.Pipe(duplex=False)
        readers.append(receiver)
        processes.append(mp.Process(target=_send_some, args=(sender, name)))
        processes[-1].start()
        sender.close()
    messages = []
    while readers:
        for reader in mp.connection.wait(readers):
            try:
                messages.append(reader.recv())
            except EOFError:
                readers.remove(reader)
    for process in processes:
        process.join()
    assert sorted(messages) == [
        (who, number) for who in ("first", "second") for number in range(10)
    ]


@requirement("wait.objects.closed-connection")
def test_closed_connection_cannot_be_waited_for(mp):
    """Waiting for a connection that was closed at this end raises."""
    receiver, _sender = mp.Pipe(duplex=False)
    receiver.close()
    with raises(Exception):
        mp.connection.wait([receiver], 0)


@requirement("wait.objects.others-refused")
def test_other_objects_cannot_be_waited_for(mp):
    """Waiting for a text, None, a fraction, an object without ``fileno``, or a negative number raises."""
    for other in ("text", None, 1.5, object(), -1):
        with raises(Exception):
            mp.connection.wait([other], 0)
