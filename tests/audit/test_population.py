"""--weights and --shares from the manifest to the tables: by hand, rejected if they do not define a population, and in words."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from facegap.audit.population import is_weight
from facegap.audit.run import recheck
from facegap.audit.settings import Verify
from facegap.errors import TableError
from facegap.report.figures.slopes import slope_figures
from facegap.report.population import population_tables
from facegap.report.summary import all_tables
from facegap.store.run import Run
from fixtures.settings import audit_embeddings, audit_predictions

# gender, age, weight, wrong: 30 people in each of four cells; the k-th is wrong if k is below this number.
CELLS = (("female", "old", 3.0, 12), ("female", "young", 1.0, 3), ("male", "old", 3.0, 6), ("male", "young", 1.0, 3))
SHARES = "age,share\nold,0.8\nyoung,0.2\n"


def answers(folder: Path, **groups: Any) -> Run:
    rows = [
        {"image": f"i{c}-{k}", "gender": gender, "age": age, "w": weight, "wrong": k < wrong}
        for c, (gender, age, weight, wrong) in enumerate(CELLS)
        for k in range(30)
    ]
    frame = pd.DataFrame(rows).assign(subject=range(120))
    other = frame["gender"].map({"female": "male", "male": "female"})
    frame.drop(columns="wrong").to_csv(folder / "m.csv", index=False)
    said = frame.assign(prediction=frame["gender"].where(~frame["wrong"], other))[["image", "prediction"]]
    said.to_csv(folder / "a.csv", index=False)
    out = groups.pop("out", None)
    return audit_predictions(folder / "a.csv", folder / "m.csv", by="gender", groups=groups, out=out)


def shares(folder: Path, text: str) -> Path:
    (folder / "shares.csv").write_text(text)
    return folder / "shares.csv"


def rate(run: Run, gender: str, metric: str = "error_rate_all") -> pd.Series:
    table = run.extra["weighted_rates.csv"]
    return table[(table["metric"] == metric) & (table["gender"] == gender)].iloc[0]


def test_weighted_rates_stand_beside_what_was_counted(tmp_path: Path) -> None:
    run = answers(tmp_path, weights="w", out=tmp_path / "run")
    women = rate(run, "female")
    assert (women["errors"], women["trials"], women["subjects"]) == (15, 60, 60)
    assert women["unweighted_value"] == pytest.approx(15 / 60)
    assert women["weighted_value"] == pytest.approx((3 * 12 + 3) / (4 * 30))
    gap = run.extra["weighted_gaps.csv"].set_index("metric").loc["error_rate_all"]
    assert gap["verdict"] == "exploratory"
    assert np.isfinite([gap["p_adjusted"], gap["decided_low"], gap["decided_high"]]).all()
    assert gap["difference"] == pytest.approx((3 * 12 + 3 - 3 * 6 - 3) / 120)
    assert (gap["errors_a"], gap["trials_b"]) == (15, 60)
    counted = run.gaps[run.gaps["metric"] == "error_rate_all"].iloc[0]
    assert counted["difference"] == pytest.approx(15 / 60 - 9 / 60)  # gaps.csv is unchanged
    assert recheck(tmp_path / "run") == []


def test_shares_put_every_group_into_the_same_composition(tmp_path: Path) -> None:
    run = answers(tmp_path, shares=shares(tmp_path, SHARES), out=tmp_path / "run")
    assert rate(run, "female")["weighted_value"] == pytest.approx(0.8 * 12 / 30 + 0.2 * 3 / 30)
    assert rate(run, "male")["weighted_value"] == pytest.approx(0.8 * 6 / 30 + 0.2 * 3 / 30)
    assert run.record.shares is not None
    assert [cell.share for cell in run.record.shares.cells] == [0.8, 0.2]
    assert recheck(tmp_path / "run") == []


def test_shares_of_the_groups_themselves_leave_each_group_its_own_cells(tmp_path: Path) -> None:
    text = "gender,age,share\nfemale,old,0.1\nfemale,young,0.3\nmale,old,0.3\nmale,young,0.3\n"
    run = answers(tmp_path, shares=shares(tmp_path, text))
    assert rate(run, "female")["weighted_value"] == pytest.approx(0.25 * 12 / 30 + 0.75 * 3 / 30)
    assert rate(run, "any")["weighted_value"] == pytest.approx((0.1 * 12 + 0.3 * 3 + 0.3 * 6 + 0.3 * 3) / 30)


def test_the_estimand_is_said_in_words_on_every_surface(tmp_path: Path) -> None:
    run = answers(tmp_path, weights="w")
    words = "rates of the population represented by the weights in w"
    assert (run.extra["weighted_rates.csv"]["estimand"] == words).all()
    assert any(words in warning for warning in run.record.warnings)
    assert all(words in " ".join(table.notes) for table in population_tables(run))
    titles = [table.title for table in all_tables(run, view=None, include_ids=False)]
    assert "rates for the population" in titles
    assert "weighted_rates.csv" not in answers(tmp_path).extra


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("age,share\nold,0.8\nyoung,0.1\n", "sum to 0.9, not to 1"),
        ("age,share\nold,0.5\nyoung,0.2\nbaby,0.3\n", "'baby' has a proportion but no subject"),
        ("age,share\nold,1\n", "no proportion for 'young'"),
        ("age,share\nold,0.5\nold,0.5\n", "line 3: 'old' occurs twice; add up the two"),
        ("age,share\nold,1.5\nyoung,-0.5\n", "line 2, column share: '1.5'"),
        ("age,share\nold,nan\nyoung,1\n", "line 2, column share: 'nan'"),
        ("agee,share\nold,0.5\nyoung,0.5\n", "did you mean 'age'"),
        ("age\nold\nyoung\n", "needs a column 'share'"),
    ],
)
def test_shares_that_make_no_population_are_refused(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(TableError, match=told):
        answers(tmp_path, shares=shares(tmp_path, text))


def test_a_weight_whose_square_is_no_number_is_none() -> None:
    assert all(is_weight(text) for text in ("0", "-0", "1e-12", "0.8", "1e12", " 1 "))
    assert not any(
        is_weight(text) for text in ("1e308", "1e-320", "-1", "nan", "inf", "1e999", "", "old", "1_000", "\u0663")
    )


def test_a_column_that_is_no_weight_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TableError, match=r"line 2, column age: 'old' is not a weight"):
        answers(tmp_path, weights="age")
    with pytest.raises(TableError, match="no label column 'ww'; did you mean 'w'"):
        answers(tmp_path, weights="ww")


def test_false_non_matches_are_weighted_by_their_people_and_false_matches_not(tmp_path: Path) -> None:
    """Ten people with two images; the first five have weight 4. Two of these and one of the others are rejected."""
    rows = np.zeros((20, 16))
    for person in range(10):
        rows[2 * person, person] = rows[2 * person + 1, person] = 1.0
    for person in (0, 1, 7):
        rows[2 * person + 1] = 0.0
        rows[2 * person + 1, 10 + person % 5] = 1.0
    np.save(tmp_path / "t.npy", rows)
    frame = pd.DataFrame({"image": [f"i{k}" for k in range(20)], "subject": np.repeat(range(10), 2)})
    frame.assign(gender="female", w=np.repeat([4.0, 1.0], 10)).to_csv(tmp_path / "m.csv", index=False)
    run = audit_embeddings(
        tmp_path / "t.npy", tmp_path / "m.csv", by="gender", verify=Verify(threshold=(0.5,)), groups={"weights": "w"}
    )
    found = rate(run, "female", "fnmr")
    assert (found["errors"], found["trials"]) == (3, 10)
    assert found["weighted_value"] == pytest.approx((2 * 4 + 1) / 25)
    assert "fmr" not in set(run.extra["weighted_rates.csv"]["metric"])


def aged(folder: Path, **groups: Any) -> Run:
    """300 people from 20 to 69 years; older people are misclassified more often, up to 60%."""
    age = np.arange(300) % 50 + 20
    gender = np.where(np.arange(300) // 50 % 2, "female", "male")
    wrong = (np.arange(300) * 7919 % 300) / 300 < (age - 20) / 80
    frame = pd.DataFrame({"image": [f"i{k}" for k in range(300)], "subject": range(300), "gender": gender, "age": age})
    frame["age"] = frame["age"].astype(str)
    frame.loc[299, "age"] = ""
    frame.to_csv(folder / "m.csv", index=False)
    said = np.where(wrong, np.where(gender == "female", "male", "female"), gender)
    pd.DataFrame({"image": frame["image"], "prediction": said}).to_csv(folder / "a.csv", index=False)
    out = groups.pop("out", None)
    return audit_predictions(
        folder / "a.csv", folder / "m.csv", by="gender", groups={"slope": "age", **groups}, out=out
    )


def test_an_error_rate_that_rises_with_age_is_a_gap_along_it(tmp_path: Path) -> None:
    run = aged(tmp_path, out=tmp_path / "run")
    row = run.extra["slopes.csv"].set_index("metric").loc["error_rate_all"]
    assert (row["trials"], row["without_value"]) == (299, 1)
    assert (row["from_value"], row["to_value"]) == pytest.approx((25, 65), abs=1)
    assert row["rate_to"] > 0.4 > 0.2 > row["rate_from"]
    assert row["change"] == pytest.approx(row["rate_to"] - row["rate_from"])
    assert row["change_per_10"] == pytest.approx(row["change"] / (row["to_value"] - row["from_value"]) * 10)
    assert row["verdict"] == "gap larger than the margin"
    assert row["decided_low"] > 0.02
    assert recheck(tmp_path / "run") == []
    titles = [table.title for table in all_tables(run, view=None, include_ids=False)]
    assert "error rates along continuous columns" in titles
    assert any("1 rows have none" in warning for warning in run.record.warnings)


def test_a_chart_of_the_curve_says_its_ends(tmp_path: Path) -> None:
    [figure] = slope_figures(aged(tmp_path))
    assert figure.name == "slope-error-rate-all-age"
    assert "along age" in figure.title
    assert "at 20 to" in figure.alt


def test_ages_in_ranges_are_no_numbers(tmp_path: Path) -> None:
    with pytest.raises(TableError, match=r"line 2, column age: 'old' is not a number .* compare ranges with --by age"):
        answers(tmp_path, slope="age")
