"""The start method *forkserver*: the child is a copy of a server, which is not its parent's copy.

To its parent such a child is no child of the operating system. The server hands over a pidfd of it
(the sentinel, and the road for signals), and later its exit code, over a socket that nobody else
holds.

Documentation: multiprocessing, "Contexts and start methods".
"""

from __future__ import annotations

import os
from _pickle import dumps
from _socket import AF_UNIX, CMSG_SPACE, MSG_CMSG_CLOEXEC, SOCK_SEQPACKET, socketpair
from _thread import allocate_lock
from marshal import dumps as marshalled

from . import forkserver
from ._descriptors import send_fds, to_fds
from ._launch import exit_code_of_reaped, send_through_pidfd, wait_ready
from ._launch_spawn import memory_file
from ._rights import blocking
from ._undo import on_failure
from .reduction import pack
from .spawn import preparation_data

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _socket import socket
    from collections.abc import Callable, Sequence

    from .process import BaseProcess

NUMBER = 8
"""The bytes of a number that the server sends: a pid (negative: an errno), or an exit code."""
_ENDED = (
    "the fork server ended before it forked the child: its stderr says why, "
    "most likely the import of a module that was to be preloaded"
)


def launch(process: BaseProcess) -> ServedChild:
    """Have the server fork a child that runs *process*, and return the parent's view of it.

    EOFError: the server ended, say because a preloaded module failed.
    """
    data = preparation_data(process, "forkserver")
    data["tracker"] = None  # the server's children have it from the server
    data["forkserver"] = None  # and this one comes with the descriptors
    data["environ"] = dict(os.environ)
    forkserver.ensure_running()
    with pack(process, for_start=True) as packed:
        parcel = memory_file(marshalled(dumps(data)) + packed.data)
        try:
            return _ask(parcel, packed.fds)
        finally:
            os.close(parcel)


def _ask(parcel: int, fds: Sequence[int]) -> ServedChild:
    """Ask the server for a child; a server that has died is replaced, once.

    A reset connection tells that nobody has read the request, nor ever will: the child of a server
    that reads it reads what lies in the socket, and after that the end of it is the end of a file.
    """
    for _ in range(2):
        server = forkserver.hold()
        with on_failure(server.close):
            ours, theirs = map(blocking, socketpair(AF_UNIX, SOCK_SEQPACKET))
        try:
            with on_failure(ours.close):
                parent = os.pidfd_open(os.getpid())
                try:
                    # The server must not hold its clients' end of its own socket: the child gets it so.
                    send_fds(ours, (parcel, parent, server.fileno(), *fds))
                finally:
                    os.close(parent)
                forkserver.send_request(server, theirs.fileno())
                theirs.close()
                return _await_child(ours)
        except (BrokenPipeError, ConnectionResetError):
            forkserver.bury(server)
        finally:
            theirs.close()
            server.close()
    raise EOFError(_ENDED)


def _await_child(reply: socket) -> ServedChild:
    try:
        head, ancillary, *_ = reply.recvmsg(NUMBER, CMSG_SPACE(4), MSG_CMSG_CLOEXEC)
    except ConnectionResetError:
        # After the news that something was left unread comes what was sent before: the child was
        # there, and was killed before it read what to run.
        head, ancillary, *_ = reply.recvmsg(NUMBER, CMSG_SPACE(4), MSG_CMSG_CLOEXEC)
        if not head:
            raise
    if not head:
        raise EOFError(_ENDED)
    number = int.from_bytes(head, "little", signed=True)
    if number < 0:
        raise OSError(-number, f"the fork server can't fork: {os.strerror(-number)}")
    (pidfd,) = to_fds(ancillary)
    return ServedChild(number, pidfd, reply)


class ServedChild:
    """A child of the fork server, on behalf of this process."""

    def __init__(self, pid: int, pidfd: int, reply: socket) -> None:
        self.pid = pid
        self._pidfd = pidfd
        # No socket: in a cycle of references the collector may take that first, and it warns then.
        self._reply = reply.detach()
        self._lock = allocate_lock()
        self._exitcode: int | None = None
        self._owner = os.getpid()

    @property
    def sentinel(self) -> int:
        """A descriptor that becomes readable when the process ends."""
        return self._pidfd

    def poll(self) -> int | None:
        """Return the exit code, None while the process lives (or if it is not our child)."""
        if self._exitcode is None and self._owner == os.getpid() and wait_ready(self._pidfd, 0):
            with self._lock:
                if self._exitcode is None:
                    self._exitcode = self._collect()
        return self._exitcode

    def wait(self, timeout: float | None) -> int | None:
        """Wait at most *timeout* seconds (None: for ever) for the end, and return the exit code."""
        if self._exitcode is None:
            wait_ready(self._pidfd, timeout)
        return self.poll()

    def send_signal(self, signum: int) -> None:
        """Send a signal; nothing happens if the process has ended."""
        if self._exitcode is None:
            send_through_pidfd(self._pidfd, signum)

    def close(self, _close: Callable[[int], None] = os.close) -> None:
        """Close the descriptors."""
        fd, self._pidfd = self._pidfd, -1
        if fd >= 0:
            _close(fd)
            _close(self._reply)

    __del__ = close

    def _collect(self) -> int:
        try:
            head = os.read(self._reply, NUMBER)
        except ConnectionResetError:
            head = os.read(self._reply, NUMBER)  # see _await_child
        if head:
            return int.from_bytes(head, "little", signed=True)
        # The server was killed before its child ended.
        return exit_code_of_reaped(self._pidfd)

    def __reduce__(self) -> str:
        message = "a started Process can't be pickled: its exit is its parent's to wait for"
        raise TypeError(message)
