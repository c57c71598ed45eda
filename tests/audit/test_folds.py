"""Thresholds by folds: all subjects are evaluated, each pair at a threshold set without either subject."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facegap.audit.folds import FOLDS, deal_folds, fewest_outside, least_outside, pairs_of_folds, thresholds_by_folds
from facegap.audit.run import recheck
from facegap.audit.settings import AuditSettings, Identify, Verify
from facegap.derive.comparisons import Comparisons
from facegap.derive.cuts import fold_cut, fold_pairs
from facegap.errors import SettingError, StatisticsError, TableError
from facegap.store.run import Run, read_run
from facegap.types import IntArray
from fixtures.settings import audit_embeddings, audit_scores

PEOPLE, IMAGES = 24, 2


# ---- assigning folds ----


def test_every_unit_is_in_one_fold_and_folds_are_even_in_every_group() -> None:
    units = pd.Series(np.repeat(np.arange(57), 3).astype(str))
    strata = np.repeat(np.arange(57) % 3, 3)
    folds = deal_folds(units, strata, seed=5)
    by_unit = pd.Series(folds).groupby(units).nunique()
    assert by_unit.max() == 1
    counts = pd.crosstab(strata, folds) // 3
    assert counts.shape == (3, FOLDS)
    assert (counts.max(axis=1) - counts.min(axis=1) <= 1).all()
    assert np.ptp(counts.sum(axis=0)) <= 1


def test_a_seed_deals_the_same_folds_and_another_deals_others() -> None:
    units, strata = pd.Series(np.arange(40)), np.zeros(40, np.int64)
    assert np.array_equal(deal_folds(units, strata, 1), deal_folds(units, strata, 1))
    assert not np.array_equal(deal_folds(units, strata, 1), deal_folds(units, strata, 2))


def test_a_few_units_are_a_fold_each_and_three_are_too_few() -> None:
    assert sorted(deal_folds(pd.Series(list("abcdef")), np.zeros(6, np.int64), 0)) == list(range(6))
    with pytest.raises(TableError, match="3 subjects are too few"):
        deal_folds(pd.Series(list("abc")), np.zeros(3, np.int64), 0)


# ---- thresholds, against an independent computation ----


def scored(people: int, images: int, seed: int, *, rounded: int = 9) -> tuple[Comparisons, Any]:
    """All pairs of some people with random scores, and the scores by row in a table (n, n)."""
    rng = np.random.default_rng(seed)
    subjects = np.repeat(np.arange(people), images)
    size = people * images
    table = np.round(rng.standard_normal((size, size)), rounded)
    left, right = np.triu_indices(size, 1)
    other = subjects[left] != subjects[right]
    order = np.argsort(-table[left, right][other], kind="stable")
    rows = np.stack([left, right], axis=1)
    lost = np.zeros(size, np.bool_)
    pairs = Comparisons(
        subjects=subjects,
        enrolled=~lost,
        counted=np.ones(size, np.bool_),
        impostor=rows[other][order],
        impostor_scores=table[left, right][other][order],
        floor=-np.inf,
        genuine=rows[~other],
        genuine_scores=table[left, right][~other],
        excluded=np.empty((0, 2), np.int64),
        tail_limit=10**6,
        folds=deal_folds(pd.Series(subjects), np.zeros(size, np.int64), seed),
    )
    return pairs, table


def brute_threshold(table: Any, subjects: IntArray, outside: IntArray, target: float) -> tuple[float, int, int]:
    """Threshold, false matches and pairs among some rows, in a loop over all pairs of them."""
    scores = [table[i, j] for i, j in itertools.combinations(outside, 2) if subjects[i] != subjects[j]]
    for threshold in sorted(set(scores)):
        reached = sum(score >= threshold for score in scores)
        if reached <= target * len(scores):
            return threshold, reached, len(scores)
    return np.nextafter(max(scores), np.inf), 0, len(scores)


@settings(max_examples=12, deadline=None)
@given(
    st.integers(4, 13), st.integers(1, 2), st.integers(0, 1000), st.sampled_from([1, 9]), st.sampled_from([0.2, 0.34])
)
def test_thresholds_and_counts_are_those_of_a_loop_over_all_pairs(
    people: int, images: int, seed: int, rounded: int, target: float
) -> None:
    pairs, table = scored(people, images, seed, rounded=rounded)
    assert pairs.folds is not None
    everybody = np.ones(len(pairs.subjects), np.bool_)
    if target * fewest_outside(pairs, everybody) < 1:
        with pytest.raises(StatisticsError, match="set on the people outside fold"):
            thresholds_by_folds(pairs, everybody, target)
        return
    found = thresholds_by_folds(pairs, everybody, target)
    expected = {}
    for first, second in zip(*fold_pairs(found.folds), strict=True):
        outside = np.flatnonzero((pairs.folds != first) & (pairs.folds != second))
        expected[first, second] = brute_threshold(table, pairs.subjects, outside, target)
    assert list(zip(found.thresholds, found.false_matches, found.impostor_pairs, strict=True)) == list(
        expected.values()
    )
    wrong = sum(
        bool(table[i, j] >= expected[tuple(sorted((pairs.folds[i], pairs.folds[j])))][0])
        for i, j in itertools.combinations(range(len(table)), 2)
        if pairs.subjects[i] != pairs.subjects[j]
    )
    assert len(pairs.false_matches(fold_cut(found, pairs.folds))) == wrong


def test_reviewed_pairs_and_lost_templates_are_in_no_threshold() -> None:
    pairs, table = scored(8, 2, 3)
    assert pairs.folds is not None
    lost, reviewed = 5, pairs.impostor[0]
    kept = ~(pairs.impostor == lost).any(axis=1)
    kept[0] = False
    enrolled = pairs.enrolled.copy()
    enrolled[lost] = False
    fewer = replace(
        pairs,
        enrolled=enrolled,
        excluded=reviewed[None],
        impostor=pairs.impostor[kept],
        impostor_scores=pairs.impostor_scores[kept],
    )
    everybody = np.ones(16, np.bool_)
    table = table.copy()
    found = thresholds_by_folds(fewer, everybody, 0.2)
    for threshold, matches, tried, first, second in zip(
        found.thresholds, found.false_matches, found.impostor_pairs, *fold_pairs(found.folds), strict=True
    ):
        rows = [k for k in range(16) if pairs.folds[k] not in (first, second) and k != lost]
        scores = [
            table[i, j]
            for i, j in itertools.combinations(rows, 2)
            if pairs.subjects[i] != pairs.subjects[j] and (i, j) != tuple(reviewed)
        ]
        assert (matches, tried) == (sum(score >= threshold for score in scores), len(scores))
    assert pairs_of_folds(fewer, everybody).sum() == len(fewer.impostor)


def test_the_fewest_pairs_are_known_before_anything_is_compared() -> None:
    pairs, _ = scored(9, 2, 1)
    assert pairs.folds is not None
    least, first, second = least_outside(np.full(9, 2), pairs.folds[::2])
    assert least == fewest_outside(pairs, np.ones(18, np.bool_)) == 7 * 6 // 2 * 4
    assert first < second


# ---- whole runs ----


def templates(folder: Path, people: int = PEOPLE, images: int = IMAGES, *, seed: int = 0) -> tuple[Path, Path]:
    rng = np.random.default_rng(seed)
    centres = np.repeat(rng.standard_normal((people, 8)), images, axis=0)
    np.save(folder / "t.npy", (centres + 0.4 * rng.standard_normal(centres.shape)).astype(np.float32))
    lines = [f"{k}.png,{k // images},{('female', 'male')[k // images % 2]}" for k in range(people * images)]
    (folder / "m.csv").write_text("\n".join(["image,subject,gender", *lines]) + "\n")
    return folder / "t.npy", folder / "m.csv"


def audited(folder: Path, *, by: str = "gender", out: Path | None = None, **verify: Any) -> Run:
    path, manifest = templates(folder)
    return audit_embeddings(path, manifest, by=by, verify=Verify(**verify), groups={"min_subjects": 2}, out=out)


def rates(run: Run, metric: str, gender: str) -> tuple[int, int]:
    row = run.rates[
        (run.rates["metric"] == metric) & (run.rates["gender"] == gender) & (run.rates["other_gender"] == "")
    ]
    return int(row["errors"].iloc[0]), int(row["trials"].iloc[0])


def test_a_run_counts_what_a_loop_over_its_templates_counts(tmp_path: Path) -> None:
    run = audited(tmp_path, fmr=(0.05,))
    raw = np.load(tmp_path / "t.npy").astype(np.float64)
    unit = raw / np.linalg.norm(raw, axis=1, keepdims=True)
    scores = unit @ unit.T
    subjects, genders = np.repeat(np.arange(PEOPLE), IMAGES), run.manifest["gender"].to_numpy()
    assert run.matched is not None
    assert run.matched.folds is not None
    folds = run.matched.folds
    cut = {}
    for first, second in itertools.combinations_with_replacement(range(FOLDS), 2):
        outside = [k for k in range(len(raw)) if folds[k] not in (first, second)]
        impostors = sorted(
            (scores[i, j] for i, j in itertools.combinations(outside, 2) if subjects[i] != subjects[j]), reverse=True
        )
        cut[first, second] = impostors[int(0.05 * len(impostors)) - 1] - 1e-7  # templates are float32 in the run
    for gender in ("any", "female", "male"):
        errors, trials = {"fmr": 0, "fnmr": 0}, {"fmr": 0, "fnmr": 0}
        for i, j in itertools.combinations(range(len(raw)), 2):
            if gender != "any" and (genders[i], genders[j]) != (gender, gender):
                continue
            accepted = scores[i, j] >= cut[min(folds[i], folds[j]), max(folds[i], folds[j])]
            metric = "fnmr" if subjects[i] == subjects[j] else "fmr"
            trials[metric] += 1
            errors[metric] += bool(accepted) == (metric == "fmr")
        for metric in ("fmr", "fnmr"):
            assert rates(run, metric, gender) == (errors[metric], trials[metric])


def test_everybody_is_evaluated_and_run_json_keeps_every_threshold(tmp_path: Path) -> None:
    run = audited(tmp_path, fmr=(0.05,), out=tmp_path / "run")
    assert rates(run, "fnmr", "any")[1] == PEOPLE
    assert run.matched is not None
    assert set(run.matched.roles) == {"evaluation"}
    again = read_run(tmp_path / "run")
    assert again.record.operating == run.record.operating
    assert again.matched is not None
    assert run.matched.folds is not None
    assert np.array_equal(again.matched.folds, run.matched.folds)
    (point,) = again.record.operating
    assert point.by_folds is not None
    assert point.by_folds.folds == FOLDS
    assert len(point.by_folds.thresholds) == FOLDS * (FOLDS + 1) // 2
    assert point.interval is not None
    assert point.interval.low <= point.threshold <= point.interval.high
    assert "threshold for use set on all 24 subjects" in point.source
    assert recheck(tmp_path / "run") == []


def test_the_same_seed_gives_the_same_run_and_given_thresholds_no_folds(tmp_path: Path) -> None:
    one, two = (audited(tmp_path, fmr=(0.05,), seed=4) for _ in range(2))
    assert one.rates.equals(two.rates)
    given = audited(tmp_path, threshold=(0.5,))
    assert given.record.operating[0].by_folds is None
    assert given.record.operating[0].interval is None
    assert given.matched is not None
    assert given.matched.folds is None
    assert not given.rates["method"].str.contains("threshold").any()


def test_a_target_on_one_group_is_met_on_its_people_outside_both_folds(tmp_path: Path) -> None:
    run = audited(tmp_path, fmr=(0.05,), fmr_on="female")
    (point,) = run.record.operating
    assert point.by_folds is not None
    # 12 people of the group with two images; the folds hold one or two of them each
    assert max(point.by_folds.impostor_pairs) == 11 * 10 // 2 * 4
    assert rates(run, "fmr", "female")[1] == 12 * 11 // 2 * 4


def test_listed_scores_are_judged_by_folds_and_none_is_lost(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    rows = [(f"p{i}", f"p{j}", float(rng.normal(0.6 if i == j else 0.1, 0.2))) for i in range(20) for j in range(i, 20)]
    lines = [f"{a}_{k}.png,{b}_{k + 1}.png,{score}" for k, (a, b, score) in enumerate(rows)]
    people = sorted({name for line in lines for name in line.split(",")[:2]})
    (tmp_path / "m.csv").write_text("image,subject\n" + "\n".join(f"{n},{n.split('_')[0]}" for n in people) + "\n")
    (tmp_path / "s.csv").write_text("left,right,score\n" + "\n".join(lines) + "\n")
    run = audit_scores(tmp_path / "s.csv", tmp_path / "m.csv", verify=Verify(fmr=(0.1,)))
    row = run.rates[run.rates["metric"] == "fmr"].iloc[0]
    assert row["trials"] == 20 * 19 // 2
    stated = run.record.comparison
    assert stated is not None
    assert stated.listed_pairs is not None
    assert (stated.listed_pairs.between, stated.listed_pairs.threshold_set) == (0, 0)
    (point,) = run.record.operating
    assert point.by_folds is not None
    assert run.matched is not None
    assert run.matched.folds is not None
    subject = run.manifest["subject"].to_numpy()
    fold = dict(zip(subject, run.matched.folds, strict=True))
    cut = dict(zip(zip(*fold_pairs(10), strict=True), point.by_folds.thresholds, strict=True))
    wrong = sum(score >= cut[tuple(sorted((fold[a], fold[b])))] for a, b, score in rows if a != b)
    assert row["errors"] == wrong


# ---- small data ----


def test_too_few_pairs_say_how_many_are_needed_and_who_is_outside(tmp_path: Path) -> None:
    path, manifest = templates(tmp_path, 6, 1)
    with pytest.raises(StatisticsError, match=r"FMR 0\.001 needs at least 1000 impostor pairs; there are 15"):
        audit_embeddings(path, manifest, verify=Verify(impostors_only=True))
    path, manifest = templates(tmp_path, 8, 2)
    with pytest.raises(StatisticsError, match=r"outside folds 1 and 2: FMR 0\.01 needs at least 100 .*there are 60"):
        audit_embeddings(path, manifest, verify=Verify(fmr=(0.01,)))


def test_a_group_that_is_whole_in_one_fold_is_judged_and_has_no_threshold_of_its_own(tmp_path: Path) -> None:
    path, manifest = templates(tmp_path)
    table = pd.read_csv(manifest)
    table["studio"] = table["subject"].map(lambda k: "one" if k < 5 else f"s{k}")
    table["gender"] = np.where(table["subject"] < 5, "female", "male")
    table.to_csv(manifest, index=False)
    groups = {"min_subjects": 2, "cluster": "studio"}
    run = audit_embeddings(path, manifest, by="gender", verify=Verify(fmr=(0.05,)), groups=groups)
    assert rates(run, "fmr", "female")[1] == 5 * 4 // 2 * 4
    own = {point.on: point for point in run.record.transfer_points}
    assert own["female"].threshold is None
    assert own["male"].threshold is not None
    with pytest.raises(StatisticsError, match="outside fold"):
        audit_embeddings(path, manifest, by="gender", verify=Verify(fmr=(0.05,), fmr_on="female"), groups=groups)


# ---- settings ----


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"threshold": (0.4,)}, "--threshold contradict"),
        ({"threshold_on": "other.csv"}, "--threshold-on contradict"),
        ({"in_sample": True}, "--in-sample contradict"),
        ({"split": 0.3}, "--split contradict"),
    ],
)
def test_folds_beside_another_way_to_set_a_threshold_are_refused(words: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingError, match=said):
        Verify(threshold_by="folds", **words)


def test_a_gallery_is_searched_at_thresholds_of_people_set_aside() -> None:
    with pytest.raises(SettingError, match="--identify contradict"):
        AuditSettings(embed="toy", identify=Identify(), verify=Verify(threshold_by="folds"))
    assert not AuditSettings(embed="toy", identify=Identify()).by_folds
    assert AuditSettings(embed="toy").by_folds
    assert not AuditSettings(embed="toy", verify=Verify(split=0.3)).by_folds
    assert not AuditSettings(embed="toy", verify=Verify(threshold_by="split")).by_folds
