"""Categorical outputs in a card, whether from a graph's output or a service's JSON."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from typing import Annotated

from pydantic import Field, StringConstraints, model_validator

from facegap.inputs.cards.types import Text
from facegap.inputs.spelling import tidy
from facegap.inputs.strict_toml import Table

NAME = r"[a-z][a-z0-9_]{0,39}"
OTHERS = ("gender", "age", "embedding", "quality")  # described by other tables
MOST_CATEGORIES = 8
ClassName = Annotated[str, StringConstraints(pattern=rf"^{NAME}$")]
ClassNames = Annotated[tuple[ClassName, ...], Field(strict=False, min_length=2, max_length=100)]


class Category(Table):
    """What a card states about a categorical output, apart from its location.

    label     : manifest column with the true class; by default the name of the output. If the manifest has no such
                column, only the rates of each class are compared, without errors
    bona_fide : the class of bona fide presentations; the output is then presentation attack detection
                (ISO/IEC 30107-3), and the label column contains `bona_fide` or the attack species. Without such a
                column, every image is treated as a bona fide presentation
    law       : legal restrictions on this use; reports repeat them
    """

    classes: ClassNames
    label: Annotated[str, StringConstraints(min_length=1, max_length=100)] | None = None
    bona_fide: ClassName | None = None
    law: Text | None = None

    @model_validator(mode="after")
    def _bona_fide_is_a_class(self) -> Category:
        if self.bona_fide is not None and self.bona_fide not in self.classes:
            raise ValueError(f"bona_fide: {self.bona_fide!r} is not one of classes ({', '.join(self.classes)})")
        return self


def require_names(names: Iterable[str]) -> None:
    """Raise ValueError for an invalid output name, one that resembles gender, age or embedding, or too many names."""
    found = list(names)
    if len(found) > MOST_CATEGORIES:
        raise ValueError(f"{len(found)} outputs other than gender and age; at most {MOST_CATEGORIES} are read")
    for name in found:
        if not re.fullmatch(NAME, name):
            raise ValueError(f"[outputs.{name[:40]}]: a name is 1 to 40 of a-z, 0-9 and _, and begins with a letter")
        near = difflib.get_close_matches(name, OTHERS, n=1, cutoff=0.8)
        if near:
            raise ValueError(f"[outputs.{name}]: did you mean [outputs.{near[0]}]?")


def class_word(text: str) -> str:
    """Return a word of a table in the spelling of classes: lower case, with spaces and hyphens as one underscore.

    >>> class_word(" Bona fide")
    'bona_fide'
    """
    return re.sub(r"[ -]+", "_", tidy(text).casefold())
