"""Variants of a model in lower precision."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from facegap.audit.settings import AuditSettings
from facegap.options import Only, with_settings


@with_settings
def variants(
    model: Annotated[
        str, typer.Argument(help="A card's name, a .toml card, or an .onnx with a card", show_default=False)
    ],
    calibrate_on: Annotated[
        Path, typer.Option(help="CSV or parquet file with portraits for calibration", show_default=False)
    ],
    out: Annotated[Path, typer.Option(help="New folder for the files and their cards", show_default=False)],
    settings: Annotated[
        AuditSettings,
        Only(
            "detect",
            "points",
            "models_dir",
            "model_timeout",
            "no_isolation",
            "where",
            "by",
            "map",
            "keep_words",
            "images_dir",
            "allow_outside",
            said={
                "detect": "Detector, as in audit",
                "by": "Groups to count among the calibration images",
                "where": "Calibrate on rows by a condition: \"gender == 'female'\"",
            },
        ),
    ],
    precision: Annotated[Literal["fp16", "int8", "both"], typer.Option(help="Precisions to create")] = "both",
    images: Annotated[int, typer.Option(min=10, max=5000, help="Number of crops for calibration")] = 200,
    seed: Annotated[int, typer.Option(min=0, help="Random seed for the sample of crops")] = 0,
) -> None:
    """Make fp16 and int8 variants of a model, each with a card that states its origin, method and calibration images.

    onnxruntime's tools convert the graph in this process, so convert only files that you trust. Then audit parent and variant on
    the same people and compare the runs: in which groups decisions flip and scores drift.

    facegap variants mobileface_v2 --calibrate-on people.csv --by gender --out variants
    """
    from facegap.report.terminal import print_sentences, print_tables, print_warnings, progress_bar
    from facegap.variants import text
    from facegap.variants.make import PRECISIONS, make_variants, require_room, write_variants

    require_room(out)
    chosen = PRECISIONS if precision == "both" else (precision,)
    with progress_bar() as progress:
        found, crops, places = make_variants(
            model, calibrate_on, settings, precisions=chosen, images=images, seed=seed, progress=progress
        )
    files = write_variants(found, out)
    print_tables([text.variants_table(found, places)])
    print_warnings(text.warnings(crops, images))
    print_sentences([f"Written to {out}: {', '.join(files)}"])
