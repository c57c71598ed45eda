"""Scores without names: two columns, counts and rates, and no narrow intervals."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from facegap.audit.run import recheck
from facegap.audit.settings import Verify
from facegap.errors import TableError
from fixtures.settings import audit_scores


@pytest.fixture
def scores(tmp_path: Path) -> Path:
    """Ten impostor scores 0 to 0.9, and four genuine ones, one of which was lost."""
    path = tmp_path / "scores.csv"
    impostor = [f"0,{k / 10}" for k in range(10)]
    path.write_text("\n".join(["genuine,score", *impostor, "1,0.95", "1,0.85", "1,0.75", "1,nan"]) + "\n")
    return path


def test_counts_are_those_of_the_file_and_the_interval_is_that_of_one_pair_of_people(
    scores: Path, tmp_path: Path
) -> None:
    run = audit_scores(scores, verify=Verify(fmr=(), threshold=(0.8,)), out=tmp_path / "run")
    rates = run.rates.set_index("metric")
    counted = {metric: (rates.loc[metric, "errors"], rates.loc[metric, "trials"]) for metric in rates.index}
    assert counted == {"fmr": (2, 10), "fnmr": (1, 3), "gfar": (2, 10), "gfrr": (2, 4)}
    assert rates.loc["fmr", "high"] - rates.loc["fmr", "low"] > 0.7
    assert np.isnan(rates.loc["fnmr", "low"])
    assert recheck(tmp_path / "run") == []
    assert any("names no subjects" in warning for warning in run.record.warnings)


def test_without_people_none_can_be_set_aside_for_the_threshold(scores: Path) -> None:
    with pytest.raises(TableError, match="--threshold"):
        audit_scores(scores)


def test_a_manifest_has_no_labels_for_scores_without_names(scores: Path, tmp_path: Path) -> None:
    manifest = tmp_path / "people.csv"
    manifest.write_text("image,subject,gender\na,a,f\n")
    with pytest.raises(TableError, match="name no subjects"):
        audit_scores(scores, manifest)
