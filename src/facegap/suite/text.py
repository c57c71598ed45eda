"""A leaderboard as text tables and sentences, used by the terminal and by leaderboard.html."""

from __future__ import annotations

import math
from collections.abc import Sequence

from facegap.derive.metrics import metric_of
from facegap.report.rate_tables import count_text
from facegap.report.tables import Column, TextTable, table_of
from facegap.report.text import (
    NO_NUMBER,
    clean,
    difference,
    interval,
    level_text,
    milliseconds,
    ratio,
    score,
    signed_points,
)
from facegap.report.text import verdict as verdict_text
from facegap.store.record.thresholds import Operating
from facegap.suite.ranks import POOLED, Difference, RankRange
from facegap.suite.rows import Board, Standing

NO_DIFFERENCE = "no significant difference"
OF_THRESHOLDS = "Ranks at a target FMR do not include the uncertainty of the thresholds"
OF_VERDICTS = (
    "The verdict on the widest gap of each model holds at the alpha of its run, without correction over models."
)
USE = {True: "", False: ", not commercial", "unknown": ", commercial use unknown"}


def heading(board: Board) -> str:
    """Set, metric and groups of a board."""
    return f"{clean(board.set_title)}: {metric_of(board.metric).title}, by {groups_of(board)}"


def groups_of(board: Board) -> str:
    """Its grouping for readers."""
    return clean(" x ".join(board.grouping))


def board_table(board: Board) -> TextTable:
    """One row per model, the lowest pooled rate first."""
    columns = (
        Column[Standing]("model", lambda row: clean(row.model.name)),
        Column[Standing]("everybody", lambda row: count_text(row.pooled)),
        Column[Standing]("rank", lambda row: ranks_text(row.pooled_ranks)),
        Column[Standing]("worst group", worst_text),
        Column[Standing]("rank of worst", lambda row: ranks_text(row.worst_ranks)),
        Column[Standing]("widest gap", gap_text),
        Column[Standing]("verdict", gap_verdict),
        Column[Standing]("ms per face", time_text),
        Column[Standing]("file", file_text),
    )
    essential = ("model", "everybody", "rank", "worst group", "rank of worst", "verdict", "ms per face")
    table = table_of(heading(board), columns, board.standings, notes=board_notes(board))
    return TextTable(table.title, table.columns, table.rows, table.dimmed, table.notes, essential)


def board_notes(board: Board) -> list[str]:
    """Notes for readers of the table."""
    found = [f"{board.images:,} images of {board.people:,} people."]
    if has_thresholds(board):
        targets = " and ".join(f"{target:g}" for target in board.targets)
        found.append(f"Each model at its own threshold{f', set for FMR {targets}' if targets else ''}.")
    if board.ranked:
        found.append(
            f"Ranks: all ranks that the data cannot rule out, at {level_text(1 - board.alpha)} over all pairs of "
            f"models of this set and task."
        )
        if board.targets:
            found.append(f"{OF_THRESHOLDS}.")
        found.append(OF_VERDICTS)
    if any(row.worst is None for row in board.standings):
        found.append("If no worst group is shown, no group is large enough.")
    return found


def has_thresholds(board: Board) -> bool:
    """Whether its metric has thresholds."""
    return any(row.threshold is not None for row in board.standings)


def ranks_text(ranks: RankRange | None) -> str:
    """`1`, or `1 to 2` if the data do not decide."""
    if ranks is None:
        return NO_NUMBER
    return str(ranks.best) if ranks.best == ranks.worst else f"{ranks.best} to {ranks.worst}"


def worst_text(row: Standing) -> str:
    """The group with the highest rate, and that rate."""
    return NO_NUMBER if row.worst is None else f"{clean(row.worst.group)}: {count_text(row.worst.rate)}"


def gap_text(row: Standing) -> str:
    """The two groups with the widest gap, and its size."""
    if row.gap is None or math.isnan(row.gap.difference.value):
        return NO_NUMBER
    gap = row.gap
    if gap.is_ratio:
        size = f"ratio {ratio(gap.ratio.value, gap.ratio.low, gap.ratio.high)}"
    else:
        size = difference(gap.difference.value, gap.difference.low, gap.difference.high)
    return f"{clean(gap.worse.group)} against {clean(gap.better.group)}: {size}"


def gap_verdict(row: Standing) -> str:
    """The verdict on the gap; exploratory gaps have none."""
    if row.gap is None:
        return NO_NUMBER
    return verdict_text(row.gap.verdict, row.gap.margin, is_ratio=row.gap.is_ratio, differs=row.gap.differs)


def time_text(row: Standing) -> str:
    """Milliseconds of the model per face: median and 95th percentile."""
    if math.isnan(row.model.ms):
        return NO_NUMBER
    return f"{milliseconds(row.model.ms)} (p95 {milliseconds(row.model.ms_p95)})"


def file_text(row: Standing) -> str:
    """Size on disk, precision and licence."""
    parts = (
        size_text(row.model.size_bytes),
        row.model.precision,
        clean(row.model.licence) + USE[row.model.commercial_use],
    )
    return ", ".join(part for part in parts if part)


def size_text(size_bytes: int) -> str:
    """A size on disk in MB (of 1,000,000 bytes).

    >>> size_text(1_234_567), size_text(41_000)
    ('1.2 MB', '0.041 MB')
    """
    return f"{size_bytes / 1e6:.1f} MB" if size_bytes >= 100_000 else f"{size_bytes / 1e6:.2g} MB"


def differences_table(board: Board) -> TextTable:
    """Every pair of models with its interval, for all people and for the worst groups."""
    columns = (
        Column[Difference]("over", lambda row: "everybody" if row.grouping == POOLED else "worst groups"),
        Column[Difference]("models", lambda row: f"{clean(row.second)} minus {clean(row.first)}"),
        Column[Difference]("difference", lambda row: f"{signed_points(row.value)} {interval(row.low, row.high)}"),
        Column[Difference]("result", result_text),
    )
    return table_of(f"pairs of models, {heading(board)}", columns, board.differences)


def thresholds_table(board: Board) -> TextTable:
    """The threshold of each model with its source; no row for a metric without threshold."""
    columns = (
        Column[tuple[str, Operating]]("model", lambda row: clean(row[0])),
        Column[tuple[str, Operating]]("threshold", lambda row: score(row[1].threshold)),
        Column[tuple[str, Operating]]("source", lambda row: clean(row[1].source)),
        Column[tuple[str, Operating]]("target not met", lambda row: row[1].unmet or NO_NUMBER),
    )
    rows = [(row.model.name, row.threshold) for row in board.standings if row.threshold is not None]
    return table_of(f"thresholds, {heading(board)}", columns, rows)


def result_text(row: Difference) -> str:
    """The model with fewer errors, or that there is no significant difference."""
    return f"fewer errors: {clean(row.ahead)}" if row.ahead else NO_DIFFERENCE


def findings(boards: Sequence[Board]) -> list[str]:
    """A sentence per board with several models: which may be first, for all people and for the worst group."""
    return [finding(board) for board in boards if board.ranked]


def finding(board: Board) -> str:
    """One board in a sentence."""
    pooled = first_text([(row.model.name, row.pooled_ranks) for row in board.standings])
    worst = first_text([(row.model.name, row.worst_ranks) for row in board.standings])
    return f"{heading(board)}. Everybody: {pooled}. Worst group: {worst}."


def first_text(ranks: Sequence[tuple[str, RankRange | None]]) -> str:
    """The models that may have the lowest error rate.

    >>> first_text([("a", RankRange(1, 1, 2)), ("b", RankRange(2, 2, 2))])
    'a has the lowest error rate of 2'
    >>> first_text([("a", RankRange(1, 2, 2)), ("b", RankRange(1, 2, 2))])
    'no significant difference between the 2 models'
    """
    known = [(name, one) for name, one in ranks if one is not None]
    first = [clean(name) for name, one in known if one.best == 1]
    if len(known) < 2:
        return "nothing to rank"
    alone = [clean(name) for name, one in known if one.worst == 1]
    if alone:
        return f"{alone[0]} has the lowest error rate of {len(known)}"
    if all(one == RankRange(1, len(known), len(known)) for _, one in known):
        return f"{NO_DIFFERENCE} between the {len(known)} models"
    behind = [clean(name) for name, one in known if one.best > 1]
    if not behind:
        return f"any of the {len(known)} may be first"
    return f"{' or '.join(first)} may be first; {', '.join(behind)} {'is' if len(behind) == 1 else 'are'} behind"
