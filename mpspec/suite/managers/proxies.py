"""Tests of proxies."""

import array
import copy
import pickle

from mpspec.children import (
    Caller,
    CallerThread,
    Interrupted,
    Interruption,
    ask,
    outcome_of,
    raises,
)
from mpspec.marks import requirement
from mpspec.suite.managers.helpers import (
    life,
    life_after_death,
    life_at,
    life_of_a_manager,
    put_all,
    set_item,
)
from mpspec.suite.managers.workshop import KEY, started_manager


@requirement("managers.proxy.authkey-for-children")
def test_child_uses_a_proxy_of_a_manager_with_a_key(mp, socket_path):
    """A child uses the proxy it was given though the manager has an authkey of its own, be it empty."""
    facts = life_at(mp, socket_path)
    assert (facts["grandchild"], facts["of the grandchild"]) == (
        ("returned", None),
        ("returned", "from the grandchild"),
    )
    with started_manager(mp, authkey=b"") as manager:
        shared = manager.Queue()
        ask(mp, put_all, shared, "with an empty key")
        assert shared.get_nowait() == "with an empty key"
        del shared
    assert (facts["child"], facts["of the child"]) == (
        ("returned", None),
        ("returned", "from the child"),
    )


@requirement("managers.proxy.server-gone")
def test_proxy_of_a_server_that_is_gone(mp, socket_path):
    """Using a proxy whose server has died, or was shut down, raises an exception, and does not wait."""
    assert issubclass(life(mp)["used after shutdown"], (OSError, EOFError))
    assert issubclass(life_after_death(mp, socket_path)["put to a dead one"], (OSError, EOFError))


@requirement("managers.proxy.str-server-gone")
def test_str_of_a_proxy_of_a_server_that_is_gone(mp):
    """``str`` of a proxy whose server is gone does not raise, and names the proxy."""
    kind, text = life(mp)["shown after shutdown"]
    assert kind == "returned"
    assert "'Maths'" in text


def _interrupt_a_call(mp, event, items):
    """In a child: what comes of a call that a signal's handler interrupts, and of those after it."""
    event.is_set()  # or it could be the connecting that is interrupted, where each thread has a connection of its own
    with Interrupted(mp, raising=Interruption):
        interrupted, _ = outcome_of(event.wait, mp.timeout)
    # By a thread's own connection: the server need not wait any more.
    CallerThread(mp, event, "set").result()
    return [interrupted, outcome_of(len, items), outcome_of(event.is_set), outcome_of(items.pop)]


@requirement("managers.proxy.exception-of-handler-comes-out")
def test_exception_of_a_signal_handler_ends_a_call(mp, manager):
    """What a signal's handler raises comes out of a call that waits; the calls after it get answers of their own."""
    # In a child: its connection to the manager may be of no use after this.
    found = ask(mp, _interrupt_a_call, mp, manager.Event(), manager.list([1, 2, 3]))
    assert found == ["Interruption", *(("returned", value) for value in (3, True, 3))]


@requirement("managers.proxy.handler-raises")
def test_exception_of_a_signal_handler_comes_out(mp, manager):
    """What a signal's handler raises comes out of a call that waits, whatever those after it give."""
    found = ask(mp, _interrupt_a_call, mp, manager.Event(), manager.list([1, 2, 3]))
    assert found[0] == "Interruption"


@requirement("managers.proxy.type")
def test_proxies_are_base_proxies(mp, manager):
    """Proxies are instances of subclasses of BaseProxy."""
    proxies = [
        manager.list(), manager.dict(), manager.Namespace(), manager.Lock(), manager.RLock(),
        manager.Semaphore(), manager.BoundedSemaphore(), manager.Condition(), manager.Event(),
        manager.Barrier(1), manager.Queue(), manager.Value("i", 0), manager.Array("i", [0]),
    ]  # fmt: skip
    assert [
        type(proxy).__name__ for proxy in proxies if not isinstance(proxy, mp.managers.BaseProxy)
    ] == []


@requirement("managers.proxy.str")
def test_str_of_a_proxy(manager, workshop):
    """``str`` of a proxy is the representation of its referent."""
    assert str(manager.list([1, "two"])) == "[1, 'two']"
    assert str(manager.list(range(1000))) == str([*range(1000)])
    assert str(manager.dict({"a": 1})) == "{'a': 1}"
    assert str(manager.Array("i", [1])) == "array('i', [1])"
    assert str(workshop.Greeter("Ada")) == "Greeter('Ada')"
    # What the others look like is theirs to choose: the same by each of two proxies, and like neither.
    make = workshop
    others = [make.Value("i", 7), make.Lock(), make.Semaphore(), make.Condition(), make.Barrier(1)]
    others += [manager.Event(), manager.Queue()]
    for first, second in zip(others, pickle.loads(pickle.dumps(others)), strict=True):
        assert repr(first) != str(first) == str(second) != repr(second)


@requirement("managers.proxy.repr")
def test_repr_of_a_proxy(manager, workshop):
    """``repr`` of a proxy is the proxy's own representation, and tells nothing of the referent's value."""
    shared = manager.list([123456])
    before = repr(shared)
    shared.append(7)
    assert repr(shared) == before
    proxies = [
        shared, manager.dict({123456: 0}), manager.Namespace(x=123456), manager.Value("i", 123456),
        manager.Array("i", [123456]), workshop.Greeter("123456"),
    ]  # fmt: skip
    assert [each for each in map(repr, proxies) if "123456" in each.partition("at 0x")[0]] == []


@requirement("managers.proxy.repr-form")
def test_repr_names_type_and_typeid(manager):
    """``repr`` of a proxy names its class, the typeid and an address."""
    first, second = manager.list(), manager.list()
    assert repr(first) != repr(second)
    shared = repr(first)
    assert shared.startswith("<ListProxy object, typeid 'list' at 0x")
    assert shared.endswith(">")
    int(shared.partition("at ")[2][:-1], 16)


@requirement("managers.proxy.no-comparison-by-value")
def test_proxies_do_not_compare_by_value(manager):
    """A proxy equals neither a value equal to its referent, nor a proxy for an equal referent."""
    shared = manager.list([1, 2, 3])
    assert (shared == [1, 2, 3]) is False
    assert (shared == manager.list([1, 2, 3])) is False
    assert shared[:] == [1, 2, 3]
    assert (shared != [1, 2, 3]) is True
    assert (shared != manager.list([1, 2, 3])) is True
    with raises(TypeError):
        _ = shared < manager.list([4])
    shared = manager.dict(a=1)
    assert (shared == {"a": 1}, shared != {"a": 1}) == (False, True)
    for kind, arguments in (
        ("dict", ({"a": 1},)), ("Value", ("i", 1)), ("Array", ("i", [1])), ("Namespace", ()),
    ):  # fmt: skip
        one, other = (getattr(manager, kind)(*arguments) for _ in range(2))
        assert (one == other, one != other) == (False, True)
    assert (manager.Array("i", [1]) == array.array("i", [1])) is False


@requirement("managers.proxy.same-referent")
def test_proxies_of_one_referent(manager):
    """Several proxies may have one referent."""
    shared = manager.list()
    outer = manager.list([shared])
    other = outer[0]
    other.append("hello")
    assert shared[:] == ["hello"]


def _append_here(shared):
    shared.append("from the other process")


@requirement("managers.proxy.sent")
def test_proxies_can_be_sent(manager, companion):
    """A proxy that is sent to another process refers to the same object there."""
    shared = manager.list()
    companion.ask(_append_here, shared)
    assert shared[:] == ["from the other process"]


@requirement("managers.proxy.pickled")
def test_proxies_can_be_pickled(manager):
    """A proxy that was pickled and unpickled refers to the same object."""
    shared = manager.list()
    copy = pickle.loads(pickle.dumps(shared))
    copy.append("hello")
    assert shared[:] == ["hello"]


@requirement("managers.proxy.pickled-without-authkey")
def test_pickled_proxies_tell_no_secret(mp, manager):
    """A pickled proxy does not contain the authkey."""
    assert bytes(mp.current_process().authkey) not in pickle.dumps(manager.list())


@requirement("managers.proxy.deepcopy")
def test_deep_copy_of_a_proxy(manager):
    """A deep copy of a proxy is a copy of its referent."""
    for each in ([1, [2]], {"a": [1]}, array.array("i", [1])):
        shared = manager.Array("i", each) if isinstance(each, array.array) else None
        shared = shared or getattr(manager, type(each).__name__)(each)
        value = copy.deepcopy(shared)
        assert (type(value), value) == (type(each), each)


@requirement("managers.proxy.nested")
def test_proxies_in_referents(manager):
    """A referent may contain proxies, and changes made through those are seen by all."""
    a, b = manager.list(), manager.list()
    a.append(b)
    assert str(b) == "[]"
    b.append("hello")
    assert str(a[0]) == "['hello']"
    assert a[0][:] == b[:] == ["hello"]
    namespace, mapping, shared = manager.Namespace(), manager.dict(), manager.Queue()
    namespace.queue = mapping["queue"] = shared
    namespace.queue.put("item")
    assert mapping["queue"].get() == "item"
    value = manager.Value("i", None)
    value.value = namespace.inner = a
    value.value.append("one")
    namespace.inner.append("another")
    assert a[1:] == ["one", "another"]
    b.extend(manager.list([1, 2]))  # as with any other list
    b += manager.list([3])
    assert b[:] == ["hello", 1, 2, 3]
    value = manager.Value("i", 7)
    manager.list([value])[0].value = 8
    stored = [
        value, manager.Array("i", [1]), manager.Lock(), manager.RLock(), manager.Semaphore(), manager.BoundedSemaphore(),
        manager.Condition(), manager.Event(), manager.Barrier(2),
    ]  # fmt: skip
    for before, after in zip(stored, manager.list(stored), strict=True):
        assert (type(after), str(after)) == (type(before), str(before))
    assert value.value == 8


@requirement("managers.proxy.nested-in-another-manager")
def test_proxies_in_referents_of_another_manager(manager, workshop):
    """A referent may contain a proxy for an object of another manager."""
    outer = workshop.list([manager.list([1])])
    outer[0].append(2)
    assert outer[0][:] == [1, 2]


@requirement("managers.proxy.nested-str")
def test_str_shows_nested_proxies_as_proxies(manager):
    """In ``str`` of an outer proxy an inner one is shown as a proxy."""
    a = manager.list()
    a.append(manager.list([1]))
    assert str(a).startswith("[<ListProxy object, typeid 'list' at ")


def _change_inner(outer):
    outer[1]["c"] = 3


@requirement("managers.proxy.nested-dicts")
def test_dicts_in_lists(manager, companion):
    """Dict proxies within a list proxy are changed in place, by any process."""
    outer = manager.list([manager.dict() for _ in range(2)])
    inner = outer[0]
    inner["a"] = 1
    outer[1]["z"] = 26
    companion.ask(_change_inner, outer)
    assert str(outer[0]) == "{'a': 1}"
    assert str(outer[1]) == "{'z': 26, 'c': 3}"


@requirement("managers.proxy.mutable-values-not-propagated")
def test_changes_of_plain_values_stay_local(manager):
    """A change to a plain list or dict that came out of a proxy does not reach the referent."""
    shared = manager.list([{}, []])
    shared[0]["a"] = 1
    shared[1].append(1)
    mapping = manager.dict({"list": []})
    mapping["list"].append(1)
    assert shared[:] == [{}, []]
    assert mapping.copy() == {"list": []}
    value, namespace = manager.Value("i", []), manager.Namespace(x=[])
    value.value.append(1)
    value.get().append(1)
    namespace.x.append(1)
    assert (value.value, namespace.x) == ([], [])


@requirement("managers.proxy.reassign-propagates")
def test_stored_values_reach_the_referent(manager):
    """A changed value that is stored again reaches the referent."""
    shared = manager.list([{}])
    value = shared[0]
    value["a"] = 1
    value["b"] = 2
    assert shared[0] == {}
    shared[0] = value
    assert shared[0] == {"a": 1, "b": 2}


def _append_many(shared, count):
    for number in range(count):
        shared.append(number)


def _append_many_there(_connection, shared, count):
    _append_many(shared, count)


@requirement("managers.proxy.processes")
def test_processes_use_one_proxy(manager, companion):
    """Several processes may use the same proxy at the same time."""
    shared = manager.list()
    companion.begin(_append_many_there, shared, 50)
    _append_many(shared, 50)
    companion.result()
    assert sorted(shared[:]) == sorted([*range(50)] * 2)


@requirement("managers.proxy.processes-do-not-wait")
def test_a_child_that_waits_holds_nobody_up(mp, manager):
    """While a child waits in a call its parent, who has used that proxy before, uses it as well."""
    event = manager.Event()
    assert event.is_set() is False
    caller = Caller(mp, event, "wait")
    caller.until_blocked()
    event.set()
    assert caller.result() is True


@requirement("managers.proxy.threads-do-not-wait")
def test_a_thread_that_waits_holds_nobody_up(mp):
    """While a thread waits in a call, another thread uses another proxy for the same object."""
    assert life_of_a_manager(mp)["waited"] == ("returned", (None, True))


@requirement("managers.proxy.threads")
def test_threads_use_one_proxy(mp):
    """Threads that take turns by a lock may use the same proxy."""
    assert sorted(life_of_a_manager(mp)["appended"]) == sorted([*range(20)] * 3)


@requirement("managers.proxy.contained-with-authkey")
def test_nested_proxies_of_a_manager_with_a_key(mp):
    """A proxy that comes out of a container can be used when the manager has an authkey of its own."""
    manager = mp.managers.SyncManager(authkey=KEY, ctx=mp.context)
    with manager:
        outer = manager.list()
        outer.append(manager.list(["inner"]))
        assert outer[0][:] == ["inner"]
        del outer


@requirement("managers.proxy.pool-argument")
def test_proxies_are_arguments_of_tasks(mp, manager):
    """What the tasks of a pool put on a manager's queue that they were given comes out of it."""
    shared, seen = manager.Queue(), manager.dict()
    pool = mp.Pool(1)
    pool.apply(put_all, (shared, "one", "two"))
    assert [shared.get(), shared.get()] == ["one", "two"]
    assert pool.starmap(set_item, [(seen, number, number**2) for number in range(3)]) == [None] * 3
    assert seen.copy() == {0: 0, 1: 1, 2: 4}
    pool.terminate()
    pool.join()
