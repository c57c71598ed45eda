"""Tables of benchmark protocols."""

from __future__ import annotations

from facegap.tables.schema import BOOL, FLOAT, INT, NULLABLE_INT, TEXT, Column, Schema

PROTOCOL_LIST = Schema(
    "PROTOCOL_LIST",  # the pairs of a benchmark protocol in its order; a pair that it lists twice stands here twice
    {
        "pair": INT,  # row of pairs.parquet
        "genuine": BOOL,  # as the protocol labels it
        "fold": INT,  # from 0; -1 in a protocol without folds
        "part": TEXT,  # list that it is of, where the protocol has several
    },
)

PROTOCOL = Schema(
    "PROTOCOL",  # protocol.csv: what the protocol itself prints
    {
        "part": TEXT,  # list of the protocol, such as a race of RFW; empty for all pairs
        "number": Column("str", choices=("accuracy", "tar", "identified", "tpir")),
        "rule": Column("str", choices=("insightface", "facex-zoo", "strict")),
        "far_target": FLOAT,  # of tar; of tpir the FPIR
        "rank": NULLABLE_INT,  # of identified and tpir: candidates that are read
        "value": FLOAT,
        "spread": FLOAT,  # of accuracy over the folds
        "spread_is": TEXT,  # which spread the rule prints
        "hits": INT,  # correct pairs of accuracy, accepted genuine pairs of tar, mates that were found
        "trials": INT,  # all pairs, genuine pairs, mated searches
        "false_accepts": NULLABLE_INT,  # of tar and tpir, of `impostors`: pairs, and searches without a mate
        "impostors": NULLABLE_INT,
        "far": FLOAT,  # reached, which by the rule of InsightFace may exceed the target
        "threshold": FLOAT,  # of tar; of accuracy the mean over folds
        "not_compared": INT,  # pairs without a score, counted as rejected
        "undefined_because": TEXT,  # where there is no value
    },
)
