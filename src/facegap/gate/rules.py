"""`facegap gate RUN --policy FILE`: does a run satisfy the rules of a policy? Every rule ends in one of three states.

A limit is evaluated on the interval: the rule holds if the whole interval is within the limit, is broken if all of it is
beyond, and otherwise the run cannot tell. A rule may use the point value instead, for which chance decides near the limit.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from facegap.derive.groupings import Grouping
from facegap.derive.outputs import ANSWERED
from facegap.derive.outputs import GAPS as ANSWER_GAPS
from facegap.errors import TableError
from facegap.gate.policy import Policy, Rule, read_policy
from facegap.report.groups import decided_text, verdict_text
from facegap.report.rows.frames import groupings_of, own_rates, records
from facegap.report.rows.gaps import gap_row
from facegap.report.tables import title_of
from facegap.report.text import NO_NUMBER, clean, difference, interval, number, percent, points, ratio, score
from facegap.statistics.verdicts import UNKNOWN as UNDECIDED
from facegap.store.finished import read_finished
from facegap.store.run import Run, fitting_together
from facegap.types import Group

State = Literal["holds", "broken", "cannot tell"]
STATES: tuple[State, ...] = ("broken", "cannot tell", "holds")  # the worst first
EXIT_CODES: dict[State, int] = {"holds": 0, "broken": 1, "cannot tell": 2}
STATE_LETTERS = 13  # width of the state at the beginning of a line, with the spaces after it
SAME_THRESHOLD = 5e-5  # thresholds are printed to four decimals


@dataclass(frozen=True)
class Finding:
    """The result of a rule for one row of a table. weight : how far it is from holding; the largest is reported."""

    state: State
    weight: float
    said: str


@dataclass(frozen=True)
class Outcome:
    """The result of a rule for a run. said : its deciding row with numbers, n and interval, or why there is none."""

    rule: Rule
    state: State
    said: str

    @property
    def line(self) -> str:
        """The rule in one line, with names from the run folder escaped."""
        return clean(f"{self.state:<{STATE_LETTERS}}{title(self.rule)}: {self.said}")


def gate(folder: Path, policy: Path) -> tuple[Policy, list[Outcome]]:
    """The outcome of every rule of a policy for the run in a folder.

    Raises
    ------
    RunError   : if there is no finished run, or it was changed after it finished
    TableError : if the policy is invalid, or a rule requests the verdict of an exploratory gap, which has none; the message
                names file, key and remedy
    """
    chosen = read_policy(policy)
    run = read_finished(folder)
    with fitting_together(folder):
        for rule in chosen.rules:
            require_verdicts(rule, run, policy)
        return chosen, [outcome(rule, run) for rule in chosen.rules]


def require_verdicts(rule: Rule, run: Run, policy: Path) -> None:
    """Raise TableError if a rule requests the verdict of a gap outside the primary family of the run."""
    rows = rows_of(rule, run) if rule.kind == "verdict" else []
    exploratory = [row for row in rows if not row["primary"]]
    if not exploratory:
        return
    first = exploratory[0]
    named = clean(f"{rule.metric} by {first['family']}") + at(first)
    primary_rows = [row for row in rows if row["primary"]]
    narrower = "ask for the interval instead, with [[gap]] in place of [[verdict]]"
    if primary_rows:
        family = clean(str(primary_rows[0]["family"]))
        point = f" and threshold = {score(float(primary_rows[0]['threshold']))}" if at(first) else ""
        narrower = f'narrow the rule to the primary family with by = "{family}"{point}, or {narrower}'
    raise TableError(
        f"{policy}, [[verdict]] {title(rule)!r}: {len(exploratory)} of the {len(rows)} gaps it applies to are exploratory in this "
        f"run and have no verdict (the first: {named}); {narrower}, or repeat the run with a plan whose primary family "
        "contains them (facegap plan)"
    )


def exit_code(outcomes: Sequence[Outcome]) -> int:
    """1 if any rule is broken, otherwise 2 if any is undecided, otherwise 0."""
    worst: State = next((state for state in STATES if any(found.state == state for found in outcomes)), "holds")
    return EXIT_CODES[worst]


def outcome(rule: Rule, run: Run) -> Outcome:
    """The outcome of one rule for a run: its worst row decides."""
    reason = unknown_grouping(rule, run)
    if reason:
        return Outcome(rule, "cannot tell", reason)
    rows = rows_of(rule, run)
    if not rows:
        return Outcome(rule, "cannot tell", f"no row of the run matches ({nothing(rule, run)})")
    makers = {
        "rate": rate_findings,
        "gap": gap_findings,
        "verdict": verdict_findings,
        "subjects": people_findings,
        "answer": answer_findings,
    }
    found = makers[rule.kind](rule, rows)
    state = next(state for state in STATES if any(one.state == state for one in found))
    deciding = max((one for one in found if one.state == state), key=lambda one: one.weight)
    missing = missing_groups(rule, rows)
    if missing and state == "holds":
        return Outcome(rule, "cannot tell", f"{missing}; of the others {deciding.said}")
    count = sum(one.state == state for one in found)
    among = f" ({count} of {len(found)} rows)" if len(found) > 1 else ""
    return Outcome(rule, state, deciding.said + among)


def rows_of(rule: Rule, run: Run) -> list[dict[str, Any]]:
    """The rows of the run to which a rule applies."""
    if rule.kind == "answer":
        return answer_rows(rule, run)
    return gap_rows(rule, run) if rule.kind in ("gap", "verdict") else rate_rows(rule, run)


def unknown_grouping(rule: Rule, run: Run) -> str:
    """Why the run has no such grouping; empty if it has."""
    if not rule.by or set(rule.by) in [set(grouping) for grouping in groupings_of(run)]:
        return ""
    made = ", ".join("*".join(grouping) for grouping in groupings_of(run)) or "nothing"
    wanted = clean("*".join(rule.by))
    return f"the run has no grouping {wanted}, only {clean(made)}; audit it with --by {wanted}"


def nothing(rule: Rule, run: Run) -> str:
    """Why no row matches."""
    if rule.kind == "answer":
        return no_answers(rule, run)
    table = run.gaps if rule.kind in ("gap", "verdict") else run.rates
    metrics = list(dict.fromkeys(table["metric"])) if len(table) else []
    if rule.metric and rule.metric not in metrics:
        return f"the run has {', '.join(metrics) or 'no metric'}"
    anywhere = rows_of(replace(rule, groups=(), threshold=math.nan, threshold_from=""), run)
    if missing := missing_groups(rule, anywhere):
        return missing
    if len(rule.groups) == 1 and rule.kind in ("gap", "verdict"):
        return "a gap is between two groups: name both, or none to include all"
    thresholds = ", ".join(score(point.threshold) for point in run.record.operating)
    return f"the run has thresholds {thresholds}" if thresholds else "the groups are too small to be tested"


def missing_groups(rule: Rule, rows: Sequence[Mapping[str, Any]]) -> str:
    """Which groups of a rule are in none of the evaluated rows; empty if all are."""
    present = {str(row[name]) for row in rows for name in ("group", "group_a", "group_b") if name in row}
    missing = [group for group in rule.groups if group not in present]
    return f"no group {', '.join(clean(group) for group in missing)}" if missing else ""


# ---- rates and subjects ----


def rate_findings(rule: Rule, rows: Sequence[dict[str, Any]]) -> list[Finding]:
    """The result for each rate to which the rule applies."""
    return [rate_finding(rule, row) for row in rows]


def rate_rows(rule: Rule, run: Run) -> list[dict[str, Any]]:
    """The rates to which a rule applies, of groups with known labels."""
    rows = own_rates(run)
    rows = rows[rows["metric"] == rule.metric] if rule.metric else rows
    return [
        row
        for row in records(rows)
        if applies_to(rule, row["grouping"], [str(row["group"])], row) and is_labelled(row["group"])
    ]


def applies_to(rule: Rule, grouping: Grouping, groups: Sequence[str], row: dict[str, Any]) -> bool:
    """Whether a row has the grouping, groups and threshold of the rule."""
    if rule.by is not None and set(grouping) != set(rule.by):
        return False
    if rule.groups and not set(groups) <= set(rule.groups):
        return False
    if not math.isnan(rule.threshold) and not abs(float(row["threshold"]) - rule.threshold) <= SAME_THRESHOLD:
        return False
    return rule.threshold_from in str(row.get("threshold_from", ""))


def is_labelled(group: Group) -> bool:
    """Whether all labels of a group are known."""
    from facegap.inputs.manifests.labels import UNKNOWN

    return UNKNOWN not in dict(group.attributes).values()


def rate_finding(rule: Rule, row: dict[str, Any]) -> Finding:
    """One rate against its limit."""
    value, low, high = float(row["value"]), float(row["low"]), float(row["high"])
    state = state_of(value, low, high, rule)
    said = (
        f"{clean(row['group'])} {percent(value)} {interval(low, high)} {row['errors']:,}/{row['trials']:,}, "
        f"{row['subjects']:,} people{at(row)}; limit {percent(rule.limit)}"
    )
    weight = {"broken": value, "holds": value}.get(state, high if high == high else math.inf)
    return Finding(state, weight, said + manner(rule))


def state_of(value: float, low: float, high: float, rule: Rule) -> State:
    """The state for an upper limit, from the interval, or from the point value if the rule says so."""
    if rule.judge == "point":
        return "cannot tell" if math.isnan(value) else "holds" if value <= rule.limit else "broken"
    if math.isnan(low) or math.isnan(high):
        return "cannot tell"
    if high <= rule.limit:
        return "holds"
    return "broken" if low > rule.limit else "cannot tell"


def at(row: dict[str, Any]) -> str:
    """The threshold of a row; empty if it has none."""
    return "" if math.isnan(float(row["threshold"])) else f", threshold {score(float(row['threshold']))}"


def manner(rule: Rule) -> str:
    """A note if the point value was used."""
    return " (point value evaluated)" if rule.judge == "point" else ""


def people_findings(rule: Rule, rows: Sequence[dict[str, Any]]) -> list[Finding]:
    """The number of subjects in each group: the maximum over its rates, or that of the rule's metric."""
    people: dict[str, int] = {}
    for row in rows:
        people[str(row["group"])] = max(people.get(str(row["group"]), 0), int(row["subjects"]))
    return [
        Finding(
            "holds" if count >= rule.limit else "broken",
            -count,
            f"fewest in {clean(group)}: {count:,} people; minimum {rule.limit:,.0f}",
        )
        for group, count in people.items()
    ]


# ---- gaps and verdicts ----


def gap_rows(rule: Rule, run: Run) -> list[dict[str, Any]]:
    """The gaps to which a rule applies."""
    found = []
    for row in records(run.gaps):
        grouping = tuple(str(row["family"]).split(",")[0].split("*"))
        if row["metric"] == rule.metric and applies_to(rule, grouping, [row["group_a"], row["group_b"]], row):
            found.append(row)
    return found


def gap_findings(rule: Rule, rows: Sequence[dict[str, Any]]) -> list[Finding]:
    """The result for each gap to which the rule applies."""
    return [gap_finding(rule, row) for row in rows]


def gap_finding(rule: Rule, row: dict[str, Any]) -> Finding:
    """One gap against its limit; if labels are uncertain, the wider interval is used."""
    uncertain = "label_" if row.get("label_draws", 0) else ""
    value, low, high = (
        float(row[name]) for name in (rule.scale, f"{uncertain}{rule.scale}_low", f"{uncertain}{rule.scale}_high")
    )
    first, second = row["group_a"], row["group_b"]
    least, turned = (1.0, 1 / value if value else math.inf) if rule.scale == "ratio" else (0.0, -value)
    if value < least:  # the worse group first
        first, second, value = second, first, turned
        low, high = (inverse(high), inverse(low)) if rule.scale == "ratio" else (-high, -low)
    # A gap in the opposite direction beyond the limit also breaks the rule.
    mirrored = inverse(low) if rule.scale == "ratio" else -low
    state = state_of(value, low, max(high, mirrored), rule)
    shown, limit = difference(value, low, high), points(rule.limit)
    if rule.scale == "ratio":
        shown, limit = ratio(value, low, high), number(rule.limit)
    counts = f"{row['subjects_a']:,} and {row['subjects_b']:,} people"
    worst = value if state != "cannot tell" else max(high, mirrored)
    said = f"{clean(first)} against {clean(second)} {shown}, {counts}{at(row)}; limit {limit}{manner(rule)}"
    return Finding(state, worst if worst == worst else math.inf, said)


# ---- predictions without labels ----


def answer_rows(rule: Rule, run: Run) -> list[dict[str, Any]]:
    """The pairs of groups and predictions to which a rule applies; an answer rate has no threshold."""
    return [
        {**row, "threshold": math.nan}
        for row in answers_of(run)
        if row["output"] == rule.output and rule.answer in ("", row["answer"])
        if applies_to(rule, tuple(str(row["family"]).split("*")), [row["group_a"], row["group_b"]], row)
    ]


def answers_of(run: Run) -> list[dict[str, Any]]:
    """Every pair of groups and predictions of outputs without labels."""
    table = run.extra.get(ANSWER_GAPS)
    return [] if table is None else [row for row in records(table) if row["measure"] == ANSWERED]


def answer_findings(rule: Rule, rows: Sequence[dict[str, Any]]) -> list[Finding]:
    """The result for each difference between answer rates; these are not error rates, as there is no ground truth."""
    return [
        replace(found, said=f"predicted {clean(row['answer'])}: {found.said}")
        for row in rows
        for found in [gap_finding(rule, row)]
    ]


def no_answers(rule: Rule, run: Run) -> str:
    """Why no answer rate matches."""
    known: dict[str, list[str]] = {}
    for row in answers_of(run):
        known.setdefault(str(row["output"]), []).append(str(row["answer"]))
    if rule.output not in known:
        return f"the run has answer rates of {clean(', '.join(known)) or 'no output'}; labelled outputs need [[gap]]"
    if rule.answer and rule.answer not in known[rule.output]:
        return f"the predictions of {clean(rule.output)} are {clean(', '.join(dict.fromkeys(known[rule.output])))}"
    return missing_groups(rule, answer_rows(replace(rule, groups=()), run)) or "the groups are too small to be tested"


def inverse(value: float) -> float:
    """1 / value; infinity for 0."""
    return math.inf if value == 0 else 1 / value


def verdict_findings(rule: Rule, rows: Sequence[dict[str, Any]]) -> list[Finding]:
    """The result for each verdict: a forbidden one breaks the rule, and with too little data the run cannot tell."""
    found = []
    for row in rows:
        verdict, gap = str(row["verdict"]), gap_row(row)
        state: State = "broken" if verdict in rule.forbidden else "cannot tell" if verdict == UNDECIDED else "holds"
        p, size = gap.p_decided, number(gap.ratio.value) if gap.is_ratio else points(gap.difference.value)
        said = (
            f"{clean(gap.worse.group)} against {clean(gap.better.group)}: {verdict_text(gap)}, {size}, deciding interval "
            f"{decided_text(gap)}, {gap.worse.subjects:,} and {gap.better.subjects:,} people, "
            f"p {NO_NUMBER if math.isnan(p) else f'{p:.2g}'}{at(row)}"
        )
        found.append(
            Finding(state, abs(float(row["difference"])) if row["difference"] == row["difference"] else 0.0, said)
        )
    return found


# ---- words ----


def title(rule: Rule) -> str:
    """Title of a rule."""
    if rule.name:
        return clean(rule.name)
    groups = "" if rule.by is None else " of all subjects" if rule.by == () else f" by {'*'.join(rule.by)}"
    metric = title_of(rule.metric) if rule.metric else "any rate"
    predicted = f"predicted {rule.answer}" if rule.answer else "every prediction"
    words = {
        "answer": f"difference in predictions of {rule.output}, {predicted}",
        "rate": metric,
        "gap": f"gap in {metric}",
        "verdict": f"verdict on {metric}",
        "subjects": "people per group",
    }
    named = f", {', '.join(rule.groups)}" if rule.groups else ""
    return clean(words[rule.kind] + groups + named)


def summary(outcomes: Sequence[Outcome]) -> str:
    """The number of rules in each state, and the result of the policy."""
    counts = ", ".join(f"{sum(found.state == state for found in outcomes)} {state}" for state in EXIT_CODES)
    end = {0: "the policy holds", 1: "the policy is broken", 2: "undecided by this run"}[exit_code(outcomes)]
    return f"{len(outcomes)} rules: {counts}; {end}"
