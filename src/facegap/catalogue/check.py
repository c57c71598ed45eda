"""Group sizes of a manifest and the smallest gap that each group could show, for `facegap check MANIFEST`."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from facegap.errors import TableError
from facegap.inputs.manifests.read import Manifest
from facegap.statistics.power import detectable_difference

BASE_ERROR = 0.05  # assumed error rate of the largest group
POWER = 0.8
ALPHA = 0.05


def group_summary(manifest: Manifest, by: Sequence[str]) -> pd.DataFrame:
    """Return the images, subjects and detectable difference of each group.

    by      : label columns, crossed: ("gender", "race") has one row per pair that occurs
    returns : the columns of `by`, then images, subjects (int) and detectable_difference (float): the increase in error rate
              over the group with most subjects (assumed 5%) that a two-sided test at 0.05 detects with 80% power, with
              subjects as trials. NaN for the largest group itself and where no increase could be detected. Rows are
              sorted by subjects, largest first, then by label. A subject with two labels counts in both groups.
    Raises  : TableError if a column is not a label of the manifest
    """
    for name in by:
        if name not in manifest.labels:
            raise TableError(f"no label column {name}; the manifest has {', '.join(manifest.labels) or 'none'}")
    if not by:
        raise TableError(f"give a label column; the manifest has {', '.join(manifest.labels) or 'none'}")
    groups = manifest.frame.groupby(list(by), sort=True)
    summary = groups.agg(images=("row", "size"), subjects=("subject", "nunique")).reset_index()
    order = ["subjects", *by]
    summary = summary.sort_values(order, ascending=[False, *(True for _ in by)], ignore_index=True)
    largest = int(summary["subjects"].iloc[0])
    summary["detectable_difference"] = [
        float("nan") if position == 0 else _detectable(subjects, largest)
        for position, subjects in enumerate(summary["subjects"])
    ]
    return summary


def _detectable(subjects: int, largest: int) -> float:
    """Return the detectable increase in the error rate of a group of this many subjects over that of the largest group."""
    return detectable_difference(subjects, largest, base=BASE_ERROR, power=POWER, alpha=ALPHA)
