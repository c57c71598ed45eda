"""Check before the first image that the labels of a manifest can be compared with the predictions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from facegap.derive.groupings import Grouping, cells_of
from facegap.derive.never_shown import by_group
from facegap.errors import TableError
from facegap.inputs.manifests.labels import UNKNOWN
from facegap.inputs.manifests.read import Manifest
from facegap.types import BoolArray

GENDER_WORDS = frozenset(("gender", "genders", "genderlabel", "sex", "sexes", "sexe", "geschlecht", "genero", "genre"))
MOST_WORDS = 8  # of a column, listed in a message


def require_labels(table: Manifest, classes: Sequence[str], *, says_age: bool) -> None:
    """Raise an error if no label can be compared with a prediction.

    classes  : of gender that can be predicted; if none, gender is not evaluated
    says_age : ages are predicted too, so that a manifest with age labels alone is sufficient

    Raises
    ------
    TableError : if there is no column gender, or none of its labels is a class
    """
    if not classes:
        return
    labels = table.frame["gender"] if "gender" in table.frame.columns else pd.Series(dtype="str")
    known = labels[labels != UNKNOWN]
    expected = ", ".join(classes)
    if not len(known):
        if says_age and "age" in table.frame.columns and (table.frame["age"] != UNKNOWN).any():
            return
        near = [name for name in table.labels if plain(name) in GENDER_WORDS and name != "gender"]
        what = "the column gender has no label" if len(labels) else "the manifest has no column gender"
        cure = f"rename {near[0]} to gender" if near else "add it"
        raise TableError(f"{what}, so no prediction ({expected}) can be correct or wrong; {cure}")
    if not labels.isin(list(classes)).any():
        raise TableError(
            f"column gender: no label is one of the predicted classes ({expected}); there are "
            f"{common_words(labels, UNKNOWN)}. "
            "Translate them, for example --map gender:weiblich=female,gender:maennlich=male"
        )


def plain(name: str) -> str:
    """A column name in lower case without spaces, hyphens and underscores."""
    return name.casefold().translate(str.maketrans("", "", "_- "))


def require_answers(said: pd.Series, classes: Sequence[str], ages: pd.Series) -> None:
    """Raise an error if no prediction is a class.

    said : predictions, empty for none; ages : NaN for none

    Raises
    ------
    TableError : if no prediction is a class, or all are missing
    """
    if (said == "").all() and ages.isna().all():
        raise TableError(
            "column prediction: every prediction is empty or a word for a missing value, so there is nothing to "
            "evaluate"
        )
    if classes and not said.isin(list(classes)).any():
        raise TableError(
            f"column prediction: no prediction is one of the classes ({', '.join(classes)}); there are {common_words(said, '')}. "
            "Translate them, for example --map prediction:0=female,1=male, or give the classes with --classes"
        )


def rows_without_answer(table: pd.DataFrame, absent: BoolArray, groupings: Sequence[Grouping]) -> str:
    """How many images have no row in a file of predictions, by group; empty for none. absent : bool (rows,)."""
    if not absent.any():
        return ""
    parts = [f"{int(absent.sum()):,} of {len(absent):,} images of the manifest have no row in the file of predictions"]
    for grouping in groupings:
        if grouping:
            cells = cells_of(table, grouping)
            counts = [
                (int((absent & (cells.codes == k)).sum()), int((cells.codes == k).sum()))
                for k in range(len(cells.groups))
            ]
            parts.append(by_group([str(group) for group in cells.groups], counts))
    return ". ".join(parts) + "."


def common_words(words: pd.Series, nothing: str) -> str:
    """The most common words of a column with their counts, for a message."""
    counts = words[words != nothing].value_counts()
    listed = ", ".join(f"{str(word)!r} ({count:,})" for word, count in counts.head(MOST_WORDS).items())
    return (listed + (f" and {len(counts) - MOST_WORDS} more" if len(counts) > MOST_WORDS else "")) or "none"


def absent_rows(table: pd.DataFrame, images: pd.Series) -> BoolArray:
    """Which rows of the manifest are not among these images, bool (rows,)."""
    return np.asarray(~table["image"].isin(images).to_numpy(np.bool_), np.bool_)
