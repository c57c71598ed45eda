"""What a set of people can show, before data collection and afterwards."""

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
            said={"max_calls": "Maximum number of pairs for --pairs-of, including genuine pairs"},
        ),
    ],
    groups: Annotated[
        str | None,
        typer.Option(
            help="Groups of the primary term: 'female,male', or their number",
            show_default=False,
            rich_help_panel=AHEAD,
        ),
    ] = None,
    primary: Annotated[
        str | None,
        typer.Option(help="Term of --by whose gaps receive a verdict [default: the first]", rich_help_panel=AHEAD),
    ] = None,
    metric: Annotated[
        list[str] | None,
        typer.Option(
            help="Error rate of the primary family: error_rate_all, fmr, fnmr, fnir, fpir; repeatable "
            "[default: error_rate_all]",
            rich_help_panel=AHEAD,
        ),
    ] = None,
    expect: Annotated[
        list[str] | None,
        typer.Option(help="METRIC=RATE, the expected error rate; repeatable", rich_help_panel=AHEAD),
    ] = None,
    photographs: Annotated[
        int | None,
        typer.Option(
            min=1, max=10_000, help="Photographs per person [default: 1; 2 for FNMR and FNIR]", rich_help_panel=AHEAD
        ),
    ] = None,
    correlation: Annotated[
        float,
        typer.Option(
            min=0, max=0.95, help="Correlation between the errors of two trials of one person", rich_help_panel=AHEAD
        ),
    ] = 0.1,
    people_per_cluster: Annotated[
        float,
        typer.Option(min=1, max=100_000, help="Number of people of one group in one --cluster", rich_help_panel=AHEAD),
    ] = 1,
    cluster_correlation: Annotated[
        float,
        typer.Option(
            min=0, max=0.95, help="Correlation between the errors of two people in one cluster", rich_help_panel=AHEAD
        ),
    ] = 0,
    power: Annotated[
        float, typer.Option(min=0.5, max=0.999, help="Probability of reaching a verdict", rich_help_panel=AHEAD)
    ] = 0.8,
    people: Annotated[
        int | None,
        typer.Option(
            min=2, help="People per group, if the number is fixed [default: as many as needed]", rich_help_panel=AHEAD
        ),
    ] = None,
    rank: Annotated[
        list[int] | None,
        typer.Option(min=1, max=10_000, help="1:N: length of the candidate list", rich_help_panel=AHEAD),
    ] = None,
    fpir: Annotated[
        list[float] | None, typer.Option(min=0, max=1, help="1:N: target FPIR", rich_help_panel=AHEAD)
    ] = None,
    name: Annotated[str, typer.Option(help="Name of the plan", rich_help_panel=AHEAD)] = "",
    out: Annotated[
        Path, typer.Option(help="Plan file to write; for --pairs-of, pairs.csv", rich_help_panel=AHEAD)
    ] = Path("plan.toml"),
    run: Annotated[
        Path | None,
        typer.Option(
            help="Finished run folder: report which gaps it could have found", show_default=False, rich_help_panel=AFTER
        ),
    ] = None,
    pairs_of: Annotated[
        Path | None,
        typer.Option(
            help="Manifest: choose --max-calls of its pairs, report what they can show, and write them to a CSV file with weights",
            show_default=False,
            rich_help_panel=PAIRS,
        ),
    ] = None,
    directed: Annotated[
        bool,
        typer.Option(
            "--directed",
            help="Treat (a, b) and (b, a) as two comparisons: columns probe, reference",
            rich_help_panel=PAIRS,
        ),
    ] = False,
    seed: Annotated[
        int,
        typer.Option(
            min=0, help="Random seed for the sample of --pairs-of or the simulation of --run", rich_help_panel=AFTER
        ),
    ] = 0,
    workers: Annotated[
        int | None,
        typer.Option(min=1, max=256, help="Number of processes for --run [default: processors]", rich_help_panel=AFTER),
    ] = None,
) -> None:
    """Compute how many people an audit needs and write its plan; or report which gaps a finished run could have found.

    The plan names groups, metrics, margins and thresholds before the data are seen. audit --plan evaluates a run by it.

    facegap plan --by gender --groups female,male --metric error_rate_all --margin error_rate_all=0.05 --out plan.toml

    --pairs-of chooses pairs if not all can be compared: all genuine pairs, and a random sample of impostor pairs within each pair
    of groups. Add a column score to the CSV file and pass it to facegap audit-scores.

    facegap plan --pairs-of people.csv --by gender --max-calls 5000 --price-per-call 0.001 --out pairs.csv
    """
    from facegap.report.terminal import print_sentences, print_tables, progress_bar

    if pairs_of is not None:
        from facegap.plan.pairs import write_pair_plan

        if settings.service.max_calls is None:
            raise typer.BadParameter("give the maximum number of pairs", param_hint="--max-calls")
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
    from facegap.plan.ahead import need_table, next_steps, requirements, write_plan

    if groups is None:
        raise typer.BadParameter(
            "give the groups to compare, such as --groups female,male, or their number; or give a finished run with "
            "--run",
            param_hint="--groups",
        )
    required = requirements(
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
    found, sha256 = write_plan(required, out)
    print_tables([need_table(required, found)])
    print_sentences(next_steps(out, sha256))
