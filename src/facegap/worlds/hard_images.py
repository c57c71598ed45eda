"""Planted worlds whose labels err together with the model: the images that are hard for one are hard for the other.

No interval can cover this, and no resampling of labels that errs independently of the model: two groups whose true error
rates are equal differ where hard images are labelled as one of them more often than as the other. Such worlds have no part
in coverage; they are for bounds that state how far labels may err with the model.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from facegap.types import BoolArray, FloatArray, IntArray
from facegap.worlds.people import person_chances


@dataclass(frozen=True)
class HardImages:
    """People of two true groups, one image each unless `images` says more; some images are hard.

    Estimand: the error rate per image of each true group, `rates`; their difference is the planted gap.

    people      : of each true group
    rates       : error rate of each true group over all its images
    hard        : proportion of images that are hard, the same in both groups
    times_worse : the error rate of hard images over that of the others
    mislabelled : of hard images, the proportion whose label is taken anew without regard to the true group
    as_second   : of those, the proportion labelled as the second group; 0.5 blurs a gap, more makes one
    easy_wrong  : of the other images, the proportion with the wrong label
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
    """Arrays [worlds, images of both groups], people after people, the first true group first.

    wrong    : the model errs
    label    : the group that the image is labelled as, 0 or 1
    truth    : the true group, 0 or 1, [images]
    person   : codes, [images]
    is_hard  : the image is hard; an auditor does not know
    """

    wrong: BoolArray
    label: IntArray
    truth: IntArray
    person: IntArray
    is_hard: BoolArray


def hard_image_worlds(setting: HardImages, worlds: int, rng: np.random.Generator) -> HardImageWorlds:
    """Worlds of a setting.

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
    drawn = rng.random(is_hard.shape) < setting.as_second
    swapped = ~is_hard & (rng.random(is_hard.shape) < setting.easy_wrong)
    label = np.where(anew, drawn, np.where(swapped, 1 - truth, truth)).astype(np.int64)
    return HardImageWorlds(wrong, label, truth, person, is_hard)


def chances_of(setting: HardImages, is_hard: BoolArray, person: IntArray, rng: np.random.Generator) -> FloatArray:
    """Chance of an error of each image: that of its person, raised where the image is hard, with the mean planted."""
    shape = (len(is_hard), setting.people)
    own = np.concatenate([person_chances(rate, "beta", setting.strength, shape, rng) for rate in setting.rates], axis=1)
    average = setting.hard * setting.times_worse + 1 - setting.hard
    times = np.where(is_hard, setting.times_worse, 1.0) / average
    return np.asarray(np.minimum(own[:, person] * times, 1.0), dtype=np.float64)
