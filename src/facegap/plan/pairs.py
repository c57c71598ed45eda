"""Choose pairs to compare and write them to a file, for a service or machine that cannot compare all pairs."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pandas as pd

from facegap.audit.pair_sample import plan_lines, planned_pairs
from facegap.audit.resolved import groupings_of, people_of
from facegap.audit.settings import AuditSettings
from facegap.derive.comparisons import WEIGHT
from facegap.errors import TableError
from facegap.store.files import write_bytes
from facegap.tables import PAIR_LIST, check_known


def write_pair_plan(manifest: Path, out: Path, settings: AuditSettings, *, seed: int, directed: bool) -> Iterator[str]:
    """Choose the pairs, write them, and yield sentences on what they will show.

    Raises
    ------
    TableError : the manifest is invalid, or the file already exists
    SettingError : too few pairs for the groups
    """
    if out.exists():
        raise TableError(f"{out}: already exists; choose another --out")
    assert settings.service.max_calls is not None
    table = people_of(manifest, settings, compares=True, allow_outside=True)
    groupings, _ = groupings_of(table, settings)
    verify = replace(settings.verify, seed=seed)
    plan = planned_pairs(table.frame, groupings, verify, pairs=settings.service.max_calls, directed=directed)
    yield from plan_lines(
        plan, table.frame, groupings, level=settings.groups.level, what="calls", price=settings.service.price_per_call
    )
    image = table.frame["image"].to_numpy()
    left, right = ("probe", "reference") if directed else ("left", "right")
    listed = pd.DataFrame(
        {
            left: image[plan.rows[:, 0]],
            right: image[plan.rows[:, 1]],
            "genuine": plan.genuine.astype(int),
            WEIGHT: plan.weights,
        }
    )
    terms = settings.by or ",".join("*".join(grouping) for grouping in groupings)
    check_known(listed, PAIR_LIST, out.name)
    buffer = io.BytesIO()  # unchanged: csv_bytes would escape image names, which identify the pairs
    listed.to_csv(buffer, index=False, lineterminator="\n")
    write_bytes(out, buffer.getvalue())
    yield (
        f"Written to {out}: {len(listed):,} pairs in random order (seed {seed}), so the first of them are also a "
        f"sample."
    )
    yield (
        f"A service that facegap can call is sent the same pairs by: facegap audit {manifest} --verify-service CARD --sample-pairs "
        f"{len(listed)} --by {terms} --threshold ..."
    )
    yield (
        f"Or have them compared, add a column score, and: facegap audit-scores {out} --manifest {manifest} --by {terms} "
        "--threshold ..."
    )
