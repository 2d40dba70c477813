"""The line of a pool: its tasks that have left the parent, which whoever is free first takes.

All workers read from one SOCK_SEQPACKET socket, where one message goes to one reader, as a whole: the
kernel does what a queue would need a lock for, and a worker that is killed leaves nothing half done.
So the parent can be far ahead of its workers, which must not wait for it to be scheduled, and yet no
task stands behind a long one while another worker has nothing to do.

A message is a pickle, and behind it its number, which unpickling ignores and the reply repeats. Of
one that is too large for a packet, or has descriptors, only the number is in the line: the worker
asks for the rest, which comes through its own channel.

The parent can read the line as well, to take back what no worker has got.
"""

from __future__ import annotations

from _thread import get_ident
from struct import Struct
from typing import TYPE_CHECKING, Final

from ._channel import DONTWAIT, channel_pair
from .reduction import Packed

if TYPE_CHECKING:
    from collections.abc import Container

    from ._jobs import Task

__all__ = ["ANNOUNCED", "NUMBER", "Line"]

NUMBER: Final = Struct("=Q")
"""What stands behind each message of a task, or of its reply."""
ANNOUNCED: Final = b"A"
"""A message of the line that has but the number behind it."""
_LARGE: Final = 1 << 15  # bytes of a task: several must fit into the line
_FURTHEST: Final = 256  # tasks for each worker that it may be ahead


class Line:
    """The tasks under way, in the line or with a worker; the crew's lock is held but for `post`."""

    def __init__(self, size: int) -> None:
        self._near, self.far = channel_pair()
        self._send = self._near.send_packet
        self._size = size
        self._ahead = size
        self._last = 0
        self._tasks: dict[int, Task] = {}
        self._announced: set[int] = set()

    def __len__(self) -> int:
        return len(self._tasks)

    def has_room(self) -> bool:
        """Return whether another task may enter."""
        return len(self._tasks) < self._size + self._ahead and len(self._announced) < self._size

    def is_low(self) -> bool:
        """Return whether the workers have less than one task each, but for one that was answered."""
        return len(self._tasks) <= self._size

    def adapt(self, heard: int, *, slept: bool) -> None:
        """Be further ahead when the parent is late: it finds half of the workers' replies at once."""
        if heard > len(self._tasks):
            self._ahead = min(self._ahead * 2, self._size * _FURTHEST)
        elif slept and heard == 1:
            self._ahead = max(self._ahead // 2, self._size)

    def enter(self, task: Task) -> None:
        """Number *task*, which this thread sends."""
        task.posted = False
        task.sender = get_ident()
        self._last = task.number = self._last + 1
        self._tasks[task.number] = task

    def unposted(self) -> list[Task]:
        """Take out what this thread was to send, and did not."""
        me = get_ident()
        tasks = [t for t in self._tasks.values() if t.sender == me and not t.posted]
        for task in tasks:
            self.leave(task.number)
        return tasks

    def post(self, task: Task, packed: Packed) -> bool:
        """Send *task*, which has entered, *packed*; False when there is no room."""
        number = NUMBER.pack(task.number)
        if len(packed.data) > _LARGE or packed.fds:
            task.packed = packed
            self._announced.add(task.number)
            message = ANNOUNCED + number
        else:
            task.packed = None
            message = packed.data + number
        # Ctrl-C is heard before `posted` is set or after the call: `posted` tells the truth.
        task.posted = True
        try:
            self._send(message, DONTWAIT)
        except OSError:
            task.posted = False
            task.packed = packed
            self._announced.discard(task.number)
        return task.posted

    def answered(self, number: int) -> Task | None:
        """Return the task of that number; None: it was given up."""
        return self._tasks.get(number)

    def leave(self, number: int) -> Task | None:
        """Take out the task of that number; None: it was given up."""
        self._announced.discard(number)
        return self._tasks.pop(number, None)

    def large(self, number: int) -> Packed | None:
        """Return the announced task of that number, for the worker that asked."""
        self._announced.discard(number)
        task = self._tasks.get(number)
        if task is None:
            return None
        packed, task.packed = task.packed, None
        return packed

    def is_announced(self, number: int) -> bool:
        """Return whether no worker has asked for this task yet."""
        return number in self._announced

    def has_announced(self) -> bool:
        """Return whether a worker may be about to ask for a task."""
        return bool(self._announced)

    def take_back(self) -> list[Task]:
        """Take out the tasks that no worker has got."""
        found: list[Task] = []
        while True:
            try:
                data, _fds = self.far.try_receive()
            except (EOFError, OSError):
                return found
            (number,) = NUMBER.unpack(data[-NUMBER.size :])
            task = self.leave(number)
            if task is None:
                continue
            if task.packed is None:
                task.packed = Packed(bytes(data[: -NUMBER.size]), ())
            found.append(task)

    def unaccounted(self, held: Container[int]) -> list[int]:
        """Return the numbers of what was sent, and is not among what workers hold."""
        return [n for n, task in self._tasks.items() if task.posted and n not in held]

    def end(self) -> None:
        """Let the workers read its end."""
        self._near.hang_up()

    def close(self) -> None:
        """Close both ends, and forget the tasks: their jobs would keep a pool that was terminated."""
        self._near.close()
        self.far.close()
        tasks, self._tasks = self._tasks, {}
        self._announced.clear()
        for task in tasks.values():
            task.discard()
