"""Tests of connect(), and of managers that others connect to."""

from mpspec.children import raises, value_of
from mpspec.marks import requirement
from mpspec.suite.managers.helpers import connect_to, life_after_death, life_at, life_over_tcp
from mpspec.suite.managers.workshop import KEY, queue_client


@requirement("managers.remote.tcp")
def test_remote_over_tcp(mp):
    """Clients use the objects of a server over TCP, and what their methods return by proxies."""
    assert value_of(life_over_tcp(mp)["turns"]) == (1, 1)


@requirement("managers.connect.server-anew")
def test_connect_to_a_server_started_anew(mp, socket_path):
    """Who connects to a server at the address of one that has died uses the new one, whatever is left of the old."""
    assert value_of(life_after_death(mp, socket_path)["anew"]) == "of the second"


@requirement("managers.connect.connects")
def test_connect(queue_server, workshop, socket_path, mp):
    """``connect()`` makes a manager stand for a server that runs elsewhere.

    What its typeids mean has nothing to do with what another manager has registered by them. All its proxies go to the
    address that it was given, which need not be the one that the server knows.
    """
    client = queue_client(mp, queue_server)
    client.connect()
    assert client.address == queue_server
    shared = client.get_queue()
    shared.put("hello")
    assert workshop.get_queue().turn() == 1
    assert shared.get() == "hello"
    assert life_at(mp, socket_path)["turn elsewhere"] == ("returned", 1)


@requirement("managers.connect.nobody-serves")
def test_connect_without_server(mp, tmp_path):
    """``connect()`` raises OSError when nobody listens at the address."""
    with raises(OSError):
        connect_to(mp, str(tmp_path / "nobody"))


def _put_remotely(mp, address, item):
    client = queue_client(mp, address)
    client.connect()
    client.get_queue().put(item)


@requirement("managers.remote.two-clients")
def test_two_clients_share_an_object(mp, queue_server, companion):
    """Clients in different processes, connected by address, use the same object."""
    companion.ask(_put_remotely, mp, queue_server, "hello")
    client = queue_client(mp, queue_server)
    client.connect()
    assert client.get_queue().get_nowait() == "hello"


def _serve_given_queue(mp, sender, shared):
    class QueueManager(mp.managers.BaseManager):
        pass

    QueueManager.register("get_queue", callable=lambda: shared)
    manager = QueueManager(authkey=KEY, ctx=mp.context)
    server = manager.get_server()
    sender.send(server.address)
    server.serve_forever()


@requirement("managers.remote.local-queue")
def test_remote_access_to_a_local_queue(mp):
    """A server can give remote access to a queue that local processes use directly."""
    receiver, sender = mp.Pipe(duplex=False)
    shared = mp.Queue()
    process = mp.Process(target=_serve_given_queue, args=(mp, sender, shared))
    process.start()
    shared.put("local hello")
    client = queue_client(mp, receiver.recv())
    client.connect()
    served = client.get_queue()
    assert served.get() == "local hello"
    served.put("remote hello")
    assert shared.get(True, mp.timeout) == "remote hello"
    del served
    process.terminate()
    process.join()
    shared.close()
    shared.join_thread()


def _append_by_address(mp, address):
    manager = mp.managers.SyncManager(address=address, ctx=mp.context)
    manager.connect()
    shared = manager.list([1])
    shared.append(2)
    return shared[:]


@requirement("managers.remote.child-connects")
def test_child_connects_by_address(mp, manager, companion):
    """A child, whose authkey is its parent's, connects to the parent's manager by its address."""
    assert companion.ask(_append_by_address, mp, manager.address) == [1, 2]
