"""The journal of a run: small files through which its processes know of each other, whatever becomes of one of them.

Each worker notes what it is doing, for whoever finds it dead; a requirement that fails is noted for all workers, so
that none of them spends its time on what rests on it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from mpspec.results import Result
    from mpspec.settings import Variant

# Where pytest-xdist hands a worker the journal's folder.
WORKER_INPUT = "mpspec_journal"


@dataclasses.dataclass(frozen=True)
class Note:
    """What a worker was doing when it wrote last.

    Attributes:
        running: whether that test had not ended yet.
        warming: the variant that was being warmed up for it, if any.
        helpers: the processes that run for the backend as a whole.
        dump: the stacks of its threads, if a deadline made it end.
    """

    pid: int
    test: str
    id: str
    backend: str
    start_method: str
    running: bool
    warming: str = ""
    helpers: tuple[int, ...] = ()
    dump: str = ""


class Journal:
    """One process's side of the journal."""

    def __init__(self, folder: Path, worker: str) -> None:
        self._folder = folder
        self._worker = worker
        self._file = open(folder / f"{worker}.note", "w+b", buffering=0)  # noqa: SIM115 - kept open for the run
        self.dump_file = open(folder / f"{worker}.dump", "w+b", buffering=0)  # noqa: SIM115 - kept open for the run
        self._note: dict[str, Any] = {"pid": os.getpid(), "test": "", "id": "", "backend": "", "start_method": "", "running": False}  # fmt: skip
        self._made: set[str] = set()
        self._read = 0
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND
        self._names = os.open(folder / f"{worker}.names", flags, 0o600)
        self._write()

    def begin(self, test: str, requirement: str, variant: Variant) -> None:
        """A test begins."""
        self._note.update(
            test=test,
            id=requirement,
            backend=variant.backend.name,
            start_method=variant.start_method,
            running=True,
        )
        self._write()

    @contextlib.contextmanager
    def warming(self, variant: str) -> Iterator[None]:
        """A variant is being warmed up."""
        self._note["warming"] = variant
        self._write()
        yield
        self._note["warming"] = ""
        self._write()

    def bears_warming(self, variant: str) -> bool:
        """Whether no worker has ended of warming up that variant."""
        return not (self._folder / _deadly(variant)).exists()

    def tell_helpers(self, pids: Iterable[int]) -> None:
        """These processes run for the backend as a whole."""
        if (helpers := sorted(pids)) != self._note.get("helpers"):
            self._note["helpers"] = helpers
            self._write()

    def end(self) -> None:
        """It has ended, and its result is on its way."""
        self._note["running"] = False
        self._write()

    def _write(self) -> None:
        data = json.dumps(self._note).encode()
        # Padded and written at once: a reader never sees the rest of an older, longer note.
        os.pwrite(self._file.fileno(), data.ljust(2048), 0)

    def fail(self, result: Result) -> None:
        """A requirement has failed on a variant."""
        (self._folder / f"failed {result.variant} {result.id}").touch()

    def has_failed(self, requirement: str, variant: Variant) -> bool:
        """Whether a requirement is known to have failed on a variant, in any worker."""
        return os.path.exists(f"{self._folder}/failed {variant.name} {requirement}")

    def made(self, name: str) -> None:
        """This worker, or a forked child of it, has made something of that name in shared memory."""
        self._made.add(name)
        # For the worker, when it is a child that made it; and for who cleans up when the worker is gone.
        os.write(self._names, f"{json.dumps(name)}\n".encode())

    def made_here(self, name: str) -> bool:
        """Whether this worker, or a forked child of it, made something of that name."""
        if name not in self._made:
            # Those of forked children, told since the last look. Not the end of a line that is being written.
            told = os.pread(self._names, os.fstat(self._names).st_size - self._read, self._read)
            whole = told[: told.rfind(b"\n") + 1]
            self._made.update(map(json.loads, whole.splitlines()))
            self._read += len(whole)
        return name in self._made

    def tell_unclaimed(self, backend: str, capabilities: Sequence[str]) -> None:
        """A backend was probed, and has what it does not claim."""
        (self._folder / f"{self._worker} unclaimed {backend}").write_text(
            json.dumps(capabilities), encoding="utf-8"
        )

    def close(self) -> None:
        """Close the files."""
        self._file.close()
        self.dump_file.close()
        os.close(self._names)


def names(folder: Path) -> set[str]:
    """All that the workers have made in shared memory."""
    return {name for file in folder.glob("*.names") for name in _lines(file)}


def _lines(file: Path) -> list[str]:
    # As JSON: a test may try any name, one with a line feed as well.
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def avoid_warming(folder: Path, variant: str) -> None:
    """A worker has ended of warming up that variant: let no other try."""
    (folder / _deadly(variant)).touch()


def _deadly(variant: str) -> str:
    return f"deadly {variant}"


def unclaimed(folder: Path, backend: str) -> Sequence[str]:
    """What a backend was found to have without claiming it, by whichever worker."""
    for file in folder.glob(f"* unclaimed {backend}"):
        with contextlib.suppress(json.JSONDecodeError):  # its writer was killed
            told: list[str] = json.loads(file.read_text(encoding="utf-8"))
            return told
    return []


def read(folder: Path, worker: str) -> Note | None:
    """What a worker noted last; None when it never came to that."""
    with contextlib.suppress(FileNotFoundError, json.JSONDecodeError):
        data = json.loads((folder / f"{worker}.note").read_bytes())
        dump = (folder / f"{worker}.dump").read_text(encoding="utf-8", errors="replace")
        return Note(**data, dump=dump)
    return None
