"""Verification of real portraits reproduces published means and error rates, and verdicts state their limits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from facegap.audit.settings import Verify
from facegap.store.run import Run
from fixtures.settings import audit_embeddings

pytestmark = pytest.mark.real

# Genuine and impostor mean over all 1,418 portraits without pairs of the same photograph, and the range of the EER.
PUBLISHED = {
    "face_reid_0095": (0.724, 0.022, 0.0, 0.002),
    "mobileface_v2": (0.692, 0.028, 0.001, 0.01),
    "mobileface_v3": (0.517, 0.089, 0.04, 0.07),
}
PAIRS, WOMEN, MEN = 198, 43, 155


@pytest.fixture(scope="module")
def audits(congress_run: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Audit by name of the embedder and settings, each once."""
    folder, known = tmp_path_factory.mktemp("templates"), {}

    def audit(name: str, **settings: Any) -> Run:
        key = (name, *sorted(settings.items()))
        if key not in known:
            path = Path(folder / f"{name}.npy")
            if not path.exists():
                np.save(path, congress_run.templates(name))
            chosen = Verify(exclude_pairs=str(congress_run.same_photo), **settings)
            known[key] = audit_embeddings(path, congress_run.manifest, model=name, by="gender", verify=chosen)
        return known[key]

    return audit


def score_row(run: Run, gender: str = "any") -> Any:
    scores = run.extra["scores.csv"]
    return scores[scores["gender"] == gender].iloc[0]


def rate(run: Run, metric: str, gender: str = "any", other: str = "") -> Any:
    rates = run.rates
    found = rates[(rates["metric"] == metric) & (rates["gender"] == gender) & (rates["other_gender"] == other)]
    assert len(found) == 1
    return found.iloc[0]


def gap(run: Run, metric: str) -> Any:
    (found,) = run.gaps[run.gaps["metric"] == metric].to_dict("records")
    return found


@pytest.mark.parametrize("name", PUBLISHED)
def test_means_and_equal_error_rates_are_as_published(audits: Any, name: str) -> None:
    genuine, impostor, least, most = PUBLISHED[name]
    row = score_row(audits(name, in_sample=True))
    assert row["genuine_pairs"] == PAIRS
    assert row["genuine_mean"] == pytest.approx(genuine, abs=0.02)
    assert row["impostor_mean"] == pytest.approx(impostor, abs=0.02)
    assert least <= row["equal_error_rate"] <= most


def test_the_pairs_of_one_photograph_are_no_mates(audits: Any) -> None:
    run = audits("face_reid_0095", in_sample=True)
    assert [score_row(run, gender)["genuine_pairs"] for gender in ("female", "male")] == [WOMEN, MEN]
    assert run.record.comparison.all_pairs.excluded == 60


def test_women_are_mistaken_for_each_other_more_often_and_hardly_ever_for_men(audits: Any) -> None:
    run = audits("face_reid_0095", in_sample=True)
    assert run.record.operating[0].threshold == pytest.approx(0.388, abs=0.02)
    women, men, across = (rate(run, "fmr", "female"), rate(run, "fmr", "male"), rate(run, "fmr", "female", "male"))
    assert rate(run, "fmr")["value"] <= 1e-3
    assert women["value"] == pytest.approx(0.0030, abs=0.001)
    assert men["value"] == pytest.approx(0.0014, abs=0.0004)
    assert across["value"] < 1e-4
    assert women["low"] > men["value"]
    found = gap(run, "fmr")
    assert (found["group_a"], found["group_b"], found["verdict"]) == ("female", "male", "gap")
    assert found["ratio"] == pytest.approx(women["value"] / men["value"])


def test_what_43_women_cannot_show_is_admitted(audits: Any) -> None:
    run = audits("mobileface_v3", in_sample=True)
    women, found = rate(run, "fnmr", "female"), gap(run, "fnmr")
    assert (women["trials"], women["subjects"]) == (WOMEN, WOMEN)
    assert women["high"] - women["low"] > 0.15
    assert found["verdict"] == "not enough data" or found["differs"]
    assert found["subjects_needed"] > WOMEN


def test_a_threshold_of_other_people_holds_on_the_rest_about_as_well(audits: Any) -> None:
    run = audits("face_reid_0095", seed=1, threshold_by="split")
    (point,) = run.record.operating
    assert "subjects held out (seed 1)" in point.source
    assert "IN-SAMPLE" not in point.source
    assert point.threshold == pytest.approx(0.388, abs=0.03)
    pooled = rate(run, "fmr")
    assert pooled["low"] <= 1e-3 * 1.5
    assert pooled["high"] >= 1e-3 / 1.5
    aside = set(run.manifest["subject"][run.matched.roles == "threshold_set"])
    judged = set(run.manifest["subject"][run.matched.roles == "evaluation"])
    assert not aside & judged


@pytest.mark.parametrize(("name", "worst_group"), [("face_reid_0095", "female"), ("mobileface_v3", "male")])
def test_holding_the_worst_group_to_the_target_has_a_price_in_fnmr(audits: Any, name: str, worst_group: str) -> None:
    table = audits(name, in_sample=True).extra["transfer.csv"]
    worst = table[table["threshold_from"].str.contains("needs the highest threshold")]
    assert worst["threshold_from"].str.contains(f"on {worst_group} alone").all()
    assert (worst["threshold"] > worst["operating_threshold"]).all()
    assert (worst[(worst["metric"] == "fmr") & (worst["gender"] != "any")]["value"] <= 1e-3).all()
    price = worst[(worst["metric"] == "fnmr") & (worst["gender"] == "any")]["change_from_operating"].iloc[0]
    assert 0 < price < 0.1


def test_the_highest_impostor_pairs_are_listed_for_review(audits: Any) -> None:
    review = audits("face_reid_0095", in_sample=True).extra["review_pairs.csv"]
    assert len(review) == 100
    assert review.groupby("kind")["score"].agg(["min", "max"]).loc["impostor", "min"] > 0.4
