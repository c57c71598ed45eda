"""Simulation settings from a TOML file, read strictly: an unknown key, a wrong type or a number out of range is an error.

docs/selfcheck.md describes the format; the presets next to this file are examples.
"""

from __future__ import annotations

import hashlib
import itertools
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Literal, Self, get_args

from pydantic import Field, model_validator

from facegap.errors import TableError
from facegap.inputs.strict_toml import ListOf, Table, Tables, checked, numbers, read_toml
from facegap.selfcheck.labels import LabelSetting
from facegap.selfcheck.rows import PARTS
from facegap.selfcheck.study import CrowdSetting, Job, PowerSetting, Study
from facegap.worlds import crowds
from facegap.worlds.doses import DoseSetting
from facegap.worlds.exposure import ExposureSetting, Route
from facegap.worlds.families import Family, group_labels
from facegap.worlds.people import METRICS, PAIR_KINDS, Effect, Kind, Setting
from facegap.worlds.searches import SearchSetting

MAX_BYTES = 16 * 1024  # tomllib needs time quadratic in dotted keys
MAX_JOBS, MAX_ERRORS, MAX_GROUPS = 2_000, 300_000, 40
FEWEST_WORLDS, QUICK_WORLDS = 10, 200
HIGHEST_RATE = 0.95  # highest rate that a planted gap may produce
WORLDS_WANTED = "a whole number from 10 to 1,000,000"
Spec = Setting | Family | PowerSetting | SearchSetting | LabelSetting | CrowdSetting | ExposureSetting | DoseSetting

Line = Annotated[str, Field(min_length=1, max_length=200, pattern=r"\S", description="text of 1 to 200 characters")]
Worlds = Annotated[int, Field(ge=FEWEST_WORLDS, le=1_000_000, description=WORLDS_WANTED)]
OwnWorlds = Annotated[int | None, Field(ge=FEWEST_WORLDS, le=1_000_000, description=WORLDS_WANTED)]
Rate = Annotated[float, Field(ge=1e-6, le=0.9, description="a number from 1e-06 to 0.9")]
Rates = Annotated[tuple[float, ...], numbers(1e-6, 0.9)]
Strengths = Annotated[tuple[float, ...], numbers(0, 0.9)]
Subjects = Annotated[tuple[int, ...], numbers(2, 20_000, whole=True)]
Images = Annotated[tuple[int, ...], numbers(1, 20, whole=True)]


def preset_path(name: str) -> Path:
    """The path of a preset."""
    return Path(__file__).parent / "presets" / f"{name}.toml"


def read_study(path: Path, *, quick: bool, source: str | None = None) -> Study:
    """The study that a TOML file defines.

    quick  : use `quick_worlds` instead of `worlds`, and scale an entry's own number in proportion
    source : name of the study in the output; None: the name of the file
    Raises : TableError, which names the file and the key, or the line of invalid TOML
    """
    content, tables = read_toml(path, max_bytes=MAX_BYTES)
    said = checked(StudyFile, tables, path)
    jobs = list(dict.fromkeys(said.jobs(quick=quick)))
    if not jobs:
        raise TableError(
            f"{path}: defines no simulated world; add [[coverage]], [[families]], [[power]], [[search]], [[labels]], "
            f"[[crowds]], "
            "[[exposure]] or [[doses]]"
        )
    if len(jobs) > MAX_JOBS:
        raise TableError(f"{path}: {len(jobs)} settings, more than {MAX_JOBS}; shorten a list")
    return Study(said.title, source or path.name, hashlib.sha256(content).hexdigest(), tuple(jobs))


class Entry(Table, ABC):
    """One table of a file: every combination of its lists is a setting."""

    worlds: OwnWorlds = None

    @model_validator(mode="after")
    def _is_possible(self) -> Self:
        for count, _ in enumerate(self.settings(), start=1):
            if count > MAX_JOBS:
                raise ValueError(f"more than {MAX_JOBS} settings; shorten a list")
        return self

    @abstractmethod
    def settings(self) -> Iterator[Spec]:
        """The settings of the entry; a ValueError names the key that is inconsistent with the others."""


class CoverageEntry(Entry):
    """[[coverage]]: coverage of the intervals of one group's rate."""

    kind: Literal["impostor", "across", "genuine", "classification"]
    subjects: Subjects
    images: Images
    rates: Rates
    effect: Effect = "probit"
    strengths: Strengths = (0.0,)

    def settings(self) -> Iterator[Setting]:
        """One group for each combination."""
        check_people(self.kind, self.images, self.effect, strengths=self.strengths)
        for strength, people, images, rate in itertools.product(self.strengths, self.subjects, self.images, self.rates):
            yield small_enough(Setting(self.kind, people, images, rate, self.effect, strength))


class FamiliesEntry(Entry):
    """[[families]]: groups that are tested together."""

    name: Line
    kind: Literal["impostor", "genuine", "classification"]
    rates: Rates
    subjects: Subjects
    images: Images
    groups: Annotated[tuple[Line, ...] | None, ListOf, Field(description="a list of names, one for each rate")] = None
    effect: Effect = "probit"
    strength: Annotated[float, Field(ge=0, le=0.9, description="one number from 0 to 0.9")] = 0.0
    margin: Annotated[float | None, Field(gt=0, le=100, description="a number from 0.0001 to 100")] = None

    def settings(self) -> Iterator[Family]:
        """The one family of the entry."""
        count = len(self.rates)
        if not 2 <= count <= MAX_GROUPS:
            raise ValueError(f"key rates: give one rate per group, for 2 to {MAX_GROUPS} groups")
        check_people(self.kind, self.images, self.effect, strength=(self.strength,))
        if self.groups is not None and (len(self.groups) != count or len(set(self.groups)) != count):
            raise ValueError(f"key groups: give {count} different names, one for each rate")
        self._check_margin()
        people, images = per_group(self.subjects, count, "subjects"), per_group(self.images, count, "images")
        settings = tuple(
            small_enough(Setting(self.kind, subjects, of_each, rate, self.effect, self.strength))
            for subjects, of_each, rate in zip(people, images, self.rates, strict=True)
        )
        yield Family(self.name, settings, self.groups or group_labels(count), self.margin)

    def _check_margin(self) -> None:
        low, high = (1.01, 100.0) if is_ratio(self.kind) else (1e-4, 0.5)
        if self.margin is not None and not low <= self.margin <= high:
            raise ValueError(f"key margin: give a number from {low:g} to {high:g} for kind = '{self.kind}'")


class PowerEntry(Entry):
    """[[power]]: equal groups except the first, whose rate is higher."""

    kind: Literal["impostor", "genuine", "classification"]
    rate: Rate
    gaps: Annotated[tuple[float, ...], numbers(0, 1000)]
    subjects: Subjects
    images: Images
    groups: Annotated[int, Field(ge=2, le=MAX_GROUPS, description=f"a whole number from 2 to {MAX_GROUPS}")] = 2
    effect: Effect = "probit"
    strength: Strengths = (0.0,)

    def settings(self) -> Iterator[PowerSetting]:
        """The groups for each combination."""
        check_people(self.kind, self.images, self.effect, strength=self.strength)
        ratio = is_ratio(self.kind)
        for gap in self.gaps:
            if ratio and gap < 1:
                raise ValueError(f"key gaps: give ratios of 1 or more for kind = '{self.kind}'; {gap:g} is less")
            check_raised_rate("gaps", self.rate, gap, ratio=ratio)
        for strength, images, gap, people in itertools.product(self.strength, self.images, self.gaps, self.subjects):
            raised = self.rate * gap if ratio else self.rate + gap
            small_enough(Setting(self.kind, people, images, raised, self.effect, strength))
            base = Setting(self.kind, people, images, self.rate, self.effect, strength)
            yield PowerSetting(base, self.groups, gap)


class SearchEntry(Entry):
    """[[search]]: searches of a gallery (1:N)."""

    gallery: Annotated[tuple[int, ...], numbers(1, 1_000_000, whole=True)]
    subjects: Annotated[tuple[int, ...], numbers(2, 2_000, whole=True)]
    images: Images = (1,)
    fpir: Annotated[tuple[float, ...], numbers(1e-4, 0.5)]
    fnir: Annotated[tuple[float, ...], numbers(1e-3, 0.9)]
    rank: Annotated[int, Field(ge=1, le=100, description="a whole number from 1 to 100")] = 1
    strengths: Annotated[tuple[float, ...], numbers(0, 0.4)] = (0.0,)

    def settings(self) -> Iterator[SearchSetting]:
        """One gallery and its searches for each combination."""
        for strength, gallery, people, images, fpir, fnir in itertools.product(
            self.strengths, self.gallery, self.subjects, self.images, self.fpir, self.fnir
        ):
            yield SearchSetting(gallery, people, images, fpir, fnir, self.rank, strength)


class LabelsEntry(Entry):
    """[[labels]]: two groups with some wrong labels."""

    kind: Literal["genuine", "classification"]
    subjects: Annotated[tuple[int, ...], numbers(2, 5_000, whole=True)]
    images: Images
    rate: Rate
    gap: Annotated[float, Field(ge=0, le=0.9, description="a number from 0 to 0.9")]
    effect: Effect = "probit"
    strength: Strengths = (0.0,)
    flipped: Annotated[tuple[float, ...], numbers(0, 0.45)]

    def settings(self) -> Iterator[LabelSetting]:
        """The two groups for each combination."""
        check_people(self.kind, self.images, self.effect, strength=self.strength)
        check_raised_rate("gap", self.rate, self.gap, ratio=False)
        for strength, people, images, flipped in itertools.product(
            self.strength, self.subjects, self.images, self.flipped
        ):
            yield LabelSetting(self.kind, people, images, self.rate, self.gap, self.effect, strength, flipped)


class CrowdsEntry(Entry):
    """[[crowds]]: heterogeneous people, in families of such groups."""

    kind: Literal["classification", "genuine", "impostor"]
    subjects: Annotated[tuple[int, ...], numbers(10, 2_000, whole=True)]
    images: crowds.Images
    most: Annotated[int, Field(ge=1, le=200, description="a whole number from 1 to 200")]
    errs: crowds.Errs | crowds.PairErrs
    rates: Rates
    strength: Annotated[float, Field(ge=-2, le=20, description="a number from -2 to 20")] = 0.0
    groups: Annotated[int, Field(ge=2, le=MAX_GROUPS, description=f"a whole number from 2 to {MAX_GROUPS}")] = 4

    def settings(self) -> Iterator[CrowdSetting]:
        """One crowd for each combination."""
        laws = crowds.PairErrs if self.kind == "impostor" else crowds.Errs
        if self.errs not in get_args(laws):
            raise ValueError(f"key errs: {self.errs!r} goes with another kind; give one of {', '.join(get_args(laws))}")
        if (self.errs == "bad images") > (self.kind == "genuine"):
            raise ValueError("key errs: give 'bad images' for kind = 'genuine' only")
        if self.kind == "genuine" and self.most < 2:
            raise ValueError("key most: give a whole number from 2 to 200 for kind = 'genuine'; pairs need two images")
        if self.kind == "impostor" and max(self.subjects) > 200:
            raise ValueError("key subjects: give at most 200 for kind = 'impostor', for which every pair is simulated")
        self._check_strength()
        for people, rate in itertools.product(self.subjects, self.rates):
            yield CrowdSetting(
                crowds.Crowd(self.kind, people, self.images, self.most, self.errs, rate, self.strength), self.groups
            )

    def _check_strength(self) -> None:
        highest = {
            "beta": 0.9,
            "sessions": 0.9,
            "probit": 0.4,
            "pairs": 0.8,
            "goats": 0.9,
            "bad images": 0.9,
            "heavy": 3.0,
        }
        least = 0.0 if self.errs != "with images" else -2.0
        most = highest.get(
            self.errs, 20.0 if self.errs == "many images" else 2.0 if self.errs == "with images" else 1.0
        )
        if not least <= self.strength <= most:
            raise ValueError(f"key strength: give a number from {least:g} to {most:g} for errs = '{self.errs}'")
        if self.errs == "goats" and self.strength * crowds.HIGH > min(self.rates):
            raise ValueError(
                f"key strength: goats err at {crowds.HIGH:g}, so that {self.strength:g} of the people alone give more than the rate"
            )


class ExposureEntry(Entry):
    """[[exposure]]: a gap that depends on exposure completely, in part or not at all, before and after balancing."""

    gap: Annotated[tuple[Route, ...], ListOf, Field(description="a list of through, half, beside")]
    subjects: Annotated[tuple[int, ...], numbers(20, 5_000, whole=True)]
    images: Images = (1,)
    reliability: Annotated[tuple[float, ...], numbers(0.1, 1)] = (1.0,)

    def settings(self) -> Iterator[ExposureSetting]:
        """Two groups for each combination."""
        for route, people, images, reliability in itertools.product(
            self.gap, self.subjects, self.images, self.reliability
        ):
            yield ExposureSetting(people, images, route, reliability)


class DosesEntry(Entry):
    """[[doses]]: errors of two groups that increase equally with a perturbation, or by more in one at the last dose."""

    planted: Annotated[tuple[float, ...], numbers(0, 0.5)]
    subjects: Annotated[tuple[int, ...], numbers(20, 5_000, whole=True)]
    images: Images = (1,)
    doses: Annotated[tuple[int, ...], numbers(1, 20, whole=True)] = (4,)

    def settings(self) -> Iterator[DoseSetting]:
        """Two groups for each combination."""
        for planted, people, images, doses in itertools.product(self.planted, self.subjects, self.images, self.doses):
            yield DoseSetting(people, images, doses, planted)


class StudyFile(Table):
    """The whole file."""

    title: Line
    worlds: Worlds
    quick_worlds: OwnWorlds = None
    coverage: Annotated[tuple[CoverageEntry, ...], Tables] = ()
    families: Annotated[tuple[FamiliesEntry, ...], Tables] = ()
    power: Annotated[tuple[PowerEntry, ...], Tables] = ()
    search: Annotated[tuple[SearchEntry, ...], Tables] = ()
    labels: Annotated[tuple[LabelsEntry, ...], Tables] = ()
    crowds: Annotated[tuple[CrowdsEntry, ...], Tables] = ()
    exposure: Annotated[tuple[ExposureEntry, ...], Tables] = ()
    doses: Annotated[tuple[DosesEntry, ...], Tables] = ()

    def jobs(self, *, quick: bool) -> Iterator[Job]:
        """A job for each setting, by kind and in the order of the file."""
        fewer = min(self.worlds, QUICK_WORLDS) if self.quick_worlds is None else self.quick_worlds
        for part in PARTS:
            entries: tuple[Entry, ...] = getattr(self, part)
            for entry in entries:
                own = self.worlds if entry.worlds is None else entry.worlds
                drawn = max(FEWEST_WORLDS, round(own * fewer / self.worlds)) if quick else own
                yield from (Job(setting, drawn) for setting in entry.settings())


# ---- combinations of keys ----


def is_ratio(kind: Kind) -> bool:
    """Whether gaps in this kind of error are ratios."""
    return METRICS[kind].is_ratio


def check_people(kind: Kind, images: Sequence[int], effect: Effect, **strengths: Sequence[float]) -> None:
    """Raise ValueError if images, effect or strengths (by their key) are invalid for a kind."""
    if kind == "genuine" and min(images) < 2:
        raise ValueError("key images: give a whole number from 2 to 20 for kind = 'genuine'; pairs need two images")
    if kind in PAIR_KINDS and effect != "probit":
        raise ValueError(f"key effect: give 'probit' for kind = '{kind}', where two people share a trial")
    for key, values in strengths.items():
        if kind in PAIR_KINDS and max(values) > 0.4:
            raise ValueError(f"key {key}: give numbers from 0 to 0.4 for kind = '{kind}'")


def check_raised_rate(key: str, rate: float, gap: float, *, ratio: bool) -> None:
    """Raise ValueError if a gap leads to a rate above HIGHEST_RATE."""
    if (rate * gap if ratio else rate + gap) > HIGHEST_RATE:
        raise ValueError(
            f"key {key}: give a gap that leaves the raised rate under {HIGHEST_RATE}; {rate:g} and {gap:g} do not"
        )


def per_group(values: tuple[int, ...], groups: int, key: str) -> tuple[int, ...]:
    """A number for each group; a single number applies to all."""
    if len(values) not in (1, groups):
        raise ValueError(f"key {key}: give one number for all groups, or {groups}, one for each rate")
    return values * groups if len(values) == 1 else values


def small_enough(setting: Setting) -> Setting:
    """The setting, or a ValueError if one simulation of it would not fit into memory."""
    if setting.kind == "across" and setting.subjects > 500:
        raise ValueError("key subjects: give at most 500 for kind = 'across', for which every pair is simulated")
    if setting.kind in PAIR_KINDS and setting.expected_errors > MAX_ERRORS:
        raise ValueError(
            f"key subjects: give fewer, or lower rates: {setting.subjects} people with {setting.images} images at "
            f"{setting.rate:g} give {setting.expected_errors:,.0f} false matches a world, more than {MAX_ERRORS:,}"
        )
    return setting
