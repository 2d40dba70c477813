"""Tests of a manager's server: start(), get_server(), shutdown(), join()."""

import functools
import gc
import os
import signal
import threading
import time
import warnings

from mpspec.children import CallerThread, observed_once, raises
from mpspec.marks import requirement
from mpspec.suite.managers.helpers import (
    connect_to,
    default_manager,
    life,
    life_after_death,
    life_at,
    life_of_a_started_one,
)
from mpspec.suite.managers.workshop import (
    bare_manager,
    fail_broken,
    process_of,
    queue_client,
    started_by,
    started_manager,
)


@requirement("managers.start.starts-a-process")
def test_start_starts_the_server(mp, workshop):
    """``start()`` starts a process, which holds the objects that are created from then on."""
    process = process_of(mp, workshop)
    assert process.is_alive()
    assert process.pid != os.getpid()


@requirement("managers.start.initializer")
def test_start_calls_the_initializer_in_the_server(mp, socket_path):
    """The server's process calls ``initializer(*initargs)`` once when it starts, ``initializer()`` by default."""
    facts = life(mp)
    assert facts["told"] == (facts["pid"], ("one", None))
    assert facts["told again"] is False
    assert life_at(mp, socket_path)["sum"] == 7
    assert default_manager(mp)["initialized"] == "called"


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
    assert life(mp)["told at once"] is True


def _start_with_failing_initializer(mp):
    manager = mp.managers.BaseManager(ctx=mp.context)
    with raises(EOFError):
        manager.start(fail_broken)


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
    facts = life(mp)
    assert issubclass(facts["created before start"], Exception)
    assert issubclass(facts["created after shutdown"], Exception)


@requirement("managers.get-server.before-start")
def test_server_of_a_started_manager(mp):
    """A manager that was started, or shut down, gives no server of its own."""
    facts = life(mp)
    assert issubclass(facts["server of a started one"], Exception)
    assert issubclass(facts["server after shutdown"], Exception)


@requirement("managers.get-server.before-start-error")
def test_server_of_a_started_manager_error(mp):
    """The error is a ProcessError."""
    facts = life(mp)
    assert issubclass(facts["server of a started one"], mp.ProcessError)
    assert issubclass(facts["server after shutdown"], mp.ProcessError)


@requirement("managers.context.after-shutdown")
def test_with_after_shutdown(mp):
    """A manager that was shut down can't be entered."""
    facts = life(mp)
    assert issubclass(facts["entered after shutdown"], Exception)
    assert facts["alive at last"] is False


@requirement("managers.context.after-shutdown-error")
def test_with_after_shutdown_error(mp):
    """The error is a ProcessError."""
    assert issubclass(life(mp)["entered after shutdown"], mp.ProcessError)


@requirement("managers.start.only-once")
def test_start_twice(mp):
    """A manager that has been started is not started again, nor after it was shut down."""
    facts = life(mp)
    assert issubclass(facts["started again"], Exception)
    assert facts["children more"] == 0
    assert facts["sum"] == 7
    assert issubclass(facts["started after shutdown"], Exception)


@requirement("managers.start.only-once-error")
def test_start_twice_error(mp):
    """The error is a ProcessError."""
    facts = life(mp)
    assert issubclass(facts["started again"], mp.ProcessError)
    assert issubclass(facts["started after shutdown"], mp.ProcessError)


@requirement("managers.start.survives-interrupt")
def test_server_survives_an_interrupt(mp):
    """SIGINT, as a Ctrl-C sends it to all processes of a terminal, does not end the server."""
    manager, process = started_by(mp, lambda: started_manager(mp))
    os.kill(process.pid, signal.SIGINT)
    process.join(0.1)
    assert process.is_alive()
    maths = manager.Maths()
    assert maths.add(4, 3) == 7
    del maths
    manager.shutdown()
    assert process.exitcode == 0


@requirement("managers.shutdown.stops-the-process")
def test_shutdown_stops_the_server(mp):
    """``shutdown()`` stops the server's process."""
    facts = life(mp)
    assert facts["alive"] is False
    assert facts["exitcode"] == 0


@requirement("managers.shutdown.repeated")
def test_shutdown_twice(mp):
    """``shutdown()`` can be called again."""
    facts = life(mp)
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
    for other in (connect_to(mp, manager.address), unused, asked):
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
    _, process = started_by(mp, lambda: manager.start(_end_when_told, (receiver,)))
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
        _, process = started_by(mp, functools.partial(manager.start, initializer))
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


@requirement("managers.join")
def test_join_waits_for_the_server(mp, socket_path):
    """``join(timeout)`` waits for the server's process, no longer than the timeout."""
    facts = life_after_death(mp, socket_path)
    assert facts["joined in time"] == ("returned", None)
    assert facts["alive"] is True
    assert facts["alive after"] is False
    assert facts["joined again"] is type(None)


@requirement("managers.start.at-a-former-address")
def test_start_at_a_former_address(mp, socket_path):
    """A manager serves at the address of one that was shut down, though a proxy of that one is left."""
    assert life_after_death(mp, socket_path)["put at a former address"] == ("returned", None)


@observed_once
def _life_in_with(mp):
    """What comes of a manager whose with block is entered and left."""
    manager = bare_manager(mp)(ctx=mp.context)
    before = {child.pid for child in mp.active_children()}
    with manager as entered:
        [process] = [child for child in mp.active_children() if child.pid not in before]
        facts = {"manager entered": entered is manager, "alive": process.is_alive()}
        facts["sum"] = manager.Maths().add(4, 3)
    facts["alive after"], facts["exitcode"] = process.is_alive(), process.exitcode
    with started_manager(mp) as manager:
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


@requirement("managers.context.already-started")
def test_with_does_not_start_again(mp):
    """Entering a manager that has been started starts nothing."""
    facts = life_of_a_started_one(mp)
    assert facts["children more"] == 0
    assert facts["alive within"] is True


@requirement("managers.context.exit-by-exception")
def test_with_lets_exceptions_through(mp):
    """An exception that leaves the block of a manager shuts it down, and goes on."""
    facts = life_of_a_started_one(mp)
    assert facts["error"] is LookupError
    assert facts["alive after"] is False


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


@requirement("managers.get-server.address")
def test_server_address(mp, queue_server):
    """A server has an attribute ``address``, which tells where it listens."""
    client = queue_client(mp, queue_server)
    client.connect()
    assert client.address == queue_server


@requirement("managers.get-server.as-given")
def test_server_of_given_arguments(mp, queue_server, tmp_path):
    """A server listens at the address that the manager was given, and speaks as the serializer says."""
    first, address = queue_client(mp, queue_server), str(tmp_path / "socket")
    first.connect()
    assert first.serve_at(address, "xmlrpclib").address() == address
    second = queue_client(mp, address, serializer="xmlrpclib")
    second.connect()
    shared = second.get_queue()
    shared.put((1, 2))
    assert first.get_queue().get() == [1, 2]
    first.get_queue().put("hello")
    assert shared.get() == "hello"
    host, port = first.serve_at(("127.0.0.1", 0), "pickle").address()
    assert (host, port > 0) == ("127.0.0.1", True)
    queue_client(mp, ("localhost", port)).connect()


@requirement("managers.get-server.serve-forever")
def test_serve_forever(mp, queue_server):
    """``get_server().serve_forever()`` serves one client after the other in the process that calls it."""
    for number in range(2):
        client = queue_client(mp, queue_server)
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
