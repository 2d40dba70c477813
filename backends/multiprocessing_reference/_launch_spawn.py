"""The start method *spawn*: the child is a fresh interpreter.

What the child needs is written to a memory file, which it inherits: the parent never waits for the
child to read, however much there is, and a child that dies early harms nobody. In the file, each
marshalled: sys.path (so that the child can import this package), the descriptors,
`preparation_data`; then the pickled Process object.

Documentation: multiprocessing, "Contexts and start methods".
"""

from __future__ import annotations

import os
import sys
from _pickle import dumps
from marshal import dumps as marshalled

from ._interpreter import above_standard, import_path, interpreter_options, spawn_interpreter
from ._launch import Lifeline, OwnChild, have_pidfd
from ._undo import on_failure
from .reduction import pack
from .spawn import MARKER, preparation_data

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .process import BaseProcess

_CODE = (
    "import sys,marshal;file=open({fd},'rb');sys.path[:]=marshal.load(file);"
    "from {package}.spawn import spawn_main;spawn_main(file)"
)


def launch(process: BaseProcess) -> OwnChild:
    """Start an interpreter that runs *process*, and return the parent's view of it."""
    data = preparation_data(process, "spawn")
    lifeline = None if have_pidfd() else Lifeline()
    with pack(process, for_start=True) as packed:
        packed.fds = tuple(above_standard(fd) for fd in packed.fds)
        others = [fd for fd in (data["tracker"], data["forkserver"]) if fd is not None]
        if lifeline is not None:
            others.append(lifeline.write_end)
        parcel = b"".join(
            (
                marshalled(import_path()),
                marshalled((packed.fds, tuple(others))),
                marshalled(dumps(data)),
                packed.data,
            )
        )
        fd = above_standard(memory_file(parcel))
        try:
            with on_failure(_abandon, lifeline):
                pid = spawn_interpreter(_command(fd), (fd, *packed.fds, *others))
        finally:
            os.close(fd)
    return OwnChild(pid, lifeline)


def memory_file(content: bytes) -> int:
    """Return a descriptor of a nameless file that holds *content*, positioned at its start."""
    try:
        fd = os.memfd_create("multiprocessing")
    except (AttributeError, OSError):
        import tempfile

        with tempfile.TemporaryFile() as file:
            fd = os.dup(file.fileno())
    with on_failure(os.close, fd):
        rest = memoryview(content)
        while rest:
            rest = rest[os.write(fd, rest) :]
        os.lseek(fd, 0, os.SEEK_SET)
    return fd


def _abandon(lifeline: Lifeline | None) -> None:
    if lifeline is not None:
        lifeline.close()


def _command(fd: int) -> list[str]:
    if getattr(sys, "frozen", False):
        return [MARKER, str(fd)]
    code = _CODE.format(fd=fd, package=__package__)
    return [*interpreter_options(), "-c", code, MARKER]
