"""Tests of exit codes, of exceptions that nobody catches, and of what a child leaves behind."""

import _thread
import atexit
import functools
import os
import signal
import sys
import threading

from mpspec.children import (
    ask,
    observed_once,
    run,
)
from mpspec.marks import requirement
from mpspec.programs import call
from mpspec.suite.process.helpers import (
    EXCEPTIONS,
    NAMELESS,
    do_nothing,
    end_by_signal,
    ended_namelessly,
    in_a_thread,
    is_ready,
    joined_in_time,
    raise_type,
    raise_uncaught,
    redirected,
    run_subclass,
    send_after_word,
    subclassed,
)
from mpspec.suite.process.observed import kin, life, terminated, told_by_kin


@requirement("process.exitcode.none-before-start")
def test_no_exitcode_before_start(mp):
    """``exitcode`` is None before ``start()``."""
    assert mp.Process(target=do_nothing).exitcode is None


@requirement("process.exitcode.none-while-running")
def test_no_exitcode_while_running(mp):
    """``exitcode`` is None while the child goes on, for the child itself as well."""
    facts = life(mp)
    seen = [facts["running"]["exitcode"], facts["unharmed"]["exitcode"]]
    assert [*seen, told_by_kin(mp, "plain", "itself")["exitcode"]] == [("returned", None)] * 3


def _return_value():
    return 5


@requirement("process.exitcode.zero-after-return")
def test_exitcode_after_return(mp):
    """``exitcode`` is 0 after a return, of whatever value: by the target, and by a ``run()`` that is overridden."""
    assert run(mp, _return_value).exitcode == 0
    assert subclassed(mp)[3] == 0


class _Leaving(SystemExit):
    pass


def _leave(code):
    raise _Leaving(code)


@requirement("process.exitcode.from-sys-exit")
def test_exitcode_after_sys_exit(mp):
    """``exitcode`` is the number that a target or a ``run()`` gave to ``sys.exit``, be it large, and 0 if that is 0."""
    _, process = run_subclass(mp, functools.partial(sys.exit, 255))
    assert process.exitcode == 255
    assert kin(mp)["plain"]["exitcode"] == 0
    assert joined_in_time(mp)["exitcode"] == 3
    assert run(mp, sys.exit, signal.SIGTERM).exitcode == 15  # a member of an enumeration of int
    assert [run(mp, sys.exit, each).exitcode for each in (False, True)] == [0, 1]
    assert run(mp, _leave, -1).exitcode == 255  # as sys.exit(-1), which any program may call


@requirement("process.exitcode.from-sys-exit-none")
def test_exitcode_after_sys_exit_without_a_number(mp):
    """``exitcode`` is 0 after ``sys.exit()``, which is ``sys.exit(None)``, or raises ``SystemExit(None)``."""
    assert run(mp, sys.exit).exitcode == 0
    assert run(mp, _leave, None).exitcode == 0


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
            exitcode = run(mp, redirected, sys.exit, path, last).exitcode
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


def _raise_untold():
    """In a child: end by an exception without an error stream, neither Python's nor the system's."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
    sys.stderr = None
    raise_uncaught()


def _raise_far_below(depth):
    if depth:
        _raise_far_below(depth - 1)
    raise_uncaught()


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
        last = functools.partial(redirected, _print_and_raise, path, output)
        _, process = run_subclass(mp, last)
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
    assert "in raise_uncaught\n" in text  # the last of many
    assert "KeyError: 'the cause'" in text
    assert "LookupError: nobody catches this" in text.splitlines()


@requirement("process.exitcode.one-after-any-exception")
def test_exitcode_after_an_exception_of_any_type(mp, tmp_path):
    """KeyboardInterrupt, which is no Exception, and others make the exit code 1, and are on the error stream."""
    for kind in EXCEPTIONS[1:]:
        process = run(mp, redirected, raise_type, tmp_path / kind.__name__, kind)
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
        assert is_ready(process.sentinel, mp.timeout)
        # The sentinel may be a moment ahead.
        told = functools.partial(_has_exitcode, process)
        if not process.daemon:
            told = functools.partial(in_a_thread, mp, told)
        wait_until(told, mp.timeout / 5, "an exit code")
        assert process.exitcode == 4
        assert process not in mp.active_children()
        process.join()


def _has_exitcode(process):
    return process.exitcode is not None


def _leave_thread_behind(waiting, sender):
    threading.Thread(target=send_after_word, args=(waiting, sender)).start()
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
    threading.Thread(target=send_after_word, args=(waiting, sender)).start()
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


def _end_with_core(folder):
    """In a child: be ended by a signal that makes the system write a core file, a small one, into the folder."""
    import resource

    os.chdir(folder)
    with open("/proc/self/coredump_filter", "w") as file:
        file.write("0")  # none of the memory
    _, most = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (most, most))
    end_by_signal(signal.SIGQUIT)


@requirement("process.exitcode.killed-by-signal")
def test_exitcode_after_a_signal(mp, tmp_path):
    """``exitcode`` is -N after signal N, for any signal, also for one without a name, and with a core file."""
    assert ended_namelessly(mp)[0] == -NAMELESS
    assert terminated(mp)[1] == -signal.SIGTERM
    assert run(mp, _end_with_core, tmp_path).exitcode == -signal.SIGQUIT


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


def _exitcode_of_child(mp):
    return run(mp, do_nothing).exitcode


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
    return [run(mp, do_nothing).exitcode, receiver.poll()]


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
