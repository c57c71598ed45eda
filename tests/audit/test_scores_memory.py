"""Memory of an audit of scores grows by little more than the order of its pairs, whatever stands in the file."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from facegap.audit.settings import Verify
from facegap.store import files, scratch
from fixtures.settings import audit_scores

IMAGES = 400
BYTES_A_ROW = 40  # 4 GiB over 100,000,000 rows


def write_scores(path: Path, rows: int) -> None:
    """Distinct pairs of IMAGES images in both orders, as trials; one in twelve genuine."""
    rng = np.random.default_rng(rows)
    left, right = np.divmod(rng.permutation(IMAGES * IMAGES), IMAGES)
    left, right = (side[left != right][:rows] for side in (left, right))
    score = rng.normal(size=rows).round(4) + 4 * (left // 40 == right // 40)
    frame = pd.DataFrame({"probe": left.astype(str), "reference": right.astype(str), "score": score})
    frame.to_csv(path, index=False)


def peak(folder: Path, rows: int) -> int:
    """Most bytes that Python, numpy and pyarrow held at once during an audit of so many rows."""
    scores = folder / f"{rows}.csv"
    write_scores(scores, rows)
    tracemalloc.start()
    try:
        held = pa.default_memory_pool().bytes_allocated()
        run = audit_scores(
            scores,
            folder / "people.csv",
            by="gender",
            verify=Verify(fmr=(0.01,), in_sample=True),
            out=folder / f"run{rows}",
        )
        assert run.record.scores is not None and run.record.scores.rows == rows
        return tracemalloc.get_traced_memory()[1] + pa.default_memory_pool().max_memory() - held
    finally:
        tracemalloc.stop()


def test_a_further_row_takes_forty_bytes_at_most(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(scratch, "LEAST_MAPPED", 2**10)
    monkeypatch.setattr(scratch, "CHUNK", 2**13)
    monkeypatch.setattr(files, "GROUP_ROWS", 2**13)
    monkeypatch.setattr("facegap.inputs.scores.read.BLOCK_BYTES", 2**18)
    people = [f"{k},s{k // 40},{'fm'[k // 40 % 2]}" for k in range(IMAGES)]
    (tmp_path / "people.csv").write_text("image,subject,gender\n" + "\n".join(people) + "\n")
    peak(tmp_path, 10_000)  # what is imported or kept once
    few, many = (peak(tmp_path, rows) for rows in (20_000, 120_000))
    assert (many - few) / 100_000 < BYTES_A_ROW
