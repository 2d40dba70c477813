"""Tests of get_context(), and of what contexts and the package offer."""

import os
import re

from mpspec.children import ask, outcome_of, raises, remade
from mpspec.marks import requirement
from mpspec.suite.contexts.helpers import (
    count_descriptors,
    default_facts,
    facts_of_program,
    looks_started_by,
    method_after_start,
    origin_of,
    send_facts,
    set_facts,
)


def _send_child_facts(sender, mp):
    send_facts(mp, sender)


@requirement("contexts.get-context.method")
def test_context_starts_by_its_method(mp):
    """A child of ``get_context(m)`` was started by m."""
    receiver, sender = mp.Pipe(duplex=False)
    process = mp.get_context(mp.start_method).Process(target=_send_child_facts, args=(sender, mp))
    process.start()
    facts = {"child": receiver.recv(), "main": os.getpid()}
    process.join()
    assert looks_started_by(facts, mp.start_method)


@requirement("contexts.get-context.default")
def test_default_context(mp):
    """``get_context()`` has the program's start method, and a child of it was started by that."""
    facts = facts_of_program(mp, default_facts)
    assert facts["default context"] == [facts["default"]] * 3
    chosen = facts_of_program(mp, set_facts)
    facts_of_child = {"child": chosen["child of default"], "main": chosen["main"]}
    assert looks_started_by(facts_of_child, mp.start_method)


@requirement("contexts.get-context.unknown")
def test_context_of_unknown_method(mp):
    """ValueError for a name that is no start method, be it empty, or one in capitals."""
    for name in ("no such method", "", mp.start_method.upper()):
        with raises(ValueError):
            mp.get_context(name)


# The documented functions and classes of the package.
NAMES = [
    "Process",
    "Pipe",
    "Queue",
    "JoinableQueue",
    "SimpleQueue",
    "Lock",
    "RLock",
    "Semaphore",
    "BoundedSemaphore",
    "Condition",
    "Event",
    "Barrier",
    "Value",
    "Array",
    "RawValue",
    "RawArray",
    "Pool",
    "Manager",
    "active_children",
    "cpu_count",
    "current_process",
    "freeze_support",
    "get_context",
    "get_start_method",
    "set_start_method",
    "get_logger",
    "log_to_stderr",
    "set_executable",
    "set_forkserver_preload",
    "ProcessError",
    "BufferTooShort",
    "AuthenticationError",
    "TimeoutError",
]


@requirement("contexts.get-context.same-api")
def test_context_has_the_api(mp):
    """Every documented function and class of the package is an attribute of a context."""
    context = mp.get_context(mp.start_method)
    assert [name for name in NAMES if not hasattr(context, name)] == []


@requirement("contexts.get-context.same-errors")
def test_context_has_the_exceptions(mp):
    """The exceptions of the package are attributes of a context."""
    context = mp.get_context(mp.start_method)
    for name in ("ProcessError", "BufferTooShort", "AuthenticationError", "TimeoutError"):
        assert getattr(context, name) is getattr(mp, name)


@requirement("contexts.get-context.same-results")
def test_functions_of_a_context(mp):
    """Functions that have nothing to do with start methods give what the package's give."""
    context = mp.get_context(mp.start_method)
    ours, theirs = mp.Pipe()
    process = mp.Process(target=count_descriptors, args=(theirs,))
    process.start()
    for name in ("cpu_count", "active_children", "current_process", "get_logger"):
        assert getattr(context, name)() == getattr(mp, name)(), name
    ours.send("end")
    process.join()


def _parents(mp):
    """The pids of this process's parent, as the package tells it and as a context does."""
    contexts = mp.package, mp.get_context(mp.start_method)
    return [context.parent_process().pid for context in contexts]


@requirement("contexts.get-context.has-parent-process")
def test_context_tells_the_parent_process(mp):
    """A context's ``parent_process()`` gives what the package's gives, here and in a child."""
    context = mp.get_context(mp.start_method)
    assert context.parent_process() is mp.package.parent_process() is None
    assert ask(mp, _parents, mp) == [os.getpid()] * 2


@requirement("contexts.package.api")
def test_package_has_the_api(mp):
    """Every documented function and class is an attribute of the package."""
    names = [*NAMES, "get_all_start_methods"]
    assert [name for name in names if not hasattr(mp.package, name)] == []


@requirement("contexts.get-context.has-get-all-start-methods")
def test_context_lists_the_start_methods(mp):
    """A context's ``get_all_start_methods()`` gives what the package's gives."""
    context = mp.get_context(mp.start_method)
    assert context.get_all_start_methods() == mp.get_all_start_methods()


@requirement("contexts.get-context.does-not-set")
def test_context_does_not_set_the_method(mp):
    """After ``get_context(m)`` the program's start method is still open."""
    assert facts_of_program(mp, default_facts)["after get_context(m)"] is None


def _use_objects(queues, primitives, state, shared, words):
    """In a child: use what the package made."""
    queue, joinable, simple = queues
    lock, event, barrier, *taken = primitives
    number, items = state
    barrier.wait()
    words.append("to the server")
    # The parent has them all.
    items[1] = [each.acquire(False) for each in taken].count(False)
    queue.put(simple.get())
    joinable.get()
    with lock:
        number.value += 1
        items[0] = 7
    for one in shared:
        with one.get_lock():
            one.get_obj()
    value, array, wrapper = shared
    value.value, array[0], wrapper.value = 2, 7, 3
    joinable.task_done()
    event.wait()


def _shared_ctypes(module):
    """A value, an array and a wrapper made with None for a context; others are made without one elsewhere."""
    raw = module.RawValue("i", 1)
    value, array = module.Value("i", 1, ctx=None), module.Array("i", [0, 1], ctx=None)
    return value, array, module.synchronized(raw, None, None)


def _taken(package):
    """What objects of the package itself do by the arguments that its functions were given, all in this process."""
    lock, called = package.Lock(), []
    package.Barrier(1, lambda: called.append("action")).wait()
    package.Barrier(parties=1, action=lambda: called.append("action by name")).wait()
    limited = [package.Queue(1), package.Queue(maxsize=1)]
    limited += [package.JoinableQueue(1), package.JoinableQueue(maxsize=1)]
    for each in limited:
        each.put("the only one")
    semaphores = [package.Semaphore(2), package.Semaphore(value=2)]
    semaphores += [package.BoundedSemaphore(2), package.BoundedSemaphore(value=2)]
    held = []
    for condition in (package.Condition(lock), package.Condition(lock=lock)):
        with condition:
            held.append(not lock.acquire(block=False))
    numbers = package.Value("i", 3, lock=False), package.Array("i", [3], lock=False)
    ends = package.Pipe(False)
    barriers = package.Barrier(2, None, 0.01), package.Barrier(parties=2, timeout=0.01)
    found = {
        "limits": [outcome_of(each.put, 2, False)[0] for each in limited],
        "semaphores": [[each.acquire(False) for _ in range(3)] for each in semaphores],
        "condition": held,
        "barrier": [*called, *(outcome_of(each.wait)[0] for each in barriers)],
        "locks": [hasattr(each, "get_lock") for each in numbers],
        "own locks": [
            package.Value("i", lock=lock).get_lock() is lock,
            package.Array("i", 1, lock=lock).get_lock() is lock,
        ],
        "raw": [package.RawValue("i", 3).value, package.RawArray("i", [3, 4])[:]],
        "pipe": [end.writable for end in ends],
        "level": package.log_to_stderr(40).level,
    }
    for each in limited:
        each.get()
    for end in ends:
        end.close()
    return found


_TAKEN = {
    "limits": ["Full"] * 4,
    "semaphores": [[True, True, False]] * 4,
    "condition": [True] * 2,
    "barrier": ["action", "action by name", *["BrokenBarrierError"] * 2],
    "locks": [False] * 2,
    "own locks": [True] * 2,
    "raw": [3, [3, 4]],
    "pipe": [False, True],
    "level": 40,
}


_the_mark = None


def _mark(mark):
    global _the_mark
    _the_mark = mark


def _read_mark():
    return _the_mark


def _after_force(mp):
    """How what the package starts came to be when another method is set, by force, than it has used.

    And what a worker finds when the pool's arguments are given by name.
    """
    package, main = mp.package, os.getpid()
    named = {"initializer": _mark, "initargs": ("by name",), "maxtasksperchild": 2}
    with package.Pool(processes=1, **named) as pool:
        found = {"worker": origin_of(pool.apply(os.getpid))}
        mark = pool.apply(_read_mark)
    before = package.active_children()
    with package.Manager():
        (server,) = {*package.active_children()} - {*before}
        found["server"] = origin_of(server.pid)
    return {"mark": mark, **{kind: {"child": each, "main": main} for kind, each in found.items()}}


@remade
def _worker(mp):
    class Worker(mp.package.Process):
        def __init__(self, ran, *arguments, **options):
            super().__init__(*arguments, **options)
            self.ran = ran

        def run(self):
            self.ran.set()
            super().run()

    return Worker


def _package_facts(mp):
    """In a new interpreter: what comes of a program that uses the package alone, no context."""
    package = mp.package
    package.set_start_method(mp.start_method)
    queues = package.Queue(), package.JoinableQueue(), package.SimpleQueue()
    queue, joinable, simple = queues
    number, items = package.Value("i", 1), package.Array("i", [0, 1])
    event, barrier = package.Event(), package.Barrier(2)
    taken = [package.Lock(), package.Semaphore(1), package.BoundedSemaphore(1), package.Condition()]
    for each in taken:
        each.acquire()
    primitives = (package.RLock(), event, barrier, *taken)
    shared = _shared_ctypes(mp.sharedctypes)
    manager = package.Manager()
    (server,) = package.active_children()
    words = manager.list()
    ran = package.Event()
    arguments = queues, primitives, (number, items), shared
    taken_by_position = None, _use_objects, "a name", arguments, {"words": words}
    process = _worker(mp)(ran, *taken_by_position, daemon=True)
    queue.put("by the parent")  # what it has started for that is not the child's
    process.start()
    with package.Pool(1, _mark, ("by the initializer",), 2) as pool:
        barrier.wait(mp.timeout)
        origin = origin_of(process.pid)
        simple.put("through two queues")
        joinable.put("a task")
        joinable.join()
        event.set()
        texts = [queue.get(timeout=mp.timeout) for _ in range(2)]
        process.join()
        names = [process.name, package.Process().name]
        queue.close()
        joinable.close()
        pids = [pool.apply(os.getpid)]
        worker = origin_of(pids[0])
        mark = pool.apply(_read_mark)
        pids.append(pool.apply(os.getpid))
    with mp.pool.Pool(1) as pool:  # the class itself
        worker_of_class = origin_of(pool.apply(os.getpid))
    served = {"child": origin_of(server.pid), "main": os.getpid(), "words": words[:]}
    manager.shutdown()
    package.set_start_method("spawn" if mp.start_method == "fork" else "fork", force=True)
    return {
        "by force": _after_force(mp),
        "taken": _taken(package),
        "pool": [mark, pids[0] != pids[1]],
        "server": served,
        "sharedctypes": [shared[0].value, shared[1][:], shared[2].value],
        "objects": [sorted(texts), number.value, items[:], process.exitcode],
        "process": [names, process.daemon, ran.is_set()],
        "subclass": {"child": origin, "main": os.getpid()},
        "workers": [{"child": each, "main": os.getpid()} for each in (worker, worker_of_class)],
    }


@requirement("contexts.package.objects")
def test_objects_of_the_package(mp):
    """Queues, primitives and shared values of the package do their work in a child, and heed their arguments.

    By name as well as by position.
    """
    texts = ["by the parent", "through two queues"]
    facts = facts_of_program(mp, _package_facts)
    assert facts["objects"] == [texts, 2, [7, 4], 0]
    assert facts["taken"] == _TAKEN


@requirement("contexts.package.process")
def test_process_of_the_package(mp):
    """A subclass of the package's ``Process`` takes all arguments; ``run()`` is called, by the method that was set."""
    facts = facts_of_program(mp, _package_facts)
    (name, default), *rest = facts["process"]
    assert (name, *rest) == ("a name", True, True)
    assert re.fullmatch(r"Process-\d+(:\d+)*", default)
    assert looks_started_by(facts["subclass"], mp.start_method)


@requirement("contexts.package.pool")
def test_pool_of_the_package(mp):
    """A worker of the package's ``Pool()``, or of the class ``pool.Pool``, was started by the method that was set.

    It has called the initializer, and is replaced when its time is up. Later ones are started by what is set then,
    and the arguments may be given by name.
    """
    facts = facts_of_program(mp, _package_facts)
    for worker in facts["workers"]:
        assert looks_started_by(worker, mp.start_method)
    assert facts["pool"] == ["by the initializer", True]
    other = "spawn" if mp.start_method == "fork" else "fork"
    assert looks_started_by(facts["by force"]["worker"], other)
    assert facts["by force"]["mark"] == "by name"


@requirement("contexts.package.manager")
def test_manager_of_the_package(mp):
    """The server of the package's ``Manager()`` was started by the method that was set, and serves a child."""
    facts = facts_of_program(mp, _package_facts)
    server, other = facts["server"], "spawn" if mp.start_method == "fork" else "fork"
    assert looks_started_by(server, mp.start_method)
    assert server["words"] == ["to the server"]
    assert looks_started_by(facts["by force"]["server"], other)


@requirement("contexts.get-context.pool")
def test_pool_of_a_context(mp):
    """A worker of a context's ``Pool(1)`` was started by the context's method."""
    pool = mp.get_context(mp.start_method).Pool(1)
    facts = {"child": origin_of(pool.apply(os.getpid)), "main": os.getpid()}
    pool.close()
    pool.join()
    assert looks_started_by(facts, mp.start_method)


@requirement("contexts.get-context.manager")
def test_manager_of_a_context(mp):
    """The server of a context's ``Manager()`` was started by the context's method."""
    before = set(mp.active_children())
    with mp.get_context(mp.start_method).Manager():
        (server,) = set(mp.active_children()) - before
        facts = {"child": origin_of(server.pid), "main": os.getpid()}
    assert looks_started_by(facts, mp.start_method)


@requirement("contexts.get-context.of-context")
def test_contexts_of_a_context(mp):
    """A context's ``get_context()`` gives its own method, ``get_context(m)`` a context of m."""
    context = mp.get_context(mp.start_method)
    other = "spawn" if mp.start_method == "fork" else "fork"
    assert context.get_context().get_start_method() == mp.start_method
    assert context.get_context(other).get_start_method() == other
    assert context.get_context(method=other).get_start_method() == other
    assert context.get_context(method=None).get_start_method() == mp.start_method
    for name in ("no such method", ""):
        with raises(ValueError):
            context.get_context(name)


def _after_get_context(mp):
    found = []
    for arguments in ((), (None,)):
        mp.get_context(*arguments)
        found.append(mp.get_start_method(allow_none=True))
        mp.set_start_method(None, force=True)
    return found


@requirement("contexts.get-context.sets-default")
def test_default_context_sets_the_method(mp):
    """After ``get_context()``, or ``get_context(None)``, the start method is the default."""
    assert (
        facts_of_program(mp, _after_get_context)
        == [facts_of_program(mp, default_facts)["default"]] * 2
    )


@requirement("contexts.get-context.start-does-not-set")
def test_process_of_a_context_does_not_set_the_method(mp):
    """After a process of a context was started, the program's start method is still open."""
    assert facts_of_program(mp, method_after_start)[1] is None


@requirement("contexts.package.sharedctypes")
def test_sharedctypes_of_the_package(mp):
    """A child of the package locks and changes what was made without a context, and with None."""
    assert facts_of_program(mp, _package_facts)["sharedctypes"] == [2, [7, 1], 3]
