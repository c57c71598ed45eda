"""What a set of people can show: before the data, and after."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from facegap.audit.settings import AuditSettings
from facegap.options import Only, with_settings

AHEAD, AFTER, PAIRS = "Before the data", "After a run", "Which pairs to compare"


@with_settings
def plan(
    settings: Annotated[
        AuditSettings,
        Only(
            "by",
            "margin",
            "alpha",
            "level",
            "min_subjects",
            "cluster",
            "fmr",
            "threshold",
            "where",
            "genuine_per_subject",
            "max_calls",
            "price_per_call",
            said={"max_calls": "--pairs-of: pairs at most, genuine ones included"},
        ),
    ],
    groups: Annotated[
        str | None,
        typer.Option(
            help="Groups of the primary term: 'female,male', or how many there will be",
            show_default=False,
            rich_help_panel=AHEAD,
        ),
    ] = None,
    primary: Annotated[
        str | None,
        typer.Option(help="Term of --by whose gaps get a verdict [default: the first]", rich_help_panel=AHEAD),
    ] = None,
    metric: Annotated[
        list[str] | None,
        typer.Option(
            help="Error rate of the primary family: error_rate_all, fmr, fnmr, fnir, fpir; may be given again "
            "[default: error_rate_all]",
            rich_help_panel=AHEAD,
        ),
    ] = None,
    expect: Annotated[
        list[str] | None,
        typer.Option(help="METRIC=RATE, the error rate you expect; may be given again", rich_help_panel=AHEAD),
    ] = None,
    photographs: Annotated[
        int | None,
        typer.Option(min=1, max=10_000, help="Of each person [default: 1; 2 for FNMR and FNIR]", rich_help_panel=AHEAD),
    ] = None,
    correlation: Annotated[
        float, typer.Option(min=0, max=0.95, help="Between errors of two trials of one person", rich_help_panel=AHEAD)
    ] = 0.1,
    people_per_cluster: Annotated[
        float,
        typer.Option(min=1, max=100_000, help="People of one group in one --cluster", rich_help_panel=AHEAD),
    ] = 1,
    cluster_correlation: Annotated[
        float,
        typer.Option(min=0, max=0.95, help="Between errors of two people of one cluster", rich_help_panel=AHEAD),
    ] = 0,
    power: Annotated[
        float, typer.Option(min=0.5, max=0.999, help="Probability of reaching a verdict", rich_help_panel=AHEAD)
    ] = 0.8,
    people: Annotated[
        int | None,
        typer.Option(
            min=2, help="Of each group, where the number is given [default: as many as needed]", rich_help_panel=AHEAD
        ),
    ] = None,
    rank: Annotated[
        list[int] | None, typer.Option(min=1, max=10_000, help="1:N: candidates read", rich_help_panel=AHEAD)
    ] = None,
    fpir: Annotated[
        list[float] | None, typer.Option(min=0, max=1, help="1:N: target FPIR", rich_help_panel=AHEAD)
    ] = None,
    name: Annotated[str, typer.Option(help="What the plan is called", rich_help_panel=AHEAD)] = "",
    out: Annotated[Path, typer.Option(help="Plan to write; of --pairs-of pairs.csv", rich_help_panel=AHEAD)] = Path(
        "plan.toml"
    ),
    run: Annotated[
        Path | None,
        typer.Option(
            help="A finished run folder: say what it could have found", show_default=False, rich_help_panel=AFTER
        ),
    ] = None,
    pairs_of: Annotated[
        Path | None,
        typer.Option(
            help="A manifest: choose --max-calls of its pairs, say what they will show, and write them as a CSV with weights",
            show_default=False,
            rich_help_panel=PAIRS,
        ),
    ] = None,
    directed: Annotated[
        bool,
        typer.Option(
            "--directed",
            help="Probe and reference make two comparisons: columns probe, reference",
            rich_help_panel=PAIRS,
        ),
    ] = False,
    seed: Annotated[
        int,
        typer.Option(min=0, help="Seed of the sample of --pairs-of, or the simulation of --run", rich_help_panel=AFTER),
    ] = 0,
    workers: Annotated[
        int | None,
        typer.Option(min=1, max=256, help="Processes of --run [default: processors]", rich_help_panel=AFTER),
    ] = None,
) -> None:
    """Say how many people an audit needs, and write its plan; or, of a finished run, which gaps it could have found.

    The plan names groups, metrics, margins and thresholds before the data are seen; audit --plan judges by it.

    facegap plan --by gender --groups female,male --metric error_rate_all --margin error_rate_all=0.05 --out plan.toml

    With --pairs-of it chooses which pairs to have compared where not all can be: all genuine pairs, and impostor pairs at random
    within each pair of groups. Add a column score to the CSV, and give it to facegap audit-scores.

    facegap plan --pairs-of people.csv --by gender --max-calls 5000 --price-per-call 0.001 --out pairs.csv
    """
    from facegap.report.terminal import print_sentences, print_tables, progress_bar

    if pairs_of is not None:
        from facegap.plan.pairs import write_pair_plan

        if settings.service.max_calls is None:
            raise typer.BadParameter("say how many pairs at most", param_hint="--max-calls")
        chosen = Path("pairs.csv") if out == Path("plan.toml") else out
        print_sentences(list(write_pair_plan(pairs_of, chosen, settings, seed=seed, directed=directed)))
        return

    if run is not None:
        from facegap.plan.page import own_lines, own_tables
        from facegap.plan.run import PAGE, power_of_finished_run

        with progress_bar("simulations") as progress:
            powers, left_out = power_of_finished_run(run, seed=seed, workers=workers, progress=progress)
        print_sentences([*own_lines(powers, left_out), ""])
        print_tables(own_tables(powers))
        print_sentences([f"Written to {run / PAGE}"])
        return
    from facegap.plan.ahead import asked_for, need_table, said_of, write_plan

    if groups is None:
        raise typer.BadParameter(
            "say which groups are compared, such as --groups female,male, or how many; or name a finished run with --run",
            param_hint="--groups",
        )
    asked = asked_for(
        settings,
        groups=groups,
        metric_names=metric or ["error_rate_all"],
        primary=primary,
        expect=expect or (),
        photographs=photographs,
        correlation=correlation,
        people_per_cluster=people_per_cluster,
        cluster_correlation=cluster_correlation,
        power=power,
        people=people,
        rank=rank or (),
        fpir=fpir or (),
        name=name,
    )
    found, sha256 = write_plan(asked, out)
    print_tables([need_table(asked, found)])
    print_sentences(said_of(out, sha256))
