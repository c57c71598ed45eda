"""The commands that list and bring in what an audit needs: cards, weights, data sets, manifests."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from facegap.errors import CardError, TableError
from facegap.inputs.cards import load_cards
from facegap.inputs.model_card import ModelCard
from facegap.inputs.weights import list_models, models_folders
from facegap.report.tables import TextTable

YES_NO = {True: "yes", False: "no", "unknown": "unknown"}


def models_table(extra: Sequence[Path]) -> TextTable:
    """Every model card, and where its file lies on this machine."""
    rows = tuple(
        (
            row.name, row.task, "" if row.size_bytes is None else f"{row.size_bytes / 1e6:.1f} MB", row.licence,
            YES_NO[row.commercial_use], YES_NO[row.verified],
            str(row.path) if row.path else ("facegap fetch" if row.can_be_fetched else "by hand"),
        )
        for row in list_models(models_folders(list(extra)))
    )  # fmt: skip
    columns = (
        "card",
        "task",
        "size",
        "licence",
        "commercial use",
        "verified",
        "file on this machine, or how to get it",
    )
    return TextTable(
        "model cards", columns, rows,
        notes=("Unverified: described from its publisher's words, not yet run by the project.",),
    )  # fmt: skip


def fetch_all(
    names: Sequence[str],
    *,
    accept: Callable[[ModelCard], bool],
    progress: Callable[[int, int | None], None] | None = None,
) -> Iterator[Path]:
    """Weights of each card in the user's cache, downloaded where they are not there yet.

    Raises
    ------
    CardError  : a name that is no card
    FetchError : see `fetch`
    """
    from facegap.inputs.fetch import fetch

    cards = load_cards()
    for name in names:
        if name not in cards:
            tasks = "; ".join(
                f"{task}: {', '.join(c.name for c in cards.values() if c.task == task)}"
                for task in ("detect", "embed", "classify")
            )
            raise CardError(f"{name}: no such card. {tasks}")
    for name in names:
        yield fetch(cards[name], accept=accept, progress=progress)


def write_manifest(adapter: str, folder: Path, out: Path | None) -> str:
    """Write the manifest of a data set's folder, and say what it holds.

    Raises
    ------
    TableError : no such adapter, a folder of another shape, or a manifest that is there already
    """
    from facegap.inputs.adapters import ADAPTERS
    from facegap.store import csv_bytes, write_bytes

    if adapter not in ADAPTERS:
        raise TableError(f"no adapter {adapter!r}; there are {', '.join(ADAPTERS)}")
    target = out or folder / "manifest.csv"
    if target.exists():
        raise TableError(f"{target}: there is a file already; name another with --out")
    frame = ADAPTERS[adapter](folder)
    write_bytes(target, csv_bytes(frame))
    return f"{target}: {len(frame)} images, columns {', '.join(frame.columns)}; next: facegap check {target}"
