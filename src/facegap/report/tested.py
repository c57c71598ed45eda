"""What was tested, on which data and when: the first lines of a report, including what was excluded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from facegap.audit.settings import ALIGNED, POINTS
from facegap.derive.groupings import Grouping, cells_of
from facegap.derive.run import EVALUATION
from facegap.report.rows.frames import groupings_of
from facegap.report.tables import Column, TextTable, table_of
from facegap.report.text import clean
from facegap.report.wording import all_adults, group_words
from facegap.store.record import Task
from facegap.store.run import Run
from facegap.tables import NEVER_SHOWN
from facegap.types import UNKNOWN, Group

TASKS: Mapping[Task, str] = {
    "detect": "detector",
    "classify": "classifier",
    "embed": "embedder",
    "quality": "quality model",
}
MOST_IN_LINE = 3  # groups that a line lists individually


@dataclass(frozen=True)
class About:
    """What was tested, on which data and when.

    title   : the models under test
    facts   : data set, date, images and people, other models
    groups  : people and images of each group, in one line
    table   : the same for every group, if the line cannot list them
    missing : what was excluded, with counts; empty if nothing was
    """

    title: str
    facts: tuple[str, ...]
    groups: str
    table: TextTable | None
    missing: tuple[str, ...]


@dataclass(frozen=True)
class Size:
    """One group: its people and images, or templates if those are counted."""

    group: Group
    people: int
    images: int


def about(run: Run) -> About:
    """What was tested, on which data and when."""
    sizes = [found for grouping in groupings_of(run) for found in sizes_of(run, grouping)]
    known = [one for one in sizes if UNKNOWN not in dict(one.group.attributes).values()]
    tables = len(known) > MOST_IN_LINE
    return About(
        title(run),
        facts(run),
        groups_line(run, known),
        size_table(known, run.counted) if tables else None,
        missing(run),
    )


def title(run: Run) -> str:
    """The models under test with their tasks: classifier and embedder, otherwise the detector."""
    models = run.record.models
    names = list(dict.fromkeys(models.values()))
    if len(models) > 1 and len(names) == 1:
        return f"Black box {clean(names[0])}"
    chosen: list[Task] = [task for task in ("classify", "embed") if task in models] or list(models)
    told = ", ".join(f"{TASKS[task]} {clean(models[task])}" for task in chosen)
    return told[:1].upper() + told[1:]


def facts(run: Run) -> tuple[str, ...]:
    """Data set, date, images and people, and the detector if it is not the model under test."""
    record = run.record
    data = clean(record.data_name) if record.data_name else f"data set {record.manifest.sha256[:8]} (no name given)"
    people = f" of {run.manifest['subject'].nunique():,} people" if record.manifest.has_subjects else ""
    assumed = "" if record.manifest.has_subjects else ", each treated as a different person"
    detector = record.models.get("detect", "")
    others = {name for task, name in record.models.items() if task != "detect"}
    said = {ALIGNED: "aligned crops, no detector", POINTS: "points from a file, no detector"}.get(detector)
    ran = said if said and not record.request.card("detect") else f"detector {clean(detector)}"
    found = (ran,) if detector and others and detector not in others else ()
    when = (day(record.date),) if record.date else ()
    images = f"{record.manifest.rows:,} images"
    if run.pooled is not None:
        images = f"{len(run.manifest):,} templates of {images}"
    return (data, *when, f"{images}{people}{assumed}", *found)


def day(iso: str) -> str:
    """A date in words, such as 29 November 2026; other text is unchanged."""
    try:
        found = date.fromisoformat(iso)
    except ValueError:
        return clean(iso)
    return f"{found.day} {found:%B %Y}"


def sizes_of(run: Run, grouping: Grouping) -> list[Size]:
    """People and images of each group of a grouping."""
    cells = cells_of(run.manifest, grouping)
    subjects = run.manifest["subject"].to_numpy()
    inside = [cells.codes == k for k in range(len(cells.groups))]
    return [
        Size(group, len(set(subjects[rows])), int(rows.sum())) for group, rows in zip(cells.groups, inside, strict=True)
    ]


def groups_line(run: Run, sizes: Sequence[Size]) -> str:
    """People and images per group: listed if there are few groups, otherwise as a range."""
    parts, adults = [], all_adults(run.manifest)
    for grouping in groupings_of(run):
        own = [one for one in sizes if tuple(name for name, _ in one.group.attributes) == grouping]
        if not own:
            continue
        if len(own) <= MOST_IN_LINE:
            parts += [f"{group_words(one.group, adults=adults)} {size_words(one, run)}" for one in own]
            continue
        people, images = ([getattr(one, name) for one in own] for name in ("people", "images"))
        span = f"{min(images):,} to {max(images):,} {run.counted}"
        span += f" of {min(people):,} to {max(people):,} people" if run.record.manifest.has_subjects else ""
        parts.append(f"{len(own)} groups by {clean(' x '.join(grouping))} with {span} each")
    return "; ".join(parts)


def size_words(one: Size, run: Run) -> str:
    """Images and people of one group; only images if no column names the subjects."""
    of = f" of {one.people:,} people" if run.record.manifest.has_subjects else ""
    return f"{one.images:,} {run.counted}{of}"


def size_table(sizes: Sequence[Size], counted: str) -> TextTable:
    """People and images (or templates: `counted`) of every group."""
    columns = (
        Column[Size]("group", lambda one: clean(one.group)),
        Column[Size]("people", lambda one: f"{one.people:,}"),
        Column[Size](counted, lambda one: f"{one.images:,}"),
    )
    return table_of(f"people and {counted} per group", columns, sizes)


def missing(run: Run) -> tuple[str, ...]:
    """Files that no model received, people held out for the threshold, rows excluded on request."""
    faces = run.by_image[1]
    lost = int(faces["outcome"].isin(NEVER_SHOWN).sum())
    found = [f"{lost:,} of {len(faces):,} image files missing or unreadable, not included in any rate"] if lost else []
    if run.matched is not None:
        aside = run.manifest.loc[run.matched.roles != EVALUATION, "subject"].nunique()
        found += [f"{aside:,} people held out for setting the threshold, not included in any rate"] if aside else []
    excluded = run.record.manifest.excluded_by_where
    return (*found, *([f"{excluded:,} rows excluded by --where"] if excluded else []))
