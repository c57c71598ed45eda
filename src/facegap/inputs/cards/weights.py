"""Weights on this machine: where they may lie, which file is the one of a card, and its bytes once checked.

A file is used only if its sha256 is the card's. The check is made on the very bytes that are handed on, so a
file that is exchanged between check and use is an error too.
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
    """One line of `facegap models`. `path` is the file on this machine, None where there is none or none is needed."""

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
    """The folder in the user's cache that `facegap fetch` fills; it need not exist yet."""
    import platformdirs

    return platformdirs.user_cache_path("facegap") / "models"


def models_folders(extra: Sequence[Path] = ()) -> list[Path]:
    """Folders that may hold weights, first wins: `extra` (--models-dir), FACEGAP_MODELS, the user's cache.

    Raises
    ------
    CardError : a folder that was named does not exist; a misspelt folder is never passed over in silence
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
    """The file whose sha256 is the card's, None where no folder holds it or the card needs no file.

    Each folder is searched for the card's own file name first, then for any *.onnx of the right content.
    `given` is a file that the user named: it is the only candidate.

    Raises
    ------
    CardError : `given` is missing or is another file than the card says
    """
    if card.sha256 is None:
        return None
    if given is not None:
        _require_same(card, given, hash_file(given))
        return given
    return _search(card, folders, {})


def read_weights(card: ModelCard, folders: Sequence[Path], given: Path | None = None) -> bytes:
    """The bytes of a card's weights; size and sha256 are checked on these very bytes.

    Raises
    ------
    CardError  : `given` is not the file of the card, or a file changed while it was read
    FetchError : no folder holds the file; the message says how to get it
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
    """What a user does about weights that are on this machine nowhere: fetch them, or put which file where."""
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
    """One row per card, in alphabetical order; `cards` are the project's own where it is None."""
    known = load_cards() if cards is None else cards
    hashes: dict[Path, str] = {}  # a file is hashed once, however many cards could be meant by it
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
    """The first candidate of the card's sha256; `hashes` remembers what was computed on the way."""
    for path in _candidates(card, folders):
        if path not in hashes:
            hashes[path] = hash_file(path)
        if hashes[path] == card.sha256:
            return path
    return None


def _candidates(card: ModelCard, folders: Sequence[Path]) -> Iterator[Path]:
    """Files that could be the card's: the preferred name in every folder, and among the models that come with facegap;
    then every other .onnx of a fitting size in the folders.
    """
    assert card.file is not None
    preferred = [folder / card.file for folder in (*folders, cards_folder() / SHIPPED)]
    others = [path for folder in folders for path in sorted(folder.glob("*.onnx")) if path not in preferred]
    return (path for path in (*preferred, *others) if _could_be(card, path))


def _could_be(card: ModelCard, path: Path) -> bool:
    """Whether a path is a regular file of a size that the card allows; saves hashing the others."""
    try:
        if not path.is_file():
            return False
        size_bytes = path.stat().st_size
    except OSError:  # it vanished, or its folder (the user's cache) is closed to us
        return False
    return size_bytes <= MAX_WEIGHTS_BYTES if card.size_bytes is None else size_bytes == card.size_bytes


def _require_same(card: ModelCard, path: Path, sha256: str) -> None:
    """Raise CardError unless `sha256` is the card's."""
    if sha256 != card.sha256:
        raise CardError(
            f"{path}: sha256 is {sha256}, but card {card.name}, key sha256, says {card.sha256}; this is a different "
            f"file: give the file of the card, or write a card for this one"
        )
