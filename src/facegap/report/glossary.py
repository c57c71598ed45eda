"""Texts of the report: definitions of terms, limitations of a run, and methods with their sources."""

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
        "errors / trials": "number of errors, and number of images, pairs or searches tested.",
        "subjects": "the people in the images; a person may have several images.",
        "interval": "the range in brackets. It is constructed so that in about 95 of 100 such audits on other people of the same "
        "kind it contains the true rate. The subject is the sampling unit, not the image. If a threshold was set for a target "
        "FMR, the interval includes the uncertainty of the threshold.",
        "verdict": "gap larger than the margin: the groups differ by more than the margin. Gap: the groups differ by more than "
        "chance explains; the gap may be smaller than the margin. No gap larger than the margin: any difference is smaller than "
        "the margin. Not enough data: the number of people is too small to decide, which does not mean that there is no gap. "
        "Exploratory: the gap is not in the primary family, which was named before the data were seen, and has no verdict.",
        "margin": "the smallest gap that matters, fixed before the data were seen and stated below the table: a ratio of two "
        "rates, or their difference in percentage points.",
        "p (Holm)": "the probability that chance alone would give a difference at least this large, adjusted for the number of gaps "
        "that are tested together.",
        "threshold": "the lowest score at which two photographs are accepted as the same person; it is the same for all groups. By "
        "folds, each pair is evaluated at a threshold that was set without either person; the threshold shown is for use and was set "
        "on all people.",
        "genuine and impostor pairs": "two photographs of one person, and of two different people.",
        "FMR": "false match rate: the proportion of impostor pairs with a score at or above the threshold.",
        "FNMR": "false non-match rate: the proportion of genuine pairs with a score below the threshold.",
        "GFAR and GFRR": "the same two rates over all pairs, where a photograph without a usable face matches nobody. A "
        "model that fails to process difficult faces has a lower FNMR but a higher GFRR.",
        "EER": "equal error rate: the error rate at the threshold at which FMR and FNMR are closest to each other; the convention is "
        "stated below the table.",
        "log axis": "each step multiplies by the same number, so that small rates can be distinguished; 0 cannot be shown on such an "
        "axis and is placed at its edge.",
        "by chance": "the value of the measure if group labels are randomly permuted among the same people: the median over many "
        "permutations, and the value that only 5 in 100 of them exceed.",
        "FNIR and FPIR": "the proportion of searches for people in the gallery that miss them, and the proportion of searches for "
        "people who are not in the gallery that return a candidate.",
        "age false positive": "a person under the legal age whose estimated age is at or above the challenge age, so that no document "
        "is required.",
        "age false negative": "a person of legal age whose estimated age is below the challenge age, and who must show a document.",
        "challenge age": "the estimated age from which no document is required; it is above the legal age because estimates have "
        "errors.",
        "measured tone": "computed from the pixels, which depend on light as well as skin; it involves no human assessment and no "
        "information about origin.",
        "paired difference": "the error rate of one model minus that of another on the same people. Both are resampled together, "
        "so that images that are difficult for both models affect both sides, and the interval is narrower than that of two "
        "separate audits.",
        "verdict of a comparison": "more or fewer errors: the models differ by more than chance explains, adjusted for all groups "
        "that are tested together. No significant difference: the number of people is too small to decide, which does not show "
        "that the models are equal. A gap grew or shrank: the same for the difference between two groups.",
        "flip": "a comparison or prediction whose result differs between two models; for comparisons, at one threshold for both.",
        "score drift": "the score of a comparison with another model minus its score with the first.",
        "change of a gap": "how much larger or smaller the gap between two groups is with one model than with the other, on the same "
        "people: a difference in percentage points, or for false matches the ratio of the two ratios.",
        "simulated world": "one simulated audit: people and errors are simulated with known error rates.",
        "planted gap": "a difference of known size between the error rates of two simulated groups.",
        "probability of detection": "the proportion of simulated worlds in which a planted gap gets the verdict gap (statistical "
        "power). 80% is the usual aim.",
        "coverage": "the proportion of simulated worlds in which the interval contains the planted rate. A 95% interval should reach "
        "95%.",
        "false gap": "the verdict gap for groups whose planted rates are equal. It may occur in at most 5% of the worlds.",
        "Monte Carlo error": "the number after ±: the standard error of a proportion of worlds due to the limited number of worlds.",
        "rho and icc": "how much people differ from each other: 0 if the errors of a trial do not depend on the person, 1 if all "
        "trials of a person have the same result.",
        "naive interval": "the usual interval, which treats every image or pair as independent.",
        "truth": "the rate measured beforehand on a much larger number of illustrated people; it is known only because these people "
        "do not exist.",
    }
)

TERMS_OF_FINDING = ("interval", "verdict", "margin", "p (Holm)")  # explained next to the finding


def terms_of(*used: Iterable[str]) -> dict[str, str]:
    """The glossary of a page: the terms used by its sections, in the order of TERMS.

    Parameters
    ----------
    *used : iterable of str
        The terms of each section; all are keys of TERMS.

    Raises
    ------
    KeyError
        If a term is not in TERMS.

    Examples
    --------
    >>> list(terms_of(("FMR", "interval"), ("interval",)))
    ['interval', 'FMR']
    """
    wanted = {term: TERMS[term] for part in used for term in part}
    return {term: meaning for term, meaning in TERMS.items() if term in wanted}


LIMITS = (
    "Group labels, including gender, come from the source of the data; facegap does not check them, "
    "and it infers neither gender identity nor race.",
    "The results apply to these portraits. Other cameras, lighting, ages or poses may give different results.",
    "A gap is an observed difference and does not identify a cause. If no gap was found, this does not show that there is none: "
    "the interval and the number of subjects show how large a gap could have been found.",
    "Intervals treat the subjects as a random sample. A collection of portraits rarely is one.",
)


def limits_of(run: Run) -> list[str]:
    """Limitations of the numbers of this run: those of every audit, and those of this one."""
    found = [*LIMITS]
    record = run.record
    metrics = set(run.rates["metric"])
    if not record.manifest.has_subjects:
        found.append(
            "The data do not identify people: each image was treated as a different person. If people have several images, the "
            "intervals are too narrow and, in comparisons, matches between photographs of one person count as false matches."
        )
    if any("IN-SAMPLE" in point.source for point in record.operating):
        found.append(
            "The threshold was set on the same pairs on which it is evaluated, so the rates at it are optimistic."
        )
    if FMR.name in metrics and not run.rates.loc[run.rates["metric"] == FNMR.name, "trials"].gt(0).any():
        found.append("No subject has two photographs, so false rejections could not be measured.")
    if excluded := record.manifest.excluded_by_where:
        found.append(
            f"{excluded:,} rows of the data were excluded by a condition (--where); the results do not apply to them."
        )
    if small := small_groups(run):
        found.append(
            f"Too few people to rank (fewer than {record.min_subjects} effective subjects): {', '.join(small)}."
        )
    return found


def small_groups(run: Run) -> list[str]:
    """Names of the groups with fewer people than are ranked; at most a dozen, then their number."""
    rates = own_rates(run)
    most: dict[str, float] = {}
    for group, subjects in zip(rates["group"], rates["effective_subjects"], strict=True):
        most[str(group)] = max(most.get(str(group), 0.0), float(subjects))
    names = [clean(name) for name, subjects in most.items() if subjects < run.record.min_subjects]
    return names if len(names) <= 12 else [*names[:12], f"and {len(names) - 12} more"]


@dataclass(frozen=True)
class Method:
    """How a number is computed: name, formula or rule, source, and metrics of which a run must have one."""

    name: str
    formula: str
    source: str
    is_of: Callable[[Metric], bool] = lambda metric: True


METHODS: tuple[Method, ...] = (
    Method("Rate", "errors / trials; without trials the rate is undefined, not 0", "counts in rates.csv"),
    Method(
        "Interval of a rate of images or searches",
        "if no subject has two trials, Wilson's interval on errors and trials. Otherwise Wilson's interval on effective trials "
        "p(1 − p) / Var(p), at most the trials, with Var(p) = S/(S−1) · Σᵢ (errorsᵢ − p · trialsᵢ)² / (all trials)² over the "
        "S people, and Student's t with degrees of freedom from the people who contribute to the variance; without any error, or "
        "with errors only, the Clopper-Pearson interval on S",
        "Wilson 1927; Clopper and Pearson 1934; linearised variance by clusters, Cochran 1977",
        lambda metric: not metric.is_pair,
    ),
    Method(
        "Threshold at a target FMR",
        "the smallest impostor score at which FMR is at most the target, set on people other than those on whom it is evaluated, "
        "unless it is labelled IN-SAMPLE",
        "facegap; never the nearest score, which can exceed the target",
        lambda metric: metric.is_pair,
    ),
    Method(
        "Interval of FMR and FNMR",
        "for FNMR as for images, with pairs of photographs as trials. For FMR a jackknife that omits one person at a "
        "time: J = Σᵢ (S−1)/S · (errorsᵢ − p · pairsᵢ)² / (all pairs − pairsᵢ)², in which the noise N of single pairs is counted "
        "twice; Var = max(N, J − ¾ N), then Student's t and Wilson's interval on p(1 − p) / Var effective trials, which are at "
        "least the number of disjoint pairs of people and at most all pairs; without any error the Clopper-Pearson interval on "
        "disjoint pairs",
        "facegap, after Fogliato, Patil and Perona 2024, whose formula has too low a coverage with few people",
        lambda metric: metric.is_pair,
    ),
    Method(
        "Interval of FMR and FNMR at a target",
        "if a threshold was set for a target FMR, its interval is included: the thresholds at both ends of the interval of "
        "the FMR on its threshold set. The distances to the limits of both intervals are squared and added, for FMR on the log "
        "scale, for FNMR recomputed at both ends; by folds with the correlation due to shared people. Gaps treat the threshold as "
        "fixed",
        "Woodruff 1952; Zou and Donner 2008; docs/thresholds.md",
        lambda metric: metric.is_pair,
    ),
    Method(
        "Difference, ratio of two groups",
        "limits of each rate on its effective trials: the wider of the score and the likelihood limits at z √(1 + 1/n), which "
        "keep the size of a test if errors are rare. The distances to these limits are squared and added, for the ratio around "
        "a − R · b, so that the intervals of difference and ratio always agree about the value of no difference. A group with no "
        "error, or one, is given the largest design effect of the other groups of the family",
        "Newcombe 1998; Zou and Donner 2008; Donner and Zou 2012",
    ),
    Method(
        "Verdict",
        "over the m gaps of the primary family, on the scale of the margin, in this order: the interval at level 1 − α/m outside the "
        "margin: gap larger than it; that at level 1 − 2α/m inside: no gap larger than it; Holm's p ≤ α: gap; otherwise not enough "
        "data. p inverts the interval. The last two are reported with the interval at Holm's own step, level 1 − α·p / p (Holm), "
        "which excludes the value of no difference if and only if p (Holm) ≤ α. With uncertain labels the verdict is the more "
        "cautious of those with and without resampled labels; if they contradict each other it is not enough data. There is one "
        "primary family for the whole run. All other gaps are exploratory: Holm over the pairs of one grouping, metric and "
        "threshold, the interval at Holm's own step, no verdict",
        "Holm 1979",
    ),
    Method(
        "Measures of unequal rates",
        "max − min; max / min; max / geometric mean; Gini = n/(n−1) · Σ|rᵢ − rⱼ| / (2 n² mean); GARBE = ½ Gini(FMR) + "
        "½ Gini(FNMR); fairness discrepancy rate = 1 − ½ (range of FMR + range of FNMR); inequity rate = "
        "√(max/min FMR · max/min FNMR). Each is reported with its value by chance, under permuted labels",
        "NIST IR 8429 (Grother 2022); Howard et al. 2022; de Freitas Pereira and Marcel 2021; Grother 2021",
        lambda metric: metric.is_pair,
    ),
    Method(
        "Gender Shades table",
        "the paper's rows and columns with this run's counts; its “PPV” is correct predictions / people of the group",
        "Buolamwini and Gebru 2018",
        lambda metric: metric == ERROR_RATE_ALL,
    ),
)


def methods_of(run: Run) -> list[Method]:
    """The methods behind the numbers of this run: the rates, then what is computed from rates."""
    present = [metric_of(name) for name in dict.fromkeys(run.rates["metric"])]
    rates = [Method(metric.title, metric.method.replace("images", run.counted), metric.source) for metric in present]
    isolated = isolation_method(run)
    of_rates = (method for method in METHODS[1:] if any(method.is_of(metric) for metric in present))
    return [METHODS[0], *rates, *of_rates, *([isolated] if isolated else [])]


def isolation_method(run: Run) -> Method | None:
    """How the models were isolated from the audit; None if no model ran."""
    used = run.record.execution.isolation
    if not used:
        return None
    said = "; ".join(f"{clean(name)}: {clean(isolation_words(one))}" for name, one in used.items())
    return Method("Isolation of the models", said, "docs/security.md")
