"""The process object: what a program holds of a child.

How a child comes to be is the business of the start methods (`_launch_*`); what happens inside it,
of `_bootstrap`. Which process is the current one, and which children it has, `_family` knows.

Every rule whose breach is a mistake of the caller raises what programs have always caught there
(AssertionError, ValueError), but by `raise`, so that ``python -O`` changes nothing.

Documentation: multiprocessing.Process
"""

# ruff: noqa: SLF001 - what is private is private to the objects of this class

from __future__ import annotations

import os

from . import _family
from ._authkey import AuthenticationString
from ._family import active_children, current_process

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any, ClassVar, Final

    from ._launch import Launched

__all__ = ["BaseProcess"]

_SIGINT: Final = 2  # the module signal takes milliseconds to import; POSIX fixes these numbers
_SIGKILL: Final = 9
_SIGTERM: Final = 15
_CLOSED: Final = "process object is closed"


class BaseProcess:
    """Activity that runs in a separate process; `Process` of a context says how it is started.

    Documentation: multiprocessing.Process
    """

    _start_method: ClassVar[str | None] = None
    """The name of the start method; None: that of the default context at the time of the start."""

    _forked = False
    """Whether this process is a child that is a copy of another one; known in the child alone."""

    _config: dict[str, Any]
    """What the children of a process inherit of it; see `_daemon` and `_authkey`.

    Undocumented: programs set its "daemon" to False in a daemonic process that is to have children."""

    _identity: tuple[int, ...]
    _parent_pid: int | None
    _launched: Launched | None

    _popen: Launched | None = None
    """The same, once started: undocumented, the name by which programs know what has the child's `pid`."""

    def __init__(  # noqa: PLR0913 - the documented signature
        self,
        group: None = None,
        target: Callable[..., object] | None = None,
        name: str | None = None,
        args: Iterable[Any] = (),
        kwargs: Mapping[str, Any] = {},  # the documented default, copied below
        *,
        daemon: bool | None = None,
    ) -> None:
        if group is not None:
            message = "group argument must be None for now"
            raise AssertionError(message)
        parent = current_process()
        self._config = {}
        self._identity = _family.next_identity()
        self._authkey = parent._authkey
        self._daemon = parent._daemon if daemon is None else bool(daemon)
        self._parent_pid = os.getpid()
        self._launched = None
        self._claimed = False
        self._closed = False
        self._target = target
        self._args = tuple(args)
        self._kwargs = dict(kwargs)
        self._name = (
            str(name)
            if name
            else f"{type(self).__name__}-{':'.join(str(number) for number in self._identity)}"
        )

    # -- what the child does

    def run(self) -> None:
        """Call the target; a subclass may override it.

        Documentation: multiprocessing.Process.run
        """
        self._check_open()
        if self._target is not None:
            self._target(*self._args, **self._kwargs)

    def _bootstrap(self) -> int:
        """Do all that the child does once it is this process, and return the exit code.

        Undocumented: profilers and coverage wrap it, to begin and end with the child. Whoever replaces it has
        to accept no argument.
        """
        from ._bootstrap import run_to_end

        return run_to_end(self, forked=self._forked)

    # -- life

    def start(self) -> None:
        """Arrange for `run` to be called in a process of its own.

        AssertionError: it was started before, by another process, or by a daemonic process;
        ValueError: it was closed. Documentation: multiprocessing.Process.start
        """
        self._check_open()
        if self._parent_pid != os.getpid():
            message = "can only start a process object created by current process"
            raise AssertionError(message)
        with _family.claiming:  # of two threads one starts it
            if self._claimed:
                message = "cannot start a process twice"
                raise AssertionError(message)
            if current_process()._daemon:
                message = "daemonic processes are not allowed to have children"
                raise AssertionError(message)
            self._claimed = True
        active_children()  # joins those that have ended
        try:
            # A subclass may say otherwise than it was told, say to have children in spite of its pool.
            self._daemon = self.daemon
            self._launched = self._launch()
        finally:
            # When nothing runs, and the cause is mended, it may be tried again.
            self._claimed = self._launched is not None
        self._popen = self._launched
        # The child has them; kept here they would live as long as this object does.
        self._target, self._args, self._kwargs = None, (), {}
        _family.children.add(self)

    def _launch(self) -> Launched:
        from ._start_methods import launcher
        from .util import flush_std_streams

        # What was printed comes before what the child prints, and no forked child prints it again.
        flush_std_streams()
        return launcher(self._start_method)(self)

    def join(self, timeout: float | None = None) -> None:
        """Wait until the process ends, at most *timeout* seconds if given.

        AssertionError: it is not a child of this process, or was not started; ValueError: closed.
        Documentation: multiprocessing.Process.join
        """
        self._check_open()
        self._check_child("can only join a child process")
        if self._launched is None:
            message = "can only join a started process"
            raise AssertionError(message)
        self._note(self._launched.wait(timeout))

    def is_alive(self) -> bool:
        """Return whether the process has been started and has not ended; join it if it has.

        AssertionError: it is not a child of this process; ValueError: closed.
        Documentation: multiprocessing.Process.is_alive
        """
        self._check_open()
        if self is current_process():
            return True
        self._check_child("can only test a child process")
        return self._launched is not None and self._note(self._launched.poll()) is None

    def close(self) -> None:
        """Release what the object holds; ValueError while the process runs.

        Documentation: multiprocessing.Process.close
        """
        launched = self._launched
        if launched is not None:
            if self._note(launched.poll()) is None:
                message = (
                    "Cannot close a process while it is still running. "
                    "You should first call join() or terminate()."
                )
                raise ValueError(message)
            launched.close()
            self._launched = self._popen = None
        self._release()
        self._closed = True

    # -- signals

    def terminate(self) -> None:
        """Send SIGTERM. Documentation: multiprocessing.Process.terminate."""
        self._send(_SIGTERM, "terminate")

    def kill(self) -> None:
        """Send SIGKILL. Documentation: multiprocessing.Process.kill."""
        self._send(_SIGKILL, "kill")

    def interrupt(self) -> None:
        """Send SIGINT. Documentation: multiprocessing.Process.interrupt."""
        self._send(_SIGINT, "interrupt")

    def _send(self, signum: int, what: str) -> None:
        self._check_open()
        if self._launched is None:
            # AttributeError is what CPython raises here, by accident; programs may know it.
            message = f"can't {what} {self.name}: it was not started by this process"
            raise AttributeError(message)
        self._launched.send_signal(signum)

    # -- attributes

    @property
    def name(self) -> str:
        """The name, for identification only. Documentation: multiprocessing.Process.name."""
        return self._name

    @name.setter
    def name(self, name: str) -> None:
        if not isinstance(name, str):
            message = "name must be a string"
            raise AssertionError(message)  # noqa: TRY004 - what programs know
        self._name = name

    @property
    def daemon(self) -> bool:
        """Whether the process ends with its parent. Documentation: Process.daemon."""
        return self._daemon

    @daemon.setter
    def daemon(self, daemonic: bool) -> None:
        if self._launched is not None:
            message = "process has already started"
            raise AssertionError(message)
        self._daemon = bool(daemonic)

    @property
    def authkey(self) -> AuthenticationString:
        """The key, a byte string. Documentation: multiprocessing.Process.authkey."""
        return self._authkey

    @authkey.setter
    def authkey(self, authkey: bytes) -> None:
        self._authkey = AuthenticationString(authkey)

    @property
    def pid(self) -> int | None:
        """The number of the process, None before the start. Documentation: Process.pid."""
        self._check_open()
        if self is current_process():
            return os.getpid()
        return None if self._launched is None else self._launched.pid

    ident = pid

    @property
    def exitcode(self) -> int | None:
        """The exit code, -N if killed by signal N, None before the end.

        A child that other code has reaped (``os.waitpid(-1, 0)``) still has its exit code where the
        kernel keeps it (Linux 6.15), else 255. Documentation: multiprocessing.Process.exitcode
        """
        self._check_open()
        if self is current_process() or self._launched is None:
            return None
        return self._note(self._launched.poll())

    @property
    def sentinel(self) -> int:
        """A descriptor that becomes readable when the process ends; ValueError before the start.

        Documentation: multiprocessing.Process.sentinel
        """
        self._check_open()
        if self._launched is None:
            message = "process not started"
            raise ValueError(message)
        return self._launched.sentinel

    def __repr__(self) -> str:
        parts = [type(self).__name__, f"name={self._name!r}"]
        if not self._closed and self.pid is not None:
            parts.append(f"pid={self.pid}")
        parts.append(f"parent={self._parent_pid}")
        parts.extend(self._describe_state())
        if self._daemon:
            parts.append("daemon")
        return f"<{' '.join(parts)}>"

    # -- within

    @property
    def _daemon(self) -> bool:
        daemonic: bool = self._config["daemon"]
        return daemonic

    @_daemon.setter
    def _daemon(self, daemonic: bool) -> None:
        self._config["daemon"] = daemonic

    @property
    def _authkey(self) -> AuthenticationString:
        key: AuthenticationString = self._config["authkey"]
        return key

    @_authkey.setter
    def _authkey(self, key: AuthenticationString) -> None:
        self._config["authkey"] = key

    def _describe_state(self) -> list[str]:
        if self._closed:
            return ["closed"]
        if self is current_process():
            return ["started"]
        if self._parent_pid != os.getpid():
            return ["unknown"]
        if self._launched is None:
            return ["initial"]
        code = self._note(self._launched.poll())
        return ["started"] if code is None else ["stopped", f"exitcode={_name_code(code)}"]

    def _check_open(self) -> None:
        if self._closed:
            raise ValueError(_CLOSED)

    def _check_child(self, message: str) -> None:
        if self._parent_pid != os.getpid():
            raise AssertionError(message)

    def _note(self, code: int | None) -> int | None:
        """Take note of the exit code: an ended process is no child any more."""
        if code is not None:
            self._release()
        return code

    def _release(self) -> None:
        # Not before the end: the documentation promises that what the child was given is not
        # collected in its parent as long as the child lives.
        _family.children.discard(self)
        self._target = None
        self._args = ()
        self._kwargs = {}


def _name_code(code: int) -> str:
    if code < 0:
        import signal

        try:
            return f"-{signal.Signals(-code).name}"
        except ValueError:  # a real-time signal
            return str(code)
    return str(code)
