"""Gaps before and after balancing as a Python object: estimates, finding, chart, and display in a notebook."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd

from facegap.derive.balanced.question import Answer
from facegap.explain.build import write_explained
from facegap.report.balanced import CAVEAT, balance_tables, findings
from facegap.report.text import clean

if TYPE_CHECKING:
    import altair as alt

    from facegap.report.figures import Figure


@dataclass(frozen=True, eq=False, repr=False)
class Explanation:
    """How much of the gaps of a run remains after balancing covariates.

    Returned by `facegap.explain`. Every table is a copy that may be changed.

    Parameters
    ----------
    answer
        The estimates, as used by the command.
    """

    answer: Answer

    @property
    def frame(self) -> pd.DataFrame:
        """One row per estimate, as in explain.csv; columns in `facegap.tables.EXPLAIN`."""
        return self.answer.frame

    @property
    def gaps(self) -> pd.DataFrame:
        """The gaps that have verdicts: after balancing all covariates, one row per metric and group."""
        frame = self.frame
        return frame[frame["verdict"] != ""].reset_index(drop=True)

    @property
    def finding(self) -> str:
        """Per metric, the widest raw gap, what remains of it, the effective number of people, and the verdict."""
        return clean(" ".join(self._said()))

    def plot(self) -> alt.TopLevelMixin:
        """The chart of the first metric: gaps before and after balancing, as an altair chart.

        Raises
        ------
        FacegapError
            If no gap could be estimated, so that there is no chart.
        """
        import altair as alt

        from facegap.errors import FacegapError

        figure = self._figure()
        if figure is None:
            raise FacegapError("no gap could be estimated, so there is no chart; finding says why")
        return alt.LayerChart.from_dict(figure.spec, validate=False)

    def write(self, folder: str | Path) -> Path:
        """Write explain.html and explain.csv to a new or empty folder, and return its path.

        Raises
        ------
        RunError
            If the folder is not empty, or cannot be written.
        """
        write_explained(self.answer, Path(folder))
        return Path(folder)

    def __repr__(self) -> str:
        """The request, the finding, and the contents of the table."""
        return "\n".join((self._about(), self.finding, self._contents()))

    def _repr_html_(self) -> str:
        """The finding, the gaps of the first metric and their chart; escaped and without external resources."""
        from facegap.report.figures.render import drawn
        from facegap.report.page import environment

        figure = self._figure()
        return (
            environment()
            .get_template("notebook.html")
            .render(
                about=self._about(),
                alarms=[],
                finding=[*self._said(), CAVEAT, *self.answer.notes],
                table=balance_tables(self.answer.rows, short=True)[0],
                figure=figure,
                picture=None if figure is None else drawn(figure),
                contents=self._contents(),
            )
        )

    def _said(self) -> list[str]:
        over = [f"Over-adjusted. {self.answer.overadjusted}"] if self.answer.overadjusted else []
        return [*findings(self.answer.rows), *over]

    def _about(self) -> str:
        answer = self.answer
        names = ", ".join(one.name for one in answer.covariates)
        return clean(
            f"facegap explain: {' x '.join(answer.grouping)}, every group against {answer.reference}; balanced: {names}"
        )

    def _contents(self) -> str:
        return f"{len(self.answer.rows):,} estimates in frame, {len(self.gaps):,} gaps with verdicts in gaps"

    def _figure(self) -> Figure | None:
        from facegap.report.figures.balanced import gap_figures

        return next(iter(gap_figures(self.answer.rows)), None)
