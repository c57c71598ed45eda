"""From templates to thresholds and counts: lists of pairs, sources of thresholds, the end of the list, resume, recheck."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest

import facegap as fg
from facegap.audit import floors, models, verify
from facegap.audit.pair_lists import read_pairs
from facegap.audit.run import recheck
from facegap.audit.settings import Verify
from facegap.audit.thresholds import Templates
from facegap.audit.verify import Matching, match
from facegap.derive import run as derive_run
from facegap.errors import SettingError, StatisticsError, TableError
from facegap.report.summary import all_tables, findings
from facegap.statistics.curves import threshold_at_fmr
from facegap.store import run as store
from facegap.store.record import ListedPairsRecord
from facegap.store.run import Run
from fixtures.resolved import resolved_of
from fixtures.settings import audited

MANIFEST = pd.DataFrame({"image": ["a.png", "b.png", "c.png", "1"], "subject": ["s", "s", "t", "u"]})


# ---- lists of pairs ----


def listed(folder: Path, text: str, *, repeats: bool = False) -> list[list[int]]:
    path = folder / "pairs.csv"
    path.write_text(text)
    return [list(pair) for pair in read_pairs(path, MANIFEST, meaning="--pairs", repeats=repeats).rows.tolist()]


def test_pairs_are_rows_of_the_manifest_in_the_order_of_the_file(tmp_path: Path) -> None:
    assert listed(tmp_path, "right,left\nb.png,a.png\na.png,1\n") == [[0, 1], [3, 0]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "left,right\na.png,b.png\n\na.png,z.png\n",
            r"pairs.csv line 4, column right: 'z.png' is not an image of the manifest",
        ),
        ("left,right\nA.png,b.png\n", r"pairs.csv line 2, column left: 'A.png'"),
        ("left,right\na.png,b.png\nc.png,c.png\n", r"pairs.csv line 3, column right: an image paired with itself"),
        (
            "left,right\na.png,b.png\nc.png,a.png\nb.png,a.png\n",
            r"pairs.csv line 4, column right: the pair of line 2 is repeated",
        ),
        ("one,right\na.png,b.png\n", r"pairs.csv line 1: column left is missing; --pairs needs"),
    ],
)
def test_a_pair_that_is_none_is_named_by_line_and_column(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(TableError, match=message):
        listed(tmp_path, text)


def test_reviewed_pairs_may_repeat_in_either_order_and_count_once(tmp_path: Path) -> None:
    text = "left,right\na.png,b.png\nc.png,a.png\nb.png,a.png\na.png,b.png\n"
    assert listed(tmp_path, text, repeats=True) == [[0, 1], [2, 0]]


# ---- thresholds ----


def people(
    count: int, seed: int = 0, *, images: int = 2, depth: int = 8, labels: bool = True, prefix: str = "s"
) -> Templates:
    """Faces of `count` people; every second is a woman, every third wears a hat."""
    rng = np.random.default_rng(seed)
    subjects = np.repeat(np.arange(count), images)
    rows = rng.normal(size=(count, depth))[subjects] + 0.7 * rng.normal(size=(count * images, depth))
    rows = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
    manifest = pd.DataFrame(
        {"image": [f"{prefix}{k}" for k in range(len(rows))], "subject": [f"{prefix}{k}" for k in subjects]}
    )
    if labels:
        manifest["gender"] = np.where(subjects % 2, "female", "male")
        manifest["hat"] = np.where(subjects % 3, "no", "yes")
    return Templates(manifest, np.arange(len(rows)), rows)


def matched(images: Templates, elsewhere: Templates | None = None, **chosen: Any) -> Matching:
    resolved = resolved_of(
        images.table,
        Verify(**chosen),
        elsewhere=None if elsewhere is None else elsewhere.table,
        groupings=[("gender",)],
        published=0.25,
    )
    return match(images, elsewhere, resolved, workers=1)


def threshold(found: Matching) -> tuple[float, str]:
    (point,) = found.record.operating
    return point.threshold, point.source


def impostor_scores(images: Templates, kept: Any) -> Any:
    """Scores of the impostor pairs among the kept images, by brute force."""
    rows = images.vectors[kept].astype(np.float64)
    subjects = images.subjects[kept]
    left, right = np.triu_indices(len(rows), 1)
    return (rows @ rows.T)[left, right][subjects[left] != subjects[right]]


def test_the_threshold_is_that_of_the_subjects_set_aside_and_the_counts_are_of_the_others() -> None:
    images = people(40)
    found = matched(images, fmr=(0.01,), seed=5)
    aside = found.matched.roles == "threshold_set"
    expected = threshold_at_fmr(impostor_scores(images, aside), 0.01)
    value, source = threshold(found)
    assert value == pytest.approx(expected.threshold, abs=1e-12)
    assert (
        source == f"FMR 0.01 on 20 subjects held out (seed 5): {expected.false_matches} of {20 * 19 * 2} impostor pairs"
    )
    assert found.matched.counts is not None
    assert found.matched.counts.impostor_pairs.sum() == 20 * 19 * 2
    assert not set(images.table["subject"][aside]) & set(images.table["subject"][~aside])


def test_a_calibration_set_of_its_own_may_lack_the_labels() -> None:
    images, others = people(12), people(30, 1, labels=False, prefix="o")
    value, source = threshold(matched(images, others, fmr=(0.01,), threshold_on="others.csv"))
    assert value == pytest.approx(
        threshold_at_fmr(impostor_scores(others, np.ones(60, bool)), 0.01).threshold, abs=1e-12
    )
    assert source.startswith("FMR 0.01 on 30 other subjects (--threshold-on): ")
    assert matched(images, others, fmr=(0.01,), threshold_on="others.csv").record.transfer_points == ()
    with pytest.raises(TableError, match="no group 'female'"):
        matched(images, others, fmr=(0.01,), threshold_on="others.csv", fmr_on="female")


def test_people_who_are_judged_and_calibrated_on_are_said_in_the_threshold() -> None:
    images = people(12)
    _, source = threshold(matched(images, images, fmr=(0.05,), threshold_on="same.csv"))
    assert "12 of these names are also evaluated (partly IN-SAMPLE)" in source


def test_the_target_can_be_met_on_one_group_for_all_pairs_and_for_a_list(tmp_path: Path) -> None:
    images = people(40)
    women = (images.table["gender"] == "female").to_numpy()
    expected = threshold_at_fmr(impostor_scores(images, women), 0.01).threshold
    value, source = threshold(matched(images, fmr=(0.01,), in_sample=True, fmr_on="female"))
    assert value == pytest.approx(expected, abs=1e-12)
    assert source.endswith(" impostor pairs of female")
    names = images.table["image"]
    path = tmp_path / "pairs.csv"
    path.write_text("left,right\n" + "".join(f"{a},{b}\n" for i, a in enumerate(names) for b in names[i + 1 :]))
    value, source = threshold(matched(images, fmr=(0.01,), in_sample=True, fmr_on="female", pairs=str(path)))
    assert value == pytest.approx(expected, abs=1e-12)
    assert source.endswith(" listed impostor pairs of female")


def test_more_groups_than_are_counted_by_do_not_hide_a_group_from_fmr_on(monkeypatch: pytest.MonkeyPatch) -> None:
    images = people(40)
    value, _ = threshold(matched(images, fmr=(0.01,), in_sample=True, fmr_on="female"))
    monkeypatch.setattr("facegap.derive.comparisons.MOST_COUNTED_GROUPS", 1)
    found = matched(images, fmr=(0.01,), in_sample=True, fmr_on="female")
    assert found.matched.counts is not None
    assert found.matched.counts.groups == ("all",)
    assert threshold(found)[0] == value


def test_given_and_published_thresholds_need_nobody_set_aside() -> None:
    found = matched(people(6), threshold=(0.5, "published"))
    assert [(point.threshold, point.source) for point in found.record.operating] == [
        (0.5, "given"),
        (0.25, "published by the model's card"),
    ]
    assert set(found.matched.roles) == {"evaluation"}
    assert found.record.transfer_points == ()


def test_reviewed_pairs_do_not_set_the_threshold_in_either_way(tmp_path: Path) -> None:
    images = people(20)
    scores = images.vectors.astype(float) @ images.vectors.T.astype(float)
    scores[images.subjects[:, None] == images.subjects[None, :]] = -2
    one, other = np.unravel_index(np.argmax(scores), scores.shape)  # as if they were one person under two names
    names = images.table["image"]
    reviewed, pairs = tmp_path / "reviewed.csv", tmp_path / "pairs.csv"
    reviewed.write_text(f"left,right\n{names[other]},{names[one]}\n")
    pairs.write_text("left,right\n" + "".join(f"{a},{b}\n" for i, a in enumerate(names) for b in names[i + 1 :]))
    left = np.sort(impostor_scores(images, np.ones(40, bool)))[:-1]
    expected = threshold_at_fmr(left, 0.004).threshold
    for chosen in ({}, {"pairs": str(pairs)}):
        before, _ = threshold(matched(images, fmr=(0.004,), in_sample=True, **chosen))
        value, source = threshold(matched(images, fmr=(0.004,), in_sample=True, exclude_pairs=str(reviewed), **chosen))
        assert value == pytest.approx(expected, abs=1e-12)
        assert value < before
        assert f" of {len(left)} " in source


def test_listed_pairs_across_the_split_are_counted_in_words(tmp_path: Path) -> None:
    images = people(40)
    names = images.table["image"]
    pairs = tmp_path / "pairs.csv"
    pairs.write_text("left,right\n" + "".join(f"{a},{b}\n" for i, a in enumerate(names) for b in names[i + 1 :]))
    found = matched(images, fmr=(0.01,), pairs=str(pairs))
    half = 40 * 39 // 2
    assert found.record.listed_pairs == ListedPairsRecord(
        listed=80 * 79 // 2, reviewed_and_left_out=0, evaluation=half, threshold_set=half, between=40 * 40
    )
    assert "1600 listed pairs between them belong to neither" in threshold(found)[1]


# ---- the end of the list ----


def test_a_list_that_ends_above_a_given_threshold_says_how_long_it_must_be() -> None:
    images = people(40)
    reached = int((impostor_scores(images, np.ones(80, bool)) >= 0.3).sum())
    with pytest.raises(StatisticsError, match=r"threshold 0.3 \(given\): up to (\d+) impostor pairs reach it") as error:
        matched(images, fmr=(), threshold=(0.3,), tail_limit=100)
    needed = int(str(error.value).rsplit("--tail-limit ", 1)[1])
    assert reached <= needed <= reached * 1.05 + 5
    found = matched(images, fmr=(), threshold=(0.3,), tail_limit=needed)
    assert found.matched.counts is not None
    assert (found.matched.counts.tail["score"] >= 0.3).sum() == reached


def test_a_target_that_the_list_cannot_reach_says_how_long_it_must_be() -> None:
    images = people(60)
    with pytest.raises(StatisticsError, match=r"FMR 0.1 allows 708 false matches of 7080") as error:
        matched(images, fmr=(0.1,), in_sample=True, tail_limit=300)
    needed = int(str(error.value).rsplit("--tail-limit ", 1)[1])
    value, _ = threshold(matched(images, fmr=(0.1,), in_sample=True, tail_limit=needed))
    assert value == pytest.approx(
        threshold_at_fmr(impostor_scores(images, np.ones(120, bool)), 0.1).threshold, abs=1e-12
    )


def test_too_few_impostor_pairs_for_a_target_are_refused_with_the_number_needed() -> None:
    with pytest.raises(StatisticsError, match=r"FMR 1e-06 needs at least 1000000 impostor pairs; there are 180"):
        matched(people(20), fmr=(1e-6,))


# ---- whole runs ----


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory, draw: Any) -> Path:
    """Images of 14 people, two each; the toy embedder distinguishes them by their proportion of red. One has no face."""
    folder = tmp_path_factory.mktemp("drawn")
    lines = ["image,subject,gender"]
    for k in range(28):
        red, green = 40 + 14 * (k // 2) + 3 * (k % 2), 240 - 14 * (k // 2)
        cv2.imwrite(str(folder / f"{k:02d}.png"), draw(red=red, green=green, quadrants=() if k == 3 else (0,)))
        lines.append(f"{k:02d}.png,{k // 2:03d},{'fm'[k // 2 % 2]}")
    (folder / "people.csv").write_text("\n".join(lines) + "\n")
    return folder / "people.csv"


def request(toys: Any, **chosen: Any) -> dict[str, Any]:
    return {
        "detect": toys.card("detector"),
        "embed": toys.card("embedder"),
        "by": "gender",
        "fmr": (0.1,),
        "workers": 1,
        "min_subjects": 2,
        **chosen,
    }


@pytest.fixture(scope="module")
def whole(drawn: Path, toys: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole") / "run"
    audited(drawn, **request(toys), out=folder)
    return folder


@pytest.fixture
def finished(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "run"))


def test_a_run_derives_its_tables_again_though_names_look_like_numbers(finished: Path) -> None:
    assert recheck(finished) == []
    assert {"review_pairs.csv", "scores.csv", "transfer.csv", "differentials.csv", "waterfall.csv"} <= {
        path.name for path in finished.iterdir()
    }


@pytest.mark.parametrize("name", ["counts.npz", "rates.csv", "review_pairs.csv", "roles.parquet"])
def test_recheck_finds_a_changed_file(finished: Path, name: str) -> None:
    path = finished / name
    path.write_bytes(path.read_bytes().replace(b"0", b"1", 1) + b" ")
    assert recheck(finished) == [f"{name}: changed since the run was written"]


def test_recheck_finds_rates_that_were_changed_together_with_their_hash(finished: Path) -> None:
    path = finished / "rates.csv"
    path.write_text(path.read_text().replace("fnmr", "FNMR"))
    store.finish(finished)
    assert recheck(finished) == ["rates.csv: differs from the result of the stored rows"]


def test_recheck_finds_counts_that_were_changed_together_with_their_hash(finished: Path) -> None:
    from dataclasses import replace

    from facegap.store.counts import scores_from_npz, scores_to_npz

    counts = scores_from_npz(finished / "counts.npz")
    scores = counts.genuine_scores.copy()
    scores["score"] -= 0.2
    scores_to_npz(replace(counts, genuine_scores=scores), finished / "counts.npz")
    store.finish(finished)
    assert "rates.csv: differs from the result of the stored rows" in recheck(finished)


def test_a_run_without_templates_in_its_folder_has_the_same_tables(
    drawn: Path, toys: Any, whole: Path, tmp_path: Path
) -> None:
    run = audited(drawn, **request(toys), keep_embeddings=False, out=tmp_path / "run")
    assert run.embeddings is None
    assert not list((tmp_path / "run").rglob("*.npy"))
    assert (tmp_path / "run" / "rates.csv").read_bytes() == (whole / "rates.csv").read_bytes()
    assert recheck(tmp_path / "run") == []


class Killed(BaseException):
    """Simulates a kill."""


def killed(*_: Any, **__: Any) -> Any:
    raise Killed


@pytest.mark.parametrize(("module", "name"), [(verify, "match"), (derive_run, "derived"), (store, "write_matched")])
def test_a_run_that_was_killed_while_it_compared_ends_with_the_same_tables(
    drawn: Path, toys: Any, whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: Any, name: str
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(module, name, killed)
        with pytest.raises(Killed):
            audited(drawn, **request(toys), out=tmp_path / "run")
    audited(drawn, **request(toys), out=tmp_path / "run", resume=True)
    assert recheck(tmp_path / "run") == []
    for path in whole.iterdir():
        if path.name not in ("run.json", "SHA256SUMS", ".lock"):
            assert path.read_bytes() == (tmp_path / "run" / path.name).read_bytes(), path.name


def test_resume_with_another_reviewed_list_is_refused(drawn: Path, toys: Any, tmp_path: Path, monkeypatch: Any) -> None:
    reviewed = tmp_path / "reviewed.csv"
    reviewed.write_text("left,right\n00.png,02.png\n")
    asked = request(toys, exclude_pairs=str(reviewed))
    with monkeypatch.context() as patched:
        patched.setattr(verify, "match", killed)
        with pytest.raises(Killed):
            audited(drawn, **asked, out=tmp_path / "run")
    reviewed.write_text("left,right\n00.png,04.png\n")
    with pytest.raises(fg.errors.RunError, match="pair_lists_sha256"):
        audited(drawn, **asked, out=tmp_path / "run", resume=True)


@pytest.mark.parametrize(
    ("chosen", "message"),
    [
        ({"exclude_pairs": "00.png,zz.png"}, "line 2, column right: 'zz.png'"),
        ({"pairs": "00.png,00.png"}, "line 2, column right: an image paired with itself"),
        ({"fmr_on": "women"}, "no group 'women'"),
        ({"split": 2.0}, "--split 2: must be from 0.05 to 0.95"),
        ({"in_sample": True, "threshold_on": "people.csv"}, "contradict"),
    ],
)
def test_what_can_only_fail_is_refused_before_the_first_image(
    drawn: Path, toys: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chosen: dict[str, Any], message: str
) -> None:
    monkeypatch.setattr(models, "open_models", lambda *_, **__: pytest.fail("a model was opened"))
    for name in ("exclude_pairs", "pairs"):
        if name in chosen:
            (tmp_path / "list.csv").write_text(f"left,right\n{chosen[name]}\n")
            chosen = {**chosen, name: str(tmp_path / "list.csv")}
    if "threshold_on" in chosen:
        chosen = {**chosen, "threshold_on": drawn}
    with pytest.raises((TableError, StatisticsError, SettingError), match=message):
        audited(drawn, **request(toys, **chosen))


# ---- in-sample results are labelled ----


@pytest.fixture(scope="module")
def in_sample(drawn: Path, toys: Any) -> Run:
    return audited(drawn, **request(toys, in_sample=True, fmr=(0.05, 0.2)))


def test_an_in_sample_threshold_says_so_in_every_table_that_has_one(in_sample: Run) -> None:
    judged = in_sample.rates[in_sample.rates["threshold"].notna()]
    assert len(judged)
    assert judged["threshold_from"].str.contains("IN-SAMPLE").all()
    gaps = in_sample.gaps[in_sample.gaps["threshold"].notna()]
    assert len(gaps)
    assert gaps["threshold_from"].str.contains("IN-SAMPLE").all()
    for name in ("transfer.csv", "differentials.csv", "waterfall.csv"):
        assert in_sample.extra[name]["threshold_from"].str.contains("IN-SAMPLE").all(), name


def test_an_in_sample_threshold_says_so_wherever_it_is_printed(in_sample: Run) -> None:
    for table in all_tables(in_sample, view=None, include_ids=False):
        printed = [table.title, *(value for row in table.rows for value in row)]
        values = [f"{point.threshold:.4f}" for point in in_sample.record.operating]
        if any(value in text for text in printed for value in values):
            assert any("IN-SAMPLE" in note for note in table.notes), table.title
    assert findings(in_sample)
    assert all("IN-SAMPLE" in sentence for sentence in findings(in_sample))


def test_a_threshold_of_other_people_never_says_in_sample(whole: Path) -> None:
    run = store.read_run(whole)
    assert not run.rates["threshold_from"].str.contains("IN-SAMPLE").any()
    assert run.rates["threshold_from"].str.contains("on other people of 10 folds").any()
    assert not run.rates["threshold_from"].str.contains("held out").any()


def test_a_split_sets_half_of_the_subjects_aside(drawn: Path, toys: Any) -> None:
    run = audited(drawn, **request(toys, threshold_by="split"))
    assert run.rates["threshold_from"].str.contains("7 subjects held out").any()
    assert run.matched is not None
    assert run.matched.folds is None


def test_the_floor_of_the_list_is_not_set_by_a_genuine_pair_among_the_sampled_ones(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """If few pairs are requested from a million rows, one genuine pair among 200,000 sampled pairs would set the floor."""
    monkeypatch.setattr(floors, "MOST_SAMPLED", 400_000)
    rng = np.random.default_rng(0)
    vectors = np.repeat(rng.normal(size=(500, 16)), 2, axis=0).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    subjects = np.arange(1000) // 2
    scores = (vectors.astype(np.float64) @ vectors.T)[np.triu_indices(1000, 1)]
    impostor = scores[(subjects[:, None] != subjects)[np.triu_indices(1000, 1)]]
    floor = floors.floor_for(vectors, subjects, 30)
    assert 10 <= int((impostor >= floor).sum()) <= 60
