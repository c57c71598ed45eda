"""Simulated labels whose errors depend on the model's errors: images that are hard for one are hard for the other.

No interval can cover this, and neither can resampling of labels with independent errors: two groups with equal true error
rates differ if hard images are labelled as one group more often than as the other. These simulations are not used for
coverage, but for bounds that state how strongly label errors may depend on the model's errors.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from facegap.types import BoolArray, FloatArray, IntArray
from facegap.worlds.people import person_chances


@dataclass(frozen=True)
class HardImages:
    """People of two true groups, one image each unless `images` is larger; some images are hard.

    Estimand: the error rate per image of each true group, `rates`; their difference is the planted gap.

    people      : number in each true group
    rates       : error rate of each true group over all its images
    hard        : proportion of hard images, the same in both groups
    times_worse : error rate of hard images divided by that of the others
    mislabelled : proportion of hard images whose label is replaced independently of the true group
    as_second   : proportion of these that get the second group's label; above 0.5 this creates a gap, at 0.5 it dilutes one
    easy_wrong  : proportion of the other images with a wrong label
    strength    : intraclass correlation of the errors of a person
    """

    people: int = 300
    images: int = 1
    rates: tuple[float, float] = (0.1, 0.1)
    hard: float = 0.15
    times_worse: float = 6.0
    mislabelled: float = 0.6
    as_second: float = 0.9
    easy_wrong: float = 0.02
    strength: float = 0.0


@dataclass(frozen=True, eq=False)
class HardImageWorlds:
    """Arrays [worlds, images of both groups], grouped by person, the first true group first.

    wrong    : whether the model errs
    label    : the labelled group, 0 or 1
    truth    : the true group, 0 or 1, [images]
    person   : codes, [images]
    is_hard  : whether the image is hard, which an auditor does not know
    """

    wrong: BoolArray
    label: IntArray
    truth: IntArray
    person: IntArray
    is_hard: BoolArray


def hard_image_worlds(setting: HardImages, worlds: int, rng: np.random.Generator) -> HardImageWorlds:
    """Simulations of a setting.

    Examples
    --------
    >>> import numpy as np
    >>> found = hard_image_worlds(HardImages(people=2_000), 50, np.random.default_rng(1))
    >>> by_truth = [found.wrong[:, found.truth == group].mean() for group in (0, 1)]
    >>> by_label = [found.wrong[found.label == group].mean() for group in (0, 1)]
    >>> bool(abs(by_truth[1] - by_truth[0]) < 0.01), bool(by_label[1] - by_label[0] > 0.03)
    (True, True)
    """
    truth = np.repeat([0, 1], setting.people * setting.images)
    person = np.repeat(np.arange(2 * setting.people), setting.images)
    is_hard = rng.random((worlds, len(truth))) < setting.hard
    wrong = rng.random(is_hard.shape) < chances_of(setting, is_hard, person, rng)
    anew = is_hard & (rng.random(is_hard.shape) < setting.mislabelled)
    simulated = rng.random(is_hard.shape) < setting.as_second
    swapped = ~is_hard & (rng.random(is_hard.shape) < setting.easy_wrong)
    label = np.where(anew, simulated, np.where(swapped, 1 - truth, truth)).astype(np.int64)
    return HardImageWorlds(wrong, label, truth, person, is_hard)


def chances_of(setting: HardImages, is_hard: BoolArray, person: IntArray, rng: np.random.Generator) -> FloatArray:
    """Error probability of each image: that of its person, higher for hard images, with the planted mean."""
    shape = (len(is_hard), setting.people)
    own = np.concatenate([person_chances(rate, "beta", setting.strength, shape, rng) for rate in setting.rates], axis=1)
    average = setting.hard * setting.times_worse + 1 - setting.hard
    times = np.where(is_hard, setting.times_worse, 1.0) / average
    return np.asarray(np.minimum(own[:, person] * times, 1.0), dtype=np.float64)
