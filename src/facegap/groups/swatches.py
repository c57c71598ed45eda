"""Skin colours given in a table, as sRGB, and their labels on tone scales.

The colour was chosen by a person or measured by an instrument, not by facegap from a photograph.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from facegap.errors import TableError
from facegap.groups.lab import hue, ita, lab_of_srgb, nearest_monk
from facegap.groups.scales import DARKER, ITA, ITA_CUT, L_HUE, LIGHTER, LIGHTER_DARKER, MONK
from facegap.types import FloatArray

ITA_BORDERS = (55.0, 41.0, 28.0, 10.0, -30.0)  # degrees, from light to dark: values above one are in the lighter class
LIGHT_ABOVE, YELLOW_ABOVE = 60.0, 55.0  # L* and degrees of hue
_HEX = re.compile(r"#?([0-9a-fA-F]{6})")
_THREE = re.compile(
    r"(?:\d+\.\s+)?(?:rgb)?\s*[\[(]?\s*(\d{1,3})\s*[,; ]\s*(\d{1,3})\s*[,; ]\s*(\d{1,3})\s*[\])]?", re.IGNORECASE
)


def srgb_of(text: str) -> tuple[int, int, int] | None:
    """Red, green and blue in 0..255 from a table cell; None for an empty cell.

    Accepted forms: #a07e56, a07e56, "160, 126, 86", (160, 126, 86), rgb(160, 126, 86), and FHIBE's "2. [164, 131, 103]".

    Raises
    ------
    TableError : if the text is not a colour, or a channel is above 255; proportions of 0 to 1 are not accepted, as 1 is
                 ambiguous

    Examples
    --------
    >>> srgb_of("#a07e56"), srgb_of("2. [164, 131, 103]"), srgb_of(" ")
    ((160, 126, 86), (164, 131, 103), None)
    """
    cell = text.strip()
    if not cell:
        return None
    if found := _HEX.fullmatch(cell):
        red, green, blue = bytes.fromhex(found[1])
        return red, green, blue
    three = _THREE.fullmatch(cell)
    channels = tuple(int(channel) for channel in three.groups()) if three else ()
    if len(channels) != 3 or max(channels) > 255:
        raise TableError(
            f"{cell[:40]!r} is not a colour; write #rrggbb, or red, green, blue as whole numbers from 0 to 255"
        )
    return channels


def labels_of_swatches(srgb: NDArray[np.uint8], scale: str) -> list[str]:
    """The label of each colour on a scale.

    Parameters
    ----------
    srgb : uint8 [n, 3]
    scale : str
        monk: the nearest of the ten colours by CIEDE2000. ita: classes of the individual typology angle. l_hue: light
        if L* is above 60, yellow if the hue is above 55 degrees. lighter_darker: lighter if the angle is above 28
        degrees.

    Returns
    -------
    list of str

    Raises
    ------
    TableError
        If the scale cannot be computed from a colour.

    Examples
    --------
    >>> import numpy as np
    >>> labels_of_swatches(np.array([[160, 126, 86], [246, 237, 228]], np.uint8), "monk")
    ['6', '1']
    """
    if scale not in SWATCH_SCALES:
        raise TableError(
            f"{scale!r} is not a scale that can be computed from a colour; there are {', '.join(SWATCH_SCALES)}"
        )
    return SWATCH_SCALES[scale](lab_of_srgb(srgb)) if len(srgb) else []


def _monk(lab: FloatArray) -> list[str]:
    return [MONK.labels[step - 1] for step in nearest_monk(lab)[0]]


def _ita(lab: FloatArray) -> list[str]:
    darker_than: Sequence[int] = (
        (np.asarray(ita(lab[:, 0], lab[:, 2]))[:, None] <= np.array(ITA_BORDERS)).sum(axis=1).tolist()
    )
    return [ITA.labels[k] for k in darker_than]


def _l_hue(lab: FloatArray) -> list[str]:
    found = zip(lab[:, 0] > LIGHT_ABOVE, hue(lab[:, 1], lab[:, 2]) > YELLOW_ABOVE, strict=True)
    return [f"{'light' if light else 'dark'} {'yellow' if yellow else 'red'}" for light, yellow in found]


def _lighter_darker(lab: FloatArray) -> list[str]:
    return [LIGHTER if angle > ITA_CUT else DARKER for angle in ita(lab[:, 0], lab[:, 2])]


SWATCH_SCALES: Mapping[str, Callable[[FloatArray], list[str]]] = {
    MONK.name: _monk,
    ITA.name: _ita,
    L_HUE.name: _l_hue,
    LIGHTER_DARKER.name: _lighter_darker,
}
