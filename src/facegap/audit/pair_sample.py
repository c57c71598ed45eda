"""The sample of pairs to compare if not all can be, and its expected precision, both before the first comparison."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from facegap.audit.pair_lists import PairList
from facegap.audit.settings import AuditSettings, Verify
from facegap.derive.groupings import Grouping, attribute_columns, cells_of
from facegap.errors import MatchingError, SettingError
from facegap.matching.sampled import PairSample, Stratum, generator, sample_pairs
from facegap.statistics.intervals import clopper_pearson, wilson
from facegap.statistics.sampled_pairs import zero_error_trials
from facegap.statistics.sizes import shared_errors
from facegap.types import BoolArray, FloatArray, IntArray

MOST_STRATA_CELLS = 100  # 5,050 pairs of groups
MOST_PAIRS = 20_000_000  # in a sample: about 1 GB while it is made
CORRELATION = 0.1  # assumed, as in `facegap plan`
EXPECTED_FMR, EXPECTED_FNMR = 0.001, 0.02
WEIGHTED = (
    "Rates are weighted means over all pairs (Hajek), with dyadic intervals that carry the weights; errors and trials are those of "
    "the sample"
)


@dataclass(frozen=True, eq=False)
class PairPlan:
    """A sample of the pairs of a table, before they are compared.

    rows, weights : int64 (m, 2) and float64 (m,), rows of the table, in random order, so that the first k are also a sample
    genuine       : bool (m,)
    sample        : how it was selected
    cells         : name of each cell; strata are pairs of cells
    """

    rows: IntArray
    weights: FloatArray
    genuine: BoolArray
    sample: PairSample
    cells: tuple[str, ...]

    @property
    def listed(self) -> PairList:
        """The sample as the list of pairs to compare."""
        return PairList(self.rows, "", self.weights)


@dataclass(frozen=True)
class Precision:
    """Expected precision for one group, or between two.

    genuine, impostor : pairs in the sample, and in total
    people            : subjects with an impostor pair in the sample; genuine_people : with a genuine pair
    none_by_people, none_by_pairs : upper limit of FMR if no sampled pair is a false match: the valid one, and the one that would
                        hold if all pairs were independent
    fmr, fnmr         : limits of the interval at the expected rates; NaN without pairs
    """

    group: str
    people: int
    genuine: int
    genuine_in_all: float
    impostor: int
    impostor_in_all: float
    none_by_people: float
    none_by_pairs: float
    fmr: tuple[float, float]
    fnmr: tuple[float, float]


def planned_pairs(
    table: pd.DataFrame,
    groupings: Sequence[Grouping],
    verify: Verify,
    *,
    pairs: int,
    used: BoolArray | None = None,
    directed: bool = False,
) -> PairPlan:
    """The pairs to compare within a budget.

    table    : image, subject and the labels of the groupings, one row per image
    used     : bool (rows,), images that may be compared; None: all
    directed : whether exchanging probe and reference gives another comparison

    Raises
    ------
    SettingError : if there are too many groups, or too few pairs for them; the message says how many are needed
    """
    columns = attribute_columns(groupings)
    cells = cells_of(table, columns)
    if len(cells.groups) > MOST_STRATA_CELLS:
        raise SettingError(
            f"a sample of pairs: {' x '.join(columns)} makes {len(cells.groups)} groups, and each pair of groups is "
            f"sampled separately; give fewer columns with --by ({MOST_STRATA_CELLS} groups at most)"
        )
    rows = np.flatnonzero(np.ones(len(table), np.bool_) if used is None else used)
    in_all = len(rows) * (len(rows) - 1) // (1 if directed else 2)
    if min(pairs, in_all) > MOST_PAIRS:
        raise SettingError(
            f"a sample of {min(pairs, in_all):,} pairs is more than facegap can sample ({MOST_PAIRS:,}); ask for "
            f"fewer, or compare all pairs"
        )
    names = ["*".join(f"{name}={value}" for name, value in group.attributes) or "all" for group in cells.groups]
    try:
        sample = sample_pairs(
            table["image"].iloc[rows].astype(str).tolist(),
            table["subject"].iloc[rows].astype(str).tolist(),
            cells.codes[rows],
            names,
            pairs=pairs,
            seed=verify.seed,
            genuine_per_subject=verify.genuine_per_subject,
            directed=directed,
        )
    except MatchingError as error:
        raise SettingError(f"a sample of pairs: {error}") from None
    order = generator(verify.seed, "order").permutation(len(sample))
    both = np.stack([rows[sample.left], rows[sample.right]], axis=1)[order]
    return PairPlan(
        both,
        sample.weight[order],
        sample.genuine[order],
        sample,
        tuple(str(group) if group.attributes else "all subjects" for group in cells.groups),
    )


def announce(
    plan: PairPlan | None, table: pd.DataFrame, groupings: Sequence[Grouping], settings: AuditSettings
) -> None:
    """Print the expected precision of a sample of pairs before the first comparison."""
    if plan is None:
        return
    service, level = settings.service, settings.groups.level
    what, price = ("comparisons", None) if service.verify_service is None else ("calls", service.price_per_call)
    for line in plan_lines(plan, table, groupings, level=level, what=what, price=price):
        settings.output.notice(line)


def require_simple(settings: AuditSettings) -> None:
    """Raise SettingError for settings that are not defined for a sample of pairs."""
    groups, verify = settings.groups, settings.verify
    others = {
        "--pairs": verify.pairs is not None,
        "--identify": settings.identify is not None,
        "--bob-rates": verify.bob_rates,
        **weighted_twice(settings),
        "--tone": groups.tone is not None,
        "--annotations": groups.annotations is not None,
        "--quality": settings.faces.quality is not None,
    }
    for name in (name for name, given in others.items() if given):
        raise SettingError(f"{name} needs all pairs, but --sample-pairs compares only some; omit one of the two")


def weighted_twice(settings: AuditSettings) -> dict[str, bool]:
    """Settings with a weighting of their own, and whether each is given."""
    groups = settings.groups
    return {
        "--per-person": groups.per_person,
        "--weights": groups.weights is not None,
        "--shares": groups.shares is not None,
        "--slope": bool(groups.slope),
        "--covariates": bool(groups.covariates),
        "--label-errors": groups.label_errors is not None,
    }


def precisions(plan: PairPlan, table: pd.DataFrame, groupings: Sequence[Grouping], level: float) -> Iterator[Precision]:
    """Expected precision for all subjects and for each group of each grouping."""
    people = np.asarray(pd.factorize(table["subject"])[0], np.int64)
    for grouping in dict.fromkeys(((), *groupings)):
        cells = cells_of(table, grouping)
        for code in np.flatnonzero(cells.known):
            name = str(cells.groups[code]) if grouping else "all subjects"
            yield precision(plan, name, people, cells.codes == code, level)


def precision(plan: PairPlan, name: str, people: IntArray, group: BoolArray, level: float) -> Precision:
    """Expected precision for one group. people : int64 (rows,), code of each subject; group : bool (rows,)."""
    inside = group[plan.rows].all(axis=1)
    mated, others = inside & plan.genuine, inside & ~plan.genuine
    left, right = people[plan.rows[others]].T
    weights = plan.weights[others]
    trials = zero_error_trials(left, right, weights) if len(left) else 0.0
    count = len(np.unique(np.concatenate([left, right])))
    alone = float(weights.sum() ** 2 / (weights**2).sum()) if len(weights) else 0.0
    shared = shared_errors(EXPECTED_FMR, CORRELATION)
    of_people = 1 / alone + 4 / count * shared if count else np.inf
    mates = people[plan.rows[mated, 0]]
    return Precision(
        name,
        count,
        int(mated.sum()),
        float(plan.weights[mated].sum()),
        int(others.sum()),
        float(weights.sum()),
        float(clopper_pearson(0, trials, level=level)[1]),
        float(clopper_pearson(0, int(others.sum()), level=level)[1]),
        expected_interval(EXPECTED_FMR, 1 / of_people, level),
        expected_interval(EXPECTED_FNMR, clustered_trials(mates, plan.weights[mated]), level),
    )


def clustered_trials(subjects: IntArray, weights: FloatArray) -> float:
    """Effective number of independent genuine pairs, given the assumed correlation between the pairs of one subject."""
    if not len(subjects):
        return 0.0
    own = np.bincount(subjects, weights=weights)
    alone = float((weights**2).sum())
    together = float((own**2).sum()) - alone
    return float(weights.sum() ** 2 / (alone + CORRELATION * together))


def expected_interval(rate: float, trials: float, level: float) -> tuple[float, float]:
    """Wilson's interval of an expected rate; NaN without trials."""
    if not trials > 0:
        return float("nan"), float("nan")
    low, high = wilson(rate * trials, trials, level=level)
    return float(low), float(high)


def plan_lines(
    plan: PairPlan,
    table: pd.DataFrame,
    groupings: Sequence[Grouping],
    *,
    level: float,
    what: str = "comparisons",
    price: float | None = None,
) -> Iterator[str]:
    """The plan in words: its cost, what is left out, and the expected precision for each group.

    what  : comparisons, or calls to a service; price : of one call
    """
    cost = "" if price is None else f", {len(plan.rows) * price:,.2f} at {price:g} each"
    yield f"{len(plan.rows):,} {what}{cost}. {genuine_sentence(plan.sample)} {impostor_sentence(plan.sample, plan.cells)}"
    yield (
        f"Expected precision for each group ({level:.0%} intervals; the subject is the sampling unit, with a "
        f"correlation of {CORRELATION:g}, as in facegap plan):"
    )
    for found in precisions(plan, table, groupings, level):
        yield f"  {found.group}: {precision_text(found)}"
    weakest = weakest_cross(plan, level)
    if weakest is not None:
        yield f"  fewest between two groups: {weakest.group}: {fmr_text(weakest)}"


def weakest_cross(plan: PairPlan, level: float) -> Precision | None:
    """The two cells for which the upper limit of FMR between them will be highest; None with one cell."""
    across = [one for one in plan.sample.strata if one.first != one.second and one.sampled]
    if not across:
        return None
    one = min(across, key=lambda stratum: (min(stratum.people, stratum.others, stratum.sampled), stratum.sampled))
    disjoint = min(one.people, one.others, one.sampled)
    shared = shared_errors(EXPECTED_FMR, CORRELATION)
    varies = 1 / one.sampled + (1 / one.people + 1 / one.others) * shared
    return Precision(
        between(one, plan.cells),
        one.people + one.others,
        0,
        0.0,
        one.sampled,
        one.pairs,
        float(clopper_pearson(0, disjoint, level=level)[1]),
        float(clopper_pearson(0, one.sampled, level=level)[1]),
        expected_interval(EXPECTED_FMR, 1 / varies, level),
        (float("nan"), float("nan")),
    )


def precision_text(found: Precision) -> str:
    """Expected precision for a group, in words."""
    genuine = "no genuine pair, so no FNMR"
    if found.genuine:
        genuine = f"{found.genuine:,} genuine pairs (FNMR of {EXPECTED_FNMR:.0%} would be {found.fnmr[0]:.2%} to {found.fnmr[1]:.2%})"
    return f"{fmr_text(found)}; {genuine}"


def fmr_text(found: Precision) -> str:
    """Expected precision of FMR, in words."""
    if not found.impostor:
        return "no impostor pair, so no FMR"
    return (
        f"{found.people:,} people, {found.impostor:,} of {found.impostor_in_all:,.0f} impostor pairs (without a false match FMR is at "
        f"most {found.none_by_people:.2%}, by pairs alone {found.none_by_pairs:.2%}; FMR of {EXPECTED_FMR:.1%} would be "
        f"{found.fmr[0]:.3%} to {found.fmr[1]:.3%})"
    )


def genuine_sentence(sample: PairSample) -> str:
    """How many genuine pairs are compared, and how many are omitted."""
    chosen = int(sample.genuine.sum())
    if chosen == sample.genuine_pairs:
        return f"All {chosen:,} genuine pairs are compared."
    weight = sample.weight[sample.genuine]
    people = len({int(left) for left in sample.left[sample.genuine][weight > 1]})
    return (
        f"{chosen:,} of {sample.genuine_pairs:,} genuine pairs are compared; of people with more than "
        f"--genuine-per-subject, the {sample.genuine_pairs - chosen:,} others are omitted at random ({people:,} "
        f"images begin such pairs), and those compared represent them by their weights."
    )


def impostor_sentence(sample: PairSample, cells: Sequence[str]) -> str:
    """How many impostor pairs are compared, and how many pairs one of them represents at most."""
    strata = [one for one in sample.strata if one.sampled]
    chosen, in_all = sum(one.sampled for one in strata), sum(one.pairs for one in strata)
    if chosen == in_all:
        return f"All {chosen:,} impostor pairs are compared."
    heaviest = max(strata, key=lambda one: one.weight)
    if len(strata) == 1:
        return (
            f"{chosen:,} of {in_all:,} impostor pairs are compared, sampled at random without replacement; one pair "
            f"of the sample represents "
            f"{heaviest.weight:,.1f} pairs."
        )
    return (
        f"{chosen:,} of {in_all:,} impostor pairs are compared, sampled within {len(strata):,} pairs of groups "
        f"without replacement; one pair of the sample represents {min(one.weight for one in strata):,.1f} to "
        f"{heaviest.weight:,.1f} pairs "
        f"(the most: {between(heaviest, cells)})."
    )


def between(stratum: Stratum, cells: Sequence[str]) -> str:
    """A stratum in words."""
    one, other = cells[stratum.first], cells[stratum.second]
    return f"within {one}" if stratum.first == stratum.second else f"{one} against {other}"


def sample_sentences(plan: PairPlan) -> tuple[str, ...]:
    """Description of the sample of a run for its record and report."""
    return (
        f"FMR and FNMR are estimated from a sample of pairs. {genuine_sentence(plan.sample)} "
        f"{impostor_sentence(plan.sample, plan.cells)} "
        f"{WEIGHTED}",
    )
