"""What the harness adds to a run: to each test, and to the collection of the suite.

    python benchmarks/harness_cost.py            about a minute
    python benchmarks/harness_cost.py --quick    fewer rounds

Two ratios, each of two things measured in turn in the same round, so that a loaded machine slows both alike:

- a test: a suite of tests that do nothing, run with a backend in one process (``-n 0``), beside the same functions as
  plain pytest tests. Target: at most 5 ms more for each.
- collection: ``--collect-only`` of the whole suite for one backend under its three start methods, beside as many
  trivial pytest tests in as many modules. Target: at most 1.5 times as long. The same for one start method is printed
  too: what is read once, however many variants there are, weighs more there.

Processor time is what is judged, the median of the rounds: on a machine that does other things too, the clock on the
wall tells more about those (it is printed as well). Exit status 1 when a target is missed.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TESTS = 400
MOST_PER_TEST = 0.005
MOST_COLLECTION = 1.5

CONFTEST = """\
from pathlib import Path

HERE = Path(__file__).parent

def mpspec_requirements():
    return [HERE / "trivial.toml"]

def mpspec_suites():
    return [HERE / "trivial"]
"""
HEADER = 'chapter = "trivial"\ntitle = "Trivial"\ncapability = "process"\npage = "none.html"\n'
REQUIREMENT = '[[requirement]]\nid = "trivial.number-{0}"\ntext = "Nothing."\nanchor = "none"\n'
TEST = '@requirement("trivial.number-{0}")\ndef test_{0}(mp):\n    pass\n\n'
PLAIN = "def test_{0}(mp):\n    pass\n\n"
PLAIN_CONFTEST = "import pytest\n\n@pytest.fixture(scope='session')\ndef mp():\n    return None\n"


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="three rounds instead of seven")
    rounds = 3 if parser.parse_args().quick else 7
    with tempfile.TemporaryDirectory(prefix="harness-cost-") as name:
        folder = Path(name)
        added, waited = per_test(folder, rounds)
        ratio, slower = collection(folder / "all", rounds)
        alone, _ = collection(folder / "fork", rounds, "--start-method=fork")
    target = f"target: at most {MOST_PER_TEST * 1000:g} ms"
    print(
        f"the harness adds {added * 1000:.2f} ms to a test ({target}); on the wall {waited * 1000:.2f} ms"
    )
    target = f"target: at most {MOST_COLLECTION:g}"
    print(
        f"collection takes {ratio:.2f} times as long as of trivial tests ({target}); on the wall {slower:.2f}"
    )
    print(f"under one start method {alone:.2f} times as long")
    return int(added > MOST_PER_TEST or ratio > MOST_COLLECTION)


def per_test(folder: Path, rounds: int) -> tuple[float, float]:
    """Seconds that the harness adds to a test that does nothing: of the processor, and on the wall."""
    ours, plain = folder / "ours", folder / "plain"
    write(ours / "conftest.py", CONFTEST)
    write(
        ours / "trivial.toml",
        HEADER + "".join(REQUIREMENT.format(number) for number in range(TESTS)),
    )
    write(ours / "trivial/__init__.py", "")
    write(
        ours / "trivial/trivial.py",
        "from mpspec.marks import requirement\n\n"
        + "".join(TEST.format(number) for number in range(TESTS)),
    )
    write(plain / "conftest.py", PLAIN_CONFTEST)
    write(plain / "test_trivial.py", "".join(PLAIN.format(number) for number in range(TESTS)))
    backend = ["--backend=stdlib", "--start-method=fork", "--requirement=trivial.*", "-n0"]

    def once() -> tuple[float, float]:
        # Less a run of one test, so that what a run costs once does not count.
        costs = [
            run(ours, *backend),
            run(ours, *backend, "-k", "trivial.number-0"),
            run(plain),
            run(plain, "-k", "test_0"),
        ]
        processor, wall = ([cost[kind] for cost in costs] for kind in (0, 1))
        return _added(processor), _added(wall)

    return medians([once() for _ in range(rounds)])


def _added(costs: list[float]) -> float:
    ours, ours_alone, plain, plain_alone = costs
    return ((ours - ours_alone) - (plain - plain_alone)) / (TESTS - 1)


def collection(folder: Path, rounds: int, *options: str) -> tuple[float, float]:
    """How many times as long the suite takes to collect as trivial tests do: of the processor, and on the wall."""
    arguments = ["--backend=stdlib", "--level=de-facto", "--collect-only", "-q", *options]
    folder.mkdir()
    lines = output(folder, *arguments).splitlines()
    counts: dict[str, int] = {}
    for line in lines:
        if "::" in line:
            module = Path(line.partition("::")[0]).stem
            counts[module] = counts.get(module, 0) + 1
    trivial = folder / "collected"
    write(trivial / "conftest.py", PLAIN_CONFTEST)
    for module, count in counts.items():
        write(
            trivial / f"test_{module}.py", "".join(PLAIN.format(number) for number in range(count))
        )
    print(f"collected: {sum(counts.values())} tests in {len(counts)} modules")
    run(trivial, "--collect-only", "-q")  # compiled, as the suite is by now
    pairs = [(run(folder, *arguments), run(trivial, "--collect-only", "-q")) for _ in range(rounds)]
    return medians([(ours[0] / plain[0], ours[1] / plain[1]) for ours, plain in pairs])


def medians(rounds: list[tuple[float, float]]) -> tuple[float, float]:
    processor, wall = zip(*rounds, strict=True)
    return statistics.median(processor), statistics.median(wall)


def write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")


def run(folder: Path, *arguments: str) -> tuple[float, float]:
    """Seconds that pytest takes: of the processor, its children included, and on the wall."""
    started, used = time.perf_counter(), processor_time()
    output(folder, *arguments)
    return processor_time() - used, time.perf_counter() - started


def processor_time() -> float:
    times = os.times()
    return times.children_user + times.children_system


def output(folder: Path, *arguments: str) -> str:
    # A run as any user's: compiled modules are kept from the run before.
    environment = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("PYTEST_") and name != "PYTHONDONTWRITEBYTECODE"
    }
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments]
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"{' '.join(command)}\n{done.stdout}{done.stderr}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
