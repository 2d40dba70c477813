"""What the tests register with managers of their own, see the fixtures workshop and queue_server."""

import functools
import gc
import operator
import os
import queue
import threading

from mpspec.children import Unpicklable, remade

KEY = b"abracadabra"


class Maths:
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


class Broken(Exception):
    pass


class FalseError(Exception):
    def __bool__(self):
        return False


class Part:
    def __init__(self):
        self.turns = 0

    def turn(self):
        self.turns += 1
        return self.turns

    def turn_back(self):
        self.turns -= 1


class _Machine:
    def __init__(self):
        self._part = Part()

    def part(self):
        return self._part

    def turns(self):
        return self._part.turns

    def fail(self, *args):
        raise Broken(*args)

    def raise_this(self, error):
        raise error

    def generate(self):
        return (number for number in range(3))

    def refuse(self):
        return Unpicklable(AttributeError)

    def stop(self):
        return "stopped"

    def fail_strangely(self):
        error = Broken()
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


class Unloadable:
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


class Passed(_Tracked):
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
        return Maths()


def _make(kind):
    return kind()


def _names(**parts):
    return sorted(parts)


def _generator():
    return (number for number in range(3))


def fail_broken():
    raise Broken


_shared_part = Part()


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

    Workshop.register("Maths", Maths)
    Workshop.register("Greeter", _Greeter)
    Workshop.register(typeid="Host", callable=_Host, create_method=True)
    Workshop.register("Whisperer", _Greeter, exposed=("greet", "_whisper"))
    Workshop.register("ProxiedGreeter", _Greeter, proxytype=_greeter_proxy(mp))
    Workshop.register("Event", Part, proxytype=_part_proxy(mp))  # in the place of the base's
    Workshop.register("Anew", Maths)
    Workshop.register("Anew", Part, exposed=("turn",))
    Workshop.register("Sized", list, exposed=("__len__", "__getitem__"))
    Workshop.register("Part", create_method=False)
    Workshop.register("get_queue", Part)  # the typeid that another manager has for something else
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
    Workshop.register("fail", fail_broken)
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
def bare_manager(mp):
    class BareManager(mp.managers.BaseManager):
        pass

    BareManager.register("Maths", Maths)
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


def queue_client(mp, address, authkey=KEY, serializer="pickle"):
    class QueueManager(mp.managers.BaseManager):
        pass

    QueueManager.register("get_queue", callable=None)
    for typeid in ("serve_at", "caller"):
        QueueManager.register(typeid)
    return QueueManager(address, authkey, serializer, mp.context)


def started_by(mp, call):
    """What a call gives, and the child that it has started."""
    before = {child.pid for child in mp.active_children()}
    result = call()
    [process] = [child for child in mp.active_children() if child.pid not in before]
    return result, process


def process_of(mp, workshop):
    """The child that runs a manager's server."""
    pid = workshop.get_pid().pid()
    [process] = [child for child in mp.active_children() if child.pid == pid]
    return process


def started_manager(mp, **kwargs):
    manager = bare_manager(mp)(ctx=mp.context, **kwargs)
    manager.start()
    return manager
