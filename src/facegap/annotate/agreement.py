"""Agreement between annotators: alpha, kappa, bias, disputes, consensus, comparison with a measurement."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from itertools import combinations
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from facegap.errors import TableError
from facegap.groups import agreement as measures
from facegap.groups.agreement import Estimate, Measure
from facegap.groups.annotations import NO_LABEL, Ratings, ratings, read_annotations, scales_of
from facegap.groups.consensus import Consensus, Even, consensus, differences_from_others
from facegap.groups.scales import DARKER, LIGHTER, MONK, Scale
from facegap.inputs.manifests.read import read_manifest
from facegap.inputs.records import read_records
from facegap.tables import TONE, check
from facegap.types import BoolArray, FloatArray, IntArray

CONSENSUS_NAME = "(consensus)"


@dataclass(frozen=True, eq=False)
class Agreement:
    """All tables of one scale; every interval is the middle 95% of 2,000 resamples of people.

    alpha      : metric, alpha, low, high, images, subjects, answers, annotators
    pairs      : annotator_a, annotator_b, images, subjects, same (proportion of equal labels), kappa, weighted_kappa
                 (quadratic; NaN for an unordered scale), each with _low and _high
    annotators : annotator, answered, skipped, then compared with the median of the others: images, subjects, difference
                 (mean, in steps of the scale; above 0: darker) with _low and _high, lighter, same, darker (proportions)
    disputes   : image, answers, lightest, darkest, steps, across_cut (answers on both sides of lighter and darker)
    consensus  : image, value ("" if there is none), answers, steps, tied
    measured   : annotator, images, subjects, rank_correlation (with the measured ITA, positive towards darker), then,
                 for Monk's scale, steps (mean difference from the measured step) and within_one, and same_side with
                 side_images if the measured tone is known; None without a measurement
    """

    scale: Scale
    alpha: pd.DataFrame
    pairs: pd.DataFrame
    annotators: pd.DataFrame
    disputes: pd.DataFrame
    consensus: pd.DataFrame
    measured: pd.DataFrame | None
    even: Even
    dispute_steps: int


def agreement_tables(
    annotations: Path,
    *,
    scale: str | None,
    tone: Path | None,
    manifest: Path | None,
    even: Even,
    dispute_steps: int,
    rng: np.random.Generator,
) -> list[Agreement]:
    """The tables of each scale in the file, or of the given scale.

    Raises
    ------
    TableError : as `read_annotations`; a scale that does not occur; an annotated image that is missing from the manifest or
                 the tone table
    """
    frame = read_annotations(annotations)
    measured = None if tone is None else read_tone(tone)
    subjects = subjects_of(manifest, measured)
    if subjects is not None:
        _require_all(frame, set(subjects.index), annotations.name, (manifest or tone or annotations).name)
    names = scales_of(frame) if scale is None else (scale,)
    return [_one_scale(ratings(frame, name), subjects, measured, even, dispute_steps, rng) for name in names]


def read_tone(path: Path) -> pd.DataFrame:
    """A TONE table, indexed by image."""
    frame = check(read_records(path).frame, TONE, path.name)
    repeated = frame["image"].duplicated()
    if repeated.any():
        raise TableError(f"{path.name}: {frame['image'][repeated].iloc[0]!r} occurs twice; measure the manifest again")
    return frame.set_index("image")


def subjects_of(manifest: Path | None, measured: pd.DataFrame | None) -> pd.Series | None:
    """The subject of each image, by image; None if neither table has it."""
    if manifest is not None:
        frame = read_manifest(manifest, allow_outside=True).frame
        return frame.set_index("image")["subject"]
    return None if measured is None else measured["subject"]


def _require_all(frame: pd.DataFrame, known: set[str], annotations: str, source: str) -> None:
    """Raise TableError if an annotated image is missing from the table of subjects."""
    missing = ~frame["image"].isin(known)
    if missing.any():
        raise TableError(
            f"{annotations}: {int(missing.sum())} rows are about images that {source} does not have, the first about "
            f"{frame['image'][missing].iloc[0]!r}; give the table for the same manifest"
        )


def _one_scale(
    found: Ratings,
    subjects: pd.Series | None,
    measured: pd.DataFrame | None,
    even: Even,
    dispute_steps: int,
    rng: np.random.Generator,
) -> Agreement:
    """All tables of one scale."""
    images = pd.Index(found.images)
    codes = pd.factorize(images if subjects is None else subjects.loc[images])[0].astype(np.int64)
    together = consensus(found.codes, len(found.scale.labels), ordinal=found.scale.ordinal, even=even)
    return Agreement(
        found.scale,
        _alpha(found, codes, rng),
        _pairs(found, codes, rng),
        _annotators(found, codes, rng),
        _disputes(found, together, dispute_steps),
        _consensus_table(found, together),
        None if measured is None else _measured(found, together, measured.loc[images], codes, rng),
        even,
        dispute_steps,
    )


def _alpha(found: Ratings, subjects: IntArray, rng: np.random.Generator) -> pd.DataFrame:
    """Krippendorff's alpha by every metric that the scale allows."""
    metrics = measures.fitting_metrics(ordinal=found.scale.ordinal)
    tables = measures.coincidences(found.codes, len(found.scale.labels))
    results = measures.estimates(
        tables, [partial(measures.alpha_of, metric=name) for name in metrics], subjects, rng=rng
    )
    comparable = tables.any(axis=(1, 2))
    answers = int((found.codes[:, comparable] != NO_LABEL).sum())
    return pd.DataFrame(
        [
            {
                "metric": name,
                **_columns("alpha", result),
                "images": result.images,
                "subjects": result.subjects,
                "answers": answers,
                "annotators": len(found.annotators),
            }
            for name, result in zip(metrics, results, strict=True)
        ]
    )


def _pairs(found: Ratings, subjects: IntArray, rng: np.random.Generator) -> pd.DataFrame:
    """Every two annotators on the images that both labelled."""
    labels = len(found.scale.labels)
    plain: Measure = partial(measures.kappa_of, weights="none")
    weighted: Measure = partial(measures.kappa_of, weights="quadratic")
    rows = []
    for a, b in combinations(range(len(found.annotators)), 2):
        tables = measures.confusions(found.codes[a], found.codes[b], labels)
        same, kappa, by_steps = measures.estimates(
            tables, [measures.exact_agreement, plain, weighted], subjects, rng=rng
        )
        rows.append(
            {
                "annotator_a": found.annotators[a],
                "annotator_b": found.annotators[b],
                "images": same.images,
                "subjects": same.subjects,
                **_columns("same", same),
                **_columns("kappa", kappa),
                **_columns("weighted_kappa", by_steps if found.scale.ordinal else NOTHING),
            }
        )
    names = ["annotator_a", "annotator_b", "images", "subjects"]
    return pd.DataFrame(rows, columns=names + _names("same") + _names("kappa") + _names("weighted_kappa"))


def _annotators(found: Ratings, subjects: IntArray, rng: np.random.Generator) -> pd.DataFrame:
    """The labels of each annotator, compared with the median of the others."""
    rows = []
    for k, name in enumerate(found.annotators):
        steps = np.full(len(found.images), np.nan)
        if found.scale.ordinal:
            steps = differences_from_others(found.codes, k, len(found.scale.labels))
        (difference,) = measures.estimates(measures.mean_table(steps), [measures.mean_of], subjects, rng=rng)
        known = steps[~np.isnan(steps)]
        rows.append(
            {
                "annotator": name,
                "answered": int((found.codes[k] != NO_LABEL).sum()),
                "skipped": int(found.skipped[k]),
                "images": difference.images,
                "subjects": difference.subjects,
                **_columns("difference", difference),
                "lighter": _share(known < 0),
                "same": _share(known == 0),
                "darker": _share(known > 0),
            }
        )
    return pd.DataFrame(rows)


def _disputes(found: Ratings, together: Consensus, dispute_steps: int) -> pd.DataFrame:
    """Images whose answers are far apart, or on both sides of the cut; the widest first, then in the order of the file."""
    given = measures.label_counts(found.codes, len(found.scale.labels)) > 0
    lighter = np.array([label in found.scale.lighter for label in found.scale.labels])
    across: BoolArray = np.asarray(given[:, lighter].any(axis=1) & given[:, ~lighter].any(axis=1), dtype=np.bool_)
    least = dispute_steps if found.scale.ordinal else 1
    chosen = np.flatnonzero((together.spread >= least) | across)
    chosen = chosen[np.argsort(-together.spread[chosen], kind="stable")]
    labels = np.array(found.scale.labels)
    last = given.shape[1] - 1 - given[:, ::-1].argmax(axis=1)
    return pd.DataFrame(
        {
            "image": np.array(found.images, dtype=object)[chosen],
            "answers": together.answers[chosen],
            "lightest": labels[given.argmax(axis=1)[chosen]],
            "darkest": labels[last[chosen]],
            "steps": together.spread[chosen],
            "across_cut": across[chosen],
        }
    )


def _consensus_table(found: Ratings, together: Consensus) -> pd.DataFrame:
    """The median label of every image."""
    labels = [*found.scale.labels, ""]  # NO_LABEL, -1, is the last one
    return pd.DataFrame(
        {
            "image": found.images,
            "value": [labels[code] for code in together.codes],
            "answers": together.answers,
            "steps": together.spread,
            "tied": together.tied,
        }
    )


def _measured(
    found: Ratings, together: Consensus, tone: pd.DataFrame, subjects: IntArray, rng: np.random.Generator
) -> pd.DataFrame:
    """Each annotator, and the consensus, compared with the measurement of the same images."""
    whom = [*zip(found.annotators, found.codes, strict=True), (CONSENSUS_NAME, together.codes)]
    return pd.DataFrame(
        [{"annotator": name, **_beside_measurement(codes, found.scale, tone, subjects, rng)} for name, codes in whom]
    )


def _beside_measurement(
    codes: IntArray, scale: Scale, tone: pd.DataFrame, subjects: IntArray, rng: np.random.Generator
) -> dict[str, float | int]:
    """One row of the comparison with the measurement."""
    position = np.where(codes == NO_LABEL, np.nan, codes)
    ita = tone["measured_ita"].to_numpy(np.float64)
    known = ~np.isnan(position) & ~np.isnan(ita)
    order, steps = NOTHING, NOTHING
    if scale.ordinal:
        # All resamples use the ranks of the whole sample; only the people in them vary.
        ranks = measures.correlation_table(_ranks(position, known), _ranks(-ita, known))
        (order,) = measures.estimates(ranks, [measures.correlation_of], subjects, rng=rng)
    monk = tone["measured_monk"].to_numpy(np.float64, na_value=np.nan) - 1
    difference = position - monk if scale == MONK else np.full(len(codes), np.nan)
    (steps,) = measures.estimates(measures.mean_table(difference), [measures.mean_of], subjects, rng=rng)
    (side,) = measures.estimates(
        measures.mean_table(_same_side(codes, scale, tone["measured_tone"])), [measures.mean_of], subjects, rng=rng
    )
    within = np.abs(difference[~np.isnan(difference)]) <= 1
    return {
        "images": int(known.sum()),
        "subjects": len(np.unique(subjects[known])),
        **_columns("rank_correlation", order),
        **_columns("steps", steps),
        "within_one": _share(within),
        **_columns("same_side", side),
        "side_images": side.images,
    }


def _ranks(values: FloatArray, known: BoolArray) -> FloatArray:
    """Ranks among the known values, with mean ranks for ties; NaN elsewhere."""
    ranks = np.full(len(values), np.nan)
    ranks[known] = rankdata(values[known])
    return ranks


def _same_side(codes: IntArray, scale: Scale, tones: pd.Series) -> FloatArray:
    """1 if the label and the measured tone are both lighter or both darker, 0 if not, NaN if either is unknown."""
    is_lighter: BoolArray = np.array([*(label in scale.lighter for label in scale.labels), False])
    called = (codes != NO_LABEL) & tones.isin([LIGHTER, DARKER]).to_numpy(bool)
    same = is_lighter[codes] == (tones == LIGHTER).to_numpy(bool)
    return np.where(called, same.astype(np.float64), np.nan)


NOTHING = Estimate(float("nan"), float("nan"), float("nan"), 0, 0)


def _columns(name: str, result: Estimate) -> dict[str, float]:
    """A measure and its interval as three columns."""
    values = asdict(result)
    return dict(zip(_names(name), (values["value"], values["low"], values["high"]), strict=True))


def _names(name: str) -> list[str]:
    """The three columns of a measure."""
    return [name, "low", "high"] if name == "alpha" else [name, f"{name}_low", f"{name}_high"]


def _share(true: Sequence[bool] | BoolArray) -> float:
    """Proportion of true values; NaN without any."""
    return float(np.mean(true)) if len(true) else float("nan")
