"""The logger of the package, and cheap calls to it from the other modules.

`logging` takes milliseconds to import, and few programs look at this logger: nothing here imports
it before the program asks for the logger, and until then a message costs one comparison.

Documentation: multiprocessing, "Logging".
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    import logging

SUBDEBUG = 5
DEBUG = 10
INFO = 20
SUBWARNING = 25
WARNING = 30

FORMAT = "[%(levelname)s/%(processName)s] %(message)s"

_logger: logging.Logger | None = None
_handler: logging.Handler | None = None  # log_to_stderr's


def get_logger() -> logging.Logger:
    """Return the logger of the package, made at the first call.

    Its level is NOTSET, it has no handler, and it does not propagate to the root logger.

    Documentation: multiprocessing.get_logger
    """
    global _logger
    if _logger is None:
        import logging

        logging.addLevelName(SUBDEBUG, "SUBDEBUG")
        logging.addLevelName(SUBWARNING, "SUBWARNING")
        logger = logging.getLogger(__package__)
        logger.propagate = False
        logger.addFilter(_name_the_process)
        _logger = logger
    return _logger


def log_to_stderr(level: int | str | None = None) -> logging.Logger:
    """Return the logger, with a handler that writes to `sys.stderr`; set its level if given.

    A second call adds no second handler, each message would come out twice, unless the program
    took the first one away.

    Documentation: multiprocessing.log_to_stderr
    """
    global _handler
    import logging

    logger = get_logger()
    if _handler not in logger.handlers:
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter(FORMAT))
        logger.addHandler(handler)
        _handler = handler
    if level is not None:
        logger.setLevel(level)
    return logger


def settings() -> tuple[int | None, bool]:
    """Return what a fresh child must repeat: the level (None: no logger), and log_to_stderr."""
    # The effective level: the child's root logger does not know what this one's was set to.
    return (None if _logger is None else _logger.getEffectiveLevel()), _handler is not None


def repeat(level: int | None, to_stderr: bool) -> None:  # noqa: FBT001 - the pair of settings()
    """Bring the logger of this process into the state that `settings` described."""
    if to_stderr:
        log_to_stderr()
    if level is not None:
        get_logger().setLevel(level)


def _name_the_process(record: logging.LogRecord) -> bool:
    # logging asks the standard library's multiprocessing for the name; this package never loads it.
    from .process import current_process

    record.processName = current_process().name
    return True


def sub_debug(message: str, *args: object) -> None:
    """Log at level SUBDEBUG (5), if anybody asked for the logger."""
    if _logger is not None:
        _logger.log(SUBDEBUG, message, *args, stacklevel=2)


def debug(message: str, *args: object) -> None:
    """Log at level DEBUG, if anybody asked for the logger."""
    if _logger is not None:
        _logger.log(DEBUG, message, *args, stacklevel=2)


def info(message: str, *args: object) -> None:
    """Log at level INFO, if anybody asked for the logger."""
    if _logger is not None:
        _logger.log(INFO, message, *args, stacklevel=2)


def sub_warning(message: str, *args: object) -> None:
    """Log at level SUBWARNING (25), if anybody asked for the logger."""
    if _logger is not None:
        _logger.log(SUBWARNING, message, *args, stacklevel=2)


def warn(message: str, *args: object) -> None:
    """Log at level WARNING, if anybody asked for the logger."""
    if _logger is not None:
        _logger.log(WARNING, message, *args, stacklevel=2)
