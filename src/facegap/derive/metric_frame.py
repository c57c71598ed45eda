"""Proportions by group from two arrays of labels, with an interface like fairlearn's MetricFrame."""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from types import MappingProxyType
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd

from facegap.errors import StatisticsError
from facegap.statistics.arrays import gaps
from facegap.statistics.clusters import clustered_rates
from facegap.statistics.effective import RateColumns
from facegap.statistics.gap_families import GapFamily
from facegap.statistics.gaps import jointly_tested
from facegap.statistics.group_labels import as_list, groups_of_trials, is_missing, label_columns, label_order
from facegap.types import UNKNOWN, AnyArray, BoolArray, Group, Scale

Against = Literal["between_groups", "to_overall"]
UNNAMED = "sensitive_feature_0"  # fairlearn's name for an unnamed feature
# Columns of `intervals` and the corresponding fields of Rate. An event of `accuracy` is a correct prediction.
COLUMNS: Mapping[str, str] = MappingProxyType(
    {
        **{name: name for name in ("value", "low", "high")},
        "events": "errors",
        **{name: name for name in ("trials", "subjects", "effective_trials", "level", "method")},
    }
)
GAPS = (
    *("group_a", "group_b", "rate_a", "rate_b", "difference", "difference_low", "difference_high", "ratio"),
    *("ratio_low", "ratio_high", "p", "p_adjusted", "verdict", "decided_low", "decided_high", "decided_level"),
    *("subjects_a", "subjects_b", "subjects_needed"),
)
MISSING = {
    "y_true": "omit rows without a true label, and report their number",
    "y_pred": "give rows without a prediction a separate class ('no answer' then counts as an error), or omit them "
    "and report their number",
    "subject": "give each unknown person a separate id",
}


@dataclass(frozen=True, eq=False)
class Labels:
    """True labels, predictions, and the positive class; object arrays of the same length."""

    true: AnyArray
    predicted: AnyArray
    positive: Hashable

    @property
    def is_right(self) -> BoolArray:
        """Whether each prediction is the true label."""
        return np.asarray(self.true == self.predicted, np.bool_)

    @property
    def is_positive(self) -> BoolArray:
        """Whether each true label is the positive class."""
        return np.asarray(self.true == self.positive, np.bool_)

    @property
    def is_selected(self) -> BoolArray:
        """Whether each prediction is the positive class."""
        return np.asarray(self.predicted == self.positive, np.bool_)


@dataclass(frozen=True)
class Proportion:
    """A metric that counts events among trials: its trials, its events, and whether it needs a positive class."""

    trials: Callable[[Labels], BoolArray]
    events: Callable[[Labels], BoolArray]
    needs_positive: bool = True


def _every_row(labels: Labels) -> BoolArray:
    return np.ones(len(labels.true), np.bool_)


PROPORTIONS: Mapping[str, Proportion] = MappingProxyType(
    {
        "error_rate": Proportion(_every_row, lambda labels: ~labels.is_right, needs_positive=False),
        "accuracy": Proportion(_every_row, lambda labels: labels.is_right, needs_positive=False),
        "selection_rate": Proportion(_every_row, lambda labels: labels.is_selected),
        "true_positive_rate": Proportion(lambda labels: labels.is_positive, lambda labels: labels.is_selected),
        "false_negative_rate": Proportion(lambda labels: labels.is_positive, lambda labels: ~labels.is_selected),
        "false_positive_rate": Proportion(lambda labels: ~labels.is_positive, lambda labels: labels.is_selected),
        "true_negative_rate": Proportion(lambda labels: ~labels.is_positive, lambda labels: ~labels.is_selected),
    }
)


@dataclass(frozen=True, eq=False, repr=False)
class MetricFrame:
    """Proportions by group with intervals and verdicts, with the attributes of fairlearn's class of this name.

    Attributes
    ----------
    overall : pandas.Series
        One value per metric, over all rows.
    by_group : pandas.DataFrame
        One row per group, one column per metric. NaN where a group has no trial.
    intervals : pandas.DataFrame
        One row per metric and group: value, interval, events, trials, subjects, effective trials, level, method.
    gaps : pandas.DataFrame
        One row per metric and pair of groups: difference, ratio, their intervals, p adjusted by Holm over all rows, verdict.
    left_out : pandas.DataFrame
        Groups with too few subjects for a gap, by metric. They are in `by_group`, but not in `gaps`.
    """

    overall: pd.Series
    by_group: pd.DataFrame
    intervals: pd.DataFrame
    gaps: pd.DataFrame
    left_out: pd.DataFrame

    def group_max(self) -> pd.Series:
        """The highest value of a known group, by metric."""
        return self._known().max()

    def group_min(self) -> pd.Series:
        """The lowest value of a known group, by metric."""
        return self._known().min()

    def difference(self, method: Against = "between_groups") -> pd.Series:
        """Return the largest difference, by metric: between two groups, or of a group from the overall value (`to_overall`)."""
        if _against(method):
            return (self._known() - self.overall).abs().max()
        return self.group_max() - self.group_min()

    def ratio(self, method: Against = "between_groups") -> pd.Series:
        """Return the smallest ratio, by metric: between two groups, or of a group and the overall value; at most 1."""
        if _against(method):
            ratios = self._known() / self.overall
            return ratios.where(~(ratios > 1), 1 / ratios).min()
        return self.group_min() / self.group_max()

    def _known(self) -> pd.DataFrame:
        """The groups without a missing label."""
        index = self.by_group.index
        unknown = np.zeros(len(index), np.bool_)
        for level in range(index.nlevels):
            unknown |= np.asarray(index.get_level_values(level) == UNKNOWN)
        known: pd.DataFrame = self.by_group[~unknown]
        return known

    def __repr__(self) -> str:
        return self.table().to_string()

    def _repr_html_(self) -> str:
        return str(self.table().to_html())  # pandas escapes names of groups

    def table(self) -> pd.DataFrame:
        """Return the main results: every value with its interval and counts."""
        return self.intervals[["value", "low", "high", "events", "trials", "subjects"]].round(4)


def metric_frame(
    y_true: Any,
    y_pred: Any,
    sensitive_features: Any,
    *,
    subject: Any,
    metrics: str | Sequence[str],
    positive: Hashable,
    margin: float,
    scale: Scale,
    alpha: float,
    level: float,
    min_subjects: int,
) -> MetricFrame:
    """Compute the frame of labels and predictions; documented in `facegap.metric_frame`."""
    labels = Labels(_column(y_true, "y_true"), _column(y_pred, "y_pred"), positive)
    names = _metrics_of(labels, metrics)
    size = len(labels.true)
    features = label_columns(named_features(sensitive_features), size)
    groups, codes = groups_of_trials(features, size)
    people = _column(range(size) if subject is None else subject, "subject", size)
    person = pd.factorize(people)[0].astype(np.int64)
    overall: dict[str, float] = {}
    tables: dict[str, pd.DataFrame] = {}
    families: dict[str, GapFamily] = {}
    for name in names:
        kept = PROPORTIONS[name].trials(labels)
        events = PROPORTIONS[name].events(labels) & kept
        found = clustered_rates(events, kept, person, codes, n_cells=len(groups), level=level)
        tables[name] = _table(found, groups, features)
        overall[name] = float(events.sum() / kept.sum()) if kept.any() else math.nan
        families[name] = gaps(
            events[kept],
            subjects=people[kept],
            groups={attribute: np.array(values, object)[kept] for attribute, values in features.items()},
            margin=margin,
            scale=scale,
            alpha=alpha,
            level=level,
            min_subjects=min_subjects,
        )
    tested = dict(zip(names, jointly_tested(list(families.values())), strict=True))
    return MetricFrame(
        overall=pd.Series(overall),
        by_group=pd.DataFrame({name: table["value"] for name, table in tables.items()}),
        intervals=pd.concat(tables, names=["metric"]),
        gaps=pd.concat([_gap_table(name, family) for name, family in tested.items()], ignore_index=True),
        left_out=pd.DataFrame(
            [(name, group) for name, family in tested.items() for group in family.left_out],
            columns=["metric", "group"],
        ),
    )


def named_features(features: Any) -> Any:
    """Sensitive features as named columns: a Series by its name, an unnamed array as in fairlearn."""
    if hasattr(features, "columns") or isinstance(features, Mapping):
        return features
    name = getattr(features, "name", None)
    return {UNNAMED if name is None else str(name): features}


def _table(found: RateColumns, groups: Sequence[Group], features: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    """One row per group, with every combination of occurring labels; those without data have no trials."""
    rows = found.rows()
    table = pd.DataFrame({ours: [getattr(row, theirs) for row in rows] for ours, theirs in COLUMNS.items()})
    labels = [tuple(value for _, value in group.attributes) for group in groups]
    if len(features) == 1:
        table.index = pd.Index([label for (label,) in labels], name=next(iter(features)))
        return table
    table.index = pd.MultiIndex.from_tuples(labels, names=list(features))
    combinations = list(product(*(sorted(set(values), key=label_order) for values in features.values())))
    counts = dict.fromkeys(("events", "trials", "subjects"), 0)
    whole = table.reindex(pd.MultiIndex.from_tuples(combinations, names=list(features)))
    return whole.fillna({**counts, "level": found.level, "method": ""}).astype(dict.fromkeys(counts, np.int64))


def _gap_table(metric: str, family: GapFamily) -> pd.DataFrame:
    """The gaps of one metric, with the most important columns first."""
    table = pd.DataFrame(family.to_dict())
    return pd.concat([pd.Series(metric, table.index, name="metric"), table[list(GAPS)]], axis=1)


def _metrics_of(labels: Labels, metrics: str | Sequence[str]) -> tuple[str, ...]:
    """The requested metrics, each once, after checks that labels and predictions are comparable."""
    names = (metrics,) if isinstance(metrics, str) else tuple(dict.fromkeys(metrics))
    unknown = [name for name in names if name not in PROPORTIONS]
    if unknown or not names:
        raise StatisticsError(f"metrics: {unknown[0] if unknown else 'none'!r} is not one of {', '.join(PROPORTIONS)}")
    if len(labels.true) != len(labels.predicted):
        raise StatisticsError(
            f"y_true has {len(labels.true)} rows and y_pred {len(labels.predicted)}; give one prediction per row"
        )
    true, predicted = (set(column.tolist()) for column in (labels.true, labels.predicted))
    _spelt_alike(true, predicted)
    if labels.positive not in true | predicted and any(PROPORTIONS[name].needs_positive for name in names):
        raise StatisticsError(
            f"positive: {labels.positive!r} occurs neither in y_true nor in y_pred ({_some(true | predicted)})"
        )
    return names


def _spelt_alike(true: set[Any], predicted: set[Any]) -> None:
    """Reject two spellings of one class, which would silently count correct predictions as errors."""
    classes = {_folded(value): value for value in true}
    other = next((value for value in predicted - true if _folded(value) in classes), None)
    if other is not None:
        raise StatisticsError(
            f"y_pred has {other!r} where y_true has {classes[_folded(other)]!r}; use one spelling and type for each "
            f"class"
        )
    if len(true) > 1 and predicted and not true & predicted:
        raise StatisticsError(f"no value of y_pred ({_some(predicted)}) occurs in y_true ({_some(true)})")


def _folded(value: object) -> str:
    """A class in lower case, without surrounding spaces and without the decimals of an integer."""
    return str(value).strip().casefold().removesuffix(".0")


def _some(values: set[Any]) -> str:
    """A few values, for a message."""
    shown = sorted(map(repr, values))[:4]
    return ", ".join(text[:40] for text in shown) + (", ..." if len(values) > len(shown) else "")


def _column(values: Any, name: str, size: int | None = None) -> AnyArray:
    """One value per row, none missing, as Python objects."""
    found = as_list(values, name)
    if size is not None and len(found) != size:
        raise StatisticsError(f"{name} has {len(found)} entries for {size} rows; give one per row")
    for row, value in enumerate(found):
        if is_missing(value) or value == "":
            raise StatisticsError(f"{name}, row {row}: no value; {MISSING[name]}")
    column = np.empty(len(found), object)
    column[:] = found
    return column


def _against(method: str) -> bool:
    """Whether groups are compared with the overall value.

    Raises
    ------
    StatisticsError : if the method is not one of fairlearn's two
    """
    if method not in get_args(Against):
        raise StatisticsError(f"method {method!r} must be 'between_groups' or 'to_overall'")
    return method == "to_overall"
