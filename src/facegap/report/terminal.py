"""Printing to a terminal or a pipe: progress, tables, warnings. Text is always printed as data, never as rich markup."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Literal

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn
from rich.text import Text

from facegap.errors import FetchError
from facegap.inputs.cards.schema import ModelCard
from facegap.report.fitting import fitted, wrapped
from facegap.report.tables import TextTable
from facegap.report.text import clean
from facegap.store.run import SUMS, Run, sha256

PLAIN_LINE_EVERY_S = 5.0
TIMED_ITEMS, TIMED_S = 10, 2.0  # with fewer items or less time, the remaining time is not estimated
AT_ONCE_S = 0.05  # items that arrive together were computed together: their individual times are unknown
WIDE = 200  # columns if the output is not a terminal: a table in a log must not be folded to 80


def console() -> Console:
    """Standard output; without styles and wide if it is a file or a pipe."""
    return Console(width=None if sys.stdout.isatty() else WIDE, highlight=False)


class Speed(ProgressColumn):
    """Images (or whatever is counted) per second."""

    def __init__(self, what: str) -> None:
        super().__init__()
        self.what = what

    def render(self, task: Task) -> Text:
        """The speed over the last seconds."""
        return Text("" if task.speed is None else f"{task.speed:.1f} {self.what}/s")


class Pace:
    """Estimate of the speed and the remaining time, once enough items have been timed.

    The clock starts with the first finished item, as loading models does not count, and again when the count
    starts again.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self.first = self.done = 0
        self.started = self.now = -1.0

    def saw(self, done: int) -> None:
        """Record the number of finished items."""
        self.now = self.clock()
        if self.started < 0 or done < self.done or self.now - self.started < AT_ONCE_S:
            self.first, self.started = done, self.now
        self.done = done

    @property
    def speed(self) -> float | None:
        """Items per second; None if not yet known."""
        timed, seconds = self.done - self.first, self.now - self.started
        return timed / seconds if timed >= TIMED_ITEMS and seconds >= TIMED_S else None

    def left(self, total: int) -> str:
        """Remaining time in words; empty if not yet known, and at the end."""
        if self.speed is None or self.done >= total:
            return ""
        seconds = round((total - self.done) / self.speed)
        return f"{seconds} s left" if seconds < 120 else f"{seconds / 60:.0f} min left"


class Phases:
    """Print each phase with its number: "2 of 5: comparing pairs". names : of all phases, in order."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(names)

    def __call__(self, name: str) -> None:
        """Announce the phase with this name."""
        announce(f"{self.names.index(name) + 1} of {len(self.names)}: {name}")


def announce(text: str) -> None:
    """Print a line to stderr, above a progress bar if there is one."""
    print(clean(text), file=sys.stderr, flush=True)


@contextlib.contextmanager
def progress_bar(what: str = "images") -> Iterator[Callable[[int, int], None]]:
    """A function (finished images, total images) that shows a bar on a terminal and plain lines elsewhere.

    what : the items counted, in the plural
    """
    if not sys.stderr.isatty():
        yield plain_progress(what)
        return
    columns = (TextColumn(what), BarColumn(), MofNCompleteColumn(), Speed(what), TextColumn("{task.fields[left]}"))
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task, pace = bar.add_task(what, left="", total=None), Pace()

        def show(done: int, total: int) -> None:
            pace.saw(done)
            bar.update(task, completed=done, total=total, left=pace.left(total))

        yield show


def plain_progress(what: str = "images") -> Callable[[int, int], None]:
    """Print lines to stderr every few seconds and at the end: finished images, and images per second and remaining time once known."""
    last, pace = time.monotonic(), Pace()

    def show(done: int, total: int) -> None:
        nonlocal last
        pace.saw(done)
        if pace.now - last < PLAIN_LINE_EVERY_S and done < total:
            return
        last = pace.now
        speed = "" if pace.speed is None else f"{pace.speed:.1f} {what}/s"
        said = (f"{done}/{total} {what}", speed, pace.left(total))
        print(", ".join(part for part in said if part), file=sys.stderr, flush=True)

    return show


@contextlib.contextmanager
def download_bar() -> Iterator[Callable[[int, int | None], None]]:
    """A function (bytes so far, total bytes) that shows a bar on a terminal and nothing elsewhere."""
    if not sys.stderr.isatty():
        yield lambda done, total: None
        return
    with Progress(console=Console(stderr=True)) as bar:
        task = bar.add_task("bytes")

        def show(done: int, total: int | None) -> None:
            bar.update(task, completed=done, total=total)

        yield show


def confirm_licence(card: ModelCard, *, accepted: bool) -> bool:
    """Print the licence of a card and ask for consent; without a terminal, only `accepted` (--accept-licence) gives it.

    Raises
    ------
    FetchError : if there is no terminal to ask on
    """
    use = {True: "commercial use allowed", False: "no commercial use", "unknown": "commercial use unknown"}
    print(clean(f"{card.name}: licence {card.licence}; {use[card.commercial_use]}; {card.citation}"), file=sys.stderr)
    if accepted:
        return True
    if not sys.stdin.isatty():
        raise FetchError(f"{card.name}: no terminal to ask on; read the licence above and add --accept-licence")
    return input("Accept this licence and download? [y/N] ").strip().lower() in ("y", "yes")


def print_tables(found: Sequence[TextTable]) -> None:
    """Print tables separated by blank lines, fitted to the width; rows of groups that are too small are dimmed."""
    out = console()
    for k, table in enumerate(found):
        if k:
            out.print()
        out.print(fitted(table, out.width))


def print_sentences(sentences: Sequence[str], *, indent: int = 0) -> None:
    """Print sentences on separate lines: wrapped at spaces on a terminal, not wrapped otherwise.

    indent : spaces before every further line of a sentence
    """
    for sentence in sentences:
        say(sentence, indent=indent)


def say(sentence: str, style: str = "", *, indent: int = 0) -> None:
    """Print one sentence; intervals are not broken across lines."""
    out, said = console(), clean(sentence)
    if not sys.stdout.isatty():
        out.print(Text(said, style), soft_wrap=True)
        return
    lines = wrapped(said, max(out.width - indent, 1))
    out.print(Text(f"\n{' ' * indent}".join(lines), style))


def print_warnings(warnings: Sequence[str]) -> None:
    """Print warnings."""
    for warning in warnings:
        say(f"warning: {warning}", "yellow")


def print_alarms(alarms: Sequence[str]) -> None:
    """Print alarms, which call all numbers into question, so that they cannot be overlooked."""
    for alarm in alarms:
        say(f"!!! {alarm} !!!", "bold white on red")


def print_run(
    run: Run,
    folder: Path,
    *,
    view: Literal["plain", "gender-shades"] | None,
    include_ids: bool,
    verbose: bool = False,
) -> None:
    """Print the result of an audit on one screen: alarms, finding, gaps, rates, warnings and next steps.

    view, verbose : with either, every table of the run is printed before the finding
    """
    from facegap.report import screen
    from facegap.report.balanced import sentences_of_run
    from facegap.report.protocols import protocol_tables

    whole = verbose or view is not None
    if whole:
        print_everything(run, view=view, include_ids=include_ids)
    print_alarms(run.record.alarms)
    for table in [] if whole else protocol_tables(run):
        print_tables([table])
        print_sentences([""])
    print_sentences(screen.finding(run))
    if not whole:
        for table in screen.screen_tables(run):
            print_sentences([""])
            print_tables([table])
    if balanced := sentences_of_run(run):
        print_sentences(["", *balanced])
    warnings = [warning for warning in run.record.warnings if warning not in run.record.alarms]
    if warnings:
        print_sentences([""])
        (print_warnings if whole else print_short_warnings)(warnings)
    print_sentences(["", *screen.next_steps(folder)])
    if (folder / SUMS).is_file():
        print_sentences([f"SHA-256 of SHA256SUMS, for your records: {sha256(folder / SUMS)}"])


def print_everything(run: Run, *, view: Literal["plain", "gender-shades"] | None, include_ids: bool) -> None:
    """Print every table of a run, and the highest and lowest rate of every grouping."""
    from facegap.report import summary

    print_tables(summary.all_tables(run, view=view, include_ids=include_ids, width=console().width))
    print_sentences(["", *summary.findings(run), ""])


def print_short_warnings(warnings: Sequence[str]) -> None:
    """Print the first warnings, and how many more there are."""
    from facegap.report.screen import warnings_in_short

    for line in warnings_in_short([clean(warning) for warning in warnings]):
        say(line, "yellow")
