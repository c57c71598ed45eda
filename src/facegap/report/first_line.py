"""The main line of one metric: the pair of rates, its verdict, and the numbers behind it."""

from __future__ import annotations

from dataclasses import dataclass

from facegap.derive.groupings import Grouping


@dataclass(frozen=True)
class Said:
    """A rate of a group in the main sentence: "17.3%" of "darker-skinned women"."""

    rate: str
    who: str


@dataclass(frozen=True)
class Line:
    """The text on one metric.

    model   : the model under test, if a run has several; otherwise empty
    what    : text before the colon
    pair    : the two rates of the main sentence; empty if nothing was decided
    said    : the rest of the main sentence if it contains no pair of rates
    verdict : its badge; empty if no pair of groups was tested
    details : the parts of the smaller line
    metric, grouping : those of its chart
    """

    model: str
    what: str
    pair: tuple[Said, Said] | None
    said: str
    verdict: str
    details: tuple[str, ...]
    metric: str
    grouping: Grouping

    @property
    def text(self) -> str:
        """The main sentence."""
        if self.pair is None:
            return f"{self.what}: {self.said}"
        return f"{self.what}: " + ", ".join(f"{one.rate} of {one.who}" for one in self.pair)
