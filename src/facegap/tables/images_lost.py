"""Tables of the outcomes of images, by group."""

from __future__ import annotations

from facegap.tables.outcomes import NEVER_SHOWN
from facegap.tables.schema import COUNT_IF_ANY, FIRST, FLOAT_IF_ANY, INT, TEXT_IF_ANY, Schema

WATERFALL = Schema(
    "WATERFALL",  # waterfall.csv: number of images of each group that reached each stage; stages not in the run have no column
    {
        "images": COUNT_IF_ANY,  # all; each further stage is a subset
        "templates": COUNT_IF_ANY,  # instead of images, if templates are pooled from several
        "decoded": COUNT_IF_ANY,  # shown to a model
        "detected": COUNT_IF_ANY,  # with a face
        "enrolled": COUNT_IF_ANY,  # with a usable face or a template
        "labelled": COUNT_IF_ANY,  # with a label that is a class of the model
        "answered": COUNT_IF_ANY,  # with a prediction
        "right": COUNT_IF_ANY,  # with a correct prediction
        "set_aside": COUNT_IF_ANY,  # of people whose pairs set the threshold
        "judged": COUNT_IF_ANY,  # left to evaluate
        "compared": COUNT_IF_ANY,  # in a comparison
        "with_mate": COUNT_IF_ANY,  # with a second photograph of the person
        "matched": COUNT_IF_ANY,  # with every mated comparison accepted
        "threshold": FLOAT_IF_ANY,  # at which `matched` is evaluated
        "threshold_from": TEXT_IF_ANY,
    },
    labels_after=FIRST,
)

NEVER_SHOWN_FILES = Schema(
    "NEVER_SHOWN_FILES",  # never_shown.csv: files of each group that were not shown to any model, by outcome
    {
        "files": INT,  # all
        **dict.fromkeys(NEVER_SHOWN, INT),  # files with that outcome
    },
    labels_after=FIRST,
)
