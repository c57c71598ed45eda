"""Readers of benchmark protocols, which convert a published folder to people, pairs and folds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from facegap.inputs.protocols.agedb import agedb30
from facegap.inputs.protocols.bins import bin_listing
from facegap.inputs.protocols.ijb import Gallery, ijbb, ijbb_search, ijbc, ijbc_search
from facegap.inputs.protocols.listing import Listing
from facegap.inputs.protocols.lists import calfw, cfp_fp, cplfw, lfw, rfw

Reader = Callable[[Path], Listing]
READERS: Mapping[str, Reader] = {
    "lfw": lfw,
    "calfw": calfw,
    "cplfw": cplfw,
    "agedb30": agedb30,
    "cfp-fp": cfp_fp,
    "rfw": rfw,
    "bin": bin_listing,
    "ijbb": ijbb,
    "ijbc": ijbc,
}
SEARCHES: Mapping[str, Callable[[Path, Gallery], Listing]] = {"ijbb": ijbb_search, "ijbc": ijbc_search}
