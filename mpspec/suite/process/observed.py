"""Lives of processes that several tests look at, each observed once for all of them."""

import atexit
import contextlib
import functools
import os
import select
import signal
import sys
import threading

from mpspec.children import (
    CallerThread,
    ask,
    observed_once,
    outcome_of,
    value_of,
)
from mpspec.suite.process.helpers import (
    KEY,
    NAME,
    Waiting,
    calls,
    do_nothing,
    is_ready,
    let_handlers_run,
    look_at,
    pickle_key,
    ready_of,
    wait_for_end,
)


def _state_of(process):
    """What the object tells of its process; every outcome is a kind, and a value."""
    names = ("pid", "ident", "exitcode", "is_alive", "sentinel", "name", "daemon")
    return {
        "repr": outcome_of(repr, process),
        **{name: outcome_of(look_at, process, name) for name in names},
    }


_SIGNALLING = ("terminate", "kill", "interrupt")


@observed_once
def life(mp):
    """The life of a process as its parent sees it: before the start, while it runs, ended, and closed."""
    waiting, tell = mp.Pipe()
    process = mp.Process(target=wait_for_end, args=(waiting,))
    facts = {"before": _state_of(process), "start": process.start(), "running": _state_of(process)}
    facts["while running"] = {
        "start": outcome_of(process.start),
        "daemon": [outcome_of(setattr, process, "daemon", flag) for flag in (True, False)],
        "close": outcome_of(look_at, process, "close"),
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
    facts["signals"] = [outcome_of(look_at, process, name) for name in _SIGNALLING]
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
    _, sentinel = outcome_of(look_at, process, "sentinel")
    facts = {"close": [outcome_of(look_at, process, "close")]}
    facts["sentinel"] = outcome_of(os.fstat, sentinel)[0]
    methods = ("start", "join", "is_alive", "terminate", "kill", "interrupt")
    facts["methods"] = {name: outcome_of(look_at, process, name)[0] for name in methods}
    facts["closed"] = _state_of(process)
    facts["close"].append(outcome_of(look_at, process, "close"))
    return facts


def _is_open(process):
    return os.fstat(process.sentinel) is not None


def _ready_by(process, timeout):
    """Whether select finds the sentinel ready in time, then what poll and epoll say."""
    sentinel = process.sentinel
    ready = [is_ready(sentinel, timeout)]
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
        "ids": [outcome_of(look_at, current, "pid")[1], os.getpid(), os.getppid()],
        "active": len(mp.active_children()),
        "exitcode": outcome_of(look_at, current, "exitcode"),
    }


def _its_parent(mp):
    parent = mp.parent_process()
    in_thread = CallerThread(mp, mp, "parent_process").result()
    seen = [parent.pid, parent.ident, parent.is_alive(), parent.name, in_thread is parent]
    return [*seen, parent.daemon]


def _made(mp):
    """The names and flags of processes made here: without a flag, with None, False and True; with a name."""
    options = [{}, {"daemon": None}, {"daemon": False}, {"daemon": True}, {"name": NAME}]
    made = [mp.Process(target=len, args=((),), **option) for option in options]
    return [process.name for process in made], [process.daemon for process in made]


def _its_authkey(mp):
    """The key, whether those made before and after another was set have that of the time, and how pickling fails."""
    current = mp.current_process()
    key, before = bytes(current.authkey), mp.Process()
    pickled = [outcome_of(pickle_key, current)[0]]
    current.authkey = b"set later"
    pickled.append(outcome_of(pickle_key, current)[0])
    return key, [before.authkey == key, mp.Process().authkey == b"set later"], pickled


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


@observed_once
def kin(mp):
    """What three children tell of themselves, beside what their parent sees.

    The first has nothing set, the second was given a name, the third is a daemon whose name and key were set late.
    The second is started last: the others go on until then, and end by ``sys.exit(0)``. The third is closed too early.
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
        target=_tell_of_itself, name=NAME, kwargs={"mp": mp, "connection": senders[1]}
    )
    daemon = mp.Process(
        target=_tell_of_itself, args=(mp, senders[2], None, waiting[1]), name="before"
    )
    daemon.name = "after"
    daemon.daemon = True
    outcome_of(setattr, daemon, "authkey", KEY)
    facts = {"last": last, "items": items}
    processes = {"plain": plain, "named": named, "daemon": daemon}
    plain.start()
    daemon.start()
    if mp.start_method == "fork":
        # It has told all before a copy could take it for a daemon of its own, and end it.
        pipes[2][0].poll(mp.timeout)
    named.start()
    closing = outcome_of(look_at, daemon, "close")
    for end in tell:
        end.send("end")
    for (kind, process), (receiver, _) in zip(processes.items(), pipes, strict=True):
        names = ("pid", "name", "daemon", "authkey")
        seen = {name: outcome_of(look_at, process, name) for name in names}
        facts[kind] = {"seen": seen, "told": receiver.recv()}
        process.join()
        facts[kind].update(exitcode=process.exitcode, text=repr(process))
    facts["daemon"]["close"] = closing
    return facts


def told_by_kin(mp, kind, what):
    """What one of three children has told; ChildError if it could not find it out."""
    return value_of(kin(mp)[kind]["told"][what])


def seen_of_kin(mp, kind, what):
    """What the parent of three children saw of one."""
    return value_of(kin(mp)[kind]["seen"][what])


def recorded(process):
    """What run() calls the target with, here."""
    calls.clear()
    process.run()
    return calls


@observed_once
def reaped(mp):
    return ask(mp, _reap_elsewhere, mp)


def _reap_elsewhere(mp):
    """What a process object tells of a child that ``os.waitpid`` has reaped."""
    process = mp.Process(target=do_nothing)
    process.start()
    os.waitpid(process.pid, 0)
    signalled = [outcome_of(look_at, process, name) for name in ("interrupt", "terminate")]
    process.join()
    signalled.append(outcome_of(process.kill))
    return [process.is_alive(), process in mp.active_children(), signalled]


def _echo(waiting, sender):
    sender.send("ready, too")
    waiting.recv()
    sender.send("still here")


def live_noisily(mp, waiting, sender, *, daemon=False):
    """In a child: have a child, tell whether it is active, then wait for an end that may run the clean-up here."""
    atexit.register(sender.send, "exit handler")
    try:
        child = mp.Process(target=_echo, args=(waiting, sender), daemon=daemon)
        child.start()
        sender.send("found it" if mp.active_children() == [child] else "did not find it")
        let_handlers_run()
    finally:
        sender.send("finally")


def _wait_until_left(mp, process):
    from mpspec.observing import wait_until

    wait_until(lambda: process not in mp.active_children(), mp.timeout / 5, "the child not active")


def _ended_by(mp, method):
    """What a method that ends a process returns, the exit code, and all that it and its child say after that.

    Then its text, whether the main thread and another one found it active (a third one has started it) and it its own
    child, what it was while it was held up; the facts of its end (a thread has called the method), whether its sentinel
    was ready then, and whether it was open when it was closed.
    """
    receiver, sender = mp.Pipe(duplex=False)
    waiting, tell = mp.Pipe(duplex=False)
    live = functools.partial(live_noisily, daemon=method == "terminate")
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
        outcome_of(look_at, process, "sentinel"),
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
def terminated(mp):
    return _ended_by(mp, "terminate")


@observed_once
def killed(mp):
    return _ended_by(mp, "kill")


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
def seen_at_import(mp):
    """What the main module finds to be the process's name and key while a child imports it."""
    import ast

    from mpspec.programs import run_script

    return ast.literal_eval(run_script(mp, AT_IMPORT).stdout)


@observed_once
def facts_of_pair(mp):
    """What can be seen of two children that live side by side, of which one ends first."""
    before = mp.active_children()
    pair = [Waiting(mp, name="shared") for _ in range(2)]
    processes = [child.process for child in pair]
    found = [process for process in mp.active_children() if process not in before]
    facts = {
        "listed": len(found) == 2 and set(found) == set(processes),
        "emptied": _empty(mp.active_children()),
        "listed after all": set(processes) <= set(mp.active_children()),
        "names": [process.name for process in processes],
        "alive": [process.is_alive() for process in processes],
        "none ready": outcome_of(ready_of, mp, processes, 0),
    }
    for timeout in (0.01, 0, -1):
        processes[0].join(timeout)
    facts["listed after a timeout"] = processes[0] in mp.active_children()
    pair[1].tell.send("end")
    facts["ready"] = outcome_of(ready_of, mp, processes, mp.timeout)
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
