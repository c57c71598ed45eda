"""What the rates of a run come to for people."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer


def scenario(
    name: Annotated[
        Literal["watchlist", "unlock", "registration", "payment", "checkpoint", "attributes", "kiosk"],
        typer.Argument(help="What the model is used for", show_default=False),
    ],
    run: Annotated[Path, typer.Argument(help="A run folder", show_default=False)],
    by: Annotated[str | None, typer.Option(help="Groups: one grouping of the run [default: its first]")] = None,
    threshold: Annotated[float | None, typer.Option(help="A threshold of the run [default: all of them]")] = None,
    people: Annotated[
        float | None,
        typer.Option(
            help="Crowd of the watchlist [60,000], honest attempts a day [registration: 1,000,000], visitors "
            "[checkpoint, attributes, kiosk: 10,000]"
        ),
    ] = None,
    people_of: Annotated[
        list[str] | None, typer.Option(help="GROUP=SHARE of these people, once per group [default: equal shares]")
    ] = None,
    entries: Annotated[float | None, typer.Option(help="watchlist: entries on the list [1,000]")] = None,
    entries_of: Annotated[
        list[str] | None, typer.Option(help="watchlist: GROUP=SHARE of the list [default: equal shares]")
    ] = None,
    listed_share: Annotated[
        float | None, typer.Option(help="watchlist: share of the crowd that is on the list, for right stops")
    ] = None,
    tries: Annotated[
        int | None,
        typer.Option(help="unlock: tries that a stranger has [5]; checkpoint: that somebody under age has [1]"),
    ] = None,
    minors_share: Annotated[
        float | None, typer.Option(help="checkpoint: proportion of the visitors who are under age [0.1]")
    ] = None,
    impostors: Annotated[float | None, typer.Option(help="registration: impostor attempts a day [1,000]")] = None,
    target: Annotated[float | None, typer.Option(help="payment: the false match rate that is claimed [1e-6]")] = None,
) -> None:
    """From the rates of a run to what happens to people, by group, with intervals and assumptions.

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
