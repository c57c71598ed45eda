"""`facegap forget`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def forget(
    run: Annotated[Path, typer.Argument(help="Finished run folder", show_default=False)],
    subject: Annotated[str, typer.Option(help="Name of the person in the column subject", show_default=False)],
) -> None:
    """Remove a person from a finished run and derive every table again.

    Thresholds stay as they were set, and the run states this. A seal becomes invalid: sign the run again. The run records that a
    person was removed, but not who. You remain responsible for copies of the folder, backups and the photographs, and for disk
    blocks, which are freed but not overwritten.

    facegap forget run --subject p0042
    """
    from facegap.privacy.forget import forget as remove
    from facegap.report.text import clean
    from facegap.store.checksums import is_sealed

    sealed = is_sealed(run)
    images = remove(run, subject)
    if not images:
        typer.echo(f"{clean(run)}: an interrupted removal has been completed; nobody with this name remains in the run")
        return
    said = "1 image" if images == 1 else f"{images:,} images"
    typer.echo(f"{clean(run)}: removed {said} of one person; all tables and the report were derived again")
    if sealed:
        typer.echo("the seal is no longer valid; sign the run again with facegap seal")
