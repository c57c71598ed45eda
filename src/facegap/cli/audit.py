"""The main command."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from facegap.audit.settings import MACHINES, AuditSettings
from facegap.options import IncludeIds, ManifestPath, Verbose, View, with_settings


@with_settings
def audit(
    manifest: ManifestPath,
    settings: AuditSettings,
    include_ids: IncludeIds = False,
    include_images: Annotated[
        bool, typer.Option("--include-images", help="Show thumbnails of images with errors in report.html")
    ] = False,
    view: View = None,
    verbose: Verbose = False,
    shard: Annotated[
        str | None,
        typer.Option(
            help="Run only the K-th of N shards, given as K/N such as 3/16; facegap merge combines them",
            rich_help_panel=MACHINES,
            show_default=False,
        ),
    ] = None,
) -> None:
    """Run models on portraits and measure their errors by group.

    Every image has exactly one outcome. Every rate is reported with its counts, number of subjects and interval. The run folder
    contains rates.csv, gaps.csv, faces.parquet, predictions.parquet, embeddings.npy, report.html and SHA256SUMS.

    facegap audit people.csv --classify faceapi_age_gender --by 'gender,gender*race' --out run
    """
    from facegap.audit.phases import REPORT, counted_by, phases_of
    from facegap.audit.run import audit as run_audit
    from facegap.audit.settings import changed
    from facegap.report.page import Images, add_report
    from facegap.report.terminal import Phases, print_run, progress_bar

    out = settings.output.folder
    assert out is not None  # --out has a default
    if not settings.output.keep_ids and (include_ids or include_images):
        raise typer.BadParameter("a run with --no-ids contains no names; omit --include-ids and --include-images")
    if shard is not None:
        run_shard(manifest, settings, shard)
        return
    phase = Phases(phases_of(settings))
    with progress_bar(counted_by(settings)) as progress:
        run = run_audit(manifest, changed(settings, progress=progress, phase=phase))
    phase(REPORT)
    folder = settings.faces.images_dir or manifest.parent
    images = Images(folder, settings.faces.allow_outside) if include_images else None
    add_report(out, run, include_ids=include_ids, images=images)
    print_run(run, out, view=view, include_ids=include_ids, verbose=verbose)


def run_shard(manifest: Path, settings: AuditSettings, shard: str) -> None:
    """Run one shard, and print what remains to be done."""
    from facegap.audit.settings import changed
    from facegap.audit.shards import audit_shard, parse_shard
    from facegap.report.terminal import announce, progress_bar
    from facegap.report.text import clean

    chosen = parse_shard(shard)
    with progress_bar() as progress:
        done = audit_shard(manifest, changed(settings, progress=progress, phase=announce), chosen)
    typer.echo(
        f"Shard {done.shard} is complete: {done.images:,} of {done.of_images:,} images, in {clean(done.folder)}\n"
        "Combine all shards with: facegap merge RUN... --out DIR"
    )
