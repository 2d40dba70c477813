"""Tests of Manager(), and of what becomes of a manager that is forgotten."""

import gc
import os
import signal

from mpspec.children import (
    observed_once,
    outcome_of,
    run,
)
from mpspec.marks import requirement
from mpspec.suite.managers.helpers import connect_to, life_of_a_manager, life_of_a_started_one
from mpspec.suite.managers.workshop import started_by, started_manager


@requirement("managers.manager.started")
def test_manager_is_ready_for_use(mp):
    """``Manager()`` gives a manager that has been started."""
    assert life_of_a_manager(mp)["length"] == 2


@requirement("managers.manager.type")
def test_manager_is_a_sync_manager(mp, manager):
    """``Manager()`` gives a SyncManager, which is a BaseManager."""
    assert isinstance(manager, mp.managers.SyncManager)
    assert issubclass(mp.managers.SyncManager, mp.managers.BaseManager)


@requirement("managers.manager.own-process")
def test_manager_has_a_process_of_its_own(mp):
    """``Manager()`` starts one child process."""
    facts = life_of_a_started_one(mp)
    assert facts["alive"] is True
    assert facts["pid"] != os.getpid()


def _edit(shared_dict, shared_list):
    shared_dict[1] = "1"
    shared_dict["2"] = 2
    shared_dict[0.25] = None
    shared_list.reverse()


@requirement("managers.example.server-process")
def test_changes_of_a_child_are_seen(mp, manager):
    """What a child does to a managed dict and list is seen by its parent."""
    shared_dict = manager.dict()
    shared_list = manager.list(range(5))
    run(mp, _edit, shared_dict, shared_list)
    assert shared_dict.copy() == {1: "1", "2": 2, 0.25: None}
    assert shared_list[:] == [4, 3, 2, 1, 0]


def _use_list(shared):
    shared.append(1)
    return shared[:]


@observed_once
def _life_of_a_dropped_manager(mp):
    """What comes of a manager of which only a proxy is left, and then nothing."""
    manager, process = started_by(mp, mp.Manager)
    facts = {"alive": process.is_alive()}
    shared = manager.list()
    del manager
    gc.collect()
    facts["used"] = outcome_of(_use_list, shared)
    del shared
    gc.collect()
    process.join(mp.timeout)
    facts["alive after"] = process.is_alive()
    return facts


@requirement("managers.lifetime.garbage-collected")
def test_a_manager_that_nobody_holds_is_shut_down(mp):
    """The server's process ends when the manager is garbage collected."""
    facts = _life_of_a_dropped_manager(mp)
    assert facts["alive"]
    assert not facts["alive after"]


@requirement("managers.lifetime.proxy-keeps")
def test_a_proxy_keeps_its_manager(mp):
    """A proxy can be used though nobody holds the manager that has given it."""
    assert _life_of_a_dropped_manager(mp)["used"] == ("returned", [1])


def _leave_a_manager(mp, sender):
    global _left  # held until the process exits
    _left = mp.Manager()
    connect_to(mp, _left.address)
    sender.send(_left.address)


@requirement("managers.lifetime.parent-exits")
def test_a_manager_ends_with_its_parent(mp):
    """The server's process ends when the process that started it exits."""
    from mpspec.observing import wait_until

    receiver, sender = mp.Pipe(duplex=False)
    run(mp, _leave_a_manager, mp, sender)
    address = receiver.recv()

    def is_gone():
        try:
            connect_to(mp, address)
        except OSError:
            return True
        return False

    wait_until(is_gone, mp.timeout, "nobody serves the manager's address")


def _leave_a_manager_at_once(mp, address, sender):
    manager = started_manager(mp, address=address)
    sender.send(manager.get_pid().pid())
    os._exit(0)


@requirement("managers.lifetime.parent-exits-at-once")
def test_a_manager_ends_with_its_parent_that_exits_at_once(mp, tmp_path):
    """The server's process ends when the process that started it leaves by os._exit()."""
    from mpspec.observing import has_ended, wait_until

    receiver, sender = mp.Pipe(duplex=False)
    run(mp, _leave_a_manager_at_once, mp, str(tmp_path / "socket"), sender)
    pid = receiver.recv()
    try:
        wait_until(lambda: has_ended(pid), mp.timeout / 20, "the server's process has ended")
    finally:
        if not has_ended(pid):
            os.kill(pid, signal.SIGKILL)
            wait_until(lambda: has_ended(pid), mp.timeout, "the server's process was killed")
