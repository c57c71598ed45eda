"""The effect of label uncertainty on the gaps, and the number of rows per label, as text tables."""

from __future__ import annotations

from facegap.report.groups import tally, who
from facegap.report.rows.gaps import GapRow, LabelUncertainty
from facegap.report.rows.labels import (
    LabelCountRow,
    TrustRow,
    TrustRows,
    label_count_rows,
    simulated_without_label,
    trust_rows,
    uncertain_rows,
)
from facegap.report.tables import Column, TextTable, table_of, title_of
from facegap.report.text import (
    NO_NUMBER,
    clean,
    deciding_interval,
    difference,
    interval,
    p_value,
    percent,
    points,
    ratio,
    score,
)
from facegap.store.run import Run

SIMULATION_NOTES = (
    "In each resample every person gets a label according to its probability, and the stored predictions are counted again. "
    "The interval includes the variation between resamples (Rubin's rules), and contains both the gap with the labels as "
    "given and the mean of the resamples.",
    "Resampled labels mix the groups, so they show a smaller gap between tones. Left: the proportion of a gap between the two "
    "groups that is expected to remain with the labels used, if they err as their probabilities say and independently of the "
    "model. True groups: how large the gap may be if only that proportion remained. No estimate was corrected by it; 'no gap "
    "larger than' is stated only if all of these values lie inside the margin. The verdict of a gap is the stricter of the "
    "verdict with the labels as given and the verdict with resampled labels.",
    "If labels are wrong more often for images on which the model errs (dark or blurred photographs), the gap may be wrong "
    "in either direction, and these results cannot show it.",
)
TRUST_NOTE = (
    "At a trust of 80%, every fifth person's label is resampled from the observed frequencies. The table shows for which "
    "level of trust a verdict holds; it cannot show how far the labels can be trusted. All gaps are in label_trust.csv."
)


def label_tables(run: Run) -> list[TextTable]:
    """Tables on joined labels: counts, gaps with simulated labels, and gaps with less trust in the labels."""
    if run.record.labels is None:
        return []
    counts = counts_table(run)
    return [*([counts] if counts.rows else []), *uncertainty_tables(run)]


def uncertainty_tables(run: Run) -> list[TextTable]:
    """The gaps with simulated labels, and with less trust in the labels; none for a run without joined labels."""
    if run.record.labels is None:
        return []
    uncertain = [uncertainty_table(run)] if (run.gaps["label_draws"] > 0).any() else []
    return [*uncertain, *(trust_table(found) for found in trust_rows(run))]


def counts_table(run: Run) -> TextTable:
    """Rows of the manifest by label, and why others have none, for the columns used for groups."""
    notes = [
        f"{clean(name)}: {count} rows without a label have probabilities. They are in no gap with the labels as given, but in "
        "every resample."
        for name, count in simulated_without_label(run).items()
    ]
    return table_of("labels of skin tone", COUNTS, label_count_rows(run), notes=notes)


def uncertainty_table(run: Run) -> TextTable:
    """A line per family: its widest gap with the labels as given, and with simulated labels.

    It has no verdict of its own: the verdict in the table of gaps includes label uncertainty.
    """
    rows, stated = uncertain_rows(run), run.record.labels
    assert stated is not None
    draws = f"{uncertainty(rows[0]).draws} resamples, seed {stated.seed}."
    return table_of("the same gaps with label uncertainty", UNCERTAIN, rows, notes=(draws, *SIMULATION_NOTES))


def trust_table(found: TrustRows) -> TextTable:
    """The gap that is widest with the labels as given, at every level of trust."""
    pair = NO_NUMBER if found.alike else f"{clean(found.worse)} against {clean(found.better)}"
    title = f"{clean(' x '.join(found.grouping))}: {title_of(found.metric)}, {pair}, if labels are trusted less"
    return table_of(title, TRUSTED, found.rows, notes=(TRUST_NOTE,))


def uncertainty(gap: GapRow) -> LabelUncertainty:
    """Label uncertainty of a gap that is known to have it."""
    assert gap.labels is not None
    return gap.labels


def metric_at(gap: GapRow) -> str:
    """The metric and its threshold."""
    return title_of(gap.metric) + ("" if gap.threshold != gap.threshold else f" at {score(gap.threshold)}")


def by_labels(gap: GapRow) -> str:
    """The gap with the labels as given, on the scale of its verdict."""
    if gap.is_ratio:
        return ratio(gap.ratio.value, gap.ratio.low, gap.ratio.high)
    return difference(gap.difference.value, gap.difference.low, gap.difference.high)


def by_simulated_labels(gap: GapRow) -> str:
    """The mean gap over simulated labels, on the same scale."""
    found = uncertainty(gap)
    if gap.is_ratio:
        return ratio(found.ratio.value, found.ratio.low, found.ratio.high)
    return difference(found.difference.value, found.difference.low, found.difference.high)


def true_groups(gap: GapRow) -> str:
    """Bounds of the gap between the true groups, in percentage points; unknown for ratios."""
    outer = uncertainty(gap).outer
    return NO_NUMBER if gap.is_ratio else interval(outer.low, outer.high)


def trusted_interval(row: TrustRow) -> str:
    """The interval on which the verdict is based at a level of trust."""
    return deciding_interval(row.decided.low, row.decided.high, row.decided_level, row.margin, is_ratio=row.is_ratio)


COUNTS = (
    Column[LabelCountRow]("column", lambda row: clean(row.column)),
    Column[LabelCountRow]("label", lambda row: clean(row.label)),
    Column[LabelCountRow]("rows", lambda row: str(row.rows)),
)
UNCERTAIN = (
    Column[GapRow]("groups", lambda row: clean(row.family)),
    Column[GapRow]("metric", metric_at),
    Column[GapRow]("worst against best", who),
    Column[GapRow]("labels as given", by_labels),
    Column[GapRow]("labels resampled", by_simulated_labels),
    Column[GapRow]("left", lambda row: percent(uncertainty(row).attenuation, 0)),
    Column[GapRow]("true groups", true_groups),
    Column[GapRow]("p (Holm)", lambda row: p_value(uncertainty(row).p_holm)),
)
TRUSTED = (
    Column[TrustRow]("trust", lambda row: percent(row.trust, 0)),
    Column[TrustRow]("difference", lambda row: points(row.difference.value)),
    Column[TrustRow]("left", lambda row: percent(row.attenuation, 0)),
    Column[TrustRow]("p (Holm)", lambda row: p_value(row.p_holm)),
    Column[TrustRow]("deciding interval", trusted_interval),
    Column[TrustRow]("verdict", lambda row: clean(row.verdict)),
    Column[TrustRow]("all pairs", lambda row: tally(row.verdicts)),
)
