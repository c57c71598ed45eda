"""The application that the commands add themselves to, and its entry point.

Exit codes: 0 done, 1 done and something does not agree (recheck), 2 an error that the message explains.
"""

from __future__ import annotations

import sys
from typing import Any

import typer

from facegap.errors import FacegapError

app = typer.Typer(
    name="facegap",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    help="""
Measure how the errors of face models differ between groups of people.

Start with a CSV that has a column `image` (paths beside the CSV) and any of `subject`, `gender`, `age`, and columns of
your own:

    facegap check people.csv

    facegap audit people.csv --classify faceapi_age_gender --by gender,gender*race --out run

For evaluation, never for identifying anyone. Faces are biometric data: the lawful basis is yours to have.
""",
)


def print_error(message: str) -> None:
    """An error for a person, on stderr; control characters of hostile names are taken out, line ends stay."""
    from facegap.report.text import clean

    typer.echo("\n".join(clean(line) for line in message.split("\n")), err=True)


def main() -> Any:
    """Entry point: errors of facegap become one line on stderr and exit code 2."""
    try:
        return app()
    except FacegapError as error:
        print_error(f"facegap: {error}")
        sys.exit(2)
    except KeyboardInterrupt:
        print_error("facegap: stopped; what was done is kept, go on with --resume")
        sys.exit(130)
    except BrokenPipeError:  # the reader of a pipe (head, less) has seen enough
        sys.exit(0)
