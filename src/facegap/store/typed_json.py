"""Convert frozen dataclasses to JSON and back. Reading is strict, because someone else may have written the file.

A dataclass is read from an object with exactly its fields, a tuple from a list, and a Mapping from an object. Text must be
Unicode, and numbers finite and within the bounds of their type. For `Any`, a JSON value is checked only for text, finite
numbers and depth.
"""

from __future__ import annotations

import json
import math
import types
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from functools import cache
from typing import Annotated, Any, Literal, NamedTuple, NoReturn, Union, get_args, get_origin, get_type_hints

from facegap.errors import RunError

MOST_LEVELS = 32  # of nested JSON values
SHOWN = 60  # characters of an invalid value in a message


@dataclass(frozen=True)
class Between:
    """Inclusive bounds of a number, used as `Annotated[int, Between(0)]`."""

    low: float
    high: float = math.inf


Count = Annotated[int, Between(0)]


class Place(NamedTuple):
    """Location of a value. key : names from the top level, separated by periods; empty for the whole file"""

    file: str
    key: str = ""

    def below(self, name: str | int) -> Place:
        """Return the location of an entry."""
        if isinstance(name, int):
            return Place(self.file, f"{self.key}[{name}]")
        readable = name[:SHOWN].encode("utf-8", "backslashreplace").decode("utf-8")
        return Place(self.file, f"{self.key}.{readable}" if self.key else readable)

    def refuse(self, what: str) -> NoReturn:
        """Raise RunError with the file, the key and what is wrong."""
        where = f"{self.file}, key {self.key}" if self.key else self.file
        raise RunError(f"{where}: {what}")


# ---- to JSON ----


def to_json(value: Any) -> Any:
    """Convert a value for JSON: dataclasses and mappings to objects, tuples to lists, everything else unchanged."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_json(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): to_json(item) for key, item in value.items()}
    return [to_json(item) for item in value] if isinstance(value, list | tuple) else value


# ---- from JSON ----


def parse_object(text: str, place: Place) -> dict[str, Any]:
    """Parse a JSON text that is an object.

    Raises
    ------
    RunError : If it is not JSON or not an object, or contains a duplicate key, NaN or Infinity, or is nested too deeply.
    """

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            names = [name for name, _ in pairs]
            twice = next(name for name in names if names.count(name) > 1)
            place.below(twice).refuse("occurs twice")
        return found

    def no_number(word: str) -> NoReturn:
        place.refuse(f"{word} is not JSON")

    try:
        value = json.loads(text, object_pairs_hook=once, parse_constant=no_number)
    except (ValueError, RecursionError) as error:
        raise RunError(f"{place.file}: not readable JSON ({str(error)[:200]})") from error
    if not isinstance(value, dict):
        place.refuse("not a JSON object")
    return value


def from_json(kind: Any, value: Any, place: Place) -> Any:
    """Convert a parsed JSON value to a type.

    Raises
    ------
    RunError : If the value does not have that type; the message names file and key.
    """
    origin, inner = get_origin(kind), get_args(kind)
    if kind is Any:
        return checked_value(value, place)
    if is_dataclass(kind):
        return object_from_json(kind, value, place)
    if origin is Annotated:
        return within(inner[1], from_json(inner[0], value, place), place)
    if origin is Literal:
        return (
            value
            if isinstance(value, str) and value in inner
            else wrong(value, f"not one of {', '.join(inner)}", place)
        )
    if origin in (Union, types.UnionType):
        (some,) = (one for one in inner if one is not types.NoneType)
        return None if value is None else from_json(some, value, place)
    if origin is tuple:
        entries = value if isinstance(value, list) else wrong(value, "not a list", place)
        return tuple(from_json(inner[0], entry, place.below(k)) for k, entry in enumerate(entries))
    if origin is Mapping:
        return mapping_from_json(inner[0], inner[1], value, place)
    return single_from_json(kind, value, place)


def object_from_json(kind: Any, value: Any, place: Place) -> Any:
    """Convert an object with exactly the fields of a dataclass."""
    stated = value if isinstance(value, dict) else wrong(value, "not an object", place)
    hints = hints_of(kind)
    missing = [name for name in hints if name not in stated]
    if missing:
        place.below(missing[0]).refuse("missing")
    unknown = [name for name in stated if name not in hints]
    if unknown:
        place.below(unknown[0]).refuse("not a known key")
    return kind(**{name: from_json(hint, stated[name], place.below(name)) for name, hint in hints.items()})


def mapping_from_json(key: Any, item: Any, value: Any, place: Place) -> dict[Any, Any]:
    """Convert a mapping with free keys, or keys of a Literal."""
    stated = value if isinstance(value, dict) else wrong(value, "not an object", place)
    return {
        from_json(key, name, place.below(name)): from_json(item, entry, place.below(name))
        for name, entry in stated.items()
    }


def single_from_json(kind: Any, value: Any, place: Place) -> Any:
    """Convert text, a number or a boolean; an integer is also accepted for a float."""
    if kind is bool:
        return value if isinstance(value, bool) else wrong(value, "neither true nor false", place)
    if kind is int:
        whole = isinstance(value, int) and not isinstance(value, bool)
        return value if whole else wrong(value, "not a whole number", place)
    if kind is float:
        return number(value, place)
    assert kind is str, kind
    return unicode_text(value, place) if isinstance(value, str) else wrong(value, "not text", place)


def number(value: Any, place: Place) -> float:
    """Return a finite number."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        wrong(value, "not a number", place)
    try:
        found = float(value)
    except OverflowError:
        found = math.inf
    return found if math.isfinite(found) else wrong(value, "not a finite number", place)


def unicode_text(value: str, place: Place) -> str:
    """Return text that can be encoded as UTF-8; JSON can contain lone surrogates, which cannot."""
    if any("\ud800" <= letter <= "\udfff" for letter in value):
        wrong(value, "not Unicode text", place)
    return value


def within(bounds: Between, value: Any, place: Place) -> Any:
    """Return a number within its bounds."""
    if bounds.low <= value <= bounds.high:
        return value
    said = f"from {bounds.low:g} to {bounds.high:g}" if math.isfinite(bounds.high) else f"{bounds.low:g} or more"
    return wrong(value, f"must be {said}", place)


def checked_value(value: Any, place: Place, level: int = 0) -> Any:
    """Return any JSON value with Unicode text and finite numbers, nested to a limited depth."""
    if level > MOST_LEVELS:
        place.refuse(f"more than {MOST_LEVELS} nested values")
    if isinstance(value, dict):
        return {
            unicode_text(name, place): checked_value(entry, place.below(name), level + 1)
            for name, entry in value.items()
        }
    if isinstance(value, list):
        return [checked_value(entry, place.below(k), level + 1) for k, entry in enumerate(value)]
    if isinstance(value, str):
        return unicode_text(value, place)
    if isinstance(value, float):
        return number(value, place)
    return value


def wrong(value: Any, what: str, place: Place) -> NoReturn:
    """Raise RunError with the beginning of the value."""
    shown = ascii(value) if isinstance(value, str | int | float | bool | None) else f"a {type(value).__name__}"
    place.refuse(f"{shown[:SHOWN]} is {what}" if not what.startswith("must") else f"{shown[:SHOWN]} {what}")


@cache
def hints_of(kind: type[Any]) -> dict[str, Any]:
    """Return the fields of a dataclass by name, with their types."""
    hints = get_type_hints(kind, include_extras=True)
    return {field.name: hints[field.name] for field in fields(kind)}
