"""Errors in a TOML file are reported with file, table, key, value and remedy."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from facegap.errors import CardError, TableError
from facegap.inputs.strict_toml import ListOf, Table, Tables, Texts, checked, line_numbers, line_of, numbers, read_toml


class Inner(Table):
    size: Annotated[tuple[int, ...], ListOf] = ()


class Rule(Table):
    name: str = ""
    limit: Annotated[float, Field(ge=0, le=1, description="a number from 0 to 1")]
    rates: Annotated[tuple[float, ...], numbers(0.5, 2)] = ()
    counts: Annotated[tuple[int, ...], numbers(1, 5000, whole=True)] = ()
    groups: Texts = ()


class File(Table):
    version: int
    inner: Inner | None = None
    rule: Annotated[tuple[Rule, ...], Tables] = ()


def refusal(content: object) -> list[str]:
    with pytest.raises(TableError) as refused:
        checked(File, content, "f.toml")
    return str(refused.value).splitlines()


def test_a_file_that_fits_is_its_model() -> None:
    found = checked(File, {"version": 1, "rule": [{"limit": 1, "rates": 0.5, "groups": ["a"]}]}, "f.toml")
    assert found == File(version=1, rule=[{"limit": 1.0, "rates": [0.5], "groups": ["a"]}])  # type: ignore[list-item]
    assert found.rule[0].rates == (0.5,)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ({}, "f.toml: key version: missing"),
        ({"version": True}, "f.toml: key version: Input should be a valid integer (it is True)"),
        ({"version": 1, "rul": []}, "f.toml: key rul: unknown; did you mean rule?"),
        ({"version": 1, "zzz": 1}, "f.toml: key zzz: unknown; the keys of this table are version, inner, rule"),
        (
            {"version": 1, "\x1b[2J": 1},
            "f.toml: key '\\x1b[2J': unknown; the keys of this table are version, inner, rule",
        ),
        ({"version": 1, "rule": {}}, "f.toml: key rule: not a list of tables; write [[rule]] above the keys of each"),
        ({"version": 1, "rule": [{}]}, "f.toml: [[rule]] 1, key limit: missing; give a number from 0 to 1"),
        (
            {"version": 1, "rule": [{"limit": 1}, {"name": "b", "limit": 2}]},
            "f.toml: [[rule]] 2 (b), key limit: give a number from 0 to 1 (it is 2)",
        ),
        (
            {"version": 1, "rule": [{"name": "\x1b", "limit": float("nan")}]},
            "f.toml: [[rule]] 1, key limit: give a number from 0 to 1 (it is nan)",
        ),
        (
            {"version": 1, "rule": [{"limit": 1, "rates": ["x"]}]},
            "f.toml: [[rule]] 1, key rates: give a number from 0.5 to 2, or a list of these (it is ['x'])",
        ),
        (
            {"version": 1, "rule": [{"limit": 1, "rates": float("nan")}]},
            "f.toml: [[rule]] 1, key rates: give a number from 0.5 to 2, or a list of these (it is nan)",
        ),
        (
            {"version": 1, "rule": [{"limit": 1, "rates": []}]},
            "f.toml: [[rule]] 1, key rates: give a number from 0.5 to 2, or a list of these (it is [])",
        ),
        (
            {"version": 1, "rule": [{"limit": 1, "counts": [1, 2.0]}]},
            "f.toml: [[rule]] 1, key counts: give a whole number from 1 to 5,000, or a list of these (it is [1, 2.0])",
        ),
        (
            {"version": 1, "rule": [{"limit": 1, "counts": True}]},
            "f.toml: [[rule]] 1, key counts: give a whole number from 1 to 5,000, or a list of these (it is True)",
        ),
        (
            {"version": 1, "rule": [{"limit": 1, "groups": ["a", 2]}]},
            "f.toml: [[rule]] 1, key groups.1: Input should be a valid string (it is 2)",
        ),
        (
            {"version": 1, "inner": {"size": [1, "2"]}},
            "f.toml: key inner.size.1: Input should be a valid integer (it is '2')",
        ),
        ({"version": 1, "inner": {"sise": 1}}, "f.toml: key inner.sise: unknown; did you mean size?"),
    ],
)
def test_a_mistake_is_named_with_its_place_value_and_cure(content: object, said: str) -> None:
    assert refusal(content) == [said]


def test_every_mistake_is_named_at_once() -> None:
    lines = refusal({"vrsion": 1, "rule": [{"limit": 7}]})
    assert [line.split(": ")[1] for line in lines] == ["key version", "[[rule]] 1, key limit", "key vrsion"]


def test_a_long_value_is_not_repeated() -> None:
    assert refusal({"version": "x" * 500}) == ["f.toml: key version: Input should be a valid integer"]


def test_the_error_is_of_the_class_that_is_asked_for() -> None:
    with pytest.raises(CardError, match="key version: missing"):
        checked(File, {}, "f.toml", error=CardError)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"a = 1\nb = x\n", "not valid TOML: .*line 2"),
        (b"a = '\xff'", "not valid TOML: .*utf-8"),
        (b"a = " + b"[" * 900, "not valid TOML"),
        (b"#" * 1001, "more than 1,000 bytes"),
    ],
)
def test_what_is_no_toml_is_refused_with_its_file(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "bad.toml"
    path.write_bytes(content)
    with pytest.raises(TableError, match=rf"bad\.toml: {said}"):
        read_toml(path, max_bytes=1000)


def test_a_file_that_is_not_there_or_a_folder_is_named(tmp_path: Path) -> None:
    for path in (tmp_path / "none.toml", tmp_path):
        with pytest.raises(TableError, match=rf"{path.name}: cannot be read"):
            read_toml(path, max_bytes=1000)


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["name", "limit", "size", "q"]), inner),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(["version", "inner", "rule", "other"]), anything))
def test_any_content_is_taken_or_refused_in_printable_lines(content: object) -> None:
    try:
        checked(File, content, "f.toml")
    except TableError as error:
        assert all(line.startswith("f.toml: ") and line.isprintable() for line in str(error).splitlines())


def test_lines_of_keys_are_those_of_the_file_whatever_stands_in_texts_of_several_lines() -> None:
    text = 'a.b = 1\nnote = """\n[c]\nd = 2\n"""\n[[e]]\n[[e]]  # second\n"f g" = 3\n[e.h]\ni = [\n  1,\n]\n'
    assert line_numbers(text) == {
        ("a", "b"): 1,
        ("note",): 2,
        ("e", 0): 6,
        ("e", 1): 7,
        ("e", 1, "f g"): 8,
        ("e", 1, "h"): 9,
        ("e", 1, "h", "i"): 10,
    }
    assert line_of(line_numbers(text), ("e", 1, "h", "unknown")) == " line 9"
    assert line_of(line_numbers(text), ("nothing",)) == ""
