"""bob_rates.csv: rates by the definitions of bob.measure, for comparison with its tables.

Bob treats a score of NaN, genuine or impostor, as a failure to acquire and multiplies: FAR = FMR (1 - FTA) and
FRR = FTA + FNMR (1 - FTA). FMR and FNMR are those of rates.csv: accepted at or above the threshold
(bob.measure.farfrr), without NaN.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from facegap.derive.groupings import Grouping, attribute_columns, attribute_values
from facegap.derive.metrics import FMR, FNMR, GFAR, GFRR
from facegap.derive.verification import GroupRates

DEFINITIONS = (
    "As bob.measure defines them (bob/measure/script/figure.py and utils.py, Metrics and get_fta): FTA is the proportion of all "
    "comparisons, genuine and impostor, without a score; FAR = FMR (1 - FTA); FRR = FTA + FNMR (1 - FTA); HTER is the mean of the "
    "two. A pair is accepted at or above the threshold. GFAR and GFRR of rates.csv count lost pairs instead of multiplying."
)


def bob_table(found: Sequence[GroupRates], groupings: Sequence[Grouping]) -> pd.DataFrame:
    """One row per group and threshold: lost and all comparisons, fta, fmr, fnmr, far, frr, hter; NaN without a pair."""
    attributes = attribute_columns(groupings)
    rows = []
    for entry in found:
        for k, group in enumerate(entry.cells.groups):
            fmr, fnmr, gfar, gfrr = (entry.rates[metric.name][k] for metric in (FMR, FNMR, GFAR, GFRR))
            pairs = gfar.trials + gfrr.trials
            lost = pairs - fmr.trials - fnmr.trials
            fta = lost / pairs if pairs else np.nan
            far, frr = fmr.value * (1 - fta), fta + fnmr.value * (1 - fta)
            rows.append(
                {
                    **attribute_values(group, attributes),
                    "threshold": entry.operating.threshold,
                    "threshold_from": entry.operating.source,
                    "lost_pairs": lost,
                    "pairs": pairs,
                    "fta": fta,
                    "fmr": fmr.value,
                    "fnmr": fnmr.value,
                    "far": far,
                    "frr": frr,
                    "hter": (far + frr) / 2,
                }
            )
    return pd.DataFrame(rows)
