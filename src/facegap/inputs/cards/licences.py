"""What a licence says of commercial use: a table of licences with its sources, and never a guess."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from facegap.inputs.cards.schema import ModelCard

LicenceClass = Literal["commercial", "non-commercial", "unknown"]


@dataclass(frozen=True)
class Licence:
    """A licence by its SPDX identifier, the class it belongs to, and the words that say so."""

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
    """Whether a model may be used commercially.

    Commercial is a model whose licence is one of LICENCES, word for word, that allows it, and whose card says nothing else. A
    licence with a remark, such as one of the code alone, is unknown.

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
    """A licence as SPDX spells it: `CC BY 4.0` is CC-BY-4.0.

    Examples
    --------
    >>> spdx("CC BY 4.0"), spdx("MIT (code)")
    ('CC-BY-4.0', 'MIT (code)')
    """
    return text.replace(" ", "-") if re.fullmatch(r"CC[ -]BY([ -][A-Z]{2})*[ -]\d\.\d", text) else text
