"""Differentials of the false match rates that NIST published for 240 algorithms (`facegap reproduce nist-2020`).

The figures are those of NIST's Face Recognition Vendor Test, 1:1 verification, extracted by M. Bruveris from a table of the
report (nist_2020.csv, commit 3889625 of martinsbruveris/nist-frvt-analysis, 7 November 2020); they were not compared with
the report's pages. All rates are at the threshold at which the algorithm has an FMR of 0.001 for pairs of white men.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import altair as alt
import numpy as np
import pandas as pd

from facegap.inputs.records import read_records
from facegap.report.figures.style import INK, PALETTE, SHAPES, Figure, data, finished
from facegap.report.gender_shades import WIDTH
from facegap.report.tables import TextTable
from facegap.report.text import number
from facegap.reproduce.found import Reproduction, write_figures
from facegap.statistics.differentials import MEASURES, evaluate
from facegap.store.folder import make_empty
from facegap.store.run import write_csv
from facegap.tables import ALGORITHMS
from facegap.types import FloatArray

FIGURES = Path(__file__).with_name("nist_2020.csv")
GROUPS: Mapping[str, str] = {
    "MW_MW": "white men",
    "MB_MB": "Black men",
    "FW_FW": "white women",
    "FB_FB": "Black women",
}
WORST, REFERENCE = "FB_FB", "MW_MW"
ROUNDED: Final = 0.00005  # half of the last decimal of a printed rate
# Order statistics, and two interpolations between neighbours: Hyndman and Fan (1996) types 1 and 7, and the midpoint.
DEFINITIONS = {
    "linear": "linear interpolation",
    "inverted_cdf": "the lower of two neighbours",
    "midpoint": "their middle",
}
KNOWN = "8.1, 11.65 and 14.1"  # quartiles and median, computed from the same table without facegap
SOURCE = (
    "Source: NIST, Face Recognition Vendor Test, 1:1 verification, 2020, a work of the United States government; extracted "
    "by M. Bruveris (github.com/martinsbruveris/nist-frvt-analysis, 7 November 2020). Not compared with the report's pages."
)
INTRODUCTION = (
    "NIST 2020: false match rates of 240 algorithms for pairs of people of one sex and race, at the threshold at which each "
    "algorithm has an FMR of 0.001 for pairs of white men.",
    SOURCE,
)


@dataclass(frozen=True, eq=False)
class Ratios:
    """FMR of Black women divided by that of white men, per algorithm: float64 [240] each.

    lowest, highest : the ratio if both printed rates are off by half of their last decimal
    """

    value: FloatArray
    lowest: FloatArray
    highest: FloatArray


def reproduce_nist_2020(out: Path | None = None, _width: int = WIDTH) -> Reproduction:
    """The differentials of all algorithms; with `out`, also their table and the chart.

    Raises
    ------
    RunError : `out` is not empty, or cannot be written
    """
    rates = published_rates()
    per_algorithm = algorithm_table(rates)
    figure = ratio_figure(per_algorithm)
    files: tuple[Path, ...] = ()
    if out is not None:
        make_empty(out)
        write_csv(out / "differentials.csv", per_algorithm, ALGORITHMS)
        files = (out / "differentials.csv", *write_figures(out, (figure,)))
    tables = (rates_table(rates), ratio_table(rates), measures_table(per_algorithm), extremes_table(rates))
    return Reproduction(INTRODUCTION, tables, files=files, figures=(figure,))


def published_rates() -> pd.DataFrame:
    """One row per algorithm: `algorithm`, then eight false match rates as printed, float64."""
    cells = read_records(FIGURES).frame
    return cells.assign(**{name: cells[name].astype(float) for name in cells.columns.drop("algorithm")})


def ratios(rates: pd.DataFrame) -> Ratios:
    """Black women / white men, by facegap's measure for the largest of two rates divided by the smallest.

    The larger rate is that of Black women in every row. No counts were published, so each rate is treated as one trial.
    """
    pair = rates[[WORST, REFERENCE]].to_numpy()
    assert (pair[:, 0] >= pair[:, 1]).all()
    half = np.array([ROUNDED, -ROUNDED])
    value, lowest, highest = (measured("max_min_ratio", moved) for moved in (pair, pair - half, pair + half))
    return Ratios(value, lowest, highest)


def measured(measure: str, rates: FloatArray) -> FloatArray:
    """A published measure for each row of rates, float64 [n, groups]."""
    return evaluate(MEASURES[measure], ((rates, np.ones_like(rates)),))


def algorithm_table(rates: pd.DataFrame) -> pd.DataFrame:
    """Every algorithm with its rates within groups, the ratio, and the measures over all four groups."""
    within = rates[list(GROUPS)].to_numpy()
    found = ratios(rates)
    return pd.DataFrame(
        {
            "algorithm": rates["algorithm"],
            **{name: rates[name] for name in GROUPS},
            "black_women_over_white_men": found.value,
            "lowest_by_rounding": found.lowest,
            "highest_by_rounding": found.highest,
            **{name: measured(name, within) for name in OVER_GROUPS},
        }
    )


OVER_GROUPS = ("max_min_ratio", "max_over_geometric_mean", "gini")


# ---- tables ----


def rates_table(rates: pd.DataFrame) -> TextTable:
    """Median, minimum and maximum of the false match rate of each group."""
    rows = tuple(
        (words, *(number(float(value), 5) for value in np.quantile(rates[name], (0.5, 0, 1))))
        for name, words in GROUPS.items()
    )
    note = (
        "White men have 0.001 because each threshold was set for this rate: it says nothing about an algorithm. The report gives no "
        "counts, so no interval can be computed."
    )
    return TextTable(
        "false match rate within a group, 240 algorithms",
        ("group", "median", "minimum", "maximum"),
        rows,
        notes=(note,),
    )


def ratio_table(rates: pd.DataFrame) -> TextTable:
    """Quartiles of the ratio by each definition, and their range under rounding of the printed rates."""
    found = ratios(rates)
    rows = [(f"quartiles by {words}", *quartiles(found.value, method)) for method, words in DEFINITIONS.items()]
    rows.append(("if every ratio were as low as rounding allows", *quartiles(found.lowest)))
    rows.append(("if every ratio were as high as rounding allows", *quartiles(found.highest)))
    rows.append(("the median algorithm of each of its developers", *quartiles(by_developer(rates, found.value))))
    notes = (
        f"Computed from the same table without facegap: {KNOWN}. The quartiles are the same by every definition. The median lies "
        "between the 120th and the 121st ratio, 11.6 and 11.7: a definition that selects one of the two gives that one.",
        "Rates are printed with four decimals, so 0.001 may be anything from 0.00095 to 0.00105.",
    )
    heading = ("FMR of Black women / FMR of white men", "lower quartile", "median", "upper quartile")
    return TextTable("ratio of the two groups, 240 algorithms", heading, tuple(rows), notes=notes)


def quartiles(values: FloatArray, method: str = "linear") -> tuple[str, ...]:
    """Lower quartile, median and upper quartile as text."""
    found = np.quantile(values, (0.25, 0.5, 0.75), method=method)  # type: ignore[call-overload]
    return tuple(number(float(value)) for value in found)


def by_developer(rates: pd.DataFrame, values: FloatArray) -> FloatArray:
    """Median over the algorithms of each developer, whose name precedes the last hyphen."""
    developer = rates["algorithm"].str.rpartition("-")[0]
    return np.asarray(pd.Series(values).groupby(developer.to_numpy()).median(), np.float64)


def measures_table(table: pd.DataFrame) -> TextTable:
    """The published measures over all four groups."""
    rows = tuple((name, MEASURES[name].source, *quartiles(table[name].to_numpy())) for name in OVER_GROUPS)
    heading = ("measure", "source", "lower quartile", "median", "upper quartile")
    return TextTable("differentials over the four groups, 240 algorithms", heading, rows)


def extremes_table(rates: pd.DataFrame) -> TextTable:
    """How often each group has the highest and the lowest false match rate."""
    within = rates[list(GROUPS)]
    highest, lowest = (found.value_counts() for found in (within.idxmax(axis=1), within.idxmin(axis=1)))
    rows = tuple((words, str(highest.get(name, 0)), str(lowest.get(name, 0))) for name, words in GROUPS.items())
    tied = int((within.eq(within.min(axis=1), axis=0).sum(axis=1) > 1).sum())
    note = (
        f"If two groups have the same lowest rate after rounding, the first of them in this table is counted: {tied}."
    )
    heading = ("group", "highest", "lowest")
    return TextTable("which group has the highest and the lowest rate, algorithms", heading, rows, notes=(note,))


# ---- the chart ----


def ratio_figure(table: pd.DataFrame) -> Figure:
    """The ratio of every algorithm, in order, with median and quartiles."""
    values = np.sort(table["black_women_over_white_men"].to_numpy())
    marks = [{"ratio": float(value), "share": (k + 0.5) / len(values)} for k, value in enumerate(values)]
    low, middle, high = (float(value) for value in np.quantile(values, (0.25, 0.5, 0.75)))
    lines = [
        {"ratio": value, "said": f"{words} {value:.4g}", "share": share}
        for value, words, share in (
            (low, "lower quartile", 0.25),
            (middle, "median", 0.5),
            (high, "upper quartile", 0.75),
        )
    ]
    ticks = [1, 2, 5, 10, 20, 50, 100, 200, 500]
    x = alt.X(
        "ratio:Q",
        title="FMR of Black women / FMR of white men",
        scale=alt.Scale(type="log", domain=[1, 500]),
        axis=alt.Axis(values=ticks, format="~g"),
    )
    y = alt.Y("share:Q", title="proportion of algorithms", axis=alt.Axis(format=".0%"), scale=alt.Scale(domain=[0, 1]))
    points = alt.Chart(data(marks)).mark_point(filled=True, size=16, color=PALETTE[0]).encode(x=x, y=y)
    base = alt.Chart(data(lines)).encode(x=x, y=y)
    crossed = base.mark_point(filled=True, size=90, shape=SHAPES[3], color=PALETTE[1])
    words = base.mark_text(align="left", dx=12, dy=4, color=INK).encode(text="said:N")
    chart = alt.layer(points, crossed, words).properties(width=520, height=300)
    return finished(
        chart,
        name="nist-2020-ratios",
        title="False match rate of Black women over that of white men, 240 algorithms (NIST 2020)",
        alt_text=f"Median ratio {middle:.2f}, quartiles {low:.1f} and {high:.1f}, greatest {values[-1]:.1f}.",
    )
