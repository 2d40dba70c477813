"""Tests of close(), and of calls at the wrong moment."""

import os
import re

from mpspec.children import outcome_of, raises, run
from mpspec.marks import requirement
from mpspec.suite.process.helpers import (
    NAMELESS,
    do_nothing,
    ended_namelessly,
    is_gone,
    is_ready,
    outcome_unstarted,
    subclass,
)
from mpspec.suite.process.observed import kin, life, terminated


@requirement("process.close.while-running")
def test_close_while_running(mp):
    """``close()`` of a living process raises ValueError in any thread; it goes on to its end, an active child.

    Be it a daemonic one.
    """
    facts = life(mp)
    assert facts["while running"]["close"][0] == "ValueError"
    assert facts["while running"]["close in a thread"][0] == "ValueError"
    assert facts["while running"]["active"]
    assert facts["unharmed"]["is_alive"] == ("returned", True)
    assert facts["ended"]["exitcode"] == ("returned", 0)
    assert kin(mp)["daemon"]["close"][0] == "ValueError"
    assert kin(mp)["daemon"]["exitcode"] == 0


@requirement("process.close.methods-raise")
def test_methods_after_close(mp):
    """Methods of a closed process raise ValueError, whether it was ever started or not."""
    methods = life(mp)["methods"]
    for name in ("start", "join", "is_alive", "terminate"):
        assert (methods[name], outcome_unstarted(mp, name)) == ("ValueError",) * 2, name


@requirement("process.close.attributes-raise")
def test_attributes_after_close(mp):
    """Attributes of a closed process raise ValueError, whether it was ever started or not."""
    closed = life(mp)["closed"]
    for name in ("pid", "ident", "exitcode", "sentinel"):
        assert (closed[name][0], outcome_unstarted(mp, name)) == ("ValueError",) * 2, name


@requirement("process.close.releases-resources")
def test_close_releases_descriptors(mp, companion):
    """``close()`` closes the sentinel's descriptor, also of a process that a signal has ended, and all others."""
    facts = life(mp)
    assert facts["close"][0] == ("returned", None)
    assert [facts["sentinel"], terminated(mp)[8]] == ["OSError"] * 2
    assert companion.ask(os.getpid) != os.getpid()  # what the first child of all needs is there now
    before = set(os.listdir("/dev/fd"))
    process = run(mp, do_nothing)
    process.close()
    assert set(os.listdir("/dev/fd")) <= before


@requirement("process.close.before-start")
def test_close_before_start(mp):
    """``close()`` of a process that was never started succeeds, and closes it."""
    process = mp.Process(target=do_nothing)
    process.close()
    with raises(ValueError):
        process.is_alive()


@requirement("process.close.twice")
def test_close_twice(mp):
    """A second ``close()`` succeeds."""
    assert life(mp)["close"] == [("returned", None)] * 2


@requirement("process.close.ended-not-joined")
def test_close_without_join(mp):
    """``close()`` of a process that has ended succeeds, though nobody has joined it, and leaves no zombie."""
    from mpspec.observing import wait_until

    process = mp.Process(target=do_nothing)
    process.start()
    pid = process.pid
    assert is_ready(process.sentinel, mp.timeout)
    # The sentinel may be a moment ahead.
    wait_until(lambda: outcome_of(process.close) == ("returned", None), mp.timeout / 5, "closed")
    wait_until(lambda: is_gone(pid), mp.timeout / 5, "the child gone")
    assert process not in mp.active_children()
    with raises(ValueError):
        process.is_alive()


@requirement("process.close.interrupt-raises")
def test_interrupt_after_close(mp):
    """``interrupt()`` of a closed process raises ValueError."""
    assert life(mp)["methods"]["interrupt"] == "ValueError"


@requirement("process.state.in-repr")
def test_repr_tells_the_state(mp):
    """The text of a process tells its name, pid, parent and state; a closed one has a text, too."""
    facts = life(mp)
    pid, parent = facts["running"]["pid"][1], f"parent={os.getpid()}"
    before, running, closed = (facts[when]["repr"][1] for when in ("before", "running", "closed"))
    name = re.escape(repr(facts["running"]["name"][1]))
    assert re.fullmatch(rf"<\w*Process name={name} {parent} initial>", before)
    assert re.fullmatch(rf"<\w*Process name={name} pid={pid} {parent} started>", running)
    assert re.fullmatch(r"<\w*Process name='renamed'.*>", closed)
    ended = facts["ended"]["repr"][1]
    assert re.fullmatch(
        rf"<\w*Process name='renamed' pid={pid} {parent} stopped exitcode=0>", ended
    )
    stopped = terminated(mp)[3]
    assert re.fullmatch(
        rf"<\w*Process name=.* pid=\d+ {parent} stopped exitcode=-SIGTERM>", stopped
    )
    assert ended_namelessly(mp)[1].endswith(f" stopped exitcode={-NAMELESS}>")


@requirement("process.state.daemon-in-repr")
def test_repr_tells_class_and_daemon(mp):
    """The text of a process begins with its class, and ends with the word daemon if it is, or was, one."""
    assert re.fullmatch(r"<\w*Process name=.* initial daemon>", repr(mp.Process(daemon=True)))
    assert "daemon" not in repr(mp.Process(name="given"))
    assert re.fullmatch(r"<.* stopped exitcode=0 daemon>", kin(mp)["daemon"]["text"])
    process = subclass(mp, "Worker")(None, None)
    assert repr(process).startswith(f"<Worker name={process.name!r} ")


@requirement("process.errors.base")
def test_errors(mp):
    """The package's errors derive from ProcessError, an Exception, and not from each other."""
    assert issubclass(mp.ProcessError, Exception)
    errors = [mp.BufferTooShort, mp.AuthenticationError, mp.TimeoutError]
    for error in errors:
        assert issubclass(error, mp.ProcessError)
        # Each is a type of its own: who catches one does not catch the others.
        assert [each for each in [mp.ProcessError, *errors] if issubclass(each, error)] == [error]
