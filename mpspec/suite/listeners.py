"""Tests of the chapter listeners."""

import array
import contextlib
import gc
import os
import socket
import stat
import sys
import tempfile

from mpspec.children import (
    CallerThread,
    Interrupted,
    Interruption,
    equal,
    outcome_of,
    raises,
    until_all_blocked,
)
from mpspec.marks import requirement
from mpspec.programs import call, run_script

KEY = b"secret password"
# More than any socket buffers.
LARGE = 4 * 1024 * 1024


def _socket_of(connection):
    """The socket that a connection uses, under another descriptor."""
    return socket.socket(fileno=os.dup(connection.fileno()))


def _talk(client, accepted):
    """Let each end of a connection say something; gives what the other received."""
    client.send("from the client")
    accepted.send("from the listener")
    return accepted.recv(), client.recv()


HEARD = ("from the client", "from the listener")


# Accepting and connecting


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
        assert _talk(client, listener.accept()) == HEARD


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
        assert _talk(far, client.recv()) == HEARD
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
        assert _talk(client, caller.result()) == HEARD
        clients = []
        with Interrupted(
            mp, then=lambda: clients.append(mp.connection.Client(listener.address))
        ) as handled:
            accepted = listener.accept()
        assert handled
        assert _talk(clients[0], accepted) == HEARD


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
            assert _talk(client, listener.accept()) == HEARD


# Closing


@requirement("listeners.close.refuses-accept")
def test_closed_listener_accepts_nothing(mp):
    """accept() of a closed listener raises."""
    listener = mp.connection.Listener()
    listener.close()
    with raises(Exception):
        listener.accept()


@requirement("listeners.close.refusal-is-oserror")
def test_error_of_a_closed_listener(mp):
    """accept() of a closed listener raises OSError."""
    listener = mp.connection.Listener()
    listener.close()
    with raises(OSError):
        listener.accept()


@requirement("listeners.close.refuses-clients")
def test_nobody_connects_to_a_closed_listener(mp):
    """Client() raises when the listener at the address was closed, on each family."""
    for family in ("AF_INET", "AF_UNIX"):
        listener = mp.connection.Listener(family=family)
        address = listener.address
        mp.connection.Client(address).close()
        listener.close()
        with raises(OSError):
            mp.connection.Client(address)


@requirement("listeners.close.removes-file")
def test_file_of_a_unix_socket_goes_with_it(mp, tmp_path):
    """close(), and garbage collection, remove the file of a Unix domain socket, whatever the current directory is."""
    path = tmp_path / "socket"
    listener = mp.connection.Listener(str(path))
    assert path.exists()
    with contextlib.chdir(tmp_path):
        listener.close()
    assert not path.exists()
    listener = mp.connection.Listener(str(path))
    assert path.exists()
    with contextlib.chdir(tmp_path):
        del listener
        gc.collect()
    assert not path.exists()


# What a child leaves open, so that it is open when the child ends.
_left_open = []


def _leave_open(mp, path, sender):
    _left_open.append(mp.connection.Listener(path))
    sender.send("listening")


@requirement("listeners.close.at-exit")
def test_listeners_end_with_their_own_process(mp, tmp_path):
    """A child that ends takes the file of its own listener with it, and leaves its parent's listener alone."""
    path = tmp_path / "childs"
    receiver, sender = mp.Pipe(duplex=False)
    with mp.connection.Listener(str(tmp_path / "parents")) as listener:
        process = mp.Process(target=_leave_open, args=(mp, str(path), sender))
        process.start()
        assert receiver.recv() == "listening"
        process.join()
        assert not path.exists()
        client = mp.connection.Client(listener.address)
        assert _talk(client, listener.accept()) == HEARD


@requirement("listeners.close.forked")
def test_listener_that_a_forked_process_drops(mp, tmp_path):
    """A listener that was closed, or garbage collected, in a forked copy of its process goes on, and has its file."""
    for address in (str(tmp_path / "own"), ("127.0.0.1", 0)):
        listeners = [mp.connection.Listener(address)]
        for closes in (False, True):
            pid = os.fork()
            if pid == 0:
                try:
                    if closes:
                        listeners[0].close()
                    listeners.clear()
                    gc.collect()
                finally:
                    os._exit(0)
            os.waitpid(pid, 0)
        with listeners.pop() as listener:
            client = mp.connection.Client(listener.address)
            assert _talk(client, listener.accept()) == HEARD


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


@requirement("listeners.close.frees-address")
def test_address_can_be_used_again(mp, tmp_path):
    """A new listener can take the address of one that was closed, even after it had clients."""
    for address in (str(tmp_path / "socket"), ("127.0.0.1", 0)):
        with mp.connection.Listener(address) as listener:
            used = listener.address
            client = mp.connection.Client(used)
            listener.accept().close()
        with mp.connection.Listener(used) as listener:
            assert listener.address == used
        client.close()


@requirement("listeners.close.when-garbage-collected")
def test_listener_is_closed_when_it_is_garbage_collected(mp):
    """Nobody can connect to a listener that no reference is left to, on each family."""
    for family in ("AF_INET", "AF_UNIX"):
        listener = mp.connection.Listener(family=family)
        address = listener.address
        mp.connection.Client(address).close()
        del listener
        gc.collect()
        with raises(OSError):
            mp.connection.Client(address)


@requirement("listeners.close.keeps-connections")
def test_accepted_connections_outlive_the_listener(mp):
    """Connections that were accepted go on when the listener is closed."""
    listener = mp.connection.Listener()
    client = mp.connection.Client(listener.address)
    accepted = listener.accept()
    listener.close()
    assert _talk(client, accepted) == HEARD


@requirement("listeners.close.more-than-once")
def test_second_close_does_nothing(mp):
    """close() of a closed listener does nothing."""
    listener = mp.connection.Listener()
    listener.close()
    assert listener.close() is None


@requirement("listeners.context-manager.enter-returns-listener")
def test_listener_as_context_manager(mp):
    """The target of ``with`` is the listener."""
    listener = mp.connection.Listener()
    with listener as entered:
        assert entered is listener


@requirement("listeners.context-manager.exit-closes")
def test_end_of_the_context_closes(mp):
    """At the end of ``with``, by an exception too, the listener is closed, by its ``close``."""
    refusal = getattr(mp, "AuthenticationError", EOFError)
    for error in (None, LookupError, refusal, KeyboardInterrupt):
        with contextlib.ExitStack() as stack:
            if error:
                stack.enter_context(raises(error))
            with mp.connection.Listener() as listener:
                mp.connection.Client(listener.address)
                listener.accept()
                if error:
                    raise error
        with raises(Exception):
            listener.accept()
    calls = []

    class Noting(mp.connection.Listener):
        def close(self):
            calls.append("close")
            super().close()

    with Noting():
        assert calls == []
    assert calls[:1] == ["close"]


# What a listener tells of itself


@requirement("listeners.address.as-given")
def test_address_is_the_one_given(mp, tmp_path):
    """``address`` is the path, or the pair of host and port, that the listener was made with."""
    path = str(tmp_path / "socket")
    with mp.connection.Listener(path) as listener:
        assert listener.address == path
    with mp.connection.Listener(("127.0.0.1", 0)) as listener:
        pair = listener.address
    with mp.connection.Listener(pair) as listener:
        assert listener.address == pair
        assert pair[0] == "127.0.0.1"


@requirement("listeners.address.port-chosen")
def test_address_has_the_port_that_was_chosen(mp):
    """For port 0 ``address`` has the port that the operating system chose: clients connect to it."""
    with mp.connection.Listener(("127.0.0.1", 0)) as listener:
        assert listener.address[1] > 0
        client = mp.connection.Client(listener.address)
        assert _talk(client, listener.accept()) == HEARD


@requirement("listeners.address.read-only")
def test_address_cannot_be_set(mp):
    """``address`` is read-only."""
    with mp.connection.Listener() as listener, raises(AttributeError):
        listener.address = "elsewhere"


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
            with mp.connection.Listener(), _socket_of(client) as client_socket:
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


# Families and addresses


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
            assert _talk(client, caller.result()) == HEARD


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
            assert _talk(client, caller.result()) == HEARD


@requirement("listeners.family.inet")
def test_family_inet(mp):
    """'AF_INET' is a TCP socket, whose address is a tuple of a string and an integer."""
    with mp.connection.Listener(family="AF_INET") as listener:
        host, port = listener.address
        with socket.create_connection(listener.address):
            accepted = listener.accept()
    assert (type(listener), type(host), type(port)) == (mp.connection.Listener, str, int)
    with _socket_of(accepted) as accepted_socket:
        assert (accepted_socket.family, accepted_socket.type) == (
            socket.AF_INET,
            socket.SOCK_STREAM,
        )


@requirement("listeners.family.unix")
def test_family_unix(mp, tmp_path):
    """'AF_UNIX' is a Unix domain socket, whose address is the name of its file."""
    path = tmp_path / "s\u00f6cket"
    with mp.connection.Listener(str(path), family="AF_UNIX") as listener:
        assert path.is_socket()
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))
            accepted = listener.accept()
    with _socket_of(accepted) as accepted_socket:
        assert accepted_socket.family == socket.AF_UNIX


@requirement("listeners.family.pipe-is-windows-only")
def test_family_pipe(mp, tmp_path):
    """'AF_PIPE' is refused where there are no Windows named pipes, by Client though somebody listens there."""
    with contextlib.chdir(tmp_path):
        with raises(Exception):
            mp.connection.Listener("name", family="AF_PIPE")
        with raises(Exception):
            mp.connection.Listener(family="AF_PIPE")
    with mp.connection.Listener(family="AF_UNIX") as listener, raises(Exception):
        mp.connection.Client(listener.address, family="AF_PIPE")


@requirement("listeners.family.unknown-refused")
def test_family_unknown(mp):
    """A family that is no family's name is refused."""
    with raises(Exception):
        mp.connection.Listener(family="AF_NONSENSE")


@requirement("listeners.family.refusal-is-valueerror")
def test_error_of_a_family(mp):
    """Listener and Client raise ValueError for 'AF_PIPE', where there are no Windows named pipes."""
    with raises(ValueError):
        mp.connection.Listener(family="AF_PIPE")
    with raises(ValueError):
        mp.connection.Client("nowhere", family="AF_PIPE")


@requirement("listeners.family.inferred-from-tuple")
def test_family_of_a_tuple(mp):
    """Without a family, or with None, a tuple is an 'AF_INET' address."""
    for arguments in ((), (None,)):
        with mp.connection.Listener(("127.0.0.1", 0), *arguments) as listener:
            client = mp.connection.Client(listener.address, *arguments)
            accepted = listener.accept()
        with _socket_of(client) as one, _socket_of(accepted) as other:
            assert (one.family, other.family) == (socket.AF_INET, socket.AF_INET)


@requirement("listeners.family.inferred-from-string")
def test_family_of_a_string(mp, tmp_path):
    """Without a family, or with None, a string is an 'AF_UNIX' address."""
    path = str(tmp_path / "socket")
    for arguments in ((), (None,)):
        with mp.connection.Listener(path, *arguments) as listener:
            client = mp.connection.Client(path, *arguments)
            accepted = listener.accept()
        with _socket_of(client) as one, _socket_of(accepted) as other:
            assert (one.family, other.family) == (socket.AF_UNIX, socket.AF_UNIX)
    with contextlib.chdir(tmp_path):
        for name in ("\\name", "a\\\\name"):  # two backslashes at its beginning make another family
            with mp.connection.Listener(name):
                assert (tmp_path / name).is_socket()


@requirement("listeners.family.inferred-from-backslashes")
def test_family_of_a_string_with_two_backslashes(mp, tmp_path):
    """A string that begins with two backslashes is no 'AF_UNIX' address, though it could be a path.

    Of this computer, of another one, and whatever comes after them.
    """
    with contextlib.chdir(tmp_path), mp.connection.Listener(family="AF_UNIX") as listener:
        for name in (r"\\.\pipe\PipeName", r"\\ServerName\pipe\PipeName", r"\\name"):
            with raises(Exception):
                mp.connection.Listener(name)
            (tmp_path / name).symlink_to(listener.address)
            with raises(Exception):
                mp.connection.Client(name)


@requirement("listeners.family.given-beats-format")
def test_family_given_to_listener(mp, tmp_path):
    """Listener takes the family that it is given, whatever the address looks like."""
    with contextlib.chdir(tmp_path):
        for position, name in (((r"\\name",), {"family": "AF_UNIX"}), ((r"\\name", "AF_UNIX"), {})):
            with mp.connection.Listener(*position, **name):
                assert (tmp_path / r"\\name").is_socket()


@requirement("listeners.client.family-given-beats-format")
def test_family_given_to_client(mp, tmp_path):
    """Client takes the family that it is given, whatever the address looks like."""
    with contextlib.chdir(tmp_path), mp.connection.Listener(family="AF_UNIX") as listener:
        (tmp_path / r"\\name").symlink_to(listener.address)
        for position, name in (((r"\\name",), {"family": "AF_UNIX"}), ((r"\\name", "AF_UNIX"), {})):
            client = mp.connection.Client(*position, **name)
            assert _talk(client, listener.accept()) == HEARD


@requirement("listeners.client.family-fits")
def test_family_that_fits(mp):
    """Client connects to a tuple with the family 'AF_INET', and to a file with 'AF_UNIX'."""
    for family in ("AF_INET", "AF_UNIX"):
        with mp.connection.Listener(family=family) as listener:
            client = mp.connection.Client(listener.address, family=family)
            assert _talk(client, listener.accept()) == HEARD


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


@requirement("listeners.address.unknown-format")
def test_address_of_no_known_form(mp):
    """An address that is neither a tuple nor a string is refused, by Listener and Client."""
    with raises(Exception):
        mp.connection.Listener(7)
    with raises(Exception):
        mp.connection.Client(7)


@requirement("listeners.address.host-name")
def test_host_by_name(mp):
    """The host of an 'AF_INET' address may be a name, of Listener and Client; and it counts."""
    with mp.connection.Listener(("localhost", 0)) as listener:
        client = mp.connection.Client(("localhost", listener.address[1]))
        assert _talk(client, listener.accept()) == HEARD
    if sys.platform == "linux":  # which is at home in all of 127.0.0.0/8
        with mp.connection.Listener(("127.0.0.2", 0)) as listener:
            client = mp.connection.Client(listener.address)
            assert _talk(client, listener.accept()) == HEARD


@requirement("listeners.address.all-interfaces")
def test_every_interface(mp):
    """A listener at '0.0.0.0' is reached at '127.0.0.1'."""
    with mp.connection.Listener(("0.0.0.0", 0)) as listener:  # noqa: S104 - what is tested
        assert listener.address[0] == "0.0.0.0"  # noqa: S104 - see above
        client = mp.connection.Client(("127.0.0.1", listener.address[1]))
        assert _talk(client, listener.accept()) == HEARD


@requirement("listeners.address.default")
def test_default_address(mp):
    """Listeners without arguments, or with None for them, have addresses of their own."""
    with mp.connection.Listener() as one, mp.connection.Listener(None, None) as other:
        assert one.address != other.address
        for listener in (one, other):
            client = mp.connection.Client(listener.address)
            assert _talk(client, listener.accept()) == HEARD


@requirement("listeners.address.default-of-family")
def test_default_address_of_a_family(mp):
    """With a family alone a free address of that family is chosen."""
    for family in ("AF_INET", "AF_UNIX"):
        for position, name in (((), {"family": family}), ((None, family), {})):
            with mp.connection.Listener(*position, **name) as listener:
                client = mp.connection.Client(listener.address)
                with _socket_of(client) as client_socket:
                    assert client_socket.family == getattr(socket, family)
                assert _talk(client, listener.accept()) == HEARD


@requirement("listeners.address.default-inet-is-local")
def test_default_address_of_inet(mp):
    """The address chosen for the family 'AF_INET' is one of this machine alone, with a port."""
    with mp.connection.Listener(family="AF_INET") as listener:
        host, port = listener.address
    assert (host.startswith("127."), port > 0) == (True, True)


@requirement("listeners.family.default-unix")
def test_default_family(mp):
    """Where there are Unix domain sockets they are what a listener uses by default."""
    with mp.connection.Listener() as listener:
        client = mp.connection.Client(listener.address)
    with _socket_of(client) as client_socket:
        assert client_socket.family == socket.AF_UNIX


@requirement("listeners.address.default-unix-is-private")
def test_default_file_is_private(mp):
    """The default file of a Unix domain socket lies in a directory that is its owner's alone."""
    with mp.connection.Listener(family="AF_UNIX") as listener:
        assert stat.S_ISSOCK(os.stat(listener.address).st_mode)
        directory = os.stat(os.path.dirname(listener.address))
    assert (directory.st_uid, directory.st_mode & 0o077) == (os.getuid(), 0)


def _default_address(mp):
    with mp.connection.Listener(family="AF_UNIX") as listener:
        return listener.address


LISTENING = """
import os

def listen():
    with mp.connection.Listener(family="AF_UNIX") as listener:
        print(os.path.exists(listener.address))

listen()
"""

# Its handler was registered before the package was imported, and runs after that one's.
LISTENING_AT_LAST = """
import atexit, runpy
atexit.register(lambda: names["listen"]())
names = runpy.run_path("program.py")
"""


@requirement("listeners.address.default-unix-at-exit")
def test_default_file_in_an_exit_handler(mp):
    """The last exit handler of all can listen at an address of the package's choice."""
    done = run_script(mp, LISTENING, arguments=("-c", LISTENING_AT_LAST))
    assert done.stdout.split() == ["True", "True"], done.stderr


# That the daemon has ended tells the other child that its program waits for it, as its last act.
LISTENING_TO_THE_LAST = """
def talk():
    with (
        mp.connection.Listener(family="AF_UNIX") as listener,
        mp.connection.Client(listener.address) as client,
        listener.accept() as accepted,
    ):
        client.send("heard")
        print(accepted.recv(), flush=True)

def stay(receiver, sender):
    receiver.poll(mp.timeout / 4)

def outlive(receiver):
    receiver.poll(None)
    talk()

if __name__ == "__main__":
    talk()
    receiver, sender = mp.Pipe(duplex=False)
    mp.Process(target=stay, args=(receiver, sender), daemon=True).start()
    sender.close()
    mp.Process(target=outlive, args=(receiver,)).start()
"""


@requirement("listeners.address.default-unix-at-exit")
def test_default_file_in_a_child_that_is_waited_for(mp):
    """A child that outlives its program's daemons, while the program waits for its end, can listen like that, too."""
    done = run_script(mp, LISTENING_TO_THE_LAST)
    assert done.stdout.split() == ["heard", "heard"], done.stderr


@requirement("listeners.address.default-unix-in-temporary-directory")
def test_default_file_is_temporary(mp, monkeypatch):
    """In a program of its own the default file lies in a directory below the one that TMPDIR names."""
    with tempfile.TemporaryDirectory() as folder:  # its path is short, as a socket's must be
        monkeypatch.setenv("TMPDIR", folder)
        file = call(_default_address, mp, timeout=mp.timeout)
        assert os.path.commonpath([folder, os.path.dirname(os.path.dirname(file))]) == folder


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


# Keys


@requirement("listeners.authkey.same")
def test_same_key(mp):
    """Listener and Client with the same key connect, on each family."""
    for family in ("AF_INET", "AF_UNIX"):
        with mp.connection.Listener(family=family, authkey=KEY) as listener:
            for _ in range(2):  # a key serves for each client
                caller = CallerThread(mp, listener, "accept")
                client = mp.connection.Client(listener.address, authkey=KEY)
                assert _talk(client, caller.result()) == HEARD


@requirement("listeners.authkey.other-raises-at-client")
def test_other_key_at_the_client(mp):
    """Client() raises AuthenticationError when the listener has another key."""
    for family in ("AF_INET", "AF_UNIX"):
        with mp.connection.Listener(family=family, authkey=KEY) as listener:
            caller = CallerThread(mp, listener, "accept")
            with raises(mp.AuthenticationError):
                mp.connection.Client(listener.address, authkey=b"another key")
            outcome_of(caller.result)


@requirement("listeners.authkey.other-raises-at-accept")
def test_other_key_at_the_listener(mp):
    """accept() raises AuthenticationError when the client has another key, be there one before with the right one."""
    for family in ("AF_INET", "AF_UNIX"):
        with mp.connection.Listener(family=family, authkey=KEY) as listener:
            for key in (b"another key", KEY, b"another key"):
                caller = CallerThread(mp, listener, "accept")
                outcome_of(mp.connection.Client, listener.address, authkey=key)
                if key == KEY:
                    caller.result()
                    continue
                with raises(mp.AuthenticationError):
                    caller.result()


@requirement("listeners.authkey.listener-checks-client")
def test_listener_checks_the_client(mp):
    """accept() raises AuthenticationError for a client that proves nothing, whatever that accepts, and the key is."""
    for family, key in (("AF_INET", KEY), ("AF_UNIX", b"\0")):
        with mp.connection.Listener(family=family, authkey=key) as listener:
            caller = CallerThread(mp, listener, "accept")
            client = mp.connection.Client(listener.address)
            outcome_of(mp.connection.answer_challenge, client, b"another key")
            client.close()
            with raises(mp.AuthenticationError):
                caller.result()
            # Nor does it go on with one that proves its key, and does not believe the listener's.
            caller = CallerThread(mp, listener, "accept")
            client = mp.connection.Client(listener.address)
            mp.connection.answer_challenge(client, key)
            outcome_of(mp.connection.deliver_challenge, client, b"another key")
            with raises(mp.AuthenticationError):
                caller.result()


@requirement("listeners.authkey.client-checks-listener")
def test_client_checks_the_listener(mp):
    """Client() raises AuthenticationError for a listener that proves nothing, but accepts its key, be that empty."""
    for family, key in (("AF_INET", KEY), ("AF_UNIX", KEY), ("AF_UNIX", b"")):
        with mp.connection.Listener(family=family) as listener:
            caller = CallerThread(mp, mp.connection, "Client", listener.address, authkey=key)
            accepted = listener.accept()
        mp.connection.deliver_challenge(accepted, key)
        outcome_of(mp.connection.answer_challenge, accepted, b"another key")
        accepted.close()
        with raises(mp.AuthenticationError):
            caller.result()


@requirement("listeners.authkey.accepts-others-after-failure")
def test_listener_goes_on_after_a_failure(mp):
    """After clients with another key were turned away the listener accepts one with the right key."""
    with mp.connection.Listener(authkey=KEY) as listener:
        for _ in range(3):
            caller = CallerThread(mp, listener, "accept")
            outcome_of(mp.connection.Client, listener.address, authkey=b"another key")
            outcome_of(caller.result)
        caller = CallerThread(mp, listener, "accept")
        client = mp.connection.Client(listener.address, authkey=KEY)
        assert _talk(client, caller.result()) == HEARD


@requirement("listeners.authkey.failure-closes")
def test_connection_is_closed_after_a_failure(mp):
    """When authentication has failed at accept() or Client(), the other end meets the end of file."""
    with mp.connection.Listener(authkey=KEY) as listener:
        caller = CallerThread(mp, listener, "accept")
        other_end = mp.connection.Client(listener.address)
        outcome_of(mp.connection.answer_challenge, other_end, b"another key")
        _expect_end(mp, caller, other_end)
    with mp.connection.Listener() as listener:
        caller = CallerThread(mp, mp.connection, "Client", listener.address, authkey=KEY)
        other_end = listener.accept()
        outcome_of(mp.connection.deliver_challenge, other_end, b"another key")
        _expect_end(mp, caller, other_end)


def _expect_end(mp, caller, other_end):
    """The call ends, is forgotten with its error and what that refers to, and so is its connection."""
    outcome_of(caller.result)
    caller.__dict__.clear()
    gc.collect()
    assert other_end.poll(mp.timeout) is True
    with raises(EOFError):
        other_end.recv_bytes()


@requirement("listeners.authkey.client-that-leaves")
def test_client_that_closes_instead_of_answering(mp):
    """accept() raises when the client closes its end before it has proved anything, and accepts the next one.

    So it does when the client has got its challenge, be it that it has answered it.
    """
    with mp.connection.Listener(authkey=KEY) as listener:
        mp.connection.Client(listener.address).close()
        with raises(EOFError, OSError, mp.AuthenticationError):
            listener.accept()
        for answers in (False, True):
            caller = CallerThread(mp, listener, "accept")
            with mp.connection.Client(listener.address) as client:
                if answers:
                    mp.connection.answer_challenge(client, KEY)
                else:
                    client.recv_bytes()
            with raises(EOFError, OSError, mp.AuthenticationError):
                caller.result()
        # The next one is accepted.
        caller = CallerThread(mp, listener, "accept")
        client = mp.connection.Client(listener.address, authkey=KEY)
        assert _talk(client, caller.result()) == HEARD


@requirement("listeners.authkey.none")
def test_no_key(mp):
    """With None for the key accept() asks for nothing, and Client() expects nothing, whatever the other end does."""
    with mp.connection.Listener(authkey=None) as listener:
        client = mp.connection.Client(listener.address, authkey=None)
        accepted = listener.accept()
        assert (client.poll(), accepted.poll()) == (False, False)
        assert _talk(client, accepted) == HEARD
    with mp.connection.Listener(authkey=KEY) as listener:
        mp.connection.Client(listener.address, authkey=None).close()  # though nobody accepts
    with mp.connection.Listener(authkey=None) as listener:
        caller = CallerThread(mp, mp.connection, "Client", listener.address, authkey=KEY)
        listener.accept().close()  # though the client expects more
        outcome_of(caller.result)


@requirement("listeners.authkey.empty-is-a-key")
def test_empty_key(mp):
    """A listener whose key is the empty byte string authenticates its clients nevertheless, and so does a client."""
    with mp.connection.Listener(authkey=b"") as listener:
        client = mp.connection.Client(listener.address)
        caller = CallerThread(mp, listener, "accept")
        caller.until_blocked()
        client.close()
        outcome_of(caller.result)
        caller = CallerThread(mp, listener, "accept")
        client = mp.connection.Client(listener.address, authkey=b"")
        assert _talk(client, caller.result()) == HEARD


@requirement("listeners.authkey.not-bytes-refused")
def test_key_that_is_no_byte_string(mp, tmp_path):
    """Listener and Client refuse a key that is text; the address stays free."""
    path = str(tmp_path / "socket")
    assert outcome_of(mp.connection.Listener, path, authkey="secret password")[0] != "returned"
    gc.collect()
    with mp.connection.Listener(path) as listener, raises(Exception):
        mp.connection.Client(listener.address, authkey="secret password")


@requirement("listeners.authkey.refusal-is-typeerror")
def test_error_of_a_key_that_is_no_byte_string(mp):
    """The error of a key that is text is a TypeError."""
    with raises(TypeError):
        mp.connection.Listener(authkey="secret password")
    with mp.connection.Listener() as listener, raises(TypeError):
        mp.connection.Client(listener.address, authkey="secret password")


# Challenges


def conversation(mp, key):
    """What is said when a challenge is answered: challenge, reply and welcome."""
    near, delivers = mp.Pipe()
    far, answers = mp.Pipe()
    deliverer = CallerThread(mp, mp.connection, "deliver_challenge", delivers, key)
    answerer = CallerThread(mp, mp.connection, "answer_challenge", answers, key)
    said = []
    for source, target in ((near, far), (far, near), (near, far)):
        said.append(source.recv_bytes())
        target.send_bytes(said[-1])
    assert (deliverer.result(), answerer.result()) == (None, None)
    return said


@requirement("listeners.deliver-challenge.random")
def test_challenges_differ(mp):
    """Each call of deliver_challenge() sends another message, which is random, and not what a forked copy sends."""
    challenges = [_challenge(mp) for _ in range(200)]
    assert len(set(challenges)) == 200
    # 16 random bytes are the least.
    assert len([column for column in zip(*challenges, strict=False) if len(set(column)) > 50]) >= 16
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.write(writer, _challenge(mp))
        finally:
            os._exit(0)
    os.close(writer)
    with open(reader, "rb") as pipe:
        of_copy = pipe.read()
    os.waitpid(pid, 0)
    assert of_copy not in (b"", _challenge(mp))


def _challenge(mp):
    """What deliver_challenge() sends first."""
    near, far = mp.Pipe()
    near.send_bytes(b"no digest")  # the reply is there already
    outcome_of(mp.connection.deliver_challenge, far, KEY)
    return near.recv_bytes()


@requirement("listeners.deliver-challenge.waits-for-reply")
def test_deliver_challenge_waits(mp):
    """deliver_challenge() blocks until the other end has replied."""
    near, far = mp.Pipe()
    caller = CallerThread(mp, mp.connection, "deliver_challenge", far, KEY)
    caller.until_blocked()
    mp.connection.answer_challenge(near, KEY)
    assert caller.result() is None


@requirement("listeners.deliver-challenge.welcomes")
def test_the_right_reply_is_welcomed(mp):
    """After the right reply a third message is sent, the welcome, and both functions return None."""
    assert len(conversation(mp, KEY)) == 3


@requirement("listeners.deliver-challenge.wrong-reply")
def test_a_wrong_reply_is_an_error(mp):
    """deliver_challenge() raises AuthenticationError when the reply is no digest, or another key's."""
    near, far = mp.Pipe()
    caller = CallerThread(mp, mp.connection, "deliver_challenge", far, KEY)
    near.recv_bytes()
    near.send_bytes(b"no digest")
    with raises(mp.AuthenticationError):
        caller.result()
    near, far = mp.Pipe()
    caller = CallerThread(mp, mp.connection, "deliver_challenge", far, KEY)
    outcome_of(mp.connection.answer_challenge, near, b"another key")
    with raises(mp.AuthenticationError):
        caller.result()


@requirement("listeners.deliver-challenge.whole-digest")
def test_the_whole_digest_counts(mp):
    """deliver_challenge() raises AuthenticationError for a part of the digest, or one that differs."""

    def altered(reply):
        yield from (b"", reply[:1], reply[:-1], reply + b"x", reply + b"\0")
        yield reply[:-1] + bytes([reply[-1] ^ 1])
        yield bytes([reply[0] ^ 1]) + reply[1:]
        middle = len(reply) * 2 // 3
        yield reply[:middle] + bytes([reply[middle] ^ 1]) + reply[middle + 1 :]

    for number in range(8):
        near, far = mp.Pipe()
        caller = CallerThread(mp, mp.connection, "deliver_challenge", far, KEY)
        reply = reply_to(mp, near.recv_bytes(), KEY)
        near.send_bytes([*altered(reply)][number])
        with raises(mp.AuthenticationError):
            caller.result()


@requirement("listeners.challenges.parameters")
def test_parameters_of_challenges(mp):
    """deliver_challenge() and answer_challenge() take connection and authkey by these names."""
    near, far = mp.Pipe()
    caller = CallerThread(mp, mp.connection, "deliver_challenge", connection=far, authkey=KEY)
    assert mp.connection.answer_challenge(connection=near, authkey=KEY) is None
    assert caller.result() is None


def reply_to(mp, challenge, key):
    """What answer_challenge() replies to a challenge; None if it refuses it."""
    near, far = mp.Pipe()
    near.send_bytes(challenge)
    near.send_bytes(b"no welcome")  # what comes after the reply is there already
    outcome_of(mp.connection.answer_challenge, far, key)
    far.close()
    kind, reply = outcome_of(near.recv_bytes)
    return reply if kind == "returned" else None


@requirement("listeners.answer-challenge.digest-of-message-and-key")
def test_reply_is_a_digest(mp):
    """The reply is determined by the message and the key, and another for another of either."""
    one, other = conversation(mp, KEY)[0], conversation(mp, KEY)[0]
    reply = reply_to(mp, one, KEY)
    assert reply_to(mp, one, KEY) == reply
    assert reply_to(mp, one, b"another key") not in (reply, None)
    assert reply_to(mp, other, KEY) not in (reply, None)
    # All of the message counts, be it longer than those that are sent here.
    for altered in (_altered(one), one + b"x", one + b"y"):
        assert reply_to(mp, altered, KEY) not in (reply, reply_to(mp, one + b"z", KEY), None)
    # So it does when it is shorter, unless it is refused then.
    for end in range(1, len(one)):
        replies = [reply_to(mp, message, KEY) for message in (one[:end], _altered(one[:end]))]
        assert replies[0] != replies[1] or replies[0] is None


def _altered(message):
    """A message with another last byte."""
    return message[:-1] + bytes([message[-1] ^ 1])


@requirement("listeners.answer-challenge.no-welcome")
def test_a_reply_that_is_not_welcome_is_an_error(mp):
    """answer_challenge() raises AuthenticationError when what follows its reply is no welcome."""
    challenge, _reply, welcome = conversation(mp, KEY)
    for answer in (b"go away", b"", welcome[:-1], welcome + b"x", challenge):
        near, far = mp.Pipe()
        near.send_bytes(challenge)
        near.send_bytes(answer)  # what comes after the reply is there already
        with raises(mp.AuthenticationError):
            mp.connection.answer_challenge(far, KEY)


@requirement("listeners.challenges.key-not-bytes")
def test_challenges_refuse_a_key_that_is_no_byte_string(mp):
    """deliver_challenge() and answer_challenge() raise ValueError when the key is text, and send nothing."""
    near, far = mp.Pipe()
    with raises(ValueError):
        mp.connection.deliver_challenge(far, "secret password")
    near.send_bytes(b"a challenge")
    with raises(ValueError):
        mp.connection.answer_challenge(far, "secret password")
    assert near.poll() is False


# The examples


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
        with _socket_of(connection) as client_socket:
            assert receiver.recv() == client_socket.getsockname()
        assert connection.recv() == [2.25, None, "junk", float]
        assert connection.recv_bytes() == b"hello"
        numbers = array.array("i", [0, 0, 0, 0, 0])
        assert connection.recv_bytes_into(numbers) == 2 * numbers.itemsize
        assert list(numbers) == [42, 1729, 0, 0, 0]
    process.join()


@requirement("listeners.address.abstract")
def test_listener_at_an_abstract_address(mp):
    """A listener whose address begins with a null byte, which names no file, can be connected to, and closed."""
    import secrets

    address = f"\0mpspec-{secrets.token_hex(8)}"
    for family in (("AF_UNIX",), ()):
        listener = mp.connection.Listener(address, *family)
        for name in (address, listener.address):
            caller = CallerThread(mp, listener, "accept")
            with mp.connection.Client(name, *family) as client, caller.result() as accepted:
                client.send("message")
                assert accepted.recv() == "message"
        assert listener.close() is None
