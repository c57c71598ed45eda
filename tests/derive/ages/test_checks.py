"""An age check end to end: one outcome per image, both rates worked by hand, curves, targets, and invalid settings."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from facegap.audit.run import recheck
from facegap.audit.settings import age_band_parts, settings_from
from facegap.derive.ages.checks import year_of
from facegap.derive.ages.errors import Bands
from facegap.derive.ages.trials import age_check, class_ends
from facegap.errors import SettingError, TableError
from facegap.report.ages import band_table, check_tables, equal_age_tables, year_table
from facegap.report.figures import figures_in
from facegap.report.page import add_report
from facegap.store.run import Run, read_run
from fixtures.settings import asked, audit_predictions

PEOPLE = """image,subject,group,age
a.jpg,a,x,16
b.jpg,b,x,17
c.jpg,c,x,17
d.jpg,d,x,10-19
e.jpg,e,y,under 18
f.jpg,f,y,18
g.jpg,g,y,40
h.jpg,h,y,20-29
i.jpg,i,y,
j.jpg,j,x,30
k.jpg,k,y,30
"""
ANSWERS = """image,age
a.jpg,26
b.jpg,24.9
c.jpg,
d.jpg,30
e.jpg,25
f.jpg,24
g.jpg,38
h.jpg,24-30
i.jpg,50
j.jpg,
"""
SEVEN = ("not_shown", "without_age", "straddling", "no_estimate_under", "no_estimate_from_limit", "under", "from_limit")


def audited(folder: Path, *, people: str = PEOPLE, answers: str = ANSWERS, **given: Any) -> Run:
    """An audit of predictions of ages."""
    (folder / "people.csv").write_text(people, encoding="utf-8")
    (folder / "answers.csv").write_text(answers, encoding="utf-8")
    words = {"by": "group", "age_limit": 18, "challenge": 25, "allow_missing": True} | given
    return audit_predictions(folder / "answers.csv", folder / "people.csv", **asked(**words))


def test_eleven_images_by_hand_each_in_one_outcome(tmp_path: Path) -> None:
    run = audited(tmp_path)
    table = run.extra["age_checks.csv"].set_index("group")
    assert table.loc["any", list(SEVEN)].tolist() == [1, 1, 1, 1, 1, 3, 3]
    assert (table[list(SEVEN)].sum(axis=1) == table["images"]).all()
    found = {
        group: tuple(
            table.loc[
                group, [f"false_{side}_{part}" for side in ("positive", "negative") for part in ("errors", "trials")]
            ]
        )
        for group in ("any", "x", "y")
    }
    # x: of 16 at 26 (passes) and 17 at 24.9; y: under 18 at 25 (passes), 18 at 24 and 20-29 at 24-30 (documents), 40 at 38
    assert found == {"any": (2, 3, 2, 3), "x": (1, 2, 0, 0), "y": (1, 1, 2, 3)}
    assert math.isnan(table.loc["x", "false_negative_value"])
    rates = run.rates.set_index(["metric", "group"])
    assert (
        rates.loc[("age_false_positive", "x"), "errors"] == 1 and rates.loc[("age_false_negative", "y"), "trials"] == 3
    )
    told = [note for note in run.record.warnings if "--age-limit" in note]
    assert any("1 of 11 images have a labelled age range that includes 18" in note for note in told)
    assert any("1 of 11 images have no labelled age" in note for note in told)


def test_the_lost_are_bounded_and_never_counted(tmp_path: Path) -> None:
    check = age_check(audited(tmp_path))
    assert check is not None
    assert sum(ended.astype(int) for ended in check.outcomes.values()).tolist() == [1] * 11
    assert np.flatnonzero(check.outcomes["no_estimate_under"]).tolist() == [2]
    assert check.passes(24.0).sum() > check.passes(25.0).sum()


def test_without_a_challenge_age_the_limit_is_it(tmp_path: Path) -> None:
    run = audited(tmp_path, challenge=None)
    assert run.extra["age_checks.csv"]["challenge"].tolist() == [18.0] * 3
    assert "age_target.csv" not in run.extra


def world(seed: int = 1, subjects: int = 600) -> tuple[str, str]:
    """Simulated ages 14 to 40 of two groups, one overestimated by 4 years; two images per person."""
    rng = np.random.default_rng(seed)
    people, answers = ["image,subject,group,age"], ["image,age"]
    for k in range(subjects):
        group, age = "ab"[k % 2], int(rng.integers(14, 41))
        for j in range(2):
            people.append(f"{k}-{j}.jpg,{k},{group},{age}")
            answers.append(f"{k}-{j}.jpg,{age + 4 * (group == 'b') + rng.normal(0, 3):.3f}")
    return "\n".join(people) + "\n", "\n".join(answers) + "\n"


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The simulated world with a target."""
    folder = tmp_path_factory.mktemp("ages")
    people, answers = world()
    return audited(folder, people=people, answers=answers, age_fpr_target=0.1, out=folder / "run")


def test_curves_fall_and_rise_and_meet_the_rates_of_the_run(simulated: Run) -> None:
    curve, checks = simulated.extra["age_curve.csv"], simulated.extra["age_checks.csv"]
    for group, rows in curve.groupby("group"):
        assert rows["challenge"].tolist() == [float(year) for year in range(18, 41)]
        assert (np.diff(rows["false_positive_errors"]) <= 0).all() and (
            np.diff(rows["false_negative_errors"]) >= 0
        ).all()
        here = rows[rows["challenge"] == 25.0].iloc[0]
        stated = checks[checks["group"] == group].iloc[0]
        for name in ("false_positive_errors", "false_negative_errors", "false_positive_high"):
            assert here[name] == stated[name]


def test_years_of_age_add_up_to_the_whole(simulated: Run) -> None:
    years, checks = simulated.extra["age_years.csv"], simulated.extra["age_checks.csv"].set_index("group")
    for group, rows in years.groupby("group"):
        for side in ("false_positive", "false_negative"):
            own = rows[rows["error"] == side]
            assert own["errors"].sum() == checks.loc[group, f"{side}_errors"]
            assert own["trials"].sum() == checks.loc[group, f"{side}_trials"]
            assert ((own["year_of_age"] < 18) == (side == "false_positive")).all()


def test_the_target_holds_the_worst_group_and_says_what_it_costs(simulated: Run) -> None:
    table = simulated.extra["age_target.csv"]
    rows = table[table["family"] == "group"].set_index("group")
    assert len(set(rows["challenge"])) == 1 and rows["worst"].tolist() == [False, True]
    assert (rows["false_positive_value"] <= 0.1).all()
    low, value, high = rows.iloc[0][["challenge_low", "challenge", "challenge_high"]]
    assert 18 <= low <= value <= high
    assert rows.loc["a", "false_negative_value"] > rows.loc["b", "false_negative_value"]  # b is estimated as older


def test_errors_are_compared_at_equal_ages_and_the_planted_gap_is_found(simulated: Run) -> None:
    gaps = simulated.extra["age_gaps.csv"].set_index("metric")
    assert gaps.loc["age_signed_error", "difference_low"] < -4 < gaps.loc["age_signed_error", "difference_high"]
    assert gaps.loc["age_signed_error", "verdict"] == "gap larger than the margin"
    errors = simulated.extra["age_errors.csv"]
    equal = errors[errors["ages"] == "equal ages"].set_index("group")
    assert equal.loc["a", "weights"].startswith("1/")
    assert equal.loc["any", "signed_error"] == pytest.approx(equal.loc[["a", "b"], "signed_error"].mean())


def test_the_page_and_a_second_derivation_say_the_same(
    simulated: Run, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("again")
    people, answers = world()
    run = audited(folder, people=people, answers=answers, age_fpr_target=0.1, out=folder / "run")
    add_report(folder / "run", run, include_ids=False)
    recheck(folder / "run")
    again = read_run(folder / "run")
    for name in (
        "age_checks.csv",
        "age_target.csv",
        "age_errors.csv",
        "age_gaps.csv",
        "age_years.csv",
        "age_curve.csv",
    ):
        pd.testing.assert_frame_equal(again.extra[name], simulated.extra[name], check_dtype=False)
    page = (folder / "run" / "report.html").read_text(encoding="utf-8")
    assert "Age check" in page and "must show a document" in page
    titles = [table.title for table in (*check_tables(run), *year_table(run), *equal_age_tables(run), *band_table(run))]
    assert (
        titles[0] == "age check"
        and sum("challenge age for a false positive rate of 10.00%" in title for title in titles) == 2
    )
    names = [figure.name for figure in figures_in(run, "ages")]
    assert names == ["age-false-positive-group", "age-false-negative-group", "age-years-group", "age-errors-group"]


def test_photographers_are_the_unit_where_they_are_named(tmp_path: Path) -> None:
    people, answers = world(3, 120)
    head, *rows = people.splitlines()
    with_cluster = "\n".join([head + ",session", *(f"{row},{k % 12}" for k, row in enumerate(rows))]) + "\n"
    plain = audited(tmp_path, people=people, answers=answers)
    clustered = audited(tmp_path, people=with_cluster, answers=answers, cluster="session")
    widths = [
        (run.extra["age_errors.csv"]["absolute_high"] - run.extra["age_errors.csv"]["absolute_low"]).iloc[0]
        for run in (plain, clustered)
    ]
    assert widths[0] != widths[1]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"challenge": 25}, "--challenge 25: has an effect only with --age-limit"),
        ({"age_fpr_target": 0.1}, "has an effect only with --age-limit"),
        ({"age_limit": 18, "challenge": 17}, "--challenge 17 is below --age-limit 18"),
        ({"age_limit": 0}, "must be from 1 to 120"),
        ({"age_limit": 18, "age_fpr_target": 0}, "must be from"),
        ({"age_limit": float("nan")}, "--age-limit nan"),
        ({"age_from": "birth_year"}, "give two columns"),
        ({"age_bands": "0-99/7"}, "years do not exactly cover the ages from"),
        ({"age_bands": "old"}, "write FIRST-LAST/WIDTH"),
        ({"age_bands": "9-1/1"}, "or these are not within"),
        ({"age_bands": "0-99/0"}, "years do not exactly cover the ages from"),
    ],
)
def test_settings_that_say_nothing_are_refused(given: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingError, match=said):
        settings_from({"classify": "faceapi_age_gender", **given})


@pytest.mark.parametrize(
    ("people", "answers", "given", "error", "said"),
    [
        (PEOPLE.replace(",age", ",years"), ANSWERS, {}, TableError, "has no column age; add it, or birth_year"),
        (PEOPLE, "image,age\na.jpg,old\n", {}, TableError, "line 2, column age: 'old' is not a number"),
        (PEOPLE, "image,age\na.jpg,200\n", {}, TableError, "a range such as 25-32"),
        ("image,subject,group,age\na.jpg,a,x,10-19\n", "image,age\na.jpg,15\n", {}, TableError, "nothing to evaluate"),
        (PEOPLE.replace("group", "challenge"), ANSWERS, {"by": "challenge"}, TableError, "rename it in the manifest"),
    ],
)
def test_tables_that_cannot_be_judged_are_refused(
    tmp_path: Path, people: str, answers: str, given: dict[str, Any], error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        audited(tmp_path, people=people, answers=answers, **given)


def test_a_class_of_ages_passes_by_its_lower_end() -> None:
    card = {"outputs": {"age": {"kind": "bins", "bins": ["0-2", "20-29", "70+"]}}}
    assert class_ends(card) == {1.0: 0.0, 24.5: 20.0, 70.0: 70.0}
    assert class_ends({"outputs": {"age": {"kind": "years"}}}) == {} == class_ends({})


def test_bands_hold_whole_ranges_and_the_later_of_two_years() -> None:
    bands = Bands(0, 99, 10)
    assert [bands.names[bands.of(label)] for label in ("20-29", "3-9", "59-60", "34", "34.5")] == [
        "20-29",
        "0-9",
        "60-69",
        "30-39",
        "30-39",
    ]
    assert [bands.of(label) for label in ("25-32", "unknown", "120", "more than 70")] == [-1] * 4
    by_year = Bands(18, 30, 1)
    assert by_year.names[0] == "18" and len(by_year.names) == 13 and by_year.of("17") == -1 == by_year.of("31")
    assert age_band_parts("18-30") == (18, 30, 1)
    assert [year_of(label) for label in ("17", "17.5", "17-18", "10-19", "70+", "unknown")] == [
        17,
        17,
        18,
        None,
        None,
        None,
    ]
