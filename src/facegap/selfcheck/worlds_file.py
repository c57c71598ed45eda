"""Planted worlds from a TOML file, read strictly: an unknown key, a wrong type or a number out of range is an error.

docs/selfcheck.md describes the format; the presets beside this file are examples of it.
"""

from __future__ import annotations

import hashlib
import itertools
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

from facegap.errors import TableError
from facegap.selfcheck.toml_table import TomlTable
from facegap.statistics.gaps import RATIO_METRICS
from facegap.worlds.families import Family, group_labels
from facegap.worlds.labels import LabelSetting
from facegap.worlds.people import EFFECTS, METRICS, PAIR_KINDS, Effect, Kind, Setting
from facegap.worlds.searches import SearchSetting
from facegap.worlds.study import PARTS, Job, PowerSetting, Study

MAX_BYTES = 16 * 1024  # tomllib needs time quadratic in dotted keys
MAX_JOBS, MAX_ERRORS, MAX_GROUPS = 2_000, 300_000, 40
COVERED_KINDS = ("impostor", "across", "genuine", "classification")
JUDGED_KINDS = ("impostor", "genuine", "classification")
SINGLE_KINDS = ("genuine", "classification")
WORLDS = (10, 1_000_000)


def preset_path(name: str) -> Path:
    """The file of a preset."""
    return Path(__file__).parent / "presets" / f"{name}.toml"


def read_study(path: Path, *, quick: bool, source: str | None = None) -> Study:
    """The study that a TOML file names.

    quick  : draw `quick_worlds` where the file says `worlds`, and in proportion where an entry has its own number
    source : what the study is called in the output; None: the name of the file
    Raises : TableError that names the file and the key, or the line where the TOML itself is broken
    """
    content = _content(path)
    table = TomlTable(_parsed(path, content), str(path), "")
    table.refuse_others(("title", "worlds", "quick_worlds", *PARTS))
    title, worlds = table.text("title"), table.integer("worlds", *WORLDS)
    quick_worlds = table.integer("quick_worlds", *WORLDS, default=min(worlds, 200))
    jobs = [
        Job(spec, max(WORLDS[0], round(own * quick_worlds / worlds)) if quick else own)
        for part in PARTS
        for entry in table.entries(part)
        for own in [entry.integer("worlds", *WORLDS, default=worlds)]
        for spec in READERS[part](entry)
    ]
    if not jobs:
        raise TableError(
            f"{path}: no planted world in it; add [[coverage]], [[families]], [[power]], [[search]] or [[labels]]"
        )
    if len(jobs) > MAX_JOBS:
        raise TableError(f"{path}: {len(jobs)} settings, more than {MAX_JOBS}; shorten a list")
    distinct = list(dict.fromkeys(jobs))
    return Study(title, source or path.name, hashlib.sha256(content).hexdigest(), tuple(distinct))


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise TableError(f"{path}: cannot be read: {error.strerror or error}") from error
    if len(content) > MAX_BYTES:
        raise TableError(
            f"{path}: more than {MAX_BYTES:,} bytes; a study is a page of text, with lists for what varies"
        )
    return content


def _parsed(path: Path, content: bytes) -> dict[str, Any]:
    try:
        return tomllib.loads(content.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise TableError(f"{path}: not TOML: {error}") from error


def _coverage(entry: TomlTable) -> Iterator[Setting]:
    entry.refuse_others(("kind", "subjects", "images", "rates", "effect", "strengths", "worlds"))
    kind = _kind(entry, COVERED_KINDS)
    effect, strengths = _effect(entry, kind, "strengths")
    subjects, images, rates = (
        entry.integers("subjects", 2, 20_000),
        _images(entry, kind),
        entry.numbers("rates", 1e-6, 0.9),
    )
    for strength, people, of_each, rate in itertools.product(strengths, subjects, images, rates):
        yield _checked(entry, Setting(kind, people, of_each, rate, effect, strength))


def _families(entry: TomlTable) -> Iterator[Family]:
    entry.refuse_others(
        ("name", "kind", "groups", "rates", "subjects", "images", "effect", "strength", "margin", "worlds")
    )
    kind = _kind(entry, JUDGED_KINDS)
    effect, strengths = _effect(entry, kind, "strength")
    if len(strengths) > 1:
        entry.refuse("strength", "one number, for the groups of a family are alike in it")
    rates = entry.numbers("rates", 1e-6, 0.9)
    if not 2 <= len(rates) <= MAX_GROUPS:
        entry.refuse("rates", f"one rate per group, for 2 to {MAX_GROUPS} groups")
    subjects, images = entry.per_group("subjects", len(rates), 2, 20_000), _images_per_group(entry, kind, len(rates))
    names = entry.texts("groups", len(rates), default=group_labels(len(rates)))
    groups = tuple(
        _checked(entry, Setting(kind, people, of_each, rate, effect, strengths[0]))
        for people, of_each, rate in zip(subjects, images, rates, strict=True)
    )
    yield Family(entry.text("name"), groups, names, _margin(entry, kind))


def _power(entry: TomlTable) -> Iterator[PowerSetting]:
    entry.refuse_others(("kind", "groups", "rate", "gaps", "subjects", "images", "effect", "strength", "worlds"))
    kind = _kind(entry, JUDGED_KINDS)
    effect, strengths = _effect(entry, kind, "strength")
    rate, groups = entry.number("rate", 1e-6, 0.9), entry.integer("groups", 2, MAX_GROUPS, default=2)
    ratio = METRICS[kind] in RATIO_METRICS
    gaps = entry.numbers("gaps", 1.0, 1000.0) if ratio else entry.numbers("gaps", 0.0, 0.9)
    for gap in gaps:
        if not (rate * gap if ratio else rate + gap) <= 0.95:
            entry.refuse("gaps", f"gaps that leave the raised rate under .95; {rate:g} and {gap:g} do not")
    for strength, of_each, gap, people in itertools.product(
        strengths, _images(entry, kind), gaps, entry.integers("subjects", 2, 20_000)
    ):
        base = Setting(kind, people, of_each, rate, effect, strength)
        _checked(entry, Setting(kind, people, of_each, rate * gap if ratio else rate + gap, effect, strength))
        yield PowerSetting(base, groups, gap)


def _search(entry: TomlTable) -> Iterator[SearchSetting]:
    entry.refuse_others(("gallery", "subjects", "images", "fpir", "fnir", "rank", "strengths", "worlds"))
    for strength, gallery, people, images, fpir, fnir in itertools.product(
        entry.numbers("strengths", 0.0, 0.4, default=(0.0,)),
        entry.integers("gallery", 1, 1_000_000),
        entry.integers("subjects", 2, 2_000),
        entry.integers("images", 1, 20, default=(1,)),
        entry.numbers("fpir", 1e-4, 0.5),
        entry.numbers("fnir", 1e-3, 0.9),
    ):
        yield SearchSetting(gallery, people, images, fpir, fnir, entry.integer("rank", 1, 100, default=1), strength)


def _labels(entry: TomlTable) -> Iterator[LabelSetting]:
    entry.refuse_others(("kind", "subjects", "images", "rate", "gap", "effect", "strength", "flipped", "worlds"))
    kind = _kind(entry, SINGLE_KINDS)
    effect, strengths = _effect(entry, kind, "strength")
    rate, gap = entry.number("rate", 1e-6, 0.9), entry.number("gap", 0.0, 0.9)
    if rate + gap > 0.95:
        entry.refuse("gap", "a gap that leaves the raised rate under .95")
    for strength, people, of_each, flipped in itertools.product(
        strengths, entry.integers("subjects", 2, 5_000), _images(entry, kind), entry.numbers("flipped", 0.0, 0.45)
    ):
        yield LabelSetting(kind, people, of_each, rate, gap, effect, strength, flipped)


READERS: dict[str, Callable[[TomlTable], Iterator[Any]]] = {
    "coverage": _coverage,
    "families": _families,
    "power": _power,
    "search": _search,
    "labels": _labels,
}


def _kind(entry: TomlTable, kinds: tuple[str, ...]) -> Kind:
    return cast(Kind, entry.word("kind", kinds))


def _effect(entry: TomlTable, kind: Kind, key: str) -> tuple[Effect, tuple[float, ...]]:
    """The effect of people and its strengths; pairs of two people have a probit effect only."""
    effect = cast(Effect, entry.word("effect", EFFECTS, default="probit"))
    if kind in PAIR_KINDS and effect != "probit":
        entry.refuse("effect", f"'probit' for kind = '{kind}', where two people share a trial")
    return effect, entry.numbers(key, 0.0, 0.4 if kind in PAIR_KINDS else 0.9, default=(0.0,))


def _images(entry: TomlTable, kind: Kind) -> tuple[int, ...]:
    return entry.integers("images", 2 if kind == "genuine" else 1, 20)


def _images_per_group(entry: TomlTable, kind: Kind, groups: int) -> tuple[int, ...]:
    return entry.per_group("images", groups, 2 if kind == "genuine" else 1, 20)


def _margin(entry: TomlTable, kind: Kind) -> float | None:
    if "margin" not in entry.data:
        return None
    ratio = METRICS[kind] in RATIO_METRICS
    return entry.number("margin", 1.01, 100.0) if ratio else entry.number("margin", 1e-4, 0.5)


def _checked(entry: TomlTable, setting: Setting) -> Setting:
    """The setting, or an error where one world of it would not fit into memory."""
    if setting.kind == "across" and setting.subjects > 500:
        entry.refuse("subjects", "at most 500 for kind = 'across', where every pair is drawn")
    if setting.kind in PAIR_KINDS and setting.expected_errors > MAX_ERRORS:
        entry.refuse(
            "subjects",
            f"fewer, or rates lower: {setting.subjects} people with {setting.images} images at {setting.rate:g} give "
            f"{setting.expected_errors:,.0f} false matches a world, more than {MAX_ERRORS:,}",
        )
    return setting
