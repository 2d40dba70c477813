"""Tests of terminate(), kill() and interrupt()."""

import contextlib
import signal
import sys

from mpspec.children import AT_ONCE, observed_once, raises, within
from mpspec.marks import requirement
from mpspec.programs import call
from mpspec.suite.process.helpers import (
    ignore_sigterm,
    let_handlers_run,
    outcome_unstarted,
    redirected,
)
from mpspec.suite.process.observed import killed, life, live_noisily, reaped, terminated


@requirement("process.terminate.reaped-elsewhere")
def test_terminate_though_others_reaped_it(mp):
    """``join()`` returns for a child that ``os.waitpid`` has reaped; ``terminate()`` and ``kill()`` do nothing."""
    assert reaped(mp)[2][1:] == [("returned", None)] * 2


@requirement("process.terminate.sigterm")
def test_terminate(mp):
    """``terminate()`` ends the process; the exit code is -SIGTERM."""
    assert terminated(mp)[:2] == (None, -signal.SIGTERM)
    assert terminated(mp)[6] == _AT_END


def _exit_on(number, status, sender):
    signal.signal(number, lambda *_: sys.exit(status))
    sender.send("ready")
    let_handlers_run()


@requirement("process.terminate.not-before-start")
def test_terminate_before_start(mp):
    """``terminate()`` of a process that was not started raises, and it can be started after."""
    _assert_initial_after(mp, "terminate")


@requirement("process.kill.not-before-start")
def test_kill_before_start(mp):
    """``kill()`` of a process that was not started raises, and it can be started after."""
    _assert_initial_after(mp, "kill")


def _assert_initial_after(mp, method):
    """That a method of a process that was not started raises, and changes nothing."""
    process = mp.Process()
    shown = repr(process)
    assert "initial" in shown
    # A method that is not there would raise as well.
    end = getattr(process, method)
    with raises(Exception):
        end()
    assert process.exitcode is None
    assert repr(process) == shown


@requirement("process.terminate.handler-can-catch")
def test_terminate_with_a_handler(mp):
    """A handler of SIGTERM in the child is called."""
    receiver, sender = mp.Pipe(duplex=False)
    process = mp.Process(target=_exit_on, args=(signal.SIGTERM, 11, sender))
    process.start()
    receiver.recv()
    process.terminate()
    process.join()
    assert process.exitcode == 11


@requirement("process.terminate.no-finally")
def test_terminate_runs_no_clean_up(mp):
    """Neither a finally clause nor an exit handler runs after ``terminate()``."""
    assert {"finally", "exit handler"}.isdisjoint(terminated(mp)[2])


# Of a child that was ended: what it came to to wait until it is not active, whether it is alive, and has its pid,
# what closing comes to.
_AT_END = ("returned", None), False, True, ("returned", None)


@requirement("process.terminate.descendants-go-on")
def test_terminate_leaves_descendants(mp):
    """A child of a terminated process, though a daemon, lives, and answers."""
    assert "still here" in terminated(mp)[2]


@requirement("process.terminate.after-end")
def test_terminate_too_late(mp):
    """``terminate()`` after the end changes nothing."""
    facts = life(mp)
    assert facts["signals"][0] == ("returned", None)
    assert facts["after signals"]["exitcode"] == ("returned", 0)


@requirement("process.kill.sigkill")
def test_kill(mp):
    """``kill()`` ends the process; the exit code is -SIGKILL."""
    assert killed(mp)[:2] == (None, -signal.SIGKILL)
    assert killed(mp)[6] == _AT_END


@requirement("process.kill.after-end")
def test_kill_too_late(mp):
    """``kill()`` after the end changes nothing."""
    facts = life(mp)
    assert facts["signals"][1] == ("returned", None)
    assert facts["after signals"]["exitcode"] == ("returned", 0)


@requirement("process.kill.after-close")
def test_kill_of_a_closed_process(mp):
    """``kill()`` after ``close()`` raises ValueError, whether the process was ever started or not."""
    assert life(mp)["methods"]["kill"] == outcome_unstarted(mp, "kill") == "ValueError"


@requirement("process.kill.cannot-be-ignored")
def test_kill_when_sigterm_is_ignored(mp):
    """A child that ``terminate()`` does not end, nor wait for, stays active; ``kill()`` ends it, a daemon too."""
    receiver, sender = mp.Pipe(duplex=False)
    process = mp.Process(target=ignore_sigterm, args=(sender,), daemon=True)
    process.start()
    receiver.recv()
    within(AT_ONCE, process.terminate)
    process.join(0.02)
    assert process in mp.active_children()
    assert process.is_alive()
    process.kill()
    process.join()
    assert process.exitcode == -signal.SIGKILL


@requirement("process.kill.no-finally")
def test_kill_runs_no_clean_up(mp):
    """Neither a finally clause nor an exit handler runs after ``kill()``."""
    assert {"finally", "exit handler"}.isdisjoint(killed(mp)[2])


@requirement("process.kill.descendants-go-on")
def test_kill_leaves_descendants(mp):
    """A child of a killed process lives, and answers."""
    assert "still here" in killed(mp)[2]


def _wait_for_interrupt(sender, *, discard):
    try:
        sender.send("ready")
        let_handlers_run()
    except KeyboardInterrupt:
        sender.send("KeyboardInterrupt")
        if not discard:
            raise
    sys.exit(21)


def _interrupted(mp, *, discard):
    """In a program that has not inherited an ignored SIGINT: what a child comes to that sets no handler."""
    import tempfile

    signal.signal(signal.SIGINT, signal.default_int_handler)
    receiver, sender = mp.Pipe(duplex=False)
    with tempfile.NamedTemporaryFile() as file:
        arguments = (_interrupt_target, file.name, sender, discard)
        process = mp.Process(target=redirected, args=arguments)
        process.start()
        sender.close()
        receiver.recv()
        process.interrupt()
        word = receiver.recv()
        process.join()
    return [word, process.exitcode]


def _interrupt_target(sender, discard):
    _wait_for_interrupt(sender, discard=discard)


def _interrupted_noisily(mp):
    """In such a program: the first word of an interrupted child, and all that it and its own child say then."""
    import tempfile

    receiver, sender = mp.Pipe(duplex=False)
    waiting, tell = mp.Pipe(duplex=False)
    with tempfile.NamedTemporaryFile() as file:
        arguments = (live_noisily, file.name, mp, waiting, sender)
        process = mp.Process(target=redirected, args=arguments)
        process.start()
        sender.close()
        assert {receiver.recv(), receiver.recv()} == {"found it", "ready, too"}
        process.interrupt()
        words = []
        with contextlib.suppress(EOFError):  # both have ended
            if receiver.poll(mp.timeout / 2):
                # Nobody else speaks before the other one is told to.
                words.append(receiver.recv())
            tell.send("speak")
            while True:
                words.append(receiver.recv())
        process.join()
    return words


def _interrupts(mp):
    found = [_interrupted(mp, discard=discard) for discard in (False, True)]
    return [*found, _interrupted_noisily(mp)]


@observed_once
def _program_of_interrupts(mp):
    return call(_interrupts, mp, timeout=3 * mp.timeout)


@requirement("process.interrupt.keyboard-interrupt")
def test_interrupt(mp):
    """``interrupt()`` raises KeyboardInterrupt in a child that has set no handler."""
    assert _program_of_interrupts(mp)[0][0] == "KeyboardInterrupt"


@requirement("process.interrupt.exitcode-one")
def test_interrupt_exitcode(mp):
    """A child that does not catch the KeyboardInterrupt ends with 1."""
    assert _program_of_interrupts(mp)[0][1] == 1


@requirement("process.interrupt.can-be-discarded")
def test_interrupt_discarded(mp):
    """A child that catches the KeyboardInterrupt ends as it likes."""
    assert _program_of_interrupts(mp)[1] == ["KeyboardInterrupt", 21]


@requirement("process.interrupt.clean-up-runs")
def test_interrupt_runs_clean_up(mp):
    """A finally clause of an interrupted child runs, and its exit handler does."""
    words = _program_of_interrupts(mp)[2]
    assert words[:1] == ["finally"]
    assert "exit handler" in words


@requirement("process.interrupt.descendants-go-on")
def test_interrupt_leaves_descendants(mp):
    """A child of an interrupted process lives, and answers, when its parent is on its way out."""
    assert "still here" in _program_of_interrupts(mp)[2]


@requirement("process.interrupt.after-end")
def test_interrupt_too_late(mp):
    """``interrupt()`` after the end changes nothing."""
    facts = life(mp)
    assert facts["signals"][2] == ("returned", None)
    assert facts["after signals"]["exitcode"] == ("returned", 0)


@requirement("process.interrupt.reaped-elsewhere")
def test_interrupt_though_others_reaped_it(mp):
    """``interrupt()`` of a child that ``os.waitpid`` has reaped does nothing."""
    assert reaped(mp)[2][0] == ("returned", None)


@requirement("process.interrupt.not-before-start")
def test_interrupt_before_start(mp):
    """``interrupt()`` of a process that was not started raises, and leaves it as it was."""
    process = mp.Process()
    # A method that is not there would raise as well.
    interrupt = process.interrupt
    with raises(Exception):
        interrupt()
    assert process.exitcode is None
    assert repr(process).endswith("initial>")


@requirement("process.interrupt.handler")
def test_interrupt_with_a_handler(mp):
    """A handler of SIGINT in the child is called."""
    receiver, sender = mp.Pipe(duplex=False)
    process = mp.Process(target=_exit_on, args=(signal.SIGINT, 12, sender))
    process.start()
    receiver.recv()
    process.interrupt()
    process.join()
    assert process.exitcode == 12
