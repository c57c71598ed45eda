"""Losses of images by stage, worked by hand."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from facegap.derive.comparisons import Comparisons
from facegap.derive.groupings import cells_of
from facegap.derive.waterfall import stages_of, waterfall_table
from facegap.store.record import Operating
from facegap.store.run import Run

# outcome, faces found, policy, answer, counted in the evaluation set
IMAGES = [
    ("ok", 1, "largest", "right", True),
    ("ok", 2, "largest", "wrong", True),
    ("no_face", 0, "largest", "no_answer", True),
    ("many_faces", 2, "largest", "no_answer", True),
    ("too_small", 1, "largest", "no_answer", True),
    ("unreadable", 0, "largest", "not_shown", True),
    ("missing_file", 0, "largest", "not_shown", True),
    ("no_template", 1, "largest", "right", True),
    ("ok", 1, "largest", "unlabelled", False),
    ("ok", 1, "largest", "outside_classes", True),
]
FACES = pd.DataFrame(
    {"outcome": [i[0] for i in IMAGES], "faces": [i[1] for i in IMAGES], "policy": [i[2] for i in IMAGES]}
)
PREDICTIONS = pd.DataFrame({"outcome": [i[3] for i in IMAGES]})
CHAINS = (
    ("images", "decoded", "detected", "enrolled", "compared", "with_mate", "matched"),
    ("images", "labelled", "answered", "right"),
)


def stages(**chosen: Any) -> dict[str, int]:
    asked = {"detected": True, "says_gender": True, "pairs": None, "cut": 0.5, **chosen}
    return {name: int(reached.sum()) for name, reached in stages_of(FACES, PREDICTIONS, **asked).items()}


def compared() -> Comparisons:
    """Images 0 and 1 are one person's and score .4; 9 and 8 another's, where 8 was set aside."""
    subjects = np.array([0, 0, 1, 2, 3, 4, 5, 6, 7, 7])
    enrolled = (FACES["outcome"] == "ok").to_numpy()
    counted = np.array([image[4] for image in IMAGES])
    return Comparisons(
        subjects,
        enrolled,
        counted,
        np.array([(0, 9)]),
        np.array([0.1]),
        -np.inf,
        np.array([(0, 1)]),
        np.array([0.4]),
        np.empty((0, 2), np.int64),
    )


def test_each_stage_counts_what_reached_it() -> None:
    assert stages() == {
        "images": 10,
        "decoded": 8,
        "detected": 7,
        "enrolled": 4,
        "labelled": 6,
        "answered": 3,
        "right": 2,
    }


def test_a_box_that_found_the_faces_out_of_sight_is_not_said_to_have_decoded_them() -> None:
    closed = FACES.assign(policy="", outcome=["ok", "ok", *["no_template"] * 6, "ok", "ok"])
    found = stages_of(closed, PREDICTIONS, detected=True, says_gender=False, pairs=None, cut=0.5)
    assert list(found) == ["images", "enrolled"]
    assert list(stages_of(closed, PREDICTIONS, detected=False, says_gender=False, pairs=None, cut=0.5)) == ["images"]


def test_images_set_aside_are_no_loss_and_a_mate_may_be_refused() -> None:
    pairs = compared()
    found = {name: stages(pairs=pairs, says_gender=False, cut=t) for name, t in (("high", 0.5), ("low", 0.4))}
    parts = {name: value for name, value in found["high"].items() if name not in ("images", "decoded", "detected")}
    assert parts == {"enrolled": 4, "set_aside": 1, "compared": 3, "with_mate": 2, "matched": 0}
    assert found["low"]["matched"] == 2  # a score at the threshold is a match


def test_one_refusal_among_several_mates_is_enough() -> None:
    pairs = Comparisons(
        np.zeros(10, np.int64),
        np.ones(10, np.bool_),
        np.ones(10, np.bool_),
        np.empty((0, 2), np.int64),
        np.empty(0),
        -np.inf,
        np.array([(0, 1), (0, 2), (3, 4)]),
        np.array([0.9, 0.1, np.nan]),
        np.empty((0, 2), np.int64),
    )
    found = stages_of(FACES, PREDICTIONS, detected=False, says_gender=False, pairs=pairs, cut=0.5)
    assert np.flatnonzero(found["with_mate"]).tolist() == [0, 1, 2]
    assert np.flatnonzero(found["matched"]).tolist() == [1]


def test_no_stage_of_a_chain_exceeds_the_one_before_it() -> None:
    found = stages_of(FACES, PREDICTIONS, detected=True, says_gender=True, pairs=compared(), cut=0.5)
    for chain in CHAINS:
        for before, after in pairwise(chain):
            assert not (found[after] & ~found[before]).any(), (before, after)


def test_groups_add_up_to_everybody_and_the_threshold_stands_beside() -> None:
    manifest = pd.DataFrame({"gender": ["female"] * 4 + ["male"] * 5 + ["unknown"]})
    found = stages_of(FACES, PREDICTIONS, detected=True, says_gender=True, pairs=compared(), cut=0.5)
    table = waterfall_table(manifest, found, [(), ("gender",)], Operating(0.5, "IN-SAMPLE"))
    assert table["gender"].tolist() == ["any", "female", "male", "unknown"]
    assert (table[list(found)].iloc[1:].sum() == table[list(found)].iloc[0]).all()
    assert set(table["threshold_from"]) == {"IN-SAMPLE"}
    assert set(table["threshold"]) == {0.5}
    assert "threshold" not in waterfall_table(manifest, found, [()], None).columns
    assert len(cells_of(manifest, ("gender",)).groups) == 3


def test_six_people_by_hand(six_run: Run) -> None:
    table = six_run.extra["waterfall.csv"]
    table = table[table["glasses"] == "any"].set_index("gender")
    assert table.loc["any", ["images", "enrolled", "set_aside", "compared", "with_mate", "matched"]].tolist() == [
        11,
        10,
        0,
        10,
        8,
        4,
    ]
    assert table.loc["male", ["images", "enrolled", "compared", "with_mate", "matched"]].tolist() == [5, 4, 4, 2, 0]
    assert table.loc["female", "matched"] == 2
    assert table.loc["unknown", "matched"] == 2


def test_where_a_list_names_the_pairs_only_its_images_were_compared(six: Any, tmp_path: Any) -> None:
    (tmp_path / "two.csv").write_text("left,right\nada1,ada2\nada1,dan1\neli2,dan1\neli2,fox1\nada1,bea1\n")
    table = six.run(by="gender", pairs=str(tmp_path / "two.csv")).extra["waterfall.csv"].set_index("gender")
    assert table.loc["any", ["enrolled", "compared", "with_mate", "matched"]].tolist() == [10, 4, 2, 2]
