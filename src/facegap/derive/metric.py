"""Definition of an error rate: its name, comparison of groups, and computation."""

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
        The error in words, used in the finding, in headings of tables and on axes.
    of_what : str, default ""
        Text between "of" and a group in the finding, such as "pairs of ". Empty for people.
    order : int
        The finding is about the metric of a run with the lowest order.
    scale : {"difference", "ratio"}
        Scale of comparison of two groups. Rates that span orders of magnitude are compared by ratio: 13 times as many
        false rejections may be less than two percentage points. An auditor may choose the other scale, see
        `derive.margins`.
    margin : float
        The smallest gap that matters: above 1 for a ratio, between 0 and 1 for a difference.
    task : {"detect", "classify", "embed"}
        The model evaluated by the rate.
    trial : str
        Kind of trial in the denominator: an image, a pair, a search.
    method, source : str
        Formula or rule, and its source.
    trials : callable, optional
        Returns trials and errors of a run, bool (rows of the manifest,) each; None if a run has no such trials. Only
        for rates of images: pairs and searches are counted elsewhere.
    is_headline : bool, default False
        Whether summaries and charts show it by default.
    is_failure : bool, default False
        Whether it counts images without any result; summaries show it if there is no other rate.
    counts_lost : bool, default False
        For pairs: whether those with a lost image are trials too.
    lost : callable, optional
        For images: returns those of a run that were shown but have no result, bool (rows of the manifest,), whether or
        not they are trials of this rate. None if no image can be lost.
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
