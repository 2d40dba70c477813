"""Pools that several tests look at, each observed once for all of them."""

import gc
import os
import signal
import sys
import threading
import time
import weakref

from mpspec.children import (
    observed_once,
    outcome_of,
    raises,
    switching,
)
from mpspec.suite.pool.helpers import (
    Falsely,
    Refusal,
    collect_until_stopped,
    count_threads,
    end_pool,
    give,
    give_generator,
    make_gate,
    new_folder,
    new_pool,
    new_threads,
    numbers_then_error,
    pass_gate,
    pid_of_worker,
    refuse,
    resource_warnings,
    square,
    touch,
    usable_cpus,
    wait_until_blocked,
)


def _note(folder, *args):
    with open(os.path.join(folder, str(os.getpid())), "a") as file:
        file.write(f"{args}\n")


@observed_once
def initialized_pool(mp):
    """A pool of three workers whose initializer takes notes; its truth value is no matter."""
    from mpspec.observing import wait_until

    threads = threading.enumerate()
    with new_folder() as folder:
        pool, workers = new_pool(mp, 3, Falsely(_note), (str(folder), "one", 2))

        def written():
            return sum(note.stat().st_size > 0 for note in folder.iterdir())

        wait_until(lambda: written() == 3, mp.timeout, "three workers initialized")
        facts = {
            "workers": {worker.pid for worker in workers},
            "are processes": all(isinstance(worker, mp.Process) for worker in workers),
            "are daemons": [worker.daemon for worker in workers],
            "busy": set(pool.map(pid_of_worker, range(6), 1)),
        }
        facts["notes"] = {int(note.name): note.read_text() for note in folder.iterdir()}
        facts["robbed"] = outcome_of(_rob, mp, pool, facts["workers"], threads)
        facts["left"] = [worker.is_alive() for worker in workers]
        facts["all notes"] = [note.read_text() for note in folder.iterdir()]
    return facts


def _rob(mp, pool, workers, threads):
    """Kill two of a pool's three busy workers, and terminate it when three are busy again.

    Gives whether all were busy before, how many tasks began in all, and how many workers there are in the end.
    """
    from mpspec.observing import wait_until

    others = {child.pid for child in mp.active_children()} - workers

    def staff():
        return [child for child in mp.active_children() if child.pid not in others]

    try:
        with new_folder() as folder:
            gate, started = make_gate(folder), folder / "started"
            started.mkdir()

            def begin(tasks):
                """Submit tasks that begin, and do not end; gives who has begun."""
                for _ in range(tasks):
                    pool.apply_async(_begin, (started, gate))
                count = tasks + len(begun)
                wait_until(lambda: len(os.listdir(started)) == count, mp.timeout, "all begun")
                return {int(name) for name in os.listdir(started)}

            begun = set()
            begun = begin(3)
            _kill_at_once(sorted(begun)[:2])
            tasks = len(begin(2))
            # The thread that starts workers lists one after it has begun, and may be about to start one too many.
            wait_until(lambda: len(staff()) >= len(workers), mp.timeout, "the workers listed")
            for thread in new_threads(threads):
                wait_until_blocked(mp, thread)
            return begun == workers, tasks, len(staff())
    finally:
        end_pool(pool)


def _kill_at_once(pids):
    """Kill processes while no other thread of this one runs, so that who looks for ended ones finds all."""
    with switching(1):
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        killed = time.monotonic()
        while time.monotonic() < killed + 0.01:
            pass


def _begin(started, gate):
    touch(started / str(os.getpid()))
    pass_gate(gate)


def _count_by_default(mp):
    """In a new interpreter: how many workers a Pool has, and how many a ThreadPool, and how many CPUs are usable."""
    pool = mp.Pool()
    workers = len(mp.active_children())
    end_pool(pool)
    return (workers, count_threads(mp)), usable_cpus()


@observed_once
def defaults_of_program(mp):
    """What a program counts that is told to have more CPUs than there are; an older interpreter does not listen."""
    from mpspec.programs import call

    option = f"cpu_count={len(os.sched_getaffinity(0)) + 1}"
    return call(_count_by_default, mp, timeout=mp.timeout, options=("-X", option))


def _mark():
    global marked
    marked = "by the initializer"


def mark_as(*values):
    global marked
    marked = " ".join(values)


def _mark_if_held(lock, *values):
    """Mark it if the lock that came along is the one that the pool's process holds."""
    mark_as(*(values if not lock.acquire(block=False) else ()))


def read_mark():
    return marked


class _Counted:
    """What is known while it is alive, in the process where it was made or unpickled."""

    alive = weakref.WeakSet()

    def __init__(self):
        self.alive.add(self)

    def __reduce__(self):
        return (_Counted, ())


def _counted():
    gc.collect()
    return len(_Counted.alive)


@observed_once
def single_pool(mp):
    """A pool of one worker, which is closed and joined in its with block when it is idle."""
    pool, [worker] = new_pool(mp, initializer=_mark)
    with pool:
        facts = {"mark": pool.apply(read_mark)}
        unordered = pool.imap_unordered(square, range(20))
        outcome_of(pool.apply, give, (_Counted(),))  # when it is over all of them are there
        facts["kept"] = outcome_of(pool.apply, _counted)
        facts["unordered"] = list(unordered)
        facts["unordered in chunks"] = list(pool.imap_unordered(square, range(20), 3))
        outcome_of(pool.apply, refuse)
        outcome_of(pool.map, refuse, range(3), 1)
        for method in (pool.map_async, pool.starmap_async):
            method(square, [])
        for method in (pool.imap, pool.imap_unordered):
            for items in ((), iter(()), numbers_then_error()):
                # What they come to is another test's matter.
                outcome_of(method, square, items)
                outcome_of(method, square, items, 2)
            for chunksize in (0, -1):
                outcome_of(method, square, range(3), chunksize)
        outcome_of(pool.map, square, numbers_then_error())
        pool.close()
        pool.join()
        facts["exit code"] = worker.exitcode
    facts["later"] = (worker.is_alive(), worker.exitcode)
    return facts


def pid_and_mark(_=None):
    return os.getpid(), marked


def _refuse_with_pid(_=None):
    raise Refusal(os.getpid())


def _has_come(mp, result):
    # An implementation that departs costs the whole wait.
    result.wait(max(mp.timeout / 4, 2))
    return result.ready()


def _listed(mp, pid):
    """The active children of that pid. A worker may have a result before the thread that started it has listed it."""
    from mpspec.observing import wait_until

    def listed():
        return [child for child in mp.active_children() if child.pid == pid]

    wait_until(listed, mp.timeout, f"the worker {pid} among the active children")
    return listed()


@observed_once
def short_lived_pool(mp):
    """A pool whose only worker is replaced after two tasks: what tasks see, the last four of them in chunks of two.

    The first two are an iterator's. Of the second worker also whether it is daemonic, and a
    process of the context, and the traceback of an error there. Its second task is a chunk that fails; the second one
    of the third gives what can't be sent.
    """
    held = mp.Lock()
    held.acquire()
    pool = mp.Pool(
        maxtasksperchild=2, initargs=(held, "by the", "initializer"), initializer=_mark_if_held,
        processes=1,
    )  # fmt: skip
    seen = list(pool.imap(pid_and_mark, range(2)))
    with raises(Refusal) as raised:
        pool.apply(_refuse_with_pid)
    seen.append((raised.value.args[0], None))
    [second] = _listed(mp, seen[-1][0])
    kind = (second.daemon, isinstance(second, mp.Process), str(raised.value.__cause__))
    with raises(Refusal) as raised:
        pool.map(_refuse_with_pid, range(2), 2)
    seen.append((raised.value.args[0], None))
    seen += pool.starmap(pid_and_mark, [()] * 2, 2)
    with raises(Exception):
        pool.apply(give_generator)
    chunks = pool.map_async(pid_and_mark, range(4), 2)
    pool.close()
    pool.join()
    return seen, chunks.get(mp.timeout) if _has_come(mp, chunks) else [], kind


@observed_once
def abandoned_pool(mp):
    """A pool that nobody refers to any more: what its worker comes to, and what is said of it; who did its tasks.

    The worker would not end by itself, as it does when a pool is closed.
    """
    pool, [worker] = new_pool(mp, 1, None, (), None)
    pids = {pool.apply(pid_of_worker) for _ in range(2)}
    with new_folder() as folder, resource_warnings() as warned:
        gate = make_gate(folder)
        pool.apply(_stay, (gate,))
        del pool
        try:
            stopped = outcome_of(collect_until_stopped, mp, worker)
        finally:
            os.close(os.open(gate, os.O_RDWR))  # a worker that was not stopped may end
    return stopped, warned, pids


def _stay(gate):
    """In a worker: a thread keeps the process from ending by itself until a gate is opened."""
    threading.Thread(target=pass_gate, args=(gate,)).start()


class _Unloadable(Exception):
    """What can be pickled, but not unpickled: its arguments are not those of its constructor."""

    def __init__(self, first, second):
        super().__init__(first)
        self.second = second


def _refuse_unloadably():
    raise _Unloadable(1, 2)


def _interrupt():
    raise KeyboardInterrupt


def _exit_worker():
    os._exit(3)


def _kill_worker():
    os.kill(os.getpid(), signal.SIGKILL)


# What a pool of its own, with one worker, is given; each ends with a task that succeeds.
_MISHAPS = {
    "callback": [(pid_of_worker, {"callback": refuse}), (refuse, {"error_callback": refuse})],
    "unloadable": [(_refuse_unloadably, {})],
    "exits": [(sys.exit, {}), (_interrupt, {})],
    "killed": [(_kill_worker, {})],
    "exited": [(_exit_worker, {})],
}


# So many tasks, one after the other, take longer than one whose result is on its way.
_ROUNDS = 30


def _outcome(result, deadline):
    """What a result gives, or the name of the error that it raises."""
    result.wait(max(0, deadline - time.monotonic()))
    if not result.ready():
        return "nothing came"
    try:
        return result.get()
    except BaseException as error:  # noqa: BLE001 - what it is is the outcome
        return type(error).__name__


def _tell_outcomes(mp, sender):
    """In a process of its own, which can be killed when pools hang: what the mishaps come to."""
    os.setpgid(0, 0)
    pools = {mishap: mp.Pool(1) for mishap in _MISHAPS}
    for pool in pools.values():
        pool.apply(pid_of_worker)  # the worker is there
    results = {
        mishap: [
            pools[mishap].apply_async(task, **options) for task, options in (*tasks, (int, {}))
        ]
        for mishap, tasks in _MISHAPS.items()
    }
    # First another worker must be started.
    for mishap in ("killed", "exited"):
        results[mishap][-1].wait(mp.timeout / 2)
    # Tasks of a pool without a mishap are the clock: a result that takes longer than many of them is lost.
    with mp.Pool(1) as pool:
        for _ in range(_ROUNDS):
            pool.apply(pid_of_worker)
    deadline = time.monotonic() + mp.timeout * 0.03
    sender.send(
        {
            mishap: [_outcome(result, deadline) for result in outcomes]
            for mishap, outcomes in results.items()
        }
    )
    threading.Event().wait()


@observed_once
def outcomes_in_child(mp):
    receiver, sender = mp.Pipe(duplex=False)
    process = mp.Process(target=_tell_outcomes, args=(mp, sender))
    process.start()
    sender.close()
    try:
        return receiver.recv()
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.join()
        receiver.close()
