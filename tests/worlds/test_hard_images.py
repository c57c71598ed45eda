"""Labels whose errors depend on the model's errors."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from facegap.worlds.hard_images import HardImages, hard_image_worlds

SETTING = HardImages(people=2_000)


def test_equal_true_groups_differ_by_label_if_hard_images_get_one_label() -> None:
    found = hard_image_worlds(SETTING, 100, np.random.default_rng(3))
    by_truth = [found.wrong[:, found.truth == group].mean() for group in (0, 1)]
    assert np.allclose(by_truth, 0.1, atol=0.003)
    assert np.isclose(found.is_hard.mean(), 0.15, atol=0.003)
    by_label = [found.wrong[found.label == group].mean() for group in (0, 1)]
    assert by_label[1] - by_label[0] > 0.03


def test_hard_images_labelled_evenly_cause_no_gap() -> None:
    found = hard_image_worlds(replace(SETTING, as_second=0.5), 100, np.random.default_rng(3))
    by_label = [found.wrong[found.label == group].mean() for group in (0, 1)]
    assert abs(by_label[1] - by_label[0]) < 0.004


def test_independent_label_errors_show_no_effect_of_hard_images() -> None:
    setting = replace(SETTING, mislabelled=0.0, easy_wrong=0.1, rates=(0.02, 0.1))
    found = hard_image_worlds(setting, 50, np.random.default_rng(3))
    assert np.isclose((found.label != found.truth)[~found.is_hard].mean(), 0.1, atol=0.005)
    assert not (found.label != found.truth)[found.is_hard].any()
