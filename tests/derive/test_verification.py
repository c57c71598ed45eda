"""Six people worked by hand: FMR, FNMR, GFAR, GFRR by group, the cross-group matrix, and groups excluded from gaps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import det_curve

from facegap.audit.settings import Verify
from facegap.derive.groupings import cells_of
from facegap.derive.metrics import metric_of
from facegap.derive.people_sums import people_sums
from facegap.derive.run import comparisons_of, operating_of
from facegap.derive.verification import MOST_MATRIX_GROUPS, correlation_of, group_rates
from facegap.store.run import Run
from fixtures.settings import audit_embeddings

WORLD = {
    # all, women, men, without a gender
    "fmr": [(7, 41), (1, 4), (0, 5), (0, 0)],
    "gfar": [(7, 50), (1, 4), (0, 8), (0, 0)],
    "fnmr": [(2, 4), (1, 2), (1, 1), (0, 1)],
    "gfrr": [(3, 5), (1, 2), (2, 2), (0, 1)],
}
GENDERS = ["any", "female", "male", "unknown"]


@pytest.mark.parametrize("metric", WORLD)
def test_rates_of_six_people_are_those_counted_by_hand(six_run: Run, count_of: Any, metric: str) -> None:
    assert [count_of(six_run.rates, metric, gender=gender) for gender in GENDERS] == WORLD[metric]


def test_a_label_of_the_image_puts_a_person_into_two_groups_and_their_pair_into_neither(
    six_run: Run, count_of: Any
) -> None:
    rates = six_run.rates
    assert count_of(rates, "fmr", glasses="yes") == (0, 3)
    assert count_of(rates, "fmr", glasses="no") == (3, 20)
    assert count_of(rates, "fnmr", glasses="yes") == (0, 0)
    assert count_of(rates, "fnmr", glasses="no") == (0, 1)
    assert count_of(rates, "gfrr", glasses="no") == (1, 2)
    # 3 x 7 templates, less the three people with one image in each
    assert count_of(rates, "fmr", glasses="no", other={"glasses": "yes"}) == (4, 18)


def test_the_matrix_says_who_is_mistaken_for_whom_and_with_the_diagonal_adds_up_to_all(
    six_run: Run, count_of: Any
) -> None:
    rates = six_run.rates
    cells = {
        ("female", "male"): (4, 16),
        ("female", "unknown"): (0, 8),
        ("male", "unknown"): (2, 8),
    }
    for (one, other), expected in cells.items():
        assert count_of(rates, "fmr", gender=one, other={"gender": other}) == expected
    within = [count_of(rates, "fmr", gender=gender) for gender in GENDERS[1:]]
    total = np.sum([*cells.values(), *within], axis=0)
    assert tuple(total) == count_of(rates, "fmr")


def test_cells_of_the_matrix_have_intervals(six_run: Run) -> None:
    matrix = six_run.rates[(six_run.rates["other_gender"] != "") & (six_run.rates["trials"] > 0)]
    assert len(matrix) == 3 + 1  # three pairs of genders, and with glasses against without
    assert (matrix["low"] <= matrix["value"]).all()
    assert (matrix["high"] >= matrix["value"]).all()
    assert (matrix["low"] < matrix["high"]).all()


def test_a_crossing_has_cells_of_its_own(six: Any, count_of: Any) -> None:
    rates = six.run(by="gender*glasses").rates
    assert count_of(rates, "fmr", gender="female", glasses="yes") == (0, 1)
    assert count_of(rates, "fmr", gender="female", glasses="no") == (0, 1)
    across = count_of(rates, "fmr", gender="female", glasses="no", other={"gender": "female", "glasses": "yes"})
    assert across == (1, 2)  # bea1 and ada2


def test_no_trials_give_nan_and_not_zero(six_run: Run) -> None:
    rates = six_run.rates
    row = rates[(rates["metric"] == "fmr") & (rates["gender"] == "unknown") & (rates["other_gender"] == "")].iloc[0]
    assert row["trials"] == 0
    assert np.isnan([row["value"], row["low"], row["high"], row["effective_trials"]]).all()


def test_a_missing_label_is_shown_and_in_no_gap(six_run: Run) -> None:
    assert "unknown" in set(six_run.rates["gender"])
    assert not (six_run.gaps[["group_a", "group_b"]] == "unknown").any(axis=None)
    assert set(six_run.gaps.loc[six_run.gaps["family"] == "gender", "metric"]) == {"fta", "fmr", "gfar", "gfrr"}


def test_a_group_is_in_no_gap_of_a_rate_that_too_few_of_its_people_stand_behind(six: Any) -> None:
    gaps = six.run(min_subjects=2, by="gender").gaps
    fnmr = gaps[gaps["metric"] == "fnmr"]  # two women have a pair, and of three men one
    assert fnmr.empty
    assert len(gaps[gaps["metric"] == "gfrr"]) == 1
    assert len(gaps[gaps["metric"] == "fmr"]) == 1


def test_each_threshold_is_a_family_of_its_own(six: Any) -> None:
    run = six.run(threshold=(0.5, 0.9), by="gender")
    fmr = run.gaps[run.gaps["metric"] == "fmr"]
    assert fmr["threshold"].tolist() == [0.5, 0.9]
    assert (fmr["p"] == fmr["p_adjusted"]).all()  # one gap each


def test_a_threshold_given_twice_is_evaluated_once(six: Any) -> None:
    run = six.run(threshold=(0.5, 0.5), by="gender")
    assert [point.threshold for point in operating_of(run)] == [0.5]
    assert len(run.gaps[run.gaps["metric"] == "fmr"]) == 1


def test_reviewed_pairs_are_counted_nowhere(six: Any, count_of: Any, tmp_path: Path) -> None:
    reviewed = tmp_path / "reviewed.csv"
    reviewed.write_text("left,right\nbea1,ada2\ncyd1,cyd2\nada2,bea1\nbea1,ada2\neli2,dan1\neli1,eli2\nfox1,cyd1\n")
    rates = six.run(exclude_pairs=str(reviewed)).rates
    assert count_of(rates, "fmr", gender="female") == (0, 3)
    assert count_of(rates, "gfar", gender="female") == (0, 3)
    assert count_of(rates, "fmr", gender="male") == (0, 5)
    assert count_of(rates, "gfar", gender="male") == (0, 7)  # eli2 has no template
    assert count_of(rates, "fnmr", gender="unknown") == (0, 0)
    assert count_of(rates, "gfrr", gender="male") == (1, 1)
    assert count_of(rates, "fmr", gender="male", other={"gender": "unknown"}) == (1, 7)
    assert count_of(rates, "fmr") == (5, 39)
    assert count_of(rates, "gfar") == (5, 47)
    assert count_of(rates, "gfrr") == (2, 3)


def test_error_counts_are_those_of_scikit_learn_at_every_threshold(tmp_path: Path, count_of: Any) -> None:
    rng = np.random.default_rng(4)
    people = np.repeat(np.arange(20), 3)
    rows = rng.normal(size=(20, 6))[people] + rng.normal(size=(60, 6))
    np.save(tmp_path / "t.npy", rows.astype(np.float32))
    pd.DataFrame({"image": [f"i{k}" for k in range(60)], "subject": [f"s{k}" for k in people]}).to_csv(
        tmp_path / "m.csv", index=False
    )
    unit = (
        rows.astype(np.float32) / np.linalg.norm(rows.astype(np.float32).astype(float), axis=1, keepdims=True)
    ).astype(np.float32)
    left, right = np.triu_indices(60, 1)
    same = people[left] == people[right]
    scores = (unit[left].astype(float) * unit[right]).sum(axis=1)
    fmr, fnmr, thresholds = det_curve(same, scores)
    chosen = np.linspace(1, len(thresholds) - 2, 7).astype(int)
    # A threshold of scikit-learn is a score; slightly below it rounding has no effect.
    given = tuple(float(threshold) - 1e-9 for threshold in thresholds[chosen])
    run = audit_embeddings(tmp_path / "t.npy", tmp_path / "m.csv", verify=Verify(threshold=given))
    for metric, expected in (("fmr", fmr), ("fnmr", fnmr)):
        found = run.rates[run.rates["metric"] == metric].set_index("threshold")["value"]
        np.testing.assert_allclose(found.loc[list(given)], expected[chosen], atol=1e-12)


def test_rates_of_groups_that_share_people_are_correlated_and_of_others_not(six_run: Run) -> None:
    pairs = comparisons_of(six_run)
    assert pairs is not None
    rates = group_rates(pairs, six_run.manifest, [("gender",), ("glasses",)], operating_of(six_run), 0.95)
    found = {entry.cells.grouping: entry for entry in rates}
    assert correlation_of(pairs, found[("gender",)], "fmr", [0, 1]) is None
    shared = correlation_of(pairs, found[("glasses",)], "fmr", [0, 1])
    assert shared is not None
    assert shared[0, 0] == shared[1, 1] == 1
    assert abs(shared[0, 1]) <= 1


@pytest.mark.parametrize("metric", ["fmr", "fnmr", "gfar", "gfrr"])
def test_what_each_person_takes_part_in_is_the_same_for_all_pairs_and_for_a_list_of_them_all(
    six_run: Run, six_listed: Run, metric: str
) -> None:
    inside = cells_of(six_run.manifest, ("glasses",)).codes == 0
    whole, listed = comparisons_of(six_run), comparisons_of(six_listed)
    assert whole is not None
    assert listed is not None
    threshold = operating_of(six_run)[0].threshold
    one, other = (people_sums(pairs, threshold, metric_of(metric), inside, 6) for pairs in (whole, listed))
    np.testing.assert_array_equal(one[0], other[0])
    np.testing.assert_array_equal(one[1], other[1])
    # ada2-dan1, and fox1 with both of cyd; wrong genuine pairs: none with templates, eli's lost one
    by_hand = {"fmr": [1, 0, 2, 1, 0, 2], "gfar": [1, 0, 2, 1, 0, 2], "fnmr": [0] * 6, "gfrr": [0, 0, 0, 0, 1, 0]}
    assert one[0].tolist() == by_hand[metric]


def test_too_many_groups_have_no_matrix(tmp_path: Path) -> None:
    towns = MOST_MATRIX_GROUPS + 1
    angles = np.linspace(0, 6, 2 * towns)
    np.save(tmp_path / "t.npy", np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32))
    lines = [f"i{k},s{k},g{k % towns:02d}" for k in range(2 * towns)]
    (tmp_path / "m.csv").write_text("image,subject,town\n" + "\n".join(lines) + "\n")
    run = audit_embeddings(tmp_path / "t.npy", tmp_path / "m.csv", by="town", verify=Verify(fmr=(), threshold=(0.5,)))
    assert (run.rates["other_town"] == "").all()
    assert len(run.rates[(run.rates["metric"] == "fmr")]) == towns + 1


def test_people_without_a_label_are_no_group_however_many_they_are(tmp_path: Path) -> None:
    angles = np.linspace(0, 6, 36)
    np.save(tmp_path / "t.npy", np.stack([np.cos(angles), np.sin(angles)], axis=1))
    lines = [f"i{k},s{k // 2},{('f', 'm', '')[k // 2 % 3]}" for k in range(36)]
    (tmp_path / "m.csv").write_text("image,subject,gender\n" + "\n".join(lines) + "\n")
    chosen = Verify(fmr=(0.2,), in_sample=True)
    run = audit_embeddings(
        tmp_path / "t.npy", tmp_path / "m.csv", by="gender", verify=chosen, groups={"min_subjects": 2}
    )
    assert (run.rates["gender"] == "unknown").sum() > 4  # shown, in the matrix too
    assert set(run.gaps["group_a"]) | set(run.gaps["group_b"]) == {"female", "male"}
    assert set(run.extra["differentials.csv"]["groups"]) == {2}
    assert {point.on for point in run.record.transfer_points} == {"female", "male"}
