"""Sensitivity of every gap to decreasing trust in its labels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from facegap.derive.gaps import Family, grouping_families, resampled_gaps
from facegap.derive.label_uncertainty.rates import resampling_at_trust, uncertain_columns, units_of
from facegap.derive.results import run_metrics
from facegap.derive.units import subject_codes, units_of_run
from facegap.statistics.gap_families import NO_OTHERS, GapFamily
from facegap.statistics.gaps import jointly_tested_with
from facegap.statistics.label_uncertainty.gaps import LabelColumns, concluded
from facegap.store.run import Run

TRUST = (1.0, 0.95, 0.9, 0.8, 0.7, 0.6, 0.5)


def trust_table(run: Run, gaps: pd.DataFrame) -> pd.DataFrame:
    """One row per gap and trust level, for every grouping by one measured or annotated label.

    gaps : GAPS of the run; gaps of other metrics in the primary family are tested together with a row, with their
           labels unchanged

    trust      : probability that a person's label is kept; otherwise it is sampled from the label frequencies, which
                 may give the same label. 1 is the gap by the given labels, treated as certain
    difference, low, high : mean over the resamples, and the widened interval, see `label_gaps`
    attenuation, outer_low, outer_high : remaining proportion of a gap between people of the two groups at this trust,
                                         and the bounds of the gap between true groups
    p_adjusted : from the widened interval, adjusted by Holm over the family
    verdict    : the weaker of that by the widened interval and that by the given labels; "exploratory" for such gaps
    decided_low, decided_high, decided_level : the interval that determined it, on the scale of the margin The
                                               uncertainty of the measurement or of the annotators is not included: the
                                               table shows how reliable the labels must be for a verdict to hold. Empty
                                               without such labels.
    """
    stated = run.record.labels
    if stated is None:
        return pd.DataFrame()
    subjects, metrics = subject_codes(run.manifest), run_metrics(run)
    rows: list[dict[str, Any]] = []
    for cells, families in grouping_families(run, metrics, subjects):
        uncertain = uncertain_columns(run, cells.grouping)
        if len(uncertain) != 1 or run.manifest[uncertain[0]].nunique() < 2:
            continue
        units = units_of(cells, subjects, units_of_run(run))
        families = {metric: tested_as_in(family, gaps) for metric, family in families.items()}
        for trust in TRUST:
            resampling = resampling_at_trust(run.manifest[uncertain[0]], uncertain[0], trust, cells, units)
            draws = stated.draws if trust < 1 else 2  # two that are equal, and agree with the labels
            found = resampled_gaps(resampling, families, metrics, draws, stated.seed, run.record.level)
            for metric, widen in found.items():
                family = families[metric].gaps
                rows += trust_rows(family, uncertain[0], trust, concluded(family, widen(family)))
    return pd.DataFrame(rows)


def tested_as_in(family: Family, gaps: pd.DataFrame) -> Family:
    """The family, tested together with the same gaps as in GAPS."""
    stated = family.gaps
    own = (gaps["family"] == stated.family) & (gaps["metric"] == stated.metric) & gaps["primary"]
    others = gaps.loc[gaps["primary"] & ~own, "p"].to_numpy(np.float64) if own.any() else NO_OTHERS
    return replace(family, gaps=jointly_tested_with(stated, others, is_primary=bool(own.any())))


def trust_rows(gaps: GapFamily, column: str, trust: float, found: LabelColumns) -> Iterator[dict[str, Any]]:
    """Rows of one family at one trust."""
    for k in range(len(gaps)):
        yield {
            "metric": gaps.metric,
            "model": gaps.model,
            "family": gaps.family,
            "label": column,
            "group_a": str(gaps.columns.group_a[k]),
            "group_b": str(gaps.columns.group_b[k]),
            "trust": trust,
            "difference": float(found.label_difference[k]),
            "difference_low": float(found.label_difference_low[k]),
            "difference_high": float(found.label_difference_high[k]),
            "attenuation": float(found.label_attenuation[k]),
            "outer_low": float(found.label_outer_low[k]),
            "outer_high": float(found.label_outer_high[k]),
            "p_adjusted": float(found.label_p_adjusted[k]),
            "margin": gaps.margin,
            "scale": gaps.scale,
            "verdict": str(found.verdict[k]),
            "decided_low": float(found.decided_low[k]),
            "decided_high": float(found.decided_high[k]),
            "decided_level": float(found.decided_level[k]),
        }
