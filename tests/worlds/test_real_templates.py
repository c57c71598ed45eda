"""People resampled from real templates."""

from __future__ import annotations

import numpy as np
import pytest

from facegap.worlds.crowd_rates import pair_columns
from facegap.worlds.curves import standard_error
from facegap.worlds.real_templates import population_of, resampled_pairs, resampled_people, samples_of, truths_of


def test_errors_of_a_population_are_those_of_all_pairs() -> None:
    rng = np.random.default_rng(1)
    templates, subjects = rng.standard_normal((40, 4)), rng.integers(0, 12, 40)
    unit = templates / np.linalg.norm(templates, axis=1, keepdims=True)
    scores = unit @ unit.T
    found = population_of(templates, subjects, 0.5)
    people = np.unique(subjects)
    for i, one in enumerate(people):
        own = scores[np.ix_(subjects == one, subjects == one)]
        assert found.non_matches[i] == (own[np.triu_indices(len(own), 1)] < 0.5).sum()
        for j, other in enumerate(people):
            expected = 0 if i == j else (scores[np.ix_(subjects == one, subjects == other)] >= 0.5).sum()
            assert found.matches[i, j] == expected
    of_impostors, _ = truths_of(found)
    first, second = np.triu_indices(40, 1)
    apart = subjects[first] != subjects[second]
    assert of_impostors.per_image == pytest.approx((scores[first, second][apart] >= 0.5).mean())


def test_a_sample_has_each_person_at_most_once() -> None:
    chosen = samples_of(50, 20, 100, np.random.default_rng(3))
    assert all(len(set(world)) == 20 for world in chosen.tolist())
    assert np.allclose(np.bincount(chosen.ravel(), minlength=50) / 100, 0.4, atol=0.2)


def test_samples_keep_the_errors_of_their_people() -> None:
    rng = np.random.default_rng(2)
    population = population_of(rng.standard_normal((300, 6)), rng.integers(0, 90, 300), 0.7)
    pairs = resampled_pairs(population, 30, 5, rng)
    assert (pairs.errors == pairs.errors.transpose(0, 2, 1)).all()
    assert (np.einsum("wii->wi", pairs.errors) == 0).all()
    mates = resampled_people(population, 30, 5, rng)
    assert (mates.trials > 0).all()
    assert (mates.errors <= mates.trials).all()


@pytest.mark.real
@pytest.mark.campaign
@pytest.mark.parametrize("people", [40, 100])
@pytest.mark.parametrize("threshold", [0.3, 0.35])
def test_intervals_cover_the_false_match_rate_of_the_legislators(congress_run, people, threshold) -> None:  # type: ignore[no-untyped-def]
    run = congress_run.run
    population = population_of(run.embeddings, run.manifest["subject"].to_numpy(), threshold)
    truth, _ = truths_of(population)
    rates = pair_columns(resampled_pairs(population, people, 2_000, np.random.default_rng(people)))
    held = ((rates.low <= truth.per_image) & (truth.per_image <= rates.high)).mean()
    assert held >= 0.93 - 2 * standard_error(0.93, 2_000)
