"""Tests of register()."""

import gc
import pickle

from mpspec.children import ask, raises
from mpspec.marks import requirement
from mpspec.suite.managers.helpers import life, life_at, turn_part_of
from mpspec.suite.managers.workshop import Maths, Part, queue_client, workshop_manager


@requirement("managers.register.type")
def test_register_a_class(workshop):
    """A registered class can be instantiated in the server, and used from here."""
    maths = workshop.Maths()
    assert maths.add(4, 3) == 7
    assert maths.mul(7, 8) == 56


@requirement("managers.register.callable")
def test_register_a_function(workshop):
    """A registered function's result is shared, be it a new object or not."""
    assert workshop.operator().add(23, 45) == 68
    assert workshop.store().add(23, 45) == 68  # by what is false itself
    # By another typeid that exposes less: what this one exposes can be used for all that.
    _limited, first = workshop.get_part_to_turn(), workshop.get_shared_part()
    first.turn_back()
    second = workshop.get_shared_part()
    before = first.turn()
    assert second.turn() == before + 1
    del first
    gc.collect()
    assert second.turn() == before + 2


@requirement("managers.register.arguments")
def test_register_passes_arguments(workshop):
    """Arguments of the creating method are handed to the callable."""
    assert workshop.Greeter("Ada", polite=True).greet() == "Dear Ada"
    # Names that the machinery in between may use itself.
    taken = {
        "self": 1,
        "typeid": 2,
        "callable": 3,
        "args": 4,
        "kwds": 5,
        "c": 6,
        "methodname": None,
    }
    assert list(workshop.names(**taken)._getvalue()) == sorted(taken)
    assert workshop.Machine().names(**taken) == sorted(taken)
    namespace = workshop.Namespace(**taken)
    assert [getattr(namespace, name) for name in taken] == [*taken.values()]


@requirement("managers.register.classmethod")
def test_register_is_a_classmethod(mp):
    """What is registered with a class is known to it and its subclasses, not to the class it derives from."""

    class Base(mp.managers.BaseManager):
        pass

    class Derived(Base):
        pass

    Base.register("Maths", Maths)
    Derived.register("Part", Part)
    assert callable(Base.Maths)
    assert callable(Derived.Maths)
    assert not hasattr(Base, "Part")
    assert not hasattr(mp.managers.BaseManager, "Maths")


@requirement("managers.register.positional-order")
def test_register_arguments_by_position(mp, workshop):
    """By position they are typeid, callable, proxytype, exposed, method_to_typeid, create_method."""
    machine = workshop.OrderedMachine()
    part = machine.part()
    assert isinstance(part, mp.managers.BaseProxy)
    assert (part.turn(), machine.turns()) == (1, 1)
    assert not hasattr(machine, "stop")
    assert not hasattr(workshop, "HiddenMachine")


@requirement("managers.register.anew")
def test_register_a_typeid_anew(mp, workshop):
    """What a subclass registers under a typeid of its base class holds there, and leaves the base class its own.

    So does what a class registers under a typeid of its own.
    """
    assert life(mp)["sum"] == 7
    assert workshop.Event().turn_twice() == [1, 2]
    assert workshop.Anew().turn() == 1


@requirement("managers.register.typeid-string")
def test_typeid_must_be_text(mp):
    """A typeid that is no string is refused."""

    class Manager(mp.managers.BaseManager):
        pass

    with raises(TypeError):
        Manager.register(1, Maths)


@requirement("managers.register.callable-raises")
def test_creation_fails(mp, workshop):
    """When the callable raises, creation raises RemoteError, and the server goes on."""
    with raises(mp.managers.RemoteError, match="Broken"):
        workshop.fail()
    assert workshop.Maths().add(1, 1) == 2


@requirement("managers.register.proxytype")
def test_proxytype_makes_the_proxies(mp, workshop):
    """Proxies are of the class that was given as proxytype, also those of a manager that has connected, and copies."""
    client = workshop_manager(mp)(address=workshop.address, ctx=mp.context)
    client.connect()
    for manager in (workshop, client):
        squares = manager.squares()
        assert squares.describe() == "squares"
        assert pickle.loads(pickle.dumps(squares)).describe() == "squares"
        assert list(squares) == [0, 1, 4, 9]


@requirement("managers.register.proxytype-automatic")
def test_proxytype_is_made(mp, workshop):
    """Without a proxytype a class of proxies is made, with the exposed methods."""
    maths = workshop.Maths()
    assert isinstance(maths, mp.managers.BaseProxy)
    assert callable(maths.add)
    assert callable(maths.mul)


@requirement("managers.register.exposed")
def test_exposed_names_the_methods(workshop):
    """Only the methods listed as exposed can be called."""
    whisperer = workshop.Whisperer("Ada")
    assert whisperer.greet() == "Hi Ada"
    assert not hasattr(whisperer, "wave")
    with raises(Exception):
        whisperer._callmethod("wave")


@requirement("managers.register.exposed-by-each-typeid")
def test_each_typeid_exposes_methods_of_its_own(workshop):
    """When one typeid has shared an object, another that exposes less neither takes methods from it nor gets more."""
    wider, narrower = workshop.get_shared_part(), workshop.get_part_to_turn()
    turns = narrower.turn()
    wider.turn_back()
    assert wider.turn() == turns
    with raises(Exception):
        narrower._callmethod("turn_back")


@requirement("managers.register.exposed-private")
def test_exposed_may_name_private_methods(workshop):
    """A method whose name begins with an underscore can be exposed."""
    whisperer = workshop.Whisperer("Ada")
    assert whisperer._whisper() == "whispers"
    assert whisperer._callmethod("_whisper") == "whispers"
    assert pickle.loads(pickle.dumps(whisperer))._whisper() == "whispers"
    sized = workshop.Sized([5, 6])
    assert (len(sized), sized[1]) == (2, 6)


@requirement("managers.register.exposed-by-proxytype")
def test_exposed_by_the_proxytype(workshop):
    """Without an exposed list, or with None, the proxytype's ``_exposed_`` counts."""
    for machine in (workshop.ProxiedMachine(), workshop.PartlyNoneMachine()):
        assert machine._callmethod("turns") == 0
        with raises(Exception):
            machine._callmethod("stop")


@requirement("managers.register.exposed-before-proxytype")
def test_exposed_counts_before_the_proxytype(workshop):
    """When both are there ``exposed`` counts, and the proxytype's ``_exposed_`` does not."""
    machine = workshop.StoppedMachine()
    assert machine._callmethod("stop") == "stopped"
    with raises(Exception):
        machine._callmethod("turns")


@requirement("managers.register.empty-counts")
def test_what_is_empty_counts(workshop):
    """An empty ``exposed`` or ``method_to_typeid`` is not None: it exposes nothing, it makes no proxies."""
    assert not hasattr(workshop.SecretMachine(), "turns")
    for machine in (workshop.SecretMachine(), workshop.SecretProxiedMachine()):
        with raises(Exception):
            machine._callmethod("turns")
    assert type(workshop.UntypedMachine().part()) is Part


@requirement("managers.register.public-methods")
def test_public_methods_are_exposed(workshop):
    """Without any exposed list all public methods are, and nothing else is, for a proxytype without one too."""
    greeter = workshop.Greeter("Ada")
    assert (greeter.greet(), greeter.wave()) == ("Hi Ada", "waves")
    assert (greeter.shout(), greeter.call(), greeter.number("7")) == ("shouts", "shouts", 7)
    assert not hasattr(greeter, "_whisper")
    assert not hasattr(greeter, "greeting")
    with raises(Exception):
        greeter._callmethod("_whisper")
    host = workshop.Host("Ada")
    assert (host.serve(), host.greet(), host.shout()) == ("serves", "Hi Ada", "shouts")
    proxied = workshop.ProxiedGreeter("Ada")
    assert proxied.greet_twice() == ["Hi Ada"] * 2
    assert [proxied._callmethod(name) for name in ("wave", "shout")] == ["waves", "shouts"]
    with raises(Exception):
        proxied._callmethod("_whisper")
    # Those of the object at hand, when one callable makes several kinds.
    made = [workshop.make(kind) for kind in (Part, Maths, Part)]
    assert [made[0].turn(), made[1].mul(2, 3), made[2].turn()] == [1, 6, 1]


@requirement("managers.register.exposed-attribute")
def test_exposed_attribute_of_a_proxy(workshop):
    """An automatic proxy tells what is exposed as ``_exposed_``."""
    expected = ["call", "greet", "number", "shout", "wave"]
    assert sorted(workshop.Greeter("Ada")._exposed_) == expected
    assert sorted(workshop.Whisperer("Ada")._exposed_) == ["_whisper", "greet"]


@requirement("managers.register.method-to-typeid")
def test_method_to_typeid(mp, workshop):
    """A method named in method_to_typeid returns a proxy for its result, of that typeid, with what that exposes."""
    machine = workshop.Machine()
    part = machine.part()
    assert isinstance(part, mp.managers.BaseProxy)
    assert part.turn() == 1
    assert machine.turns() == 1
    # A proxy that a method has returned does so as well.
    assert isinstance(workshop.Chain().follow().follow(), mp.managers.BaseProxy)
    chain = workshop.Chain()  # pull() gives a proxy for the chain itself
    assert chain.pull().pull().pulled() == chain.pulled() == 2
    machine = workshop.RimmedMachine()
    rim = machine.part()
    assert rim.turn_twice() == [1, 2]
    with raises(Exception):
        rim._callmethod("turn_back")
    names = machine.names(b=1, a=2)
    assert type(names) is type(workshop.list())
    assert names[:] == ["a", "b"]
    names = machine.names()
    assert type(names) is type(workshop.list())  # though there is nothing in it
    assert names[:] == []
    assert isinstance(machine.nothing(), mp.managers.BaseProxy)


@requirement("managers.register.method-to-typeid-by-proxytype")
def test_method_to_typeid_of_the_proxytype(mp, workshop):
    """Without method_to_typeid, or with None, the proxytype's ``_method_to_typeid_`` counts."""
    for machine in (workshop.ProxiedMachine(), workshop.PartlyNoneMachine()):
        part = machine.part()
        assert isinstance(part, mp.managers.BaseProxy)
        assert part.turn() == 1
        assert machine.turns() == 1


@requirement("managers.register.method-to-typeid-before-proxytype")
def test_method_to_typeid_counts_before_the_proxytype(workshop):
    """When both are there ``method_to_typeid`` counts, not the proxytype's ``_method_to_typeid_``."""
    machine = workshop.TypedMachine()
    assert type(machine.part()) is Part


@requirement("managers.register.result-copied")
def test_results_are_copies(workshop):
    """What any other method returns is copied."""
    machine = workshop.PlainMachine()
    part = machine.part()
    assert type(part) is Part
    assert part.turn() == 1
    assert machine.turns() == 0


@requirement("managers.register.create-method-false")
def test_create_method_false(mp, workshop):
    """With create_method=False the manager has no method of that name."""
    assert not hasattr(workshop, "Part")
    assert callable(workshop.Machine)


@requirement("managers.register.callable-none")
def test_callable_may_be_left_out(mp, workshop, queue_server):
    """A typeid that is only returned by methods needs no callable, nor one of a manager that only connects."""
    part = workshop.Machine().part()
    assert part.turn() == 1
    client = queue_client(mp, queue_server)
    client.connect()
    assert client.get_queue().qsize() == 0


@requirement("managers.register.method-to-typeid-in-child")
def test_method_to_typeid_in_a_child(mp, workshop):
    """In a child, too, a method named in method_to_typeid gives a proxy for what is in the server."""
    machine = workshop.Machine()
    assert ask(mp, turn_part_of, machine) == 1
    assert machine.turns() == 1


@requirement("managers.register.method-to-typeid-with-authkey")
def test_method_to_typeid_of_a_manager_with_a_key(mp, socket_path):
    """The proxy that a method returns can be used when the manager has an authkey of its own."""
    assert life_at(mp, socket_path)["turn"] == ("returned", 1)
