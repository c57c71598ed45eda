"""Quality gate and EDC of a run: counts worked by hand, images without a quality, and invalid settings."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest

from facegap.audit.quality import require_quality
from facegap.audit.run import recheck
from facegap.audit.settings import settings_from
from facegap.derive.quality import threshold_at
from facegap.derive.quality_values import distribution_tables
from facegap.derive.run import comparisons_of
from facegap.errors import SettingError
from facegap.inputs.manifests.read import read_manifest
from facegap.report.figures.quality import quality_figures
from facegap.report.quality import quality_report
from facegap.report.text import percent, score
from facegap.statistics.discard import discard_area, discard_curve
from facegap.store import run as store
from facegap.tables import EDC_POINTS, QUALITY_BY_GROUP, QUALITY_GATE, check, label_columns
from fixtures.settings import audited


def test_the_gate_refuses_at_most_the_proportion_asked_for() -> None:
    quality = np.array([5.0, 1, 2, 3, 4, np.nan])
    assert [(quality < threshold_at(quality, share)).sum() for share in (0, 0.2, 0.39, 0.4, 0.9)] == [0, 1, 1, 2, 4]
    assert (
        np.ones(9) < threshold_at(np.ones(9), 0.5)
    ).sum() == 0  # equal qualities are rejected together, or not at all
    assert np.isnan(threshold_at(np.full(3, np.nan), 0.1))


def settings_of(**given: Any) -> Any:
    return settings_from({"embed": "mobileface_v2", **given})


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"quality": "sharpnes"}, "--quality sharpnes: not one of inter_eye_px"),
        ({"quality": "skin_luminance_50"}, "not one of"),  # not a quality: neither end of its range is better
        ({"quality": "template_norm", "embed": None, "classify": "faceapi_age_gender"}, "needs an embedder"),
        ({"quality": "sharpness", "quality_column": "a"}, "--quality-column a: selects a column of the --quality file"),
        ({"quality_column": "a"}, "--quality-column a: selects a column of the"),
        ({"quality": "sharpness", "quality_discard": 1.0}, "--quality-discard 1: must be from 0 to 0.9"),
    ],
)
def test_a_quality_that_is_not_measured_is_refused(given: dict[str, Any], said: str, tmp_path: Path) -> None:
    (tmp_path / "people.csv").write_text("image,subject\na.jpg,a\nb.jpg,b\n")
    table = read_manifest(tmp_path / "people.csv")
    with pytest.raises(SettingError, match=said):
        require_quality(settings_of(**given), table)


# ---- a whole audit of illustrated people ----


@pytest.fixture(scope="module")
def run(toys: Any, draw: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """24 people with two pictures each: the template norm of women is lower, one of them has no face on her second picture."""
    folder = tmp_path_factory.mktemp("gated")
    rng = np.random.default_rng(2)
    rows = []
    for k in range(24):
        gender = ("female", "male")[k % 2]
        for shot in (0, 1):
            green, red = (int(v) for v in rng.integers(20, 90, 2) + (0 if gender == "female" else 120))
            name = f"{k}_{shot}.png"
            cv2.imwrite(str(folder / name), draw(green=green, red=red, quadrants=() if (k, shot) == (0, 1) else (0,)))
            rows.append((name, str(k), gender))
    pd.DataFrame(rows, columns=["image", "subject", "gender"]).to_csv(folder / "people.csv", index=False)
    words = {"threshold": 0.97, "quality": "template_norm", "quality_discard": 0.25, "min_subjects": 5}
    out = folder / "run"
    audited_run = audited(
        folder / "people.csv",
        detect=toys.card("detector"),
        embed=toys.card("embedder"),
        by="gender",
        out=out,
        impostors_only=False,
        images_are_people=False,
        **words,
    )
    return audited_run, out


def test_refusals_and_what_they_buy_are_counted_from_the_images(run: Any) -> None:
    stored, _ = run
    gate = stored.extra["quality_gate.csv"].set_index("gender")
    norm, gender = stored.faces["template_norm"], stored.manifest["gender"]
    threshold = gate["quality_threshold"].iloc[0]
    assert (norm < threshold).sum() == int(0.25 * norm.notna().sum()) == gate.loc["any", "refused_errors"]
    for group in ("female", "male"):
        inside = gender == group
        assert gate.loc[group, "refused_errors"] == ((norm < threshold) & inside).sum()
        assert gate.loc[group, "refused_trials"] == (norm.notna() & inside).sum()
        assert gate.loc[group, "without_quality"] == (norm.isna() & inside).sum()
        assert gate.loc[group, "images"] == inside.sum()
    assert gate["without_quality"].tolist() == [1, 1, 0]
    assert gate.loc["male", "refused_errors"] == 0
    pairs = comparisons_of(stored)
    assert pairs is not None
    passes = (norm >= threshold).to_numpy()
    kept = passes[pairs.genuine].all(axis=1) & np.isfinite(pairs.genuine_scores)
    assert gate.loc["any", "after_trials"] == kept.sum()
    assert gate.loc["any", "after_errors"] == (pairs.genuine_scores[kept] < 0.97).sum()
    assert gate.loc["any", "before_trials"] == 23


def test_the_gap_between_refusal_rates_has_a_verdict(run: Any) -> None:
    (gap,) = run[0].extra["quality_gaps.csv"].to_dict("records")
    assert (gap["metric"], gap["model"], gap["family"]) == ("quality_refusal_rate", "template_norm", "gender")
    assert (gap["errors_a"], gap["trials_a"]) == (11, 23)
    assert gap["verdict"] == "gap larger than the margin"


def test_the_edc_of_a_group_is_that_of_its_own_pairs(run: Any) -> None:
    stored, _ = run
    pairs, table = comparisons_of(stored), stored.extra["edc.csv"]
    assert pairs is not None
    norm = stored.faces["template_norm"].to_numpy()
    women = (stored.manifest["gender"] == "female").to_numpy()
    mates = pairs.genuine[women[pairs.genuine].all(axis=1)]
    scores = pairs.genuine_scores[women[pairs.genuine].all(axis=1)]
    there = np.isfinite(scores)
    quality, wrong = norm[mates[there]].min(axis=1), scores[there] < 0.97
    curve, rows = discard_curve(quality, wrong), table[table["gender"] == "female"]
    counts = list(zip(rows["fnmr_errors"], rows["fnmr_trials"], strict=True))
    assert counts == [curve.at(share) for share in rows["discard"]]
    assert set(rows["area"]) == {discard_area(quality, wrong, 0.2)}
    assert wrong.any()
    assert (rows["area_low"] <= rows["area"]).all()
    assert (rows["area"] <= rows["area_high"]).all()


def test_the_distribution_of_each_group_is_that_of_its_images(run: Any) -> None:
    stored, _ = run
    table = stored.extra["quality_by_group.csv"].set_index("gender")
    norm, gender = stored.faces["template_norm"], stored.manifest["gender"]
    for group in ("any", "female", "male"):
        own = norm if group == "any" else norm[gender == group]
        row = table.loc[group]
        assert (row["images"], row["without_quality"]) == (len(own), own.isna().sum())
        assert row[["mean", "median"]].tolist() == pytest.approx([own.mean(), own.median()])
        quantiles = row[["quantile_05", "quantile_25", "quantile_75", "quantile_95"]].tolist()
        assert quantiles == pytest.approx(np.nanquantile(own, [0.05, 0.25, 0.75, 0.95]))
        assert row["mean_low"] < row["mean"] < row["mean_high"]
    assert table["subjects"].to_dict() == {"any": 24, "female": 12, "male": 12}


def test_the_difference_of_qualities_is_in_standard_deviations_of_all_of_them(run: Any) -> None:
    stored, _ = run
    table = stored.extra["quality_differences.csv"]
    norm, gender = stored.faces["template_norm"], stored.manifest["gender"]
    assert table[["family", "statistic", "group_a", "group_b"]].to_numpy().tolist() == [
        ["gender", "mean", "female", "male"],
        ["gender", "median", "female", "male"],
    ]
    women, men = (norm[gender == group] for group in ("female", "male"))
    assert table["difference"].tolist() == pytest.approx([women.mean() - men.mean(), women.median() - men.median()])
    assert table["margin"].tolist() == pytest.approx([0.2 * norm.std(ddof=0)] * 2)
    assert (table["difference_high"] < -table["margin"]).all()
    assert set(table["verdict"]) == {"gap larger than the margin"}
    assert (table["p_adjusted"] < 0.001).all()


def test_small_groups_are_shown_and_in_no_difference_and_nothing_is_nan(run: Any) -> None:
    stored, _ = run
    strict = replace(stored, record=replace(stored.record, min_subjects=13))
    norm = stored.faces["template_norm"].to_numpy()
    assert list(distribution_tables(strict, "q", norm)) == ["quality_by_group.csv"]
    empty = distribution_tables(stored, "q", np.full(len(norm), np.nan))
    (table,) = empty.values()
    assert table[["mean", "median", "quantile_05", "mean_low"]].isna().all(axis=None)
    assert table["without_quality"].tolist() == table["images"].tolist()


def test_the_charts_say_what_the_tables_say(run: Any) -> None:
    stored, _ = run
    spread, curve = quality_figures(stored)
    assert (spread.name, curve.name) == ("quality-by-gender", "edc-by-gender")
    median = stored.extra["quality_by_group.csv"].set_index("gender").loc["female", "median"]
    assert f"female: median {score(median)} [" in spread.alt
    first = stored.extra["edc.csv"].query("gender == 'male' and discard == 0").iloc[0]
    assert f"male: {percent(first['fnmr_value'])}" in curve.alt
    assert quality_figures(replace(stored, extra={})) == []


def test_the_tables_are_read_back_and_derived_again_as_they_were_written(run: Any) -> None:
    stored, folder = run
    assert recheck(folder) == []
    read = store.read_run(folder)
    for name in ("quality_by_group.csv", "quality_differences.csv", "quality_gate.csv", "quality_gaps.csv", "edc.csv"):
        pd.testing.assert_frame_equal(read.extra[name], stored.extra[name], check_dtype=False)
    for name, schema in (
        ("quality_by_group.csv", QUALITY_BY_GROUP),
        ("quality_gate.csv", QUALITY_GATE),
        ("edc.csv", EDC_POINTS),
    ):
        assert label_columns(read.extra[name], schema) == ("gender",)
        pd.testing.assert_frame_equal(check(read.extra[name], schema, name), stored.extra[name])


def test_the_report_has_a_section_on_the_gate_and_none_without(run: Any) -> None:
    stored, _ = run
    titles = [table.title for table in quality_report(stored)]
    assert titles == [
        "quality of images by group",
        "differences in quality",
        "images rejected by the quality gate",
        "gaps between rejection rates",
        "error versus discard",
    ]
    assert quality_report(replace(stored, extra={})) == []
