"""Tests of the three start methods."""

import os
import pickle
import signal
import sys
import threading

from mpspec.children import Unpicklable, ask, observed_once, outcome_of, raises, run
from mpspec.marks import requirement
from mpspec.programs import call
from mpspec.suite.contexts.helpers import (
    codes_by_method,
    command_line,
    count_descriptors,
    default_facts,
    facts_of_program,
    kill_all,
    method_after_start,
    names_of_descriptors,
    nothing,
    pipe_name,
    server_facts,
    set_facts,
    what_is_left,
)

_state = "as imported"


def _read_state():
    return _state


@requirement("contexts.spawn.fresh-interpreter")
def test_state_of_modules_in_a_fresh_child(mp):
    """A module is in the child as its import leaves it, whatever the parent did to it."""
    global _state
    _state = "changed by the parent"
    seen = ask(mp, _read_state)
    _state = "as imported"
    assert seen == "as imported"


@requirement("contexts.spawn.interpreter-is-started")
def test_command_line_of_a_spawned_child(companion):
    """A spawned child has a command line of its own, with the interpreter first."""
    command = companion.ask(command_line)
    assert command != command_line()
    assert command.split(b"\0")[0].decode() == sys.executable


@requirement("contexts.spawn.no-unneeded-descriptors")
def test_descriptors_in_a_fresh_child(mp):
    """A pipe that is no argument is not open in the child, though it is inheritable."""
    reader, writer = os.pipe()
    os.set_inheritable(reader, True)
    names = ask(mp, names_of_descriptors)
    mine = pipe_name(reader)
    os.close(reader)
    os.close(writer)
    assert mine not in names
    assert (
        facts_of_program(mp, set_facts)["inherits"] is False
    )  # nor is it in the first child of a program


def _send(connection, words, *_):
    connection.send(words)


@observed_once
def _sent_by_fresh_child(mp):
    """What a child has sent over a connection: an argument that was changed when the process object had been made."""
    receiver, sender = mp.Pipe(duplex=False)
    others = [end for _ in range(20) for end in mp.Pipe()]
    words = ["when it was made"]
    process = mp.Process(target=_send, args=(sender, words, *others))
    words.append("when it was started")
    process.start()
    process.join()
    sender.close()
    received = receiver.recv()
    for end in others:
        end.close()
    return received


@requirement("contexts.spawn.no-descriptors-of-siblings")
def test_descriptors_of_siblings(mp):
    """Three children that live at the same time have equally many descriptors."""
    running, counts = [], []
    for _ in range(3):
        ours, theirs = mp.Pipe()
        process = mp.Process(target=count_descriptors, args=(theirs,))
        process.start()
        theirs.close()
        counts.append(ours.recv())
        running.append((ours, process))
    for ours, process in running:
        ours.send("end")
        process.join()
    assert len(set(counts)) == 1


@requirement("contexts.spawn.needed-descriptors")
def test_connection_in_a_fresh_child(mp):
    """A connection among the arguments works in the child, among many others."""
    assert _sent_by_fresh_child(mp)[0] == "when it was made"


@requirement("contexts.spawn.pickles-arguments")
def test_arguments_that_cannot_be_pickled(mp):
    """``start()`` raises when an argument, by position or by name, or the target, can't be pickled.

    It pickles them as they are then.
    """
    for process in (
        mp.Process(target=nothing, args=(_generator(),)),
        mp.Process(target=nothing, kwargs={"given": _generator()}),
        mp.Process(target=_generator()),
    ):
        with raises(Exception):
            process.start()
    assert _sent_by_fresh_child(mp) == ["when it was made", "when it was started"]


def _generator():
    yield


@requirement("contexts.spawn.failed-start-leaves-no-child")
def test_no_child_after_a_failed_start(mp, companion):
    """After a ``start()`` that raised there is no active child but the one that was there."""
    before = set(mp.active_children())
    assert before
    with raises(Exception):
        mp.Process(target=nothing, args=(_generator(),)).start()
    assert set(mp.active_children()) == before


@requirement("contexts.spawn.failed-start-leaves-no-trace")
def test_pickling_after_a_failed_start(mp):
    """After a ``start()`` that raised, locks and keys are refused by pickle, and connections can be sent, as before.

    So it is after one that a Ctrl-C has ended while it pickled.
    """
    for argument in (_generator(), Unpicklable(KeyboardInterrupt)):
        with raises(Exception, KeyboardInterrupt):
            mp.Process(target=nothing, args=(argument,)).start()
        for refused in (mp.Lock(), mp.current_process().authkey):
            with raises(RuntimeError, TypeError):
                pickle.dumps(refused)
    (receiver, sender), (travelling, other) = mp.Pipe(duplex=False), mp.Pipe()
    sender.send(travelling)
    received = receiver.recv()
    travelling.close()
    received.send("over the one received")
    assert other.recv() == "over the one received"


class _SenderFromAnotherThread:
    """Sends a queue by another thread while it is pickled itself, which it refuses to be."""

    def __init__(self, mp):
        self._connection, self._other = mp.Pipe()
        self._queue = mp.Queue()
        self.outcome = None

    def __reduce__(self):
        thread = threading.Thread(target=self._send)
        thread.start()
        thread.join()
        raise TypeError

    def _send(self):
        self.outcome, _ = outcome_of(self._connection.send, self._queue)


@requirement("contexts.spawn.start-is-of-one-thread")
def test_other_threads_while_one_starts_a_process(mp):
    """A queue is refused by the connection through which another thread sends it while ``start()`` pickles."""
    argument = _SenderFromAnotherThread(mp)
    with raises(TypeError):
        mp.Process(target=nothing, args=(argument,)).start()
    assert argument.outcome == "RuntimeError"


def _path():
    return sys.path


@requirement("contexts.spawn.module-path")
def test_module_path_of_a_fresh_child(mp):
    """A folder that the parent put first on ``sys.path`` comes first on the child's, the others in their order."""
    added = "/a folder that is nowhere else"
    sys.path.insert(0, added)
    path = ask(mp, _path)
    mine = [folder for folder in sys.path if folder]
    sys.path.remove(added)
    assert [folder for folder in path if folder in mine] == mine


@requirement("contexts.fork.identical-to-parent")
def test_state_of_modules_in_a_forked_child(mp):
    """A forked child sees what the parent did to a module, and handles signals as its parent does."""
    global _state
    _state = "changed by the parent"
    seen = ask(mp, _read_state)
    _state = "as imported"
    assert seen == "changed by the parent"
    before = {number: signal.signal(number, nothing) for number in _HANDLED}
    try:
        assert ask(mp, _read_handlers) == _read_handlers()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


# The signals that a program may get from its terminal, or from who wants it to end.
_HANDLED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)


def _read_handlers():
    return [str(signal.getsignal(number)) for number in (*_HANDLED, signal.SIGCHLD)]


@requirement("contexts.fork.inherits-descriptors")
def test_descriptors_in_a_forked_child(mp):
    """A pipe of the parent's is open in the child, though nobody gave it."""
    reader, writer = os.pipe()
    names = ask(mp, names_of_descriptors)
    mine = pipe_name(reader)
    os.close(reader)
    os.close(writer)
    assert mine in names


@requirement("contexts.fork.needs-no-pickling")
def test_unpicklable_target_of_a_forked_child(mp):
    """A lambda may be the target, and a generator an argument."""
    receiver, sender = mp.Pipe(duplex=False)
    run(mp, lambda generator: sender.send(next(generator)), iter(["from a generator"]))
    assert receiver.recv() == "from a generator"


def _read_twice(waiting, sender):
    before = _state
    sender.send("began")
    waiting.recv()
    sender.send((before, _state))


@requirement("contexts.fork.state-of-the-moment")
def test_later_changes_do_not_show_in_a_forked_child(mp):
    """What the parent changes after ``start()`` stays with the parent."""
    global _state
    receiver, sender = mp.Pipe(duplex=False)
    waiting, tell = mp.Pipe(duplex=False)
    _state = "before start"
    process = mp.Process(target=_read_twice, args=(waiting, sender))
    process.start()
    receiver.recv()
    _state = "after start"
    tell.send("look again")
    seen = receiver.recv()
    process.join()
    _state = "as imported"
    assert seen == ("before start", "before start")


@requirement("contexts.forkserver.server-is-parent")
def test_parent_of_forkserver_children(mp, companion):
    """Two children have one parent, which is not the process that started them."""
    first, second = companion.ask(os.getppid), ask(mp, os.getppid)
    assert first == second
    assert first != os.getpid()


def _threads_of_parent():
    return len(os.listdir(f"/proc/{os.getppid()}/task"))


@requirement("contexts.forkserver.server-of-grandchildren")
def test_parent_of_forkserver_grandchildren(mp, companion):
    """A child's child is forked by the server that has forked the child, and that goes on when both have ended.

    The child first, killed: nobody is left who would take the exit code of its own child.
    """
    from mpspec.observing import has_ended, wait_until

    assert ask(mp, ask, mp, os.getppid) == companion.ask(os.getppid)
    ours, theirs = mp.Pipe()
    run(mp, _leave_child_behind, mp, theirs)
    grandchild, server = ours.recv()
    ours.send("end")
    wait_until(lambda: has_ended(grandchild), mp.timeout, "the child of the killed one ended")
    assert ask(mp, os.getppid) == companion.ask(os.getppid) == server


def _leave_child_behind(mp, connection):
    """In a child: start one that tells of itself and waits, and be killed."""
    receiver, sender = mp.Pipe(duplex=False)
    mp.Process(target=_tell_and_wait, args=(connection, sender)).start()
    receiver.recv()
    os.kill(os.getpid(), signal.SIGKILL)


def _tell_and_wait(connection, sender):
    connection.send((os.getpid(), os.getppid()))
    sender.send("told")
    connection.recv()


@requirement("contexts.forkserver.single-threaded")
def test_threads_of_the_fork_server(companion):
    """The parent of a forkserver child has one thread."""
    assert companion.ask(_threads_of_parent) == 1


def _change_state():
    global _state
    _state = "changed by a child"
    return _state


@requirement("contexts.forkserver.state-of-server")
def test_forkserver_children_do_not_share_state(mp):
    """What one child changed is unchanged in the next."""
    assert ask(mp, _change_state) == "changed by a child"
    assert ask(mp, _read_state) == "as imported"


@requirement("contexts.child.same-method")
def test_start_method_in_a_child(mp):
    """``get_start_method()`` in a child gives the method that it was started by, whatever its parent's is."""
    facts = facts_of_program(mp, set_facts)
    assert facts["child"]["method"] == facts["methods of another"][0] == mp.start_method
    # By whichever a child, or a child's child, was started, and whichever the one before.
    # That all of them can be started is another test's matter.
    for codes in codes_by_method(mp):
        started = [
            (10 + number, code) for number, code in enumerate(codes) if isinstance(code, int)
        ]
        assert started
        assert [code for _, code in started] == [code for code, _ in started]


def _begin_facts(connection):
    connection.send(
        {
            "folder": os.getcwd(),
            "arguments": sys.argv,
            "flags": [sys.flags.optimize, sys.flags.no_user_site, sys.flags.utf8_mode],
            "warnings": sys.warnoptions,
            "main thread": threading.current_thread() is threading.main_thread(),
        }
    )


_ARGUMENTS = ["first"], ["program", "", "argument \N{SNOWMAN}"], ["below"]


def _begin_facts_twice(mp, connection):
    _begin_facts(connection)
    os.chdir("/usr")
    sys.argv = _ARGUMENTS[2]
    process = mp.Process(target=_begin_facts, args=(connection,))
    process.start()
    process.join()


def _facts_of_beginnings(mp):
    """In a new interpreter: what a child begins with, after another one was started elsewhere.

    And what a child of its own begins with, before which it has gone elsewhere.
    """
    found = []
    receiver, sender = mp.Pipe(duplex=False)
    for folder, arguments, target, args in (
        ("/usr", _ARGUMENTS[0], _begin_facts, ()),
        ("/", _ARGUMENTS[1], _begin_facts_twice, (mp,)),
    ):
        os.chdir(folder)
        sys.argv = arguments
        # The first one is daemonic, and another thread starts it.
        process = mp.Process(target=target, args=(*args, sender), daemon=not args)
        if args:
            process.start()
        else:
            thread = threading.Thread(target=process.start)
            thread.start()
            thread.join()
        found.append(receiver.recv())
        process.join()
    return [*found, receiver.recv()]


_WARNINGS = ["ignore::BytesWarning", "ignore::EncodingWarning"]
OPTIONS = ("-O", "-s", "-X", "utf8", *(f"-W{each}" for each in _WARNINGS))


@requirement("contexts.child.working-directory")
def test_working_directory_of_a_child(mp):
    """``os.getcwd()`` in a child, or a child's child, gives the folder that its parent was in at the start."""
    facts = facts_of_program(mp, _facts_of_beginnings, OPTIONS)
    assert [each["folder"] for each in facts] == ["/usr", "/", "/usr"]


@requirement("contexts.child.main-thread")
def test_main_thread_of_a_child(mp):
    """A target runs in ``threading.main_thread()`` of its child, be it started by the main thread or by another."""
    facts = facts_of_program(mp, _facts_of_beginnings, OPTIONS)
    assert [each["main thread"] for each in facts] == [True] * 3


@requirement("contexts.child.arguments")
def test_arguments_of_a_child(mp):
    """``sys.argv`` in a child, or a child's child, is what it is in its parent at the start."""
    facts = facts_of_program(mp, _facts_of_beginnings, OPTIONS)
    assert [each["arguments"] for each in facts] == list(_ARGUMENTS)


@requirement("contexts.child.interpreter-options")
def test_options_of_a_childs_interpreter(mp):
    """A child's interpreter has -O, -s, -X utf8 and each -W of its parent's, and so has that of a child's child."""
    facts = facts_of_program(mp, _facts_of_beginnings, OPTIONS)
    assert [each["flags"] for each in facts] == [[1, 1, 1]] * 3
    assert [{*_WARNINGS} <= {*each["warnings"]} for each in facts] == [True] * 3


@requirement("contexts.forkserver.started-anew")
def test_fork_server_is_started_anew(mp):
    """After the fork server was killed children are forked by another one, which has preloaded what that had."""
    facts = facts_of_program(mp, server_facts)
    assert facts["another"] is True
    assert facts["preloaded"] == [False, True]


@requirement("contexts.forkserver.child-outlives-server")
def test_child_outlives_the_fork_server(mp):
    """A child whose fork server was killed answers; it is found ended when it has, with an exit code."""
    assert facts_of_program(mp, server_facts)["child"] == ["go on", False, True]


def _end_together(mp):
    """In a new interpreter: the exit codes of children killed while their server was stopped; a next one's."""
    from mpspec.observing import has_ended, is_stopped, wait_until

    processes = [mp.Process(target=signal.pause) for _ in range(6)]
    for process in processes:
        process.start()
    pids = [process.pid for process in processes]
    server = ask(mp, os.getppid)
    os.kill(server, signal.SIGSTOP)
    try:
        wait_until(lambda: is_stopped(server), mp.timeout, "the server stopped")
        kill_all(pids, signal.SIGKILL)
        wait_until(lambda: all(map(has_ended, pids)), mp.timeout, "the children ended")
    finally:
        os.kill(server, signal.SIGCONT)
    for process in processes:
        process.join(mp.timeout / 8)
    return [process.exitcode for process in processes], run(mp, nothing).exitcode


@requirement("contexts.forkserver.ends-at-once")
def test_children_of_the_fork_server_that_end_at_once(mp):
    """Six children that have ended when the server looks are joined, each with its exit code; the next ends with 0."""
    codes = call(_end_together, mp, timeout=mp.timeout)
    assert codes == [[-signal.SIGKILL] * 6, 0]


@requirement("contexts.forkserver.ignores-interrupts")
def test_fork_server_outlives_an_interrupt(mp):
    """The server is the same after SIGINT; its children raise KeyboardInterrupt as usual."""
    facts = facts_of_program(mp, server_facts)
    assert (facts["outlives"], facts["handled"]) == (True, True)


def _start_with_a_thread(mp):
    """In a new interpreter: what is warned of when a process starts without another thread, and with one."""
    import warnings

    release = threading.Event()
    thread = threading.Thread(target=release.wait)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        run(mp, nothing)
        before = len(caught)
        thread.start()
        run(mp, nothing)
    release.set()
    thread.join()
    return [before, [warning.category.__name__ for warning in caught]]


@requirement("contexts.fork.warns-with-threads")
def test_fork_with_threads_warns(mp):
    """``start()`` warns of the threads that the child will not have, and of nothing when there are none."""
    before, kinds = call(_start_with_a_thread, mp, timeout=mp.timeout)
    assert (before, "DeprecationWarning" in kinds) == (0, True)


@requirement("contexts.spawn.no-warning-with-threads")
def test_start_with_threads_does_not_warn(mp):
    """``start()`` warns of nothing by the other methods, whether there are threads or not."""
    assert call(_start_with_a_thread, mp, timeout=mp.timeout) == [0, []]


def _note_of_hooks(mp):
    """Under fork: which hooks of ``os.register_at_fork`` were called, as a child has it, and its parent."""
    called = []
    os.register_at_fork(
        before=lambda: called.append("before"),
        after_in_parent=lambda: called.append("in the parent"),
        after_in_child=lambda: called.append("in the child"),
    )
    return [ask(mp, lambda: called), called]


@requirement("contexts.fork.hooks")
def test_hooks_of_a_fork(mp):
    """What ``os.register_at_fork`` has registered is called once: before the fork, in the parent, in the child."""
    seen = ask(mp, _note_of_hooks, mp)
    assert seen == [["before", "in the child"], ["before", "in the parent"]]


@requirement("contexts.helpers.end-with-program")
def test_helpers_end_with_the_program(mp):
    """The processes that helped a program are gone when its processes were killed, first the main one, then a child."""
    from mpspec.observing import has_ended, wait_until

    helpers = what_is_left(mp)[2]
    wait_until(lambda: all(map(has_ended, helpers)), mp.timeout / 2, f"{helpers} ended")


@requirement("contexts.spawn.stderr-replaced")
def test_first_child_while_stderr_is_replaced(mp):
    """The first child of a program starts while ``sys.stderr`` is a ``StringIO``."""
    assert facts_of_program(mp, method_after_start)[0] == "returned"


@observed_once
def _beside_a_namesake(mp):
    """A program that starts a child in a folder with a module called as the package, and has hooks for forks."""
    import tempfile
    from pathlib import Path

    with tempfile.TemporaryDirectory() as folder:
        top, _, _ = mp.package.__name__.partition(".")
        Path(folder, f"{top}.py").write_text("raise SystemExit(9)\n")
        return call(_start_in, mp, folder, timeout=mp.timeout)


def _start_in(mp, folder):
    """In a new interpreter: the outcome of starting a child there, and how often the hook was called."""
    calls = []
    os.register_at_fork(before=lambda: calls.append("before"))
    mp.Lock()
    os.chdir(folder)
    kind, process = outcome_of(run, mp, nothing)
    return [kind, getattr(process, "exitcode", None), calls]


@requirement("contexts.spawn.working-directory-is-not-searched")
def test_module_in_the_working_directory(mp):
    """A child starts where a module lies that is called as the package, and which would end it with 9."""
    assert _beside_a_namesake(mp)[:2] == ["returned", 0]


@requirement("contexts.spawn.no-fork-hooks")
def test_hooks_for_forks_of_a_program_that_does_not_fork(mp):
    """Neither making a lock nor starting a child calls a hook of ``os.register_at_fork``."""
    assert _beside_a_namesake(mp)[2] == []


def _start_with_much_to_tell(mp):
    sys.argv = ["program", *["x" * 1000] * 300]
    return run(mp, nothing).exitcode


@requirement("contexts.spawn.large-argv")
def test_child_of_a_program_with_many_arguments(mp):
    """A child starts when the program has 300 arguments of 1000 characters."""
    assert call(_start_with_much_to_tell, mp, timeout=mp.timeout) == 0


FROM_ITS_FOLDER = """
import os, sys

package = mp.package  # the program has imported it before it leaves the folder

def greet():
    # The folder is first of all in the child as well.
    is_first = sys.path[0] == os.path.dirname(__file__)
    print("hello" if is_first else sys.path, flush=True)

def start():
    process = mp.Process(target=greet)
    process.start()
    process.join()
"""


@requirement("contexts.spawn.module-path-of-command")
def test_module_path_of_a_command(mp):
    """A child of ``python -c`` finds a module of the folder that the command began in, and has left; its path stays."""
    from mpspec.programs import run_script

    command = "import os, program, sys; os.chdir('/'); program.start(); print('' in sys.path)"
    done = run_script(mp, FROM_ITS_FOLDER, arguments=("-c", command))
    assert (done.stdout, done.stderr) == ("hello\nTrue\n", "")


@requirement("contexts.spawn.program-on-standard-input")
def test_program_on_standard_input(mp):
    """A child of a program that the interpreter reads from its standard input runs a function of a module."""
    from mpspec.programs import run_script

    program = "import program\nif __name__ == '__main__':\n    program.start()\n"
    done = run_script(mp, FROM_ITS_FOLDER, program, arguments=("-",))
    assert done.stdout == "hello\n", done.stderr


@requirement("contexts.parameters")
def test_parameters_of_start_method_functions(mp):
    """method, force and allow_none by position and by name, and left out."""
    unfixed, chosen = facts_of_program(mp, default_facts), facts_of_program(mp, set_facts)
    other = "spawn" if mp.start_method == "fork" else "fork"
    assert unfixed["unfixed"] == [None, None]
    assert unfixed["default context"] == [unfixed["default"]] * 3
    assert (chosen["after"], chosen["again"]) == (mp.start_method, ["RuntimeError"] * 6)
    assert chosen["forced"][::2] == [other, mp.start_method]
