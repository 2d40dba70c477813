"""Tests of the chapter examples: whole programs, each in an interpreter of its own."""

import ast
import os

from mpspec.children import observed_once
from mpspec.marks import requirement
from mpspec.programs import run_script


def _output(mp, source):
    """What a program prints, line by line; it must end well."""
    done = run_script(mp, source)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


SQUARES = """
def square(number):
    return number * number

if __name__ == "__main__":
    with mp.Pool(3) as pool:
        print(pool.map(square, [1, 2, 3]))
"""


@requirement("examples.introduction.pool-map")
def test_squares_of_a_pool(mp):
    """The program prints the squares of the three numbers."""
    assert _output(mp, SQUARES) == ["[1, 4, 9]"]


GREETING = """
def greet(name):
    print("hello", name)

if __name__ == "__main__":
    process = mp.Process(target=greet, args=("bob",))
    process.start()
    process.join()
"""


@requirement("examples.process.greeting")
def test_greeting_of_a_child(mp):
    """The program prints the greeting, once."""
    assert _output(mp, GREETING) == ["hello bob"]


IDS = """
import os

def tell(title):
    print(title, os.getpid(), flush=True)

def greet(name):
    tell("function")
    print("hello", name)

if __name__ == "__main__":
    tell("main")
    process = mp.Process(target=greet, args=("bob",))
    process.start()
    process.join()
    print("started", process.pid)
"""


@requirement("examples.process.ids")
def test_ids_of_parent_and_child(mp):
    """The function runs in a process with an id of its own, that of the process object."""
    lines = _output(mp, IDS)
    told = dict(line.split() for line in lines)
    assert sorted(told) == ["function", "hello", "main", "started"]
    assert told["hello"] == "bob"
    assert told["function"] == told["started"] != told["main"]


QUEUE = """
def fill(queue):
    queue.put([42, None, "hello"])

if __name__ == "__main__":
    queue = mp.Queue()
    process = mp.Process(target=fill, args=(queue,))
    process.start()
    print(queue.get())
    process.join()
"""


@requirement("examples.exchange.queue")
def test_list_through_a_queue(mp):
    """The program prints the list that came through the queue."""
    assert _output(mp, QUEUE) == ["[42, None, 'hello']"]


PIPE = """
def send(connection):
    connection.send([42, None, "hello"])
    connection.close()

if __name__ == "__main__":
    ours, theirs = mp.Pipe()
    process = mp.Process(target=send, args=(theirs,))
    process.start()
    print(ours.recv())
    process.join()
"""


@requirement("examples.exchange.pipe")
def test_list_through_a_pipe(mp):
    """The program prints the list that came through the pipe."""
    assert _output(mp, PIPE) == ["[42, None, 'hello']"]


LOCK = """
def greet(lock, number):
    lock.acquire()
    try:
        print("hello world", number)
    finally:
        lock.release()

if __name__ == "__main__":
    lock = mp.Lock()
    processes = [mp.Process(target=greet, args=(lock, number)) for number in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
"""


@requirement("examples.synchronization.lock")
def test_lines_under_a_lock(mp):
    """Each child's line is printed, whole."""
    assert sorted(_output(mp, LOCK)) == [f"hello world {number}" for number in range(4)]


MEMORY = """
def change(number, items):
    number.value = 3.1415927
    for position in range(len(items)):
        items[position] = -items[position]

if __name__ == "__main__":
    number = mp.Value("d", 0.0)
    items = mp.Array("i", range(10))
    process = mp.Process(target=change, args=(number, items))
    process.start()
    process.join()
    print(number.value)
    print(items[:])
"""


@requirement("examples.state.shared-memory")
def test_value_and_array(mp):
    """The program prints the value and the items that the child left."""
    assert _output(mp, MEMORY) == ["3.1415927", "[0, -1, -2, -3, -4, -5, -6, -7, -8, -9]"]


SERVER = """
def change(mapping, items):
    mapping[1] = "1"
    mapping["2"] = 2
    mapping[0.25] = None
    items.reverse()

if __name__ == "__main__":
    with mp.Manager() as manager:
        mapping = manager.dict()
        items = manager.list(range(10))
        process = mp.Process(target=change, args=(mapping, items))
        process.start()
        process.join()
        print(mapping)
        print(items)
"""


@observed_once
def _server_program(mp):
    """What the program prints, and what it leaves in a temporary directory of its own."""
    import tempfile

    import pytest

    with pytest.MonkeyPatch.context() as patch, tempfile.TemporaryDirectory() as folder:
        patch.setenv("TMPDIR", folder)
        return _output(mp, SERVER), os.listdir(folder)


@requirement("examples.state.server-process-tidies-up")
def test_temporary_files_of_a_program_with_a_manager(mp):
    """There is nothing in the temporary directory when the program has ended."""
    assert _server_program(mp)[1] == []


@requirement("examples.state.server-process")
def test_dict_and_list_of_a_manager(mp):
    """The program prints the dict and the list that the child left."""
    mapping, items = _server_program(mp)[0]
    assert ast.literal_eval(mapping) == {0.25: None, 1: "1", "2": 2}
    assert items == "[9, 8, 7, 6, 5, 4, 3, 2, 1, 0]"


SERVER_SET = """
def change(items):
    items.add("a")
    items.add("b")

if __name__ == "__main__":
    with mp.Manager() as manager:
        items = manager.set()
        process = mp.Process(target=change, args=(items,))
        process.start()
        process.join()
        print(items)
"""


@requirement("examples.state.server-process-set")
def test_set_of_a_manager(mp):
    """The program prints the set with what the child added."""
    (items,) = _output(mp, SERVER_SET)
    assert ast.literal_eval(items) == {"a", "b"}


OFFLOAD = """
import threading

def square(number):
    return number * number

def wait_long():
    threading.Event().wait(600)

if __name__ == "__main__":
    with mp.Pool(processes=2) as pool:
        print(pool.map(square, range(10)))
        print(sorted(pool.imap_unordered(square, range(10))))
        result = pool.apply_async(square, (20,))
        print(result.get(timeout=mp.timeout))
        results = [pool.apply_async(square, (number,)) for number in range(4)]
        print([result.get(timeout=mp.timeout) for result in results])
        result = pool.apply_async(wait_long, ())
        try:
            print(result.get(timeout=0.01))
        except mp.TimeoutError:
            print("no patience")
        print(pool.apply(square, (5,)))
    try:
        pool.apply(square, (5,))
    except ValueError:
        print("not available")
"""


@requirement("examples.pool.ways-to-offload")
def test_ways_to_offload(mp):
    """The program prints all results, tells of the timeout, and of the pool's end."""
    squares = str([number * number for number in range(10)])
    assert _output(mp, OFFLOAD) == [
        squares,
        squares,
        "400",
        "[0, 1, 4, 9]",
        "no patience",
        "25",
        "not available",
    ]


CUSTOMIZED = """
import operator

class Subject:
    def f(self):
        print("printed by f")
        return "f was called"

    def g(self):
        return "g was called"

    def _h(self):
        return "_h was called"

def squares():
    for number in range(10):
        yield number * number

class GeneratorProxy(mp.managers.BaseProxy):
    _exposed_ = ["__next__"]

    def __iter__(self):
        return self

    def __next__(self):
        return self._callmethod("__next__")

def get_operator_module():
    return operator

class OurManager(mp.managers.BaseManager):
    pass

OurManager.register("Public", Subject)
OurManager.register("Chosen", Subject, exposed=("g", "_h"))
OurManager.register("squares", squares, proxytype=GeneratorProxy)
OurManager.register("operator", get_operator_module)

if __name__ == "__main__":
    manager = OurManager(ctx=mp.context)
    manager.start()
    public = manager.Public()
    print(public.f(), public.g(), hasattr(public, "_h"), sep=", ")
    chosen = manager.Chosen()
    print(chosen.g(), chosen._h(), hasattr(chosen, "f"), sep=", ")
    print(*manager.squares())
    module = manager.operator()
    print(module.add(23, 45), module.pow(2, 94))
    print(sorted(public._exposed_), sorted(chosen._exposed_), {"add", "pow"} <= set(module._exposed_))
    manager.shutdown()
"""


@requirement("examples.managers.customized")
def test_customized_managers(mp):
    """The proxies have the methods that were exposed, and give what the objects give, who also print something."""
    lines = _output(mp, CUSTOMIZED)
    # The server's line comes out when its process likes: at its end, mostly.
    lines.remove("printed by f")
    assert lines == [
        "f was called, g was called, False",
        "g was called, _h was called, False",
        "0 1 4 9 16 25 36 49 64 81",
        f"68 {2**94}",
        "['f', 'g'] ['_h', 'g'] True",
    ]


DEMONSTRATION = """
def calculate(function, args):
    return f"{function.__name__}{args} = {function(*args)}"

def calculate_star(args):
    return calculate(*args)

def multiply(a, b):
    return a * b

def add(a, b):
    return a + b

def invert(number):
    return 1.0 / (number - 5.0)

def fails(function, *args):
    try:
        function(*args)
    except ZeroDivisionError:
        return True
    return False

def patiently(function):
    while True:
        try:
            return function(0.02)
        except mp.TimeoutError:
            pass

if __name__ == "__main__":
    tasks = [(multiply, (i, 7)) for i in range(4)] + [(add, (i, 8)) for i in range(4)]
    with mp.Pool(2) as pool:
        results = [pool.apply_async(calculate, task) for task in tasks]
        ordered = pool.imap(calculate_star, tasks)
        unordered = pool.imap_unordered(calculate_star, tasks)
        print([result.get() for result in results])
        print(list(ordered))
        print(sorted(unordered))
        print(pool.map(calculate_star, tasks))
        print(fails(pool.apply, invert, (5,)), fails(pool.map, invert, list(range(10))))
        print(fails(list, pool.imap(invert, list(range(10)))))
        iterator = pool.imap(invert, list(range(10)))
        print([position for position in range(10) if fails(next, iterator)], list(iterator))
        print([patiently(pool.apply_async(calculate, tasks[0]).get)])
        iterator = pool.imap(calculate_star, tasks)
        print([patiently(iterator.next) for _ in tasks])
"""


@requirement("examples.pool.demonstration")
def test_demonstration_of_a_pool(mp):
    """The program prints all results by each way, and where the error came."""
    expected = [f"multiply{i, 7} = {i * 7}" for i in range(4)]
    expected += [f"add{i, 8} = {i + 8}" for i in range(4)]
    assert _output(mp, DEMONSTRATION) == [
        str(expected),
        str(expected),
        str(sorted(expected)),
        str(expected),
        "True True",
        "True",
        "[5] []",
        str(expected[:1]),
        str(expected),
    ]


WORKERS = """
def work(tasks, results):
    for function, args in iter(tasks.get, "STOP"):
        results.put(f"{function.__name__}{args} = {function(*args)}")

def multiply(a, b):
    return a * b

def add(a, b):
    return a + b

if __name__ == "__main__":
    tasks, results = mp.Queue(), mp.Queue()
    for i in range(6):
        tasks.put((multiply, (i, 7)))
    for _ in range(2):
        mp.Process(target=work, args=(tasks, results)).start()
    print(sorted(results.get() for _ in range(6)))
    for i in range(4):
        tasks.put((add, (i, 8)))
    print(sorted(results.get() for _ in range(4)))
    for _ in range(2):
        tasks.put("STOP")
"""


@requirement("examples.queues.workers")
def test_workers_between_two_queues(mp):
    """The program prints the results of both rounds of tasks, and ends."""
    assert _output(mp, WORKERS) == [
        str([f"multiply{i, 7} = {i * 7}" for i in range(6)]),
        str([f"add{i, 8} = {i + 8}" for i in range(4)]),
    ]
