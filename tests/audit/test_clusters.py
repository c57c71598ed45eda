"""--cluster from the manifest to the tables."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519

from facegap.audit.run import recheck
from facegap.audit.settings import Groups, Verify
from facegap.authenticity.seal import seal, signer_of
from facegap.errors import SealError, TableError
from facegap.privacy.forget import forget
from facegap.store.run import Run, read_run
from fixtures.keys import write_key
from fixtures.settings import audit_embeddings

PEOPLE = 24


def frame() -> pd.DataFrame:
    """Two images of each person; person k was taken in session k % 8, and half of them are women."""
    subjects = np.repeat(np.arange(PEOPLE), 2)
    return pd.DataFrame(
        {
            "image": [f"i{k}.png" for k in range(len(subjects))],
            "subject": [f"s{subject}" for subject in subjects],
            "gender": np.where(subjects % 8 < 4, "female", "male"),
            "session": [f"day {subject % 8}" for subject in subjects],
            "studio": "one",
        }
    )


def audited(folder: Path, table: pd.DataFrame, *, out: Path | None = None, by: str = "gender", **groups: object) -> Run:
    rng = np.random.default_rng(3)
    people = rng.normal(size=(PEOPLE, 6))
    np.save(folder / "t.npy", (np.repeat(people, 2, axis=0) + 0.6 * rng.normal(size=(2 * PEOPLE, 6)))[: len(table)])
    table.to_csv(folder / "m.csv", index=False)
    chosen = Verify(fmr=(), threshold=(0.6,))
    return audit_embeddings(
        folder / "t.npy", folder / "m.csv", by=by, verify=chosen, groups={"min_subjects": 2, **groups}, out=out
    )


def women(run: Run, metric: str) -> pd.Series:
    rates = run.rates
    return rates[(rates["metric"] == metric) & (rates["gender"] == "female") & (rates["other_gender"] == "")].iloc[0]


def test_people_stay_people_and_units_vary(tmp_path: Path) -> None:
    plain, clustered = (audited(tmp_path, frame(), **groups) for groups in ({}, {"cluster": "session"}))
    for metric in ("fmr", "fnmr", "fta"):
        before, after = women(plain, metric), women(clustered, metric)
        assert (before["errors"], before["trials"]) == (after["errors"], after["trials"])
        assert (before["subjects"], after["subjects"]) == (12, 12)
        assert (before["units"], after["units"]) == (12, 4)
        assert (before["effective_subjects"], after["effective_subjects"]) == (12, 4)
    assert women(clustered, "fmr")["effective_trials"] != women(plain, "fmr")["effective_trials"]
    assert "--cluster: the sampling unit is session: 24 people in 8 units" in clustered.record.warnings
    assert clustered.extra["differentials.csv"]["p"].isna().all()  # labels cannot be permuted person by person


def test_the_minimum_counts_units(tmp_path: Path) -> None:
    assert len(audited(tmp_path, frame(), min_subjects=12).gaps)
    assert audited(tmp_path, frame(), min_subjects=5, cluster="session").gaps.empty


def test_run_json_keeps_the_columns_and_a_recheck_derives_the_same(tmp_path: Path) -> None:
    audited(tmp_path, frame(), out=tmp_path / "run", cluster="session")
    stated = json.loads((tmp_path / "run" / "run.json").read_text())
    assert stated["cluster"] == ["session"]
    assert stated["request"]["settings"]["groups"]["cluster"] == ["session"]
    assert recheck(tmp_path / "run") == []
    assert read_run(tmp_path / "run").record.cluster == ("session",)


def test_a_sealed_run_of_units_loses_a_person_and_is_then_the_run_that_never_had_them(tmp_path: Path) -> None:
    run = tmp_path / "run"
    audited(tmp_path, frame(), out=run, cluster="session")
    private, public = write_key(tmp_path / "auditor.pem", ed25519.Ed25519PrivateKey.from_private_bytes(bytes(32)))
    seal(run, private)
    assert recheck(run) == []
    assert signer_of(run, public)
    last = f"s{PEOPLE - 1}"
    forget(run, last)
    assert recheck(run) == []
    with pytest.raises(SealError):
        signer_of(run, public)
    left, never = read_run(run), audited(tmp_path, frame()[:-2], out=tmp_path / "never", cluster="session")
    assert left.record.cluster == ("session",)
    assert last not in set(left.manifest["subject"])
    for name in ("rates", "gaps"):
        pd.testing.assert_frame_equal(getattr(left, name), getattr(read_run(tmp_path / "never"), name))
    assert len(never.manifest) == len(left.manifest)


def test_no_unit_is_on_both_sides_of_a_split(tmp_path: Path) -> None:
    table = frame()
    audited(tmp_path, table)
    run = audit_embeddings(
        tmp_path / "t.npy",
        tmp_path / "m.csv",
        by="gender",
        verify=Verify(fmr=(0.2,), threshold_by="split"),
        groups={"min_subjects": 2, "cluster": "session"},
    )
    assert run.matched is not None
    sides = pd.Series(run.matched.roles).groupby(table["session"]).nunique()
    assert sides.max() == 1
    assert len(set(run.matched.roles)) == 2


def test_a_unit_is_in_one_fold_whole_and_its_people_are_never_set_aside(tmp_path: Path) -> None:
    table = frame()
    audited(tmp_path, table)
    run = audit_embeddings(
        tmp_path / "t.npy",
        tmp_path / "m.csv",
        by="gender",
        verify=Verify(fmr=(0.2,)),
        groups={"min_subjects": 2, "cluster": "session"},
    )
    assert run.matched is not None
    assert run.matched.folds is not None
    folds = pd.Series(run.matched.folds)
    assert folds.groupby(table["session"]).nunique().max() == 1
    assert folds.nunique() == table["session"].nunique() == 8  # as many folds as units if there are few
    assert set(run.matched.roles) == {"evaluation"}


def test_names_of_columns_come_with_commas_or_one_by_one() -> None:
    assert Groups(cluster="session, photographer,session").cluster == ("session", "photographer")  # type: ignore[arg-type]
    assert Groups(cluster=("session", "family,source")).cluster == ("session", "family", "source")


@pytest.mark.parametrize(
    ("column", "said"),
    [
        ("sesion", "--cluster: the manifest m.csv has no label column 'sesion'; did you mean 'session'?"),
        ("where", "it has gender, session, studio"),
        ("subject", "--cluster subject: the subject is already the unit; omit --cluster"),
        (
            "studio",
            "--cluster studio: all 48 rows form a single unit",
        ),
    ],
)
def test_columns_that_cannot_be_units_are_refused(tmp_path: Path, column: str, said: str) -> None:
    with pytest.raises(TableError) as error:
        audited(tmp_path, frame(), cluster=column)
    assert said in str(error.value)


def test_a_column_of_by_and_empty_cells_are_told(tmp_path: Path) -> None:
    table = frame()
    table.loc[:3, "session"] = ""
    warnings = audited(tmp_path, table, by="gender,session", cluster="session").record.warnings
    assert "--cluster: 4 rows have no session; for them the subject is the unit" in warnings
    assert any("session is also a column of --by" in warning for warning in warnings)


def test_a_column_of_units_is_no_group_unless_it_is_asked_for(tmp_path: Path) -> None:
    np.save(tmp_path / "t.npy", np.random.default_rng(0).normal(size=(2 * PEOPLE, 6)))
    frame().drop(columns="studio").to_csv(tmp_path / "m.csv", index=False)
    verify, groups = Verify(fmr=(), threshold=(0.6,)), {"cluster": ("session",)}
    run = audit_embeddings(tmp_path / "t.npy", tmp_path / "m.csv", by=None, verify=verify, groups=groups)
    assert run.record.groupings == (("gender",),)


def test_one_person_with_most_trials_is_named(tmp_path: Path) -> None:
    table = frame()
    table.loc[:13, "subject"] = "s0"
    table.loc[:13, ["gender", "session"]] = ["female", "day 0"]
    run = audited(tmp_path, table)
    assert any(said.startswith("one person has ") and "genuine pairs of female" in said for said in run.record.warnings)
