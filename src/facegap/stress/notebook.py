"""A stress test in Python: rates and gaps as DataFrames, the finding, and its view in a notebook."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd

from facegap.report.text import clean
from facegap.stress.page import about
from facegap.stress.run import Stressed
from facegap.stress.text import at_threshold, findings, short_tables


@dataclass(frozen=True, eq=False, repr=False)
class StressTest:
    """Changes of errors by group under decreasing image quality.

    Created by `facegap.stress`. Every table is a copy that may be modified.

    Parameters
    ----------
    done
        The record and the tables.
    """

    done: Stressed

    @property
    def rates(self) -> pd.DataFrame:
        """Rates and paired changes by group and dose, as in stress.csv."""
        return self.done.rates.copy()

    @property
    def gaps(self) -> pd.DataFrame:
        """Differences of changes between groups with verdicts, as in stress_gaps.csv."""
        return self.done.gaps.copy()

    @property
    def scores(self) -> pd.DataFrame | None:
        """Similarity of mated images by group and dose, as in stress_scores.csv; None without an embedder."""
        return None if self.done.scores is None else self.done.scores.copy()

    @property
    def record(self) -> dict[str, Any]:
        """Settings, threshold, versions and warnings, as in stress.json."""
        return dict(self.done.record)

    @property
    def finding(self) -> str:
        """One sentence per perturbation with its strongest verdict."""
        return clean(" ".join([*findings(self.done), *filter(None, [at_threshold(self.done)])]))

    def __repr__(self) -> str:
        """What was tested, the finding, and the contents of the tables."""
        return "\n".join((self._about(), self.finding, self._contents()))

    def _repr_html_(self) -> str:
        """The finding, the table of differences and the first chart; escaped, without external resources."""
        from facegap.report.page import environment
        from facegap.stress.charts import curves

        figure, picture = next(iter(curves(self.done)), (None, None))
        return (
            environment()
            .get_template("notebook.html")
            .render(
                about=self._about(),
                alarms=[],
                finding=[*findings(self.done), *filter(None, [at_threshold(self.done)])],
                table=short_tables(self.done)[-1],
                figure=figure,
                picture=picture,
                contents=self._contents(),
            )
        )

    def _about(self) -> str:
        return f"facegap stress: {about(self.done)}"

    def _contents(self) -> str:
        warnings = len(self.done.record["warnings"])
        warned = f"; {warnings} warning{'s' if warnings > 1 else ''} in record" if warnings else ""
        return (
            f"{len(self.done.rates):,} rates in rates, {len(self.done.gaps):,} differences of changes in gaps{warned}"
        )
