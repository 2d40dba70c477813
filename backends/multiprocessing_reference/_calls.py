"""Calls of the methods of shared objects, and what is said of their outcome.

Documentation: multiprocessing.managers.BaseProxy._callmethod.
"""

# ruff: noqa: ANN401 - anything can be shared

# ruff: noqa: PLR0911, PLR0913, PLR0917 - a call can go wrong in many places, each with its own reply

from __future__ import annotations

from ._manager_wire import PROXY, REMOTE, VALUE, error_reply, remote_reply
from ._referents import is_locked

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from ._manager_wire import Reply
    from ._objects import Shared
    from ._server import Served, Server


def perform(
    server: Server,
    served: Served | None,
    shared: Shared | None,
    method: str,
    args: Sequence[Any],
    kwds: Mapping[str, Any],
) -> Reply:
    """Call a method of a shared object, and say how it went."""
    if shared is None:
        return (
            REMOTE,
            "KeyError: the shared object has been deleted: it had no proxy any more\n",
        )
    if method not in shared.exposed:
        return _fallback(shared, method)
    try:
        function = getattr(shared.obj, method)
    except AttributeError as error:
        if method == "locked":
            return VALUE, is_locked(shared.obj)
        return error_reply(server.wire, error)
    try:
        result = function(*args, **kwds)
    except BaseException as error:  # noqa: BLE001 - whatever methods raise is the client's to know
        # Without the frame of this function, which is none of the method's business.
        error.__traceback__ = error.__traceback__ and error.__traceback__.tb_next
        return error_reply(server.wire, error)
    typeid = shared.method_to_typeid.get(method)
    if typeid is None:
        return VALUE, result
    try:
        if served is None:
            return PROXY, server.share(typeid, result, None)
        return PROXY, server.describe(server.share(typeid, result, served.session))
    except Exception as error:  # noqa: BLE001 - what the making of a proxy raises as well
        return remote_reply(error)


def _fallback(shared: Shared, method: str) -> Reply:
    """What every shared object can do, exposed or not: be copied and be shown."""
    try:
        if method == "#GETVALUE":
            return VALUE, shared.obj
        if method == "__repr__":
            return VALUE, repr(shared.obj)
        if method == "__str__":
            return VALUE, str(shared.obj)
    except Exception as error:  # noqa: BLE001 - such as what the object's __repr__() raises
        return remote_reply(error)
    return REMOTE, (
        f"AttributeError: method {method!r} of {type(shared.obj)!r} object is not in "
        f"exposed={sorted(shared.exposed)}\n"
    )


def public_methods(obj: Any) -> list[str]:
    """The names of the attributes of *obj* that can be called and don't begin with '_'."""
    return [
        name for name in dir(obj) if not name.startswith("_") and callable(getattr(obj, name, None))
    ]
