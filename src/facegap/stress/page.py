"""stress.html: errors by group and dose as one file, without network access and scripts."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from markupsafe import Markup

from facegap.report.page import environment, policy, stylesheet
from facegap.report.sections import PageTable, Section
from facegap.report.tables import title_of
from facegap.report.text import clean, level_text
from facegap.store.files import write_bytes
from facegap.stress.charts import curves
from facegap.stress.measure import NONE
from facegap.stress.perturb import PERTURBATIONS
from facegap.stress.run import Stressed
from facegap.stress.text import at_threshold, findings, gap_table, rate_table, score_tables

METHODS: Mapping[str, str] = {
    "Perturbation": (
        "Each image is decoded once and perturbed in memory before face detection, so that a face that is no longer detected "
        "counts like any other error. The size of the picture and the position of the face do not change, except for "
        "rotation. Random noise is determined by the seed, the hash of the file and the dose, so the same command gives the "
        "same pictures."
    ),
    "Paired changes": (
        "Each person is their own control: both rates are over the same trials. The variance of a change is the sum over "
        "people of their squared contributions; two discordant people are added to each group, so that no interval has width "
        "zero (Bonett and Price 2012, for people with several trials). Student's t with the degrees of freedom of Welch and "
        "Satterthwaite."
    ),
    "Difference of changes": "The change in one group minus the change in another. All perturbations, doses and pairs of groups of "
    "the first grouping are tested together: the interval at 1 - alpha / m beyond the margin, that at 1 - 2 alpha / m within it, or "
    "Holm's p (1979). Further groupings and metrics are exploratory.",
    "Shift of scores": (
        "Median over comparisons of the score minus the score without the perturbation. Woodruff's interval (1952) with the "
        "variance over sampling units and Student's t."
    ),
    "Limitations": (
        "Perturbations are simulated; real cameras clip, denoise and compress differently. If a rate changes more in one "
        "group, this does not show the reason."
    ),
}


def write_page(path: Path, done: Stressed) -> None:
    """Write the page."""
    write_bytes(path, page(done).encode())


def page(done: Stressed) -> str:
    """The page as text; the template engine escapes every value."""
    drawings = curves(done)
    style = stylesheet()
    return (
        environment("facegap.stress")
        .get_template("stress.html")
        .render(
            title=f"{title_of(done.primary)[:1].upper()}{title_of(done.primary)[1:]}, under perturbations",
            about=about(done),
            findings=findings(done),
            threshold=at_threshold(done),
            warnings=[clean(text) for text in done.record["warnings"]],
            sections=sections(done, [figure for figure, _ in drawings]),
            pictures={figure.name: picture for figure, picture in drawings},
            methods=METHODS,
            level=level_text(float(done.record["level"])),
            style=Markup(style),  # noqa: S704  (our own style sheet)
            policy=policy(style, ""),
        )
    )


def about(done: Stressed) -> str:
    """The models and the data in one line."""
    record = done.record
    models = ", ".join(f"{task} {clean(name)}" for task, name in record["models"].items())
    data = clean(record["data_name"]) or f"data set {str(record['manifest_sha256'])[:8]} (no name given)"
    people = f" of {record['people']:,} people" if record["has_subjects"] else ", each treated as a different person"
    people += f"; sampling unit: {clean(' and '.join(record['cluster']))} and subject" if record["cluster"] else ""
    return f"{models}; {data}: {record['images']:,} images{people}"


def sections(done: Stressed, figures: list[object]) -> list[Section]:
    """One section per perturbation, then the other metrics and groupings."""
    rates, gaps = done.rates, done.gaps
    family = str(done.record["by"][0]) if done.record["by"] else ""
    own = (rates["metric"] == done.primary) & (rates["family"] == family)
    parts = []
    by_name = {getattr(figure, "name", "").removeprefix("stress-"): figure for figure in figures}
    for name in [str(one) for one in dict.fromkeys(rates["perturbation"]) if one != NONE]:
        of = PERTURBATIONS[name]
        shown = rates[own & rates["perturbation"].isin([NONE, name])]
        tested = gaps[gaps["primary"] & (gaps["perturbation"] == name)]
        tables = (
            [PageTable(gap_table(tested, "do errors increase more in one group than in another?"))]
            if len(tested)
            else []
        )
        tables.append(PageTable(rate_table(shown, f"rates and paired changes, {of.title}"), folded=True))
        drawn = (by_name[name],) if name in by_name else ()
        parts.append(
            Section(name, of.title.capitalize(), f"Dose: {of.unit}.", (), drawn, tuple(tables))  # type: ignore[arg-type]
        )
    others = [
        PageTable(rate_table(rows, f"{title_of(str(metric))}, by {clean(by) or 'nothing: everybody'}"), folded=True)
        for (metric, by), rows in rates[~own].groupby(["metric", "family"], sort=False)
    ]
    scores = [] if done.scores is None else [PageTable(table, folded=True) for table in score_tables(done.scores)]
    similar = Section(
        "scores",
        "Similarity of mated images",
        "The median score of two images of one person, with a perturbed probe, and the median change of each score by the "
        "perturbation. Higher means more similar. Comparisons whose probe lost its template are counted but excluded from "
        "the medians.",
        tables=tuple(scores),
    )
    return [
        *parts,
        *([] if similar.is_empty else [similar]),
        Section("others", "Further errors and groupings", "Without a verdict.", (), (), tuple(others)),
    ]
