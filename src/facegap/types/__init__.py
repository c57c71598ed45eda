"""The values that cross module borders: frozen dataclasses, no behaviour beyond reading themselves."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from facegap.types.arrays import AnyArray as AnyArray
from facegap.types.arrays import BoolArray as BoolArray
from facegap.types.arrays import FloatArray as FloatArray
from facegap.types.arrays import IntArray as IntArray
from facegap.types.counts import PAIR_SCORE as PAIR_SCORE
from facegap.types.counts import ScoreCounts as ScoreCounts
from facegap.types.counts import ScoreHistogram as ScoreHistogram
from facegap.types.counts import cut_tail as cut_tail
from facegap.types.counts import sorted_by_rows as sorted_by_rows
from facegap.types.counts import sorted_by_score as sorted_by_score
from facegap.types.row_tails import RowTails as RowTails

Device = Literal["cpu", "cuda", "openvino", "tensorrt", "coreml", "directml", "webgpu"]
Verdict = Literal[
    "gap larger than the margin", "gap", "no gap larger than the margin", "not enough data", "exploratory"
]
Scale = Literal["difference", "ratio"]

ANY = "any"  # the value of an attribute that a group is not split by; refused as a label in manifests
UNKNOWN = "unknown"  # the label of an empty cell


@dataclass(frozen=True)
class Group:
    """A cell of people: ordered named attributes, each a label or `any`.

    >>> str(Group((("gender", "female"), ("tone", "darker"))))
    'darker female'
    """

    attributes: tuple[tuple[str, str], ...]

    def __str__(self) -> str:
        """Values in order with gender last, as English says it; `all` where nothing is split."""
        ordered = sorted(self.attributes, key=lambda item: item[0] == "gender")
        return " ".join(value for _, value in ordered if value != ANY) or "all"


@dataclass(frozen=True)
class Rate:
    """A proportion that never travels alone: counts, subjects and the interval that they support.

    errors, trials   : counts, errors <= trials
    subjects         : distinct people behind the trials
    effective_trials : independent trials that would carry the same information; at most `trials`
    low, high        : interval at `level` by `method`, in [0, 1]; NaN where it is not defined
    units            : sampling units behind the trials: the subjects, or the clusters that they were put into
    effective_subjects : (sum t)^2 / sum t^2 over the trials t of the units: as many units with equal trials would weigh
                       as evenly. NaN where it is not known
    largest_share    : proportion of the trials that one unit holds; of pairs, each of which two units hold, of both sides
    per_person       : mean over people of each person's own rate, or over pairs of two people of each pair's, so that they
                       weigh equally whatever they are tried; NaN where it is not known
    per_person_trials, per_person_low, per_person_high : its effective trials and interval
    dominated_by     : how many people (or units) have more than half of the errors, where they are so few that neither
                       the rate nor its interval says much of others (statistics/dominated.py); else 0
    by_person        : whether the value, its interval and effective_trials are those where people weigh equally
    estimate         : of a sample of all trials with known chances, the rate over all of them (statistics/sampled_pairs.py);
                       errors and trials are those of the sample then. NaN: the rate is errors / trials
    """

    errors: int
    trials: int
    subjects: int = 0
    effective_trials: float = math.nan
    low: float = math.nan
    high: float = math.nan
    level: float = 0.95
    method: str = "none"
    units: int = 0
    effective_subjects: float = math.nan
    largest_share: float = math.nan
    per_person: float = math.nan
    per_person_trials: float = math.nan
    per_person_low: float = math.nan
    per_person_high: float = math.nan
    dominated_by: int = 0
    by_person: bool = False
    estimate: float = math.nan

    @property
    def value(self) -> float:
        """The rate that the interval is of: `of_trials`, or `per_person` where people weigh equally."""
        return self.per_person if self.by_person else self.of_trials

    @property
    def of_trials(self) -> float:
        """errors / trials, or the estimate of a sample; NaN where there are no trials."""
        if not math.isnan(self.estimate):
            return self.estimate
        return self.errors / self.trials if self.trials else math.nan

    @property
    def people(self) -> float:
        """What a minimum of subjects is held against: effective subjects, or heads where those are not known."""
        return float(self.subjects) if math.isnan(self.effective_subjects) else self.effective_subjects

    @property
    def depends_on_weights(self) -> bool:
        """Whether the rate of people who weigh equally lies outside the interval of that of all trials, or the reverse."""
        other = self.of_trials if self.by_person else self.per_person
        return other < self.low or other > self.high


@dataclass(frozen=True)
class Gap:
    """One difference between two named groups, for one metric at one threshold; a row of GAPS.

    threshold_from is empty where there is no threshold, and says whether it was found on the pairs that it judges.
    primary says whether the gap is of the primary family of the run, which was named before the data were seen. Its gaps
    are tested together, whatever their metric, and get a verdict. Those of other families are exploratory: that word
    stands in place of a verdict.
    p is two-sided and inverts the interval on the scale of the margin; p_adjusted is Holm's over the primary family, or of
    an exploratory gap over the gaps of its own `family`, metric, model and threshold.
    scale is that of the margin, of p and of the interval that decided the verdict (decided_low, decided_high at level
    decided_level; of an exploratory gap the interval of Holm's own step, which contains no difference where p_adjusted is
    above alpha). `differs`, `within_margin` and `beyond_margin` take the labels as certain.
    subjects_needed is per group, for 80% power to detect the margin.
    rate_a, rate_b are the rates that the gap is of: errors over trials, or the mean of people where they weigh equally.
    dominated_by_a, dominated_by_b say how many people have most of the errors of a group, where they are too few for a
    verdict that would rest on them (statistics/dominated.py); 0: not dominated.

    The label_ fields say what uncertainty about the labels of a group does to the gap (statistics/label_uncertainty). Where it
    is not known label_draws is 0 and the numbers are NaN; then the gap takes the labels as certain. Where it is known, the
    verdict is the stricter one of both, with the interval that decided it: each gap has one verdict.
    label_draws       : how often labels were drawn from their probabilities
    label_difference, label_ratio : mean over the draws, the ratio's on the log scale. Drawn labels blur a gap: they are
                        nearer to none than the gap of the labels themselves
    label_..._low, _high : Rubin's interval (within draws and between them) around both gaps; it holds the plain interval
    label_p, label_p_adjusted : of that interval, and Holm's over the same family
    label_differs     : whether label_p_adjusted is small enough
    label_attenuation : share of a gap between people of these two groups that is left where labels err as their
                        probabilities say and independently of the model's errors. No estimate is divided by it
    label_outer_low, _high : how far the gap between true groups may then reach: the interval of the difference, and with
                        it the same divided by label_attenuation; from -1 to 1 where nothing is left
    label_wrong       : trials of the two groups together whose label may be wrong: what the probabilities of the labels say, at
                        their 95% limit, or the proportion that --label-errors states; NaN where neither is known
    label_bound_low, _high : the least and the largest gap, on the scale of the margin, if those labels are wrong just where
                        the model errs (statistics/label_uncertainty/bounds.py)
    label_holds       : whether the verdict is the same under that bound. With --label-errors the verdict is under it

    The loss_ fields are the worst and the best case over trials that a model gave no answer to (statistics/losses.py):
    every lost trial of one group in error and none of the other's. Where nothing is lost they are the gap itself.
    lost_a, lost_b    : trials lost, such as images without an answer or pairs with a lost image
    loss_difference_low, _high, loss_ratio_low, _high : the least and the largest gap, of a less (or over) b
    loss_stands       : whether the verdict by the labels as they are is the same in every case
    """

    metric: str
    model: str
    threshold: float
    threshold_from: str
    family: str
    primary: bool
    group_a: str
    group_b: str
    errors_a: int
    trials_a: int
    subjects_a: int
    errors_b: int
    trials_b: int
    subjects_b: int
    difference: float
    difference_low: float
    difference_high: float
    ratio: float
    ratio_low: float
    ratio_high: float
    p: float
    p_adjusted: float
    margin: float
    scale: Scale
    differs: bool
    within_margin: bool
    beyond_margin: bool
    verdict: Verdict
    decided_low: float
    decided_high: float
    decided_level: float
    subjects_needed: float
    rate_a: float
    rate_b: float
    dominated_by_a: int
    dominated_by_b: int
    label_draws: int = 0
    label_difference: float = math.nan
    label_difference_low: float = math.nan
    label_difference_high: float = math.nan
    label_ratio: float = math.nan
    label_ratio_low: float = math.nan
    label_ratio_high: float = math.nan
    label_p: float = math.nan
    label_p_adjusted: float = math.nan
    label_differs: bool = False
    label_attenuation: float = math.nan
    label_outer_low: float = math.nan
    label_outer_high: float = math.nan
    label_wrong: float = math.nan
    label_bound_low: float = math.nan
    label_bound_high: float = math.nan
    label_holds: bool = False
    lost_a: int = 0
    lost_b: int = 0
    loss_difference_low: float = math.nan
    loss_difference_high: float = math.nan
    loss_ratio_low: float = math.nan
    loss_ratio_high: float = math.nan
    loss_stands: bool = True


@dataclass(frozen=True, eq=False)
class Unmade:
    """An array that is still to be made, so that it can be made in the very memory where it is read.

    write : fills an array of this shape and type
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    write: Callable[[AnyArray], None]

    @property
    def nbytes(self) -> int:
        """Its size."""
        return math.prod(self.shape) * self.dtype.itemsize

    def made(self) -> AnyArray:
        """The array in memory of its own."""
        out: AnyArray = np.empty(self.shape, self.dtype)
        self.write(out)
        return out


@dataclass(frozen=True)
class Isolation:
    """How a model was kept apart from the audit that ran it.

    isolated     : it ran in a separate process
    timeout_s    : how long one batch, and the opening of the model, could take; 0 without isolation
    memory_bytes : what the model could take beyond what its process takes without it; 0 without such a limit
    restrictions : restrictions on its process while it ran
    absent       : what this system or device does not have, or the installed packages do not offer
    """

    isolated: bool
    timeout_s: float = 0.0
    memory_bytes: int = 0
    restrictions: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()


@dataclass(frozen=True)
class VariantOf:
    """What a model in lower precision was made from. precision : fp16 or int8; parent_sha256 : of the file that it was"""

    precision: str
    parent: str
    parent_sha256: str


@dataclass(frozen=True)
class Execution:
    """What a run really ran on, as found out after the sessions were opened, never as hoped for.

    nodes       : model name -> provider -> number of graph nodes that it was given
    models      : model name -> sha256 of the file that was run
    notes       : choices that the program made itself, with their reason
    isolation   : model name -> how it was kept apart from the audit
    provider_options : what the provider was asked for; one that comes as a plugin takes its own defaults
    sizes       : model name -> bytes of the file that was run
    variants    : model name -> of which file in full precision it was made, where its card says so
    """

    device_asked: str
    providers_asked: tuple[str, ...]
    providers_used: tuple[str, ...]
    device_name: str
    threads: int
    workers: int
    batch: int
    precision: str
    versions: Mapping[str, str] = field(default_factory=dict)
    models: Mapping[str, str] = field(default_factory=dict)
    nodes: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    isolation: Mapping[str, Isolation] = field(default_factory=dict)
    provider_options: Mapping[str, str] = field(default_factory=dict)
    sizes: Mapping[str, int] = field(default_factory=dict)
    variants: Mapping[str, VariantOf] = field(default_factory=dict)
