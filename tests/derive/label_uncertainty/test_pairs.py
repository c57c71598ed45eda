"""Comparisons under resampled labels: unchanged for certain labels, wider for uncertain ones, FNMR attenuated like rates of images."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from facegap.audit.settings import Verify
from facegap.derive.label_uncertainty import pairs as label_pairs
from facegap.derive.run import derived
from facegap.store.record import LabelColumn, LabelsRecord
from facegap.store.run import Run
from fixtures.settings import audit_embeddings

PLAIN = (
    "difference",
    "difference_low",
    "difference_high",
    "ratio",
    "ratio_low",
    "ratio_high",
    "p",
    "p_adjusted",
    "differs",
)
PEOPLE = 60


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Two images each of sixty people; templates of darker people are closer to those of others and less close to each other."""
    folder, rng = tmp_path_factory.mktemp("pairs"), np.random.default_rng(0)
    darker = np.arange(PEOPLE) < PEOPLE // 2
    centre = np.where(darker[:, None], rng.standard_normal(6) * 0.8, 0.0)
    person = rng.standard_normal((PEOPLE, 6)) + centre
    images = np.repeat(person, 2, axis=0) + rng.standard_normal((2 * PEOPLE, 6)) * 0.7
    np.save(folder / "templates.npy", images.astype(np.float32))
    frame = pd.DataFrame(
        {
            "image": [f"{k}.png" for k in range(2 * PEOPLE)],
            "subject": np.repeat(np.arange(PEOPLE), 2).astype(str),
            "tone": np.repeat(np.where(darker, "darker", "lighter"), 2),
        }
    )
    frame.to_csv(folder / "people.csv", index=False)
    return audit_embeddings(
        folder / "templates.npy", folder / "people.csv", by="tone", verify=Verify(fmr=(), threshold=(0.6,))
    )


def with_uncertain_labels(run: Run, sure: float, draws: int = 20) -> Run:
    """The run with joined labels of tone, each correct with probability `sure`."""
    darker = np.where(run.manifest["tone"] == "darker", sure, 1 - sure)
    labels = pd.DataFrame(
        {
            "row": np.repeat(np.arange(len(darker)), 2),
            "column": "tone",
            "label": ["lighter", "darker"] * len(darker),
            "probability": np.stack([1 - darker, darker], axis=1).ravel(),
        }
    )
    column = LabelColumn("annotated", {}, {}, without_label_but_drawn=0, uncertainty="known")
    stated = LabelsRecord(draws, seed=0, columns={"tone": column})
    return derived(replace(run, labels=labels, record=replace(run.record, labels=stated)))


def test_certain_labels_change_no_number_of_any_comparison(run: Run) -> None:
    gaps = with_uncertain_labels(run, 1.0, draws=3).gaps
    assert set(gaps["metric"]) >= {"fmr", "fnmr", "gfar", "gfrr"}
    assert (gaps["label_draws"] == 3).all()
    for name in PLAIN:
        assert gaps[f"label_{name}"].equals(gaps[name].rename(f"label_{name}")), name


def test_label_uncertainty_widens_comparisons_and_blurs_false_refusals_by_a_known_share(run: Run) -> None:
    gaps = with_uncertain_labels(run, 0.9).gaps.set_index("metric")
    assert (gaps["label_difference_low"] <= gaps["difference_low"]).all()
    assert (gaps["label_difference_high"] >= gaps["difference_high"]).all()
    assert gaps.loc["fnmr", "label_attenuation"] == pytest.approx(0.8)
    assert np.isnan(gaps.loc["fmr", "label_attenuation"])
    assert (gaps.loc[["fmr", "gfar"], "verdict"] != "no gap larger than the margin").all()


def test_more_images_than_are_counted_again_leave_the_columns_empty(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(label_pairs, "MOST_RESAMPLED_IMAGES", 10)
    gaps = with_uncertain_labels(run, 0.9).gaps
    assert (gaps.loc[gaps["metric"] == "fmr", "label_draws"] == 0).all()
