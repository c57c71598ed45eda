"""The bench compares equal work, in turns, and does not report a wide spread as a result."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from facegap.bench import matching as bench
from facegap.bench import peers
from facegap.bench import rows as rows_of
from facegap.errors import MatchingError


def timing(*milliseconds: float) -> bench.Timing:
    ns = tuple(int(ms * 1e6) for ms in milliseconds)
    return bench.Timing(ns, ns, 1.0, None)


def test_a_ratio_is_the_median_of_the_ratios_within_a_turn() -> None:
    # The second turn takes twice as long for both, which does not change the ratio.
    found = bench.ratio("ours", timing(10, 20, 10), "theirs", timing(40, 80, 42))
    assert (found.low, found.median) == (4.0, 4.0)
    assert found.result


def test_a_ratio_with_scattered_turns_is_not_a_result() -> None:
    timings = {"theirs": timing(10, 40, 90), "ours": timing(10, 10, 10)}
    job = bench.Job("pairs", 5, 4, 1, 10, 0.1, "", timings, bench.ratios_of(timings), ())
    text = bench.as_markdown(bench.MatchingBench(bench.machine(), (job,)))
    assert "no result (2.50 to 6.50)" in text
    assert (
        json.loads(bench.as_json(bench.MatchingBench(bench.machine(), (job,))))["jobs"][0]["ratios"][0]["result"]
        is False
    )


@pytest.fixture
def case() -> peers.Case:
    rng = np.random.default_rng(5)
    rows, subjects, groups = rows_of.face_like(rng, 700, 64)
    return peers.Case(
        rows[:640], subjects[:640], groups[:640], rows[640:], rng.integers(0, 640, (500, 2)), 0.3, 3, 1, 0.45
    )


def test_every_peer_does_the_same_work(case: peers.Case) -> None:
    for job, candidates in peers.JOBS.items():
        answers = {name: run(case) for name, run in candidates.items() if not bench.why_left_out(name)}
        ours = {name: answer for name, answer in answers.items() if name.startswith("ours")}
        assert len({json.dumps(answer) for answer in ours.values()}) == 1, job
        if job == "search":
            rows = next(iter(ours.values()))[0]  # type: ignore[index]
            exact = [name for name in answers if name not in ours and name not in peers.APPROXIMATE]
            assert {answers[name] for name in exact if answers[name] is not None} == {rows}
            for name in peers.APPROXIMATE & set(answers):
                assert answers[name]() == "recall 1.000"  # type: ignore[operator]  # with 640 rows nothing is missed
        if job == "open set":
            assert len({answers[name] for name in answers if answers[name] is not None}) == 1
        if job == "pairs":
            assert answers["ours"] == pytest.approx(answers["numpy einsum in chunks"], rel=1e-4)


def test_the_tiles_cover_every_pair_once() -> None:
    seen = np.zeros((1500, 1500), int)
    for rows, columns in peers.tiles(1500):
        seen[rows, columns] += 1
    assert (seen[np.triu_indices(1500)] == 1).all()


def test_synthetic_templates_are_similar_within_a_subject_and_reach_the_floor_at_the_requested_rate() -> None:
    rng = np.random.default_rng(1)
    rows, subjects, _ = rows_of.face_like(rng, 4000, 128)
    scores = rows @ rows.T
    same = (subjects[:, None] == subjects) & ~np.eye(4000, dtype=bool)
    assert scores[same].mean() == pytest.approx(0.6, abs=0.02)
    floor = rows_of.floor_at(1e-2, rows, subjects, rng)
    assert (scores[subjects[:, None] != subjects] >= floor).mean() == pytest.approx(1e-2, rel=0.1)


def test_a_small_bench_runs_in_processes_and_answers_in_json_and_markdown() -> None:
    found = bench.bench_matching(rows=300, depth=16, turns=2, jobs=("pairs",), rng=np.random.default_rng(2))
    (job,) = found.jobs
    assert all(len(t.wall_ns) == 2 for t in job.timings.values())
    assert json.loads(bench.as_json(found))["jobs"][0]["timings"]["ours"]["extra_mib"] >= 0
    assert "x numpy einsum in chunks" in bench.as_markdown(found)


def test_an_unknown_job_is_refused() -> None:
    with pytest.raises(MatchingError, match="cooking"):
        bench.bench_matching(jobs=("cooking",), rng=np.random.default_rng(2))


@pytest.mark.parametrize("spectrum", rows_of.SPECTRA)
def test_synthetic_templates_have_the_energy_of_their_spectrum(spectrum: str) -> None:
    rows, _, _ = rows_of.face_like(np.random.default_rng(3), 12_000, 64, spectrum)
    found = np.cumsum(np.sort(np.linalg.eigvalsh(rows.T @ rows / len(rows)))[::-1])
    expected = np.cumsum(rows_of.energy(spectrum, 64))
    for k in (8, 16, 32):
        assert found[k - 1] == pytest.approx(expected[k - 1], abs=0.05), k
    assert expected[-1] == pytest.approx(1)
    assert rows_of.energy(spectrum, 512).sum() == pytest.approx(1)


def test_the_proportions_of_survivors_are_those_of_the_loop() -> None:
    rows, subjects, _ = rows_of.face_like(np.random.default_rng(4), 4000, 128)
    floor = rows_of.floor_at(1e-3, rows, subjects, np.random.default_rng(4))
    shares = [rows_of.survivors(rows, f"prefix{k}", floor) for k in (16, 32, 64)]
    assert all(second <= first for first, second in shares)
    assert [first for first, _ in shares] == sorted((first for first, _ in shares), reverse=True)
    chosen = rows[np.linspace(0, 3999, 1024).astype(int)]
    scores = chosen[::2] @ chosen[1::2].T
    assert shares[-1][1] >= (scores >= floor).mean()


def test_templates_of_a_file_are_compared_and_a_wrong_file_is_named(tmp_path: Path) -> None:
    rng = np.random.default_rng(6)
    np.save(tmp_path / "embeddings.npy", rng.standard_normal((400, 16)).astype(np.float32))
    found = bench.bench_matching(
        rows=300, templates=tmp_path / "embeddings.npy", turns=1, jobs=("counts",), candidates=["ours"], rng=rng
    )
    assert found.jobs[0].depth == 16
    assert "templates of embeddings.npy" in bench.as_markdown(found)
    np.save(tmp_path / "wrong.npy", np.zeros((400, 16)))
    np.save(tmp_path / "objects.npy", np.array([{}], object), allow_pickle=True)
    for name, rows, fault in (
        ("wrong.npy", 300, "float32 matrix"),
        ("objects.npy", 300, "cannot be read"),
        ("none.npy", 300, "cannot be read"),
        ("embeddings.npy", 400, "leaves none as probes"),
    ):
        with pytest.raises(MatchingError, match=fault):
            bench.bench_matching(rows=rows, templates=tmp_path / name, rng=rng)


def test_an_unknown_spectrum_is_refused() -> None:
    with pytest.raises(MatchingError, match="rainbow"):
        bench.bench_matching(rows=300, spectrum="rainbow", rng=np.random.default_rng(2))


def test_rows_beyond_the_file_are_mixtures_with_its_spectrum_and_are_called_synthetic(tmp_path: Path) -> None:
    rng = np.random.default_rng(7)
    real = rows_of.face_like(rng, 3000, 64)[0]
    real = real + real[0] * 0.3  # a nonzero mean
    np.save(tmp_path / "t.npy", real)
    case, words = rows_of.from_file(rng, tmp_path / "t.npy", 8000, 100, resample=True)
    assert words == "3,000 templates of t.npy and 5,000 resampled from real templates (synthetic); probes resampled"
    assert (case.rows.shape, case.probes.shape) == ((8000, 64), (100, 64))
    np.testing.assert_allclose(np.linalg.norm(case.rows, axis=1), 1, atol=1e-5)
    own, made = (np.linalg.eigvalsh(part.T @ part / len(part))[::-1] for part in (case.rows[:3000], case.rows[3000:]))
    np.testing.assert_allclose(np.cumsum(made), np.cumsum(own), atol=0.03)
    scores = case.rows[3000:] @ case.rows.T
    np.fill_diagonal(scores[:, 3000:], 0)
    between = (case.rows[:3000] @ case.rows[:3000].T)[np.triu_indices(3000, 1)]
    # Not copies: about as many pairs as expected exceed the real score at FMR 1e-4, within a factor.
    assert (scores > np.quantile(between, 1 - 1e-4)).mean() < 4e-4
    assert rows_of.from_file(rng, tmp_path / "t.npy", 2000, 100, resample=True)[1] == "templates of t.npy"
    np.save(tmp_path / "few.npy", real[:8])
    with pytest.raises(MatchingError, match="mixes 8"):
        rows_of.from_file(rng, tmp_path / "few.npy", 2000, 100, resample=True)


def test_a_floor_that_one_probe_in_ten_reaches() -> None:
    rows, _, _ = rows_of.face_like(np.random.default_rng(8), 2000, 32)
    floor = rows_of.open_floor_of(rows[:1000], rows[1000:])
    assert ((rows[1000:] @ rows[:1000].T).max(axis=1) >= floor).mean() == pytest.approx(0.1, abs=0.04)
