"""Consequences of the rates of a run for people."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer


def scenario(
    name: Annotated[
        Literal["watchlist", "unlock", "registration", "payment", "checkpoint", "attributes", "kiosk"],
        typer.Argument(help="Use of the model", show_default=False),
    ],
    run: Annotated[Path, typer.Argument(help="Run folder", show_default=False)],
    by: Annotated[str | None, typer.Option(help="Grouping of the run [default: the first]")] = None,
    threshold: Annotated[float | None, typer.Option(help="Threshold of the run [default: all]")] = None,
    people: Annotated[
        float | None,
        typer.Option(
            help="watchlist: people in the crowd [60,000]; registration: genuine attempts per day [1,000,000]; checkpoint, "
            "attributes, kiosk: visitors [10,000]"
        ),
    ] = None,
    people_of: Annotated[
        list[str] | None,
        typer.Option(help="GROUP=SHARE: proportion of people in a group, once per group [default: equal]"),
    ] = None,
    entries: Annotated[float | None, typer.Option(help="watchlist: entries on the list [1,000]")] = None,
    entries_of: Annotated[
        list[str] | None,
        typer.Option(help="watchlist: GROUP=SHARE: proportion of the list in a group [default: equal]"),
    ] = None,
    listed_share: Annotated[
        float | None,
        typer.Option(help="watchlist: proportion of the crowd that is on the list, to count correct stops"),
    ] = None,
    tries: Annotated[
        int | None,
        typer.Option(help="Number of attempts; unlock: by a stranger [5]; checkpoint: by a person under age [1]"),
    ] = None,
    minors_share: Annotated[
        float | None, typer.Option(help="checkpoint: proportion of visitors who are under age [0.1]")
    ] = None,
    impostors: Annotated[float | None, typer.Option(help="registration: impostor attempts per day [1,000]")] = None,
    target: Annotated[float | None, typer.Option(help="payment: claimed false match rate [1e-6]")] = None,
) -> None:
    """Translate the rates of a run into expected numbers of people affected, by group, with intervals and assumptions.

    facegap scenario watchlist run --by gender --people-of female=0.5 --people-of male=0.5 --listed-share 0.0001
    """
    from facegap.report.terminal import print_sentences, print_tables
    from facegap.scenarios.tables import parse_shares, scenario_tables

    options = {
        "people": people,
        "people_of": parse_shares(people_of, "--people-of"),
        "entries": entries,
        "entries_of": parse_shares(entries_of, "--entries-of"),
        "listed_share": listed_share,
        "tries": tries,
        "minors_share": minors_share,
        "impostors": impostors,
        "target": target,
    }
    tables, assumptions = scenario_tables(name, run, by=by, threshold=threshold, options=options)
    print_tables(tables)
    print_sentences(["Assumptions:", *(f"- {sentence}" for sentence in assumptions)])
