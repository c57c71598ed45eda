"""Tables of age checks and of estimated ages."""

from __future__ import annotations

from facegap.tables.schema import BOOL, FLOAT, INT, TEXT, Column, Schema, counted

AGE_CHECKS = Schema(
    "AGE_CHECKS",  # age_checks.csv: outcomes of the images of each group in an age check, and both error rates
    {
        "age_limit": FLOAT,
        "challenge": FLOAT,  # estimated age at or above which a subject is accepted
        # every image is in one of the next seven
        "images": INT,
        "not_shown": INT,
        "without_age": INT,  # no age label
        "straddling": INT,  # labelled age range includes the limit: no trial
        "no_estimate_under": INT,
        "no_estimate_from_limit": INT,
        "under": INT,  # trials of false positives
        "from_limit": INT,  # trials of false negatives
        **counted("false_positive"),
        **counted("false_negative"),
    },
    labels_after="challenge",
)

AGE_YEARS = Schema(
    "AGE_YEARS",  # age_years.csv: false positives and false negatives by year of age
    {
        "age_limit": FLOAT,
        "challenge": FLOAT,
        "year_of_age": INT,  # completed years; the higher one if a year of birth allows two
        "error": Column("str", choices=("false_positive", "false_negative")),
        "errors": INT,
        "trials": INT,
        "subjects": INT,
        **dict.fromkeys(("value", "low", "high"), FLOAT),
    },
    labels_after="challenge",
)

AGE_CURVE = Schema(
    "AGE_CURVE",  # age_curve.csv: both rates of each group over challenge ages
    {"age_limit": FLOAT, "challenge": FLOAT, **counted("false_positive"), **counted("false_negative")},
    labels_after="age_limit",
)

AGE_TARGET = Schema(
    "AGE_TARGET",  # age_target.csv: the challenge age that keeps the worst group of a grouping at a target, and its cost
    {
        "family": TEXT,  # grouping; empty: all subjects
        "target": FLOAT,  # of the false positive rate
        "age_limit": FLOAT,
        "challenge": FLOAT,  # in tenths of a year; NaN if no group is large enough
        "challenge_low": FLOAT,
        "challenge_high": FLOAT,  # infinite if the groups are too small to demonstrate the target
        "held": BOOL,  # whether the target applies to the group: its labels are known and it is large enough
        "worst": BOOL,  # whether the group requires this challenge age
        **counted("false_positive"),
        **counted("false_negative"),
        **counted("sure_false_negative"),  # at challenge_high
    },
    labels_after="age_limit",
)

_MEANS = tuple(f"{kind}_{name}" for kind in ("signed", "absolute") for name in ("error", "low", "high"))
AGE_ERRORS = Schema(
    "AGE_ERRORS",  # age_errors.csv: mean errors of age in years, by band of ages and at equal ages
    {
        "family": TEXT,  # grouping; empty: all subjects
        "model": TEXT,
        "ages": TEXT,  # all, a band, or equal ages
        "weights": TEXT,  # for equal ages: the weights of ages
        "images": INT,
        "subjects": INT,
        **dict.fromkeys(_MEANS, FLOAT),
        "level": FLOAT,
    },
    labels_after="model",
)

AGE_GAPS = Schema(
    "AGE_GAPS",  # age_gaps.csv: gaps between mean errors of age at equal ages, in years
    {
        "metric": Column("str", choices=("age_signed_error", "age_absolute_error")),
        "model": TEXT,
        "family": TEXT,
        "group_a": TEXT,
        "group_b": TEXT,
        "error_a": FLOAT,
        "error_b": FLOAT,
        "images_a": INT,
        "images_b": INT,
        **dict.fromkeys(("difference", "difference_low", "difference_high", "p", "p_adjusted", "margin"), FLOAT),
        "differs": BOOL,
        "verdict": TEXT,
        **dict.fromkeys(("decided_low", "decided_high", "decided_level"), FLOAT),
        "weights": TEXT,
    },
)

AGE = Schema(
    "AGE",  # age.csv: mean absolute error of age by group
    {
        "model": TEXT,
        "trials": INT,  # images with a labelled and an estimated age
        "subjects": INT,
        "mean_absolute_error_years": FLOAT,  # distance to the nearest end of the labelled range
        "low": FLOAT,
        "high": FLOAT,
        "level": FLOAT,
    },
    labels_after="model",
)

AGE_TABLES = (AGE_CHECKS, AGE_YEARS, AGE_CURVE, AGE_TARGET, AGE_ERRORS, AGE_GAPS)
