"""Runs on the same people: differences between their manifests, and their common images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from facegap.derive.comparisons import Comparisons, both, finest_cells
from facegap.derive.groupings import Grouping, attribute_columns
from facegap.derive.pair_list_rates import listed_people
from facegap.derive.results import groupings_of
from facegap.derive.run import EVALUATION, all_comparisons_of
from facegap.derive.units import subject_codes, unit_codes, units_of_subjects
from facegap.errors import RunError
from facegap.store.run import Run
from facegap.types import IntArray


@dataclass(frozen=True, eq=False)
class Together:
    """Runs restricted to their common images.

    labels   : distinct names of the runs
    manifest : of the first run, common images only; it defines people and groups
    rows     : for each run, the rows of these images, int64 (n,) each
    subjects : int64 (n,), code of each image's person
    groupings    : of the first run, starting with all people
    units    : int64 (n,), sampling unit of each image by the clusters of the first run; None: the person
    """

    labels: tuple[str, ...]
    runs: tuple[Run, ...]
    manifest: pd.DataFrame
    rows: tuple[IntArray, ...]
    subjects: IntArray
    groupings: tuple[Grouping, ...]
    units: IntArray | None = None

    def comparisons(self, run: int) -> Comparisons | None:
        """The comparisons of one run among these images, in their order; None if there are none."""
        found = all_comparisons_of(self.runs[run], "facegap compare")
        return (
            None
            if found is None
            else cut(found, self.rows[run], self.subjects, finest_cells(self.manifest, self.groupings), self.units)
        )


def together(runs: Sequence[Run], labels: Sequence[str]) -> Together:
    """The runs on their common images, matched by image name.

    Raises
    ------
    RunError : there is no common image
    """
    first = runs[0].manifest
    common = set(first["image"])
    for run in runs[1:]:
        common &= set(run.manifest["image"])
    if not common:
        raise RunError("these runs have no image in common; compare runs on the same manifest")
    images = [image for image in first["image"] if image in common]
    rows = tuple(pd.Index(run.manifest["image"]).get_indexer(pd.Index(images)).astype(np.int64) for run in runs)
    manifest = first.iloc[rows[0]].reset_index(drop=True)
    cluster = runs[0].record.cluster
    units = unit_codes(manifest, cluster) if cluster else None
    subjects, groupings = subject_codes(manifest), tuple(groupings_of(runs[0]))
    return Together(tuple(labels), tuple(runs), manifest, rows, subjects, groupings, units)


def differences(runs: Sequence[Run], labels: Sequence[str]) -> list[str]:
    """Differences between the people of the first run and those of each other run; empty if there are none."""
    return [
        f"{label}: {said}"
        for run, label in zip(runs[1:], labels[1:], strict=True)
        for said in differences_of(runs[0], run)
    ]


def differences_of(first: Run, other: Run) -> list[str]:
    """Differences between the manifests of two runs, the evaluated people, and the compared pairs."""
    found = []
    if first.record.manifest.sha256 != other.record.manifest.sha256:
        found.append("its manifest file has a different sha256")
    here, there = set(first.manifest["image"]), set(other.manifest["image"])
    if here != there:
        found.append(
            f"{len(here - there):,} {first.counted} of the first run are not in it, and it has {len(there - here):,} more"
        )
    found += [said for said in label_differences(first, other) if said]
    if first.matched is not None and other.matched is not None:
        evaluated, also = (
            set(run.manifest["image"][run.matched.roles == EVALUATION])
            for run in (first, other)
            if run.matched is not None
        )
        if evaluated != also and here == there:
            apart = len(evaluated ^ also)
            found.append(
                f"{apart:,} {first.counted} are evaluated in one of the two and held out for the threshold in the other"
            )
        found += pair_differences(first, other)
    return found


def pair_differences(first: Run, other: Run) -> list[str]:
    """Differences between the pairs of two runs: a list or all pairs, different lists, different excluded pairs."""
    assert first.matched is not None and other.matched is not None
    found = []
    apart = pairs_of_one_alone(first, first.matched.excluded, other, other.matched.excluded)
    if apart:
        found.append(f"{apart:,} pairs are excluded by --exclude-pairs in only one of the two")
    listed = [run.matched.pairs for run in (first, other) if run.matched is not None]
    if (listed[0] is None) != (listed[1] is None):
        found.append("one of the two compared listed pairs, the other all pairs")
    elif listed[0] is not None and listed[1] is not None:
        rows = [pairs[["left", "right"]].to_numpy(np.int64) for pairs in listed if pairs is not None]
        unlike = pairs_of_one_alone(first, rows[0], other, rows[1])
        found += [f"{unlike:,} pairs are in the list of only one of the two"] if unlike else []
    return found


def pairs_of_one_alone(first: Run, rows: IntArray, other: Run, others: IntArray) -> int:
    """Number of pairs of images, in either order, that only one run has. rows, others : manifest rows, int64 (m, 2)"""
    images = pd.Index(first.manifest["image"]).append(pd.Index(other.manifest["image"]))
    codes, size = pd.factorize(images)[0].astype(np.int64), len(first.manifest)
    ordered = (np.sort(of_run[pairs], axis=1) for of_run, pairs in ((codes[:size], rows), (codes[size:], others)))
    keys = [pair[:, 0] * len(codes) + pair[:, 1] for pair in ordered]
    return len(np.setxor1d(keys[0], keys[1]))


def label_differences(first: Run, other: Run) -> list[str]:
    """Differences in the subjects and labels of common images, for columns that define groups."""
    left, right = (run.manifest.set_index("image") for run in (first, other))
    images = left.index.intersection(right.index)
    found = []
    for name in ("subject", *attribute_columns(groupings_of(first))):
        if name not in right.columns:
            found.append(f"it has no column {name}")
            continue
        apart = int((left.loc[images, name].astype(str) != right.loc[images, name].astype(str)).sum())
        if apart:
            found.append(f"{apart:,} images have a different {name}")
    return found


def cut(pairs: Comparisons, rows: IntArray, subjects: IntArray, cells: IntArray, units: IntArray | None) -> Comparisons:
    """Comparisons among some images only, renumbered, with the sampling units of the first run.

    rows     : int64 (n,), rows of the run; subjects, cells, units : int64 (n,), person, finest cell and unit of each
    """
    same_units = pairs.units is None if units is None else False
    if same_units and len(rows) == len(pairs.subjects) and np.array_equal(rows, np.arange(len(rows))):
        return pairs
    place = np.full(len(pairs.subjects), -1, np.int64)
    place[rows] = np.arange(len(rows))
    inside = place >= 0
    impostor, genuine, excluded = (both(inside, listed) for listed in (pairs.impostor, pairs.genuine, pairs.excluded))
    of_impostors, scores = place[pairs.impostor[impostor]], pairs.impostor_scores[impostor]
    made = int(np.isfinite(scores).sum())
    return replace(
        pairs,
        subjects=subjects,
        enrolled=pairs.enrolled[rows],
        counted=pairs.counted[rows],
        impostor=of_impostors,
        impostor_scores=scores,
        genuine=place[pairs.genuine[genuine]],
        genuine_scores=pairs.genuine_scores[genuine],
        excluded=place[pairs.excluded[excluded]],
        folds=None if pairs.folds is None else pairs.folds[rows],
        people=listed_people(subjects, cells, of_impostors, made, units) if pairs.listed_only else None,
        units=None if units is None else units_of_subjects(subjects, units),
    )


def evaluated_by_both(first: Comparisons, other: Comparisons) -> tuple[Comparisons, Comparisons]:
    """Both runs on the images that both evaluate; the other images were held out for a threshold in one of them."""
    if np.array_equal(first.counted, other.counted):
        return first, other
    counted = first.counted & other.counted
    return tuple(only(pairs, counted) for pairs in (first, other))  # type: ignore[return-value]


def only(pairs: Comparisons, counted: np.ndarray) -> Comparisons:
    """Comparisons of some images only."""
    impostor, genuine = both(counted, pairs.impostor), both(counted, pairs.genuine)
    scores = pairs.impostor_scores[impostor]
    found = replace(
        pairs,
        counted=counted,
        impostor=pairs.impostor[impostor],
        impostor_scores=scores,
        genuine=pairs.genuine[genuine],
        genuine_scores=pairs.genuine_scores[genuine],
    )
    if not pairs.listed_only or pairs.people is None:
        return found
    cells = pairs.people.unit_of  # each unit belongs to one cell
    made, units = int(np.isfinite(scores).sum()), None if pairs.units is None else pairs.units[pairs.subjects]
    return replace(found, people=listed_people(pairs.subjects, cells, found.impostor, made, units))
