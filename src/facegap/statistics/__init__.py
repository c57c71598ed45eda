"""Rates, intervals, gaps and verdicts of arrays; requires only numpy and scipy.

`rates`, `gaps`, `fmr` and `fnmr` take labels and subject ids directly and return the numbers of an audit; the other
functions are the components of these and of the audit.
"""

from facegap.statistics.anytime import AnytimeGap, anytime_gaps
from facegap.statistics.arrays import GroupRates, fmr, fnmr, gaps, rates
from facegap.statistics.bootstrap import (
    GenuineList,
    ImpostorList,
    Replicates,
    bootstrap_rates,
    correlation_of_replicates,
    pair_variance,
    percentile_interval,
    subject_weights,
)
from facegap.statistics.central import Apart, Central, central_values
from facegap.statistics.clusters import clustered_rate, clustered_rates, rates_of_clusters, subject_correlation
from facegap.statistics.curves import (
    DetPoints,
    EqualErrorRate,
    ThresholdChoice,
    accepted,
    area_under_roc,
    det_points,
    equal_error_rate,
    false_match_counts,
    false_non_match_counts,
    generalised_counts,
    generalised_rates,
    threshold_at_fmr,
)
from facegap.statistics.differentials import MEASURES, Differential, Measure, differential
from facegap.statistics.discard import (
    DiscardCurve,
    best_discard_area,
    discard_area,
    discard_area_interval,
    discard_curve,
)
from facegap.statistics.dyadic import NoErrorLimits, dyadic_fmr, dyadic_fnmr, no_error_limits
from facegap.statistics.effective import RateColumns
from facegap.statistics.gap_families import GapColumns, GapFamily
from facegap.statistics.gaps import gap_family
from facegap.statistics.intervals import clopper_pearson, gap_difference, newcombe_difference, wilson
from facegap.statistics.paired import unmatched_change, unmatched_shares
from facegap.statistics.permutation import PermutationNull, counts_per_pair, counts_per_subject, permutation_null
from facegap.statistics.protocols import AcceptRate, FoldAccuracy, accept_rate, fold_accuracy
from facegap.statistics.published import (
    PossibleCounts,
    PublishedCell,
    RebuiltPeople,
    impossible_cells,
    largest_size,
    possible_counts,
    rebuild_people,
    subgroup_errors,
)
from facegap.statistics.ratios import gap_ratio, ratio_interval
from facegap.statistics.search import (
    SearchErrors,
    cmc,
    gallery_fpir_bound,
    mate_ranks,
    search_errors,
)
from facegap.statistics.verdicts import holm, subjects_needed, verdicts

__all__ = [  # noqa: RUF022 (in the order in which a reader needs them)
    # arrays in, named groups out
    "rates",
    "gaps",
    "fmr",
    "fnmr",
    "GroupRates",
    # one rate
    "clustered_rate",
    "clustered_rates",
    "rates_of_clusters",
    "RateColumns",
    "subject_correlation",
    "dyadic_fmr",
    "dyadic_fnmr",
    "no_error_limits",
    "NoErrorLimits",
    "wilson",
    "clopper_pearson",
    # two rates, and families of gaps
    "gap_difference",
    "gap_ratio",
    "newcombe_difference",
    "ratio_interval",
    "gap_family",
    "GapFamily",
    "GapColumns",
    "holm",
    "verdicts",
    "subjects_needed",
    # sequential tests
    "anytime_gaps",
    "AnytimeGap",
    # scores and thresholds
    "accepted",
    "false_match_counts",
    "false_non_match_counts",
    "threshold_at_fmr",
    "ThresholdChoice",
    "equal_error_rate",
    "EqualErrorRate",
    "det_points",
    "DetPoints",
    "area_under_roc",
    "generalised_counts",
    "generalised_rates",
    # quality: distributions by group, error versus discard
    "central_values",
    "Central",
    "Apart",
    "discard_curve",
    "DiscardCurve",
    "discard_area",
    "best_discard_area",
    "discard_area_interval",
    # 1:N search
    "mate_ranks",
    "search_errors",
    "SearchErrors",
    "cmc",
    "gallery_fpir_bound",
    # many groups at once
    "differential",
    "MEASURES",
    "Differential",
    "Measure",
    "permutation_null",
    "PermutationNull",
    "counts_per_subject",
    "counts_per_pair",
    # the bootstrap
    "bootstrap_rates",
    "ImpostorList",
    "GenuineList",
    "Replicates",
    "subject_weights",
    "pair_variance",
    "percentile_interval",
    "correlation_of_replicates",
    # what benchmark protocols print
    "fold_accuracy",
    "FoldAccuracy",
    "accept_rate",
    "AcceptRate",
    # published tables
    "possible_counts",
    "PossibleCounts",
    "unmatched_shares",
    "unmatched_change",
    "largest_size",
    "impossible_cells",
    "PublishedCell",
    "subgroup_errors",
    "rebuild_people",
    "RebuiltPeople",
]
