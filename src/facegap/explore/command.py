"""A web page for a finished run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from facegap.explore.serve import Started


def explore(
    run: Annotated[Path, typer.Argument(help="Run folder", show_default=False)],
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 selects any free port")] = 8322,
    include_ids: Annotated[
        bool, typer.Option("--include-ids", help="Show the names of images and people with errors")
    ] = False,
    images: Annotated[
        Path | None,
        typer.Option(help="Folder of the run's manifest, to show photographs with errors", show_default=False),
    ] = None,
    allow_outside: Annotated[
        bool, typer.Option("--allow-outside", help="Also show photographs outside the folder of --images")
    ] = False,
) -> None:
    """Explore a run on a local web page: change the threshold, see its effect on rates, matrix and people, and sort the errors.

    The page is reachable only from this machine and only with the key in the printed address. The run is not changed, and no image
    is opened without --images. Stop with Ctrl-C.

    facegap explore run --images .
    """
    from facegap.explore import serve as command

    command.explore(
        run, port=port, include_ids=include_ids, announce=_announce, images=images, allow_outside=allow_outside
    )


def _announce(started: Started) -> None:
    """Announce the address of the page."""
    from facegap.report.terminal import print_sentences

    print_sentences([f"{started.images:,} images: open {started.address}", "Stop with Ctrl-C; the run is not changed"])
