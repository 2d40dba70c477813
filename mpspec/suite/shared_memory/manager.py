"""Tests of SharedMemoryManager."""

import gc
import os
import signal
import tempfile
import threading

from mpspec.children import ask, observed_once, outcome_of, raises, remade
from mpspec.marks import requirement
from mpspec.suite.shared_memory.helpers import (
    attached,
    block_exists,
    free,
    new,
    read_block,
    unlink_block,
)


def _manager(mp):
    return mp.managers.SharedMemoryManager(ctx=mp.context)


@requirement("shared-memory.manager.base-manager")
def test_manager_is_a_base_manager(mp):
    """SharedMemoryManager derives from BaseManager, and shares what is registered with a class derived from it."""
    assert issubclass(mp.managers.SharedMemoryManager, mp.managers.BaseManager)
    assert _see_products(mp)["registered"] == ("returned", (2, "[1]", "{'a': 1, 'b': 2}"))


@observed_once
def _see_a_program(mp):
    """A program ends whose first manager has been shut down, and whose second has not."""
    from mpspec.programs import run_script

    done = run_script(mp, _USE_MANAGERS)
    names = done.stdout.split()
    left = [name for name in names if block_exists(mp, name)]
    for name in left:
        unlink_block(mp, name)
    return {"ended": (done.returncode, done.stderr), "made": len(names), "left": left}


@requirement("shared-memory.manager.without-warning")
def test_program_with_a_manager_is_not_warned(mp):
    """A program whose manager was the first to use shared memory ends without a word, though another manager runs."""
    assert _see_a_program(mp)["ended"] == (0, "")


_USE_MANAGERS = """\
import atexit

def use():
    with mp.managers.SharedMemoryManager() as manager:
        items = manager.ShareableList(range(3))
        block = manager.SharedMemory(16)
        items.shm.close()
        block.close()

def leave():
    manager = mp.managers.SharedMemoryManager(ctx=mp.context)
    manager.start()
    blocks = manager.SharedMemory(16), manager.ShareableList(range(3)).shm
    atexit.register(len, (manager, *blocks))  # held at the program's end, and let go while its modules are whole
    print(*(block.name for block in blocks))

if __name__ == "__main__":
    mp.set_start_method(mp.start_method)
    use()
    leave()
"""


def _tell(sender, *args):
    sender.send(args)


def _made(make, argument):
    """Whether a call makes a block, or a list, which is destroyed at once."""
    kind, made = outcome_of(make, argument)
    if kind == "returned":
        free(getattr(made, "shm", made))
    return kind == "returned"


@observed_once
def _see_a_life(mp):
    """A manager starts, makes a block and lists, and is shut down while another runs."""
    own = [new(mp, name=f"mpspec_{os.getpid()}_{os.urandom(4).hex()}"), new(mp)]
    manager = _manager(mp)
    calls = (manager.SharedMemory, 16), (manager.ShareableList, [1])
    unmanaged = [_made(*call) for call in calls]
    before = {process.pid for process in mp.active_children()}
    manager.start()
    seen = {"started": {process.pid for process in mp.active_children()} - before}
    servers = [outcome_of(manager.get_server)[0]]
    blocks = [
        manager.ShareableList(range(4)).shm,
        manager.SharedMemory(size=128),
        manager.ShareableList("alpha").shm,
        manager.ShareableList([]).shm,
    ]
    seen["before"] = [block_exists(mp, block.name) for block in blocks]
    with _manager(mp) as another:
        others = [*own, another.SharedMemory(16)]
        manager.shutdown()
        seen["others"] = [block_exists(mp, block.name) for block in others]
    seen["unmanaged"] = [*unmanaged, *(_made(*call) for call in calls)]
    seen["servers"] = [*servers, outcome_of(manager.get_server)[0]]
    seen["after"] = [block_exists(mp, block.name) for block in blocks]
    seen["runs"] = [pid for pid in seen["started"] if outcome_of(os.kill, pid, 0)[0] == "returned"]
    for block in own:
        free(block)
    receiver, sender = mp.Pipe(duplex=False)
    dropped = _manager(mp)
    dropped.start(_tell, (sender, "one", 2))
    seen["told"] = receiver.recv() if receiver.poll(mp.timeout) else None
    last = [dropped.SharedMemory(size=16), dropped.ShareableList("beta").shm]
    blocks += [others[-1], *last]
    seen["held"] = [block_exists(mp, block.name) for block in last]
    (server,) = (each for each in mp.active_children() if each.pid not in before)
    os.kill(server.pid, signal.SIGINT)
    server.join(0.05)
    seen["interrupted"] = server.is_alive()
    del dropped, server
    for _ in range(3):  # an interpreter may need several to call all finalizers
        gc.collect()
    seen["dropped"] = [block_exists(mp, block.name) for block in last]
    for block in blocks:
        block.close()
    return seen


@requirement("shared-memory.manager.start-starts-a-process")
def test_start_starts_a_process(mp):
    """``start()`` of a manager starts one process, which calls the initializer; without it nothing is made."""
    seen = _see_a_life(mp)
    assert len(seen["started"]) == 1
    assert seen["told"] == ("one", 2)
    assert seen["unmanaged"] == [False] * 4


@requirement("shared-memory.manager.survives-interrupt")
def test_manager_survives_an_interrupt(mp):
    """SIGINT, as a Ctrl-C sends it to all processes of a terminal, does not end the manager's process."""
    assert _see_a_life(mp)["interrupted"] is True


@requirement("shared-memory.manager.shutdown-unlinks")
def test_shutdown_unlinks_all_blocks(mp):
    """After ``shutdown()`` no block that the manager created is there, a list of no items included."""
    seen = _see_a_life(mp)
    assert (seen["before"], seen["after"]) == ([True] * 4, [False] * 4)


@requirement("shared-memory.manager.shutdown-block-gone")
def test_shutdown_unlinks_what_is_left(mp):
    """When one of a manager's blocks has been unlinked, its shutdown unlinks the others."""
    assert _see_products(mp)["left"] == []


@requirement("shared-memory.manager.freed-without-shutdown")
def test_dropped_manager_unlinks_all_blocks(mp):
    """When nothing refers to a manager any more, or its program has ended, the blocks that it created are gone."""
    seen = _see_a_life(mp)
    assert (seen["held"], seen["dropped"]) == ([True] * 2, [False] * 2)
    assert (_see_a_program(mp)["made"], _see_a_program(mp)["left"]) == (2, [])


@requirement("shared-memory.manager.shutdown-stops-the-process")
def test_shutdown_stops_the_process(mp):
    """After ``shutdown()`` the process that ``start()`` had started is gone."""
    assert _see_a_life(mp)["runs"] == []


@requirement("shared-memory.manager.shutdown-leaves-other-blocks")
def test_shutdown_leaves_blocks_of_others(mp):
    """Blocks that were created otherwise, by another manager say, are there after ``shutdown()``."""
    assert _see_a_life(mp)["others"] == [True] * 3


@remade
def _items_manager(mp):
    class ItemsManager(mp.managers.SharedMemoryManager):
        pass

    ItemsManager.register("Items", list)
    ItemsManager.register("Mapping", dict)
    return ItemsManager


def _pop_of_registered(manager):
    items = manager.Items([1, 2])
    return items.pop(), str(items), str(manager.Mapping([("a", 1)], b=2))


@observed_once
def _see_products(mp):
    """What a manager's methods give, and how the blocks are used; one is gone before the end."""
    kinds = (mp.shared_memory.SharedMemory, mp.shared_memory.ShareableList)
    manager = _items_manager(mp)(ctx=mp.context)
    with manager as entered:
        blocks = [manager.SharedMemory(128), manager.SharedMemory(size=5000)]
        seen = {
            "target": entered is manager,
            "blocks": [(isinstance(block, kinds[0]), block.size) for block in blocks],
            "empty": [outcome_of(manager.SharedMemory, size)[0] for size in (0, -1)],
            "written": [
                _write_last(mp, block, size)
                for block, size in zip(blocks, (128, 5000), strict=True)
            ],
        }
        made = [
            manager.ShareableList(range(2000)),
            manager.ShareableList("alpha"),
            manager.ShareableList(sequence=[1.5, None]),
            manager.ShareableList(()),
        ]
        seen["lists"] = [(isinstance(each, kinds[1]), list(each)) for each in made]
        seen["registered"] = outcome_of(_pop_of_registered, manager)
        blocks += [each.shm for each in made]
        for block in blocks:
            block.close()
        blocks[0].unlink()
    seen["left"] = [block.name for block in blocks if block_exists(mp, block.name)]
    for name in seen["left"]:
        unlink_block(mp, name)
    return seen


def _write_last(mp, block, size):
    """What an instance reads after another has written the last byte that was requested."""
    other = attached(mp, block.name)
    other.buf[size - 1] = 17
    other.close()
    return block.buf[size - 1]


@requirement("shared-memory.manager.shared-memory.block")
def test_manager_creates_blocks(mp):
    """``SharedMemory(size)`` of a manager gives a new block, which others attach by its name; sizes are positive."""
    seen = _see_products(mp)
    assert [(is_block, size >= 128) for is_block, size in seen["blocks"]] == [(True, True)] * 2
    assert seen["blocks"][1][1] >= 5000
    assert seen["written"] == [17, 17]
    assert seen["empty"] == ["ValueError"] * 2


@requirement("shared-memory.manager.shareable-list.items")
def test_manager_creates_lists(mp):
    """``ShareableList(sequence)`` of a manager gives a new list of the sequence's values."""
    expected = [[*range(2000)], [*"alpha"], [1.5, None], []]
    assert _see_products(mp)["lists"] == [(True, items) for items in expected]


@requirement("shared-memory.manager.context-enter")
def test_with_starts_the_manager(mp):
    """``with manager as name`` binds the manager itself, which has been started."""
    assert _see_products(mp)["target"] is True


@requirement("shared-memory.manager.context-exit-unlinks")
def test_with_unlinks_all_blocks(mp):
    """When a with block has ended, by an exception too, the manager's blocks are gone."""
    names = []
    with raises(KeyboardInterrupt), _manager(mp) as manager:
        for block in (manager.SharedMemory(16), manager.ShareableList(range(3)).shm):
            names.append(block.name)
            block.close()
        assert [block_exists(mp, name) for name in names] == [True, True]
        raise KeyboardInterrupt
    assert [block_exists(mp, name) for name in names] == [False, False]


def _create_through(mp, address, **key):
    manager = mp.managers.SharedMemoryManager(address=address, **key)
    manager.connect()
    block = manager.SharedMemory(16)
    block.buf[:5] = b"howdy"
    block.close()
    items = manager.ShareableList([1]).shm
    items.close()
    return block.name, items.name


def _create_through_own(mp, authkey):
    """What is in a block that was created through a server of this process, and where that listens."""
    with tempfile.TemporaryDirectory() as folder:
        place = f"{folder}/socket"
        manager = mp.managers.SharedMemoryManager(address=place, authkey=authkey, ctx=mp.context)
        server = manager.get_server()
        is_there = server.address == place and os.path.exists(server.address)
        return is_there, _create_through_server(mp, server, authkey)


def _create_through_server(mp, server, authkey):
    threading.Thread(target=server.serve_forever, daemon=True).start()
    name, other = _create_through(mp, server.address, authkey=authkey)
    found = read_block(mp, name, 5)
    unlink_block(mp, name)
    unlink_block(mp, other)
    return found


def _visit_managers(mp, address, authkey, keyless):
    names = [*_create_through(mp, address, authkey=authkey), *_create_through(mp, keyless)]
    return names, outcome_of(_create_through_own, mp, authkey)


@observed_once
def _see_connections(mp):
    """A child connects to its parent's managers, one with the key of the processes, and to one of its own."""
    manager = mp.managers.SharedMemoryManager(("127.0.0.1", 0), b"secret", ctx=mp.context)
    with manager, _manager(mp) as other:
        names, own = ask(mp, _visit_managers, mp, manager.address, b"secret", other.address)
        seen = {"own": own, "found": [read_block(mp, name, 5) for name in names[::2]]}
        for key in ({}, {"authkey": bytes(mp.current_process().authkey)}):
            with raises(mp.AuthenticationError):
                _create_through(mp, manager.address, **key)
    seen["left"] = [block_exists(mp, name) for name in names]
    return seen


@requirement("shared-memory.manager.connect")
def test_another_process_connects_to_the_manager(mp):
    """What a child created through its parent's managers lives until the shutdown; another key is refused."""
    seen = _see_connections(mp)
    assert (seen["found"], seen["left"]) == ([b"howdy"] * 2, [False] * 4)


@requirement("shared-memory.manager.get-server-before-start")
def test_no_server_of_a_started_manager(mp):
    """``get_server()`` raises ProcessError once the manager was started, and when it was shut down."""
    assert _see_a_life(mp)["servers"] == ["ProcessError"] * 2


@requirement("shared-memory.manager.get-server")
def test_server_of_a_manager_in_this_process(mp):
    """The server that ``get_server()`` gives serves those who create blocks through it, at the manager's address."""
    assert _see_connections(mp)["own"] == ("returned", (True, b"howdy"))


def _store_squares(numbers, start, stop):
    for position in range(start, stop):
        numbers[position] = numbers[position] ** 2
    numbers.shm.close()


@requirement("shared-memory.manager.example.partial-results")
def test_example_of_partial_results(mp):
    """Two children store results in the halves of a manager's list; their parent sums them up."""
    with _manager(mp) as manager:
        numbers = manager.ShareableList(range(20))
        processes = [
            mp.Process(target=_store_squares, args=(numbers, start, start + 10))
            for start in (0, 10)
        ]
        for process in processes:
            process.start()
        for process in processes:
            process.join()
        assert sum(numbers) == sum(number**2 for number in range(20))
        numbers.shm.close()
