"""Sampling units: the subject of each image, or its cluster by --cluster."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from facegap.inputs.manifests.labels import UNKNOWN
from facegap.store.run import Run
from facegap.types import IntArray


def subject_codes(manifest: pd.DataFrame) -> IntArray:
    """One code per person, int64 (rows,)."""
    return np.asarray(pd.factorize(manifest["subject"])[0], np.int64)


def units_of_run(run: Run) -> IntArray | None:
    """The sampling unit of each row of a run's manifest, int64 (rows,); None where the subject is the unit."""
    return unit_codes(run.manifest, run.record.cluster) if run.record.cluster else None


def unit_codes(manifest: pd.DataFrame, columns: Sequence[str]) -> IntArray:
    """One code per sampling unit, int64 (rows,), 0.. in order of appearance.

    Rows with the same value of a column belong to the same unit, as do rows of the same subject; units are the
    connected components. A subject photographed by two photographers thus joins these, so that units are independent.
    Empty cells do not join rows: a subject with only empty cells is a separate unit.

    Examples
    --------
    >>> table = pd.DataFrame({"subject": ["a", "b", "b", "c"], "session": ["1", "1", "2", "unknown"]})
    >>> unit_codes(table, ["session"])
    array([0, 0, 0, 1])
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    subjects = subject_codes(manifest)
    nodes = int(subjects.max(initial=-1)) + 1
    ends: list[tuple[IntArray, IntArray]] = []
    for name in columns:
        known = ~manifest[name].isin((UNKNOWN, "")).to_numpy(np.bool_)
        values = np.asarray(pd.factorize(manifest[name][known])[0], np.int64)
        ends.append((subjects[known], values + nodes))
        nodes += int(values.max(initial=-1)) + 1
    left, right = (np.concatenate([pair[side] for pair in ends]) if ends else subjects[:0] for side in (0, 1))
    graph = coo_array((np.ones(len(left), np.int8), (left, right)), shape=(nodes, nodes))
    _, component = connected_components(graph, directed=False)
    return np.asarray(pd.factorize(component[subjects])[0], np.int64)


def units_of_subjects(subjects: IntArray, units: IntArray) -> IntArray:
    """The unit of each subject code, int64 (S,); every subject belongs to one unit."""
    found = np.zeros(int(subjects.max(initial=-1)) + 1, np.int64)
    found[subjects] = units
    return found
