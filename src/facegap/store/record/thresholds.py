"""Entries of run.json on thresholds, comparisons and searches."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from facegap.store.record.data import Proportion
from facegap.store.typed_json import Between, Count

MOST_RANKS = 10_000  # bounds the rows of a table
MOST_FOLDS = 1_000  # bounds a square table

Rank = Annotated[int, Between(1, MOST_RANKS)]


@dataclass(frozen=True)
class FoldThresholds:
    """A threshold for every pair of folds, each set on the impostor pairs of subjects in neither; ordered as in `fold_pairs`.

    folds         : number of folds
    false_matches : of those pairs, how many reach the threshold; impostor_pairs : number of those pairs
    """

    folds: Annotated[int, Between(1, MOST_FOLDS)]
    thresholds: tuple[float, ...]
    false_matches: tuple[Count, ...]
    impostor_pairs: tuple[Count, ...]


@dataclass(frozen=True)
class ThresholdInterval:
    """Uncertainty of the threshold at a target FMR due to its threshold set, at the confidence level of the run.

    fmr_low, fmr_high : interval of the FMR at the threshold, over the subjects of the threshold set
    low, high         : thresholds at which the threshold set has fmr_high and fmr_low
    same_people       : the threshold set is also the evaluation set, so that both vary together
    """

    fmr_low: Proportion
    fmr_high: Proportion
    low: float
    high: float
    same_people: bool


@dataclass(frozen=True)
class Operating:
    """A threshold and its origin, reported with every rate at it.

    targets  : FMR targets that it was set for; several if they lead to one threshold, none if it was given
    unmet    : a sentence if tied scores keep the FMR well below its target; empty if the target is met
    interval : None if the threshold was given, or does not meet its target
    by_folds : thresholds by fold, if each pair was evaluated at a threshold set on other subjects; `threshold` is then for use
    """

    threshold: float
    source: str
    targets: tuple[float, ...] = ()
    unmet: str = ""
    interval: ThresholdInterval | None = None
    by_folds: FoldThresholds | None = None


@dataclass(frozen=True)
class TransferPoint:
    """The threshold at a target FMR among the impostor pairs of one group only.

    threshold : None if there is none, for the given `reason`
    subjects  : people of the group in the threshold set
    interval, by_folds : as in `Operating`
    """

    grouping: tuple[str, ...]
    on: str
    target: float
    threshold: float | None
    reason: str
    subjects: Count
    source: str
    interval: ThresholdInterval | None = None
    by_folds: FoldThresholds | None = None


@dataclass(frozen=True)
class PlotSample:
    """The sample of impostor pairs that score charts show instead of all pairs below the exact list.

    pairs : sample size; seed : of the generator
    """

    pairs: Count
    seed: Count


@dataclass(frozen=True)
class AllPairsRecord:
    """Comparison of all pairs.

    unknown    : pairs omitted because a subject or a group is unknown
    excluded   : pairs excluded after review
    filter     : method that screened the pairs; affects the time but not the counts
    components : number of leading principal components used for screening; None: all components of the templates
    reason     : reason for this filter
    plot       : None if the score charts contain every pair
    """

    unknown: Count
    excluded: Count
    filter: str
    components: Count | None
    reason: str
    plot: PlotSample | None = None


@dataclass(frozen=True)
class ListedPairsRecord:
    """Comparison of listed pairs: how many, how many were excluded after review, and which sets their subjects belong to.

    between : pairs of a subject of the threshold set and one of the evaluation set, so in neither
    sampled : the pairs are a sample of all pairs, and rates are weighted
    """

    listed: Count
    reviewed_and_left_out: Count
    evaluation: Count
    threshold_set: Count
    between: Count
    sampled: bool = False


@dataclass(frozen=True)
class ComparisonRecord:
    """Verification (1:1): the thresholds, and either all pairs or the pairs of a file."""

    operating: tuple[Operating, ...] = ()
    transfer_points: tuple[TransferPoint, ...] = ()
    all_pairs: AllPairsRecord | None = None
    listed_pairs: ListedPairsRecord | None = None


@dataclass(frozen=True)
class IdentificationRecord:
    """Identification (1:N).

    ranks     : lengths of candidate lists that are evaluated, ascending
    roles     : composition of the gallery, in words
    operating : thresholds for target false positive identification rates
    """

    ranks: tuple[Rank, ...]
    roles: str
    operating: tuple[Operating, ...] = ()
