"""Skin tone scales as data, and the conversions between them that mean something.

No scale is a finer or coarser copy of another: Fitzpatrick asks how skin takes the sun, Monk shows ten colours, ITA and
L* x hue cut a measured colour. So a conversion says what is lost, and one that would have to guess is refused.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from facegap.errors import TableError

LIGHTER: Final = "lighter"
DARKER: Final = "darker"
ITA_CUT = 28.0  # degrees; above it a measured tone is lighter: the border of "intermediate" and "tan"
ITA_FLOORS = (55.0, 41.0, 28.0, 10.0, -30.0)  # degrees; above the k-th floor and no earlier one: the k-th ITA class
L_STAR_CUT = 60.0  # above: light
HUE_CUT = 55.0  # degrees; above: yellow


@dataclass(frozen=True)
class Scale:
    """One way to name skin tones.

    labels  : every label, in the order of the scale: from light to dark where it is ordinal
    ordinal : whether that order means something (Krippendorff's ordinal alpha, medians)
    lighter : the labels that count as lighter; the others count as darker
    cut     : who drew the line between lighter and darker; empty where the scale itself does
    swatches: sRGB as "#rrggbb", one per label; None where the scale publishes no colours
    source  : where the scale is from
    """

    name: str
    labels: tuple[str, ...]
    ordinal: bool
    lighter: tuple[str, ...]
    cut: str
    swatches: tuple[str, ...] | None
    source: str


@dataclass(frozen=True)
class Conversion:
    """Labels on another scale, in the order of those given; `note` says what was lost, empty where nothing was."""

    labels: tuple[str, ...]
    note: str


FITZPATRICK = Scale(
    name="fitzpatrick",
    labels=("I", "II", "III", "IV", "V", "VI"),
    ordinal=True,
    lighter=("I", "II", "III"),
    cut="I to III are lighter in Buolamwini and Gebru (2018)",
    swatches=None,
    source="Fitzpatrick (1988), Archives of Dermatology 124(6): how skin reacts to the sun, not a colour",
)

MONK = Scale(
    name="monk",
    labels=("1", "2", "3", "4", "5", "6", "7", "8", "9", "10"),
    ordinal=True,
    lighter=("1", "2", "3", "4", "5"),
    cut="Monk has no official cut; 1 to 5 are lighter here, as an ITA of 28 falls between the colours of 5 and 6",
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
    cut="facegap cuts at an ITA of 28 degrees, the border of intermediate and tan",
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

# Each colour of Monk on the scales that cut a colour; tests/groups/test_scales.py derives both rows from the swatches.
_MONK_ITA = ("very light", "very light", "very light", "very light", "light", "tan", "brown", "dark", "dark", "dark")
_MONK_L_HUE = ("light yellow",) * 5 + ("dark yellow", "dark yellow", "dark red", "dark yellow", "dark yellow")

_REFUSALS: Mapping[tuple[str, str], str] = MappingProxyType(
    {
        ("ita", "monk"): "one ITA class holds several colours of Monk (very light: 1 to 4) and one holds none "
        "(intermediate)",
        ("ita", "l_hue"): "an ITA class fixes neither L* nor hue",
        ("ita", "fitzpatrick"): "a colour does not say how skin reacts to the sun",
        ("monk", "fitzpatrick"): "a colour does not say how skin reacts to the sun",
        ("l_hue", "fitzpatrick"): "a colour does not say how skin reacts to the sun",
        ("l_hue", "ita"): "its four fields cut across the ITA classes",
        ("l_hue", "monk"): "each of its four fields holds several colours of Monk or none",
    }
)


def scale_named(name: str) -> Scale:
    """The scale of that name.

    Raises
    ------
    TableError : no such scale; the message lists those there are
    """
    if name not in SCALES:
        raise TableError(f"{name!r} is no skin tone scale; known are {', '.join(SCALES)}")
    return SCALES[name]


def lighter_labels(scale: Scale, last_lighter: str | None = None) -> tuple[str, ...]:
    """The labels of `scale` that count as lighter.

    last_lighter : the darkest label that still counts as lighter, on an ordinal scale; None: the cut of the scale

    Raises
    ------
    TableError : last_lighter is no label of the scale, or its last one, or the scale has no order
    """
    if last_lighter is None:
        return scale.lighter
    _check_labels((last_lighter,), scale)
    if not scale.ordinal:
        raise TableError(f"the scale {scale.name} has no order, so no label of it can be the last lighter one")
    if last_lighter == scale.labels[-1]:
        raise TableError(f"{last_lighter!r} is the darkest label of {scale.name}: nobody would be darker")
    return scale.labels[: scale.labels.index(last_lighter) + 1]


def convert(labels: Sequence[str], from_scale: str, to_scale: str, *, last_lighter: str | None = None) -> Conversion:
    """Labels of one scale as labels of another, where that means something; "" (no label) stays "".

    last_lighter : for a conversion to lighter_darker: the darkest label counted lighter, None for the scale's own cut

    Raises
    ------
    TableError : an unknown scale, a label that is not of its scale (named with its position from 0), or a conversion
                 that would have to guess
    """
    source, target = scale_named(from_scale), scale_named(to_scale)
    _check_labels(labels, source)
    if last_lighter is not None and to_scale != LIGHTER_DARKER.name:
        raise TableError(f"last_lighter belongs to a conversion to {LIGHTER_DARKER.name}, not to {to_scale}")
    if source == target:
        return Conversion(tuple(labels), "")
    table, note = _table(source, target, last_lighter)
    return Conversion(tuple(table[label] if label else "" for label in labels), note)


def ita_class(ita: float) -> str:
    """The ITA class of an angle in degrees; "" for NaN. A border belongs to the darker class."""
    if ita != ita:
        return ""
    return ITA.labels[sum(ita <= floor for floor in ITA_FLOORS)]


def l_hue_class(l_star: float, hue: float) -> str:
    """The field of L* x hue; hue in degrees; "" where either is NaN. A border belongs to dark, and to red."""
    if l_star != l_star or hue != hue:
        return ""
    return f"{'light' if l_star > L_STAR_CUT else 'dark'} {'yellow' if hue > HUE_CUT else 'red'}"


def _table(source: Scale, target: Scale, last_lighter: str | None) -> tuple[dict[str, str], str]:
    """Label to label, and what is lost on the way."""
    if target == LIGHTER_DARKER:
        lighter = lighter_labels(source, last_lighter)
        said = f"{source.name} {', '.join(lighter)} count as lighter, the other labels as darker"
        reason = "a cut asked for" if last_lighter is not None else source.cut
        note = f"not one-to-one: {said}" + (f" ({reason})" if reason else "")
        return {label: LIGHTER if label in lighter else DARKER for label in source.labels}, note
    if source == MONK and target == ITA:
        note = "not one-to-one: by the published colours 1 to 4 are all very light, 8 to 10 dark, none intermediate"
        return dict(zip(source.labels, _MONK_ITA, strict=True)), note
    if source == MONK and target == L_HUE:
        note = "not one-to-one: by the published colours 1 to 5 are light yellow, 8 dark red, the others dark yellow"
        return dict(zip(source.labels, _MONK_L_HUE, strict=True)), note
    reason = _REFUSALS.get((source.name, target.name), "")
    if source == FITZPATRICK:
        reason = "Fitzpatrick types say how skin reacts to the sun, not which colour it has"
    if source == LIGHTER_DARKER:
        reason = "two labels cannot say which of several is meant"
    raise TableError(f"{source.name} labels cannot be converted to {target.name}: {reason}; annotate on {target.name}")


def _check_labels(labels: Sequence[str], scale: Scale) -> None:
    """Raise TableError that names the first label which is not of the scale."""
    for position, label in enumerate(labels):
        if label and label not in scale.labels:
            known = ", ".join(scale.labels)
            raise TableError(f"label {position} (counted from 0): {label!r} is not one of {known} ({scale.name})")
