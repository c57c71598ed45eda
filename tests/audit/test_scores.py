"""Verification from a vendor's templates or scores: what was lost is counted, who is named must be known, nothing is run."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from facegap.audit import given_templates
from facegap.audit.given_templates import lengths_of_templates, unit_templates
from facegap.audit.run import recheck
from facegap.audit.settings import Verify
from facegap.errors import FacegapError, StatisticsError, TableError
from facegap.report.page import page_alone
from facegap.store.run import Run, read_run
from fixtures.settings import audit_embeddings, audit_scores

GIVEN = Verify(fmr=(), threshold=(0.5,))


def rate(run: Run, metric: str, **groups: str) -> Any:
    rates = run.rates[run.rates["metric"] == metric]
    for name in [column for column in rates.columns if column.startswith("other_")]:
        label = name.removeprefix("other_")
        rates = rates[(rates[label] == groups.get(label, "any")) & (rates[name] == "")]
    assert len(rates) == 1
    return rates.iloc[0]


def counted(run: Run, metric: str, **groups: str) -> tuple[int, int]:
    row = rate(run, metric, **groups)
    return int(row["errors"]), int(row["trials"])


# ---- scores ----


def bob_files(folder: Path) -> tuple[Path, Path, pd.DataFrame]:
    """1,000 comparisons of 40 people as Bob writes them in four columns, 54 of them lost; a manifest by subject."""
    rng = np.random.default_rng(11)
    claimed = rng.integers(0, 40, 1000)
    real = np.where(rng.random(1000) < 0.4, claimed, rng.integers(0, 40, 1000))
    genuine = claimed == real
    score = np.where(genuine, rng.normal(0.7, 0.2, 1000), rng.normal(0.2, 0.2, 1000)).round(4)
    lost = rng.choice(1000, 54, replace=False)
    score[lost] = np.nan
    frame = pd.DataFrame({"claimed": claimed, "real": real, "genuine": genuine, "score": score})
    lines = [f"p{row.claimed} p{row.real} probe/{k} {row.score}" for k, row in enumerate(frame.itertuples())]
    (folder / "scores.txt").write_text("\n".join(lines).replace("nan", "NaN") + "\n")
    people = [f"p{k}.png,p{k},{'fm'[k % 2]}" for k in range(40)]
    (folder / "people.csv").write_text("image,subject,gender\n" + "\n".join(people) + "\n")
    return folder / "scores.txt", folder / "people.csv", frame


def test_lost_scores_of_bob_count_as_the_formulas_say(tmp_path: Path) -> None:
    scores, people, frame = bob_files(tmp_path)
    run = audit_scores(scores, people, by="gender", verify=GIVEN)
    assert run.record.scores is not None
    assert (run.record.scores.without_score, run.record.scores.rows) == (54, 1000)
    lost = frame["score"].isna()
    for raw, generalised, genuine in (("fmr", "gfar", False), ("fnmr", "gfrr", True)):
        kind = frame["genuine"] == genuine
        accepted = frame["score"] >= 0.5
        wrong = kind & ~lost & (accepted != frame["genuine"])
        assert counted(run, raw) == (wrong.sum(), (kind & ~lost).sum())
        errors = wrong.sum() + (lost & kind).sum() * genuine
        assert counted(run, generalised) == (errors, kind.sum())
        fta = (lost & kind).sum() / kind.sum()
        value = rate(run, raw)["value"]
        expected = fta + value * (1 - fta) if genuine else value * (1 - fta)  # FRR and FAR
        assert rate(run, generalised)["value"] == pytest.approx(expected)


def test_groups_of_subjects_are_those_of_the_manifest(tmp_path: Path) -> None:
    scores, people, frame = bob_files(tmp_path)
    run = audit_scores(scores, people, by="gender", verify=GIVEN)
    women = (frame["claimed"] % 2 == 0) & (frame["real"] % 2 == 0) & ~frame["genuine"] & frame["score"].notna()
    assert counted(run, "fmr", gender="female") == ((women & (frame["score"] >= 0.5)).sum(), women.sum())


def test_scores_without_a_manifest_have_one_group(tmp_path: Path) -> None:
    scores, people, _ = bob_files(tmp_path)
    alone, labelled = audit_scores(scores, verify=GIVEN), audit_scores(scores, people, verify=GIVEN)
    assert counted(alone, "fmr") == counted(labelled, "fmr")
    assert alone.gaps.empty


def test_a_run_of_scores_is_written_read_and_rechecked(tmp_path: Path) -> None:
    scores, people, _ = bob_files(tmp_path)
    verify = Verify(fmr=(0.05,), threshold_by="split")
    run = audit_scores(scores, people, by="gender", verify=verify, out=tmp_path / "run")
    assert recheck(tmp_path / "run") == []
    assert read_run(tmp_path / "run").record.operating == run.record.operating
    assert "listed pairs between them belong to neither" in run.record.operating[0].source
    assert {"review_pairs.csv", "transfer.csv", "scores.csv"} <= set(run.extra)


IMAGES = "image,subject,gender\na1,ada,f\na2,ada,f\nb1,bea,f\nd1,dan,m\nd2,dan,m\n"


def images(folder: Path, scores: str) -> tuple[Path, Path]:
    (folder / "people.csv").write_text(IMAGES)
    (folder / "scores.csv").write_text(scores)
    return folder / "scores.csv", folder / "people.csv"


def test_scores_of_images_by_hand(tmp_path: Path) -> None:
    text = "left,right,score\na1,a2,.9\nd2,d1,.2\na1,b1,.5\nb1,a2,.1\nd1,a1,.6\na2,d1,.4\nd2,b1,\n"
    run = audit_scores(*images(tmp_path, text), verify=GIVEN, groups={"min_subjects": 2})
    assert counted(run, "fmr") == (2, 4)
    assert counted(run, "gfar") == (2, 5)
    assert counted(run, "fnmr") == (1, 2)
    assert counted(run, "fmr", gender="female") == (1, 2)
    assert counted(run, "fmr", gender="male") == (0, 0)
    matrix = run.rates[run.rates["other_gender"] == "male"]
    assert matrix[["errors", "trials"]].to_numpy().tolist() == [[1, 2]]


@pytest.mark.parametrize(
    ("scores", "message"),
    [
        ("left,right,score\na1,z9,.5\nz8,b1,.1\n", r"scores.csv: 'z8' is not an image of people.csv \(2 such names\)"),
        ("left,right,genuine,score\na1,a2,1,.9\na1,b1,1,.4\n", "row 2 of the scores says genuine of 'a1' and 'b1'"),
        ("left,right,genuine,score\na1,a2,impostor,.9\n", "row 1 of the scores says impostor of 'a1' and 'a2'"),
        ("left,right,score\na1,a2,high\n", r"scores.csv line 2, column score: 'high' is not a number"),
        ("genuine,score\n1,.9\n0,.1\n", "the scores name no subjects"),
        ("1 0.9\n-1 0.1\n", "the scores name no subjects"),
        ("ada dan x 0.4\nada eve x 0.1\n", r"'eve' is not a subject of people.csv \(1 such names\); add rows"),
    ],
)
def test_scores_that_do_not_fit_are_refused_with_what_to_do(tmp_path: Path, scores: str, message: str) -> None:
    with pytest.raises(TableError, match=message):
        audit_scores(*images(tmp_path, scores), verify=GIVEN)


def test_scores_of_images_need_a_manifest(tmp_path: Path) -> None:
    scores, _ = images(tmp_path, "left,right,score\na1,a2,.9\n")
    with pytest.raises(TableError, match="give a manifest that says whose images they are"):
        audit_scores(scores, verify=GIVEN)


def test_a_subject_with_two_labels_cannot_be_judged_by_scores_of_subjects(tmp_path: Path) -> None:
    scores, people = images(tmp_path, "ada dan x 0.4\nada bea x 0.1\n")
    people.write_text(IMAGES.replace("a2,ada,f", "a2,ada,m"))
    with pytest.raises(TableError, match="subject 'ada' has several values of gender"):
        audit_scores(scores, people, verify=GIVEN)


def test_more_scores_than_the_target_can_bear_are_not_invented(tmp_path: Path) -> None:
    scores, people = images(tmp_path, "left,right,score\na1,a2,.9\na1,b1,.5\nb1,a2,.1\nd1,a1,.6\n")
    with pytest.raises(StatisticsError, match=r"needs at least 1000 impostor pairs; there are 3"):
        audit_scores(scores, people, verify=Verify(in_sample=True))


@pytest.mark.parametrize("named", ["images", "subjects"])
def test_reviewed_pairs_of_a_score_file_are_counted_nowhere(tmp_path: Path, named: str) -> None:
    if named == "images":
        scores, people = images(tmp_path, "left,right,score\na1,b1,.9\nb1,a2,.9\nd1,a1,.6\na1,a2,.7\n")
        gone = "b1,a1\na2,a1\n"
    else:
        scores, people = images(tmp_path, "ada bea x .9\nbea ada y .9\ndan ada z .6\ndan bea z .9\nada ada v .7\n")
        gone = "bea,ada\n"
    (tmp_path / "reviewed.csv").write_text(f"left,right\n{gone}")
    reviewed = Verify(fmr=(), threshold=(0.5,), exclude_pairs=str(tmp_path / "reviewed.csv"))
    run = audit_scores(scores, people, verify=reviewed, groups={"min_subjects": 2})
    assert counted(run, "fmr") == (2, 2)
    assert counted(run, "fnmr") == ((0, 0) if named == "images" else (0, 1))
    assert run.record.comparison is not None
    assert run.record.comparison.listed_pairs is not None
    assert run.record.comparison.listed_pairs.reviewed_and_left_out == 2


def test_settings_that_cannot_be_kept_are_refused_and_not_passed_over(tmp_path: Path) -> None:
    scores, people, _ = bob_files(tmp_path)
    for name in ("threshold_on", "pairs"):
        with pytest.raises(StatisticsError, match=f"{name} cannot be used here"):
            audit_scores(scores, people, verify=Verify(**{name: "other.csv"}))
    with pytest.raises(StatisticsError, match="threshold_on cannot be used here"):
        audit_embeddings(*templates(tmp_path), verify=Verify(threshold_on="other.csv"))
    with pytest.raises(TableError, match="card publishes none"):
        audit_scores(scores, people, verify=Verify(threshold="published"))


# ---- templates ----


def templates(folder: Path) -> tuple[Path, Path]:
    """Six images of three people; one row of zeros, one that is not finite."""
    rows = np.array([(3, 0), (3, 1), (0, 0), (0, 5), (np.nan, 1), (-1, 0)], np.float64)
    np.save(folder / "t.npy", rows)
    lines = ["a1,ada,f", "a2,ada,f", "b1,bea,f", "b2,bea,f", "d1,dan,m", "d2,dan,m"]
    (folder / "m.csv").write_text("image,subject,gender\n" + "\n".join(lines) + "\n")
    return folder / "t.npy", folder / "m.csv"


def test_rows_of_zeros_or_nan_are_lost_templates_and_count(tmp_path: Path) -> None:
    run = audit_embeddings(*templates(tmp_path), verify=GIVEN, groups={"min_subjects": 2})
    assert run.faces["outcome"].tolist() == ["ok", "ok", "no_template", "ok", "no_template", "ok"]
    assert counted(run, "fta") == (2, 6)
    assert counted(run, "fmr") == (0, 5)
    assert counted(run, "gfar") == (0, 12)
    assert counted(run, "fnmr") == (0, 1)
    assert counted(run, "gfrr") == (2, 3)
    assert counted(run, "gfrr", gender="male") == (1, 1)
    assert run.embeddings is not None
    assert run.embeddings.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(run.embeddings, axis=1), 1, atol=1e-6)


@pytest.mark.parametrize("dtype", ["<f8", ">f8", "<f4", ">f4", "<f2"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_every_kind_of_floating_point_array_is_read(tmp_path: Path, dtype: str, order: Any) -> None:
    path, manifest = templates(tmp_path)
    np.save(path, np.asarray(np.load(path), dtype, order=order))
    assert counted(audit_embeddings(path, manifest, verify=GIVEN), "fmr") == (0, 5)


def made_unit(raw: Any) -> tuple[Any, Any]:
    rows = np.arange(len(raw))
    norms = lengths_of_templates(raw, rows)
    return unit_templates(raw, rows, norms), norms


def test_templates_of_huge_or_tiny_length_keep_their_direction_or_are_lost() -> None:
    rows = np.array([(3e200, 4e200), (3e-100, 4e-100), (np.inf, 1), (0, 0)])
    unit, norms = made_unit(rows)  # the square of the first is beyond double precision
    assert norms.tolist() == pytest.approx([np.nan, 5e-100, np.nan, np.nan], nan_ok=True)
    np.testing.assert_allclose(unit, [(0.6, 0.8)], rtol=1e-6)


def test_templates_are_normalised_in_parts_as_in_one(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = np.random.default_rng(0).normal(size=(23, 5))
    rows[4] = 0
    whole = made_unit(rows)
    monkeypatch.setattr(given_templates, "ROWS_AT_ONCE", 4)
    parts = made_unit(rows)
    np.testing.assert_array_equal(whole[0], parts[0])
    np.testing.assert_array_equal(whole[1], parts[1])
    assert len(whole[0]) == 22


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (np.zeros((6, 2), np.int8), r"int8 of shape \(6, 2\)"),
        (np.zeros(6), r"float64 of shape \(6,\)"),
        (np.zeros((6, 2, 2)), r"shape \(6, 2, 2\)"),
        (np.zeros((6, 0)), r"shape \(6, 0\)"),
        (np.zeros((6, 2), complex), "complex128"),
        (np.ones((5, 2)), "5 rows, but the manifest has 6; row k must be row k"),
        (np.zeros((6, 2)), "every row is zero or not finite"),
    ],
)
def test_arrays_that_are_no_templates_of_this_manifest_are_refused(tmp_path: Path, array: Any, message: str) -> None:
    path, manifest = templates(tmp_path)
    np.save(path, array)
    with pytest.raises(TableError, match=message):
        audit_embeddings(path, manifest, verify=GIVEN)


def test_a_pickle_is_never_opened(tmp_path: Path) -> None:
    path, manifest = templates(tmp_path)
    bomb = tmp_path / "went off"

    class Bomb:
        def __reduce__(self) -> Any:
            return Path.touch, (bomb,)

    np.save(path, np.array([[Bomb()] * 2] * 6, dtype=object), allow_pickle=True)
    with pytest.raises(TableError, match=r"t.npy: cannot be read"):
        audit_embeddings(path, manifest, verify=GIVEN)
    path.write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(TableError, match=r"t.npy: cannot be read as an .npy array: the magic string"):
        audit_embeddings(path, manifest, verify=GIVEN)
    assert not bomb.exists()


@pytest.mark.parametrize("content", [b"", b"\x93NUMPY", b"\x93NUMPY\x01\x00\xff\xff", b"PK\x03\x04", b"a,b\n1,2\n"])
def test_files_that_are_no_npy_are_refused(tmp_path: Path, content: bytes) -> None:
    path, manifest = templates(tmp_path)
    path.write_bytes(content)
    with pytest.raises(TableError, match=r"t\.npy"):
        audit_embeddings(path, manifest, verify=GIVEN)


def test_a_missing_file_or_a_folder_is_refused(tmp_path: Path) -> None:
    _, manifest = templates(tmp_path)
    for path in (tmp_path / "none.npy", tmp_path):
        with pytest.raises(FacegapError, match="cannot be read"):
            audit_embeddings(path, manifest, verify=GIVEN)


def test_a_file_that_is_cut_short_is_refused(tmp_path: Path) -> None:
    path, manifest = templates(tmp_path)
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(TableError, match=r"t\.npy"):
        audit_embeddings(path, manifest, verify=GIVEN)


def test_images_without_subjects_have_impostors_and_no_mates(tmp_path: Path) -> None:
    path, manifest = templates(tmp_path)
    manifest.write_text("image,gender\n" + "\n".join(f"i{k},{'fm'[k % 2]}" for k in range(6)) + "\n")
    run = audit_embeddings(path, manifest, by="gender", verify=GIVEN)
    assert counted(run, "fmr") == (1, 6)
    assert counted(run, "fnmr") == (0, 0)
    assert np.isnan(rate(run, "fnmr")["value"])


def test_the_commands_say_where_the_threshold_comes_from(tmp_path: Path) -> None:
    from typer.testing import CliRunner

    from facegap.cli import app

    scores, people, _ = bob_files(tmp_path)
    out = str(tmp_path / "run")
    arguments = ["audit-scores", str(scores), "--manifest", str(people), "--fmr", "0.05", "--in-sample", "--out", out]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    assert "IN-SAMPLE" in result.output
    again = CliRunner().invoke(app, ["report", out, "--verbose"])
    assert "false matches between groups" in again.output, again.output


def thirty_people(folder: Path, change: Any, header: tuple[str, str] = ("left", "right")) -> tuple[Path, Path]:
    """Scores of thirty people with three images each, every pair once; `change` makes rows of (left, right, score)."""
    rng = np.random.default_rng(1)
    people = [(f"{k}_{j}.jpg", k, "female" if k < 15 else "male") for k in range(30) for j in range(3)]
    rows = [
        (people[i][0], people[j][0], float(rng.normal(0.7 if people[i][1] == people[j][1] else 0.1, 0.15)))
        for i in range(len(people))
        for j in range(i)
    ]
    pd.DataFrame(people, columns=["image", "subject", "gender"]).to_csv(folder / "people.csv", index=False)
    pd.DataFrame(change(rows), columns=[*header, "score"]).to_csv(folder / "scores.csv", index=False)
    return folder / "scores.csv", folder / "people.csv"


def both_orders(rows: list[Any]) -> list[Any]:
    return rows + [(right, left, score) for left, right, score in rows]


def test_directed_trials_double_the_counts_and_leave_rates_and_intervals_as_they_are(tmp_path: Path) -> None:
    verify = Verify(fmr=(0.01,), in_sample=True)
    once = audit_scores(*thirty_people(tmp_path, list), by="gender", verify=verify)
    twice = audit_scores(*thirty_people(tmp_path, both_orders, ("probe", "reference")), by="gender", verify=verify)
    for metric in ("fmr", "fnmr"):
        one, two = rate(once, metric, gender="female"), rate(twice, metric, gender="female")
        assert (two["errors"], two["trials"]) == (2 * one["errors"], 2 * one["trials"])
        assert two["subjects"] == one["subjects"]
        assert two[["value", "low", "high"]].tolist() == pytest.approx(one[["value", "low", "high"]].tolist(), rel=1e-9)
    (of_once,), (of_twice,) = once.record.operating, twice.record.operating
    assert of_once.interval is not None and of_twice.interval is not None
    assert (of_twice.threshold, of_twice.interval.low, of_twice.interval.high) == pytest.approx(
        (of_once.threshold, of_once.interval.low, of_once.interval.high), rel=1e-9
    )


def test_decisions_have_their_vendor_s_rates_and_no_curve(tmp_path: Path) -> None:
    def decided(rows: list[Any]) -> list[Any]:
        return [(left, right, int(score > 0.45)) for left, right, score in rows]

    run = audit_scores(*thirty_people(tmp_path, decided), by="gender")
    scored = audit_scores(*thirty_people(tmp_path, list), by="gender", verify=Verify(threshold=(0.45,)))
    for metric in ("fmr", "fnmr"):
        for gender in ("female", "male"):
            assert counted(run, metric, gender=gender) == counted(scored, metric, gender=gender)
    (point,) = run.record.operating
    assert (point.threshold, point.source) == (1.0, "the vendor's, because the scores are decisions")
    assert "scores.csv" in scored.extra
    assert "scores.csv" not in run.extra
    page = page_alone(run, include_ids=False)
    assert 'id="det"' not in page
    assert 'id="scores"' not in page
    assert 'id="threshold"' in page


def test_a_target_that_no_threshold_meets_is_said_in_a_sentence(tmp_path: Path) -> None:
    def coarse(rows: list[Any]) -> list[Any]:
        return [(left, right, round(score * 2) / 2) for left, right, score in rows]

    run = audit_scores(*thirty_people(tmp_path, coarse), by="gender", verify=Verify(fmr=(0.001,), in_sample=True))
    table = pd.read_csv(tmp_path / "scores.csv")
    strangers = table["left"].str.split("_").str[0] != table["right"].str.split("_").str[0]
    tied = int((table["score"][strangers] == 0.5).sum())
    (said,) = [warning for warning in run.record.warnings if warning.startswith("no threshold meets")]
    assert said.startswith(f"no threshold meets FMR 0.001: {tied} of 3,915 impostor pairs share the score 0.5")
    assert "false matches, but 3 are allowed" in said
    assert said.endswith("with 0 (FMR 0)")


def test_a_target_that_is_met_is_no_warning(tmp_path: Path) -> None:
    run = audit_scores(*thirty_people(tmp_path, list), by="gender", verify=Verify(fmr=(0.01,), in_sample=True))
    assert [warning for warning in run.record.warnings if "no threshold meets" in warning] == []


def test_a_group_without_strangers_in_the_file_is_an_error(tmp_path: Path) -> None:
    def no_women(rows: list[Any]) -> list[Any]:
        def person(name: str) -> int:
            return int(name.split("_")[0])

        return [
            row
            for row in rows
            if not (person(row[0]) != person(row[1]) and person(row[0]) < 15 and person(row[1]) < 15)
        ]

    with pytest.raises(TableError, match=r"the listed pairs have no impostor pair of: female \(15 people\)"):
        audit_scores(*thirty_people(tmp_path, no_women), by="gender", verify=Verify(threshold=(0.45,)))


def only(genuine: bool) -> Any:
    def chosen(rows: list[Any]) -> list[Any]:
        return [row for row in rows if (row[0].split("_")[0] == row[1].split("_")[0]) == genuine]

    return chosen


def test_a_file_with_one_kind_of_pairs_is_an_error_unless_false_matches_alone_are_wanted(tmp_path: Path) -> None:
    given = Verify(threshold=(0.45,))
    with pytest.raises(TableError, match=r"no comparison is between two images of one person.*--impostors-only"):
        audit_scores(*thirty_people(tmp_path, only(False)), by="gender", verify=given)
    run = audit_scores(
        *thirty_people(tmp_path, only(False)), by="gender", verify=Verify(threshold=(0.45,), impostors_only=True)
    )
    assert counted(run, "fnmr") == (0, 0)
    assert counted(run, "fmr")[1] == 3915
    with pytest.raises(TableError, match="no comparison is between two different people"):
        audit_scores(*thirty_people(tmp_path, only(True)), by="gender", verify=given)


def test_decisions_cannot_meet_a_target_and_stay_decisions_at_a_given_threshold(tmp_path: Path) -> None:
    def decided(rows: list[Any]) -> list[Any]:
        return [(left, right, int(score > 0.45)) for left, right, score in rows]

    with pytest.raises(TableError, match=r"decisions at a threshold chosen by the vendor.*omit --fmr"):
        audit_scores(*thirty_people(tmp_path, decided), by="gender", verify=Verify(fmr=(0.01,)))
    run = audit_scores(*thirty_people(tmp_path, decided), by="gender", verify=Verify(threshold=(0.5,)))
    assert run.record.scores is not None
    assert run.record.scores.decisions
    assert not run.record.has_curve


# ---- the quality of templates ----


def lengthy(tmp_path: Path) -> tuple[Path, Path]:
    """24 people with two templates each, one of them zero; those of women are of length 1 to 2, of men of 3 to 4."""
    rng = np.random.default_rng(7)
    people = np.repeat(np.arange(24), 2)
    rows = rng.normal(size=(24, 8))[people] + 0.2 * rng.normal(size=(48, 8))
    lengths = 1 + rng.random(48) + 2 * (people % 2)
    rows *= (lengths / np.linalg.norm(rows, axis=1))[:, None]
    rows[0] = 0
    np.save(tmp_path / "rows.npy", rows)
    lines = [f"{k},s{person},{'fm'[person % 2]}" for k, person in enumerate(people)]
    (tmp_path / "people.csv").write_text("image,subject,gender\n" + "\n".join(lines) + "\n")
    return tmp_path / "rows.npy", tmp_path / "people.csv"


def test_the_length_of_templates_is_kept_and_may_be_their_quality(tmp_path: Path) -> None:
    path, manifest = lengthy(tmp_path)
    words = {"verify": GIVEN, "by": "gender", "groups": {"min_subjects": 2}, "out": tmp_path / "run"}
    run = audit_embeddings(path, manifest, faces={"quality": "template_norm", "quality_discard": 0.5}, **words)
    rows = np.load(path)
    expected = np.where(rows.any(axis=1), np.linalg.norm(rows, axis=1), np.nan)
    assert run.faces["template_norm"].tolist() == pytest.approx(expected.tolist(), nan_ok=True)
    gate = run.extra["quality_gate.csv"].set_index("gender")
    assert gate["refused_errors"].to_dict() == {"any": 23, "female": 23, "male": 0}
    assert gate["without_quality"].to_dict() == {"any": 1, "female": 1, "male": 0}
    assert recheck(tmp_path / "run") == []


def test_qualities_of_templates_from_a_file_are_those_of_the_file(tmp_path: Path) -> None:
    path, manifest = lengthy(tmp_path)
    (tmp_path / "q.csv").write_text("image,quality\n" + "\n".join(f"{k},{k}" for k in range(47)) + "\n")
    run = audit_embeddings(path, manifest, faces={"quality": str(tmp_path / "q.csv")}, verify=GIVEN, by="gender")
    assert run.faces["given_quality"].tolist() == pytest.approx([*range(47), np.nan], nan_ok=True)
    assert "1 of 48 images have no row in q.csv" in " ".join(run.record.warnings)


def test_what_templates_cannot_tell_of_quality_is_refused(tmp_path: Path) -> None:
    path, manifest = lengthy(tmp_path)
    for named in ("sharpness", "ediffiqa_tiny"):
        with pytest.raises(FacegapError, match=f"--quality {named}: no image is opened in this audit"):
            audit_embeddings(path, manifest, faces={"quality": named}, verify=GIVEN)
    rows = np.load(path)[2:]
    np.save(path, (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float16))
    lines = manifest.read_text().splitlines()
    manifest.write_text("\n".join([lines[0], *lines[3:]]) + "\n")
    with pytest.raises(FacegapError, match=r"every template of rows\.npy has length 1, so they were normalised"):
        audit_embeddings(path, manifest, faces={"quality": "template_norm"}, verify=GIVEN)
    assert audit_embeddings(path, manifest, verify=GIVEN).faces["template_norm"].isna().all()
