"""What is said first of one metric: the pair of rates, its verdict, and what it rests on."""

from __future__ import annotations

from dataclasses import dataclass

from facegap.derive.groupings import Grouping


@dataclass(frozen=True)
class Said:
    """A rate of a group in the large sentence: "17.3%" of "darker-skinned women"."""

    rate: str
    who: str


@dataclass(frozen=True)
class Line:
    """What is said of one metric.

    model   : where a run has several, whose finding it is; else empty
    what    : what stands before the colon
    pair    : the two rates of the large sentence; none where nothing was decided
    said    : the rest of the large sentence where it holds no pair of rates
    verdict : its badge; empty where no pair of groups was tested
    details : the parts of the smaller line
    metric, grouping : of the chart that shows it
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
        """The large sentence."""
        if self.pair is None:
            return f"{self.what}: {self.said}"
        return f"{self.what}: " + ", ".join(f"{one.rate} of {one.who}" for one in self.pair)
