"""Skin tone, measured from photographs."""

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
            "faces",
            said={
                "detect": "Detector with five points: a card's name, or a .toml card",
                "workers": "Images processed at once",
            },
        ),
    ],
    out: Annotated[Path, typer.Option(help="Table to write, parquet, readable by you alone")] = Path("tone.parquet"),
    cut: Annotated[
        float, typer.Option(min=-90, max=90, help="Degrees of ITA; a measured tone above it is lighter")
    ] = 28.0,
    prior: Annotated[
        Literal["manifest", "flat"],
        typer.Option(help="Probabilities among people as this manifest shows them, or as if every tone were as common"),
    ] = "manifest",
    pool: Annotated[
        bool, typer.Option("--pool", help="Rest each subject's tone on all photographs of the subject")
    ] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the table if it is there")] = False,
) -> None:
    """Measure skin tone in photographs: ITA, nearest Monk colour, lighter or darker, each with its uncertainty.

    A photograph measures light as well as skin. Each row says how far its number can be trusted, and where lighter or
    darker cannot be told the tone is "unknown". A measured tone is neither a perceived one nor a race.

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
