"""The specification's format is checked, and what mpspec ships keeps it."""

from __future__ import annotations

import importlib
import pkgutil
from typing import TYPE_CHECKING

import pytest

import mpspec.suite
from mpspec import specification
from mpspec.errors import SpecificationError
from mpspec.marks import ATTRIBUTE
from mpspec.specification import EDITIONS, SPEC_DIR, Level, builtin_chapters, load

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Conformance

HEADER = 'chapter = "some"\ntitle = "Some"\ncapability = "process"\npage = "some.html"\n'
GOOD = {"id": '"some.fact"', "text": '"It is."', "anchor": '"it"'}


def requirement(**fields: str) -> str:
    given = {**GOOD, **fields}
    return "[[requirement]]\n" + "".join(
        f"{name} = {value}\n" for name, value in given.items() if value
    )


def write(folder: Path, *entries: str, header: str = HEADER) -> Path:
    file = folder / "some.toml"
    file.write_text(header + "".join(entries), encoding="utf-8")
    return file


def test_defaults(tmp_path: Path) -> None:
    (found,) = load([write(tmp_path, requirement())])
    assert found.level is Level.DOCUMENTED
    assert (found.first, found.last) == (EDITIONS[0], EDITIONS[-1])
    assert found.capabilities == {"process"}
    assert found.url("3.13") == "https://docs.python.org/3.13/some.html#it"


def test_a_requirement_that_has_ended_is_linked_where_it_stood(tmp_path: Path) -> None:
    (found,) = load([write(tmp_path, requirement(last='"3.12"'))])
    assert not found.holds_in("3.13")
    assert found.url("3.14") == "https://docs.python.org/3.12/some.html#it"


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"txt": '"It is."'}, "unknown fields ['txt']"),
        ({"anchor": ""}, "lacks ['anchor']"),
        ({"id": '"Some.Fact"'}, "an id is lower case words"),
        ({"id": '"some"'}, "an id is lower case words"),
        ({"id": "1"}, "['id'] must be text"),
        ({"capabilities": '["pol"]'}, "unknown capabilities ['pol']"),
        ({"capabilities": '"pool"'}, "['capabilities'] must be lists of text"),
        ({"first": '"3.9"'}, "unknown editions ['3.9']"),
        ({"first": '"3.13"', "last": '"3.12"'}, "ends (3.12) before it begins (3.13)"),
        ({"level": '"sure"'}, "unknown level 'sure'"),
        ({"start_methods": '["thread"]'}, "unknown start methods ['thread']"),
        ({"needs": '"some.other"'}, "['needs'] must be lists of text"),
        ({"text": "true"}, "['text'] must be text"),
    ],
)
def test_fault_names_file_id_and_field(tmp_path: Path, fields: dict[str, str], told: str) -> None:
    file = write(tmp_path, requirement(**fields))
    with pytest.raises(SpecificationError) as caught:
        load([file])
    assert str(file) in str(caught.value)
    assert fields.get("id", GOOD["id"]).strip('"') in str(caught.value)
    assert told in str(caught.value)


@pytest.mark.parametrize(
    ("header", "told"),
    [
        ("chapter = ", "can't be read as a specification"),
        (HEADER.replace("some", "other", 1), "chapter = 'some' (its own name)"),
        (
            HEADER.replace('page = "some.html"\n', ""),
            "chapter = 'some' (its own name), title, capability and page",
        ),
        (HEADER + "pages = 1\n", "found ['capability', 'chapter', 'page', 'pages', 'title']"),
        (HEADER + "requirement = 1\n", "requirement must be [[requirement]] tables"),
    ],
)
def test_fault_of_the_header(tmp_path: Path, header: str, told: str) -> None:
    file = write(tmp_path, header=header)
    with pytest.raises(SpecificationError) as caught:
        load([file])
    assert str(file) in str(caught.value)
    assert told in str(caught.value)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(SpecificationError, match=r"none\.toml: can't be read"):
        load([tmp_path / "none.toml"])


def test_id_defined_twice(tmp_path: Path) -> None:
    with pytest.raises(SpecificationError, match=r"'some\.fact' is defined twice"):
        load([write(tmp_path, requirement(), requirement())])


def test_unknown_need(tmp_path: Path) -> None:
    with pytest.raises(
        SpecificationError, match=r"'some\.fact' needs 'some\.other', which does not exist"
    ):
        load([write(tmp_path, requirement(needs='["some.other"]'))])


def test_circle(tmp_path: Path) -> None:
    file = write(
        tmp_path,
        requirement(needs='["some.two"]'),
        requirement(id='"some.two"', needs='["some.fact"]'),
    )
    with pytest.raises(SpecificationError, match="rests on itself: break the circle"):
        load([file])


def test_fault_in_a_third_partys_file_is_a_usage_error(conformance: Conformance) -> None:
    file = write(conformance.folder, requirement(level='"sure"'))
    conformance.write(
        "conftest.py",
        f"def mpspec_requirements():\n    return [__import__('pathlib').Path({str(file)!r})]\n",
    )
    status, output = conformance.run("--backend=stdlib")
    assert status == 2
    assert output.startswith(f"ERROR: {file}: requirement 'some.fact': unknown level 'sure'")


def test_every_shipped_chapter_has_a_place_in_the_order() -> None:
    assert {file.stem for file in SPEC_DIR.glob("*.toml")} <= set(builtin_chapters())


def test_every_shipped_requirement_has_a_test_and_every_test_a_requirement() -> None:
    known = specification.load([SPEC_DIR])
    tested = set()
    for module in pkgutil.walk_packages(mpspec.suite.__path__, "mpspec.suite."):
        for member in vars(importlib.import_module(module.name)).values():
            identifier = getattr(member, ATTRIBUTE, None)
            if identifier is not None:
                assert identifier in known, f"{module.name}: {member.__name__}"
                assert known[identifier].chapter == module.name.split(".")[2], identifier
                tested.add(identifier)
    assert {each.id for each in known} == tested


def test_shipped_ids_begin_with_their_chapter() -> None:
    for each in specification.load([SPEC_DIR]):
        assert each.id.split(".")[0].replace("-", "_") == each.chapter, each.id


def test_shipped_sentences_are_sentences() -> None:
    for each in specification.load([SPEC_DIR]):
        assert each.text.endswith((".", ".)")), each.id
        assert each.anchor, each.id
