"""The application and its entry point; facegap/cli/__init__.py has the table of commands.

Exit codes: 0 success, 1 success with differences found (recheck), 2 an error, explained by the message.
"""

from __future__ import annotations

import errno
import sys
from collections.abc import Callable
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from facegap.cli.interrupt import end_as_python_does, end_at_once, end_soon, end_undisturbed, end_with_code
from facegap.cli.signs import write_any_text
from facegap.errors import FacegapError

RESUMABLE = (
    "audit",
    "audit-predictions",
    "audit-scores",
    "audit-embeddings",
    "protocol",
    "suite",
    "selfcheck",
    "merge",
)
UNFINISHED = ("demo",)
SERVING = ("annotate", "explore")  # handle Ctrl-C themselves, after finishing current requests
SHORT = {  # exhausted resources of the machine, which need no traceback
    errno.EMFILE: "the limit on open files is too low; raise it with: ulimit -n 1024",
    errno.ENFILE: "the machine has too many files open; close other programs",
    errno.ENOSPC: "free some space",
    errno.EDQUOT: "free some space",
    errno.EFBIG: "raise the limit on file size (ulimit -f), or choose another location",
    errno.ENOMEM: "close other programs, or use a machine with more memory",
    errno.EAGAIN: "the limit on processes or threads is too low; raise it with: ulimit -u",
}
MOST_OF_AN_ERROR = 4_000  # maximum printed characters
REGISTERED: list[str] = []  # names of commands, in the order of the help


class Interrupted(Exception):  # noqa: N818  (not an error)
    """Ctrl-C, passed through typer, which would end the process silently."""


class Commands(TyperGroup):
    """All commands in the order in which they were added; Ctrl-C ends them with a message."""

    def invoke(self, ctx: Any) -> Any:
        """Run a command; Ctrl-C becomes Interrupted, and a truncated compiled module an error that names it."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt as interruption:
            raise Interrupted from interruption
        except EOFError as error:
            cut_off = cut_off_module(error)
            if cut_off is None:
                raise
            raise FacegapError(f"{cut_off}: this compiled module is truncated; delete the file") from error

    def list_commands(self, ctx: Any) -> list[str]:
        """Names in the order of registration; click alone would put groups after all others."""
        return sorted(super().list_commands(ctx), key=REGISTERED.index)


def cut_off_module(error: BaseException) -> str | None:
    """The truncated compiled module, as a full disk leaves it; None for any other error."""
    place = error.__traceback__
    while place is not None:
        if place.tb_frame.f_code.co_name == "get_code" and "bytecode_path" in place.tb_frame.f_locals:
            return str(place.tb_frame.f_locals["bytecode_path"])
        place = place.tb_next
    return None


app = typer.Typer(
    name="facegap",
    cls=Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    help="""
Measure how the errors of face models differ between groups of people.

To see a complete audit in about a minute, offline, on illustrated people:

    facegap demo

Then start with a CSV file that has a column `image` (paths relative to the file) and, optionally, `subject`, `gender`, `age` and
columns of your own:

    facegap check people.csv

    facegap audit people.csv --classify faceapi_age_gender --by gender,gender*race --out run

For evaluation only, never for identifying anyone. Faces are biometric data: you need a lawful basis for processing them.
""",
)


def print_version(wanted: bool) -> None:
    """Print the version and exit, if requested."""
    if wanted:
        from facegap.runtime import version_of

        typer.echo(f"facegap {version_of('facegap') or 'not installed'}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit", callback=print_version, is_eager=True)
    ] = False,
) -> None:
    """Options of facegap itself; the help text of the application is that of `app`."""


def register(heading: str, name: str, command: Callable[..., Any] | typer.Typer) -> None:
    """Add a command, or a group of commands, under a heading of the help."""
    REGISTERED.append(name)
    if isinstance(command, typer.Typer):
        app.add_typer(command, name=name, rich_help_panel=heading)
    else:
        app.command(name=name, rich_help_panel=heading)(command)


def print_error(message: str) -> None:
    """Print an error to stderr, without control characters from hostile names; line ends are kept."""
    from facegap.report.text import clean

    if len(message) > MOST_OF_AN_ERROR:  # it may contain a huge cell of a file; the remedy is at the end
        message = f"{message[: MOST_OF_AN_ERROR * 3 // 4]} ... {message[-MOST_OF_AN_ERROR // 4 :]}"
    typer.echo("\n".join(clean(line) for line in message.split("\n")), err=True)


def stopped() -> str:
    """The message after Ctrl-C, with the state of the command's output."""
    kept = "; completed work is kept; continue with --resume" if {*RESUMABLE} & {*sys.argv[1:2]} else ""
    left = "; its folder is incomplete; delete it" if {*UNFINISHED} & {*sys.argv[1:2]} else ""
    return f"stopped{kept}{left}"


def main() -> Any:
    """Entry point: facegap's errors become one line on stderr and exit code 2."""
    end_undisturbed()
    end_with_code(f"facegap: {stopped()}")
    end_as_python_does()
    if not {*SERVING} & {*sys.argv[1:2]}:
        end_soon(f"facegap: {stopped()}")
    write_any_text(sys.stdout, sys.stderr)
    try:
        return app()
    except FacegapError as error:
        print_error(f"facegap: {error}")
        sys.exit(2)
    except (KeyboardInterrupt, Interrupted):
        print_error(f"facegap: {stopped()}")
        sys.exit(130)
    except BrokenPipeError:  # the reader of a pipe (head, less) has exited
        sys.exit(0)
    except MemoryError:
        print_error(
            "facegap: not enough memory; use a machine with more memory, fewer --workers, or a smaller manifest"
        )
        sys.exit(2)
    except OSError as error:
        if error.errno not in SHORT:
            raise
        place = f" ({error.filename})" if error.filename else ""
        print_error(f"facegap: {error.strerror}{place}; {SHORT[error.errno]}")
        sys.exit(2)
    finally:
        end_at_once()
