"""A comparison uses the sampling units of its first run."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from facegap.audit.settings import Verify
from facegap.compare.build import compare
from fixtures.settings import audit_embeddings, audit_predictions


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """80 people with an image each, in 20 sessions of four; the second model errs on all of some sessions."""
    made = tmp_path_factory.mktemp("sessions")
    image = [f"{k}.png" for k in range(80)]
    people = pd.DataFrame({"image": image, "subject": image, "gender": ["female"] * 40 + ["male"] * 40})
    people = people.assign(session=[f"s{k // 4}" for k in range(80)], alone=image)
    people.to_csv(made / "people.csv", index=False)
    for name, wrong in (("first", [0, 41]), ("second", [*range(8, 20), 44, 45])):
        said = people["gender"].where(
            ~people.index.isin(wrong), people["gender"].map({"female": "male", "male": "female"})
        )
        people.assign(prediction=said)[["image", "prediction"]].to_csv(made / f"{name}.csv", index=False)
    rng = np.random.default_rng(4)
    vectors = rng.normal(size=(80, 12)) + np.repeat(rng.normal(size=(20, 12)), 4, axis=0)
    for name, noise in (("sharp", 0.2), ("dull", 0.6)):
        np.save(made / f"{name}.npy", (vectors + noise * rng.normal(size=vectors.shape)).astype(np.float32))
    return made


def answered(folder: Path, cluster: tuple[str, ...]) -> pd.DataFrame:
    runs = []
    for name in ("first", "second"):
        runs.append(folder / f"{name}-{'-'.join(cluster)}")
        if not runs[-1].exists():
            groups = {"cluster": cluster, "min_subjects": 5}
            audit_predictions(folder / f"{name}.csv", folder / "people.csv", by="gender", groups=groups, out=runs[-1])
    found = compare(runs).found
    assert ("session" in " ".join(found.notes)) == (cluster == ("session",))
    return found.paired.query("metric == 'error_rate_all' and group == 'female'").iloc[0]


def matched(folder: Path, cluster: tuple[str, ...]) -> pd.Series:
    runs = []
    for name in ("sharp", "dull"):
        runs.append(folder / f"{name}-{'-'.join(cluster)}")
        settings = Verify(fmr=(), threshold=(0.5,), impostors_only=True)
        groups = {"cluster": cluster, "min_subjects": 5}
        audit_embeddings(
            folder / f"{name}.npy",
            folder / "people.csv",
            by="gender",
            groups=groups,
            verify=settings,
            model=name,
            out=runs[-1],
        )
    return compare(runs).found.paired.query("metric == 'fmr' and group == 'all'").iloc[0]


def test_clusters_of_one_person_change_nothing(folder: Path) -> None:
    plain, alone = answered(folder, ()), answered(folder, ("alone",))
    for name in ("difference", "difference_low", "difference_high", "p", "subjects"):
        assert plain[name] == alone[name]


def test_errors_correlated_within_sessions_widen_the_interval(folder: Path) -> None:
    plain, sessions = answered(folder, ()), answered(folder, ("session",))
    assert sessions["difference"] == plain["difference"] == pytest.approx(11 / 40)
    assert sessions["difference_low"] < plain["difference_low"]
    assert sessions["p"] > plain["p"]


def test_false_matches_within_a_session_are_resampled_with_it(folder: Path) -> None:
    plain, sessions = matched(folder, ()), matched(folder, ("session",))
    assert (sessions["errors_a"], sessions["trials_a"]) == (plain["errors_a"], plain["trials_a"])
    assert sessions["difference"] == plain["difference"]
    wide, narrow = (row["difference_high"] - row["difference_low"] for row in (sessions, plain))
    assert wide > narrow
