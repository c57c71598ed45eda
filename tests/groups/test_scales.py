"""Scales as data: their labels and colours, and conversions that say what they lose or refuse."""

from __future__ import annotations

import math
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facegap.errors import TableError
from facegap.groups.lab import hue, ita, lab_of_srgb, rgb_of_hex
from facegap.groups.scales import (
    FITZPATRICK,
    ITA,
    L_HUE,
    MONK,
    SCALES,
    Scale,
    convert,
    ita_class,
    l_hue_class,
    lighter_labels,
)

ALLOWED = {
    ("monk", "ita"),
    ("monk", "l_hue"),
    *((name, "lighter_darker") for name in SCALES),
    *((n, n) for n in SCALES),
}


def monk_colours() -> list[list[float]]:
    assert MONK.swatches is not None
    return [[float(value) for value in row] for row in lab_of_srgb(rgb_of_hex(MONK.swatches))]


def test_the_colours_of_monk_have_their_known_ita() -> None:
    angles = [ita(l_star, b_star) for l_star, _, b_star in monk_colours()]
    assert angles == pytest.approx([83.0, 80.2, 71.8, 64.7, 50.3, 10.9, -20.1, -55.4, -78.4, -84.3], abs=0.06)


def test_the_third_colour_is_the_published_one_and_not_the_one_that_circulates() -> None:
    assert MONK.swatches is not None
    assert MONK.swatches[2] == "#f7ead0"


def test_every_scale_is_whole() -> None:
    for name, scale in SCALES.items():
        assert scale.name == name
        assert len(set(scale.labels)) == len(scale.labels)
        assert set(scale.lighter) < set(scale.labels)
        assert scale.swatches is None or len(scale.swatches) == len(scale.labels)
        assert scale.source


def test_conversions_of_monk_are_those_of_its_colours() -> None:
    colours = monk_colours()
    assert convert(MONK.labels, "monk", "ita").labels == tuple(ita_class(ita(row[0], row[2])) for row in colours)
    expected = tuple(l_hue_class(row[0], hue(row[1], row[2])) for row in colours)
    assert convert(MONK.labels, "monk", "l_hue").labels == expected


@pytest.mark.parametrize(
    ("angle", "name"),
    [
        (55.1, "very light"),
        (55, "light"),
        (41, "intermediate"),
        (28.1, "intermediate"),
        (28, "tan"),
        (10, "brown"),
        (-30, "dark"),
        (-90, "dark"),
        (math.nan, ""),
    ],
)
def test_an_ita_class_ends_at_its_published_border(angle: float, name: str) -> None:
    assert ita_class(angle) == name


def test_fields_of_l_star_and_hue() -> None:
    found = [l_hue_class(*point) for point in ((61, 56), (61, 55), (60, 56), (60, 55), (math.nan, 50), (50, math.nan))]
    assert found == ["light yellow", "light red", "dark yellow", "dark red", "", ""]


def test_gender_shades_called_the_first_three_types_lighter() -> None:
    converted = convert(["III", "", "IV"], "fitzpatrick", "lighter_darker")
    assert converted.labels == ("lighter", "", "darker")
    assert "I, II, III count as lighter" in converted.note
    assert "not one-to-one" in converted.note


def test_monk_has_a_default_cut_that_says_so_and_can_be_moved() -> None:
    default = convert(["5", "6"], "monk", "lighter_darker")
    assert default.labels == ("lighter", "darker")
    assert "no official cut" in default.note
    moved = convert(["5", "6"], "monk", "lighter_darker", last_lighter="6")
    assert moved.labels == ("lighter", "lighter")
    assert "a cut asked for" in moved.note


@pytest.mark.parametrize(("source", "target"), list(product(SCALES, SCALES)))
def test_what_would_have_to_guess_is_refused_with_a_cure(source: str, target: str) -> None:
    labels = SCALES[source].labels
    if (source, target) in ALLOWED:
        converted = convert(labels, source, target)
        assert set(converted.labels) <= set(SCALES[target].labels)
        injective = len(set(converted.labels)) == len(labels)
        assert ("not one-to-one" in converted.note) == (not injective)
    else:
        with pytest.raises(TableError, match=rf"cannot be converted to {target}: \w.*; annotate on {target}"):
            convert(labels, source, target)


@pytest.mark.parametrize(
    ("labels", "source", "target", "last", "said"),
    [
        (["I", "VII"], "fitzpatrick", "lighter_darker", None, r"label 1 .*'VII' is not one of I, II"),
        (["1"], "mst", "ita", None, "'mst' is no skin tone scale; known are fitzpatrick, monk"),
        (["1"], "monk", "fitz", None, "'fitz' is no skin tone scale"),
        (["1"], "monk", "lighter_darker", "10", "nobody would be darker"),
        (["1"], "monk", "lighter_darker", "11", "'11' is not one of"),
        (["light red"], "l_hue", "lighter_darker", "light red", "has no order"),
        (["1"], "monk", "ita", "5", "last_lighter belongs to"),
    ],
)
def test_a_wrong_label_scale_or_cut_is_named(labels: list[str], source: str, target: str, last: str, said: str) -> None:
    with pytest.raises(TableError, match=said):
        convert(labels, source, target, last_lighter=last)


@given(st.sampled_from([FITZPATRICK, MONK, ITA]), st.data())
def test_a_cut_splits_an_ordered_scale_in_two(scale: Scale, data: st.DataObject) -> None:
    last = data.draw(st.sampled_from(scale.labels[:-1]))
    lighter = lighter_labels(scale, last)
    assert lighter == scale.labels[: len(lighter)]
    assert lighter[-1] == last


@given(st.floats(-90, 90), st.floats(-90, 90))
def test_a_darker_class_is_never_given_to_the_higher_angle(one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert ITA.labels.index(ita_class(high)) <= ITA.labels.index(ita_class(low))


def test_the_scale_of_l_star_and_hue_has_no_order() -> None:
    assert not L_HUE.ordinal
    assert lighter_labels(L_HUE) == ("light red", "light yellow")
