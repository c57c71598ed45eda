"""Rates of the same stored rows under resampled labels.

A label belongs to a person: all images of a person get the same sampled class. The rows of a person in one cell are a
unit; a resample only moves whole units between cells.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from itertools import islice
from typing import Any

import numpy as np
import pandas as pd

from facegap.derive.groupings import Cells, Grouping
from facegap.inputs.manifests.labels import UNKNOWN
from facegap.statistics.clusters import clustered_rates, rates_of_clusters
from facegap.statistics.effective import RateColumns
from facegap.statistics.label_uncertainty.bounds import ExpectedLabels
from facegap.statistics.label_uncertainty.probabilities import pooled_over_people, sampled_classes
from facegap.store.run import Run
from facegap.types import BoolArray, FloatArray, Group, IntArray

UNITS_AT_ONCE = 2_000_000  # units times resamples that are counted together
Trials = Mapping[str, tuple[BoolArray, BoolArray]]  # metric -> trials and errors of each row, see `counted`


@dataclass(frozen=True, eq=False)
class LabelProbabilities:
    """Uncertainty of the labels of one column.

    people : float64 [S, K], probability of each class for each person; NaN if unknown
    """

    column: str
    classes: tuple[str, ...]
    people: FloatArray


@dataclass(frozen=True, eq=False)
class Units:
    """Units: the rows of one person in one cell of a grouping.

    people, cells : int64 [U], person and cell of each unit
    of_row        : int64 [rows], unit of each row
    clusters      : int64 [U], sampling unit if not the person; None: the person
    """

    people: IntArray
    cells: IntArray
    of_row: IntArray
    clusters: IntArray | None = None

    @property
    def varying(self) -> IntArray:
        """Sampling unit of each unit, int64 [U]."""
        return self.people if self.clusters is None else self.clusters

    @property
    def repeat_people(self) -> bool:
        """Whether a person (or a cluster) has several units, which a resample may put into one group."""
        return len(np.unique(self.varying)) < len(self.people)


@dataclass(frozen=True, eq=False)
class Resampling:
    """Possible groups of units if the label of one column is resampled.

    chances : float64 [S, K + 1], probability of class k for each person, and (last) of the given label; NaN: in no resample
    moves   : int64 [cells, K + 1], resulting known group of a cell's rows; -1 for none
    units   : the units that are moved
    groups  : number of known groups G
    key     : seed of the random numbers, together with the run's seed and the number of the resample
    """

    chances: FloatArray
    moves: IntArray
    units: Units
    groups: int
    key: int


def uncertain_columns(run: Run, grouping: Grouping) -> list[str]:
    """The columns of a grouping with labels from measurements or annotations."""
    return [name for name in grouping if name in run.record.label_columns]


def is_measured(run: Run, grouping: Grouping) -> bool:
    """Whether a grouping uses a label that only images with a usable face can have."""
    columns = run.record.label_columns
    return any(columns[name].source == "measured" for name in uncertain_columns(run, grouping))


def label_probabilities(
    labels: pd.DataFrame, manifest: pd.DataFrame, column: str, subjects: IntArray
) -> LabelProbabilities | None:
    """The probabilities of a column per person, from LABELS; None if unknown for all rows."""
    stated = labels[labels["column"] == column]
    classes = tuple(dict.fromkeys(stated["label"]))
    images = np.full((len(manifest), len(classes)), np.nan)
    place = {label: k for k, label in enumerate(classes)}
    images[stated["row"], stated["label"].map(place)] = stated["probability"]
    people = pooled_over_people(images, subjects)
    labelled = (manifest[column] != UNKNOWN).to_numpy(np.bool_)
    if not classes or np.isnan(people[subjects[labelled]]).any():
        return None
    return LabelProbabilities(column, classes, people)


def units_of(cells: Cells, subjects: IntArray, clusters: IntArray | None = None) -> Units:
    """The units of a grouping. clusters : int64 (rows,), see `units_of_run`."""
    flat = subjects * len(cells.groups) + cells.codes
    found, first, of_row = np.unique(flat, return_index=True, return_inverse=True)
    people, at = np.divmod(found, len(cells.groups))
    return Units(
        people.astype(np.int64),
        at.astype(np.int64),
        of_row.reshape(-1).astype(np.int64),
        None if clusters is None else clusters[first],
    )


def resampling_of(probabilities: LabelProbabilities, cells: Cells, units: Units) -> Resampling:
    """Labels sampled from their probabilities, including those of people with unknown label but known probabilities."""
    stay = np.where(np.isnan(probabilities.people[:, :1]), np.nan, 0.0)
    moves = moves_of(cells, probabilities.column, probabilities.classes)
    return Resampling(
        np.hstack([probabilities.people, stay]),
        moves,
        units,
        sum(cells.known),
        zlib.crc32(probabilities.column.encode()),
    )


def resampling_at_trust(labels: pd.Series, column: str, trust: float, cells: Cells, units: Units) -> Resampling:
    """Every person keeps the label with probability `trust`, or else gets one sampled from the label frequencies.

    labels : the column of the manifest; people without a label keep none
    """
    known = labels[labels != UNKNOWN].value_counts(normalize=True).sort_index()
    people = int(units.people.max(initial=-1)) + 1
    chances = np.tile(np.r_[(1 - trust) * known.to_numpy(np.float64), trust], (people, 1))
    moves = moves_of(cells, column, tuple(str(label) for label in known.index))
    moves[~np.array(cells.known)] = -1
    return Resampling(chances, moves, units, sum(cells.known), zlib.crc32(f"certainty of {column}".encode()))


def moves_of(cells: Cells, column: str, classes: tuple[str, ...]) -> IntArray:
    """The known group of each cell's rows if `column` has class k, int64 [cells, K + 1]; last: with the given label."""
    named = [group for group, known in zip(cells.groups, cells.known, strict=True) if known]
    position = {group: k for k, group in enumerate(named)}
    changed = [[position.get(with_value(group, column, label), -1) for label in classes] for group in cells.groups]
    own = [[position.get(group, -1)] for group in cells.groups]
    return np.hstack([np.array(changed, np.int64).reshape(len(own), len(classes)), np.array(own, np.int64)])


def with_value(group: Group, column: str, value: str) -> Group:
    """The group with another value of one attribute."""
    return Group(tuple((name, value if name == column else old) for name, old in group.attributes))


def draws_of(resampling: Resampling, draws: int, seed: int) -> Iterator[IntArray]:
    """The known group of every unit in each resample, int64 [U], -1 for none; the same for every metric and every execution."""
    for number in range(draws):
        chosen = sampled_classes(resampling.chances, np.random.default_rng([seed, resampling.key, number]))[
            resampling.units.people
        ]
        yield np.where(chosen < 0, -1, resampling.moves[resampling.units.cells, chosen])


def resampled_rates(
    resampling: Resampling, metrics: Trials, draws: int, seed: int, level: float
) -> dict[str, list[RateColumns]]:
    """Rates of the known groups in every resample, by metric."""
    sums = {metric: unit_sums(resampling.units, *counts) for metric, counts in metrics.items()}
    found: dict[str, list[RateColumns]] = {metric: [] for metric in metrics}
    codes, at_once = draws_of(resampling, draws, seed), max(UNITS_AT_ONCE // max(len(resampling.units.people), 1), 1)
    while block := list(islice(codes, at_once)):
        for metric, (errors, trials) in sums.items():
            found[metric] += rates_of_draws(resampling, np.stack(block), errors, trials, level)
    return found


def rates_of_draws(
    resampling: Resampling, codes: IntArray, errors: IntArray, trials: IntArray, level: float
) -> Iterator[RateColumns]:
    """Rates of some resamples, computed together. codes : int64 [draws, U]; errors, trials : int64 [U]"""
    units, size = resampling.units, resampling.groups
    draw, unit = np.nonzero((codes >= 0) & (trials > 0))
    cells, wrong, tried = draw * size + codes[draw, unit], errors[unit], trials[unit]
    if units.repeat_people:
        people, varying = units.people[unit], units.varying[unit]
        rates = clustered_rates(wrong, tried, people, cells, n_cells=len(codes) * size, level=level, units=varying)
    else:
        rates = rates_of_clusters(wrong, tried, cells, n_cells=len(codes) * size, level=level)
    found = {f.name: getattr(rates, f.name) for f in fields(rates)}
    columns: dict[str, Any] = {name: column for name, column in found.items() if isinstance(column, np.ndarray)}
    for k in range(len(codes)):
        yield replace(rates, **{name: column[k * size : (k + 1) * size] for name, column in columns.items()})


def unit_sums(units: Units, trials: BoolArray, errors: BoolArray) -> tuple[IntArray, IntArray]:
    """Errors and trials of each unit, int64 [U] each."""
    size = len(units.people)
    wrong, tried = (np.bincount(units.of_row[rows], minlength=size) for rows in (errors & trials, trials))
    return wrong.astype(np.int64), tried.astype(np.int64)


def expected_groups(resampling: Resampling, trials: BoolArray) -> FloatArray:
    """Expected proportion of each group among the trials of each known group, float64 [G, G]; NaN without trials."""
    found = expected_labels(resampling, trials)
    whole = found.trials[:, None]
    return np.asarray(
        np.divide(found.expected, whole, out=np.full(found.expected.shape, np.nan), where=whole > 0), dtype=np.float64
    )


def expected_labels(resampling: Resampling, trials: BoolArray | FloatArray) -> ExpectedLabels:
    """Expected true groups of the trials of each known group, by the label probabilities.

    trials : bool or float64 (rows,), number of trials represented by each row
    """
    units, size = resampling.units, resampling.groups
    tried = np.bincount(units.of_row, weights=trials, minlength=len(units.people))
    own = resampling.moves[units.cells, -1]
    labelled = own >= 0
    chances = np.zeros((len(own), size))
    for k in range(resampling.moves.shape[1]):
        to = resampling.moves[units.cells, k]
        inside = np.flatnonzero(labelled & (to >= 0))
        chances[inside, to[inside]] += resampling.chances[units.people[inside], k]

    def total(values: FloatArray) -> FloatArray:
        sums = [np.bincount(own[labelled], weights=column[labelled], minlength=size) for column in values.T]
        return np.array(sums, np.float64).reshape(size, size).T

    return ExpectedLabels(
        np.bincount(own[labelled], weights=tried[labelled], minlength=size).astype(np.float64),
        total(tried[:, None] * chances),
        total(tried[:, None] ** 2 * chances * (1 - chances)),
    )
