"""Weights on this machine: where they may be, which file belongs to a card, and its verified bytes.

A file is used only if its sha256 matches the card. The bytes that are returned are those that were verified, so a file that is
replaced in between is an error.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from facegap.errors import CardError, FetchError
from facegap.inputs.cards.read import SHIPPED, cards_folder, hash_file, load_cards, read_file
from facegap.inputs.cards.schema import MAX_WEIGHTS_BYTES, ModelCard, Task

FOLDERS_VARIABLE = "FACEGAP_MODELS"


@dataclass(frozen=True)
class ModelRow:
    """One row of `facegap models`. `path` is the file on this machine, None if there is none or none is needed."""

    name: str
    task: Task
    backend: Literal["onnx", "http"]
    size_bytes: int | None
    licence: str
    commercial_use: bool | Literal["unknown"]
    verified: bool
    can_be_fetched: bool
    path: Path | None


def cache_folder() -> Path:
    """Return the folder in the user's cache for `facegap fetch`; it need not exist yet."""
    import platformdirs

    return platformdirs.user_cache_path("facegap") / "models"


def models_folders(extra: Sequence[Path] = ()) -> list[Path]:
    """Return the folders that may contain weights, in order of precedence: `extra` (--models-dir), FACEGAP_MODELS, the user's cache.

    Raises
    ------
    CardError : If a named folder does not exist; a misspelt folder is never ignored silently.
    """
    named = [("--models-dir", folder) for folder in extra]
    variable = os.environ.get(FOLDERS_VARIABLE, "")
    named += [(FOLDERS_VARIABLE, Path(part).expanduser()) for part in variable.split(os.pathsep) if part]
    for origin, folder in named:
        if not folder.is_dir() or not os.access(folder, os.R_OK | os.X_OK):
            raise CardError(f"{origin}: {folder} is not a readable folder")
    folders = [folder for _, folder in named] + [cache_folder()]
    return list(dict.fromkeys(folders))


def find_weights(card: ModelCard, folders: Sequence[Path], given: Path | None = None) -> Path | None:
    """Return the file with the card's sha256, None if no folder contains it or the card needs no file.

    Each folder is searched for the card's file name first, then for any *.onnx with the right content.
    `given` is a file that the user named: it is the only candidate.

    Raises
    ------
    CardError : If `given` is missing or does not match the card.
    """
    if card.sha256 is None:
        return None
    if given is not None:
        _require_same(card, given, hash_file(given))
        return given
    return _search(card, folders, {})


def read_weights(card: ModelCard, folders: Sequence[Path], given: Path | None = None) -> bytes:
    """Return the bytes of a card's weights, after checking their size and sha256.

    Raises
    ------
    CardError  : If `given` does not match the card, or a file changed while it was read.
    FetchError : If no folder contains the file; the message says how to get it.
    """
    path = find_weights(card, folders, given)
    if path is None:
        raise FetchError(how_to_get(card, folders))
    content = read_file(path)
    if card.size_bytes is not None and len(content) != card.size_bytes:
        sizes = f"{len(content):,} bytes, but card {card.name}, key size_bytes, says {card.size_bytes:,}"
        raise CardError(f"{path}: {sizes}; this is a different file")
    _require_same(card, path, hashlib.sha256(content).hexdigest())
    return content


def how_to_get(card: ModelCard, folders: Sequence[Path]) -> str:
    """Explain how to obtain missing weights: by fetching them, or by saving a given file to a given folder."""
    if card.backend == "http":
        return f"{card.name}: a black-box service has no weights to download"
    where = ", ".join(str(folder) for folder in folders) or str(cache_folder())
    way = f"Run facegap fetch {card.name}" if card.source else str(card.obtain)
    lookalikes = [str(folder / card.file) for folder in folders if card.file and (folder / card.file).is_file()]
    wrong = f" ({', '.join(lookalikes)} is a different file: its sha256 differs.)" if lookalikes else ""
    return (
        f"{card.name}: no file with sha256 {card.sha256} in {where}.{wrong} {way.rstrip('. ')}. "
        f"If you already have a copy, save it there as {card.file}, or give its folder with --models-dir"
    )


def list_models(folders: Sequence[Path], cards: dict[str, ModelCard] | None = None) -> list[ModelRow]:
    """Return one row per card, in alphabetical order; None for `cards` lists the project's own."""
    known = load_cards() if cards is None else cards
    hashes: dict[Path, str] = {}  # each file is hashed once, even if it could belong to several cards
    return [
        ModelRow(
            name=card.name,
            task=card.task,
            backend=card.backend,
            size_bytes=card.size_bytes,
            licence=card.licence,
            commercial_use=card.commercial_use,
            verified=card.verified,
            can_be_fetched=card.source is not None,
            path=_search(card, folders, hashes) if card.sha256 else None,
        )
        for card in known.values()
    ]


def _search(card: ModelCard, folders: Sequence[Path], hashes: dict[Path, str]) -> Path | None:
    """Return the first candidate with the card's sha256; `hashes` caches computed hashes."""
    for path in _candidates(card, folders):
        if path not in hashes:
            hashes[path] = hash_file(path)
        if hashes[path] == card.sha256:
            return path
    return None


def _candidates(card: ModelCard, folders: Sequence[Path]) -> Iterator[Path]:
    """Yield files that could be the card's: the preferred name in every folder and among the included models, then every other
    .onnx of a fitting size in the folders.
    """
    assert card.file is not None
    preferred = [folder / card.file for folder in (*folders, cards_folder() / SHIPPED)]
    others = [path for folder in folders for path in sorted(folder.glob("*.onnx")) if path not in preferred]
    return (path for path in (*preferred, *others) if _could_be(card, path))


def _could_be(card: ModelCard, path: Path) -> bool:
    """Return whether a path is a regular file of a size that fits the card; others need not be hashed."""
    try:
        if not path.is_file():
            return False
        size_bytes = path.stat().st_size
    except OSError:  # deleted, or its folder (the user's cache) is not accessible
        return False
    return size_bytes <= MAX_WEIGHTS_BYTES if card.size_bytes is None else size_bytes == card.size_bytes


def _require_same(card: ModelCard, path: Path, sha256: str) -> None:
    """Raise CardError unless `sha256` is the card's."""
    if sha256 != card.sha256:
        raise CardError(
            f"{path}: sha256 is {sha256}, but card {card.name}, key sha256, says {card.sha256}; this is a different "
            f"file: give the file of the card, or write a card for this one"
        )
