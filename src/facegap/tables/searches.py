"""Tables of searches (1:N)."""

from __future__ import annotations

from facegap.tables.schema import FLOAT, INT, TEXT, Column, Schema

SEARCH_ROLES = Schema(
    "SEARCH_ROLES",  # search_roles.parquet: what each image was for in the searches
    {"row": INT, "role": Column("str", choices=("gallery", "probe", ""))},  # empty for an image that took no part
)
CANDIDATES = Schema(
    "CANDIDATES",  # identification.parquet: the candidates of each search
    {
        "probe": INT,  # position in manifest.parquet of the image searched for
        "rank": INT,  # from 1
        "gallery": INT,  # position of the candidate
        "score": FLOAT,  # higher is more alike
    },
)
FRAME_SEARCHES = Schema(
    "FRAME_SEARCHES",  # frame_searches.parquet: the candidates of searches with the first frames alone
    {
        "frames": INT,  # of each template at most
        "probe": INT,  # row of templates.parquet
        "rank": INT,  # from 1
        "gallery": INT,  # row of the candidate
        "score": FLOAT,  # higher is more alike
    },
)
CMC = Schema(
    "CMC",  # identification.csv: how often the mate is among the first candidates, by group and rank
    {
        "model": TEXT,
        "gallery": INT,  # images of the group to enrol
        "non_mated": INT,  # searches of the group without a mate in the gallery
        "rank": INT,  # candidates that are read
        "mated": INT,  # searches with a mate
        "subjects": INT,
        "identified": INT,  # of these, whose mate is among them
        "value": FLOAT,
        "low": FLOAT,
        "high": FLOAT,
        "level": FLOAT,
        "method": TEXT,
    },
    labels_after="model",
)
