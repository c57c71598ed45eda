"""Group sizes, and the gap that is detectable with groups of that size."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from facegap.catalogue.check import group_summary
from facegap.errors import TableError
from facegap.inputs.manifests.read import Manifest, read_manifest
from facegap.statistics.power import detectable_difference


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    """Forty men of one image each, thirty women of two, one person without a label."""
    men = [f"m{i}.jpg,M{i},m,x" for i in range(40)]
    women = [f"w{i}_{k}.jpg,W{i},f,{'xy'[i % 2]}" for i in range(30) for k in range(2)]
    (tmp_path / "m.csv").write_text("\n".join(["image,subject,gender,tone", *men, *women, "u.jpg,U,,x"]) + "\n")
    return read_manifest(tmp_path / "m.csv")


def test_people_are_the_trials_and_the_largest_group_is_the_measure(manifest: Manifest) -> None:
    summary = group_summary(manifest, ["gender"])
    assert summary["gender"].tolist() == ["male", "female", "unknown"]
    assert summary["images"].tolist() == [40, 60, 1]
    assert summary["subjects"].tolist() == [40, 30, 1]
    assert math.isnan(summary["detectable_difference"].iloc[0])
    assert summary["detectable_difference"].iloc[1] == detectable_difference(30, 40, base=0.05)


def test_crossed_groups_are_those_that_occur(manifest: Manifest) -> None:
    summary = group_summary(manifest, ["gender", "tone"])
    assert summary[["gender", "tone"]].to_numpy().tolist() == [
        ["male", "x"],
        ["female", "x"],
        ["female", "y"],
        ["unknown", "x"],
    ]
    assert summary["subjects"].tolist() == [40, 15, 15, 1]
    assert summary["detectable_difference"].iloc[1] == summary["detectable_difference"].iloc[2] > 0.2


def test_a_group_of_one_person_shows_nothing(manifest: Manifest) -> None:
    found = group_summary(manifest, ["gender"])["detectable_difference"].iloc[2]
    assert math.isnan(found) or found > 0.5


@pytest.mark.parametrize("by", [[], ["race"], ["gender", "race"], ["image"]])
def test_only_label_columns_make_groups(manifest: Manifest, by: list[str]) -> None:
    with pytest.raises(TableError, match=r"label column.*; the manifest has gender, tone"):
        group_summary(manifest, by)
