"""Commands over finished runs, and those that need none of the user's data."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from facegap.cli.app import PROOF, RUNS, app, print_error


@app.command(rich_help_panel=RUNS)
def recheck(run: Annotated[Path, typer.Argument(help="A run folder")]) -> None:
    """Hash every file of a run and derive its tables again from the stored rows."""
    from facegap.audit import recheck as check_again
    from facegap.report.text import clean

    problems = check_again(run)
    for problem in problems:
        print_error(problem)
    if problems:
        raise typer.Exit(1)
    typer.echo(f"{clean(run)}: every file has its stated hash, and the stored rows give the same tables")


@app.command(rich_help_panel=RUNS)
def scenario(
    name: Annotated[
        Literal["watchlist", "unlock", "registration", "payment", "attributes"],
        typer.Argument(help="What the model is used for", show_default=False),
    ],
    run: Annotated[Path, typer.Argument(help="A run folder", show_default=False)],
    by: Annotated[str | None, typer.Option(help="Groups: one term of the run [default: its first]")] = None,
    threshold: Annotated[float | None, typer.Option(help="A threshold of the run [default: all of them]")] = None,
    people: Annotated[
        float | None,
        typer.Option(
            help="Crowd of the watchlist [60,000], honest attempts a day [registration: 1,000,000], visitors "
            "[attributes: 10,000]"
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
    tries: Annotated[int | None, typer.Option(help="unlock: tries that a stranger has [5]")] = None,
    impostors: Annotated[float | None, typer.Option(help="registration: impostor attempts a day [1,000]")] = None,
    target: Annotated[float | None, typer.Option(help="payment: the false match rate that is claimed [1e-6]")] = None,
) -> None:
    """From the rates of a run to what happens to people, by group, with intervals and assumptions.

    facegap scenario watchlist run --by gender --people-of female=.5 --people-of male=.5 --listed-share 0.0001
    """
    from facegap.commands.scenario import parse_shares, scenario_tables
    from facegap.report.terminal import print_tables
    from facegap.report.text import clean

    options = {
        "people": people, "people_of": parse_shares(people_of, "--people-of"), "entries": entries,
        "entries_of": parse_shares(entries_of, "--entries-of"), "listed_share": listed_share, "tries": tries,
        "impostors": impostors, "target": target,
    }  # fmt: skip
    tables, assumptions = scenario_tables(name, run, by=by, threshold=threshold, options=options)
    print_tables(tables)
    typer.echo("Assumptions:")
    for sentence in assumptions:
        typer.echo(f"- {clean(sentence)}")


@app.command(rich_help_panel=PROOF)
def reproduce(
    study: Annotated[Literal["gender-shades"], typer.Argument(help="A published table", show_default=False)],
    out: Annotated[
        Path | None, typer.Option(help="New folder for the rebuilt files and the run folder of each vendor")
    ] = None,
) -> None:
    """Rebuild the people of a published table, audit them, and show print beside what they give.

    facegap reproduce gender-shades --out gender-shades
    """
    from facegap.commands.reproduce import REPRODUCTIONS
    from facegap.report.terminal import console, print_sentences, print_tables

    found = REPRODUCTIONS[study](out, console().width)
    print_sentences(found.introduction)
    print_tables(found.tables)
    print_sentences([f"Written to {folder}; check it with facegap recheck {folder}" for folder in found.folders])


bench = typer.Typer(no_args_is_help=True, help="Measure speed on this machine, as ratios to named peers in one run.")
app.add_typer(bench, name="bench", rich_help_panel=PROOF)


@bench.command(name="matching")
def bench_matching(
    rows: Annotated[int, typer.Option(min=64, help="Embeddings compared with each other")] = 32_768,
    depth: Annotated[int, typer.Option(min=1, max=4096, help="Their dimension")] = 512,
    threads: Annotated[int, typer.Option(min=1, help="That each candidate may use")] = 1,
    turns: Annotated[int, typer.Option(min=1, help="Measured runs of each candidate")] = 5,
    out: Annotated[Path | None, typer.Option(help="JSON to write [default: bench-matching.json]")] = None,
) -> None:
    """The matching loop beside a float32 matrix product and every peer that is installed.

    Each candidate runs in a process of its own and they take turns. A ratio whose spread is too wide is not called a
    result. Some minutes at the default size.
    """
    import numpy as np

    from facegap.commands import bench_matching as bench_command
    from facegap.store import write_bytes

    found = bench_command.bench_matching(
        rows=rows, depth=depth, threads=threads, turns=turns, rng=np.random.default_rng(0)
    )
    target = out or Path("bench-matching.json")
    write_bytes(target, bench_command.as_json(found).encode())
    typer.echo(bench_command.as_markdown(found))
    typer.echo(f"Written to {target}")
