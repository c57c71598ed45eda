"""Audits of verification that start where a vendor's box ends: from templates, or from nothing but scores."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from facegap.audit.driver_logs import (
    black_box_faces,
    faces_of_log,
    log_notes,
    log_qualities,
    with_enrolments,
)
from facegap.audit.finish import Evidence, begun, finish, run_folder
from facegap.audit.given_templates import are_unit, lengths_of_templates, read_npy, unit_templates
from facegap.audit.manifests import other_manifest
from facegap.audit.pair_sample import WEIGHTED, weighted_twice
from facegap.audit.phases import PAIRS
from facegap.audit.plan_file import with_plan
from facegap.audit.pooling import Gathered, all_made, gathered_templates
from facegap.audit.quality import require_column, require_one_quality, with_qualities
from facegap.audit.record import black_box_record, request_of
from facegap.audit.resolved import ResolvedAudit, people_of, resolve
from facegap.audit.resumable_counts import ResumableCounter
from facegap.audit.score_pairs import attacks_of, negative, pairs_of
from facegap.audit.settings import AuditSettings, Faces, Verify, default_of
from facegap.audit.verify import Matching, listed_matching, match
from facegap.derive.comparisons import WEIGHT, pair_rows
from facegap.errors import SettingError, StatisticsError, TableError
from facegap.inputs.manifests.read import Manifest
from facegap.inputs.manifests.templates import by_template
from facegap.inputs.scores.checks import decision_threshold, each_pair_once, require_usable
from facegap.inputs.scores.enrolment import by_images, read_enrolments
from facegap.inputs.scores.read import ScoreList, read_scores
from facegap.runtime import usable_cores
from facegap.store.files import sha256
from facegap.store.record import RunRecord, ScoresFile, Task
from facegap.store.run import Run
from facegap.tables import MANIFEST, PREDICTIONS, check
from facegap.types import FloatArray, IntArray

DECISIONS = "the vendor's, because the scores are decisions"
UNNAMED = ("unnamed 1", "unnamed 2")


def audit_embeddings(embeddings: Path, manifest: Path, settings: AuditSettings, *, model: str) -> Run:
    """Verification from templates alone: row k of an .npy file belongs to row k of the manifest.

    Raises
    ------
    TableError : the file is not an array of numbers, or has another number of rows than the manifest
    """
    elsewhere = "other people would need other templates; use --split, or give --threshold"
    refuse(settings.verify, threshold_on=elsewhere)
    settings, plan = with_plan(settings, black_box="embed")
    table = people_of(manifest, settings, compares=True, allow_outside=True)
    raw = read_npy(embeddings)
    images = table.by_image
    if len(raw) != len(images.frame) + images.excluded:
        raise TableError(
            f"{embeddings}: {len(raw)} rows, but the manifest has {len(images.frame) + images.excluded}; row k must be row k"
        )
    rows = images.frame["row"].to_numpy(np.int64)
    norms = lengths_of_templates(raw, rows)
    usable = np.isfinite(norms)
    if not usable.any():
        raise TableError(f"{embeddings}: every row is zero or not finite, so there is no template to compare")
    require_quality_of_templates(settings.faces, norms, embeddings.name)
    require_one_quality(table, settings.faces.quality)
    resolved = with_qualities(resolve(table, settings, runs_models=False, compares=True, plan=plan))
    faces = black_box_faces(images.frame, np.where(usable, "ok", "no_template"))
    faces["template_norm"] = np.nan if are_unit(norms) else norms
    if resolved.qualities is not None:
        faces["given_quality"] = resolved.qualities.values
    request = replace(request_of(resolved, "embeddings"), model=model, embeddings_sha256=sha256(embeddings))
    with run_folder(settings.output) as place:
        if (whole := begun(place, request)) is not None:
            return whole
        # embeddings.npy of the run holds the templates themselves, unless these are pooled from those of the file.
        kept = place.folder / "embeddings.npy" if place.lasting and table.members is None else None
        vectors = unit_templates(raw, rows, norms, kept)
        found = gathered_templates(table, faces, vectors, np.flatnonzero(usable))
        assert found.templates is not None
        settings.output.phase(PAIRS)
        counter = ResumableCounter(place.folder) if place.lasting else None
        workers = settings.models.workers or usable_cores()
        matching = match(found.templates, None, resolved, workers=workers, counter=counter)
        record = black_box_record(resolved, {"detect": model, "embed": model}, request)
        return finish(resolved, compared(record, resolved, found, matching), place)


def audit_scores(scores: Path, manifest: Path | None, settings: AuditSettings, *, model: str) -> Run:
    """Verification from scores alone, as Bob writes them or as a plain CSV; higher scores are more alike.

    Raises
    ------
    TableError : a malformed row, by line; names that the manifest does not have; a manifest for scores without names
    """
    settings, plan = with_plan(settings, black_box="embed")
    refuse(
        settings.verify,
        threshold_on="other people would need other scores; use --split, or give --threshold",
        pairs="the file of scores is the list of pairs",
        sample_pairs="the file of scores is the list of pairs; a sample has a column weight",
    )
    if settings.groups.tone is not None or settings.groups.annotations is not None:
        raise SettingError(
            "tone and annotations are labels of images; use them in audits of templates or images, not of scores"
        )
    verify = settings.verify
    read = read_scores(scores, frte=verify.format == "frte" or bool(verify.enrolment_log))
    logs = read_enrolments(verify.enrolment_log) if verify.enrolment_log else None
    enrolled = None if logs is None else by_images(read, logs, scores.name)
    listed, repeated = each_pair_once(read if enrolled is None else enrolled.listed, scores.name)
    if verify.distance:
        negated = tuple(replace(attack, score=-attack.score) for attack in listed.attacks)
        listed = replace(listed, scores=negative(listed.scores), attacks=negated)
        verify = replace(verify, threshold=tuple(-value for value in verify.scores))
    stated = None if manifest is None else by_template(other_manifest(manifest, settings, allow_outside=True))
    if enrolled is not None:
        stated, listed = with_enrolments(stated, listed, enrolled)
    table, rows_of_names = named_people(listed, scores, stated)
    pairs = pairs_of(listed, rows_of_names, table.frame, scores)
    decided = decision_threshold(listed.scores)
    if listed.weights is not None:
        require_weighted(settings, scores.name, decided=decided is not None)
    require_both_kinds(pairs, verify, scores.name)
    require_usable(pairs, verify.scores, scores.name, distance=verify.distance)
    if decided is not None and not verify.threshold:
        if verify.fmr != default_of(Verify, "fmr"):
            raise TableError(
                f"{scores.name}: the scores have only two values, so they are decisions at a threshold chosen by the "
                f"vendor, and none can be set for a target FMR; omit --fmr"
            )
        verify = replace(verify, threshold=(decided,))
    resolved = resolve(
        table, settings, runs_models=False, compares=True, thresholds=verify, scored=pair_rows(pairs), plan=plan
    )
    told = (*score_notes(repeated, decided, len(listed.attacks)), *weight_notes(pairs), *log_notes(read, enrolled))
    resolved = replace(resolved, notes=(*resolved.notes, *told))
    if enrolled is not None:
        resolved = replace(resolved, qualities=log_qualities(enrolled, table.frame["image"].tolist()))
    if decided is not None and not settings.verify.threshold:
        resolved = replace(resolved, given=tuple(replace(point, source=DECISIONS) for point in resolved.given))
    everybody = np.ones(len(table.frame), np.bool_)
    request = replace(
        request_of(resolved, "scores"),
        model=model,
        scores_sha256=listed.sha256,
        enrolment_logs_sha256=() if logs is None else logs.sha256,
        manifest_sha256=None if stated is None else stated.sha256,
    )
    with run_folder(settings.output) as place:
        if (kept := begun(place, request)) is not None:
            return kept
        settings.output.phase(PAIRS)
        matching = listed_matching(pairs, resolved, None, everybody)
        file = ScoresFile(
            listed.sha256, listed.layout, rows=len(listed), without_score=listed.lost, decisions=decided is not None
        )
        tasks: dict[Task, str] = {"embed": model} if enrolled is None else {"detect": model, "embed": model}
        record = replace(black_box_record(resolved, tasks, request), scores=file)
        found = all_made(table, faces_of_log(table.by_image.frame, enrolled, resolved.qualities))
        evidence = replace(compared(record, resolved, found, matching), attacks=attacks_of(listed, rows_of_names))
        return finish(resolved, evidence, place)


def require_both_kinds(pairs: pd.DataFrame, verify: Verify, name: str) -> None:
    """Refuse a file of scores without genuine pairs or without impostor pairs, unless the first is asked for.

    pairs : genuine

    Raises
    ------
    TableError : one kind is missing, so one of the two errors cannot be measured
    """
    genuine = int(pairs["genuine"].sum())
    if not genuine and not verify.impostors_only:
        raise TableError(
            f"{name}: no comparison is between two images of one person, so false non-matches cannot be measured; "
            f"add genuine pairs, correct the column subject of the manifest, or pass --impostors-only to measure "
            f"false matches alone"
        )
    if genuine == len(pairs):
        raise TableError(
            f"{name}: no comparison is between two different people, so false matches cannot be measured; add "
            f"impostor pairs"
        )


def score_notes(repeated: int, decided: float | None, attacks: int = 0) -> tuple[str, ...]:
    """What a reader must know of the scores. repeated : rows that repeat a pair; decided : threshold of mere decisions."""
    notes = []
    if attacks:
        notes.append(
            f"{attacks:,} rows are presentation attacks; they are not comparisons of two faces, count only in IAPAR "
            f"(iapar.csv), and are not used to set thresholds"
        )
    if repeated:
        notes.append(
            f"{repeated:,} rows repeat a pair of images, in the same or the opposite order; each pair counts once"
        )
    if decided is not None:
        notes.append("the scores have only two values, so they are decisions at a threshold chosen by the vendor")
    return tuple(notes)


def require_weighted(settings: AuditSettings, name: str, *, decided: bool) -> None:
    """Refuse what is not defined on a sample of pairs with weights.

    Raises
    ------
    TableError : rates that are weighted in another way as well; a target FMR, as a sample is too small to set a threshold on
    """
    others = {**weighted_twice(settings), "--bob-rates": settings.verify.bob_rates}
    given = next((option for option, is_given in others.items() if is_given), None)
    if given is not None:
        raise TableError(
            f"{name} line 1, column {WEIGHT}: rates are weighted by the sample, and {given} needs other weights or "
            f"all pairs; omit one of the two"
        )
    if not settings.verify.threshold and not decided:
        raise TableError(
            f"{name} line 1, column {WEIGHT}: a threshold for a target FMR cannot be set on a sample of pairs; give "
            f"--threshold"
        )


def weight_notes(pairs: pd.DataFrame) -> tuple[str, ...]:
    """What a reader must know of scores with weights."""
    if WEIGHT not in pairs.columns:
        return ()
    impostor = pairs[~pairs["genuine"]]
    return (
        f"the scores are from a sample of pairs with weights: {len(impostor):,} impostor pairs represent "
        f"{impostor[WEIGHT].sum():,.0f}, "
        f"and {len(pairs) - len(impostor):,} genuine pairs for {pairs.loc[pairs['genuine'], WEIGHT].sum():,.0f}. {WEIGHTED}",
    )


def refuse(settings: Verify, **why: str) -> None:
    """Raise StatisticsError for a setting that cannot be kept here, instead of passing over it."""
    for name, reason in why.items():
        if getattr(settings, name) is not None:
            raise StatisticsError(f"{name} cannot be used here: {reason}")


def require_quality_of_templates(faces: Faces, norms: FloatArray, name: str) -> None:
    """Raise SettingError for a quality that templates cannot have: no image is opened here, and no model runs.

    norms : lengths of the templates, float64 (rows,); name : of their file
    """
    source = require_column(faces.quality, faces.quality_column)
    if source == "model" or (source == "measure" and faces.quality != "template_norm"):
        raise SettingError(
            f"--quality {faces.quality}: no image is opened in this audit; use template_norm or a file with quality "
            f"scores"
        )
    if source == "measure" and are_unit(norms):
        raise SettingError(
            f"--quality template_norm: every template of {name} has length 1, so they were normalised; give the "
            f"templates as returned by the embedder"
        )


def named_people(listed: ScoreList, path: Path, table: Manifest | None) -> tuple[Manifest, IntArray]:
    """The table of what the scores name, and the row of it for each name.

    Raises
    ------
    TableError : a manifest for a file that names nobody; a name is not in the manifest; a subject has two labels in
                 one column
    """
    if listed.named == "nobody":
        return unnamed_people(listed, path, table), np.empty(0, np.int64)
    if table is None:
        if listed.named == "image":
            raise TableError(
                f"{path.name}: names images; give a manifest that says whose images they are, with "
                f"--manifest people.csv"
            )
        return subjects_table(listed, None), np.arange(len(listed.names))
    if listed.named == "subject":
        people = set(table.frame["subject"])
        unknown = [name for name in listed.names if name not in people]
        if unknown:
            raise TableError(
                f"{path.name}: {unknown[0]!r} is not a subject of {table.name} ({len(unknown)} such names); add rows for "
                "them, with empty labels if none are known"
            )
        return subjects_table(listed, table), np.arange(len(listed.names))
    place = pd.Series(np.arange(len(table.frame)), index=table.frame["image"])
    rows = place.reindex(list(listed.names)).to_numpy()
    missing = np.flatnonzero(np.isnan(rows))
    if len(missing):
        raise TableError(
            f"{path.name}: {listed.names[missing[0]]!r} is not an image of {table.name} ({len(missing)} such names); add "
            "rows for them"
        )
    return table, rows.astype(np.int64)


def unnamed_people(listed: ScoreList, path: Path, manifest: Manifest | None) -> Manifest:
    """A MANIFEST of two unnamed subjects, between whom every comparison of a file without names is put.

    Nobody knows how many people stand behind such scores. As one pair of subjects they give counts, rates, and the
    interval of one pair of people, which is nearly everything: no narrower one could be honest.
    """
    if manifest is not None:
        raise TableError(
            f"{path.name}: the scores name no subjects ({listed.layout}), so the labels of {manifest.name} cannot be "
            f"assigned to them; use a layout with the two subjects or images of each comparison (docs/black_boxes.md)"
        )
    frame = pd.DataFrame({"row": [0, 1], "line": 0, "image": UNNAMED, "path": "", "subject": UNNAMED})
    warning = (
        f"{path.name} names no subjects: there are no groups, and intervals are as wide as those for a single pair "
        f"of people"
    )
    return Manifest(check(frame, MANIFEST, path.name), Path(), (), (warning,), listed.sha256, has_subjects=False)


def subjects_table(listed: ScoreList, table: Manifest | None) -> Manifest:
    """A MANIFEST with one row per subject that the scores name, labels taken from the manifest's images of them."""
    names = list(listed.names)
    frame = pd.DataFrame({"row": np.arange(len(names)), "line": 0, "image": names, "path": "", "subject": names})
    labels: tuple[str, ...] = ()
    if table is not None:
        labels = table.labels
        for label in labels:
            values = table.frame.groupby("subject")[label].unique()
            torn = values[values.map(len) > 1]
            if len(torn):
                raise TableError(
                    f"subject {torn.index[0]!r} has several values of {label}; scores by subject need a single value "
                    f"each"
                )
            frame[label] = values.map(lambda found: found[0]).reindex(names).to_numpy()
    checked = check(frame, MANIFEST, "subjects of the scores")
    sha256 = "" if table is None else table.sha256
    return Manifest(checked, Path(), labels, () if table is None else table.warnings, sha256, has_subjects=True)


def compared(record: RunRecord, resolved: ResolvedAudit, found: Gathered, matching: Matching) -> Evidence:
    """What was handed over, as an audit of images would have seen it."""
    frame = resolved.manifest.frame
    silent = frame[["row", "image"]].assign(outcome="unlabelled", label="", prediction="")
    return Evidence(
        replace(record, comparison=matching.record, timing=replace(record.timing, ns_per_pair=matching.ns_per_pair)),
        found.faces,
        check(silent, PREDICTIONS, "predictions"),
        None if found.templates is None else found.templates.vectors,
        matching.matched,
        pooled=found.pooled,
    )
