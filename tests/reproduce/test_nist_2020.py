"""NIST 2020: facegap's measures give the known quartiles, and no claim depends on rounding."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from statistics import median, quantiles

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from facegap.cli import app
from facegap.errors import RunError
from facegap.report.tables import TextTable
from facegap.reproduce.found import Reproduction
from facegap.reproduce.nist_2020 import FIGURES, by_developer, published_rates, ratios, reproduce_nist_2020


@pytest.fixture(scope="module")
def found() -> Reproduction:
    return reproduce_nist_2020()


def table(found: Reproduction, start: str) -> TextTable:
    """The only table with this start of the title."""
    (one,) = [entry for entry in found.tables if entry.title.startswith(start)]
    return one


def printed() -> list[dict[str, str]]:
    """The figures as read by the standard library."""
    with FIGURES.open(newline="") as file:
        return list(csv.DictReader(file))


def test_the_known_quartiles_are_reproduced() -> None:
    values = ratios(published_rates()).value
    assert len(values) == 240
    assert np.quantile(values, (0.25, 0.5, 0.75)) == pytest.approx([8.1, 11.65, 14.1], abs=1e-12)
    assert values.max() == pytest.approx(417.5)


def test_the_measure_gives_what_plain_division_gives() -> None:
    plain = [float(row["FB_FB"]) / float(row["MW_MW"]) for row in printed()]
    assert ratios(published_rates()).value == pytest.approx(plain)
    assert median(plain) == pytest.approx(11.65)
    assert quantiles(plain, n=4, method="inclusive") == pytest.approx([8.1, 11.65, 14.1])


def test_definitions_of_quartiles_agree_but_for_the_median(found: Reproduction) -> None:
    rows = {row[0]: row[1:] for row in table(found, "ratio of the two groups").rows}
    assert rows["quartiles by linear interpolation"] == ("8.10", "11.65", "14.10")
    assert rows["quartiles by the lower of two neighbours"] == ("8.10", "11.60", "14.10")
    assert rows["quartiles by their middle"] == ("8.10", "11.65", "14.10")


def test_rounding_of_both_rates_moves_a_ratio_either_way() -> None:
    rates = published_rates()
    found = ratios(rates)
    assert found.lowest == pytest.approx((rates["FB_FB"] - 0.00005) / (rates["MW_MW"] + 0.00005))
    assert found.highest == pytest.approx((rates["FB_FB"] + 0.00005) / (rates["MW_MW"] - 0.00005))


def test_a_developer_counts_once_by_the_median_of_its_algorithms() -> None:
    rates = pd.DataFrame({"algorithm": ["a-b-001", "a-b-002", "c-000"]})
    assert by_developer(rates, np.array([1.0, 3.0, 5.0])).tolist() == [2.0, 5.0]
    names = {row["algorithm"].rsplit("-", 1)[0] for row in printed()}
    assert len(by_developer(published_rates(), np.zeros(240))) == len(names) == 155


def test_which_group_is_highest_and_lowest_is_counted_over_all_algorithms(found: Reproduction) -> None:
    rows = {row[0]: (int(row[1]), int(row[2])) for row in table(found, "which group").rows}
    assert rows == {"white men": (0, 230), "Black men": (9, 7), "white women": (3, 3), "Black women": (228, 0)}
    assert sum(highest for highest, _ in rows.values()) == 240


def test_medians_of_the_groups_are_those_of_the_readme(found: Reproduction) -> None:
    rows = {row[0]: row[1:] for row in table(found, "false match rate within").rows}
    assert {name: float(row[0]) for name, row in rows.items()} == {
        "white men": 0.001,
        "Black men": 0.00225,
        "white women": 0.0029,
        "Black women": 0.01165,
    }
    assert float(rows["Black men"][2]) == 0.4985


def test_the_source_is_named_first(found: Reproduction) -> None:
    assert any("NIST, Face Recognition Vendor Test" in said and "Bruveris" in said for said in found.introduction)


@pytest.mark.real
def test_the_figures_are_those_of_the_project_s_data(test_data: Path) -> None:
    assert FIGURES.read_bytes() == (test_data / "data/nist_2020/frvt_11_gender_race.csv").read_bytes()


def test_out_has_every_algorithm_and_the_chart(tmp_path: Path) -> None:
    found = reproduce_nist_2020(tmp_path / "out")
    written = pd.read_csv(tmp_path / "out" / "differentials.csv")
    assert len(written) == 240
    assert written["black_women_over_white_men"].median() == pytest.approx(11.65)
    assert (written["lowest_by_rounding"] < written["highest_by_rounding"]).all()
    assert {path.suffix for path in found.files} == {".csv", ".json", ".svg", ".png", ".pdf"}
    assert {path.name: oct(path.stat().st_mode & 0o77) for path in found.files if path.stat().st_mode & 0o77} == {}
    with pytest.raises(RunError, match="not empty"):
        reproduce_nist_2020(tmp_path / "out")


def test_the_chart_has_a_point_for_every_algorithm(found: Reproduction) -> None:
    (figure,) = found.figures
    assert json.dumps(figure.spec).count('\\"ratio\\"') == 240 + 3  # quartiles and median
    assert "Median ratio 11.65, quartiles 8.1 and 14.1, greatest 417.5." in figure.alt


def test_the_command_prints_the_result(tmp_path: Path) -> None:
    shown = CliRunner().invoke(app, ["reproduce", "nist-2020", "--out", str(tmp_path / "out")], env={"COLUMNS": "140"})
    assert shown.exit_code == 0
    assert "11.65" in shown.output
    assert "differentials.csv" in shown.output
