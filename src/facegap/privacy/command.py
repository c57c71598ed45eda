"""`facegap forget`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def forget(
    run: Annotated[Path, typer.Argument(help="A finished run folder", show_default=False)],
    subject: Annotated[str, typer.Option(help="The person, as the column subject names them", show_default=False)],
) -> None:
    """Remove a person from a finished run and derive every table again.

    Thresholds stay as they were set, and the run says so. A seal is broken: sign the run again. The run records that somebody
    was removed, never who. Copies of the folder, backups and the photographs themselves are yours to look after, and so are
    the blocks of a disk, which are freed and not overwritten.

    facegap forget run --subject p0042
    """
    from facegap.privacy.forget import forget as remove
    from facegap.report.text import clean
    from facegap.store.checksums import is_sealed

    sealed = is_sealed(run)
    images = remove(run, subject)
    if not images:
        typer.echo(
            f"{clean(run)}: a removal that was interrupted is finished; nobody of this name is in the run any more"
        )
        return
    said = "1 image" if images == 1 else f"{images:,} images"
    typer.echo(f"{clean(run)}: removed {said} of one person; every table and the report were made again")
    if sealed:
        typer.echo("the seal was broken by it; seal the run again with facegap seal")
