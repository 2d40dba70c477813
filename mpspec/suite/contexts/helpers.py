"""What several modules of the chapter contexts use."""

import os
import signal
import sys

from mpspec.children import ask, observed_once, outcome_of, run
from mpspec.programs import call


def command_line():
    with open("/proc/self/cmdline", "rb") as file:
        return file.read()


def names_of_descriptors():
    names = []
    for number in os.listdir("/proc/self/fd"):
        try:
            names.append(os.readlink(f"/proc/self/fd/{number}"))
        except FileNotFoundError:
            continue  # the listing's own
    return names


def pipe_name(descriptor):
    return os.readlink(f"/proc/self/fd/{descriptor}")


def count_descriptors(connection):
    connection.send(len(os.listdir("/proc/self/fd")))
    connection.recv()


def nothing(*args, **kwargs):
    """In a child: do nothing."""


def default_facts(mp):
    """In a new interpreter: what there is before anybody has chosen."""
    unfixed = [mp.get_start_method(allow_none=True), mp.get_start_method(True)]
    mp.get_context(method="spawn")
    still_unfixed = mp.get_start_method(allow_none=True)
    default = mp.get_start_method()
    fixed = mp.get_start_method(allow_none=True)
    return {
        "unfixed": unfixed,
        "after get_context(m)": still_unfixed,
        "default": default,
        "default context": [
            mp.get_context().get_start_method(),
            mp.get_context(None).get_start_method(),
            mp.get_context(method=None).get_start_method(),
        ],
        "fixed": fixed,
        "first": mp.get_all_start_methods()[0],
        "set after use": outcome_of(mp.set_start_method, "spawn")[0],
        "after that": mp.get_start_method(),
        "of contexts": [
            [
                mp.get_context(m).get_start_method(),
                mp.get_context(m).get_start_method(True),
                mp.get_context(m).get_start_method(allow_none=True),
            ]
            for m in ("fork", "spawn", "forkserver")
        ],
    }


def facts_of_program(mp, function, options=()):
    """The facts of a program, which all tests of a variant share."""
    key = (repr(mp), function)
    if key not in _known_facts:
        # It starts several children, some of them one after the other.
        _known_facts[key] = call(function, mp, timeout=2 * mp.timeout, options=options)
    return _known_facts[key]


_known_facts = {}


def set_facts(mp):
    """In a new interpreter: what comes of choosing the variant's method."""
    reader, _writer = os.pipe()
    os.set_inheritable(reader, True)
    method = mp.start_method
    other = "spawn" if method == "fork" else "fork"
    returned = mp.set_start_method(method=method)
    again = [outcome_of(mp.set_start_method, each)[0] for each in (other, method, None)]
    again += [
        outcome_of(mp.set_start_method, *arguments)[0]
        for arguments in ((other, False), (None, False))
    ]
    again.append(outcome_of(mp.set_start_method, other, force=False)[0])
    after = mp.get_start_method()
    child = told_by_child(mp)
    child_of_default = told_by_child(mp, mp.get_context())
    context = [mp.get_context(other).get_start_method(), mp.get_context().get_start_method()]
    outcome_of(mp.set_start_method, method=other, force=True)
    forced = [mp.get_start_method(), mp.get_context().get_start_method()]
    forced_child = told_by_child(mp)
    # The method of the child is the context's, not that of the program.
    methods_of_another = ask(mp, _methods, mp, other)
    outcome_of(mp.set_start_method, method, True)
    forced += [mp.get_start_method(), mp.get_context().get_start_method()]
    return {
        "returned": returned,
        "again": again,
        "after": after,
        "first": mp.get_all_start_methods()[0],
        "child": child,
        "child of default": child_of_default,
        "contexts": context,
        "forced": forced,
        "forced child": forced_child,
        "methods of another": methods_of_another,
        "inherits": pipe_name(reader) in child["descriptors"],
        "main": os.getpid(),
    }


def told_by_child(mp, context=None):
    """What a child of the package itself, or of a context, tells."""
    receiver, sender = mp.package.Pipe(duplex=False)
    process = (context or mp.package).Process(target=send_facts, args=(mp, sender))
    process.start()
    sender.close()
    facts = receiver.recv()
    process.join()
    return facts


def send_facts(mp, connection):
    connection.send(
        {
            "parent": os.getppid(),
            "command": command_line() == _command_line_of(os.getppid()),
            "method": mp.get_start_method(),
            "descriptors": names_of_descriptors(),
        }
    )


def _command_line_of(pid):
    with open(f"/proc/{pid}/cmdline", "rb") as file:
        return file.read()


def looks_started_by(facts, method):
    """Whether what a child tells of itself fits a start method."""
    child = facts["child"]
    by_main = child["parent"] == facts["main"]
    return {
        "fork": by_main and child["command"],
        "spawn": by_main and not child["command"],
        "forkserver": not by_main,
    }[method]


BY_NUMBER = ["fork", "spawn", "forkserver"]


def _exit_with_method(mp):
    sys.exit(10 + BY_NUMBER.index(mp.get_start_method()))


def _exit_codes_by_method(mp):
    codes = []
    for method in BY_NUMBER:
        process = mp.get_context(method).Process(target=_exit_with_method, args=(mp,))
        kind, _ = outcome_of(process.start)
        if kind == "returned":
            process.join()
        codes.append(process.exitcode if kind == "returned" else kind)
    return codes


def _start_from_a_child(mp):
    """In a new interpreter: what a child comes to that starts others by each method, when the program has done so."""
    own = _exit_codes_by_method(mp)
    return [own, ask(mp, _exit_codes_by_method, mp)]


@observed_once
def codes_by_method(mp):
    """The start methods of children started by each, and so of children of a child: exit codes of 10 and more."""
    return call(_start_from_a_child, mp, timeout=2 * mp.timeout)


def _methods(mp, other):
    """In a child: its method, which is fixed already, what setting another comes to, and its method when forced."""
    method = mp.get_start_method(allow_none=True)
    again, _ = outcome_of(mp.set_start_method, other)
    outcome_of(mp.set_start_method, other, force=True)
    return [method, again, mp.get_start_method()]


def origin_of(pid):
    """How a living process came to be, as the system tells."""
    with open(f"/proc/{pid}/status") as file:
        fields = dict(line.split(":", 1) for line in file)
    parent = int(fields["PPid"])
    return {"parent": parent, "command": _command_line_of(pid) == _command_line_of(parent)}


def server_facts(mp):
    """In a new interpreter: who serves it when its fork server and resource tracker are interrupted, then killed."""
    from mpspec.observing import has_ended, wait_until

    # A shell starts what runs in the background with SIGINT ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    mp.context.set_forkserver_preload([_UNLIKELY])
    server = ask(mp, os.getppid)
    ours, theirs = mp.Pipe()
    child = mp.Process(target=_answer, args=(theirs,))
    child.start()
    ours.recv()
    trackers = pids_of_helpers() - {server}
    kill_all(trackers, signal.SIGTERM)
    kill_all({server, *trackers}, signal.SIGINT)
    handled = ask(mp, _interrupt_handler)
    after_interrupt = ask(mp, os.getppid)
    outlive = not any(has_ended(each) for each in trackers)
    kill_all({server, *trackers}, signal.SIGKILL)
    for each in {server, *trackers}:
        wait_until(lambda each=each: has_ended(each), mp.timeout, f"{each} gone")
    made, _ = outcome_of(make_and_destroy, mp)
    ours.send("go on")
    answer = ours.recv()
    child.join(mp.timeout / 2)
    another, loaded = ask(mp, _look_for_preloaded)
    return {
        "child": [answer, child.is_alive(), child.exitcode is not None],
        "outlives": after_interrupt == server,
        "trackers": [len(trackers), outlive],
        "handled": handled,
        "made": made,
        "another": another not in {server, os.getpid()},
        "preloaded": [_UNLIKELY in sys.modules, loaded],
    }


_UNLIKELY = "colorsys"  # a module that nothing needs


def _look_for_preloaded():
    return os.getppid(), _UNLIKELY in sys.modules


def _answer(connection):
    connection.send("here")
    connection.send(connection.recv())


def pids_of_helpers():
    """The children of this program that no Process object stands for."""
    import psutil

    return {child.pid for child in psutil.Process().children()}


def kill_all(pids, signum):
    for pid in pids:
        os.kill(pid, signum)


def make_and_destroy(mp):
    """Make a segment, which somebody has to keep track of, and destroy it."""
    segment = mp.shared_memory.SharedMemory(create=True, size=1)
    segment.close()
    segment.unlink()
    return os.getpid()


def _interrupt_handler():

    # A handler of the server's own would have set where signals wake it up.
    is_woken = signal.set_wakeup_fd(-1) != -1
    return not is_woken and signal.getsignal(signal.SIGINT) is signal.default_int_handler


LEFTOVERS = """
if __name__ == "__main__":
    from mpspec.suite.contexts.tracker import leave_and_be_killed

    leave_and_be_killed(mp)
"""


@observed_once
def what_is_left(mp):
    """A killed program whose child goes on a while: what it has told, and then what the child has."""
    import json

    from mpspec.programs import run_script

    done = run_script(mp, LEFTOVERS)
    told, seen = map(json.loads, done.stdout.splitlines())
    return *told, *seen


def method_after_start(mp):
    """In a new interpreter: how its first child starts while ``sys.stderr`` has no descriptor, and the method then."""
    import io

    stderr, sys.stderr = sys.stderr, io.StringIO()
    kind, _ = outcome_of(run, mp, nothing)
    sys.stderr = stderr
    if kind != "returned":
        run(mp, nothing)
    return [kind, mp.get_start_method(allow_none=True)]
