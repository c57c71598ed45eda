"""Check whether a model is run as its authors intended."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from facegap.audit.settings import AuditSettings
from facegap.options import Only, with_settings

if TYPE_CHECKING:
    from facegap.inputs.cards.schema import ModelCard


@with_settings
def doctor(
    model: Annotated[
        str,
        typer.Argument(
            help="Name of a card, a .toml card, or an .onnx file with or without a card", show_default=False
        ),
    ],
    manifest: Annotated[
        Path,
        typer.Option(
            help="CSV or parquet file: image, and subject (embedder: two images each of at least 20 people), gender or age",
            show_default=False,
        ),
    ],
    settings: Annotated[
        AuditSettings,
        Only(
            "detect",
            "points",
            "flip",
            "device",
            "workers",
            "model_timeout",
            "no_isolation",
            "where",
            "models_dir",
            "allow_outside",
            "images_dir",
            "send_images",
            "calls_per_second",
            "price_per_call",
            said={"detect": "Detector, as in audit"},
        ),
    ],
    sample: Annotated[
        int | None,
        typer.Option(
            min=20, help="Number of subjects sampled, at most 4 images of each [default: embedder 100, classifier 300]"
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Random seed for the sample")] = 0,
    judge_by: Annotated[
        Literal["gender", "age"] | None, typer.Option(help="Attribute by which a classifier of both is evaluated")
    ] = None,
    propose: Annotated[
        bool, typer.Option("--propose", help="Propose a card for an .onnx file even if it has one")
    ] = False,
    task: Annotated[
        Literal["embed", "classify"] | None,
        typer.Option(help="Task of an .onnx file without a card, if its outputs do not determine it"),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="File for the proposed card (.toml) or the result (.json)", show_default=False)
    ] = None,
    findings: Annotated[
        Path | None,
        typer.Option(
            help="Folder in which results are stored [default: FACEGAP_FINDINGS, otherwise the user's cache]",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Check the preprocessing stated on a card: would the model perform better with other settings?

    Colour order, scale, alignment and crop are changed one at a time and evaluated on the same portraits. Exit code 1 means that
    the card is probably wrong; audits with this card then warn. If there are too few people, only the checks that need no labels
    are made.

    facegap doctor mobileface_v2 --manifest people.csv

    facegap doctor unknown.onnx --manifest people.csv --out unknown.toml

    The card of a service is tested with a few calls; their number and price are shown first.

    facegap doctor vendor.toml --manifest people.csv --price-per-call 0.001 --send-images
    """
    from facegap.doctor import text as doctor_text
    from facegap.doctor.checks import check_basics
    from facegap.doctor.diagnose import Options, examine
    from facegap.doctor.results import remember, require_free, require_memory, write_out
    from facegap.doctor.sample import NotEvaluableError
    from facegap.inputs.cards.read import find_card
    from facegap.report.terminal import announce, print_sentences, print_tables, print_warnings, progress_bar
    from facegap.store.run import write_json

    if (card := find_card(model)[0]) is not None and card.backend == "http":
        doctor_of_service(card, manifest, settings, seed)
        return
    require_free(out, model, propose=propose)
    require_memory(findings)
    options = Options(
        settings.detect,
        sample,
        seed,
        judge_by,
        settings.models.device,
        settings.models.workers,
        settings.models.models_dir,
        settings.models.timeout_s,
        settings.faces.points,
        settings.models.flip,
    )
    where, faces = settings.groups.where, settings.faces
    try:
        with progress_bar() as progress:
            examined = examine(
                model,
                manifest,
                options,
                where=where,
                allow_outside=faces.allow_outside,
                images_dir=faces.images_dir,
                propose=propose,
                task=task,
                progress=progress,
                announce=announce,
            )
    except NotEvaluableError as error:
        if propose or find_card(model)[0] is None:
            raise
        announce("settings cannot be evaluated; only checks that need no labels are run")
        with progress_bar() as progress:
            checks = check_basics(
                model,
                manifest,
                options,
                reason=str(error),
                where=where,
                allow_outside=faces.allow_outside,
                images_dir=faces.images_dir,
                progress=progress,
                announce=announce,
            )
        print_sentences([*doctor_text.checks_conclusion(checks), ""])
        print_tables([doctor_text.checks_table(checks)])
        print_warnings(checks.warnings)
        if out is not None:
            write_json(out, checks.as_record())
        if checks.failed:
            raise typer.Exit(1) from None
        return
    print_sentences([*doctor_text.conclusion(examined), ""])
    print_tables([doctor_text.table(examined)])
    print_warnings(examined.warnings)
    if examined.proposal:
        typer.echo(f"\n{examined.proposal.text}")
    if out is not None:
        write_out(examined, out)
    print_sentences([doctor_text.remembered(remember(examined, findings))])
    if examined.finding.verdict == "wrong":
        raise typer.Exit(1)


def doctor_of_service(card: ModelCard, manifest: Path, settings: AuditSettings, seed: int) -> None:
    """Test the card of a service and print the results; exit code 1 if a check fails."""
    from facegap.doctor.service import announcement, examine_service
    from facegap.doctor.text import service_conclusion, service_table
    from facegap.inputs.manifests.read import read_manifest
    from facegap.report.terminal import announce, print_sentences, print_tables

    faces = settings.faces
    table = read_manifest(
        manifest, where=settings.groups.where, allow_outside=faces.allow_outside, images_dir=faces.images_dir
    )
    if settings.service.send_images:
        announce(announcement(card, settings.service.price_per_call))
    checks = examine_service(card, table, settings.service, seed)
    print_sentences([service_conclusion(checks), ""])
    print_tables([service_table(card.name, checks)])
    if any(one.state == "not in order" for one in checks):
        raise typer.Exit(1)
