"""Tests of Process's parameters and attributes: name, pid, ident."""

import collections
import os
import re

from mpspec.children import CallerThread, ask, outcome_of, raises, remade
from mpspec.marks import requirement
from mpspec.suite.process.helpers import NAME, do_nothing, record_call, subclass, subclassed
from mpspec.suite.process.observed import (
    facts_of_pair,
    kin,
    life,
    recorded,
    seen_of_kin,
    told_by_kin,
)


@requirement("process.constructor.keywords")
def test_constructor_takes_keywords(mp):
    """All arguments may be given by keyword."""
    process = mp.Process(
        group=None, target=record_call, name="given", args=(1,), kwargs={"two": 2}, daemon=True
    )
    assert recorded(process) == [((1,), {"two": 2})]
    assert (process.name, process.daemon) == ("given", True)


@requirement("process.constructor.positional-order")
def test_constructor_order(mp):
    """By position the order is group, target, name, args, kwargs."""
    process = mp.Process(None, record_call, "given", (1,), {"two": 2})
    assert recorded(process) == [((1,), {"two": 2})]
    assert process.name == "given"


@requirement("process.constructor.group-none")
def test_constructor_refuses_a_group(mp):
    """A group other than None is refused, one that is false as well."""
    for group in ("a group", 0, ()):
        with raises(AssertionError, ValueError, TypeError):
            mp.Process(group=group)


@requirement("process.constructor.target-none")
def test_constructor_without_target(mp):
    """A process without a target, or with None for one, calls nothing, and ends at once, with exit code 0."""
    process = mp.Process(target=None)
    for each in (mp.Process(), mp.Process(None, None), process):
        assert each.run() is None
    process.start()
    process.join()
    assert process.exitcode == 0


@requirement("process.constructor.args-default-empty")
def test_constructor_without_arguments(mp):
    """The target gets no arguments unless some are given: it may as well be given the defaults."""
    for given in ({}, {"args": (), "kwargs": {}}):
        assert recorded(mp.Process(target=record_call, **given)) == [((), {})]


@requirement("process.constructor.args-list")
def test_constructor_with_a_list_of_arguments(mp):
    """A list of arguments does what a tuple does, in a child too."""
    given = [1, None, 2, []]
    assert recorded(mp.Process(target=record_call, args=given)) == [(tuple(given), {})]
    assert told_by_kin(mp, "plain", "items")[-1] == "child"


@requirement("process.constructor.kwargs")
def test_constructor_with_keyword_arguments(mp):
    """``kwargs`` become the target's keyword arguments, whatever their names, in a child too.

    A dictionary of a subclass does as well.
    """
    given = {"a": 1, "b": [2], "c": None, "d": ""}
    # As what stands between the constructor and the target may call its own parameters.
    given.update(dict.fromkeys(("self", "target", "function", "name", "args", "kwargs"), 3))
    for kwargs in (given, collections.OrderedDict(given)):
        assert recorded(mp.Process(target=record_call, kwargs=kwargs)) == [((), given)]
    assert told_by_kin(mp, "named", "items") is None


@requirement("process.constructor.arguments-of-the-moment")
def test_arguments_changed_after_the_constructor(mp):
    """A list and a dictionary of arguments that are changed later are for the target what they were."""
    args, kwargs = [1], {"two": 2}
    process = mp.Process(target=record_call, args=args, kwargs=kwargs)
    args.append("later")
    kwargs["later"] = True
    assert recorded(process) == [((1,), {"two": 2})]


@requirement("process.constructor.daemon-keyword-only")
def test_constructor_daemon_by_position(mp):
    """``daemon`` by position raises TypeError."""
    with raises(TypeError):
        mp.Process(None, None, None, (), {}, True)


@requirement("process.constructor.daemon-sets-flag")
def test_constructor_daemon(mp):
    """``daemon=True`` and ``daemon=False`` set the flag."""
    assert mp.Process(daemon=True).daemon is True
    assert mp.Process(daemon=False).daemon is False
    assert [bool(mp.Process(daemon=flag).daemon) for flag in (1, 0)] == [True, False]


@requirement("process.constructor.daemon-beats-inherited")
def test_constructor_daemon_in_a_daemon(mp):
    """In a daemonic process too ``daemon=False`` and ``daemon=True`` set the flag."""
    assert told_by_kin(mp, "daemon", "made")[1][2:4] == [False, True]


@requirement("process.constructor.daemon-none-inherits")
def test_constructor_daemon_inherited(mp):
    """A process object made in a daemonic process is daemonic, named or not; in another it is not.

    Be the thread that makes it daemonic or not.
    """
    for kind, inherited in (("daemon", True), ("plain", False)):
        first, second, _, _, named = told_by_kin(mp, kind, "made")[1]
        assert [first, second, named] == [inherited] * 3
    assert CallerThread(mp, mp, "Process").result().daemon is False


@requirement("process.constructor.subclass")
def test_subclass_with_a_constructor(mp):
    """Attributes that a subclass's constructor sets, before Process's or after, are there when run() runs."""
    assert subclassed(mp)[0] == ["kept"]


@remade
def _careless(mp):
    class Careless(mp.Process):
        def __init__(self):
            self.value = "its own"

    return Careless


@requirement("process.constructor.subclass-must-call")
def test_subclass_that_does_not_call_the_constructor(mp):
    """``start()`` of an object that ``Process.__init__`` has not seen raises, and there is no child more."""
    before = mp.active_children()
    assert outcome_of(_careless(mp)().start)[0] != "returned"
    assert mp.active_children() == before


@requirement("process.name.given")
def test_name_given(mp):
    """The name is the given one, on both sides."""
    assert seen_of_kin(mp, "named", "name") == told_by_kin(mp, "named", "itself")["name"] == NAME


@requirement("process.name.is-string")
def test_name_is_a_string(mp):
    """Names are strings, be they of a subclass."""
    process = mp.Process(name="given")
    assert isinstance(mp.Process().name, str)
    assert process.name == "given"
    process.name = type("Text", (str,), {})("text")
    assert process.name == "text"


@requirement("process.name.may-be-shared")
def test_name_shared(mp):
    """Two living processes may have one name."""
    facts = facts_of_pair(mp)
    assert facts["names"] == ["shared", "shared"]
    assert facts["alive"] == [True, True]


@requirement("process.name.no-semantics")
def test_name_changed(mp):
    """A living process may be renamed, and goes on as before; one that has ended may be as well."""
    facts = life(mp)
    assert facts["while running"]["name"] == ("returned", None)
    assert facts["unharmed"]["name"] == facts["ended"]["name"] == ("returned", "renamed")
    assert facts["unharmed"]["is_alive"] == ("returned", True)
    assert facts["names at end"] == ["another", "renamed"]


@requirement("process.name.set-before-start")
def test_name_set_before_start(mp):
    """A child has the name that its object was given after its making."""
    assert (
        seen_of_kin(mp, "daemon", "name") == told_by_kin(mp, "daemon", "itself")["name"] == "after"
    )


@requirement("process.name.stays-string")
def test_name_set_to_a_number(mp):
    """After an attempt to set a name to a number it is a string."""
    process = mp.Process(name="given")
    outcome_of(setattr, process, "name", 5)
    assert isinstance(process.name, str)


def _default_names(mp):
    """Names of processes that are made one after the other, none of which is given one."""
    return [
        mp.Process().name,
        mp.Process(name=None).name,
        subclass(mp, "MyProcess")(None, None).name,
    ]


@requirement("process.name.default-pattern")
def test_default_names(mp):
    """Default names, for which None stands too, count the children of the process that made them, of any class."""
    names = _default_names(mp)
    pattern = re.compile(r"\w*Process-(?:\d+:)*(\d+)")
    found = [pattern.fullmatch(name) for name in names]
    assert all(found), names
    first = int(found[0][1])
    assert [int(each[1]) for each in found] == [first, first + 1, first + 2]


@requirement("process.name.default-distinct")
def test_default_names_differ(mp):
    """Processes that are given no name have different ones, be they many."""
    assert len({*_default_names(mp)}) == 3
    assert len({mp.Process().name for _ in range(12)}) == 12


@requirement("process.name.of-subclass")
def test_default_name_of_a_subclass(mp):
    """The default name of an object of a subclass begins with the name of its class."""
    process = subclass(mp, "Worker")(None, None)
    assert re.fullmatch(r"Worker-(?:\d+:)*\d+", process.name)


UNIMPORTABLE = """
if __name__ == "__main__":
    def knigit():
        pass

    process = mp.Process(target=knigit)
    process.start()
    process.join()
    print(process.exitcode)
"""


@requirement("process.constructor.target-not-importable")
def test_target_that_a_child_cannot_import(mp):
    """A function that only the parent's main module has, as in an interactive session, is not found by the child."""
    from mpspec.programs import run_script

    done = run_script(mp, UNIMPORTABLE)
    assert done.stdout.split() == ["1"]
    assert "AttributeError" in done.stderr


def _names_below(mp, generations):
    """The names of this process and of one that it has made; then of a child the same, through generations."""
    names = [mp.current_process().name, mp.Process().name]
    return names + (ask(mp, _names_below, mp, generations - 1) if generations else [])


@requirement("process.name.generations")
def test_default_names_of_grandchildren(mp):
    """The first children of a child are called after it, with :1 and :2, and so on through generations."""
    name = seen_of_kin(mp, "plain", "name")
    assert told_by_kin(mp, "plain", "itself")["name"] == name
    assert told_by_kin(mp, "plain", "made")[0][:2] == [f"{name}:1", f"{name}:2"]
    child, *below = ask(mp, _names_below, mp, 2)
    assert below == [f"{child}{path}" for path in (":1", ":2", ":2:1", ":2:2", ":2:2:1")]


@requirement("process.name.counts-named")
def test_default_names_beside_given_ones(mp):
    """A child with a name of its own has its number too, which the names of its children tell."""
    prefix, _, number = kin(mp)["last"].rpartition("-")
    path, _, last = number.rpartition(":")
    # The named child is the second that was made after the one whose name was the last.
    identity = f"{path}:{int(last) + 2}" if path else f"{int(last) + 2}"
    expected = [f"{prefix}-{identity}:1", f"{prefix}-{identity}:2"]
    assert told_by_kin(mp, "named", "made")[0][:2] == expected


@requirement("process.pid.none-before-start")
def test_no_pid_before_start(mp):
    """``pid`` is None before ``start()``."""
    assert mp.Process(target=do_nothing).pid is None


def _send_pid(connection):
    connection.send(os.getpid())


@requirement("process.pid.of-child")
def test_pid(mp):
    """``pid`` is the child's ``os.getpid()``."""
    receiver, sender = mp.Pipe(duplex=False)
    process = mp.Process(target=_send_pid, args=(sender,))
    process.start()
    assert process.pid == receiver.recv()
    process.join()


@requirement("process.pid.stays")
def test_pid_after_the_end(mp):
    """``pid`` is the same after the end."""
    facts = life(mp)
    assert isinstance(facts["running"]["pid"][1], int)
    assert facts["running"]["pid"] == facts["ended"]["pid"] == facts["after signals"]["pid"]


@requirement("process.ident.same-as-pid")
def test_ident(mp):
    """``ident`` is ``pid``, before ``start()``, while the process runs, and when it has ended."""
    facts = life(mp)
    states = [facts[when] for when in ("before", "running", "ended")]
    assert [state["ident"] for state in states] == [state["pid"] for state in states]
