"""Accuracy by folds and TAR at a FAR, each against an independent computation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from sklearn.metrics import roc_curve
from sklearn.model_selection import KFold

from facegap.errors import StatisticsError
from facegap.statistics.protocols import accept_rate, fold_accuracy


def simulated(seed: int, pairs: int = 600, digits: int = 9) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    genuine = rng.permutation(np.arange(pairs) % 2 == 0)
    return np.clip(rng.normal(np.where(genuine, 0.45, 0.1), 0.15), -1, 1).round(digits), genuine


def by_hand_insightface(scores: np.ndarray, genuine: np.ndarray, folds: np.ndarray) -> list[float]:
    """The rule as defined, by loops over thresholds and pairs."""
    accuracies = []
    for fold in range(int(folds.max()) + 1):
        best, best_right = 0.0, -1
        for limit in np.arange(0, 4, 0.01):
            right = sum((2 - 2 * s < limit) == g for s, g, f in zip(scores, genuine, folds, strict=True) if f != fold)
            if right > best_right:
                best, best_right = limit, right
        mine = [(2 - 2 * s < best) == g for s, g, f in zip(scores, genuine, folds, strict=True) if f == fold]
        accuracies.append(sum(mine) / len(mine))
    return accuracies


def by_hand_facex_zoo(scores: np.ndarray, genuine: np.ndarray, folds: np.ndarray) -> list[float]:
    """Confusion tables at every step, counted with NumPy's comparison."""
    accuracies = []
    for fold in range(int(folds.max()) + 1):
        others, labels = scores[folds != fold].astype(np.float32), genuine[folds != fold]
        step = (others.max() - others.min()) / 1000
        best, best_gain = math.nan, -math.inf
        for k in range(1, 1001):
            limit = float(others.min()) + float(step) * k
            gain = (others[labels].astype(float) > limit).mean() - (others[~labels].astype(float) > limit).mean()
            if gain > best_gain:
                best, best_gain = limit, gain
        mine, kind = scores[folds == fold].astype(np.float32).astype(float), genuine[folds == fold]
        accuracies.append(((mine[kind] > best).sum() + (mine[~kind] < best).sum()) / len(mine))
    return accuracies


@pytest.mark.parametrize("seed", range(3))
def test_accuracy_by_the_rule_of_insightface_is_that_of_a_loop_over_every_pair_and_threshold(seed: int) -> None:
    scores, genuine = simulated(seed, pairs=103)
    folds = np.empty(103, np.int64)
    for fold, (_, tested) in enumerate(KFold(10, shuffle=False).split(scores)):
        folds[tested] = fold
    expected = by_hand_insightface(scores, genuine, folds)
    found = fold_accuracy(scores, genuine, folds, rule="insightface")
    assert found.of_folds.tolist() == expected
    assert (found.mean, found.spread) == (np.mean(expected), np.std(expected))


@pytest.mark.parametrize("seed", range(3))
def test_accuracy_by_the_rule_of_facex_zoo_is_that_of_confusion_tables(seed: int) -> None:
    scores, genuine = simulated(seed)
    folds = np.arange(600) // 60
    expected = by_hand_facex_zoo(scores, genuine, folds)
    found = fold_accuracy(scores, genuine, folds, rule="facex-zoo")
    assert found.of_folds.tolist() == expected
    assert found.mean == np.mean(expected)
    assert found.spread == pytest.approx(math.sqrt(np.var(expected, ddof=1) / 10), rel=1e-12)


def test_the_two_rules_differ_where_scores_are_tied_at_the_threshold() -> None:
    """A genuine score equal to FaceX-Zoo's threshold is an error there, and correct at InsightFace's next hundredth."""
    scores, genuine = np.tile([1.0, 0.0], 4), np.tile([True, False], 4)
    folds = np.repeat([0, 1, 2, 3], 2)
    assert fold_accuracy(scores, genuine, folds, rule="insightface").mean == 1
    steps = fold_accuracy(scores, genuine, folds, rule="facex-zoo")
    assert steps.thresholds[0] == pytest.approx(0.001)
    assert steps.mean == 1
    flat = fold_accuracy(np.full(8, 0.5), genuine, folds, rule="facex-zoo")
    assert flat.mean == 0  # no range, so every score is at the threshold, and an error


@pytest.mark.parametrize("rule", ["insightface", "facex-zoo"])
def test_a_pair_that_was_not_compared_is_an_error_of_a_genuine_pair_only(rule: str) -> None:
    scores, genuine = np.tile([0.9, 0.1], 10), np.tile([True, False], 10)
    folds = np.repeat(np.arange(5), 4)
    scores[0] = scores[3] = np.nan
    found = fold_accuracy(scores, genuine, folds, rule=rule)  # type: ignore[arg-type]
    assert found.correct.tolist() == [3, 4, 4, 4, 4]


@pytest.mark.parametrize("target", [1e-1, 1e-2, 3e-3, 1e-4])
@pytest.mark.parametrize(("seed", "digits"), [(0, 9), (1, 9), (2, 1), (3, 2)])
def test_the_nearest_rule_is_that_of_roc_curve_read_as_insightface_does(target: float, seed: int, digits: int) -> None:
    scores, genuine = simulated(seed, pairs=2000, digits=digits)
    fpr, tpr, _ = roc_curve(genuine, scores)
    fpr, tpr = np.flipud(fpr), np.flipud(tpr)
    _, at = min(zip(abs(fpr - target), range(len(fpr)), strict=True))
    found = accept_rate(scores[genuine], scores[~genuine], target, rule="insightface")
    assert (found.tar, found.far) == (tpr[at], fpr[at])


@pytest.mark.parametrize("target", [1e-1, 1e-2, 3e-3])
def test_the_strict_rule_takes_the_lowest_impostor_score_that_keeps_the_target(target: float) -> None:
    scores, genuine = simulated(5, pairs=2000, digits=2)
    found = accept_rate(scores[genuine], scores[~genuine], target)
    levels = np.unique(scores[~genuine])
    allowed = [level for level in levels if (scores[~genuine] >= level).mean() <= target]
    assert found.far <= target
    assert found.tar == max((scores[genuine] >= level).mean() for level in allowed)


def test_the_nearest_rule_may_exceed_the_target_where_the_strict_one_does_not() -> None:
    mates, others = [0.9, 0.7, 0.5], [0.6, 0.4, 0.3, 0.2]
    assert accept_rate(mates, others, 0.2, rule="insightface").far == 0.25
    with pytest.raises(StatisticsError, match="needs at least 5 impostor pairs"):
        accept_rate(mates, others, 0.2)


def test_lost_pairs_are_rejections_in_both_rates() -> None:
    nan = float("nan")
    found = accept_rate([0.9, nan], [0.95, 0.1, nan, nan], 0.25)
    assert (found.true_accepts, found.genuine, found.false_accepts, found.impostors) == (0, 2, 1, 4)


@pytest.mark.parametrize("folds", [[0, 0], [0, 2], []])
def test_fewer_than_two_folds_or_an_empty_one_is_an_error(folds: list[int]) -> None:
    with pytest.raises(StatisticsError, match="at least two folds with pairs; there are"):
        fold_accuracy([0.5] * len(folds), [True] * len(folds), folds, rule="insightface")
