"""One row of values per estimate of a gap, from which page, terminal and explain.csv are written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal

import pandas as pd

from facegap.statistics.verdicts import BEYOND, GAP, UNKNOWN, WITHIN
from facegap.tables import EXPLAIN, check
from facegap.types import Scale

JOINED = " + "  # between names of covariates in EXPLAIN
Estimate = Literal[
    "raw", "balanced", "balanced in cells", "regression, rest", "regression, associated", "within person"
]


@dataclass(frozen=True, kw_only=True)
class Row:
    """One estimate; fields as the columns of EXPLAIN, `covariates` as names."""

    metric: str
    model: str
    threshold: float
    threshold_from: str
    estimate: Estimate
    covariates: tuple[str, ...]
    group: str
    reference: str
    errors: int
    trials: int
    subjects: int
    reference_errors: int = 0
    reference_trials: int = 0
    reference_subjects: int = 0
    without_covariates: int = 0
    reference_without_covariates: int = 0
    not_comparable: int = 0
    reference_not_comparable: int = 0
    effective_subjects: float = float("nan")
    reference_effective_subjects: float = float("nan")
    overlap: float = float("nan")
    rate: float = float("nan")
    reference_rate: float = float("nan")
    scale: Scale
    gap: float
    low: float
    high: float
    level: float
    margin: float
    verdict: str = ""
    attenuated: bool = False
    overadjusted: bool = False
    reason: str = ""
    interval_from: str
    replicates: int = 0
    seed: int = 0

    @property
    def is_ratio(self) -> bool:
        """Whether the gap is a ratio."""
        return self.scale == "ratio"

    @property
    def no_gap(self) -> float:
        """The value of no gap on its scale."""
        return 1.0 if self.is_ratio else 0.0

    @property
    def is_of_all(self) -> bool:
        """Whether it is the gap after balancing all covariates, the only one with a verdict."""
        return bool(self.verdict)


def frame_of(rows: Sequence[Row]) -> pd.DataFrame:
    """EXPLAIN."""
    plain = [asdict(row) | {"covariates": JOINED.join(row.covariates)} for row in rows]
    return check(pd.DataFrame(plain, columns=list(EXPLAIN.columns)), EXPLAIN, "explain")


def rows_of(frame: pd.DataFrame) -> tuple[Row, ...]:
    """EXPLAIN as rows."""
    known = check(frame, EXPLAIN, "explain.csv")[list(EXPLAIN.columns)]
    return tuple(
        Row(**(row | {"covariates": tuple(filter(None, str(row["covariates"]).split(JOINED)))}))  # type: ignore[arg-type]
        for row in known.to_dict("records")
    )


def verdict_of(
    gap: float, low: float, high: float, effective: Sequence[float], *, scale: Scale, margin: float, least: int
) -> str:
    """The verdict of a gap after balancing, from its simultaneous interval and the effective people of both groups.

    Examples
    --------
    >>> verdict_of(0.0, -0.01, 0.01, (90.0, 80.0), scale="difference", margin=0.02, least=20)
    'no gap larger than the margin'
    >>> verdict_of(0.0, -0.01, 0.01, (90.0, 8.0), scale="difference", margin=0.02, least=20)
    'not enough data'
    """
    if not (low <= gap <= high) or min(effective) < least:
        return UNKNOWN
    lower, upper = (1 / margin, margin) if scale == "ratio" else (-margin, margin)
    if low > upper or high < lower:
        return BEYOND
    if lower <= low and high <= upper:
        return WITHIN
    none = 1.0 if scale == "ratio" else 0.0
    return GAP if low > none or high < none else UNKNOWN
