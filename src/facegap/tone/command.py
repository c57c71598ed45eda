"""Measurement of skin tone in photographs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from facegap.audit.settings import AuditSettings
from facegap.options import ManifestPath, Only, with_settings


@with_settings
def tone(
    manifest: ManifestPath,
    settings: Annotated[
        AuditSettings,
        Only(
            "detect",
            "where",
            "models_dir",
            "workers",
            "scheduler",
            "ship_images",
            "mixed_workers",
            "faces",
            said={
                "detect": "Detector with five points: name of a card, or a .toml card",
                "workers": "Number of images processed in parallel",
                "ship_images": "--scheduler: send images to workers that do not see their folder",
                "mixed_workers": "--scheduler: accept workers of several processors or versions; the command says so",
            },
        ),
    ],
    out: Annotated[Path, typer.Option(help="Parquet file to write, readable only by you")] = Path("tone.parquet"),
    cut: Annotated[
        float, typer.Option(min=-90, max=90, help="ITA in degrees above which a measured tone is lighter")
    ] = 28.0,
    prior: Annotated[
        Literal["manifest", "flat"],
        typer.Option(help="Prior distribution of tones: estimated from this manifest, or flat"),
    ] = "manifest",
    pool: Annotated[
        bool, typer.Option("--pool", help="Base each subject's tone on all photographs of the subject")
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the table if it exists")] = False,
) -> None:
    """Measure skin tone in photographs: ITA, nearest Monk colour, lighter or darker, each with its uncertainty.

    The colour of skin in a photograph depends on light as well as on skin. Each row states its uncertainty; if lighter or darker
    cannot be determined, the tone is "unknown". A measured tone is neither a perceived tone nor a race.

    facegap tone people.csv --detect yunet --out tone.parquet

    facegap audit people.csv --classify faceapi_age_gender --tone tone.parquet --by 'gender*measured_tone'
    """
    from facegap.report.terminal import print_tables, progress_bar
    from facegap.tone.measure import measure_manifest, tone_summary

    with progress_bar() as progress:
        frame = measure_manifest(
            manifest,
            settings,
            out=out,
            cut=cut,
            prior=prior,
            pool=pool,
            overwrite=overwrite,
            progress=progress,
        )
    print_tables(tone_summary(frame, out))
