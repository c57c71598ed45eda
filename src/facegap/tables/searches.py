"""Tables of searches (1:N)."""

from __future__ import annotations

from facegap.tables.schema import FLOAT, INT, TEXT, Column, Schema

SEARCH_ROLES = Schema(
    "SEARCH_ROLES",  # search_roles.parquet: role of each image in the searches
    {"row": INT, "role": Column("str", choices=("gallery", "probe", ""))},  # empty for an image that was not used
)
CANDIDATES = Schema(
    "CANDIDATES",  # identification.parquet: the candidates of each search
    {
        "probe": INT,  # position in manifest.parquet of the image searched for
        "rank": INT,  # from 1
        "gallery": INT,  # position of the candidate
        "score": FLOAT,  # higher is more similar
    },
)
FRAME_SEARCHES = Schema(
    "FRAME_SEARCHES",  # frame_searches.parquet: the candidates of searches with the first frames only
    {
        "frames": INT,  # maximum per template
        "probe": INT,  # row of templates.parquet
        "rank": INT,  # from 1
        "gallery": INT,  # row of the candidate
        "score": FLOAT,  # higher is more similar
    },
)
CMC = Schema(
    "CMC",  # identification.csv: rate at which the mate is among the first candidates, by group and rank
    {
        "model": TEXT,
        "gallery": INT,  # images of the group to enrol
        "non_mated": INT,  # searches of the group without a mate in the gallery
        "rank": INT,  # candidates that are read
        "mated": INT,  # searches with a mate
        "subjects": INT,
        "identified": INT,  # of these, with the mate among the candidates
        "value": FLOAT,
        "low": FLOAT,
        "high": FLOAT,
        "level": FLOAT,
        "method": TEXT,
    },
    labels_after="model",
)
