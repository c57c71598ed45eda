"""What a reader of a run must know of labels of tone: who gave them, who has none, and what their uncertainty leaves out."""

from __future__ import annotations

from collections.abc import Sequence

from facegap.derive.groupings import Grouping
from facegap.derive.label_uncertainty.pairs import MOST_DRAWN_IMAGES
from facegap.inputs.manifests.read import JoinedLabels
from facegap.store.record import LabelColumn

MEASURED_WORDS = (
    "labels named measured were measured from pixels: they say how light skin came out in these photographs, not how a "
    "person is perceived, and nothing about race or ancestry"
)
LOST_WORDS = (
    "an image without a usable face has no measured tone, so by measured_tone and measured_monk fta is not compared, and "
    "the other rates are of images whose tone could be measured"
)
ANNOTATED_WORDS = (
    "labels named annotated are what annotators saw in these photographs; their uncertainty is the disagreement of the annotators, and "
    "an error that all of them share is not in it"
)
DRAWN_WORDS = (
    "label uncertainty: drawn labels blur groups, so a gap between tones is nearer to none under them; label_attenuation says "
    "how much is left if labels err independently of the model, and nothing was corrected by it. Labels that are wrong more "
    "often where the model errs, as in dark or blurred photographs, can move a gap either way, and no draw shows it"
)
FMR_WORDS = (
    "drawn labels mix pairs across groups into a group's false matches, so what is left of a gap in FMR is not known, and none "
    "is called small under label uncertainty"
)
TOO_MANY_WORDS = "more than {most:,} images: rates of comparisons (FMR, FNMR) take labels as certain"
SEARCHED_WORDS = "rates of searches (1:N) take labels as certain: label uncertainty is not in their gaps"


def label_warnings(
    joined: JoinedLabels | None, groupings: Sequence[Grouping], images: int, *, compared: bool, searched: bool = False
) -> list[str]:
    """What a reader must know of the labels that a run is split by: who gave them, who has none, what their uncertainty leaves out.

    images   : rows of the manifest
    compared, searched : the run has rates of comparisons, of searches
    """
    used = {name for grouping in groupings for name in grouping}
    columns = {} if joined is None else {name: said for name, said in joined.record.columns.items() if name in used}
    sources = {stated.source for stated in columns.values()}
    found = [MEASURED_WORDS, LOST_WORDS] if "measured" in sources else []
    found += [ANNOTATED_WORDS] if "annotated" in sources else []
    for name, stated in columns.items():
        found += [*stated.notes, *lost_words(name, stated), *uncertainty_words(name, stated)]
    found += [
        f"{'*'.join(grouping)}: split by two labels of tone, whose uncertainty is not known jointly, so its label_ columns are empty"
        for grouping in groupings
        if len(set(grouping) & set(columns)) > 1
    ]
    found += [DRAWN_WORDS] if any(stated.uncertainty == "known" for stated in columns.values()) else []
    if columns and compared:
        found.append(FMR_WORDS if images <= MOST_DRAWN_IMAGES else TOO_MANY_WORDS.format(most=MOST_DRAWN_IMAGES))
    return [*found, SEARCHED_WORDS] if columns and searched else found


def lost_words(name: str, stated: LabelColumn) -> list[str]:
    """How many rows have no label, and why."""
    lost = sum(stated.without_label.values())
    if not lost:
        return []
    why = ", ".join(f"{reason}: {count}" for reason, count in stated.without_label.items())
    whole = lost + sum(stated.rows.values())
    return [f"{name}: {lost} of {whole} rows have no label ({why}); they are in no gap between groups"]


def uncertainty_words(name: str, stated: LabelColumn) -> list[str]:
    """Where the uncertainty of a column is not known."""
    if stated.uncertainty == "known":
        return []
    return [
        f"{name}: how uncertain its labels are is not known{stated.why_unknown}, so the label_ columns of its gaps are "
        "empty; that does not mean that they are certain"
    ]
