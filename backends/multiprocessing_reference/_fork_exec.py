"""Starting a program where Python has no os.posix_spawn (PyPy): by fork and exec.

Documentation: os.fork, os.execve.
"""

from __future__ import annotations

import os
from signal import SIG_SETMASK, pthread_sigmask

from ._interpreter import above_standard

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_NOT_STARTED = 127
_MOST_DIGITS = 16


def fork_exec(
    executable: str | bytes,
    command: list[str],
    devnull: Mapping[int, int],
    fds: Iterable[int],
    setsigmask: Iterable[int] = (),
) -> int:
    """Start *executable* with the arguments *command*, and return its pid.

    *devnull*: the descriptors to open on os.devnull, each with the flags; *fds*: the ones to pass;
    *setsigmask*: the signals to block, those of this process if empty. OSError: it was not started.
    """
    told, tell = map(above_standard, os.pipe())  # a successful exec closes it, and says nothing
    pid = os.fork()
    if pid == 0:
        try:
            for fd, flags in devnull.items():
                os.dup2(os.open(os.devnull, flags), fd)
            for fd in fds:
                os.set_inheritable(fd, True)  # noqa: FBT003
            if setsigmask:
                pthread_sigmask(SIG_SETMASK, setsigmask)
            os.execve(executable, command, os.environ)  # noqa: S606 - no shell is wanted
        except OSError as error:
            os.write(tell, str(error.errno).encode())
        finally:
            os._exit(_NOT_STARTED)
    os.close(tell)
    number = os.read(told, _MOST_DIGITS)
    os.close(told)
    if number:
        os.waitpid(pid, 0)
        raise OSError(int(number), os.strerror(int(number)), executable)
    return pid
