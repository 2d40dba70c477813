"""What several modules of the chapter process use."""

import functools
import os
import select
import signal
import sys
import threading
import time

from mpspec.children import AT_ONCE, CallerThread, observed_once, outcome_of, run, within


def wait_for_end(connection):
    """In a child: go on until the parent closes its end, or says a word."""
    try:
        connection.recv()
    except EOFError:
        return


# Longer than the name of a thread of the system may be.
NAME = "the name of a process"


class Waiting:
    """A child that goes on until it is told to end."""

    def __init__(self, mp, **kwargs):
        waiting, self.tell = mp.Pipe()
        self.process = mp.Process(target=wait_for_end, args=(waiting,), **kwargs)
        self.process.start()

    def end(self):
        """Let it end, and wait for it."""
        self.tell.send("end")
        self.process.join()


def do_nothing():
    """In a child: do nothing."""


def look_at(process, name):
    value = getattr(process, name)
    return value() if callable(value) else value


def pickle_key(process):
    """The length of the pickled key; the module is imported by who pickles alone."""
    import pickle

    return len(pickle.dumps(process.authkey))


# Longer than the key of a process is by itself; with what is no text, at either end.
KEY = b"\n another key, of more than the 32 bytes that others have\0\xff "


def send_arguments(connection, *args, **kwargs):
    connection.send((args, kwargs))


calls = []


def record_call(*args, **kwargs):
    calls.append((args, kwargs))


def subclass(mp, name):
    """A subclass of the backend's Process, made anew in each process that needs it."""
    process_class = mp.Process

    class Subclass(process_class):
        """A process that sends what its constructor was given, and whether it is the current one."""

        def __init__(self, connection, value, last=int):
            self.value = value
            super().__init__()
            self.connection = connection
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
    made = subclass(mp, name).__new__(subclass(mp, name))
    made.__dict__.update(state)
    return made


@observed_once
def subclassed(mp):
    """What a process of a subclass sends, its exit code, and what a second start comes to."""
    facts, process = run_subclass(mp)
    return (*facts, process.exitcode, outcome_of(process.start)[0])


def run_subclass(mp, *last):
    receiver, sender = mp.Pipe(duplex=False)
    process = subclass(mp, "Subclass")(sender, ["kept"], *last)
    process.start()
    sender.close()
    facts = receiver.recv()
    process.join()
    return facts, process


def send_after_word(waiting, sender):
    waiting.recv()
    sender.send("about to end")


def exit_after_word(waiting, status):
    waiting.recv()
    sys.exit(status)


# A timeout that elapses, and what a join() with it takes at the most.
SHORT, ENOUGH = 0.02, 0.045


def _timed_join(process, timeout):
    before = time.monotonic()
    returned = process.join(timeout)
    return returned, time.monotonic() - before


@observed_once
def joined_in_time(mp):
    """What join() with a timeout comes to, of a process that goes on and then exits with 3."""
    from fractions import Fraction

    waiting, tell = mp.Pipe(duplex=False)
    process = mp.Process(target=exit_after_word, args=(waiting, 3))
    process.start()
    facts = {}
    timeouts = {0: 0, -1: -1, SHORT: SHORT, "fraction": Fraction(SHORT)}
    for kind, timeout in timeouts.items():
        limit = ENOUGH if timeout > 0 else AT_ONCE
        outcome = outcome_of(within, limit, functools.partial(_timed_join, process, timeout))
        facts[kind] = [outcome, process.is_alive(), process.exitcode]
    tell.send("end")
    facts["returned"] = process.join(timeout=mp.timeout)
    facts["exitcode"] = process.exitcode
    return facts


def let_handlers_run():
    """In a child: wait for ever. A signal that comes just before a pause() would be missed by it."""
    while True:
        select.select([], [], [], 0.02)


def redirected(function, path, *args):
    """In a child: call a function with the standard error stream going to a file."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT)
    os.dup2(descriptor, 2)
    sys.stderr = os.fdopen(2, "w", closefd=False)
    function(*args)


def raise_uncaught():
    message = "nobody catches this"
    raise LookupError(message) from KeyError("the cause")


class _Ending(BaseException):
    pass


# What is no Exception, but the first.
EXCEPTIONS = (LookupError, KeyboardInterrupt, GeneratorExit, _Ending)


def raise_type(kind):
    raise kind


def in_a_thread(mp, function):
    return CallerThread(mp, function, "__call__").result()


def end_by_signal(number):
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
    signal.pause()


NAMELESS = signal.SIGRTMIN + 1


@observed_once
def ended_namelessly(mp):
    """The exit code and the text of a process that a signal ended which has no name."""
    process = run(mp, end_by_signal, NAMELESS)
    return process.exitcode, repr(process)


def is_ready(descriptor, timeout):
    return bool(select.select([descriptor], [], [], timeout)[0])


def ignore_sigterm(sender):
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sender.send(os.getpid())
    while True:
        signal.pause()


def outcome_unstarted(mp, name):
    """What is asked of a process comes to that was closed without having been started."""
    process = mp.Process(target=do_nothing)
    process.close()
    return outcome_of(look_at, process, name)[0]


def ready_of(mp, processes, timeout):
    """The numbers of the processes whose sentinels connection.wait gives."""
    sentinels = [process.sentinel for process in processes]
    return [sentinels.index(each) for each in mp.connection.wait(sentinels, timeout)]


def is_gone(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False
