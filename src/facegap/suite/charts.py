"""The chart of a board: worst-group error against ms per face, with the models that no other beats on both axes."""

from __future__ import annotations

import math
from collections.abc import Sequence

from facegap.compare.charts import Pair, speed_chart
from facegap.compare.rows import SpeedRow
from facegap.report.figures.style import slug
from facegap.suite.rows import Board, Standing


def board_figure(board: Board, taken: set[str]) -> Pair | None:
    """The chart of a board, wide and narrow; None if fewer than two models have both a time and a worst group.

    taken : names of the figures so far; the new one is added
    """
    rows = [
        row for row in (speed_row(board, one) for one in board.standings) if row is not None and row.ms_per_face > 0
    ]
    if len(rows) < 2:
        return None
    labels, front = sorted(row.run for row in rows), front_of(rows)
    name = slug(f"{board.set_name}-{board.task}-{board.metric}-{board.family}", taken)
    wide, narrow = (
        speed_chart(rows, labels, board.metric, board.family, f"{name}{end}", narrow=bool(end), front=front)
        for end in ("", "-narrow")
    )
    return Pair(wide, narrow)


def speed_row(board: Board, one: Standing) -> SpeedRow | None:
    """A model of a board as a point of the chart; None without a worst group or a time."""
    if one.worst is None or math.isnan(one.model.ms):
        return None
    return SpeedRow(
        board.metric,
        one.model.name,
        one.worst.threshold,
        board.family,
        one.model.ms,
        one.model.ms_p95,
        math.nan,
        one.machine,
        str(one.worst.group),
        one.worst.rate,
        one.model.size_bytes,
        one.model.precision,
    )


def front_of(rows: Sequence[SpeedRow]) -> list[SpeedRow]:
    """The models that no other model beats on one axis without being worse on the other; by increasing time.

    Only the measured values are compared; the intervals of the errors may overlap.
    """
    found: list[SpeedRow] = []
    for row in sorted(rows, key=lambda one: (one.ms_per_face, one.rate.value)):
        if not found or row.rate.value < found[-1].rate.value:
            found.append(row)
    return found
