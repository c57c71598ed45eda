"""Audits that start where a vendor's box ends: from answers, templates or scores."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from facegap.options import (
    LABELS,
    AllowOutside,
    Annotations,
    By,
    ExcludePairs,
    Fmr,
    FmrOn,
    InSample,
    LabelDraws,
    ManifestPath,
    MinSubjects,
    ModelName,
    Seed,
    Split,
    TailLimit,
    Threshold,
    Tone,
    View,
    Where,
    refuse_both,
)


def audit_predictions(
    predictions: Annotated[
        Path, typer.Argument(help="CSV or parquet: image, prediction, perhaps confidence and age", show_default=False)
    ],
    manifest: ManifestPath,
    out: Annotated[Path, typer.Option(help="Run folder to make")] = Path("run"),
    model: Annotated[str | None, typer.Option(help="What the tables call the box [default: the file's name]")] = None,
    classes: Annotated[
        str | None, typer.Option(help="Answers that it can give [default: 'female,male', or those it gave]")
    ] = None,
    by: By = None,
    where: Where = None,
    tone: Tone = None,
    annotations: Annotations = None,
    label_draws: LabelDraws = 200,
    seed: Annotated[int, typer.Option(min=0, help="Of drawn labels", rich_help_panel=LABELS)] = 0,
    min_subjects: MinSubjects = 20,
    allow_outside: AllowOutside = False,
    include_ids: Annotated[bool, typer.Option("--include-ids", help="Name images in tables and pages")] = False,
    view: View = None,
) -> None:
    """Error rates by group from answers alone, as a vendor or an API gave them. No image is opened.

    Images without a row, or with an empty prediction, count as no answer; see docs/black_boxes.md.
    """
    from facegap.audit.predictions import audit_predictions as run_audit
    from facegap.report.page import add_report
    from facegap.report.terminal import print_run

    run = run_audit(
        predictions,
        manifest,
        model=model,
        classes=classes,
        by=by,
        where=where,
        tone=tone,
        annotations=annotations,
        label_draws=label_draws,
        seed=seed,
        min_subjects=min_subjects,
        allow_outside=allow_outside,
        out=out,
    )
    add_report(out, run, include_ids=include_ids)
    print_run(run, out, view=view, include_ids=include_ids)


def audit_embeddings(
    embeddings: Annotated[Path, typer.Argument(help="Templates: .npy, float (rows, dimension)", show_default=False)],
    manifest: ManifestPath,
    out: Annotated[Path, typer.Option(help="Run folder to make")] = Path("run"),
    model: ModelName = "embeddings",
    by: By = None,
    tone: Tone = None,
    annotations: Annotations = None,
    fmr: Fmr = None,
    fmr_on: FmrOn = None,
    threshold: Threshold = None,
    split: Split = 0.5,
    seed: Seed = 0,
    in_sample: InSample = False,
    exclude_pairs: ExcludePairs = None,
    tail_limit: TailLimit = 2_000_000,
    min_subjects: MinSubjects = 20,
) -> None:
    """Verification from templates alone: row k of the .npy belongs to row k of the manifest.

    Rows of zeros, or with NaN, are faces that gave no template: they count as lost, never dropped.
    """
    from facegap.audit.scores import audit_embeddings as run_audit
    from facegap.audit.verify import VerifySettings
    from facegap.report.page import add_report
    from facegap.report.terminal import print_run

    refuse_both(fmr, threshold)
    given = tuple(dict.fromkeys(threshold or ()))
    settings = VerifySettings(
        () if given else tuple(fmr or (1e-3,)),
        fmr_on,
        given,
        split=split,
        seed=seed,
        in_sample=in_sample,
        exclude_pairs=None if exclude_pairs is None else str(exclude_pairs),
        tail_limit=tail_limit,
    )
    run = run_audit(
        embeddings,
        manifest,
        model=model,
        by=by,
        tone=tone,
        annotations=annotations,
        verify=settings,
        min_subjects=min_subjects,
        out=out,
    )
    add_report(out, run, include_ids=False)
    print_run(run, out, view=None, include_ids=False)


def audit_scores(
    scores: Annotated[
        Path, typer.Argument(help="Comparisons and their scores, see docs/black_boxes.md", show_default=False)
    ],
    manifest: Annotated[
        Path | None, typer.Option(help="CSV or parquet that gives images or subjects their groups")
    ] = None,
    out: Annotated[Path, typer.Option(help="Run folder to make")] = Path("run"),
    model: ModelName = "scores",
    by: By = None,
    fmr: Fmr = None,
    fmr_on: FmrOn = None,
    threshold: Threshold = None,
    split: Split = 0.5,
    seed: Seed = 0,
    in_sample: InSample = False,
    exclude_pairs: ExcludePairs = None,
    min_subjects: MinSubjects = 20,
) -> None:
    """Verification from scores alone: files as Bob writes them, or CSV with left, right, score.

    Higher scores are more alike. A score of NaN is a comparison that could not be made; it is counted as lost.
    """
    from facegap.audit.scores import audit_scores as run_audit
    from facegap.audit.verify import VerifySettings
    from facegap.report.page import add_report
    from facegap.report.terminal import print_run

    refuse_both(fmr, threshold)
    given = tuple(dict.fromkeys(threshold or ()))
    settings = VerifySettings(
        () if given else tuple(fmr or (1e-3,)),
        fmr_on,
        given,
        split=split,
        seed=seed,
        in_sample=in_sample,
        exclude_pairs=None if exclude_pairs is None else str(exclude_pairs),
    )
    run = run_audit(scores, manifest, model=model, by=by, verify=settings, min_subjects=min_subjects, out=out)
    add_report(out, run, include_ids=False)
    print_run(run, out, view=None, include_ids=False)
