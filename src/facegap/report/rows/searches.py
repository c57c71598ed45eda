"""Identification (1:N) as values: number of enrolled images and rates at one threshold, per group."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from facegap.derive.groupings import Grouping, cells_of
from facegap.derive.identification import GALLERY, SearchPoint, search_points
from facegap.report.rows.frames import groupings_of
from facegap.report.rows.rates import RateRow, rate_rows
from facegap.store.run import Run
from facegap.types import Group


@dataclass(frozen=True)
class SearchRow:
    """One group: images enrolled, and a rate for each of `SearchRows.points`."""

    group: Group
    enrolled: int
    rates: tuple[RateRow, ...]

    @property
    def subjects(self) -> tuple[int, ...]:
        """People behind the rates, one number per metric: mates and non-mates are different people."""
        return tuple({row.metric: row.rate.subjects for row in self.rates}.values())

    @property
    def reliable(self) -> bool:
        """Whether every rate is based on enough subjects to be ranked."""
        return all(row.reliable for row in self.rates)


@dataclass(frozen=True)
class SearchRows:
    """The groups of one grouping with all their rates at one threshold."""

    grouping: Grouping
    points: tuple[SearchPoint, ...]
    rows: tuple[SearchRow, ...]

    @property
    def is_closed(self) -> bool:
        """Whether there is no threshold: in a closed set, only the rank decides."""
        return math.isnan(self.points[0].threshold)


def search_rows(run: Run) -> list[SearchRows]:
    """For each grouping, beginning with all subjects: without a threshold (closed set), then at each threshold (open set)."""
    if run.searched is None:
        return []
    together: dict[tuple[str, str], list[SearchPoint]] = {}
    for point in search_points(run, run.searched):
        together.setdefault((f"{point.threshold:.17g}", point.given), []).append(point)
    rates = {(row.group, row.metric, row.threshold_from): row for row in rate_rows(run)}
    found = []
    for grouping in [(), *groupings_of(run)]:
        enrolled = gallery_sizes(run, grouping)
        for points in together.values():
            rows = tuple(
                SearchRow(group, images, tuple(rates[group, point.metric, point.source] for point in points))
                for group, images in enrolled.items()
            )
            found.append(SearchRows(grouping, tuple(points), rows))
    return found


def gallery_sizes(run: Run, grouping: Sequence[str]) -> dict[Group, int]:
    """Number of images to enrol of each group, which determines how many candidates of it there can be."""
    assert run.searched is not None
    cells = cells_of(run.manifest, tuple(grouping))
    sizes = np.bincount(cells.codes[run.searched.roles == GALLERY], minlength=len(cells.groups))
    return dict(zip(cells.groups, sizes.tolist(), strict=True))
