"""The tables that cross module borders: their columns as plain data, and one function that holds frames to them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Literal

import pandas as pd
from pandas.api.types import infer_dtype, is_integer_dtype

from facegap.errors import TableError
from facegap.types import ANY, Gap

Kind = Literal["int", "nullable_int", "float", "str", "bool"]

# Any: pandas-stubs wants literals where a table of dtypes is wanted.
DTYPES: Mapping[Kind, Any] = {"int": "int64", "nullable_int": "Int32", "float": "float64", "str": "str", "bool": "bool"}
NUMBERS = (
    "floating",
    "integer",
    "mixed-integer-float",
)  # what pandas calls a column that holds no text and nothing else

NOT_SENT = "not_sent"  # to a service, whose budget of calls was spent before, or in no pair that was asked for
# No picture ever reached a model: the file is not there, cannot be decoded, is beyond a bound of facegap or of a service, or was
# not sent. That is the auditor's matter or facegap's, and in no denominator of a rate.
NEVER_SHOWN = ("missing_file", "unreadable", "refused", "decode_timeout", NOT_SENT)
SCORED = "scored"
# Of a pair that a service was to compare; not_shown: an image of it could not be sent.
PAIR_OUTCOMES = (SCORED, "no_face_probe", "no_face_reference", "no_face_somewhere", "no_answer", "not_shown", NOT_SENT)
FACE_OUTCOMES = ("ok", "no_face", "no_points", "many_faces", "too_small", "no_template", *NEVER_SHOWN)
PREDICTION_OUTCOMES = ("right", "wrong", "no_answer", "outside_classes", "unlabelled", "not_shown")
SAMPLE = "sample"  # of a rate over all pairs, from a sample of them with weights
TEMPLATE, MEDIA = "template", "media"  # columns of a manifest whose images are pooled into templates
MEMBERSHIP = (TEMPLATE, MEDIA)
POINTS = ("left_eye", "right_eye", "nose", "left_mouth", "right_mouth")  # left and right as seen in the image
# Of one image, from its pixels and the place of its face; definitions, units and limits: docs/covariates.md.
IMAGE_COVARIATES = (
    *("yaw", "pitch", "roll"),  # degrees, of the head
    "inter_eye_px",  # pixels between the eyes
    "face_share",  # proportion of the image that the box covers
    *(
        "skin_luminance_25",
        "skin_luminance_50",
        "skin_luminance_75",
    ),  # quartiles, 0..255, of cheeks and bridge of the nose
    *("skin_under", "skin_over"),  # proportions of those pixels below 26, above 246
    "cheek_balance",  # 0..1, median luminance of the darker cheek over that of the brighter
    *("background_luminance_25", "background_luminance_50", "background_luminance_75"),  # beside and above the head
    *("background_under", "background_over"),
    "sharpness",  # mean square of the Laplacian over that of the gradient, at a fixed size of the face
)
COVARIATES = (
    *IMAGE_COVARIATES,
    "jpeg_quality",  # 1..100, by the quantisation table of the file
    "template_norm",  # length of the embedder's output before it is divided away, in the model's own unit
)

# Of these higher is better, so that each can be the quality of an image.
MODEL_QUALITY = "model_quality"  # what the model of --quality says
QUALITIES = ("inter_eye_px", "face_share", "cheek_balance", "sharpness", "jpeg_quality", "template_norm", "score")


@dataclass(frozen=True)
class Column:
    """What one column holds.

    required : an optional column that is absent is added empty (NaN, NA or ""), so every checked table has all columns
    choices  : the closed set of its values, None where any value will do
    """

    kind: Kind
    required: bool = True
    choices: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Schema:
    """The columns of one table in their order.

    labels_after : the fixed column behind which label columns (text, one per attribute) stand; None: a table without
    reserved     : values that no label may have
    numbers      : what the names of those label columns end in that hold numbers; empty: none do
    """

    name: str
    columns: Mapping[str, Column]
    labels_after: str | None = None
    reserved: tuple[str, ...] = ()
    numbers: str = ""


INT, NULLABLE_INT, FLOAT = Column("int"), Column("nullable_int"), Column("float")
TEXT, BOOL = Column("str"), Column("bool")

MANIFEST = Schema(
    "MANIFEST",  # manifest.parquet: one record per row of the manifest that takes part
    {
        "row": INT,  # 0-based position among the records of the source file
        "line": INT,  # line of the file where the record starts; records with quoted newlines take several
        "image": TEXT,  # as the file says it
        "path": TEXT,  # resolved, posix, relative to the manifest's folder
        "subject": TEXT,
    },
    labels_after="subject",
    reserved=(ANY,),
)

FACES = Schema(
    "FACES",  # faces.parquet: what became of each image, and where its face is
    {
        "row": INT,
        "image": TEXT,
        "outcome": Column("str", choices=FACE_OUTCOMES),
        "detail": TEXT,
        "sha256": Column("str", required=False),  # of the image file, empty where none was read here
        "width": NULLABLE_INT,  # pixels of the decoded image
        "height": NULLABLE_INT,
        "colour": Column("str", choices=("grey", "colour", "")),
        "profile": Column("str", required=False),  # name of the colour profile in the file, empty for none
        "faces": INT,  # how many the detector found; 1 where the face was given
        "policy": TEXT,
        "score": FLOAT,
        **dict.fromkeys(("x1", "y1", "x2", "y2"), FLOAT),  # pixels
        **{f"{point}_{axis}": FLOAT for point in POINTS for axis in "xy"},
        "embedding_row": INT,  # row of embeddings.npy, -1 for none
        **dict.fromkeys(COVARIATES, Column("float", required=False)),  # NaN where a value has no place
        "given_quality": Column("float", required=False),  # of the file of --quality, higher is better; NaN for none
        MODEL_QUALITY: Column(
            "float", required=False
        ),  # of the model of --quality, higher is better; NaN without a crop
    },
)

TEMPLATES = Schema(
    "TEMPLATES",  # one record per template that is pooled from several images, in the order of their first rows
    {
        "template": TEXT,
        "subject": TEXT,
        "outcome": Column("str", choices=FACE_OUTCOMES),  # ok where at least one frame was used
        "detail": TEXT,
        "frames_given": INT,  # image files, and the frames that were taken of videos
        "frames_used": INT,
        "media_given": INT,
        "media_used": INT,
        "shown_by": INT,  # position in manifest.parquet of the image that stands for the template in reports
        "embedding_row": INT,  # row of embeddings.npy, -1 for none
    },
)

FRAMES = Schema(
    "FRAMES",  # one record per frame that was taken of a video, in the order of the manifest and of time
    {
        "row": INT,  # position of the video in manifest.parquet
        "frame": INT,  # 0.. of the frames that were taken
        "time_s": FLOAT,  # since the first frame of the video
        "outcome": Column("str", choices=FACE_OUTCOMES),
        "detail": TEXT,
        "faces": INT,
        "score": FLOAT,
        **dict.fromkeys(("x1", "y1", "x2", "y2"), FLOAT),  # pixels
    },
)

PREDICTIONS = Schema(
    "PREDICTIONS",  # predictions.parquet: what the classifier says of each image, beside its label
    {
        "row": INT,
        "image": TEXT,
        "outcome": Column("str", choices=PREDICTION_OUTCOMES),
        "label": TEXT,
        "prediction": TEXT,
        "probability": Column("float", required=False),  # of the predicted class
        "age": Column("float", required=False),  # years, as predicted; of a range its middle
        "age_low": Column("float", required=False),  # lower end of an estimate that is a range; NaN for a single age
        "detail": Column("str", required=False),
    },
    # Of each output besides gender and age: NAME_answer, NAME_label, NAME_outcome and NAME_probability.
    labels_after="detail",
    numbers="_probability",
)

TONE_OUTCOMES = ("measured", "grey", "no_skin", "no_face", "no_points", "many_faces", "too_small", *NEVER_SHOWN)
MEASURED_TONES = ("lighter", "darker", "unknown", "")

TONE = Schema(
    "TONE",  # tone.parquet of `facegap tone`: the skin tone measured in each image
    {
        "row": INT,
        "line": INT,  # as in MANIFEST
        "image": TEXT,
        "subject": TEXT,
        "outcome": Column("str", choices=TONE_OUTCOMES),
        "detail": TEXT,
        **dict.fromkeys(("l_star", "a_star", "b_star"), FLOAT),  # CIELAB, D65, of the skin as photographed
        "ita": Column("float", required=False),  # degrees, of that colour: a plain ITA, light and all
        "measured_ita": FLOAT,  # degrees, with the light taken out as far as it shows; NaN unless measured
        "ita_sd": FLOAT,  # degrees: standard deviation of the measurement, everything included
        "hue": FLOAT,  # degrees, as photographed
        "patch_spread": FLOAT,  # degrees: standard deviation of the ITA among the patches of skin
        "usable_fraction": FLOAT,  # of the pixels where skin was looked for
        "exposure": TEXT,  # flags with a space between, empty for none
        "measured_monk": NULLABLE_INT,  # 1..10
        "monk_distance": FLOAT,  # CIEDE2000 to that colour
        "measured_tone": Column("str", choices=MEASURED_TONES),  # empty unless measured
        "darker_probability": FLOAT,
        "photographs": INT,  # that the values rest on: 1 unless pooled, 0 unless measured
    },
)

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
        "units": INT,  # sampling units: the subjects, or what --cluster put them into
        "effective_subjects": FLOAT,  # (sum t)^2 / sum t^2 over the trials t of the units
        "largest_share": FLOAT,  # proportion of the trials that one unit holds
        "per_person": FLOAT,  # mean over people (impostor pairs: over pairs of people) of the rate of each
        "per_person_trials": FLOAT,  # its effective trials, and its interval
        "per_person_low": FLOAT,
        "per_person_high": FLOAT,
        "dominated_by": INT,  # people with most of the errors, where they are too few for a verdict; else 0
        "weighs": Column(
            "str", choices=("trials", "people", SAMPLE)
        ),  # what value, interval and effective_trials weigh equally; of a sample all pairs, each sampled one by its weight
        "effective_trials": FLOAT,
        "value": FLOAT,
        "low": FLOAT,
        "high": FLOAT,
        "level": FLOAT,
        "method": TEXT,
    },
    labels_after="threshold_from",
)

BY_FRAMES = Schema(
    "BY_FRAMES",  # frames.csv: rates of templates with the first frames alone
    {
        "frames": INT,  # of each template at most, in the order of the manifest and of time
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


def _counted(name: str) -> dict[str, Column]:
    """Columns of a rate with its counts and interval."""
    counts = {f"{name}_errors": INT, f"{name}_trials": INT}
    return counts | dict.fromkeys((f"{name}_value", f"{name}_low", f"{name}_high"), FLOAT)


QUALITY_GATE = Schema(
    "QUALITY_GATE",  # quality_gate.csv: whom a gate on a quality turns away, and an error rate with and without it
    {
        "quality": TEXT,  # column of FACES, card of a model, or FILE:COLUMN
        "quality_threshold": FLOAT,  # images with a lower quality are refused; NaN where no image has one
        "images": INT,
        "without_quality": INT,  # of the images: no trials of the refusal rate, and they do not pass
        **_counted("refused"),
        "subjects": INT,  # of the images with a quality
        "metric": TEXT,  # of before and after; empty where the run judges none
        **_counted("before"),
        **_counted("after"),
    },
    labels_after="quality_threshold",
)

QUALITY_BY_GROUP = Schema(
    "QUALITY_BY_GROUP",  # quality_by_group.csv: how the quality of images is distributed in each group
    {
        "quality": TEXT,  # column of FACES, card of a model, or FILE:COLUMN
        "images": INT,
        "without_quality": INT,  # of the images: part of no other number of the row
        "subjects": INT,  # of the images with a quality
        **dict.fromkeys(("mean", "mean_low", "mean_high", "median", "median_low", "median_high"), FLOAT),
        **dict.fromkeys(("quantile_05", "quantile_25", "quantile_75", "quantile_95"), FLOAT),  # of the images
        "level": FLOAT,
    },
    labels_after="quality",
)

QUALITY_DIFFERENCES = Schema(
    "QUALITY_DIFFERENCES",  # quality_differences.csv: how far apart the qualities of two groups are
    {
        "quality": TEXT,  # column of FACES, card of a model, or FILE:COLUMN
        "family": TEXT,  # grouping whose pairs are tested together, for each statistic
        "statistic": Column("str", choices=("mean", "median")),
        **dict.fromkeys(("group_a", "group_b"), TEXT),
        **dict.fromkeys(("images_a", "images_b"), INT),  # with a quality
        **dict.fromkeys(("value_a", "value_b", "difference", "difference_low", "difference_high"), FLOAT),
        "margin": FLOAT,  # 0.2 standard deviations of the qualities of all images
        **dict.fromkeys(("p", "p_adjusted"), FLOAT),  # adjusted by Bonferroni
        **dict.fromkeys(("decided_low", "decided_high", "decided_level"), FLOAT),
        "verdict": TEXT,
    },
)

EDC_POINTS = Schema(
    "EDC_POINTS",  # edc.csv: FNMR of a group after the mated comparisons of lowest quality were discarded
    {
        "quality": TEXT,  # column of FACES, card of a model, or FILE:COLUMN
        "threshold": FLOAT,  # of the scores
        "discard": FLOAT,  # proportion that was asked for
        "discarded": FLOAT,  # at most that: comparisons of equal quality go together
        "quality_from": FLOAT,  # lowest quality that is left; infinite where nothing is
        "without_quality": INT,  # comparisons that are not part of the curve
        **_counted("fnmr"),
        "subjects": INT,
        "area_limit": FLOAT,  # proportion discarded up to which the area is taken
        **dict.fromkeys(("area", "area_low", "area_high"), FLOAT),  # under the curve; lower is better
    },
    labels_after="threshold",
)

AGE_CHECKS = Schema(
    "AGE_CHECKS",  # age_checks.csv: where the images of each group ended in an age check, and both rates
    {
        "age_limit": FLOAT,
        "challenge": FLOAT,  # estimated age from which somebody passes
        # every image is in one of the next seven
        "images": INT,
        "not_shown": INT,
        "without_age": INT,  # no label that is an age
        "straddling": INT,  # a labelled range on both sides of the limit: no trial
        "no_estimate_under": INT,
        "no_estimate_from_limit": INT,
        "under": INT,  # trials of false positives
        "from_limit": INT,  # trials of false negatives
        **_counted("false_positive"),
        **_counted("false_negative"),
    },
    labels_after="challenge",
)

AGE_YEARS = Schema(
    "AGE_YEARS",  # age_years.csv: false positives and false negatives by year of age
    {
        "age_limit": FLOAT,
        "challenge": FLOAT,
        "year_of_age": INT,  # completed years; where a year of birth allows two, the later
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
    {"age_limit": FLOAT, "challenge": FLOAT, **_counted("false_positive"), **_counted("false_negative")},
    labels_after="age_limit",
)

AGE_TARGET = Schema(
    "AGE_TARGET",  # age_target.csv: the challenge age that holds the worst group of a grouping to a target, and its price
    {
        "family": TEXT,  # grouping; empty: everybody
        "target": FLOAT,  # of the false positive rate
        "age_limit": FLOAT,
        "challenge": FLOAT,  # in tenths of a year; NaN where no group is large enough
        "challenge_low": FLOAT,
        "challenge_high": FLOAT,  # infinite where the groups are too small to show the target
        "held": BOOL,  # the group is held to the target: its labels are known and it is large enough
        "worst": BOOL,  # the group that asks for this challenge age
        **_counted("false_positive"),
        **_counted("false_negative"),
        **_counted("sure_false_negative"),  # at challenge_high
    },
    labels_after="age_limit",
)

_MEANS = tuple(f"{kind}_{name}" for kind in ("signed", "absolute") for name in ("error", "low", "high"))
AGE_ERRORS = Schema(
    "AGE_ERRORS",  # age_errors.csv: mean errors of age in years, by band of ages and at equal ages
    {
        "family": TEXT,  # grouping; empty: everybody
        "model": TEXT,
        "ages": TEXT,  # all, a band, or equal ages
        "weights": TEXT,  # of equal ages: which ages weigh how much
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

AGE_TABLES = (AGE_CHECKS, AGE_YEARS, AGE_CURVE, AGE_TARGET, AGE_ERRORS, AGE_GAPS)


# Columns that stand beside label columns: a label of such a name would be overwritten. No manifest has those of RATES
# (inputs/manifests/read.py); these are of tables that a run may have besides: of those with a schema, then of waterfall, scores,
# identification, population, transfer, bob, never_shown and age.
BESIDE_LABELS = frozenset(
    name
    for schema in (BY_FRAMES, ALARMS, AGE_CHECKS, AGE_YEARS, AGE_CURVE, AGE_TARGET, AGE_ERRORS)
    for name in schema.columns
) | {
    *("images", "templates", "decoded", "detected", "enrolled", "labelled", "answered", "right", "judged"),
    *(
        "set_aside",
        "compared",
        "with_mate",
        "matched",
        "genuine_pairs",
        "genuine_mean",
        "impostor_pairs",
        "impostor_mean",
    ),
    *("equal_error_rate", "equal_error_threshold", "equal_error_convention"),
    *("gallery", "non_mated", "mated", "rank", "identified"),
    *("unweighted_value", "weighted_value", "effective_units", "note", "estimand"),
    *("operating_threshold", "operating_value", "change_from_operating", "own_threshold"),
    *("lost_pairs", "pairs", "fta", "fmr", "fnmr", "far", "frr", "hter", "files", *FACE_OUTCOMES),
    "mean_absolute_error_years",
}
BESIDE_LABELS_OF_QUALITY = frozenset(
    name for schema in (QUALITY_GATE, QUALITY_BY_GROUP, EDC_POINTS) for name in schema.columns
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

ATTACKS = Schema(
    "ATTACKS",  # attacks.parquet: presentation attacks in a file of scores, in its order
    {
        "reference": INT,  # position in manifest.parquet of the person or image that the attack was compared with
        "species": TEXT,
        "score": FLOAT,  # higher is more alike; NaN where none came
    },
)
IAPAR = Schema(
    "IAPAR",  # iapar.csv: presentation attacks of one species that a comparison accepted, by group of the reference
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
    "ANSWER_RATES",  # answer_rates.csv: how often an answer was given, or a macro error rate, by group
    {
        "output": TEXT,
        "measure": Column("str", choices=("answer rate", "macro error rate")),
        "model": TEXT,
        "answer": TEXT,  # empty of a macro error rate
        "count": INT,  # of the trials: with that answer, or in error
        "trials": INT,  # images with an answer; of a macro error rate those with a label
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
_OF_LABELS = ("label_", "loss_", "lost_")  # an answer rate takes the labels as they are
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

PROTOCOL_LIST = Schema(
    "PROTOCOL_LIST",  # the pairs of a benchmark protocol in its order; a pair that it lists twice stands here twice
    {
        "pair": INT,  # row of pairs.parquet
        "genuine": BOOL,  # as the protocol labels it
        "fold": INT,  # from 0; -1 in a protocol without folds
        "part": TEXT,  # list that it is of, where the protocol has several
    },
)

PROTOCOL = Schema(
    "PROTOCOL",  # protocol.csv: what the protocol itself prints
    {
        "part": TEXT,  # list of the protocol, such as a race of RFW; empty for all pairs
        "number": Column("str", choices=("accuracy", "tar", "identified", "tpir")),
        "rule": Column("str", choices=("insightface", "facex-zoo", "strict")),
        "far_target": FLOAT,  # of tar; of tpir the FPIR
        "rank": NULLABLE_INT,  # of identified and tpir: candidates that are read
        "value": FLOAT,
        "spread": FLOAT,  # of accuracy over the folds
        "spread_is": TEXT,  # which spread the rule prints
        "hits": INT,  # correct pairs of accuracy, accepted genuine pairs of tar, mates that were found
        "trials": INT,  # all pairs, genuine pairs, mated searches
        "false_accepts": NULLABLE_INT,  # of tar and tpir, of `impostors`: pairs, and searches without a mate
        "impostors": NULLABLE_INT,
        "far": FLOAT,  # reached, which by the rule of InsightFace may exceed the target
        "threshold": FLOAT,  # of tar; of accuracy the mean over folds
        "not_compared": INT,  # pairs without a score, counted as rejected
        "undefined_because": TEXT,  # where there is no value
    },
)

ESTIMATES = ("raw", "balanced", "balanced in cells", "regression, rest", "regression, associated", "within person")
EXPLAIN = Schema(
    "EXPLAIN",  # of `facegap explain`: a gap before and after balancing measured covariates
    {
        "metric": TEXT,
        "model": TEXT,
        "threshold": FLOAT,
        "threshold_from": TEXT,
        "estimate": Column("str", choices=ESTIMATES),
        "covariates": TEXT,  # with " + " between them; empty for the raw gap
        "group": TEXT,
        "reference": TEXT,  # empty within people
        **dict.fromkeys(("errors", "trials", "subjects"), INT),  # of the group, with all covariates measured
        **dict.fromkeys(("reference_errors", "reference_trials", "reference_subjects"), INT),
        **dict.fromkeys(
            ("without_covariates", "reference_without_covariates"), INT
        ),  # trials left out for want of them
        **dict.fromkeys(
            ("not_comparable", "reference_not_comparable"), INT
        ),  # of the trials: no counterpart in the other group
        **dict.fromkeys(("effective_subjects", "reference_effective_subjects"), FLOAT),  # after weighing
        "overlap": FLOAT,  # 0..1
        **dict.fromkeys(("rate", "reference_rate"), FLOAT),
        "scale": Column("str", choices=("difference", "ratio")),
        **dict.fromkeys(("gap", "low", "high"), FLOAT),  # within person: change of the rate per standard deviation
        "level": FLOAT,
        "margin": FLOAT,
        "verdict": TEXT,  # of the gap after balancing all covariates; empty elsewhere
        "attenuated": BOOL,  # a covariate is noisy, so that part of what goes with it is left
        "overadjusted": BOOL,  # a covariate is part of what makes the group
        "reason": TEXT,  # why a number is missing, or in what way a row is over-adjusted
        "interval_from": TEXT,
        "replicates": INT,  # 0 where nothing was resampled
        "seed": INT,
    },
)

STRESS = Schema(
    "STRESS",  # `facegap stress`: an error rate of a group at one dose, and its change against the unperturbed images
    {
        "metric": TEXT,
        "model": TEXT,
        "perturbation": TEXT,  # none: the images as they are
        "dose": FLOAT,  # NaN for none
        "unit": TEXT,
        "threshold": FLOAT,  # of the unperturbed images; NaN where there is none
        "family": TEXT,  # label columns of the group; empty for everybody
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
    "STRESS_GAPS",  # `facegap stress`: whether the error of one group changes more than that of another
    {
        "metric": TEXT,
        "model": TEXT,
        "perturbation": TEXT,
        "dose": FLOAT,
        "unit": TEXT,
        "threshold": FLOAT,
        "family": TEXT,
        "primary": BOOL,  # of the family that was tested for verdicts
        "group_a": TEXT,  # whose error changes more
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
    "STRESS_SCORES",  # `facegap stress`: how similar the mated images of a group are at one dose, higher is more alike
    {
        **dict.fromkeys(("model", "perturbation"), TEXT),
        "dose": FLOAT,
        "unit": TEXT,
        "family": TEXT,  # label columns of the group; empty for everybody
        "group": TEXT,
        "comparisons": INT,  # with a template before and after; each pair both ways round
        "lost": INT,  # whose probe has no template at this dose
        "subjects": INT,
        **dict.fromkeys(("median", "median_before"), FLOAT),
        **dict.fromkeys(
            ("shift", "shift_low", "shift_high"), FLOAT
        ),  # median of score - score before, by sampling unit
        "level": FLOAT,
    },
)

LABELS = Schema(
    "LABELS",  # how sure the label of a row is: one record per row, label column and class
    {
        "row": INT,  # position in the run's manifest, from 0
        "column": TEXT,  # measured_tone, annotated_monk, ...
        "label": TEXT,
        "probability": FLOAT,  # they sum to 1 over the classes of a row; NaN where it is unknown how sure the row's label is
    },
)

ANNOTATIONS = Schema(
    "ANNOTATIONS",  # a CSV of `facegap annotations export`: what each annotator said of each image
    {
        "image": TEXT,
        "annotator": TEXT,
        "scale": TEXT,
        "value": TEXT,  # a label of the scale, empty where the image was skipped
        "skipped": TEXT,  # why, empty where there is a value
        "at": TEXT,  # ISO 8601, UTC
    },
)


def check(frame: pd.DataFrame, schema: Schema, where: str) -> pd.DataFrame:
    """A new frame with exactly the columns, order and dtypes of `schema`; `frame` is left as it was.

    where  : the file (or call) that the frame came from, for messages. Rows are named by their column `line` if the
             table has one, by row + 2 if `where` is a CSV, else by position from 0.
    frame  : zero rows are allowed. Missing text becomes "". Numbers given as text are read as numbers.
    Raises : TableError for a missing, doubled or unknown column, a value of another kind, a value outside a closed
             set and a label that is reserved
    """
    _check_names(frame, schema, where)
    labels = label_columns(frame, schema)
    columns: dict[str, pd.Series] = {}
    for name, column in schema.columns.items():
        columns[name] = _checked_column(frame, name, column, where)
        if name == schema.labels_after:
            kinds = {label: FLOAT if schema.numbers and label.endswith(schema.numbers) else TEXT for label in labels}
            columns |= {label: _checked_column(frame, label, kind, where) for label, kind in kinds.items()}
    for label in labels:
        for value in schema.reserved:
            said = f"{value!r} is a reserved word here; use another label"
            _refuse(frame, columns[label] == value, label, said, where)
    return pd.DataFrame(columns, index=frame.index).reset_index(drop=True)


def label_columns(frame: pd.DataFrame, schema: Schema) -> tuple[str, ...]:
    """The columns of `frame` that the schema does not fix, in their order: its label columns."""
    return tuple(str(name) for name in frame.columns if name not in schema.columns)


def _check_names(frame: pd.DataFrame, schema: Schema, where: str) -> None:
    """Raise TableError where columns are missing, doubled or not of this table."""
    doubled = frame.columns[frame.columns.duplicated()]
    if len(doubled):
        raise TableError(f"{where}: column {doubled[0]} is there more than once; rename or remove one")
    missing = [name for name, column in schema.columns.items() if column.required and name not in frame.columns]
    if missing:
        found = ", ".join(str(name) for name in frame.columns) or "none"
        raise TableError(f"{where}: column {missing[0]} of the table {schema.name} is missing; add it (found: {found})")
    others = label_columns(frame, schema)
    if others and schema.labels_after is None:
        raise TableError(f"{where}: column {others[0]} is not one of the table {schema.name}; remove it")


def _checked_column(frame: pd.DataFrame, name: str, column: Column, where: str) -> pd.Series:
    """The column in the dtype of its kind; an optional one that is absent comes back empty."""
    if not len(frame):
        return pd.Series(index=frame.index, dtype=DTYPES[column.kind])
    if name not in frame.columns:
        empty = {"float": float("nan"), "str": "", "nullable_int": pd.NA}[column.kind]
        return pd.Series([empty] * len(frame), index=frame.index, dtype=DTYPES[column.kind])
    series = frame[name]
    if column.kind == "str":
        text = _as_text(series)
        if column.choices is not None:
            choices = ", ".join(choice or "(empty)" for choice in column.choices)
            _refuse(frame, ~text.isin(column.choices), name, f"{{value}} is not one of {choices}", where)
        return text
    if column.kind == "bool":
        return _as_bool(frame, name, where)
    return _as_number(frame, name, column.kind, where)


def _as_text(series: pd.Series) -> pd.Series:
    """The column as text, "" where it is missing."""
    if str(series.dtype) == DTYPES["str"] and not series.hasnans:
        return series
    if series.dtype != object or infer_dtype(series, skipna=False) != "string":
        series = series.astype("object").where(series.notna(), "")
    return series.astype(DTYPES["str"])


def _as_bool(frame: pd.DataFrame, name: str, where: str) -> pd.Series:
    """True and False from booleans or from their names in text, as a CSV holds them."""
    series = frame[name]
    if series.dtype == bool or (series.dtype == object and infer_dtype(series, skipna=False) == "boolean"):
        return series.astype(DTYPES["bool"])
    truth = series.astype("str").str.strip().str.lower().map({"true": True, "false": False})
    _refuse(frame, truth.isna(), name, "{value} is neither True nor False", where)
    return truth.astype(DTYPES["bool"])


def _as_number(frame: pd.DataFrame, name: str, kind: Kind, where: str) -> pd.Series:
    """The column as int64, nullable Int32 or float64; an empty cell is NA or NaN, and refused among plain integers."""
    series = frame[name]
    if str(series.dtype) == DTYPES[kind]:
        return series
    empty = series.isna()
    if infer_dtype(series, skipna=False) not in NUMBERS:
        empty |= series.astype("str").str.strip() == ""
        series = series.where(~empty)
    numbers = pd.to_numeric(series, errors="coerce")
    _refuse(frame, numbers.isna() & ~empty, name, "{value} is not a number", where)
    if kind == "float":
        return numbers.astype(DTYPES[kind])
    if kind == "int":
        _refuse(frame, empty, name, "an empty cell where a whole number is needed", where)
    if not is_integer_dtype(numbers):
        _refuse(frame, (numbers % 1 != 0) & ~empty, name, "{value} is not a whole number", where)
    return numbers.astype(DTYPES[kind])


def _refuse(frame: pd.DataFrame, wrong: pd.Series, name: str, what: str, where: str) -> None:
    """Raise TableError that names the first row where `wrong` is true; `{value}` in `what` becomes its value."""
    positions = wrong.to_numpy(dtype=bool, na_value=True).nonzero()[0]
    if not len(positions):
        return
    row = int(positions[0])
    further = f" (and {len(positions) - 1} more rows)" if len(positions) > 1 else ""
    said = what.replace("{value}", repr(str(frame[name].iloc[row])))
    raise TableError(f"{where} {_place(frame, row, where)}, column {name}: {said}{further}")


def _place(frame: pd.DataFrame, row: int, where: str) -> str:
    """How messages name a row: by its line where that is known."""
    if "line" in frame.columns:
        return f"line {frame['line'].iloc[row]}"
    return f"line {row + 2}" if where.endswith(".csv") else f"row {row} (counted from 0)"
