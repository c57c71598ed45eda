"""What an error rate is: its name, how groups are compared by it, and how it is made."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Literal, get_args

from facegap.derive.outcomes import TrialsAndErrors
from facegap.store.record import Task
from facegap.store.run import Run
from facegap.types import BoolArray, Scale

Trial = Literal["image", "impostor pair", "genuine pair", "mated search", "non-mated search"]
NAME = re.compile(r"[a-z][a-z0-9_.]{0,127}")


@dataclass(frozen=True, kw_only=True)
class Metric:
    """One error rate.

    Attributes
    ----------
    name : str
        As in rates.csv, gaps.csv, policies and exports.
    title : str
        What went wrong, in words: in the finding, in the heading of a table and on an axis, everywhere the same.
    of_what : str, default ""
        What stands between "of" and a group in the finding: "pairs of ". Empty where the people are meant.
    order : int
        The finding is about the metric with the lowest order that a run has.
    scale : {"difference", "ratio"}
        How two groups are compared. Rates that span orders of magnitude are compared by ratio: 13 times as many false
        rejections may be less than two points. An auditor may choose the other scale, see `derive.margins`.
    margin : float
        The gap that matters: above 1 for a ratio, between 0 and 1 for a difference.
    task : {"detect", "classify", "embed"}
        Whose model the rate judges.
    trial : str
        What is counted, the denominator: an image, a pair, a search.
    method, source : str
        Formula or rule, and where it was read.
    trials : callable, optional
        From a run to trials and errors, bool (rows of the manifest,) each; None where a run has nothing to judge. Only a
        rate of images has one: pairs and searches are counted where they are made.
    is_headline : bool, default False
        Whether summaries and charts show it by themselves.
    is_failure : bool, default False
        Whether it counts images that gave no result at all; summaries show it where nothing else was judged.
    counts_lost : bool, default False
        Of pairs: whether those with a lost image are trials too.
    lost : callable, optional
        Of images: from a run to those that were shown and got no answer, bool (rows of the manifest,), whether they are
        trials of this rate or not; what the model would have said of them is not known. None where none can be lost.
    """

    name: str
    title: str
    order: int
    scale: Scale
    margin: float
    task: Task
    trial: Trial
    method: str
    source: str
    trials: Callable[[Run], TrialsAndErrors | None] | None = None
    of_what: str = ""
    is_headline: bool = False
    is_failure: bool = False
    counts_lost: bool = False
    lost: Callable[[Run], BoolArray] | None = None

    def __post_init__(self) -> None:
        if not NAME.fullmatch(self.name):
            raise ValueError(
                f"metric {self.name!r}: a name consists of lower-case letters, digits, _ and full stops, and begins "
                f"with a letter"
            )
        for field in fields(self):
            value = getattr(self, field.name)
            is_needed = field.type == "str" and field.name != "of_what"
            if is_needed and not (isinstance(value, str) and value.strip()):
                raise ValueError(
                    f"metric {self.name}: {field.name} is empty; every text of a metric is printed, so fill it in"
                )
        for field_name, known in (("scale", Scale), ("task", Task), ("trial", Trial)):
            if getattr(self, field_name) not in get_args(known):
                raise ValueError(f"metric {self.name}: {field_name} is one of {', '.join(get_args(known))}")
        low, high = (1, math.inf) if self.is_ratio else (0, 1)
        if not low < self.margin < high:
            raise ValueError(
                f"metric {self.name}: margin {self.margin} is not between {low} and {high}, as a {self.scale} is"
            )
        if (self.trials is not None) != (self.trial == "image"):
            raise ValueError(f"metric {self.name}: only a rate of images has the function `trials`, and it needs one")

    @property
    def is_ratio(self) -> bool:
        """Whether groups are compared by ratio."""
        return self.scale == "ratio"

    @property
    def is_image(self) -> bool:
        """Whether its trials are single images."""
        return self.trial == "image"

    @property
    def is_impostor(self) -> bool:
        """Whether its trials are pairs of two different people."""
        return self.trial == "impostor pair"

    @property
    def is_pair(self) -> bool:
        """Whether its trials are comparisons, at a threshold."""
        return self.trial in ("impostor pair", "genuine pair")

    @property
    def is_search(self) -> bool:
        """Whether its trials are searches of a gallery."""
        return self.trial in ("mated search", "non-mated search")
