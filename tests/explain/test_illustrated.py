"""On illustrated people with known exposure and tone, balancing exposure gives the same gap as randomised exposure.

The darker people are photographed with lower exposure. The reference is an experiment that is impossible with real people: the
same people are photographed again with randomly assigned exposure, and the gap is counted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from facegap.audit.run import audit
from facegap.audit.settings import settings_from
from facegap.demo.illustrated.portraits import draw, draw_person, draw_photograph
from facegap.demo.run import card
from facegap.derive.balanced.rows import Row
from facegap.derive.balanced.work import Choices
from facegap.explain.build import explain
from fixtures.campaigns import short_and_full

DARKEST, BRIGHTEST = -2.2, 0.4  # EV
MIDDLE, APART, SPREAD = -0.4, 0.9, 0.6  # of the lighter people; mean difference of the darker people


def photographed(folder: Path, people: int, light: Callable[[bool, np.random.Generator], float]) -> Path:
    """A run of the demo's skewed model on people with one photograph each; their true exposure is a column of exposure.csv."""
    (folder / "images").mkdir(parents=True)
    rows = []
    for number in range(people):
        rng = np.random.default_rng([77, number])
        darker, gender = number % 2 == 1, ("female", "male")[number // 2 % 2]
        person = draw_person(rng, gender=gender, monk=int(rng.integers(1, 6)) + 5 * darker)
        photo = draw_photograph(rng)
        stops = float(np.clip(light(darker, np.random.default_rng([78, number])), DARKEST, BRIGHTEST))
        name = f"images/{number}.png"
        cv2.imwrite(str(folder / name), draw(person, replace(photo, exposure=photo.exposure * 2**stops)).pixels)
        rows.append((name, f"p{number}", gender, "darker" if darker else "lighter", stops))
    table = pd.DataFrame(rows, columns=["image", "subject", "gender", "tone", "exposure"])
    table[["image", "subject", "gender", "tone"]].to_csv(folder / "people.csv", index=False)
    table[["image", "exposure"]].to_csv(folder / "exposure.csv", index=False)
    given = {
        "detect": card("detector"),
        "classify": card("gender_skewed"),
        "by": "tone",
        "folder": folder / "run",
        "no_isolation": True,
    }
    audit(folder / "people.csv", settings_from(given))
    return folder


def assigned(darker: bool, rng: np.random.Generator) -> float:
    """Exposure that depends on tone."""
    return float(rng.normal(MIDDLE - APART * darker, SPREAD))


def at_random(darker: bool, rng: np.random.Generator) -> float:
    """The same exposures, randomly assigned."""
    return float(rng.normal(MIDDLE - APART * (rng.random() < 0.5), SPREAD))


def gaps_of(folder: Path) -> dict[str, Row]:
    choices = Choices(by="tone", reference="lighter", covariates=("exposure",), covariates_file=folder / "exposure.csv")
    rows = explain(folder / "run", choices).rows
    return {row.estimate: row for row in rows}


@short_and_full("people", 120, 700)
def test_the_gap_after_balancing_light_is_that_of_light_at_random(tmp_path, people):
    seen, truth = (gaps_of(photographed(tmp_path / light.__name__, people, light)) for light in (assigned, at_random))
    left, raw, true = seen["balanced"], seen["raw"], truth["raw"]
    assert left.overlap < 0.8 < truth["balanced"].overlap
    assert left.low - 0.05 < true.gap < left.high + 0.05
    assert seen["regression, rest"].low - 0.05 < true.gap < seen["regression, rest"].high + 0.05
    assert true.gap < raw.gap - 0.08, "most of what is seen goes with the light"
    assert seen["regression, associated"].low > 0
    assert truth["regression, associated"].low < 0.05, "light at random goes with no group"
    if people > 500:
        assert raw.low > left.high
        assert abs(left.gap - true.gap) < 0.06
