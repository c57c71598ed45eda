"""Tables of labels: their uncertainty, the answers of annotators, and agreement."""

from __future__ import annotations

from facegap.tables.schema import BOOL, FLOAT, INT, TEXT, TEXT_IF_ANY, Column, Schema

LABELS = Schema(
    "LABELS",  # uncertainty of labels: one record per row, label column and class
    {
        "row": INT,  # position in the run's manifest, from 0
        "column": TEXT,  # measured_tone, annotated_monk, ...
        "label": TEXT,
        "probability": FLOAT,  # sums to 1 over the classes of a row; NaN if the uncertainty of the row's label is unknown
    },
)

ANNOTATIONS = Schema(
    "ANNOTATIONS",  # a CSV of `facegap annotations export`: the answer of each annotator for each image
    {
        "image": TEXT,
        "annotator": TEXT,
        "scale": TEXT,
        "value": TEXT,  # a label of the scale, empty if the image was skipped
        "skipped": TEXT,  # reason, empty if there is a value
        "at": TEXT,  # ISO 8601, UTC
    },
)

LABEL_TRUST = Schema(
    "LABEL_TRUST",  # label_trust.csv: gaps between groups of uncertain labels, if labels were kept with a stated probability
    {
        "metric": TEXT,
        "model": TEXT,
        "family": TEXT,
        "label": TEXT,  # column of the uncertain label
        "group_a": TEXT,
        "group_b": TEXT,
        "trust": FLOAT,  # probability that the label of a person is kept
        "difference": FLOAT,  # mean over the resamples
        "difference_low": FLOAT,  # lower limit of the widened interval
        "difference_high": FLOAT,
        "attenuation": FLOAT,  # proportion of a gap between people that remains between the labels
        "outer_low": FLOAT,  # bound of the gap between true groups
        "outer_high": FLOAT,
        "p_adjusted": FLOAT,
        "margin": FLOAT,
        "scale": TEXT,
        "verdict": TEXT,
        "decided_low": FLOAT,
        "decided_high": FLOAT,
        "decided_level": FLOAT,
    },
)


def _measure(name: str) -> dict[str, Column]:
    """Columns of a measure with its interval."""
    return dict.fromkeys((name, f"{name}_low", f"{name}_high"), FLOAT)


ALPHA = Schema(
    "ALPHA",  # alpha.csv of `facegap agreement`: Krippendorff's alpha
    {
        "scale": TEXT,
        "metric": Column("str", choices=("nominal", "ordinal", "interval")),  # how disagreement is measured
        "alpha": FLOAT,  # NaN if all answers are the same label
        "low": FLOAT,
        "high": FLOAT,
        "images": INT,  # with at least two answers
        "subjects": INT,  # people in them
        "answers": INT,  # labels given
        "annotators": INT,  # annotators who gave them
    },
)
ANNOTATOR_PAIRS = Schema(
    "ANNOTATOR_PAIRS",  # pairs.csv of `facegap agreement`: each pair of annotators
    {
        "scale": TEXT,
        "annotator_a": TEXT,  # name of the first
        "annotator_b": TEXT,  # of the other
        "images": INT,  # answered by both
        "subjects": INT,  # people in them
        **_measure("same"),  # proportion of equal labels, with its interval
        **_measure("kappa"),  # Cohen's kappa, with its interval
        **_measure("weighted_kappa"),  # kappa weighted by the squared number of steps, with its interval
    },
)
ANNOTATORS = Schema(
    "ANNOTATORS",  # annotators.csv of `facegap agreement`: each annotator against the median of the others
    {
        "scale": TEXT,
        "annotator": TEXT,
        "answered": INT,  # images
        "skipped": INT,  # images
        "images": INT,  # also answered by others
        "subjects": INT,  # people in them
        "difference": FLOAT,  # mean number of steps; above 0 is darker
        "difference_low": FLOAT,
        "difference_high": FLOAT,
        **dict.fromkeys(("lighter", "same", "darker"), FLOAT),  # proportion of answers
    },
)
DISPUTES = Schema(
    "DISPUTES",  # disputes.csv of `facegap agreement`: images on which annotators disagree
    {
        "scale": TEXT,
        "image": TEXT_IF_ANY,  # only with --include-ids
        "answers": INT,  # labels given
        "lightest": TEXT,  # label
        "darkest": TEXT,  # label
        "steps": INT,  # between both
        "across_cut": BOOL,  # whether one annotator chose lighter and another darker
    },
)
MEASURED = Schema(
    "MEASURED",  # measured.csv of `facegap agreement --tone`: each annotator, and the consensus, against the measured tone
    {
        "scale": TEXT,
        "annotator": TEXT,
        "images": INT,  # with an answer and a measurement
        "subjects": INT,  # people in them
        **_measure(
            "rank_correlation"
        ),  # with the measured ITA, positive if darker labels go with darker skin, with its interval
        **_measure("steps"),  # mean label minus measured Monk colour, with its interval; NaN on other scales
        "within_one": FLOAT,  # proportion at most one step apart
        **_measure("same_side"),  # proportion on the same side of lighter and darker, with its interval
        "side_images": INT,  # to which this refers
    },
)
CONSENSUS = Schema(
    "CONSENSUS",  # consensus.csv of `facegap agreement --include-ids`: the label of each image
    {
        "scale": TEXT,
        "image": TEXT,
        "value": TEXT,  # label, empty for none
        "answers": INT,  # labels given
        "steps": INT,  # between the lightest and the darkest answer
        "tied": BOOL,  # whether the two middle answers differed
    },
)
AGREED: dict[str, Schema] = {
    "alpha.csv": ALPHA,
    "pairs.csv": ANNOTATOR_PAIRS,
    "annotators.csv": ANNOTATORS,
    "disputes.csv": DISPUTES,
    "measured.csv": MEASURED,
    "consensus.csv": CONSENSUS,
}
