"""An executable specification of Python's multiprocessing.

This module stays empty of imports: a child process that is started with ``spawn`` imports the suite's modules, and
through them this package, and each import would be paid for hundreds of times in a run.
"""

__version__ = "0.1.0"
