"""What several modules of the chapter managers use."""

import functools
import gc
import os
import pickle
import signal
import threading
import time

from mpspec.children import (
    CallerThread,
    ask,
    observed_once,
    outcome_of,
    value_of,
    waits,
)
from mpspec.suite.managers.workshop import KEY, Part, bare_manager, started_by, started_manager


def _append_many_locked(shared, lock):
    for number in range(20):
        with lock:
            shared.append(number)


def _result_in_time(mp, caller):
    from mpspec.observing import wait_until

    wait_until(lambda: caller.has_returned, mp.timeout / 2, "the call is over")
    return caller.result()


@observed_once
def life_of_a_manager(mp):
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
        found.append(error_of(CallerThread(mp, one, "release").result))
    another.release()
    return [*found, error_of(lock.release)]


def _set_while_a_thread_waits(mp, event):
    """What set() gives, and the wait() of another thread by a proxy of its own."""
    event.is_set()
    waiting = CallerThread(mp, pickle.loads(pickle.dumps(event)), "wait")
    waiting.until_blocked()
    setting = CallerThread(mp, event, "set")
    return _result_in_time(mp, setting), _result_in_time(mp, waiting)


def connect_to(mp, address):
    manager = mp.managers.BaseManager(address=address, ctx=mp.context)
    manager.connect()
    return manager


class _Teller:
    """An initializer, false as it is."""

    def __bool__(self):
        return False

    def __call__(self, sender, *args):
        sender.send((os.getpid(), args))


@observed_once
def life(mp):
    """What comes of a manager that is started, started again, shut down, shut down again, and used even then."""
    facts = {}
    receiver, sender = mp.Pipe(duplex=False)
    base = bare_manager(mp)

    class Derived(base):
        pass

    Derived.register("Maths", Part)
    manager = base(ctx=mp.context)
    facts["created before start"] = error_of(manager.Maths)
    start = functools.partial(manager.start, initializer=_Teller(), initargs=[sender, "one", None])
    _, process = started_by(mp, start)
    facts["told at once"] = receiver.poll()
    facts["told"] = receiver.recv() if receiver.poll(mp.timeout) else None
    facts["told again"] = receiver.poll()
    facts["pid"] = process.pid
    count = len(mp.active_children())
    facts["started again"] = error_of(manager.start)
    facts["server of a started one"] = error_of(manager.get_server)
    facts["children more"] = len(mp.active_children()) - count
    # In a thread of its own, whose connection is all that may be lost.
    exits = CallerThread(mp, functools.partial(_raise_exits, manager.Machine()), "__call__")
    facts["exits"] = outcome_of(_result_in_time, mp, exits)
    maths = manager.Maths()
    facts["sum"] = maths.add(4, 3)
    manager.shutdown()  # while a proxy is in use
    facts["alive"], facts["exitcode"] = process.is_alive(), process.exitcode
    facts["used after shutdown"] = error_of(functools.partial(maths.add, 4, 3))
    facts["shown after shutdown"] = outcome_of(str, maths)
    del maths
    facts["shut down again"] = error_of(manager.shutdown)
    facts["started after shutdown"] = error_of(manager.start)
    facts["entered after shutdown"] = error_of(manager.__enter__)
    facts["server after shutdown"] = error_of(manager.get_server)
    facts["created after shutdown"] = error_of(manager.Maths)
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


def error_of(call):
    try:
        call()
    except Exception as error:  # noqa: BLE001 - whatever it is, the test looks at it
        return type(error)
    return type(None)


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


def life_at(mp, address):
    return value_of(_lives_at(mp, address)["first"])


def life_after_death(mp, address):
    return value_of(_lives_at(mp, address)["others"])


def _start_by_default(mp):
    """What managers without arguments are like, in a process whose authkey was changed."""
    mp.set_start_method(mp.start_method, force=True)
    mp.current_process().authkey = KEY
    manager = mp.managers.BaseManager(None, None, "pickle", None)
    mp.current_process().authkey = b"another"
    _, process = started_by(mp, manager.start)
    facts = {"of context": isinstance(process, mp.Process)}
    other = mp.managers.BaseManager(address=manager.address, authkey=KEY)
    facts["connected"] = outcome_of(other.connect)
    manager.shutdown()
    receiver, sender = mp.Pipe(duplex=False)
    given_nothing = mp.managers.BaseManager()
    start = functools.partial(given_nothing.start, functools.partial(sender.send, "called"))
    _, process = started_by(mp, start)
    facts["of context without"] = isinstance(process, mp.Process)
    facts["initialized"] = receiver.recv() if receiver.poll(mp.timeout) else None
    given_nothing.shutdown()
    return facts


@observed_once
def default_manager(mp):
    return ask(mp, _start_by_default, mp)


def _hand_on(mp, shared):
    """In a child: have a child of its own put something."""
    ask(mp, put_all, shared, "from the grandchild")


def _live_by_position(mp, address, held):
    """A manager that is given all its arguments by position; a proxy is left of it."""
    manager = bare_manager(mp)(address, KEY, "pickle", mp.context)
    _, process = started_by(mp, functools.partial(manager.start, None, ()))
    facts = {"address": manager.address, "of context": isinstance(process, mp.Process)}
    shared = manager.Queue()
    shared.put((1, 2))
    facts["item"] = shared.get()
    facts["child"] = outcome_of(ask, mp, put_all, shared, "from the child")
    facts["of the child"] = outcome_of(shared.get_nowait)
    facts["grandchild"] = outcome_of(ask, mp, _hand_on, mp, shared)
    facts["of the grandchild"] = outcome_of(shared.get_nowait)
    other = bare_manager(mp)(address, KEY)
    other.connect()
    facts["address of the other"] = other.address
    facts["sum"] = other.Maths().add(4, 3)
    facts["turn elsewhere"] = outcome_of(_turn_elsewhere, mp, address)
    facts["turn"] = outcome_of(turn_part_of, manager.Machine())
    tracked, census = manager.Tracked("keyed"), manager.Census()
    facts["there"] = census.has("keyed")
    del tracked
    facts["deleted"] = outcome_of(until_missing, mp.timeout / 3, census, "keyed")
    held.append(shared)
    manager.shutdown()
    return facts


def _turn_elsewhere(mp, address):
    """Use a server where the address that it knows leads nowhere, but another does."""
    moved = f"{address}-moved"
    os.rename(address, moved)
    try:
        client = bare_manager(mp)(moved, KEY, ctx=mp.context)
        client.connect()
        return turn_part_of(client.Machine())
    finally:
        gc.collect()
        os.rename(moved, address)


@observed_once
def life_over_tcp(mp):
    """What comes of a manager that serves all of the machine's addresses, at a port of the system's choice."""
    manager = started_manager(mp, address=("", 0))
    facts = {"address": manager.address}
    facts["turns"] = outcome_of(_turn_over_tcp, mp, manager.address[1])
    gc.collect()
    manager.shutdown()
    given = "127.0.0.1", manager.address[1]
    with started_manager(mp, address=given) as again:
        facts["again"] = {"given": given, "tells": again.address}
        facts["again"]["connected"] = outcome_of(bare_manager(mp)(given, ctx=mp.context).connect)
    return facts


def _turn_over_tcp(mp, port):
    # Few calls: where each of them needs a connection of its own, TCP makes it wait 40 ms for several things.
    for host in ("127.0.0.1", "127.0.0.2"):
        client = bare_manager(mp)((host, port), ctx=mp.context)
        client.connect()
    machine = client.Machine()
    return machine.part().turn(), machine.turns()


def _die_and_live_anew(mp, address):
    """A manager whose process is killed, and one that is started at its address."""
    facts = {}
    manager, process = started_by(mp, functools.partial(started_manager, mp, address=address))
    manager.join(timeout=0)
    facts["joined in time"] = outcome_of(waits, manager.join)
    facts["alive"] = process.is_alive()
    shared = manager.Queue()
    facts["put at a former address"] = outcome_of(shared.put, "of the first")
    os.kill(process.pid, signal.SIGKILL)
    manager.join()
    facts["alive after"] = process.is_alive()
    facts["joined again"] = error_of(manager.join)
    facts["put to a dead one"] = error_of(functools.partial(shared.put, "of the first"))
    if os.path.exists(address):
        os.unlink(address)
    with started_manager(mp, address=address):
        facts["anew"] = outcome_of(_put_by_address, mp, address)
    # Only now: what it holds of the first server must not stand in the way.
    del shared
    manager.shutdown()
    return facts


def _put_by_address(mp, address):
    client = bare_manager(mp)(address, ctx=mp.context)
    client.connect()
    shared = client.Queue()
    shared.put("of the second")
    return shared.get()


@observed_once
def life_of_a_started_one(mp):
    """What comes of a manager that has been started when its with block is entered, and left by an exception."""
    manager, process = started_by(mp, mp.Manager)
    facts = {"pid": process.pid, "alive": process.is_alive()}
    count = len(mp.active_children())

    def leave_by_exception():
        with manager:
            facts["children more"] = len(mp.active_children()) - count
            facts["alive within"] = process.is_alive()
            raise LookupError

    facts["error"] = error_of(leave_by_exception)
    facts["alive after"] = process.is_alive()
    return facts


def set_item(shared, index, value):
    shared[index] = value


def acquire_at_once(lock):
    return lock.acquire(False)


def call_in_threads(sender, mp, subject, method, count):
    """Call a method that waits in several threads; tell when all of them sleep, and what each call gives or raises."""

    def call():
        kind, value = outcome_of(getattr(subject, method))
        sender.send(value if kind == "returned" else kind)

    tell_when_all_wait(sender, mp, call, count)


def tell_when_all_wait(sender, mp, call, count):
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


def put_all(shared, *items):
    for item in items:
        shared.put(item)


# So many questions to a server, one after the other, take longer than what it has been told to do by then.
_QUESTIONS = 10


def until_missing(timeout, census, name):
    deadline, questions = time.monotonic() + timeout, 0
    while census.has(name):
        gc.collect()
        questions += 1
        assert questions < _QUESTIONS or time.monotonic() < deadline, f"the server keeps {name}"


def turn_part_of(machine):
    return machine.part().turn()


def is_locked(lock):
    return lock.locked()


def hold_until(connection, lock, event):
    with lock:
        connection.send("held")
        event.wait()


def found_locked(manager, lock, companion):
    """What locked() gives while a lock is free, held by this process, free, held by another, and free."""
    found = [lock.locked()]
    with lock:
        with lock:
            pass
        found.append(lock.locked() and companion.ask(is_locked, lock))
    found.append(lock.locked())
    event = manager.Event()
    companion.begin(hold_until, lock, event)
    assert companion.receive() == "held"
    found.append(lock.locked())
    event.set()
    companion.result()
    return [*found, lock.locked()]
