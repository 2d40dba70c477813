"""Listeners and clients: connections between processes that need not be related.

Documentation: multiprocessing.connection, "Listeners and Clients".
"""

from __future__ import annotations

import os
import socket
from contextlib import suppress

from ._address import DEFAULT_FAMILY, address_family, check_family
from ._auth import answer_challenge, check_authkey, deliver_challenge
from .connection import Connection
from .util import Finalize

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
        self._socket: socket.socket | None = None
        if family is None:
            family = DEFAULT_FAMILY if address is None else address_family(address)
        check_family(family)
        directory = None
        if address is None and family == "AF_UNIX":
            import tempfile

            directory = tempfile.mkdtemp(prefix="listener-")
            address = os.path.join(directory, "socket")  # noqa: PTH118 - a path for the kernel
        elif address is None:
            address = ("localhost", 0)
        try:
            self._socket = _listen(family, address, backlog)
        except BaseException:
            if directory is not None:
                os.rmdir(directory)  # noqa: PTH106
            raise
        self._address: Any = self._socket.getsockname()
        path = self._address if family == "AF_UNIX" and _has_file(self._address) else None
        self._finalizer = Finalize(self, _clean, (self._socket, path, directory), exitpriority=0)

    def accept(self) -> Connection:
        """Wait for a connection and return it; OSError when the listener is closed.

        AuthenticationError when the peer does not hold the authkey.
        Documentation: multiprocessing.connection.Listener.accept.
        """
        if self._socket is None:
            message = "listener is closed: no connection can be accepted any more"
            raise OSError(message)
        accepted, address = self._socket.accept()
        connection = _connection(accepted)
        self._last_accepted = address or None  # a client's Unix socket has no name
        if self._authkey is not None:
            try:
                deliver_challenge(connection, self._authkey)
                answer_challenge(connection, self._authkey)
            except BaseException:
                connection.close()
                raise
        return connection

    def close(self) -> None:
        """Close the socket, and remove its file; again does nothing.

        Documentation: multiprocessing.connection.Listener.close.
        """
        if self._socket is not None:
            self._socket.close()
            self._socket = None
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
    sock = socket.socket(getattr(socket, family), socket.SOCK_STREAM)
    try:
        sock.settimeout(None)
        sock.connect(address)
    except BaseException:
        sock.close()
        raise
    connection = _connection(sock)
    if authkey is not None:
        try:
            answer_challenge(connection, authkey)
            deliver_challenge(connection, authkey)
        except BaseException:
            connection.close()
            raise
    return connection


def _listen(family: str, address: Any, backlog: int) -> socket.socket:  # noqa: ANN401
    sock = socket.socket(getattr(socket, family), socket.SOCK_STREAM)
    try:
        sock.settimeout(None)
        if family != "AF_UNIX":
            # A server that starts again need not wait for the old connections to time out.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(address)
        sock.listen(backlog)
    except BaseException:
        sock.close()
        raise
    return sock


def _connection(sock: socket.socket) -> Connection:
    if sock.family != socket.AF_UNIX:
        # A message is often the answer that somebody waits for.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return Connection(sock.detach())


def _has_file(address: str | bytes) -> bool:
    return bool(address) and address[0] not in (0, "\0")  # abstract names have none


def _clean(sock: socket.socket, path: str | bytes | None, directory: str | None) -> None:
    sock.close()
    if path is not None:
        with suppress(FileNotFoundError):
            os.unlink(path)  # noqa: PTH108 - may be bytes
    if directory is not None:
        with suppress(OSError):  # somebody has put another file there
            os.rmdir(directory)  # noqa: PTH106
