"""Tables of pairs: which were compared, with what score, and what was made of the scores."""

from __future__ import annotations

from facegap.tables.outcomes import PAIR_OUTCOMES
from facegap.tables.rates import RATES
from facegap.tables.schema import BOOL, COUNT_IF_ANY, FIRST, FLOAT, FLOAT_IF_ANY, INT, TEXT, TEXT_IF_ANY, Column, Schema

ROLES = Schema(
    "ROLES",  # roles.parquet: what each image was for in the comparisons
    {
        "row": INT,
        "role": TEXT,  # evaluation, threshold, or empty for an image that took no part
        "fold": COUNT_IF_ANY,  # from 0, where thresholds were set by folds
    },
)
EXCLUDED = Schema(
    "EXCLUDED",  # excluded.parquet: pairs that were left out after review
    {
        "left": INT,  # position in manifest.parquet of one image
        "right": INT,  # of the other
    },
)
PAIRS = Schema(
    "PAIRS",  # pairs.parquet: the pairs that a list or a sample named, with their scores
    {
        "left": INT,  # position in manifest.parquet of the probe
        "right": INT,  # of the reference
        "genuine": BOOL,  # two images of one person
        "weight": FLOAT_IF_ANY,  # how many pairs one of a sample stands for
        "score": FLOAT,  # higher is more alike; NaN where there is none
        "outcome": Column(
            "str", required=False, choices=(*PAIR_OUTCOMES, "")
        ),  # of a pair that a service was asked for
        "detail": TEXT_IF_ANY,
    },
)
FRAME_SCORES = Schema(
    "FRAME_SCORES",  # frame_scores.parquet: scores of genuine pairs of templates of the first frames alone
    {
        "frames": INT,  # of each template at most
        "left": INT,  # row of templates.parquet
        "right": INT,  # of the other
        "score": FLOAT,  # NaN where one of the two has no usable frame among those
    },
)
ATTACKS = Schema(
    "ATTACKS",  # attacks.parquet: presentation attacks in a file of scores, in its order
    {
        "reference": INT,  # position in manifest.parquet of the person or image that the attack was compared with
        "species": TEXT,
        "score": FLOAT,  # higher is more alike; NaN where none came
    },
)
ASKED_PAIRS = Schema(
    "ASKED_PAIRS",  # asked_pairs.csv: how the pairs that a service was to compare ended, by group
    {
        "pairs_of": Column("str", choices=("genuine", "impostor")),  # kind of the pairs
        "pairs": INT,  # within the group; between two groups they are in the row of everybody alone
        **dict.fromkeys(PAIR_OUTCOMES, INT),  # pairs that ended so
    },
    labels_after=FIRST,
)
REVIEW_PAIRS = Schema(
    "REVIEW_PAIRS",  # review_pairs.csv: the highest impostor and the lowest genuine pairs, for a person to look at
    {
        "left": TEXT,  # image, as the manifest names it
        "right": TEXT,  # the other image
        "kind": Column("str", choices=("genuine", "impostor")),  # of the pair
        "score": FLOAT,  # higher is more alike
    },
)
PAIR_LIST = Schema(
    "PAIR_LIST",  # the CSV of `facegap plan --pairs-of`: pairs to have compared
    {
        "left": TEXT_IF_ANY,  # image, as the manifest names it
        "right": TEXT_IF_ANY,  # the other image
        "probe": TEXT_IF_ANY,  # in place of left
        "reference": TEXT_IF_ANY,  # in place of right
        "genuine": INT,  # 1: two images of one person; 0: of two
        "weight": FLOAT,  # how many pairs one of the list stands for
    },
)
SCORES = Schema(
    "SCORES",  # scores.csv: scores of genuine and impostor pairs within each group
    {
        "genuine_pairs": INT,  # with two templates
        "genuine_mean": FLOAT,  # mean score
        "impostor_pairs": INT,  # with two templates
        "impostor_mean": FLOAT,  # mean score, where not all pairs are listed from a histogram; NaN where it was not counted
        "equal_error_rate": FLOAT,  # on the very pairs that it describes; NaN where not all impostor pairs are listed
        "equal_error_threshold": FLOAT,  # where both error rates are closest
        "equal_error_convention": TEXT,  # which of the usual definitions
    },
    labels_after=FIRST,
)
TRANSFER = Schema(
    "TRANSFER",  # transfer.csv: FMR and FNMR of every group at a threshold that was set on another
    {
        **RATES.columns,
        "operating_threshold": FLOAT,  # of the run, at the same target; NaN where it has none
        "operating_value": FLOAT,  # rate of the same group at that threshold
        "change_from_operating": FLOAT,  # value less operating_value
        "own_threshold": Column(
            "str", choices=("yes", "no")
        ),  # whether the threshold was set on the very group of the row
    },
    labels_after="threshold_from",
)
DIFFERENTIALS = Schema(
    "DIFFERENTIALS",  # differentials.csv of a run: published measures of how unequal groups are, each with what chance gives
    {
        "measure": TEXT,  # name of the measure
        "metrics": TEXT,  # that it is of, with + between two
        "family": TEXT,
        "groups": INT,  # with known labels and enough people
        "threshold": FLOAT,
        "threshold_from": TEXT,
        "value": FLOAT,
        "fair_value": FLOAT,  # where all groups have equal rates
        "unfair_side": Column("str", choices=("lower", "higher")),  # of fair_value
        "chance_median": FLOAT,  # of the measure with labels permuted over people; NaN where that cannot be done
        "chance_extreme": FLOAT,  # that 5 in 100 permutations exceed
        "p": FLOAT,
        "undefined_because": TEXT,  # where there is no value, or one rests on a replaced rate
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
