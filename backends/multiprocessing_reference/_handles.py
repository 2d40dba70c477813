"""Sending bare descriptors: what programs import from `reduction`, older than `SharedFd`.

A handle travels alone: one byte on the connection's own socket, the descriptor beside it. Both
ends must expect it at that place among the messages, as with `send_bytes` and `recv_bytes`.
"""

from __future__ import annotations

import os
from socket import CMSG_SPACE, MSG_CMSG_CLOEXEC, socket

from ._rights import blocking, close_all, rights, take_rights

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Protocol

    class HasFileno(Protocol):
        """A connection or a socket."""

        def fileno(self) -> int:
            """Return the descriptor."""


__all__ = ["recv_handle", "recvfds", "send_handle", "sendfds"]

_MARK = b"\0"  # a stream carries no descriptor without a byte


def sendfds(sock: socket, fds: Sequence[int]) -> None:
    """Send duplicates of *fds* over a Unix socket."""
    sock.sendmsg([_MARK], rights(fds))


def recvfds(sock: socket, size: int) -> list[int]:
    """Return the descriptors of one `sendfds`: *size* of them, owned by the caller.

    EOFError at the end; RuntimeError when what came is not so many descriptors.
    """
    data, ancillary, flags, _address = sock.recvmsg(1, CMSG_SPACE(size * 4), MSG_CMSG_CLOEXEC)
    fds = take_rights(ancillary, flags)
    if not data:
        raise EOFError
    if len(fds) != size:
        close_all(fds)
        message = (
            f"received {len(fds)} descriptors where {size} should be: "
            "the other end must send them at this place among the messages"
        )
        raise RuntimeError(message)
    return fds


def send_handle(conn: HasFileno, handle: int, destination_pid: int | None = None) -> None:  # noqa: ARG001 - for Windows
    """Send the descriptor *handle* over *conn*, a Pipe that is duplex or any Unix socket."""
    with socket(fileno=os.dup(conn.fileno())) as sock:
        blocking(sock)
        sendfds(sock, [handle])


def recv_handle(conn: HasFileno) -> int:
    """Return the descriptor that `send_handle` sent, owned by the caller; EOFError at the end."""
    with socket(fileno=os.dup(conn.fileno())) as sock:
        blocking(sock)
        return recvfds(sock, 1)[0]
