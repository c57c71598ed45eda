"""A study: planted worlds of seven sorts, each setting a job of its own, and the row of numbers that it ends in.

A job depends on its setting, its worlds and the seed alone. So the numbers are the same however many workers share the
jobs, in whatever order, and a study that was broken off goes on where it stood.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

from facegap.selfcheck.doses import DoseRow, dose_row
from facegap.selfcheck.exposure import ExposureRow, exposure_row
from facegap.selfcheck.labels import LabelSetting, label_coverage
from facegap.worlds.crowd_rates import crowd_coverage, crowd_gaps, faults_of, floor_of
from facegap.worlds.crowds import Crowd
from facegap.worlds.doses import DoseSetting
from facegap.worlds.exposure import ExposureSetting
from facegap.worlds.families import Family, FamilyOutcome, judge, raised_family
from facegap.worlds.people import Setting
from facegap.worlds.rates import cells_of_a_world, coverage
from facegap.worlds.searches import SearchSetting, search_coverage

Part = Literal["coverage", "families", "power", "search", "labels", "crowds", "exposure", "doses"]
PARTS: tuple[Part, ...] = ("coverage", "families", "power", "search", "labels", "crowds", "exposure", "doses")


@dataclass(frozen=True)
class PowerSetting:
    """`groups` alike but for the first, whose rate is higher by `gap` (a ratio, or a difference)."""

    base: Setting
    groups: int
    gap: float


@dataclass(frozen=True)
class CrowdSetting:
    """A crowd (worlds/crowds.py), and families of `groups` such crowds, among which there is no gap."""

    crowd: Crowd
    groups: int


@dataclass(frozen=True)
class Job:
    """One setting and how many worlds of it are drawn."""

    spec: Setting | Family | PowerSetting | SearchSetting | LabelSetting | CrowdSetting | ExposureSetting | DoseSetting
    worlds: int

    @property
    def part(self) -> Part:
        """The sort of the setting."""
        return PART_OF[type(self.spec)]


PART_OF: Mapping[type, Part] = {
    Setting: "coverage",
    Family: "families",
    PowerSetting: "power",
    SearchSetting: "search",
    LabelSetting: "labels",
    CrowdSetting: "crowds",
    ExposureSetting: "exposure",
    DoseSetting: "doses",
}


@dataclass(frozen=True)
class Study:
    """Planted worlds as a TOML names them.

    source : the preset or the file; sha256 : of its bytes
    """

    title: str
    source: str
    sha256: str
    jobs: tuple[Job, ...]


@dataclass(frozen=True)
class CoverageRow:
    """`Setting` and `Outcome` as one row; `required`: held to the band."""

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
    """`Family` and `FamilyOutcome` as one row. NaN where a share is of nothing."""

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
    """One point of a power curve: how often the planted gap gets the verdict `gap`, in any pair that it is in."""

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
    """`Crowd`, `CrowdOutcome` and `CrowdGaps` as one row; `required`: held to the band of coverage and width."""

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


def run_job(job: Job, seed: int) -> Row:
    """Draw the worlds of one setting and judge them."""
    spec = job.spec
    if isinstance(spec, Setting):
        return _coverage_row(spec, job.worlds, seed)
    if isinstance(spec, Family):
        return _family_row(judge(spec, job.worlds, seed))
    if isinstance(spec, PowerSetting):
        return _power_row(spec, job.worlds, seed)
    if isinstance(spec, SearchSetting):
        held = search_coverage(spec, job.worlds, seed)
        return SearchRow(
            spec.gallery,
            spec.people,
            spec.images,
            spec.fpir,
            spec.fnir,
            spec.rank,
            spec.strength,
            held.worlds,
            held.fpir,
            held.fpir_naive,
            held.fnir,
            held.fnir_naive,
        )
    if isinstance(spec, CrowdSetting):
        return _crowd_row(spec, job.worlds, seed)
    if isinstance(spec, ExposureSetting):
        return exposure_row(spec, job.worlds, seed)
    if isinstance(spec, DoseSetting):
        return dose_row(spec, job.worlds, seed)
    said = label_coverage(spec, job.worlds, seed)
    return LabelRow(
        spec.kind,
        spec.subjects,
        spec.images,
        spec.rate,
        spec.gap,
        spec.effect,
        spec.strength,
        spec.flipped,
        said.worlds,
        said.observed,
        said.certain,
        said.informed,
        said.gap,
        said.gap_informed,
    )


def _coverage_row(spec: Setting, worlds: int, seed: int) -> CoverageRow:
    found = coverage(spec, worlds, seed)
    return CoverageRow(
        spec.kind,
        spec.subjects,
        spec.images,
        spec.rate,
        spec.effect,
        spec.strength,
        spec.expected_errors,
        spec.must_hold,
        spec.floor,
        found.worlds,
        found.facegap,
        found.plain,
        found.naive,
        found.width,
        found.faults,
    )


def _family_row(found: FamilyOutcome) -> FamilyRow:
    family, groups = found.family, found.family.groups
    return FamilyRow(
        family.name,
        groups[0].kind,
        family.metric,
        family.group_names,
        tuple(group.subjects for group in groups),
        tuple(group.images for group in groups),
        tuple(group.rate for group in groups),
        groups[0].effect,
        groups[0].strength,
        family.used_margin,
        found.worlds,
        found.false_alarm,
        found.differs,
        found.dishonest,
        found.found,
        found.found_any,
        found.confusion,
    )


def _power_row(spec: PowerSetting, worlds: int, seed: int) -> PowerRow:
    family, base = raised_family(spec.base, spec.groups, spec.gap, "power"), spec.base
    found = judge(family, worlds, seed)
    return PowerRow(
        base.kind,
        family.metric,
        spec.groups,
        base.subjects,
        base.images,
        base.rate,
        base.effect,
        base.strength,
        spec.gap,
        family.used_margin,
        found.worlds,
        found.found,
        found.found_any,
        found.confusion,
    )


def _crowd_row(spec: CrowdSetting, worlds: int, seed: int) -> CrowdRow:
    crowd = spec.crowd
    found = crowd_coverage(crowd, worlds, seed)
    gaps = crowd_gaps([crowd] * spec.groups, worlds, seed)
    return CrowdRow(
        crowd.kind,
        crowd.people,
        crowd.units,
        crowd.images,
        crowd.most,
        crowd.errs,
        crowd.rate,
        crowd.strength,
        crowd.estimand,
        not crowd.few_have_most,
        floor_of(crowd),
        worlds,
        found.errors,
        found.coverage,
        found.width,
        found.per_person,
        found.person_width,
        found.dominated,
        found.missed,
        "" if crowd.few_have_most else faults_of(found),
        spec.groups,
        gaps.coverage,
        gaps.false_alarm,
        gaps.differs,
        gaps.withheld,
    )


def cost_of(job: Job) -> float:
    """Numbers that a job draws, roughly: the longest go first, so that no worker is left alone with one of them."""
    spec = job.spec
    if isinstance(spec, SearchSetting):
        return 400.0 * job.worlds * spec.people * spec.images
    if isinstance(spec, LabelSetting):
        return 1e6 * job.worlds
    if isinstance(spec, ExposureSetting):
        return 5e3 * job.worlds * spec.people * spec.images
    if isinstance(spec, DoseSetting):
        return 4.0 * job.worlds * spec.doses * (spec.people * spec.images + 1_000)
    if isinstance(spec, CrowdSetting):
        people = float(spec.crowd.people)
        return job.worlds * (1 + spec.groups) * (4 * people**2 if spec.crowd.kind == "impostor" else people + 100)
    groups = (
        spec.groups if isinstance(spec, Family) else (spec.base,) * 2 if isinstance(spec, PowerSetting) else (spec,)
    )
    return float(sum(job.worlds * (cells_of_a_world(group) + 100) for group in groups))


def row_to_plain(row: Row) -> dict[str, Any]:
    """A row as JSON can hold it: NaN becomes None."""
    return {
        name: None if isinstance(value, float) and math.isnan(value) else value for name, value in asdict(row).items()
    }


def row_from_plain(part: Part, plain: Mapping[str, Any]) -> Row:
    """What `row_to_plain` was given.

    Raises : KeyError, TypeError where `plain` is no such row
    """
    kind = ROWS[part]
    values: dict[str, Any] = {field.name: plain[field.name] for field in fields(kind)}
    for name, value in values.items():
        values[name] = math.nan if value is None else tuple(value) if isinstance(value, list) else value
    return kind(**values)
