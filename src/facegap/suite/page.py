"""leaderboard.html: the models of a suite as one file that asks the network for nothing and runs no script."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from markupsafe import Markup

from facegap.report.glossary import terms_of
from facegap.report.page import badge, environment, policy, stylesheet
from facegap.report.sections import PageTable, Section
from facegap.report.tables import TextTable
from facegap.report.text import clean
from facegap.suite.charts import board_figure
from facegap.suite.rows import Board
from facegap.suite.text import OF_THRESHOLDS, board_table, differences_table, findings, heading, thresholds_table

TEMPLATE = "leaderboard.html"
OF_FINDING = ("interval", "verdict", "margin", "paired difference")
OF_PAIRS = {"fmr": "FMR", "fnmr": "FNMR"}  # terms of metrics
METHODS: Mapping[str, str] = {
    "One pass": "Every image is decoded once and its face found once; models that take the same crop get the same one. Each "
    "model has a run of its own all the same, with its own report, tables and hashes.",
    "Pairs of models": "The same images, and people resampled together, as facegap compare does it. Each interval holds at the "
    "level of all pairs, metrics and groupings of its set and task together (Bonferroni).",
    "Ranks": "A model is ahead of another where the interval of their difference excludes zero. Its range of ranks begins behind "
    "those that are ahead of it and ends before those that it is ahead of: all ranks that these people cannot rule out.",
    "Thresholds": f"Each model is evaluated at its own threshold. {OF_THRESHOLDS}: these are taken as given, although they were "
    "estimated. The report of each run has the uncertainty of its own.",
    "Worst groups": "The worst group need not be the same in two models, and the highest of several rates is high partly by "
    "chance. One model has the lower worst-group error where all its groups err less than one group of the other; the level "
    "is divided by the number of groups for the choice of that one.",
    "Time": "Milliseconds of the model alone for one face, as the run measured it: within a batch, one thread for each worker, "
    "and beside whatever else the machine did. facegap bench models measures time by itself.",
    "The line in the charts": "joins the models that no other one beats in both time and worst-group error, by the measured "
    "values alone; the bars are the intervals of the errors.",
}


def page(title: str, boards: Sequence[Board], out: Path) -> str:
    """The page as text; every value is escaped by the template engine. out : the folder that runs are linked from"""
    taken: set[str] = set()
    figures = [board_figure(board, taken) for board in boards]
    pictures = {pair.name: pair.drawn() for pair in figures if pair is not None}
    engine = environment("facegap.suite")
    engine.filters["badge"] = badge
    style = stylesheet("leaderboard.css", "facegap.suite")
    parts = [
        Section(
            f"board-{k}",
            heading(board),
            "",
            (OF_PAIRS[board.metric],) if board.metric in OF_PAIRS else (),
            () if pair is None else (pair.wide,),
            (PageTable(board_table(board)), *(PageTable(table, folded=True) for table in numbers(board))),
        )
        for k, (board, pair) in enumerate(zip(boards, figures, strict=True), start=1)
    ]
    return engine.get_template(TEMPLATE).render(
        title=title,
        sets=list(dict.fromkeys(board.set_title for board in boards)),
        models=sorted({one.model.name for board in boards for one in board.standings}),
        findings=findings(boards),
        finding_terms=OF_FINDING,
        terms=terms_of(OF_FINDING, *(part.terms for part in parts)),
        sections=parts,
        pictures=pictures,
        methods=METHODS,
        machines=machines_of(boards),
        runs=links(boards, out),
        style=Markup(style),  # noqa: S704  (our own style sheet)
        policy=policy(style, ""),
    )


def numbers(board: Board) -> list[TextTable]:
    """The tables of a board that are shown on demand."""
    return [table for table in (differences_table(board), thresholds_table(board)) if table.rows]


def machines_of(boards: Sequence[Board]) -> list[str]:
    """What the models ran on, each once."""
    used = [one.machine for board in boards for one in board.standings]
    return list(
        dict.fromkeys(
            f"{clean(one.device)}; {one.workers} workers of {one.threads} thread, batches of {one.batch}"
            for one in used
        )
    )


def links(boards: Sequence[Board], out: Path) -> list[tuple[str, list[tuple[str, str]]]]:
    """Per set the runs by model, each with the address of its report beside the page."""
    found: dict[str, dict[str, str]] = {}
    for board in boards:
        for one in board.standings:
            report = one.folder.relative_to(out) / "report.html"
            found.setdefault(board.set_title, {})[one.model.name] = report.as_posix()
    return [(name, list(runs.items())) for name, runs in found.items()]
