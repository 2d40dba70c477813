"""Methods that threading has by two names: the old one of each.

Documentation: threading.Condition.notify_all, threading.Event.is_set.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

__all__ = ["deprecated_alias"]


def deprecated_alias(old: str, name: str) -> Callable[[Any], Any]:
    """Return a method that calls the one of that *name*, and warns who calls it by the *old* one."""

    def method(self: Any) -> Any:  # noqa: ANN401 - whatever the other gives
        import warnings  # which children that never call it do without

        msg = f"{old}() is a deprecated alias: call {name}()"
        warnings.warn(msg, DeprecationWarning, stacklevel=2)
        return getattr(self, name)()

    method.__name__, method.__doc__ = old, f"Call {name}(), whose deprecated alias it is."
    return method
