"""What a card says of an answer that is one of several classes, whoever gives it: a graph's output or a service's JSON."""

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
OTHERS = ("gender", "age", "embedding", "quality")  # tables of their own
MOST_CATEGORIES = 8
ClassName = Annotated[str, StringConstraints(pattern=rf"^{NAME}$")]
ClassNames = Annotated[tuple[ClassName, ...], Field(strict=False, min_length=2, max_length=100)]


class Category(Table):
    """What is known of an answer besides where it stands.

    label     : column of the manifest that says what is true; without it the name of the output. Where the manifest has no
                such column the rates of each answer are compared, and nothing is right or wrong
    bona_fide : the class that means a living person in front of the camera: then the answer is presentation attack
                detection (ISO/IEC 30107-3), and the label column names `bona_fide` or the species of the attack. Without
                such a column every image is taken as a bona fide presentation
    law       : what the law says of asking this; reports repeat it
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
    """Raise ValueError for a name that no output can have, one that is nearly gender, age or embedding, and too many."""
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
    """A word of a table as classes are spelt: lower case, blanks and hyphens as one stroke.

    >>> class_word(" Bona fide")
    'bona_fide'
    """
    return re.sub(r"[ -]+", "_", tidy(text).casefold())
