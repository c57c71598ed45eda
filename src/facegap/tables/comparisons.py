"""Tables of `facegap compare`: every other run compared with the first."""

from __future__ import annotations

from facegap.tables.rates import GAPS, RATES
from facegap.tables.schema import BOOL, FLOAT, INT, TEXT, Column, Schema

# Of a rate in a comparison: the columns of RATES, and the basis of its interval.
_OF_A_RATE = (
    "errors",
    "trials",
    "subjects",
    "effective_trials",
    "low",
    "high",
    "level",
    "method",
    "units",
    "effective_subjects",
)
_OF_PEOPLE = ("largest_share", "per_person", "per_person_trials", "per_person_low", "per_person_high", "dominated_by")
_RATE = {name: RATES.columns[name] for name in (*_OF_A_RATE, *_OF_PEOPLE)}

SIDES = Schema(
    "SIDES",  # rates_side_by_side.csv: every rate of every run, on the images common to all
    {
        "run": TEXT,  # name of the run
        "model": TEXT,
        "metric": TEXT,
        "threshold": FLOAT,
        "family": TEXT,  # label columns of the group; empty for all subjects
        "group": TEXT,
        "ranked": BOOL,  # large enough to be tested
        **_RATE,
        "by_person": BOOL,  # whether value gives equal weights to people, not trials
        "estimate": FLOAT,  # if the value is not errors over trials: from a sample, or by person; else NaN
        "value": FLOAT,
    },
)
PAIRED = Schema(
    "PAIRED",  # paired.csv: each error rate of another run minus that of the first, on the same images or comparisons
    {
        "metric": TEXT,
        "run_a": TEXT,  # name of the first run
        "model_a": TEXT,  # its model
        "threshold_a": FLOAT,  # its threshold
        "run_b": TEXT,  # name of the other run
        "model_b": TEXT,  # its model
        "threshold_b": FLOAT,  # its threshold
        "family": TEXT,  # label columns of the group; empty for all subjects
        "group": TEXT,
        "ranked": BOOL,  # large enough to be tested
        "subjects": INT,
        "errors_a": INT,  # of the first run
        "trials_a": INT,  # of the first run
        "errors_b": INT,  # of the other run
        "trials_b": INT,  # of the other run
        "only_a": INT,  # errors of the first run only; -1 for rates over pairs of people
        "only_b": INT,  # errors of the other run only
        "difference": FLOAT,  # rate of the other run minus that of the first
        "difference_low": FLOAT,
        "difference_high": FLOAT,
        "ratio": FLOAT,  # rate of the other run over that of the first
        "ratio_low": FLOAT,
        "ratio_high": FLOAT,
        "p": FLOAT,
        "method": TEXT,  # of interval and p
        "primary": BOOL,
        "p_adjusted": FLOAT,
        "verdict": TEXT,
    },
)
FIXED_THRESHOLD = Schema(
    "FIXED_THRESHOLD",  # fixed_threshold.csv: FMR and FNMR of both runs at the threshold of the first; columns as in PAIRED
    {**PAIRED.columns},
)
GAP_CHANGES = Schema(
    "GAP_CHANGES",  # gap_changes.csv: each gap between two groups in another run and the same gap in the first
    {
        **{
            name: PAIRED.columns[name]
            for name in ("metric", "run_a", "model_a", "threshold_a", "run_b", "model_b", "threshold_b")
        },
        "family": TEXT,
        "group_a": TEXT,
        "group_b": TEXT,
        "scale": TEXT,  # of the change: difference or ratio
        "subjects_a": INT,  # people of the first group
        "subjects_b": INT,  # of the second group
        "gap_first": FLOAT,  # difference of the two rates in the first run
        "gap_other": FLOAT,  # in the other run
        "change": FLOAT,  # gap_other - gap_first
        "change_low": FLOAT,
        "change_high": FLOAT,
        "ratio_first": FLOAT,  # ratio of the two rates in the first run
        "ratio_other": FLOAT,  # in the other run
        "ratio_change": FLOAT,  # ratio_other over ratio_first
        "ratio_change_low": FLOAT,
        "ratio_change_high": FLOAT,
        "p": FLOAT,
        "primary": BOOL,
        "p_adjusted": FLOAT,
        "verdict": TEXT,
    },
)
LATENCY = Schema(
    "LATENCY",  # latency.csv: time per face and the error rate of the worst group, by run
    {
        "run": TEXT,  # name of the run
        "model": TEXT,
        "metric": TEXT,
        "threshold": FLOAT,
        "family": TEXT,
        "faces_timed": INT,  # over which the times are medians
        "ms_per_face": FLOAT,  # median of the model alone; NaN if not timed
        "ms_per_face_p95": FLOAT,  # 95th percentile over faces
        "ms_whole_way": FLOAT,  # including medians of reading, detection and cropping
        "size_bytes": INT,  # of the weights; 0 if no model ran
        "precision": TEXT,  # of the weights
        "device": TEXT,  # used by the model
        "threads": INT,  # of a session
        "workers": INT,  # images in parallel
        "batch": INT,  # faces in a call
        "worst_group": TEXT,  # the ranked group with the highest rate
        "errors": INT,  # of that group, like the following columns
        "trials": INT,
        "subjects": INT,
        "value": FLOAT,
        "low": FLOAT,  # not adjusted for the selection of the worst group
        "high": FLOAT,
    },
)
FLIPS = Schema(
    "FLIPS",  # flips.csv: predictions and decisions that differ between the first run and another, at the threshold of the first
    {
        "run_a": TEXT,  # name of the first run
        "run_b": TEXT,  # name of the other run
        "kind": TEXT,  # name of the output, or genuine or impostor comparisons
        "threshold": FLOAT,  # of the first run; NaN for predictions
        "family": TEXT,  # label columns of the group; empty for all subjects
        "group": TEXT,
        "ranked": BOOL,  # large enough to be tested
        **_RATE,
        "by_person": BOOL,  # whether value gives equal weights to people, not trials
        "estimate": FLOAT,  # if the value is not flips over trials; else NaN
        "flips": INT,  # trials that differ, as in errors
        "value": FLOAT,
        "gained": INT,  # flips to the correct prediction, or to acceptance
        "lost": INT,  # flips from the correct prediction, or from acceptance
        "lost_by_first": INT,  # lost by the first run only; not among the trials
        "lost_by_other": INT,  # lost by the other run only
    },
)
FLIP_GAPS = Schema(
    "FLIP_GAPS",  # flip_gaps.csv: gaps between groups in the rate of flips; columns as in GAPS
    {
        "run_b": TEXT,  # name of the other run
        "kind": TEXT,  # as in FLIPS
        **GAPS.columns,
    },
)
DRIFT = Schema(
    "DRIFT",  # drift.csv: the score of a comparison in another run minus its score in the first
    {
        "run_a": TEXT,  # name of the first run
        "run_b": TEXT,  # name of the other run
        "kind": Column("str", choices=("genuine", "impostor")),  # of the comparisons
        "family": TEXT,  # label columns of the group; empty for all subjects
        "group": TEXT,
        "ranked": BOOL,  # large enough to be tested
        "pairs": INT,  # compared in both runs
        "subjects": INT,  # people in them
        "mean": FLOAT,  # of the drift
        "low": FLOAT,
        "high": FLOAT,
        "level": FLOAT,
        **dict.fromkeys(
            ("quantile_05", "quantile_25", "quantile_50", "quantile_75", "quantile_95"), FLOAT
        ),  # of the drift
    },
)
DRIFT_GAPS = Schema(
    "DRIFT_GAPS",  # drift_gaps.csv: difference of the mean drift of two groups
    {
        "run_a": TEXT,  # name of the first run
        "run_b": TEXT,  # name of the other run
        "kind": Column("str", choices=("genuine", "impostor")),  # of the comparisons
        "family": TEXT,
        "group_a": TEXT,
        "group_b": TEXT,
        "mean_a": FLOAT,  # mean drift of the first group
        "mean_b": FLOAT,  # of the second group
        "difference": FLOAT,
        "p": FLOAT,
        "p_adjusted": FLOAT,  # by Bonferroni
        "decided_low": FLOAT,
        "decided_high": FLOAT,
        "decided_level": FLOAT,
        "margin": FLOAT,  # in the unit of the score
        "primary": BOOL,
        "verdict": TEXT,
    },
)
COMPARED: dict[str, Schema] = {
    "rates_side_by_side.csv": SIDES,
    "paired.csv": PAIRED,
    "gap_changes.csv": GAP_CHANGES,
    "latency.csv": LATENCY,
    "flips.csv": FLIPS,
    "flip_gaps.csv": FLIP_GAPS,
    "fixed_threshold.csv": FIXED_THRESHOLD,
    "drift.csv": DRIFT,
    "drift_gaps.csv": DRIFT_GAPS,
}
