"""The stored rows of a stress test on images, people and scores, from which its tables can be derived again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from facegap.derive.groupings import Grouping
from facegap.derive.units import subject_codes, unit_codes
from facegap.stress.perturb import Dose
from facegap.stress.rates import Rules, Scores, answers_of, genuine_trials, image_trials, score_table, tables
from facegap.types import IntArray

RATES, GAPS, SCORES = "stress.csv", "stress_gaps.csv", "stress_scores.csv"
LABEL = "gender"  # the label with which a classifier is compared


def people_table(manifest: pd.DataFrame, groupings: Sequence[Grouping], cluster: Sequence[str]) -> pd.DataFrame:
    """For each row of a manifest, the person and the sampling unit as numbers, and the labels that the tables need."""
    names = dict.fromkeys(name for grouping in groupings for name in grouping)
    labels = [name for name in dict.fromkeys([*names, LABEL]) if name in manifest.columns]
    units = unit_codes(manifest, cluster) if cluster else subject_codes(manifest)
    return pd.DataFrame(
        {"row": manifest["row"].to_numpy(np.int64), "subject": subject_codes(manifest), "unit": units}
        | {name: manifest[name].to_numpy() for name in labels}
    )


def scores_frame(scores: Sequence[Scores]) -> pd.DataFrame:
    """Scores of mated comparisons, one row each: index of the dose, row of the probe, score without and with the perturbation."""
    return pd.DataFrame(
        {
            "dose": np.repeat(np.arange(len(scores)), [len(one.rows) for one in scores]),
            "probe": np.concatenate([one.rows for one in scores]),
            "before": np.concatenate([one.before for one in scores]),
            "after": np.concatenate([one.after for one in scores]),
        }
    )


def scores_of(frame: pd.DataFrame, doses: Sequence[Dose]) -> list[Scores]:
    """The scores of `scores_frame` by dose."""
    parts = [frame[frame["dose"] == k] for k in range(len(doses))]
    return [
        Scores(
            dose,
            *(part[name].to_numpy(kind) for name, kind in (("probe", np.int64), ("before", float), ("after", float))),
        )
        for dose, part in zip(doses, parts, strict=True)
    ]


def doses_of(record: Mapping[str, Any]) -> list[Dose]:
    """The doses of a stress test."""
    return [Dose(str(name), float(amount)) for name, amount, _ in record["asked"]["doses"]]


def tables_of(
    record: Mapping[str, Any], rows: pd.DataFrame, people: pd.DataFrame, scores: Sequence[Scores] | None
) -> dict[str, pd.DataFrame]:
    """The tables of a stress test by file name, from its record and its stored rows.

    rows   : a record per image and dose; people : of `people_table`
    scores : of mated comparisons; None without an embedder
    """
    doses, groupings = doses_of(record), [tuple(map(str, one)) for one in record["groupings"]]
    classes, names, primary = record["classes"], record["models"], str(record["primary"])
    answers = answers_of(rows.assign(image=""), people, doses, classes, None)
    trials = image_trials(answers, doses, classifies=bool(classes))
    evaluated = str(names["classify" if scores is None else "embed"])
    if scores is not None:
        trials += genuine_trials(scores, float(record["threshold"]))
    models = {one.metric: str(names["detect"]) if one.metric == "fta" else evaluated for one in trials}
    rules = Rules(*(record[name] for name in ("level", "alpha", "margin", "min_subjects")))
    units: IntArray = people["unit"].to_numpy(np.int64)
    rates, gaps = tables(trials, people, groupings, primary, models, units, rules)
    found = {RATES: rates, GAPS: gaps}
    if scores is not None:
        found[SCORES] = score_table(scores, people, groupings, evaluated, units, rules.level)
    return found
