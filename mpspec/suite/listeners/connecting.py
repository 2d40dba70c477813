"""Tests of Listener and Client, and of the connections that they make."""

import array
import contextlib
import gc
import os
import socket
import sys

from mpspec.children import (
    CallerThread,
    Interrupted,
    Interruption,
    equal,
    raises,
    until_all_blocked,
)
from mpspec.marks import requirement
from mpspec.suite.listeners.helpers import HEARD, KEY, socket_of, talk

# More than any socket buffers.
LARGE = 4 * 1024 * 1024


@requirement("listeners.accept.returns-connection")
def test_accept_returns_a_connection(mp):
    """accept() returns a Connection object."""
    with mp.connection.Listener() as listener:
        _client = mp.connection.Client(listener.address)
        assert isinstance(listener.accept(), mp.connection.Connection)


@requirement("listeners.client.returns-connection")
def test_client_returns_a_connection(mp):
    """Client() gives a Connection object."""
    with mp.connection.Listener() as listener:
        client = mp.connection.Client(listener.address)
        assert isinstance(client, mp.connection.Connection)
        listener.accept()


@requirement("listeners.client.connects")
def test_client_and_accepted_connection_are_the_two_ends(mp):
    """What Client()'s connection sends accept()'s receives, and the other way round."""
    with mp.connection.Listener() as listener:
        client = mp.connection.Client(listener.address)
        assert talk(client, listener.accept()) == HEARD


@requirement("listeners.accept.not-inheritable")
def test_descriptors_are_not_inheritable(mp):
    """Programs that this process starts do not inherit the two ends of a connection, on each family."""
    for family in ("AF_INET", "AF_UNIX"):
        with mp.connection.Listener(family=family) as listener:
            ends = (mp.connection.Client(listener.address), listener.accept())
        assert [os.get_inheritable(end.fileno()) for end in ends] == [False, False]


@requirement("listeners.accept.bytes")
def test_connections_carry_bytes(mp):
    """send_bytes() and recv_bytes() work between a client and its listener, on each family."""
    for family in ("AF_INET", "AF_UNIX"):
        with mp.connection.Listener(family=family) as listener:
            client = mp.connection.Client(listener.address)
            accepted = listener.accept()
        client.send_bytes(b"there")
        accepted.send_bytes(b"")
        accepted.send_bytes(b"back" * 5000)
        received = (accepted.recv_bytes(), client.recv_bytes(), client.recv_bytes())
        assert received == (b"there", b"", b"back" * 5000)


def _connected(mp, family):
    """The two ends of a new connection: the client's, and the one that was accepted."""
    with mp.connection.Listener(family=family) as listener:
        return mp.connection.Client(listener.address), listener.accept()


@requirement("listeners.connection.methods")
def test_connections_have_the_methods_of_those_of_pipes(mp):
    """poll(), large messages, parts of buffers, short buffers and maxlength are as with a pipe, on each family.

    Both ends are Connection objects.
    """
    for family in ("AF_INET", "AF_UNIX"):
        client, accepted = _connected(mp, family)
        for end in (client, accepted):
            assert isinstance(end, mp.connection.Connection)
        assert (accepted.poll(), accepted.poll(0.001)) == (False, False)
        client.send_bytes(b"abcdef", 1, 4)
        assert accepted.poll(mp.timeout)
        assert accepted.recv_bytes() == b"bcde"
        client.send_bytes(b"abcdef")
        with raises(mp.BufferTooShort) as caught:
            accepted.recv_bytes_into(bytearray(4), 1)
        assert caught.value.args[0] == b"abcdef"
        for message in (["x" * LARGE, "end"], b"x" * LARGE + b"end"):
            way = "_bytes" if isinstance(message, bytes) else ""
            caller = CallerThread(mp, client, "send" + way, message)
            assert equal(getattr(accepted, "recv" + way)(), message)
            caller.result()
        client.send_bytes(b"abc")
        client.send_bytes(b"abcd")
        assert accepted.recv_bytes(3) == b"abc"
        with raises(OSError):
            accepted.recv_bytes(3)
        # What is left of it can't be told from the next message.
        with raises(Exception):
            accepted.recv()


@requirement("listeners.connection.closing")
def test_connections_are_closed_as_those_of_pipes(mp):
    """A ``with`` statement and garbage collection close either end of a connection, on each family."""
    for family in ("AF_INET", "AF_UNIX"):
        for number in (0, 1):
            ends = [*_connected(mp, family)]
            with ends.pop(number) as end:
                pass
            assert end.closed
            with raises(EOFError):
                ends[0].recv()
            ends = [*_connected(mp, family)]
            del ends[number]
            gc.collect()
            with raises(EOFError):
                ends[0].recv()


def _double_and_pass_on(connections, receiver):
    """In a child: double what comes over each connection, and send through it another, which the receiver brings."""
    for connection in connections:
        connection.send(connection.recv() * 2)
        connection.send(receiver.recv())
    for connection in connections:
        connection.recv()  # what was sent is received


@requirement("listeners.connection.travels")
def test_connections_travel(mp):
    """Connections of each family go to a child as arguments, or through a pipe, and back through one of the other."""
    given = [_connected(mp, family) for family in ("AF_INET", "AF_UNIX")]
    sent = [_connected(mp, family) for family in ("AF_UNIX", "AF_INET")]
    receiver, sender = mp.Pipe(duplex=False)
    ends = [end for _, end in given]
    process = mp.Process(target=_double_and_pass_on, args=(ends, receiver))
    process.start()
    for _, end in sent:
        sender.send(end)
    for _, end in (*given, *sent):
        end.close()
    for (client, _), (far, _) in zip(given, sent, strict=True):
        client.send(21)
        assert client.recv() == 42
        assert talk(far, client.recv()) == HEARD
        client.send("received")
    process.join()


@requirement("listeners.accept.end-of-file")
def test_closing_a_client_ends_its_connection(mp):
    """recv() of an accepted connection raises EOFError once the client is closed, on each family."""
    for family in ("AF_INET", "AF_UNIX"):
        with mp.connection.Listener(family=family) as listener:
            client = mp.connection.Client(listener.address)
            accepted = listener.accept()
        client.send("last words")
        client.close()
        assert accepted.recv() == "last words"
        with raises(EOFError):
            accepted.recv()


@requirement("listeners.accept.blocks-until-connection")
def test_accept_waits_for_a_client(mp):
    """accept() blocks until somebody connects, also when a signal that is handled comes meanwhile.

    What the handler raises comes out of it; the listener is as before.
    """
    with mp.connection.Listener() as listener:
        with Interrupted(mp, raising=Interruption), raises(Interruption):
            listener.accept()
        caller = CallerThread(mp, listener, "accept")
        caller.until_blocked()
        client = mp.connection.Client(listener.address)
        assert talk(client, caller.result()) == HEARD
        clients = []
        with Interrupted(
            mp, then=lambda: clients.append(mp.connection.Client(listener.address))
        ) as handled:
            accepted = listener.accept()
        assert handled
        assert talk(clients[0], accepted) == HEARD


@requirement("listeners.accept.one-connection-each")
def test_each_accept_gives_another_connection(mp):
    """Several clients of one listener have a connection each, also when several threads accept."""
    with mp.connection.Listener() as listener:
        clients, accepted = [], []
        for number in range(3):
            clients.append(mp.connection.Client(listener.address))
            accepted.append(listener.accept())
            clients[-1].send(number)
        assert [connection.recv() for connection in accepted] == [0, 1, 2]
        callers = [CallerThread(mp, listener, "accept") for _ in range(2)]
        until_all_blocked(callers)
        for number in range(2):
            clients.append(mp.connection.Client(listener.address))
            clients[-1].send(number)
        assert sorted(caller.result().recv() for caller in callers) == [0, 1]


def _visit(mp, address):
    with mp.connection.Client(address) as connection:
        connection.send(connection.recv() * 2)


@requirement("listeners.client.other-process")
def test_child_connects_to_its_parent(mp):
    """Another process, which knows the address alone, can connect: on each family."""
    for family in ("AF_INET", "AF_UNIX"):
        with mp.connection.Listener(family=family) as listener:
            process = mp.Process(target=_visit, args=(mp, listener.address))
            process.start()
            with listener.accept() as connection:
                connection.send(21)
                assert connection.recv() == 42
            process.join()


def _receive_visitor(mp, sender):
    with mp.connection.Listener() as listener:
        sender.send(listener.address)
        with listener.accept() as connection:
            connection.send(21)
            sender.send(connection.recv())


@requirement("listeners.accept.in-child")
def test_parent_connects_to_its_child(mp):
    """A child can listen, and tell others its address."""
    receiver, sender = mp.Pipe(duplex=False)
    process = mp.Process(target=_receive_visitor, args=(mp, sender))
    process.start()
    _visit(mp, receiver.recv())
    assert receiver.recv() == 42
    process.join()


@requirement("listeners.client.nobody-listens")
def test_client_without_listener(mp, tmp_path):
    """Client() raises OSError where nobody listens."""
    with raises(OSError):
        mp.connection.Client(str(tmp_path / "socket"))
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        with raises(OSError):
            mp.connection.Client(bound.getsockname())


@requirement("listeners.listener.address-in-use")
def test_second_listener_at_an_address(mp, tmp_path):
    """A listener at an address where another one listens raises OSError, and does it no harm."""
    for address in (str(tmp_path / "socket"), ("127.0.0.1", 0)):
        with mp.connection.Listener(address) as listener:
            with raises(OSError):
                mp.connection.Listener(listener.address)
            client = mp.connection.Client(listener.address)
            assert talk(client, listener.accept()) == HEARD


@requirement("listeners.accept.default-timeout")
def test_default_timeout_of_sockets_does_not_matter(mp):
    """Listener, client and accepted connection block even if new sockets are set not to."""
    before = socket.getdefaulttimeout()
    for family in ("AF_INET", "AF_UNIX"):
        socket.setdefaulttimeout(0)
        try:
            with mp.connection.Listener(family=family) as listener:
                caller = CallerThread(mp, listener, "accept")
                caller.until_blocked()
                client = mp.connection.Client(listener.address)
                accepted = caller.result()
            callers = [CallerThread(mp, end, "recv") for end in (client, accepted)]
            until_all_blocked(callers)
        finally:
            socket.setdefaulttimeout(before)
        client.send("from the client")
        accepted.send("from the listener")
        assert tuple(caller.result() for caller in reversed(callers)) == HEARD


@requirement("listeners.last-accepted.none-at-first")
def test_last_accepted_before_anything_was_accepted(mp):
    """``last_accepted`` is None as long as no connection was accepted."""
    with mp.connection.Listener() as listener:
        assert listener.last_accepted is None


@requirement("listeners.last-accepted.address-of-client")
def test_last_accepted_is_the_clients_address(mp):
    """``last_accepted`` is the address of the client's socket: of the last one that was accepted."""
    with (
        mp.connection.Listener(family="AF_INET") as listener,
        mp.connection.Listener(family="AF_INET") as another,
    ):
        for _ in range(2):
            client = mp.connection.Client(listener.address)
            listener.accept()
            _another_client = mp.connection.Client(another.address)
            another.accept()
            with mp.connection.Listener(), socket_of(client) as client_socket:
                assert listener.last_accepted == client_socket.getsockname()


@requirement("listeners.last-accepted.none-without-address")
def test_last_accepted_of_a_client_without_address(mp, tmp_path):
    """The socket of a client of a Unix domain socket has no address: ``last_accepted`` is None, also after another."""
    with mp.connection.Listener(family="AF_UNIX") as listener:
        _accept_bound(listener, str(tmp_path / "one"))
        _client = mp.connection.Client(listener.address)
        listener.accept()
        assert listener.last_accepted is None


def _accept_bound(listener, path):
    """Accept a client whose Unix domain socket is bound to a path."""
    with socket.socket(socket.AF_UNIX) as client:
        client.bind(path)
        client.connect(listener.address)
        listener.accept().close()


@requirement("listeners.last-accepted.of-bound-unix-client")
def test_last_accepted_of_a_client_with_a_file(mp, tmp_path):
    """``last_accepted`` is the path that the last client's Unix domain socket was bound to."""
    with mp.connection.Listener(family="AF_UNIX") as listener:
        for name in ("one", "other"):
            path = str(tmp_path / name)
            _accept_bound(listener, path)
            assert listener.last_accepted == path


@requirement("listeners.last-accepted.read-only")
def test_last_accepted_cannot_be_set(mp):
    """``last_accepted`` is read-only."""
    with mp.connection.Listener() as listener, raises(AttributeError):
        listener.last_accepted = "elsewhere"


@requirement("listeners.listener.parameters")
def test_parameters_of_listener(mp, tmp_path):
    """Listener takes address, family, backlog, authkey, in this order or by these names."""
    path = str(tmp_path / "socket")
    by_name = {"address": path, "family": "AF_UNIX", "backlog": 1, "authkey": KEY}
    for positional in (
        (),
        (path,),
        (path, "AF_UNIX"),
        (path, "AF_UNIX", 1),
        (path, "AF_UNIX", 1, KEY),
    ):
        named = dict(list(by_name.items())[len(positional) :])
        with mp.connection.Listener(*positional, **named) as listener:
            caller = CallerThread(mp, listener, "accept")
            client = mp.connection.Client(path, authkey=KEY)
            assert talk(client, caller.result()) == HEARD


@requirement("listeners.client.parameters")
def test_parameters_of_client(mp, tmp_path):
    """Client takes address, family, authkey, in this order or by these names."""
    path = str(tmp_path / "socket")
    by_name = {"address": path, "family": "AF_UNIX", "authkey": KEY}
    with mp.connection.Listener(path, authkey=KEY) as listener:
        for positional in ((), (path,), (path, "AF_UNIX"), (path, "AF_UNIX", KEY)):
            named = dict(list(by_name.items())[len(positional) :])
            caller = CallerThread(mp, listener, "accept")
            client = mp.connection.Client(*positional, **named)
            assert talk(client, caller.result()) == HEARD


@requirement("listeners.client.family-given-beats-format")
def test_family_given_to_client(mp, tmp_path):
    """Client takes the family that it is given, whatever the address looks like."""
    with contextlib.chdir(tmp_path), mp.connection.Listener(family="AF_UNIX") as listener:
        (tmp_path / r"\\name").symlink_to(listener.address)
        for position, name in (((r"\\name",), {"family": "AF_UNIX"}), ((r"\\name", "AF_UNIX"), {})):
            client = mp.connection.Client(*position, **name)
            assert talk(client, listener.accept()) == HEARD


@requirement("listeners.client.family-fits")
def test_family_that_fits(mp):
    """Client connects to a tuple with the family 'AF_INET', and to a file with 'AF_UNIX'."""
    for family in ("AF_INET", "AF_UNIX"):
        with mp.connection.Listener(family=family) as listener:
            client = mp.connection.Client(listener.address, family=family)
            assert talk(client, listener.accept()) == HEARD


@requirement("listeners.client.family-must-fit")
def test_family_that_does_not_fit(mp):
    """Client raises for a file with 'AF_INET', for a tuple with 'AF_UNIX', and for a family that is none."""
    with (
        mp.connection.Listener(family="AF_UNIX") as unix,
        mp.connection.Listener(family="AF_INET") as inet,
    ):
        for listener, family in ((unix, "AF_INET"), (inet, "AF_UNIX"), (unix, "AF_NONSENSE")):
            with raises(Exception):
                mp.connection.Client(listener.address, family=family)


def _room(address):
    """How many connections a Unix domain socket holds that nobody has accepted."""
    with contextlib.ExitStack() as clients:
        for number in range(50):
            client = clients.enter_context(socket.socket(socket.AF_UNIX))
            client.setblocking(False)
            try:
                client.connect(address)
            except BlockingIOError:
                return number
    return None


def _room_of_plain_socket(path, backlog):
    """The same, of a socket that listens with that backlog."""
    with socket.socket(socket.AF_UNIX) as plain:
        plain.bind(path)
        plain.listen(backlog)
        return _room(path)


@requirement("listeners.backlog.default")
def test_default_backlog(mp, tmp_path):
    """A listener holds as many connections as a socket that listens with a backlog of 1."""
    with mp.connection.Listener(family="AF_UNIX") as listener:
        assert _room(listener.address) == _room_of_plain_socket(str(tmp_path / "plain"), 1)
    with mp.connection.Listener(family="AF_INET") as listener:
        assert _backlog(listener.address) == 1


@requirement("listeners.backlog.given")
def test_backlog_given(mp, tmp_path):
    """A listener holds as many connections as a socket that listens with the backlog given."""
    for backlog in (0, 2, 7):
        expected = _room_of_plain_socket(str(tmp_path / str(backlog)), backlog)
        for listening in (
            mp.connection.Listener(family="AF_UNIX", backlog=backlog),
            mp.connection.Listener(None, "AF_UNIX", backlog),
        ):
            with listening as listener:
                assert _room(listener.address) == expected
        with (
            mp.connection.Listener(family="AF_INET", backlog=backlog) as listener,
            socket.socket() as plain,
        ):
            plain.bind(("127.0.0.1", 0))
            plain.listen(backlog)
            assert _backlog(listener.address) == _backlog(plain.getsockname())


def _is_socket(link):
    try:
        return os.readlink(link).startswith("socket:")
    except FileNotFoundError:  # of the listing itself
        return False


def _backlog(address):
    """The backlog of this process's listening TCP socket of that address."""
    for number in os.listdir("/proc/self/fd"):
        if not _is_socket(f"/proc/self/fd/{number}"):
            continue
        with socket.socket(fileno=os.dup(int(number))) as candidate:
            if candidate.getsockname() == address:
                # Of a socket that listens, Linux gives the backlog in place of the segments that were acknowledged.
                information = candidate.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 32)
                return int.from_bytes(information[28:32], sys.byteorder)
    return None


def _serve_example(mp, sender):
    with mp.connection.Listener(("localhost", 0), authkey=KEY) as listener:
        sender.send(listener.address)
        with listener.accept() as connection:
            sender.send(listener.last_accepted)
            connection.send([2.25, None, "junk", float])
            connection.send_bytes(b"hello")
            connection.send_bytes(array.array("i", [42, 1729]))


@requirement("listeners.example.server-and-client")
def test_example_of_server_and_client(mp):
    """The client of the documentation's example receives what its server sends, in another process."""
    receiver, sender = mp.Pipe(duplex=False)
    process = mp.Process(target=_serve_example, args=(mp, sender))
    process.start()
    with mp.connection.Client(receiver.recv(), authkey=KEY) as connection:
        with socket_of(connection) as client_socket:
            assert receiver.recv() == client_socket.getsockname()
        assert connection.recv() == [2.25, None, "junk", float]
        assert connection.recv_bytes() == b"hello"
        numbers = array.array("i", [0, 0, 0, 0, 0])
        assert connection.recv_bytes_into(numbers) == 2 * numbers.itemsize
        assert list(numbers) == [42, 1729, 0, 0, 0]
    process.join()
