"""Tables of `facegap compare`: every other run beside the first."""

from __future__ import annotations

from facegap.tables.rates import GAPS, RATES
from facegap.tables.schema import BOOL, FLOAT, INT, TEXT, Column, Schema

# Of a rate in a comparison: what RATES says of it, and on what its interval rests.
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
    "SIDES",  # rates_side_by_side.csv: every rate of every run, on the images that all share
    {
        "run": TEXT,  # name of the run
        "model": TEXT,
        "metric": TEXT,
        "threshold": FLOAT,
        "family": TEXT,  # label columns of the group; empty for everybody
        "group": TEXT,
        "ranked": BOOL,  # large enough to be tested
        **_RATE,
        "by_person": BOOL,  # value weighs people equally, not trials
        "estimate": FLOAT,  # where the value is not errors over trials: of a sample, or by person; else NaN
        "value": FLOAT,
    },
)
PAIRED = Schema(
    "PAIRED",  # paired.csv: each error rate of another run less that of the first, on the same images or comparisons
    {
        "metric": TEXT,
        "run_a": TEXT,  # name of the first run
        "model_a": TEXT,  # its model
        "threshold_a": FLOAT,  # its threshold
        "run_b": TEXT,  # name of the other run
        "model_b": TEXT,  # its model
        "threshold_b": FLOAT,  # its threshold
        "family": TEXT,  # label columns of the group; empty for everybody
        "group": TEXT,
        "ranked": BOOL,  # large enough to be tested
        "subjects": INT,
        "errors_a": INT,  # of the first run
        "trials_a": INT,  # of the first run
        "errors_b": INT,  # of the other run
        "trials_b": INT,  # of the other run
        "only_a": INT,  # trials on which the first run alone errs; -1 of rates over pairs of people
        "only_b": INT,  # on which the other run alone errs
        "difference": FLOAT,  # rate of the other run less that of the first
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
    "GAP_CHANGES",  # gap_changes.csv: each gap between two groups in another run beside the same gap in the first
    {
        **{
            name: PAIRED.columns[name]
            for name in ("metric", "run_a", "model_a", "threshold_a", "run_b", "model_b", "threshold_b")
        },
        "family": TEXT,
        "group_a": TEXT,
        "group_b": TEXT,
        "scale": TEXT,  # on which the change is: difference or ratio
        "subjects_a": INT,  # people of the first group
        "subjects_b": INT,  # of the second group
        "gap_first": FLOAT,  # difference of the two rates in the first run
        "gap_other": FLOAT,  # in the other run
        "change": FLOAT,  # gap_other less gap_first
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
        "faces_timed": INT,  # by which the times are medians
        "ms_per_face": FLOAT,  # median of the model alone; NaN where it was not timed
        "ms_per_face_p95": FLOAT,  # 95 of 100 faces took no longer
        "ms_whole_way": FLOAT,  # medians of reading, finding and cropping added
        "size_bytes": INT,  # of the weights; 0 where no model ran
        "precision": TEXT,  # of the weights
        "device": TEXT,  # that the model ran on
        "threads": INT,  # of a session
        "workers": INT,  # images in parallel
        "batch": INT,  # faces in a call
        "worst_group": TEXT,  # of the ranked groups that with the highest rate
        "errors": INT,  # of that group, as the columns that follow
        "trials": INT,
        "subjects": INT,
        "value": FLOAT,
        "low": FLOAT,  # it takes no account of the choice of the worst
        "high": FLOAT,
    },
)
FLIPS = Schema(
    "FLIPS",  # flips.csv: answers and decisions that differ between the first run and another, at the threshold of the first
    {
        "run_a": TEXT,  # name of the first run
        "run_b": TEXT,  # name of the other run
        "kind": TEXT,  # name of the output, or genuine or impostor comparisons
        "threshold": FLOAT,  # of the first run; NaN for answers
        "family": TEXT,  # label columns of the group; empty for everybody
        "group": TEXT,
        "ranked": BOOL,  # large enough to be tested
        **_RATE,
        "by_person": BOOL,  # value weighs people equally, not trials
        "estimate": FLOAT,  # where the value is not flips over trials; else NaN
        "flips": INT,  # trials that differ, as in errors
        "value": FLOAT,
        "gained": INT,  # flips to the right answer, or to acceptance
        "lost": INT,  # flips from the right answer, or from acceptance
        "lost_by_first": INT,  # trials that the first run alone lost, part of no trial
        "lost_by_other": INT,  # that the other run alone lost
    },
)
FLIP_GAPS = Schema(
    "FLIP_GAPS",  # flip_gaps.csv: gaps between groups in what flips; columns as in GAPS
    {
        "run_b": TEXT,  # name of the other run
        "kind": TEXT,  # as in FLIPS
        **GAPS.columns,
    },
)
DRIFT = Schema(
    "DRIFT",  # drift.csv: the score of a comparison in another run less its score in the first
    {
        "run_a": TEXT,  # name of the first run
        "run_b": TEXT,  # name of the other run
        "kind": Column("str", choices=("genuine", "impostor")),  # of the comparisons
        "family": TEXT,  # label columns of the group; empty for everybody
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
    "DRIFT_GAPS",  # drift_gaps.csv: how far apart the mean drift of two groups is
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
