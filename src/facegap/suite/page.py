"""leaderboard.html: the models of a suite as one file, without network access and scripts."""

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
    "One pass": "Every image is decoded once and its face detected once; models with the same crop get the same "
    "crop. Each model still has a separate run, with its own report, tables and hashes.",
    "Pairs of models": "Models are compared on the same images, with people resampled jointly, as in facegap "
    "compare. Each interval holds at the level of all pairs, metrics and groupings of its set and task together "
    "(Bonferroni).",
    "Ranks": "A model is ahead of another if the interval of their difference excludes zero. Its range of ranks "
    "begins after the models that are ahead of it and ends before those that it is ahead of; it contains all "
    "ranks that these data cannot rule out.",
    "Thresholds": f"Each model is evaluated at its own threshold. {OF_THRESHOLDS}: they are treated as given, "
    f"although they were estimated. The report of each run states their uncertainty.",
    "Worst groups": "The worst group may differ between two models, and the highest of several rates is high partly "
    "by chance. A model has the lower worst-group error if all its groups have a lower error than one group of "
    "the other model; the level is divided by the number of groups to account for the choice of that group.",
    "Time": "Milliseconds of the model alone for one face, as measured in the run: within a batch, with one thread "
    "per worker, and alongside any other work of the machine. facegap bench models measures time separately.",
    "The line in the charts": "joins the models that no other model beats in both time and worst-group error, by the "
    "measured values alone; the bars are the intervals of the errors.",
}


def page(title: str, boards: Sequence[Board], out: Path) -> str:
    """The page as text; the template engine escapes every value. out : the folder for links to runs"""
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
    """The machines that ran the models, each once."""
    used = [one.machine for board in boards for one in board.standings]
    return list(
        dict.fromkeys(
            f"{clean(one.device)}; {one.workers} workers of {one.threads} thread, batches of {one.batch}"
            for one in used
        )
    )


def links(boards: Sequence[Board], out: Path) -> list[tuple[str, list[tuple[str, str]]]]:
    """Per set, the runs by model, each with a relative link to its report."""
    found: dict[str, dict[str, str]] = {}
    for board in boards:
        for one in board.standings:
            report = one.folder.relative_to(out) / "report.html"
            found.setdefault(board.set_title, {})[one.model.name] = report.as_posix()
    return [(name, list(runs.items())) for name, runs in found.items()]
