"""One row of results for each kind of setting, and its JSON form."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

from facegap.selfcheck.doses import DoseRow
from facegap.selfcheck.exposure import ExposureRow

Part = Literal["coverage", "families", "power", "search", "labels", "crowds", "exposure", "doses"]


PARTS: tuple[Part, ...] = ("coverage", "families", "power", "search", "labels", "crowds", "exposure", "doses")


@dataclass(frozen=True)
class CoverageRow:
    """`Setting` and `Outcome` as one row; `required`: the required coverage applies."""

    kind: str
    subjects: int
    images: int
    rate: float
    effect: str
    strength: float
    expected_errors: float
    required: bool
    floor: float
    worlds: int
    facegap: float
    plain: float
    naive: float
    width: float
    faults: str


@dataclass(frozen=True)
class FamilyRow:
    """`Family` and `FamilyOutcome` as one row. NaN if a proportion is undefined."""

    name: str
    kind: str
    metric: str
    names: tuple[str, ...]
    subjects: tuple[int, ...]
    images: tuple[int, ...]
    rates: tuple[float, ...]
    effect: str
    strength: float
    margin: float
    worlds: int
    false_alarm: float
    differs: float
    dishonest: float
    found: float
    found_any: float
    confusion: dict[str, dict[str, int]]


@dataclass(frozen=True)
class PowerRow:
    """One point of a power curve: how often the planted gap gets the verdict `gap`, in any of its pairs."""

    kind: str
    metric: str
    groups: int
    subjects: int
    images: int
    rate: float
    effect: str
    strength: float
    gap: float
    margin: float
    worlds: int
    found: float
    found_any: float
    confusion: dict[str, dict[str, int]]


@dataclass(frozen=True)
class SearchRow:
    """`SearchSetting` and `SearchOutcome` as one row; fpir_rate and fnir_rate are planted, the others are coverage."""

    gallery: int
    people: int
    images: int
    fpir_rate: float
    fnir_rate: float
    rank: int
    strength: float
    worlds: int
    fpir: float
    fpir_naive: float
    fnir: float
    fnir_naive: float


@dataclass(frozen=True)
class LabelRow:
    """`LabelSetting` and `LabelOutcome` as one row."""

    kind: str
    subjects: int
    images: int
    rate: float
    planted_gap: float
    effect: str
    strength: float
    flipped: float
    worlds: int
    observed: float
    certain: float
    informed: float
    gap: float
    gap_informed: float


@dataclass(frozen=True)
class CrowdRow:
    """`Crowd`, `CrowdOutcome` and `CrowdGaps` as one row; `required`: the required coverage and width apply."""

    kind: str
    people: int
    units: int
    images: str
    most: int
    errs: str
    rate: float
    strength: float
    estimand: str
    required: bool
    floor: float
    worlds: int
    errors: float
    coverage: float
    width: float
    per_person: float
    person_width: float
    dominated: float
    missed: float
    faults: str
    groups: int
    gap_coverage: float
    false_alarm: float
    differs: float
    withheld: float


Row = CoverageRow | FamilyRow | PowerRow | SearchRow | LabelRow | CrowdRow | ExposureRow | DoseRow


ROWS: Mapping[Part, type[Row]] = {
    "coverage": CoverageRow,
    "families": FamilyRow,
    "power": PowerRow,
    "search": SearchRow,
    "labels": LabelRow,
    "crowds": CrowdRow,
    "exposure": ExposureRow,
    "doses": DoseRow,
}


def row_to_plain(row: Row) -> dict[str, Any]:
    """A row as JSON values: NaN becomes None."""
    return {
        name: None if isinstance(value, float) and math.isnan(value) else value for name, value in asdict(row).items()
    }


def row_from_plain(part: Part, plain: Mapping[str, Any]) -> Row:
    """The inverse of `row_to_plain`.

    Raises : KeyError, TypeError if `plain` is not such a row
    """
    kind = ROWS[part]
    values: dict[str, Any] = {field.name: plain[field.name] for field in fields(kind)}
    for name, value in values.items():
        values[name] = math.nan if value is None else tuple(value) if isinstance(value, list) else value
    return kind(**values)
