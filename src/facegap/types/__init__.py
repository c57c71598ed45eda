"""Values that cross module borders: frozen dataclasses with no behaviour beyond derived values."""

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

ANY = "any"  # the value of an attribute by which a group is not split; rejected as a label in manifests
UNKNOWN = "unknown"  # the label of an empty cell


@dataclass(frozen=True)
class Group:
    """A cell of people: ordered named attributes, each a label or `any`.

    >>> str(Group((("gender", "female"), ("tone", "darker"))))
    'darker female'
    """

    attributes: tuple[tuple[str, str], ...]

    def __str__(self) -> str:
        """Values in order with gender last, as in English; `all` if there are none."""
        ordered = sorted(self.attributes, key=lambda item: item[0] == "gender")
        return " ".join(value for _, value in ordered if value != ANY) or "all"


@dataclass(frozen=True)
class Rate:
    """A proportion with its counts, subjects and interval.

    errors, trials   : counts, errors <= trials
    subjects         : number of distinct people in the trials
    effective_trials : equivalent number of independent trials; at most `trials`
    low, high        : interval at `level` by `method`, in [0, 1]; NaN if undefined
    units            : number of sampling units: the subjects, or the clusters to which they belong
    effective_subjects : (sum t)^2 / sum t^2 over the trials t of the units: the number of units with equal trials that
                         would have equally even weights. NaN if unknown
    largest_share    : largest proportion of the trials in one unit; for pairs, which belong to two units, of both sides
    per_person       : mean over people of each person's rate, or over pairs of people of each pair's rate, so that they
                       have equal weights, however many trials they have; NaN if unknown
    per_person_trials, per_person_low, per_person_high : its effective trials and interval
    dominated_by     : number of people (or units) with more than half of the errors, if they are too few for the rate
                       and its interval to apply to others (statistics/dominated.py); else 0
    by_person        : whether the value, its interval and effective_trials are those with equal weights of people
    estimate         : if trials are a sample with known inclusion probabilities, the rate over all trials
                       (statistics/sampled_pairs.py); errors and trials are then those of the sample. NaN: the rate is
                       errors / trials
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
        """The rate to which the interval refers: `of_trials`, or `per_person` with equal weights of people."""
        return self.per_person if self.by_person else self.of_trials

    @property
    def of_trials(self) -> float:
        """errors / trials, or the estimate from a sample; NaN without trials."""
        if not math.isnan(self.estimate):
            return self.estimate
        return self.errors / self.trials if self.trials else math.nan

    @property
    def people(self) -> float:
        """The number compared with a minimum of subjects: effective subjects or, if unknown, subjects."""
        return float(self.subjects) if math.isnan(self.effective_subjects) else self.effective_subjects

    @property
    def depends_on_weights(self) -> bool:
        """Whether the rate with equal weights of people lies outside the interval of that over all trials, or vice versa."""
        other = self.of_trials if self.by_person else self.per_person
        return other < self.low or other > self.high


@dataclass(frozen=True)
class Gap:
    """One difference between two named groups, for one metric at one threshold; a row of GAPS.

    threshold_from is empty without a threshold; it states whether the threshold was set on the pairs that are evaluated.
    primary states whether the gap belongs to the primary family of the run, which was specified before the data were seen.
    Its gaps are tested together, whatever their metric, and get a verdict. Those of other families are exploratory and have
    that word instead of a verdict.
    p is two-sided and inverts the interval on the scale of the margin; p_adjusted is adjusted by Holm over the primary
    family or, for an exploratory gap, over the gaps of its own `family`, metric, model and threshold.
    scale is that of the margin, of p and of the interval that determined the verdict (decided_low, decided_high at level
    decided_level; for an exploratory gap the interval of Holm's step, which contains no difference if p_adjusted is above
    alpha). `differs`, `within_margin` and `beyond_margin` treat the labels as certain.
    subjects_needed is per group, for 80% power to detect the margin.
    rate_a, rate_b are the rates compared: errors over trials, or the mean over people if they have equal weights.
    dominated_by_a, dominated_by_b are the numbers of people with most of the errors of a group, if they are too few for a
    verdict (statistics/dominated.py); 0: not dominated.

    The label_ fields describe the effect of uncertain group labels on the gap (statistics/label_uncertainty). If the
    uncertainty is unknown, label_draws is 0, the numbers are NaN, and the gap treats the labels as certain. Otherwise
    the verdict is the weaker of both, with the interval that determined it: each gap has one verdict.
    label_draws       : number of times that labels were resampled from their probabilities
    label_difference, label_ratio : mean over the resamples, for the ratio on the log scale. Resampled labels attenuate a
                        gap: these are closer to no gap than the gap of the given labels
    label_..._low, _high : Rubin's interval (within and between resamples) around both gaps; it contains the unadjusted
                        interval
    label_p, label_p_adjusted : p of that interval, and the same adjusted by Holm over the same family
    label_differs     : whether label_p_adjusted is small enough
    label_attenuation : remaining proportion of a gap between people of these two groups if labels are wrong with their
                        stated probabilities and independently of the model's errors. No estimate is divided by it
    label_outer_low, _high : bounds of the gap between true groups in that case: the union of the interval of the
                             difference and the same divided by label_attenuation; -1 to 1 if nothing remains
    label_wrong       : trials of the two groups together whose label may be wrong: the 95% limit from the label
                        probabilities, or the proportion stated by --label-errors; NaN if neither is known
    label_bound_low, _high : the smallest and the largest gap, on the scale of the margin, if those wrong labels
                             coincide with errors of the model (statistics/label_uncertainty/bounds.py)
    label_holds       : whether the verdict is the same at these bounds. With --label-errors the verdict is that at the bounds

    The loss_ fields are the worst and the best case over trials without a result (statistics/losses.py): every lost
    trial of one group in error and none of the other's. If nothing is lost they equal the gap itself.
    lost_a, lost_b    : trials lost, such as images without a prediction or pairs with a lost image
    loss_difference_low, _high, loss_ratio_low, _high : the smallest and the largest gap, a minus (or over) b
    loss_stands       : whether the verdict by the given labels is the same in all cases
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
    """An array not yet computed, so that it can be written directly to the memory from which it is read.

    write : fills an array of this shape and dtype
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    write: Callable[[AnyArray], None]

    @property
    def nbytes(self) -> int:
        """Size of the array in bytes."""
        return math.prod(self.shape) * self.dtype.itemsize

    def made(self) -> AnyArray:
        """Return the array in newly allocated memory."""
        out: AnyArray = np.empty(self.shape, self.dtype)
        self.write(out)
        return out


@dataclass(frozen=True)
class Isolation:
    """How a model was isolated from the audit that ran it.

    isolated     : whether it ran in a separate process
    timeout_s    : time limit for one batch, and for loading the model; 0 without isolation
    memory_bytes : memory limit of the model, in addition to that of its process without it; 0 without a limit
    restrictions : restrictions on its process
    absent       : restrictions that this system, device or set of packages does not offer
    """

    isolated: bool
    timeout_s: float = 0.0
    memory_bytes: int = 0
    restrictions: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()


@dataclass(frozen=True)
class VariantOf:
    """Origin of a model in lower precision. precision : fp16 or int8; parent_sha256 : hash of the original file"""

    precision: str
    parent: str
    parent_sha256: str


@dataclass(frozen=True)
class Execution:
    """The hardware and software that a run used, as determined after the sessions were opened.

    nodes       : model name -> provider -> number of graph nodes assigned to it
    models      : model name -> sha256 of the file that was run
    notes       : choices made by the program, with their reasons
    isolation   : model name -> how it was isolated from the audit
    provider_options : options passed to the provider; a plugin provider uses its own defaults
    sizes       : model name -> bytes of the file that was run
    variants    : model name -> the full-precision file from which it was made, if its card states it
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
