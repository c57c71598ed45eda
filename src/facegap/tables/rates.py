"""Tables of rates and gaps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields

from facegap.tables.outcomes import SAMPLE
from facegap.tables.schema import FLOAT, INT, TEXT, Column, Kind, Schema
from facegap.types import Gap

RATES = Schema(
    "RATES",  # rates.csv: every error rate of every group, with its counts and interval
    {
        "metric": TEXT,
        "model": TEXT,
        "threshold": FLOAT,
        "threshold_from": TEXT,
        "errors": INT,
        "trials": INT,
        "subjects": INT,
        "units": INT,  # sampling units: the subjects, or the clusters of --cluster
        "effective_subjects": FLOAT,  # (sum t)^2 / sum t^2 over the trials t of the units
        "largest_share": FLOAT,  # largest proportion of the trials in one unit
        "per_person": FLOAT,  # mean over people (impostor pairs: over pairs of people) of the rate of each
        "per_person_trials": FLOAT,  # its effective trials, and its interval
        "per_person_low": FLOAT,
        "per_person_high": FLOAT,
        "dominated_by": INT,  # number of people with most of the errors, if too few for a verdict; else 0
        "weighs": Column(
            "str", choices=("trials", "people", SAMPLE)
        ),  # what has equal weights in value, interval and effective_trials; for a sample all pairs, by the weights of sampled ones
        "effective_trials": FLOAT,  # independent trials that would give an equally narrow interval
        "value": FLOAT,
        "low": FLOAT,
        "high": FLOAT,
        "level": FLOAT,
        "method": TEXT,
    },
    labels_after="threshold_from",
)

BY_FRAMES = Schema(
    "BY_FRAMES",  # frames.csv: rates of templates from the first frames only
    {
        "frames": INT,  # maximum per template, in the order of the manifest and of time
        **{name: RATES.columns[name] for name in ("metric", "model", "threshold", "threshold_from")},
        **{
            name: RATES.columns[name]
            for name in ("errors", "trials", "subjects", "value", "low", "high", "level", "method")
        },
    },
    labels_after="threshold_from",
)

ALARMS = Schema(
    "ALARMS",  # alarms.csv: false positives of searches with videos, per hour of these
    {
        "model": TEXT,
        "threshold": FLOAT,
        "threshold_from": TEXT,
        "alarms": INT,
        "searches": INT,
        "subjects": INT,
        "person_hours": FLOAT,
        "value": FLOAT,  # alarms per person-hour
        "low": FLOAT,
        "high": FLOAT,
        "level": FLOAT,
        "method": TEXT,
    },
    labels_after="threshold_from",
)

_KINDS: Mapping[str, Kind] = {
    "str": "str",
    "Verdict": "str",
    "Scale": "str",
    "float": "float",
    "int": "int",
    "bool": "bool",
}
GAPS = Schema(
    "GAPS",  # gaps.csv: every gap between two groups; the columns are the fields of `facegap.types.Gap`
    {field.name: Column(_KINDS[str(field.type)]) for field in fields(Gap)},
)

IAPAR = Schema(
    "IAPAR",  # iapar.csv: accepted presentation attacks of one species, by group of the reference
    {
        "model": TEXT,
        "threshold": FLOAT,
        "threshold_from": TEXT,
        "species": TEXT,
        "accepted": INT,
        "trials": INT,  # attacks with a score
        "without_score": INT,
        "subjects": INT,  # whose references were attacked
        "value": FLOAT,
        "low": FLOAT,
        "high": FLOAT,
        "level": FLOAT,
        "method": TEXT,
    },
    labels_after="species",
)

ANSWER_RATES = Schema(
    "ANSWER_RATES",  # answer_rates.csv: proportion of each predicted class, or a macro error rate, by group
    {
        "output": TEXT,
        "measure": Column("str", choices=("answer rate", "macro error rate")),
        "model": TEXT,
        "answer": TEXT,  # empty for a macro error rate
        "count": INT,  # trials with that prediction, or in error
        "trials": INT,  # images with a prediction; for a macro error rate those with a label
        "subjects": INT,
        "effective_subjects": FLOAT,
        "value": FLOAT,
        "low": FLOAT,
        "high": FLOAT,
        "level": FLOAT,
        "method": TEXT,
    },
    labels_after="answer",
)
_OF_LABELS = ("label_", "loss_", "lost_")  # a prediction rate treats the labels as certain
ANSWER_GAPS = Schema(
    "ANSWER_GAPS",  # answer_gaps.csv: pairs of groups of ANSWER_RATES; columns as in GAPS
    {
        "output": TEXT,
        "measure": ANSWER_RATES.columns["measure"],
        "answer": TEXT,
        **{
            name: column
            for name, column in GAPS.columns.items()
            if not name.startswith(_OF_LABELS) and name not in ("metric", "threshold", "threshold_from")
        },
    },
)
