"""Tables of the outcomes of images, by group."""

from __future__ import annotations

from facegap.tables.outcomes import NEVER_SHOWN
from facegap.tables.schema import COUNT_IF_ANY, FIRST, FLOAT_IF_ANY, INT, TEXT_IF_ANY, Schema

WATERFALL = Schema(
    "WATERFALL",  # waterfall.csv: how many images of each group reached each stage; a stage that the run lacks has no column
    {
        "images": COUNT_IF_ANY,  # all, of which each further stage is a part
        "templates": COUNT_IF_ANY,  # in place of images, where templates are pooled from several
        "decoded": COUNT_IF_ANY,  # shown to a model
        "detected": COUNT_IF_ANY,  # with a face
        "enrolled": COUNT_IF_ANY,  # with a usable face or a template
        "labelled": COUNT_IF_ANY,  # with a label that is a class of the model
        "answered": COUNT_IF_ANY,  # with an answer
        "right": COUNT_IF_ANY,  # with a right answer
        "set_aside": COUNT_IF_ANY,  # of people whose pairs set the threshold
        "judged": COUNT_IF_ANY,  # left to evaluate
        "compared": COUNT_IF_ANY,  # in a comparison
        "with_mate": COUNT_IF_ANY,  # with a second photograph of the person
        "matched": COUNT_IF_ANY,  # with every mated comparison accepted
        "threshold": FLOAT_IF_ANY,  # that `matched` is evaluated at
        "threshold_from": TEXT_IF_ANY,
    },
    labels_after=FIRST,
)

NEVER_SHOWN_FILES = Schema(
    "NEVER_SHOWN_FILES",  # never_shown.csv: files of each group that no model was shown, by outcome
    {
        "files": INT,  # all
        **dict.fromkeys(NEVER_SHOWN, INT),  # files with that outcome
    },
    labels_after=FIRST,
)
