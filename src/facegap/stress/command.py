"""Changes of errors by group as image quality decreases."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

import typer

from facegap.audit.settings import AuditSettings
from facegap.options import ManifestPath, Only, with_settings


@with_settings
def stress(
    manifest: ManifestPath,
    settings: Annotated[
        AuditSettings,
        Only(
            "detect",
            "classify",
            "embed",
            "by",
            "models_dir",
            "device",
            "batch",
            "workers",
            "model_timeout",
            "no_isolation",
            "flip",
            "faces",
            "where",
            "map",
            "keep_words",
            "merge_spellings",
            "subjects_as_written",
            "data_name",
            "cluster",
            "min_subjects",
            "level",
            "margin",
            "alpha",
            "fmr",
            "threshold",
            "exclude_pairs",
            "seed",
            "folder",
            "resume",
            said={
                "seed": "Random seed for noise, the bootstrap, and the folds of --fmr",
                "folder": "Folder to create, with stress.html, stress.csv and stress_gaps.csv",
                "fmr": "Target false match rate on the unperturbed images",
                "exclude_pairs": "CSV file with columns left,right: pairs of images that are not genuine pairs",
                "margin": "METRIC=VALUE: the smallest difference between changes that matters, such as error_rate_all=0.02",
            },
        ),
    ],
    recheck: Annotated[
        bool,
        typer.Option(
            "--recheck",
            help="Hash the files of a finished stress test, named as MANIFEST, and derive its tables again",
        ),
    ] = False,
    perturb: Annotated[
        list[str] | None,
        typer.Option(
            help="NAME or NAME=DOSE[,DOSE]: exposure, blur, motion, resolution, jpeg, noise, rotation, eyes, mouth; repeatable "
            "[default: exposure, blur, resolution, jpeg, noise]"
        ),
    ] = None,
) -> None:
    """Perturb every image (exposure, blur, resolution, ...) and measure whether errors change more in one group than in another.

    facegap stress people.csv --classify MODEL --by gender --perturb exposure --perturb blur=3,6,10 --out stressed

    Each image is decoded once and perturbed in memory before face detection. Each person is their own control.

    facegap stress stressed --recheck
    """
    from facegap.report.terminal import announce, print_sentences, print_tables, print_warnings, progress_bar
    from facegap.stress.again import recheck as check_again
    from facegap.stress.run import stress as run
    from facegap.stress.text import at_threshold, findings, short_tables

    if recheck:
        problems = check_again(manifest)
        print_sentences(
            problems or ["every file has its stated hash, and the tables can be reproduced from the stored rows"]
        )
        raise typer.Exit(1 if problems else 0)
    with progress_bar() as progress:
        output = replace(settings.output, progress=progress, notice=announce)
        done = run(manifest, replace(settings, output=output), perturb or ())
    print_sentences([*findings(done), *filter(None, [at_threshold(done)]), ""])
    print_tables(short_tables(done))
    print_warnings(done.record["warnings"])
    print_sentences([f"Written to {done.folder / 'stress.html'}; tables: stress.csv, stress_gaps.csv"])
