"""The page of a run: one HTML file that needs nothing else. A plain one, until the full report takes its place."""

from __future__ import annotations

import re
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from facegap.report import overview
from facegap.report.text import clean
from facegap.store import Run, explained, finish, write_bytes

NO_BREAK = "\u00a0"


def add_report(folder: Path, run: Run, *, include_ids: bool) -> None:
    """Write report.html into a finished run folder and hash the folder again."""
    write_bytes(folder / "report.html", page(run, include_ids=include_ids).encode())
    with explained(folder):
        finish(folder)


def page(run: Run, *, include_ids: bool) -> str:
    """The page as text; every value is escaped by the template engine."""
    environment = Environment(loader=PackageLoader("facegap.report"), autoescape=True, undefined=StrictUndefined)
    environment.filters["clean"] = clean
    environment.filters["unbroken"] = unbroken
    return environment.get_template("report.html").render(
        record=run.record,
        findings=overview.findings(run),
        tables=overview.all_tables(run, view=None, include_ids=include_ids),
        limits=LIMITS,
    )


def unbroken(text: str) -> str:
    """Text that may wrap between a value, its interval and its counts, but inside none of them."""
    tied = re.sub(r"\[[^\]]*\]", lambda found: found.group().replace(" ", NO_BREAK), text)
    return tied.replace(" %", f"{NO_BREAK}%")


LIMITS = (
    "The groups are those of the data's source. Labels of gender were given by that source; facegap does not check them, "
    "and it infers neither gender identity nor race.",
    "The numbers hold for these portraits. Other cameras, light, ages or poses give others.",
    "A gap is a difference that was found; it says nothing about its cause. No gap found is not proof of none: "
    "the interval and the number of subjects say how much could have been seen.",
    "Intervals treat the subjects as a random sample. A collection of portraits seldom is one.",
)
