"""The values that cross module borders: frozen dataclasses, no behaviour beyond reading themselves."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]
AnyArray = NDArray[Any]

Device = Literal["cpu", "cuda"]
Verdict = Literal["gap", "no gap larger than the margin", "not enough data"]

ANY = "any"  # the value of an attribute that a group is not split by; refused as a label in manifests


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
    """

    errors: int
    trials: int
    subjects: int = 0
    effective_trials: float = math.nan
    low: float = math.nan
    high: float = math.nan
    level: float = 0.95
    method: str = "none"

    @property
    def value(self) -> float:
        """errors / trials, NaN where there are no trials."""
        return self.errors / self.trials if self.trials else math.nan


@dataclass(frozen=True)
class Gap:
    """One difference between two named groups, for one metric at one threshold; a row of GAPS.

    p is two-sided and inverts the interval on the scale of the margin; p_adjusted is Holm's over `family`.
    subjects_needed is per group, for 80 % power to detect the margin.
    """

    metric: str
    model: str
    threshold: float
    family: str
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
    differs: bool
    within_margin: bool
    verdict: Verdict
    subjects_needed: float


@dataclass(frozen=True)
class Execution:
    """What a run really ran on, as found out after the sessions were opened, never as hoped for.

    nodes       : model name -> provider -> number of graph nodes that it was given
    models      : model name -> sha256 of the file that was run
    notes       : choices that the program made itself, with their reason
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
