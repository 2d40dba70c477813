"""Any number of descriptors over a Unix socket, in packets that the kernel accepts.

Each packet says how many descriptors are to come, itself included; a packet takes at most 253.
"""

from __future__ import annotations

import os
from _socket import CMSG_SPACE, MSG_CMSG_CLOEXEC, SCM_RIGHTS, SOL_SOCKET

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _socket import socket
    from collections.abc import Sequence

_MOST = 250
_SIZE = 4  # bytes of an int


def to_fds(ancillary: Sequence[tuple[int, int, bytes]]) -> list[int]:
    """Return the descriptors among the ancillary data that recvmsg gave."""
    return [
        int.from_bytes(content[start : start + _SIZE], "little")
        for level, kind, content in ancillary
        if level == SOL_SOCKET and kind == SCM_RIGHTS
        for start in range(0, len(content) - len(content) % _SIZE, _SIZE)
    ]


def send_fds(sock: socket, fds: Sequence[int]) -> None:
    """Send *fds* (at least one) over a sequenced-packet socket; the sender keeps its own."""
    for start in range(0, len(fds), _MOST):
        content = b"".join(fd.to_bytes(_SIZE, "little") for fd in fds[start : start + _MOST])
        sock.sendmsg(
            [(len(fds) - start).to_bytes(_SIZE, "little")], [(SOL_SOCKET, SCM_RIGHTS, content)]
        )


def receive_fds(sock: socket) -> list[int]:
    """Return the descriptors that `send_fds` sent; EOFError if the sender is gone."""
    received: list[int] = []
    left = 1
    while left > 0:
        head, ancillary, _flags, _address = sock.recvmsg(
            _SIZE, CMSG_SPACE(_MOST * _SIZE), MSG_CMSG_CLOEXEC
        )
        fds = to_fds(ancillary)
        received += fds
        if not head or not fds:
            for fd in received:
                os.close(fd)
            message = "the sender of the descriptors is gone"
            raise EOFError(message)
        left = int.from_bytes(head, "little") - len(fds)
    return received
