"""Tests of the chapter process: the life of a process object, from the constructor to close()."""

import _thread
import atexit
import collections
import contextlib
import functools
import itertools
import os
import re
import select
import signal
import sys
import threading
import time

from mpspec.children import (
    AT_ONCE,
    HUGE,
    CallerThread,
    Interrupted,
    Interruption,
    among_signals,
    ask,
    observed_once,
    outcome_of,
    raises,
    remade,
    run,
    start_to_end_together,
    until_all_blocked,
    value_of,
    waits,
    within,
)
from mpspec.marks import requirement
from mpspec.programs import call


def _wait_for_end(connection):
    """In a child: go on until the parent closes its end, or says a word."""
    try:
        connection.recv()
    except EOFError:
        return


# Longer than the name of a thread of the system may be.
_NAME = "the name of a process"


class _Waiting:
    """A child that goes on until it is told to end."""

    def __init__(self, mp, **kwargs):
        waiting, self.tell = mp.Pipe()
        self.process = mp.Process(target=_wait_for_end, args=(waiting,), **kwargs)
        self.process.start()

    def end(self):
        """Let it end, and wait for it."""
        self.tell.send("end")
        self.process.join()


def _nothing():
    """In a child: do nothing."""


def _look(process, name):
    value = getattr(process, name)
    return value() if callable(value) else value


def _state_of(process):
    """What the object tells of its process; every outcome is a kind, and a value."""
    names = ("pid", "ident", "exitcode", "is_alive", "sentinel", "name", "daemon")
    return {
        "repr": outcome_of(repr, process),
        **{name: outcome_of(_look, process, name) for name in names},
    }


_SIGNALLING = ("terminate", "kill", "interrupt")


@observed_once
def _life(mp):
    """The life of a process as its parent sees it: before the start, while it runs, ended, and closed."""
    waiting, tell = mp.Pipe()
    process = mp.Process(target=_wait_for_end, args=(waiting,))
    facts = {"before": _state_of(process), "start": process.start(), "running": _state_of(process)}
    facts["while running"] = {
        "start": outcome_of(process.start),
        "daemon": [outcome_of(setattr, process, "daemon", flag) for flag in (True, False)],
        "close": outcome_of(_look, process, "close"),
        "close in a thread": outcome_of(CallerThread(mp, process, "close").result),
        "active": process in mp.active_children(),
        "name": outcome_of(setattr, process, "name", "renamed"),
        "sentinel": outcome_of(_is_open, process),
        "ready": outcome_of(_ready_by, process, 0.01),
    }
    facts["unharmed"] = _state_of(process)
    tell.send("end")
    facts["ready at end"] = outcome_of(_ready_by, process, mp.timeout)
    facts["join"] = [process.join(*args) for args in ((), (None,), (0,), (mp.timeout,))]
    facts["ended"] = _state_of(process)
    facts["start again"] = outcome_of(process.start)
    facts["daemon at end"] = outcome_of(setattr, process, "daemon", True)
    facts["signals"] = [outcome_of(_look, process, name) for name in _SIGNALLING]
    facts["names at end"] = [_renamed(process, name) for name in ("another", "renamed")]
    # A fork server has told of the end before it closes its pipe: the first look may have to wait.
    looks = (mp.timeout, 0)
    facts["ready after join"] = [outcome_of(_ready_by, process, look) for look in looks]
    facts["after signals"] = _state_of(process)
    facts.update(_close(process))
    facts["active"] = process in mp.active_children()
    return facts


def _renamed(process, name):
    process.name = name
    return process.name


def _close(process):
    """What closing an ended process comes to, and all that is asked of it after."""
    _, sentinel = outcome_of(_look, process, "sentinel")
    facts = {"close": [outcome_of(_look, process, "close")]}
    facts["sentinel"] = outcome_of(os.fstat, sentinel)[0]
    methods = ("start", "join", "is_alive", "terminate", "kill", "interrupt")
    facts["methods"] = {name: outcome_of(_look, process, name)[0] for name in methods}
    facts["closed"] = _state_of(process)
    facts["close"].append(outcome_of(_look, process, "close"))
    return facts


def _is_open(process):
    return os.fstat(process.sentinel) is not None


def _ready_by(process, timeout):
    """Whether select finds the sentinel ready in time, then what poll and epoll say."""
    sentinel = process.sentinel
    ready = [_is_ready(sentinel, timeout)]
    poller = select.poll()
    with select.epoll() as epoller:
        for each in (poller, epoller):
            each.register(sentinel, select.POLLIN)
            ready.append([found for found, _ in each.poll(0)] == [sentinel])
    return ready


def _tell_of_itself(mp, connection, items=None, waiting=None):
    """In a child: send what it finds itself, its parent and its future children to be; wait and exit if it is to."""
    if items is not None:
        items.append("child")
    observations = {
        "itself": _itself,
        "parent": _its_parent,
        "made": _made,
        "authkey": _its_authkey,
        "start": _start_if_daemon,
        "threads": _its_main_thread,
        "manager and pool": _make_if_daemon,
    }
    facts = {name: outcome_of(observe, mp) for name, observe in observations.items()}
    connection.send({**facts, "items": ("returned", items)})
    if waiting is not None:
        waiting.recv()
        sys.exit(0)


def _itself(mp):
    current = mp.current_process()
    return {
        "name": current.name,
        "daemon": current.daemon,
        "alive": [
            outcome_of(current.is_alive),
            outcome_of(CallerThread(mp, current, "is_alive").result),
        ],
        "same": mp.current_process() is current,
        "in a thread": CallerThread(mp, mp, "current_process").result() is current,
        "ids": [outcome_of(_look, current, "pid")[1], os.getpid(), os.getppid()],
        "active": len(mp.active_children()),
        "exitcode": outcome_of(_look, current, "exitcode"),
    }


def _its_parent(mp):
    parent = mp.parent_process()
    in_thread = CallerThread(mp, mp, "parent_process").result()
    seen = [parent.pid, parent.ident, parent.is_alive(), parent.name, in_thread is parent]
    return [*seen, parent.daemon]


def _made(mp):
    """The names and flags of processes made here: without a flag, with None, False and True; with a name."""
    options = [{}, {"daemon": None}, {"daemon": False}, {"daemon": True}, {"name": _NAME}]
    made = [mp.Process(target=len, args=((),), **option) for option in options]
    return [process.name for process in made], [process.daemon for process in made]


def _its_authkey(mp):
    """The key, whether those made before and after another was set have that of the time, and how pickling fails."""
    current = mp.current_process()
    key, before = bytes(current.authkey), mp.Process()
    pickled = [outcome_of(_pickle_key, current)[0]]
    current.authkey = b"set later"
    pickled.append(outcome_of(_pickle_key, current)[0])
    return key, [before.authkey == key, mp.Process().authkey == b"set later"], pickled


def _pickle_key(process):
    """The length of the pickled key; the module is imported by who pickles alone."""
    import pickle

    return len(pickle.dumps(process.authkey))


def _start_if_daemon(mp):
    """What starting processes comes to: daemonic or not, by another thread, by each context; no more, if one starts."""
    if not mp.current_process().daemon:
        return None
    starts = [
        lambda: mp.Process().start(),
        lambda: mp.Process(daemon=False).start(),
        lambda: CallerThread(mp, mp.Process(), "start").result(),
        *(functools.partial(_start_by, mp, method) for method in ("fork", "spawn", "forkserver")),
    ]
    kinds = []
    for start in starts:
        kinds.append(outcome_of(start)[0])
        if "returned" in kinds:
            break
    return kinds


def _start_by(mp, method):
    mp.get_context(method).Process().start()


def _make_if_daemon(mp):
    """What making a manager, and a pool, comes to; only the first, if it can be made: to end a pool may take long."""
    if not mp.current_process().daemon:
        return None
    kinds = []
    for make, end in ((mp.Manager, "shutdown"), (functools.partial(mp.Pool, 1), "terminate")):
        kind, made = outcome_of(make)
        kinds.append(kind)
        if kind == "returned":
            getattr(made, end)()
            break
    return kinds


def _its_main_thread(_):
    main = threading.main_thread()
    return [threading.current_thread() is main, main.native_id == threading.get_native_id()]


# Longer than the key of a process is by itself; with what is no text, at either end.
_KEY = b"\n another key, of more than the 32 bytes that others have\0\xff "


@observed_once
def _kin(mp):
    """What three children tell of themselves, beside what their parent sees.

    The first has nothing set, the second was given a name, the third is a daemon whose name and key were set late.
    The second is started last: the others go on until then, and end by ``sys.exit(0)``.
    """
    last = mp.Process().name
    items = ["parent"]
    pipes = [mp.Pipe(duplex=False) for _ in range(3)]
    senders = [sender for _, sender in pipes]
    waiting, tell = zip(*(mp.Pipe(duplex=False) for _ in range(2)), strict=True)
    plain = mp.Process(
        target=_tell_of_itself,
        args=[mp, senders[0]],
        kwargs={"items": items, "waiting": waiting[0]},
    )
    named = mp.Process(
        target=_tell_of_itself, name=_NAME, kwargs={"mp": mp, "connection": senders[1]}
    )
    daemon = mp.Process(
        target=_tell_of_itself, args=(mp, senders[2], None, waiting[1]), name="before"
    )
    daemon.name = "after"
    daemon.daemon = True
    outcome_of(setattr, daemon, "authkey", _KEY)
    facts = {"last": last, "items": items}
    processes = {"plain": plain, "named": named, "daemon": daemon}
    plain.start()
    daemon.start()
    if mp.start_method == "fork":
        # It has told all before a copy could take it for a daemon of its own, and end it.
        pipes[2][0].poll(mp.timeout)
    named.start()
    for end in tell:
        end.send("end")
    for (kind, process), (receiver, _) in zip(processes.items(), pipes, strict=True):
        names = ("pid", "name", "daemon", "authkey")
        seen = {name: outcome_of(_look, process, name) for name in names}
        facts[kind] = {"seen": seen, "told": receiver.recv()}
        process.join()
        facts[kind].update(exitcode=process.exitcode, text=repr(process))
    return facts


def _told(mp, kind, what):
    """What one of three children has told; ChildError if it could not find it out."""
    return value_of(_kin(mp)[kind]["told"][what])


def _seen(mp, kind, what):
    """What the parent of three children saw of one."""
    return value_of(_kin(mp)[kind]["seen"][what])


def _send(connection, *args, **kwargs):
    connection.send((args, kwargs))


@requirement("process.start")
def test_start_runs_the_target_with_its_arguments(mp):
    """The child calls ``target(*args, **kwargs)``."""
    receiver, sender = mp.Pipe(duplex=False)
    process = mp.Process(target=_send, args=(sender, 1, "two"), kwargs={"three": 3})
    process.start()
    received = receiver.recv()
    process.join()
    assert received == ((1, "two"), {"three": 3})


@requirement("process.start.another-process")
def test_start_uses_another_process(mp):
    """The target runs in a process with an id of its own."""
    assert _told(mp, "plain", "itself")["ids"][1] != os.getpid()


@requirement("process.start.own-memory")
def test_a_child_has_its_own_memory(mp):
    """A list that a child changes stays as it was in the parent."""
    assert _told(mp, "plain", "items") == ["parent", "child"]
    assert _kin(mp)["items"] == ["parent"]


@requirement("process.start.at-most-once")
def test_start_twice(mp):
    """A second ``start()`` raises, while the process goes on and when it has ended, of a subclass too."""
    facts = _life(mp)
    refusals = {"AssertionError", "RuntimeError", "ValueError"}
    found = {facts["while running"]["start"][0], facts["start again"][0], _subclassed(mp)[4]}
    assert found <= refusals


@requirement("process.start.returns-none")
def test_start_returns_none(mp):
    """``start()`` gives None."""
    assert _life(mp)["start"] is None


def _start_foreign(mp, connection, process):
    connection.send(outcome_of(process.start))


class _Argument:
    """Something that can be referred to weakly, and pickled."""


@requirement("process.start.drops-arguments")
def test_arguments_after_start(mp):
    """What only a process was given, to call or to call with, is gone in the parent once it was started."""
    import gc
    import weakref

    given = [_Argument() for _ in range(3)]
    target = functools.partial(_take, given[0], fourth=None)
    process = mp.Process(target=target, args=(given[1],), kwargs={"third": given[2]})
    references = [weakref.ref(each) for each in given]
    given.clear()
    del target
    gc.collect()
    assert None not in [reference() for reference in references]
    process.start()
    gc.collect()
    assert [reference() for reference in references] == [None] * 3
    process.join()
    assert process.exitcode == 0


def _take(*given, **named):
    """In a child: be called with all of them, and with what the target has for itself."""
    assert len(given) + len(named) == 4


@requirement("process.start.only-by-creator")
def test_start_in_another_process(mp):
    """A child can't start a process object that its parent created."""
    receiver, sender = mp.Pipe(duplex=False)
    foreign = mp.Process(target=_nothing)
    run(mp, _start_foreign, mp, sender, foreign)
    kind, _ = receiver.recv()
    assert kind != "returned"


@requirement("process.start.parent-is-starter")
def test_parent_of_a_child(mp):
    """``os.getppid()`` in the child is the id of the process that started it."""
    assert _told(mp, "plain", "itself")["ids"][2] == os.getpid()


@requirement("process.constructor.keywords")
def test_constructor_takes_keywords(mp):
    """All arguments may be given by keyword."""
    process = mp.Process(
        group=None, target=_record, name="given", args=(1,), kwargs={"two": 2}, daemon=True
    )
    assert _recorded(process) == [((1,), {"two": 2})]
    assert (process.name, process.daemon) == ("given", True)


@requirement("process.constructor.positional-order")
def test_constructor_order(mp):
    """By position the order is group, target, name, args, kwargs."""
    process = mp.Process(None, _record, "given", (1,), {"two": 2})
    assert _recorded(process) == [((1,), {"two": 2})]
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


_calls = []


def _record(*args, **kwargs):
    _calls.append((args, kwargs))


class _Recording:
    """Records as it is made, too."""

    def __init__(self, *args, **kwargs):
        _record(*args, **kwargs)

    @classmethod
    def record(cls, *args, **kwargs):
        """Record what it is called with."""
        _record(*args, **kwargs)


def _recorded(process):
    """What run() calls the target with, here."""
    _calls.clear()
    process.run()
    return _calls


@requirement("process.constructor.args-default-empty")
def test_constructor_without_arguments(mp):
    """The target gets no arguments unless some are given: it may as well be given the defaults."""
    for given in ({}, {"args": (), "kwargs": {}}):
        assert _recorded(mp.Process(target=_record, **given)) == [((), {})]


@requirement("process.constructor.args-list")
def test_constructor_with_a_list_of_arguments(mp):
    """A list of arguments does what a tuple does, in a child too."""
    given = [1, None, 2, []]
    assert _recorded(mp.Process(target=_record, args=given)) == [(tuple(given), {})]
    assert _told(mp, "plain", "items")[-1] == "child"


@requirement("process.constructor.kwargs")
def test_constructor_with_keyword_arguments(mp):
    """``kwargs`` become the target's keyword arguments, whatever their names, in a child too.

    A dictionary of a subclass does as well.
    """
    given = {"a": 1, "b": [2], "c": None, "d": ""}
    # As what stands between the constructor and the target may call its own parameters.
    given.update(dict.fromkeys(("self", "target", "function", "name", "args", "kwargs"), 3))
    for kwargs in (given, collections.OrderedDict(given)):
        assert _recorded(mp.Process(target=_record, kwargs=kwargs)) == [((), given)]
    assert _told(mp, "named", "items") is None


@requirement("process.constructor.arguments-of-the-moment")
def test_arguments_changed_after_the_constructor(mp):
    """A list and a dictionary of arguments that are changed later are for the target what they were."""
    args, kwargs = [1], {"two": 2}
    process = mp.Process(target=_record, args=args, kwargs=kwargs)
    args.append("later")
    kwargs["later"] = True
    assert _recorded(process) == [((1,), {"two": 2})]


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
    assert _told(mp, "daemon", "made")[1][2:4] == [False, True]


@requirement("process.constructor.daemon-none-inherits")
def test_constructor_daemon_inherited(mp):
    """A process object made in a daemonic process is daemonic, named or not; in another it is not.

    Be the thread that makes it daemonic or not.
    """
    for kind, inherited in (("daemon", True), ("plain", False)):
        first, second, _, _, named = _told(mp, kind, "made")[1]
        assert [first, second, named] == [inherited] * 3
    assert CallerThread(mp, mp, "Process").result().daemon is False


def _subclass(mp, name):
    """A subclass of the backend's Process, made anew in each process that needs it."""
    process_class = mp.Process

    class Subclass(process_class):
        """A process that sends what its constructor was given, and whether it is the current one."""

        def __init__(self, connection, value, last=int):
            super().__init__()
            self.connection = connection
            self.value = value
            self.last = last

        def run(self):
            """Send the value, where, and whether this object is the current process; returns a number, if at all."""
            is_current = mp.current_process() is self
            self.connection.send((self.value, threading.get_native_id(), is_current))
            self.last()
            return 5

        def __reduce__(self):
            return _rebuilt, (mp, name, self.__dict__)

    Subclass.__name__ = Subclass.__qualname__ = name
    return Subclass


def _rebuilt(mp, name, state):
    made = _subclass(mp, name).__new__(_subclass(mp, name))
    made.__dict__.update(state)
    return made


@observed_once
def _subclassed(mp):
    """What a process of a subclass sends, its exit code, and what a second start comes to."""
    facts, process = _run_subclass(mp)
    return (*facts, process.exitcode, outcome_of(process.start)[0])


def _run_subclass(mp, *last):
    receiver, sender = mp.Pipe(duplex=False)
    process = _subclass(mp, "Subclass")(sender, ["kept"], *last)
    process.start()
    sender.close()
    facts = receiver.recv()
    process.join()
    return facts, process


@requirement("process.constructor.subclass")
def test_subclass_with_a_constructor(mp):
    """Attributes that a subclass's constructor sets are there when run() runs in the child."""
    assert _subclassed(mp)[0] == ["kept"]


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


@requirement("process.run.overridden")
def test_overridden_run(mp):
    """The child calls the subclass's ``run()``."""
    _, thread, *_ = _subclassed(mp)
    assert thread != threading.get_native_id()


@requirement("process.run.calls-target")
def test_run_called_directly(mp):
    """``run()`` calls the target, whatever kind of callable, where it is called, with its arguments.

    So it does when a subclass that overrides it calls it.
    """
    for target in (_record, _Recording, _Recording.record, functools.partial(_record)):
        made = mp.Process(target=target, args=(1, 2), kwargs={"three": 3})
        assert _recorded(made) == [((1, 2), {"three": 3})]
    assert _recorded(mp.Process(target=_record, args=[1])) == _recorded(
        mp.Process(target=_record, args=(1,))
    )

    class Around(mp.Process):
        def run(self):
            super().run()

    assert _recorded(Around(target=_record, args=(1,))) == [((1,), {})]


class _FalseRecorder:
    """A callable that is false where a truth value is asked for, as a container of nothing is."""

    def __call__(self, *args, **kwargs):
        _record(*args, **kwargs)

    def __len__(self):
        return 0


@requirement("process.run.target-that-is-false")
def test_run_of_a_target_that_is_false(mp):
    """``run()`` calls a target whose truth value is false: None alone stands for no target."""
    assert _recorded(mp.Process(target=_FalseRecorder(), args=(1,))) == [((1,), {})]


@requirement("process.run.many-times")
def test_run_called_again(mp):
    """A second ``run()`` calls the target as the first did."""
    made = mp.Process(target=_record, args=(1,), kwargs={"two": 2})
    made.run()
    assert _recorded(made) == [((1,), {"two": 2})]


def _send_after_word(waiting, sender):
    waiting.recv()
    sender.send("about to end")


@requirement("process.join.blocks-until-end")
def test_join_blocks(mp):
    """When ``join()`` returns, all that the child did has been done."""
    receiver, sender = mp.Pipe(duplex=False)
    waiting, tell = mp.Pipe(duplex=False)
    process = mp.Process(target=_send_after_word, args=(waiting, sender))
    process.start()
    process.join(0.01)
    assert not receiver.poll()
    tell.send("end")
    process.join()
    assert receiver.poll()
    assert not process.is_alive()


@requirement("process.join.timeout-elapses")
def test_join_with_a_timeout_that_elapses(mp):
    """``join(timeout)`` comes back when the time is over, though the process goes on."""
    outcome, alive, exitcode = _joined_in_time(mp)[_SHORT]
    _, took = value_of(outcome)
    # The clocks of a timeout and of this test may tick differently.
    assert took > _SHORT / 2
    assert alive is True
    assert exitcode is None


@requirement("process.join.timeout-zero")
def test_join_with_zero(mp):
    """``join(0)`` of a living process comes back at once, and leaves it alive."""
    outcome, alive, _ = _joined_in_time(mp)[0]
    returned, _ = value_of(outcome)
    assert returned is None
    assert alive is True


@requirement("process.join.timeout-negative")
def test_join_with_a_negative_timeout(mp):
    """``join(-1)`` of a living process comes back at once, and leaves it alive."""
    outcome, alive, _ = _joined_in_time(mp)[-1]
    returned, _ = value_of(outcome)
    assert returned is None
    assert alive is True


@requirement("process.join.timeout-any-number")
def test_join_with_a_fraction(mp):
    """``join()`` with a Fraction comes back when the time is over."""
    outcome, alive, _ = _joined_in_time(mp)["fraction"]
    returned, took = value_of(outcome)
    assert took > _SHORT / 2
    assert (returned, alive) == (None, True)


@requirement("process.join.timeout-huge")
def test_join_with_a_huge_timeout(mp):
    """``join()`` with five weeks, and with the longest timeout that ``threading`` takes, waits for the end."""
    child = _Waiting(mp)
    callers = [CallerThread(mp, child.process, "join", timeout) for timeout in HUGE]
    blocked = [outcome_of(caller.until_blocked) for caller in callers]
    child.end()
    assert [outcome_of(caller.result) for caller in callers] == [("returned", None)] * 2
    assert blocked == [("returned", None)] * 2


@requirement("process.join.timeout-cut-short")
def test_join_with_a_timeout_that_is_not_needed(mp):
    """``join(timeout)`` of a process that ends comes back at its end."""
    process = mp.Process(target=_nothing)
    process.start()
    # A timeout beyond the test's own deadline: waiting for all of it is a hang.
    process.join(1000 * mp.timeout)
    assert not process.is_alive()


@requirement("process.join.none-means-no-timeout")
def test_join_with_none(mp):
    """``join(None)`` waits for the end, given by position or as ``timeout``."""
    receiver, sender = mp.Pipe(duplex=False)
    for give in (lambda process: process.join(None), lambda process: process.join(timeout=None)):
        process = mp.Process(target=_send, args=(sender, "done"))
        process.start()
        give(process)
        assert not process.is_alive()
        assert receiver.recv() == (("done",), {})


@requirement("process.join.returns-none")
def test_join_returns_none(mp):
    """``join`` gives None when the timeout is over, when the process has ended, and later."""
    facts = _joined_in_time(mp)
    assert [value_of(facts[timeout][0])[0] for timeout in (0, _SHORT)] == [None, None]
    assert facts["returned"] is None
    assert _life(mp)["join"] == [None] * 4


def _exit_after_word(waiting, status):
    waiting.recv()
    sys.exit(status)


# A timeout that elapses, and what a join() with it takes at the most.
_SHORT, _ENOUGH = 0.02, 0.045


def _timed_join(process, timeout):
    before = time.monotonic()
    returned = process.join(timeout)
    return returned, time.monotonic() - before


@observed_once
def _joined_in_time(mp):
    """What join() with a timeout comes to, of a process that goes on and then exits with 3."""
    from fractions import Fraction

    waiting, tell = mp.Pipe(duplex=False)
    process = mp.Process(target=_exit_after_word, args=(waiting, 3))
    process.start()
    facts = {}
    timeouts = {0: 0, -1: -1, _SHORT: _SHORT, "fraction": Fraction(_SHORT)}
    for kind, timeout in timeouts.items():
        limit = _ENOUGH if timeout > 0 else AT_ONCE
        outcome = outcome_of(within, limit, functools.partial(_timed_join, process, timeout))
        facts[kind] = [outcome, process.is_alive(), process.exitcode]
    tell.send("end")
    facts["returned"] = process.join(timeout=mp.timeout)
    facts["exitcode"] = process.exitcode
    return facts


@requirement("process.join.exitcode-tells")
def test_exitcode_after_join(mp):
    """``exitcode`` is None after a timeout, and the exit code after the end."""
    facts = _joined_in_time(mp)
    assert (facts[_SHORT][2], facts["exitcode"]) == (None, 3)


@requirement("process.join.signals")
def test_join_that_a_signal_interrupts(mp):
    """``join`` ends by what a signal's handler raises, and goes on when the handler returns, with a timeout or not.

    As long as the timeout says, and no longer.
    """
    for arguments in ((), (mp.timeout,)):
        child = _Waiting(mp)
        with Interrupted(mp, raising=Interruption), raises(Interruption):
            child.process.join(*arguments)
        assert child.process.is_alive()
        join = functools.partial(child.process.join, _SHORT)
        assert within(_ENOUGH, functools.partial(among_signals, join)) is None
        assert child.process.is_alive()
        with Interrupted(mp, then=functools.partial(child.tell.send, "end")) as handled:
            assert child.process.join(*arguments) is None
        assert (handled, child.process.is_alive()) == ([signal.SIGUSR1], False)


@requirement("process.join.many-times")
def test_join_again(mp):
    """``join()`` of a joined process returns, with any timeout."""
    facts = _life(mp)
    assert facts["join"] == [None] * 4
    assert facts["ended"]["is_alive"] == ("returned", False)


def _join_self(mp):
    mp.current_process().join()


@requirement("process.join.not-itself")
def test_join_itself(mp):
    """A child that joins itself gets an exception, and so does the main process."""
    with raises(Exception):
        ask(mp, _join_self, mp)
    with raises(Exception):
        _join_self(mp)


@requirement("process.join.not-before-start")
def test_join_before_start(mp):
    """``join()`` of a process that was not started raises."""
    with raises(AssertionError, RuntimeError, ValueError):
        mp.Process(target=_nothing).join()


_foreign = None


def _try_foreign(method):
    value = getattr(_foreign, method)
    return value() if callable(value) else value


def _ask_about_foreign(mp, method):
    """What a method of a running process object comes to in a forked child that inherits it."""
    global _foreign
    child = _Waiting(mp)
    _foreign = child.process
    receiver, sender = mp.Pipe(duplex=False)
    process = mp.Process(target=_send_outcome, args=(sender, method))
    process.start()
    outcome = receiver.recv()
    process.join()
    _foreign = None
    assert child.process.is_alive()
    child.end()
    return outcome[0]


def _send_outcome(sender, method):
    sender.send(outcome_of(_try_foreign, method))


@requirement("process.join.only-by-creator")
def test_join_in_another_process(mp):
    """A forked child can't join its sibling."""
    assert _ask_about_foreign(mp, "join") != "returned"


@requirement("process.name.given")
def test_name_given(mp):
    """The name is the given one, on both sides."""
    assert _seen(mp, "named", "name") == _told(mp, "named", "itself")["name"] == _NAME


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
    facts = _pair(mp)
    assert facts["names"] == ["shared", "shared"]
    assert facts["alive"] == [True, True]


@requirement("process.name.no-semantics")
def test_name_changed(mp):
    """A living process may be renamed, and goes on as before; one that has ended may be as well."""
    facts = _life(mp)
    assert facts["while running"]["name"] == ("returned", None)
    assert facts["unharmed"]["name"] == facts["ended"]["name"] == ("returned", "renamed")
    assert facts["unharmed"]["is_alive"] == ("returned", True)
    assert facts["names at end"] == ["another", "renamed"]


@requirement("process.name.set-before-start")
def test_name_set_before_start(mp):
    """A child has the name that its object was given after its making."""
    assert _seen(mp, "daemon", "name") == _told(mp, "daemon", "itself")["name"] == "after"


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
        _subclass(mp, "MyProcess")(None, None).name,
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
    process = _subclass(mp, "Worker")(None, None)
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
    name = _seen(mp, "plain", "name")
    assert _told(mp, "plain", "itself")["name"] == name
    assert _told(mp, "plain", "made")[0][:2] == [f"{name}:1", f"{name}:2"]
    child, *below = ask(mp, _names_below, mp, 2)
    assert below == [f"{child}{path}" for path in (":1", ":2", ":2:1", ":2:2", ":2:2:1")]


@requirement("process.name.counts-named")
def test_default_names_beside_given_ones(mp):
    """A child with a name of its own has its number too, which the names of its children tell."""
    prefix, _, number = _kin(mp)["last"].rpartition("-")
    path, _, last = number.rpartition(":")
    # The named child is the second that was made after the one whose name was the last.
    identity = f"{path}:{int(last) + 2}" if path else f"{int(last) + 2}"
    expected = [f"{prefix}-{identity}:1", f"{prefix}-{identity}:2"]
    assert _told(mp, "named", "made")[0][:2] == expected


@requirement("process.is-alive.before-start")
def test_not_alive_before_start(mp):
    """``is_alive()`` is False for a process that was not started."""
    assert mp.Process(target=_nothing).is_alive() is False


@requirement("process.is-alive.from-start")
def test_alive_after_start(mp):
    """``is_alive()`` is True while the child goes on."""
    facts = _life(mp)
    assert facts["running"]["is_alive"] == facts["unharmed"]["is_alive"] == ("returned", True)


@requirement("process.is-alive.stopped")
def test_alive_while_stopped(mp):
    """A process that SIGSTOP holds up is alive and active, and has no exit code."""
    assert _terminated(mp)[5] == (True, None, True)


@requirement("process.is-alive.after-end")
def test_not_alive_after_the_end(mp):
    """``is_alive()`` becomes False without a join, asked by another thread as well."""
    from mpspec.observing import wait_until

    child = _Waiting(mp)
    child.tell.send("end")
    is_alive = functools.partial(_in_a_thread, mp, child.process.is_alive)
    wait_until(lambda: is_alive() is False, mp.timeout, "the process not alive")
    child.process.join()
    assert child.process.is_alive() is False


@requirement("process.is-alive.only-by-creator")
def test_is_alive_in_another_process(mp):
    """A forked child can't ask whether its sibling is alive."""
    assert _ask_about_foreign(mp, "is_alive") != "returned"


@observed_once
def _reaped(mp):
    return ask(mp, _reap_elsewhere, mp)


def _reap_elsewhere(mp):
    """What a process object tells of a child that ``os.waitpid`` has reaped."""
    process = mp.Process(target=_nothing)
    process.start()
    os.waitpid(process.pid, 0)
    signalled = [outcome_of(_look, process, name) for name in ("interrupt", "terminate")]
    process.join()
    signalled.append(outcome_of(process.kill))
    return [process.is_alive(), process in mp.active_children(), signalled]


@requirement("process.is-alive.reaped-elsewhere")
def test_is_alive_though_others_reaped_it(mp):
    """``is_alive()`` is False of a child that ``os.waitpid`` has reaped, and ``terminate()`` does nothing."""
    alive, active, signalled = _reaped(mp)
    assert (alive, active) == (False, False)
    assert signalled[1:] == [("returned", None)] * 2


@requirement("process.terminate.reaped-elsewhere")
def test_terminate_though_others_reaped_it(mp):
    """``join()`` returns for a child that ``os.waitpid`` has reaped; ``terminate()`` and ``kill()`` do nothing."""
    assert _reaped(mp)[2][1:] == [("returned", None)] * 2


@requirement("process.daemon.is-boolean")
def test_daemon_flag(mp):
    """The flag is False unless somebody asks for a daemon."""
    assert mp.Process().daemon is False


@requirement("process.daemon.set-before-start")
def test_daemon_set(mp):
    """A flag set before ``start()`` is what the child sees; it may be set to either value, and set again."""
    process = mp.Process(daemon=True)
    for flag in (False, True, False):
        process.daemon = flag
        assert process.daemon is flag
    assert _told(mp, "daemon", "itself")["daemon"] is True
    assert _seen(mp, "daemon", "daemon") is True


@requirement("process.daemon.not-after-start")
def test_daemon_set_too_late(mp):
    """Setting the flag after ``start()``, to either value, raises and leaves the flag alone; after the end as well."""
    facts = _life(mp)
    kinds = {kind for kind, _ in (*facts["while running"]["daemon"], facts["daemon at end"])}
    assert kinds <= {"AssertionError", "RuntimeError", "ValueError"}
    assert facts["unharmed"]["daemon"] == ("returned", False)


@requirement("process.daemon.ended-at-parent-exit")
def test_daemons_end_with_their_parent(mp):
    """Three daemons that would wait for ever are gone when their parent has ended."""
    words, exitcode = _daemons_of_returning(mp)
    assert (words[-1], exitcode) == ("gone", 0)


@requirement("process.daemon.ended-after-failure")
def test_daemon_ends_with_a_failing_parent(mp, tmp_path):
    """A daemon is gone when its parent has ended by an exception, be it KeyboardInterrupt, or by ``sys.exit()``."""
    path = tmp_path / "stderr"
    fails = [functools.partial(_redirected, _raise_type, path, kind) for kind in _EXCEPTIONS[:2]]
    ends = (*fails, functools.partial(sys.exit, 3))
    parents = [_start_parent_of_daemons(mp, end) for end in ends]
    found = [_end_parent_of_daemons(mp, *parent) for parent in parents]
    expected = [("gone", 1), ("gone", 1), ("gone", 3)]
    assert [(words[-1], exitcode) for words, exitcode in found] == expected


def _tell_sigterm(sender):
    """In a daemon: send the number of the signal that ends it."""

    def tell(number, _frame):
        sender.send(number)
        os._exit(0)

    signal.signal(signal.SIGTERM, tell)
    sender.send("the daemon runs")
    _let_handlers_run()


def _be_parent_of_daemons(mp, number, sender, go, end):
    for _ in range(number):
        daemon = mp.Process(target=_tell_sigterm, args=(sender,))
        daemon.daemon = True
        daemon.start()
    go.recv()
    end()


def _start_parent_of_daemons(mp, end, number=1):
    receiver, sender = mp.Pipe(duplex=False)
    go, let_go = mp.Pipe(duplex=False)
    parent = mp.Process(target=_be_parent_of_daemons, args=(mp, number, sender, go, end))
    parent.start()
    sender.close()
    for _ in range(number):
        assert receiver.recv() == "the daemon runs"
    return parent, receiver, let_go


def _end_parent_of_daemons(mp, parent, receiver, let_go):
    """What daemons send after their parent has ended by some call, and the parent's exit code."""
    let_go.send("end")
    parent.join()
    words = []
    # Neither the parent nor a daemon lives, or one of them would hold the other end.
    while receiver.poll(mp.timeout / 5):
        try:
            words.append(receiver.recv())
        except EOFError:
            return [*words, "gone"], parent.exitcode
    return [*words, "lives"], parent.exitcode


@observed_once
def _daemons_of_returning(mp):
    return _end_parent_of_daemons(mp, *_start_parent_of_daemons(mp, _nothing, 3))


def _let_handlers_run():
    """In a child: wait for ever. A signal that comes just before a pause() would be missed by it."""
    while True:
        select.select([], [], [], 0.02)


@requirement("process.daemon.sigterm-at-parent-exit")
def test_daemons_are_ended_by_sigterm(mp):
    """The signal that each of three daemons gets at its parent's exit is SIGTERM."""
    assert _daemons_of_returning(mp)[0][:3] == [signal.SIGTERM] * 3


@requirement("process.daemon.no-children")
def test_daemon_has_no_children(mp):
    """``start()`` in a daemonic process raises, in any thread, be the new process daemonic, as by default, or not.

    By whatever context it was made.
    """
    outcomes = _told(mp, "daemon", "start")
    assert "returned" not in outcomes
    assert len(outcomes) == 6


@requirement("process.daemon.no-pool-nor-manager")
def test_daemon_has_no_pool_nor_manager(mp):
    """``Pool(1)`` and ``Manager()`` in a daemonic process raise."""
    outcomes = _told(mp, "daemon", "manager and pool")
    assert "returned" not in outcomes
    assert len(outcomes) == 2


def _start_daemon(mp, target, sender):
    mp.Process(target=target, args=(sender,), daemon=True).start()
    sender.recv()


@requirement("process.daemon.not-joined-by-child")
def test_child_does_not_join_its_daemon(mp):
    """A child has ended while its daemon, which ignores SIGTERM, goes on."""
    from mpspec.observing import join_unless_asleep

    ours, theirs = mp.Pipe()
    parent = mp.Process(target=_start_daemon, args=(mp, _ignore_sigterm, theirs))
    parent.start()
    daemon = ours.recv()
    ours.send("end")
    join_unless_asleep(parent)
    exitcode = parent.exitcode
    os.kill(daemon, signal.SIGKILL)
    parent.join()
    assert exitcode == 0


def _send_pid_after_word(waiting, sender):
    waiting.recv()
    sender.send(os.getpid())


def _leave_children_behind(mp, waiting, sender, end):
    for each in waiting:
        mp.Process(target=_send_pid_after_word, args=(each, sender)).start()
    sender.send("run ends")
    end()


@requirement("process.non-daemonic.joined-at-parent-exit")
def test_children_are_joined_at_exit(mp, tmp_path):
    """A process that has returned from run() lives on until the last of its three children has ended.

    So does one whose run() ended by sys.exit(), or by an exception.
    """
    # In an order for which it is too little to wait for the first alone, the last alone, or every second one.
    assert _exit_code_after_children(mp, int, (2, 0, 1)) == 0
    assert _exit_code_after_children(mp, sys.exit, (0,)) == 0
    fail = functools.partial(_redirected, _raise, tmp_path / "stderr")
    assert _exit_code_after_children(mp, fail, (0,)) == 1


def _exit_code_after_children(mp, end, order):
    """The exit code of a process that ends so, and whose children then are let end in that order."""
    from mpspec.observing import has_ended, wait_until, wait_until_asleep

    receiver, sender = mp.Pipe(duplex=False)
    waiting, tell = zip(*[mp.Pipe(duplex=False) for _ in order], strict=True)
    process = mp.Process(target=_leave_children_behind, args=(mp, waiting, sender, end))
    process.start()
    sender.close()
    assert receiver.recv() == "run ends"
    process.join(0.05)
    for each in (tell[number] for number in order):
        assert process.is_alive()
        # It waits: the interpreter's own end, which takes a while too, does not sleep.
        wait_until_asleep(process.pid, process.pid, mp.timeout / 5)
        each.send("end")
        child = receiver.recv()
        wait_until(lambda child=child: has_ended(child), mp.timeout, "a child ended")
    process.join()
    return process.exitcode


@requirement("process.pid.none-before-start")
def test_no_pid_before_start(mp):
    """``pid`` is None before ``start()``."""
    assert mp.Process(target=_nothing).pid is None


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
    facts = _life(mp)
    assert isinstance(facts["running"]["pid"][1], int)
    assert facts["running"]["pid"] == facts["ended"]["pid"] == facts["after signals"]["pid"]


@requirement("process.ident.same-as-pid")
def test_ident(mp):
    """``ident`` is ``pid``, before ``start()``, while the process runs, and when it has ended."""
    facts = _life(mp)
    states = [facts[when] for when in ("before", "running", "ended")]
    assert [state["ident"] for state in states] == [state["pid"] for state in states]


@requirement("process.exitcode.none-before-start")
def test_no_exitcode_before_start(mp):
    """``exitcode`` is None before ``start()``."""
    assert mp.Process(target=_nothing).exitcode is None


@requirement("process.exitcode.none-while-running")
def test_no_exitcode_while_running(mp):
    """``exitcode`` is None while the child goes on, for the child itself as well."""
    facts = _life(mp)
    seen = [facts["running"]["exitcode"], facts["unharmed"]["exitcode"]]
    assert [*seen, _told(mp, "plain", "itself")["exitcode"]] == [("returned", None)] * 3


def _return_value():
    return 5


@requirement("process.exitcode.zero-after-return")
def test_exitcode_after_return(mp):
    """``exitcode`` is 0 after a return, of whatever value: by the target, and by a ``run()`` that is overridden."""
    assert run(mp, _return_value).exitcode == 0
    assert _subclassed(mp)[3] == 0


class _Leaving(SystemExit):
    pass


def _leave(code):
    raise _Leaving(code)


@requirement("process.exitcode.from-sys-exit")
def test_exitcode_after_sys_exit(mp):
    """``exitcode`` is the number that a target or a ``run()`` gave to ``sys.exit``, be it large, and 0 if that is 0."""
    _, process = _run_subclass(mp, functools.partial(sys.exit, 255))
    assert process.exitcode == 255
    assert _kin(mp)["plain"]["exitcode"] == 0
    assert _joined_in_time(mp)["exitcode"] == 3
    assert run(mp, sys.exit, signal.SIGTERM).exitcode == 15  # a member of an enumeration of int
    assert [run(mp, sys.exit, each).exitcode for each in (False, True)] == [0, 1]
    assert run(mp, _leave, -1).exitcode == 255  # as sys.exit(-1), which any program may call


@requirement("process.exitcode.from-sys-exit-none")
def test_exitcode_after_sys_exit_without_a_number(mp):
    """``exitcode`` is 0 after ``sys.exit()``, which is ``sys.exit(None)``, or raises ``SystemExit(None)``."""
    assert run(mp, sys.exit).exitcode == 0
    assert run(mp, _leave, None).exitcode == 0


def _redirected(function, path, *args):
    """In a child: call a function with the standard error stream going to a file."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT)
    os.dup2(descriptor, 2)
    sys.stderr = os.fdopen(2, "w", closefd=False)
    function(*args)


class _Nought(float):
    """A number that is 0, and no int; its text is not that of its representation."""

    def __str__(self):
        return "last words"


@observed_once
def _last_words(mp):
    """The exit codes and error streams of children that gave ``sys.exit`` a text, an empty one, and a ``_Nought``."""
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as folder:
        found = []
        for number, last in enumerate(("a last word", "", _Nought())):
            path = Path(folder, str(number))
            exitcode = run(mp, _redirected, sys.exit, path, last).exitcode
            found.append((exitcode, path.read_text().splitlines()))
        return found


@requirement("process.exitcode.from-sys-exit-text")
def test_exitcode_after_sys_exit_with_a_text(mp):
    """``exitcode`` is 1 after ``sys.exit("text")``, be the text empty."""
    (text, _), (nothing, _), _ = _last_words(mp)
    assert [text, nothing] == [1, 1]


@requirement("process.exitcode.from-sys-exit-object")
def test_exitcode_after_sys_exit_with_an_object(mp):
    """What ``sys.exit`` was given is a line of the error stream, as a text; ``exitcode`` is 1 if that is 0.0."""
    (_, text), _, (exitcode, lines) = _last_words(mp)
    assert "a last word" in text
    assert exitcode == 1
    assert "last words" in lines


@requirement("process.exitcode.from-os-exit")
def test_exitcode_after_os_exit(mp):
    """``exitcode`` is the number that was given to ``os._exit``."""
    assert run(mp, os._exit, 9).exitcode == 9


def _raise():
    message = "nobody catches this"
    raise LookupError(message) from KeyError("the cause")


def _raise_untold():
    """In a child: end by an exception without an error stream, neither Python's nor the system's."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    sys.stderr = None
    _raise()


def _raise_far_below(depth):
    if depth:
        _raise_far_below(depth - 1)
    _raise()


def _print_and_raise(path):
    _print_unflushed(path)
    _raise_far_below(20)


@observed_once
def _failed(mp):
    """The exit code and the error stream of a process whose ``run()`` is overridden, and ended by an exception."""
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as folder:
        path, output = Path(folder, "stderr"), Path(folder, "stdout")
        last = functools.partial(_redirected, _print_and_raise, path, output)
        _, process = _run_subclass(mp, last)
        return process.exitcode, path.read_text(), process.name, output.read_text()


@requirement("process.exitcode.one-after-exception")
def test_exitcode_after_an_exception(mp):
    """``exitcode`` is 1 after an uncaught exception."""
    assert _failed(mp)[0] == 1


@requirement("process.exitcode.traceback-on-stderr")
def test_traceback_of_an_exception(mp):
    """The whole traceback of an uncaught exception, with its cause and the process's name, is on the error stream."""
    _, text, name, _ = _failed(mp)
    assert name in text
    assert "Traceback (most recent call last)" in text
    assert "in _raise\n" in text  # the last of many
    assert "KeyError: 'the cause'" in text
    assert "LookupError: nobody catches this" in text.splitlines()


class _Ending(BaseException):
    pass


# What is no Exception, but the first.
_EXCEPTIONS = (LookupError, KeyboardInterrupt, GeneratorExit, _Ending)


def _raise_type(kind):
    raise kind


@requirement("process.exitcode.one-after-any-exception")
def test_exitcode_after_an_exception_of_any_type(mp, tmp_path):
    """KeyboardInterrupt, which is no Exception, and others make the exit code 1, and are on the error stream."""
    for kind in _EXCEPTIONS[1:]:
        process = run(mp, _redirected, _raise_type, tmp_path / kind.__name__, kind)
        assert process.exitcode == 1
        assert kind.__name__ in (tmp_path / kind.__name__).read_text()


@requirement("process.exitcode.without-join")
def test_exitcode_without_join(mp):
    """``exitcode`` of a process that has ended is there without a join, and it is not active then.

    Whichever thread asks, and of a daemon too.
    """
    from mpspec.observing import wait_until

    processes = [mp.Process(target=sys.exit, args=(4,), daemon=flag) for flag in (False, True)]
    for process in processes:
        process.start()
        assert _is_ready(process.sentinel, mp.timeout)
        # The sentinel may be a moment ahead.
        told = functools.partial(_has_exitcode, process)
        if not process.daemon:
            told = functools.partial(_in_a_thread, mp, told)
        wait_until(told, mp.timeout / 5, "an exit code")
        assert process.exitcode == 4
        assert process not in mp.active_children()
        process.join()


def _has_exitcode(process):
    return process.exitcode is not None


def _in_a_thread(mp, function):
    return CallerThread(mp, function, "__call__").result()


def _leave_thread_behind(waiting, sender):
    threading.Thread(target=_send_after_word, args=(waiting, sender)).start()
    sender.send("run returns")


@requirement("process.exitcode.after-threads")
def test_end_waits_for_threads(mp):
    """A child whose run() has returned goes on while a thread of it does, then ends with 0."""
    receiver, sender = mp.Pipe(duplex=False)
    waiting, tell = mp.Pipe(duplex=False)
    process = mp.Process(target=_leave_thread_behind, args=(waiting, sender))
    process.start()
    assert receiver.recv() == "run returns"
    process.join(0.05)
    assert process.exitcode is None
    tell.send("end")
    process.join()
    assert (receiver.recv(), process.exitcode) == ("about to end", 0)


def _end_before_thread(waiting, sender, end, *args):
    threading.Thread(target=_send_after_word, args=(waiting, sender)).start()
    sender.send("run ends")
    end(*args)


@requirement("process.exit.waits-for-threads")
def test_sys_exit_waits_for_threads(mp):
    """A child that has called ``sys.exit(5)`` goes on while a thread of it does, then ends with 5.

    So does one that an exception ends, with 1, be there no error stream to tell it.
    """
    for code, *end in ((5, sys.exit, 5), (1, _raise_untold)):
        receiver, sender = mp.Pipe(duplex=False)
        waiting, tell = mp.Pipe(duplex=False)
        process = mp.Process(target=_end_before_thread, args=(waiting, sender, *end))
        process.start()
        sender.close()
        assert receiver.recv() == "run ends"
        process.join(0.05)
        assert process.exitcode is None
        tell.send("end")
        assert receiver.recv() == "about to end"
        process.join()
        assert process.exitcode == code


def _end_by_signal(number):
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
    signal.pause()


def _end_with_core(folder):
    """In a child: be ended by a signal that makes the system write a core file, a small one, into the folder."""
    import resource

    os.chdir(folder)
    with open("/proc/self/coredump_filter", "w") as file:
        file.write("0")  # none of the memory
    _, most = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (most, most))
    _end_by_signal(signal.SIGQUIT)


_NAMELESS = signal.SIGRTMIN + 1


@observed_once
def _ended_namelessly(mp):
    """The exit code and the text of a process that a signal ended which has no name."""
    process = run(mp, _end_by_signal, _NAMELESS)
    return process.exitcode, repr(process)


@requirement("process.exitcode.killed-by-signal")
def test_exitcode_after_a_signal(mp, tmp_path):
    """``exitcode`` is -N after signal N, for any signal, also for one without a name, and with a core file."""
    assert _ended_namelessly(mp)[0] == -_NAMELESS
    assert _terminated(mp)[1] == -signal.SIGTERM
    assert run(mp, _end_with_core, tmp_path).exitcode == -signal.SIGQUIT


@requirement("process.sentinel.is-descriptor")
def test_sentinel_is_a_descriptor(mp):
    """``sentinel`` is an open descriptor."""
    facts = _life(mp)
    kind, sentinel = facts["running"]["sentinel"]
    assert kind == "returned"
    assert isinstance(sentinel, int)
    assert facts["while running"]["sentinel"] == ("returned", True)


def _is_ready(descriptor, timeout):
    return bool(select.select([descriptor], [], [], timeout)[0])


@requirement("process.sentinel.not-ready-while-running")
def test_sentinel_while_running(mp):
    """``select``, ``poll`` and ``epoll`` do not find the sentinel of a living process ready."""
    assert _life(mp)["while running"]["ready"] == ("returned", [False] * 3)


@requirement("process.sentinel.ready-at-end")
def test_sentinel_at_the_end(mp):
    """``select``, ``poll`` and ``epoll`` find the sentinel ready when the process has ended."""
    assert _life(mp)["ready at end"] == ("returned", [True] * 3)


@requirement("process.sentinel.with-connection-wait")
def test_sentinel_with_wait(mp):
    """``connection.wait`` gives the sentinel of the one process that has ended."""
    facts = _pair(mp)
    assert facts["none ready"] == ("returned", [])
    assert facts["ready"] == ("returned", [1])


@requirement("process.sentinel.stays-ready")
def test_sentinel_after_join(mp):
    """The sentinel of a joined process is still ready, after ``terminate()`` and ``kill()`` as well."""
    looks = [*_life(mp)["ready after join"], _terminated(mp)[7], _killed(mp)[7]]
    assert looks == [("returned", [True] * 3)] * 4


def _fork_and_die(sender):
    if os.fork() == 0:
        # A plain child of the child's, which knows nothing of the backend, with all its descriptors.
        sender.send(os.getpid())
        signal.pause()
    signal.pause()


@requirement("process.sentinel.grandchild-does-not-delay")
def test_sentinel_with_a_living_grandchild(mp):
    """The sentinel is ready when the process has been killed, though a descendant lives."""
    receiver, sender = mp.Pipe(duplex=False)
    process = mp.Process(target=_fork_and_die, args=(sender,))
    process.start()
    grandchild = receiver.recv()
    os.kill(process.pid, signal.SIGKILL)
    # Microseconds are enough; an implementation that departs costs the whole wait.
    ready = _is_ready(process.sentinel, mp.timeout / 100)
    os.kill(grandchild, signal.SIGKILL)
    process.join()
    assert ready


def _become_another_program(sender):
    """In a child: go on as another program, which says that it is there, and sleeps."""
    descriptor = sender.fileno()
    os.set_inheritable(descriptor, True)
    program = f"import os, signal; os.write({descriptor}, b'here'); signal.pause()"
    arguments = [sys.executable, "-I", "-S", "-c", program]
    os.execv(sys.executable, arguments)  # noqa: S606 - the way of doing it that is meant


@requirement("process.sentinel.program-replaced")
def test_sentinel_of_a_process_that_runs_another_program(mp):
    """The sentinel is quiet, and join() with a timeout gives up, while a child goes on that has called ``os.exec``."""
    receiver, sender = mp.Pipe(duplex=False)
    process = mp.Process(target=_become_another_program, args=(sender,))
    process.start()
    try:
        assert _is_ready(receiver.fileno(), mp.timeout)
        assert not _is_ready(process.sentinel, 0)
        process.join(_SHORT)
        assert process.exitcode is None
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.join()
    assert process.exitcode == -signal.SIGKILL


@requirement("process.sentinel.not-before-start")
def test_no_sentinel_before_start(mp):
    """``sentinel`` raises ValueError before ``start()``."""
    process = mp.Process(target=_nothing)
    with raises(ValueError):
        process.sentinel  # noqa: B018 - reading it is the test


@requirement("process.terminate.sigterm")
def test_terminate(mp):
    """``terminate()`` ends the process; the exit code is -SIGTERM."""
    assert _terminated(mp)[:2] == (None, -signal.SIGTERM)
    assert _terminated(mp)[6] == _AT_END


def _exit_on(number, status, sender):
    signal.signal(number, lambda *_: sys.exit(status))
    sender.send("ready")
    _let_handlers_run()


@requirement("process.terminate.not-before-start")
def test_terminate_before_start(mp):
    """``terminate()`` of a process that was not started raises, and it can be started after."""
    _assert_initial_after(mp, "terminate")


@requirement("process.kill.not-before-start")
def test_kill_before_start(mp):
    """``kill()`` of a process that was not started raises, and it can be started after."""
    _assert_initial_after(mp, "kill")


def _assert_initial_after(mp, method):
    """That a method of a process that was not started raises, and changes nothing."""
    process = mp.Process()
    shown = repr(process)
    assert "initial" in shown
    # A method that is not there would raise as well.
    end = getattr(process, method)
    with raises(Exception):
        end()
    assert process.exitcode is None
    assert repr(process) == shown


@requirement("process.terminate.handler-can-catch")
def test_terminate_with_a_handler(mp):
    """A handler of SIGTERM in the child is called."""
    receiver, sender = mp.Pipe(duplex=False)
    process = mp.Process(target=_exit_on, args=(signal.SIGTERM, 11, sender))
    process.start()
    receiver.recv()
    process.terminate()
    process.join()
    assert process.exitcode == 11


@requirement("process.terminate.no-finally")
def test_terminate_runs_no_clean_up(mp):
    """Neither a finally clause nor an exit handler runs after ``terminate()``."""
    assert {"finally", "exit handler"}.isdisjoint(_terminated(mp)[2])


def _echo(waiting, sender):
    sender.send("ready, too")
    waiting.recv()
    sender.send("still here")


def _live_noisily(mp, waiting, sender, *, daemon=False):
    """In a child: have a child, tell whether it is active, then wait for an end that may run the clean-up here."""
    atexit.register(sender.send, "exit handler")
    try:
        child = mp.Process(target=_echo, args=(waiting, sender), daemon=daemon)
        child.start()
        sender.send("found it" if mp.active_children() == [child] else "did not find it")
        _let_handlers_run()
    finally:
        sender.send("finally")


def _wait_until_left(mp, process):
    from mpspec.observing import wait_until

    wait_until(lambda: process not in mp.active_children(), mp.timeout / 5, "the child not active")


# Of a child that was ended: what it came to to wait until it is not active, whether it is alive, and has its pid,
# what closing comes to.
_AT_END = ("returned", None), False, True, ("returned", None)


def _ended_by(mp, method):
    """What a method that ends a process returns, the exit code, and all that it and its child say after that.

    Then its text, whether the main thread and another one found it active (a third one has started it) and it its own
    child, what it was while it was held up; the facts of its end (a thread has called the method), whether its sentinel
    was ready then, and whether it was open when it was closed.
    """
    receiver, sender = mp.Pipe(duplex=False)
    waiting, tell = mp.Pipe(duplex=False)
    live = functools.partial(_live_noisily, daemon=method == "terminate")
    process = mp.Process(target=live, args=(mp, waiting, sender))
    CallerThread(mp, process, "start").result()
    sender.close()
    heard = {receiver.recv(), receiver.recv()}
    listings = [mp.active_children(), CallerThread(mp, mp, "active_children").result()]
    listed, pid = [process in listing for listing in listings], process.pid
    listed.append(heard == {"found it", "ready, too"})
    stopped = _stopped(mp, process)
    returned = CallerThread(mp, process, method).result()
    left = outcome_of(_wait_until_left, mp, process)
    process.join()
    exitcode, text = process.exitcode, repr(process)
    tell.send("speak")
    words = []
    while receiver.poll(mp.timeout):
        try:
            words.append(receiver.recv())
        except EOFError:  # its child has ended, too
            break
    same = (process.pid, process.ident) == (pid, pid)
    sentinel, (_, descriptor) = (
        outcome_of(_ready_by, process, mp.timeout / 5),
        outcome_of(_look, process, "sentinel"),
    )
    at_end = left, process.is_alive(), same, outcome_of(process.close)
    closed = outcome_of(os.fstat, descriptor)[0]
    return returned, exitcode, words, text, listed, stopped, at_end, sentinel, closed


def _stopped(mp, process):
    """Whether the process is alive while SIGSTOP holds it up, and its exit code."""
    from mpspec.observing import is_stopped, wait_until

    os.kill(process.pid, signal.SIGSTOP)
    wait_until(lambda: is_stopped(process.pid), mp.timeout, "the process stopped")
    seen = process.is_alive(), process.exitcode, process in mp.active_children()
    os.kill(process.pid, signal.SIGCONT)
    return seen


@observed_once
def _terminated(mp):
    return _ended_by(mp, "terminate")


@observed_once
def _killed(mp):
    return _ended_by(mp, "kill")


@requirement("process.terminate.descendants-go-on")
def test_terminate_leaves_descendants(mp):
    """A child of a terminated process, though a daemon, lives, and answers."""
    assert "still here" in _terminated(mp)[2]


@requirement("process.terminate.after-end")
def test_terminate_too_late(mp):
    """``terminate()`` after the end changes nothing."""
    facts = _life(mp)
    assert facts["signals"][0] == ("returned", None)
    assert facts["after signals"]["exitcode"] == ("returned", 0)


@requirement("process.kill.sigkill")
def test_kill(mp):
    """``kill()`` ends the process; the exit code is -SIGKILL."""
    assert _killed(mp)[:2] == (None, -signal.SIGKILL)
    assert _killed(mp)[6] == _AT_END


def _ignore_sigterm(sender):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sender.send(os.getpid())
    while True:
        signal.pause()


@requirement("process.kill.after-end")
def test_kill_too_late(mp):
    """``kill()`` after the end changes nothing."""
    facts = _life(mp)
    assert facts["signals"][1] == ("returned", None)
    assert facts["after signals"]["exitcode"] == ("returned", 0)


@requirement("process.kill.after-close")
def test_kill_of_a_closed_process(mp):
    """``kill()`` after ``close()`` raises ValueError, whether the process was ever started or not."""
    assert _life(mp)["methods"]["kill"] == _outcome_unstarted(mp, "kill") == "ValueError"


@requirement("process.kill.cannot-be-ignored")
def test_kill_when_sigterm_is_ignored(mp):
    """A child that ``terminate()`` does not end, nor wait for, stays active; ``kill()`` ends it, a daemon too."""
    receiver, sender = mp.Pipe(duplex=False)
    process = mp.Process(target=_ignore_sigterm, args=(sender,), daemon=True)
    process.start()
    receiver.recv()
    within(AT_ONCE, process.terminate)
    process.join(0.02)
    assert process in mp.active_children()
    assert process.is_alive()
    process.kill()
    process.join()
    assert process.exitcode == -signal.SIGKILL


@requirement("process.kill.no-finally")
def test_kill_runs_no_clean_up(mp):
    """Neither a finally clause nor an exit handler runs after ``kill()``."""
    assert {"finally", "exit handler"}.isdisjoint(_killed(mp)[2])


@requirement("process.kill.descendants-go-on")
def test_kill_leaves_descendants(mp):
    """A child of a killed process lives, and answers."""
    assert "still here" in _killed(mp)[2]


def _wait_for_interrupt(sender, *, discard):
    try:
        sender.send("ready")
        _let_handlers_run()
    except KeyboardInterrupt:
        sender.send("KeyboardInterrupt")
        if not discard:
            raise
    sys.exit(21)


def _interrupted(mp, *, discard):
    """In a program that has not inherited an ignored SIGINT: what a child comes to that sets no handler."""
    import tempfile

    signal.signal(signal.SIGINT, signal.default_int_handler)
    receiver, sender = mp.Pipe(duplex=False)
    with tempfile.NamedTemporaryFile() as file:
        arguments = (_interrupt_target, file.name, sender, discard)
        process = mp.Process(target=_redirected, args=arguments)
        process.start()
        sender.close()
        receiver.recv()
        process.interrupt()
        word = receiver.recv()
        process.join()
    return [word, process.exitcode]


def _interrupt_target(sender, discard):
    _wait_for_interrupt(sender, discard=discard)


def _interrupted_noisily(mp):
    """In such a program: the first word of an interrupted child, and all that it and its own child say then."""
    import tempfile

    receiver, sender = mp.Pipe(duplex=False)
    waiting, tell = mp.Pipe(duplex=False)
    with tempfile.NamedTemporaryFile() as file:
        arguments = (_live_noisily, file.name, mp, waiting, sender)
        process = mp.Process(target=_redirected, args=arguments)
        process.start()
        sender.close()
        assert {receiver.recv(), receiver.recv()} == {"found it", "ready, too"}
        process.interrupt()
        words = []
        with contextlib.suppress(EOFError):  # both have ended
            if receiver.poll(mp.timeout / 2):
                # Nobody else speaks before the other one is told to.
                words.append(receiver.recv())
            tell.send("speak")
            while True:
                words.append(receiver.recv())
        process.join()
    return words


def _interrupts(mp):
    found = [_interrupted(mp, discard=discard) for discard in (False, True)]
    return [*found, _interrupted_noisily(mp)]


@observed_once
def _program_of_interrupts(mp):
    return call(_interrupts, mp, timeout=3 * mp.timeout)


@requirement("process.interrupt.keyboard-interrupt")
def test_interrupt(mp):
    """``interrupt()`` raises KeyboardInterrupt in a child that has set no handler."""
    assert _program_of_interrupts(mp)[0][0] == "KeyboardInterrupt"


@requirement("process.interrupt.exitcode-one")
def test_interrupt_exitcode(mp):
    """A child that does not catch the KeyboardInterrupt ends with 1."""
    assert _program_of_interrupts(mp)[0][1] == 1


@requirement("process.interrupt.can-be-discarded")
def test_interrupt_discarded(mp):
    """A child that catches the KeyboardInterrupt ends as it likes."""
    assert _program_of_interrupts(mp)[1] == ["KeyboardInterrupt", 21]


@requirement("process.interrupt.clean-up-runs")
def test_interrupt_runs_clean_up(mp):
    """A finally clause of an interrupted child runs, and its exit handler does."""
    words = _program_of_interrupts(mp)[2]
    assert words[:1] == ["finally"]
    assert "exit handler" in words


@requirement("process.interrupt.descendants-go-on")
def test_interrupt_leaves_descendants(mp):
    """A child of an interrupted process lives, and answers, when its parent is on its way out."""
    assert "still here" in _program_of_interrupts(mp)[2]


@requirement("process.interrupt.after-end")
def test_interrupt_too_late(mp):
    """``interrupt()`` after the end changes nothing."""
    facts = _life(mp)
    assert facts["signals"][2] == ("returned", None)
    assert facts["after signals"]["exitcode"] == ("returned", 0)


@requirement("process.interrupt.reaped-elsewhere")
def test_interrupt_though_others_reaped_it(mp):
    """``interrupt()`` of a child that ``os.waitpid`` has reaped does nothing."""
    assert _reaped(mp)[2][0] == ("returned", None)


@requirement("process.interrupt.not-before-start")
def test_interrupt_before_start(mp):
    """``interrupt()`` of a process that was not started raises, and leaves it as it was."""
    process = mp.Process()
    # A method that is not there would raise as well.
    interrupt = process.interrupt
    with raises(Exception):
        interrupt()
    assert process.exitcode is None
    assert repr(process).endswith("initial>")


@requirement("process.interrupt.handler")
def test_interrupt_with_a_handler(mp):
    """A handler of SIGINT in the child is called."""
    receiver, sender = mp.Pipe(duplex=False)
    process = mp.Process(target=_exit_on, args=(signal.SIGINT, 12, sender))
    process.start()
    receiver.recv()
    process.interrupt()
    process.join()
    assert process.exitcode == 12


@requirement("process.close.while-running")
def test_close_while_running(mp):
    """``close()`` of a living process raises ValueError in any thread; it goes on to its end, an active child."""
    facts = _life(mp)
    assert facts["while running"]["close"][0] == "ValueError"
    assert facts["while running"]["close in a thread"][0] == "ValueError"
    assert facts["while running"]["active"]
    assert facts["unharmed"]["is_alive"] == ("returned", True)
    assert facts["ended"]["exitcode"] == ("returned", 0)


def _outcome_unstarted(mp, name):
    """What is asked of a process comes to that was closed without having been started."""
    process = mp.Process(target=_nothing)
    process.close()
    return outcome_of(_look, process, name)[0]


@requirement("process.close.methods-raise")
def test_methods_after_close(mp):
    """Methods of a closed process raise ValueError, whether it was ever started or not."""
    methods = _life(mp)["methods"]
    for name in ("start", "join", "is_alive", "terminate"):
        assert (methods[name], _outcome_unstarted(mp, name)) == ("ValueError",) * 2, name


@requirement("process.close.attributes-raise")
def test_attributes_after_close(mp):
    """Attributes of a closed process raise ValueError, whether it was ever started or not."""
    closed = _life(mp)["closed"]
    for name in ("pid", "ident", "exitcode", "sentinel"):
        assert (closed[name][0], _outcome_unstarted(mp, name)) == ("ValueError",) * 2, name


@requirement("process.close.releases-resources")
def test_close_releases_descriptors(mp, companion):
    """``close()`` closes the sentinel's descriptor, also of a process that a signal has ended, and all others."""
    facts = _life(mp)
    assert facts["close"][0] == ("returned", None)
    assert [facts["sentinel"], _terminated(mp)[8]] == ["OSError"] * 2
    assert companion.ask(os.getpid) != os.getpid()  # what the first child of all needs is there now
    before = set(os.listdir("/dev/fd"))
    process = run(mp, _nothing)
    process.close()
    assert set(os.listdir("/dev/fd")) <= before


@requirement("process.close.before-start")
def test_close_before_start(mp):
    """``close()`` of a process that was never started succeeds, and closes it."""
    process = mp.Process(target=_nothing)
    process.close()
    with raises(ValueError):
        process.is_alive()


@requirement("process.close.twice")
def test_close_twice(mp):
    """A second ``close()`` succeeds."""
    assert _life(mp)["close"] == [("returned", None)] * 2


@requirement("process.close.ended-not-joined")
def test_close_without_join(mp):
    """``close()`` of a process that has ended succeeds, though nobody has joined it, and leaves no zombie."""
    from mpspec.observing import wait_until

    process = mp.Process(target=_nothing)
    process.start()
    pid = process.pid
    assert _is_ready(process.sentinel, mp.timeout)
    # The sentinel may be a moment ahead.
    wait_until(lambda: outcome_of(process.close) == ("returned", None), mp.timeout / 5, "closed")
    wait_until(lambda: _is_gone(pid), mp.timeout / 5, "the child gone")
    assert process not in mp.active_children()
    with raises(ValueError):
        process.is_alive()


@requirement("process.close.interrupt-raises")
def test_interrupt_after_close(mp):
    """``interrupt()`` of a closed process raises ValueError."""
    assert _life(mp)["methods"]["interrupt"] == "ValueError"


@requirement("process.state.in-repr")
def test_repr_tells_the_state(mp):
    """The text of a process tells its name, pid, parent and state; a closed one has a text, too."""
    facts = _life(mp)
    pid, parent = facts["running"]["pid"][1], f"parent={os.getpid()}"
    before, running, closed = (facts[when]["repr"][1] for when in ("before", "running", "closed"))
    name = re.escape(repr(facts["running"]["name"][1]))
    assert re.fullmatch(rf"<\w*Process name={name} {parent} initial>", before)
    assert re.fullmatch(rf"<\w*Process name={name} pid={pid} {parent} started>", running)
    assert re.fullmatch(r"<\w*Process name='renamed'.*>", closed)
    ended = facts["ended"]["repr"][1]
    assert re.fullmatch(
        rf"<\w*Process name='renamed' pid={pid} {parent} stopped exitcode=0>", ended
    )
    stopped = _terminated(mp)[3]
    assert re.fullmatch(
        rf"<\w*Process name=.* pid=\d+ {parent} stopped exitcode=-SIGTERM>", stopped
    )
    assert _ended_namelessly(mp)[1].endswith(f" stopped exitcode={-_NAMELESS}>")


@requirement("process.state.daemon-in-repr")
def test_repr_tells_class_and_daemon(mp):
    """The text of a process begins with its class, and ends with the word daemon if it is, or was, one."""
    assert re.fullmatch(r"<\w*Process name=.* initial daemon>", repr(mp.Process(daemon=True)))
    assert "daemon" not in repr(mp.Process(name="given"))
    assert re.fullmatch(r"<.* stopped exitcode=0 daemon>", _kin(mp)["daemon"]["text"])
    process = _subclass(mp, "Worker")(None, None)
    assert repr(process).startswith(f"<Worker name={process.name!r} ")


@requirement("process.authkey.bytes")
def test_authkey(mp):
    """``authkey`` is a byte string, of some length."""
    key = mp.current_process().authkey
    assert isinstance(key, bytes)
    assert len(key) > 0


@requirement("process.authkey.inherited")
def test_authkey_inherited(mp):
    """A child's key is its parent's."""
    key = bytes(mp.current_process().authkey)
    assert mp.Process().authkey == key
    assert _told(mp, "plain", "authkey")[0] == key


AT_IMPORT = """
seen = [mp.current_process().name, bytes(mp.current_process().authkey)]

def tell():
    print(seen)

if __name__ == "__main__":
    mp.current_process().authkey = b"the key"
    process = mp.Process(target=tell, name="Ann")
    process.start()
    process.join()
"""


@observed_once
def _seen_at_import(mp):
    """What the main module finds to be the process's name and key while a child imports it."""
    import ast

    from mpspec.programs import run_script

    return ast.literal_eval(run_script(mp, AT_IMPORT).stdout)


@requirement("process.authkey.at-import")
def test_authkey_while_a_child_imports_the_main_module(mp):
    """The key is its parent's, which that has set for itself."""
    assert _seen_at_import(mp)[1] == b"the key"


@requirement("process.authkey.can-be-set")
def test_authkey_set(mp):
    """A key set on a process object is the child's; the parent's stays, and so do its other children's."""
    assert _seen(mp, "daemon", "authkey") == _told(mp, "daemon", "authkey")[0] == _KEY
    own = bytes(mp.current_process().authkey)
    assert _told(mp, "plain", "authkey")[0] == own != _KEY
    process = mp.Process()
    for key in (b"", b"again"):
        process.authkey = key
        assert process.authkey == key


@requirement("process.authkey.of-creation")
def test_authkey_of_the_moment(mp):
    """A key that a process sets for itself is that of the objects that it makes after, not before."""
    assert _told(mp, "plain", "authkey")[1] == [True, True]


@requirement("process.authkey.not-pickled")
def test_authkey_cannot_be_pickled(mp):
    """Pickling a key raises TypeError: in a parent, in a child, and of a key that was set."""
    assert outcome_of(_pickle_key, mp.current_process())[0] == "TypeError"
    assert _told(mp, "plain", "authkey")[2] == ["TypeError"] * 2
    process = mp.Process()
    process.authkey = b"another key"
    assert outcome_of(_pickle_key, process)[0] == "TypeError"


@requirement("process.authkey.text-refused")
def test_authkey_set_to_a_text(mp):
    """Setting the key to a text raises TypeError, and leaves it as it was."""
    process = mp.Process()
    with raises(TypeError):
        process.authkey = "a text"
    assert process.authkey == mp.current_process().authkey


@requirement("process.current.in-main")
def test_current_process(mp):
    """``current_process()`` gives one object."""
    assert mp.current_process() is mp.current_process()
    assert mp.current_process().is_alive() is True


@requirement("process.current.pid-in-main")
def test_current_process_has_its_pid(mp):
    """``current_process().pid`` is ``os.getpid()``, in a process that no Process object started too, in any thread."""
    assert mp.current_process().pid == mp.current_process().ident == os.getpid()
    assert CallerThread(mp, mp, "current_process").result() is mp.current_process()


@requirement("process.current.is-own-object")
def test_current_process_is_the_object(mp):
    """In a child ``current_process()`` is the object whose run() is running, a subclass's too."""
    assert _subclassed(mp)[2] is True


@requirement("process.current.in-child")
def test_current_process_in_a_child(mp):
    """A child finds itself as its parent knows it, and alive; a thread of it finds the same object, alive too."""
    itself = _told(mp, "plain", "itself")
    assert itself["ids"][:2] == [_seen(mp, "plain", "pid")] * 2
    assert itself["name"] == _seen(mp, "plain", "name")
    assert (itself["same"], itself["in a thread"]) == (True, True)
    assert itself["alive"] == [("returned", True)] * 2


@requirement("process.current.name-at-import")
def test_name_while_a_child_imports_the_main_module(mp):
    """``current_process().name`` is the name that the child was given."""
    assert _seen_at_import(mp)[0] == "Ann"


@requirement("process.current.main-thread")
def test_main_thread_of_a_child(mp):
    """The thread that runs a child's target is ``threading.main_thread()``, and has the native id of its own."""
    assert _told(mp, "plain", "threads") == [True, True]


@requirement("process.parent.in-child")
def test_parent_process(mp):
    """A child finds its parent, alive, and no daemon though it is one itself; a thread of it finds the same object."""
    for kind in ("plain", "daemon"):
        found = _told(mp, kind, "parent")
        assert found[:3] == [os.getpid(), os.getpid(), True]
        assert found[4:] == [True, False]


@requirement("process.parent.name")
def test_name_of_the_parent(mp):
    """``parent_process().name`` is the name that the parent has."""
    assert _told(mp, "plain", "parent")[3] == mp.current_process().name


def _watch_parent(mp, connection):
    parent = mp.parent_process()
    connection.send([os.getpid(), parent.pid, parent.name])
    connection.recv()
    for timeout in (0, -1):
        parent.join(timeout=timeout)
    connection.send(outcome_of(waits, parent.join))
    connection.send([parent.is_alive(), outcome_of(_ready_of, mp, [parent], 0)])
    parent.join()
    connection.send([parent.is_alive(), outcome_of(_ready_of, mp, [parent], mp.timeout)])


def _have_watcher(mp, connection):
    mp.Process()  # whose parent's name does not tell that of another's
    mp.current_process().name = "renamed"
    mp.Process(target=_watch_parent, args=(mp, connection)).start()
    connection.close()
    signal.pause()


def _watched_parent(mp):
    """A process with a child, which speaks through the connection."""
    ours, theirs = mp.Pipe()
    process = mp.Process(target=_have_watcher, args=(mp, theirs), name="at first")
    process.start()
    theirs.close()
    return process, ours


def _kill_watched(mp, process, connection, watcher):
    """What the child's join() in vain gives; what it thinks of the parent's life, before and after that is killed."""
    from mpspec.observing import wait_until_asleep

    connection.send("join a while")
    joined, before = connection.recv(), connection.recv()
    wait_until_asleep(watcher, watcher, mp.timeout)
    assert not connection.poll(), "join() did not wait"
    process.kill()
    after = connection.recv()
    process.join()
    with raises(EOFError):  # the child has ended
        connection.recv()
    return joined, [before, after]


@observed_once
def _watch(mp):
    """What a child's child finds its parent to be, and the parent's pid."""
    process, connection = _watched_parent(mp)
    watcher, *found = connection.recv()
    return process.pid, found, *_kill_watched(mp, process, connection, watcher)


@observed_once
def _pair(mp):
    """What can be seen of two children that live side by side, of which one ends first."""
    before = mp.active_children()
    pair = [_Waiting(mp, name="shared") for _ in range(2)]
    processes = [child.process for child in pair]
    found = [process for process in mp.active_children() if process not in before]
    facts = {
        "listed": len(found) == 2 and set(found) == set(processes),
        "emptied": _empty(mp.active_children()),
        "listed after all": set(processes) <= set(mp.active_children()),
        "names": [process.name for process in processes],
        "alive": [process.is_alive() for process in processes],
        "none ready": outcome_of(_ready_of, mp, processes, 0),
    }
    for timeout in (0.01, 0, -1):
        processes[0].join(timeout)
    facts["listed after a timeout"] = processes[0] in mp.active_children()
    pair[1].tell.send("end")
    facts["ready"] = outcome_of(_ready_of, mp, processes, mp.timeout)
    processes[1].join()
    facts["listed after the end"] = [process in mp.active_children() for process in processes]
    processes[1].is_alive()
    facts["listed when asked"] = processes[0] in mp.active_children()
    with contextlib.suppress(AttributeError):  # which not all have
        processes[1].close()
    facts["listed after a close"] = processes[0] in mp.active_children()
    pair[0].end()
    return facts


def _empty(listed):
    """Take all from the list; whether it was one."""
    listed.clear()
    return isinstance(listed, list)


def _ready_of(mp, processes, timeout):
    """The numbers of the processes whose sentinels connection.wait gives."""
    sentinels = [process.sentinel for process in processes]
    return [sentinels.index(each) for each in mp.connection.wait(sentinels, timeout)]


@requirement("process.parent.of-grandchild")
def test_parent_of_a_grandchild(mp):
    """A child's child finds the child, by its pid and the name that it has."""
    pid, found, *_ = _watch(mp)
    assert found == [pid, "renamed"]


@requirement("process.parent.end-is-seen")
def test_end_of_the_parent(mp):
    """A child joins its parent: a short timeout passes, then the end comes, and it is not alive."""
    _, _, joined, seen = _watch(mp)
    assert joined == ("returned", None)
    assert [alive for alive, _ in seen] == [True, False]


@requirement("process.parent.sentinel")
def test_sentinel_of_the_parent(mp):
    """The sentinel of the parent is ready when that has ended, and not before."""
    assert [ready for _, ready in _watch(mp)[3]] == [("returned", []), ("returned", [0])]


@requirement("process.active-children.lists-living")
def test_active_children(mp):
    """``active_children()`` lists two living children, and a child finds no sibling, a daemon or not, among its own."""
    facts = _pair(mp)
    assert facts["listed"]
    assert facts["listed after a timeout"]
    assert facts["listed after the end"] == [True, False]
    # What is found out of one, and closed, is of no matter for the other.
    assert [facts["listed when asked"], facts["listed after a close"]] == [True, True]
    # The second was started while the first and a daemon went on.
    assert [_told(mp, kind, "itself")["active"] for kind in ("plain", "named")] == [0, 0]


@requirement("process.active-children.of-all-threads")
def test_active_children_of_threads(mp):
    """A living child that a thread has started is active for the main thread, and for a third one.

    So is the child's child, alone, for the child.
    """
    assert _terminated(mp)[4] == [True, True, True]


@requirement("process.active-children.is-a-list")
def test_active_children_gives_a_list(mp):
    """``active_children()`` gives a list, which may be emptied: the next has them all again."""
    facts = _pair(mp)
    assert (facts["emptied"], facts["listed after all"]) == (True, True)


@requirement("process.active-children.excludes-ended")
def test_active_children_without_the_ended(mp):
    """``active_children()`` leaves out a child that has ended, joined or not."""
    from mpspec.observing import wait_until

    process = mp.Process(target=_nothing)
    process.start()
    wait_until(lambda: process not in mp.active_children(), mp.timeout, "the child not active")
    process.join()
    assert process not in mp.active_children()


def _ended_together(mp, count, code):
    """Children that have ended, and that nobody has asked whether they have."""
    from mpspec.observing import has_ended, wait_until

    processes = start_to_end_together(mp, count, code)
    for process in processes:
        assert _is_ready(process.sentinel, mp.timeout)
        wait_until(lambda process=process: has_ended(process.pid), mp.timeout, "the child ended")
    return processes


@requirement("process.active-children.while-others-close")
def test_active_children_while_another_thread_closes(mp):
    """active_children() meets no error though another thread closes one that has ended at each third of its lines."""
    processes = _ended_together(mp, 4, code=0)
    left, lines, package = list(processes), itertools.count(1), mp.package.__name__
    closers = []

    def close_another(frame, event, _argument):
        if not frame.f_globals["__name__"].startswith(package):
            return None
        if left and event == "line" and next(lines) % 3 == 0:
            closer = threading.Thread(target=outcome_of, args=(left.pop().close,))
            closer.start()
            closer.join(mp.timeout / 10)
            if closer.is_alive():  # it has to wait until the call is over, and so would the others
                closers.append(closer)
                left.clear()
        return close_another

    before = sys.gettrace()
    sys.settrace(close_another)
    try:
        outcome = outcome_of(mp.active_children)
    finally:
        sys.settrace(before)
    for closer in closers:
        closer.join()
    for process in processes:
        outcome_of(process.join)  # unless it was closed
    assert outcome[0] == "returned"


@requirement("process.active-children.joins-finished")
def test_active_children_joins(mp):
    """An ended child, a daemon, that nobody joined is no zombie after ``active_children()``; its exit code is known."""
    from mpspec.observing import wait_until

    waiting, tell = mp.Pipe(duplex=False)
    process = mp.Process(target=_exit_after_word, args=(waiting, 4), daemon=True)
    process.start()
    tell.send("end")
    wait_until(lambda: process not in mp.active_children(), mp.timeout, "the child not active")
    # A fork server, whose child it is, may be a moment behind.
    wait_until(lambda: _is_gone(process.pid), mp.timeout / 5, "the child gone")
    assert process.exitcode == 4


@requirement("process.active-children.joins-finished")
def test_active_children_joins_all(mp):
    """One call leaves out, and joins, all of three children that have ended."""
    from mpspec.observing import wait_until

    processes = _ended_together(mp, 3, code=4)
    assert set(processes).isdisjoint(mp.active_children())
    wait_until(lambda: all(_is_gone(each.pid) for each in processes), mp.timeout / 5, "all gone")
    assert [process.exitcode for process in processes] == [4, 4, 4]


def _is_gone(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


@requirement("process.errors.base")
def test_errors(mp):
    """The package's errors derive from ProcessError, an Exception, and not from each other."""
    assert issubclass(mp.ProcessError, Exception)
    errors = [mp.BufferTooShort, mp.AuthenticationError, mp.TimeoutError]
    for error in errors:
        assert issubclass(error, mp.ProcessError)
        # Each is a type of its own: who catches one does not catch the others.
        assert [each for each in [mp.ProcessError, *errors] if issubclass(each, error)] == [error]


def _print_unflushed(path, end=int):
    sys.stdout = open(path, "w")  # noqa: SIM115 - left for the child's end to flush
    sys.stdout.write("printed")
    end()


@requirement("process.output.flushed")
def test_output_is_flushed(mp, tmp_path):
    """What a child wrote to ``sys.stdout`` is in the file when it has ended, by an exception or sys.exit() too."""
    for name, *end in (("return",), ("exit", functools.partial(sys.exit, 5))):
        run(mp, _print_unflushed, tmp_path / name, *end)
        assert (tmp_path / name).read_text() == "printed"
    assert _failed(mp)[3] == "printed"


OUTPUT = """
import sys

# With a buffer, though the environment may want none.
sys.stdout = open(1, "w", closefd=False)
sys.stderr = open(2, "w", closefd=False)

def speak():
    print("child")

if __name__ == "__main__":
    print("before")
    print("warned", file=sys.stderr)
    process = mp.Process(target=speak)
    process.start()
    process.join()
    print("after")
"""


@requirement("process.output.not-repeated")
def test_output_before_start_is_not_repeated(mp):
    """Each line is written once, on either stream, the parent's first one before the child's."""
    from mpspec.programs import run_script

    program = run_script(mp, OUTPUT)
    assert program.stdout.split() == ["before", "child", "after"]
    assert program.stderr.count("warned") == 1


EXIT = """
import gc, os, signal
from mpspec.observing import has_ended, join_unless_asleep, wait_until

def say(*words):
    # In one piece: others speak at the same time.
    os.write(1, (" ".join(map(str, words)) + "\\n").encode())

def tell_end(number, frame):
    say("daemon: signal", number)
    os._exit(0)

def be_daemon(connection):
    signal.signal(signal.SIGTERM, tell_end)
    connection.send("ready")
    parent = mp.parent_process()
    while parent.is_alive():
        parent.join(0.02)
    say("daemon: left alone")

def stay(connection, gone):
    signal.signal(signal.SIGTERM, lambda number, frame: say("daemon: signal", number))
    connection.send("ready")
    parent = mp.parent_process()
    if gone.poll(mp.timeout):
        child = gone.recv()
        wait_until(lambda: has_ended(child), mp.timeout, "the child ended")
        # Nothing is left for the parent to do but to end: to sleep on is to wait.
        join_unless_asleep(parent)
        say("daemon: parent", "waits" if parent.is_alive() else "has ended")

def go_on(connection, going):
    connection.send("ready")
    connection.recv()
    parent = mp.parent_process()
    parent.join(0.15)
    say("child: parent alive", parent.is_alive())
    going.send(os.getpid())
    os._exit(0)

if __name__ == "__main__":
    getattr(mp, "get_logger", list)()  # to log is no reason to end otherwise
    ours, theirs = mp.Pipe()
    gone, going = mp.Pipe(duplex=False)
    processes = [
        mp.Process(target=be_daemon, args=(theirs,), daemon=True),
        mp.Process(target=stay, args=(theirs, gone), daemon=True),
        mp.Process(target=go_on, args=(theirs, going), daemon=True),
    ]
    processes[2].daemon = False
    for process in processes:
        process.start()
    for _ in processes:
        ours.recv()
    del process, processes  # that nothing refers to them is the package's matter
    gc.collect()
    ours.send("the program ends")
"""


# What its daemon says when it is ended, and its children of the program, which ends by an exception: the one waits for
# the daemon's end, the other for that of the one. The context of the quickest method has started daemon and other.
EXCEPTION = """
import os, signal

def be_daemon(connection, told):
    def tell_end(number, frame):
        os.write(1, b"daemon ended\\n")
        told.send("ended first")
        os._exit(0)

    signal.signal(signal.SIGTERM, tell_end)
    connection.send("ready")
    mp.parent_process().join()

def go_on(connection, hear, tell):
    connection.send("ready")
    connection.recv()
    try:
        word = hear.recv() if hear.poll(mp.timeout / 5) else "goes on"
    except EOFError:  # nobody has told it to end: it has found its parent gone
        word = "was left alone"
    os.write(1, f"daemon {word}\\n".encode())
    tell_of_parent()
    tell.send("the other ends")

def outlive(connection, hear):
    connection.send("ready")
    hear.poll(mp.timeout / 5)
    tell_of_parent()

def tell_of_parent():
    parent = mp.parent_process()
    parent.join(0.07)
    os.write(1, b"parent waits\\n" if parent.is_alive() else b"parent has ended\\n")

if __name__ == "__main__":
    ours, theirs = mp.Pipe()
    hear, told = mp.Pipe(duplex=False)
    hear_last, tell_last = mp.Pipe(duplex=False)
    quickest = "fork" if "fork" in mp.get_all_start_methods() else None
    processes = [
        mp.get_context(quickest).Process(target=be_daemon, args=(theirs, told)),
        mp.Process(target=go_on, args=(theirs, hear, tell_last)),
        mp.get_context(quickest).Process(target=outlive, args=(theirs, hear_last)),
    ]
    processes[0].daemon = True
    for process in processes:
        process.start()
    for _ in processes:
        ours.recv()
    ours.send("the program ends")
    raise LookupError
"""


@observed_once
def _lines_at_exit(mp):
    """What the children of a program tell that has come to its end, and those of one that an exception has ended."""
    from mpspec.programs import run_script

    return [run_script(mp, program).stdout.splitlines() for program in (EXIT, EXCEPTION)]


@requirement("process.non-daemonic.joined-at-program-exit")
def test_program_waits_for_its_children(mp):
    """The main process lives as long as its children do, which nobody has joined, be it ended by an exception.

    By whatever context they were started.
    """
    lines, by_exception = _lines_at_exit(mp)
    assert "child: parent alive True" in lines
    assert by_exception.count("parent waits") == 2


@requirement("process.daemon.ended-at-program-exit")
def test_program_ends_its_daemons(mp):
    """Both daemons of a program that has come to its end get SIGTERM, and so does that of one that fails."""
    lines, by_exception = _lines_at_exit(mp)
    assert lines.count(f"daemon: signal {int(signal.SIGTERM)}") == 2
    assert by_exception.count("daemon ended") == 1


@requirement("process.daemon.ended-before-others-are-joined")
def test_program_ends_its_daemons_first(mp):
    """A child of a program that has come to its end hears that its daemon gets SIGTERM, and only then ends."""
    assert "daemon ended first" in _lines_at_exit(mp)[1]


@requirement("process.daemon.not-joined-at-exit")
def test_program_does_not_join_its_daemons(mp):
    """A daemon that SIGTERM does not end sees the end of the program, whose child it has waited for."""
    assert "daemon: parent has ended" in _lines_at_exit(mp)[0]


def _exitcode_of_child(mp):
    return run(mp, _nothing).exitcode


@requirement("process.exitcode.started-by-pool-thread")
def test_exitcode_of_a_child_that_a_pool_of_threads_started(mp):
    """A child that a thread of a ThreadPoolExecutor started, and whose run() returned, has the exit code 0."""
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as executor:
        assert executor.submit(_exitcode_of_child, mp).result() == 0


def _exitcode_by_foreign_thread(mp):
    """The exit code of a process that a thread has started which the module threading has not."""
    found, done = [], _thread.allocate_lock()
    done.acquire()

    def start():
        threading.current_thread()  # it is known from now on
        found.append(_exitcode_of_child(mp))
        done.release()

    _thread.start_new_thread(start, ())
    done.acquire()
    return found[0]


@requirement("process.exitcode.started-by-foreign-thread")
def test_exitcode_of_a_child_that_a_foreign_thread_started(mp):
    """A child that a thread of ``_thread`` started, and whose run() returned, has the exit code 0."""
    assert ask(mp, _exitcode_by_foreign_thread, mp) == 0


def _register_handler(sender):
    atexit.register(sender.send, "exit handler")


@requirement("process.exit.handlers-run")
def test_exit_handlers_run(mp):
    """What a child has registered with ``atexit`` is called when it ends."""
    receiver, sender = mp.Pipe(duplex=False)
    process = run(mp, _register_handler, sender)
    assert receiver.poll()
    assert receiver.recv() == "exit handler"
    assert process.exitcode == 0


def _words_of_parents_handler(mp):
    """Whether an exit handler of this program has said anything when a child of it has ended."""
    receiver, sender = mp.Pipe(duplex=False)
    atexit.register(sender.send, "exit handler")
    return [run(mp, _nothing).exitcode, receiver.poll()]


def _go_on(path):
    with open(path) as gate:  # waits for somebody who opens it for writing
        gate.read()


def _leave_an_orphan(mp, path, sender, inherited):
    for descriptor in inherited:
        os.close(descriptor)
    orphan = mp.Process(target=_go_on, args=(path,))
    orphan.start()
    sender.send(orphan.pid)
    os._exit(0)


def _program_of_an_orphan(mp, path):
    """The number of a process that a child has left, in a program that has made and freed a block of memory."""
    # The program's streams are read to their ends: nobody else may have them.
    answers = os.dup(1)
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (1, 2):
        os.dup2(null, stream)
    block = mp.shared_memory.SharedMemory(create=True, size=1)
    block.close()
    block.unlink()
    receiver, sender = mp.Pipe(duplex=False)
    run(mp, _leave_an_orphan, mp, path, sender, [answers] if mp.start_method == "fork" else [])
    os.dup2(answers, 1)
    return receiver.recv()


@requirement("process.exit.orphan-goes-on")
def test_program_ends_before_an_orphan(mp, tmp_path):
    """A program ends while a grandchild goes on whose parent has exited without a word."""
    from mpspec.observing import has_ended, wait_until

    path = tmp_path / "gate"
    os.mkfifo(path)
    orphan = call(_program_of_an_orphan, mp, str(path), timeout=mp.timeout)
    assert not has_ended(orphan)
    path.write_text("go")
    wait_until(lambda: has_ended(orphan), mp.timeout, "the orphan ended")


@requirement("process.exit.parents-handlers")
def test_exit_handlers_of_the_parent(mp):
    """What the parent has registered with ``atexit`` is not called when a forked child ends."""
    assert call(_words_of_parents_handler, mp, timeout=mp.timeout) == [0, False]


@requirement("process.start.default-timeout")
def test_default_timeout_of_sockets_does_not_matter(mp):
    """A child is joined, and a pool gives a large result, though new sockets of the program have a timeout."""
    import socket

    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(mp.timeout)
    try:
        # A wait that gives up at once may find ready what it waits for, now and then.
        assert [run(mp, _nothing).exitcode for _ in range(3)] == [0] * 3
        with mp.Pool(1) as pool:
            assert len(pool.apply(bytes, (1 << 20,))) == 1 << 20
            pool.close()
            pool.join()
    finally:
        socket.setdefaulttimeout(before)


class _Bare:
    """What a program may put in the place of an output stream: it takes text, and no more."""

    def write(self, text):
        return len(text)


@requirement("process.start.without-output-streams")
def test_start_without_standard_streams(mp, monkeypatch):
    """A child starts, and ends with 0, while the standard streams are None, closed, or can only write."""
    with open(os.devnull, "w") as closed:
        pass
    exitcodes = []
    for stdin, stream in ((None, None), (closed, closed), (None, _Bare())):
        with monkeypatch.context() as patch:
            patch.setattr(sys, "stdin", stdin)
            for name in ("stdout", "stderr"):
                patch.setattr(sys, name, stream)
            exitcodes.append(run(mp, _nothing).exitcode)
    assert exitcodes == [0, 0, 0]


def _options_of_interpreter():
    return [list(sys.flags), sys.warnoptions, sys._xoptions]


def _options_of_both(mp):
    return [_options_of_interpreter(), ask(mp, _options_of_interpreter)]


@observed_once
def _options(mp):
    """The options of a program's interpreter, and of its child's."""
    implementation = ("utf8", "no_debug_ranges", "frozen_modules=off", "int_max_str_digits=5000")
    options = ("-B", "-b", "-q", "-s", *(part for each in implementation for part in ("-X", each)))
    return call(_options_of_both, mp, timeout=mp.timeout, options=options)


@requirement("process.start.interpreter-flags")
def test_flags_of_a_childs_interpreter(mp):
    """``sys.flags`` and ``sys.warnoptions`` are in a child what they are in its parent."""
    (flags, warnings, _), (childs_flags, childs_warnings, _) = _options(mp)
    # What -X int_max_str_digits has set is a flag as well, and belongs to the other test.
    digits = flags.index(5000)
    del flags[digits], childs_flags[digits]
    assert childs_flags == flags
    assert childs_warnings == warnings


@requirement("process.start.x-options")
def test_implementation_options_of_a_childs_interpreter(mp):
    """The options -X of a child's interpreter are those of its parent's."""
    (*_, options), (*_, childs_options) = _options(mp)
    assert (options["no_debug_ranges"], options["frozen_modules"]) == (True, "off")
    assert childs_options == options


def _isolation():
    names = ("isolated", "ignore_environment", "no_user_site", "safe_path")
    return {name: getattr(sys.flags, name, None) for name in names}


def _isolation_of_both(mp):
    return [_isolation(), ask(mp, _isolation)]


@requirement("process.start.interpreter-isolated")
def test_isolated_interpreter_of_a_child(mp, tmp_path, monkeypatch):
    """A child of a program that runs with the option -I is isolated as that is.

    Where the environment does not count, a virtual one leads to what is under test.
    """
    import venv

    venv.create(tmp_path, symlinks=True)
    (site_packages,) = tmp_path.glob("lib/*/site-packages")
    folders = [folder for folder in sys.path if folder]
    (site_packages / "path.pth").write_text("\n".join(folders))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "bin" / "python"))
    parents, childs = call(_isolation_of_both, mp, timeout=mp.timeout, options=("-I",))
    assert parents["isolated"] == 1
    assert childs == parents


@requirement("process.start.main-module-without-spec")
def test_start_from_a_main_module_without_spec(mp, monkeypatch):
    """A child starts though the main module has no ``__spec__``, as under a debugger."""
    monkeypatch.delattr(sys.modules["__main__"], "__spec__")
    assert run(mp, _nothing).exitcode == 0


def _returns_though_child_ended(mp):
    """Whether start() comes back when the child, which is no Python, ends without reading a thing."""
    import psutil

    from mpspec.observing import is_zombie, wait_until

    mp.Lock()  # what helps the package has been started before the interpreter is another
    mp.set_executable("/bin/false")
    process = mp.Process(target=len, args=(bytes(1 << 20),))
    caller = CallerThread(mp, process, "start")
    itself = psutil.Process()
    wait_until(
        lambda: caller.has_returned or any(is_zombie(child.pid) for child in itself.children()),
        mp.timeout,
        "an ended child",
    )
    try:
        caller.until_blocked()
    except AssertionError:
        return True
    return False


@requirement("process.start.child-ends-at-once")
def test_start_of_a_child_that_ends_at_once(mp):
    """``start()`` with a large argument comes back though the child has ended without reading it."""
    assert call(_returns_though_child_ended, mp, timeout=mp.timeout) is True


def _errors_when_optimized(mp):
    """In an interpreter that leaves out assert statements: what is refused."""
    process = mp.Process(target=_nothing)
    process.start()
    late = outcome_of(setattr, process, "daemon", True)[0]
    process.join()
    return [late != "returned", process.daemon]


@requirement("process.daemon.not-after-start-when-optimized")
def test_daemon_set_too_late_when_optimized(mp):
    """Setting the flag after ``start()`` raises with the interpreter's option -O, too."""
    assert call(_errors_when_optimized, mp, timeout=mp.timeout, options=("-O",)) == [True, False]


def _mask_after_start(mp):
    blocked = {signal.SIGINT, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, blocked)
    run(mp, _nothing)
    return blocked <= signal.pthread_sigmask(signal.SIG_BLOCK, ())


@requirement("process.start.keeps-signal-mask")
def test_start_keeps_the_signal_mask(mp):
    """Signals that the caller of ``start()`` has blocked stay blocked."""
    assert call(_mask_after_start, mp, timeout=mp.timeout) is True


def _join_and_look(process, found):
    process.join()
    found.append((process.exitcode, process.is_alive()))


@requirement("process.join.by-several-threads")
def test_join_by_several_threads(mp):
    """Each of several threads that wait for a process finds its exit code."""
    from mpspec.observing import wait_until_asleep

    for _ in range(3):
        child, found = _Waiting(mp), []
        threads = [
            threading.Thread(target=_join_and_look, args=(child.process, found)) for _ in range(8)
        ]
        for thread in threads:
            thread.start()
            wait_until_asleep(os.getpid(), thread.native_id, mp.timeout)
        child.tell.send("end")
        for thread in threads:
            thread.join()
        assert found == [(0, False)] * 8


@requirement("process.join.several-threads-return")
def test_join_by_several_threads_returns(mp):
    """Each of several threads that wait for a process returns when it has ended, whatever they find then."""
    child = _Waiting(mp)
    callers = [CallerThread(mp, child.process, "join") for _ in range(3)]
    until_all_blocked(callers)
    child.tell.send("end")
    assert [caller.result() for caller in callers] == [None] * 3
