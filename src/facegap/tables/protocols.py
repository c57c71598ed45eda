"""Tables of benchmark protocols."""

from __future__ import annotations

from facegap.tables.schema import BOOL, FLOAT, INT, NULLABLE_INT, TEXT, Column, Schema

PROTOCOL_LIST = Schema(
    "PROTOCOL_LIST",  # the pairs of a benchmark protocol in its order; a pair listed twice is here twice
    {
        "pair": INT,  # row of pairs.parquet
        "genuine": BOOL,  # as labelled by the protocol
        "fold": INT,  # from 0; -1 in a protocol without folds
        "part": TEXT,  # list to which it belongs, if the protocol has several
    },
)

PROTOCOL = Schema(
    "PROTOCOL",  # protocol.csv: the results of the protocol itself
    {
        "part": TEXT,  # list of the protocol, such as a race of RFW; empty for all pairs
        "number": Column("str", choices=("accuracy", "tar", "identified", "tpir")),
        "rule": Column("str", choices=("insightface", "facex-zoo", "strict")),
        "far_target": FLOAT,  # for tar; for tpir the FPIR
        "rank": NULLABLE_INT,  # for identified and tpir: candidates that are read
        "value": FLOAT,
        "spread": FLOAT,  # for accuracy, over the folds
        "spread_is": TEXT,  # spread reported by the rule
        "hits": INT,  # for accuracy correct pairs, for tar accepted genuine pairs, for searches mates found
        "trials": INT,  # all pairs, genuine pairs, mated searches
        "false_accepts": NULLABLE_INT,  # for tar and tpir, out of `impostors`: pairs, and searches without a mate
        "impostors": NULLABLE_INT,
        "far": FLOAT,  # reached; by the InsightFace rule it may exceed the target
        "threshold": FLOAT,  # for tar; for accuracy the mean over folds
        "not_compared": INT,  # pairs without a score, counted as rejected
        "undefined_because": TEXT,  # if there is no value
    },
)
