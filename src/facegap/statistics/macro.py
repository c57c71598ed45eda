"""Macro-averaged error rate: the mean over classes of the error rate within each class."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from facegap.errors import StatisticsError
from facegap.statistics.effective import carriers_of, effective_trials
from facegap.statistics.intervals import clopper_pearson, wilson
from facegap.types import BoolArray, FloatArray, IntArray


@dataclass(frozen=True)
class MacroRate:
    """A macro error rate with its interval.

    value            : NaN if a class has no trial
    effective_trials : independent trials of a single rate with an interval of the same width; NaN if there is no interval
    low, high        : in [0, 1]
    errors, trials, subjects : of all classes together
    """

    value: float
    effective_trials: float
    low: float
    high: float
    errors: int
    trials: int
    subjects: int


def macro_rate(
    errors: BoolArray, classes: IntArray, units: IntArray, *, n_classes: int, level: float = 0.95
) -> MacroRate:
    """The mean over classes of errors / trials, with the subject (or sampling unit) as cluster.

    Parameters
    ----------
    errors : bool (n,)
    classes : int64 (n,)
        Code of the true class of each trial, 0..n_classes-1.
    units : int64 (n,)
        Code of the person (or sampling unit) of each trial; a unit may have trials of several classes.
    n_classes : int
        Number of classes, including those without trials.
    level : float, default 0.95

    Returns
    -------
    MacroRate
        1 - macro recall. With no errors or only errors, the interval is Clopper-Pearson's on K^2 / sum(1 / S_k) trials,
        S_k being the units of class k, which is equivalent for a single rate. With one unit there is no interval.

    Raises
    ------
    StatisticsError
        If arrays have different lengths, or a code is outside the classes.

    Notes
    -----
    The variance is a delete-one-unit jackknife over all classes: sum over units of (sum_k e_ik / (K (t_k - t_ik)))^2
    times (S - 1) / S, e_ik being errors minus the rate of the class times trials; at least that of independent trials,
    sum_k p_k (1 - p_k) / (K^2 t_k). The interval is Wilson's on effective trials, as for a single rate; see
    `effective_trials`.

    Source: jackknife of a sum of ratios, e.g. Shao and Tu (1995), section 2.1.

    Examples
    --------
    >>> import numpy as np
    >>> wrong = np.array([True, False, False, False, False, True])
    >>> found = macro_rate(wrong, np.array([0, 0, 1, 1, 1, 1]), np.arange(6), n_classes=2)
    >>> round(found.value, 4)  # (1/2 + 1/4) / 2
    0.375
    """
    if not len(errors) == len(classes) == len(units):
        raise StatisticsError("errors, classes and units each need one entry per trial")
    if len(classes) and not (classes.min() >= 0 and classes.max() < n_classes):
        raise StatisticsError(f"classes must be codes from 0 to {n_classes - 1}")
    _, codes = np.unique(units, return_inverse=True)
    people = int(codes.max(initial=-1)) + 1
    cell = codes * n_classes + classes
    shape = (people, n_classes)
    trials = np.bincount(cell, minlength=people * n_classes).reshape(shape).astype(np.float64)
    wrong = np.bincount(cell, weights=errors, minlength=people * n_classes).reshape(shape)
    of_class = trials.sum(axis=0)
    counted = (int(errors.sum()), len(errors), people)
    if not len(errors) or (of_class == 0).any():
        return MacroRate(np.nan, np.nan, np.nan, np.nan, *counted)
    rates = wrong.sum(axis=0) / of_class
    value = float(rates.mean())
    units_per_class = (trials > 0).sum(axis=0)
    alone = float(n_classes**2 / (1 / units_per_class).sum())
    if people < 2:
        return MacroRate(value, np.nan, np.nan, np.nan, *counted)
    if value in (0.0, 1.0):
        low, high = clopper_pearson(np.array([value * alone]), np.array([alone]), level=level)
        return MacroRate(value, alone, float(low[0]), float(high[0]), *counted)
    with np.errstate(divide="ignore", invalid="ignore"):
        # the only unit of a class leaves no trials when deleted: its leverage counts once
        left = np.where(of_class - trials > 0, of_class - trials, of_class)
        influence = ((wrong - rates * trials) / (n_classes * left)).sum(axis=1)
    independent = float((rates * (1 - rates) / of_class).sum() / n_classes**2)
    by_deleting = float((influence**2).sum()) * (people - 1) / people
    variance = max(by_deleting, independent)
    cap = value * (1 - value) / independent if independent > 0 else alone
    effective = effective_trials(
        np.array([value]),
        np.array([cap]),
        variance=np.array([variance]),
        shared=np.array([1 - independent / variance if variance > 0 else 0.0]),
        carriers=np.array([carriers_of(influence**2)]),
        at_least=np.array([1.0]),
        level=level,
    )
    bounds: tuple[FloatArray, FloatArray] = wilson(value * effective, effective, level=level)
    return MacroRate(value, float(effective[0]), float(bounds[0][0]), float(bounds[1][0]), *counted)
