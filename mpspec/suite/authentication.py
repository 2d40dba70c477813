"""Tests of the chapter authentication."""

import os

from mpspec.children import CallerThread, outcome_of, raises
from mpspec.marks import requirement
from mpspec.programs import call
from mpspec.suite.listeners.keys import conversation, reply_to

KEY = b"a key of this chapter, long enough to be found where it is sent"


@requirement("authentication.client-demands-proof")
def test_client_turns_an_impostor_away(mp):
    """Client() raises AuthenticationError for a listener that welcomes it, and can't prove its own key.

    It raises for one that leaves instead.
    """
    challenge, _reply, welcome = conversation(mp, b"another key")
    with mp.connection.Listener() as impostor:
        client, connection = _welcomed(mp, impostor, challenge, welcome)
        proof = CallerThread(mp, mp.connection, "answer_challenge", connection, b"another key")
        with raises(mp.AuthenticationError):
            client.result()
        outcome_of(proof.result)
        client, connection = _welcomed(mp, impostor, challenge, welcome)
        connection.recv_bytes()
        connection.close()
        with raises(EOFError, OSError, mp.AuthenticationError):
            client.result()


def _welcomed(mp, impostor, challenge, welcome):
    """A client that an impostor has welcomed, and the impostor's end of the connection."""
    client = CallerThread(mp, mp.connection, "Client", impostor.address, authkey=KEY)
    connection = impostor.accept()
    connection.send_bytes(challenge)
    connection.recv_bytes()
    connection.send_bytes(welcome)
    return client, connection


@requirement("authentication.client-refuses-nonsense")
def test_client_turns_nonsense_away(mp):
    """Client() raises AuthenticationError for a listener that sends no challenge."""
    with mp.connection.Listener() as impostor:
        for nonsense in (b"come in", b""):
            client, _ = _answer_to(mp, impostor, nonsense)
            with raises(mp.AuthenticationError):
                client.result()


@requirement("authentication.client-tells-nonsense-nothing")
def test_client_tells_nonsense_nothing(mp):
    """Client() raises for nonsense from a listener, be it like a challenge or with one in it, and replies nothing."""
    challenge, *_ = conversation(mp, KEY)
    resembling = challenge[:1] + bytes([challenge[1] ^ 1]) + challenge[2:]
    with mp.connection.Listener() as impostor:
        for nonsense in (b"come in", b"", resembling, b"x" + challenge, resembling + challenge):
            client, told = _answer_to(mp, impostor, nonsense)
            with raises(Exception):
                client.result()
            assert told is None


def _answer_to(mp, impostor, message):
    """A client whose call is over, the listener having sent one message, and what it has told the listener."""
    client = CallerThread(mp, mp.connection, "Client", impostor.address, authkey=KEY)
    with impostor.accept() as connection:
        connection.send_bytes(message)
        outcome_of(client.result)
        if not connection.poll():
            return client, None
        # There is a message, or the end of the connection.
        kind, told = outcome_of(connection.recv_bytes)
        return client, told if kind == "returned" else None


@requirement("authentication.listener-demands-proof")
def test_listener_turns_an_impostor_away(mp):
    """accept() raises AuthenticationError for a client that sends nonsense, or a challenge and a welcome."""
    challenge, _reply, welcome = conversation(mp, b"another key")
    with mp.connection.Listener(authkey=KEY) as listener:
        for messages in ([b"let me in"], [challenge, welcome]):
            impostor = mp.connection.Client(listener.address)
            for message in messages:
                impostor.send_bytes(message)
            with raises(mp.AuthenticationError):
                listener.accept()


@requirement("authentication.key-not-sent")
def test_key_is_not_sent(mp):
    """No message of an authentication contains the key, and none between a Listener and a Client."""
    said = [*conversation(mp, KEY), *_overheard(mp, KEY)]
    assert [message for message in said if KEY in message] == []


def _overheard(mp, key):
    """All messages between a listener and a client until both are connected, by who stands between them."""
    with mp.connection.Listener(authkey=key) as listener, mp.connection.Listener() as middle:
        callers = [
            CallerThread(mp, listener, "accept"),
            CallerThread(mp, mp.connection, "Client", middle.address, authkey=key),
        ]
        ends, said = [mp.connection.Client(listener.address), middle.accept()], []
        while not all(caller.has_returned for caller in callers):
            for near, far in (ends, ends[::-1]):
                if near.poll(0.002):
                    said.append(near.recv_bytes())
                    far.send_bytes(said[-1])
        for caller, end in zip(callers, ends, strict=True):
            caller.result().send_bytes(b"connected")
            while (message := end.recv_bytes()) != b"connected":
                said.append(message)
    return said


def _digests():
    """The names of hashlib's digests that HMAC works with."""
    import hashlib

    return [name for name in hashlib.algorithms_guaranteed if hashlib.new(name).digest_size]


@requirement("authentication.digest.hmac")
def test_reply_is_an_hmac(mp):
    """The reply ends with the HMAC of the challenge, which may begin with words of the protocol."""
    import hmac

    challenge, reply, _welcome = conversation(mp, KEY)
    candidates = [
        hmac.digest(KEY, challenge[start:], name)
        for name in _digests()
        for start in range(len(challenge) - 15)  # 16 random bytes are the least
    ]
    assert [each for each in candidates if reply.endswith(each)] != []


@requirement("authentication.reply-not-reusable")
def test_replies_cannot_be_repeated(mp):
    """deliver_challenge() raises AuthenticationError for the reply to an earlier challenge."""
    _challenge, old_reply, _welcome = conversation(mp, KEY)
    near, far = mp.Pipe()
    caller = CallerThread(mp, mp.connection, "deliver_challenge", far, KEY)
    near.recv_bytes()
    near.send_bytes(old_reply)
    with raises(mp.AuthenticationError):
        caller.result()


@requirement("authentication.random-keys")
def test_keys_of_any_length(mp):
    """Random keys from one byte to more than a digest's block authenticate, and all of a key counts for the reply."""
    for length in (1, 16, 32, 200):
        key = os.urandom(length)
        challenge, reply, _welcome = conversation(mp, key)
        for place in {0, length // 2, length - 1}:
            altered = key[:place] + bytes([key[place] ^ 1]) + key[place + 1 :]
            assert reply_to(mp, challenge, altered) not in (reply, None)
    challenge, reply, _welcome = conversation(mp, b" Key\n")
    for other in (b" key\n", b"Key\n", b" Key"):
        assert reply_to(mp, challenge, other) not in (reply, None)


def _visit(mp, address):
    """In a child: connect with its own key."""
    with mp.connection.Client(address, authkey=mp.current_process().authkey) as connection:
        connection.send("we share a key")


def _visit_by_child(mp, address):
    process = mp.Process(target=_visit, args=(mp, address))
    process.start()
    process.join()


def _receive(mp, report):
    """Accept one connection with this process's own key."""
    with mp.connection.Listener(authkey=mp.current_process().authkey) as listener:
        report.send(listener.address)
        with listener.accept() as connection:
            report.send(connection.recv())


def _message_of_visitor(mp, target):
    with mp.connection.Listener(authkey=mp.current_process().authkey) as listener:
        process = mp.Process(target=target, args=(mp, listener.address))
        process.start()
        with listener.accept() as connection:
            message = connection.recv()
        process.join()
        return message


@requirement("authentication.shared-key.child")
def test_child_has_the_key_of_its_parent(mp):
    """A child connects to its parent with the key that each finds in its own process."""
    assert _message_of_visitor(mp, _visit) == "we share a key"


@requirement("authentication.shared-key.grandchild")
def test_grandchild_has_the_key(mp):
    """A child's child connects with the key that it finds in its own process."""
    assert _message_of_visitor(mp, _visit_by_child) == "we share a key"


@requirement("authentication.shared-key.siblings")
def test_siblings_have_the_same_key(mp):
    """One child connects to another with the key that each finds in its own process."""
    receiver, sender = mp.Pipe(duplex=False)
    server = mp.Process(target=_receive, args=(mp, sender))
    server.start()
    client = mp.Process(target=_visit, args=(mp, receiver.recv()))
    client.start()
    assert receiver.recv() == "we share a key"
    client.join()
    server.join()


def _own_key(mp):
    """The main process's key, in hexadecimal digits."""
    return bytes(mp.current_process().authkey).hex()


@requirement("authentication.process-key.random")
def test_programs_have_different_keys(mp):
    """The keys of two programs' main processes, this one and another, are not the same, nor one byte over and over."""
    keys = {_own_key(mp), call(_own_key, mp, timeout=mp.timeout)}
    assert len(keys) == 2
    # A pid or a time has ten digits at most; 32 random bytes have as few values in one program of 10**27.
    assert [key for key in keys if len(set(bytes.fromhex(key))) <= 10] == []


def _send_under_another_key(mp, connection, queue):
    mp.current_process().authkey = b"another key"
    connection.send("through a pipe")
    queue.put("through a queue")
    connection.recv()


@requirement("authentication.pipes-need-none")
def test_pipes_between_different_keys(mp):
    """A child that has changed its key uses a pipe and a queue with its parent as before."""
    connection, other = mp.Pipe()
    queue = mp.Queue()
    process = mp.Process(target=_send_under_another_key, args=(mp, other, queue))
    process.start()
    other.close()
    received = outcome_of(connection.recv), outcome_of(queue.get, timeout=mp.timeout)
    connection.send("and back")
    process.join()
    queue.close()
    assert received == (("returned", "through a pipe"), ("returned", "through a queue"))
