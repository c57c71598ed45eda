"""--per-person and dominated rates, from the manifest to the tables, the warnings and the page."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from facegap.audit.run import recheck
from facegap.audit.settings import Verify
from facegap.report.page import add_report
from facegap.report.rows.gaps import gap_rows
from facegap.report.terminal import print_run
from facegap.store.run import Run, read_run
from fixtures.settings import audit_embeddings, audit_predictions

PEOPLE = 60


def answered(folder: Path, wrong_of: dict[int, int], out: Path | None = None, **groups: object) -> Run:
    """People 0 to 29 are women, the others men; even ones have 12 images, odd ones 2. wrong_of : errors by person."""
    images = [(person, k) for person in range(PEOPLE) for k in range(12 if person % 2 == 0 else 2)]
    gender = ["female" if person < PEOPLE // 2 else "male" for person, _ in images]
    other = {"female": "male", "male": "female"}
    said = [other[g] if k < wrong_of.get(p, 0) else g for (p, k), g in zip(images, gender, strict=True)]
    names = [f"p{p}_{k}.png" for p, k in images]
    people = pd.DataFrame({"image": names, "subject": [f"s{p}" for p, _ in images], "gender": gender})
    people.to_csv(folder / "people.csv", index=False)
    pd.DataFrame({"image": names, "prediction": said}).to_csv(folder / "said.csv", index=False)
    return audit_predictions(folder / "said.csv", folder / "people.csv", by="gender", groups=groups, out=out)


def row(run: Run, metric: str, gender: str) -> pd.Series:
    rates = run.rates
    return rates[(rates["metric"] == metric) & (rates["gender"] == gender)].iloc[0]


SPREAD = dict.fromkeys((1, 3, 5, 7, 9, 11, 13, 15, 31), 2)  # people with two images, both wrong


def test_people_weigh_equally_in_rates_and_gaps(tmp_path: Path) -> None:
    plain = answered(tmp_path, SPREAD, min_subjects=10)
    equal = answered(tmp_path, SPREAD, min_subjects=10, per_person=True)
    before, after = row(plain, "error_rate_all", "female"), row(equal, "error_rate_all", "female")
    assert (before["errors"], before["trials"]) == (after["errors"], after["trials"]) == (16, 210)
    assert before["value"] == pytest.approx(16 / 210)
    assert after["value"] == pytest.approx(8 / 30)
    assert (before["weighs"], after["weighs"]) == ("trials", "people")
    assert (after["low"], after["high"]) == (before["per_person_low"], before["per_person_high"])
    assert after["low"] < 8 / 30 < after["high"]
    gap = equal.gaps[equal.gaps["metric"] == "error_rate_all"].iloc[0]
    assert (gap["rate_a"], gap["rate_b"]) == (pytest.approx(8 / 30), pytest.approx(1 / 30))
    assert gap["difference"] == pytest.approx(7 / 30)
    shown = next(gap for gap in gap_rows(equal) if gap.metric == "error_rate_all")
    assert shown.worse.value == pytest.approx(8 / 30)


def test_both_rates_are_told_where_they_differ(tmp_path: Path) -> None:
    for run, which in ((answered(tmp_path, SPREAD), "former"), (answered(tmp_path, SPREAD, per_person=True), "latter")):
        told = [
            said for said in run.record.warnings if "with equal weight for each person" in said and "female" in said
        ]
        assert any("7.62% over all trials, but 26.67%" in said and f"the {which}" in said for said in told), told


def test_run_json_keeps_it_and_a_recheck_derives_the_same(tmp_path: Path) -> None:
    answered(tmp_path, SPREAD, out=tmp_path / "run", per_person=True)
    stated = json.loads((tmp_path / "run" / "run.json").read_text())
    assert stated["per_person"] is True
    assert stated["request"]["settings"]["groups"]["per_person"] is True
    assert recheck(tmp_path / "run") == []
    assert read_run(tmp_path / "run").record.per_person


def test_pairs_of_people_weigh_equally_in_a_false_match_rate(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    images = np.where(np.arange(40) % 2 == 0, 6, 2)
    subjects = np.repeat(np.arange(40), images)
    people = rng.normal(size=(40, 5))
    np.save(tmp_path / "t.npy", people[subjects] + 0.4 * rng.normal(size=(len(subjects), 5)))
    names = [f"i{k}.png" for k in range(len(subjects))]
    pd.DataFrame({"image": names, "subject": subjects, "gender": np.where(subjects < 20, "female", "male")}).to_csv(
        tmp_path / "m.csv", index=False
    )
    equal, plain = (
        audit_embeddings(
            tmp_path / "t.npy",
            tmp_path / "m.csv",
            by="gender",
            verify=Verify(fmr=(), threshold=(0.7,)),
            groups={"min_subjects": 5, "per_person": on},
        )
        for on in (True, False)
    )
    templates = np.load(tmp_path / "t.npy")
    unit = templates / np.linalg.norm(templates, axis=1, keepdims=True)
    reached = (unit @ unit.T) >= 0.7
    shares = [reached[np.ix_(subjects == i, subjects == j)].mean() for i in range(20) for j in range(i + 1, 20)]
    found = row(equal, "fmr", "female")
    assert found["value"] == pytest.approx(np.mean(shares), abs=1e-6)
    assert row(plain, "fmr", "female")["per_person"] == pytest.approx(found["value"])
    assert row(plain, "fmr", "female")["value"] == pytest.approx(found["errors"] / found["trials"])


def test_a_rate_of_two_people_is_named_and_its_gap_has_no_verdict(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = answered(tmp_path, {0: 11, 2: 11, 5: 1}, out=tmp_path / "run", min_subjects=10)
    assert row(run, "error_rate_all", "female")["dominated_by"] == 2
    assert row(run, "error_rate_all", "male")["dominated_by"] == 0
    gap = next(gap for gap in gap_rows(run) if gap.metric == "error_rate_all")
    assert gap.verdict == "not enough data"
    assert (gap.worse.group, gap.worse.dominated_by) == ("female", 2)
    assert any("the rate of female (" in said and ") is dominated by 2 people" in said for said in run.record.warnings)
    add_report(tmp_path / "run", run, include_ids=False)
    assert "dominated by 2 people" in (tmp_path / "run" / "report.html").read_text()
    print_run(run, tmp_path / "run", view=None, include_ids=False)
    assert "dominated by 2 people" in " ".join(capsys.readouterr().out.split())
