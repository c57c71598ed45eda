"""The policy of `facegap gate`: a strict TOML file of rules, each with what it looks at and what it allows."""

from __future__ import annotations

import difflib
import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from facegap.errors import TableError
from facegap.statistics.gaps import DEFAULT_MARGINS, RATIO_METRICS
from facegap.statistics.verdicts import GAP, UNKNOWN, WITHIN

Judge = Literal["interval", "point"]
Kind = Literal["rate", "gap", "verdict", "subjects"]
VERSION = 1
MOST_BYTES = 1_000_000
MOST_RULES = 1_000
VERDICTS = {GAP: GAP, WITHIN: WITHIN, UNKNOWN: UNKNOWN}
# Keys of a table [[rate]] and so on; those of FILTERS may be left out.
FILTERS = ("by", "groups", "threshold", "threshold_from", "judge", "name")
KEYS: Mapping[Kind, tuple[str, ...]] = {
    "rate": ("metric", "max", *FILTERS),
    "gap": ("metric", "max_difference", "max_ratio", *FILTERS),
    "verdict": ("metric", "forbid", "by", "groups", "threshold", "threshold_from", "name"),
    "subjects": ("min", "by", "groups", "metric", "name"),
}
NEEDED: Mapping[Kind, tuple[str, ...]] = {
    "rate": ("metric", "max"),
    "gap": ("metric",),
    "verdict": ("metric", "forbid"),
    "subjects": ("min",),
}


@dataclass(frozen=True)
class Rule:
    """One rule.

    metric    : as in rates.csv; empty for subjects over all rates
    limit     : of a rate or gap; the least number of people for subjects; NaN for verdicts
    scale     : of a gap: "difference" or "ratio"
    forbidden : of verdicts
    by        : names of the attributes of the groups; None: every grouping of the run, and for rates everybody too;
                () everybody alone
    groups    : names of groups as they are printed; empty: all
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


@dataclass(frozen=True)
class Policy:
    """What a policy file says. name : for the reader; rules in the order of the file, by kind."""

    name: str
    rules: tuple[Rule, ...] = field(default=())


def read_policy(path: Path) -> Policy:
    """A policy from a TOML file.

    Raises
    ------
    TableError : not readable, no TOML, an unknown or missing key, a value of another kind, no rule at all; the message
                 names file, key and cure
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise TableError(f"{path}: cannot be read ({error.strerror}); name a TOML file with --policy") from error
    if len(data) > MOST_BYTES:
        raise TableError(f"{path}: more than {MOST_BYTES:,} bytes, which no policy has")
    try:
        content = tomllib.loads(data.decode())
    except (ValueError, RecursionError) as error:  # TOMLDecodeError and UnicodeDecodeError are ValueErrors
        raise TableError(f"{path}: no TOML: {error}; see docs/policy.toml for one that works") from error
    return policy_of(content, path)


def policy_of(content: Mapping[str, Any], path: Path) -> Policy:
    """A policy from the content of a file."""
    known = ("version", "name", "judge", *KEYS)
    for key in content:
        if key not in known:
            raise TableError(f"{path}, key {key!r}: unknown; {hint(key, known)}")
    if content.get("version") != VERSION or isinstance(content.get("version"), bool):
        raise TableError(f"{path}, key version: {content.get('version')!r}; write version = {VERSION}")
    judge = choice(content, "judge", ("interval", "point"), f"{path}", "interval")
    kinds: tuple[Kind, ...] = ("subjects", "rate", "gap", "verdict")
    rules = [
        rule_of(kind, table, f"{path}, {kind} {number}", judge)  # type: ignore[arg-type]
        for kind in kinds
        for number, table in enumerate(tables(content, kind, path), start=1)
    ]
    if not rules:
        raise TableError(f"{path}: no rule; add a table such as [[rate]] with metric and max")
    if len(rules) > MOST_RULES:
        raise TableError(f"{path}: {len(rules):,} rules, more than {MOST_RULES:,}; fewer, wider rules say the same")
    return Policy(text(content, "name", str(path), path.stem), tuple(rules))


def tables(content: Mapping[str, Any], kind: str, path: Path) -> list[Mapping[str, Any]]:
    """The tables of one kind."""
    found = content.get(kind, [])
    if not isinstance(found, list) or not all(isinstance(entry, dict) for entry in found):
        raise TableError(f"{path}, key {kind}: not a list of tables; write [[{kind}]] above its keys")
    return found


def rule_of(kind: Kind, table: Mapping[str, Any], where: str, judge: Judge) -> Rule:
    """One rule from its table."""
    for key in table:
        if key not in KEYS[kind]:
            raise TableError(f"{where}, key {key!r}: unknown; {hint(key, KEYS[kind])}")
    for key in NEEDED[kind]:
        if key not in table:
            raise TableError(f"{where}: no key {key!r}; add it")
    metric = text(table, "metric", where, "")
    if metric and metric not in DEFAULT_MARGINS:
        raise TableError(f"{where}, key metric: {metric!r} is no metric; {hint(metric, tuple(DEFAULT_MARGINS))}")
    limit, scale = limit_of(kind, table, metric, where)
    return Rule(
        kind,
        text(table, "name", where, ""),
        metric,
        limit,
        scale,
        forbidden(table, where) if kind == "verdict" else (),
        by_of(table, where),
        strings(table, "groups", where),
        number(table, "threshold", where, math.nan),
        text(table, "threshold_from", where, ""),
        choice(table, "judge", ("interval", "point"), where, judge),  # type: ignore[arg-type]
    )


def limit_of(kind: Kind, table: Mapping[str, Any], metric: str, where: str) -> tuple[float, Any]:
    """The number that a rule is about, and the scale of a gap."""
    if kind == "verdict":
        return math.nan, ""
    if kind == "rate":
        return within(number(table, "max", where), 0, 1, where, "max", "a share from 0 to 1"), ""
    if kind == "subjects":
        least = number(table, "min", where)
        if least != int(least) or least < 1:
            raise TableError(f"{where}, key min: {least:g} is no number of people; write a whole number from 1 up")
        return least, ""
    given = [key for key in ("max_difference", "max_ratio") if key in table]
    if len(given) != 1:
        cure = "max_ratio" if metric in RATIO_METRICS else "max_difference"
        raise TableError(f"{where}: give either max_difference or max_ratio; facegap judges {metric} by {cure}")
    if given[0] == "max_ratio":
        return within(number(table, "max_ratio", where), 1, math.inf, where, "max_ratio", "1 or more"), "ratio"
    return within(
        number(table, "max_difference", where), 0, 1, where, "max_difference", "a share from 0 to 1"
    ), "difference"


def forbidden(table: Mapping[str, Any], where: str) -> tuple[str, ...]:
    """The verdicts that break a rule."""
    given = strings(table, "forbid", where)
    for verdict in given:
        if verdict not in VERDICTS:
            raise TableError(f"{where}, key forbid: {verdict!r} is no verdict; {hint(verdict, tuple(VERDICTS))}")
    if not given:
        raise TableError(f"{where}, key forbid: empty; name a verdict such as {GAP!r}")
    return given


def by_of(table: Mapping[str, Any], where: str) -> tuple[str, ...] | None:
    """The grouping that a rule is about: 'gender*race'; 'everybody' for the empty one."""
    if "by" not in table:
        return None
    said = text(table, "by", where, "")
    if said == "everybody":
        return ()
    names = tuple(name.strip() for name in said.split("*"))
    if not all(names):
        raise TableError(
            f"{where}, key by: {said!r}; write a grouping of the run such as 'gender*race', or 'everybody'"
        )
    return names


# ---- values ----


def text(table: Mapping[str, Any], key: str, where: str, default: str) -> str:
    """A value that must be text."""
    value = table.get(key, default)
    if not isinstance(value, str):
        raise TableError(f"{where}, key {key}: {value!r} is no text; put it in quotes")
    return value


def strings(table: Mapping[str, Any], key: str, where: str) -> tuple[str, ...]:
    """A value that must be a list of texts."""
    value = table.get(key, [])
    if not isinstance(value, list) or not all(isinstance(entry, str) for entry in value):
        raise TableError(f'{where}, key {key}: {value!r} is no list of texts; write ["..."]')
    return tuple(value)


def number(table: Mapping[str, Any], key: str, where: str, default: float | None = None) -> float:
    """A value that must be a finite number."""
    value = table.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or (key in table and not math.isfinite(value)):
        raise TableError(f"{where}, key {key}: {value!r} is no number")
    return float(value)


def within(value: float, low: float, high: float, where: str, key: str, said: str) -> float:
    """A number that must lie in a range."""
    if not low <= value <= high:
        raise TableError(f"{where}, key {key}: {value:g} is not {said}")
    return value


def choice(table: Mapping[str, Any], key: str, allowed: tuple[str, ...], where: str, default: str) -> str:
    """A value of a closed set."""
    value = table.get(key, default)
    if value not in allowed:
        raise TableError(f"{where}, key {key}: {value!r}; write one of {', '.join(allowed)}")
    return str(value)


def hint(key: str, known: tuple[str, ...]) -> str:
    """What may have been meant."""
    close = difflib.get_close_matches(key, known, n=1)
    return f"did you mean {close[0]!r}?" if close else f"there are {', '.join(known)}"
