"""The program's fork server: how it is started, asked and preloaded.

One server serves the whole program. Its clients hold the same end of a sequenced-packet socket,
which every process of the program inherits: a request is one packet with one descriptor in it, the
other end of a socket pair that the client made for this child alone. All else (what to run, its
descriptors, the pid, the exit code) goes over that pair, so clients never meet, nobody needs an
address or a key, and the end of file of the shared socket tells the server that the program has
ended.

The other side is in `_forkserver_main`, a child as its parent sees it in `_launch_forkserver`.

Documentation: multiprocessing, "Contexts and start methods" and set_forkserver_preload.
"""

from __future__ import annotations

import os
from _pickle import dumps
from _socket import AF_UNIX, SOCK_SEQPACKET, socket, socketpair
from _thread import allocate_lock
from marshal import dumps as marshalled

from . import process as _process
from . import resource_tracker
from ._interpreter import above_standard, import_path, interpreter_options, spawn_interpreter
from ._launch_spawn import memory_file
from ._rights import blocking
from ._undo import on_failure
from .spawn import preparation_data
from .util import sub_warning

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Literal

__all__ = [
    "adopt",
    "bury",
    "ensure_running",
    "getfd",
    "hold",
    "send_request",
    "set_forkserver_preload",
]

_ON_ERROR = ("ignore", "warn", "fail")
_SIGINT = 2
_CODE = (
    "import sys,marshal;file=open({fd},'rb');sys.path[:]=marshal.load(file);"
    "from {package}._forkserver_main import main;main(file)"
)

_lock = allocate_lock()
_fd: int | None = None
_pid: int | None = None  # of the server, if this process started it
_owner: int | None = None
_preload: list[str] = ["__main__"]
_on_error = "ignore"


def set_forkserver_preload(
    module_names: Iterable[str],
    *,
    on_error: Literal["ignore", "warn", "fail"] = "ignore",
) -> None:
    """Set the modules that the server imports before it forks; it must not have been started.

    TypeError: not an iterable of strings; ValueError: *on_error* is none of the three words.
    Documentation: multiprocessing.set_forkserver_preload
    """
    global _preload, _on_error
    names = list(module_names)
    if isinstance(module_names, str) or not all(isinstance(name, str) for name in names):
        message = "module_names must be a list of strings"
        raise TypeError(message)
    if on_error not in _ON_ERROR:
        message = f"on_error must be one of {', '.join(_ON_ERROR)}, not {on_error!r}"
        raise ValueError(message)
    _preload = names
    _on_error = on_error


def ensure_running() -> None:
    """Start the server, unless the program has one already."""
    hold().close()


def hold() -> socket:
    """Return the running server's socket, a copy that is the caller's own to close.

    Another thread that finds the server dead closes the shared one, and its number comes to mean something else.
    """
    global _fd, _pid, _owner
    with _lock:
        if _fd is None:
            _fd, _pid = _start()
            _owner = os.getpid()
        return blocking(socket(fileno=os.dup(_fd)))


def getfd() -> int | None:
    """Return the descriptor to pass to children; None if the program has no server yet."""
    return _fd


def adopt(fd: int | None) -> None:
    """Use the server of the parent, whose socket this process inherited as *fd*."""
    global _fd
    if _fd is None:
        _fd = fd
    elif fd is not None and _fd != fd:
        os.close(fd)


def send_request(server: socket, reply: int) -> None:
    """Ask the server for a child that finds what it needs at the socket *reply*.

    BrokenPipeError or ConnectionResetError: it has died.
    """
    from _socket import SCM_RIGHTS, SOL_SOCKET

    server.sendmsg([b"!"], [(SOL_SOCKET, SCM_RIGHTS, reply.to_bytes(4, "little"))])


def bury(server: socket) -> None:
    """Forget the held server that has died, unless somebody did; reap it if it was this process's child."""
    global _fd, _pid
    with _lock:
        if _fd is None or os.fstat(_fd).st_ino != os.fstat(server.fileno()).st_ino:
            return
        os.close(_fd)
        pid, _fd, _pid = _pid, None, None
    sub_warning("the fork server died: starting another one")
    if pid is not None and _owner == os.getpid():
        try:
            os.waitpid(pid, 0)
        except ChildProcessError:
            return


def _start() -> tuple[int, int]:
    """Start a server, and return our end of its socket and its pid."""
    data = preparation_data(_process.current_process(), "forkserver", extended=False)
    data["tracker"] = data["forkserver"] = None  # numbers of this process
    data["preload"] = _preload
    data["on_error"] = _on_error
    tracker = resource_tracker.getfd()
    pair = socketpair(AF_UNIX, SOCK_SEQPACKET)
    client, server = (above_standard(blocking(end).detach()) for end in pair)
    parcel = memory_file(
        marshalled(import_path()) + marshalled((server, tracker)) + marshalled(dumps(data))
    )
    parcel = above_standard(parcel)
    try:
        with on_failure(os.close, client):
            pid = spawn_interpreter(
                [*interpreter_options(), "-c", _CODE.format(fd=parcel, package=__package__)],
                (parcel, server, tracker),
                blocked_signals=(_SIGINT,),  # a Ctrl-C is for the program; the server ends after it
            )
    finally:
        os.close(server)
        os.close(parcel)
    return client, pid


def _after_fork() -> None:
    global _lock
    _lock = allocate_lock()  # another thread of the parent may have held it


os.register_at_fork(after_in_child=_after_fork)
