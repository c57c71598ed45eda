"""Commands for annotation: a page for labelling, export and import, and agreement between annotators."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from facegap.audit.settings import AuditSettings
from facegap.options import ManifestPath, Only, with_settings

if TYPE_CHECKING:
    from facegap.annotate.serve import Started

Db = Annotated[
    Path | None,
    typer.Option(help="File with the answers [default: MANIFEST's name + .annotations.sqlite, in the current folder]"),
]


@with_settings
def annotate(
    manifest: ManifestPath,
    settings: Annotated[
        AuditSettings, Only("where", "models_dir", "allow_outside", "images_dir", "model_timeout", "no_isolation")
    ],
    scale: Annotated[Literal["monk", "fitzpatrick", "lighter_darker"], typer.Option(help="Skin tone scale")] = "monk",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 selects any free port")] = 8321,
    annotator: Annotated[
        str | None, typer.Option(help="Name of a single annotator [default: annotators enter their names on the page]")
    ] = None,
    db: Db = None,
    host: Annotated[
        str,
        typer.Option(
            help="Address to listen on; an address reachable from other machines also needs --tls-cert and --tls-key"
        ),
    ] = "127.0.0.1",
    token: Annotated[
        str | None,
        typer.Option(
            envvar="FACEGAP_TOKEN",
            help="Access key for the page; as an option it may be visible to others [default: a key in the address]",
        ),
    ] = None,
    tls_cert: Annotated[
        Path | None,
        typer.Option(help="Server certificate with its chain, PEM; with --tls-key", show_default=False),
    ] = None,
    tls_key: Annotated[
        Path | None, typer.Option(help="Private key of the certificate, PEM", show_default=False)
    ] = None,
    plain_http: Annotated[
        bool,
        typer.Option(
            "--plain-http", help="Allow access from other machines without TLS; traffic can then be read in transit"
        ),
    ] = False,
    detect: Annotated[
        str, typer.Option(help="Show the largest face found by this detector; 'none' shows the whole photograph")
    ] = "none",
    practice: Annotated[
        int, typer.Option(min=0, help="Number of practice photographs at the start; their answers are not exported")
    ] = 3,
    seed: Annotated[int, typer.Option(min=0, help="Random seed for the order of photographs of each annotator")] = 0,
) -> None:
    """Label skin tones on a local web page, with one or several annotators.

    The page is reachable only from this machine and only with the key in the printed address. Each answer is saved before the next
    photograph is shown. Stop with Ctrl-C and continue with the same command. Keyboard: 1 to 9 and 0 answer, U undoes, S skips.

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
        images_dir=settings.faces.images_dir,
        detect=detect,
        models_dirs=settings.models.models_dir,
        timeout_s=settings.models.timeout_s,
        seed=seed,
        practice=practice,
        announce=lambda started: _announce(started, manifest),
    )


def _announce(started: Started, manifest: Path) -> None:
    """Announce the address of the page and the file of answers."""
    from facegap.report.terminal import print_sentences, print_warnings

    print_warnings(started.warnings)
    if started.readable_on_the_way:
        print_warnings(
            ["this page is reachable from other machines, and plain HTTP can be read and changed in transit"]
        )
    print_sentences(
        [
            f"Label {started.images:,} photographs on the scale {started.scale}: open {started.address}",
            f"Answers are saved in {started.db}; stop with Ctrl-C, continue with the same command",
            f"Afterwards: facegap annotations export {manifest} --out annotations.csv",
        ]
    )


answers = typer.Typer(no_args_is_help=True, help="Export the answers of `facegap annotate` as CSV, or import them.")


@answers.command(name="export")
def export_annotations(
    manifest: ManifestPath,
    out: Annotated[Path, typer.Option(help="CSV file to write")] = Path("annotations.csv"),
    db: Db = None,
) -> None:
    """Write the final answers, one row per annotator, image and scale. The page may remain open.

    facegap annotations export people.csv --out annotations.csv
    """
    from facegap.annotate import serve as command
    from facegap.report.text import clean

    rows, annotators = command.export_annotations(manifest, out, db=db)
    typer.echo(clean(f"{rows:,} answers of {annotators} annotators written to {out}"))


@answers.command(name="import")
def import_annotations(
    manifest: ManifestPath,
    annotations_csv: Annotated[Path, typer.Argument(help="CSV file from `annotations export`", show_default=False)],
    db: Db = None,
) -> None:
    """Add the answers in a CSV file. If there are two answers for one image, the later one is used.

    facegap annotations import people.csv annotations.csv
    """
    from facegap.annotate import serve as command

    found = command.import_annotations(manifest, annotations_csv, db=db)
    typer.echo(
        f"{found.added:,} answers added, {found.same:,} already present, {found.older:,} older than the existing answer"
    )


def agreement(
    annotations_csv: Annotated[Path, typer.Argument(help="CSV file from `annotations export`", show_default=False)],
    scale: Annotated[str | None, typer.Option(help="Use only this scale [default: every scale in the file]")] = None,
    tone: Annotated[
        Path | None, typer.Option(help="tone.parquet from `facegap tone`, to compare with the answers")
    ] = None,
    manifest: Annotated[
        Path | None,
        typer.Option(
            help="Manifest with the subject of each image [default: from --tone, otherwise each image is a different person]"
        ),
    ] = None,
    even: Annotated[
        Literal["lower", "upper", "none"],
        typer.Option(help="If the median lies between two labels, use the lighter, the darker, or no label"),
    ] = "lower",
    dispute_steps: Annotated[
        int, typer.Option(min=1, help="Steps between answers from which an image is in dispute")
    ] = 2,
    seed: Annotated[int, typer.Option(min=0, help="Random seed for the resampling of the intervals")] = 0,
    include_ids: Annotated[bool, typer.Option("--include-ids", help="Name the images in dispute")] = False,
    out: Annotated[Path | None, typer.Option(help="Folder for the tables as CSV")] = None,
) -> None:
    """Measure agreement between annotators: Krippendorff's alpha, pairwise kappa, tendencies to label lighter or darker, disputes.

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
