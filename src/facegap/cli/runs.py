"""Commands for run folders that belong to no tool: rewrite a report, merge shards."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from facegap.audit.settings import AuditSettings
from facegap.options import IncludeIds, Only, Verbose, with_settings


@with_settings
def report(
    run: Annotated[Path, typer.Argument(help="Run folder", show_default=False)],
    settings: Annotated[AuditSettings, Only("allow_outside")],
    include_ids: IncludeIds = False,
    include_images: Annotated[
        bool, typer.Option("--include-images", help="Show thumbnails of images with errors; needs --images")
    ] = False,
    images: Annotated[
        Path | None, typer.Option(help="Folder of the run's manifest, for --include-images", show_default=False)
    ] = None,
    verbose: Verbose = False,
) -> None:
    """Write report.html and figures/ of a finished run again from its tables. No image is opened.

    Figures are written as SVG, PNG, PDF and Vega-Lite specifications. The files of the run are hashed again.

    facegap report run
    """
    from facegap.report.page import Images, report_again
    from facegap.report.text import clean
    from facegap.store.finished import read_finished

    if include_images != (images is not None):
        raise typer.BadParameter(
            "--include-images and --images FOLDER must be given together", param_hint="--include-images"
        )
    wanted = None if images is None else Images(images, settings.faces.allow_outside)
    page = report_again(run, include_ids=include_ids, images=wanted)
    if verbose:
        from facegap.report.terminal import print_everything

        print_everything(read_finished(run), view=None, include_ids=include_ids)
    typer.echo(f"Written to {clean(page)}; figures are in {clean(run / 'figures')}")


@with_settings
def merge(
    runs: Annotated[list[Path], typer.Argument(help="Folders of all shards of one audit", show_default=False)],
    settings: Annotated[AuditSettings, Only("folder", "resume")],
    mixed_workers: Annotated[
        bool, typer.Option("--mixed-workers", help="Accept shards of several types of processors; the run says so")
    ] = False,
    include_ids: IncludeIds = False,
    verbose: Verbose = False,
) -> None:
    """Merge the shards of one audit into the tables that a single process gives, byte for byte. No image is opened.

    Models, settings, files and versions of all shards must be the same, and no shard may be missing or duplicated. The shards
    are not changed.

    facegap merge shard1 shard2 shard3 shard4 --out run
    """
    from facegap.audit.merge import merge as merge_shards
    from facegap.audit.settings import changed
    from facegap.report.page import add_report
    from facegap.report.terminal import announce, print_run

    out = settings.output.folder
    assert out is not None  # --out has a default
    run = merge_shards(runs, changed(settings, phase=announce).output, mixed_workers=mixed_workers)
    add_report(out, run, include_ids=include_ids)
    print_run(run, out, view=None, include_ids=include_ids, verbose=verbose)
