"""A plan before the data: how many people a margin needs, and plan.toml."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from facegap.audit.margins import margins_of
from facegap.audit.plan_file import read_plan
from facegap.audit.settings import AuditSettings, suggestion
from facegap.derive.metrics import FMR, FPIR, Metric, metric_of, metrics
from facegap.errors import SettingError, TableError
from facegap.report.tables import Column, TextTable, table_of, title_of
from facegap.report.text import NO_NUMBER, margin, percent
from facegap.statistics.sizes import Sampling, people_needed
from facegap.store.files import write_bytes
from facegap.store.record import Margin

USUAL_RATES = {"error_rate_all": 0.05, "fnmr": 0.02, "fnir": 0.05, "fpir": 0.01}
OTHER_RATE = 0.05
USUAL_RATIOS, USUAL_DIFFERENCES = (1.5, 2.0, 3.0, 5.0), (0.01, 0.02, 0.05, 0.1)


@dataclass(frozen=True)
class Asked:
    """What a plan is asked for.

    groups     : names of the groups of the primary family; count: how many they are
    metrics    : of the primary family
    expected   : expected error rates, by metric
    people     : of each group; None: as many as the largest need to find a gap as large as the margin
    power      : probability with which a verdict is to be reached
    """

    settings: AuditSettings
    primary: str
    groups: tuple[str, ...]
    count: int
    metrics: tuple[str, ...]
    expected: Mapping[str, float]
    sampling: Sampling
    power: float
    people: int | None = None
    rank: tuple[int, ...] = ()
    fpir: tuple[float, ...] = ()
    name: str = ""

    @property
    def tests(self) -> int:
        """How many gaps the primary family has."""
        return self.count * (self.count - 1) // 2 * len(self.metrics)

    @property
    def alpha(self) -> float:
        """Of one test: Holm's first step."""
        return self.settings.groups.alpha / self.tests


@dataclass(frozen=True)
class Need:
    """People of each group that a verdict needs at one margin; NaN where no number is enough.

    find    : to find a gap as large as the margin
    exclude : to say that there is none larger, where both rates are alike
    """

    metric: Metric
    rate: float
    margin: Margin
    chosen: bool
    find: float
    exclude: float
    photographs: int


def asked_for(
    settings: AuditSettings,
    *,
    groups: str,
    metric_names: Sequence[str],
    primary: str | None = None,
    expect: Sequence[str] = (),
    photographs: int | None = None,
    correlation: float = 0.1,
    people_per_cluster: float = 1.0,
    cluster_correlation: float = 0.0,
    power: float = 0.8,
    people: int | None = None,
    rank: Sequence[int] = (),
    fpir: Sequence[float] = (),
    name: str = "",
) -> Asked:
    """What a plan is asked for, checked.

    groups : names with commas between, or how many there are
    expect : METRIC=RATE

    Raises
    ------
    SettingError : a setting that is missing or cannot be; the message names the option and what to give
    """
    if not settings.by:
        raise SettingError(
            "--by is missing; give the columns that define the groups, such as --by gender or --by 'gender*race'"
        )
    terms = ["*".join(part.strip() for part in term.split("*")) for term in settings.by.split(",") if term.strip()]
    primary = "*".join(part.strip() for part in (primary or terms[0]).split("*"))
    if primary not in terms:
        raise SettingError(f"--primary {primary}: not a term of --by{suggestion(primary, terms)}")
    names, count = named_groups(groups)
    chosen = tuple(dict.fromkeys(metric_names))
    for one in chosen:
        if one not in metrics():
            raise SettingError(f"--metric {one}: not known{suggestion(one, list(metrics()))}")
    expected = expected_rates(expect, chosen, settings, fpir)
    least = max((2 for one in chosen if metric_of(one).trial in ("genuine pair", "mated search")), default=1)
    sampling = Sampling(photographs or least, correlation, people_per_cluster, cluster_correlation)
    if sampling.photographs < least:
        raise SettingError(f"--photographs {photographs}: FNMR and FNIR need at least two photographs of each person")
    if people_per_cluster > 1 and not settings.groups.cluster:
        raise SettingError(
            "--people-per-cluster needs --cluster; give the column that will contain the photographer or session"
        )
    if people_per_cluster > 1 and not cluster_correlation:
        raise SettingError(
            "--people-per-cluster needs --cluster-correlation, the correlation between errors of people in one "
            "cluster, such as 0.05"
        )
    return Asked(
        settings, primary, names, count, chosen, expected, sampling, power, people, tuple(rank), tuple(fpir), name
    )


def named_groups(text: str) -> tuple[tuple[str, ...], int]:
    """Names of groups and how many they are."""
    names = tuple(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    if len(names) == 1 and names[0].isdecimal():
        count, names = int(names[0]), ()
    else:
        count = len(names)
    if not 2 <= count <= 500:
        raise SettingError(
            f"--groups {text!r}: give the names of at least two groups, separated by commas and spelled as in "
            f"reports, or their number"
        )
    return names, count


def expected_rates(
    expect: Sequence[str], chosen: Sequence[str], settings: AuditSettings, fpir: Sequence[float]
) -> dict[str, float]:
    """The expected rate of each metric: as given, or the target, or a usual one."""
    targets = {FMR.name: settings.verify.fmr[:1], FPIR.name: tuple(fpir[:1])}
    found = {name: next(iter(targets.get(name, ())), USUAL_RATES.get(name, OTHER_RATE)) for name in chosen}
    for text in expect:
        name, _, value = text.partition("=")
        try:
            rate = float(value)
        except ValueError:
            rate = math.nan
        if name not in chosen:
            raise SettingError(f"--expect {text}: {name!r} is not among --metric{suggestion(name, list(chosen))}")
        if not 0 < rate < 1:
            raise SettingError(f"--expect {text}: give METRIC=RATE with a rate between 0 and 1, such as fnmr=0.02")
        found[name] = rate
    return found


# ---- how many people ----


def needs(asked: Asked) -> list[Need]:
    """What every metric needs at its own margin, and at usual ones."""
    stated = margins_of(asked.settings.groups.margin)
    return [
        need_of(asked, metric_of(name), Margin(own.scale, size), chosen=size == own.size)
        for name in asked.metrics
        for own in [stated[name]]
        for size in sorted({own.size, *(USUAL_RATIOS if own.is_ratio else USUAL_DIFFERENCES)})
    ]


def need_of(asked: Asked, metric: Metric, margin: Margin, *, chosen: bool) -> Need:
    """What one metric needs at one margin."""
    rate = asked.expected[metric.name]
    find, exclude = (
        people_needed(
            metric.trial,
            asked.sampling,
            rate=rate,
            margin=margin.size,
            is_ratio=margin.is_ratio,
            alpha=asked.alpha,
            power=asked.power,
            goal=goal,
        )
        for goal in ("find", "exclude")
    )
    least = float(asked.settings.groups.min_subjects)
    return Need(metric, rate, margin, chosen, max(find, least), max(exclude, least), asked.sampling.photographs)


def need_table(asked: Asked, found: Sequence[Need]) -> TextTable:
    """People of each group, by metric and margin."""
    return table_of(
        f"people of each group, for a verdict with a probability of {asked.power:g}",
        NEEDS,
        found,
        notes=need_notes(asked),
    )


def need_notes(asked: Asked) -> list[str]:
    """What the numbers rest on."""
    sampling, groups = asked.sampling, asked.settings.groups
    clusters = (
        f" People come in clusters of {sampling.people_per_cluster:g} ({', '.join(groups.cluster)}), with a "
        f"correlation of {sampling.cluster_correlation:g} between two people in the same cluster."
        if sampling.people_per_cluster > 1
        else ""
    )
    notes = [
        f"{asked.tests} gap{'s are' if asked.tests > 1 else ' is'} tested together ({asked.count} groups, {len(asked.metrics)} "
        f"metric{'s' if len(asked.metrics) > 1 else ''}), at a false-alarm rate of {groups.alpha:g} for the whole run: each at "
        f"{asked.alpha:.2g}, the first step of Holm's method. The numbers apply to each of two groups, of which one "
        f"has the expected rate and the other differs from it by the margin; * marks the margin of the plan.",
        f"Correlation {sampling.correlation:g} between two trials of one person (of impostor pairs: the part of the variance of a "
        f"score that one of the two people explains).{clusters} These are assumptions: with stronger ones more people are "
        "needed.",
    ]
    if any(metric_of(name).is_pair for name in asked.metrics) and not asked.settings.verify.threshold:
        notes.append(
            "Thresholds that are set on held-out people need these in addition: with --split 0.5 twice as many people must be "
            "photographed, or give a separate set with --threshold-on."
        )
    if any(metric_of(name).is_search for name in asked.metrics):
        notes.append(
            "Of 1:N: FNIR counts people who are in the gallery, with one photograph enrolled and the others "
            "searched; FPIR counts people who are not in it. The numbers apply to each kind."
        )
    return notes


def margin_text(need: Need) -> str:
    """A margin, marked where the plan chose it."""
    return margin(need.margin.size, is_ratio=need.margin.is_ratio) + (" *" if need.chosen else "")


def people_text(people: float) -> str:
    """A number of people; a dash where none is enough."""
    return NO_NUMBER if math.isnan(people) else f"{people:,.0f}"


def photographs_text(people: float, photographs: int) -> str:
    """Photographs of a group."""
    return people_text(people * photographs)


NEEDS = (
    Column[Need]("metric", lambda row: title_of(row.metric.name)),
    Column[Need]("expected rate", lambda row: percent(row.rate)),
    Column[Need]("margin", margin_text),
    Column[Need]("people to find such a gap", lambda row: people_text(row.find)),
    Column[Need]("photographs", lambda row: photographs_text(row.find, row.photographs)),
    Column[Need]("people to show no larger gap", lambda row: people_text(row.exclude)),
    Column[Need]("their photographs", lambda row: photographs_text(row.exclude, row.photographs)),
)


# ---- plan.toml ----


def planned_people(asked: Asked, found: Sequence[Need]) -> dict[str, int]:
    """People of each group by metric: as asked for, or as finding a gap as large as the margin needs.

    Raises
    ------
    SettingError : no number of people is enough, so --people must say one
    """
    chosen = {need.metric.name: need for need in found if need.chosen}
    if asked.people is not None:
        return dict.fromkeys(chosen, asked.people)
    for name, need in chosen.items():
        if math.isnan(need.find):
            raise SettingError(
                f"{name}: at an expected rate of {need.rate:g}, a gap as large as the margin cannot be found with "
                f"any number of people; choose "
                "another --margin or --expect, or state the people you will have with --people"
            )
    return {name: int(need.find) for name, need in chosen.items()}


def plan_text(asked: Asked, found: Sequence[Need]) -> str:
    """The text of plan.toml."""
    settings, stated = asked.settings, margins_of(asked.settings.groups.margin)
    groups, verify = settings.groups, settings.verify
    people = planned_people(asked, found)
    compared = any(metric_of(name).task == "embed" for name in asked.metrics)
    lines = [
        "# A plan that is fixed before the data are seen. `facegap audit --plan` applies it and rejects options that "
        "contradict it.",
        "version = 1",
        f"name = {toml(asked.name)}",
        f"by = {toml([term.strip() for term in str(settings.by).split(',') if term.strip()])}",
        f"alpha = {groups.alpha!r}  # false-alarm rate of all verdicts of the run together",
        f"level = {groups.level!r}  # of the interval of each rate",
        f"min_subjects = {groups.min_subjects}",
        f"cluster = {toml(groups.cluster)}",
        "",
        "[primary]  # the gaps that get a verdict, tested together; all others are exploratory",
        f"by = {toml([asked.primary])}",
        f"metrics = {toml(asked.metrics)}",
        f"groups = {toml(asked.groups)}",
        "",
        '[margins]  # "x2" is a ratio of 2, "0.02" a difference of 2 percentage points',
        *(f'{name} = "{"x" if stated[name].is_ratio else ""}{stated[name].size:g}"' for name in asked.metrics),
    ]
    if compared:
        at = {"fmr": verify.fmr, "threshold": verify.threshold, "rank": asked.rank, "fpir": asked.fpir}
        lines += ["", "[thresholds]", *(f"{name} = {toml(values)}" for name, values in at.items() if values)]
    for name, number in people.items():
        lines += [
            "",
            "[[sample]]  # people of each group, and the assumptions behind the number",
            f'metric = "{name}"',
            f"people = {number}",
            f"photographs = {asked.sampling.photographs}  # of each person",
            f"rate = {asked.expected[name]!r}",
            f"power = {asked.power!r}",
            f"correlation = {float(asked.sampling.correlation)!r}",
            f"people_per_cluster = {float(asked.sampling.people_per_cluster)!r}",
            f"cluster_correlation = {float(asked.sampling.cluster_correlation)!r}",
        ]
    return "\n".join(lines) + "\n"


def toml(value: object) -> str:
    """Text, or a list of texts or numbers, as TOML has it; its strings are those of JSON."""
    return json.dumps(list(value) if isinstance(value, tuple) else value, ensure_ascii=True)


def write_plan(asked: Asked, out: Path) -> tuple[list[Need], str]:
    """Write plan.toml; what is needed, and the sha256 of the text.

    Raises
    ------
    TableError : the file is there already; a plan is never changed, another one has another name
    """
    found = needs(asked)
    content = plan_text(asked, found).encode()
    if out.exists():
        raise TableError(f"{out}: already exists, and a plan is never overwritten; choose another --out")
    write_bytes(out, content)
    read_plan(out)  # what is written is what an audit reads
    return found, hashlib.sha256(content).hexdigest()


def said_of(out: Path, sha256: str) -> list[str]:
    """What to do with the plan."""
    return [
        f"Written to {out}, SHA-256 {sha256}. A file does not prove when it was made: publish this hash, or send it "
        f"to someone who keeps it, before the data are seen.",
        f"Then: facegap audit people.csv --plan {out} ...",
    ]
