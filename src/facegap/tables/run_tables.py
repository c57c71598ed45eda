"""The readable tables of a run folder by file name, and the column names that are reserved because of them."""

from __future__ import annotations

from collections.abc import Mapping

from facegap.tables.ages import AGE, AGE_CHECKS, AGE_CURVE, AGE_ERRORS, AGE_GAPS, AGE_TARGET, AGE_YEARS
from facegap.tables.causes import EXPLAIN
from facegap.tables.images_lost import NEVER_SHOWN_FILES, WATERFALL
from facegap.tables.labels import LABEL_TRUST
from facegap.tables.outcomes import FACE_OUTCOMES
from facegap.tables.pairs import ASKED_PAIRS, BOB_RATES, DIFFERENTIALS, REVIEW_PAIRS, SCORES, TRANSFER
from facegap.tables.population import SLOPES, WEIGHTED_GAPS, WEIGHTED_RATES
from facegap.tables.protocols import PROTOCOL
from facegap.tables.quality import EDC_POINTS, QUALITY_BY_GROUP, QUALITY_DIFFERENCES, QUALITY_GATE
from facegap.tables.rates import ALARMS, ANSWER_GAPS, ANSWER_RATES, BY_FRAMES, GAPS, IAPAR, RATES
from facegap.tables.schema import Schema
from facegap.tables.searches import CMC

# In addition to rates.csv, gaps.csv and age.csv; in the order in which a run is read.
EXTRA_TABLES: Mapping[str, Schema] = {
    "never_shown.csv": NEVER_SHOWN_FILES,
    "asked_pairs.csv": ASKED_PAIRS,
    "waterfall.csv": WATERFALL,
    "scores.csv": SCORES,
    "transfer.csv": TRANSFER,
    "edges.csv": RATES,
    "differentials.csv": DIFFERENTIALS,
    "identification.csv": CMC,
    "review_pairs.csv": REVIEW_PAIRS,
    "label_trust.csv": LABEL_TRUST,
    "weighted_rates.csv": WEIGHTED_RATES,
    "weighted_gaps.csv": WEIGHTED_GAPS,
    "slopes.csv": SLOPES,
    "bob_rates.csv": BOB_RATES,
    "protocol.csv": PROTOCOL,
    "frames.csv": BY_FRAMES,
    "alarms.csv": ALARMS,
    "quality_by_group.csv": QUALITY_BY_GROUP,
    "quality_differences.csv": QUALITY_DIFFERENCES,
    "quality_gate.csv": QUALITY_GATE,
    "quality_gaps.csv": GAPS,
    "edc.csv": EDC_POINTS,
    "explain.csv": EXPLAIN,
    "answer_rates.csv": ANSWER_RATES,
    "answer_gaps.csv": ANSWER_GAPS,
    "iapar.csv": IAPAR,
    "age_checks.csv": AGE_CHECKS,
    "age_years.csv": AGE_YEARS,
    "age_curve.csv": AGE_CURVE,
    "age_target.csv": AGE_TARGET,
    "age_errors.csv": AGE_ERRORS,
    "age_gaps.csv": AGE_GAPS,
}
RUN_TABLES: Mapping[str, Schema] = {"rates.csv": RATES, "gaps.csv": GAPS, "age.csv": AGE, **EXTRA_TABLES}

# Tables with label columns that a run has only on request; the requesting option checks the names.
_OF_QUALITY = (QUALITY_GATE, QUALITY_BY_GROUP, EDC_POINTS)
_ON_REQUEST = (RATES, ANSWER_RATES, IAPAR, *_OF_QUALITY)
# Columns in tables with label columns: a label of such a name would be overwritten. Those of RATES are rejected in manifests
# (inputs/manifests/read.py); these are from the other tables that any run may have.
BESIDE_LABELS = frozenset(
    name
    for schema in RUN_TABLES.values()
    if schema.labels_after is not None and schema not in _ON_REQUEST
    for name in schema.columns
) | {*FACE_OUTCOMES}
BESIDE_LABELS_OF_QUALITY = frozenset(name for schema in _OF_QUALITY for name in schema.columns)
