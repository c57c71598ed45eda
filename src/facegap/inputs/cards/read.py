"""Model cards from TOML files: read, validated, listed, and found by name or by path.

A card is untrusted text. Its size and depth are limited, and every error names the file and the key, or the line of a TOML
syntax error.
"""

from __future__ import annotations

import contextlib
import difflib
import hashlib
import os
import re
import stat
import tomllib
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

from pydantic import ValidationError

from facegap.errors import CardError
from facegap.inputs.cards.schema import MAX_WEIGHTS_BYTES, THE_ONLY_ONE, ModelCard, Task
from facegap.inputs.strict_toml import mistakes

__all__ = ["THE_ONLY_ONE", "ModelCard", "Task", "cards_folder", "load_cards", "read_card", "resolve_card"]

# Six times our longest card. tomllib needs quadratic time for dotted keys: 15 s for 64 KiB of them, 1 s for 16 KiB.
MAX_CARD_BYTES = 16 * 1024
OPTIONS: dict[Task, str] = {
    "detect": "--detect",
    "embed": "--embed",
    "classify": "--classify",
    "verify": "--verify-service",
    "search": "--search-service",
}
MAX_DEPTH = 8
MAX_CARDS_IN_FOLDER = 1000
SHIPPED = "demo"  # folder of cards whose models are included in facegap
SERVICES = "services"  # folder of cards of services that users run themselves
HASH_CHUNK_BYTES = 1024 * 1024
# Control, formatting (which can reverse terminal output) and line-separating characters.
UNPRINTABLE = {"Cc", "Cf", "Zl", "Zp", "Cs"}
PATTERN_IN_WORDS: dict[str, str] = {
    "name": "must be 1 to 64 of a-z, 0-9 and _",
    "file": "must be a file name ending in .onnx, of letters, digits, '.', '_' and '-', without a folder",
    "sha256": "must be 64 hexadecimal digits",
    "key_env": "must be the name of an environment variable, never the key itself",
}


def cards_folder() -> Path:
    """Return the folder of the project's own cards: inside an installed wheel, or models/ of a source tree.

    Raises
    ------
    CardError : If neither exists, so the installation is incomplete.
    """
    package = Path(__file__).parents[2]
    installed, source_tree = package / "_models", package.parent.parent / "models"
    if installed.is_dir():
        return installed
    if package.parent.name == "src" and source_tree.is_dir():
        return source_tree
    raise CardError(f"no model cards: neither {installed} nor {source_tree} is a folder; install facegap again")


def read_card(path: Path) -> ModelCard:
    """Read the card in one TOML file.

    Raises
    ------
    CardError : If it is unreadable, too large, not TOML (names the line), or not a card (names every invalid key).
    """
    data = _parse(path, _read_bounded(path))
    try:
        card = ModelCard.model_validate(data)
    except ValidationError as error:
        raise CardError(describe_problems(path, error)) from None
    if card.name != name_of(path):
        raise CardError(f"{path}: key name: '{card.name}' differs from the name of the file; write '{name_of(path)}'")
    return card


def load_cards(folder: Path | None = None) -> dict[str, ModelCard]:
    """Read every card of a folder, by name in alphabetical order; None for `folder` reads the project's own cards, followed by
    those of the models included in facegap and of services.

    Raises
    ------
    CardError : If a card is invalid, two have the same name or sha256 (both files are named), or there is no card.
    """
    where = cards_folder() if folder is None else folder
    if not where.is_dir():
        raise CardError(f"{where}: no such folder with model cards")
    cards: dict[str, ModelCard] = {}
    file_of: dict[str, Path] = {}  # name or sha256 -> file
    more = (
        []
        if folder is not None
        else [path for name in (SHIPPED, SERVICES) for path in sorted((where / name).glob("*.toml"))]
    )
    for path in (*sorted(where.glob("*.toml")), *more):
        card = read_card(path)
        for key, value in (("name", card.name), ("sha256", card.sha256)):
            if value is not None and value in file_of:
                raise CardError(
                    f"{path}: key {key}: the same value as in {file_of[value]}; a model has one card, so "
                    f"remove one of the two"
                )
            if value is not None:
                file_of[value] = path
        cards[card.name] = card
    if not cards:
        raise CardError(f"{where}: contains no model card (*.toml)")
    return cards


def resolve_card(text: str, task: Task) -> tuple[ModelCard, Path | None]:
    """Return the card for the value of --detect, --embed or --classify, and the weights file if the value determines it.

    text : a card's name; a path to a card (.toml; uses the weights in its folder); or a path to weights (.onnx) whose card is
           in the same folder, or is one of the project's own by sha256

    Raises
    ------
    CardError : If no card matches (similar names are suggested), or the card is for another task.
    """
    card, weights = find_card(text, task)
    if card is None:
        cure = f"write one with facegap card new {text}, or let facegap doctor propose one"
        raise CardError(f"{text}: no card describes this file (sha256 {hash_file(Path(text))}); {cure}")
    if card.task != task:
        raise CardError(f"{text}: this model's task is {card.task}, not {task}; give it as {OPTIONS[card.task]} {text}")
    return card, weights


def find_card(text: str, task: Task | None = None) -> tuple[ModelCard | None, Path | None]:
    """Return the card for a text, as `resolve_card`, for any task; None for weights that no card describes.

    task : restricts the suggested names, if no card matches; None: all

    Raises
    ------
    CardError : If there is no such name or file, or the card is invalid.
    """
    suffix = Path(text).suffix.lower()
    if suffix == ".toml":
        return _from_card_path(Path(text))
    if suffix == ".onnx":
        return _from_weights_path(Path(text))
    return _from_name(text, task), None


def hash_file(path: Path) -> str:
    """Return the sha256 of a weights file in lower-case hexadecimal.

    Raises
    ------
    CardError : If it is not a regular file, unreadable, or over 2 GiB.
    """
    digest = hashlib.sha256()
    with opened(path) as (stream, size):
        left = size + 1
        while left and (chunk := stream.read(min(HASH_CHUNK_BYTES, left))):
            digest.update(chunk)
            left -= len(chunk)
    return digest.hexdigest()


def read_file(path: Path) -> bytes:
    """Read a weights file, allocating no more memory than its size.

    Raises
    ------
    CardError : If it is not a regular file, unreadable, over 2 GiB, or changed size while it was read.
    """
    with opened(path) as (stream, size):
        content = stream.read(size + 1)
    if len(content) != size:
        raise CardError(f"{path}: another program is writing to it; try again when it is complete")
    return content


@contextlib.contextmanager
def opened(path: Path) -> Iterator[tuple[BinaryIO, int]]:
    """Open a weights file and return it with its size, which is that of the open file even if the path is replaced.

    Opening a pipe or device does not block. Symbolic links are followed, because model caches consist of them.

    Raises
    ------
    CardError : If it is not a regular file, unreadable, or over 2 GiB.
    """
    try:
        with open(path, "rb", opener=non_blocking) as stream:
            status = os.fstat(stream.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise CardError(f"{path}: no such file")
            if status.st_size > MAX_WEIGHTS_BYTES:
                raise CardError(f"{path}: {status.st_size:,} bytes; an .onnx file must be smaller than 2 GiB")
            yield stream, status.st_size
    except (FileNotFoundError, IsADirectoryError):
        raise CardError(f"{path}: no such file") from None
    except OSError as error:
        raise CardError(f"{path}: cannot be read: {error.strerror or error}") from error


def non_blocking(path: str, flags: int) -> int:
    """Open a file without blocking, even if it is a pipe without a writer."""
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0))


def _from_name(text: str, task: Task | None) -> ModelCard:
    """Return the project's own card of this name."""
    cards = load_cards()
    if text in cards:
        return cards[text]
    fitting = [name for name, card in cards.items() if task in (None, card.task)]
    close = difflib.get_close_matches(text.lower(), fitting, n=3, cutoff=0.5)
    hint = (
        f"did you mean {' or '.join(close)}?" if close else f"cards that {task or 'there are'}: {', '.join(fitting)}."
    )
    raise CardError(f"{text!r}: no model card with this name; {hint} A path must end in .toml or .onnx")


def _from_card_path(path: Path) -> tuple[ModelCard, Path | None]:
    """Return the card at a path, and its weights if they are in the same folder under the card's file name."""
    card = read_card(path)
    beside = path.parent / card.file if card.file else None
    return card, beside if beside is not None and beside.is_file() else None


def _from_weights_path(path: Path) -> tuple[ModelCard | None, Path]:
    """Return the card of weights: in the same folder by stem, else by sha256, else the project's own; may be None."""
    sha256 = hash_file(path)
    same_stem = path.with_suffix(".toml")
    if same_stem.is_file():
        card = read_card(same_stem)
        if card.sha256 != sha256:
            raise CardError(f"{same_stem}: key sha256: {card.sha256} is not that of {path}, which has {sha256}")
        return card, path
    found = [candidate for candidate in _cards_in_folder(path) if _declared_sha256(candidate) == sha256]
    if len(found) > 1:
        raise CardError(f"{found[1]}: key sha256: the same as in {found[0]}; one card per model, remove one")
    if found:
        return read_card(found[0]), path
    own = [card for card in load_cards().values() if card.sha256 == sha256]
    return own[0] if own else None, path


def _cards_in_folder(path: Path) -> Iterator[Path]:
    """Return the sorted TOML files in the folder of `path`; raises CardError if there are too many."""
    files = sorted(path.parent.glob("*.toml"))
    if len(files) > MAX_CARDS_IN_FOLDER:
        raise CardError(f"{path.parent}: more than {MAX_CARDS_IN_FOLDER} .toml files; name the card itself")
    return iter(files)


def _declared_sha256(path: Path) -> str | None:
    """Return the sha256 in a TOML file, None if it is not a card; folders may contain other TOML files."""
    try:
        declared = _parse(path, _read_bounded(path)).get("sha256")
    except CardError:
        return None
    return declared.lower() if isinstance(declared, str) else None


def name_of(path: Path) -> str:
    """Return the card name for a file name: its stem in lower case, with other characters as underscores."""
    return re.sub(r"[^a-z0-9_]", "_", path.stem.lower())


def _read_bounded(path: Path) -> bytes:
    """Read a card of at most MAX_CARD_BYTES."""
    try:
        if not path.is_file():
            raise CardError(f"{path}: no such file")
        with path.open("rb") as stream:
            content = stream.read(MAX_CARD_BYTES + 1)
    except OSError as error:
        raise CardError(f"{path}: cannot be read: {error.strerror or error}") from error
    if len(content) > MAX_CARD_BYTES:
        raise CardError(f"{path}: larger than {MAX_CARD_BYTES // 1024} KiB, the limit for a card")
    return content


def _parse(path: Path, content: bytes) -> dict[str, Any]:
    """Parse the TOML of a card and check its depth and characters."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise CardError(f"{path}: line {line}: not UTF-8 text; save the card as UTF-8") from error
    try:
        data = tomllib.loads(text)
    except RecursionError:
        raise CardError(f"{path}: nested too deeply for a card") from None
    except ValueError as error:  # TOMLDecodeError, and the error of int() for thousands of digits
        raise CardError(f"{path}: not valid TOML: {error}") from None
    _check_values(path, data)
    return data


def _check_values(path: Path, data: dict[str, Any]) -> None:
    """Raise CardError for unprintable characters in keys or strings, and for too deep nesting.

    Does not recurse, because dotted keys can be nested thousands of levels deep.
    """
    waiting: list[tuple[str, int, Any]] = [("", 0, data)]
    while waiting:
        where, depth, value = waiting.pop()
        if depth > MAX_DEPTH:
            raise CardError(f"{path}: nested more than {MAX_DEPTH} levels deep, the limit for a card")
        if isinstance(value, dict):
            for key, member in value.items():
                _check_characters(path, f"key {where or 'names'}", key)
                waiting.append((f"{where}.{key}" if where else key, depth + 1, member))
        elif isinstance(value, list):
            waiting.extend((f"{where}[{index}]", depth + 1, member) for index, member in enumerate(value))
        elif isinstance(value, str):
            _check_characters(path, f"key {where}", value)


def _check_characters(path: Path, where: str, text: str) -> None:
    """Raise CardError if a text could control a terminal or be invisible."""
    for character in text:
        if unicodedata.category(character) in UNPRINTABLE:
            raise CardError(f"{path}: {where}: contains the unprintable character U+{ord(character):04X}; remove it")


def describe_problems(path: Path, error: ValidationError) -> str:
    """Describe every invalid key of a card, one line each, without values: a secret pasted into `key_env` must not reach a log."""
    said = mistakes(ModelCard, error, patterns=PATTERN_IN_WORDS, not_shown="key_env")
    return "\n".join(f"{path}: {line}" for line in said)
