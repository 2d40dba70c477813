"""What managers and their clients say to each other, and how it becomes bytes.

A conversation is a sequence of requests, each answered by one reply, on a connection that one
thread of the client owns and one thread of the server serves. (So a lock acquired through a proxy
belongs to the client's thread.)

    request   (ident, method, args, kwds)      ident: the shared object's, 0 for the server
    notice    (-1, method, args, {})           a request without a reply
    reply     (VALUE, result) | (PROXY, description) | (ERROR, exception) | (REMOTE, text)

Two wires carry it: pickle, where descriptors may ride along, and XML-RPC's data format, which
runs no code on receipt. Documentation: multiprocessing.managers.BaseManager, *serializer*.
"""

# ruff: noqa: ANN401 - anything can be shared

# ruff: noqa: S301 - messages come from authenticated peers

# ruff: noqa: N818 - RemoteTraceback is a cause that is shown, never raised

# ruff: noqa: A002 - programs know the token's fields by these names

from __future__ import annotations

import importlib
import pickle
import sys
from collections.abc import ItemsView, KeysView, ValuesView

TYPE_CHECKING = False  # the module typing takes longer to import than all this
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any, Final, Protocol, TypeAlias

    from .connection import Connection

    Request: TypeAlias = tuple[int, str, Sequence[Any], Mapping[str, Any]]
    Reply: TypeAlias = tuple[int, Any]

VALUE: Final = 0
"""The reply holds the result."""
PROXY: Final = 1
"""The reply describes a new shared object: (typeid, ident, exposed, place of the proxy's class)."""
ERROR: Final = 2
"""The reply holds an exception of the method called, in the wire's encoding."""
REMOTE: Final = 3
"""The reply holds a text.

Something went wrong in the server that isn't the method's own exception.
"""

SERVER: Final = 0
"""The ident of the server itself."""
NOTICE: Final = -1
"""The ident of a request to the server that wants no reply."""

_RULE: Final = "-" * 75


class RemoteError(Exception):
    """The manager's server failed at something other than the method called.

    The text is the traceback from there.

    Documentation: multiprocessing.managers.BaseProxy._callmethod.

    """

    def __str__(self) -> str:
        return f"\n{_RULE}\n{self.args[0] if self.args else ''}{_RULE}"


class RemoteTraceback(Exception):
    """The cause of an exception that comes from a manager's server.

    Shows the traceback from there.
    """

    def __str__(self) -> str:
        return f'\n"""\n{self.args[0]}"""'


class Token:
    """Which shared object a proxy refers to.

    Fields: the type identifier, the server's address, the object's number there, the server's own
    name. (The name tells servers apart where addresses can't: one server may be reached under
    several, and two may follow on one.)
    """

    __slots__ = ("address", "id", "server", "typeid")

    # Not a dataclass: the module dataclasses takes a fifth of a server's start to import.
    def __init__(self, typeid: str, address: Any, id: int, server: str = "") -> None:
        self.typeid = typeid
        self.address = address
        self.id = id
        self.server = server

    def __reduce__(self) -> tuple[Any, ...]:
        return Token, (self.typeid, self.address, self.id, self.server)

    def __repr__(self) -> str:
        return f"Token(typeid={self.typeid!r}, address={self.address!r}, id={self.id!r})"


if TYPE_CHECKING:

    class Wire(Protocol):
        """How messages of managers become bytes."""

        name: str
        carries_descriptors: bool

        def send(self, connection: Connection, message: Request | Reply) -> None:
            """Send one message; whatever can't be sent raises before a byte is written."""

        def receive(self, connection: Connection) -> Any:
            """Wait for one message; EOFError when the peer has gone."""

        def pack_error(self, error: BaseException, text: str) -> Any:
            """An exception in a form that this wire carries; raises if it has none."""

        def unpack_error(self, packed: Any) -> BaseException:
            """The exception, with the remote traceback as its cause."""


class PickleWire:
    """Messages as pickles; the fast and full one."""

    name = "pickle"
    carries_descriptors = True

    def send(self, connection: Connection, message: Request | Reply) -> None:
        connection.send(message)

    def receive(self, connection: Connection) -> Any:
        return connection.recv()

    def pack_error(self, error: BaseException, text: str) -> Any:
        data = pickle.dumps(error, pickle.HIGHEST_PROTOCOL)
        if type(error).__module__ != "builtins":
            # Exceptions often pickle and then don't unpickle (__init__ with other arguments):
            # find out here, where the traceback is at hand.
            pickle.loads(data)
        return data, text

    def unpack_error(self, packed: Any) -> BaseException:
        data, text = packed
        try:
            error = pickle.loads(data)
        except Exception as reason:  # noqa: BLE001 - unpickling runs anything and so raises anything
            return RemoteError(f"{text}(The exception can't be rebuilt here: {reason!r})\n")
        if not isinstance(error, BaseException):
            return RemoteError(text)
        error.__cause__ = RemoteTraceback(text)
        return error


class XmlWire:
    """Messages as XML-RPC values.

    Plain data only (tuples arrive as lists), and nothing runs on receipt.
    """

    name = "xmlrpclib"
    carries_descriptors = False
    # Modules whose exceptions are rebuilt by name; others arrive as RemoteError.
    _TRUSTED: Final = frozenset({"builtins", "queue", "_queue", "threading"})

    def send(self, connection: Connection, message: Request | Reply) -> None:
        from xmlrpc.client import dumps

        text = dumps((_plain(message),), methodname=None, methodresponse=False, allow_none=True)
        connection.send_bytes(text.encode())

    def receive(self, connection: Connection) -> Any:
        from xmlrpc.client import loads

        (message,), _ = loads(connection.recv_bytes(), use_builtin_types=True)
        return message

    def pack_error(self, error: BaseException, text: str) -> Any:
        kind = type(error)
        if kind.__module__ not in self._TRUSTED:
            msg = f"{kind.__qualname__} can't travel by XML-RPC"
            raise TypeError(msg)
        return [kind.__module__, kind.__qualname__, [_plain(item) for item in error.args], text]

    def unpack_error(self, packed: Any) -> BaseException:
        module, name, args, text = packed
        kind = (
            getattr(importlib.import_module(module), name, None)
            if module in self._TRUSTED
            else None
        )
        if not (isinstance(kind, type) and issubclass(kind, BaseException)):
            return RemoteError(text)
        error = kind(*args)
        error.__cause__ = RemoteTraceback(text)
        return error


def _plain(value: Any) -> Any:
    """*value* if XML-RPC has it, else a TypeError.

    (xmlrpc.client itself would send any object's __dict__.)
    """
    if isinstance(value, (bool, int, float, str, bytes, bytearray, type(None))):
        return value
    if isinstance(value, (list, tuple, KeysView, ValuesView, ItemsView)):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    msg = f"cannot marshal {type(value)} objects with the serializer 'xmlrpclib'"
    raise TypeError(msg)


_WIRES: Final[dict[str, Wire]] = {"pickle": PickleWire(), "xmlrpclib": XmlWire()}


def wire_named(serializer: str) -> Wire:
    """The wire of a *serializer*; KeyError, as programs know it, for an unknown one."""
    try:
        return _WIRES[serializer]
    except KeyError:
        msg = f"serializer must be 'pickle' or 'xmlrpclib', not {serializer!r}"
        raise KeyError(msg) from None


def error_reply(wire: Wire, error: BaseException) -> Reply:
    """The reply that makes the client raise *error*, or a RemoteError if it can't travel."""
    text = _describe(error)
    try:
        return ERROR, wire.pack_error(error, text)
    except Exception:  # noqa: BLE001 - pickling runs anything and so raises anything
        return REMOTE, f"Unserializable message: {text}"


def remote_reply(error: BaseException) -> Reply:
    """The reply for a failure that isn't the called method's own exception."""
    return REMOTE, _describe(error)


def _describe(error: BaseException) -> str:
    """The traceback of *error* as text."""
    if (
        error.__traceback__ is None
        and error.__context__ is None
        and type(error).__module__ == "builtins"
    ):
        # From a method written in C (an index out of range, a missing key): frequent, and there
        # is nothing to look up.
        return f"{type(error).__name__}: {error}\n"
    import traceback

    return "".join(traceback.format_exception(error))


def place_of(thing: Any) -> str:
    """'module:name' of a class or function that can be found again by it, else ''."""
    module, name = getattr(thing, "__module__", ""), getattr(thing, "__qualname__", "")
    found: Any = sys.modules.get(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    return f"{module}:{name}" if found is thing else ""


def thing_at(place: str) -> Any:
    """The inverse of place_of; None if there is no such thing in this process."""
    module, _, name = place.partition(":")
    try:
        found: Any = importlib.import_module(module)
    except (ImportError, ValueError):
        return None
    for part in name.split("."):
        found = getattr(found, part, None)
    return found
