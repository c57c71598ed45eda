"""results.json: every number of a leaderboard, machine-readable; NaN becomes null."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from facegap.report.rows.gaps import GapRow
from facegap.report.rows.rates import RateRow
from facegap.runtime import version_of
from facegap.store.record.thresholds import Operating
from facegap.suite.ranks import POOLED, RankRange
from facegap.suite.rows import Board, Standing
from facegap.types import Rate

FORMAT = 1


def results_json(title: str, content: bytes, boards: Sequence[Board], out: Path) -> str:
    """The document as text. content : of the suite file; out : the folder to which runs are relative"""
    document = {
        "format": FORMAT,
        "facegap": version_of("facegap"),
        "title": title,
        "suite_sha256": hashlib.sha256(content).hexdigest(),
        "boards": [board_object(board, out) for board in boards],
    }
    return json.dumps(plain(document), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def board_object(board: Board, out: Path) -> dict[str, Any]:
    """One board."""
    return {
        "set": board.set_name,
        "set_title": board.set_title,
        "task": board.task,
        "metric": board.metric,
        "by": list(board.grouping),
        "target_fmr": list(board.targets),
        "images": board.images,
        "people": board.people,
        "alpha_of_all_pairs": board.alpha,
        "models": [standing_object(one, out) for one in board.standings],
        "pairs": [
            {
                "over": "everybody" if one.grouping == POOLED else "worst groups",
                "first": one.first,
                "second": one.second,
                "second_less_first": one.value,
                "low": one.low,
                "high": one.high,
                "fewer_errors": one.ahead or None,
            }
            for one in board.differences
        ],
    }


def standing_object(one: Standing, out: Path) -> dict[str, Any]:
    """One model of a board."""
    return {
        "model": one.model.name,
        "run": one.folder.relative_to(out).as_posix(),
        "everybody": rate_object(one.pooled),
        "rank": ranks_object(one.pooled_ranks),
        "worst_group": None if one.worst is None else group_object(one.worst),
        "rank_of_worst": ranks_object(one.worst_ranks),
        "widest_gap": None if one.gap is None else gap_object(one.gap),
        "ms_per_face": {"median": one.model.ms, "p95": one.model.ms_p95, "faces": one.model.faces_timed},
        "threshold": None if one.threshold is None else threshold_object(one.threshold),
        "device": one.machine.device,
        "threads": one.machine.threads,
        "workers": one.machine.workers,
        "batch": one.machine.batch,
        "size_bytes": one.model.size_bytes,
        "precision": one.model.precision or None,
        "licence": one.model.licence,
        "commercial_use": one.model.commercial_use,
    }


def threshold_object(point: Operating) -> dict[str, Any]:
    """The threshold of a model, and its origin."""
    return {
        "value": point.threshold,
        "source": point.source,
        "target_fmr": list(point.targets),
        "unmet": point.unmet or None,
    }


def rate_object(rate: Rate) -> dict[str, Any]:
    """A rate with its counts."""
    return {
        "value": rate.value,
        "low": rate.low,
        "high": rate.high,
        "level": rate.level,
        "errors": rate.errors,
        "trials": rate.trials,
        "subjects": rate.subjects,
    }


def group_object(row: RateRow) -> dict[str, Any]:
    """The rate of a group."""
    return {"group": dict(row.group.attributes), **rate_object(row.rate)}


def ranks_object(ranks: RankRange | None) -> dict[str, int] | None:
    """The range of ranks."""
    return None if ranks is None else {"best": ranks.best, "worst": ranks.worst, "of": ranks.models}


def gap_object(gap: GapRow) -> dict[str, Any]:
    """The widest gap."""
    return {
        "worse": gap.worse.group,
        "better": gap.better.group,
        "difference": {"value": gap.difference.value, "low": gap.difference.low, "high": gap.difference.high},
        "ratio": {"value": gap.ratio.value, "low": gap.ratio.low, "high": gap.ratio.high},
        "p_holm": gap.p_holm,
        "margin": gap.margin,
        "margin_is_ratio": gap.is_ratio,
        "verdict": gap.verdict,
    }


def plain(value: Any) -> Any:
    """A value as JSON."""
    if isinstance(value, dict):
        return {key: plain(one) for key, one in value.items()}
    if isinstance(value, list):
        return [plain(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
