"""Tests of what goes wrong in a task, or on its way."""

import pickle

from mpspec.children import Unpicklable, outcome_of, raises
from mpspec.marks import requirement
from mpspec.suite.pool.helpers import Refusal, give_generator, invert, refuse, square
from mpspec.suite.pool.observed import outcomes_in_child, short_lived_pool


@requirement("pool.errors.remote-traceback")
def test_errors_tell_where_they_come_from(mp, pool):
    """The cause of a reraised exception shows the traceback in the worker, also in one that replaced another."""
    *_, (_, _, cause) = short_lived_pool(mp)
    assert "in _refuse_with_pid" in cause
    for submit in (
        pool.apply,
        pool.map,
        pool.starmap,
        lambda *args: next(pool.imap(*args)),
        lambda *args: next(pool.imap_unordered(*args)),
        lambda *args: next(pool.imap(*args, 2)),
    ):
        with raises(Refusal) as raised:
            submit(refuse, [(3,)])
        assert "in refuse" in str(raised.value.__cause__)
    with raises(Refusal) as raised:
        pool.apply(_refuse_while_handling)
    assert "ZeroDivisionError" in str(raised.value.__cause__)


def _refuse_while_handling():
    try:
        invert(5)
    except ZeroDivisionError:
        refuse()


def _give_unless_none(load):
    return Unpicklable() if load is None else load


def _refuse_by_what_cannot_be_sent():
    raise Refusal(Unpicklable())


@requirement("pool.errors.unpicklable-result")
def test_result_that_cannot_be_sent(mp, pool):
    """A result that can't be pickled, or an exception, raises an exception in the caller, and the pool works on."""
    with raises(Exception):
        pool.apply(give_generator)
    with raises(Exception):
        pool.starmap(give_generator, [()])
    for result in (
        pool.apply_async(_refuse_by_what_cannot_be_sent),
        pool.starmap_async(_refuse_by_what_cannot_be_sent, [()]),
    ):
        result.wait(mp.timeout / 2)
        assert result.ready()
        with raises(Exception):
            result.get()
    for method in (pool.imap, pool.imap_unordered):
        results = method(_give_unless_none, ["box", None, "gear"])
        seen = [outcome_of(results.next, mp.timeout / 2) for _ in range(4)]
        kinds = [kind for kind, _ in seen]
        given = [value for kind, value in seen if kind == "returned"]
        assert sorted(given) == ["box", "gear"]
        assert "TimeoutError" not in kinds
        assert kinds[-1] == "StopIteration"
        assert method != pool.imap or kinds[::2] == ["returned"] * 2
    assert pool.apply(square, (3,)) == 9


@requirement("pool.errors.unpicklable-result-error")
def test_error_of_a_result_that_cannot_be_sent(pool):
    """The error tells what the result was, and why it can't be pickled."""
    for submit, arguments in ((pool.apply, ()), (pool.starmap, [()])):
        with raises(Exception, match="this can't be pickled") as raised:
            submit(Unpicklable, arguments)
        assert "Unpicklable object at" in str(raised.value)


@requirement("pool.errors.unpicklable-result-class")
def test_class_of_the_error_of_a_result_that_cannot_be_sent(pool):
    """The error is a MaybeEncodingError."""
    for submit, arguments in ((pool.apply, ()), (pool.starmap, [()])):
        with raises(Exception) as raised:
            submit(Unpicklable, arguments)
        assert type(raised.value).__name__ == "MaybeEncodingError"


@requirement("pool.errors.unpicklable-task-error")
def test_error_of_a_task_that_cannot_be_sent(pool):
    """The error is the one that the pickling has raised."""
    with raises(TypeError, match="this can't be pickled"):
        pool.apply(len, (Unpicklable(),))
    with raises(TypeError, match="this can't be pickled"):
        pool.map(len, [Unpicklable()])


@requirement("pool.errors.unpicklable-task")
def test_task_that_cannot_be_sent(mp, pool):
    """A task that can't be pickled raises an exception in the caller, and the pool works on."""
    with raises(Exception):
        pool.apply(len, ((x for x in range(3)),))
    with raises(Exception):
        pool.map(len, [(x for x in range(3))])
    for method, items in (
        (pool.map_async, ["box", Unpicklable(), "gear"]),
        (pool.starmap_async, [("box",), (Unpicklable(),), ("gear",)]),
    ):
        result = method(len, items, 1)
        result.wait(mp.timeout / 2)
        assert result.ready()
        with raises(Exception):
            result.get()
    results = pool.imap(len, [(x for x in range(3)), "gear"])
    with raises(Exception):
        next(results)
    assert next(results) == 4
    results = pool.imap(len, ["box", Unpicklable(), "gear"])
    assert next(results) == 3
    with raises(Exception):
        next(results)
    assert next(results) == 4
    with raises(StopIteration):
        next(results)
    for method in (pool.imap, pool.imap_unordered):
        results = method(len, ["box", Unpicklable()])
        seen = [outcome_of(results.next, mp.timeout / 2) for _ in range(3)]
        assert ("returned", 3) in seen[:2]
        assert seen[2][0] == "StopIteration"
    assert pool.apply(square, (3,)) == 9


@requirement("pool.errors.not-picklable")
def test_pool_cannot_be_pickled(pool):
    """A pool can't be passed to another process: pickling it raises NotImplementedError."""
    with raises(NotImplementedError):
        pickle.dumps(pool)


@requirement("pool.errors.callback-raises")
def test_callback_that_raises(mp):
    """After a callback, or an error callback, has raised, the pool gives the results of further tasks."""
    assert outcomes_in_child(mp)["callback"][-1] == 0


@requirement("pool.errors.unloadable-error")
def test_error_that_cannot_be_unpickled(mp):
    """For an error that can't be unpickled the caller gets an error all the same, and the pool works on."""
    error, after = outcomes_in_child(mp)["unloadable"]
    assert error != "nothing came"
    assert isinstance(error, str)
    assert after == 0


@requirement("pool.errors.system-exit")
def test_task_that_exits(mp):
    """SystemExit and KeyboardInterrupt of a task are raised by ``get``, and the pool works on."""
    assert outcomes_in_child(mp)["exits"] == ["SystemExit", "KeyboardInterrupt", 0]


# The pool's standard error is read by the program itself: a worker that can't tell its caller tells it there.
_LATE_FUNCTION = """\
import os, select

if __name__ == "__main__":
    reader, writer = os.pipe()
    os.dup2(writer, 2)
    pool = mp.Pool(1)

    def late():
        return "done"

    result, told = pool.apply_async(late), b""
    while not result.ready() and b"AttributeError" not in told:
        if select.select([reader], [], [], 0.02)[0]:
            told += os.read(reader, 100000)
    if b"AttributeError" in told:
        print("AttributeError")
    else:
        try:
            print(result.get())
        except Exception as error:
            print(type(error).__name__)
    pool.terminate()
    pool.join()
    print("ended")
"""


@requirement("pool.errors.function-not-importable")
def test_function_that_workers_do_not_find(mp):
    """A function that was defined after the workers started is an AttributeError, told or raised; the pool is ended."""
    from mpspec.programs import run_script

    done = run_script(mp, _LATE_FUNCTION)
    assert done.returncode == 0
    # A pickler that sends the function itself lets them find it.
    assert done.stdout.split() in (["AttributeError", "ended"], ["done", "ended"])
