"""Tests of authentication keys, and of the challenges by themselves."""

import gc
import os

from mpspec.children import CallerThread, outcome_of, raises
from mpspec.marks import requirement
from mpspec.suite.listeners.helpers import HEARD, KEY, talk


@requirement("listeners.authkey.same")
def test_same_key(mp):
    """Listener and Client with the same key connect, on each family."""
    for family in ("AF_INET", "AF_UNIX"):
        with mp.connection.Listener(family=family, authkey=KEY) as listener:
            for _ in range(2):  # a key serves for each client
                caller = CallerThread(mp, listener, "accept")
                client = mp.connection.Client(listener.address, authkey=KEY)
                assert talk(client, caller.result()) == HEARD


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
        assert talk(client, caller.result()) == HEARD


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
        assert talk(client, caller.result()) == HEARD


@requirement("listeners.authkey.none")
def test_no_key(mp):
    """With None for the key accept() asks for nothing, and Client() expects nothing, whatever the other end does."""
    with mp.connection.Listener(authkey=None) as listener:
        client = mp.connection.Client(listener.address, authkey=None)
        accepted = listener.accept()
        assert (client.poll(), accepted.poll()) == (False, False)
        assert talk(client, accepted) == HEARD
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
        assert talk(client, caller.result()) == HEARD


# Two of them are false, as no key is.
_NO_BYTES = ("secret password", 5, "", 0)


@requirement("listeners.authkey.not-bytes-refused")
def test_key_that_is_no_byte_string(mp, tmp_path):
    """Listener and Client refuse a key that is text, or a number; the address stays free."""
    path = str(tmp_path / "socket")
    for key in _NO_BYTES:
        assert outcome_of(mp.connection.Listener, path, authkey=key)[0] != "returned"
        gc.collect()
        with mp.connection.Listener(path) as listener, raises(Exception):
            mp.connection.Client(listener.address, authkey=key)


@requirement("listeners.authkey.refusal-is-typeerror")
def test_error_of_a_key_that_is_no_byte_string(mp):
    """The error of a key that is text, or a number, is a TypeError."""
    for key in _NO_BYTES:
        with raises(TypeError):
            mp.connection.Listener(authkey=key)
        with mp.connection.Listener() as listener, raises(TypeError):
            mp.connection.Client(listener.address, authkey=key)


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
