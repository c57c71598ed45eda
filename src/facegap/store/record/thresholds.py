"""The thresholds of a run and how faces were compared and searched, as run.json holds it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from facegap.store.record.data import Proportion
from facegap.store.typed_json import Between, Count

MOST_RANKS = 10_000  # rows of a table are made of them
MOST_FOLDS = 1_000  # a square table is made of them

Rank = Annotated[int, Between(1, MOST_RANKS)]


@dataclass(frozen=True)
class FoldThresholds:
    """A threshold for every pair of folds, each set on the impostor pairs of people outside both; in the order of `fold_pairs`.

    folds         : how many there are
    false_matches : among those pairs, that reach the threshold; impostor_pairs : how many pairs those are
    """

    folds: Annotated[int, Between(1, MOST_FOLDS)]
    thresholds: tuple[float, ...]
    false_matches: tuple[Count, ...]
    impostor_pairs: tuple[Count, ...]


@dataclass(frozen=True)
class ThresholdInterval:
    """How well the threshold at a target FMR is known from its threshold set, at the level of the run.

    fmr_low, fmr_high : interval of the FMR at the threshold, by the subjects of the threshold set
    low, high         : thresholds at which the threshold set has fmr_high and fmr_low
    same_people       : the threshold set is the evaluation set, so that chance moves both together
    """

    fmr_low: Proportion
    fmr_high: Proportion
    low: float
    high: float
    same_people: bool


@dataclass(frozen=True)
class Operating:
    """A threshold, and where it comes from: printed wherever a rate at it is printed.

    targets  : the FMR that it was found for; several where they lead to one threshold, none where it was given
    unmet    : a sentence where equal scores keep the FMR well below its target; empty where it is met
    interval : None where the threshold was given, or does not meet its target
    by_folds : where each pair was judged at a threshold set on other people: these; `threshold` is then the one for use
    """

    threshold: float
    source: str
    targets: tuple[float, ...] = ()
    unmet: str = ""
    interval: ThresholdInterval | None = None
    by_folds: FoldThresholds | None = None


@dataclass(frozen=True)
class TransferPoint:
    """The threshold at a target FMR among the impostor pairs of one group alone.

    threshold : None where there is none; `reason` says why
    subjects  : people of the group in the threshold set
    interval, by_folds : as of `Operating`
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
    """The sample of impostor pairs that charts of scores show in place of all pairs below the exact list.

    pairs : how many were drawn; seed : of the generator
    """

    pairs: Count
    seed: Count


@dataclass(frozen=True)
class AllPairsRecord:
    """Everyone compared with everyone.

    unknown    : pairs left out because a subject or a group is unknown
    excluded   : reviewed pairs that are counted nowhere
    filter     : what screened the pairs; it changes the time and never the counts
    components : first principal components that it multiplied; None: all components of the templates
    reason     : why that filter
    plot       : None where every pair is in the charts of scores
    """

    unknown: Count
    excluded: Count
    filter: str
    components: Count | None
    reason: str
    plot: PlotSample | None = None


@dataclass(frozen=True)
class ListedPairsRecord:
    """Pairs that a file lists: how many, how many reviewed ones were left out, and how many are of which subjects.

    between : one subject of the threshold set and one of the evaluation set, so in neither
    sampled : they are a sample of all pairs, and rates are weighted
    """

    listed: Count
    reviewed_and_left_out: Count
    evaluation: Count
    threshold_set: Count
    between: Count
    sampled: bool = False


@dataclass(frozen=True)
class ComparisonRecord:
    """How faces were compared (1:1): the thresholds, and either all pairs or the pairs of a file."""

    operating: tuple[Operating, ...] = ()
    transfer_points: tuple[TransferPoint, ...] = ()
    all_pairs: AllPairsRecord | None = None
    listed_pairs: ListedPairsRecord | None = None


@dataclass(frozen=True)
class IdentificationRecord:
    """How a gallery was searched (1:N).

    ranks     : lengths of candidate lists that are evaluated, rising
    roles     : who is in the gallery, in words
    operating : thresholds for target false positive identification rates
    """

    ranks: tuple[Rank, ...]
    roles: str
    operating: tuple[Operating, ...] = ()
