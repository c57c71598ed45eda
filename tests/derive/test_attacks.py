"""IAPAR from score files with rows of attacks, worked by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import facegap as fg
from facegap.audit.run import recheck
from facegap.errors import RunError
from facegap.privacy.forget import forget
from facegap.report.attacks import iapar_report, iapar_sentences
from facegap.store.run import read_run
from fixtures.settings import audit_scores

HEADER = "bio_ref_subject_id,probe_subject_id,probe_attack_type,score"


def files(folder: Path) -> tuple[Path, Path]:
    """40 people, alternately female and male. Print attacks score 0.9 for women and 0.1 for men, two per person; three masks."""
    lines = [f"p{k},p{k},,0.{80 + k % 10}" for k in range(40)]
    lines += [f"p{k},p{(k + 2) % 40},,0.{10 + k % 10}" for k in range(40)]
    lines += [f"p{k},attack,print,{(0.9, 0.1)[k % 2]}" for k in range(40) for _ in range(2)]
    lines += ["p0,attack,mask,0.5", "p1,attack,mask,0.49", "p3,attack,mask,"]
    (folder / "scores.csv").write_text("\n".join([HEADER, *lines]) + "\n")
    people = [f"p{k}.png,p{k},{('female', 'male')[k % 2]}" for k in range(40)]
    (folder / "people.csv").write_text("image,subject,gender\n" + "\n".join(people) + "\n")
    return folder / "scores.csv", folder / "people.csv"


def row(run: Any, species: str, gender: str = "any") -> Any:
    table = run.extra["iapar.csv"]
    (found,) = table[(table["species"] == species) & (table["gender"] == gender)].to_dict("records")
    return found


def test_iapar_is_of_each_species_and_of_the_group_that_is_attacked(tmp_path: Path) -> None:
    run = audit_scores(*files(tmp_path), by="gender", verify=fg.Verify(threshold=(0.5,)))
    counts = {
        key: (row(run, *key)["accepted"], row(run, *key)["trials"])
        for key in (("print",), ("print", "female"), ("mask",))
    }
    assert counts == {("print",): (40, 80), ("print", "female"): (40, 40), ("mask",): (1, 2)}
    assert row(run, "mask")["without_score"] == 1
    assert row(run, "print")["subjects"] == 40
    women = row(run, "print", "female")
    assert women["low"] == pytest.approx(0.025 ** (1 / 20))  # 20 women with all attacks accepted, not 40 attacks
    assert "worst of 2 species: print, 50.00%" in iapar_sentences(run)[0] or "mask, 50.00%" in iapar_sentences(run)[0]
    assert len(iapar_report(run)[0].rows) == 6


def test_attacks_are_in_no_other_rate(tmp_path: Path) -> None:
    scores, people = files(tmp_path)
    run = audit_scores(scores, people, by="gender", verify=fg.Verify(threshold=(0.5,)))
    plain = [line for line in scores.read_text().splitlines() if line == HEADER or ",," in line]
    scores.write_text("\n".join(plain) + "\n")
    other = audit_scores(scores, people, by="gender", verify=fg.Verify(threshold=(0.5,)))
    pd.testing.assert_frame_equal(run.rates, other.rates)
    pd.testing.assert_frame_equal(run.gaps, other.gaps)
    assert "iapar.csv" not in other.extra


def test_distances_are_accepted_from_below(tmp_path: Path) -> None:
    scores, people = files(tmp_path)
    table = pd.read_csv(scores, keep_default_na=False)
    table["score"] = [f"{1 - float(text):.2f}" if text else "" for text in table["score"]]
    table.to_csv(scores, index=False)
    run = audit_scores(scores, people, by="gender", verify=fg.Verify(threshold=(0.5,), distance=True))
    assert row(run, "print", "female")["accepted"] == 40


def test_a_run_with_attacks_is_rechecked_and_forgets(tmp_path: Path) -> None:
    audit_scores(*files(tmp_path), by="gender", verify=fg.Verify(threshold=(0.5,)), out=tmp_path / "run")
    assert not recheck(tmp_path / "run")
    forget(tmp_path / "run", "p0")
    left = read_run(tmp_path / "run")
    assert (row(left, "print", "female")["trials"], row(left, "mask")["trials"]) == (38, 1)
    assert not recheck(tmp_path / "run")


def test_an_attack_on_a_row_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    from dataclasses import replace

    from facegap.derive.run import derived

    run = audit_scores(*files(tmp_path), by="gender", verify=fg.Verify(threshold=(0.5,)))
    with pytest.raises(RunError, match="column reference"):
        derived(replace(run, attacks=run.attacks.assign(reference=np.int64(99))))
