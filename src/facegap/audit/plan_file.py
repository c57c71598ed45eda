"""A plan fixed before the data were seen: its file, the settings it fixes, and settings that contradict it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import AfterValidator, Field, model_validator

from facegap.audit.settings import (
    AuditSettings,
    changed,
    column_names,
    leaves,
    margin_parts,
    margin_texts,
    option_name,
    suggestion,
)
from facegap.derive.groupings import Grouping, cells_of
from facegap.derive.metrics import metric_of, metrics
from facegap.errors import SettingError, TableError
from facegap.inputs.manifests.read import Manifest
from facegap.inputs.strict_toml import ListOf, Table, Tables, Texts, checked, numbers, read_toml
from facegap.store.record import PlannedSample, PlanRecord, Task

VERSION = 1
MOST_BYTES = 1_000_000


def _known_metric(name: str) -> str:
    if name not in metrics():
        raise ValueError(f"no metric{suggestion(name, list(metrics()))}")
    return name


def _term(text: str) -> str:
    names = [name.strip() for name in text.split("*")]
    if not all(names) or "," in text:
        raise ValueError("one term of --by in quotes, such as 'gender' or 'gender*race'")
    return "*".join(names)


MetricName = Annotated[str, AfterValidator(_known_metric), Field(description="a metric of rates.csv in quotes")]
Term = Annotated[str, AfterValidator(_term)]
Terms = Annotated[
    tuple[Term, ...], ListOf, Field(min_length=1, description='a list of terms, such as ["gender", "gender*race"]')
]
Words = Annotated[str, Field(description="text in quotes")]
People = Annotated[int, Field(ge=1, le=100_000_000, description="a whole number from 1 up")]


class PrimaryTable(Table):
    """[primary]: the gaps that receive a verdict."""

    by: Terms
    metrics: Annotated[
        tuple[MetricName, ...], ListOf, Field(min_length=1, description='a list of metrics, such as ["error_rate_all"]')
    ]
    groups: Annotated[Texts, Field(description='a list of names in quotes, such as ["female", "male"]')] = ()


class ThresholdsTable(Table):
    """[thresholds]: the thresholds, either as targets or as scores."""

    fmr: Annotated[tuple[float, ...], numbers(0, 1)] = ()
    threshold: Annotated[tuple[float, ...], numbers(-1e9, 1e9)] = ()
    rank: Annotated[tuple[int, ...], numbers(1, 10_000, whole=True)] = ()
    fpir: Annotated[tuple[float, ...], numbers(0, 1)] = ()

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if self.fmr and self.threshold:
            raise ValueError("give either fmr (targets) or threshold (scores)")
        return self


class SampleTable(Table):
    """[[sample]]: the planned number of subjects per group for a metric, and the assumptions behind it."""

    metric: MetricName
    people: Annotated[int, Field(ge=1, le=100_000_000, description="a whole number of people of each group")]
    photographs: Annotated[int, Field(ge=1, le=10_000, description="a whole number of photographs of each person")]
    rate: Annotated[float | None, Field(gt=0, lt=1, description="an expected error rate between 0 and 1")] = None
    power: Annotated[float | None, Field(gt=0, lt=1, description="a probability between 0 and 1")] = None
    correlation: Annotated[float | None, Field(ge=0, lt=1, description="a correlation from 0 to below 1")] = None
    people_per_cluster: Annotated[float | None, Field(ge=1, description="a number of 1 or more")] = None
    cluster_correlation: Annotated[float | None, Field(ge=0, lt=1, description="a correlation from 0 to below 1")] = (
        None
    )


class PlanFile(Table):
    """plan.toml, written by `facegap plan` and read by `audit --plan`."""

    version: Annotated[int, Field(ge=VERSION, le=VERSION, description=f"version = {VERSION}")]
    name: Words = ""
    by: Terms
    primary: Annotated[PrimaryTable, Field(description="a table [primary] with by and metrics")]
    alpha: Annotated[float, Field(ge=0.0001, le=0.2, description="a false-alarm rate from 0.0001 to 0.2")] = 0.05
    level: Annotated[float, Field(ge=0.5, le=0.9999, description="a confidence level from 0.5 to 0.9999")] = 0.95
    min_subjects: Annotated[int, Field(ge=2, description="a whole number of people from 2 up")] = 20
    cluster: Annotated[Texts, Field(description='a list of columns, such as ["photographer"]')] = ()
    margins: Annotated[
        Mapping[str, str], Field(description='a table such as fmr = "x2" (a ratio) or error_rate_all = "0.02"')
    ] = {}
    thresholds: Annotated[ThresholdsTable, Field(description="a table with fmr, threshold, rank, fpir")] = (
        ThresholdsTable()
    )
    sample: Annotated[tuple[SampleTable, ...], Tables] = ()

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        for term in self.primary.by:
            if term not in self.by:
                raise ValueError(f"key primary.by: {term!r} is not a term of by ({', '.join(self.by)}); add it there")
        for name, size in self.margins.items():
            _known_metric_of_margin(name)
            try:
                margin_parts(f"{name}={size}")
            except SettingError as error:
                raise ValueError(f"key margins.{name}: {str(error).removeprefix('--margin ')}") from None
        for sample in self.sample:
            if sample.metric not in self.primary.metrics:
                raise ValueError(
                    f"[[sample]] of {sample.metric}: not a metric of the primary family ({', '.join(self.primary.metrics)})"
                )
        return self

    @property
    def words(self) -> dict[str, Any]:
        """The settings that the plan fixes, by name; those it leaves open are absent."""
        at = self.thresholds
        decided = {
            "by": ",".join(self.by),
            "alpha": self.alpha,
            "level": self.level,
            "min_subjects": self.min_subjects,
            "cluster": column_names(self.cluster),
            "margin": tuple(f"{name}={size}" for name, size in self.margins.items()),
        }
        pairs = {"fmr": at.fmr, "threshold": at.threshold, "rank": tuple(sorted(at.rank)), "fpir": at.fpir}
        return decided | {name: value for name, value in pairs.items() if value}


def _known_metric_of_margin(name: str) -> None:
    try:
        _known_metric(name)
    except ValueError as error:
        raise ValueError(f"key margins.{name}: {error}") from None


def read_plan(path: Path) -> tuple[PlanFile, str]:
    """A plan and the sha256 of its text.

    Raises
    ------
    TableError : if the file is unreadable, not TOML, or has an unknown, missing or invalid key; names file, key and remedy
    """
    content, said = read_toml(path, max_bytes=MOST_BYTES)
    return checked(PlanFile, said, path), hashlib.sha256(content).hexdigest()


def with_plan(settings: AuditSettings, *, black_box: Task | None = None) -> tuple[AuditSettings, PlanRecord | None]:
    """The settings completed from the plan, and the record of the plan for run.json; unchanged without a plan.

    black_box : what is evaluated if no model runs here

    Raises
    ------
    TableError   : if the plan file is invalid
    SettingError : if a setting contradicts it; names option, value and key
    """
    path = settings.groups.plan
    if path is None:
        return settings, None
    plan, sha256 = read_plan(path)
    require_no_contradiction(settings, plan, path)
    words = plan.words
    if settings.identify is None:
        words = {name: value for name, value in words.items() if name not in ("rank", "fpir")}
    if "threshold" in words:
        settings = changed(settings, threshold=words.pop("threshold"), fmr=())
    require_measured(settings, plan, path, black_box)
    record = PlanRecord(
        path.name,
        sha256,
        datetime.now(UTC).isoformat(timespec="seconds"),
        tuple(tuple(term.split("*")) for term in plan.primary.by),
        plan.primary.metrics,
        plan.primary.groups,
        tuple(PlannedSample(one.metric, one.people, one.photographs) for one in plan.sample),
    )
    return changed(settings, **words), record


def require_no_contradiction(settings: AuditSettings, plan: PlanFile, path: Path) -> None:
    """Raise SettingError for the first given setting that differs from the plan."""
    words, sections = plan.words, {one.name: (section, one) for section, one in leaves()}
    for name in ("by", "alpha", "level", "min_subjects", "cluster", "margin", "fmr", "threshold", "rank", "fpir"):
        section, one = sections[name]
        holder = getattr(settings, section) if section else settings
        if holder is None:
            continue
        value, planned = getattr(holder, name), words.get(name)
        if value == one.default and name not in settings.stated:
            continue
        if name == "by" and value is not None and same_terms(value, plan.by):
            continue
        if name == "margin" and set(value) <= set(margin_texts(words["margin"])):
            continue
        if name == "fmr" and not value:
            continue  # a threshold replaced it and is compared with the plan itself
        if value != planned and not (planned is None and name in ("rank", "fpir")):
            if name == "threshold" and words.get("fmr"):
                name, planned = "fmr", words["fmr"]
            raise SettingError(
                f"{option_name(one)} {shown(value)} contradicts the plan {path}, which says {key_of(name)} = {shown(planned)}; "
                "omit the option, or write another plan before the data are seen and use it"
            )


def require_measured(settings: AuditSettings, plan: PlanFile, path: Path, black_box: Task | None) -> None:
    """Raise SettingError if an audit will not measure a metric of the primary family."""
    given = {"classify": settings.classify, "embed": settings.embed}
    tasks = {black_box} if black_box else {"detect", *(task for task, model in given.items() if model is not None)}
    for name in plan.primary.metrics:
        metric = metric_of(name)
        missing = ""
        if metric.task not in tasks and not (black_box and metric.task == "detect"):
            missing = (
                f"without --{metric.task}" if black_box is None else f"in an audit of a black box that can {black_box}"
            )
        elif metric.is_search and settings.identify is None:
            missing = "without --identify"
        if missing:
            raise SettingError(
                f"the plan {path} has {name} in its primary family, but {missing} it is not measured; measure it, or "
                f"write another plan before the data are seen"
            )


def require_planned_groups(plan: PlanRecord | None, table: Manifest) -> None:
    """Raise TableError if the groups of the manifest are not those that the plan names."""
    if plan is None or not plan.groups:
        return
    found: dict[str, Grouping] = {}
    for grouping in plan.by:
        cells = cells_of(table.frame, grouping)
        found |= {str(group): grouping for group, known in zip(cells.groups, cells.known, strict=True) if known}
    missing, added = (
        [name for name in plan.groups if name not in found],
        [name for name in found if name not in plan.groups],
    )
    if missing or added:
        said = [f"has no group {', '.join(missing)}"] if missing else []
        said += [f"also has {', '.join(added)}"] if added else []
        raise TableError(
            f"the plan {plan.file} names the groups {', '.join(plan.groups)}, and {table.name} {' and '.join(said)}; "
            f"select the planned rows with --where, translate labels with --map, or write another plan before the "
            f"data are seen"
        )


def same_terms(by: str | Sequence[str], planned: Sequence[str]) -> bool:
    """Whether --by names the terms of a plan in the same order."""
    terms = by.split(",") if isinstance(by, str) else by
    return ["*".join(name.strip() for name in term.split("*")) for term in terms] == list(planned)


def key_of(name: str) -> str:
    """The key in a plan of a setting."""
    if name == "margin":
        return "margins"
    return f"thresholds.{name}" if name in ("fmr", "threshold", "rank", "fpir") else name


def shown(value: Any) -> str:
    """A value as shown in a message."""
    if value is None or value == ():
        return "nothing"
    return ", ".join(str(one) for one in value) if isinstance(value, tuple) else str(value)
