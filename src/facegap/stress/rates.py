"""From the outputs at every dose to STRESS and STRESS_GAPS: rates by group, paired changes, interactions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from facegap.derive.groupings import Cells, cells_of
from facegap.derive.outcomes import predictions_table
from facegap.statistics.clusters import clustered_rates
from facegap.statistics.dose_response import Doses, Interaction, doses_of, interaction_tests
from facegap.statistics.medians import clustered_median
from facegap.statistics.verdicts import EXPLORATORY
from facegap.stress.measure import NONE
from facegap.stress.perturb import Dose
from facegap.tables import NEVER_SHOWN, STRESS, STRESS_GAPS, STRESS_SCORES, check
from facegap.types import BoolArray, FloatArray, IntArray


@dataclass(frozen=True, eq=False)
class Trials:
    """The trials of one metric at one dose, each with its error without and with the perturbation.

    rows : int64 (n,), manifest row of each trial, which identifies person and group
    """

    metric: str
    dose: Dose | None
    rows: IntArray
    before: BoolArray
    after: BoolArray
    threshold: float = np.nan


@dataclass(frozen=True, eq=False)
class Answers:
    """The outputs of the models by dose, per row of the manifest.

    faces     : outcome of FACES
    templates : float32 (rows, dimension), NaN without a template; None without an embedder
    """

    faces: Mapping[Dose | None, NDArray[np.str_]]
    predictions: Mapping[Dose | None, pd.DataFrame]
    templates: Mapping[Dose | None, NDArray[np.float32]] | None


@dataclass(frozen=True)
class Rules:
    """The rules of the evaluation. margin : smallest relevant difference of changes"""

    level: float
    alpha: float
    margin: float
    min_subjects: int


def answers_of(
    rows: pd.DataFrame,
    manifest: pd.DataFrame,
    doses: Sequence[Dose],
    classes: Sequence[str],
    vectors: NDArray[np.float32] | None,
) -> Answers:
    """The rows of all parts by dose.

    rows    : a record per image and dose, images in the order of the manifest
    vectors : of the records with outcome ok, in their order
    """
    keys: list[Dose | None] = [None, *doses]
    each = len(keys)
    faces: dict[Dose | None, NDArray[np.str_]] = {}
    predictions: dict[Dose | None, pd.DataFrame] = {}
    templates: dict[Dose | None, NDArray[np.float32]] = {}
    usable = (rows["outcome"] == "ok").to_numpy(np.bool_)
    place = np.cumsum(usable) - 1
    for k, key in enumerate(keys):
        own = rows.iloc[k::each].reset_index(drop=True)
        assert (own["perturbation"] == (NONE if key is None else key.name)).all()
        faces[key] = own["outcome"].to_numpy(np.str_)
        predictions[key] = predictions_table(own, manifest, classes)
        if vectors is not None:
            made = np.full((len(own), vectors.shape[1]), np.nan, np.float32)
            fine = usable[k::each]
            made[fine] = vectors[place[k::each][fine]]
            templates[key] = made
    return Answers(faces, predictions, templates if vectors is not None else None)


def image_trials(answers: Answers, doses: Sequence[Dose], *, classifies: bool) -> list[Trials]:
    """Failure to acquire and, with a classifier, incorrect or missing prediction: the same images at every dose."""
    found = []
    seen = ~np.isin(answers.faces[None], NEVER_SHOWN)
    lost = {key: outcome != "ok" for key, outcome in answers.faces.items()}
    wrong = {key: one["outcome"].isin(["wrong", "no_answer"]).to_numpy() for key, one in answers.predictions.items()}
    trials = answers.predictions[None]["outcome"].isin(["right", "wrong", "no_answer"]).to_numpy()
    for dose in doses:
        if classifies:
            rows = np.flatnonzero(trials)
            found.append(Trials("error_rate_all", dose, rows, wrong[None][rows], wrong[dose][rows]))
        rows = np.flatnonzero(seen)
        found.append(Trials("fta", dose, rows, lost[None][rows], lost[dose][rows]))
    return found


@dataclass(frozen=True, eq=False)
class Scores:
    """Scores of mated comparisons at one dose: unperturbed reference, perturbed probe; NaN without a template.

    rows : int64 (n,), row of the probe; before : scores of the same comparisons without the perturbation
    """

    dose: Dose
    rows: IntArray
    before: FloatArray
    after: FloatArray


def genuine_scores(answers: Answers, doses: Sequence[Dose], pairs: IntArray) -> list[Scores]:
    """Scores of every mated pair in both directions, if the reference has a template.

    pairs : int64 (m, 2), rows of the manifest
    """
    assert answers.templates is not None
    plain = answers.templates[None]
    both = np.concatenate([pairs, pairs[:, ::-1]])
    both = both[np.isfinite(plain[both[:, 0], 0])]
    before = score(plain[both[:, 0]], plain[both[:, 1]])
    return [
        Scores(dose, both[:, 1], before, score(plain[both[:, 0]], answers.templates[dose][both[:, 1]]))
        for dose in doses
    ]


def genuine_trials(scores: Sequence[Scores], threshold: float) -> list[Trials]:
    """FNMR and GFRR at the unperturbed threshold: unperturbed reference, perturbed probe; each pair in both directions.

    FNMR is over comparisons whose probe has a template with and without the perturbation; GFRR counts lost probes as rejected.
    """
    found = []
    for one in scores:
        before, after = one.before, one.after
        made = np.isfinite(before) & np.isfinite(after)
        rows = one.rows[made]
        found.append(Trials("fnmr", one.dose, rows, before[made] < threshold, after[made] < threshold, threshold))
        found.append(Trials("gfrr", one.dose, one.rows, ~(before >= threshold), ~(after >= threshold), threshold))
    return found


def score_table(
    scores: Sequence[Scores],
    manifest: pd.DataFrame,
    groupings: Sequence[tuple[str, ...]],
    model: str,
    units: IntArray,
    level: float,
) -> pd.DataFrame:
    """STRESS_SCORES. units : int64 (rows of the manifest,)"""
    people = np.asarray(pd.factorize(manifest["subject"])[0], np.int64)
    found = []
    for grouping in ((), *groupings):
        cells = cells_of(manifest, grouping)
        for one in scores:
            made = np.isfinite(one.before) & np.isfinite(one.after)
            for g, name in enumerate(cells.groups):
                group = cells.codes[one.rows] == g
                inside = made & group
                rows = one.rows[inside]
                shift = clustered_median(one.after[inside] - one.before[inside], units[rows], level=level)
                found.append(
                    {
                        "model": model,
                        "perturbation": one.dose.name,
                        "dose": one.dose.amount,
                        "unit": one.dose.of.unit,
                        "family": "*".join(grouping),
                        "group": str(name),
                        "comparisons": len(rows),
                        "lost": int((group & np.isfinite(one.before) & ~np.isfinite(one.after)).sum()),
                        "subjects": len(np.unique(people[rows])),
                        "median": float(np.median(one.after[inside])) if len(rows) else np.nan,
                        "median_before": float(np.median(one.before[inside])) if len(rows) else np.nan,
                        "shift": shift.median,
                        "shift_low": shift.low,
                        "shift_high": shift.high,
                        "level": level,
                    }
                )
    return check(pd.DataFrame(found, columns=list(STRESS_SCORES.columns)), STRESS_SCORES, "stress_scores.csv")


def score(one: NDArray[np.float32], other: NDArray[np.float32]) -> FloatArray:
    """Cosine of pairs of unit-length templates; NaN if one is lost."""
    return np.asarray(np.einsum("ij,ij->i", one.astype(np.float64), other.astype(np.float64)), np.float64)


def genuine_pairs(subjects: IntArray, excluded: IntArray) -> IntArray:
    """All pairs of two images of one person, except those of an exclusion list, int64 (m, 2)."""
    order = np.argsort(subjects, kind="stable")
    found = []
    for rows in np.split(order, np.flatnonzero(np.diff(subjects[order])) + 1):
        left, right = np.triu_indices(len(rows), 1)
        found.append(np.sort(np.stack([rows[left], rows[right]], axis=1), axis=1))
    pairs = np.concatenate(found) if found else np.empty((0, 2), np.int64)
    out = np.sort(excluded.reshape(-1, 2), axis=1) @ np.array([len(subjects), 1])
    return np.asarray(pairs[~np.isin(pairs @ np.array([len(subjects), 1]), out)], np.int64)


def tables(
    trials: Sequence[Trials],
    manifest: pd.DataFrame,
    groupings: Sequence[tuple[str, ...]],
    primary: str,
    models: Mapping[str, str],
    units: IntArray,
    rules: Rules,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """STRESS and STRESS_GAPS; `primary` by the first grouping has verdicts, everything else is exploratory.

    units : sampling unit of each row of the manifest, int64 (rows,)
    """
    subjects = np.asarray(pd.factorize(manifest["subject"])[0], np.int64)
    rates: list[dict[str, object]] = []
    gaps: list[dict[str, object]] = []
    for k, grouping in enumerate([(), *groupings]):
        cells = cells_of(manifest, grouping)
        for metric in dict.fromkeys(one.metric for one in trials):
            own = [one for one in trials if one.metric == metric and len(one.rows)]
            if not own:
                continue
            doses = [doses_by(one, cells, units) for one in own]
            sizes = people_of(own, cells, units)
            ranked = [g for g in np.flatnonzero(cells.known).tolist() if sizes[g] >= rules.min_subjects]
            common = {"metric": metric, "model": models[metric], "family": "*".join(grouping)}
            rates += rate_rows(own, doses, cells, (subjects, units), ranked, common, rules)
            if grouping:
                found = interaction_tests(doses, ranked, margin=rules.margin, alpha=rules.alpha, level=rules.level)
                is_primary = k == 1 and metric == primary
                gaps += gap_rows(own, found, cells, sizes, common | {"primary": is_primary}, rules)
    return check(pd.DataFrame(rates), STRESS, "stress.csv"), check(
        pd.DataFrame(gaps, columns=list(STRESS_GAPS.columns)), STRESS_GAPS, "stress_gaps.csv"
    )


def people_of(trials: Sequence[Trials], cells: Cells, units: IntArray) -> list[int]:
    """The minimum number of sampling units of each group over the doses."""
    return [
        min(len(np.unique(units[one.rows[cells.codes[one.rows] == g]])) for one in trials)
        for g in range(len(cells.groups))
    ]


def doses_by(one: Trials, cells: Cells, units: IntArray) -> Doses:
    """The additional errors of every sampling unit in every group at one dose."""
    shape = (len(cells.groups), int(units.max(initial=-1)) + 1)
    known = cells.codes[one.rows] >= 0
    place = cells.codes[one.rows][known] * shape[1] + units[one.rows][known]

    def counted(chosen: BoolArray) -> FloatArray:
        return np.bincount(place[chosen], minlength=shape[0] * shape[1]).reshape(shape).astype(np.float64)

    return doses_of(counted(one.before[known]), counted(one.after[known]), counted(np.ones(len(place), np.bool_)))


def rate_rows(
    trials: Sequence[Trials],
    doses: Sequence[Doses],
    cells: Cells,
    who: tuple[IntArray, IntArray],
    ranked: Sequence[int],
    common: Mapping[str, object],
    rules: Rules,
) -> list[dict[str, object]]:
    """Rows of STRESS: the unperturbed images once, then every dose. who : person and sampling unit of each row"""
    found = []
    subjects, units = who
    for k, (one, changes) in enumerate(zip(trials, doses, strict=True)):
        for plain in (True, False) if k == 0 else (False,):
            wrong = one.before if plain else one.after
            group = cells.codes[one.rows]
            rates = clustered_rates(
                wrong,
                None,
                subjects[one.rows],
                group,
                n_cells=len(cells.groups),
                level=rules.level,
                units=units[one.rows],
            )
            for g, name in enumerate(cells.groups):
                rate, inside = rates.rate(g), group == g
                change = None if plain or not rate.trials else changes.change(g, level=rules.level)
                before = int(one.before[inside].sum())
                found.append(
                    {
                        **common,
                        "perturbation": NONE if plain or one.dose is None else one.dose.name,
                        "dose": np.nan if plain or one.dose is None else one.dose.amount,
                        "unit": "" if plain or one.dose is None else one.dose.of.unit,
                        "threshold": one.threshold,
                        "group": str(name),
                        "ranked": g in ranked,
                        "errors": rate.errors,
                        "trials": rate.trials,
                        "subjects": rate.subjects,
                        "value": rate.value,
                        "low": rate.low,
                        "high": rate.high,
                        "errors_before": before,
                        "value_before": before / rate.trials if rate.trials else np.nan,
                        "change": (rate.errors - before) / rate.trials if rate.trials else np.nan,
                        "change_low": np.nan if change is None else change.low,
                        "change_high": np.nan if change is None else change.high,
                        "p": np.nan if change is None else change.p,
                        "level": rules.level,
                    }
                )
    return found


def gap_rows(
    trials: Sequence[Trials],
    found: Sequence[Sequence[Interaction]],
    cells: Cells,
    sizes: Sequence[int],
    common: Mapping[str, object],
    rules: Rules,
) -> list[dict[str, object]]:
    """Rows of STRESS_GAPS."""
    rows = []
    for one, interactions in zip(trials, found, strict=True):
        assert one.dose is not None
        for each in interactions:
            changes = [change_of(one, cells, g) for g in (each.group_a, each.group_b)]
            exploratory = not common["primary"]
            rows.append(
                {
                    **common,
                    "perturbation": one.dose.name,
                    "dose": one.dose.amount,
                    "unit": one.dose.of.unit,
                    "threshold": one.threshold,
                    "group_a": str(cells.groups[each.group_a]),
                    "group_b": str(cells.groups[each.group_b]),
                    "subjects_a": sizes[each.group_a],
                    "subjects_b": sizes[each.group_b],
                    "change_a": changes[0],
                    "change_b": changes[1],
                    "difference": changes[0] - changes[1],
                    "difference_low": each.plain.low,
                    "difference_high": each.plain.high,
                    "level": rules.level,
                    "p": each.plain.p,
                    "p_adjusted": each.p_adjusted,
                    "margin": rules.margin,
                    "verdict": EXPLORATORY if exploratory else each.verdict,
                    "decided_low": np.nan if exploratory else each.decided.low,
                    "decided_high": np.nan if exploratory else each.decided.high,
                    "decided_level": np.nan if exploratory else each.decided_level,
                }
            )
    return rows


def change_of(one: Trials, cells: Cells, group: int) -> float:
    """The plain change of a group's rate, without the people that its interval adds."""
    inside = cells.codes[one.rows] == group
    return float(one.after[inside].mean() - one.before[inside].mean()) if inside.any() else float("nan")
