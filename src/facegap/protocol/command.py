"""A published benchmark protocol, run on a model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from facegap.audit.settings import AuditSettings
from facegap.options import IncludeIds, Only, Verbose, with_settings

Name = Literal["lfw", "calfw", "cplfw", "agedb30", "cfp-fp", "rfw", "bin", "ijbb", "ijbc"]


@with_settings
def protocol(
    name: Annotated[Name, typer.Argument(help="Name of the protocol", show_default=False)],
    root: Annotated[
        Path, typer.Option(help="Folder with the unpacked data set; for bin, the .bin file", show_default=False)
    ],
    settings: Annotated[
        AuditSettings,
        Only(
            "detect",
            "embed",
            "by",
            "map",
            "models",
            "flip",
            "many_faces",
            "min_face",
            "points",
            "colour",
            "allow_outside",
            "data_name",
            "cluster",
            "min_subjects",
            "per_person",
            "level",
            "margin",
            "alpha",
            "plan",
            "fmr",
            "fmr_on",
            "threshold",
            "threshold_by",
            "threshold_on",
            "split",
            "seed",
            "in_sample",
            "eer",
            "output",
        ),
    ],
    far: Annotated[
        list[float] | None,
        typer.Option(
            help="False accept rate at which TAR is reported; repeatable [default: 0.001, 0.01, 0.1; IJB: 1e-6 to 0.1]"
        ),
    ] = None,
    like: Annotated[
        Literal["insightface"] | None,
        typer.Option(help="Also report TAR by InsightFace's rule: at the nearest FAR, which may exceed the target"),
    ] = None,
    gallery: Annotated[
        Literal["1", "2", "both"] | None,
        typer.Option(help="IJB: search this gallery (1:N) instead of comparing the listed pairs"),
    ] = None,
    fpir_target: Annotated[
        list[float] | None,
        typer.Option("--fpir", help="FPIR at which TPIR is reported, with --gallery; repeatable [default: 0.01, 0.1]"),
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option(
            help="CSV or parquet file with a column image or subject and columns of labels; or the metadata of IJB"
        ),
    ] = None,
    allow_incomplete: Annotated[
        bool, typer.Option("--allow-incomplete", help="Accept a different number of pairs, or missing images")
    ] = False,
    include_ids: IncludeIds = False,
    verbose: Verbose = False,
) -> None:
    """Run a benchmark protocol: its own results, and FMR and FNMR by group with intervals.

    Numbers of pairs and images are checked against the protocol. Ten-fold accuracy follows the rules of InsightFace and FaceX-Zoo;
    TAR at a FAR follows a strict rule. Thresholds for FMR and FNMR are set on folds of other people.

    facegap protocol lfw --root LFW --embed face_reid_0095 --out run
    """
    from facegap.audit.phases import REPORT, phases_of
    from facegap.audit.settings import changed
    from facegap.protocol.run import FPIR, run_protocol
    from facegap.report.page import add_report
    from facegap.report.terminal import Phases, print_run, progress_bar

    out = settings.output.folder
    assert out is not None  # --out has a default
    phase = Phases(phases_of(settings))
    with progress_bar() as progress:
        run = run_protocol(
            name,
            root,
            changed(settings, progress=progress, phase=phase),
            far=far or (),
            like=like,
            gallery=gallery,
            fpir=fpir_target or FPIR,
            labels=labels,
            allow_incomplete=allow_incomplete,
        )
    phase(REPORT)
    add_report(out, run, include_ids=include_ids)
    print_run(run, out, view=None, include_ids=include_ids, verbose=verbose)
