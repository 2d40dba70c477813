"""What several modules of the chapter pipes use."""

import pickle

from mpspec.children import CallerThread, until_all_blocked

# More than any pipe or socket buffers, less than what the documentation warns of.
LARGE = 4 * 1024 * 1024


def send_hello_and_close(connection):
    connection.send([42, None, "hello"])
    connection.close()


# What an object's own methods may raise when it is pickled, or made again.
ERRORS = (TypeError, ValueError, LookupError, AttributeError, RecursionError, pickle.PicklingError)


def send_and_close(connection, method, message):
    with connection:
        getattr(connection, method)(message)


def woken_by_close(mp, method, *arguments):
    """Who made a call that waits, at an end of a two-way pipe and of a one-way one, while the other end was closed."""
    pipes = [mp.Pipe(), mp.Pipe(duplex=False)]
    callers = [CallerThread(mp, receiver, method, *arguments) for receiver, _ in pipes]
    until_all_blocked(callers)
    for _, sender in pipes:
        sender.close()
    return callers


def forward(source, target):
    target.send(source.recv())
