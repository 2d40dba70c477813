"""Proxies: stand-ins for objects that live in a manager's server.

A proxy calls through a *reference*. That of a client goes over its Link; that of a proxy inside
the server itself (one that is part of another shared object) holds the object directly, and calls
it with copies of the arguments.

A pickled proxy says how it holds its object meanwhile:

- in a reply of the server: the reference is the receiver's already (GRANTED), at no cost;
- in a request to the server: the caller's proxy outlives the call (CARRIED);
- anywhere else: by a ticket, a reference that the server keeps until the pickle is loaded. So an
  object may be sent and forgotten: it can't be deleted while on its way.

Documentation: multiprocessing.managers.BaseProxy.
"""

# ruff: noqa: ANN401 - anything can be shared

# ruff: noqa: N802 - names that programs know

# ruff: noqa: FBT001, FBT002, PLR0913, PLR0917 - the signature that subclasses know

# ruff: noqa: SLF001 - a manager's registry and a local reference's server belong to this package

from __future__ import annotations

import os
import sys
from contextlib import suppress
from functools import cache

from . import reduction
from ._calls import perform
from ._manager_link import link_to, result_of
from ._manager_wire import PROXY, VALUE, RemoteError, Token, thing_at, wire_named
from ._objects import deleted
from ._server import here

TYPE_CHECKING = False  # the module typing takes longer to import than all this
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import Any, ClassVar, Final, Protocol

    from ._manager_link import Link
    from ._manager_wire import Reply
    from ._objects import Shared
    from ._server import Server

_GRANTED: Final = -1
_CARRIED: Final = -2


if TYPE_CHECKING:

    class Reference(Protocol):
        """How a proxy reaches its referent, and keeps it alive."""

        def call(self, method: str, args: Sequence[Any], kwds: Mapping[str, Any]) -> Reply:
            """Call a method of the referent."""

        def note(self) -> int:
            """How a pickle of the proxy holds the referent: a ticket, _GRANTED or _CARRIED."""


class RemoteReference:
    """The reference of a client."""

    __slots__ = ("ident", "link")

    def __init__(self, link: Link, ident: int) -> None:
        self.link = link
        self.ident = ident

    def call(self, method: str, args: Sequence[Any], kwds: Mapping[str, Any]) -> Reply:
        return self.link.call((self.ident, method, args, kwds))

    def note(self) -> int:
        if self.link.in_call():
            return _CARRIED
        with suppress(OSError, EOFError, RemoteError):
            return int(self.link.control("ticket", self.ident))
        return 0  # the server has gone; that the pickle is of no use is for its reader to find

    def __del__(self, _at_end: Callable[[], bool] = sys.is_finalizing) -> None:
        if not _at_end():  # else the session ends by itself, and modules are empty already
            self.link.drop(self.ident)


class LocalReference:
    """The reference of a proxy inside the server."""

    __slots__ = ("_pid", "_server", "_shared")

    def __init__(self, server: Server, shared: Shared) -> None:
        self._server = server
        self._shared = shared
        self._pid = os.getpid()

    def call(self, method: str, args: Sequence[Any], kwds: Mapping[str, Any]) -> Reply:
        if os.getpid() != self._pid:
            return self._from_child().call(method, args, kwds)
        args, kwds = _copy((args, kwds))
        kind, value = perform(self._server, None, self._shared, method, args, kwds)
        return (kind, _copy(value)) if kind == VALUE else (kind, value)

    def referent(self) -> Any:
        """The object itself; None in a process that an object of the server has forked."""
        return self._shared.obj if os.getpid() == self._pid else None

    def _from_child(self) -> RemoteReference:
        """For a process that an object of the server has forked.

        Its copy of the object isn't the shared one.
        """
        server = self._server
        link = link_to(server.name, server.address, server.authkey, server.serializer)
        link.control("claim", self._shared.ident, 0)
        return RemoteReference(link, self._shared.ident)

    def note(self) -> int:
        served = here.served
        if served is not None and served.replying and served.server is self._server:
            self._server.objects.grant(served.session, self._shared)
            return _GRANTED
        if os.getpid() != self._pid:
            return self._from_child().note()
        return self._server.objects.ticket(None, self._shared.ident)


def _copy(value: Any) -> Any:
    return reduction.ForkingPickler.loads(reduction.ForkingPickler.dumps(value))


class BaseProxy:
    """The base of all proxies.

    Documentation: multiprocessing.managers.BaseProxy.
    """

    _exposed_: ClassVar[Sequence[str] | None] = None
    _method_to_typeid_: ClassVar[Mapping[str, str] | None] = None
    _isauto: ClassVar[bool] = False

    def __init__(
        self,
        token: Token,
        serializer: str,
        manager: Any = None,
        authkey: bytes | None = None,
        exposed: Iterable[str] | None = None,
        incref: bool = True,
        manager_owned: bool = False,
    ) -> None:
        """A proxy for the object of *token*.

        With *incref*, ask the server for a reference; else one is at hand.
        """
        self._serializer = serializer
        self._manager = manager
        self._exposed = None if exposed is None else tuple(exposed)
        self._reference: Reference
        served = here.served
        if manager_owned and served is not None and served.server.name == token.server:
            shared = served.server.objects.find(token.id)
            if shared is None:
                raise KeyError(deleted(token.id))
            self._reference = LocalReference(served.server, shared)
        else:
            link = _link(token, serializer, authkey)
            if incref:
                link.control("claim", token.id, 0)
            self._reference = RemoteReference(link, token.id)
            token = Token(token.typeid, link.address, token.id, link.server)
        self._token = token
        self._id = token.id

    def _callmethod(
        self,
        methodname: str,
        args: Sequence[Any] = (),
        kwds: Mapping[str, Any] | None = None,
    ) -> Any:
        """Call a method of the referent and return its result, a copy or a proxy.

        Raises what the method raises; RemoteError if it isn't exposed, or if anything else fails
        in the server. Documentation: multiprocessing.managers.BaseProxy._callmethod.
        """
        kind, value = self._reference.call(methodname, args, kwds or {})
        if kind == VALUE:
            return value
        if kind == PROXY:
            return self._proxy_for(value)
        return self._raise(kind, value)

    def _raise(self, kind: int, value: Any) -> Any:
        return result_of((kind, value), wire_named(self._serializer))

    def _proxy_for(self, made: Any) -> Any:
        """The proxy for an object that a method has returned."""
        if not isinstance(made, (tuple, list)):  # in the server itself
            return _local_proxy(self._reference, made)
        return proxy_for(made, self._token, self._serializer, self._manager)

    def _getvalue(self) -> Any:
        """A copy of the referent; an exception if it can't be pickled.

        Documentation: multiprocessing.managers.BaseProxy._getvalue.
        """
        return self._callmethod("#GETVALUE")

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the proxy, not the referent.

        The authentication key goes along only to a child being started.
        """
        kind: Any = AutoProxy if self._isauto else type(self)
        exposed = self._exposed if self._isauto else None
        authkey = None
        if reduction.spawning() and isinstance(self._reference, RemoteReference):
            authkey = bytes(self._reference.link.authkey)
        note = self._reference.note()
        return RebuildProxy, (kind, self._token, self._serializer, exposed, note, authkey)

    def __deepcopy__(self, memo: object) -> Any:
        """A deep copy is a copy of the referent."""
        return self._getvalue()

    def __repr__(self) -> str:
        """The representation of the proxy.

        Documentation: multiprocessing.managers.BaseProxy.__repr__.
        """
        return f"<{type(self).__name__} object, typeid {self._token.typeid!r} at {id(self):#x}>"

    def __str__(self) -> str:
        """The representation of the referent.

        Documentation: multiprocessing.managers.BaseProxy.__str__.
        """
        try:
            return str(self._callmethod("__repr__"))
        except Exception:  # noqa: BLE001 - print() of a proxy works though its manager does not
            return f"{repr(self)[:-1]}; '__str__()' failed>"


def _link(token: Token, serializer: str, authkey: bytes | None) -> Link:
    if authkey is None:
        from .process import current_process

        authkey = current_process().authkey
    return link_to(token.server, token.address, authkey, serializer)


def proxy_for(made: Any, beside: Token, serializer: str, manager: Any) -> Any:
    """A proxy for the new object that a server has described; its address is that of *beside*."""
    typeid, ident, exposed, place = made
    registered = None if manager is None else manager._registry.get(typeid)
    kind = registered[3] if registered else thing_at(place) if place else None
    token = Token(typeid, beside.address, ident, beside.server)
    return (kind or AutoProxy)(token, serializer, manager=manager, exposed=exposed, incref=False)


def _local_proxy(reference: Any, shared: Shared) -> Any:
    """A proxy, inside the server, for an object that a method of a shared object has returned."""
    server: Server = reference._server
    token = Token(shared.typeid, server.address, shared.ident, server.name)
    kind = server.registry[shared.typeid][3] or AutoProxy
    return kind(
        token, server.serializer, exposed=tuple(shared.exposed), incref=False, manager_owned=True
    )


def RebuildProxy(
    kind: Callable[..., Any],
    token: Token,
    serializer: str,
    exposed: Sequence[str] | None,
    note: int,
    authkey: bytes | None,
) -> Any:
    """Make a proxy from its pickle."""
    served = here.served
    if served is not None and not served.replying and served.server.name == token.server:
        proxy = kind(token, serializer, exposed=exposed, incref=False, manager_owned=True)
        served.server.objects.use_up(note)
        return proxy
    link = _link(token, serializer, authkey)
    if note != _GRANTED:
        link.control("claim", token.id, max(note, 0))
    return kind(token, serializer, authkey=link.authkey, exposed=exposed, incref=False)


def referent_of(proxy: Any) -> Any:
    """What a proxy inside the server stands for; None for all else."""
    reference = getattr(proxy, "_reference", None)
    return reference.referent() if isinstance(reference, LocalReference) else None


def forward(name: str) -> Callable[..., Any]:
    """A method of a proxy class that calls the referent's method of that name."""

    def method(self: BaseProxy, /, *args: Any, **kwds: Any) -> Any:
        return self._callmethod(name, args, kwds)

    method.__name__ = name
    method.__qualname__ = f"proxy.{name}"
    return method


def MakeProxyType(name: str, exposed: Iterable[str]) -> type[BaseProxy]:
    """A class of proxies with these methods."""
    return _proxy_type(name, tuple(exposed))


@cache
def _proxy_type(name: str, exposed: tuple[str, ...]) -> type[BaseProxy]:
    members: dict[str, Any] = {method: forward(method) for method in exposed}
    members["_exposed_"] = exposed
    return type(name, (BaseProxy,), members)


@cache
def _auto_type(typeid: str, exposed: tuple[str, ...]) -> type[BaseProxy]:
    members: dict[str, Any] = {method: forward(method) for method in exposed}
    members.update(_exposed_=exposed, _isauto=True)
    return type(f"AutoProxy[{typeid}]", (BaseProxy,), members)


def AutoProxy(
    token: Token,
    serializer: str,
    manager: Any = None,
    authkey: bytes | None = None,
    exposed: Iterable[str] | None = None,
    incref: bool = True,
    manager_owned: bool = False,
) -> Any:
    """A proxy of a class made for it, with the methods that its referent exposes."""
    if exposed is None:
        exposed = _link(token, serializer, authkey).control("get_methods", token.id)
    kind = _auto_type(token.typeid, tuple(exposed))
    return kind(token, serializer, manager, authkey, tuple(exposed), incref, manager_owned)
