"""Accuracy figures of benchmark protocols, by the rules of their reference implementations.

Throughout, higher scores mean more similar. NaN is a pair that could not be compared; it counts as rejected, which is
an error for a genuine pair and correct for an impostor pair. The reference implementations have no such pairs.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from facegap.errors import StatisticsError
from facegap.statistics.curves import accepted, threshold_at_fmr
from facegap.types import BoolArray, FloatArray, IntArray

AccuracyRule = Literal["insightface", "facex-zoo"]
FarRule = Literal["strict", "insightface"]

DISTANCES = np.arange(0, 4, 0.01)  # of the InsightFace rule: squared distances of unit vectors
STEPS = 1000  # of the FaceX-Zoo rule, between the lowest and the highest score


@dataclass(frozen=True, eq=False)
class FoldAccuracy:
    """Accuracy of each fold at the threshold chosen on the other folds.

    Attributes
    ----------
    correct, trials
        int64 (K,), pairs of each fold.
    thresholds
        float64 (K,), scores; a pair is accepted above (facex-zoo), or strictly above (insightface, whose squared
        distance is 2 - 2 score).
    """

    rule: AccuracyRule
    correct: IntArray
    trials: IntArray
    thresholds: FloatArray

    @property
    def of_folds(self) -> FloatArray:
        """Accuracy of each fold, float64 (K,)."""
        return np.asarray(self.correct / self.trials, np.float64)

    @property
    def mean(self) -> float:
        """Mean over the folds, with equal weights."""
        return float(np.mean(self.of_folds))

    @property
    def spread(self) -> float:
        """The value that the rule reports after the plus-minus sign, see `spread_in_words`."""
        if self.rule == "insightface":
            return float(np.std(self.of_folds))
        return float(np.std(self.of_folds, ddof=1) / np.sqrt(len(self.trials)))

    @property
    def spread_in_words(self) -> str:
        """Description of the spread; in neither case an interval of the accuracy for other people."""
        if self.rule == "insightface":
            return "standard deviation over folds (ddof 0)"
        return "standard error over folds (ddof 1)"


@dataclass(frozen=True)
class AcceptRate:
    """True accept rate at a target false accept rate.

    true_accepts of genuine, false_accepts of impostors : counts of pairs, including pairs that could not be compared

    Attributes
    ----------
    threshold
        A pair is accepted at this score or above; infinite if nothing is accepted.
    """

    rule: FarRule
    target: float
    threshold: float
    true_accepts: int
    genuine: int
    false_accepts: int
    impostors: int

    @property
    def tar(self) -> float:
        """True accept rate; NaN without genuine pairs."""
        return self.true_accepts / self.genuine if self.genuine else float("nan")

    @property
    def far(self) -> float:
        """The false accept rate reached; with the InsightFace rule it may exceed the target."""
        return self.false_accepts / self.impostors if self.impostors else float("nan")


def fold_accuracy(scores: ArrayLike, genuine: ArrayLike, folds: ArrayLike, *, rule: AccuracyRule) -> FoldAccuracy:
    """Cross-validated accuracy: for each fold, the accuracy at the threshold that is best on the other folds.

    Parameters
    ----------
    scores : float (n,)
        Cosine of each pair, -1 to 1; NaN if the pair could not be compared.
    genuine : bool (n,)
        Whether a pair is of one person.
    folds : int (n,)
        Fold of each pair, from 0, none empty.
    rule : {"insightface", "facex-zoo"}
        InsightFace: the first of the squared distances 0, 0.01, ..., 3.99 with the highest accuracy on the other folds;
        pairs with a smaller distance are accepted. FaceX-Zoo: the first of 1,000 steps from the lowest to the highest
        score of the other folds with the highest TPR - FPR; pairs with a greater score are accepted, with a smaller
        score rejected, so a score equal to the threshold is an error in both cases.

    Returns
    -------
    FoldAccuracy

    Raises
    ------
    StatisticsError
        If there are fewer than two folds; FaceX-Zoo: if the other folds have pairs of one kind only.

    Notes
    -----
    Both rules choose thresholds for accuracy on lists with equal numbers of genuine and impostor pairs, which do not
    occur in operation, and both treat pairs as independent. As in FaceX-Zoo, its rule uses float32 scores.

    References
    ----------
    InsightFace, recognition/arcface_torch/eval/verification.py, calculate_roc; FaceX-Zoo (Wang et al., 2021),
    test_protocol/lfw/lfw_evaluator.py.

    Examples
    --------
    >>> found = fold_accuracy([0.9, 0.1, 0.8, 0.2], [True, False, True, False], [0, 0, 1, 1], rule="insightface")
    >>> found.mean, found.correct.tolist(), found.thresholds.round(3).tolist()
    (0.75, [2, 1], [0.8, 0.9])
    """
    values, same = np.asarray(scores, np.float64), np.asarray(genuine, np.bool_)
    fold = np.asarray(folds, np.int64)
    count = int(fold.max(initial=-1)) + 1
    if count < 2 or np.bincount(fold, minlength=count).min() == 0:
        raise StatisticsError(f"accuracy by folds needs at least two folds with pairs; there are {count}")
    evaluate = by_distance if rule == "insightface" else by_steps
    found = [evaluate(values, same, fold == k) for k in range(count)]
    correct, thresholds = zip(*found, strict=True)
    trials = np.bincount(fold, minlength=count).astype(np.int64)
    return FoldAccuracy(rule, np.array(correct, np.int64), trials, np.array(thresholds, np.float64))


def by_distance(scores: FloatArray, genuine: BoolArray, tested: BoolArray) -> tuple[int, float]:
    """Correct pairs of a fold, and its threshold as a score, by the InsightFace rule."""
    distances = np.where(np.isnan(scores), np.inf, 2 - 2 * scores)
    right = correct_below(distances[~tested], genuine[~tested], DISTANCES)
    best = DISTANCES[int(np.argmax(right))]
    return int(((distances[tested] < best) == genuine[tested]).sum()), float(1 - best / 2)


def correct_below(distances: FloatArray, genuine: BoolArray, limits: FloatArray) -> IntArray:
    """Number of correct pairs at each limit, if pairs below it are accepted; int64, shape of `limits`."""
    mates, others = np.sort(distances[genuine]), np.sort(distances[~genuine])
    below = np.searchsorted(mates, limits, side="left")
    return np.asarray(below + len(others) - np.searchsorted(others, limits, side="left"), np.int64)


def by_steps(scores: FloatArray, genuine: BoolArray, tested: BoolArray) -> tuple[int, float]:
    """Correct pairs of a fold, and its threshold, by the FaceX-Zoo rule."""
    kept = scores.astype(np.float32)
    made = ~np.isnan(kept)
    mates, others = (np.sort(kept[~tested & made & kind]) for kind in (genuine, ~genuine))
    tried = [int((~tested & kind).sum()) for kind in (genuine, ~genuine)]
    if not (len(mates) and len(others)):
        raise StatisticsError("the FaceX-Zoo rule needs compared pairs of both kinds outside each fold")
    low, high = min(mates[0], others[0]), max(mates[-1], others[-1])
    step = (high - low) / np.float32(STEPS)
    limits = low + step * np.arange(1, STEPS + 1)
    above = [len(kind) - np.searchsorted(kind, limits, side="right") for kind in (mates, others)]
    best = float(limits[int(np.argmax(above[0] / tried[0] - above[1] / tried[1]))])
    fold_scores = kept[tested]
    right = np.where(genuine[tested], fold_scores > best, (fold_scores < best) | np.isnan(fold_scores))
    return int(right.sum()), best


def accept_rate(genuine: ArrayLike, impostor: ArrayLike, target: float, *, rule: FarRule = "strict") -> AcceptRate:
    """True accept rate at a false accept rate.

    Parameters
    ----------
    genuine, impostor : float arrays
        Scores; NaN if a pair could not be compared, which counts as rejected.
    target : float
        False accept rate, 0 to 1.
    rule : {"strict", "insightface"}
        strict: the smallest impostor score at which the rate is at most the target, as in an audit
        (`threshold_at_fmr`); a genuine score between it and the next lower impostor score is rejected. insightface: the
        point of the ROC whose rate is nearest to the target, above or below it; in a tie the one with the higher rate.
        The ROC is that of scikit-learn's roc_curve, which omits points on a straight line between others, so the
        nearest point can be far from the target.

    Returns
    -------
    AcceptRate

    Raises
    ------
    StatisticsError
        If there are no pairs of a kind; strict: if there are too few impostor pairs for the target.

    References
    ----------
    InsightFace, recognition/_evaluation_/ijb/ijb_11.py.

    Examples
    --------
    >>> accept_rate([0.9, 0.4], [0.5, 0.1], 0.5).tar
    0.5
    >>> accept_rate([0.9, 0.4], [0.5, 0.1], 0.4, rule="insightface").far
    0.5
    """
    mates, others = (rejected_below(scores) for scores in (genuine, impostor))
    if not (len(mates) and len(others)):
        raise StatisticsError("TAR at a FAR needs pairs of both kinds")
    threshold = threshold_at_fmr(others, target).threshold if rule == "strict" else nearest(mates, others, target)
    hits, false = (int(accepted(scores, threshold)) for scores in (mates, others))
    return AcceptRate(rule, target, float(threshold), hits, len(mates), false, len(others))


def rejected_below(scores: ArrayLike) -> FloatArray:
    """Scores with missing ones set below all others."""
    values = np.asarray(scores, np.float64)
    return np.where(np.isnan(values), -np.inf, values)


def nearest(mates: FloatArray, others: FloatArray, target: float) -> float:
    """The threshold whose false accept rate is nearest to a target, among the corners of the ROC."""
    levels = np.unique(np.concatenate([mates, others]))[::-1]
    false, true = accepted(others, levels), accepted(mates, levels)
    if len(levels) > 2:  # as in roc_curve: the ends, and every point where the slope changes
        turns = np.concatenate([[True], (np.diff(false, 2) != 0) | (np.diff(true, 2) != 0), [True]])
        levels, false = levels[turns], false[turns]
    levels, false = np.concatenate([[np.inf], levels])[::-1], np.concatenate([[0], false])[::-1]
    return float(levels[int(np.argmin(np.abs(false / len(others) - target)))])
