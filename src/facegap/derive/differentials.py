"""Published measures of differences between the groups of a grouping, each with its null distribution."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from facegap.derive.comparisons import Comparisons, between, both, genuine_errors, templates_of
from facegap.derive.metrics import FMR, FNMR
from facegap.derive.verification import GroupRates
from facegap.statistics.differentials import MEASURES, GroupCounts, Measure, differential
from facegap.statistics.permutation import CountsOfLabels, counts_per_pair, counts_per_subject, permutation_null
from facegap.types import BoolArray, IntArray

SEED = 0
PERMUTATIONS = 500
EACH_RATE = ("max_min_difference", "max_min_ratio", "max_over_geometric_mean", "gini")
BOTH_RATES = ("garbe", "fairness_discrepancy_rate", "inequity_rate")


def differentials_table(found: Sequence[GroupRates], pairs: Comparisons, min_subjects: int) -> pd.DataFrame:
    """One row per measure, grouping and threshold, over the groups with known labels and enough subjects.

    groups : number of these; groups are selected for each rate by its own subjects, as fewer people have a mate than an
             image. Fewer than two: no row
    chance_median, chance_extreme, p : of the measure with group labels permuted over people (seeded); NaN if a person
                                       is in several groups, only listed pairs were compared, people are not the
                                       sampling unit (--cluster), so that their labels cannot be permuted, or the
                                       measure is undefined
    """
    return pd.DataFrame(
        [row for entry in found if entry.cells.grouping for row in grouping_rows(entry, pairs, min_subjects)]
    )


def grouping_rows(entry: GroupRates, pairs: Comparisons, min_subjects: int) -> list[dict[str, Any]]:
    """All measures of one grouping at one threshold."""
    rows = []
    for metrics in ((FMR.name,), (FNMR.name,), (FMR.name, FNMR.name)):
        chosen = enough_people(entry, metrics, min_subjects)
        if len(chosen) < 2:
            continue
        counts = {metric: counts_of(entry, metric, chosen) for metric in metrics}
        dealt = permutable_counts(entry, pairs, chosen)
        names = EACH_RATE if len(metrics) == 1 else BOTH_RATES
        rows += [measure_row(entry, name, metrics, counts, dealt, len(chosen)) for name in names]
    return rows


def enough_people(entry: GroupRates, metrics: Sequence[str], min_subjects: int) -> list[int]:
    """Groups with known labels and enough subjects for each of the rates."""
    return [
        k
        for k, known in enumerate(entry.cells.known)
        if known and all(entry.rates[metric][k].people >= min_subjects for metric in metrics)
    ]


def counts_of(entry: GroupRates, metric: str, chosen: Sequence[int]) -> GroupCounts:
    """Errors and trials of the chosen groups."""
    rates = [entry.rates[metric][k] for k in chosen]
    return np.array([rate.errors for rate in rates], np.float64), np.array([rate.trials for rate in rates], np.float64)


def measure_row(
    entry: GroupRates,
    name: str,
    metrics: tuple[str, ...],
    counts: dict[str, GroupCounts],
    dealt: tuple[IntArray, dict[str, CountsOfLabels]] | None,
    groups: int,
) -> dict[str, Any]:
    """One measure with its null distribution."""
    measure: Measure = MEASURES[name]
    value = differential(name, *(counts[metric] for metric in metrics))
    median = extreme = p = np.nan
    if dealt is not None and np.isfinite(value.value):
        labels, functions = dealt
        null = permutation_null(
            name,
            *(functions[metric] for metric in metrics),
            labels=labels,
            rng=np.random.default_rng(SEED),
            permutations=PERMUTATIONS,
        )
        median, extreme, p = null.median, null.extreme, null.p
    return {
        "measure": name,
        "metrics": "+".join(metrics),
        "family": "*".join(entry.cells.grouping),
        "groups": groups,
        "threshold": entry.operating.threshold,
        "threshold_from": entry.operating.source,
        "value": value.value,
        "fair_value": measure.fair_value,
        "unfair_side": "lower" if measure.higher_is_fairer else "higher",
        "chance_median": median,
        "chance_extreme": extreme,
        "p": p,
        "undefined_because": value.undefined_because,
    }


def permutable_counts(
    entry: GroupRates, pairs: Comparisons, chosen: Sequence[int]
) -> tuple[IntArray, dict[str, CountsOfLabels]] | None:
    """Group label of each person, and functions from labels to counts; None if labels do not belong to people."""
    code = np.full(len(entry.cells.groups), -1)
    code[list(chosen)] = np.arange(len(chosen))
    inside: BoolArray = np.asarray(pairs.counted & (code[entry.cells.codes] >= 0))
    subjects, template_labels = pairs.subjects[inside], code[entry.cells.codes[inside]]
    people, first, of = np.unique(subjects, return_index=True, return_inverse=True)
    labels = template_labels[first]
    if pairs.listed_only or pairs.units is not None or not np.array_equal(labels[of], template_labels):
        return None
    place = np.full(int(pairs.subjects.max()) + 1, -1)
    place[people] = np.arange(len(people))
    wrong = pairs.false_matches(entry.cut)
    wrong = place[pairs.subjects[wrong[both(inside, wrong)]]]
    templates = templates_of(pairs.subjects, inside & pairs.enrolled)[people]
    tried, missed = genuine_errors(pairs, entry.cut, inside, generalised=False)
    mates = place[pairs.subjects[pairs.genuine[tried, 0]]]
    false_matches = counts_per_pair(wrong[:, 0], wrong[:, 1], np.ones(len(wrong), np.int64), templates, len(chosen))
    left_out = place[pairs.subjects[between(pairs.excluded, inside & pairs.enrolled, None)]]
    false_non_matches = counts_per_subject(
        np.bincount(mates[missed], minlength=len(people)), np.bincount(mates, minlength=len(people)), len(chosen)
    )
    return labels.astype(np.int64), {
        FMR.name: remembered(without_pairs(false_matches, left_out[left_out[:, 0] != left_out[:, 1]])),
        FNMR.name: remembered(false_non_matches),
    }


def without_pairs(counts: CountsOfLabels, left_out: IntArray) -> CountsOfLabels:
    """Counts without the pairs of people (m, 2) that were excluded after review."""

    def reduced(labels: IntArray) -> GroupCounts:
        errors, trials = counts(labels)
        same = labels[left_out[:, 0]] == labels[left_out[:, 1]]
        return errors, trials - np.bincount(labels[left_out[same, 0]], minlength=len(trials))

    return reduced


def remembered(counts: CountsOfLabels) -> CountsOfLabels:
    """Cache counts by permutation: every measure uses the same permutations, because the seed is the same."""
    known: dict[bytes, GroupCounts] = {}

    def recalled(labels: IntArray) -> GroupCounts:
        key = hashlib.blake2b(labels.tobytes()).digest()
        if key not in known:
            known[key] = counts(labels)
        return known[key]

    return recalled
