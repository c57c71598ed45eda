"""`facegap card`: write a card for weights that have none."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from facegap.audit.settings import AuditSettings
from facegap.options import Only, with_settings

card = typer.Typer(
    no_args_is_help=True, help="Write model cards, which describe a model, its preprocessing and its outputs."
)


@card.callback()
def group() -> None:
    """Keep `new` as a subcommand; typer would otherwise drop its name, because it is the only one."""


@card.command(name="new")
@with_settings
def new(
    model: Annotated[
        Path, typer.Argument(help="An .onnx file, or the name of a service's card to copy", show_default=False)
    ],
    settings: Annotated[AuditSettings, Only("model_timeout", "no_isolation")],
    task: Annotated[
        Literal["detect", "embed", "classify", "quality"] | None,
        typer.Option(help="Task of the model, if its outputs do not determine it"),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Card to write [default: next to the weights, with the extension .toml]", show_default=False),
    ] = None,
) -> None:
    """Write a commented card from the graph of a model. Values that the graph does not contain are guessed and marked as such.

    A file that already has a card in facegap is recognised by its sha256 and needs no new one.

    With the name of a service's card (see facegap models), that card is copied so that you can adapt it to your service.

    facegap card new my_embedder.onnx

    facegap card new compreface_verify --out vendor.toml
    """
    from facegap.catalogue.new_card.service import copy_card, next_steps_of_service
    from facegap.catalogue.new_card.write import known_card, next_steps, write_card
    from facegap.inputs.cards.read import read_card
    from facegap.report.text import clean

    if not model.suffix:
        copied = copy_card(str(model), out)
        typer.echo(
            clean(
                f"{copied}: a copy of the card {model}. Change url, paths and licence to those of your service. Then:"
            )
        )
        for step in next_steps_of_service(str(copied), read_card(copied).task):
            typer.echo(clean(f"  {step}"))
        return
    known = known_card(model)
    if known is not None:
        typer.echo(
            clean(f"{model} is {known.name} ({known.task}, licence {known.licence}) by its sha256: it has a card.")
        )
        also = "--embed MODEL " if known.task == "quality" else ""
        typer.echo(
            clean(f"facegap audit people.csv {also}--{known.task} {known.name} --models-dir {model.parent} --out run")
        )
        return
    written = write_card(model, task=task, out=out, timeout_s=settings.models.timeout_s)
    typer.echo(
        clean(
            f"{written.path}: a card for task {written.task}. These keys are GUESSED, because the graph does not determine them:"
        )
    )
    typer.echo(clean("  " + ", ".join(written.guesses)))
    typer.echo("Correct them according to the model's documentation. Then:")
    for step in next_steps(str(written.path), written.task):
        typer.echo(clean(f"  {step}"))
