"""Export of a run in standard formats."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from facegap.export.forms import Format


def export(
    run: Annotated[
        Path | None, typer.Argument(help="Run folder; for croissant, a manifest", show_default=False)
    ] = None,
    form: Annotated[
        Format,
        typer.Option(
            "--format",
            help="json: all results, with a schema. model-card: Markdown. hugging-face: model-index for the front matter of a "
            "model's README. hugging-face-results: a file for .eval_results. impact-ratios: rates and impact ratios as defined by "
            "New York City's Local Law 144. annex-iv: where the run contains what Annex IV of the EU AI Act requires. croissant: "
            "a manifest as JSON-LD",
        ),
    ] = "json",
    out: Annotated[Path | None, typer.Option(help="File to write [default: print it]", show_default=False)] = None,
    metric: Annotated[
        str | None,
        typer.Option(help="Rate reported by impact-ratios or hugging-face-results", show_default="that of the finding"),
    ] = None,
    dataset: Annotated[
        str | None,
        typer.Option(help="Id of the data set on the Hugging Face Hub, ORGANISATION/NAME", show_default=False),
    ] = None,
    licence: Annotated[
        str | None, typer.Option(help="Licence of the data set that croissant describes", show_default=False)
    ] = None,
    address: Annotated[
        str | None, typer.Option(help="Web address of the data set that croissant describes", show_default=False)
    ] = None,
    schema: Annotated[bool, typer.Option("--schema", help="Print the JSON Schema of --format json instead")] = False,
) -> None:
    """Export a run as one document in a standard format. No image is named in it.

    facegap export run --format model-card --out MODEL_CARD.md

    facegap export run --format impact-ratios --metric fnmr

    facegap export people.csv --format croissant --licence https://creativecommons.org/licenses/by/4.0/
    """
    if schema:
        from facegap.export.document import schema_text

        typer.echo(schema_text(), nl=False)
        return
    if run is None:
        raise typer.BadParameter("give a run folder, or --schema", param_hint="RUN")
    from facegap.export import write as command
    from facegap.export.forms import Details
    from facegap.report.text import clean

    details = Details(metric, dataset, licence, address)
    if out is None:
        typer.echo(command.exported(run, form, details), nl=False)
        return
    command.export(run, form, out, details)
    typer.echo(f"Written to {clean(out)}")
