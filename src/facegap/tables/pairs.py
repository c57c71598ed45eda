"""Tables of pairs: attacks."""

from __future__ import annotations

from facegap.tables.schema import FLOAT, INT, TEXT, Schema

ATTACKS = Schema(
    "ATTACKS",  # attacks.parquet: presentation attacks in a file of scores, in its order
    {
        "reference": INT,  # position in manifest.parquet of the person or image that the attack was compared with
        "species": TEXT,
        "score": FLOAT,  # higher is more alike; NaN where none came
    },
)
