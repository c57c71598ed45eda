"""Tables of the demo and of reproduced published results."""

from __future__ import annotations

from facegap.tables.schema import FLOAT, INT, TEXT, Schema

SIDE_BY_SIDE = Schema(
    "SIDE_BY_SIDE",  # side_by_side.csv of `facegap demo`: both versions and the truth
    {
        "version": TEXT,  # of the models
        "metric": TEXT,  # for a gap with its verdict
        "group": TEXT,  # for a gap both groups
        **dict.fromkeys(("errors", "trials", "subjects"), FLOAT),  # empty for a gap
        "value": FLOAT,
        "low": FLOAT,
        "high": FLOAT,
        "truth": FLOAT,  # on 20,000 other illustrations
    },
)
AUDIT_CHANGES = Schema(
    "AUDIT_CHANGES",  # changes.csv of `facegap reproduce actionable-auditing`: errors of a company in both audits
    {
        "company": TEXT,  # name of the company
        "groups": TEXT,  # DF, DM, LF, LM: darker and lighter, female and male; two for a change of a gap
        "errors_before": INT,  # in the first audit
        "errors_after": INT,  # in the second audit
        "people": INT,  # of the group
        "change": FLOAT,  # of the proportion
        "change_low": FLOAT,
        "change_high": FLOAT,
        "p": FLOAT,
        "p_adjusted": FLOAT,
        "verdict": TEXT,
    },
)
ALGORITHMS = Schema(
    "ALGORITHMS",  # differentials.csv of `facegap reproduce nist-2020`: one row per algorithm
    {
        "algorithm": TEXT,  # name used by NIST
        **dict.fromkeys(("MW_MW", "MB_MB", "FW_FW", "FB_FB"), FLOAT),  # FMR of pairs of men or women, white or Black
        "black_women_over_white_men": FLOAT,  # ratio of two of these
        "lowest_by_rounding": FLOAT,  # compatible with the published rates
        "highest_by_rounding": FLOAT,  # compatible with the published rates
        **dict.fromkeys(("max_min_ratio", "max_over_geometric_mean", "gini"), FLOAT),  # measure over the four groups
    },
)
