"""Scales as data: their labels, colours, and cuts between lighter and darker."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facegap.errors import TableError
from facegap.groups.lab import ita, lab_of_srgb, rgb_of_hex
from facegap.groups.scales import (
    FITZPATRICK,
    ITA,
    ITA_CUT,
    L_HUE,
    MONK,
    SCALES,
    Scale,
    lighter_labels,
    scale_named,
)


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


def test_the_default_cut_of_monk_is_where_an_ita_of_28_falls_among_its_colours() -> None:
    lighter = [ita(l_star, b_star) > ITA_CUT for l_star, _, b_star in monk_colours()]
    assert lighter_labels(MONK) == tuple(
        label for label, is_lighter in zip(MONK.labels, lighter, strict=True) if is_lighter
    )


def test_gender_shades_called_the_first_three_types_lighter() -> None:
    assert lighter_labels(FITZPATRICK) == ("I", "II", "III")


@pytest.mark.parametrize(
    ("scale", "last", "said"),
    [
        (FITZPATRICK, "VII", r"'VII' is not one of I, II"),
        (MONK, "10", "nobody would be darker"),
        (L_HUE, "light red", "has no order"),
    ],
)
def test_a_wrong_cut_is_named(scale: Scale, last: str, said: str) -> None:
    with pytest.raises(TableError, match=said):
        lighter_labels(scale, last)


def test_an_unknown_scale_is_named_with_those_there_are() -> None:
    with pytest.raises(TableError, match="'mst' is not a skin tone scale; the scales are fitzpatrick, monk"):
        scale_named("mst")


@given(st.sampled_from([FITZPATRICK, MONK, ITA]), st.data())
def test_a_cut_splits_an_ordered_scale_in_two(scale: Scale, data: st.DataObject) -> None:
    last = data.draw(st.sampled_from(scale.labels[:-1]))
    lighter = lighter_labels(scale, last)
    assert lighter == scale.labels[: len(lighter)]
    assert lighter[-1] == last


def test_the_scale_of_l_star_and_hue_has_no_order() -> None:
    assert not L_HUE.ordinal
    assert lighter_labels(L_HUE) == ("light red", "light yellow")
