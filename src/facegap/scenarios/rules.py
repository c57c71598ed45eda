"""From the rates of groups to consequences for people: one function per scenario, each with its assumptions.

A scenario multiplies and compounds the rates of a run, without further knowledge about scores: intervals of rates are
propagated, bounds are named as bounds, and quantities without a measured rate cannot be determined.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from facegap.derive.metrics import (
    AGE_FALSE_NEGATIVE,
    AGE_FALSE_POSITIVE,
    FMR,
    FNMR,
    FTA,
    GFAR,
    GFRR,
    NO_ANSWER_RATE,
    Metric,
    metrics,
)
from facegap.derive.metrics_of_outputs import BPCER
from facegap.errors import StatisticsError
from facegap.scenarios.group_rates import EVERYBODY, Measured
from facegap.scenarios.payment import payment
from facegap.scenarios.quantities import (
    ALL,
    BOX,
    CARRIED,
    NO_ATTACK,
    SAME_PEOPLE,
    Answer,
    Line,
    Quantity,
    Shares,
    as_chance,
    carried,
    chance_of_any,
    exactly,
    expected,
    spread,
    total,
)
from facegap.scenarios.watchlist import watchlist
from facegap.types import Rate


@dataclass(frozen=True)
class Scenario:
    """A scenario and its requirements.

    answer    : function of Measured and the options
    any_of    : its metrics, of which the run must have at least one
    also      : further metrics of RATES that it uses
    options   : names of the keyword arguments of `answer`
    made_by   : the command that adds these metrics to a run
    """

    answer: Callable[..., Answer]
    any_of: Callable[[Metric], bool]
    also: Callable[[Metric], bool]
    options: tuple[str, ...]
    made_by: str

    def needed(self) -> list[Metric]:
        """The metrics of which a run must have at least one."""
        return [metric for metric in metrics().values() if self.any_of(metric)]

    def read(self) -> list[str]:
        """Names of all metrics that it uses."""
        return [metric.name for metric in metrics().values() if self.any_of(metric) or self.also(metric)]


def unlock(measured: Measured, *, tries: int = 5) -> Answer:
    """A stranger of the owner's group tries to unlock a device with their own face: the probability that it opens.

    tries   : number of attempts of the stranger
    Formula : one attempt FMR_g, both people in the group; k attempts at most 1 - (1 - FMR_g)^k
    Raises  : StatisticsError for less than one attempt
    """
    if tries < 1 or tries != int(tries):
        raise StatisticsError(f"tries: {tries}; give a whole number of at least 1")
    lines = [
        Line(
            "all people, regardless of group" if group == EVERYBODY else str(group),
            math.nan,
            {FMR.name: rate},
            (
                as_chance(rate),
                carried(lambda fmr: chance_of_any([fmr], [tries]), rising=[rate], unit="chance"),
                carried(lambda fmr: 1 / fmr if fmr else math.inf, falling=[rate], unit="people"),
            ),
        )
        for group in measured.groups_and_all
        for rate in [measured.rate(FMR.name, group)]
    ]
    return Answer(
        f"unlock: a stranger from the owner's group, {tries} attempt{'' if tries == 1 else 's'}",
        "",
        ("probability in one attempt", f"probability in {tries} attempts, at most", "strangers for one opened device"),
        tuple(lines),
        (
            f"The probability in {tries} attempts is a bound that treats attempts as independent. Attempts of one stranger "
            "are similar, so that the true probability lies between that of one attempt and the bound, as long as attempts "
            "of one pair of people differ only by chance. The bound fails if a person learns from a rejection.",
            "Owner and stranger are two randomly chosen people of one group. Twins and relatives are more similar, and a run "
            "without them cannot show how often they open each other's devices.",
            NO_ATTACK,
            SAME_PEOPLE,
            CARRIED,
        ),
    )


def registration(
    measured: Measured, *, people: float = 1_000_000, people_of: Shares = None, impostors: float = 1_000
) -> Answer:
    """Live faces are compared 1:1 with the photo of an identity document: rejected people and accepted impostors.

    people, people_of : genuine attempts per day, and the proportion of each group among them
    impostors         : attempts per day with another person's document, in the same proportions
    Formula           : rejected_g = people_g GFRR_g; accepted impostors_g = impostors_g GFAR_g
    """
    honest = spread(people, measured.groups, people_of, what="attempts")
    dishonest = spread(impostors, measured.groups, people_of, what="impostors")
    lines, columns = [], []
    for group, n, m in zip(measured.groups, honest, dishonest, strict=True):
        rates = {metric: measured.rate(metric, group) for metric in (GFRR.name, GFAR.name)}
        cells = (expected(n, rates[GFRR.name]), exactly(m, "people"), expected(m, rates[GFAR.name]))
        lines.append(Line(str(group), n, rates, cells))
        columns.append(cells)
    lines.append(Line(ALL, people, {}, tuple(total(column) for column in zip(*columns, strict=True))))
    return Answer(
        f"registration: {people:,.0f} genuine attempts and {impostors:,.0f} impostor attempts per day",
        "honest attempts",
        ("refused", "impostors", "impostors accepted"),
        tuple(lines),
        (
            "Each person has one attempt. An image without a usable face leads to a rejection of a genuine person, like a low "
            "score (GFRR), and never to the acceptance of an impostor (GFAR).",
            "An impostor shows the document of a person of the same group, chosen without regard to similarity.",
            "The number of impostors is an assumption, not a measurement; the number accepted is proportional to it.",
            NO_ATTACK,
            SAME_PEOPLE,
            BOX,
            CARRIED,
        ),
    )


def attributes(measured: Measured, *, people: float = 10_000, people_of: Shares = None) -> Answer:
    """A shop's camera predicts the gender and age of visitors: the number of wrong predictions.

    people, people_of : visitors, and the proportion of each group among them
    Formula           : visitors_g times the group's rate; only for metrics that the run has
    """
    known = [
        metric
        for metric in metrics().values()
        if metric.is_image and not _is_age_rate(metric) and any(key == metric.name for key, _ in measured.own)
    ]
    visitors = spread(people, measured.groups, people_of, what="visitors")
    rates = [{metric.name: measured.rate(metric.name, group) for metric in known} for group in measured.groups]
    cells = [
        tuple(expected(n, rate) for rate in of_group.values()) for n, of_group in zip(visitors, rates, strict=True)
    ]
    lines = [
        Line(str(group), n, of_group, row)
        for group, n, of_group, row in zip(measured.groups, visitors, rates, cells, strict=True)
    ]
    lines.append(Line(ALL, people, {}, tuple(total(column) for column in zip(*cells, strict=True))))
    return Answer(
        f"attributes: {people:,.0f} visitors in front of a shop's camera",
        "visitors",
        tuple(metric.title for metric in known),
        tuple(lines),
        (
            "Every visitor is seen once. Errors are relative to the labels of the run's data: a gender label was assigned by "
            "a person and does not show how visitors identify themselves.",
            "Numbers 'of those answered' and of ages assume that every visitor gets a prediction; visitors without a usable "
            "face are counted separately.",
            SAME_PEOPLE,
            BOX,
            CARRIED,
        ),
    )


def kiosk(measured: Measured, *, people: float = 10_000, people_of: Shares = None) -> Answer:
    """A kiosk requires a live face: the number of live visitors classified as attacks.

    people, people_of : visitors, and the proportion of each group among them
    Formula           : visitors_g BPCER_g; also visitors_g FTA_g without a prediction, if the run has FTA
    """
    visitors = spread(people, measured.groups, people_of, what="visitors")
    lost = [name for name in (FTA.name, NO_ANSWER_RATE.name) if any(key == name for key, _ in measured.own)]
    lines, columns = [], []
    for group, n in zip(measured.groups, visitors, strict=True):
        rates = {metric: measured.rate(metric, group) for metric in (BPCER.name, *lost)}
        cells = tuple(expected(n, rate) for rate in rates.values())
        lines.append(Line(str(group), n, rates, cells))
        columns.append(cells)
    lines.append(Line(ALL, people, {}, tuple(total(column) for column in zip(*columns, strict=True))))
    return Answer(
        f"kiosk: {people:,.0f} live visitors at a kiosk that requires a live face",
        "visitors",
        ("classified as an attack", *("without a usable face or answer" for _ in lost)),
        tuple(lines),
        (
            "Every visitor has one attempt and a detected face. Visitors without a usable face or prediction are counted separately.",
            "The images of the run are bona fide presentations. Portraits that were not taken by the kiosk's camera provide "
            "little evidence about it.",
            "Accepted attacks are not covered: they are measured by APCER, which needs attacks.",
            SAME_PEOPLE,
            BOX,
            CARRIED,
        ),
    )


def checkpoint(
    measured: Measured,
    *,
    people: float = 10_000,
    people_of: Shares = None,
    minors_share: float = 0.1,
    tries: int = 1,
) -> Answer:
    """A camera checks the age of visitors: minors who pass, and adults who must show a document.

    people, people_of : visitors, and the proportion of each group among them
    minors_share      : proportion of the visitors of every group who are under age: stated, not measured
    tries             : number of attempts of each minor
    Formula           : minors_g FPR_g, with several attempts at most minors_g (1 - (1 - FPR_g)^tries); adults_g FNR_g
    Raises            : StatisticsError for a proportion outside [0, 1], or less than one attempt
    """
    if not 0 <= minors_share <= 1:
        raise StatisticsError(f"minors_share: {minors_share} is not a proportion from 0 to 1")
    if tries < 1 or tries != int(tries):
        raise StatisticsError(f"tries: {tries}; give a whole number of at least 1")
    visitors = spread(people, measured.groups, people_of, what="visitors")
    lines, columns = [], []
    for group, n in zip(measured.groups, visitors, strict=True):
        rates = {metric: measured.rate(metric, group) for metric in (AGE_FALSE_POSITIVE.name, AGE_FALSE_NEGATIVE.name)}
        passes = expected(n * minors_share, _in_tries(rates[AGE_FALSE_POSITIVE.name], tries))
        documents = expected(n * (1 - minors_share), rates[AGE_FALSE_NEGATIVE.name])
        cells = (exactly(n * minors_share, "people"), passes, documents)
        lines.append(Line(str(group), n, rates, cells))
        columns.append(cells)
    lines.append(Line(ALL, people, {}, tuple(total(column) for column in zip(*columns, strict=True))))
    at_most = "" if tries == 1 else f" in {tries} attempts, at most"
    return Answer(
        f"checkpoint: the age of {people:,.0f} visitors is checked",
        "visitors",
        ("under age", f"pass under age{at_most}", "of age, must show a document"),
        tuple(lines),
        (
            f"{minors_share:.4g} of the visitors of every group are under age: an assumption, not a measurement "
            "(--minors-share). The number who pass is proportional to it.",
            "The limit and the challenge age are those of the run. The ages of the visitors are assumed to be like those of "
            "the run: a rate over children does not apply to 17-year-olds (age_years.csv has the rates by year of age).",
            "Each visitor is assumed to get an estimate. In practice an adult without one must show a document, and a minor "
            "without one does not pass; age_checks.csv counts them.",
            *(
                (
                    f"The probability in {tries} attempts is an independence bound, 1 - (1 - FPR)^{tries}. Attempts of one "
                    "person are similar, so that the true probability lies between that of one attempt and the bound, unless "
                    "a person learns from a rejection.",
                )
                if tries > 1
                else ()
            ),
            "There are no attacks: no make-up, no mask, no picture held up to the camera, no document of another person.",
            SAME_PEOPLE,
            BOX,
            CARRIED,
        ),
    )


def _is_bpcer(metric: Metric) -> bool:
    return metric == BPCER


def _in_tries(rate: Rate, tries: int) -> Quantity:
    """The probability of at least one event in several attempts, at most: an independence bound."""
    return carried(lambda chance: chance_of_any([chance], [tries]), rising=[rate], unit="chance")


def _is_age_rate(metric: Metric) -> bool:
    return metric in (AGE_FALSE_POSITIVE, AGE_FALSE_NEGATIVE)


def _is_fmr(metric: Metric) -> bool:
    return metric == FMR


def _is_pair_with_lost(metric: Metric) -> bool:
    return metric.is_pair and metric.counts_lost


def _is_answer(metric: Metric) -> bool:
    # an age check does not apply to all visitors
    return metric.is_image and not metric.is_failure and metric != BPCER and not _is_age_rate(metric)


def _is_failure(metric: Metric) -> bool:
    return metric.is_failure


def _nothing_else(_metric: Metric) -> bool:
    return False


_COMPARE = "facegap audit MANIFEST --embed CARD --fmr 1e-3 --by {by} --out RUN (or audit-embeddings, audit-scores)"
_CLASSIFY = "facegap audit MANIFEST --classify CARD --by {by} --out RUN (or audit-predictions)"
_CHECK = (
    "facegap audit MANIFEST --classify CARD --by {by} --age-limit 18 --challenge 25 --out RUN (or audit-predictions)"
)

SCENARIOS: Mapping[str, Scenario] = {
    "watchlist": Scenario(
        watchlist,
        _is_fmr,
        lambda metric: metric == FNMR,
        ("people", "entries", "people_of", "entries_of", "listed_share"),
        _COMPARE,
    ),
    "unlock": Scenario(unlock, _is_fmr, _nothing_else, ("tries",), _COMPARE),
    "registration": Scenario(
        registration, _is_pair_with_lost, _nothing_else, ("people", "people_of", "impostors"), _COMPARE
    ),
    "payment": Scenario(payment, _is_fmr, _nothing_else, ("target",), _COMPARE),
    "checkpoint": Scenario(
        checkpoint, _is_age_rate, _nothing_else, ("people", "people_of", "minors_share", "tries"), _CHECK
    ),
    "attributes": Scenario(attributes, _is_answer, _is_failure, ("people", "people_of"), _CLASSIFY),
    "kiosk": Scenario(kiosk, _is_bpcer, _is_failure, ("people", "people_of"), _CLASSIFY),
}
