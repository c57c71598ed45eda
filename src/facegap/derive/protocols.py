"""Results of a benchmark protocol: accuracy by folds and TAR at a FAR, by the rules in common use."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd

from facegap.derive.identification import lost_searches, outcomes_of
from facegap.derive.metrics import FNIR, FPIR
from facegap.errors import StatisticsError
from facegap.statistics.protocols import AccuracyRule, FarRule, accept_rate, fold_accuracy
from facegap.store.record import IdentificationRecord, ProtocolRecord
from facegap.store.run import Run, Searched
from facegap.tables import PROTOCOL, check

ACCURACY_RULES: tuple[AccuracyRule, ...] = ("insightface", "facex-zoo")


def protocol_table(run: Run) -> pd.DataFrame:
    """PROTOCOL: for each list of the protocol, every result by every requested rule."""
    record, matched = run.record.protocol, run.matched
    assert record is not None
    if run.searched is not None:
        found = [{"part": "", **row} for row in search_rows(run, run.searched)]
        return check(pd.DataFrame(found, columns=list(PROTOCOL.columns)), PROTOCOL, "protocol.csv")
    assert matched is not None
    assert matched.pairs is not None
    assert matched.protocol is not None
    listed = matched.protocol
    listed = listed.assign(score=matched.pairs["score"].to_numpy(np.float64)[listed["pair"].to_numpy(np.int64)])
    rows = [
        {"part": part, "not_compared": int(of_part["score"].isna().sum()), **number}
        for part, of_part in listed.groupby("part", sort=False)
        for number in numbers_of(of_part, record)
    ]
    return check(pd.DataFrame(rows, columns=list(PROTOCOL.columns)), PROTOCOL, "protocol.csv")


def numbers_of(listed: pd.DataFrame, record: ProtocolRecord) -> Iterator[dict[str, Any]]:
    """The results of one list."""
    scores, genuine = listed["score"].to_numpy(np.float64), listed["genuine"].to_numpy(np.bool_)
    if record.folds:
        # A list from which pairs were removed (forget) may lack whole folds.
        folds = np.unique(listed["fold"].to_numpy(np.int64), return_inverse=True)[1].reshape(-1)
        yield from (accuracy_row(scores, genuine, folds, rule) for rule in ACCURACY_RULES)
    rules: tuple[FarRule, ...] = ("strict", "insightface") if record.like == "insightface" else ("strict",)
    yield from (tar_row(scores, genuine, target, rule) for rule in rules for target in record.far)


def search_rows(run: Run, searched: Searched) -> Iterator[dict[str, Any]]:
    """Rank-k identification rates, and TPIR at the longest candidate list for each threshold of a target FPIR."""
    record = run.record.identification
    assert record is not None
    outcomes = outcomes_of(run, searched)
    lost = lost_searches(run, searched)[FNIR.name]
    fixed = {"rule": "strict", "spread_is": "", "undefined_because": ""}
    for point, trials, errors in outcomes:
        if point.metric != FNIR.name or (not math.isnan(point.threshold) and point.rank != max(record.ranks)):
            continue
        mated, missed = int(trials.sum()), int(errors.sum())
        row = {
            **fixed,
            "rank": point.rank,
            "hits": mated - missed,
            "trials": mated,
            "value": 1 - missed / mated if mated else math.nan,
            "not_compared": int((lost & trials).sum()),
        }
        if math.isnan(point.threshold):
            yield {**row, "number": "identified"}
            continue
        alarms = next(
            found for found in outcomes if found[0].metric == FPIR.name and found[0].threshold == point.threshold
        )
        target = target_of(point.threshold, record)
        if target is None:  # a threshold of 1:1
            continue
        strangers, false = int(alarms[1].sum()), int(alarms[2].sum())
        yield {
            **row,
            "number": "tpir",
            "far_target": target,
            "threshold": point.threshold,
            "false_accepts": false,
            "impostors": strangers,
            "far": false / strangers if strangers else math.nan,
        }


def target_of(threshold: float, record: IdentificationRecord) -> float | None:
    """The target FPIR for which a threshold was set; None for another threshold."""
    point = next((point for point in record.operating if point.threshold == threshold), None)
    found = None if point is None else re.match(r"FPIR ([0-9.e+-]+) on ", point.source)
    return None if found is None else float(found[1])


def accuracy_row(scores: Any, genuine: Any, folds: Any, rule: AccuracyRule) -> dict[str, Any]:
    """Accuracy by folds, or the reason why there is none."""
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
    """TAR at a FAR, or the reason why there is none."""
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
