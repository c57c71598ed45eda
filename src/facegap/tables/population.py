"""Tables of rates for a population, and of rates along a numeric column."""

from __future__ import annotations

from facegap.tables.schema import BOOL, FLOAT, INT, TEXT, Schema

WEIGHTED_RATES = Schema(
    "WEIGHTED_RATES",  # weighted_rates.csv: rates of each group weighted for a population
    {
        "metric": TEXT,
        "model": TEXT,
        "threshold": FLOAT,
        "threshold_from": TEXT,
        "errors": INT,
        "trials": INT,
        "subjects": INT,
        "unweighted_value": FLOAT,  # errors over trials
        "weighted_value": FLOAT,  # NaN if part of the population has no trial
        "low": FLOAT,
        "high": FLOAT,
        "level": FLOAT,
        "effective_trials": FLOAT,
        "effective_units": FLOAT,  # sampling units, in the same way
        "note": TEXT,  # why there is no rate
        "estimand": TEXT,  # population of the rate
    },
    labels_after="threshold_from",
)
WEIGHTED_GAPS = Schema(
    "WEIGHTED_GAPS",  # weighted_gaps.csv: gaps between weighted rates
    {
        "metric": TEXT,
        "model": TEXT,
        "threshold": FLOAT,
        "threshold_from": TEXT,
        "family": TEXT,
        "group_a": TEXT,
        "errors_a": INT,
        "trials_a": INT,
        "subjects_a": INT,
        "weighted_a": FLOAT,  # weighted rate of the first group
        "group_b": TEXT,
        "errors_b": INT,
        "trials_b": INT,
        "subjects_b": INT,
        "weighted_b": FLOAT,  # weighted rate of the second group
        "difference": FLOAT,
        "difference_low": FLOAT,
        "difference_high": FLOAT,
        "ratio": FLOAT,
        "ratio_low": FLOAT,
        "ratio_high": FLOAT,
        "p": FLOAT,
        "p_adjusted": FLOAT,
        "margin": FLOAT,
        "scale": TEXT,
        "differs": BOOL,
        "verdict": TEXT,
        "decided_low": FLOAT,
        "decided_high": FLOAT,
        "decided_level": FLOAT,
        "estimand": TEXT,  # population of the gap
    },
)
SLOPES = Schema(
    "SLOPES",  # slopes.csv: change of a rate along a numeric column
    {
        "column": TEXT,  # of the manifest
        "metric": TEXT,
        "model": TEXT,
        "threshold": FLOAT,
        "threshold_from": TEXT,
        "errors": INT,
        "trials": INT,
        "units": INT,  # sampling units behind the trials
        "without_value": INT,  # trials without a number in the column; not in the other columns
        "from_value": FLOAT,  # 10% quantile of the column
        "to_value": FLOAT,  # 90% quantile
        "rate_from": FLOAT,  # fitted rate at from_value
        "rate_to": FLOAT,  # fitted rate at to_value
        "change": FLOAT,  # rate_to - rate_from
        "low": FLOAT,
        "high": FLOAT,
        "change_per_10": FLOAT,  # per 10 units of the column
        "ratio": FLOAT,  # rate_to over rate_from
        "ratio_low": FLOAT,
        "ratio_high": FLOAT,
        "p": FLOAT,
        "p_adjusted": FLOAT,
        "margin": FLOAT,
        "scale": TEXT,
        "differs": BOOL,
        "verdict": TEXT,
        "decided_low": FLOAT,
        "decided_high": FLOAT,
        "decided_level": FLOAT,
    },
)
