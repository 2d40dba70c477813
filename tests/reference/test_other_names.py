"""Names that are documented nowhere, and that other people's programs read all the same."""

# ruff: noqa: SLF001 - that such names are private is the point

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from typing import TYPE_CHECKING, Any

import pytest
from multiprocessing_reference import (
    connection,
    context,
    current_process,
    get_context,
    managers,
    pool,
    popen_spawn_posix,
    process,
    resource_tracker,
    shared_memory,
    synchronize,
    util,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

METHODS = ("fork", "spawn", "forkserver")


def test_workers_of_a_pool() -> None:
    """``Pool._pool`` has the worker processes, ``_processes`` says how many; dask asks for the length."""
    context = get_context("spawn")
    with context.Pool(2) as made:
        pids = {made.apply(_pid) for _ in range(20)}
        workers = made._pool
        assert pids <= {worker.pid for worker in workers}
        assert (len(workers), made._processes) == (2, 2)
    made.join()


def test_workers_of_a_thread_pool() -> None:
    """A ThreadPool's are its threads."""
    with pool.ThreadPool(3) as made:
        assert (len(made._pool), made._processes) == (3, 3)
        assert made.apply(_is_among, (made._pool,))
    made.join()


def test_families_of_addresses() -> None:
    """``connection.families`` names those that a Listener takes, and Linux has abstract names."""
    for family in connection.families:
        with connection.Listener(family=family) as listener:
            assert listener.address
    assert util.abstract_sockets_supported
    with connection.Listener("\0of no file"), connection.Client("\0of no file"):
        pass


def test_state_of_a_pool() -> None:
    """``Pool._state`` says how far a pool has come, in the words that the module ``pool`` has for it."""
    made = pool.ThreadPool(1)
    assert made._state == pool.RUN
    made.close()
    assert made._state == pool.CLOSE
    made.terminate()
    assert made._state == pool.TERMINATE
    made.join()
    made._state = pool.RUN
    with pytest.raises(ValueError, match="still running"):
        made.join()
    made._state = pool.TERMINATE


def test_progress_of_a_map() -> None:
    """``_number_left`` of a map's result counts the chunks to come, each of ``_chunksize`` items."""
    may_end = threading.Event()
    with pool.ThreadPool(1) as made:
        result = made.map_async(_wait_for, [may_end] * 7, chunksize=3)
        assert (result._number_left, result._chunksize) == (3, 3)
        may_end.set()
        result.wait()
        assert result._number_left == 0


def test_public_methods() -> None:
    """``managers.public_methods`` names what a proxy exposes by default."""
    assert managers.public_methods((1, 2)) == ["count", "index"]


def test_started_process() -> None:
    """``Process._popen`` has the pid of a process that was started, and is None before and after."""
    process = get_context("fork").Process(target=_pid)
    assert process._popen is None
    process.start()
    started = process._popen
    assert started is not None
    assert started.pid == process.pid
    process.join()
    assert started.poll() == 0
    process.close()
    assert process._popen is None


@pytest.mark.parametrize("method", METHODS)
def test_daemonic_process_that_is_to_have_children(method: str) -> None:
    """``current_process()._config["daemon"]`` set to False lets a daemonic process start children."""
    child_context = get_context(method)
    receiver, sender = child_context.Pipe(duplex=False)
    child = child_context.Process(target=_start_one, args=(sender,), daemon=True)
    child.start()
    assert child._config["daemon"] is True
    assert receiver.recv() == 0
    child.join()


class NoDaemonProcess(process.BaseProcess):
    """The widespread way to have pools within pools: a process that can't be made daemonic."""

    _start_method = "fork"

    @property
    def daemon(self) -> bool:
        return False

    @daemon.setter
    def daemon(self, daemonic: bool) -> None:
        pass


class NoDaemonContext(context.ForkContext):
    Process = NoDaemonProcess


class NamedContext(NoDaemonContext):
    _name = "of others"


def test_pool_within_a_pool() -> None:
    """A subclass of Process that overrides ``daemon`` decides whether it may have children."""
    with pool.Pool(1, context=NoDaemonContext()) as outer:
        assert outer.apply(_use_a_pool) == 3
        outer.close()
        outer.join()


def test_contexts_of_others() -> None:
    """``context._concrete_contexts`` takes further contexts, whose processes start as their classes say."""
    context._concrete_contexts["of others"] = made = NamedContext()
    try:
        default = context.default_context
        assert get_context("of others") is made
        default.set_start_method("of others", force=True)
        assert default.get_context() is made
        child = context.Process(target=lambda: sys.exit(5))  # which can't be pickled
        child.start()
        child.join()
        assert child.exitcode == 5
    finally:
        default.set_start_method(None, force=True)
        del context._concrete_contexts["of others"]
    with pytest.raises(ValueError, match="of others"):
        get_context("of others")


WRAPPED = """
import os, sys
from multiprocessing_reference import process, spawn, get_context


class Hook:  # unpickled in a child that is no copy of its parent, which it changes like it
    def __setstate__(self, state):
        wrap(state)

    def __getstate__(self):
        return os.getpid()


def wrap(who):
    plain, data = process.BaseProcess._bootstrap, spawn.get_preparation_data

    def wrapped(self, *args, **kwargs):
        os.write(1, b"begin\\n")
        try:
            return plain(self, *args, **kwargs)
        finally:
            os.write(1, b"end\\n")

    process.BaseProcess._bootstrap = wrapped
    spawn.get_preparation_data = lambda name: {**data(name), "hook": Hook()}
"""
PROGRAM = """
import os, sys
import wrapped
from multiprocessing_reference import get_context

def say():
    os.write(1, b"run\\n")
    sys.exit(3)

if __name__ == "__main__":
    wrapped.wrap(os.getpid())
    process = get_context(sys.argv[1]).Process(target=say)
    process.start()
    process.join()
    sys.exit(process.exitcode)
"""


@pytest.mark.parametrize("method", METHODS)
def test_wrapped_life_of_a_child(method: str, tmp_path: Path) -> None:
    """A profiler wraps ``BaseProcess._bootstrap``, and goes with ``spawn.get_preparation_data`` to children."""
    (tmp_path / "wrapped.py").write_text(WRAPPED, encoding="utf-8")
    program = tmp_path / "program.py"
    program.write_text(PROGRAM, encoding="utf-8")
    ended = subprocess.run(
        [sys.executable, program, method], capture_output=True, text=True, timeout=60, check=False
    )
    assert (ended.stdout.split(), ended.stderr) == (["begin", "run", "end"], "")
    assert ended.returncode == 3


ATTACH = """
import sys
from multiprocessing_reference import resource_tracker, shared_memory
block = shared_memory.SharedMemory(sys.argv[1])
resource_tracker.unregister(block._name, "shared_memory")
"""


def test_block_of_another_program_is_kept() -> None:
    """A program unregisters a block that it has only attached by its ``_name``, so as not to unlink it at its end."""
    block = shared_memory.SharedMemory(create=True, size=1)
    try:
        ended = subprocess.run(
            [sys.executable, "-c", ATTACH, block.name],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert (ended.returncode, ended.stderr) == (0, "")
        shared_memory.SharedMemory(block.name).close()
    finally:
        block.close()
        block.unlink()


def test_tracker_that_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    """Programs that keep blocks out of the tracker replace ``register`` and empty ``_CLEANUP_FUNCS``."""
    seen: list[tuple[str, str]] = []
    monkeypatch.setattr(resource_tracker, "register", lambda *told: seen.append(told))
    monkeypatch.setattr(resource_tracker, "unregister", lambda *told: seen.append(told))
    monkeypatch.delitem(resource_tracker._CLEANUP_FUNCS, "shared_memory")
    block = shared_memory.SharedMemory(create=True, size=1)
    block.close()
    block.unlink()
    assert seen == [(f"/{block.name}", "shared_memory")] * 2


def test_flush() -> None:
    """``util._flush_std_streams`` writes out what stdout holds, say before a plain ``os.fork``."""
    ended = subprocess.run(
        [
            sys.executable,
            "-c",
            "import os; from multiprocessing_reference import util as u; print('said'); u._flush_std_streams(); os._exit(0)",
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert ended.stdout == "said\n"


def _wait_for(event: threading.Event) -> None:
    event.wait()


def _start_one(sender: connection.Connection) -> None:
    current_process()._config["daemon"] = False
    process = get_context("fork").Process(target=_pid)
    process.start()
    process.join()
    sender.send(process.exitcode)


def _use_a_pool() -> int:
    with get_context("fork").Pool(1) as inner:
        return int(inner.apply(abs, (-3,)))


def _pid() -> int:
    return os.getpid()


def _is_among(workers: list[object]) -> bool:
    return threading.current_thread() in workers


def test_tracker_as_an_object() -> None:
    """``_resource_tracker`` has the tracker's pid; one that was killed is replaced when it is needed."""
    program = """
import os, signal
from multiprocessing_reference.resource_tracker import ResourceTracker, _resource_tracker
assert isinstance(_resource_tracker, ResourceTracker)
assert _resource_tracker._pid is None and not _resource_tracker._check_alive()
_resource_tracker.ensure_running()
first = _resource_tracker._pid
assert _resource_tracker._check_alive()
os.fstat(_resource_tracker._fd)
_resource_tracker.ensure_running()
assert _resource_tracker._pid == first
os.kill(first, signal.SIGKILL)
os.waitpid(first, 0)
assert not _resource_tracker._check_alive()
_resource_tracker.ensure_running()
assert _resource_tracker._pid != first and _resource_tracker._check_alive()
"""
    subprocess.run([sys.executable, "-c", program], timeout=60, check=True)


class _NestedPool(pool.Pool):
    """As people make it whose tasks have children."""

    def Process(self, *args: Any, **kwds: Any) -> Any:  # type: ignore[override]  # noqa: N802, ANN401
        made = super().Process(*args, **kwds)

        class NotDaemonic(made.__class__):  # type: ignore[misc]
            daemon = property(lambda _self: False, lambda _self, _value: None)

        made.__class__ = NotDaemonic
        return made


def _sum_of_squares(count: int) -> int:
    with get_context("fork").Pool(2) as inner:
        return sum(inner.map(_square, range(count)))


def _square(number: int) -> int:
    return number * number


def test_process_of_a_pool() -> None:
    """``Pool.Process`` makes the workers: who replaces it may have daemonic ones no more."""
    with _NestedPool(2, context=get_context("fork")) as made:
        assert made.map(_sum_of_squares, [3, 4]) == [5, 14]


def _backlog(made: pool.Pool) -> tuple[int, bool, int]:
    return made._taskqueue.qsize(), made._taskqueue.empty(), len(made._cache)


def test_backlog_of_a_pool(tmp_path: Path) -> None:
    """``_taskqueue`` tells that tasks wait for workers, ``_cache`` has what is not done."""
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    for made in (get_context("fork").Pool(1), pool.ThreadPool(1)):
        with made:
            assert _backlog(made) == (0, True, 0)
            results = [made.apply_async(gate.read_text) for _ in range(200)]
            assert made._taskqueue.qsize() > 0
            assert not made._taskqueue.empty()
            assert len(made._cache) == 200
            for result in results:
                while not result.ready():
                    with gate.open("w") as file:
                        file.write("x")
                    result.wait(0.01)
            assert _backlog(made) == (0, True, 0)


def test_child_that_outlives_the_program(tmp_path: Path) -> None:
    """A child that is taken out of ``process._children`` is not joined at the program's end."""
    program = """
import time
from multiprocessing_reference import get_context, process
child = get_context("fork").Process(target=time.sleep, args=(60,))
child.start()
assert child in process._children
process._children.discard(child)
print(child.pid)
"""
    told = tmp_path / "pid"
    with told.open("w") as out:  # which the child keeps open
        subprocess.run([sys.executable, "-c", program], stdout=out, timeout=30, check=True)
    os.kill(int(told.read_text()), signal.SIGKILL)


def test_names_that_are_looked_for() -> None:
    """``context.reduction``, ``synchronize.SemLock``, ``popen_spawn_posix``: they name what they name elsewhere."""
    assert callable(popen_spawn_posix.launch)  # dask.distributed but imports the module
    assert context.reduction.ForkingPickler.loads(context.reduction.ForkingPickler.dumps(1)) == 1
    made = get_context("fork")
    for lock in (made.Lock(), made.RLock(), made.Semaphore(), made.BoundedSemaphore()):
        assert isinstance(lock, synchronize.SemLock)


def _istarmap(
    self: pool.Pool, func: Callable[..., Any], iterable: Iterable[Any], chunksize: int = 1
) -> Iterator[Any]:
    """What many programs add to Pool, for a progress bar over starmap."""
    self._check_running()
    batches = pool.Pool._get_tasks(func, iterable, chunksize)
    result = pool.IMapIterator(self)
    generation = self._guarded_task_generation(result._job, pool.starmapstar, batches)
    self._taskqueue.put((generation, result._set_length))
    return (item for chunk in result for item in chunk)


@pytest.mark.parametrize("kind", ["Pool", "ThreadPool"])
@pytest.mark.parametrize("chunksize", [1, 3])
def test_methods_that_programs_add_to_a_pool(kind: str, chunksize: int) -> None:
    """A method that puts tasks on the task queue itself has their results, in order, or their exception."""
    arguments = [(2, n) for n in range(10)]
    with getattr(pool, kind)(2) as made:
        assert list(_istarmap(made, pow, arguments, chunksize)) == [2**n for n in range(10)]
        results = _istarmap(made, divmod, [(1, 1), (1, 0)])
        assert next(results) == (1, 0)
        with pytest.raises(ZeroDivisionError):
            next(results)
        made.close()
        with pytest.raises(ValueError, match="not running"):
            _istarmap(made, pow, arguments)
