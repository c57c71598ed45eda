"""Outcomes of the images, and processing time, as text tables."""

from __future__ import annotations

from facegap.report.rows.images import (
    CountRow,
    FailedRow,
    TimingRow,
    answer_rows,
    failed_rows,
    missing_answer_rows,
    outcome_rows,
    template_rows,
    timing_rows,
)
from facegap.report.tables import Column, TextTable, table_of
from facegap.report.text import clean, milliseconds
from facegap.store.record import SentRecord, StoppingRecord
from facegap.store.run import Run
from facegap.tables import NEVER_SHOWN

MOST_REASONS = 8  # listed individually; predictions.parquet contains all


def count_columns(counted: str) -> tuple[Column[CountRow], Column[CountRow]]:
    """Two columns: an outcome, and the number of images or templates with it."""
    return Column[CountRow]("outcome", lambda row: row.outcome), Column[CountRow](counted, lambda row: str(row.images))


TIMING_COLUMNS = (
    Column[TimingRow]("stage", lambda row: row.stage),
    Column[TimingRow]("images", lambda row: str(row.images)),
    Column[TimingRow]("median", lambda row: milliseconds(row.median_ms)),
    Column[TimingRow]("p95", lambda row: milliseconds(row.p95_ms)),
)
FAILED_COLUMNS = (
    Column[FailedRow]("image", lambda row: clean(row.image)),
    Column[FailedRow]("outcome", lambda row: row.outcome),
    Column[FailedRow]("detail", lambda row: clean(row.detail)),
)


def template_table(run: Run) -> TextTable:
    """Templates pooled from several images, by outcome."""
    assert run.pooled is not None
    table = run.pooled.templates
    given, used = (int(table[f"frames_{which}"].sum()) for which in ("given", "used"))
    fewer = int(((table["frames_used"] < table["frames_given"]) & (table["outcome"] == "ok")).sum())
    notes = [
        f"Pooled from {used:,} of {given:,} frames; {fewer:,} templates are based on fewer frames than were given.",
        "A template without a usable frame is a failure to acquire; its outcome is the most frequent one among its frames.",
    ]
    return table_of("outcomes of templates", count_columns("templates"), template_rows(run), notes=notes)


def outcome_table(run: Run) -> TextTable:
    """Rows of the manifest by outcome."""
    excluded = run.record.manifest.excluded_by_where
    notes = [f"{excluded} rows of the manifest were excluded by --where."] if excluded else []
    if "detect" not in run.record.models:
        notes.append(
            "No detector ran: the outcome ok means that nothing was lost before the black box; it says nothing about a face."
        )
    if sent := run.record.sent:
        notes.append(sent_words(sent))
    if stopping := run.record.stopping:
        notes.append(stopping_words(stopping))
    return table_of("outcomes of images", count_columns("images"), outcome_rows(run), notes=notes)


def prediction_table(run: Run) -> TextTable:
    """Rows of the manifest by result of the classifier."""
    return table_of("predictions of the classifier", count_columns("images"), answer_rows(run), notes=answer_notes(run))


def answer_notes(run: Run) -> list[str]:
    """Why images have no prediction, the most common reasons first."""
    reasons = missing_answer_rows(run)
    said = [f"{clean(row.outcome or 'no reason given')} ({row.images})" for row in reasons[:MOST_REASONS]]
    if len(reasons) > MOST_REASONS:
        said.append(f"other reasons ({sum(row.images for row in reasons[MOST_REASONS:])})")
    return [f"Without a prediction: {'; '.join(said)}."] if said else []


def timing_table(run: Run) -> TextTable:
    """Milliseconds per image of each stage."""
    used = run.record.execution
    note = f"{used.device_name}; {', '.join(used.providers_used)}; {used.workers} workers, batch {used.batch}"
    return table_of("time per image", TIMING_COLUMNS, timing_rows(run), notes=(clean(note),))


def failed_table(run: Run) -> TextTable:
    """Images without a usable face, by name; only shown with --include-ids."""
    return table_of("images without a usable face", FAILED_COLUMNS, failed_rows(run))


def sent_words(sent: SentRecord) -> str:
    """How many images, or pairs of images, were sent to a service, and to whom."""
    what = (
        f"{sent.images} images were sent" if not sent.pairs else f"{sent.pairs} pairs of {sent.images} images were sent"
    )
    return f"{what} to {clean(sent.recipient)}, in {sent.calls} calls."


def stopping_words(stopping: StoppingRecord) -> str:
    """Why an audit that could stop early stopped, and how often the gaps were tested."""
    gaps = "gap" if stopping.undecided == 1 else "gaps"
    why = {
        "decided": "Stopped because every gap was decided",
        "budget": f"The call limit was reached with {stopping.undecided:,} {gaps} undecided",
        "everybody": f"All people were processed with {stopping.undecided:,} {gaps} undecided",
    }[stopping.ended]
    gaps_were = "one gap was" if stopping.gaps == 1 else f"{stopping.gaps:,} gaps together were"
    return (
        f"{why}: images of {stopping.asked:,} of {stopping.people:,} people were sent, in random order, and {gaps_were} evaluated "
        f"after every {stopping.people_per_look} of them ({stopping.looks:,} times), with limits that are valid at every look."
    )


def lost_words(run: Run) -> str:
    """How many images (or templates) gave no face or no prediction."""
    outcomes, answers = run.faces["outcome"], run.predictions["outcome"]
    never, total = outcomes.isin(NEVER_SHOWN), len(outcomes)
    faceless = int((~never & (outcomes != "ok")).sum())
    silent = int((answers == "no_answer").sum()) if run.record.classes else 0
    unasked = int((~never & (answers == "not_shown")).sum()) if run.record.sent is not None else 0
    if not (faceless or silent or unasked or never.any()):
        return f"No {run.counted[:-1]} was lost: all {total:,} gave a face{' and a prediction' if run.record.classes else ''}."
    said = [f"{int(never.sum()):,} were not processed"] if never.any() else []
    said += [f"{unasked:,} were not sent to the service"] if unasked else []
    said += [f"{faceless:,} gave no usable face"] if faceless else []
    said += [f"{silent:,} have no prediction"] if silent else []
    return f"Of {total:,} {run.counted} {', '.join(said)}."
