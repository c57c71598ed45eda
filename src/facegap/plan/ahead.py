"""A plan before data collection: the number of people for a margin, and plan.toml."""

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
class Requirements:
    """The requirements of a plan.

    groups     : names of the groups of the primary family; count: their number
    metrics    : of the primary family
    expected   : expected error rates, by metric
    people     : in each group; None: as many as the most demanding metric needs to find a gap as large as the margin
    power      : probability of reaching a verdict
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
        """The number of gaps in the primary family."""
        return self.count * (self.count - 1) // 2 * len(self.metrics)

    @property
    def alpha(self) -> float:
        """The level of a single test: Holm's first step."""
        return self.settings.groups.alpha / self.tests


@dataclass(frozen=True)
class Need:
    """People per group that a verdict needs at one margin; NaN if no number is enough.

    find    : to find a gap as large as the margin
    exclude : to show that no gap is larger, if both rates are equal
    """

    metric: Metric
    rate: float
    margin: Margin
    chosen: bool
    find: float
    exclude: float
    photographs: int


def requirements(
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
) -> Requirements:
    """Check the requirements of a plan.

    groups : names separated by commas, or their number
    expect : METRIC=RATE

    Raises
    ------
    SettingError : a setting is missing or impossible; the message names the option and a remedy
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
    return Requirements(
        settings, primary, names, count, chosen, expected, sampling, power, people, tuple(rank), tuple(fpir), name
    )


def named_groups(text: str) -> tuple[tuple[str, ...], int]:
    """Names of groups, and their number."""
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
    """The expected rate of each metric: the given one, the target, or a typical one."""
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


# ---- number of people ----


def needs(required: Requirements) -> list[Need]:
    """The people that every metric needs, at its own margin and at common ones."""
    stated = margins_of(required.settings.groups.margin)
    return [
        need_of(required, metric_of(name), Margin(own.scale, size), chosen=size == own.size)
        for name in required.metrics
        for own in [stated[name]]
        for size in sorted({own.size, *(USUAL_RATIOS if own.is_ratio else USUAL_DIFFERENCES)})
    ]


def need_of(required: Requirements, metric: Metric, margin: Margin, *, chosen: bool) -> Need:
    """The people that one metric needs at one margin."""
    rate = required.expected[metric.name]
    find, exclude = (
        people_needed(
            metric.trial,
            required.sampling,
            rate=rate,
            margin=margin.size,
            is_ratio=margin.is_ratio,
            alpha=required.alpha,
            power=required.power,
            goal=goal,
        )
        for goal in ("find", "exclude")
    )
    least = float(required.settings.groups.min_subjects)
    return Need(metric, rate, margin, chosen, max(find, least), max(exclude, least), required.sampling.photographs)


def need_table(required: Requirements, found: Sequence[Need]) -> TextTable:
    """People of each group, by metric and margin."""
    return table_of(
        f"people of each group, for a verdict with a probability of {required.power:g}",
        NEEDS,
        found,
        notes=need_notes(required),
    )


def need_notes(required: Requirements) -> list[str]:
    """The assumptions behind the numbers."""
    sampling, groups = required.sampling, required.settings.groups
    clusters = (
        f" People come in clusters of {sampling.people_per_cluster:g} ({', '.join(groups.cluster)}), with a "
        f"correlation of {sampling.cluster_correlation:g} between two people in the same cluster."
        if sampling.people_per_cluster > 1
        else ""
    )
    notes = [
        f"{required.tests} gap{'s are' if required.tests > 1 else ' is'} tested together ({required.count} groups, "
        f"{len(required.metrics)} metric{'s' if len(required.metrics) > 1 else ''}), at a "
        f"false-alarm rate of {groups.alpha:g} for the whole run: each at {required.alpha:.2g}, the first step of Holm's method. "
        f"The numbers apply to each of two groups, of which one "
        f"has the expected rate and the other differs from it by the margin; * marks the margin of the plan.",
        f"Correlation {sampling.correlation:g} between two trials of one person (for impostor pairs, the proportion of the "
        f"variance of a score due to one of the two people).{clusters} These are assumptions: with stronger ones more people are "
        "needed.",
    ]
    if any(metric_of(name).is_pair for name in required.metrics) and not required.settings.verify.threshold:
        notes.append(
            "Thresholds that are set on held-out people need these in addition: with --split 0.5 twice as many people must be "
            "photographed, or give a separate set with --threshold-on."
        )
    if any(metric_of(name).is_search for name in required.metrics):
        notes.append(
            "For 1:N: FNIR counts people who are in the gallery, with one photograph enrolled and the others "
            "searched; FPIR counts people who are not in it. The numbers apply to each kind."
        )
    return notes


def margin_text(need: Need) -> str:
    """A margin, marked if it is the margin of the plan."""
    return margin(need.margin.size, is_ratio=need.margin.is_ratio) + (" *" if need.chosen else "")


def people_text(people: float) -> str:
    """A number of people; a dash if no number is enough."""
    return NO_NUMBER if math.isnan(people) else f"{people:,.0f}"


def photographs_text(people: float, photographs: int) -> str:
    """Number of photographs of a group."""
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


def planned_people(required: Requirements, found: Sequence[Need]) -> dict[str, int]:
    """People of each group by metric: as given, or as needed to find a gap as large as the margin.

    Raises
    ------
    SettingError : no number of people is enough, so --people is needed
    """
    chosen = {need.metric.name: need for need in found if need.chosen}
    if required.people is not None:
        return dict.fromkeys(chosen, required.people)
    for name, need in chosen.items():
        if math.isnan(need.find):
            raise SettingError(
                f"{name}: at an expected rate of {need.rate:g}, a gap as large as the margin cannot be found with "
                f"any number of people; choose "
                "another --margin or --expect, or state the people you will have with --people"
            )
    return {name: int(need.find) for name, need in chosen.items()}


def plan_text(required: Requirements, found: Sequence[Need]) -> str:
    """The text of plan.toml."""
    settings, stated = required.settings, margins_of(required.settings.groups.margin)
    groups, verify = settings.groups, settings.verify
    people = planned_people(required, found)
    compared = any(metric_of(name).task == "embed" for name in required.metrics)
    lines = [
        "# A plan that is fixed before the data are seen. `facegap audit --plan` applies it and rejects options that "
        "contradict it.",
        "version = 1",
        f"name = {toml(required.name)}",
        f"by = {toml([term.strip() for term in str(settings.by).split(',') if term.strip()])}",
        f"alpha = {groups.alpha!r}  # false-alarm rate of all verdicts of the run together",
        f"level = {groups.level!r}  # of the interval of each rate",
        f"min_subjects = {groups.min_subjects}",
        f"cluster = {toml(groups.cluster)}",
        "",
        "[primary]  # the gaps that get a verdict, tested together; all others are exploratory",
        f"by = {toml([required.primary])}",
        f"metrics = {toml(required.metrics)}",
        f"groups = {toml(required.groups)}",
        "",
        '[margins]  # "x2" is a ratio of 2, "0.02" a difference of 2 percentage points',
        *(f'{name} = "{"x" if stated[name].is_ratio else ""}{stated[name].size:g}"' for name in required.metrics),
    ]
    if compared:
        at = {"fmr": verify.fmr, "threshold": verify.threshold, "rank": required.rank, "fpir": required.fpir}
        lines += ["", "[thresholds]", *(f"{name} = {toml(values)}" for name, values in at.items() if values)]
    for name, number in people.items():
        lines += [
            "",
            "[[sample]]  # people of each group, and the assumptions behind the number",
            f'metric = "{name}"',
            f"people = {number}",
            f"photographs = {required.sampling.photographs}  # of each person",
            f"rate = {required.expected[name]!r}",
            f"power = {required.power!r}",
            f"correlation = {float(required.sampling.correlation)!r}",
            f"people_per_cluster = {float(required.sampling.people_per_cluster)!r}",
            f"cluster_correlation = {float(required.sampling.cluster_correlation)!r}",
        ]
    return "\n".join(lines) + "\n"


def toml(value: object) -> str:
    """A string, or a list of strings or numbers, as TOML; its strings are valid JSON."""
    return json.dumps(list(value) if isinstance(value, tuple) else value, ensure_ascii=True)


def write_plan(required: Requirements, out: Path) -> tuple[list[Need], str]:
    """Write plan.toml; return the needs and the sha256 of the text.

    Raises
    ------
    TableError : the file exists; a plan is never changed, and another plan needs another name
    """
    found = needs(required)
    content = plan_text(required, found).encode()
    if out.exists():
        raise TableError(f"{out}: already exists, and a plan is never overwritten; choose another --out")
    write_bytes(out, content)
    read_plan(out)  # check that an audit can read it
    return found, hashlib.sha256(content).hexdigest()


def next_steps(out: Path, sha256: str) -> list[str]:
    """What to do with the plan."""
    return [
        f"Written to {out}, SHA-256 {sha256}. A file does not prove when it was made: publish this hash, or send it "
        f"to someone who keeps it, before the data are seen.",
        f"Then: facegap audit people.csv --plan {out} ...",
    ]
