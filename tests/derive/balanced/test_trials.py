"""Impostor pairs: every false match, and a weighted sample that represents the rest."""

from __future__ import annotations

import numpy as np
import pytest

from facegap.derive.balanced import trials
from facegap.derive.balanced.covariates import Covariate
from facegap.derive.balanced.trials import impostor_trials
from facegap.derive.run import comparisons_of
from fixtures.reports import compared


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return compared(tmp_path_factory.mktemp("pairs"), ["Ayr"], people=30, noise=0.9, by="town")


@pytest.mark.parametrize("most", [100, 20_000])
def test_weights_sum_to_all_pairs_and_no_pair_is_of_one_person_or_twice_in_error(run, monkeypatch, most):
    monkeypatch.setattr(trials, "OTHERS_PER_GROUP", most)
    pairs = comparisons_of(run)
    everybody = np.ones(len(run.manifest), bool)
    cut = pairs.cut(run.record.operating[0])
    found = impostor_trials(pairs, cut, everybody, np.random.default_rng(0))
    assert found.trials == 60 * 59 // 2 - 30
    assert found.weights.sum() == pytest.approx(found.trials)
    assert found.errors.sum() == len(pairs.false_matches(cut)) > 0
    assert (found.weights[found.errors] == 1).all()
    assert (found.subjects[:, 0] != found.subjects[:, 1]).all()
    assert (~found.errors).sum() <= most
    wrong = {tuple(sorted(row)) for row in found.rows[found.errors].tolist()}
    assert not wrong & {tuple(sorted(row)) for row in found.rows[~found.errors].tolist()}


def test_a_pair_has_the_least_the_greatest_and_the_difference_of_a_covariate(run):
    pairs = comparisons_of(run)
    found = impostor_trials(
        pairs, pairs.cut(run.record.operating[0]), np.ones(len(run.manifest), bool), np.random.default_rng(0)
    )
    light = Covariate("light", np.arange(len(run.manifest), dtype=float), "test")
    columns, owners = found.covariates([light])
    first, second = found.rows.T
    np.testing.assert_array_equal(
        columns, np.stack([np.minimum(first, second), np.maximum(first, second), abs(first - second)], 1)
    )
    assert owners.tolist() == [0, 0, 0]
