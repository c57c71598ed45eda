"""The gap between two groups in joint cells of their covariates: a check of the model behind overlap weights.

Each covariate is divided at the terciles of both groups together, without regard to errors, and cells are all
combinations. The weight of a trial is the proportion of the other group in its cell: overlap weights with cells instead
of a smooth model. Both groups then have the same distribution over the cells, but not within a cell.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.sparse import csr_array
from scipy.special import stdtrit

from facegap.errors import StatisticsError
from facegap.statistics.covariates.balancing import (
    FEW_ERRORS,
    LEAST_UNITS_IN_CELL,
    Trials,
    effective_units,
    floor_variances,
    freedom,
    min_errors,
    on_scale,
    weighted_pair,
)
from facegap.types import BoolArray, FloatArray, IntArray, Scale

PARTS = ("low", "middle", "high")  # of a covariate


@dataclass(frozen=True)
class Alone:
    """A cell in which only one group has enough people. parts : of each covariate, 0 to 2; then trials of each group"""

    parts: tuple[int, ...]
    trials: int
    reference_trials: int


@dataclass(frozen=True, eq=False)
class InCells:
    """Rates of two groups balanced over cells, and their gap; NaN if undefined, in which case `reason` says why.

    comparable : bool (n,), trials in cells of both groups
    cells      : number with any trial; alone: those with one group, the largest first
    effective, reference_effective : effective sampling units
    """

    comparable: BoolArray
    cells: int
    alone: tuple[Alone, ...]
    rate: float = np.nan
    reference_rate: float = np.nan
    gap: float = np.nan
    low: float = np.nan
    high: float = np.nan
    effective: float = 0.0
    reference_effective: float = 0.0
    reason: str = ""


def joint_cells(covariates: FloatArray) -> tuple[IntArray, IntArray]:
    """The cell of each trial, int64 (n,), and the part of each covariate in each cell, int64 (cells, k).

    Examples
    --------
    >>> code, parts = joint_cells(np.array([[0.0], [1.0], [2.0], [3.0], [4.0], [5.0]]))
    >>> code.tolist(), parts[:, 0].tolist()
    ([0, 0, 1, 1, 2, 2], [0, 1, 2])
    """
    cut = [np.searchsorted(np.quantile(column, [1 / 3, 2 / 3]), column, side="right") for column in covariates.T]
    parts, code = np.unique(np.stack(cut, axis=1), axis=0, return_inverse=True)
    return np.asarray(code.reshape(-1), np.int64), np.asarray(parts, np.int64)


def cell_gap(
    trials: Trials,
    covariates: FloatArray,
    *,
    scale: Scale,
    level: float,
    replicates: int,
    rng: np.random.Generator,
) -> InCells:
    """The gap between a group and its reference after balancing over joint cells of covariates.

    Parameters
    ----------
    trials : Trials
        n rows, each with one sampling unit.
    covariates : float64 (n, k)
        Finite, with k at least 1.
    scale : {"difference", "ratio"}
    level : float
        Confidence level of the interval, between 0 and 1.
    replicates : int
        At least 2.

    Returns
    -------
    InCells
        NaN with a reason if no cell has two sampling units of each group, or, for a ratio, a group has no errors.

    Raises
    ------
    StatisticsError
        If trials are pairs of two people, or a covariate is not finite.

    Notes
    -----
    Every replicate reweights the sampling units and recomputes the weights of the cells; Student's t as in `balanced_gap`.

    References
    ----------
    Iacus, King, Porro (2012), Causal inference without balance checking: coarsened exact matching, Political Analysis 20;
    Li, Morgan, Zaslavsky (2018), JASA 113, for the weights.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> group = np.arange(600) < 300
    >>> dark = np.where(group, 1.0, 0.0) + rng.normal(size=600)
    >>> wrong = rng.random(600) < np.where(dark > 0.5, 0.5, 0.1)
    >>> trials = Trials(wrong, group, np.arange(600), np.ones(600))
    >>> found = cell_gap(trials, dark[:, None], scale="difference", level=0.95, replicates=200, rng=rng)
    >>> found.cells, found.alone, found.low < 0.05 < found.high
    (3, (), True)
    """
    if trials.others is not None or not np.isfinite(covariates).all():
        raise StatisticsError("each trial needs one sampling unit and one finite number per covariate")
    code, parts = joint_cells(covariates)
    alone = cells_of_one_group(trials, code, len(parts))
    comparable = ~alone[code]
    nothing = InCells(comparable, len(parts), named_cells(trials, code, parts, alone))
    inside, cell = trials.only(comparable), code[comparable]
    sides = [len(np.unique(inside.units[inside.in_group == side])) for side in (True, False)]
    if min(sides) < 2:
        return replace(nothing, reason="no cell has comparable people of both groups")
    chance = chances(inside, cell, len(parts), inside.weights[None])[0]
    rates = weighted_pair(inside, chance, inside.weights)
    balancing_weights = inside.weights * np.where(inside.in_group, 1 - chance, chance)
    effective = effective_units(inside, balancing_weights, True), effective_units(inside, balancing_weights, False)
    seen = replace(
        nothing,
        rate=float(rates[0, 0]),
        reference_rate=float(rates[0, 1]),
        effective=effective[0],
        reference_effective=effective[1],
    )
    gap = float(on_scale(rates, scale)[0])
    if not np.isfinite(gap):
        return replace(seen, reason="no error in one of the groups, so no ratio")
    _, unit = np.unique(inside.units, return_inverse=True)
    found = []
    for _ in range(replicates):
        weights = (rng.exponential(size=int(unit.max()) + 1)[unit] * inside.weights)[None]
        found.append(on_scale(weighted_pair(inside, chances(inside, cell, len(parts), weights), weights), scale))
    again = np.concatenate(found)
    variance = float(np.var(again[np.isfinite(again)], ddof=1))
    floors = floor_variances(inside, balancing_weights, rates[0], effective, scale)
    variance = max(variance, sum(floors)) if min_errors(inside) < FEW_ERRORS else variance
    reach = float(stdtrit(freedom(floors, effective), (1 + level) / 2)) * variance**0.5
    ends = gap, gap - reach, gap + reach
    gap, low, high = (float(np.exp(end)) if scale == "ratio" else end for end in ends)
    return replace(seen, gap=gap, low=low, high=high)


def cells_of_one_group(trials: Trials, code: IntArray, cells: int) -> BoolArray:
    """Whether a cell has fewer than two sampling units of either group, bool (cells,)."""
    counts = np.zeros((cells, 2), np.int64)
    distinct = np.unique(np.stack([code, trials.in_group.astype(np.int64), trials.units]), axis=1)
    np.add.at(counts, (distinct[0], distinct[1]), 1)
    return np.asarray((counts < LEAST_UNITS_IN_CELL).any(axis=1))


def named_cells(trials: Trials, code: IntArray, parts: IntArray, alone: BoolArray) -> tuple[Alone, ...]:
    """The cells with one group, those with most trials first."""
    sizes = [np.bincount(code, weights=side, minlength=len(parts)) for side in (trials.in_group, ~trials.in_group)]
    order = sorted(np.flatnonzero(alone).tolist(), key=lambda k: -(sizes[0][k] + sizes[1][k]))
    return tuple(Alone(tuple(parts[k].tolist()), int(sizes[0][k]), int(sizes[1][k])) for k in order)


def chances(trials: Trials, code: IntArray, cells: int, weights: FloatArray) -> FloatArray:
    """The weighted proportion of the group in each trial's cell; float64 (m, n) from (m, n)."""
    place = csr_array((np.ones(len(code)), (np.arange(len(code)), code)), shape=(len(code), cells))
    of_group, of_all = (weights * trials.in_group) @ place, weights @ place
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray((of_group / of_all)[:, code])
