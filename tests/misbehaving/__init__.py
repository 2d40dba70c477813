"""Backends that misbehave, to show what the harness does about it.

Each stands on the standard library, under fork, and behaves but for one thing: ``Process.is_alive()`` does what the
backend's name says before it answers. So some tests meet it and others don't.
"""

from __future__ import annotations

import _multiprocessing
import atexit
import multiprocessing
import os
import signal
import sys
import threading
import types
from multiprocessing.shared_memory import SharedMemory
from pathlib import Path
from typing import TYPE_CHECKING

from mpspec.backends import Backend, Contexts

if TYPE_CHECKING:
    from collections.abc import Callable


def _hang() -> None:
    Path("hanging").touch()  # in the folder of the run, for a test that waits for the moment
    threading.Event().wait()


def _hang_uninterruptibly() -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM})
    threading.Event().wait()


def _hang_in_finalizer() -> None:
    class Waits:
        def __del__(self) -> None:
            threading.Event().wait()

    Waits()


def _hang_and_fail() -> None:
    try:
        threading.Event().wait()
    finally:
        _fail()


def _exit() -> None:
    os._exit(0)


def _exit_with_a_child() -> None:
    _leave_child()
    os._exit(0)


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _fail() -> None:
    message = "a backend that fails"
    raise NotImplementedError(message)


def _leave_child() -> None:
    if os.fork() == 0:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        while True:
            signal.pause()


def _leave_orphan() -> None:
    child = os.fork()
    if child == 0:
        _leave_child()
        os._exit(0)
    os.waitpid(child, 0)


def _leave_thread() -> None:
    threading.Thread(target=threading.Event().wait, daemon=True, name="left-behind").start()


def _leave_lasting_thread() -> None:
    threading.Thread(target=threading.Event().wait, name="left-behind").start()


def _hang_at_exit() -> None:
    atexit.register(threading.Event().wait)


def _leave_descriptor() -> None:
    os.open(os.devnull, os.O_RDONLY)


def _unique_name() -> str:
    return f"left-behind-{os.environ['MPSPEC_TESTS_MARK']}-{os.urandom(4).hex()}"


def _leave_segment() -> None:
    segment = SharedMemory(_unique_name(), create=True, size=1)
    segment.close()


def _leave_semaphore() -> None:
    _multiprocessing.SemLock(1, 0, 1, f"/{_unique_name()}", False)  # noqa: FBT003 - as it is called


MISDEEDS: dict[str, Callable[[], None]] = {
    "hang": _hang,
    "hang_uninterruptibly": _hang_uninterruptibly,
    "hang_in_finalizer": _hang_in_finalizer,
    "hang_and_fail": _hang_and_fail,
    "exit": _exit,
    "exit_with_a_child": _exit_with_a_child,
    "die": _die,
    "fail": _fail,
    "leave_child": _leave_child,
    "leave_orphan": _leave_orphan,
    "leave_thread": _leave_thread,
    "leave_lasting_thread": _leave_lasting_thread,
    "hang_at_exit": _hang_at_exit,
    "leave_descriptor": _leave_descriptor,
    "leave_segment": _leave_segment,
    "leave_semaphore": _leave_semaphore,
    "behave": lambda: None,
}


def _module(name: str) -> types.ModuleType:
    misdeed = MISDEEDS[name]
    fork = multiprocessing.get_context("fork")

    class Process(fork.Process):  # type: ignore[name-defined, misc]
        def is_alive(self) -> bool:
            misdeed()
            return bool(super().is_alive())

    module = types.ModuleType(f"{__name__}.{name}")
    module.__dict__.update(
        {each: getattr(fork, each) for each in dir(fork) if not each.startswith("_")}
    )
    module.__dict__["Process"] = Process
    sys.modules[module.__name__] = module
    return module


def _backend(name: str) -> Backend:
    return Backend(
        name=name,
        module=_module(name).__name__,
        start_methods=("fork",),
        contexts=Contexts.NONE,
        capabilities=frozenset({"process", "process.pid", "pipes"}),
    )


BACKENDS = {name: _backend(name) for name in MISDEEDS}
globals().update(BACKENDS)
