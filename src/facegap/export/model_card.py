"""A run as a model card in Markdown, following Mitchell et al. (2019), Model Cards for Model Reporting."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from facegap.derive.metrics import metric_of
from facegap.export.markdown import md, table
from facegap.report.first_screen import headline
from facegap.report.groups import decided_text, difference_text, ratio_text, tally, verdict_text
from facegap.report.rows.gaps import GapRow, families, verdict_counts
from facegap.report.rows.rates import RateRow, rate_rows
from facegap.report.tables import Column, table_of, title_of
from facegap.report.text import NO_NUMBER, interval, level_text, milliseconds, p_value, percent, score
from facegap.store.run import Run

MOST_GAPS = 30  # in the card, or one per family if there are more families; the JSON export has all


def model_card(run: Run, whole: Mapping[str, Any]) -> str:
    """The card. whole : the document of `run_export`."""
    parts = [
        [f"# Model card: {md(', '.join(entry['name'] for entry in whole['system']['models']))}"],
        ["Created by facegap from one audit. Measured only on the people described below.", ""],
        details(whole),
        use(),
        factors(whole),
        evaluation_data(whole),
        [f"## Metrics\n\n{md(metrics(whole))}"],
        ["## Finding", " ".join(md(sentence) for sentence in headline(run))],
        ["## Error rates by group", *rate_lines(run)],
        ["## Gaps and verdicts", *gap_lines(run)],
        ["## Score shifts", *shift_lines(whole)],
        ["## Throughput", *throughput_lines(whole)],
        ["## Caveats", *(f"- {md(warning)}" for warning in [*limits(whole), *whole["warnings"]])],
        [
            f"## What {md(whole['standard']['name'])} asks to be reported",
            md(whole["standard"]["scope"]),
            "",
            *item_lines(whole),
        ],
    ]
    return "\n\n".join("\n".join(part) for part in parts if part) + "\n"


def details(whole: Mapping[str, Any]) -> list[str]:
    """Models, licences, hardware and software."""
    rows = [
        (entry["task"], entry["name"], entry["licence"], entry["training_data"], entry["sha256"])
        for entry in whole["system"]["models"]
    ]
    known = [
        f"- {md(entry['name'])}: {md(limit)}" for entry in whole["system"]["models"] for limit in entry["known_limits"]
    ]
    system = whole["system"]
    parts = (system["device"] or "unknown", ", ".join(system["providers"]), system["precision"])
    ran = f"Run on {', '.join(md(part) for part in parts if part)}."
    lines = ["## Model details", "", *table(("task", "name", "licence", "training data", "sha256"), rows), "", ran]
    return [*lines, *(["", "Known limits, from the cards:", *known] if known else [])]


def use() -> list[str]:
    """The intended use."""
    return [
        "## Intended use",
        "",
        "This card reports an evaluation. It says nothing about uses that the models' publishers allow or forbid, and it is "
        "no permission to identify anyone.",
    ]


def factors(whole: Mapping[str, Any]) -> list[str]:
    """Groups, and who labelled them."""
    rows = [
        (
            entry["attribute"],
            label["label"] or "no label",
            f"{label['images']:,}",
            f"{label['people']:,}",
            entry["labelled_by"],
        )
        for entry in whole["groups"]["attributes"]
        for label in entry["labels"]
    ]
    least = whole["groups"]["minimum_subjects"]
    return [
        "## Factors",
        "",
        *table(("attribute", "label", "images", "people", "labelled by"), rows),
        "",
        f"Groups of fewer than {least} people are shown but never ranked or tested.",
    ]


def evaluation_data(whole: Mapping[str, Any]) -> list[str]:
    """The evaluation data."""
    data = whole["data"]
    people = (
        f"{data['people']:,} people"
        if data["people"] is not None
        else ("subjects not named, so each image counts as one person")
    )
    lost = ", ".join(f"{md(outcome)} {count:,}" for outcome, count in data["face_outcomes"].items())
    templates = f" pooled into {data['templates']:,} templates" if "templates" in data else ""
    sentence = f"{data['images']:,} images{templates}, {people}; manifest sha256 {md(data['manifest_sha256'])}. Outcomes: {lost}."
    return ["## Evaluation data", "", sentence]


def metrics(whole: Mapping[str, Any]) -> str:
    """Thresholds and uncertainty, in one sentence each."""
    points = "; ".join(f"{score(point['threshold'])} ({point['source']})" for point in whole["thresholds"]["points"])
    policy = (
        f"Thresholds: {whole['thresholds']['policy']}: {points}; {whole['thresholds']['convention']}. "
        if points
        else ""
    )
    uncertainty = whole["uncertainty"]
    return f"{policy}Brackets are {level_text(uncertainty['level'])} intervals; {uncertainty['unit']}. {uncertainty['multiplicity']}."


def rate_lines(run: Run) -> list[str]:
    """Every rate of every group; losses of images first."""
    rows = sorted(rate_rows(run), key=lambda row: not metric_of(row.metric).is_failure)
    shown = table_of("", RATES, rows)
    return ["", *table(shown.columns, shown.rows)]


RATES = (
    Column[RateRow]("error", lambda row: title_of(row.metric)),
    Column[RateRow]("group", lambda row: named(dict(row.group.attributes))),
    Column[RateRow]("threshold", lambda row: score(row.threshold)),
    Column[RateRow]("rate", lambda row: f"{percent(row.rate.value)} {interval(row.rate.low, row.rate.high)}"),
    Column[RateRow]("errors / trials", lambda row: f"{row.rate.errors:,}/{row.rate.trials:,}"),
    Column[RateRow]("people", lambda row: f"{row.rate.subjects:,}"),
)


def gap_lines(run: Run) -> list[str]:
    """The widest gap of each family with its verdict, then the next ones."""
    found = families(run.gaps)
    gaps = widest_first(found)
    if not gaps:
        return ["", "No two groups were large enough to be compared."]
    shown = table_of("", GAPS, gaps[: max(MOST_GAPS, len(found))])
    counts = tally(verdict_counts([gap.verdict for gap in gaps]))
    note = (
        f"All {len(gaps):,} pairs considered: {md(counts)}. Shown: {len(shown.rows)}, with the widest of each "
        f"grouping first."
    )
    return ["", *table(shown.columns, shown.rows), "", note]


def widest_first(found: Sequence[Sequence[GapRow]]) -> list[GapRow]:
    """Gaps by rank within their family, the widest of each first, because false match rates are smaller than other rates."""
    ordered = [sorted(family, key=lambda gap: -width(gap)) for family in found]
    most = max((len(family) for family in ordered), default=0)
    return [family[place] for place in range(most) for family in ordered if place < len(family)]


def width(gap: GapRow) -> float:
    """The difference; an unknown one is narrower than any other."""
    return -1.0 if math.isnan(gap.difference.value) else gap.difference.value


GAPS = (
    Column[GapRow]("error", lambda gap: title_of(gap.metric)),
    Column[GapRow]("threshold", lambda gap: score(gap.threshold)),
    Column[GapRow]("worse against better", lambda gap: f"{gap.worse.group} against {gap.better.group}"),
    Column[GapRow](
        "errors / trials", lambda gap: "; ".join(f"{side.errors:,}/{side.trials:,}" for side in (gap.worse, gap.better))
    ),
    Column[GapRow]("difference", difference_text),
    Column[GapRow]("ratio", ratio_text),
    Column[GapRow]("p (Holm)", lambda gap: p_value(gap.p_decided)),
    Column[GapRow]("deciding interval", decided_text),
    Column[GapRow]("verdict", verdict_text),
)


def shift_lines(whole: Mapping[str, Any]) -> list[str]:
    """Shifts of the scores of groups from those of all people."""
    rows = [
        (
            named(row["group"]),
            f"{row['genuine_pairs']:,}",
            shown(row["genuine_mean"], score),
            shown(row["genuine_shift"], score),
            f"{row['impostor_pairs']:,}",
            shown(row["impostor_mean"], score),
            shown(row["impostor_shift"], score),
        )
        for row in whole["score_shifts"]
    ]
    if not rows:
        return ["", "Missing: nothing was compared."]
    columns = ("group", "genuine pairs", "mean", "shift", "impostor pairs", "mean", "shift")
    return ["", *table(columns, rows)]


def throughput_lines(whole: Mapping[str, Any]) -> list[str]:
    """Times."""
    found = whole["throughput"]
    rows = [(entry["stage"], *times(entry)) for entry in found["overall"]]
    by_group = [(named(entry["group"]), *times(entry)) for entry in found["by_group"]]
    if not rows:
        return ["", "Missing: no model was timed."]
    columns = ("images", "median", "p95")
    groups = table(("group, all stages", *columns), by_group) if by_group else ["By group: missing."]
    return ["", *table(("stage", *columns), rows), "", *groups]


def times(entry: Mapping[str, Any]) -> tuple[str, str, str]:
    """Images and milliseconds of one entry."""
    return f"{entry['images']:,}", milliseconds(entry["median_ms"]), milliseconds(entry["p95_ms"])


def named(group: Mapping[str, str]) -> str:
    """The name of a group."""
    return " ".join(group.values()) or "all"


def limits(whole: Mapping[str, Any]) -> list[str]:
    """Limits of every run."""
    found = ["A gap says nothing about its cause, and no verdict says that a model is fair."]
    if whole["data"]["people"] is None:
        found.append(
            "Without subjects, each image counts as a person; intervals are too narrow if people have several images."
        )
    return found


def item_lines(whole: Mapping[str, Any]) -> list[str]:
    """Reported and missing items."""
    rows = [
        (entry["item"], "reported" if entry["present"] else f"missing: {entry['missing']}")
        for entry in whole["reported"]
    ]
    return table(("item", "in this run"), rows)


def shown(value: float | None, write: Any) -> str:
    """A number as text; a dash for null."""
    return NO_NUMBER if value is None else str(write(value))
