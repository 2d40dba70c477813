"""The end of a run in one process (``-n 0``), when what the backend left behind does not let the interpreter end.

Workers are killed when they have nothing more to do. The process that the user started ends by itself: by then all is
reported, and exit handlers of a backend that a failed test has left in the middle of something may wait for ever.
"""

from __future__ import annotations

import faulthandler
import os
import sys
import threading
import time
from typing import TYPE_CHECKING

from mpspec import leaks

if TYPE_CHECKING:
    import pytest

_LIMIT = 10.0


def ensure(session: pytest.Session, patience: float) -> None:
    """End this process some seconds after its main program has ended, if it does not end by then."""
    watcher = threading.Thread(target=_watch, args=(session, _LIMIT * patience), daemon=True)
    watcher.start()


def _watch(session: pytest.Session, limit: float) -> None:
    # Ends when the main thread has no more code to run, before the interpreter waits for other threads and calls
    # exit handlers: a program that called pytest.main() and goes on is left alone.
    threading.main_thread().join()
    time.sleep(limit)
    sys.stderr.write(
        f"\nmpspec: all is reported, but the interpreter did not end within {limit:g} s, for what the backend left "
        "behind; it is ended now. Its threads:\n"
    )
    sys.stderr.flush()
    faulthandler.dump_traceback(file=sys.__stderr__ or sys.stderr)
    leaks.kill(leaks.descendants(os.getpid()))
    os._exit(int(session.exitstatus))
