"""Methods that threading has by two names; imported only when one is called by its old name.

Documentation: threading.Condition.notify_all, threading.Event.is_set.
"""

from __future__ import annotations

import warnings


def warn_of_alias(name: str, successor: str) -> None:
    """Warn who has called the calling method that another is to be called."""
    msg = f"{name}() is a deprecated alias: call {successor}()"
    warnings.warn(msg, DeprecationWarning, stacklevel=3)
