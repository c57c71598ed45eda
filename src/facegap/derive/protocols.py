"""What a benchmark protocol prints of a run: accuracy by folds and TAR at a FAR, by the rules that are in use."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from facegap.errors import StatisticsError
from facegap.statistics.protocols import AccuracyRule, FarRule, accept_rate, fold_accuracy
from facegap.store.record import ProtocolRecord
from facegap.store.run import Run
from facegap.tables import PROTOCOL, check

ACCURACY_RULES: tuple[AccuracyRule, ...] = ("insightface", "facex-zoo")


def protocol_table(run: Run) -> pd.DataFrame:
    """PROTOCOL: for each list of the protocol every number by every rule that was asked for."""
    told, matched = run.record.protocol, run.matched
    assert told is not None
    assert matched is not None
    assert matched.pairs is not None
    assert matched.protocol is not None
    listed = matched.protocol
    listed = listed.assign(score=matched.pairs["score"].to_numpy(np.float64)[listed["pair"].to_numpy(np.int64)])
    rows = [
        {"part": part, "not_compared": int(of_part["score"].isna().sum()), **number}
        for part, of_part in listed.groupby("part", sort=False)
        for number in numbers_of(of_part, told)
    ]
    return check(pd.DataFrame(rows, columns=list(PROTOCOL.columns)), PROTOCOL, "protocol.csv")


def numbers_of(listed: pd.DataFrame, told: ProtocolRecord) -> Iterator[dict[str, Any]]:
    """The numbers of one list."""
    scores, genuine = listed["score"].to_numpy(np.float64), listed["genuine"].to_numpy(np.bool_)
    if told.folds:
        # A list that lost pairs (forget) may have lost whole folds.
        folds = np.unique(listed["fold"].to_numpy(np.int64), return_inverse=True)[1].reshape(-1)
        yield from (accuracy_row(scores, genuine, folds, rule) for rule in ACCURACY_RULES)
    rules: tuple[FarRule, ...] = ("strict", "insightface") if told.like == "insightface" else ("strict",)
    yield from (tar_row(scores, genuine, target, rule) for rule in rules for target in told.far)


def accuracy_row(scores: Any, genuine: Any, folds: Any, rule: AccuracyRule) -> dict[str, Any]:
    """Accuracy by folds, or why there is none."""
    row = {"number": "accuracy", "rule": rule, "trials": len(scores), "far_target": math.nan}
    try:
        found = fold_accuracy(scores, genuine, folds, rule=rule)
    except StatisticsError as error:
        return {**row, "hits": 0, "value": math.nan, "spread_is": "", "undefined_because": str(error)}
    return {
        **row,
        "hits": int(found.correct.sum()),
        "value": found.mean,
        "spread": found.spread,
        "spread_is": found.spread_in_words,
        "threshold": float(found.thresholds.mean()),
        "undefined_because": "",
    }


def tar_row(scores: Any, genuine: Any, target: float, rule: FarRule) -> dict[str, Any]:
    """TAR at a FAR, or why there is none."""
    mates, others = scores[genuine], scores[~genuine]
    row = {"number": "tar", "rule": rule, "far_target": target, "trials": len(mates), "spread_is": ""}
    try:
        found = accept_rate(mates, others, target, rule=rule)
    except StatisticsError as error:
        return {**row, "hits": 0, "impostors": len(others), "value": math.nan, "undefined_because": str(error)}
    return {
        **row,
        "hits": found.true_accepts,
        "false_accepts": found.false_accepts,
        "impostors": found.impostors,
        "value": found.tar,
        "far": found.far,
        "threshold": found.threshold if math.isfinite(found.threshold) else math.nan,
        "undefined_because": "",
    }
