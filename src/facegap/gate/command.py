"""Check a run against a policy, for continuous integration."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def gate(
    run: Annotated[Path, typer.Argument(help="Run folder", show_default=False)],
    policy: Annotated[Path, typer.Option(help="TOML file with the rules, see docs/policy.toml", show_default=False)],
) -> None:
    """Check a run against a policy's limits on rates, gaps, verdicts and numbers of people. One line per rule, for CI.

    Exit code 0: every rule holds. 1: at least one rule is broken. 2: no rule is broken, but at least one is undecided because
    the interval extends beyond the limit or the run has no such number. A policy or run that cannot be read also gives 2. Let both
    1 and 2 stop a release.

    facegap gate run --policy policy.toml
    """
    from facegap.gate import rules as command
    from facegap.report.terminal import print_sentences

    _, outcomes = command.gate(run, policy)
    print_sentences([outcome.line for outcome in outcomes], indent=command.STATE_LETTERS)
    print_sentences([command.summary(outcomes)])
    raise typer.Exit(command.exit_code(outcomes))
