"""Tests of when a manager's objects are deleted."""

import gc
import pickle

from mpspec.children import CallerThread, outcome_of, run
from mpspec.marks import requirement
from mpspec.suite.managers.helpers import life_at, until_missing
from mpspec.suite.managers.workshop import Passed, workshop_manager


def _until_deleted(timeout, workshop, name):
    """Wait until the server has deleted an object, so long at least."""
    until_missing(timeout, workshop.Census(), name)


def _name_of(tracked):
    return tracked.name()


@requirement("managers.cleanup.referent-deleted")
def test_the_last_proxy_takes_its_referent_along(mp, workshop, companion):
    """An object is deleted from the server when no proxy refers to it any more, be there a process that had one."""
    tracked = workshop.Tracked("alone")
    assert workshop.Census().has("alone")
    del tracked
    _until_deleted(mp.timeout, workshop, "alone")
    held = [workshop.Tracked("dropped by a thread")]
    CallerThread(mp, held, "clear").result()
    _until_deleted(mp.timeout, workshop, "dropped by a thread")
    tracked = workshop.Tracked("used elsewhere")
    assert companion.ask(_name_of, tracked) == "used elsewhere"
    companion.ask(gc.collect)
    assert workshop.Census().has("used elsewhere")
    del tracked
    _until_deleted(mp.timeout, workshop, "used elsewhere")
    # It answers: it has lived on.
    assert companion.ask(int) == 0


@requirement("managers.cleanup.with-authkey")
def test_the_last_proxy_of_a_manager_with_a_key(mp, socket_path):
    """An object goes with its last proxy when the manager has an authkey of its own."""
    facts = life_at(mp, socket_path)
    assert (facts["there"], facts["deleted"]) == (True, ("returned", None))


@requirement("managers.cleanup.connected-client")
def test_the_proxy_of_a_client_takes_its_referent_along(mp, workshop):
    """What a manager has created that only connected to the server is deleted with its last proxy."""
    client = workshop_manager(mp)(address=workshop.address, ctx=mp.context)
    client.connect()
    tracked = client.Tracked("of a client")
    assert (tracked.name(), workshop.Census().has("of a client")) == ("of a client", True)
    del tracked
    _until_deleted(mp.timeout / 100, workshop, "of a client")


@requirement("managers.cleanup.returned-proxy")
def test_the_proxy_that_a_method_returned_takes_its_referent_along(mp, workshop):
    """What a method returned by a proxy is deleted from the server with that proxy."""
    tracked = workshop.TrackedMaker().make("returned")
    gc.collect()
    assert (tracked.name(), workshop.Census().has("returned")) == ("returned", True)
    del tracked
    _until_deleted(mp.timeout / 100, workshop, "returned")


@requirement("managers.cleanup.another-proxy-keeps")
def test_another_proxy_keeps_the_referent(mp, workshop):
    """An object stays as long as any proxy refers to it."""
    first = workshop.Tracked("kept by another")
    second = pickle.loads(pickle.dumps(first))
    del first
    gc.collect()
    assert second.name() == "kept by another"
    assert workshop.Census().has("kept by another")
    del second
    _until_deleted(mp.timeout, workshop, "kept by another")


class _Dropping:
    """What lets go of all that a list holds when it is pickled, and comes out as 0."""

    def __init__(self, held):
        self._held = held

    def __reduce__(self):
        self._held.clear()
        gc.collect()
        return int, ()


@requirement("managers.cleanup.amid-a-call")
def test_a_proxy_is_deleted_amid_a_call_of_another(manager):
    """An argument whose pickling deletes a second proxy for the object arrives by the first."""
    first = manager.list()
    dropping = _Dropping([pickle.loads(pickle.dumps(first))])
    # An error would hold what was pickled, in a cycle; to collect that ends the interpreter of 3.12.1.
    assert outcome_of(first.append, dropping)[0] == "returned"
    assert first[:] == [0]


@requirement("managers.cleanup.contained-proxy-keeps")
def test_a_contained_proxy_keeps_the_referent(workshop):
    """A proxy inside another referent keeps its own referent alive."""
    box = workshop.list([workshop.Tracked("kept by a list")])
    gc.collect()
    assert workshop.Census().has("kept by a list")
    assert box[0].name() == "kept by a list"
    lock = workshop.Lock()
    condition = workshop.Condition(lock)
    del lock
    gc.collect()
    assert condition.acquire(False) is True
    condition.release()


@requirement("managers.cleanup.contained-proxy-deleted")
def test_a_container_takes_its_proxies_along(mp, workshop):
    """When a referent that held the last proxy for an object is deleted, or loses the proxy, the object is deleted."""
    box = workshop.list([workshop.Tracked("in a list")])
    assert workshop.Census().has("in a list")
    del box
    _until_deleted(mp.timeout / 100, workshop, "in a list")
    box = workshop.list([workshop.Tracked("removed"), workshop.Tracked("overwritten")])
    gc.collect()
    del box[0]
    box[0] = None
    for name in ("removed", "overwritten"):
        _until_deleted(mp.timeout / 100, workshop, name)


def _name_of_next(shared):
    return shared.get().name()


@requirement("managers.cleanup.taken-out-keeps")
def test_a_proxy_taken_out_keeps_the_referent(workshop, companion):
    """A proxy that came out of a referent keeps its own, when nothing else does, and takes no reference from others."""
    popped = workshop.list([workshop.Tracked("popped from a list")])
    keyed = workshop.dict(a=workshop.Tracked("popped from a dict"))
    left = workshop.list([workshop.Tracked("out of a list that goes")])
    own = workshop.Tracked("held here as well")
    shared = workshop.Queue()
    shared.put(workshop.Tracked("out of a queue"))
    gc.collect()
    taken = [popped.pop(), keyed.pop("a"), left[0]]
    popped.append(own)
    assert popped[0].name() == "held here as well"
    del popped[0], left
    gc.collect()
    names = ["popped from a list", "popped from a dict", "out of a list that goes"]
    assert [tracked.name() for tracked in taken] == names
    assert own.name() == "held here as well"
    assert companion.ask(_name_of_next, shared) == "out of a queue"


@requirement("managers.cleanup.answered-call-lets-go")
def test_an_answered_call_lets_go(mp, workshop, companion):
    """The argument of a call, and then the result of another, are gone from the server when it has answered."""
    box, census = workshop.list(), workshop.Census()
    # Another process asks, for this one's next call would make the server forget the last.
    box.count(Passed("an argument"))
    companion.ask(until_missing, mp.timeout / 100, census, "an argument")
    box.append(Passed("a result"))
    assert box.pop().name() == "a result"
    companion.ask(until_missing, mp.timeout / 100, census, "a result")


def _hold(connection, tracked):
    connection.send("held")
    connection.recv()
    connection.send(tracked.name())


def _hold_both(mp, connection, tracked):
    """Hold a proxy, after a child of this process has held one that was sent to it."""
    run(mp, _hold_received, connection)
    _hold(connection, tracked)


def _hold_received(connection):
    _hold(connection, connection.recv())


@requirement("managers.cleanup.other-process-keeps")
def test_a_proxy_in_another_process_keeps_the_referent(mp, workshop):
    """A proxy in another process, which may be a grandchild, keeps the object until that process ends."""
    ours, theirs = mp.Pipe()
    sent, tracked = [workshop.Tracked(name) for name in ("kept by a grandchild", "kept by a child")]
    process = mp.Process(target=_hold_both, args=(mp, theirs, tracked))
    process.start()
    theirs.close()
    ours.send(sent)
    assert ours.recv() == "held"
    del sent
    _let_go(workshop, ours, "kept by a grandchild")
    assert ours.recv() == "held"
    del tracked
    _let_go(workshop, ours, "kept by a child")
    process.join()
    del process  # which may keep its arguments
    gc.collect()
    for name in ("kept by a grandchild", "kept by a child"):
        _until_deleted(mp.timeout / 100, workshop, name)


def _let_go(workshop, connection, name):
    """Look that only the holder keeps an object, and let it go."""
    gc.collect()
    assert workshop.Census().has(name)
    connection.send("go on")
    assert connection.recv() == name
