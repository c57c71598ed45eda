"""Short simulations of sessions and unequal numbers of images; benchmarks/cluster_study.py is the long form."""

from __future__ import annotations

import numpy as np
import pytest

from facegap.worlds.clusters import (
    Sessions,
    beta_rates,
    covered,
    session_alarms,
    session_errors,
    session_matches,
    session_rates,
    unequal_rates,
    zipf_images,
)
from fixtures.campaigns import short_and_full

TEN = Sessions(sessions=10, people=20, images=2, rate=0.1, icc=0.05)


def error_of(proportion: float, worlds: int) -> float:
    """Monte Carlo standard error of a proportion of worlds."""
    return float(np.sqrt(proportion * (1 - proportion) / worlds))


@short_and_full("worlds", 500, 10_000)
def test_intervals_by_session_cover_and_intervals_by_person_do_not(worlds: int) -> None:
    errors = session_errors(TEN, worlds, np.random.default_rng(11))
    people, sessions = (covered(rates, TEN.rate).mean() for rates in session_rates(TEN, errors))
    assert 0.68 <= people <= 0.80
    assert sessions >= 0.93 - 2 * error_of(0.93, worlds)


@short_and_full("worlds", 60, 2_000)
def test_pairs_within_and_between_sessions_cover(worlds: int) -> None:
    setting = Sessions(sessions=20, people=6, images=1, rate=0.02, icc=0.03)
    people, sessions = session_matches(setting, worlds, np.random.default_rng(11), of_people=0.05)
    assert people.mean() <= 0.87
    assert sessions.mean() >= 0.93 - 2 * error_of(0.93, worlds)


@short_and_full("worlds", 60, 2_000)
def test_groups_with_sessions_of_their_own_raise_false_alarms_only_with_people_as_units(worlds: int) -> None:
    people, sessions = session_alarms(TEN, 4, worlds, np.random.default_rng(11), shared=False)
    assert people >= 0.2
    assert sessions <= 0.05 + 2 * error_of(0.05, worlds)


@short_and_full("worlds", 500, 10_000)
def test_unequal_images_cover_and_amount_to_fewer_people(worlds: int) -> None:
    rates = unequal_rates(40, 50, 0.1, 0.1, worlds, np.random.default_rng(11))
    assert covered(rates, 0.1).mean() >= 0.93 - 2 * error_of(0.93, worlds)
    assert (rates.subjects == 40).all()
    assert 16 <= np.median(rates.effective_subjects) <= 20


def test_planted_rates_have_the_requested_mean_and_correlation() -> None:
    rates = beta_rates(0.1, 0.05, (200_000,), np.random.default_rng(2))
    assert rates.mean() == pytest.approx(0.1, abs=0.001)
    assert rates.var() == pytest.approx(0.05 * 0.1 * 0.9, rel=0.03)
    assert (beta_rates(0.1, 0.0, (3,), np.random.default_rng(2)) == 0.1).all()


def test_images_are_one_to_the_most_in_inverse_proportion() -> None:
    images = zipf_images(40, 50, 2000, np.random.default_rng(2))
    assert (images.min(), images.max()) == (1, 50)
    assert (images == 1).mean() / (images == 2).mean() == pytest.approx(2, rel=0.05)
