"""The results of the doctor as sentences and a table."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from facegap.doctor.checks import Check, Checks
from facegap.doctor.diagnose import Examination
from facegap.doctor.evidence import ALPHA, CHANCE, Evaluation, SettingResult, usual_first
from facegap.report.tables import TextTable
from facegap.report.text import NO_NUMBER, clean, number, p_value, percent

PLACE = " The best margin also depends on the portraits: evaluate other portraits before you change the card."
OF_PROPORTIONS = ("gender", "liveness")  # measured by a proportion
NAMED = 4  # number of settings without a significant difference that are named


def table(examined: Examination) -> TextTable:
    """Every setting with its value, its difference from the card, and its verdict."""
    evaluation = examined.evaluation
    identity = evaluation.measure.question == "identity"
    columns = (
        "setting",
        evaluation.measure.name,
        "better by",
        "95% interval",
        "p (adjusted)",
        *((f"FNMR (%) at FMR {' / '.join(f'{fmr:g}' for fmr in evaluation.fmrs)}",) if identity else ()),
        "no answer",
        "verdict",
    )
    people = f"{evaluation.subjects:,} subjects, {evaluation.images:,} images"
    return TextTable(
        f"{examined.card.name}: the card and alternative settings, evaluated by {evaluation.measure.name} on {people}",
        columns,
        tuple(row(one, evaluation, identity=identity) for one in evaluation.settings),
        notes=notes(evaluation),
        essential=(*columns[:4], columns[-1]),
    )


def row(one: SettingResult, evaluation: Evaluation, *, identity: bool) -> tuple[str, ...]:
    """The row of one setting."""
    own = one is evaluation.card
    return (
        one.variant.name,
        value_text(one.value, evaluation),
        NO_NUMBER if own else signed(one.difference, evaluation),
        NO_NUMBER if own or math.isnan(one.low) else f"[{signed(one.low, evaluation)}, {signed(one.high, evaluation)}]",
        NO_NUMBER if own or math.isnan(one.p_adjusted) else p_value(one.p_adjusted),
        *((" / ".join(f"{100 * fnmr:.1f}" for fnmr in one.fnmr),) if identity else ()),
        str(one.lost),
        "" if own else one.verdict,
    )


def value_text(value: float, evaluation: Evaluation) -> str:
    """A value of the measure; accuracies in per cent."""
    return percent(value, 1) if evaluation.measure.question in OF_PROPORTIONS else number(value, 2)


def signed(value: float, evaluation: Evaluation) -> str:
    """A difference with its sign; accuracies in percentage points."""
    if math.isnan(value):
        return NO_NUMBER
    return f"{100 * value:+.1f}" if evaluation.measure.question in OF_PROPORTIONS else f"{value:+.2f}"


def notes(evaluation: Evaluation) -> tuple[str, ...]:
    """Notes on the table."""
    how = {
        "identity": "d' = (mean score of two images of one person - mean score of two people) / their pooled standard "
        "deviation; every person has the same weight; the interval omits one person at a time. A face without a template has "
        "a score of 0 with every other face. FNMR: each setting at its own threshold.",
        "gender": (
            "Accuracy: proportion of correct predictions, with equal numbers of each gender and the same weight for every "
            "person; no answer counts as incorrect. Differences in percentage points, over the same people (as in McNemar's "
            "test; Bonett and Price's interval)."
        ),
        "liveness": (
            "Proportion of bona fide portraits classified as live, with the same weight for every person. There are no "
            "attacks, so a model that accepts everything would appear perfect: colours are not tried, and a card is called "
            "wrong only if it rejects most portraits. Crops larger than a picture are reduced. Differences in percentage "
            "points, over the same people."
        ),
        "age": "Mean error in years, 0 inside the labelled range; lower is better, and 'better' is the reduction in years. No "
        "answer counts as the worst error of any setting. Paired t interval over people.",
    }[evaluation.measure.question]
    return (
        how,
        f"Intervals and p hold for all {len(evaluation.settings) - 1} settings together (Bonferroni, {ALPHA:g}). A card is "
        f"called wrong if the whole interval of an improvement lies above {margin_text(evaluation)}.",
    )


def conclusion(examined: Examination) -> list[str]:
    """The consequence for the card, its uncertainty, and what to do next."""
    evaluation = examined.evaluation
    best = evaluation.best
    assert best is not None  # checked by finding_of
    word = "The proposed settings" if examined.proposal else f"The settings of card {examined.card.name}"
    said = {
        "wrong": wrong_text(evaluation),
        "improvable": improvable_text(best, evaluation),
        "holds": f"{word} are within noise of the best of {len(evaluation.settings)}. The best of the others, "
        f"{best.variant.name}, reaches {evaluation.measure.name} {difference_text(best, evaluation)} more.",
        "not enough data": "Not enough data: on these people no setting is clearly better than the card, and none is "
        "clearly worse either, so that correct and wrong settings could not be distinguished.",
    }[evaluation.opinion]
    return [said, *unsettled(evaluation), *doubts(examined)]


def wrong_text(evaluation: Evaluation) -> str:
    """Why the card is wrong, and what to write instead."""
    one = evaluation.proposed
    others = [other for other in (evaluation.best, *evaluation.alike) if other is not None and other is not one]
    names = ", ".join(other.variant.name for other in others)
    usual = f" No significant difference to it: {names}." if others else ""
    if any(usual_first(one)[0] < usual_first(other)[0] for other in others):
        usual += " The setting that is usual in published models is named."
    place = PLACE if one.variant.aspect in ("crop", "alignment") else ""
    return (
        f"CARD LOOKS WRONG: {one.variant.name} is better by {evaluation.measure.name} {difference_text(one, evaluation)}"
        f"{errors_text(one, evaluation)}.{usual} Change it on the card and run the doctor again: it tries one setting at a "
        f"time.{place}"
    )


def improvable_text(best: SettingResult, evaluation: Evaluation) -> str:
    """A better setting, and why it does not make the card wrong."""
    crop = best.variant.aspect == "crop"  # the margin for crops is wide, so a difference below it may be large
    small = best.difference < evaluation.margin_of(best)
    slightly = "slightly " if small and not crop else ""
    by = f"{evaluation.measure.name} {difference_text(best, evaluation)}"
    said = f"Another setting does {slightly}better here: {best.variant.name}, by {by}{errors_text(best, evaluation)}."
    if evaluation.is_certain(best):
        return (
            f"{said} No error rate measured on these people decreases by a point, so the card is not called wrong. Compare "
            f"its {best.variant.aspect} with what the model's authors publish."
        )
    if small:
        place = PLACE if crop else ""
        return f"{said} This is not a reason to change a card that agrees with the model's documentation.{place}"
    return (
        f"{said} The sample is too small to decide whether it is better by more than the margin ({margin_text(evaluation)}): "
        "use more people."
    )


def errors_text(one: SettingResult, evaluation: Evaluation) -> str:
    """The change of FNMR at a fixed FMR; empty unless identity is evaluated."""
    felt = evaluation.errors_of(one)
    if felt is None:
        return ""
    return f" (FNMR at FMR {felt.fmr:g}: {percent(felt.other, 1)} instead of {percent(felt.card, 1)})"


def margin_text(evaluation: Evaluation) -> str:
    """The smallest improvement for which a card is called wrong."""
    measure = evaluation.measure
    if measure.question == "identity":
        return (
            f"d' {measure.matters:g} and {percent(measure.proportion, 0)} of the better d', and FNMR at one of these FMRs "
            "falls by a point or more"
        )
    if measure.question == "age":
        return f"{measure.matters:g} year"
    crop = f", {100 * measure.crop:g} for the margin of a crop, which depends on the portraits" if measure.crop else ""
    return f"{100 * measure.matters:g} points{crop}"


def difference_text(one: SettingResult, evaluation: Evaluation) -> str:
    """A difference with its interval."""
    unit = " points" if evaluation.measure.question in OF_PROPORTIONS else ""
    return f"{signed(one.difference, evaluation)} [{signed(one.low, evaluation)}, {signed(one.high, evaluation)}]{unit}"


def unsettled(evaluation: Evaluation) -> list[str]:
    """What remains undecided with these people."""
    alike = evaluation.of("within noise of the card")
    if not alike or evaluation.opinion == "not enough data":
        return []
    worse = len(evaluation.of("clearly worse than the card"))
    names = "; ".join(f"{one.variant.name} {difference_text(one, evaluation)}" for one in alike[:NAMED])
    more = f"; and {len(alike) - NAMED} more" if len(alike) > NAMED else ""
    return [f"Clearly worse than the card: {worse}. No significant difference to it here: {names}{more}."]


def doubts(examined: Examination) -> list[str]:
    """Reasons to be cautious about the result."""
    evaluation = examined.evaluation
    found = []
    least = CHANCE.get(evaluation.measure.question)
    if least is not None and evaluation.card.value < least:
        found.append(
            f"The card itself is near chance ({evaluation.measure.name} {value_text(evaluation.card.value, evaluation)}): "
            "more than one setting may be wrong, or the output that is read, or the weights."
        )
    lost = {word: count for word, count in Counter(examined.outcomes).items() if word != "ok"}
    if lost:
        said = ", ".join(f"{count} {word}" for word, count in sorted(lost.items()))
        found.append(
            f"Of {len(examined.outcomes):,} sampled images {sum(lost.values()):,} have no usable face: {said}."
        )
    if examined.proposal:
        found.append(
            f"Chosen among {examined.proposal.tried} combinations on {examined.proposal.subjects} other people."
        )
        found += [examined.proposal.remark] if examined.proposal.remark else []
    return found


def remembered(path: Path | None) -> str:
    """What is stored for later audits."""
    if path is None:
        return "Nothing is stored: the result is inconclusive, or only part of the card's settings could be tried."
    return f"Stored for audits with this card: {path}"


def checks_table(checks: Checks) -> TextTable:
    """The checks that need no labelled people."""
    return TextTable(
        f"{checks.card}: checks on {checks.images:,} images (detector {checks.detector})",
        ("check", "result", "found"),
        tuple((one.name, one.state, one.said) for one in checks.checks),
        notes=(),
    )


def checks_conclusion(checks: Checks) -> list[str]:
    """Why settings were not evaluated, which checks failed, and what is needed."""
    failed = "; ".join(f"{one.name}: {one.said}" for one in checks.failed)
    said = [f"Settings were not evaluated: {checks.reason}."]
    said.append(f"FAILED: {failed}." if failed else "All checks passed.")
    said.append(
        f"Not checked: whether the card's {', '.join(checks.unchecked)} are correct. A model with wrong preprocessing can "
        f"pass all of the checks above. Required for this: {checks.needed}."
    )
    return [*said, "Nothing is stored for audits."]


def service_table(card: str, checks: Sequence[Check]) -> TextTable:
    """The results of a few calls to a service."""
    rows = tuple((one.name, one.state, clean(one.said)) for one in checks)
    return TextTable(f"{card}: what a few calls showed", ("check", "result", "found"), rows, notes=())


def service_conclusion(checks: Sequence[Check]) -> str:
    """The failed checks, or that all passed."""
    failed = "; ".join(f"{one.name}: {clean(one.said)}" for one in checks if one.state == "not in order")
    return f"FAILED: {failed}." if failed else "All checks passed. A few calls provide no evidence about error rates."
