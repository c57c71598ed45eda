"""What the answers of many settings say about each setting: better than the card, worse, or within noise of it.

A card is called wrong only where the improvement is certain, large and felt: the lower end of its interval, simultaneous
over all settings, lies above a margin, and the error rate at a fixed FMR falls by what matters.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from facegap.doctor.alternatives import Variant
from facegap.doctor.conventions import convention_rank
from facegap.doctor.sample import LEAST_SUBJECTS, Measure, NotEnoughPeopleError, Question, Sample
from facegap.doctor.trials import Found
from facegap.inputs.cards.diagnoses import Opinion
from facegap.inputs.manifests.labels import age_distance
from facegap.statistics.curves import equal_error_rate, threshold_at_fmr
from facegap.statistics.dprime import PairedDifference, SubjectScores, d_prime, paired_d_prime, subject_scores
from facegap.statistics.paired import paired_means, paired_shares, subject_means
from facegap.types import AnyArray, FloatArray, IntArray

VariantVerdict = Literal[
    "the card itself", "within noise of the card", "clearly worse than the card", "better than the card"
]
ALPHA = 0.05
CHANCE: Mapping[Question, float] = {
    "identity": 0.5,
    "gender": 0.6,
    "liveness": 0.5,
}  # d' or accuracy below: next to guessing
WORST_AGE_ERROR = 100.0  # years; where no setting gives any age
FMRS = (0.01, 0.001, 0.0001)  # at which FNMR is compared, as far as there are pairs of two people enough
FNMR_MATTERS = 0.01  # the least fall of FNMR, at any of these, that counts as an error rate that matters


@dataclass(frozen=True)
class Judged:
    """One setting, judged.

    value      : d', accuracy or mean error in years
    difference : how much better than the card it is, over the same people (fewer years are better); 0 for the card
    low, high  : its interval, 95% for all settings together (Bonferroni's)
    p          : two-sided; p_adjusted: times the number of settings, so that it agrees with the interval
    eer        : equal error rate over all pairs of images, for information; NaN where identity is not asked
    lost       : faces without a usable answer
    fnmr       : at each FMR of the judgement, each person weighing the same; empty where identity is not asked
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
    fnmr: tuple[float, ...] = ()


@dataclass(frozen=True)
class Errors:
    """FNMR of the card and of another setting, each at its own threshold of this FMR."""

    fmr: float
    card: float
    other: float


@dataclass(frozen=True)
class Judgement:
    """All settings of a card, evaluated on the same people; the first is the card itself.

    fmrs  : at which FNMR is compared; empty where identity is not asked
    alike : where the card is called wrong: the settings that accuse it as well and show no difference to the best one
    """

    measure: Measure
    settings: tuple[Judged, ...]
    subjects: int
    images: int
    opinion: Opinion
    fmrs: tuple[float, ...] = ()
    alike: tuple[Judged, ...] = ()

    @property
    def card(self) -> Judged:
        """The card itself."""
        return self.settings[0]

    @property
    def best(self) -> Judged | None:
        """The best of the settings that accuse the card, else of those better than it, else of all; None without others.

        A larger difference that is within noise is no ground to call a card wrong, so it is never the one that is named.
        """
        others = [one for one in self.settings[1:] if not math.isnan(one.difference)]
        chosen = self.accusing or self.of("better than the card") or others
        return max(chosen, key=lambda one: one.difference, default=None)

    @property
    def proposed(self) -> Judged:
        """What to run the model with: the card, unless it is wrong; then, of settings that show no difference to the
        best, the one that follows the most usual published convention.
        """
        best = self.best
        if self.opinion != "wrong" or best is None:
            return self.card
        return min((best, *self.alike), key=usual_first)

    @property
    def accusing(self) -> list[Judged]:
        """The settings by which the card is wrong."""
        return [one for one in self.settings[1:] if self.is_certain(one) and self.is_felt(one)]

    def is_certain(self, one: Judged) -> bool:
        """Whether a setting is better than the card by more than the margin, the whole interval long."""
        return one.verdict == "better than the card" and one.low > self.margin_of(one)

    def is_felt(self, one: Judged) -> bool:
        """Whether the FNMR at a fixed FMR falls by what matters; accuracy and years are error rates themselves."""
        felt = self.errors_of(one)
        return felt is None or felt.card - felt.other >= FNMR_MATTERS - 1e-9

    def errors_of(self, one: Judged) -> Errors | None:
        """FNMR of the card and of a setting, at the FMR where they differ most; None where identity is not asked."""
        both = [Errors(*each) for each in zip(self.fmrs, self.card.fnmr, one.fnmr, strict=True)]
        return max(both, key=lambda each: each.card - each.other, default=None)

    def margin_of(self, one: Judged) -> float:
        """The least improvement that would be called wrong, for this setting against the card."""
        return self.measure.margin(max(self.card.value, one.value), crop=one.variant.aspect == "crop")

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


@dataclass(frozen=True)
class Scored:
    """What one variant reached, and how it differs from the first."""

    value: float
    paired: PairedDifference
    eer: float = math.nan
    fnmr: tuple[float, ...] = ()


def judge(sample: Sample, found: Found, variants: Sequence[Variant], measure: Measure) -> Judgement:
    """Every variant against the first, over people whose faces were found.

    Raises
    ------
    NotEnoughPeopleError : too few of them are left
    """
    evidence, answers = evidence_of(sample, found, measure)
    settings = judged(variants, answers, evidence, measure)
    fmrs = fixed_fmrs(evidence) if measure.question == "identity" else ()
    judgement = Judgement(measure, settings, evidence.people, len(evidence.subjects), "not enough data", fmrs)
    judgement = replace(judgement, opinion=opinion_of(judgement))
    return replace(judgement, alike=alike(judgement, answers, evidence))


def judged(
    variants: Sequence[Variant], answers: Sequence[AnyArray], evidence: Evidence, measure: Measure
) -> tuple[Judged, ...]:
    """Every variant against the first, with intervals that hold for all of them together."""
    others = max(len(variants) - 1, 1)
    scored = JUDGES[measure.question](answers, evidence, 1 - ALPHA / others)
    return tuple(
        Judged(
            variant,
            one.value,
            one.paired.difference,
            one.paired.low,
            one.paired.high,
            one.paired.p,
            1.0 if k == 0 else float(np.minimum(others * one.paired.p, 1.0)),
            one.eer,
            lost_in(said),
            verdict_of(one.paired, first=k == 0),
            one.fnmr,
        )
        for k, (variant, said, one) in enumerate(zip(variants, answers, scored, strict=True))
    )


def alike(judgement: Judgement, answers: Sequence[AnyArray], evidence: Evidence) -> tuple[Judged, ...]:
    """The settings that accuse a wrong card as the best one does, and show no difference to that one."""
    best = judgement.best
    if judgement.opinion != "wrong" or best is None:
        return ()
    places = [k for k, one in enumerate(judgement.settings) if one is best or one in judgement.accusing]
    places.sort(key=lambda k: judgement.settings[k] is not best)
    against = judged(
        [judgement.settings[k].variant for k in places], [answers[k] for k in places], evidence, judgement.measure
    )
    return tuple(
        judgement.settings[k]
        for k, one in zip(places[1:], against[1:], strict=True)
        if no_difference(one, against[0], judgement.measure)
    )


def no_difference(one: Judged, best: Judged, measure: Measure) -> bool:
    """Whether a setting that was compared with the best is within noise of it, and does not look worse by the margin.

    With few people nearly everything is within noise, so the difference itself must be small, too.
    """
    return one.verdict == "within noise of the card" and abs(one.difference) < measure.margin(best.value)


def usual_first(one: Judged) -> tuple[int, float]:
    """Key that puts the most usual published convention first, and what does best before others of its kind."""
    return convention_rank(one.variant.card, one.variant.box_margin), -one.difference


def fixed_fmrs(evidence: Evidence) -> tuple[float, ...]:
    """At which FMRs settings are compared: all that the pairs of two people can show at least one false match of."""
    images = np.bincount(evidence.subjects)
    pairs = (images.sum() ** 2 - (images**2).sum()) // 2
    return tuple(fmr for fmr in FMRS if round(pairs * fmr, 9) >= 1)


def evidence_of(sample: Sample, found: Found, measure: Measure) -> tuple[Evidence, list[AnyArray]]:
    """The faces to evaluate on, and the answers for them; for identity only people with two faces or more.

    Raises
    ------
    NotEnoughPeopleError : fewer than LEAST_SUBJECTS people are left
    """
    names = sample.rows["subject"].to_numpy(dtype=object)[found.usable]
    labels = np.array(sample.labels, dtype=object)[found.usable]
    kept = np.ones(len(names), dtype=bool)
    if measure.question == "identity":
        people, codes, images = np.unique(names, return_inverse=True, return_counts=True)
        kept = images[codes] >= 2
    people, codes = np.unique(names[kept], return_inverse=True)
    if len(people) < LEAST_SUBJECTS:
        raise NotEnoughPeopleError(
            f"not enough data: faces of {len(people)} of {sample.people} subjects can be used, but at least "
            f"{LEAST_SUBJECTS} are needed; use a larger manifest or another --detect"
        )
    return Evidence(codes.reshape(-1).astype(np.int64), tuple(labels[kept])), [said[kept] for said in found.answers]


def by_identity(answers: Sequence[AnyArray], evidence: Evidence, level: float) -> list[Scored]:
    """d' by subject. A face without a template (zeros) is alike to nobody: score 0."""
    fmrs = fixed_fmrs(evidence)
    same = evidence.subjects[:, None] == evidence.subjects[None, :]
    upper = np.triu(np.ones(same.shape, dtype=bool), 1)
    genuine = upper & same
    owners = evidence.subjects[np.nonzero(genuine)[0]]
    scored: list[Scored] = []
    base: SubjectScores | None = None
    for templates in answers:
        scores = templates.astype(np.float64) @ templates.astype(np.float64).T
        sums = subject_scores(scores, evidence.subjects)
        base = base or sums
        impostor = scores[upper & ~same]
        rejected = [(scores[genuine] < threshold_at_fmr(impostor, fmr).threshold).astype(np.float64) for fmr in fmrs]
        scored.append(
            Scored(
                d_prime(sums),
                paired_d_prime(sums, base, level=level),
                equal_error_rate(scores[genuine], impostor).value,
                tuple(float(subject_means(each, owners).mean()) for each in rejected),
            )
        )
    return scored


def by_gender(answers: Sequence[AnyArray], evidence: Evidence, level: float) -> list[Scored]:
    """Share of right answers, every subject weighing the same; no answer is not right."""
    truth = np.array(evidence.labels, dtype=object)
    shares = [subject_means((said == truth).astype(np.float64), evidence.subjects) for said in answers]
    return [Scored(float(share.mean()), paired_shares(share - shares[0], level=level)) for share in shares]


def by_age(answers: Sequence[AnyArray], evidence: Evidence, level: float) -> list[Scored]:
    """Years from the nearest end of the labelled range; no answer counts as the worst error that any setting made."""
    errors = [age_errors(said, evidence.labels) for said in answers]
    seen = np.concatenate(errors)
    worst = float(np.nanmax(seen)) if np.isfinite(seen).any() else WORST_AGE_ERROR
    means = [subject_means(np.where(np.isnan(error), worst, error), evidence.subjects) for error in errors]
    return [Scored(float(mean.mean()), paired_means(means[0] - mean, level=level)) for mean in means]


JUDGES: dict[Question, Callable[[Sequence[AnyArray], Evidence, float], list[Scored]]] = {
    "identity": by_identity,
    "gender": by_gender,
    "age": by_age,
    "liveness": by_gender,
}


def age_errors(said: AnyArray, labels: Sequence[str]) -> FloatArray:
    """Error of each age in years; NaN where there is none."""
    return np.array([age_distance(float(age), label) for age, label in zip(said, labels, strict=True)], np.float64)


def lost_in(said: AnyArray) -> int:
    """Answers that hold nothing: templates of zeros, empty classes, ages that are no number."""
    if said.ndim == 2:
        return int((~said.any(axis=1)).sum())
    return int((said == "").sum()) if said.dtype == object else int(np.isnan(said).sum())


def verdict_of(paired: PairedDifference, *, first: bool) -> VariantVerdict:
    """Better or worse where the simultaneous interval excludes 0; within noise of the card where it does not."""
    if first:
        return "the card itself"
    if paired.low > 0:
        return "better than the card"
    return "clearly worse than the card" if paired.high < 0 else "within noise of the card"


def opinion_of(judgement: Judgement) -> Opinion:
    """The card is wrong where a setting accuses it, improvable where one does better by less; it holds where none does.

    Where no setting is even worse, the people show nothing about settings: not enough data.
    """
    if judgement.accusing:
        return "wrong"
    if judgement.of("better than the card"):
        return "improvable"
    return "holds" if judgement.of("clearly worse than the card") else "not enough data"
