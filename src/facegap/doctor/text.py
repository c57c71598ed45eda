"""What the doctor found, in words and one table."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from facegap.doctor.checks import Check, Checks
from facegap.doctor.diagnose import Examination
from facegap.doctor.evidence import ALPHA, CHANCE, Judged, Judgement, usual_first
from facegap.report.tables import TextTable
from facegap.report.text import NO_NUMBER, clean, number, p_value, percent

PLACE = " The best margin also depends on the portraits: evaluate other portraits before you change the card."
OF_PROPORTIONS = ("gender", "liveness")  # questions whose measure is a proportion
NAMED = 4  # settings without a significant difference that are named one by one


def table(examined: Examination) -> TextTable:
    """Every setting with what it reached, how it differs from the card, and its verdict."""
    judgement = examined.judgement
    identity = judgement.measure.question == "identity"
    columns = (
        "setting",
        judgement.measure.name,
        "better by",
        "95% interval",
        "p (adjusted)",
        *((f"FNMR (%) at FMR {' / '.join(f'{fmr:g}' for fmr in judgement.fmrs)}",) if identity else ()),
        "no answer",
        "verdict",
    )
    people = f"{judgement.subjects:,} subjects, {judgement.images:,} images"
    return TextTable(
        f"{examined.card.name}: the card and alternative settings, evaluated by {judgement.measure.name} on {people}",
        columns,
        tuple(row(one, judgement, identity=identity) for one in judgement.settings),
        notes=notes(judgement),
        essential=(*columns[:4], columns[-1]),
    )


def row(one: Judged, judgement: Judgement, *, identity: bool) -> tuple[str, ...]:
    """One setting."""
    own = one is judgement.card
    return (
        one.variant.name,
        value_text(one.value, judgement),
        NO_NUMBER if own else signed(one.difference, judgement),
        NO_NUMBER if own or math.isnan(one.low) else f"[{signed(one.low, judgement)}, {signed(one.high, judgement)}]",
        NO_NUMBER if own or math.isnan(one.p_adjusted) else p_value(one.p_adjusted),
        *((" / ".join(f"{100 * fnmr:.1f}" for fnmr in one.fnmr),) if identity else ()),
        str(one.lost),
        "" if own else one.verdict,
    )


def value_text(value: float, judgement: Judgement) -> str:
    """A value of the measure: accuracies in per cent."""
    return percent(value, 1) if judgement.measure.question in OF_PROPORTIONS else number(value, 2)


def signed(value: float, judgement: Judgement) -> str:
    """A difference with its sign: accuracies in points of a hundred."""
    if math.isnan(value):
        return NO_NUMBER
    return f"{100 * value:+.1f}" if judgement.measure.question in OF_PROPORTIONS else f"{value:+.2f}"


def notes(judgement: Judgement) -> tuple[str, ...]:
    """How to read the table."""
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
    }[judgement.measure.question]
    return (
        how,
        f"Intervals and p hold for all {len(judgement.settings) - 1} settings together (Bonferroni, {ALPHA:g}). A card is "
        f"called wrong where the whole interval of an improvement lies above {margin_text(judgement)}.",
    )


def conclusion(examined: Examination) -> list[str]:
    """What it means for the card, how sure that is, and what to do."""
    judgement = examined.judgement
    best = judgement.best
    assert best is not None  # finding_of came first
    word = "The proposed settings" if examined.proposal else f"The settings of card {examined.card.name}"
    said = {
        "wrong": wrong_text(judgement),
        "improvable": improvable_text(best, judgement),
        "holds": f"{word} are within noise of the best of {len(judgement.settings)}. The best of the others, "
        f"{best.variant.name}, reaches {judgement.measure.name} {difference_text(best, judgement)} more.",
        "not enough data": "Not enough data: on these people no setting is clearly better than the card, and none is "
        "clearly worse either, so that correct and wrong settings could not be distinguished.",
    }[judgement.opinion]
    return [said, *unsettled(judgement), *doubts(examined)]


def wrong_text(judgement: Judgement) -> str:
    """Why the card is wrong, and what to write instead."""
    one = judgement.proposed
    others = [other for other in (judgement.best, *judgement.alike) if other is not None and other is not one]
    names = ", ".join(other.variant.name for other in others)
    usual = f" No significant difference to it: {names}." if others else ""
    if any(usual_first(one)[0] < usual_first(other)[0] for other in others):
        usual += " The setting that is usual in published models is named."
    place = PLACE if one.variant.aspect in ("crop", "alignment") else ""
    return (
        f"CARD LOOKS WRONG: {one.variant.name} is better by {judgement.measure.name} {difference_text(one, judgement)}"
        f"{errors_text(one, judgement)}.{usual} Change it on the card and run the doctor again: it tries one setting at a "
        f"time.{place}"
    )


def improvable_text(best: Judged, judgement: Judgement) -> str:
    """Another setting does better, and why that is no reason to call the card wrong."""
    crop = best.variant.aspect == "crop"  # its margin is wide, so that less than it is not little
    small = best.difference < judgement.margin_of(best)
    slightly = "slightly " if small and not crop else ""
    by = f"{judgement.measure.name} {difference_text(best, judgement)}"
    said = f"Another setting does {slightly}better here: {best.variant.name}, by {by}{errors_text(best, judgement)}."
    if judgement.is_certain(best):
        return (
            f"{said} No error rate measured on these people decreases by a point, so the card is not called wrong. Compare "
            f"its {best.variant.aspect} with what the model's authors publish."
        )
    if small:
        place = PLACE if crop else ""
        return f"{said} This is not a reason to change a card that agrees with the model's documentation.{place}"
    return (
        f"{said} The sample is too small to decide whether it is better by more than the margin ({margin_text(judgement)}): "
        "use more people."
    )


def errors_text(one: Judged, judgement: Judgement) -> str:
    """How FNMR at a fixed FMR goes with it; empty where identity is not asked."""
    felt = judgement.errors_of(one)
    if felt is None:
        return ""
    return f" (FNMR at FMR {felt.fmr:g}: {percent(felt.other, 1)} instead of {percent(felt.card, 1)})"


def margin_text(judgement: Judgement) -> str:
    """The least improvement that is called wrong."""
    measure = judgement.measure
    if measure.question == "identity":
        return (
            f"d' {measure.matters:g} and {percent(measure.proportion, 0)} of the better d', and FNMR at one of these FMRs "
            "falls by a point or more"
        )
    if measure.question == "age":
        return f"{measure.matters:g} year"
    crop = f", {100 * measure.crop:g} for the margin of a crop, which depends on the portraits" if measure.crop else ""
    return f"{100 * measure.matters:g} points{crop}"


def difference_text(one: Judged, judgement: Judgement) -> str:
    """A difference with its interval."""
    unit = " points" if judgement.measure.question in OF_PROPORTIONS else ""
    return f"{signed(one.difference, judgement)} [{signed(one.low, judgement)}, {signed(one.high, judgement)}]{unit}"


def unsettled(judgement: Judgement) -> list[str]:
    """What these people cannot tell."""
    alike = judgement.of("within noise of the card")
    if not alike or judgement.opinion == "not enough data":
        return []
    worse = len(judgement.of("clearly worse than the card"))
    names = "; ".join(f"{one.variant.name} {difference_text(one, judgement)}" for one in alike[:NAMED])
    more = f"; and {len(alike) - NAMED} more" if len(alike) > NAMED else ""
    return [f"Clearly worse than the card: {worse}. No significant difference to it here: {names}{more}."]


def doubts(examined: Examination) -> list[str]:
    """What else a person should know before they believe it."""
    judgement = examined.judgement
    found = []
    least = CHANCE.get(judgement.measure.question)
    if least is not None and judgement.card.value < least:
        found.append(
            f"The card itself is near chance ({judgement.measure.name} {value_text(judgement.card.value, judgement)}): "
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
    """What later audits will know of it."""
    if path is None:
        return "Nothing is stored: the result is inconclusive, or only part of the card's settings could be tried."
    return f"Stored for audits with this card: {path}"


def checks_table(checks: Checks) -> TextTable:
    """What was checked without people on whom settings can be evaluated."""
    return TextTable(
        f"{checks.card}: checks on {checks.images:,} images (detector {checks.detector})",
        ("check", "result", "found"),
        tuple((one.name, one.state, one.said) for one in checks.checks),
        notes=(),
    )


def checks_conclusion(checks: Checks) -> list[str]:
    """Why settings were not judged, what is not in order, and what is needed."""
    failed = "; ".join(f"{one.name}: {one.said}" for one in checks.failed)
    said = [f"Settings were not evaluated: {checks.reason}."]
    said.append(f"FAILED: {failed}." if failed else "All checks passed.")
    said.append(
        f"Not checked: whether the card's {', '.join(checks.unchecked)} are correct. A model with wrong preprocessing can "
        f"pass all of the checks above. Required for this: {checks.needed}."
    )
    return [*said, "Nothing is stored for audits."]


def service_table(card: str, checks: Sequence[Check]) -> TextTable:
    """What a few calls showed of the card of a service."""
    rows = tuple((one.name, one.state, clean(one.said)) for one in checks)
    return TextTable(f"{card}: what a few calls showed", ("check", "result", "found"), rows, notes=())


def service_conclusion(checks: Sequence[Check]) -> str:
    """What does not fit, or that nothing was found."""
    failed = "; ".join(f"{one.name}: {clean(one.said)}" for one in checks if one.state == "not in order")
    return f"FAILED: {failed}." if failed else "All checks passed. A few calls provide no evidence about error rates."
