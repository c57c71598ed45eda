"""Export formats: impact ratios by hand, YAML and JSON-LD that other tools read, and the entries for Annex IV."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from typer.testing import CliRunner

from facegap.audit.settings import Verify
from facegap.cli import app
from facegap.errors import FacegapError, RunError, SettingError
from facegap.export.forms import Details
from facegap.export.hugging_face import yaml_of
from facegap.export.impact_ratios import Impact, impact_ratios
from facegap.export.write import exported
from facegap.store.run import read_run
from fixtures.settings import audit_embeddings, audit_predictions

HOSTILE = '"]: <b>|x\n- y: &a *a'


@pytest.fixture(scope="module")
def classified(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """400 people in three towns, 3 of them in the smallest and 40 without a town; 1 in 5 of the women is misclassified."""
    folder = tmp_path_factory.mktemp("classified")
    image = [f"secret-{k}.png" for k in range(400)]
    town = ["Bonn"] * 200 + [HOSTILE.replace("\n", " ")] * 157 + ["Kiel"] * 3 + [""] * 40
    people = pd.DataFrame({"image": image, "gender": ["female", "male"] * 200, "town": town})
    people.to_csv(folder / "people.csv", index=False)
    said = ["male" if k % 10 == 0 else label for k, label in enumerate(people["gender"])]
    pd.DataFrame({"image": image, "prediction": said}).to_csv(folder / "said.csv", index=False)
    audit_predictions(folder / "said.csv", folder / "people.csv", by="gender,town", out=folder / "run")
    return folder


@pytest.fixture(scope="module")
def verified(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Templates of 50 people with two images each, at two thresholds."""
    folder = tmp_path_factory.mktemp("verified")
    rng = np.random.default_rng(0)
    people = np.repeat(np.arange(50), 2)
    np.save(folder / "t.npy", rng.normal(size=(50, 12))[people] + 0.4 * rng.normal(size=(100, 12)))
    frame = pd.DataFrame({"image": [f"secret-{k}" for k in range(100)], "subject": people})
    frame["gender"] = np.where(people < 25, "female", "male")
    frame.to_csv(folder / "people.csv", index=False)
    settings = Verify(fmr=(), threshold=(0.5, 0.9))
    audit_embeddings(folder / "t.npy", folder / "people.csv", by="gender", verify=settings, out=folder / "run")
    return folder


# ---- impact ratios ----


def category(name: str, selected: int, trials: int, why_not: str = "") -> Impact:
    rate = selected / trials if trials else math.nan
    return Impact(name, trials, selected, trials, rate, float(trials), 0.0, 1.0, why_not)


def test_an_impact_ratio_divides_by_the_highest_rate() -> None:
    men, women = impact_ratios([category("men", 667, 1390), category("women", 555, 1181)], 0.95)
    assert men.ratio == 1.0
    assert math.isnan(men.low_ratio)
    assert round(women.ratio, 3) == 0.979
    assert women.low_ratio < women.ratio < women.high_ratio


def test_a_small_or_unknown_category_is_shown_without_ratio_even_with_the_highest_rate() -> None:
    rows = [
        category("a", 40, 100),
        category("b", 50, 100),
        category("tiny", 4, 4),
        category("unknown", 9, 9, "unknown"),
    ]
    a, b, tiny, unknown = impact_ratios(rows, 0.95)
    assert (a.ratio, b.ratio) == (0.8, 1.0)
    assert tiny.why_not == "under 2% of the trials"
    assert unknown.why_not == "unknown"
    assert math.isnan(tiny.ratio)
    assert math.isnan(unknown.ratio)


def test_a_ratio_divides_weighted_rates_and_not_counts() -> None:
    whole = Impact("a", 100, 90, 100, 0.5, 60.0, 0.4, 0.6)
    part = Impact("b", 100, 90, 100, 0.25, 60.0, 0.1, 0.4)
    assert impact_ratios([whole, part], 0.95)[1].ratio == 0.5


def test_without_effective_trials_a_ratio_has_no_interval() -> None:
    whole, part = Impact("a", 9, 9, 9, 1.0, math.nan, 0.6, 1.0), Impact("b", 9, 3, 9, 1 / 3, 9.0, 0.1, 0.7)
    found = impact_ratios([whole, part], 0.95)[1]
    assert found.ratio == 1 / 3
    assert math.isnan(found.low_ratio)


def test_two_per_cent_exactly_is_in_the_ratio() -> None:
    _, small = impact_ratios([category("a", 49, 98), category("b", 1, 2)], 0.95)
    assert small.ratio == 1.0


def test_there_is_no_ratio_without_selected_or_without_trials() -> None:
    none, empty = impact_ratios([category("a", 0, 50), category("b", 0, 0)], 0.95)
    assert math.isnan(none.ratio)
    assert empty.why_not == "no trials"


def test_the_table_has_the_counts_of_the_run_and_of_unknown_categories(classified: Path) -> None:
    text = exported(classified / "run", "impact-ratios")
    assert re.search(r"\| female \| 200 \| 160 \| 200 \| 80\.00% .* \| 0\.800 ", text)
    assert "| male | 200 | 200 | 200 |" in text
    assert re.search(r"\| Kiel \| 3 \| .* none: under 2% of the trials \|", text)
    assert "Of unknown category: 40 people, 40 trials." in text
    assert "<b>" not in text
    assert len(text.split("## ")) == 3


def test_in_a_verification_run_a_selected_trial_is_an_accepted_genuine_pair(verified: Path) -> None:
    text = exported(verified / "run", "impact-ratios")
    rates = read_run(verified / "run").rates.query("metric == 'fnmr' and gender == 'female' and threshold == 0.5")
    row = rates.iloc[0]
    assert f"| female | {row['trials']} | {row['trials'] - row['errors']} |" in text
    assert text.count("\n## gender: ") == 2


def test_a_rate_that_the_run_does_not_have_is_named(classified: Path) -> None:
    with pytest.raises(RunError, match="no such rate; its rates are"):
        exported(classified / "run", "impact-ratios", Details(metric="fnmr"))


# ---- Hugging Face ----


def test_the_model_index_is_yaml_with_the_keys_that_the_hub_requires(classified: Path) -> None:
    text = exported(classified / "run", "hugging-face")
    _, front, rest = text.split("---\n")
    assert rest == ""
    (entry,) = yaml.safe_load(front)["model-index"]
    (result,) = entry["results"]
    assert entry["name"] == "said"
    assert result["task"]["type"] == "image-classification"
    assert set(result["dataset"]) == {"type", "name"}
    women = [
        metric
        for metric in result["metrics"]
        if metric["type"] == "error_rate_all" and metric["args"]["group"] == {"gender": "female"}
    ]
    assert [(metric["value"], metric["args"]["errors"], metric["args"]["trials"]) for metric in women] == [
        (0.2, 40, 200)
    ]
    assert all(isinstance(metric["value"], float) for metric in result["metrics"])


def test_results_for_the_hub_have_one_value_for_all_people_and_the_date(verified: Path) -> None:
    text = exported(verified / "run", "hugging-face-results", Details(dataset="some-org/faces", metric="fnmr"))
    (entry,) = yaml.safe_load(text)
    rates = read_run(verified / "run").rates.query("metric == 'fnmr' and gender == 'any' and threshold == 0.5")
    assert entry["dataset"] == {"id": "some-org/faces"}
    assert entry["value"] == rates.iloc[0]["value"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", str(entry["date"]))


@pytest.mark.parametrize("dataset", [None, "faces", "a/b/c", "../x", "a/b\n- x: y", "a/" + "b" * 200])
def test_results_for_the_hub_need_the_id_of_a_data_set(classified: Path, dataset: str | None) -> None:
    with pytest.raises(SettingError, match="ORGANISATION/NAME"):
        exported(classified / "run", "hugging-face-results", Details(dataset=dataset))


@pytest.mark.parametrize(
    "value",
    [
        {"a": [{"b": 1, "c": {"d": []}}, {"e": None}], HOSTILE: HOSTILE},
        {"yes": "no", "n": "null", "1.5": 1.5, "t": True, "empty": {}},
        [["x", "y"], [{"k": [1, [2]]}]],
        {"date": "2026-11-29", "colon": "a: b", "hash": "# c", "e": "1e3"},
    ],
)
def test_written_yaml_reads_back_unchanged(value: object) -> None:
    assert yaml.safe_load(yaml_of(value)) == value


# ---- Annex IV ----


def test_every_item_of_annex_iv_has_its_place_or_is_marked_as_missing(classified: Path) -> None:
    text = exported(classified / "run", "annex-iv")
    rows = [line.split(" | ") for line in text.splitlines() if line.startswith("| ")][2:]
    assert len(rows) == 28
    assert all(len(row) == 3 and row[2].strip(" |") for row in rows)
    absent = [row[0].strip("| ") for row in rows if row[2] == "not in this run |"]
    assert {"1(b)", "2(e)", "5", "8", "9"} <= set(absent)
    assert f"{28 - len(absent)} of 28 items" in text
    assert "No conformity is claimed" in text


def test_the_files_and_keys_that_the_table_names_are_in_the_run(classified: Path) -> None:
    text = exported(classified / "run", "annex-iv")
    whole = json.loads((classified / "run" / "run.json").read_text())
    # The report is written later than the run of this fixture.
    for name in set(re.findall(r"[A-Za-z0-9_]+\.(?:json|csv|parquet|html)|SHA256SUMS", text)) - {"report.html"}:
        assert (classified / "run" / name).is_file(), name
    for path in re.findall(r"run\.json, ([a-z_.]+)", text):
        if path.split(".")[0] in ("manifest",):
            continue  # the next file of a list
        found = whole
        for key in path.rstrip(".").split("."):
            assert key in found, path
            found = found[key]


# ---- Croissant ----


def test_a_manifest_is_described_by_its_columns_and_hash_and_no_row_of_it(verified: Path) -> None:
    whole = json.loads(exported(verified / "people.csv", "croissant", Details(licence="CC-BY-4.0")))
    assert whole["conformsTo"] == "http://mlcommons.org/croissant/1.0"
    assert whole["license"] == "CC-BY-4.0"
    (file,) = whole["distribution"]
    assert file["contentSize"] == f"{(verified / 'people.csv').stat().st_size} B"
    fields = whole["recordSet"][0]["field"]
    assert [field["source"]["extract"]["column"] for field in fields] == ["image", "subject", "gender"]
    assert len({field["@id"] for field in fields}) == len(fields)
    assert "secret" not in json.dumps(whole)


def test_columns_whose_names_differ_only_in_symbols_have_distinct_ids(tmp_path: Path) -> None:
    (tmp_path / "people.csv").write_text("image,a b,a_b\nx.png,1,2\n")
    fields = json.loads(exported(tmp_path / "people.csv", "croissant"))["recordSet"][0]["field"]
    assert len({field["@id"] for field in fields}) == 3


def test_run_folders_and_manifests_are_not_confused(classified: Path) -> None:
    with pytest.raises(SettingError, match=r"give people\.csv"):
        exported(classified / "run", "croissant")
    with pytest.raises(FacegapError):
        exported(classified / "people.csv", "annex-iv")


def test_an_option_of_another_form_is_refused(classified: Path) -> None:
    with pytest.raises(SettingError, match="--dataset belongs to"):
        exported(classified / "run", "annex-iv", Details(dataset="a/b"))


def test_the_command_writes_a_form_to_a_file(classified: Path, tmp_path: Path) -> None:
    out = tmp_path / "table.md"
    words = ["export", str(classified / "run"), "--format", "impact-ratios", "--out", str(out)]
    found = CliRunner().invoke(app, words)
    assert found.exit_code == 0
    assert out.read_text() == exported(classified / "run", "impact-ratios")
