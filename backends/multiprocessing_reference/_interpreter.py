"""Starting Python interpreters: for spawned children, the fork server and the resource tracker.

os.posix_spawn neither copies the memory of this process nor runs anything of it in the child, so
it is cheap in a large process and safe in one with threads. All descriptors of a Python program
are close-on-exec; the ones to pass are named, and the rest that other code left inheritable is
closed by the child itself (`close_inherited`), before it runs anything of the program.

Documentation: multiprocessing.set_executable; "Contexts and start methods" (spawn).
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any

_SIMPLE_FLAGS = (
    ("debug", "-d"),
    ("dont_write_bytecode", "-B"),
    ("no_user_site", "-s"),
    ("no_site", "-S"),
    ("verbose", "-v"),
    ("bytes_warning", "-b"),
    ("quiet", "-q"),
    ("optimize", "-O"),
)
_executable: str | bytes | None = None


def set_executable(executable: str | bytes | os.PathLike[str]) -> None:
    """Set the path of the interpreter to start. Documentation: multiprocessing.set_executable."""
    global _executable
    _executable = os.fspath(executable)


def get_executable() -> str | bytes:
    """Return the path of the interpreter to start."""
    return sys.executable if _executable is None else _executable


def interpreter_options() -> list[str]:
    """Return the options with which this interpreter was started, for its children."""
    flags = sys.flags
    options = [option for name, option in _SIMPLE_FLAGS for _ in range(int(getattr(flags, name)))]
    if flags.isolated:
        options.append("-I")
    else:
        if flags.ignore_environment:
            options.append("-E")
        if flags.safe_path:
            options.append("-P")
    if _asked_for_random_hashes():
        options.append("-R")
    for name, value in sys._xoptions.items():  # noqa: SLF001 - documented, for all its underscore
        options += ["-X", name if value is True else f"{name}={value}"]
    for filter_ in _warning_filters():
        options += ["-W", filter_]
    return options


def _asked_for_random_hashes() -> bool:
    # sys.flags tells not -R from the default, and the environment may say otherwise for children.
    for argument in sys.orig_argv[1:]:
        if not argument.startswith("-") or argument in ("-c", "-m", "-"):
            return False
        if argument == "-R":
            return True
    return False


def _warning_filters() -> list[str]:
    # -X dev and -b add filters of their own, in the child as well.
    filters = list(sys.warnoptions)
    implied = []
    if sys.flags.bytes_warning:
        action = "error" if sys.flags.bytes_warning > 1 else "default"
        implied.append(f"{action}::BytesWarning")
    if sys.flags.dev_mode:
        implied.append("default")
    for filter_ in implied:
        if filter_ in filters:
            filters.remove(filter_)
    return filters


def import_path() -> list[str]:
    """Return sys.path for a child, wherever that child's working directory may be."""
    from .process import ORIGINAL_DIR

    path = [
        ORIGINAL_DIR if entry == "" and ORIGINAL_DIR is not None else entry
        for entry in sys.path
        if isinstance(entry, str)
    ]
    home = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))  # noqa: PTH100, PTH120
    if home not in path:
        path.append(home)  # imported by other means than sys.path; the child must find it too
    return path


def spawn_interpreter(
    arguments: Sequence[str],
    fds: Iterable[int],
    *,
    quiet: bool = False,
    blocked_signals: Iterable[int] = (),
) -> int:
    """Start the interpreter with *arguments*, passing *fds* (above 2) alone, and return its pid.

    Its stdin is os.devnull, and its stdout too if *quiet*. OSError: it could not be started.
    """
    executable = get_executable()
    actions: list[tuple[Any, ...]] = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
    ]
    if quiet:
        actions.append((os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0))
    # Duplicating a descriptor onto itself takes its close-on-exec flag away, in the child alone.
    actions += [(os.POSIX_SPAWN_DUP2, fd, fd) for fd in fds]
    signals: dict[str, Any] = {}
    if blocked_signals:
        from signal import SIG_BLOCK, pthread_sigmask

        signals["setsigmask"] = {*pthread_sigmask(SIG_BLOCK, ()), *blocked_signals}
    return os.posix_spawn(
        executable,
        [os.fsdecode(executable), *arguments],
        os.environ,
        file_actions=actions,
        **signals,
    )


def close_inherited(keep: Iterable[int]) -> None:
    """Close the descriptors above 2 that this process was born with, except *keep*.

    Those lack the close-on-exec flag: what this interpreter has opened since has it.
    *keep* gets it too, lest the descriptors be passed on by accident.
    """
    kept = set(keep)
    try:
        names = os.listdir("/proc/self/fd")  # noqa: PTH208
    except OSError:
        names = []
    for name in names:
        fd = int(name)
        if fd > 2 and fd not in kept:  # noqa: PLR2004 - the standard streams
            try:
                if os.get_inheritable(fd):
                    os.close(fd)
            except OSError:
                continue  # the one that listed the folder
    for fd in kept:
        os.set_inheritable(fd, False)  # noqa: FBT003


def above_standard(fd: int) -> int:
    """Return *fd*, or in its place a duplicate above 2 if it has a standard stream's number."""
    if fd > 2:  # noqa: PLR2004
        return fd
    import fcntl

    higher = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 3)
    os.close(fd)
    return higher
