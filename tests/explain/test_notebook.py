"""Gaps before and after balancing in Python: arguments, results, and display in a notebook."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import facegap as fg
from facegap.errors import FacegapError, SettingError
from facegap.tables import EXPLAIN

HOSTILE = "<img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def run() -> fg.Run:
    """240 people; those of the hostile town have more errors, and are older."""
    rng = np.random.default_rng(1)
    away = np.arange(240) < 100
    age = rng.normal(40, 8, 240) + 8 * away
    wrong = rng.random(240) < np.where(age > 45, 0.5, 0.1)
    gender = np.where(rng.random(240) < 0.5, "female", "male")
    people = pd.DataFrame(
        {"image": [f"i{k}" for k in range(240)], "gender": gender, "town": np.where(away, HOSTILE, "Bonn")}
    )
    people["age"] = age.astype(int)
    said = people[["image"]].assign(prediction=np.where(wrong, np.where(gender == "female", "male", "female"), gender))
    return fg.audit_predictions(said, people, by="town")


def test_a_run_in_memory_gives_estimates_as_a_table_and_the_verdicts_alone(run: fg.Run) -> None:
    found = fg.explain(run, covariates=["age"], replicates=100)
    assert list(found.frame.columns) == list(EXPLAIN.columns)
    assert found.gaps[["group", "reference", "covariates"]].to_numpy().tolist() == [[HOSTILE, "Bonn", "age"]]
    raw = found.frame.query("estimate == 'raw'").iloc[0]
    assert raw["gap"] > found.gaps.iloc[0]["gap"]
    assert "After balancing age: remaining gap" in found.finding
    assert repr(found).splitlines()[0].startswith("facegap explain: town, every group against Bonn")


def test_a_folder_and_a_table_of_covariates_give_the_same_as_files_do(run: fg.Run, tmp_path: Path) -> None:
    run.write(tmp_path / "run")
    measured = run.stored.manifest[["image"]].assign(years=run.stored.manifest["age"].astype(float))
    by_path = fg.explain(
        tmp_path / "run", covariates="years", covariates_file=measured, replicates=100, out=tmp_path / "why"
    )
    assert sorted(file.name for file in (tmp_path / "why").iterdir()) == ["explain.csv", "explain.html"]
    by_age = fg.explain(run, covariates="age", replicates=100)
    assert by_path.gaps["gap"].tolist() == by_age.gaps["gap"].tolist()
    marked = fg.explain(run, covariates="age", reliability={"age": 0.5}, replicates=100)
    assert marked.gaps["attenuated"].tolist() == [True]


def test_the_view_has_finding_table_and_chart_escaped_and_loads_nothing(run: fg.Run) -> None:
    found = fg.explain(run, covariates="age", replicates=100)
    html = found._repr_html_()
    assert html.count("<table") == 1
    assert HOSTILE not in html and "&lt;img src=x" in html
    sources = re.findall(r'src="([^"]+)"', html)
    assert len(sources) == 1 and sources[0].startswith("data:image/svg+xml;base64,")
    assert found.plot().to_dict()["layer"]


def test_what_cannot_be_balanced_is_refused_and_what_cannot_be_drawn_is_said(run: fg.Run) -> None:
    with pytest.raises(SettingError, match="the run has no covariate 'sharpnes'"):
        fg.explain(run, covariates="sharpnes")
    few = pd.DataFrame({"image": run.stored.manifest["image"], "x": np.r_[0.0, 1.0, np.full(238, np.nan)]})
    found = fg.explain(run, covariates="x", covariates_file=few.dropna(), replicates=100)
    assert found.gaps["verdict"].tolist() == ["not enough data"]
    with pytest.raises(FacegapError, match="no gap could be estimated"):
        found.plot()
