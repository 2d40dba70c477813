"""Messages: every operation of the reference beside the standard library's.

    python benchmarks/messages.py            everything, about three minutes
    python benchmarks/messages.py --quick    fewer and shorter rounds, half a minute
    python benchmarks/messages.py --only 'queue one-way'

Each operation is set up once for each of the two implementations, with a peer process where it
needs one. Then short rounds of the two alternate, so that a busy machine slows both alike. The
scheduler's choice, whether two processes share a core, changes some times threefold; so it is made
here: rounds alternate between one core for both and a core for each. The table shows the median
time of an operation over all rounds, and the median of the rounds' ratios: below 1 the reference
is faster. "1 core" and "2 cores" are the ratios of each kind of rounds; "cpu" is that of
processor time, of both processes, which varies least when other programs run.

An object of size "small" is a tuple of three; the others are random bytes of that size.
"""

from __future__ import annotations

import argparse
import importlib
import os
import signal
import sys
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from types import ModuleType

    # What is timed: does the operation as often as it is told.
    Run = Callable[[int], None]
    Setup = Callable[[ModuleType], AbstractContextManager["Measured"]]

K = 1024
PAYLOADS: dict[str, Any] = {
    "small": ("task", 7, None),
    "1K": os.urandom(K),
    "16K": os.urandom(16 * K),
    "64K": os.urandom(64 * K),
    "1M": os.urandom(K * K),
    "16M": os.urandom(16 * K * K),
}
CORES = os.sched_getaffinity(0)
BACKENDS = Path(__file__).resolve().parent.parent / "backends"


@dataclass(frozen=True)
class Measured:
    """An operation that is ready to run, and the process at its other end (its id, or None)."""

    run: Run
    peer: int | None = None

    def cpu(self) -> float:
        """Return the processor time in seconds that both processes have used so far."""
        peer = 0.0 if self.peer is None else time.clock_gettime((~self.peer) << 3 | 2)
        return time.process_time() + peer


@dataclass(frozen=True)
class Result:
    """The medians for one operation: seconds, and ratios of the reference to the other.

    The ratio of the whole is the geometric mean of those with one core and with two.
    """

    reference: float
    standard: float
    ratio: float
    one_core: float
    two_cores: float
    cpu: float


@contextmanager
def peer(serve: Callable[[], object]) -> Iterator[int]:
    """Run *serve* over and over in another process; give its id."""
    pid = os.fork()
    if not pid:
        status = 1
        try:
            while True:
                serve()
        except KeyboardInterrupt:
            status = 0
        finally:
            os._exit(status)
    try:
        yield pid
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


@contextmanager
def counted(serve: Callable[[int], None], send: Run) -> Iterator[Measured]:
    """Tell a peer how many operations it takes part in; the time ends when it has done so."""
    count_out, count_in = os.pipe()
    done_out, done_in = os.pipe()

    def turn() -> None:
        serve(int.from_bytes(os.read(count_out, 8), "big"))
        os.write(done_in, b"!")

    def run(count: int) -> None:
        os.write(count_in, count.to_bytes(8, "big"))
        send(count)
        os.read(done_out, 1)

    with peer(turn) as pid:
        yield Measured(run, pid)
    for fd in (count_out, count_in, done_out, done_in):
        os.close(fd)


def repeat(operation: Callable[[], object]) -> Run:
    """Return a loop over *operation*."""

    def run(count: int) -> None:
        for _ in range(count):
            operation()

    return run


def one_way(
    put: Callable[[Any], object], get: Callable[[], object], payload: object
) -> AbstractContextManager[Measured]:
    """Time messages to a peer until the last has arrived."""
    return counted(repeat(get), repeat(lambda: put(payload)))


@contextmanager
def round_trip(
    there: tuple[Callable[[Any], object], Callable[[], object]],
    back: tuple[Callable[[Any], object], Callable[[], object]],
    payload: object,
) -> Iterator[Measured]:
    """Time messages to a peer and back; *there* and *back* are their puts and gets."""
    (put, take), (answer, get) = there, back

    def run(count: int) -> None:
        for _ in range(count):
            put(payload)
            get()

    with peer(lambda: answer(take()) and None) as pid:
        yield Measured(run, pid)


@contextmanager
def pipe_one_way(mp: ModuleType, payload: object, *, duplex: bool) -> Iterator[Measured]:
    """Pipe: send and recv."""
    reader, writer = mp.Pipe(duplex)
    with reader, writer, one_way(writer.send, reader.recv, payload) as measured:
        yield measured


@contextmanager
def pipe_round_trip(mp: ModuleType, payload: object, *, duplex: bool) -> Iterator[Measured]:
    """Pipe: send, and recv of the echo; simplex takes two pipes."""
    with ExitStack() as stack:
        pairs = [mp.Pipe(duplex) for _ in range(1 if duplex else 2)]
        for connection in (end for pair in pairs for end in pair):
            stack.enter_context(connection)
        (taker, putter), (getter, answerer) = pairs[0], pairs[-1]
        if duplex:
            getter, answerer = putter, taker
        there, back = (putter.send, taker.recv), (answerer.send, getter.recv)
        yield stack.enter_context(round_trip(there, back, payload))


@contextmanager
def pipe_bytes(
    mp: ModuleType, payload: bytes, *, duplex: bool, there_and_back: bool
) -> Iterator[Measured]:
    """Pipe: send_bytes and recv_bytes."""
    other, one = mp.Pipe(duplex)
    there, back = (one.send_bytes, other.recv_bytes), (other.send_bytes, one.recv_bytes)
    measure = round_trip(there, back, payload) if there_and_back else one_way(*there, payload)
    with one, other, measure as measured:
        yield measured


@contextmanager
def pipe_creation(mp: ModuleType, *, duplex: bool) -> Iterator[Measured]:
    """Pipe: making one and closing both ends."""

    def make() -> None:
        one, other = mp.Pipe(duplex)
        one.close()
        other.close()

    yield Measured(repeat(make))


@contextmanager
def pipe_poll(mp: ModuleType, *, ready: bool) -> Iterator[Measured]:
    """Pipe: poll without waiting."""
    reader, writer = mp.Pipe()
    with reader, writer:
        if ready:
            writer.send(None)
        yield Measured(repeat(reader.poll))


@contextmanager
def wait_for_one(mp: ModuleType) -> Iterator[Measured]:
    """Connections: wait for eight, one of which is ready."""
    wait = importlib.import_module(f"{mp.__name__}.connection").wait
    pairs = [mp.Pipe() for _ in range(8)]
    pairs[3][1].send(None)
    readers = [reader for reader, _ in pairs]
    yield Measured(repeat(lambda: wait(readers)))
    for connection in (end for pair in pairs for end in pair):
        connection.close()


def queue(mp: ModuleType, kind: str, maxsize: int = 0) -> Any:  # noqa: ANN401 - of either
    """Return a queue; its processes are forked."""
    context = mp.get_context("fork")
    return getattr(context, kind)(*([maxsize] if maxsize else []))


def drop(*queues: Any) -> None:  # noqa: ANN401
    """Close *queues*, whatever they still hold."""
    for each in queues:
        if hasattr(each, "cancel_join_thread"):
            each.cancel_join_thread()
        each.close()


@contextmanager
def queue_one_way(
    mp: ModuleType, payload: object, kind: str = "Queue", maxsize: int = 0
) -> Iterator[Measured]:
    """Put, until the peer has got them all."""
    there = queue(mp, kind, maxsize)
    with one_way(there.put, there.get, payload) as measured:
        yield measured
    drop(there)


@contextmanager
def queue_round_trip(mp: ModuleType, payload: object, kind: str = "Queue") -> Iterator[Measured]:
    """Put, and get of what the peer puts back."""
    there, back = queue(mp, kind), queue(mp, kind)
    with round_trip((there.put, there.get), (back.put, back.get), payload) as measured:
        yield measured
    drop(there, back)


@contextmanager
def queue_alone(
    mp: ModuleType, payload: object, kind: str = "Queue", maxsize: int = 0
) -> Iterator[Measured]:
    """Put and get in one process."""
    there = queue(mp, kind, maxsize)

    def turn() -> None:
        there.put(payload)
        there.get()

    yield Measured(repeat(turn))
    drop(there)


@contextmanager
def queue_joined(mp: ModuleType, payload: object) -> Iterator[Measured]:
    """JoinableQueue: puts, and a join that ends with the peer's last task_done."""
    there = queue(mp, "JoinableQueue")

    def send(count: int) -> None:
        for _ in range(count):
            there.put(payload)
        there.join()

    def work() -> None:
        there.get()
        there.task_done()

    with counted(repeat(work), send) as measured:
        yield measured
    drop(there)


@contextmanager
def queue_creation(mp: ModuleType, kind: str) -> Iterator[Measured]:
    """Queues: making one and closing it."""
    context = mp.get_context("fork")
    make = getattr(context, kind)
    yield Measured(repeat(lambda: make().close()))


@contextmanager
def listener(
    mp: ModuleType, payload: object, family: str, *, there_and_back: bool
) -> Iterator[Measured]:
    """Listener and Client: send and recv."""
    module = importlib.import_module(f"{mp.__name__}.connection")
    with module.Listener(family=family) as listening:
        client = module.Client(listening.address)
        accepted = listening.accept()
        there, back = (client.send, accepted.recv), (accepted.send, client.recv)
        measure = round_trip(there, back, payload) if there_and_back else one_way(*there, payload)
        with client, accepted, measure as measured:
            yield measured


@contextmanager
def connecting(mp: ModuleType, family: str, authkey: bytes | None) -> Iterator[Measured]:
    """Listener and Client: connect, accept and close; with a key, in two processes."""
    module = importlib.import_module(f"{mp.__name__}.connection")
    with module.Listener(family=family, authkey=authkey, backlog=16) as listening:

        def connect() -> None:
            with module.Client(listening.address, authkey=authkey) as client:
                client.poll(None)  # until it is accepted and closed

        with peer(lambda: listening.accept().close()) as pid:
            yield Measured(repeat(connect), pid)


def operations() -> Iterator[tuple[str, Setup]]:
    """Give everything that is compared, with its name."""
    for duplex in (True, False):
        kind = "duplex" if duplex else "simplex"
        for size, payload in PAYLOADS.items():
            yield (
                f"pipe {kind} one-way {size}",
                partial(pipe_one_way, payload=payload, duplex=duplex),
            )
        for size, payload in PAYLOADS.items():
            yield (
                f"pipe {kind} round trip {size}",
                partial(pipe_round_trip, payload=payload, duplex=duplex),
            )
        yield f"pipe {kind} creation", partial(pipe_creation, duplex=duplex)
    for duplex in (True, False):
        kind = "duplex" if duplex else "simplex"
        for size, payload in PAYLOADS.items():
            data = b"0123456789abcdef" if size == "small" else payload
            for back, what in ((False, "one-way"), (True, "round trip"))[: 1 + duplex]:
                yield (
                    f"pipe {kind} bytes {what} {size}",
                    partial(pipe_bytes, payload=data, duplex=duplex, there_and_back=back),
                )
    yield "poll, empty", lambda mp: pipe_poll(mp, ready=False)
    yield "poll, ready", lambda mp: pipe_poll(mp, ready=True)
    yield "wait, one of eight", wait_for_one
    yield from _queues()
    yield from _listeners()


def _queues() -> Iterator[tuple[str, Setup]]:
    small = PAYLOADS["small"]
    for size, payload in PAYLOADS.items():
        yield f"queue one-way {size}", partial(queue_one_way, payload=payload)
        yield f"queue round trip {size}", partial(queue_round_trip, payload=payload)
    yield "queue alone small", lambda mp: queue_alone(mp, small)
    for size in ("small", "64K"):
        yield (
            f"bounded queue one-way {size}",
            partial(queue_one_way, payload=PAYLOADS[size], maxsize=16),
        )
    yield "bounded queue alone small", lambda mp: queue_alone(mp, small, maxsize=16)
    yield "joinable queue one-way small", lambda mp: queue_joined(mp, small)
    yield "joinable queue alone small", lambda mp: queue_alone(mp, small, "JoinableQueue")
    for size in ("small", "1K", "64K", "1M"):
        yield (
            f"simple queue one-way {size}",
            partial(queue_one_way, payload=PAYLOADS[size], kind="SimpleQueue"),
        )
        yield (
            f"simple queue round trip {size}",
            partial(queue_round_trip, payload=PAYLOADS[size], kind="SimpleQueue"),
        )
    yield "simple queue alone small", lambda mp: queue_alone(mp, small, "SimpleQueue")
    for kind in ("Queue", "JoinableQueue", "SimpleQueue"):
        yield f"{kind} creation", partial(queue_creation, kind=kind)


def _listeners() -> Iterator[tuple[str, Setup]]:
    for family in ("AF_UNIX", "AF_INET"):
        for size, payload in PAYLOADS.items():
            for back, what in ((False, "one-way"), (True, "round trip")):
                yield (
                    f"{family} {what} {size}",
                    partial(listener, payload=payload, family=family, there_and_back=back),
                )
        yield f"{family} connect", partial(connecting, family=family, authkey=None)
        yield f"{family} connect with a key", partial(connecting, family=family, authkey=b"key")


def place(measured: Measured, *, together: bool) -> None:
    """Put this process on one core, and its peer on the same or another."""
    cores = sorted(CORES)
    os.sched_setaffinity(0, {cores[0]})
    if measured.peer is not None:
        os.sched_setaffinity(measured.peer, {cores[0] if together else cores[-1]})


def timed(measured: Measured, count: int) -> tuple[float, float]:
    """Return the seconds, and the processor seconds, that one of *count* operations took."""
    cpu, start = measured.cpu(), time.perf_counter()
    measured.run(count)
    return (time.perf_counter() - start) / count, (measured.cpu() - cpu) / count


def calibrate(measured: Measured, span: float) -> int:
    """Return how many operations take about *span* seconds."""
    count = 1
    while (took := timed(measured, count)[0] * count) < span / 2:
        count = max(count + 1, min(count * 8, round(count * span / took)))
    return count


def compare(setup: Setup, rounds: int, span: float) -> Result:
    """Time both in turn for *rounds* rounds of each kind, of about *span* seconds each."""
    reference = importlib.import_module("multiprocessing_reference")
    standard = importlib.import_module("multiprocessing")
    pairs: dict[bool, list[tuple[tuple[float, float], tuple[float, float]]]] = {}
    with setup(reference) as ours, setup(standard) as theirs:
        count = calibrate(theirs, span)
        timed(ours, count)
        for turn in range(2 * rounds):
            together = turn % 4 < 2  # noqa: PLR2004 - two of each, with the other one first
            both = [ours, theirs]
            for measured in both:
                place(measured, together=together)
            times = [timed(each, count) for each in (both if turn % 2 else reversed(both))]
            our, their = times if turn % 2 else reversed(times)
            pairs.setdefault(together, []).append((our, their))
    every = pairs[True] + pairs[False]
    one, two = (median(our[0] / their[0] for our, their in pairs[kind]) for kind in (True, False))
    return Result(
        median(our[0] for our, _ in every),
        median(their[0] for _, their in every),
        (one * two) ** 0.5,
        one,
        two,
        median(our[1] / their[1] for our, their in every),
    )


def main() -> int:
    """Print the table; the exit status says whether the reference was nowhere slower."""
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").partition("\n")[0],
        epilog="Example: python benchmarks/messages.py --quick --only 'pipe simplex'",
    )
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds")
    parser.add_argument(
        "--rounds", type=int, help="rounds of each of each kind (default: 15, quick: 4)"
    )
    parser.add_argument("--only", default="", help="the operations whose names contain this")
    options = parser.parse_args()
    sys.path.insert(0, str(BACKENDS))
    rounds = options.rounds or (4 if options.quick else 15)
    span = 0.01 if options.quick else 0.03
    chosen = [(name, setup) for name, setup in operations() if options.only in name]
    if not chosen:
        parser.error(f"no operation's name contains {options.only!r}")
    print(
        f"{'operation':34} {'reference':>11} {'standard':>11} {'ratio':>6} {'1 core':>6} {'2 cores':>7} {'cpu':>6}"
    )
    slower = []
    for name, setup in chosen:
        result = compare(setup, rounds, span)
        mark = " <- slower" if result.ratio > 1 else ""
        print(
            f"{name:34} {result.reference * 1e6:8.1f} µs {result.standard * 1e6:8.1f} µs "
            f"{result.ratio:6.2f} {result.one_core:6.2f} {result.two_cores:7.2f} {result.cpu:6.2f}{mark}",
            flush=True,
        )
        if result.ratio > 1:
            slower.append(name)
    print(f"{len(chosen) - len(slower)} of {len(chosen)} operations as fast or faster")
    return bool(slower)


if __name__ == "__main__":
    sys.exit(main())
