"""Tests of cancel_join_thread(), and of what becomes of items when a process exits."""

import atexit
import functools
import os
import sys
import threading

from mpspec.children import (
    CallerThread,
    equal,
    observed_once,
    outcome_of,
)
from mpspec.marks import requirement
from mpspec.programs import call
from mpspec.suite.queues.helpers import (
    LARGE,
    SHORT,
    ending,
    get_much,
    get_within,
    is_much,
    put_large,
    put_much,
    soon,
    until_at_end,
)


def _put_on_all(queues):
    first, *others = queues
    put_much(first)
    for queue in others:
        put_large(queue)


@requirement("queues.exit.waits-until-flushed")
def test_no_item_of_a_child_that_ends_is_lost(mp):
    """All that a child has put arrives, on each of four queues, without close() and join_thread(); then it ends."""
    queues = [mp.Queue() for _ in range(4)]
    process = ending(mp, _put_on_all, queues)
    assert is_much(get_much(queues[0]))
    for queue in queues[1:]:
        found = outcome_of(get_within, queue, mp.timeout)
        assert equal(found, ("returned", [b"x" * LARGE, "end"]))
    process.join()
    assert process.exitcode == 0


def _put_on_open_and_closed(queues):
    left_open, closed = queues
    put_much(left_open)
    put_large(closed)
    closed.close()


@requirement("queues.exit.flushes-at-sys-exit")
def test_items_are_flushed_at_sys_exit(mp):
    """What a child, a daemon, has put on queues, closed or not, arrives when it ends by sys.exit() as well."""
    queues = left_open, closed = mp.Queue(), mp.Queue()
    process = ending(mp, _put_on_open_and_closed, queues, SystemExit(3), daemon=True)
    assert is_much(get_much(left_open))
    found = outcome_of(get_within, closed, mp.timeout)
    assert equal(found, ("returned", [b"x" * LARGE, "end"]))
    process.join()
    assert process.exitcode == 3


def _telling(mp, target, queue):
    """A process that calls a function with a queue and an end to tell something by; and the other end."""
    told, tell = mp.Pipe(duplex=False)
    process = mp.Process(target=target, args=(queue, tell))
    process.start()
    tell.close()
    return process, told


def _put_by_exit_handler(queue, tell):
    atexit.register(tell.send, "all have run")  # the one registered last is called first
    atexit.register(queue.put, "late")


@requirement("queues.exit.flushes-after-handlers")
def test_items_of_exit_handlers_are_flushed(mp):
    """What a function puts that the child has registered with ``atexit`` arrives, and the child ends with 0."""
    queue = mp.Queue()
    process, told = _telling(mp, _put_by_exit_handler, queue)
    assert outcome_of(told.recv) == ("returned", "all have run")
    process.join(mp.timeout / 20)  # implementations are known whose child never ends
    found = outcome_of(queue.get, timeout=SHORT)
    if process.exitcode is None:
        process.kill()
        process.join()
    assert (found, process.exitcode) == (("returned", "late"), 0)


def _put_when_run_has_returned(queue, tell):
    main, thread = threading.main_thread(), threading.get_native_id()

    def put():
        main.join()
        put_large(queue)
        tell.send((os.getpid(), thread, threading.get_native_id()))

    threading.Thread(target=put).start()


@requirement("queues.exit.flushes-after-threads")
def test_items_of_threads_are_flushed(mp):
    """What a thread of a child puts when run() has returned arrives; the child, which waits for that, ends with 0."""
    queue = mp.Queue()
    process, told = _telling(mp, _put_when_run_has_returned, queue)
    pid, main, late = told.recv()
    # Where there is no /proc it takes the main thread that waits for the other one for one that waits at its end.
    soon(mp, lambda: not os.path.exists(f"/proc/{pid}/task/{late}"), "the end of the thread")
    until_at_end(mp, pid, main)
    process.join(SHORT)
    assert process.exitcode is None
    getting = functools.partial(get_within, queue, mp.timeout)
    caller = CallerThread(mp, getting, "__call__")
    # Of a child that is only about to end, half an item may come, and no timeout of get() ends the wait for the rest.
    soon(mp, lambda: caller.has_returned, "all that was put")
    assert equal(caller.result(), [b"x" * LARGE, "end"])
    process.join()
    assert process.exitcode == 0


@requirement("queues.exit.flushes-after-exception")
def test_items_are_flushed_after_an_uncaught_exception(mp):
    """What a child has put arrives when its target raises as well."""
    queue = mp.Queue()
    process = ending(mp, put_much, queue, LookupError())
    assert is_much(get_much(queue))
    process.join()
    assert process.exitcode == 1


class _Late:
    """Can't be pickled, which is found out when somebody says so."""

    def __init__(self, told, report):
        self._told, self._report = told, report

    def __reduce_ex__(self, protocol):
        self._report.send("it is pickled")
        self._told.recv()
        message = "this can't be pickled"
        raise TypeError(message)


def _put_late_and_end(queue, told, report, path):
    """In a child: put what can't be pickled and what can, and come to the end."""
    sys.stderr = open(path, "w", encoding="utf-8")  # noqa: SIM115 - left for the child's end to flush
    try:
        queue.put(_Late(told, report))
    except TypeError as error:  # refusing it at once is as good as a traceback later
        sys.stderr.write(f"TypeError: {error}\n")
    queue.put("next")


@observed_once
def _ended_with_unpicklable(mp):
    """What comes of a child that ends while an object that it has put turns out to be unpicklable."""
    import pathlib
    import tempfile

    from mpspec.observing import wait_until_asleep

    queue = mp.Queue(2)
    told, tell = mp.Pipe(duplex=False)
    reporter, report = mp.Pipe(duplex=False)
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder, "stderr")
        process = mp.Process(target=_put_late_and_end, args=(queue, told, report, str(path)))
        process.start()
        reporter.recv()
        wait_until_asleep(
            process.pid, process.pid, mp.timeout
        )  # it has put all, or waits to be told
        tell.send("now")
        process.join()
        # All that was flushed is there when the child has ended.
        facts = {"next": outcome_of(queue.get, True, 0.1), "stderr": path.read_text("utf-8")}
    facts["slots"] = [outcome_of(queue.put_nowait, "item")[0] for _ in range(2)]
    queue.cancel_join_thread()
    return facts


@requirement("queues.exit.flushes-after-unpicklable")
def test_items_after_an_unpicklable_object_are_flushed_at_exit(mp):
    """What a child has put after an unpicklable object arrives, though it ends meanwhile."""
    assert _ended_with_unpicklable(mp)["next"] == ("returned", "next")


_kept = []


def _end_with_a_failure(mp, queue):
    """In a child: keep a listener whose file is gone, which can't be removed at the end; put, and come to the end."""
    sys.stderr = open(os.devnull, "w")  # noqa: SIM115 - for what is said of that, up to the end
    listener = mp.connection.Listener(family="AF_UNIX")
    os.unlink(listener.address)
    _kept.append(listener)
    put_large(queue)


@requirement("queues.exit.flushes-though-cleanup-fails")
def test_items_are_flushed_though_something_else_fails_at_exit(mp):
    """What a child has put arrives, and it ends with 0, though a listener that it has kept has lost its file."""
    queue = mp.Queue()
    process = mp.Process(target=_end_with_a_failure, args=(mp, queue))
    process.start()
    found = outcome_of(get_within, queue, mp.timeout / 2)
    assert equal(found, ("returned", [b"x" * LARGE, "end"]))
    process.join()
    assert process.exitcode == 0


@requirement("queues.exit.unpicklable-takes-no-slot")
def test_unpicklable_object_of_an_ended_child_keeps_no_slot(mp):
    """The slot of an unpicklable object that a child has put before its end is free."""
    assert _ended_with_unpicklable(mp)["slots"] == ["returned", "returned"]


@requirement("queues.exit.unpicklable-is-reported")
def test_unpicklable_object_of_an_ending_child_is_reported(mp):
    """An unpicklable object raises at once, or its traceback is written, though the child ends."""
    assert "TypeError: this can't be pickled" in _ended_with_unpicklable(mp)["stderr"]


def _put_and_cancel(mp, given):
    for queue in (given, mp.Queue()):
        put_much(queue)
        queue.cancel_join_thread()


@requirement("queues.cancel-join-thread.exit-does-not-wait")
def test_child_ends_unflushed_after_cancel_join_thread(mp):
    """After cancel_join_thread() of a queue, given or its own, a child ends although nobody gets what it has put.

    So does a program.
    """
    queue = mp.Queue()
    process = mp.Process(target=_put_and_cancel, args=(mp, queue))
    process.start()
    process.join()
    assert process.exitcode == 0
    assert _ended_main_process(mp) == "at its end"


def _cancel_in_main_process(mp):
    """In a new interpreter: what children do, in the main process."""
    _put_and_cancel(mp, mp.JoinableQueue())
    _cancel_and_put(mp, mp.JoinableQueue())
    return "at its end"


@observed_once
def _ended_main_process(mp):
    return call(_cancel_in_main_process, mp, timeout=mp.timeout)


def _cancel_and_put(mp, given):
    for queue in (given, mp.Queue()):
        queue.cancel_join_thread()
        put_much(queue)


@requirement("queues.cancel-join-thread.before-first-put")
def test_cancel_join_thread_may_come_before_the_first_put(mp):
    """cancel_join_thread() holds for what is put later, too, on a queue given or its own, and in a main process."""
    queue = mp.Queue()
    process = mp.Process(target=_cancel_and_put, args=(mp, queue))
    process.start()
    process.join()
    assert process.exitcode == 0
    assert _ended_main_process(mp) == "at its end"


def _put_cancel_join(mp, queues, report, *methods):
    queues = (*queues, mp.Queue(), mp.JoinableQueue())
    for queue in queues:
        put_much(queue)
        for method in methods:
            getattr(queue, method)()
        queue.join_thread()
    report.send("joined")


@requirement("queues.cancel-join-thread.join-thread-does-not-block")
def test_join_thread_does_nothing_after_cancel_join_thread(mp):
    """After cancel_join_thread(), join_thread() returns although nothing was flushed, closed before or after it.

    On queues of either kind, given or the process's own.
    """
    for methods in (("cancel_join_thread", "close"), ("close", "cancel_join_thread")):
        queues = (mp.Queue(), mp.JoinableQueue())
        reporter, report = mp.Pipe(duplex=False)
        process = mp.Process(target=_put_cancel_join, args=(mp, queues, report, *methods))
        process.start()
        assert reporter.recv() == "joined"
        process.join()


@requirement("queues.cancel-join-thread.items-still-flushed")
def test_nothing_is_lost_while_the_process_goes_on(mp):
    """After cancel_join_thread(), what was put before and after arrives as long as the process lives."""
    queue = mp.Queue()
    queue.put("x" * LARGE)
    queue.put("second")
    assert queue.cancel_join_thread() is None
    queue.put("last")
    found = [queue.get(timeout=mp.timeout) for _ in range(3)]
    assert equal(found, ["x" * LARGE, "second", "last"])


@requirement("queues.cancel-join-thread.in-one-process-only")
def test_cancel_join_thread_concerns_the_calling_process_alone(mp):
    """After cancel_join_thread() in the parent a child still flushes all that it has put."""
    queue = mp.Queue()
    queue.cancel_join_thread()
    process = ending(mp, put_large, queue)
    found = outcome_of(get_within, queue, mp.timeout)
    process.join()
    assert equal(found, ("returned", [b"x" * LARGE, "end"]))
