"""Tests of BaseManager's parameters and attributes."""

import pickle

from mpspec.children import ask, observed_once, outcome_of, raises, value_of
from mpspec.marks import requirement
from mpspec.suite.managers.helpers import (
    default_manager,
    error_of,
    life_at,
    life_over_tcp,
    put_all,
    until_missing,
)
from mpspec.suite.managers.workshop import KEY, bare_manager, process_of, queue_client, started_by


@requirement("managers.constructor.positional-order")
def test_arguments_by_position(mp, socket_path):
    """By position the arguments are address, authkey, serializer and ctx."""
    with raises(KeyError, ValueError):
        mp.managers.BaseManager(socket_path, KEY, "json", mp.context)
    facts = life_at(mp, socket_path)
    assert facts["address"] == socket_path
    assert facts["of context"] is True
    assert facts["item"] == (1, 2)
    assert facts["sum"] == 7


@requirement("managers.constructor.shutdown-timeout-default")
def test_shutdown_timeout_default(mp):
    """The signature of BaseManager shows that ``shutdown_timeout`` is 1.0 by default."""
    import inspect

    parameters = inspect.signature(mp.managers.BaseManager).parameters
    assert parameters["shutdown_timeout"].default == 1.0


@requirement("managers.constructor.address-arbitrary")
def test_address_is_chosen(manager, workshop):
    """Without an address the manager chooses one, and no other manager has it."""
    assert manager.address is not None
    assert workshop.address is not None
    assert workshop.address != manager.address


@requirement("managers.constructor.address-given")
def test_address_is_as_given(mp, socket_path):
    """The server listens at the address that was given; the manager tells it before it is started, as another does."""
    assert mp.managers.BaseManager(socket_path, ctx=mp.context).address == socket_path
    facts = life_at(mp, socket_path)
    assert facts["address"] == facts["address of the other"] == socket_path
    assert facts["sum"] == 7
    again = life_over_tcp(mp)["again"]
    assert again["tells"] == again["given"]
    assert again["connected"] == ("returned", None)


@requirement("managers.address.actual-port")
def test_address_tells_the_port(mp):
    """When port 0 was asked for, ``address`` tells where the server is found: it has got a port."""
    facts = life_over_tcp(mp)
    _, port = facts["address"]
    assert port > 0
    assert facts["turns"][0] == "returned"


@requirement("managers.address.read-only")
def test_address_is_read_only(manager):
    """``address`` can't be set."""
    address = manager.address
    with raises(AttributeError):
        manager.address = "elsewhere"
    assert manager.address == address


@requirement("managers.constructor.authkey-default")
def test_authkey_is_the_processs_own(mp, manager):
    """Without an authkey the manager uses the current process's, which may be given as it is, or as plain bytes."""
    own = mp.current_process().authkey
    for key in (own, bytes(own)):
        other = mp.managers.SyncManager(address=manager.address, authkey=key, ctx=mp.context)
        other.connect()
    assert other.list([1, 2])[:] == [1, 2]


@requirement("managers.constructor.authkey-given")
def test_authkey_as_given(mp, queue_server):
    """The server's authkey is the one given: who has it may connect, whatever the processes' own keys are."""
    assert bytes(mp.current_process().authkey) != KEY
    client = queue_client(mp, queue_server, authkey=KEY)
    client.connect()
    assert client.get_queue().qsize() == 0
    with raises(mp.AuthenticationError):
        queue_client(mp, queue_server, authkey=None).connect()


@requirement("managers.constructor.authkey-wrong")
def test_wrong_authkey(mp, manager):
    """Who connects with another authkey is turned away with AuthenticationError."""
    own = bytes(mp.current_process().authkey)
    shorter = own.rstrip(b"\0")[:-1]  # zeros at its end make no difference to HMAC
    for key in (b"wrong", b"", own + b"\n", shorter, bytes([own[0] ^ 1]) + own[1:]):
        other = mp.managers.BaseManager(address=manager.address, authkey=key, ctx=mp.context)
        with raises(mp.AuthenticationError):
            other.connect()
    assert len(manager.list([1])) == 1


@requirement("managers.constructor.authkey-checked")
def test_client_without_the_authkey(mp, manager):
    """A client that can't answer the server's challenge is turned away, though it says nothing against that."""
    with mp.connection.Client(manager.address) as client:
        assert client.poll(mp.timeout)
        client.recv_bytes()
        client.send_bytes(b"no answer to that challenge")
        with raises(OSError, EOFError):
            while client.poll(mp.timeout / 2):
                client.recv_bytes()
    assert len(manager.list([1])) == 1


@requirement("managers.constructor.authkey-bytes")
def test_authkey_must_be_bytes(mp):
    """An authkey that is text is refused."""
    with raises(TypeError):
        mp.managers.BaseManager(authkey="abracadabra", ctx=mp.context)


@observed_once
def _life_with_xmlrpclib(mp):
    """What comes of a manager with the serializer 'xmlrpclib'."""
    manager = bare_manager(mp)(ctx=mp.context, serializer="xmlrpclib")
    _, process = started_by(mp, manager.start)
    shared = manager.Queue()
    shared.put("hello, \u00fc\u20ac\U0001f40d")
    facts = {"item": shared.get(), "empty": shared.empty()}
    shared.put((1, 2))
    facts["tuple"] = shared.get()
    pickle.loads(pickle.dumps(shared)).put("through a copy")
    facts["through a copy"] = shared.get()
    facts["child"] = outcome_of(ask, mp, put_all, shared, "from the child")
    facts["of the child"] = outcome_of(shared.get_nowait)
    del shared
    facts["by name"] = outcome_of(_use_by_name, manager)
    tracked, census = manager.Tracked("by XML"), manager.Census()
    facts["there"] = census.has("by XML")
    del tracked
    facts["deleted"] = outcome_of(until_missing, mp.timeout / 3, census, "by XML")
    manager.shutdown()
    process.join(mp.timeout)
    facts["exit code"] = process.exitcode
    return facts


def _use_by_name(manager):
    """What comes of keyword arguments, and of a method that raises."""
    bounded = manager.Queue(maxsize=1)
    bounded.put(item=None, timeout=1)
    found = bounded.full(), bounded.get(block=True), bounded.empty()
    return *found, error_of(bounded.get_nowait)


@requirement("managers.constructor.serializer-xmlrpclib")
def test_serializer_xmlrpclib(mp):
    """With the serializer 'xmlrpclib' objects are shared and deleted in the same way, and the server is ended."""
    facts = _life_with_xmlrpclib(mp)
    assert facts["item"] == "hello, \u00fc\u20ac\U0001f40d"
    assert facts["empty"] is True
    assert facts["through a copy"] == "through a copy"
    assert (facts["child"], facts["of the child"]) == (
        ("returned", None),
        ("returned", "from the child"),
    )
    *found, error = value_of(facts["by name"])
    assert (found, issubclass(error, Exception)) == ([True, None, True], True)
    assert (facts["there"], facts["deleted"][0]) == (True, "returned")
    assert facts["exit code"] == 0


@requirement("managers.constructor.serializer-is-used")
def test_serializer_limits_what_travels(mp, manager):
    """With 'pickle', the default, any picklable object travels as it is, with 'xmlrpclib' a tuple becomes a list."""
    assert _life_with_xmlrpclib(mp)["tuple"] == [1, 2]
    shared = manager.Queue()
    shared.put((1, 2))
    assert shared.get() == (1, 2)


@requirement("managers.constructor.serializer-unknown")
def test_serializer_unknown(mp):
    """Another serializer is refused."""
    with raises(KeyError, ValueError):
        mp.managers.BaseManager(serializer="json", ctx=mp.context)


@requirement("managers.constructor.ctx")
def test_ctx_starts_the_process(mp, workshop):
    """The server's process is started by the context that was given."""
    assert isinstance(process_of(mp, workshop), mp.Process)


@requirement("managers.constructor.ctx-default")
def test_ctx_default(mp):
    """Without a context the server's process is started by the current one."""
    assert default_manager(mp)["of context"] is True
    assert default_manager(mp)["of context without"] is True


@requirement("managers.constructor.authkey-of-the-moment")
def test_authkey_of_the_moment(mp):
    """Without an authkey the manager uses the one that the current process has when it is constructed."""
    assert default_manager(mp)["connected"] == ("returned", None)


@requirement("managers.constructor.shutdown-timeout-keyword")
def test_shutdown_timeout_is_keyword_only(mp):
    """``shutdown_timeout`` can be given by name alone."""
    with raises(TypeError):
        mp.managers.BaseManager(None, None, "pickle", mp.context, 1.0)
