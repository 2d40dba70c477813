"""Tests of SyncManager's lists, dictionaries and sets."""

from mpspec.children import (
    raises,
)
from mpspec.marks import requirement


@requirement("managers.list.construct")
def test_list_construct(manager):
    """``list()`` is empty, ``list(sequence)`` has the sequence's items."""
    assert manager.list()[:] == []
    assert manager.list(range(3))[:] == [0, 1, 2]
    assert manager.list("ab")[:] == ["a", "b"]
    assert manager.list(manager.list([1, 2]))[:] == [1, 2]


@requirement("managers.list.read")
def test_list_read(manager):
    """A list proxy is read like a list."""
    shared = manager.list([3, 1, 2, 3])
    assert (len(shared), shared[1], shared[-1], shared[1:3]) == (4, 1, 3, [1, 2])
    assert (shared[::2], shared[::-1], bool(shared), bool(manager.list())) == (
        [3, 2], [3, 2, 1, 3], True, False,
    )  # fmt: skip
    assert list(shared) == [3, 1, 2, 3]
    assert 2 in shared
    assert 5 not in shared
    assert (shared.count(3), shared.index(2)) == (2, 2)
    assert shared + [4] == [3, 1, 2, 3, 4]  # noqa: RUF005 - the operator is under test
    assert shared * 2 == [3, 1, 2, 3] * 2
    assert 2 * shared == [3, 1, 2, 3] * 2
    assert list(reversed(shared)) == [3, 2, 1, 3]
    assert (shared.index(3, 1), shared.index(2, 1, 3)) == (3, 2)
    assert (shared * 0, None in shared, None in manager.list([None])) == ([], False, True)
    with raises(IndexError):
        shared[4]
    for arguments in ((5,), (3, 1, 3)):
        with raises(ValueError):
            shared.index(*arguments)


@requirement("managers.list.change")
def test_list_change(manager):
    """A list proxy is changed like a list."""
    shared = manager.list([5, 1])
    shared.append(3)
    shared.extend([4, 2])
    shared.insert(0, 9)
    assert shared[:] == [9, 5, 1, 3, 4, 2]
    shared.sort()
    assert shared.pop() == 9
    shared.remove(3)
    shared.reverse()
    del shared[0]
    shared[0] = 7
    assert shared[:] == [7, 2, 1]
    shared[1:] = [8]
    same = shared
    shared += [6]
    shared += []
    shared *= 2
    assert shared is same
    assert shared[:] == [7, 8, 6, 7, 8, 6]
    shared.sort(reverse=True)
    assert shared[:] == [8, 8, 7, 7, 6, 6]
    shared.sort(key=str)
    shared[-1] = 9
    assert shared[:] == [6, 6, 7, 7, 8, 9]
    shared[-1] = 8
    assert shared.pop(0) == 6
    assert shared[:] == [6, 7, 7, 8, 8]
    with raises(IndexError):
        shared[9] = 1
    with raises(ValueError):
        shared.remove(9)
    _change_list_further(shared)
    del shared[:]
    assert shared[:] == []
    with raises(IndexError):
        shared.pop()


def _change_list_further(shared):
    shared.reverse()
    assert shared[:] == [8, 8, 7, 7, 6]
    shared.insert(-1, 5)
    shared.insert(99, 4)
    assert (shared.pop(-2), shared[:]) == (6, [8, 8, 7, 7, 5, 4])
    shared[::3] = [1, 2]
    assert shared[:] == [1, 8, 7, 2, 5, 4]
    del shared[-1], shared[::2]
    assert shared[:] == [8, 2]
    shared.extend((10,))
    shared += (9,)
    shared += "a"
    shared.sort(key=str, reverse=True)
    shared.append(9)
    shared.remove(9)  # the first one
    assert shared[:] == ["a", 8, 2, 10, 9]
    shared *= 0
    assert shared[:] == []
    shared.append(1)


@requirement("managers.list.clear-and-copy")
def test_list_clear_and_copy(manager):
    """A list proxy can be copied and cleared, which leaves the copy alone."""
    shared = manager.list([1, 2])
    copied = shared.copy()
    shared.clear()
    assert (len(shared), list(copied)) == (0, [1, 2])


@requirement("managers.dict.construct")
def test_dict_construct(manager):
    """``dict()`` is empty, ``dict(mapping)`` and ``dict(sequence)`` have the given items."""
    assert manager.dict().copy() == {}
    assert manager.dict({1: "one"}).copy() == {1: "one"}
    assert manager.dict([("a", 1), ("b", 2)]).copy() == {"a": 1, "b": 2}
    assert manager.dict({"a": 1}, b=2).copy() == {"a": 1, "b": 2}
    assert manager.dict(manager.dict(a=1)).copy() == {"a": 1}


@requirement("managers.dict.read")
def test_dict_read(manager):
    """A dict proxy is read like a dict."""
    shared = manager.dict({"a": 1, "b": 2})
    assert (len(shared), shared["a"], shared.get("b"), shared.get("c", 3)) == (2, 1, 2, 3)
    assert "a" in shared
    assert "c" not in shared
    assert sorted(shared.keys()) == ["a", "b"]
    assert sorted(shared.values()) == [1, 2]
    assert sorted(shared.items()) == [("a", 1), ("b", 2)]
    assert shared.get("c") is None
    with raises(KeyError):
        shared["c"]
    shared = manager.dict({"b": 1, "a": 1, None: 2})
    assert (list(shared.keys()), list(shared.values())) == (["b", "a", None], [1, 1, 2])
    assert list(shared.items()) == list(shared.copy().items()) == [("b", 1), ("a", 1), (None, 2)]
    nothing = manager.dict({"n": None})
    assert (nothing["n"], nothing.get("n", 3), "n" in nothing) == (None, None, True)
    assert (bool(nothing), bool(manager.dict()), manager.dict({(1, 2): 3})[1, 2]) == (
        True,
        False,
        3,
    )


@requirement("managers.dict.iteration")
def test_dict_iteration(manager):
    """Iterating over a dict proxy gives the keys in their order."""
    shared = manager.dict({"b": 1, "a": 2})
    assert [(one, other) for one in shared for other in shared] == [
        ("b", "b"), ("b", "a"), ("a", "b"), ("a", "a"),
    ]  # fmt: skip


@requirement("managers.dict.change")
def test_dict_change(manager):
    """A dict proxy is changed like a dict."""
    shared = manager.dict({"a": 1})
    shared["b"] = 2
    shared.update({"c": 0})
    shared.update({"c": 3, "e": 5}, e=6)
    assert shared.pop("e") == 6
    shared.update(e=7)
    assert shared.pop("e") == 7
    assert (shared.setdefault("c", 9), shared.setdefault("d", 4)) == (3, 4)
    assert shared.pop("a") == 1
    assert (shared.pop("a", 5), shared.pop("a", None)) == (5, None)
    assert (shared.setdefault("n"), shared.setdefault("n", 5)) == (None, None)
    assert shared.pop("n", 5) is None
    del shared["b"]
    for change in (shared.pop, shared.__delitem__):
        with raises(KeyError):
            change("b")
    assert shared.copy() == {"c": 3, "d": 4}
    assert shared.popitem() == ("d", 4)
    shared.update([("f", 5)])
    assert shared.copy() == {"c": 3, "f": 5}
    shared.clear()
    assert len(shared) == 0
    with raises(KeyError):
        shared.popitem()


@requirement("managers.dict.union")
def test_dict_union(manager):
    """A dict proxy knows the union operators, ``reversed`` and ``fromkeys``."""
    shared = manager.dict({"a": 1})
    assert shared | {"b": 2} == {"a": 1, "b": 2}
    assert {"b": 2} | shared == {"b": 2, "a": 1}
    same = shared
    shared |= {"b": 2}
    assert shared is same
    assert list(reversed(shared)) == ["b", "a"]
    assert (shared.fromkeys(["x"], 1), shared.fromkeys("xy")) == ({"x": 1}, {"x": None, "y": None})
    shared |= [("b", 3), ("c", 4)]
    assert shared.copy() == {"a": 1, "b": 3, "c": 4}


@requirement("managers.set.construct")
def test_set_construct(manager):
    """``set()`` is empty; ``set(sequence)`` and ``set(mapping)`` have the items, or the keys."""
    assert len(manager.set()) == 0
    assert sorted(manager.set([2, 1, 2])) == [1, 2]
    assert sorted(manager.set({"a": 1, "b": 2})) == ["a", "b"]


def _add_to_set(shared, item):
    shared.add(item)


@requirement("managers.set.shared")
def test_set_is_shared(manager, companion):
    """What another process adds to a set proxy is seen here."""
    shared = manager.set([1])
    companion.ask(_add_to_set, shared, 2)
    assert 2 in shared
    shared.discard(1)
    assert 1 not in shared
    assert len(shared) == 1
    assert str(shared) == "{2}" not in repr(shared)


@requirement("managers.set.no-comparison-by-value")
def test_sets_do_not_compare_by_value(mp, manager):
    """A set's proxy equals neither an equal set nor a proxy for one, though it is ordered like a set."""
    shared = manager.set([1])
    assert isinstance(shared, mp.managers.BaseProxy)
    for other in ({1}, manager.set([1])):
        assert (shared == other) is False
        assert (shared != other) is True
    assert shared.copy() == {1}


@requirement("managers.set.operations")
def test_set_operations(manager):
    """A set proxy is compared, combined and changed like a set."""
    shared = manager.set([1, 2, 3])
    assert (shared & {2, 9}, shared | {9}, shared - {1}, shared ^ {1, 9}) == (
        {2}, {1, 2, 3, 9}, {2, 3}, {2, 3, 9},
    )  # fmt: skip
    assert ({2, 9} & shared, {9} | shared, {1, 9} - shared, {1, 9} ^ shared) == (
        {2}, {1, 2, 3, 9}, {9}, {2, 3, 9},
    )  # fmt: skip
    assert (shared <= {1, 2, 3}, shared < {1, 2, 3}, shared >= {1}, shared > {9}) == (
        True, False, True, False,
    )  # fmt: skip
    assert (shared.isdisjoint({9}), shared.issubset([1]), shared.issuperset([1])) == (
        True, False, True,
    )  # fmt: skip
    assert shared.union([9]) == {1, 2, 3, 9}
    assert shared.intersection([2, 9]) == {2}
    assert shared.difference([1]) == {2, 3}
    assert shared.symmetric_difference([1, 9]) == {2, 3, 9}
    changed = manager.set([1, 2, 3])
    assert changed.difference_update([1], [9]) is None
    assert changed.copy() == {2, 3}
    assert changed.symmetric_difference_update([3, 4]) is None
    assert changed.copy() == {2, 4}
    assert changed.intersection_update([2, 4, 5], [4]) is None
    assert changed.copy() == {4}
    assert (changed.update([5], [6]), changed.discard(99)) == (None, None)
    assert changed.copy() == {4, 5, 6}
    assert (shared.union([9], {8}), shared.union()) == ({1, 2, 3, 8, 9}, {1, 2, 3})
    assert (shared.intersection([1, 2], [2]), shared.difference([1], [2])) == ({2}, {3})
    shared.update([4])
    shared.remove(1)
    with raises(KeyError):
        shared.remove(1)
    assert shared.copy() == {2, 3, 4}
    same = shared
    shared |= {5}
    shared &= {2, 3, 5}
    shared -= {2}
    shared ^= {3, 6}
    assert shared is same
    assert sorted([shared.pop(), shared.pop()]) == [5, 6]
    with raises(KeyError):
        shared.pop()
    shared.add(1)
    shared.clear()
    assert len(shared) == 0


@requirement("managers.set.nested")
def test_proxies_in_sets(manager):
    """A set may contain proxies, and changes made through those are seen by all."""
    inner, added = manager.list([1]), manager.list([2])
    shared = manager.set([inner])
    shared.add(added)
    for proxy in shared:
        proxy.append(3)
    assert (inner[:], added[:]) == ([1, 3], [2, 3])


@requirement("managers.dict.iterated-in-child")
def test_dict_is_iterated_over_in_a_child(manager, companion):
    """A child that was given a dict proxy iterates over it."""
    assert companion.ask(sorted, manager.dict({"b": 1, "a": 2})) == ["a", "b"]
