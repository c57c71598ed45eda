"""Rates of comparisons under resampled labels: the comparisons are fixed, the groups of the pairs are resampled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from facegap.derive.comparisons import Comparisons
from facegap.derive.cuts import Cut
from facegap.derive.gaps import RunFamily
from facegap.derive.groupings import Grouping
from facegap.derive.label_uncertainty.rates import (
    Resampling,
    draws_of,
    expected_groups,
    expected_labels,
    label_probabilities,
    resampling_of,
    uncertain_columns,
    units_of,
)
from facegap.derive.metrics import PAIR_METRICS
from facegap.derive.verification import GroupRates, rates_of_group, verification_families
from facegap.statistics.effective import RateColumns, columns_of
from facegap.statistics.label_uncertainty.bounds import ExpectedLabels
from facegap.statistics.label_uncertainty.gaps import widened_gaps
from facegap.store.run import Run
from facegap.types import FloatArray

MOST_RESAMPLED_IMAGES = 20_000  # each resample counts all groups again: seconds here, half an hour for a million images


@dataclass(frozen=True, eq=False)
class ResampledPairs:
    """Rates of the known groups of one grouping at one threshold, by metric.

    rates     : in every resample
    labels    : expected groups of the genuine pairs by the label probabilities
    confusion : expected proportion of each group among the people labelled as a group, see `attenuation`; NaN for false
                matches, as a wrong label adds pairs across groups, whose rate is not a mean of the rates of the two
                groups
    """

    rates: Mapping[str, list[RateColumns]]
    confusion: Mapping[str, FloatArray]
    labels: ExpectedLabels


def verification_gaps(run: Run, pairs: Comparisons, found: Sequence[GroupRates], model: str) -> list[RunFamily]:
    """Every family of 1:1 comparisons, with the effect of resampled labels on its gaps, if known."""
    drawn = resampled_pairs(run, pairs, found)
    looked: list[RunFamily] = []
    for entry, metric, family in verification_families(found, pairs, model, run.record):
        again, widen = drawn.get((entry.cells.grouping, entry.operating.threshold)), None
        if again is not None:
            widen = partial(
                widened_gaps,
                groups=family.groups,
                labelled=family.rates,
                drawn=again.rates[metric],
                confusion=again.confusion[metric],
                correlation=family.correlation,
            )
        expected = None if again is None else again.labels
        looked.append(RunFamily(entry.cells.grouping, family, widen, expected))
    return looked


def resampled_pairs(
    run: Run, pairs: Comparisons, found: Sequence[GroupRates]
) -> dict[tuple[Grouping, float], ResampledPairs]:
    """Every grouping by one uncertain label at every threshold; none if the uncertainty is unknown, or with too many images."""
    if run.labels is None or len(run.manifest) > MOST_RESAMPLED_IMAGES:
        return {}
    drawn = {}
    for entry in found:
        uncertain = uncertain_columns(run, entry.cells.grouping)
        probabilities = (
            label_probabilities(run.labels, run.manifest, uncertain[0], pairs.subjects) if len(uncertain) == 1 else None
        )
        if probabilities is not None:
            clusters = None if pairs.units is None else pairs.units[pairs.subjects]
            resampling = resampling_of(probabilities, entry.cells, units_of(entry.cells, pairs.subjects, clusters))
            drawn[entry.cells.grouping, entry.operating.threshold] = resampled_pair_rates(
                run, pairs, resampling, entry.cut
            )
    return drawn


def resampled_pair_rates(run: Run, pairs: Comparisons, resampling: Resampling, cut: Cut) -> ResampledPairs:
    """The rates of one grouping in every resample, from the stored comparisons."""
    stated, level = run.record.labels, run.record.level
    assert stated is not None
    rates: dict[str, list[RateColumns]] = {metric.name: [] for metric in PAIR_METRICS}
    for codes in draws_of(resampling, stated.draws, stated.seed):
        of_rows = codes[resampling.units.of_row]
        groups = [rates_of_group(pairs, cut, of_rows == group, level) for group in range(resampling.groups)]
        for metric in rates:
            rates[metric].append(columns_of([group[metric] for group in groups], level=level))
    with_mate = np.zeros(len(run.manifest), np.bool_)
    with_mate[pairs.genuine.ravel()] = True
    share = expected_groups(resampling, with_mate & pairs.counted)
    unknown = np.full_like(share, np.nan)
    confusion = {metric.name: unknown if metric.is_impostor else share for metric in PAIR_METRICS}
    return ResampledPairs(rates, confusion, expected_labels(resampling, genuine_pairs_of_rows(pairs)))


def genuine_pairs_of_rows(pairs: Comparisons) -> FloatArray:
    """The genuine pairs of each template, counting half of each pair, including lost ones, float64 (n,)."""
    counted = pairs.genuine[pairs.counted[pairs.genuine].all(axis=1)]
    return np.asarray(np.bincount(counted.ravel(), minlength=len(pairs.subjects)) / 2, dtype=np.float64)
