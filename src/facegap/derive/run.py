"""All result tables of a run from its stored rows and counts; recheck derives them again and compares."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from facegap.derive.ages.checks import age_check_tables
from facegap.derive.ages.errors import age_error_tables
from facegap.derive.alarms import alarms_table
from facegap.derive.asked import ASKED_TABLE, asked_pairs, asked_table
from facegap.derive.attacks import FILE as IAPAR_FILE
from facegap.derive.attacks import iapar_table
from facegap.derive.balanced.audited import EXPLAINED, explained_table
from facegap.derive.bob import bob_table
from facegap.derive.comparisons import Comparisons, counted_comparisons, finest_cells, listed_comparisons
from facegap.derive.differentials import differentials_table
from facegap.derive.edges import EDGES, edges_table
from facegap.derive.first_frames import frames_table
from facegap.derive.gaps import gaps_table, image_gaps
from facegap.derive.identification import cmc_table, search_gaps, search_rates
from facegap.derive.label_uncertainty.pairs import verification_gaps
from facegap.derive.label_uncertainty.trust import trust_table
from facegap.derive.metrics import FMR
from facegap.derive.named_group import named_group
from facegap.derive.never_shown import never_shown_table
from facegap.derive.outcomes import shown_to_a_model
from facegap.derive.outputs import output_tables
from facegap.derive.population import population_tables
from facegap.derive.protocols import protocol_table
from facegap.derive.quality import quality_tables
from facegap.derive.results import age_table, groupings_of, model_of, rates_table
from facegap.derive.scores import review_table, scores_table
from facegap.derive.slopes import slopes_table
from facegap.derive.transfer import transfer_table
from facegap.derive.units import subject_codes, units_of_run
from facegap.derive.verification import GroupRates, group_rates, verification_rows
from facegap.derive.waterfall import stages_of, waterfall_table
from facegap.derive.weights import rates_as_weighted
from facegap.errors import RunError
from facegap.store.record import Operating
from facegap.store.run import Matched, Run
from facegap.tables import RATES, check
from facegap.types import BoolArray

EVALUATION = "evaluation"


def derived(run: Run) -> Run:
    """The run with all tables derived from the stored data."""
    pairs = comparisons_of(run)
    rates, looked = rates_table(run), image_gaps(run)
    extra: dict[str, pd.DataFrame] = {}
    operating = operating_of(run)
    if pairs is not None and run.matched is not None:
        found = list(group_rates(pairs, run.manifest, groupings_of(run), operating, run.record.level))
        model = model_of(run, FMR.name)
        rates = joined(
            rates, verification_rows(found, pairs, model, groupings_of(run), run.record.level, target_group(run))
        )
        looked += verification_gaps(run, pairs, found, model)
        extra |= verification_tables(run, run.matched, pairs, found, model)
    if run.searched is not None:
        rates = joined(rates, search_rates(run, run.searched))
        looked += search_gaps(run, run.searched)
        extra["identification.csv"] = cmc_table(run, run.searched)
    frames = frames_table(run, pairs)
    if len(frames):
        extra["frames.csv"] = frames
    alarms = alarms_table(run)
    if len(alarms):
        extra["alarms.csv"] = alarms
    gaps = gaps_table(run.record, looked)
    first = operating[0] if operating else Operating(np.nan, "none")
    stages = stages_of(
        run.faces,
        run.predictions,
        detected="detect" in run.record.models,
        says_gender=bool(run.record.classes),
        counted=run.counted,
        pairs=pairs,
        cut=first.threshold if pairs is None else pairs.cut(first),
    )
    extra["waterfall.csv"] = waterfall_table(run.manifest, stages, groupings_of(run), None if pairs is None else first)
    images, faces = run.by_image
    service_pairs = asked_table(run)
    if len(service_pairs):
        extra[ASKED_TABLE] = service_pairs
    lost = never_shown_table(images, faces["outcome"], groupings_of(run))
    if len(lost):
        extra["never_shown.csv"] = lost
    extra |= population_tables(run, pairs)
    if run.record.protocol is not None:
        extra["protocol.csv"] = protocol_table(run)
    slopes = slopes_table(run, pairs)
    if len(slopes):
        extra["slopes.csv"] = slopes
    extra |= quality_tables(run, pairs)
    balanced = explained_table(replace(run, rates=rates), pairs)
    if len(balanced):
        extra[EXPLAINED] = balanced
    extra |= output_tables(run)
    attacks = iapar_table(run, pairs)
    if len(attacks):
        extra[IAPAR_FILE] = attacks
    extra |= age_check_tables(run) | age_error_tables(run)
    trust = trust_table(run, gaps)
    if len(trust):
        extra["label_trust.csv"] = trust
    rates = check(rates_as_weighted(rates, run.record), RATES, "rates")
    return replace(run, rates=rates, gaps=gaps, age=age_table(run), extra=extra)


def joined(rates: pd.DataFrame, rows: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """Rows appended to RATES."""
    more = pd.concat([rates, pd.DataFrame(rows, columns=rates.columns)], ignore_index=True)
    return check(more, RATES, RATES.name)


def operating_of(run: Run) -> list[Operating]:
    """The thresholds of a run and their sources."""
    return list(run.record.operating)


def verification_tables(
    run: Run, matched: Matched, pairs: Comparisons, found: Sequence[GroupRates], model: str
) -> dict[str, pd.DataFrame]:
    """The further tables of a verification audit by file name, without empty ones."""
    groupings, level = groupings_of(run), run.record.level
    points = run.record.transfer_points
    least = run.record.min_subjects
    tables = {
        "review_pairs.csv": review_table(pairs, run.manifest),
        "scores.csv": scores_table(
            pairs, matched.counts, run.manifest, groupings, run.record.request.setting("verify", "eer") or "midpoint"
        )
        if run.record.has_curve
        else pd.DataFrame(),
        "transfer.csv": transfer_table(pairs, run.manifest, groupings, points, operating_of(run), model, level, least),
        "differentials.csv": pd.DataFrame() if run.record.sampled else differentials_table(found, pairs, least),
    }
    tables[EDGES] = edges_table(pairs, matched.counts, run.manifest, groupings, model, level)
    if run.record.request.setting("verify", "bob_rates"):
        tables["bob_rates.csv"] = bob_table(found, groupings)
    return {name: table for name, table in tables.items() if len(table)}


def target_group(run: Run) -> BoolArray | None:
    """Templates over whose impostor pairs a target is set, if the threshold was set on the evaluated people; None: all."""
    named = run.record.request.setting("verify", "fmr_on")
    if not isinstance(named, str) or not any(
        point.interval and point.interval.same_people for point in operating_of(run)
    ):
        return None
    return named_group(run.manifest, run.record.groupings, named)


def all_comparisons_of(run: Run, what: str) -> Comparisons | None:
    """`comparisons_of` for uses that need all pairs. what : the caller, as named in the error

    Raises
    ------
    RunError : if the run compared a sample of all pairs
    """
    if run.record.sampled:
        raise RunError(
            f"{what} counts pairs, but this run compared a weighted sample of them; its rates and gaps are in "
            f"rates.csv and gaps.csv. Run the audit on all pairs for this"
        )
    return comparisons_of(run)


def comparisons_of(run: Run, *, rates: bool = True) -> Comparisons | None:
    """The comparisons of a run; None without any. rates : whether rates of groups are needed, not only scores"""
    matched = run.matched
    if matched is None:
        return None
    subjects, units = subject_codes(run.manifest), units_of_run(run)
    enrolled = (run.faces["outcome"] == "ok").to_numpy(np.bool_)
    counted = (matched.roles == EVALUATION) & shown_to_a_model(run.faces)
    if matched.counts is not None:
        return counted_comparisons(matched.counts, subjects, enrolled, counted, matched.excluded, units, matched.folds)
    assert matched.pairs is not None
    cells = finest_cells(run.manifest, groupings_of(run)) if rates else None
    return listed_comparisons(
        asked_pairs(matched.pairs), subjects, enrolled, counted, matched.excluded, cells, units, matched.folds
    )
