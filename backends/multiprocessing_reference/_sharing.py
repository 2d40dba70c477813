"""Hand a descriptor to a process that has only received bytes.

A pickle that travels over TCP, or is made by plain `ForkingPickler.dumps`, has no room for
descriptors. `offer` keeps a duplicate and returns a token that can be pickled; `fetch`, in any
process of the same machine that holds the same authkey, gives it to whoever comes first. A thread
of the offering process serves them over a Unix socket with an abstract name, which leaves no file
behind.

Documentation: multiprocessing.connection.Connection (connections can be sent over connections).
"""

from __future__ import annotations

import os
import socket
from threading import Lock, Thread

from ._auth import answer_challenge, deliver_challenge
from ._rights import close_all
from ._transport import StreamTransport
from .util import register_after_fork, sub_warning

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import TypeAlias

    Token: TypeAlias = tuple[bytes, int]

__all__ = ["fetch", "offer"]

# Longer than any honest peer takes; a peer that says nothing holds up the others no longer.
_PATIENCE = 5.0  # seconds


class _Server:
    """The descriptors that this process offers, and the thread that gives them away."""

    def __init__(self) -> None:
        self.reset()
        register_after_fork(self, _Server.reset)

    def reset(self) -> None:
        """Begin anew, as in a forked child: what was offered is the parent's."""
        for fd in getattr(self, "_offered", {}).values():
            os.close(fd)
        listener = getattr(self, "_listener", None)
        if listener is not None:
            listener.close()
        self._lock = Lock()
        self._offered: dict[int, int] = {}
        self._listener: socket.socket | None = None
        self._next = 0

    def offer(self, fd: int) -> Token:
        with self._lock:
            if self._listener is None:
                self._listener = self._start()
            number, self._next = self._next, self._next + 1
            self._offered[number] = os.dup(fd)
            return self._listener.getsockname(), number

    def _start(self) -> socket.socket:
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        listener.settimeout(None)
        listener.bind(b"\0multiprocessing_reference-" + os.urandom(16).hex().encode())
        listener.listen(16)
        Thread(target=self._serve, args=(listener,), name="descriptor-sharer", daemon=True).start()
        return listener

    def _serve(self, listener: socket.socket) -> None:
        while True:
            client, _ = listener.accept()
            with client:
                client.settimeout(_PATIENCE)
                try:
                    self._give(client)
                except Exception as error:  # noqa: BLE001 - one peer's fault is not the others'
                    sub_warning("a request for a shared descriptor failed: %r", error)

    def _give(self, client: socket.socket) -> None:
        channel = _Channel(client)
        deliver_challenge(channel, _authkey())
        answer_challenge(channel, _authkey())
        number = int.from_bytes(channel.recv_bytes(8), "big")
        with self._lock:
            fd = self._offered.pop(number, None)
        if fd is None:
            channel.send_bytes(b"gone")
            return
        try:
            socket.send_fds(client, [b"here"], [fd])
        finally:
            os.close(fd)


class _Channel:
    """Messages of bytes over a socket that may have a timeout."""

    def __init__(self, sock: socket.socket) -> None:
        self._transport = StreamTransport(sock)

    def send_bytes(self, buf: bytes) -> None:
        self._transport.send(buf)

    def recv_bytes(self, maxlength: int | None = None) -> bytes:
        data, fds = self._transport.receive(maxlength)
        close_all(fds)
        return data


def _authkey() -> bytes:
    from .process import current_process

    return bytes(current_process().authkey)


_server: _Server | None = None
_making = Lock()


def offer(fd: int) -> Token:
    """Keep a duplicate of *fd* for the first process that fetches it; return the token to do so."""
    global _server
    with _making:
        if _server is None:
            _server = _Server()
    return _server.offer(fd)


def fetch(token: Token) -> int:
    """Return the descriptor that *token* stands for, owned by the caller.

    FileNotFoundError when it was fetched before, ConnectionRefusedError when its process has ended,
    AuthenticationError when that process has another authkey.
    """
    address, number = token
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.settimeout(None)
        sock.connect(address)
        channel = _Channel(sock)
        answer_challenge(channel, _authkey())
        deliver_challenge(channel, _authkey())
        channel.send_bytes(number.to_bytes(8, "big"))
        _data, fds, _flags, _address = socket.recv_fds(sock, 4, 1, socket.MSG_CMSG_CLOEXEC)
    if not fds:
        message = "the descriptor is no longer offered: each can be fetched once"
        raise FileNotFoundError(message)
    return fds[0]
