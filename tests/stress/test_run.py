"""Complete stress tests of illustrated people with toy models: a planted interaction, resuming, and errors."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest

from facegap.audit.settings import AuditSettings, settings_from
from facegap.errors import ModelError, RunError, TableError
from facegap.store.folder import finish
from facegap.stress.again import recheck
from facegap.stress.run import stress
from facegap.stress.stored import GAPS, RATES, SCORES
from facegap.stress.text import findings
from facegap.tables import STRESS, STRESS_GAPS
from fixtures.settings import audited

PEOPLE = 48
# The toy classifier predicts female from a mean green of 128. One EV more turns sRGB 100 into 150, so men of 100 are then
# misclassified, and women of 200 are not. The detector looks at blue, which more light does not reduce.
GREEN = {"male": 100, "female": 200}


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory, draw: Any) -> Path:
    """Half women, half men: one picture each of 48 people, and a second one of every fourth."""
    folder = tmp_path_factory.mktemp("people")
    rng = np.random.default_rng(1)
    lines = ["image,subject,gender"]
    for k in range(PEOPLE):
        gender = "female" if k % 2 else "male"
        for copy in range(2):
            picture = draw(green=GREEN[gender], quadrants=(0,))
            picture[:32, :32, 2] = rng.integers(0, 120, (8, 8)).repeat(4, 0).repeat(4, 1)
            cv2.imwrite(str(folder / f"{k}_{copy}.png"), picture)
            lines.append(f"{k}_{copy}.png,p{k},{gender}")
    (folder / "people.csv").write_text("\n".join(lines) + "\n")
    return folder / "people.csv"


def options(toys: Any, out: Path, **words: Any) -> AuditSettings:
    chosen = {
        "detect": toys.card("detector"),
        "classify": toys.card("classifier"),
        "by": "gender",
        "workers": 1,
        "no_isolation": True,
    }
    return settings_from({**chosen, "folder": out, "min_subjects": 10, **words})


@pytest.fixture(scope="module")
def done(people: Path, toys: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Exposure and noise on the toy classifier."""
    out = tmp_path_factory.mktemp("stress") / "out"
    return stress(people, options(toys, out), ["exposure=1,-2", "noise=1"])


@pytest.fixture(scope="module")
def audit(people: Path, toys: Any) -> Any:
    """The audit of the unperturbed images, at the threshold of the stress test."""
    models = {
        task: toys.card(name)
        for task, name in (("detect", "detector"), ("classify", "classifier"), ("embed", "embedder"))
    }
    return audited(people, **models, threshold=[0.9999], by="gender", min_subjects=10)


def rate(done: Any, perturbation: str, group: str, dose: float = np.nan, metric: str = "error_rate_all") -> Any:
    rows = done.rates[
        (done.rates["metric"] == metric) & (done.rates["group"] == group) & (done.rates["family"] == "gender")
    ]
    rows = rows[rows["perturbation"] == perturbation]
    return rows[rows["dose"] == dose].iloc[0] if dose == dose else rows.iloc[0]


def test_a_planted_interaction_is_found_and_none_where_nothing_changes(done: Any) -> None:
    brighter = rate(done, "exposure", "male", 1.0)
    assert (brighter["errors"], brighter["trials"], brighter["errors_before"], brighter["subjects"]) == (48, 48, 0, 24)
    assert (brighter["change"], rate(done, "exposure", "female", 1.0)["change"]) == (1.0, 0.0)
    gap = done.gaps[(done.gaps["perturbation"] == "exposure") & (done.gaps["dose"] == 1.0) & done.gaps["primary"]].iloc[
        0
    ]
    assert (gap["group_a"], gap["group_b"], gap["difference"]) == ("male", "female", 1.0)
    assert gap["verdict"] == "gap larger than the margin"
    assert gap["decided_low"] > gap["margin"] == 0.02
    silent = done.gaps[(done.gaps["perturbation"] == "noise") & done.gaps["primary"]].iloc[0]
    assert (silent["difference"], silent["verdict"]) == (0.0, "not enough data")  # 24 people cannot show 2 points
    assert set(done.gaps[~done.gaps["primary"]]["verdict"]) == {"exploratory"}
    assert "rises more for male than for female at 1 EV" in findings(done)[0]


def test_a_face_lost_in_the_dark_is_an_error_and_a_failure_to_acquire(done: Any) -> None:
    lost = rate(done, "exposure", "female", -2.0, "fta")
    assert (lost["errors"], lost["trials"], lost["errors_before"]) == (48, 48, 0)
    assert rate(done, "exposure", "female", -2.0)["errors"] == 48


def test_without_a_perturbation_the_rates_are_those_of_an_audit(done: Any, audit: Any) -> None:
    rates = audit.rates[audit.rates["metric"] == "error_rate_all"].set_index("gender")
    for group in ("female", "male"):
        plain = rate(done, "none", group)
        assert (plain["errors"], plain["trials"]) == (rates.loc[group, "errors"], rates.loc[group, "trials"])
        assert plain["value"] == rates.loc[group, "value"]


def test_written_tables_have_their_columns_and_name_no_person(done: Any) -> None:
    assert pd.read_csv(done.folder / "stress.csv").columns.tolist() == list(STRESS.columns)
    assert pd.read_csv(done.folder / "stress_gaps.csv").columns.tolist() == list(STRESS_GAPS.columns)
    page = (done.folder / "stress.html").read_text()
    assert "<script" not in page
    assert not re.search(r"\bcause|because of|due to\b", page)
    assert not re.search(r"\d+_[01]\.png", page)
    for path in done.folder.iterdir():
        assert path.stat().st_mode & 0o077 == 0, path
    assert not (done.folder / "embeddings.npy").exists()
    assert "image" not in pd.read_parquet(done.folder / "answers.parquet").columns


def test_an_interrupted_stress_test_resumes_to_the_same_bytes_and_another_is_rejected(
    done: Any, people: Path, toys: Any, tmp_path: Path
) -> None:
    out, seen = tmp_path / "out", []

    def stop(finished: int, _total: int) -> None:
        seen.append(finished)
        if finished == 60:
            raise KeyboardInterrupt

    chosen = options(toys, out)
    with pytest.raises(KeyboardInterrupt):
        stress(people, replace(chosen, output=replace(chosen.output, progress=stop)), ["exposure=1,-2", "noise=1"])
    first = len(seen)
    again = replace(chosen, output=replace(chosen.output, progress=lambda *_: seen.append(0), resume=True))
    with pytest.raises(RunError, match="differs in doses"):
        stress(people, again, ["exposure=1"])
    stress(people, again, ["exposure=1,-2", "noise=1"])
    assert len(seen) - first < 2 * PEOPLE  # finished parts are not repeated
    for name in ("stress.csv", "stress_gaps.csv", "stress.html", "answers.parquet"):
        assert (out / name).read_bytes() == (done.folder / name).read_bytes(), name
    assert json.loads((out / "stress.json").read_text())["status"] == "complete"


def test_genuine_pairs_use_the_unperturbed_threshold_and_a_perturbed_probe(
    people: Path, toys: Any, audit: Any, tmp_path: Path
) -> None:
    chosen = options(toys, tmp_path / "out", classify=None, embed=toys.card("embedder"), threshold=[0.9999])
    found = stress(people, chosen, ["exposure=1,-2"])
    assert found.primary == "fnmr"
    plain = rate(found, "none", "male", metric="fnmr")
    assert (plain["trials"], plain["subjects"], plain["threshold"]) == (48, 24, 0.9999)  # each pair in both directions
    own = audit.rates[(audit.rates["metric"] == "fnmr") & (audit.rates["gender"] == "male")].iloc[0]
    assert plain["value"] == own["value"]
    shifts = found.scores[(found.scores["family"] == "gender") & (found.scores["dose"] == 1.0)].set_index("group")
    assert (shifts.loc["male", "comparisons"], shifts.loc["male", "subjects"]) == (48, 24)
    mated = pd.read_parquet(found.folder / "mated_scores.parquet")
    men = mated[(mated["dose"] == 0) & (mated["probe"] // 2 % 2 == 0)]
    assert shifts.loc["male", "shift"] == np.median(men["after"] - men["before"])
    dark_scores = found.scores[found.scores["dose"] == -2.0]
    assert dark_scores["comparisons"].sum() == 0 and dark_scores["lost"].sum() == 2 * 96
    assert recheck(found.folder) == []
    mated.assign(after=0.0).to_parquet(found.folder / "mated_scores.parquet")
    assert recheck(found.folder) == ["mated_scores.parquet: changed since the run was written"]
    finish(found.folder)
    assert recheck(found.folder) == [
        f"{name}: differs from the result of the stored rows" for name in (RATES, GAPS, SCORES)
    ]
    dark = rate(found, "exposure", "male", -2.0, metric="gfrr")
    assert (dark["errors"], dark["trials"]) == (48, 48)
    lost = found.rates[
        (found.rates["metric"] == "fnmr") & (found.rates["dose"] == -2.0) & (found.rates["family"] == "")
    ]
    assert lost["trials"].sum() == 0  # no face has a template in the dark


def test_impossible_stress_tests_are_rejected(people: Path, toys: Any, tmp_path: Path) -> None:
    with pytest.raises(
        ModelError, match="give the model to evaluate: either a classifier with --classify, or an embedder with --embed"
    ):
        stress(people, options(toys, tmp_path / "a", embed=toys.card("embedder"), threshold=[0.5]), [])
    with pytest.raises(ModelError, match="inter-eye distance, but no points"):
        stress(people, options(toys, tmp_path / "b", detect="aligned"), ["blur"])
    with pytest.raises(ModelError, match="rotation moves the face"):
        stress(people, options(toys, tmp_path / "c", detect="aligned"), ["rotation"])
    lines = people.read_text().splitlines()
    alone = people.parent / "alone.csv"
    alone.write_text("\n".join([lines[0], *lines[1::2]]) + "\n")
    single = options(
        toys, tmp_path / "d", classify=None, embed=toys.card("embedder"), threshold=[0.5], impostors_only=True
    )
    with pytest.raises(TableError, match="there are no genuine pairs"):
        stress(alone, single, ["exposure=1"])


def test_in_python_the_tables_come_without_a_folder_and_a_notebook_shows_them(people: Path, toys: Any) -> None:
    import facegap as fg

    words = {"detect": toys.card("detector"), "classify": toys.card("classifier"), "by": "gender"}
    found = fg.stress(people, **words, perturb="exposure=1", groups={"min_subjects": 10})
    assert found.rates["perturbation"].unique().tolist() == ["none", "exposure"]
    assert found.gaps.query("primary")["verdict"].tolist() == ["gap larger than the margin"]
    assert "rises more for male than for female at 1 EV" in found.finding
    assert repr(found).splitlines()[0].startswith("facegap stress: ")
    html = found._repr_html_()
    assert html.count("<table") == 1
    assert re.findall(r'src="([^"]{22})', html) == ["data:image/svg+xml;bas"]


def test_tables_of_a_classifier_can_be_derived_again_and_other_folders_are_rejected(done: Any, tmp_path: Path) -> None:
    assert recheck(done.folder) == []
    assert done.scores is None
    with pytest.raises(RunError, match="not a stress test"):
        recheck(tmp_path)


def test_clusters_are_the_sampling_units(people: Path, toys: Any, tmp_path: Path) -> None:
    """Pairs of people share a photographer: half as many units, and a wider interval of the change."""
    frame = pd.read_csv(people)
    frame["photographer"] = "s" + (frame["subject"].str[1:].astype(int) // 4).astype(str)
    shot = people.parent / "shot.csv"
    frame.to_csv(shot, index=False)
    found = stress(shot, options(toys, tmp_path / "out", cluster=["photographer"], min_subjects=5), ["noise=1"])
    gap = found.gaps[found.gaps["primary"]].iloc[0]
    assert (gap["subjects_a"], gap["subjects_b"]) == (12, 12)
    assert found.record["cluster"] == ["photographer"]
    assert recheck(tmp_path / "out") == []
