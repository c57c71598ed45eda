"""Names of columns that no label may have."""

from __future__ import annotations

from facegap.tables.ages import AGE_CHECKS, AGE_CURVE, AGE_ERRORS, AGE_TARGET, AGE_YEARS
from facegap.tables.outcomes import FACE_OUTCOMES
from facegap.tables.quality import EDC_POINTS, QUALITY_BY_GROUP, QUALITY_GATE
from facegap.tables.rates import ALARMS, BY_FRAMES

# Columns that stand beside label columns: a label of such a name would be overwritten. No manifest has those of RATES
# (inputs/manifests/read.py); these are of tables that a run may have besides: of those with a schema, then of waterfall, scores,
# identification, population, transfer, bob, never_shown and age.
BESIDE_LABELS = frozenset(
    name
    for schema in (BY_FRAMES, ALARMS, AGE_CHECKS, AGE_YEARS, AGE_CURVE, AGE_TARGET, AGE_ERRORS)
    for name in schema.columns
) | {
    *("images", "templates", "decoded", "detected", "enrolled", "labelled", "answered", "right", "judged"),
    *(
        "set_aside",
        "compared",
        "with_mate",
        "matched",
        "genuine_pairs",
        "genuine_mean",
        "impostor_pairs",
        "impostor_mean",
    ),
    *("equal_error_rate", "equal_error_threshold", "equal_error_convention"),
    *("gallery", "non_mated", "mated", "rank", "identified"),
    *("unweighted_value", "weighted_value", "effective_units", "note", "estimand"),
    *("operating_threshold", "operating_value", "change_from_operating", "own_threshold"),
    *("lost_pairs", "pairs", "fta", "fmr", "fnmr", "far", "frr", "hter", "files", *FACE_OUTCOMES),
    "mean_absolute_error_years",
}
BESIDE_LABELS_OF_QUALITY = frozenset(
    name for schema in (QUALITY_GATE, QUALITY_BY_GROUP, EDC_POINTS) for name in schema.columns
)
