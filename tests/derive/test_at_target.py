"""The interval of a rate at a target FMR, from the interval of its threshold."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from facegap.derive.at_target import AtTarget
from facegap.derive.comparisons import Comparisons, false_match_rate, false_non_match_rate, listed_comparisons
from facegap.derive.metrics import FMR, FNMR
from facegap.store.record import Operating, ThresholdInterval

PEOPLE = 30
INTERVAL = ThresholdInterval(fmr_low=0.04, fmr_high=0.09, low=1.4, high=1.8, same_people=False)
POINT = Operating(1.6, "FMR 0.06", (0.06,), interval=INTERVAL)


def comparisons() -> Comparisons:
    """Thirty people with two images each; impostor and genuine scores at random."""
    rng = np.random.default_rng(3)
    subjects = np.repeat(np.arange(PEOPLE), 2)
    left, right = np.triu_indices(len(subjects), 1)
    rows = np.stack([left, right], axis=1)
    strangers = rows[subjects[left] != subjects[right]]
    scores = np.sort(rng.standard_normal(len(strangers)))[::-1]
    everyone = np.ones(len(subjects), np.bool_)
    return Comparisons(
        subjects=subjects,
        enrolled=everyone,
        counted=everyone,
        impostor=rng.permutation(strangers),
        impostor_scores=scores,
        floor=-np.inf,
        genuine=np.stack([np.arange(0, 60, 2), np.arange(1, 60, 2)], axis=1),
        genuine_scores=rng.normal(2.4, 0.8, PEOPLE),
        excluded=np.empty((0, 2), np.int64),
    )


PAIRS = comparisons()
EVERYBODY = np.ones(60, np.bool_)


def test_a_given_threshold_leaves_every_interval_as_it_is() -> None:
    at = AtTarget(PAIRS, replace(POINT, interval=None), 1.6)
    rate = false_match_rate(PAIRS, 1.6, EVERYBODY, None, generalised=False, level=0.95)
    assert at.rate(rate, FMR, EVERYBODY) is rate


def test_false_matches_of_other_people_add_the_whole_of_the_thresholds_interval() -> None:
    rate = false_match_rate(PAIRS, 1.6, EVERYBODY, None, generalised=False, level=0.95)
    wide = AtTarget(PAIRS, POINT, 1.6).rate(rate, FMR, EVERYBODY)
    below = np.hypot(np.log(rate.value / rate.low), np.log(0.09 / 0.06))
    assert wide.low == pytest.approx(rate.value * np.exp(-below))
    assert wide.high > rate.high


def test_false_matches_of_the_threshold_set_itself_add_nothing() -> None:
    rate = false_match_rate(PAIRS, 1.6, EVERYBODY, None, generalised=False, level=0.95)
    own = AtTarget(PAIRS, replace(POINT, interval=replace(INTERVAL, same_people=True)), 1.6)
    wide = own.rate(rate, FMR, EVERYBODY)
    assert (wide.low, wide.high) == pytest.approx((rate.low, rate.high))
    half = np.arange(60) < 30
    group = false_match_rate(PAIRS, 1.6, half, None, generalised=False, level=0.95)
    assert 0.1 < own.correlation(FMR, half, None) < 1
    assert own.correlation(FMR, half, ~half) > 0.1
    assert own.rate(group, FMR, half).high >= group.high


def test_false_non_matches_are_counted_again_at_both_ends_of_the_threshold() -> None:
    rate = false_non_match_rate(PAIRS, 1.6, EVERYBODY, generalised=False, level=0.95)
    wide = AtTarget(PAIRS, POINT, 1.6).rate(rate, FNMR, EVERYBODY)
    at_low, at_high = ((PAIRS.genuine_scores < threshold).mean() for threshold in (1.4, 1.8))
    assert at_low < rate.value < at_high
    assert wide.low == pytest.approx(rate.value - np.hypot(rate.value - rate.low, rate.value - at_low))
    assert wide.high == pytest.approx(rate.value + np.hypot(rate.high - rate.value, at_high - rate.value))


def test_pairs_in_both_orders_leave_the_interval_at_a_target_as_it_is() -> None:
    rows = np.concatenate([PAIRS.impostor, PAIRS.genuine])
    genuine = np.arange(len(rows)) >= len(PAIRS.impostor)
    scores = np.concatenate([PAIRS.impostor_scores, PAIRS.genuine_scores])
    once = pd.DataFrame({"left": rows[:, 0], "right": rows[:, 1], "genuine": genuine, "score": scores})
    twice = pd.concat([once, once.rename(columns={"left": "right", "right": "left"})], ignore_index=True)
    point = replace(POINT, interval=replace(INTERVAL, same_people=True))
    group = PAIRS.subjects < 20
    found = []
    for frame in (once, twice):
        pairs = listed_comparisons(frame, PAIRS.subjects, EVERYBODY, EVERYBODY, PAIRS.excluded, group.astype(np.int64))
        at = AtTarget(pairs, point, 1.6)
        matches = at.rate(false_match_rate(pairs, 1.6, group, None, generalised=False, level=0.95), FMR, group)
        refused = at.rate(false_non_match_rate(pairs, 1.6, group, generalised=False, level=0.95), FNMR, group)
        found.append([(rate.low, rate.value, rate.high) for rate in (matches, refused)])
    np.testing.assert_allclose(found[1], found[0], rtol=1e-9)
