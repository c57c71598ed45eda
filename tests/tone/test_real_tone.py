"""Measured tones of real photographs: separation, two photographs of one person, and how many can be measured.

Race labels of FairFace are read here only to evaluate the separation.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.stats import mannwhitneyu

from facegap.audit.settings import settings_from
from facegap.tone.measure import measure_manifest

pytestmark = pytest.mark.real
FACES_PER_GROUP = 200
PAIRS = 150


def measured(images: pd.DataFrame, folder: Path, data: Path) -> pd.DataFrame:
    """The table of some images, by their full paths, together with their labels."""
    images.to_csv(folder / "people.csv", index=False)
    tones = measure_manifest(
        folder / "people.csv",
        settings_from({"models_dir": [data / "models"], "allow_outside": True}),
        out=folder / "tone.parquet",
    )
    assert tones["image"].tolist() == images["image"].tolist()
    return tones


def test_measured_ita_separates_white_from_black_faces_better_than_a_plain_one(test_data: Path, tmp_path: Path) -> None:
    folder = test_data / "data" / "fairface_val"
    labels = pd.read_csv(folder / "labels.csv", dtype=str)
    adults = labels[~labels["age"].isin(("0-2", "3-9", "10-19"))]
    groups = [adults[adults["race"] == race].head(FACES_PER_GROUP) for race in ("White", "Black")]
    races = np.repeat(["White", "Black"], FACES_PER_GROUP)
    images = pd.DataFrame({"image": [str(folder / name) for group in groups for name in group["image"]]})
    tones = measured(images, tmp_path, test_data)
    seen = (tones["outcome"] == "measured").to_numpy()
    coloured = seen | (tones["outcome"] == "no_skin").to_numpy()
    assert seen.sum() >= 0.95 * coloured.sum()  # of faces detected in colour; at least 90% are required

    def area(column: str) -> float:
        light, dark = (tones.loc[seen & (races == race), column] for race in ("White", "Black"))
        return float(mannwhitneyu(light, dark).statistic) / len(light) / len(dark)

    assert area("measured_ita") >= 0.80
    assert area("measured_ita") > area("ita") + 0.02
    calls = pd.crosstab(races[seen], tones.loc[seen, "measured_tone"])
    assert calls.loc["Black", "lighter"] < 0.15 * calls.loc["Black"].sum()
    assert calls.loc["White", "darker"] < 0.15 * calls.loc["White"].sum()


def test_two_photographs_of_a_legislator_agree(test_data: Path, tmp_path: Path) -> None:
    folder = test_data / "data" / "congress"
    genuine = pd.read_csv(folder / "genuine_pairs.csv", dtype=str).head(PAIRS)
    both = pd.concat([genuine["a"], genuine["b"]])
    tones = measured(pd.DataFrame({"image": [str(folder / name) for name in both]}), tmp_path, test_data)
    known = (tones["outcome"] == "measured").to_numpy().reshape(2, PAIRS).all(axis=0)
    assert set(tones["outcome"]) == {"measured", "grey"}
    one, other = (half[known] for half in tones["measured_ita"].to_numpy().reshape(2, PAIRS))
    assert np.corrcoef(one, other)[0, 1] >= 0.5
    calls = [half[known] for half in tones["measured_tone"].to_numpy().reshape(2, PAIRS)]
    called = (calls[0] != "unknown") & (calls[1] != "unknown")
    assert called.mean() >= 0.3
    assert (calls[0] != calls[1])[called].mean() <= 0.1
    doubt = tones["ita_sd"].to_numpy().reshape(2, PAIRS)[:, known]
    assert np.abs((one - other) / np.hypot(*doubt)).std() < 1.3  # the stated uncertainty is about as large as the error
