"""Tests of SyncManager's Namespace, Value and Array."""

import array

from mpspec.children import (
    raises,
)
from mpspec.marks import requirement
from mpspec.suite.managers.helpers import set_item


@requirement("managers.namespace.attributes")
def test_namespace_attributes(manager, companion):
    """Attributes of a namespace are set, read and deleted by any process."""
    namespace = manager.Namespace()
    namespace.x = 10
    companion.ask(setattr, namespace, "y", "hello")
    assert (namespace.x, namespace.y) == (10, "hello")
    assert companion.ask(getattr, namespace, "x") == 10
    companion.ask(delattr, namespace, "y")
    assert not hasattr(namespace, "y")
    del namespace.x
    assert not hasattr(namespace, "x")
    with raises(AttributeError):
        del namespace.x
    for each in (None, False, 0, ""):
        namespace.z = each
        assert (type(namespace.z), namespace.z) == (type(each), each)


@requirement("managers.namespace.representation")
def test_namespace_representation(manager):
    """A namespace's representation shows its attributes."""
    namespace = manager.Namespace()
    namespace.x = 10
    namespace.y = "hello"
    assert str(namespace) == "Namespace(x=10, y='hello')"
    namespace.y = None
    assert str(namespace) == "Namespace(x=10, y=None)"


@requirement("managers.namespace.underscore")
def test_namespace_underscore(manager):
    """An attribute whose name begins with an underscore belongs to the proxy, not to the namespace."""
    namespace = manager.Namespace()
    namespace.x = 10
    namespace._z = 12.3
    assert namespace._z == 12.3
    del namespace._z
    assert not hasattr(namespace, "_z")
    namespace._z = 12.3
    assert str(namespace) == "Namespace(x=10)"
    other = manager.list([namespace])[0]
    assert other.x == 10
    assert not hasattr(other, "_z")
    # Nor does it become the proxy's when the namespace has one of that name.
    hiding = manager.Namespace(_z=1)
    assert not hasattr(hiding, "_z")
    with raises(AttributeError):
        del hiding._z


@requirement("managers.namespace.keywords")
def test_namespace_keywords(manager):
    """A namespace is created with the attributes that are given as keywords."""
    namespace = manager.Namespace(x=10, y="hello")
    assert (namespace.x, namespace.y) == (10, "hello")


@requirement("managers.namespace.registered")
def test_namespace_can_be_registered(workshop):
    """A Namespace registered with a manager of one's own is shared like any other type."""
    space = workshop.Space()
    space._callmethod("__setattr__", ("x", 10))
    assert space._callmethod("__getattribute__", ("x",)) == 10
    assert str(space) == "Namespace(x=10)"


@requirement("managers.namespace.no-public-methods")
def test_namespace_without_public_methods(mp):
    """A Namespace has no public methods, and its attributes can be written."""
    namespace = mp.managers.Namespace()
    assert [name for name in dir(namespace) if not name.startswith("_")] == []
    namespace.x = 10
    assert repr(namespace) == "Namespace(x=10)"


@requirement("managers.value")
def test_value(manager, companion):
    """A Value has an attribute ``value``, which any process reads and writes."""
    shared, another = manager.Value("i", 7), manager.Value("i", 1)
    assert shared.value == 7
    companion.ask(setattr, shared, "value", 8)
    assert (shared.value, another.value) == (8, 1)
    for each in ("anything", None, 0):
        shared.value = each
        assert companion.ask(getattr, shared, "value") == each


@requirement("managers.value.get-and-set")
def test_value_get_and_set(manager):
    """A Value is read by ``get`` and written by ``set`` as well."""
    shared = manager.Value("i", 7)
    assert shared.get() == 7
    shared.set(8)
    assert (shared.get(), shared.value) == (8, 8)


@requirement("managers.value.keywords")
def test_value_and_array_by_name(manager):
    """Value takes typecode and value, Array typecode and sequence, by these names."""
    assert manager.Value(typecode="i", value=7).value == 7
    assert manager.Array(typecode="i", sequence=[1, 2])[:] == array.array("i", [1, 2])
    assert manager.Array(typecode="i", sequence=[1, 2])[:].typecode == "i"


@requirement("managers.array")
def test_array(manager, companion):
    """An Array's items are read and written by any process."""
    shared = manager.Array("i", [1, 2, 3])
    companion.ask(set_item, shared, 1, 9)
    assert companion.ask(len, shared) == 3
    assert list(shared) == [1, 9, 3]
    assert shared[1:] == array.array("i", [9, 3])
    shared[:2] = array.array("i", [7, 8])
    assert list(shared) == [7, 8, 3]
    shared[-1] = 4
    assert (shared[-1], list(shared)) == (4, [7, 8, 4])
    assert (list(shared[::2]), list(manager.Array("i", []))) == ([7, 4], [])


@requirement("managers.array.typecode")
def test_array_typecode(manager):
    """An Array takes items of its typecode alone."""
    shared = manager.Array("i", [1])
    with raises(TypeError):
        shared[0] = "one"
    assert shared[0] == 1
    assert [manager.Array(code, [1])[:].typecode for code in "bild"] == ["b", "i", "l", "d"]
    assert list(manager.Array("d", [0.5, 1.5])) == [0.5, 1.5]
