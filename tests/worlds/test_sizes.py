"""The power that a plan promises is about what simulated people give, judged by the tests of an audit."""

import pytest

from facegap.statistics.sizes import Sampling, people_needed
from facegap.worlds.sizes import power_reached

BY_DIFFERENCE = {"rate": 0.05, "margin": 0.05, "is_ratio": False, "alpha": 0.05 / 6}
SETTINGS = {
    "images": ("image", Sampling(1), {"rate": 0.05, "margin": 0.02, "is_ratio": False, "alpha": 0.05}),
    "two images": ("image", Sampling(2, 0.1), BY_DIFFERENCE),
    "sessions": (
        "image",
        Sampling(1, 0.05, 10, 0.05),
        {"rate": 0.1, "margin": 0.05, "is_ratio": False, "alpha": 0.05 / 3},
    ),
    "FNMR": (
        "genuine pair",
        Sampling(2, 0.1),
        {"rate": 0.05, "margin": 2.0, "is_ratio": True, "alpha": 0.05 / 3},
    ),
    "FNMR of four": ("genuine pair", Sampling(4, 0.2), {"rate": 0.02, "margin": 3.0, "is_ratio": True, "alpha": 0.05}),
    "FNIR": ("mated search", Sampling(3, 0.1), {"rate": 0.1, "margin": 2.0, "is_ratio": True, "alpha": 0.05 / 3}),
    "FPIR": ("non-mated search", Sampling(2, 0.1), {"rate": 0.01, "margin": 3.0, "is_ratio": True, "alpha": 0.05 / 3}),
    "FMR": ("impostor pair", Sampling(1, 0.1), {"rate": 0.001, "margin": 3.0, "is_ratio": True, "alpha": 0.05 / 3}),
    "FMR of two": ("impostor pair", Sampling(2, 0.05), {"rate": 0.01, "margin": 2.0, "is_ratio": True, "alpha": 0.05}),
}


def promised_and_reached(name, goal, worlds, seed):
    kind, sampling, asked = SETTINGS[name]
    people = int(people_needed(kind, sampling, power=0.8, goal=goal, **asked))
    return power_reached(kind, people, sampling, goal=goal, worlds=worlds, seed=seed, **asked)


@pytest.mark.parametrize("name", ["two images", "FNIR", "FMR of two"])
def test_eighty_of_a_hundred_are_found_where_that_was_planned(name):
    assert promised_and_reached(name, "find", 200, 1) == pytest.approx(0.8, abs=0.12)


@pytest.mark.campaign
@pytest.mark.parametrize("goal", ["find", "exclude"])
@pytest.mark.parametrize("name", SETTINGS)
def test_the_power_of_a_plan_is_about_right(name, goal):
    reached = promised_and_reached(name, goal, 2_000, 2)
    assert 0.8 - 0.1 <= reached <= 0.8 + 0.1  # 0.884 for the FNMR of four groups
