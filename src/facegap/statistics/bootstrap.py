"""Bootstrap of subjects within their groups, with the threshold estimated anew in every replicate.

Each replicate samples as many subjects as a group has, with replacement; W_i is the number of times subject i was
sampled. A genuine pair of i has weight W_i, an impostor pair of i and j has weight W_i W_j. All weights are integers
and every replicate has its own random stream, so the result is bit-identical for any number of threads.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from facegap.errors import StatisticsError
from facegap.types import FloatArray, IntArray

CHUNK_PAIRS = 65_536  # at once: small enough for the cache, and the end of the list is rarely read


@dataclass(frozen=True, eq=False)
class ImpostorList:
    """The highest impostor scores and their subjects.

    Attributes
    ----------
    left, right
        int64 [k], subject codes 0..S-1.
    score
        float64 [k], in any order. All impostor pairs that score at least the lowest listed score are included.
    images
        int64 [S], images per subject; all images of two subjects were compared.
    groups
        int64 [S], group code of each subject; subjects are resampled within groups, and rates are per group.
    complete
        Whether every impostor pair is listed, whatever its score.
    """

    left: IntArray
    right: IntArray
    score: FloatArray
    images: IntArray
    groups: IntArray
    complete: bool = False


@dataclass(frozen=True, eq=False)
class GenuineList:
    """All genuine scores. subject : int64 [n], codes as in ImpostorList; score : float64 [n], NaN counts as a non-match."""

    subject: IntArray
    score: FloatArray


@dataclass(frozen=True, eq=False)
class Replicates:
    """Results of each replicate; B replicates, G groups.

    Attributes
    ----------
    threshold
        float64 [B].
    fmr
        float64 [B, G], within each group, at the replicate's threshold; NaN without pairs.
    fnmr
        float64 [B, G], NaN without genuine pairs or without a list of them.
    """

    threshold: FloatArray
    fmr: FloatArray
    fnmr: FloatArray


def subject_weights(groups: IntArray, rng: np.random.Generator) -> IntArray:
    """Number of times each subject is sampled: int64 [S]; within every group the weights sum to its number of subjects.

    Examples
    --------
    >>> import numpy as np
    >>> weights = subject_weights(np.array([0, 0, 0, 1, 1]), np.random.default_rng(0))
    >>> int(weights[:3].sum()), int(weights[3:].sum())
    (3, 2)
    """
    order = np.argsort(groups, kind="stable")
    starts = np.searchsorted(groups[order], groups)
    sizes = np.bincount(groups)[groups]
    drawn = order[starts + (rng.random(len(groups)) * sizes).astype(np.int64)]
    return np.bincount(drawn, minlength=len(groups))


def bootstrap_rates(
    impostors: ImpostorList,
    genuine: GenuineList | None,
    *,
    rng: np.random.Generator,
    replicates: int = 2000,
    target_fmr: float | None = None,
    threshold: float | None = None,
    threads: int = 1,
) -> Replicates:
    """Rates of every group in each replicate, at a threshold set in each replicate (target_fmr) or fixed (threshold).

    Parameters
    ----------
    target_fmr
        The threshold of a replicate is its smallest listed impostor score with FMR <= target_fmr over all impostor
        pairs, of every group and between groups; just above the largest if none is.
    threshold
        Instead, one threshold for all replicates.
    rng
        Determines the replicates; one number is drawn from it.
    threads
        Number of threads for the replicates; the result does not depend on it.

    Raises
    ------
    StatisticsError
        Unless exactly one of target_fmr and threshold is given, or if the list is too short to reach a threshold; the
        message states the length needed.

    Notes
    -----
    W_i W_j overstates the noise of the individual pairs; see `pair_variance` before quoting a variance of FMR.

    Examples
    --------
    >>> import numpy as np
    >>> people, groups = np.arange(6), np.array([0, 0, 0, 1, 1, 1])
    >>> left, right = np.triu_indices(6, 1)
    >>> pairs = ImpostorList(left, right, np.linspace(0.9, 0.1, len(left)), np.ones(6, np.int64), groups, complete=True)
    >>> found = bootstrap_rates(pairs, None, rng=np.random.default_rng(0), replicates=50, threshold=0.8)
    >>> found.fmr.shape
    (50, 2)
    """
    if (target_fmr is None) == (threshold is None):
        raise StatisticsError(
            "give either target_fmr, for which the threshold is set again in each replicate, or a fixed threshold"
        )
    ordered = _by_falling_score(impostors)
    if (
        threshold is not None
        and not impostors.complete
        and not (len(ordered.falling) and -ordered.falling[-1] <= threshold)
    ):
        raise StatisticsError(
            f"threshold {threshold:g} is below the listed scores; list more pairs (increase tail_limit)"
        )
    streams = np.random.SeedSequence(rng.integers(0, 2**63, size=4).tolist()).spawn(replicates)
    n_groups = int(impostors.groups.max(initial=-1)) + 1
    result = Replicates(np.empty(replicates), np.empty((replicates, n_groups)), np.empty((replicates, n_groups)))

    def fill(replicate: int) -> None:
        drawn = subject_weights(impostors.groups, np.random.default_rng(streams[replicate]))
        weights = drawn.astype(np.float64)
        found, result.fmr[replicate] = _impostor_replicate(ordered, weights, target_fmr, threshold)
        result.threshold[replicate] = found
        result.fnmr[replicate] = _genuine_replicate(genuine, impostors.groups, weights, found, n_groups)

    with ThreadPoolExecutor(max_workers=threads) as pool:
        list(pool.map(fill, range(replicates)))
    return result


def pair_variance(replicates: FloatArray, noise: float) -> float:
    """The variance of a false match rate from replicates at a fixed threshold, with the overstated noise removed.

    Parameters
    ----------
    replicates
        float64 [B], one rate at one fixed threshold.
    noise
        Sum over identity pairs of e_ij^2 / M^2, the variance due to the pairs alone.

    Returns
    -------
    float
        Variance - 2 noise, but at least noise.

    References
    ----------
    For independent weights of mean and variance near 1, W_i W_j has variance near 3, whereas the noise of a pair
    requires 1; the excess is 2.

    Examples
    --------
    >>> import numpy as np
    >>> round(pair_variance(np.array([0.01, 0.03, 0.02]), 1e-5), 6)
    8e-05
    """
    return max(float(np.var(replicates, ddof=1)) - 2 * noise, noise)


def percentile_interval(replicates: FloatArray, *, level: float = 0.95) -> tuple[float, float]:
    """The central interval with probability `level` of the defined replicates; NaN if fewer than half are defined.

    Examples
    --------
    >>> import numpy as np
    >>> low, high = percentile_interval(np.linspace(0, 1, 101), level=0.9)
    >>> round(low, 2), round(high, 2)
    (0.05, 0.95)
    """
    defined = replicates[~np.isnan(replicates)]
    if 2 * len(defined) < len(replicates) or not len(defined):
        return float("nan"), float("nan")
    low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def correlation_of_replicates(replicates: FloatArray) -> FloatArray:
    """Correlation between the columns of float64 [B, G], for `gap_family` where groups share subjects.

    Replicates with a NaN are omitted; a constant column has correlation 0 with every other.

    Examples
    --------
    >>> import numpy as np
    >>> correlation_of_replicates(np.array([[0.1, 0.2], [0.2, 0.4], [0.3, 0.6]]))
    array([[1., 1.],
           [1., 1.]])
    """
    defined = replicates[~np.isnan(replicates).any(axis=1)]
    centred = defined - defined.mean(axis=0) if len(defined) else np.zeros((1, replicates.shape[1]))
    length = np.sqrt((centred**2).sum(axis=0))
    unit = np.divide(centred, length, out=np.zeros_like(centred), where=length > 0)
    correlation = np.clip(unit.T @ unit, -1.0, 1.0)
    np.fill_diagonal(correlation, 1.0)
    return np.asarray(correlation, dtype=np.float64)


@dataclass(frozen=True, eq=False)
class _Ordered:
    """An ImpostorList by decreasing score, with quantities that every replicate needs.

    falling      : float64 [k], negated scores, in increasing order
    within       : int64 [w], positions of the pairs within one group; within_* are their subjects and group
    """

    left: IntArray
    right: IntArray
    falling: FloatArray
    images: FloatArray
    groups: IntArray
    n_groups: int
    within: IntArray
    within_left: IntArray
    within_right: IntArray
    within_group: IntArray
    complete: bool


def _by_falling_score(impostors: ImpostorList) -> _Ordered:
    falling = -impostors.score
    if np.any(falling[1:] < falling[:-1]):
        order = np.argsort(falling, kind="stable")
        left, right, falling = impostors.left[order], impostors.right[order], falling[order]
    else:
        left, right = impostors.left, impostors.right
    groups = impostors.groups
    within = np.flatnonzero(groups[left] == groups[right])
    return _Ordered(
        left=left,
        right=right,
        falling=falling,
        images=impostors.images.astype(np.float64),
        groups=groups,
        n_groups=int(groups.max(initial=-1)) + 1,
        within=within,
        within_left=left[within],
        within_right=right[within],
        within_group=groups[left[within]],
        complete=impostors.complete,
    )


def _impostor_replicate(
    listed: _Ordered, weights: FloatArray, target: float | None, threshold: float | None
) -> tuple[float, FloatArray]:
    """Threshold and per-group FMR of one replicate. Sums of whole numbers in float64 are exact up to 2^53."""
    carried = weights * listed.images
    if threshold is not None:
        found, reached = threshold, int(np.searchsorted(listed.falling, -threshold, side="right"))
    else:
        assert target is not None
        total = (carried.sum() ** 2 - (carried**2).sum()) / 2
        found, reached = _threshold_again(listed, weights, float(np.floor(target * total)))
    until = int(np.searchsorted(listed.within, reached))
    weight = weights.take(listed.within_left[:until]) * weights.take(listed.within_right[:until])
    errors = np.bincount(listed.within_group[:until], weights=weight, minlength=listed.n_groups)
    sums = np.bincount(listed.groups, weights=carried, minlength=listed.n_groups)
    pairs = (sums**2 - np.bincount(listed.groups, weights=carried**2, minlength=listed.n_groups)) / 2
    return found, np.divide(errors, pairs, out=np.full(listed.n_groups, np.nan), where=pairs > 0)


def _threshold_again(listed: _Ordered, weights: FloatArray, allowed: float) -> tuple[float, int]:
    """Smallest listed score that at most `allowed` weighted pairs reach, and the number of listed pairs that reach it."""
    seen, size = 0.0, len(listed.falling)
    for start in range(0, size, CHUNK_PAIRS):
        part = slice(start, start + CHUNK_PAIRS)
        weight = weights.take(listed.left[part])
        weight *= weights.take(listed.right[part])
        chunk = float(weight.sum())
        if seen + chunk > allowed:
            # The first pair too many; all pairs tied with it are excluded.
            over = start + int(np.searchsorted(np.cumsum(weight) + seen, allowed, side="right"))
            reached = int(np.searchsorted(listed.falling, listed.falling[over], side="left"))
            return _just_at(listed, reached), reached
        seen += chunk
    if not listed.complete:
        grown = max(allowed / max(seen, 1.0), 1.0) * 1.1
        raise StatisticsError(
            f"a replicate allows {allowed:.0f} false matches and the list of {size} impostor pairs contains "
            f"{seen:.0f}; "
            f"list at least {int(size * grown) + 1} pairs (increase tail_limit)"
        )
    return _just_at(listed, size), size


def _just_at(listed: _Ordered, reached: int) -> float:
    """Return the lowest score among the first `reached`; just above the highest if `reached` is 0."""
    if reached:
        return float(-listed.falling[reached - 1])
    return float(np.nextafter(-listed.falling[0], np.inf)) if len(listed.falling) else float("nan")


def _genuine_replicate(
    genuine: GenuineList | None, groups: IntArray, weights: FloatArray, threshold: float, n_groups: int
) -> FloatArray:
    if genuine is None:
        return np.full(n_groups, np.nan)
    weight = weights[genuine.subject]
    group = groups[genuine.subject]
    missed = ~(genuine.score >= threshold)  # so that NaN, a failure to acquire, counts as a non-match
    errors = np.bincount(group, weights=weight * missed, minlength=n_groups)
    trials = np.bincount(group, weights=weight, minlength=n_groups)
    return np.asarray(np.divide(errors, trials, out=np.full(n_groups, np.nan), where=trials > 0), dtype=np.float64)
