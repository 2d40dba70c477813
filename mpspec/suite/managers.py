"""Tests of the chapter managers."""

import array
import copy
import functools
import gc
import operator
import os
import pickle
import queue
import signal
import threading
import time
import warnings

from mpspec.children import (
    Caller,
    CallerThread,
    ChildError,
    Interrupted,
    Interruption,
    PredicateError,
    RaisingAt,
    Unpicklable,
    ask,
    observed_once,
    outcome_of,
    raises,
    remade,
    run,
    value_of,
    waits,
)
from mpspec.marks import requirement
from mpspec.suite.synchronization import assert_set_by_old_name

KEY = b"abracadabra"


# What the tests register with managers of their own, see the fixtures workshop and queue_server.


class _Maths:
    def add(self, x, y):
        return x + y

    def mul(self, x, y):
        return x * y


class _Shout:
    def __call__(self):
        return "shouts"


class _Greeter:
    greeting = "no method"
    number = int
    shout = _Shout()

    def __init__(self, name, *, polite=False):
        self._name = name
        self._polite = polite
        self.call = _Shout()

    def __repr__(self):
        return f"Greeter({self._name!r})"

    def __str__(self):
        return f"greeter of {self._name}"

    def greet(self):
        return f"{'Dear' if self._polite else 'Hi'} {self._name}"

    def wave(self):
        return "waves"

    def _whisper(self):
        return "whispers"


class _Host(_Greeter):
    def serve(self):
        return "serves"


class _Broken(Exception):
    pass


class _FalseError(Exception):
    def __bool__(self):
        return False


class _Part:
    def __init__(self):
        self.turns = 0

    def turn(self):
        self.turns += 1
        return self.turns

    def turn_back(self):
        self.turns -= 1


class _Machine:
    def __init__(self):
        self._part = _Part()

    def part(self):
        return self._part

    def turns(self):
        return self._part.turns

    def fail(self, *args):
        raise _Broken(*args)

    def raise_this(self, error):
        raise error

    def generate(self):
        return (number for number in range(3))

    def refuse(self):
        return Unpicklable(AttributeError)

    def stop(self):
        return "stopped"

    def fail_strangely(self):
        error = _Broken()
        error.part = Unpicklable()
        raise error

    def names(self, /, **parts):
        return sorted(parts)

    def nothing(self):
        return None


class _Chain:
    def __init__(self):
        self._pulled = 0

    def follow(self):
        return _Chain()

    def pull(self):
        self._pulled += 1
        return self

    def pulled(self):
        return self._pulled


class _Unloadable:
    """What can be pickled, and not be unpickled."""

    def __reduce__(self):
        return (int, ("no number",))


class _Tracked:
    alive = set()

    def __init__(self, name):
        self._name = name
        self.alive.add(name)

    def __del__(self):
        self.alive.discard(self._name)

    def name(self):
        return self._name


class _Passed(_Tracked):
    """One that is not shared, but copied to where it is used."""

    def __setstate__(self, state):
        self.__dict__.update(state)
        self.alive.add(self._name)


class _TrackedMaker:
    def make(self, name):
        return _Tracked(name)


class _Census:
    def has(self, name):
        gc.collect()
        return name in _Tracked.alive


def _squares():
    for number in range(4):
        yield number * number


def _operator():
    return operator


class _EmptyStore:
    """Something that can be called, though it is false."""

    def __len__(self):
        return 0

    def __call__(self):
        return _Maths()


def _make(kind):
    return kind()


def _names(**parts):
    return sorted(parts)


def _generator():
    return (number for number in range(3))


def _fail():
    raise _Broken


_shared_part = _Part()


def _get_shared_part():
    return _shared_part


@remade
def _squares_proxy(mp):
    class SquaresProxy(mp.managers.BaseProxy):
        _exposed_ = ("__next__",)

        def __iter__(self):
            return self

        def __next__(self):
            return self._callmethod("__next__")

        def describe(self):
            return "squares"

    return SquaresProxy


@remade
def _greeter_proxy(mp):
    class GreeterProxy(mp.managers.BaseProxy):
        def greet_twice(self):
            return [self._callmethod("greet"), self._callmethod("greet")]

    return GreeterProxy


@remade
def _part_proxy(mp):
    class PartProxy(mp.managers.BaseProxy):
        _exposed_ = ("turn",)

        def turn_twice(self):
            return [self._callmethod("turn"), self._callmethod("turn")]

    return PartProxy


@remade
def _machine_proxy(mp):
    class MachineProxy(mp.managers.BaseProxy):
        _exposed_ = ("part", "turns")
        _method_to_typeid_ = {"part": "Part"}

        def part(self):
            return self._callmethod("part")

        def turns(self):
            return self._callmethod("turns")

    return MachineProxy


@remade
def workshop_manager(mp):
    """The class of the fixture workshop: a manager of whatever the tests of ``register`` need."""

    class Workshop(mp.managers.SyncManager):
        pass

    Workshop.register("Maths", _Maths)
    Workshop.register("Greeter", _Greeter)
    Workshop.register(typeid="Host", callable=_Host, create_method=True)
    Workshop.register("Whisperer", _Greeter, exposed=("greet", "_whisper"))
    Workshop.register("ProxiedGreeter", _Greeter, proxytype=_greeter_proxy(mp))
    Workshop.register("Event", _Part, proxytype=_part_proxy(mp))  # in the place of the base's
    Workshop.register("Anew", _Maths)
    Workshop.register("Anew", _Part, exposed=("turn",))
    Workshop.register("Sized", list, exposed=("__len__", "__getitem__"))
    Workshop.register("Part", create_method=False)
    Workshop.register("get_queue", _Part)  # the typeid that another manager has for something else
    Workshop.register("Rim", proxytype=_part_proxy(mp), create_method=False)
    typeids = {"part": "Rim", "names": "list", "nothing": "Part"}
    Workshop.register("RimmedMachine", _Machine, method_to_typeid=typeids)
    Workshop.register("Machine", _Machine, method_to_typeid={"part": "Part"})
    Workshop.register("PlainMachine", _Machine)
    Workshop.register("SecretMachine", _Machine, exposed=())
    Workshop.register("SecretProxiedMachine", _Machine, proxytype=_machine_proxy(mp), exposed=())
    Workshop.register("UntypedMachine", _Machine, proxytype=_machine_proxy(mp), method_to_typeid={})
    Workshop.register("ProxiedMachine", _Machine, proxytype=_machine_proxy(mp))
    Workshop.register("PartlyNoneMachine", _Machine, _machine_proxy(mp), None, None)
    Workshop.register("StoppedMachine", _Machine, proxytype=_machine_proxy(mp), exposed=["stop"])
    Workshop.register(
        "TypedMachine", _Machine, proxytype=_machine_proxy(mp), method_to_typeid={"stop": "Part"}
    )
    Workshop.register("OrderedMachine", _Machine, None, ("part", "turns"), {"part": "Part"}, True)
    Workshop.register("HiddenMachine", _Machine, None, None, None, False)
    Workshop.register("squares", _squares, proxytype=_squares_proxy(mp))
    Workshop.register("operator", _operator)
    Workshop.register("store", _EmptyStore())
    Workshop.register("make", _make)
    Workshop.register("generator", _generator)
    Workshop.register("names", _names)
    Workshop.register("fail", _fail)
    Workshop.register("get_part_to_turn", _get_shared_part, exposed=("turn",))
    Workshop.register("get_shared_part", _get_shared_part)
    Workshop.register("Tracked", _Tracked)
    Workshop.register("TrackedItem", create_method=False)
    Workshop.register("TrackedMaker", _TrackedMaker, method_to_typeid={"make": "TrackedItem"})
    Workshop.register("Census", _Census)
    typeids = {"follow": "Link", "pull": "Link"}
    Workshop.register("Chain", _Chain, method_to_typeid=typeids)
    Workshop.register("Link", method_to_typeid=typeids, create_method=False)
    Workshop.register("get_pid", _Server)
    Workshop.register(
        "Space", mp.managers.Namespace, mp.managers.BaseProxy, ("__getattribute__", "__setattr__")
    )
    return Workshop


@remade
def _bare_manager(mp):
    class BareManager(mp.managers.BaseManager):
        pass

    BareManager.register("Maths", _Maths)
    BareManager.register("get_pid", _Server)
    BareManager.register("Queue", queue.Queue)
    BareManager.register("Machine", _Machine, method_to_typeid={"part": "Part"})
    BareManager.register("Part", create_method=False)
    BareManager.register("Tracked", _Tracked)
    BareManager.register("Census", _Census)
    return BareManager


class _Server:
    def pid(self):
        return os.getpid()


def serve_queue(mp, sender):
    """The child of the fixture queue_server: a server of its own, which shares one queue."""
    shared = queue.Queue()

    class QueueManager(mp.managers.BaseManager):
        pass

    QueueManager.register("get_queue", callable=lambda: shared)
    QueueManager.register("serve_at", callable=functools.partial(_ServerAt, mp, QueueManager))
    QueueManager.register("caller", callable=functools.partial(_Caller, os.getpid()))
    manager = QueueManager(authkey=KEY, ctx=mp.context)
    server = manager.get_server()
    sender.send(server.address)
    server.serve_forever()


class _Caller:
    """Tells whether it is in the process that called ``serve_forever``."""

    def __init__(self, pid):
        self._pid = pid

    def is_here(self):
        return os.getpid() == self._pid


class _ServerAt:
    """A further server in the process of the first, at an address of one's choice."""

    def __init__(self, mp, kind, address, serializer):
        manager = kind(address, KEY, serializer, mp.context)
        self._server = manager.get_server()
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def address(self):
        return self._server.address


def _queue_client(mp, address, authkey=KEY, serializer="pickle"):
    class QueueManager(mp.managers.BaseManager):
        pass

    QueueManager.register("get_queue", callable=None)
    for typeid in ("serve_at", "caller"):
        QueueManager.register(typeid)
    return QueueManager(address, authkey, serializer, mp.context)


def _started_by(mp, call):
    """What a call gives, and the child that it has started."""
    before = {child.pid for child in mp.active_children()}
    result = call()
    [process] = [child for child in mp.active_children() if child.pid not in before]
    return result, process


def _process_of(mp, workshop):
    """The child that runs a manager's server."""
    pid = workshop.get_pid().pid()
    [process] = [child for child in mp.active_children() if child.pid == pid]
    return process


def _started_manager(mp, **kwargs):
    manager = _bare_manager(mp)(ctx=mp.context, **kwargs)
    manager.start()
    return manager


# Manager()


def _append_many_locked(shared, lock):
    for number in range(20):
        with lock:
            shared.append(number)


def _result_in_time(mp, caller):
    from mpspec.observing import wait_until

    wait_until(lambda: caller.has_returned, mp.timeout / 2, "the call is over")
    return caller.result()


@observed_once
def _life_of_a_manager(mp):
    """What comes of a manager that ``Manager()`` gives, and of three threads that use its list."""
    # Not the one that the tests share, which may keep the threads' connections. The thread that starts it ends.
    manager = CallerThread(mp, mp, "Manager").result()
    shared, lock = manager.list([1, 2]), threading.Lock()
    facts = {"length": len(shared)}
    del shared[:]
    threads = [threading.Thread(target=_append_many_locked, args=(shared, lock)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    facts["appended"] = shared[:]
    facts["waited"] = outcome_of(_set_while_a_thread_waits, mp, manager.Event())
    facts["owned"] = outcome_of(_own_an_rlock, mp, manager.RLock(), [manager.list()])
    del shared, threads, thread
    manager.shutdown()
    return facts


def _own_an_rlock(mp, lock, unrelated):
    """What another proxy of a lock's owner, and other threads, come to that acquire and release it."""
    found, another = [lock.acquire()], pickle.loads(pickle.dumps(lock))
    unrelated.clear()  # a proxy that goes has nothing to do with who owns the lock
    gc.collect()
    tried = threading.Barrier(3, timeout=mp.timeout)

    def try_once(proxy):
        found.append(proxy.acquire(False))
        tried.wait()  # the first time to have tried, the second to end
        tried.wait()

    threads = [threading.Thread(target=try_once, args=(each,)) for each in (lock, another)]
    for thread in threads:
        thread.start()
    tried.wait()
    found += [another.acquire(False), another.release()]
    tried.wait()
    for thread in threads:
        thread.join()
    for one in (lock, another):
        found.append(CallerThread(mp, one, "acquire", False).result())
        found.append(_error_of(CallerThread(mp, one, "release").result))
    another.release()
    return [*found, _error_of(lock.release)]


def _set_while_a_thread_waits(mp, event):
    """What set() gives, and the wait() of another thread by a proxy of its own."""
    event.is_set()
    waiting = CallerThread(mp, pickle.loads(pickle.dumps(event)), "wait")
    waiting.until_blocked()
    setting = CallerThread(mp, event, "set")
    return _result_in_time(mp, setting), _result_in_time(mp, waiting)


@requirement("managers.manager.started")
def test_manager_is_ready_for_use(mp):
    """``Manager()`` gives a manager that has been started."""
    assert _life_of_a_manager(mp)["length"] == 2


@requirement("managers.manager.type")
def test_manager_is_a_sync_manager(mp, manager):
    """``Manager()`` gives a SyncManager, which is a BaseManager."""
    assert isinstance(manager, mp.managers.SyncManager)
    assert issubclass(mp.managers.SyncManager, mp.managers.BaseManager)


@requirement("managers.manager.own-process")
def test_manager_has_a_process_of_its_own(mp):
    """``Manager()`` starts one child process."""
    facts = _life_of_a_started_one(mp)
    assert facts["alive"] is True
    assert facts["pid"] != os.getpid()


def _edit(shared_dict, shared_list):
    shared_dict[1] = "1"
    shared_dict["2"] = 2
    shared_dict[0.25] = None
    shared_list.reverse()


@requirement("managers.example.server-process")
def test_changes_of_a_child_are_seen(mp, manager):
    """What a child does to a managed dict and list is seen by its parent."""
    shared_dict = manager.dict()
    shared_list = manager.list(range(5))
    run(mp, _edit, shared_dict, shared_list)
    assert shared_dict.copy() == {1: "1", "2": 2, 0.25: None}
    assert shared_list[:] == [4, 3, 2, 1, 0]


def _use_list(shared):
    shared.append(1)
    return shared[:]


@observed_once
def _life_of_a_dropped_manager(mp):
    """What comes of a manager of which only a proxy is left, and then nothing."""
    manager, process = _started_by(mp, mp.Manager)
    facts = {"alive": process.is_alive()}
    shared = manager.list()
    del manager
    gc.collect()
    facts["used"] = outcome_of(_use_list, shared)
    del shared
    gc.collect()
    process.join(mp.timeout)
    facts["alive after"] = process.is_alive()
    return facts


@requirement("managers.lifetime.garbage-collected")
def test_a_manager_that_nobody_holds_is_shut_down(mp):
    """The server's process ends when the manager is garbage collected."""
    facts = _life_of_a_dropped_manager(mp)
    assert facts["alive"]
    assert not facts["alive after"]


@requirement("managers.lifetime.proxy-keeps")
def test_a_proxy_keeps_its_manager(mp):
    """A proxy can be used though nobody holds the manager that has given it."""
    assert _life_of_a_dropped_manager(mp)["used"] == ("returned", [1])


def _leave_a_manager(mp, sender):
    global _left  # held until the process exits
    _left = mp.Manager()
    _connect(mp, _left.address)
    sender.send(_left.address)


def _connect(mp, address):
    manager = mp.managers.BaseManager(address=address, ctx=mp.context)
    manager.connect()
    return manager


@requirement("managers.lifetime.parent-exits")
def test_a_manager_ends_with_its_parent(mp):
    """The server's process ends when the process that started it exits."""
    from mpspec.observing import wait_until

    receiver, sender = mp.Pipe(duplex=False)
    run(mp, _leave_a_manager, mp, sender)
    address = receiver.recv()

    def is_gone():
        try:
            _connect(mp, address)
        except OSError:
            return True
        return False

    wait_until(is_gone, mp.timeout, "nobody serves the manager's address")


def _leave_a_manager_at_once(mp, address, sender):
    manager = _started_manager(mp, address=address)
    sender.send(manager.get_pid().pid())
    os._exit(0)


@requirement("managers.lifetime.parent-exits-at-once")
def test_a_manager_ends_with_its_parent_that_exits_at_once(mp, tmp_path):
    """The server's process ends when the process that started it leaves by os._exit()."""
    from mpspec.observing import has_ended, wait_until

    receiver, sender = mp.Pipe(duplex=False)
    run(mp, _leave_a_manager_at_once, mp, str(tmp_path / "socket"), sender)
    pid = receiver.recv()
    try:
        wait_until(lambda: has_ended(pid), mp.timeout / 20, "the server's process has ended")
    finally:
        if not has_ended(pid):
            os.kill(pid, signal.SIGKILL)
            wait_until(lambda: has_ended(pid), mp.timeout, "the server's process was killed")


# BaseManager: construction, start, shutdown


@requirement("managers.constructor.positional-order")
def test_arguments_by_position(mp, socket_path):
    """By position the arguments are address, authkey, serializer and ctx."""
    with raises(KeyError, ValueError):
        mp.managers.BaseManager(socket_path, KEY, "json", mp.context)
    facts = _life_at(mp, socket_path)
    assert facts["address"] == socket_path
    assert facts["of context"] is True
    assert facts["item"] == (1, 2)
    assert facts["sum"] == 7


@requirement("managers.constructor.shutdown-timeout-default")
def test_shutdown_timeout_default(mp):
    """The signature of BaseManager shows that ``shutdown_timeout`` is 1.0 by default."""
    import inspect

    parameters = inspect.signature(mp.managers.BaseManager).parameters
    assert parameters["shutdown_timeout"].default == 1.0


@requirement("managers.start.starts-a-process")
def test_start_starts_the_server(mp, workshop):
    """``start()`` starts a process, which holds the objects that are created from then on."""
    process = _process_of(mp, workshop)
    assert process.is_alive()
    assert process.pid != os.getpid()


class _Teller:
    """An initializer, false as it is."""

    def __bool__(self):
        return False

    def __call__(self, sender, *args):
        sender.send((os.getpid(), args))


@observed_once
def _life(mp):
    """What comes of a manager that is started, started again, shut down, shut down again, and used even then."""
    facts = {}
    receiver, sender = mp.Pipe(duplex=False)
    base = _bare_manager(mp)

    class Derived(base):
        pass

    Derived.register("Maths", _Part)
    manager = base(ctx=mp.context)
    facts["created before start"] = _error_of(manager.Maths)
    start = functools.partial(manager.start, initializer=_Teller(), initargs=[sender, "one", None])
    _, process = _started_by(mp, start)
    facts["told at once"] = receiver.poll()
    facts["told"] = receiver.recv() if receiver.poll(mp.timeout) else None
    facts["told again"] = receiver.poll()
    facts["pid"] = process.pid
    count = len(mp.active_children())
    facts["started again"] = _error_of(manager.start)
    facts["server of a started one"] = _error_of(manager.get_server)
    facts["children more"] = len(mp.active_children()) - count
    # In a thread of its own, whose connection is all that may be lost.
    exits = CallerThread(mp, functools.partial(_raise_exits, manager.Machine()), "__call__")
    facts["exits"] = outcome_of(_result_in_time, mp, exits)
    maths = manager.Maths()
    facts["sum"] = maths.add(4, 3)
    manager.shutdown()  # while a proxy is in use
    facts["alive"], facts["exitcode"] = process.is_alive(), process.exitcode
    facts["used after shutdown"] = _error_of(functools.partial(maths.add, 4, 3))
    facts["shown after shutdown"] = outcome_of(str, maths)
    del maths
    facts["shut down again"] = _error_of(manager.shutdown)
    facts["started after shutdown"] = _error_of(manager.start)
    facts["entered after shutdown"] = _error_of(manager.__enter__)
    facts["server after shutdown"] = _error_of(manager.get_server)
    facts["created after shutdown"] = _error_of(manager.Maths)
    facts["alive at last"] = process.is_alive()
    return facts


def _raise_exits(machine):
    """What comes of a method that raises what ends a program, and what the machine tells then."""
    found = []
    for kind in (SystemExit, KeyboardInterrupt):
        try:
            result = machine.raise_this(kind(3))
        except kind as error:
            result = error
        found.append((type(result), result.args, machine.turns()))
    return found


def _error_of(call):
    try:
        call()
    except Exception as error:  # noqa: BLE001 - whatever it is, the test looks at it
        return type(error)
    return type(None)


@requirement("managers.start.initializer")
def test_start_calls_the_initializer_in_the_server(mp, socket_path):
    """The server's process calls ``initializer(*initargs)`` once when it starts, and nothing for None."""
    facts = _life(mp)
    assert facts["told"] == (facts["pid"], ("one", None))
    assert facts["told again"] is False
    assert _life_at(mp, socket_path)["sum"] == 7


@requirement("managers.start.initializer-callable")
def test_start_needs_an_initializer_that_can_be_called(mp):
    """An initializer that can't be called is refused, and no process is started."""
    manager = mp.managers.BaseManager(ctx=mp.context)
    before = len(mp.active_children())
    with raises(TypeError):
        manager.start("initializer")
    assert len(mp.active_children()) == before


@requirement("managers.start.initializer-first")
def test_initializer_is_called_first(mp):
    """The initializer was called when ``start()`` returns."""
    assert _life(mp)["told at once"] is True


def _start_with_failing_initializer(mp):
    manager = mp.managers.BaseManager(ctx=mp.context)
    with raises(EOFError):
        manager.start(_fail)


@requirement("managers.start.initializer-raises")
def test_initializer_raises(mp):
    """When the initializer raises, ``start()`` raises EOFError, and there is no server."""
    before = {child.pid for child in mp.active_children()}
    _start_with_failing_initializer(mp)
    for child in mp.active_children():
        if child.pid not in before:
            child.join()
            assert child.exitcode != 0


@requirement("managers.start.before-use")
def test_manager_is_of_use_while_its_server_runs(mp):
    """Shared objects can be created neither before ``start()`` nor after ``shutdown()``."""
    facts = _life(mp)
    assert issubclass(facts["created before start"], Exception)
    assert issubclass(facts["created after shutdown"], Exception)


@requirement("managers.get-server.before-start")
def test_server_of_a_started_manager(mp):
    """A manager that was started, or shut down, gives no server of its own."""
    facts = _life(mp)
    assert issubclass(facts["server of a started one"], Exception)
    assert issubclass(facts["server after shutdown"], Exception)


@requirement("managers.get-server.before-start-error")
def test_server_of_a_started_manager_error(mp):
    """The error is a ProcessError."""
    facts = _life(mp)
    assert issubclass(facts["server of a started one"], mp.ProcessError)
    assert issubclass(facts["server after shutdown"], mp.ProcessError)


@requirement("managers.context.after-shutdown")
def test_with_after_shutdown(mp):
    """A manager that was shut down can't be entered."""
    facts = _life(mp)
    assert issubclass(facts["entered after shutdown"], Exception)
    assert facts["alive at last"] is False


@requirement("managers.context.after-shutdown-error")
def test_with_after_shutdown_error(mp):
    """The error is a ProcessError."""
    assert issubclass(_life(mp)["entered after shutdown"], mp.ProcessError)


@requirement("managers.start.only-once")
def test_start_twice(mp):
    """A manager that has been started is not started again, nor after it was shut down."""
    facts = _life(mp)
    assert issubclass(facts["started again"], Exception)
    assert facts["children more"] == 0
    assert facts["sum"] == 7
    assert issubclass(facts["started after shutdown"], Exception)


@requirement("managers.start.only-once-error")
def test_start_twice_error(mp):
    """The error is a ProcessError."""
    facts = _life(mp)
    assert issubclass(facts["started again"], mp.ProcessError)
    assert issubclass(facts["started after shutdown"], mp.ProcessError)


@requirement("managers.start.survives-interrupt")
def test_server_survives_an_interrupt(mp):
    """SIGINT, as a Ctrl-C sends it to all processes of a terminal, does not end the server."""
    manager, process = _started_by(mp, lambda: _started_manager(mp))
    os.kill(process.pid, signal.SIGINT)
    process.join(0.1)
    assert process.is_alive()
    maths = manager.Maths()
    assert maths.add(4, 3) == 7
    del maths
    manager.shutdown()
    assert process.exitcode == 0


@requirement("managers.constructor.address-arbitrary")
def test_address_is_chosen(manager, workshop):
    """Without an address the manager chooses one, and no other manager has it."""
    assert manager.address is not None
    assert workshop.address is not None
    assert workshop.address != manager.address


@observed_once
def _lives_at(mp, address):
    """What comes of managers that listen at one address, one after the other."""
    held = []
    facts = {"first": outcome_of(_live_by_position, mp, address, held)}
    # What is left of the first must not stand in the way of the others.
    facts["others"] = outcome_of(_die_and_live_anew, mp, address)
    held.clear()
    gc.collect()
    return facts


def _life_at(mp, address):
    return value_of(_lives_at(mp, address)["first"])


def _life_after_death(mp, address):
    return value_of(_lives_at(mp, address)["others"])


def _hand_on(mp, shared):
    """In a child: have a child of its own put something."""
    ask(mp, _put_all, shared, "from the grandchild")


def _live_by_position(mp, address, held):
    """A manager that is given all its arguments by position; a proxy is left of it."""
    manager = _bare_manager(mp)(address, KEY, "pickle", mp.context)
    _, process = _started_by(mp, functools.partial(manager.start, None, ()))
    facts = {"address": manager.address, "of context": isinstance(process, mp.Process)}
    shared = manager.Queue()
    shared.put((1, 2))
    facts["item"] = shared.get()
    facts["child"] = outcome_of(ask, mp, _put_all, shared, "from the child")
    facts["of the child"] = outcome_of(shared.get_nowait)
    facts["grandchild"] = outcome_of(ask, mp, _hand_on, mp, shared)
    facts["of the grandchild"] = outcome_of(shared.get_nowait)
    other = _bare_manager(mp)(address, KEY)
    other.connect()
    facts["sum"] = other.Maths().add(4, 3)
    facts["turn elsewhere"] = outcome_of(_turn_elsewhere, mp, address)
    facts["turn"] = outcome_of(_turn_part_of, manager.Machine())
    tracked, census = manager.Tracked("keyed"), manager.Census()
    facts["there"] = census.has("keyed")
    del tracked
    facts["deleted"] = outcome_of(_until_missing, mp.timeout / 3, census, "keyed")
    held.append(shared)
    manager.shutdown()
    return facts


def _turn_elsewhere(mp, address):
    """Use a server where the address that it knows leads nowhere, but another does."""
    moved = f"{address}-moved"
    os.rename(address, moved)
    try:
        client = _bare_manager(mp)(moved, KEY, ctx=mp.context)
        client.connect()
        return _turn_part_of(client.Machine())
    finally:
        gc.collect()
        os.rename(moved, address)


@requirement("managers.constructor.address-given")
def test_address_is_as_given(mp, socket_path):
    """The server listens at the address that was given, which the manager tells before it is started."""
    assert mp.managers.BaseManager(socket_path, ctx=mp.context).address == socket_path
    facts = _life_at(mp, socket_path)
    assert facts["address"] == socket_path
    assert facts["sum"] == 7
    again = _life_over_tcp(mp)["again"]
    assert again["tells"] == again["given"]
    assert again["connected"] == ("returned", None)


@observed_once
def _life_over_tcp(mp):
    """What comes of a manager that serves all of the machine's addresses, at a port of the system's choice."""
    manager = _started_manager(mp, address=("", 0))
    facts = {"address": manager.address}
    facts["turns"] = outcome_of(_turn_over_tcp, mp, manager.address[1])
    gc.collect()
    manager.shutdown()
    given = "127.0.0.1", manager.address[1]
    with _started_manager(mp, address=given) as again:
        facts["again"] = {"given": given, "tells": again.address}
        facts["again"]["connected"] = outcome_of(_bare_manager(mp)(given, ctx=mp.context).connect)
    return facts


def _turn_over_tcp(mp, port):
    # Few calls: where each of them needs a connection of its own, TCP makes it wait 40 ms for several things.
    for host in ("127.0.0.1", "127.0.0.2"):
        client = _bare_manager(mp)((host, port), ctx=mp.context)
        client.connect()
    machine = client.Machine()
    return machine.part().turn(), machine.turns()


@requirement("managers.address.actual-port")
def test_address_tells_the_port(mp):
    """When port 0 was asked for, ``address`` tells where the server is found: it has got a port."""
    facts = _life_over_tcp(mp)
    _, port = facts["address"]
    assert port > 0
    assert facts["turns"][0] == "returned"


@requirement("managers.remote.tcp")
def test_remote_over_tcp(mp):
    """Clients use the objects of a server over TCP, and what their methods return by proxies."""
    assert value_of(_life_over_tcp(mp)["turns"]) == (1, 1)


@requirement("managers.address.read-only")
def test_address_is_read_only(manager):
    """``address`` can't be set."""
    address = manager.address
    with raises(AttributeError):
        manager.address = "elsewhere"
    assert manager.address == address


@requirement("managers.constructor.authkey-default")
def test_authkey_is_the_processs_own(mp, manager):
    """Without an authkey the manager uses the current process's, which may be given as it is, or as plain bytes."""
    own = mp.current_process().authkey
    for key in (own, bytes(own)):
        other = mp.managers.SyncManager(address=manager.address, authkey=key, ctx=mp.context)
        other.connect()
    assert other.list([1, 2])[:] == [1, 2]


@requirement("managers.constructor.authkey-given")
def test_authkey_as_given(mp, queue_server):
    """The server's authkey is the one given: who has it may connect, whatever the processes' own keys are."""
    assert bytes(mp.current_process().authkey) != KEY
    client = _queue_client(mp, queue_server, authkey=KEY)
    client.connect()
    assert client.get_queue().qsize() == 0
    with raises(mp.AuthenticationError):
        _queue_client(mp, queue_server, authkey=None).connect()


@requirement("managers.constructor.authkey-wrong")
def test_wrong_authkey(mp, manager):
    """Who connects with another authkey is turned away with AuthenticationError."""
    own = bytes(mp.current_process().authkey)
    shorter = own.rstrip(b"\0")[:-1]  # zeros at its end make no difference to HMAC
    for key in (b"wrong", b"", own + b"\n", shorter, bytes([own[0] ^ 1]) + own[1:]):
        other = mp.managers.BaseManager(address=manager.address, authkey=key, ctx=mp.context)
        with raises(mp.AuthenticationError):
            other.connect()
    assert len(manager.list([1])) == 1


@requirement("managers.constructor.authkey-checked")
def test_client_without_the_authkey(mp, manager):
    """A client that can't answer the server's challenge is turned away, though it says nothing against that."""
    with mp.connection.Client(manager.address) as client:
        assert client.poll(mp.timeout)
        client.recv_bytes()
        client.send_bytes(b"no answer to that challenge")
        with raises(OSError, EOFError):
            while client.poll(mp.timeout / 2):
                client.recv_bytes()
    assert len(manager.list([1])) == 1


@requirement("managers.constructor.authkey-bytes")
def test_authkey_must_be_bytes(mp):
    """An authkey that is text is refused."""
    with raises(TypeError):
        mp.managers.BaseManager(authkey="abracadabra", ctx=mp.context)


@observed_once
def _life_with_xmlrpclib(mp):
    """What comes of a manager with the serializer 'xmlrpclib'."""
    manager = _bare_manager(mp)(ctx=mp.context, serializer="xmlrpclib")
    _, process = _started_by(mp, manager.start)
    shared = manager.Queue()
    shared.put("hello, \u00fc\u20ac\U0001f40d")
    facts = {"item": shared.get(), "empty": shared.empty()}
    shared.put((1, 2))
    facts["tuple"] = shared.get()
    pickle.loads(pickle.dumps(shared)).put("through a copy")
    facts["through a copy"] = shared.get()
    facts["child"] = outcome_of(ask, mp, _put_all, shared, "from the child")
    facts["of the child"] = outcome_of(shared.get_nowait)
    del shared
    facts["by name"] = outcome_of(_use_by_name, manager)
    tracked, census = manager.Tracked("by XML"), manager.Census()
    facts["there"] = census.has("by XML")
    del tracked
    facts["deleted"] = outcome_of(_until_missing, mp.timeout / 3, census, "by XML")
    manager.shutdown()
    process.join(mp.timeout)
    facts["exit code"] = process.exitcode
    return facts


def _use_by_name(manager):
    """What comes of keyword arguments, and of a method that raises."""
    bounded = manager.Queue(maxsize=1)
    bounded.put(item=None, timeout=1)
    found = bounded.full(), bounded.get(block=True), bounded.empty()
    return *found, _error_of(bounded.get_nowait)


@requirement("managers.constructor.serializer-xmlrpclib")
def test_serializer_xmlrpclib(mp):
    """With the serializer 'xmlrpclib' objects are shared and deleted in the same way, and the server is ended."""
    facts = _life_with_xmlrpclib(mp)
    assert facts["item"] == "hello, \u00fc\u20ac\U0001f40d"
    assert facts["empty"] is True
    assert facts["through a copy"] == "through a copy"
    assert (facts["child"], facts["of the child"]) == (
        ("returned", None),
        ("returned", "from the child"),
    )
    *found, error = value_of(facts["by name"])
    assert (found, issubclass(error, Exception)) == ([True, None, True], True)
    assert (facts["there"], facts["deleted"][0]) == (True, "returned")
    assert facts["exit code"] == 0


@requirement("managers.constructor.serializer-is-used")
def test_serializer_limits_what_travels(mp, manager):
    """With 'pickle', the default, any picklable object travels as it is, with 'xmlrpclib' a tuple becomes a list."""
    assert _life_with_xmlrpclib(mp)["tuple"] == [1, 2]
    shared = manager.Queue()
    shared.put((1, 2))
    assert shared.get() == (1, 2)


@requirement("managers.constructor.serializer-unknown")
def test_serializer_unknown(mp):
    """Another serializer is refused."""
    with raises(KeyError, ValueError):
        mp.managers.BaseManager(serializer="json", ctx=mp.context)


@requirement("managers.constructor.ctx")
def test_ctx_starts_the_process(mp, workshop):
    """The server's process is started by the context that was given."""
    assert isinstance(_process_of(mp, workshop), mp.Process)


def _start_by_default(mp):
    """What a manager without arguments is like, in a process whose authkey was changed."""
    mp.set_start_method(mp.start_method, force=True)
    mp.current_process().authkey = KEY
    manager = mp.managers.BaseManager(None, None, "pickle", None)
    mp.current_process().authkey = b"another"
    _, process = _started_by(mp, manager.start)
    facts = {"of context": isinstance(process, mp.Process)}
    other = mp.managers.BaseManager(address=manager.address, authkey=KEY)
    facts["connected"] = outcome_of(other.connect)
    manager.shutdown()
    return facts


@observed_once
def _default_manager(mp):
    return ask(mp, _start_by_default, mp)


@requirement("managers.constructor.ctx-default")
def test_ctx_default(mp):
    """Without a context the server's process is started by the current one."""
    assert _default_manager(mp)["of context"] is True


@requirement("managers.constructor.authkey-of-the-moment")
def test_authkey_of_the_moment(mp):
    """Without an authkey the manager uses the one that the current process has when it is constructed."""
    assert _default_manager(mp)["connected"] == ("returned", None)


@requirement("managers.shutdown.stops-the-process")
def test_shutdown_stops_the_server(mp):
    """``shutdown()`` stops the server's process."""
    facts = _life(mp)
    assert facts["alive"] is False
    assert facts["exitcode"] == 0


@requirement("managers.shutdown.repeated")
def test_shutdown_twice(mp):
    """``shutdown()`` can be called again."""
    facts = _life(mp)
    assert facts["shut down again"] is type(None)
    assert facts["alive at last"] is False
    assert _life_in_with(mp)["shut down"] is None  # before the end of the with block


@requirement("managers.shutdown.only-after-start")
def test_shutdown_of_a_manager_that_was_not_started(mp, manager):
    """A manager that has only connected can't shut the server down; one that was not started has no shutdown either.

    Nor has one that was asked for its server.
    """
    asked = mp.managers.BaseManager(ctx=mp.context)
    server = asked.get_server()
    unused = mp.managers.BaseManager(ctx=mp.context)
    for other in (_connect(mp, manager.address), unused, asked):
        with raises(Exception):
            other.shutdown()
    assert server.address is not None
    assert len(manager.list([1])) == 1
    with warnings.catch_warnings():
        # Nobody closes the socket of a server that never serves.
        warnings.simplefilter("ignore", ResourceWarning)
        del asked, other, server
        gc.collect()


@requirement("managers.shutdown.only-after-start-error")
def test_shutdown_before_start(mp):
    """``shutdown()`` of a manager that was not started raises AttributeError."""
    with raises(AttributeError):
        mp.managers.BaseManager(ctx=mp.context).shutdown()


def _end_when_told(receiver):
    threading.Thread(target=receiver.recv).start()


@requirement("managers.shutdown.waits-for-completion")
def test_shutdown_waits_for_the_server(mp):
    """A server whose process completes within ``shutdown_timeout`` is not terminated."""
    receiver, sender = mp.Pipe(duplex=False)
    manager = mp.managers.BaseManager(ctx=mp.context, shutdown_timeout=mp.timeout)
    _, process = _started_by(mp, lambda: manager.start(_end_when_told, (receiver,)))
    caller = CallerThread(mp, manager, "shutdown")
    caller.until_blocked()
    process.join(0.1)
    assert process.is_alive()
    sender.send("end")
    caller.result()
    assert process.exitcode == 0


def _never_end():
    threading.Thread(target=threading.Event().wait).start()


def _never_end_nor_terminate():
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    _never_end()


def _end_when_terminated():
    signal.signal(signal.SIGTERM, _end_with_7)
    _never_end()


def _end_with_7(_number, _frame):
    sum(range(500_000))  # which takes some milliseconds
    os._exit(7)


def _shut_down_in_time(mp, initializer, timeout):
    """The child that is left of a manager whose shutdown() takes two timeouts, of much less than the default."""
    for _ in range(5):  # the load of the machine may hold one up
        manager = mp.managers.BaseManager(ctx=mp.context, shutdown_timeout=timeout)
        _, process = _started_by(mp, functools.partial(manager.start, initializer))
        began = time.monotonic()
        manager.shutdown()
        took = time.monotonic() - began
        assert not process.is_alive()
        if took < 0.9:
            break
    assert took < 0.9
    return process


@requirement("managers.shutdown.timeout-terminates")
def test_shutdown_terminates_a_server_that_does_not_end(mp):
    """A server whose process does not complete within ``shutdown_timeout`` is terminated, and has as long to end."""
    assert _shut_down_in_time(mp, _never_end, 0.02).exitcode == -signal.SIGTERM
    # On a loaded machine it may take longer to come to its end.
    codes = (_shut_down_in_time(mp, _end_when_terminated, 0.1).exitcode for _ in range(5))
    assert 7 in codes


@requirement("managers.shutdown.timeout-kills")
def test_shutdown_kills_a_server_that_is_not_terminated(mp):
    """A server whose process survives being terminated for ``shutdown_timeout``, be it 0, is killed."""
    process = _shut_down_in_time(mp, _never_end_nor_terminate, 0)
    assert process.exitcode == -signal.SIGKILL


@requirement("managers.constructor.shutdown-timeout-keyword")
def test_shutdown_timeout_is_keyword_only(mp):
    """``shutdown_timeout`` can be given by name alone."""
    with raises(TypeError):
        mp.managers.BaseManager(None, None, "pickle", mp.context, 1.0)


def _die_and_live_anew(mp, address):
    """A manager whose process is killed, and one that is started at its address."""
    facts = {}
    manager, process = _started_by(mp, functools.partial(_started_manager, mp, address=address))
    manager.join(timeout=0)
    facts["joined in time"] = outcome_of(waits, manager.join)
    facts["alive"] = process.is_alive()
    shared = manager.Queue()
    facts["put at a former address"] = outcome_of(shared.put, "of the first")
    os.kill(process.pid, signal.SIGKILL)
    manager.join()
    facts["alive after"] = process.is_alive()
    facts["joined again"] = _error_of(manager.join)
    facts["put to a dead one"] = _error_of(functools.partial(shared.put, "of the first"))
    if os.path.exists(address):
        os.unlink(address)
    with _started_manager(mp, address=address):
        facts["anew"] = outcome_of(_put_by_address, mp, address)
    # Only now: what it holds of the first server must not stand in the way.
    del shared
    manager.shutdown()
    return facts


def _put_by_address(mp, address):
    client = _bare_manager(mp)(address, ctx=mp.context)
    client.connect()
    shared = client.Queue()
    shared.put("of the second")
    return shared.get()


@requirement("managers.join")
def test_join_waits_for_the_server(mp, socket_path):
    """``join(timeout)`` waits for the server's process, no longer than the timeout."""
    facts = _life_after_death(mp, socket_path)
    assert facts["joined in time"] == ("returned", None)
    assert facts["alive"] is True
    assert facts["alive after"] is False
    assert facts["joined again"] is type(None)


@requirement("managers.start.at-a-former-address")
def test_start_at_a_former_address(mp, socket_path):
    """A manager serves at the address of one that was shut down, though a proxy of that one is left."""
    assert _life_after_death(mp, socket_path)["put at a former address"] == ("returned", None)


@requirement("managers.proxy.authkey-for-children")
def test_child_uses_a_proxy_of_a_manager_with_a_key(mp, socket_path):
    """A child uses the proxy it was given though the manager has an authkey of its own, be it empty."""
    facts = _life_at(mp, socket_path)
    assert (facts["grandchild"], facts["of the grandchild"]) == (
        ("returned", None),
        ("returned", "from the grandchild"),
    )
    with _started_manager(mp, authkey=b"") as manager:
        shared = manager.Queue()
        ask(mp, _put_all, shared, "with an empty key")
        assert shared.get_nowait() == "with an empty key"
        del shared
    assert (facts["child"], facts["of the child"]) == (
        ("returned", None),
        ("returned", "from the child"),
    )


@requirement("managers.proxy.server-gone")
def test_proxy_of_a_server_that_is_gone(mp, socket_path):
    """Using a proxy whose server has died, or was shut down, raises an exception, and does not wait."""
    assert issubclass(_life(mp)["used after shutdown"], (OSError, EOFError))
    assert issubclass(_life_after_death(mp, socket_path)["put to a dead one"], (OSError, EOFError))


@requirement("managers.proxy.str-server-gone")
def test_str_of_a_proxy_of_a_server_that_is_gone(mp):
    """``str`` of a proxy whose server is gone does not raise, and names the proxy."""
    kind, text = _life(mp)["shown after shutdown"]
    assert kind == "returned"
    assert "'Maths'" in text


@requirement("managers.connect.server-anew")
def test_connect_to_a_server_started_anew(mp, socket_path):
    """Who connects to a server at the address of one that has died uses the new one, whatever is left of the old."""
    assert value_of(_life_after_death(mp, socket_path)["anew"]) == "of the second"


@observed_once
def _life_in_with(mp):
    """What comes of a manager whose with block is entered and left."""
    manager = _bare_manager(mp)(ctx=mp.context)
    before = {child.pid for child in mp.active_children()}
    with manager as entered:
        [process] = [child for child in mp.active_children() if child.pid not in before]
        facts = {"manager entered": entered is manager, "alive": process.is_alive()}
        facts["sum"] = manager.Maths().add(4, 3)
    facts["alive after"], facts["exitcode"] = process.is_alive(), process.exitcode
    with _started_manager(mp) as manager:
        facts["shut down"] = manager.shutdown()
    return facts


@requirement("managers.context.enter-starts")
def test_with_starts_the_server(mp):
    """Entering a manager starts its server."""
    facts = _life_in_with(mp)
    assert facts["alive"] is True
    assert facts["sum"] == 7


@requirement("managers.context.enter-returns-manager")
def test_with_gives_the_manager(mp):
    """Entering a manager gives the manager."""
    assert _life_in_with(mp)["manager entered"] is True


@requirement("managers.context.exit-shuts-down")
def test_with_shuts_down(mp):
    """Leaving a manager shuts it down."""
    facts = _life_in_with(mp)
    assert facts["alive"] is True
    assert (facts["alive after"], facts["exitcode"]) == (False, 0)


@observed_once
def _life_of_a_started_one(mp):
    """What comes of a manager that has been started when its with block is entered, and left by an exception."""
    manager, process = _started_by(mp, mp.Manager)
    facts = {"pid": process.pid, "alive": process.is_alive()}
    count = len(mp.active_children())

    def leave_by_exception():
        with manager:
            facts["children more"] = len(mp.active_children()) - count
            facts["alive within"] = process.is_alive()
            raise LookupError

    facts["error"] = _error_of(leave_by_exception)
    facts["alive after"] = process.is_alive()
    return facts


@requirement("managers.context.already-started")
def test_with_does_not_start_again(mp):
    """Entering a manager that has been started starts nothing."""
    facts = _life_of_a_started_one(mp)
    assert facts["children more"] == 0
    assert facts["alive within"] is True


@requirement("managers.context.exit-by-exception")
def test_with_lets_exceptions_through(mp):
    """An exception that leaves the block of a manager shuts it down, and goes on."""
    facts = _life_of_a_started_one(mp)
    assert facts["error"] is LookupError
    assert facts["alive after"] is False


# register


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

    Base.register("Maths", _Maths)
    Derived.register("Part", _Part)
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
    assert _life(mp)["sum"] == 7
    assert workshop.Event().turn_twice() == [1, 2]
    assert workshop.Anew().turn() == 1


@requirement("managers.register.typeid-string")
def test_typeid_must_be_text(mp):
    """A typeid that is no string is refused."""

    class Manager(mp.managers.BaseManager):
        pass

    with raises(TypeError):
        Manager.register(1, _Maths)


@requirement("managers.register.callable-raises")
def test_creation_fails(mp, workshop):
    """When the callable raises, creation raises RemoteError, and the server goes on."""
    with raises(mp.managers.RemoteError, match="_Broken"):
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
    assert type(workshop.UntypedMachine().part()) is _Part


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
    made = [workshop.make(kind) for kind in (_Part, _Maths, _Part)]
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
    assert type(machine.part()) is _Part


@requirement("managers.register.result-copied")
def test_results_are_copies(workshop):
    """What any other method returns is copied."""
    machine = workshop.PlainMachine()
    part = machine.part()
    assert type(part) is _Part
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
    client = _queue_client(mp, queue_server)
    client.connect()
    assert client.get_queue().qsize() == 0


# SyncManager: containers


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


# SyncManager: Namespace, Value, Array


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


def _set_item(shared, index, value):
    shared[index] = value


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
    companion.ask(_set_item, shared, 1, 9)
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


# SyncManager: synchronization


@requirement("managers.lock.excludes")
def test_lock_excludes_other_processes(mp, manager, companion):
    """A process that wants a lock, of any kind, waits until the one that has it releases it; one release is for one."""
    lock = manager.Lock()
    assert lock.acquire() is True
    companion.call(lock, "acquire").until_blocked()
    lock.release()
    assert companion.result() is True
    assert lock.acquire(False) is False
    assert _served_when_released(manager, companion, "acquire") == [True] * 5
    _assert_wakes_one(mp, lock, companion)


def _assert_wakes_one(mp, lock, companion):
    """Each release() of what nobody can acquire, a lock or a semaphore, lets one of two that wait go on."""
    companion.begin(_call_in_threads, mp, lock, "acquire", 2)
    assert companion.receive() == "waiting"
    for _ in range(2):
        lock.release()
        assert companion.receive() is True
    companion.result()
    assert lock.acquire(False) is False


def _served_when_released(manager, companion, method, *args):
    """What another process gets that calls a method of each kind of lock, and waits until this one releases it."""
    results = []
    for kind in ("Lock", "RLock", "Semaphore", "BoundedSemaphore", "Condition"):
        lock = getattr(manager, kind)()
        lock.acquire()
        companion.call(lock, method, *args).until_blocked()
        lock.release()
        results.append(companion.result())
    return results


@requirement("managers.lock.acquire-timeout")
def test_lock_timeout(mp, manager, companion):
    """``acquire`` with a timeout gives False when the lock, or the semaphore, stays taken, True if it is released.

    With a timeout of -1 that of a lock waits as long as it takes.
    """
    for lock in (manager.Lock(), manager.Semaphore(1), manager.BoundedSemaphore(1)):
        assert lock.acquire(True, 0.01) is True
        assert waits(functools.partial(lock.acquire, True)) is False
        assert (lock.acquire(True, 0), lock.acquire(0)) == (False, False)
        with raises(ValueError):
            lock.acquire(False, 0.01)
        lock.release()
    for lock in (manager.Lock(), manager.RLock()):
        assert lock.acquire(True, -1) is True
    for lock in (manager.RLock(), manager.Condition()):
        lock.acquire()
        assert companion.ask(_acquire_in_time, lock) is False
    for lock in (manager.Lock(), manager.RLock(), manager.Condition()):
        lock.acquire()
        companion.call(lock, "acquire", True, -1).until_blocked()
        lock.release()
        assert companion.result() is True
    released = _served_when_released(manager, companion, "acquire", True, mp.timeout)
    assert released == [True] * 5


@requirement("managers.lock.context-manager")
def test_lock_in_with(manager, companion):
    """A lock or semaphore is waited for, and held within its ``with`` block, an RLock until the outermost is left."""
    assert len(_served_when_released(manager, companion, "__enter__")) == 5
    for lock in (manager.Lock(), manager.Semaphore(1), manager.BoundedSemaphore(1)):
        with lock:
            assert lock.acquire(False) is False
        assert lock.acquire(False) is True
        lock.release()
        for kind in (LookupError, KeyboardInterrupt):
            with raises(kind), lock:
                raise kind
        assert lock.acquire(False) is True
    for lock in (manager.RLock(), manager.Condition()):
        with lock:
            with lock:
                pass
            assert companion.ask(_acquire_at_once, lock) is False
            with raises(LookupError), lock:
                raise LookupError
            assert companion.ask(_acquire_at_once, lock) is False
        assert companion.ask(_acquire_and_release, lock) is True
        with raises(LookupError), lock:
            raise LookupError
        assert companion.ask(_acquire_at_once, lock) is True


def _acquire_at_once(lock):
    return lock.acquire(False)


def _acquire_in_time(lock):
    return waits(functools.partial(lock.acquire, True))


def _is_free(lock):
    free = lock.acquire(False)
    if free:
        lock.release()
    return free


def _acquire_and_release(lock):
    with lock:
        return True


def _release(lock):
    lock.release()


@requirement("managers.lock.released-by-another")
def test_lock_released_by_another_process(manager, companion):
    """Any process may release a lock."""
    lock = manager.Lock()
    lock.acquire()
    companion.ask(_release, lock)
    assert lock.acquire(False) is True


@requirement("managers.lock.release-returns-nothing")
def test_release_returns_nothing(manager):
    """``release()`` of a lock, of an RLock and of a condition returns None."""
    for lock in (manager.Lock(), manager.RLock(), manager.Condition()):
        lock.acquire()
        assert lock.release() is None


@requirement("managers.lock.release-unlocked")
def test_lock_release_when_free(manager):
    """Releasing a lock that nobody holds raises RuntimeError."""
    with raises(RuntimeError):
        manager.Lock().release()


@requirement("managers.synchronization.keywords")
def test_parameters_by_name(mp, manager, companion):
    """The parameters of ``acquire`` and ``wait`` have the names that threading gives; None for timeout is no limit."""
    event, condition = manager.Event(), manager.Condition()
    for lock in (manager.Lock(), manager.Semaphore(), manager.BoundedSemaphore()):
        assert lock.acquire(blocking=True, timeout=0.01) is True
        assert lock.acquire(blocking=False) is False
        assert lock.acquire(timeout=0.01) is False
    for lock in (manager.RLock(), condition):
        assert lock.acquire(blocking=False) is True
        assert lock.acquire(blocking=True, timeout=0.01) is True
        lock.release()
    assert event.wait(timeout=0.01) is False
    assert condition.wait(timeout=0.01) is False
    lock = manager.Lock()
    assert manager.Condition(lock=lock).acquire() is True
    assert lock.acquire(False) is False
    assert manager.Condition(None).acquire() is manager.Condition(lock=None).acquire() is True
    assert manager.Semaphore(value=0).acquire(False) is False
    assert manager.BoundedSemaphore(value=2).acquire(False) is True
    assert manager.BoundedSemaphore(value=0).acquire(False) is False
    assert manager.Barrier(parties=1, action=event.set, timeout=0.01).wait() == 0
    assert event.is_set() is True
    with raises(mp.BrokenBarrierError):
        manager.Barrier(parties=2, timeout=0.01).wait()
    bounded = manager.Queue(maxsize=1)
    bounded.put(1)
    assert bounded.full() is True
    for semaphore in (manager.Semaphore(0), manager.BoundedSemaphore(0)):
        assert semaphore.acquire(False, None) is False
    for semaphore in (manager.Semaphore(1), manager.BoundedSemaphore(1)):
        assert semaphore.acquire(timeout=None) is True
        companion.call(semaphore, "acquire", True, None).until_blocked()
        semaphore.release()
        assert companion.result() is True


@requirement("managers.rlock.reentrant")
def test_rlock_is_recursive(mp, manager, companion):
    """The owner of an RLock may acquire it again; it has released it as often when one of those who wait goes on."""
    lock = manager.RLock()
    assert lock.acquire() is True
    assert lock.acquire(False) is True
    lock.release()
    assert companion.ask(_acquire_at_once, lock) is False
    lock.release()
    assert companion.ask(_acquire_and_release, lock) is True
    assert [lock.acquire(), lock.acquire()] == [True, True]
    leave = manager.Semaphore(0)
    companion.begin(_keep_in_threads, mp, lock, leave)
    assert companion.receive() == "waiting"
    for _ in range(2):
        lock.release()
        _give_time(leave)
    leave.release()
    leave.release()
    told = [companion.receive() for _ in range(6)]
    # The other one may come before the first can tell that it has released the lock.
    assert [word for word in told if word != "returned"] == ["in", "out"] * 2
    companion.result()


def _give_time(semaphore):
    """Let the manager be of use a few times: who goes on by mistake meanwhile has gone on."""
    for _ in range(5):
        semaphore.acquire(False)


def _keep_in_threads(sender, mp, lock, leave):
    """Have two threads wait for a lock, each of which has it until it may leave.

    Tell who comes and who goes, and what comes of the release.
    """

    def keep():
        lock.acquire()
        sender.send("in")
        leave.acquire()
        sender.send("out")
        sender.send(outcome_of(lock.release)[0])

    _tell_when_all_wait(sender, mp, keep, 2)


@requirement("managers.rlock.owner-releases")
def test_rlock_released_by_its_owner(manager, companion):
    """A process that does not own an RLock can't release it."""
    lock = manager.RLock()
    lock.acquire()
    with raises(ChildError) as raised:
        companion.ask(_release, lock)
    assert raised.value.name == "RuntimeError"
    lock.release()


@requirement("managers.rlock.thread-owns")
def test_rlock_is_owned_by_a_thread(mp):
    """The thread that has acquired an RLock has it by any proxy, and releases it; no other thread does, nor nobody."""
    others = [False, RuntimeError] * 2
    found = [True, False, False, True, None, *others, RuntimeError]
    assert _life_of_a_manager(mp)["owned"] == ("returned", found)


@requirement("managers.semaphore.counts")
def test_semaphore_counts(mp, manager, companion):
    """A Semaphore is acquired as often as its value says, by all processes together."""
    semaphore = manager.Semaphore(2)
    assert companion.ask(_acquire_at_once, semaphore) is True
    assert semaphore.acquire(False) is True
    assert semaphore.acquire(False) is False
    companion.ask(_release, semaphore)
    assert semaphore.acquire(False) is True
    _assert_wakes_one(mp, semaphore, companion)


def _call_in_threads(sender, mp, subject, method, count):
    """Call a method that waits in several threads; tell when all of them sleep, and what each call gives or raises."""

    def call():
        kind, value = outcome_of(getattr(subject, method))
        sender.send(value if kind == "returned" else kind)

    _tell_when_all_wait(sender, mp, call, count)


def _tell_when_all_wait(sender, mp, call, count):
    """Make a call that waits in several threads; tell when all of them sleep."""
    from mpspec.observing import wait_until_asleep

    threads = [threading.Thread(target=call) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        wait_until_asleep(os.getpid(), thread.native_id, mp.timeout)
    sender.send("waiting")
    for thread in threads:
        thread.join()


@requirement("managers.semaphore.default")
def test_semaphore_default(manager):
    """Without a value a Semaphore and a BoundedSemaphore begin with 1; none has a value below 0."""
    for kind in (manager.Semaphore, manager.BoundedSemaphore):
        semaphore = kind()
        assert semaphore.acquire(False) is True
        assert semaphore.acquire(False) is False
        with raises(Exception):
            kind(-1)


@requirement("managers.semaphore.unbounded")
def test_semaphore_grows(manager):
    """A Semaphore may be released more often than it was acquired."""
    semaphore = manager.Semaphore(0)
    semaphore.release()
    assert semaphore.acquire(False) is True


@requirement("managers.semaphore.release-many")
def test_semaphore_release_many(mp, manager, companion):
    """``release(n)`` lets n more acquire the Semaphore, those who wait as well."""
    semaphore = manager.Semaphore(0)
    semaphore.release(2)
    semaphore.release(n=1)
    assert [semaphore.acquire(False) for _ in range(4)] == [True, True, True, False]
    _assert_wakes_both(mp, semaphore, companion)


def _assert_wakes_both(mp, semaphore, companion):
    """release(2) of a semaphore at zero lets both go on that wait."""
    companion.begin(_call_in_threads, mp, semaphore, "acquire", 2)
    assert companion.receive() == "waiting"
    semaphore.release(2)
    assert [companion.receive(), companion.receive()] == [True, True]
    companion.result()
    assert semaphore.acquire(False) is False


@requirement("managers.bounded-semaphore.bound")
def test_bounded_semaphore_has_a_bound(manager):
    """Releasing a BoundedSemaphore beyond its first value raises ValueError."""
    semaphore = manager.BoundedSemaphore(2)
    assert [semaphore.acquire(False) for _ in range(3)] == [True, True, False]
    semaphore.release()
    semaphore.release()
    with raises(ValueError):
        semaphore.release()
    assert [semaphore.acquire(False) for _ in range(3)] == [True, True, False]


@requirement("managers.bounded-semaphore.release-many")
def test_bounded_semaphore_release_many(mp, manager, companion):
    """``release(2)`` gives back two; when only one was taken it raises ValueError, and gives back none.

    Both go on who wait for one.
    """
    semaphore = manager.BoundedSemaphore(2)
    assert [semaphore.acquire(False), semaphore.acquire(False)] == [True, True]
    semaphore.release(2)
    assert [semaphore.acquire(False) for _ in range(3)] == [True, True, False]
    _assert_wakes_both(mp, semaphore, companion)
    semaphore.release()
    with raises(ValueError):
        semaphore.release(n=2)
    assert [semaphore.acquire(False), semaphore.acquire(False)] == [True, False]


def _wait_for_notice(sender, condition, *timeout):
    with condition:
        sender.send("waiting")
        return condition.wait(*timeout)


@requirement("managers.condition.notify")
def test_condition_notify(mp, manager, companion):
    """``wait`` releases the condition, and returns True in the process that is notified, also within a timeout.

    It does not return before the condition is released that notified.
    """
    condition, shared = manager.Condition(), manager.Value("i", 0)
    for number, timeout in enumerate(((), (mp.timeout * 100,), (None,)), 1):
        companion.begin(_read_when_notified, condition, shared, *timeout)
        assert companion.receive() == "waiting"
        with condition:  # free, because the companion waits
            condition.notify()
            _change_late(shared, number)
        assert companion.result() == (True, number)


def _read_when_notified(sender, condition, shared, *timeout):
    with condition:
        sender.send("waiting")
        return condition.wait(*timeout), shared.value


def _change_late(shared, value):
    """Change a value after a while: who reads it too early gets the former one."""
    for _ in range(5):
        assert shared.value != value
    shared.value = value


def _wait_in_threads(sender, condition, shared, count):
    def wait():
        with condition:
            sender.send("waiting")
            condition.wait()
            sender.send(shared.value)

    threads = [threading.Thread(target=wait) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@requirement("managers.condition.notify-count")
def test_condition_notify_count(manager, companion):
    """``notify()`` wakes one of those who wait, ``notify(n)`` wakes n, or all when they are fewer."""
    condition, shared = manager.Condition(), manager.Value("i", -1)
    companion.begin(_wait_in_threads, condition, shared, 7)
    assert [companion.receive() for _ in range(7)] == ["waiting"] * 7
    with condition:
        condition.notify(0)
    woken = []
    for number, (position, name, count) in enumerate(
        [((), {}, 1), ((3,), {}, 3), ((), {"n": 2}, 2), ((9,), {}, 1)]
    ):
        with condition:
            shared.value = number
            condition.notify(*position, **name)
        woken.append([companion.receive() for _ in range(count)])
    assert woken == [[0], [1, 1, 1], [2, 2], [3]]
    companion.result()
    with condition:
        condition.notify(n=2)


@requirement("managers.condition.notify-all")
def test_condition_notify_all(manager, companion):
    """``notify_all`` wakes all that wait, which go on when the condition has been released."""
    condition, shared = manager.Condition(), manager.Value("i", 0)
    companion.begin(_wait_in_threads, condition, shared, 8)
    assert [companion.receive() for _ in range(8)] == ["waiting"] * 8
    with condition:
        condition.notify_all()
        _change_late(shared, 7)
    assert [companion.receive() for _ in range(8)] == [7] * 8
    companion.result()


@requirement("managers.condition.notify-all-alias")
def test_condition_notify_all_by_its_old_name(manager, companion):
    """``notifyAll`` wakes both that wait."""
    condition, shared = manager.Condition(), manager.Value("i", 0)
    old = condition.notifyAll  # before anybody waits whom it should wake
    companion.begin(_wait_in_threads, condition, shared, 2)
    assert [companion.receive(), companion.receive()] == ["waiting"] * 2
    with condition, warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        old()
    assert [companion.receive(), companion.receive()] == [0, 0]
    companion.result()


def _wait_for_items(sender, condition, items, *timeout):
    with condition:
        sender.send("waiting")
        return condition.wait_for(lambda: len(items) == 2 and "both", *timeout)


@requirement("managers.condition.wait-for")
def test_condition_wait_for(mp, manager, companion):
    """``wait_for`` waits until the predicate holds, and gives its value, also within a timeout.

    With a timeout, too, it looks again before it gives up. The predicate is called with the lock held, and what it
    raises comes out.
    """
    condition, values, free = manager.Condition(), ["word", ""], []
    for timeout in ((), (mp.timeout * 100,), (None,)):
        items = manager.list()
        companion.begin(_wait_for_items, condition, items, *timeout)
        assert companion.receive() == "waiting"
        for item in range(2):
            with condition:
                items.append(item)
                condition.notify()
        assert companion.result() == "both"
    with condition:
        assert condition.wait_for(lambda: "at once") == "at once"
        for timeout in (0.01, 0, -1):
            assert condition.wait_for(lambda: False, timeout) is False
        assert condition.wait_for(predicate=lambda: 0, timeout=0.01) == 0
        assert condition.wait_for(list, timeout=0) == []
        assert condition.wait_for(values.pop, 0.01) == "word"
        values = ["", 0]  # the last one that it looked at is what it gives
        assert (
            condition.wait_for(lambda: values[0] if len(values) < 2 else values.pop(), 0.01) == ""
        )
        assert waits(functools.partial(condition.wait_for, list)) == []
        condition.wait_for(lambda: free.append(companion.ask(_is_free, condition)), 0.01)
        assert (len(free) > 1, set(free)) == (True, {False})
        for call in (1, 2):
            with raises(PredicateError):
                condition.wait_for(RaisingAt(call), 0.01)
        condition.notify()  # it is held yet


class _Late:
    """A predicate that asks for a notification each time, and the second time is as late as a wait can be."""

    def __init__(self, asked, event, timeout):
        self.asked, self.event, self.timeout = asked, event, timeout
        self.calls = 0

    def __call__(self):
        self.calls += 1
        self.asked.put(True)
        if self.calls == 2:
            self.event.wait(self.timeout)
        return self.calls > 2


def _notify_when_asked(_connection, condition, asked):
    while asked.get():
        with condition:
            condition.notify()


@requirement("managers.condition.wait-for-timeout-is-total")
def test_condition_wait_for_is_not_prolonged(manager, companion):
    """``wait_for`` that was notified in time, and found its predicate false when the time is up, waits no more."""
    condition, asked, timeout = manager.Condition(), manager.Queue(), 0.05
    companion.begin(_notify_when_asked, condition, asked)
    with condition:
        found = condition.wait_for(_Late(asked, manager.Event(), timeout), timeout)
    asked.put(False)
    companion.result()
    assert found is False


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


@requirement("managers.condition.wait-timeout")
def test_condition_timeout(manager):
    """``wait`` with a timeout gives False when no notice comes."""
    condition = manager.Condition()
    with condition:
        assert [condition.wait(timeout) for timeout in (0.01, 0, -1)] == [False] * 3
        assert waits(condition.wait) is False
        # It holds its lock again.
        condition.notify()


@requirement("managers.condition.needs-lock")
def test_condition_without_its_lock(manager, companion):
    """Who waits, notifies or releases gets RuntimeError when nobody holds the condition, and when another does."""
    condition, event = manager.Condition(), manager.Event()
    _use_without_lock(condition)
    companion.begin(_hold_until, condition, event)
    assert companion.receive() == "held"
    _use_without_lock(condition)
    event.set()
    companion.result()


def _use_without_lock(condition):
    for call in (condition.notify, condition.notify_all, condition.release):
        with raises(RuntimeError):
            call()
    with raises(RuntimeError):
        condition.wait(0.01)
    with raises(RuntimeError):
        condition.wait_for(bool, 0.01)


def _acquire_each_at_once(*locks):
    return [lock.acquire(False) for lock in locks]


@requirement("managers.condition.lock")
def test_condition_of_a_lock(manager, companion):
    """A Condition uses the lock that it was given, a proxy for a Lock or an RLock, and works with a Lock.

    Who waits for it is woken by one who has acquired the Lock itself.
    """
    locks = manager.Lock(), manager.RLock()
    first, second = map(manager.Condition, locks)
    with first, second:
        assert companion.ask(_acquire_each_at_once, *locks) == [False, False]
    _wait_and_notify(first, locks[0])
    assert _is_free(locks[0]) is True
    companion.begin(_wait_for_notice, first)
    assert companion.receive() == "waiting"
    with locks[0]:  # free, because the companion waits
        first.notify()
    assert companion.result() is True
    assert locks[0].acquire(False) is True


@requirement("managers.condition.shared-lock")
def test_conditions_share_a_lock(manager, companion):
    """Two conditions of one lock exclude each other, and notify their own waiters only."""
    lock, shared = manager.Lock(), manager.Value("i", 0)
    one, other = manager.Condition(lock), manager.Condition(lock)
    companion.begin(_wait_in_threads, other, shared, 1)
    assert companion.receive() == "waiting"
    with one:
        free = _is_free(other)
        one.notify_all()
    for _ in range(5):  # who was woken by mistake has time to go on
        _is_free(lock)
    with other:
        shared.value = 1
        other.notify()
    assert (free, companion.receive()) == (False, 1)
    companion.result()


def _wait_and_notify(condition, lock):
    """Use a condition whose lock was acquired by it, and then by the lock's own proxy."""
    with condition:
        assert condition.wait(0.01) is False
        condition.notify()
    lock.acquire()
    assert condition.wait(0.01) is False
    condition.notify_all()
    condition.release()


@requirement("managers.condition.recursive-lock")
def test_condition_of_a_recursive_lock(mp, manager, companion):
    """Who has acquired a Condition of a given RLock, or the RLock, waits and notifies, and holds it as often.

    While it waits it does not hold it at all.
    """
    lock = manager.RLock()
    condition = manager.Condition(lock)
    _wait_and_notify(condition, lock)
    lock.acquire()
    _wait_and_notify(condition, lock)
    assert companion.ask(_acquire_at_once, lock) is False
    lock.release()
    _assert_released_wholly(mp, condition, companion)
    assert companion.ask(_acquire_at_once, lock) is True


def _assert_released_wholly(mp, condition, companion):
    """That another process that holds a condition twice, and waits, does not hold it at all."""
    companion.begin(_wait_for_notice_held_twice, condition)
    assert companion.receive() == "waiting"
    assert condition.acquire(True, mp.timeout) is True  # wait() has released it wholly
    condition.notify()
    condition.release()
    assert companion.result() is True


def _wait_for_notice_held_twice(sender, condition):
    with condition:
        return _wait_for_notice(sender, condition)


@requirement("managers.condition.default-lock")
def test_condition_without_a_lock(mp, manager, companion):
    """A Condition that was given no lock has an RLock: its owner may acquire it again, and waits without it."""
    condition = manager.Condition()
    with condition:
        assert condition.acquire(False) is True
        condition.release()
    _assert_released_wholly(mp, condition, companion)
    assert companion.ask(_acquire_at_once, condition) is True


@requirement("managers.synchronization.timeout-any-number")
def test_timeouts_are_real_numbers(mp, manager):
    """A fraction is a timeout of each method that takes one, and of a barrier."""
    import fractions

    moment, condition = fractions.Fraction(1, 100), manager.Condition()
    held = [manager.Lock(), manager.RLock(), manager.Condition()]
    for lock in held:
        assert lock.acquire(True, moment) is True
    for lock in (*held, manager.Semaphore(0), manager.BoundedSemaphore(0)):
        assert CallerThread(mp, lock, "acquire", True, moment).result() is False
    assert manager.Event().wait(moment) is False
    with condition:
        assert [condition.wait(moment), condition.wait_for(bool, moment)] == [False, False]
    for barrier, *timeout in ((manager.Barrier(2), moment), (manager.Barrier(2, None, moment),)):
        with raises(mp.BrokenBarrierError):
            barrier.wait(*timeout)


@requirement("managers.event.is-set-alias")
def test_event_flag_by_its_old_name(manager):
    """``isSet`` of an event is False at first, and True after ``set``."""
    assert_set_by_old_name(manager.Event())


@requirement("managers.event.flag")
def test_event_flag(manager):
    """An Event begins unset, and can be set and cleared."""
    event = manager.Event()
    assert event.is_set() is False
    event.set()
    assert event.is_set() is True
    event.clear()
    assert event.is_set() is False


@requirement("managers.event.wakes")
def test_event_wakes(mp, manager, companion):
    """All that wait for an Event go on when it is set, also within a timeout, and again after it was cleared."""
    event = manager.Event()
    for timeout in ((), (mp.timeout * 100,), (None,)):
        companion.call(event, "wait", *timeout).until_blocked()
        event.set()
        assert companion.result() is True
        assert event.wait() is True
        assert event.wait(0) is True
        event.clear()
    companion.begin(_call_in_threads, mp, event, "wait", 3)
    assert companion.receive() == "waiting"
    event.set()
    assert [companion.receive() for _ in range(3)] == [True] * 3
    companion.result()


@requirement("managers.event.wait-timeout")
def test_event_timeout(manager):
    """``wait`` with a timeout gives False when the Event stays unset."""
    event = manager.Event()
    assert [event.wait(timeout) for timeout in (0.01, 0, -1)] == [False] * 3
    assert waits(event.wait) is False


@requirement("managers.barrier.releases")
def test_barrier_releases(mp, manager, companion):
    """Who waits at a Barrier goes on when all parties are there, each with a number of its own, and once more."""
    barrier = manager.Barrier(2)
    for timeout in ((), (None,)):
        companion.call(barrier, "wait", *timeout).until_blocked()
        own = barrier.wait()
        assert type(own) is int
        assert sorted([own, companion.result()]) == [0, 1]
    barrier = manager.Barrier(4)
    companion.begin(_call_in_threads, mp, barrier, "wait", 3)
    assert companion.receive() == "waiting"
    own = barrier.wait()
    assert sorted([own, *(companion.receive() for _ in range(3))]) == [0, 1, 2, 3]
    companion.result()


@requirement("managers.barrier.attributes")
def test_barrier_attributes(manager):
    """A Barrier tells its parties, how many wait, and whether it is broken."""
    barrier = manager.Barrier(3)
    assert (barrier.parties, barrier.n_waiting, barrier.broken) == (3, 0, False)


@requirement("managers.barrier.n-waiting")
def test_barrier_tells_how_many_wait(mp, manager, companion):
    """``n_waiting`` is the number of those who wait."""
    from mpspec.observing import wait_until

    barrier = manager.Barrier(2)
    companion.call(barrier, "wait")
    wait_until(lambda: barrier.n_waiting == 1, mp.timeout, "one waits")
    barrier.wait()
    companion.result()
    assert barrier.n_waiting == 0


@requirement("managers.barrier.action")
def test_barrier_action(mp, manager, companion):
    """The action is called once, before the parties go on."""
    event = manager.Event()
    barrier = manager.Barrier(1, event.set)
    assert barrier.wait() == 0
    assert event.is_set() is True
    called, may_end = manager.Semaphore(0), manager.Semaphore(0)
    barrier = manager.Barrier(2, _Action(called, may_end))
    companion.begin(_call_in_threads, mp, barrier, "wait", 2)
    assert companion.receive() == "waiting"
    assert called.acquire() is True
    may_end.release()
    assert sorted(companion.receive() for _ in range(2)) == [0, 1]
    companion.result()
    assert called.acquire(False) is False


class _Action:
    """Of a Barrier: tells that it was called, and returns when it is let."""

    def __init__(self, called, may_end):
        self.called, self.may_end = called, may_end

    def __call__(self):
        self.called.release()
        self.may_end.acquire()


@requirement("managers.barrier.timeout")
def test_barrier_timeout(mp, manager):
    """The timeout of a Barrier breaks it, and who waits gets BrokenBarrierError."""
    barrier = manager.Barrier(2, None, 0.01)
    with raises(mp.BrokenBarrierError):
        barrier.wait()
    assert barrier.broken is True


@requirement("managers.barrier.wait-timeout")
def test_barrier_wait_timeout(mp, manager, companion):
    """The timeout of ``wait`` breaks a Barrier, for the others too, whatever the Barrier's own timeout is."""
    barrier = manager.Barrier(2, timeout=mp.timeout * 100)
    with raises(mp.BrokenBarrierError):
        barrier.wait(0.01)
    assert barrier.broken is True
    for timeout in (0.01, 0):
        barrier.reset()
        with raises(mp.BrokenBarrierError):
            barrier.wait(timeout=timeout)

    def wait_anew(timeout):
        barrier.reset()
        return outcome_of(barrier.wait, timeout)

    assert waits(wait_anew)[0] == "BrokenBarrierError"
    barrier = manager.Barrier(3)
    _let_wait(mp, barrier, companion)
    with raises(mp.BrokenBarrierError):
        barrier.wait(0.01)
    with raises(ChildError) as raised:
        companion.result()
    assert raised.value.name == "BrokenBarrierError"
    # Who comes in time is let through.
    for own, timeout in ((0, mp.timeout), (mp.timeout, None), (None, mp.timeout)):
        barrier = manager.Barrier(2, None, own)
        _let_wait(mp, barrier, companion, timeout)
        assert {barrier.wait(), companion.result()} == {0, 1}


def _let_wait(mp, barrier, companion, *timeout):
    """Have the companion wait at a Barrier, and see it there.

    That its proxy waits for an answer does not tell that the server's thread has come to wait.
    """
    from mpspec.observing import wait_until

    companion.call(barrier, "wait", *timeout)
    wait_until(lambda: barrier.n_waiting == 1, mp.timeout, "one waits")


@requirement("managers.barrier.abort")
def test_barrier_abort(mp, manager, companion):
    """``abort`` breaks a Barrier for all who wait; ``reset`` mends it."""
    from mpspec.observing import wait_until

    barrier = manager.Barrier(3)
    companion.begin(_call_in_threads, mp, barrier, "wait", 2)
    assert companion.receive() == "waiting"
    wait_until(lambda: barrier.n_waiting == 2, mp.timeout, "two wait")
    barrier.abort()
    assert [companion.receive() for _ in range(2)] == ["BrokenBarrierError"] * 2
    companion.result()
    barrier = manager.Barrier(2)
    _let_wait(mp, barrier, companion)
    barrier.abort()
    with raises(ChildError) as raised:
        companion.result()
    assert raised.value.name == "BrokenBarrierError"
    assert barrier.broken is True
    for _ in range(2):  # the second time there is nothing to mend
        barrier.reset()
        assert barrier.broken is False
    _let_wait(mp, barrier, companion)
    barrier.reset()
    with raises(ChildError) as raised:
        companion.result()
    assert raised.value.name == "BrokenBarrierError"
    assert barrier.broken is False


@requirement("managers.barrier.action-raises")
def test_barrier_action_raises(mp, manager, companion):
    """What the action raises is raised to the party that called it, and breaks the Barrier for all who wait."""
    barrier = manager.Barrier(1, _fail)
    with raises(_Broken):
        barrier.wait()
    assert barrier.broken is True
    barrier = manager.Barrier(2, _fail)
    _let_wait(mp, barrier, companion)
    with raises(_Broken):
        barrier.wait()
    with raises(ChildError) as raised:
        companion.result()
    assert raised.value.name == "BrokenBarrierError"


@requirement("managers.barrier.broken-later")
def test_barrier_stays_broken(mp, manager):
    """Who comes to a broken Barrier gets BrokenBarrierError, until it is reset."""
    barrier = manager.Barrier(1)
    barrier.abort()
    for _ in range(2):
        with raises(mp.BrokenBarrierError):
            barrier.wait()
    barrier.reset()
    assert barrier.wait() == 0


# SyncManager: Queue


def _put_all(shared, *items):
    for item in items:
        shared.put(item)


@requirement("managers.queue.fifo")
def test_queue_is_first_in_first_out(manager, companion):
    """Items that another process puts come out here in their order."""
    shared = manager.Queue()
    companion.ask(_put_all, shared, 1, "two", None)
    assert [shared.get() for _ in range(3)] == [1, "two", None]


@requirement("managers.queue.get-blocks")
def test_queue_get_blocks(mp, manager, companion):
    """``get`` waits for an item, also within a timeout."""
    shared = manager.Queue()
    for arguments in ((), (True, mp.timeout * 100), (True, None)):
        companion.call(shared, "get", *arguments).until_blocked()
        shared.put("item")
        assert companion.result() == "item"


@requirement("managers.queue.put-blocks")
def test_queue_put_blocks(mp, manager, companion):
    """``put`` to a full queue waits until there is room, also within a timeout."""
    shared = manager.Queue(1)
    for arguments in ((), (True, mp.timeout * 100), (True, None)):
        shared.put("first")
        companion.call(shared, "put", "second", *arguments).until_blocked()
        assert shared.get() == "first"
        assert companion.result() is None
        assert shared.get_nowait() == "second"


@requirement("managers.queue.maxsize")
def test_queue_maxsize(mp, manager):
    """A queue of a given size takes no more items: ``put`` waits, or raises Full."""
    shared = manager.Queue(1)
    shared.put(1)
    assert shared.full() is True
    with raises(mp.Full):
        shared.put_nowait(2)
    for arguments in ((True, 0.01), (True, 0), (False,), (False, 0.01), (False, -1)):
        with raises(mp.Full):
            shared.put(2, *arguments)
    with raises(mp.Full):
        shared.put(item=2, block=True, timeout=0.01)
    assert waits(functools.partial(outcome_of, shared.put, 2, True))[0] == "Full"
    with raises(mp.Full):
        shared.put(2, block=False)
    with raises(ValueError):
        shared.put(2, True, -1)
    assert shared.get() == 1
    shared = manager.Queue(2)
    shared.put(1)
    shared.put_nowait(2)
    assert shared.full() is True


@requirement("managers.queue.unbounded")
def test_queue_without_maxsize(manager):
    """Without a size, or with one that is not positive, a queue takes any number of items."""
    for shared in (manager.Queue(), manager.Queue(0), manager.Queue(-1)):
        for number in range(50):
            shared.put_nowait(number)
        assert shared.full() is False
        assert shared.qsize() == 50


@requirement("managers.queue.empty")
def test_queue_empty(mp, manager):
    """Getting from an empty queue raises Empty: at once without blocking, and after the timeout."""
    shared = manager.Queue()
    with raises(mp.Empty):
        shared.get_nowait()
    for arguments in ((True, 0.01), (True, 0), (False,), (False, 0.01), (False, -1)):
        with raises(mp.Empty):
            shared.get(*arguments)
    with raises(mp.Empty):
        shared.get(block=True, timeout=0.01)
    assert waits(functools.partial(outcome_of, shared.get, True))[0] == "Empty"
    with raises(ValueError):
        shared.get(True, -1)


@requirement("managers.queue.put-visible-at-once")
def test_queue_put_is_visible_at_once(manager):
    """An item can be seen as soon as ``put`` has returned, until it is got."""
    shared = manager.Queue()
    assert shared.empty() is True
    for number in range(20):
        shared.put(number)
        assert shared.empty() is False
        assert shared.qsize() == 1
        assert shared.get_nowait() == number
        assert shared.empty() is True


@requirement("managers.queue.join")
def test_queue_join(manager, companion):
    """``join`` waits until ``task_done`` was called for every item."""
    shared = manager.Queue()
    for _ in range(2):
        shared.put("task")
    companion.call(shared, "join").until_blocked()
    for _ in range(2):
        assert shared.get() == "task"
        companion.until_blocked()
        shared.task_done()
    assert companion.result() is None
    with raises(ValueError):
        shared.task_done()
    # That is not counted, and there is something to wait for again.
    shared.put("task")
    companion.call(shared, "join").until_blocked()
    assert shared.get() == "task"
    shared.task_done()
    assert companion.result() is None


@requirement("managers.queue.shutdown")
def test_queue_shutdown(manager, companion):
    """A queue that was shut down takes no more, and gives what is left in it; at once, it gives nothing.

    Who waits to put or to get gets ShutDown, and who waits for the end of all tasks need not wait for what is lost.
    """
    shared, drained = manager.Queue(), manager.Queue()
    shared.put("left")
    drained.put("lost")
    shared.shutdown()
    with raises(queue.ShutDown):
        shared.put("late")
    assert shared.get() == "left"
    with raises(queue.ShutDown):
        shared.get()
    drained.shutdown(immediate=True)
    with raises(queue.ShutDown):
        drained.get()
    assert drained.qsize() == 0
    for size, method, args, immediate in (
        (1, "put", (2,), False),
        (0, "get", (), False),
        (0, "get", (), True),
    ):
        shared = manager.Queue(size)
        if size:
            shared.put(1)
        companion.call(shared, method, *args).until_blocked()
        shared.shutdown(immediate)
        with raises(ChildError) as raised:
            companion.result()
        assert raised.value.name == "ShutDown"
    shared = manager.Queue()
    shared.put("lost")
    companion.call(shared, "join").until_blocked()
    shared.shutdown(immediate=True)
    assert companion.result() is None


@requirement("managers.joinable-queue")
def test_joinable_queue(mp, manager, companion):
    """A JoinableQueue is a queue as Queue() gives it: first in, first out, of a size, and joined when all is done.

    Its ``get``, ``put`` and ``join`` wait.
    """
    shared = manager.JoinableQueue(maxsize=2)
    companion.call(shared, "get").until_blocked()
    shared.put(3)
    assert companion.result() == 3
    shared.put(2)
    shared.put(1)
    with raises(mp.Full):
        shared.put_nowait(3)
    companion.call(shared, "put", 0).until_blocked()
    assert shared.get() == 2
    assert companion.result() is None
    assert [shared.get(), shared.get()] == [1, 0]
    for _ in range(3):
        shared.task_done()
    companion.call(shared, "join").until_blocked()
    shared.task_done()
    assert companion.result() is None
    assert shared.join() is None
    with raises(ValueError):
        shared.task_done()
    shared = manager.JoinableQueue()
    for number in range(50):
        shared.put_nowait(number)
    assert shared.full() is False


def _use_pool(pool):
    assert pool.apply(abs, (-3,)) == 3
    assert pool.apply(int, ("ff",), {"base": 16}) == 255
    assert pool.apply_async(int, ("ff",), {"base": 16}).get() == 255
    assert pool.map(abs, [-1, 2]) == [1, 2]
    assert pool.starmap(pow, [(2, 3)]) == [8]
    for method in (pool.imap, pool.imap_unordered):
        assert method(abs, [-1, 2]) is not None  # what goes on in the server stays there
    result = pool.apply_async(abs, (-3,))
    result.wait()
    assert (result.ready(), result.successful(), result.get()) == (True, True, 3)
    assert pool.map_async(abs, [-1]).get() == [1]
    assert pool.starmap_async(pow, [(2, 3)]).get() == [8]


_noted = []


def _note_in_worker(*args):
    _noted.append(args)


def _noted_in_worker():
    return _noted


def _use_closed_pool(pool):
    assert pool.apply(_noted_in_worker) == [("one", 2)]
    result = pool.apply_async(abs, (-3,))
    pool.close()
    pool.join()
    assert result.get() == 3
    pool.terminate()


@observed_once
def _pools_of_a_manager(mp):
    """What comes of a pool that is used in its with block, of a task after that, and of a pool that is closed."""
    manager = mp.Manager()  # of its own: a server that starts processes may keep a fork server
    with manager.Pool(1) as pool:
        used = outcome_of(_use_pool, pool)
    left = outcome_of(pool.apply, abs, (-3,))
    pool.join()
    closed = outcome_of(_use_closed_pool, manager.Pool(1, _note_in_worker, ("one", 2)))
    manager.shutdown()
    return used, left, closed


@requirement("managers.pool")
def test_pool(mp):
    """A Pool's proxy calls the methods of a pool in the server; what is to come is a proxy, too."""
    used, _, closed = _pools_of_a_manager(mp)
    assert (used, closed) == (("returned", None), ("returned", None))


@requirement("managers.pool.left")
def test_pool_after_its_block(mp):
    """A Pool's proxy takes no task after its with block."""
    _, (kind, _), _ = _pools_of_a_manager(mp)
    assert kind == "ValueError"


@requirement("managers.pool.terminated")
def test_pool_terminated(mp):
    """A task that would go on is stopped in the server, or join() would not return within the test's deadline."""
    manager = mp.Manager()  # of its own, as above
    first, second = manager.Pool(1), manager.Pool(1)
    with first:
        first.apply_async(time.sleep, (10 * mp.timeout,))
    with raises(LookupError), second:
        second.apply_async(time.sleep, (10 * mp.timeout,))
        raise LookupError
    first.join()
    second.join()
    manager.shutdown()


@requirement("managers.pool.iterators")
def test_iterators_of_a_pool(mp):
    """What a Pool's proxy gives for ``imap`` and ``imap_unordered`` is iterated over."""
    manager = mp.Manager()
    with manager.Pool(1) as pool:
        assert list(pool.imap(abs, [-1, 2])) == [1, 2]
        assert list(pool.imap_unordered(abs, [-1])) == [1]
    manager.shutdown()


@requirement("managers.queue.putter-may-exit")
def test_queue_does_not_hold_its_putters(mp, manager):
    """A process that has put many items can end before anybody gets them."""
    shared = manager.Queue()
    process = run(mp, _put_all, shared, "x" * 100_000, "y" * 100_000)
    assert process.exitcode == 0
    assert shared.qsize() == 2


# Remote managers


@requirement("managers.connect.connects")
def test_connect(queue_server, workshop, socket_path, mp):
    """``connect()`` makes a manager stand for a server that runs elsewhere.

    What its typeids mean has nothing to do with what another manager has registered by them. All its proxies go to the
    address that it was given, which need not be the one that the server knows.
    """
    client = _queue_client(mp, queue_server)
    client.connect()
    assert client.address == queue_server
    shared = client.get_queue()
    shared.put("hello")
    assert workshop.get_queue().turn() == 1
    assert shared.get() == "hello"
    assert _life_at(mp, socket_path)["turn elsewhere"] == ("returned", 1)


@requirement("managers.connect.nobody-serves")
def test_connect_without_server(mp, tmp_path):
    """``connect()`` raises OSError when nobody listens at the address."""
    with raises(OSError):
        _connect(mp, str(tmp_path / "nobody"))


@requirement("managers.get-server.address")
def test_server_address(mp, queue_server):
    """A server has an attribute ``address``, which tells where it listens."""
    client = _queue_client(mp, queue_server)
    client.connect()
    assert client.address == queue_server


@requirement("managers.get-server.as-given")
def test_server_of_given_arguments(mp, queue_server, tmp_path):
    """A server listens at the address that the manager was given, and speaks as the serializer says."""
    first, address = _queue_client(mp, queue_server), str(tmp_path / "socket")
    first.connect()
    assert first.serve_at(address, "xmlrpclib").address() == address
    second = _queue_client(mp, address, serializer="xmlrpclib")
    second.connect()
    shared = second.get_queue()
    shared.put((1, 2))
    assert first.get_queue().get() == [1, 2]
    first.get_queue().put("hello")
    assert shared.get() == "hello"
    host, port = first.serve_at(("127.0.0.1", 0), "pickle").address()
    assert (host, port > 0) == ("127.0.0.1", True)
    _queue_client(mp, ("localhost", port)).connect()


@requirement("managers.get-server.serve-forever")
def test_serve_forever(mp, queue_server):
    """``get_server().serve_forever()`` serves one client after the other in the process that calls it."""
    for number in range(2):
        client = _queue_client(mp, queue_server)
        client.connect()
        shared = client.get_queue()
        shared.put(number)
        assert shared.get() == number
        assert client.caller().is_here() is True


@requirement("managers.get-server.silent-client")
def test_a_silent_client_holds_nobody_up(mp, manager):
    """A client that connects, and says nothing, keeps nobody else from being served."""
    with mp.connection.Client(manager.address):
        other = mp.managers.SyncManager(address=manager.address, ctx=mp.context)
        other.connect()
        assert other.list([1, 2])[:] == [1, 2]


def _put_remotely(mp, address, item):
    client = _queue_client(mp, address)
    client.connect()
    client.get_queue().put(item)


@requirement("managers.remote.two-clients")
def test_two_clients_share_an_object(mp, queue_server, companion):
    """Clients in different processes, connected by address, use the same object."""
    companion.ask(_put_remotely, mp, queue_server, "hello")
    client = _queue_client(mp, queue_server)
    client.connect()
    assert client.get_queue().get_nowait() == "hello"


def _serve_given_queue(mp, sender, shared):
    class QueueManager(mp.managers.BaseManager):
        pass

    QueueManager.register("get_queue", callable=lambda: shared)
    manager = QueueManager(authkey=KEY, ctx=mp.context)
    server = manager.get_server()
    sender.send(server.address)
    server.serve_forever()


@requirement("managers.remote.local-queue")
def test_remote_access_to_a_local_queue(mp):
    """A server can give remote access to a queue that local processes use directly."""
    receiver, sender = mp.Pipe(duplex=False)
    shared = mp.Queue()
    process = mp.Process(target=_serve_given_queue, args=(mp, sender, shared))
    process.start()
    shared.put("local hello")
    client = _queue_client(mp, receiver.recv())
    client.connect()
    served = client.get_queue()
    assert served.get() == "local hello"
    served.put("remote hello")
    assert shared.get(True, mp.timeout) == "remote hello"
    del served
    process.terminate()
    process.join()
    shared.close()
    shared.join_thread()


def _append_by_address(mp, address):
    manager = mp.managers.SyncManager(address=address, ctx=mp.context)
    manager.connect()
    shared = manager.list([1])
    shared.append(2)
    return shared[:]


@requirement("managers.remote.child-connects")
def test_child_connects_by_address(mp, manager, companion):
    """A child, whose authkey is its parent's, connects to the parent's manager by its address."""
    assert companion.ask(_append_by_address, mp, manager.address) == [1, 2]


# Proxies


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


@requirement("managers.set.nested")
def test_proxies_in_sets(manager):
    """A set may contain proxies, and changes made through those are seen by all."""
    inner, added = manager.list([1]), manager.list([2])
    shared = manager.set([inner])
    shared.add(added)
    for proxy in shared:
        proxy.append(3)
    assert (inner[:], added[:]) == ([1, 3], [2, 3])


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
    assert _life_of_a_manager(mp)["waited"] == ("returned", (None, True))


@requirement("managers.proxy.threads")
def test_threads_use_one_proxy(mp):
    """Threads that take turns by a lock may use the same proxy."""
    assert sorted(_life_of_a_manager(mp)["appended"]) == sorted([*range(20)] * 3)


# BaseProxy's methods


@requirement("managers.callmethod.result")
def test_callmethod_gives_the_result(manager):
    """``_callmethod(name, args)`` calls the referent's method, and gives its result."""
    shared = manager.list(range(10))
    assert shared._callmethod("__len__") == 10
    assert shared._callmethod("__getitem__", (slice(2, 7),)) == [2, 3, 4, 5, 6]
    # Whatever can stand behind a star.
    assert shared._callmethod("index", [4]) == 4
    # A result like others, though it could be raised.
    kept = manager.list([_Broken("gear")])._callmethod("__getitem__", (0,))
    assert (type(kept), kept.args) == (_Broken, ("gear",))


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
    assert workshop.get_pid()._callmethod("pid") == _process_of(mp, workshop).pid


@requirement("managers.callmethod.exception")
def test_callmethod_raises_what_the_method_raises(manager, workshop):
    """An exception of the method is raised again, with its type and arguments."""
    with raises(IndexError):
        manager.list(range(10))._callmethod("__getitem__", (20,))
    with raises(_Broken) as raised:
        workshop.Machine().fail("gear", 7)
    assert raised.value.args == ("gear", 7)
    machine = workshop.Machine()
    for arguments in (("gear",), ("gear", 7, None, "rim", 5)):
        with raises(_Broken) as raised:
            machine.fail(*arguments)
        assert raised.value.args == arguments
    with raises(_Broken) as raised:
        machine.fail()
    assert raised.value.args == ()
    # Those that a server may meet, and take care of, itself; and one that is false.
    kinds = (EOFError, KeyError, AttributeError, ConnectionResetError, BrokenPipeError)
    for kind in (*kinds, TypeError, ValueError, _FalseError):
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
    assert _life(mp)["exits"] == ("returned", expected)


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
        machine.names(part=_Unloadable())
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


# Cleanup


# So many questions to a server, one after the other, take longer than what it has been told to do by then.
_QUESTIONS = 10


def _until_deleted(timeout, workshop, name):
    """Wait until the server has deleted an object, so long at least."""
    _until_missing(timeout, workshop.Census(), name)


def _until_missing(timeout, census, name):
    deadline, questions = time.monotonic() + timeout, 0
    while census.has(name):
        gc.collect()
        questions += 1
        assert questions < _QUESTIONS or time.monotonic() < deadline, f"the server keeps {name}"


def _name_of(tracked):
    return tracked.name()


@requirement("managers.cleanup.referent-deleted")
def test_the_last_proxy_takes_its_referent_along(mp, workshop, companion):
    """An object is deleted from the server when no proxy refers to it any more, be there a process that had one."""
    tracked = workshop.Tracked("alone")
    assert workshop.Census().has("alone")
    del tracked
    _until_deleted(mp.timeout, workshop, "alone")
    held = [workshop.Tracked("dropped by a thread")]
    CallerThread(mp, held, "clear").result()
    _until_deleted(mp.timeout, workshop, "dropped by a thread")
    tracked = workshop.Tracked("used elsewhere")
    assert companion.ask(_name_of, tracked) == "used elsewhere"
    companion.ask(gc.collect)
    assert workshop.Census().has("used elsewhere")
    del tracked
    _until_deleted(mp.timeout, workshop, "used elsewhere")
    # It answers: it has lived on.
    assert companion.ask(int) == 0


@requirement("managers.cleanup.with-authkey")
def test_the_last_proxy_of_a_manager_with_a_key(mp, socket_path):
    """An object goes with its last proxy when the manager has an authkey of its own."""
    facts = _life_at(mp, socket_path)
    assert (facts["there"], facts["deleted"]) == (True, ("returned", None))


@requirement("managers.cleanup.connected-client")
def test_the_proxy_of_a_client_takes_its_referent_along(mp, workshop):
    """What a manager has created that only connected to the server is deleted with its last proxy."""
    client = workshop_manager(mp)(address=workshop.address, ctx=mp.context)
    client.connect()
    tracked = client.Tracked("of a client")
    assert (tracked.name(), workshop.Census().has("of a client")) == ("of a client", True)
    del tracked
    _until_deleted(mp.timeout / 100, workshop, "of a client")


@requirement("managers.cleanup.returned-proxy")
def test_the_proxy_that_a_method_returned_takes_its_referent_along(mp, workshop):
    """What a method returned by a proxy is deleted from the server with that proxy."""
    tracked = workshop.TrackedMaker().make("returned")
    gc.collect()
    assert (tracked.name(), workshop.Census().has("returned")) == ("returned", True)
    del tracked
    _until_deleted(mp.timeout / 100, workshop, "returned")


@requirement("managers.cleanup.another-proxy-keeps")
def test_another_proxy_keeps_the_referent(mp, workshop):
    """An object stays as long as any proxy refers to it."""
    first = workshop.Tracked("kept by another")
    second = pickle.loads(pickle.dumps(first))
    del first
    gc.collect()
    assert second.name() == "kept by another"
    assert workshop.Census().has("kept by another")
    del second
    _until_deleted(mp.timeout, workshop, "kept by another")


class _Dropping:
    """What lets go of all that a list holds when it is pickled, and comes out as 0."""

    def __init__(self, held):
        self._held = held

    def __reduce__(self):
        self._held.clear()
        gc.collect()
        return int, ()


@requirement("managers.cleanup.amid-a-call")
def test_a_proxy_is_deleted_amid_a_call_of_another(manager):
    """An argument whose pickling deletes a second proxy for the object arrives by the first."""
    first = manager.list()
    dropping = _Dropping([pickle.loads(pickle.dumps(first))])
    # An error would hold what was pickled, in a cycle; to collect that ends the interpreter of 3.12.1.
    assert outcome_of(first.append, dropping)[0] == "returned"
    assert first[:] == [0]


@requirement("managers.cleanup.contained-proxy-keeps")
def test_a_contained_proxy_keeps_the_referent(workshop):
    """A proxy inside another referent keeps its own referent alive."""
    box = workshop.list([workshop.Tracked("kept by a list")])
    gc.collect()
    assert workshop.Census().has("kept by a list")
    assert box[0].name() == "kept by a list"
    lock = workshop.Lock()
    condition = workshop.Condition(lock)
    del lock
    gc.collect()
    assert condition.acquire(False) is True
    condition.release()


@requirement("managers.cleanup.contained-proxy-deleted")
def test_a_container_takes_its_proxies_along(mp, workshop):
    """When a referent that held the last proxy for an object is deleted, or loses the proxy, the object is deleted."""
    box = workshop.list([workshop.Tracked("in a list")])
    assert workshop.Census().has("in a list")
    del box
    _until_deleted(mp.timeout / 100, workshop, "in a list")
    box = workshop.list([workshop.Tracked("removed"), workshop.Tracked("overwritten")])
    gc.collect()
    del box[0]
    box[0] = None
    for name in ("removed", "overwritten"):
        _until_deleted(mp.timeout / 100, workshop, name)


def _name_of_next(shared):
    return shared.get().name()


@requirement("managers.cleanup.taken-out-keeps")
def test_a_proxy_taken_out_keeps_the_referent(workshop, companion):
    """A proxy that came out of a referent keeps its own, when nothing else does, and takes no reference from others."""
    popped = workshop.list([workshop.Tracked("popped from a list")])
    keyed = workshop.dict(a=workshop.Tracked("popped from a dict"))
    left = workshop.list([workshop.Tracked("out of a list that goes")])
    own = workshop.Tracked("held here as well")
    shared = workshop.Queue()
    shared.put(workshop.Tracked("out of a queue"))
    gc.collect()
    taken = [popped.pop(), keyed.pop("a"), left[0]]
    popped.append(own)
    assert popped[0].name() == "held here as well"
    del popped[0], left
    gc.collect()
    names = ["popped from a list", "popped from a dict", "out of a list that goes"]
    assert [tracked.name() for tracked in taken] == names
    assert own.name() == "held here as well"
    assert companion.ask(_name_of_next, shared) == "out of a queue"


@requirement("managers.cleanup.answered-call-lets-go")
def test_an_answered_call_lets_go(mp, workshop, companion):
    """The argument of a call, and then the result of another, are gone from the server when it has answered."""
    box, census = workshop.list(), workshop.Census()
    # Another process asks, for this one's next call would make the server forget the last.
    box.count(_Passed("an argument"))
    companion.ask(_until_missing, mp.timeout / 100, census, "an argument")
    box.append(_Passed("a result"))
    assert box.pop().name() == "a result"
    companion.ask(_until_missing, mp.timeout / 100, census, "a result")


def _hold(connection, tracked):
    connection.send("held")
    connection.recv()
    connection.send(tracked.name())


def _hold_both(mp, connection, tracked):
    """Hold a proxy, after a child of this process has held one that was sent to it."""
    run(mp, _hold_received, connection)
    _hold(connection, tracked)


def _hold_received(connection):
    _hold(connection, connection.recv())


@requirement("managers.cleanup.other-process-keeps")
def test_a_proxy_in_another_process_keeps_the_referent(mp, workshop):
    """A proxy in another process, which may be a grandchild, keeps the object until that process ends."""
    ours, theirs = mp.Pipe()
    sent, tracked = [workshop.Tracked(name) for name in ("kept by a grandchild", "kept by a child")]
    process = mp.Process(target=_hold_both, args=(mp, theirs, tracked))
    process.start()
    theirs.close()
    ours.send(sent)
    assert ours.recv() == "held"
    del sent
    _let_go(workshop, ours, "kept by a grandchild")
    assert ours.recv() == "held"
    del tracked
    _let_go(workshop, ours, "kept by a child")
    process.join()
    del process  # which may keep its arguments
    gc.collect()
    for name in ("kept by a grandchild", "kept by a child"):
        _until_deleted(mp.timeout / 100, workshop, name)


def _let_go(workshop, connection, name):
    """Look that only the holder keeps an object, and let it go."""
    gc.collect()
    assert workshop.Census().has(name)
    connection.send("go on")
    assert connection.recv() == name


# What users have met


@requirement("managers.dict.iterated-in-child")
def test_dict_is_iterated_over_in_a_child(manager, companion):
    """A child that was given a dict proxy iterates over it."""
    assert companion.ask(sorted, manager.dict({"b": 1, "a": 2})) == ["a", "b"]


def _turn_part_of(machine):
    return machine.part().turn()


@requirement("managers.register.method-to-typeid-in-child")
def test_method_to_typeid_in_a_child(mp, workshop):
    """In a child, too, a method named in method_to_typeid gives a proxy for what is in the server."""
    machine = workshop.Machine()
    assert ask(mp, _turn_part_of, machine) == 1
    assert machine.turns() == 1


@requirement("managers.register.method-to-typeid-with-authkey")
def test_method_to_typeid_of_a_manager_with_a_key(mp, socket_path):
    """The proxy that a method returns can be used when the manager has an authkey of its own."""
    assert _life_at(mp, socket_path)["turn"] == ("returned", 1)


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
    pool.apply(_put_all, (shared, "one", "two"))
    assert [shared.get(), shared.get()] == ["one", "two"]
    assert pool.starmap(_set_item, [(seen, number, number**2) for number in range(3)]) == [None] * 3
    assert seen.copy() == {0: 0, 1: 1, 2: 4}
    pool.terminate()
    pool.join()


@requirement("managers.lock.locked")
def test_lock_tells_whether_it_is_locked(manager, companion):
    """``locked`` of a lock's proxy is True exactly while somebody holds the lock, whoever asks."""
    lock = manager.Lock()
    found = [lock.locked()]
    with lock:
        found += [lock.locked(), companion.ask(_is_locked, lock)]
    assert [*found, lock.locked()] == [False, True, True, False]


def _is_locked(lock):
    return lock.locked()


def _hold_until(connection, lock, event):
    with lock:
        connection.send("held")
        event.wait()


def _found_locked(manager, lock, companion):
    """What locked() gives while a lock is free, held by this process, free, held by another, and free."""
    found = [lock.locked()]
    with lock:
        with lock:
            pass
        found.append(lock.locked() and companion.ask(_is_locked, lock))
    found.append(lock.locked())
    event = manager.Event()
    companion.begin(_hold_until, lock, event)
    assert companion.receive() == "held"
    found.append(lock.locked())
    event.set()
    companion.result()
    return [*found, lock.locked()]


@requirement("managers.rlock.locked")
def test_rlock_tells_whether_it_is_locked(manager, companion):
    """``locked`` of an RLock's proxy is True exactly while somebody holds the lock."""
    assert _found_locked(manager, manager.RLock(), companion) == [False, True] * 2 + [False]


@requirement("managers.condition.locked")
def test_condition_tells_whether_it_is_locked(manager, companion):
    """``locked`` of a condition's proxy is True exactly while somebody holds its lock."""
    assert _found_locked(manager, manager.Condition(), companion) == [False, True] * 2 + [False]
