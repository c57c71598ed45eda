"""Tables that `facegap explore` exports as CSV, at the threshold of the page."""

from __future__ import annotations

from facegap.tables.schema import FLOAT, INT, TEXT, TEXT_IF_ANY, Schema

FAILURES = Schema(
    "FAILURES",  # failures: every failure
    {
        "kind": TEXT,  # kind of failure
        "group": TEXT,  # for images of two groups, both names separated by /
        "outcome": TEXT,
        "label": TEXT,
        "prediction": TEXT,
        "probability": FLOAT,  # of the predicted class
        "score": FLOAT,  # of a pair, higher is more similar
        "image": TEXT_IF_ANY,  # this and the following columns only with --include-ids
        "other_image": TEXT_IF_ANY,  # second image of a pair
        "subject": TEXT_IF_ANY,
        "other_subject": TEXT_IF_ANY,  # person of the second image
        "detail": TEXT_IF_ANY,
    },
)
MOVED_RATES = Schema(
    "MOVED_RATES",  # rates, searches, answers, faces: rates at the threshold of the page and in the run
    {
        "group": TEXT,
        "metric": TEXT,
        "errors": INT,  # -1 if unknown, also for the other counts
        "trials": INT,
        "subjects": INT,
        "value": FLOAT,
        "low": FLOAT,
        "high": FLOAT,
        "run_errors": INT,  # at the threshold of the run
        "run_value": FLOAT,  # rate at that threshold
        "change": FLOAT,  # value - run_value
        "level": FLOAT,
        "method": TEXT,
    },
)
MOVED_PEOPLE = Schema(
    "MOVED_PEOPLE",  # people: numbers of people who are rejected or taken for somebody else
    {
        "group": TEXT,
        "people": INT,  # of the group
        "state": TEXT,  # refused: a photograph of their own is rejected; mistaken: taken for somebody else
        "in_run": INT,  # people in that state at the threshold of the run; -1 if unknown
        "here": INT,  # at the threshold of the page
        "newly": INT,  # at the threshold of the page only
        "no_longer": INT,  # at the threshold of the run only
    },
)
MATRIX = Schema(
    "MATRIX",  # matrix: FMR between two groups
    {
        "group": TEXT,
        "other": TEXT,  # the other group
        "errors": INT,
        "trials": INT,
        "subjects": INT,
        "value": FLOAT,
        "low": FLOAT,
        "high": FLOAT,
    },
)
EXPLORED: dict[str, Schema] = {
    "rates": MOVED_RATES,
    "matrix": MATRIX,
    "people": MOVED_PEOPLE,
    "searches": MOVED_RATES,
    "answers": MOVED_RATES,
    "faces": MOVED_RATES,
    "failures": FAILURES,
}
