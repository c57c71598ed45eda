"""IAPAR: accepted presentation attacks in a file of scores, per species and group."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from facegap.derive.comparisons import Comparisons
from facegap.derive.cuts import limits_of
from facegap.derive.groupings import attribute_columns, attribute_values, cells_of
from facegap.derive.metrics import FMR
from facegap.derive.results import groupings_of, model_of
from facegap.derive.units import subject_codes, units_of_run
from facegap.errors import RunError
from facegap.statistics.clusters import clustered_rates
from facegap.store.run import Run
from facegap.tables import IAPAR, check

FILE = "iapar.csv"


def iapar_table(run: Run, pairs: Comparisons | None) -> pd.DataFrame:
    """IAPAR at every threshold of the run, for all subjects and each group of attacked references; empty without attacks.

    IAPAR (ISO/IEC 30107-3, impostor attack presentation accept rate) = attacks of one species with
    score >= threshold / attacks of the species with a score. Species are never pooled; the sampling unit is the
    attacked person. With thresholds by folds, that of the reference's fold applies.

    Raises
    ------
    RunError : if an attack refers to a row that is not in the manifest, because the run was edited
    """
    if run.attacks is None or pairs is None or not len(run.attacks):
        return pd.DataFrame()
    reference = run.attacks["reference"].to_numpy(np.int64)
    if reference.min() < 0 or reference.max() >= len(run.manifest):
        raise RunError("attacks.parquet, column reference: not all are rows of manifest.parquet")
    scores = run.attacks["score"].to_numpy(np.float64)
    scored = np.isfinite(scores)
    attributes, level = attribute_columns(groupings_of(run)), run.record.level
    subjects, units = subject_codes(run.manifest)[reference], units_of_run(run)
    rows: list[dict[str, Any]] = []
    for point in run.record.operating:
        limits = limits_of(pairs.cut(point), np.stack([reference, reference], axis=1))
        with np.errstate(invalid="ignore"):
            accepted = np.asarray(scores >= limits)
        for species in sorted(set(run.attacks["species"])):
            of_species = (run.attacks["species"] == species).to_numpy(np.bool_)
            for grouping in groupings_of(run):
                cells = cells_of(run.manifest, grouping)
                codes = cells.codes[reference]
                found = clustered_rates(
                    accepted & scored & of_species,
                    None,
                    subjects,
                    np.where(of_species & scored, codes, -1),
                    n_cells=len(cells.groups),
                    level=level,
                    units=None if units is None else units[reference],
                )
                for k, (group, rate) in enumerate(zip(cells.groups, found.rows(), strict=True)):
                    rows.append(
                        {
                            "model": model_of(run, FMR.name),
                            "threshold": point.threshold,
                            "threshold_from": point.source,
                            "species": species,
                            **attribute_values(group, attributes),
                            "accepted": rate.errors,
                            "trials": rate.trials,
                            "without_score": int((of_species & ~scored & (codes == k)).sum()),
                            "subjects": rate.subjects,
                            "value": rate.value,
                            "low": rate.low,
                            "high": rate.high,
                            "level": rate.level,
                            "method": rate.method,
                        }
                    )
    return check(pd.DataFrame(rows), IAPAR, FILE) if rows else pd.DataFrame()
