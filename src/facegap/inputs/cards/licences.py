"""Whether licences allow commercial use: a table with sources; unlisted licences are unknown."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from facegap.inputs.cards.schema import ModelCard

LicenceClass = Literal["commercial", "non-commercial", "unknown"]


@dataclass(frozen=True)
class Licence:
    """The class of a licence, and the source for it."""

    allows: LicenceClass
    source: str


OPEN_SOURCE = "Open Source Definition 6, no discrimination against fields of endeavour; approved by opensource.org"
LICENCES: Mapping[str, Licence] = {
    **{
        name: Licence("commercial", OPEN_SOURCE)
        for name in ("MIT", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "GPL-3.0", "AGPL-3.0", "LGPL-3.0", "MPL-2.0")
    },
    "CC-BY-4.0": Licence("commercial", "legal code 2(a)(1): reproduce and share, without a limit on purposes"),
    "CC-BY-SA-4.0": Licence("commercial", "legal code 2(a)(1): reproduce and share, without a limit on purposes"),
    "CC0-1.0": Licence("commercial", "legal code 2: for any purpose, commercial ones included"),
    **{
        name: Licence("non-commercial", "legal code 2(a)(1): for NonCommercial purposes only")
        for name in ("CC-BY-NC-4.0", "CC-BY-NC-SA-4.0", "CC-BY-NC-ND-4.0")
    },
}


def licence_class(card: ModelCard) -> LicenceClass:
    """Return whether a model may be used commercially.

    A model is commercial only if its licence is exactly one of LICENCES that allows it, and its card does not contradict this. A
    licence with a qualification, such as one for the code only, is unknown.

    Examples
    --------
    >>> from facegap.inputs.cards.read import load_cards
    >>> cards = load_cards()
    >>> licence_class(cards["yunet"]), licence_class(cards["arcface_r50"]), licence_class(cards["sphere20"])
    ('commercial', 'non-commercial', 'unknown')
    """
    known = LICENCES.get(spdx(card.licence))
    if card.commercial_use is False or (known is not None and known.allows == "non-commercial"):
        return "non-commercial"
    if known is not None and known.allows == "commercial" and card.commercial_use is True:
        return "commercial"
    return "unknown"


def spdx(text: str) -> str:
    """Return the SPDX spelling of a licence: `CC BY 4.0` becomes CC-BY-4.0.

    Examples
    --------
    >>> spdx("CC BY 4.0"), spdx("MIT (code)")
    ('CC-BY-4.0', 'MIT (code)')
    """
    return text.replace(" ", "-") if re.fullmatch(r"CC[ -]BY([ -][A-Z]{2})*[ -]\d\.\d", text) else text
