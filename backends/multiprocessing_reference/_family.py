"""The state that says which process this is: the current process, its parent and its children.

A child begins it anew: what it inherited is its parent's.

Documentation: multiprocessing.current_process, parent_process, active_children.
"""

# ruff: noqa: SLF001 - what is private is private to the process objects, which this module keeps

from __future__ import annotations

import os
from _thread import allocate_lock
from itertools import count

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ._base_process import BaseProcess
    from .process import ParentProcess

_current: BaseProcess
_parent: ParentProcess | None
_counter = count(1)
_bootstrapping = False
children: set[BaseProcess] = set()
"""Those that were started, and are not known to have ended."""
claiming = allocate_lock()
"""Held while a process object is claimed for its start."""


def begin(process: BaseProcess, parent: ParentProcess | None) -> None:
    """Make *process* the current process, without children."""
    global _current, _parent, _counter
    _current = process
    _parent = parent
    _counter = count(1)
    _forget_children()


def set_parent(parent: ParentProcess) -> None:
    """Let `parent_process` tell of the parent while a child, or the fork server, imports the main module."""
    global _parent
    _parent = parent


def next_identity() -> tuple[int, ...]:
    """Return the identity of the next child: that of this process, and the child's number."""
    return (*_current._identity, next(_counter))


def current_process() -> BaseProcess:
    """Return the Process object of this process. Documentation: multiprocessing.current_process."""
    return _current


def parent_process() -> BaseProcess | None:
    """Return the parent of this process, None in the main process.

    Documentation: multiprocessing.parent_process
    """
    return _parent


def active_children() -> list[BaseProcess]:
    """Return the children that live, and join those that have ended.

    Documentation: multiprocessing.active_children
    """
    return [
        child
        for child in list(children)
        # Another thread may close it between two looks.
        if (launched := child._launched) is not None and child._note(launched.poll()) is None
    ]


def bootstrapping() -> bool:
    """Return whether this process is a child that still imports its main module."""
    return _bootstrapping


def set_bootstrapping(state: bool) -> None:  # noqa: FBT001 - a setter
    """Say whether this process is a child that still imports its main module."""
    global _bootstrapping
    _bootstrapping = state


def _forget_children() -> None:
    global claiming
    children.clear()
    claiming = allocate_lock()  # another thread of the parent may have held it


# Also for a plain os.fork: the children of a parent are never those of its child.
os.register_at_fork(after_in_child=_forget_children)
