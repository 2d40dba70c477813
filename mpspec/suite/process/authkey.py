"""Tests of the authentication key of a process."""

from mpspec.children import outcome_of, raises
from mpspec.marks import requirement
from mpspec.suite.process.helpers import KEY, pickle_key
from mpspec.suite.process.observed import seen_at_import, seen_of_kin, told_by_kin


@requirement("process.authkey.bytes")
def test_authkey(mp):
    """``authkey`` is a byte string, of some length."""
    key = mp.current_process().authkey
    assert isinstance(key, bytes)
    assert len(key) > 0


@requirement("process.authkey.inherited")
def test_authkey_inherited(mp):
    """A child's key is its parent's."""
    key = bytes(mp.current_process().authkey)
    assert mp.Process().authkey == key
    assert told_by_kin(mp, "plain", "authkey")[0] == key


@requirement("process.authkey.at-import")
def test_authkey_while_a_child_imports_the_main_module(mp):
    """The key is its parent's, which that has set for itself."""
    assert seen_at_import(mp)[1] == b"the key"


@requirement("process.authkey.can-be-set")
def test_authkey_set(mp):
    """A key set on a process object is the child's; the parent's stays, and so do its other children's."""
    assert seen_of_kin(mp, "daemon", "authkey") == told_by_kin(mp, "daemon", "authkey")[0] == KEY
    own = bytes(mp.current_process().authkey)
    assert told_by_kin(mp, "plain", "authkey")[0] == own != KEY
    process = mp.Process()
    for key in (b"", b"again"):
        process.authkey = key
        assert process.authkey == key


@requirement("process.authkey.of-creation")
def test_authkey_of_the_moment(mp):
    """A key that a process sets for itself is that of the objects that it makes after, not before.

    Whether the process had inherited its own, or was given it.
    """
    for kind in ("plain", "daemon"):
        assert told_by_kin(mp, kind, "authkey")[1] == [True, True]


@requirement("process.authkey.not-pickled")
def test_authkey_cannot_be_pickled(mp):
    """Pickling a key raises TypeError: in a parent, in a child, and of a key that was set."""
    assert outcome_of(pickle_key, mp.current_process())[0] == "TypeError"
    assert told_by_kin(mp, "plain", "authkey")[2] == ["TypeError"] * 2
    process = mp.Process()
    process.authkey = b"another key"
    assert outcome_of(pickle_key, process)[0] == "TypeError"


@requirement("process.authkey.text-refused")
def test_authkey_set_to_a_text(mp):
    """Setting the key to a text raises TypeError, and leaves it as it was."""
    process = mp.Process()
    with raises(TypeError):
        process.authkey = "a text"
    assert process.authkey == mp.current_process().authkey
