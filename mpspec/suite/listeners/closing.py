"""Tests of a listener's close()."""

import contextlib
import gc
import os

from mpspec.children import raises
from mpspec.marks import requirement
from mpspec.suite.listeners.helpers import HEARD, talk


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
        assert talk(client, listener.accept()) == HEARD


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
            assert talk(client, listener.accept()) == HEARD


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
    assert talk(client, accepted) == HEARD


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
