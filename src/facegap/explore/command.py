"""A page over a finished run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from facegap.explore.serve import Started


def explore(
    run: Annotated[Path, typer.Argument(help="A run folder", show_default=False)],
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes any free one")] = 8322,
    include_ids: Annotated[
        bool, typer.Option("--include-ids", help="Name images and people among the failures")
    ] = False,
    images: Annotated[
        Path | None,
        typer.Option(help="Show the photographs that failed: the folder of the run's manifest", show_default=False),
    ] = None,
    allow_outside: Annotated[
        bool, typer.Option("--allow-outside", help="--images: also those that lie outside that folder")
    ] = False,
) -> None:
    """Look through a run on a web page: move the threshold and see rates, matrix and people move; sort the failures.

    Only this machine reaches the page, and only with the key in the address that is printed. Nothing in the run is
    changed; no image is opened without --images. Stop with Ctrl-C.

    facegap explore run --images .
    """
    from facegap.explore import serve as command

    command.explore(
        run, port=port, include_ids=include_ids, announce=_announce, images=images, allow_outside=allow_outside
    )


def _announce(started: Started) -> None:
    """Say where the page is."""
    from facegap.report.terminal import print_sentences

    print_sentences([f"{started.images:,} images: open {started.address}", "Stop with Ctrl-C; nothing is changed"])
