"""Tests of how the start method is chosen: the default, set_start_method(), get_start_method()."""

import os

from mpspec.children import observed_once, outcome_of, raises
from mpspec.marks import requirement
from mpspec.suite.contexts.helpers import (
    BY_NUMBER,
    codes_by_method,
    default_facts,
    facts_of_program,
    looks_started_by,
    nothing,
    origin_of,
    send_facts,
    set_facts,
    told_by_child,
)


@requirement("contexts.available.on-linux")
def test_start_methods_on_linux(mp):
    """All three start methods are there, and none is twice."""
    methods = mp.get_all_start_methods()
    assert {"fork", "spawn", "forkserver"} <= set(methods)
    assert len(set(methods)) == len(methods)


@requirement("contexts.get-all-start-methods.list")
def test_all_start_methods_give_contexts(mp):
    """``get_context`` takes each of the names; what is done to the list does not change the next one."""
    methods = mp.get_all_start_methods()
    assert isinstance(methods, list)
    mp.get_all_start_methods().clear()
    assert mp.get_all_start_methods() == methods
    assert [mp.get_context(method).get_start_method() for method in methods] == methods


@requirement("contexts.get-all-start-methods.default-first")
def test_default_is_first(mp):
    """The first name is the one that is fixed when nobody chooses, whatever is chosen."""
    facts = facts_of_program(mp, default_facts)
    assert facts["first"] == facts["default"]
    assert facts_of_program(mp, set_facts)["first"] == facts["first"]


@requirement("contexts.default.fork")
def test_default_up_to_3_13(mp):
    """A program that does not choose uses fork, and starts a process by it."""
    assert facts_of_program(mp, default_facts)["default"] == "fork"
    assert looks_started_by(facts_of_program(mp, _after_start), "fork")


@requirement("contexts.default.forkserver")
def test_default_since_3_14(mp):
    """A program that does not choose uses forkserver, and starts a process by it."""
    assert facts_of_program(mp, default_facts)["default"] == "forkserver"
    assert looks_started_by(facts_of_program(mp, _after_start), "forkserver")


@requirement("contexts.get-start-method.allow-none")
def test_no_start_method_yet(mp):
    """With ``allow_none`` nothing is fixed, and None is given."""
    assert facts_of_program(mp, default_facts)["unfixed"] == [None, None]


@requirement("contexts.get-start-method.fixes-default")
def test_get_start_method_fixes_the_default(mp):
    """After ``get_start_method()`` there is a start method."""
    facts = facts_of_program(mp, default_facts)
    assert facts["default"] in {"fork", "spawn", "forkserver"}
    assert facts["fixed"] == facts["default"]


@requirement("contexts.get-start-method.after-set")
def test_get_start_method_after_set(mp):
    """``get_start_method()`` gives what was set."""
    assert facts_of_program(mp, set_facts)["after"] == mp.start_method


@requirement("contexts.get-start-method.of-context")
def test_get_start_method_of_a_context(mp):
    """A context keeps its own method, whatever is set or used."""
    methods = ("fork", "spawn", "forkserver")
    assert facts_of_program(mp, default_facts)["of contexts"] == [
        [method] * 3 for method in methods
    ]
    other = "spawn" if mp.start_method == "fork" else "fork"
    assert facts_of_program(mp, set_facts)["contexts"] == [other, mp.start_method]


@requirement("contexts.set-start-method.is-used")
def test_set_start_method_is_used(mp):
    """A child of the package itself was started by the method that was set."""
    assert looks_started_by(facts_of_program(mp, set_facts), mp.start_method)


@requirement("contexts.set-start-method.at-most-once")
def test_set_start_method_twice(mp):
    """A second call raises RuntimeError, whatever it asks for, with force=False as without; the method stays."""
    facts = facts_of_program(mp, set_facts)
    assert facts["again"] == ["RuntimeError"] * 6
    assert facts["after"] == mp.start_method


@requirement("contexts.set-start-method.not-after-use")
def test_set_start_method_after_use(mp):
    """RuntimeError once ``get_start_method()`` has fixed the default, or a process was started."""
    facts = facts_of_program(mp, default_facts)
    assert facts["set after use"] == "RuntimeError"
    assert facts["after that"] == facts["default"]
    assert facts_of_program(mp, _after_start)["set after that"] == "RuntimeError"


@requirement("contexts.set-start-method.force")
def test_set_start_method_by_force(mp):
    """``force=True``, by name or by position, changes a method that was set, though a child was started by it."""
    other = "spawn" if mp.start_method == "fork" else "fork"
    facts = facts_of_program(mp, set_facts)
    assert facts["forced"] == [other, other, mp.start_method, mp.start_method]
    assert looks_started_by({"child": facts["forced child"], "main": facts["main"]}, other)
    assert facts["methods of another"][1:] == ["RuntimeError", other]


def _set_unknown(mp):
    """In a new interpreter: what comes of an unknown name while no method is set, and by force when one is.

    The empty one's, too.
    """
    found = []
    for name, options in (
        ("no such method", {}),
        ("no such method", {"force": True}),
        ("", {"force": True}),
    ):
        found.append(outcome_of(mp.set_start_method, name, **options)[0])
        found.append(mp.get_start_method(allow_none=True))
        outcome_of(mp.set_start_method, "spawn")
    return found


@requirement("contexts.set-start-method.unknown")
def test_set_start_method_unknown(mp):
    """ValueError for a name that is no start method, be it empty; what was set, or not, stays."""
    assert facts_of_program(mp, _set_unknown) == ["ValueError", None, *["ValueError", "spawn"] * 2]


@requirement("contexts.set-start-method.returns-none")
def test_set_start_method_returns_none(mp):
    """``set_start_method`` gives None."""
    assert facts_of_program(mp, set_facts)["returned"] is None


@observed_once
def _children_of_two_contexts(mp):
    """Of the living children of two contexts: whether each was started by its method, their names, who lists them."""
    running = []
    for method in ("fork" if mp.start_method == "spawn" else "spawn", mp.start_method):
        context = mp.get_context(method)
        ours, theirs = context.Pipe()
        process = context.Process(target=_send_facts_and_wait, args=(theirs, mp))
        process.start()
        running.append((context, ours, process))
    processes = [process for *_, process in running]
    told = [{"child": ours.recv(), "main": os.getpid()} for _, ours, _ in running]
    facts = {
        "by method": [
            looks_started_by(each, context.get_start_method())
            for each, (context, *_) in zip(told, running, strict=True)
        ],
        "alive": [process.is_alive() for process in processes],
        "names": [process.name for process in processes],
        "listed": [
            {*processes} <= {*each.active_children()}
            for each in (mp.package, *(context for context, *_ in running))
        ],
    }
    for _, ours, process in running:
        ours.send("end")
        process.join()
    return facts


@requirement("contexts.several.in-one-program")
def test_several_contexts(mp):
    """The children of two contexts live together, each started by its context's method."""
    facts = _children_of_two_contexts(mp)
    assert facts["by method"] == [True, True]
    assert facts["alive"] == [True, True]


@requirement("contexts.several.count-as-one")
def test_children_of_several_contexts_are_counted_as_one(mp):
    """The package and either context list the children of two contexts, whose names end in numbers that follow."""
    facts = _children_of_two_contexts(mp)
    assert facts["listed"] == [True, True, True]
    first, second = (int(name.rpartition("-")[2].rpartition(":")[2]) for name in facts["names"])
    assert second == first + 1


def _send_facts_and_wait(connection, mp):
    send_facts(mp, connection)
    connection.recv()


@requirement("contexts.several.in-children")
def test_several_contexts_in_a_child(mp):
    """A child starts children of its own by each method, after its parent has."""
    for codes in codes_by_method(mp):
        assert len(codes) == len(BY_NUMBER)
        assert set(codes) <= {10, 11, 12}


@requirement("contexts.several.lock-of-fork-context")
def test_lock_of_another_context(mp):
    """``start()`` raises RuntimeError for a lock of the fork context, of either kind, or the child finds it locked."""
    context = mp.get_context("fork")
    for lock in (context.Lock(), context.RLock()):
        lock.acquire()
        receiver, sender = mp.Pipe(duplex=False)
        process = mp.Process(target=_try_lock, args=(lock, sender))
        kind, _ = outcome_of(process.start)
        sender.close()
        if kind == "returned":
            found = receiver.recv()
            process.join()
            assert found is False
        else:
            assert kind == "RuntimeError"


def _try_lock(lock, sender):
    sender.send(lock.acquire(block=False))


@requirement("contexts.set-start-method.of-context")
def test_set_start_method_of_a_context(mp):
    """A context's ``set_start_method()`` raises ValueError and changes neither method."""
    context = mp.get_context(mp.start_method)
    before = mp.get_start_method()
    for method in ("spawn" if mp.start_method == "fork" else "fork", mp.start_method, None):
        for options in ({}, {"force": True}):
            with raises(ValueError):
                context.set_start_method(method, **options)
    assert (context.get_start_method(), mp.get_start_method()) == (mp.start_method, before)


def _none_facts(mp):
    """In a new interpreter: what comes of asking for anything else, and of setting None."""
    asked = [mp.get_all_start_methods(), mp.cpu_count(), mp.active_children(), mp.current_process()]
    after_questions = mp.get_start_method(allow_none=True)
    del asked
    mp.set_start_method(None, force=False)
    default = mp.get_start_method(allow_none=True)
    mp.set_start_method(None, force=True)
    return {
        "after questions": after_questions,
        "default": default,
        "unset": mp.get_start_method(allow_none=True),
        "again": mp.get_start_method(allow_none=False),
        "set": [
            mp.set_start_method(None, force=True),
            outcome_of(mp.set_start_method, "spawn")[0],
            mp.get_start_method(),
        ],
        "unset again": [
            mp.set_start_method(None, force=True),
            mp.get_start_method(allow_none=True),
            mp.get_start_method(False),
        ],
    }


@requirement("contexts.get-all-start-methods.does-not-set")
def test_questions_leave_the_method_unset(mp):
    """After ``get_all_start_methods()``, ``cpu_count()`` and questions for processes one can still be set."""
    facts = facts_of_program(mp, _none_facts)  # which sets one after the questions
    assert facts["after questions"] is None


@requirement("contexts.set-start-method.none-by-force")
def test_start_method_unset(mp):
    """After ``set_start_method(None, force=True)`` there is no start method, and one can be set.

    Nothing stays of one that was set: the next question sets the default.
    """
    facts = facts_of_program(mp, _none_facts)
    assert facts["unset"] is None
    assert facts["set"] == [None, "returned", "spawn"]
    assert facts["unset again"] == [None, None, facts["default"]]


@requirement("contexts.set-start-method.none")
def test_start_method_set_to_none(mp):
    """After ``set_start_method(None)`` the default is the start method."""
    facts = facts_of_program(mp, _none_facts)
    assert facts["default"] == facts["again"] == facts_of_program(mp, default_facts)["default"]


def _after_start(mp):
    """In a new interpreter: what its first process tells, and what there is then, nobody having chosen."""
    child = told_by_child(mp)
    return {
        "child": child,
        "main": os.getpid(),
        "method": mp.get_start_method(allow_none=True),
        "set after that": outcome_of(mp.set_start_method, "spawn")[0],
    }


@requirement("contexts.global.set-by-use")
def test_start_sets_the_method(mp):
    """After a process was started, by the default, the start method is that, and can't be set."""
    facts, default = (
        facts_of_program(mp, _after_start),
        facts_of_program(mp, default_facts)["default"],
    )
    assert (facts["method"], facts["set after that"]) == (default, "RuntimeError")
    assert looks_started_by(facts, default)


def _after_pool(mp):
    with mp.pool.Pool(1, context=None) as pool:
        worker = {"child": origin_of(pool.apply(os.getpid)), "main": os.getpid()}
        return {"method": mp.get_start_method(allow_none=True), **worker}


def _after_pool_of_set(mp):
    mp.set_start_method("spawn")
    return _after_pool(mp)


@requirement("contexts.global.set-by-pool")
def test_pool_sets_the_method(mp):
    """After ``Pool(1, context=None)`` the start method is the default, unless another was set; it starts by that."""
    default = facts_of_program(mp, default_facts)["default"]
    for facts, method in ((_after_pool, default), (_after_pool_of_set, "spawn")):
        assert facts_of_program(mp, facts)["method"] == method
        assert looks_started_by(facts_of_program(mp, facts), method)


def _default_without_temporary_directory(mp):
    """In a new interpreter: the default when no file can be written, which it was when the package was imported."""
    import resource
    import tempfile

    package = mp.package
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))
    temporary, _ = outcome_of(tempfile.gettempdir)
    first = package.get_all_start_methods()[0]
    default = package.get_start_method()
    context = package.get_context().get_start_method()
    served = mp.get_context("forkserver").Process(target=nothing)
    try:
        served.start()
    except OSError:
        forkserver = "OSError"
    else:
        served.join()
        forkserver = served.exitcode
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    process = package.Process(target=nothing)
    process.start()
    process.join()
    return {
        "default": [temporary, default],
        "others": [first, context],
        "forkserver": forkserver,
        "start": [process.exitcode, package.get_start_method()],
        "child": told_by_child(mp),
        "main": os.getpid(),
    }


def _default_in_a_missing_folder(mp):
    """In a new interpreter: the default when files are to be put where nothing can be written."""
    import tempfile

    tempfile.tempdir = "/no/such/folder"
    return mp.package.get_start_method()


@requirement("contexts.default.without-temporary-directory")
def test_default_without_a_temporary_directory(mp):
    """A program that ``tempfile.gettempdir()`` finds no folder for, or one that is not there, uses spawn."""
    facts = facts_of_program(mp, _default_without_temporary_directory)
    assert facts["default"] == ["FileNotFoundError", "spawn"]
    assert facts_of_program(mp, _default_in_a_missing_folder) == "spawn"


@requirement("contexts.default.without-temporary-directory-starts")
def test_program_without_a_temporary_directory(mp):
    """Spawn is first of all methods, and the method of ``get_context()``; a process starts by it, and ends with 0."""
    facts = facts_of_program(mp, _default_without_temporary_directory)
    assert (facts["others"], facts["start"]) == (["spawn"] * 2, [0, "spawn"])
    assert looks_started_by(facts, "spawn")


@requirement("contexts.forkserver.without-temporary-directory")
def test_fork_server_without_a_temporary_directory(mp):
    """A process of the method forkserver can't be started, which OSError tells, or runs and ends with 0."""
    facts = facts_of_program(mp, _default_without_temporary_directory)
    assert facts["forkserver"] in ("OSError", 0)


def _after_objects(mp):
    """In a new interpreter: the start method after each object of the package was made, none having been set.

    And how the processes of those that have one came to be.
    """
    package = mp.package
    found, started = {}, []
    for name, arguments in {**dict.fromkeys(_OBJECTS, ()), **_OBJECTS_WITH_ARGUMENTS}.items():
        package.set_start_method(None, force=True)
        made = getattr(package, name)(*arguments)
        found[name] = package.get_start_method(allow_none=True)
        if name in _OBJECTS_WITH_PROCESSES:
            (process,) = package.active_children()
            started.append({"child": origin_of(process.pid), "main": os.getpid()})
            getattr(made, _OBJECTS_WITH_PROCESSES[name])()
        del made
    return {"methods": found, "started": started}


_OBJECTS = (
    *("Queue", "JoinableQueue", "SimpleQueue", "Lock", "RLock", "Semaphore", "BoundedSemaphore"),
    *("Condition", "Event"),
)
_OBJECTS_WITH_ARGUMENTS = {
    "Barrier": (1,),
    "Value": ("i",),
    "Array": ("i", 1),
    "Manager": (),
    "Pool": (1,),
}
_OBJECTS_WITH_PROCESSES = {"Manager": "shutdown", "Pool": "terminate"}


@requirement("contexts.global.set-by-objects")
def test_objects_set_the_method(mp):
    """After any queue, primitive, value or array, a manager or a pool was made the start method is the default.

    The manager's server and the pool's worker were started by it.
    """
    facts, default = (
        facts_of_program(mp, _after_objects),
        facts_of_program(mp, default_facts)["default"],
    )
    assert set(facts["methods"].values()) == {default}
    assert set(facts["methods"]) == {*_OBJECTS, *_OBJECTS_WITH_ARGUMENTS}
    assert [looks_started_by(each, default) for each in facts["started"]] == [True] * 2


def _after_modules(mp):
    """In a new interpreter: as ``_after_objects``, after each that a submodule makes with a context, and without."""
    ctypes, context = mp.sharedctypes, mp.get_context(mp.start_method)
    makers = {
        "Value": lambda **ctx: ctypes.Value("i", **ctx),
        "Array": lambda **ctx: ctypes.Array("i", 1, **ctx),
        "synchronized": lambda **ctx: ctypes.synchronized(ctypes.RawValue("i"), **ctx),
        "BaseManager": mp.managers.BaseManager,
    }
    found = {"with": {}, "without": {}}
    for kind, ctx in (("with", {"ctx": context}), ("without", {})):
        for name, make in makers.items():
            mp.set_start_method(None, force=True)
            made = make(**ctx)
            found[kind][name] = mp.get_start_method(allow_none=True)
            del made
    return found


@requirement("contexts.global.set-by-modules")
def test_objects_of_modules_set_the_method(mp):
    """After each of ``sharedctypes``, and a manager, was made the start method is the default; with a ctx, None."""
    found = facts_of_program(mp, _after_modules)
    default = facts_of_program(mp, default_facts)["default"]
    names = ("Value", "Array", "synchronized", "BaseManager")
    assert found["with"] == dict.fromkeys(names)
    assert found["without"] == dict.fromkeys(names, default)
