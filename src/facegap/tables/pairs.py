"""Tables of pairs: which were compared, their scores, and results from scores."""

from __future__ import annotations

from facegap.tables.outcomes import PAIR_OUTCOMES
from facegap.tables.rates import RATES
from facegap.tables.schema import BOOL, COUNT_IF_ANY, FIRST, FLOAT, FLOAT_IF_ANY, INT, TEXT, TEXT_IF_ANY, Column, Schema

ROLES = Schema(
    "ROLES",  # roles.parquet: role of each image in the comparisons
    {
        "row": INT,
        "role": TEXT,  # evaluation, threshold, or empty for an image that was not compared
        "fold": COUNT_IF_ANY,  # from 0, if thresholds were set by folds
    },
)
EXCLUDED = Schema(
    "EXCLUDED",  # excluded.parquet: pairs that were excluded after review
    {
        "left": INT,  # position in manifest.parquet of one image
        "right": INT,  # of the other
    },
)
PAIRS = Schema(
    "PAIRS",  # pairs.parquet: the pairs of a list or a sample, with their scores
    {
        "left": INT,  # position in manifest.parquet of the probe
        "right": INT,  # of the reference
        "genuine": BOOL,  # two images of one person
        "weight": FLOAT_IF_ANY,  # number of pairs represented by a sampled one
        "score": FLOAT,  # higher is more similar; NaN for none
        "outcome": Column("str", required=False, choices=(*PAIR_OUTCOMES, "")),  # for a comparison by a service
        "detail": TEXT_IF_ANY,
    },
)
FRAME_SCORES = Schema(
    "FRAME_SCORES",  # frame_scores.parquet: scores of genuine pairs of templates from the first frames only
    {
        "frames": INT,  # maximum per template
        "left": INT,  # row of templates.parquet
        "right": INT,  # of the other
        "score": FLOAT,  # NaN if one of the two has no usable frame among these
    },
)
ATTACKS = Schema(
    "ATTACKS",  # attacks.parquet: presentation attacks in a file of scores, in its order
    {
        "reference": INT,  # position in manifest.parquet of the person or image with which the attack was compared
        "species": TEXT,
        "score": FLOAT,  # higher is more similar; NaN for none
    },
)
ASKED_PAIRS = Schema(
    "ASKED_PAIRS",  # asked_pairs.csv: outcomes of the pairs for comparison by a service, by group
    {
        "pairs_of": Column("str", choices=("genuine", "impostor")),  # kind of the pairs
        "pairs": INT,  # within the group; those between two groups are only in the row of all subjects
        **dict.fromkeys(PAIR_OUTCOMES, INT),  # pairs with that outcome
    },
    labels_after=FIRST,
)
REVIEW_PAIRS = Schema(
    "REVIEW_PAIRS",  # review_pairs.csv: the highest impostor and the lowest genuine pairs, for manual review
    {
        "left": TEXT,  # image, as named in the manifest
        "right": TEXT,  # the other image
        "kind": Column("str", choices=("genuine", "impostor")),  # of the pair
        "score": FLOAT,  # higher is more similar
    },
)
PAIR_LIST = Schema(
    "PAIR_LIST",  # the CSV of `facegap plan --pairs-of`: pairs to be compared
    {
        "left": TEXT_IF_ANY,  # image, as named in the manifest
        "right": TEXT_IF_ANY,  # the other image
        "probe": TEXT_IF_ANY,  # instead of left
        "reference": TEXT_IF_ANY,  # instead of right
        "genuine": INT,  # 1: two images of one person; 0: of two people
        "weight": FLOAT,  # number of pairs represented by the listed one
    },
)
SCORES = Schema(
    "SCORES",  # scores.csv: scores of genuine and impostor pairs within each group
    {
        "genuine_pairs": INT,  # with two templates
        "genuine_mean": FLOAT,  # mean score
        "impostor_pairs": INT,  # with two templates
        "impostor_mean": FLOAT,  # mean score, from a histogram if not all pairs are listed; NaN if not counted
        "equal_error_rate": FLOAT,  # on the same pairs; NaN if not all impostor pairs are listed
        "equal_error_threshold": FLOAT,  # at which the error rates are closest
        "equal_error_convention": TEXT,  # definition of the equal error rate
    },
    labels_after=FIRST,
)
TRANSFER = Schema(
    "TRANSFER",  # transfer.csv: FMR and FNMR of every group at a threshold set on another
    {
        **RATES.columns,
        "operating_threshold": FLOAT,  # of the run, at the same target; NaN for none
        "operating_value": FLOAT,  # rate of the same group at that threshold
        "change_from_operating": FLOAT,  # value - operating_value
        "own_threshold": Column("str", choices=("yes", "no")),  # whether the threshold was set on the group of the row
    },
    labels_after="threshold_from",
)
DIFFERENTIALS = Schema(
    "DIFFERENTIALS",  # differentials.csv of a run: published measures of differences between groups, each with its null distribution
    {
        "measure": TEXT,  # name of the measure
        "metrics": TEXT,  # to which it refers, with + between two
        "family": TEXT,
        "groups": INT,  # with known labels and enough people
        "threshold": FLOAT,
        "threshold_from": TEXT,
        "value": FLOAT,
        "fair_value": FLOAT,  # if all groups have equal rates
        "unfair_side": Column("str", choices=("lower", "higher")),  # of fair_value
        "chance_median": FLOAT,  # of the measure with labels permuted over people; NaN if not possible
        "chance_extreme": FLOAT,  # exceeded by 5% of permutations
        "p": FLOAT,
        "undefined_because": TEXT,  # if there is no value, or it depends on a replaced rate
    },
)
BOB_RATES = Schema(
    "BOB_RATES",  # bob_rates.csv: rates by the definitions of bob.measure
    {
        "threshold": FLOAT,
        "threshold_from": TEXT,
        "lost_pairs": INT,  # without a score
        "pairs": INT,  # all
        **dict.fromkeys(("fta", "fmr", "fnmr", "far", "frr", "hter"), FLOAT),  # as bob.measure defines it
    },
    labels_after=FIRST,
)
