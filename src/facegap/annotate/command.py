"""Commands for labels that people give: a page to give them, a way in and out, and how far they agree."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from facegap.audit.settings import AuditSettings
from facegap.options import ManifestPath, Only, with_settings

if TYPE_CHECKING:
    from facegap.annotate.serve import Started

Db = Annotated[
    Path | None, typer.Option(help="File of answers [default: MANIFEST's name + .annotations.sqlite, in this folder]")
]


@with_settings
def annotate(
    manifest: ManifestPath,
    settings: Annotated[AuditSettings, Only("where", "models_dir", "allow_outside", "model_timeout", "no_isolation")],
    scale: Annotated[Literal["monk", "fitzpatrick", "lighter_darker"], typer.Option(help="Skin tone scale")] = "monk",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes any free one")] = 8321,
    annotator: Annotated[
        str | None, typer.Option(help="The one person who labels here [default: everybody gives a name on the page]")
    ] = None,
    db: Db = None,
    host: Annotated[
        str, typer.Option(help="Address to listen on; one that others reach needs --tls-cert and --tls-key as well")
    ] = "127.0.0.1",
    token: Annotated[
        str | None,
        typer.Option(
            envvar="FACEGAP_TOKEN",
            help="Secret that the page asks for; as an option others may see it [default: a key in the address]",
        ),
    ] = None,
    tls_cert: Annotated[
        Path | None,
        typer.Option(help="Certificate of the server with its chain, PEM; with --tls-key", show_default=False),
    ] = None,
    tls_key: Annotated[Path | None, typer.Option(help="Key of that certificate, PEM", show_default=False)] = None,
    plain_http: Annotated[
        bool, typer.Option("--plain-http", help="Let others reach the page without TLS, readable on the way")
    ] = False,
    detect: Annotated[
        str, typer.Option(help="Show the largest face that this detector finds, 'none': the whole photograph")
    ] = "none",
    practice: Annotated[
        int, typer.Option(min=0, help="Photographs to practise on first; these answers are not exported")
    ] = 3,
    seed: Annotated[int, typer.Option(min=0, help="Of the order in which each annotator sees the photographs")] = 0,
) -> None:
    """Label skin tones on a web page, several people at once if they like.

    Only this machine reaches the page, and only with the key in the address that is printed. Each answer is saved before the
    next photograph is shown; stop with Ctrl-C and start again with the same command to go on. The keyboard is enough: 1 to 9
    and 0 answer, U takes back, S skips.

    facegap annotate people.csv --scale monk --annotator Ada
    """
    from facegap.annotate import serve as command

    command.annotate(
        manifest,
        scale=scale,
        port=port,
        host=host,
        token=token,
        tls=(tls_cert, tls_key),
        plain_http=plain_http,
        annotator=annotator,
        db=db,
        where=settings.groups.where,
        allow_outside=settings.faces.allow_outside,
        detect=detect,
        models_dirs=settings.models.models_dir,
        timeout_s=settings.models.timeout_s,
        seed=seed,
        practice=practice,
        announce=lambda started: _announce(started, manifest),
    )


def _announce(started: Started, manifest: Path) -> None:
    """Say where the page is and where the answers go."""
    from facegap.report.terminal import print_sentences, print_warnings

    print_warnings(started.warnings)
    if started.readable_on_the_way:
        print_warnings(["others reach this page, and plain HTTP can be read and changed on the way"])
    print_sentences(
        [
            f"Label {started.images:,} photographs on the scale {started.scale}: open {started.address}",
            f"Answers are kept in {started.db}; stop with Ctrl-C, go on with the same command",
            f"Afterwards: facegap annotations export {manifest} --out annotations.csv",
        ]
    )


answers = typer.Typer(no_args_is_help=True, help="Take answers of `facegap annotate` out as CSV, and bring them in.")


@answers.command(name="export")
def export_annotations(
    manifest: ManifestPath,
    out: Annotated[Path, typer.Option(help="CSV to write")] = Path("annotations.csv"),
    db: Db = None,
) -> None:
    """Write the answers that count, one row per annotator, image and scale. The page may stay open meanwhile.

    facegap annotations export people.csv --out annotations.csv
    """
    from facegap.annotate import serve as command
    from facegap.report.text import clean

    rows, annotators = command.export_annotations(manifest, out, db=db)
    typer.echo(clean(f"{rows:,} answers of {annotators} annotators written to {out}"))


@answers.command(name="import")
def import_annotations(
    manifest: ManifestPath,
    annotations_csv: Annotated[Path, typer.Argument(help="CSV as export writes it", show_default=False)],
    db: Db = None,
) -> None:
    """Add the answers of a CSV; where there are two to one image, the later counts.

    facegap annotations import people.csv annotations.csv
    """
    from facegap.annotate import serve as command

    found = command.import_annotations(manifest, annotations_csv, db=db)
    typer.echo(f"{found.added:,} answers added, {found.same:,} there already, {found.older:,} older than what is there")


def agreement(
    annotations_csv: Annotated[Path, typer.Argument(help="CSV as `annotations export` writes it", show_default=False)],
    scale: Annotated[str | None, typer.Option(help="Only this scale [default: every one that occurs]")] = None,
    tone: Annotated[Path | None, typer.Option(help="tone.parquet of `facegap tone`, to set answers against")] = None,
    manifest: Annotated[
        Path | None, typer.Option(help="Says which images show one person [default: --tone does, else each is another]")
    ] = None,
    even: Annotated[
        Literal["lower", "upper", "none"],
        typer.Option(help="A median between two labels gives the lighter, the darker, or no label"),
    ] = "lower",
    dispute_steps: Annotated[int, typer.Option(min=1, help="Answers that lie this many steps apart are a dispute")] = 2,
    seed: Annotated[int, typer.Option(min=0, help="Of the resamples behind the intervals")] = 0,
    include_ids: Annotated[bool, typer.Option("--include-ids", help="Name the images in dispute")] = False,
    out: Annotated[Path | None, typer.Option(help="Folder to write the tables to as CSV")] = None,
) -> None:
    """How far annotators agree: Krippendorff's alpha, pairwise kappa, who labels lighter or darker, what is in dispute.

    facegap agreement annotations.csv --tone tone.parquet --out agreement
    """
    import numpy as np

    from facegap.annotate.agreement import agreement_tables
    from facegap.annotate.agreement_text import as_text, write_agreement
    from facegap.report.terminal import print_sentences, print_tables

    found = agreement_tables(
        annotations_csv,
        scale=scale,
        tone=tone,
        manifest=manifest,
        even=even,
        dispute_steps=dispute_steps,
        rng=np.random.default_rng(seed),
    )
    print_tables(as_text(found, include_ids=include_ids))
    if out is not None:
        names = write_agreement(found, out, include_ids=include_ids)
        print_sentences([f"Written to {out}: {', '.join(names)}"])
