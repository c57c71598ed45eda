"""Time of models: the measurements, and which differences between two files are changes or noise."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from scipy import stats

from facegap.bench.models import (
    CHANGED,
    NOISE,
    ModelsBench,
    Timed,
    as_json,
    bench_models,
    bench_table,
    change,
    changes,
    differences_of_machines,
    read_bench,
    whole_numbers,
)
from facegap.errors import SettingError, TableError


@pytest.fixture(scope="module")
def found(toys: Any) -> ModelsBench:
    """Two turns of a classifier."""
    card = toys.card("classifier")
    return bench_models([card], batches=(2,), turns=2, calls=4, warm_up=1)


def timed(*medians: int) -> Timed:
    return Timed("m", "0" * 64, 1, "float32", 1, 1, tuple((ns,) for ns in medians), (1,) * len(medians), ("CPU",), {})


def test_every_call_of_every_turn_is_kept_with_the_provider_that_ran_it(found: ModelsBench) -> None:
    assert [(one.batch, one.threads) for one in found.timed] == [(2, 1)]
    for one in found.timed:
        assert [len(turn) for turn in one.ns] == [4, 4]
        assert min(min(turn) for turn in one.ns) > 0
        assert one.providers == ("CPUExecutionProvider",)
        assert set(one.nodes) <= {"CPUExecutionProvider"}
        assert one.quantiles_ms[0] <= one.quantiles_ms[1] <= one.quantiles_ms[2]


def test_a_written_file_is_read_back_unchanged_and_names_the_processor(found: ModelsBench, tmp_path: Path) -> None:
    (tmp_path / "bench.json").write_text(as_json(found))
    assert read_bench(tmp_path / "bench.json") == found
    assert found.processor in "\n".join(bench_table(found).notes)
    assert "2 turns, each a fresh process with 1 calls of warm-up" in "\n".join(bench_table(found).notes)


@pytest.mark.parametrize("damage", ["not json", "{}", '{"format": 2}'])
def test_an_invalid_file_is_rejected(found: ModelsBench, tmp_path: Path, damage: str) -> None:
    (tmp_path / "bench.json").write_text(damage)
    with pytest.raises(TableError, match="not a result of facegap bench models"):
        read_bench(tmp_path / "bench.json")
    wrong = json.loads(as_json(found)) | {"format": 7}
    (tmp_path / "bench.json").write_text(json.dumps(wrong))
    with pytest.raises(TableError, match="of this version"):
        read_bench(tmp_path / "bench.json")


def test_quantiles_are_of_all_calls_of_all_turns() -> None:
    one = replace(timed(1), ns=((1_000_000, 2_000_000), (3_000_000,)))
    assert one.quantiles_ms == pytest.approx((1.1, 2.0, 2.9))


def test_the_interval_of_a_ratio_is_that_of_welch_on_logarithms() -> None:
    old, new = timed(100, 110, 105, 95), timed(150, 160, 155)
    found = change(old, new, 0.95)
    expected = stats.ttest_ind(new.log_medians, old.log_medians, equal_var=False).confidence_interval(0.95)
    assert (found.low, found.high) == pytest.approx((math.exp(expected.low), math.exp(expected.high)))
    assert found.ratio == pytest.approx(math.exp(new.log_medians.mean() - old.log_medians.mean()))
    assert found.verdict == CHANGED


def test_a_difference_within_the_spread_of_turns_is_noise() -> None:
    assert change(timed(100, 130, 110), timed(115, 135, 105), 0.95).verdict == NOISE
    assert change(timed(100, 110), timed(200, 210), 0.95).verdict == "too few turns"


def test_the_level_holds_for_all_settings_together() -> None:
    many = [replace(timed(100, 110, 105), batch=batch) for batch in (1, 2, 4, 8)]
    base = ModelsBench(1, "p", 2, "cpu", {}, None, 1, 1, tuple(many))
    found = changes(base, replace(base, timed=(*many, replace(many[0], model="new"))))
    assert [one.batch for one in found] == [1, 2, 4, 8]
    alone = change(many[0], many[0], 1 - 0.05 / 4)
    assert (found[0].low, found[0].high) == (alone.low, alone.high)


def test_another_machine_or_version_is_reported(found: ModelsBench) -> None:
    other = replace(found, processor="Zuse Z3", versions={**found.versions, "numpy": "0.1"})
    said = differences_of_machines(other, found)
    assert f"processor: Zuse Z3 before, {found.processor} now" in said
    assert any(one.startswith("numpy: 0.1 before") for one in said)
    assert differences_of_machines(found, found) == []


@pytest.mark.parametrize("text", ["", "0", "1,,2", "1.5", "-1", "2000"])
def test_batches_must_be_whole_numbers(text: str) -> None:
    with pytest.raises(SettingError, match="--batch"):
        whole_numbers(text, "--batch", 1024)
