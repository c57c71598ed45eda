"""Skin tone, measured from photographs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from facegap.options import AllowOutside, ManifestPath, ModelsDir, Where


def tone(
    manifest: ManifestPath,
    out: Annotated[Path, typer.Option(help="Table to write, parquet, readable by you alone")] = Path("tone.parquet"),
    detect: Annotated[str, typer.Option(help="Detector with five points: a card's name, or a .toml card")] = "yunet",
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
    where: Where = None,
    models_dir: ModelsDir = None,
    many_faces: Annotated[
        Literal["largest", "refuse", "centre"], typer.Option(help="Which face counts where there are several")
    ] = "largest",
    min_face: Annotated[
        int, typer.Option(min=1, help="Smaller faces, in pixels of the shorter side, end as too_small")
    ] = 12,
    workers: Annotated[
        int | None, typer.Option(min=1, max=256, help="Images under way at once [default: processors]")
    ] = None,
    allow_outside: AllowOutside = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the table if it is there")] = False,
) -> None:
    """Measure skin tone in photographs: ITA, nearest Monk colour, lighter or darker, each with its doubt.

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
            out=out,
            detect=detect,
            cut=cut,
            prior=prior,
            pool=pool,
            where=where,
            models_dirs=models_dir or (),
            allow_outside=allow_outside,
            many_faces=many_faces,
            min_face_px=min_face,
            workers=workers,
            overwrite=overwrite,
            progress=progress,
        )
    print_tables(tone_summary(frame, out))
