"""Short simulations of heterogeneous people; benchmarks/crowd_study.py is the long form."""

from __future__ import annotations

import numpy as np
import pytest

from facegap.statistics import dyadic_fmr
from facegap.worlds.crowd_rates import crowd_coverage, crowd_gaps, faults_of, pair_columns
from facegap.worlds.crowds import HIGH, Crowd, crowd_worlds, images_of, pair_worlds, truth_of
from facegap.worlds.curves import standard_error
from fixtures.campaigns import short_and_full

PEOPLE = [
    Crowd("classification", 40, "zipf", 50, "beta", 0.1, 0.1),
    Crowd("classification", 40, "lognormal", 60, "heavy", 0.1, 0.8),
    Crowd("classification", 40, "zipf", 50, "with images", 0.1, 0.5),
    Crowd("classification", 100, "equal", 2, "sessions", 0.1, 0.05),
    Crowd("genuine", 40, "uniform", 10, "beta", 0.05, 0.1),
    Crowd("genuine", 40, "lognormal", 15, "bad images", 0.01, 0.04),
    Crowd("impostor", 40, "uniform", 12, "probit", 0.005, 0.05),
    Crowd("impostor", 40, "uniform", 12, "pairs", 0.005, 0.3),
]
FEW = [
    Crowd("classification", 20, "equal", 8, "goats", 0.08, 0.1),
    Crowd("genuine", 20, "uniform", 8, "goats", 0.06, 0.08),
    Crowd("impostor", 20, "uniform", 8, "wolves", 0.01, 0.08),
]


def names(crowd: Crowd) -> str:
    return f"{crowd.kind} {crowd.images} {crowd.errs}"


@pytest.mark.parametrize("crowd", PEOPLE, ids=names)
@short_and_full("worlds", 120, 2_000)
def test_intervals_cover_the_truth_for_heterogeneous_people(crowd: Crowd, worlds: int) -> None:
    found = crowd_coverage(crowd, worlds, 3)
    floor = 0.90 if crowd.units < 40 else 0.93
    assert found.coverage >= floor - 3 * standard_error(floor, worlds)
    assert found.per_person >= floor - 3 * standard_error(floor, worlds)
    assert found.width <= 2.0 + 6 / np.sqrt(worlds)


@pytest.mark.parametrize("crowd", [*PEOPLE, *FEW], ids=names)
@short_and_full("worlds", 120, 2_000)
def test_identical_groups_have_no_gap(crowd: Crowd, worlds: int) -> None:
    found = crowd_gaps([crowd] * 4, worlds, 3)
    assert found.false_alarm <= 0.05 + 3 * standard_error(0.05, worlds)


@pytest.mark.parametrize("crowd", FEW, ids=names)
@short_and_full("worlds", 200, 2_000)
def test_a_rate_dominated_by_a_few_people_is_marked_if_the_group_has_some(crowd: Crowd, worlds: int) -> None:
    found = crowd_coverage(crowd, worlds, 3)
    assert found.dominated >= 0.4
    none_of_them = (1 - crowd.strength) ** crowd.people
    assert found.missed <= none_of_them + 0.1


@pytest.mark.parametrize(
    "crowd", [*PEOPLE, *FEW, Crowd("impostor", 30, "lognormal", 15, "twins", 0.02, 0.5)], ids=names
)
def test_the_truth_is_the_mean_over_many_worlds(crowd: Crowd) -> None:
    rng = np.random.default_rng(5)
    if crowd.kind == "impostor":
        pairs = pair_worlds(crowd, 400, rng)
        images = pairs.images
        wrong = pairs.errors.sum((1, 2)) / 2
        tried = (images.sum(1) ** 2 - (images**2).sum(1)) / 2
    else:
        drawn = crowd_worlds(crowd, 4_000, rng)
        wrong, tried = drawn.errors.sum(1), drawn.trials.sum(1)
    error = np.std(wrong - wrong.sum() / tried.sum() * tried) / np.sqrt(len(wrong)) / tried.mean()
    assert abs(wrong.sum() / tried.sum() - truth_of(crowd).per_image) <= 4 * error


def test_rates_of_many_pair_simulations_equal_those_of_single_ones() -> None:
    drawn = pair_worlds(Crowd("impostor", 12, "lognormal", 9, "pairs", 0.05, 0.3), 6, np.random.default_rng(2))
    columns = pair_columns(drawn)
    for world in range(6):
        low, high = np.nonzero(np.triu(drawn.errors[world]))
        alone = dyadic_fmr(low, high, drawn.errors[world][low, high], images=drawn.images[world])
        together = columns.rate(world)
        for name in ("errors", "trials", "effective_trials", "low", "high", "per_person_trials", "dominated_by"):
            assert getattr(together, name) == pytest.approx(getattr(alone, name)), name


@pytest.mark.parametrize("law", ["equal", "zipf", "lognormal", "uniform", "two sizes"])
def test_people_have_one_image_to_the_most(law: str) -> None:
    crowd = Crowd("classification", 40, law, 30, "alike", 0.1, 0.0)  # type: ignore[arg-type]
    images = images_of(crowd, (500, 40), np.random.default_rng(4))
    assert images.min() >= 1
    assert images.max() <= 30
    genuine = images_of(Crowd("genuine", 40, law, 30, "alike", 0.1, 0.0), (500, 40), np.random.default_rng(4))  # type: ignore[arg-type]
    assert genuine.min() >= 2


def test_a_setting_outside_the_requirements_is_named() -> None:
    from dataclasses import replace

    found = crowd_coverage(PEOPLE[0], 50, 1)
    assert faults_of(replace(found, coverage=0.9, width=2.4)) == "low wide"
    assert faults_of(replace(found, coverage=0.94, width=2.4, errors=3.0)) == ""
    assert 0 < HIGH < 1
