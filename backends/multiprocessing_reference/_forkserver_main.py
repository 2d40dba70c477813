"""The fork server itself: a single-threaded process that forks when asked.

It waits for requests and for the ends of its children, all of them descriptors in one poll. It
reads nothing from a client but one packet with one descriptor, so that no client can make it wait;
the forked child reads the rest. To each child's parent it sends the child's pid and pidfd at once,
and its exit code at the end.

Documentation: multiprocessing, "Contexts and start methods" (forkserver), set_forkserver_preload.
"""

from __future__ import annotations

import os
import select
import sys
from _pickle import loads
from _socket import CMSG_SPACE, MSG_CMSG_CLOEXEC, SCM_RIGHTS, SOL_SOCKET, socket
from marshal import load
from signal import SIG_DFL, SIG_UNBLOCK, SIGCHLD, SIGINT, pthread_sigmask, signal

from . import _bootstrap, _family, forkserver, resource_tracker, spawn
from . import process as _process
from ._descriptors import receive_fds, to_fds
from ._interpreter import close_inherited
from ._launch import reap
from ._launch_forkserver import NUMBER
from ._rights import blocking
from .reduction import unpack
from .util import flush_std_streams

TYPE_CHECKING = False
if TYPE_CHECKING:
    from io import BufferedReader
    from typing import Any, NoReturn


def main(file: BufferedReader) -> None:
    """Run the server: *file* holds what `forkserver` wrote, from behind sys.path on."""
    requests_fd, tracker = load(file)  # noqa: S302 - our own client wrote it, as below
    data = loads(load(file))  # noqa: S302
    close_inherited((file.fileno(), requests_fd, tracker))
    file.close()
    main_module, data["main"] = data["main"], None
    _family.set_parent(_process.ParentProcess(*data["parent"]))
    spawn.prepare(data)
    resource_tracker.adopt(tracker)
    _preload(data["preload"], data["on_error"], main_module)
    flush_std_streams()  # or each child would write the same text again
    signal(SIGCHLD, SIG_DFL)  # if ignored, as the program may do, ended children vanish unseen
    requests = blocking(socket(fileno=requests_fd))
    try:
        Server(requests).serve()
    finally:
        requests.close()


def _preload(names: list[str], on_error: str, main_module: tuple[str, str] | None) -> None:
    for name in names:
        try:
            if name == "__main__":
                _family.set_bootstrapping(True)
                spawn.import_main(main_module)
            else:
                __import__(name)
        except (Exception, SystemExit) as error:
            # Whatever it is, a child that needs the module will raise it again, where it is seen.
            if on_error == "fail":
                raise
            if on_error == "warn":
                _warn(f"failed to preload {name!r} into the fork server: {error}")
        finally:
            _family.set_bootstrapping(False)


def _warn(text: str) -> None:
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("always", ImportWarning)  # the default filters hide it
        warnings.warn(text, ImportWarning, stacklevel=2)


class Server:
    """The loop of the server, and the children that live."""

    def __init__(self, requests: socket) -> None:
        self._requests = requests
        self._poller = select.poll()
        self._poller.register(requests.fileno(), select.POLLIN)
        self._children: dict[int, socket] = {}
        """The pidfd of each child, and the socket to its parent."""

    def serve(self) -> None:
        """Serve until no client is left."""
        while True:
            for fd, _events in self._poller.poll():
                if fd != self._requests.fileno():
                    self._bury(fd)
                elif not self._answer():
                    return

    def _answer(self) -> bool:
        """Serve one request; return False if there will be none any more."""
        head, ancillary, _flags, _address = self._requests.recvmsg(
            1, CMSG_SPACE(4), MSG_CMSG_CLOEXEC
        )
        fds = to_fds(ancillary)
        if not fds:
            return bool(head)
        reply = blocking(socket(fileno=fds[0]))
        try:
            pid = os.fork()
        except OSError as error:
            _send(reply, -(error.errno or 1))
            reply.close()
            return True
        if pid == 0:
            self._live_as_child(reply)
        pidfd = os.pidfd_open(pid)
        self._children[pidfd] = reply
        self._poller.register(pidfd, select.POLLIN)
        _send(reply, pid, pidfd)
        return True

    def _bury(self, pidfd: int) -> None:
        """Reap a child, and tell its parent the exit code."""
        self._poller.unregister(pidfd)
        reply = self._children.pop(pidfd)
        _send(reply, reap(pidfd, 0) or 0)
        reply.close()
        os.close(pidfd)

    def _live_as_child(self, reply: socket) -> NoReturn:
        """Run the child to its end; whatever happens, it must not return into the server's code."""
        code = 1
        try:
            self._requests.close()
            for pidfd, other in self._children.items():
                os.close(pidfd)
                other.close()
            pthread_sigmask(SIG_UNBLOCK, (SIGINT,))
            code = _run(reply)
        except EOFError:
            pass  # the client was killed before it sent what to run
        except SystemExit as error:  # raised by the main module
            code = _bootstrap.exit_code_of(error)
        except BaseException:  # noqa: BLE001 - the last chance to report it
            sys.excepthook(*sys.exc_info())
            flush_std_streams()
        finally:
            os._exit(code)


def _run(reply: socket) -> int:
    parcel, parent_pidfd, clients_end, *fds = receive_fds(reply)
    reply.close()
    with open(parcel, "rb") as file:  # noqa: PTH123 - a descriptor
        data: dict[str, Any] = loads(load(file))  # noqa: S302
        pickled = file.read()
    forkserver.adopt(clients_end)
    _update_environment(data["environ"])
    parent_name, parent_pid = data["parent"]
    parent = _process.ParentProcess(parent_name, parent_pid, parent_pidfd)
    _family.set_parent(parent)
    _family.set_bootstrapping(True)
    spawn.prepare(data)
    process = unpack(pickled, fds)
    _family.set_bootstrapping(False)
    return _bootstrap.run_child(process, parent, forked=True)


def _update_environment(environment: dict[str, str]) -> None:
    if environment == os.environ:
        return
    for name in os.environ.keys() - environment.keys():
        del os.environ[name]
    os.environ.update(environment)


def _send(reply: socket, number: int, fd: int | None = None) -> None:
    rights = [] if fd is None else [(SOL_SOCKET, SCM_RIGHTS, fd.to_bytes(4, "little"))]
    try:
        reply.sendmsg([number.to_bytes(NUMBER, "little", signed=True)], rights)
    except (BrokenPipeError, ConnectionResetError):
        return  # the parent has ended before its child
