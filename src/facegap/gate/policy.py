"""The policy of `facegap gate`: a strict TOML file of rules, each with its scope and limit."""

from __future__ import annotations

import difflib
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from facegap.derive.metrics import metric_of, metrics
from facegap.errors import TableError
from facegap.inputs.strict_toml import ListOf, Table, Tables, Texts, checked, read_toml
from facegap.statistics.verdicts import BEYOND, GAP, VERDICTS

Judge = Literal["interval", "point"]
Kind = Literal["rate", "gap", "verdict", "subjects", "answer"]
VERSION = 1
MOST_BYTES = 1_000_000
MOST_RULES = 1_000
EVERYBODY = "everybody"


@dataclass(frozen=True)
class Rule:
    """One rule.

    metric    : as in rates.csv; empty for subjects over all rates, and for predictions without labels
    output, answer : for predictions without labels, as in answer_gaps.csv; answer empty: all of them
    limit     : of a rate or gap; the minimum number of people for subjects; NaN for verdicts
    scale     : of a gap: "difference" or "ratio"
    forbidden : verdicts that break the rule
    by        : attributes of the groups; None: every grouping of the run, and for rates also all subjects together;
                () all subjects together only
    groups    : names of groups as printed; empty: all
    threshold : NaN: every threshold of the run; threshold_from : text that its source must contain
    """

    kind: Kind
    name: str
    metric: str
    limit: float = math.nan
    scale: Literal["difference", "ratio", ""] = ""
    forbidden: tuple[str, ...] = ()
    by: tuple[str, ...] | None = None
    groups: tuple[str, ...] = ()
    threshold: float = math.nan
    threshold_from: str = ""
    judge: Judge = "interval"
    output: str = ""
    answer: str = ""


@dataclass(frozen=True)
class Policy:
    """The content of a policy file. name : for the reader; rules in the order of the file, by kind."""

    name: str
    rules: tuple[Rule, ...] = field(default=())


def read_policy(path: Path) -> Policy:
    """A policy from a TOML file.

    Raises
    ------
    TableError : if the file is unreadable, not TOML, has an unknown, missing or invalid key, or no rule; the message
                names file, key and remedy
    """
    _, content = read_toml(path, max_bytes=MOST_BYTES)
    said = checked(PolicyFile, content, path)
    rules = said.rules()
    if not rules:
        raise TableError(f"{path}: no rule; add a table such as [[rate]] with metric and max")
    if len(rules) > MOST_RULES:
        raise TableError(f"{path}: {len(rules):,} rules, more than {MOST_RULES:,}; use fewer, more general rules")
    return Policy(path.stem if said.name is None else said.name, rules)


# ---- the file ----


def _known_metric(name: str) -> str:
    if name not in metrics():
        raise ValueError(f"no metric; {hint(name, tuple(metrics()))}")
    return name


def _known_verdict(name: str) -> str:
    if name not in VERDICTS:
        raise ValueError(f"no verdict; {hint(name, VERDICTS)}")
    return name


def _attributes(said: Any) -> Any:
    """`gender*race` as its attributes, `everybody` as none."""
    if not isinstance(said, str):
        raise ValueError("give a grouping of the run in quotes, such as 'gender*race', or 'everybody'")
    names = () if said == EVERYBODY else tuple(name.strip() for name in said.split("*"))
    if not all(names):
        raise ValueError("give a grouping of the run such as 'gender*race', or 'everybody'")
    return names


Metric = Annotated[str, AfterValidator(_known_metric), Field(description="a metric of rates.csv")]
PROPORTION = "a proportion from 0 to 1"
By = Annotated[tuple[str, ...] | None, BeforeValidator(_attributes)]
Names = Annotated[Texts, Field(description='a list of names in quotes, such as ["darker female"]')]
JUDGES = "'interval' or 'point'"
OwnJudge = Annotated[Judge | None, Field(description=JUDGES)]
Words = Annotated[str, Field(description="text in quotes")]


class _RuleTable(Table):
    """Keys common to all rules."""

    name: Words = ""
    by: By = None
    groups: Names = ()


class _AtThreshold(_RuleTable):
    """Keys of rules about rates at a threshold."""

    metric: Metric
    threshold: Annotated[float, Field(description="a score")] = math.nan
    threshold_from: Words = ""


class SubjectsTable(_RuleTable):
    """[[subjects]]: the minimum number of people in every group."""

    min: Annotated[int, Field(ge=1, description="a whole number of people from 1 up")]
    metric: Metric = ""

    def rule(self, _judge: Judge) -> Rule:
        """The rule of this table."""
        return Rule("subjects", self.name, self.metric, float(self.min), by=self.by, groups=self.groups)


class RateTable(_AtThreshold):
    """[[rate]]: the maximum rate."""

    max: Annotated[float, Field(ge=0, le=1, description=PROPORTION)]
    judge: OwnJudge = None

    def rule(self, judge: Judge) -> Rule:
        """The rule of this table."""
        return _rule_at("rate", self, self.max, "", self.judge or judge)


class GapTable(_AtThreshold):
    """[[gap]]: the maximum gap, as a difference or as a ratio."""

    max_difference: Annotated[float | None, Field(ge=0, le=1, description=PROPORTION)] = None
    max_ratio: Annotated[float | None, Field(ge=1, description="a ratio of 1 or more")] = None
    judge: OwnJudge = None

    @model_validator(mode="after")
    def _one_limit(self) -> Self:
        if (self.max_difference is None) == (self.max_ratio is None):
            usual = "max_ratio" if metric_of(self.metric).is_ratio else "max_difference"
            raise ValueError(f"give either max_difference or max_ratio; facegap evaluates {self.metric} by {usual}")
        return self

    def rule(self, judge: Judge) -> Rule:
        """The rule of this table."""
        if self.max_ratio is not None:
            return _rule_at("gap", self, self.max_ratio, "ratio", self.judge or judge)
        assert self.max_difference is not None
        return _rule_at("gap", self, self.max_difference, "difference", self.judge or judge)


class VerdictTable(_AtThreshold):
    """[[verdict]]: verdicts that no gap may have; to forbid a gap also forbids one larger than the margin."""

    forbid: Annotated[
        tuple[Annotated[str, AfterValidator(_known_verdict)], ...],
        ListOf,
        Field(min_length=1, description=f"a list of verdicts, such as [{GAP!r}]"),
    ]

    def rule(self, _judge: Judge) -> Rule:
        """The rule of this table."""
        return Rule(
            "verdict",
            self.name,
            self.metric,
            forbidden=(*self.forbid, *((BEYOND,) if GAP in self.forbid and BEYOND not in self.forbid else ())),
            by=self.by,
            groups=self.groups,
            threshold=self.threshold,
            threshold_from=self.threshold_from,
        )


class AnswerTable(_RuleTable):
    """[[answer]]: the maximum difference between two groups in how often a class is predicted, without ground truth."""

    output: Words
    answer: Words = ""
    max_difference: Annotated[float, Field(ge=0, le=1, description=PROPORTION)]
    judge: OwnJudge = None

    def rule(self, judge: Judge) -> Rule:
        """The rule of this table."""
        return Rule(
            "answer",
            self.name,
            "",
            self.max_difference,
            "difference",
            by=self.by,
            groups=self.groups,
            judge=self.judge or judge,
            output=self.output,
            answer=self.answer,
        )


class PolicyFile(Table):
    """The whole file."""

    version: Annotated[int, Field(ge=VERSION, le=VERSION, description=f"version = {VERSION}")]
    name: Annotated[str | None, Field(description="text in quotes")] = None
    judge: Annotated[Judge, Field(description=JUDGES)] = "interval"
    subjects: Annotated[tuple[SubjectsTable, ...], Tables] = ()
    rate: Annotated[tuple[RateTable, ...], Tables] = ()
    gap: Annotated[tuple[GapTable, ...], Tables] = ()
    verdict: Annotated[tuple[VerdictTable, ...], Tables] = ()
    answer: Annotated[tuple[AnswerTable, ...], Tables] = ()

    def rules(self) -> tuple[Rule, ...]:
        """Every rule, by kind and in the order of the file."""
        tables: list[SubjectsTable | RateTable | GapTable | VerdictTable | AnswerTable]
        tables = [*self.subjects, *self.rate, *self.gap, *self.verdict, *self.answer]
        return tuple(table.rule(self.judge) for table in tables)


def _rule_at(
    kind: Kind, table: RateTable | GapTable, limit: float, scale: Literal["difference", "ratio", ""], judge: Judge
) -> Rule:
    """A rule with a limit at a threshold."""
    return Rule(
        kind,
        table.name,
        table.metric,
        limit,
        scale,
        by=table.by,
        groups=table.groups,
        threshold=table.threshold,
        threshold_from=table.threshold_from,
        judge=judge,
    )


def hint(key: str, known: tuple[str, ...]) -> str:
    """A suggestion for an unknown key."""
    close = difflib.get_close_matches(key, known, n=1)
    return f"did you mean {close[0]!r}?" if close else f"there are {', '.join(known)}"
