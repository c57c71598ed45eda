"""Compare every alternative setting with the card: better, worse, or no significant difference.

A card is called wrong only if the improvement is significant, large, and visible in an error rate: the lower end of its
interval, simultaneous over all settings, exceeds a margin, and FNMR at a fixed FMR decreases by FNMR_MATTERS or more.
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
}  # d' or accuracy; lower values are near chance
WORST_AGE_ERROR = 100.0  # years; if no setting returns an age
FMRS = (0.01, 0.001, 0.0001)  # for the comparison of FNMR, if there are enough impostor pairs
FNMR_MATTERS = 0.01  # smallest relevant decrease of FNMR at any of these FMRs


@dataclass(frozen=True)
class SettingResult:
    """The result of one setting.

    value      : d', accuracy or mean error in years
    difference : improvement over the card on the same people (fewer years are better); 0 for the card
    low, high  : interval of the difference, 95% simultaneously for all settings (Bonferroni)
    p          : two-sided; p_adjusted is multiplied by the number of settings, consistent with the interval
    eer        : equal error rate over all pairs of images, for information; NaN unless identity is evaluated
    lost       : number of faces without a usable output
    fnmr       : at each FMR of the evaluation, with equal weight per person; empty unless identity is evaluated
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
    """FNMR of the card and of another setting, each at its own threshold for this FMR."""

    fmr: float
    card: float
    other: float


@dataclass(frozen=True)
class Evaluation:
    """All settings of a card, evaluated on the same people; the first is the card itself.

    fmrs  : FMRs at which FNMR is compared; empty unless identity is evaluated
    alike : if the card is called wrong, the other accusing settings that do not differ significantly from the best one
    """

    measure: Measure
    settings: tuple[SettingResult, ...]
    subjects: int
    images: int
    opinion: Opinion
    fmrs: tuple[float, ...] = ()
    alike: tuple[SettingResult, ...] = ()

    @property
    def card(self) -> SettingResult:
        """The result of the card itself."""
        return self.settings[0]

    @property
    def best(self) -> SettingResult | None:
        """The best accusing setting; if there is none, the best that is better than the card, or the best of all; None if no
        other setting was tried.

        A larger difference that is not significant is no reason to call a card wrong, so that setting is never named.
        """
        others = [one for one in self.settings[1:] if not math.isnan(one.difference)]
        chosen = self.accusing or self.of("better than the card") or others
        return max(chosen, key=lambda one: one.difference, default=None)

    @property
    def proposed(self) -> SettingResult:
        """The settings to use: the card, unless it is wrong; otherwise, of the settings that do not differ significantly from
        the best, the one with the most common published convention.
        """
        best = self.best
        if self.opinion != "wrong" or best is None:
            return self.card
        return min((best, *self.alike), key=usual_first)

    @property
    def accusing(self) -> list[SettingResult]:
        """The settings that show that the card is wrong."""
        return [one for one in self.settings[1:] if self.is_certain(one) and self.is_felt(one)]

    def is_certain(self, one: SettingResult) -> bool:
        """Whether the whole interval of a setting's improvement exceeds the margin."""
        return one.verdict == "better than the card" and one.low > self.margin_of(one)

    def is_felt(self, one: SettingResult) -> bool:
        """Whether FNMR at a fixed FMR decreases by FNMR_MATTERS; always true for accuracy and years, which are errors themselves."""
        felt = self.errors_of(one)
        return felt is None or felt.card - felt.other >= FNMR_MATTERS - 1e-9

    def errors_of(self, one: SettingResult) -> Errors | None:
        """FNMR of the card and of a setting, at the FMR where they differ most; None unless identity is evaluated."""
        both = [Errors(*each) for each in zip(self.fmrs, self.card.fnmr, one.fnmr, strict=True)]
        return max(both, key=lambda each: each.card - each.other, default=None)

    def margin_of(self, one: SettingResult) -> float:
        """The smallest improvement of this setting over the card for which the card is called wrong."""
        return self.measure.margin(max(self.card.value, one.value), crop=one.variant.aspect == "crop")

    def of(self, verdict: VariantVerdict) -> list[SettingResult]:
        """The settings with this verdict, best first."""
        chosen = [one for one in self.settings if one.verdict == verdict]
        return sorted(chosen, key=lambda one: -one.difference)


@dataclass(frozen=True, eq=False)
class Evidence:
    """The people whose faces were found, in the order of the outputs. subjects : int64 (n,), codes 0..S-1"""

    subjects: IntArray
    labels: tuple[str, ...]

    @property
    def people(self) -> int:
        """Number of distinct subjects."""
        return int(self.subjects.max(initial=-1)) + 1


@dataclass(frozen=True)
class Scored:
    """The value of one variant, and its difference from the first."""

    value: float
    paired: PairedDifference
    eer: float = math.nan
    fnmr: tuple[float, ...] = ()


def evaluate(sample: Sample, found: Found, variants: Sequence[Variant], measure: Measure) -> Evaluation:
    """Compare every variant with the first, on the people whose faces were found.

    Raises
    ------
    NotEnoughPeopleError : too few people remain
    """
    evidence, answers = evidence_of(sample, found, measure)
    settings = compared(variants, answers, evidence, measure)
    fmrs = fixed_fmrs(evidence) if measure.question == "identity" else ()
    evaluation = Evaluation(measure, settings, evidence.people, len(evidence.subjects), "not enough data", fmrs)
    evaluation = replace(evaluation, opinion=opinion_of(evaluation))
    return replace(evaluation, alike=alike(evaluation, answers, evidence))


def compared(
    variants: Sequence[Variant], answers: Sequence[AnyArray], evidence: Evidence, measure: Measure
) -> tuple[SettingResult, ...]:
    """Compare every variant with the first, with simultaneous intervals."""
    others = max(len(variants) - 1, 1)
    scored = MEASUREMENTS[measure.question](answers, evidence, 1 - ALPHA / others)
    return tuple(
        SettingResult(
            variant,
            one.value,
            one.paired.difference,
            one.paired.low,
            one.paired.high,
            one.paired.p,
            1.0 if k == 0 else float(np.minimum(others * one.paired.p, 1.0)),
            one.eer,
            lost_in(output),
            verdict_of(one.paired, first=k == 0),
            one.fnmr,
        )
        for k, (variant, output, one) in enumerate(zip(variants, answers, scored, strict=True))
    )


def alike(evaluation: Evaluation, answers: Sequence[AnyArray], evidence: Evidence) -> tuple[SettingResult, ...]:
    """The accusing settings that do not differ significantly from the best one."""
    best = evaluation.best
    if evaluation.opinion != "wrong" or best is None:
        return ()
    places = [k for k, one in enumerate(evaluation.settings) if one is best or one in evaluation.accusing]
    places.sort(key=lambda k: evaluation.settings[k] is not best)
    against = compared(
        [evaluation.settings[k].variant for k in places], [answers[k] for k in places], evidence, evaluation.measure
    )
    return tuple(
        evaluation.settings[k]
        for k, one in zip(places[1:], against[1:], strict=True)
        if no_difference(one, against[0], evaluation.measure)
    )


def no_difference(one: SettingResult, best: SettingResult, measure: Measure) -> bool:
    """Whether a setting has no significant difference from the best, and an estimated difference below the margin.

    With few people hardly any difference is significant, so the estimate must be small, too.
    """
    return one.verdict == "within noise of the card" and abs(one.difference) < measure.margin(best.value)


def usual_first(one: SettingResult) -> tuple[int, float]:
    """Sort key: most common published convention first, then the best value."""
    return convention_rank(one.variant.card, one.variant.box_margin), -one.difference


def fixed_fmrs(evidence: Evidence) -> tuple[float, ...]:
    """The FMRs at which settings are compared: those with at least one expected false match among the impostor pairs."""
    images = np.bincount(evidence.subjects)
    pairs = (images.sum() ** 2 - (images**2).sum()) // 2
    return tuple(fmr for fmr in FMRS if round(pairs * fmr, 9) >= 1)


def evidence_of(sample: Sample, found: Found, measure: Measure) -> tuple[Evidence, list[AnyArray]]:
    """The faces for the evaluation, and their outputs; for identity, only people with two or more faces.

    Raises
    ------
    NotEnoughPeopleError : fewer than LEAST_SUBJECTS people remain
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
    return Evidence(codes.reshape(-1).astype(np.int64), tuple(labels[kept])), [output[kept] for output in found.answers]


def by_identity(answers: Sequence[AnyArray], evidence: Evidence, level: float) -> list[Scored]:
    """d' by subject. A face without a template (zeros) has score 0 with every face."""
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
    """Proportion of correct predictions, with equal weight per subject; no prediction counts as incorrect."""
    truth = np.array(evidence.labels, dtype=object)
    proportions = [subject_means((output == truth).astype(np.float64), evidence.subjects) for output in answers]
    return [
        Scored(float(proportion.mean()), paired_shares(proportion - proportions[0], level=level))
        for proportion in proportions
    ]


def by_age(answers: Sequence[AnyArray], evidence: Evidence, level: float) -> list[Scored]:
    """Years from the nearest end of the labelled range; no prediction counts as the worst error of any setting."""
    errors = [age_errors(output, evidence.labels) for output in answers]
    seen = np.concatenate(errors)
    worst = float(np.nanmax(seen)) if np.isfinite(seen).any() else WORST_AGE_ERROR
    means = [subject_means(np.where(np.isnan(error), worst, error), evidence.subjects) for error in errors]
    return [Scored(float(mean.mean()), paired_means(means[0] - mean, level=level)) for mean in means]


MEASUREMENTS: dict[Question, Callable[[Sequence[AnyArray], Evidence, float], list[Scored]]] = {
    "identity": by_identity,
    "gender": by_gender,
    "age": by_age,
    "liveness": by_gender,
}


def age_errors(ages: AnyArray, labels: Sequence[str]) -> FloatArray:
    """Error of each age in years; NaN where there is no age."""
    return np.array([age_distance(float(age), label) for age, label in zip(ages, labels, strict=True)], np.float64)


def lost_in(output: AnyArray) -> int:
    """Number of missing outputs: templates of zeros, empty classes, or ages that are NaN."""
    if output.ndim == 2:
        return int((~output.any(axis=1)).sum())
    return int((output == "").sum()) if output.dtype == object else int(np.isnan(output).sum())


def verdict_of(paired: PairedDifference, *, first: bool) -> VariantVerdict:
    """Better or worse if the simultaneous interval excludes 0; otherwise within noise of the card."""
    if first:
        return "the card itself"
    if paired.low > 0:
        return "better than the card"
    return "clearly worse than the card" if paired.high < 0 else "within noise of the card"


def opinion_of(evaluation: Evaluation) -> Opinion:
    """Wrong if a setting accuses the card, improvable if a setting is better by less, otherwise holds.

    If no setting is even worse, these people show nothing about settings: not enough data.
    """
    if evaluation.accusing:
        return "wrong"
    if evaluation.of("better than the card"):
        return "improvable"
    return "holds" if evaluation.of("clearly worse than the card") else "not enough data"
