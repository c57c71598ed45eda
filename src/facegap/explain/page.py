"""explain.html: gaps before and after balancing, in one file without network access or scripts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from markupsafe import Markup

from facegap.report.balanced import CAVEAT, balance_tables, findings, regression_tables, within_tables, without_change
from facegap.report.figures import Figure
from facegap.report.figures.balanced import gap_figures
from facegap.report.figures.render import drawn, with_narrow
from facegap.report.page import environment, policy, stylesheet
from facegap.report.sections import PageTable, Section
from facegap.report.text import level_text
from facegap.store.run import write_bytes

if TYPE_CHECKING:
    from facegap.derive.balanced.question import Answer

TEMPLATE = "explain.html"
MOST_OPEN = 20  # rows of a table; a longer one is collapsed, as the chart shows the same
METHODS: Mapping[str, str] = {
    "Gap after balancing": "Overlap weights (Li, Morgan and Zaslavsky 2018): a logistic model of the group on a linear spline of each "
    "covariate, with knots at its terciles; the weight of each trial is the probability of the other group. Both groups then "
    "have the same mean of every column of the model. For a pair of images, the minimum, the maximum and the absolute "
    "difference of a covariate are balanced.",
    "Comparable": (
        "Each covariate is cut into ten cells at quantiles of both groups together, before any model is fitted. Trials in a "
        "cell with fewer than two people of either group are excluded and counted. Overlap is the common part of the two "
        "distributions of the probability of group membership. Effective people: (sum of weights)² / sum of squared weights, "
        "by sampling unit."
    ),
    "Intervals": (
        "Every replicate reweights the sampling units and fits the model again; Student's t. For pairs of two people, the "
        "estimate is linearised and units are deleted in turn. With fewer than 10 errors in a group the variance is at least "
        "that of two independent proportions with one error and one other trial added."
    ),
    "Verdicts": (
        "Only gaps after balancing all covariates get one, from simultaneous intervals over all groups and metrics of this "
        "page (Bonferroni). With fewer effective people than the run's minimum in either group, it is always: too "
        "few comparable people to tell. The reference is the group with the most people unless it was specified."
    ),
    "Regression": "Logistic regression of the error on the group and the same splines. The rest is the mean effect of the group "
    "alone; what is associated with the covariates (Kitagawa, Oaxaca, Blinder) is divided by Yun's weights (2004), "
    "which need no order. FMR: every false match, and a weighted sample of the other pairs.",
    "Change within people": "Errors and covariate minus each person's own mean, least squares, people deleted in turn.",
}


def write_page(path: Path, found: Answer) -> None:
    """Write the page."""
    write_bytes(path, page(found).encode())


def page(found: Answer) -> str:
    """The page as text; every value is escaped by the template engine."""
    figures = gap_figures(found.rows)
    style = stylesheet()
    return (
        environment("facegap.explain")
        .get_template(TEMPLATE)
        .render(
            grouping=" x ".join(found.grouping),
            reference=found.reference,
            covariates=[(one.name, one.source) for one in found.covariates],
            images=len(found.run.manifest),
            people=found.run.manifest["subject"].nunique(),
            models=", ".join(f"{task} {name}" for task, name in found.run.record.models.items()),
            data_name=found.run.record.data_name,
            findings=findings(found.rows),
            overadjusted=found.overadjusted,
            caveat=CAVEAT,
            notes=found.notes,
            sections=sections(found, figures),
            pictures={figure.name: with_narrow(drawn(figure)) for figure in figures},
            methods=METHODS,
            level=level_text(found.run.record.level),
            verdict_level=level_text(round(found.verdict_level, 4)),
            replicates=found.rows[0].replicates,
            seed=found.seed,
            style=Markup(style),  # noqa: S704  (our own style sheet)
            policy=policy(style, ""),
        )
    )


def sections(found: Answer, figures: Sequence[Figure]) -> list[Section]:
    """The parts of the page."""
    warned = (f"Over-adjusted. {found.overadjusted}",) if found.overadjusted else ()
    parts = [
        Section(
            "balance",
            "Gap before and after balancing",
            "Each dot is the gap of a group to the reference with its interval. Dashed: the margin. The verdict is based on "
            "the interval after balancing all covariates, which is simultaneous over all groups and metrics and therefore "
            "wider.",
            (),
            tuple(figures),
            tuple(PageTable(table, folded=len(table.rows) > MOST_OPEN) for table in balance_tables(found.rows)),
            sentences=warned,
        ),
        Section(
            "regression",
            "Decomposition of the same gap by a regression",
            "A second estimate under different assumptions. If both agree, the form of the model has little influence.",
            (),
            (),
            tuple(PageTable(table, folded=True) for table in regression_tables(found.rows)),
            sentences=warned,
        ),
        Section(
            "within",
            "Change within people",
            "Skin, sex and age are the same in all images of a person; only the photograph differs.",
            (),
            (),
            tuple(PageTable(table) for table in within_tables(found.rows)),
            sentences=tuple(without_change(found.rows)),
        ),
    ]
    return [part for part in parts if not part.is_empty]
