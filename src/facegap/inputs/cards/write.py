"""Write model cards as TOML text."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from facegap.errors import CardError
from facegap.inputs.cards.read import MAX_CARD_BYTES
from facegap.inputs.cards.schema import ModelCard


def card_toml(card: ModelCard, remarks: Sequence[str] = ()) -> str:
    """Return a card as TOML: its keys, then its tables.

    remarks : comments at the top, one line each

    Raises
    ------
    CardError : If the text does not read back as the same card, because of a name in the graph or of the file.
    """
    values = card.model_dump(mode="json", exclude_none=True, exclude_defaults=True)
    text = "\n".join([*(f"# {remark}" for remark in remarks), *lines_of("", values)]) + "\n"
    require_same(card, text)
    return text


def lines_of(name: str, table: dict[str, Any]) -> Iterator[str]:
    """Yield the lines of a table, with its subtables last."""
    inner = {key: value for key, value in table.items() if isinstance(value, dict)}
    own = {key: value for key, value in table.items() if key not in inner}
    if name and (own or not inner):
        yield from ("", f"[{name}]")
    yield from pairs(own)
    for key, value in inner.items():
        yield from lines_of(f"{name}.{key}" if name else key, value)


def pairs(table: dict[str, Any]) -> list[str]:
    """Return the keys of one table."""
    return [f"{bare(key)} = {toml(value)}" for key, value in table.items()]


def bare(key: str) -> str:
    """Format a TOML key; keys with special characters, such as group names, are quoted."""
    return key if key.isascii() and key.replace("_", "").isalnum() else toml(key)


def toml(value: Any) -> str:
    """Format a TOML value: JSON strings are valid TOML, except for DEL, which a card must not contain anyway."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, Iterable):
        return f"[{', '.join(toml(item) for item in value)}]"
    return repr(value)


def require_same(card: ModelCard, text: str) -> None:
    """Raise CardError unless the text reads back as `card`."""
    try:
        again = ModelCard.model_validate(tomllib.loads(text))
    except ValueError as error:
        raise CardError(
            f"{card.file}: no card can be written for it ({str(error)[:200]}); rename the file and the outputs"
        ) from error
    if again != card or len(text.encode()) > MAX_CARD_BYTES:
        raise CardError(f"{card.file}: its card would not read back as written; rename the file and the outputs")
