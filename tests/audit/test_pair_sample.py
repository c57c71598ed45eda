"""Audits of a sample of pairs: their expected precision, and their results compared with all pairs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from facegap.audit.pair_sample import planned_pairs
from facegap.audit.run import recheck
from facegap.audit.settings import Output, Verify
from facegap.cli import app
from facegap.derive.run import all_comparisons_of
from facegap.errors import RunError, SettingError, TableError
from facegap.report.page import page_alone
from fixtures.settings import audit_embeddings, audit_scores

AT_HALF = {"fmr": (), "threshold": (0.5,)}


def people_file(folder: Path, people: int = 40, images: int = 2) -> Path:
    lines = [f"p{k}/{n}.png,p{k},{'female' if k % 3 else 'male'}" for k in range(people) for n in range(images)]
    (folder / "people.csv").write_text("image,subject,gender\n" + "\n".join(lines) + "\n")
    return folder / "people.csv"


def with_scores(pairs: pd.DataFrame, seed: int = 0) -> pd.DataFrame:
    """Scores that depend only on the names, so that a pair has the same score in every list."""
    one, other = (pairs[name].str.split("/").str[0] for name in ("left", "right"))
    effect = dict(zip((f"p{k}" for k in range(40)), np.random.default_rng(seed).normal(0, 0.08, 40), strict=True))
    sides = zip(pairs["left"], pairs["right"], strict=True)
    noise = [np.random.default_rng(sum(map(ord, "".join(sorted(both))))).normal(0, 0.12) for both in sides]
    score = np.where(one == other, 0.8, 0.3) + one.map(effect) + other.map(effect) + noise
    return pairs.assign(score=score.round(5))


def planned(folder: Path, *words: str) -> pd.DataFrame:
    people = people_file(folder)
    asked = ["plan", "--pairs-of", str(people), "--by", "gender", "--out", str(folder / "pairs.csv"), *words]
    said = CliRunner().invoke(app, asked, catch_exceptions=False)
    assert said.exit_code == 0, said.output
    return pd.read_csv(folder / "pairs.csv")


def test_a_plan_of_pairs_prints_calls_cost_and_precision_and_its_scores_can_be_audited(tmp_path: Path) -> None:
    people = people_file(tmp_path)
    asked = ["plan", "--pairs-of", str(people), "--by", "gender", "--max-calls", "800", "--price-per-call", "0.01"]
    said = CliRunner().invoke(app, [*asked, "--out", str(tmp_path / "pairs.csv")], catch_exceptions=False)
    words = " ".join(said.output.split())
    for part in ("800 calls, 8.00 at 0.01 each", "All 40 genuine pairs are compared", "female: 26 people", "against"):
        assert part in words
    pairs = with_scores(pd.read_csv(tmp_path / "pairs.csv"))
    assert len(pairs) == 800
    pairs.to_csv(tmp_path / "scores.csv", index=False)
    run = audit_scores(tmp_path / "scores.csv", people, by="gender", verify=Verify(**AT_HALF), out=tmp_path / "run")
    rates = run.rates[
        (run.rates["metric"] == "fmr") & (run.rates["gender"] == "female") & (run.rates["other_gender"] == "")
    ]
    row = rates.iloc[0]
    women = {f"p{k}" for k in range(40) if k % 3}
    inside = pairs["left"].str.split("/").str[0].isin(women) & pairs["right"].str.split("/").str[0].isin(women)
    own = pairs[inside & (pairs["genuine"] == 0)]
    assert row["value"] == pytest.approx(np.average(own["score"] >= 0.5, weights=own["weight"]))
    assert (row["trials"], row["weighs"]) == (len(own), "sample")
    assert own["weight"].sum() == pytest.approx(26 * 25 // 2 * 4)
    assert recheck(tmp_path / "run") == []
    page = page_alone(run, include_ids=False)
    assert "sample of pairs with weights" in page
    with pytest.raises(RunError, match="sample"):
        all_comparisons_of(run, "facegap compare")


def test_a_sample_of_all_pairs_gives_the_rates_of_all_pairs(tmp_path: Path) -> None:
    people = people_file(tmp_path)
    pairs = with_scores(planned(tmp_path, "--max-calls", "100000"))
    assert (pairs["weight"] == 1).all()
    pairs.to_csv(tmp_path / "scores.csv", index=False)
    pairs.drop(columns="weight").to_csv(tmp_path / "all.csv", index=False)
    ours, theirs = (
        audit_scores(tmp_path / name, people, by="gender", verify=Verify(**AT_HALF)).rates
        for name in ("scores.csv", "all.csv")
    )
    assert ours["value"].to_numpy() == pytest.approx(theirs["value"].to_numpy(), nan_ok=True)
    both = ours.merge(theirs, on=["metric", "gender", "other_gender"])
    fmr = both[both["metric"] == "fmr"]
    assert fmr["high_x"].to_numpy() == pytest.approx(fmr["high_y"].to_numpy(), rel=0.25)


def test_templates_are_compared_in_a_sample_which_says_itself_what_it_shows(tmp_path: Path) -> None:
    people = people_file(tmp_path)
    rng = np.random.default_rng(0)
    templates = np.repeat(rng.normal(size=(40, 16)), 2, axis=0) + 0.6 * rng.normal(size=(80, 16))
    np.save(tmp_path / "templates.npy", templates.astype(np.float32))
    said: list[str] = []
    words: dict[str, Any] = {"by": "gender", "verify": Verify(sample_pairs=900, **AT_HALF)}
    run = audit_embeddings(
        tmp_path / "templates.npy", people, model="toy", out=Output(tmp_path / "run", notice=said.append), **words
    )
    assert any("900 comparisons" in line for line in said)
    assert any(line.strip().startswith("female: 26 people") for line in said)
    assert run.record.sampled
    assert not run.record.has_curve
    assert run.matched.pairs["weight"].sum() == pytest.approx(80 * 79 / 2)
    assert recheck(tmp_path / "run") == []
    again = audit_embeddings(tmp_path / "templates.npy", people, model="toy", **words)
    pd.testing.assert_frame_equal(run.rates, again.rates)
    page_alone(run, include_ids=False)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"verify": Verify(sample_pairs=900)}, "--threshold"),
        ({"verify": Verify(sample_pairs=44, **AT_HALF)}, "too few"),
        ({"verify": Verify(sample_pairs=900, **AT_HALF), "groups": {"per_person": True}}, "--per-person"),
        ({"verify": Verify(sample_pairs=900, bob_rates=True, **AT_HALF)}, "--bob-rates"),
        ({"verify": Verify(sample_pairs=900, **AT_HALF), "groups": {"label_errors": 0.02}}, "--label-errors"),
    ],
)
def test_what_is_not_defined_on_a_sample_is_refused(tmp_path: Path, words: dict[str, Any], said: str) -> None:
    np.save(tmp_path / "templates.npy", np.random.default_rng(0).normal(size=(80, 8)).astype(np.float32))
    with pytest.raises(SettingError, match=said):
        audit_embeddings(tmp_path / "templates.npy", people_file(tmp_path), model="toy", by="gender", **words)


@pytest.mark.parametrize("weight", ["", "0", "-1", "nan", "inf", "1_0", "<b>", "1e300"])
def test_a_weight_that_is_none_is_refused_by_its_line(tmp_path: Path, weight: str) -> None:
    people = people_file(tmp_path)
    rows = ["p0/0.png,p0/1.png,0.9,1", f"p0/0.png,p1/0.png,0.2,{weight}", "p1/0.png,p2/0.png,0.3,4"]
    (tmp_path / "scores.csv").write_text("left,right,score,weight\n" + "\n".join(rows) + "\n")
    with pytest.raises(TableError, match="line 3, column weight"):
        audit_scores(tmp_path / "scores.csv", people, by="gender", verify=Verify(**AT_HALF))


def test_scores_with_weights_need_a_threshold_and_one_weight_for_each_pair(tmp_path: Path) -> None:
    people = people_file(tmp_path)
    rows = ["p0/0.png,p0/1.png,0.9,1", "p0/0.png,p1/0.png,0.2,3", "p1/0.png,p2/0.png,0.3,4"]
    head = "left,right,score,weight\n"
    (tmp_path / "scores.csv").write_text(head + "\n".join(rows) + "\n")
    with pytest.raises(TableError, match="--threshold"):
        audit_scores(tmp_path / "scores.csv", people)
    (tmp_path / "scores.csv").write_text(head + "\n".join([*rows, "p1/0.png,p0/0.png,0.2,5"]) + "\n")
    with pytest.raises(TableError, match="two weights"):
        audit_scores(tmp_path / "scores.csv", people, verify=Verify(**AT_HALF))


def test_a_sample_is_bounded_before_it_is_made() -> None:
    table = pd.DataFrame({"image": [f"{k}.png" for k in range(20_000)], "subject": [f"p{k}" for k in range(20_000)]})
    with pytest.raises(SettingError, match="20,000,000"):
        planned_pairs(table, (), Verify(), pairs=10**15)


def test_directed_pairs_are_written_as_probe_and_reference(tmp_path: Path) -> None:
    pairs = planned(tmp_path, "--max-calls", "900", "--directed")
    assert list(pairs.columns) == ["probe", "reference", "genuine", "weight"]
    assert pairs["weight"].sum() == pytest.approx(80 * 79)


def test_a_plan_is_not_written_over_and_needs_a_budget(tmp_path: Path) -> None:
    planned(tmp_path, "--max-calls", "900")
    with pytest.raises(TableError, match="already exists"):
        planned(tmp_path, "--max-calls", "900")
    said = CliRunner().invoke(app, ["plan", "--pairs-of", str(tmp_path / "people.csv")])
    assert said.exit_code == 2
    assert "--max-calls" in said.output
