"""Audits without access to the model: from predictions, templates or scores."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from facegap.audit.settings import AuditSettings
from facegap.options import IncludeIds, ManifestPath, ModelName, Only, Verbose, View, with_settings

if TYPE_CHECKING:
    from facegap.store.run import Run

THRESHOLD_HELP = "Accept scores from this value, instead of setting a threshold by --fmr"
BY_HELP = "Evaluate each pair at a threshold set on folds of other people (folds), or set thresholds on held-out subjects (split)"
COMPARED = (
    "fmr",
    "fmr_on",
    "threshold",
    "threshold_by",
    "split",
    "seed",
    "in_sample",
    "exclude_pairs",
    "eer",
    "bob_rates",
)
AGES = ("age_limit", "challenge", "age_fpr_target", "age_from", "age_bands", "age_margin")
WORDS = ("map", "keep_words", "merge_spellings", "subjects_as_written")


@with_settings
def audit_predictions(
    predictions: Annotated[
        Path,
        typer.Argument(
            help="CSV or parquet file: image, prediction, optionally confidence and age", show_default=False
        ),
    ],
    manifest: ManifestPath,
    settings: Annotated[
        AuditSettings,
        Only(
            "by",
            "groups",
            *AGES,
            "seed",
            "allow_outside",
            "allow_missing",
            "folder",
            "resume",
            "keep_ids",
            said={
                "seed": "Random seed for resampled labels",
                "allow_missing": "Continue if images have no row in the predictions; they are excluded from all rates",
            },
        ),
    ],
    model: Annotated[
        str | None, typer.Option(help="Name of the system in the tables [default: the file's name]")
    ] = None,
    classes: Annotated[
        str | None, typer.Option(help="Possible predictions [default: 'female,male', or those in the file]")
    ] = None,
    output: Annotated[
        str | None,
        typer.Option(help="Predicted attribute if not gender, such as emotion or liveness; needs --classes"),
    ] = None,
    label: Annotated[
        str | None, typer.Option(help="Column of the manifest with the true value of --output [default: its name]")
    ] = None,
    bona_fide: Annotated[
        str | None,
        typer.Option(
            help="Class of --output for bona fide presentations: adds BPCER, and APCER per species of --label"
        ),
    ] = None,
    include_ids: IncludeIds = False,
    view: View = None,
    verbose: Verbose = False,
) -> None:
    """Measure error rates by group from the predictions of a vendor or an API. No image is opened.

    Images without a row, or with an empty prediction, count as no answer; see docs/black_boxes.md.

    facegap audit-predictions answers.csv people.csv --by 'gender,gender*race' --out run

    facegap audit-predictions moods.csv people.csv --output emotion --classes happy,neutral,angry --by gender
    """
    from facegap.audit.phases import OF_PREDICTIONS
    from facegap.audit.predictions import audit_predictions as run_audit

    with_phases = announced(settings, OF_PREDICTIONS)
    run = run_audit(
        predictions,
        manifest,
        with_phases,
        model=model,
        classes=classes,
        output=output,
        label=label,
        bona_fide=bona_fide,
    )
    show(run, with_phases, include_ids=include_ids, view=view, verbose=verbose)


@with_settings
def audit_embeddings(
    embeddings: Annotated[
        Path, typer.Argument(help="Templates: .npy file of floats, (rows, dimension)", show_default=False)
    ],
    manifest: ManifestPath,
    settings: Annotated[
        AuditSettings,
        Only(
            "by",
            "groups",
            *COMPARED,
            "sample_pairs",
            "genuine_per_subject",
            "images_are_people",
            "impostors_only",
            "tail_limit",
            "edge_fmr",
            "folder",
            "resume",
            "keep_embeddings",
            "keep_ids",
            "quality",
            "quality_column",
            "quality_discard",
            "quality_below",
            said={
                "threshold": THRESHOLD_HELP,
                "threshold_by": BY_HELP,
                "quality": "Image quality measure, to show which images a quality gate would reject: template_norm (for templates "
                "that were not normalised), or a CSV or parquet file with quality scores",
            },
        ),
    ],
    model: ModelName = "embeddings",
    verbose: Verbose = False,
) -> None:
    """Measure verification errors from templates: row k of the .npy file belongs to row k of the manifest.

    A row of zeros, or with NaN, is a face without a template. Such faces are counted as lost, not dropped.

    facegap audit-embeddings templates.npy people.csv --by gender --fmr 0.001 --out run
    """
    from facegap.audit.phases import OF_COMPARISONS
    from facegap.audit.scores import audit_embeddings as run_audit

    with_phases = announced(settings, OF_COMPARISONS)
    show(run_audit(embeddings, manifest, with_phases, model=model), with_phases, verbose=verbose)


@with_settings
def audit_scores(
    scores: Annotated[
        Path, typer.Argument(help="File with comparisons and their scores; see docs/black_boxes.md", show_default=False)
    ],
    settings: Annotated[
        AuditSettings,
        Only(
            "by",
            "data_name",
            "cluster",
            "per_person",
            "label_errors",
            "weights",
            "shares",
            "slope",
            "min_subjects",
            "level",
            "margin",
            "alpha",
            "plan",
            *COMPARED,
            *WORDS,
            "impostors_only",
            "distance",
            "format",
            "enrolment_log",
            "quality_discard",
            "quality_below",
            "folder",
            "resume",
            "keep_ids",
            said={
                "threshold": THRESHOLD_HELP,
                "threshold_by": BY_HELP,
                "seed": "Random seed for folds or split",
                "quality_discard": "Proportion of images that a gate on the quality in --enrolment-log rejects",
                "quality_below": "Reject images with a quality below this value in --enrolment-log",
            },
        ),
    ],
    manifest: Annotated[
        Path | None, typer.Option(help="CSV or parquet file with the groups of images or subjects")
    ] = None,
    model: ModelName = "scores",
    verbose: Verbose = False,
) -> None:
    """Measure verification errors from scores: Bob's score files, or CSV with left, right, score.

    Higher scores mean more similar. A score of NaN is a comparison that could not be made; it is counted as lost. --format frte
    reads the match log of NIST's driver; a return code other than 0 is a failure, not a score.

    facegap audit-scores scores.csv --manifest people.csv --by gender --fmr 0.001 --out run
    """
    from facegap.audit.phases import OF_COMPARISONS
    from facegap.audit.scores import audit_scores as run_audit

    with_phases = announced(settings, OF_COMPARISONS)
    show(run_audit(scores, manifest, with_phases, model=model), with_phases, verbose=verbose)


def announced(settings: AuditSettings, phases: tuple[str, ...]) -> AuditSettings:
    """The settings with a numbered announcement of each phase."""
    from facegap.audit.settings import changed
    from facegap.report.terminal import Phases

    return changed(settings, phase=Phases(phases))


def show(
    run: Run, settings: AuditSettings, *, include_ids: bool = False, view: Any = None, verbose: bool = False
) -> None:
    """Add the report to a run folder and print the result."""
    from facegap.audit.phases import REPORT
    from facegap.report.page import add_report
    from facegap.report.terminal import print_run

    out = settings.output.folder
    assert out is not None  # --out has a default
    settings.output.phase(REPORT)
    add_report(out, run, include_ids=include_ids)
    print_run(run, out, view=view, include_ids=include_ids, verbose=verbose)
