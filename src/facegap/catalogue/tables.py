"""Commands that list and obtain what an audit needs: cards, weights, data sets, manifests."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, cast, get_args

import pandas as pd

from facegap.audit.settings import AuditSettings
from facegap.catalogue.check import BASE_ERROR, group_summary
from facegap.errors import CardError, PluginError, SettingError, TableError
from facegap.inputs.cards.licences import LicenceClass, licence_class
from facegap.inputs.cards.read import load_cards
from facegap.inputs.cards.schema import ModelCard, Task
from facegap.inputs.cards.weights import ModelRow, list_models, models_folders
from facegap.inputs.datasets.folder_levels import SubjectFrom
from facegap.inputs.manifests.read import read_manifest
from facegap.plugins import installed
from facegap.report.tables import TextTable
from facegap.report.text import percent
from facegap.store.run import csv_bytes, harmless, write_bytes

if TYPE_CHECKING:
    from facegap.catalogue.own_csv import OwnColumns

MOST_COMPARED = 100_000  # files opened to find duplicates, if not all are decoded
OWN_CSV = "csv"  # of `facegap manifest`: a table of the user's own
YES_NO = {True: "yes", False: "no"}
COMMERCIAL_USE: Mapping[LicenceClass, str] = {"commercial": "yes", "non-commercial": "no", "unknown": "unknown"}


def models_table(extra: Sequence[Path], *, task: Task | None = None, licence: LicenceClass | None = None) -> TextTable:
    """Return a table of all model cards, and where each file is on this machine.

    task, licence : restrict the table to this task and this class of licences
    """
    cards = {
        name: card
        for name, card in load_cards().items()
        if task in (None, card.task) and licence in (None, licence_class(card))
    }
    rows = tuple(
        (
            row.name,
            row.task,
            "" if row.size_bytes is None else f"{row.size_bytes / 1e6:.1f} MB",
            COMMERCIAL_USE[licence_class(cards[row.name])],
            YES_NO[row.verified],
            where_from(row),
            row.licence,
            str(row.path or ""),
        )
        for row in list_models(models_folders(list(extra)), cards)
    )
    columns = (
        "card",
        "task",
        "size",
        "commercial use",
        "verified",
        "file",
        "licence",
        "path",
    )
    return TextTable(
        "model cards",
        columns,
        rows,
        notes=(
            "File: here = on this machine; fetch = available with facegap fetch CARD; by hand = from the address in "
            "its card; service = no file, called over the network.",
            "Not verified: described from its publisher's documentation, not yet run by the project.",
            "Commercial use: yes or no only if a known licence of the weights states this explicitly; the training "
            "data may have different terms (docs/models.md).",
        ),
        essential=columns[:6],
    )


def datasets_table() -> TextTable:
    """Return a summary table of all data set cards."""
    from facegap.inputs.datasets.cards import STATUSES, load_datasets

    rows = tuple(
        (card.name, card.size, card.tone_scale, card.licence, STATUSES[card.status], card.adapter)
        for card in load_datasets()
    )
    columns = ("data set", "size", "tone labels", "licence", "status", "adapter")
    notes = ("Details: facegap datasets NAME, or datasets.md.",)
    return TextTable(
        "data sets", columns, rows, notes=notes, essential=("data set", "tone labels", "status", "adapter")
    )


def datasets_text(name: str | None) -> str:
    """Return the text of datasets.md, or of one data set in it.

    Raises
    ------
    CardError : If there is no data set of that name.
    """
    from facegap.inputs.datasets.cards import datasets_markdown, load_datasets

    if name is None:
        return datasets_markdown().rstrip("\n")
    cards = {card.name: card for card in load_datasets()}
    if name not in cards:
        raise CardError(f"{name}: no such data set; choose one of {', '.join(cards)}")
    return "\n".join(f"{key}: {value}" for key, value in cards[name].model_dump().items() if value not in (None, ""))


def where_from(row: ModelRow) -> str:
    """Return in a word how a user obtains the file of a card."""
    if row.backend == "http":
        return "service"
    return "here" if row.path else ("fetch" if row.can_be_fetched else "by hand")


def fetch_all(
    names: Sequence[str],
    *,
    accept: Callable[[ModelCard], bool],
    progress: Callable[[int, int | None], None] | None = None,
) -> Iterator[Path]:
    """Yield the cached weights of each card, downloading those that are missing.

    Raises
    ------
    CardError  : If a name is not that of a card.
    FetchError : See `fetch`.
    """
    from facegap.inputs.cards.fetch import fetch

    cards = load_cards()
    for name in names:
        if name not in cards:
            tasks = "; ".join(
                f"{task}: {', '.join(c.name for c in cards.values() if c.task == task)}" for task in get_args(Task)
            )
            raise CardError(f"{name}: no such card. {tasks}")
    for name in names:
        yield fetch(cards[name], accept=accept, progress=progress)


def write_manifest(
    adapter: str, folder: Path, out: Path | None, *, subject: str | None = None, own: OwnColumns | None = None
) -> list[str]:
    """Write the manifest of a data set folder or a table, and return sentences on how it was read and what it contains.

    adapter : one of ADAPTERS, or csv if `folder` is a table
    subject : for the adapter `folders`, what determines the subject; for csv, the column
    own     : for csv, the columns of the table

    Raises
    ------
    TableError, SettingError : If there is no such adapter, the folder has another layout, or the manifest exists; for csv also
                               if the table cannot be converted.
    """
    from facegap.catalogue.own_csv import OwnColumns, own_manifest

    if adapter == OWN_CSV:
        frame, root = own_manifest(folder, replace(own or OwnColumns(), subject=subject))
    else:
        if own is not None and own != OwnColumns():
            raise SettingError(
                f"--image, --label and related options are for `manifest csv`; the columns of {adapter} are known"
            )
        frame = adapted(adapter, folder, subject)
        root = folder / frame.attrs.get("root", "")
    target = out or root / "manifest.csv"
    if target.exists():
        raise TableError(f"{target}: the file already exists; choose another with --out")
    # The usual apostrophe against spreadsheet formulas would change the file name; ./ does not.
    frame["image"] = [f"./{name}" if harmless(name) != name else name for name in frame["image"]]
    write_bytes(target, csv_bytes(frame))
    if adapter == OWN_CSV:
        require_readable(target, root)
    return manifest_sentences(adapter, frame, target, root)


def adapted(adapter: str, folder: Path, subject: str | None) -> pd.DataFrame:
    """Return the manifest that an adapter makes of a folder."""
    from facegap.inputs.datasets.adapters import adapters, folders

    if adapter not in adapters():
        raise TableError(
            f"no adapter {adapter!r}; choose one of {', '.join(adapters())}, and csv for a table of your own"
        )
    if subject is None:
        frame = adapters()[adapter](folder)
    elif adapter != "folders":
        raise TableError(f"--subject is for the adapters folders and csv; the layout of {adapter} is known")
    elif subject not in get_args(SubjectFrom):
        raise TableError(f"--subject {subject}: for folders, use one of {', '.join(get_args(SubjectFrom))}")
    else:
        frame = folders(folder, cast(SubjectFrom, subject))
    require_manifest_columns(frame, adapter)
    return frame


def require_readable(target: Path, root: Path) -> None:
    """Raise TableError and delete the manifest just written if an audit could not read it."""
    try:
        read_manifest(target, images_dir=root)
    except TableError:
        target.unlink()
        raise


def manifest_sentences(adapter: str, frame: pd.DataFrame, target: Path, root: Path) -> list[str]:
    """Describe how the folder was read, what the manifest contains, and the next command."""
    by = next((f", read by {plugin}" for plugin in installed("facegap.adapters") if plugin.name == adapter), "")
    notes = [f"{note[0].upper()}{note[1:]}." for note in frame.attrs.get("notes", ())]
    people = f" of {frame['subject'].nunique():,} people" if "subject" in frame.columns else ""
    elsewhere = "" if target.resolve().parent == root.resolve() else f" --images-dir {root}"
    columns = ", ".join(frame.columns)
    return [
        *notes,
        f"{target}: {len(frame):,} images{people}, columns {columns}{by}; next: facegap check {target}{elsewhere}",
    ]


def require_manifest_columns(frame: object, adapter: str) -> None:
    """Raise PluginError if an adapter does not return a table of images."""
    if not isinstance(frame, pd.DataFrame) or "image" not in frame.columns:
        raise PluginError(f"adapter {adapter!r}: it must give a pandas.DataFrame with a column 'image'")


@dataclass(frozen=True)
class CheckedManifest:
    """Result of `facegap check` for a manifest.

    tables   : counts, and the groups of each grouping
    warnings : findings that need a person's attention
    problem  : why missing files would stop an audit, in one paragraph; empty if they would not
    """

    tables: tuple[TextTable, ...]
    warnings: tuple[str, ...]
    problem: str


def check_manifest(
    path: Path,
    settings: AuditSettings,
    *,
    include_ids: bool = False,
    decode: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> CheckedManifest:
    """Check the files and groups of a manifest, and the difference that each group could show.

    settings    : how the manifest is read, as in an audit
    include_ids : name the files that are missing or cannot be decoded
    decode      : number of files to decode, a random sample if there are more; None decodes all, and also compares all files
                  of equal size
    progress    : called with the number of files decoded so far and the total

    Raises
    ------
    TableError : If anything else would stop an audit of this manifest.
    """
    from facegap.audit.manifests import manifest_of
    from facegap.audit.resolved import groupings_of
    from facegap.catalogue.faces import faces_of
    from facegap.catalogue.files import checked_files
    from facegap.inputs.manifests.templates import by_template

    manifest = manifest_of(path, settings, most_compared=None if decode is None else MOST_COMPARED)
    templates = by_template(manifest)
    groupings, notes = groupings_of(manifest, settings)
    faces = faces_of(settings, manifest)
    files = checked_files(manifest, groupings, faces, include_ids=include_ids, decode=decode, progress=progress)
    counts = (
        ("images", len(manifest.frame)),
        *((("templates", len(templates.frame)),) if templates.members is not None else ()),
        ("subjects", manifest.frame["subject"].nunique()),
        ("files that do not exist", files.count("missing_file")),
        ("files decoded", files.decoded),
        ("files that cannot be decoded", files.count("unreadable")),
        ("files above a limit of facegap", files.count("refused")),
        ("files that take too long to decode", files.count("decode_timeout")),
    )
    counts += () if faces is None else faces.counts(files.faces)
    shown = [TextTable(path.name, ("what", "count"), tuple((what, f"{count:,}") for what, count in counts))]
    shown += [summary_table(group_summary(manifest, grouping), grouping) for grouping in groupings if grouping]
    unnamed = () if manifest.has_subjects else ("no column subject: every image counts as a separate person",)
    sentences = " ".join(files.sentences)
    stops = files.stops and not settings.faces.allow_missing
    warnings = (*manifest.warnings, *unnamed, *notes, *((sentences,) if sentences and not stops else ()))
    misplaced = "" if faces is None else faces.problem(files.faces, manifest, include_ids=include_ids)
    return CheckedManifest(
        tuple(shown), warnings, " ".join(part for part in (sentences if stops else "", misplaced) if part)
    )


def summary_table(summary: pd.DataFrame, grouping: Sequence[str]) -> TextTable:
    """Return the table of one grouping."""
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
        f"Detectable error rate: if the error rate of the largest group were {percent(BASE_ERROR, 0)}, a group of this "
        "size would need this rate for a two-sided test at 0.05 to detect the gap with 80% power, subjects as trials."
    )
    return TextTable(
        " x ".join(grouping), ("group", "images", "subjects", "detectable error rate"), rows, notes=(note,)
    )
