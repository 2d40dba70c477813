"""Tests of Process.start() and run()."""

import functools
import os
import signal
import sys
import threading

from mpspec.children import CallerThread, ask, observed_once, outcome_of, run
from mpspec.marks import requirement
from mpspec.programs import call
from mpspec.suite.process.helpers import do_nothing, record_call, send_arguments, subclassed
from mpspec.suite.process.observed import kin, life, recorded, told_by_kin


@requirement("process.start")
def test_start_runs_the_target_with_its_arguments(mp):
    """The child calls ``target(*args, **kwargs)``."""
    receiver, sender = mp.Pipe(duplex=False)
    process = mp.Process(target=send_arguments, args=(sender, 1, "two"), kwargs={"three": 3})
    process.start()
    received = receiver.recv()
    process.join()
    assert received == ((1, "two"), {"three": 3})


@requirement("process.start.another-process")
def test_start_uses_another_process(mp):
    """The target runs in a process with an id of its own."""
    assert told_by_kin(mp, "plain", "itself")["ids"][1] != os.getpid()


@requirement("process.start.own-memory")
def test_a_child_has_its_own_memory(mp):
    """A list that a child changes stays as it was in the parent."""
    assert told_by_kin(mp, "plain", "items") == ["parent", "child"]
    assert kin(mp)["items"] == ["parent"]


@requirement("process.start.at-most-once")
def test_start_twice(mp):
    """A second ``start()`` raises, while the process goes on and when it has ended, of a subclass too."""
    facts = life(mp)
    refusals = {"AssertionError", "RuntimeError", "ValueError"}
    found = {facts["while running"]["start"][0], facts["start again"][0], subclassed(mp)[4]}
    assert found <= refusals


@requirement("process.start.returns-none")
def test_start_returns_none(mp):
    """``start()`` gives None."""
    assert life(mp)["start"] is None


def _start_foreign(mp, connection, process):
    connection.send(outcome_of(process.start))


class _Argument:
    """Something that can be referred to weakly, and pickled."""


@requirement("process.start.drops-arguments")
def test_arguments_after_start(mp):
    """What only a process was given, to call or to call with, is gone in the parent once it was started."""
    import gc
    import weakref

    given = [_Argument() for _ in range(3)]
    target = functools.partial(_take, given[0], fourth=None)
    process = mp.Process(target=target, args=(given[1],), kwargs={"third": given[2]})
    references = [weakref.ref(each) for each in given]
    given.clear()
    del target
    gc.collect()
    assert None not in [reference() for reference in references]
    process.start()
    gc.collect()
    assert [reference() for reference in references] == [None] * 3
    process.join()
    assert process.exitcode == 0


def _take(*given, **named):
    """In a child: be called with all of them, and with what the target has for itself."""
    assert len(given) + len(named) == 4


@requirement("process.start.only-by-creator")
def test_start_in_another_process(mp):
    """A child can't start a process object that its parent created."""
    receiver, sender = mp.Pipe(duplex=False)
    foreign = mp.Process(target=do_nothing)
    run(mp, _start_foreign, mp, sender, foreign)
    kind, _ = receiver.recv()
    assert kind != "returned"


@requirement("process.start.parent-is-starter")
def test_parent_of_a_child(mp):
    """``os.getppid()`` in the child is the id of the process that started it."""
    assert told_by_kin(mp, "plain", "itself")["ids"][2] == os.getpid()


class _Recording:
    """Records as it is made, too."""

    def __init__(self, *args, **kwargs):
        record_call(*args, **kwargs)

    @classmethod
    def record(cls, *args, **kwargs):
        """Record what it is called with."""
        record_call(*args, **kwargs)


@requirement("process.run.overridden")
def test_overridden_run(mp):
    """The child calls the subclass's ``run()``."""
    _, thread, *_ = subclassed(mp)
    assert thread != threading.get_native_id()


@requirement("process.run.calls-target")
def test_run_called_directly(mp):
    """``run()`` calls the target, whatever kind of callable, where it is called, with its arguments.

    So it does when a subclass that overrides it calls it.
    """
    for target in (record_call, _Recording, _Recording.record, functools.partial(record_call)):
        made = mp.Process(target=target, args=(1, 2), kwargs={"three": 3})
        assert recorded(made) == [((1, 2), {"three": 3})]
    assert recorded(mp.Process(target=record_call, args=[1])) == recorded(
        mp.Process(target=record_call, args=(1,))
    )

    class Around(mp.Process):
        def run(self):
            super().run()

    assert recorded(Around(target=record_call, args=(1,))) == [((1,), {})]


class _FalseRecorder:
    """A callable that is false where a truth value is asked for, as a container of nothing is."""

    def __call__(self, *args, **kwargs):
        record_call(*args, **kwargs)

    def __len__(self):
        return 0


@requirement("process.run.target-that-is-false")
def test_run_of_a_target_that_is_false(mp):
    """``run()`` calls a target whose truth value is false: None alone stands for no target."""
    assert recorded(mp.Process(target=_FalseRecorder(), args=(1,))) == [((1,), {})]


@requirement("process.run.many-times")
def test_run_called_again(mp):
    """A second ``run()`` calls the target as the first did."""
    made = mp.Process(target=record_call, args=(1,), kwargs={"two": 2})
    made.run()
    assert recorded(made) == [((1,), {"two": 2})]


@requirement("process.start.default-timeout")
def test_default_timeout_of_sockets_does_not_matter(mp):
    """A child is joined, and a pool gives a large result, though new sockets of the program have a timeout."""
    import socket

    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(mp.timeout)
    try:
        # A wait that gives up at once may find ready what it waits for, now and then.
        assert [run(mp, do_nothing).exitcode for _ in range(3)] == [0] * 3
        with mp.Pool(1) as pool:
            assert len(pool.apply(bytes, (1 << 20,))) == 1 << 20
            pool.close()
            pool.join()
    finally:
        socket.setdefaulttimeout(before)


class _Bare:
    """What a program may put in the place of an output stream: it takes text, and no more."""

    def write(self, text):
        return len(text)


@requirement("process.start.without-output-streams")
def test_start_without_standard_streams(mp, monkeypatch):
    """A child starts, and ends with 0, while the standard streams are None, closed, or can only write."""
    with open(os.devnull, "w") as closed:
        pass
    exitcodes = []
    for stdin, stream in ((None, None), (closed, closed), (None, _Bare())):
        with monkeypatch.context() as patch:
            patch.setattr(sys, "stdin", stdin)
            for name in ("stdout", "stderr"):
                patch.setattr(sys, name, stream)
            exitcodes.append(run(mp, do_nothing).exitcode)
    assert exitcodes == [0, 0, 0]


def _options_of_interpreter():
    return [list(sys.flags), sys.warnoptions, sys._xoptions]


def _options_of_both(mp):
    return [_options_of_interpreter(), ask(mp, _options_of_interpreter)]


@observed_once
def _options(mp):
    """The options of a program's interpreter, and of its child's."""
    implementation = ("utf8", "no_debug_ranges", "frozen_modules=off", "int_max_str_digits=5000")
    options = ("-B", "-b", "-q", "-s", *(part for each in implementation for part in ("-X", each)))
    return call(_options_of_both, mp, timeout=mp.timeout, options=options)


@requirement("process.start.interpreter-flags")
def test_flags_of_a_childs_interpreter(mp):
    """``sys.flags`` and ``sys.warnoptions`` are in a child what they are in its parent."""
    (flags, warnings, _), (childs_flags, childs_warnings, _) = _options(mp)
    # What -X int_max_str_digits has set is a flag as well, and belongs to the other test.
    digits = flags.index(5000)
    del flags[digits], childs_flags[digits]
    assert childs_flags == flags
    assert childs_warnings == warnings


@requirement("process.start.x-options")
def test_implementation_options_of_a_childs_interpreter(mp):
    """The options -X of a child's interpreter are those of its parent's."""
    (*_, options), (*_, childs_options) = _options(mp)
    assert (options["no_debug_ranges"], options["frozen_modules"]) == (True, "off")
    assert childs_options == options


def _isolation():
    names = ("isolated", "ignore_environment", "no_user_site", "safe_path")
    return {name: getattr(sys.flags, name, None) for name in names}


def _isolation_of_both(mp):
    return [_isolation(), ask(mp, _isolation)]


@requirement("process.start.interpreter-isolated")
def test_isolated_interpreter_of_a_child(mp, tmp_path, monkeypatch):
    """A child of a program that runs with the option -I is isolated as that is.

    Where the environment does not count, a virtual one leads to what is under test.
    """
    import venv

    venv.create(tmp_path, symlinks=True)
    (site_packages,) = tmp_path.glob("lib/*/site-packages")
    folders = [folder for folder in sys.path if folder]
    (site_packages / "path.pth").write_text("\n".join(folders))
    monkeypatch.setattr(sys, "executable", str(tmp_path / "bin" / "python"))
    parents, childs = call(_isolation_of_both, mp, timeout=mp.timeout, options=("-I",))
    assert parents["isolated"] == 1
    assert childs == parents


@requirement("process.start.main-module-without-spec")
def test_start_from_a_main_module_without_spec(mp, monkeypatch):
    """A child starts though the main module has no ``__spec__``, as under a debugger."""
    monkeypatch.delattr(sys.modules["__main__"], "__spec__")
    assert run(mp, do_nothing).exitcode == 0


def _returns_though_child_ended(mp):
    """Whether start() comes back when the child, which is no Python, ends without reading a thing."""
    import psutil

    from mpspec.observing import is_zombie, wait_until

    mp.Lock()  # what helps the package has been started before the interpreter is another
    mp.set_executable("/bin/false")
    process = mp.Process(target=len, args=(bytes(1 << 20),))
    caller = CallerThread(mp, process, "start")
    itself = psutil.Process()
    wait_until(
        lambda: caller.has_returned or any(is_zombie(child.pid) for child in itself.children()),
        mp.timeout,
        "an ended child",
    )
    try:
        caller.until_blocked()
    except AssertionError:
        return True
    return False


@requirement("process.start.child-ends-at-once")
def test_start_of_a_child_that_ends_at_once(mp):
    """``start()`` with a large argument comes back though the child has ended without reading it."""
    assert call(_returns_though_child_ended, mp, timeout=mp.timeout) is True


def _mask_after_start(mp):
    blocked = {signal.SIGINT, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, blocked)
    run(mp, do_nothing)
    return blocked <= signal.pthread_sigmask(signal.SIG_BLOCK, ())


@requirement("process.start.keeps-signal-mask")
def test_start_keeps_the_signal_mask(mp):
    """Signals that the caller of ``start()`` has blocked stay blocked."""
    assert call(_mask_after_start, mp, timeout=mp.timeout) is True
