"""The reference of files: the fields of cards, plans, policies and run.json, generated from the classes that read them."""

from __future__ import annotations

import json
import re
import types
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from typing import Annotated, Any, Literal, NamedTuple, Union, get_args, get_origin, get_type_hints

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from sitegen.markdown import code, escaped, table

NOTE = re.compile(r"^(?P<names>[a-z_][\w.]*(?:, [\w.]+)*) {1,40}: (?P<text>.+)$")
PLAIN: Mapping[Any, str] = {
    str: "text",
    int: "integer",
    float: "number",
    bool: "true or false",
    type(None): "null",
    Any: "any value",
}


class Field(NamedTuple):
    """One field of a class. classes : those of the package that its type names"""

    name: str
    kind: str
    required: bool
    default: str
    note: str
    classes: tuple[type, ...]


def notes_of(doc: str) -> dict[str, str]:
    """Return what a docstring says about names, in lines such as `low, high : limits`; indented lines continue one.

    Examples
    --------
    >>> notes_of("A rate.\\n\\n    low, high : limits of\\n                the interval\\n    level : of both")
    {'low': 'limits of the interval', 'high': 'limits of the interval', 'level': 'of both'}
    """
    found: dict[str, str] = {}
    names: list[str] = []
    indent = 0
    for line in doc.expandtabs().splitlines():
        here = len(line) - len(line.lstrip())
        said = NOTE.match(line.strip())
        if said and (not names or here <= indent):
            names, indent = said["names"].split(", "), here
            found |= dict.fromkeys(names, said["text"].strip())
        elif names and line.strip() and here > indent:
            found |= {name: f"{found[name]} {line.strip()}" for name in names}
        elif line.strip():
            names = []
    return found


def kind_in_words(annotation: Any) -> str:
    """A type in words: `text`, `list of numbers`, `"a" or "b"`; classes of the package as links to their heading."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return kind_in_words(inner[0])
    if origin is Literal:
        return " or ".join(code(json.dumps(one)) for one in inner)
    if origin in (Union, types.UnionType):
        return " or ".join(dict.fromkeys(kind_in_words(one) for one in inner if one is not type(None)))
    if origin in (tuple, list) or (isinstance(origin, type) and issubclass(origin, Sequence)):
        kinds = [kind_in_words(one) for one in inner if one is not Ellipsis]
        if len(kinds) > 1:
            return f"list of {len(kinds)}: {' and '.join(dict.fromkeys(kinds))}"
        return f"list of: {kinds[0]}"
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return f"table from {kind_in_words(inner[0])} to {kind_in_words(inner[1])}"
    if is_own(annotation):
        return f"[{annotation.__name__}](#{annotation.__name__.lower()})"
    return PLAIN.get(annotation, getattr(annotation, "__name__", str(annotation)))


def is_own(annotation: Any) -> bool:
    """Whether a type is a class of the package with fields."""
    return isinstance(annotation, type) and (issubclass(annotation, BaseModel) or is_dataclass(annotation))


def classes_in(annotation: Any) -> Iterator[type]:
    """The classes of the package in a type."""
    if is_own(annotation):
        yield annotation
    for inner in get_args(annotation):
        yield from classes_in(inner)


def default_in_words(value: Any) -> str:
    """A default; empty for none, for an empty list and for a table of defaults."""
    if value is None or value in ((), {}, "") or isinstance(value, BaseModel) or is_dataclass(value) or value != value:
        return ""
    return code(json.dumps(value, ensure_ascii=False))


def bounds_in_words(metadata: Iterable[Any]) -> str:
    """The bounds of a number or a length."""
    found = []
    for one in metadata:
        for sign, name in ((">=", "ge"), (">", "gt"), ("<=", "le"), ("<", "lt")):
            if (limit := getattr(one, name, None)) is not None:
                found.append(f"{sign} {limit:,}" if isinstance(limit, int) else f"{sign} {limit:g}")
        if (low := getattr(one, "low", None)) is not None:  # typed_json.Between
            found.append(f">= {low:g}")
            found += [f"<= {one.high:g}"] if one.high != float("inf") else []
    return ", ".join(found)


def inner_metadata(annotation: Any) -> tuple[Any, ...]:
    """The metadata of an Annotated type, or of one in a union."""
    if get_origin(annotation) is Annotated:
        return get_args(annotation)[1:]
    if get_origin(annotation) in (Union, types.UnionType):
        return tuple(found for inner in get_args(annotation) for found in inner_metadata(inner))
    return ()


def fields_of(model: type) -> list[Field]:
    """The fields of a pydantic model or a dataclass."""
    notes = {name: text for base in reversed(model.__mro__) for name, text in notes_of(base.__doc__ or "").items()}
    hints = get_type_hints(model, include_extras=True)
    found = []
    if issubclass(model, BaseModel):
        for name, field in model.model_fields.items():
            default = "" if field.default is PydanticUndefined else default_in_words(field.default)
            bounds = bounds_in_words((*field.metadata, *inner_metadata(hints[name])))
            said = "; ".join(
                text for text in (escaped(field.description or ""), escaped(notes.get(name, "")), bounds) if text
            )
            kinds = tuple(classes_in(hints[name]))
            found.append(Field(name, kind_in_words(hints[name]), field.is_required(), default, said, kinds))
        return found
    for field in fields(model):
        required = field.default is MISSING and field.default_factory is MISSING
        default = "" if field.default is MISSING else default_in_words(field.default)
        said = "; ".join(
            t for t in (escaped(notes.get(field.name, "")), bounds_in_words(inner_metadata(hints[field.name]))) if t
        )
        kinds = tuple(classes_in(hints[field.name]))
        found.append(Field(field.name, kind_in_words(hints[field.name]), required, default, said, kinds))
    return found


def classes_below(model: type) -> list[type]:
    """A class and those that its fields name, each once, breadth first."""
    found = [model]
    for one in found:  # grows while it is read
        found += [inner for field in fields_of(one) for inner in field.classes if inner not in found]
        found[:] = list(dict.fromkeys(found))
    return found


def summary_of(model: type) -> str:
    """The docstring of a class without its lines about names."""
    paragraphs = (model.__doc__ or "").split("\n\n")
    kept = [
        " ".join(text.split()) for text in paragraphs if not any(NOTE.match(line.strip()) for line in text.splitlines())
    ]
    return escaped("\n\n".join(text for text in kept if text and not text.startswith(">>>")))


def said_of(field: Field) -> str:
    """What the class of a field says of itself, where it has one class and no note of its own."""
    return summary_of(field.classes[0]).split("\n\n")[0] if len(field.classes) == 1 else ""


def fields_page(title: str, introduction: str, model: type) -> str:
    """The page of a file: a section for each class, the file itself first."""
    parts = [f"# {title}\n", introduction + "\n"]
    for one in classes_below(model):
        rows = [
            (code(field.name), field.kind, "yes" if field.required else "", field.default, field.note or said_of(field))
            for field in fields_of(one)
        ]
        parts += [f"## {one.__name__}\n", summary_of(one) + "\n"]
        parts.append(table(("key", "type", "required", "default", "description"), rows))
    return "\n".join(parts)
