"""Tests of families and addresses."""

import contextlib
import os
import socket
import stat
import sys
import tempfile

from mpspec.children import (
    CallerThread,
    raises,
)
from mpspec.marks import requirement
from mpspec.programs import call, run_script
from mpspec.suite.listeners.helpers import HEARD, socket_of, talk


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
        assert talk(client, listener.accept()) == HEARD


@requirement("listeners.address.read-only")
def test_address_cannot_be_set(mp):
    """``address`` is read-only."""
    with mp.connection.Listener() as listener, raises(AttributeError):
        listener.address = "elsewhere"


@requirement("listeners.family.inet")
def test_family_inet(mp):
    """'AF_INET' is a TCP socket, whose address is a tuple of a string and an integer."""
    with mp.connection.Listener(family="AF_INET") as listener:
        host, port = listener.address
        with socket.create_connection(listener.address):
            accepted = listener.accept()
    assert (type(listener), type(host), type(port)) == (mp.connection.Listener, str, int)
    with socket_of(accepted) as accepted_socket:
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
    with socket_of(accepted) as accepted_socket:
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
        with socket_of(client) as one, socket_of(accepted) as other:
            assert (one.family, other.family) == (socket.AF_INET, socket.AF_INET)


@requirement("listeners.family.inferred-from-string")
def test_family_of_a_string(mp, tmp_path):
    """Without a family, or with None, a string is an 'AF_UNIX' address."""
    path = str(tmp_path / "socket")
    for arguments in ((), (None,)):
        with mp.connection.Listener(path, *arguments) as listener:
            client = mp.connection.Client(path, *arguments)
            accepted = listener.accept()
        with socket_of(client) as one, socket_of(accepted) as other:
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
        assert talk(client, listener.accept()) == HEARD
    if sys.platform == "linux":  # which is at home in all of 127.0.0.0/8
        with mp.connection.Listener(("127.0.0.2", 0)) as listener:
            client = mp.connection.Client(listener.address)
            assert talk(client, listener.accept()) == HEARD


@requirement("listeners.address.all-interfaces")
def test_every_interface(mp):
    """A listener at '0.0.0.0' is reached at '127.0.0.1'."""
    with mp.connection.Listener(("0.0.0.0", 0)) as listener:  # noqa: S104 - what is tested
        assert listener.address[0] == "0.0.0.0"  # noqa: S104 - see above
        client = mp.connection.Client(("127.0.0.1", listener.address[1]))
        assert talk(client, listener.accept()) == HEARD


@requirement("listeners.address.default")
def test_default_address(mp):
    """Listeners without arguments, or with None for them, have addresses of their own."""
    with mp.connection.Listener() as one, mp.connection.Listener(None, None) as other:
        assert one.address != other.address
        for listener in (one, other):
            client = mp.connection.Client(listener.address)
            assert talk(client, listener.accept()) == HEARD


@requirement("listeners.address.default-of-family")
def test_default_address_of_a_family(mp):
    """With a family alone a free address of that family is chosen."""
    for family in ("AF_INET", "AF_UNIX"):
        for position, name in (((), {"family": family}), ((None, family), {})):
            with mp.connection.Listener(*position, **name) as listener:
                client = mp.connection.Client(listener.address)
                with socket_of(client) as client_socket:
                    assert client_socket.family == getattr(socket, family)
                assert talk(client, listener.accept()) == HEARD


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
    with socket_of(client) as client_socket:
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
