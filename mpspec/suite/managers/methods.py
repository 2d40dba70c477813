"""Tests of BaseProxy's own methods."""

from mpspec.children import raises
from mpspec.marks import requirement
from mpspec.suite.managers.helpers import life
from mpspec.suite.managers.workshop import Broken, FalseError, Unloadable, process_of


@requirement("managers.callmethod.result")
def test_callmethod_gives_the_result(manager):
    """``_callmethod(name, args)`` calls the referent's method, and gives its result."""
    shared = manager.list(range(10))
    assert shared._callmethod("__len__") == 10
    assert shared._callmethod("__getitem__", (slice(2, 7),)) == [2, 3, 4, 5, 6]
    # Whatever can stand behind a star.
    assert shared._callmethod("index", [4]) == 4
    # A result like others, though it could be raised.
    kept = manager.list([Broken("gear")])._callmethod("__getitem__", (0,))
    assert (type(kept), kept.args) == (Broken, ("gear",))


@requirement("managers.callmethod.keywords")
def test_callmethod_takes_keywords(manager):
    """``_callmethod(name, args, kwds)`` passes the keyword arguments on."""
    shared = manager.list([1, 3, 2])
    shared._callmethod("sort", (), {"reverse": True})
    assert shared[:] == [3, 2, 1]
    shared._callmethod(methodname="insert", args=(0, 4), kwds={})
    assert shared[:] == [4, 3, 2, 1]


@requirement("managers.callmethod.in-server")
def test_callmethod_runs_in_the_server(mp, workshop):
    """The method runs in the manager's process."""
    assert workshop.get_pid()._callmethod("pid") == process_of(mp, workshop).pid


@requirement("managers.callmethod.exception")
def test_callmethod_raises_what_the_method_raises(manager, workshop):
    """An exception of the method is raised again, with its type and arguments."""
    with raises(IndexError):
        manager.list(range(10))._callmethod("__getitem__", (20,))
    with raises(Broken) as raised:
        workshop.Machine().fail("gear", 7)
    assert raised.value.args == ("gear", 7)
    machine = workshop.Machine()
    for arguments in (("gear",), ("gear", 7, None, "rim", 5)):
        with raises(Broken) as raised:
            machine.fail(*arguments)
        assert raised.value.args == arguments
    with raises(Broken) as raised:
        machine.fail()
    assert raised.value.args == ()
    # Those that a server may meet, and take care of, itself; and one that is false.
    kinds = (EOFError, KeyError, AttributeError, ConnectionResetError, BrokenPipeError)
    for kind in (*kinds, TypeError, ValueError, FalseError):
        error = kind("gear", 7)
        error.part = "rim"
        with raises(kind) as raised:
            machine.raise_this(error)
        found = (type(raised.value), raised.value.args, raised.value.part)
        assert found == (kind, ("gear", 7), "rim")
    assert machine.turns() == 0


@requirement("managers.callmethod.exit-exception")
def test_callmethod_raises_what_would_end_a_program(mp):
    """SystemExit and KeyboardInterrupt of the method are raised again here, and the proxy can be used further."""
    expected = [(kind, (3,), 0) for kind in (SystemExit, KeyboardInterrupt)]
    assert life(mp)["exits"] == ("returned", expected)


@requirement("managers.callmethod.remote-error")
def test_callmethod_remote_error(mp, workshop):
    """What else goes wrong in the server is raised as RemoteError: a result that can't be sent, for instance."""
    machine = workshop.Machine()
    with raises(mp.managers.RemoteError):
        machine._callmethod("generate")
    with raises(mp.managers.RemoteError):
        machine.refuse()
    with raises(mp.managers.RemoteError):
        machine.fail_strangely()
    with raises(mp.managers.RemoteError):
        machine.names(part=Unloadable())
    assert machine.turns() == 0


@requirement("managers.callmethod.not-exposed")
def test_callmethod_of_a_hidden_method(manager):
    """Calling a method that is not exposed raises an exception."""
    shared = manager.list([1])
    with raises(Exception):
        shared._callmethod("__sizeof__")
    assert shared[:] == [1]


@requirement("managers.callmethod.not-exposed-error")
def test_callmethod_of_a_hidden_method_raises_remote_error(mp, manager):
    """Calling a method that is not exposed raises RemoteError."""
    with raises(mp.managers.RemoteError):
        manager.list([1])._callmethod("__sizeof__")


@requirement("managers.getvalue.copy")
def test_getvalue_gives_a_copy(manager, workshop):
    """``_getvalue()`` gives a copy of the referent."""
    shared = manager.list([1, 2])
    value = shared._getvalue()
    assert type(value) is list
    value.append(3)
    assert shared[:] == [1, 2]
    assert value == [1, 2, 3]
    assert manager.Namespace(x=[1])._getvalue().x == [1]
    assert workshop.Greeter("Ada")._getvalue().greet() == "Hi Ada"


@requirement("managers.getvalue.unpicklable")
def test_getvalue_of_an_unpicklable_referent(mp, workshop):
    """``_getvalue()`` raises when the referent can't be pickled."""
    generator = workshop.generator()
    with raises(Exception):
        generator._getvalue()
    assert workshop.Maths().add(1, 1) == 2
