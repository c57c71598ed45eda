"""FTA, FAR, FRR and HTER as bob.measure defines them, by hand."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from facegap.audit.settings import Verify
from facegap.report.score_tables import bob_tables, score_table
from facegap.report.summary import all_tables
from fixtures.settings import audit_scores

# left, right, score: four genuine pairs, one lost and one rejected; six impostor pairs, one lost and
# two are at the threshold 0.5 or above.
PAIRS = [
    ("a1", "a2", 0.9),
    ("b1", "b2", 0.5),
    ("c1", "c2", 0.4),
    ("d1", "d2", math.nan),
    ("a1", "b1", 0.5),
    ("a1", "c1", 0.6),
    ("b1", "c1", 0.1),
    ("a2", "c2", 0.2),
    ("b2", "c2", 0.3),
    ("a1", "d1", math.nan),
]


def scored(folder: Path, **verify: Any) -> Any:
    pd.DataFrame(PAIRS, columns=["left", "right", "score"]).to_csv(folder / "s.csv", index=False)
    images = sorted({name for pair in PAIRS for name in pair[:2]})
    people = pd.DataFrame({"image": images, "subject": [name[0] for name in images], "gender": "female"})
    people.to_csv(folder / "m.csv", index=False)
    chosen = Verify(threshold=(0.5,), **verify)
    return audit_scores(folder / "s.csv", folder / "m.csv", by="gender", verify=chosen)


def test_lost_scores_of_both_kinds_make_one_failure_to_acquire_rate(tmp_path: Path) -> None:
    run = scored(tmp_path, bob_rates=True)
    row = run.extra["bob_rates.csv"].iloc[0]
    fta, fmr, fnmr = 2 / 10, 2 / 5, 1 / 3
    assert (row["lost_pairs"], row["pairs"]) == (2, 10)
    assert row["fta"] == pytest.approx(fta)
    assert (row["fmr"], row["fnmr"]) == (pytest.approx(fmr), pytest.approx(fnmr))
    assert row["far"] == pytest.approx(fmr * (1 - fta))
    assert row["frr"] == pytest.approx(fta + fnmr * (1 - fta))
    assert row["hter"] == pytest.approx((row["far"] + row["frr"]) / 2)
    [table] = bob_tables(run)
    assert table.columns[-6:] == ("FTA", "FMR", "FNMR", "FAR", "FRR", "HTER")
    assert "bob.measure" in table.notes[0]
    assert table.title in [shown.title for shown in all_tables(run, view=None, include_ids=False)]


def test_they_are_printed_on_request_alone(tmp_path: Path) -> None:
    run = scored(tmp_path)
    assert "bob_rates.csv" not in run.extra
    assert bob_tables(run) == []


@pytest.mark.parametrize(("eer", "words"), [("midpoint", "least |FMR - FNMR|"), ("fvc", "FVC2000")])
def test_the_equal_error_rate_names_its_convention(tmp_path: Path, eer: Any, words: str) -> None:
    run = scored(tmp_path, eer=eer)
    assert run.extra["scores.csv"]["equal_error_convention"].str.startswith(words).all()
    assert any(note.startswith(f"EER: {words}") for note in score_table(run).notes)
