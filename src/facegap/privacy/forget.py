"""Remove a person from a run: delete their rows, templates, pairs and searches, and derive every table again.

Thresholds are not recomputed, because the remaining people were evaluated at them. The run states that a person was removed, but
not who. The new run is built in a separate folder that then replaces the old one, so a kill always leaves one complete run.
"""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from facegap.audit.identify import candidate_lists, side_of
from facegap.audit.recount import counted_again, stored_templates
from facegap.derive.identification import GALLERY, PROBE
from facegap.derive.run import derived
from facegap.derive.unnamed import unnamed
from facegap.errors import RunError
from facegap.report.page import add_report
from facegap.runtime import usable_cores
from facegap.store import run as store
from facegap.store.run import ByFrames, Matched, Run, Searched
from facegap.store.tables import read_parquet
from facegap.types import BoolArray, IntArray
from facegap.vision.service.answers import forget_images
from facegap.vision.service.client import ANSWERS

COPIED = (ANSWERS, store.THRESHOLD_SET)


def forget(folder: Path, subject: str) -> int:
    """Remove a person from a finished run and return their number of images; 0 if a killed removal was completed.

    The seal, SHA256SUMS.sig, becomes invalid and is deleted. Disk blocks of deleted files are not overwritten.

    Raises
    ------
    RunError : If the run is not finished, was changed after it finished, or is being written by another process; if it contains
               no such person or no other person; if all pairs or searches were evaluated without storing templates.
    """
    building, replaced = hidden_folder(folder, "forgetting"), hidden_folder(folder, "before-forgetting")
    take_back(folder, replaced)
    was_killed = replaced.exists()
    if was_killed:  # completing it was all that remained to do
        shutil.rmtree(replaced)
    if problems := store.broken_hashes(folder):
        raise RunError(f"{folder}: the run was changed after it finished: {'; '.join(problems[:3])}")
    if building.exists():
        shutil.rmtree(building)
    with store.open_folder(folder, resume=True):
        with store.fitting_together(folder):
            run = store.read_run(folder)
            if was_killed and subject not in set(run.manifest["subject"]):
                return 0
            removed = rows_of_subject(run, folder, subject)
            left = without_rows(run, removed, subject)
        with store.open_folder(building, resume=False):
            for name in COPIED:
                if (folder / name).is_dir():
                    shutil.copytree(folder / name, building / name)
            remove_elsewhere(building, run, subject)
            store.write_run(left, building)
            store.finish(building)
            add_report(building, left, include_ids=False)
        folder.rename(replaced)
        building.rename(folder)
    shutil.rmtree(replaced)
    return int((run.by_image[0]["subject"] == subject).sum())


def hidden_folder(folder: Path, what: str) -> Path:
    """Return a hidden folder next to the run folder, on the same disk."""
    whole = folder.resolve()
    return whole.with_name(f".{whole.name}.{what}")


def take_back(folder: Path, replaced: Path) -> None:
    """Restore a run whose replacement was killed between its two renames."""
    if not folder.exists() and replaced.is_dir():
        replaced.rename(folder)


def rows_of_subject(run: Run, folder: Path, subject: str) -> BoolArray:
    """Return whether each manifest row shows the person, bool (rows,).

    Raises
    ------
    RunError : If no row or every row does, or the comparisons cannot be recomputed without templates.
    """
    removed: BoolArray = (run.manifest["subject"] == subject).to_numpy(np.bool_)
    if not removed.any():
        raise RunError(
            f"{folder}: the run contains no person with this name; names must match those in manifest.parquet exactly"
        )
    if removed.all():
        raise RunError(f"{folder}: the run contains no other person; remove the folder")
    if needs_templates(run) and run.embeddings is None:
        raise RunError(
            f"{folder}: it contains no templates (--no-embeddings), without which its comparisons cannot be counted "
            f"again; remove the person from the manifest and run: {again_in_words(run)}"
        )
    return removed


def needs_templates(run: Run) -> bool:
    """Return whether removing a person requires recomputation: counts of all pairs and search lists cannot lose single rows."""
    return run.searched is not None or (run.matched is not None and run.matched.counts is not None)


def again_in_words(run: Run) -> str:
    """Return the command that reproduces the run."""
    from facegap.report.reproduce import command_of

    return command_of(run.record)


def without_rows(run: Run, removed: BoolArray, subject: str) -> Run:
    """Return the run without some manifest rows, with every table derived again."""
    kept = np.flatnonzero(~removed).astype(np.int64)
    faces = run.faces.iloc[kept].reset_index(drop=True)
    templates = None
    if run.embeddings is not None:
        stored = faces["embedding_row"].to_numpy(np.int64)
        templates = np.ascontiguousarray(run.embeddings[stored[stored >= 0]])
        faces["embedding_row"] = np.where(stored >= 0, np.cumsum(stored >= 0) - 1, -1)
    pooled = None
    if run.pooled is not None:
        pooled = run.pooled.kept((run.pooled.manifest["subject"] != subject).to_numpy(np.bool_))
    left = replace(
        run,
        pooled=pooled,
        manifest=run.manifest.iloc[kept].reset_index(drop=True),
        faces=faces,
        predictions=run.predictions.iloc[kept].reset_index(drop=True),
        embeddings=templates,
        labels=None if run.labels is None else remaining_labels(run.labels, kept, len(removed)),
        record=replace(
            run.record,
            manifest=replace(run.record.manifest, rows=len(kept) if pooled is None else len(pooled.manifest)),
            warnings=(*remaining_warnings(run, removed), removal_warning(run.record.forgotten + 1)),
            alarms=tuple(without_names(run.record.alarms, run, removed)),
            forgotten=run.record.forgotten + 1,
        ),
    )
    left = replace(
        left,
        by_frames=remaining_by_frames(run.by_frames, kept, len(removed)),
        attacks=remaining_attacks(run.attacks, kept, len(removed)),
    )
    left = replace(left, matched=remaining_matches(left, run.matched, kept, len(removed)))
    return derived(replace(left, searched=searched_again(left, run.searched, kept)))


def removal_warning(count: int) -> str:
    """Return the warning of a run from which people were removed."""
    people = "1 person was" if count == 1 else f"{count} people were"
    return (
        f"{people} removed from this run after it finished (facegap forget); thresholds are those set before, and "
        f"numbers of people, images or pairs in warnings are those before the removal"
    )


def remaining_warnings(run: Run, removed: BoolArray) -> list[str]:
    """Return the warnings of a run without the person's names and without notes on earlier removals."""
    kept = [text for text in run.record.warnings if text != removal_warning(max(run.record.forgotten, 1))]
    return without_names(kept, run, removed)


def without_names(sentences: Sequence[str], run: Run, removed: BoolArray) -> list[str]:
    """Return sentences without the names of a person and of their images."""
    pooled = run.pooled
    if pooled is not None:
        of_subject = pooled.manifest["subject"].isin(run.manifest["subject"][removed])
        pooled = replace(pooled, manifest=pooled.manifest[of_subject])
    return unnamed(sentences, replace(run, manifest=run.manifest[removed], pooled=pooled))


def renumbering(kept: IntArray, rows: int) -> IntArray:
    """Return the new number of each old row, -1 if it is removed, int64 (rows,)."""
    place = np.full(rows, -1, np.int64)
    place[kept] = np.arange(len(kept))
    return place


def remaining_labels(labels: pd.DataFrame, kept: IntArray, rows: int) -> pd.DataFrame:
    """Return LABELS of the remaining rows, renumbered."""
    place = renumbering(kept, rows)[labels["row"].to_numpy(np.int64)]
    stays: pd.DataFrame = labels.assign(row=place)[place >= 0].reset_index(drop=True)
    return stays


def remaining_attacks(attacks: pd.DataFrame | None, kept: IntArray, rows: int) -> pd.DataFrame | None:
    """Return ATTACKS on the remaining references, renumbered."""
    if attacks is None:
        return None
    place = np.full(rows, -1, np.int64)
    place[kept] = np.arange(len(kept))
    moved = attacks.assign(reference=place[attacks["reference"].to_numpy(np.int64)])
    return moved[moved["reference"] >= 0].reset_index(drop=True)


def remaining_by_frames(found: ByFrames | None, kept: IntArray, rows: int) -> ByFrames | None:
    """Return first-frame scores of the remaining rows. Searches are dropped: they cannot be repeated without single frames."""
    if found is None:
        return None
    place = renumbering(kept, rows)
    sides = {side: place[found.scores[side].to_numpy(np.int64)] for side in ("left", "right")}
    stays = (sides["left"] >= 0) & (sides["right"] >= 0)
    return ByFrames(found.scores.assign(**sides)[stays].reset_index(drop=True))


def remaining_matches(left: Run, matched: Matched | None, kept: IntArray, rows: int) -> Matched | None:
    """Return the comparisons of the remaining rows: listed pairs keep their scores, all pairs are counted again."""
    if matched is None:
        return None
    place = renumbering(kept, rows)
    excluded = place[matched.excluded]
    folds = None if matched.folds is None else matched.folds[kept]
    mine = Matched(matched.roles[kept], excluded[(excluded >= 0).all(axis=1)], folds=folds)
    if matched.pairs is not None:
        sides = {side: place[matched.pairs[side].to_numpy(np.int64)] for side in ("left", "right")}
        stays: BoolArray = (sides["left"] >= 0) & (sides["right"] >= 0)
        mine = replace(mine, pairs=matched.pairs.assign(**sides)[stays].reset_index(drop=True))
        return mine if matched.protocol is None else replace(mine, protocol=remaining_protocol(matched.protocol, stays))
    templates = stored_templates(left)
    assert matched.counts is not None
    assert templates is not None
    return replace(mine, counts=counted_again(mine, matched.counts, templates, left.record.groupings))


def remaining_protocol(protocol: pd.DataFrame, stays: BoolArray) -> pd.DataFrame:
    """Return PROTOCOL_LIST of the remaining pairs, renumbered. stays : bool, per row of pairs.parquet"""
    place = renumbering(np.flatnonzero(stays).astype(np.int64), len(stays))[protocol["pair"].to_numpy(np.int64)]
    kept: pd.DataFrame = protocol.assign(pair=place)[place >= 0].reset_index(drop=True)
    return kept


def searched_again(left: Run, searched: Searched | None, kept: IntArray) -> Searched | None:
    """Repeat the searches of the remaining probes in the remaining gallery."""
    if searched is None:
        return None
    roles, templates, recorded = searched.roles[kept], stored_templates(left), left.record.identification
    assert templates is not None
    assert recorded is not None
    excluded = left.matched.excluded if left.matched is not None else np.empty((0, 2), np.int64)
    gallery, probes = (side_of(templates, roles == role, templates.subjects) for role in (GALLERY, PROBE))
    lists = candidate_lists(gallery, probes, excluded, max(recorded.ranks) + 1, workers=usable_cores())
    return Searched(roles, lists)


def remove_elsewhere(building: Path, run: Run, subject: str) -> None:
    """Delete the person's stored service responses, and their rows of a threshold set of other people."""
    images = run.by_image[0]
    forget_images(building / ANSWERS, images.loc[images["subject"] == subject, "row"].tolist())
    place = building / store.THRESHOLD_SET
    if (place / "manifest.parquet").is_file():
        people = read_parquet(place / "manifest.parquet")
        stays = (people["subject"] != subject).to_numpy(np.bool_)
        faces = read_parquet(place / "faces.parquet")
        templates = None
        if (place / store.TEMPLATES_FILE).is_file():
            templates = read_parquet(place / store.TEMPLATES_FILE)
            left = store.Pooled(people, faces, templates).kept(stays)
            people, faces, templates = left.manifest, left.faces, left.templates
        else:
            people, faces = people[stays].reset_index(drop=True), faces[stays].reset_index(drop=True)
        store.write_threshold_set(building, people, faces, templates)
