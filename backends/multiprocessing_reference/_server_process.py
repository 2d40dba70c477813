"""The process that runs a manager's server: how it begins, and how it ends.

It talks with its manager over an inherited Pipe: the first message there is the server's address,
and from then on the Pipe is the control channel of the manager's Link. It ends when the manager
says so, or when its parent has ended.
"""

# ruff: noqa: ANN401 - anything can be shared


# ruff: noqa: PLR0913, PLR0917 - a record; dataclasses takes long to import

# ruff: noqa: PTH106, PTH108 - pathlib takes long to import

from __future__ import annotations

import os
import signal
import threading
from contextlib import suppress

from . import process, util
from ._manager_channel import ConnectionChannel

TYPE_CHECKING = False  # the module typing takes longer to import than all this
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from ._manager_link import Link
    from ._server import Registered, Server
    from .connection import Connection


class Plan:
    """What a server's process needs to make its server."""

    def __init__(
        self,
        kind: type[Server],
        registry: Mapping[str, Registered],
        address: Any,
        directory: str | None,
        authkey: bytes,
        serializer: str,
    ) -> None:
        self.kind = kind
        self.registry = registry
        self.address = address
        self.directory = directory
        self.authkey = authkey
        self.serializer = serializer


def serve(
    plan: Plan,
    end: Connection,
    session: str,
    initializer: Callable[..., object] | None,
    initargs: tuple[Any, ...],
) -> None:
    """The life of a server's process: until it is told to stop, or its parent has ended."""
    # A Ctrl-C in the terminal reaches the whole group; the processes that end by it still need
    # the server.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    if initializer is not None:
        initializer(*initargs)
    server = plan.kind(plan.registry, plan.address, plan.authkey, plan.serializer)
    joined = server.objects.join(session)
    util.info("manager serving at %r", server.address)
    end.send(server.address)
    threading.Thread(
        target=server.serve,
        args=(ConnectionChannel(end, server.wire), joined),
        name="manager-serve",
        daemon=True,
    ).start()
    parent = process.parent_process()
    try:
        server.serve_until(() if parent is None else (parent.sentinel,))
    finally:
        _remove(plan.directory)


def first_word(connection: Connection, started: Any) -> Any:
    """The server's address; EOFError if it ends without a word."""
    from .connection import wait

    if connection in wait([connection, started.sentinel]):
        with suppress(EOFError, ConnectionResetError):
            return connection.recv()
    msg = (
        f"the manager's process {started.name!r} ended before it could serve; "
        "what it printed says why"
    )
    raise EOFError(msg)


def end_process(started: Any, link: Link | None, timeout: float, directory: str | None) -> None:
    """End a server's process.

    Ask it to, then terminate it, then kill it, with *timeout* seconds for each.
    """
    if started.is_alive():
        if link is not None:
            util.info("sending shutdown message to manager")
            with suppress(OSError):
                link.notify("shutdown")
            started.join(timeout)
        if started.is_alive():
            util.info("the manager's process %r doesn't end: terminating it", started.name)
            started.terminate()
            started.join(timeout)
            if started.is_alive():
                util.info("the manager's process %r still doesn't end: killing it", started.name)
                started.kill()
    started.join()
    _remove(directory)  # a server that was terminated couldn't


def _remove(directory: str | None) -> None:
    if directory is not None:
        with suppress(OSError):
            os.unlink(f"{directory}/socket")
        with suppress(OSError):
            os.rmdir(directory)
