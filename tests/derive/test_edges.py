"""Rates at edges of bins below the list of impostor pairs: those of a list of all pairs, or intervals that hold those."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from facegap.audit import floors
from facegap.audit.recount import comparisons_differing
from facegap.audit.settings import AuditSettings, Groups, Verify
from facegap.derive.comparisons import false_match_rate
from facegap.derive.edges import BOUND, EDGES, OF_LIST, OF_SUBJECTS
from facegap.derive.groupings import cells_of
from facegap.derive.run import comparisons_of
from facegap.errors import SettingError, StatisticsError
from facegap.store.run import Run
from facegap.types import Rate
from fixtures.settings import audit_embeddings

GROUPINGS = ((), ("town",), ("town", "gender"))


def people(folder: Path, *, images: int, seed: int = 5) -> tuple[Path, Path]:
    """Templates of 240 images with a strong direction of each town, and their manifest."""
    rng = np.random.default_rng(seed)
    subjects = np.repeat(np.arange(240 // images), images)
    size = len(subjects)
    rows = rng.normal(size=(size, 6))[subjects] + 0.4 * rng.normal(size=(size, 6))
    rows[subjects % 3 == 0, 0] += 1.0
    np.save(folder / "t.npy", rows.astype(np.float32))
    frame = pd.DataFrame({"image": [f"i{k}" for k in range(size)], "subject": subjects})
    frame["town"], frame["gender"] = np.where(subjects % 3, "Ayr", "Bonn"), np.where(subjects % 2, "f", "m")
    frame.to_csv(folder / "m.csv", index=False)
    return folder / "t.npy", folder / "m.csv"


def audited(files: tuple[Path, Path], tail_limit: int, **words: Any) -> Run:
    chosen = Verify(fmr=(), threshold=(0.97,), tail_limit=tail_limit, impostors_only=True, **words)
    return audit_embeddings(*files, verify=chosen, by="town,town*gender")


def rate_of_whole_list(whole: Run, row: pd.Series, grouping: tuple[str, ...]) -> Rate:
    """The rate that a row of edges.csv is of, from a run that lists all pairs."""
    pairs = comparisons_of(whole)
    assert pairs is not None and pairs.complete
    cells = cells_of(whole.manifest, grouping)
    names = [[row[f"{side}{name}"] for name in grouping] for side in ("", "other_")]
    of = [[value for _, value in group.attributes] for group in cells.groups]
    first = cells.codes == of.index(names[0])
    second = (
        cells.codes == of.index(names[1])
        if grouping and isinstance(row["other_town"], str) and row["other_town"]
        else None
    )
    return false_match_rate(pairs, row["threshold"], first, second, generalised=False, level=row["level"])


@pytest.mark.parametrize("images", [1, 2])
def test_rates_below_the_list_are_those_of_a_list_of_all_pairs(
    tmp_path: Path, images: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(floors, "MOST_ROW_EDGES", 8)
    files = people(tmp_path, images=images)
    short, whole = audited(files, 300, edge_fmr=0.1), audited(files, 10**6)
    table = short.extra[EDGES]
    assert EDGES not in whole.extra
    assert set(table["threshold_from"]) == {OF_LIST, BOUND if images > 1 else OF_SUBJECTS}
    assert len(table["threshold"].unique()) == 8 and len(table) == 8 * (1 + 3 + 10)
    everybody = table[(table["town"] == "any") & (table["threshold_from"] != OF_LIST)]
    assert everybody["value"].max() > 0.1 > 300 / (240 * 239 / 2) > everybody["value"].min() / 2
    for _, row in table.iterrows():
        grouping = tuple(name for name in ("town", "gender") if row[name] != "any")
        expected = rate_of_whole_list(whole, row, grouping)
        assert (row["errors"], row["trials"], row["subjects"]) == (expected.errors, expected.trials, expected.subjects)
        if row["threshold_from"] == BOUND:
            assert row["low"] <= expected.low + 1e-12 and row["high"] >= expected.high - 1e-12
        else:
            np.testing.assert_allclose([row["low"], row["high"]], [expected.low, expected.high], rtol=1e-6)
    # The other tables are those of the list.
    pd.testing.assert_frame_equal(short.rates, whole.rates)
    pd.testing.assert_frame_equal(short.gaps, whole.gaps)
    assert comparisons_differing(short) == []


def test_a_list_that_reaches_the_rate_needs_no_counts_of_templates(tmp_path: Path) -> None:
    run = audited(people(tmp_path, images=2), 10_000, edge_fmr=0.01)
    assert EDGES not in run.extra
    assert run.matched is not None and run.matched.counts is not None and run.matched.counts.row_tails is None


def test_counts_that_would_take_too_much_memory_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = people(tmp_path, images=2)
    monkeypatch.setattr(floors, "ROW_BYTES", 4 * 240 * 4 * 3)  # three edges of four groups
    assert len(audited(files, 300, edge_fmr=0.1).extra[EDGES]["threshold"].unique()) == 3
    monkeypatch.setattr(floors, "ROW_BYTES", 4 * 240 * 4 - 1)
    with pytest.raises(StatisticsError, match=r"--edge-fmr: counts of 240 templates by 4 groups need 3,840 bytes"):
        audited(files, 300, edge_fmr=0.1)


def test_settings_that_contradict_edges_are_refused() -> None:
    with pytest.raises(SettingError, match="--edge-fmr is about all pairs"):
        Verify(edge_fmr=0.01, sample_pairs=1000)
    with pytest.raises(SettingError, match="--edge-fmr and --cluster"):
        AuditSettings(verify=Verify(edge_fmr=0.01), groups=Groups(cluster=("photographer",)))
