"""What several modules of the chapter sharedctypes use."""

import ctypes
import gc
import os
import threading

from mpspec.children import CallerThread, observed_once, outcome_of, run

# The C types that the documentation of the array module names, and their ctypes equivalents.
TYPES = {
    "b": ctypes.c_byte,
    "B": ctypes.c_ubyte,
    "u": ctypes.c_wchar,
    "h": ctypes.c_short,
    "H": ctypes.c_ushort,
    "i": ctypes.c_int,
    "I": ctypes.c_uint,
    "l": ctypes.c_long,
    "L": ctypes.c_ulong,
    "f": ctypes.c_float,
    "d": ctypes.c_double,
}


class Point(ctypes.Structure):
    _fields_ = (("x", ctypes.c_double), ("y", ctypes.c_double))


class Sample(ctypes.Structure):
    _fields_ = (("y", ctypes.c_int), ("value", ctypes.c_short))


class Three(ctypes.c_int * 3):
    pass


class Interrupting:
    """A number, while the value of which is asked for Ctrl-C is pressed."""

    def __float__(self):
        raise KeyboardInterrupt


class Number(ctypes.Union):
    _fields_ = (("whole", ctypes.c_int), ("bytes", ctypes.c_ubyte * 4))


class Access:
    """Ways to use a wrapper, each a call that a thread can make."""

    def __init__(self, wrapper):
        self.wrapper = wrapper

    def read(self, name):
        return getattr(self.wrapper, name)

    def write(self, name, value):
        setattr(self.wrapper, name, value)

    def get(self, index):
        return self.wrapper[index]

    def put(self, index, value):
        self.wrapper[index] = value

    def items(self):
        return list(self.wrapper)

    def enter(self):
        with self.wrapper:
            return "entered"

    def reversed(self):
        return [*reversed(self.wrapper)]

    def has(self, item):
        return item in self.wrapper

    def call(self, name, *args):
        return getattr(self.wrapper, name)(*args)

    def increment(self, times):
        for _ in range(times):
            with self.wrapper.get_lock():
                self.wrapper.value += 1

    def can_take(self):
        lock = self.wrapper.get_lock()
        taken = lock.acquire(False)
        if taken:
            lock.release()
        return taken


def free_for_others(mp, wrapper):
    """Whether another thread can acquire the lock of a wrapper at this moment."""
    return CallerThread(mp, Access(wrapper), "can_take").result()


def until_released(mp, wrapper, *calls):
    """What calls come to that are made while the wrapper's lock is held: each must block until it is released."""
    results = []
    for call in calls:
        wrapper.get_lock().acquire()
        caller = CallerThread(mp, Access(wrapper), *call)
        caller.until_blocked()
        wrapper.get_lock().release()
        results.append(caller.result())
    return results


def _access_when_told(connection, wrappers):
    """In a child: make the calls that the parent names, telling before each that it is about to be made."""
    accesses = {name: Access(wrapper) for name, wrapper in wrappers.items()}
    for name, call, *args in iter(connection.recv, None):
        connection.send((os.getpid(), threading.get_native_id()))
        connection.send(outcome_of(getattr(accesses[name], call), *args))


@observed_once
def see_accesses_of_a_child(mp):
    """A child reads and writes a value and an array while its parent holds the lock of each, and after its release."""
    from mpspec.observing import wait_until_asleep

    wrappers = {"value": mp.Value("i", 7), "array": mp.Array("i", [3, 4, 5])}
    whole = slice(None)
    calls = {
        "value": (("read", "value"), ("write", "value", 8)),
        "array": (("get", 0), ("put", 0, 7), ("get", whole), ("put", whole, [1, 2, 3])),
    }
    connection, other = mp.Pipe()
    child = mp.Process(target=_access_when_told, args=(other, wrappers))
    child.start()
    other.close()
    seen = {}
    for name, wrapper in wrappers.items():
        waited, outcomes = [], []
        for call in calls[name]:
            with wrapper.get_lock():
                connection.send((name, *call))
                wait_until_asleep(*connection.recv(), mp.timeout)
                # A child that did not wait sleeps as well, until it is told what is next; it has told what came of it.
                waited.append(not connection.poll())
            outcomes.append(connection.recv())
        seen[name] = {"waited": waited, "outcomes": outcomes}
    connection.send(None)
    child.join()
    seen["value"]["content"] = wrappers["value"].value
    seen["array"]["content"] = wrappers["array"][:]
    return seen


def _negate(array):
    for index in range(len(array)):
        array[index] = -array[index]


def _change_and_tell(connection, value, array):
    connection.send([value.value, list(array)])
    connection.recv()
    connection.send([value.value, list(array)])
    value.value = 3.1415927
    _negate(array)


@observed_once
def see_numbers(mp):
    """A child and its parent change a value and an array in turn."""
    value, array = mp.Value("d", 0.5), mp.Array("i", range(10))
    connection, other = mp.Pipe()
    child = mp.Process(target=_change_and_tell, args=(other, value, array))
    child.start()
    seen = {"at first": connection.recv()}
    value.value, array[9] = 0.25, 90
    connection.send("changed")
    seen["changed by the parent"] = connection.recv()
    child.join()
    seen["changed by the child"] = [value.value, list(array)]
    return seen


def _modify_raw(numbers, copies, point, arrays, addresses):
    value, copy, union, threes = numbers
    pair, twin, again = copies
    array, large = arrays
    pair[0] = twin.x = again[1] = 7
    value.value += 1
    threes[1][0] = 7
    union.bytes[3] += 1
    point.y *= 2
    _negate(array)
    large[0] = large[-1] = 7
    copy.value = 8
    addresses[1] = addresses[0]


@observed_once
def see_raw_objects(mp):
    """What a child makes of objects without locks."""
    facts = _change_raw_objects(mp)
    gc.collect()
    # Where many objects are freed at once, some may have to wait for the next that is made.
    mp.sharedctypes.RawValue("i")
    return facts


def _change_raw_objects(mp):
    make = mp.sharedctypes
    value, point = make.RawValue("i", 7), make.RawValue(Point, 4, 6)
    array, large = make.RawArray("i", [1, 2, 3]), mp.Array("B", 5 * 2**20, lock=False)
    original = ctypes.c_int(7)
    copy, union = make.copy(original), make.RawValue(Number, 0x01010101)
    threes = make.RawArray(Three, [(1, 2, 3), (4, 5, 6)])
    ordinary = (ctypes.c_int * 2)(1, 2), Point(4, 6)
    pair, twin, again = map(make.copy, (*ordinary, make.RawArray("i", [1, 2])))
    addresses = make.RawArray(ctypes.c_void_p, [ctypes.addressof(original), None])
    numbers = (value, copy, union, threes)
    copies, arrays = (pair, twin, again), (array, large)
    run(mp, _modify_raw, numbers, copies, point, arrays, addresses)
    return {
        "value": (value.value, point.x, point.y, [*union.bytes]),
        "array": (array[:], [three[:] for three in threes]),
        "large": (large[0], large[-1], sum(large[1:-1:4096]), len(large)),
        "copy": (original.value, copy.value),
        "copies": (pair[0], twin.x, again[1]),
        "addresses": {ctypes.addressof(original), *addresses},
    }


class NamedPoint(Point):
    _fields_ = (("name", ctypes.c_char),)
