"""Tests of the chapter contexts: what each start method gives a child, and how a program chooses among them."""

import contextlib
import os
import pickle
import re
import signal
import sys
import threading

from mpspec.children import Unpicklable, ask, observed_once, outcome_of, raises, remade, run
from mpspec.marks import requirement
from mpspec.programs import call

_state = "as imported"


def _read_state():
    return _state


@requirement("contexts.spawn.fresh-interpreter")
def test_state_of_modules_in_a_fresh_child(mp):
    """A module is in the child as its import leaves it, whatever the parent did to it."""
    global _state
    _state = "changed by the parent"
    seen = ask(mp, _read_state)
    _state = "as imported"
    assert seen == "as imported"


def _command_line():
    with open("/proc/self/cmdline", "rb") as file:
        return file.read()


@requirement("contexts.spawn.interpreter-is-started")
def test_command_line_of_a_spawned_child(companion):
    """A spawned child has a command line of its own, with the interpreter first."""
    command = companion.ask(_command_line)
    assert command != _command_line()
    assert command.split(b"\0")[0].decode() == sys.executable


def _names_of_descriptors():
    names = []
    for number in os.listdir("/proc/self/fd"):
        try:
            names.append(os.readlink(f"/proc/self/fd/{number}"))
        except FileNotFoundError:
            continue  # the listing's own
    return names


def _pipe_name(descriptor):
    return os.readlink(f"/proc/self/fd/{descriptor}")


@requirement("contexts.spawn.no-unneeded-descriptors")
def test_descriptors_in_a_fresh_child(mp):
    """A pipe that is no argument is not open in the child, though it is inheritable."""
    reader, writer = os.pipe()
    os.set_inheritable(reader, True)
    names = ask(mp, _names_of_descriptors)
    mine = _pipe_name(reader)
    os.close(reader)
    os.close(writer)
    assert mine not in names
    assert _facts(mp, _set_facts)["inherits"] is False  # nor is it in the first child of a program


def _send(connection, words, *_):
    connection.send(words)


@observed_once
def _sent_by_fresh_child(mp):
    """What a child has sent over a connection: an argument that was changed when the process object had been made."""
    receiver, sender = mp.Pipe(duplex=False)
    others = [end for _ in range(20) for end in mp.Pipe()]
    words = ["when it was made"]
    process = mp.Process(target=_send, args=(sender, words, *others))
    words.append("when it was started")
    process.start()
    process.join()
    sender.close()
    received = receiver.recv()
    for end in others:
        end.close()
    return received


def _count_descriptors(connection):
    connection.send(len(os.listdir("/proc/self/fd")))
    connection.recv()


@requirement("contexts.spawn.no-descriptors-of-siblings")
def test_descriptors_of_siblings(mp):
    """Three children that live at the same time have equally many descriptors."""
    running, counts = [], []
    for _ in range(3):
        ours, theirs = mp.Pipe()
        process = mp.Process(target=_count_descriptors, args=(theirs,))
        process.start()
        theirs.close()
        counts.append(ours.recv())
        running.append((ours, process))
    for ours, process in running:
        ours.send("end")
        process.join()
    assert len(set(counts)) == 1


@requirement("contexts.spawn.needed-descriptors")
def test_connection_in_a_fresh_child(mp):
    """A connection among the arguments works in the child, among many others."""
    assert _sent_by_fresh_child(mp)[0] == "when it was made"


def _nothing(*args, **kwargs):
    """In a child: do nothing."""


@requirement("contexts.spawn.pickles-arguments")
def test_arguments_that_cannot_be_pickled(mp):
    """``start()`` raises when an argument, by position or by name, or the target, can't be pickled.

    It pickles them as they are then.
    """
    for process in (
        mp.Process(target=_nothing, args=(_generator(),)),
        mp.Process(target=_nothing, kwargs={"given": _generator()}),
        mp.Process(target=_generator()),
    ):
        with raises(Exception):
            process.start()
    assert _sent_by_fresh_child(mp) == ["when it was made", "when it was started"]


def _generator():
    yield


@requirement("contexts.spawn.failed-start-leaves-no-child")
def test_no_child_after_a_failed_start(mp, companion):
    """After a ``start()`` that raised there is no active child but the one that was there."""
    before = set(mp.active_children())
    assert before
    with raises(Exception):
        mp.Process(target=_nothing, args=(_generator(),)).start()
    assert set(mp.active_children()) == before


@requirement("contexts.spawn.failed-start-leaves-no-trace")
def test_pickling_after_a_failed_start(mp):
    """After a ``start()`` that raised, locks and keys are refused by pickle, and connections can be sent, as before.

    So it is after one that a Ctrl-C has ended while it pickled.
    """
    for argument in (_generator(), Unpicklable(KeyboardInterrupt)):
        with raises(Exception, KeyboardInterrupt):
            mp.Process(target=_nothing, args=(argument,)).start()
        for refused in (mp.Lock(), mp.current_process().authkey):
            with raises(RuntimeError, TypeError):
                pickle.dumps(refused)
    (receiver, sender), (travelling, other) = mp.Pipe(duplex=False), mp.Pipe()
    sender.send(travelling)
    received = receiver.recv()
    travelling.close()
    received.send("over the one received")
    assert other.recv() == "over the one received"


class _SenderFromAnotherThread:
    """Sends a queue by another thread while it is pickled itself, which it refuses to be."""

    def __init__(self, mp):
        self._connection, self._other = mp.Pipe()
        self._queue = mp.Queue()
        self.outcome = None

    def __reduce__(self):
        thread = threading.Thread(target=self._send)
        thread.start()
        thread.join()
        raise TypeError

    def _send(self):
        self.outcome, _ = outcome_of(self._connection.send, self._queue)


@requirement("contexts.spawn.start-is-of-one-thread")
def test_other_threads_while_one_starts_a_process(mp):
    """A queue is refused by the connection through which another thread sends it while ``start()`` pickles."""
    argument = _SenderFromAnotherThread(mp)
    with raises(TypeError):
        mp.Process(target=_nothing, args=(argument,)).start()
    assert argument.outcome == "RuntimeError"


def _path():
    return sys.path


@requirement("contexts.spawn.module-path")
def test_module_path_of_a_fresh_child(mp):
    """A folder that the parent put first on ``sys.path`` comes first on the child's, the others in their order."""
    added = "/a folder that is nowhere else"
    sys.path.insert(0, added)
    path = ask(mp, _path)
    mine = [folder for folder in sys.path if folder]
    sys.path.remove(added)
    assert [folder for folder in path if folder in mine] == mine


@requirement("contexts.fork.identical-to-parent")
def test_state_of_modules_in_a_forked_child(mp):
    """A forked child sees what the parent did to a module, and handles signals as its parent does."""
    global _state
    _state = "changed by the parent"
    seen = ask(mp, _read_state)
    _state = "as imported"
    assert seen == "changed by the parent"
    before = {number: signal.signal(number, _nothing) for number in _HANDLED}
    try:
        assert ask(mp, _read_handlers) == _read_handlers()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


# The signals that a program may get from its terminal, or from who wants it to end.
_HANDLED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


def _read_handlers():
    return [str(signal.getsignal(number)) for number in (*_HANDLED, signal.SIGCHLD)]


@requirement("contexts.fork.inherits-descriptors")
def test_descriptors_in_a_forked_child(mp):
    """A pipe of the parent's is open in the child, though nobody gave it."""
    reader, writer = os.pipe()
    names = ask(mp, _names_of_descriptors)
    mine = _pipe_name(reader)
    os.close(reader)
    os.close(writer)
    assert mine in names


@requirement("contexts.fork.needs-no-pickling")
def test_unpicklable_target_of_a_forked_child(mp):
    """A lambda may be the target, and a generator an argument."""
    receiver, sender = mp.Pipe(duplex=False)
    run(mp, lambda generator: sender.send(next(generator)), iter(["from a generator"]))
    assert receiver.recv() == "from a generator"


def _read_twice(waiting, sender):
    before = _state
    sender.send("began")
    waiting.recv()
    sender.send((before, _state))


@requirement("contexts.fork.state-of-the-moment")
def test_later_changes_do_not_show_in_a_forked_child(mp):
    """What the parent changes after ``start()`` stays with the parent."""
    global _state
    receiver, sender = mp.Pipe(duplex=False)
    waiting, tell = mp.Pipe(duplex=False)
    _state = "before start"
    process = mp.Process(target=_read_twice, args=(waiting, sender))
    process.start()
    receiver.recv()
    _state = "after start"
    tell.send("look again")
    seen = receiver.recv()
    process.join()
    _state = "as imported"
    assert seen == ("before start", "before start")


@requirement("contexts.forkserver.server-is-parent")
def test_parent_of_forkserver_children(mp, companion):
    """Two children have one parent, which is not the process that started them."""
    first, second = companion.ask(os.getppid), ask(mp, os.getppid)
    assert first == second
    assert first != os.getpid()


def _threads_of_parent():
    return len(os.listdir(f"/proc/{os.getppid()}/task"))


@requirement("contexts.forkserver.server-of-grandchildren")
def test_parent_of_forkserver_grandchildren(mp, companion):
    """A child's child is forked by the server that has forked the child, and that goes on when both have ended.

    The child first, killed: nobody is left who would take the exit code of its own child.
    """
    from mpspec.observing import has_ended, wait_until

    assert ask(mp, ask, mp, os.getppid) == companion.ask(os.getppid)
    ours, theirs = mp.Pipe()
    run(mp, _leave_child_behind, mp, theirs)
    grandchild, server = ours.recv()
    ours.send("end")
    wait_until(lambda: has_ended(grandchild), mp.timeout, "the child of the killed one ended")
    assert ask(mp, os.getppid) == companion.ask(os.getppid) == server


def _leave_child_behind(mp, connection):
    """In a child: start one that tells of itself and waits, and be killed."""
    receiver, sender = mp.Pipe(duplex=False)
    mp.Process(target=_tell_and_wait, args=(connection, sender)).start()
    receiver.recv()
    os.kill(os.getpid(), signal.SIGKILL)


def _tell_and_wait(connection, sender):
    connection.send((os.getpid(), os.getppid()))
    sender.send("told")
    connection.recv()


@requirement("contexts.forkserver.single-threaded")
def test_threads_of_the_fork_server(companion):
    """The parent of a forkserver child has one thread."""
    assert companion.ask(_threads_of_parent) == 1


def _change_state():
    global _state
    _state = "changed by a child"
    return _state


@requirement("contexts.forkserver.state-of-server")
def test_forkserver_children_do_not_share_state(mp):
    """What one child changed is unchanged in the next."""
    assert ask(mp, _change_state) == "changed by a child"
    assert ask(mp, _read_state) == "as imported"


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


def _default_facts(mp):
    """In a new interpreter: what there is before anybody has chosen."""
    unfixed = [mp.get_start_method(allow_none=True), mp.get_start_method(True)]
    mp.get_context(method="spawn")
    still_unfixed = mp.get_start_method(allow_none=True)
    default = mp.get_start_method()
    fixed = mp.get_start_method(allow_none=True)
    return {
        "unfixed": unfixed,
        "after get_context(m)": still_unfixed,
        "default": default,
        "default context": [
            mp.get_context().get_start_method(),
            mp.get_context(None).get_start_method(),
            mp.get_context(method=None).get_start_method(),
        ],
        "fixed": fixed,
        "first": mp.get_all_start_methods()[0],
        "set after use": outcome_of(mp.set_start_method, "spawn")[0],
        "after that": mp.get_start_method(),
        "of contexts": [
            [
                mp.get_context(m).get_start_method(),
                mp.get_context(m).get_start_method(True),
                mp.get_context(m).get_start_method(allow_none=True),
            ]
            for m in ("fork", "spawn", "forkserver")
        ],
    }


def _facts(mp, function, options=()):
    """The facts of a program, which all tests of a variant share."""
    key = (repr(mp), function)
    if key not in _known_facts:
        # It starts several children, some of them one after the other.
        _known_facts[key] = call(function, mp, timeout=2 * mp.timeout, options=options)
    return _known_facts[key]


_known_facts = {}


@requirement("contexts.get-all-start-methods.default-first")
def test_default_is_first(mp):
    """The first name is the one that is fixed when nobody chooses, whatever is chosen."""
    facts = _facts(mp, _default_facts)
    assert facts["first"] == facts["default"]
    assert _facts(mp, _set_facts)["first"] == facts["first"]


@requirement("contexts.default.fork")
def test_default_up_to_3_13(mp):
    """A program that does not choose uses fork, and starts a process by it."""
    assert _facts(mp, _default_facts)["default"] == "fork"
    assert _looks_started_by(_facts(mp, _after_start), "fork")


@requirement("contexts.default.forkserver")
def test_default_since_3_14(mp):
    """A program that does not choose uses forkserver, and starts a process by it."""
    assert _facts(mp, _default_facts)["default"] == "forkserver"
    assert _looks_started_by(_facts(mp, _after_start), "forkserver")


@requirement("contexts.get-start-method.allow-none")
def test_no_start_method_yet(mp):
    """With ``allow_none`` nothing is fixed, and None is given."""
    assert _facts(mp, _default_facts)["unfixed"] == [None, None]


@requirement("contexts.get-start-method.fixes-default")
def test_get_start_method_fixes_the_default(mp):
    """After ``get_start_method()`` there is a start method."""
    facts = _facts(mp, _default_facts)
    assert facts["default"] in {"fork", "spawn", "forkserver"}
    assert facts["fixed"] == facts["default"]


def _set_facts(mp):
    """In a new interpreter: what comes of choosing the variant's method."""
    reader, _writer = os.pipe()
    os.set_inheritable(reader, True)
    method = mp.start_method
    other = "spawn" if method == "fork" else "fork"
    returned = mp.set_start_method(method=method)
    again = [outcome_of(mp.set_start_method, each)[0] for each in (other, method, None)]
    again += [
        outcome_of(mp.set_start_method, *arguments)[0]
        for arguments in ((other, False), (None, False))
    ]
    again.append(outcome_of(mp.set_start_method, other, force=False)[0])
    after = mp.get_start_method()
    child = _facts_of_child(mp)
    child_of_default = _facts_of_child(mp, mp.get_context())
    context = [mp.get_context(other).get_start_method(), mp.get_context().get_start_method()]
    outcome_of(mp.set_start_method, method=other, force=True)
    forced = [mp.get_start_method(), mp.get_context().get_start_method()]
    forced_child = _facts_of_child(mp)
    # The method of the child is the context's, not that of the program.
    methods_of_another = ask(mp, _methods, mp, other)
    outcome_of(mp.set_start_method, method, True)
    forced += [mp.get_start_method(), mp.get_context().get_start_method()]
    return {
        "returned": returned,
        "again": again,
        "after": after,
        "first": mp.get_all_start_methods()[0],
        "child": child,
        "child of default": child_of_default,
        "contexts": context,
        "forced": forced,
        "forced child": forced_child,
        "methods of another": methods_of_another,
        "inherits": _pipe_name(reader) in child["descriptors"],
        "main": os.getpid(),
    }


def _facts_of_child(mp, context=None):
    """What a child of the package itself, or of a context, tells."""
    receiver, sender = mp.package.Pipe(duplex=False)
    process = (context or mp.package).Process(target=_send_facts, args=(mp, sender))
    process.start()
    sender.close()
    facts = receiver.recv()
    process.join()
    return facts


def _send_facts(mp, connection):
    connection.send(
        {
            "state": _state,
            "parent": os.getppid(),
            "command": _command_line() == _command_line_of(os.getppid()),
            "method": mp.get_start_method(),
            "descriptors": _names_of_descriptors(),
        }
    )


def _command_line_of(pid):
    with open(f"/proc/{pid}/cmdline", "rb") as file:
        return file.read()


def _looks_started_by(facts, method):
    """Whether what a child tells of itself fits a start method."""
    child = facts["child"]
    by_main = child["parent"] == facts["main"]
    return {
        "fork": by_main and child["command"],
        "spawn": by_main and not child["command"],
        "forkserver": not by_main,
    }[method]


@requirement("contexts.get-start-method.after-set")
def test_get_start_method_after_set(mp):
    """``get_start_method()`` gives what was set."""
    assert _facts(mp, _set_facts)["after"] == mp.start_method


@requirement("contexts.get-start-method.of-context")
def test_get_start_method_of_a_context(mp):
    """A context keeps its own method, whatever is set or used."""
    methods = ("fork", "spawn", "forkserver")
    assert _facts(mp, _default_facts)["of contexts"] == [[method] * 3 for method in methods]
    other = "spawn" if mp.start_method == "fork" else "fork"
    assert _facts(mp, _set_facts)["contexts"] == [other, mp.start_method]


@requirement("contexts.set-start-method.is-used")
def test_set_start_method_is_used(mp):
    """A child of the package itself was started by the method that was set."""
    assert _looks_started_by(_facts(mp, _set_facts), mp.start_method)


@requirement("contexts.set-start-method.at-most-once")
def test_set_start_method_twice(mp):
    """A second call raises RuntimeError, whatever it asks for, with force=False as without; the method stays."""
    facts = _facts(mp, _set_facts)
    assert facts["again"] == ["RuntimeError"] * 6
    assert facts["after"] == mp.start_method


@requirement("contexts.set-start-method.not-after-use")
def test_set_start_method_after_use(mp):
    """RuntimeError once ``get_start_method()`` has fixed the default, or a process was started."""
    facts = _facts(mp, _default_facts)
    assert facts["set after use"] == "RuntimeError"
    assert facts["after that"] == facts["default"]
    assert _facts(mp, _after_start)["set after that"] == "RuntimeError"


@requirement("contexts.set-start-method.force")
def test_set_start_method_by_force(mp):
    """``force=True``, by name or by position, changes a method that was set, though a child was started by it."""
    other = "spawn" if mp.start_method == "fork" else "fork"
    facts = _facts(mp, _set_facts)
    assert facts["forced"] == [other, other, mp.start_method, mp.start_method]
    assert _looks_started_by({"child": facts["forced child"], "main": facts["main"]}, other)
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
    assert _facts(mp, _set_unknown) == ["ValueError", None, *["ValueError", "spawn"] * 2]


@requirement("contexts.set-start-method.returns-none")
def test_set_start_method_returns_none(mp):
    """``set_start_method`` gives None."""
    assert _facts(mp, _set_facts)["returned"] is None


def _send_child_facts(sender, mp):
    _send_facts(mp, sender)


@requirement("contexts.get-context.method")
def test_context_starts_by_its_method(mp):
    """A child of ``get_context(m)`` was started by m."""
    receiver, sender = mp.Pipe(duplex=False)
    process = mp.get_context(mp.start_method).Process(target=_send_child_facts, args=(sender, mp))
    process.start()
    facts = {"child": receiver.recv(), "main": os.getpid()}
    process.join()
    assert _looks_started_by(facts, mp.start_method)


@requirement("contexts.get-context.default")
def test_default_context(mp):
    """``get_context()`` has the program's start method, and a child of it was started by that."""
    facts = _facts(mp, _default_facts)
    assert facts["default context"] == [facts["default"]] * 3
    chosen = _facts(mp, _set_facts)
    facts_of_child = {"child": chosen["child of default"], "main": chosen["main"]}
    assert _looks_started_by(facts_of_child, mp.start_method)


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
    process = mp.Process(target=_count_descriptors, args=(theirs,))
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
    assert _facts(mp, _default_facts)["after get_context(m)"] is None


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
            _looks_started_by(each, context.get_start_method())
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
    _send_facts(mp, connection)
    connection.recv()


_BY_NUMBER = ["fork", "spawn", "forkserver"]


def _exit_with_method(mp):
    sys.exit(10 + _BY_NUMBER.index(mp.get_start_method()))


def _exit_codes_by_method(mp):
    codes = []
    for method in _BY_NUMBER:
        process = mp.get_context(method).Process(target=_exit_with_method, args=(mp,))
        kind, _ = outcome_of(process.start)
        if kind == "returned":
            process.join()
        codes.append(process.exitcode if kind == "returned" else kind)
    return codes


def _start_from_a_child(mp):
    """In a new interpreter: what a child comes to that starts others by each method, when the program has done so."""
    own = _exit_codes_by_method(mp)
    return [own, ask(mp, _exit_codes_by_method, mp)]


@observed_once
def _codes_by_method(mp):
    """The start methods of children started by each, and so of children of a child: exit codes of 10 and more."""
    return call(_start_from_a_child, mp, timeout=2 * mp.timeout)


@requirement("contexts.several.in-children")
def test_several_contexts_in_a_child(mp):
    """A child starts children of its own by each method, after its parent has."""
    for codes in _codes_by_method(mp):
        assert len(codes) == len(_BY_NUMBER)
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


@requirement("contexts.child.same-method")
def test_start_method_in_a_child(mp):
    """``get_start_method()`` in a child gives the method that it was started by, whatever its parent's is."""
    facts = _facts(mp, _set_facts)
    assert facts["child"]["method"] == facts["methods of another"][0] == mp.start_method
    # By whichever a child, or a child's child, was started, and whichever the one before.
    # That all of them can be started is another test's matter.
    for codes in _codes_by_method(mp):
        started = [
            (10 + number, code) for number, code in enumerate(codes) if isinstance(code, int)
        ]
        assert started
        assert [code for _, code in started] == [code for code, _ in started]


def _methods(mp, other):
    """In a child: its method, which is fixed already, what setting another comes to, and its method when forced."""
    method = mp.get_start_method(allow_none=True)
    again, _ = outcome_of(mp.set_start_method, other)
    outcome_of(mp.set_start_method, other, force=True)
    return [method, again, mp.get_start_method()]


def _begin_facts(connection):
    connection.send(
        {
            "folder": os.getcwd(),
            "arguments": sys.argv,
            "flags": [sys.flags.optimize, sys.flags.no_user_site, sys.flags.utf8_mode],
            "warnings": sys.warnoptions,
            "main thread": threading.current_thread() is threading.main_thread(),
        }
    )


_ARGUMENTS = ["first"], ["program", "", "argument \N{SNOWMAN}"], ["below"]


def _begin_facts_twice(mp, connection):
    _begin_facts(connection)
    os.chdir("/usr")
    sys.argv = _ARGUMENTS[2]
    process = mp.Process(target=_begin_facts, args=(connection,))
    process.start()
    process.join()


def _facts_of_beginnings(mp):
    """In a new interpreter: what a child begins with, after another one was started elsewhere.

    And what a child of its own begins with, before which it has gone elsewhere.
    """
    found = []
    receiver, sender = mp.Pipe(duplex=False)
    for folder, arguments, target, args in (
        ("/usr", _ARGUMENTS[0], _begin_facts, ()),
        ("/", _ARGUMENTS[1], _begin_facts_twice, (mp,)),
    ):
        os.chdir(folder)
        sys.argv = arguments
        # The first one is daemonic, and another thread starts it.
        process = mp.Process(target=target, args=(*args, sender), daemon=not args)
        if args:
            process.start()
        else:
            thread = threading.Thread(target=process.start)
            thread.start()
            thread.join()
        found.append(receiver.recv())
        process.join()
    return [*found, receiver.recv()]


_WARNINGS = ["ignore::BytesWarning", "ignore::EncodingWarning"]
OPTIONS = ("-O", "-s", "-X", "utf8", *(f"-W{each}" for each in _WARNINGS))


@requirement("contexts.child.working-directory")
def test_working_directory_of_a_child(mp):
    """``os.getcwd()`` in a child, or a child's child, gives the folder that its parent was in at the start."""
    facts = _facts(mp, _facts_of_beginnings, OPTIONS)
    assert [each["folder"] for each in facts] == ["/usr", "/", "/usr"]


@requirement("contexts.child.main-thread")
def test_main_thread_of_a_child(mp):
    """A target runs in ``threading.main_thread()`` of its child, be it started by the main thread or by another."""
    facts = _facts(mp, _facts_of_beginnings, OPTIONS)
    assert [each["main thread"] for each in facts] == [True] * 3


@requirement("contexts.child.arguments")
def test_arguments_of_a_child(mp):
    """``sys.argv`` in a child, or a child's child, is what it is in its parent at the start."""
    facts = _facts(mp, _facts_of_beginnings, OPTIONS)
    assert [each["arguments"] for each in facts] == list(_ARGUMENTS)


@requirement("contexts.child.interpreter-options")
def test_options_of_a_childs_interpreter(mp):
    """A child's interpreter has -O, -s, -X utf8 and each -W of its parent's, and so has that of a child's child."""
    facts = _facts(mp, _facts_of_beginnings, OPTIONS)
    assert [each["flags"] for each in facts] == [[1, 1, 1]] * 3
    assert [{*_WARNINGS} <= {*each["warnings"]} for each in facts] == [True] * 3


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


def _mark(mark):
    global _state
    _state = mark


def _after_force(mp):
    """How what the package starts came to be when another method is set, by force, than it has used.

    And what a worker finds when the pool's arguments are given by name.
    """
    package, main = mp.package, os.getpid()
    named = {"initializer": _mark, "initargs": ("by name",), "maxtasksperchild": 2}
    with package.Pool(processes=1, **named) as pool:
        found = {"worker": _origin(pool.apply(os.getpid))}
        mark = pool.apply(_read_state)
    before = package.active_children()
    with package.Manager():
        (server,) = {*package.active_children()} - {*before}
        found["server"] = _origin(server.pid)
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
        origin = _origin(process.pid)
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
        worker = _origin(pids[0])
        mark = pool.apply(_read_state)
        pids.append(pool.apply(os.getpid))
    with mp.pool.Pool(1) as pool:  # the class itself
        worker_of_class = _origin(pool.apply(os.getpid))
    served = {"child": _origin(server.pid), "main": os.getpid(), "words": words[:]}
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


def _origin(pid):
    """How a living process came to be, as the system tells."""
    with open(f"/proc/{pid}/status") as file:
        fields = dict(line.split(":", 1) for line in file)
    parent = int(fields["PPid"])
    return {"parent": parent, "command": _command_line_of(pid) == _command_line_of(parent)}


@requirement("contexts.package.objects")
def test_objects_of_the_package(mp):
    """Queues, primitives and shared values of the package do their work in a child, and heed their arguments.

    By name as well as by position.
    """
    texts = ["by the parent", "through two queues"]
    facts = _facts(mp, _package_facts)
    assert facts["objects"] == [texts, 2, [7, 4], 0]
    assert facts["taken"] == _TAKEN


@requirement("contexts.package.process")
def test_process_of_the_package(mp):
    """A subclass of the package's ``Process`` takes all arguments; ``run()`` is called, by the method that was set."""
    facts = _facts(mp, _package_facts)
    (name, default), *rest = facts["process"]
    assert (name, *rest) == ("a name", True, True)
    assert re.fullmatch(r"Process-\d+(:\d+)*", default)
    assert _looks_started_by(facts["subclass"], mp.start_method)


@requirement("contexts.package.pool")
def test_pool_of_the_package(mp):
    """A worker of the package's ``Pool()``, or of the class ``pool.Pool``, was started by the method that was set.

    It has called the initializer, and is replaced when its time is up. Later ones are started by what is set then,
    and the arguments may be given by name.
    """
    facts = _facts(mp, _package_facts)
    for worker in facts["workers"]:
        assert _looks_started_by(worker, mp.start_method)
    assert facts["pool"] == ["by the initializer", True]
    other = "spawn" if mp.start_method == "fork" else "fork"
    assert _looks_started_by(facts["by force"]["worker"], other)
    assert facts["by force"]["mark"] == "by name"


@requirement("contexts.package.manager")
def test_manager_of_the_package(mp):
    """The server of the package's ``Manager()`` was started by the method that was set, and serves a child."""
    facts = _facts(mp, _package_facts)
    server, other = facts["server"], "spawn" if mp.start_method == "fork" else "fork"
    assert _looks_started_by(server, mp.start_method)
    assert server["words"] == ["to the server"]
    assert _looks_started_by(facts["by force"]["server"], other)


@requirement("contexts.get-context.pool")
def test_pool_of_a_context(mp):
    """A worker of a context's ``Pool(1)`` was started by the context's method."""
    pool = mp.get_context(mp.start_method).Pool(1)
    facts = {"child": _origin(pool.apply(os.getpid)), "main": os.getpid()}
    pool.close()
    pool.join()
    assert _looks_started_by(facts, mp.start_method)


@requirement("contexts.get-context.manager")
def test_manager_of_a_context(mp):
    """The server of a context's ``Manager()`` was started by the context's method."""
    before = set(mp.active_children())
    with mp.get_context(mp.start_method).Manager():
        (server,) = set(mp.active_children()) - before
        facts = {"child": _origin(server.pid), "main": os.getpid()}
    assert _looks_started_by(facts, mp.start_method)


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


def _server_facts(mp):
    """In a new interpreter: who serves it when its fork server and resource tracker are interrupted, then killed."""
    import signal

    from mpspec.observing import has_ended, wait_until

    # A shell starts what runs in the background with SIGINT ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    mp.context.set_forkserver_preload([_UNLIKELY])
    server = ask(mp, os.getppid)
    ours, theirs = mp.Pipe()
    child = mp.Process(target=_answer, args=(theirs,))
    child.start()
    ours.recv()
    trackers = _helpers() - {server}
    _kill(trackers, signal.SIGTERM)
    _kill({server, *trackers}, signal.SIGINT)
    handled = ask(mp, _interrupt_handler)
    after_interrupt = ask(mp, os.getppid)
    outlive = not any(has_ended(each) for each in trackers)
    _kill({server, *trackers}, signal.SIGKILL)
    for each in {server, *trackers}:
        wait_until(lambda each=each: has_ended(each), mp.timeout, f"{each} gone")
    made, _ = outcome_of(_make_and_destroy, mp)
    ours.send("go on")
    answer = ours.recv()
    child.join(mp.timeout / 2)
    another, loaded = ask(mp, _look_for_preloaded)
    return {
        "child": [answer, child.is_alive(), child.exitcode is not None],
        "outlives": after_interrupt == server,
        "trackers": [len(trackers), outlive],
        "handled": handled,
        "made": made,
        "another": another not in {server, os.getpid()},
        "preloaded": [_UNLIKELY in sys.modules, loaded],
    }


_UNLIKELY = "colorsys"  # a module that nothing needs


def _look_for_preloaded():
    return os.getppid(), _UNLIKELY in sys.modules


def _answer(connection):
    connection.send("here")
    connection.send(connection.recv())


def _helpers():
    """The children of this program that no Process object stands for."""
    import psutil

    return {child.pid for child in psutil.Process().children()}


def _kill(pids, signum):
    for pid in pids:
        os.kill(pid, signum)


def _make_and_destroy(mp):
    """Make a segment, which somebody has to keep track of, and destroy it."""
    segment = mp.shared_memory.SharedMemory(create=True, size=1)
    segment.close()
    segment.unlink()
    return os.getpid()


@requirement("contexts.forkserver.started-anew")
def test_fork_server_is_started_anew(mp):
    """After the fork server was killed children are forked by another one, which has preloaded what that had."""
    facts = _facts(mp, _server_facts)
    assert facts["another"] is True
    assert facts["preloaded"] == [False, True]


@requirement("contexts.forkserver.child-outlives-server")
def test_child_outlives_the_fork_server(mp):
    """A child whose fork server was killed answers; it is found ended when it has, with an exit code."""
    assert _facts(mp, _server_facts)["child"] == ["go on", False, True]


def _end_together(mp):
    """In a new interpreter: the exit codes of children killed while their server was stopped; a next one's."""
    from mpspec.observing import has_ended, is_stopped, wait_until

    processes = [mp.Process(target=signal.pause) for _ in range(6)]
    for process in processes:
        process.start()
    pids = [process.pid for process in processes]
    server = ask(mp, os.getppid)
    os.kill(server, signal.SIGSTOP)
    try:
        wait_until(lambda: is_stopped(server), mp.timeout, "the server stopped")
        _kill(pids, signal.SIGKILL)
        wait_until(lambda: all(map(has_ended, pids)), mp.timeout, "the children ended")
    finally:
        os.kill(server, signal.SIGCONT)
    for process in processes:
        process.join(mp.timeout / 8)
    return [process.exitcode for process in processes], run(mp, _nothing).exitcode


@requirement("contexts.forkserver.ends-at-once")
def test_children_of_the_fork_server_that_end_at_once(mp):
    """Six children that have ended when the server looks are joined, each with its exit code; the next ends with 0."""
    codes = call(_end_together, mp, timeout=mp.timeout)
    assert codes == [[-signal.SIGKILL] * 6, 0]


@requirement("contexts.tracker.ignores-signals")
def test_tracker_outlives_signals(mp):
    """The resource tracker is there after SIGINT and SIGTERM."""
    assert _facts(mp, _server_facts)["trackers"] == [1, True]


@requirement("contexts.tracker.started-anew")
def test_tracker_is_started_anew(mp):
    """After the resource tracker was killed a segment can be made and destroyed."""
    assert _facts(mp, _server_facts)["made"] == "returned"


@requirement("contexts.tracker.one-for-all")
def test_children_use_the_tracker_of_their_program(mp, companion):
    """A child that makes a segment starts no process for that."""
    import psutil

    pid = companion.ask(_make_and_destroy, mp)
    assert psutil.Process(pid).children() == []


def _interrupt_handler():
    import signal

    # A handler of the server's own would have set where signals wake it up.
    is_woken = signal.set_wakeup_fd(-1) != -1
    return not is_woken and signal.getsignal(signal.SIGINT) is signal.default_int_handler


@requirement("contexts.forkserver.ignores-interrupts")
def test_fork_server_outlives_an_interrupt(mp):
    """The server is the same after SIGINT; its children raise KeyboardInterrupt as usual."""
    facts = _facts(mp, _server_facts)
    assert (facts["outlives"], facts["handled"]) == (True, True)


def _start_with_a_thread(mp):
    """In a new interpreter: what is warned of when a process starts without another thread, and with one."""
    import warnings

    release = threading.Event()
    thread = threading.Thread(target=release.wait)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        run(mp, _nothing)
        before = len(caught)
        thread.start()
        run(mp, _nothing)
    release.set()
    thread.join()
    return [before, [warning.category.__name__ for warning in caught]]


@requirement("contexts.fork.warns-with-threads")
def test_fork_with_threads_warns(mp):
    """``start()`` warns of the threads that the child will not have, and of nothing when there are none."""
    before, kinds = call(_start_with_a_thread, mp, timeout=mp.timeout)
    assert (before, "DeprecationWarning" in kinds) == (0, True)


@requirement("contexts.spawn.no-warning-with-threads")
def test_start_with_threads_does_not_warn(mp):
    """``start()`` warns of nothing by the other methods, whether there are threads or not."""
    assert call(_start_with_a_thread, mp, timeout=mp.timeout) == [0, []]


def _note_of_hook(mp):
    """Under fork: whether a hook of ``os.register_at_fork`` was called in a child."""
    called = []
    os.register_at_fork(after_in_child=lambda: called.append("in the child"))
    return ask(mp, lambda: called)


@requirement("contexts.fork.hooks")
def test_hooks_of_a_fork(mp):
    """What ``os.register_at_fork`` has registered is called in a forked child, once."""
    assert ask(mp, _note_of_hook, mp) == ["in the child"]


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
    facts = _facts(mp, _none_facts)  # which sets one after the questions
    assert facts["after questions"] is None


@requirement("contexts.set-start-method.none-by-force")
def test_start_method_unset(mp):
    """After ``set_start_method(None, force=True)`` there is no start method, and one can be set.

    Nothing stays of one that was set: the next question sets the default.
    """
    facts = _facts(mp, _none_facts)
    assert facts["unset"] is None
    assert facts["set"] == [None, "returned", "spawn"]
    assert facts["unset again"] == [None, None, facts["default"]]


@requirement("contexts.set-start-method.none")
def test_start_method_set_to_none(mp):
    """After ``set_start_method(None)`` the default is the start method."""
    facts = _facts(mp, _none_facts)
    assert facts["default"] == facts["again"] == _facts(mp, _default_facts)["default"]


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
    assert _facts(mp, _after_get_context) == [_facts(mp, _default_facts)["default"]] * 2


def _after_start(mp):
    """In a new interpreter: what its first process tells, and what there is then, nobody having chosen."""
    child = _facts_of_child(mp)
    return {
        "child": child,
        "main": os.getpid(),
        "method": mp.get_start_method(allow_none=True),
        "set after that": outcome_of(mp.set_start_method, "spawn")[0],
    }


@requirement("contexts.global.set-by-use")
def test_start_sets_the_method(mp):
    """After a process was started, by the default, the start method is that, and can't be set."""
    facts, default = _facts(mp, _after_start), _facts(mp, _default_facts)["default"]
    assert (facts["method"], facts["set after that"]) == (default, "RuntimeError")
    assert _looks_started_by(facts, default)


# Where the system keeps what has a name, and is shared.
_SHARED = "/dev/shm"  # noqa: S108


def _leave(mp):
    """Make the primitives, and a segment: gives them, the files that are their semaphores, if any, and its name."""
    primitives = [mp.Lock(), mp.RLock(), mp.Semaphore(2), mp.BoundedSemaphore(2)]
    primitives += [mp.Condition(), mp.Event(), mp.Barrier(2)]
    with open("/proc/self/maps") as file:
        inodes = {int(line.split()[4]) for line in file if _SHARED in line}
    files = [each.path for each in os.scandir(_SHARED) if each.inode() in inodes]
    kind, segment = outcome_of(lambda: mp.shared_memory.SharedMemory(create=True, size=16))
    return (primitives, segment), files, segment.name if kind == "returned" else None


def _outlive(mp, connection, files, name):
    """In a child: tell what it leaves, and what is there of the main process's when that was killed; be killed too."""
    import json

    _kept, *left = _leave(mp)
    connection.send(left)
    with contextlib.suppress(EOFError):
        connection.recv()
    threading.Event().wait(0.05)  # a tracker that goes by the main process acts now
    attached, _ = outcome_of(lambda: mp.shared_memory.SharedMemory(name))
    os.write(1, json.dumps([all(map(os.path.exists, files)), attached]).encode())
    os.kill(os.getpid(), signal.SIGKILL)


def leave_and_be_killed(mp):
    """In a program: tell what it and its child leave, and of its helpers' pids; be killed before the child is."""
    import json

    _kept, *left = _leave(mp)
    ours, theirs = mp.Pipe()
    process = mp.Process(target=_outlive, args=(mp, theirs, *left))
    process.start()
    theirs.close()
    (files, name), (childs_files, childs_name) = left, ours.recv()
    names, helpers = [name, childs_name], sorted(_helpers() - {process.pid})
    os.write(1, json.dumps([[*files, *childs_files], names, helpers]).encode() + b"\n")
    os.kill(os.getpid(), signal.SIGKILL)


LEFTOVERS = """
if __name__ == "__main__":
    from mpspec.suite.contexts import leave_and_be_killed

    leave_and_be_killed(mp)
"""


@observed_once
def _left(mp):
    """A killed program whose child goes on a while: what it has told, and then what the child has."""
    import json

    from mpspec.programs import run_script

    done = run_script(mp, LEFTOVERS)
    told, seen = map(json.loads, done.stdout.splitlines())
    return *told, *seen


@requirement("contexts.helpers.end-with-program")
def test_helpers_end_with_the_program(mp):
    """The processes that helped a program are gone when its processes were killed, first the main one, then a child."""
    from mpspec.observing import has_ended, wait_until

    helpers = _left(mp)[2]
    wait_until(lambda: all(map(has_ended, helpers)), mp.timeout / 2, f"{helpers} ended")


@requirement("contexts.tracker.unlinks-leftovers")
def test_leftovers_are_unlinked(mp):
    """The segments of a killed program and its killed child are gone when both have ended; the child has attached one.

    That of the main process, after its end.
    """
    from mpspec.observing import wait_until

    _, names, *_, attached = _left(mp)
    assert attached == "returned"
    paths = [f"{_SHARED}/{name}" for name in names]
    wait_until(
        lambda: not any(map(os.path.exists, paths)), mp.timeout / 2, f"segments {names} gone"
    )


def _after_pool(mp):
    with mp.pool.Pool(1, context=None) as pool:
        worker = {"child": _origin(pool.apply(os.getpid)), "main": os.getpid()}
        return {"method": mp.get_start_method(allow_none=True), **worker}


def _after_pool_of_set(mp):
    mp.set_start_method("spawn")
    return _after_pool(mp)


@requirement("contexts.global.set-by-pool")
def test_pool_sets_the_method(mp):
    """After ``Pool(1, context=None)`` the start method is the default, unless another was set; it starts by that."""
    default = _facts(mp, _default_facts)["default"]
    for facts, method in ((_after_pool, default), (_after_pool_of_set, "spawn")):
        assert _facts(mp, facts)["method"] == method
        assert _looks_started_by(_facts(mp, facts), method)


@requirement("contexts.tracker.unlinks-semaphores")
def test_semaphores_of_a_killed_program_are_unlinked(mp):
    """The files of the semaphores that a killed program and its killed child had, if they are files, are gone.

    Those of the main process were there as long as the child went on.
    """
    from mpspec.observing import wait_until

    files, _, _, there, _ = _left(mp)
    assert there
    wait_until(lambda: not any(map(os.path.exists, files)), mp.timeout / 2, f"{files} gone")


TIDY = """
import os

reader, writer = os.pipe()

def take(lock):
    lock.acquire()

if __name__ == "__main__":
    segment = mp.shared_memory.SharedMemory(create=True, size=8)
    lock = mp.Lock()
    process = mp.Process(target=take, args=(lock,))
    process.start()
    process.join()
    segment.close()
    segment.unlink()
    if os.fork() == 0:
        os.close(writer)
        os.read(reader, 1)  # until its parent has ended
    elif os.fork() > 0:
        os.wait()
"""


@observed_once
def _end_of_tidy_program(mp):
    """How a program ends that unlinks its segment, uses a lock, and forks children by itself."""
    from mpspec.programs import run_script

    done = run_script(mp, TIDY)
    return done.returncode, done.stderr


@requirement("contexts.tracker.nothing-left")
def test_tidy_program_leaves_nothing(mp):
    """A program that unlinks its segment, and has used a lock, ends with no word of leaks on its error stream."""
    status, text = _end_of_tidy_program(mp)
    assert (status, "leak" in text) == (0, False)


@requirement("contexts.tracker.children-of-os-fork")
def test_tracker_and_children_of_os_fork(mp):
    """A program ends without a word though one child that it forked lives on, and another has ended before."""
    assert _end_of_tidy_program(mp) == (0, "")


BUSY = """
import signal

def use_segment():
    segment = mp.shared_memory.SharedMemory(create=True, size=1)
    segment.close()
    segment.unlink()

def interrupt(number, frame):
    use_segment()
    locks.pop()
    if locks:
        signal.setitimer(signal.ITIMER_REAL, 0.0005)  # the next one when this has returned

if __name__ == "__main__":
    use_segment()
    locks = [mp.Lock() for _ in range(150)]
    signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, 0.0005)
    while locks:
        use_segment()
        mp.Lock()
    print("done")
"""


@requirement("contexts.tracker.used-at-any-moment")
def test_tracker_is_used_amid_its_use(mp):
    """A signal's handler drops locks, makes segments and destroys them whenever it comes, while the program does so."""
    from mpspec.programs import run_script

    done = run_script(mp, BUSY)
    assert (done.returncode, done.stdout) == (0, "done\n")
    assert "Traceback" not in done.stderr


def _method_after_start(mp):
    """In a new interpreter: how its first child starts while ``sys.stderr`` has no descriptor, and the method then."""
    import io

    stderr, sys.stderr = sys.stderr, io.StringIO()
    kind, _ = outcome_of(run, mp, _nothing)
    sys.stderr = stderr
    if kind != "returned":
        run(mp, _nothing)
    return [kind, mp.get_start_method(allow_none=True)]


@requirement("contexts.spawn.stderr-replaced")
def test_first_child_while_stderr_is_replaced(mp):
    """The first child of a program starts while ``sys.stderr`` is a ``StringIO``."""
    assert _facts(mp, _method_after_start)[0] == "returned"


@requirement("contexts.get-context.start-does-not-set")
def test_process_of_a_context_does_not_set_the_method(mp):
    """After a process of a context was started, the program's start method is still open."""
    assert _facts(mp, _method_after_start)[1] is None


def _use_sockets(mp):
    """In a new interpreter: what needs the address of a socket, and the default start method."""
    code = run(mp, _nothing).exitcode
    with mp.connection.Listener(family="AF_UNIX") as listener:
        mp.connection.Client(listener.address).close()
    with mp.Manager() as manager:
        return [code, manager.list([1])[:], mp.package.get_start_method()]


@requirement("contexts.temporary-directory.long")
def test_temporary_directory_with_a_long_path(mp, monkeypatch):
    """Children, listeners and managers work though TMPDIR's path nearly fills a socket's address, or is too long."""
    import tempfile

    default = _facts(mp, _default_facts)["default"]
    # Known limits were wrong by one (at 80), and by four (from 76 on).
    for length in (76, 78, 80, 120):
        # Beside the prefix there are a slash and eight random letters.
        prefix = "l" * max(1, length - len(tempfile.gettempdir()) - 9)
        with tempfile.TemporaryDirectory(prefix=prefix) as folder:
            monkeypatch.setenv("TMPDIR", folder)
            assert call(_use_sockets, mp, timeout=mp.timeout) == [0, [1], default]


@observed_once
def _beside_a_namesake(mp):
    """A program that starts a child in a folder with a module called as the package, and has hooks for forks."""
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as folder:
        top, _, _ = mp.package.__name__.partition(".")
        Path(folder, f"{top}.py").write_text("raise SystemExit(9)\n")
        return call(_start_in, mp, folder, timeout=mp.timeout)


def _start_in(mp, folder):
    """In a new interpreter: the outcome of starting a child there, and how often the hook was called."""
    calls = []
    os.register_at_fork(before=lambda: calls.append("before"))
    mp.Lock()
    os.chdir(folder)
    kind, process = outcome_of(run, mp, _nothing)
    return [kind, getattr(process, "exitcode", None), calls]


@requirement("contexts.spawn.working-directory-is-not-searched")
def test_module_in_the_working_directory(mp):
    """A child starts where a module lies that is called as the package, and which would end it with 9."""
    assert _beside_a_namesake(mp)[:2] == ["returned", 0]


@requirement("contexts.spawn.no-fork-hooks")
def test_hooks_for_forks_of_a_program_that_does_not_fork(mp):
    """Neither making a lock nor starting a child calls a hook of ``os.register_at_fork``."""
    assert _beside_a_namesake(mp)[2] == []


def _start_with_much_to_tell(mp):
    sys.argv = ["program", *["x" * 1000] * 300]
    return run(mp, _nothing).exitcode


@requirement("contexts.spawn.large-argv")
def test_child_of_a_program_with_many_arguments(mp):
    """A child starts when the program has 300 arguments of 1000 characters."""
    assert call(_start_with_much_to_tell, mp, timeout=mp.timeout) == 0


FROM_ITS_FOLDER = """
import os, sys

package = mp.package  # the program has imported it before it leaves the folder

def greet():
    # The folder is first of all in the child as well.
    is_first = sys.path[0] == os.path.dirname(__file__)
    print("hello" if is_first else sys.path, flush=True)

def start():
    process = mp.Process(target=greet)
    process.start()
    process.join()
"""


@requirement("contexts.spawn.module-path-of-command")
def test_module_path_of_a_command(mp):
    """A child of ``python -c`` finds a module of the folder that the command began in, and has left; its path stays."""
    from mpspec.programs import run_script

    command = "import os, program, sys; os.chdir('/'); program.start(); print('' in sys.path)"
    done = run_script(mp, FROM_ITS_FOLDER, arguments=("-c", command))
    assert (done.stdout, done.stderr) == ("hello\nTrue\n", "")


@requirement("contexts.spawn.program-on-standard-input")
def test_program_on_standard_input(mp):
    """A child of a program that the interpreter reads from its standard input runs a function of a module."""
    from mpspec.programs import run_script

    program = "import program\nif __name__ == '__main__':\n    program.start()\n"
    done = run_script(mp, FROM_ITS_FOLDER, program, arguments=("-",))
    assert done.stdout == "hello\n", done.stderr


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
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    process = package.Process(target=_nothing)
    process.start()
    process.join()
    return {
        "default": [temporary, default],
        "others": [first, context],
        "start": [process.exitcode, package.get_start_method()],
        "child": _facts_of_child(mp),
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
    facts = _facts(mp, _default_without_temporary_directory)
    assert facts["default"] == ["FileNotFoundError", "spawn"]
    assert _facts(mp, _default_in_a_missing_folder) == "spawn"


@requirement("contexts.default.without-temporary-directory-starts")
def test_program_without_a_temporary_directory(mp):
    """Spawn is first of all methods, and the method of ``get_context()``; a process starts by it, and ends with 0."""
    facts = _facts(mp, _default_without_temporary_directory)
    assert (facts["others"], facts["start"]) == (["spawn"] * 2, [0, "spawn"])
    assert _looks_started_by(facts, "spawn")


@requirement("contexts.parameters")
def test_parameters_of_start_method_functions(mp):
    """method, force and allow_none by position and by name, and left out."""
    unfixed, chosen = _facts(mp, _default_facts), _facts(mp, _set_facts)
    other = "spawn" if mp.start_method == "fork" else "fork"
    assert unfixed["unfixed"] == [None, None]
    assert unfixed["default context"] == [unfixed["default"]] * 3
    assert (chosen["after"], chosen["again"]) == (mp.start_method, ["RuntimeError"] * 6)
    assert chosen["forced"][::2] == [other, mp.start_method]


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
            started.append({"child": _origin(process.pid), "main": os.getpid()})
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
    facts, default = _facts(mp, _after_objects), _facts(mp, _default_facts)["default"]
    assert set(facts["methods"].values()) == {default}
    assert set(facts["methods"]) == {*_OBJECTS, *_OBJECTS_WITH_ARGUMENTS}
    assert [_looks_started_by(each, default) for each in facts["started"]] == [True] * 2


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
    found = _facts(mp, _after_modules)
    default = _facts(mp, _default_facts)["default"]
    names = ("Value", "Array", "synchronized", "BaseManager")
    assert found["with"] == dict.fromkeys(names)
    assert found["without"] == dict.fromkeys(names, default)


@requirement("contexts.package.sharedctypes")
def test_sharedctypes_of_the_package(mp):
    """A child of the package locks and changes what was made without a context, and with None."""
    assert _facts(mp, _package_facts)["sharedctypes"] == [2, [7, 1], 3]
