"""Prove to the other end of a connection that one holds the same key, without sending it.

One side delivers a challenge, ``#CHALLENGE#{digest}`` and random bytes; the other answers
``{digest}`` and the HMAC of what follows ``#CHALLENGE#``; then comes ``#WELCOME#`` or
``#FAILURE#``. The name of the digest is part of what is authenticated, so nobody between the two
can weaken it. The deliverer accepts the digests in `DIGESTS` alone. These messages are those one
sees CPython 3.12 and later exchange, so both ends need not be of the same implementation.

Documentation: multiprocessing.connection, "Authentication keys", deliver_challenge,
answer_challenge.
"""

from __future__ import annotations

import os

from .errors import AuthenticationError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Protocol

    class Channel(Protocol):
        """What is needed of a connection."""

        def send_bytes(self, buf: bytes, /) -> None:
            """Send one message."""

        def recv_bytes(self, maxlength: int | None = None, /) -> bytes:
            """Return one message."""


__all__ = ["DIGESTS", "answer_challenge", "check_authkey", "deliver_challenge"]

DIGESTS = ("sha256", "sha384", "sha512", "sha3_256")
_CHALLENGE, _WELCOME, _FAILURE = b"#CHALLENGE#", b"#WELCOME#", b"#FAILURE#"
_RANDOM_LENGTH = 40  # bytes; more than the longest digest's collision resistance needs
_LONGEST = 256  # bytes that a stranger can make this process read


def check_authkey(authkey: object) -> None:
    """Raise TypeError unless *authkey* is None or bytes."""
    if authkey is not None and not isinstance(authkey, bytes):
        message = f"authkey should be a byte string, not {type(authkey).__name__}"
        raise TypeError(message)


def _digest(authkey: bytes, message: bytes) -> bytes:
    """Return ``{name}`` and the HMAC of *message*, by the digest that *message* begins with."""
    from hmac import digest

    name, brace, _ = message[1:].partition(b"}")
    if message[:1] != b"{" or not brace or name.decode("ascii", "replace") not in DIGESTS:
        error = (
            f"the other end asks for a digest other than {', '.join(DIGESTS)}; CPython before "
            "3.12 knows only MD5"
        )
        raise AuthenticationError(error)
    return b"{%b}" % name + digest(authkey, message, name.decode())


def _check_key(authkey: object) -> None:
    if not isinstance(authkey, bytes):
        message = f"authkey must be bytes, not {type(authkey).__name__}"
        raise ValueError(message)  # noqa: TRY004 - the type that programs catch


def deliver_challenge(connection: Channel, authkey: bytes, digest_name: str = "sha256") -> None:
    """Make the other end prove that it holds *authkey*; AuthenticationError unless it does.

    Documentation: multiprocessing.connection.deliver_challenge.
    """
    _check_key(authkey)
    if digest_name not in DIGESTS:
        error = f"unknown digest {digest_name!r}: use one of {', '.join(DIGESTS)}"
        raise ValueError(error)
    from hmac import compare_digest

    message = b"{%b}" % digest_name.encode() + os.urandom(_RANDOM_LENGTH)
    connection.send_bytes(_CHALLENGE + message)
    answer = connection.recv_bytes(_LONGEST)
    if not compare_digest(answer, _digest(authkey, message)):
        connection.send_bytes(_FAILURE)
        error = "digest received was wrong: the other end does not hold the same authkey"
        raise AuthenticationError(error)
    connection.send_bytes(_WELCOME)


def answer_challenge(connection: Channel, authkey: bytes) -> None:
    """Prove to the other end that this one holds *authkey*; AuthenticationError unless it agrees.

    Documentation: multiprocessing.connection.answer_challenge.
    """
    _check_key(authkey)
    message = connection.recv_bytes(_LONGEST)
    if not message.startswith(_CHALLENGE):
        error = "protocol error: the other end sent no challenge; does it use an authkey?"
        raise AuthenticationError(error)
    message = message[len(_CHALLENGE) :]
    if len(message) < _RANDOM_LENGTH:
        error = f"protocol error: a challenge of {len(message)} bytes is too short to be safe"
        raise AuthenticationError(error)
    connection.send_bytes(_digest(authkey, message))
    if connection.recv_bytes(_LONGEST) != _WELCOME:
        error = "digest sent was rejected: the other end does not hold the same authkey"
        raise AuthenticationError(error)
