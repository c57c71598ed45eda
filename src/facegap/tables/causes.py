"""Tables of `facegap explain` and `facegap stress`."""

from __future__ import annotations

from facegap.tables.schema import BOOL, FLOAT, INT, TEXT, Column, Schema

ESTIMATES = ("raw", "balanced", "balanced in cells", "regression, rest", "regression, associated", "within person")
EXPLAIN = Schema(
    "EXPLAIN",  # of `facegap explain`: a gap before and after balancing measured covariates
    {
        "metric": TEXT,
        "model": TEXT,
        "threshold": FLOAT,
        "threshold_from": TEXT,
        "estimate": Column("str", choices=ESTIMATES),
        "covariates": TEXT,  # joined by " + "; empty for the unadjusted gap
        "group": TEXT,
        "reference": TEXT,  # empty for changes within people
        **dict.fromkeys(("errors", "trials", "subjects"), INT),  # of the group, with all covariates measured
        **dict.fromkeys(("reference_errors", "reference_trials", "reference_subjects"), INT),
        **dict.fromkeys(
            ("without_covariates", "reference_without_covariates"), INT
        ),  # trials excluded because they are missing
        **dict.fromkeys(
            ("not_comparable", "reference_not_comparable"), INT
        ),  # of the trials: no counterpart in the other group
        **dict.fromkeys(("effective_subjects", "reference_effective_subjects"), FLOAT),  # after weighting
        "overlap": FLOAT,  # 0..1
        **dict.fromkeys(("rate", "reference_rate"), FLOAT),
        "scale": Column("str", choices=("difference", "ratio")),
        **dict.fromkeys(("gap", "low", "high"), FLOAT),  # within person: change of the rate per standard deviation
        "level": FLOAT,
        "margin": FLOAT,
        "verdict": TEXT,  # of the gap after balancing all covariates; empty elsewhere
        "attenuated": BOOL,  # whether a covariate is noisy, so that part of its association remains
        "overadjusted": BOOL,  # whether a covariate is part of the definition of the group
        "reason": TEXT,  # why a number is missing, or how a row is over-adjusted
        "interval_from": TEXT,
        "replicates": INT,  # 0 if nothing was resampled
        "seed": INT,
    },
)

STRESS = Schema(
    "STRESS",  # `facegap stress`: an error rate of a group at one dose, and its change from the unperturbed images
    {
        "metric": TEXT,
        "model": TEXT,
        "perturbation": TEXT,  # none: the unperturbed images
        "dose": FLOAT,  # NaN for none
        "unit": TEXT,
        "threshold": FLOAT,  # of the unperturbed images; NaN if undefined
        "family": TEXT,  # label columns of the group; empty for all subjects
        "group": TEXT,
        "ranked": BOOL,  # large enough to be tested
        "errors": INT,
        "trials": INT,
        "subjects": INT,
        "value": FLOAT,
        "low": FLOAT,
        "high": FLOAT,
        "errors_before": INT,  # of the same trials without the perturbation
        "value_before": FLOAT,
        "change": FLOAT,  # value - value_before, paired by person
        "change_low": FLOAT,
        "change_high": FLOAT,
        "p": FLOAT,
        "level": FLOAT,
    },
)

STRESS_GAPS = Schema(
    "STRESS_GAPS",  # `facegap stress`: whether the error rate of one group changes more than that of another
    {
        "metric": TEXT,
        "model": TEXT,
        "perturbation": TEXT,
        "dose": FLOAT,
        "unit": TEXT,
        "threshold": FLOAT,
        "family": TEXT,
        "primary": BOOL,  # of the family that was tested for verdicts
        "group_a": TEXT,  # with the larger change
        "group_b": TEXT,
        "subjects_a": INT,
        "subjects_b": INT,
        "change_a": FLOAT,
        "change_b": FLOAT,
        "difference": FLOAT,  # change_a - change_b
        "difference_low": FLOAT,
        "difference_high": FLOAT,
        "level": FLOAT,
        "p": FLOAT,
        "p_adjusted": FLOAT,  # Holm's over the family
        "margin": FLOAT,
        "verdict": TEXT,
        "decided_low": FLOAT,
        "decided_high": FLOAT,
        "decided_level": FLOAT,
    },
)

STRESS_SCORES = Schema(
    "STRESS_SCORES",  # `facegap stress`: how similar the mated images of a group are at one dose, higher is more similar
    {
        **dict.fromkeys(("model", "perturbation"), TEXT),
        "dose": FLOAT,
        "unit": TEXT,
        "family": TEXT,  # label columns of the group; empty for all subjects
        "group": TEXT,
        "comparisons": INT,  # with a template before and after; each pair in both directions
        "lost": INT,  # whose probe has no template at this dose
        "subjects": INT,
        **dict.fromkeys(("median", "median_before"), FLOAT),
        **dict.fromkeys(
            ("shift", "shift_low", "shift_high"), FLOAT
        ),  # median of score - score before, by sampling unit
        "level": FLOAT,
    },
)

STRESS_ANSWERS = Schema(
    "STRESS_ANSWERS",  # answers.parquet of `facegap stress`: the outcome of each image at each dose
    {
        "row": INT,
        "perturbation": TEXT,  # none: the unperturbed images
        "dose": FLOAT,
        "outcome": TEXT,
        "detail": TEXT,
        "prediction": TEXT,
        "probability": FLOAT,  # of the predicted class
        "age": FLOAT,  # years, as predicted
        "sha256": TEXT,  # of the image file
    },
)

STRESS_PEOPLE = Schema(
    "STRESS_PEOPLE",  # people.parquet of `facegap stress`: the labels of each image
    {
        "row": INT,
        "subject": INT,  # number of the person
        "unit": INT,  # number of the sampling unit
    },
    labels_after="unit",
)

MATED_SCORES = Schema(
    "MATED_SCORES",  # mated_scores.parquet of `facegap stress`: scores of mated comparisons
    {
        "dose": INT,  # number of the perturbation and its dose
        "probe": INT,  # row of the perturbed image
        "before": FLOAT,  # score without the perturbation
        "after": FLOAT,  # score with it
    },
)

STRESS_TABLES: dict[str, Schema] = {
    "stress.csv": STRESS,
    "stress_gaps.csv": STRESS_GAPS,
    "stress_scores.csv": STRESS_SCORES,
}
