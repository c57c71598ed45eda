"""The commands that list and bring in what an audit needs: cards, weights, data sets, manifests."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pandas as pd

from facegap.catalogue.check import BASE_ERROR, group_summary
from facegap.errors import CardError, PluginError, TableError
from facegap.inputs.cards.read import load_cards
from facegap.inputs.cards.schema import ModelCard
from facegap.inputs.cards.weights import list_models, models_folders
from facegap.plugins import installed
from facegap.report.tables import TextTable
from facegap.report.text import percent

YES_NO = {True: "yes", False: "no", "unknown": "unknown"}


def models_table(extra: Sequence[Path]) -> TextTable:
    """Every model card, and where its file lies on this machine."""
    rows = tuple(
        (
            row.name,
            row.task,
            "" if row.size_bytes is None else f"{row.size_bytes / 1e6:.1f} MB",
            row.licence,
            YES_NO[row.commercial_use],
            YES_NO[row.verified],
            str(row.path) if row.path else ("facegap fetch" if row.can_be_fetched else "by hand"),
        )
        for row in list_models(models_folders(list(extra)))
    )
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
        "model cards",
        columns,
        rows,
        notes=("Unverified: described from its publisher's words, not yet run by the project.",),
    )


def datasets_table() -> TextTable:
    """Every data set card in short."""
    from facegap.inputs.datasets.cards import STATUSES, load_datasets

    rows = tuple(
        (card.name, card.size, card.tone_scale, card.licence, STATUSES[card.status], card.adapter)
        for card in load_datasets()
    )
    columns = ("data set", "size", "tone labels", "licence", "status", "adapter")
    return TextTable("data sets", columns, rows, notes=("In full: facegap datasets NAME, or datasets.md.",))


def datasets_text(name: str | None) -> str:
    """The text of datasets.md, or of one data set in it.

    Raises
    ------
    CardError : no data set of that name
    """
    from facegap.inputs.datasets.cards import datasets_markdown, load_datasets

    if name is None:
        return datasets_markdown().rstrip("\n")
    cards = {card.name: card for card in load_datasets()}
    if name not in cards:
        raise CardError(f"{name}: no such data set; there are {', '.join(cards)}")
    return "\n".join(f"{key}: {value}" for key, value in cards[name].model_dump().items() if value not in (None, ""))


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
    from facegap.inputs.cards.fetch import fetch

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
    from facegap.inputs.datasets.adapters import adapters
    from facegap.store.run import csv_bytes, harmless, write_bytes

    if adapter not in adapters():
        raise TableError(f"no adapter {adapter!r}; there are {', '.join(adapters())}")
    target = out or folder / "manifest.csv"
    if target.exists():
        raise TableError(f"{target}: there is a file already; name another with --out")
    frame = adapters()[adapter](folder)
    require_manifest_columns(frame, adapter)
    # An apostrophe before a name that a spreadsheet would run would name another file; ./ names the same one.
    frame["image"] = [f"./{name}" if harmless(name) != name else name for name in frame["image"]]
    write_bytes(target, csv_bytes(frame))
    by = next((f", read by {plugin}" for plugin in installed("facegap.adapters") if plugin.name == adapter), "")
    return f"{target}: {len(frame)} images, columns {', '.join(frame.columns)}{by}; next: facegap check {target}"


def require_manifest_columns(frame: object, adapter: str) -> None:
    """Raise PluginError where an adapter gives no table of images."""
    if not isinstance(frame, pd.DataFrame) or "image" not in frame.columns:
        raise PluginError(f"adapter {adapter!r}: it must give a pandas.DataFrame with a column 'image'")


def check_manifest(
    path: Path, *, by: str | None, where: str | None, allow_outside: bool
) -> tuple[list[TextTable], tuple[str, ...]]:
    """The groups of a manifest with the difference that each could show, and what a person should look at.

    Raises
    ------
    TableError : anything that would stop an audit of this manifest
    """
    from facegap.derive.groupings import default_groupings, parse_by
    from facegap.inputs.manifests.read import read_manifest

    manifest = read_manifest(path, allow_outside=allow_outside, where=where)
    groupings, notes = (
        default_groupings(manifest.frame, manifest.labels) if by is None else (parse_by(by, manifest.labels), ())
    )
    people = manifest.frame["subject"].nunique()
    missing = sum(not (manifest.folder / name).exists() for name in manifest.frame["path"])
    counts = (("images", len(manifest.frame)), ("subjects", people), ("files that do not exist", missing))
    shown = [TextTable(path.name, ("what", "count"), tuple((what, str(count)) for what, count in counts))]
    shown += [summary_table(group_summary(manifest, grouping), grouping) for grouping in groupings]
    unnamed = () if manifest.has_subjects else ("no column subject: every image counts as a person of its own",)
    return shown, (*manifest.warnings, *unnamed, *notes)


def summary_table(summary: pd.DataFrame, grouping: Sequence[str]) -> TextTable:
    """Groups of one grouping."""
    rows = tuple(
        (
            " ".join(str(row[name]) for name in grouping),
            str(row["images"]),
            str(row["subjects"]),
            percent(BASE_ERROR + row["detectable_difference"], 1),
        )
        for _, row in summary.iterrows()
    )
    note = (
        f"The last column: were the largest group wrong in {percent(BASE_ERROR, 0)} of cases, a group of this size would "
        "have to be wrong this often for the gap to be found with 80% power at two-sided 0.05, subjects as trials."
    )
    return TextTable(
        " x ".join(grouping), ("group", "images", "subjects", "error that would be found"), rows, notes=(note,)
    )
