"""Tests of the chapter guidelines."""

import functools
import gc
import io
import operator
import os
import sys

from mpspec.children import (
    Gate,
    Unpicklable,
    ask,
    equal,
    observed_once,
    outcome_of,
    raises,
    remade,
    run,
    start_to_end_together,
)
from mpspec.marks import requirement
from mpspec.programs import call, run_script

# Far more than pipes and sockets buffer, whatever sizes an implementation sets.
LARGE = 8_000_000


# Proxies


@requirement("guidelines.proxies.unpicklable-argument")
def test_arguments_of_proxies_are_pickled(mp, manager):
    """A method of a proxy that is called with what can't be pickled raises, and changes nothing."""
    shared = manager.list([1])
    with raises(Exception):
        shared.append(Unpicklable())
    shared.append(2)
    assert shared[:] == [1, 2]


# Zombies


@observed_once
def _zombies(mp):
    """Which of four ended children are zombies: at first, after a ``join()``, an ``is_alive()``, a ``start()``.

    And of two more, of which the one was joined with 0, the other with -1 for a timeout. What is left to the start()
    gets a terminate() and a kill() before, too late for either.
    """
    from mpspec.observing import is_zombie, wait_until

    children = start_to_end_together(mp, 6, code=6)

    def zombies(of=slice(4)):
        return [is_zombie(child.pid) for child in children[of]]

    wait_until(lambda: all(zombies(slice(None))), mp.timeout, "six zombies")
    children[4].join(0)
    children[5].join(-1)
    timed = zombies(slice(4, None))
    seen = [zombies()]
    children[0].join()
    seen.append(zombies())
    alive = children[1].is_alive()
    seen.append(zombies())
    for late, name in ((children[2], "terminate"), (children[3], "kill")):
        # What it comes to is another chapter's matter.
        outcome_of(operator.methodcaller(name), late)
    # Whatever starts it: they are children of the same process.
    other = "spawn" if mp.start_method == "fork" else "fork"
    another = mp.get_context(other).Process(target=int)
    another.start()
    seen.append(zombies())
    codes = [child.exitcode for child in children]
    another.join()
    return seen, alive, codes, timed


@requirement("guidelines.zombies.until-joined")
def test_ended_process_is_a_zombie_until_joined(mp):
    """The system knows children that have ended until they are joined, with any timeout, and not after it."""
    (first, after_join, *_), *_, timed = _zombies(mp)
    assert (first, after_join) == ([True] * 4, [False, True, True, True])
    assert timed == [False, False]


@requirement("guidelines.zombies.joined-by-is-alive")
def test_is_alive_joins(mp):
    """``is_alive()`` of a child that has ended joins it, and no other."""
    (_, _, after_is_alive, _), alive, *_ = _zombies(mp)
    assert (alive, after_is_alive) == (False, [False, False, True, True])


@requirement("guidelines.zombies.joined-by-next-start")
def test_start_joins_those_that_have_ended(mp):
    """Starting another process joins all children that have ended; their exit codes are known."""
    seen, _, codes, _ = _zombies(mp)
    assert (seen[-1], codes) == ([False] * 4, [6] * 6)


# Resources


def _put_large(queue):
    queue.put("X" * LARGE)


@requirement("guidelines.queues.unread-items-keep-child")
def test_child_stays_until_its_items_are_got(mp):
    """A child whose large item is not got does not end; when it is got, the child can be joined."""
    queue = mp.Queue()
    process = mp.Process(target=_put_large, args=(queue,))
    process.start()
    while queue.empty():
        process.join(0.01)
    process.join(0.05)
    assert process.exitcode is None
    assert equal(queue.get(), "X" * LARGE)
    process.join()
    assert process.exitcode == 0


_resource = None


def _try_global():
    return _resource.acquire(block=False)


@requirement("guidelines.resources.global-under-fork")
def test_forked_child_uses_a_global_lock(mp):
    """A forked child finds the lock of its parent's global variable, held or free."""
    global _resource
    _resource = mp.Lock()
    free = ask(mp, _try_global)
    _resource.release()
    _resource.acquire()
    held = ask(mp, _try_global)
    _resource = None
    assert (free, held) == (True, False)


@requirement("guidelines.resources.globals-under-fork")
def test_forked_child_uses_global_resources(mp):
    """A forked child puts on the queue, sends by the connection, and adds to the number of its parent's variable."""
    global _resource
    queue, (receiver, sender), number = mp.Queue(), mp.Pipe(duplex=False), mp.Value("i", 1)
    _resource = queue, sender, number
    run(mp, _use_globals)
    _resource = None
    found = queue.get(timeout=mp.timeout), receiver.recv(), number.value
    queue.close()
    assert found == ("queue", "pipe", 2)


def _use_globals():
    queue, sender, number = _resource
    queue.put("queue")
    sender.send("pipe")
    number.value += 1


def _use_primitives(_gate, primitives, connection):
    """In a child: tell, when the word comes, that all primitives did what they are for."""
    *locks, event, barrier = primitives
    connection.recv()
    for lock in locks:
        with lock:
            pass
    event.set()
    connection.send((event.is_set(), barrier.wait()))


@requirement("guidelines.resources.lock-outlives-parents-reference")
def test_lock_outlives_the_parents_reference(mp):
    """A child uses the lock that it was passed, and each other primitive, after its parent has dropped them."""
    ours, theirs = mp.Pipe()
    gate, opener = mp.Pipe(duplex=False)
    primitives = [mp.Lock(), mp.RLock(), mp.Semaphore(), mp.BoundedSemaphore(), mp.Condition()]
    primitives += [mp.Event(), mp.Barrier(1)]
    process = mp.Process(target=_use_primitives, args=(Gate(gate), primitives, theirs))
    process.start()
    theirs.close()
    del primitives
    gc.collect()
    opener.send("the primitives were dropped")
    ours.send("go")
    answer = ours.recv()
    process.join()
    assert answer == (True, 0)


def _change_memory(_gate, shared, connection):
    """In a child: put something else into shared objects when the word comes, and tell what was there."""
    connection.recv()
    found = [each.value for each in shared]
    for each in shared:
        each.value = b"C"
    connection.send(found)
    connection.recv()


@requirement("guidelines.resources.memory-outlives-parents-reference")
def test_memory_outlives_the_parents_reference(mp):
    """A child has the values and arrays that it was passed for itself after its parent has dropped them."""
    from ctypes import c_char

    # The lock is kept: what becomes of one that is dropped is another requirement's matter.
    lock = mp.RLock()
    makers = [mp.RawValue, mp.RawArray]
    makers += [functools.partial(make, lock=lock) for make in (mp.Value, mp.Array)]
    # What comes after each of them is kept, so that memory which is used again goes to what is made next.
    shared = [make(c_char, b"1") for make in makers for _ in range(2)]
    ours, theirs = mp.Pipe()
    gate, opener = mp.Pipe(duplex=False)
    process = mp.Process(target=_change_memory, args=(Gate(gate), shared[::2], theirs))
    process.start()
    theirs.close()
    del shared[::2]
    gc.collect()
    later = [make(c_char, b"2") for make in makers]
    opener.send("the memory was dropped")
    ours.send("go")
    found = ours.recv()
    values = [each.value for each in (*shared, *later)]
    ours.send("end")
    process.join()
    assert (found, values) == ([b"1"] * 4, [b"1"] * 4 + [b"2"] * 4)


def _change_list(_gate, passed, connection):
    """In a child: add to the list that it was passed, and tell what is in it."""
    connection.send(outcome_of(_added_to, passed))


def _added_to(passed):
    passed.append("by the child")
    return passed[:]


def _drop_a_proxy(mp):
    """In a new interpreter: what a child comes to with a proxy that its parent has dropped before the child ran."""
    with mp.Manager() as manager:
        kept, passed = manager.list(), manager.list(["by the parent"])
        gate, opener = mp.Pipe(duplex=False)
        receiver, sender = mp.Pipe(duplex=False)
        # A forked child unpickles no gate: it waits there before it does anything else.
        os.register_at_fork(after_in_child=functools.partial(gate.poll, mp.timeout / 2))
        process = mp.Process(target=_change_list, args=(Gate(gate), passed, sender))
        process.start()
        del passed
        gc.collect()
        kept.append("what the server is told after that")
        opener.send("the proxy was dropped")
        outcome = receiver.recv()
        process.join()
        return outcome


@requirement("guidelines.resources.proxy-outlives-parents-reference")
def test_proxy_outlives_the_parents_reference(mp):
    """A child uses the list that it was passed a proxy of after its parent has dropped its own."""
    found = call(_drop_a_proxy, mp, timeout=mp.timeout)
    assert found == ["returned", ["by the parent", "by the child"]]


# Standard input


def _output(mp, source, text=""):
    done = run_script(mp, source, text)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


READER = """
import os, sys

def read(connection):
    connection.send(sys.stdin.read())
    try:
        is_null = os.fstat(sys.stdin.fileno()).st_rdev == os.stat(os.devnull).st_rdev
    except OSError:  # it has no descriptor
        is_null = False
    connection.send((is_null, sys.stdin.readable(), sys.stdin.writable()))
    try:
        descriptor = sys.stdin.fileno()
        sys.stdin.close()
        stays = os.fstat(descriptor).st_rdev == os.stat(os.devnull).st_rdev
    except OSError:  # it had none, or that is closed
        stays = False
    connection.send((sys.stdin.closed, stays))

if __name__ == "__main__":
    receiver, sender = mp.Pipe(duplex=False)
    process = mp.Process(target=read, args=(sender,))
    process.start()
    print([receiver.recv(), sys.stdin.read()])
    print(receiver.recv())
    print(receiver.recv())
    process.join()
"""


@observed_once
def _readers(mp):
    """What a child and its parent read, and what the child's standard input is."""
    return _output(mp, READER, "for the parent")


@requirement("guidelines.stdin.child-reads-nothing")
def test_child_has_no_standard_input(mp):
    """A child reads nothing from its standard input; its parent reads it all."""
    assert _readers(mp)[0] == "['', 'for the parent']"


@requirement("guidelines.stdin.null-device")
def test_childs_standard_input_is_the_null_device(mp):
    """A child's ``sys.stdin`` is ``os.devnull``, open for reading alone."""
    assert _readers(mp)[1] == "(True, True, False)"


@requirement("guidelines.stdin.descriptor-stays-open")
def test_descriptor_of_a_closed_standard_input(mp):
    """A child that closes ``sys.stdin`` leaves the descriptor below it open."""
    assert _readers(mp)[2] == "(True, True)"


NESTED_READERS = """
import sys

def read_and_start(depth):
    print(depth, repr(sys.stdin.read()), flush=True)
    if depth:
        process = mp.Process(target=read_and_start, args=(depth - 1,))
        process.start()
        process.join()
        sys.exit(process.exitcode)

if __name__ == "__main__":
    process = mp.Process(target=read_and_start, args=(2,))
    process.start()
    process.join()
    print(process.exitcode)
"""


@requirement("guidelines.stdin.of-grandchild")
def test_standard_input_of_grandchildren(mp):
    """A child, its child and that one's child read nothing, without an error."""
    assert _output(mp, NESTED_READERS, "text") == ["2 ''", "1 ''", "0 ''", "0"]


class _Substitute(io.StringIO):
    """A standard input that tells when it is closed in another process than its own."""

    def __init__(self, text, sender):
        super().__init__(text)
        self._sender, self._owner = sender, os.getpid()

    def close(self):
        if os.getpid() != self._owner:
            self._sender.send("closed")
        super().close()


def _read_standard_input(sender):
    sender.send(sys.stdin.read())


@observed_once
def _child_without_own_stdin(mp):
    """How a child ends, and all that it tells, while ``sys.stdin`` is an object without a descriptor, and that then."""
    receiver, sender = mp.Pipe(duplex=False)
    # A reference of its own: nothing but a call closes the object in a forked child.
    substitute = _Substitute("text", sender)
    before, sys.stdin = sys.stdin, substitute
    try:
        process = run(mp, _read_standard_input, sender)
        told = []
        while receiver.poll():
            told.append(receiver.recv())
        return process.exitcode, told, substitute.read()
    finally:
        sys.stdin = before


@requirement("guidelines.stdin.replaced")
def test_children_start_when_stdin_is_replaced(mp):
    """A child starts and ends well while ``sys.stdin`` is an object without a descriptor."""
    exitcode, _, text = _child_without_own_stdin(mp)
    assert (exitcode, text) == (0, "text")


@requirement("guidelines.stdin.replaced-in-child")
def test_child_does_not_read_the_substitute(mp):
    """A child reads nothing from its standard input; its parent reads all of what has taken the place of its own."""
    _, told, text = _child_without_own_stdin(mp)
    assert (told[-1], text) == ("", "text")


@requirement("guidelines.stdin.substitute-closed")
def test_forked_child_closes_the_substitute(mp):
    """A forked child has called ``close()`` before it runs; in its parent the object is open."""
    assert _child_without_own_stdin(mp)[1:] == (["closed", ""], "text")


# What spawn and forkserver ask for


@requirement("guidelines.spawn.unpicklable-subclass")
def test_instance_of_a_subclass_must_be_picklable(mp):
    """``start()`` raises when the process object has an attribute that can't be pickled, and for that alone."""
    worker = _holding(mp)(1)
    worker.start()
    worker.join()
    assert worker.exitcode == 0
    with raises(Exception):
        _holding(mp)(Unpicklable()).start()


@remade
def _holding(mp):
    class Holding(mp.Process):
        def __init__(self, held):
            super().__init__()
            self.held = held

        def run(self):
            pass

    return Holding


GLOBALS = """
CONSTANT = [1, 2]
variable = "imported"
lock = mp.Lock()

def tell():
    print(variable, CONSTANT)

if __name__ == "__main__":
    variable = "changed"
    process = mp.Process(target=tell)
    process.start()
    process.join()
"""


@observed_once
def _globals(mp):
    """What a child finds in the main module, and what comes to the error stream."""
    done = run_script(mp, GLOBALS)
    return done.stdout, done.stderr


@requirement("guidelines.spawn.global-variables")
def test_changed_global_variables_are_not_seen(mp):
    """A child has the value of the import, not the one that the program gave later."""
    line, _ = _globals(mp)
    assert line.split()[0] == "imported"


@requirement("guidelines.module-constants")
def test_constants_of_a_module_are_seen(mp):
    """A child has the constant that the main module defines."""
    line, _ = _globals(mp)
    assert line.split(maxsplit=1)[1] == "[1, 2]\n"


@requirement("guidelines.main-module.lock")
def test_lock_of_the_main_module(mp):
    """Nothing is written of a lock that the main module makes for itself each time it is imported."""
    assert _globals(mp)[1] == ""


UNGUARDED = """
def greet():
    print("hello")

process = mp.Process(target=greet)
process.start()
process.join()
print(process.exitcode)
"""


@requirement("guidelines.main-module.unguarded")
def test_unguarded_main_module_fails(mp):
    """The child of an unguarded program ends by RuntimeError, and greets nobody."""
    done = run_script(mp, UNGUARDED)
    assert "RuntimeError" in done.stderr
    # A fork server that imports the main module ahead of its children fails as they do, and so does start().
    assert done.stdout.split() in (["1"], [])


UNGUARDED_MANAGER = """
manager = mp.Manager()
print(manager.list([1]))
"""


@requirement("guidelines.main-module.unguarded-manager")
def test_unguarded_manager_fails(mp):
    """A program that creates a manager without the guard ends by an error, RuntimeError in the child."""
    done = run_script(mp, UNGUARDED_MANAGER)
    assert "RuntimeError" in done.stderr
    assert (done.returncode == 0, done.stdout) == (False, "")


# The main program waits until it is told of an error, as the children's standard error is read by it.
UNGUARDED_POOL = """
import os, select

main = __name__ == "__main__"
told = b""
if main:
    kept = os.dup(2)
    reader, writer = os.pipe()
    os.dup2(writer, 2)

def hear(seconds):
    if not select.select([reader], [], [], seconds)[0]:
        return b""
    return os.read(reader, 100000)

try:
    pool = mp.Pool(1)
    result = pool.map_async(abs, [-1])
    while not result.ready() and b"RuntimeError" not in told:
        told += hear(0.02)
    print(result.ready() and result.get())
    pool.terminate()
finally:
    if main:
        told += hear(0)
        os.dup2(kept, 2)
        os.write(2, told)
"""


@requirement("guidelines.main-module.unguarded-pool")
def test_unguarded_pool_fails(mp):
    """The worker of an unguarded program ends by RuntimeError, and does no task."""
    done = run_script(mp, UNGUARDED_POOL)
    assert "RuntimeError" in done.stderr
    # A fork server that imports the main module ahead of its children fails as they do, and so does Pool().
    assert done.stdout.split() in (["False"], [])


GUARDED = """
def greet():
    print("hello")

if __name__ == "__main__":
    mp.freeze_support()
    mp.set_start_method(mp.start_method)
    process = mp.package.Process(target=greet)
    process.start()
"""


@requirement("guidelines.main-module.guarded")
def test_guarded_main_module_runs(mp):
    """The guarded program prints the greeting, once, though its file's name has no ending."""
    done = run_script(mp, GUARDED, name="program")
    assert (done.stdout.split(), done.returncode) == (["hello"], 0)


WANDERER = """
import os, sys

arguments = sys.argv[1:]
own_name = __name__
known = vars(sys.modules[__name__]) is globals()  # as dataclasses, among others, rely on

class Greeting:
    text = "hello"

    def __init__(self):
        self.known = known
        self.arguments = arguments
        self.names = [own_name, *(name for name in NAMES if vars(sys.modules[name]).get("Greeting") is Greeting)]

NAMES = ["__main__", "__mp_main__"]

def greet(sender):
    sender.send(Greeting())

def hand_on(sender):
    process = mp.Process(target=greet, args=(sender,))
    process.start()
    process.join()

if __name__ == "__main__":
    os.chdir("/")
    for target in (greet, hand_on):
        receiver, sender = mp.Pipe(duplex=False)
        process = mp.Process(target=target, args=(sender,))
        process.start()
        sender.close()
        try:
            greeting = receiver.recv()
            print(greeting.text, isinstance(greeting, Greeting), greeting.known, *greeting.arguments, *greeting.names)
        except EOFError:
            print("silence")
        process.join()
"""
# Ways to run it: the arguments, the place of its file, and what stands before its text.
BY_NAME = ("-m", "package.program", "x"), "package/program.py", "from . import __name__ as above\n"
BY_RELATIVE_PATH = ("program.py", "x"), "program.py", ""


@observed_once
def _lines_of_wanderer(mp, way):
    """What the wandering program prints, run in one of these ways: of a child, and of a child of a child."""
    arguments, name, before = way
    return run_script(mp, before + WANDERER, arguments=arguments, name=name).stdout.splitlines()


def _wander(mp, way):
    return _lines_of_wanderer(mp, way)[0].split()


@requirement("guidelines.main-module.by-name")
def test_main_module_run_by_name(mp):
    """A child calls a function of the main module that ``python -m`` runs, which imports by a relative name.

    So does a child of that child.
    """
    assert _wander(mp, BY_NAME)[:1] == ["hello"]
    of_child, of_grandchild = _lines_of_wanderer(mp, BY_NAME)
    assert of_grandchild == of_child


@requirement("guidelines.main-module.by-relative-path")
def test_main_module_given_by_a_relative_path(mp):
    """A child calls a function of the main module, though the program has left its folder."""
    assert _wander(mp, BY_RELATIVE_PATH)[:1] == ["hello"]
    of_child, of_grandchild = _lines_of_wanderer(mp, BY_RELATIVE_PATH)
    assert of_grandchild == of_child


LINKED = """
import os, sys

def tell():
    path, name = os.path.split(__file__)
    print(os.path.basename(path), name)

if __name__ == "__main__":
    if os.path.islink(__file__):
        tell()
        process = mp.Process(target=tell)
        process.start()
        process.join()
    else:
        os.mkdir("folder")
        os.symlink(__file__, "folder/link.py")
        os.execv(sys.executable, [sys.executable, "folder/link.py"])
"""


@requirement("guidelines.main-module.by-symbolic-link")
def test_main_module_given_by_a_symbolic_link(mp):
    """``__file__`` is in a child the link that the program was run by, in its folder."""
    done = run_script(mp, LINKED, arguments=("program.py",))
    assert done.stdout.splitlines() == ["folder link.py"] * 2, done.stderr


@requirement("guidelines.main-module.instances")
def test_instances_of_the_main_modules_classes(mp):
    """What a child makes of a class of the main module is in its parent an instance of that class."""
    assert [_wander(mp, each)[1:2] for each in (BY_NAME, BY_RELATIVE_PATH)] == [["True"]] * 2


@requirement("guidelines.main-module.is-known-by-its-name")
def test_main_module_while_a_child_imports_it(mp):
    """``sys.modules[__name__]`` is the main module while it is imported."""
    assert [_wander(mp, each)[2:3] for each in (BY_NAME, BY_RELATIVE_PATH)] == [["True"]] * 2


@requirement("guidelines.main-module.arguments-at-import")
def test_arguments_while_a_child_imports_the_main_module(mp):
    """``sys.argv`` has the program's argument while a child imports the main module."""
    assert [_wander(mp, each)[3:4] for each in (BY_NAME, BY_RELATIVE_PATH)] == [["x"]] * 2


@requirement("guidelines.main-module.name-in-children")
def test_name_of_the_main_module_in_a_child(mp):
    """The main module is imported as ``__mp_main__``, and a child finds it by that and by ``__main__``."""
    names = ["__mp_main__", "__main__", "__mp_main__"]
    assert [_wander(mp, each)[4:] for each in (BY_NAME, BY_RELATIVE_PATH)] == [names] * 2


UNGUARDED_PACKAGE = """
process = mp.Process(target=print, args=("hello",))
process.start()
process.join()
print(process.exitcode)
"""


@requirement("guidelines.main-module.of-package")
def test_main_module_of_a_package(mp):
    """A ``__main__.py`` without a guard starts a child, run by ``-m package`` and as a folder."""
    for arguments in (("-m", "package"), ("package",)):
        done = run_script(mp, UNGUARDED_PACKAGE, arguments=arguments, name="package/__main__.py")
        assert (done.stdout.split(), done.stderr) == (["hello", "0"], "")
