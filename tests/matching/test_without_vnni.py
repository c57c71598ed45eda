"""Codes of 6 and 7 bits, as multiplied by processors with AVX2 only: exact, and the same counts."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

import pytest

from facegap.bench.matching import AVX2_ALONE
from facegap.matching.kernels_fused import FEATURES

PROGRAM = """
import numpy as np
from facegap.matching import count_scores, kernels_fused, search

assert not kernels_fused.VNNI and not kernels_fused.WIDE and kernels_fused.CODES == (63, 64, 64)
assert kernels_fused.codes_are_exact()
rng = np.random.default_rng(7)
rows = (rng.standard_normal((700, 48)) * np.exp(-np.arange(48) / 12) @ np.linalg.qr(rng.standard_normal((48, 48)))[0])
rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
subjects, groups = np.arange(700) // 2, np.arange(700) % 3
given = dict(floor=0.4, bins=64, tail_limit=1000)
whole, codes, prefix = (count_scores(rows, subjects, groups, filter=name, **given) for name in ("float32", "int8", "int8-prefix24"))
for found in (codes, prefix):
    np.testing.assert_array_equal(found.impostor, whole.impostor)
    np.testing.assert_array_equal(found.tail, whole.tail)
ranks = [search(rows, rows[:40], 5, filter=name) for name in ("float32", "int8", "int8-prefix24")]
for index, scores in ranks[1:]:
    np.testing.assert_array_equal(index, ranks[0][0])
    np.testing.assert_array_equal(scores, ranks[0][1])
print(whole.impostor.sum())
"""


@pytest.mark.skipif(
    platform.machine() not in ("x86_64", "AMD64") or "+avx2" not in FEATURES,
    reason="codes are multiplied by instructions of AVX2, which this processor lacks",
)
def test_a_processor_with_avx2_alone_counts_and_ranks_by_codes_as_by_float32() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM], env=os.environ | AVX2_ALONE, capture_output=True, text=True, timeout=600
    )
    assert ran.returncode == 0, ran.stderr[-2000:]
    assert int(ran.stdout) > 1000
