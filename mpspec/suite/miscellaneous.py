"""Tests of the chapter miscellaneous: functions of the package that belong to no class."""

import builtins
import contextlib
import os
import sys
import threading

from mpspec.children import ask, observed_once, outcome_of, raises, run
from mpspec.marks import requirement
from mpspec.programs import call, run_script


@requirement("miscellaneous.cpu-count.of-system")
def test_cpu_count(mp):
    """``cpu_count()`` is ``os.cpu_count()``."""
    assert mp.cpu_count() == os.cpu_count()


def _count_on_one_cpu(mp):
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    return [mp.cpu_count(), os.cpu_count()]


@requirement("miscellaneous.cpu-count.not-usable-cpus")
def test_cpu_count_with_an_affinity(mp):
    """A program that may use one CPU counts as many as before."""
    counted, of_system = ask(mp, _count_on_one_cpu, mp)
    assert counted == of_system == os.cpu_count()


@requirement("miscellaneous.cpu-count.undetermined")
def test_cpu_count_undetermined(mp, monkeypatch):
    """NotImplementedError when the operating system does not tell, though it has told before."""
    assert mp.cpu_count() > 0
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    for count in (mp.cpu_count, mp.context.cpu_count):
        with raises(NotImplementedError):
            count()


def _cpu_count(mp):
    return mp.cpu_count()


@requirement("miscellaneous.cpu-count.option")
def test_cpu_count_overridden(mp, monkeypatch):
    """``-X cpu_count=5``, and the variable, make it 5."""
    assert call(_cpu_count, mp, timeout=mp.timeout, options=("-X", "cpu_count=5")) == 5
    monkeypatch.setenv("PYTHON_CPU_COUNT", "7")
    assert call(_cpu_count, mp, timeout=mp.timeout) == 7


@requirement("miscellaneous.active-children.is-list")
def test_active_children_is_a_list(mp):
    """``active_children()`` gives a list, which is the caller's: what is done to it changes no other."""
    children = mp.active_children()
    assert isinstance(children, list)
    children.append("no process")
    assert "no process" not in mp.active_children()


@requirement("miscellaneous.parent-process.none-in-main")
def test_no_parent_in_the_main_process(mp):
    """A program's own process has no parent process."""
    # No Process object has started this one: it is a program's own.
    assert mp.parent_process() is None


def _send_after_freeze_support(mp, connection):
    connection.send(mp.freeze_support())


@requirement("miscellaneous.freeze-support.no-effect")
def test_freeze_support(mp):
    """``freeze_support()`` gives None; children start as before, and may call it too."""
    assert mp.freeze_support() is None
    receiver, sender = mp.Pipe(duplex=False)
    assert run(mp, _send_after_freeze_support, mp, sender).exitcode == 0
    assert receiver.poll()
    assert receiver.recv() is None


def _send_pid(connection, mp):
    """In a child: send a word, and the pid of the interpreter that was started for it."""
    pid = os.getppid() if mp.start_method == "forkserver" else os.getpid()
    connection.send(("from the child", pid))


def _mark_of(mp, interpreter, executable):
    """What set_executable gives, what a child says then, and whether that interpreter was started for it."""
    # It notes its pid beside itself each time it is started, and keeps it.
    interpreter.write_text(f'#!/bin/sh\necho $$ >> "$0.started"\nexec "{executable}" "$@"\n')
    interpreter.chmod(0o755)
    text = str(interpreter)
    # One through the package, the others through a context.
    if interpreter.name == "text":
        given = mp.set_executable(executable=text)
    else:
        given = mp.context.set_executable(
            interpreter if interpreter.name == "path" else os.fsencode(text)
        )
    receiver, sender = mp.Pipe(duplex=False)
    process = mp.Process(target=_send_pid, args=(sender, mp))
    starter = threading.Thread(target=process.start)  # whichever thread starts it
    starter.start()
    starter.join()
    word, pid = receiver.recv()
    process.join()
    with contextlib.suppress(FileNotFoundError), open(f"{text}.started") as file:
        return [given, word, str(pid) in file.read().split()]
    return [given, word, False]


def _marks(mp):
    """In a new interpreter: what comes of three executables, given as text, as a path and as bytes.

    It does not know its own, as one that is embedded in another program; it does if that is too much to ask.
    """
    import pathlib
    import tempfile

    executable, sys.executable = sys.executable, None
    embedded, _ = outcome_of(mp.set_executable, executable)
    if embedded != "returned":
        sys.executable = executable
    with tempfile.TemporaryDirectory(prefix="an interpreter \N{SNOWMAN} ") as folder:
        marks = {
            name: _mark_of(mp, pathlib.Path(folder, name), executable)
            for name in ("text", "path", "bytes")
        }
    return {"embedded": embedded, **marks}


def _known_marks(mp):
    if repr(mp) not in _marks_by_variant:
        # It starts three children, one after the other.
        _marks_by_variant[repr(mp)] = call(_marks, mp, timeout=2 * mp.timeout)
    return _marks_by_variant[repr(mp)]


_marks_by_variant = {}


@requirement("miscellaneous.set-executable.is-used")
def test_set_executable(mp):
    """A spawned child is started with the interpreter that was set."""
    assert _known_marks(mp)["text"] == [None, "from the child", True]


@requirement("miscellaneous.set-executable.fork-server")
def test_set_executable_for_the_fork_server(mp):
    """The parent of a forkserver child was started with the interpreter that was set."""
    assert _known_marks(mp)["text"] == [None, "from the child", True]


@requirement("miscellaneous.set-executable.path-like")
def test_set_executable_to_a_path(mp):
    """A ``pathlib.Path``, given to a context's function, does what text does, given to the package's; so do bytes."""
    for kind in ("path", "bytes"):
        assert _known_marks(mp)[kind] == [None, "from the child", True]


@requirement("miscellaneous.set-executable.embedded")
def test_set_executable_in_an_embedded_interpreter(mp):
    """A child starts in a program whose ``sys.executable`` is None, with the executable that was set."""
    marks = _known_marks(mp)
    assert (marks["embedded"], marks["text"][1:]) == ("returned", ["from the child", True])


def _own_executable():
    with open("/proc/self/cmdline", "rb") as file:
        return os.fsdecode(file.read().split(b"\0")[0])


@requirement("miscellaneous.set-executable.default")
def test_default_executable(companion):
    """The command line of a spawned child, or of the fork server, begins with this process's ``sys.executable``."""
    assert companion.ask(_own_executable) == sys.executable


# A module of the standard library that nothing here needs.
_UNLIKELY = "sndhdr_unlikely"
_DOTTED = f"{_UNLIKELY}_package.{_UNLIKELY}_importer"


def _make_module(folder, beginning=""):
    """A module that counts its imports in a file, and one in a package that imports it."""
    package, _, name = _DOTTED.partition(".")
    (folder / package).mkdir(exist_ok=True)
    (folder / package / "__init__.py").touch()
    (folder / package / f"{name}.py").write_text(f"import {_UNLIKELY}\n")
    (folder / f"{_UNLIKELY}.py").write_text(
        f"{beginning}import os, pathlib\n"
        "with (pathlib.Path(__file__).parent / 'imports').open('a') as file:\n"
        "    file.write('imported ')\n"
    )


def _send_loaded(connection):
    connection.send(_UNLIKELY in sys.modules)


def _loaded_in_children(mp, folder, names, options):
    """Whether children find the module loaded, after preloading; the second call comes when the server runs."""
    sys.path.insert(0, folder)
    # The next call, the package's, takes the place of a context's.
    mp.context.set_forkserver_preload([] if names else [_UNLIKELY])
    mp.set_forkserver_preload(module_names=names, **options)
    found = []
    for _ in range(2):
        receiver, sender = mp.Pipe(duplex=False)
        process = mp.Process(target=_send_loaded, args=(sender,))
        process.start()
        found.append(receiver.recv())
        process.join()
        mp.context.set_forkserver_preload([] if names else [_UNLIKELY])
    return found


def _make_importable(folder, monkeypatch):
    """Let programs, and their fork servers, import what is in a folder."""
    monkeypatch.setenv("PYTHONPATH", f"{folder}{os.pathsep}{os.environ.get('PYTHONPATH', '')}")


def _preload(mp, folder, names, **options):
    # What it makes by the package, as programs do, must not fix a start method in the children.
    _make_module(folder, f"import {mp.package.__name__}; {mp.package.__name__}.Lock()\n")
    return call(_loaded_in_children, mp, str(folder), names, options, timeout=mp.timeout)


@requirement("miscellaneous.forkserver-preload.is-inherited")
def test_preloaded_module(mp, tmp_path, monkeypatch):
    """A preloaded module is loaded when a child begins; one that is not preloaded, or named too late, is not.

    The last of many names is no exception.
    """
    _make_importable(tmp_path, monkeypatch)
    many = ["bisect", "colorsys", "keyword", "opcode", "token", _UNLIKELY]
    for names, loaded in ((many, True), ([_DOTTED], True), ([], False)):
        assert _preload(mp, tmp_path, names) == [loaded, loaded]


def _which_are_loaded(names):
    return [name in sys.modules for name in names]


def _loaded_in_a_worker(mp, folder):
    """Which modules a worker finds: the one named before its pool was created, and the one named after."""
    sys.path.insert(0, folder)
    mp.context.set_forkserver_preload([_UNLIKELY])
    with mp.context.Pool(1) as pool:
        mp.context.set_forkserver_preload([_DOTTED])
        return pool.apply(_which_are_loaded, ([_UNLIKELY, _DOTTED],))


@requirement("miscellaneous.forkserver-preload.pool-workers")
def test_preloaded_module_in_a_pool(mp, tmp_path, monkeypatch):
    """A worker finds the module that was named before its pool was created, and not the one named after."""
    _make_importable(tmp_path, monkeypatch)
    _make_module(tmp_path)
    assert call(_loaded_in_a_worker, mp, str(tmp_path), timeout=mp.timeout) == [True, False]


@requirement("miscellaneous.forkserver-preload.imported-once")
def test_preloaded_module_is_imported_once(mp, tmp_path, monkeypatch):
    """Two children, one import."""
    _make_importable(tmp_path, monkeypatch)
    _preload(mp, tmp_path, [_UNLIKELY])
    assert (tmp_path / "imports").read_text() == "imported "


def _redirect_errors(path):
    os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT), 2)


def _redirected(mp, folder, path, names, **options):
    """As ``_loaded_in_children``, with the error stream in a file."""
    _redirect_errors(path)
    return outcome_of(_loaded_in_children, mp, folder, names, options)


@requirement("miscellaneous.forkserver-preload.replaced")
def test_preload_is_replaced(mp, tmp_path, monkeypatch):
    """What the first of two calls names, and the second does not, is not preloaded."""
    _make_importable(tmp_path, monkeypatch)
    assert _preload(mp, tmp_path, []) == [False, False]


# Nobody sees that one is given, else.
_SHOWING_WARNINGS = ("-W", "always::ImportWarning")
# The last of them can be imported.
_FAILING = ["no_such_module_anywhere", "fails_to_import", _UNLIKELY]


def _make_modules(folder):
    """That module, and one that raises ImportError."""
    _make_module(folder)
    (folder / "fails_to_import.py").write_text("raise ImportError('not today')\n")


@requirement("miscellaneous.forkserver-preload.missing-is-ignored")
def test_preload_of_a_missing_module(mp, tmp_path, monkeypatch):
    """A name that no module has does no harm, nor a module that raises ImportError; what follows is preloaded."""
    _make_importable(tmp_path, monkeypatch)
    _make_modules(tmp_path)
    stderr = tmp_path / "stderr"
    arguments = (mp, str(tmp_path), str(stderr), _FAILING)
    found = call(_redirected, *arguments, timeout=mp.timeout, options=_SHOWING_WARNINGS)
    assert found == ["returned", [True, True]]
    assert stderr.read_text() == ""


def _ignored_preload(mp, folder, path):
    """What children find loaded when failures are to be ignored, and what a word that nobody knows comes to."""
    _redirect_errors(path)
    sys.path.insert(0, folder)
    mp.context.set_forkserver_preload([], on_error="fail")  # until the next call
    mp.context.set_forkserver_preload(_FAILING, on_error="ignore")
    unknown = outcome_of(mp.context.set_forkserver_preload, [], on_error="perhaps")[0]
    receiver, sender = mp.Pipe(duplex=False)
    run(mp, _send_loaded, sender)
    return [unknown, receiver.recv()]


def _with_modules(mp, program, *args, options=()):
    """What a program that is given the folder of those modules comes to, and what its error stream has."""
    import pathlib
    import tempfile

    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        _make_modules(folder)
        stderr = folder / "stderr"
        found = call(program, mp, name, str(stderr), *args, timeout=mp.timeout, options=options)
        return found, stderr.read_text()


@observed_once
def _ignored(mp):
    return _with_modules(mp, _ignored_preload, options=_SHOWING_WARNINGS)


@requirement("miscellaneous.forkserver-preload.on-error-ignore")
def test_preload_that_ignores(mp):
    """With ``on_error="ignore"`` the module after two that fail is preloaded, without a word."""
    (_, loaded), text = _ignored(mp)
    assert (loaded, text) == (True, "")


@requirement("miscellaneous.forkserver-preload.on-error-unknown")
def test_preload_with_an_unknown_word(mp):
    """ValueError for ``on_error="perhaps"``, and the modules named before are preloaded."""
    assert _ignored(mp)[0] == ["ValueError", True]


@requirement("miscellaneous.forkserver-preload.other-methods")
def test_preload_under_another_method(mp, tmp_path, monkeypatch):
    """A child that was spawned, or forked, does not find the module loaded."""
    _make_importable(tmp_path, monkeypatch)
    assert _preload(mp, tmp_path, [_UNLIKELY]) == [False, False]


@requirement("miscellaneous.forkserver-preload.on-error-other-methods")
def test_preload_that_would_fail_under_another_method(mp, tmp_path, monkeypatch):
    """Children that are spawned, or forked, start in spite of a missing module, and find the other not loaded."""
    _make_importable(tmp_path, monkeypatch)
    names = [_UNLIKELY, "no_such_module_anywhere"]
    assert _preload(mp, tmp_path, names, on_error="fail") == [False, False]


def _redirected_preload(mp, folder, path, on_error):
    """What starting children comes to, with the error stream in a file, and what they find."""
    by_position = outcome_of(mp.context.set_forkserver_preload, _FAILING, on_error)[0]
    return [by_position, *_redirected(mp, folder, path, _FAILING, on_error=on_error)]


def _refused(mp, folder, path):
    """What starting a process comes to after another module has failed, and again when that server has ended."""
    from mpspec.observing import wait_until

    _redirect_errors(path)
    sys.path.insert(0, folder)
    mp.context.set_forkserver_preload(["fails_to_import"], on_error="fail")
    outcomes = []
    for _ in range(2):
        outcomes.append(outcome_of(run, mp, os.getpid)[0])
        # Beside it there may be a resource tracker.
        wait_until(lambda: _count_of_helpers() <= 1, mp.timeout, "the server has ended")
    return outcomes


def _count_of_helpers():
    """How many children of this program live."""
    import psutil

    return sum(child.status() != psutil.STATUS_ZOMBIE for child in psutil.Process().children())


@requirement("miscellaneous.forkserver-preload.on-error-fail")
def test_preload_that_fails(mp, tmp_path):
    """The server's traceback names the module, and no child is started: EOFError, or a ConnectionError."""
    stderr = tmp_path / "stderr"
    arguments = (mp, str(tmp_path), str(stderr), "fail")
    by_position, outcome, _ = call(_redirected_preload, *arguments, timeout=mp.timeout)
    assert by_position == "TypeError"
    text = stderr.read_text()
    assert "Traceback" in text
    assert "no_such_module_anywhere" in text
    _make_modules(tmp_path)
    for each in (outcome, *call(_refused, *arguments[:3], timeout=mp.timeout)):
        assert issubclass(getattr(builtins, each, object), (EOFError, ConnectionError)), each


MAIN_THAT_FAILS = """
if __name__ != "__main__":
    raise ImportError("not to be imported")

def nothing():
    pass

if __name__ == "__main__":
    mp.context.set_forkserver_preload(["__main__"], on_error={on_error!r})
    process = mp.Process(target=nothing)
    try:
        process.start()
    except (EOFError, ConnectionError):
        print("refused")
    else:
        process.join()
        print("started")
"""


@requirement("miscellaneous.forkserver-preload.on-error-main-module")
def test_preload_of_a_main_module_that_fails(mp):
    """A main module that raises ImportError when it is preloaded is ignored, warned of, or no child is started."""
    found = {}
    for on_error in ("ignore", "warn", "fail"):
        program = MAIN_THAT_FAILS.format(on_error=on_error)
        done = run_script(mp, program, arguments=(*_SHOWING_WARNINGS, "program.py"))
        found[on_error] = [*done.stdout.split(), "ImportWarning" in done.stderr]
    assert found == {
        "ignore": ["started", False],
        "warn": ["started", True],
        "fail": ["refused", False],
    }


@observed_once
def _warned(mp):
    """What starting children comes to with "warn", what they find, and what the error stream has."""
    return _with_modules(mp, _redirected_preload, "warn", options=_SHOWING_WARNINGS)


@requirement("miscellaneous.forkserver-preload.on-error-warn")
def test_preload_that_warns(mp):
    """The server's warning names the module, and children are started."""
    outcomes, text = _warned(mp)
    assert outcomes[:2] == ["TypeError", "returned"]
    assert "ImportWarning" in text
    assert "no_such_module_anywhere" in text


@requirement("miscellaneous.forkserver-preload.on-error-warn-each")
def test_preload_that_warns_of_each(mp):
    """Warnings name both modules that fail, and the one after them is preloaded."""
    outcomes, text = _warned(mp)
    assert outcomes[2] == [True, True]
    warnings = [line for line in text.splitlines() if "ImportWarning" in line]
    for name in _FAILING[:2]:
        assert any(name in line for line in warnings), text


def _method_after_freeze_support(mp):
    mp.freeze_support()
    return mp.get_start_method(allow_none=True)


@requirement("miscellaneous.freeze-support.leaves-start-method")
def test_freeze_support_leaves_the_start_method(mp):
    """After ``freeze_support()`` the start method is as open as before."""
    assert call(_method_after_freeze_support, mp, timeout=mp.timeout) is None


@observed_once
def _unneeded_freeze_support(mp):
    """What it gives to programs with a spawned child's command line: not frozen, or by another method than spawn.

    Each time the package's, and a context's.
    """
    return call(_call_freeze_support, mp, timeout=mp.timeout)


def _call_freeze_support(mp):
    """In a new interpreter: see above."""
    sys.argv = [sys.argv[0], "--multiprocessing-fork", "1"]
    mp.set_start_method("spawn")
    found = {"not frozen": _both_freeze_supports(mp, "spawn")}
    sys.frozen = True
    if sys.version_info < (3, 13):  # later ones run the child here
        found["spawn"] = _both_freeze_supports(mp, "spawn")
    for method in ("fork", "forkserver"):
        mp.set_start_method(method, force=True)
        found[method] = _both_freeze_supports(mp, method)
    if mp.start_method == "fork":
        child = mp.Process(target=sys.exit, args=(7,))
        child.start()
        child.join()
        found["exit code"] = child.exitcode
    return found


def _both_freeze_supports(mp, method):
    return [mp.freeze_support(), mp.get_context(method).freeze_support()]


@requirement("miscellaneous.freeze-support.not-spawn")
def test_freeze_support_under_other_methods(mp):
    """``freeze_support()``, a context's too, gives None in a frozen program that uses fork or forkserver."""
    found = _unneeded_freeze_support(mp)
    assert [found["fork"], found["forkserver"]] == [[None, None]] * 2


@requirement("miscellaneous.frozen-program.fork")
def test_fork_in_a_frozen_program(mp):
    """A program that is frozen has a child by fork."""
    assert _unneeded_freeze_support(mp)["exit code"] == 7


@requirement("miscellaneous.freeze-support.windows-alone")
def test_freeze_support_of_another_system(mp):
    """``freeze_support()``, a context's too, gives None in a frozen program that uses spawn."""
    assert _unneeded_freeze_support(mp)["spawn"] == [None, None]


@requirement("miscellaneous.freeze-support.not-frozen")
def test_freeze_support_of_what_is_not_frozen(mp):
    """``freeze_support()`` gives None in a program that is not frozen, though its arguments look like a child's.

    So does that of a context.
    """
    assert _unneeded_freeze_support(mp)["not frozen"] == [None, None]


# The executable stands for what a freezer makes: whatever it is given, it runs the program. Only what is a program of
# its own, on the command line, it leaves to the interpreter: so do the executables of the known freezers.
FROZEN = """
import os, sys

sys.frozen = True
EXECUTABLE = '''#!/bin/sh
for argument do test "$argument" = -c && exec {python} "$@"; done
exec {python} {program} "$@"
'''

def greet():
    print("child")

if __name__ == "__main__":
    mp.freeze_support()
    print("main", flush=True)
    if len(sys.argv) > 1:
        sys.exit("freeze_support() did not run the child")
    path = __file__ + ".sh"
    with open(path, "w") as file:
        file.write(EXECUTABLE.format(python=sys.executable, program=__file__))
    os.chmod(path, 0o700)
    mp.set_executable(path)
    process = mp.Process(target=greet)
    process.start()
    process.join()
    print(process.exitcode)
"""


@requirement("miscellaneous.freeze-support.frozen")
def test_freeze_support_runs_the_child_of_a_frozen_program(mp):
    """A frozen program that is started for a child is that child as soon as it calls ``freeze_support()``.

    So it is when it calls that of a context.
    """
    # The method has not been set in a child, unless the program sets it.
    method_set = FROZEN.replace(
        "mp.freeze_support()", 'mp.set_start_method("spawn"); mp.freeze_support()'
    )
    of_context = FROZEN.replace("mp.freeze_support()", 'mp.get_context("spawn").freeze_support()')
    for program in (FROZEN, method_set, of_context):
        done = run_script(mp, program)
        assert (done.stdout.split(), done.stderr) == (["main", "child", "0"], "")


PARENT_AT_IMPORT = """
is_main = mp.parent_process() is None

def tell():
    print("main" if is_main else "child")

if __name__ == "__main__":
    process = mp.Process(target=tell)
    process.start()
    process.join()
"""


@requirement("miscellaneous.parent-process.at-import")
def test_parent_process_while_the_main_module_is_imported(mp):
    """The main module finds a parent process when it is imported for a child."""
    done = run_script(mp, PARENT_AT_IMPORT)
    assert done.stdout.split() == ["child"], done.stderr


@requirement("miscellaneous.forkserver-preload.module-path")
def test_preloaded_module_of_the_programs_path(mp, tmp_path):
    """A module that stands in a folder which the program has put on its ``sys.path`` is preloaded."""
    assert _preload(mp, tmp_path, [_UNLIKELY]) == [True, True]


PRELOADED_MAIN = """
import os
with open({path!r}, "a") as file:
    file.write(f"{{__name__}} ")

def nothing():
    pass

if __name__ == "__main__":
    mp.context.set_forkserver_preload(["__main__"])
    for _ in range(2):
        process = mp.Process(target=nothing)
        process.start()
        process.join()
"""


@requirement("miscellaneous.forkserver-preload.main-module")
def test_preloaded_main_module(mp, tmp_path):
    """A main module that is preloaded is imported once for all children."""
    imports = tmp_path / "imports"
    done = run_script(mp, PRELOADED_MAIN.format(path=str(imports)))
    assert done.returncode == 0, done.stderr
    assert imports.read_text().split() == ["__main__", "__mp_main__"]


PRELOADED_PRINTER = """
def nothing():
    pass

if __name__ == "__main__":
    mp.context.set_forkserver_preload(["printer_to_preload"])
    for _ in range(2):
        process = mp.Process(target=nothing)
        process.start()
        process.join()
"""


@requirement("miscellaneous.forkserver-preload.output-once")
def test_output_of_a_preloaded_module(mp, tmp_path, monkeypatch):
    """What a module prints when it is preloaded comes out once, not again with each child."""
    (tmp_path / "printer_to_preload.py").write_text("print('preloaded')\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)
    done = run_script(mp, PRELOADED_PRINTER)
    assert done.stdout.split() == ["preloaded"], done.stderr


def _pids_of_children(mp, folder):
    """The numbers of two children that have ended, in which a preloaded module is loaded."""
    sys.path.insert(0, folder)
    mp.set_forkserver_preload([_UNLIKELY])
    children = [run(mp, _must_be_loaded, _UNLIKELY) for _ in range(2)]
    assert [child.exitcode for child in children] == [0, 0]
    return [child.pid for child in children]


def _must_be_loaded(name):
    assert name in sys.modules


@requirement("miscellaneous.forkserver-preload.exit-handlers")
def test_exit_handlers_of_a_preloaded_module(mp, tmp_path, monkeypatch):
    """A handler that a preloaded module has registered is not called by the children, only where it was registered."""
    _make_importable(tmp_path, monkeypatch)
    path = tmp_path / "called"
    _make_module(
        tmp_path,
        "import atexit, os, pathlib\n"
        f"atexit.register(lambda: pathlib.Path({str(path)!r} + str(os.getpid())).touch())\n",
    )
    pids = call(_pids_of_children, mp, str(tmp_path), timeout=mp.timeout)
    assert [pid for pid in pids if os.path.exists(f"{path}{pid}")] == []


def _outcome_of_preload(mp):
    return outcome_of(mp.context.set_forkserver_preload, [_UNLIKELY, 1])[0]


@requirement("miscellaneous.forkserver-preload.names-are-text")
def test_preload_takes_names_alone(mp):
    """TypeError for a list that has something other than text in it."""
    assert call(_outcome_of_preload, mp, timeout=mp.timeout) == "TypeError"


@requirement("miscellaneous.no-analogues")
def test_names_of_threading_that_have_no_analogues(mp):
    """The package has none of six names of ``threading``."""
    names = ("active_count", "enumerate", "settrace", "setprofile", "Timer", "local")
    assert [name for name in names if hasattr(mp.package, name)] == []
