"""Published summary measures of differences between groups, with the value at equality and the limits of each.

Every measure takes errors and trials with groups on the last axis, so that a permutation null distribution needs one
call. A value is NaN where the measure is undefined; `undefined_because` gives the reason. The largest of many rates is
large by chance alone, so a measure should always be compared with its null distribution (`permutation_null`). Measures
whose formula could not be checked at its source (SEDG, CIR, DSAP) are not included.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from facegap.errors import StatisticsError
from facegap.types import FloatArray

GroupCounts = tuple[FloatArray, FloatArray]  # errors, trials; groups on the last axis, leading axes broadcast
Formula = Callable[..., FloatArray]


@dataclass(frozen=True)
class Measure:
    """A differential measure.

    Attributes
    ----------
    formula
        Called with one GroupCounts per entry of `rates`, and with weight= if `weighted`.
    rates
        Names of the rates compared.
    fair_value
        Its value if all groups are equal.
    higher_is_fairer
        Whether higher values are fairer.
    with_no_errors
        Value when a group has no errors, as text for a table.
    source
        Publication of the formula.
    weighted
        Whether it accepts `weight`, the weight of the first rate.
    """

    name: str
    formula: Formula
    rates: tuple[str, ...]
    fair_value: float
    higher_is_fairer: bool
    with_no_errors: str
    source: str
    weighted: bool = False


@dataclass(frozen=True)
class Differential:
    """The value of a measure for one set of groups; if it is NaN, `undefined_because` gives the reason."""

    measure: str
    value: float
    fair_value: float
    undefined_because: str = ""


def max_min_difference(counts: GroupCounts) -> FloatArray:
    """Largest minus smallest rate."""
    rate = _rates(counts)
    return np.asarray(rate.max(-1) - rate.min(-1))


def max_min_ratio(counts: GroupCounts) -> FloatArray:
    """Largest over smallest rate; NaN where the smallest is 0."""
    rate = _rates(counts)
    return _quotient(rate.max(-1), rate.min(-1))


def max_over_geometric_mean(counts: GroupCounts) -> FloatArray:
    """Largest rate over the geometric mean of all.

    The rate of a group without errors is replaced by 1 - 0.05^(1/n), the 95% upper limit of n independent trials. If
    that exceeds the largest rate, the group has too few trials, and the value is NaN.
    Source : NIST IR 8429 (Grother 2022)
    """
    errors, trials = np.asarray(counts[0], np.float64), np.asarray(counts[1], np.float64)
    rate = _rates(counts)
    with np.errstate(divide="ignore", invalid="ignore"):
        limit = -np.expm1(np.log(0.05) / trials)
        replaced = np.where(errors == 0, limit, rate)
        value = rate.max(-1) / np.exp(np.log(replaced).mean(-1))
    return np.where(((errors == 0) & (limit > rate.max(-1, keepdims=True))).any(-1), np.nan, value)


def gini(counts: GroupCounts) -> FloatArray:
    """n / (n - 1) * sum_ij |r_i - r_j| / (2 n^2 mean): 0 if all rates are equal (or all 0), 1 if only one is positive.

    NaN for one group. Source : Howard et al. (2022), the Gini coefficient with its small-sample correction
    """
    rate = np.sort(_rates(counts), axis=-1)
    n = rate.shape[-1]
    if n < 2:
        return np.full(rate.shape[:-1], np.nan)
    # Sum of all differences of sorted values in one pass: r_(k) exceeds k values and is below n - 1 - k.
    spread = 2 * (rate * (2 * np.arange(n) - n + 1)).sum(-1)
    mean = rate.mean(-1)
    value = np.divide(spread, 2 * n * (n - 1) * mean, out=np.zeros(mean.shape), where=mean > 0)
    return np.where(np.isnan(mean), np.nan, value)


def garbe(fmr: GroupCounts, fnmr: GroupCounts, *, weight: float = 0.5) -> FloatArray:
    """weight * gini(FMR) + (1 - weight) * gini(FNMR). Source : Howard et al. (2022)."""
    return np.asarray(weight * gini(fmr) + (1 - weight) * gini(fnmr))


def fairness_discrepancy_rate(fmr: GroupCounts, fnmr: GroupCounts, *, weight: float = 0.5) -> FloatArray:
    """1 - (weight * range of FMR + (1 - weight) * range of FNMR).

    With FMR 1e-6 and 1e-4 and equal FNMR it is still 0.99995, as small rates have small differences. It is not
    abbreviated here, as FDR also means false discovery rate. Source : de Freitas Pereira and Marcel (2021)
    """
    return np.asarray(1 - (weight * max_min_difference(fmr) + (1 - weight) * max_min_difference(fnmr)))


def inequity_rate(fmr: GroupCounts, fnmr: GroupCounts, *, weight: float = 0.5) -> FloatArray:
    """(max / min FMR)^weight * (max / min FNMR)^(1 - weight); NaN if a smallest rate is 0. Source : Grother (2021)."""
    return np.asarray(max_min_ratio(fmr) ** weight * max_min_ratio(fnmr) ** (1 - weight))


def four_fifths_ratio(selection: GroupCounts) -> FloatArray:
    """Smallest over largest selection rate (counts are subjects selected, not errors); NaN if nobody is selected.

    Source : the four-fifths rule of the US Uniform Guidelines on Employee Selection Procedures (1978)
    """
    rate = _rates(selection)
    return _quotient(rate.min(-1), rate.max(-1))


def equalised_odds_difference(true_positive: GroupCounts, false_positive: GroupCounts) -> FloatArray:
    """The larger of the ranges of TPR and FPR across groups. Source : Hardt et al. (2016), as in fairlearn."""
    return np.maximum(max_min_difference(true_positive), max_min_difference(false_positive))


_FINE = "fine"
_RATIO = "undefined: a ratio to a rate of 0"
_TABLE = (
    Measure("max_min_difference", max_min_difference, ("rate",), 0.0, False, _FINE, "range"),
    Measure("max_min_ratio", max_min_ratio, ("rate",), 1.0, False, _RATIO, "ratio of extremes"),
    Measure(
        "max_over_geometric_mean",
        max_over_geometric_mean,
        ("rate",),
        1.0,
        False,
        "the rate is replaced by 1 - 0.05^(1/trials); undefined where that exceeds the largest rate",
        "NIST IR 8429",
    ),
    Measure("gini", gini, ("rate",), 0.0, False, "0 when all rates are 0", "Howard et al. 2022"),
    Measure("garbe", garbe, ("fmr", "fnmr"), 0.0, False, "0 when all rates are 0", "Howard et al. 2022", True),
    Measure(
        "fairness_discrepancy_rate",
        fairness_discrepancy_rate,
        ("fmr", "fnmr"),
        1.0,
        True,
        _FINE,
        "de Freitas Pereira and Marcel 2021",
        True,
    ),
    Measure("inequity_rate", inequity_rate, ("fmr", "fnmr"), 1.0, False, _RATIO, "Grother 2021", True),
    Measure(
        "four_fifths_ratio",
        four_fifths_ratio,
        ("selection",),
        1.0,
        True,
        "0 where a group has no selections, undefined where no group has; at least 0.8 passes the rule",
        "Uniform Guidelines 1978",
    ),
    Measure(
        "equalised_odds_difference", equalised_odds_difference, ("tpr", "fpr"), 0.0, False, _FINE, "Hardt et al. 2016"
    ),
)
MEASURES: Mapping[str, Measure] = MappingProxyType({measure.name: measure for measure in _TABLE})


def differential(name: str, *rates: GroupCounts, weight: float = 0.5) -> Differential:
    """The measure `name` of one set of groups.

    Parameters
    ----------
    rates
        One (errors, trials) per entry of the measure's `rates`, arrays [G] with groups in the same order.

    Raises
    ------
    StatisticsError
        If the measure is unknown, the number of rates is wrong, or the weight is outside [0, 1].

    Examples
    --------
    >>> found = differential("max_min_ratio", ([2, 8], [100, 100]))
    >>> found.value, found.fair_value
    (4.0, 1.0)
    """
    measure = named_measure(name)
    value = float(evaluate(measure, rates, weight=weight))
    return Differential(name, value, measure.fair_value, _reason(measure, rates) if np.isnan(value) else "")


def evaluate(measure: Measure, rates: tuple[GroupCounts, ...], *, weight: float = 0.5) -> FloatArray:
    """The formula, broadcast over leading axes; see `differential` for the errors raised."""
    if len(rates) != len(measure.rates):
        raise StatisticsError(f"{measure.name} compares {' and '.join(measure.rates)}; {len(rates)} rates were given")
    if not 0 <= weight <= 1:
        raise StatisticsError(f"weight {weight} is outside 0 to 1")
    return measure.formula(*rates, weight=weight) if measure.weighted else measure.formula(*rates)


def named_measure(name: str) -> Measure:
    """The entry of MEASURES, or a StatisticsError that lists them."""
    if name not in MEASURES:
        raise StatisticsError(f"no measure {name!r}; there are {', '.join(MEASURES)}")
    return MEASURES[name]


def _reason(measure: Measure, rates: tuple[GroupCounts, ...]) -> str:
    for label, (errors, trials) in zip(measure.rates, rates, strict=True):
        if np.size(errors) < 2:
            return "fewer than two groups"
        if np.any(np.asarray(trials) == 0):
            return f"a group has no trials for {label}"
    return f"a group has no errors; {measure.with_no_errors}"


def _rates(counts: GroupCounts) -> FloatArray:
    errors, trials = np.asarray(counts[0], np.float64), np.asarray(counts[1], np.float64)
    if errors.shape[-1:] == (0,):
        raise StatisticsError("a differential needs at least one group")
    out = np.full(np.broadcast(errors, trials).shape, np.nan)
    return np.asarray(np.divide(errors, trials, out=out, where=trials > 0), dtype=np.float64)


def _quotient(numerator: FloatArray, denominator: FloatArray) -> FloatArray:
    out = np.full(np.shape(numerator), np.nan)
    return np.asarray(np.divide(numerator, denominator, out=out, where=denominator > 0), dtype=np.float64)
