"""Skin tone scales as data, each with its cut between lighter and darker.

No scale is a finer or coarser version of another: Fitzpatrick describes the reaction of skin to sun, Monk shows ten
colours, ITA and L* x hue classify a measured colour. facegap does not convert labels from one scale to another.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from facegap.errors import TableError

LIGHTER: Final = "lighter"
DARKER: Final = "darker"
ITA_CUT = 28.0  # degrees; above it a measured tone is lighter: the boundary of "intermediate" and "tan"


@dataclass(frozen=True)
class Scale:
    """A skin tone scale.

    labels  : all labels, in the order of the scale: from light to dark if it is ordinal
    ordinal : whether that order is meaningful (Krippendorff's ordinal alpha, medians)
    lighter : the labels that count as lighter; the others count as darker
    cut     : source of the cut between lighter and darker; empty if the scale itself defines it
    swatches: sRGB as "#rrggbb", one per label; None if the scale has no published colours
    source  : publication of the scale
    """

    name: str
    labels: tuple[str, ...]
    ordinal: bool
    lighter: tuple[str, ...]
    cut: str
    swatches: tuple[str, ...] | None
    source: str


FITZPATRICK = Scale(
    name="fitzpatrick",
    labels=("I", "II", "III", "IV", "V", "VI"),
    ordinal=True,
    lighter=("I", "II", "III"),
    cut="I to III are lighter in Buolamwini and Gebru (2018)",
    swatches=None,
    source="Fitzpatrick (1988), Archives of Dermatology 124(6): a scale of the skin's reaction to sun, not of its "
    "colour",
)

MONK = Scale(
    name="monk",
    labels=("1", "2", "3", "4", "5", "6", "7", "8", "9", "10"),
    ordinal=True,
    lighter=("1", "2", "3", "4", "5"),
    cut="the Monk scale has no official cut; 1 to 5 count as lighter here because an ITA of 28 falls between the "
    "colours of 5 and 6",
    swatches=(
        "#f6ede4",
        "#f3e7db",
        "#f7ead0",
        "#eadaba",
        "#d7bd96",
        "#a07e56",
        "#825c43",
        "#604134",
        "#3a312a",
        "#292420",
    ),
    source="Monk (2019), Monk Skin Tone scale; colours as published at skintone.google",
)

ITA = Scale(
    name="ita",
    labels=("very light", "light", "intermediate", "tan", "brown", "dark"),
    ordinal=True,
    lighter=("very light", "light", "intermediate"),
    cut="facegap cuts at an ITA of 28 degrees, the boundary between intermediate and tan",
    swatches=None,
    source="Chardon, Cretois and Hourseau (1991); classes at 55, 41, 28, 10 and -30 degrees, Del Bino and Bernerd (2013)",
)

L_HUE = Scale(
    name="l_hue",
    labels=("light red", "light yellow", "dark red", "dark yellow"),
    ordinal=False,
    lighter=("light red", "light yellow"),
    cut="",
    swatches=None,
    source="Thong, Joniak and Xiang (2023), Beyond Skin Tone: L* above 60 is light, a hue above 55 degrees yellow",
)

LIGHTER_DARKER = Scale(
    name="lighter_darker",
    labels=(LIGHTER, DARKER),
    ordinal=True,
    lighter=(LIGHTER,),
    cut="",
    swatches=None,
    source="Buolamwini and Gebru (2018), Gender Shades",
)

SCALES: Mapping[str, Scale] = MappingProxyType(
    {scale.name: scale for scale in (FITZPATRICK, MONK, ITA, L_HUE, LIGHTER_DARKER)}
)


def scale_named(name: str) -> Scale:
    """Return the scale with this name.

    Raises
    ------
    TableError : if there is no such scale; the message lists the available ones
    """
    if name not in SCALES:
        raise TableError(f"{name!r} is not a skin tone scale; the scales are {', '.join(SCALES)}")
    return SCALES[name]


def lighter_labels(scale: Scale, last_lighter: str | None = None) -> tuple[str, ...]:
    """The labels of `scale` that count as lighter.

    last_lighter : the darkest label that counts as lighter, on an ordinal scale; None: the cut of the scale

    Raises
    ------
    TableError : if last_lighter is not a label of the scale, or is the last one, or the scale has no order
    """
    if last_lighter is None:
        return scale.lighter
    if last_lighter not in scale.labels:
        raise TableError(f"{last_lighter!r} is not one of {', '.join(scale.labels)} ({scale.name})")
    if not scale.ordinal:
        raise TableError(f"the scale {scale.name} has no order, so none of its labels can be the last lighter one")
    if last_lighter == scale.labels[-1]:
        raise TableError(f"{last_lighter!r} is the darkest label of {scale.name}: nobody would be darker")
    return scale.labels[: scale.labels.index(last_lighter) + 1]
