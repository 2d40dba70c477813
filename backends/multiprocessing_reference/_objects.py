"""The objects that a manager's server shares, and who refers to them.

A shared object lives as long as something holds its Shared: a client's session, a proxy inside
another shared object, or a ticket (the reference that a pickled proxy carries while no process
has it). All of them are ordinary references within the server's process, so Python's own
collector deletes shared objects, cycles of nested proxies included.
"""

# ruff: noqa: ANN401 - anything can be shared

from __future__ import annotations

import threading
import time
import weakref
from collections import deque

TYPE_CHECKING = False  # the module typing takes longer to import than all this
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any, Final

_IN_TRANSIT: Final = 30.0
"""Seconds that the tickets of a session outlive it: what it has sent may still be on its way."""


# Plain classes: the module dataclasses takes a fifth of a server's start to import.


class Shared:
    """An object shared by the server, and what clients may do with it."""

    __slots__ = ("__weakref__", "exposed", "ident", "method_to_typeid", "obj", "typeid")

    def __init__(
        self,
        obj: Any,
        ident: int,
        typeid: str,
        exposed: frozenset[str],
        method_to_typeid: Mapping[str, str],
    ) -> None:
        self.obj = obj
        self.ident = ident
        self.typeid = typeid
        self.exposed = exposed
        self.method_to_typeid = method_to_typeid


class Session:
    """A client process: what it holds, while it has a connection."""

    __slots__ = ("connections", "counts", "held", "name", "tickets")

    def __init__(self, name: str) -> None:
        self.name = name
        self.connections = 0
        self.held: dict[int, Shared] = {}
        self.counts: dict[int, int] = {}
        self.tickets: set[int] = set()

    def hold(self, shared: Shared, count: int = 1) -> None:
        """Add references to *shared*."""
        self.counts[shared.ident] = self.counts.get(shared.ident, 0) + count
        self.held[shared.ident] = shared

    def release(self, ident: int) -> Shared | None:
        """Take back one reference; the object if it was the session's last."""
        left = self.counts.get(ident, 0) - 1
        if left > 0:
            self.counts[ident] = left
            return None
        self.counts.pop(ident, None)
        return self.held.pop(ident, None)


class SharedObjects:
    """The table of shared objects, the sessions, the tickets. Safe in any thread.

    Whatever an operation takes out of the table is let go of outside the lock, since the
    finalizers of objects may do anything.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._idents = 0
        self._ticket_numbers = 0
        self._by_ident: weakref.WeakValueDictionary[int, Shared] = weakref.WeakValueDictionary()
        self._by_identity: weakref.WeakValueDictionary[tuple[int, str], Shared] = (
            weakref.WeakValueDictionary()
        )
        self._sessions: dict[str, Session] = {}
        self._tickets: dict[int, Shared] = {}
        self._expiring: deque[tuple[float, set[int]]] = deque()

    def __len__(self) -> int:
        return len(self._by_ident)

    def find(self, ident: int) -> Shared | None:
        """The shared object of that number, if it still exists."""
        return self._by_ident.get(ident)

    def share(
        self,
        obj: Any,
        typeid: str,
        exposed: Sequence[str],
        method_to_typeid: Mapping[str, str],
        session: Session | None,
    ) -> Shared:
        """Put *obj* into the table, or find it there, with a reference for *session*."""
        if self._expiring:
            self._expire()
        with self._lock:
            shared = self._by_identity.get((id(obj), typeid))
            if shared is None:
                self._idents += 1
                shared = Shared(obj, self._idents, typeid, frozenset(exposed), method_to_typeid)
                self._by_ident[shared.ident] = shared
                self._by_identity[id(obj), typeid] = shared
            if session is not None:
                session.hold(shared)
        return shared

    # Sessions.

    def join(self, name: str, clone_of: str = "") -> Session:
        """The session of that name, with one more connection.

        A new one begins with the references of *clone_of*.
        """
        with self._lock:
            session = self._sessions.get(name)
            if session is None:
                session = self._sessions[name] = Session(name)
                source = self._sessions.get(clone_of)
                if source is not None:
                    session.held = dict(source.held)
                    session.counts = dict(source.counts)
            session.connections += 1
        return session

    def leave(self, session: Session) -> None:
        """One connection less; after the last, all references of the session are dropped."""
        with self._lock:
            session.connections -= 1
            if session.connections:
                return
            del self._sessions[session.name]
            gone, session.held, session.counts = session.held, {}, {}
            if session.tickets:
                self._expiring.append((time.monotonic() + _IN_TRANSIT, session.tickets))
        del gone
        self._expire()

    def _expire(self) -> None:
        """Drop the tickets that nobody will use any more."""
        expired = []
        with self._lock:
            while self._expiring and self._expiring[0][0] <= time.monotonic():
                tickets = self._expiring.popleft()[1]
                expired += [self._tickets.pop(ticket, None) for ticket in tickets]
        del expired

    # References.

    def grant(self, session: Session, shared: Shared) -> None:
        """A reference for a proxy in a reply."""
        with self._lock:
            session.hold(shared)

    def claim(self, session: Session, ident: int, ticket: int) -> None:
        """A reference for a proxy that a client has unpickled, whose ticket is used up.

        KeyError if it's too late.
        """
        with self._lock:
            shared = self._by_ident.get(ident)
            if shared is None:
                raise KeyError(deleted(ident))
            session.hold(shared)
            self._tickets.pop(ticket, None)
            session.tickets.discard(ticket)

    def drop(self, session: Session, ident: int) -> None:
        """A proxy of the client has gone."""
        with self._lock:
            gone = session.release(ident)
        del gone

    def ticket(self, session: Session | None, ident: int) -> int:
        """A reference for a proxy that the client, or with None the server, has pickled.

        KeyError if it's too late.
        """
        with self._lock:
            shared = self._by_ident.get(ident)
            if shared is None:
                raise KeyError(deleted(ident))
            self._ticket_numbers += 1
            self._tickets[self._ticket_numbers] = shared
            if session is not None:
                session.tickets.add(self._ticket_numbers)
            return self._ticket_numbers

    def use_up(self, ticket: int) -> None:
        """A pickled proxy has been loaded in the server itself, which holds the object by it."""
        with self._lock:
            gone = self._tickets.pop(ticket, None)
        del gone

    def describe(self) -> str:
        """A text with every shared object and its count of references from clients."""
        with self._lock:
            objects = sorted(self._by_ident.items())
            sessions = list(self._sessions.values())
        lines = []
        for ident, shared in objects:
            count = sum(session.counts.get(ident, 0) for session in sessions)
            lines.append(f"  {ident}:       refcount={count}\n    {str(shared.obj)[:75]}")
        return "\n".join(lines)


def deleted(ident: int) -> str:
    """What to say of an object that exists no more."""
    return f"the shared object {ident} has been deleted: no proxy referred to it any more"
