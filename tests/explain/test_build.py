"""Gaps before and after balancing in runs with known covariates: numbers, notes, rejected settings, and files."""

from __future__ import annotations

import html
import re
import stat
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit
from typer.testing import CliRunner

from facegap.cli import app
from facegap.derive.balanced.rows import verdict_of
from facegap.derive.balanced.work import Choices
from facegap.errors import RunError, SettingError, TableError
from facegap.explain.build import PAGE, TABLE, explain, write_explained
from facegap.explain.page import page
from facegap.report.balanced import findings, verdict_text
from facegap.store.run import read_run
from facegap.tables import EXPLAIN
from fixtures.reports import compared
from fixtures.settings import audit_predictions

CAUSAL = re.compile(r"\b(because|caus\w+|due to|explained by|leads? to|driven by|effect of)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Town:
    """300 people with two images each; those with darker tone are photographed darker, and errors depend only on darkness."""

    folder: Path
    run: Path
    file: Path

    def explain(self, **choices):
        given = {"by": "tone", "covariates": ("dark", "blur"), "covariates_file": self.file, "replicates": 100}
        return explain(self.run, Choices(**(given | choices)))

    def row(self, found, *covariates, estimate="balanced"):
        return next(row for row in found.rows if row.estimate == estimate and row.covariates == covariates)


@pytest.fixture(scope="module")
def town(tmp_path_factory) -> Town:
    folder = tmp_path_factory.mktemp("town")
    rng = np.random.default_rng(2)
    person = np.repeat(np.arange(300), 2)
    darker = person < 120
    dark, blur = rng.normal(size=600) + darker, rng.normal(size=600)
    wrong = rng.random(600) < expit(1.2 * dark - 2)
    gender = np.where(person % 2 == 0, "female", "male")
    said = np.where(wrong, np.where(gender == "female", "male", "female"), gender)
    image = [f"i{k}.png" for k in range(600)]
    tone, race = np.where(darker, "darker", "lighter"), np.where(darker, "B", "W")
    people = {"image": image, "subject": person, "gender": gender, "tone": tone, "race": race}
    pd.DataFrame(people).to_csv(folder / "people.csv", index=False)
    pd.DataFrame({"image": image, "prediction": said}).to_csv(folder / "said.csv", index=False)
    measured = pd.DataFrame({"image": image, "dark": dark, "blur": blur, "skin_luminance": -dark, "note": "word"})
    measured.loc[:4, "blur"] = np.nan
    measured.to_csv(folder / "measured.csv", index=False)
    out = folder / "run"
    audit_predictions(folder / "said.csv", folder / "people.csv", model="vendor", by="tone", out=out)
    return Town(folder, out, folder / "measured.csv")


@pytest.fixture(scope="module")
def found(town):
    return town.explain()


def test_the_raw_gap_is_that_of_the_run_where_every_covariate_is_known(town):
    gaps = read_run(town.run).gaps
    audited = gaps[(gaps["metric"] == "error_rate_all") & (gaps["family"] == "tone")].iloc[0]
    row = town.row(town.explain(covariates=("dark",)), estimate="raw")
    assert (row.group, row.reference) == ("darker", "lighter"), "the reference is the group with most people"
    assert row.gap == pytest.approx(audited["difference"])
    assert (row.errors, row.trials, row.subjects) == (audited["errors_a"], audited["trials_a"], 120)


def test_what_goes_with_a_covariate_leaves_the_gap_and_what_does_not_stays(town, found):
    raw, dark, blur = (
        town.row(found, *names, estimate=kind)
        for names, kind in (((), "raw"), (("dark",), "balanced"), (("blur",), "balanced"))
    )
    assert raw.low > 0.05
    assert dark.low < 0 < dark.high
    assert dark.gap < 0.5 * raw.gap
    assert blur.gap == pytest.approx(raw.gap, abs=0.03)


def test_only_the_gap_after_all_covariates_has_a_verdict_and_it_follows_its_interval(town, found):
    assert [row.covariates for row in found.rows if row.verdict] == [("dark", "blur")]
    row = town.row(found, "dark", "blur")
    assert verdict_text(row) == "too few comparable people to tell"
    assert row.low < -row.margin < row.margin < row.high


@pytest.mark.parametrize(
    ("low", "high", "effective", "verdict"),
    [
        (0.03, 0.10, 90, "gap larger than the margin"),
        (0.01, 0.10, 90, "gap"),
        (-0.01, 0.01, 90, "no gap larger than the margin"),
        (-0.01, 0.01, 19, "not enough data"),
        (-0.01, 0.03, 90, "not enough data"),
        (np.nan, np.nan, 90, "not enough data"),
    ],
)
def test_no_gap_is_said_only_of_an_interval_within_the_margin_and_enough_effective_people(
    low, high, effective, verdict
):
    said = verdict_of((low + high) / 2, low, high, (effective, 200.0), scale="difference", margin=0.02, least=20)
    assert said == verdict


def test_every_trial_is_counted_once(town, found):
    row = town.row(found, "dark", "blur")
    assert (row.trials, row.without_covariates, row.reference_trials, row.reference_without_covariates) == (
        235,
        5,
        360,
        0,
    )
    assert any("5 of darker" in note for note in found.notes)


def test_the_regression_agrees_and_its_parts_sum_to_the_raw_gap(town, found):
    parts = [row for row in found.rows if row.estimate.startswith("regression")]
    assert sum(row.gap for row in parts) == pytest.approx(town.row(found, estimate="raw").gap, abs=1e-3)
    assert [row.covariates for row in parts] == [("dark", "blur"), ("dark",), ("blur",)]
    assert parts[0].low < 0 < parts[0].high
    assert parts[1].low > 0


def test_change_within_people_is_found_in_all_and_in_each_group(found):
    rows = [row for row in found.rows if row.estimate == "within person" and row.covariates == ("dark",)]
    assert [row.group for row in rows] == ["all", "darker", "lighter"]
    assert rows[0].low > 0
    assert (rows[0].subjects, rows[0].reference) == (300, "")


def test_a_stated_reliability_marks_the_gap_as_attenuated_everywhere(town):
    found = town.explain(covariates=("dark",), reliability=("dark=0.5",))
    row = town.row(found, "dark")
    assert row.attenuated
    assert findings(found.rows)[1].endswith("Attenuated.")
    assert "reliability stated as 0.5" in page(found)
    assert found.frame.set_index("estimate").loc["balanced", "attenuated"]
    assert not town.row(found, estimate="raw").attenuated


def test_brightness_of_skin_between_groups_of_tone_is_refused_and_what_to_do_is_said(town):
    with pytest.raises(
        SettingError, match=r"skin_luminance: .*are defined by the brightness of skin.*background.*--within NAME"
    ):
        town.explain(covariates=("skin_luminance",))
    followed = town.explain(covariates=("blur",), within=("skin_luminance",))
    assert any(row.estimate == "within person" and row.covariates == ("skin_luminance",) for row in followed.rows)


def test_where_it_is_allowed_the_reason_stands_in_terminal_page_and_table(town, tmp_path):
    words = [
        "explain",
        str(town.run),
        "--by",
        "tone",
        "--covariates",
        "skin_luminance",
        "--covariates-file",
        str(town.file),
    ]
    out = tmp_path / "why"
    said = CliRunner().invoke(app, [*words, "--allow-overadjustment", "--replicates", "60", "--out", str(out)])
    assert said.exit_code == 0, said.output
    reason = "balancing it removes the gap by construction"
    assert reason in said.output
    assert "over-adjusted" in said.output
    assert (out / PAGE).read_text().count(reason) >= 2
    table = pd.read_csv(out / TABLE)
    balanced = table[table["estimate"] == "balanced"]
    assert balanced["overadjusted"].all()
    assert balanced["reason"].str.contains(reason).all()


def test_between_races_the_same_is_warned_of_and_not_refused(town):
    found = town.explain(by="race", covariates=("skin_luminance",))
    assert "the brightness of skin itself differs between the groups of race, so" in found.overadjusted
    assert town.row(found, "skin_luminance").overadjusted


@pytest.mark.parametrize(
    ("choices", "said"),
    [
        ({"covariates": ()}, "give at least one; the run has dark, blur"),
        ({"covariates": ("drak",)}, "did you mean 'dark'"),
        ({"covariates": ("dark", "dark")}, "'dark' is given twice"),
        ({"by": "tone,race"}, "give one grouping"),
        ({"reference": "blue"}, "no such group; there are darker, lighter"),
        ({"metric": "fmr"}, "it has error_rate_all"),
        ({"reliability": ("dark=2",)}, "above 0 and at most 1"),
        ({"reliability": ("skin_luminance=0.5",)}, "not among the covariates"),
    ],
)
def test_a_mistake_is_named_with_what_to_do(town, choices, said):
    with pytest.raises(SettingError, match=re.escape(said)):
        town.explain(**choices)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("picture,dark\ni0.png,1\n", "no column image"),
        ("image,dark\ni0.png,1\ni0.png,2\n", "line 3, column image: 'i0.png' occurs twice"),
        ("image,dark\ni0.png,1\ni1.png,x\n", "line 3, column dark: 'x' is not a finite number"),
        (
            "image,dark\ni0.png,1\ni1.png,1e308\n",
            "line 3, column dark: '1e308' is not a finite number, or larger than 1e+100",
        ),
        ("image,dark\nother.png,1\n", "it contains no image of the run"),
        ("image,dark\ni0.png,word\n", "no numeric column"),
    ],
)
def test_a_file_of_covariates_that_cannot_be_used_names_line_and_column(town, tmp_path, text, said):
    (tmp_path / "wrong.csv").write_text(text)
    with pytest.raises(TableError, match=re.escape(said)):
        town.explain(covariates_file=tmp_path / "wrong.csv", covariates=("dark",))


def test_the_same_seed_gives_the_same_table_and_it_is_recorded(town, found):
    again = town.explain()
    pd.testing.assert_frame_equal(found.frame, again.frame)
    other = town.explain(seed=1)
    assert other.frame["seed"].eq(1).all()
    assert other.rows[0].low != found.rows[0].low
    assert found.frame["replicates"].max() == 100


def test_a_named_reference_turns_the_gap_round(town, found):
    turned = town.explain(reference="darker")
    assert town.row(turned, estimate="raw").gap == pytest.approx(-town.row(found, estimate="raw").gap)


def test_what_is_written_is_readable_by_its_owner_alone_and_names_no_cause(found, tmp_path):
    out = tmp_path / "why"
    assert write_explained(found, out) == [TABLE, PAGE]
    assert [stat.S_IMODE((out / name).stat().st_mode) for name in (TABLE, PAGE)] == [0o600] * 2
    assert list(pd.read_csv(out / TABLE).columns) == list(EXPLAIN.columns)
    text = html.unescape(re.sub(r"<[^>]*>|data:[^\"]*", " ", (out / PAGE).read_text()))
    assert not CAUSAL.search(text.replace("mean effect of the group", ""))
    with pytest.raises(RunError, match="not empty"):
        write_explained(found, out)


def test_names_from_outside_are_escaped(town, tmp_path):
    name = "=\"'><script>alert(1)</script><img src=x onerror=alert(2)>"
    table = pd.read_csv(town.file).rename(columns={"dark": name})
    table.to_csv(tmp_path / "measured.csv", index=False)
    found = town.explain(covariates=(name,), covariates_file=tmp_path / "measured.csv")
    text = page(found)
    assert "<script" not in text
    assert "<img src=x" not in text
    write_explained(found, tmp_path / "why")
    assert "\n=" not in (tmp_path / "why" / TABLE).read_text().replace(",=", "\n=")


def test_false_matches_are_all_taken_and_the_sampled_pairs_stand_for_the_others(tmp_path):
    run = compared(tmp_path, ["Ayr", "Bonn"], people=40, out=tmp_path / "run", noise=0.9, by="town")
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"image": run.manifest["image"], "light": rng.normal(size=len(run.manifest))})
    frame.to_csv(tmp_path / "light.csv", index=False)
    found = explain(tmp_path / "run", Choices(by="town", covariates=("light",), covariates_file=tmp_path / "light.csv"))
    fmr = next(row for row in found.rows if row.metric == "fmr" and row.estimate == "raw")
    fnmr = next(row for row in found.rows if row.metric == "fnmr" and row.estimate == "raw")
    gaps = run.gaps[(run.gaps["family"] == "town") & (run.gaps["threshold"] == fmr.threshold)].set_index("metric")
    sign = 1 if gaps.loc["fmr", "group_a"] == fmr.group else -1
    assert np.log(fmr.gap) == pytest.approx(sign * np.log(gaps.loc["fmr", "ratio"]), abs=1e-6)
    assert {fmr.trials, fmr.reference_trials} == {gaps.loc["fmr", "trials_a"], gaps.loc["fmr", "trials_b"]}
    assert np.log(fnmr.gap) == pytest.approx(sign * np.log(gaps.loc["fnmr", "ratio"]), abs=1e-6)
    assert fmr.replicates == 0
    assert fnmr.replicates > 0
    assert not [row for row in found.rows if row.metric == "fmr" and row.estimate == "within person"]


def test_cells_check_the_gap_without_a_verdict_and_leave_images_of_one_group_out_by_count(town, found):
    cells = town.row(found, "dark", "blur", estimate="balanced in cells")
    left, raw = town.row(found, "dark", "blur"), town.row(found, estimate="raw")
    assert cells.verdict == ""
    assert left.gap - 0.03 < cells.gap < raw.gap
    assert cells.low < cells.gap < cells.high
    assert "all, in cells (a check)" in page(found)
