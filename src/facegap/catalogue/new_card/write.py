"""Compose the text of a new card and write it to a file."""

from __future__ import annotations

import hashlib
import json
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from facegap.audit.settings import Models
from facegap.catalogue.new_card.guesses import Entry, Tables, tables_of
from facegap.catalogue.new_card.inspected import PICTURES, inspect_graph
from facegap.errors import CardError
from facegap.inputs.cards.graph import graph_facts
from facegap.inputs.cards.read import describe_problems, find_card, name_of, read_file
from facegap.inputs.cards.schema import ModelCard, Task
from facegap.runtime.models import open_model, stop_model
from facegap.store.files import write_bytes

FILL_IN = "fill in"
COMMENT_WIDTH = 116


@dataclass(frozen=True)
class NewCard:
    """A card that was written; `guesses` are the keys that the graph does not determine."""

    path: Path
    task: Task
    guesses: tuple[str, ...]


def known_card(model: Path) -> ModelCard | None:
    """Return the card that already describes this file, whatever the file's name; None if there is none.

    Raises
    ------
    CardError : If the file is missing, or the card with its name in the same folder describes another file.
    """
    if model.suffix.lower() != ".onnx":
        raise CardError(f"{model}: a card is written for a file with weights; give the path of an .onnx file")
    return find_card(str(model))[0]


def write_card(
    model: Path,
    *,
    task: Task | None = None,
    out: Path | None = None,
    timeout_s: float | None = Models.model_timeout,
) -> NewCard:
    """Write a card for a weights file, to the same folder unless `out` is given.

    timeout_s : time limit for running the model on a few images; None runs it in this process, without isolation

    Raises
    ------
    CardError  : If the file cannot be read, its name is not valid in a card, or `out` exists.
    ModelError : If the graph is not a face model in a form that a card can describe.
    """
    target = out or model.with_suffix(".toml")
    require_free(target)
    content = read_file(model)
    session = open_model(content, name=model.name, timeout_s=timeout_s, batch=PICTURES)
    try:
        chosen, tables = tables_of(inspect_graph(session, graph_facts(content), model.name), model.name, task)
    finally:
        stop_model(session)
    tables = {"": head(model, content, chosen, name_of(target)), **tables}
    text = card_text(tables, model.name, target.name, chosen)
    require_card(text, model)
    write_bytes(target, text.encode())
    guesses = tuple(
        f"{table}.{entry.key}".lstrip(".") for table, found in tables.items() for entry in found if entry.guessed
    )
    return NewCard(target, chosen, guesses)


def require_free(target: Path) -> None:
    """Raise CardError unless a card can be written to `target`."""
    if target.suffix.lower() != ".toml":
        raise CardError(f"{target}: the file name of a card must end in .toml; choose another file with --out")
    if not target.parent.is_dir():
        raise CardError(f"{target}: no folder {target.parent}; choose another file with --out")
    if target.exists():
        raise CardError(f"{target}: the file already exists and is kept; choose another with --out")


def head(model: Path, content: bytes, task: Task, name: str) -> list[Entry]:
    """Return the keys of the card's head."""
    return [
        Entry("name", name),
        Entry("task", task, "from the form of the outputs", guessed=True),
        Entry("backend", "onnx"),
        Entry("file", model.name),
        Entry("obtain", f"Save {model.name} next to this card.", f"{FILL_IN}: where others can obtain the file"),
        Entry("sha256", hashlib.sha256(content).hexdigest()),
        Entry("size_bytes", len(content)),
        Entry("licence", "unknown", f"{FILL_IN}: of the weights, not of the code"),
        Entry("commercial_use", "unknown", f"{FILL_IN}: true, false or unknown"),
        Entry("verified", False),
        Entry("citation", "not known", f"{FILL_IN}: paper and source of the weights"),
        Entry("known_limits", ["Its settings were guessed from the graph; review them."], FILL_IN),
    ]


def card_text(tables: Tables, model: str, card: str, task: Task) -> str:
    """Return the card as TOML, with the origin of each value in a comment."""
    lines = [
        f"# Written by facegap card new from the graph of {model} only.",
        "# GUESSED marks settings that the graph does not determine. Check them in the documentation of the model, "
        "and correct these lines first.",
        *(f"# Then: {step}" for step in next_steps(card, task)),
        "",
    ]
    for table, entries in tables.items():
        lines += [f"[{table}]"] if table else []
        for entry in entries:
            lines += lines_of(entry)
        lines.append("")
        if not table:
            lines += ["[training_data]", 'description = "not known"' + f"  # {FILL_IN}", 'status = "unknown"', ""]
    return "\n".join(lines).rstrip() + "\n"


def lines_of(entry: Entry) -> list[str]:
    """Return one key with its comment, which goes on the line above if it does not fit."""
    line = f"{entry.key} = {toml(entry.value)}"
    comment = (
        f"GUESSED: {entry.reason}" if entry.guessed and entry.reason else "GUESSED" if entry.guessed else entry.reason
    )
    if not comment:
        return [line]
    together = f"{line}  # {comment}"
    return [together] if len(together) <= COMMENT_WIDTH else [f"# {comment}", line]


def toml(value: Any) -> str:
    """Format a value as TOML; JSON writes strings, numbers, booleans and lists the same way."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def next_steps(card: str, task: Task) -> tuple[str, ...]:
    """Return the commands that check the guesses."""
    if task == "detect":
        return (f"facegap audit people.csv --detect {card} --detect-only   (how many faces are found, by group)",)
    if task == "quality":
        return (
            f"facegap doctor {card} --manifest people.csv   (checks on portraits that qualities are numbers, and "
            f"lower for blurred faces)",
            f"facegap audit people.csv --embed MODEL --quality {card} --out run",
        )
    needed = "at least 20 people with two photographs each" if task == "embed" else "portraits with gender or age"
    return (
        f"facegap doctor {card} --manifest people.csv   ({needed}: it tries other colours, scales and crops)",
        f"facegap audit people.csv --{task} {card} --out run",
    )


def require_card(text: str, model: Path) -> None:
    """Raise CardError unless the text is a valid card: a name from the graph or the file may be invalid in a card."""
    try:
        ModelCard.model_validate(tomllib.loads(text))
    except ValidationError as error:
        raise CardError(
            f"{describe_problems(model, error)}\na card cannot describe {model.name} under this name"
        ) from None
    except tomllib.TOMLDecodeError as error:
        raise CardError(
            f"{model}: a name in its graph cannot be written in a card: {error}; export it with other names"
        ) from None
