"""Charts: they show the numbers of the tables, with the same bytes every time, and hostile names are text."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from altair.vegalite.schema import core
from jsonschema import Draft7Validator

from facegap.report.figures import FIGURES, Figure, figures_of
from facegap.report.figures.dark import DARK, DARK_PAPER, dark_rules, with_dark
from facegap.report.figures.matrix import ABOVE, BELOW, TICKS, WHITE_FROM, shade_of, short
from facegap.report.figures.rates import log_axis, place_names, rows_of
from facegap.report.figures.render import PHONE_PX, Drawn, drawn, spec_json, with_narrow
from facegap.report.figures.style import ASIDE, INHERITED, MUTED, PALETTE, SHAPES, as_json, slug, with_safe_names
from facegap.report.figures.tone import scale_of, tone_columns
from facegap.report.figures.waterfall import LOSSES
from facegap.report.rows.frames import own_rates
from facegap.store.run import Run

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def figures(compared_run: tuple[Path, Run], answered_run: tuple[Path, Run]) -> dict[str, Figure]:
    """Every figure of both runs by name, prefixed with its section."""
    return {
        f"{part}/{figure.name}": figure
        for _, run in (compared_run, answered_run)
        for part, found in figures_of(run).items()
        for figure in found
    }


@pytest.fixture(scope="module")
def hostile_pictures(hostile_run: tuple[Path, Run]) -> list[Drawn]:
    """Every figure of the hostile run, rendered."""
    return [drawn(figure) for found in figures_of(hostile_run[1]).values() for figure in found]


def values(figure: Figure) -> list[dict[str, Any]]:
    """All rows of all data of a spec."""
    return [row for text in figure.spec["datasets"].values() for row in json.loads(text)]


def test_a_verification_run_has_a_figure_for_every_part_and_a_run_of_answers_only_its_own(
    compared_run: tuple[Path, Run], answered_run: tuple[Path, Run]
) -> None:
    assert [part for part, found in figures_of(compared_run[1]).items() if found] == [
        "errors",
        "waterfall",
        "scores",
        "det",
        "matrix",
        "transfer",
        "threshold",
    ]
    assert [part for part, found in figures_of(answered_run[1]).items() if found] == ["errors", "waterfall"]
    assert list(FIGURES) == [
        *("errors", "slopes", "ages", "answers", "frames", "balanced", "quality", "waterfall", "scores", "det"),
        *("matrix", "transfer", "threshold", "tone"),
    ]


def test_every_spec_fits_the_schema_of_vega_lite(figures: dict[str, Figure]) -> None:
    # The schema against which altair validates charts, used once per spec; altair would use it once per kind of chart.
    schema = Draft7Validator(core.load_schema())
    assert len(figures) >= 12
    for name, figure in figures.items():
        assert [error.message for error in islice(schema.iter_errors(figure.spec), 1)] == [], name
    assert not schema.is_valid({**figure.spec, "encoding": {"x": {"type": "numeric"}}})


def test_a_dot_plot_draws_the_rates_of_the_run_worst_first(
    answered_run: tuple[Path, Run], figures: dict[str, Figure]
) -> None:
    run = answered_run[1]
    rows = [row for row in values(figures["errors/error-error-rate-all-by-town-gender"]) if "group" in row]
    rates = own_rates(run)
    of_grouping = rates[(rates["metric"] == "error_rate_all") & (rates["grouping"] == ("town", "gender"))]
    told = {str(row["group"]): row for _, row in of_grouping.iterrows()}
    assert {row["group"] for row in rows} == set(told)
    for row in rows:
        rate = told[row["group"]]
        assert (row["errors"], row["trials"]) == (rate["errors"], rate["trials"])
        assert (row["value"], row["low"], row["high"]) == pytest.approx((rate["value"], rate["low"], rate["high"]))
    drawn_values = [row["value"] for row in rows]
    assert drawn_values == sorted(drawn_values, reverse=True)


@pytest.mark.parametrize("part", ["errors", "matrix", "transfer", "threshold"])
def test_tooltips_name_errors_trials_subjects_and_interval(figures: dict[str, Figure], part: str) -> None:
    for figure in (figure for name, figure in figures.items() if name.startswith(part)):
        text = spec_json(figure.spec)
        said = " ".join(re.findall(r'"title":"([^"]*)"', text))
        assert "interval" in said
        assert "subjects" in said
        row = next(row for row in values(figure) if "interval" in row or "m_interval" in row)
        counted = row.get("of") or row["m_of"]
        assert re.match(r"[\d,]+ of [\d,]+", counted)


def test_svg_and_png_are_the_same_bytes_every_time(compared_run: tuple[Path, Run]) -> None:
    first, second = (
        [drawn(figure) for found in figures_of(compared_run[1]).values() for figure in found] for _ in range(2)
    )
    assert len(first) >= 8
    for one, other in zip(first, second, strict=True):
        assert one.svg == other.svg, one.figure.name
        assert spec_json(one.figure.spec) == spec_json(other.figure.spec)
    one, other = first[0].files(), second[0].files()  # the PNG of the others is made from the same SVG in the same way
    assert one.keys() == other.keys()
    for name, content in one.items():
        if not name.endswith(".pdf"):
            assert content == other[name], name


def test_each_figure_is_written_as_svg_png_pdf_and_spec(figures: dict[str, Figure]) -> None:
    figure = next(iter(figures.values()))
    files = drawn(figure).files()
    assert [name.removeprefix(figure.name) for name in files] == [".vl.json", ".svg", ".png", ".pdf"]
    assert files[f"{figure.name}.png"].startswith(b"\x89PNG")
    assert files[f"{figure.name}.pdf"].startswith(b"%PDF")
    assert json.loads(files[f"{figure.name}.vl.json"]) == figure.spec


# ---- hostile text ----


def test_a_hostile_group_is_text_in_every_svg(hostile_pictures: list[Drawn]) -> None:
    assert len(hostile_pictures) >= 8
    for picture in hostile_pictures:
        tree = ElementTree.fromstring(picture.svg)
        kinds = {element.tag.removeprefix(SVG) for element in tree.iter()}
        assert kinds <= {
            "svg",
            "g",
            "path",
            "text",
            "rect",
            "line",
            "defs",
            "clipPath",
            "linearGradient",
            "stop",
            "tspan",
        }
        attributes = {name for element in tree.iter() for name in element.attrib}
        assert not any(name.startswith("on") or "href" in name for name in attributes)
    assert any(
        "<script>alert(1)" in "".join(ElementTree.fromstring(picture.svg).itertext()) for picture in hostile_pictures
    )


def test_no_svg_holds_an_escape_a_turning_letter_or_one_that_xml_forbids(hostile_pictures: list[Drawn]) -> None:
    for picture in hostile_pictures:
        assert not set(picture.svg) & {"\x1b", "\u202e", "\ufffe"}


def test_groups_named_as_every_object_of_javascript_names_its_own_parts_are_drawn(
    tmp_path: Path, make_compared: Any
) -> None:
    names = ["constructor", "toString", "__proto__"]
    run = make_compared(tmp_path, names, by="town,town*gender")
    pictures = {part: [drawn(figure) for figure in found] for part, found in figures_of(run).items()}
    assert pictures["errors"]
    assert pictures["matrix"]
    for picture in pictures["errors"]:
        if "by-town" in picture.figure.name and "gender" not in picture.figure.name:
            said = {text.strip() for text in ElementTree.fromstring(picture.svg).itertext()}
            assert set(names) <= said


def test_a_name_that_objects_have_is_kept_apart_by_a_blank_and_every_other_text_is_as_it_was() -> None:
    assert with_safe_names({"sort": ["constructor", "a"], "constructor": 1}) == {
        "sort": ["constructor\u00a0", "a"],
        "constructor": 1,
    }
    assert as_json("valueOf") == with_safe_names("valueOf") == "valueOf\u00a0"
    assert as_json("valueOf female") == "valueOf female"
    assert {"constructor", "__proto__", "toString"} <= INHERITED


def test_names_of_figures_are_safe_whatever_a_column_is_called() -> None:
    taken: set[str] = set()
    assert slug("../../Etc/Passwd\x00", taken) == "etc-passwd"
    assert slug("etc passwd", taken) == "etc-passwd-2"
    assert slug("肤色", taken) == "figure"
    assert len(slug("a" * 500, taken)) == 60


# ---- by hand ----


def test_rates_that_are_compared_as_ratios_get_a_log_axis_where_they_are_far_apart() -> None:
    rows = [{"value": 0.04, "low": 0.02}, {"value": 0.004, "low": 0.003}, {"value": 0.0, "low": 0.0}]
    logarithmic, floor = log_axis(rows, "fmr")
    assert logarithmic
    assert floor == pytest.approx(0.002)  # the lowest nonzero limit, minus a third
    assert log_axis(rows, "error_rate_all") == (False, 0.0)
    assert log_axis(rows[:1], "fmr") == (False, 0.0)
    assert log_axis(rows[2:], "fmr") == (False, 0.0)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (0.0284, "2.8"),
        (0.0042, "0.42"),
        (0.00042, "0.04"),
        (0.000042, "0.004"),
        (0.0000042, "<0.001"),
        (0.31, "31"),
        (math.nan, ""),
    ],
)
def test_a_cell_holds_its_rate_in_few_letters(value: float, text: str) -> None:
    assert short(value) == text


def test_names_beside_marks_cover_neither_marks_nor_each_other() -> None:
    def row(group: str, x: float, y: float) -> dict[str, Any]:
        return {"group": group, "x": x, "x1": x / 2, "x2": 0.02, "r_value": y, "r_high": 0.3}

    rows = [row("alone", 0.001, 0.1), row("left of two", 0.01, 0.2), row("just beside", 0.0101, 0.2)]
    rows += [row("at the very edge", 0.02, 0.05)]
    place_names(rows, logarithmic=False)
    assert [one["place"] for one in rows] == [0, 2, 0, 2]  # on the left if the right is occupied, or too narrow
    crowd = [row(f"group {k}", 0.01 + k * 1e-5, 0.2) for k in range(9)]
    place_names(crowd, logarithmic=True)
    places = [one["place"] for one in crowd]
    assert -1 in places
    assert sorted(place for place in places if place >= 0) == sorted({place for place in places if place >= 0})


def test_genders_have_the_same_colours_in_the_chart_of_both_errors_as_elsewhere(figures: dict[str, Figure]) -> None:
    for name in ("threshold/threshold-by-gender", "threshold/threshold-by-town-gender"):
        colours = [layer["encoding"]["color"] for layer in figures[name].spec["layer"]]
        scales = [colour["scale"] for colour in colours if "scale" in colour]
        assert scales[0]["domain"] == ["female", "male"]
        assert scales[0]["range"] == list(PALETTE[:2])


def test_groups_without_trials_come_last_and_small_ones_are_marked(answered_run: tuple[Path, Run]) -> None:
    rates = own_rates(answered_run[1])
    rates = rates[rates["metric"] == "error_rate_all"].copy()
    place = rates.index[rates["grouping"] == ("gender",)][0]
    rates.loc[place, ["trials", "errors", "subjects", "effective_subjects"]] = 0
    rates.loc[place, "value"] = math.nan
    rows = rows_of(rates, ("gender",), 20)
    assert rows[-1]["counted"] == "no trials"
    assert rows[-1]["small"]
    assert not rows[0]["small"]


def test_each_step_of_the_waterfall_says_its_count_once(
    compared_run: tuple[Path, Run], make_compared: Any, tmp_path: Path
) -> None:
    alone = make_compared(tmp_path, ["Ayr", "Bonn"], photographs=1)  # nobody reaches the last steps
    for run in (compared_run[1], alone):
        figure = next(figure for figure in figures_of(run)["waterfall"] if figure.name == "waterfall")
        rows = [row for row in values(figure) if row.get("part")]
        for stage in {row["stage"] for row in rows}:
            assert sum(row["note"] != "" for row in rows if row["stage"] == stage) == 1
    assert any(row["note"].startswith("0 (") for row in rows)


def test_what_json_has_no_word_for_is_null() -> None:
    assert [as_json(value) for value in (math.nan, math.inf, 1.5, "a\x1b", None)] == [None, None, 1.5, "a\ufffd", None]


# ---- skin tone ----


def test_tone_columns_are_found_by_name_and_put_on_their_scale(tmp_path: Path, make_answered: Any) -> None:
    monk = [str(k % 10 + 1) for k in range(80)]
    run = make_answered(tmp_path, ["Ayr", "Bonn"], measured_monk=monk, tone=["darker", "lighter"] * 40)
    assert tone_columns(run.manifest) == ["measured_monk", "tone"]
    named = {figure.name: figure for figure in figures_of(run)["tone"]}
    rows = values(named["measured-monk"])
    assert [row["level"] for row in rows] == [str(k) for k in range(1, 11)]
    assert {row["people"] for row in rows} == {8}
    # The bars are the palette's; only the swatches have the colours of the scale.
    assert {row["fill"] for row in rows} == {PALETTE[0]}
    assert [row["swatch"] for row in rows][:2] == ["#f6ede4", "#f3e7db"]
    assert {row["swatch"] for row in values(named["tone"])} == {None}
    assert scale_of("tone", ["darker", "lighter"]) is not None


# ---- the palette ----

# Machado, Oliveira and Fernandes (2009), severity 1: linear RGB as seen without one type of cone.
WITHOUT = {
    "red": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "green": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "blue": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
    "none": [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
}
TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])


def linear(colour: str) -> Any:
    """Linear RGB of an sRGB hex colour."""
    share = np.array([int(colour[k : k + 2], 16) for k in (1, 3, 5)]) / 255
    return np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)


def lab(rgb: Any) -> Any:
    """CIELAB, D65, of linear RGB."""
    xyz = TO_XYZ @ np.clip(rgb, 0, 1) / np.array([0.9505, 1, 1.089])
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def contrast_with_white(colour: str) -> float:
    """WCAG contrast ratio with white."""
    return 1.05 / (float(TO_XYZ[1] @ linear(colour)) + 0.05)


@pytest.mark.parametrize("missing", WITHOUT)
def test_colours_stay_apart_for_every_kind_of_colour_blindness(missing: str) -> None:
    seen = [lab(np.array(WITHOUT[missing]) @ linear(colour)) for colour in PALETTE]
    apart = [float(np.linalg.norm(a - b)) for k, a in enumerate(seen) for b in seen[:k]]
    assert min(apart) > 10  # 2.3 is just noticeable
    assert float(np.linalg.norm(seen[0] - seen[1])) > 40  # the two colours of nearly every chart


def test_marks_differ_by_shape_as_well_and_stand_out_from_paper() -> None:
    assert len(set(SHAPES)) == len(SHAPES) >= len(PALETTE)
    assert all(contrast_with_white(colour) > 3 for colour in (*PALETTE, ASIDE, *LOSSES.values()))


@pytest.mark.parametrize("missing", WITHOUT)
def test_colours_of_losses_and_of_what_stands_aside_stay_apart_too(missing: str) -> None:
    for colours in ([*LOSSES.values()], [ASIDE, *PALETTE[:4]]):
        seen = [lab(np.array(WITHOUT[missing]) @ linear(colour)) for colour in colours]
        assert min(float(np.linalg.norm(a - b)) for k, a in enumerate(seen) for b in seen[:k]) > 10


def light(colours: tuple[str, ...], place: float) -> float:
    """Luminance at a position, 0 to 1, of a colour scale interpolated in CIELAB."""
    k = min(int(place * (len(colours) - 1)), len(colours) - 2)
    share = place * (len(colours) - 1) - k
    lightness = (1 - share) * lab(linear(colours[k]))[0] + share * lab(linear(colours[k + 1]))[0]
    root = (lightness + 16) / 116
    return float(root**3 if root > 6 / 29 else (root - 16 / 116) / 7.787)


def ink_contrast(luminance: float, *, white: bool) -> float:
    """WCAG contrast of white or black letters with a colour of some luminance."""
    return 1.05 / (luminance + 0.05) if white else (luminance + 0.05) / 0.05


def test_numbers_in_heat_maps_stand_out_from_every_shade_behind_them() -> None:
    for share in np.linspace(0, 1, 201):
        assert ink_contrast(light(BELOW, share), white=False) > 4.5
        assert ink_contrast(light(ABOVE, share), white=share > WHITE_FROM) > 4.5


# ---- heat maps ----


def heat_maps(figures: dict[str, Figure]) -> list[Figure]:
    """The FMR matrices and the heat maps of thresholds set on one group."""
    return [figure for name, figure in figures.items() if name.startswith(("matrix/", "transfer/"))]


def test_colours_of_a_heat_map_are_anchored_at_0_and_at_the_target_whatever_its_rates(
    figures: dict[str, Figure],
) -> None:
    maps = heat_maps(figures)
    assert len(maps) >= 3
    for figure in maps:
        colour = figure.spec["layer"][0]["encoding"]["color"]
        assert colour["scale"]["domain"] == [0, 1, 1.001, 2]
        assert colour["scale"]["range"] == [*BELOW, *ABOVE]
        assert len(colour["legend"]["values"]) >= 3
        assert "orange: above" in colour["legend"]["title"]
        for row in values(figure):
            if row["value"] == 0:
                assert row["shade"] == 0
    assert (TICKS[0], TICKS[1], TICKS[-1]) == (0, 1, 2)


def test_a_rate_has_its_place_by_the_stated_value_alone() -> None:
    assert [shade_of(value, 0.001) for value in (0.0, 0.0005, 0.001)] == [0.0, 0.5, 1.0]
    assert shade_of(0.01, 0.001) == pytest.approx(2.0)
    assert shade_of(0.9, 0.001) == 2.0
    assert shade_of(0.0031622776601683795, 0.001) == pytest.approx(1.5)
    assert math.isnan(shade_of(math.nan, 0.001))


def test_without_a_target_the_colours_turn_at_the_margin_above_the_rate_of_everybody(
    compared_run: tuple[Path, Run],
) -> None:
    run = compared_run[1]
    given = tuple(replace(point, targets=()) for point in run.record.operating)
    assert run.record.comparison is not None
    record = replace(run.record, comparison=replace(run.record.comparison, operating=given))
    everybody = run.rates[
        (run.rates["metric"] == "fmr") & (run.rates["town"] == "any") & (run.rates["gender"] == "any")
    ]
    for figure in figures_of(replace(run, record=record))["matrix"]:
        assert "the margin above the overall rate" in figure.spec["layer"][0]["encoding"]["color"]["legend"]["title"]
        row = next(row for row in values(figure) if row["value"] > 0)
        assert row["shade"] == pytest.approx(shade_of(row["value"], 2 * float(everybody["value"].iloc[0])), rel=1e-6)


def test_cells_of_too_few_people_are_hatched_and_the_note_says_so(compared_run: tuple[Path, Run]) -> None:
    run = compared_run[1]
    (enough, *_), (few, *_) = (
        figures_of(replace(run, record=replace(run.record, min_subjects=least)))["matrix"] for least in (2, 10_000)
    )
    assert not any(row["few"] for row in values(enough))
    assert enough.note == ""
    assert all(row["few"] for row in values(few))
    assert few.note == "Hatched: too few people to rank."
    assert "shape" in spec_json(few.spec)


def test_a_det_chart_that_would_be_empty_is_not_made(
    tmp_path: Path, make_compared: Any, compared_run: tuple[Path, Run]
) -> None:
    assert figures_of(compared_run[1])["det"]
    apart = make_compared(tmp_path, ["Ayr", "Bonn"], noise=0.01)  # every pair far from every threshold
    assert figures_of(apart)["det"] == []


# ---- phones and dark screens ----


def test_the_narrow_version_of_every_chart_is_no_wider_than_a_phone(figures: dict[str, Figure]) -> None:
    made = {name: with_narrow(Drawn(figure, svg="")) for name, figure in figures.items()}
    assert sum(bool(picture.narrow) for picture in made.values()) >= 10  # those with very many marks have none
    for name, picture in made.items():
        if not picture.narrow:
            continue
        width = re.search(r'<svg[^>]* width="([\d.]+)"', picture.narrow)
        assert width is not None, name
        assert float(width[1]) <= PHONE_PX, name
        assert with_narrow(picture).narrow == picture.narrow


def test_on_a_dark_screen_every_mark_stands_out_and_files_of_figures_stay_light(figures: dict[str, Figure]) -> None:
    paper = float(TO_XYZ[1] @ linear(DARK_PAPER))
    for colour in (*PALETTE, ASIDE, *LOSSES.values(), MUTED):
        seen = float(TO_XYZ[1] @ linear(DARK.get(colour, colour)))
        assert (seen + 0.05) / (paper + 0.05) > 3, colour
    svg = drawn(next(iter(figures.values()))).svg
    assert DARK_PAPER not in svg
    assert with_dark(svg).replace(f"<style>{dark_rules()}</style>", "") == svg
