"""What the answers of many settings say about each setting: better than the card, worse, or within noise of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from facegap.doctor.alternatives import Variant
from facegap.doctor.sample import LEAST_SUBJECTS, Measure, Question, Sample
from facegap.doctor.trials import Found
from facegap.errors import TableError
from facegap.inputs.cards.diagnoses import Opinion
from facegap.inputs.manifests.labels import age_distance
from facegap.statistics.curves import equal_error_rate
from facegap.statistics.dprime import PairedDifference, d_prime, paired_d_prime, subject_scores
from facegap.statistics.paired import paired_means, paired_shares, subject_means
from facegap.statistics.verdicts import holm
from facegap.types import AnyArray, FloatArray, IntArray

VariantVerdict = Literal[
    "the card itself", "within noise of the card", "clearly worse than the card", "better than the card"
]
ALPHA = 0.05
CHANCE: Mapping[Question, float] = {"identity": 0.5, "gender": 0.6}  # d' under, accuracy under: next to guessing
WORST_AGE_ERROR = 100.0  # years; where no setting gives any age


@dataclass(frozen=True)
class Judged:
    """One setting, judged.

    value      : d', accuracy or mean error in years
    difference : how much better than the card it is, over the same people (fewer years are better); 0 for the card
    low, high  : 95% interval of it; p: two-sided; p_adjusted: Holm's over all variants
    eer        : equal error rate over all pairs of images, for information; NaN where identity is not asked
    lost       : faces without a usable answer
    """

    variant: Variant
    value: float
    difference: float
    low: float
    high: float
    p: float
    p_adjusted: float
    eer: float
    lost: int
    verdict: VariantVerdict


@dataclass(frozen=True)
class Judgement:
    """All settings of a card, judged on the same people; the first is the card itself."""

    measure: Measure
    settings: tuple[Judged, ...]
    subjects: int
    images: int
    opinion: Opinion

    @property
    def card(self) -> Judged:
        """The card itself."""
        return self.settings[0]

    @property
    def best(self) -> Judged | None:
        """The best of the settings that are better than the card, else of all others; None where there is no other.

        A larger difference that is within noise is no ground to call a card wrong, so it is never the one that is named.
        """
        others = [one for one in self.settings[1:] if not math.isnan(one.difference)]
        return max(self.of("better than the card") or others, key=lambda one: one.difference, default=None)

    def of(self, verdict: VariantVerdict) -> list[Judged]:
        """The settings with this verdict, best first."""
        chosen = [one for one in self.settings if one.verdict == verdict]
        return sorted(chosen, key=lambda one: -one.difference)


@dataclass(frozen=True, eq=False)
class Evidence:
    """The people whose faces were found, in the order of the answers. subjects : int64 (n,), codes 0..S-1"""

    subjects: IntArray
    labels: tuple[str, ...]

    @property
    def people(self) -> int:
        """Distinct subjects."""
        return int(self.subjects.max(initial=-1)) + 1


# (value, paired difference to the first, EER) of each variant
Scored = tuple[float, PairedDifference, float]


def judge(sample: Sample, found: Found, variants: Sequence[Variant], measure: Measure) -> Judgement:
    """Every variant against the first, over people whose faces were found.

    Raises
    ------
    TableError : too few of them are left
    """
    evidence, answers = evidence_of(sample, found, measure)
    scored = JUDGES[measure.question](answers, evidence)
    adjusted = np.concatenate([[1.0], holm(np.array([one.p for _, one, _ in scored[1:]]))])
    settings = tuple(
        Judged(
            variant,
            value,
            paired.difference,
            paired.low,
            paired.high,
            paired.p,
            float(p),
            eer,
            lost_in(said),
            verdict_of(paired.difference, float(p), first=k == 0),
        )
        for k, (variant, said, (value, paired, eer), p) in enumerate(
            zip(variants, answers, scored, adjusted, strict=True)
        )
    )
    judgement = Judgement(measure, settings, evidence.people, len(evidence.subjects), "not enough data")
    return replace(judgement, opinion=opinion_of(judgement))


def evidence_of(sample: Sample, found: Found, measure: Measure) -> tuple[Evidence, list[AnyArray]]:
    """The faces to judge by, and the answers for them; for identity only people with two faces or more.

    Raises
    ------
    TableError : fewer than LEAST_SUBJECTS people are left
    """
    names = sample.rows["subject"].to_numpy(dtype=object)[found.usable]
    labels = np.array(sample.labels, dtype=object)[found.usable]
    kept = np.ones(len(names), dtype=bool)
    if measure.question == "identity":
        people, codes, images = np.unique(names, return_inverse=True, return_counts=True)
        kept = images[codes] >= 2
    people, codes = np.unique(names[kept], return_inverse=True)
    if len(people) < LEAST_SUBJECTS:
        raise TableError(
            f"not enough data: faces of {len(people)} of {sample.people} subjects can be used, at least {LEAST_SUBJECTS} "
            "are needed; use a larger manifest or another --detect"
        )
    return Evidence(codes.reshape(-1).astype(np.int64), tuple(labels[kept])), [said[kept] for said in found.answers]


def by_identity(answers: Sequence[AnyArray], evidence: Evidence) -> list[Scored]:
    """d' by subject. A face without a template (zeros) is alike to nobody: score 0."""
    same = evidence.subjects[:, None] == evidence.subjects[None, :]
    upper = np.triu(np.ones(same.shape, dtype=bool), 1)
    scored, base = [], None
    for templates in answers:
        scores = templates.astype(np.float64) @ templates.astype(np.float64).T
        sums = subject_scores(scores, evidence.subjects)
        base = base or sums
        eer = equal_error_rate(scores[upper & same], scores[upper & ~same]).value
        scored.append((d_prime(sums), paired_d_prime(sums, base), eer))
    return scored


def by_gender(answers: Sequence[AnyArray], evidence: Evidence) -> list[Scored]:
    """Share of right answers, every subject weighing the same; no answer is not right."""
    truth = np.array(evidence.labels, dtype=object)
    shares = [subject_means((said == truth).astype(np.float64), evidence.subjects) for said in answers]
    return [(float(share.mean()), paired_shares(share - shares[0]), math.nan) for share in shares]


def by_age(answers: Sequence[AnyArray], evidence: Evidence) -> list[Scored]:
    """Years from the nearest end of the labelled range; no answer counts as the worst error that any setting made."""
    errors = [age_errors(said, evidence.labels) for said in answers]
    seen = np.concatenate(errors)
    worst = float(np.nanmax(seen)) if np.isfinite(seen).any() else WORST_AGE_ERROR
    means = [subject_means(np.where(np.isnan(error), worst, error), evidence.subjects) for error in errors]
    return [(float(mean.mean()), paired_means(means[0] - mean), math.nan) for mean in means]


JUDGES: dict[Question, Callable[[Sequence[AnyArray], Evidence], list[Scored]]] = {
    "identity": by_identity,
    "gender": by_gender,
    "age": by_age,
}


def age_errors(said: AnyArray, labels: Sequence[str]) -> FloatArray:
    """Error of each age in years; NaN where there is none."""
    return np.array([age_distance(float(age), label) for age, label in zip(said, labels, strict=True)], np.float64)


def lost_in(said: AnyArray) -> int:
    """Answers that hold nothing: templates of zeros, empty classes, ages that are no number."""
    if said.ndim == 2:
        return int((~said.any(axis=1)).sum())
    return int((said == "").sum()) if said.dtype == object else int(np.isnan(said).sum())


def verdict_of(difference: float, p_adjusted: float, *, first: bool) -> VariantVerdict:
    """Better or worse where Holm's p says that it differs; within noise of the card where it does not."""
    if first:
        return "the card itself"
    if not p_adjusted <= ALPHA:
        return "within noise of the card"
    return "better than the card" if difference > 0 else "clearly worse than the card"


def opinion_of(judgement: Judgement) -> Opinion:
    """The card is wrong where a setting is better by what matters, bettered by less; it holds where none is better.

    Where no setting is even worse, the people show nothing about settings: not enough data.
    """
    better = judgement.of("better than the card")
    if better:
        return "wrong" if better[0].difference >= judgement.measure.matters else "bettered"
    return "holds" if judgement.of("clearly worse than the card") else "not enough data"
