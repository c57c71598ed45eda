"""Charts of a comparison: the time and worst group of each model, readable labels and ticks."""

from __future__ import annotations

import json
import math
from typing import Any
from xml.etree import ElementTree

import pytest

from facegap.compare.charts import Pair, comparison_figures
from facegap.compare.rows import ComparisonRows, Machine, SideRow, SpeedRow
from facegap.report.figures.render import drawn
from facegap.report.figures.style import INK, Figure
from facegap.types import Rate

SVG = "{http://www.w3.org/2000/svg}"
HOSTILE = "</text><script>alert(1)</script>"


def compared_rows() -> ComparisonRows:
    """Rates of two groups in two models, and the worst group of each at the model's time."""
    counted = {
        run: {town: Rate(n, 100, low=n / 200, high=n / 50) for town, n in zip(("Ayr", "Bonn"), errors, strict=True)}
        for run, errors in (("quick", (30, 10)), (HOSTILE, (5, 8)))
    }
    sides = [
        SideRow("error_rate_all", run, math.nan, "town", town, rate, ranked=True)
        for run, rates in counted.items()
        for town, rate in rates.items()
    ]
    machine = Machine("cpu", 1, 1, 1)
    speed = [
        SpeedRow(
            "error_rate_all", run, math.nan, "town", ms, math.nan, math.nan, machine, town, counted[run][town], 0, ""
        )
        for run, town, ms in (("quick", "Ayr", 2.0), (HOSTILE, "Bonn", 10.0))
    ]
    return ComparisonRows(tuple(sides), (), (), tuple(speed))


@pytest.fixture(scope="module")
def charts() -> dict[str, list[Pair]]:
    return comparison_figures(compared_rows(), ["error_rate_all"])


def values(figure: Figure) -> list[dict[str, Any]]:
    """All rows of all data of a spec."""
    return [row for text in figure.spec["datasets"].values() for row in json.loads(text)]


def test_the_worst_group_of_each_model_is_plotted_at_its_time(charts: dict[str, list[Pair]]) -> None:
    figure = charts["speed"][0].wide
    marks = {row["model"]: row for row in values(figure)}
    assert (marks["quick"]["ms"], marks["quick"]["y"], marks["quick"]["said"]) == (2, 0.3, "quick: Ayr, 30/100")
    assert (marks[HOSTILE]["ms"], marks[HOSTILE]["y"]) == (10, 0.08)
    assert "quick: 2.00 ms, Ayr 30.00% [15.00, 60.00]" in figure.alt


def test_ticks_of_milliseconds_are_plain_numbers_and_names_are_written_in_ink(charts: dict[str, list[Pair]]) -> None:
    figure = charts["speed"][0].wide
    tree = ElementTree.fromstring(drawn(figure).svg)
    texts = {"".join(text.itertext()): text.get("fill") for text in tree.iter(f"{SVG}text")}
    assert "10" in texts
    assert not any("e+" in text for text in texts)
    assert texts["quick: Ayr, 30/100"] == texts[f"{HOSTILE}: Bonn, 8/100"] == INK


def test_hostile_names_of_models_are_text_in_every_chart(charts: dict[str, list[Pair]]) -> None:
    for pair in (*charts["errors"], *charts["speed"]):
        for figure in (pair.wide, pair.narrow):
            tree = ElementTree.fromstring(drawn(figure).svg)
            assert not any("script" in element.tag for element in tree.iter())
    assert sum(len(found) for found in charts.values()) == 2


def test_the_narrow_chart_holds_the_same_marks_in_the_width_of_a_phone(charts: dict[str, list[Pair]]) -> None:
    for pair in (*charts["errors"], *charts["speed"]):
        assert pair.narrow.alt == pair.wide.alt
        assert values(pair.narrow) == values(pair.wide)
        tree = ElementTree.fromstring(drawn(pair.narrow).svg)
        assert float(tree.get("width", "0")) <= 420


def test_a_known_rate_is_a_bar_and_is_mentioned_in_the_text() -> None:
    known = {"error_rate_all": {("quick", "Ayr"): 0.25}}
    (pair,) = comparison_figures(compared_rows(), ["error_rate_all"], known=known)["errors"]
    truths = {(row["model"], row["group"]): row["truth"] for row in values(pair.wide)}
    assert truths["quick", "Ayr"] == 0.25
    assert [truth for place, truth in truths.items() if place != ("quick", "Ayr")] == [None] * (len(truths) - 1)
    assert pair.wide.alt.endswith("The horizontal bars are the true rates.")
