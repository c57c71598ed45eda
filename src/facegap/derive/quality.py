"""Rejections by a quality gate, its effect on error rates, and error versus discard (EDC) by group.

Distributions of the quality itself are in quality_values.py.

The quality of an image is a column of FACES: the one named by `--quality`, given_quality if that is a file, or
model_quality if it is a model. That of a comparison is the lower of its two images. The gate rejects images with a
quality below its threshold.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from facegap.derive.comparisons import Comparisons, false_non_match_rate, genuine_errors
from facegap.derive.cuts import Cut
from facegap.derive.gaps import known_codes
from facegap.derive.groupings import attribute_columns, attribute_values, cells_of
from facegap.derive.metrics import ERROR_RATE_ALL, FNMR
from facegap.derive.outcomes import TrialsAndErrors, shown_to_a_model
from facegap.derive.quality_values import distribution_tables
from facegap.derive.results import groupings_of, run_metrics
from facegap.derive.units import subject_codes, units_of_run
from facegap.statistics.clusters import clustered_rates, shared_subjects
from facegap.statistics.discard import discard_area, discard_area_interval, discard_curve
from facegap.statistics.gaps import gap_family
from facegap.store.run import Run
from facegap.tables import EDC_POINTS, MODEL_QUALITY, QUALITY_GATE, check
from facegap.types import BoolArray, FloatArray, IntArray, Rate

GATE, EDC, REFUSAL_GAPS = "quality_gate.csv", "edc.csv", "quality_gaps.csv"
REFUSAL = "quality_refusal_rate"
MARGIN = 0.02  # two percentage points more rejected
DISCARDS = (0.0, 0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3)
AREA_LIMIT = 0.2  # proportion discarded, upper limit of the area


@dataclass(frozen=True, eq=False)
class Gate:
    """A quality and the threshold of its gate.

    quality   : float64 (rows of the manifest,), NaN for images without one
    threshold : images with a lower quality are rejected; NaN if no image has one
    """

    name: str
    quality: FloatArray
    threshold: float

    @property
    def measured(self) -> BoolArray:
        """Images with a quality, bool (rows,)."""
        return np.isfinite(self.quality)

    @property
    def refused(self) -> BoolArray:
        """Images rejected by the gate, bool (rows,)."""
        with np.errstate(invalid="ignore"):
            return np.asarray(self.quality < self.threshold)


def gate_of(run: Run) -> Gate | None:
    """The gate of a run; None without --quality and without an enrolment log with qualities."""
    name, file = run.record.request.setting("faces", "quality"), run.record.request.quality
    if name is None and file is None:
        return None
    column, title = str(name), str(name)
    if file is not None:
        column, title = "given_quality", f"{file.file}:{file.column}"
    elif "quality" in run.record.models:
        column, title = MODEL_QUALITY, run.record.models["quality"]
    quality = np.where(shown_to_a_model(run.faces), run.faces[column].to_numpy(np.float64), np.nan)
    below = run.record.request.setting("faces", "quality_below")
    share = run.record.request.setting("faces", "quality_discard")
    threshold = threshold_at(quality, float(share)) if below is None else float(below)
    return Gate(title, quality, threshold)


def threshold_at(quality: FloatArray, share: float) -> float:
    """The highest observed quality below which at most a given proportion of images lies; NaN without images."""
    ordered = np.sort(quality[np.isfinite(quality)])
    return float(ordered[min(int(share * len(ordered)), len(ordered) - 1)]) if len(ordered) else float("nan")


def quality_tables(run: Run, pairs: Comparisons | None) -> dict[str, pd.DataFrame]:
    """The tables of --quality by file name; none without it, and no empty tables."""
    gate = gate_of(run)
    if gate is None:
        return {}
    cut = None if pairs is None or not run.record.operating else pairs.cut(run.record.operating[0])
    gaps = pd.DataFrame(list(refusal_gaps(run, gate)))
    found = distribution_tables(run, gate.name, gate.quality)
    points = [] if pairs is None or cut is None else list(edc_rows(run, gate, pairs, cut))
    found[GATE] = check(pd.DataFrame(list(gate_rows(run, gate, pairs, cut))), QUALITY_GATE, GATE)
    if len(gaps):
        found[REFUSAL_GAPS] = gaps
    if points:
        found[EDC] = check(pd.DataFrame(points), EDC_POINTS, EDC)
    return found


# ---- the gate ----


def gate_rows(run: Run, gate: Gate, pairs: Comparisons | None, cut: Cut | None) -> Iterator[dict[str, Any]]:
    """For each group, the rejected images, and every error rate of the run with and without the gate."""
    attributes, subjects, units = attribute_columns(groupings_of(run)), subject_codes(run.manifest), units_of_run(run)
    for grouping in groupings_of(run):
        cells = cells_of(run.manifest, grouping)
        refused = rates_of(run, (gate.measured, gate.refused), cells.codes, len(cells.groups), subjects, units)
        bought = list(effects(run, gate, cells.codes, len(cells.groups), pairs, cut, subjects, units))
        for k, group in enumerate(cells.groups):
            inside = cells.codes == k
            known = {
                "quality": gate.name,
                "quality_threshold": gate.threshold,
                **attribute_values(group, attributes),
                "images": int(inside.sum()),
                "without_quality": int((inside & ~gate.measured).sum()),
                **counted("refused", refused[k]),
                "subjects": refused[k].subjects,
            }
            for metric, before, after in bought or [
                ("", [Rate(0, 0)] * len(cells.groups), [Rate(0, 0)] * len(cells.groups))
            ]:
                yield known | {"metric": metric} | counted("before", before[k]) | counted("after", after[k])


def counted(name: str, rate: Rate) -> dict[str, Any]:
    """Counts, value and interval of a rate as columns."""
    return {
        f"{name}_errors": rate.errors,
        f"{name}_trials": rate.trials,
        f"{name}_value": rate.value,
        f"{name}_low": rate.low,
        f"{name}_high": rate.high,
    }


def effects(
    run: Run,
    gate: Gate,
    codes: IntArray,
    groups: int,
    pairs: Comparisons | None,
    cut: Cut | None,
    subjects: IntArray,
    units: IntArray | None,
) -> Iterator[tuple[str, list[Rate], list[Rate]]]:
    """Each error rate by group, of all images and of those that pass the gate. Images without a quality do not pass."""
    passes = gate.measured & ~gate.refused
    found = run_metrics(run).get(ERROR_RATE_ALL.name)
    if found is not None:
        trials, errors = found
        kept = (trials & passes, errors & passes)
        yield (
            ERROR_RATE_ALL.name,
            rates_of(run, found, codes, groups, subjects, units),
            rates_of(run, kept, codes, groups, subjects, units),
        )
    if pairs is not None and cut is not None and len(pairs.genuine):
        level, strict = run.record.level, replace(pairs, counted=pairs.counted & passes)
        yield (
            FNMR.name,
            [false_non_match_rate(pairs, cut, codes == k, generalised=False, level=level) for k in range(groups)],
            [false_non_match_rate(strict, cut, codes == k, generalised=False, level=level) for k in range(groups)],
        )


def rates_of(
    run: Run, found: TrialsAndErrors, codes: IntArray, groups: int, subjects: IntArray, units: IntArray | None
) -> list[Rate]:
    """A rate of images by group."""
    trials, errors = found
    inside = np.where(trials, codes, -1)
    return list(
        clustered_rates(
            errors & trials, None, subjects, inside, n_cells=groups, level=run.record.level, units=units
        ).rows()
    )


def refusal_gaps(run: Run, gate: Gate) -> Iterator[dict[str, Any]]:
    """The gaps between the rejection rates of the known groups, one family per grouping."""
    subjects, units, record = subject_codes(run.manifest), units_of_run(run), run.record
    for grouping in groupings_of(run)[1:]:
        cells = cells_of(run.manifest, grouping)
        codes = known_codes(cells, gate.measured)
        groups = tuple(str(group) for group, known in zip(cells.groups, cells.known, strict=True) if known)
        found = clustered_rates(
            gate.refused, None, subjects, codes, n_cells=len(groups), level=record.level, units=units
        )
        family = gap_family(
            groups,
            found.errors,
            found.trials,
            found.subjects,
            found.effective_trials,
            margin=MARGIN,
            scale="difference",
            alpha=record.alpha,
            metric=REFUSAL,
            model=gate.name,
            family="*".join(grouping),
            level=record.level,
            minimum_subjects=record.min_subjects,
            correlation=shared_subjects(gate.refused, subjects if units is None else units, codes, len(groups)),
            effective_subjects=found.effective_subjects,
            rates=found.value,
            dominated_by=found.dominated_by,
        )
        for gap in family.rows():
            yield {
                name: value for name, value in asdict(gap).items() if not name.startswith(("label_", "loss", "lost"))
            }


# ---- error versus discard ----


def edc_rows(run: Run, gate: Gate, pairs: Comparisons, cut: Cut) -> Iterator[dict[str, Any]]:
    """The EDC of FNMR of each group with mated comparisons, at the first threshold of the run."""
    attributes, point = attribute_columns(groupings_of(run)), run.record.operating[0]
    for grouping in groupings_of(run):
        cells = cells_of(run.manifest, grouping)
        for k, group in enumerate(cells.groups):
            for row in edc_of_group(run, gate, pairs, cut, cells.codes == k):
                yield {"quality": gate.name, "threshold": point.threshold, **attribute_values(group, attributes), **row}


def edc_of_group(run: Run, gate: Gate, pairs: Comparisons, cut: Cut, group: BoolArray) -> Iterator[dict[str, Any]]:
    """Points of one curve, each with an interval of FNMR, and the area under the curve with its interval."""
    chosen, wrong = genuine_errors(pairs, cut, group, generalised=False)
    mates = pairs.genuine[chosen]
    quality = gate.quality[mates].min(axis=1)  # NaN if either has none
    known = np.isfinite(quality)
    if not known.any():
        return
    curve = discard_curve(quality[known], wrong[known])
    area = discard_area(quality[known], wrong[known], AREA_LIMIT)
    rng = np.random.default_rng(int(run.record.request.setting("verify", "seed") or 0))
    low, high = discard_area_interval(
        quality[known], wrong[known], pairs.varying[mates[known, 0]], AREA_LIMIT, rng=rng, level=run.record.level
    )
    for share in DISCARDS:
        place = int(np.searchsorted(curve.share, share, side="right")) - 1
        with np.errstate(invalid="ignore"):
            kept = replace(pairs, counted=pairs.counted & (gate.quality >= curve.quality[place]))
        rate = false_non_match_rate(kept, cut, group, generalised=False, level=run.record.level)
        yield {
            "discard": share,
            "discarded": float(curve.share[place]),
            "quality_from": float(curve.quality[place]),
            "without_quality": int((~known).sum()),
            **counted("fnmr", rate),
            "subjects": rate.subjects,
            "area_limit": AREA_LIMIT,
            "area": area,
            "area_low": low,
            "area_high": high,
        }
