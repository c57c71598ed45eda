"""The group named by an option, among those of a manifest."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from facegap.derive.groupings import Grouping, attribute_columns, cells_of
from facegap.errors import TableError
from facegap.types import BoolArray

MOST_NAMED = 20  # groups in a message


def named_group(manifest: pd.DataFrame, groupings: Sequence[Grouping], name: str) -> BoolArray:
    """Images of the group named by --fmr-on: `female`, `darker female`, `gender=female` or `gender=female*tone=darker`.

    Raises
    ------
    TableError : if there is no such group, or several match
    """
    columns = [column for column in attribute_columns(groupings) if column in manifest.columns]
    wanted = dict.fromkeys([*groupings, *((column,) for column in columns)])
    found: dict[str, BoolArray] = {}
    names: list[str] = []
    for grouping in wanted:
        if not grouping or not set(grouping) <= set(columns):
            continue
        cells = cells_of(manifest, grouping)
        for k in np.flatnonzero(cells.known):
            values = cells.groups[k].attributes
            exact = "*".join(f"{column}={value}" for column, value in values)
            names.append(str(cells.groups[k]))
            if name in (exact, str(cells.groups[k]), "*".join(value for _, value in values)):
                found[exact] = cells.codes == k
    if not found:
        some = ", ".join(dict.fromkeys(names[:MOST_NAMED])) or "none"
        raise TableError(
            f"--fmr-on: no group {name!r} with a known label for which thresholds can be set; there are {some}"
        )
    if len(found) > 1:
        raise TableError(f"--fmr-on: {name!r} matches several groups; give one of {', '.join(found)}")
    return next(iter(found.values()))
