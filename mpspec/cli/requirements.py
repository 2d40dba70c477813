"""What is required: ``mpspec list`` and ``mpspec explain``."""

from __future__ import annotations

import difflib
import fnmatch
import json
import sys
import textwrap
from typing import TYPE_CHECKING, Any

from mpspec.errors import UsageError
from mpspec.registry import Registry
from mpspec.settings import current_edition
from mpspec.specification import Level

if TYPE_CHECKING:
    import argparse

    from mpspec.specification import Requirement


def list_requirements(options: argparse.Namespace) -> int:
    """Print requirements."""
    level = Level.from_label(options.level)
    specification = Registry.with_entry_points().specification()
    if options.chapter is not None and options.chapter not in specification.chapters:
        message = (
            f"--chapter={options.chapter}: the chapters are {', '.join(specification.chapters)}"
        )
        raise UsageError(message)
    selected = [
        requirement
        for requirement in specification
        if fnmatch.fnmatchcase(requirement.id, options.pattern)
        and (options.chapter is None or requirement.chapter == options.chapter)
        and (not options.edition or requirement.holds_in(options.edition))
        and requirement.level <= level
    ]
    if options.json:
        # In ASCII, so that it is JSON whatever the terminal or the pipe can carry.
        print(json.dumps([_data(requirement) for requirement in selected], indent=1))
        return 0
    for requirement in selected:
        print(f"{requirement.id}  {requirement.text}")
    if not selected:
        sys.stderr.write("mpspec: no requirement is like that; all of them: mpspec list\n")
    return 0 if selected else 1


def explain(options: argparse.Namespace) -> int:
    """Print one requirement."""
    specification = Registry.with_entry_points().specification()
    requirement = specification.get(options.id)
    if requirement is None:
        nearest = difflib.get_close_matches(
            options.id, [each.id for each in specification], n=3, cutoff=0.5
        )
        hint = f" The nearest are: {', '.join(nearest)}." if nearest else ""
        message = f"no requirement has the id {options.id!r}.{hint} All of them: mpspec list"
        raise UsageError(message)
    print(requirement.id)
    print(textwrap.fill(requirement.text, 78, initial_indent="  ", subsequent_indent="  "))
    for name, value in _facts(requirement):
        if value:
            print(f"  {name:<14} {value}")
    print(
        f"  {'to test it':<14} pytest --backend=NAME --requirement={requirement.id} --level={requirement.level.label}"
    )
    return 0


def _facts(requirement: Requirement) -> list[tuple[str, str]]:
    return [
        ("chapter", requirement.chapter),
        ("level", requirement.level.label),
        ("editions", f"{requirement.first} to {requirement.last}"),
        ("start methods", ", ".join(requirement.start_methods) or "all"),
        ("capabilities", ", ".join(sorted(requirement.capabilities))),
        ("rests on", ", ".join(requirement.needs)),
        ("CPython", requirement.disagreement),
        ("stated", requirement.url(current_edition())),
    ]


def _data(requirement: Requirement) -> dict[str, Any]:
    return {
        "id": requirement.id,
        "chapter": requirement.chapter,
        "text": requirement.text,
        "level": requirement.level.label,
        "first": requirement.first,
        "last": requirement.last,
        "start_methods": list(requirement.start_methods),
        "capabilities": sorted(requirement.capabilities),
        "needs": list(requirement.needs),
        "disagreement": requirement.disagreement,
        "url": requirement.url(requirement.last),
    }
