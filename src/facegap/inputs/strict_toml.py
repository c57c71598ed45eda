"""Read TOML files as strict pydantic models, within limits; every error has file, key and remedy.

Such a file is untrusted text. Its models reject unknown keys and do not convert values.
"""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, NamedTuple, TypeVar, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError

from facegap.errors import FacegapError, TableError
from facegap.store.opened import opened

LONGEST_SHOWN = 80  # characters of an invalid value in a message
NOT_TABLES = "not_tables"
Location = tuple[str | int, ...]
Model = TypeVar("Model", bound=BaseModel)


class Table(BaseModel):
    """Base class of every table: unknown keys are rejected, values are not converted, instances are immutable.

    The description of a field states valid values, as in "give a whole number from 1 up".
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


def _as_tuple(value: Any) -> Any:
    """Convert a TOML list to a tuple; other values are unchanged."""
    return tuple(value) if isinstance(value, list) else value


def _tables(value: Any) -> Any:
    """Convert the tables of [[name]] to a tuple."""
    if not isinstance(value, list) or not all(isinstance(entry, dict) for entry in value):
        raise PydanticCustomError(NOT_TABLES, "not a list of tables")
    return tuple(value)


ListOf = BeforeValidator(_as_tuple)
Tables = BeforeValidator(_tables)
Texts = Annotated[tuple[str, ...], ListOf]


def numbers(low: float, high: float, *, whole: bool = False) -> BeforeValidator:
    """Return a validator for one number or a list of numbers within low..high, converted to a tuple."""
    wanted = f"a whole number from {low:,} to {high:,}" if whole else f"a number from {low:g} to {high:g}"

    def checked_numbers(value: Any) -> tuple[float, ...]:
        found = value if isinstance(value, list | tuple) else [value]
        if not found or not all(is_number(one, whole=whole) and low <= one <= high for one in found):
            raise ValueError(f"give {wanted}, or a list of these")
        return tuple(found)

    return BeforeValidator(checked_numbers)


def is_number(value: Any, *, whole: bool) -> bool:
    """Return whether a value is a number, or an integer if `whole`; booleans are not numbers."""
    return isinstance(value, int if whole else int | float) and not isinstance(value, bool)


def read_toml(path: Path, *, max_bytes: int) -> tuple[bytes, dict[str, Any]]:
    """Read the bytes and the content of a TOML file.

    Raises
    ------
    TableError : If it is unreadable, larger than `max_bytes`, not UTF-8, or not TOML (names the line).
    """
    try:
        with opened(path) as file:
            content = file.read(max_bytes + 1)
    except (OSError, ValueError) as error:
        raise TableError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from error
    if len(content) > max_bytes:
        raise TableError(f"{path}: more than {max_bytes:,} bytes, the limit for such a file")
    try:
        return content, tomllib.loads(content.decode("utf-8"))
    except (ValueError, RecursionError) as error:  # TOMLDecodeError and UnicodeDecodeError are ValueErrors
        raise TableError(f"{path}: not valid TOML: {error}") from error


def checked(
    model: type[Model], content: Any, file: str | Path, *, error: type[FacegapError] = TableError, text: str = ""
) -> Model:
    """Validate the content of a file.

    text : text of the file, so that errors have line numbers

    Raises
    ------
    FacegapError : Of class `error`, with one line for each invalid key: file, key and valid values.
    """
    try:
        return model.model_validate(content)
    except ValidationError as problems:
        lines = line_numbers(text)
        said = zip(mistakes(model, problems, content=content), problems.errors(include_url=False), strict=True)
        raise error("\n".join(f"{file}{line_of(lines, one['loc'])}: {words}" for words, one in said)) from None


_HEAD = re.compile(r"\s*(\[\[?)\s*([^\[\]#]+?)\s*\]\]?\s*(#.*)?")
_KEY = re.compile(r"""\s*((?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*'))*)\s*=""")


def line_numbers(text: str) -> dict[Location, int]:
    """Return the line, from 1, of each key and table of a valid TOML text; a [[table]] is numbered from 0.

    Examples
    --------
    >>> line_numbers("title = 'x'\\n[[set]]\\nname = 'a'\\n")
    {('title',): 1, ('set', 0): 2, ('set', 0, 'name'): 3}
    """
    found: dict[Location, int] = {}
    times: dict[str, int] = {}
    table: Location = ()
    inside = ""  # the quotes of a multi-line string
    for number, line in enumerate(text.splitlines(), start=1):
        opened_here = not inside
        for quotes in re.findall(r'"""|\'\'\'', line):
            inside = "" if inside == quotes else inside or quotes
        if not opened_here:
            continue
        if head := _HEAD.fullmatch(line):
            first, *others = names_of(head[2])
            if head[1] == "[[" and not others:
                times[first] = times.get(first, -1) + 1
            table = (first, *((times[first],) if first in times else ()), *others)
            found.setdefault(table, number)
        elif key := _KEY.match(line):
            found.setdefault((*table, *names_of(key[1])), number)
    return found


def names_of(dotted: str) -> list[str]:
    """Return the names of a dotted key, without quotes."""
    return [part.strip().strip("\"'") for part in re.findall(r"""[A-Za-z0-9_-]+|"[^"]*"|'[^']*'""", dotted)]


def line_of(lines: Mapping[Location, int], where: Location) -> str:
    """Return ` line 7` for the nearest key or table at or above a location; empty if unknown."""
    for end in range(len(where), 0, -1):
        if where[:end] in lines:
            return f" line {lines[where[:end]]}"
    return ""


def mistakes(
    model: type[BaseModel],
    error: ValidationError,
    *,
    content: Any = None,
    patterns: Mapping[str, str] | None = None,
    not_shown: str = "",
) -> Iterator[str]:
    """Yield a sentence for every invalid key, such as `[[rate]] 2, key max: give a proportion from 0 to 1 (it is 10)`.

    content   : of the file, so that a [[table]] with a name is identified by it
    patterns  : by key, the message for text that does not match its pattern
    not_shown : a key whose value is not shown
    """
    for problem in error.errors(include_url=False):
        where: Location = problem["loc"]
        found = field_at(model, where)
        kind, value = problem["type"], problem["input"]
        hidden = not_shown and not_shown in where
        if kind == "extra_forbidden":
            said = f"unknown{close_to(str(where[-1]), tuple(found.table.model_fields))}"
        elif kind == "missing":
            said = "missing" + (f"; give {found.wanted}" if found.wanted else "")
        elif kind == NOT_TABLES:
            said = f"not a list of tables; write [[{where[-1]}]] above the keys of each"
        elif kind == "value_error":
            said = problem["msg"].removeprefix("Value error, ") + ("" if hidden else shown(value))
        elif kind == "string_pattern_mismatch" and patterns and where[-1] in patterns:
            said = patterns[str(where[-1])] + ("" if hidden else shown(value))
        else:
            said = (f"give {found.wanted}" if found.wanted else problem["msg"]) + ("" if hidden else shown(value))
        # Valid values are described for the whole list, and a single value may replace a list of one.
        whole = where[:-1] if found.wanted and isinstance(where[-1], int) else where
        place = place_in_words(whole, name_of_table(content, where) if found.in_tables else None)
        yield f"{place}: {said}" if place else said


class Found(NamedTuple):
    """The table of a location, the valid values of its key, and whether the location begins with a [[table]]."""

    table: type[BaseModel]
    wanted: str
    in_tables: bool


def field_at(model: type[BaseModel], where: Location) -> Found:
    """Find a location in a model."""
    table, wanted, in_tables = model, "", False
    field: FieldInfo | None = None
    for depth, part in enumerate(where):
        if isinstance(part, int):
            in_tables = in_tables or (depth == 1 and field is not None and table_of(field.annotation) is not None)
            continue
        inner = table_of(field.annotation) if field is not None else None
        table = inner or table
        field = table.model_fields.get(part)
        wanted = (field.description or "") if field is not None else ""
    return Found(table, wanted, in_tables)


def table_of(annotation: Any) -> type[BaseModel] | None:
    """Return the model in an annotation such as `Model`, `Model | None` or `tuple[Model, ...]`; None if there is none."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((inner for part in get_args(annotation) if (inner := table_of(part)) is not None), None)


def name_of_table(content: Any, where: Location) -> str:
    """Return the name that a [[table]] states, empty if it has none that can be shown."""
    try:
        name = content[where[0]][where[1]]["name"]
    except (LookupError, TypeError):
        return ""
    return name if isinstance(name, str) and name.isprintable() and len(name) <= LONGEST_SHOWN else ""


def place_in_words(where: Location, table: str | None) -> str:
    """Format `[[rate]] 2 (release), key max` for the second [[rate]]; `key input.size.1` elsewhere; empty for the file.

    table : name of the [[table]] at the start of the location, None if it does not start with one
    """
    front, keys = "", where
    if table is not None:
        front, keys = f"[[{where[0]}]] {int(where[1]) + 1}" + (f" ({table})" if table else ""), where[2:]
    # A key is untrusted text, which may contain terminal controls.
    key = ".".join(part if str(part).isprintable() else repr(part) for part in map(str, keys))
    return ", ".join(text for text in (front, f"key {key}" if key else "") if text)


def close_to(name: str, known: Sequence[str]) -> str:
    """Suggest a similar key, or list all if none is similar."""
    close = difflib.get_close_matches(name, known, n=1)
    return f"; did you mean {close[0]}?" if close else f"; the keys of this table are {', '.join(known)}"


def shown(value: Any) -> str:
    """Return ` (it is ...)` for a value that is short enough to show."""
    brief = isinstance(value, str | int | float | tuple | list) and len(repr(value)) <= LONGEST_SHOWN
    return f" (it is {value!r})" if brief else ""
