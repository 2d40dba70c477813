"""What the documentation states, and whether it is accounted for: ``mpspec coverage``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mpspec import documentation, ledger
from mpspec.registry import Registry

if TYPE_CHECKING:
    import argparse


def coverage(options: argparse.Namespace) -> int:
    """Print what changed since the edition before, what a ledger accounts for that is gone, and what it lacks."""
    docs = documentation.read(options.docs)
    adopted = ledger.adopt(docs)
    if options.adopt:
        ledger.write(docs.edition, adopted.entries)
    has_ledger = ledger.path_of(docs.edition).exists()
    account = ledger.read(docs.edition) if has_ledger else adopted
    found = ledger.compare(account, docs)
    for word, changed in (("new", found.changed.new), ("unaccounted", found.unaccounted)):
        for each in changed:
            place = ledger.place_of(each)
            print(f"{word:<12} {each.fingerprint}  {place}  {each.kind}: {each.text}")
        for entry in found.changed.dropped if word == "new" else found.gone:
            label = "dropped" if word == "new" else "gone"
            print(f"{label:<12} {entry.fingerprint}  {entry.place}  {entry.account}")
    wrong = ledger.faults(account, Registry.with_entry_points().specification())
    print(*wrong, sep="\n", end="\n" if wrong else "")
    if not has_ledger:
        print(
            f"edition {docs.edition} has no ledger yet: held against what those of other editions account for; "
            "--adopt writes that down"
        )
    print(
        f"edition {docs.edition}: {len(docs.statements)} statements; {found.covered} covered by requirements, "
        f"{found.explaining} explain, {found.untestable} can't be tested, {len(found.unaccounted)} unaccounted for, "
        f"{len(found.gone)} gone; {found.changed}"
    )
    return 0 if found.is_complete and not wrong else 1
