"""Plain arrays give the numbers of an audit of the same data; errors name what is wrong with the arrays."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facegap.audit.settings import Verify
from facegap.errors import StatisticsError
from facegap.statistics import fmr, fnmr, gaps, rates, wilson
from facegap.store.run import Run
from fixtures.settings import audit_predictions, audit_scores

COUNTS = ["errors", "trials", "subjects"]
NUMBERS = ["errors", "trials", "subjects", "effective_trials", "value", "low", "high", "level", "method"]


def of_run(run: Run, metric: str, **cell: str) -> pd.Series:
    """The row of rates.csv of one cell and metric; labels that are not named are `any`."""
    found = run.rates[run.rates["metric"] == metric]
    for name in ("gender", "town"):
        found = found[found[name] == cell.get(name, "any")]
        if f"other_{name}" in found:
            found = found[found[f"other_{name}"] == ""]
    assert len(found) == 1
    return found.iloc[0]


@pytest.fixture(scope="module")
def answered() -> pd.DataFrame:
    """Three photographs of each of 150 people in two towns, every tenth without a town, with predictions of gender."""
    rng = np.random.default_rng(7)
    people = np.repeat(np.arange(150), 3)
    frame = pd.DataFrame({"image": [f"{k}.png" for k in range(len(people))], "subject": [f"p{k}" for k in people]})
    frame["gender"] = np.where(people % 2 == 0, "female", "male")
    frame["town"] = np.where(people % 10 == 3, "", np.where(people % 3 == 0, "Ulm", "Bonn"))
    hard = rng.random(150) < np.where(np.arange(150) % 3 == 0, 0.3, 0.05)
    wrong = rng.random(len(people)) < np.where(hard[people], 0.7, 0.04)
    other = np.where(frame["gender"] == "female", "male", "female")
    frame["prediction"] = np.where(wrong, other, frame["gender"])
    return frame


@pytest.fixture(scope="module")
def predicted(answered: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("predicted")
    answered[["image", "subject", "gender", "town"]].to_csv(folder / "people.csv", index=False)
    answered[["image", "prediction"]].to_csv(folder / "answers.csv", index=False)
    return audit_predictions(folder / "answers.csv", folder / "people.csv", by="gender,town,town*gender")


def wrong_of(answered: pd.DataFrame) -> pd.Series:
    return answered["prediction"] != answered["gender"]


def test_rates_are_those_of_an_audit_of_the_same_answers(answered: pd.DataFrame, predicted: Run) -> None:
    wrong = wrong_of(answered)
    everybody = pd.DataFrame(rates(wrong, subjects=answered["subject"]).to_dict())
    assert everybody["group"].tolist() == ["all"]
    assert everybody.loc[0, NUMBERS].tolist() == of_run(predicted, "error_rate_all")[NUMBERS].tolist()
    by_town = rates(wrong, subjects=answered["subject"], groups=answered["town"])
    assert by_town.groups == ("Bonn", "Ulm", "unknown")
    table = pd.DataFrame(by_town.to_dict()).set_index("group")
    for town in by_town.groups:
        assert table.loc[town, NUMBERS].tolist() == of_run(predicted, "error_rate_all", town=town)[NUMBERS].tolist()


@pytest.mark.parametrize("form", ["frame", "dict"])
def test_several_columns_are_crossed_as_an_audit_crosses_them(
    answered: pd.DataFrame, predicted: Run, form: str
) -> None:
    columns = answered[["town", "gender"]]
    groups = columns if form == "frame" else {name: columns[name].tolist() for name in columns}
    found = rates(wrong_of(answered), subjects=answered["subject"], groups=groups)
    assert found.groups == ("Bonn female", "Bonn male", "Ulm female", "Ulm male", "unknown male")
    for group in found.groups:
        town, gender = group.split()
        row = of_run(predicted, "error_rate_all", town=town, gender=gender)
        assert (found[group].errors, found[group].low, found[group].high) == (row["errors"], row["low"], row["high"])


def test_gaps_are_those_of_an_audit_of_the_same_answers(answered: pd.DataFrame, predicted: Run) -> None:
    found = gaps(
        wrong_of(answered),
        subjects=answered["subject"],
        groups=answered[["town", "gender"]],
        margin=0.02,
        scale="difference",
    )
    table = pd.DataFrame(found.to_dict())
    audited = predicted.gaps
    audited = audited[(audited["metric"] == "error_rate_all") & (audited["family"] == "town*gender")]
    assert set(audited["verdict"]) == {"exploratory"}  # in an audit only the first term of --by gets verdicts
    decided = ["verdict", "decided_low", "decided_high", "decided_level"]
    assert len(table) == 6  # of four groups; unknown is not a group of people
    assert "gap" in table["verdict"].tolist()
    same = [name for name in table.columns if name not in decided]
    pd.testing.assert_frame_equal(
        table[same], audited[same].reset_index(drop=True), check_dtype=False, check_exact=True
    )


def test_groups_that_share_subjects_are_compared_with_their_correlation(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    people = np.repeat(np.arange(60), 4)
    frame = pd.DataFrame({"image": [f"{k}.png" for k in range(240)], "subject": people, "gender": "female"})
    frame["town"] = np.tile(["indoor", "indoor", "outdoor", "outdoor"], 60)
    hard = rng.random(60) < 0.4
    wrong = rng.random(240) < np.where(hard[people], 0.5, 0.05)
    frame.to_csv(tmp_path / "people.csv", index=False)
    answers = frame[["image"]].assign(prediction=np.where(wrong, "male", "female"))
    answers.to_csv(tmp_path / "answers.csv", index=False)
    run = audit_predictions(tmp_path / "answers.csv", tmp_path / "people.csv", by="town")
    audited = run.gaps[run.gaps["metric"] == "error_rate_all"].iloc[0]
    options = {"groups": frame["town"], "margin": 0.02, "scale": "difference"}
    found = gaps(wrong, subjects=people, **options).to_dict()
    assert (found["p"][0], found["difference_low"][0]) == (audited["p"], audited["difference_low"])
    others = gaps(wrong, subjects=people * 2 + (frame["town"] == "outdoor"), **options).to_dict()
    assert others["p"][0] != found["p"][0]  # the same rates of different people


@pytest.fixture(scope="module")
def scored() -> pd.DataFrame:
    """Every pair of two photographs of each of 36 people with a score; left and right are subjects."""
    rng = np.random.default_rng(3)
    people = np.repeat(np.arange(36), 2)
    first, second = np.triu_indices(len(people), 1)
    templates = rng.normal(size=(36, 6))[people] + 0.7 * rng.normal(size=(len(people), 6))
    templates /= np.linalg.norm(templates, axis=1, keepdims=True)
    scores = (templates @ templates.T)[first, second].round(6)
    return pd.DataFrame({"left": people[first], "right": people[second], "score": scores})


@pytest.fixture(scope="module")
def groups_of_people() -> pd.DataFrame:
    people = np.arange(36)
    frame = pd.DataFrame({"gender": np.where(people % 2 == 0, "female", "male")}, index=people)
    return frame.assign(town=np.where(people % 3 == 0, "Ulm", "Bonn"))


@pytest.fixture(scope="module")
def verified(scored: pd.DataFrame, groups_of_people: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("scored")
    lines = scored.assign(label="x")[["left", "right", "label", "score"]]
    lines.to_csv(folder / "scores.txt", sep=" ", header=False, index=False)
    people = groups_of_people.rename_axis("subject").reset_index()
    people.assign(image=[f"{k}.png" for k in range(len(people))]).to_csv(folder / "people.csv", index=False)
    settings = Verify(threshold=(0.5,))
    return audit_scores(folder / "scores.txt", folder / "people.csv", by="gender,town*gender", verify=settings)


@pytest.mark.parametrize(("metric", "function"), [("fmr", fmr), ("fnmr", fnmr)])
def test_rates_of_comparisons_are_those_of_an_audit_of_the_same_scores(
    scored: pd.DataFrame, groups_of_people: pd.DataFrame, verified: Run, metric: str, function: type[fmr]
) -> None:
    columns = (scored["score"], scored["left"], scored["right"])
    everybody = pd.DataFrame(function(*columns, threshold=0.5).to_dict())
    assert everybody.loc[0, COUNTS].tolist() == of_run(verified, metric)[COUNTS].tolist()
    crossed = function(*columns, groups_of_people[["town", "gender"]], threshold=0.5)
    assert crossed.groups == ("Bonn female", "Bonn male", "Ulm female", "Ulm male")
    table = pd.DataFrame(crossed.to_dict()).set_index("group")
    for group in crossed.groups:
        town, gender = group.split()
        expected = of_run(verified, metric, town=town, gender=gender)[NUMBERS]
        assert table.loc[group, COUNTS].tolist() == expected[COUNTS].tolist()
        # An audit sums its trials once for all thresholds, in another order: the last bit may differ.
        numbers = [name for name in NUMBERS if name not in (*COUNTS, "method")]
        assert table.loc[group, numbers].tolist() == pytest.approx(expected[numbers].tolist(), rel=1e-12)
    assert table["errors"].sum() > 0


@pytest.mark.parametrize("form", ["dict", "series", "sides"])
def test_groups_of_comparisons_are_taken_in_every_form(
    scored: pd.DataFrame, groups_of_people: pd.DataFrame, form: str
) -> None:
    gender = groups_of_people["gender"]
    forms = {
        "dict": gender.to_dict(),
        "series": gender,
        "sides": (gender.loc[scored["left"]].to_numpy(), gender.loc[scored["right"]].to_numpy()),
    }
    columns = (scored["score"], scored["left"], scored["right"])
    found = fmr(*columns, forms[form], threshold=0.5)
    expected = fmr(*columns, groups_of_people[["gender"]], threshold=0.5)
    assert found.to_dict() == expected.to_dict()


def test_comparisons_between_two_groups_count_for_neither() -> None:
    found = fmr(
        [0.9, 0.9, 0.1], ["a", "a", "c"], ["b", "c", "d"], dict(zip("abcd", "ffmm", strict=True)), threshold=0.5
    )
    assert {name: (found[name].errors, found[name].trials) for name in found.groups} == {"f": (1, 1), "m": (0, 1)}


def test_a_group_without_comparisons_has_no_rate() -> None:
    found = fnmr([0.9], ["a"], ["a"], {"a": "f", "b": "m"}, threshold=0.5)
    assert np.isnan(found["m"].value)
    assert found["m"].trials == 0


def test_without_subjects_every_trial_is_of_another_person() -> None:
    found = rates([True, False, False, True, False])["all"]
    assert found.subjects == 5
    assert (found.low, found.high) == pytest.approx(wilson(2, 5))


def test_missing_labels_of_every_kind_are_unknown_and_in_no_gap() -> None:
    labels = ["a", None, float("nan"), "", pd.NA, "Unknown", "a"]
    found = rates([1, 1, 0, 0, 0, 0, 0], groups=labels)
    assert {name: found[name].trials for name in found.groups} == {"a": 2, "unknown": 5}
    family = gaps([1, 1, 0, 0, 0, 0, 0], groups=labels, margin=2, scale="ratio", min_subjects=1)
    assert len(family) == 0


def test_numbers_in_labels_are_ordered_by_their_size() -> None:
    labels = ["10-19", "9-12", "100", "70+", None]
    assert rates([0] * 5, groups=labels).groups == ("9-12", "10-19", "70+", "100", "unknown")


def test_a_scale_decides_what_the_verdict_is_about() -> None:
    wrong, groups = [1] * 8 + [0] * 392 + [1] * 1 + [0] * 399, ["a"] * 400 + ["b"] * 400
    of_difference = gaps(wrong, groups=groups, margin=0.05, scale="difference")
    of_ratio = gaps(wrong, groups=groups, margin=2, scale="ratio")
    assert of_difference.to_dict()["verdict"] == ["no gap larger than the margin"]
    assert of_ratio.to_dict()["verdict"] != ["no gap larger than the margin"]
    assert of_ratio.is_ratio
    assert not of_difference.is_ratio


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 5), st.sampled_from("abc")), min_size=1, max_size=40))
def test_every_trial_is_counted_in_exactly_one_group(rows: list[tuple[bool, int, str]]) -> None:
    wrong, subjects, groups = zip(*rows, strict=True)
    found = rates(wrong, subjects=subjects, groups=groups)
    assert found.columns.trials.sum() == len(rows)
    assert found.columns.errors.sum() == sum(wrong)
    assert [found[name].subjects for name in found.groups] == [
        len({subject for _, subject, group in rows if group == name}) for name in found.groups
    ]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"wrong": [0, 2, 1]}, r"wrong, row 1: 2 is neither True nor False; omit rows that are not trials"),
        ({"wrong": [0, np.nan, 1]}, r"wrong, row 1: nan is neither"),
        ({"wrong": ["yes", "no", "no"]}, r"wrong must be one row of True and False"),
        ({"subjects": ["a", "b"]}, r"subjects has 2 entries for 3 rows; give one per row"),
        ({"subjects": ["a", None, "b"]}, r"subjects, row 1: no subject; give each unknown person a separate id"),
        ({"groups": ["a", "b"]}, r"groups has 2 labels of group for 3 rows"),
        ({"groups": {"tone": ["a", "b"]}}, r"groups has 2 labels of tone for 3 rows"),
        ({"groups": [["a", "b"]] * 3}, r"groups group has 2 dimensions; give one value per row"),
        ({"groups": ["a", "any", "b"]}, r"groups, row 1: 'any' is a reserved word"),
        ({"groups": {}}, r"groups has no column"),
        ({"level": 95}, r"level"),
    ],
)
def test_arrays_that_do_not_fit_are_named_with_row_and_cure(change: dict[str, object], said: str) -> None:
    given = {"wrong": [0, 1, 1], "subjects": ["a", "b", "c"], "groups": ["x", "x", "y"]} | change
    with pytest.raises(StatisticsError, match=said):
        rates(given.pop("wrong"), **given)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"scores": [0.1, np.nan]}, r"scores, row 1: NaN; omit comparisons that failed, and report how many"),
        ({"scores": [[0.1, 0.2]]}, r"scores has 2 dimensions"),
        ({"left": ["a"]}, r"left has 1 entries for 2 rows"),
        ({"right": ["b", None]}, r"right, row 1: no subject"),
        ({"groups": {"a": "x", "b": "x"}}, r"comparison 1: subject 'c' has no group; add it, with None if unknown"),
        ({"groups": ["x", "y"]}, r"groups must be labels by subject or the labels of both sides; give"),
        ({"groups": (["x", "y"],)}, r"groups has 1 parts; give the labels of the left and of the right sides"),
        ({"groups": ({"g": ["x", "y"]}, {"h": ["x", "y"]})}, r"the columns g and the right sides h"),
        ({"groups": pd.Series(["x", "y", "x"], index=["a", "b", "a"])}, r"subject 'a' has more than one row"),
        ({"threshold": float("nan")}, r"threshold nan is not a score"),
    ],
)
def test_comparisons_that_do_not_fit_are_named_with_row_and_cure(change: dict[str, object], said: str) -> None:
    given = {"scores": [0.1, 0.2], "left": ["a", "b"], "right": ["b", "c"], "groups": None, "threshold": 0.5} | change
    with pytest.raises(StatisticsError, match=said):
        fmr(**given)


def test_an_unknown_scale_or_a_margin_off_its_scale_is_refused() -> None:
    with pytest.raises(StatisticsError, match="give 'difference' or 'ratio'"):
        gaps([0, 1], groups=["a", "b"], margin=2, scale="times")
    with pytest.raises(StatisticsError, match=r"a ratio above 1, not 0\.5"):
        gaps([0, 1], groups=["a", "b"], margin=0.5, scale="ratio")


def test_an_unknown_group_is_named_with_those_there_are() -> None:
    with pytest.raises(KeyError, match="no group 'c'; there are a, b"):
        rates([0, 1], groups=["a", "b"])["c"]
