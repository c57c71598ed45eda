"""Which prefixes are tried: passing pairs are counted for every number of components, and only likely prefixes are timed."""

from __future__ import annotations

from typing import Any

import numpy as np

from facegap.bench.rows import face_like
from facegap.matching.choice import LOOK, STEP, TRIED, likeliest, proportions_passing
from facegap.matching.prefix import Basis, principal_basis


def test_what_passes_is_what_cauchy_and_schwarz_cannot_rule_out(rng: np.random.Generator) -> None:
    rows = face_like(rng, 160, 64)[0]
    left, right, basis = rows[:60], rows[60:], principal_basis(rows)
    found = proportions_passing(basis, left, right, 0.2)
    x, z = (part.astype(np.float64) @ basis.directions for part in (left, right))
    assert len(found) == 64 // STEP + 1 and found[0] == 1
    for step in range(1, len(found)):
        k = step * STEP
        rest = np.outer(np.linalg.norm(x[:, k:], axis=1), np.linalg.norm(z[:, k:], axis=1))
        assert abs(found[step] - (x[:, :k] @ z[:, :k].T + rest > 0.2).mean()) <= 2 / rest.size
    assert (np.diff(found) <= 0).all()
    assert abs(found[-1] - (left.astype(np.float64) @ right.T > 0.2).mean()) <= 2 / 6000


def test_rows_in_one_direction_pass_or_not_at_the_first_components() -> None:
    rows, identity = np.zeros((20, 32), np.float32), Basis(np.eye(32))
    rows[:, 0] = 1
    assert proportions_passing(identity, rows, rows, 0.9).tolist() == [1, 1, 1]
    assert proportions_passing(identity, rows, -rows, 0.9).tolist() == [1, 0, 0]


def test_a_prefix_is_tried_where_it_is_likely_to_pay_and_isotropic_rows_try_none(rng: np.random.Generator) -> None:
    falls = np.concatenate([np.ones(5), np.zeros(12)])  # all pairs pass 64 components, none passes 80
    found = likeliest("fused", falls, 256, {"fused": 4.0})
    assert found == [80, 96] and len(found) == TRIED
    assert likeliest("fused", np.ones(17), 256, {"fused": 4.0}) == []
    assert likeliest("int8", falls, 256, {"fused": 4.0, "int8": 2.0}) == [80, 96]
    dear = np.where(falls > 0, falls, 200 / LOOK)  # too many pass for any number of components
    assert 80 not in likeliest("fused", dear, 256, {"fused": 4.0})
    rows = face_like(rng, 4000, 128, "isotropic")[0]
    passing = proportions_passing(principal_basis(rows), rows[:100], rows[3000:], 0.28)
    assert likeliest("fused", passing, 128, {"fused": 4.0}) == []


def test_real_spectra_try_what_was_measured_to_be_fastest(rng: np.random.Generator) -> None:
    # benchmarks/README.md: 96 components at FMR 1e-3, 80 at 1e-4, 48 at 1e-5 of templates with this spectrum.
    rows = face_like(rng, 3000, 256, "mobileface_v2")[0]
    left, right = rows[:1500:12], rows[1500::4]  # nobody is in both
    scores = left @ right.T
    for fmr, near in ((1e-3, {80, 96, 128}), (1e-4, {64, 80, 96})):
        floor = float(np.quantile(scores, 1 - fmr))
        tried: Any = likeliest(
            "fused", proportions_passing(principal_basis(rows), left, right, floor), 256, {"fused": 4.0}
        )
        assert set(tried) & near
