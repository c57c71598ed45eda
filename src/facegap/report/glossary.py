"""Words of the page that are no numbers: terms explained once, what a run cannot tell, methods with their sources."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from facegap.derive.metrics import ERROR_RATE_ALL, FMR, FNMR, Metric, metric_of
from facegap.report.reproduce import isolation_words
from facegap.report.rows.frames import own_rates
from facegap.report.text import clean
from facegap.store.run import Run

TERMS: Mapping[str, str] = MappingProxyType(
    {
        "errors / trials": "how often it went wrong, of how many times it was tried.",
        "subjects": "the people behind the images; one person may have several.",
        "interval": "the range in brackets. It is made so that of 100 such audits on other people like these, about 95 "
        "ranges hold the true rate. It counts people, not images. Where a threshold was set for a target FMR, it allows for "
        "the error of the threshold too.",
        "verdict": "gap larger than the margin: the groups differ, and by more than the margin. Gap: they differ by more than "
        "chance explains; it may be less than the margin. No gap larger than the margin: whatever the difference is, it is "
        "small. Not enough data: these people cannot settle it, which is not the same as no gap. Exploratory: the gap is not of "
        "the primary family, which was named before the data were seen, and gets no verdict.",
        "margin": "the size of gap that matters, fixed before the data were seen and stated below the table: a ratio of two "
        "rates, or their difference in points.",
        "p (Holm)": "how seldom chance alone would give a difference this large, made stricter for the number of gaps that "
        "are tested together.",
        "threshold": "the score from which on two photographs are taken for one person. One threshold for everybody. By folds, each "
        "pair is judged at a threshold that neither person had a part in; the one that is shown is for use, set on everybody.",
        "genuine and impostor pairs": "two photographs of one person, and of two different people.",
        "FMR": "false match rate: the share of impostor pairs that score at or above the threshold.",
        "FNMR": "false non-match rate: the share of genuine pairs that score below it.",
        "GFAR and GFRR": "the same two rates over all pairs, where a photograph without a usable face matches nobody. A "
        "model that gives up on faces looks better on FNMR and worse here.",
        "EER": "equal error rate: where FMR and FNMR are nearest to each other, over all thresholds; the convention stands below the "
        "table.",
        "log axis": "each step multiplies by the same number, so that small rates can be distinguished; 0 has no place on it, "
        "and stands at the edge.",
        "by chance": "what the measure would be if the group labels were dealt out again among the same people: the middle "
        "of many deals, and what only 5 in 100 of them exceed.",
        "FNIR and FPIR": "of searches for people in the gallery the share that misses them; of searches for people who are "
        "not in it the share that names somebody.",
        "age false positive": "somebody under the legal age whom the model takes for as old as the challenge age or older, so that "
        "no document is asked for.",
        "age false negative": "somebody of legal age whom the model takes for younger than the challenge age, and who must show a "
        "document.",
        "challenge age": "the estimated age from which no document is asked for; it lies above the legal age, as estimates err.",
        "measured tone": "read from the pixels, which hold light as well as skin; nobody looked at it and no origin is in it.",
        "paired difference": "the error rate of one model less that of another on the same people. Both are resampled together, "
        "so that what all models find hard counts on both sides and the interval is narrower than that of two separate audits.",
        "verdict of a comparison": "more or fewer errors: the models differ by more than chance explains, with all groups that are "
        "tested together. No significant difference: these people cannot settle it, which does not show that the models are "
        "alike. A gap grew or shrank: the same of the difference between two groups.",
        "flip": "a comparison, or an answer, that comes out differently in another model; of comparisons at one threshold for both.",
        "score drift": "the score of a comparison in another model less that in the first.",
        "change of a gap": "how much wider or narrower the gap between two groups is in one model than in the other, on the same "
        "people: a difference in points, or for false matches the ratio of the two ratios.",
        "simulated world": "one simulated audit: people and errors are drawn by a computer at error rates that are known.",
        "planted gap": "a difference of known size between the error rates of two simulated groups.",
        "probability of detection": "the proportion of simulated worlds in which a planted gap gets the verdict gap (statistical "
        "power). 80% is the usual aim.",
        "coverage": "the proportion of simulated worlds in which the interval holds the planted rate. A 95% interval should reach "
        "95%.",
        "false gap": "a verdict gap between groups whose planted rates are equal. It may happen in at most 5% of the worlds.",
        "Monte Carlo error": "the number after ±: how far a proportion of worlds may be off because only so many were simulated.",
        "rho and icc": "how far people differ from each other: 0 where every trial is independent of whose it is, 1 where all "
        "trials of a person end alike.",
        "naive interval": "the usual interval, which takes every image or pair as independent.",
        "truth": "the rate that was counted beforehand on many more simulated people; it is known only because none of them exists.",
    }
)

TERMS_OF_FINDING = ("interval", "verdict", "margin", "p (Holm)")  # explained beside the finding


def terms_of(*used: Iterable[str]) -> dict[str, str]:
    """The glossary of a page: the terms that its parts use, in the order of TERMS.

    Parameters
    ----------
    *used : iterable of str
        The terms of each part; every one is a key of TERMS.

    Raises
    ------
    KeyError
        A term that TERMS does not explain.

    Examples
    --------
    >>> list(terms_of(("FMR", "interval"), ("interval",)))
    ['interval', 'FMR']
    """
    wanted = {term: TERMS[term] for part in used for term in part}
    return {term: meaning for term, meaning in TERMS.items() if term in wanted}


LIMITS = (
    "The groups are those of the data's source. Labels of gender were given by that source; facegap does not check them, "
    "and it infers neither gender identity nor race.",
    "The numbers hold for these portraits. Other cameras, light, ages or poses give others.",
    "A gap is a difference that was found; it says nothing about its cause. No gap found is not proof of none: "
    "the interval and the number of subjects say how much could have been seen.",
    "Intervals treat the subjects as a random sample. A collection of portraits seldom is one.",
)


def limits_of(run: Run) -> list[str]:
    """What the numbers of this run cannot tell: what holds of every audit, and what holds of this one."""
    found = [*LIMITS]
    record = run.record
    metrics = set(run.rates["metric"])
    if not record.manifest.has_subjects:
        found.append(
            "The data names no people: images were taken as people, each a person of its own. If some are in it twice, the intervals "
            "are too narrow and, among comparisons, photographs of one person count as false matches."
        )
    if any("IN-SAMPLE" in point.source for point in record.operating):
        found.append("The threshold was found on the very pairs it is evaluated on, so the rates at it are too kind.")
    if FMR.name in metrics and not run.rates.loc[run.rates["metric"] == FNMR.name, "trials"].gt(0).any():
        found.append("Nobody has two photographs, so nothing is said about people who are refused.")
    if excluded := record.manifest.excluded_by_where:
        found.append(
            f"{excluded:,} rows of the data were left out by a condition (--where) and nothing is said of them."
        )
    if small := small_groups(run):
        found.append(
            f"Too few people to rank (fewer than {record.min_subjects} effective subjects): {', '.join(small)}."
        )
    return found


def small_groups(run: Run) -> list[str]:
    """Names of the groups that hold fewer people than the least that is ranked; at most a dozen, then their number."""
    rates = own_rates(run)
    most: dict[str, float] = {}
    for group, subjects in zip(rates["group"], rates["effective_subjects"], strict=True):
        most[str(group)] = max(most.get(str(group), 0.0), float(subjects))
    names = [clean(name) for name, subjects in most.items() if subjects < run.record.min_subjects]
    return names if len(names) <= 12 else [*names[:12], f"and {len(names) - 12} more"]


@dataclass(frozen=True)
class Method:
    """How a number is made: name, formula or rule, source, and of which metrics a run must have one."""

    name: str
    formula: str
    source: str
    is_of: Callable[[Metric], bool] = lambda metric: True


METHODS: tuple[Method, ...] = (
    Method("Rate", "errors / trials; without trials there is no rate, and never 0", "counts in rates.csv"),
    Method(
        "Interval of a rate of images or searches",
        "where nobody is tried twice Wilson's interval on errors and trials. Else Wilson's on effective trials "
        "p(1 − p) / Var(p), at most the trials, with Var(p) = S/(S−1) · Σᵢ (errorsᵢ − p · trialsᵢ)² / (all trials)² over the "
        "S people and Student's t for the few of them who carry it; without any error, or with errors alone, Clopper and "
        "Pearson's on S",
        "Wilson 1927; Clopper and Pearson 1934; linearised variance by clusters, Cochran 1977",
        lambda metric: not metric.is_pair,
    ),
    Method(
        "Threshold at a target FMR",
        "the smallest impostor score at which FMR is at most the target, found on other people than it is evaluated on "
        "unless it says IN-SAMPLE",
        "facegap; never the nearest, which can exceed the target",
        lambda metric: metric.is_pair,
    ),
    Method(
        "Interval of FMR and FNMR",
        "of FNMR as that of images, its trials being pairs of photographs. Of FMR a jackknife that leaves out one person at a "
        "time: J = Σᵢ (S−1)/S · (errorsᵢ − p · pairsᵢ)² / (all pairs − pairsᵢ)², in which the noise N of single pairs stands "
        "twice; Var = max(N, J − ¾ N), then Student's t and Wilson's interval on p(1 − p) / Var, which is no fewer trials than "
        "the people form disjoint pairs and no more than all pairs; without any error Clopper and Pearson's on disjoint pairs",
        "facegap, after Fogliato, Patil and Perona 2024, whose formula holds the true rate too seldom where people are few",
        lambda metric: metric.is_pair,
    ),
    Method(
        "Interval of FMR and FNMR at a target",
        "where a threshold was set for a target FMR, its own interval is added: the thresholds at both ends of the interval of "
        "the FMR on its threshold set. Both intervals' arms are squared and added, of FMR on the log scale, of FNMR counted anew "
        "at both ends; by folds with the correlation that the shared people give. Gaps take the threshold as given",
        "Woodruff 1952; Zou and Donner 2008; docs/thresholds.md",
        lambda metric: metric.is_pair,
    ),
    Method(
        "Difference, ratio of two groups",
        "limits of each rate on its effective trials: the wider of the score and the likelihood limits at z √(1 + 1/n), which "
        "keep the size of a test where errors are rare; their arms are squared and added, for the ratio around a − R · b, so "
        "that both intervals exclude no difference together. A group with no error, or one, takes the largest design effect "
        "of the other groups of the family",
        "Newcombe 1998; Zou and Donner 2008; Donner and Zou 2012",
    ),
    Method(
        "Verdict",
        "over the m gaps of the primary family, on the scale of the margin, in this order: the interval at level 1 − α/m outside the "
        "margin: gap larger than it; that at level 1 − 2α/m inside: no gap larger than it; Holm's p ≤ α: gap; else not enough "
        "data. p inverts the interval. Beside the last two stands the interval at Holm's own step, level 1 − α·p / p (Holm), "
        "which excludes no difference exactly where p (Holm) ≤ α. With uncertain labels the stricter of the verdicts with and "
        "without resampled labels is the verdict; where they contradict each other it is not enough data. The primary family "
        "is one for the whole run. All other gaps are exploratory: Holm over the pairs of one grouping, metric and threshold, "
        "the interval at Holm's own step, no verdict",
        "Holm 1979",
    ),
    Method(
        "Measures of unequal rates",
        "max − min; max / min; max / geometric mean; Gini = n/(n−1) · Σ|rᵢ − rⱼ| / (2 n² mean); GARBE = ½ Gini(FMR) + "
        "½ Gini(FNMR); fairness discrepancy rate = 1 − ½ (range of FMR + range of FNMR); inequity rate = "
        "√(max/min FMR · max/min FNMR). Each beside what chance gives when labels are dealt out again",
        "NIST IR 8429 (Grother 2022); Howard et al. 2022; de Freitas Pereira and Marcel 2021; Grother 2021",
        lambda metric: metric.is_pair,
    ),
    Method(
        "Gender Shades table",
        "the paper's rows and columns over this run's counts; its “PPV” is right / people of the group",
        "Buolamwini and Gebru 2018",
        lambda metric: metric == ERROR_RATE_ALL,
    ),
)


def methods_of(run: Run) -> list[Method]:
    """The methods behind the numbers that this run has: what each rate is, then what is made of rates."""
    present = [metric_of(name) for name in dict.fromkeys(run.rates["metric"])]
    rates = [Method(metric.title, metric.method.replace("images", run.counted), metric.source) for metric in present]
    isolated = isolation_method(run)
    of_rates = (method for method in METHODS[1:] if any(method.is_of(metric) for metric in present))
    return [METHODS[0], *rates, *of_rates, *([isolated] if isolated else [])]


def isolation_method(run: Run) -> Method | None:
    """How the models were kept apart from the audit; None where no model ran."""
    used = run.record.execution.isolation
    if not used:
        return None
    said = "; ".join(f"{clean(name)}: {clean(isolation_words(one))}" for name, one in used.items())
    return Method("Isolation of the models", said, "docs/security.md")
