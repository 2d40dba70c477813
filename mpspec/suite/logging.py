"""Tests of the chapter logging. The logger is a program's: each fact is found out in a program of its own."""

import gc
import os
import re
import sys

from mpspec.children import outcome_of
from mpspec.marks import requirement
from mpspec.programs import call

# From the lowest that a logger may have to that of logging.CRITICAL.
_ALL_LEVELS = (1, 10, 20, 50)
# A level that no message of a program has by chance.
LEVEL = 17
# Another, which lets no report of the package through.
ABOVE_REPORTS = 27


def _facts(mp, function):
    """The facts of a program, which all tests of a variant share."""
    key = (repr(mp), function)
    if key not in _known_facts:
        _known_facts[key] = call(function, mp, timeout=mp.timeout)
    return _known_facts[key]


_known_facts = {}


def _new_logger(mp):
    """In a new interpreter: what the logger is like at first."""
    import io
    import logging

    heard = io.StringIO()
    logging.getLogger().addHandler(logging.StreamHandler(heard))
    logger = mp.get_logger()
    facts = {
        "is a logger": isinstance(logger, logging.Logger),
        "by name": logging.getLogger(mp.package.__name__) is logger,
        "level": logger.level,
        "handlers": len(logger.handlers),
    }
    logger.setLevel(LEVEL)
    logger.addHandler(logging.NullHandler())
    same = mp.get_logger() is mp.context.get_logger() is logger
    facts["again"] = [same, logger.level, len(logger.handlers)]
    logger.error("nothing for the root")
    logging.getLogger().error("for the root")
    facts["heard by the root"] = heard.getvalue()
    logger.propagate = True
    facts["again"].append(mp.get_logger().propagate)
    return facts


@requirement("logging.get-logger.returns-logger")
def test_get_logger(mp):
    """get_logger() returns a Logger."""
    assert _facts(mp, _new_logger)["is a logger"] is True


@requirement("logging.get-logger.name")
def test_name_of_the_logger(mp):
    """The logger that logging knows by the name of the package is this one."""
    assert _facts(mp, _new_logger)["by name"] is True


@requirement("logging.get-logger.same-again")
def test_get_logger_again(mp):
    """A second call, a context's too, returns the same logger, with all that it was given, and propagating if told.

    So it is if the call is that of log_to_stderr().
    """
    assert _facts(mp, _new_logger)["again"] == [True, LEVEL, 1, True]
    assert _facts(mp, _logger_to_stderr)["propagates"] is True


@requirement("logging.get-logger.level-notset")
def test_level_at_first(mp):
    """A new logger's level is NOTSET, which is 0."""
    assert _facts(mp, _new_logger)["level"] == 0


@requirement("logging.get-logger.no-handler")
def test_handlers_at_first(mp):
    """A new logger has no handler."""
    assert _facts(mp, _new_logger)["handlers"] == 0


@requirement("logging.get-logger.does-not-propagate")
def test_root_logger_hears_nothing(mp):
    """A handler of the root logger gets the root's messages, and not this logger's, which log_to_stderr() may write."""
    assert _facts(mp, _new_logger)["heard by the root"] == "for the root\n"
    assert _facts(mp, _logger_to_stderr)["heard by the root"] == ""


def _logger_to_stderr(mp):
    """In a new interpreter: what log_to_stderr does."""
    import io
    import logging

    sys.stderr, heard = io.StringIO(), io.StringIO()
    logging.getLogger().addHandler(logging.StreamHandler(heard))
    own = logging.NullHandler()
    mp.get_logger().addHandler(own)
    mp.get_logger().setLevel(LEVEL)
    logger = mp.log_to_stderr()
    facts = {
        "same": logger is mp.get_logger(),
        "handlers": [handler is own for handler in logger.handlers],
        "level without": logger.level,
    }
    logger.warning("%s", "doomed")
    logger.log(LEVEL - 1, "below the level")
    logger.info("at the end")
    mp.current_process().name = "renamed"
    logger.error("by another name")
    facts["written"] = sys.stderr.getvalue().splitlines()
    mp.log_to_stderr(None)
    facts["level None"] = logger.level
    mp.log_to_stderr(logging.ERROR)
    facts["level by position"] = logger.level
    mp.log_to_stderr(level=logging.DEBUG)
    facts["level by keyword"] = logger.level
    mp.log_to_stderr("INFO")
    facts["level by its name"] = logger.level
    mp.context.log_to_stderr(LEVEL + 1)
    facts["level by a context"] = logger.level
    before = len(sys.stderr.getvalue())
    logger.setLevel(1)
    for level in _ALL_LEVELS:
        logger.log(level, "at level %d", level)
    facts["by each handler"] = sys.stderr.getvalue()[before:].splitlines()
    mp.log_to_stderr(logging.NOTSET)
    facts["level NOTSET"] = logger.level
    facts["heard by the root"] = heard.getvalue()
    logger.propagate = True
    mp.log_to_stderr()
    facts["propagates"] = logger.propagate
    logger.handlers.clear()
    mp.log_to_stderr()
    facts["added anew"] = len(logger.handlers)
    return facts


@requirement("logging.log-to-stderr.returns-logger")
def test_log_to_stderr_returns_the_logger(mp):
    """log_to_stderr() returns what get_logger() returns."""
    assert _facts(mp, _logger_to_stderr)["same"] is True


@requirement("logging.log-to-stderr.adds-handler")
def test_log_to_stderr_adds_a_handler(mp):
    """After log_to_stderr() the logger has a handler besides the one that it had."""
    assert _facts(mp, _logger_to_stderr)["handlers"] == [True, False]
    assert _facts(mp, _logger_to_stderr)["added anew"] == 1


@requirement("logging.log-to-stderr.adds-handler")
def test_level_of_each_handler(mp):
    """What the logger's level lets through every handler of the calls before writes, whatever the level of its call."""
    written = _facts(mp, _logger_to_stderr)["by each handler"]
    counts = {sum(line.endswith(f"at level {level}") for line in written) for level in _ALL_LEVELS}
    assert len(counts) == 1
    assert counts != {0}


@requirement("logging.log-to-stderr.writes")
def test_log_to_stderr_writes(mp):
    """The text of a message appears on sys.stderr."""
    assert "doomed" in "\n".join(_facts(mp, _logger_to_stderr)["written"])


@requirement("logging.log-to-stderr.format")
def test_format_of_messages(mp):
    """A line has the level's name and the process's in brackets, then the message."""
    written = _facts(mp, _logger_to_stderr)["written"]
    assert written[-1].startswith("[ERROR/")
    assert written[-1].endswith("] by another name")
    assert written[0] == "[WARNING/MainProcess] doomed"
    assert "[INFO/MainProcess] at the end" in written


@requirement("logging.log-to-stderr.name-of-the-moment")
def test_name_in_messages(mp):
    """A process that is given another name logs by that."""
    assert _facts(mp, _logger_to_stderr)["written"][-1] == "[ERROR/renamed] by another name"


@requirement("logging.log-to-stderr.level")
def test_log_to_stderr_sets_the_level(mp):
    """A level that is passed, by position or by keyword, as a number or by its name, becomes the logger's."""
    facts = _facts(mp, _logger_to_stderr)
    assert (facts["level by position"], facts["level by keyword"]) == (40, 10)
    assert facts["level by its name"] == 20
    assert facts["level by a context"] == LEVEL + 1


@requirement("logging.log-to-stderr.level-notset")
def test_log_to_stderr_sets_the_level_to_notset(mp):
    """NOTSET, which is 0, is a level as others are."""
    assert _facts(mp, _logger_to_stderr)["level NOTSET"] == 0


@requirement("logging.log-to-stderr.level-kept")
def test_log_to_stderr_keeps_the_level(mp):
    """Without a level, and with None, the logger's stays what it was."""
    facts = _facts(mp, _logger_to_stderr)
    assert (facts["level without"], facts["level None"]) == (LEVEL, LEVEL)


@requirement("logging.log-to-stderr.below-level")
def test_messages_below_the_level(mp):
    """What is below the level is not written; what comes after it is."""
    written = "\n".join(_facts(mp, _logger_to_stderr)["written"])
    assert "below the level" not in written
    assert "at the end" in written


def _standard_error_of(program, *args):
    """Call something while all processes' standard error is a file; gives what it returns, and the file's lines."""
    import tempfile

    with tempfile.TemporaryFile() as file:
        os.dup2(file.fileno(), 2)
        returned = program(*args)
        file.seek(0)
        return returned, file.read().decode().splitlines()


def _tell_settings(mp, connection):
    logger = mp.get_logger()
    handlers = [handler.name for handler in logger.handlers]
    connection.send((logger.level, handlers, logger.propagate))


def _run_child(mp, target, *args):
    """In a child: have a child that does something."""
    process = mp.Process(target=target, args=args)
    process.start()
    process.join()
    return process


def _settings_of_childs_logger(mp):
    """How a child's logger is set whose parent's was given a level, a handler and propagation.

    And that of a child's child, before which the parent's got another level, and the handler was removed.
    """
    import logging

    logger, handler = mp.get_logger(), logging.NullHandler()
    logger.setLevel(LEVEL)
    handler.name = "the program's"
    logger.addHandler(handler)
    logger.propagate = True
    children = []
    for target, args in ((_tell_settings, (mp,)), (_run_child, (mp, _tell_settings, mp))):
        receiver, sender = mp.Pipe(duplex=False)
        process = mp.Process(target=target, args=(*args, sender))
        process.start()
        children.append((process, receiver))
        logger.setLevel(LEVEL + 1)
        logger.removeHandler(handler)
    settings = [receiver.recv() for _, receiver in children]
    for process, _ in children:
        process.join()
    logger.propagate = False
    return settings


@requirement("logging.child.inherits-level")
def test_child_inherits_the_level(mp):
    """The level that the parent has set is the one of the child's logger, whatever an earlier child's was.

    It is that of the child's child, too. Unless they are forked, nothing else is inherited.
    """
    found = _facts(mp, _children)["settings"]
    assert [level for level, *_ in found] == [LEVEL, LEVEL + 1]
    if mp.start_method != "fork":
        assert [others for _level, *others in found] == [[[], False]] * 2


@requirement("logging.child.inherits-handlers")
def test_forked_child_inherits_the_handlers(mp):
    """A forked child's logger has the handler that its parent's was given, and propagates as that does."""
    found = [others for _level, *others in _facts(mp, _children)["settings"]]
    assert found == [[["the program's"], True], [[], True]]


def _speak(mp):
    mp.get_logger().warning("from the child")


def _speak_below(mp):
    mp.get_logger().warning("from below")


def _start_and_exit(mp):
    _run_child(mp, _speak_below, mp)
    sys.exit(7)


def _start_speaker(mp):
    mp.log_to_stderr(LEVEL)
    for target, args, name in ((_speak, (mp,), "speaker"), (_start_and_exit, (mp,), "another")):
        process = mp.Process(target=target, args=args, name=name)
        process.start()
        process.join()


def _speak_alone(mp, sender):
    logger = mp.log_to_stderr(ABOVE_REPORTS)
    logger.warning("by its own call")
    sender.send(logger.level)


def _start_children(mp):
    """Children before log_to_stderr(), whose settings it gives, the last of which calls it, and children after it."""
    settings = _settings_of_childs_logger(mp)
    receiver, sender = mp.Pipe(duplex=False)
    process = mp.Process(target=_speak_alone, args=(mp, sender), name="alone")
    process.start()
    sender.close()
    kind, level = outcome_of(receiver.recv)
    process.join()
    _start_speaker(mp)
    return settings, [kind, level]


def _children(mp):
    """In a new interpreter: how children's loggers are set, and what later ones write."""
    (settings, alone), lines = _standard_error_of(_start_children, mp)
    return {"settings": settings, "alone": alone, "written": lines}


@requirement("logging.child.writes")
def test_child_writes_to_stderr(mp):
    """A child's message is written, once, with its level, and so is that of a child's child.

    And of a child that has called log_to_stderr() itself, which has the level that it passed.
    """
    lines = _facts(mp, _children)["written"]
    (line,) = [line for line in lines if "by its own call" in line]
    assert line.startswith("[WARNING/")
    assert _facts(mp, _children)["alone"] == ["returned", ABOVE_REPORTS]
    (line,) = [line for line in lines if "from below" in line]
    assert line.startswith("[WARNING/")
    (line,) = [line for line in lines if "from the child" in line]
    assert line.startswith("[WARNING/")
    assert line.endswith("] from the child")


@requirement("logging.child.name")
def test_name_in_a_childs_messages(mp):
    """A child's own message has the child's name, and so has what the package reports of the child."""
    lines = _facts(mp, _children)["written"]
    assert lines.count("[WARNING/speaker] from the child") == 1
    assert lines.count("[WARNING/alone] by its own call") == 1
    reports = [line for line in lines if line.startswith("[INFO/speaker] ")]
    assert [line for line in reports if "exitcode 0" in line] != []


@requirement("logging.package.reports-processes")
def test_package_logs(mp):
    """With the level INFO there are messages of a child that are not the program's own, before those of its target."""
    lines = _facts(mp, _children)["written"]
    texts = [line.partition("] ")[2] for line in lines]
    before = lines[: texts.index("from the child")]
    assert [line for line in before if line.startswith("[INFO/")] != []


@requirement("logging.package.reports-exit")
def test_package_logs_the_exit(mp):
    """A child with the level INFO reports its exit code, whichever."""
    lines = _facts(mp, _children)["written"]
    assert [line for line in lines if line.startswith("[INFO/") and "exitcode 0" in line] != []
    assert [line for line in lines if line.startswith("[INFO/") and "exitcode 7" in line] != []


_SINCE_THEN = "what follows comes of the manager's deletion"


def _session(mp):
    """The documentation's session; gives the main process's own messages, and the manager's address."""
    import io
    import logging

    own = io.StringIO()
    logger = mp.log_to_stderr()
    logger.setLevel(logging.INFO)
    logger.warning("doomed")
    manager = mp.Manager()
    logger.addHandler(logging.StreamHandler(own))
    logger.warning(_SINCE_THEN)
    address = manager.address
    del manager
    gc.collect()
    return own.getvalue().splitlines(), address


def _example(mp):
    """In a new interpreter: what the documentation's session writes."""
    return _standard_error_of(_session, mp)


@requirement("logging.example.session")
def test_example_session(mp):
    """The main process's warning comes first, then reports of the server, and of both when the manager goes.

    The server tells where it serves.
    """
    (own, address), (first, *others) = _facts(mp, _example)
    assert first == "[WARNING/MainProcess] doomed"
    at = others.index(f"[WARNING/MainProcess] {_SINCE_THEN}")
    assert [line for line in others[:at] if line.startswith("[INFO/")] != []
    # The manager has it from the server, and may have gone on before that reports it.
    assert [line for line in others if line.startswith("[INFO/") and repr(address) in line] != []
    # It goes with the last reference to it.
    reports = [line for line in others[at:] if line.startswith("[INFO/")]
    assert [line for line in reports if line.endswith("exitcode 0")] != []
    assert [line for line in reports if line.partition("] ")[2] in own] != []


@requirement("logging.example.temporary-directory")
def test_temporary_directory_in_the_example_session(mp):
    """It is reported, apart from the address, in which directory that is."""
    (_, address), lines = _facts(mp, _example)
    reports = [line for line in lines if line.startswith("[INFO/") and address not in line]
    assert [line for line in reports if os.path.dirname(address) in line] != []


@requirement("logging.example.names")
def test_names_in_the_example_session(mp):
    """What the server reports has its name, SyncManager-something, and what the main process does has that one's."""
    _, lines = _facts(mp, _example)
    reports = [line for line in lines if re.match(r"\[INFO/SyncManager-\d", line)]
    assert reports != []
    assert [line for line in reports if line.endswith("exitcode 0")] != []
    assert [line for line in lines if line.startswith("[INFO/MainProcess] ")] != []
