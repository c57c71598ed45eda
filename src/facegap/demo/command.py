"""A first command to try."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated

import typer

from facegap.options import Verbose


def demo(
    out: Annotated[Path, typer.Option(help="New folder for images, runs and reports")] = Path("facegap-demo"),
    open_page: Annotated[bool, typer.Option("--open", help="Open the page in a browser when done")] = False,
    seed: Annotated[int, typer.Option(min=0, help="Random seed for the illustrated people")] = 0,
    workers: Annotated[
        int | None, typer.Option(min=1, max=256, help="Number of processes [default: processors]")
    ] = None,
    verbose: Verbose = False,
) -> None:
    """Run a complete audit offline in about a minute: illustrated people and two models, one of them biased on purpose.

    Makes 1,000 illustrations of 250 people who do not exist, audits both models on them, and compares the results with the known
    truth. Needs no data, model file or network.

    facegap demo --open
    """
    from facegap.demo import run as command
    from facegap.demo import text as demo_text
    from facegap.report.terminal import console, print_sentences, print_tables

    with steps_shown() as step:
        found = command.demo(out, seed=seed, workers=workers, step=step)
    demo_text.write_side_by_side(found)
    if verbose:
        print_sentences(["", *demo_text.introduction(found), ""])
        print_sentences(["Found:", *(f"- {sentence}" for sentence in demo_text.findings(found)), ""])
        print_tables(demo_text.tables_within(found, console().width))
        print_sentences([""])
        print_tables(demo_text.shades(found, console().width))
        print_sentences([""])
    else:
        print_sentences([*demo_text.in_short(found), ""])
        print_tables([demo_text.short_table(found)])
        print_sentences([""])
    print_sentences(demo_text.where_and_next(found))
    if open_page:
        import webbrowser

        if not webbrowser.open((out / demo_text.INDEX).resolve().as_uri()):
            print_sentences(["No browser could be opened here."])


@contextlib.contextmanager
def steps_shown() -> Iterator[Callable[[str, int, int], None]]:
    """A function (what, done, total) that shows numbered phases: a progress bar on a terminal, otherwise a line at the end.

    The remaining time is shown once it is known.
    """
    from facegap.demo.run import PHASES

    def numbered(what: str) -> str:
        return f"{PHASES.index(what) + 1} of {len(PHASES)}: {what}"

    if not sys.stderr.isatty():
        yield lambda what, done, total: print(numbered(what), file=sys.stderr, flush=True) if done == total else None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn

    from facegap.report.terminal import Pace

    columns = (TextColumn("{task.description}"), BarColumn(12), MofNCompleteColumn(), TextColumn("{task.fields[left]}"))
    with Progress(*columns, console=Console(stderr=True)) as bars:
        known: dict[str, tuple[TaskID, Pace]] = {}

        def show(what: str, done: int, total: int) -> None:
            if what not in known:
                known[what] = bars.add_task(numbered(what), total=total, left=""), Pace()
            task, pace = known[what]
            pace.saw(done)
            bars.update(task, completed=done, left=pace.left(total))

        yield show
