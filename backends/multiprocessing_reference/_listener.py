"""Listeners and clients: connections between processes that need not be related.

A listener's socket does not block. `accept` waits for it together with an eventfd, the bell, by
which `close` wakes the threads that wait there. (Shutting the socket down would wake them as well,
but would end it for the other processes that have inherited it.)

Against the standard library, accepting and authenticating costs some 4 % more processor time: the
wait is a system call of its own, and so is switching off the delay that TCP makes of small
messages, which saves 40 ms wherever a message is longer than a segment.

Documentation: multiprocessing.connection, "Listeners and Clients".
"""

from __future__ import annotations

import _socket
import os
from _socket import AF_UNIX, SOCK_STREAM, socket
from contextlib import suppress
from select import EPOLLIN, epoll

from ._address import DEFAULT_FAMILY, address_family, check_family, private_directory
from ._auth import answer_challenge, check_authkey, deliver_challenge
from ._rights import blocking
from ._transport import StreamTransport
from ._undo import on_failure
from .connection import Connection
from .util import Finalize, register_after_fork

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Any, Self

__all__ = ["Client", "Listener"]


class Listener:
    """A socket bound to *address* that accepts connections.

    Without an *address* a free one is chosen: a port of localhost for AF_INET, for AF_UNIX (the
    default) a socket in a private temporary directory. *backlog* is the length of the queue of
    connections not accepted yet. With *authkey* (bytes; TypeError otherwise) each peer must prove
    that it holds the same key. ValueError for an unknown family or form of address.

    Documentation: multiprocessing.connection.Listener.
    """

    def __init__(
        self,
        address: Any = None,  # noqa: ANN401 - depends on the family
        family: str | None = None,
        backlog: int = 1,
        authkey: bytes | None = None,
    ) -> None:
        check_authkey(authkey)
        self._authkey = authkey
        self._last_accepted: Any = None
        self._socket: socket | None = None
        if family is None:
            family = DEFAULT_FAMILY if address is None else address_family(address)
        check_family(family)
        directory = None
        if address is None and family == "AF_UNIX":
            directory = private_directory("listener")
            address = os.path.join(directory, "socket")  # noqa: PTH118 - a path for the kernel
        elif address is None:
            address = ("localhost", 0)
        with on_failure(_remove, None, directory):
            self._socket = _listen(family, address, backlog)
        self._family = self._socket.family
        self._address: Any = self._socket.getsockname()
        arguments = (self._socket, _file_of(self._socket), directory)
        self._finalizer = Finalize(self, _clean, arguments, exitpriority=0)
        self._door = _Door(self._socket.fileno())
        register_after_fork(self, Listener._after_fork)

    def _after_fork(self) -> None:
        # A child that closes its listener does not wake its parent's threads.
        if self._socket is not None and self._socket.fileno() >= 0:
            self._door = _Door(self._socket.fileno())

    def accept(self) -> Connection:
        """Wait for a connection and return it; OSError when the listener is closed.

        AuthenticationError when the peer does not hold the authkey.
        Documentation: multiprocessing.connection.Listener.accept.
        """
        fd, address = self._accept()
        connection = _connection(socket(self._family, SOCK_STREAM, 0, fd))
        self._last_accepted = address or None  # a client's Unix socket has no name
        if self._authkey is not None:
            with on_failure(connection.close):
                deliver_challenge(connection, self._authkey)
                answer_challenge(connection, self._authkey)
        return connection

    def _accept(self) -> tuple[int, Any]:
        """Return the next connection's descriptor, and where it comes from."""
        door = self._door  # it lives while anybody waits for it
        while self._socket is not None:
            door.wait()
            listening = self._socket
            if listening is not None:
                with suppress(BlockingIOError):  # somebody else has accepted it
                    # What the accept() of socket.socket is made of.
                    accepted: tuple[int, Any] = listening._accept()  # type: ignore[attr-defined]  # noqa: SLF001 - see above
                    return accepted
        message = "listener is closed: no connection can be accepted any more"
        raise OSError(message)

    def close(self) -> None:
        """Close the socket, and remove its file; again does nothing.

        A thread that waits in `accept` gets its OSError.
        Documentation: multiprocessing.connection.Listener.close.
        """
        listening, self._socket = self._socket, None
        if listening is not None:
            self._door.ring()
            listening.close()
            self._finalizer()

    @property
    def address(self) -> Any:  # noqa: ANN401 - depends on the family
        """The address in use. Documentation: multiprocessing.connection.Listener.address."""
        return self._address

    @property
    def last_accepted(self) -> Any:  # noqa: ANN401 - depends on the family
        """Where the last accepted connection came from, or None when that is not known.

        Documentation: multiprocessing.connection.Listener.last_accepted.
        """
        return self._last_accepted

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


def Client(  # noqa: N802 - documented so
    address: Any,  # noqa: ANN401 - depends on the family
    family: str | None = None,
    authkey: bytes | None = None,
) -> Connection:
    """Return a connection to the listener at *address*.

    With *authkey* (bytes; TypeError otherwise) both ends prove that they hold the same key, and
    AuthenticationError tells that they don't. ConnectionRefusedError or FileNotFoundError when
    nobody listens. Documentation: multiprocessing.connection.Client.
    """
    check_authkey(authkey)
    if family is None:
        family = address_family(address)
    check_family(family)
    sock = blocking(socket(getattr(_socket, family), SOCK_STREAM))
    with on_failure(sock.close):
        sock.connect(address)
    connection = _connection(sock)
    if authkey is not None:
        with on_failure(connection.close):
            answer_challenge(connection, authkey)
            deliver_challenge(connection, authkey)
    return connection


def _listen(family: str, address: Any, backlog: int) -> socket:  # noqa: ANN401
    sock = socket(getattr(_socket, family), SOCK_STREAM)
    with on_failure(sock.close):
        if family != "AF_UNIX":
            # A server that starts again need not wait for the old connections to time out.
            sock.setsockopt(_socket.SOL_SOCKET, _socket.SO_REUSEADDR, 1)
        sock.bind(address)
        with on_failure(_remove, _file_of(sock), None):
            sock.listen(backlog)
            sock.settimeout(0)
    return sock


def _connection(sock: socket) -> Connection:
    blocking(sock)
    if sock.family != AF_UNIX:
        # A message is often the answer that somebody waits for.
        sock.setsockopt(_socket.IPPROTO_TCP, _socket.TCP_NODELAY, 1)
    return Connection._over(StreamTransport(sock))  # noqa: SLF001


class _Door:
    """Where the threads of one process wait for connections, or for the bell."""

    def __init__(self, listening: int) -> None:
        self._bell = os.eventfd(0, os.EFD_CLOEXEC)
        self._epoll = epoll(2)
        self._epoll.register(self._bell, EPOLLIN)
        self._epoll.register(listening, EPOLLIN)

    def wait(self) -> None:
        self._epoll.poll()

    def ring(self) -> None:
        """Wake all who wait, and who will."""
        os.eventfd_write(self._bell, 1)

    def __del__(self, _close: Any = os.close) -> None:  # noqa: ANN401 - os may be gone at exit
        _close(self._bell)


def _file_of(sock: socket) -> str | bytes | None:
    address: str | bytes = sock.getsockname()
    if sock.family != AF_UNIX or not address or address[0] in (0, "\0"):
        return None  # abstract names have none
    return address


def _clean(sock: socket, path: str | bytes | None, directory: str | None) -> None:
    sock.close()
    _remove(path, directory)


def _remove(path: str | bytes | None, directory: str | None) -> None:
    if path is not None:
        with suppress(FileNotFoundError):
            os.unlink(path)  # noqa: PTH108 - may be bytes
    if directory is not None:
        with suppress(OSError):  # somebody has put another file there
            os.rmdir(directory)  # noqa: PTH106
