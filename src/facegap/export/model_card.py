"""A run as a model card in Markdown, after Mitchell et al. (2019), Model Cards for Model Reporting."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from facegap.report.finding import headline
from facegap.report.groups import ratio_text
from facegap.report.tables import METRIC_TITLES, records
from facegap.report.text import NO_NUMBER, clean, interval, milliseconds, p_value, percent, score
from facegap.statistics.gaps import RATIO_METRICS
from facegap.store.run import Run

SPECIAL = frozenset("\\`*_[]|#~$>")
AT_THE_START = "+-="  # would make a list or a heading there
MOST_GAPS = 30  # in the card, or one of each family where these are more; the JSON export holds all
FAMILY = ["family", "metric", "model", "threshold"]


def md(text: object) -> str:
    """Text from outside for Markdown: on one line, nothing in it is markup, a link or HTML."""
    said = clean(text)
    kept = "".join(f"\\{letter}" if letter in SPECIAL else letter for letter in said)
    kept = f"\\{kept}" if said.startswith(tuple(AT_THE_START)) else kept
    kept = kept.replace("&", "&amp;").replace("<", "&lt;").replace("\\>", "&gt;")
    # renderers make links of bare addresses
    return kept.replace("://", "&#58;//").replace("www.", "www&#46;").replace("@", "&#64;")


def model_card(run: Run, whole: Mapping[str, Any]) -> str:
    """The card. whole : the document of `run_export`."""
    parts = [
        [f"# Model card: {md(', '.join(entry['name'] for entry in whole['system']['models']))}"],
        ["Made by facegap from one audit. Measured on the people named below and on nobody else.", ""],
        details(whole),
        use(),
        factors(whole),
        evaluation_data(whole),
        [f"## Metrics\n\n{md(metrics(whole))}"],
        ["## Finding", " ".join(md(sentence) for sentence in headline(run))],
        ["## Error rates by group", *rate_lines(whole)],
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
    """Models, licences, what they ran on."""
    rows = [
        (entry["task"], entry["name"], entry["licence"], entry["training_data"], entry["sha256"])
        for entry in whole["system"]["models"]
    ]
    known = [
        f"- {md(entry['name'])}: {md(limit)}" for entry in whole["system"]["models"] for limit in entry["known_limits"]
    ]
    system = whole["system"]
    told = (system["device"] or "unknown", ", ".join(system["providers"]), system["precision"])
    ran = f"Run on {', '.join(md(part) for part in told if part)}."
    lines = ["## Model details", "", *table(("task", "name", "licence", "training data", "sha256"), rows), "", ran]
    return [*lines, *(["", "Known limits, from the cards:", *known] if known else [])]


def use() -> list[str]:
    """What it is for."""
    return [
        "## Intended use",
        "",
        "This card reports an evaluation. It says nothing about uses that the models' publishers allow or forbid, and it is "
        "no permission to identify anyone.",
    ]


def factors(whole: Mapping[str, Any]) -> list[str]:
    """Groups and who labelled them."""
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
        f"Groups of fewer than {least} people are shown and never ranked or tested.",
    ]


def evaluation_data(whole: Mapping[str, Any]) -> list[str]:
    """What was looked at."""
    data = whole["data"]
    people = (
        f"{data['people']:,} people" if data["people"] is not None else "people not named, so each image counts as one"
    )
    lost = ", ".join(f"{md(outcome)} {count:,}" for outcome, count in data["face_outcomes"].items())
    said = f"{data['images']:,} images, {people}; manifest sha256 {md(data['manifest_sha256'])}. Outcomes: {lost}."
    return ["## Evaluation data", "", said]


def metrics(whole: Mapping[str, Any]) -> str:
    """Thresholds and uncertainty in a sentence each."""
    points = "; ".join(f"{score(point['threshold'])} ({point['source']})" for point in whole["thresholds"]["points"])
    policy = (
        f"Thresholds: {whole['thresholds']['policy']}: {points}; {whole['thresholds']['convention']}. "
        if points
        else ""
    )
    told = whole["uncertainty"]
    return f"{policy}Brackets are {100 * told['level']:g} % intervals; {told['unit']}. {told['multiplicity']}."


def rate_lines(whole: Mapping[str, Any]) -> list[str]:
    """Every rate of every group."""
    rows = [
        (
            METRIC_TITLES.get(row["metric"], row["metric"]),
            named(row["group"]),
            shown(row["threshold"], score),
            f"{shown(row['value'], percent)} {ends(row)}",
            f"{row['errors']:,}/{row['trials']:,}",
            f"{row['subjects']:,}",
        )
        for row in (*whole["failure_to_enrol"], *whole["error_rates"])
    ]
    return ["", *table(("error", "group", "threshold", "rate", "errors / trials", "people"), rows)]


def gap_lines(run: Run) -> list[str]:
    """The widest gap of each family with its verdict, then the next ones."""
    if not len(run.gaps):
        return ["", "No two groups were large enough to be compared."]
    shown = widest_first(run.gaps).head(max(MOST_GAPS, len(run.gaps.groupby(FAMILY, dropna=False))))
    rows = [gap_row(row) for row in records(shown)]
    counts = "; ".join(f"{count} {verdict}" for verdict, count in run.gaps["verdict"].value_counts().items())
    columns = (
        "error",
        "threshold",
        "worse against better",
        "errors / trials",
        "difference",
        "ratio",
        "p (Holm)",
        "verdict",
    )
    note = (
        f"All {len(run.gaps):,} pairs looked at: {md(counts)}. Shown: {len(rows)}, of each grouping the widest first."
    )
    return ["", *table(columns, rows), "", note]


def widest_first(gaps: pd.DataFrame) -> pd.DataFrame:
    """Gaps by their place in their own family, the widest of each first: rates of matches are smaller than any other."""
    widths = gaps["difference"].abs().fillna(-1.0)
    place = widths.groupby([gaps[name] for name in FAMILY], dropna=False).rank(method="first", ascending=False)
    return gaps.loc[place.sort_values(kind="stable").index]


def gap_row(row: Mapping[str, Any]) -> tuple[str, ...]:
    """One gap, the worse group in front."""
    turn = -1 if row["difference"] < 0 else 1
    first, second = ("a", "b") if turn == 1 else ("b", "a")
    low, high = sorted((turn * row["difference_low"], turn * row["difference_high"]))
    return (
        METRIC_TITLES.get(row["metric"], row["metric"]),
        score(row["threshold"]),
        f"{row[f'group_{first}']} against {row[f'group_{second}']}",
        "; ".join(f"{row[f'errors_{side}']:,}/{row[f'trials_{side}']:,}" for side in (first, second)),
        f"{percent(turn * row['difference']).replace(' %', ' points')} {interval(low, high)}",
        ratio_text(row, turn) if row["metric"] in RATIO_METRICS else NO_NUMBER,
        p_value(row["p_adjusted"]),
        str(row.get("label_verdict") or row["verdict"]),
    )


def shift_lines(whole: Mapping[str, Any]) -> list[str]:
    """How scores of groups lie apart from those of everybody."""
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
    columns = ("images", "median", "95 of 100")
    groups = table(("group, all stages", *columns), by_group) if by_group else ["By group: missing."]
    return ["", *table(("stage", *columns), rows), "", *groups]


def times(entry: Mapping[str, Any]) -> tuple[str, str, str]:
    """Images and milliseconds of one entry."""
    return f"{entry['images']:,}", milliseconds(entry["median_ms"]), milliseconds(entry["p95_ms"])


def named(group: Mapping[str, str]) -> str:
    """A group as it is called."""
    return " ".join(group.values()) or "all"


def limits(whole: Mapping[str, Any]) -> list[str]:
    """What holds for every run."""
    found = ["A gap is no claim about its cause, and no verdict says that a model is fair."]
    if whole["data"]["people"] is None:
        found.append("Without subjects each image counts as a person: intervals are too narrow where people repeat.")
    return found


def item_lines(whole: Mapping[str, Any]) -> list[str]:
    """What is reported and what is missing."""
    rows = [
        (entry["item"], "reported" if entry["present"] else f"missing: {entry['missing']}")
        for entry in whole["reported"]
    ]
    return table(("item", "in this run"), rows)


def ends(row: Mapping[str, Any]) -> str:
    """The interval of a rate; a dash where it is not defined."""
    return NO_NUMBER if row["low"] is None or row["high"] is None else interval(row["low"], row["high"])


def shown(value: float | None, write: Any) -> str:
    """A number as text; a dash for null."""
    return NO_NUMBER if value is None else str(write(value))


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """A Markdown table; every cell is text."""
    lines = [columns, ["---"] * len(columns), *[[md(cell) for cell in row] for row in rows]]
    return ["| " + " | ".join(line) + " |" for line in lines]
