"""A run for others: JSON with a schema, or a model card."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer


def export(
    run: Annotated[Path | None, typer.Argument(help="A run folder", show_default=False)] = None,
    form: Annotated[
        Literal["model-card", "json"], typer.Option("--format", help="Markdown, or JSON with a schema")
    ] = "json",
    out: Annotated[Path | None, typer.Option(help="File to write [default: print it]", show_default=False)] = None,
    schema: Annotated[bool, typer.Option("--schema", help="Print the JSON Schema of --format json instead")] = False,
) -> None:
    """A run as one document: what ISO/IEC 19795-10 asks to be reported, and what of it is missing.

    Tasks, groups and who labelled them, threshold policy, failure to enrol, score shifts, error rates, throughput by
    group, uncertainty. No image is named in it.

    facegap export run --format model-card --out MODEL_CARD.md
    """
    if schema:
        from facegap.export.document import schema_text

        typer.echo(schema_text(), nl=False)
        return
    if run is None:
        raise typer.BadParameter("name a run folder, or ask for --schema", param_hint="RUN")
    from facegap.export import write as command
    from facegap.report.text import clean

    if out is None:
        typer.echo(command.exported(run, form), nl=False)
        return
    command.export(run, form, out)
    typer.echo(f"Written to {clean(out)}")
