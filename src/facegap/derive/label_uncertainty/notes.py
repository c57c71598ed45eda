"""Notes for readers of a run on labels of tone: their source, missing labels, and the limits of their uncertainty."""

from __future__ import annotations

from collections.abc import Sequence

from facegap.derive.groupings import Grouping
from facegap.derive.label_uncertainty.pairs import MOST_RESAMPLED_IMAGES
from facegap.inputs.manifests.read import JoinedLabels
from facegap.store.record import LabelColumn

MEASURED_WORDS = (
    "labels named measured were measured from pixels: they show how light skin appears in these photographs, not how "
    "a person is perceived, and nothing about race or ancestry"
)
LOST_WORDS = (
    "an image without a usable face has no measured tone, so fta is not compared by measured_tone and measured_monk, "
    "and the other rates refer to images whose tone could be measured"
)
ANNOTATED_WORDS = (
    "labels named annotated are the judgement of annotators on these photographs; their uncertainty is the "
    "disagreement between annotators, and does not include errors shared by all of them"
)
RESAMPLING_WORDS = (
    "label uncertainty: resampled labels mix groups, so a gap between tones is closer to zero with them; "
    "label_attenuation shows how much remains if label errors are independent of the model; no result was corrected "
    "by it. If labels are wrong more often where the model is wrong, as in dark or blurred photographs, a gap can change "
    "in either direction, which resampling does not show"
)
FMR_WORDS = (
    "resampled labels mix pairs across groups into a group's false matches, so the remaining gap in FMR is not "
    "known, and no such gap is called small under label uncertainty"
)
TOO_MANY_WORDS = "more than {most:,} images: rates of comparisons (FMR, FNMR) treat labels as certain"
SEARCHED_WORDS = "rates of searches (1:N) treat labels as certain; their gaps do not include label uncertainty"


def label_warnings(
    joined: JoinedLabels | None, groupings: Sequence[Grouping], images: int, *, compared: bool, searched: bool = False
) -> list[str]:
    """Notes on the labels by which a run is split: their source, missing labels, and the limits of their uncertainty.

    images   : rows of the manifest
    compared, searched : whether the run has rates of comparisons, of searches
    """
    used = {name for grouping in groupings for name in grouping}
    columns = {} if joined is None else {name: said for name, said in joined.record.columns.items() if name in used}
    sources = {stated.source for stated in columns.values()}
    found = [MEASURED_WORDS, LOST_WORDS] if "measured" in sources else []
    found += [ANNOTATED_WORDS] if "annotated" in sources else []
    for name, stated in columns.items():
        found += [*stated.notes, *lost_words(name, stated), *uncertainty_words(name, stated)]
    found += [
        f"{'*'.join(grouping)}: uses two labels of tone, whose joint uncertainty is not known, so its label_ columns "
        f"are empty"
        for grouping in groupings
        if len(set(grouping) & set(columns)) > 1
    ]
    found += [RESAMPLING_WORDS] if any(stated.uncertainty == "known" for stated in columns.values()) else []
    if columns and compared:
        found.append(
            FMR_WORDS if images <= MOST_RESAMPLED_IMAGES else TOO_MANY_WORDS.format(most=MOST_RESAMPLED_IMAGES)
        )
    return [*found, SEARCHED_WORDS] if columns and searched else found


def lost_words(name: str, stated: LabelColumn) -> list[str]:
    """Sentence on the number of rows without a label, and the reasons."""
    lost = sum(stated.without_label.values())
    if not lost:
        return []
    why = ", ".join(f"{reason}: {count}" for reason, count in stated.without_label.items())
    whole = lost + sum(stated.rows.values())
    return [f"{name}: {lost} of {whole} rows have no label ({why}); they are excluded from gaps between groups"]


def uncertainty_words(name: str, stated: LabelColumn) -> list[str]:
    """Sentence for a column whose uncertainty is unknown."""
    if stated.uncertainty == "known":
        return []
    return [
        f"{name}: the uncertainty of its labels is not known{stated.why_unknown}, so the label_ columns of its gaps "
        f"are "
        "empty; that does not mean that they are certain"
    ]
