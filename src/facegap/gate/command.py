"""A run against a policy, for continuous integration."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def gate(
    run: Annotated[Path, typer.Argument(help="A run folder", show_default=False)],
    policy: Annotated[Path, typer.Option(help="TOML with the rules, see docs/policy.toml", show_default=False)],
) -> None:
    """Does a run keep a policy's limits on rates, gaps, verdicts and numbers of people? One line per rule, for CI.

    Ends with 0 where every rule holds, 1 where one is broken, 2 where none is but one cannot be told: the interval
    reaches over the limit, or the run has no such number. A policy or run that cannot be read ends with 2 as well.
    Let both 1 and 2 stop a release.

    facegap gate run --policy policy.toml
    """
    from facegap.gate import rules as command
    from facegap.report.terminal import print_sentences

    _, outcomes = command.gate(run, policy)
    print_sentences([outcome.line for outcome in outcomes], indent=command.STATE_LETTERS)
    print_sentences([command.summary(outcomes)])
    raise typer.Exit(command.exit_code(outcomes))
