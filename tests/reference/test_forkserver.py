"""A fork server may die at any moment: the next child comes from another one."""

from __future__ import annotations

import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor

import multiprocessing_reference
from multiprocessing_reference import forkserver

context = multiprocessing_reference.get_context("forkserver")


def _exit_code_of_child() -> int | None:
    process = context.Process(target=os._exit, args=(7,))
    process.start()
    process.join()
    return process.exitcode


def _server() -> int:
    forkserver.ensure_running()
    pid = forkserver._pid  # noqa: SLF001 - nothing else tells
    assert pid is not None
    return pid


def test_server_that_is_killed_at_once_is_replaced() -> None:
    assert _exit_code_of_child() == 7
    os.kill(_server(), signal.SIGKILL)
    assert _exit_code_of_child() == 7


def test_server_that_dies_of_a_request_unread_is_replaced() -> None:
    server = _server()
    os.kill(server, signal.SIGSTOP)
    with ThreadPoolExecutor(1) as executor:
        outcome = executor.submit(_exit_code_of_child)
        threading.Event().wait(
            0.1
        )  # most likely until the request is sent; it is no matter if it is not
        os.kill(server, signal.SIGKILL)
        assert outcome.result() == 7
    assert _server() != server


def test_several_threads_find_the_server_dead() -> None:
    os.kill(_server(), signal.SIGKILL)
    with ThreadPoolExecutor(4) as executor:
        futures = [executor.submit(_exit_code_of_child) for _ in range(4)]
    # One may come from the old server, whose end leaves its exit code untold.
    assert {future.result() for future in futures} <= {7, 255}
