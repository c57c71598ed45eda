"""A study: simulation settings of seven kinds, each an independent job that gives one row of results.

A job depends only on its setting, its number of simulations and the seed. So the results do not depend on the number of
workers or the order of jobs, and an interrupted study can be resumed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from facegap.selfcheck.doses import dose_row
from facegap.selfcheck.exposure import exposure_row
from facegap.selfcheck.labels import LabelSetting, label_coverage
from facegap.selfcheck.rows import CoverageRow, CrowdRow, FamilyRow, LabelRow, Part, PowerRow, Row, SearchRow
from facegap.worlds.crowd_rates import crowd_coverage, crowd_gaps, faults_of, floor_of
from facegap.worlds.crowds import Crowd
from facegap.worlds.doses import DoseSetting
from facegap.worlds.exposure import ExposureSetting
from facegap.worlds.families import Family, FamilyOutcome, evaluate_family, raised_family
from facegap.worlds.people import Setting
from facegap.worlds.rates import cells_of_a_world, coverage
from facegap.worlds.searches import SearchSetting, search_coverage


@dataclass(frozen=True)
class PowerSetting:
    """`groups` equal groups except the first, whose rate is higher by `gap` (a ratio, or a difference)."""

    base: Setting
    groups: int
    gap: float


@dataclass(frozen=True)
class CrowdSetting:
    """A crowd (worlds/crowds.py), and families of `groups` such crowds without a gap between them."""

    crowd: Crowd
    groups: int


@dataclass(frozen=True)
class Job:
    """One setting and its number of simulations."""

    spec: Setting | Family | PowerSetting | SearchSetting | LabelSetting | CrowdSetting | ExposureSetting | DoseSetting
    worlds: int

    @property
    def part(self) -> Part:
        """The kind of the setting."""
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
    """The simulations that a TOML file defines.

    source : the preset or the file; sha256 : of its bytes
    """

    title: str
    source: str
    sha256: str
    jobs: tuple[Job, ...]


def run_job(job: Job, seed: int) -> Row:
    """Run the simulations of one setting and evaluate them."""
    spec = job.spec
    if isinstance(spec, Setting):
        return _coverage_row(spec, job.worlds, seed)
    if isinstance(spec, Family):
        return _family_row(evaluate_family(spec, job.worlds, seed))
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
    found = evaluate_family(family, worlds, seed)
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
    """Approximate number of random numbers of a job, so that the longest jobs start first."""
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
